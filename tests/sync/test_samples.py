"""A random sample with both real ends: the rule is sealed, then the hub sends the secret by which it is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import blocks, sampling
from ledger.documents import Document, part_op_id
from ledger.errors import Rejected
from ledger.ids import OpId, Origin
from ledger.plans import Plan, drawn, seed_of
from node.counting_sessions import DRAWN
from node.sealing import read_block
from tests.hub.sitekit import Seeded
from tests.sync.recovery_kit import Company
from tests.sync.test_hub_approvals import Small

HALL = tuple(f"H-{number:02}" for number in range(1, 13))
LONG_MS = 10 * 60_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    company = Company.found(tmp_path / "hub")
    made = Small(company, tmp_path / "oslo")
    made.hub.add_locations("oslo", HALL)
    made.settle()
    yield made
    made.machine.close()
    company.hub.close()


def ordered(small: Small, **more: Any) -> OpId:
    session = small.op()
    wish = {"name": "Sample", "plan": {"areas": list(HALL), "sample": 4}, **more}
    small.machine.seal()
    small.floor.counting.open_session(session, small.solo, wish)
    return session


def told(small: Small) -> int:
    """The hub answers, and the node draws."""
    small.settle()
    return small.floor.counting.draw_ready()


def plan(small: Small, session: OpId) -> Any:
    return small.floor.counting.plans.show(small.solo, session)


def bins(small: Small, session: OpId) -> list[str]:
    return [each["bin"] for each in plan(small, session)["bins"]]


def state(small: Small, session: OpId) -> str:
    with small.machine.site.reading() as connection:
        found = small.floor.counting.review.overview(connection, small.solo, session)
        [listed] = [
            each
            for each in small.floor.counting.review.sessions(connection, small.solo)
            if each["session"] == str(session)
        ]
    assert found["state"] == listed["state"] or found["state"] == "active"
    return str(listed["state"])


def sealed(small: Small, op_id: OpId) -> tuple[int, Plan]:
    """(height, plan) of the block that has this operation."""
    with small.machine.site.reading() as connection:
        row = connection.execute("SELECT height, place FROM operations WHERE op_id = ?", (op_id.raw,)).fetchone()
        block = read_block(connection, int(row[0]))
    assert block is not None
    raw = Document.decode(block.documents[int(row[1])]).plan
    assert raw is not None
    return int(row[0]), Plan.decode(raw)


def test_the_secret_of_a_draw_is_chosen_after_the_rule_is_sealed(small: Small) -> None:
    session = ordered(small)
    assert state(small, session) == "drawing" and bins(small, session) == []
    assert plan(small, session)["seed_from"] == "hub-after" and plan(small, session)["derived"] is None
    assert small.floor.counting.draw_ready() == 0
    with pytest.raises(Rejected, match="not drawn yet"):
        small.floor.counting.start(small.op(), small.solo, {"session": str(session)})

    assert told(small) == 1 and told(small) == 0
    shown = plan(small, session)
    assert (state(small, session), shown["derived"], len(shown["bins"])) == ("counting", True, 4)
    small.machine.seal()
    asked_at, asked = sealed(small, session)
    made_at, made = sealed(small, part_op_id(session, DRAWN))
    with small.machine.site.reading() as connection:
        note = bytes.fromhex(shown["seed_from"].removeprefix("hub-after:"))
        at, secret = connection.execute("SELECT height, subject FROM notes WHERE op_id = ?", (note,)).fetchone()
    # In this order in the site's own chain; and what was fixed first is what was drawn from.
    assert asked_at < at <= made_at
    assert asked.bins == () and asked.seed == b"" and (asked.rule, asked.height) == (made.rule, made.height)
    assert bins(small, session) == sorted(drawn(HALL, seed_of(bytes(secret), session), 4))


def test_the_hub_gives_a_session_one_secret_however_often_it_reads_the_block(small: Small) -> None:
    session = ordered(small)
    told(small)
    before = bins(small, session)
    origin = small.machine.site.identity.origin
    height, asked = sealed(small, session)
    with small.hub.store.write(str(origin)) as opened:
        block = blocks.block_at(opened, str(origin), height)
        [document] = [each for each in block.documents if Document.decode(each).plan == asked.encode()]
        scope = hashlib.sha256(asked.encode()).digest()

        def again(op_id: OpId, named: bytes, said: bytes, of: Origin = origin) -> bool:
            return sampling.answer(opened, of, str(op_id), named, said, Seeded(3), 1)

        assert again(session, scope, document) is False
        # Nor for what the call does not name, for another session's plan, or for what cannot be read.
        other = small.op()
        assert again(other, scope, document) is False
        assert again(other, bytes(32), document) is False
        assert again(other, scope, b"\xff\x00") is False
    assert told(small) == 0 and bins(small, session) == before


def test_without_a_link_it_is_drawn_at_once_and_says_by_whose_secret(small: Small) -> None:
    small.company.clock.advance(LONG_MS)
    session = ordered(small)
    assert (state(small, session), plan(small, session)["seed_from"]) == ("counting", "site-chosen")
    assert plan(small, session)["derived"] is True and len(bins(small, session)) == 4
    small.floor.counting.cancel(small.op(), small.solo, {"session": str(session), "reason": "again"})

    small.hub.issue_nonces("oslo", 1)
    small.settle()
    # A secret that was sent ahead is not what a session that asks is given.
    asking = ordered(small)
    assert state(small, asking) == "drawing"
    small.floor.counting.cancel(small.op(), small.solo, {"session": str(asking), "reason": "again"})
    small.company.clock.advance(LONG_MS)
    ahead = ordered(small)
    assert plan(small, ahead)["seed_from"].startswith("hub-before:")
    assert told(small) == 0 and state(small, asking) == "cancelled" and bins(small, asking) == []


def test_whoever_does_not_want_to_wait_draws_without_the_hub_and_the_plan_says_so(small: Small) -> None:
    session = ordered(small, draft=True)
    op, body = small.op(), {"session": str(session)}
    answer = small.floor.counting.draw(op, small.solo, body)
    assert small.floor.counting.draw(op, small.solo, body) == answer
    assert state(small, session) == "draft" and answer["bins"] == bins(small, session)
    assert plan(small, session)["seed_from"] == "site-chosen"
    with pytest.raises(Rejected, match="do not wait to be drawn"):
        small.floor.counting.draw(small.op(), small.solo, body)
    # The hub's secret, which comes later, changes nothing.
    assert told(small) == 0 and answer["bins"] == bins(small, session)
    small.floor.counting.start(small.op(), small.solo, body)
    assert state(small, session) == "counting"


def test_a_draw_that_the_rules_refuse_waits_for_somebody_and_harms_nothing(small: Small) -> None:
    """All of its bins went into another count meanwhile."""
    session = ordered(small)
    other = small.op()
    small.floor.counting.open_session(other, small.solo, {"name": "All", "bins": list(HALL)})
    assert told(small) == 1 and told(small) == 0
    with small.machine.site.reading() as connection:
        found = small.floor.counting.review.overview(connection, small.solo, session)
    assert (found["state"], found["not_drawn"]) == (
        "drawing",
        "no bin fits this plan now; 4 that fit are in a count already",
    )
    small.floor.counting.cancel(small.op(), small.solo, {"session": str(other), "reason": "again"})
    small.floor.counting.draw(small.op(), small.solo, {"session": str(session)})
    # By the hub's secret all the same: it is there.
    assert plan(small, session)["seed_from"].startswith("hub-after:")
    assert state(small, session) == "counting"
