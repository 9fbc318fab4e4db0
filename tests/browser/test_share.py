"""Two people at one bin: the second one is asked what is meant, and the first one says yes or no."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import MARKER, TAPE, close_bin, counted, open_bin

Scan = Callable[..., None]


def test_a_bin_is_shared_out_or_counted_once_more(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    session = stage.open_count(house, "Together", "T-11", "T-12")
    ana = pages.tablet("ana", "/count")
    open_bin(ana, scanned, "T-11")
    scanned(ana, MARKER)
    expect(counted(ana, "Marker blue")).to_have_text("1")

    ben = pages.tablet("ben", "/count")
    ben.wait_for_selector("#choose:not([hidden])")
    scanned(ben, "BIN:T-11")
    expect(ben.locator("#share-words")).to_contain_text("being counted by somebody else")
    ben.locator("#share button[type=submit]").click()
    expect(ben.locator("#share-refusal")).to_contain_text("Say which part")
    ben.fill("#share-area", "upper shelf")
    ben.locator("#share button[type=submit]").click()
    expect(ben.locator("#bins .tile", has_text="T-11")).to_contain_text("not answered yet")

    asked = ana.locator("#area-lines .line", has_text="upper shelf")
    expect(asked).to_contain_text("Ben")
    asked.get_by_role("button", name="Agree").click()
    ana.fill("#own-area", "lower shelf")
    ana.locator("#own button[type=submit]").click()
    expect(asked).to_contain_text("agreed, not begun")

    expect(ben.locator("#bins .tile", has_text="T-11")).to_contain_text("your part: upper shelf")
    ben.locator("#bins .tile", has_text="T-11").click()
    expect(ben.locator("#bin")).to_have_text("T-11")
    scanned(ben, TAPE)
    expect(counted(ben, "Packing tape")).to_have_text("1")
    ben.click("#done")
    expect(ben.locator("#answer")).to_contain_text("Your part of bin T-11 is counted")
    expect(asked).to_contain_text("counted")
    close_bin(ana)
    ana.wait_for_selector("#proof:not([hidden])")
    kim = house.oslo.people["kim"]
    assert {each["bin"]: each["state"] for each in kim.get(f"counts/{session}")["bins"]}["T-11"] != "counting"

    # The other choice: all of it once more, by another person, kept apart.
    open_bin(ana, scanned, "T-12")
    scanned(ben, "BIN:T-12")
    ben.click("#share-second")
    expect(ben.locator("#bin")).to_have_text("T-12")
    expect(ana.locator("#areas")).to_be_hidden()
    kim.act("counts/cancel", session=session, reason="not-needed")
