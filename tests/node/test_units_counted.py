"""A bin is counted with the handling units that stand in it, and each of them is settled by the last who looked."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import control
from ledger.ids import OpId
from tests.node.floor_kit import PIN, Stage

PALLET, CRATE = "PAL-1", "BOX-1"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """PAL-1 with a hundred bolts stands in A-01, and BOX-1 in A-02, empty."""
    units = tuple(control.Location(location=code, kind=control.UNIT) for code in (PALLET, CRATE))
    stage.world.send(stage.site, control.LocationsPayload(locations=units))
    for unit, bin_ in ((PALLET, "A-01"), (CRATE, "A-02")):
        move(stage, unit, bin_)
    receive(stage, 100, PALLET)
    return stage


def move(stage: Stage, unit: str, target: str) -> None:
    stage.floor.stock.move_units(stage.op(), stage.as_("mona"), {"units": [{"unit": unit, "target": target}]})


def receive(stage: Stage, quantity: int, target: str) -> None:
    body = {"lines": [{"item": "BOLT", "quantity": quantity, "target": target}]}
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), body)


def plan(stage: Stage, *bins: Any, rounds_max: int = 3, **more: Any) -> OpId:
    rule = {"control_percent": 0, "rounds_max": rounds_max}
    body = {"name": "Week", "bins": list(bins), "rule": rule, **more}
    return OpId(bytes.fromhex(stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)["session"]))


def states(stage: Stage, session: OpId) -> dict[str, str]:
    with stage.site.reading() as connection:
        found = stage.floor.counting.review.overview(connection, stage.as_("sven"), session)
    return {row["bin"]: "sealed" if row.get("sealed") else row["state"] for row in found["bins"]}


def state_of(stage: Stage, session: OpId) -> str:
    with stage.site.reading() as connection:
        found = stage.floor.counting.review.overview(connection, stage.as_("sven"), session)
    return str(found["state"])


def begin(stage: Stage, bin_: str, who: str = "cora") -> None:
    stage.floor.counting.open_bin(stage.op(), stage.as_(who), {"bin": bin_})


def enter(stage: Stage, quantity: int, who: str = "cora") -> None:
    stage.floor.counting.enter(stage.op(), stage.as_(who), {"item": "BOLT", "quantity": quantity})


def empty(stage: Stage, who: str = "cora") -> None:
    stage.floor.counting.empty(stage.op(), stage.as_(who), {})


def close(stage: Stage, bin_: str, who: str = "cora") -> None:
    stage.floor.counting.close_bin(stage.op(), stage.as_(who), {"bin": bin_, "confirm": True})


def post(stage: Stage, session: OpId, bin_: str) -> None:
    body = {"session": str(session), "bin": bin_, "reason": "miscounted-before"}
    stage.floor.counting.posting.approve(stage.op(), stage.as_("sven"), body, PIN)


def test_a_named_bin_is_counted_with_the_units_in_it(stage: Stage) -> None:
    session = plan(stage, "A-01", "A-02")
    assert states(stage, session) == {"A-01": "waiting", "A-02": "waiting", PALLET: "waiting"}
    begin(stage, "A-01")
    empty(stage)
    close(stage, "A-01")
    post(stage, session, "A-01")
    assert (states(stage, session)[PALLET], state_of(stage, session)) == ("waiting", "active")
    begin(stage, PALLET)
    empty(stage)
    close(stage, PALLET)
    begin(stage, PALLET, "carl")
    empty(stage, "carl")
    close(stage, PALLET, "carl")
    post(stage, session, PALLET)
    assert stage.stock(PALLET, "BOLT") == 0


def test_a_unit_is_counted_by_whom_and_until_when_its_bin_is(stage: Stage) -> None:
    until = stage.world.clock.now_ms() + 3_600_000
    session = plan(stage, {"bin": "A-01", "deadline_ms": until, "assignee": str(stage.as_("cora").actor)})
    with stage.site.reading() as connection:
        found = stage.floor.counting.review.overview(connection, stage.as_("sven"), session)
    assert {row["bin"]: (row["deadline_ms"], row["assignee"]) for row in found["bins"]} == {
        "A-01": (until, "Cora"),
        PALLET: (until, "Cora"),
    }


def test_a_unit_that_is_counted_already_or_named_is_in_one_count(stage: Stage) -> None:
    own = plan(stage, PALLET)
    assert states(stage, plan(stage, "A-01")) == {"A-01": "waiting"}
    assert states(stage, own) == {PALLET: "waiting"}
    receive(stage, 5, CRATE)
    assert states(stage, plan(stage, "A-02", CRATE)) == {"A-02": "waiting", CRATE: "waiting"}


def test_an_item_in_a_bin_says_nothing_of_the_units_in_it(stage: Stage) -> None:
    assert states(stage, plan(stage, {"bin": "A-01", "items": ["BOLT"]})) == {"A-01": "waiting"}


def test_a_count_that_an_act_orders_is_of_the_units_too(stage: Stage) -> None:
    stage.world.clock.advance(60_000)
    body = {"lines": [{"item": "BOLT", "quantity": 9}], "source": "A-01", "target": "A-02", "happened": True}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), body)
    with stage.site.reading() as connection:
        (row,) = stage.floor.counting.review.sessions(connection, stage.as_("sven"))
    assert states(stage, OpId(bytes.fromhex(row["session"]))) == {"A-01": "waiting", PALLET: "waiting"}
