"""What a tablet tells its node of itself: in its own words, now and then, and never a fault of a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import OUT_OF_REACH, Pages
from tests.browser.test_devices import shot
from tests.browser.test_look import faults_of

# A battery that a test can drain.
BATTERY = """
  window.battery = { level: %s, charging: %s };
  navigator.getBattery = async () => window.battery;
  navigator.storage.persisted = async () => %s;
"""
THIS = "**/api/v1/tablets/this"


@pytest.fixture(autouse=True)
def charged(house: stage.House) -> Iterator[None]:
    """No battery that was low here is an alert of other tests."""
    yield
    with house.oslo.parts.site.writing() as connection:
        connection.execute("UPDATE tablets SET battery = NULL")


def told(pages: Pages, page: Any) -> dict[str, Any] | None:
    """What the node knows of this page's tablet."""
    (cookie,) = [each for each in page.context.cookies() if each["name"] == "tallyman_tablet"]
    parts = pages.house.oslo.parts
    with parts.site.reading() as connection:
        row = connection.execute("SELECT number FROM tablets WHERE tablet = ?", (cookie["value"],)).fetchone()
        rows = parts.floor.tablets.overview(connection)
    return next((each["told"] for each in rows if row and each["tablet"] == row[0]), None)


def with_battery(pages: Pages, login: str, level: float, *, charging: bool = False, kept: bool = True) -> Any:
    page = pages.tablet(login, "/setup")
    page.context.add_init_script(BATTERY % (level, str(charging).lower(), str(kept).lower()))
    page.goto(f"{pages.house.oslo.url}/")
    return page


def test_a_tablet_tells_how_it_is_and_again_when_there_is_news(pages: Pages) -> None:
    page = with_battery(pages, "ana", 0.624, charging=True)
    wait_for("its first word", lambda: told(pages, page) is not None, 20)
    first = told(pages, page) or {}
    assert {name: first[name] for name in ("unsent", "kept", "battery")} == {
        "unsent": 0, "kept": True, "battery": {"percent": 62, "charging": True},
    }  # fmt: skip
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.evaluate("battery.charging = false; battery.level = 0.1")
    page.wait_for_timeout(6_000)
    assert not [url for url in asked if url.endswith("/tablets/this")], "less than a minute ago it has told"
    # The minute is over, also for another page of the same tablet.
    page.evaluate(
        "const { at, word } = JSON.parse(localStorage.telling);"
        "localStorage.telling = JSON.stringify({ at: at - 60000, word })"
    )
    page.goto(f"{pages.house.oslo.url}/count")
    page.evaluate("battery.charging = false; battery.level = 0.1")
    low = {"percent": 10, "charging": False}
    wait_for("its second word", lambda: (told(pages, page) or {})["battery"] == low, 20)


def test_a_tablet_whose_browser_says_nothing_of_its_battery(pages: Pages) -> None:
    plain = pages.house.oslo.url.replace("127.0.0.1", "tablet.test")
    pages.forgive("The Cross-Origin-Opener-Policy header has been ignored")
    page = pages.tablet("ben", url=plain)
    assert page.evaluate("!navigator.getBattery && !navigator.storage")
    wait_for("its word", lambda: told(pages, page) is not None, 20)
    word = told(pages, page) or {}
    assert (word["kept"], word["battery"]) == (False, None)


def test_a_tablet_out_of_reach_tells_nothing_and_does_not_complain(pages: Pages) -> None:
    page = with_battery(pages, "ana", 0.5)
    wait_for("its first word", lambda: told(pages, page) is not None, 20)
    first = told(pages, page)
    page.evaluate("localStorage.removeItem('telling')")
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    pages.forgive(*OUT_OF_REACH)
    page.context.set_offline(True)
    page.evaluate("battery.level = 0.05")
    page.wait_for_timeout(6_000)
    assert not [url for url in asked if url.endswith("/tablets/this")] and told(pages, page) == first
    page.context.set_offline(False)
    wait_for("its word of now", lambda: (told(pages, page) or {})["battery"]["percent"] == 5, 20)


@pytest.mark.parametrize("status", [422, 500, 503])
def test_a_node_that_refuses_or_fails_is_not_shown(pages: Pages, status: int) -> None:
    pages.forgive("Failed to load resource")
    page = pages.tablet("ana", "/setup")
    problem = {"type": "about:blank", "status": status, "title": "x", "detail": "no"}
    page.context.route(THIS, lambda route: route.fulfill(status=status, json=problem))
    with page.expect_response(THIS) as answered:
        page.goto(f"{pages.house.oslo.url}/")
    assert answered.value.status == status
    expect(page.locator("#chip-node")).to_be_visible()
    assert page.url == f"{pages.house.oslo.url}/" and "no" not in page.locator("main").inner_text().split()


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_page_of_the_node_shows_it(pages: Pages, language: str) -> None:
    parts, faults = pages.house.oslo.parts, []
    words = (
        {"unsent": 0, "kept": True, "battery": {"percent": 62, "charging": True}},
        {"unsent": 3, "kept": False, "battery": {"percent": 9, "charging": False}},
        {"unsent": 0, "kept": False},
    )
    for number, word in enumerate(words):
        parts.floor.tablets.tell(f"{number}" * 32, word)
    page = pages.tablet("kim", "/")
    page.context.add_cookies([{"name": "tallyman_language", "value": language, "url": pages.house.oslo.url}])
    page.goto(f"{pages.house.oslo.url}/node")
    page.locator("a[href='/setup']").last.scroll_into_view_if_needed()
    shot(page, f"telling-{language}")
    faults += faults_of(page, f"tablets of the node ({language})")
    assert page.locator("td", has_text="62 %").count() and page.locator("td .chip", has_text="9 %").count()
    alert = page.locator("#alerts li[data-code='tablet_battery']")
    expect(alert.first).to_be_visible()
    assert not faults, "\n".join(faults)
