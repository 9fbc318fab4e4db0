"""An own move is taken back with one touch, for as long as nobody has gone on with the goods."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Pages
from tests.browser.test_floor import CABLE, Scan, lies, put, ready


def test_a_move_is_taken_back_with_one_touch(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "J-01", 2)
    before = (lies(house, "J-01"), lies(house, "J-02"))
    page = pages.tablet("rita", "/move")
    ready(page)
    scanned(page, "BIN:J-01")
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, CABLE, CABLE, "BIN:J-02")
    expect(page.locator("#to")).to_have_text("J-02")
    page.click("#done")
    expect(page.locator("#proof-title")).to_have_text("Goods moved")
    assert (lies(house, "J-01"), lies(house, "J-02")) == (before[0] - 2, before[1] + 2)
    page.click("#take-back")
    expect(page.locator("#proof-title")).to_have_text("Moved back")
    expect(page.locator("#take-back")).to_be_hidden()
    assert (lies(house, "J-01"), lies(house, "J-02")) == before
    issued = {"item": "CABLE-3", "quantity": 2, "source": "J-01"}
    house.oslo.people["pia"].act("documents/issue", lines=[issued], reasons=["sample"])
