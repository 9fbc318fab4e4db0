"""What is left out of a list on a tablet is reached by keyboard, page by page, and back."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of

BIN, LINES = "T-04", 120  # moves; of a place the first answer brings 50


def test_the_moves_of_a_place_go_on_behind_the_first_ones(house: stage.House, pages: Pages) -> None:
    rita, pia = house.oslo.people["rita"], house.oslo.people["pia"]
    lines = [{"item": "CABLE-3", "quantity": 1, "target": BIN} for _ in range(LINES)]
    rita.act("documents/receive", lines=lines)
    pia.act("documents/issue", lines=[{"item": "CABLE-3", "quantity": LINES, "source": BIN}], reasons=["sample"])
    page = pages.tablet("rita", f"/look?place={BIN}")
    moves = page.get_by_role("region", name="What happened, newest first").locator("tbody tr")
    more = page.get_by_role("navigation", name="More of this list")
    expect(more).to_contain_text("1 to 50, and there are more")
    assert moves.count() == 50
    operation = moves.first.locator("a").first
    first = operation.get_attribute("href")
    more.get_by_role("button", name="Next ones").focus()
    page.keyboard.press("Enter")
    expect(more).to_contain_text(f"51 to {LINES + 1}, the last ones")
    assert moves.count() == LINES + 1 - 50 and operation.get_attribute("href") != first
    expect(more.get_by_role("button", name="Next ones")).to_be_hidden()
    assert faults_of(page, "dark") == []
    more.get_by_role("button", name="From the beginning").press("Enter")
    expect(moves).to_have_count(LINES + 1)  # all of it fits
    assert operation.get_attribute("href") == first
    expect(more).to_have_count(0)
