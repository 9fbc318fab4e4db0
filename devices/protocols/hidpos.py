"""HID-POS (USB usage page 8C): each read in reports of 64 bytes, symbology identifier and GS intact.

    0 report id (2) · 1 length · 2-4 AIM identifier · 5-60 data · 61 the maker's own code type · 62 reserved
    63 bit 0: more reports of this read follow

Bytes that cannot begin a report are noise and skipped; a read whose next report never comes is kept as truncated.
Source: Access-IS LSR118 manual, page 68; the same layout was seen from Honeywell scanners.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from devices.decoders import symbology
from devices.protocols.base import READ_BYTES_MAX, TRUNCATED, Frame, OnlyHeard, framed

REPORT_BYTES, REPORT_ID, DATA_MAX = 64, 2, 56
IDLE_MS = 500


@dataclass(slots=True)
class HidPosProtocol(OnlyHeard):
    """State between chunks: the report begun and the read begun."""

    report_id: int = REPORT_ID
    length_max: int = READ_BYTES_MAX
    counters: Counter[str] = field(default_factory=Counter)
    _held: bytearray = field(default_factory=bytearray)
    _message: bytearray = field(default_factory=bytearray)
    _length: int = 0
    _begun: bool = False
    _silent_ms: int = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """The reads completed by `chunk`; see `base.Framing`."""
        frames: list[Frame] = []
        self._silent_ms = 0 if chunk else self._silent_ms
        self.counters["bytes"] += len(chunk)
        held = self._held
        held += chunk
        start = 0
        while start < len(held):
            if not self._plausible(start):
                start += 1
                self.counters["noise"] += 1
            elif len(held) - start < REPORT_BYTES:
                break
            else:
                frames += self._report(bytes(held[start : start + REPORT_BYTES]))
                start += REPORT_BYTES
        del held[:start]
        return frames

    def tick(self, silent_ms: int) -> list[Frame]:
        """Gives up a report cut off and a read whose next report never came."""
        self._silent_ms += silent_ms
        return self.lost() if self._silent_ms >= IDLE_MS else []

    def lost(self) -> list[Frame]:
        """What had begun when the device went away."""
        self.counters["noise"] += len(self._held)
        self._held.clear()
        return self._end(TRUNCATED) if self._begun else []

    def wait_ms(self) -> int | None:
        """Milliseconds of silence that end what has begun, or None."""
        return max(1, IDLE_MS - self._silent_ms) if self._begun or self._held else None

    def _plausible(self, start: int) -> bool:
        head = self._held[start : start + 2]
        return head[0] == self.report_id and (len(head) < 2 or head[1] <= DATA_MAX)

    def _report(self, report: bytes) -> list[Frame]:
        if not self._begun:
            identifier = report[2:5]
            self._message += identifier if symbology.peek(identifier) else b""
            self._length = len(self._message)
            self._begun = True
        data = report[5 : 5 + report[1]]
        self._length += len(data)
        self._message += data[: max(0, self.length_max + 1 - len(self._message))]
        return [] if report[63] & 1 else self._end("")

    def _end(self, fault: str) -> list[Frame]:
        data, length = bytes(self._message), self._length
        self._message.clear()
        self._length, self._begun = 0, False
        if not data or (length == 3 and symbology.peek(data)):
            self.counters["empty"] += 1
            return []
        frame = framed(data, length, fault, limit=self.length_max)
        self.counters[frame.fault or "frames"] += 1
        return [frame]
