"""Rounds of a count that are given to one person until a moment: who sees them, and when they are overdue."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from tests.node.floor_kit import Stage, actor_of, introduce
from tests.node.test_counting import close_sure, session, state
from web.node_views import counters

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


# ------------------------------------------------------------ whose time here ends


def ends(stage: Stage, who: str, in_ms: int) -> None:
    """This person counts here only until then."""
    until_s = (stage.world.clock.now_ms() + in_ms) // 1000
    introduce(stage.world, stage.site, who, ("COUNT",), valid_until=until_s)


def assign(stage: Stage, number: OpId, who: str, deadline_ms: int | None = None) -> None:
    wish = {"session": str(number), "bin": "A-01", "assignee": str(actor_of(who)), "deadline_ms": deadline_ms}
    stage.floor.counting.assign(stage.op(), stage.as_("sven"), wish)


def test_nobody_is_given_a_round_that_they_may_not_count_by_then(stage: Stage) -> None:
    number, now_ms = session(stage, "A-01"), stage.world.clock.now_ms()
    ends(stage, "carl", 2 * SOON_MS)
    with pytest.raises(Rejected, match="end before this deadline"):
        assign(stage, number, "carl", now_ms + 3 * SOON_MS)
    with pytest.raises(Rejected, match="end before this deadline"):
        session(stage, {"bin": "A-02", "assignee": str(actor_of("carl")), "deadline_ms": now_ms + 3 * SOON_MS})
    assign(stage, number, "carl", now_ms + SOON_MS)
    assign(stage, number, "carl")
    assert [each["mine"] for each in mine(stage, "carl")] == [True]
    introduce(stage.world, stage.site, "nora", ("COUNT",), valid_from=now_ms // 1000 + 300)
    with pytest.raises(Rejected, match="have not begun yet"):
        assign(stage, number, "nora")
    stage.world.clock.advance(2 * SOON_MS)
    with pytest.raises(Rejected, match="have ended"):
        assign(stage, number, "carl")


def test_what_is_given_to_somebody_whose_time_is_over_is_anybodys(stage: Stage) -> None:
    number = session(stage, "A-01")
    ends(stage, "carl", SOON_MS)
    assign(stage, number, "carl")
    assert mine(stage, "cora") == []
    stage.world.clock.advance(SOON_MS)
    stage.floor.counting.free_revoked()
    assert [each["bin"] for each in mine(stage, "cora")] == ["A-01"]


def test_whose_time_is_over_is_not_among_those_to_choose_from(stage: Stage) -> None:
    ends(stage, "carl", SOON_MS)
    for still in (True, False):
        with stage.site.reading() as connection:
            names = [name for _, name in counters(connection, stage.floor.people)]
        assert ("Carl" in names, "Cora" in names) == (still, True)
        stage.world.clock.advance(SOON_MS)
