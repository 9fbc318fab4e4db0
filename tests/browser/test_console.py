"""The console in a real browser: sites and heads, the short transfer, the variance, anchors, and deciding."""

from __future__ import annotations

from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import picture


def test_the_console_shows_what_cannot_be_true_and_takes_a_decision(pages: Pages) -> None:
    house = pages.house
    transfer = stage.send_short(house)
    wait_for(
        "the hub to see what is missing",
        lambda: any(each.kind == "transfer short" for each in house.hub.discrepancies()),
        60,
    )
    page = pages.open(f"{house.hub_url}/discrepancies", size=(1280, 800))
    expect(page).to_have_url(f"{house.hub_url}/login")
    page.fill("#name", "admin")
    page.fill("#password", "not the password")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_have_attribute("data-level", "bad")
    page.fill("#password", house.password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{house.hub_url}/")
    for name in stage.BINS:
        row = page.locator("tr", has_text=name)
        expect(row).to_contain_text("well")
        view = next(each for each in house.hub.sites() if each.site == name)
        expect(row).to_contain_text(str(view.cosigned))
    expect(page.locator("main")).to_contain_text("2 base units missing on arrival")
    picture(page, "hub-console")

    page.get_by_role("link", name="oslo", exact=True).click()
    expect(page.locator("h1")).to_have_text("oslo")
    expect(page.locator("tr", has_text="TAPE-50").filter(has_text="A-05").first).to_be_visible()

    page.get_by_role("link", name="Transfers", exact=True).click()
    line = page.locator("section", has_text=transfer[:16]).locator("tbody td")
    expect(line).to_have_text(["TAPE-50", "–", "–", "–", "10", "8", "2", "0", "0", "8"])

    page.get_by_role("link", name="Discrepancies", exact=True).click()
    page.get_by_role("link", name="oslo to bergen: 2 base units missing on arrival").click()
    expect(page.locator("tbody td")).to_have_text(["TAPE-50", "–", "–", "10", "8", "2"])
    picture(page, "hub-discrepancy")
    page.get_by_role("button", name="Resolved").click()
    expect(page.locator("#entry-answer")).to_contain_text("Say it in words")
    page.get_by_role("button", name="I am on it").click()
    expect(page.locator("main")).to_contain_text("admin is on it")
    page.fill("#text", "Two rolls were found at the dock of oslo")
    page.get_by_role("button", name="Resolved").click()
    expect(page.locator("main")).to_contain_text("It is resolved")
    expect(page.locator("main")).to_contain_text("Two rolls were found at the dock of oslo")


def test_the_console_shows_the_variance_and_the_anchors(pages: Pages) -> None:
    house = pages.house
    variance = lambda: [each for each in house.hub.discrepancies() if each.kind == "count variance over limit"]  # noqa: E731
    if not variance():
        _count_wrongly(house)
    found = wait_for("the variance at the hub", variance, 60)[0]
    page = pages.console(f"/discrepancies/{found.id}")
    difference = page.locator("td.difference").first
    expect(difference).to_be_visible()
    assert int(difference.inner_text()) != 0
    house.hub.anchor_now()
    page.get_by_role("link", name="Anchors", exact=True).click()
    anchored = house.hub.book
    assert anchored is not None
    expect(page.locator("tbody tr").first).to_contain_text("final")
    expect(page.locator("time").first).to_contain_text("CET")


def _count_wrongly(house: stage.House) -> None:
    """Thirty gloves are in the books of A-09, and nobody finds one."""
    stage.open_count(house, "Wrong", "A-09")
    ana = house.oslo.people["ana"]
    ana.act("counts/open", bin="A-09")
    ana.act("counts/empty")
    ana.act("counts/close", bin="A-09", confirm=True)
