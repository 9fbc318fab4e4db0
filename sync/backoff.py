"""How long to wait after a failed cycle: exponential with full jitter, so that sites do not come back all at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger.seams import Random

FIRST_MS = 30_000
LONGEST_MS = 6 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often in a row it failed. A value: `failed()` and `reset()` answer the next one."""

    failures: int = 0
    first_ms: int = FIRST_MS
    longest_ms: int = LONGEST_MS

    def failed(self) -> Backoff:
        """One more failure. The count stops where the delay does."""
        return replace(self, failures=min(self.failures + 1, 32))

    def reset(self) -> Backoff:
        """After a success, or when a link comes up."""
        return replace(self, failures=0)

    def delay_ms(self, random: Random, *, asked_ms: int = 0) -> int:
        """A wait from 0 to first · 2^(failures - 1), at most `longest_ms`, evenly spread.

        `asked_ms` is what the other side wished (Retry-After): never earlier, and the spread is added to it, because
        everyone was told the same number.
        """
        if self.failures == 0:
            return max(asked_ms, 0)
        ceiling = min(self.longest_ms, self.first_ms << (self.failures - 1))
        spread = int.from_bytes(random.bytes(8), "big") * (ceiling + 1) >> 64
        return min(max(asked_ms, 0), self.longest_ms) + spread
