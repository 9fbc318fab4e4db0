"""Blocks of our own that come back from the hub: a node restored from a backup catches up with what it had signed.

The hub's copies are linked and executed like any block; nothing is signed. Operations of the journal that are in the
blocks leave it. The others, acknowledged after the backup's moment or before, are executed again on the new head and
keep their op_id and content; one that the chain now refuses is kept as a claim, for people to settle.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger import chain, db, events
from ledger.block import Block
from ledger.calls import decode as decode_call
from ledger.errors import Invalid, LedgerError
from ledger.evm import Executor
from ledger.ids import OpId
from ledger.seams import failpoint
from ledger.transactions import parse, sign
from node import audit, journal, projection, sealing, store
from node.identity import NodeIdentity, NodeKeys
from node.timekeeping import Moment


def adopt(
    connection: db.Connection,
    identity: NodeIdentity,
    keys: NodeKeys,
    blocks: Sequence[Block],
    moment: Moment,
    now_ms: int,
) -> chain.Head:
    """Put `blocks` after the head, in one transaction, and everything that follows from them and the journal.

    `moment` is the time of the pending block that the rest of the journal goes into. Raises Invalid, with nothing
    changed, for a block that does not follow. The caller then has to take the signing mark for the new head: until it
    has, the fact `adopted` says that the database is ahead of the mark for a good reason.
    """
    with db.transaction(connection):
        waiting = journal.entries(connection)
        head = sealing.read_head(connection, identity.chain)
        if head is None:
            raise Invalid("there is no chain yet that blocks could follow")
        for block in blocks:
            link = chain.link(head, block, identity.block_key)
            connection.execute(
                "INSERT INTO blocks VALUES (?, ?, ?, ?, ?)",
                (link.head.height, link.head.hash, link.head.timestamp, now_ms, store.pack(block.encode())),
            )
            head = link.head
        connection.execute("DELETE FROM journal")
        # Executes every block from genesis: what comes from outside is judged as strictly as by anyone else.
        head = audit.rebuild(connection, identity)
        if waiting:
            _record_again(connection, identity, keys, head, waiting, moment)
        store.set_fact(connection, store.FACT_ADOPTED, f"{head.height} {head.hash.hex()}")
        # Dying here leaves the node as short as it was; the next exchange gives it the same blocks.
        failpoint("adopt.before_commit")
    return head


def _record_again(
    connection: db.Connection,
    identity: NodeIdentity,
    keys: NodeKeys,
    head: chain.Head,
    waiting: Sequence[journal.Entry],
    moment: Moment,
) -> None:
    executor = Executor.open(connection)
    pending = sealing.Pending(head.height + 1, max(moment.time_s, head.timestamp + 1), moment.quality, 0)
    executor.begin(pending.time_s)
    nonce = executor.nonce(identity.chain.node)
    sequence = max(entry.sequence for entry in waiting)
    for entry in waiting:
        if _is_known(connection, entry.op_id):
            continue
        tx = parse(entry.raw)
        if not pending.fits(tx.gas, len(tx.data) + len(entry.document)):
            pending = sealing.Pending(pending.height + 1, pending.time_s + 1, moment.quality, 0)
            executor.follow(pending.time_s)
        raw = sign(keys.transaction, identity.origin.chain_id, nonce, tx.to, tx.data, tx.gas)
        try:
            outcome = executor.execute(raw)
            problem = "" if outcome.ok else outcome.reason
        except LedgerError as error:
            problem = str(error)
        if problem:
            connection.execute(
                "INSERT OR IGNORE INTO claims VALUES (?, ?, ?, ?, ?, ?)",
                (entry.op_id.raw, entry.content, entry.raw, entry.document, problem, entry.recorded_at_ms),
            )
            continue
        sequence, nonce = sequence + 1, nonce + 1
        again = journal.Entry(
            sequence, entry.op_id, entry.content, raw, entry.document, pending.height, pending.time_s,
            pending.quality, entry.recorded_at_ms, journal.outcome_of(outcome.gas_used, outcome.logs),
        )  # fmt: skip
        journal.append(connection, again)
        op_id, call = decode_call(tx.data)
        happened = tuple(events.decode_logs(outcome.logs))
        taken = sealing.Waiting(op_id, entry.content, chain.Operation(raw, entry.document), happened)
        place = pending.add(taken, sequence, outcome.gas_used)
        step = projection.Step(op_id, pending.height, place, call, happened, entry.document)
        projection.apply(connection, step)


def _is_known(connection: db.Connection, op_id: OpId) -> bool:
    return connection.execute("SELECT 1 FROM operations WHERE op_id = ?", (op_id.raw,)).fetchone() is not None
