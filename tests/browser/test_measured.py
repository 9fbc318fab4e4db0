"""Items that are kept in grams and spoken of in kilograms: what a screen shows and takes is the item's own unit."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import keys
from tests.browser.test_floor import Scan, lies, put, ready, sign
from tests.browser.test_review import count
from web.languages import COOKIE

HAM, YOGHURT = "9521234500094", "9521234500049"


def typed(page: Any, digits: str) -> None:
    keys(page, digits, "#keypad")
    page.click("#keypad [data-key=ok]")


def test_what_is_picked_is_typed_in_the_items_unit(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "M-01", 4_000, "HAM-KG")
    pia = house.oslo.people["pia"]
    order = pia.act("picks/", order="SO-HAM", lines=[{"item": "HAM-KG", "quantity": 2_500}])
    page = pages.tablet("pia", "/pick")
    page.get_by_role("button", name="SO-HAM").click()
    expect(page.locator("#progress")).to_have_text("0 of 2.500 KG picked")
    scanned(page, "BIN:M-02", "BIN:M-01")
    expect(page.locator("#now-quantity")).to_have_text("2.500 KG")
    expect(page.locator("#pick")).to_have_text("Picked 2.500 KG")
    page.click("#amount")
    expect(page.locator("#keypad-value")).to_have_text("2.500")
    typed(page, "3")
    ready(page, "bad")
    expect(page.locator("#answer")).to_contain_text("2.500 KG of HAM-KG are still to be picked")
    page.click("#amount")
    typed(page, "2")
    expect(page.locator("#now-quantity")).to_have_text("0.500 KG")
    expect(page.locator("#answer-figure")).to_have_text("2.000")
    assert (lies(house, "M-01", "HAM-KG"), lies(house, "M-02", "HAM-KG")) == (2_000, 2_000)
    scanned(page, HAM)  # its label says no weight: it is asked for
    expect(page.locator("#keypad-value")).to_have_text("0.500")
    typed(page, "0.25")
    expect(page.locator("#now-quantity")).to_have_text("0.250 KG")
    page.click("#issue")
    expect(page.locator("#ask-words")).to_contain_text("0.250 KG are not picked yet")
    page.click("#ask-yes")
    expect(page.locator("#proof-title")).to_have_text("Order SO-HAM is issued")
    page.click("#proof-link")
    expect(page.get_by_role("region", name="What moved")).to_contain_text("2.250 KG")
    assert pia.get(f"picks/{order['list']}")["state"] == "issued"


def test_what_another_site_sent_is_typed_in_the_items_unit(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "M-03", 1_500, "HAM-KG")
    sent = {"receiver": "bergen", "lines": [{"item": "HAM-KG", "quantity": 1_500, "source": "M-03"}]}
    transfer = house.oslo.people["tor"].act("transfers/dispatch", **sent, pin=stage.PIN)["op_id"]
    paper = house.oslo.people["tor"].get(f"transfers/{transfer}")["paper"]
    before = lies(house, "B-01", "HAM-KG", "bergen")
    page = pages.tablet("bo", "/bring-in", place="bergen")
    page.locator("#file").set_input_files(
        {"name": "p.json", "mimeType": "application/json", "buffer": paper.encode()}
    )
    expect(page.locator("#lines .count")).to_have_text("1.500 / 1.500")
    expect(page.locator("#lines")).to_contain_text("KG · ✓ all of it")
    scanned(page, "BIN:B-01", HAM)
    expect(page.locator("#answer")).to_contain_text("1.500 KG were sent")
    page.get_by_role("button", name="Change Smoked ham").click()
    typed(page, "2")
    expect(page.locator("#lines")).to_contain_text("0.500 KG over")
    page.click("#accept")
    expect(page.locator("#differs-words")).to_have_text("HAM-KG: 2.000 of 1.500 KG")
    page.select_option("#whys select", "over")
    page.click("#differs button[type=submit]")
    sign(page)
    expect(page.locator("#proof-title")).to_contain_text("oslo")
    assert lies(house, "B-01", "HAM-KG", "bergen") - before == 2_000


def test_a_label_without_a_weight_asks_for_it_in_a_basket(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "M-04", 900, "HAM-KG")
    page = pages.tablet("pia", "/floor/hold")
    ready(page)
    scanned(page, "BIN:M-04", HAM)
    typed(page, "0.75")
    expect(page.locator("#lines .count")).to_have_text("0.750")
    page.click("#done")
    page.click("#papers button[type=submit]")
    expect(page.locator("#proof-title")).to_have_text("Held")
    held = [row for row in house.oslo.people["kim"].get("holds/")["rows"] if row["item"] == "HAM-KG"]
    assert [(row["quantity"], row["unit"], row["decimals"]) for row in held] == [(750, "KG", 3)]


def test_a_code_whose_amount_was_asked_when_its_page_ended_is_asked_again(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "M-08", 4_000, "HAM-KG")
    page = pages.tablet("pia", "/floor/hold")
    ready(page)
    scanned(page, "BIN:M-08", HAM)
    keys(page, "0.7", "#keypad")
    page.reload()
    expect(page.locator("#keypad")).to_have_attribute("open", "")
    expect(page.locator("#keypad-title")).to_contain_text("Smoked ham")
    again = page.context.new_page()
    page.close()  # the tab, with the question open
    again.goto(f"{house.oslo.url}/floor/hold")
    typed(again, "0.75")
    expect(again.locator("#lines")).to_contain_text("at M-08")
    expect(again.locator("#lines .count")).to_have_text("0.750")
    scanned(again, HAM)
    again.click("#keypad [data-close]")  # nobody means it after all
    again.reload()
    expect(again.locator("#answer")).to_contain_text("Go on where you stopped")
    expect(again.locator("#lines .count")).to_have_text("0.750")
    expect(again.locator("#keypad")).not_to_have_attribute("open", "")
    again.click("#done")
    again.click("#papers button[type=submit]")
    expect(again.locator("#proof-title")).to_have_text("Held")


def test_a_code_of_a_pick_list_is_asked_again_at_its_bin(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "M-03", 4_000, "HAM-KG")
    pia = house.oslo.people["pia"]
    order = pia.act("picks/", order="SO-HAM-2", lines=[{"item": "HAM-KG", "quantity": 1_500}])
    page = pages.tablet("pia", "/pick")
    page.get_by_role("button", name="SO-HAM-2").click()
    expect(page.locator("#progress")).to_have_text("0 of 1.500 KG picked")
    scanned(page, "BIN:M-02")
    expect(page.locator("#tote")).to_have_text("M-02")
    place = page.locator("#go").inner_text()
    scanned(page, f"BIN:{place}", HAM)
    expect(page.locator("#keypad")).to_have_attribute("open", "")
    page.goto(f"{house.oslo.url}/pick")
    expect(page.locator("#keypad")).to_have_attribute("open", "")
    typed(page, "0.25")
    expect(page.locator("#now-quantity")).to_have_text("1.250 KG")
    page.reload()
    expect(page.locator("#now-quantity")).to_have_text("1.250 KG")
    page.wait_for_timeout(500)
    expect(page.locator("#keypad")).not_to_have_attribute("open", "")
    page.click("#issue")
    page.click("#ask-yes")
    expect(page.locator("#proof-title")).to_have_text("Order SO-HAM-2 is issued")
    assert pia.get(f"picks/{order['list']}")["state"] == "issued"


def test_held_and_expected_goods_are_shown_in_the_items_unit(pages: Pages) -> None:
    house = pages.house
    put(house, "M-05", 1_250, "HAM-KG")
    line = {"item": "HAM-KG", "quantity": 1_250, "location": "M-05"}
    house.oslo.people["pia"].act("documents/hold", held="damage", lines=[line], reasons=["damaged"])
    page = pages.tablet("kim", "/held")
    row = page.locator("#holds .line", has=page.get_by_text("1.250", exact=True))
    expect(row.locator(".count")).to_have_text("1.250")
    expect(row).to_contain_text("1.250 KG at M-05")
    lines = [{"item": "HAM-KG", "quantity": 3_500}, {"item": "CABLE-3", "quantity": 2}]
    house.oslo.people["rita"].act("deliveries/", delivery="D-HAM", supplier="ACME", lines=lines)
    tile = pages.tablet("rita", "/receive").get_by_role("button", name="D-HAM")
    expect(tile).to_contain_text("0 + 0.000 KG of 2 + 3.500 KG came")
    house.oslo.people["rita"].act("deliveries/close", delivery="D-HAM", reason="withdrawn")


def test_a_difference_is_explained_in_the_items_unit(pages: Pages) -> None:
    house = pages.house
    people = house.oslo.people
    put(house, "M-06", 5_000, "HAM-KG")
    rule = {"line_quantity_max": 0, "control_percent": 0, "rounds_max": 1}
    session = people["kim"].act("counts", name="Ham", bins=["M-06", "M-07"], rule=rule)["session"]
    for bin_, amount in (("M-06", "3.5"), ("M-07", "1.5")):
        count(house, "ana", bin_, {"item": "HAM-KG", "amount": amount, "mode": "set", "bin": bin_})
    page = pages.tablet("kim", f"/review/{session}/M-06")
    expect(page.locator(".offer")).to_contain_text("1.500 KG × HAM-KG")
    page.get_by_role("button", name="No, other goods").click()
    expect(page.locator("[data-relocate=no]")).to_be_disabled()
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#explain-title")).to_contain_text("-1.500 KG")
    shares = page.locator("#explain-rows input")
    expect(shares.first).to_have_value("1.500")
    shares.first.fill("1")
    expect(page.locator("#explain-left")).to_have_text("0.500 KG left to explain")
    shares.nth(1).fill("0.5001")
    expect(page.locator("#explain-yes")).to_be_disabled()
    shares.nth(1).fill("0,5")
    page.click("#explain-yes")
    page.click("#approve")
    sign(page)
    expect(page.locator("#bin-state")).to_contain_text("posted")
    assert lies(house, "M-06", "HAM-KG") == 3_500
    people["kim"].act("counts/approve", session=session, bin="M-07", reason="found", pin=stage.PIN)


def test_the_hub_shows_what_was_sent_and_lies_in_the_items_unit(pages: Pages) -> None:
    house = pages.house
    put(house, "D-03", 2_250, "HAM-KG")
    sent = {"receiver": "bergen", "lines": [{"item": "HAM-KG", "quantity": 1_250, "source": "D-03"}]}
    transfer = house.oslo.people["tor"].act("transfers/dispatch", **sent, pin=stage.PIN)["op_id"]
    wait_for("the dispatch at the hub", lambda: [each for each in house.hub.transfers() if each.id == transfer], 60)
    page = pages.console("/transfers")
    cells = page.locator("section", has_text=transfer[:16]).locator("tbody td")
    expect(cells).to_have_text(["HAM-KG KG", "–", "–", "–", "1.250", "0.000", "0.000", "0.000", "1.250", "0.000"])
    page.goto(f"{house.hub_url}/sites/{next(each.origin for each in house.hub.sites() if each.site == 'oslo')}")
    expect(page.locator("tr", has_text="D-03")).to_contain_text("1.000")


def test_a_known_code_that_needs_one_word_more_is_not_called_unknown(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    stage.open_count(house, "One word more", "N-01")
    page = pages.tablet("ana", "/count")
    page.wait_for_selector("#choose:not([hidden])")
    answer = page.locator("#answer")
    scanned(page, "BIN:N-01")
    expect(answer).to_contain_text("Bin N-01 is open")
    scanned(page, "NOBODY-KNOWS")
    expect(answer).to_contain_text("Unknown code: it is kept, count on")
    scanned(page, YOGHURT)
    expect(answer).to_contain_text("YOG-500: its lot is needed")
    expect(answer).to_have_attribute("data-level", "warn")
    scanned(page, HAM)
    expect(answer).to_contain_text("The label of HAM-KG does not say how much there is: say it, or weigh it")
    page.keyboard.press("Escape")
    expect(page.locator("#parked")).to_contain_text("To explain: 3")
    # Read by the node's own scanner, in the words of the person.
    page.context.add_cookies([{"name": COOKIE, "value": "nb", "url": house.oslo.url}])
    page.reload()
    expect(page.locator("#parked-count")).to_have_text("3")
    ana = house.oslo.people["ana"]
    ana.post("devices/bind", device="scanner")
    house.oslo.scanner.wait_opened(20_000)
    house.oslo.scanner.scan(f"]E0{YOGHURT}")
    expect(page.locator("#parked-count")).to_have_text("4")
    expect(answer).to_contain_text("YOG-500: partiet må oppgis")
    page.click("#leave")
    page.click("#ask-yes")
    page.wait_for_selector("#choose:not([hidden])")


def test_a_receipt_says_what_a_known_code_lacks(pages: Pages, scanned: Scan) -> None:
    page = pages.tablet("rita", "/receive")
    page.click("#blind")
    page.wait_for_selector("#dock:not([hidden])")
    scanned(page, "BIN:N-02")
    expect(page.locator("#from")).to_have_text("N-02")
    scanned(page, YOGHURT)
    expect(page.locator("#answer")).to_contain_text("YOG-500: its lot is needed")
    scanned(page, "NOBODY-KNOWS")
    expect(page.locator("#answer")).to_contain_text("Unknown code: it is kept, go on")
    page.click("#drop")
    page.click("#ask-yes")
    page.wait_for_selector("#choose:not([hidden])")
