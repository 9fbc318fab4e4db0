"""A transfer that does not leave, or comes back, from the tablet over the console to the tablet again."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.stage import wait_for
from tests.browser.test_devices import shot
from tests.browser.test_floor import Scan, lies, put, sign
from tests.browser.test_look import faults_of
from web.languages import COOKIE


def sent(house: stage.House, bin_: str) -> str:
    """Three cables leave for Bergen, which is told; answers the transfer."""
    put(house, bin_, 3)
    line = {"item": "CABLE-3", "quantity": 3, "source": bin_}
    wish = {"receiver": "bergen", "lines": [line]}
    transfer = str(house.oslo.people["tor"].act("transfers/dispatch", **wish, pin=stage.PIN)["op_id"])
    bo = house.bergen.people["bo"]
    coming = lambda: [each["transfer"] for each in bo.get("transfers/?direction=coming")["rows"]]  # noqa: E731
    wait_for("the dispatch at bergen", lambda: transfer in coming(), 60)
    return transfer


def state(house: stage.House, transfer: str, wanted: str) -> None:
    tor = house.oslo.people["tor"]
    wait_for(f"{wanted} at oslo", lambda: tor.get(f"transfers/{transfer}")["state"] == wanted, 60)


def test_what_never_left_is_asked_back_on_its_paper_and_cancelled_at_the_console(pages: Pages) -> None:
    house = pages.house
    transfer = sent(house, "N-07")
    page = pages.tablet("tor", f"/papers/{transfer}")
    page.click("#cancel")
    page.fill("#cancelling-bin", "NO-SUCH")
    page.click("#cancelling-form button[type=submit]")
    expect(page.locator("#cancelling-refusal")).to_contain_text("not known here")
    page.fill("#cancelling-bin", "BIN:N-08")
    page.click("#cancelling-form button[type=submit]")
    expect(page.locator("main")).to_contain_text("the hub was asked to cancel it")
    expect(page.locator("#cancel")).to_have_count(0)
    about = lambda: [each for each in house.hub.discrepancies() if each.subject == f"oslo/{transfer}"]  # noqa: E731
    [found] = wait_for("the request at the hub", about, 60)
    console = pages.console(f"/discrepancies/{found.id}")
    console.fill("#text", "The lorry broke down in the yard")
    console.get_by_role("button", name="It never left").click()
    expect(console.locator("main")).to_contain_text("It is resolved")
    state(house, transfer, "cancelled")
    page.goto(f"{house.oslo.url}/sent")
    expect(page.locator("tr", has_text=transfer[:8])).to_contain_text("was cancelled")
    wait_for("the goods in their bin", lambda: lies(house, "N-08") == 3, 60)


def test_what_comes_back_is_brought_in_where_it_was_sent(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    transfer = sent(house, "N-06")
    console = pages.console("/transfers")
    console.locator("section", has_text=transfer[:16]).get_by_role("button", name="End it…").click()
    console.wait_for_url("**/discrepancies/*")
    console.fill("#text", "Nobody is in Bergen")
    console.get_by_role("button", name="It comes back").click()
    expect(console.locator("main")).to_contain_text("It is resolved")
    state(house, transfer, "coming back")
    faults = []
    look = pages.tablet("tor", "/look?item=CABLE-3")
    expect(look.locator(".figure", has_text="On the way back")).to_contain_text("3")
    way = look.get_by_role("region", name="On its way between sites").locator("tr", has_text="back from bergen")
    expect(way.get_by_role("link")).to_have_attribute("href", f"/operations/{transfer}")
    shot(look, "back")
    faults += faults_of(look, "comes back")
    look.goto(f"{house.oslo.url}/sent")
    row = look.locator("tr", has_text=transfer[:8])
    expect(row).to_contain_text("on its way back: bring it in when it is here")
    faults += faults_of(look, "comes back, sent")
    shot(look, "back-sent")
    look.context.add_cookies([{"name": COOKIE, "value": "ar", "url": house.oslo.url}])
    look.goto(f"{house.oslo.url}/look?item=CABLE-3")
    expect(look.locator(".figure").nth(3)).to_be_visible()
    shot(look, "back-rtl")
    assert not faults, "\n".join(faults)
    page = pages.tablet("tor", "/bring-in")
    page.get_by_role("button", name=f"{transfer[:8]}").click()
    expect(page.locator("#sender")).to_have_text("bergen")
    scanned(page, "BIN:N-06")
    page.click("#accept")
    sign(page)
    expect(page.locator("#proof")).to_be_visible()
    assert lies(house, "N-06") == 3
    state(house, transfer, "returned")
