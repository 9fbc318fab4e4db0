"""What may follow what: the one judge of a site's chain, used by the node on itself and by the hub on everyone.

    link(head, block, key)     judges bytes: is this block well-formed, signed, and the successor of `head`?
    accept(link, executor)     executes it again: does it do what its header says?
    seal(head, executor, …)    makes the next block of what is pending, signs it, and links it like any other
    replay(head, blocks, …)    link and accept, block after block

    node:  execute … → seal → link → commit                    hub:  arrive → link → cosign … later → accept

A `Head` is all that is needed to judge the next block: no database, no network, no clock. `link` is cheap enough for
a block at arrival and says nothing about execution; `accept` costs what executing costs and leaves nothing open.
Both raise `Invalid` at the first thing wrong, in words that name it. The formats are in ledger.md and `ledger.block`.

Three blocks are special. Genesis (height 0) has no transactions; it fixes origin, time and key. Block 1 of a first
incarnation holds exactly the four transactions that create the contracts. A later incarnation inherits the accounts
of the one before; its first transaction is the `rebase` that the hub signed, without which its contracts obey nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

from ledger import block_rules, calls, trie
from ledger.block import (
    CONTROL,
    EMPTY_OMMERS,
    EMPTY_TRIE,
    GAS_LIMIT,
    RULE_SET,
    Block,
    EvmReceipt,
    Header,
    Meta,
    signing_bytes,
)
from ledger.block_rules import Identity
from ledger.checkpoint import Checkpoint
from ledger.codec import cbor_decode, cbor_encode, keccak256
from ledger.errors import Corrupt, Invalid, Rejected
from ledger.ids import Origin
from ledger.keys import SigningKey, VerifyKey
from ledger.merkle import Frontier, Node, leaf_hash
from ledger.transactions import Tx

_EMPTY_BLOOM = bytes(256)
_MANAGER_CALL = keccak256(b"manager()")[:4]


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block of a chain, as far as the next one depends on it. `timestamp` is in seconds.

    `log` is the site log with this block as its last leaf, so its size is height + 1. `manager` is the
    InventoryManager in force. `deployed` is false only on a first incarnation's genesis.
    """

    identity: Identity
    height: int
    hash: bytes
    timestamp: int
    key_number: int
    manager: bytes
    deployed: bool
    log: Frontier

    @property
    def origin(self) -> Origin:
        return self.identity.origin

    @property
    def checkpoint(self) -> Checkpoint:
        """What the site may sign of its log at this head."""
        return Checkpoint(str(self.origin), self.log.size, self.log.root())

    def encode(self) -> bytes:
        """For a database column. The identity is kept elsewhere: it does not change."""
        return cbor_encode(
            [self.height, self.hash, self.timestamp, self.key_number, self.manager, self.deployed, self.log.encode()]
        )

    @classmethod
    def decode(cls, identity: Identity, stored: bytes) -> Head:
        """The inverse of `encode`; what we stored ourselves and cannot read is `Corrupt`."""
        try:
            height, block_hash, timestamp, key_number, manager, deployed, log = cbor_decode(stored)
            head = cls(identity, height, block_hash, timestamp, key_number, manager, deployed, Frontier.decode(log))
        except (Invalid, TypeError, ValueError) as error:
            raise Corrupt(f"the stored head of {identity.origin} cannot be read: {error}") from error
        if head.log.size != head.height + 1 or head.encode() != stored:
            raise Corrupt(f"the stored head of {identity.origin} does not fit together")
        return head


@dataclass(frozen=True, slots=True)
class Link:
    """A block whose bytes are judged: it follows `before`, and `head` is what it leads to.

    `nodes` are the subtrees of the site log that its leaf closes, to be stored for proofs. `before` is None for
    genesis. Only this module makes links, so holding one means that the judgement was passed.
    """

    before: Head | None
    block: Block
    header: Header
    meta: Meta
    transactions: tuple[Tx, ...]
    head: Head
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A block executed again with the same outcome: its header is true. `receipts` are trie values in order."""

    link: Link
    receipts: tuple[bytes, ...]
    outcomes: tuple[EvmReceipt, ...]

    @property
    def head(self) -> Head:
        return self.link.head


@dataclass(frozen=True, slots=True)
class Operation:
    """A transaction that is in the pending block, with the document it names (or no bytes if it names none)."""

    transaction: bytes
    document: bytes = b""


@dataclass(frozen=True, slots=True)
class Draft:
    """A finished block just before it is signed: the last moment in which it can be taken back."""

    origin: Origin
    height: int
    hash: bytes
    timestamp: int
    meta: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A block of our own: signed, linked, and with the EVM receipts of its transactions as trie values."""

    link: Link
    receipts: tuple[bytes, ...]

    @property
    def block(self) -> Block:
        return self.link.block

    @property
    def head(self) -> Head:
        return self.link.head


class _ExecHead(Protocol):
    @property
    def hash(self) -> bytes: ...


