"""The node's own auditor: everything again from the blocks, by the same judge that others use on them.

    verify    link and accept every block from genesis in a fresh state, and compare it with what the node has
    rebuild   throw away everything that follows from the blocks, and make it again

Both replay the chain with `ledger.chain` and project it with `node/projection`; neither believes any stored result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger import chain, db, events, lock
from ledger.block import EvmReceipt
from ledger.block_rules import Identity
from ledger.calls import decode as decode_call
from ledger.errors import Corrupt, Invalid, LedgerError, Rejected
from ledger.evm import Executor
from ledger.transactions import parse as parse_transaction
from node import eras, journal, mark, projection, sealing, store
from node.eras import Era
from node.identity import NodeIdentity

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked: blocks up to the head, operations waiting in the journal, derived tables compared."""

    origin: str
    blocks: int
    head_hash: bytes
    log_root: bytes
    operations: int
    unsealed: int
    tables: int


def verify(folder: Path, identity: NodeIdentity, progress: Progress = lambda _: None) -> Verified:
    """Raise Corrupt, naming the first thing that is not true; otherwise say what was checked. Changes nothing."""
    source = store.open_reader(folder)
    fresh = db.memory()
    try:
        source.execute("BEGIN")  # one moment of the database, however long this takes
        db.check(source)
        db.migrate(fresh, store.STEPS)
        with db.transaction(fresh):
            head = replay(source, fresh, identity, progress)
            unsealed = _replay_journal(source, fresh, head)
        tables = _compare_tables(source, fresh)
        _compare_mark(folder, identity)
        operations = int(fresh.execute("SELECT count(*) FROM operations").fetchone()[0]) - unsealed
        return Verified(str(head.origin), head.log.size, head.hash, head.log.root(), operations, unsealed, tables)
    finally:
        source.close()
        fresh.close()


def rebuild(connection: db.Connection, identity: NodeIdentity, progress: Progress = lambda _: None) -> chain.Head:
    """Empty every derived table and the chain's state, and fill them from blocks and journal, in one transaction.

    No kept row is touched. Dying anywhere leaves everything as it was.
    """
    with db.transaction(connection):
        clear(connection)
        head = replay(connection, connection, identity, progress)
        _replay_journal(connection, connection, head)
    return head


def rebuild_earlier(connection: db.Connection) -> Executor | None:
    """Fill the empty derived tables from the earlier incarnations alone; answers their state, None without any."""
    past = eras.earlier(connection)
    for era, link, accepted in executed(connection, connection, past):
        sealing.store_derived(connection, link, () if accepted is None else accepted.receipts, era.first)
        if accepted is not None:
            project(connection, link, accepted.receipts, era.first)
    return Executor.open(connection) if past else None


def clear(connection: db.Connection) -> None:
    """Forget everything that follows from the blocks."""
    for table in store.DERIVED:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
    for (table,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'state!_%' ESCAPE '!'"
    ).fetchall():
        connection.execute(f"DROP TABLE {table}")


def replay(
    source: db.Connection, target: db.Connection, identity: NodeIdentity, progress: Progress = lambda _: None
) -> chain.Head:
    """Judge and execute every block of `source` from genesis, writing state and derived tables into `target`.

    Earlier incarnations come first, each going on from the one before.
    """
    head = None
    for era, link, accepted in executed(source, target, eras.every(source, identity)):
        sealing.store_derived(target, link, () if accepted is None else accepted.receipts, era.first)
        if accepted is not None:
            project(target, link, accepted.receipts, era.first)
            progress(link.head.height)
        head = link.head
    if head is None or head.identity != identity.chain:
        raise Rejected("there are no blocks yet: enrol this node first")
    return head


def executed(
    source: db.Connection, target: db.Connection, of: Sequence[Era]
) -> Iterator[tuple[Era, chain.Link, chain.Accepted | None]]:
    """Judge and execute the blocks of these incarnations, with the state in `target`: each link, and what it did.

    Genesis does nothing. Raises Corrupt for the first block that is not true.
    """
    executor: Executor | None = None
    head: chain.Head | None = None
    for era in of:
        chain_of, key = era.identity.chain, era.identity.block_key
        for row in range(era.first, era.end):
            block = sealing.read_block(source, row)
            if block is None:
                raise Corrupt(f"block {row - era.first} of {chain_of.origin} is missing")
            try:
                if row == era.first:
                    link = chain.link_genesis(chain_of, block, key)
                    executor = _begun(target, chain_of, head, executor, block.header)
                    accepted = None
                elif head is not None and executor is not None:
                    link = chain.link(head, block, key)
                    accepted = chain.accept(link, executor)
            except (Invalid, Rejected) as error:
                raise Corrupt(f"a stored block does not verify: {error}") from error
            head = link.head
            yield era, link, accepted


