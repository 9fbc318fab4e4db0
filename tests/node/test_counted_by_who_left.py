"""Whoever counted has no rights here any more: what they counted happened all the same."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from node import audit
from node.counting_csv import COLUMNS
from node.openings import document_of
from tests.node import floor_kit
from tests.node.floor_kit import PIN, Stage, actor_of, code_of, fresh, introduce
from tests.node.test_counted_pieces import approve, count, enter, session

BOLTS = {"item": "BOLT", "quantity": 9}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.receive({"item": "BOLT", "quantity": 20})
    return stage


def leave(stage: Stage, login: str, how: str = "revoked") -> None:
    """The hub tells that somebody has lost the role, or left, or their time here has come to its end."""
    if how == "expired":
        until = stage.world.clock.now_ms() // 1000 + 60
        introduce(stage.world, stage.site, login, ("COUNT",), valid_until=until)
        stage.world.clock.advance(120_000)
        stage.site.seal()
        stage.world.clock.advance(1_000)
    else:
        introduce(
            stage.world, stage.site, login, ("COUNT",) if how == "revoked" else ("MOVE",), revoked=how == "revoked"
        )


def posted_by(stage: Stage) -> list[tuple[Actor, Actor]]:
    """For each posting: in whose name it was recorded, and who had counted."""
    with stage.site.reading() as connection:
        rows = connection.execute(
            "SELECT o.actor, c.counter FROM count_posts p JOIN operations o ON o.op_id = p.op_id"
            " JOIN counts c ON c.op_id = p.count ORDER BY o.height, o.place"
        ).fetchall()
    return [(Actor(bytes(actor)), Actor(bytes(counter))) for actor, counter in rows]


def refused(stage: Stage, number: OpId, who: str = "sven", bin_: str = "A-01") -> str:
    with stage.site.reading() as connection:
        return stage.floor.counting.posting.refused(connection, number, bin_, stage.as_(who).actor)


@pytest.mark.parametrize("how", ["role", "revoked", "expired"])
def test_what_they_counted_is_posted(stage: Stage, how: str) -> None:
    number = session(stage, "A-01")
    count(stage, BOLTS)
    leave(stage, "cora", how)
    assert refused(stage, number) == ""
    assert approve(stage, number)["state"] == "posted" and stage.stock("A-01", "BOLT") == 9
    [(actor, counter)] = posted_by(stage)
    assert counter == actor_of("cora") and actor not in (counter, actor_of("sven"))
    found = stage.floor.counting.review.bin_review(stage.as_("sven"), number, "A-01")
    assert found["rounds"][0]["counter"] == "Cora"
    stage.site.seal()
    audit.verify(stage.world.folder, stage.site.identity)


def test_who_ordered_the_count_stands_in_for_them_and_has_moved_nothing(stage: Stage) -> None:
    number = stage.op()
    wish = {"name": "W", "bins": ["A-01"], "rule": {"control_percent": 0, "rounds_max": 1}}
    stage.receive({"item": "PAINT", "lot": "L", "quantity": 3})
    stage.floor.counting.open_session(number, stage.as_("tess"), wish)
    count(stage, BOLTS, {"item": "PAINT", "lot": "L", "quantity": 3})
    leave(stage, "cora")
    approve(stage, number, lines=[0])
    assert posted_by(stage) == [(actor_of("tess"), actor_of("cora"))]
    assert refused(stage, number, "tess") == ""
    body = {"session": str(number), "bin": "A-01"}
    answer = stage.floor.counting.posting.approve(stage.op(), stage.as_("tess"), body, PIN)
    assert answer["state"] == "posted"
    assert len({actor for actor, _ in posted_by(stage)}) == 2


def test_a_counter_who_is_here_stands_for_their_count(stage: Stage) -> None:
    number = session(stage, "A-01")
    count(stage, BOLTS)
    approve(stage, number)
    assert posted_by(stage) == [(actor_of("cora"), actor_of("cora"))]


def test_where_nobody_is_left_it_is_said_before(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    people = {"cora": ("COUNT", "RECEIVE"), "sven": ("APPROVE",)}
    monkeypatch.setattr(floor_kit, "PEOPLE", people)
    alone = fresh(tmp_path / "node", people=tuple(people))
    alone.floor.stock.receive(
        alone.op(), alone.as_("cora"), {"lines": [{"item": "BOLT", "quantity": 20}], "target": "A-01"}
    )
    number = session(alone, "A-01")
    count(alone, BOLTS)
    leave(alone, "cora")
    why = refused(alone, number)
    assert why == (
        "whoever counted A-01 has no rights here any more, and nobody but you is left to stand in for them: "
        "have somebody else given a role, or have it counted again"
    )
    with pytest.raises(Rejected, match="nobody but you is left"):
        approve(alone, number)
    with pytest.raises(Rejected, match="nobody but you is left"):
        body = {"session": str(number), "bins": ["A-01"], "reason": "lost"}
        alone.floor.counting.posting.approve_bins(alone.op(), alone.as_("sven"), body, PIN)
    introduce(alone.world, alone.site, "nora", ("COUNT",))
    alone.floor.people.activate(alone.op(), "nora", code_of("nora"), PIN, "tablet-1")
    assert refused(alone, number) == ""
    assert approve(alone, number)["state"] == "posted"
    alone.close()


def test_the_other_half_of_a_relocation_is_not_stuck(stage: Stage) -> None:
    number = session(stage, "A-01", "A-02")
    count(stage, {"item": "BOLT", "quantity": 15})
    count(stage, {"item": "BOLT", "quantity": 5}, bin_="A-02", who="carl")
    said = {"item": "BOLT", "source": "A-01", "target": "A-02", "accept": True}
    stage.floor.counting.relocations.decide(stage.op(), stage.as_("sven"), {"session": str(number), **said})
    approve(stage, number, "A-02")
    leave(stage, "cora")
    assert approve(stage, number)["state"] == "posted"
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-02", "BOLT")) == (15, 5)


@pytest.mark.parametrize("how", ["role", "revoked", "expired"])
def test_what_they_left_open_is_free_by_itself(stage: Stage, how: str) -> None:
    session(stage, "A-01")
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    enter(stage, **BOLTS)
    leave(stage, "cora", how)
    stage.floor.counting.free_revoked()
    count(stage, BOLTS, who="carl")


def sheet_of(stage: Stage, counter: str) -> tuple[OpId, dict[str, Any]]:
    number = session(stage, "A-01")
    sheet = stage.floor.counting.sheets.issue(stage.op(), stage.as_("tess"), {"session": str(number)})["sheet"]
    text = f"{','.join(COLUMNS)}\r\n{sheet},A-01,BOLT,,,,,9,"
    at_ms = stage.world.clock.now_ms()
    return number, {"sheet": sheet, "csv": text, "counter": str(actor_of(counter)), "counted_ms": at_ms}


@pytest.mark.parametrize("how", ["role", "revoked", "expired"])
def test_who_brings_the_sheet_of_somebody_who_left_answers_for_it(stage: Stage, how: str) -> None:
    number, wish = sheet_of(stage, "carl")
    leave(stage, "carl", how)
    sheets = stage.floor.counting.sheets
    with pytest.raises(Rejected, match="somebody with the role COUNT"):
        sheets.take_back(stage.op(), stage.as_("sven"), wish)
    assert sheets.take_back(stage.op(), stage.as_("tess"), {**wish, "dry_run": True})["problems"] == []
    op = stage.op()
    assert sheets.take_back(op, stage.as_("tess"), wish)["state"] == "returned"
    assert sheets.take_back(op, stage.as_("tess"), wish)["state"] == "returned"
    found = stage.floor.counting.review.bin_review(stage.as_("sven"), number, "A-01")
    [one] = found["rounds"]
    with stage.site.reading() as connection:
        document = document_of(connection, OpId.parse(one["operations"][0]))
    assert document is not None and document.references == {"sheet": "1", "counted-by": str(actor_of("carl"))}
    # Both have counted it, in one way or the other.
    assert "you counted A-01" in refused(stage, number, "tess")
    assert approve(stage, number)["state"] == "posted" and stage.stock("A-01", "BOLT") == 9
    assert one["counter"] == "Carl" and posted_by(stage) == [(actor_of("tess"), actor_of("tess"))]


def test_a_proposal_of_somebody_who_left_says_so_and_is_rejected(stage: Stage) -> None:
    name = stage.op()
    wish = {"lines": [{"item": "BOLT", "location": "A-01", "change": -2}], "reasons": ["lost"]}
    stage.floor.stock.adjust(name, stage.as_("mona"), wish)
    leave(stage, "mona")
    proposals = stage.floor.stock.proposals
    with pytest.raises(Rejected, match="whoever did it has no role for it here any more"):
        proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(name)}, PIN)
    answer = proposals.reject(stage.op(), stage.as_("sven"), {"proposal": str(name), "reason": "left"})
    assert answer["state"] == "rejected" and stage.stock("A-01", "BOLT") == 20
