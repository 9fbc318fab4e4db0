"""Operations are found by the numbers of the papers that came with them, however these are written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger import db
from ledger.calls import Receive
from ledger.seams import DiskStorage
from ledger.words import LINES_MAX
from node import audit, listings, store
from tests.node import world
from tests.node.floor_kit import PIN, Stage, actor_of
from tests.node.test_transfers import TWO, accept, dispatch, tell

BOLTS = {"item": "BOLT", "quantity": 5, "target": "A-01"}


def found(stage: Stage, reference: str, after: Any = None, most: int = 200, **more: Any) -> list[str]:
    """The ids of what is found, newest first."""
    with stage.site.reading() as connection:
        rows = listings.operations(connection, after, most, listings.Sought(reference=reference, **more))
    return [row["op_id"] for _, row in rows]


def received(stage: Stage, **said: Any) -> str:
    op = stage.op()
    stage.floor.stock.receive(op, stage.as_("mona"), {"lines": [BOLTS], "confirm": True, **said})
    return str(op)


def announced(stage: Stage, delivery: str) -> None:
    lines = [{"item": "BOLT", "quantity": 1_000}]
    stage.floor.deliveries.expect(
        stage.op(), stage.as_("mona"), {"delivery": delivery, "supplier": "ACME", "lines": lines}
    )


def seal(stage: Stage) -> None:
    stage.world.clock.advance(2_000)
    stage.site.seal()


def test_each_number_on_a_paper_leads_to_what_was_done_with_it(stage: Stage) -> None:
    noted = received(stage, supplier="ACME", delivery_note="DN-4711/a")
    seal(stage)
    announced(stage, "PO-77")
    expected = received(stage, delivery="PO-77", delivery_note="DN-4712")
    returned = received(stage, origin="customer", return_of="RET-9")
    issued = stage.op()
    line = {"item": "BOLT", "quantity": 1, "source": "A-01", "reasons": ["sample"]}
    stage.floor.stock.issue(issued, stage.as_("mona"), {"lines": [line], "order": "SO-5", "confirm": True})
    stage.floor.picking.open(
        stage.op(), stage.as_("mona"), {"order": "SO-6", "lines": [{"item": "BOLT", "quantity": 1}]}
    )
    assert found(stage, "DN-4711/a") == [noted]
    assert found(stage, "DN-471") == found(stage, "dn-471") == [expected, noted]
    assert found(stage, "PO-77") == [expected]
    assert found(stage, "ret-9") == [returned]
    assert found(stage, "so-5") == [str(issued)]
    assert len(found(stage, "so-6")) == 1  # goods were promised to it
    assert found(stage, "so-5", kinds=("issue",), actor=actor_of("mona").raw) == [str(issued)]
    assert found(stage, "so-5", kinds=("receive",)) == found(stage, "so-5", actor=actor_of("cora").raw) == []
    assert found(stage, "so-5", beginning=str(issued)[:30]) == [str(issued)]
    assert found(stage, "so-5", until_ms=1) == []
    assert found(stage, "N-471") == found(stage, "DN-4711/ab") == []


def test_what_is_no_number_on_a_paper_finds_nothing(stage: Stage) -> None:
    """Where something was done is asked of the place, which keeps it from those who count there."""
    received(stage, supplier="ACME", delivery_note="DN-1")
    about = {"location": "A-01", "name": "Photo", "content": "aGVsbG8="}
    stage.floor.attachments.attach(stage.op(), stage.as_("mona"), about)
    assert found(stage, "A-01") == found(stage, "ACME") == []


def test_a_transfer_is_found_by_the_number_on_its_paper_at_both_ends(furnish: Callable[..., Stage]) -> None:
    oslo, bergen = (furnish(name, people=TWO) for name in ("oslo", "bergen"))
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    arrived = accept(bergen, transfer, {"index": 0, "quantity": 24})["op_id"]
    assert found(oslo, str(transfer).upper()[:31]) == [str(transfer)]
    assert found(bergen, str(transfer)) == [arrived]


def test_a_dispatch_is_found_by_what_it_went_with(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 5})
    sent = stage.op()
    line = {"item": "BOLT", "quantity": 2, "source": "A-01"}
    wish = {"receiver": "bergen", "lines": [line], "vehicle": "AB 12345", "seal": "S-1", "confirm": True}
    stage.floor.transfers.dispatch(sent, stage.as_("sven"), wish, PIN)
    assert found(stage, "ab 12") == found(stage, "s-1") == [str(sent)]


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("Größe-1", "GRÖSSE"),
        ("Größe-1", "größe-1"),
        ("Ål 7", "ål 7"),
        ("PO 7", " po 7 "),
        ("دفعة-٢", "دفعة"),
        ("%_x", "%_X"),
        ("\U0002f800-1", "\u4e3d"),
    ],
)
def test_it_is_the_same_however_it_is_written(stage: Stage, written: str, typed: str) -> None:
    op, said = stage.op(), dataclasses.replace(world.DOCUMENT, references={"delivery-note": written})
    come = Receive(actor=actor_of("mona"), lines=(world.line(5),))
    stage.site.record(come, op_id=op, document=said)
    assert found(stage, typed) == [str(op)]


def test_what_older_rules_took_in_parts_is_found_by_what_looks_the_same(stage: Stage) -> None:
    op, said = stage.op(), dataclasses.replace(world.DOCUMENT, references={"order": "CAFE\u0301 1", "sheet": "1"})
    stage.site.record(Receive(actor=actor_of("mona"), lines=(world.line(5),)), op_id=op, document=said)
    assert found(stage, "caf\u00e9") == found(stage, "1") == [str(op)]


@pytest.mark.parametrize("few", [1_000, 1])
def test_pages_of_many_go_on_where_they_were(stage: Stage, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few are sorted, and of many the newest are picked out: nobody sees which."""
    monkeypatch.setattr(listings, "FEW", few)
    announced(stage, "MANY-0")
    made = []
    for number in range(5):
        made.append(received(stage, delivery_note=f"MANY-{number}", delivery="MANY-0", confirm=True))
        stage.receive({"item": "BOLT", "quantity": 1})
        if number in (1, 3):
            seal(stage)
    every: list[str] = []
    after: Any = None
    with stage.site.reading() as connection:
        while True:
            rows = listings.operations(connection, after, 2, listings.Sought(reference="many"))
            every += [row["op_id"] for _, row in rows[:2]]
            if len(rows) <= 2:
                break
            after = rows[1][0]
    assert every == made[::-1]
    assert found(stage, "many", kinds=("receive",), actor=actor_of("mona").raw, from_ms=1) == made[::-1]
    assert found(stage, "many", beginning=made[2]) == [made[2]]
    assert found(stage, "many", kinds=("move", "hold")) == []


