"""Looking up a lot, a piece or something with a long history: the answer is about all of it, not its last page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from ledger import db
from ledger.seams import DiskStorage
from node import audit, listings, store
from tests.node.floor_kit import PIN, Stage
from tests.web import kit
from tests.web.test_large import Asked

Made = tuple[Stage, Flask]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        yield stage, app


def move(stage: Stage, source: str, target: str, **line: Any) -> None:
    wish = {"lines": [{"quantity": 1, "source": source, "target": target, **line}]}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), wish)


def look(app: Flask, path: str, login: str = "sven", status: int = 200, **query: object) -> Any:
    answer = kit.logged_in(app, login).get(f"/api/v1/{path}", query_string=query)
    assert answer.status_code == status, answer.text
    return answer.json


def test_a_piece_says_where_it_is_and_what_happened_to_it_however_long_ago(made: Made) -> None:
    stage, app = made
    stage.receive(
        {"item": "DRILL", "serial": "OLD", "quantity": 1}, {"item": "DRILL", "serial": "NEW", "quantity": 1}
    )
    for number in range(30):
        move(stage, "A-01", "A-02", item="DRILL", serial="NEW") if number % 2 == 0 else move(
            stage, "A-02", "A-01", item="DRILL", serial="NEW"
        )
    found = look(app, "inventory/DRILL", serial="OLD")
    assert found["piece"] == {"location": "A-01", "lot": "", "status": "free"}
    assert [(row["serial"], row["target"], row["by"]) for row in found["moves"]] == [("OLD", "A-01", "Mona")]
    rows = look(app, "inventory/DRILL/history", serial="NEW", limit=20)
    assert len(rows["rows"]) == 20 and {row["serial"] for row in rows["rows"]} == {"NEW"}
    rest = look(app, "inventory/DRILL/history", serial="NEW", limit=20, cursor=rows["next"])
    assert (len(rest["rows"]), rest["next"]) == (11, None)
    assert look(app, "inventory/DRILL")["piece"] is None
    assert "was ever here" in look(app, "inventory/DRILL", status=404, serial="NEVER")["detail"]


def test_a_lot_is_summed_and_listed_by_itself(made: Made) -> None:
    stage, app = made
    stage.receive({"item": "PAINT", "lot": "L1", "quantity": 4}, {"item": "PAINT", "lot": "L2", "quantity": 7})
    move(stage, "A-01", "A-02", item="PAINT", lot="L1")
    found = look(app, "inventory/PAINT", lot="L1")
    assert (found["quantity"], found["free"]) == (4, 4)
    assert [(row["location"], row["quantity"]) for row in found["stock"]] == [("A-01", 3), ("A-02", 1)]
    assert {row["lot"] for row in found["moves"]} == {"L1"} and len(found["moves"]) == 2
    assert look(app, "inventory/PAINT")["quantity"] == 11
    assert look(app, "inventory/PAINT/locations", lot="L2")["rows"][0]["quantity"] == 7


def test_where_a_piece_is_is_not_told_to_a_counter_while_a_count_is_under_way(made: Made) -> None:
    stage, app = made
    stage.receive({"item": "DRILL", "serial": "S1", "quantity": 1})
    wish = {"name": "Blind", "bins": ["DOCK"], "rule": {}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)
    assert look(app, "inventory/DRILL", "cora", serial="S1")["piece"] is None
    assert look(app, "inventory/DRILL", "mona", serial="S1")["piece"]["location"] == "A-01"


def test_a_history_of_a_lot_or_piece_is_led_to_by_an_index(made: Made) -> None:
    stage, _ = made
    reader = stage.site.reader()
    for index, about in (("movements_lot", {"lot": "L1"}), ("movements_serial", {"serial": "S1"})):
        asked = Asked(reader)
        listings.moves_of(asked, "PAINT", (), None, 50, **about)  # type: ignore[arg-type]
        assert any(f"USING INDEX {index}" in plan for plan in asked.plans), asked.plans
        assert not any("TEMP B-TREE" in plan for plan in asked.plans), asked.plans
    reader.close()


def _counted(stage: Stage, bin_: str, *lines: dict[str, Any]) -> None:
    """A count of the whole bin, recorded, and posted by somebody else where nothing differs."""
    counting, cora = stage.floor.counting, stage.as_("cora")
    wish = {"name": "Look", "bins": [bin_], "rule": {"control_percent": 0}}
    session = counting.open_session(stage.op(), stage.as_("sven"), wish)["session"]
    counting.open_bin(stage.op(), cora, {"bin": bin_})
    for line in lines:
        counting.enter(stage.op(), cora, {"mode": "set", **line})
    counting.close_bin(stage.op(), cora, {"bin": bin_, "confirm": True})
    body = {"session": session, "bin": bin_}
    counting.posting.approve(stage.op(), stage.as_("sven"), body, PIN)


def test_counts_without_a_difference_and_exceptions_are_in_the_histories(made: Made) -> None:
    stage, app = made
    stage.receive({"item": "BOLT", "quantity": 5}, {"item": "DRILL", "serial": "S1", "quantity": 1})
    _counted(stage, "A-01", {"item": "BOLT", "quantity": 5}, {"item": "DRILL", "serial": "S1", "quantity": 1})
    line = {"item": "BOLT", "quantity": 2, "source": "A-01", "target": "DOCK"}
    stated = {"location": "A-01", "reason": "not-there", "lines": [line]}
    stage.floor.stock.except_document(stage.op(), stage.as_("mona"), stated)
    rows = look(app, "inventory/BOLT/history")["rows"]
    assert [(row["call"], row["moved"], row["quantity"], row["by"]) for row in rows] == [
        ("except_document", False, 2, "Mona"),
        ("record_count", False, 5, "Cora"),
        ("receive", True, 5, "Mona"),
    ]
    assert {(row["source"], row["target"]) for row in rows if not row["moved"]} == {("A-01", "A-01")}
    [counted, received] = look(app, "inventory/DRILL/history", serial="S1")["rows"]
    assert (counted["call"], received["call"]) == ("record_count", "receive")
    bins = look(app, "locations/A-01/history")["rows"]
    assert [(row["call"], row["item"]) for row in bins][:2] == [("except_document", ""), ("record_count", "")]
    assert len(bins) == 4
    for limit in (1, 2):
        paged = look(app, "locations/A-01/history", limit=limit)
        assert paged["rows"] == bins[:limit]
    # The same from the blocks alone.
    before = stage.site.reader().execute("SELECT * FROM stated").fetchall()
    stage.site.seal()
    audit.rebuild(store.open_writer(stage.world.folder), stage.site.identity)
    assert stage.site.reader().execute("SELECT * FROM stated").fetchall() == before


def test_a_count_that_is_under_way_is_in_no_history_of_a_counter(made: Made) -> None:
    stage, app = made
    stage.receive({"item": "BOLT", "quantity": 5})
    counting, cora = stage.floor.counting, stage.as_("cora")
    wish = {"name": "Blind", "bins": ["A-01"], "rule": {"control_percent": 0, "line_quantity_max": 0}}
    counting.open_session(stage.op(), stage.as_("sven"), wish)
    counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    counting.enter(stage.op(), cora, {"mode": "set", "item": "BOLT", "quantity": 4})
    counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})
    assert look(app, "inventory/BOLT/history", "cora")["rows"] == []
    assert len(look(app, "inventory/BOLT/history", "sven")["rows"]) == 2


def test_a_database_from_before_has_what_was_stated_before(made: Made, tmp_path: Path) -> None:
    stage, _ = made
    stage.receive({"item": "BOLT", "quantity": 5})
    _counted(stage, "A-01", {"item": "BOLT", "quantity": 5})
    line = {"item": "BOLT", "quantity": 2, "source": "A-01", "target": "DOCK"}
    stated = {"location": "A-01", "reason": "not-there", "lines": [line]}
    stage.floor.stock.except_document(stage.op(), stage.as_("mona"), stated)
    reader = stage.site.reader()
    known = reader.execute("SELECT * FROM stated").fetchall()
    assert len(known) == 4
    old = db.create(tmp_path / "old.db", DiskStorage(), page_bytes=store.PAGE_BYTES)
    db.migrate(old, store.STEPS[: store.STEPS.index(store.DERIVED_4)])
    for table in ("operations", "counts", "count_lines", "exceptions", "exception_lines"):
        # Later steps add columns.
        names = ", ".join(str(column[1]) for column in old.execute(f"PRAGMA table_info({table})"))
        rows = reader.execute(f"SELECT {names} FROM {table}").fetchall()
        if rows:
            old.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    db.migrate(old, store.STEPS)
    assert old.execute("SELECT * FROM stated").fetchall() == known
    old.close()
    reader.close()
