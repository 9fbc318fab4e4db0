"""An auditor at the tablet: a test count of any bin, what it found, and pages that offer nothing that refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import open_bin
from tests.browser.test_devices import shot
from tests.browser.test_look import faults_of

MARK = "9521234500018"


@pytest.mark.usefixtures("alone")
def test_a_test_count_tells_what_it_found(pages: Pages, scanned: Callable[..., None]) -> None:
    house, faults = pages.house, []
    bin_ = "N-09"
    line = {"item": "MARK-BL", "quantity": 2, "target": bin_}
    house.oslo.people["rita"].act("documents/receive", lines=[line], delivery_note=f"DN-{bin_}")
    eva = pages.tablet("eva", "/")
    expect(eva.locator(".tile strong")).to_contain_text(["Test count", "Counts", "Look up"])
    shot(eva, "auditor-home")
    faults += faults_of(eva, "an auditor's start")
    eva.get_by_role("link", name="Test count").click()
    expect(eva.locator("#no-bins")).to_contain_text("Any bin that nobody counts")
    faults += faults_of(eva, "before a test count")
    shot(eva, "auditor-count")
    open_bin(eva, scanned, bin_)
    scanned(eva, MARK)
    expect(eva.locator("#lines .count")).to_have_text(["1"])
    faults += faults_of(eva, "a test count")
    eva.click("#done")
    eva.click("#ask-yes")
    expect(eva.locator("h1")).to_contain_text(bin_)
    expect(eva.locator("#answer")).to_contain_text("nothing is booked by it")
    expect(eva.locator("#lines tbody td")).to_contain_text(["Marker blue", "2", "1", "-1"])
    expect(eva.locator("main button:visible")).to_have_count(0)
    shot(eva, "auditor-found")
    faults += faults_of(eva, "what a test found")
    eva.get_by_role("link", name="Test count of").click()
    shot(eva, "auditor-session")
    eva.goto(f"{house.oslo.url}/review/")
    expect(eva.locator("main")).to_contain_text(f"Test count of {bin_}")
    shot(eva, "auditor-counts")
    faults += faults_of(eva, "counts, for an auditor")

    # Who approves may have the bin counted because of it.
    kim = pages.tablet("kim", "/review/")
    kim.get_by_role("link", name=f"Test count of {bin_}").click()
    kim.get_by_role("link", name=bin_, exact=True).click()
    shot(kim, "tested")
    faults += faults_of(kim, "a test's result for who approves")
    kim.click("#order")
    expect(kim.locator("h1")).to_have_text(f"After the test of {bin_}")
    expect(kim.locator("tr", has_text=bin_)).to_contain_text("waiting")
    stock = house.oslo.people["rita"].get(f"locations/{bin_}/inventory")["rows"]
    assert [row["quantity"] for row in stock] == [2]
    assert not faults, "\n".join(faults)


def _offered(page: Any) -> list[str]:
    """What of the page itself can be pressed to change something."""
    found: list[str] = page.locator("main button:visible").all_inner_texts()
    return found


@pytest.mark.usefixtures("alone")
def test_an_auditor_is_offered_nothing_that_refuses(pages: Pages) -> None:
    house = pages.house
    ana, kim = house.oslo.people["ana"], house.oslo.people["kim"]
    rule = {"line_quantity_max": 0, "control_percent": 0, "rounds_max": 1}
    session = kim.act("counts", name="Looked at", bins=["N-11", "N-12"], rule=rule)["session"]
    ana.act("counts/open", bin="N-11")
    ana.act("counts/enter", item="TAPE-50", quantity=2)
    ana.act("counts/close", bin="N-11", confirm=True)
    kim.act("counts/sheets", session=session, blind=True)
    operation = house.oslo.people["rita"].act(
        "documents/receive", lines=[{"item": "MARK-BL", "quantity": 1, "target": "N-13"}], delivery_note="DN-77"
    )["op_id"]
    waits = stage.propose(house, "scrap", "A-04")
    eva = pages.tablet("eva", "/review/")
    for path, may in (
        (f"/review/{session}", []),
        (f"/review/{session}/N-11", []),
        (f"/review/{session}/sheets", []),
        ("/review/scans", []),
        ("/review/proposals", []),
        ("/review/programme", []),
        ("/review/certificate?zone=N-11", ["Show", "Print it"]),
        (f"/operations/{operation}", []),
        ("/people", ["Find"]),
    ):
        eva.goto(house.oslo.url + path)
        eva.wait_for_load_state("networkidle")
        assert "Refused" not in eva.locator("h1").inner_text(), path
        assert sorted(_offered(eva)) == sorted(may), path
    eva.goto(f"{house.oslo.url}/count")
    expect(eva.locator("#choose")).to_be_visible()
    expect(eva.locator("main a:visible")).to_have_count(0)
    kim.act("documents/reject", proposal=waits, reason="not-needed")
