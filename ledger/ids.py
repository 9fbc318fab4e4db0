"""Identifiers in the warehouse's words. Each guarantees itself: a value that exists is valid."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ledger.errors import Rejected
from ledger.seams import Random
from ledger.wording import shown

TEXT_BYTES_MAX = 31

# Virtual locations make every stock move sum to zero (product.md); no shelf may take one of these codes.
SUPPLIER = "SUPPLIER"
CUSTOMER = "CUSTOMER"
IN_TRANSIT = "IN_TRANSIT"
SHRINKAGE = "SHRINKAGE"
CHANGE = "CHANGE"  # goods pass through it when their status or lot becomes another
VIRTUAL = (SUPPLIER, CUSTOMER, IN_TRANSIT, SHRINKAGE, CHANGE)

_NAME = re.compile(r"[a-z0-9.-]{1,31}", re.ASCII)
_HEX_32 = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HEX_64 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def text_to_word(text: str) -> bytes:
    """A text id as 32 bytes: UTF-8 up to 31 bytes from the left, its length in the last byte (ledger.md)."""
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Rejected(f"{text!r} cannot be written as UTF-8") from error
    if len(raw) > TEXT_BYTES_MAX:
        raise Rejected(
            f"{text[:40]!r} is too long: {TEXT_BYTES_MAX} plain letters and digits fit, of other scripts about half"
        )
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text):
        raise Rejected(f"{text[:40]!r} contains a control character: an id is printable text")
    return raw.ljust(TEXT_BYTES_MAX, b"\0") + bytes([len(raw)])


def word_to_text(word: bytes) -> str:
    """The inverse of `text_to_word`; refuses any word that it cannot have produced."""
    length = word[-1] if len(word) == 32 else 255
    if length > TEXT_BYTES_MAX or any(word[length:TEXT_BYTES_MAX]):
        raise Rejected(f"{word.hex()} is not a text id of 32 bytes")
    try:
        return word[:length].decode("utf-8")
    except UnicodeDecodeError as error:
        raise Rejected(f"{word.hex()} is not a text id: it does not hold UTF-8") from error


@dataclass(frozen=True, slots=True, order=True)
class OpId:
    """An operation's idempotency key from tablet to chain to hub: 16 bytes, made where the act happens."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 16:
            raise Rejected(f"an op_id has 16 bytes, not {len(self.raw)}")

    @classmethod
    def parse(cls, text: object) -> OpId:
        if not isinstance(text, str) or not _HEX_32.fullmatch(text):
            raise Rejected(f"{text!r} is not an op_id: expected 32 lower-case hex digits")
        return cls(bytes.fromhex(text))

    @classmethod
    def new(cls, random: Random) -> OpId:
        return cls(random.bytes(16))

    @classmethod
    def from_word(cls, word: bytes) -> OpId:
        """From the chain's bytes32, left-aligned and zero-padded."""
        if len(word) != 32 or any(word[16:]):
            raise Rejected(f"{word.hex()} is not an op_id of 16 bytes padded to 32")
        return cls(word[:16])

    @property
    def word(self) -> bytes:
        return self.raw + bytes(16)

    def __str__(self) -> str:
        return self.raw.hex()


@dataclass(frozen=True, slots=True)
class Actor:
    """A person as the chain knows one: the hub's random 32 bytes, with no name or badge in it."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32 or not any(self.raw):
            raise Rejected("an actor id has 32 bytes, not all zero")

    @classmethod
    def parse(cls, text: object) -> Actor:
        if not isinstance(text, str) or not _HEX_64.fullmatch(text):
            raise Rejected(f"{text!r} is not an actor id: expected 64 lower-case hex digits")
        return cls(bytes.fromhex(text))

    def __str__(self) -> str:
        return self.raw.hex()


@dataclass(frozen=True, slots=True)
class Origin:
    """A site chain's name: `<org>/site/<site>/<incarnation>` (ledger.md, Blocks)."""

    org: str
    site: str
    incarnation: int

    def __post_init__(self) -> None:
        for value in (self.org, self.site):
            if not _NAME.fullmatch(value):
                raise Rejected(f"{value!r} is not a site or organisation name: 1 to 31 of a-z 0-9 . -")
        if not 0 < self.incarnation < 2**31:
            raise Rejected(f"incarnation {self.incarnation} is out of range: the first is 1")

    @classmethod
    def parse(cls, text: object) -> Origin:
        parts = text.split("/") if isinstance(text, str) else []
        if len(parts) != 4 or parts[1] != "site" or not re.fullmatch(r"[1-9][0-9]{0,9}", parts[3], re.ASCII):
            raise Rejected(f"{text!r} is not an origin: expected <org>/site/<site>/<incarnation>")
        return cls(parts[0], parts[2], int(parts[3]))

    @property
    def chain_id(self) -> int:
        """The EVM chain id, unique for each (site, incarnation): the first 6 bytes of SHA-256(origin)."""
        return int.from_bytes(hashlib.sha256(str(self).encode()).digest()[:6], "big")

    @property
    def hub(self) -> str:
        """The name of the hub's own log."""
        return f"{self.org}/hub"

    def __str__(self) -> str:
        return f"{self.org}/site/{self.site}/{self.incarnation}"


def quantity(value: object, *, least: int = 0, most: int = 2**63 - 1) -> int:
    """A count in base units. Booleans, floats and texts are not quantities, however much they look like one."""
    if type(value) is not int or not least <= value <= most:
        raise Rejected(f"{shown(value)} is not a quantity: expected a whole number from {least} to {most}")
    return value
