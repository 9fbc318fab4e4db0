"""Control records: what the hub tells a site's chain. One sequence an incarnation, signed with EIP-712.

A record is the ABI encoding of (origin, sequence, kind, payload). Its `op_id` is the first 16 bytes of SHA-256 over
record and signature: nobody can use it up at the site before the hub has signed. Payloads are ABI too; each kind has
its dataclass here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, ClassVar

from ledger.calls import Apply, SettledLines, typed_digest
from ledger.codec import abi_encode, keccak256
from ledger.errors import Invalid
from ledger.ids import OpId
from ledger.words import Address, Bytes, Flag, Operation, Person, String, Text, Uint, Word, array, pack, unpack

ITEMS, LOCATIONS, PERSON, SETTLE, RELEASE, NOTE = range(1, 7)

# Item tracking and location kinds as the contracts number them.
TRACK_NONE, TRACK_LOT, TRACK_SERIAL, TRACK_BOTH = range(4)
BIN, VIRTUAL, UNIT, CLOSED, AREA = range(1, 6)

_REBASE_TYPE = keccak256(b"Rebase(string origin,address node)")
_CONTROL_TYPE = keccak256(b"Control(string origin,uint256 sequence,uint256 kind,bytes payload)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What the chain knows of an item: tracking (TRACK_…), base unit and its decimals."""

    item: Text
    tracking: Uint
    unit: Text
    decimals: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """What the chain knows of a location: kind (BIN …) and the location it lies in, or no text."""

    location: Text
    kind: Uint
    parent: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsPayload:
    KIND: ClassVar[int] = ITEMS
    items: Annotated[tuple[Item, ...], array(Item)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationsPayload:
    KIND: ClassVar[int] = LOCATIONS
    locations: Annotated[tuple[Location, ...], array(Location)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPayload:
    """A person's rights. `activation` is Keccak-256 of the one-time code word; times are seconds since 1970."""

    KIND: ClassVar[int] = PERSON
    actor: Person
    roles: Uint
    activation: Word
    valid_from: Uint
    valid_until: Uint
    revoked: Flag = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlePayload:
    KIND: ClassVar[int] = SETTLE
    transfer: Operation
    lines: SettledLines


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePayload:
    """A new InventoryManager and the hash of its code."""

    KIND: ClassVar[int] = RELEASE
    manager: Address
    code_hash: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class NotePayload:
    KIND: ClassVar[int] = NOTE
    kind: Text
    subject: Word
    document: Word


Payload = ItemsPayload | LocationsPayload | PersonPayload | SettlePayload | ReleasePayload | NotePayload
_PAYLOADS: dict[int, type[Payload]] = {
    cls.KIND: cls
    for cls in (ItemsPayload, LocationsPayload, PersonPayload, SettlePayload, ReleasePayload, NotePayload)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRecord:
    """One instruction of the hub to one chain. `origin` is the chain's full name, `sequence` counts from 1."""

    origin: String
    sequence: Uint
    kind: Uint
    payload: Bytes

    @classmethod
    def make(cls, origin: str, sequence: int, payload: Payload) -> ControlRecord:
        return cls(origin=origin, sequence=sequence, kind=payload.KIND, payload=pack(payload))

    @classmethod
    def decode(cls, record: bytes) -> ControlRecord:
        """From the bytes of `record`; raises `Invalid`."""
        return unpack(cls, record)

    @property
    def record(self) -> bytes:
        """The bytes that travel."""
        return pack(self)

    def op_id(self, signature: bytes) -> OpId:
        """The name of the operation that applies this record. `signature`: r ‖ s ‖ v, 65 bytes."""
        return OpId(hashlib.sha256(self.record + signature).digest()[:16])

    @property
    def content(self) -> Payload:
        """The payload as a value; raises `Invalid` for a kind or bytes that this program does not know."""
        return content_of(self.kind, self.payload)

    def digest(self, chain_id: int, registry: bytes) -> bytes:
        """What the hub's control key signs."""
        return control_digest(chain_id, registry, self)

    def call(self, signature: bytes) -> Apply:
        """The call that puts this record on chain. `signature`: r ‖ s ‖ v, 65 bytes."""
        return Apply(sequence=self.sequence, kind=self.kind, payload=self.payload, signature=signature)


def content_of(kind: int, payload: bytes) -> Payload:
    """A payload as a value; raises `Invalid` for a kind or bytes that this program does not know."""
    cls = _PAYLOADS.get(kind)
    if cls is None:
        raise Invalid(f"control record kind {kind} is unknown: expected 1 to {len(_PAYLOADS)}")
    return unpack(cls, payload)


def control_digest(chain_id: int, registry: bytes, record: ControlRecord) -> bytes:
    """EIP-712 digest of a control record for UserRegistry at `registry`."""
    body = abi_encode(
        ("bytes32", "bytes32", "uint256", "uint256", "bytes32"),
        (
            _CONTROL_TYPE,
            keccak256(record.origin.encode()),
            record.sequence,
            record.kind,
            keccak256(record.payload),
        ),
    )
    return typed_digest(chain_id, registry, body)


def rebase_op_id(origin: str, node: bytes) -> OpId:
    """The operation by which `node` (its address) begins the incarnation `origin`: one, whoever asks for it."""
    return OpId(hashlib.sha256(abi_encode(("string", "address"), (origin, node))).digest()[:16])


def rebase_digest(chain_id: int, registry: bytes, origin: str, node: bytes) -> bytes:
    """What the hub's control key signs, so that `node` may begin the incarnation `origin` of a site."""
    body = abi_encode(("bytes32", "bytes32", "address"), (_REBASE_TYPE, keccak256(origin.encode()), node))
    return typed_digest(chain_id, registry, body)
