"""Part of a code or of a name, typed on the look-up page, finds items and places while it is typed."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import TABLET, UPRIGHT, Pages
from tests.browser.test_look import faults_of

Scan = Callable[..., None]


def test_words_are_looked_for_while_they_are_typed(pages: Pages, scanned: Scan) -> None:
    page = pages.tablet("pia", "/look", size=TABLET)
    page.wait_for_selector("html[data-scanner]", state="attached")
    page.focus("#what")
    page.keyboard.type("tape", delay=200)
    items = page.get_by_role("region", name="Items")
    expect(items.locator("tbody tr")).to_have_count(1)
    expect(items).to_contain_text("Packing tape 50 m")
    faults = faults_of(page, "found while typing (dark)")
    # The keyboard alone goes on: to the row, and back from what it opened.
    items.get_by_role("link", name="TAPE-50").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#found h2").first).to_have_text("Packing tape 50 m")
    page.go_back()
    expect(items.locator("tbody tr")).to_have_count(1)
    page.fill("#what", "f-0")
    page.keyboard.press("Enter")
    places = page.get_by_role("region", name="Places")
    expect(places.locator("tbody tr")).to_have_count(9)
    page.get_by_role("link", name="F-03").click()
    expect(page.locator("#answer")).to_contain_text("F-03")
    page.go_back()
    expect(places.locator("tbody tr")).to_have_count(9)
    page.fill("#what", "nothing is called that")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("Nothing here has the code")
    assert not faults, "\n".join(faults)


def test_a_scan_is_looked_up_as_a_whole_and_stays_out_of_the_search(pages: Pages, scanned: Scan) -> None:
    page = pages.tablet("pia", "/look", theme="light", size=UPRIGHT)
    page.focus("#what")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    scanned(page, "9521234500063")
    expect(page.locator("#found h2").first).to_have_text("Work gloves size 10")
    page.wait_for_timeout(600)
    expect(page.locator("#found h2").first).to_have_text("Work gloves size 10")
    assert not [url for url in asked if "search=" in url], asked


def test_the_number_on_a_paper_leads_to_what_was_done_with_it(pages: Pages, scanned: Scan) -> None:
    page = pages.tablet("pia", "/look", size=TABLET)
    scanned(page, "DN-1000")
    page.wait_for_url("**/operations/?reference=DN-1000")
    expect(page.get_by_role("region", name="Operations").locator("tbody tr")).to_contain_text(["Goods received"])
    page.goto(f"{page.url.split('/operations')[0]}/look")
    page.wait_for_selector("html[data-scanner]", state="attached")
    page.fill("#what", "dn-10")
    page.keyboard.press("Enter")
    page.wait_for_url("**/operations/?reference=dn-10")
    page.go_back()
    scanned(page, "DN-9999")
    expect(page.locator("#answer")).to_contain_text("Nothing here has the code 'DN-9999'")
