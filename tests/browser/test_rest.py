"""What is left out of a list on a tablet is reached by keyboard, page by page, and back."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of

BIN, LINES = "T-04", 120  # moves; of a place the first answer brings 50
ROWS_MAX = 200


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


def test_what_lies_in_a_full_place_goes_on_too(house: stage.House, pages: Pages) -> None:
    rita, pia = house.oslo.people["rita"], house.oslo.people["pia"]
    lots = [{"item": "GLUE-1", "lot": f"R-{number:03}", "quantity": 1} for number in range(ROWS_MAX + 1)]
    rita.act("documents/receive", lines=[{**each, "target": BIN} for each in lots])
    page = pages.tablet("rita", f"/look?place={BIN}")
    lies = page.get_by_role("region", name="What lies here").locator("tbody tr")
    expect(lies).to_have_count(ROWS_MAX)
    page.get_by_role("button", name="Next ones").first.click()
    expect(lies).to_have_count(1)
    expect(lies).to_contain_text(f"R-{ROWS_MAX:03}")
    # Neither an outage nor a slow link that is only known to be there by now turns the pages back.
    load = "import(new URL('reach.js', document.querySelector('script[type=module]').src))"
    for turn in ("lost", "heard"):
        page.evaluate(f"{load}.then((reach) => reach.{turn}())")
    page.wait_for_timeout(1_500)
    expect(lies).to_have_count(1)
    pia.act("documents/issue", lines=[{**each, "source": BIN} for each in lots], reasons=["sample"])
