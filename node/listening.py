"""Which pages people have open, and what they do with codes that their wired scanners read.

A page that puts something together itself (a look-up, a basket, a pick list) takes the codes of its owner's scanners
as if they were typed there: they are handed to it, in order. The page that was opened last decides. What pages there
are is known from their streams, and forgotten with them: after a restart codes belong to the open task, until the
pages are back a second later.

A line that broke may look whole for a while, and a page may end before it has done anything with a code. So a code is
kept until its page says that it was taken, and a page that comes back gets it, but no other kind of page, which would
take it for something else. What no page had in time is for its person to decide about; long before that the scanner
sounds its bad tone, for its good one came when the read was durable.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from ledger.db import Connection
from ledger.ids import Actor

HEARD_MS = 2_000  # by then a page that takes a code has said so, and whoever scanned still listens to the scanner
KEPT_MS = 2 * 60_000  # for a page that comes back; longer, and its person has gone on without it
AT_ONCE = 50
NEVER, IDLE, ALWAYS = "", "idle", "always"  # a page takes codes: not at all, while no task is open, in any case


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One page that listens."""

    actor: Actor
    codes: str
    path: str = ""  # what kind of page it is


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

    def taker(self, actor: Actor, *, busy: bool) -> Page | None:
        """This person's page, if it wants a code that one of their scanners has read; `busy`: a task is open."""
        with self._lock:
            last = next((page for page in reversed(self._pages) if page.actor == actor), None)
        return last if last and (last.codes == ALWAYS or (last.codes == IDLE and not busy)) else None


def hand(connection: Connection, page: Page, read: bytes, text: str, now_ms: int) -> None:
    """Keep a code for `page`, once for each read."""
    connection.execute(
        "INSERT OR IGNORE INTO handed_codes (actor, page, read, text, at_ms) VALUES (?, ?, ?, ?, ?)",
        (page.actor.raw, page.path, read, text, now_ms),
    )


def handed(connection: Connection, page: Page, after: int) -> list[tuple[int, str]]:
    """(number, text) of the codes after number `after` that this kind of page has yet to get, in the order in which
    they were read."""
    rows = connection.execute(
        "SELECT number, text FROM handed_codes WHERE actor = ? AND page = ? AND number > ? AND NOT came"
        " ORDER BY number LIMIT ?",
        (page.actor.raw, page.path, after, AT_ONCE),
    )
    return [(int(number), str(text)) for number, text in rows]


def came(connection: Connection, actor: Actor, numbers: Iterable[int]) -> None:
    """A page of `actor` has these codes."""
    rows = [(actor.raw, number) for number in numbers]
    connection.executemany("UPDATE handed_codes SET came = 1 WHERE actor = ? AND number = ?", rows)


def unheard(connection: Connection, now_ms: int) -> list[bytes]:
    """The reads of which no page has said in `HEARD_MS` that it took their codes, and that may yet be taken."""
    rows = connection.execute("SELECT read FROM handed_codes WHERE NOT came AND at_ms < ?", (now_ms - HEARD_MS,))
    return [bytes(read) for (read,) in rows.fetchall()]


def over(connection: Connection, now_ms: int) -> tuple[list[bytes], list[bytes]]:
    """(reads whose codes came, reads whose codes did not come in time)."""
    rows = connection.execute(
        "SELECT came, read FROM handed_codes WHERE came OR at_ms < ? ORDER BY number", (now_ms - KEPT_MS,)
    ).fetchall()
    return [bytes(read) for has, read in rows if has], [bytes(read) for has, read in rows if not has]


def forget(connection: Connection, reads: Iterable[bytes]) -> None:
    """What became of these is settled."""
    connection.executemany("DELETE FROM handed_codes WHERE read = ?", [(read,) for read in reads])


def newest(connection: Connection) -> int:
    """The number of the code that was handed last: where a page begins that is new."""
    (number,) = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'handed_codes'"
                                   ).fetchone()  # fmt: skip
    return int(number)
