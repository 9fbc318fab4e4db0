"""What relocations explain: each piece once, only while both bins say so, and no more than an approver may pass."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import policy
from ledger.errors import Rejected
from ledger.ids import OpId
from node import policies, streams
from tests.node.floor_kit import Stage
from tests.node.test_counting_rules import approve, count, document_of, put, session


@pytest.fixture
def stage(stage: Stage) -> Stage:
    with stage.site.writing() as connection:
        said = {"approval": {"bin_quantity_max": 9}}
        streams.put(connection, policies.STREAM, policy.COUNTING, said)
    return stage


def relocate(stage: Stage, number: OpId, source: str, target: str, *, accept: bool = True) -> int:
    wish = {"session": str(number), "item": "BOLT", "source": source, "target": target, "accept": accept}
    return int(stage.floor.counting.relocations.decide(stage.op(), stage.as_("sven"), wish)["quantity"])


def bolts(stage: Stage, *bins: str) -> list[int]:
    return [stage.stock(bin_, "BOLT") for bin_ in bins]


def missing(stage: Stage, *bins: str) -> OpId:
    """Of twenty bolts in A-01 ten are missing; each of the bins has ten that nobody knew of."""
    put(stage, "A-01", "BOLT", 20)
    number = session(stage, "A-01", *bins)
    for bin_ in ("A-01", *bins):
        count(stage, bin_, {"item": "BOLT", "quantity": 10})
    return number


def test_what_is_missing_once_is_found_once(stage: Stage) -> None:
    number = missing(stage, "A-02", "DOCK")
    assert relocate(stage, number, "A-01", "A-02") == 10
    with pytest.raises(Rejected, match="nothing to relocate"):
        relocate(stage, number, "A-01", "DOCK")
    approve(stage, number, "A-02")
    with pytest.raises(Rejected, match="more than the 9 you may approve"):
        approve(stage, number, "DOCK", reason="found")
    approve(stage, number, "A-01")
    assert bolts(stage, "A-01", "A-02", "DOCK") == [10, 10, 0]


def test_another_bin_may_be_said_before_anything_is_posted(stage: Stage) -> None:
    number = missing(stage, "A-02", "DOCK")
    relocate(stage, number, "A-01", "A-02")
    relocate(stage, number, "A-01", "A-02", accept=False)
    assert relocate(stage, number, "A-01", "DOCK") == 10
    with pytest.raises(Rejected, match="nothing to relocate"):
        relocate(stage, number, "A-01", "A-02")
    approve(stage, number, "DOCK")
    approve(stage, number, "A-01")
    assert bolts(stage, "A-01", "A-02", "DOCK") == [10, 0, 10]


@pytest.mark.parametrize("first", ["A-01", "A-02"])
def test_the_other_half_is_posted_before_its_bin_is_decided_otherwise(stage: Stage, first: str) -> None:
    number = missing(stage, "A-02")
    relocate(stage, number, "A-01", "A-02")
    approve(stage, number, first)
    second = {"A-01": "A-02", "A-02": "A-01"}[first]
    counting, sven, of = stage.floor.counting, stage.as_("sven"), {"session": str(number), "reason": "no"}
    for refused in (
        lambda: counting.reject(stage.op(), sven, {**of, "bins": [second]}),
        lambda: counting.uncounted(stage.op(), sven, {**of, "bin": second}),
        lambda: counting.cancel(stage.op(), sven, of),
        lambda: counting.review.recount(stage.op(), sven, {**of, "bin": second}),
    ):
        with pytest.raises(Rejected, match=f"{first} is posted as relocated with {second}: post that too"):
            refused()
    approve(stage, number, second)
    assert bolts(stage, "A-01", "A-02") == [10, 10]


def test_a_recount_asks_anew_whether_goods_were_relocated(stage: Stage) -> None:
    number = missing(stage, "A-02")
    relocate(stage, number, "A-01", "A-02")
    again = {"session": str(number), "bin": "A-02", "reason": "doubt"}
    stage.floor.counting.review.recount(stage.op(), stage.as_("sven"), again)
    with pytest.raises(Rejected, match="more than the 9 you may approve"):
        approve(stage, number, "A-01")
    count(stage, "A-02", who="carl")
    with pytest.raises(Rejected, match="more than the 9 you may approve"):
        approve(stage, number, "A-01", reason="lost")


def test_lines_that_are_approved_one_by_one_are_as_much_as_all_at_once(stage: Stage) -> None:
    put(stage, "A-01", "BOLT", 50)
    put(stage, "A-01", "PAINT", 50, lot="L1")
    number = session(stage, "A-01")
    count(stage, "A-01", {"item": "BOLT", "quantity": 45}, {"item": "PAINT", "lot": "L1", "quantity": 45})
    approve(stage, number, "A-01", reason="lost", lines=[0])
    with pytest.raises(Rejected, match="more than the 9 you may approve"):
        approve(stage, number, "A-01", reason="lost", lines=[1])
    assert bolts(stage, "A-01") == [45]


def test_who_counted_one_of_the_bins_does_not_explain_it_and_who_is_told_counts_no_more(stage: Stage) -> None:
    put(stage, "A-01", "BOLT", 20)
    number = session(stage, "A-01", "A-02")
    count(stage, "A-01", {"item": "BOLT", "quantity": 10}, who="tess")
    count(stage, "A-02", {"item": "BOLT", "quantity": 10})
    wish = {"session": str(number), "item": "BOLT", "source": "A-01", "target": "A-02"}
    with pytest.raises(Rejected, match="you counted A-01"):
        stage.floor.counting.relocations.decide(stage.op(), stage.as_("tess"), wish)
    again = {"session": str(number), "bin": "A-02", "reason": "look-again"}
    stage.floor.counting.review.recount(stage.op(), stage.as_("sven"), again)
    with pytest.raises(Rejected, match="knows nothing of what the books have"):
        stage.floor.counting.open_bin(stage.op(), stage.as_("tess"), {"bin": "A-02"})


# ---------------------------------------------------------------- one is posted before the other is counted


def found_late(stage: Stage, *lines: dict[str, Any]) -> tuple[OpId, str]:
    """Nine of twenty bolts are missing in A-01, which is posted as lost before A-02 is counted. Answers the session
    and the posting."""
    put(stage, "A-01", "BOLT", 20)
    number = session(stage, "A-01", "A-02")
    count(stage, "A-01", {"item": "BOLT", "quantity": 11})
    post = approve(stage, number, "A-01", reason="lost")["op_id"]
    count(stage, "A-02", *lines)
    return number, post


def looked_at(stage: Stage, number: OpId, bin_: str) -> dict[str, Any]:
    return stage.floor.counting.review.bin_review(stage.as_("sven"), number, bin_)


def test_a_bin_says_how_many_others_are_still_to_be_counted_for_what_differs_in_it(stage: Stage) -> None:
    put(stage, "A-01", "BOLT", 20)
    number = session(stage, "A-01", {"bin": "A-02", "items": ["PAINT"]}, {"bin": "DOCK", "items": ["BOLT"]})
    count(stage, "A-01", {"item": "BOLT", "quantity": 11})
    # What is counted in A-02 says nothing of bolts.
    assert looked_at(stage, number, "A-01")["uncounted"] == 1
    count(stage, "DOCK")
    assert looked_at(stage, number, "A-01")["uncounted"] == 0


def test_goods_found_after_the_bin_they_are_missing_in_was_posted_are_offered(stage: Stage) -> None:
    number, post = found_late(stage, {"item": "BOLT", "quantity": 12})
    (offer,) = looked_at(stage, number, "A-02")["relocations"]
    assert (offer["source"], offer["target"], offer["quantity"], offer["posted"]) == ("A-01", "A-02", 9, post)
    with pytest.raises(Rejected, match="9 of BOLT missing in A-01 may be those found in A-02"):
        approve(stage, number, "A-02", reason="found")
    assert relocate(stage, number, "A-01", "A-02") == 9
    # Three are left to explain, and only they count against the limit of nine.
    later = approve(stage, number, "A-02", reason="found")["op_id"]
    document = document_of(stage, later)
    assert (document.line_reasons, document.shares) == ({0: ("relocated", "found")}, {0: (9, 3)})
    assert document.references == {"relocated-1": post}
    assert bolts(stage, "A-01", "A-02") == [11, 12]
    assert [line["relocated"] for line in looked_at(stage, number, "A-01")["rounds"][-1]["lines"]] == [9]
    # Each of the two leads to the posting of the other.
    for bin_, other in (("A-01", later), ("A-02", post)):
        assert looked_at(stage, number, bin_)["relocations"] == [{**offer, "decided": "accepted", "posted": other}]


def test_what_was_posted_before_keeps_nobody_from_deciding_otherwise_on_the_other_bin(stage: Stage) -> None:
    number, _ = found_late(stage, {"item": "BOLT", "quantity": 9})
    relocate(stage, number, "A-01", "A-02")
    again = {"session": str(number), "bin": "A-02", "reason": "doubt"}
    stage.floor.counting.review.recount(stage.op(), stage.as_("sven"), again)
    count(stage, "A-02", who="carl")
    assert approve(stage, number, "A-02")["state"] == "posted"
    assert bolts(stage, "A-01", "A-02") == [11, 0]


def test_what_is_missing_after_it_was_posted_as_found_is_offered_too(stage: Stage) -> None:
    put(stage, "A-01", "BOLT", 20)
    number = session(stage, "A-01", "A-02")
    count(stage, "A-02", {"item": "BOLT", "quantity": 9})
    post = approve(stage, number, "A-02", reason="found")["op_id"]
    count(stage, "A-01", {"item": "BOLT", "quantity": 11})
    assert relocate(stage, number, "A-01", "A-02") == 9
    document = document_of(stage, approve(stage, number, "A-01")["op_id"])
    assert (document.line_reasons, document.references) == ({0: ("relocated",)}, {"relocated-1": post})


def test_a_piece_missing_in_a_posted_bin_is_taken_in_where_it_is_found(stage: Stage) -> None:
    put(stage, "A-01", "DRILL", 1, serial="S1")
    number = session(stage, "A-01", "A-02")
    count(stage, "A-01")
    approve(stage, number, "A-01", reason="lost")
    count(stage, "A-02", {"item": "DRILL", "serial": "S1", "quantity": 1})
    wish = {"session": str(number), "item": "DRILL", "serial": "S1", "source": "A-01", "target": "A-02"}
    stage.floor.counting.relocations.decide(stage.op(), stage.as_("sven"), wish)
    assert approve(stage, number, "A-02")["state"] == "posted"
    assert (stage.stock("A-01", "DRILL"), stage.stock("A-02", "DRILL")) == (0, 1)


def test_what_was_posted_explains_no_more_than_it_differed_by(stage: Stage) -> None:
    put(stage, "A-01", "BOLT", 20)
    number = session(stage, "A-01", "A-02", "DOCK")
    count(stage, "A-01", {"item": "BOLT", "quantity": 11})
    approve(stage, number, "A-01", reason="lost")
    for bin_ in ("A-02", "DOCK"):
        count(stage, bin_, {"item": "BOLT", "quantity": 6})
    assert relocate(stage, number, "A-01", "A-02") == 6
    approve(stage, number, "A-02")
    assert relocate(stage, number, "A-01", "DOCK") == 3
    relocate(stage, number, "A-01", "DOCK", accept=False)
    with pytest.raises(Rejected, match="give a reason"):
        approve(stage, number, "DOCK")
    assert approve(stage, number, "DOCK", reason="found")["state"] == "posted"
