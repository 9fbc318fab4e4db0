"""How fast PINs may be guessed: never faster because of a restart, a second tablet or a clock that jumps.

A guess is written down before it is tried, so that killing the process does not give it back. Waiting is measured by
the machine's running time alone; after a restart the whole wait begins again, because nobody can tell how long the
machine was off. A person's own bucket ends in a lock; a tablet's only slows it, so that a prankster at one tablet
cannot keep everyone out.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.clock import Clock
from ledger.db import Connection
from ledger.errors import Rejected

WAIT_FIRST_MS = 30_000
WAIT_MS_MAX = 15 * 60_000
LOCKED = 50
TABLETS_MAX = 1_000


FREE = 5  # wrong PINs of a person in a row, before they wait


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose guesses are counted. `free` of them in a row cost nothing; `lock` ends in a lock."""

    name: str
    free: int
    lock: bool


def person(actor: str) -> Subject:
    return Subject(f"person:{actor}", free=FREE, lock=True)


def tablet(connection: Connection, name: str) -> Subject:
    """A tablet's bucket; beyond a thousand of them, all new ones share one."""
    subject = Subject(f"tablet:{name[:64]}", free=20, lock=False)
    (count,) = connection.execute("SELECT COUNT(*) FROM guesses WHERE subject LIKE 'tablet:%'").fetchone()
    known = connection.execute("SELECT 1 FROM guesses WHERE subject = ?", (subject.name,)).fetchone()
    return subject if known or count < TABLETS_MAX else Subject("tablet:", free=20, lock=False)


def waiting(connection: Connection) -> int:
    """How many people wait, or are locked out."""
    (count,) = connection.execute(
        "SELECT COUNT(*) FROM guesses WHERE failures >= ? AND subject >= 'person:' AND subject < 'person;'", (FREE,)
    ).fetchone()
    return int(count)


class Throttle:
    """Counts guesses in the database and waits by the running clock. The caller owns transactions and lock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started_ms = clock.monotonic_ms()
        self._last_ms: dict[str, int] = {}

    def guess(self, connection: Connection, *subjects: Subject) -> None:
        """Take a guess from each bucket, or raise `Rejected` with the time to wait and take none."""
        for subject in subjects:
            self._refuse(subject, self.failures(connection, subject))
        for subject in subjects:
            connection.execute(
                "INSERT INTO guesses VALUES (?, 1) ON CONFLICT (subject) DO UPDATE SET failures = failures + 1",
                (subject.name,),
            )
            self._last_ms[subject.name] = self._clock.monotonic_ms()

    def forget(self, connection: Connection, *subjects: Subject) -> None:
        """The PIN was right, or someone with the right to do so opened the lock."""
        for subject in subjects:
            connection.execute("DELETE FROM guesses WHERE subject = ?", (subject.name,))
            self._last_ms.pop(subject.name, None)

    @staticmethod
    def failures(connection: Connection, subject: Subject) -> int:
        row = connection.execute("SELECT failures FROM guesses WHERE subject = ?", (subject.name,)).fetchone()
        return 0 if row is None else int(row[0])

    def waits(self, connection: Connection, subject: Subject) -> bool:
        """Whether this one has guessed so often that they wait, or are locked out."""
        return self.failures(connection, subject) >= subject.free

    def _refuse(self, subject: Subject, failures: int) -> None:
        if failures < subject.free:
            return
        if subject.lock and failures >= LOCKED:
            raise Rejected("too many wrong PINs: this log-in is locked; a supervisor can open it")
        wait_ms = min(WAIT_FIRST_MS << min(failures - subject.free, 10), WAIT_MS_MAX)
        since_ms = self._last_ms.get(subject.name, self._started_ms)
        left_ms = since_ms + wait_ms - self._clock.monotonic_ms()
        if left_ms > 0:
            raise Rejected(f"too many wrong PINs: wait {-(-left_ms // 1000)} seconds, then try again")
