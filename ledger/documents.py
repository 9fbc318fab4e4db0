"""The document that travels with a block beside a call: what the chain needs to prove but not to hold.

It is deterministic CBOR with integer labels; its SHA-256 is the call's `document` argument, and the hub needs it
before it cosigns. It is free of personal data: people are in it by no name, and free text, photos and paper only as
salted commitments whose salts stay at the node, where they can be erased.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.codec import cbor_decode, cbor_encode
from ledger.errors import Invalid, LedgerError, Rejected
from ledger.ids import TEXT_BYTES_MAX, OpId
from ledger.wording import shown
from ledger.words import LINES_MAX

SIZE_BYTES_MAX = 64 * 1024
REASONS_PER_LINE_MAX = 8
READS_MAX = 2_000
PARTS_MAX = 500
# Milliseconds up to the year 2200: beyond lies a broken clock, not an act.
OCCURRED_MS_MAX = 7_258_118_400_000
AHEAD_MS_MAX = 60_000

_CODE = re.compile(r"[a-z0-9][a-z0-9.-]{0,30}", re.ASCII)
REFERENCE_CHARS_MAX = 64
REFERENCES_MAX = 8

TAKES_BACK = "takes-back"  # of a document's references: the operation that it carries back

# Marks that change how a document may be read.
BY_PAPER = "by-paper"
OUT_OF_CONTACT = "out-of-contact"
NOT_BLIND = "not-blind"
NOT_OPENED = "not-opened"
SHARED = "shared"  # several people counted parts of it, agreed between them
# Rules that would have said no while the person was there; what had happened was booked all the same.
BEYOND_LIMIT = "beyond-limit"
FROZEN = "frozen"
UNEXPLAINED = "unexplained"  # scans of it were not explained: what they are is not in its lines
NOT_BOOKABLE = "not-bookable"  # why an act is an exception whose every line is in doubt, at both its ends
MARKS = (BY_PAPER, OUT_OF_CONTACT, NOT_BLIND, NOT_OPENED, SHARED, BEYOND_LIMIT, FROZEN, UNEXPLAINED)


@dataclass(frozen=True, slots=True)
class Part:
    """Part `number` of `count` of a larger act, whose op_id names the whole."""

    whole: OpId
    number: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What is said beside the lines of a call.

    `occurred_ms`: UTC milliseconds of the act; `quality`: 0 clock confirmed by the hub, 1 own clock, 2 doubtful;
    `business_date`: the site's local date, ISO 8601; `reasons`: codes for the whole; `line_reasons`: line number to
    codes; `shares`: line number to how much each of its codes explains, in base units; `pieces`: line number to
    pieces, of items counted by weight as well; `expiries`: line number to ISO date; `scans`: Merkle root of the
    ordered scan events, or none; `reads`: ids of the raw reads behind it, in order; `references`: foreign document
    numbers by kind, such as a delivery note; `commitments`: salted hashes by kind (`commit`); `marks`: see above;
    `part`: for an act of several documents; `plan`: what a count's plan says, whose hash the call names; `units`: the
    handling units that leave whole with a dispatch: its lines out of one of them travel in it.
    """

    occurred_ms: int
    business_date: str
    quality: int = 1
    reasons: tuple[str, ...] = ()
    line_reasons: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    shares: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    pieces: Mapping[int, int] = field(default_factory=dict)
    expiries: Mapping[int, str] = field(default_factory=dict)
    scans: bytes | None = None
    reads: tuple[int, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    commitments: Mapping[str, bytes] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    part: Part | None = None
    plan: bytes | None = None
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if type(self.occurred_ms) is not int or not 0 <= self.occurred_ms <= OCCURRED_MS_MAX:
            raise Rejected(f"{shown(self.occurred_ms)} is not a time of occurrence: expected UTC ms up to 2200")
        _date(self.business_date)
        if type(self.quality) is not int or self.quality not in (0, 1, 2):
            raise Rejected(f"{shown(self.quality)} is not a clock quality: expected 0, 1 or 2")
        _codes(self.reasons)
        for line, codes in self.line_reasons.items():
            _line(line)
            _codes(codes)
        for line, shares in self.shares.items():
            if len(shares) != len(self.line_reasons.get(line, ())) or not all(
                type(share) is int and 0 < share < 2**63 for share in shares
            ):
                raise Rejected(f"line {line}: every reason has its own share, a whole number from 1")
        for line, pieces in self.pieces.items():
            _line(line)
            if type(pieces) is not int or not 0 <= pieces < 2**63:
                raise Rejected(f"{shown(pieces)} pieces: expected a whole number from 0")
        for line, day in self.expiries.items():
            _line(line)
            _date(day)
        if self.scans is not None and (type(self.scans) is not bytes or len(self.scans) != 32):
            raise Rejected("the root of the scan events has 32 bytes")
        if self.plan is not None and (type(self.plan) is not bytes or not self.plan):
            raise Rejected("a plan is bytes that say something")
        if len(self.reads) > READS_MAX:
            raise Rejected(f"{len(self.reads)} raw reads: a document names at most {READS_MAX}")
        if any(type(read) is not int or not 0 <= read < 2**63 for read in self.reads):
            raise Rejected("a raw-read id is a whole number from 0")
        for kind, text in self.references.items():
            _codes((kind,))
            reference(text)
        for kind, digest in self.commitments.items():
            _codes((kind,))
            if type(digest) is not bytes or len(digest) != 32:
                raise Rejected(f"the commitment {kind!r} has 32 bytes")
        if len(self.references) > REFERENCES_MAX or len(self.commitments) > 8:
            raise Rejected("a document has at most 8 references and 8 commitments")
        _codes(self.marks)
        _units(self.units)
        if self.part is not None and not 1 <= self.part.number <= self.part.count <= PARTS_MAX:
            raise Rejected(f"part {self.part.number} of {self.part.count}: expected 1 to {PARTS_MAX}")

    def encode(self) -> bytes:
        """The bytes that travel; raises `Rejected` when they exceed 64 KiB."""
        fields: dict[int, Any] = {1: self.occurred_ms, 2: self.business_date, 3: self.quality}
        for label, (name, write, _) in _OPTIONAL.items():
            value = getattr(self, name)
            if value not in (None, (), {}):
                fields[label] = write(value)
        raw = cbor_encode(fields)
        if len(raw) > SIZE_BYTES_MAX:
            raise Rejected(f"the document has {len(raw)} bytes: at most {SIZE_BYTES_MAX}; send it in parts")
        return raw

    @classmethod
    def decode(cls, raw: bytes) -> Document:
        """The inverse of `encode`; raises `Invalid` for bytes that it cannot have written."""
        fields = cbor_decode(raw, size_bytes_max=SIZE_BYTES_MAX, depth_max=3)
        if not isinstance(fields, dict) or not {1, 2, 3} <= fields.keys() <= {1, 2, 3, *_OPTIONAL}:
            raise Invalid("a document is a map with the labels 1, 2, 3 and others that this program knows")
        values: dict[str, Any] = {"occurred_ms": fields[1], "business_date": fields[2], "quality": fields[3]}
        try:
            for label, (name, _, read) in _OPTIONAL.items():
                if label in fields:
                    values[name] = read(fields[label])
            document = cls(**values)
            again = document.encode()
        except (LedgerError, TypeError, ValueError, AttributeError) as error:
            raise Invalid(f"not a document: {error}") from error
        if again != raw:
            raise Invalid("not a document: an empty field is left out, never written")
        return document


def digest(raw: bytes) -> bytes:
    """What a call carries of its document: SHA-256 of the encoded bytes."""
    return hashlib.sha256(raw).digest()


def happened_ms(said_ms: int, block_s: int) -> int:
    """When something happened by its document, which is in a block of this time: at most a minute after that. A time
    to come is a wrong clock or a false word, and would outlast all that is done until then."""
    return min(said_ms, block_s * 1000 + AHEAD_MS_MAX)


def commit(salt: bytes, content: bytes) -> bytes:
    """A commitment to erasable content: without the salt (16 bytes, kept at the node) it cannot be guessed back."""
    if len(salt) < 16:
        raise Rejected(f"a salt has at least 16 bytes, not {len(salt)}")
    return hmac.new(salt, content, hashlib.sha256).digest()


def part_op_id(whole: OpId, number: int) -> OpId:
    """The op_id of part `number` of an act of several documents: SHA-256(op_id ‖ part)[:16], part as 4 bytes."""
    return OpId(hashlib.sha256(whole.raw + number.to_bytes(4, "big")).digest()[:16])


def booking_op_id(whole: OpId, number: int) -> OpId:
    """The op_id under which part `number` takes effect, or is sealed as an exception, after all have been stated."""
    return part_op_id(whole, PARTS_MAX + number)


def units_op_id(whole: OpId) -> OpId:
    """The op_id under which the units that an act fills are made before it: that of a part 0."""
    return part_op_id(whole, 0)


def sealed_op_id(close: OpId, unit: str) -> OpId:
    """The op_id of the note that a unit was confirmed in a bin closed under `close`: SHA-256(op_id ‖ unit)[:16]."""
    return OpId(hashlib.sha256(close.raw + unit.encode()).digest()[:16])


def reversal_op_id(acceptance: OpId) -> OpId:
    """The op_id under which an acceptance is reversed: SHA-256(op_id ‖ "reversed")[:16]. There is one, so the chain
    lets it happen once, and who signs it has signed for what it reverses."""
    return OpId(hashlib.sha256(acceptance.raw + b"reversed").digest()[:16])


def reference(text: object) -> str:
    """A foreign document number: printable, 1 to 64 characters."""
    if not isinstance(text, str) or not 0 < len(text) <= REFERENCE_CHARS_MAX or not text.isprintable():
        raise Rejected(
            f"{str(text)[:80]!r} is not a document number: 1 to {REFERENCE_CHARS_MAX} printable characters"
        )
    return text


def reason_code(text: object) -> str:
    """A reason as configured: 1 to 31 of a-z 0-9 . -"""
    if not isinstance(text, str) or not _CODE.fullmatch(text):
        raise Rejected(f"{str(text)[:80]!r} is not a reason code: expected 1 to 31 of a-z 0-9 . -")
    return text


def _codes(codes: tuple[str, ...]) -> None:
    if not isinstance(codes, tuple) or len(codes) > REASONS_PER_LINE_MAX:
        raise Rejected(f"{len(codes)} reasons: at most {REASONS_PER_LINE_MAX}")
    for code in codes:
        reason_code(code)


def _units(units: tuple[str, ...]) -> None:
    if len(set(units)) < len(units) or len(units) > LINES_MAX:
        raise Rejected(f"{len(units)} handling units: each once, and at most {LINES_MAX}")
    for unit in units:
        if type(unit) is not str or not 0 < len(unit.encode()) <= TEXT_BYTES_MAX:
            raise Rejected(f"{shown(unit)} is not a handling unit: 1 to {TEXT_BYTES_MAX} bytes of text")


def _line(line: object) -> None:
    if type(line) is not int or not 0 <= line < LINES_MAX:
        raise Rejected(f"{shown(line)} is not a line number: expected 0 to {LINES_MAX - 1}")


def _date(text: object) -> None:
    try:
        if not isinstance(text, str) or datetime.date.fromisoformat(text).isoformat() != text:
            raise ValueError
    except ValueError:
        raise Rejected(f"{str(text)[:40]!r} is not a date: expected YYYY-MM-DD") from None


def _same(value: Any) -> Any:
    return value


def _tuples(value: Mapping[int, Any]) -> dict[int, tuple[Any, ...]]:
    return {line: tuple(codes) for line, codes in value.items()}


def _write_part(part: Part) -> list[Any]:
    return [part.whole.raw, part.number, part.count]


def _read_part(value: Any) -> Part:
    whole, number, count = value
    if type(number) is not int or type(count) is not int:
        raise Rejected("a part is two whole numbers")
    return Part(OpId(whole), number, count)


_OPTIONAL: dict[int, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    4: ("reasons", list, tuple),
    5: ("line_reasons", dict, _tuples),
    6: ("expiries", dict, dict),
    7: ("scans", _same, _same),
    8: ("reads", list, tuple),
    9: ("references", dict, dict),
    10: ("commitments", dict, dict),
    11: ("marks", list, tuple),
    12: ("part", _write_part, _read_part),
    13: ("shares", dict, _tuples),
    14: ("pieces", dict, dict),
    15: ("plan", _same, _same),
    16: ("units", list, tuple),
}
