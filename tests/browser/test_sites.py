"""Goods are sent to a site that the hub told of; another name is asked back before the goods are on their way."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Pages
from tests.browser.test_floor import CABLE, Scan, lies, put, ready, sign


def test_the_receiver_is_offered_and_a_name_nobody_knows_is_asked_back(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "F-08", 3)
    before = lies(house, "F-08")
    page = pages.tablet("tor", "/floor/dispatch")
    ready(page)
    scanned(page, "BIN:F-08", CABLE)
    page.click("#done")
    assert page.locator("#sites option").evaluate_all("all => all.map(each => each.value)") == ["bergen"]
    page.fill("#said-receiver", "brgen")
    page.click("#papers button[type=submit]")
    sign(page)
    expect(page.locator("#ask-words")).to_contain_text("has told of no site brgen, only of bergen")
    page.click("#ask [data-close]")
    assert lies(house, "F-08") == before
    page.fill("#said-receiver", "hamar")
    page.click("#papers button[type=submit]")
    sign(page)
    page.click("#ask-yes")
    expect(page.locator("#proof-title")).to_have_text("Sent")
    expect(page.locator("#papers")).to_be_hidden()
    assert lies(house, "F-08") == before - 1
