"""Packets of Zebra's Simple Serial Interface, as scanner and host both write them.

    length, opcode, source (0 scanner, 4 host), status, data…, checksum (2 bytes)

The length counts everything but the checksum; the checksum is the two's complement of the sum of all bytes before
it, high byte first. Status: bit 0 sent again, bit 1 more packets of the same message follow.
Source: Zebra, SSI Programmer's Guide; SE955 integration guide, chapter 10.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

SCANNER, HOST = 0, 4
RESENT, MORE = 1, 2
LENGTH_MIN, LENGTH_MAX = 4, 255
DATA_MAX = LENGTH_MAX - LENGTH_MIN

REPLY_REVISION, AIM_OFF, AIM_ON, PARAM_SEND, PARAM_REQUEST = 0xA4, 0xC4, 0xC5, 0xC6, 0xC7
ACK, NAK, CAPABILITIES_REPLY = 0xD0, 0xD1, 0xD4
BEEP, LED_ON, LED_OFF, SCAN_ENABLE, SCAN_DISABLE = 0xE6, 0xE7, 0xE8, 0xE9, 0xEA
DECODE_DATA, EVENT = 0xF3, 0xF6
NAK_RESEND, NAK_BAD_CONTEXT, NAK_DENIED = 1, 2, 6
FROM_SCANNER = frozenset((REPLY_REVISION, PARAM_SEND, ACK, NAK, CAPABILITIES_REPLY, DECODE_DATA, EVENT))


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet."""

    opcode: int
    source: int = HOST
    status: int = 0
    data: bytes = b""

    def __bytes__(self) -> bytes:
        body = bytes((LENGTH_MIN + len(self.data), self.opcode, self.source, self.status)) + self.data
        return body + checksum(body)

    def again(self) -> Packet:
        """The same, marked as sent before."""
        return Packet(self.opcode, self.source, self.status | RESENT, self.data)


def checksum(body: bytes | bytearray) -> bytes:
    """The two bytes that end a packet."""
    return (-sum(body) & 0xFFFF).to_bytes(2, "big")


@dataclass(slots=True)
class Packets:
    """Finds the packets of one side in a stream of bytes, whatever noise stands between them.

    A place where no packet of that side can begin is noise and skipped byte by byte; so is one whose checksum does
    not fit, which is also told as None: whoever sent it should send it again.
    """

    source: int
    opcodes: frozenset[int] = frozenset(range(256))
    counters: Counter[str] = field(default_factory=Counter)
    _held: bytearray = field(default_factory=bytearray)

    def feed(self, chunk: bytes) -> Iterator[Packet | None]:
        """The packets that `chunk` completes, None for a damaged one. Exhaust it before the next call."""
        held = self._held
        held += chunk
        start = 0
        while start < len(held):
            length = held[start]
            if not self._plausible(start):
                start += 1
                self.counters["noise"] += 1
            elif len(held) - start < length + 2:
                break
            elif bytes(held[start + length : start + length + 2]) == checksum(held[start : start + length]):
                opcode, source, status = held[start + 1 : start + 4]
                data = bytes(held[start + 4 : start + length])
                start += length + 2
                yield Packet(opcode, source, status, data)
            else:
                start += 1
                self.counters["checksum"] += 1
                yield None
        del held[:start]

    def pending(self) -> bool:
        """Whether a packet has begun."""
        return bool(self._held)

    def reset(self) -> int:
        """Forget what has begun; answers how many bytes that were."""
        count = len(self._held)
        self._held.clear()
        return count

    def _plausible(self, start: int) -> bool:
        head = self._held[start : start + 3]
        return (
            head[0] >= LENGTH_MIN
            and (len(head) < 2 or head[1] in self.opcodes)
            and (len(head) < 3 or head[2] == self.source)
        )
