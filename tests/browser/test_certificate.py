"""A zone is certified on the tablet: complete or not and why, on the chain, on paper."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of
from tests.browser.test_review import count, opened

ZONE, BINS = "ZONE-Z", ["Z-01", "Z-02"]


@pytest.fixture(scope="module", autouse=True)
def zone(house: stage.House) -> None:
    house.hub.add_locations("oslo", [ZONE], kind="area")
    house.hub.add_locations("oslo", BINS, parent=ZONE)
    kim = house.oslo.people["kim"]
    wait_for("the zone at oslo", lambda: len(kim.get(f"locations/?parent={ZONE}")["rows"]) == len(BINS), 60)


pytestmark = pytest.mark.usefixtures("alone")


def post(house: stage.House, bin_: str, *, blind: bool = True) -> None:
    """A count of a bin that holds nothing, approved. `blind` False: after a sheet with quantities was printed."""
    session, kim = opened(house, f"Of {bin_}", bin_), house.oslo.people["kim"]
    if not blind:
        sheet = kim.act("counts/sheets", session=session, blind=False)["sheet"]
        kim.act("counts/sheets/settle", sheet=sheet, state="void", reason="counted-otherwise")
    count(house, "ana", bin_)
    kim.act("counts/approve-bins", session=session, bins=[bin_], pin=stage.PIN)


def test_a_zone_is_certified_when_each_of_its_bins_was_counted(pages: Pages) -> None:
    house = pages.house
    post(house, BINS[0])
    page = pages.tablet("kim", "/review/programme")
    page.get_by_role("link", name="Certificate of a zone").click()
    page.wait_for_url("**/review/certificate")
    page.select_option("#zone", ZONE)
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#answer")).to_contain_text("Not complete: 1 of 2 bins is missing")
    expect(page.locator("main")).to_contain_text(BINS[1])
    expect(page.locator("main")).not_to_contain_text("not counted blind")
    post(house, BINS[1], blind=False)
    page.get_by_role("button", name="Put it on the chain").click()  # as it stands now, whatever the page showed
    page.wait_for_url(re.compile("height="))
    expect(page.locator("#answer")).to_contain_text("Complete: all 2 bins were counted and posted")
    expect(page.locator("main")).to_contain_text("1 bin was not counted blind")
    expect(page.locator("tr", has_text=BINS[1])).to_contain_text("not blind")
    expect(page.locator("tr", has_text=BINS[0])).not_to_contain_text("not blind")
    expect(page.get_by_role("button", name="Put it on the chain")).to_have_count(0)
    page.reload()
    faults = faults_of(page, "certificate on the chain")
    assert not faults, "\n".join(faults)
    proof = page.locator("dl a")
    operation = proof.get_attribute("href").rsplit("/", 1)[1]
    assert house.oslo.people["kim"].get(f"operations/{operation}")["state"]
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Show")).to_be_hidden()
    expect(page.locator("main")).to_contain_text(operation[:8])
    page.emulate_media(media="screen")
    page.fill("#since", "2099-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#answer")).to_contain_text("Not complete: 2 of 2 bins are missing")


def test_what_is_no_zone_and_who_may_not_ask(pages: Pages) -> None:
    page = pages.tablet("kim", "/review/certificate?zone=NOWHERE&since=yesterday")
    expect(page.locator("#answer")).to_contain_text("is no date")
    for wrong in ("zone=NOWHERE", f"zone={ZONE}&height=999999999999999999"):
        page.goto(f"{pages.house.oslo.url}/review/certificate?{wrong}")
        expect(page.locator("#answer")).to_have_attribute("data-level", "warn")
    page = pages.tablet("ana", "/review/certificate")
    expect(page.locator("main")).to_contain_text("needs the role APPROVE")


def test_how_a_certificate_looks(pages: Pages) -> None:
    post(pages.house, BINS[0])
    page = pages.tablet("kim", "/review/certificate")
    faults = faults_of(page, "certificate: choose")
    page.goto(f"{pages.house.oslo.url}/review/certificate?zone={ZONE}")
    faults += faults_of(page, "certificate")
    page.goto(f"{pages.house.oslo.url}/review/programme")
    faults += faults_of(page, "certificate: programme")
    assert not faults, "\n".join(faults)
