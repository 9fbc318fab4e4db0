"""What a supervisor says of a count before it begins: its limits, items in bins chosen by hand, and a draft."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Pages
from tests.browser.test_look import LOOKS, faults_of

pytestmark = pytest.mark.usefixtures("alone")

BIN, NEXT = "S-03", "F-07"
SESSION = re.compile("/review/[0-9a-f]{32}$")


def named(pages: Pages, name: str, *, bin_: str = BIN) -> Any:
    page = pages.tablet("kim", f"/review/new?from={bin_}")
    page.fill("#plan-name", name)
    page.get_by_label(bin_, exact=True).check()
    return page


def opened(pages: Pages, page: Any, button: str = "Open the count") -> dict[str, Any]:
    page.get_by_role("button", name=button).click()
    page.wait_for_url(SESSION)
    return dict(pages.house.oslo.people["kim"].get(f"counts/{page.url.rsplit('/', 1)[1]}"))


def test_the_limits_of_a_count_are_shown_and_changed(pages: Pages) -> None:
    page = named(pages, "With limits")
    page.get_by_text("When a bin is counted again").click()
    limit = page.get_by_label("Quantity, in smallest units", exact=True)
    expect(limit).to_have_value("0")  # as it is without a word of the hub
    expect(page.get_by_label("Value of a line")).to_have_value("")
    limit.fill("4")
    page.get_by_label("Per cent of what the books have").fill("5")
    page.get_by_label("Value in the whole count").fill("120,50")
    page.get_by_label("People who count each bin in any case").fill("2")
    page.get_by_label("Per cent of the bins that agree").fill("no")
    page.get_by_role("button", name="Open the count").click()
    expect(page.locator("#answer")).to_contain_text("This limit is no number")
    page.get_by_label("Per cent of the bins that agree").fill("0")
    found = opened(pages, page)
    said = {"line_quantity_max": 4, "line_percent_max": 5, "session_value_max": 12_050, "counters": 2}
    assert found["rule"] == {**found["rule"], **said, "control_percent": 0, "line_value_max": None, "rounds_max": 3}
    page.get_by_text("When a bin is counted again").click()
    shown = page.locator("#rule")
    expect(shown).to_contain_text("120.50")
    expect(shown).to_contain_text("no limit")


def test_a_limit_is_taken_away_and_one_that_cannot_be_is_refused(pages: Pages) -> None:
    page = named(pages, "Without limits")
    page.get_by_text("When a bin is counted again").click()
    page.get_by_label("Quantity, in smallest units", exact=True).fill("")
    page.get_by_label("Counts of a bin at most").fill("12")
    page.get_by_role("button", name="Open the count").click()
    expect(page.locator("#answer")).to_contain_text("expected 1 to 9")
    page.get_by_label("Counts of a bin at most").fill("1")
    rule = opened(pages, page)["rule"]
    assert (rule["line_quantity_max"], rule["rounds_max"]) == (None, 1)


def test_items_in_bins_that_were_chosen_by_hand(pages: Pages) -> None:
    page = named(pages, "Only tape")
    page.get_by_label("Only these items in them").fill("TAPE-50, MARK-BL")
    opened(pages, page)
    [mine] = [each for each in pages.house.oslo.people["ana"].get("counts/mine")["bins"] if each["bin"] == BIN]
    assert mine["whole"] is False


def test_a_draft_waits_until_it_is_started(pages: Pages) -> None:
    page = named(pages, "For Monday", bin_=NEXT)
    found = opened(pages, page, "Keep it as a draft")
    ana = pages.house.oslo.people["ana"]
    assert found["state"] == "draft" and NEXT not in [each["bin"] for each in ana.get("counts/mine")["bins"]]
    expect(page.locator(".heading")).to_contain_text("draft")
    expect(page.locator("#answer")).to_contain_text("until you start it")
    page.goto(f"{pages.house.oslo.url}/review/")
    expect(page.get_by_role("row", name="For Monday")).to_contain_text("draft")
    page.get_by_role("link", name="For Monday").click()
    page.wait_for_url(SESSION)
    page.get_by_role("button", name="Start counting").click()
    expect(page.locator(".heading")).to_contain_text("counting")
    assert NEXT in [each["bin"] for each in ana.get("counts/mine")["bins"]]


def test_how_a_count_was_planned_is_told_afterwards(pages: Pages) -> None:
    kim = pages.house.oslo.people["kim"]
    # What was recorded before is sealed first: a plan looks at a block.
    wish = {"areas": [], "not_counted_since": "2031-01-02", "sample": 2}
    session = kim.act("counts", name="Drawn", plan=wish)["session"]
    page = pages.tablet("kim", f"/review/{session}")
    page.get_by_role("link", name="How it was planned").click()
    page.wait_for_url("**/plan")
    facts = page.locator(".facts")
    expect(facts).to_contain_text("2, drawn at random")
    expect(facts).to_contain_text("this site")
    expect(facts).to_contain_text("2031")
    assert kim.get(f"counts/{session}/plan")["rule"]["not_counted_since_s"] == 1_925_078_400  # a site without a zone
    expect(page.locator(".heading")).to_contain_text("the rule gives these bins again")
    expect(page.locator("tbody tr")).to_have_count(2)


@pytest.mark.parametrize(("theme", "size"), LOOKS)
def test_how_it_looks(pages: Pages, theme: str, size: tuple[int, int]) -> None:
    page = pages.tablet("kim", "/review/new", theme=theme, size=size)
    page.get_by_text("When a bin is counted again").click()
    faults = faults_of(page, f"plan: limits ({theme})")
    kim = pages.house.oslo.people["kim"]
    session = kim.act("counts", name="Draft", bins=[BIN], draft=True)["session"]
    page.goto(f"{pages.house.oslo.url}/review/{session}")
    page.get_by_text("When a bin is counted again").click()
    faults += faults_of(page, f"plan: draft ({theme})")
    page.goto(f"{pages.house.oslo.url}/review/{session}/plan")
    faults += faults_of(page, f"plan: how ({theme})")
    page.goto(f"{pages.house.oslo.url}/review/new?from={NEXT}")
    faults += faults_of(page, f"plan: by hand ({theme})")
    assert not faults, "\n".join(faults)
