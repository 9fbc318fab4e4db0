"""How fast PINs may be guessed: never faster because of a restart, a second tablet or a clock that jumps.

A guess is written down before it is tried, so that killing the process does not give it back. Waiting is measured by
the machine's running time alone; after a restart the whole wait begins again, because nobody can tell how long the
machine was off. A person's own bucket ends in a lock; a tablet's only slows it, so that a prankster at one tablet
cannot keep everyone out. Whatever is no tablet of the site yet has the bucket of the network address it asks from:
a name for each guess costs nothing, and must not use up what the tablets of the site have.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ledger.clock import Clock
from ledger.db import Connection
from ledger.errors import Rejected

WAIT_FIRST_MS = 30_000
WAIT_MS_MAX = 15 * 60_000
LOCKED = 50
ADDRESSES_MAX = 1_000
NOBODIES = 1_024
FREE = 5  # wrong PINs of a person in a row, before they wait


class TooSoon(Rejected):
    """A guess that is not heard yet; `wait_s` seconds from now it is."""

    def __init__(self, words: str, wait_s: int) -> None:
        super().__init__(words)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose guesses are counted. `free` of them in a row cost nothing; `lock` ends in a lock."""

    name: str
    free: int
    lock: bool


def person(actor: str) -> Subject:
    return Subject(f"person:{actor}", free=FREE, lock=True)


def nobody(login: object) -> Subject:
    """The bucket of a login that nobody has. It slows and locks like a person's, or the waits would tell who is known
    here. All such logins share a few, because names cost nothing."""
    drawn = hashlib.sha256(str(login).casefold().encode("utf-8", "replace")).digest()
    return Subject(f"nobody:{int.from_bytes(drawn[:4], 'big') % NOBODIES}", free=FREE, lock=True)


def caller(connection: Connection, tablet: str, address: str) -> Subject:
    """The bucket of who asks: a tablet's own where somebody has got in, otherwise that of its address; beyond a
    thousand addresses, all new ones share one."""
    here = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM log_ins WHERE tablet = ?1) OR EXISTS (SELECT 1 FROM tablets WHERE tablet = ?1)",
        (tablet[:64],),
    ).fetchone()
    if here[0]:
        return _slowed(f"tablet:{tablet[:64]}")
    stranger = _slowed(f"address:{address[:64]}")
    (count,) = connection.execute(
        "SELECT COUNT(*) FROM guesses WHERE subject >= 'address:' AND subject < 'address;'"
    ).fetchone()
    known = connection.execute("SELECT 1 FROM guesses WHERE subject = ?", (stranger.name,)).fetchone()
    return stranger if known or count < ADDRESSES_MAX else _slowed("address:")


def _slowed(name: str) -> Subject:
    return Subject(name, free=20, lock=False)


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
        """Take a guess from each bucket, or take none and raise: `TooSoon` with the time to wait, `Rejected` for a
        lock."""
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
            wait_s = -(-left_ms // 1000)
            raise TooSoon(f"too many wrong PINs: wait {wait_s} seconds, then try again", wait_s)
