"""Handling units by their label: a pallet that was announced comes in by one scan, another one is opened by it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import control
from ledger.errors import Rejected
from ledger.ids import OpId
from tests.node.floor_kit import Stage
from tests.node.test_announced import PALLET, coming, waiting

OTHER = "006141411234567890"
LABEL, OTHER_LABEL, TOTE_LABEL = f"]C100{PALLET}", f"]C100{OTHER}", "LPN:TOTE-1"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    tote = control.Location(location="TOTE-1", kind=control.UNIT, parent="A-01")
    lots = control.Item(item="PAINT", tracking=1, unit="pc", decimals=0)
    stage.world.send(stage.site, control.LocationsPayload(locations=(tote,)))
    stage.world.send(stage.site, control.ItemsPayload(items=(lots,)))
    return stage


def begin(stage: Stage, kind: str = "receive", **more: Any) -> None:
    stage.floor.stock.begin(stage.op(), stage.as_("cora"), {"kind": kind, **more})


def finish(stage: Stage, op: OpId | None = None, **said: Any) -> dict[str, Any]:
    return stage.floor.stock.finish(op or stage.op(), stage.as_("cora"), said)


def screen(stage: Stage) -> dict[str, Any]:
    with stage.site.reading() as connection:
        return stage.floor.counting.screen(connection, stage.as_("cora")) or {}


def lines(stage: Stage) -> list[tuple[str, str, int, str]]:
    return [(line["item"], line.get("lot", ""), line["counted"], line["place"]) for line in screen(stage)["lines"]]


def stands(stage: Stage, unit: str) -> str:
    with stage.site.reading() as connection:
        row = connection.execute("SELECT parent FROM locations WHERE location = ?", (unit,)).fetchone()
    return "" if row is None else str(row[0])


def test_one_scan_of_a_pallet_that_was_announced_fills_in_what_is_on_it(stage: Stage) -> None:
    coming(stage, "D-1", ["BOLT", 40, "", PALLET], ["PAINT", 6, "L1", PALLET], ["BOLT", 4, "", ""])
    begin(stage)
    assert stage.scan(LABEL)["why"] == "scan the bin first"
    stage.scan("BIN:DOCK")
    answer = stage.scan(LABEL)
    assert (answer["outcome"], answer["unit"], answer["delivery"]) == ("steered", PALLET, "D-1")
    assert lines(stage) == [("BOLT", "", 40, PALLET), ("PAINT", "L1", 6, PALLET)]
    # It stays closed: what is scanned next stands beside it.
    stage.scan("04006381333931")
    assert lines(stage)[2] == ("BOLT", "", 1, "DOCK")
    assert screen(stage)["delivery"] == "D-1"
    op = stage.op()
    first = finish(stage, op)
    assert finish(stage, op) == first and first["open"] == {"BOLT": 3}
    assert stands(stage, PALLET) == "DOCK"
    assert [stage.stock(place, "BOLT") for place in (PALLET, "DOCK")] == [40, 1]
    assert waiting(stage)["D-1"] == [("BOLT", 41, 44), ("PAINT", 6, 6)]


def test_a_pallet_comes_once_however_often_it_is_scanned(stage: Stage) -> None:
    coming(stage, "D-1", ["BOLT", 40, "", PALLET], ["BOLT", 40, "", OTHER])
    begin(stage, target="DOCK")
    for _ in range(2):
        stage.scan(LABEL)
    assert lines(stage) == [("BOLT", "", 40, PALLET)]
    # Taken back and scanned again it is there again.
    stage.floor.counting.undo(stage.op(), stage.as_("cora"), {})
    assert lines(stage) == []
    stage.scan(LABEL)
    finish(stage)
    # In a later receipt its label only says where the next things go.
    begin(stage, target="DOCK")
    assert stage.scan(LABEL)["target"] == PALLET and lines(stage) == []
    stage.scan(OTHER_LABEL)
    assert lines(stage) == [("BOLT", "", 40, OTHER)]
    finish(stage)
    assert stands(stage, OTHER) == "DOCK"  # not on the other one
    assert waiting(stage) == {}


def test_what_the_note_leaves_open_is_scanned_on_the_pallet(stage: Stage) -> None:
    coming(stage, "D-1", ["BOLT", 40, "", PALLET], ["PAINT", 6, "", PALLET])
    begin(stage, target="DOCK")
    answer = stage.scan(LABEL)
    assert (answer["target"], answer["open"]) == (PALLET, ["PAINT"])
    assert lines(stage) == [("BOLT", "", 40, PALLET)]
    stage.scan("]C1" + "01095060001343521" + "0L9")
    assert lines(stage)[1] == ("PAINT", "L9", 1, PALLET)


def test_a_label_that_nobody_announced_opens_a_unit_where_it_stands(stage: Stage) -> None:
    begin(stage, target="DOCK")
    assert stage.scan(LABEL)["target"] == PALLET
    stage.scan("04006381333931")
    assert stage.scan(TOTE_LABEL)["target"] == "TOTE-1"
    stage.scan("04006381333931")
    stage.scan(OTHER_LABEL)  # and nothing is put on it
    finish(stage)
    assert [stands(stage, unit) for unit in (PALLET, "TOTE-1", OTHER)] == ["DOCK", "A-01", ""]
    assert [stage.stock(place, "BOLT") for place in (PALLET, "TOTE-1")] == [1, 1]


def test_goods_of_two_deliveries_are_two_receipts(stage: Stage) -> None:
    coming(stage, "D-1", ["BOLT", 40, "", PALLET])
    coming(stage, "D-2", ["BOLT", 40, "", OTHER])
    begin(stage, target="DOCK")
    stage.scan(LABEL)
    assert stage.scan(OTHER_LABEL) == {
        "outcome": "refused",
        "why": f"{OTHER} is of delivery D-2, and this receipt is of D-1: finish it first",
    }
    assert lines(stage) == [("BOLT", "", 40, PALLET)]


def test_in_a_move_a_unit_in_use_is_a_place_and_another_one_is_not(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 3})
    begin(stage, "move", source="A-01")
    assert stage.scan(LABEL)["why"] == f"{PALLET} is not in use: bring it to its place first"
    stage.scan("04006381333931")
    assert stage.scan(TOTE_LABEL) == {"outcome": "steered", "source": "A-01", "target": "TOTE-1"}
    finish(stage)
    assert stage.stock("TOTE-1", "BOLT") == 1


def test_goods_are_repacked_from_one_unit_into_another(stage: Stage) -> None:
    stage.floor.stock.move_units(stage.op(), stage.as_("mona"), {"units": [{"unit": PALLET}], "target": "A-01"})
    stage.receive({"item": "BOLT", "quantity": 3, "target": PALLET})
    begin(stage, "move", source=PALLET)
    stage.scan("04006381333931")
    assert stage.scan(TOTE_LABEL) == {"outcome": "steered", "source": PALLET, "target": "TOTE-1"}
    finish(stage)
    assert [stage.stock(place, "BOLT") for place in (PALLET, "TOTE-1", "A-01")] == [2, 1, 0]
    assert [stands(stage, unit) for unit in (PALLET, "TOTE-1")] == ["A-01", "A-01"]


def test_a_node_that_dies_between_two_scans_keeps_the_pallet(stage: Stage) -> None:
    coming(stage, "D-1", ["BOLT", 40, "", PALLET])
    begin(stage, target="DOCK")
    stage.scan(LABEL)
    again = stage.restart()
    try:
        assert lines(again) == [("BOLT", "", 40, PALLET)]
        finish(again)
        assert stands(again, PALLET) == "DOCK"
    finally:
        again.journal.close()
        again.site.close()


def test_a_unit_that_another_receipt_made_meanwhile_is_filled_all_the_same(stage: Stage) -> None:
    begin(stage, target="DOCK")
    stage.scan(LABEL)
    stage.scan("04006381333931")
    stage.floor.stock.move_units(stage.op(), stage.as_("mona"), {"units": [{"unit": PALLET}], "target": "A-01"})
    finish(stage)
    assert stands(stage, PALLET) == "A-01" and stage.stock(PALLET, "BOLT") == 1
    with pytest.raises(Rejected, match="no receipt or move open"):
        finish(stage)


def test_a_receipt_that_is_sent_again_while_its_person_counts_gets_its_answer(stage: Stage) -> None:
    begin(stage, target="DOCK")
    stage.scan("04006381333931")
    op = stage.op()
    first = finish(stage, op)
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), {"name": "now", "bins": ["A-02"]})
    stage.scan("BIN:A-02")
    assert finish(stage, op) == first
    # An op_id of something else tells nothing, and nothing is booked under it.
    with pytest.raises(Rejected):
        finish(stage, stage.receive({"item": "BOLT", "quantity": 1}))
    assert screen(stage)["target"] == "A-02"
