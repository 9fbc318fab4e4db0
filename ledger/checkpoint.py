"""Signed statements about a log: C2SP signed-note, tlog-checkpoint and cosignature/v1, as narrow as ledger.md says.

A checkpoint is three lines of text (whose log, how many leaves, which root), an empty line, and one signature line
for each who vouches for it. The site signs its own (type 0x01); the hub's acknowledgement is a cosignature (type
0x04) that adds the time: "the largest consistent tree of this log that I hold, as of then".

    acme/site/oslo/1
    830
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — acme/site/oslo/1 <base64 of key id and signature>

C2SP leaves room for several signatures, unknown keys and extension lines. We write none of these and accept none:
whoever reads a note here says exactly whose lines it must carry, so that one statement has one sequence of bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import Invalid
from ledger.keys import SigningKey, VerifyKey
from ledger.merkle import EMPTY_ROOT, HASH_BYTES, SIZE_MAX

ED25519 = 0x01
COSIGNATURE = 0x04

NOTE_BYTES_MAX = 4096
TIME_MAX = 2**63 - 1
_SIGNATURE_BYTES = 64
_DASH = "\u2014 "
# A name is one word without "+", which separates the parts of a written key.
_NAME = re.compile(r"[!-*,-~]{1,128}", re.ASCII)
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_KEY_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the log named `origin` looked like at `size` leaves."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.origin):
            raise Invalid(f"{self.origin!r} is not the name of a log: expected one word without +")
        if not 0 <= self.size <= SIZE_MAX or len(self.root) != HASH_BYTES:
            raise Invalid(f"a checkpoint of {self.size} leaves with a root of {len(self.root)} bytes: expected 32")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Invalid(f"a checkpoint of an empty log has root {self.root.hex()}: expected the hash of nothing")

    @property
    def body(self) -> bytes:
        """The text that is signed, its last newline included."""
        return f"{self.origin}\n{self.size}\n{_to_base64(self.root)}\n".encode()


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note, not yet verified."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> bytes:
        return f"{_DASH}{self.name} {_to_base64(self.key_id + self.value)}\n".encode()


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint note as bytes say it: well-formed, but nothing in it is verified yet."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Note:
        """Read a checkpoint note; raise Invalid unless these are the bytes in which we would have written it."""
        if len(raw) > NOTE_BYTES_MAX:
            raise Invalid(f"a note of {len(raw)} bytes: at most {NOTE_BYTES_MAX} are read")
        try:
            lines = raw.decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise Invalid("a note is not UTF-8 text") from error
        # Three lines, the empty one, at least one signature, and nothing after the last newline.
        if len(lines) < 6 or lines[3] or lines[-1]:
            raise Invalid("a note is not three lines, an empty line and signature lines")
        checkpoint = Checkpoint(lines[0], parse_decimal(lines[1]), _from_base64(lines[2], HASH_BYTES))
        note = cls(checkpoint, tuple(_parse_signature(line) for line in lines[4:-1]))
        if note.encode() != raw:
            raise Invalid("a note is not written as its content demands")
        return note

    def encode(self) -> bytes:
        return self.checkpoint.body + b"\n" + b"".join(item.line for item in self.signatures)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A hub's verified cosignature: it held all of `checkpoint` at `time_s` (seconds since 1970 by its clock)."""

    checkpoint: Checkpoint
    time_s: int
    note: bytes
    """The site's own note, as it was before the hub added its line: the leaf of the hub log."""


def key_id(name: str, kind: int, key: VerifyKey) -> bytes:
    """The 4 bytes by which a signature line names its key: a hint, never an authentication."""
    return sha256(f"{name}\n".encode() + bytes([kind]) + key.raw).digest()[:4]


def sign(checkpoint: Checkpoint, key: SigningKey) -> bytes:
    """The note by which a log's own key vouches for `checkpoint`. The key's name is the log's origin."""
    name = checkpoint.origin
    own = Signature(name, key_id(name, ED25519, key.verify_key), key.sign(checkpoint.body))
    return Note(checkpoint, (own,)).encode()


def verify(raw: bytes, name: str, key: VerifyKey) -> Checkpoint:
    """The checkpoint of the log `name`, signed by `key` in the note's one and only signature line."""
    note = Note.parse(raw)
    if len(note.signatures) != 1:
        raise Invalid(f"the note has {len(note.signatures)} signature lines: expected one, by {name}")
    _verify_own(note, name, key)
    return note.checkpoint


