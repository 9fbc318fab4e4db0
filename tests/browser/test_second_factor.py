"""A supervisor's authenticator in a real browser: set up from what the screen shows, then asked for at log-in."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from node import totp
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_devices import shot
from tests.browser.test_look import faults_of


@pytest.fixture
def asked(house: stage.House) -> Iterator[None]:
    """The setting is on, for as long as this test takes."""
    site = house.oslo.parts.site
    before = site.config
    site.config = replace(before, web=replace(before.web, second_factor=True))
    yield
    site.config = before
    with site.writing() as connection:
        connection.execute("DELETE FROM second_factors")


def code_of(secret: str, off: int = 0) -> str:
    raw = base64.b32decode(secret.replace(" ", ""))
    return totp.hotp(raw, totp.step_at(stage.CLOCK.now_ms() // 1000) + off)


@pytest.mark.usefixtures("asked")
def test_a_supervisor_sets_up_an_authenticator_and_uses_it(pages: Pages) -> None:
    page = pages.open(f"{pages.house.oslo.url}/login")
    page.fill("#name", "kim")
    page.fill("#pin", stage.PIN)
    page.keyboard.press("Enter")
    secret = page.locator("#authenticator-secret")
    expect(secret).to_be_visible()
    faults = faults_of(page, "setting up an authenticator")
    assert not faults, "\n".join(faults)
    text = secret.inner_text()
    wrong = "000000" if code_of(text) != "000000" else "111111"
    page.fill("#second", wrong)
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("The code is wrong")
    for digit in code_of(text):
        page.locator(f"[data-key='{digit}']").click()
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{pages.house.oslo.url}/")

    # From the second time on only the code is asked for; the same one is not taken twice.
    page = pages.open(f"{pages.house.oslo.url}/login")
    page.fill("#name", "kim")
    page.fill("#pin", stage.PIN)
    page.keyboard.press("Enter")
    expect(page.locator("#second")).to_be_focused()
    expect(secret).to_be_hidden()
    faults = faults_of(page, "the code of an authenticator")
    assert not faults, "\n".join(faults)
    page.fill("#second", code_of(text, -1))
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("used already")
    page.fill("#second", code_of(text, 1))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{pages.house.oslo.url}/")


@pytest.mark.usefixtures("asked")
def test_a_counter_logs_in_as_ever(pages: Pages) -> None:
    page = pages.open(f"{pages.house.oslo.url}/login")
    page.fill("#name", "ana")
    page.fill("#pin", stage.PIN)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{pages.house.oslo.url}/")


@pytest.mark.usefixtures("asked")
def test_an_administrator_resets_a_lost_authenticator(pages: Pages) -> None:
    house, faults = pages.house, []
    secret = house.oslo.parts.floor.people.enrol_second("kim", stage.PIN, "lost")["secret"]
    house.oslo.parts.floor.people.log_in("kim", stage.PIN, "lost", code_of(secret))
    page = pages.tablet("ada", "/people")
    kim = page.locator("tr", has_text="Kim Holt")
    expect(kim).to_contain_text("set up")
    expect(page.locator("tr", has_text="Ana Berg")).not_to_contain_text("set up")
    expect(page.get_by_role("button", name="Reset")).to_have_count(1)
    shot(page, "people")
    faults += faults_of(page, "people")
    kim.get_by_role("button", name="Reset").click()
    expect(page.locator("#reset-title")).to_contain_text("Kim Holt")
    shot(page, "people-dialog")
    faults += faults_of(page, "resetting an authenticator")
    page.locator("#reset [data-close]").click()
    expect(kim).to_contain_text("set up")
    kim.get_by_role("button", name="Reset").click()
    page.click("#reset-yes")
    expect(kim).not_to_contain_text("set up")
    expect(page.get_by_role("button", name="Reset")).to_have_count(0)

    # Whoever lost it sets up another one.
    page = pages.open(f"{house.oslo.url}/login")
    page.fill("#name", "kim")
    page.fill("#pin", stage.PIN)
    page.keyboard.press("Enter")
    expect(page.locator("#authenticator-secret")).to_be_visible()
    assert not faults, "\n".join(faults)
