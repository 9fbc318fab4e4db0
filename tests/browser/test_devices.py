"""What scanners and scales leave to people, in a real browser: a read that may be one twice, and a weight."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from devices.output.page import qr_rows
from devices.reads import NewRead
from tests.browser import stage
from tests.browser.conftest import TABLET, UPRIGHT, Pages
from tests.browser.test_count import counted, open_bin
from tests.browser.test_look import LOOKS, faults_of, in_each

GLOVES = "9521234500063"


def shot(page: Any, name: str) -> None:
    if folder := os.environ.get("TALLYMAN_LOOK"):
        for theme in in_each(page, LOOKS):
            page.wait_for_timeout(300)
            page.screenshot(path=f"{folder}/{name}-{theme}.png")


def twice(house: stage.House, code: str) -> None:
    """Ana's scanner, in the bin that she counts, may have sent a read again."""
    mine = house.oslo.people["ana"].get("counts/mine")["screen"]
    context = {"actor": house.oslo.people["ana"].get("users/me")["actor"], "bin": mine["target"]}
    for again in ("", "perhaps"):
        house.oslo.journal.record([NewRead("dock", code.encode(), context=context, again=again)])  # type: ignore[arg-type]


def test_a_read_that_may_be_one_twice(pages: Pages, scanned: Callable[..., None]) -> None:
    stage.leave_all(pages.house)
    stage.open_count(pages.house, "Twice", "S-01")
    faults: list[str] = []
    page = pages.tablet("ana", "/count", theme="dark", size=TABLET)
    open_bin(page, scanned, "S-01")
    for _ in range(2):
        twice(pages.house, f"]E0{GLOVES}")
    expect(page.locator("#undecided-count")).to_have_text("2")
    expect(counted(page, "Work gloves")).to_have_text("2")
    shot(page, "undecided-dock")
    faults += faults_of(page, "undecided in the dock (dark)")
    page.click("#undecided-open")
    expect(page.locator("#undecided-list .card")).to_have_count(2)
    shot(page, "undecided-dialog")
    faults += faults_of(page, "undecided (dark)")
    page.locator("#undecided-list .card").first.get_by_role("button", name="One more piece").click()
    expect(page.locator("#undecided-list .card")).to_have_count(1)
    expect(counted(page, "Work gloves")).to_have_text("3")
    node = pages.tablet("ana", "/node", theme="light", size=UPRIGHT)
    expect(node.locator("#undecided .card")).to_have_count(1)
    shot(node, "undecided-node")
    faults += faults_of(node, "undecided at the node (light)")
    node.get_by_role("button", name="Do not count it").click()
    expect(node.locator("#undecided")).to_be_hidden()
    expect(page.locator("#undecided-open")).to_be_hidden()
    expect(counted(page, "Work gloves")).to_have_text("3")
    page.keyboard.press("Escape")
    stage.leave_all(pages.house)
    assert not faults, "\n".join(faults)


def test_a_weight_comes_from_the_scale_into_the_line(pages: Pages, scanned: Callable[..., None]) -> None:
    house = pages.house
    stage.leave_all(house)
    stage.open_count(house, "Ham", "S-02")
    house.oslo.people["ana"].post("devices/bind", device="scale")
    house.oslo.scale.put("12.345")
    faults: list[str] = []
    page = pages.tablet("ana", "/count", theme="light", size=TABLET)
    open_bin(page, scanned, "S-02")
    scanned(page, "9521234500094")  # says no weight: the page asks for it
    expect(page.locator("#keypad")).to_be_visible()
    shot(page, "weigh-keypad")
    faults += faults_of(page, "keypad with a scale (light)")
    house.oslo.scale.put("12.345", moving=True)
    page.click("#weigh")
    expect(page.locator("#weigh-words")).to_contain_text("in motion")
    shot(page, "weigh-motion")
    house.oslo.scale.put("12.345")
    page.click("#weigh")
    expect(page.locator("#keypad-value")).to_have_text("12.345")
    shot(page, "weigh-done")
    page.click("#keypad [data-key='ok']")
    expect(counted(page, "Smoked ham")).to_have_text("12.345")
    page.get_by_role("button", name="Change Smoked ham").click()
    page.keyboard.press("Escape")
    stage.leave_all(house)
    assert not faults, "\n".join(faults)


def photo(browser: Any, folder: Path, *codes: str) -> Path:
    """Labels on a shelf, somewhat turned, as a tablet's camera has them."""
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    drawn = ""
    for place, code in enumerate(codes):
        rows = qr_rows(code)
        dark = "".join(f"M{x},{y}h1v1h-1z" for y, row in enumerate(rows) for x, module in enumerate(row) if module)
        turned = f"translate({100 + 500 * place} 300) rotate(7) scale(9)"
        side = len(rows)
        drawn += f'<g transform="{turned}"><rect width="{side}" height="{side}" fill="#eee"/><path d="{dark}"/></g>'
    page.set_content(f'<body style="background:#864"><svg viewBox="0 0 1600 1000">{drawn}</svg>')
    path = folder / "photo.png"
    page.screenshot(path=path)
    page.close()
    return path


def test_a_photo_of_a_code_is_a_scan(pages: Pages, scanned: Callable[..., None], tmp_path: Path) -> None:
    stage.leave_all(pages.house)
    stage.open_count(pages.house, "By photo", "S-03")
    page = pages.tablet("ana", "/count", theme="dark", size=UPRIGHT)
    open_bin(page, scanned, "S-03")
    page.click("#type")
    assert not faults_of(page, "type or take a photo (dark)")
    with page.expect_file_chooser() as choice:
        page.click("#photo-code")
    choice.value.set_files(photo(pages.browser, tmp_path, f"https://id.gs1.org/01/0{GLOVES}"))
    expect(counted(page, "Work gloves")).to_have_text("1", timeout=10_000)
    page.set_input_files(
        "#photo-file", photo(pages.browser, tmp_path, f"https://id.gs1.org/01/0{GLOVES}", "9521234500018")
    )
    expect(page.locator("#codes-found button")).to_have_count(2)
    assert not faults_of(page, "which code (dark)")
    page.locator("#codes-found button").first.click()
    expect(counted(page, "Work gloves")).to_have_text("2")
    page.set_input_files("#photo-file", photo(pages.browser, tmp_path))
    expect(page.locator("#answer .word")).to_contain_text("No code is in this photo")
    page.set_input_files("#photo-file", {"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(page.locator("#answer .word")).to_contain_text("cannot be read as a picture")
    expect(counted(page, "Work gloves")).to_have_text("2")
    stage.leave_all(pages.house)
