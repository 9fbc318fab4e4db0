"""Pages open without the node, and what the worker keeps for that tells nobody anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import MARKER, TAPE, counted, open_bin
from tests.browser.test_outbox import leave, nothing_to_send, scans_of, to_send

Scan = Callable[..., None]
NAMES = """new Promise((resolve) => {
  const wish = indexedDB.open("tallyman");
  wish.onsuccess = () => {
    const found = wish.result.transaction("facts").objectStore("facts").get("names");
    found.onsuccess = () => { wish.result.close(); resolve(Object.keys(found.result?.names || {}).length); };
  };
})"""
GONE = "Failed to load resource: net::ERR_INTERNET_DISCONNECTED"


def kept(page: Any) -> None:
    """The worker is in charge of this page."""
    wait_for("the worker", lambda: page.evaluate("navigator.serviceWorker.controller !== null"))


def test_the_open_bin_goes_on_after_a_reload_without_the_node(pages: Pages, scanned: Scan) -> None:
    pages.forgive(GONE)
    stage.open_count(pages.house, "Offline", "T-08")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "T-08")
    scanned(page, MARKER)
    expect(counted(page, "Marker blue")).to_have_text("1")
    kept(page)
    page.context.set_offline(True)
    scanned(page, MARKER)
    to_send(page, 1)
    page.reload()
    expect(page.locator("#who")).to_have_text("Ana Berg")
    to_send(page, 1)
    scanned(page, MARKER)
    to_send(page, 2)
    again = page.context.new_page()
    page.close()
    again.goto(f"{pages.house.oslo.url}/node")
    expect(again.locator("h1")).to_have_text("The node is out of reach")
    again.get_by_role("link", name="Go on counting").click()
    to_send(again, 2)
    scanned(again, MARKER)
    to_send(again, 3)
    again.context.set_offline(False)
    wait_for("three scans at the node", lambda: scans_of(pages, "T-08") == 4)
    nothing_to_send(again)
    expect(counted(again, "Marker blue")).to_have_text("4")
    leave(again)


def test_the_caches_hold_no_name_and_no_quantity(pages: Pages, scanned: Scan) -> None:
    page = pages.tablet("kim", "/")
    kept(page)
    page.goto(f"{pages.house.oslo.url}/review/")
    page.goto(f"{pages.house.oslo.url}/count")
    found = page.evaluate(
        """async () => {
          const answers = [];
          for (const name of await caches.keys()) {
            const cache = await caches.open(name);
            for (const request of await cache.keys()) {
              const text = await (await cache.match(request)).text();
              answers.push([new URL(request.url).pathname, text]);
            }
          }
          return answers;
        }"""
    )
    paths = {path for path, _ in found}
    assert {"/offline/en", "/offline/ar/count"} < paths and len(paths) > 20
    assert all(path.startswith(("/offline", "/s/", "/language")) for path in paths), paths
    told = [path for path, text in found for word in ("Kim", "Ana", "A-01", "MARK-BL", "GLOVE-10") if word in text]
    assert not told, told


def test_without_a_secure_connection_there_is_no_worker_and_the_page_says_so(pages: Pages) -> None:
    pages.forgive("The Cross-Origin-Opener-Policy header has been ignored")
    page = pages.tablet("ana", "/count", url=pages.house.oslo.url.replace("127.0.0.1", "tablet.test"))
    page.wait_for_selector("#choose:not([hidden])")
    expect(page.locator("#reduced")).to_contain_text("only while the node is in reach")
    page.goto(f"{pages.house.oslo.url}/count")


def test_a_node_that_fails_gives_way_to_the_kept_page(pages: Pages) -> None:
    pages.forgive("Failed to load resource: the server responded with a status of 503")
    page = pages.tablet("ana", "/")
    kept(page)
    page.context.route("**/count", lambda route: route.fulfill(status=503, body="stopping"))
    page.goto(f"{pages.house.oslo.url}/count")
    page.wait_for_selector("#choose:not([hidden])")


def test_counting_goes_on_without_the_node_and_shows_what_is_only_here(pages: Pages, scanned: Scan) -> None:
    """The open bin is finished, the next one opened and counted; then everything arrives, and both are marked."""
    house = pages.house
    pages.forgive(GONE)
    session = stage.open_count(house, "Long way", "T-09", "T-10")
    page = pages.tablet("ana", "/count")
    open_bin(page, scanned, "T-09")
    scanned(page, MARKER)
    expect(counted(page, "Marker blue")).to_have_text("1")
    wait_for("the names", lambda: page.evaluate(NAMES) > 0)
    kept(page)
    page.context.set_offline(True)
    scanned(page, TAPE, TAPE, "NOBODY-KNOWS")
    expect(page.locator("#answer")).to_contain_text("NOBODY-KNOWS")
    held = page.locator(".line.held")
    expect(held.filter(has_text="Packing tape").locator(".count")).to_have_text("2")
    expect(held).to_contain_text(["on this tablet", "on this tablet"])
    expect(page.locator("#chip-node")).to_contain_text("out of reach")
    page.reload()
    expect(page.locator("#bin")).to_have_text("T-09")
    expect(counted(page, "Marker blue")).to_have_text("1")
    expect(held).to_have_count(2)
    page.click("#done")
    expect(page.locator("#ask-words")).to_contain_text("not found")
    page.click("#ask-yes")
    expect(page.locator("#bins .tile", has_text="T-09")).to_have_count(0)
    page.locator("#bins .tile", has_text="T-10").click()
    expect(page.locator("#bin")).to_have_text("T-10")
    scanned(page, TAPE)
    expect(page.locator("#answer-figure")).to_have_text("1")
    page.evaluate("() => { const now = Date.now; Date.now = () => now() + 40_000; }")  # it took a while
    page.context.set_offline(False)
    expect(counted(page, "Packing tape")).to_have_text("1")
    expect(held).to_have_count(0)
    nothing_to_send(page)
    page.click("#done")
    page.click("#ask-yes")
    page.wait_for_selector("#proof:not([hidden])")
    with house.oslo.parts.site.reading() as connection:
        rows = connection.execute(
            "SELECT bin, stable FROM counts WHERE bin IN ('T-09', 'T-10') ORDER BY bin"
        ).fetchall()
    assert rows == [("T-09", 0), ("T-10", 0)]
    kim = house.oslo.people["kim"]
    assert {each["bin"]: each["parked"] for each in kim.get(f"counts/{session}")["bins"]} == {"T-09": 1, "T-10": 0}
