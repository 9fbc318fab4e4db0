"""From a scanner's bytes to a line and back to its beeper; several codes of one thing; whose a read is."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from devices.decoders.presentation import TOGETHER_MS
from devices.protocols import honeywell
from devices.reads import NewRead
from devices.registry import Registry
from devices.simulated import SimulatedScanner
from devices.supervisor import Supervisor
from ledger.clock import SystemClock
from ledger.seams import Killed, SystemRandom, arm_failpoint, disarm_failpoints
from node import streams, taking
from node.listening import ALWAYS, HEARD_MS, Page, handed
from node.whereabouts import Whereabouts
from tests.devices.rig import until
from tests.node.floor_kit import GTINS, Stage

ITEM = f"]C101{GTINS['PAINT']}"
LOT = "]C110L7\x1d17271231"
GOOD, QUESTION, NO = honeywell.ACCEPTED, honeywell.SIGNALS["unknown"], honeywell.SIGNALS["error"]


@pytest.fixture
def stage(stage: Stage) -> Stage:
    with stage.site.writing() as connection:
        paint: Any = streams.get(connection, streams.CATALOGUE, "PAINT")
        streams.put(connection, "catalogue", "PAINT", {**paint, "tracking": 1})
        connection.execute("UPDATE items SET tracking = 1 WHERE item = 'PAINT'")
    body = {"name": "Week 47", "bins": ["A-01", "A-02"], "rule": {"control_percent": 0}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    return stage


def lines(stage: Stage) -> list[tuple[str, str, int]]:
    with stage.site.reading() as connection:
        rows = connection.execute("SELECT item, lot, quantity FROM scan_events ORDER BY event").fetchall()
    return [(str(item), str(lot), int(quantity)) for item, lot, quantity in rows]


def record(stage: Stage, *texts: str, apart_ms: int = 40) -> None:
    for text in texts:
        stage.world.clock.advance(apart_ms)
        stage.journal.record([NewRead("gun", text.encode())])


def drained(stage: Stage, patience_ms: int = TOGETHER_MS) -> list[str]:
    return [outcome["outcome"] for _, outcome in stage.floor.scanning.drain(stage.journal, patience_ms)]


def test_bytes_become_a_line_and_the_scanner_hears_what_became_of_them(stage: Stage, tmp_path: Path) -> None:
    with ExitStack() as stack:
        gun = stack.enter_context(SimulatedScanner(tmp_path / "gun", clock=SystemClock()))
        whereabouts = Whereabouts(stage.world.folder, stage.world.clock)
        stack.callback(whereabouts.close)
        supervisor = Supervisor(
            Registry.parse([f"{gun.url}&protocol=honeywell&name=gun"]),
            stage.journal,
            clock=SystemClock(),
            random=SystemRandom(),
            context=whereabouts,
        )
        supervisor.start()
        stack.callback(supervisor.stop)
        work = taking.at_work(stage.floor.scanning, stage.journal, stage.world.clock, supervisor.signal)
        stack.enter_context(work)
        gun.wait_opened(5_000)

        def hears(text: str, expected: bytes) -> None:
            stage.world.clock.advance(1_000 if text != LOT else 40)
            gun.send(text.encode() + b"\r")
            answer = bytearray()
            until(lambda: answer.extend(gun.answers(50)) or len(answer) >= len(expected))
            assert answer + gun.answers(50) == expected, text

        hears("BIN:A-01", GOOD)
        hears(f"]E0{GTINS['BOLT'][1:]}", GOOD)
        until(lambda: lines(stage) == [("BOLT", "", 1)])
        hears(ITEM, GOOD)
        hears(LOT, GOOD)
        until(lambda: lines(stage)[1:] == [("PAINT", "L7", 1)])
        hears("]E09999999999994", GOOD + QUESTION)
        hears("BIN:A-02", GOOD + NO)
        assert stage.journal.latest(1)[0].context == {"actor": str(stage.as_("cora").actor), "bin": "A-01"}
        # A page takes codes. Its scanner's good tone is undone where the page does not say that it has taken one.
        page = Page(stage.as_("cora").actor, ALWAYS, "/look")
        stage.floor.listening.open(page)
        hears(f"]E0{GTINS['BOLT'][1:]}", GOOD)
        stage.world.clock.advance(HEARD_MS + 1)
        heard = bytearray()
        until(lambda: heard.extend(gun.answers(50)) or bool(heard))
        assert heard + gun.answers(300) == NO, "once"
        hears("BIN:A-02", GOOD)
        with stage.site.reading() as connection:
            stage.floor.scanning.came(stage.as_("cora"), [number for number, _ in handed(connection, page, 0)])
        stage.world.clock.advance(HEARD_MS + 1)
        assert gun.answers(300) == b""
        stage.floor.listening.close(page)
        stage.floor.people.log_out(stage.tokens["cora"])
        hears(f"]E0{GTINS['BOLT'][1:]}", GOOD + NO)
        assert stage.journal.latest(1)[0].context == {"actor": ""}


@pytest.mark.parametrize("codes", [(ITEM, LOT), (LOT, ITEM)])
def test_an_item_and_its_lot_in_two_codes_are_one_line(stage: Stage, codes: tuple[str, str]) -> None:
    stage.scan("BIN:A-01")
    record(stage, codes[0], apart_ms=1_000)
    assert drained(stage) == [], "it waits for the other half"
    record(stage, codes[1])
    assert drained(stage) == ["counted", "joined"]
    assert lines(stage) == [("PAINT", "L7", 1)]
    assert {read.state for read in stage.journal.latest(2)} == {"taken"}


def test_a_half_that_stays_alone_is_asked_about(stage: Stage) -> None:
    stage.scan("BIN:A-01")
    record(stage, LOT, apart_ms=1_000)
    assert drained(stage) == []
    stage.world.clock.advance(TOGETHER_MS)
    assert drained(stage) == ["parked"] and lines(stage) == []
    record(stage, ITEM, apart_ms=TOGETHER_MS + 1)
    stage.world.clock.advance(TOGETHER_MS)
    assert drained(stage) == ["parked"], "too late to be of one thing"


def test_what_says_enough_does_not_wait_and_takes_what_follows_along(stage: Stage) -> None:
    stage.scan("BIN:A-01")
    record(stage, f"]E0{GTINS['BOLT'][1:]}", apart_ms=1_000)
    assert drained(stage) == ["counted"]
    record(stage, "]C117271231")
    stage.world.clock.advance(TOGETHER_MS)
    assert drained(stage) == ["joined"] and lines(stage) == [("BOLT", "", 1)]
    record(stage, "]C117271231", apart_ms=TOGETHER_MS + 1)
    stage.world.clock.advance(TOGETHER_MS)
    assert drained(stage) == ["parked"]


def test_two_things_and_a_contradiction_stay_what_they_are(stage: Stage) -> None:
    stage.scan("BIN:A-01")
    bolt = f"]E0{GTINS['BOLT'][1:]}"
    record(stage, bolt, f"]E0{GTINS['DRILL'][1:]}", bolt, bolt, apart_ms=100)
    assert drained(stage) == ["counted", "parked", "counted", "counted"], "a drill has a serial"
    assert lines(stage) == [("BOLT", "", 1)] * 3
    drills = [f"]C101{GTINS['DRILL']}21S{number}" for number in (1, 2)]
    record(stage, *drills, apart_ms=100)
    assert drained(stage) == ["counted", "counted"], "two of one kind are two things, however fast"
    record(stage, bolt, f"]C101{GTINS['BOLT']}", bolt, apart_ms=100)
    assert drained(stage) == ["counted"] * 3, "each says enough, and so it does when they are drained one by one"
    record(stage, ITEM, LOT, "]C110L8", apart_ms=100)
    assert drained(stage) == ["parked", "joined", "joined"], "two lots of one thing: a person says which"


@pytest.mark.parametrize("name", ["db.before_commit", "db.after_commit", "journal.before_mark_commit"])
def test_death_between_two_halves_neither_loses_nor_doubles(stage: Stage, name: str) -> None:
    stage.scan("BIN:A-01")
    record(stage, ITEM, LOT)

    def die(_: str) -> None:
        raise Killed(name)

    arm_failpoint(name, die)
    with pytest.raises(Killed):
        drained(stage)
    disarm_failpoints()
    again = stage.restart()
    try:
        assert drained(again) == ["counted", "joined"]
        assert lines(again) == [("PAINT", "L7", 1)]
    finally:
        again.site.close()
        again.journal.close()


def test_a_read_belongs_to_whom_the_scanner_belonged_to_when_it_read(stage: Stage) -> None:
    """Its owner logs out, another one takes the scanner, and only then is the read taken."""
    stage.scan("BIN:A-01")
    said = {"actor": str(stage.as_("cora").actor), "bin": "A-01"}
    bolt = f"]E0{GTINS['BOLT'][1:]}".encode()
    stage.world.clock.advance(1_000)
    stage.journal.record([NewRead("gun", bolt, context=said)])
    stage.floor.people.bind_device(stage.as_("mona"), "gun")
    assert drained(stage) == ["counted"] and lines(stage) == [("BOLT", "", 1)]
    stage.world.clock.advance(1_000)
    stage.journal.record([NewRead("gun", bolt, context={"actor": ""})])
    assert drained(stage) == ["nobody"]
