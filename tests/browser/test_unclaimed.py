"""Scans of a scanner that was nobody's, in a real browser: somebody takes one over, another one is dismissed."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from devices.reads import NewRead
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import counted, open_bin
from tests.browser.test_devices import GLOVES, shot
from tests.browser.test_look import faults_of


def test_a_scan_of_nobodys_scanner_is_taken_over_or_dismissed(pages: Pages, scanned: Callable[..., None]) -> None:
    house, faults = pages.house, []
    stage.leave_all(house)
    bin_ = "U-01"
    session = stage.open_count(house, "Unclaimed", bin_)
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, bin_)
    nobodys = [NewRead("found-gun", f"]E0{GLOVES}".encode(), context={"actor": ""})]
    for _ in range(2):
        house.oslo.journal.record(nobodys)
    stage.wait_for("both to wait", lambda: len(house.oslo.people["ana"].get("reads/unclaimed")["rows"]) == 2, 20)
    node = pages.tablet("ana", "/node")
    cards = node.locator("#unclaimed-list .card")
    expect(cards).to_have_count(2)
    node.locator("#unclaimed").scroll_into_view_if_needed()
    shot(node, "unclaimed")
    faults += faults_of(node, "nobody's scans")
    cards.first.get_by_role("button", name="Take it").click()
    expect(cards).to_have_count(1)
    expect(counted(page, "Work gloves")).to_have_text("1")
    cards.first.get_by_role("button", name="Scanned again").click()
    expect(node.locator("#unclaimed")).to_be_hidden()
    expect(counted(page, "Work gloves")).to_have_text("1")
    stage.leave_all(house)
    house.oslo.people["kim"].act("counts/cancel", session=session, reason="over")
    assert not faults, "\n".join(faults)
