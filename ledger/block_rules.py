"""The rules of a block's bytes, one function each: what `ledger.chain.link` asks, in its order.

Every function returns when its rule holds and raises `Invalid` naming what is wrong, what was found and what was
expected. None of them knows a database, a clock, or the block before beyond what it is handed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ledger import calls, control, deployment, documents
from ledger.block import (
    BLOCK_BYTES_MAX,
    CONTROL,
    EMPTY_OMMERS,
    EMPTY_TRIE,
    GAS_LIMIT,
    META_BYTES_MAX,
    RULE_SET,
    TRANSACTIONS_MAX,
    Block,
    EvmReceipt,
    Header,
    Meta,
    Previous,
    document_hash,
    signing_bytes,
)
from ledger.codec import abi_decode, cbor_decode, keccak256, rlp_decode
from ledger.deployment import Addresses
from ledger.errors import Invalid
from ledger.ids import Origin
from ledger.keys import VerifyKey
from ledger.transactions import Tx
from ledger.transactions import parse as parse_transaction

_APPLY = calls.selector(calls.Apply)
_WRITER_CHANGED = keccak256(b"WriterChanged(bytes32,address)")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a chain is, from the hub's certificate: what stays the same for all blocks of an incarnation.

    `node` is the address of the key that alone sends transactions, `control_key` that of the hub's control records.
    A later incarnation names the block that it continues in `previous`. It takes over that block's accounts as they
    are, so `state_root` is that block's, and `contracts` are those in force there.
    """

    origin: Origin
    node: bytes
    control_key: bytes
    contracts: Addresses
    previous: Previous | None = None
    state_root: bytes = EMPTY_TRIE

    @classmethod
    def first(cls, origin: Origin, node: bytes, control_key: bytes) -> Identity:
        """Of a first incarnation, whose own node creates the contracts."""
        return cls(origin, node, control_key, deployment.addresses(node))


def check_sizes(block: Block) -> None:
    """Bounds, before anything costs work."""
    if len(block.transactions) > TRANSACTIONS_MAX:
        raise Invalid(f"the block has {len(block.transactions)} transactions: at most {TRANSACTIONS_MAX}")
    if len(block.documents) != len(block.transactions):
        raise Invalid(f"the block has {len(block.documents)} documents: expected {len(block.transactions)}, one each")
    if len(block.meta) > META_BYTES_MAX:
        raise Invalid(f"the block's meta has {len(block.meta)} bytes: at most {META_BYTES_MAX}")
    size = sum(map(len, block.transactions)) + sum(map(len, block.documents))
    if size > BLOCK_BYTES_MAX:
        raise Invalid(f"the block's transactions and documents have {size} bytes: at most {BLOCK_BYTES_MAX}")


def check_constants(header: Header) -> None:
    """What the rule set fixes for every block (ledger.md, The site chain)."""
    same("ommers hash", header.ommers, EMPTY_OMMERS)
    same("coinbase", header.coinbase, bytes(20))
    same("difficulty", header.difficulty, 0)
    same("gas limit", header.gas_limit, GAS_LIMIT)
    same("mix hash", header.mix_hash, bytes(32))
    same("header nonce", header.nonce, bytes(8))
    same("base fee", header.base_fee, 0)
    same("withdrawals root", header.withdrawals_root, EMPTY_TRIE)
    if header.gas_used > GAS_LIMIT:
        raise Invalid(f"the block used {header.gas_used} gas: at most {GAS_LIMIT}")


def check_meta(header: Header, raw: bytes, identity: Identity) -> Meta:
    """Meta, which the header commits to and which must be about this block."""
    same("extra data", header.extra_data, sha256(raw).digest())
    meta = Meta.decode(raw)
    same("origin", meta.origin, str(identity.origin))
    same("height in meta", meta.height, header.height)
    same("rule set", meta.rule_set, RULE_SET)
    return meta


def check_previous(origin: Origin, previous: Previous) -> None:
    """A later incarnation continues an earlier one of the same site."""
    before = Origin.parse(previous.origin)
    if (before.org, before.site) != (origin.org, origin.site) or before.incarnation >= origin.incarnation:
        raise Invalid(f"genesis of {origin} follows {previous.origin}: expected an earlier incarnation of the site")


def check_signature(origin: Origin, height: int, block_hash: bytes, signature: bytes, key: VerifyKey) -> None:
    """The site vouches for this block at this height of this chain, and for nothing else."""
    try:
        key.verify(signing_bytes(origin, height, block_hash), signature)
    except Invalid as error:
        raise Invalid(f"the block signature is not one by key {key}: {error}") from error


def read_transactions(identity: Identity, block: Block) -> tuple[Tx, ...]:
    """The block's transactions: each canonical, of this chain, sent by the node, each following the one before."""
    if not block.transactions:
        raise Invalid("the block has no transactions: only genesis is empty")
    parsed: list[Tx] = []
    for index, raw in enumerate(block.transactions):
        try:
            tx = parse_transaction(raw)
            same("chain id", tx.chain_id, identity.origin.chain_id)
            same("sender", tx.sender, identity.node)
            if parsed:
                same("nonce", tx.nonce, parsed[-1].nonce + 1)
        except Invalid as error:
            raise Invalid(f"transaction {index}: {error}") from error
        parsed.append(tx)
    return tuple(parsed)


