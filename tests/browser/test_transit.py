"""The look-up of an item says what is on its way between sites, apart from what stands in bins."""

from __future__ import annotations

from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import TABLET, UPRIGHT, Pages
from tests.browser.test_look import faults_of


def test_goods_between_two_sites_are_on_the_page_of_their_item_at_both(pages: Pages) -> None:
    oslo, bergen = pages.house.oslo.people, pages.house.bergen.people
    came = [{"item": "ROPE-M", "quantity": 5_000, "target": "N-05"}]
    oslo["rita"].act("documents/receive", lines=came, confirm=True)
    line = {"item": "ROPE-M", "quantity": 3_500, "source": "N-05"}
    transfer = oslo["tor"].act("transfers/dispatch", receiver="bergen", lines=[line], pin=stage.PIN)["op_id"]
    page = pages.tablet("tor", "/look?item=ROPE-M", theme="light", size=UPRIGHT)
    way = page.get_by_role("region", name="On its way between sites")
    expect(way.locator("tbody tr")).to_have_count(1)
    expect(way).to_contain_text("to bergen")
    expect(page.locator(".figure", has_text="On the way out")).to_contain_text("3.5")
    expect(page.get_by_role("region", name="Where it is").locator("tbody tr", has_text="N-05")).to_contain_text("1.5")
    faults = faults_of(page, "on its way (light)")
    wait_for("the dispatch at bergen", lambda: bergen["bo"].get("inventory/ROPE-M")["in_transit"]["to_here"], 60)
    there = pages.tablet("bo", "/look?item=ROPE-M", place="bergen", size=TABLET)
    expect(there.get_by_role("region", name="On its way between sites")).to_contain_text("from oslo")
    faults += faults_of(there, "on its way (dark)")
    arrived = {"index": 0, "quantity": 3_500, "target": "B-01"}
    bergen["bo"].act("transfers/accept", transfer=transfer, lines=[arrived], pin=stage.PIN)
    there.reload()
    expect(there.locator("#found h2", has_text="What happened")).to_be_visible()
    expect(there.get_by_role("region", name="On its way between sites")).to_have_count(0)
    assert not faults, "\n".join(faults)
