"""What was done before a count and is booked after it has its places counted again, whatever the act was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.ids import OpId
from node.desk import Person
from node.rounds import open_round
from tests.node.floor_kit import PIN, Stage
from tests.node.test_counting import approve, close_sure, session
from tests.node.test_transfers import tell

HOUR_MS = 3_600_000
ONCE = {"control_percent": 0, "rounds_max": 1}
BOLTS = {"item": "BOLT", "quantity": 4}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.receive({"item": "BOLT", "quantity": 20}, {"item": "PAINT", "lot": "L1", "quantity": 9})
    return stage


def counted(stage: Stage, *bins: str) -> OpId:
    """Cora counts these bins as the books have them, and Sven posts what she found."""
    number = session(stage, *bins, rule=ONCE)
    for bin_ in bins:
        stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": bin_})
        with stage.site.reading() as connection:
            held = connection.execute("SELECT item, lot, quantity FROM stock WHERE location = ?", (bin_,)).fetchall()
        for item, lot, quantity in held:
            line = {"item": item, "lot": lot, "quantity": quantity}
            stage.floor.counting.enter(stage.op(), stage.as_("cora"), line)
        if not held:
            stage.floor.counting.empty(stage.op(), stage.as_("cora"), {})
        close_sure(stage, bin_)
        approve(stage, number, bin_)
    stage.world.clock.advance(60_000)
    return number


def again(stage: Stage, *bins: str) -> list[str]:
    """Which of these bins are to be counted."""
    with stage.site.reading() as connection:
        return [bin_ for bin_ in bins if open_round(connection, bin_) is not None]


def late(stage: Stage, login: str = "mona", waited_ms: int = HOUR_MS) -> Person:
    return replace(stage.as_(login), waited_ms=waited_ms)


def an_hour_ago(stage: Stage) -> int:
    return stage.world.clock.now_ms() - HOUR_MS


def test_a_move_between_two_counted_bins_has_both_counted_in_one_count(stage: Stage) -> None:
    counted(stage, "A-01", "A-02")
    stage.floor.stock.move(stage.op(), late(stage), {"lines": [BOLTS], "source": "A-01", "target": "A-02"})
    assert again(stage, "A-01", "A-02") == ["A-01", "A-02"]
    with stage.site.reading() as connection:
        names = connection.execute("SELECT name FROM count_sessions WHERE state = 'active'").fetchall()
    assert names == [("Check A-01 and 1 more",)]


def test_goods_that_left_for_another_site_before_a_count_have_their_bin_counted_again(stage: Stage) -> None:
    counted(stage, "A-01", "A-02")
    body: dict[str, Any] = {"receiver": "bergen", "source": "A-01", "lines": [BOLTS], "confirm": True}
    stage.floor.transfers.dispatch(stage.op(), stage.as_("sven"), body, PIN)
    assert again(stage, "A-01", "A-02") == []
    stage.floor.transfers.dispatch(stage.op(), late(stage, "sven"), body, PIN)
    assert again(stage, "A-01", "A-02") == ["A-01"]


def test_a_dispatch_that_names_its_own_time_is_seen_in_it(stage: Stage) -> None:
    counted(stage, "A-01")
    body = {"receiver": "bergen", "source": "A-01", "lines": [BOLTS], "confirm": True}
    stage.floor.transfers.dispatch(
        stage.op(), stage.as_("sven"), {**body, "occurred_ms": an_hour_ago(stage) + HOUR_MS}, PIN
    )
    assert again(stage, "A-01") == []
    stage.floor.transfers.dispatch(stage.op(), stage.as_("sven"), {**body, "occurred_ms": an_hour_ago(stage)}, PIN)
    assert again(stage, "A-01") == ["A-01"]


def test_a_transfer_that_arrived_before_a_count_has_the_bin_that_took_it_counted_again(stage: Stage) -> None:
    counted(stage, "A-02")
    transfer = OpId(b"a dispatch there")
    tell(stage, transfer, sender="bergen", receiver="oslo")
    body = {"transfer": str(transfer), "target": "A-02", "lines": [{"index": 0, "quantity": 4}]}
    stage.floor.transfers.accept(stage.op(), stage.as_("tess"), body, PIN)
    assert again(stage, "A-02") == []
    stage.floor.transfers.accept(stage.op(), stage.as_("tess"), {**body, "occurred_ms": an_hour_ago(stage)}, PIN)
    assert again(stage, "A-02") == ["A-02"]


def test_a_unit_that_went_before_a_count_has_both_its_places_counted_again(stage: Stage) -> None:
    units = stage.floor.stock.move_units
    units(stage.op(), stage.as_("mona"), {"units": [{"unit": "PAL-7", "target": "A-01"}]})
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [BOLTS], "source": "A-01", "target": "PAL-7"})
    counted(stage, "A-01", "A-02")
    units(stage.op(), late(stage, waited_ms=31_000), {"units": [{"unit": "PAL-7", "target": "DOCK"}]})
    assert again(stage, "A-01", "A-02") == []
    units(stage.op(), late(stage), {"units": [{"unit": "PAL-7", "target": "A-02"}]})
    assert again(stage, "A-01", "A-02") == ["A-02"]  # by then the books have it at the dock
    units(stage.op(), late(stage), {"units": [{"unit": "PAL-7", "target": "A-01"}]})
    assert again(stage, "A-01", "A-02") == ["A-01", "A-02"]


def test_what_is_signed_after_its_bin_was_counted_has_it_counted_again(stage: Stage) -> None:
    """The count may have found already what the proposal puts right: then it is off by as much the other way."""
    op, signed = stage.op(), stage.op()
    crushed = {"lines": [BOLTS], "source": "A-01", "reasons": ["crushed"]}
    stage.floor.stock.scrap(op, stage.as_("mona"), crushed)
    stage.floor.stock.scrap(signed, stage.as_("mona"), crushed)
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(signed)}, PIN)
    stage.world.clock.advance(1)
    counted(stage, "A-01", "A-02")
    assert again(stage, "A-01", "A-02") == []
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(op)}, PIN)
    assert again(stage, "A-01", "A-02") == ["A-01"]


def test_an_issue_and_an_issue_of_a_list_are_seen_in_the_counts_they_were_before(stage: Stage) -> None:
    name = stage.op()
    stage.floor.picking.open(name, stage.as_("mona"), {"order": "SO-1", "lines": [BOLTS]})
    stage.floor.picking.begin(stage.op(), stage.as_("mona"), {"list": str(name), "tote": "A-02"})
    stage.floor.picking.pick(stage.op(), stage.as_("mona"), {"list": str(name), **BOLTS, "source": "A-01"})
    counted(stage, "A-01", "A-02")
    stage.floor.picking.issue(stage.op(), late(stage), {"list": str(name)})
    assert again(stage, "A-01", "A-02") == ["A-02"]
    loose = {"lines": [BOLTS], "source": "A-01", "order": "SO-2"}
    stage.floor.stock.issue(stage.op(), late(stage), loose)
    assert again(stage, "A-01", "A-02") == ["A-01", "A-02"]


def test_an_act_that_was_stated_changes_no_books_and_doubts_only_its_own_place(stage: Stage) -> None:
    counted(stage, "A-01", "A-02")
    lines = [{**BOLTS, "source": "A-01", "target": "A-02"}]
    stated = {"location": "A-01", "reason": "broken", "lines": lines, "occurred_ms": an_hour_ago(stage)}
    stage.floor.stock.except_document(stage.op(), stage.as_("mona"), stated)
    assert again(stage, "A-01", "A-02") == ["A-01"]
