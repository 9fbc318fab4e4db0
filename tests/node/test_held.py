"""What is not free is listed bin by bin, whoever found it so, with what brought it there."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from node import holds
from tests.node.floor_kit import PIN, Stage
from tests.node.test_damaged import counted, counting, part
from tests.node.test_transfers import TWO, accept, dispatch, tell


def held(stage: Stage, who: str = "sven", **only: str) -> list[dict[str, Any]]:
    with stage.site.reading() as connection:
        return stage.floor.holds.waiting(connection, stage.as_(who), **only)


def told(row: dict[str, Any]) -> tuple[Any, ...]:
    by = [(each["call"], each["by"], each["line"] is not None, each["quantity"]) for each in row["origins"]]
    return row["location"], row["item"], row["status"], row["quantity"], by


def hold(stage: Stage, quantity: int, location: str = "A-01", **more: Any) -> str:
    op = stage.op()
    line = {"item": "BOLT", "quantity": quantity, "location": location, **more}
    body = {"held": "quality" if more else "damage", "lines": [line], "reasons": ["damaged"]}
    stage.floor.stock.hold(op, stage.as_("mona"), body)
    return str(op)


def test_what_a_transfer_brought_damaged_is_listed_and_held_before_it_is_released(
    furnish: Callable[..., Stage],
) -> None:
    oslo, bergen = furnish("oslo", people=TWO), furnish("bergen", people=TWO)
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    came = accept(bergen, transfer, {"index": 0, "quantity": 24, "damaged": 5})["op_id"]
    [row] = held(bergen)
    assert told(row) == ("DOCK", "BOLT", "damage", 5, [("accept_transfer", "Tess", False, 5)])
    assert row["origins"][0]["op_id"] == came
    anew = hold(bergen, 5, "DOCK", status="damage")
    [row] = held(bergen)
    assert told(row) == ("DOCK", "BOLT", "quality", 5, [("hold", "Mona", True, 5)])
    line = row["origins"][0]["line"]
    release = {"hold": anew, "lines": [{"line": line, "quantity": 5, "location": "DOCK"}]}
    bergen.floor.holds.release(bergen.op(), bergen.as_("sven"), release, PIN)
    assert held(bergen) == []


def test_what_a_count_found_damaged_is_listed_beside_what_somebody_held(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 10})
    hold(stage, 2)
    session = counting(stage)
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 10})
    part(stage, "cora", item="BOLT", quantity=5, bin="A-01")
    counted(stage)
    wish = {"session": session, "bin": "A-01", "reason": "miscounted-before"}
    stage.floor.counting.posting.approve(stage.op(), stage.as_("tess"), wish, PIN)
    [row] = held(stage)
    assert told(row) == ("A-01", "BOLT", "damage", 5, [("post_count", "Cora", False, 3), ("hold", "Mona", True, 2)])


def test_each_bin_names_what_was_held_there_first_and_others_only_for_the_rest(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 20})
    free = {"item": "BOLT", "quantity": 8}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [free], "source": "A-01", "target": "A-02"})
    hold(stage, 3)
    hold(stage, 4, "A-02")
    gone = {"item": "BOLT", "quantity": 2, "status": "damage"}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [gone], "source": "A-02", "target": "DOCK"})
    assert [(row["location"], [each["quantity"] for each in row["origins"]]) for row in held(stage)] == [
        ("A-01", [3]), ("A-02", [2]), ("DOCK", [2])
    ]  # fmt: skip


def test_only_an_item_or_a_bin(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 4, "status": "damage"},
                  {"item": "DRILL", "serial": "S1", "quantity": 1, "status": "damage"},
                  {"item": "DRILL", "serial": "S2", "quantity": 1, "status": "quality"})  # fmt: skip
    line = {"item": "BOLT", "quantity": 1, "status": "damage"}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [line], "source": "A-01", "target": "DOCK"})
    assert [(row["serial"], row["quantity"]) for row in held(stage, item="DRILL")] == [("S2", 1), ("S1", 1)]
    assert [row["quantity"] for row in held(stage, location="DOCK")] == [1]
    assert held(stage, item="DRILL", location="DOCK") == []


def test_goods_that_left_are_listed_no_more(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 4, "status": "damage"})
    line = {"item": "BOLT", "quantity": 4, "status": "damage", "source": "A-01"}
    proposed = stage.floor.stock.scrap(stage.op(), stage.as_("mona"), {"lines": [line], "reasons": ["damaged"]})
    approve = {"proposal": proposed["op_id"]}
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), approve, PIN)
    assert held(stage) == []


@pytest.mark.parametrize("seed", range(4))
def test_what_came_in_right_there_is_found_without_a_look_elsewhere(
    stage: Stage, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short way gives what the long one gives, and takes most of the rows."""
    dice, stock, mona = random.Random(seed), stage.floor.stock, stage.as_("mona")
    places, short, asked = ("A-01", "A-02", "DOCK"), holds._own, []
    stage.receive({"item": "BOLT", "quantity": 500})
    for place in places[1:]:
        line = {"item": "BOLT", "quantity": 100, "source": "A-01", "target": place}
        stock.move(stage.op(), mona, {"lines": [line]})
    for _ in range(12):
        quantity, source = dice.randrange(1, 6), dice.choice(places)
        said: dict[str, Any] = {"reasons": ["crushed"], "happened": True}
        if dice.random() < 0.6:
            line = {"item": "BOLT", "quantity": quantity, "location": source}
            stock.hold(stage.op(), mona, {"held": "damage", "lines": [line], **said})
        else:
            moved = {"item": "BOLT", "quantity": quantity, "source": source, "target": dice.choice(places)}
            stock.move(stage.op(), mona, {"lines": [{**moved, "status": "damage"}], **said})

    def counted(*given: Any) -> Any:
        asked.append(short(*given))
        return asked[-1]

    monkeypatch.setattr(holds, "_own", counted)
    found = held(stage)
    assert found and any(each is not None for each in asked)
    monkeypatch.setattr(holds, "_own", lambda *_: None)
    assert held(stage) == found
