"""One person counts one bin on two tablets: nothing is lost or doubled, whichever of them had no contact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from devices.reads import NewRead
from ledger.errors import Rejected
from ledger.ids import OpId
from node.desk import Person
from tests.node.floor_kit import GTINS, PIN, Stage
from tests.node.test_counting_rules import ONE_ROUND

LONG_MS = 60_000
PIECE = f"]d201{GTINS['DRILL']}21S1"


class Tablet:
    """Cora's log-in on a tablet, and what she does there. `waited_ms`: how long that waited before it came in."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage, self.name = stage, name
        self.token = stage.floor.people.log_in("cora", PIN, name)["token"]
        self.waited_ms = 0
        self.last: OpId | None = None  # the act of its last scan or line

    @property
    def who(self) -> Person:
        return replace(self.stage.floor.people.session(self.token), waited_ms=self.waited_ms)

    def open(self, bin_: str = "A-01") -> dict[str, Any]:
        return self.stage.floor.counting.open_bin(self.stage.op(), self.who, {"bin": bin_})

    def scan(self, text: str, bin_: str = "A-01") -> dict[str, Any]:
        stage = self.stage
        stage.world.clock.advance(1_000)
        context = {"bin": bin_, "waited_ms": self.waited_ms}
        self.last = stage.op()
        new = NewRead(self.name, text.encode(), context=context, client_id=str(self.last))
        return stage.floor.scanning.take(stage.journal.record([new])[0], self.who)

    def enter(self, quantity: int, mode: str = "add") -> dict[str, Any]:
        wish = {"item": "BOLT", "quantity": quantity, "mode": mode, "bin": "A-01"}
        self.last = self.stage.op()
        return self.stage.floor.counting.enter(self.last, self.who, wish)

    def undo(self, **said: Any) -> dict[str, Any]:
        return self.stage.floor.counting.undo(self.stage.op(), self.who, {"bin": "A-01", **said})

    def close(self) -> dict[str, Any]:
        return self.stage.floor.counting.close_bin(self.stage.op(), self.who, {"bin": "A-01", "confirm": True})

    @property
    def shown(self) -> dict[str, Any] | None:
        with self.stage.site.reading() as connection:
            return self.stage.floor.counting.screen(connection, self.who)

    @property
    def lines(self) -> dict[str, int]:
        return {line["item"]: line["counted"] for line in (self.shown or {"lines": []})["lines"] if line["counted"]}


@pytest.fixture
def number(stage: Stage) -> OpId:
    op = stage.op()
    wish = {"name": "Two tablets", "bins": ["A-01", "A-02"], "rule": ONE_ROUND}
    stage.floor.counting.open_session(op, stage.as_("sven"), wish)
    return op


@pytest.fixture
def both(stage: Stage, number: OpId) -> tuple[Tablet, Tablet]:
    return Tablet(stage, "tablet-1"), Tablet(stage, "tablet-2")


def counted(stage: Stage, number: OpId) -> list[tuple[str, str, int]]:
    """What the chain has of the bin: item, serial, how many."""
    with stage.site.reading() as connection:
        return connection.execute(
            "SELECT l.item, l.serial, l.counted FROM counts c JOIN count_lines l ON l.count = c.op_id"
            " WHERE c.session = ? AND c.bin = 'A-01' ORDER BY l.item",
            (number.raw,),
        ).fetchall()


@pytest.mark.parametrize("waited_ms", [0, LONG_MS])
def test_a_bin_that_is_open_on_one_tablet_is_the_same_count_on_the_other(
    stage: Stage, both: tuple[Tablet, Tablet], number: OpId, waited_ms: int
) -> None:
    one, other = both
    other.waited_ms = waited_ms
    task = one.open()["task"]
    assert other.open()["task"] == task
    assert other.scan("BIN:A-01")["outcome"] == "bin"
    one.scan(GTINS["BOLT"])
    other.scan(GTINS["BOLT"])
    other.enter(3)
    assert one.lines == other.lines == {"BOLT": 5}
    one.close()
    assert counted(stage, number) == [("BOLT", "", 5)]
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM tasks WHERE kind = 'count'").fetchone() == (1,)


def test_a_piece_counts_once_on_both(stage: Stage, both: tuple[Tablet, Tablet], number: OpId) -> None:
    one, other = both
    one.open()
    assert one.scan(PIECE)["counted"] == 1
    assert other.scan(PIECE)["repeated"]
    # Taken back on the other tablet it counts nowhere, scanned again it counts once.
    event = next(each["number"] for each in (other.shown or {})["last"] if each["kind"] == "scan")
    other.undo(number=event)
    assert one.lines == {}
    one.scan(PIECE)
    other.scan(PIECE)
    other.close()
    assert counted(stage, number) == [("DRILL", "S1", 1)]


def test_undo_takes_back_the_last_line_that_its_tablet_showed(
    stage: Stage, both: tuple[Tablet, Tablet], number: OpId
) -> None:
    one, other = both
    one.open()
    one.scan(GTINS["BOLT"])
    shown = (one.shown or {})["last"][0]["number"]
    other.scan(PIECE)  # comes in between what the first tablet shows and its undo
    assert one.undo(seen=shown)["item"] == "BOLT"
    assert one.lines == other.lines == {"DRILL": 1}
    assert other.undo()["item"] == "DRILL"  # what the other has scanned is taken back on either
    with pytest.raises(Rejected, match="nothing to undo"):
        one.undo(seen=shown)


