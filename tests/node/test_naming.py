"""What a code stands for, and amounts that are typed into an open receipt or move."""

from __future__ import annotations

from typing import Any

import pytest

from devices.reads import day_of
from ledger.errors import Rejected
from tests.node.floor_kit import BOX, GTINS, Stage


def name(stage: Stage, text: str, login: str = "mona") -> dict[str, Any]:
    with stage.site.reading() as connection:
        today = day_of(stage.world.clock.now_ms())
        return stage.floor.scanning.name(connection, stage.as_(login), text.encode(), today)


def test_every_label_names_its_thing_and_nothing_begins(stage: Stage) -> None:
    op = stage.receive(
        {"item": "PAINT", "lot": "L-7", "quantity": 5}, {"item": "DRILL", "serial": "SN-4", "quantity": 1}
    )
    assert name(stage, "BIN:A-01") | {"kind": "location", "location": "A-01", "known": True} == name(stage, "A-01")
    assert name(stage, "LPN:PAL-7") == {"kind": "location", "location": "PAL-7", "known": False, "unit": True}
    assert name(stage, f"]E0{GTINS['BOLT'][1:]}")["quantity"] == 1
    assert name(stage, BOX)["quantity"] == 12
    assert name(stage, "BOLT")["name"] == "Bolt 8"
    assert name(stage, f"]C101{GTINS['DRILL']}21SN-4")["serial"] == "SN-4"
    assert (name(stage, "SN-4")["item"], name(stage, "L-7")["item"]) == ("DRILL", "PAINT")
    assert name(stage, str(op)) == {"kind": "operation", "op_id": str(op)}
    for unknown in ("NOTHING-HERE", "BIN:NOWHERE", "BADGE:ana", "]E04006381333932", "f" * 32, "", "\x00"):
        with pytest.raises(Rejected):
            name(stage, unknown)
    with stage.site.reading() as connection:
        assert stage.floor.counting.screen(connection, stage.as_("mona")) is None


def test_whoever_counts_learns_of_no_lot_or_piece_by_its_number(stage: Stage) -> None:
    stage.receive({"item": "DRILL", "serial": "SN-4", "quantity": 1})
    assert name(stage, "SN-4", "cora")["item"] == "DRILL"
    wish = {"name": "Week", "bins": ["A-02"]}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)
    with pytest.raises(Rejected, match="nothing here"):
        name(stage, "SN-4", "cora")


def test_a_typed_amount_replaces_what_was_scanned_and_can_be_undone(stage: Stage) -> None:
    cora = stage.as_("cora")
    stage.floor.stock.begin(stage.op(), cora, {"kind": "receive"})
    with pytest.raises(Rejected, match="scan the bin first"):
        stage.floor.stock.enter(stage.op(), cora, {"item": "BOLT", "quantity": 4})
    stage.scan("BIN:A-01")
    stage.scan(GTINS["BOLT"])
    op = stage.op()
    said = {"item": "BOLT", "quantity": 40}
    assert stage.floor.stock.enter(op, cora, said)["counted"] == 40
    assert stage.floor.stock.enter(op, cora, said)["counted"] == 40
    stage.scan(GTINS["BOLT"])
    stage.scan("BIN:A-02")
    assert stage.floor.stock.enter(stage.op(), cora, {**said, "quantity": 3, "place": "A-01"})["counted"] == 3
    stage.floor.counting.undo(stage.op(), cora, {})
    stage.scan("BIN:A-02")
    with stage.site.reading() as connection:
        [line] = stage.floor.counting.screen(connection, cora)["lines"]  # type: ignore[index]
    assert (line["counted"], line["place"]) == (41, "A-01")
    stage.floor.stock.finish(stage.op(), cora, {})
    assert stage.stock("A-01", "BOLT") == 41


def test_a_scanned_receipt_counts_towards_its_delivery_and_asks_before_a_note_comes_twice(stage: Stage) -> None:
    cora, mona = stage.as_("cora"), stage.as_("mona")
    wish = {"delivery": "D-1", "supplier": "ACME", "lines": [{"item": "BOLT", "quantity": 10}]}
    stage.floor.deliveries.expect(stage.op(), mona, wish)
    said = {"supplier": "ACME", "delivery_note": "DN-1", "delivery": "D-1"}
    for quantity, more in ((6, {}), (5, {"confirm": True, "reasons": ["over"]})):
        stage.floor.stock.begin(stage.op(), cora, {"kind": "receive", "target": "A-01"})
        stage.floor.stock.enter(stage.op(), cora, {"item": "BOLT", "quantity": quantity})
        if more:
            assert "received before" in stage.floor.stock.finish(stage.op(), cora, said)["ask"]
            with pytest.raises(Rejected, match="give a reason"):
                stage.floor.stock.finish(stage.op(), cora, {**said, "confirm": True})
        stage.floor.stock.finish(stage.op(), cora, {**said, **more})
        with stage.site.reading() as connection:
            found = stage.floor.deliveries.waiting(connection, mona)
        assert [each["lines"][0]["came"] for each in found] == ([] if more else [6])  # what is complete waits no more
