"""The tablet in its other languages: every page, both themes, both ways of holding it. Mirrored where it has to be,
nothing cut off, nothing left in English, plural forms, choice."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import TABLET, UPRIGHT, Pages
from tests.browser.test_floor import CABLE, put
from tests.browser.test_look import faults_now
from web.languages import COOKIE, RIGHT_TO_LEFT, catalogue, of_scripts

Scan = Callable[..., None]
PICTURES = os.environ.get("PICTURES", "")
BIN, TOTE, REVIEWED, ON_PAPER, COUNTED = (f"L-{number:02}" for number in range(1, 6))
FLOOR = {
    "rita": ("/", "/receive", "/move",
             *(f"/floor/{kind}" for kind in ("scrap", "return", "relabel", "send-back", "adjust", "deliver"))),
    "pia": ("/", "/look", "/look?item=CABLE-3", f"/look?place={BIN}", "/pick", "/held",
            *(f"/floor/{kind}" for kind in ("order", "issue", "hold"))),
    "tor": ("/", "/bring-in", "/floor/dispatch", "/sent"),
    "ana": ("/", "/count", "/node", "/review/", "/operations/" + "0" * 32),
    "kim": ("/", "/review/", "/review/new", "/review/new?from=A", "/review/programme", "/review/proposals",
            "/review/certificate", f"/review/certificate?zone={BIN}", "/setup",
            "/held"),
}  # fmt: skip
# What holds text that must not be wider than it.
HOLDERS = (
    "button, .button, .tile, .chip, h1, h2, h3, label, select, .answer, dialog[open], .dock, .bar, .card:not(.scroll)"
)
# Each theme with one way of holding it; the other way is looked at too, without asking axe again.
# From right to left in both themes; of those from left to right each one in a theme and size of its own.
LOOKS = [("nb", "light", UPRIGHT), ("de", "dark", TABLET), ("ar", "dark", TABLET), ("ar", "light", UPRIGHT)]
NAMES = {"scale", "scanner"}  # what the stage calls its devices
NUMBERS = (0, 1, 2, 3, 11, 100)  # one of each category of Arabic


def speaking(pages: Pages, login: str, language: str, **options: Any) -> Any:
    page = pages.tablet(login, "/login", **options)
    page.context.add_cookies([{"name": COOKIE, "value": language, "url": pages.house.oslo.url}])
    return page


def english(language: str) -> list[str]:
    """What a page in this language never says as it stands: every English text that reads otherwise there."""
    texts: dict[str, Any] = {
        message.id: message.string for message in catalogue(language) if isinstance(message.id, str)
    }
    return [text for text, said in texts.items() if len(text) > 3 and text != said and "%(" not in text]


def looked_at(page: Any, language: str, size: tuple[int, int], where: str) -> list[str]:
    """What is wrong with the page as it stands, held either way. From left to right `test_every_page` asks axe."""
    found = left_over(page, language, where)
    if language in RIGHT_TO_LEFT:
        found += faults_now(page, where)
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{re.sub(r'[^a-z0-9]+', '-', where.lower())}.png")
    for width, height in (size[::-1], size):
        page.set_viewport_size({"width": width, "height": height})
        cut = page.evaluate(
            """(holders) => [document.documentElement, ...document.querySelectorAll(holders)]
                 .filter((each) => each.checkVisibility() && !each.matches(".visually-hidden, .skip"))
                 .filter((each) => each.scrollWidth > each.clientWidth + 1 && each.clientWidth)
                 .map((each) => `${each.scrollWidth} > ${each.clientWidth} ${each.outerHTML.slice(0, 100)}`)""",
            HOLDERS,
        )
        found += [f"{where} {width}x{height}: cut off: {each}" for each in cut]
    return found


def left_over(page: Any, language: str, where: str) -> list[str]:
    said = page.evaluate(
        """() => {
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), said = [];
          while (walker.nextNode()) {
            const { parentElement: holder, textContent: text } = walker.currentNode;
            if (!holder.closest("script, option[lang]")) said.push(text.trim());
          }
          for (const each of document.querySelectorAll("[aria-label]")) said.push(each.getAttribute("aria-label"));
          return said;
        }"""
    )
    return [f"{where}: still in English: {text}" for text in sorted(set(english(language)) & set(said) - NAMES)]


@pytest.fixture(scope="module")
def made(house: stage.House) -> Iterator[dict[str, list[str]]]:
    """A count in review, sheets of paper, a delivery, a pick list, a hold and a transfer; pages of them by login."""
    people = {login: house.oslo.people[login] for login in ("ana", "ben", "kim", "rita", "pia", "tor")}
    operation = put(house, BIN, 9)
    put(house, BIN, 3, "GLUE-1", lot="G-9", expiry="2029-06-30")
    people["rita"].act("deliveries", delivery="PO-900", supplier="ACME", lines=[{"item": "CABLE-3", "quantity": 12}])
    wanted = [{"item": "GLUE-1", "quantity": 2}]
    picks = people["pia"].act("picks", order="SO-900", lines=wanted)["op_id"]
    people["pia"].act("picks/begin", list=picks, tote=TOTE)
    held = {"item": "CABLE-3", "quantity": 1, "location": BIN}
    people["pia"].act("documents/hold", held="damage", lines=[held], reasons=["damaged"])
    line = {"item": "CABLE-3", "quantity": 1, "source": BIN}
    transfer = people["tor"].act("transfers/dispatch", receiver="bergen", lines=[line], pin=stage.PIN)["op_id"]
    waits = stage.propose(house, "send-back", BIN, "CABLE-3", supplier="ACME", origin="DN-9")
    session = stage.open_count(house, "Speaking", REVIEWED)
    for login in ("ana", "ben"):
        people[login].act("counts/open", bin=REVIEWED)
        people[login].act("counts/enter", item="TAPE-50", quantity=3)
        people[login].act("scans", text="NOBODY-KNOWS-THIS")
        people[login].act("counts/close", bin=REVIEWED, confirm=True)
    sheets = stage.open_count(house, "Speaking on paper", ON_PAPER)
    sheet = people["kim"].act("counts/sheets", session=sheets, blind=False)["sheet"]
    NAMES.update(each["name"] for each in people["kim"].get("counts/")["rows"])  # people name counts as they like
    review = f"/review/{session}"
    yield {
        "rita": [f"/operations/{operation}"],
        "pia": [f"/pick?list={picks}"],
        "tor": [f"/papers/{transfer}"],
        "kim": [
            review,
            f"{review}/{REVIEWED}",
            f"/review/{sheets}/sheets",
            f"/review/sheets/{sheet}",
            f"/operations/{operation}",
        ],
    }
    people["kim"].act("documents/reject", proposal=waits, reason="not-needed")


@pytest.mark.parametrize("login", FLOOR)
@pytest.mark.parametrize(("language", "theme", "size"), LOOKS)
def test_every_page_in_every_language(
    pages: Pages, made: dict[str, list[str]], language: str, theme: str, size: tuple[int, int], login: str
) -> None:
    faults = []
    page = speaking(pages, login, language, theme=theme, size=size)
    for path in [*FLOOR[login], *made.get(login, [])]:
        page.goto(pages.house.oslo.url + path)
        page.wait_for_load_state("networkidle" if "/look" in path else "load")
        if page.locator("#answer").count():
            expect(page.locator("#answer .word")).not_to_have_text(re.compile("…$"))
        assert page.locator("html").get_attribute("dir") == ("rtl" if language in RIGHT_TO_LEFT else "ltr")
        faults += looked_at(page, language, size, f"{path} in {language} ({theme})")
    assert not faults, "\n".join(faults)


def dialogs(page: Any, language: str, size: tuple[int, int], where: str, *opened: tuple[str, str]) -> list[str]:
    """What is wrong with each dialog: the button that opens it, and its name."""
    found = []
    for button, dialog in opened:
        page.click(button)
        page.wait_for_selector(f"{dialog}[open]")
        found += looked_at(page, language, size, f"{where}: {dialog}")
        page.keyboard.press("Escape")
    return found


@pytest.mark.parametrize(("language", "theme", "size"), LOOKS)
def test_work_and_its_dialogs_in_every_language(
    pages: Pages, made: dict[str, list[str]], scanned: Scan, language: str, theme: str, size: tuple[int, int]
) -> None:
    where = f"in {language} ({theme})"
    page = speaking(pages, "rita", language, theme=theme, size=size)
    page.goto(pages.house.oslo.url + "/receive")
    page.click("#blind")
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, f"BIN:{BIN}", CABLE, "NOBODY-KNOWS")
    expect(page.locator("#lines .line")).to_have_count(1)
    expect(page.locator("#parked")).to_be_visible()
    faults = looked_at(page, language, size, f"receiving {where}")
    opened = (("#lines .line .button", "#keypad"), ("#type", "#code"), ("#parked", "#unknown"), ("#done", "#papers"),
              ("#drop", "#ask"))  # fmt: skip
    faults += dialogs(page, language, size, f"receiving {where}", *opened)
    page = speaking(pages, "tor", language, theme=theme, size=size)
    page.goto(pages.house.oslo.url + "/floor/dispatch")
    scanned(page, f"BIN:{BIN}", CABLE)
    expect(page.locator("#lines .line")).to_have_count(1)
    faults += looked_at(page, language, size, f"dispatch {where}")
    page.click("#done")
    page.click("#papers button[type=submit]")
    expect(page.locator("#papers-refusal")).not_to_be_empty()
    faults += looked_at(page, language, size, f"dispatch: papers {where}")
    page.fill("#said-receiver", "bergen")
    page.click("#papers button[type=submit]")
    faults += looked_at(page, language, size, f"dispatch: sign {where}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(("language", "theme", "size"), LOOKS)
def test_counting_in_every_language(
    pages: Pages, scanned: Scan, language: str, theme: str, size: tuple[int, int]
) -> None:
    where = f"counting in {language} ({theme})"
    waiting = [each["bin"] for each in pages.house.oslo.people["ana"].get("counts/mine")["bins"]]
    if COUNTED not in waiting:
        stage.open_count(pages.house, "Speaking again", COUNTED)
    page = speaking(pages, "ana", language, theme=theme, size=size)
    page.goto(pages.house.oslo.url + "/count")
    page.wait_for_selector("#choose:not([hidden])")
    scanned(page, f"BIN:{COUNTED}", CABLE, "]C101095212345000943103001250", "NOBODY-KNOWS")
    expect(page.locator("#parked")).to_contain_text("1")
    faults = looked_at(page, language, size, where)
    faults += dialogs(page, language, size, where, ("#lines .line .button", "#keypad"), ("#type", "#code"),
                      ("#parked", "#unknown"), ("#done", "#ask"), ("#leave", "#ask"))  # fmt: skip
    assert not faults, "\n".join(faults)


def test_digits_lie_as_on_a_telephone_from_right_to_left_too(pages: Pages) -> None:
    page = speaking(pages, "ana", "ar")
    page.goto(pages.house.oslo.url + "/login")
    one, three = (page.locator(f"[data-key='{key}']").first.bounding_box() for key in (1, 3))
    assert one["x"] < three["x"]


def test_the_language_is_chosen_on_the_tablet_and_follows_its_person(pages: Pages) -> None:
    page = pages.tablet("ben")
    page.select_option("#language", "de")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert page.get_by_role("link", name="Zählen").is_visible()
    other = pages.open(f"{pages.house.oslo.url}/login")
    other.fill("#name", "ben")
    other.fill("#pin", stage.PIN)
    other.click("#login button[type=submit]")
    expect(other.locator("html")).to_have_attribute("lang", "de")
    expect(other.locator("#chip-node")).not_to_have_attribute("data-level", "quiet")  # its scripts are there
    other.select_option("#language", "en")
    expect(other.locator("html")).to_have_attribute("lang", "en")


def test_scripts_choose_plural_forms_as_their_language_does(pages: Pages) -> None:
    page = speaking(pages, "ana", "ar")
    page.goto(pages.house.oslo.url + "/count")
    forms = of_scripts("ar")["%(num)s day"]
    said = page.evaluate(
        """async () => {
          const script = document.querySelector("script[type=module]").src;
          const { n_ } = await import(script.replace(/[^/]+$/, "words.js"));
          return [0, 1, 2, 3, 11, 100].map((number) => n_("%(num)s day", "%(num)s days", number));
        }"""
    )
    isolated = [form.replace("%(num)s", f"\u2068{number}\u2069") for number, form in zip(NUMBERS, forms, strict=True)]
    assert said == isolated
