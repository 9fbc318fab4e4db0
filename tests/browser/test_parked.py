"""Codes that nobody could count, in a closed bin: the approver says what each was, or why it counts for nothing."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of
from tests.browser.test_review import opened


def parked_in(house: stage.House, name: str, bin_: str, *codes: str) -> str:
    """A closed count of a bin in which these codes were scanned; answers the session."""
    stage.cancel_all(house)
    session = opened(house, name, bin_)
    ana = house.oslo.people["ana"]
    ana.act("counts/open", bin=bin_)
    ana.act("counts/enter", item="TAPE-50", quantity=2)
    for code in codes:
        ana.act("scans", text=code)
    ana.act("counts/close", bin=bin_, confirm=True)
    return session


def opened_bin(house: stage.House, session: str, bin_: str) -> Any:
    rows = house.oslo.people["kim"].get(f"counts/{session}")["bins"]
    return next(row for row in rows if row["bin"] == bin_)


def test_a_code_counts_for_nothing_for_one_of_several_reasons(pages: Pages) -> None:
    session = parked_in(pages.house, "Parked", "M-06", "ODD-ONE", "ODD-TWO", "ODD-SIX")
    kim = pages.tablet("kim", f"/review/{session}/M-06")
    expect(kim.locator("#scans .unknown")).to_have_count(3)
    expect(kim.locator("#approve")).to_be_disabled()
    assert not (faults := faults_of(kim, "parked scans (dark)")), faults
    for left, words in ((2, "Read twice"), (1, "Not from this bin"), (0, "Not stock")):
        kim.get_by_role("button", name=words).first.click()
        expect(kim.locator("#scans .unknown")).to_have_count(left)
    expect(kim.locator("#approve")).to_be_enabled()
    with pages.house.oslo.parts.site.reading() as connection:
        rows = connection.execute("SELECT reason FROM parked WHERE raw LIKE 'ODD-%' ORDER BY park").fetchall()
    assert [row[0] for row in rows] == ["read-twice", "not-here", "not-stock"]
    stage.cancel_all(pages.house)


def test_a_code_that_was_an_item_has_the_bin_counted_again(pages: Pages) -> None:
    session = parked_in(pages.house, "Parked item", "M-07", "WORN-LABEL")
    kim = pages.tablet("kim", f"/review/{session}/M-07")
    kim.get_by_role("button", name="It is an item").click()
    kim.get_by_label("Item code", exact=True).fill("NO-SUCH")
    kim.get_by_role("button", name="count the bin again").click()
    expect(kim.locator("#scans .refusal")).to_contain_text("NO-SUCH")
    kim.get_by_label("Item code", exact=True).fill("GLOVE-10")
    kim.get_by_role("button", name="count the bin again").click()
    expect(kim.locator("#scans")).to_have_count(0)
    assert opened_bin(pages.house, session, "M-07")["state"] == "waiting"
    stage.cancel_all(pages.house)
