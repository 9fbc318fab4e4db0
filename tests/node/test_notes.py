"""Free text of an operation: its salted hash in the block, its text erasable without a trace and without harm."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ledger import db
from ledger.documents import commit
from ledger.errors import Rejected
from ledger.ids import OpId
from node import audit, floor_store, proofs, store
from tests.node.floor_kit import Stage

TEXT = "Kari from the blue truck said: dented by her cousin Olav"


def received(stage: Stage, text: str = TEXT) -> OpId:
    op = stage.op()
    body = {"lines": [{"item": "BOLT", "quantity": 1}], "target": "A-01", "note": text}
    stage.floor.stock.receive(op, stage.as_("mona"), body)
    return op


def note(stage: Stage, op_id: OpId, who: str = "mona") -> Any:
    with stage.site.reading() as connection:
        return stage.floor.notes.of(connection, stage.as_(who), op_id)


def erase(stage: Stage, of: OpId, who: str = "adam", op_id: OpId | None = None) -> dict[str, Any]:
    body = {"operation": str(of), "reasons": ["privacy"]}
    return stage.floor.notes.erase(op_id or stage.op(), stage.as_(who), body)


def found(stage: Stage, *secrets: bytes) -> set[Path]:
    """The files of the node that hold any of these bytes."""
    files = [path for path in stage.world.folder.rglob("*") if path.is_file()]
    return {path for path in files if any(secret in path.read_bytes() for secret in secrets)}


def test_a_note_is_shown_with_what_proves_it_before_and_after_its_block(stage: Stage) -> None:
    op = received(stage)
    told = note(stage, op)
    assert (told["text"], told["erased"]) == (TEXT, False)
    assert commit(bytes.fromhex(told["salt"]), TEXT.encode()).hex() == told["commitment"]
    stage.world.clock.advance(2_000)
    stage.site.seal()
    assert note(stage, op) == told
    assert note(stage, stage.receive({"item": "BOLT", "quantity": 1})) is None
    assert note(stage, stage.op()) is None


def test_erased_nothing_of_it_is_left_but_the_hash_and_everything_verifies(stage: Stage) -> None:
    others = [received(stage, f"{number} {TEXT} {number}"[:80]) for number in range(120)]
    op = received(stage, secret := "Olav Nordmann, born 1971, told me so himself")
    for number in range(120):
        others.append(received(stage, f"{number} {TEXT} again {number}"[:90]))
    stage.world.clock.advance(2_000)
    stage.site.seal()
    before = note(stage, op)
    assert found(stage, secret.encode())
    with pytest.raises(Rejected, match="APPROVE"):
        erase(stage, op, "mona")
    erasure = stage.op()
    erase(stage, op, op_id=erasure)
    # As the disk stands when the power fails now.
    assert found(stage, secret.encode(), bytes.fromhex(before["salt"])) == set()
    assert erase(stage, op, op_id=erasure)["erased"]
    with pytest.raises(Rejected, match="erased before"):
        erase(stage, op)
    with pytest.raises(Rejected, match="has no note"):
        erase(stage, stage.receive({"item": "BOLT", "quantity": 1}))
    assert note(stage, op) == {**before, "text": "", "salt": "", "erased": True}
    assert all(not note(stage, other)["erased"] for other in others)
    stage.world.clock.advance(2_000)
    stage.site.seal()
    assert stage.site.proof_state(erasure) == proofs.SEALED
    assert found(stage, secret.encode(), bytes.fromhex(before["salt"])) == set()
    stage.site.close()
    stage.journal.close()
    assert found(stage, secret.encode(), bytes.fromhex(before["salt"])) == set()
    audit.verify(stage.world.folder, stage.site.identity)


def test_a_proposal_that_was_refused_has_a_note_to_erase_too(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 5})
    op = stage.op()
    line = {"item": "BOLT", "quantity": 1, "source": "A-01"}
    stage.floor.stock.scrap(op, stage.as_("mona"), {"lines": [line], "reasons": ["damaged"], "note": TEXT})
    assert note(stage, op)["text"] == TEXT
    erase(stage, op, "sven")
    assert note(stage, op)["erased"]


def test_a_note_of_a_bin_that_is_being_counted_waits(stage: Stage) -> None:
    op = received(stage)
    plan = {"name": "Week", "bins": ["A-01"], "rule": {"line_quantity_max": 1}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), plan)
    with pytest.raises(Rejected, match="being counted"):
        note(stage, op, "carl")
    assert note(stage, op, "mona")["text"] == TEXT


def test_texts_of_an_older_program_count_from_the_upgrade(tmp_path: Path) -> None:
    older = db.create(tmp_path / store.DATABASE_FILE)
    db.migrate(older, store.STEPS[: store.STEPS.index(floor_store.RETENTION_1)])
    with db.transaction(older):
        older.execute("INSERT INTO erasable VALUES (?, ?, ?)", (b"d" * 32, b"s" * 16, TEXT))
    older.close()
    writer = store.open_writer(tmp_path)
    [(text, at_ms)] = writer.execute("SELECT content, at_ms FROM erasable").fetchall()
    assert text == TEXT and abs(time.time() * 1000 - at_ms) < 3_600_000
    writer.close()
