"""Whoever counted on paper brings the sheet back on their own tablet, or says that it will not come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_look import LOOKS, faults_of
from tests.browser.test_review import opened

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


@pytest.mark.parametrize(("theme", "size"), LOOKS)
def test_how_it_looks(pages: Pages, theme: str, size: tuple[int, int]) -> None:
    issued(pages.house, blind=theme == "dark")
    page = pages.tablet("ana", "/count", theme=theme, size=size)
    expect(page.get_by_role("link", name="2 sheets are out")).to_be_visible()
    faults = faults_of(page, f"sheets: count ({theme})")
    page.goto(f"{pages.house.oslo.url}/count/sheets")
    faults += faults_of(page, f"sheets: out ({theme})")
    page.get_by_role("button", name="It is back").first.click()
    faults += faults_of(page, f"sheets: back ({theme})")
    assert not faults, "\n".join(faults)
