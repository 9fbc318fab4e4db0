"""Several people at one bin: tallies kept apart and compared, or an agreed split that is summed; serials once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import merkle
from ledger.documents import SHARED, Document
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.seams import Killed, arm_failpoint, disarm_failpoints
from tests.node.floor_kit import PIN, Stage
from tests.node.test_counting import approve, close, session, state


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.receive({"item": "BOLT", "quantity": 20})
    return stage


def opens(stage: Stage, who: str, bin_: str = "A-01", **more: Any) -> dict[str, Any]:
    return stage.floor.counting.open_bin(stage.op(), stage.as_(who), {"bin": bin_, **more})


def enter(stage: Stage, who: str, quantity: int, item: str = "BOLT", **more: Any) -> dict[str, Any]:
    body = {"item": item, "quantity": quantity, **more}
    return stage.floor.counting.enter(stage.op(), stage.as_(who), body)


def share(stage: Stage, who: str, area: int = 1, agree: bool = True, **more: Any) -> dict[str, Any]:
    own = {"own": "the left half"} if agree else {}
    body = {"bin": "A-01", "area": area, "agree": agree, **own, **more}
    return stage.floor.counting.shared.decide(stage.op(), stage.as_(who), body)


def rounds(stage: Stage, number: OpId, bin_: str = "A-01") -> list[list[tuple[str, int]]]:
    shown = stage.floor.counting.review.bin_review(stage.as_("sven"), number, bin_)
    return [[(line["item"], line["counted"]) for line in each["lines"]] for each in shown["rounds"]]


def screen(stage: Stage, who: str) -> dict[str, Any]:
    with stage.site.reading() as connection:
        found = stage.floor.counting.screen(connection, stage.as_(who))
    assert found is not None
    return found


def test_who_opens_a_bin_that_is_being_counted_is_asked_what_is_meant(stage: Stage) -> None:
    session(stage, "A-01")
    mine = opens(stage, "cora")["task"]
    asked = opens(stage, "carl")
    assert asked["choices"] == ["second", "share"] and "somebody else" in asked["ask"] and "task" not in asked
    with pytest.raises(Rejected, match="how is 'sum'"):
        opens(stage, "carl", how="sum")
    with pytest.raises(Rejected, match="area is nothing"):
        opens(stage, "carl", how="share")
    # A scanned bin label says it too, and opens nothing.
    stage.floor.people.bind_device(stage.as_("carl"), "gun")
    assert stage.scan("BIN:A-01")["outcome"] == "taken"
    # One's own bin is no question, and neither is one that somebody may not count at all.
    assert opens(stage, "cora")["task"] == mine
    with stage.site.reading() as connection:
        assert stage.floor.counting.mine(connection, stage.as_("carl")) == []


def test_two_tallies_of_one_bin_are_kept_apart_and_agree(stage: Stage) -> None:
    number = session(stage, "A-01")
    opens(stage, "cora")
    enter(stage, "cora", 12)
    opens(stage, "carl", how="second")
    enter(stage, "carl", 18)
    assert [line["counted"] for line in screen(stage, "cora")["lines"]] == [12]
    assert [line["counted"] for line in screen(stage, "carl")["lines"]] == [18]
    enter(stage, "cora", 18)
    with stage.site.reading() as connection:
        assert [each["bin"] for each in stage.floor.counting.mine(connection, stage.as_("cora"))] == ["A-01"]
    close(stage, "A-01", "cora")
    # Two bolts are missing, but the verdict waits for the other count.
    assert state(stage, number, "A-01")["state"] == "counting"
    close(stage, "A-01", "carl")
    assert state(stage, number, "A-01")["state"] == "review"
    assert rounds(stage, number) == [[("BOLT", 18)], [("BOLT", 18)]]
    assert approve(stage, number, "A-01")["state"] == "posted" and stage.stock("A-01", "BOLT") == 18


def test_the_one_who_began_later_may_close_first_and_different_tallies_are_counted_again(stage: Stage) -> None:
    number = session(stage, "A-01")
    opens(stage, "cora")
    opens(stage, "carl", how="second")
    enter(stage, "carl", 20)
    close(stage, "A-01", "carl")
    enter(stage, "cora", 19)
    close(stage, "A-01", "cora")
    found = state(stage, number, "A-01")
    # One of them found no difference at all: even so two tallies that differ are a recount, by a third person.
    assert (found["state"], found["why"], found["round"]) == ("waiting", "different", 2)
    for counted in ("cora", "carl"):
        with pytest.raises(Rejected, match="somebody else"):
            opens(stage, counted)
    opens(stage, "tess")
    enter(stage, "tess", 19)
    close(stage, "A-01", "tess")
    assert rounds(stage, number) == [[("BOLT", 19)], [("BOLT", 20)], [("BOLT", 19)]]


def test_one_tally_stands_for_itself_when_the_other_counter_leaves(stage: Stage) -> None:
    number = session(stage, "A-01", "A-02", rule={"control_percent": 0, "line_quantity_max": 5})
    opens(stage, "cora")
    opens(stage, "carl", how="second")
    enter(stage, "carl", 19)
    close(stage, "A-01", "carl")
    enter(stage, "cora", 3)
    stage.floor.counting.leave(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    assert state(stage, number, "A-01")["state"] == "review" and rounds(stage, number) == [[("BOLT", 19)]]
    # The second one may leave as well: then it is as if nobody had begun.
    opens(stage, "cora", "A-02")
    opens(stage, "carl", "A-02", how="second")
    stage.floor.counting.leave(stage.op(), stage.as_("carl"), {"bin": "A-02"})
    stage.floor.counting.empty(stage.op(), stage.as_("cora"), {})
    close(stage, "A-02", "cora")
    assert state(stage, number, "A-02")["state"] == "review"
    assert state(stage, number, "A-02")["round"] == 0


def test_what_was_counted_without_contact_is_kept_as_a_second_count_and_never_lost(stage: Stage) -> None:
    number = session(stage, "A-01")
    opens(stage, "cora")
    carl = replace(stage.as_("carl"), waited_ms=60_000)
    assert "task" in stage.floor.counting.open_bin(stage.op(), carl, {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), carl, {"item": "BOLT", "quantity": 20, "bin": "A-01"})
    stage.floor.counting.close_bin(stage.op(), carl, {"bin": "A-01", "confirm": True})
    enter(stage, "cora", 20)
    close(stage, "A-01", "cora")
    assert rounds_of(stage, number) == 2


def rounds_of(stage: Stage, number: OpId) -> int:
    with stage.site.reading() as connection:
        (found,) = connection.execute(
            "SELECT COUNT(DISTINCT round) FROM counts WHERE session = ?", (number.raw,)
        ).fetchone()
    return int(found)


def test_a_bin_is_shared_by_agreement_and_its_areas_are_summed(stage: Stage) -> None:
    number = session(stage, "A-01")
    opens(stage, "cora")
    enter(stage, "cora", 5)
    assert opens(stage, "carl", how="share", area="upper shelf")["state"] == "asked"
    with pytest.raises(Rejected, match="not answered"):
        opens(stage, "carl")
    with pytest.raises(Rejected, match="not opened"):
        share(stage, "tess")
    with pytest.raises(Rejected, match="own"):
        stage.floor.counting.shared.decide(
            stage.op(), stage.as_("cora"), {"bin": "A-01", "area": 1, "agree": True}
        )  # fmt: skip
    (asked,) = screen(stage, "cora")["areas"]
    assert (asked["name"], asked["by"], asked["state"], asked["mine"]) == ("upper shelf", "Carl", "asked", False)
    share(stage, "cora")
    with stage.site.reading() as connection:
        (his,) = stage.floor.counting.mine(connection, stage.as_("carl"))
    assert his["area"] == {"name": "upper shelf", "state": "agreed"}
    opens(stage, "carl")
    enter(stage, "carl", 14)
    assert [(each["name"], each["mine"]) for each in screen(stage, "carl")["areas"]] == [
        ("the left half", False), ("upper shelf", True),
    ]  # fmt: skip
    with pytest.raises(Rejected, match="upper shelf of A-01 is still being counted"):
        close_now(stage, "cora")
    op = stage.op()
    for _ in range(2):
        assert stage.floor.counting.close_bin(op, stage.as_("carl"), {"bin": "A-01"})["state"] == "counted"
    with pytest.raises(Rejected, match="not opened"):
        stage.floor.counting.close_bin(stage.op(), stage.as_("carl"), {"bin": "A-01"})
    late = replace(stage.as_("carl"), waited_ms=3_600_000)  # from his other tablet
    assert stage.floor.counting.close_bin(stage.op(), late, {"bin": "A-01"})["already"]
    assert [line["counted"] for line in screen(stage, "cora")["lines"]] == [5]
    operation = OpId.parse(close_now(stage, "cora")["operations"][0])
    with stage.site.reading() as connection:
        raw, scans = connection.execute(
            "SELECT j.document, c.scans FROM journal j JOIN counts c ON c.op_id = j.op_id WHERE j.op_id = ?",
            (operation.raw,),
        ).fetchone()
        both = [int(row[0]) for row in connection.execute("SELECT task FROM tasks ORDER BY task").fetchall()]
        leaves = [
            bytes(leaf)
            for task in both
            for (leaf,) in connection.execute("SELECT leaf FROM scan_events WHERE task = ? ORDER BY number", (task,))
        ]
        assert bytes(scans) == merkle.root_of(leaves)
    assert SHARED in Document.decode(bytes(raw)).marks
    # 5 + 14 of 20: counted again, by none of the two, approved by none of them.
    assert state(stage, number, "A-01")["why"] == "variance"
    for counted in ("cora", "carl"):
        with pytest.raises(Rejected, match="somebody else"):
            opens(stage, counted)
    opens(stage, "tess")
    enter(stage, "tess", 19)
    close(stage, "A-01", "tess")
    assert rounds(stage, number) == [[("BOLT", 19)], [("BOLT", 19)]]
    again = stage.op()
    assert stage.floor.counting.close_bin(op, stage.as_("carl"), {"bin": "A-01"})["op_id"] == str(op)
    with pytest.raises(Rejected, match="not opened"):
        stage.floor.counting.close_bin(again, stage.as_("carl"), {"bin": "A-01"})


def close_now(stage: Stage, who: str) -> dict[str, Any]:
    return stage.floor.counting.close_bin(stage.op(), stage.as_(who), {"bin": "A-01", "confirm": True})


def test_a_wish_to_share_is_declined_taken_back_or_left_and_nothing_is_summed(stage: Stage) -> None:
    number = session(stage, "A-01")
    opens(stage, "cora")
    opens(stage, "carl", how="share", area="right")
    share(stage, "cora", agree=False)
    assert "ask" in opens(stage, "carl")
    opens(stage, "carl", how="share", area="right")
    share(stage, "cora", 2)
    share(stage, "cora", 2, agree=False)  # taken back before it was begun
    opens(stage, "carl", how="share", area="right")
    share(stage, "cora", 3)
    opens(stage, "carl")
    enter(stage, "carl", 7)
    with pytest.raises(Rejected, match="nobody waits"):
        share(stage, "cora", 3, agree=False)
    stage.floor.counting.leave(stage.op(), stage.as_("carl"), {"bin": "A-01"})
    with pytest.raises(Rejected, match="right of A-01 was given back"):
        close(stage, "A-01")
    share(stage, "cora", 3, agree=False)
    enter(stage, "cora", 20)
    close(stage, "A-01")
    assert state(stage, number, "A-01")["state"] == "review" and rounds(stage, number) == [[("BOLT", 20)]]


def test_a_shared_bin_is_not_left_alone_and_parked_scans_of_its_areas_hold_it(stage: Stage) -> None:
    number = session(stage, "A-01")
    opens(stage, "cora")
    opens(stage, "carl", how="share", area="right")
    share(stage, "cora")
    opens(stage, "carl")
    stage.floor.people.bind_device(stage.as_("carl"), "gun")
    stage.scan("?!unknown")
    with stage.site.reading() as connection:
        (parked,) = stage.floor.parking.mine(connection, stage.as_("carl"))
    enter(stage, "carl", 8)
    close_now(stage, "carl")
    with pytest.raises(Rejected, match="others counted parts"):
        stage.floor.counting.leave(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    enter(stage, "cora", 12)
    close_now(stage, "cora")
    assert state(stage, number, "A-01")["parked"] == 1
    with pytest.raises(Rejected, match="nobody has explained"):
        approve(stage, number, "A-01")
    wish = {"park": parked["park"], "reason": "not-stock"}
    stage.floor.parking.dismiss(stage.op(), stage.as_("sven"), wish)
    body = {"session": str(number), "bin": "A-01"}
    for counter in ("tess",):
        assert stage.floor.counting.posting.approve(stage.op(), stage.as_(counter), body, PIN)["state"] == "posted"


def test_a_serial_counts_once_in_a_session_over_bins_areas_and_tablets(stage: Stage) -> None:
    for serial in ("S1", "S2"):
        stage.receive({"item": "DRILL", "serial": serial, "quantity": 1})
    session(stage, "A-01", "A-02")
    opens(stage, "cora")
    enter(stage, "cora", 1, "DRILL", serial="S1")
    opens(stage, "carl", how="share", area="right")
    share(stage, "cora")
    opens(stage, "carl")
    with pytest.raises(Rejected, match="already counted in this session"):
        enter(stage, "carl", 1, "DRILL", serial="S1")
    enter(stage, "carl", 1, "DRILL", serial="S2")
    close_now(stage, "carl")
    with pytest.raises(Rejected, match="already counted in this session"):
        enter(stage, "cora", 1, "DRILL", serial="S2")
    # Another count of the whole bin is no second time, another bin is one, also while both are under way.
    opens(stage, "tess", how="second")
    enter(stage, "tess", 1, "DRILL", serial="S1")
    stage.floor.counting.leave(stage.op(), stage.as_("tess"), {"bin": "A-01"})
    opens(stage, "tess", "A-02")
    for serial in ("S1", "S2"):
        with pytest.raises(Rejected, match="already counted in this session"):
            enter(stage, "tess", 1, "DRILL", serial=serial)


def test_a_crash_between_the_closings_of_two_tallies_loses_and_doubles_nothing(stage: Stage) -> None:
    number = session(stage, "A-01")
    opens(stage, "cora")
    enter(stage, "cora", 18)
    opens(stage, "carl", how="second")
    enter(stage, "carl", 18)
    op = stage.op()

    def die(_: str) -> None:
        raise Killed

    arm_failpoint("count.part_recorded", die)
    try:
        with pytest.raises(Killed):
            stage.floor.counting.close_bin(op, stage.as_("cora"), {"bin": "A-01", "confirm": True})
    finally:
        disarm_failpoints()
    again = stage.restart()
    stage.site, stage.journal, stage.floor = again.site, again.journal, again.floor
    stage.floor.counting.close_bin(op, stage.as_("cora"), {"bin": "A-01", "confirm": True})
    close(stage, "A-01", "carl")
    assert rounds(stage, number) == [[("BOLT", 18)], [("BOLT", 18)]]
