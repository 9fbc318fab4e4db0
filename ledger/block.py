"""A block of the site chain as bytes, and the views through which the rest of the product reads it.

A block is five things: the header that the execution engine made, the transactions, our `meta` (which the header's
extra data commits to by its hash), the site's signature over the block hash, and the documents that the transactions
name by their hashes. The formats are those of ledger.md; every decoder takes exactly one writing of each value.

Nothing here judges a block. What may follow what is decided in `ledger.chain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ledger.codec import cbor_decode, cbor_encode, keccak256, rlp_decode, rlp_encode, rlp_int, rlp_list, rlp_uint
from ledger.errors import Invalid, Rejected
from ledger.ids import Origin
from ledger.wording import shown

RULE_SET = "site-shanghai-1"
GAS_LIMIT = 60_000_000
EMPTY_OMMERS = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
EMPTY_TRIE = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")

# 60 M gas admit at most 3.75 MB of call data; a block must also fit one frame of the sync protocol (4 MiB).
BLOCK_BYTES_MAX = 3 * 1024 * 1024
META_BYTES_MAX = 1024
TRANSACTIONS_MAX = 1000
SIGNATURE_BYTES = 64

# Flags of meta label 7.
CONTROL = 1
REBASED = 2

_FIXED = {
    "parent": 32,
    "ommers": 32,
    "coinbase": 20,
    "state_root": 32,
    "transactions_root": 32,
    "receipts_root": 32,
    "bloom": 256,
    "extra_data": 32,
    "mix_hash": 32,
    "nonce": 8,
    "withdrawals_root": 32,
}


@dataclass(frozen=True, slots=True)
class Header:
    """The 17 fields of a Shanghai header in their order on the wire. Numbers are below 2^63; times are seconds."""

    parent: bytes
    ommers: bytes
    coinbase: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    bloom: bytes
    difficulty: int
    height: int
    gas_limit: int
    gas_used: int
    timestamp: int
    extra_data: bytes
    mix_hash: bytes
    nonce: bytes
    base_fee: int
    withdrawals_root: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Header:
        """The header whose canonical RLP is exactly `raw`; Invalid otherwise."""
        values: list[Any] = []
        for name, part in zip(cls.__slots__, rlp_list(raw, len(cls.__slots__)), strict=True):
            size = _FIXED.get(name)
            if size is None:
                number = rlp_uint(part, size_bytes_max=8)
                if number >> 63:
                    raise Invalid(f"header field {name} is {number}: expected less than 2^63")
                values.append(number)
            elif len(part) != size:
                raise Invalid(f"header field {name} has {len(part)} bytes: expected {size}")
            else:
                values.append(part)
        return cls(*values)

    def encode(self) -> bytes:
        """The canonical RLP."""
        parts = [getattr(self, name) for name in self.__slots__]
        return rlp_encode([rlp_int(part) if isinstance(part, int) else part for part in parts])

    @property
    def hash(self) -> bytes:
        """The block hash: Keccak-256 of the header's RLP."""
        return keccak256(self.encode())


@dataclass(frozen=True, slots=True)
class Previous:
    """Where an earlier incarnation of the chain was left: the last block both sides hold."""

    origin: str
    height: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Meta:
    """What a block says beside its header. `hub_seen` is the (size, root) of the newest hub log the site knew of."""

    origin: str
    height: int
    rule_set: str
    key_number: int
    clock_quality: int
    hub_seen: tuple[int, bytes] | None
    flags: int
    manager: bytes
    previous: Previous | None = None

    def encode(self) -> bytes:
        """Deterministic CBOR with the labels of ledger.md."""
        labels: dict[int, Any] = {
            1: self.origin,
            2: self.height,
            3: self.rule_set,
            4: self.key_number,
            5: self.clock_quality,
            6: list(self.hub_seen) if self.hub_seen else None,
            7: self.flags,
            8: self.manager,
        }
        if self.previous:
            labels[9] = [self.previous.origin, self.previous.height, self.previous.hash]
        return cbor_encode(labels)

    @classmethod
    def decode(cls, raw: bytes) -> Meta:
        """Invalid unless `raw` is what `encode` writes for a meta of plausible values."""
        labels = cbor_decode(raw, size_bytes_max=META_BYTES_MAX, depth_max=2)
        if not isinstance(labels, dict) or set(labels) - {9} != set(range(1, 9)):
            raise Invalid("meta is not a map with the labels 1 to 8, and 9 in a later genesis")
        seen = labels[6]
        if seen is not None:
            size, root = _items(seen, 2, "the hub log a block has seen")
            seen = (_uint(size, "the size of the hub log seen"), _bytes(root, 32, "the root of the hub log seen"))
        previous = None
        if 9 in labels:
            origin, height, block_hash = _items(labels[9], 3, "the previous incarnation")
            previous = Previous(
                _origin(origin), _uint(height, "its height"), _bytes(block_hash, 32, "its block hash")
            )
        return cls(
            origin=_origin(labels[1]),
            height=_uint(labels[2], "meta height"),
            rule_set=_text(labels[3]),
            key_number=_uint(labels[4], "key number"),
            clock_quality=_uint(labels[5], "clock quality", 2),
            hub_seen=seen,
            flags=_uint(labels[7], "flags", CONTROL | REBASED),
            manager=_bytes(labels[8], 20, "the InventoryManager address"),
            previous=previous,
        )


