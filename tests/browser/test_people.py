"""The people of the site: found by a part of their name, and let in again after too many wrong PINs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from node import throttle
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of


def guessed(house: stage.House, often: int) -> Iterator[None]:
    """Tor has typed so many wrong PINs; nobody waits for it afterwards, whatever the test found."""
    site, tor = house.oslo.parts.site, house.oslo.people["tor"].get("users/me")["actor"]
    with site.writing() as connection:
        connection.execute("INSERT INTO guesses VALUES (?, ?)", (throttle.person(tor).name, often))
    yield
    with site.writing() as connection:
        connection.execute("DELETE FROM guesses")


@pytest.fixture
def locked(house: stage.House) -> Iterator[None]:
    yield from guessed(house, throttle.LOCKED)


@pytest.fixture
def waiting(house: stage.House) -> Iterator[None]:
    yield from guessed(house, throttle.LOCKED - 1)


@pytest.mark.usefixtures("waiting")
def test_who_guessed_often_is_told_how_long_to_wait(pages: Pages) -> None:
    page = pages.open(f"{pages.house.oslo.url}/login")
    page.fill("#name", "tor")
    page.fill("#pin", stage.PIN)
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text(
        re.compile("Too many wrong PINs: wait [0-9]+ seconds, then try again")
    )
    expect(page.locator("button[type=submit]")).to_be_enabled()
    expect(page.locator("#pin")).to_have_value("")


@pytest.mark.usefixtures("locked")
@pytest.mark.parametrize("login", ["kim", "ada"])
def test_who_guessed_too_often_is_unlocked(pages: Pages, login: str) -> None:
    site = pages.house.oslo.parts.site
    page = pages.tablet(login, "/people")
    first = page.locator("tbody tr").first
    expect(first).to_contain_text("Tor Vik")
    expect(first).to_contain_text("too many wrong PINs")
    first.get_by_role("button", name="Unlock").click()
    expect(page.locator("#unlock-title")).to_have_text("Unlock Tor Vik?")
    faults = faults_of(page, "unlocking")
    page.click("#unlock-yes")
    expect(page.locator("[data-unlock]")).to_have_count(0)
    with site.reading() as connection:
        assert not connection.execute("SELECT 1 FROM guesses WHERE subject LIKE 'person:%'").fetchall()
    page.fill("#search", "VIK t")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    faults += faults_of(page, "people found")
    page.fill("#search", "nobody of that name")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Nobody here is called that.")
    assert not faults, "\n".join(faults)
