"""What a scan or a typed code does on whatever page it comes: it is taken, or it is said aloud that it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages, typed_at_once
from tests.browser.test_count import HAND_MS, MARKER, TAPE, keys

Scan = Callable[..., None]
HAM = "9521234500094"


def type_in(page: Any, text: str) -> None:
    """By hand, as it is printed on a torn label."""
    page.click("#type")
    page.keyboard.type(text, delay=HAND_MS)
    page.click("#code-form [type=submit]")


def test_a_bin_and_an_item_are_typed_as_they_are_printed(pages: Pages) -> None:
    page = pages.tablet("rita", "/move")
    page.wait_for_selector("#choose:not([hidden])")
    type_in(page, "a-01")
    expect(page.locator("#from")).to_have_text("A-01")
    type_in(page, "mark-bl")
    expect(page.locator("#lines")).to_contain_text("Marker blue")
    type_in(page, "Q-01")
    expect(page.locator("#to")).to_have_text("Q-01")
    expect(page.locator("#parked")).to_be_hidden()


@pytest.mark.usefixtures("alone")
def test_a_tile_whose_bare_label_is_scanned_is_opened_and_no_other_bin_by_it(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "Bare labels", "Q-02", "Q-03")
    page = pages.tablet("ana", "/count")
    expect(page.locator("#bins")).to_contain_text("Q-02")
    scanned(page, "Q-02")
    expect(page.locator("#bin")).to_have_text("Q-02")
    scanned(page, MARKER, "Q-03", MARKER)
    expect(page.locator("#lines .count")).to_have_text("2")
    expect(page.locator("#parked-count")).to_have_text("1")
    type_in(page, "q-03")
    expect(page.locator("#answer")).to_contain_text("close it first")
    scanned(page, MARKER)
    expect(page.locator("#lines .count")).to_have_text("3")


def test_an_open_question_is_answered_before_the_next_scan_is_taken(pages: Pages, scanned: Scan) -> None:
    page = pages.tablet("rita", "/floor/scrap")
    scanned(page, "BIN:Q-05", HAM)
    expect(page.locator("#keypad")).to_have_attribute("open", "")
    page.click("#keypad [data-key='2']")
    scanned(page, MARKER)
    expect(page.locator("#keypad [role=alert]")).to_contain_text("Answer this first")
    expect(page.locator("#answer[data-level=bad]")).to_contain_text("Answer this first")
    expect(page.locator("#keypad-value")).to_have_text("2")
    page.click("#keypad [data-key=ok]")
    expect(page.locator("#lines .line")).to_have_count(1)
    expect(page.locator("#lines")).to_contain_text("Smoked ham")
    # What a hand only began to change makes way, as before.
    page.get_by_role("button", name="Change Smoked ham").click()
    expect(page.locator("#keypad .refusal")).to_have_count(0)
    scanned(page, MARKER)
    expect(page.locator("#lines .line")).to_have_count(2)


def test_an_amount_that_is_asked_back_outlives_a_scan(pages: Pages, scanned: Scan) -> None:
    page = pages.tablet("rita", "/receive")
    page.click("#blind")
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, "BIN:Q-05", MARKER)
    page.get_by_role("button", name="Change Marker blue").click()
    keys(page, "90000", "#keypad")
    page.click("#keypad [data-key=ok]")
    expect(page.locator("#ask")).to_have_attribute("open", "")
    scanned(page, TAPE)
    expect(page.locator("#ask .refusal:not([id])")).to_contain_text("Answer this first")
    page.click("#ask-yes")
    expect(page.locator("#lines .count")).to_have_text("90000")
    scanned(page, TAPE)
    expect(page.locator("#lines .line")).to_have_count(2)


def asked_of(page: Any) -> list[str]:
    """The requests that a page makes from here on to change something."""
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url) if sent.method != "GET" else None)
    return asked


@pytest.mark.parametrize(
    ("login", "path", "button"),
    [
        ("ana", "/node", "#theme"),
        ("ana", "/operations/", "#main a.row"),
        ("kim", "/review/", "#logout"),
        ("kim", "/review/proposals", "#main .button"),
        ("ada", "/people", "#logout"),
        ("kim", "/review/new", "#logout"),
        ("ana", "/count/sheets", "#logout"),
    ],
)
def test_a_page_that_takes_no_scans_says_so_and_none_presses_a_button(
    pages: Pages, scanned: Scan, login: str, path: str, button: str
) -> None:
    if path == "/review/proposals":
        stage.propose(pages.house, "scrap", "A-04")
    page = pages.tablet(login, path)
    theme = page.evaluate("document.documentElement.dataset.theme")
    page.locator(button).first.focus()
    asked = asked_of(page)
    for code in (MARKER, "BIN:A-03"):
        typed_at_once(page, code)
        expect(page.locator("#answer[data-level=warn]")).to_contain_text("Nothing to scan here")
    assert page.url == pages.house.oslo.url + path
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    expect(page.locator("dialog[open]")).to_have_count(0)
    # What a page asks by itself, as a plan that is tried, changes nothing.
    assert not [url for url in asked if "tablets" not in url and not url.endswith("/preview")], asked


@pytest.mark.usefixtures("alone")
def test_a_scan_decides_nothing_in_a_dialog(pages: Pages) -> None:
    session = stage.open_count(pages.house, "No scans", "Q-04")
    page = pages.tablet("kim", f"/review/{session}")
    page.click("#cancel")
    page.focus("#decide-yes")
    asked = asked_of(page)
    for code in (MARKER, "BIN:A-03"):
        typed_at_once(page, code)
        expect(page.locator("#answer")).to_contain_text("Nothing to scan here")
    assert not [url for url in asked if "/counts/" in url], asked


def test_a_scan_on_the_start_page_is_looked_up(pages: Pages, scanned: Scan) -> None:
    page = pages.tablet("pia", "/")
    page.locator("#tiles a").first.focus()
    scanned(page, MARKER)
    page.wait_for_url("**/look?item=MARK-BL")
    page.go_back()
    page.wait_for_url(f"{pages.house.oslo.url}/")
    scanned(page, "NO-SUCH-THING")
    expect(page.locator("#answer[data-level=bad]")).to_contain_text("NO-SUCH-THING")


@pytest.mark.usefixtures("alone")
def test_who_is_busy_elsewhere_is_led_there(pages: Pages) -> None:
    rita = pages.house.oslo.people["rita"]
    rita.act("tasks/begin", kind="receive", target="Q-06")
    page = pages.tablet("rita", "/move")
    expect(page.locator("#answer")).to_contain_text("busy with something else")
    page.get_by_role("link", name="On with the receipt into Q-06").click()
    page.wait_for_url("**/receive")
    expect(page.locator("#from")).to_have_text("Q-06")
    rita.act("tasks/drop")
    rita.act("tasks/begin", kind="move", source="Q-06")
    page.reload()
    expect(page.get_by_role("link", name="On with the move from Q-06")).to_be_visible()
    expect(page.locator("#main .primary:visible")).to_have_count(1)
    rita.act("tasks/drop")
    expect(page.locator("#busy")).to_have_count(0)
    expect(page.locator("#blind")).to_be_enabled()


def test_a_pick_list_says_at_once_what_to_do_and_how_a_piece_is_picked(pages: Pages, scanned: Scan) -> None:
    rita, pia = (pages.house.oslo.people[login] for login in ("rita", "pia"))
    line = {"item": "DRILL-18", "quantity": 1, "serial": "SN-QUICK", "target": "Q-01"}
    rita.act("documents/receive", lines=[line], supplier="ACME-SUPPLY", delivery_note="DN-Q", confirm=True)
    made = pia.act("picks", order="SO-Q", lines=[{"item": "DRILL-18", "quantity": 1}])
    page = pages.tablet("pia", "/pick")
    page.get_by_role("button", name="SO-Q").click()
    expect(page.locator("#answer")).to_contain_text("Scan an empty tote")
    scanned(page, "BIN:O-01")
    expect(page.locator("#tote")).to_have_text("O-01")
    scanned(page, f"BIN:{page.locator('#go').inner_text()}")
    expect(page.locator("#answer")).to_contain_text("scan the label of the piece")
    pia.act("picks/cancel", list=made["op_id"], reason="withdrawn")


@pytest.mark.usefixtures("alone")
def test_the_banner_says_why_a_bin_cannot_be_approved_yet(pages: Pages) -> None:
    kim, ana = (pages.house.oslo.people[login] for login in ("kim", "ana"))
    rule = {"line_quantity_max": 0, "control_percent": 0, "rounds_max": 1}
    session = kim.act("counts", name="Unexplained", bins=["Q-03"], rule=rule)["session"]
    ana.act("counts/open", bin="Q-03")
    ana.act("scans", text="NOBODY-KNOWS-IT")
    ana.act("counts/enter", item="MARK-BL", quantity=3)
    ana.act("counts/close", bin="Q-03", confirm=True)
    page = pages.tablet("kim", f"/review/{session}/Q-03")
    expect(page.locator("#approve")).to_be_disabled()
    expect(page.locator("#answer[data-level=warn]")).to_contain_text("Explain the scans first")


def log_in(page: Any, login: str) -> None:
    page.fill("#name", login)
    keys(page, stage.PIN)
    page.click("button[type=submit]")


def thrown_out(pages: Pages, login: str, path: str) -> Any:
    """The page of somebody whose log-in ends while they are there."""
    oslo = pages.house.oslo
    token = oslo.parts.floor.people.log_in(login, stage.PIN, "another tablet")["token"]
    page = pages.known(oslo.url, path, "tallyman_session", token, {})
    page.wait_for_selector("#chip-node[data-level=good]")
    oslo.parts.floor.people.log_out(token)
    page.wait_for_url("**/login?ended=1")
    return page


def test_goods_scanned_when_the_log_in_has_ended_are_no_badge(pages: Pages, scanned: Scan) -> None:
    page = thrown_out(pages, "ben", "/count?from=here")
    for code in (MARKER, "BIN:Q-01", "MARK-BL"):
        page.evaluate("document.querySelector('#answer .word').textContent = ''")
        scanned(page, code)
        expect(page.locator("#answer[data-level=bad]")).to_contain_text("this scan was not counted")
    expect(page.locator("#name")).to_have_value("")
    scanned(page, "BADGE:ben")
    expect(page.locator("#name")).to_have_value("ben")
    log_in(page, "ben")
    page.wait_for_url("**/count?from=here")


def test_nobody_else_comes_to_where_a_log_in_ended(pages: Pages) -> None:
    page = thrown_out(pages, "ben", "/count")
    log_in(page, "liv")
    page.wait_for_url(f"{pages.house.oslo.url}/")
    expect(page.locator(".who")).to_have_text("Liv Sand")


def test_goods_are_no_badge_at_any_time(pages: Pages, scanned: Scan) -> None:
    page = pages.open(f"{pages.house.oslo.url}/login")
    scanned(page, f"]E0{MARKER}")
    expect(page.locator("#answer")).to_contain_text("Log in first")
    scanned(page, "]A0BADGE:ana")
    expect(page.locator("#name")).to_have_value("ana")


def test_a_link_is_opened_after_the_log_in_by_who_may_see_it_and_leads_nowhere_else(pages: Pages) -> None:
    url = pages.house.oslo.url
    for login, path, lands in (
        ("pia", "/operations/?reference=DN-1000", "/operations/?reference=DN-1000"),
        ("ben", "/review/new", "/"),
        ("ben", "/login?next=//example.org/", "/"),
        ("ben", "/login?next=/%09/example.org/", "/"),
        ("ben", "/login?next=/%5Cexample.org/", "/"),
        ("ben", "/login?next=https://example.org/", "/"),
    ):
        page = pages.open(url + path)
        log_in(page, login)
        page.wait_for_url(url + lands)
        page.context.close()
