"""Goods that were promised or picked and are held, or gone, by now: the list says so, and promises others."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.ids import OpId
from tests.node.floor_kit import PIN, Stage, begun_list


@pytest.fixture
def begun(stage: Stage) -> tuple[Stage, OpId]:
    """A list of ten, promised from A-01; ten more are in A-02."""
    stage.receive({"item": "BOLT", "quantity": 10})
    name = begun_list(stage, 10)
    stage.receive({"item": "BOLT", "quantity": 10, "target": "A-02"})
    return stage, name


def shown(stage: Stage, name: OpId) -> tuple[list[tuple[str, int]], dict[str, int], dict[str, int]]:
    with stage.site.reading() as connection:
        found = stage.floor.picking.show(connection, stage.as_("mona"), name)
    return [(each["location"], each["quantity"]) for each in found["lines"]], found["picked"], found["missing"]


def act(stage: Stage, name: OpId, verb: str, **wish: Any) -> dict[str, Any]:
    answer = getattr(stage.floor.picking, verb)(stage.op(), stage.as_("mona"), {"list": str(name), **wish})
    return dict(answer)


def hold(stage: Stage, quantity: int, location: str) -> None:
    line = {"item": "BOLT", "quantity": quantity, "location": location}
    wish = {"held": "damage", "lines": [line], "reasons": ["crushed"]}
    stage.floor.stock.hold(stage.op(), stage.as_("mona"), wish)


def test_what_is_promised_and_held_is_missing_until_it_is_promised_from_elsewhere(begun: tuple[Stage, OpId]) -> None:
    stage, name = begun
    hold(stage, 7, "A-01")
    assert shown(stage, name) == ([("A-01", 3)], {}, {"BOLT": 7})
    assert act(stage, name, "again")["missing"] == {}
    assert shown(stage, name) == ([("A-01", 3), ("A-02", 7)], {}, {})
    assert act(stage, name, "pick", item="BOLT", quantity=7, source="A-02")["left"] == 3


def test_what_a_count_did_not_find_is_promised_no_more(begun: tuple[Stage, OpId]) -> None:
    stage, name = begun
    session = stage.op()
    count = {"name": "Week", "bins": ["A-01"], "rule": {"control_percent": 0, "rounds_max": 1}}
    stage.floor.counting.open_session(session, stage.as_("sven"), count)
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 4})
    stage.floor.counting.close_bin(stage.op(), stage.as_("cora"), {"bin": "A-01", "confirm": True})
    wish = {"session": str(session), "bin": "A-01", "reason": "lost"}
    stage.floor.counting.posting.approve(stage.op(), stage.as_("sven"), wish, PIN)
    assert shown(stage, name) == ([("A-01", 4)], {}, {"BOLT": 6})


def test_of_two_lists_the_first_keeps_what_is_left(begun: tuple[Stage, OpId]) -> None:
    stage, name = begun
    stage.receive({"item": "BOLT", "quantity": 5})
    other = stage.op()
    wish = {"order": "SO-2", "lines": [{"item": "BOLT", "quantity": 5}]}
    stage.floor.picking.open(other, stage.as_("mona"), wish)
    hold(stage, 3, "A-01")
    assert shown(stage, name) == ([("A-01", 10)], {}, {})
    assert shown(stage, other) == ([("A-01", 2)], {}, {"BOLT": 3})


def test_goods_that_are_held_in_the_tote_are_not_picked_and_are_asked_about(begun: tuple[Stage, OpId]) -> None:
    stage, name = begun
    act(stage, name, "pick", item="BOLT", quantity=10, source="A-01")
    hold(stage, 4, "TOTE-1")
    assert shown(stage, name) == ([], {"BOLT": 6}, {"BOLT": 4})
    assert act(stage, name, "issue")["ask"] == "What is held in TOTE-1 stays there: issue the rest?"
    assert stage.stock("TOTE-1", "BOLT") == 10
    assert act(stage, name, "issue", confirm=True)["lines"] == 1
    assert (stage.stock("CUSTOMER", "BOLT"), stage.stock("TOTE-1", "BOLT")) == (6, 4)


def test_goods_that_somebody_else_put_into_the_tote_are_asked_about(begun: tuple[Stage, OpId]) -> None:
    stage, name = begun
    act(stage, name, "pick", item="BOLT", quantity=10, source="A-01")
    stage.receive({"item": "PAINT", "lot": "L1", "quantity": 2}, {"item": "BOLT", "quantity": 3})
    lines = [{"item": "PAINT", "lot": "L1", "quantity": 2}, {"item": "BOLT", "quantity": 1}]
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": lines, "source": "A-01", "target": "TOTE-1"})
    asked = act(stage, name, "issue")["ask"]
    assert asked == "3 of BOLT, PAINT in the tote are more than was ordered: issue all that is in it?"
    assert stage.stock("CUSTOMER", "BOLT") == 0
    assert act(stage, name, "issue", confirm=True)["lines"] == 2
    assert (stage.stock("CUSTOMER", "BOLT"), stage.stock("CUSTOMER", "PAINT")) == (11, 2)