def rows_of(connection: db.Connection) -> list[Any]:
    return connection.execute("SELECT number, height, place FROM referred ORDER BY height, place, number").fetchall()


def busy(stage: Stage) -> None:
    """Numbers in blocks, and some that wait for theirs; also a document of several parts, and a transfer."""
    announced(stage, "D-1")
    received(stage, supplier="ACME", delivery_note="DN-1", delivery="D-1")
    lines = [{"item": "BOLT", "quantity": 1, "target": "A-01"}] * (LINES_MAX + 1)
    received(stage, delivery_note="DN-2", lines=lines)
    seal(stage)
    sent, line = stage.op(), {"item": "BOLT", "quantity": 2, "source": "A-01"}
    wish = {"receiver": "bergen", "lines": [line], "seal": "S-9", "confirm": True}
    stage.floor.transfers.dispatch(sent, stage.as_("sven"), wish, PIN)
    received(stage, delivery_note="DN-3")


def test_a_rebuild_finds_the_same(stage: Stage) -> None:
    busy(stage)
    with stage.site.writing() as connection:
        before = rows_of(connection)
        assert len(before) > 6 and {row[0] for row in before} >= {"dn-1", "d-1", "dn-2", "dn-3", "s-9"}
        audit.rebuild(connection, stage.site.identity)
        assert rows_of(connection) == before


def test_a_database_of_before_finds_what_was_in_it(stage: Stage, tmp_path: Path) -> None:
    busy(stage)
    old = db.create(tmp_path / "old.db", DiskStorage(), page_bytes=store.PAGE_BYTES)
    db.migrate(old, store.STEPS[: store.STEPS.index(store.DERIVED_10)])
    with stage.site.reading() as reader:
        for table in ("operations", "blocks", "journal", "transfers", "acceptances"):
            found = reader.execute(f"SELECT * FROM {table}").fetchall()
            if found:
                old.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(found[0]))})", found)
        # A block that cannot be read is for `verify` to name: the upgrade goes on without it.
        old.execute("INSERT INTO blocks VALUES (-9, x'00', 1, 1, x'0102')")
        db.migrate(old, store.STEPS)
        assert rows_of(old) == rows_of(reader) != []
    old.close()
