"""What is put together on a tablet outlives it: after a reload, on another tablet, and where two of them went on."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import OUT_OF_REACH, Pages
from tests.browser.test_floor import CABLE, Scan, keys, lies, put, ready, sign
from tests.browser.test_offline import kept as without_node


def kept(pages: Pages, login: str, name: str, pieces: int, place: str = "oslo") -> None:
    """The node has so many pieces of it, in all its lines."""
    api = pages.house.places[place].people[login]

    def there() -> bool:
        draft = api.get(f"drafts/{name}")["draft"]
        lines = draft["work"]["lines"] if draft else []
        return sum(line.get("came", line["quantity"]) for line in lines) == pieces

    wait_for(f"{pieces} of {name} at the node", there, 20)


def figures(page: Any, *texts: str) -> None:
    expect(page.locator("#lines .count")).to_have_text(list(texts))


def test_another_tablet_goes_on_where_the_first_one_broke(pages: Pages, scanned: Scan) -> None:
    put(pages.house, "J-01", 3)
    first = pages.tablet("pia", "/floor/issue")
    scanned(first, "BIN:J-01", CABLE, CABLE)
    figures(first, "2")
    kept(pages, "pia", "issue", 2)
    first.reload()
    figures(first, "2")
    expect(first.locator("#answer")).to_contain_text("Go on where you stopped")
    second = pages.tablet("pia", "/floor/issue")
    figures(second, "2")
    expect(second.locator("#place")).to_have_text("J-01")
    scanned(second, CABLE)
    figures(second, "3")
    second.click("#done")
    second.click("#papers button[type=submit]")
    expect(second.locator("#proof-title")).to_have_text("Issued")
    assert lies(pages.house, "J-01") == 0
    # The first one was switched on again: what it shows was sent.
    first.reload()
    expect(first.locator("#no-lines")).to_be_visible()
    figures(first)


BUSY = """new Promise((begun) => {
  window.busy = true;
  indexedDB.open("tallyman").onsuccess = ({ target: { result: db } }) => {
    const facts = db.transaction(["items", "kept", "facts"], "readwrite").objectStore("facts");
    const on = () => { if (window.busy) facts.get("none").onsuccess = on; else db.close(); begun(); };
    on();
  };
})"""


def test_nothing_is_shown_before_it_is_on_the_tablets_disk(pages: Pages, scanned: Scan) -> None:
    """What is shown sooner is gone with a page that ends just then."""
    put(pages.house, "J-01", 3)
    page = pages.tablet("pia", "/floor/issue")
    scanned(page, "BIN:J-01", CABLE, CABLE)
    figures(page, "2")
    page.evaluate(BUSY)
    page.click("#undo")
    page.wait_for_timeout(500)
    figures(page, "2")
    page.evaluate("window.busy = false")
    figures(page, "1")
    page.reload()
    figures(page, "1")
    page.get_by_role("button", name="Change Extension cable").click()
    keys(page, "0", "#keypad")
    page.click("#keypad [data-key=ok]")
    kept(pages, "pia", "issue", 0)


def test_lines_are_there_after_a_flat_battery_without_the_node(pages: Pages, scanned: Scan) -> None:
    pages.forgive(*OUT_OF_REACH)
    page = pages.tablet("pia", "/floor/issue")
    without_node(page)
    scanned(page, "BIN:J-02", CABLE)
    figures(page, "1")
    page.context.set_offline(True)
    scanned(page, CABLE)
    figures(page, "2")
    page.evaluate("localStorage.clear()")  # a browser that dies has written nothing of its last seconds there
    page.reload()
    figures(page, "2")
    page.context.set_offline(False)
    kept(pages, "pia", "issue", 2)
    page.get_by_role("button", name="Change Extension cable").click()
    keys(page, "0", "#keypad")
    page.click("#keypad [data-key=ok]")
    kept(pages, "pia", "issue", 0)


def test_the_start_page_tells_what_is_begun(pages: Pages, scanned: Scan) -> None:
    put(pages.house, "J-01", 1)
    page = pages.tablet("rita", "/floor/scrap")
    scanned(page, "BIN:J-01", CABLE)
    figures(page, "1")
    kept(pages, "rita", "scrap", 1)
    home = pages.tablet("rita", "/")
    expect(home.locator("a.tile[href='/floor/scrap'] .use")).to_have_text("◐ 1 line begun")
    page.click("#undo")
    figures(page)
    kept(pages, "rita", "scrap", 0)
    expect(home.locator("a.tile[href='/floor/scrap'] .use")).to_have_text("With a second signature")
    announced = pages.tablet("rita", "/floor/deliver")
    scanned(announced, CABLE)
    expect(home.locator("a.tile[href='/receive'] .use")).to_contain_text("◐ 1 line begun")


def test_a_unit_that_is_counted_meanwhile_is_not_shown_before_that_is_over(pages: Pages, scanned: Scan) -> None:
    house, unit = pages.house, "CRATE-31"
    house.oslo.people["rita"].act("units/move", units=[{"unit": unit}], target="J-03")
    put(house, unit, 3)
    page = pages.tablet("liv", "/floor/issue")
    scanned(page, f"LPN:{unit}")
    figures(page, "3")
    kept(pages, "liv", "issue", 3)
    session = stage.open_count(house, "Crates", unit)
    for shown in (page, pages.tablet("liv", "/floor/issue")):
        shown.reload()
        expect(shown.locator("#answer")).to_contain_text("is being counted")
        figures(shown)
        scanned(shown, CABLE)
        figures(shown)
    house.oslo.people["kim"].act("counts/cancel", session=session, reason="not-needed")
    page.reload()
    figures(page, "3")
    issued = {"item": "CABLE-3", "quantity": 3, "source": unit}
    house.oslo.people["liv"].act("documents/issue", lines=[issued], reasons=["sample"])


@pytest.mark.parametrize(("choice", "figure"), [("here", "3"), ("there", "2")])
def test_of_two_tablets_that_both_went_on_one_is_chosen(
    pages: Pages, scanned: Scan, choice: str, figure: str
) -> None:
    put(pages.house, "J-02", 3)
    away = pages.tablet("pia", "/floor/hold")
    scanned(away, "BIN:J-02", CABLE)
    kept(pages, "pia", "hold", 1)
    other = pages.tablet("pia", "/floor/hold")
    figures(other, "1")
    pages.forgive("Failed to load resource")
    away.context.set_offline(True)
    scanned(away, CABLE, CABLE)
    figures(away, "3")
    scanned(other, CABLE)
    kept(pages, "pia", "hold", 2)
    away.context.set_offline(False)
    dialog = away.locator("#two-drafts")
    expect(dialog).to_be_visible()
    expect(away.locator("#two-drafts-words")).to_have_text(re.compile(r"^1 line here, 1 line there, of "))
    dialog.locator(f"button[value={choice}]").click()
    figures(away, figure)
    kept(pages, "pia", "hold", int(figure))


def test_what_was_counted_of_an_arrival_is_there_after_a_reload_and_on_another_tablet(
    pages: Pages, scanned: Scan
) -> None:
    house = pages.house
    put(house, "J-03", 4)
    tor = house.oslo.people["tor"]
    line = {"item": "CABLE-3", "quantity": 4, "source": "J-03"}
    transfer = tor.act("transfers/dispatch", receiver="bergen", lines=[line], pin=stage.PIN)["op_id"]
    paper = tor.get(f"transfers/{transfer}")["paper"]
    page = pages.tablet("bo", "/bring-in", place="bergen")
    ready(page)
    scanned(page, paper, "BIN:B-01")
    page.get_by_role("button", name="Change Extension cable").click()
    keys(page, "3", "#keypad")
    page.click("#keypad [data-key=ok]")
    figures(page, "3 / 4")
    kept(pages, "bo", f"arrival-{transfer}", 3, "bergen")
    page.reload()
    figures(page, "3 / 4")
    expect(page.locator("#target")).to_have_text("B-01")
    page.click("#back")
    tile = page.get_by_role("button", name=transfer[:8])
    expect(tile).to_contain_text("begun by you")
    other = pages.tablet("bo", "/bring-in", place="bergen")
    other.get_by_role("button", name=transfer[:8]).click()
    figures(other, "3 / 4")
    before = lies(house, "B-01", place="bergen")
    other.click("#accept")
    other.select_option("#whys select", "short")
    other.click("#differs button[type=submit]")
    sign(other)
    expect(other.locator("#proof-title")).to_contain_text("oslo")
    assert lies(house, "B-01", place="bergen") == before + 3
    kept(pages, "bo", f"arrival-{transfer}", 0, "bergen")
