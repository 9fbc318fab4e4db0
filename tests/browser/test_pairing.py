"""A scanner of the node reads the code on a tablet's screen, and its scans come to whoever stands there."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from node import stations
from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import UPRIGHT, Pages
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


def taken_at(place: stage.Place) -> dict[str, int]:
    with place.parts.site.reading() as connection:
        return stations.tablets_of(connection)


def test_others_see_whose_a_scanner_is_and_what_it_read_last(pages: Pages) -> None:
    """By name and tablet; of the code only how it ends."""
    place = pages.house.oslo
    place.scanner.wait_opened(20_000)
    page = pages.tablet("tor", "/node")
    page.get_by_role("row", name="scanner").get_by_role("button", name="Use it").click()
    expect(page.get_by_role("row", name="scanner")).to_contain_text("yours")
    wait_for("the tablet has a number", lambda: "scanner" in taken_at(place))
    place.scanner.scan("]E09521234500018")
    other = pages.tablet("ana", "/node", size=UPRIGHT, theme="light")
    row = other.get_by_role("row", name="scanner")
    expect(row).to_contain_text("Tor")
    expect(row).to_contain_text(re.compile(r"EAN/UPC\s+…0018"))
    expect(row).to_contain_text(re.compile(r"at T\d+"))
    expect(row).not_to_contain_text("9521234500018")
    assert not (faults := faults_of(other, "a scanner of somebody else (light)")), faults
