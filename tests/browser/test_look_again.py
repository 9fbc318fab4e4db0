"""What an order misses is looked for again when more has come."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of

BIN, WANTED, COMING = "R-03", 5_000, 40


def test_a_list_that_misses_something_looks_again(house: stage.House, pages: Pages) -> None:
    rita, pia = house.oslo.people["rita"], house.oslo.people["pia"]
    stock = [{"item": "GLOVE-10", "quantity": COMING, "target": BIN}]
    rita.act("documents/receive", lines=stock)
    answer = pia.act("picks", order="SO-AGAIN", lines=[{"item": "GLOVE-10", "quantity": WANTED}])
    missing = answer["missing"]["GLOVE-10"]
    page = pages.tablet("pia", "/pick")
    page.get_by_role("button", name="SO-AGAIN").click()
    page.get_by_role("button", name="Look again").click()
    expect(page.locator("#answer")).to_contain_text(f"{missing} nowhere to be had")
    assert faults_of(page, "missing (dark)") == []
    rita.act("documents/receive", lines=[{**stock[0], "quantity": missing}])
    page.get_by_role("button", name="Look again").click()
    expect(page.locator("#answer")).to_contain_text("All that was missing is promised now")
    expect(page.get_by_role("button", name="Look again")).to_be_hidden()
    page.click("#cancel")
    page.click("#ask-yes")
    expect(page.locator("#answer")).to_contain_text("what was promised is free again")
    gone = [{"item": "GLOVE-10", "quantity": COMING + missing, "source": BIN}]
    pia.act("documents/issue", lines=gone, reasons=["sample"])
