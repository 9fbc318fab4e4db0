"""A list that is drawn anew while a mouse is held down on it: the click is for the row it began on, or for none."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import Scan, counted, open_bin
from tests.browser.test_floor import CABLE, GLUE_LOT


def pressed(page: Any, button: Any) -> None:
    button.hover()
    page.mouse.down()


def test_a_click_outlives_its_row_and_never_moves_to_another(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "Pressed", "N-16")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "N-16")
    scanned(page, CABLE)
    change = page.get_by_role("button", name="Change Extension cable")
    expect(change).to_be_visible()
    pressed(page, change)
    scanned(page, CABLE)
    expect(counted(page, "Extension cable")).to_have_text("2")
    expect(page.locator("#keypad")).to_be_hidden()
    page.mouse.up()
    expect(page.locator("#keypad-title")).to_contain_text("Extension cable")
    page.locator("#keypad [data-close]").first.click()
    expect(page.locator("#keypad")).to_be_hidden()

    pressed(page, change)
    scanned(page, GLUE_LOT)
    expect(page.locator("#lines .line").first).to_contain_text("Wood glue")
    page.mouse.up()
    page.wait_for_timeout(300)
    expect(page.locator("#keypad")).to_be_hidden()
