"""What a count found and an adjustment or a reversal corrects as well: the books are corrected once."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from tests.node.floor_kit import PIN, Stage

LOST = {"lines": [{"item": "BOLT", "location": "A-01", "change": -2}], "reasons": ["lost"]}


@pytest.fixture
def reviewed(stage: Stage) -> tuple[Stage, OpId]:
    """Of ten that the books have in A-01 tess found eight; the bin is in review."""
    stage.receive({"item": "BOLT", "quantity": 10})
    session = stage.op()
    wish = {"name": "Week", "bins": ["A-01", "A-02"], "rule": {"control_percent": 0, "rounds_max": 1}}
    stage.floor.counting.open_session(session, stage.as_("sven"), wish)
    count(stage, "tess")
    stage.world.clock.advance(60_000)
    return stage, session


def count(stage: Stage, login: str) -> None:
    stage.floor.counting.open_bin(stage.op(), stage.as_(login), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_(login), {"item": "BOLT", "quantity": 8})
    stage.floor.counting.close_bin(stage.op(), stage.as_(login), {"bin": "A-01", "confirm": True})


def propose(stage: Stage, act: str, **wish: Any) -> OpId:
    op = stage.op()
    getattr(stage.floor.stock, act)(op, stage.as_("mona"), wish)
    return op


def sign(stage: Stage, proposal: OpId, login: str = "sven") -> None:
    stage.floor.stock.proposals.approve(stage.op(), stage.as_(login), {"proposal": str(proposal)}, PIN)


def post(stage: Stage, session: OpId) -> None:
    wish = {"session": str(session), "bin": "A-01", "reason": "lost"}
    stage.floor.counting.posting.approve(stage.op(), stage.as_("sven"), wish, PIN)


def state(stage: Stage, session: OpId) -> str:
    with stage.site.reading() as connection:
        found = stage.floor.counting.review.overview(connection, stage.as_("sven"), session)
    return str(found["bins"][0]["state"])


def test_a_bin_in_review_is_counted_again_when_an_adjustment_of_it_is_signed(reviewed: tuple[Stage, OpId]) -> None:
    stage, session = reviewed
    sign(stage, propose(stage, "adjust", **LOST))
    assert state(stage, session) == "waiting"
    count(stage, "cora")
    post(stage, session)
    assert stage.stock("A-01", "BOLT") == 8


def test_a_reversal_corrects_the_books_as_well(reviewed: tuple[Stage, OpId]) -> None:
    stage, session = reviewed
    with stage.site.reading() as connection:
        (received,) = connection.execute("SELECT op_id FROM operations WHERE call = 'receive'").fetchone()
    sign(stage, propose(stage, "reverse", of=bytes(received).hex(), reasons=["wrong"]))
    assert state(stage, session) == "waiting"


def test_goods_that_are_scrapped_after_the_count_are_seen_in_its_review(reviewed: tuple[Stage, OpId]) -> None:
    stage, session = reviewed
    line = {"item": "BOLT", "quantity": 1, "source": "A-01"}
    sign(stage, propose(stage, "scrap", lines=[line], reasons=["crushed"]))
    assert state(stage, session) == "review"
    found = stage.floor.counting.review.bin_review(stage.as_("sven"), session, "A-01")
    assert [(each["quantity"], each["call"], each["after"]) for each in found["moves"]] == [(1, "adjust", True)]
    post(stage, session)
    assert stage.stock("A-01", "BOLT") == 7


def test_who_counted_the_bin_signs_nothing_about_it_while_that_count_goes_on(reviewed: tuple[Stage, OpId]) -> None:
    stage, session = reviewed
    proposal = propose(stage, "adjust", **LOST)
    with pytest.raises(Rejected, match="who counted A-01 in a count that goes on signs"):
        sign(stage, proposal, "tess")
    post(stage, session)
    wish = {"session": str(session), "bin": "A-02", "reason": "no-counter"}
    stage.floor.counting.uncounted(stage.op(), stage.as_("sven"), wish)
    sign(stage, proposal, "tess")
    assert stage.stock("A-01", "BOLT") == 6
