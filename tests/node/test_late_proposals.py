"""What was done without contact and waits for a signature is not lost when it cannot be booked, or is refused."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger import calls, db
from ledger.documents import OUT_OF_CONTACT
from ledger.errors import NotSigned, Rejected
from ledger.ids import OpId
from node import floor_store, store
from tests.node.floor_kit import PIN, Stage, actor_of
from tests.node.test_contact import BOLTS, HOUR_MS, Verb, document_of, excepted, late
from tests.node.test_counted_by_who_left import leave

WHY = {"reasons": ["crushed"]}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.receive({"item": "BOLT", "quantity": 5})
    return stage


def wishes(stage: Stage) -> dict[str, tuple[Verb, dict[str, Any], tuple[str, str]]]:
    """What can be proposed of the goods in A-01, and from where to where it carries them."""
    stock = stage.floor.stock
    received = stage.receive({**BOLTS, "target": "A-02"})
    goods = {"lines": [BOLTS], "source": "A-01", **WHY}
    back = {**goods, "supplier": "ACME", "origin": "DN-1"}
    less = {"lines": [{"item": "BOLT", "location": "A-01", "change": -4}], **WHY}
    return {
        "scrap": (stock.scrap, goods, ("A-01", "SHRINKAGE")),
        "adjust": (stock.adjust, less, ("A-01", "SHRINKAGE")),
        "send back": (stock.send_back, back, ("A-01", "SUPPLIER")),
        "reverse": (stock.reverse, {"of": str(received), **WHY}, ("A-02", "SUPPLIER")),
    }


def proposed(stage: Stage, name: str, waited_ms: int = HOUR_MS) -> tuple[OpId, tuple[str, str]]:
    verb, body, ends = wishes(stage)[name]
    op_id = stage.op()
    assert verb(op_id, late(stage, "mona", waited_ms), body)["state"] == "proposed"
    return op_id, ends


def emptied(stage: Stage, place: str) -> None:
    left = {"item": "BOLT", "quantity": stage.stock(place, "BOLT")}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [left], "source": place, "target": "DOCK"})


def approve(stage: Stage, proposal: OpId, op_id: OpId | None = None, pin: str = PIN) -> dict[str, Any]:
    who = stage.as_("sven")
    return stage.floor.stock.proposals.approve(op_id or stage.op(), who, {"proposal": str(proposal)}, pin)


def reject(stage: Stage, proposal: OpId) -> dict[str, Any]:
    body = {"proposal": str(proposal), "reason": "not-so"}
    return stage.floor.stock.proposals.reject(stage.op(), stage.as_("sven"), body)


def state_of(stage: Stage, proposal: OpId) -> tuple[str, bool]:
    with stage.site.reading() as connection:
        shown = stage.floor.stock.proposals.one(connection, stage.as_("sven"), proposal, frozenset())
    return shown["state"], shown["happened"]


def stated_by(stage: Stage, op_id: OpId) -> bytes:
    with stage.site.reading() as connection:
        (actor,) = connection.execute("SELECT actor FROM operations WHERE op_id = ?", (op_id.raw,)).fetchone()
    return bytes(actor)


@pytest.mark.parametrize("name", ["scrap", "adjust", "send back", "reverse"])
def test_what_has_happened_and_cannot_be_booked_when_it_is_signed_is_kept(stage: Stage, name: str) -> None:
    proposal, (source, target) = proposed(stage, name)
    emptied(stage, source)
    with pytest.raises(Rejected, match="PIN is wrong"):
        approve(stage, proposal, pin="111222")
    assert state_of(stage, proposal) == ("open", True)
    op_id = stage.op()
    answer = approve(stage, proposal, op_id)
    assert answer["exception"] is True and approve(stage, proposal, op_id) == answer
    assert excepted(stage, proposal) == [(source, "BOLT", 4, source, target)]
    assert document_of(stage, proposal).marks == (OUT_OF_CONTACT,)
    assert state_of(stage, proposal) == ("approved", True) and stated_by(stage, proposal) == actor_of("mona").raw


@pytest.mark.parametrize("name", ["scrap", "adjust", "send back", "reverse"])
def test_what_has_happened_and_is_refused_has_its_bins_counted(stage: Stage, name: str) -> None:
    proposal, (source, target) = proposed(stage, name)
    assert reject(stage, proposal)["exception"] is True
    assert excepted(stage, proposal) == [(source, "BOLT", 4, source, target)]
    assert state_of(stage, proposal) == ("rejected", True) and stage.stock("A-01", "BOLT") == 5


def test_what_has_happened_and_can_be_booked_is_booked(stage: Stage) -> None:
    proposal, _ = proposed(stage, "scrap")
    assert "exception" not in approve(stage, proposal)
    assert stage.stock("A-01", "BOLT") == 1 and excepted(stage, proposal) == []


def test_what_was_undone_meanwhile_is_kept_when_its_reversal_is_signed(stage: Stage) -> None:
    proposal, _ = proposed(stage, "reverse")
    with stage.site.reading() as connection:
        shown = stage.floor.stock.proposals.one(connection, stage.as_("sven"), proposal, frozenset())
    again = stage.op()
    stage.floor.stock.reverse(again, stage.as_("mona"), {"of": shown["of"], **WHY})
    approve(stage, again)
    assert approve(stage, proposal)["exception"] is True
    assert excepted(stage, proposal) == [("A-02", "BOLT", 4, "A-02", "SUPPLIER")]


def test_a_signature_that_is_none_decides_nothing(stage: Stage) -> None:
    proposal, _ = proposed(stage, "scrap")
    nobodys = calls.Approval(actor=actor_of("sven"), v=27, r=bytes(31) + b"\1", s=bytes(31) + b"\1")
    with pytest.raises(NotSigned, match="not signed by the approver"):
        stage.floor.stock.proposals.book(
            stage.op(), stage.as_("sven"), proposal, lambda call, _: calls.with_approval(call, nobodys)
        )
    assert state_of(stage, proposal) == ("open", True) and excepted(stage, proposal) == []


def test_what_is_only_wished_for_waits_or_ends_as_ever(stage: Stage) -> None:
    proposal, (source, _) = proposed(stage, "scrap", waited_ms=0)
    emptied(stage, source)
    with pytest.raises(Rejected, match="This adjustment is refused"):
        approve(stage, proposal)
    assert state_of(stage, proposal) == ("open", False)
    assert "exception" not in reject(stage, proposal) and excepted(stage, proposal) == []


def test_what_somebody_did_who_has_left_is_kept_in_the_name_of_who_signs(stage: Stage) -> None:
    proposal, _ = proposed(stage, "scrap")
    leave(stage, "mona")
    assert approve(stage, proposal)["exception"] is True and stated_by(stage, proposal) == actor_of("sven").raw
    assert excepted(stage, proposal) == [("A-01", "BOLT", 4, "A-01", "SHRINKAGE")]


def test_proposals_of_before_are_wishes(tmp_path: Path) -> None:
    older = db.create(tmp_path / store.DATABASE_FILE)
    db.migrate(older, store.STEPS[: store.STEPS.index(floor_store.PROPOSED_1)])
    with db.transaction(older):
        row = (b"o" * 16, b"call", b"document", b"m" * 32, 1)
        older.execute("INSERT INTO proposals VALUES (?, ?, ?, ?, ?, 'open', '', NULL)", row)
    older.close()
    with closing(store.open_writer(tmp_path)) as writer:
        assert writer.execute("SELECT state, happened FROM proposals").fetchall() == [("open", 0)]
