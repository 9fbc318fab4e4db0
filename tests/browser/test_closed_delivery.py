"""A delivery of which nothing more comes is closed on the tablet."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of


def announced(house: stage.House) -> list[str]:
    return [each["delivery"] for each in house.oslo.people["rita"].get("deliveries/")["rows"]]


def announce(house: stage.House, name: str) -> None:
    lines = [{"item": "CABLE-3", "quantity": 3}]
    house.oslo.people["rita"].act("deliveries", delivery=name, supplier="ACME", lines=lines)


def test_a_delivery_that_stays_short_is_closed_with_a_reason(pages: Pages) -> None:
    house = pages.house
    announce(house, "PO-SHORT")
    page = pages.tablet("rita", "/receive")
    page.click("#close-delivery")
    page.select_option("#closing-which", "PO-SHORT")
    expect(page.locator("#closing-which")).to_contain_text("PO-SHORT · 0 of 3 came")
    page.select_option("#closing-why", "not-sent")
    page.click("#closing button[type=submit]")
    expect(page.locator("#answer")).to_contain_text("Nothing more is expected of PO-SHORT")
    expect(page.get_by_role("button", name="PO-SHORT")).to_have_count(0)
    assert "PO-SHORT" not in announced(house)


def test_how_closing_a_delivery_looks(pages: Pages) -> None:
    name = "PO-LOOK"
    announce(pages.house, name)
    page = pages.tablet("rita", "/receive")
    expect(page.locator("#close-delivery")).to_be_visible()
    faults = faults_of(page, "deliveries")
    page.click("#close-delivery")
    faults += faults_of(page, "closing a delivery")
    pages.house.oslo.people["rita"].act("deliveries/close", delivery=name, reason="not-sent")
    assert not faults, "\n".join(faults)
