"""Reads that end with a character, or stand between STX and ETX: what nearly every serial scanner can send.

Framing `line`: a read ends at CR, LF or ETX, with `tab_ends` at TAB as well, and CR LF counts once; an STX in front
is dropped. Framing `stx`: a read is what stands between STX and ETX, line ends included; anything outside is noise.
Every other byte is content, GS (0x1D) above all. How the bytes were cut into chunks makes no difference.

Silence of `idle_ms` ends a read that has begun. For a scanner set to send no suffix (`suffix=none`) that is how
reads end; for any other it means that the rest was lost, so the read is kept and marked `truncated`, and nobody
mistakes half a number for a whole one. Silence is what a listener heard, not the difference of two clock readings:
while the program was busy elsewhere the rest may long have been waiting in the kernel. What still arrives soon after
such a silence is the other half, and is marked as well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from devices.protocols.base import READ_BYTES_MAX, TRUNCATED, Frame, Signal, framed

CR, LF, STX, ETX = 0x0D, 0x0A, 0x02, 0x03
DOUBT_MS = 1_000  # after a read broke off, how long the rest of it may still come
IDLE_MS = 200  # slow radio scanners pause up to 150 ms inside a read
_LINE_MARK = re.compile(rb"[\r\n\x03]")
_TAB_MARK = re.compile(rb"[\r\n\x03\t]")
_STX_MARK = re.compile(rb"[\x02\x03]")


@dataclass(slots=True)
class LineProtocol:
    """State between chunks: the read begun so far, and how its end will be recognised.

    What a scanner was found to put before every read (`prefix`) and in the place of GS (`separator`) is undone here;
    a read without that prefix passes as it is. `signals` are the bytes that this make of scanner understands.
    """

    framing: Literal["line", "stx"] = "line"
    silence_ends: bool = False
    idle_ms: int = IDLE_MS
    length_max: int = READ_BYTES_MAX
    acknowledge: bytes = b""
    refuse: bytes = b""
    prefix: bytes = b""
    separator: bytes = b""
    tab_ends: bool = False
    greeting: bytes = b""
    signals: Mapping[Signal, bytes] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    _held: bytearray = field(default_factory=bytearray)
    _length: int = 0
    _inside: bool = False
    _tail: bytes = b""
    _silent_ms: int = 0
    _doubt_ms: int = 0

    @property
    def waits_for_answer(self) -> bool:
        """When an acknowledgement is configured."""
        return bool(self.acknowledge)

    @property
    def can_pause(self) -> bool:
        """Never: what waits for one of two answers hears nothing else."""
        return False

    @property
    def sounds(self) -> bool:
        """Where bytes are known that make it."""
        return bool(self.signals.get("good"))

    def feed(self, chunk: bytes) -> list[Frame]:
        """The reads completed by `chunk`; see `base.Framing`."""
        frames: list[Frame] = []
        if chunk:
            self.counters["bytes"] += len(chunk)
            self._silent_ms = 0
            split = self._feed_line if self.framing == "line" else self._feed_stx
            split(chunk, frames)
        return frames

    def tick(self, silent_ms: int) -> list[Frame]:
        """Ends a read after `idle_ms` of silence."""
        self._doubt_ms = max(0, self._doubt_ms - silent_ms)
        if not self._pending():
            return []
        self._silent_ms += silent_ms
        if self._silent_ms < self.idle_ms:
            return []
        if self.framing == "stx":
            return self._end(TRUNCATED)
        frames = self._end("" if self.silence_ends else TRUNCATED)
        self._doubt_ms = 0 if self.silence_ends else DOUBT_MS
        return frames

    def lost(self) -> list[Frame]:
        """What had begun when the device went away."""
        self._tail, self._doubt_ms = b"", 0
        return self._end(TRUNCATED) if self._pending() else []

    def wait_ms(self) -> int | None:
        """Milliseconds of silence that would end the read begun, or None."""
        return max(1, self.idle_ms - self._silent_ms) if self._pending() else None

    def accepted(self) -> bytes:
        """The configured acknowledgement."""
        return self.acknowledge

    def refused(self) -> bytes:
        """The configured refusal."""
        return self.refuse

    def hello(self) -> bytes:
        """The configured greeting."""
        return self.greeting

    def owed(self) -> bytes:
        """Nothing: a line scanner hears only of its reads."""
        return b""

    def signal(self, signal: Signal) -> bytes:
        """The configured bytes for `signal`."""
        return self.signals.get(signal, b"")

    def _pending(self) -> bool:
        return self._length > 0 or self._inside

    def _feed_line(self, chunk: bytes, frames: list[Frame]) -> None:
        position = 0
        for mark in (_TAB_MARK if self.tab_ends else _LINE_MARK).finditer(chunk):
            place = mark.start()
            self._hold(chunk, position, place)
            ender = chunk[place]
            if self._pending():
                frames += self._end(TRUNCATED if self._doubt_ms else "")
                self._doubt_ms = 0
            elif ender not in self._tail:
                self.counters["empty"] += 1
            # CR LF, ETX CR and ETX CR LF are one ending however the scanner was set up.
            self._tail = b"\n" if ender == CR else b"\r\n" if ender == ETX else b""
            position = place + 1
        self._hold(chunk, position, len(chunk))

    def _feed_stx(self, chunk: bytes, frames: list[Frame]) -> None:
        position = 0
        for mark in _STX_MARK.finditer(chunk):
            place = mark.start()
            self._hold(chunk, position, place)
            if chunk[place] == STX:
                if self._inside:
                    frames += self._end(TRUNCATED)
                self._inside = True
            elif self._inside:
                frames += self._end("")
            else:
                self.counters["noise"] += 1
            position = place + 1
        self._hold(chunk, position, len(chunk))

    def _hold(self, chunk: bytes, start: int, stop: int) -> None:
        if start == stop:
            return
        if self.framing == "stx" and not self._inside:
            self.counters["noise"] += stop - start
            return
        self._tail = b""
        if self.framing == "line" and not self._length and not self._inside and chunk[start] == STX:
            start += 1
            # An STX alone is a read that has begun: silence after it must not go unnoticed.
            self._inside = True
        self._length += stop - start
        room = self.length_max + 1 - len(self._held)
        if room > 0:
            self._held += chunk[start : min(stop, start + room)]

    def _end(self, fault: str) -> list[Frame]:
        data, length = bytes(self._held), self._length
        self._held.clear()
        self._length = self._silent_ms = 0
        self._inside = False
        if not length:
            self.counters["empty"] += 1
            return []
        frame = framed(data, length, fault, limit=self.length_max)
        self.counters[frame.fault or "frames"] += 1
        if not frame.fault:
            data = data.removeprefix(self.prefix)
            frame = framed(data.replace(self.separator, b"\x1d") if self.separator else data, length)
        return [frame]
