"""Every protocol, and streams for it: whole messages as devices send them, and everything that is none."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devices.protocols.hidpos import HidPosProtocol
from devices.protocols.keys import EVENT, KeysProtocol
from devices.protocols.line import LineProtocol
from devices.protocols.scales import SicsProtocol, Toledo8217, ToledoContinuous
from devices.protocols.ssi import SsiProtocol
from devices.protocols.ssi_packet import DECODE_DATA, MORE, RESENT, SCANNER, Packet
from devices.protocols.telnet import PortClient, escaped


@dataclass(frozen=True)
class Case:
    """A protocol's factory, and pieces of which its streams are made; `feed` gives what one machine said."""

    make: Callable[[], Any]
    pieces: tuple[bytes, ...]


def ssi(data: bytes, kind: int = 3, status: int = 0) -> bytes:
    return bytes(Packet(DECODE_DATA, SCANNER, status, bytes((kind,)) + data))


def report(data: bytes, identifier: bytes = b"]C1", more: int = 0) -> bytes:
    return bytes((2, len(data))) + identifier + data.ljust(56, b"\0") + bytes((0, 0, more))


def key(code: int, value: int = 1) -> bytes:
    return EVENT.pack(0, 0, 1, code, value)


COMMON = (b"\r", b"\n", b"\x02", b"\x03", b"\x1d", b"\xff", b"\x00", b"]C1", b"0109501101530003", b"A" * 60)
TOLEDO = b"\x021  " + b"   200" + b" " * 6 + b"\r"
CASES: dict[str, Case] = {
    "line": Case(LineProtocol, COMMON),
    "line-tab": Case(lambda: LineProtocol(tab_ends=True), (*COMMON, b"\t", b"\t\r")),
    "stx": Case(lambda: LineProtocol("stx"), COMMON),
    "ssi": Case(
        SsiProtocol,
        (
            ssi(b"0109501101530003", 0x0F), ssi(b"A" * 200, 0x1C, MORE), ssi(b"end", 0x1C), ssi(b"again", 3, RESENT),
            ssi(b"NR", 1), bytes(Packet(0xF6, SCANNER, 0, b"\x01")), bytes(Packet(0xD0, SCANNER)),
            bytes(Packet(0xD1, SCANNER, 0, b"\x01")), ssi(b"broken")[:-1] + b"\x00", b"\x05", b"\x07\xf3\x00\x00",
            *COMMON,
        ),
    ),
    "hidpos": Case(
        HidPosProtocol,
        (report(b"0109501101530003"), report(b"x" * 56, more=1), report(b""), b"\x02", b"\x02\x38]", *COMMON),
    ),
    "keys": Case(
        lambda: KeysProtocol("de"),
        (
            *(key(code) + key(code, 0) for code in (2, 13, 16, 28, 41, 57, 58, 82)),
            *(key(code, value) for code in (42, 54, 29, 56, 100) for value in (0, 1)),
            EVENT.pack(0, 0, 0, 3, 0), struct.pack("@llHHi", 0, 0, 4, 4, 7), *COMMON,
        ),
    ),
    "sics": Case(
        SicsProtocol, (b"S S     100.00 g\r\n", b"S D 1.5 kg\r\n", b"S I\r\n", b"ES\r\n", b"S +\r\n", b"S ", *COMMON)
    ),
    "toledo": Case(ToledoContinuous, (TOLEDO, b"\x021 ", b"9" * 6, b"  ", *COMMON)),
    "toledo-checked": Case(
        lambda: ToledoContinuous(True),
        (TOLEDO + bytes((-sum(TOLEDO) & 0x7F,)), b"\x021 ", b"9" * 6, *COMMON),
    ),
    "8217": Case(Toledo8217, (b"\x02 1.234\r", b"\x0200.50N\r", b"\x02?A\r", b"\x02?", *COMMON)),
    "rfc2217": Case(
        lambda: PortClient(9600, 8, "N", 1, "none"),
        (
            b"\xff\xfb\x2c", b"\xff\xfd\x2c", b"\xff\xfe\x00", b"\xff\xfa\x2c\x65\x00\x00\x25\x80\xff\xf0",
            b"\xff\xf0", escaped(b"\xff\xff"), *COMMON,
        ),
    ),
}  # fmt: skip


def said(machine: Any, chunks: list[bytes]) -> list[Any]:
    """Everything that `chunks` made `machine` say: frames or weights, joined where the protocol passes bytes on."""
    found: list[Any] = []
    for chunk in chunks:
        answer = machine.feed(chunk)
        found += [answer] * bool(answer) if isinstance(answer, bytes) else answer
    return [joined] if (joined := b"".join(each for each in found if isinstance(each, bytes))) else found
