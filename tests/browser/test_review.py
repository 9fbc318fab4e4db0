"""The supervisor's part in a real browser: plan by a rule, decide on many bins and on one, paper sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from ledger.errors import Rejected
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import keys
from tests.browser.test_devices import shot
from tests.browser.test_look import faults_of

RULE = {"control_percent": 0, "rounds_max": 1}


pytestmark = pytest.mark.usefixtures("alone")


def opened(house: stage.House, name: str, *bins: str) -> str:
    return str(house.oslo.people["kim"].act("counts", name=name, bins=list(bins), rule=RULE)["session"])


def count(house: stage.House, who: str, bin_: str, *lines: dict[str, Any]) -> None:
    api = house.oslo.people[who]
    api.act("counts/open", bin=bin_)
    for line in lines:
        api.act("counts/enter", **line)
    if not lines:
        api.act("counts/empty")
    api.act("counts/close", bin=bin_, confirm=True)


def sign(page: Any) -> None:
    keys(page, stage.PIN, "#decide")
    page.click("#decide [data-key=ok]")


def test_a_count_is_planned_by_a_rule_that_is_tried_while_it_is_typed(pages: Pages) -> None:
    kim = pages.tablet("kim", "/review/new")
    expect(kim.locator("#answer")).to_have_attribute("data-level", "good")
    kim.select_option("#more", "items")
    kim.click("#add")
    expect(kim.locator("#answer")).to_contain_text("say which")
    items = kim.get_by_role("textbox", name="Item codes")
    items.fill("GLOVE-10")
    expect(kim.locator("#answer")).to_contain_text("A-09")
    kim.select_option("#whole", "no")
    kim.select_option("#many", "sample")
    kim.fill("#number", "1")
    expect(kim.locator("#answer")).to_contain_text("Drawn from")
    items.fill("NO-SUCH")
    expect(kim.locator("#answer")).to_contain_text("No bin fits now")
    kim.get_by_role("button", name="Open the count").click()
    expect(kim.locator("#answer")).to_contain_text("Give the count a name")
    kim.fill("#plan-name", "Gloves")
    items.fill("GLOVE-10")
    kim.select_option("#many", "")
    kim.get_by_role("button", name="Open the count").click()
    expect(kim.locator("h1")).to_have_text("Gloves")
    kim.wait_for_load_state()
    session = kim.url.rsplit("/", 1)[1]
    shown = pages.house.oslo.people["kim"].get(f"counts/{session}/plan")
    assert shown["derived"] is True and {"bin": "A-09", "items": ["GLOVE-10"]} in shown["bins"]
    kim.click("#cancel")
    kim.click("#decide-yes")
    expect(kim.locator("h1 + .chip")).to_contain_text("cancelled")


def test_what_agrees_is_approved_with_one_pin_and_the_rest_line_by_line(pages: Pages) -> None:
    house = pages.house
    house.oslo.people["rita"].act(
        "documents/receive", lines=[{"item": "MARK-BL", "quantity": 20, "target": "A-10"}], confirm=True
    )
    session = opened(house, "Line by line", "A-10", "A-08", "A-07", "A-06")
    count(house, "ana", "A-10", {"item": "MARK-BL", "quantity": 8})
    count(house, "ana", "A-08", {"item": "MARK-BL", "quantity": 5})
    count(house, "ben", "A-07")
    kim = pages.tablet("kim", f"/review/{session}")
    kim.click("[data-leave='A-06']")
    expect(kim.locator("#decide-words")).to_contain_text("A-06")
    kim.click("#decide-yes")
    expect(kim.locator("tr", has_text="A-06")).to_contain_text("left uncounted")
    expect(kim.locator("tr", has_text="A-10")).to_contain_text("1 line")
    kim.wait_for_load_state()
    kim.get_by_role("button", name="Approve 1 bin that agrees").click()
    sign(kim)
    expect(kim.locator("tr", has_text="A-07")).to_contain_text("posted")

    # Five of the twelve that are missing lie in A-08: that is said first, the rest is explained to the last piece.
    kim.get_by_role("link", name="Review A-08").click()
    kim.wait_for_load_state()
    expect(kim.locator(".offer")).to_contain_text("5 × MARK-BL missing in A-10 and found in A-08")
    expect(kim.locator("#approve")).to_be_disabled()
    kim.get_by_role("button", name="Yes, relocated").click()
    expect(kim.locator(".offer")).to_contain_text("booked as relocated")
    kim.wait_for_load_state()
    kim.click("#approve")
    expect(kim.locator("#why-approve")).to_be_hidden()
    sign(kim)
    expect(kim.locator("#answer")).to_contain_text("Bin A-08 is posted")
    kim.goto(f"{house.oslo.url}/review/{session}/A-10")
    kim.get_by_role("button", name="Explain").click()
    expect(kim.locator("#explain-title")).to_contain_text("-7")
    kim.get_by_label("How much reason 1 explains").fill("3")
    expect(kim.locator("#explain-left")).to_have_text("4 left to explain")
    expect(kim.locator("#explain-yes")).to_be_disabled()
    kim.get_by_label("Reason 2", exact=True).select_option("lost")
    kim.get_by_label("How much reason 2 explains").fill("4")
    kim.click("#explain-yes")
    expect(kim.locator(".said")).to_contain_text("4 Lost or stolen")
    kim.click("#approve")
    expect(kim.locator("#why-approve")).to_be_hidden()
    sign(kim)
    expect(kim.locator("#answer")).to_contain_text("Bin A-10 is posted")
    lines = house.oslo.people["kim"].get(f"counts/{session}/report")["lines"]
    assert {line["bin"]: line["reasons"] for line in lines} == {
        "A-10": "relocated:5 miscounted-before:3 lost:4", "A-08": "relocated",
    }  # fmt: skip


def test_what_turns_up_after_a_bin_was_posted_is_offered_beside_that_posting(pages: Pages) -> None:
    house = pages.house
    house.oslo.people["rita"].act(
        "documents/receive", lines=[{"item": "MARK-BL", "quantity": 9, "target": "R-02"}], confirm=True
    )
    session = opened(house, "Found later", "R-02", "R-03")
    count(house, "ana", "R-02", {"item": "MARK-BL", "quantity": 4})
    kim = pages.tablet("kim", f"/review/{session}/R-02")
    expect(kim.locator("#uncounted")).to_contain_text("1 bin of this count is not counted yet")
    kim.click("#approve")
    kim.select_option("#reason-approve", "lost")
    sign(kim)
    expect(kim.locator("#answer")).to_contain_text("Bin R-02 is posted")
    count(house, "ben", "R-03", {"item": "MARK-BL", "quantity": 5})
    kim.goto(f"{house.oslo.url}/review/{session}/R-03")
    expect(kim.locator(".offer")).to_contain_text("5 × MARK-BL missing in R-02 and found in R-03")
    kim.get_by_role("link", name="The posting of the other bin").click()
    expect(kim.locator("h1")).to_contain_text("Count posted")
    kim.go_back()
    kim.get_by_role("button", name="Yes, relocated").click()
    expect(kim.locator(".offer")).to_contain_text("booked as relocated")
    kim.wait_for_load_state()
    kim.click("#approve")
    expect(kim.locator("#why-approve")).to_be_hidden()
    sign(kim)
    expect(kim.locator("#answer")).to_contain_text("Bin R-03 is posted")
    kim.goto(f"{house.oslo.url}/review/{session}/R-02")
    expect(kim.locator("#lines")).to_contain_text("relocated")
    expect(kim.get_by_role("link", name="The posting of the other bin")).to_be_visible()


def test_chosen_bins_are_posted_for_one_reason_or_rejected_together(pages: Pages) -> None:
    house = pages.house
    session = opened(house, "Chosen bins", "R-01", "R-02", "R-03", "R-04")
    for bin_ in ("R-01", "R-02", "R-03"):
        count(house, "ana", bin_, {"item": "MARK-BL", "quantity": 2})
    kim = pages.tablet("kim", f"/review/{session}")
    expect(kim.locator("#answer")).to_contain_text("3 bins wait for your decision")
    expect(kim.get_by_label("Choose R-04")).to_have_count(0)
    kim.get_by_label("Choose R-03").check()
    kim.get_by_role("button", name="Reject 1 bin").click()
    kim.click("#decide-yes")
    expect(kim.locator("tr", has_text="R-03")).to_contain_text("rejected")
    kim.get_by_label("Choose R-01").check()
    expect(kim.locator("#dock")).to_be_hidden()
    kim.get_by_role("button", name="Choose all").click()
    house.oslo.people["kim"].act("counts/recount", session=session, bin="R-02", reason="unsure")
    kim.get_by_role("button", name="Approve 2 bins").click()
    kim.select_option("#reason-approve", "miscounted-before")
    sign(kim)
    expect(kim.locator("tr", has_text="R-01")).to_contain_text("posted")
    expect(kim.locator("#answer")).to_contain_text("1 bin is not posted. R-02: R-02 is ")
    lines = house.oslo.people["kim"].get(f"counts/{session}/report")["lines"]
    assert {line["bin"]: line["reasons"] for line in lines} == {"R-01": "miscounted-before", "R-03": ""}


def test_bins_chosen_among_others(pages: Pages) -> None:
    session = opened(pages.house, "Looked at", "R-03", "R-04")
    count(pages.house, "ben", "R-03", {"item": "MARK-BL", "quantity": 2})
    kim = pages.tablet("kim", f"/review/{session}")
    assert faults_of(kim, "chosen bins") == []
    kim.get_by_label("Choose R-03").check()
    expect(kim.locator("#chosen")).to_be_visible()
    assert faults_of(kim, "chosen bins") == []


def test_a_sheet_is_issued_printed_tried_and_taken(pages: Pages, tmp_path: Path) -> None:
    house = pages.house
    session = opened(house, "Paper", "A-06", "A-07")
    kim = pages.tablet("kim", f"/review/{session}/sheets")
    kim.click("#issue")
    expect(kim.locator("h1")).to_contain_text("Sheet")
    number = kim.url.rsplit("/", 1)[1]
    expect(kim.locator("main h2").first).to_have_text("Bin A-06")
    kim.goto(f"{house.oslo.url}/review/{session}/sheets")
    with kim.expect_download() as download:
        kim.get_by_role("link", name="CSV").click()
    blank = Path(download.value.path()).read_text(encoding="utf-8")
    file = tmp_path / "sheet.csv"
    file.write_text(blank + f"{number},A-06,MARK-BL,,,,,wrong,\r\n", encoding="utf-8")
    kim.click("[data-return]")
    kim.set_input_files("#file", str(file))
    kim.click("#back-yes")
    expect(kim.locator("#back-refusal")).to_contain_text("row 22")
    file.write_text(blank + f"{number},A-06,MARK-BL,,,,,4,\r\n", encoding="utf-8")
    kim.set_input_files("#file", str(file))
    kim.click("#back-yes")
    expect(kim.locator("#tried")).to_contain_text("1 bin, 1 line. Not on it: A-07.")
    kim.click("#back-yes")
    expect(kim.locator("tr", has_text="returned")).to_have_count(1)
    kim.wait_for_load_state()  # a page without its script yet hears no click
    kim.click("#issue")
    kim.wait_for_url("**/review/sheets/*")
    kim.goto(f"{house.oslo.url}/review/{session}/sheets")
    kim.click("[data-lost]")
    kim.click("#void")
    expect(kim.locator("tr", has_text="void")).to_have_count(1)
    kim.goto(f"{house.oslo.url}/review/{session}/A-06")
    expect(kim.locator(".heading")).to_contain_text(f"on paper, sheet {number}")
    expect(kim.locator(".heading")).to_contain_text("unstable")


def test_the_dialogs_of_a_supervisor(pages: Pages) -> None:
    house = pages.house
    bins = ("A-01", "A-02", "A-03")
    session = opened(house, "Dialogs", *bins)
    count(house, "ana", bins[0], {"item": "GLOVE-10", "quantity": 77})
    house.oslo.people["kim"].act("counts/sheets", session=session, bins=[bins[1]])
    kim = pages.tablet("kim", f"/review/{session}")
    faults = []
    for path, button, dialog in (
        ("", "#cancel", "#decide"),
        ("", "[data-leave]", "#decide"),
        ("/sheets", "[data-return]", "#back"),
        ("/sheets", "[data-lost]", "#lost"),
        (f"/{bins[0]}", "[data-explain]", "#explain"),
        (f"/{bins[0]}", "#reject", "#decide"),
    ):
        kim.goto(f"{house.oslo.url}/review/{session}{path}")
        kim.wait_for_load_state()
        kim.locator(button).first.click()
        kim.wait_for_selector(f"{dialog}[open]")
        faults += faults_of(kim, f"{path} {button}")
        kim.keyboard.press("Escape")
    assert not faults, "\n".join(faults)


def test_the_value_of_a_difference_and_the_moves_around_it(pages: Pages) -> None:
    house, bin_ = pages.house, "N-14"
    rita = house.oslo.people["rita"]
    goods = [("TAPE-50", 12, {}), ("RAG-1", 4, {}), ("YOG-500", 6, {"lot": "L-77"})]
    lines = [{"item": item, "quantity": size, "target": bin_, **more} for item, size, more in goods]
    rita.act("documents/receive", lines=lines)
    session = opened(house, "Worth", bin_)
    ana = house.oslo.people["ana"]
    ana.act("counts/open", bin=bin_)
    ana.act("counts/enter", item="TAPE-50", quantity=7)
    ana.act("counts/enter", item="RAG-1", quantity=5)
    ana.act("counts/enter", item="YOG-500", lot="L-77", quantity=8)
    moved = [{"item": "YOG-500", "lot": "L-77", "quantity": 1, "source": bin_, "target": "DOCK-1"}]
    op = rita.act("documents/move", lines=moved)["op_id"]
    ana.act("counts/close", bin=bin_, confirm=True)
    rita.act("documents/move", lines=[{**moved[0], "source": "DOCK-1", "target": bin_}])
    with pytest.raises(Rejected, match="APPROVE"):  # who counts learns no value
        ana.get(f"counts/{session}/bins/{bin_}")
    kim = pages.tablet("kim", f"/review/{session}/{bin_}")
    expect(kim.locator("#worth")).to_contain_text("EUR")
    expect(kim.locator("#worth")).to_contain_text("1 line has no cost")
    expect(kim.locator("tr", has_text="Packing tape").locator("[data-value]")).to_have_text("-9.00 EUR")
    expect(kim.locator("tr", has_text="Cleaning rag").locator("[data-value]")).to_have_text("no cost")
    moves = kim.locator("#moves tbody tr")
    expect(moves.filter(has_text="after the count")).to_have_count(1)
    shot(kim, "worth")
    assert faults_of(kim, "a bin's worth") == []
    moves.filter(has_text="Stock moved").first.locator("a").click()
    kim.wait_for_url(f"**/operations/{op}")
