"""Keyboard scanners as they are: slow ones, ones without an end, behind an input method, of another country; and
the code by which another tablet finds the page that tries them."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

import zxingcpp
from playwright.sync_api import expect

from devices.calibration import LETTERS, garbled
from tests.browser import stage
from tests.browser.conftest import Pages, typed_at_once
from tests.browser.test_count import HAND_MS, MARKER, TAPE
from tests.browser.test_look import faults_of

COOP = "The Cross-Origin-Opener-Policy header has been ignored"


def set_up(pages: Pages, page: Any, *, key_s: float, ended: bool = True) -> None:
    """Measure this tablet's scanner on the set-up page."""
    page.goto(f"{pages.house.oslo.url}/setup")
    page.wait_for_selector("html[data-scanner]", state="attached")
    for number in range(1, 6):
        typed_at_once(page, MARKER, key_s=key_s, ended=ended)
        expect(page.locator("#test-wedge .word")).to_contain_text(
            f"{number} of 5" if number < 5 else "ms between keys"
        )


def at_login(pages: Pages, page: Any) -> Any:
    """The log-in page with no field in focus; its field for a name, which is what a scan fills."""
    page.goto(f"{pages.house.oslo.url}/login")
    page.wait_for_selector("html[data-scanner]", state="attached")
    page.evaluate("document.activeElement.blur()")
    return page.locator("#name")


def test_the_gap_that_was_measured_is_kept_on_the_tablet_and_used(pages: Pages) -> None:
    page = pages.open()
    name = at_login(pages, page)
    typed_at_once(page, "BADGE:ana", key_s=0.108)
    expect(name).to_have_value("")
    set_up(pages, page, key_s=0.057)
    name = at_login(pages, page)
    typed_at_once(page, "BADGE:ana", key_s=0.108)
    expect(name).to_have_value("ana")
    set_up(pages, page, key_s=0.002)
    expect(page.locator("#test-wedge")).to_contain_text("up to 50 ms apart")
    name = at_login(pages, page)
    typed_at_once(page, "quickhand", key_s=0.07)
    expect(name).to_have_value("")
    typed_at_once(page, "BADGE:ben", key_s=0.002)
    expect(name).to_have_value("ben")


def test_nothing_that_was_kept_wrongly_makes_a_hand_a_scanner(pages: Pages) -> None:
    page = pages.open(f"{pages.house.oslo.url}/setup")
    for kept in ('{"gap": 5000, "silence": true}', "{", "null", '{"gap": "all"}'):
        page.evaluate("(kept) => localStorage.setItem('scanner', kept)", kept)
        name = at_login(pages, page)
        page.keyboard.type("95212345", delay=HAND_MS)
        page.keyboard.press("Enter")
        expect(name).to_have_value("")
        typed_at_once(page, "BADGE:ana")
        expect(name).to_have_value("ana")


def test_a_key_that_is_held_down_is_no_scanner(pages: Pages) -> None:
    page = pages.open()
    name = at_login(pages, page)
    session = page.context.new_cdp_session(page)
    for number in range(9):
        press = {"type": "keyDown", "key": "9", "text": "9", "autoRepeat": number > 0}
        session.send("Input.dispatchKeyEvent", press)
    typed_at_once(page, "")
    expect(page.locator("#answer")).not_to_contain_text("Now your PIN")
    expect(name).to_have_value("")


def test_a_scanner_that_ends_with_nothing_is_heard_where_it_was_measured_so(pages: Pages) -> None:
    page = pages.tablet("rita", "/setup")
    set_up(pages, page, key_s=0.002, ended=False)
    expect(page.locator("#test-wedge")).to_contain_text("No key ends its codes")
    page.goto(f"{pages.house.oslo.url}/move")
    page.wait_for_selector("#choose:not([hidden])")
    typed_at_once(page, TAPE, ended=False)
    expect(page.locator("#answer")).to_contain_text("Scan the bin first")
    page.click("#type")
    page.keyboard.type("952123", delay=HAND_MS)
    page.wait_for_timeout(600)
    expect(page.locator("#code")).to_have_attribute("open", "")
    # The page is busy in the middle of a code, and that is no silence.
    page.evaluate(
        "setTimeout(() => { const until = performance.now() + 900; while (performance.now() < until); }, 20)"
    )
    typed_at_once(page, "NO-SUCH-CODE-HERE", ended=False)
    expect(page.locator("#answer")).to_contain_text("NO-SUCH-CODE-HERE")
    expect(page.locator("#code-text")).to_have_value("952123")
    expect(page.locator("#code")).not_to_have_attribute("open", "")


