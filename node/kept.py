"""What is made of many rows is made once, as long as nothing it was made from changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ledger.db import Connection

T = TypeVar("T")


class Kept(Generic[T]):
    """The last `most` things that were made, which nobody may change.

    Each has a version, read at the same moment of the database, which differs after every commit that would have
    another thing made: so no connection or process has to tell another. What a transaction sees of its own doing may
    be taken back, so what was made of that is not kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: dict[tuple[str, Hashable], T] = {}
        self._lock = threading.Lock()

    def get(self, connection: Connection, version: Hashable, make: Callable[[], T]) -> T:
        """What `make` makes of the database as this connection sees it."""
        file = connection.execute("PRAGMA database_list").fetchone()[2]
        if not file or (connection.in_transaction and connection.total_changes):
            return make()
        key = (file, version)
        found = self._made.get(key)
        if found is None:
            found = make()
            with self._lock:
                while len(self._made) >= self._most:
                    del self._made[next(iter(self._made))]
                self._made[key] = found
        return found


def newest(connection: Connection, *methods: str) -> tuple[object, ...]:
    """The newest operation by one of these calls, with the hash of its block, or while it waits for that the newest
    block's: the version of all that follows from these calls alone, here or in any copy of the same chain."""
    found = [
        row
        for method in methods
        for row in connection.execute(
            "SELECT o.height, o.place, o.op_id, COALESCE(b.hash, (SELECT hash FROM blocks ORDER BY height DESC"
            " LIMIT 1)) FROM operations o LEFT JOIN blocks b ON b.height = o.height WHERE o.call = ?"
            " ORDER BY o.height DESC, o.place DESC LIMIT 1",
            (method,),
        )
    ]
    return max(found, default=())
