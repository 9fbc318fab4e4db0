"""A site's chain executed again: its state in the ledger's own store, one file a site and incarnation.

The file is a cache that can be rebuilt from the hub's blocks at any time. It is committed first, with the head it
stands on and with the outcomes that the projection has yet to read; the hub's database follows. So after a crash the
file may be ahead of the projection, never behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hub.store import Session
from ledger import chain, db
from ledger.block import Block
from ledger.block_rules import Identity
from ledger.codec import cbor_decode, cbor_encode
from ledger.errors import Corrupt, Invalid
from ledger.keys import VerifyKey
from ledger.seams import failpoint

STEPS = (
    """CREATE TABLE replica(id INTEGER PRIMARY KEY CHECK(id = 1), head BLOB NOT NULL) STRICT;
    CREATE TABLE outcomes(height INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, receipts BLOB NOT NULL) STRICT;""",
)


class Replica:
    """One open replica. For one thread at a time."""

    def __init__(self, connection: db.Connection, identity: Identity) -> None:
        from ledger.evm import Executor  # the engine is slow to load: only who verifies pays for it

        self._connection = connection
        self._executor = Executor.open(connection)
        row = connection.execute("SELECT head FROM replica").fetchone()
        self.head = chain.Head.decode(identity, bytes(row[0]))
        if self._executor.head.hash != self.head.hash:
            raise Corrupt(f"the replica of {identity.origin} contradicts itself at height {self.head.height}")

    @classmethod
    def create(cls, path: Path, identity: Identity, genesis: Block, key: VerifyKey) -> Replica:
        """A new file from a chain's block 0, whose bytes and empty state are judged here."""
        from ledger.evm import Executor

        link = chain.link_genesis(identity, genesis, key)
        if link.meta.previous is not None:
            raise Invalid(
                f"{identity.origin} continues {link.meta.previous.origin}: its inherited accounts cannot be "
                "checked by this version of the hub"
            )
        path.parent.mkdir(mode=0o700, exist_ok=True)
        connection = db.create(path)
        db.migrate(connection, STEPS)
        with db.transaction(connection):
            Executor.create(connection, identity.origin.chain_id, genesis.header)
            connection.execute("INSERT INTO replica VALUES (1, ?)", (link.head.encode(),))
            connection.execute("INSERT INTO outcomes VALUES (0, ?, ?)", (link.header.timestamp, cbor_encode([])))
        return cls(connection, identity)

    def advance(self, blocks: Sequence[tuple[Block, VerifyKey]]) -> None:
        """Execute the next blocks again and keep their outcomes: all of them in one transaction, or none.

        Raises Invalid when one of them is not true; the replica then stands where it stood.
        """
        head = self.head
        try:
            with db.transaction(self._connection):
                for block, key in blocks:
                    accepted = chain.accept(chain.link(head, block, key), self._executor)
                    head = accepted.head
                    self._connection.execute(
                        "INSERT INTO outcomes VALUES (?, ?, ?)",
                        (head.height, head.timestamp, cbor_encode(list(accepted.receipts))),
                    )
                self._connection.execute("UPDATE replica SET head = ?", (head.encode(),))
        except BaseException:
            # What the engine holds in memory belongs to a transaction that never was.
            self._executor.discard()
            raise
        self.head = head
        failpoint("hub.replica_committed")

    def outcomes(self, start: int, count: int) -> list[tuple[int, int, tuple[bytes, ...]]]:
        """(height, seconds, EVM receipts as trie values) of up to `count` blocks from `start` on."""
        rows = self._connection.execute(
            "SELECT height, timestamp, receipts FROM outcomes WHERE height >= ? ORDER BY height LIMIT ?",
            (start, count),
        ).fetchall()
        return [(row[0], row[1], tuple(cbor_decode(bytes(row[2])))) for row in rows]

    def forget(self, below: int) -> None:
        """Drop the outcomes of blocks under height `below`: the projection has them."""
        with db.transaction(self._connection):
            self._connection.execute("DELETE FROM outcomes WHERE height < ?", (below,))

    def close(self) -> None:
        self._connection.close()


def open_replica(path: Path, identity: Identity, session: Session) -> Replica | None:
    """The replica in `path` if it stands on a block that the hub holds; None when it has to be rebuilt."""
    if not path.exists():
        return None
    try:
        connection = db.open_writer(path)
    except Exception:  # a file torn by a crash at its making, or damaged since: only a cache
        return None
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] != len(STEPS):
            raise Corrupt("the replica has another version's tables")
        replica = Replica(connection, identity)
    except (Corrupt, Invalid, TypeError, db.DatabaseError):
        connection.close()
        return None
    held = session.value(
        "SELECT hash FROM blocks WHERE origin = :origin AND height = :height",
        origin=str(identity.origin),
        height=replica.head.height,
    )
    if held is None or bytes(held) != replica.head.hash:
        replica.close()
        return None
    return replica


def discard(path: Path) -> None:
    """Remove a replica with everything SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
