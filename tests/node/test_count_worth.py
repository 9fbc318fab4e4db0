"""What an approver sees beside a difference: its value, and what moved. Who counts sees neither."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from node import catalogue, streams
from tests.node.floor_kit import Stage
from tests.node.test_counting import close_sure


def priced(stage: Stage, sku: str, **cost: Any) -> None:
    with stage.site.writing() as connection:
        entry = dict(streams.get(connection, "catalogue", sku) or {})
        entry.pop("cost_minor", None)
        streams.put(connection, "catalogue", sku, {**entry, **cost})


def opened(stage: Stage) -> OpId:
    op = stage.op()
    body = {"name": "Worth", "bins": ["A-01"], "rule": {"control_percent": 0, "rounds_max": 1}}
    stage.floor.counting.open_session(op, stage.as_("sven"), body)
    return op


def reviewed(stage: Stage, number: OpId, bin_: str = "A-01") -> dict[str, Any]:
    return stage.floor.counting.review.bin_review(stage.as_("sven"), number, bin_)


def test_each_difference_has_its_value_and_the_bin_their_sum(stage: Stage) -> None:
    priced(stage, "BOLT", cost_minor=250, currency="EUR")
    priced(stage, "PAINT")
    stage.receive({"item": "BOLT", "quantity": 20}, {"item": "PAINT", "lot": "L1", "quantity": 5})
    number = opened(stage)
    stage.scan("BIN:A-01")
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 17})
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "PAINT", "lot": "L1", "quantity": 6})
    close_sure(stage, "A-01")
    [found] = reviewed(stage, number)["rounds"]
    values = {line["item"]: (line["difference"], line["value_minor"], line["currency"]) for line in found["lines"]}
    assert values == {"BOLT": (-3, -750, "EUR"), "PAINT": (1, None, "EUR")}
    assert (found["gross_value_minor"], found["without_cost"], found["currency"]) == (750, 1, "EUR")
    with pytest.raises(Rejected):
        stage.floor.counting.review.bin_review(stage.as_("cora"), number, "A-01")


def test_the_moves_say_what_they_were_and_when(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 20})
    stage.world.clock.advance(2_000)
    stage.site.seal()
    number = opened(stage)
    stage.scan("BIN:A-01")
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 20})
    ops = [stage.op(), stage.op()]
    body = {"lines": [{"item": "BOLT", "quantity": 4}], "source": "A-01", "target": "A-02"}
    stage.floor.stock.move(ops[0], stage.as_("mona"), body)
    close_sure(stage, "A-01")
    stage.floor.stock.move(ops[1], stage.as_("mona"), {**body, "source": "A-02", "target": "A-01"})
    moves = reviewed(stage, number)["moves"]
    said = [(each["op_id"], each["call"], each["quantity"], each["source"], each["after"]) for each in moves]
    assert said == [(str(ops[0]), "move", 4, "A-01", False), (str(ops[1]), "move", 4, "A-02", True)]
    assert all(abs(each["at_ms"] - stage.world.clock.now_ms()) < 60_000 for each in moves)
    stage.world.clock.advance(2_000)
    stage.site.seal()
    again = reviewed(stage, number)["moves"]
    assert [each["op_id"] for each in again] == [str(op) for op in ops] and all(each["at_ms"] for each in again)


def test_items_are_read_together_as_one_by_one(stage: Stage) -> None:
    with stage.site.reading() as connection:
        skus = ["BOLT", "PAINT", "DRILL", "NOBODY"]
        together = catalogue.items(connection, skus)
        assert together == {sku: one for sku in skus if (one := catalogue.item(connection, sku)) is not None}
        assert len(together) == 3
