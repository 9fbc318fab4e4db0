"""Pages hold two hundred rows of a list, whatever its length, say what they leave out, and lead to the rest of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from flask import Flask

from tests.node.floor_kit import Stage
from tests.web import large
from web.schema import ROWS_MAX

FLOORS_MAX = 15  # the slowest page takes 8
VOID = {"input", "meta", "link", "br", "img", "hr"}


class Rows(HTMLParser):
    """How many rows, lines or boxes stand in the longest list of a page, and which lists say that there is more."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.most, self.lists, self.following = 0, set(), {}
        self._open: list[list[str | int]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = dict(attributes)
        if self._open:
            parent = self._open[-1]
            parent[1] = int(parent[1]) + 1
            if parent[0] != "select":  # what is chosen from in a form is no list
                self.most = max(self.most, int(parent[1]))
        if tag == "nav" and said.get("data-list"):
            self.lists.add(said["data-list"])
        if tag == "a" and said.get("rel") == "next":
            self.following[[*self.lists][-1] if len(self.lists) == 1 else said["href"]] = said["href"]
        if tag not in VOID:
            self._open.append([tag, 0])

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Flask, large.Get, dict[str, str]]]:
    with large.served(tmp_path_factory.mktemp("large") / "node") as (stage, app, get):
        yield stage, app, get, large.lengthened(stage)


def test_no_page_takes_long(made: tuple[Stage, Flask, large.Get, dict[str, str]]) -> None:
    """`make bench` has the wait itself."""
    _, app, get, known = made
    took = large.in_floors(lambda clock: large.page_times(app, get, known, 5, clock))
    assert len(took) > 20
    assert {name: floors for name, floors in took.items() if floors > FLOORS_MAX} == {}


def test_no_page_shows_more_than_two_hundred_rows_of_a_list(
    made: tuple[Stage, Flask, large.Get, dict[str, str]],
) -> None:
    _, app, get, known = made
    long, said = {}, {}
    for name, path in large.pages(app, known):
        status, content = get(path)
        assert status < 500, (path, content)
        page = Rows(content.decode())
        if page.most > ROWS_MAX:
            long[name] = page.most
        said[name] = page.lists
    assert not long
    assert {name: lists for name, lists in said.items() if lists} == {
        "node_review.sessions": {"from"},
        "node_review.plan": {"bins"},
        "node_review.proposals": {"from"},
        "node_review.session": {"from"},
        "node_review.chosen": {"bins"},
        "a bin": {"lines"},
        "by hand": {"bins"},
        "a zone": {"from"},
    }


@pytest.mark.parametrize(
    ("page", "row", "total"),
    [
        ("/review/", r'href="/review/([0-9a-f]{32})"', large.LONG + 2),
        ("/review/proposals", r'data-proposal="([0-9a-f]{32})"', large.LONG),
        ("/review/{session}", r'data-assign="([^"]+)"', large.COUNTED_BINS),
        ("/review/{long}/A-01", r'data-line="([0-9]+)"', large.LINES),
    ],
)
def test_the_rest_of_a_list_is_reached_page_by_page(
    made: tuple[Stage, Flask, large.Get, dict[str, str]], page: str, row: str, total: int
) -> None:
    _, _, get, known = made
    path, seen = page.format(**known), []
    while path:
        status, content = get(path)
        assert status == 200
        text = content.decode()
        rows = list(dict.fromkeys(re.findall(row, text)))
        assert 0 < len(rows) <= ROWS_MAX
        assert f"{len(seen) + 1} to {len(seen) + len(rows)} of " in text
        assert ("From the beginning" in text) == bool(seen)
        seen += rows
        path = next(iter(Rows(text).following.values()), "").replace("&amp;", "&")
    assert len(seen) == len(set(seen)) and len(seen) >= total


def test_an_address_that_asks_for_no_row_of_the_list_begins_it_anew(
    made: tuple[Stage, Flask, large.Get, dict[str, str]],
) -> None:
    _, _, get, known = made
    first = get(f"/review/{known['session']}")[1]
    for wrong in ("x", "-1", "99999999999", "500", "\u0663", ""):
        assert get(f"/review/{known['session']}?from={quote(wrong)}")[1] == first, wrong


def test_the_bins_of_a_count_are_narrowed_by_how_they_begin(
    made: tuple[Stage, Flask, large.Get, dict[str, str]],
) -> None:
    _, _, get, known = made
    text = get(f"/review/{known['session']}?begin=B-04")[1].decode()
    assert len(set(re.findall(r'data-assign="(B-04[0-9]{2})"', text))) == text.count("data-assign=") == 100
    text = get(f"/review/{known['session']}?begin=B-0&from=200")[1].decode()
    assert 'value="B-0"' in text and "begin=B-0&amp;from=400" in text and "201 to 400 of 500" in text
