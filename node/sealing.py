"""Sealing: when pending operations become a block, how the block is stored, and what a start finds after a crash.

The steps of one seal, and what it means to die after each:

    1. the pending block is closed and its state written, inside an open SQL transaction   nothing happened
    2. the signing mark is taken: replaced, fsynced, its folder fsynced                    the next start seals it
    3. the block hash is signed                                                            the same
    4. block, state, projections, log and journal are committed together                   it is sealed

A start and the normal way use the same functions: `finish` is what a seal does after step 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ledger import chain, db
from ledger.block import BLOCK_BYTES_MAX, GAS_LIMIT, TRANSACTIONS_MAX, Block
from ledger.block_rules import Identity
from ledger.codec import cbor_decode, cbor_encode
from ledger.errors import Corrupt, Invalid
from ledger.events import Event
from ledger.ids import OpId
from ledger.merkle import leaf_hash
from ledger.seams import Storage, failpoint
from node import journal, mark, store
from node.config import SealingConfig
from node.mark import Mark


@dataclass(frozen=True, slots=True)
class Waiting:
    """One operation of the pending block, with what its execution answered."""

    op_id: OpId
    content: bytes
    operation: chain.Operation
    events: tuple[Event, ...]


@dataclass(slots=True)
class Pending:
    """The block being filled. `opened_ran_ms` is by the steady clock; `sequence` is the last journal row in it."""

    height: int
    time_s: int
    quality: int
    opened_ran_ms: int
    sequence: int = 0
    gas_used: int = 0
    size_bytes: int = 0
    waiting: list[Waiting] = field(default_factory=list)
    by_op_id: dict[OpId, int] = field(default_factory=dict)

    def add(self, entry: Waiting, sequence: int, gas_used: int) -> int:
        """Take one operation in; answers its place in the block."""
        place = len(self.waiting)
        self.waiting.append(entry)
        self.by_op_id[entry.op_id] = place
        self.sequence = sequence
        self.gas_used += gas_used
        self.size_bytes += len(entry.operation.transaction) + len(entry.operation.document)
        return place

    def fits(self, gas_limit: int, size_bytes: int) -> bool:
        """Whether one more operation can go in. The rest waits for the next block."""
        return (
            self.gas_used + gas_limit <= GAS_LIMIT
            and self.size_bytes + size_bytes <= BLOCK_BYTES_MAX
            and len(self.waiting) < TRANSACTIONS_MAX
        )


def due(pending: Pending | None, ran_ms: int, config: SealingConfig) -> bool:
    """Whether the pending block should be sealed now, for its number of operations, its age or its gas."""
    if pending is None or not pending.waiting:
        return False
    return (
        len(pending.waiting) >= config.operations_max
        or ran_ms - pending.opened_ran_ms >= config.age_ms_max
        or pending.gas_used >= config.gas_max
    )


def marker(path: Path, sequence: int, storage: Storage) -> Callable[[chain.Draft], None]:
    """What `chain.seal` calls before it signs a new block."""

    def take(draft: chain.Draft) -> None:
        mark.take(path, _mark_of(draft, sequence), storage)

    return take


def must_equal(expected: Mark) -> Callable[[chain.Draft], None]:
    """What `chain.seal` calls before it signs a block again: only the very block that the mark names."""

    def compare(draft: chain.Draft) -> None:
        if _mark_of(draft, expected.sequence) != expected:
            raise Corrupt(
                f"block {draft.height} made from the journal is {draft.hash.hex()}, the signing mark says "
                f"{expected.hash.hex()}: two different signed blocks at one height must never exist; call the hub's "
                "administrator"
            )

    return compare


def _mark_of(draft: chain.Draft, sequence: int) -> Mark:
    return Mark(str(draft.origin), draft.height, draft.hash, draft.timestamp, draft.meta, sequence)


def judge_mark(head: chain.Head, last: Mark) -> bool:
    """Whether the block after `head` was about to be signed and must be finished first.

    Raises Corrupt where the database is not the one that the mark was taken beside.
    """
    if last.origin != str(head.origin):
        raise Corrupt(f"the signing mark is of {last.origin}, the database of {head.origin}: files were mixed up")
    if last.height == head.height + 1:
        return True
    if last.height == head.height and last.hash == head.hash:
        return False
    raise Corrupt(
        f"the signing mark is at block {last.height} ({last.hash.hex()[:16]}), the database ends at block "
        f"{head.height} ({head.hash.hex()[:16]}): one of them was put back from an older copy, so this node does not "
        f"sign. A database older than its mark is healed by the next exchange with the hub; otherwise {mark.AGAIN}"
    )


# ---------------------------------------------------------------- what is stored


def store_block(
    connection: db.Connection, link: chain.Link, receipts: Sequence[bytes], through: int, sealed_at_ms: int
) -> None:
    """Everything that one block adds to the database besides state and projections, in the caller's transaction.

    `through` is the last journal row that the block holds.
    """
    connection.execute(
        "INSERT INTO blocks VALUES (?, ?, ?, ?, ?)",
        (link.head.height, link.head.hash, link.head.timestamp, sealed_at_ms, store.pack(link.block.encode())),
    )
    store_derived(connection, link, receipts)
    journal.drop_sealed(connection, through)
    # All of it or nothing: the rows above become true with the commit of the transaction that state is written in.
    failpoint("seal.stored")


def store_derived(connection: db.Connection, link: chain.Link, receipts: Sequence[bytes], first: int = 0) -> None:
    """The part of `store_block` that can be made again from the block: receipts, log and head.

    `first` is the row of the block's genesis: of an earlier incarnation, which is below zero, log and head are not
    needed any more.
    """
    connection.execute(
        "INSERT INTO evm_receipts VALUES (?, ?)",
        (first + link.head.height, store.pack(cbor_encode(list(receipts)))),
    )
    if first < 0:
        return
    # A leaf of the site log follows from the block's own hash, so only what is above it is kept.
    connection.executemany(
        "INSERT INTO log_nodes VALUES (?, ?, ?)",
        [(node.level, node.index, node.hash) for node in link.nodes if node.level],
    )
    connection.execute("INSERT OR REPLACE INTO head VALUES (1, ?)", (link.head.encode(),))


def read_head(connection: db.Connection, identity: Identity) -> chain.Head | None:
    """The newest block's head; None before genesis. Raises Corrupt when it is not that of the newest block."""
    newest = connection.execute("SELECT height, hash FROM blocks ORDER BY height DESC LIMIT 1").fetchone()
    row = connection.execute("SELECT head FROM head").fetchone()
    if newest is None and row is None:
        return None
    if newest is None or row is None:
        raise Corrupt("the database has blocks without a head or the other way round: run `tallyman node rebuild`")
    try:
        head = chain.Head.decode(identity, bytes(row[0]))
    except Corrupt as error:
        raise Corrupt(f"{error}; run `tallyman node rebuild`") from error
    if (head.height, head.hash) != (newest[0], bytes(newest[1])):
        raise Corrupt(
            f"the stored head is block {head.height}, the newest block is {newest[0]}: run `tallyman node rebuild`"
        )
    return head


