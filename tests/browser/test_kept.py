"""What is done while the node is lost is kept, refused in sight, or not taken; none of it goes without a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import OUT_OF_REACH, Pages
from tests.browser.test_count import GLOVES, HAND_MS, MARKER, TAPE, counted
from tests.browser.test_offline import kept
from tests.browser.test_outbox import nothing_to_send, to_send
from tests.browser.test_review import count, opened, sign

Scan = Callable[..., None]
DOCK, BIN = "N-17", "N-15"


def receipt(pages: Pages, scanned: Scan) -> Any:
    """Rita's tablet with an open receipt of one line."""
    page = pages.tablet("rita", "/receive")
    expect(page.locator("#blind")).to_be_enabled()
    scanned(page, f"BIN:{DOCK}")
    expect(page.locator("#from")).to_have_text(DOCK)
    scanned(page, TAPE)
    expect(counted(page, "Packing tape")).to_have_text("1")
    return page


def test_scans_into_a_receipt_that_was_finished_elsewhere_are_kept_as_refused(pages: Pages, scanned: Scan) -> None:
    pages.forgive(*OUT_OF_REACH)
    page = receipt(pages, scanned)
    page.context.set_offline(True)
    scanned(page, MARKER, MARKER, GLOVES)
    to_send(page, 3)
    pages.house.oslo.people["rita"].act("tasks/finish")  # on another tablet
    page.context.set_offline(False)
    expect(page.locator("#outbox-open")).to_have_text("✕ 3 refused")
    expect(page.locator("#answer")).to_contain_text("waits to be explained")
    expect(page.locator("#answer")).to_have_attribute("data-level", "bad")
    page.click("#outbox-open")
    refused = page.locator("#outbox-refused-list .line")
    expect(refused.filter(has_text=GLOVES)).to_contain_text("it is not in it")
    left = pages.house.oslo.people["kim"].get("scans/left")["rows"]
    assert len([each for each in left if each["place"] == DOCK]) == 3
    page.click("#outbox-seen")
    nothing_to_send(page)


def test_goods_that_are_scanned_with_no_bin_open_ask_for_the_bin_also_without_the_node(
    pages: Pages, scanned: Scan
) -> None:
    pages.forgive(*OUT_OF_REACH)
    page = pages.tablet("ben", "/count")
    page.wait_for_selector("#choose:not([hidden])")
    kept(page)
    page.context.set_offline(True)
    scanned(page, MARKER)
    expect(page.locator("#answer")).to_contain_text("Scan a bin first", ignore_case=True)
    to_send(page, 1)
    page.reload()
    to_send(page, 1)
    expect(page.locator("#chip-node")).to_contain_text("out of reach")
    scanned(page, GLOVES)
    expect(page.locator("#answer")).to_contain_text("Scan a bin first", ignore_case=True)
    to_send(page, 1)  # what is sent later could meet another bin
    page.context.set_offline(False)
    expect(page.locator("#outbox-open")).to_have_text("✕ 1 refused")
    page.click("#outbox-open")
    expect(page.locator("#outbox-refused-list")).to_contain_text("Nothing is open: it was not counted")
    page.click("#outbox-refused-list button")
    nothing_to_send(page)


def to_approve(pages: Pages) -> tuple[str, Any]:
    """A count of a bin of which all is missing, and kim's page of it."""
    house = pages.house
    house.oslo.people["rita"].act(
        "documents/receive", lines=[{"item": "CABLE-3", "quantity": 3, "target": BIN}], confirm=True
    )
    session = opened(house, "Signed", BIN)
    count(house, "ana", BIN)
    return session, pages.tablet("kim", f"/review/{session}/{BIN}")


def state_of(house: stage.House, session: str) -> str:
    return str(house.oslo.people["kim"].get(f"counts/{session}")["bins"][0]["state"])


@pytest.mark.usefixtures("alone")
def test_a_signature_whose_dialog_is_closed_is_given_up(pages: Pages) -> None:
    pages.forgive("Failed to load resource: net::ERR_FAILED")
    session, page = to_approve(pages)
    tries: list[str] = []
    page.on("request", lambda sent: tries.append(sent.url) if sent.url.endswith("counts/approve") else None)
    page.context.route("**/counts/approve", lambda route: route.abort())
    page.click("#approve")
    sign(page)
    expect(page.locator("#refusal")).to_contain_text("out of reach")
    expect(page.locator("#decide [data-key=ok]")).to_be_disabled()
    with page.expect_event("load"):  # what became of it is looked up
        page.get_by_role("button", name="Back").click()
    expect(page.locator("#decide")).to_be_hidden()
    page.context.unroute("**/counts/approve")
    before = len(tries)
    page.wait_for_timeout(2_000)
    assert len(tries) == before and state_of(pages.house, session) == "review"
    page.click("#approve")
    sign(page)
    expect(page.locator("#bin-state")).to_contain_text("posted")


