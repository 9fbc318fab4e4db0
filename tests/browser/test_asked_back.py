"""What the node asks before it books: why another lot is picked than the promised one, and whether a delivery note
that was received before comes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from ledger.documents import Document
from ledger.ids import OpId
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_floor import CABLE, Scan, lies, put, ready

BIN, TOTE, DOCK = "J-01", "J-02", "J-03"
VARNISH = """sku,name,gtin,base_unit,tracking,pack_qty,cost_minor,currency,decimals
VARN-1,Varnish 1 l,9521234500315,EA,lot,1,900,EUR,0
"""
PROMISED, FRESHER = "]C1010952123450031510V-OLD", "]C1010952123450031510V-NEW"


def lots(house: stage.House, bin_: str) -> dict[str, int]:
    stock = house.oslo.people["rita"].get(f"locations/{bin_}")["stock"]
    return {line["lot"]: line["quantity"] for line in stock if line["item"] == "VARN-1"}


def booked(house: stage.House, page: Any, path: str, act: Callable[[], object]) -> Document:
    """The document that is booked when this is done on the page."""
    with page.expect_response(lambda each: each.url.endswith(path) and each.ok) as heard:
        act()
    op_id = OpId.parse(heard.value.json()["op_id"])
    with house.oslo.parts.site.reading() as connection:
        [raw] = connection.execute("SELECT document FROM journal WHERE op_id = ?", (op_id.raw,)).fetchone()
    return Document.decode(bytes(raw))


def test_another_lot_than_the_promised_one_needs_a_reason(pages: Pages, scanned: Scan) -> None:
    house, pia = pages.house, pages.house.oslo.people["pia"]
    house.hub.import_items(VARNISH.encode())
    stage.wait_for_item(house, "VARN-1")
    put(house, BIN, 2, "VARN-1", lot="V-OLD", expiry="2028-01-31")
    put(house, BIN, 2, "VARN-1", lot="V-NEW", expiry="2028-06-30")
    order = pia.act("picks/", order="SO-LOT", lines=[{"item": "VARN-1", "quantity": 2}])["list"]
    page = pages.tablet("pia", f"/pick?list={order}")
    ready(page)
    scanned(page, f"BIN:{TOTE}", f"BIN:{BIN}")
    expect(page.locator("#now-details")).to_contain_text("V-OLD")
    scanned(page, FRESHER)
    expect(page.locator("#ask-title")).to_have_text("Another one than promised?")
    expect(page.locator("#ask-words")).to_contain_text("VARN-1 is promised from another bin or lot")
    page.click("#ask [data-close]")
    expect(page.locator("#ask")).to_be_hidden()
    assert lots(house, TOTE) == {}  # without a reason it stays where it is
    scanned(page, FRESHER)
    page.select_option("#ask-why", label="A fresher lot is wanted")
    picked = booked(house, page, "/picks/pick", lambda: page.click("#ask-yes"))
    expect(page.locator("#ask")).to_be_hidden()
    expect(page.locator("#now-quantity")).to_have_text("1")
    assert (lots(house, TOTE), lots(house, BIN)) == ({"V-NEW": 1}, {"V-OLD": 2, "V-NEW": 1})
    assert picked.reasons == ("fresher",)
    scanned(page, PROMISED)  # nobody asks why
    expect(page.locator("#all-picked")).to_be_visible()
    page.click("#issue")
    expect(page.locator("#proof-title")).to_have_text("Order SO-LOT is issued")
    assert lots(house, BIN) == {"V-OLD": 1, "V-NEW": 1}


def test_a_delivery_note_that_comes_twice_is_asked_about(pages: Pages, scanned: Scan) -> None:
    house, rita = pages.house, pages.house.oslo.people["rita"]
    line = {"item": "CABLE-3", "quantity": 1, "target": DOCK}
    rita.act("documents/receive", lines=[line], supplier="ACME", delivery_note="DN-TWICE")
    before = lies(house, DOCK)
    page = pages.tablet("rita", "/receive")
    page.click("#blind")
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, f"BIN:{DOCK}", CABLE)
    expect(page.locator("#lines .count")).to_have_text("1")

    def recorded() -> None:
        page.click("#done")
        page.fill("#supplier", "Acme")  # it is the same one
        page.fill("#note-number", "dn-twice")
        page.click("#papers button[type=submit]")
        expect(page.locator("#ask-words")).to_contain_text("delivery note dn-twice was received before")
        expect(page.locator("#papers")).to_be_hidden()

    recorded()
    page.click("#ask [data-close]")
    expect(page.locator("#ask")).to_be_hidden()
    assert lies(house, DOCK) == before
    expect(page.locator("#lines .count")).to_have_text("1")  # the receipt is open as before
    recorded()
    receipt = booked(house, page, "/tasks/finish", lambda: page.click("#ask-yes"))
    expect(page.locator("#proof-title")).to_have_text("Goods received")
    expect(page.locator("#ask")).to_be_hidden()
    expect(page.locator("#papers")).to_be_hidden()
    assert lies(house, DOCK) == before + 1
    assert receipt.references == {"supplier": "Acme", "delivery-note": "dn-twice"}
