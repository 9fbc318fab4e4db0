"""The start page says how much waits at each tile, while it happens; what is none is calm."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of


def waits(tile: Any, number: int, words: str) -> None:
    """The tile says so; other tests may have left something that waits."""
    if number:
        expect(tile.locator(".waits")).to_have_text(str(number))
    else:
        expect(tile.locator(".waits")).to_have_count(0)
        expect(tile).to_contain_text(words)


def test_what_waits_stands_on_its_tile_as_it_comes_and_goes(pages: Pages) -> None:
    rita, kim = pages.house.oslo.people["rita"], pages.house.oslo.people["kim"]
    expected = len(rita.get("deliveries/")["rows"])
    to_sign = sum(each["by"] != "Kim Holt" for each in kim.get("proposals/")["rows"])
    page = pages.tablet("rita", "/")
    tile = page.locator(".tile[href='/receive']")
    waits(tile, expected, "From a supplier")
    there = pages.tablet("kim", "/")
    sign = there.locator(".tile[href='/review/proposals']")
    waits(sign, to_sign, "Nothing to sign")
    number, line = "HOME", {"item": "CABLE-3", "quantity": 1}
    rita.act("deliveries", delivery=number, supplier="ACME", lines=[line])
    proposal = stage.propose(pages.house, "scrap", "A-04")
    waits(tile, expected + 1, "")
    expect(tile).to_contain_text("expected")
    waits(sign, to_sign + 1, "")
    faults = faults_of(page, "start with numbers") + faults_of(there, "start of a supervisor")
    rita.act("deliveries/close", delivery=number, reason="not-sent")
    kim.act("documents/reject", proposal=proposal, reason="not-needed")
    waits(tile, expected, "From a supplier")
    waits(sign, to_sign, "Nothing to sign")
    assert not faults, "\n".join(faults)
