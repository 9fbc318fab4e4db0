"""What lay here at the end of a day, and what was booked around it: on pages, in the API and as a file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.node.floor_kit import Stage
from tests.node.test_counting import session
from tests.node.test_days import next_day, receive, today
from tests.web import kit

Made = tuple[Stage, Flask, dict[str, str]]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Ten bolts and a tin of paint, a day later two more bolts, and three for the first day."""
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        ids = {"first": receive(stage, 10), "paint": receive(stage, 1, "A-02", item="PAINT", lot="P-1")}
        next_day(stage)
        ids |= {"second": receive(stage, 2), "late": receive(stage, 3, ago=1)}
        stage.site.seal()
        yield stage, app, ids


def asked(app: Flask, path: str, login: str = "sven", status: int = 200, **query: object) -> Any:
    answer = kit.logged_in(app, login).get(path, query_string=query)
    assert answer.status_code == status, answer.text
    return answer.json if answer.is_json else answer.text


def test_without_a_day_it_is_yesterday(made: Made) -> None:
    stage, app, _ = made
    yesterday = made[0].floor.desk.day_of(stage.world.clock.now_ms() - 86_400_000).isoformat()
    found = asked(app, "/api/v1/audit/stock")
    assert found["day"] == yesterday and found["left_out"] == 0
    assert {row["item"]: (row["quantity"], row["held"], row["in_transit"]) for row in found["rows"]} == {
        "BOLT": (13, 0, 0), "PAINT": (1, 0, 0),
    }  # fmt: skip
    now = asked(app, "/api/v1/audit/stock", day=today(stage).isoformat(), beginning="BO")
    assert [(row["item"], row["name"], row["quantity"]) for row in now["rows"]] == [("BOLT", "Bolt 8", 15)]
    assert asked(app, "/api/v1/audit/stock", day="1999-12-31")["rows"] == []
    first = asked(app, "/api/v1/audit/stock", limit=1)
    assert [row["item"] for row in first["rows"]] == ["BOLT"]
    assert [row["item"] for row in asked(app, "/api/v1/audit/stock", limit=1, cursor=first["next"])["rows"]] == [
        "PAINT"
    ]


def test_a_file_has_it_place_by_place(made: Made) -> None:
    _, app, _ = made
    rows = list(csv.DictReader(asked(app, "/api/v1/audit/stock.csv").splitlines()))
    assert [(row["item"], row["location"], row["lot"], row["status"], row["quantity"]) for row in rows] == [
        ("BOLT", "A-01", "", "free", "13"), ("PAINT", "A-02", "P-1", "free", "1"),
    ]  # fmt: skip


def test_what_was_booked_around_a_day_and_later_for_it(made: Made) -> None:
    _, app, ids = made
    found = asked(app, "/api/v1/audit/cut-off")
    assert [row["op_id"] for row in found["rows"]] == [ids["late"]] and found["rows"][0]["day"] == found["day"]
    [receipts] = [each for each in found["kinds"] if each["call"] == "receive"]
    assert [row["op_id"] for row in receipts["before"]] == [ids["first"], ids["paint"], ids["late"]]
    assert [row["op_id"] for row in receipts["behind"]] == [ids["second"]]
    page = asked(app, "/operations/cut-off")
    order = [page.index(ids[name]) for name in ("first", "paint", "late", "second")]
    assert order == sorted(order) and "Came in later" in page[order[-1] :]


def test_a_day_that_is_none_is_refused_and_a_page_shows_yesterday(made: Made) -> None:
    stage, app, _ = made
    for wrong in ("x", "", "2026-02-30", "1969-12-31", "2200-01-01", "20260101", "2026-W01-1", "٢٠٢٦-٠١-٠١"):
        for report in ("stock", "cut-off", "stock.csv"):
            assert "is no day" in asked(app, f"/api/v1/audit/{report}", day=wrong, status=400)["detail"]
        for report in ("stock", "cut-off"):
            page = asked(app, f"/operations/{report}", day=wrong)
            assert stage.floor.desk.day_of(stage.world.clock.now_ms() - 86_400_000).isoformat() in page
    assert "Nothing was here" in asked(app, "/operations/stock", day="1999-12-31")
    assert "begins with" in asked(app, "/operations/stock", item="NONE")
    assert "BOLT" in asked(app, "/operations/stock", cursor="x")  # from the beginning


def test_only_supervisors_administrators_and_auditors_see_them(made: Made) -> None:
    _, app, _ = made
    for login, status in (("mona", 403), ("cora", 403), ("sven", 200), ("tess", 200), ("adam", 200)):
        for report in ("stock", "cut-off", "stock.csv"):
            asked(app, f"/api/v1/audit/{report}", login, status)
        client = kit.logged_in(app, login)
        for report in ("stock", "cut-off"):
            assert client.get(f"/operations/{report}").status_code == (422 if status == 403 else 200)
    assert "/operations/stock" not in asked(app, "/operations/", "mona")
    assert "/operations/stock" in asked(app, "/operations/", "sven")


def test_who_may_count_is_told_nothing_of_bins_that_are_being_counted(made: Made) -> None:
    stage, app, _ = made
    asked(app, "/api/v1/audit/stock", "tess")
    session(stage, "A-01")
    found = asked(app, "/api/v1/audit/stock", "tess")
    assert [row["item"] for row in found["rows"]] == ["PAINT"] and found["left_out"] == 1
    assert found["rows"][0]["in_transit"] is None
    assert "BOLT" not in asked(app, "/api/v1/audit/stock.csv", "tess")
    page = asked(app, "/operations/stock", "tess")
    assert "BOLT" not in page and "1 bin is being counted" in page
    assert len(asked(app, "/api/v1/audit/stock", "sven")["rows"]) == 2
