"""A pallet from another site comes in by one scan of its label, with all that is on it; a broken one line by line."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_floor import Scan, put, ready, sign
from tests.browser.test_measured import typed
from tests.browser.test_said import held_back

PALLET, CRATE = "095212345000000018", "CRATE-19"


def sent(house: stage.House, unit: str) -> str:
    """A unit with two kinds of goods leaves for Bergen whole; answers the paper."""
    rita, tor = house.oslo.people["rita"], house.oslo.people["tor"]
    rita.act("units/move", units=[{"unit": unit}], target="D-04")
    put(house, unit, 6)
    put(house, unit, 4, "GLOVE-10")
    lines = [{"item": "CABLE-3", "quantity": 6}, {"item": "GLOVE-10", "quantity": 4}]
    wish = {"receiver": "bergen", "source": unit, "lines": lines}
    transfer = tor.act("transfers/dispatch", **wish, pin=stage.PIN)["op_id"]
    found = tor.get(f"transfers/{transfer}")
    assert [line["handling_unit"] for line in found["lines"]] == [unit, unit]
    return str(found["paper"])


def test_a_pallet_arrives_by_one_scan(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    file = {"name": "p.json", "mimeType": "application/json", "buffer": sent(house, PALLET).encode()}
    page = pages.tablet("bo", "/bring-in", place="bergen")
    ready(page)
    page.set_input_files("#file", file)
    expect(page.locator("#arriving")).to_be_visible()
    scanned(page, "BIN:B-01", f"]C100{PALLET}")
    expect(page.locator("#answer .word")).to_have_text(f"Unit {PALLET} came whole")
    expect(page.locator("#target")).to_have_text("B-01")
    expect(page.locator("#lines .line").first).to_contain_text(f"✓ on {PALLET}")
    page.click("#accept")
    expect(page.locator("dialog[open]")).not_to_contain_text("loose")
    sign(page)
    expect(page.locator("#proof-title")).to_contain_text("oslo")
    bo = house.bergen.people["bo"]
    assert [(row["item"], row["quantity"]) for row in bo.get(f"locations/{PALLET}/inventory")["rows"]] == [
        ("CABLE-3", 6),
        ("GLOVE-10", 4),
    ]
    assert bo.get(f"locations/{PALLET}")["parent"] == "B-01"


def test_a_crate_of_which_something_is_missing_comes_in_loose(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    file = {"name": "p.json", "mimeType": "application/json", "buffer": sent(house, CRATE).encode()}
    page = pages.tablet("bo", "/bring-in", place="bergen")
    ready(page)
    page.set_input_files("#file", file)
    expect(page.locator("#arriving")).to_be_visible()
    scanned(page, f"LPN:{CRATE}", "BIN:B-01")
    page.get_by_role("button", name="Change Extension cable").click()
    typed(page, "5")
    expect(page.locator("#lines .line").first).not_to_contain_text("✓ on")
    page.click("#accept")
    page.locator("#whys").get_by_label("Extension cable").select_option("short")
    page.click("#differs button[type=submit]")
    expect(page.locator("dialog[open]")).to_contain_text("1 handling unit was not scanned whole")
    sign(page)
    expect(page.locator("#proof-title")).to_contain_text("oslo")
    found = house.bergen.people["bo"].get("locations/B-01/inventory")["rows"]
    assert {("CABLE-3", "free"), ("GLOVE-10", "free")} <= {(row["item"], row["status"]) for row in found}


def test_a_paper_that_is_read_before_the_page_knows_what_is_coming_is_gone_on_with(pages: Pages) -> None:
    coming, drafts = "**/transfers/?direction=coming*", "**/api/v1/drafts/arrival-*"
    file = {"name": "p.json", "mimeType": "application/json", "buffer": sent(pages.house, "CRATE-20").encode()}
    page = pages.tablet("bo", "/alerts", place="bergen")
    let_coming, let_drafts = held_back(page, coming), held_back(page, drafts)
    with page.expect_request(coming):
        page.goto(f"{pages.house.bergen.url}/bring-in")
    with page.expect_request(drafts):
        page.set_input_files("#file", file)
    with page.expect_response(coming):
        let_coming()
    page.wait_for_timeout(500)  # the page looks at its own address now
    let_drafts()
    expect(page.locator("#arriving")).to_be_visible()
    expect(page.locator("#lines .line")).to_have_count(2)
