"""What happened and cannot be booked is noted on the tablet: stock stays as it is, and the bin is to be counted."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Pages
from tests.browser.test_floor import CABLE, Scan, lies, put, ready


def test_an_exception_is_noted_and_its_bin_is_to_be_counted(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "D-06", 2)
    page = pages.tablet("pia", "/")
    page.get_by_role("link", name="Exception").click()
    page.wait_for_url("**/floor/except")
    ready(page)
    scanned(page, "BIN:D-06", CABLE, CABLE, CABLE)
    expect(page.locator("#lines .count")).to_have_text("3")
    scanned(page, "BIN:D-05")
    expect(page.locator("#answer")).to_contain_text("One bin at a time")
    page.click("#done")
    page.select_option("#said-way", "gone")
    page.select_option("#said-reason", "taken")
    page.fill("#said-note", "For the fair in Hamburg")
    page.click("#papers button[type=submit]")
    expect(page.locator("#proof-title")).to_have_text("Noted: the bin is to be counted")
    assert lies(house, "D-06") == 2
    page.click("#proof-link")
    expect(page.get_by_role("heading", level=1)).to_have_text("Exception noted")
    kim = house.oslo.people["kim"]
    [count] = [each for each in kim.get("counts")["rows"] if each["name"] == "Check D-06"]
    kim.act("counts/cancel", session=count["session"], reason="not-needed")
