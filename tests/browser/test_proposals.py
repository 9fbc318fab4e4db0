"""What one person proposes and another one signs or refuses, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_floor import CABLE, Scan, lies, put, ready, sign
from tests.browser.test_look import faults_of


@pytest.fixture(autouse=True)
def nothing_left(house: stage.House) -> Iterator[None]:
    """What others left unsigned waits for nobody here, and what these tests leave for nobody else."""
    kim = house.oslo.people["kim"]

    def reject() -> None:
        for each in kim.get("proposals/")["rows"]:
            kim.act("documents/reject", proposal=each["proposal"], reason="not-needed")

    reject()
    yield
    reject()


def card(page: Any, proposal: str) -> Any:
    return page.locator(f"[data-proposal='{proposal}']")


def test_one_proposal_is_signed_and_another_refused(pages: Pages) -> None:
    house = pages.house
    put(house, "F-09", 5)
    before = lies(house, "F-09")
    scrapped = stage.propose(house, "scrap", "F-09", "CABLE-3", 2)
    sent = stage.propose(house, "send-back", "F-09", "CABLE-3", 1, supplier="ACME", origin="DN-5", note="Bent plugs")
    page = pages.tablet("kim", "/")
    page.get_by_role("link", name="Sign for others").click()
    page.wait_for_url("**/review/proposals")
    expect(card(page, scrapped)).to_contain_text("Rita Lund")
    expect(card(page, scrapped)).to_contain_text("It is damaged")
    expect(card(page, scrapped).locator(".count")).to_have_text("−2")
    for said in ("ACME", "DN-5", "Bent plugs"):
        expect(card(page, sent)).to_contain_text(said)
    card(page, scrapped).get_by_role("button", name="Sign").click()
    sign(page)
    expect(page.locator("#proof-title")).to_have_text("Scrap goods: signed and booked")
    expect(card(page, scrapped)).to_have_count(0)
    assert lies(house, "F-09") == before - 2
    card(page, sent).get_by_role("button", name="Refuse").click()
    page.select_option("#reason-again", "not-so")
    page.click("#decide-yes")
    expect(card(page, sent)).to_have_count(0)
    assert lies(house, "F-09") == before - 2
    refused = house.oslo.people["kim"].get(f"proposals/{sent}")
    assert (refused["state"], refused["reason"]) == ("rejected", "not-so")
    page.reload()
    expect(page.locator("#none")).to_be_visible()
    page.goto(f"{house.oslo.url}/")
    expect(page.get_by_role("link", name="Sign for others")).to_contain_text("Nothing to sign")


def test_only_an_approver_sees_what_waits(pages: Pages) -> None:
    page = pages.tablet("ana", "/review/proposals")
    expect(page.locator("main")).to_contain_text("needs the role APPROVE")


@pytest.mark.parametrize(("way", "change"), [("less", -2), ("more", 2)])
def test_stock_is_corrected_by_two_people(pages: Pages, scanned: Scan, way: str, change: int) -> None:
    house = pages.house
    put(house, "F-09", 5)
    before = lies(house, "F-09")
    page = pages.tablet("rita", "/floor/adjust")
    ready(page)
    scanned(page, "BIN:F-09", CABLE, CABLE)
    expect(page.locator("#lines .count")).to_have_text("2")
    page.click("#done")
    page.select_option("#said-way", way)
    page.select_option("#said-reasons", "booked-wrong")
    page.click("#papers button[type=submit]")
    expect(page.locator("#answer")).to_contain_text("another person signs")
    [waits] = house.oslo.people["kim"].get("proposals/")["rows"]
    assert (waits["act"], waits["reasons"]) == ("adjust", ["booked-wrong"])
    kim = pages.tablet("kim", "/review/proposals")
    expect(card(kim, waits["proposal"]).locator(".count")).to_have_text(f"{change:+}".replace("-", "−"))
    kim.get_by_role("button", name="Sign").click()
    sign(kim)
    expect(kim.locator("#proof")).to_be_visible()
    assert lies(house, "F-09") == before + change


def test_an_operation_is_reversed_once_another_person_has_signed(pages: Pages) -> None:
    house = pages.house
    before = lies(house, "F-09")
    received = put(house, "F-09", 4)
    page = pages.tablet("rita", f"/operations/{received}")
    page.get_by_role("button", name="Reverse").click()
    page.select_option("#reason-again", "twice")
    page.click("#decide-yes")
    expect(page.locator("#reversal")).to_be_visible()
    expect(page.locator("#reverse")).to_be_hidden()
    page.reload()
    expect(page.locator("#reversal")).to_be_visible()
    expect(page.get_by_role("button", name="Reverse")).to_have_count(0)
    kim = pages.tablet("kim", "/review/proposals")
    waits = kim.locator("[data-proposal]")
    expect(waits).to_contain_text("It was booked twice")
    expect(waits.locator(".count")).to_have_text("−4")
    expect(waits.get_by_role("link", name="the operation")).to_have_attribute("href", f"/operations/{received}")
    kim.get_by_role("button", name="Sign").click()
    sign(kim)
    expect(kim.locator("#proof")).to_be_visible()
    assert lies(house, "F-09") == before
    page.reload()
    expect(page.locator("main")).to_contain_text("Reversed by")
    expect(page.get_by_role("button", name="Reverse")).to_have_count(0)


def test_who_does_no_stock_work_reverses_nothing(pages: Pages) -> None:
    received = put(pages.house, "F-09", 1)
    page = pages.tablet("kim", f"/operations/{received}")
    expect(page.locator("main")).to_contain_text("What moved")
    expect(page.get_by_role("button", name="Reverse")).to_have_count(0)


def test_what_waits_and_its_dialogs(pages: Pages) -> None:
    house = pages.house
    put(house, "F-09", 5)
    put(house, "F-09", 3, "GLUE-1", lot="G-SIGN", expiry="2029-06-30")
    stage.propose(house, "scrap", "F-09", "CABLE-3", 2)
    lot = {"lot": "G-SIGN"}
    stage.propose(house, "send-back", "F-09", "GLUE-1", 1, supplier="ACME", origin="DN-5", line=lot, note="Leaking")
    page = pages.tablet("kim", "/review/proposals")
    faults = faults_of(page, "to sign")
    for name in ("Sign", "Refuse"):
        page.get_by_role("button", name=name).first.click()
        page.wait_for_selector("#decide[open]")
        faults += faults_of(page, f"to sign: {name}")
        page.keyboard.press("Escape")
    page.get_by_role("button", name="Sign").first.click()
    sign(page)
    expect(page.locator("#proof")).to_be_visible()
    faults += faults_of(page, "signed")
    rita = pages.tablet("rita", f"/operations/{put(house, 'F-09', 1)}")
    faults += faults_of(rita, "an operation")
    rita.click("#reverse")
    faults += faults_of(rita, "reverse it")
    page.goto(f"{house.oslo.url}/")
    faults += faults_of(page, "home with something to sign")
    assert not faults, "\n".join(faults)
