"""reads.db: every raw read of every device, durable before anything or anyone hears of it.

The file has its own writer, apart from the site's, so that sealing a block never delays a beep. A read is recorded
once, in order, and afterwards only its state moves: recorded → taken, parked or ignored; parked → taken or ignored.
Nothing is ever deleted and no repeat is dropped: it is recorded and marked. Of a badge only that it was one is
recorded: what it reads is a person's, and nobody asks the journal for it. A read that its scanner sent again because
it heard no answer is recorded as ignored, and where that can only be guessed (the program died before it is known to
have answered) as parked, for a person to decide: neither is counted a second time.

Reads that arrive while a commit is under way share the next one: whoever comes first commits for all who wait.

How a consumer takes reads exactly once although it keeps its results in another file: it stores what it made of a
read under the read's id, unique, and only then calls `mark`. If it dies between the two, the read is still
`recorded` at the next start; it meets its own id, and marks without acting again.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from devices.decoders import symbology
from devices.decoders.labels import Labels
from devices.decoders.scan import OUR_LABELS
from devices.reads import Again, NewRead, Read, State
from devices.rows import (
    COLUMNS,
    INSERT,
    NOTE_LENGTH_MAX,
    OF_NOBODY,
    SCHEMA,
    checked,
    place_of,
    plainly,
    read_from,
    read_id,
)
from ledger import db
from ledger.clock import Clock
from ledger.errors import Rejected, Unavailable
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
BATCH_MAX = 1_000
REPEAT_MS = 300
_SENT_AGAIN: dict[Again, tuple[State, str]] = {
    "": ("recorded", ""),
    "surely": ("ignored", "the scanner sent this read again: it had heard no answer"),
    # Whoever hears the tone for a repeat and means another one scans again: then there is no doubt any more.
    "perhaps": ("parked", "the read before again, or another one: its answer may not have been heard; scan again"),
}


@dataclass(slots=True)
class _Ticket:
    reads: Sequence[tuple[NewRead, str]]
    drafts: list[Read] = field(default_factory=list)
    done: list[Read] | None = None
    error: Exception | None = None


@dataclass(slots=True)
class _Last:
    """The newest read of a device, for its next sequence and for marking repeats."""

    sequence: int
    raw: bytes = b""
    fault: str = ""
    ran_ms: int | None = None  # None: recorded in an earlier run, so nobody knows how long ago
    read_id: str = ""


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
        labels: Labels = OUR_LABELS,
    ) -> None:
        """Open an existing journal; raises Rejected when it is missing. `quality`: how far the clock is trusted.
        `labels`: what a badge looks like."""
        self._clock, self._quality, self._repeat_ms, self._labels = clock, quality, repeat_ms, labels
        with plainly():
            self._writer = db.open_writer(path)
            db.migrate(self._writer, SCHEMA)
            self._reader = db.open_reader(path)
            row = self._writer.execute(
                "SELECT (SELECT COALESCE(MAX(position), 0) FROM reads), (SELECT upto FROM settled)"
            ).fetchone()
        self._run = random.bytes(8)
        self._closed = False
        self._changes = 0
        self._queue: list[_Ticket] = []
        self._queue_lock, self._write_lock, self._read_lock = threading.Lock(), threading.Lock(), threading.Lock()
        self._arrived = threading.Condition()
        self._last: dict[str, _Last] = {}
        self._answered: dict[str, int] = {}
        self._position = self._drafted = int(row[0])
        self._settled = int(row[1])  # every read up to here is taken, parked or ignored

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
            if not self._closed and self._answered:
                with contextlib.suppress(db.DatabaseError):  # unwritten, it only makes the next start doubt
                    self._writer.executemany(
                        "UPDATE devices SET answered = ? WHERE device = ?",
                        [(sequence, device) for device, sequence in self._answered.items()],
                    )
            self._closed = True
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
        if not reads:
            return []
        ticket = _Ticket([(self._discreet(read), checked(read)) for read in reads])
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

    def mark(
        self, identifier: str, state: State, *, note: str = "", decoded: Mapping[str, Any] | None = None
    ) -> Read:
        """Move one read to `state`, with what was made of it; the same again changes nothing.

        Raises Rejected for an unknown read and for a move that is not allowed.
        """
        return self.mark_all([(identifier, state)], note=note, decoded=decoded)[0]

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
        with self._write_lock, plainly():
            self._must_be_open()
            with db.transaction(self._writer):
                marked = [self._mark(identifier, state, note, text) for identifier, state in wishes]
                settled = self._settle()
                failpoint("journal.before_mark_commit")
            self._settled = settled
            self._changes += 1
        return marked

    def waiting(self, limit: int = 100, *, after: int = 0) -> list[Read]:
        """The oldest reads nobody has taken, parked or ignored, in order of position."""
        return self._select(
            "WHERE position > ? AND state = 'recorded' ORDER BY position LIMIT ?", (max(after, self._settled), limit)
        )

    def parked(self, limit: int = 100, *, after: int = 0, owned: bool | None = None) -> list[Read]:
        """The oldest parked reads, in order of position; of those whose context names an `actor`, of the others, or
        of all."""
        which = "1" if owned is None else f"{OF_NOBODY} = {int(not owned)}"
        return self._select(
            f"WHERE state = 'parked' AND {which} AND position > ? ORDER BY position LIMIT ?",
            (after, limit),
        )

    @property
    def changes(self) -> int:
        """How often something was committed: the same number again means the same reads in the same states."""
        return self._changes

    def latest(self, limit: int = 100) -> list[Read]:
        """The newest reads in any state, newest first."""
        return self._select("ORDER BY position DESC LIMIT ?", (limit,))

    def history(self, limit: int = 100, *, after: int = 0) -> list[Read]:
        """Reads in any state behind position `after`, oldest first."""
        return self._select("WHERE position > ? ORDER BY position LIMIT ?", (after, limit))

    def get(self, identifier: str) -> Read:
        """One read by its id; raises Rejected when there is none."""
        position, run = place_of(identifier)
        found = self._select("WHERE position = ? AND run = ?", (position, run))
        if not found:
            raise Rejected(f"read {identifier} is not in this journal")
        return found[0]

    def counts(self) -> dict[str, int]:
        """How many reads there are in all, waiting and parked."""
        with self._read_lock, plainly():
            self._must_be_open()
            one = self._reader.execute(
                "SELECT (SELECT COUNT(*) FROM reads WHERE position > ? AND state = 'recorded'),"
                " (SELECT COUNT(*) FROM reads WHERE state = 'parked')",
                (self._settled,),
            ).fetchone()
        return {"all": self._position, "recorded": int(one[0]), "parked": int(one[1])}

    def answered(self, device: str, sequence: int) -> None:
        """The device has our answer to all its reads up to `sequence`; remembered when the journal is closed."""
        with self._queue_lock:
            self._answered[device] = sequence

    def unanswered(self, device: str) -> bool:
        """Whether, as far as an earlier run wrote down, the device's last read may lack its answer."""
        with self._read_lock, plainly():
            self._must_be_open()
            row = self._reader.execute(
                "SELECT answered, (SELECT sequence FROM reads WHERE reads.device = devices.device"
                " AND position >= first ORDER BY position DESC LIMIT 1) FROM devices WHERE device = ?",
                (device,),
            ).fetchone()
        return row is not None and row[1] is not None and row[0] < row[1]

    def wait(self, after: int, timeout_ms: int) -> bool:
        """Wait until a read beyond position `after` is durable; False when none came within `timeout_ms`."""
        with self._arrived:
            return self._arrived.wait_for(lambda: self._position > after, timeout_ms / 1000)

    def _discreet(self, read: NewRead) -> NewRead:
        kept = self._labels.discreet(read.raw)
        return read if kept == read.raw else replace(read, raw=kept, length=0)

    def _must_be_open(self) -> None:
        if self._closed:
            raise Unavailable("the read journal is closed: the node is stopping")

    def _commit_waiting(self) -> None:
        """Commit every queued ticket together. The caller holds the write lock."""
        self._must_be_open()
        with self._queue_lock:
            batch, self._queue = self._queue[:BATCH_MAX], self._queue[BATCH_MAX:]
        last = dict(self._last)
        try:
            with plainly(), db.transaction(self._writer):
                for ticket in batch:
                    ticket.drafts = self._insert(ticket)
                failpoint("journal.before_commit")
            self._position = self._drafted
            self._changes += 1
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
        if all(new.client_id is None for new, _ in ticket.reads):
            return [self._append(new, context) for new, context in ticket.reads]
        # One sender's contradiction is that sender's alone: the others in this commit must not suffer from it.
        drafted, last = self._drafted, dict(self._last)
        self._writer.execute("SAVEPOINT sender")
        try:
            recorded = [self._known(new) or self._append(new, context) for new, context in ticket.reads]
        except Rejected as error:
            self._writer.execute("ROLLBACK TO sender")
            self._drafted, self._last = drafted, last
            ticket.error, recorded = error, []
        self._writer.execute("RELEASE sender")
        return recorded

    def _append(self, new: NewRead, context: str) -> Read:
        last = self._last.get(new.device) or self._remembered(new.device)
        at_ms, ran_ms = self._clock.now_ms(), self._clock.monotonic_ms()
        position, sequence = self._drafted + 1, last.sequence + 1
        recent = last.ran_ms is not None and ran_ms - last.ran_ms <= self._repeat_ms
        same = bool(last.read_id) and (last.raw, last.fault) == (new.raw, new.fault)
        earlier = last.read_id if same and (recent or new.again) else None
        state, note = _SENT_AGAIN[new.again if same else ""]
        mark = symbology.peek(new.raw)
        length = new.length or len(new.raw)
        clock = self._quality()
        identifier = read_id(self._run, position)
        values = (
            new.device,
            sequence,
            at_ms,
            ran_ms,
            clock,
            mark,
            new.raw,
            new.fault,
            length,
            earlier,
            new.client_id,
        )
        self._writer.execute(INSERT, (position, self._run, *values, context, state, note))
        self._drafted = position
        self._last[new.device] = _Last(sequence, new.raw, new.fault, ran_ms, identifier)
        return Read(identifier, position, *values, new.context, state, note)

    def _known(self, new: NewRead) -> Read | None:
        if new.client_id is None:
            return None
        row = self._writer.execute(
            f"SELECT {COLUMNS} FROM reads WHERE device = ? AND client_id = ?",  # noqa: S608
            (new.device, new.client_id),
        ).fetchone()
        if row is None:
            return None
        known = read_from(row)
        if known.raw != new.raw:
            raise Rejected(f"{new.device} has used the id {new.client_id} for another read: send a new id")
        return known

    def _remembered(self, device: str) -> _Last:
        """Where a device's sequence stood when the program stopped."""
        row = self._writer.execute("SELECT first FROM devices WHERE device = ?", (device,)).fetchone()
        if row is None:
            self._writer.execute("INSERT INTO devices (device, first) VALUES (?, ?)", (device, self._drafted + 1))
            return _Last(0)
        row = self._writer.execute(
            "SELECT sequence, raw, fault, run, position FROM reads WHERE device = ? AND position >= ?"
            " ORDER BY position DESC LIMIT 1",
            (device, row[0]),
        ).fetchone()
        if row is None:
            return _Last(0)
        return _Last(int(row[0]), bytes(row[1]), str(row[2]), None, read_id(bytes(row[3]), int(row[4])))

    def _mark(self, identifier: str, state: State, note: str, decoded: str | None) -> Read:
        position, run = place_of(identifier)
        row = self._writer.execute(
            f"SELECT {COLUMNS} FROM reads WHERE position = ? AND run = ?",  # noqa: S608
            (position, run),
        ).fetchone()
        if row is None:
            raise Rejected(f"read {identifier} is not in this journal")
        found = read_from(row)
        if state not in _NEXT[found.state]:
            raise Rejected(f"read {identifier} is {found.state}: it cannot become {state}")
        if found.state == state and not note and decoded is None:
            return found
        self._writer.execute(
            "UPDATE reads SET state = ?, note = ?, decoded = COALESCE(?, decoded) WHERE position = ?",
            (state, note or found.note, decoded, position),
        )
        row = self._writer.execute(f"SELECT {COLUMNS} FROM reads WHERE position = ?", (position,)).fetchone()  # noqa: S608
        return read_from(row)

    def _settle(self) -> int:
        """Move the mark before the oldest waiting read; answers it."""
        row = self._writer.execute(
            "SELECT position FROM reads WHERE position > ? AND state = 'recorded' ORDER BY position LIMIT 1",
            (self._settled,),
        ).fetchone()
        upto = int(row[0]) - 1 if row else self._position
        if upto != self._settled:
            self._writer.execute("UPDATE settled SET upto = ?", (upto,))
        return upto

    def _select(self, where: str, values: tuple[object, ...]) -> list[Read]:
        with self._read_lock, plainly():
            self._must_be_open()
            rows = self._reader.execute(f"SELECT {COLUMNS} FROM reads {where}", values).fetchall()  # noqa: S608
        return [read_from(row) for row in rows]
