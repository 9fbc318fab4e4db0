"""Counts are found by words of their name and by how they stand, in the list and on its page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from ledger import db
from ledger.seams import DiskStorage
from node import floor_store, store
from tests.node.floor_kit import Stage
from tests.web import kit, large

Made = tuple[Stage, Flask]
MANY, GOING = 5_000, 300
FLOORS_MAX = 15


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """One that was cancelled, a draft, one that counters are at, one to decide on: from the oldest."""
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        counting, sven, cora = stage.floor.counting, stage.as_("sven"), stage.as_("cora")
        rule = {"line_quantity_max": 0, "control_percent": 0, "rounds_max": 1}
        for name, bins, more in (
            ("Left alone", ["A-01"], {}),
            ("Äußere Halle, week 9", ["A-01"], {"draft": True}),
            ("Week 8 cold store", ["A-02"], {}),
            ("Week 8 yard", ["DOCK"], {}),
        ):
            op = stage.op()
            counting.open_session(op, sven, {"name": name, "bins": bins, "rule": rule, **more})
            if name == "Left alone":
                counting.cancel(stage.op(), sven, {"session": str(op), "reason": "late"})
            stage.world.clock.advance(1_000)
        counting.open_bin(stage.op(), cora, {"bin": "DOCK"})
        counting.enter(stage.op(), cora, {"item": "BOLT", "quantity": 4})
        counting.close_bin(stage.op(), cora, {"bin": "DOCK", "confirm": True})
        yield stage, app


def asked(app: Flask, status: int = 200, **query: object) -> Any:
    answer = kit.logged_in(app, "sven").get("/api/v1/counts/", query_string=query)
    assert answer.status_code == status, answer.text
    return answer.json


def names(app: Flask, **query: object) -> list[str]:
    return [row["name"] for row in asked(app, **query)["rows"]]


def page(app: Flask, **query: object) -> str:
    answer = kit.logged_in(app, "sven").get("/review/", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.get_data(as_text=True)


def on_page(text: str) -> list[str]:
    return re.findall(r'<a class="row" href="/review/[0-9a-f]{32}"><bdi>([^<]*)', text)


def test_words_of_the_name_and_the_state_narrow_the_list(made: Made) -> None:
    _, app = made
    assert names(app) == ["Week 8 yard", "Week 8 cold store", "Äußere Halle, week 9", "Left alone"]
    assert names(app, search="WEEK") == ["Week 8 yard", "Week 8 cold store", "Äußere Halle, week 9"]
    assert names(app, search="8 eek") == ["Week 8 yard", "Week 8 cold store"]
    assert names(app, search="äussere") == ["Äußere Halle, week 9"]
    assert names(app, search="100%") == names(app, search="wee_") == []
    assert names(app, search="  ") == names(app)
    by_state = {row["name"]: row["state"] for row in asked(app)["rows"]}
    assert by_state == {
        "Left alone": "cancelled", "Week 8 yard": "review", "Week 8 cold store": "counting",
        "Äußere Halle, week 9": "draft",
    }  # fmt: skip
    for name, state in by_state.items():
        assert names(app, state=state) == [name]
    assert names(app, state="closed") == names(app, search="week", state="cancelled") == []
    assert names(app, search="week", state="review") == ["Week 8 yard"]
    assert "expected" in asked(app, 400, state="active")["detail"]
    assert asked(app, 400, search="x" * 81)


def test_a_cursor_keeps_to_its_search(made: Made) -> None:
    _, app = made
    first = asked(app, search="week", limit=1)
    second = asked(app, search="week", limit=1, cursor=first["next"])
    third = asked(app, search="week", limit=1, cursor=second["next"])
    rows = [row["name"] for one in (first, second, third) for row in one["rows"]]
    assert rows == names(app, search="week") and third["next"] is None
    for other in ({}, {"search": "yard"}, {"search": "week", "state": "review"}):
        detail = asked(app, 400, limit=1, cursor=first["next"], **other)["detail"]
        assert "belongs to another list" in detail
    assert asked(app, 400, search="week", cursor=asked(app, limit=1)["next"])
    assert len(asked(app, cursor=asked(app, limit=1, search="")["next"])["rows"]) == 3, "an empty search is none"


def test_a_counter_finds_no_count(made: Made) -> None:
    _, app = made
    for path in ("/api/v1/counts/?search=week", "/api/v1/counts/?state=review"):
        assert kit.logged_in(app, "cora").get(path).status_code == 403
    assert "Week" not in kit.logged_in(app, "cora").get("/review/?search=week").text


def test_the_page_finds_and_says_what_was_looked_for(made: Made) -> None:
    _, app = made
    text = page(app, search="week 8", state="review")
    assert on_page(text) == ["Week 8 yard"]
    assert 'value="week 8"' in text and '<option value="review" selected>' in text
    assert on_page(page(app, search="week", state="no such")) == on_page(page(app, search="week"))
    assert "No count here has <bdi>&lt;b&gt;</bdi> in its name." in page(app, search="<b>")
    assert "is in the state closed" in page(app, state="closed")
    both = page(app, search="week", state="closed")
    assert "<bdi>week</bdi>" in both and "closed" in both and 'href="/review/"' in both
    assert "No count was opened here yet" not in both


@pytest.fixture
def many(made: Made) -> Made:
    """Thousands of counts of former years, hundreds under way."""
    stage, _ = made
    with stage.site.writing() as connection:
        for number in range(MANY):
            session, going = number.to_bytes(16, "big"), number < GOING
            kept, name = "active" if going else "closed", f"Count {number} of aisle A{number % 7}"
            connection.execute(
                "INSERT INTO count_sessions VALUES (?, ?, '{}', ?, ?, ?, '', 0, 0, x'')",
                (session, name, bytes(32), number, kept),
            )
            connection.execute(
                "INSERT INTO count_bins VALUES (?, 'A-01', '', ?, '')", (session, "review" if going else "posted")
            )
    return made


def test_thousands_of_counts_are_searched_in_little_time(many: Made) -> None:
    _, app = many
    client = kit.logged_in(app, "sven")
    addresses = [
        f"{path}?{query}"
        for path in ("/api/v1/counts/", "/review/")
        for query in ("", "search=aisle", "search=count+4711", "search=nothing", "state=review", "state=recount",
                      "state=closed", "search=aisle+a3&state=review")
    ]  # fmt: skip

    def measure(clock: Any) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for path in addresses:
            for _ in range(3):
                began = clock()
                assert client.get(path).status_code == 200
                found.setdefault(path, []).append((clock() - began) * 1000)
        return found

    took = large.in_floors(measure)
    assert {path: floors for path, floors in took.items() if floors > FLOORS_MAX} == {}


def test_the_page_leads_to_the_rest_of_what_was_found(many: Made) -> None:
    _, app = many
    text = page(app, search="aisle a3", state="review")
    assert len(on_page(text)) == len(range(3, GOING, 7))
    text = page(app, search="aisle a3")
    assert len(on_page(text)) == 200 and "1 to 200 of" in text
    assert "/review/?search=aisle+a3&amp;from=200" in text


def test_a_database_of_before_lists_the_same(made: Made, tmp_path: Path) -> None:
    stage, _ = made
    old = db.create(tmp_path / "old.db", DiskStorage(), page_bytes=store.PAGE_BYTES)
    db.migrate(old, store.STEPS[: store.STEPS.index(floor_store.SESSIONS_1)])
    reader = stage.site.reader()
    for table in ("count_sessions", "count_bins"):
        known = ", ".join(row[1] for row in old.execute(f"PRAGMA table_info({table})"))
        rows = reader.execute(f"SELECT {known} FROM {table}").fetchall()
        old.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    db.migrate(old, store.STEPS)
    review, sven = stage.floor.counting.review, stage.as_("sven")
    assert review.sessions(old, sven, search="week") == review.sessions(reader, sven, search="week") != []
    plan = old.execute(f"EXPLAIN QUERY PLAN {review.LISTED}", (2**62, b"")).fetchall()
    assert all("COVERING INDEX count_sessions_opened" in row[3] for row in plan), plan
    reader.close()
    old.close()
