"""Pages open without the node, and what the worker keeps for that tells nobody anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tallyman_stage import wait_for
from tests.browser import stage
from tests.browser.conftest import Pages
from tests.browser.test_count import MARKER, counted, open_bin
from tests.browser.test_outbox import leave, nothing_to_send, scans_of, to_send

Scan = Callable[..., None]
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
    assert {"/offline", "/offline/count"} < paths and len(paths) > 20
    assert all(path.startswith(("/offline", "/s/")) for path in paths), paths
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
