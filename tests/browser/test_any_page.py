"""What a scan or a typed code does on whatever page it comes: it is taken, or it is said aloud that it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import HAND_MS, MARKER

Scan = Callable[..., None]


def type_in(page: Any, text: str) -> None:
    """By hand, as it is printed on a torn label."""
    page.click("#type")
    page.keyboard.type(text, delay=HAND_MS)
    page.click("#code-form [type=submit]")


def test_a_bin_and_an_item_are_typed_as_they_are_printed(pages: Pages) -> None:
    page = pages.tablet("rita", "/move")
    page.wait_for_selector("#choose:not([hidden])")
    type_in(page, "a-01")
    expect(page.locator("#from")).to_have_text("A-01")
    type_in(page, "mark-bl")
    expect(page.locator("#lines")).to_contain_text("Marker blue")
    type_in(page, "Q-01")
    expect(page.locator("#to")).to_have_text("Q-01")
    expect(page.locator("#parked")).to_be_hidden()


@pytest.mark.usefixtures("alone")
def test_a_tile_whose_bare_label_is_scanned_is_opened_and_no_other_bin_by_it(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "Bare labels", "Q-02", "Q-03")
    page = pages.tablet("ana", "/count")
    expect(page.locator("#bins")).to_contain_text("Q-02")
    scanned(page, "Q-02")
    expect(page.locator("#bin")).to_have_text("Q-02")
    scanned(page, MARKER, "Q-03", MARKER)
    expect(page.locator("#lines .count")).to_have_text("2")
    expect(page.locator("#parked-count")).to_have_text("1")
    type_in(page, "q-03")
    expect(page.locator("#answer")).to_contain_text("close it first")
    scanned(page, MARKER)
    expect(page.locator("#lines .count")).to_have_text("3")
