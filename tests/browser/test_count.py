"""The main job in a real browser: log in, count with a scanner, close, approve as somebody else, follow the proof."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages

MARKER, DOZEN, TAPE, GLOVES = "9521234500018", "9521234500025", "9521234500032", "9521234500063"
Scan = Callable[..., None]
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
PICTURE_BYTES_MAX = 200_000
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
HAND_MS = 150  # between the keys of a hand; what comes faster is a scanner


def keys(page: Any, digits: str, within: str = "") -> None:
    for digit in digits:
        page.click(f"{within} [data-key='{digit}']")


def follow(page: Any, link: str) -> None:
    """Follow a link to a page whose scripts are at work."""
    page.get_by_role("link", name=link, exact=True).click()
    page.wait_for_load_state()


def counted(page: Any, name: str) -> Any:
    return page.locator("#lines .line", has_text=name).locator(".count")


def open_bin(page: Any, scanned: Scan, code: str) -> None:
    page.wait_for_selector("#choose:not([hidden])")
    scanned(page, f"BIN:{code}")
    expect(page.locator("#bin")).to_have_text(code)
    page.wait_for_selector("#counting:not([hidden])")


def close_bin(page: Any) -> None:
    page.click("#done")
    expect(page.locator("#ask-words")).to_contain_text("not found")
    page.click("#ask-yes")
    page.wait_for_selector("#proof:not([hidden])")


def picture(page: Any, name: str) -> None:
    """Pictures for the README are taken anew only when somebody asks for them."""
    if os.environ.get("TALLYMAN_SCREENSHOTS") == "1":
        PICTURES.mkdir(parents=True, exist_ok=True)
        theme = page.evaluate("document.documentElement.dataset.theme || ''")
        page.evaluate("document.documentElement.dataset.theme = 'light'")
        page.wait_for_timeout(300)
        page.screenshot(path=PICTURES / f"{name}.png")
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        assert (PICTURES / f"{name}.png").stat().st_size < PICTURE_BYTES_MAX


def test_first_log_in_then_the_usual_one(pages: Pages) -> None:
    oslo = pages.house.oslo
    page = pages.open(f"{oslo.url}/count")
    expect(page).to_have_url(f"{oslo.url}/login?next=/count")
    page.click("#first")
    page.fill("#name", stage.NEW)
    page.fill("#code", oslo.codes[stage.NEW])
    keys(page, "111111")
    page.click("button[type=submit]")
    expect(page.locator("#answer")).to_contain_text("choose another")
    keys(page, stage.PIN)
    page.click("button[type=submit]")
    page.wait_for_url(f"{oslo.url}/count")
    expect(page.locator(".who")).to_have_text("Nia Roth")
    page.click("#logout")
    page.wait_for_url(f"{oslo.url}/login")
    page.keyboard.type(stage.NEW, delay=HAND_MS)
    page.click("button[type=submit]")
    expect(page.locator("#answer")).to_contain_text("Type your PIN")
    page.keyboard.type("999999", delay=HAND_MS)
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("wrong")
    expect(page.locator("#name")).to_have_value(stage.NEW)
    page.keyboard.type(stage.PIN.translate(ARABIC), delay=HAND_MS)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{oslo.url}/")
    cookies = {each["name"]: each for each in page.context.cookies()}
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Strict" for cookie in cookies.values()), cookies


def test_a_badge_is_scanned_whatever_has_the_focus(pages: Pages, scanned: Scan) -> None:
    page = pages.open(f"{pages.house.oslo.url}/login")
    page.locator("#first").focus()
    scanned(page, "BADGE:ana")
    expect(page.locator("#name")).to_have_value("ana")
    expect(page.locator("#pin")).to_be_focused()
    expect(page.locator("#code-field")).to_be_hidden()


def test_twenty_of_twenty_scans_arrive_in_order_and_a_typing_hand_gives_none(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "Twenty", "A-06")
    page = pages.tablet("ben", "/count")
    page.wait_for_selector("#choose:not([hidden])")
    under_way: list[int] = [0]
    page.on("request", lambda sent: under_way.append(under_way[-1] + sent.url.endswith("/scans")))
    page.on("requestfinished", lambda sent: under_way.append(under_way[-1] - sent.url.endswith("/scans")))
    scanned(page, "BIN:A-06", *[MARKER] * 20)  # nobody waits for the tablet between a label and the goods
    expect(counted(page, "Marker blue")).to_have_text("20")
    expect(page.locator("#answer-figure")).to_have_text("20")
    assert max(under_way) == 1, "scans that travel side by side can arrive in another order"
    page.keyboard.type("95212345", delay=HAND_MS)
    page.keyboard.press("Enter")
    page.wait_for_timeout(600)
    expect(page.locator("#parked")).to_be_hidden()
    expect(counted(page, "Marker blue")).to_have_text("20")

    page.click("#type")
    page.keyboard.type("9521", delay=HAND_MS)
    scanned(page, TAPE)
    expect(counted(page, "Packing tape")).to_have_text("1")
    expect(page.locator("#code-text")).to_have_value("9521")
    expect(page.locator("#code")).not_to_have_attribute("open", "")

    page.get_by_role("button", name="Change Marker blue").click()
    page.keyboard.type("1", delay=HAND_MS)
    scanned(page, MARKER)
    expect(counted(page, "Marker blue")).to_have_text("21")
    expect(page.locator("#keypad")).not_to_have_attribute("open", "")
    page.get_by_role("button", name="Change Marker blue").click()
    keys(page, "20", "#keypad")
    page.click("#keypad [data-key=ok]")
    expect(counted(page, "Marker blue")).to_have_text("20")
    page.get_by_role("button", name="Change Marker blue").click()
    for key in "٢۲":  # an Arabic and a Persian keyboard
        page.locator("#keypad").dispatch_event("keydown", {"key": key})
    page.click("#keypad [data-key=ok]")
    expect(counted(page, "Marker blue")).to_have_text("22")
    page.click("#undo")
    expect(counted(page, "Marker blue")).to_have_text("20")
    page.click("#undo")
    expect(counted(page, "Marker blue")).to_have_text("21")
    page.reload()
    expect(counted(page, "Marker blue")).to_have_text("21")
    page.click("#leave")
    page.click("#ask-yes")
    page.wait_for_selector("#choose:not([hidden])")


def test_scans_of_the_nodes_own_scanner_show_on_the_tablet_that_holds_it(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "Scanner", "A-07")
    page, other = pages.tablet("ana", "/count"), pages.tablet("ben", "/count")
    expect(page.locator("#chip-scanner")).to_contain_text("not yours")
    page.click("#use-scanner")
    expect(page.locator("#chip-scanner")).to_contain_text("ready")
    scanner = pages.house.oslo.scanner
    scanner.wait_opened(20_000)
    scanner.scan("BIN:A-07")
    expect(page.locator("#bin")).to_have_text("A-07")
    for _ in range(3):
        scanner.scan("]E0" + GLOVES)
    expect(counted(page, "Work gloves")).to_have_text("3")
    scanner.scan("]C0SOMETHING-ELSE")
    expect(page.locator("#parked")).to_contain_text("1")
    expect(other.locator("#counting")).to_be_hidden()
    page.click("#parked")
    expect(page.locator("#unknown")).to_contain_text("SOMETHING-ELSE")
    page.get_by_role("button", name="It is an item").click()
    page.get_by_label("Item code", exact=True).fill("NO-SUCH")
    page.get_by_role("button", name="Count it so").click()
    expect(page.locator("#unknown .refusal")).to_contain_text("NO-SUCH")
    page.get_by_label("Item code", exact=True).fill("TAPE-50")
    page.get_by_role("textbox", name="Quantity").fill("7")
    page.get_by_role("button", name="Count it so").click()
    expect(counted(page, "Packing tape")).to_have_text("7")
    expect(page.locator("#parked")).to_be_hidden()
    page.click("#leave")
    page.click("#ask-yes")


def test_count_approve_and_follow_the_proof_to_the_anchor(pages: Pages, scanned: Scan) -> None:
    session = stage.open_count(pages.house, "Week 47", "A-01", "A-02", "A-03", "A-04")
    ana = pages.tablet("ana", "/count")
    for code in ("A-01", "A-02", "A-03", "A-04"):
        expect(ana.locator("#bins .tile", has_text=code)).to_contain_text("Week 47")
    open_bin(ana, scanned, "A-01")
    scanned(ana, MARKER, DOZEN, DOZEN, TAPE)
    expect(counted(ana, "Packing tape")).to_have_text("1")
    scanned(ana, MARKER)
    expect(counted(ana, "Marker blue")).to_have_text("26")
    picture(ana, "node-count")
    ana.click("#undo")
    expect(counted(ana, "Marker blue")).to_have_text("25")
    expect(ana.locator("body")).not_to_contain_text("40")
    close_bin(ana)
    expect(ana.locator("#bins .tile", has_text="A-01")).to_have_count(0)
    open_bin(ana, scanned, "A-03")
    ana.click("#empty")
    expect(ana.locator("#no-lines")).to_contain_text("empty")
    close_bin(ana)

    ben = pages.tablet("ben", "/count")
    open_bin(ben, scanned, "A-01")
    scanned(ben, MARKER, DOZEN, DOZEN, TAPE)
    expect(counted(ben, "Packing tape")).to_have_text("1")
    expect(counted(ben, "Marker blue")).to_have_text("25")
    close_bin(ben)

    kim = pages.tablet("kim", "/")
    kim.get_by_role("link", name=re.compile("Review counts")).click()
    kim.get_by_role("link", name="Week 47", exact=True).click()
    follow(kim, "Review A-01")
    row = kim.locator("#lines tr", has_text="MARK-BL")
    expect(row.locator("td")).to_contain_text(["Marker blue", "40", "25", "25", "-15"])
    expect(kim.locator(".heading")).to_contain_text("stable")
    picture(kim, "node-review")
    kim.click("#approve")
    keys(kim, "271828", "#decide")
    kim.click("#decide [data-key=ok]")
    expect(kim.locator("#refusal")).to_contain_text("PIN")
    keys(kim, stage.PIN, "#decide")
    kim.click("#decide [data-key=ok]")
    expect(kim.locator("#answer")).to_contain_text("Bin A-01 is posted")
    stock = pages.house.oslo.people["rita"].get("locations/A-01/inventory")["rows"]
    assert {line["item"]: line["quantity"] for line in stock} == {"MARK-BL": 25, "TAPE-50": 1}

    kim.click("#proof-link")
    expect(kim.locator("h1")).to_have_text("Count posted")
    proof = kim.locator("#proof")
    expect(proof).to_have_attribute("data-state", "anchored", timeout=60_000)
    expect(proof.locator("[data-reached]")).to_have_count(5)
    with kim.expect_download() as download:
        kim.click("#receipt")
    assert b'"anchor"' in Path(download.value.path()).read_bytes()

    kim.goto(f"{pages.house.oslo.url}/review/{session}")
    expect(kim.locator(".heading")).to_contain_text("1 of 4 bins done")


def test_a_supervisor_opens_a_count_and_orders_a_recount(pages: Pages, scanned: Scan) -> None:
    kim = pages.tablet("kim", "/review/new?from=A-0")
    kim.get_by_role("button", name="Open the count").click()
    expect(kim.locator("#answer")).to_contain_text("Give the count a name")
    kim.fill("#plan-name", "Again")
    kim.get_by_label("A-08").check()
    expect(kim.locator("#chosen")).to_have_text("1 bin chosen")
    kim.get_by_role("button", name="Open the count").click()
    expect(kim.locator("h1")).to_have_text("Again")
    ana = pages.tablet("ana", "/count")
    open_bin(ana, scanned, "A-08")
    expect(ana.locator("#done")).to_be_disabled()
    ana.click("#empty")
    close_bin(ana)
    kim.reload()
    if "waiting" in kim.locator("tr", has_text="A-08").inner_text():  # the rule drew it for a control count
        ben = pages.house.oslo.people["ben"]
        ben.act("counts/open", bin="A-08")
        ben.act("counts/empty")
        ben.act("counts/close", bin="A-08", confirm=True)
        kim.reload()
    follow(kim, "Review A-08")
    kim.click("#again")
    kim.click("#decide-yes")
    expect(kim.locator("tr", has_text="A-08")).to_contain_text("waiting")


def test_a_tablet_whose_log_in_ended_says_so(pages: Pages) -> None:
    oslo = pages.house.oslo
    token = oslo.parts.floor.people.log_in("ben", stage.PIN, "another tablet")["token"]
    page = pages.open(f"{oslo.url}/login")
    page.context.add_cookies([{"name": "tallyman_session", "value": token, "url": oslo.url}])
    page.goto(f"{oslo.url}/count")
    page.wait_for_selector("#choose:not([hidden])")
    oslo.parts.floor.people.log_out(token)
    page.wait_for_url("**/login?ended=1", timeout=15_000)
    expect(page.locator("#answer")).to_contain_text("has ended")
