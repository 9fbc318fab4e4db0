"""A count ends the doubt about a bin when it was finished after what is doubted, whenever the two were recorded."""

from __future__ import annotations

import hashlib

import pytest

from ledger.ids import OpId
from node.counting_csv import COLUMNS
from tests.node.floor_kit import Stage, actor_of
from tests.node.test_contact import HOUR_MS, late
from tests.node.test_counting import approve, session

ONCE = {"control_percent": 0, "rounds_max": 1}
# Of these bins only A-01 is counted here: A-02 stays in doubt.
MANY = {"lines": [{"item": "BOLT", "quantity": 4_000}], "source": "A-01", "target": "A-02"}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.receive({"item": "BOLT", "quantity": 20})
    return stage


def paper_out(stage: Stage) -> tuple[OpId, int]:
    """A sheet for A-01 is given out: the count and the number of the sheet."""
    number = session(stage, "A-01", rule=ONCE)
    issued = stage.floor.counting.sheets.issue(stage.op(), stage.as_("tess"), {"session": str(number)})
    return number, int(issued["sheet"])


def paper_back(stage: Stage, number: OpId, sheet: int, counted_ms: int) -> None:
    """It comes back: twenty bolts were found then; and that is posted."""
    text = f"{','.join(COLUMNS)}\r\n{sheet},A-01,BOLT,,,,,20,"
    wish = {"sheet": sheet, "csv": text, "counter": str(actor_of("carl")), "counted_ms": counted_ms,
            "paper": hashlib.sha256(text.encode()).hexdigest()}  # fmt: skip
    stage.floor.counting.sheets.take_back(stage.op(), stage.as_("carl"), wish)
    approve(stage, number, "A-01")


def suspects(stage: Stage) -> list[str]:
    with stage.site.reading() as connection:
        return stage.floor.lookups.suspects(connection)


def test_a_paper_count_of_before_an_exception_leaves_its_bin_suspect(stage: Stage) -> None:
    number, sheet = paper_out(stage)
    counted_ms = stage.world.clock.now_ms()
    stage.world.clock.advance(60_000)
    assert stage.floor.stock.move(stage.op(), stage.as_("mona"), {**MANY, "happened": True})["exception"] is True
    stage.world.clock.advance(60_000)
    paper_back(stage, number, sheet, counted_ms)
    assert suspects(stage) == ["A-01", "A-02"]


def test_a_paper_count_of_after_an_exception_ends_it_also_when_that_was_told_later(stage: Stage) -> None:
    number, sheet = paper_out(stage)
    counted_ms = stage.world.clock.now_ms()
    stage.world.clock.advance(60_000)
    paper_back(stage, number, sheet, counted_ms)
    assert stage.floor.stock.move(stage.op(), late(stage, "mona", HOUR_MS), MANY)["exception"] is True
    assert suspects(stage) == ["A-02"]


def test_what_is_said_to_happen_in_times_to_come_is_counted_away_all_the_same(stage: Stage) -> None:
    ahead = stage.world.clock.now_ms() + 1_000 * HOUR_MS
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {**MANY, "happened": True, "occurred_ms": ahead})
    with stage.site.reading() as connection:
        [(ordered,)] = connection.execute("SELECT session FROM count_sessions").fetchall()
    stage.world.clock.advance(120_000)
    number = OpId(bytes(ordered))
    sheets = stage.floor.counting.sheets
    issued = sheets.issue(stage.op(), stage.as_("tess"), {"session": str(number)})
    paper_back(stage, number, int(issued["sheet"]), stage.world.clock.now_ms())
    assert suspects(stage) == ["A-02"]


def test_a_sheet_of_times_to_come_ends_no_later_exception(stage: Stage) -> None:
    number, sheet = paper_out(stage)
    paper_back(stage, number, sheet, stage.world.clock.now_ms() + 1_000 * HOUR_MS)
    stage.world.clock.advance(120_000)
    assert stage.floor.stock.move(stage.op(), stage.as_("mona"), {**MANY, "happened": True})["exception"] is True
    assert suspects(stage) == ["A-01", "A-02"]
