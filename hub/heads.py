"""What this hub has signed: the last head of each log, and what it consists of. Changed by compare-and-swap only.

The hub's database may be restored from yesterday's backup; what the hub has signed since cannot be taken back. So
every signature that promises something (on a log, a site's blocks, a control record, a certificate) passes through
here first and is durable here before it leaves the house. One that would contradict an earlier one is never made. And
what only the hub could say again is kept beside it: `hub.recovering` makes a restored database whole from it. Keep
this file out of the database's backup.

    name                     size                    root                     kept, one for each place up to the size
    acme/hub                 entries of the log      its root                 each entry: origin, size, note
    acme/site/oslo/1         blocks acknowledged     root of the site's log   (the site keeps its blocks)
    acme/site/oslo/1#control sequence of the record  its digest               each record and what it is about
    acme/site/oslo/1#node    which certificate       its hash                 each certificate

It also remembers whom the hub has erased, by nothing that names them: a database put back from a backup has their
names again (`hub.people.erase_again`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger import db
from ledger.errors import Corrupt, Rejected
from ledger.seams import Storage, failpoint

STEPS = (
    """CREATE TABLE heads(name TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL) STRICT;
    CREATE TABLE kept(
        name TEXT NOT NULL, place INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY(name, place)
    ) STRICT, WITHOUT ROWID;""",
    """CREATE TABLE erased(login BLOB PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;""",
)


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The newest (size, root) signed under a name."""

    size: int
    root: bytes


class Heads:
    """The open file. Safe to use from several threads."""

    def __init__(self, connection: db.Connection) -> None:
        db.migrate(connection, STEPS)
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path, storage: Storage | None = None) -> Heads:
        """A new file; refuses to overwrite."""
        return cls(db.create(path, storage))

    @classmethod
    def open(cls, path: Path) -> Heads:
        """The existing file; raises Rejected without one, because an empty one would forget every promise."""
        if not path.exists():
            raise Rejected(f"{path} is missing, and with it what this hub has signed: put back its newest copy")
        return cls(db.open_writer(path))

    def get(self, name: str) -> SignedHead | None:
        """The newest head signed under `name`, or None."""
        with self._lock:
            return _get(self._connection, name)

    def names(self) -> list[str]:
        """Everything that was ever promised something."""
        with self._lock:
            return [str(name) for (name,) in self._connection.execute("SELECT name FROM heads ORDER BY name")]

    def kept(self, name: str, after: int, size: int) -> list[bytes] | None:
        """What `name` consists of from place `after` + 1 to `size`; None if something of it was never kept here."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT body FROM kept WHERE name = ? AND place > ? AND place <= ? ORDER BY place",
                (name, after, size),
            ).fetchall()
        return [bytes(body) for (body,) in rows] if len(rows) == size - after else None

    def advance(self, name: str, size: int, root: bytes, kept: Sequence[bytes] = ()) -> None:
        """Promise that (size, root) may now be signed under `name`; returns once the promise is durable.

        `kept`: what the last places up to `size` hold, as far as nobody else could say it again. The same head again
        is fine. A smaller size, or another root at the same size, raises `Corrupt`: our database is older than our
        own signature, and going on would split the log.
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
                "INSERT INTO heads VALUES (?, ?, ?) ON CONFLICT(name) DO UPDATE"
                " SET size = excluded.size, root = excluded.root",
                (name, size, root),
            )
            self._connection.executemany(
                "INSERT INTO kept VALUES (?, ?, ?) ON CONFLICT(name, place) DO NOTHING",
                [(name, place, body) for place, body in enumerate(kept, size - len(kept) + 1)],
            )
        # From here on the promise stands. If we die before signing, the same head may still be signed later.
        failpoint("hub.head_promised")

    def promise_erased(self, login: bytes, at_ms: int) -> None:
        """Whoever had this log-in (`people.unnamed`) until `at_ms` is to be known no more; durable on return."""
        with self._lock, db.transaction(self._connection):
            self._connection.execute("INSERT OR REPLACE INTO erased VALUES (?, ?)", (login, at_ms))
        # From here on they are erased: if we die now, the next start does it.
        failpoint("hub.erasure_promised")

    def erased(self) -> dict[bytes, int]:
        """Everyone who was erased, and when that was last."""
        with self._lock:
            return {bytes(login): int(at_ms) for login, at_ms in self._connection.execute("SELECT * FROM erased")}

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
    row = db.one(connection, "SELECT size, root FROM heads WHERE name = ?", (name,))
    return None if row is None else SignedHead(**row)
