"""A bin is counted with the handling units that stand in it, and each of them is settled by the last who looked."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import control
from ledger.errors import Rejected
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
    waiting = {"A-01": "waiting", "A-02": "waiting", PALLET: "waiting"}
    assert states(stage, OpId(bytes.fromhex(row["session"]))) == waiting


def scan(stage: Stage, unit: str = PALLET) -> dict[str, Any]:
    return stage.scan(f"LPN:{unit}")


def units_of(stage: Stage, session: OpId, bin_: str) -> list[dict[str, Any]]:
    return stage.floor.counting.review.bin_review(stage.as_("sven"), session, bin_)["units"]  # type: ignore[no-any-return]


def notes(stage: Stage) -> int:
    with stage.site.reading() as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM notes WHERE kind = 'unit-sealed'").fetchone()
    return int(count)


def counted_twice(stage: Stage, *, again: bool) -> OpId:
    """A-01 with a variance, so that a second person counts it: Cora confirms the pallet, and Carl only `again`."""
    receive(stage, 20, "A-01")
    session = plan(stage, "A-01")
    begin(stage, "A-01")
    scan(stage)
    enter(stage, 5)
    close(stage, "A-01")
    assert (states(stage, session), notes(stage)) == ({"A-01": "waiting", PALLET: "sealed"}, 0)
    stage.floor.people.bind_device(stage.as_("carl"), "gun")
    begin(stage, "A-01", "carl")
    if again:
        scan(stage)
    enter(stage, 5, "carl")
    close(stage, "A-01", "carl")
    return session


def test_a_unit_that_the_second_counter_does_not_find_is_to_be_counted(stage: Stage) -> None:
    session = counted_twice(stage, again=False)
    assert states(stage, session) == {"A-01": "review", PALLET: "waiting"}
    assert (units_of(stage, session, "A-01"), notes(stage)) == ([], 0)
    post(stage, session, "A-01")
    assert state_of(stage, session) == "active"


def test_a_unit_is_noted_as_sealed_when_its_bin_is_counted_to_the_end(stage: Stage) -> None:
    session = counted_twice(stage, again=True)
    assert states(stage, session) == {"A-01": "review", PALLET: "sealed"}
    assert (units_of(stage, session, "A-01"), notes(stage)) == ([{"unit": PALLET, "stood": "A-01"}], 1)
    post(stage, session, "A-01")
    assert state_of(stage, session) == "closed"


def test_the_count_that_an_approver_chooses_says_which_units_were_found(stage: Stage) -> None:
    session = counted_twice(stage, again=False)
    for number, state in ((0, "sealed"), (1, "waiting"), (0, "sealed")):
        body = {"session": str(session), "bin": "A-01", "round": number, "reason": "seen-by-myself"}
        stage.floor.counting.choosing.choose(stage.op(), stage.as_("sven"), body)
        assert states(stage, session)[PALLET] == state
    assert notes(stage) == 1


def test_a_unit_that_another_count_took_up_is_not_taken_back(stage: Stage) -> None:
    receive(stage, 20, "A-01")
    session = plan(stage, "A-01")
    begin(stage, "A-01")
    scan(stage)
    enter(stage, 5)
    close(stage, "A-01")
    own = plan(stage, PALLET)
    begin(stage, "A-01", "carl")
    enter(stage, 5, "carl")
    close(stage, "A-01", "carl")
    assert (states(stage, session)[PALLET], states(stage, own)[PALLET]) == ("sealed", "waiting")


def test_a_unit_is_confirmed_in_one_bin_of_a_count(stage: Stage) -> None:
    plan(stage, "A-01", "A-02")
    begin(stage, "A-02")
    assert scan(stage)["outcome"] == "sealed"
    close(stage, "A-02")
    begin(stage, "A-01")
    answer = scan(stage)
    assert (answer["outcome"], answer["why"]) == (
        "refused",
        f"{PALLET} was confirmed in A-02 already: check both labels",
    )


def test_a_unit_found_elsewhere_is_moved_in_the_books_before_its_bin_is_posted(stage: Stage) -> None:
    session = plan(stage, "A-01", "A-02")
    begin(stage, "A-02")
    scan(stage)
    close(stage, "A-02")
    begin(stage, "A-01")
    empty(stage)
    close(stage, "A-01")
    post(stage, session, "A-01")
    with pytest.raises(Rejected, match=f"{PALLET} was found in A-02, where the books do not have it"):
        post(stage, session, "A-02")
    move(stage, PALLET, "A-02")
    post(stage, session, "A-02")
    assert state_of(stage, session) == "closed"


def test_a_box_that_leaves_its_pallet_during_the_count_is_decided_on(stage: Stage) -> None:
    move(stage, CRATE, PALLET)
    receive(stage, 7, CRATE)
    session = plan(stage, "A-01")
    begin(stage, "A-01")
    scan(stage)
    assert scan(stage, CRATE)["outcome"] == "sealed"
    close(stage, "A-01")
    assert units_of(stage, session, "A-01") == [{"unit": CRATE, "stood": "A-01"}, {"unit": PALLET, "stood": "A-01"}]
    body = {"session": str(session), "bin": "A-01", "reason": "doubt"}
    stage.floor.counting.review.recount(stage.op(), stage.as_("sven"), body)
    stage.floor.people.bind_device(stage.as_("carl"), "gun")
    begin(stage, "A-01", "carl")
    scan(stage)
    scan(stage, CRATE)
    move(stage, CRATE, "A-02")
    close(stage, "A-01", "carl")
    with pytest.raises(Rejected, match=f"{CRATE} was found in A-01, where the books do not have it"):
        post(stage, session, "A-01")


def test_a_bin_with_a_confirmed_unit_is_not_empty(stage: Stage) -> None:
    plan(stage, "A-01")
    begin(stage, "A-01")
    scan(stage)
    with pytest.raises(Rejected, match="lines were counted in this bin"):
        empty(stage)
    stage.floor.counting.undo(stage.op(), stage.as_("cora"), {})
    empty(stage)
    assert scan(stage)["why"] == "the bin was declared empty: undo that first"


def test_a_label_does_not_declare_a_bin_empty_in_which_a_unit_was_confirmed(stage: Stage) -> None:
    plan(stage, "A-01")
    begin(stage, "A-01")
    scan(stage)
    answer = stage.scan("CTL:EMPTY")
    assert answer["outcome"] == "refused" and "lines were counted in this bin" in answer["why"]
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM scan_events WHERE kind = 'empty'").fetchone() == (0,)


def test_a_move_of_a_unit_tells_a_counter_nothing_of_where_the_books_have_it(stage: Stage) -> None:
    plan(stage, "A-01")
    begin(stage, "A-01", "carl")

    def moved(unit: str, who: str = "cora") -> dict[str, Any]:
        wish = {"units": [{"unit": unit, "target": "A-01"}]}
        answer = stage.floor.stock.move_units(stage.op(), stage.as_(who), wish)
        return {name: said for name, said in answer.items() if name != "op_id"}

    with pytest.raises(Rejected, match="PAL-1 stands in A-01 already"):
        moved(PALLET, "mona")  # who does not count may know
    assert moved(PALLET) == moved(CRATE) == {"state": "recorded"}
