"""The only door to SQLite.

One file has one writer connection, which alone checkpoints; every other connection is read-only. Settings and the
reasons for them: WAL with `synchronous=FULL` is the only cheap setting under which an acknowledgement is true after
power loss; `mmap_size=0` and a SQLite without the WAL-reset bug (3.7.0 to 3.51.2) keep two connections apart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import unquote

from ledger import lock
from ledger.errors import Corrupt, Rejected, Unavailable
from ledger.seams import DiskStorage, Storage, failpoint

try:  # the bundled library is newer than most systems' and can encrypt at rest
    from sqlcipher3 import dbapi2 as driver

    DRIVER = "sqlcipher3"
except ImportError:  # pragma: no cover - where no wheel exists
    driver = sqlite3
    DRIVER = "sqlite3"

if TYPE_CHECKING:
    from sqlite_utils import Database

Connection: TypeAlias = sqlite3.Connection
Row: TypeAlias = tuple[Any, ...]
Step: TypeAlias = str | Callable[[Connection], None]

DatabaseError: type[Exception] = driver.DatabaseError
OperationalError: type[Exception] = driver.OperationalError
IntegrityError: type[Exception] = driver.IntegrityError

VERSION: str = driver.sqlite_version
FIRST_SAFE_VERSION = (3, 51, 3)
CACHE_KIB = 8 * 1024
BUSY_TIMEOUT_MS = 5_000
AUTOCHECKPOINT_PAGES = 1_000
PAGE_BYTES = 4096


def library() -> str:
    """One line for the log and the status page: which SQLite is in use, and whether it is safe."""
    safe = tuple(int(part) for part in VERSION.split(".")) >= FIRST_SAFE_VERSION
    return f"SQLite {VERSION} by {DRIVER}" + ("" if safe else " (has the WAL-reset bug; install sqlcipher3)")


def create(path: Path, storage: Storage | None = None, *, page_bytes: int = PAGE_BYTES) -> Connection:
    """A new database file, in WAL mode, durable before this returns. Refuses an existing file.

    `page_bytes` is for the life of the file: small pages write less where a commit touches many places a little.
    """
    if path.exists():
        raise Rejected(f"{path} exists already; remove it yourself if it is really not needed")
    connection = _connect(f"file:{_quoted(path)}?mode=rwc")
    connection.execute(f"PRAGMA page_size={page_bytes}")
    # The rollback journal of this very switch could come back after a power cut and undo everything since.
    connection.execute("PRAGMA synchronous=EXTRA")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    (storage or DiskStorage()).sync_directory(path.parent)
    path.chmod(0o600)
    return open_writer(path)


MISSING = "{} is missing: put it back from a backup; `init` makes a new one, in an empty folder"


def open_writer(path: Path) -> Connection:
    """The one writing connection of an existing file. Manual transactions: see `transaction`."""
    if not path.exists():
        raise Rejected(MISSING.format(path))
    connection = _connect(f"file:{_quoted(path)}?mode=rw")
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=FAST",  # what was overwritten is zeros in every page that is written anyway; see `erasing`
        f"wal_autocheckpoint={AUTOCHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def open_reader(path: Path) -> Connection:
    """A read-only connection: writes fail, and it never checkpoints."""
    if not path.exists():
        raise Rejected(MISSING.format(path))
    connection = _connect(f"file:{_quoted(path)}?mode=ro")
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def memory() -> Connection:
    """A database that lives as long as its connection; for pure computations and tests."""
    return _connect("file::memory:")


@contextmanager
def transaction(connection: Connection) -> Iterator[Connection]:
    """All or nothing, durable when the block ends. Nested use joins the outer transaction."""
    if connection.in_transaction:
        yield connection
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        failpoint("db.before_commit")
        connection.execute("COMMIT")
    except BaseException:
        # After a failed COMMIT SQLite may have rolled back already; a second ROLLBACK would hide the first error.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    failpoint("db.after_commit")


@contextmanager
def erasing(connection: Connection) -> Iterator[None]:
    """What is deleted or overwritten in the transaction inside is zeros afterwards, in the file and in its log.

    A reader that looks on meanwhile keeps the log as it is: `settle` at the next start empties it then.
    """
    connection.execute("PRAGMA secure_delete=ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA secure_delete=FAST")
    settle(connection)


def settle(connection: Connection) -> None:
    """Bring the write-ahead log into the file and empty it, unless somebody is reading."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def migrate(connection: Connection, steps: Sequence[Step]) -> None:
    """Bring the schema up to date: `steps[n]` is the SQL script from version n to n + 1, or what does work that SQL
    cannot. All are in one transaction.

    The version lives in the file's `user_version`. A file newer than this program is refused untouched.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(steps):
        raise Rejected(
            f"the database has schema {version}, this program knows {len(steps)}: install the newer program again"
        )
    if version == len(steps):
        return
    with transaction(connection):
        for step in steps[version:]:
            if callable(step):
                step(connection)
                continue
            for statement in _statements(step):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(steps)}")
    failpoint("db.migrated")


def copy(source: Path, target: Connection) -> None:
    """Make `target` hold what the database file `source` holds, and nothing else."""
    reader = open_reader(source)
    try:
        reader.backup(target)
    finally:
        reader.close()


def check(connection: Connection) -> None:
    """SQLite's own check of the whole file; raises `Corrupt` with its first complaint."""
    complaint = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if complaint != "ok":
        raise Corrupt(f"the database is damaged: {complaint}; restore a backup or rebuild from the hub")


def toolbox(connection: Connection) -> Database:
    """The same connection with sqlite-utils' conveniences, for bulk and schema work away from the hot path."""
    from sqlite_utils import Database

    return Database(connection)


def rows(connection: Connection, sql: str, values: Iterable[object] = ()) -> list[dict[str, Any]]:
    """Every row of a query as a dictionary by column name."""
    cursor = connection.execute(sql, tuple(values))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def one(connection: Connection, sql: str, values: Iterable[object] = ()) -> dict[str, Any] | None:
    """The first row of a query as a dictionary, or None."""
    cursor = connection.execute(sql, tuple(values))
    row = cursor.fetchone()
    if row is None:
        return None
    return dict(zip([column[0] for column in cursor.description], row, strict=True))


def _connect(uri: str) -> Connection:
    name = unquote(uri.removeprefix("file:").partition("?")[0])
    try:
        connection = driver.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute("PRAGMA mmap_size=0")
        connection.execute("PRAGMA schema_version").fetchone()  # the first that reads the file
    except driver.OperationalError as error:
        lock.writable(Path(name).parent)
        raise Unavailable(f"cannot open the database {name}: {error}") from error
    except driver.DatabaseError as error:
        raise Corrupt(f"the database {name} is damaged: {error}; put back a copy of it") from error
    return cast(Connection, connection)


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
