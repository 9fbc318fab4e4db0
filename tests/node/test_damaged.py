"""Goods that arrive damaged are held from then on: a part of each line, in receipts, transfers and counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.documents import Document
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.moves import STATUSES
from tests.node.floor_kit import GTINS, PIN, Stage
from tests.node.test_transfers import TWO, accept, dispatch, tell

TEN = {"item": "BOLT", "quantity": 10}


def lies(stage: Stage, location: str) -> dict[tuple[str, str], int]:
    """By item and status."""
    with stage.site.reading() as connection:
        rows = connection.execute(
            "SELECT item, status, SUM(quantity) FROM stock WHERE location = ? AND quantity > 0 GROUP BY item, status",
            (location,),
        ).fetchall()
    return {(row[0], STATUSES[row[1]]): int(row[2]) for row in rows}


def part(stage: Stage, who: str = "mona", **line: Any) -> dict[str, Any]:
    return stage.floor.stock.part(stage.op(), stage.as_(who), {"held": "damage", **line})


def enter(stage: Stage, **line: Any) -> dict[str, Any]:
    return stage.floor.stock.enter(stage.op(), stage.as_("mona"), line)


def begun(stage: Stage, kind: str = "receive") -> None:
    stage.floor.stock.begin(stage.op(), stage.as_("mona"), {"kind": kind, "target": "A-01"})


def screen(stage: Stage, who: str = "mona") -> dict[str, Any]:
    with stage.site.reading() as connection:
        found = stage.floor.counting.screen(connection, stage.as_(who))
    assert found is not None
    return found


def document_of(stage: Stage, op: OpId) -> Document:
    with stage.site.reading() as connection:
        row = connection.execute("SELECT document FROM journal WHERE op_id = ?", (op.raw,)).fetchone()
    return Document.decode(bytes(row[0]))


def test_a_part_of_a_received_line_arrives_held_and_says_why(stage: Stage) -> None:
    begun(stage)
    enter(stage, **TEN)
    held = part(stage, item="BOLT", quantity=3)
    assert (held["item"], held["status"], held["counted"]) == ("BOLT", "damage", 3)
    shown = [(line.get("status", "free"), line["counted"]) for line in screen(stage)["lines"]]
    assert shown == [("free", 7), ("damage", 3)]
    op = stage.op()
    stage.floor.stock.finish(op, stage.as_("mona"), {})
    assert lies(stage, "A-01") == {("BOLT", "free"): 7, ("BOLT", "damage"): 3}
    assert document_of(stage, op).line_reasons == {1: ("damaged",)} and document_of(stage, op).reasons == ()
    with stage.site.reading() as connection:
        [held] = stage.floor.holds.waiting(connection, stage.as_("sven"))
    [origin] = held["origins"]
    assert (origin["op_id"], held["status"], held["quantity"]) == (str(op), "damage", 3)
    release = {"hold": str(op), "lines": [{"line": origin["line"], "quantity": 3, "location": "A-01"}]}
    stage.floor.holds.release(stage.op(), stage.as_("sven"), release, PIN)
    assert lies(stage, "A-01") == {("BOLT", "free"): 10}


def test_a_part_is_taken_back_whole_and_is_never_more_than_the_line(stage: Stage) -> None:
    begun(stage)
    enter(stage, **TEN)
    with pytest.raises(Rejected, match="not that much"):
        part(stage, item="BOLT", quantity=11)
    part(stage, item="BOLT", quantity=3)
    part(stage, item="BOLT", quantity=2, held="quality")
    undo = stage.floor.counting.undo
    undo(stage.op(), stage.as_("mona"), {})
    assert [line["counted"] for line in screen(stage)["lines"]] == [7, 3]
    undo(stage.op(), stage.as_("mona"), {})
    assert [line["counted"] for line in screen(stage)["lines"]] == [10]
    undo(stage.op(), stage.as_("mona"), {})
    assert screen(stage)["lines"] == []


def test_a_damaged_piece_stays_one_piece(stage: Stage) -> None:
    begun(stage)
    enter(stage, item="DRILL", serial="SN-1", quantity=1)
    part(stage, item="DRILL", serial="SN-1", quantity=1)
    with pytest.raises(Rejected, match="one piece"):
        enter(stage, item="DRILL", serial="SN-1", quantity=1)
    stage.floor.stock.finish(stage.op(), stage.as_("mona"), {})
    assert lies(stage, "A-01") == {("DRILL", "damage"): 1}


def test_that_goods_are_damaged_does_not_explain_that_too_many_came(stage: Stage) -> None:
    delivery = {"delivery": "PO-1", "supplier": "ACME", "lines": [TEN]}
    stage.floor.deliveries.expect(stage.op(), stage.as_("mona"), delivery)
    begun(stage)
    enter(stage, item="BOLT", quantity=12)
    part(stage, item="BOLT", quantity=5)
    with pytest.raises(Rejected, match="give a reason"):
        stage.floor.stock.finish(stage.op(), stage.as_("mona"), {"delivery": "PO-1"})
    stage.floor.stock.finish(stage.op(), stage.as_("mona"), {"delivery": "PO-1", "reasons": ["over"]})
    assert lies(stage, "A-01") == {("BOLT", "free"): 7, ("BOLT", "damage"): 5}


def test_held_goods_are_put_away_as_such(stage: Stage) -> None:
    stage.receive(TEN, {"item": "BOLT", "quantity": 4, "status": "damage"})
    stage.floor.stock.begin(stage.op(), stage.as_("mona"), {"kind": "move", "source": "A-01", "target": "A-02"})
    enter(stage, item="BOLT", quantity=4, status="damage")
    stage.floor.stock.finish(stage.op(), stage.as_("mona"), {})
    assert (lies(stage, "A-01"), lies(stage, "A-02")) == ({("BOLT", "free"): 10}, {("BOLT", "damage"): 4})


def test_a_date_said_again_replaces_the_one_before(stage: Stage) -> None:
    begun(stage)
    for expiry in ("2029-12-31", "2028-06-30"):
        enter(stage, item="PAINT", lot="L1", quantity=5, expiry=expiry)
    assert screen(stage)["lines"][0]["expiry"] == "2028-06-30"
    stage.floor.counting.undo(stage.op(), stage.as_("mona"), {})
    assert screen(stage)["lines"][0]["expiry"] == "2029-12-31"


def test_an_unknown_code_in_a_receipt_becomes_a_line_like_any_other(stage: Stage) -> None:
    begun(stage)
    stage.floor.people.bind_device(stage.as_("mona"), "gun")
    parked = stage.scan("WHAT-IS-THIS")
    wish = {"park": parked["park"], "item": "PAINT", "lot": "L1", "expiry": "2029-12-31", "amount": "5"}
    stage.floor.parking.resolve(stage.op(), stage.as_("mona"), wish)
    assert enter(stage, item="PAINT", lot="L1", quantity=6)["counted"] == 6
    [line] = screen(stage)["lines"]
    assert (line["counted"], line["expiry"], line["place"]) == (6, "2029-12-31", "A-01")
    stage.floor.stock.finish(stage.op(), stage.as_("mona"), {})
    assert lies(stage, "A-01") == {("PAINT", "free"): 6}


# ---------------------------------------------------------------- transfers


def test_a_damaged_part_of_a_transfer_comes_in_held(furnish: Callable[..., Stage]) -> None:
    oslo, bergen = furnish("oslo", people=TWO), furnish("bergen", people=TWO)
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    with pytest.raises(Rejected, match="more is damaged than came"):
        accept(bergen, transfer, {"index": 0, "quantity": 2, "damaged": 3})
    with pytest.raises(Rejected, match="missing: give a reason"):
        accept(bergen, transfer, {"index": 0, "quantity": 20, "damaged": 5, "missing": 4})
    short = {"index": 0, "quantity": 20, "damaged": 5, "missing": 4, "reasons": ["short"]}
    answer = accept(bergen, transfer, short, {"index": 1, "quantity": 4, "damaged": 4})
    assert lies(bergen, "DOCK") == {("BOLT", "free"): 15, ("BOLT", "damage"): 5, ("PAINT", "damage"): 4}
    assert document_of(bergen, OpId.parse(answer["op_id"])).line_reasons == {
        0: ("short",), 1: ("damaged",), 2: ("damaged",),
    }  # fmt: skip
    with bergen.site.reading() as connection:
        assert bergen.floor.transfers.coming(connection) == []
        missing = connection.execute("SELECT SUM(quantity), SUM(missing) FROM acceptance_lines").fetchone()
    assert missing == (24, 4)
    # Nobody holds what a transfer brought damaged: a hold of it for quality is what another person can release.
    hold = bergen.op()
    line = {"item": "BOLT", "quantity": 5, "status": "damage", "location": "DOCK"}
    body = {"held": "quality", "lines": [line], "reasons": ["tested"]}
    bergen.floor.stock.hold(hold, bergen.as_("mona"), body)
    release = {"hold": str(hold), "lines": [{"line": 1, "quantity": 5, "location": "DOCK"}]}
    bergen.floor.holds.release(bergen.op(), bergen.as_("sven"), release, PIN)
    assert lies(bergen, "DOCK")["BOLT", "free"] == 20
    for stage in (oslo, bergen):
        stage.site.close()
        stage.journal.close()


# ---------------------------------------------------------------- counts


def counting(stage: Stage) -> str:
    body = {"name": "Count", "bins": ["A-01"], "rule": {"control_percent": 0, "rounds_max": 1}}
    session = stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)["session"]
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    return str(session)


def counted(stage: Stage) -> list[tuple[str, str, int, int]]:
    stage.floor.counting.close_bin(stage.op(), stage.as_("cora"), {"bin": "A-01", "confirm": True})
    with stage.site.reading() as connection:
        rows = connection.execute("SELECT item, status, counted, expected FROM count_lines ORDER BY line").fetchall()
    return [(row[0], STATUSES[row[1]], row[2], row[3]) for row in rows]


def test_a_counted_part_is_held_and_posted_as_such(stage: Stage) -> None:
    stage.receive(TEN)
    session = counting(stage)
    for _ in range(2):
        stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 10})
    part(stage, "cora", item="BOLT", quantity=2, bin="A-01")
    with pytest.raises(Rejected, match="you are busy with"):
        part(stage, "cora", item="BOLT", quantity=2, bin="A-02")
    lines = [(line.get("status"), line["counted"]) for line in screen(stage, "cora")["lines"]]
    assert lines == [(None, 8), ("damage", 2)]
    assert counted(stage) == [("BOLT", "free", 8, 10), ("BOLT", "damage", 2, 0)]
    wish = {"session": session, "bin": "A-01", "reason": "miscounted-before"}
    stage.floor.counting.posting.approve(stage.op(), stage.as_("tess"), wish, PIN)
    assert lies(stage, "A-01") == {("BOLT", "free"): 8, ("BOLT", "damage"): 2}


def test_what_is_said_to_be_damaged_is_not_looked_for_among_the_rest(stage: Stage) -> None:
    stage.receive(TEN, {"item": "BOLT", "quantity": 2, "status": "damage"})
    counting(stage)
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 12})
    part(stage, "cora", item="BOLT", quantity=2, bin="A-01")
    assert counted(stage) == [("BOLT", "free", 10, 10), ("BOLT", "damage", 2, 2)]


def test_a_piece_said_to_be_damaged_is_not_counted_again(stage: Stage) -> None:
    counting(stage)
    label = f"]C101{GTINS['DRILL']}21S-1"
    assert stage.scan(label)["counted"] == 1
    part(stage, "cora", item="DRILL", serial="S-1", quantity=1, bin="A-01")
    stage.world.clock.advance(60_000)
    assert stage.scan(label).get("repeated") is True
    assert counted(stage) == [("DRILL", "damage", 1, 0)]
