"""What else is said of a line than how much there is: what arrives damaged is held from then on, line by line."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import keys
from tests.browser.test_floor import CABLE, GLUE_LOT, Scan, put, ready, sign
from tests.browser.test_look import faults_of
from tests.browser.test_measured import HAM, typed

PIECE = "]C10109521234500056\x1d21SN-D{}"


def lies(house: stage.House, bin_: str, place: str = "oslo") -> dict[tuple[str, str], int]:
    """By item and status."""
    api = house.places[place].people["rita" if place == "oslo" else "bo"]
    found: dict[tuple[str, str], int] = {}
    for line in api.get(f"locations/{bin_}")["stock"]:
        key = (line["item"], line["status"])
        found[key] = found.get(key, 0) + line["quantity"]
    return found


def damaged(page: Any, name: str, digits: str, held: str = "damage") -> None:
    """A part of a line is held, from its key pad on."""
    page.get_by_role("button", name=f"Change {name}").first.click()
    page.click("#keypad-part")
    if page.locator("#part").count():
        page.click(f"#part [data-held={held}]")
    expect(page.locator("#keypad")).to_be_visible()
    typed(page, digits)


def test_what_arrives_damaged_is_held_and_the_rest_is_free(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    page = pages.tablet("rita", "/receive")
    page.click("#blind")
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, "BIN:D-01", CABLE)
    page.get_by_role("button", name="Change Extension cable").click()
    typed(page, "20000")
    expect(page.locator("#ask-words")).to_contain_text("20000 EA of Extension cable 3 m: is that right?")
    page.click("#ask-yes")
    expect(page.locator("#lines .count")).to_have_text(["20000"])
    page.get_by_role("button", name="Change Extension cable").click()
    typed(page, "10")
    expect(page.locator("#lines .count")).to_have_text(["10"])
    damaged(page, "Extension cable", "3")
    expect(page.locator("#lines .count")).to_have_text(["3", "7"])
    expect(page.locator("#lines .line").first).to_contain_text("■ damaged")
    page.click("#undo")
    expect(page.locator("#lines .count")).to_have_text(["10"])
    damaged(page, "Extension cable", "4", "quality")
    expect(page.locator("#lines .line").first).to_contain_text("■ quality in doubt")
    scanned(page, PIECE.format(1))
    page.get_by_role("button", name="Damaged… Cordless drill").click()
    page.click("#part [data-held=damage]")
    expect(page.locator("#lines .line").first).to_contain_text("■ damaged")
    page.click("#done")
    page.click("#papers button[type=submit]")
    expect(page.locator("#proof")).to_be_visible()
    assert lies(house, "D-01") == {
        ("CABLE-3", "free"): 6, ("CABLE-3", "quality"): 4, ("DRILL-18", "damage"): 1,
    }  # fmt: skip
    held = house.oslo.people["kim"].get("holds/")["rows"]
    assert {(row["item"], row["quantity"]) for row in held} >= {("CABLE-3", 4), ("DRILL-18", 1)}
    # It is put away as it is held.
    page.goto(f"{house.oslo.url}/move")
    ready(page)
    scanned(page, "BIN:D-01")
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, "BIN:D-02", CABLE, CABLE, CABLE, CABLE)
    expect(page.locator("#lines .count")).to_have_text(["4"])
    damaged(page, "Extension cable", "4", "quality")
    expect(page.locator("#lines .line")).to_contain_text("■ quality in doubt")
    page.click("#done")
    expect(page.locator("#proof-title")).to_have_text("Goods moved")
    assert lies(house, "D-02") == {("CABLE-3", "quality"): 4}
    kim = house.oslo.people["kim"]  # other tests look at what is held
    for row in [row for row in kim.get("holds/")["rows"] if row["location"].startswith("D-")]:
        [origin] = row["origins"]
        freed = {"line": origin["line"], "quantity": row["quantity"], "location": row["location"]}
        kim.act("documents/release", hold=origin["op_id"], lines=[freed], pin=stage.PIN)


def test_a_weight_is_asked_for_and_a_date_can_be_said_of_a_lot(pages: Pages, scanned: Scan) -> None:
    page = pages.tablet("rita", "/receive")
    page.click("#blind")
    page.wait_for_selector("#working:not([hidden])")
    scanned(page, "BIN:D-03", HAM)  # its label says no weight
    expect(page.locator("#keypad-title")).to_have_text("Smoked ham by the kilogram in KG")
    typed(page, "1.25")
    expect(page.locator("#lines .count")).to_have_text(["1.250"])
    expect(page.locator("#parked")).to_be_hidden()
    scanned(page, GLUE_LOT)
    expect(page.locator("#lines .line").first).to_contain_text("expires 31 Jan 2028")
    page.get_by_role("button", name="Change Wood glue").click()
    page.click("#keypad-expiry")
    expect(page.locator("#expiry-day")).to_have_value("2028-01-31")
    page.fill("#expiry-day", "2028-03-31")
    page.click("#expiry button[type=submit]")
    expect(page.locator("#lines .line").first).to_contain_text("expires 31 Mar 2028")
    scanned(page, "9521234500087")  # no lot on this one
    page.click("#parked")
    page.get_by_role("button", name="It is an item").click()
    form = page.locator("#unknown form")
    form.get_by_label("Lot").fill("G-NEW")
    form.get_by_label("Expiry").fill("2029-05-31")
    form.get_by_role("button", name="Count it so").click()
    expect(page.locator("#lines")).to_contain_text("expires 31 May 2029")
    page.click("#drop")
    page.click("#ask-yes")
    page.wait_for_selector("#choose:not([hidden])")


def test_each_line_of_a_transfer_says_what_is_damaged_and_why_it_differs(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "D-04", 6)
    put(house, "D-04", 4, "GLOVE-10")
    lines = [{"item": "CABLE-3", "quantity": 6}, {"item": "GLOVE-10", "quantity": 4}]
    wish = {"receiver": "bergen", "source": "D-04", "lines": lines}
    tor = house.oslo.people["tor"]
    transfer = tor.act("transfers/dispatch", **wish, pin=stage.PIN)["op_id"]
    paper = tor.get(f"transfers/{transfer}")["paper"]
    before = lies(house, "B-01", "bergen")
    page = pages.tablet("bo", "/bring-in", place="bergen")
    ready(page)
    page.set_input_files("#file", {"name": "p.json", "mimeType": "application/json", "buffer": paper.encode()})
    expect(page.locator("#arriving")).to_be_visible()  # the file is read: what is scanned now belongs to it
    scanned(page, "BIN:B-01")
    damaged(page, "Extension cable", "7")
    ready(page, "bad")
    expect(page.locator("#answer")).to_contain_text("more than came")
    damaged(page, "Extension cable", "2")
    page.get_by_role("button", name="Change Extension cable").click()
    typed(page, "5")
    expect(page.locator("#lines .line").first).to_contain_text("▲ 1 short · ■ 2 damaged")
    page.get_by_role("button", name="Change Work gloves").click()
    typed(page, "5")
    page.click("#accept")
    expect(page.locator("#whys select")).to_have_count(2)
    page.locator("#whys").get_by_label("Extension cable").select_option("lost-on-the-way")
    expect(page.locator("#whys").get_by_label("Work gloves")).to_have_value("over")
    page.click("#differs button[type=submit]")
    sign(page)
    expect(page.locator("#proof-title")).to_contain_text("oslo")
    after = lies(house, "B-01", "bergen")
    came = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}
    assert came == {("CABLE-3", "free"): 3, ("CABLE-3", "damage"): 2, ("GLOVE-10", "free"): 5}


def test_a_part_of_a_counted_line_is_counted_as_damaged(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    rule = {"rounds_max": 1, "control_percent": 0}
    session = house.oslo.people["kim"].act("counts", name="Damaged", bins=["D-05"], rule=rule)["session"]
    page = pages.tablet("ana", "/count")
    page.wait_for_selector("#choose:not([hidden])")
    scanned(page, "BIN:D-05")
    page.wait_for_selector("#counting:not([hidden])")
    scanned(page, CABLE, CABLE, CABLE, PIECE.format(9))
    expect(page.locator("#lines .count")).to_have_text(["1", "3"])
    damaged(page, "Extension cable", "2")
    expect(page.locator("#lines .count")).to_have_text(["2", "1", "1"])
    expect(page.locator("#lines .line").first).to_contain_text("■ damaged")
    page.get_by_role("button", name="Damaged… Cordless drill").click()
    page.click("#part [data-held=damage]")
    expect(page.locator("#lines .line").first).to_contain_text("■ damaged")
    scanned(page, HAM)
    expect(page.locator("#keypad-title")).to_contain_text("Smoked ham")
    keys(page, "2", "#keypad")
    page.click("#keypad [data-key=ok]")
    expect(page.locator("#lines .count").first).to_have_text("2.000")
    scanned(page, GLUE_LOT)
    page.get_by_role("button", name="Change Wood glue").click()
    page.click("#keypad-expiry")
    page.fill("#expiry-day", "2028-02-28")
    page.click("#expiry button[type=submit]")
    expect(page.locator("#lines .line").first).to_contain_text("expires 28 Feb 2028")
    page.click("#done")
    page.click("#ask-yes")
    expect(page.locator("#proof")).to_be_visible()
    review = house.oslo.people["kim"].get(f"counts/{session}/bins/D-05")
    assert "damage" in str(review), review
    house.oslo.people["kim"].act("counts/cancel", session=session, reason="not-needed")


def test_a_lot_that_arrives_by_a_transfer_says_its_date_and_how_it_is_held(pages: Pages, scanned: Scan) -> None:
    house = pages.house
    put(house, "D-06", 6, "GLUE-1", lot="G-7")
    tor, bo = house.oslo.people["tor"], house.places["bergen"].people["bo"]
    line = {"item": "GLUE-1", "lot": "G-7", "quantity": 6, "source": "D-06"}
    transfer = tor.act("transfers/dispatch", receiver="bergen", lines=[line], pin=stage.PIN)["op_id"]
    paper = tor.get(f"transfers/{transfer}")["paper"]
    page = pages.tablet("bo", "/bring-in", place="bergen")
    ready(page)
    page.set_input_files("#file", {"name": "p.json", "mimeType": "application/json", "buffer": paper.encode()})
    expect(page.locator("#arriving")).to_be_visible()
    scanned(page, "BIN:B-01", "]C10109521234500087" + "10G-7\x1d17280331")
    arriving = page.locator("#lines .line").first
    expect(arriving).to_contain_text("expires 31 Mar 2028")
    damaged(page, "Wood glue", "2", "expired")
    expect(arriving).to_contain_text("■ 2 expired")
    page.get_by_role("button", name="Change Wood glue").click()
    page.click("#keypad-expiry")
    expect(page.locator("#expiry-day")).to_have_value("2028-03-31")
    page.fill("#expiry-day", "2025-03-31")
    page.click("#expiry button[type=submit]")
    expect(arriving).to_contain_text("expires 31 Mar 2025")
    assert faults_of(page, "bring in, held") == []
    page.click("#accept")
    sign(page)
    expect(page.locator("#proof-title")).to_contain_text("oslo")
    found = bo.get("locations/B-01")["stock"]
    assert {(row["status"], row["quantity"]) for row in found if row["lot"] == "G-7"} == {("free", 4), ("expired", 2)}
