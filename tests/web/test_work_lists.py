"""What waits on the floor comes a page at a time, however much it is: holds, deliveries, orders, pick lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from node import streams
from tests.node.floor_kit import Stage
from tests.web import kit
from tests.web.test_large import Asked
from tests.web.test_paging import API, rows_of

Made = tuple[Stage, Flask]
HELD = (("A-01", "damage"), ("DOCK", "damage"), ("A-01", "expired"), ("A-02", "quality"), ("A-01", "quality"))
DAYS = ("2026-05-02", "", "2026-05-01", "2026-05-02", "")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        fill(stage)
        yield stage, app


def fill(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 100})
    who, line = stage.as_("mona"), {"item": "BOLT", "quantity": 1}
    for bin_ in ("A-02", "DOCK"):
        stage.floor.stock.move(stage.op(), who, {"lines": [line], "source": "A-01", "target": bin_})
    with stage.site.writing() as connection:
        for number, due in enumerate(DAYS):
            day = {"due": due} if due else {}
            streams.put(connection, "orders", f"SO-{number}", {"lines": [["BOLT", 5]], **day})
            told = {"supplier": "ACME", "lines": [["BOLT", 5, "", ""]], **day}
            streams.put(connection, "deliveries", f"D-{number}", told)
    for number, (bin_, status) in enumerate(HELD):
        hold = {"held": status, "lines": [{**line, "location": bin_}], "reasons": ["damaged"]}
        stage.floor.stock.hold(stage.op(), who, hold)
        wish = {"delivery": f"OWN-{number}", "supplier": "ACME", "lines": [line]}
        stage.floor.deliveries.expect(stage.op(), who, wish)
        stage.floor.picking.open(stage.op(), who, {"order": f"P-{number}", "lines": [line]})
        stage.world.clock.advance(500 * (number % 2))


KEYS = {"holds/": ("location", "status"), "deliveries/": ("delivery",), "orders/": ("order",), "picks/": ("list",)}


@pytest.mark.parametrize("path", KEYS)
def test_pages_together_are_the_whole_list(made: Made, path: str) -> None:
    client = kit.logged_in(made[1], "mona")
    whole = list(rows_of(client, path, 200))
    assert len(whole) == (10 if path == "deliveries/" else 5)
    for limit in (1, 2, 3):
        assert list(rows_of(client, path, limit)) == whole
    assert len({tuple(row[name] for name in KEYS[path]) for row in whole}) == len(whole)
    assert client.get(f"{API}/{path}", query_string={"limit": 201}).status_code == 400
    assert client.get(f"{API}/{path}", query_string={"cursor": "x"}).status_code == 400


def test_what_is_due_comes_first(made: Made) -> None:
    client = kit.logged_in(made[1], "mona")
    assert [row["order"] for row in rows_of(client, "orders/", 2)] == ["SO-2", "SO-0", "SO-3", "SO-1", "SO-4"]
    assert [row["delivery"] for row in rows_of(client, "deliveries/", 3)][:4] == ["D-2", "D-0", "D-3", "D-1"]


def test_what_ends_meanwhile_hides_no_other(made: Made) -> None:
    stage, app = made
    client = kit.logged_in(app, "mona")
    seen = []
    for row in rows_of(client, "picks/", 2):
        seen.append(row["order"])
        stage.floor.picking.cancel(stage.op(), stage.as_("mona"), {"list": row["list"], "reason": "later"})
    assert seen == [f"P-{number}" for number in range(5)]


def test_holds_and_pick_lists_are_led_to_by_an_index(made: Made) -> None:
    stage, _ = made
    reader = stage.site.reader()
    asked = Asked(reader)
    stage.floor.holds.waiting(asked, stage.as_("mona"))  # type: ignore[arg-type]
    stage.floor.picking.lists(asked, stage.as_("mona"))  # type: ignore[arg-type]
    # The pieces of one line are sorted among themselves, and no more is read for that than is shown.
    sorts = [plan.replace("B-TREE FOR LAST TERM", "") for plan in asked.plans]
    assert not [plan for plan in sorts if "TEMP B-TREE" in plan]
    for index in ("stock_held", "movements_held", "pick_lists_open"):
        assert any(f"INDEX {index} (" in plan for plan in asked.plans), asked.plans
    reader.close()
