"""The node's own auditor: everything again from the blocks, by the same judge that others use on them.

    verify    link and accept every block from genesis in a fresh state, and compare it with what the node has
    rebuild   throw away everything that follows from the blocks, and make it again

Both replay the chain with `ledger.chain` and project it with `node/projection`; neither believes any stored result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger import chain, db, events, lock
from ledger.block import Block
from ledger.calls import decode as decode_call
from ledger.errors import Corrupt, Invalid, LedgerError, Rejected
from ledger.evm import Executor
from ledger.transactions import parse as parse_transaction
from node import journal, mark, projection, sealing, store
from node.identity import NodeIdentity
from node.mark import MARK_FILE

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
        for table in store.DERIVED:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        for (table,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'state!_%' ESCAPE '!'"
        ).fetchall():
            connection.execute(f"DROP TABLE {table}")
        head = replay(connection, connection, identity, progress)
        _replay_journal(connection, connection, head)
    return head


def replay(
    source: db.Connection, target: db.Connection, identity: NodeIdentity, progress: Progress = lambda _: None
) -> chain.Head:
    """Judge and execute every block of `source` from genesis, writing state and derived tables into `target`."""
    blocks = _blocks(source)
    first = next(blocks, None)
    if first is None:
        raise Rejected("there are no blocks yet: enrol this node first")
    try:
        genesis = chain.link_genesis(identity.chain, first, identity.block_key)
        executor = Executor.create(target, identity.origin.chain_id, first.header)
        sealing.store_derived(target, genesis, ())
        head = genesis.head
        for block in blocks:
            accepted = chain.accept(chain.link(head, block, identity.block_key), executor)
            sealing.store_derived(target, accepted.link, accepted.receipts)
            _project(target, accepted)
            head = accepted.head
            progress(head.height)
    except (Invalid, Rejected) as error:
        raise Corrupt(f"a stored block does not verify: {error}") from error
    return head


def _blocks(source: db.Connection) -> Iterator[Block]:
    (count,) = source.execute("SELECT count(*) FROM blocks").fetchone()
    for height in range(int(count)):
        block = sealing.read_block(source, height)
        if block is None:
            raise Corrupt(f"block {height} of {count} is missing")
        yield block


def _project(target: db.Connection, accepted: chain.Accepted) -> None:
    for place, (tx, outcome) in enumerate(zip(accepted.link.transactions, accepted.outcomes, strict=True)):
        if tx.to is None:
            continue
        _project_one(target, accepted.head.height, place, tx.data, outcome.logs, accepted.link.block.documents[place])
    if accepted.link.before is not None and not accepted.link.before.deployed:
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
    last = mark.read(folder / MARK_FILE)
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
