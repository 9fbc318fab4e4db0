"""What came out of a tablet's outbox: gaps are seen and found again, late acts stay in their bin, silences show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devices.reads import NewRead
from ledger import db
from ledger.errors import Rejected
from ledger.ids import OpId
from node import floor_store, store
from node.tablets import BATTERY_LOW, SILENT_MS, UNSENT_MAX, Sent
from tests.node.floor_kit import GTINS, Stage, actor_of

EAN = f"]E0{GTINS['BOLT'][1:]}".encode()
TABLET, OTHER = "a" * 32, "b" * 32
STORE, NEXT_STORE = b"\x01" * 16, b"\x02" * 16
LONG_MS = 31_000


@pytest.fixture
def stage(stage: Stage) -> Stage:
    body = {"name": "Week 47", "bins": ["A-01", "A-02"], "rule": {"control_percent": 0, "rounds_max": 1}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    return stage


def came(
    stage: Stage, *numbers: int, who: str = "cora", tablet: str = TABLET, store: bytes = STORE, act: int = 0
) -> None:
    for number in numbers:
        op_id = OpId((act or number).to_bytes(16, "big"))
        with stage.site.writing() as connection:
            stage.floor.tablets.came(connection, tablet, Sent(store, actor_of(who), number, op_id, 0))


def alerts(stage: Stage) -> list[str]:
    with stage.site.reading() as connection:
        return [each.words for each in stage.floor.tablets.findings(connection)]


def test_a_gap_is_an_alert_until_its_number_comes(stage: Stage) -> None:
    came(stage, 1, 2, 3)
    assert alerts(stage) == []
    came(stage, 5, 5, 3)
    assert alerts(stage) == ["T1, Cora: number 4 never came"]
    came(stage, 9)
    assert alerts(stage) == ["T1, Cora: 4 acts never came: numbers 4, 6, 7, 8"]
    came(stage, 4, 8, 7, 6)
    assert alerts(stage) == []
    came(stage, 100)
    assert alerts(stage) == ["T1, Cora: 90 acts never came: numbers 10, 11, 12, 13, 14 …"]


def test_each_person_and_tablet_is_counted_apart(stage: Stage) -> None:
    came(stage, 1, 2)
    came(stage, 1, who="carl")
    came(stage, 1, 2, tablet=OTHER, store=NEXT_STORE)
    assert alerts(stage) == []
    came(stage, 3, who="carl")
    assert alerts(stage) == ["T1, Carl: number 2 never came"]
    with stage.site.reading() as connection:
        found = {each["tablet"]: (each["acts"], each["missing"]) for each in stage.floor.tablets.overview(connection)}
    assert found == {1: (5, 1), 2: (2, 0)}


def test_an_emptied_store_and_one_that_went_back_are_seen(stage: Stage) -> None:
    came(stage, 1, 2)
    came(stage, 1, store=NEXT_STORE)
    assert alerts(stage) == ["T1 began a new store: what it had not sent before is gone"]
    came(stage, 1, store=NEXT_STORE, act=77)
    assert alerts(stage)[0] == "T1, Cora: a number came twice for different acts, so its store went back"


def test_a_supervisor_settles_what_is_gone_and_a_late_number_hides_nothing(stage: Stage) -> None:
    came(stage, 1, 4)
    settle = stage.floor.tablets.settle
    with pytest.raises(Rejected, match="APPROVE"):
        settle(stage.op(), stage.as_("cora"), {"tablet": 1})
    with pytest.raises(Rejected, match="no tablet T9"):
        settle(stage.op(), stage.as_("sven"), {"tablet": 9})
    op_id = stage.op()
    for _ in range(2):
        assert settle(op_id, stage.as_("sven"), {"tablet": 1})["gone"] == 2
    assert alerts(stage) == []
    came(stage, 6, 2)
    assert alerts(stage) == ["T1, Cora: number 5 never came"]


@pytest.mark.parametrize("text", ["", "x", "0" * 32, f"{'0' * 32} {'0' * 64} 0 {'0' * 32} 5", "é" * 80, " " * 99])
def test_a_header_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match="reload"):
        Sent.parse(text)


# ------------------------------------------------------------ what a tablet says of itself

WELL = {"unsent": 0, "kept": True}
MINUTE_MS = 60_000


def told(stage: Stage, tablet: str = TABLET, **said: Any) -> Any:
    return stage.floor.tablets.tell(tablet, {**WELL, **said})


def battery(percent: int, *, charging: bool = False) -> dict[str, Any]:
    return {"percent": percent, "charging": charging}


def overview(stage: Stage) -> list[dict[str, Any]]:
    with stage.site.reading() as connection:
        return stage.floor.tablets.overview(connection)


def found(stage: Stage) -> list[tuple[str, str, str]]:
    with stage.site.reading() as connection:
        return [(each.code, each.subject, each.words) for each in stage.floor.tablets.findings(connection)]


def test_the_last_word_of_a_tablet_is_kept_also_of_one_that_never_acted(stage: Stage) -> None:
    at_ms = stage.world.clock.now_ms()
    assert told(stage, unsent=3, kept=False, battery=battery(62, charging=True)) == {"tablet": 1}
    assert overview(stage) == [
        {
            "tablet": 1, "heard_ms": at_ms, "acts": 0, "missing": 0, "alerts": [], "codes": [],
            "told": {"at_ms": at_ms, "unsent": 3, "kept": False, "battery": battery(62, charging=True)},
        }
    ]  # fmt: skip
    stage.world.clock.advance(MINUTE_MS)
    assert told(stage) == {"tablet": 1}
    # What it says of itself stands with the moment at which it said so, whatever it sends after that.
    said = {"at_ms": at_ms + MINUTE_MS, "unsent": 0, "kept": True, "battery": None}
    stage.world.clock.advance(MINUTE_MS)
    came(stage, 1)
    (row,) = overview(stage)
    assert (row["told"], row["heard_ms"], row["acts"]) == (said, at_ms + 2 * MINUTE_MS, 1)
    came(stage, 1, tablet=OTHER, store=NEXT_STORE)
    assert {each["tablet"]: each["told"] for each in overview(stage)} == {1: said, 2: None}
    assert found(stage) == []  # an outbox that comes after the first word is no new one


def test_a_tablet_is_silent_when_it_took_something_along(stage: Stage) -> None:
    told(stage, unsent=12)
    stage.world.clock.advance(SILENT_MS)
    assert found(stage) == []
    stage.world.clock.advance(1)
    assert found(stage) == [("tablet_silent", "T1", "T1 has been silent for 30 minutes, 12 unsent")]
    stage.world.clock.advance(90 * MINUTE_MS)
    assert found(stage) == [("tablet_silent", "T1", "T1 has been silent for 2 hours, 12 unsent")]
    came(stage, 1)  # it is in reach again
    assert found(stage) == []
    told(stage, unsent=0)
    stage.world.clock.advance(2 * SILENT_MS)
    assert found(stage) == []


def test_a_silent_tablet_that_is_gone_is_settled(stage: Stage) -> None:
    sven = stage.as_("sven")
    told(stage, unsent=12)
    stage.world.clock.advance(2 * SILENT_MS)
    assert overview(stage)[0]["codes"] == ["tablet_silent"]
    stage.floor.tablets.settle(stage.op(), sven, {"tablet": 1})
    assert found(stage) == []


def test_a_low_battery_is_told_while_the_word_is_fresh(stage: Stage) -> None:
    told(stage, battery=battery(BATTERY_LOW + 1))
    assert found(stage) == []
    told(stage, battery=battery(BATTERY_LOW, charging=True))
    assert found(stage) == []
    told(stage, battery=battery(BATTERY_LOW))
    words = f"the battery of T1 is at {BATTERY_LOW} per cent and does not charge"
    assert found(stage) == [("tablet_battery", "T1", words)]
    stage.world.clock.advance(SILENT_MS)
    came(stage, 1)
    assert len(found(stage)) == 1
    stage.world.clock.advance(1)
    assert found(stage) == []
    told(stage, battery=battery(0))
    assert [code for code, _, _ in found(stage)] == ["tablet_battery"]


@pytest.mark.parametrize(
    "said",
    [
        {"unsent": -1},
        {"unsent": UNSENT_MAX + 1},
        {"unsent": True},
        {"unsent": "3"},
        {"unsent": 1.0},
        {"unsent": None},
        {"kept": None},
        {"kept": 1},
        {"battery": 50},
        {"battery": []},
        {"battery": {"percent": 50}},
        {"battery": {"charging": True}},
        {"battery": {"percent": 101, "charging": True}},
        {"battery": {"percent": -1, "charging": True}},
        {"battery": {"percent": False, "charging": True}},
        {"battery": {"percent": 50, "charging": 0}},
        {"battery": {"percent": 50, "charging": True, "volts": 4}},
        {"number": 2},
    ],
)
def test_what_no_tablet_says_is_refused_and_changes_nothing(stage: Stage, said: dict[str, Any]) -> None:
    told(stage, unsent=UNSENT_MAX, battery=battery(100))
    before = overview(stage)
    with pytest.raises(Rejected):
        told(stage, **said)
    with pytest.raises(Rejected):
        told(stage, tablet=OTHER, **said)
    assert overview(stage) == before


def test_tablets_of_an_older_program_are_kept(tmp_path: Path) -> None:
    older = db.create(tmp_path / store.DATABASE_FILE)
    db.migrate(older, store.STEPS[: store.STEPS.index(floor_store.TABLETS_2)])
    with db.transaction(older):
        older.execute("INSERT INTO tablets VALUES (4, ?, ?, 7, NULL)", (TABLET, STORE))
    older.close()
    writer = store.open_writer(tmp_path)
    columns = "number, tablet, outbox, heard_ms, renewed_ms, told_ms, unsent"
    assert writer.execute(f"SELECT {columns} FROM tablets").fetchall() == [(4, TABLET, STORE, 7, None, None, 0)]
    writer.close()


# ------------------------------------------------------------ late acts


def scan(stage: Stage, raw: bytes, **context: Any) -> dict[str, Any]:
    stage.floor.people.bind_device(stage.as_("cora"), "tablet-x")
    stage.world.clock.advance(1_000)
    stage.journal.record([NewRead("tablet-x", raw, context=context)])
    return stage.floor.scanning.drain(stage.journal)[-1][1]


def open_bin(stage: Stage, code: str, waited_ms: int = 0) -> None:
    who = replace(stage.as_("cora"), waited_ms=waited_ms)
    stage.floor.counting.open_bin(stage.op(), who, {"bin": code})


def close_bin(stage: Stage, code: str, waited_ms: int = 0) -> None:
    who = replace(stage.as_("cora"), waited_ms=waited_ms)
    stage.floor.counting.close_bin(stage.op(), who, {"bin": code, "confirm": True})


def stable(stage: Stage, code: str) -> bool:
    with stage.site.reading() as connection:
        (found,) = connection.execute("SELECT stable FROM counts WHERE bin = ?", (code,)).fetchone()
    return bool(found)


def test_a_scan_that_comes_after_its_bin_was_closed_never_counts_elsewhere(stage: Stage) -> None:
    open_bin(stage, "A-01")
    assert scan(stage, EAN, bin="A-01")["outcome"] == "counted"
    close_bin(stage, "A-01")
    open_bin(stage, "A-02")
    late = scan(stage, EAN, bin="A-01")
    assert late["outcome"] == "late" and "A-01" in late["why"] and late["hint"]["item"] == "BOLT"
    with stage.site.reading() as connection:
        assert stage.floor.counting.screen(connection, stage.as_("cora"))["lines"] == []  # type: ignore[index]
        (session,) = connection.execute("SELECT session FROM count_bins WHERE bin = 'A-01'").fetchone()
        found = stage.floor.counting.review.parked(connection, stage.as_("sven"), OpId(bytes(session)), "A-01")
    assert [each["why"] for each in found] == ["it came after the count of A-01 was ended"]
    assert scan(stage, EAN, bin="B-01")["outcome"] == "late"
    assert scan(stage, EAN, bin="A-02")["outcome"] == "counted"


def test_acts_by_hand_name_their_bin_too(stage: Stage) -> None:
    counting, cora = stage.floor.counting, stage.as_("cora")
    open_bin(stage, "A-02")
    counting.enter(stage.op(), cora, {"item": "BOLT", "quantity": 3, "bin": "A-02"})
    for verb, wish in ((counting.enter, {"item": "BOLT", "quantity": 5}), (counting.undo, {}), (counting.empty, {})):
        with pytest.raises(Rejected, match="done in A-01"):
            verb(stage.op(), cora, {**wish, "bin": "A-01"})
    assert counting.undo(stage.op(), cora, {"bin": "A-02"})["counted"] == 0


@pytest.mark.parametrize("late", ["open", "scan", "close", "none"])
def test_a_count_out_of_contact_is_unstable(stage: Stage, late: str) -> None:
    waited = {name: LONG_MS if name == late else 29_000 for name in ("open", "scan", "close")}
    open_bin(stage, "A-01", waited["open"])
    scan(stage, EAN, bin="A-01", waited_ms=waited["scan"])
    close_bin(stage, "A-01", waited["close"])
    assert stable(stage, "A-01") is (late == "none")


def test_a_late_scan_has_the_time_at_which_it_was_made(stage: Stage) -> None:
    open_bin(stage, "A-01")
    scan(stage, EAN, bin="A-01", waited_ms=5_000)
    with stage.site.reading() as connection:
        (at_ms,) = connection.execute("SELECT at_ms FROM scan_events").fetchone()
    assert at_ms == stage.journal.latest(1)[0].at_ms - 5_000
