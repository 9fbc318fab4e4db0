"""An approver decides on another count of a bin than the newest: what is posted is that count's own difference."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import COUNT
from node import counting_facts, streams
from node.openings import document_of
from tests.node.floor_kit import Stage
from tests.node.test_counting import NEVER, approve, close, session, state
from tests.node.test_counting_shared import enter, opens
from tests.node.test_counting_stuck import count

TWICE = {**NEVER, "line_quantity_max": 0, "rounds_max": 2}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """Twenty bolts lie in A-01."""
    stage.receive({"item": "BOLT", "quantity": 20})
    return stage


def counted_twice(stage: Stage, first: int = 18, second: int = 17) -> OpId:
    """Cora finds 18 and carl, who is asked to count again, 17: in review."""
    number = session(stage, "A-01", rule=TWICE)
    count(stage, "cora", first)
    count(stage, "carl", second)
    assert state(stage, number, "A-01")["state"] == "review"
    return number


def choose(stage: Stage, number: OpId, round_: int, who: str = "sven", bin_: str = "A-01") -> dict[str, Any]:
    body = {"session": str(number), "bin": bin_, "round": round_, "reason": "doubtful"}
    return stage.floor.counting.choosing.choose(stage.op(), stage.as_(who), body)


def review(stage: Stage, number: OpId, bin_: str = "A-01") -> dict[str, Any]:
    return stage.floor.counting.review.bin_review(stage.as_("sven"), number, bin_)


def test_the_chosen_count_is_posted_and_the_newest_is_not(stage: Stage) -> None:
    number = counted_twice(stage)
    assert choose(stage, number, 0)["round"] == 0
    found = review(stage, number)
    assert found["chosen"] == {"round": 0, "reason": "doubtful"}
    assert [[line["counted"] for line in each["lines"]] for each in found["rounds"]] == [[18], [17]]
    done = approve(stage, number, "A-01")
    assert done["state"] == "posted" and stage.stock("A-01", "BOLT") == 18
    with stage.site.reading() as connection:
        document = document_of(connection, OpId.parse(done["op_id"]))
        assert document is not None and "doubtful" in document.reasons
        assert [each.round for each in counting_facts.posted_rounds(connection)] == [0]
    [line] = stage.floor.counting.reports.variance(stage.as_("sven"), number)["lines"]
    assert (line["counted"], line["round"], line["counter"]) == (18, 1, "Cora")


def test_the_difference_is_that_of_the_count_whatever_moved_since(stage: Stage) -> None:
    """Eighteen of twenty; then five are moved away: two are missing as before, and thirteen are left."""
    number = session(stage, "A-01", rule=TWICE)
    count(stage, "cora", 18)
    line = {"item": "BOLT", "quantity": 5, "source": "A-01", "target": "A-02"}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [line]})
    count(stage, "carl", 14)
    assert [each["lines"][0]["difference"] for each in review(stage, number)["rounds"]] == [-2, -1]
    choose(stage, number, 0)
    approve(stage, number, "A-01")
    assert stage.stock("A-01", "BOLT") == 13


def test_a_choice_is_taken_back_and_one_more_count_takes_it_back_too(stage: Stage) -> None:
    number = counted_twice(stage)
    choose(stage, number, 0)
    choose(stage, number, 1)
    assert "chosen" not in review(stage, number)
    choose(stage, number, 0)
    body = {"session": str(number), "bin": "A-01", "reason": "doubtful"}
    stage.floor.counting.review.recount(stage.op(), stage.as_("sven"), body)
    opens(stage, "tess")
    enter(stage, "tess", 16)
    close(stage, "A-01", "tess")
    assert "chosen" not in review(stage, number)
    approve(stage, number, "A-01")
    assert stage.stock("A-01", "BOLT") == 16


def test_nobody_chooses_among_counts_of_their_own_nor_approves_them(stage: Stage) -> None:
    number = session(stage, "A-01", rule=TWICE)
    opens(stage, "tess")
    enter(stage, "tess", 18)
    close(stage, "A-01", "tess")
    count(stage, "carl", 17)
    with pytest.raises(Rejected, match="you counted"):
        choose(stage, number, 0, "tess")
    choose(stage, number, 1, "sven")
    choose(stage, number, 0, "sven")
    with pytest.raises(Rejected, match="you counted"):
        approve(stage, number, "A-01", "tess")
    approve(stage, number, "A-01")


def test_whoever_only_counts_chooses_nothing_and_learns_nothing(stage: Stage) -> None:
    number = counted_twice(stage)
    with pytest.raises(Rejected, match="APPROVE"):
        choose(stage, number, 0, "cora")
    answer = choose(stage, number, 0, "tess")  # she may count as well
    assert set(answer) == {"op_id", "session", "bin", "round"} and stage.as_("tess").has(COUNT)


def test_what_is_not_there_is_not_chosen(stage: Stage) -> None:
    number = counted_twice(stage)
    with pytest.raises(Rejected, match="round 3"):
        choose(stage, number, 2)
    approve(stage, number, "A-01")
    with pytest.raises(Rejected, match="not in review"):
        choose(stage, number, 0)
    other = session(stage, "A-02", rule=TWICE)
    with pytest.raises(Rejected, match="not in review"):
        choose(stage, other, 0, bin_="A-02")


def test_a_bin_of_which_a_part_is_posted_stays_with_its_count(stage: Stage) -> None:
    stage.receive({"item": "PAINT", "lot": "L1", "quantity": 3})
    number = session(stage, "A-01", rule=TWICE)
    for who, bolts in (("cora", 18), ("carl", 17)):
        opens(stage, who)
        enter(stage, who, bolts)
        line = {"item": "PAINT", "lot": "L1", "quantity": 2}
        stage.floor.counting.enter(stage.op(), stage.as_(who), line)
        close(stage, "A-01", who)
    approve(stage, number, "A-01", lines=[0])
    with pytest.raises(Rejected, match="posted already"):
        choose(stage, number, 0)


def test_a_piece_that_stands_in_another_bin_of_the_count_is_not_chosen(stage: Stage) -> None:
    number = session(stage, "A-01", "A-02", rule=TWICE)
    drill = {"item": "DRILL", "serial": "S1", "quantity": 1}
    opens(stage, "cora")
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), drill)
    close(stage, "A-01", "cora")
    count(stage, "carl", 20)
    assert state(stage, number, "A-01")["state"] == "review"
    for who in ("cora", "carl"):
        opens(stage, who, "A-02")
        stage.floor.counting.enter(stage.op(), stage.as_(who), drill)
        close(stage, "A-02", who)
    with pytest.raises(Rejected, match="serial S1 of DRILL was counted in A-02"):
        choose(stage, number, 0)


def test_a_relocation_is_offered_by_the_chosen_count_and_said_anew(stage: Stage) -> None:
    number = session(stage, "A-01", "A-02", rule=TWICE)
    count(stage, "cora", 18)
    count(stage, "carl", 20)  # nothing is missing after all
    opens(stage, "cora", "A-02")
    enter(stage, "cora", 2)
    close(stage, "A-02", "cora")
    count(stage, "carl", 2, "A-02")
    assert review(stage, number)["relocations"] == []
    choose(stage, number, 0)
    [offer] = review(stage, number)["relocations"]
    assert (offer["source"], offer["target"], offer["quantity"]) == ("A-01", "A-02", 2)
    body = {"session": str(number), "item": "BOLT", "source": "A-01", "target": "A-02", "accept": True}
    stage.floor.counting.relocations.decide(stage.op(), stage.as_("sven"), body)
    choose(stage, number, 1)
    assert review(stage, number)["relocations"] == []
    assert review(stage, number, "A-02")["rounds"][-1]["lines"][0]["relocated"] == 0


def test_an_approvers_limits_hold_for_the_chosen_count(stage: Stage) -> None:
    number = counted_twice(stage, 2, 19)
    with stage.site.writing() as connection:
        streams.put(connection, "policy", "counting", {"approval": {"bin_quantity_max": 5}})
    choose(stage, number, 0)
    with pytest.raises(Rejected, match="more than the 5 you may approve"):
        approve(stage, number, "A-01")
    choose(stage, number, 1)
    approve(stage, number, "A-01")


def test_the_same_choice_again_has_its_answer(stage: Stage) -> None:
    number, op = counted_twice(stage), stage.op()
    body = {"session": str(number), "bin": "A-01", "round": 0, "reason": "doubtful"}
    first = stage.floor.counting.choosing.choose(op, stage.as_("sven"), body)
    assert stage.floor.counting.choosing.choose(op, stage.as_("sven"), body) == first
    again = stage.restart()
    assert review(again, number)["chosen"]["round"] == 0
    again.site.close()
    again.journal.close()


def test_an_approver_signs_the_count_that_they_looked_at(stage: Stage) -> None:
    number = counted_twice(stage)
    choose(stage, number, 0)
    with pytest.raises(Rejected, match="look at it again"):
        approve(stage, number, "A-01", round=1)
    assert stage.stock("A-01", "BOLT") == 20
    approve(stage, number, "A-01", round=0)
    assert stage.stock("A-01", "BOLT") == 18
