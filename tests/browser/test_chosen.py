"""An approver decides on an earlier count of a bin, and posts it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of
from tests.browser.test_review import count, sign

BIN = "P-02"


pytestmark = pytest.mark.usefixtures("alone")


def counted_twice(house: stage.House) -> str:
    """Ana finds five rolls of tape and ben three, where the books have nothing."""
    kim = house.oslo.people["kim"]
    rule = {"control_percent": 0, "rounds_max": 2}
    session = str(kim.act("counts", name="Counted twice", bins=[BIN], rule=rule)["session"])
    for who, number in (("ana", 5), ("ben", 3)):
        count(house, who, BIN, {"item": "TAPE-50", "quantity": number})
    return session


def chosen(page: Any, name: str) -> None:
    page.get_by_role("button", name=f"Take the count of {name}").click()
    expect(page.locator("#decide-words")).to_contain_text(f"as {name} counted it")
    page.select_option("#reason-enough", label="Somebody has looked at the shelf")
    page.click("#decide-yes")


def test_the_first_count_is_taken_and_posted(pages: Pages) -> None:
    house = pages.house
    session = counted_twice(house)
    page = pages.tablet("kim", f"/review/{session}/{BIN}")
    expect(page.locator("tbody .difference")).to_contain_text("+3")
    chosen(page, "Ana Berg")
    expect(page.locator("tbody .difference")).to_contain_text("+5")
    expect(page.get_by_text("not by the newest count. Somebody has looked at the shelf")).to_be_visible()
    chosen(page, "Ben Dahl")
    expect(page.locator("tbody .difference")).to_contain_text("+3")
    chosen(page, "Ana Berg")
    expect(page.locator("tbody .difference")).to_contain_text("+5")
    page.click("#approve")
    sign(page)
    expect(page.locator("#answer")).to_contain_text("is posted")
    [line] = house.oslo.people["kim"].get(f"counts/{session}/report")["lines"]
    assert (line["counted"], line["counter"]) == (5, "Ana Berg")
    taken_out = {"item": "TAPE-50", "quantity": 5, "source": BIN}
    house.oslo.people["pia"].act("documents/issue", lines=[taken_out], reasons=["urgent"])


def test_what_was_looked_at_is_signed_and_nothing_else(pages: Pages) -> None:
    house = pages.house
    session = counted_twice(house)
    page = pages.tablet("kim", f"/review/{session}/{BIN}")
    kim = house.oslo.people["kim"]
    kim.act("counts/choose", session=session, bin=BIN, round=0, reason="doubtful")
    page.click("#approve")
    sign(page)
    expect(page.locator("#refusal")).to_contain_text("look at it again")


def test_how_it_looks(pages: Pages) -> None:
    session = counted_twice(pages.house)
    page = pages.tablet("kim", f"/review/{session}/{BIN}")
    faults = faults_of(page, "chosen: before")
    page.get_by_role("button", name="Take the count of Ana Berg").click()
    faults += faults_of(page, "chosen: dialog")
    page.click("#decide-yes")
    expect(page.locator("tbody .difference")).to_contain_text("+5")
    faults += faults_of(page, "chosen: after")
    assert not faults, "\n".join(faults)
