"""Moments that people type are of the site's clock, whatever zone a tablet is set to."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages

SITE = "America/New_York"  # the tablet is in Oslo, six hours ahead
SHEET = "bin,item,counted"


def test_a_sheet_comes_back_at_the_sites_time(pages: Pages) -> None:
    house = pages.house
    kim = house.oslo.people["kim"]
    session = stage.open_count(house, "By the clock", "D-05")
    kim.act("counts/sheets", session=session, blind=True)
    page = pages.tablet("kim", "/")
    # As the page of a site with a zone of its own: before its scripts run.
    zoned = f"document.documentElement.dataset.zone = '{SITE}'"
    page.add_init_script(f"document.addEventListener('readystatechange', () => {{ {zoned}; }});")
    page.goto(f"{house.oslo.url}/review/{session}/sheets")
    page.click("[data-return]")
    shown = datetime.fromisoformat(page.locator("#counted-at").input_value()).replace(tzinfo=ZoneInfo(SITE))
    now = datetime.now(ZoneInfo(SITE))
    assert abs((now - shown).total_seconds()) < 300, (now, shown)
    page.fill("#counted-at", "2026-07-01T08:30")
    page.set_input_files("#file", {"name": "s.csv", "mimeType": "text/csv", "buffer": SHEET.encode()})
    page.select_option("#counter", index=0)
    with page.expect_request("**/counts/sheets/return") as asked:
        page.click("#back-yes")
    expected = datetime(2026, 7, 1, 8, 30, tzinfo=ZoneInfo(SITE))
    assert asked.value.post_data_json["counted_ms"] == int(expected.timestamp() * 1000)
    expect(page.locator("#back-refusal")).not_to_be_empty()
    kim.act("counts/cancel", session=session, reason="not-needed")