def cosign(raw: bytes, name: str, key: SigningKey, time_s: int) -> bytes:
    """`raw`, a note that the caller has verified, with the cosignature of `name` added as its last line."""
    note = Note.parse(raw)
    value = time_s.to_bytes(8, "big") + key.sign(_cosigned(note.checkpoint, time_s))
    line = Signature(name, key_id(name, COSIGNATURE, key.verify_key), value)
    return Note(note.checkpoint, (*note.signatures, line)).encode()


def verify_cosigned(raw: bytes, site: str, site_key: VerifyKey, hub: str, hub_key: VerifyKey) -> Acknowledgement:
    """The hub's acknowledgement of a site's checkpoint: exactly the site's own line, then the hub's cosignature."""
    note = Note.parse(raw)
    if len(note.signatures) != 2:
        raise Invalid(f"the acknowledgement has {len(note.signatures)} signature lines: expected {site}, then {hub}")
    _verify_own(note, site, site_key)
    time_s = verify_cosignature(note.checkpoint, note.signatures[1], hub, hub_key)
    return Acknowledgement(note.checkpoint, time_s, Note(note.checkpoint, note.signatures[:1]).encode())


def verify_cosignature(checkpoint: Checkpoint, line: Signature, name: str, key: VerifyKey) -> int:
    """The time, in seconds, at which `name` cosigned `checkpoint` by this line; raise Invalid if it did not."""
    _check_line(line, name, key_id(name, COSIGNATURE, key), 8 + _SIGNATURE_BYTES)
    time_s = int.from_bytes(line.value[:8], "big")
    if time_s > TIME_MAX:
        raise Invalid(f"the cosignature of {name} is dated {time_s} s: expected less than 2^63")
    key.verify(_cosigned(checkpoint, time_s), line.value[8:])
    return time_s


def format_key(name: str, key: VerifyKey, kind: int = ED25519) -> str:
    """A public key with its log's name, as C2SP writes it: `name+key id+base64`."""
    return f"{name}+{key_id(name, kind, key).hex()}+{_to_base64(bytes([kind]) + key.raw)}"


def parse_key(text: str) -> VerifyKey:
    """A public key a person typed: 64 hex digits, or the C2SP form whose key id catches a slip."""
    if _KEY_HEX.fullmatch(text):
        return VerifyKey(bytes.fromhex(text))
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise Invalid(f"{text!r} is not a public key: expected 64 lower-case hex digits or name+id+base64")
    raw = _from_base64(parts[2], 33)
    key = VerifyKey(raw[1:])
    if raw[0] not in (ED25519, COSIGNATURE) or format_key(parts[0], key, raw[0]) != text:
        raise Invalid(f"{text!r} is not a public key: its id does not belong to its name and key")
    return key


def parse_decimal(text: str) -> int:
    """A number in plain digits, without sign, leading zeros or anything else, below 2^63."""
    if not _DECIMAL.fullmatch(text) or int(text) > SIZE_MAX:
        raise Invalid(f"{text[:40]!r} is not a size: expected plain digits without leading zeros, below 2^63")
    return int(text)


def _verify_own(note: Note, name: str, key: VerifyKey) -> None:
    if note.checkpoint.origin != name:
        raise Invalid(f"the note is about the log {note.checkpoint.origin}: expected {name}")
    own = note.signatures[0]
    _check_line(own, name, key_id(name, ED25519, key), _SIGNATURE_BYTES)
    key.verify(note.checkpoint.body, own.value)


def _check_line(line: Signature, name: str, expected_id: bytes, size: int) -> None:
    if line.name != name or line.key_id != expected_id:
        raise Invalid(
            f"the signature line is by {line.name} with key id {line.key_id.hex()}: "
            f"expected {name} with {expected_id.hex()}"
        )
    if len(line.value) != size:
        raise Invalid(f"the signature of {name} has {len(line.value)} bytes: expected {size}")


def _cosigned(checkpoint: Checkpoint, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n".encode() + checkpoint.body


def _parse_signature(line: str) -> Signature:
    parts = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(parts) != 2 or not _NAME.fullmatch(parts[0]):
        raise Invalid(f"{line[:80]!r} is not a signature line: expected a dash, a name and base64")
    raw = _from_base64(parts[1])
    if len(raw) < 5:
        raise Invalid(f"the signature line of {parts[0]} is too short")
    return Signature(parts[0], raw[:4], raw[4:])


def _to_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _from_base64(text: str, size: int | None = None) -> bytes:
    """Standard base64 in its only canonical writing; binascii alone would also take stray last bits."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Invalid(f"{text[:80]!r} is not base64") from error
    if _to_base64(raw) != text or (size is not None and len(raw) != size):
        raise Invalid(f"{text[:80]!r} is not the base64 of {size if size is not None else 'some'} bytes")
    return raw
