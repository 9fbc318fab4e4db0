"""A site's chain executed again: its state in the ledger's own store, one file a site and incarnation.

The file is a cache that can be rebuilt from the hub's blocks at any time. It is committed first, with the head it
stands on and with the outcome of every block; the projection in the hub's database follows. So after a crash the file
may be ahead of the projection, never behind it. Outcomes stay: whoever asks for an operation's receipt needs them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from hub.store import Session
from ledger import chain, db
from ledger.block import Block, Previous
from ledger.block_rules import Identity
from ledger.codec import cbor_decode, cbor_encode
from ledger.errors import Corrupt, Invalid
from ledger.keys import VerifyKey
from ledger.seams import failpoint

STEPS = (
    """CREATE TABLE replica(id INTEGER PRIMARY KEY CHECK(id = 1), head BLOB NOT NULL) STRICT;
    CREATE TABLE outcomes(
        height INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, root BLOB NOT NULL, receipts BLOB NOT NULL
    ) STRICT;""",
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
    def create(
        cls, path: Path, identity: Identity, genesis: Block, key: VerifyKey, *, before: Path | None = None
    ) -> Replica:
        """A new file from a chain's block 0, whose bytes and state are judged here.

        `before` is the replica of the incarnation that it continues, which stands on the block that it names.
        """
        from ledger.evm import Executor

        link = chain.link_genesis(identity, genesis, key)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        connection = db.create(path)
        if before is not None:
            db.copy(before, connection)
        db.migrate(connection, STEPS)
        with db.transaction(connection):
            if identity.previous is None:
                Executor.create(connection, identity.origin.chain_id, genesis.header)
            else:
                _inherit(connection, identity.previous, identity.origin.chain_id, genesis.header)
            connection.execute("INSERT INTO replica VALUES (1, ?)", (link.head.encode(),))
            connection.execute(
                "INSERT INTO outcomes VALUES (0, ?, ?, ?)", (link.header.timestamp, link.head.log.root(), _packed(()))
            )
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
                        "INSERT INTO outcomes VALUES (?, ?, ?, ?)",
                        (head.height, head.timestamp, head.log.root(), _packed(accepted.receipts)),
                    )
                self._connection.execute("UPDATE replica SET head = ?", (head.encode(),))
        except BaseException:
            # What the engine holds in memory belongs to a transaction that never was.
            self._executor.discard()
            raise
        self.head = head
        failpoint("hub.replica_committed")

    def root(self, size: int) -> bytes:
        """The root of the site's log as the executed blocks give it at `size`."""
        row = self._connection.execute("SELECT root FROM outcomes WHERE height = ?", (size - 1,)).fetchone()
        return bytes(row[0]) if row else b""

    def outcomes(self, start: int, count: int) -> list[tuple[int, int, tuple[bytes, ...]]]:
        """(height, seconds, EVM receipts as trie values in order) of up to `count` blocks from `start` on."""
        rows = self._connection.execute(
            "SELECT height, timestamp, receipts FROM outcomes WHERE height >= ? ORDER BY height LIMIT ?",
            (start, count),
        ).fetchall()
        return [(row[0], row[1], _unpacked(bytes(row[2]))) for row in rows]

    def close(self) -> None:
        self._connection.close()


def _inherit(connection: db.Connection, previous: Previous, chain_id: int, header: bytes) -> None:
    """Let the accounts of the chain before be those of the one that `header` begins."""
    from ledger.evm import Executor

    executor = Executor.open(connection)
    if executor.head.hash != previous.hash:
        raise Corrupt(f"the replica of {previous.origin} does not stand on block {previous.height}")
    executor.inherit(chain_id, header)
    connection.execute("DELETE FROM replica")
    connection.execute("DELETE FROM outcomes")


def _packed(receipts: Sequence[bytes]) -> bytes:
    return zlib.compress(cbor_encode(list(receipts)), 1)


def _unpacked(stored: bytes) -> tuple[bytes, ...]:
    return tuple(cbor_decode(zlib.decompress(stored)))


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


def outcome(path: Path, height: int) -> tuple[bytes, ...] | None:
    """The EVM receipts of one block as trie values, read beside whoever is writing; None if they are not there."""
    if not path.exists():
        return None
    connection = db.open_reader(path)
    try:
        row = connection.execute("SELECT receipts FROM outcomes WHERE height = ?", (height,)).fetchone()
    finally:
        connection.close()
    return None if row is None else _unpacked(bytes(row[0]))


def discard(path: Path) -> None:
    """Remove a replica with everything SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
