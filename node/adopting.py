"""Blocks of our own that come back from the hub: a node restored from a backup catches up with what it had signed.

The hub's copies are linked and executed like any block; nothing is signed. Operations of the journal that are in the
blocks leave it. The others, acknowledged after the backup's moment or before, are recorded again (`node/replaying`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger import chain, db
from ledger.block import Block
from ledger.errors import Invalid
from ledger.seams import failpoint
from node import audit, sealing, store
from node.identity import NodeIdentity


def adopt(connection: db.Connection, identity: NodeIdentity, blocks: Sequence[Block], now_ms: int) -> chain.Head:
    """Put `blocks` after the head, in one transaction, and everything that follows from them.

    Raises Invalid, with nothing changed, for a block that does not follow. The caller then has to take the signing
    mark for the new head: until it has, the fact `adopted` says that the database is ahead of the mark for a good
    reason.
    """
    with db.transaction(connection):
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
        connection.execute(
            "INSERT OR IGNORE INTO replays (op_id, raw, document, recorded_at_ms)"
            " SELECT op_id, raw, document, recorded_at_ms FROM journal ORDER BY sequence"
        )
        connection.execute("DELETE FROM journal")
        # Executes every block from genesis: what comes from outside is judged as strictly as by anyone else.
        head = audit.rebuild(connection, identity)
        store.set_fact(connection, store.FACT_ADOPTED, f"{head.height} {head.hash.hex()}")
        # Dying here leaves the node as short as it was; the next exchange gives it the same blocks.
        failpoint("adopt.before_commit")
    return head
