"""Floor work in a real browser: look up, receive, move, pick and issue, send out and bring in, hold and release."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from playwright.sync_api import expect

from node import dispatch_paper
from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import TABLET, UPRIGHT, Pages
from tests.browser.test_count import keys, picture
from tests.browser.test_look import faults_of

Scan = Callable[..., None]
CABLE, GLUE_LOT = "9521234500070", "]C1010952123450008717280131\x1d10G-1"


def lies(house: stage.House, bin_: str, item: str = "CABLE-3", place: str = "oslo") -> int:
    api = house.places[place].people["rita" if place == "oslo" else "bo"]  # of oslo's people one who does not count
    return sum(line["quantity"] for line in api.get(f"locations/{bin_}")["stock"] if line["item"] == item)


def put(house: stage.House, bin_: str, quantity: int, item: str = "CABLE-3", **more: Any) -> str:
    line = {"item": item, "quantity": quantity, "target": bin_, **more}
    return str(house.oslo.people["rita"].act("documents/receive", lines=[line])["op_id"])


def sign(page: Any) -> None:
    keys(page, stage.PIN, "#decide")
    page.click("#decide [data-key=ok]")


def ready(page: Any, level: str = "quiet") -> None:
    expect(page.locator("#answer")).to_have_attribute("data-level", level)


def printed(page: Any) -> list[str]:
    """What an independent reader finds on the printed sheets of a page, in order."""
    document = pypdfium2.PdfDocument(page.pdf())
    try:
        found = []
        for sheet in document:
            bitmap = sheet.render(scale=3, grayscale=True)
            image = memoryview(bytes(bitmap.buffer)).cast("B", (bitmap.height, bitmap.stride))
            found += sorted(zxingcpp.read_barcodes(image), key=lambda code: _place(code.position))
        return [str(code.text) for code in found]
    finally:
        document.close()


def _place(position: Any) -> tuple[int, int]:
    """By rows of the sheet; codes of one row differ by a few dots."""
    return round(position.top_left.y / 100), position.top_left.x


# ---------------------------------------------------------------- look up


def test_a_scan_on_the_look_up_page_shows_where_it_is_and_each_proof(pages: Pages, scanned: Scan) -> None:
    put(pages.house, "F-01", 7)
    page = pages.tablet("pia", "/look")
    ready(page)
    scanned(page, CABLE)
    expect(page.locator("#found h2").first).to_have_text("Extension cable 3 m")
    expect(page.get_by_role("region", name="Where it is")).to_contain_text("F-01")
    moved = page.get_by_role("region", name="What happened, newest first")
    expect(moved).to_contain_text("Goods received")
    expect(moved.locator(".chip").first).to_contain_text("ed")
    picture(page, "node-look-up")
    moved.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile("/operations/"))
    page.go_back()
    expect(page.locator("#found h2").first).to_have_text("Extension cable 3 m")
    scanned(page, "BIN:F-01")
    expect(page.get_by_role("region", name="What lies here")).to_contain_text("CABLE-3")
    page.fill("#what", "DOES-NOT-EXIST")
    page.keyboard.press("Enter")
    ready(page, "bad")
    expect(page.locator("#answer")).to_contain_text("Nothing here has the code")


def test_the_nodes_own_scanner_is_taken_by_the_page_in_front(pages: Pages) -> None:
    house = pages.house
    put(house, "F-03", 2)
    scanner, pia = house.oslo.scanner, house.oslo.people["pia"]
    pia.post("devices/bind", device="scanner")
    page = pages.tablet("pia", "/look")
    scanner.wait_opened(20_000)
    scanned_by(page, scanner, f"]E0{CABLE}", "#found h2", "Extension cable 3 m")
    scanner.scan("BIN:F-03")
    expect(page.get_by_role("region", name="What lies here")).to_contain_text("CABLE-3")
    basket = pages.tablet("pia", "/floor/scrap")
    listens(basket)
    for text in ("BIN:F-03", f"]E0{CABLE}", f"]E0{CABLE}"):
        scanner.scan(text)
    expect(basket.locator("#lines .count")).to_have_text("2")
    expect(page.locator("#answer")).to_contain_text("F-03")


def test_a_code_with_which_a_page_ended_is_taken_by_the_next_one(pages: Pages) -> None:
    """It had come, and nothing was done with it yet: until something is, nobody says that it was taken."""
    house = pages.house
    scanner = house.oslo.scanner
    house.oslo.people["pia"].post("devices/bind", device="scanner")
    page = pages.tablet("pia", "/look")
    scanner.wait_opened(20_000)
    listens(page)
    page.route("**/api/v1/lookup", lambda route: None, times=1)  # never answered
    with page.expect_request("**/api/v1/lookup"):
        scanner.scan(f"]E0{CABLE}")
    page.wait_for_timeout(500)
    (read,) = house.oslo.journal.latest(1)
    assert read.state == "parked"
    page.reload()
    expect(page.locator("#found h2").first).to_have_text("Extension cable 3 m")
    wait_for("its word that it is taken", lambda: house.oslo.journal.get(read.read_id).state == "taken")


def test_a_lot_a_piece_a_unit_and_an_operation_are_found_by_their_label(pages: Pages, scanned: Scan) -> None:
    operation = put(pages.house, "F-02", 3, "GLUE-1", lot="G-LOOK", expiry="2029-06-30")
    page = pages.tablet("pia", "/look")
    ready(page)
    scanned(page, "G-LOOK")
    expect(page.locator("#found header")).to_contain_text("lot G-LOOK")
    expect(page.locator("#answer")).to_contain_text("3 here")
    scanned(page, "SN-2")
    expect(page.locator("#found header")).to_contain_text("serial SN-2")
    expect(page.locator("#found .figure")).to_contain_text("A-02")
    scanned(page, "LPN:PAL-NEW")
    expect(page.locator("#answer")).to_contain_text("not used yet")
    scanned(page, operation)
    expect(page.locator("#proof")).to_be_visible()


def test_a_counter_looks_up_a_bin_that_is_being_counted_and_learns_nothing(pages: Pages, scanned: Scan) -> None:
    put(pages.house, "F-03", 77)
    session = stage.open_count(pages.house, "Blind look", "F-03")
    page = pages.tablet("ana", "/look")
    ready(page)
    scanned(page, "BIN:F-03")
    expect(page.locator("#found")).to_contain_text("being counted")
    assert "77" not in page.locator("main").inner_text()
    assert pages.house.oslo.people["ana"].get("counts/mine")["screen"] is None, "a look-up began a count"
    pages.house.oslo.people["kim"].act("counts/cancel", session=session, reason="not-needed")


# ---------------------------------------------------------------- receive, move


def test_goods_are_received_against_a_delivery(pages: Pages, scanned: Scan) -> None:
    house, rita = pages.house, pages.house.oslo.people["rita"]
    rita.act("deliveries", delivery="PO-77", supplier="ACME", lines=[{"item": "CABLE-3", "quantity": 12}])
    before = lies(house, "F-04")
    page = pages.tablet("rita", "/receive")
    page.get_by_role("button", name="PO-77").click()
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, CABLE)
    expect(page.locator("#parked")).to_contain_text("1")  # no bin yet: kept, to be explained
    page.click("#parked")
    page.get_by_role("button", name="Not stock").click()
    expect(page.locator("#parked")).to_be_hidden()
    scanned(page, "BIN:F-04", CABLE, CABLE)
    expect(page.locator("#lines .count")).to_have_text("2")
    expect(page.locator("#expected .count")).to_have_text("2 / 12")
    page.get_by_role("button", name="Change Extension cable").click()
    keys(page, "13", "#keypad")
    page.click("#keypad [data-key=ok]")
    expect(page.locator("#lines .count")).to_have_text("13")
    page.close()
    page = pages.tablet("rita", "/receive")  # another one: that of before is lost
    expect(page.locator("#expected .count")).to_have_text("13 / 12")
    page.click("#done")
    expect(page.locator("#supplier")).to_have_value("ACME")
    page.fill("#note-number", "DN-77")
    page.click("#papers button[type=submit]")
    expect(page.locator("#papers-refusal")).to_contain_text("give a reason")
    page.select_option("#why", "over")
    page.click("#papers button[type=submit]")
    expect(page.locator("#proof")).to_be_visible()
    assert lies(house, "F-04") == before + 13
    expect(page.locator("#deliveries")).not_to_contain_text("PO-77")


def test_goods_and_units_are_put_away_by_scans_alone(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "F-05", 9)
    page = pages.tablet("rita", "/move")
    ready(page)
    scanned(page, "BIN:F-05")
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, "BIN:F-06", CABLE, CABLE, CABLE)
    expect(page.locator("#lines .count")).to_have_text("3")
    page.click("#undo")
    expect(page.locator("#lines .count")).to_have_text("2")
    page.click("#done")
    expect(page.locator("#proof-title")).to_have_text("Goods moved")
    assert (lies(house, "F-05"), lies(house, "F-06")) == (7, 2)
    scanned(page, "LPN:PAL-1", "BIN:DOCK-1")
    expect(page.locator("#proof-title")).to_have_text("Unit PAL-1 stands in DOCK-1")
    scanned(page, "LPN:PAL-1", "BIN:F-05")
    expect(page.locator("#proof-title")).to_have_text("Unit PAL-1 stands in F-05")
    assert house.oslo.people["rita"].get("locations/PAL-1")["parent"] == "F-05"
    scanned(page, "BIN:F-05")
    page.wait_for_selector("#working:not([hidden])")
    page.click("#drop")
    page.click("#ask-yes")
    page.wait_for_selector("#choose:not([hidden])")


def test_goods_are_repacked_out_of_a_unit(pages: Pages, scanned: Scan) -> None:
    """What is scanned after a unit is taken out of it; a place after it takes the whole unit."""
    house, rita = pages.house, pages.house.oslo.people["rita"]
    rita.act("units/move", units=[{"unit": "PAL-2"}, {"unit": "PAL-3"}], target="F-05")
    put(house, "PAL-2", 3)
    before = lies(house, "F-06")
    page = pages.tablet("rita", "/move")
    expect(page.locator("#choose")).to_contain_text("To take something out of it, scan that after its label.")
    ready(page)
    scanned(page, "LPN:PAL-2")
    expect(page.locator("#answer")).to_contain_text("Unit PAL-2: scan where it goes, or what you take out of it")
    scanned(page, CABLE, CABLE, "LPN:PAL-3")
    expect(page.locator("#from")).to_have_text("PAL-2")
    expect(page.locator("#to")).to_have_text("PAL-3")
    expect(page.locator("#lines .count")).to_have_text("2")
    page.click("#done")
    expect(page.locator("#proof-title")).to_have_text("Goods moved")
    assert (lies(house, "PAL-2"), lies(house, "PAL-3")) == (1, 2)
    scanned(page, "LPN:PAL-3", CABLE, "BIN:F-06")
    expect(page.locator("#to")).to_have_text("F-06")
    page.click("#done")
    page.wait_for_selector("#choose:not([hidden])")
    assert (lies(house, "PAL-3"), lies(house, "F-06")) == (1, before + 1)
    scanned(page, "LPN:PAL-2", "LPN:PAL-3")
    expect(page.locator("#proof-title")).to_have_text("Unit PAL-2 stands in PAL-3")
    assert rita.get("locations/PAL-2")["parent"] == "PAL-3"
    left = [{"item": "CABLE-3", "quantity": 1, "source": unit, "target": "F-06"} for unit in ("PAL-2", "PAL-3")]
    rita.act("documents/move", lines=left)
    for unit in ("PAL-2", "PAL-3"):
        rita.act("units/move", units=[{"unit": unit}])


def test_the_nodes_own_scanner_does_on_these_pages_what_a_typing_one_does(pages: Pages) -> None:
    """It begins a move and looks up; with a receipt open it adds to that, whichever page is in sight."""
    house = pages.house
    put(house, "F-05", 4)
    house.oslo.people["rita"].post("devices/bind", device="scanner")
    page = pages.tablet("rita", "/look")
    scanner = house.oslo.scanner
    scanner.wait_opened(20_000)
    scanned_by(page, scanner, CABLE, "#found h2", "Extension cable 3 m")
    page.goto(house.oslo.url + "/move")
    scanned_by(page, scanner, "BIN:F-05", "#from", "F-05")
    for code in ("BIN:F-06", CABLE, CABLE):
        scanner.scan(code)
    expect(page.locator("#lines .count")).to_have_text("2")
    expect(page.locator("#to")).to_have_text("F-06")
    page.click("#drop")
    page.click("#ask-yes")
    page.wait_for_selector("#choose:not([hidden])")
    page.goto(house.oslo.url + "/receive")
    scanned_by(page, scanner, "BIN:DOCK-1", "#from", "DOCK-1")
    scanner.scan("]E0" + CABLE)
    expect(page.locator("#lines .count")).to_have_text("1")


def listens(page: Any) -> None:
    """Its stream is open: a page is the one in front from then on."""
    expect(page.locator("#chip-scanner")).to_contain_text("ready")


def scanned_by(page: Any, scanner: Any, code: str, where: str, words: str) -> None:
    """The first code on a page, once the page listens."""
    listens(page)
    scanner.scan(code)
    expect(page.locator(where).first).to_have_text(words)


# ---------------------------------------------------------------- pick


def test_an_order_is_picked_into_a_tote_and_issued(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "F-07", 5, "GLUE-1", lot="G-1", expiry="2028-01-31")
    put(house, "F-06", 1, "GLUE-1", lot="G-2", expiry="2028-03-31")
    page = pages.tablet("pia", "/floor/order")
    ready(page)
    scanned(page, GLUE_LOT)
    page.get_by_role("button", name="Change Wood glue").click()
    keys(page, "4", "#keypad")
    page.click("#keypad [data-key=ok]")
    page.click("#done")
    page.click("#papers button[type=submit]")
    expect(page.locator("#papers-refusal")).to_contain_text("Order is needed")
    page.fill("#said-order", "SO-9")
    page.click("#papers button[type=submit]")
    expect(page.locator("#answer")).to_contain_text("ready to be picked")
    page.goto(f"{house.oslo.url}/pick")
    page.get_by_role("button", name="SO-9").click()
    scanned(page, "BIN:F-09")
    expect(page.locator("#tote")).to_have_text("F-09")
    expect(page.locator("#go")).to_have_text("F-07")
    expect(page.locator("#pick")).to_be_disabled()
    picture(page, "node-pick")
    scanned(page, "BIN:F-07")
    expect(page.locator("#pick")).to_be_enabled()
    scanned(page, GLUE_LOT)
    expect(page.locator("#now-quantity")).to_have_text("3")
    page.click("#amount")
    keys(page, "2", "#keypad")
    page.click("#keypad [data-key=ok]")
    expect(page.locator("#now-quantity")).to_have_text("1")
    page.reload()
    expect(page.locator("#now-quantity")).to_have_text("1")
    page.click("#short")
    page.click("#ask-yes")
    expect(page.locator("#go")).to_have_text("F-06")  # the next to expire
    page.click("#issue")
    expect(page.locator("#ask-words")).to_contain_text("1 are not picked yet")
    page.click("#ask-yes")
    expect(page.locator("#proof-title")).to_have_text("Order SO-9 is issued")
    assert (lies(house, "F-07", "GLUE-1"), lies(house, "F-09", "GLUE-1")) == (2, 0)
    for each in house.oslo.people["kim"].get("counts")["rows"]:
        if "F-07" in each["name"]:
            house.oslo.people["kim"].act("counts/cancel", session=each["session"], reason="not-needed")


def test_what_the_hub_announces_is_received_and_picked(pages: Pages, scanned: Scan) -> None:
    house, rita = pages.house, pages.house.oslo.people["rita"]
    coming = b"delivery,supplier,item,quantity,lot,sscc,due\n" + (
        b"PO-91,ACME,CABLE-3,20,,106141412345678908,2026-12-01\nPO-91,,GLUE-1,4,G-9,,\n"
    )
    house.hub.announce("deliveries", "oslo", coming)
    house.hub.announce("orders", "oslo", b"order,item,quantity,due\nSO-91,CABLE-3,3,2026-12-24\nSO-92,GLUE-1,900,\n")
    put(house, "F-05", 5)
    wait_for("the orders", lambda: house.oslo.people["pia"].get("orders")["rows"][1:], 30)
    wait_for(
        "the delivery", lambda: [each for each in rita.get("deliveries")["rows"] if each["delivery"] == "PO-91"], 30
    )

    page = pages.tablet("rita", "/receive")
    expect(page.get_by_role("button", name="PO-91")).to_contain_text("0 of 24 came · due 1 Dec 2026")
    page.get_by_role("button", name="PO-91").click()
    expect(page.locator("#expected-lines")).to_contain_text("on 106141412345678908")
    expect(page.locator("#expected-lines")).to_contain_text("lot G-9")
    scanned(page, "BIN:F-05", CABLE)
    expect(page.locator("#expected .count").first).to_have_text("1 / 20")
    page.click("#undo")
    expect(page.locator("#answer")).to_contain_text("Taken back")
    page.evaluate("localStorage.removeItem('delivery')")  # the label of the pallet says it as well
    scanned(page, "]C100106141412345678908")
    expect(page.locator("#answer")).to_contain_text("Unit 106141412345678908 is in with all that is on it")
    expect(page.locator("#expected .count").first).to_have_text("20 / 20")
    expect(page.locator("#lines")).to_contain_text("to 106141412345678908")
    page.click("#drop")
    page.click("#ask-yes")
    rita.act("deliveries/close", delivery="PO-91", reason="short")

    page = pages.tablet("pia", "/pick")
    expect(page.locator("#orders .tile")).to_have_count(2)
    expect(page.get_by_role("button", name="SO-91")).to_contain_text("1 line · due 24 Dec 2026")
    page.get_by_role("button", name="SO-91").click()
    expect(page.locator("#progress")).to_contain_text("0 of 3 picked")
    page.click("#cancel")
    page.click("#ask-yes")
    expect(page.locator("#orders .tile")).to_have_count(2)  # it waits again
    for number in ("SO-91", "SO-92"):
        house.hub.withdraw("orders", "oslo", number)


# ---------------------------------------------------------------- transfers


def test_a_unit_is_loaded_with_all_that_is_on_it_by_one_scan(pages: Pages, scanned: Scan) -> None:
    house, rita = pages.house, pages.house.oslo.people["rita"]
    pallet = "006141411234567890"
    rita.act("units/move", units=[{"unit": pallet}], target="F-08")
    put(house, pallet, 7)
    put(house, pallet, 2, "GLUE-1", lot="G-1", expiry="2028-01-31")
    page = pages.tablet("tor", "/floor/dispatch")
    ready(page)
    scanned(page, f"]C100{pallet}")
    expect(page.locator("#lines .count")).to_have_text(["2", "7"])
    expect(page.locator("#lines")).to_contain_text(f"at {pallet}")
    scanned(page, f"]C100{pallet}")  # it is there once
    expect(page.locator("#answer-figure")).to_have_text("0")
    page.click("#done")
    page.fill("#said-receiver", "bergen")
    page.click("#papers button[type=submit]")
    sign(page)
    expect(page.locator("#proof-title")).to_have_text("Sent")
    assert (lies(house, pallet), lies(house, pallet, "GLUE-1")) == (0, 0)
    rita.act("units/move", units=[{"unit": pallet}])


def test_goods_leave_under_a_signature_and_arrive_short_elsewhere(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "F-08", 6)
    page = pages.tablet("tor", "/floor/dispatch")
    ready(page)
    scanned(page, CABLE)
    ready(page, "warn")
    scanned(page, "BIN:F-08", CABLE, CABLE, CABLE)
    expect(page.locator("#lines .count")).to_have_text("3")
    page.click("#undo")
    expect(page.locator("#lines .count")).to_have_text("2")
    page.reload()
    expect(page.locator("#lines .count")).to_have_text("2")
    page.click("#done")
    page.fill("#said-receiver", "bergen")
    page.click("#papers button[type=submit]")
    sign(page)
    expect(page.locator("#proof-title")).to_have_text("Sent")
    assert lies(house, "F-08") == 4
    transfer = page.locator("#proof-link").get_attribute("href").rsplit("/", 1)[1]
    page.click("#paper")
    expect(page.locator("h1")).to_contain_text("bergen")
    assert printed(page) == [house.oslo.people["tor"].get(f"transfers/{transfer}")["paper"]]
    bo = house.bergen.people["bo"]
    wait_for(
        "the dispatch at bergen",
        lambda: any(each["transfer"] == transfer for each in bo.get("transfers/?direction=coming")["rows"]),
        60,
    )
    before = lies(house, "B-01", place="bergen")
    there = pages.tablet("bo", "/bring-in", place="bergen")
    there.get_by_role("button", name=f"{transfer[:8]}").click()
    expect(there.locator("#accept")).to_be_disabled()
    scanned(there, "BIN:B-01", CABLE)
    there.get_by_role("button", name="Change Extension cable").click()
    keys(there, "1", "#keypad")
    there.click("#keypad [data-key=ok]")
    expect(there.locator("#lines")).to_contain_text("1 short")
    there.click("#accept")
    there.select_option("#whys select", "short")
    there.click("#differs button[type=submit]")
    sign(there)
    expect(there.locator("#proof-title")).to_contain_text("oslo")
    assert lies(house, "B-01", place="bergen") == before + 1


def test_a_transfer_is_accepted_from_its_paper_before_the_hub_has_told_of_it(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "F-08", 2)
    line = {"item": "CABLE-3", "quantity": 2, "source": "F-08"}
    tor = house.oslo.people["tor"]
    transfer = tor.act("transfers/dispatch", receiver="bergen", lines=[line], pin=stage.PIN)["op_id"]
    paper = tor.get(f"transfers/{transfer}")["paper"]
    before = lies(house, "B-01", place="bergen")
    page = pages.tablet("bo", "/bring-in", place="bergen")
    ready(page)
    scanned(page, paper.replace('"bergen"', '"oslo"'))
    ready(page, "bad")
    scanned(page, paper, "BIN:B-01")
    expect(page.locator("#lines .count")).to_have_text("2 / 2")
    page.click("#accept")
    sign(page)
    expect(page.locator("#proof")).to_be_visible()
    assert lies(house, "B-01", place="bergen") == before + 2


def test_a_long_paper_is_printed_in_parts_and_accepted_from_them_or_from_its_file(
    pages: Pages, scanned: Scan
) -> None:
    house = pages.house
    for place in ("F-07", "F-08"):
        put(house, place, 40)
    lines = [{"item": "CABLE-3", "quantity": 1, "source": place} for place in ("F-07", "F-08") * 40]
    tor = house.oslo.people["tor"]
    transfer = tor.act("transfers/dispatch", receiver="bergen", lines=lines, pin=stage.PIN)["op_id"]
    here = pages.tablet("tor", f"/papers/{transfer}")
    codes = printed(here)
    assert len(codes) > 2 and dispatch_paper.joined(codes[::-1]) == tor.get(f"transfers/{transfer}")["paper"]
    with here.expect_download() as saved:
        here.get_by_role("link", name="Save it as a file").click()
    before = lies(house, "B-01", place="bergen")
    page = pages.tablet("bo", "/bring-in", place="bergen")
    ready(page)
    page.set_input_files("#file", saved.value.path())
    expect(page.locator("#lines .count")).to_have_count(80)
    page.click("#back")
    scanned(page, *codes[1:])
    expect(page.locator("#answer .word")).to_have_text("Still to scan of this paper: 1")
    expect(page.locator("#answer-figure")).to_have_text(f"{len(codes) - 1} / {len(codes)}")
    page.close()
    page = page.context.new_page()  # of the same tablet
    page.goto(house.places["bergen"].url + "/bring-in")
    expect(page.locator("#answer .word")).to_have_text("Still to scan of this paper: 1")
    scanned(page, codes[0], "BIN:B-01")
    expect(page.locator("#lines .count")).to_have_count(80)
    page.click("#accept")
    sign(page)
    expect(page.locator("#proof")).to_be_visible()
    assert lies(house, "B-01", place="bergen") == before + 80


# ---------------------------------------------------------------- what is wrong with goods


def test_goods_are_held_and_released_by_somebody_else(pages: Pages, scanned: Scan) -> None:
    put(pages.house, "F-01", 5)
    page = pages.tablet("pia", "/held")
    page.get_by_role("link", name="Hold goods").click()
    page.wait_for_url("**/floor/hold")
    ready(page)
    scanned(page, "BIN:F-01", CABLE)
    page.click("#done")
    page.click("#papers button[type=submit]")
    expect(page.locator("#proof-title")).to_have_text("Held")
    page.goto(f"{pages.house.oslo.url}/held?location=F-01")
    expect(page.locator("#holds")).to_contain_text("somebody else releases it")
    expect(page.get_by_role("button", name="Release")).to_have_count(0)
    kim = pages.tablet("kim", "/held?location=F-01")
    kim.get_by_role("button", name="Release Extension cable").click()
    sign(kim)
    expect(kim.locator("#proof-title")).to_have_text("CABLE-3 is free again")
    expect(kim.locator("#holds .line")).to_have_count(0)


@pytest.mark.parametrize(
    ("kind", "said", "answer"),
    [
        ("scrap", {}, "another person signs"),
        ("send-back", {"supplier": "ACME", "origin": "DN-1"}, "another person signs"),
        ("relabel", {"expiry": "2029-01-31"}, "Labelled anew"),
        ("return", {"return_of": "SO-1"}, "held for quality"),
    ],
)
def test_every_other_act_on_goods(pages: Pages, scanned: Scan, kind: str, said: dict[str, str], answer: str) -> None:
    put(pages.house, "F-02", 3, "GLUE-1", lot="G-1", expiry="2028-01-31")
    page = pages.tablet("rita", f"/floor/{kind}")
    ready(page)
    scanned(page, "BIN:F-02", "9521234500087")
    ready(page, "warn")  # this item goes by lot, and the label says none
    scanned(page, GLUE_LOT)
    expect(page.locator("#lines .count")).to_have_text("1")
    page.click("#done")
    if kind == "relabel":
        said = {"lot": "G-1B", **said}
    for name, value in said.items():
        page.fill(f"#said-{name}", value)
    page.click("#papers button[type=submit]")
    expect(page.locator("#answer")).to_contain_text(answer)
    expect(page.locator("#lines .line")).to_have_count(0)


# ---------------------------------------------------------------- looks


def test_every_screen_of_floor_work(pages: Pages, scanned: Scan) -> None:
    put(pages.house, "F-01", 5)
    faults = []
    everything = {"rita": ["receive", "move", "floor/scrap", "floor/return", "floor/relabel", "floor/deliver"],
                  "pia": ["look", "pick", "held", "floor/order", "floor/issue", "floor/hold"],
                  "tor": ["bring-in", "floor/dispatch"]}  # fmt: skip
    for login, paths in everything.items():
        page = pages.tablet(login, "/")
        for path in paths:
            page.goto(f"{pages.house.oslo.url}/{path}")
            page.wait_for_load_state()
            expect(page.locator("#answer")).not_to_contain_text("Looking for")
            if page.locator("#type").count() and page.locator("#type").is_visible():
                page.click("#type")
            faults += faults_of(page, f"{path}")
    page = pages.tablet("pia", "/look")
    for code in (CABLE, "BIN:F-01"):
        scanned(page, code)
        ready(page, "good")
        faults += faults_of(page, f"look {code}")
    page = pages.tablet("rita", "/receive")
    page.click("#blind")
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, "BIN:F-01", CABLE)
    expect(page.locator("#lines .line")).to_have_count(1)
    faults += faults_of(page, "receiving")
    page.get_by_role("button", name="Change Extension cable").click()
    faults += faults_of(page, "keypad")
    page.keyboard.press("Escape")
    for button, dialog in (("#done", "#papers"), ("#drop", "#ask")):
        page.click(button)
        page.wait_for_selector(f"{dialog}[open]")
        faults += faults_of(page, f"receiving: {dialog}")
        page.keyboard.press("Escape")
    page = pages.tablet("tor", "/floor/dispatch")
    scanned(page, "BIN:F-01", CABLE)
    expect(page.locator("#lines .line")).to_have_count(1)
    faults += faults_of(page, "dispatch")
    page.click("#done")
    faults += faults_of(page, "dispatch: papers")
    page.fill("#said-receiver", "bergen")
    page.click("#papers button[type=submit]")
    faults += faults_of(page, "dispatch: sign")
    assert not faults, "\n".join(faults)


def test_the_keyboard_alone_receives(pages: Pages) -> None:
    page = pages.tablet("rita", "/move", size=UPRIGHT if TABLET == UPRIGHT else TABLET)
    ready(page)
    page.focus("#type")
    page.keyboard.press("Enter")
    expect(page.locator("#code-text")).to_be_focused()
    page.keyboard.type("F-01", delay=150)
    page.keyboard.press("Enter")
    page.wait_for_selector("#working:not([hidden])")
    expect(page.locator("#from")).to_have_text("F-01")


def test_what_is_scanned_before_a_chosen_list_has_come_is_for_it(
    pages: Pages, scanned: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On slow Wi-Fi a hand is quicker than the node: the scan of the tote was told to choose a list first."""
    house = pages.house
    put(house, "F-06", 2, "GLUE-1", lot="G-3", expiry="2029-01-31")
    wish = {"order": "SO-SLOW", "lines": [{"item": "GLUE-1", "quantity": 1}]}
    made = house.oslo.people["pia"].act("picks/", **wish)["list"]
    page = pages.tablet("pia", "/pick")
    page.get_by_role("button", name="SO-SLOW").wait_for()
    picking = house.oslo.parts.floor.picking
    show = picking.show

    def slowly(*asked: Any) -> Any:
        time.sleep(1.5)
        return show(*asked)

    with monkeypatch.context() as patched:
        patched.setattr(picking, "show", slowly)
        page.get_by_role("button", name="SO-SLOW").click()
        scanned(page, "BIN:F-09")
        expect(page.locator("#tote")).to_have_text("F-09")
    house.oslo.people["pia"].act("picks/cancel", list=made, reason="later")
