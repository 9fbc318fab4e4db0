"""The tablet that forgets nothing: what was scanned while nobody answered is on its disk, visible, and sent once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import MARKER, TAPE, counted, open_bin

Scan = Callable[..., None]
API = "**/api/v1/**"


def cut(page: Any) -> None:
    """Acts no longer reach the node; pages and the stream still do."""
    page.context.route(API, lambda route: route.abort())


def mend(page: Any) -> None:
    page.context.unroute(API)


def to_send(page: Any, count: int) -> None:
    expect(page.locator("#outbox-open")).to_have_text(f"○ {count} to send")


def nothing_to_send(page: Any) -> None:
    expect(page.locator("#outbox-open")).to_be_hidden()


def leave(page: Any) -> None:
    page.click("#leave")
    page.click("#ask-yes")
    page.wait_for_selector("#choose:not([hidden])")


def scans_of(pages: Pages, bin_: str) -> int:
    """How many reads the node counted in a bin, in all rounds."""
    with pages.house.oslo.parts.site.reading() as connection:
        (count,) = connection.execute(
            "SELECT COUNT(*) FROM scan_events e JOIN tasks t ON t.task = e.task"
            " WHERE t.target = ? AND e.kind = 'scan'",
            (bin_,),
        ).fetchone()
    return int(count)


def test_scans_outlive_reload_close_and_silence(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "Outbox", "T-01")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "T-01")
    cut(page)
    pages.forgive("Failed to load resource: net::ERR_FAILED")
    scanned(page, MARKER, MARKER, TAPE)
    to_send(page, 3)
    page.reload()
    to_send(page, 3)
    page.click("#outbox-open")
    expect(page.locator("#outbox-list")).to_contain_text(TAPE)
    expect(page.locator("#outbox-list")).to_contain_text("Ana Berg")
    again = page.context.new_page()
    page.close()
    again.goto(f"{pages.house.oslo.url}/count")
    to_send(again, 3)
    scanned(again, MARKER)
    to_send(again, 4)
    # A page that closes may have one on the line, which the cut no longer holds: it is sent again all the same.
    assert scans_of(pages, "T-01") <= 1
    mend(again)
    nothing_to_send(again)
    expect(counted(again, "Marker blue")).to_have_text("3")
    expect(counted(again, "Packing tape")).to_have_text("1")
    assert scans_of(pages, "T-01") == 4
    leave(again)


def test_what_somebody_did_waits_for_them_also_after_log_out(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    stage.open_count(house, "Mine", "T-02")
    people = house.oslo.parts.floor.people
    ana = people.log_in("ana", stage.PIN, "a tablet")["token"]
    page = pages.open()
    cookie = {"name": "tallyman_session", "url": house.oslo.url, "httpOnly": True, "sameSite": "Strict"}
    page.context.add_cookies([{**cookie, "value": ana}])
    page.goto(f"{house.oslo.url}/count")
    open_bin(page, scanned, "T-02")
    cut(page)
    pages.forgive("Failed to load resource: net::ERR_FAILED")
    scanned(page, MARKER, TAPE)
    to_send(page, 2)
    page.click("#logout")
    expect(page.locator("#leaving-words")).to_contain_text("2 acts are still on this tablet")
    page.click("#leaving-yes")
    page.wait_for_url("**/login")
    to_send(page, 2)
    mend(page)
    page.reload()  # only now can the node hear of the log-out
    to_send(page, 2)
    expect(page.locator("#logout")).to_have_count(0)

    log_in(page, "ben")
    page.goto(f"{house.oslo.url}/count")
    to_send(page, 2)
    page.click("#outbox-open")
    expect(page.locator("#outbox-others")).to_contain_text("What Ana Berg did is sent when they log in")
    page.keyboard.press("Escape")
    page.wait_for_timeout(1500)
    assert scans_of(pages, "T-02") == 0, "sent under the log-in of somebody else"
    page.click("#logout")
    page.wait_for_url("**/login")
    log_in(page, "ana")
    wait_for("both scans at the node", lambda: scans_of(pages, "T-02") == 2)
    nothing_to_send(page)
    with house.oslo.parts.site.reading() as connection:
        assert not house.oslo.parts.floor.tablets.findings(connection)


def log_in(page: Any, login: str) -> None:
    page.fill("#name", login)
    page.fill("#pin", stage.PIN)
    page.click("button[type=submit]")
    page.wait_for_selector("#logout")


def test_a_refusal_after_the_fact_is_shown_until_somebody_has_seen_it(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    stage.open_count(house, "Late", "T-03")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "T-03")
    cut(page)
    pages.forgive("Failed to load resource: net::ERR_FAILED")
    scanned(page, MARKER)
    to_send(page, 1)
    house.oslo.people["ana"].act("counts/leave", bin="T-03")  # on another tablet
    page.reload()
    to_send(page, 1)
    mend(page)
    expect(page.locator("#outbox-open")).to_have_text("✕ 1 refused")
    page.reload()
    page.click("#outbox-open")
    expect(page.locator("#outbox-refused-list")).to_contain_text("after the count of T-03 was ended")
    page.get_by_role("button", name="Seen").click()
    nothing_to_send(page)
    expect(page.locator("#outbox")).not_to_have_attribute("open", "")


def test_one_person_counts_a_bin_on_two_tablets(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "Two tablets", "T-13")
    one = pages.tablet("ben", "/count")
    open_bin(one, scanned, "T-13")
    scanned(one, MARKER)
    other = pages.tablet("ben", "/count")
    other.wait_for_selector("#counting:not([hidden])")
    expect(counted(other, "Marker blue")).to_have_text("1")
    scanned(other, MARKER)
    expect(counted(one, "Marker blue")).to_have_text("2")
    one.wait_for_timeout(1500)  # what it shows has everything by then
    cut(one)
    pages.forgive("Failed to load resource: net::ERR_FAILED")
    one.click("#undo")
    to_send(one, 1)
    scanned(other, TAPE)
    expect(other.locator("#lines .line")).to_have_count(2)
    mend(one)
    nothing_to_send(one)
    # Not the tape, which this tablet had not shown when its last line was taken back.
    for page in (one, other):
        expect(counted(page, "Marker blue")).to_have_text("1")
        expect(counted(page, "Tape")).to_have_text("1")
    one.click("#done")
    one.click("#ask-yes")
    other.wait_for_selector("#choose:not([hidden])")


def test_two_pages_of_one_tablet_send_everything_once(pages: Pages, scanned: Scan) -> None:
    """Over HTTPS or loopback by Web Locks, over plain HTTP by a lease: the second host name is not secure."""
    plain = pages.house.oslo.url.replace("127.0.0.1", "tablet.test")
    for number, url in enumerate((pages.house.oslo.url, plain)):
        pages.forgive("The Cross-Origin-Opener-Policy header has been ignored")
        code = f"T-0{4 + number}"
        stage.open_count(pages.house, f"Two pages {number}", code)
        page = pages.tablet("ben", "/count", url=url)
        assert page.evaluate("isSecureContext && Boolean(navigator.locks)") is (number == 0)
        open_bin(page, scanned, code)
        other = page.context.new_page()
        other.goto(f"{url}/count")
        other.wait_for_selector("#counting:not([hidden])")
        cut(page)
        pages.forgive("Failed to load resource: net::ERR_FAILED")
        for _ in range(5):
            scanned(page, MARKER)
            scanned(other, MARKER)
        to_send(page, 10)
        to_send(other, 10)
        mend(page)
        for each in (page, other):
            nothing_to_send(each)
            expect(counted(each, "Marker blue")).to_have_text("10")
        assert scans_of(pages, code) == 10
        leave(page)


def test_a_tablet_that_can_keep_nothing_says_so_and_sends_nothing(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "Full", "T-06")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "T-06")
    page.evaluate(
        "() => { IDBObjectStore.prototype.add = () => { throw new DOMException('', 'QuotaExceededError'); } }"
    )
    scanned(page, MARKER)
    expect(page.locator("#answer")).to_contain_text("cannot keep anything (QuotaExceededError)")
    expect(page.locator("#answer")).to_have_attribute("data-level", "bad")
    page.wait_for_timeout(500)
    assert scans_of(pages, "T-06") == 0
    page.reload()
    scanned(page, MARKER)
    expect(counted(page, "Marker blue")).to_have_text("1")
    leave(page)


def test_an_act_that_the_node_fails_at_does_not_hold_up_the_others(pages: Pages, scanned: Scan) -> None:
    stage.open_count(pages.house, "Failing", "T-07")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "T-07")
    pages.forgive("Failed to load resource: the server responded with a status of 500")
    problem = '{"type": "about:blank", "status": 500, "title": "x", "detail": "our mistake, number 7"}'
    failing = {"status": 500, "content_type": "application/problem+json", "body": problem}
    page.context.route("**/counts/undo", lambda route: route.fulfill(**failing))
    scanned(page, MARKER)
    expect(counted(page, "Marker blue")).to_have_text("1")
    page.click("#undo")
    scanned(page, MARKER)
    expect(counted(page, "Marker blue")).to_have_text("2", timeout=40_000)
    expect(page.locator("#outbox-open")).to_have_text("✕ 1 refused")
    leave(page)


def test_a_page_that_does_not_know_yet_where_it_is_waits_and_sends_nothing_that_it_said_no_to(
    pages: Pages, scanned: Scan
) -> None:
    house = pages.house
    stage.open_count(house, "Not known yet", "T-14")
    page = pages.tablet("ana", "/login")
    held: list[Any] = []
    page.context.route("**/events?*", lambda route: held.append(route))
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/v1/scans" in request.url else None)
    page.goto(f"{house.oslo.url}/count")
    scanned(page, MARKER)
    expect(page.locator("#answer")).to_contain_text(re.compile("scan a bin first", re.IGNORECASE))
    page.wait_for_timeout(500)
    expect(page.locator("#outbox-open")).to_be_hidden()
    assert sent == []
    house.oslo.people["ana"].act("counts/open", bin="T-14")
    held.clear()
    page.goto(f"{house.oslo.url}/count")
    scanned(page, MARKER)
    page.wait_for_timeout(200)
    expect(page.locator("#answer")).not_to_contain_text("Scan a bin first")
    for each in held:
        each.continue_()
    page.context.unroute("**/events?*")
    expect(counted(page, "Marker blue")).to_have_text("1")
    assert scans_of(pages, "T-14") == 1
    leave(page)
