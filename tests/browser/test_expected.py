"""A receipt finds what is expected of its delivery, however many deliveries there are, also after a reload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import OUT_OF_REACH, Pages
from tests.browser.test_count import MARKER
from tests.browser.test_offline import kept

Scan = Callable[..., None]
MANY, LAST = 205, "PZ-204"  # the first answer has 200


@pytest.fixture
def announced(house: stage.House) -> Iterator[None]:
    rita = house.oslo.people["rita"]
    lines = [{"item": item, "quantity": 9} for item in ("CABLE-3", "MARK-BL")]
    names = [f"PZ-{number:03}" for number in range(MANY)]
    for name in names:
        rita.act("deliveries", delivery=name, supplier="ACME", lines=lines)
    yield
    for name in names:
        rita.act("deliveries/close", delivery=name, reason="not-sent")


def test_a_delivery_behind_the_first_ones_is_expected_after_a_reload(
    announced: None, pages: Pages, scanned: Scan
) -> None:
    pages.forgive(*OUT_OF_REACH)
    page = pages.tablet("rita", "/receive")
    more: Any = page.get_by_role("navigation", name="More of this list")
    more.get_by_role("button", name="Next ones").click()
    page.get_by_role("button", name=LAST).click()
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, "BIN:H-06", MARKER)
    first = page.locator("#expected .line").first
    expect(first).to_contain_text("MARK-BL")  # what came in last stands first
    expect(first.locator(".count")).to_have_text("1 / 9")
    page.reload()
    expect(page.locator("#expected-title")).to_contain_text(LAST)
    scanned(page, MARKER)
    expect(first.locator(".count")).to_have_text("2 / 9")
    kept(page)
    page.context.set_offline(True)
    page.reload()
    expect(page.locator("#from")).to_have_text("H-06")
    expect(page.locator("#expected-title")).to_contain_text(LAST)
    expect(first.locator(".count")).to_have_text("2 / 9")
    page.context.set_offline(False)
    expect(page.locator("#chip-node")).to_contain_text("ok")