@pytest.mark.usefixtures("alone")
def test_a_signature_that_was_given_up_shows_that_the_node_had_it_already(pages: Pages) -> None:
    pages.forgive("Failed to load resource: net::ERR_FAILED")
    session, page = to_approve(pages)

    def lost_answer(route: Any) -> None:
        route.fetch()
        route.abort()

    page.context.route("**/counts/approve", lambda route: route.abort())
    page.context.route("**/counts/approve", lost_answer, times=1)  # the last one is asked first
    page.click("#approve")
    sign(page)
    expect(page.locator("#refusal")).to_contain_text("out of reach")
    page.keyboard.press("Escape")
    expect(page.locator("#bin-state")).to_contain_text("posted")
    assert state_of(pages.house, session) == "posted"


def test_a_receipt_that_is_recorded_as_the_node_is_lost_is_kept_and_ended(pages: Pages, scanned: Scan) -> None:
    pages.forgive(*OUT_OF_REACH)
    page = receipt(pages, scanned)
    page.click("#done")
    page.context.set_offline(True)
    page.click("#papers button[type=submit]")
    expect(page.locator("#papers")).to_be_hidden()
    expect(page.locator("#answer")).to_contain_text("Goods received or moved: on this tablet")
    to_send(page, 1)
    page.context.set_offline(False)
    nothing_to_send(page)
    expect(page.locator("#choose")).to_be_visible()
    assert pages.house.oslo.people["rita"].get("counts/mine")["screen"] is None


def test_what_is_on_its_way_is_not_sent_twice(pages: Pages, scanned: Scan) -> None:
    page = receipt(pages, scanned)
    held: list[Any] = []
    page.context.route("**/tasks/finish", lambda route: held.append(route))  # the node takes its time
    page.click("#done")
    page.click("#papers button[type=submit]")
    expect(page.locator("#papers button[type=submit]")).to_be_disabled()
    wait_for("the wish", lambda: page.wait_for_timeout(50) or held)
    held[0].continue_()
    expect(page.locator("#papers")).to_be_hidden()
    expect(page.locator("#answer")).to_contain_text("Goods received")
    assert len(held) == 1


def test_a_code_that_nobody_could_look_up_is_said_not_to_be_taken(pages: Pages, scanned: Scan) -> None:
    pages.forgive("Failed to load resource: net::ERR_FAILED", "Unreachable: The node does not answer")
    for login, path in (("rita", "/receive"), ("rita", "/floor/scrap")):
        page = pages.tablet(login, path)
        page.context.route("**/lookup", lambda route: route.abort())
        scanned(page, "9521234500087")
        expect(page.locator("#answer")).to_contain_text("was not taken: scan it again when the node answers")
        expect(page.locator("#answer")).not_to_contain_text("Nothing is lost")
        nothing_to_send(page)


def test_the_place_of_the_keys_stays_where_lines_are_drawn_anew(pages: Pages, scanned: Scan) -> None:
    """On a change and on a scan; what is gone leaves it to the page."""
    page = receipt(pages, scanned)
    change = page.get_by_role("button", name="Change Packing tape")
    change.focus()
    scanned(page, MARKER)
    expect(counted(page, "Marker blue")).to_have_text("1")
    expect(change).to_be_focused()
    change.press("Enter")
    page.keyboard.type("5", delay=HAND_MS)
    page.keyboard.press("Enter")
    expect(counted(page, "Packing tape")).to_have_text("5")
    expect(change).to_be_focused()

    page = pages.tablet("rita", "/floor/scrap")
    scanned(page, f"BIN:{DOCK}", GLOVES)
    change = page.get_by_role("button", name="Change Work gloves")
    change.focus()
    change.press("Enter")
    page.keyboard.type("3", delay=HAND_MS)
    page.keyboard.press("Enter")
    expect(counted(page, "Work gloves")).to_have_text("3")
    expect(change).to_be_focused()
    page.locator("#done").press("Enter")
    page.locator("#papers button[type=submit]").press("Enter")
    expect(page.locator("#answer")).to_contain_text("another person signs")
    expect(page.locator("#main")).to_be_focused()
