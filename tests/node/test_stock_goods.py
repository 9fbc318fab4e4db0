"""Goods held and released, relabelled, issued, scrapped, sent back, returned, and moved with their unit."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.documents import Document
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.moves import DAMAGE
from tests.node.floor_kit import PIN, Stage


def held(stage: Stage, location: str, item: str, status: int = DAMAGE) -> int:
    with stage.site.reading() as connection:
        (total,) = connection.execute(
            "SELECT COALESCE(SUM(quantity), 0) FROM stock WHERE location = ? AND item = ? AND status = ?",
            (location, item, status),
        ).fetchone()
    return int(total)


def hold(stage: Stage, quantity: int = 4, **more: Any) -> OpId:
    op = stage.op()
    line = {"item": "BOLT", "quantity": quantity}
    body = {"held": "damage", "location": "A-01", "lines": [line], "reasons": ["crushed"], **more}
    for _ in range(2):
        assert stage.floor.stock.hold(op, stage.as_("mona"), body) == {"op_id": str(op), "state": "recorded"}
    return op


def waiting(stage: Stage, who: str) -> list[dict[str, Any]]:
    with stage.site.reading() as connection:
        return stage.floor.holds.waiting(connection, stage.as_(who))


def document_of(stage: Stage, op: OpId) -> Document:
    with stage.site.reading() as connection:
        row = connection.execute("SELECT document FROM journal WHERE op_id = ?", (op.raw,)).fetchone()
    return Document.decode(bytes(row[0]))


def test_held_goods_stay_until_another_person_signs_their_release(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 10})
    op = hold(stage)
    assert (held(stage, "A-01", "BOLT"), held(stage, "A-01", "BOLT", 0)) == (4, 6)
    issue = {"lines": [{"item": "BOLT", "quantity": 7}], "source": "A-01", "order": "SO-1", "reasons": ["urgent"]}
    with pytest.raises(Rejected, match="not enough stock"):
        stage.floor.stock.issue(stage.op(), stage.as_("mona"), issue)
    line = {"item": "BOLT", "quantity": 3, "status": "damage"}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [line], "source": "A-01", "target": "DOCK"})
    shown = waiting(stage, "sven")
    assert [(row["location"], row["quantity"]) for row in shown] == [("A-01", 1), ("DOCK", 3)]
    for row in shown:
        by = {"op_id": str(op), "call": "hold", "by": "Mona", "own": False}
        assert row["origins"] == [{**by, "line": 1, "quantity": row["quantity"]}]
    body = {"hold": str(op), "lines": [{"line": 1, "quantity": 3, "location": "DOCK"}], "order": "QA-77"}
    with pytest.raises(Rejected, match="APPROVE"):
        stage.floor.holds.release(stage.op(), stage.as_("mona"), body, PIN)
    with pytest.raises(Rejected, match="PIN is wrong"):
        stage.floor.holds.release(stage.op(), stage.as_("sven"), body, "000111")
    done = stage.op()
    for _ in range(2):
        assert stage.floor.holds.release(done, stage.as_("sven"), body, PIN)["state"] == "recorded"
    assert document_of(stage, done).references == {"order": "QA-77"}
    assert (held(stage, "DOCK", "BOLT"), held(stage, "DOCK", "BOLT", 0)) == (0, 3)
    again = {"hold": str(op), "lines": [{"line": 1, "quantity": 2, "location": "A-01"}]}
    with pytest.raises(Rejected, match="more than is left"):
        stage.floor.holds.release(stage.op(), stage.as_("sven"), again, PIN)


def test_a_hold_says_why_and_what_it_is(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 10})
    body = {"held": "damage", "lines": [{"item": "BOLT", "quantity": 1, "location": "A-01"}]}
    with pytest.raises(Rejected, match="reason is needed"):
        stage.floor.stock.hold(stage.op(), stage.as_("mona"), body)
    with pytest.raises(Rejected, match="expected quality, damage, expired"):
        stage.floor.stock.hold(stage.op(), stage.as_("mona"), {**body, "held": "free", "reasons": ["x"]})
    with pytest.raises(Rejected, match="needs its location"):
        nowhere = {"held": "damage", "lines": [{"item": "BOLT", "quantity": 1}], "reasons": ["x"]}
        stage.floor.stock.hold(stage.op(), stage.as_("mona"), nowhere)
    with pytest.raises(Rejected, match="HOLD"):
        stage.floor.stock.hold(stage.op(), stage.as_("cora"), {**body, "reasons": ["x"]})
    with pytest.raises(Rejected, match="holds nothing by its line 0"):
        free = {"hold": str(hold(stage)), "lines": [{"line": 0, "quantity": 1, "location": "A-01"}]}
        stage.floor.holds.release(stage.op(), stage.as_("sven"), free, PIN)


def test_a_return_names_its_origin_and_arrives_held(stage: Stage) -> None:
    mona, op = stage.as_("mona"), stage.op()
    body = {"origin": "customer", "target": "DOCK", "lines": [{"item": "BOLT", "quantity": 2}]}
    with pytest.raises(Rejected, match="document number"):
        stage.floor.stock.receive(stage.op(), mona, body)
    lines = [{"item": "BOLT", "quantity": 2}, {"item": "DRILL", "serial": "S1", "quantity": 1, "status": "damage"}]
    stage.floor.stock.receive(op, mona, {**body, "lines": lines, "return_of": "SO-1"})
    assert document_of(stage, op).references == {"return-of": "SO-1"}
    assert (held(stage, "DOCK", "BOLT", 1), held(stage, "DOCK", "DRILL")) == (2, 1)
    assert [(each["item"], each["status"], each["origins"][0]["line"]) for each in waiting(stage, "sven")] == [
        ("BOLT", "quality", 0), ("DRILL", "damage", 1)
    ]  # fmt: skip
    body = {"hold": str(op), "lines": [{"line": 1, "quantity": 1, "location": "DOCK"}]}
    stage.floor.holds.release(stage.op(), stage.as_("sven"), body, PIN)
    assert held(stage, "DOCK", "DRILL", 0) == 1


def test_a_new_label_has_another_lot_or_another_expiry(stage: Stage) -> None:
    mona = stage.as_("mona")
    stage.receive({"item": "PAINT", "lot": "L1", "quantity": 5, "expiry": "2027-03-31"})
    line = {"item": "PAINT", "lot": "L1", "quantity": 2, "location": "A-01"}
    with pytest.raises(Rejected, match="on the goods already"):
        stage.floor.stock.relabel(stage.op(), mona, {"lot": "L1", "lines": [line], "reasons": ["faded"]})
    anew = {"lot": "L2", "expiry": "2027-06-30", "lines": [line], "reasons": ["wrong-label"]}
    stage.floor.stock.relabel(stage.op(), mona, anew)
    with stage.site.reading() as connection:
        rows = connection.execute("SELECT lot, quantity FROM stock WHERE location = 'A-01' ORDER BY lot").fetchall()
        assert [tuple(row) for row in rows] == [("L1", 3), ("L2", 2)]
        days = connection.execute("SELECT lot, expiry FROM lots ORDER BY lot").fetchall()
        assert [tuple(row) for row in days] == [("L1", "2027-03-31"), ("L2", "2027-06-30")]


def test_goods_leave_to_a_customer_with_an_order_or_a_reason(stage: Stage) -> None:
    mona = stage.as_("mona")
    stage.receive({"item": "BOLT", "quantity": 10})
    body = {"lines": [{"item": "BOLT", "quantity": 4}], "source": "A-01"}
    with pytest.raises(Rejected, match="reason is needed"):
        stage.floor.stock.issue(stage.op(), mona, body)
    op = stage.op()
    stage.floor.stock.issue(op, mona, {**body, "order": "SO-4711", "reasons": ["urgent"]})
    assert document_of(stage, op).references == {"order": "SO-4711"}
    assert (stage.stock("A-01", "BOLT"), stage.stock("CUSTOMER", "BOLT")) == (6, 4)
    gone = {**body, "lines": [{"item": "BOLT", "quantity": 40}], "order": "SO-2", "happened": True}
    assert stage.floor.stock.issue(stage.op(), mona, gone)["exception"] is True
    back = stage.op()
    stage.floor.stock.reverse(back, mona, {"of": str(op), "reasons": ["mistake"]})
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(back)}, PIN)
    assert (stage.stock("A-01", "BOLT"), stage.stock("CUSTOMER", "BOLT")) == (10, 0)


def test_held_goods_are_scrapped_or_sent_back_with_a_second_signature(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 10})
    hold(stage)
    line = {"item": "BOLT", "quantity": 2, "status": "damage"}
    body = {"lines": [line], "source": "A-01", "reasons": ["crushed"]}
    scrap, back = stage.op(), stage.op()
    assert stage.floor.stock.scrap(scrap, stage.as_("mona"), body)["state"] == "proposed"
    with pytest.raises(Rejected, match="supplier"):
        stage.floor.stock.send_back(stage.op(), stage.as_("mona"), body)
    stage.floor.stock.send_back(back, stage.as_("mona"), {**body, "supplier": "ACME", "origin": "DN-1"})
    for proposal in (scrap, back):
        stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(proposal)}, PIN)
    assert [held(stage, place, "BOLT") for place in ("SHRINKAGE", "SUPPLIER", "A-01")] == [2, 2, 0]
    assert document_of(stage, back).references == {"supplier": "ACME", "origin": "DN-1"}


def test_what_has_another_call_is_not_reversed(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 10})
    with pytest.raises(Rejected, match="is a hold: that cannot be reversed"):
        stage.floor.stock.reverse(stage.op(), stage.as_("mona"), {"of": str(hold(stage)), "reasons": ["mistake"]})


def test_a_unit_is_made_filled_moved_and_taken_out_of_use(stage: Stage) -> None:
    mona, stock = stage.as_("mona"), stage.floor.stock
    stage.receive({"item": "BOLT", "quantity": 10})
    stock.move_units(stage.op(), mona, {"units": [{"unit": "PAL-7"}], "target": "A-01"})
    move = {"lines": [{"item": "BOLT", "quantity": 6}], "source": "A-01", "target": "PAL-7"}
    stock.move(stage.op(), mona, move)
    op = stage.op()
    for _ in range(2):
        stock.move_units(op, mona, {"units": [{"unit": "PAL-7", "target": "DOCK"}]})
    with stage.site.reading() as connection:
        assert connection.execute("SELECT parent FROM locations WHERE location = 'PAL-7'").fetchone() == ("DOCK",)
    assert stage.stock("PAL-7", "BOLT") == 6
    with pytest.raises(Rejected, match="at least one unit"):
        stock.move_units(stage.op(), mona, {"units": [], "happened": True})
    for units, target, why in (
        (["PAL-7"], "DOCK", "stands in DOCK already"),
        (["PAL-7"], "", "is not empty"),
        (["A-01"], "DOCK", "is no handling unit"),
        (["PAL-7"], "PAL-7", "circle"),
        (["PAL-7"], "NOWHERE", "is not known here"),
    ):
        with pytest.raises(Rejected, match=why):
            stock.move_units(stage.op(), mona, {"units": [{"unit": unit} for unit in units], "target": target})
    stock.move(stage.op(), mona, {**move, "source": "PAL-7", "target": "DOCK"})
    stock.move_units(stage.op(), mona, {"units": [{"unit": "PAL-7"}]})
    with stage.site.reading() as connection:
        assert connection.execute("SELECT parent FROM locations WHERE location = 'PAL-7'").fetchone() == ("",)


def test_a_counter_learns_nothing_of_a_bin_in_a_count(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 10})
    op = hold(stage)
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), {"name": "now", "bins": ["A-01"]})
    assert [each["item"] for each in waiting(stage, "sven")] == ["BOLT"]
    assert waiting(stage, "tess") == []
    body = {"hold": str(op), "lines": [{"line": 1, "quantity": 99, "location": "A-01"}]}
    with pytest.raises(Rejected, match="A-01 is being counted"):
        stage.floor.holds.release(stage.op(), stage.as_("tess"), body, PIN)
