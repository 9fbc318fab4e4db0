"""A scale's thread, and stable exact weights for the line of whoever stands at it.

A weight is only given when the scale itself says it stands still, in range, and says so twice with the same value
after the question: what was on the plate before counts for nothing.
"""

from __future__ import annotations

import threading
from collections import Counter

from devices.registry import Device
from devices.thread import DeviceThread
from devices.weights import Weight
from ledger.clock import Clock
from ledger.errors import Unavailable
from ledger.seams import Random

POLL_MS = 200
ALIKE = 2  # so many equal stable weights in a row


class Scale(DeviceThread):
    """The thread of one scale."""

    def __init__(self, device: Device, *, clock: Clock, random: Random) -> None:
        super().__init__(device, clock=clock, random=random)
        self._protocol = device.weighing()
        self._news = threading.Condition()
        self._latest: Weight | None = None
        self._number = 0
        self._alike = 0

    def weigh(self, timeout_ms: int = 3_000) -> Weight:
        """A weight that may be booked, measured after this call. Raises Unavailable with the reason: in motion,
        overload, not plugged in, silent."""
        until_ms = self._clock.monotonic_ms() + timeout_ms
        with self._news:
            asked, self._alike = self._number, 0
            while self._alike < ALIKE:
                left_ms = until_ms - self._clock.monotonic_ms()
                if left_ms <= 0:
                    raise Unavailable(f"the scale {self.name} gives no weight: {self._why_not(asked)}")
                self._news.wait(left_ms / 1000)
            if self._latest is None:
                raise Unavailable(f"{self.name} went away")
            return self._latest

    def latest(self) -> Weight | None:
        """What it shows now, stable or not; None when it has said nothing since it was opened."""
        with self._news:
            return self._latest

    def _why_not(self, asked: int) -> str:
        health = self.health()
        if health.state != "ready":
            return health.problem or f"the scale is {health.state}"
        if self._number == asked or self._latest is None:
            return "the scale says nothing; check its cable, speed and protocol"
        return f"{self._latest.problem or 'in motion'}; wait until it stands still and ask again"

    def _opened(self) -> None:
        self._ask()

    def _listen_ms(self) -> int | None:
        return POLL_MS if self._protocol.poll() else None

    def _heard(self, chunk: bytes) -> None:
        with self._lock:
            weights = self._protocol.feed(chunk)
            if weights:
                self._last_read_ms = self._clock.now_ms()
        for weight in weights:
            with self._news:
                same = self._latest is not None and (self._latest.value, self._latest.unit, self._latest.net) == (
                    weight.value,
                    weight.unit,
                    weight.net,
                )
                self._alike = 0 if not weight.stable else self._alike + 1 if same and self._alike else 1
                self._latest = weight
                self._number += 1
                self._news.notify_all()

    def _silent(self, for_ms: int) -> None:
        self._ask()

    def _lost(self) -> None:
        with self._lock:
            self._protocol.lost()
        with self._news:
            self._latest, self._alike = None, 0
            self._news.notify_all()

    def _protocol_counters(self) -> Counter[str]:
        return self._protocol.counters

    def _ask(self) -> None:
        if question := self._protocol.poll():
            self._transport.write(question)
