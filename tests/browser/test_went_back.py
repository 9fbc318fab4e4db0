"""A transfer arrives short: what was lost, what the carrier took back, and the sender who takes that in."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.stage import wait_for
from tests.browser.test_devices import shot
from tests.browser.test_floor import Scan, lies, ready, sign
from tests.browser.test_look import faults_of
from tests.browser.test_measured import typed
from tests.browser.test_transfers_ended import sent, state


def test_a_short_line_says_what_the_carrier_took_back_and_its_sender_takes_it_in(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    transfer = sent(house, "N-05")
    page = pages.tablet("bo", f"/bring-in?transfer={transfer}", place="bergen")
    ready(page)
    scanned(page, "BIN:B-01")
    page.get_by_role("button", name="Change Extension cable").click()
    typed(page, "1")
    page.click("#accept")
    back = page.get_by_label("Of these the carrier took back")
    expect(back).to_have_value("")
    back.fill("3")
    page.click("#differs button[type=submit]")
    expect(page.locator("#differs-refusal")).to_have_text("Extension cable 3 m: at most 2 can have gone back.")
    expect(page.locator("#differs")).to_be_visible()
    faults = faults_of(page, "bring in, short")
    shot(page, "short")
    back.fill("1")
    page.locator("#whys").get_by_label("Extension cable").select_option("lost-on-the-way")
    page.click("#differs button[type=submit]")
    sign(page)
    expect(page.locator("#proof")).to_be_visible()
    state(house, transfer, "short")
    [line] = house.oslo.people["tor"].get(f"transfers/{transfer}")["lines"]
    assert (line["accepted"], line["missing"], line["returned"]) == (1, 2, 1)
    about = lambda: [each for each in house.hub.discrepancies() if each.subject == f"oslo/{transfer}"]  # noqa: E731
    [found] = wait_for("the discrepancy", about, 60)
    console = pages.console(f"/discrepancies/{found.id}")
    expect(console.locator("main")).to_contain_text("2 base units missing on arrival, 1 of them on the way back")
    shot(console, "short-hub")
    console.fill("#text", "The carrier pays for one")
    console.get_by_role("button", name="It is lost").click()
    expect(console.locator("main")).to_contain_text("on the way back")  # open until that has come
    state(house, transfer, "coming back")
    tor = pages.tablet("tor", f"/papers/{transfer}")
    expect(tor.locator("tbody tr")).to_contain_text("1")
    faults += faults_of(tor, "paper, returned")
    shot(tor, "short-paper")
    tor.goto(f"{house.oslo.url}/bring-in?transfer={transfer}")
    ready(tor)
    expect(tor.locator("#sender")).to_have_text("bergen")
    scanned(tor, "BIN:N-05")
    tor.click("#accept")
    sign(tor)
    expect(tor.locator("#proof")).to_be_visible()
    assert lies(house, "N-05") == 1
    state(house, transfer, "settled")
    assert about() == []
    assert not faults, "\n".join(faults)
    stage.leave_all(house)


def test_an_acceptance_is_reversed_on_its_page_and_the_transfer_is_open_again(pages: Pages) -> None:
    house = pages.house
    transfer = sent(house, "N-04")
    bo = house.bergen.people["bo"]
    before = lies(house, "B-01", place="bergen")
    wish = {"transfer": transfer, "target": "B-01", "lines": [{"index": 0, "quantity": 3}]}
    acceptance = bo.act("transfers/accept", **wish, pin=stage.PIN)["op_id"]
    state(house, transfer, "settled")
    page = pages.tablet("bo", f"/operations/{acceptance}", place="bergen")
    page.click("#reverse")
    expect(page.locator("#decide-words")).to_contain_text("the transfer can be accepted anew")
    page.select_option("#reason-again", "twice")
    faults = faults_of(page, "reverse an acceptance")
    shot(page, "reverse")
    sign(page)
    expect(page.locator("main")).to_contain_text("Reversed by")
    expect(page.locator("#reverse")).to_have_count(0)
    shot(page, "reversed")
    assert lies(house, "B-01", place="bergen") == before
    page.get_by_role(
        "link", name=house.bergen.people["bo"].get(f"operations/{acceptance}")["reversed_by"][:8]
    ).click()
    expect(page.locator("h1").last).to_have_text("Reversed")
    page.goto(f"{house.bergen.url}/bring-in")
    expect(page.get_by_role("button", name=transfer[:8])).to_be_visible()
    state(house, transfer, "in transit")
    tor = pages.tablet("tor", "/sent")
    row = tor.locator("tr", has_text=transfer[:8])
    expect(row).to_contain_text("An acceptance of it was reversed.")
    faults += faults_of(tor, "sent, reversed")
    shot(tor, "reversed-sent")
    assert not faults, "\n".join(faults)
    wish = {"transfer": transfer, "target": "B-01", "lines": [{"index": 0, "quantity": 3}]}
    bo.act("transfers/accept", **wish, pin=stage.PIN)
    state(house, transfer, "settled")