def check_deployment(identity: Identity, meta: Meta, parsed: Sequence[Tx], given: Sequence[bytes]) -> None:
    """Block 1: the four contracts of this program's release, created in their order, and nothing else."""
    expected = deployment.init_codes(identity.origin, identity.control_key, identity.node)
    same("number of transactions in the deployment", len(parsed), len(expected))
    same("first nonce of the deployment", parsed[0].nonce, 0)
    for name, tx, code in zip(deployment.CONTRACTS, parsed, expected, strict=True):
        if tx.to is not None or tx.data != code:
            raise Invalid(f"the deployment does not create {name} as this program's release knows it")
    same("documents of the deployment", any(given), False)
    same("control flag of meta", meta.flags & CONTROL, 0)
    same("InventoryManager address", meta.manager, identity.contracts.manager)


def check_calls(identity: Identity, manager: bytes, meta: Meta, parsed: Sequence[Tx], given: Sequence[bytes]) -> None:
    """Every later block: calls of our contracts with their documents. `manager` was in force before the block."""
    managers = {manager}
    control_calls = creations = 0
    for index, (tx, document) in enumerate(zip(parsed, given, strict=True)):
        try:
            if tx.to is None:
                creations += 1
                same("document of a contract's creation", document, b"")
                continue
            _check_call(identity.contracts, meta.manager, tx.to, tx.data, document)
            applied = control_call(identity, tx.to, tx.data)
            if applied is not None:
                control_calls += 1
                managers.add(released(applied) or manager)
        except Invalid as error:
            raise Invalid(f"transaction {index}: {error}") from error
    same("control flag of meta", meta.flags & CONTROL, CONTROL if control_calls else 0)
    if creations and not control_calls:
        raise Invalid("the block creates a contract without a control record that releases one")
    if meta.manager not in managers:
        # Whether a release named in this block took effect is for `accept` to say.
        raise Invalid(f"InventoryManager address is {meta.manager.hex()}: expected {manager.hex()}")


def _check_call(contracts: Addresses, manager: bytes, to: bytes, data: bytes, document: bytes) -> None:
    """Every call names its operation first; those of a person name their document third, and it must be here."""
    if to not in (manager, contracts.registry, contracts.audit):
        raise Invalid(f"it calls {to.hex()}, which is not a contract that a site's node calls")
    if len(data) < 36 or any(data[20:36]):
        raise Invalid("its call data does not begin with a method and an op_id padded to 32 bytes")
    if to == contracts.registry:
        same("document of a call that names none", document, b"")
        return
    named = data[68:100]
    if to == contracts.audit and named == calls.NO_DOCUMENT:
        same("document of a note without one", document, b"")
        return
    same("hash of the document", document_hash(document), named)
    if not isinstance(cbor_decode(document, size_bytes_max=documents.SIZE_BYTES_MAX, depth_max=4), dict):
        raise Invalid("the document is not a map in deterministic CBOR")


def control_call(identity: Identity, to: bytes | None, data: bytes) -> calls.Apply | None:
    """The call by which a hub's control record enters the chain, if this is one."""
    if to != identity.contracts.registry or data[:4] != _APPLY:
        return None
    _, call = calls.decode(data)
    return call if isinstance(call, calls.Apply) else None


def target(transaction: bytes) -> tuple[bytes, bytes]:
    """Where a transaction of our own goes and its call data, without the cost of recovering its sender."""
    fields = rlp_decode(transaction[1:], depth_max=2)
    return fields[5], fields[7]


def released(applied: calls.Apply) -> bytes | None:
    """The InventoryManager that a control record releases, or None for a record of another kind."""
    if applied.kind != control.RELEASE:
        return None
    try:
        (manager, _) = abi_decode(("address", "bytes32"), applied.payload)
    except Invalid:
        # The registry refuses such a record without reverting, so the block may hold it: it releases nothing.
        return None
    return bytes(manager)


def writer_after(identity: Identity, manager: bytes, outcomes: Iterable[EvmReceipt]) -> bytes:
    """Who may book in StockLedger after these transactions: as its own events say, else `manager` as before."""
    for outcome in outcomes:
        for log in outcome.logs:
            if log.address == identity.contracts.ledger and log.topics[:1] == (_WRITER_CHANGED,):
                same("number of topics of WriterChanged", len(log.topics), 3)
                manager = log.topics[2][12:]
    return manager


def same(what: str, found: Any, expected: Any) -> None:
    """Raise Invalid unless `found` is `expected`, naming what it is."""
    if found != expected:
        raise Invalid(f"{what} is {_shown(found)}: expected {_shown(expected)}")


def _shown(value: Any) -> str:
    return value.hex()[:80] if isinstance(value, bytes) else str(value)
