"""The last head ever signed for each log, in a file of its own, changed by compare-and-swap only.

The hub's database may be restored from yesterday's backup; what the hub has signed since cannot be taken back. So
every hub checkpoint and every cosignature passes through here first and is durable here before it leaves the house.
A signature that would contradict an earlier one is never made. Keep this file out of the database's backup.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from ledger import db
from ledger.errors import Corrupt
from ledger.seams import Storage, failpoint

STEPS = (
    """CREATE TABLE heads(
        name TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, frontier BLOB NOT NULL
    ) STRICT;""",
)


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The newest (size, root) signed under a name; `frontier` is the edge of that tree, where we keep the tree."""

    size: int
    root: bytes
    frontier: bytes


class Heads:
    """The open file. Safe to use from several threads."""

    def __init__(self, connection: db.Connection) -> None:
        db.migrate(connection, STEPS)
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path, storage: Storage | None = None) -> Heads:
        """A new file; refuses to overwrite, because an empty one would forget every promise."""
        return cls(db.create(path, storage))

    @classmethod
    def open(cls, path: Path) -> Heads:
        return cls(db.open_writer(path))

    def get(self, name: str) -> SignedHead | None:
        """The newest head signed under `name`, or None."""
        with self._lock:
            return _get(self._connection, name)

    def advance(self, name: str, size: int, root: bytes, frontier: bytes = b"") -> None:
        """Promise that (size, root) may now be signed under `name`; returns once the promise is durable.

        The same head again is fine. A smaller size, or another root at the same size, raises `Corrupt`: our
        database is older than our own signature, and going on would split the log.
        """
        with self._lock, db.transaction(self._connection):
            last = _get(self._connection, name)
            if last is not None and (size, root) == (last.size, last.root):
                return
            if last is not None and size <= last.size:
                raise Corrupt(
                    f"{name}: asked to sign size {size}, but size {last.size} with root {last.root.hex()} is signed "
                    "already; the hub's database is older than its signatures: restore a newer one"
                )
            self._connection.execute(
                "INSERT INTO heads VALUES (?, ?, ?, ?) ON CONFLICT(name) DO UPDATE"
                " SET size = excluded.size, root = excluded.root, frontier = excluded.frontier",
                (name, size, root, frontier),
            )
        # From here on the promise stands. If we die before signing, the same head may still be signed later.
        failpoint("hub.head_promised")

    def close(self) -> None:
        self._connection.close()

    @staticmethod
    def read(path: Path, name: str) -> SignedHead | None:
        """The newest head signed under `name`, read beside whoever has the file open."""
        connection = db.open_reader(path)
        try:
            return _get(connection, name)
        finally:
            connection.close()


def _get(connection: db.Connection, name: str) -> SignedHead | None:
    row = db.one(connection, "SELECT size, root, frontier FROM heads WHERE name = ?", (name,))
    return None if row is None else SignedHead(**row)
