"""Raw reads to lines: each acts exactly once, whatever dies in between, and none is dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.reads import NewRead
from ledger.seams import Killed, arm_failpoint, disarm_failpoints
from tests.node.floor_kit import BOX, GTINS, PIN, Stage, furnished, introduce

EAN = f"]E0{GTINS['BOLT'][1:]}"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    body = {"name": "Week 47", "bins": ["A-01", "A-02"], "rule": {"control_percent": 0}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    return stage


def tally(stage: Stage) -> int:
    with stage.site.reading() as connection:
        (total,) = connection.execute("SELECT COALESCE(SUM(quantity), 0) FROM scan_events").fetchone()
    return int(total)


def test_reads_meet_their_own_id_and_act_once(stage: Stage) -> None:
    stage.scan("BIN:A-01")
    (read,) = stage.journal.record([NewRead(device="gun", raw=EAN.encode())])
    first = stage.floor.scanning.take(read)
    for _ in range(5):
        assert stage.floor.scanning.take(read) == first
    assert tally(stage) == 1
    assert [outcome for _, outcome in stage.floor.scanning.drain(stage.journal)] == [first]
    assert stage.floor.scanning.drain(stage.journal) == []
    assert stage.journal.get(read.read_id).state == "taken"


@pytest.mark.parametrize("name", ["db.before_commit", "db.after_commit", "journal.before_mark_commit"])
def test_death_anywhere_between_read_and_mark_neither_loses_nor_doubles(stage: Stage, name: str) -> None:
    stage.scan("BIN:A-01")
    for _ in range(3):
        stage.world.clock.advance(1_000)
        stage.journal.record([NewRead(device="gun", raw=EAN.encode())])

    def die(_: str) -> None:
        raise Killed(name)

    arm_failpoint(name, die)
    with pytest.raises(Killed):
        stage.floor.scanning.drain(stage.journal)
    disarm_failpoints()
    again = stage.restart()
    stage.site, stage.floor, stage.journal = again.site, again.floor, again.journal
    stage.floor.scanning.drain(stage.journal)
    assert tally(stage) == 3
    assert stage.journal.waiting() == []


def test_repeats_count_in_count_mode_and_are_marked(stage: Stage) -> None:
    stage.scan("BIN:A-01")
    stage.journal.record([NewRead(device="gun", raw=EAN.encode())] * 3)
    outcomes = [outcome for _, outcome in stage.floor.scanning.drain(stage.journal)]
    assert [each["counted"] for each in outcomes] == [1, 2, 3]
    assert [each.get("repeat", False) for each in outcomes] == [False, True, True]


def test_what_belongs_to_nothing_is_kept_and_said(stage: Stage) -> None:
    assert stage.scan(EAN, device="unbound")["outcome"] == "nobody"
    why = "nothing is open: it was not counted"
    assert stage.scan(EAN) == {"outcome": "item", "item": "BOLT", "quantity": 1, "why": why}
    assert stage.scan("]E05012345678900")["outcome"] == "ignored"
    assert stage.scan("BADGE:badge-cora")["outcome"] == "badge"
    assert stage.scan("CTL:HELP") == {"outcome": "control", "command": "HELP"}
    assert "not to be counted" in stage.scan("BIN:DOCK")["why"]
    assert "not to be counted" in stage.scan("BIN:NOWHERE")["why"]
    stage.scan("BIN:A-01")
    assert "close it first" in stage.scan("BIN:A-02")["why"]
    assert stage.scan("BIN:A-01") == {"outcome": "bin", "bin": "A-01"}
    assert stage.scan("CTL:EMPTY")["outcome"] == "counted"
    assert "declared empty" in stage.scan(EAN)["why"]
    assert stage.scan("CTL:UNDO")["outcome"] == "counted"
    assert stage.scan("CTL:UNDO")["outcome"] == "refused"
    assert stage.scan("BOLT")["counted"] == 1
    assert stage.scan(f"]C102{BOX}3712")["outcome"] == "parked"
    with stage.site.reading() as connection:
        (taken,) = connection.execute("SELECT COUNT(*) FROM taken_reads").fetchone()
        (parked,) = connection.execute("SELECT COUNT(*) FROM parked").fetchone()
    assert (taken, parked) == (16, 2)


def test_a_revoked_persons_scanner_counts_for_nobody(stage: Stage) -> None:
    stage.scan("BIN:A-01")
    introduce(stage.world, stage.site, "cora", ("COUNT",), revoked=True)
    assert stage.scan(EAN)["outcome"] == "nobody"
    assert tally(stage) == 0


def test_a_scanner_is_free_again_when_its_owner_logs_out_or_leaves_it(stage: Stage) -> None:
    stage.scan("BIN:A-01")
    for _ in range(3):
        stage.world.clock.advance(50 * 60_000)  # the tablet has long locked itself, its owner goes on scanning
        assert stage.scan(EAN)["outcome"] == "counted"
    stage.world.clock.advance(61 * 60_000)
    assert stage.scan(EAN)["outcome"] == "nobody"
    stage.tokens["cora"] = stage.floor.people.log_in("cora", PIN, "t")["token"]
    stage.floor.people.bind_device(stage.as_("cora"), "gun")
    assert stage.scan(EAN)["counted"] == 4
    stage.floor.people.log_out(stage.tokens["cora"])
    assert stage.scan(EAN)["outcome"] == "nobody"


def test_one_read_that_the_program_fails_at_holds_up_no_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.scan("BIN:A-01")
    real = stage.floor.counting.add

    def planted(*given: Any, **more: Any) -> Any:
        if given[4] == 12:
            raise ZeroDivisionError("an error that nobody has thought of")
        return real(*given, **more)

    monkeypatch.setattr(stage.floor.counting, "add", planted)
    stage.journal.record([NewRead(device="gun", raw=raw) for raw in (EAN.encode(), f"]C101{BOX}".encode())])
    assert [each["outcome"] for _, each in stage.floor.scanning.drain(stage.journal)] == ["counted", "ignored"]
    assert stage.scan(EAN)["counted"] == 2
    assert stage.journal.waiting() == []


def test_a_quantity_beyond_reason_is_parked(stage: Stage) -> None:
    stage.scan("BIN:A-01")
    with stage.site.writing() as connection:
        connection.execute("UPDATE gtins SET quantity = ? WHERE item = 'BOLT'", (2**63 - 1,))
    assert stage.scan(EAN)["outcome"] == "parked"


def test_packs_variable_counts_and_doubtful_codes(stage: Stage) -> None:
    stage.scan("BIN:A-01")
    assert stage.scan(f"]C101{BOX}")["quantity"] == 12
    assert stage.scan(f"]C101{GTINS['BOLT']}30" + "7")["quantity"] == 7
    assert stage.scan(f"]C101{GTINS['DRILL']}21" + "S9")["counted"] == 1
    assert stage.scan(f"]C101{GTINS['DRILL']}")["hint"]["item"] == "DRILL"
    doubtful = stage.scan(f"]C101{GTINS['PAINT']}10ABC17270331")
    assert doubtful["outcome"] == "parked" and "separator seems lost" in doubtful["why"]
    assert tally(stage) == 20


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.one_of(st.binary(max_size=60), st.binary(min_size=3_000, max_size=4_000)))
def test_no_bytes_break_the_floor_or_act_beyond_a_line(open_bin: Stage, raw: bytes) -> None:
    """S3: whatever bytes come, the answer is words; they count an item, or are parked, or change nothing."""
    outcome = open_bin.scan(raw)
    assert outcome["outcome"] in {"counted", "parked", "refused", "bin", "badge", "control"}
    with open_bin.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM operations").fetchone() == open_bin.before  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def open_bin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with closing(furnished(tmp_path_factory.mktemp("open") / "node", people=("cora", "sven", "mona"))) as made:
        body = {"name": "Week 47", "bins": ["A-01"]}
        made.floor.counting.open_session(made.op(), made.as_("sven"), body)
        made.scan("BIN:A-01")
        with made.site.reading() as connection:
            made.before = connection.execute("SELECT COUNT(*) FROM operations").fetchone()  # type: ignore[attr-defined]
        yield made


def test_what_a_badge_reads_is_kept_nowhere(stage: Stage) -> None:
    """Not by a scanner of nobody either, nor when it came torn or in another case; that a badge was read is kept."""
    badges = ("BADGE:cora-4711", "]C0BADGE:cora-4711", "]Q1badge:CORA-4711", "BADGE:4711")
    assert {stage.scan(badge)["outcome"] for badge in badges} == {"badge"}
    assert stage.scan("BADGE:cora-4711", device="of-nobody")["outcome"] == "nobody"
    stage.journal.record(
        [NewRead("gun", b"]C0BADGE:cora-47", fault="truncated"), NewRead("gun", b"BADGE:cora-4711\0")]
    )
    torn, garbled = (outcome for _, outcome in stage.floor.scanning.drain(stage.journal))
    assert (torn["outcome"], garbled["outcome"]) == ("ignored", "badge")
    assert len(stage.journal.latest()) == 7
    files = [path for path in stage.world.folder.rglob("*") if path.is_file()]
    assert [path.name for path in files if re.search(rb"4711|cora-47", path.read_bytes(), re.IGNORECASE)] == []
