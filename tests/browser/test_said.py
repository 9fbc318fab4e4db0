"""What a page has refused stays to be read, although the page finds out later what it would have invited to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import Pages, typed_at_once

LATE = (
    ("bo", "bergen", "/bring-in", "**/transfers/?direction=coming*"),
    ("pia", "oslo", "/pick", "**/api/v1/picks/*"),
)


def held_back(page: Any, addresses: str) -> Callable[[], None]:
    """Answers from these addresses wait; calling what this returns lets them come."""
    waiting: list[Any] = []
    page.route(addresses, lambda route: waiting.append(route))

    def let() -> None:
        for each in waiting:
            each.continue_()
        page.unroute(addresses)

    return let


def test_a_refusal_is_not_spoken_over_by_an_invitation_that_comes_late(pages: Pages) -> None:
    for login, place, path, addresses in LATE:
        page = pages.tablet(login, "/alerts", place=place)
        let = held_back(page, addresses)
        with page.expect_request(addresses):
            page.goto(pages.house.places[place].url + path)
        page.wait_for_selector("html[data-scanner]", state="attached")
        typed_at_once(page, "NO-SUCH-CODE-HERE")
        answer = page.locator("#answer")
        if path == "/bring-in":  # the list may come after the code was taken; elsewhere the code waits for it
            expect(answer).to_contain_text("NO-SUCH-CODE-HERE")
        with page.expect_response(addresses):
            let()
        expect(answer).to_contain_text("NO-SUCH-CODE-HERE")
        page.wait_for_timeout(500)
        expect(answer).to_contain_text("NO-SUCH-CODE-HERE")
