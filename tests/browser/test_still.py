"""What is still on this tablet stands on top of the histories that the node tells, until the node has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import Pages
from tests.browser.test_attachments import png
from tests.browser.test_kept import receipt
from tests.browser.test_look import faults_of
from tests.browser.test_outbox import cut, mend, nothing_to_send, to_send

Scan = Callable[..., None]


def top(page: Any) -> Any:
    """The first row of the history."""
    return page.locator("table", has=page.get_by_role("columnheader", name="Proof")).locator("tbody tr").first


def test_an_operation_that_is_on_this_tablet_stands_first_and_then_in_its_place(pages: Pages, scanned: Scan) -> None:
    pages.forgive("Failed to load resource: net::ERR_FAILED", "Unreachable")
    page = receipt(pages, scanned)
    page.click("#done")
    page.context.route("**/tasks/finish", lambda route: route.abort())
    page.click("#papers button[type=submit]")
    to_send(page, 1)
    page.goto(f"{pages.house.oslo.url}/operations/")
    expect(top(page)).to_contain_text("Goods received or moved")
    expect(top(page)).to_contain_text("on this tablet")
    faults = faults_of(page, "operations with one that is still here")
    known = top(page).locator(".code").inner_text()
    page.context.unroute("**/tasks/finish")
    nothing_to_send(page)
    expect(top(page).locator("a.row")).to_have_text("Goods received")
    expect(top(page).locator(".code")).to_have_text(known)
    expect(page.locator("#still tr")).to_have_count(0)
    assert not faults, "\n".join(faults)


def test_an_item_and_a_bin_show_what_is_still_here_of_them(pages: Pages, scanned: Scan) -> None:
    """Of an empty history, too, and nothing of another item."""
    pages.forgive("Failed to load resource: net::ERR_FAILED", "Unreachable")
    page = pages.tablet("rita", "/look?place=K-07")
    expect(page.locator("#attach")).to_be_enabled()
    expect(page.locator("#found")).to_contain_text("Nothing was booked here yet")
    cut(page)
    page.set_input_files("#attach-file", {"name": "shelf.png", "mimeType": "image/png", "buffer": png(40, 30)})
    expect(top(page)).to_contain_text("shelf.png")
    expect(top(page)).to_contain_text("on this tablet")
    faults = faults_of(page, "a bin with what is still here")
    mend(page)
    nothing_to_send(page)
    expect(page.locator("#found")).to_contain_text("Nothing was booked here yet")
    page.goto(f"{pages.house.oslo.url}/look?item=RAG-1")
    expect(page.locator("#attach")).to_be_enabled()
    cut(page)
    page.set_input_files("#attach-file", {"name": "carton.png", "mimeType": "image/png", "buffer": png(40, 30)})
    expect(top(page)).to_contain_text("carton.png")
    mend(page)
    nothing_to_send(page)
    expect(page.locator("#found")).not_to_contain_text("on this tablet")
    assert not faults, "\n".join(faults)
