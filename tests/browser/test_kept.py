"""What is done while the node is lost is kept, refused in sight, or not taken; none of it goes without a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import OUT_OF_REACH, Pages
from tests.browser.test_count import GLOVES, MARKER, TAPE, counted
from tests.browser.test_offline import kept
from tests.browser.test_outbox import nothing_to_send, to_send

Scan = Callable[..., None]
DOCK = "N-17"


def receipt(pages: Pages, scanned: Scan) -> Any:
    """Rita's tablet with an open receipt of one line."""
    page = pages.tablet("rita", "/receive")
    expect(page.locator("#blind")).to_be_enabled()
    scanned(page, f"BIN:{DOCK}")
    expect(page.locator("#from")).to_have_text(DOCK)
    scanned(page, TAPE)
    expect(counted(page, "Packing tape")).to_have_text("1")
    return page


def test_scans_into_a_receipt_that_was_finished_elsewhere_are_kept_as_refused(pages: Pages, scanned: Scan) -> None:
    pages.forgive(*OUT_OF_REACH)
    page = receipt(pages, scanned)
    page.context.set_offline(True)
    scanned(page, MARKER, MARKER, GLOVES)
    to_send(page, 3)
    pages.house.oslo.people["rita"].act("tasks/finish")  # on another tablet
    page.context.set_offline(False)
    expect(page.locator("#outbox-open")).to_have_text("✕ 3 refused")
    expect(page.locator("#answer")).to_contain_text("not counted")
    expect(page.locator("#answer")).to_have_attribute("data-level", "bad")
    page.click("#outbox-open")
    refused = page.locator("#outbox-refused-list .line")
    expect(refused.filter(has_text=GLOVES)).to_contain_text("Nothing is open: it was not counted")
    page.click("#outbox-seen")
    nothing_to_send(page)


def test_goods_that_are_scanned_with_no_bin_open_ask_for_the_bin_also_without_the_node(
    pages: Pages, scanned: Scan
) -> None:
    pages.forgive(*OUT_OF_REACH)
    page = pages.tablet("ben", "/count")
    page.wait_for_selector("#choose:not([hidden])")
    kept(page)
    page.context.set_offline(True)
    scanned(page, MARKER)
    expect(page.locator("#answer")).to_contain_text("Scan a bin first", ignore_case=True)
    to_send(page, 1)
    page.reload()
    to_send(page, 1)
    expect(page.locator("#chip-node")).to_contain_text("out of reach")
    scanned(page, GLOVES)
    expect(page.locator("#answer")).to_contain_text("Scan a bin first", ignore_case=True)
    to_send(page, 1)  # what is sent later could meet another bin
    page.context.set_offline(False)
    expect(page.locator("#outbox-open")).to_have_text("✕ 1 refused")
    page.click("#outbox-open")
    expect(page.locator("#outbox-refused-list")).to_contain_text("Nothing is open: it was not counted")
    page.click("#outbox-refused-list button")
    nothing_to_send(page)
