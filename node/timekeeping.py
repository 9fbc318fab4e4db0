"""What time a block says, and how far to believe the clock that says it.

A warehouse machine's clock can stand at 1970 after a flat battery, or years ahead after a slip of a finger. Header
time must grow from block to block for ever, so one block far ahead would pin the chain in the future. The rule: a
clock before the parent, or too far past the last time it was believed, gives parent + 1 and the quality "doubtful".
Order and quantities never depend on any of this.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.clock import Clock
from node.config import ClockConfig

CONFIRMED, OWN, DOUBTFUL = 0, 1, 2

# Blocks may follow each other within a second of the clock but not of header time, so a parent can be a little ahead.
LEAD_MS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Moment:
    """A header's time in whole seconds, and its quality: 0 confirmed by the hub, 1 own clock, 2 doubtful."""

    time_s: int
    quality: int


class Timekeeper:
    """Remembers when the clock was last believed; `trusted_ms` is that time, to be kept across restarts."""

    def __init__(self, clock: Clock, config: ClockConfig, trusted_ms: int) -> None:
        self._clock = clock
        self._config = config
        self.trusted_ms = trusted_ms
        self._trusted_ran_ms = clock.monotonic_ms()
        # The hub's last word by our steady clock, with the offset that our clock had then; None before it spoke.
        self._confirmed: tuple[int, int] | None = None
        self._contradicted = False

    def next(self, parent_s: int) -> Moment:
        """The time of the block after one of time `parent_s`. Moves the trusted time when the clock is good."""
        now_ms = self._clock.now_ms()
        if self._is_wrong(now_ms, parent_s):
            return Moment(parent_s + 1, DOUBTFUL)
        self._trust(now_ms)
        return Moment(max(now_ms // 1000, parent_s + 1), self._quality(now_ms))

    def tick(self) -> None:
        """To be called now and then, so that a long quiet time with a good clock does not look like a jump."""
        now_ms = self._clock.now_ms()
        if self.trusted_ms <= now_ms <= self._latest_ms():
            self._trust(now_ms)

    def confirm(self, hub_ms: int) -> None:
        """The hub, whose signature was checked, says what time it is."""
        now_ms = self._clock.now_ms()
        self._trust(hub_ms)
        self._contradicted = abs(now_ms - hub_ms) > self._config.differs_ms_max
        if self._contradicted:
            # From now on a clock more than the limit past the hub's time is not followed, however it got there.
            self._confirmed = None
        else:
            self._confirmed = (self._clock.monotonic_ms(), now_ms - self._clock.monotonic_ms())

    def quality(self, parent_s: int) -> int:
        """The quality that a block would get now; changes nothing."""
        now_ms = self._clock.now_ms()
        return DOUBTFUL if self._is_wrong(now_ms, parent_s) else self._quality(now_ms)

    def is_behind(self, parent_s: int) -> bool:
        """Whether the clock stands before a block of time `parent_s` that is sealed already: it cannot be right."""
        return self._clock.now_ms() < parent_s * 1000 - LEAD_MS_MAX

    def hub_age_ms(self) -> int | None:
        """How long ago the hub confirmed this clock; None if it has not since the start, or said otherwise."""
        return None if self._confirmed is None else self._clock.monotonic_ms() - self._confirmed[0]

    def _is_wrong(self, now_ms: int, parent_s: int) -> bool:
        return self.is_behind(parent_s) or now_ms > self._latest_ms()

    def _latest_ms(self) -> int:
        """The latest reading that is believed: the steady clock's, plus a pause in which this process did not run."""
        ran_ms = self._clock.monotonic_ms() - self._trusted_ran_ms
        return self.trusted_ms + ran_ms + self._config.ahead_ms_max

    def _trust(self, now_ms: int) -> None:
        self.trusted_ms = now_ms
        self._trusted_ran_ms = self._clock.monotonic_ms()

    def _quality(self, now_ms: int) -> int:
        if self._contradicted:
            return DOUBTFUL
        if self._confirmed is None:
            return OWN
        at_ms, offset_ms = self._confirmed
        ran_ms = self._clock.monotonic_ms()
        stepped = abs(now_ms - ran_ms - offset_ms) > self._config.differs_ms_max
        return OWN if stepped or ran_ms - at_ms > self._config.confirmed_ms_max else CONFIRMED
