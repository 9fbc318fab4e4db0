"""A bin whose count cannot go on by itself, in a real browser: taken from its counter, or taken as it was counted."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import faults_of
from tests.browser.test_review import count

BIN = "S-03"


pytestmark = pytest.mark.usefixtures("alone")


def state(house: stage.House, session: str) -> str:
    [one] = house.oslo.people["kim"].get(f"counts/{session}")["bins"]
    return str(one["state"])


def test_a_bin_is_taken_from_its_counter_and_what_is_counted_is_taken(pages: Pages) -> None:
    house = pages.house
    session = stage.open_count(house, "Stuck", BIN)
    house.oslo.people["ana"].act("counts/open", bin=BIN)
    kim = pages.tablet("kim", f"/review/{session}")
    kim.get_by_role("button", name=f"Take {BIN} from Ana Berg").click()
    expect(kim.locator("#decide-words")).to_contain_text(f"Ana Berg counts bin {BIN} no more")
    kim.click("#decide-yes")
    expect(kim.get_by_role("button", name=f"Assign {BIN}")).to_be_visible()
    assert state(house, session) == "waiting"

    count(house, "ben", BIN, {"item": "TAPE-50", "quantity": 7})
    kim.reload()
    kim.get_by_role("button", name=f"Take the count of {BIN}").click()
    kim.select_option("#reason-enough", "no-time")
    kim.click("#decide-yes")
    expect(kim.get_by_role("link", name=BIN, exact=True).first).to_be_visible()
    assert state(house, session) == "review"
    kim.goto(f"{house.oslo.url}/review/{session}/{BIN}")
    expect(kim.locator("main")).to_contain_text("It was not counted again: No time for it now.")


def test_a_count_that_is_stuck(pages: Pages) -> None:
    house = pages.house
    opened = house.oslo.people["kim"].act("counts", name="Look who is gone", bins=[BIN, "F-07"])
    count(house, "ben", BIN, {"item": "TAPE-50", "quantity": 7})
    house.oslo.people["ana"].act("counts/open", bin="F-07")
    page = pages.tablet("kim", f"/review/{opened['session']}")
    faults = faults_of(page, "stuck")
    page.get_by_role("button", name="Take F-07 from").click()
    faults += faults_of(page, "stuck: free")
    assert not faults, "\n".join(faults)
