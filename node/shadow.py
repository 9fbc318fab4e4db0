"""The node audits itself while it works: every block it has sealed is judged again, in a state of its own.

What a seal commits is the pending execution, as it came about; this executes the finished block from the state before
it, as the hub will, and compares the whole header. It runs behind the work, a few blocks at a time. Its state lies in
`audit.db`, which is worth nothing: damaged or missing, it is made again from genesis.
"""

from __future__ import annotations

import logging
from pathlib import Path

from ledger import chain, db
from ledger.errors import Corrupt, Invalid, LedgerError
from ledger.evm import Executor
from ledger.seams import Storage
from node import audit, eras, sealing
from node.eras import Era
from node.identity import NodeIdentity

log = logging.getLogger(__name__)

FILE = "audit.db"
BLOCKS_A_STEP = 5
SCHEMA = ("CREATE TABLE audited (one INTEGER PRIMARY KEY CHECK (one = 1), head BLOB NOT NULL) STRICT;",)


class Shadow:
    """The second execution of one site's chain. Not for use by two threads at once."""

    def __init__(self, folder: Path, identity: NodeIdentity, storage: Storage) -> None:
        self._path = folder / FILE
        self._identity = identity
        self._storage = storage
        self._connection: db.Connection | None = None
        self._executor: Executor | None = None
        self.head: chain.Head | None = None

    def step(self, source: db.Connection, limit: int = BLOCKS_A_STEP) -> int:
        """Judge up to `limit` blocks of `source` that were not judged yet; answers how many.

        Raises Corrupt when a block that this node signed is not true: then nothing more may be signed.
        """
        try:
            connection = self._opened(source)
        except (db.DatabaseError, LedgerError, Corrupt) as error:
            log.warning("the audit starts again", extra={"reason": str(error)})
            self._forget()
            connection = self._opened(source)
        done = 0
        while done < limit and self.head is not None and self._executor is not None:
            block = sealing.read_block(source, self.head.height + 1)
            if block is None:
                break
            try:
                with db.transaction(connection):
                    link = chain.link(self.head, block, self._identity.block_key)
                    accepted = chain.accept(link, self._executor)
                    connection.execute("INSERT OR REPLACE INTO audited VALUES (1, ?)", (accepted.head.encode(),))
            except Invalid as error:
                self.close()
                raise Corrupt(
                    f"block {self.head.height + 1}, which this node signed, is not true: {error}"
                ) from error
            except BaseException:
                # Memory is ahead of the file now; the next step opens it again.
                self.close()
                raise
            self.head = accepted.head
            done += 1
        return done

    def close(self) -> None:
        """Give the file back; the next step opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._executor = None

    def _opened(self, source: db.Connection) -> db.Connection:
        if self._connection is not None:
            return self._connection
        if not self._path.exists():
            self._begin(source)
        connection = db.open_writer(self._path)
        try:
            (stored,) = connection.execute("SELECT head FROM audited").fetchone() or (b"",)
            head = chain.Head.decode(self._identity.chain, bytes(stored))
            executor = Executor.open(connection)
            block = sealing.read_block(source, head.height)
            if executor.head.hash != head.hash or block is None or block.hash != head.hash:
                raise Corrupt("the audit's state is not of this chain")
        except BaseException:
            connection.close()
            raise
        self._connection, self._executor, self.head = connection, executor, head
        return connection

    def _begin(self, source: db.Connection) -> None:
        if sealing.read_block(source, 0) is None:
            raise Invalid("there are no blocks to audit yet")
        present = Era(self._identity, 0, 1)
        connection = db.create(self._path, self._storage)
        try:
            db.migrate(connection, SCHEMA)
            with db.transaction(connection):
                # A later incarnation's genesis stands on the blocks of the earlier ones: they are executed at once.
                for _, link, _ in audit.executed(source, connection, [*eras.earlier(source), present]):
                    head = link.head
                connection.execute("INSERT INTO audited VALUES (1, ?)", (head.encode(),))
        finally:
            connection.close()

    def _forget(self) -> None:
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(FILE + suffix).unlink(missing_ok=True)
