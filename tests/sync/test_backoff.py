"""Waiting after failures: bounded, spread, and never earlier than asked."""

from __future__ import annotations

import random

from sync.backoff import Backoff


class Seeded:
    """Repeatable bytes for a test."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


def test_the_wait_grows_to_its_limit_and_is_spread_over_the_whole_range() -> None:
    source = Seeded(1)
    backoff = Backoff()
    assert backoff.delay_ms(source) == 0
    for failures in range(1, 40):
        backoff = backoff.failed()
        ceiling = min(backoff.longest_ms, 30_000 * 2 ** (failures - 1))
        waits = [backoff.delay_ms(source) for _ in range(200)]
        assert 0 <= min(waits) < ceiling // 10
        assert ceiling - ceiling // 10 < max(waits) <= ceiling
    assert backoff.reset().delay_ms(source) == 0


def test_what_the_hub_asked_for_is_honoured_and_still_spread() -> None:
    source = Seeded(2)
    backoff = Backoff().failed()
    waits = {backoff.delay_ms(source, asked_ms=60_000) for _ in range(50)}
    assert min(waits) >= 60_000 and len(waits) > 40
    assert backoff.delay_ms(source, asked_ms=10**12) <= 2 * backoff.longest_ms
