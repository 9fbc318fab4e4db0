"""Long lists are searched on their pages: by keyboard, held either way, from right to left, and said when in vain."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import stage
from tests.browser.conftest import TABLET, Pages
from tests.browser.test_devices import shot
from tests.browser.test_languages import looked_at, speaking
from tests.browser.test_look import faults_of


@pytest.fixture(scope="module", autouse=True)
def counts(house: stage.House) -> None:
    """A count that was cancelled, and a draft, both of a name that no other count has."""
    kim = house.oslo.people["kim"]
    kim.act("counts", name="Looked for, north", bins=["N-09"], draft=True)
    session = kim.act("counts", name="Looked for, south", bins=["N-10"])["session"]
    kim.act("counts/cancel", session=session, reason="late")


def test_counts_are_found_by_name_and_state(pages: Pages) -> None:
    page = pages.tablet("kim", "/review/")
    rows = page.locator("tbody tr")
    page.focus("#search")
    page.keyboard.type("SOUTH looked")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Looked for, south")
    faults = faults_of(page, "counts found")
    shot(page, "counts")
    page.fill("#search", "looked for")
    page.select_option("#state", "draft")
    page.get_by_role("button", name="Find").click()
    expect(rows).to_contain_text("Looked for, north")
    page.select_option("#state", "posted")
    page.press("#search", "Enter")
    expect(page.locator(".empty")).to_have_text(
        "No count here has looked for in its name and is in the state posted."
    )
    faults += faults_of(page, "no count found")
    shot(page, "counts-none")
    page.press("#search", "Escape")
    page.wait_for_url("**/review/")
    expect(page.locator("#search")).to_have_value("")
    expect(page.get_by_role("row", name="Looked for, south")).to_be_visible()
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("language", ["ar", "de"])
def test_counts_are_found_in_another_language(pages: Pages, language: str) -> None:
    page = speaking(pages, "kim", language, theme="light", size=TABLET)
    faults = []
    for query in ("search=looked", "search=looked&state=posted", "search=looked+in+vain", "state=closed"):
        page.goto(f"{pages.house.oslo.url}/review/?{query}")
        page.wait_for_selector("#search")
        faults += looked_at(page, language, TABLET, f"counts {query} ({language})")
        shot(page, f"counts-{language}-{query.replace('&', '-')}")
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="module")
def moved(house: stage.House) -> str:
    """What Rita received into a bin that nobody else uses."""
    line = {"item": "CABLE-3", "quantity": 2, "target": "N-11"}
    said = {"supplier": "ACME", "delivery_note": "LS-4711/Größe", "lines": [line]}
    return str(house.oslo.people["rita"].act("documents/receive", confirm=True, **said)["op_id"])


def test_operations_are_found_by_kind_person_and_day(pages: Pages, moved: str) -> None:
    page = pages.tablet("kim", "/")
    page.get_by_role("link", name="All operations").click()
    page.wait_for_url("**/operations/")
    page.select_option("#kind", "receive")
    page.select_option("#by-whom", label="Rita Lund")
    today = page.evaluate("new Intl.DateTimeFormat('sv', { timeZone: 'Europe/Oslo' }).format(new Date())")
    page.fill("#from", today)
    page.fill("#to", today)
    page.press("#to", "Enter")
    row = page.get_by_role("row").filter(has=page.locator(f'a[href="/operations/{moved}"]'))
    expect(row).to_contain_text("Goods received")
    expect(row).to_contain_text("Rita Lund")
    faults = faults_of(page, "operations found")
    shot(page, "operations")
    page.fill("#to", "2020-01-02")
    page.press("#to", "Enter")
    expect(page.locator(".empty")).to_contain_text("Nothing fits what was looked for")
    expect(page.locator(".empty")).to_contain_text("Rita Lund")
    faults += faults_of(page, "no operation found")
    shot(page, "operations-none")
    page.press("#kind", "Escape")
    page.wait_for_url("**/operations/")
    page.focus("#beginning")
    page.keyboard.type(moved[:12].upper())
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(row).to_be_visible()
    page.press("#beginning", "Escape")
    page.wait_for_url("**/operations/")
    expect(page.locator("#to")).to_have_value("")
    assert not faults, "\n".join(faults)


def test_an_operation_is_found_by_the_number_on_its_paper(pages: Pages, moved: str) -> None:
    page = pages.tablet("kim", "/operations/?kind=receive")
    page.get_by_label("Number on the paper").focus()
    page.keyboard.type("ls-4711/GRÖ")
    page.keyboard.press("Enter")
    page.wait_for_url("**/operations/?*reference=ls-4711*")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(f'tbody a[href="/operations/{moved}"]')).to_be_visible()
    expect(page.locator("#reference")).to_have_value("ls-4711/GRÖ")
    expect(page.locator("#kind")).to_have_value("receive")
    faults = faults_of(page, "operation found by its paper")
    shot(page, "operations-paper")
    page.fill("#reference", "LS-4712")
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".empty")).to_contain_text("Nothing fits what was looked for")
    expect(page.locator(".empty")).to_contain_text("Number on the paper: LS-4712")
    faults += faults_of(page, "no operation of such a paper")
    shot(page, "operations-paper-none")
    page.press("#reference", "Escape")
    page.wait_for_url("**/operations/")
    expect(page.locator("#reference")).to_have_value("")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("language", ["ar", "de"])
@pytest.mark.usefixtures("moved")
def test_operations_are_found_in_another_language(pages: Pages, language: str) -> None:
    page = speaking(pages, "kim", language, theme="light", size=TABLET)
    faults = []
    for query in (
        "",
        "kind=receive&from=2020-01-01",
        "kind=receive&to=2020-01-02",
        "reference=ls-",
        "reference=none",
    ):
        page.goto(f"{pages.house.oslo.url}/operations/?{query}")
        page.wait_for_selector("#kind")
        faults += looked_at(page, language, TABLET, f"operations {query} ({language})")
        shot(page, f"operations-{language}-{query.replace('&', '-')}")
    assert not faults, "\n".join(faults)
