"""Travelling blocks in frames: as many to a frame as pays off, and a large one in several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ledger.codec import cbor_decode, cbor_encode
from ledger.errors import Invalid, Rejected
from sync import fields, frames
from sync.frames import Frame

BLOCKS_PER_FRAME_MAX = 256
# About 14 kB packed, two seconds of a 64 kbit/s link: what a cut loses. Twice as much would save 3 % of the bytes.
RAW_BYTES_PER_FRAME = 32 * 1024
PART_BYTES = 60 * 1024
PARTS_MAX = 64


def pack_blocks(start: int, lean: Iterable[list[Any]], kind: int = frames.BLOCKS) -> Iterator[tuple[int, Frame]]:
    """Consecutive travelling blocks from height `start` as frames, each as full as pays off.

    With each frame comes the height up to which the blocks are complete by then. A block too large for one frame
    goes into several, which only count when they are all there.
    """
    batch: list[list[Any]] = []
    size = 0
    for value in lean:
        raw = len(cbor_encode(value))
        if batch and (size + raw > RAW_BYTES_PER_FRAME or len(batch) == BLOCKS_PER_FRAME_MAX):
            yield from _pack_batch(start, batch, kind)
            start, batch, size = start + len(batch), [], 0
        batch.append(value)
        size += raw
    if batch:
        yield from _pack_batch(start, batch, kind)


def unpack_blocks(found: Sequence[Frame]) -> Iterator[tuple[int, list[Any]] | Invalid]:
    """The other way, for the BLOCKS frames of one bundle in order: (start, travelling blocks) for each run.

    A frame that is not right gives its `Invalid` as a value: the frames after it are still good.
    """
    parts: list[bytes] = []
    expected: tuple[int, int, int] | None = None
    for frame in found:
        try:
            body = fields.mapping(frame.body(), "BLOCKS")
            start = fields.uint(body, "start")
            if "part" not in body:
                parts, expected = [], None
                yield start, fields.items(body, "blocks", BLOCKS_PER_FRAME_MAX)
                continue
            number, count = fields.pair(body.get("part"), "part")
            raw = fields.byte_string(body, "raw", 1, frames.UNPACKED_BYTES_MAX)
            if not 0 <= number < count <= PARTS_MAX:
                raise Invalid(f"BLOCKS: part {number} of {count}")
            if number == 0:
                parts, expected = [], (start, 0, count)
            if expected != (start, number, count):
                parts, expected = [], None
                raise Invalid(f"BLOCKS: part {number} of the block at {start} comes without the one before it")
            parts.append(raw)
            expected = (start, number + 1, count)
            if sum(map(len, parts)) > frames.UNPACKED_BYTES_MAX:
                raise Invalid("BLOCKS: the parts of a block are too large together")
            if number + 1 == count:
                whole, parts, expected = b"".join(parts), [], None
                yield start, [cbor_decode(whole, size_bytes_max=frames.UNPACKED_BYTES_MAX)]
        except Invalid as error:
            yield error


def _pack_batch(start: int, batch: list[list[Any]], kind: int) -> Iterator[tuple[int, Frame]]:
    try:
        yield start + len(batch), frames.make(kind, {"start": start, "blocks": batch})
        return
    except Rejected:
        if len(batch) > 1:
            middle = len(batch) // 2
            yield from _pack_batch(start, batch[:middle], kind)
            yield from _pack_batch(start + middle, batch[middle:], kind)
            return
    raw = cbor_encode(batch[0])
    # Slices of this size fit even if nothing can be deflated.
    pieces = [raw[at : at + PART_BYTES] for at in range(0, len(raw), PART_BYTES)]
    for number, piece in enumerate(pieces):
        end = start + (number + 1 == len(pieces))
        yield end, frames.make(kind, {"start": start, "part": [number, len(pieces)], "raw": piece})
