"""Scales as pure state machines: MT-SICS, Toledo continuous, Toledo 8217. Bytes in, weights out.

A weight in motion, out of range or with a damaged checksum is told with its problem, never as a number to book.
Sources: MT-SICS reference manual; Mettler Toledo, continuous output format (IND445 manual, page 50; Kern FTC, page
42); Toledo 8217 technical manual.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from devices.weights import GRAMS, Weight, decimal_of

LINE_BYTES_MAX = 80
MOTION, OVER, UNDER, RANGE = "in motion", "overload", "underload", "out of range"
STX, CR = 0x02, 0x0D


class Weighing(Protocol):
    """A scale's protocol between chunks. `counters` only ever grow."""

    counters: Counter[str]

    def feed(self, chunk: bytes) -> list[Weight]:
        """The weights that `chunk` completes."""

    def poll(self) -> bytes:
        """What asks the scale for its weight; empty for one that talks by itself."""

    def lost(self) -> None:
        """The scale went away: forget what had begun."""


def _lines(held: bytearray, chunk: bytes, end: int, counters: Counter[str]) -> Iterator[bytes]:
    """Lines that `chunk` completes; an endless one is noise."""
    counters["bytes"] += len(chunk)
    for byte in chunk:
        if byte == end:
            yield bytes(held)
            held.clear()
        elif len(held) < LINE_BYTES_MAX:
            held.append(byte)
        else:
            counters["noise"] += 1


@dataclass(slots=True)
class SicsProtocol:
    """`SI` asks; `S S     100.00 g` is stable, `S D` in motion, `S I` not ready, `S +` and `S -` out of range."""

    counters: Counter[str] = field(default_factory=Counter)
    _held: bytearray = field(default_factory=bytearray)

    _PATTERN = re.compile(rb"(S[S ]?) +([SDI+\-])(?: +(-?[0-9]{1,12}(?:\.[0-9]{1,9})?) +([A-Za-z]{1,4}))?", re.ASCII)
    _PROBLEMS = {b"D": MOTION, b"I": "not ready", b"+": OVER, b"-": UNDER}  # noqa: RUF012

    def feed(self, chunk: bytes) -> list[Weight]:
        """See `Weighing`."""
        found = []
        for line in _lines(self._held, chunk, 0x0A, self.counters):
            match = self._PATTERN.fullmatch(line.strip(b"\r "))
            state = match[2] if match else b""
            if match is None or (state in (b"S", b"D")) != (match[3] is not None):
                self.counters["errors" if line[:1] == b"E" else "noise"] += 1
                continue
            unit = (match[4] or b"").decode()
            problem = self._PROBLEMS.get(
                state, "" if unit in GRAMS else f"in {unit or 'no unit'}, which is no weight"
            )
            self.counters["weights"] += 1
            found.append(Weight(Decimal((match[3] or b"0").decode()), unit, line, problem=problem))
        return found

    def poll(self) -> bytes:
        """Ask for the weight at this moment."""
        return b"SI\r\n"

    def lost(self) -> None:
        """Forget the line begun."""
        self._held.clear()


@dataclass(slots=True)
class ToledoContinuous:
    """STX, three status bytes, six digits of weight, six of tare, CR, and perhaps a checksum (`checked`)."""

    checked: bool = False
    counters: Counter[str] = field(default_factory=Counter)
    _held: bytearray = field(default_factory=bytearray)

    _UNITS = ("", "g", "t", "oz", "ozt", "dwt", "ton", "custom")

    def feed(self, chunk: bytes) -> list[Weight]:
        """See `Weighing`."""
        self.counters["bytes"] += len(chunk)
        held, size = self._held, 17 + self.checked
        held += chunk
        found = []
        start = 0
        while start < len(held):
            if held[start] != STX:
                start += 1
                self.counters["noise"] += 1
            elif len(held) - start < size:
                break
            else:
                frame = bytes(held[start : start + size])
                weight = self._weight(frame)
                if weight is None:
                    start += 1
                    self.counters["noise"] += 1
                else:
                    start += size
                    self.counters["weights"] += 1
                    found.append(weight)
        del held[:start]
        return found

    def poll(self) -> bytes:
        """Nothing: it talks by itself."""
        return b""

    def lost(self) -> None:
        """Forget the frame begun."""
        self._held.clear()

    def _weight(self, frame: bytes) -> Weight | None:
        if self.checked and sum(byte & 0x7F for byte in frame) & 0x7F:
            self.counters["checksum"] += 1
            return None
        a, b, c = (byte & 0x7F for byte in frame[1:4])
        digits, tare = _six(frame[4:10]), _six(frame[10:16])
        if frame[16] & 0x7F != CR or digits is None or tare is None or not a & b & c & 0x20:
            return None
        places = (a & 7) - 2
        unit = self._UNITS[c & 7] or ("kg" if b & 0x10 else "lb")
        problem = RANGE if b & 4 else MOTION if b & 8 else "" if unit in GRAMS else f"in {unit}, which is unclear"
        problem = problem or ("ten times enlarged on the display" if c & 0x10 else "not zeroed" if b & 0x40 else "")
        value = decimal_of(-digits if b & 2 else digits, places)
        return Weight(value, unit, frame, bool(b & 1), problem, decimal_of(tare, places))


def _six(digits: bytes) -> int | None:
    text = bytes(byte & 0x7F for byte in digits).decode("ascii").lstrip(" ") or "0"
    return int(text) if text.isdigit() else None


@dataclass(slots=True)
class Toledo8217:
    """`W` asks; `STX 01.234 CR` answers, with N for net, or `STX ? x CR` with the bits of what is wrong.

    The unit is not sent: `unit` says what the scale is set to.
    """

    unit: str = "kg"
    counters: Counter[str] = field(default_factory=Counter)
    _held: bytearray = field(default_factory=bytearray)

    _PATTERN = re.compile(rb" *(-?[0-9]{1,8}(?:\.[0-9]{1,6})?)([Nn]?)", re.ASCII)

    def feed(self, chunk: bytes) -> list[Weight]:
        """See `Weighing`."""
        found = []
        for line in _lines(self._held, bytes(byte & 0x7F for byte in chunk), CR, self.counters):
            _, mark, body = line.rpartition(b"\x02")
            match = self._PATTERN.fullmatch(body) if mark else None
            if match:
                found.append(Weight(Decimal(match[1].decode()), self.unit, line, bool(match[2])))
            elif mark and body[:1] == b"?" and len(body) == 2:
                found.append(Weight(Decimal(0), self.unit, line, problem=_status(body[1])))
            else:
                self.counters["noise"] += 1
        self.counters["weights"] += len(found)
        return found

    def poll(self) -> bytes:
        """Ask for the weight."""
        return b"W"

    def lost(self) -> None:
        """Forget the line begun."""
        self._held.clear()

    @staticmethod
    def is_echo(reply: bytes) -> bool:
        """Whether `reply` is what such a scale answers to the echo test `Ehello`."""
        return reply == b"\x02E\rhello"


def _status(bits: int) -> str:
    return next((text for bit, text in ((1, MOTION), (2, OVER), (4, UNDER)) if bits & bit), RANGE)