class _Finished(Protocol):
    @property
    def header(self) -> bytes: ...

    @property
    def receipts(self) -> tuple[bytes, ...]: ...


class Executor(Protocol):
    """What is needed of `ledger.evm.Executor`, which is slow to import and only entry modules load."""

    @property
    def head(self) -> _ExecHead: ...

    def seal(self, extra_data: bytes) -> _Finished: ...

    def view(self, to: bytes, data: bytes) -> bytes: ...

    def reexecute(self, header: bytes, transactions: Sequence[bytes], extra_data: bytes) -> _Finished: ...


# ---------------------------------------------------------------- judging


def link(head: Head, block: Block, key: VerifyKey) -> Link:
    """Judge the bytes of `block` as the successor of `head`; raise Invalid at the first thing wrong.

    The node runs this on its own blocks before it stores them and the hub on everyone's at arrival: one function
    decides what may follow what. `accept` then decides whether its execution is true.
    """
    block_rules.check_sizes(block)
    header = Header.parse(block.header)
    block_rules.check_constants(header)
    block_rules.same("parent hash", header.parent, head.hash)
    block_rules.same("height", header.height, head.height + 1)
    if header.timestamp <= head.timestamp:
        raise Invalid(f"the block's time is {header.timestamp} s: expected more than its parent's {head.timestamp} s")
    meta = block_rules.check_meta(header, block.meta, head.identity)
    block_rules.same("key number", meta.key_number, head.key_number)
    if meta.previous is not None:
        raise Invalid("meta names a previous incarnation: only a genesis does")
    block_hash = keccak256(block.header)
    # From here on the bytes are known to be the site's own: only now are they worth more work.
    block_rules.check_signature(head.origin, header.height, block_hash, block.signature, key)
    block_rules.same("transactions root", header.transactions_root, trie.root(block.transactions))
    transactions = block_rules.read_transactions(head.identity, block)
    if head.deployed:
        block_rules.check_calls(head.identity, head.manager, meta, transactions, block.documents)
    else:
        block_rules.check_deployment(head.identity, meta, transactions, block.documents)
    after, nodes = _successor(head, header, block_hash, meta)
    return Link(head, block, header, meta, transactions, after, nodes)


def link_genesis(identity: Identity, block: Block, key: VerifyKey) -> Link:
    """Judge the bytes of a chain's block 0; raise Invalid at the first thing wrong.

    A first incarnation starts with an empty state. A later one names the block that the hub certified for it, and has
    the state root of that block: it inherits its accounts byte for byte.
    """
    block_rules.check_sizes(block)
    header = Header.parse(block.header)
    block_rules.check_constants(header)
    block_rules.same("parent hash of genesis", header.parent, bytes(32))
    block_rules.same("height of genesis", header.height, 0)
    block_rules.same("transactions root of genesis", header.transactions_root, EMPTY_TRIE)
    block_rules.same("receipts root of genesis", header.receipts_root, EMPTY_TRIE)
    block_rules.same("bloom of genesis", header.bloom, _EMPTY_BLOOM)
    block_rules.same("gas used by genesis", header.gas_used, 0)
    block_rules.same("number of transactions in genesis", len(block.transactions) + len(block.documents), 0)
    meta = block_rules.check_meta(header, block.meta, identity)
    block_rules.same("InventoryManager address", meta.manager, identity.contracts.manager)
    block_rules.same("flags of genesis", meta.flags & CONTROL, 0)
    block_rules.same("previous incarnation", meta.previous, identity.previous)
    if identity.previous is not None:
        block_rules.check_previous(identity.origin, identity.previous)
    block_rules.same("state root of genesis", header.state_root, identity.state_root)
    block_hash = keccak256(block.header)
    block_rules.check_signature(identity.origin, 0, block_hash, block.signature, key)
    before = Head(
        identity=identity,
        height=-1,
        hash=bytes(32),
        timestamp=0,
        key_number=meta.key_number,
        manager=meta.manager,
        deployed=meta.previous is not None,
        log=Frontier(),
    )
    after, nodes = _successor(before, header, block_hash, meta)
    return Link(None, block, header, meta, (), after, nodes)


def accept(link: Link, executor: Executor) -> Accepted:
    """Execute a linked block again and compare its whole header; raise Invalid unless it is true in every field.

    Writes the new state inside the caller's database transaction. After anything raised here the caller rolls that
    back and lets the executor `discard`.
    """
    if link.before is None:
        raise Rejected("genesis is not executed: the executor is created with it")
    if executor.head.hash != link.before.hash:
        raise Corrupt(
            f"the executor of {link.head.origin} stands on block {executor.head.hash.hex()}: expected "
            f"{link.before.hash.hex()} at height {link.before.height}; rebuild its state from the blocks"
        )
    block = link.block
    finished = executor.reexecute(block.header, block.transactions, link.header.extra_data)
    block_rules.same("header by execution", finished.header, block.header)
    outcomes = tuple(EvmReceipt.parse(value) for value in finished.receipts)
    for index, outcome in enumerate(outcomes):
        if outcome.status != 1:
            raise Invalid(f"transaction {index} failed with status {outcome.status}: a failed one enters no block")
    writer = block_rules.writer_after(link.before.identity, link.before.manager, outcomes)
    block_rules.same("InventoryManager address", link.meta.manager, writer)
    return Accepted(link, finished.receipts, outcomes)