@dataclass(frozen=True, slots=True)
class Block:
    """One block as it is stored and travels. `transactions` are trie values: type byte ‖ RLP, or bare RLP for type 0.

    `documents` has one entry a transaction: the deterministic CBOR whose SHA-256 the call names, or nothing.
    """

    header: bytes
    transactions: tuple[bytes, ...]
    meta: bytes
    signature: bytes
    documents: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Deterministic CBOR: [header, transactions, meta, signature, documents]."""
        return cbor_encode([self.header, list(self.transactions), self.meta, self.signature, list(self.documents)])

    @classmethod
    def decode(cls, raw: bytes) -> Block:
        """The block whose encoding is exactly `raw`. Its parts are still unread: `chain.link` judges them."""
        parts = cbor_decode(raw, size_bytes_max=BLOCK_BYTES_MAX, depth_max=2)
        header, transactions, meta, signature, documents = _items(parts, 5, "a block")
        return cls(
            header=_bytes(header, None, "a block's header"),
            transactions=_all_bytes(transactions, "a block's transactions"),
            meta=_bytes(meta, None, "a block's meta"),
            signature=_bytes(signature, SIGNATURE_BYTES, "a block's signature"),
            documents=_all_bytes(documents, "a block's documents"),
        )

    @property
    def hash(self) -> bytes:
        """The block hash, whether or not the header is a good one."""
        return keccak256(self.header)


@dataclass(frozen=True, slots=True)
class Log:
    """One event of a contract, as it stands in an EVM receipt."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class EvmReceipt:
    """What the execution of one transaction left behind, as the header's receipts root commits to it."""

    kind: int
    status: int
    gas_used: int
    """Of the block so far, this transaction included (not of this one alone)."""
    bloom: bytes
    logs: tuple[Log, ...]

    @classmethod
    def parse(cls, value: bytes) -> EvmReceipt:
        """From a trie value; Invalid unless it is canonical."""
        kind, body = split_type(value, "an EVM receipt")
        parts = rlp_decode(body, depth_max=4)
        status, gas_used, bloom, logs = _items(parts, 4, "an EVM receipt")
        if not isinstance(logs, list):
            raise Invalid("the logs of an EVM receipt are not a list")
        return cls(
            kind=kind,
            status=rlp_uint(status, size_bytes_max=1),
            gas_used=rlp_uint(gas_used, size_bytes_max=8),
            bloom=_bytes(bloom, 256, "the bloom of an EVM receipt"),
            logs=tuple(_log(item) for item in logs),
        )


def split_type(value: bytes, what: str) -> tuple[int, bytes]:
    """A trie value as (type, RLP): EIP-2718 has a type byte in front, type 0 is a bare RLP list."""
    if not value:
        raise Invalid(f"{what} is empty")
    if value[0] >= 0xC0:
        return 0, value
    if value[0] not in (1, 2):
        raise Invalid(f"{what} is of type {value[0]}: expected 0, 1 or 2")
    return value[0], value[1:]


def signing_bytes(origin: Origin | str, height: int, block_hash: bytes) -> bytes:
    """What the site's Ed25519 key signs for a block. The tag keeps it apart from every other statement of the key."""
    return f"tallyman/block/v1\n{origin}\n{height}\n".encode() + block_hash


def _log(item: Any) -> Log:
    address, topics, data = _items(item, 3, "a log")
    if not isinstance(topics, list) or len(topics) > 4:
        raise Invalid("a log has a list of at most 4 topics")
    return Log(
        _bytes(address, 20, "a log's address"),
        tuple(_bytes(topic, 32, "a log's topic") for topic in topics),
        _bytes(data, None, "a log's data"),
    )


def _items(value: Any, count: int, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) != count:
        raise Invalid(f"{what} is not a list of {count} parts")
    return value


def _bytes(value: Any, size: int | None, what: str) -> bytes:
    if not isinstance(value, bytes) or (size is not None and len(value) != size):
        raise Invalid(f"{what} is {shown(value)}: expected {'bytes' if size is None else f'{size} bytes'}")
    return value


def _all_bytes(value: Any, what: str) -> tuple[bytes, ...]:
    if not isinstance(value, list) or not all(isinstance(item, bytes) for item in value):
        raise Invalid(f"{what} are not a list of byte strings")
    return tuple(value)


def _uint(value: Any, what: str, most: int = 2**63 - 1) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise Invalid(f"{what} is {shown(value)}: expected a number from 0 to {most}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid(f"meta's rule set is {shown(value)}: expected text")
    return value


def _origin(value: Any) -> str:
    try:
        return str(Origin.parse(value))
    except Rejected as error:
        raise Invalid(f"meta names no origin: {error}") from error


def document_hash(document: bytes) -> bytes:
    """What a call's `document` argument must be: SHA-256 of the document's deterministic CBOR."""
    return sha256(document).digest()
