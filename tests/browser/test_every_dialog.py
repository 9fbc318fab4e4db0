"""Every dialog that a template holds, open, with what its script puts into it: in both themes, in English and in
Arabic, nothing is wrong with it (`test_look.dialog_faults_of`). A house test holds the list to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import OUT_OF_REACH, TABLET, UPRIGHT, Pages
from tests.browser.test_devices import photo, twice
from tests.browser.test_floor import put
from tests.browser.test_look import RULES, RULES_AGAIN, dialog_faults_of
from tests.browser.test_measured import typed
from web.languages import COOKIE

LOOKS = {"en": [("dark", TABLET), ("light", UPRIGHT)], "ar": [("light", UPRIGHT), ("dark", TABLET)]}
COUNTED, REVIEWED, PAPER, GOODS = "K-01", "K-02", "K-03", "K-04"
YOGHURT = {"item": "YOG-500", "lot": "L-EVERY", "expiry": "2027-06-30"}
CODES = ("https://id.gs1.org/01/09521234500063", "9521234500018")
Open = Callable[[Any], object]
# Resolves when the page's modules have run: what is pressed before does nothing.
STARTED = (
    "Promise.all([...document.querySelectorAll('script[type=module]')].map(({ src }) => import(src))).then(() => 1)"
)
LINE = "#lines .line:last-child .button:last-child"


def clicked(*buttons: str) -> Open:
    """One after the other; what the page hides for the moment is pressed all the same."""
    return lambda page: [page.locator(each).first.evaluate("each => each.click()") for each in buttons]


def scripted(body: str, *given: Any) -> Open:
    """By the page's own modules: `load(name)` answers one."""
    load = "const load = (name) => import(new URL(name, document.querySelector('script[type=module]').src));"
    return lambda page: page.evaluate(f"async (given) => {{ {load} {body} }}", list(given))


def shown(dialog: str, title: str = "") -> Open:
    """As its script opens it for a row of which the stage has none; `title` is a sentence of that script."""
    return scripted(
        "const { _ } = await load('words.js'), [id, title] = given;"
        "const words = title && _(title, { name: 'Kim Holt', tablet: 'T4' });"
        "if (words) document.getElementById(`${id}-title`).textContent = words;"
        "document.getElementById(id).showModal();",
        dialog,
        title,
    )


AREAS = [
    {"area": 0, "mine": True, "name": ""},
    {"area": 1, "by": "Ben Dahl", "name": "upper shelf", "state": "asked"},
]
ASK_HOW = "(await load('share.js')).askHow(...given);"
TWO = (
    "document.getElementById('two-drafts-words').textContent = '2 lines here, 3 lines there, of 24 Nov 2026, 10:04.';"
    "document.getElementById('two-drafts').showModal();"
)
AGREE = "(await load('share.js')).showAreas(...given); document.querySelector('#area-lines button').click();"


@dataclass(frozen=True)
class Screen:
    """Where dialogs are opened: by whom, each by template, id and the way it opens, and what is done first."""

    login: str
    path: str
    dialogs: dict[tuple[str, str], Open]
    ready: Callable[[Any, dict[str, Any]], object] = lambda page, made: None
    place: str = "oslo"


def counting(page: Any, made: dict[str, Any]) -> None:
    expect(page.locator("#lines .line")).to_have_count(2)
    expect(page.locator("#undecided-count")).to_have_text("2")


def photographed(page: Any, made: dict[str, Any]) -> None:
    counting(page, made)
    page.set_input_files("#photo-file", made["photo"])
    page.wait_for_selector("#codes-found button")


def arriving(page: Any, made: dict[str, Any]) -> None:
    page.set_input_files(
        "#file", {"name": "p.json", "mimeType": "application/json", "buffer": made["paper"].encode()}
    )
    page.wait_for_selector("#arriving:not([hidden])")
    clicked("#type")(page)
    page.fill("#code-text", "B-01")
    page.keyboard.press("Enter")
    expect(page.locator("#target")).to_have_text("B-01")
    clicked(LINE)(page)
    typed(page, "1")


def away(page: Any, made: dict[str, Any]) -> None:
    """Something waits on the tablet."""
    page.context.set_offline(True)
    scripted("(await load('api.js')).act('counts/undo', {}).catch(() => {});")(page)
    page.wait_for_selector("#outbox-open:not([hidden])")


