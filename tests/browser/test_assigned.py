"""Rounds of a count that are given to a person until a moment, in a real browser."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of
from tests.browser.test_review import count

BIN = "S-03"
HOUR_MS = 3_600_000


pytestmark = pytest.mark.usefixtures("alone")


def until(house: stage.House, session: str) -> tuple[str, int | None]:
    [one] = house.oslo.people["kim"].get(f"counts/{session}")["bins"]
    return one["assignee"], one["deadline_ms"]


def test_a_bin_is_given_to_a_counter_until_a_moment(pages: Pages) -> None:
    house = pages.house
    session = stage.open_count(house, "Given", BIN)
    kim = pages.tablet("kim", f"/review/{session}")
    kim.get_by_role("button", name=f"Assign {BIN}").click()
    kim.select_option("#give-to", label="Ana Berg")
    kim.fill("#give-until", "2031-01-02T14:30")  # the tablet's clock stands at Oslo: one hour before UTC in winter
    kim.click("#decide-yes")
    expect(kim.locator("main")).to_contain_text("2 Jan 2031, 14:30")
    assert until(house, session) == ("Ana Berg", 1_925_127_000_000)
    kim.get_by_role("button", name=f"Assign {BIN}").click()
    expect(kim.locator("#give-until")).to_have_value("2031-01-02T14:30")
    assert kim.eval_on_selector("#give-to", "each => each.selectedOptions[0].textContent") == "Ana Berg"
    kim.fill("#give-until", "2031-07-02T14:30")
    kim.click("#decide-yes")
    expect(kim.locator("main")).to_contain_text("2 Jul 2031, 14:30")
    assert until(house, session) == ("Ana Berg", 1_940_761_800_000)  # two hours before UTC in summer
    ana = pages.tablet("ana", "/count")
    expect(ana.get_by_role("button", name=BIN)).to_contain_text("until 2 Jul 2031, 14:30")
    assert BIN not in [each["bin"] for each in house.oslo.people["ben"].get("counts/mine")["bins"]]


def test_what_is_late_says_so_where_the_counter_looks(pages: Pages) -> None:
    kim, now_ms = pages.house.oslo.people["kim"], int(time.time() * 1000)
    opened = kim.act("counts", name="Late", bins=[BIN], deadline_ms=now_ms - HOUR_MS)
    page = pages.tablet("ana", "/")
    expect(page.get_by_role("link", name="Count", exact=False).first).to_contain_text("1 bin is overdue")
    page.goto(f"{pages.house.oslo.url}/count")
    expect(page.get_by_role("button", name=BIN)).to_contain_text("overdue")
    page = pages.tablet("kim", f"/review/{opened['session']}")
    expect(page.get_by_role("region", name="Bins of this count")).to_contain_text("overdue")


def test_a_count_and_a_recount_are_ordered_of_one_person(pages: Pages) -> None:
    house = pages.house
    page = pages.tablet("kim", "/review/new?from=S-03")
    page.fill("#plan-name", "By one")
    page.get_by_text(BIN, exact=True).click()
    page.select_option("#give-to", label="Ana Berg")
    page.fill("#give-until", "2031-01-02T08:00")
    page.click("#open")
    page.wait_for_url(re.compile("/review/[0-9a-f]{32}$"))
    session = page.url.rsplit("/", 1)[1]
    assert until(house, session) == ("Ana Berg", 1_925_103_600_000)
    count(house, "ana", BIN, {"item": "TAPE-50", "quantity": 1})
    if BIN in [each["bin"] for each in house.oslo.people["ben"].get("counts/mine")["bins"]]:
        count(house, "ben", BIN, {"item": "TAPE-50", "quantity": 1})
    page.goto(f"{house.oslo.url}/review/{session}/{BIN}")
    page.click("#again")
    page.select_option("#give-to", label="Ana Berg")
    page.click("#decide-yes")
    expect(page.locator("#refusal")).to_contain_text("somebody else")
    page.select_option("#give-to", label="Nia Roth")
    page.fill("#give-until", "2031-01-03T08:00")
    page.click("#decide-yes")
    page.wait_for_url(re.compile("/review/[0-9a-f]{32}$"))
    assert until(house, session) == ("Nia Roth", 1_925_190_000_000)


def test_who_counts_and_until_when(pages: Pages) -> None:
    house = pages.house
    kim, now_ms = house.oslo.people["kim"], int(time.time() * 1000)
    bins = [{"bin": "S-03", "deadline_ms": now_ms - HOUR_MS}, {"bin": "F-07", "deadline_ms": now_ms + 90 * HOUR_MS}]
    opened = kim.act("counts", name="Look who counts", bins=[*bins, "A-08"])
    page = pages.tablet("kim", f"/review/{opened['session']}")
    faults = faults_of(page, "given")
    page.get_by_role("button", name="Assign S-03").click()
    faults += faults_of(page, "given: assign")
    page.goto(f"{house.oslo.url}/review/new")
    faults += faults_of(page, "given: open a count")
    ana = pages.tablet("ana", "/")
    faults += faults_of(ana, "given: start")
    ana.goto(f"{house.oslo.url}/count")
    expect(ana.locator("#bins .tile")).to_have_count(3)
    faults += faults_of(ana, "given: bins")
    assert not faults, "\n".join(faults)
