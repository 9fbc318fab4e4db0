"""How far a count is, above the list of its bins: in bins, and so that nobody learns that one is counted again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_devices import shot
from tests.browser.test_look import faults_of
from web.languages import COOKIE


def count(house: stage.House, login: str, bin_: str) -> None:
    api = house.oslo.people[login]
    api.act("counts/open", bin=bin_)
    api.act("counts/enter", item="TAPE-50", quantity=3)
    api.act("counts/close", bin=bin_, confirm=True)


@pytest.mark.usefixtures("alone")
def test_how_far_a_count_is(pages: Pages) -> None:
    house = pages.house
    stage.open_count(house, "How far", "K-02", "K-03", "K-04", "K-05")
    page, ben = pages.tablet("ana", "/count"), pages.tablet("ben", "/count")
    far = page.locator("#far .far")
    expect(far).to_contain_text("How far")
    expect(far).to_contain_text("0 of 4 bins are counted")
    # It differs from the books, so that another person counts it again: who counted it is told no more than that.
    count(house, "ana", "K-02")
    expect(far).to_contain_text("1 of 4 bins are counted")
    expect(page.locator("#bins .tile")).to_have_count(3)
    expect(ben.locator("#bins .tile")).to_have_count(4)
    expect(ben.locator("#far")).to_contain_text("0 of 4 bins are counted")
    count(house, "ben", "K-02")
    expect(ben.locator("#far")).to_contain_text("1 of 4 bins are counted")
    expect(far).to_contain_text("1 of 4 bins are counted")
    faults = []
    for language in ("en", "ar"):
        page.context.add_cookies([{"name": COOKIE, "value": language, "url": house.oslo.url}])
        page.reload()
        expect(far.locator("progress")).to_have_js_property("value", 1)
        shot(page, f"far-{language}")
        faults += faults_of(page, f"how far, {language}")
    assert not faults, "\n".join(faults)


@pytest.mark.usefixtures("alone")
def test_how_the_other_bins_stand(pages: Pages) -> None:
    """Who has which open since when; of a bin that is counted again no more than that it is counted."""
    house = pages.house
    ana, ben, kim = (house.oslo.people[login] for login in ("ana", "ben", "kim"))
    session = stage.open_count(house, "Others", "K-02", "K-03", "K-04", "K-05")
    page = pages.tablet("ana", "/count")
    expect(page.locator("#bins .tile")).to_have_count(4)
    expect(page.locator("#far details")).to_have_count(0)
    actor = ben.get("users/me")["actor"]
    kim.act("counts/assign", session=session, bin="K-05", assignee=actor)
    ben.act("counts/open", bin="K-03")
    expect(page.locator("#bins .tile")).to_have_count(2)
    expect(page.locator("#far summary")).to_have_text("Other bins · ◐ 1 is being counted")
    page.click("#far summary")
    others = page.locator("#far .others li")
    expect(others.first).to_contain_text(re.compile(r"K-03◐ .*Ben Dahl.*, since \d"))
    count(house, "ana", "K-02")  # and is to be counted again, by somebody else
    expect(others).to_contain_text(["K-03", "K-05○ waits for somebody else", "K-02✓ counted"])
    ben.act("counts/leave", bin="K-03")
    expect(others).to_have_text(["K-05○ waits for somebody else", "K-02✓ counted"])
    ben.act("counts/open", bin="K-05")
    expect(others.first).to_contain_text("◐ ")
    expect(others.first).to_contain_text("Ben Dahl")
    expect(page.locator("#far summary")).to_have_text("Other bins · ◐ 1 is being counted")
    ben.act("counts/leave", bin="K-05")  # and nobody has it any more
    ben.act("counts/open", bin="K-02")
    expect(others).to_have_text(["K-02✓ counted"])
    faults = faults_of(page, "other bins")
    assert ana.get("counts/mine")["progress"][0]["counted"] == 1
    assert not faults, "\n".join(faults)
