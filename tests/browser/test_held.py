"""The page of what is not free: whoever found it so, only a bin or an item of it, held anew, released, scrapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_floor import lies, put, ready, sign
from tests.browser.test_look import faults_of

Scan = Callable[..., None]


def found_damaged(house: stage.House, bin_: str) -> None:
    """A count finds three of five damaged; nobody held them."""
    put(house, bin_, 5)
    rule = {"line_quantity_max": 0, "control_percent": 0, "rounds_max": 1}
    kim, ana = house.oslo.people["kim"], house.oslo.people["ana"]
    session = kim.act("counts", name=f"Damaged {bin_}", bins=[bin_], rule=rule)["session"]
    ana.act("counts/open", bin=bin_)
    ana.act("counts/enter", item="CABLE-3", quantity=5)
    ana.act("tasks/part", item="CABLE-3", quantity=3, held="damage", bin=bin_)
    ana.act("counts/close", bin=bin_, confirm=True)
    kim.act("counts/approve", session=session, bin=bin_, reason="miscounted-before", pin=stage.PIN)


def only(page: Any, bin_: str) -> Any:
    expect(page.locator("#only-what")).to_have_text(bin_)
    return page.locator("#holds .line")


def test_what_a_count_found_damaged_is_held_anew_then_released_by_another(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    found_damaged(house, "H-01")
    page = pages.tablet("pia", "/held")
    ready(page)
    scanned(page, "BIN:H-01")
    line = only(page, "H-01")
    expect(line).to_contain_text("Extension cable 3 m: damaged")
    expect(line.locator(".count")).to_have_text("3")
    expect(line.get_by_role("link", name="Count posted by")).to_be_visible()
    expect(line).to_contain_text("Nobody holds it yet")
    assert pages.tablet("kim", "/held?location=H-01").get_by_role("button", name="Release").count() == 0
    faults = faults_of(page, "held")
    assert not faults, "\n".join(faults)
    line.get_by_role("button", name="Hold anew").click()
    expect(page.locator("#part [data-held=damage]")).to_be_hidden()
    page.click("#part [data-held=quality]")
    expect(page.locator("#proof-title")).to_have_text("Held")
    expect(line).to_contain_text("held by you: somebody else releases it")
    kim = pages.tablet("kim", "/held?location=H-01")
    kim.get_by_role("button", name="Release Extension cable").click()
    sign(kim)
    expect(kim.locator("#proof-title")).to_have_text("CABLE-3 is free again")
    expect(kim.locator("#holds .line")).to_have_count(0)
    stock = house.oslo.people["rita"].get("locations/H-01")["stock"]
    assert [(row["status"], row["quantity"]) for row in stock] == [("free", 5)]
    # Its origin leads to its proof; whoever looks only at a bin comes back to all of them.
    kim.click("#all")
    expect(kim.locator("#only")).to_be_hidden()
    assert kim.url.endswith("/held")


def test_held_goods_are_scrapped_from_the_list(pages: Pages) -> None:
    house = pages.house
    put(house, "H-02", 4, "GLOVE-10", status="damage")
    page = pages.tablet("rita", "/held?location=H-02")
    line = page.locator("#holds .line")
    expect(line.get_by_role("link", name="Goods received by you")).to_be_visible()
    line.get_by_role("button", name="Scrap").click()
    page.select_option("#ask-why", "damaged")
    page.click("#ask-yes")
    expect(page.locator("#answer")).to_contain_text("Proposed: another person signs it")
    kim = house.oslo.people["kim"]
    [waits] = [row for row in kim.get("proposals/")["rows"] if any("H-02" in str(each) for each in row["lines"])]
    kim.act("documents/approve", proposal=waits["proposal"], pin=stage.PIN)
    assert lies(house, "H-02", "GLOVE-10") == 0
    page.reload()
    expect(page.locator("#only")).to_be_visible()
    expect(line).to_have_count(0)
