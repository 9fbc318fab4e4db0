"""The chain's state in SQLite: accounts, storage, code, and the tries over them.

First form: the engine's own account database over a table of nodes keyed by their hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eth.db.atomic import AtomicDB
from eth.db.backends.base import BaseDB

from ledger.db import Connection


class NodeTable(BaseDB):  # type: ignore[misc]
    """Table `state_node` as the engine's key-value store; writes stay in memory until `flush`."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._unwritten: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        if key in self._unwritten:
            return self._unwritten[key]
        row = self._db.execute("SELECT value FROM state_node WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return bytes(row[0])

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._unwritten[key] = value

    def __delitem__(self, key: bytes) -> None:
        self._unwritten.pop(key, None)

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[bytes]:
        raise NotImplementedError("the nodes of the state are not listed")

    def __len__(self) -> int:
        raise NotImplementedError("the nodes of the state are not counted")

    def flush(self) -> None:
        """Write what is new, inside the caller's transaction."""
        rows = list(self._unwritten.items())
        self._db.executemany("INSERT OR REPLACE INTO state_node (key, value) VALUES (?, ?)", rows)
        self._unwritten.clear()


def engine_store(nodes: Any) -> AtomicDB:
    """The store in the form which the engine's state classes expect."""
    return AtomicDB(nodes)
