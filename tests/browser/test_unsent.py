"""What somebody said on a page of a long list is kept while they look at the rest of it, until it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from hub import discrepancies
from tests.browser import stage
from tests.browser.conftest import Pages
from web import excerpts

BIN, LOTS = "H-03", [f"L{number:03}" for number in range(205)]
FEW = ("H-04", "H-05", "H-06")


@pytest.fixture
def counted(house: stage.House) -> Iterator[str]:
    """A count of a bin of 205 lots, of which 204 are missing."""
    rita, kim, ana = (house.oslo.people[login] for login in ("rita", "kim", "ana"))
    for lots in (LOTS[:200], LOTS[200:]):
        lines = [{"item": "YOG-500", "lot": lot, "quantity": 2, "target": BIN} for lot in lots]
        rita.act("documents/receive", lines=lines)
    rule = {"line_quantity_max": 0, "control_percent": 0, "rounds_max": 1}
    session = kim.act("counts", name="Long", bins=[BIN], rule=rule)["session"]
    ana.act("counts/open", bin=BIN)
    ana.act("counts/enter", item="YOG-500", lot=LOTS[0], quantity=2)
    ana.act("counts/close", bin=BIN, confirm=True)
    yield str(session)


def unsent(page: Any) -> list[str]:
    """What is kept on this tablet of what was said and not sent."""
    keys = page.evaluate(
        """() => new Promise((resolve) => {
          const asked = indexedDB.open("tallyman");
          asked.onsuccess = () => {
            const facts = asked.result.transaction("facts").objectStore("facts").getAllKeys();
            facts.onsuccess = () => { asked.result.close(); resolve(facts.result); };
          };
        })"""
    )
    return [key for key in keys if key.startswith("unsent:")]


def explain(page: Any, at: int) -> None:
    page.locator("[data-explain]").nth(at).click()
    page.click("#explain-yes")


def test_explanations_are_kept_over_the_pages_of_a_count_and_a_reload(
    house: stage.House, pages: Pages, counted: str
) -> None:
    page = pages.tablet("kim", f"/review/{counted}/{BIN}")
    more = page.locator("#lines nav.rest")
    expect(more).to_contain_text("1 to 200 of 205")
    explain(page, 3)
    words = page.locator(".said").nth(3).text_content()
    more.get_by_role("link", name="Next ones").click()
    expect(more).to_contain_text("201 to 205 of 205")
    explain(page, 3)
    page.reload()
    expect(page.locator(".said").nth(3)).not_to_be_empty()
    # The tab is closed, and another one of this tablet opened.
    address = page.url.partition("?")[0]
    page.close()
    page = page.context.new_page()
    page.goto(address)
    more = page.locator("#lines nav.rest")
    expect(more).to_contain_text("1 to 200 of 205")
    expect(page.locator(".said").nth(3)).to_have_text(words or "nothing")
    expect(page.locator(".said").nth(2)).to_be_empty()
    numbers = [page.locator("[data-explain]").nth(3).get_attribute("data-line")]
    page.click("#approve")
    page.fill("#pin", stage.PIN)
    with page.expect_request("**/counts/approve") as sent:
        page.click("#decide [data-key=ok]")
    reasons = json.loads(sent.value.post_data)["reasons"]
    assert len(reasons) == 2 and set(numbers) < set(reasons)
    expect(page.locator("#onwards")).to_be_visible()
    [left] = house.oslo.people["rita"].get(f"locations/{BIN}")["stock"]
    assert left["lot"] == LOTS[0]
    assert unsent(page) == []


def test_bins_stay_chosen_on_the_other_pages_of_a_count(
    house: stage.House, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excerpts, "ROWS_MAX", 2)
    kim, ana = house.oslo.people["kim"], house.oslo.people["ana"]
    rule = {"line_quantity_max": 0, "control_percent": 0, "rounds_max": 1}
    session = kim.act("counts", name="Few", bins=list(FEW), rule=rule)["session"]
    for bin_ in FEW:
        ana.act("counts/open", bin=bin_)
        ana.act("counts/empty", bin=bin_)
        ana.act("counts/close", bin=bin_, confirm=True)
    page = pages.tablet("kim", f"/review/{session}")
    more = page.locator("nav.rest")
    page.get_by_label(f"Choose {FEW[1]}").check()
    more.get_by_role("link", name="Next ones").click()
    expect(page.locator("#approve-chosen")).to_have_text("Approve 1 bin")
    address = page.url
    page.close()
    page = page.context.new_page()
    page.goto(address)
    more = page.locator("nav.rest")
    expect(page.locator("#approve-chosen")).to_have_text("Approve 1 bin")
    page.get_by_label(f"Choose {FEW[2]}").check()
    more.get_by_role("link", name="From the beginning").click()
    expect(page.locator("#approve-chosen")).to_have_text("Approve 2 bins")
    expect(page.get_by_label(f"Choose {FEW[1]}")).to_be_checked()
    expect(page.get_by_label(f"Choose {FEW[0]}")).not_to_be_checked()
    page.click("#approve-chosen")
    page.fill("#pin", stage.PIN)
    page.click("#decide [data-key=ok]")
    expect(page.locator("#chosen")).to_be_hidden()
    states = {each["bin"]: each["state"] for each in kim.get(f"counts/{session}")["bins"]}
    assert states == {FEW[0]: "review", FEW[1]: "posted", FEW[2]: "posted"}
    kim.act("counts/cancel", session=session, reason="not-needed")


def test_an_entry_at_the_console_is_kept_while_the_rest_is_read(
    house: stage.House, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excerpts, "ROWS_MAX", 2)
    with house.hub.store.write() as session:
        discrepancies.report(session, discrepancies.TRANSFER_SHORT, "e" * 32, "oslo", "An entry is kept", {}, 0)
    [found] = [each for each in house.hub.discrepancies() if each.summary == "An entry is kept"]
    for number in range(3):
        house.hub.comment(found.id, "admin", f"look {number}")
    page = pages.console(f"/discrepancies/{found.id}")
    page.fill("#text", "It stands behind the pillar")
    page.locator("nav.rest").get_by_role("link", name="Next ones").click()
    expect(page.locator("nav.rest")).to_contain_text("3 to 4 of 4")
    expect(page.locator("#text")).to_have_value("It stands behind the pillar")
    page.get_by_role("button", name="Resolved").click()
    expect(page.locator("main")).to_contain_text("It is resolved")
    page.go_back()
    assert unsent(page) == []
