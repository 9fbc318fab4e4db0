"""Whoever counted on paper brings the sheet back on their own tablet, or says that it will not come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_devices import shot
from tests.browser.test_look import faults_of
from tests.browser.test_review import opened
from tests.browser.test_unsent import unsent
from web.languages import COOKIE

BINS = ("P-03", "P-04")


pytestmark = pytest.mark.usefixtures("alone")


def issued(house: stage.House, **more: Any) -> list[int]:
    """A count with a sheet for each of its bins."""
    session = opened(house, "On paper", *BINS)
    kim = house.oslo.people["kim"]
    return [kim.act("counts/sheets", session=session, bins=[bin_], **more)["sheet"] for bin_ in BINS]


def test_a_counter_brings_one_sheet_back_and_says_that_another_is_lost(pages: Pages, tmp_path: Path) -> None:
    first, second = issued(pages.house)
    page = pages.tablet("ana", "/count")
    page.get_by_role("link", name="2 sheets are out").click()
    page.wait_for_url("**/count/sheets")
    expect(page.locator("#answer")).to_contain_text("2 sheets are still out")
    with page.expect_download() as download:
        page.get_by_role("link", name=f"Sheet {first} as CSV").click()
    blank = Path(download.value.path()).read_text(encoding="utf-8")
    file = tmp_path / "sheet.csv"
    file.write_text(blank + f"{first},{BINS[0]},,,,,,0,\r\n", encoding="utf-8")
    row = page.get_by_role("row", name=BINS[0])
    row.get_by_role("button", name="It is back").click()
    expect(page.locator("#counter option:checked")).to_have_text("Ana Berg")
    page.set_input_files("#file", str(file))
    page.click("#back-yes")
    expect(page.locator("#tried")).to_contain_text("1 bin")
    with page.expect_navigation():  # the list is loaded anew, and its buttons need their script
        page.click("#back-yes")
    expect(page.locator("#answer")).to_contain_text("1 sheet is still out")
    page.get_by_role("row", name=BINS[1]).get_by_role("button", name="It is not").click()
    page.click("#missing")
    expect(page.locator("#answer")).to_contain_text("No sheet is out")
    expect(page.get_by_text("Every sheet is back or accounted for.")).to_be_visible()
    kim = pages.house.oslo.people["kim"]
    [session] = [each["session"] for each in kim.get("counts")["rows"] if each["name"] == "On paper"][:1]
    states = {each["sheet"]: each["state"] for each in kim.get(f"counts/{session}/sheets")["rows"]}
    assert states == {first: "returned", second: "missing"}


def typed(page: Any, *words: str) -> None:
    """Each into the field where the cursor is, with Enter behind it."""
    for each in words:
        page.keyboard.type(each, delay=60)
        page.keyboard.press("Enter")


def test_a_sheet_is_typed_in_line_by_line_with_the_keyboard_alone(pages: Pages) -> None:
    house = pages.house
    session = opened(house, "Typed", "P-01", "P-02")
    kim = house.oslo.people["kim"]
    sheet = kim.act("counts/sheets", session=session, bins=["P-01", "P-02"])["sheet"]
    page = pages.tablet("ana", "/count/sheets")
    page.get_by_role("row", name="P-01").get_by_role("link", name="Type it in").click()
    page.wait_for_url(f"**/count/sheets/{sheet}")
    first, second = page.locator("[data-bin=P-01]"), page.locator("[data-bin=P-02]")
    expect(first.locator("[name=item]")).to_be_focused()
    typed(page, "9521234500032")
    expect(first.get_by_role("group", name="Row 2")).to_contain_text("Packing tape 50 m · EA")  # its barcode will do
    expect(first.locator("[name=item]").first).to_have_value("TAPE-50")
    typed(page, "0", "YOG-500")
    expect(first.get_by_role("textbox", name="Lot")).to_be_visible()
    typed(page, "4", "L2611", "", "")  # no date; a line that stays blank leads to the next bin
    expect(second.locator("[name=item]")).to_be_focused()
    typed(page, "MARK-BL", "", "")
    expect(page.locator("#yes")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#problems li")).to_have_text(["in row 4: the quantity is blank: write 0 when there is none"])
    # Over a reload it is all still there.
    page.reload()
    expect(second.locator("[name=item]").first).to_have_value("MARK-BL")
    second.locator("[name=quantity]").first.fill("7")
    first.get_by_role("combobox", name="Held").nth(1).select_option("It has expired")
    page.reload()
    expect(first.get_by_role("combobox", name="Held").nth(1)).to_have_value("expired")
    page.click("#yes")
    expect(page.locator("#answer")).to_contain_text("2 bins, 3 lines")
    assert {each["state"] for each in kim.get(f"counts/{session}/sheets")["rows"]} == {"issued"}
    second.get_by_text("Nothing in it").click()
    expect(page.locator("#yes")).to_have_text("Try it")
    page.click("#yes")
    expect(page.locator("#answer")).to_contain_text("2 bins, 2 lines")
    page.click("#yes")
    page.wait_for_url("**/count/sheets")
    rows = kim.get(f"counts/{session}/bins/P-01")["rounds"][-1]["lines"]
    assert {each["item"]: (each["counted"], each["status"]) for each in rows} == {
        "TAPE-50": (0, "free"), "YOG-500": (4, "expired"),
    }  # fmt: skip
    page.goto(f"{house.oslo.url}/count/sheets/{sheet}")
    expect(page.locator("main")).to_contain_text("Nothing can be typed in here any more")


def test_a_sheet_half_typed_is_there_after_its_page_was_closed_and_not_for_ever(pages: Pages) -> None:
    path = f"/count/sheets/{issued(pages.house)[0]}"
    page = pages.tablet("ana", path)
    expect(page.locator("[name=item]").first).to_be_focused()
    typed(page, "TAPE-50", "12")
    page.close()
    page = page.context.new_page()
    page.goto(pages.house.oslo.url + path)
    expect(page.locator("[name=quantity]").first).to_have_value("12")
    expect(page.locator("[name=item]").first).to_have_value("TAPE-50")
    # Another person of this tablet sees nothing of it.
    address = {"name": "tallyman_session", "url": pages.house.oslo.url, "httpOnly": True, "sameSite": "Strict"}
    page.context.add_cookies([{**address, "value": pages.house.oslo.people["ben"].token}])
    page.reload()
    expect(page.locator("#who")).to_have_text("Ben Dahl")
    expect(page.locator("[name=quantity]").first).to_have_value("")
    page.context.add_cookies([{**address, "value": pages.house.oslo.people["ana"].token}])
    page.reload()
    expect(page.locator("[name=quantity]").first).to_have_value("12")
    # What nobody went on with for two weeks is given up, on whatever page the tablet is by then.
    page.add_init_script("const now = Date.now; Date.now = () => now() + 15 * 86400000;")
    page.reload()
    expect(page.locator("[name=item]").first).to_be_focused()
    expect(page.locator("[name=quantity]").first).to_have_value("")
    assert unsent(page) == []


def test_how_typing_looks(pages: Pages) -> None:
    session = opened(pages.house, "Typed", *BINS)
    sheet = pages.house.oslo.people["kim"].act("counts/sheets", session=session, bins=list(BINS))["sheet"]
    page = pages.tablet("ana", f"/count/sheets/{sheet}")
    expect(page.locator("[name=item]").first).to_be_focused()
    typed(page, "YOG-500")
    expect(page.get_by_role("textbox", name="Lot")).to_be_visible()
    typed(page, "4", "L2611", "", "NO-SUCH")
    page.click("#yes")
    expect(page.locator("#problems li")).to_have_count(1)
    shot(page, "sheet-typed")
    faults = faults_of(page, "sheet typed")
    page.context.add_cookies([{"name": COOKIE, "value": "ar", "url": pages.house.oslo.url}])
    page.reload()
    page.click("#yes")
    expect(page.locator("#problems li")).to_have_count(1)
    shot(page, "sheet-typed-rtl")
    faults += faults_of(page, "sheet typed, Arabic")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("blind", [True, False])
def test_how_it_looks(pages: Pages, blind: bool) -> None:
    issued(pages.house, blind=blind)
    page = pages.tablet("ana", "/count")
    expect(page.get_by_role("link", name="2 sheets are out")).to_be_visible()
    faults = faults_of(page, "sheets: count")
    page.goto(f"{pages.house.oslo.url}/count/sheets")
    faults += faults_of(page, "sheets: out")
    page.get_by_role("button", name="It is back").first.click()
    faults += faults_of(page, "sheets: back")
    assert not faults, "\n".join(faults)
