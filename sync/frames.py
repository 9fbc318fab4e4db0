"""Frames: what a bundle is made of. One frame is the CBOR array [type, flags, payload], and a bundle a row of them.

    flags   bits 0-3  how the payload is packed: 0 not at all, 1 raw deflate
            bit 7     a reader that does not know the type may skip it
            others    0

A payload is at most 64 KiB as it travels and 4 MiB unpacked, and unpacked it is one deterministic CBOR value. Frames
from node to hub have types from 0x01, those from hub to node from 0x41. Each frame can be judged alone: it carries a
signature, or bytes that are signed by themselves (blocks, notes).

Only heads of at most nine bytes are read here by hand, so that a reader can stop at a frame that is not all there;
everything inside a payload goes through `ledger.codec`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from ledger import codec
from ledger.errors import Invalid, Rejected

MEDIA_TYPE = "application/vnd.tallyman.bundle"
PROTOCOL = 1
PROTOCOL_MIN = 1

PACKED_BYTES_MAX = 64 * 1024
UNPACKED_BYTES_MAX = 4 * 1024 * 1024
DEPTH_MAX = 12
# Below this deflate saves nothing that its own block header does not eat.
DEFLATE_FROM_BYTES = 128

HELLO = 0x01
HEAD = 0x02
BLOCKS = 0x03
ADVICE = 0x05
HEALTH = 0x06
END = 0x0F
STATUS = 0x41
COSIGNATURE = 0x42
DOWN = 0x44
MANIFEST = 0x45
OWN_BLOCKS = 0x47
DOWN_END = 0x4F

UP = frozenset({HELLO, HEAD, BLOCKS, ADVICE, HEALTH, END})
FROM_HUB = frozenset({STATUS, COSIGNATURE, DOWN, MANIFEST, OWN_BLOCKS, DOWN_END})

_SKIPPABLE = 0x80
_PLAIN = 0
_DEFLATED = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it travels: the payload is still packed and not yet judged."""

    type: int
    payload: bytes
    codec: int = _PLAIN
    skippable: bool = False

    def encode(self) -> bytes:
        """The bytes of this frame on the wire."""
        flags = self.codec | (_SKIPPABLE if self.skippable else 0)
        return b"\x83" + _head(0, self.type) + _head(0, flags) + _head(2, len(self.payload)) + self.payload

    def unpacked(self, size_bytes_max: int = UNPACKED_BYTES_MAX) -> bytes:
        """The payload without its packing; raises `Invalid` before more than `size_bytes_max` bytes exist."""
        if self.codec == _PLAIN:
            if len(self.payload) > size_bytes_max:
                raise Invalid(f"frame 0x{self.type:02x} holds more than {size_bytes_max} bytes")
            return self.payload
        if self.codec == _DEFLATED:
            return inflate(self.payload, size_bytes_max)
        raise Invalid(f"frame 0x{self.type:02x} is packed by method {self.codec}: this program knows 0 and 1")

    def body(self, size_bytes_max: int = UNPACKED_BYTES_MAX) -> Any:
        """The payload's value; raises `Invalid` unless it is one deterministic CBOR value within all limits."""
        return codec.cbor_decode(self.unpacked(size_bytes_max), size_bytes_max=size_bytes_max, depth_max=DEPTH_MAX)


def make(kind: int, value: Any, *, skippable: bool = False) -> Frame:
    """A frame with this payload value, deflated where that makes it smaller; `Rejected` if it is over a limit."""
    return pack(kind, codec.cbor_encode(value), skippable=skippable)


def pack(kind: int, raw: bytes, *, skippable: bool = False) -> Frame:
    """Like `make`, for a payload that is encoded already (a signature covers its bytes)."""
    if len(raw) > UNPACKED_BYTES_MAX:
        raise Rejected(f"a frame of {len(raw)} bytes: at most {UNPACKED_BYTES_MAX} may go into one")
    frame = Frame(kind, raw, skippable=skippable)
    if len(raw) >= DEFLATE_FROM_BYTES:
        packed = deflate(raw)
        if len(packed) < len(raw):
            frame = Frame(kind, packed, _DEFLATED, skippable)
    if len(frame.payload) > PACKED_BYTES_MAX:
        raise Rejected(f"a frame of {len(frame.payload)} packed bytes: at most {PACKED_BYTES_MAX} may travel as one")
    return frame


def read(data: bytes, at: int) -> tuple[Frame, int] | None:
    """The frame that starts at `at` and where it ends; None if its bytes are not all there.

    Raises `Invalid` for bytes that no frame can start with: what follows them cannot be found either.
    """
    if at >= len(data):
        return None
    if data[at] != 0x83:
        raise Invalid(f"byte {at} of the bundle is 0x{data[at]:02x}: a frame starts with 0x83")
    parts = []
    place = at + 1
    for major in (0, 0, 2):
        head = _read_head(data, place, major)
        if head is None:
            return None
        value, place = head
        parts.append(value)
    kind, flags, length = parts
    if kind > 0xFFFF or flags > 0xFF:
        raise Invalid(f"frame at byte {at}: type {kind} or flags {flags} are out of range")
    if length > PACKED_BYTES_MAX:
        raise Invalid(f"frame at byte {at} announces {length} bytes: at most {PACKED_BYTES_MAX} may travel as one")
    if place + length > len(data):
        return None
    # Bits 4 to 6 are reserved: a method number that uses them is one we do not know, so only this frame fails.
    method = flags & ~_SKIPPABLE
    return Frame(kind, data[place : place + length], method, bool(flags & _SKIPPABLE)), place + length


def deflate(raw: bytes) -> bytes:
    """Raw deflate (RFC 1951), best compression: links are slower than processors here."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    return packer.compress(raw) + packer.flush()


def inflate(packed: bytes, size_bytes_max: int) -> bytes:
    """The inverse of `deflate`. Never makes more than `size_bytes_max` bytes; raises `Invalid`."""
    unpacker = zlib.decompressobj(-15)
    try:
        raw = unpacker.decompress(packed, size_bytes_max)
        if not unpacker.eof:
            # Either the limit was reached exactly at the end of the data, or there is more.
            if unpacker.decompress(unpacker.unconsumed_tail, 1):
                raise Invalid(f"a packed payload holds more than {size_bytes_max} bytes")
            if not unpacker.eof:
                raise Invalid("a packed payload ends too early")
    except zlib.error as error:
        raise Invalid(f"a packed payload cannot be unpacked: {error}") from error
    if unpacker.unused_data or unpacker.unconsumed_tail:
        raise Invalid("a packed payload has bytes after its end")
    return raw


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes([major << 5 | value])
    for extra, width in ((24, 1), (25, 2), (26, 4)):
        if value < 1 << (8 * width):
            return bytes([major << 5 | extra]) + value.to_bytes(width, "big")
    raise Rejected(f"{value} does not fit a frame")


def _read_head(data: bytes, at: int, major: int) -> tuple[int, int] | None:
    if at >= len(data):
        return None
    extra = data[at] & 31
    if data[at] >> 5 != major or extra > 26:
        raise Invalid(f"byte {at} of the bundle does not belong to a frame: [type, flags, payload] was expected")
    if extra < 24:
        return extra, at + 1
    width = 1 << (extra - 24)
    if at + 1 + width > len(data):
        return None
    value = int.from_bytes(data[at + 1 : at + 1 + width], "big")
    if _head(major, value) != data[at : at + 1 + width]:
        raise Invalid(f"byte {at} of the bundle: a number is not written in its shortest form")
    return value, at + 1 + width