def _begun(
    target: db.Connection, identity: Identity, before: chain.Head | None, executor: Executor | None, header: bytes
) -> Executor:
    """The executor at a genesis: on nothing, or on the accounts of the very block that the hub certified."""
    if identity.previous is None:
        return Executor.create(target, identity.origin.chain_id, header)
    if before is None or executor is None or before.hash != identity.previous.hash:
        raise Invalid(f"{identity.origin} does not go on from the block that its certificate names")
    executor.inherit(identity.origin.chain_id, header)
    return executor


def project(target: db.Connection, link: chain.Link, receipts: Sequence[bytes], first: int = 0) -> None:
    """The derived rows of a sealed block; `first` is the row of its genesis."""
    for place, (tx, receipt) in enumerate(zip(link.transactions, receipts, strict=True)):
        if tx.to is not None:
            logs, document = EvmReceipt.parse(receipt).logs, link.block.documents[place]
            _project_one(target, first + link.head.height, place, tx.data, logs, document)
    if link.before is not None and not link.before.deployed:
        projection.apply_deployment(target)


def _project_one(
    target: db.Connection, height: int, place: int, data: bytes, logs: tuple[events.Log, ...], document: bytes
) -> None:
    op_id, call = decode_call(data)
    happened = tuple(events.decode_logs(logs))
    projection.apply(target, projection.Step(op_id, height, place, call, happened, document))


def _replay_journal(source: db.Connection, target: db.Connection, head: chain.Head) -> int:
    """Project what is recorded but not sealed, on a state that is not kept; answers how many operations."""
    waiting = journal.entries(source)
    if not waiting:
        return 0
    executor = Executor.open(target)
    executor.begin(waiting[0].time_s)
    height, place = head.height + 1, -1
    for entry in waiting:
        place += 1
        if entry.height == height + 1:
            executor.follow(entry.time_s)
            height, place = entry.height, 0
        try:
            outcome = executor.execute(entry.raw)
        except LedgerError as error:
            raise Corrupt(f"journal row {entry.sequence} cannot be executed: {error}") from error
        if not outcome.ok or journal.outcome_of(outcome.gas_used, outcome.logs) != entry.outcome:
            raise Corrupt(f"journal row {entry.sequence} gives another answer than it gave first {outcome.reason}")
        _project_one(target, height, place, parse_transaction(entry.raw).data, outcome.logs, entry.document)
    return len(waiting)


def _compare_mark(folder: Path, identity: NodeIdentity) -> None:
    """The mark must be of the newest block, or of the next one, which a crash left to be finished.

    Beside a running node more blocks may have come since the mark was read: then it must be of one of these.
    """
    last = mark.read(folder / mark.file_of(identity.files))
    source = store.open_reader(folder)
    try:
        head = sealing.read_head(source, identity.chain)
        passed = sealing.read_block(source, last.height) if lock.is_held(folder) else None
    finally:
        source.close()
    if head is not None and (passed is None or passed.hash != last.hash):
        sealing.judge_mark(head, last)


def _compare_tables(source: db.Connection, fresh: db.Connection) -> int:
    """Every derived row must be the one that the blocks give."""
    for table in store.DERIVED:
        query = f"SELECT * FROM {table}"  # noqa: S608 - names of our own
        stored, made = source.execute(query), fresh.execute(query)
        while True:
            rows = stored.fetchmany(500), made.fetchmany(500)
            if rows[0] != rows[1]:
                raise Corrupt(
                    f"table {table} is not what the blocks give: run `tallyman node rebuild`; first difference "
                    f"{_difference(*rows)}"
                )
            if not rows[0]:
                break
    return len(store.DERIVED)


def _difference(stored: list[db.Row], made: list[db.Row]) -> str:
    for found, expected in zip(stored, made, strict=False):
        if found != expected:
            return f"{found!r}: expected {expected!r}"[:500]
    return f"{len(stored)} rows: expected {len(made)}"