def test_undo_takes_back_the_act_that_it_names(stage: Stage, both: tuple[Tablet, Tablet], number: OpId) -> None:
    one, other = both
    one.open()
    one.scan(GTINS["BOLT"])
    scanned = one.last
    one.enter(4)
    entered = one.last
    other.scan(PIECE)  # it comes in between these and their undo, which waited behind them
    assert one.undo(of=str(entered))["counted"] == 1
    assert one.undo(of=str(scanned))["counted"] == 0
    assert one.lines == other.lines == {"DRILL": 1}
    with pytest.raises(Rejected, match="that was taken back already"):
        one.undo(of=str(scanned))
    one.scan("NOBODY-KNOWS-IT")
    with pytest.raises(Rejected, match="nothing was counted by what you take back: it was refused or set aside"):
        one.undo(of=str(one.last))
    with pytest.raises(Rejected, match="undo: say which one by one of number, seen, of"):
        one.undo(of=str(scanned), number=1)
    one.scan(PIECE)  # said again, which changes nothing, nor does taking it back
    assert one.undo(of=str(one.last))["repeated"]
    one.undo(number=3)
    empty = stage.op()
    stage.floor.counting.empty(empty, one.who, {"bin": "A-01"})
    one.undo(of=str(empty))
    other.scan(PIECE)
    assert one.lines == {"DRILL": 1}


def test_a_bin_that_was_finished_on_one_tablet_takes_nothing_more_on_the_other(
    stage: Stage, both: tuple[Tablet, Tablet], number: OpId
) -> None:
    one, other = both
    one.open()
    other.scan(GTINS["BOLT"])
    one.close()
    assert other.shown is None
    assert other.scan(GTINS["BOLT"])["outcome"] == "late"
    with pytest.raises(Rejected, match="no count open"):
        other.enter(2)
    with pytest.raises(Rejected, match="have not opened"):
        other.close()
    other.open("A-02")
    assert other.scan(GTINS["BOLT"])["outcome"] == "late" and other.lines == {}
    assert counted(stage, number) == [("BOLT", "", 1)]


def test_what_the_other_tablet_sends_after_the_bin_was_finished_waits_to_be_explained(
    stage: Stage, both: tuple[Tablet, Tablet], number: OpId
) -> None:
    one, other = both
    one.open()
    one.scan(GTINS["BOLT"])
    one.close()
    other.waited_ms = LONG_MS
    assert other.scan(GTINS["BOLT"])["outcome"] == "late"
    kept = other.enter(2)
    assert (kept["outcome"], kept["hint"]["quantity"]) == ("parked", 2)
    assert counted(stage, number) == [("BOLT", "", 1)]
    wish = {"session": str(number), "bin": "A-01", "reason": "found"}
    with pytest.raises(Rejected, match="scans that nobody has explained"):
        stage.floor.counting.posting.approve(stage.op(), stage.as_("sven"), wish, PIN)
    with stage.site.reading() as connection:
        left = stage.floor.counting.review.parked(connection, stage.as_("sven"), number, "A-01")
    assert [each["hint"] for each in left] and len(left) == 2


def test_what_was_finished_on_the_other_tablet_is_finished(
    stage: Stage, both: tuple[Tablet, Tablet], number: OpId
) -> None:
    one, other = both
    one.open()
    one.scan(GTINS["BOLT"])
    closed = one.close()
    assert "already" not in closed
    other.waited_ms = LONG_MS
    op, wish = stage.op(), {"bin": "A-01", "confirm": True}
    for _ in range(2):
        answer = stage.floor.counting.close_bin(op, other.who, wish)
        assert answer == {**closed, "op_id": str(op), "already": True}
    assert counted(stage, number) == [("BOLT", "", 1)]
    with pytest.raises(Rejected, match="have not opened"):
        stage.floor.counting.close_bin(stage.op(), other.who, {**wish, "bin": "A-02"})
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM exceptions").fetchone() == (0,)


def test_both_tablets_opened_it_without_contact_and_it_is_one_count(
    stage: Stage, both: tuple[Tablet, Tablet], number: OpId
) -> None:
    for tablet in both:
        tablet.waited_ms = LONG_MS
        assert tablet.scan("BIN:A-01")["outcome"] in ("opened", "bin")
        tablet.scan(GTINS["BOLT"])
        tablet.enter(1)
        tablet.scan(PIECE)
    one, other = both
    assert one.lines == {"BOLT": 4, "DRILL": 1}
    one.close()
    assert other.shown is None and sorted(counted(stage, number)) == [("BOLT", "", 4), ("DRILL", "S1", 1)]
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM exceptions").fetchone() == (0,)


def test_another_bin_that_was_counted_without_contact_while_one_stayed_open_is_kept(
    stage: Stage, both: tuple[Tablet, Tablet], number: OpId
) -> None:
    """Whoever takes another tablet because the first one died counts on, and the first bin is still open."""
    one, other = both
    one.open()
    one.scan(GTINS["BOLT"])
    other.waited_ms = LONG_MS
    assert other.scan("BIN:A-02", "")["outcome"] == "opened"
    assert other.scan(GTINS["BOLT"], "A-02")["outcome"] == "counted"
    wish = {"bin": "A-02", "confirm": True}
    closed = stage.floor.counting.close_bin(stage.op(), other.who, wish)
    assert closed["exception"] and other.lines == {"BOLT": 1}  # of the bin that is open still
    with stage.site.reading() as connection:
        assert connection.execute("SELECT location FROM exceptions").fetchall() == [("A-02",)]
        assert connection.execute("SELECT item, quantity FROM exception_lines").fetchall() == [("BOLT", 1)]
    other.waited_ms = 0
    assert "close it first" in other.scan("BIN:A-02", "")["why"]  # who is there is told
