"""The far side of a scale's protocol: what it says of what lies on its plate. Pure, as `simulated_sides`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from ledger.errors import Rejected


@dataclass(slots=True)
class ScaleSide:
    """A scale with something on its plate: `put` it there, `settle` when it stands still."""

    protocol: str = "sics"
    unit: str = "kg"
    places: int = 3
    every_ms: int = 200
    heard: Counter[str] = field(default_factory=Counter)
    digits: int = 0
    moving: bool = False
    overloaded: bool = False
    _in: bytearray = field(default_factory=bytearray)
    _out: bytearray = field(default_factory=bytearray)
    _since_ms: int = 0

    def put(self, weight: Decimal | str, *, moving: bool = False) -> None:
        """Put a weight on the plate; Rejected when it has more decimals than the scale shows."""
        digits = Decimal(weight).scaleb(self.places)
        if digits != digits.to_integral_value():
            raise Rejected(f"{weight}: the scale shows {self.places} decimals")
        self.digits, self.moving = int(digits), moving

    def say(self) -> bytes:
        """Answers, and the continuous stream."""
        said = bytes(self._out)
        self._out.clear()
        return said

    def hear(self, chunk: bytes) -> None:
        """Questions."""
        for byte in chunk:
            if self.protocol == "8217":
                if byte == ord("W"):
                    self.heard["asked"] += 1
                    self._out += self._words()
                continue
            self._in.append(byte)
            if self._in.endswith(b"\r\n"):
                self.heard["asked"] += 1
                self._out += self._words() if bytes(self._in) in (b"SI\r\n", b"S\r\n") else b"ES\r\n"
                self._in.clear()

    def tick(self, passed_ms: int) -> None:
        """The continuous stream, for a scale that talks by itself."""
        self._since_ms += passed_ms
        if self.protocol == "toledo" and self._since_ms >= self.every_ms:
            self._since_ms = 0
            self._out += self._words()

    def _words(self) -> bytes:
        shown = f"{Decimal(self.digits).scaleb(-self.places)}"
        if self.protocol == "sics":
            if self.overloaded:
                return b"S +\r\n"
            return f"S {'D' if self.moving else 'S'} {shown:>10} {self.unit}\r\n".encode()
        if self.protocol == "8217":
            if self.moving or self.overloaded:
                return b"\x02?" + (b"\x42" if self.overloaded else b"\x41") + b"\r"
            return b"\x02" + shown.encode() + b"\r"
        status_a = 0x20 | 0x08 | (self.places + 2)
        status_b = 0x20 | 0x10 | 8 * self.moving | 4 * self.overloaded | 2 * (self.digits < 0)
        return bytes((2, status_a, status_b, 0x20)) + f"{abs(self.digits):6}".encode() + b"     0\r"