def replay(head: Head, blocks: Iterable[Block], executor: Executor, key: VerifyKey) -> Iterator[Accepted]:
    """Link and accept each block on the one before. The caller commits after each, or all at once."""
    for block in blocks:
        accepted = accept(link(head, block, key), executor)
        yield accepted
        head = accepted.head


# ---------------------------------------------------------------- making


def seal_genesis(
    identity: Identity,
    key: SigningKey,
    timestamp: int,
    *,
    key_number: int = 0,
    clock_quality: int = 1,
) -> Link:
    """Block 0 of a new chain, signed; of a later incarnation on the accounts that its identity names."""
    meta = Meta(
        origin=str(identity.origin),
        height=0,
        rule_set=RULE_SET,
        key_number=key_number,
        clock_quality=clock_quality,
        hub_seen=None,
        flags=0,
        manager=identity.contracts.manager,
        previous=identity.previous,
    ).encode()
    header = Header(
        parent=bytes(32),
        ommers=EMPTY_OMMERS,
        coinbase=bytes(20),
        state_root=identity.state_root,
        transactions_root=EMPTY_TRIE,
        receipts_root=EMPTY_TRIE,
        bloom=_EMPTY_BLOOM,
        difficulty=0,
        height=0,
        gas_limit=GAS_LIMIT,
        gas_used=0,
        timestamp=timestamp,
        extra_data=sha256(meta).digest(),
        mix_hash=bytes(32),
        nonce=bytes(8),
        base_fee=0,
        withdrawals_root=EMPTY_TRIE,
    ).encode()
    signature = key.sign(signing_bytes(identity.origin, 0, keccak256(header)))
    return link_genesis(identity, Block(header, (), meta, signature, ()), key.verify_key)


def next_meta(
    head: Head,
    operations: Sequence[Operation],
    *,
    clock_quality: int,
    hub_seen: tuple[int, bytes] | None,
    flags: int = 0,
) -> Meta:
    """What the block after `head` with these operations says beside its header. `flags` may hold REBASED."""
    if any(_control(head, operation) for operation in operations):
        flags |= CONTROL
    return Meta(
        origin=str(head.origin),
        height=head.height + 1,
        rule_set=RULE_SET,
        key_number=head.key_number,
        clock_quality=clock_quality,
        hub_seen=hub_seen,
        flags=flags,
        manager=head.manager,
    )


def seal(
    head: Head,
    executor: Executor,
    operations: Sequence[Operation],
    meta: Meta,
    key: SigningKey,
    mark: Callable[[Draft], None],
) -> Sealed:
    """Make the executor's pending block the successor of `head`, sign it, and judge it like anyone's.

    `operations` are what the pending block executed, in order. `mark` is called with the finished block before it is
    signed and must not return before that decision is durable: a node that restarts then signs the same block again
    or none. State is written inside the caller's database transaction, which it commits together with the block.
    """
    releases = [call for call in (_control(head, operation) for operation in operations) if call]
    if any(block_rules.released(call) is not None for call in releases):
        # Meta names the InventoryManager in force; whether the release took effect only the pending state knows.
        meta = replace(meta, manager=executor.view(head.identity.contracts.registry, _MANAGER_CALL)[12:32])
    raw = meta.encode()
    finished = executor.seal(sha256(raw).digest())
    header = Header.parse(finished.header)
    block_hash = keccak256(finished.header)
    mark(Draft(head.origin, header.height, block_hash, header.timestamp, raw))
    # From here on this is the block of this height, whether or not we live to commit it. If we die now, the next
    # start builds the same one from the journal, because time and meta are in the mark.
    block = Block(
        header=finished.header,
        transactions=tuple(operation.transaction for operation in operations),
        meta=raw,
        signature=key.sign(signing_bytes(head.origin, header.height, block_hash)),
        documents=tuple(operation.document for operation in operations),
    )
    try:
        linked = link(head, block, key.verify_key)
    except Invalid as error:
        raise Corrupt(f"our own block {header.height} does not follow from our head: {error}") from error
    return Sealed(linked, finished.receipts)


def _successor(before: Head, header: Header, block_hash: bytes, meta: Meta) -> tuple[Head, tuple[Node, ...]]:
    log, nodes = before.log.append(leaf_hash(block_hash))
    after = replace(
        before,
        height=header.height,
        hash=block_hash,
        timestamp=header.timestamp,
        manager=meta.manager,
        deployed=before.deployed or header.height > 0,
        log=log,
    )
    return after, nodes


def _control(head: Head, operation: Operation) -> calls.Apply | None:
    return block_rules.control_call(head.identity, *block_rules.target(operation.transaction))
