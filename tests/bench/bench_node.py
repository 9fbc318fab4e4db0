"""P1: recording a one-line document on a whole node, durable before it is answered, while another thread seals.

The floor is one SQLite commit (WAL, FULL) of the same bytes. Both take turns, so that a busy moment of the machine
falls on both.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

from ledger import db
from ledger.clock import SystemClock
from ledger.errors import Unavailable
from tests.bench.row import Row
from tests.node.world import BINS, World, line, receive

PROMISES = ("P1",)
RECORDS = 600
SEAL_EVERY_S = 0.25


def rows(folder: Path | None = None) -> list[Row]:
    """The figures; `folder` chooses the disk."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        ours, theirs = _record(Path(name))
    peer = "one SQLite commit of the same bytes"
    return [
        Row("P1", "record a one-line document, durable: p50", _at(ours, 50), _at(theirs, 50), "ms", peer, 15),
        Row("P1", "record a one-line document, durable: p99", _at(ours, 99), _at(theirs, 99), "ms", peer, 10),
    ]


def _record(folder: Path) -> tuple[list[float], list[float]]:
    made = World(folder / "node", clock=SystemClock())  # type: ignore[arg-type]
    made.init()
    made.enrol()
    site = made.open()
    made.send(site, *made.furniture())
    site.seal()
    bare = db.create(folder / "bare.db")
    bare.execute("CREATE TABLE records (raw BLOB NOT NULL)")
    stop = threading.Event()

    def seal() -> None:
        while not stop.wait(SEAL_EVERY_S):
            try:
                site.seal_if_due()
            except Unavailable:
                return

    sealer = threading.Thread(target=seal, daemon=True)
    sealer.start()
    ours, theirs, raw = [], [], b""
    for number in range(1, RECORDS + 1):
        began = time.perf_counter()
        receive(site, number, line(number, target=BINS[number % len(BINS)]))
        ours.append((time.perf_counter() - began) * 1000)
        raw = raw or _journalled(site)
        began = time.perf_counter()
        with db.transaction(bare):
            bare.execute("INSERT INTO records VALUES (?)", (raw,))
        theirs.append((time.perf_counter() - began) * 1000)
    stop.set()
    sealer.join()
    site.close()
    bare.close()
    return ours, theirs


def _journalled(site: object) -> bytes:
    """The bytes of one operation: its signed transaction and its document."""
    with site.reading() as connection:  # type: ignore[attr-defined]
        raw, document = connection.execute("SELECT raw, document FROM journal LIMIT 1").fetchone()
    return bytes(raw) + bytes(document)


def _at(times: list[float], percent: int) -> float:
    return sorted(times)[len(times) * percent // 100]
