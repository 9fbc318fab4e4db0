"""What must hold on every screen in both themes, both directions and both ways of holding a tablet: WCAG 2.2 AA,
large targets, no page wider than the tablet, no complaint in the console (that part is checked by `pages` itself).
Every page as it opens is in test_every_page; here is what comes of working on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import OUT_OF_REACH, TABLET, UPRIGHT, Pages
from web.languages import COOKIE, LANGUAGES

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# The same words and order in other colours and lines: what can differ is looked at again.
RULES_AGAIN = {"runOnly": ["color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block"]}
# Everything that is pressed on a tablet, links that stand alone among it. Those inside a sentence, and those of the
# console's tables, are text, and WCAG's own rule holds for them.
TARGETS = (
    "button, .button, .tile, nav a, .back, .brand, a.row:not(.desk a.row), summary,"
    " input:not([type=checkbox]), select, textarea, label.choice, :is(td, dd, li, h2, .what) > a:not(.desk a, .photo)"
)
TARGET_PX_MIN = 56
# Tables that would have to be scrolled sideways: nobody sees that there is more of them.
OUT_OF_SIGHT = """(within) => [...document.querySelector(within).querySelectorAll(".scroll:not(.desk .scroll)")]
  .filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth + 1)
  .map((each) => `${each.getAttribute("aria-label")} (${each.scrollWidth} in ${each.clientWidth} px)`)"""
# What reaches over what stands beside it, and a code of a few characters that goes on in the next line.
AMISS = """(within) => {
  const all = (which) => [...document.querySelector(within).querySelectorAll(which)]
    .filter((each) => each.checkVisibility());
  const box = (each) => each.getBoundingClientRect();
  const linesOf = (each) => {
    const inside = document.createRange();
    inside.selectNodeContents(each);
    return inside.getClientRects().length;
  };
  const wide = all("main .card").filter((each) => {
    const own = box(each), place = box(each.parentElement);
    return own.left < place.left - 1 || own.right > place.right + 1;
  });
  const broken = all('td bdi[dir="ltr"], p bdi[dir="ltr"] > span')
    .filter((each) => /^[A-Z0-9-]{2,10}$/.test(each.textContent) && !each.firstElementChild && linesOf(each) > 1);
  return [...wide.map((each) => `wider than its place: ${each.outerHTML.slice(0, 90)}`),
    ...broken.map((each) => `on two lines: ${each.textContent}`)];
}"""
Looks = Sequence[tuple[str, tuple[int, int]]]
LOOKS: Looks = [("dark", TABLET), ("light", UPRIGHT)]


def in_each(page: Any, looks: Looks) -> Iterator[str]:
    """The page as it stands in each of these themes and sizes, by the theme; then again as it was."""
    own, size = page.evaluate("document.documentElement.dataset.theme"), page.viewport_size
    for theme, (width, height) in looks:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        yield theme
    page.set_viewport_size(size)
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", own)


def faults_of(page: Any, where: str, looks: Looks = LOOKS) -> list[str]:
    """What is wrong with the page as it stands, in each of `looks`."""
    found = []
    for theme in in_each(page, looks):
        found += faults_now(page, f"{where} ({theme})", RULES if theme == looks[0][0] else RULES_AGAIN)
    return found


def faults_now(page: Any, where: str, rules: dict[str, list[str]] = RULES_AGAIN) -> list[str]:
    """What is wrong with the page as it looks now, written in its own direction and in the other one."""
    found, own = _faults_of(page, where, rules), page.evaluate("document.documentElement.dir")
    other = "ltr" if own == "rtl" else "rtl"
    page.evaluate("dir => { document.documentElement.dir = dir; }", other)
    found += _faults_of(page, f"{where} written {other}", RULES_AGAIN)
    page.evaluate("dir => { document.documentElement.dir = dir; }", own)
    return found


def dialog_faults_of(page: Any, where: str, rules: dict[str, list[str]] = RULES) -> list[str]:
    """What is wrong with the dialog that is open; of the page behind it nothing is said."""
    return _faults_of(page, where, rules, "dialog[open]")


def _violations(page: Any, rules: dict[str, list[str]], within: str = "html") -> list[dict[str, Any]]:
    """What axe finds. A document gets it once, and tells nothing of what is in order: both take long."""
    from axe_playwright_python.sync_playwright import Axe

    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    asked = {**rules, "resultTypes": ["violations"]}
    looked = "([within, asked]) => axe.run(document.querySelector(within), asked).then((answer) => answer.violations)"
    found: list[dict[str, Any]] = page.evaluate(looked, [within, asked])
    return found


def _faults_of(page: Any, where: str, rules: dict[str, list[str]], within: str = "html") -> list[str]:
    found = [
        f"{where}: {each['id']}: {each['help']}: {[node['html'][:120] for node in each['nodes'][:3]]}"
        for each in _violations(page, rules, within)
    ]
    small = page.evaluate(
        """([targets, least, within]) => [...document.querySelector(within).querySelectorAll(targets)]
          .filter((each) => each.checkVisibility())
          .filter((each) => !each.classList.contains("skip"))
          .map((each) => [each.getBoundingClientRect(), each.outerHTML.slice(0, 90)])
          .filter(([box]) => box.height < least - 0.5 || box.width < least - 0.5)
          .map(([box, html]) => `${Math.round(box.width)}x${Math.round(box.height)} ${html}`)""",
        [TARGETS, TARGET_PX_MIN, within],
    )
    found += [f"{where}: smaller than {TARGET_PX_MIN} px: {each}" for each in small]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append(f"{where}: the page is wider than the screen")
    found += [f"{where}: a part of {each} is out of sight" for each in page.evaluate(OUT_OF_SIGHT, within)]
    found += [f"{where}: {each}" for each in page.evaluate(AMISS, within)]
    primary = page.evaluate(
        """() => [...document.querySelectorAll("dialog[open]").length ? document.querySelector("dialog[open]")
          .querySelectorAll(".primary") : document.querySelectorAll("main .primary")]
          .filter((each) => each.checkVisibility()).length"""
    )
    if primary > 1:
        found.append(f"{where}: {primary} primary actions on one screen")
    return found


@pytest.fixture(scope="module")
def review(house: stage.House) -> str:
    """A counted bin with a difference, an unexplained scan and a move during the count, in review."""
    session = stage.open_count(house, "A name long enough to need a second line on a tablet held upright", "A-05")
    for login, final in (("ana", False), ("ben", True)):
        api = house.oslo.people[login]
        api.act("counts/open", bin="A-05")
        api.act("counts/enter", item="TAPE-50", quantity=3)
        if final:
            api.act("scans", text="NOBODY-KNOWS-THIS")
            lines = [{"item": "TAPE-50", "quantity": 1, "source": "A-05", "target": "A-04"}]
            house.oslo.people["rita"].act("documents/move", lines=lines)
        api.act("counts/close", bin="A-05", confirm=True)
    house.oslo.people["kim"].act("counts/sheets", session=stage.open_count(house, "On paper", "A-10"), blind=False)
    return f"/review/{session}"


# How far apart what stands under one another is, in px.
APART = """([above, below]) => {
  const [over, under] = [above, below].map((each) => document.querySelector(each).getBoundingClientRect());
  return under.top - over.bottom;
}"""
# How much more room a choice would need to be read as a whole, in px.
CUT = """(choice) => {
  const style = getComputedStyle(choice), text = document.createElement("span");
  text.textContent = choice.selectedOptions[0].textContent;
  Object.assign(text.style, { font: style.font, position: "absolute", whiteSpace: "nowrap" });
  document.body.append(text);
  const needs = text.offsetWidth + parseFloat(style.paddingInlineStart) + parseFloat(style.paddingInlineEnd);
  text.remove();
  return needs - choice.clientWidth;
}"""


def test_nothing_touches_and_nobody_is_out_of_sight(pages: Pages, review: str) -> None:
    for size in (TABLET, UPRIGHT):
        page = pages.tablet("kim", "/", size=size)
        expect(page.locator("#who")).to_have_text("Kim Holt")
        expect(page.locator("#who")).to_be_visible()
        assert page.evaluate(APART, ["main .heading .button", "main .heading + .card"]) >= 6
        page.goto(f"{pages.house.oslo.url}{review}/A-05")
        assert page.evaluate(APART, ["#worth", "#worth + .card"]) >= 6
        for language in LANGUAGES:
            page.context.add_cookies([{"name": COOKIE, "value": language, "url": pages.house.oslo.url}])
            page.goto(f"{pages.house.oslo.url}/operations/")
            assert page.locator("#kind").evaluate(CUT) <= 0, (size, language)


def test_arrows_go_along_with_the_lines(pages: Pages) -> None:
    page = pages.tablet("rita", "/")
    expect(page.locator(".tile[href='/move'] > .shape")).to_have_text("→")
    page.context.add_cookies([{"name": COOKIE, "value": "ar", "url": pages.house.oslo.url}])
    for path in ("/", "/offline/ar"):
        page.goto(f"{pages.house.oslo.url}{path}")
        expect(page.locator(".tile[href='/move'] > .shape")).to_have_text("←")


def test_the_first_log_in(pages: Pages) -> None:
    page = pages.open(f"{pages.house.oslo.url}/login")
    page.click("#first")
    faults = faults_of(page, "first log-in")
    assert not faults, "\n".join(faults)


def test_help_stands_where_somebody_cannot_log_in(pages: Pages) -> None:
    page = pages.open(f"{pages.house.oslo.url}/login")
    page.get_by_text("Help", exact=True).click()
    expect(page.locator("#help")).to_contain_text("Ask a supervisor for a new activation code")
    faults = faults_of(page, "help at the log-in")
    page.get_by_role("link", name="Test this tablet and its scanner").click()
    page.wait_for_url("**/setup")
    assert not faults, "\n".join(faults)


def test_counting_and_its_dialogs(pages: Pages, scanned: Callable[..., None]) -> None:
    house = pages.house
    code = "DOCK-1"
    if house.oslo.people["ana"].get("counts/mine")["screen"] is not None:
        pytest.fail("another test left its bin open")
    waiting = [each["bin"] for each in house.oslo.people["ana"].get("counts/mine")["bins"]]
    if code not in waiting:
        stage.open_count(house, "Look", code)
    page = pages.tablet("ana", "/count")
    page.wait_for_selector("#choose:not([hidden])")
    scanned(page, f"BIN:{code}")
    page.wait_for_selector("#counting:not([hidden])")
    faults = faults_of(page, "an open bin")
    where = page.locator("#done").bounding_box()
    answer = page.locator("#answer").bounding_box()
    scanned(page, "9521234500032", "]C1010952123450005621SN-9", "NOBODY-KNOWS", "9521234500063")
    expect(page.locator(".line")).to_have_count(3)
    expect(page.locator("#parked")).to_contain_text("1")
    faults += faults_of(page, "lines")
    after = page.locator("#done").bounding_box()
    assert after["x"] == where["x"] and after["y"] == where["y"], "the primary button jumped"
    assert page.locator("#answer").bounding_box() == answer, "the answer jumped"
    for button, dialog in (("#parked", "#unknown"), ("#type", "#code"), ("#leave", "#ask"), ("#done", "#ask")):
        page.click(button)
        page.wait_for_selector(f"{dialog}[open]")
        faults += faults_of(page, f"{dialog}")
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Change Packing tape").click()
    faults += faults_of(page, "keypad")
    page.keyboard.press("Escape")
    page.click("#leave")
    page.click("#ask-yes")
    page.wait_for_selector("#choose:not([hidden])")
    assert not faults, "\n".join(faults)


def test_deciding_on_a_bin(pages: Pages, review: str) -> None:
    page = pages.tablet("kim", f"{review}/A-05")
    text = page.locator("main").inner_text()
    assert "unstable" in text and "NOBODY-KNOWS-THIS" in text and "Moves around the count" in text
    assert page.locator("#approve").is_disabled()
    faults = []
    page.click("#again")
    faults += faults_of(page, "count again")
    page.keyboard.press("Escape")
    page.evaluate("document.querySelector('#approve').disabled = false")  # refused all the same, by the node
    page.click("#approve")
    faults += faults_of(page, "approve")
    assert not faults, "\n".join(faults)


def test_the_keyboard_alone_reaches_everything_in_order(pages: Pages) -> None:
    page = pages.open(f"{pages.house.oslo.url}/login")
    reached = []
    page.wait_for_timeout(200)
    for _ in range(20):
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.dataset.key || ''"))
        page.keyboard.press("Tab")
    assert reached[:5] == ["name", "pin", "first", "", "1"], reached  # the one without a name opens the help
    visible = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert visible == "solid"


def test_right_to_left_mirrors_without_a_wide_page(pages: Pages) -> None:
    page = pages.tablet("ana", "/count")
    page.evaluate("document.documentElement.dir = 'rtl'")
    page.wait_for_selector("#choose:not([hidden])")
    brand, out = page.locator(".brand").bounding_box(), page.locator("#logout").bounding_box()
    assert brand["x"] > out["x"], "the bar is not mirrored"
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_a_tablet_without_its_node(pages: Pages, scanned: Callable[..., None]) -> None:
    house, code = pages.house, "T-11"
    pages.forgive(*OUT_OF_REACH)
    stage.open_count(house, "Out of reach", code)
    page = pages.tablet("ana", "/count")
    page.wait_for_selector("#choose:not([hidden])")
    scanned(page, f"BIN:{code}", "9521234500018")
    expect(page.locator(".line")).to_have_count(1)
    wait_for("the worker", lambda: page.evaluate("navigator.serviceWorker.controller !== null"))
    page.context.set_offline(True)
    scanned(page, "9521234500032", "NOBODY-KNOWS")
    expect(page.locator(".line.held")).to_have_count(2)
    faults = faults_of(page, "held")
    for button, dialog in (("#outbox-open", "#outbox"), ("#logout", "#leaving")):
        page.click(button)
        page.wait_for_selector(f"{dialog}[open]")
        faults += faults_of(page, f"{dialog}")
        page.keyboard.press("Escape")
    page.goto(f"{house.oslo.url}/node")
    expect(page.locator("h1")).to_have_text("The node is out of reach")
    faults += faults_of(page, "out of reach")
    house.oslo.people["ana"].act("counts/leave", bin=code)
    page.context.set_offline(False)
    page.goto(f"{house.oslo.url}/count")
    expect(page.locator("#outbox-open")).to_contain_text("2 refused")
    page.click("#outbox-open")
    faults += faults_of(page, "refused")
    page.click("#outbox-seen")
    expect(page.locator("#outbox-open")).to_be_hidden()
    assert not faults, "\n".join(faults)