def test_without_that_only_a_key_ends_a_code(pages: Pages) -> None:
    page = pages.open()
    name = at_login(pages, page)
    typed_at_once(page, "BADGE:ana", ended=False)
    page.wait_for_timeout(600)
    expect(name).to_have_value("")


def test_keys_without_characters_are_read_from_the_field_or_complained_about(pages: Pages) -> None:
    page = pages.tablet("rita", "/move")
    page.wait_for_selector("#choose:not([hidden])")
    typed_at_once(page, TAPE, nameless=True)
    expect(page.locator("#answer")).to_contain_text("come without characters")
    page.click("#type")
    page.keyboard.type("9521", delay=HAND_MS)
    typed_at_once(page, TAPE, nameless=True)
    expect(page.locator("#answer")).to_contain_text("Scan the bin first")
    expect(page.locator("#code-text")).to_have_value("9521")
    expect(page.locator("#code")).not_to_have_attribute("open", "")


def test_the_layout_test_says_whose_keyboard_is_wrong(pages: Pages) -> None:
    page = pages.open(f"{pages.house.oslo.url}/setup")
    page.wait_for_selector("html[data-scanner]", state="attached")
    chip, row = page.locator("#test-layout .chip"), page.locator("#test-layout")
    typed_at_once(page, "]Q1" + LETTERS)
    expect(chip).to_have_attribute("data-level", "good")
    for pair, scanner, tablet in (
        (("de", "us"), "of Germany", "of United States"),
        (("us", "no"), "of United States", "of Norway"),
        (("fr", "de"), "of France", "of Germany"),
    ):
        typed_at_once(page, next(text for text, pairs in garbled().items() if pair in pairs))
        expect(row).to_contain_text(scanner)
        expect(row).to_contain_text(tablet)
        expect(chip).to_have_attribute("data-level", "bad")
    typed_at_once(page, LETTERS.swapcase())
    expect(row).to_contain_text("Caps Lock")


GREY = """async (png) => {
  const picture = await createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
  const canvas = new OffscreenCanvas(picture.width, picture.height), context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, picture.width, picture.height);
  return [picture.width, picture.height, Array.from({ length: data.length / 4 }, (_, at) => data[4 * at])];
}"""


def seen_by_camera(pages: Pages, png: bytes) -> str:
    """The one code that an independent reader finds in a picture of the screen."""
    page = pages.browser.new_page()
    width, height, grey = page.evaluate(GREY, base64.b64encode(png).decode())
    page.close()
    [code] = zxingcpp.read_barcodes(memoryview(bytes(grey)).cast("B", (height, width)))
    return str(code.text)


def test_another_tablet_is_set_up_by_pointing_its_camera_at_this_one(pages: Pages) -> None:
    pages.forgive(COOP)
    url = pages.house.oslo.url.replace("127.0.0.1", "tablet.test")
    page = pages.open(f"{url}/setup")
    page.wait_for_selector("html[data-scanner]", state="attached")
    found = [seen_by_camera(pages, drawn.screenshot()) for drawn in page.locator("svg.qr").all()]
    assert found[0] == LETTERS
    parts = urlsplit(found[1])
    assert parts._replace(fragment="").geturl() == f"{url}/setup"
    assert parse_qs(parts.fragment) == {"site": ["oslo"]}
    assert not (faults := faults_of(page, "set up")), faults
    alone = pages.open(f"{pages.house.oslo.url}/setup")
    expect(alone.locator("#own-none")).to_contain_text("web.host")
    assert stage.PIN not in page.content()
