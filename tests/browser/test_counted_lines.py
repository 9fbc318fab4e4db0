"""The lines of an open bin: one piece more or less of the latest, the last scans each taken back by itself, any line
found by a word."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import HAND_MS, MARKER, TAPE, counted, open_bin
from tests.browser.test_devices import shot
from tests.browser.test_look import faults_of
from web.languages import COOKIE

Scan = Callable[..., None]
LINES = 204  # more than a screen holds
PIECE = "]C10109521234500056\x1d21SN-K5"


def quantities(house: stage.House) -> list[int]:
    """Of every event of Ana's open bin, newest first."""
    return [each["quantity"] for each in house.oslo.people["ana"].get("counts/mine")["screen"]["last"]]


@pytest.mark.usefixtures("alone")
def test_one_more_and_one_less_of_the_latest_line(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "One more", "K-05")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "K-05")
    scanned(page, TAPE, MARKER, MARKER)
    expect(counted(page, "Marker blue")).to_have_text("2")
    more = page.get_by_role("button", name=re.compile("One more of"))
    expect(more).to_have_count(1)
    expect(more).to_have_accessible_name("One more of Marker blue")
    more.focus()
    page.keyboard.press("Enter")
    expect(counted(page, "Marker blue")).to_have_text("3")
    expect(more).to_be_focused()
    less = page.get_by_role("button", name="One less of Marker blue")
    for left in ("2", "1"):
        less.click()
        expect(counted(page, "Marker blue")).to_have_text(left)
    less.click()
    expect(counted(page, "Marker blue")).to_have_count(0)
    expect(page.locator(".step")).to_have_count(0)
    assert quantities(pages.house) == [-1, -1, -1, 1, 1, 1, 1], "nothing that was said is gone"
    page.click("#undo")
    expect(counted(page, "Marker blue")).to_have_text("1")
    scanned(page, PIECE)
    expect(counted(page, "Cordless drill")).to_have_text("1")
    expect(page.locator(".step")).to_have_count(0)


@pytest.mark.usefixtures("alone")
def test_each_of_the_last_scans_is_taken_back_by_itself(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "Last scans", "K-06")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "K-06")
    expect(page.locator("#said")).to_be_hidden()
    scanned(page, MARKER, TAPE, *[MARKER] * 3)
    expect(counted(page, "Marker blue")).to_have_text("4")
    said = page.locator("#said-lines .line")
    expect(said).to_have_count(0)
    page.click("#said summary")
    expect(said).to_have_count(5)
    said.filter(has_text="Packing tape").get_by_role("button").click()
    expect(counted(page, "Packing tape")).to_have_count(0)
    expect(said).to_have_count(4)
    expect(said.first).to_be_visible()
    page.get_by_role("button", name="Change Marker blue").click()
    page.click("#keypad [data-key='2']")
    page.click("#keypad [data-key=ok]")
    expect(said.locator(".count")).to_have_text(["2", "+1", "+1", "+1", "+1"])
    said.last.get_by_role("button").click()  # two is what they said is there, whatever was scanned before
    expect(page.locator("#answer")).to_contain_text("later entry builds on this one")
    expect(counted(page, "Marker blue")).to_have_text("2")
    said.first.get_by_role("button").click()
    expect(counted(page, "Marker blue")).to_have_text("4")
    said.last.get_by_role("button").click()
    expect(counted(page, "Marker blue")).to_have_text("3")


@pytest.mark.usefixtures("alone")
def test_any_line_is_found_and_a_scan_is_no_word(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "Found", "K-07")
    ana = pages.house.oslo.people["ana"]
    ana.act("counts/open", bin="K-07")
    for number in range(LINES):
        ana.act("counts/enter", item="GLUE-1", lot=f"LOT-{number:03}", quantity=1)
    page = pages.tablet("ana", "/count")
    expect(page.locator("#progress")).to_have_text(f"{LINES} lines")
    expect(page.locator("#lines .line")).to_have_count(200)
    expect(page.locator("#lines")).not_to_contain_text("LOT-000")
    page.get_by_label("Find a line").click()
    page.keyboard.type("lot-000 WOOD", delay=HAND_MS)
    expect(page.locator("#lines .line")).to_have_count(1)
    expect(page.locator("#lines")).to_contain_text("LOT-000")
    expect(page.locator("#found")).to_have_text("1 line found")
    scanned(page, MARKER)
    expect(page.locator("#progress")).to_have_text(f"{LINES + 1} lines")
    expect(page.get_by_label("Find a line")).to_have_value("lot-000 WOOD")
    expect(page.locator("#lines .line")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_label("Find a line")).to_have_value("")
    expect(counted(page, "Marker blue")).to_have_text("1")


def test_a_line_of_a_receipt_is_found(pages: Pages, scanned: Scan) -> None:
    rita = pages.house.oslo.people["rita"]
    rita.act("tasks/begin", kind="receive", target="K-08")
    for number in range(8):
        rita.act("tasks/enter", item="GLUE-1", lot=f"IN-{number}", expiry="2029-06-30", quantity=1)
    page = pages.tablet("rita", "/receive")
    expect(page.locator("#lines .line")).to_have_count(8)
    page.fill("#find-line", "in-3")
    expect(page.locator("#lines .line")).to_have_count(1)
    page.fill("#find-line", "nothing like that")
    expect(page.locator("#found")).to_have_text("0 lines found")
    rita.act("tasks/drop")


@pytest.mark.usefixtures("alone")
def test_the_lines_of_a_bin_in_two_languages(pages: Pages) -> None:
    house, faults = pages.house, []
    stage.open_count(house, "Looks", "K-09")
    ana = house.oslo.people["ana"]
    ana.act("counts/open", bin="K-09")
    for number in range(7):
        ana.act("counts/enter", item="GLUE-1", lot=f"LOT-{number:03}", quantity=12)
    ana.act("counts/enter", item="TAPE-50", quantity=3, mode="add")
    page: Any = pages.tablet("ana", "/count")
    for language in ("en", "ar"):
        page.context.add_cookies([{"name": COOKIE, "value": language, "url": house.oslo.url}])
        page.reload()
        expect(page.locator(".step")).to_have_count(2)
        page.fill("#find-line", "glue" if language == "en" else "LOT")
        expect(page.locator("#lines .line")).to_have_count(7)
        page.fill("#find-line", "")
        page.click("#said summary")
        shot(page, f"lines-{language}")
        faults += faults_of(page, f"lines of a bin, {language}")
    assert not faults, "\n".join(faults)
