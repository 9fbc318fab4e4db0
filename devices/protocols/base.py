"""What a protocol is: a state machine from chunks of bytes to reads. No files, no clock: time is passed in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal, Protocol

from devices.reads import Again

READ_BYTES_MAX = 8_000  # the largest QR Code holds 7,089 digits
FAULT_BYTES_KEPT = 256

TRUNCATED = "truncated"
OVERSIZE = "oversize"

# What a person at the scanner is told, and what the scanner is told to do. `good` is the answer to a durable read.
Signal = Literal["good", "repeat", "unknown", "error", "enable", "disable", "light_on", "light_off"]
SIGNALS: tuple[Signal, ...] = ("good", "repeat", "unknown", "error", "enable", "disable", "light_on", "light_off")


@dataclass(frozen=True, slots=True)
class Frame:
    """One read as the device delimited it. `fault` is empty, `truncated` or `oversize`; of the latter only the
    first bytes are kept, and `length` says how many there were. `again`: whether the device says that it sent these
    bytes before and heard no answer (`NewRead.again`)."""

    data: bytes
    fault: str = ""
    length: int = 0
    again: Again = ""


def framed(data: bytes, length: int, fault: str = "", *, limit: int = READ_BYTES_MAX) -> Frame:
    """A read of which `data` was kept out of `length` bytes; cut down and marked when it exceeds `limit`."""
    if length > limit:
        return Frame(data[:FAULT_BYTES_KEPT], OVERSIZE, length)
    return Frame(data, fault, length)


class Framing(Protocol):
    """A protocol's state between chunks. Its counters only ever grow."""

    @property
    def counters(self) -> Counter[str]:
        """How often what happened."""

    @property
    def waits_for_answer(self) -> bool:
        """Whether the device holds a read until it hears that it was recorded, and may send it again."""

    @property
    def can_pause(self) -> bool:
        """Whether it obeys `disable` and `enable` while a read of it waits for its answer."""

    @property
    def sounds(self) -> bool:
        """Whether `signal("good")` makes it beep."""

    def feed(self, chunk: bytes) -> list[Frame]:
        """The reads that `chunk` completes."""

    def tick(self, silent_ms: int) -> list[Frame]:
        """The device was listened to for `silent_ms` more and said nothing: the reads that silence completes."""

    def lost(self) -> list[Frame]:
        """The device went away: what was begun and will never be completed."""

    def wait_ms(self) -> int | None:
        """How long to listen before calling `tick`, or None when nothing is pending."""

    def hello(self) -> bytes:
        """What to tell a device that was just opened."""

    def owed(self) -> bytes:
        """What the device must hear now whatever becomes of its reads; asked for after every `feed` and `tick`."""

    def accepted(self) -> bytes:
        """What to tell the device once its newest read is durable. A device that waits for an answer has only one
        read under way: what it sent before, it has given up, and a second answer would be taken for the next read's.
        """

    def refused(self) -> bytes:
        """What to tell the device when a read could not be recorded."""

    def signal(self, signal: Signal) -> bytes:
        """What makes the device sound, shine or act so; empty when it cannot."""


class OnlyHeard:
    """A device that hears nothing: it beeps by itself, before the read is durable. The answers of `Framing`."""

    __slots__ = ()
    waits_for_answer = False
    can_pause = False
    sounds = False

    def hello(self) -> bytes:
        """Nothing."""
        return b""

    def owed(self) -> bytes:
        """Nothing."""
        return b""

    def accepted(self) -> bytes:
        """Nothing."""
        return b""

    def refused(self) -> bytes:
        """Nothing."""
        return b""

    def signal(self, signal: Signal) -> bytes:
        """Nothing."""
        return b""
