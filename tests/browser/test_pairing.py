"""A scanner of the node reads the code on a tablet's screen, and its scans come to whoever stands there."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of
from tests.browser.test_wedge import seen_by_camera


def test_a_scanner_is_paired_by_the_code_on_the_screen(pages: Pages) -> None:
    scanner = pages.house.oslo.scanner
    scanner.wait_opened(20_000)
    page = pages.tablet("pia", "/node", theme="light")
    expect(page.locator("tr", has_text="scanner")).not_to_contain_text("yours")
    page.wait_for_selector("#chip-node[data-level=good], #chip-node[data-level=warn], #chip-node[data-level=bad]")
    code = seen_by_camera(pages, page.locator(".pair svg.qr").screenshot())
    scanner.scan("]Q1" + code)
    expect(page.locator("tr", has_text="scanner")).to_contain_text("yours")
    assert not (faults := faults_of(page, "paired (light)")), faults
