"""A node that takes every question and answers none: what this tablet can do without it is done at once, and kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_drafts import figures
from tests.browser.test_drafts import kept as at_the_node
from tests.browser.test_floor import CABLE, Scan, keys, put, ready

SOON_MS = 5_000  # half of what one question waits for its answer


class Silent:
    """Between the server and the node: what is asked waits from `fall` to `speak`, and is answered 503 then, or done
    where it only came `late`."""

    def __init__(self, app: Any) -> None:
        self._app, self._paths, self._late = app, ("",), False
        self._speaking = threading.Event()
        self._speaking.set()

    def fall(self, *paths: str) -> None:
        self._paths, self._late = paths or ("/api/", "/events"), False
        self._speaking.clear()

    def speak(self, *, late: bool = False) -> None:
        self._late = late
        self._speaking.set()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if not self._speaking.is_set() and environ["PATH_INFO"].startswith(self._paths):
            self._speaking.wait(60)
            if not self._late:
                start_response("503 Service Unavailable", [("Content-Length", "0")])
                return [b""]
        return self._app(environ, start_response)


@pytest.fixture
def node(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> Iterator[Silent]:
    pages.forgive("Failed to load resource", "Unreachable")
    between = Silent(pages.house.oslo.app.wsgi_app)
    monkeypatch.setattr(pages.house.oslo.app, "wsgi_app", between)
    yield between
    between.speak()


def test_scans_are_lines_on_this_tablet_at_once(pages: Pages, scanned: Scan, node: Silent) -> None:
    put(pages.house, "S-03", 9)
    page = pages.tablet("pia", "/floor/hold")
    scanned(page, "BIN:S-03", CABLE)
    at_the_node(pages, "pia", "hold", 1)
    node.fall()
    scanned(page, "BIN:S-03", *[CABLE] * 6)
    expect(page.locator("#lines .count")).to_have_text("7", timeout=SOON_MS)
    page.reload()
    expect(page.locator("#lines .count")).to_have_text("7", timeout=SOON_MS)
    # What nobody asked about on this tablet is not known here; nothing waits behind it for long once that is clear.
    expect(page.locator("#chip-node")).to_contain_text("out of reach")
    scanned(page, "9521234500018", CABLE)
    expect(page.locator("#lines .count")).to_have_text("8", timeout=SOON_MS)
    node.speak()
    at_the_node(pages, "pia", "hold", 8)
    page.get_by_role("button", name="Change Extension cable").click()
    keys(page, "0", "#keypad")
    page.click("#keypad [data-key=ok]")
    at_the_node(pages, "pia", "hold", 0)


def test_an_arrival_that_was_begun_is_shown_and_the_first_scan_belongs_to_it(
    pages: Pages, scanned: Scan, node: Silent
) -> None:
    bo, line = pages.house.bergen.people["bo"], {"item": "CABLE-3", "quantity": 4}
    bo.act("documents/receive", lines=[{**line, "target": "DOCK-1"}])
    sent = bo.act("transfers/dispatch", receiver="oslo", lines=[{**line, "source": "DOCK-1"}], pin=stage.PIN)
    paper = bo.get(f"transfers/{sent['op_id']}")["paper"]
    page = pages.tablet("tor", "/bring-in")
    ready(page)
    scanned(page, paper, "BIN:J-02", "BIN:J-03")
    page.get_by_role("button", name="Change Extension cable").click()
    keys(page, "3", "#keypad")
    page.click("#keypad [data-key=ok]")
    figures(page, "3 / 4")
    node.fall()
    page.reload()
    scanned(page, "BIN:J-02")
    expect(page.locator("#target")).to_have_text("J-02", timeout=SOON_MS)
    figures(page, "3 / 4")


def test_a_first_scan_waits_for_the_list_that_is_resumed(pages: Pages, scanned: Scan, node: Silent) -> None:
    house, pia = pages.house, pages.house.oslo.people["pia"]
    put(house, "S-02", 2)
    made = pia.act("picks", order="SO-SLOW", lines=[{"item": "CABLE-3", "quantity": 2}])
    node.fall("/api/v1/picks/")
    page = pages.tablet("pia", f"/pick?list={made['op_id']}")
    scanned(page, "BIN:O-02")
    page.wait_for_timeout(500)  # the code has been looked up meanwhile
    node.speak(late=True)
    expect(page.locator("#tote")).to_have_text("O-02")
    page.goto(f"{house.oslo.url}/")
    pia.act("picks/cancel", list=made["op_id"], reason="withdrawn")


def test_a_list_that_is_known_here_is_shown_at_once_and_picked_on_when_the_node_answers(
    pages: Pages, scanned: Scan, node: Silent
) -> None:
    house, pia = pages.house, pages.house.oslo.people["pia"]
    put(house, "S-02", 2)
    made = pia.act("picks", order="SO-SILENT", lines=[{"item": "CABLE-3", "quantity": 2}])
    page = pages.tablet("pia", "/pick")
    expect(page.locator("#lists .tile", has_text="SO-SILENT")).to_be_visible()
    page.goto(f"{house.oslo.url}/pick?list={made['op_id']}")
    scanned(page, "BIN:O-02")
    expect(page.locator("#tote")).to_have_text("O-02")
    place = page.locator("#go").inner_text()
    scanned(page, f"BIN:{place}")
    expect(page.locator("#pick")).to_be_enabled()
    node.fall()
    page.goto(f"{house.oslo.url}/pick")
    expect(page.locator("#lists .tile", has_text="SO-SILENT")).to_be_visible(timeout=SOON_MS)
    page.goto(f"{house.oslo.url}/pick?list={made['op_id']}")
    expect(page.locator("#tote")).to_have_text("O-02", timeout=SOON_MS)
    scanned(page, f"BIN:{place}")
    expect(page.locator("#answer")).to_contain_text("pick on when it answers", timeout=SOON_MS)
    expect(page.locator("#pick")).to_be_disabled()
    node.speak()
    expect(page.locator("#chip-node")).to_contain_text("Node ok")
    scanned(page, f"BIN:{place}")
    expect(page.locator("#pick")).to_be_enabled()
    pia.act("picks/cancel", list=made["op_id"], reason="withdrawn")


def test_a_code_that_nobody_knows_here_is_not_waited_for_before_the_node_is_heard_of(
    pages: Pages, scanned: Scan, node: Silent
) -> None:
    put(pages.house, "S-03", 9)
    page = pages.tablet("pia", "/floor/hold")
    scanned(page, "BIN:S-03", CABLE)
    at_the_node(pages, "pia", "hold", 1)
    node.fall()
    page.reload()
    scanned(page, "9521234500049", CABLE)
    expect(page.locator("#lines .count")).to_have_text("2", timeout=SOON_MS)
    node.speak()
    at_the_node(pages, "pia", "hold", 2)
    page.get_by_role("button", name="Change Extension cable").click()
    keys(page, "0", "#keypad")
    page.click("#keypad [data-key=ok]")
    at_the_node(pages, "pia", "hold", 0)