def read_block(connection: db.Connection, height: int) -> Block | None:
    """One stored block, or None. Raises Corrupt when it is not what was stored."""
    row = connection.execute("SELECT hash, body FROM blocks WHERE height = ?", (height,)).fetchone()
    if row is None:
        return None
    try:
        block = Block.decode(store.unpack(row[1]))
    except Invalid as error:
        raise Corrupt(f"block {height} as stored cannot be read: {error}") from error
    if block.hash != bytes(row[0]):
        raise Corrupt(f"block {height} as stored is {block.hash.hex()}: expected {bytes(row[0]).hex()}")
    return block


def read_receipts(connection: db.Connection, height: int) -> tuple[bytes, ...]:
    """The EVM receipts of a sealed block as trie values, in order."""
    row = connection.execute("SELECT body FROM evm_receipts WHERE height = ?", (height,)).fetchone()
    if row is None:
        raise Corrupt(f"the receipts of block {height} are missing: run `tallyman node rebuild`")
    try:
        values = cbor_decode(store.unpack(row[0]))
    except Invalid as error:
        raise Corrupt(f"the receipts of block {height} as stored cannot be read: {error}") from error
    return tuple(values)


def log_reader(connection: db.Connection) -> Callable[[int, int], bytes]:
    """The site log's complete subtrees, for proofs (`ledger.merkle.Reader`)."""

    def read(level: int, place: int) -> bytes:
        if level == 0:
            row = connection.execute("SELECT hash FROM blocks WHERE height = ?", (place,)).fetchone()
        else:
            row = connection.execute(
                "SELECT hash FROM log_nodes WHERE level = ? AND place = ?", (level, place)
            ).fetchone()
        if row is None:
            raise Corrupt(f"the site log lacks subtree {place} of level {level}: run `tallyman node rebuild`")
        return leaf_hash(bytes(row[0])) if level == 0 else bytes(row[0])

    return read
