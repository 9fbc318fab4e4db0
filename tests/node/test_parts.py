"""Documents of more lines than one transaction carries: one act, all or nothing, shown as one."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ledger import control
from ledger.documents import Document, booking_op_id, part_op_id
from ledger.errors import Rejected
from ledger.seams import Killed, arm_failpoint, disarm_failpoints
from node import audit, tasks
from node.parts import DOCUMENT_LINES_MAX
from node.tasks import Cause, Thing
from tests.node.floor_kit import PIN, Stage

WHOLE = 450
Body = dict[str, Any]


@pytest.fixture
def stage(stage: Stage) -> Stage:
    items = tuple(control.Item(item=sku(n), tracking=control.TRACK_NONE, unit="pc", decimals=0) for n in range(200))
    assert stage.world.send(stage.site, control.ItemsPayload(items=items)) == 1
    return stage


def sku(number: int) -> str:
    return f"N-{number % 200:03}"


def lines(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"item": sku(n), "quantity": 1 + n // 200, **more} for n in range(count)]


def seal_all(stage: Stage) -> None:
    while stage.site.pending_count():
        stage.world.clock.advance(2_000)
        stage.site.seal()


def total(stage: Stage, location: str) -> int:
    with stage.site.reading() as connection:
        (found,) = connection.execute("SELECT SUM(quantity) FROM stock WHERE location = ?", (location,)).fetchone()
    return int(found or 0)


def calls_of(stage: Stage) -> list[str]:
    with stage.site.reading() as connection:
        return [
            str(row[0]) for row in connection.execute("SELECT call FROM operations ORDER BY height, place").fetchall()
        ]


def in_journal(stage: Stage) -> list[bytes]:
    with stage.site.reading() as connection:
        return [bytes(row[0]) for row in connection.execute("SELECT document FROM journal ORDER BY sequence")]


def test_a_large_receipt_is_one_act_of_several_parts_which_take_effect_together(stage: Stage) -> None:
    op = stage.op()
    body: Body = {"target": "DOCK", "delivery_note": "DN-1", "supplier": "ACME", "lines": lines(WHOLE)}
    body["lines"][449] |= {"reasons": ["unannounced"]}
    before = len(calls_of(stage))
    first = stage.floor.stock.receive(op, stage.as_("mona"), body)
    assert first == {"op_id": str(op), "state": "recorded", "parts": 3}
    assert calls_of(stage)[before:] == ["record_part"] * 3 + ["book_part"] * 3
    assert total(stage, "DOCK") == sum(line["quantity"] for line in body["lines"])
    said = [Document.decode(raw) for raw in in_journal(stage) if raw]
    assert [(each.part.whole, each.part.number, each.part.count) for each in said if each.part] == [
        (op, number, 3) for number in (1, 2, 3, 1, 2, 3)
    ]
    assert said[2].line_reasons == {49: ("unannounced",)} and said[5] == said[2]
    assert said[0].references == {"supplier": "ACME", "delivery-note": "DN-1"}
    # The same wish again is the same act; another one under its op_id is none.
    assert stage.floor.stock.receive(op, stage.as_("mona"), body) == first
    with pytest.raises(Rejected, match="something else"):
        stage.floor.stock.receive(op, stage.as_("mona"), {**body, "lines": lines(WHOLE - 1)})
    assert len(calls_of(stage)) == before + 6
    again = stage.floor.stock.receive(stage.op(), stage.as_("mona"), body)
    assert "received before" in again["ask"]


def test_a_large_document_is_shown_as_one_and_says_how_far_all_of_it_has_come(stage: Stage) -> None:
    op, mona = stage.op(), stage.as_("mona")
    stage.floor.stock.receive(op, mona, {"target": "DOCK", "lines": lines(1000)})
    stage.world.clock.advance(2_000)
    with stage.site.reading() as connection:
        shown = stage.floor.lookups.operation(connection, mona, op)
    assert (shown["op_id"], shown["call"], shown["by"], shown["state"]) == (str(op), "receive", "Mona", "recorded")
    assert len(shown["lines"]) == 1000 and [part["number"] for part in shown["parts"]] == [1, 2, 3, 4, 5]
    stage.site.seal()
    with stage.site.reading() as connection:
        shown = stage.floor.lookups.operation(connection, mona, op)
        one = stage.floor.lookups.operation(connection, mona, booking_op_id(op, 1))
    states = [part["state"] for part in shown["parts"]]
    assert shown["state"] == "recorded" and states[0] == "sealed" and states[-1] == "recorded"
    assert one["part_of"] == {"op_id": str(op), "number": 1, "count": 5} and len(one["lines"]) == 200
    seal_all(stage)
    assert stage.site.proof_state(op) == "sealed"
    with pytest.raises(Rejected, match=r"5 parts.*receipt"):
        stage.site.receipt(op)
    assert stage.site.receipt(booking_op_id(op, 3))


def test_blocks_in_parts_replay_and_verify(stage: Stage) -> None:
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), {"target": "DOCK", "lines": lines(1000)})
    waiting = audit.verify(stage.world.folder, stage.world.identity)
    assert waiting.unsealed >= 10
    again = stage.restart()
    try:
        assert total(again, "DOCK") == 3000
        seal_all(again)
        whole = audit.verify(again.world.folder, again.world.identity)
        assert whole.unsealed == 0 and whole.operations == waiting.operations + waiting.unsealed
    finally:
        stage.site, stage.journal = again.site, again.journal


def test_nothing_of_it_is_there_when_one_line_is_refused_or_the_power_fails(stage: Stage) -> None:
    mona, before = stage.as_("mona"), len(calls_of(stage))
    stage.floor.stock.receive(stage.op(), mona, {"target": "DOCK", "lines": lines(400)})
    whole = len(calls_of(stage))
    wish: Body = {"source": "DOCK", "target": "A-02", "lines": lines(400)}
    wish["lines"][399] |= {"quantity": 999}
    op = stage.op()
    with pytest.raises(Rejected, match=r"lines 200 to 399: .*not enough"):
        stage.floor.stock.move(op, mona, wish)
    assert (len(calls_of(stage)), total(stage, "A-02")) == (whole, 0)
    wish["lines"][399] |= {"quantity": 2}
    passed = itertools.count(1)

    def die(_: str) -> None:
        if next(passed) == 3:
            raise Killed

    arm_failpoint("record.before_commit", die)
    try:
        with pytest.raises(Killed):
            stage.floor.stock.move(op, mona, wish)
    finally:
        disarm_failpoints()
    again = stage.restart()
    stage.site, stage.journal, stage.floor = again.site, again.journal, again.floor
    assert (len(calls_of(again)), total(again, "A-02")) == (whole, 0) and before < whole
    assert again.floor.stock.move(op, again.as_("mona"), wish)["parts"] == 2
    assert (total(again, "DOCK"), total(again, "A-02")) == (0, 600)


def test_what_happened_and_cannot_be_booked_is_an_exception_for_its_lines_only(stage: Stage) -> None:
    mona = stage.as_("mona")
    stage.floor.stock.receive(stage.op(), mona, {"target": "DOCK", "lines": lines(400)})
    wish: Body = {"source": "DOCK", "target": "A-02", "happened": True, "lines": lines(400)}
    wish["lines"][300] |= {"quantity": 999}
    op = stage.op()
    answer = stage.floor.stock.move(op, mona, wish)
    assert answer == {"op_id": str(op), "state": "recorded", "parts": 3, "exception": True}
    assert total(stage, "A-02") == 600 - 2
    with stage.site.reading() as connection:
        shown = stage.floor.lookups.operation(connection, mona, op)
        assert "DOCK" in stage.floor.lookups.suspects(connection)
    assert [part["exception"] for part in shown["parts"]] == [False, False, True]
    assert stage.site.find(booking_op_id(op, 3)) is not None


def test_limits_of_large_documents_are_said(stage: Stage) -> None:
    mona = stage.as_("mona")
    with pytest.raises(Rejected, match=f"at most {DOCUMENT_LINES_MAX} fit"):
        stage.floor.stock.receive(stage.op(), mona, {"target": "DOCK", "lines": lines(DOCUMENT_LINES_MAX + 1)})
    with pytest.raises(Rejected, match="at most 200 fit"):
        body = {"reasons": ["lost"], "lines": [{"item": sku(1), "change": 1, "location": "A-01"}] * 201}
        stage.floor.stock.adjust(stage.op(), mona, body)
    op = stage.op()
    stage.floor.stock.receive(op, mona, {"target": "DOCK", "lines": lines(201)})
    with pytest.raises(Rejected, match="2 parts"):
        stage.floor.stock.reverse(stage.op(), mona, {"of": str(op), "reasons": ["wrong"]})
    answer = stage.floor.stock.reverse(stage.op(), mona, {"of": str(booking_op_id(op, 2)), "reasons": ["wrong"]})
    assert answer["state"] == "proposed"


def test_a_delivery_and_a_limit_see_all_parts_of_a_receipt(stage: Stage) -> None:
    mona = stage.as_("mona")
    wanted = [{"item": sku(n), "quantity": 3} for n in range(200)]
    stage.floor.deliveries.expect(stage.op(), mona, {"delivery": "D-7", "supplier": "ACME", "lines": wanted})
    answer = stage.floor.stock.receive(
        stage.op(), mona, {"target": "DOCK", "delivery": "D-7", "lines": lines(400)}
    )  # fmt: skip
    assert answer["open"] == {} and answer["parts"] == 2


def test_a_large_dispatch_is_several_transfers_of_one_act(stage: Stage) -> None:
    mona, tess = stage.as_("mona"), stage.as_("tess")
    stage.floor.stock.receive(stage.op(), mona, {"target": "DOCK", "lines": lines(400)})
    op, body = stage.op(), {"receiver": "bergen", "source": "DOCK", "lines": lines(400)}
    answer = stage.floor.transfers.dispatch(op, tess, body, PIN)
    names = [part_op_id(op, 1), part_op_id(op, 2)]
    assert answer == {
        "op_id": str(op), "state": "recorded", "transfer": str(names[0]), "transfers": [str(each) for each in names],
    }  # fmt: skip
    assert stage.floor.transfers.dispatch(op, tess, body, PIN) == answer
    assert total(stage, "DOCK") == 0 and total(stage, "IN_TRANSIT") == 600
    with stage.site.reading() as connection:
        leaving = {each["transfer"]: each["quantity"] for each in stage.floor.transfers.leaving(connection)}
    assert leaving == {str(names[0]): 200, str(names[1]): 400}
    said = [Document.decode(raw).part for raw in in_journal(stage)[-2:]]
    assert [(part.whole, part.number, part.count) for part in said if part] == [(op, 1, 2), (op, 2, 2)]


def test_a_large_scanned_receipt_is_sent_in_parts_too(stage: Stage) -> None:
    mona = stage.as_("mona")
    stage.floor.stock.begin(stage.op(), mona, {"kind": "receive", "target": "DOCK"})
    with stage.site.writing() as connection:
        task = tasks.current(connection, mona.actor)
        assert task is not None
        for number in range(250):
            place = ("A-01", "A-02", "DOCK")[number // 100]
            tasks.add(
                connection, task, mona.actor, "scan", Thing(sku(number), "", "", 0, "", place), 1, Cause(at_ms=number)
            )
    answer = stage.floor.stock.finish(stage.op(), mona, {})
    assert answer["parts"] == 2 and total(stage, "DOCK") == 50


def test_the_act_of_a_whole_is_not_forgotten_by_a_node_that_lost_its_answer(stage: Stage) -> None:
    """Without the kept answer the chain still knows the parts: nothing is booked twice."""
    mona, op = stage.as_("mona"), stage.op()
    body: Body = {"target": "DOCK", "occurred_ms": 1_700_000_000_000, "lines": lines(250)}
    stage.floor.stock.receive(op, mona, body)
    with stage.site.writing() as connection:
        connection.execute("DELETE FROM acts WHERE op_id = ?", (op.raw,))
    stage.floor.stock.receive(op, mona, body)
    assert total(stage, "DOCK") == sum(line["quantity"] for line in body["lines"])
