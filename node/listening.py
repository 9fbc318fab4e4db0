"""Which pages people have open, and what they do with codes that their wired scanners read.

A page that puts something together itself (a look-up, a basket, a pick list) takes the codes of its owner's scanners
as if they were typed there: they are handed to it, in order, and kept for a while, so that none is lost to a line
that broke. The page that was opened last decides. What pages there are is known from their streams, and forgotten
with them: after a restart codes belong to the open task, until the pages are back a second later.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ledger.db import Connection
from ledger.ids import Actor

KEPT_MS = 10 * 60_000
AT_ONCE = 50
NEVER, IDLE, ALWAYS = "", "idle", "always"  # a page takes codes: not at all, while no task is open, in any case


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One page that listens."""

    actor: Actor
    codes: str


class Listening:
    """The pages that are open now. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: list[Page] = []

    def open(self, page: Page) -> None:
        """Another page, which from now on is its person's last one."""
        with self._lock:
            self._pages.append(page)

    def close(self, page: Page) -> None:
        """It listens no more; the one before it decides again."""
        with self._lock:
            self._pages.remove(page)

    def is_last(self, page: Page) -> bool:
        """Whether it is the page that its person opened last: that one alone gets the codes."""
        with self._lock:
            return next((each for each in reversed(self._pages) if each.actor == page.actor), None) is page

    def takes_codes(self, actor: Actor, *, busy: bool) -> bool:
        """Whether this person's page wants a code that one of their scanners has read; `busy`: a task is open."""
        with self._lock:
            last = next((page for page in reversed(self._pages) if page.actor == actor), None)
        return last is not None and (last.codes == ALWAYS or (last.codes == IDLE and not busy))


def hand(connection: Connection, actor: Actor, read: bytes, text: str, now_ms: int) -> None:
    """Keep a code for the page of `actor`, once for each read."""
    connection.execute("DELETE FROM handed_codes WHERE at_ms < ?", (now_ms - KEPT_MS,))
    connection.execute(
        "INSERT OR IGNORE INTO handed_codes (actor, read, text, at_ms) VALUES (?, ?, ?, ?)",
        (actor.raw, read, text, now_ms),
    )


def handed(connection: Connection, actor: Actor, after: int) -> list[tuple[int, str]]:
    """(number, text) of the codes for a person's page after number `after`, in the order in which they were read."""
    rows = connection.execute(
        "SELECT number, text FROM handed_codes WHERE actor = ? AND number > ? ORDER BY number LIMIT ?",
        (actor.raw, after, AT_ONCE),
    )
    return [(int(number), str(text)) for number, text in rows]


def newest(connection: Connection) -> int:
    """The number of the code that was handed last: where a page begins that is new."""
    (number,) = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'handed_codes'"
                                   ).fetchone()  # fmt: skip
    return int(number)
