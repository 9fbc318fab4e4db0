"""What a supervisor says of a count before it begins: its limits, items in bins chosen by hand, and a draft."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_devices import shot
from tests.browser.test_floor import CABLE, Scan, lies, put, ready
from tests.browser.test_look import faults_of
from web.languages import COOKIE

pytestmark = pytest.mark.usefixtures("alone")

BIN, NEXT = "S-03", "F-07"
SESSION = re.compile("/review/[0-9a-f]{32}$")
ZONES = {"ZONE-V": ("V-01", "V-02", "V-03"), "ZONE-W": ("W-01", "W-02")}
CLASSED = """sku,name,gtin,base_unit,tracking,pack_qty,cost_minor,currency,decimals,abc
BRUSH-4,Brush of class K,9521234500209,EA,none,1,310,EUR,0,K
"""


@pytest.fixture(scope="module")
def zoned(house: stage.House) -> stage.House:
    """Two zones; an item of class K lies in V-01, V-02 and W-01, and another one beside them."""
    for zone, bins in ZONES.items():
        house.hub.add_locations("oslo", [zone], kind="area")
        house.hub.add_locations("oslo", bins, parent=zone)
    house.hub.import_items(CLASSED.encode())
    api = house.oslo.people["rita"]
    for zone, bins in ZONES.items():
        wait_for(
            zone, lambda zone=zone, bins=bins: len(api.get(f"locations/?parent={zone}")["rows"]) == len(bins), 60
        )
    stage.wait_for_item(house, "BRUSH-4")
    lines = [{"item": "BRUSH-4", "quantity": 3, "target": bin_} for bin_ in ("V-01", "V-02", "W-01")]
    lines += [{"item": "TAPE-50", "quantity": 3, "target": bin_} for bin_ in ("V-02", "V-03")]
    api.act("documents/receive", lines=lines, confirm=True)
    return house


def added(page: Any, kind: str, value: str = "") -> None:
    """One more thing that bins have to fit: the cursor stands in it at once."""
    page.select_option("#more", kind)
    page.get_by_role("button", name="Add", exact=True).click()
    if not value:
        return
    field = page.locator(".criteria > :focus-within :focus")
    if field.evaluate("each => each.tagName") == "SELECT":
        field.select_option(value)
    else:
        field.fill(value)


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
    expect(page.locator("#answer")).to_contain_text("A bin is counted in 1 to 9 rounds, not in 12")
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
    expect(page.locator("tbody tr")).to_have_count(2)  # the hub has drawn them
    page.get_by_role("link", name="How it was planned").click()
    page.wait_for_url("**/plan")
    facts = page.locator(".facts")
    expect(facts).to_contain_text("2, drawn at random")
    expect(facts).to_contain_text("the hub, when the rule was sealed")
    expect(facts).to_contain_text("2031")
    assert kim.get(f"counts/{session}/plan")["rule"]["not_counted_since_s"] == 1_925_078_400  # a site without a zone
    expect(page.locator(".heading")).to_contain_text("the rule gives these bins again")
    expect(page.locator("tbody tr")).to_have_count(2)


def test_a_sample_waits_for_the_hub_or_is_drawn_without_it(pages: Pages) -> None:
    """The page shows the bins as soon as they are drawn; whoever does not want to wait draws them, and it is told."""
    house, kim = pages.house, pages.house.oslo.people["kim"]
    wish = {"areas": [], "sample": 2}
    with house.oslo.parts.syncer._lock:  # nothing reaches the hub
        waiting = kim.act("counts", name="Waits", plan=wish)["session"]
        page = pages.tablet("kim", f"/review/{waiting}")
        expect(page.locator("#answer")).to_contain_text("The hub now draws the bins")
        expect(page.locator(".heading")).to_contain_text("being drawn")
        expect(page.locator("table")).to_have_count(0)
        assert faults_of(page, "drawing") == []
        shot(page, "drawing")
        page.goto(f"{house.oslo.url}/review/{waiting}/plan")
        expect(page.locator("main")).to_contain_text("2, drawn at random")
        assert faults_of(page, "drawing") == []
        page.goto(f"{house.oslo.url}/review/?state=drawing")
        expect(page.get_by_role("row", name="Waits")).to_contain_text("being drawn")
        page.goto(f"{house.oslo.url}/review/{waiting}")
    expect(page.locator(".heading")).to_contain_text("counting", timeout=20_000)
    expect(page.locator("tbody tr")).to_have_count(2)
    with house.oslo.parts.syncer._lock:
        session = kim.act("counts", name="At once", plan=wish)["session"]
        page.goto(f"{house.oslo.url}/review/{session}")
        page.get_by_role("button", name="Draw them now").click()
        page.get_by_role("button", name="Draw them", exact=True).click()
        expect(page.locator(".heading")).to_contain_text("counting")
        expect(page.locator("tbody tr")).to_have_count(2)
        page.goto(f"{house.oslo.url}/review/{session}/plan")
        expect(page.locator(".facts")).to_contain_text("this site")


def test_a_rule_says_several_things_that_all_hold(pages: Pages, zoned: stage.House) -> None:
    page = pages.tablet("kim", "/review/new")
    answer = page.locator("#answer")
    expect(page.locator("#by-rule")).to_contain_text("Every bin of the site")
    added(page, "areas", "ZONE-V")
    expect(answer).to_contain_text("V-01 V-02 V-03")
    added(page, "abc")
    expect(answer).to_contain_text("Classes, such as A B: say which")
    page.keyboard.type("K")
    expect(answer).to_contain_text("V-01 V-02")
    expect(answer).not_to_contain_text("V-03")
    added(page, "not_counted_since", "2031-01-02")
    added(page, "areas", "ZONE-W")
    expect(answer).to_contain_text("V-01 V-02 W-01")
    # What cannot hold together is refused by the node, and what there is once stays once.
    added(page, "empty")
    expect(answer).to_contain_text("plan the two apart")
    assert page.locator("#more option:not(:disabled)").evaluate_all("all => all.map((each) => each.value)") == [
        "areas", "suspect", "items", "expiring_before",
    ]  # fmt: skip
    page.get_by_role("button", name="Remove Bins that hold nothing by the books").click()
    expect(answer).to_contain_text("V-01 V-02 W-01")
    page.get_by_role("button", name="Remove Zone ZONE-W").press("Enter")
    expect(answer).not_to_contain_text("W-01")
    assert page.evaluate("document.activeElement.id") == "more"
    page.select_option("#whole", "no")
    page.fill("#plan-name", "Class K in V")
    found = opened(pages, page)
    rule = pages.house.oslo.people["kim"].get(f"counts/{page.url.rsplit('/', 1)[1]}/plan")["rule"]
    told = {"areas": ["ZONE-V"], "items": ["BRUSH-4"], "not_counted_since_s": 1_925_078_400, "whole": False}
    assert rule == {**told, **({"abc": ["K"]} if "abc" in rule else {})}
    assert [each["bin"] for each in found["bins"]] == ["V-01", "V-02"]


def test_the_bins_of_a_zone_are_frozen_until_they_are_counted(
    pages: Pages, zoned: stage.House, scanned: Scan
) -> None:
    kim = zoned.oslo.people["kim"]
    put(zoned, BIN, 1)
    page = pages.tablet("kim", "/review/new")
    added(page, "areas", "ZONE-W")
    expect(page.locator("#answer")).to_contain_text("W-01 W-02")
    page.fill("#plan-name", "Nothing moves in W")
    page.get_by_label("Freeze the bins until they are counted").check()
    found = opened(pages, page)
    assert found["frozen"] is True and [each["bin"] for each in found["bins"]] == list(ZONES["ZONE-W"])
    expect(page.locator(".heading")).to_contain_text("bins frozen")
    move = pages.tablet("rita", "/move")
    ready(move)
    scanned(move, f"BIN:{BIN}", CABLE, "BIN:W-01")
    expect(move.locator("#to")).to_have_text("W-01")
    before = lies(zoned, BIN)
    move.click("#done")
    expect(move.locator("#answer")).to_contain_text("W-01 is frozen until its count is finished")
    assert lies(zoned, BIN) == before
    kim.act("counts/cancel", session=page.url.rsplit("/", 1)[1], reason="not-needed")
    move.click("#done")
    expect(move.locator("#proof-title")).to_have_text("Goods moved")
    assert lies(zoned, BIN) == before - 1


def test_how_several_look(pages: Pages, zoned: stage.House) -> None:
    page = pages.tablet("kim", "/review/new")
    wanted = [
        ("areas", "ZONE-V"),
        ("areas", "ZONE-W"),
        ("abc", "K"),
        ("not_counted_since", "2031-01-02"),
        ("suspect", ""),
    ]
    for kind, value in wanted:
        added(page, kind, value)
    expect(page.locator("#answer")).to_contain_text("No bin fits now")
    page.get_by_role("button", name="Remove Bins that are suspect").click()
    expect(page.locator("#answer")).to_have_attribute("data-level", "good")
    shot(page, "plan-several")
    faults = faults_of(page, "plan: several")
    page.context.add_cookies([{"name": COOKIE, "value": "ar", "url": pages.house.oslo.url}])
    page.reload()
    for kind, value in (("areas", "ZONE-V"), ("abc", "K"), ("empty", "")):
        page.select_option("#more", kind)
        page.locator("#add").click()
        if value and kind == "areas":
            page.locator(".criteria select").select_option(value)
    expect(page.locator(".criteria > *")).to_have_count(3)
    shot(page, "plan-several-rtl")
    faults += faults_of(page, "plan: several, Arabic")
    assert not faults, "\n".join(faults)


def test_how_it_looks(pages: Pages) -> None:
    page = pages.tablet("kim", "/review/new")
    page.get_by_text("When a bin is counted again").click()
    faults = faults_of(page, "plan: limits")
    kim = pages.house.oslo.people["kim"]
    session = kim.act("counts", name="Draft", bins=[BIN], draft=True)["session"]
    page.goto(f"{pages.house.oslo.url}/review/{session}")
    page.get_by_text("When a bin is counted again").click()
    faults += faults_of(page, "plan: draft")
    page.goto(f"{pages.house.oslo.url}/review/{session}/plan")
    faults += faults_of(page, "plan: how")
    page.goto(f"{pages.house.oslo.url}/review/new?from={NEXT}")
    faults += faults_of(page, "plan: by hand")
    assert not faults, "\n".join(faults)
