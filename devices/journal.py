"""reads.db: every raw read of every device, durable before anything or anyone hears of it.

The file has its own writer, apart from the site's, so that sealing a block never delays a beep. A read is recorded
once, in order, and afterwards only its state moves: recorded → taken, parked or ignored; parked → taken or ignored.
Nothing is ever deleted and no repeat is dropped: it is recorded and marked.

Reads that arrive while a commit is under way share the next one: whoever comes first commits for all who wait.

How a consumer takes reads exactly once although it keeps its results in another file: it stores what it made of a
read under the read's id, unique, and only then calls `mark`. If it dies between the two, the read is still
`recorded` at the next start; it meets its own id, and marks without acting again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from devices.decoders import symbology
from devices.protocols.base import READ_BYTES_MAX
from devices.reads import NewRead, Read, State
from ledger import db
from ledger.clock import Clock
from ledger.errors import Corrupt, Rejected, Unavailable
from ledger.seams import Random, Storage, failpoint

FILE = "reads.db"
# What a read may become, by what it is. A taken or ignored read stays so: undoing is a new act of the consumer.
_NEXT: dict[str, frozenset[str]] = {
    "recorded": frozenset(("taken", "parked", "ignored")),
    "parked": frozenset(("parked", "taken", "ignored")),
    "taken": frozenset(("taken",)),
    "ignored": frozenset(("ignored",)),
}
OWN_CLOCK = 1  # ledger.md, meta label 5: 0 hub-confirmed, 1 own clock, 2 doubtful
CONTEXT_BYTES_MAX = 4_096
NOTE_LENGTH_MAX = 500
DEVICE_LENGTH_MAX = 64
BATCH_MAX = 1_000
REPEAT_MS = 300

# `reads` is only ever appended to at its end, and the one index holds only what still waits: a commit touches two
# pages. A read's id is the run's random number and the row's position, so it needs no index of its own.
SCHEMA = (
    """
    CREATE TABLE reads (
        position   INTEGER PRIMARY KEY,
        run        BLOB NOT NULL,
        device     TEXT NOT NULL,
        sequence   INTEGER NOT NULL,
        at_ms      INTEGER NOT NULL,
        ran_ms     INTEGER NOT NULL,
        clock      INTEGER NOT NULL,
        symbology  TEXT NOT NULL,
        raw        BLOB NOT NULL,
        fault      TEXT NOT NULL,
        length     INTEGER NOT NULL,
        repeat_of  INTEGER,
        client_id  TEXT,
        context    TEXT NOT NULL,
        state      TEXT NOT NULL CHECK (state IN ('recorded', 'taken', 'parked', 'ignored')),
        note       TEXT NOT NULL,
        decoded    TEXT
    ) STRICT;
    CREATE INDEX reads_waiting ON reads (position) WHERE state = 'recorded';
    CREATE INDEX reads_parked ON reads (position) WHERE state = 'parked';
    CREATE UNIQUE INDEX reads_client ON reads (device, client_id) WHERE client_id IS NOT NULL;
    CREATE TABLE devices (device TEXT PRIMARY KEY, first INTEGER NOT NULL) STRICT;
    """,
)
_INSERT = """INSERT INTO reads (position, run, device, sequence, at_ms, ran_ms, clock, symbology, raw, fault, length,
    repeat_of, client_id, context, state, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'recorded', '')"""
_COLUMNS = """position, run, device, sequence, at_ms, ran_ms, clock, symbology, raw, fault, length, repeat_of,
    client_id, context, state, note, decoded"""


@dataclass(slots=True)
class _Ticket:
    reads: Sequence[NewRead]
    drafts: list[Read] = field(default_factory=list)
    done: list[Read] | None = None
    error: Exception | None = None


@dataclass(slots=True)
class _Last:
    """The newest read of a device, for its next sequence and for marking repeats."""

    sequence: int
    raw: bytes = b""
    ran_ms: int = 0
    position: int = 0


class Journal:
    """The open journal. Every method may be called from any thread."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        random: Random,
        quality: Callable[[], int] = lambda: OWN_CLOCK,
        repeat_ms: int = REPEAT_MS,
    ) -> None:
        """Open an existing journal; raises Rejected when it is missing. `quality`: how far the clock is trusted."""
        self._clock, self._quality, self._repeat_ms = clock, quality, repeat_ms
        with _plainly("opened"):
            self._writer = db.open_writer(path)
            db.migrate(self._writer, SCHEMA)
            self._reader = db.open_reader(path)
            row = self._writer.execute("SELECT COALESCE(MAX(position), 0) FROM reads").fetchone()
        self._run = random.bytes(8)
        self._queue: list[_Ticket] = []
        self._queue_lock, self._write_lock, self._read_lock = threading.Lock(), threading.Lock(), threading.Lock()
        self._arrived = threading.Condition()
        self._last: dict[str, _Last] = {}
        self._position = self._drafted = int(row[0])

    @staticmethod
    def create(path: Path, storage: Storage | None = None) -> None:
        """A new, empty journal; refuses to overwrite one."""
        connection = db.create(path, storage)
        try:
            db.migrate(connection, SCHEMA)
        finally:
            connection.close()

    def close(self) -> None:
        """Close both connections, after any commit under way."""
        with self._write_lock, self._read_lock:
            # The writer last: only it may fold the log back into the file.
            self._reader.close()
            self._writer.close()
        with self._arrived:
            self._arrived.notify_all()

    @property
    def position(self) -> int:
        """The newest durable read's position, 0 for none."""
        return self._position

    def record(self, reads: Sequence[NewRead]) -> list[Read]:
        """Make `reads` durable, in order and together, and return them numbered. Only then may a device be answered.

        Raises Rejected when one is malformed or its `client_id` was used for other bytes, and Unavailable when the
        disk does not take them: then none of them is recorded.
        """
        for read in reads:
            _check(read)
        if not reads:
            return []
        ticket = _Ticket(reads)
        with self._queue_lock:
            self._queue.append(ticket)
        with self._write_lock:
            while ticket.done is None and ticket.error is None:
                self._commit_waiting()
        if ticket.error is not None:
            raise ticket.error
        with self._arrived:
            self._arrived.notify_all()
        return ticket.done or []

    def mark(self, read_id: str, state: State, *, note: str = "", decoded: Mapping[str, Any] | None = None) -> Read:
        """Move one read to `state`, with what was made of it; the same again changes nothing.

        Raises Rejected for an unknown read and for a move that is not allowed.
        """
        return self.mark_all([(read_id, state)], note=note, decoded=decoded)[0]

    def mark_all(
        self,
        wishes: Iterable[tuple[str, State]],
        *,
        note: str = "",
        decoded: Mapping[str, Any] | None = None,
    ) -> list[Read]:
        """Several marks in one commit, all or none; see `mark`."""
        if len(note) > NOTE_LENGTH_MAX:
            raise Rejected(f"a note of {len(note)} characters: expected at most {NOTE_LENGTH_MAX}")
        text = None if decoded is None else json.dumps(decoded, ensure_ascii=False, sort_keys=True)
        with self._write_lock, _plainly("written"), db.transaction(self._writer):
            return [self._mark(read_id, state, note, text) for read_id, state in wishes]

    def waiting(self, limit: int = 100, *, after: int = 0) -> list[Read]:
        """The oldest reads nobody has taken, parked or ignored, in order of position."""
        return self._select("WHERE state = 'recorded' AND position > ? ORDER BY position LIMIT ?", (after, limit))

    def parked(self, limit: int = 100, *, after: int = 0) -> list[Read]:
        """The oldest parked reads, in order of position."""
        return self._select("WHERE state = 'parked' AND position > ? ORDER BY position LIMIT ?", (after, limit))

    def latest(self, limit: int = 100) -> list[Read]:
        """The newest reads in any state, newest first."""
        return self._select("ORDER BY position DESC LIMIT ?", (limit,))

    def get(self, read_id: str) -> Read:
        """One read by its id; raises Rejected when there is none."""
        position, run = _parts(read_id)
        found = self._select("WHERE position = ? AND run = ?", (position, run))
        if not found:
            raise Rejected(f"read {read_id} is not in this journal")
        return found[0]

    def counts(self) -> dict[str, int]:
        """How many reads there are in all, waiting and parked."""
        with self._read_lock, _plainly("read"):
            one = self._reader.execute(
                "SELECT (SELECT COUNT(*) FROM reads WHERE state = 'recorded'),"
                " (SELECT COUNT(*) FROM reads WHERE state = 'parked')"
            ).fetchone()
        return {"all": self._position, "recorded": int(one[0]), "parked": int(one[1])}

    def wait(self, after: int, timeout_ms: int) -> bool:
        """Wait until a read beyond position `after` is durable; False when none came within `timeout_ms`."""
        with self._arrived:
            return self._arrived.wait_for(lambda: self._position > after, timeout_ms / 1000)

    def _commit_waiting(self) -> None:
        """Commit every queued ticket together. The caller holds the write lock."""
        with self._queue_lock:
            batch, self._queue = self._queue[:BATCH_MAX], self._queue[BATCH_MAX:]
        last = dict(self._last)
        try:
            with _plainly("written"), db.transaction(self._writer):
                for ticket in batch:
                    ticket.drafts = self._insert(ticket)
                failpoint("journal.before_commit")
            self._position = self._drafted
            # From here on the reads are durable and nobody knows: at a restart they are simply still to be taken.
            failpoint("journal.committed")
        except BaseException as error:
            # Nothing of this batch is acknowledged; what the inserts remembered must go with it.
            self._drafted, self._last = self._position, last
            for ticket in batch:
                ticket.error = error if isinstance(error, Exception) else Unavailable("the journal has stopped")
            if not isinstance(error, Exception):
                raise
            return
        for ticket in batch:
            if ticket.error is None:
                ticket.done = ticket.drafts

    def _insert(self, ticket: _Ticket) -> list[Read]:
        if all(new.client_id is None for new in ticket.reads):
            return [self._append(new) for new in ticket.reads]
        # One sender's contradiction is that sender's alone: the others in this commit must not suffer from it.
        drafted, last = self._drafted, dict(self._last)
        self._writer.execute("SAVEPOINT sender")
        try:
            recorded = [self._known(new) or self._append(new) for new in ticket.reads]
        except Rejected as error:
            self._writer.execute("ROLLBACK TO sender")
            self._drafted, self._last = drafted, last
            ticket.error, recorded = error, []
        self._writer.execute("RELEASE sender")
        return recorded

    def _append(self, new: NewRead) -> Read:
        last = self._last.get(new.device) or self._remembered(new.device)
        at_ms, ran_ms = self._clock.now_ms(), self._clock.monotonic_ms()
        position, sequence = self._drafted + 1, last.sequence + 1
        repeated = last.position and last.raw == new.raw and ran_ms - last.ran_ms <= self._repeat_ms
        mark = symbology.peek(new.raw)
        length = new.length or len(new.raw)
        clock = self._quality()
        earlier = last.position if repeated else None
        context = json.dumps(dict(new.context), ensure_ascii=False, sort_keys=True) if new.context else "{}"
        times = (sequence, at_ms, ran_ms, clock)
        content = (mark, new.raw, new.fault, length, earlier, new.client_id, context)
        self._writer.execute(_INSERT, (position, self._run, new.device, *times, *content))
        self._drafted = position
        self._last[new.device] = _Last(sequence, new.raw, ran_ms, position)
        return _read((position, self._run, new.device, *times, *content, "recorded", "", None))

    def _known(self, new: NewRead) -> Read | None:
        if new.client_id is None:
            return None
        row = self._writer.execute(
            f"SELECT {_COLUMNS} FROM reads WHERE device = ? AND client_id = ?",  # noqa: S608
            (new.device, new.client_id),
        ).fetchone()
        if row is None:
            return None
        known = _read(row)
        if known.raw != new.raw:
            raise Rejected(f"{new.device} has used the id {new.client_id} for another read: send a new id")
        return known

    def _remembered(self, device: str) -> _Last:
        """Where a device's sequence stood when the program stopped."""
        row = self._writer.execute("SELECT first FROM devices WHERE device = ?", (device,)).fetchone()
        if row is None:
            self._writer.execute("INSERT INTO devices VALUES (?, ?)", (device, self._drafted + 1))
            return _Last(0)
        row = self._writer.execute(
            "SELECT sequence FROM reads WHERE device = ? AND position >= ? ORDER BY position DESC LIMIT 1",
            (device, row[0]),
        ).fetchone()
        return _Last(int(row[0]) if row else 0)

    def _mark(self, read_id: str, state: State, note: str, decoded: str | None) -> Read:
        position, run = _parts(read_id)
        row = self._writer.execute(
            f"SELECT {_COLUMNS} FROM reads WHERE position = ? AND run = ?",  # noqa: S608
            (position, run),
        ).fetchone()
        if row is None:
            raise Rejected(f"read {read_id} is not in this journal")
        found = _read(row)
        if state not in _NEXT[found.state]:
            raise Rejected(f"read {read_id} is {found.state}: it cannot become {state}")
        if found.state == state and not note and decoded is None:
            return found
        self._writer.execute(
            "UPDATE reads SET state = ?, note = ?, decoded = COALESCE(?, decoded) WHERE position = ?",
            (state, note or found.note, decoded, position),
        )
        failpoint("journal.before_mark_commit")
        row = self._writer.execute(f"SELECT {_COLUMNS} FROM reads WHERE position = ?", (position,)).fetchone()  # noqa: S608
        return _read(row)

    def _select(self, where: str, values: tuple[object, ...]) -> list[Read]:
        with self._read_lock, _plainly("read"):
            rows = self._reader.execute(f"SELECT {_COLUMNS} FROM reads {where}", values).fetchall()  # noqa: S608
        return [_read(row) for row in rows]


