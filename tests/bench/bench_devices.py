"""P2: what it costs to make a raw scan durable, against one SQLite commit of the same bytes in the same run.

Also shown, without a bar of the promises: from the last byte on a pseudo-terminal to the durable read with its owner
and bin, to the tone of a scanner that waits for an answer, and decoding, beside biip where somebody has installed it.
"""

from __future__ import annotations

import importlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

from devices.decoders.scan import decode
from devices.journal import Journal
from devices.reads import NewRead
from devices.registry import Registry
from devices.simulated import SimulatedScanner
from devices.simulated_sides import SsiSide
from devices.supervisor import Supervisor
from ledger import db
from ledger.clock import SystemClock
from ledger.seams import SystemRandom
from node.whereabouts import Whereabouts
from tests.bench.row import Row, table
from tests.node.floor_kit import furnished

RAW = b"]C101095011015300031726123110LOT-4711\x1d21SN000123"
CONTEXT = {"operator": "op-000123", "session": "count-2026-01-15-a", "location": "A-01-02"}
COMMITS = 400
DECODES = 500
SCANS = 60

PROMISES = ("P2",)


def rows(folder: Path | None = None) -> list[Row]:
    """The figures of P2; `folder` chooses the disk."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        return [_journal(Path(name)), _latency(Path(name)), _tone(Path(name)), _decoding()]


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


def _journal(folder: Path) -> Row:
    Journal.create(folder / "reads.db")
    journal = Journal(folder / "reads.db", clock=SystemClock(), random=SystemRandom())
    floor = db.create(folder / "floor.db")
    floor.execute("PRAGMA synchronous=FULL")
    floor.execute("CREATE TABLE scans (id INTEGER PRIMARY KEY, device TEXT, at_ms INTEGER, raw BLOB)")

    def plain() -> None:
        floor.execute("BEGIN IMMEDIATE")
        floor.execute("INSERT INTO scans (device, at_ms, raw) VALUES ('dock-1', 1768478400123, ?)", (RAW,))
        floor.execute("COMMIT")

    ours, theirs = [], []
    for number in range(COMMITS):
        new = [NewRead("dock-1", RAW + b"%d" % number, context=CONTEXT)]
        # In turns, so that a busy moment of the machine falls on both.
        theirs.append(_timed(plain))
        ours.append(_timed(lambda new=new: journal.record(new)))  # type: ignore[misc]
    journal.close()
    floor.close()
    mine, base = statistics.median(ours), statistics.median(theirs)
    return Row("P2", "journal a raw scan, p50", mine, base, "ms", "one SQLite commit of the same bytes", 1.5)


def _latency(folder: Path) -> Row:
    """p95 from the last byte written to the terminal until the read is durable, the bar being 10 ms."""
    Journal.create(folder / "latency.db")
    journal = Journal(folder / "latency.db", clock=SystemClock(), random=SystemRandom())
    stage = furnished(folder / "node", people=("cora",))
    stage.journal.close()
    stage.site.close()
    whereabouts = Whereabouts(folder / "node", SystemClock())
    with SimulatedScanner(clock=SystemClock()) as scanner:
        registry = Registry.parse([f"{scanner.url}&name=gun"])
        supervisor = Supervisor(registry, journal, clock=SystemClock(), random=SystemRandom(), context=whereabouts)
        supervisor.start()
        scanner.wait_opened(5_000)
        taken = []
        for number in range(SCANS):
            before = journal.position
            scanner.send(RAW + b"%d" % number)
            time.sleep(0.005)
            started = time.perf_counter()
            os.write(scanner._far, b"\r")
            journal.wait(before, 5_000)
            taken.append((time.perf_counter() - started) * 1000)
        supervisor.stop()
    journal.close()
    whereabouts.close()
    p95 = sorted(taken)[int(len(taken) * 0.95)]
    what = "last byte on a terminal to durable read, p95"
    return Row("P2", what, p95, 10.0, "ms", "no peer in this run: the bar itself", 10.0, absolute=True)


def _tone(folder: Path) -> Row:
    """p95 from the last byte of an SSI packet until the scanner has heard ACK and the good tone; the bar is 50 ms."""
    Journal.create(folder / "tone.db")
    journal = Journal(folder / "tone.db", clock=SystemClock(), random=SystemRandom())
    with SimulatedScanner(clock=SystemClock()) as scanner:
        registry = Registry.parse([scanner.url + "&protocol=ssi&setup=yes"])
        supervisor = Supervisor(registry, journal, clock=SystemClock(), random=SystemRandom())
        supervisor.start()
        scanner.wait_opened(5_000)
        side = SsiSide()
        _converse(side, scanner, lambda: side.heard["E9"] == 1)
        taken = []
        for number in range(SCANS):
            side.scan(RAW + b"%d" % number)
            scanner.send(side.say())
            started = time.perf_counter()
            _converse(side, scanner, lambda number=number: side.heard["beep"] > number)  # type: ignore[misc]
            taken.append((time.perf_counter() - started) * 1000)
        supervisor.stop()
    journal.close()
    p95 = sorted(taken)[int(len(taken) * 0.95)]
    what = "last byte of an SSI packet to ACK and tone, p95"
    return Row("P2", what, p95, 50.0, "ms", "no peer in this run: the bar itself", 50.0, absolute=True)


def _converse(side: SsiSide, scanner: SimulatedScanner, until: Callable[[], bool]) -> None:
    while not until():
        side.hear(scanner.answers(1_000))
        scanner.send(side.say())


def _decoding() -> Row:
    on = date(2026, 1, 15)
    ours, peer, theirs = _spent_us(lambda: decode(RAW, on=on)), "no peer in this run: the bar itself", 60.0
    with suppress(ImportError):
        parse = importlib.import_module("biip").parse
        text = RAW.decode()
        peer, theirs = "biip, the same text", _spent_us(lambda: parse(text))
    return Row("P2", "decode a GS1-128", ours, theirs, "us", peer, 60.0, absolute=True)


def _spent_us(act: Callable[[], object]) -> float:
    """The best of several rounds, in processor time: what other programs do at that moment is not the decoder's."""
    spent = []
    for _ in range(8):
        started = time.process_time()
        for _ in range(DECODES):
            act()
        spent.append((time.process_time() - started) / DECODES * 1_000_000)
    return min(spent)


if __name__ == "__main__":
    print(table(rows(Path(sys.argv[1]) if len(sys.argv) > 1 else None)))
