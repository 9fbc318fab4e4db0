"""The only place that reads a clock or sleeps. Everything else is handed a `Clock`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Time as the product needs it; a test passes one that it moves by hand."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC by the machine's clock, which may be wrong or jump."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never run backwards, from an arbitrary start; for durations only."""

    def sleep_ms(self, duration_ms: int) -> None:
        """Wait. A simulated clock advances instead."""


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def sleep_ms(self, duration_ms: int) -> None:
        time.sleep(duration_ms / 1000)


@dataclass(slots=True)
class ManualClock:
    """A clock that stands still until it is moved: for tests, the simulation and replays."""

    at_ms: int = 1_700_000_000_000
    ran_ms: int = 0

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> int:
        return self.ran_ms

    def sleep_ms(self, duration_ms: int) -> None:
        self.advance(duration_ms)

    def advance(self, duration_ms: int) -> None:
        """Let time pass: both clocks move."""
        self.at_ms += duration_ms
        self.ran_ms += duration_ms

    def jump(self, by_ms: int) -> None:
        """Set the wall clock wrong by `by_ms` (may be negative); the monotonic clock does not notice."""
        self.at_ms += by_ms
