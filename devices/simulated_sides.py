"""The far side of each protocol: what a scanner or scale made of software says, and what it makes of our answers.

Pure, as the protocols are: bytes in, bytes out, time passed in. `simulated_wire` joins them to real terminals,
sockets and pipes.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Protocol

from devices.protocols import datalogic, honeywell
from devices.protocols.hidpos import DATA_MAX as REPORT_DATA_MAX
from devices.protocols.hidpos import REPORT_BYTES
from devices.protocols.keys import CAPS_LOCK
from devices.protocols.ssi_packet import (
    ACK,
    BEEP,
    DATA_MAX,
    DECODE_DATA,
    HOST,
    MORE,
    NAK,
    SCAN_DISABLE,
    SCAN_ENABLE,
    SCANNER,
    Packet,
    Packets,
)
from devices.simulated_keys import pressed, typed
from ledger.errors import Rejected

OTHER_REPORT = 7  # the number of a report that is no read
ERROR_MS = 300  # a scanner that gave a read up sounds its error tone, and nobody scans again sooner


class Side(Protocol):
    """A device between two exchanges. `known`: reads it heard an acknowledgement for (or, where none exists, sent);
    `given_up`: reads it beeped an error for; `heard`: how often it was told what."""

    known: list[bytes]
    given_up: list[bytes]
    heard: Counter[str]

    def scan(self, data: bytes) -> None:
        """The trigger was pulled on a code that holds `data`."""

    def say(self) -> bytes:
        """What goes out now."""

    def hear(self, chunk: bytes) -> None:
        """What came in."""

    def tick(self, passed_ms: int) -> None:
        """Time passed."""

    def busy(self) -> bool:
        """Whether a read is not through yet."""

    def unplugged(self) -> None:
        """The cable was pulled: what was half said is said no further; a read not acknowledged is tried again."""

    def begun(self, data: bytes) -> bytes:
        """What goes out of a read of `data` that breaks off."""

    def garbled(self, dice: bytes) -> bytes:
        """Noise, as it comes over this kind of line; `dice` are random bytes."""


@dataclass(slots=True)
class PlainSide:
    """No answers: every read is out and forgotten. `form` is what surrounds it."""

    prefix: bytes = b""
    suffix: bytes = b"\r"
    form: str = "line"
    layout: str = "us"
    known: list[bytes] = field(default_factory=list)
    given_up: list[bytes] = field(default_factory=list)
    heard: Counter[str] = field(default_factory=Counter)
    _out: bytearray = field(default_factory=bytearray)

    def scan(self, data: bytes) -> None:
        """Say it at once."""
        self._out += self._shaped(data)
        self.known.append(data)

    def say(self) -> bytes:
        """All of it."""
        said = bytes(self._out)
        self._out.clear()
        return said

    def hear(self, chunk: bytes) -> None:
        """Such a scanner is deaf."""

    def tick(self, passed_ms: int) -> None:
        """Nothing waits."""

    def busy(self) -> bool:
        """Whether something is to be said."""
        return bool(self._out)

    def unplugged(self) -> None:
        """What was not said is lost."""
        self._out.clear()

    def begun(self, data: bytes) -> bytes:
        """All but its end: the suffix, the Enter key, or the report that says that it is the last."""
        if self.form == "hidpos":
            first = reports(data)[:REPORT_BYTES]
            return first[:-1] + b"\x01"
        if self.form == "keys":
            return typed((self.prefix + data).decode("utf-8"), self.layout)
        return self.prefix + data

    def garbled(self, dice: bytes) -> bytes:
        """Keys that somebody leans on (not CapsLock, which would stay on), reports of another kind, or bytes with a
        suffix."""
        if self.form == "hidpos":
            return bytes((OTHER_REPORT,)) + dice[: REPORT_BYTES - 1].ljust(REPORT_BYTES - 1, b"\0")
        if self.form == "keys":
            return b"".join(pressed(code & 0x7F) for code in dice if code & 0x7F != CAPS_LOCK)
        return dice + self.suffix

    def _shaped(self, data: bytes) -> bytes:
        if self.form == "hidpos":
            return reports(data)
        if self.form == "keys":
            return typed((self.prefix + data + self.suffix).decode("utf-8"), self.layout)
        return self.prefix + data + self.suffix


def reports(data: bytes) -> bytes:
    """A read as HID-POS reports; a symbology identifier in front goes where it belongs."""
    identifier, text = (data[:3], data[3:]) if data[:1] == b"]" else (b"\0\0\0", data)
    parts = [text[start : start + REPORT_DATA_MAX] for start in range(0, len(text), REPORT_DATA_MAX)] or [b""]
    return b"".join(
        bytes((2, len(part)))
        + identifier
        + part.ljust(REPORT_DATA_MAX, b"\0")
        + bytes((0, 0, number < len(parts) - 1))
        for number, part in enumerate(parts)
    )


@dataclass(slots=True)
class AckSide:
    """Host ACK and ACK/NAK: say a read, then wait. `resends`: how often a refusal makes it say the read again."""

    accepted: bytes = honeywell.ACCEPTED
    refused: bytes = honeywell.REFUSED
    suffix: bytes = b"\r"
    patience_ms: int = 10_000
    resends: int = 0
    known: list[bytes] = field(default_factory=list)
    given_up: list[bytes] = field(default_factory=list)
    heard: Counter[str] = field(default_factory=Counter)
    _queue: deque[bytes] = field(default_factory=deque)
    _in: bytearray = field(default_factory=bytearray)
    _waited_ms: int = -1
    _left: int = 0
    _error_ms: int = 0

    def scan(self, data: bytes) -> None:
        """Queue it: such a scanner is suspended until it was answered."""
        self._queue.append(data)

    def say(self) -> bytes:
        """The next read, once the one before is through."""
        if not self._queue or self._waited_ms >= 0 or self._error_ms > 0:
            return b""
        self._waited_ms, self._left = 0, self.resends
        self._in.clear()
        return self._queue[0] + self.suffix

    def hear(self, chunk: bytes) -> None:
        """Good or bad, for the read that waits."""
        self._in += chunk
        while self._waited_ms >= 0 and self._in:
            places = {answer: self._in.find(answer) for answer in (self.accepted, self.refused)}
            found = sorted((place, answer) for answer, place in places.items() if place >= 0)
            if not found:
                return
            place, answer = found[0]
            del self._in[: place + len(answer)]
            if answer == self.accepted:
                self.heard["accepted"] += 1
                self.known.append(self._queue.popleft())
                self._waited_ms = -1
                continue
            self.heard["refused"] += 1
            self._left -= 1
            self._waited_ms = -1
            if self._left < 0:
                self._give_up()
        if self._waited_ms < 0:
            self._in.clear()

    def tick(self, passed_ms: int) -> None:
        """Three error beeps when nobody answered in time."""
        self._error_ms = max(0, self._error_ms - passed_ms)
        if self._waited_ms >= 0:
            self._waited_ms += passed_ms
            if self._waited_ms >= self.patience_ms:
                self._give_up()

    def begun(self, data: bytes) -> bytes:
        """All but its suffix."""
        return data

    def garbled(self, dice: bytes) -> bytes:
        """Bytes, and a suffix."""
        return dice + self.suffix

    def _give_up(self) -> None:
        self.given_up.append(self._queue.popleft())
        self._waited_ms, self._error_ms = -1, ERROR_MS

    def busy(self) -> bool:
        """Whether a read waits, or the error tone sounds."""
        return bool(self._queue) or self._error_ms > 0

    def unplugged(self) -> None:
        """Power is gone, and the read with it: the operator heard no good tone."""
        self.given_up += self._queue
        self._queue.clear()
        self._in.clear()
        self._waited_ms = -1


@dataclass(slots=True)
class SsiSide:
    """A Zebra scanner: packets, answers to commands, and a read sent again up to `resends` times."""

    kind: int = 0x03
    patience_ms: int = 2_000
    resends: int = 2
    known: list[bytes] = field(default_factory=list)
    given_up: list[bytes] = field(default_factory=list)
    heard: Counter[str] = field(default_factory=Counter)
    enabled: bool = True
    _queue: deque[bytes] = field(default_factory=deque)
    _parts: deque[Packet] = field(default_factory=deque)
    _packets: Packets = field(default_factory=lambda: Packets(HOST))
    _out: bytearray = field(default_factory=bytearray)
    _waited_ms: int = -1
    _left: int = 0
    _error_ms: int = 0

    def scan(self, data: bytes) -> None:
        """Queue it, unless scanning is disabled."""
        if self.enabled:
            self._queue.append(data)
        else:
            self.heard["disabled_pulls"] += 1

    def say(self) -> bytes:
        """Answers to commands, then the next packet once the one before is through."""
        said = bytes(self._out)
        self._out.clear()
        if self._waited_ms < 0 and not self._error_ms and (self._parts or self._queue):
            if not self._parts:
                self._parts.extend(packets(self._queue[0], self.kind))
            self._waited_ms, self._left = 0, self.resends
            said += bytes(self._parts[0])
        return said

    def hear(self, chunk: bytes) -> None:
        """Answers and commands of the host."""
        for packet in self._packets.feed(chunk):
            if packet is None:
                self._out += bytes(Packet(NAK, SCANNER, 0, b"\x01"))
            elif packet.opcode == ACK:
                self._acknowledged()
            elif packet.opcode == NAK:
                self.heard["refused"] += 1
                self._again()
            else:
                self.heard["beep" if packet.opcode == BEEP else f"{packet.opcode:02X}"] += 1
                if packet.opcode in (SCAN_ENABLE, SCAN_DISABLE):
                    self.enabled = packet.opcode == SCAN_ENABLE
                self._out += bytes(Packet(ACK, SCANNER))

    def tick(self, passed_ms: int) -> None:
        """Send it again, and give up in the end."""
        self._error_ms = max(0, self._error_ms - passed_ms)
        if self._waited_ms >= 0:
            self._waited_ms += passed_ms
            if self._waited_ms >= self.patience_ms:
                self._again()

    def busy(self) -> bool:
        """Whether a read waits, an answer is to be said, or the error tone sounds."""
        return bool(self._queue or self._out) or self._error_ms > 0

    def unplugged(self) -> None:
        """Power is gone, and the reads with it."""
        self.given_up += self._queue
        self._queue.clear()
        self._parts.clear()
        self._packets.reset()
        self._out.clear()
        self._waited_ms = -1

    def begun(self, data: bytes) -> bytes:
        """Its first packet, cut off."""
        return bytes(packets(data, self.kind)[0])[:-1]

    def garbled(self, dice: bytes) -> bytes:
        """Bytes that are no packet."""
        return dice

    def _acknowledged(self) -> None:
        if self._waited_ms < 0:
            self.heard["stray"] += 1
            return
        self._waited_ms = -1
        self._parts.popleft()
        if not self._parts:
            self.known.append(self._queue.popleft())

    def _again(self) -> None:
        if self._waited_ms < 0:
            return
        self._left -= 1
        if self._left < 0:
            self.given_up.append(self._queue.popleft())
            self._parts.clear()
            self._waited_ms, self._error_ms = -1, ERROR_MS
            return
        self._parts[0] = self._parts[0].again()
        self._waited_ms = 0
        self._out += bytes(self._parts[0])


def packets(data: bytes, kind: int) -> list[Packet]:
    """A read as SSI packets, the code type in front of each."""
    size = DATA_MAX - 1
    parts = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
    last = len(parts) - 1
    return [
        Packet(DECODE_DATA, SCANNER, MORE if number < last else 0, bytes((kind,)) + part)
        for number, part in enumerate(parts)
    ]


def side_for(protocol: str, *, suffix: bytes = b"\r", layout: str = "us", patience_ms: int | None = None) -> Side:
    """The scanner's side of `protocol`; raises Rejected for one that scanners do not speak."""
    if protocol in ("line", "stx"):
        return PlainSide(b"\x02" if protocol == "stx" else b"", b"\x03" if protocol == "stx" else suffix)
    if protocol in ("hidpos", "keys"):
        return PlainSide(form=protocol, layout=layout)
    if protocol == "honeywell":
        return AckSide(suffix=suffix, patience_ms=patience_ms or 10_000)
    if protocol == "datalogic":
        return AckSide(datalogic.ACCEPTED, datalogic.REFUSED, suffix, patience_ms or 2_000, 2)
    if protocol == "ssi":
        return SsiSide(patience_ms=patience_ms or 2_000)
    raise Rejected(f"no scanner speaks {protocol}")
