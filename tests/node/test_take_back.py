"""A move of one's own is carried back within a minute, by another one that names it; later it takes two people."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from node import openings
from tests.node.floor_kit import GTINS, PIN, Stage

HERE, THERE = {"item": "BOLT", "source": "A-01"}, "A-02"


def moved(stage: Stage, quantity: int = 4, who: str = "mona") -> OpId:
    op = stage.op()
    stage.floor.stock.move(op, stage.as_(who), {"lines": [{**HERE, "quantity": quantity}], "target": THERE})
    return op


def take_back(stage: Stage, of: OpId, who: str = "mona", op_id: OpId | None = None) -> dict[str, Any]:
    return stage.floor.stock.take_back(op_id or stage.op(), stage.as_(who), {"of": str(of)})


@pytest.fixture
def filled(stage: Stage) -> Stage:
    stage.receive({"item": "BOLT", "quantity": 10})
    return stage


def test_the_goods_are_back_and_the_document_names_the_move(filled: Stage) -> None:
    of, op = moved(filled), filled.op()
    assert filled.stock(THERE, "BOLT") == 4
    filled.world.clock.advance(50_000)
    first = take_back(filled, of, op_id=op)
    assert take_back(filled, of, op_id=op) == first  # the answer was lost
    assert (filled.stock("A-01", "BOLT"), filled.stock(THERE, "BOLT")) == (10, 0)
    with filled.site.reading() as connection:
        document = openings.document_of(connection, op)
    assert document is not None and document.references == {"takes-back": str(of)}
    filled.world.clock.advance(2_000)
    filled.site.seal()
    with pytest.raises(Rejected, match="taken back already"):
        take_back(filled, of)
    filled.world.clock.advance(600_000)
    assert take_back(filled, of, op_id=op) == first


def test_a_move_that_was_scanned_together_too(filled: Stage) -> None:
    cora, op = filled.as_("cora"), filled.op()  # whose the scanner is
    filled.floor.stock.begin(filled.op(), cora, {"kind": "move", "source": "A-01"})
    for label in (f"]E0{GTINS['BOLT'][1:]}", "BIN:A-02"):
        filled.scan(label)
    filled.floor.stock.finish(op, cora, {})
    assert filled.stock(THERE, "BOLT") == 1
    take_back(filled, op, "cora")
    assert filled.stock(THERE, "BOLT") == 0


def test_what_is_old_or_somebody_elses_or_no_move_is_refused_and_changes_nothing(filled: Stage) -> None:
    of = moved(filled)
    received = filled.receive({"item": "BOLT", "quantity": 1})
    for who, operation, words in (
        ("cora", of, "no move of yours"), ("mona", received, "no move of yours"), ("mona", filled.op(), "nothing to"),
    ):  # fmt: skip
        with pytest.raises(Rejected, match=words):
            take_back(filled, operation, who)
    filled.world.clock.advance(61_000)
    with pytest.raises(Rejected, match="too long ago"):
        take_back(filled, of)
    assert filled.stock(THERE, "BOLT") == 4


def test_goods_that_moved_on_are_not_carried_back(filled: Stage) -> None:
    of = moved(filled)
    on = {"lines": [{"item": "BOLT", "quantity": 2, "source": THERE, "target": "DOCK"}]}
    filled.floor.stock.move(filled.op(), filled.as_("mona"), on)
    with pytest.raises(Rejected):
        take_back(filled, of)
    assert (filled.stock(THERE, "BOLT"), filled.stock("DOCK", "BOLT")) == (2, 2)


def test_done_in_time_and_sent_later_counts_from_when_it_was_done(filled: Stage) -> None:
    of = moved(filled)
    filled.world.clock.advance(300_000)
    late = filled.floor.stock.take_back(
        filled.op(), filled.as_("mona"), {"of": str(of), "occurred_ms": filled.world.clock.now_ms() - 250_000}
    )
    assert late["state"] == "recorded" and filled.stock(THERE, "BOLT") == 0


def test_two_that_take_the_same_back_at_once_carry_it_back_once(
    filled: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other tablet's act is booked between the moment this one is read and the moment it is booked."""
    of = moved(filled)
    filled.receive({"item": "BOLT", "quantity": 10, "target": THERE})
    once = filled.floor.desk.once

    def late(*args: Any) -> dict[str, Any]:
        monkeypatch.setattr(filled.floor.desk, "once", once)
        take_back(filled, of)
        return once(*args)

    monkeypatch.setattr(filled.floor.desk, "once", late)
    with pytest.raises(Rejected, match="taken back already"):
        take_back(filled, of)
    assert filled.stock(THERE, "BOLT") == 10


def test_so_many_that_they_were_asked_back_are_not_asked_about_again(filled: Stage) -> None:
    many = {"item": "BOLT", "quantity": 2_000_000}
    filled.floor.stock.receive(
        filled.op(), filled.as_("mona"), {"lines": [{**many, "target": "A-01"}], "confirm": True}
    )
    wish = {"lines": [{**many, "source": "A-01", "target": THERE}]}
    assert "ask" in filled.floor.stock.move(filled.op(), filled.as_("mona"), wish)
    of = filled.op()
    filled.floor.stock.move(of, filled.as_("mona"), {**wish, "confirm": True})
    assert take_back(filled, of)["state"] == "recorded"
    assert filled.stock(THERE, "BOLT") == 0


def reverse(stage: Stage, of: OpId) -> OpId:
    op = stage.op()
    stage.floor.stock.reverse(op, stage.as_("mona"), {"of": str(of), "reasons": ["wrong"]})
    return op


def sign(stage: Stage, proposal: OpId) -> None:
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(proposal)}, PIN)


def test_what_was_taken_back_is_not_reversed_too(filled: Stage) -> None:
    filled.receive({"item": "BOLT", "quantity": 10, "target": THERE})  # so that the books could do it twice
    of = moved(filled)
    waits = reverse(filled, of)
    take_back(filled, of)
    with pytest.raises(Rejected, match="taken back already"):
        reverse(filled, of)
    with pytest.raises(Rejected, match="taken back already"):
        sign(filled, waits)
    assert (filled.stock("A-01", "BOLT"), filled.stock(THERE, "BOLT")) == (10, 10)


def test_what_was_reversed_is_not_taken_back_too(filled: Stage) -> None:
    filled.receive({"item": "BOLT", "quantity": 10, "target": THERE})
    of = moved(filled)
    waits = reverse(filled, of)
    sign(filled, waits)
    with pytest.raises(Rejected, match="reversed already"):
        take_back(filled, of)
    with pytest.raises(Rejected, match="reversed already"):
        reverse(filled, of)
    wish = {"of": str(of), "reasons": ["wrong"]}
    again = filled.floor.stock.reverse(waits, filled.as_("mona"), wish)  # the answer was lost
    assert again["state"] == "proposed"
    assert (filled.stock("A-01", "BOLT"), filled.stock(THERE, "BOLT")) == (10, 10)


def test_another_move_of_the_same_goods_the_same_way_is_no_taking_back(filled: Stage) -> None:
    of = moved(filled)
    back = {"lines": [{"item": "BOLT", "quantity": 4}], "source": THERE, "target": "A-01"}
    filled.floor.stock.move(filled.op(), filled.as_("mona"), back)
    moved(filled)
    sign(filled, reverse(filled, of))
    assert filled.stock("A-01", "BOLT") == 10
