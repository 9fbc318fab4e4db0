"""Rounds of a count that are given to one person until a moment: who sees them, and when they are overdue."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from tests.node.floor_kit import Stage, actor_of
from tests.node.test_counting import close_sure, session, state

SOON_MS = 60_000


def mine(stage: Stage, who: str) -> list[dict[str, Any]]:
    with stage.site.reading() as connection:
        return stage.floor.counting.mine(connection, stage.as_(who))


def in_review(stage: Stage, until_ms: int) -> OpId:
    """A-01 was counted by Cora and Carl, who found two other than the books say."""
    stage.receive({"item": "BOLT", "quantity": 20})
    number = session(stage, {"bin": "A-01", "deadline_ms": until_ms})
    for who in ("cora", "carl"):
        stage.floor.counting.open_bin(stage.op(), stage.as_(who), {"bin": "A-01"})
        stage.floor.counting.enter(stage.op(), stage.as_(who), {"item": "BOLT", "quantity": 18})
        close_sure(stage, "A-01", who)
    assert state(stage, number, "A-01")["state"] == "review"
    return number


def recount(stage: Stage, number: OpId, **more: Any) -> None:
    wish = {"session": str(number), "bin": "A-01", "reason": "doubtful", **more}
    stage.floor.counting.review.recount(stage.op(), stage.as_("sven"), wish)


def test_a_round_is_overdue_when_its_deadline_is_over_until_it_is_counted(stage: Stage) -> None:
    until_ms = stage.world.clock.now_ms() + SOON_MS
    number = session(stage, {"bin": "A-01", "deadline_ms": until_ms}, "A-02")
    assert [(each["bin"], each["deadline_ms"], each["overdue"]) for each in mine(stage, "cora")] == [
        ("A-01", until_ms, False),
        ("A-02", None, False),
    ]
    stage.world.clock.advance(SOON_MS + 1)
    assert [each["overdue"] for each in mine(stage, "cora")] == [True, False]
    assert state(stage, number, "A-01")["overdue"] and not state(stage, number, "A-02")["overdue"]
    stage.scan("BIN:A-01")
    stage.floor.counting.empty(stage.op(), stage.as_("cora"), {})
    close_sure(stage, "A-01")
    assert not state(stage, number, "A-01")["overdue"]


def test_a_second_count_keeps_the_deadline_of_the_first(stage: Stage) -> None:
    until_ms = stage.world.clock.now_ms() + SOON_MS
    session(stage, {"bin": "A-01", "deadline_ms": until_ms}, rule={"control_percent": 100})
    first = mine(stage, "carl")
    stage.scan("BIN:A-01")
    stage.floor.counting.empty(stage.op(), stage.as_("cora"), {})
    close_sure(stage, "A-01")
    assert mine(stage, "carl") == first


def test_a_recount_is_ordered_of_one_person_until_a_moment(stage: Stage) -> None:
    until_ms = stage.world.clock.now_ms() + SOON_MS
    number = in_review(stage, until_ms)
    with pytest.raises(Rejected, match="somebody else"):
        recount(stage, number, assignee=str(actor_of("cora")))
    with pytest.raises(Rejected, match="needs the role COUNT"):
        recount(stage, number, assignee=str(actor_of("mona")))
    assert state(stage, number, "A-01")["state"] == "review"
    recount(stage, number, assignee=str(actor_of("tess")), deadline_ms=until_ms + SOON_MS)
    [given] = mine(stage, "tess")
    assert (given["bin"], given["mine"], given["deadline_ms"]) == ("A-01", True, until_ms + SOON_MS)
    assert state(stage, number, "A-01")["assignee"] == "Tess"


def test_a_recount_that_says_no_deadline_keeps_the_one_before(stage: Stage) -> None:
    until_ms = stage.world.clock.now_ms() + SOON_MS
    number = in_review(stage, until_ms)
    recount(stage, number)
    assert state(stage, number, "A-01")["deadline_ms"] == until_ms
    assert state(stage, number, "A-01")["assignee"] == ""
