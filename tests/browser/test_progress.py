"""How far a count is, above the list of its bins: in bins, and so that nobody learns that one is counted again."""

from __future__ import annotations

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
