"""Who is working where with a scanner, looked up at the moment of the read and kept with it.

A read may be taken much later: after a start, after a full disk, after its owner has gone home. What it means does
not change by that. A light module: it is at work before the chain is loaded.
"""

from __future__ import annotations

import threading
from pathlib import Path

from ledger.clock import Clock
from ledger.ids import Actor
from node import store

LASTS_MS_MAX = 12 * 3_600_000  # a log-in, and with it a scanner's owner, lasts a working day
SCANNER_IDLE_MS_MAX = 60 * 60_000


class Whereabouts:
    """Answers {actor, bin}: the scanner's owner, empty for nobody's, and the bin they count, if any."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._reader, self._clock, self._lock = store.open_reader(folder), clock, threading.Lock()

    def __call__(self, device: str) -> dict[str, str]:
        with self._lock:
            row = self._reader.execute(
                "SELECT b.actor, b.bound_at_ms, b.seen_at_ms, t.kind, t.target FROM bound_devices b"
                " LEFT JOIN tasks t ON t.actor = b.actor AND t.state = 'open' WHERE b.device = ?",
                (device,),
            ).fetchone()
        if row is None or not is_held(int(row[1]), int(row[2]), self._clock.now_ms()):
            return {"actor": ""}
        return {"actor": str(Actor(bytes(row[0]))), **({"bin": str(row[4])} if row[3] == "count" else {})}

    def close(self) -> None:
        with self._lock:
            self._reader.close()


def is_held(bound_ms: int, seen_ms: int, now_ms: int) -> bool:
    """Whether a scanner that was bound and last used then is still its owner's. A clock set back adds nothing."""
    return abs(now_ms - seen_ms) <= SCANNER_IDLE_MS_MAX and abs(now_ms - bound_ms) <= LASTS_MS_MAX
