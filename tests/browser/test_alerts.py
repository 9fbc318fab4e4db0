"""An alert in a real browser: seen, calm and still there; worse, it is new again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_devices import shot
from tests.browser.test_look import LOOKS, faults_of


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


@pytest.mark.parametrize(("theme", "size"), LOOKS)
def test_an_alert_is_seen_and_stays(
    pages: Pages, disk: Callable[[int], None], theme: str, size: tuple[int, int]
) -> None:
    house, faults = pages.house, []
    disk(2)
    page = pages.tablet("kim", "/node", theme=theme, size=size)
    expect(page.locator("#chip-node")).to_contain_text("Node needs help")
    shot(page, f"alerts-new-{theme}")
    faults += faults_of(page, f"new alerts ({theme})")
    card(page).get_by_role("button", name="I have seen it").click()
    page.fill("#see-note", "A new disk comes on Monday")
    shot(page, f"alerts-dialog-{theme}")
    faults += faults_of(page, f"the dialog of an alert ({theme})")
    page.click("#see-yes")
    expect(card(page)).to_contain_text("has seen it")
    expect(card(page)).to_contain_text("A new disk comes on Monday")
    expect(page.locator("#chip-node")).to_contain_text("Alerts seen")
    page.wait_for_load_state()
    shot(page, f"alerts-seen-{theme}")
    faults += faults_of(page, f"seen alerts ({theme})")

    # Everybody sees who has seen it; whoever only counts says nothing for all.
    other = pages.tablet("ana", "/node", theme=theme, size=size)
    expect(card(other)).to_contain_text("Kim")
    expect(card(other).get_by_role("button")).to_have_count(0)

    card(page).get_by_role("button", name="Undo").click()
    expect(card(page)).not_to_contain_text("has seen it")
    page.wait_for_load_state()
    card(page).get_by_role("button", name="I have seen it").click()
    disk(50)  # while the dialog stands there
    page.click("#see-yes")
    expect(page.locator("#see-refusal")).to_contain_text("worse")
    faults += faults_of(page, f"an alert that got worse ({theme})")
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
