"""Undo takes back what was said last, and nothing that a total said afterwards builds on."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from tests.node.floor_kit import GTINS, Stage
from tests.node.test_counted_pieces import enter, session

BOLT = f"]E0{GTINS['BOLT'][1:]}"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    session(stage, "A-01")
    stage.scan("BIN:A-01")
    return stage


def undo(stage: Stage, number: int | None = None) -> dict[str, Any]:
    said = {} if number is None else {"number": number}
    return stage.floor.counting.undo(stage.op(), stage.as_("cora"), said)


def tally(stage: Stage) -> dict[str, int]:
    with stage.site.reading() as connection:
        lines = stage.floor.counting.screen(connection, stage.as_("cora"))["lines"]
    return {" ".join(filter(None, (line["item"], line.get("serial"), line.get("status")))): line["counted"]
            for line in lines}  # fmt: skip


def test_what_was_scanned_before_a_total_is_in_the_total(stage: Stage) -> None:
    for _ in range(3):
        stage.scan(BOLT)
    enter(stage, item="BOLT", quantity=5)
    with pytest.raises(Rejected, match="a later entry builds on this one: undo that first"):
        undo(stage, 1)
    assert tally(stage) == {"BOLT": 5}
    stage.scan(BOLT)
    assert undo(stage, 5)["counted"] == 5
    assert undo(stage, 4)["counted"] == 3
    assert undo(stage, 1)["counted"] == 2


def test_a_part_that_a_total_was_said_after_stays(stage: Stage) -> None:
    for _ in range(3):
        stage.scan(BOLT)
    part = {"item": "BOLT", "held": "damage", "quantity": 1, "bin": "A-01"}
    stage.floor.stock.part(stage.op(), stage.as_("cora"), part)
    enter(stage, item="BOLT", quantity=4)
    for half in (4, 5):
        with pytest.raises(Rejected, match="a later entry builds on this one"):
            undo(stage, half)
    assert tally(stage) == {"BOLT": 4, "BOLT damage": 1}


@pytest.mark.parametrize("code", [False, True])
def test_of_a_piece_that_was_scanned_twice_the_second_scan_goes(stage: Stage, code: bool) -> None:
    stage.scan(BOLT)
    for _ in range(2):
        answer = stage.scan(f"]C101{GTINS['DRILL']}21S1")
    assert answer["repeated"]
    answer = stage.scan("CTL:UNDO") if code else undo(stage)
    assert answer["repeated"] and answer["serial"] == "S1" and tally(stage) == {"BOLT": 1, "DRILL S1": 1}
    answer = stage.scan("CTL:UNDO") if code else undo(stage)
    assert "repeated" not in answer and tally(stage) == {"BOLT": 1}
    stage.scan("CTL:UNDO")
    assert tally(stage) == {}


@pytest.mark.parametrize("code", [False, True])
def test_of_a_scan_that_was_set_aside_there_is_nothing_to_undo(stage: Stage, code: bool) -> None:
    stage.scan(BOLT)
    parked = stage.scan("]E04012345678901")
    assert parked["outcome"] == "parked"
    if code:
        answer = stage.scan("CTL:UNDO")
        assert answer["outcome"] == "refused" and "was set aside" in answer["why"]
    else:
        with pytest.raises(Rejected, match="the last scan was set aside and counts nothing: explain or dismiss it"):
            undo(stage)
    assert tally(stage) == {"BOLT": 1}
    stage.scan(BOLT)
    assert undo(stage)["counted"] == 1  # what came after it
    with pytest.raises(Rejected, match="was set aside"):
        undo(stage)
    assert undo(stage, 1)["counted"] == 0  # a line that is named
