"""A date that contradicts its lot is asked back where somebody counts: at the end of a bin, and for a parked code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of
from tests.browser.test_review import opened

BIN, LOT = "P-01", "DATED-1"
LABEL = f"]C101095212345000871730010110{LOT}"
QUESTION = "known with another expiry"


@pytest.fixture(scope="module", autouse=True)
def dated(house: stage.House) -> None:
    """The books know when the lot expires; nothing of it is left."""
    people = house.oslo.people
    line = {"item": "GLUE-1", "lot": LOT, "quantity": 1}
    people["rita"].act("documents/receive", target=BIN, lines=[{**line, "expiry": "2028-01-01"}], reasons=["found"])
    people["pia"].act("documents/issue", lines=[{**line, "source": BIN}], reasons=["urgent"])


pytestmark = pytest.mark.usefixtures("alone")


def counting(pages: Pages, *codes: str, **look: Any) -> Any:
    """Ana's tablet with the bin open, in which these codes were scanned."""
    opened(pages.house, "Dated", BIN)
    ana = pages.house.oslo.people["ana"]
    ana.act("counts/open", bin=BIN)
    for code in codes:
        ana.act("scans", text=code)
    page = pages.tablet("ana", "/count", **look)
    expect(page.locator("#bin")).to_have_text(BIN)
    return page


def explained(page: Any) -> None:
    """The parked code is said to be of the lot, with another date."""
    page.click("#parked")
    page.get_by_role("button", name="It is an item").click()
    for label, text in (("Item code", "GLUE-1"), ("Lot", LOT), ("Expiry", "2030-01-01")):
        page.locator("#unknown").get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Count it so").click()
    expect(page.locator("#unknown .refusal")).to_contain_text(QUESTION)


def test_the_bin_is_done_when_the_date_is_confirmed(pages: Pages) -> None:
    page = counting(pages, LABEL)
    page.click("#done")
    expect(page.locator("#ask-words")).to_contain_text(QUESTION)
    expect(page.locator("#ask-words")).to_contain_text("not found. Close it?")
    page.click("#ask-yes")
    expect(page.locator("#answer")).to_contain_text("is counted")


def test_a_parked_code_is_counted_when_the_date_is_confirmed(pages: Pages) -> None:
    page = counting(pages, "DATED-ODD")
    explained(page)
    page.locator("#unknown").get_by_label("Expiry", exact=True).fill("2031-01-01")  # looked again: another one
    expect(page.locator("#unknown .refusal")).to_be_empty()
    page.get_by_role("button", name="Count it so").click()
    expect(page.locator("#unknown .refusal")).to_contain_text("2031-01-01")
    page.get_by_role("button", name="Yes, count it").click()
    expect(page.locator("#unknown")).to_be_hidden()
    expect(page.locator("#lines .line")).to_contain_text("2031")


def test_a_sheet_shows_its_questions_before_it_is_taken(pages: Pages, tmp_path: Path) -> None:
    house = pages.house
    session = opened(house, "Dated paper", BIN)
    number = house.oslo.people["kim"].act("counts/sheets", session=session)["sheet"]
    file = tmp_path / "sheet.csv"
    heading = "sheet,bin,item,lot,serial,status,expiry,quantity,pieces"
    file.write_text(f"{heading}\r\n{number},{BIN},GLUE-1,{LOT},,,2030-01-01,1,\r\n", encoding="utf-8")
    page = pages.tablet("kim", f"/review/{session}/sheets")
    page.click("[data-return]")
    page.set_input_files("#file", str(file))
    page.click("#back-yes")
    expect(page.locator("#tried")).to_contain_text(QUESTION)
    page.get_by_role("button", name="Yes, take it").click()
    expect(page.locator("tr", has_text="returned")).to_have_count(1)


def test_how_it_looks(pages: Pages) -> None:
    page = counting(pages, LABEL, "DATED-ODD")
    explained(page)
    faults = faults_of(page, "expiry: parked")
    page.get_by_role("button", name="Yes, count it").click()
    expect(page.locator("#unknown")).to_be_hidden()
    page.click("#done")
    expect(page.locator("#ask-words")).to_contain_text("Close it?")
    faults += faults_of(page, "expiry: done")
    page.click("#ask-yes")
    expect(page.locator("#answer")).to_contain_text("is counted")
    kim = pages.house.oslo.people["kim"]
    [session] = [each["session"] for each in kim.get("counts")["rows"] if each["state"] == "review"]
    review = pages.tablet("kim", f"/review/{session}/{BIN}")
    faults += faults_of(review, "expiry: review")
    assert not faults, "\n".join(faults)