SCREENS = [
    Screen("ana", "/count", {
        ("count.html", "keypad"): clicked(LINE),
        ("floor_parts.html", "part"): clicked(LINE, "#keypad-part"),
        ("floor_parts.html", "expiry"): clicked(LINE, "#keypad-expiry"),
        ("count.html", "code"): clicked("#type"),
        ("count.html", "ask"): clicked("#leave"),
        ("count.html", "unknown"): clicked("#parked"),
        ("count.html", "undecided"): clicked("#undecided-open"),
        ("count.html", "share"): scripted(ASK_HOW, REVIEWED, "Ben Dahl"),
        ("count.html", "own"): scripted(AGREE, {"target": COUNTED, "areas": AREAS}),
    }, counting),
    Screen("ana", "/count", {("bar.html", "codes"): lambda page: None}, photographed),
    Screen("pia", "/look", {
        ("bar.html", "outbox"): clicked("#outbox-open"),
        ("bar.html", "leaving"): clicked("#logout"),
    }, away),
    Screen("rita", "/receive", {
        ("floor_parts.html", "keypad"): clicked(LINE),
        ("floor_parts.html", "code"): clicked("#type"),
        ("floor_parts.html", "ask"): clicked("#drop"),
        ("floor_parts.html", "unknown"): clicked("#parked"),
        ("task.html", "papers"): clicked("#done"),
        ("task.html", "closing"): clicked("#close-delivery"),
    }, lambda page, made: expect(page.locator("#lines .line")).to_have_count(1)),
    Screen("tor", "/floor/dispatch", {
        ("basket.html", "papers"): shown("papers"),
        ("floor_parts.html", "two-drafts"): scripted(TWO),
    }),
    Screen("tor", "/papers/{transfer}", {("paper.html", "cancelling"): clicked("#cancel")}),
    Screen("bo", "/bring-in", {("arrivals.html", "differs"): clicked("#accept")}, arriving, place="bergen"),
    Screen("kim", "/node", {
        ("node.html", "see"): shown("see"),
        ("node.html", "settle"): shown("settle", "What %(tablet)s did not send is gone?"),
    }),
    Screen("kim", "/people", {
        ("people.html", "reset"): shown("reset", "Reset the authenticator of %(name)s?"),
        ("people.html", "unlock"): shown("unlock", "Unlock %(name)s?"),
    }),
    Screen("kim", "/operations/{noted}", {
        ("operation.html", "note-dialog"): clicked("#note-erase"),
        ("attachments.html", "erase"): shown("erase"),
    }),
    Screen("kim", "/review/{session}/sheets", {
        ("sheet_parts.html", "back"): clicked("[data-return]"),
        ("sheet_parts.html", "lost"): clicked("[data-lost]"),
    }),
    Screen("kim", f"/review/{{session}}/{REVIEWED}", {
        ("decide.html", "decide"): clicked("#again"),
        ("review_bin.html", "explain"): clicked("[data-explain]"),
    }),
]  # fmt: skip


@pytest.fixture(scope="module")
def made(house: stage.House, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the screens are about; everybody has given up what they began when it is over."""
    stage.cancel_all(house)
    ana, ben, kim, rita, tor = (house.oslo.people[login] for login in ("ana", "ben", "kim", "rita", "tor"))
    session = stage.open_count(house, "Every dialog", COUNTED, REVIEWED, PAPER)
    put(house, REVIEWED, 3)
    put(house, GOODS, 9)
    for each in (ana, ben):
        each.act("counts/open", bin=REVIEWED)
        each.act("counts/enter", item="CABLE-3", quantity=1)
        each.act("counts/close", bin=REVIEWED, confirm=True)
    kim.act("counts/sheets", session=session, bins=[PAPER])
    ana.act("counts/open", bin=COUNTED)
    ana.act("counts/enter", quantity=2, **YOGHURT)
    rita.act("deliveries", delivery="PO-EVERY", supplier="ACME", lines=[{"item": "CABLE-3", "quantity": 12}])
    rita.act("tasks/begin", kind="receive", target=GOODS)
    rita.act("tasks/enter", quantity=2, **YOGHURT)
    for each in (ana, rita):
        each.act("scans", text="NOBODY-KNOWS-THIS")
    for _ in range(2):
        twice(house, "]E09521234500063")
    line = {"item": "CABLE-3", "quantity": 1}
    noted = rita.act("documents/receive", lines=[{**line, "target": GOODS}], note="The driver was in a hurry")[
        "op_id"
    ]
    wish = {"receiver": "bergen", "lines": [{**line, "quantity": 3, "source": GOODS}]}
    transfer = tor.act("transfers/dispatch", **wish, pin=stage.PIN)["op_id"]
    two = photo(browser, tmp_path_factory.mktemp("photo"), *CODES)
    yield {
        "session": session,
        "noted": noted,
        "transfer": transfer,
        "paper": tor.get(f"transfers/{transfer}")["paper"],
        "photo": two,
    }
    rita.act("deliveries/close", delivery="PO-EVERY", reason="short")
    stage.cancel_all(house)


def test_every_dialog_of_the_tablet(pages: Pages, made: dict[str, Any]) -> None:
    pages.forgive(*OUT_OF_REACH)
    faults, tablets = [], {}
    for language, screen in product(LOOKS, SCREENS):
        url = pages.house.places[screen.place].url
        if screen.login not in tablets:
            tablets[screen.login] = pages.tablet(screen.login, "/login", place=screen.place)
        page = tablets[screen.login]
        page.context.add_cookies([{"name": COOKIE, "value": language, "url": url}])
        page.goto(url + screen.path.format(**made))
        page.evaluate(STARTED)
        screen.ready(page, made)
        for (template, dialog), opens in screen.dialogs.items():
            opens(page)
            page.wait_for_selector(f"#{dialog}[open]")
            for theme, (width, height) in LOOKS[language]:
                page.set_viewport_size({"width": width, "height": height})
                page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
                rules = RULES if (language, theme) == ("en", "dark") else RULES_AGAIN
                faults += dialog_faults_of(page, f"{template} #{dialog} ({theme}, {language})", rules)
            page.keyboard.press("Escape")
            expect(page.locator("dialog[open]")).to_have_count(0)
        page.context.set_offline(False)
    assert not faults, "\n".join(faults)


def test_what_is_wrong_in_a_dialog_is_found(pages: Pages) -> None:
    page = pages.open(f"{pages.house.oslo.url}/login")
    page.evaluate(
        """() => {
          const made = document.createElement("dialog");
          const button = made.appendChild(document.createElement("button"));
          button.textContent = "tiny";
          Object.assign(button.style, { fontSize: "8px", padding: 0, color: "#777", background: "#888" });
          document.body.append(made);
          made.showModal();
        }"""
    )
    found = "\n".join(dialog_faults_of(page, "planted (dark)"))
    assert "color-contrast" in found and "smaller than 56 px" in found