@contextmanager
def _plainly(done: str) -> Iterator[None]:
    """Turns the database's errors into ours: what the disk refuses is for later, what is damaged is not."""
    try:
        yield
    except db.OperationalError as error:
        raise Unavailable(
            f"the read journal could not be {done}: {error}; make room on the disk and scan again"
        ) from error
    except db.DatabaseError as error:
        raise Corrupt(f"the read journal is damaged: {error}") from error


def _check(read: NewRead) -> None:
    if not read.device or len(read.device) > DEVICE_LENGTH_MAX or not read.device.isprintable():
        raise Rejected(f"{read.device[:80]!r} is not a device name: expected up to {DEVICE_LENGTH_MAX} characters")
    if len(read.raw) > READ_BYTES_MAX:
        raise Rejected(f"a read of {len(read.raw)} bytes: expected at most {READ_BYTES_MAX}; no bar code is longer")
    if read.client_id is not None and not (0 < len(read.client_id) <= 64 and read.client_id.isprintable()):
        raise Rejected("a client's id has 1 to 64 printable characters")
    if read.context and len(json.dumps(dict(read.context))) > CONTEXT_BYTES_MAX:
        raise Rejected(f"the context of a read has more than {CONTEXT_BYTES_MAX} bytes")


def _parts(read_id: str) -> tuple[int, bytes]:
    try:
        raw = bytes.fromhex(read_id)
    except (ValueError, TypeError):
        raw = b""
    if len(raw) != 16 or raw.hex() != read_id or raw[8] > 127:
        raise Rejected(f"{read_id!r} is not a read's id: expected 32 lower-case hex digits")
    return int.from_bytes(raw[8:], "big"), raw[:8]


def _read(row: db.Row) -> Read:
    """A row as a value; text the program cannot have written means damage."""
    position, run = int(row[0]), bytes(row[1])
    try:
        context, decoded = json.loads(row[13]), None if row[16] is None else json.loads(row[16])
    except ValueError as error:
        raise Corrupt(f"read {position} of the journal is damaged: {error}") from error
    return Read(
        read_id=f"{run.hex()}{position:016x}",
        position=position,
        device=row[2],
        sequence=row[3],
        at_ms=row[4],
        ran_ms=row[5],
        clock=row[6],
        symbology=row[7],
        raw=bytes(row[8]),
        fault=row[9],
        length=row[10],
        repeat_of=None if row[11] is None else f"{run.hex()}{row[11]:016x}",
        client_id=row[12],
        context=context,
        state=cast(State, row[14]),
        note=row[15],
        decoded=decoded,
    )
