"""Undo takes back what the person saw as last, also when it waits behind what its tablet has not sent yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import OUT_OF_REACH, Pages
from tests.browser.test_count import GLOVES, MARKER, TAPE, counted, open_bin
from tests.browser.test_outbox import leave, nothing_to_send, to_send

Scan = Callable[..., None]
UNDO = "**/api/v1/counts/undo"


def elsewhere(pages: Pages, login: str, *codes: str, **where: Any) -> None:
    """The same person scans on another tablet."""
    for code in codes:
        pages.house.oslo.people[login].act("scans", text=code, **where)


def test_an_undo_without_the_node_is_about_what_this_tablet_did_last(pages: Pages, scanned: Scan) -> None:
    pages.forgive(*OUT_OF_REACH, "Failed to load resource: net::ERR_FAILED")
    stage.open_count(pages.house, "Undone", "U-01")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "U-01")
    expect(page.locator("#undo")).to_be_disabled()
    page.context.set_offline(True)
    scanned(page, MARKER, TAPE)
    to_send(page, 2)
    page.click("#undo")
    to_send(page, 3)
    elsewhere(pages, "ana", GLOVES, GLOVES, bin="U-01")
    page.context.set_offline(False)
    nothing_to_send(page)
    expect(counted(page, "Work gloves")).to_have_text("2")
    expect(counted(page, "Marker blue")).to_have_text("1")
    expect(page.locator("#lines .line", has_text="Packing tape")).to_have_count(0)

    # Nothing of its own waits: it is about what stood there last, the one before it, and so on.
    page.context.set_offline(True)
    for waits in (1, 2):
        page.click("#undo")
        to_send(page, waits)
    elsewhere(pages, "ana", TAPE, bin="U-01")
    page.context.set_offline(False)
    nothing_to_send(page)
    expect(counted(page, "Packing tape")).to_have_text("1")
    expect(counted(page, "Work gloves")).to_have_text("1")
    expect(page.locator("#lines .line", has_text="Marker blue")).to_have_count(0)

    # What comes in between an act and its undo stays.
    page.wait_for_timeout(1_200)  # all of it is shown by now
    page.context.route(UNDO, lambda route: route.abort())
    scanned(page, MARKER)
    page.click("#undo")
    to_send(page, 1)
    elsewhere(pages, "ana", TAPE, bin="U-01")
    expect(counted(page, "Packing tape")).to_have_text("2")
    page.context.unroute(UNDO)
    nothing_to_send(page)
    expect(page.locator("#lines .line", has_text="Marker blue")).to_have_count(0)
    expect(counted(page, "Packing tape")).to_have_text("2")
    leave(page)


def test_so_it_is_in_a_receipt(pages: Pages, scanned: Scan) -> None:
    pages.forgive(*OUT_OF_REACH)
    page = pages.tablet("rita", "/receive")
    expect(page.locator("#blind")).to_be_enabled()
    scanned(page, "BIN:N-17")
    expect(page.locator("#from")).to_have_text("N-17")
    scanned(page, MARKER)
    expect(counted(page, "Marker blue")).to_have_text("1")
    page.context.set_offline(True)
    scanned(page, TAPE)
    to_send(page, 1)
    page.click("#undo")
    to_send(page, 2)
    elsewhere(pages, "rita", GLOVES)
    page.context.set_offline(False)
    nothing_to_send(page)
    expect(counted(page, "Work gloves")).to_have_text("1")
    expect(counted(page, "Marker blue")).to_have_text("1")
    expect(page.locator("#lines .line", has_text="Packing tape")).to_have_count(0)
    page.click("#drop")
    page.click("#ask-yes")
    page.wait_for_selector("#choose:not([hidden])")
