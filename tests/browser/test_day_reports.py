"""A supervisor looks up what lay here at the end of a day, and what was booked around it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_devices import shot
from tests.browser.test_look import faults_of

DAY_MS = 86_400_000


def test_the_stock_and_the_cut_off_of_a_day(pages: Pages, house: stage.House) -> None:
    # By the day on which the stage was furnished, for a test may run past a midnight. On the day before that somebody
    # took something out, on paper, and it is typed in now.
    [furnished] = house.oslo.people["kim"].get("operations/?reference=dn-1000")["rows"]
    yesterday = datetime.fromtimestamp(furnished["at_ms"] / 1000, UTC).date() - timedelta(days=1)
    line = {"item": "GLOVE-10", "quantity": 1, "source": "A-04"}
    done = {"occurred_ms": furnished["at_ms"] - DAY_MS, "happened": True, "confirm": True}
    late = house.oslo.people["pia"].act("documents/issue", lines=[line], order="SO-2611", **done)["op_id"]
    page = pages.tablet("kim", "/operations/")
    page.get_by_role("link", name="Stock of a day").click()
    expect(page.locator("#day")).not_to_have_value("")
    page.fill("#day", yesterday.isoformat())
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("region", name="Stock of a day")).to_contain_text("-1")  # before they came, by the papers
    page.fill("#day", (yesterday + timedelta(days=1)).isoformat())
    page.get_by_role("button", name="Show").click()
    table = page.get_by_role("region", name="Stock of a day")
    expect(table.get_by_role("link", name="TAPE-50")).to_be_visible()
    faults = faults_of(page, "stock of a day")
    shot(page, "day-stock")
    with page.expect_download() as file:
        page.get_by_role("link", name="As a file").click()
    assert file.value.suggested_filename == f"stock-{yesterday + timedelta(days=1)}.csv"
    page.fill("#item", "NONE")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".card.empty")).to_contain_text("begins with NONE")
    page.get_by_role("link", name="Cut-off").click()
    page.fill("#day", yesterday.isoformat())
    page.get_by_role("button", name="Show").click()
    issued = page.get_by_role("region", name="Goods issued")
    expect(issued.locator("tbody tr").first).to_contain_text("so-2611")
    expect(issued.locator("tbody tr").nth(1)).to_contain_text("End of")
    later = page.get_by_role("region", name="Came in later for this day or an earlier one")
    expect(later).to_contain_text("so-2611")
    faults += faults_of(page, "cut-off")
    shot(page, "day-cut-off")
    later.get_by_role("link").first.click()
    page.wait_for_url(f"**/operations/{late}")
    assert not faults, "\n".join(faults)
