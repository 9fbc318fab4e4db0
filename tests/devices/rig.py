"""A journal, a supervisor over the given devices, and what people on the floor heard: what device tests stand on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from devices.journal import Journal
from devices.reads import Read
from devices.registry import Registry
from devices.supervisor import Supervisor
from devices.thread import Health
from ledger.clock import SystemClock
from ledger.seams import SystemRandom

CLOCK = SystemClock()


class Floor:
    """What people on the floor hear."""

    def __init__(self) -> None:
        self.good: list[bytes] = []
        self.bad: list[str] = []

    def recorded(self, device: str, reads: Sequence[Read]) -> None:
        self.good += [read.raw for read in reads if not read.fault]

    def refused(self, device: str, reason: str) -> None:
        self.bad.append(reason)


class Rig:
    """All of it, running."""

    def __init__(
        self, folder: Path, *urls: str, context: Callable[[str], dict[str, Any]] = lambda device: {}
    ) -> None:
        self.floor = Floor()
        path = folder / "reads.db"
        if not path.exists():
            Journal.create(path)
        self.journal = Journal(path, clock=CLOCK, random=SystemRandom())
        self.supervisor = Supervisor(
            Registry.parse(urls),
            self.journal,
            clock=CLOCK,
            random=SystemRandom(),
            feedback=self.floor,
            context=context,
        )
        self.supervisor.start()

    def health(self) -> Health:
        return self.supervisor.health()[0]

    def reads(self, count: int, timeout_ms: int = 8_000) -> list[Read]:
        until(lambda: self.journal.position >= count, timeout_ms)
        return self.journal.waiting(10_000)

    def close(self) -> None:
        self.supervisor.stop()
        self.journal.close()


def until(holds: Callable[[], bool], timeout_ms: int = 20_000) -> None:
    deadline = time.monotonic() + timeout_ms / 1000
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
