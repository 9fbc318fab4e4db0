"""An alert in a real browser: seen, calm and still there; worse, it is new again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_devices import shot
from tests.browser.test_look import faults_of


@pytest.fixture
def disk(house: stage.House) -> Iterator[Callable[[int], None]]:
    """Says how many times more room the disk should have than it has; 0 ends it."""
    parts = house.oslo.parts
    before = parts.site.config
    free = parts.health.sample().sample.machine.disk_free_bytes

    def want(times: int) -> None:
        limits = replace(before.health, disk_free_bytes_min=free * times)
        parts.site.config = replace(before, health=limits)
        parts.health.sample()

    yield want
    parts.site.config = before
    parts.health.sample()


def card(page: Page) -> Page:
    return page.locator("#alerts li[data-code='disk_low']")  # type: ignore[return-value]


def test_an_alert_is_seen_and_stays(pages: Pages, disk: Callable[[int], None]) -> None:
    house, faults = pages.house, []
    disk(2)
    page = pages.tablet("kim", "/node")
    expect(page.locator("#chip-node")).to_contain_text("Node needs help")
    shot(page, "alerts-new")
    faults += faults_of(page, "new alerts")
    card(page).get_by_role("button", name="I have seen it").click()
    page.fill("#see-note", "A new disk comes on Monday")
    shot(page, "alerts-dialog")
    faults += faults_of(page, "the dialog of an alert")
    page.click("#see-yes")
    expect(card(page)).to_contain_text("has seen it")
    expect(card(page)).to_contain_text("A new disk comes on Monday")
    expect(page.locator("#chip-node")).to_contain_text("Alerts seen")
    page.wait_for_load_state()
    shot(page, "alerts-seen")
    faults += faults_of(page, "seen alerts")

    # Everybody sees who has seen it; whoever only counts says nothing for all.
    other = pages.tablet("ana", "/node")
    expect(card(other)).to_contain_text("Kim")
    expect(card(other).get_by_role("button")).to_have_count(0)

    card(page).get_by_role("button", name="Undo").click()
    expect(card(page)).not_to_contain_text("has seen it")
    page.wait_for_load_state()
    card(page).get_by_role("button", name="I have seen it").click()
    disk(50)  # while the dialog stands there
    page.click("#see-yes")
    expect(page.locator("#see-refusal")).to_contain_text("worse")
    faults += faults_of(page, "an alert that got worse")
    page.reload()
    card(page).get_by_role("button", name="I have seen it").click()
    page.click("#see-yes")
    expect(card(page)).to_contain_text("has seen it")

    disk(0)
    page.reload()
    expect(card(page)).to_have_count(0)
    disk(2)
    page.reload()
    expect(card(page).get_by_role("button", name="I have seen it")).to_be_visible()
    house.oslo.people["kim"].act("alerts/seen", code="disk_low", subject="disk", severity="warning")
    assert not faults, "\n".join(faults)
