"""At the edges of a count: what nobody looked at, weight without pieces, units of a bin that is frozen or counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import control
from ledger.errors import Rejected
from node import streams
from tests.node.floor_kit import Stage
from tests.node.test_counting_rules import ONE_ROUND, put, session


def tally(stage: Stage) -> list[tuple[int, int]]:
    with stage.site.reading() as connection:
        lines = stage.floor.counting.screen(connection, stage.as_("cora"))["lines"]
    return [(line["counted"], line["pieces"]) for line in lines]


def test_of_named_items_too_it_is_asked_before_what_nobody_counted_is_not_there(stage: Stage) -> None:
    put(stage, "A-01", "PAINT", 5, lot="L1")
    put(stage, "A-01", "BOLT", 9)
    counting, cora = stage.floor.counting, stage.as_("cora")
    bins = [{"bin": "A-01", "items": ["BOLT", "PAINT"]}]
    counting.open_session(stage.op(), stage.as_("sven"), {"name": "Two", "bins": bins, "rule": ONE_ROUND})
    counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    counting.enter(stage.op(), cora, {"item": "PAINT", "lot": "L1", "quantity": 5})
    asked = counting.close_bin(stage.op(), cora, {"bin": "A-01"})["ask"]
    assert asked == "What was not counted of these items will be recorded as not found. Close it?"
    assert counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})["state"] == "counted"


def test_of_catch_weight_neither_pieces_nor_weight_are_left_alone(stage: Stage) -> None:
    cheese = control.Item(item="CHEESE", tracking=control.TRACK_NONE, unit="KG", decimals=3)
    stage.world.send(stage.site, control.ItemsPayload(items=(cheese,)))
    said = {"name": "Cheese", "gtins": [], "unit": "kg", "decimals": 3, "tracking": 0, "by_weight": True}
    with stage.site.writing() as connection:
        streams.put(connection, "catalogue", "CHEESE", said)
    session(stage, "A-01")
    counting, cora = stage.floor.counting, stage.as_("cora")
    counting.open_bin(stage.op(), cora, {"bin": "A-01"})

    def part(**amounts: Any) -> None:
        held = {"item": "CHEESE", "held": "damage", "bin": "A-01", **amounts}
        stage.floor.stock.part(stage.op(), cora, held)

    counting.enter(stage.op(), cora, {"item": "CHEESE", "amount": "10", "pieces": 5})
    counting.enter(stage.op(), cora, {"item": "CHEESE", "amount": "12", "pieces": 3})
    with pytest.raises(Rejected, match="a later entry builds on this one"):
        counting.undo(stage.op(), cora, {"number": 1})
    for wrong in ({"amount": "4"}, {"amount": "0.001", "pieces": 3}, {"amount": "12", "pieces": 2}):
        with pytest.raises(Rejected, match="in pieces and by weight: say both"):
            part(**wrong)
    assert tally(stage) == [(12_000, 3)]
    part(amount="4", pieces=1)
    counting.undo(stage.op(), cora, {})
    assert tally(stage) == [(12_000, 3)]
    counting.undo(stage.op(), cora, {"number": 2})
    counting.undo(stage.op(), cora, {"number": 1})
    counting.empty(stage.op(), cora, {})
    assert counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})["state"] == "counted"


def test_what_stands_in_a_frozen_bin_is_frozen_with_it(stage: Stage) -> None:
    stock, mona = stage.floor.stock, stage.as_("mona")
    stock.move_units(stage.op(), mona, {"units": [{"unit": "PAL-7"}], "target": "A-01"})
    put(stage, "PAL-7", "BOLT", 50)
    out = {"lines": [{"item": "BOLT", "quantity": 10}], "source": "PAL-7", "target": "A-02"}
    rule = {"name": "Frozen", "bins": ["A-01"], "rule": ONE_ROUND, "freeze": True}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), rule)
    for act, body in ((stock.move, out), (stock.move_units, {"units": [{"unit": "PAL-7"}], "target": "A-02"})):
        with pytest.raises(Rejected, match="A-01 is frozen until its count is finished"):
            act(stage.op(), mona, body)
    stock.move(stage.op(), mona, {**out, "happened": True})
    assert stage.stock("A-02", "BOLT") == 10


def test_whether_a_unit_is_empty_is_not_told_to_who_may_count_it(stage: Stage) -> None:
    stock, mona = stage.floor.stock, stage.as_("mona")
    stock.move_units(stage.op(), mona, {"units": [{"unit": "PAL-7"}, {"unit": "PAL-8"}], "target": "DOCK"})
    put(stage, "PAL-7", "BOLT", 50)
    session(stage, "PAL-7", "PAL-8")
    for happened in (False, True):
        said = []
        for unit in ("PAL-7", "PAL-8"):
            wish = {"units": [{"unit": unit}], "target": "", "happened": happened}
            try:
                answer = stock.move_units(stage.op(), stage.as_("carl"), wish)
                said.append({name: value for name, value in answer.items() if name != "op_id"})
            except Rejected as error:
                said.append(str(error).replace(unit, ""))
        assert said[0] == said[1], said


def test_a_piece_that_was_typed_without_contact_and_stands_elsewhere_waits_to_be_explained(stage: Stage) -> None:
    session(stage, "A-01", "A-02")
    counting, late = stage.floor.counting, replace(stage.as_("carl"), waited_ms=3_600_000)
    for login, bin_ in (("cora", "A-01"), ("carl", "A-02")):
        counting.open_bin(stage.op(), stage.as_(login), {"bin": bin_})
    piece = {"item": "DRILL", "serial": "S1", "quantity": 1}
    counting.enter(stage.op(), stage.as_("cora"), piece)
    with pytest.raises(Rejected, match="already counted in this session"):
        counting.enter(stage.op(), stage.as_("carl"), {**piece, "bin": "A-02"})
    op = stage.op()
    for _ in range(2):
        answer = counting.enter(op, late, {**piece, "bin": "A-02"})
        assert (answer["outcome"], answer["hint"]) == ("parked", piece)
    with stage.site.reading() as connection:
        (waiting,) = stage.floor.parking.mine(connection, stage.as_("carl"))
        assert stage.floor.counting.screen(connection, stage.as_("carl"))["parked"] == 1
    assert (waiting["text"], waiting["why"]) == ("DRILL S1", answer["why"])
    wish = {"park": waiting["park"], **piece, "serial": "S2"}
    stage.floor.parking.resolve(stage.op(), stage.as_("carl"), wish)
    with stage.site.reading() as connection:
        lines = stage.floor.counting.screen(connection, stage.as_("carl"))["lines"]
    assert [line["serial"] for line in lines] == ["S2"]
