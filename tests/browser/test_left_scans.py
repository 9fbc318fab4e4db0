"""Codes of a receipt that is over, in a supervisor's list: each was an item after all, or counts for nothing."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of


def test_codes_of_a_receipt_that_is_over_are_explained_in_a_list_of_their_own(pages: Pages) -> None:
    house, rita = pages.house, pages.house.oslo.people["rita"]
    stage.cancel_all(house)  # what was scanned in a count is left over once that is ended
    for each in house.oslo.people["kim"].get("scans/left")["rows"]:  # of other work
        house.oslo.people["kim"].act("scans/dismiss", park=each["park"], reason="not-stock")
    rita.act("tasks/begin", kind="receive", target="M-08")
    for code in ("WORN-LABEL", "4012345678901"):
        rita.act("scans", text=code)
    assert rita.act("tasks/finish", happened=True)["exception"] is True
    stage.cancel_all(house)  # the bin is in a count already; left out of it, a code that was an item has it counted
    kim = pages.tablet("kim", "/review/")
    assert not (faults := faults_of(kim, "counts with codes")), faults
    kim.get_by_role("link", name="2 unknown codes").click()
    kim.wait_for_url("**/review/scans")
    expect(kim.locator("section.left")).to_contain_text("M-08")
    expect(kim.locator("section.left .unknown")).to_have_count(2)
    assert not (faults := faults_of(kim, "codes of what is over")), faults
    kim.get_by_role("button", name="It is an item").first.click()
    kim.get_by_label("Item code", exact=True).first.fill("GLOVE-10")
    assert not (faults := faults_of(kim, "a code that was an item")), faults
    kim.get_by_role("button", name="count the bin again").first.click()
    expect(kim.locator("section.left .unknown")).to_have_count(1)
    expect(kim.locator("#answer")).to_contain_text("the bin is to be counted")
    assert [
        each["name"] for each in house.oslo.people["kim"].get("counts")["rows"] if each["state"] == "counting"
    ] == ["Check M-08"]
    kim.get_by_role("button", name="Not stock").click()
    expect(kim.locator("#none")).to_be_visible()
    assert not (faults := faults_of(kim, "nothing to explain")), faults
    stage.cancel_all(house)
