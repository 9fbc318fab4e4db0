"""An order of which only a part is here: what comes later is promised to its list, or to another one for the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.announced import ORDERS
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import COUNT
from node import orders, streams
from tests.node.floor_kit import PIN, Stage
from tests.node.test_counting import approve


@pytest.fixture
def stage(stage: Stage) -> Stage:
    with stage.site.writing() as connection:
        streams.put(connection, ORDERS, "SO-1", {"lines": [["BOLT", 10]]})
    return stage


def come(stage: Stage, quantity: int, target: str = "A-01") -> None:
    line = {"item": "BOLT", "quantity": quantity, "target": target}
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), {"lines": [line]})


def opened(stage: Stage, tote: str = "DOCK") -> str:
    name = stage.floor.picking.open(stage.op(), stage.as_("mona"), {"order": "SO-1"})["list"]
    stage.floor.picking.begin(stage.op(), stage.as_("mona"), {"list": name, "tote": tote})
    return str(name)


def again(stage: Stage, name: str) -> dict[str, int]:
    op = stage.op()
    answers = [stage.floor.picking.again(op, stage.as_("mona"), {"list": name}) for _ in range(2)]
    assert answers[0] == answers[1]
    missing: dict[str, int] = answers[0]["missing"]
    return missing


def pick(stage: Stage, name: str, quantity: int, source: str) -> OpId:
    op, line = stage.op(), {"item": "BOLT", "quantity": quantity, "source": source}
    stage.floor.picking.pick(op, stage.as_("mona"), {"list": name, **line})
    return op


def issue(stage: Stage, name: str) -> OpId:
    op = stage.op()
    for _ in range(2):
        stage.floor.picking.issue(op, stage.as_("mona"), {"list": name, "confirm": True})
    return op


def promised(stage: Stage, name: str) -> list[tuple[str, int]]:
    with stage.site.reading() as connection:
        shown = stage.floor.picking.show(connection, stage.as_("mona"), OpId.parse(name))
    return [(line["location"], line["quantity"]) for line in shown["lines"]]


def waiting(stage: Stage) -> dict[str, dict[str, int]]:
    with stage.site.reading() as connection:
        rows = orders.waiting(connection, stage.as_("mona"))
    return {row["order"]: {line["item"]: line["quantity"] for line in row["lines"]} for row in rows}


def test_what_comes_later_is_promised_to_the_open_list(stage: Stage) -> None:
    come(stage, 4)
    name = opened(stage)
    pick(stage, name, 4, "A-01")
    assert again(stage, name) == {"BOLT": 6} and promised(stage, name) == []
    come(stage, 5, "A-02")
    assert again(stage, name) == {"BOLT": 1} and promised(stage, name) == [("A-02", 5)]
    assert again(stage, name) == {"BOLT": 1} and promised(stage, name) == [("A-02", 5)]
    come(stage, 9, "A-01")
    assert again(stage, name) == {} and sorted(promised(stage, name)) == [("A-01", 1), ("A-02", 5)]
    pick(stage, name, 5, "A-02")
    pick(stage, name, 1, "A-01")
    issue(stage, name)
    assert waiting(stage) == {}
    with pytest.raises(Rejected, match="was issued already"):
        again(stage, name)


def test_goods_put_back_from_the_tote_are_promised_again(stage: Stage) -> None:
    come(stage, 10)
    name = opened(stage)
    pick(stage, name, 10, "A-01")
    back = {"lines": [{"item": "BOLT", "quantity": 3}], "source": "DOCK", "target": "A-02"}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), back)
    assert again(stage, name) == {} and promised(stage, name) == [("A-02", 3)]


def test_a_bin_where_it_was_not_is_not_promised_again_until_it_is_counted(stage: Stage) -> None:
    come(stage, 10)
    name = opened(stage)
    short = {"list": name, "location": "A-01", "item": "BOLT"}
    assert stage.floor.picking.short(stage.op(), stage.as_("mona"), short)["missing"] == 10
    cora, counting = stage.as_("cora"), stage.floor.counting
    with stage.site.reading() as connection:
        (session,) = connection.execute("SELECT session FROM count_sessions").fetchone()
    counting.cancel(stage.op(), stage.as_("sven"), {"session": bytes(session).hex(), "reason": "later"})
    assert again(stage, name) == {"BOLT": 10}
    rule = {"control_percent": 0, "rounds_max": 1}
    wish = {"name": "now", "bins": ["A-01"], "rule": rule}
    named = OpId.parse(counting.open_session(stage.op(), stage.as_("sven"), wish)["session"])
    counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    counting.enter(stage.op(), cora, {"item": "BOLT", "quantity": 10})
    counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})
    assert again(stage, name) == {"BOLT": 10}
    stage.world.clock.advance(60_000)
    approve(stage, named, "A-01")
    assert again(stage, name) == {} and promised(stage, name) == [("A-01", 10)]


def test_the_rest_of_an_order_waits_for_another_list_until_all_has_left(stage: Stage) -> None:
    come(stage, 4)
    name = opened(stage)
    pick(stage, name, 4, "A-01")
    assert waiting(stage) == {}, "its list is open"
    issue(stage, name)
    assert waiting(stage) == {"SO-1": {"BOLT": 6}}
    with pytest.raises(Rejected, match="nothing of this order is free"):
        opened(stage)
    come(stage, 9, "A-02")
    op = stage.op()
    for _ in range(2):
        rest = stage.floor.picking.open(op, stage.as_("mona"), {"order": "SO-1"})
        assert rest["missing"] == {}
    assert promised(stage, rest["list"]) == [("A-02", 6)]
    with pytest.raises(Rejected, match="has a pick list already"):
        opened(stage)
    stage.floor.picking.begin(stage.op(), stage.as_("mona"), {"list": rest["list"], "tote": "DOCK"})
    pick(stage, rest["list"], 6, "A-02")
    left = issue(stage, rest["list"])
    assert waiting(stage) == {}
    with pytest.raises(Rejected, match="was picked already"):
        opened(stage)
    # What was issued comes back: it is still to be delivered.
    proposal = stage.floor.stock.reverse(stage.op(), stage.as_("mona"), {"of": str(left), "reasons": ["wrong"]})
    assert waiting(stage) == {}
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": proposal["op_id"]}, PIN)
    assert waiting(stage) == {"SO-1": {"BOLT": 6}}


def test_who_counts_the_tote_is_not_told_what_is_missing(stage: Stage) -> None:
    come(stage, 4)
    name = opened(stage)
    pick(stage, name, 4, "A-01")
    mona = stage.as_("mona")
    both = replace(mona, roles=mona.roles | COUNT)
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), {"name": "now", "bins": ["A-02"]})
    assert stage.floor.picking.again(stage.op(), both, {"list": name})["missing"] == {}
    assert stage.floor.picking.again(stage.op(), mona, {"list": name})["missing"] == {"BOLT": 6}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), {"name": "too", "bins": ["DOCK"]})
    with pytest.raises(Rejected, match="DOCK is being counted"):
        stage.floor.picking.again(stage.op(), both, {"list": name})
