"""What somebody wrote beside an operation is on its page, until a supervisor erases it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of


def test_a_note_is_read_and_erased(pages: Pages) -> None:
    rita = pages.house.oslo.people["rita"]
    line = {"item": "CABLE-3", "quantity": 1, "target": "N-04"}
    op_id = rita.act("documents/receive", lines=[line], note="The driver, Olav, was in a hurry")["op_id"]
    read = pages.tablet("rita", f"/operations/{op_id}")
    expect(read.locator("#note-text")).to_contain_text("Olav")
    expect(read.locator("#note-erase")).to_have_count(0)
    page = pages.tablet("kim", f"/operations/{op_id}")
    faults = faults_of(page, "an operation with a note")
    page.click("#note-erase")
    faults += faults_of(page, "erasing a note")
    page.click("#note-yes")
    expect(page.locator("#note-text")).to_have_text("Erased")
    expect(page.locator("#note-erase")).to_have_count(0)
    read.reload()
    expect(read.locator("#note-text")).to_have_text("Erased")
    assert not faults, "\n".join(faults)
