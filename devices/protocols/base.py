"""What a protocol is: a state machine from chunks of bytes to reads. No files, no clock: time is passed in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

READ_BYTES_MAX = 8_000  # the largest QR Code holds 7,089 digits
FAULT_BYTES_KEPT = 256

TRUNCATED = "truncated"
OVERSIZE = "oversize"


@dataclass(frozen=True, slots=True)
class Frame:
    """One read as the device delimited it. `fault` is empty, `truncated` or `oversize`; of the latter only the
    first bytes are kept, and `length` says how many there were."""

    data: bytes
    fault: str = ""
    length: int = 0


class Framing(Protocol):
    """A protocol's state between chunks. `counters` only ever grow."""

    counters: Counter[str]

    def feed(self, chunk: bytes) -> list[Frame]:
        """The reads that `chunk` completes."""

    def tick(self, silent_ms: int) -> list[Frame]:
        """The device was listened to for `silent_ms` more and said nothing: the reads that silence completes."""

    def lost(self) -> list[Frame]:
        """The device went away: what was begun and will never be completed."""

    def wait_ms(self) -> int | None:
        """How long to listen before calling `tick`, or None when nothing is pending."""

    def accepted(self, count: int) -> bytes:
        """What to tell the device once its `count` reads are durable."""

    def refused(self) -> bytes:
        """What to tell the device when a read could not be recorded."""
