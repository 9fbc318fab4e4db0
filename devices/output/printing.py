"""Print jobs: durable, one a connection, and never printed twice by a guess.

    queued ─▶ sending ─▶ confirmed   the printer took it all and its status says that nothing is left over
       ▲         │  └──▶ sent        it took it all and does not tell more
       └─ (asked before it was sent: no paper, head open, paused, not there)
                 └─────▶ unknown     the connection broke, or this program died, while it was being sent

A job that is `unknown` may have been printed. A label that exists twice is worse than one that is missing, so only a
person's wish prints it again, as a new job. Printers lose or join jobs whose connections overlap: the next one waits
until the printer has closed the one before, and one process at a time prints from a file of jobs. Source of the
status: Zebra, ZPL II programming guide, ~HS.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from devices.output.printer import Line, Printer, Status
from ledger import db, lock
from ledger.clock import Clock
from ledger.errors import Rejected, Unavailable
from ledger.seams import failpoint

FILE = "prints.db"
State = Literal["queued", "sending", "sent", "confirmed", "unknown"]
JOB_BYTES_MAX = 1_000_000
PATIENCE_MS = 15_000  # for the paper of one job, and for another process that prints
ASK_MS = 250

SCHEMA = (
    """
    CREATE TABLE jobs (
        job     INTEGER PRIMARY KEY,
        printer TEXT NOT NULL,
        at_ms   INTEGER NOT NULL,
        title   TEXT NOT NULL,
        data    BLOB NOT NULL,
        state   TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'confirmed', 'unknown')),
        note    TEXT NOT NULL,
        again   INTEGER REFERENCES jobs (job)
    ) STRICT;
    CREATE INDEX jobs_waiting ON jobs (printer, job) WHERE state = 'queued';
    """,
)


@dataclass(frozen=True, slots=True)
class Job:
    """One print job. `again` names the job whose paper is missing and which this one prints again."""

    job: int
    printer: str
    title: str
    data: bytes
    state: State
    note: str
    again: int | None = None


class PrintQueue:
    """The jobs of all printers, in one file. Used by one thread at a time."""

    def __init__(self, path: Path, *, clock: Clock, patience_ms: int = PATIENCE_MS) -> None:
        """Open or create; what was being sent when the program died becomes `unknown`."""
        if not path.exists():
            db.create(path).close()
        self._path, self._patience_ms = path, patience_ms
        self._connection, self._clock = db.open_writer(path), clock
        db.migrate(self._connection, SCHEMA)
        with contextlib.suppress(Unavailable), self._alone(0):
            self._find_lost()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, printer: str, title: str, data: bytes, *, again: int | None = None) -> Job:
        """Queue a job, durably."""
        if not data or len(data) > JOB_BYTES_MAX:
            raise Rejected(f"a print job of {len(data)} bytes: expected up to {JOB_BYTES_MAX}")
        with db.transaction(self._connection):
            cursor = self._connection.execute(
                "INSERT INTO jobs (printer, at_ms, title, data, state, note, again)"
                " VALUES (?, ?, ?, ?, 'queued', '', ?)",
                (printer, self._clock.now_ms(), title, data, again),
            )
        return self.get(int(cursor.lastrowid or 0))

    def again(self, job: int) -> Job:
        """Print a job once more because a person says that its paper is missing; Rejected while it still waits."""
        found = self.get(job)
        if found.state in ("queued", "sending"):
            raise Rejected(f"job {job} is {found.state}: it has not been printed yet")
        return self.add(found.printer, found.title, found.data, again=job)

    def get(self, job: int) -> Job:
        """One job; raises Rejected when there is none."""
        found = self._select("WHERE job = ?", (job,))
        if not found:
            raise Rejected(f"there is no print job {job}")
        return found[0]

    def jobs(self, limit: int = 100) -> list[Job]:
        """The newest jobs, newest first."""
        return self._select("ORDER BY job DESC LIMIT ?", (limit,))

    def waiting(self) -> list[str]:
        """The printers that jobs wait for, that of the oldest one first."""
        return list(dict.fromkeys(job.printer for job in self._select("WHERE state = 'queued' ORDER BY job", ())))

    def print_next(self, name: str, printer: Printer) -> Job | None:
        """Print the oldest job that waits for the printer `name`; None when none does.

        Raises Unavailable with what a person must do, and then the job still waits.
        """
        with self._alone(self._patience_ms):
            self._find_lost()
            waiting = self._select("WHERE printer = ? AND state = 'queued' ORDER BY job LIMIT 1", (name,))
            return self._print(waiting[0], name, printer) if waiting else None

    @contextlib.contextmanager
    def _alone(self, patience_ms: int) -> Iterator[None]:
        """Be the one process that prints from this file: two would take the same job, and print it twice. Raises
        Unavailable when another one is at it for longer than `patience_ms`."""
        until_ms = self._clock.monotonic_ms() + patience_ms
        with contextlib.ExitStack() as held:
            while True:
                try:
                    held.enter_context(lock.hold(self._path.parent, f"{self._path.name}.lock"))
                    break
                except Unavailable:
                    if self._clock.monotonic_ms() >= until_ms:
                        raise
                self._clock.sleep_ms(ASK_MS)
            yield

    def _find_lost(self) -> None:
        """Nobody else prints, so whoever was sending has died."""
        with db.transaction(self._connection):
            self._connection.execute(
                "UPDATE jobs SET state = 'unknown', note = 'the program ended while it was being sent'"
                " WHERE state = 'sending'"
            )

    def _print(self, job: Job, name: str, printer: Printer) -> Job:
        with printer.connected() as line:
            before = line.status()
            if before is not None and before.problem:
                raise Unavailable(f"{name}: {before.problem}")
            self._move(job.job, "sending")
            # From here on nobody can know whether paper came out, so a death here leaves the job unknown.
            failpoint("print.sending")
            try:
                line.send(job.data)
                after = self._through(line) if before is not None else None
                line.finish()
            except Unavailable as error:
                self._move(job.job, "unknown", str(error))
                return self.get(job.job)
        self._move(job.job, *_verdict(before, after))
        return self.get(job.job)

    def _through(self, line: Line) -> Status | None:
        """What the printer says once it is done; what it says last when it is not done in time."""
        until_ms = self._clock.monotonic_ms() + self._patience_ms
        while (said := line.status()) is not None and (said.problem or said.left):
            if self._clock.monotonic_ms() >= until_ms:
                break
            self._clock.sleep_ms(ASK_MS)
        return said

    def _move(self, job: int, state: State, note: str = "") -> None:
        with db.transaction(self._connection):
            self._connection.execute("UPDATE jobs SET state = ?, note = ? WHERE job = ?", (state, note, job))

    def _select(self, where: str, values: Sequence[object]) -> list[Job]:
        rows = self._connection.execute(
            f"SELECT job, printer, title, data, state, note, again FROM jobs {where}",  # noqa: S608
            tuple(values),
        ).fetchall()
        return [Job(row[0], row[1], row[2], bytes(row[3]), cast(State, row[4]), row[5], row[6]) for row in rows]


def _verdict(before: Status | None, after: Status | None) -> tuple[State, str]:
    if before is None or after is None:
        return "sent", "the printer does not tell what became of it"
    if after.problem:
        return "unknown", after.problem
    if after.left:
        return "sent", f"{after.left} labels are still to come"
    return "confirmed", ""
