"""A delivery note that was received before is asked back, however it and its supplier are spelled."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger import db
from node import store
from tests.node.floor_kit import Stage


def receive(stage: Stage, note: str, supplier: str = "") -> dict[str, Any]:
    body = {"lines": [{"item": "BOLT", "quantity": 1}], "target": "A-01", "delivery_note": note}
    named = {"supplier": supplier} if supplier else {}
    return stage.floor.stock.receive(stage.op(), stage.as_("mona"), {**body, **named})


@pytest.mark.parametrize(
    ("note", "supplier"),
    [("DN-1", "ACME"), ("dn-1", "ACME"), ("DN 1", "Acme"), ("dn1", "A.C.M.E."), ("DN/1", ""), ("ＤＮ－１", "ACME")],
)
def test_it_is_asked_however_it_is_spelled(stage: Stage, note: str, supplier: str) -> None:
    assert "ask" not in receive(stage, "DN-1", "ACME")
    assert f"delivery note {note} was received before" in receive(stage, note, supplier)["ask"]


def test_one_without_a_supplier_is_anybodys(stage: Stage) -> None:
    assert "ask" not in receive(stage, "DN-1")
    assert "was received before" in receive(stage, "dn-1", "ACME")["ask"]


@pytest.mark.parametrize(("note", "supplier"), [("DN-2", "ACME"), ("DN-1", "OTHER"), ("#", "ACME"), ("DN-11", "")])
def test_another_note_or_supplier_is_not(stage: Stage, note: str, supplier: str) -> None:
    assert "ask" not in receive(stage, "DN-1", "ACME")
    assert "ask" not in receive(stage, "-", "ACME")
    assert "ask" not in receive(stage, note, supplier)


def test_notes_of_an_older_program_are_asked_back_too(tmp_path: Path) -> None:
    older = db.create(tmp_path / store.DATABASE_FILE)
    db.migrate(older, store.STEPS[: store.STEPS.index(store.bare_notes)])
    with db.transaction(older):
        for note, number in (("DN-1", 1), ("dn-1", 2)):
            older.execute("INSERT INTO deliveries VALUES ('ACME', ?, ?)", (note, bytes([number]) * 16))
    older.close()
    with closing(store.open_writer(tmp_path)) as writer:
        found = writer.execute("SELECT supplier, note, op_id FROM deliveries ORDER BY op_id").fetchall()
    assert found == [("acme", "dn1", bytes([1]) * 16), ("acme", "dn1", bytes([2]) * 16)]
