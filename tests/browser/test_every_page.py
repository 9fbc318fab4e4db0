"""Every page that the node and the hub have, by their own lists of addresses: a page that is added and not looked at
here fails. In both themes and both directions nothing is wrong with it (`test_look.faults_of`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import DESK, Pages
from tests.browser.test_look import faults_of
from web.node_floor import SCREENS, WORKS

# What a browser does not show as a page.
FILES = {"static", "versioned", "node_api.get_metrics", "node_events.get_events", "node_setup.certificate",
         "node_setup.profile", "node_floor.paper_file", "words", "node_offline.worker",
         "node_offline.manifest"}  # fmt: skip
HEARD = re.compile("Node ok|Node needs help|Alerts seen")
Screens = dict[str, list[tuple[str, str]]]


@pytest.fixture(scope="module")
def node_screens(house: stage.House) -> Iterator[Screens]:
    """Addresses by endpoint, each with who may see it."""
    stage.cancel_all(house)
    session = stage.open_count(house, "Every page", "A-05", "A-06")
    for login in ("ana", "ben"):
        api = house.oslo.people[login]
        api.act("counts/open", bin="A-05")
        api.act("counts/enter", item="TAPE-50", quantity=2)
        api.act("counts/close", bin="A-05", confirm=True)
    kim, tor = house.oslo.people["kim"], house.oslo.people["tor"]
    number = kim.act("counts/sheets", session=session, blind=False)["sheet"]
    line = {"item": "GLOVE-10", "quantity": 1, "source": "A-09"}
    transfer = tor.act("transfers/dispatch", receiver="bergen", lines=[line], pin=stage.PIN)["op_id"]
    waits = stage.propose(house, "scrap", "A-09")
    crates = [{"unit": "CRATE-56"}]
    moved = house.oslo.people["rita"].act("units/move", units=crates, target="A-09")["op_id"]
    yield {
        "node_pages.login": [("", "/login"), ("", "/login?ended=1")],
        "node_pages.home": [("ana", "/"), ("kim", "/"), ("rita", "/"), ("pia", "/"), ("tor", "/"), ("ada", "/")],
        "node_pages.count": [("ana", "/count")],
        "node_pages.sheets": [("ana", "/count/sheets"), ("kim", "/count/sheets")],
        "node_pages.sheet_typed": [("ana", f"/count/sheets/{number}"), ("ana", "/count/sheets/9999")],
        "node_pages.operation": [("kim", f"/operations/{op_id}") for op_id in (transfer, moved, "0" * 32)],
        "node_pages.operations": [
            ("kim", "/operations/"),
            ("ana", "/operations/"),
            ("kim", "/operations/?to=2020-01-01"),
        ],
        "node_pages.stock_of_a_day": [("kim", "/operations/stock"), ("kim", "/operations/stock?day=2199-12-31")],
        "node_pages.cut_off": [("kim", "/operations/cut-off"), ("kim", "/operations/cut-off?day=2199-12-31")],
        "node_pages.node": [("ana", "/node"), ("kim", "/node")],
        "node_pages.people": [("ada", "/people"), ("kim", "/people")],
        "node_floor.look": [("pia", "/look"), ("ana", "/look")],
        "node_floor.receive": [("rita", "/receive")],
        "node_floor.move": [("rita", "/move")],
        "node_floor.pick": [("pia", "/pick")],
        "node_floor.bring-in": [("tor", "/bring-in")],
        "node_floor.held": [("pia", "/held")],
        "node_floor.left": [("tor", "/sent")],
        "node_floor.work": [("rita", f"/floor/{kind}") for kind in (*WORKS, "none")],
        "node_floor.paper": [("tor", f"/papers/{transfer}"), ("tor", "/papers/" + "0" * 32)],
        "node_review.sessions": [("kim", "/review/"), ("ana", "/review/")],
        "node_review.plan": [("kim", "/review/new"), ("kim", "/review/new?from=A")],
        "node_review.proposals": [("kim", "/review/proposals"), ("ana", "/review/proposals")],
        "node_review.scans": [("kim", "/review/scans"), ("ana", "/review/scans")],
        "node_review.certificate": [("kim", f"/review/certificate{asked}") for asked in ("", "?zone=A-05")],
        "node_review.programme": [("kim", "/review/programme")],
        "node_review.sheet": [("kim", f"/review/sheets/{number}"), ("kim", "/review/sheets/9999")],
        "node_review.session": [("kim", f"/review/{session}")],
        "node_review.chosen": [("kim", f"/review/{session}/plan"), ("kim", "/review/" + "0" * 32 + "/plan")],
        "node_review.sheets": [("kim", f"/review/{session}/sheets")],
        "node_review.bin_page": [("kim", f"/review/{session}/A-05"), ("kim", f"/review/{session}/A-06")],
        "node_setup.setup": [("", "/setup")],
        "node_offline.count": [("ana", "/offline/en/count")],
        "node_offline.page": [("rita", f"/offline/en{path}") for path in SCREENS],
        "node_offline.offline": [("tor", "/offline/en")],
    }
    kim.act("documents/reject", proposal=waits, reason="not-needed")
    stage.cancel_all(house)


@pytest.fixture(scope="module")
def console_screens(house: stage.House) -> Screens:
    origin = house.hub.sites()[0].origin
    found = [f"/discrepancies/{each.id}" for each in house.hub.discrepancies(everything=True)[:3]]
    shown = {
        "sites": ["/"],
        "site": [f"/sites/{origin}", "/sites/none"],
        "discrepancy_list": ["/discrepancies", "/discrepancies?all=true"],
        "discrepancy": [*found, "/discrepancies/999999"],
        "announced_list": ["/announced"],
        "approval_list": ["/approvals"],
        "approval": ["/approvals/" + "0" * 32],
        "transfer_list": ["/transfers"],
        "anchors": ["/anchors"],
    }
    screens = {f"hub_pages.{name}": [("admin", path) for path in paths] for name, paths in shown.items()}
    return {"hub_pages.login": [("", "/login")], **screens}


def pages_of(app: Flask) -> set[str]:
    """The endpoints that a browser shows as a page."""
    rules = [each for each in app.url_map.iter_rules() if "GET" in (each.methods or ())]
    return {each.endpoint for each in rules if not each.rule.startswith("/api/")} - FILES


def test_no_page_is_left_out(house: stage.House, node_screens: Screens, console_screens: Screens) -> None:
    assert pages_of(house.oslo.app) == set(node_screens)
    assert pages_of(house.hub_app) == set(console_screens)


def test_every_page_of_the_tablet(pages: Pages, node_screens: Screens) -> None:
    url, faults, opened = pages.house.oslo.url, [], {}
    pages.forgive("Failed to load resource: net::ERR_FAILED")
    for login, path in sorted({screen for screens in node_screens.values() for screen in screens}):
        if login not in opened:
            opened[login] = pages.tablet(login, path) if login else pages.open(url + path)
        page = opened[login]
        if path == "/offline/en":  # which goes away as soon as the node answers
            page.route("**/api/v1/status", lambda route: route.abort())
        page.goto(url + path)
        if login and page.locator("#chip-node").count():
            expect(page.locator("#chip-node"), f"{path} does not hear the node").to_contain_text(HEARD)
        faults += faults_of(page, f"{path} for {login or 'anybody'}")
    assert not faults, "\n".join(faults)


def test_every_page_of_the_console(pages: Pages, console_screens: Screens) -> None:
    url, faults = pages.house.hub_url, []
    for login, path in sorted({screen for screens in console_screens.values() for screen in screens}):
        page = pages.console(path) if login else pages.open(url + path)
        faults += faults_of(page, path, [("dark", DESK), ("light", (1280, 900))])
        page.context.close()
    pages.contexts.clear()
    assert not faults, "\n".join(faults)
