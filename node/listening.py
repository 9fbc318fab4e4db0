"""Pages of tablets that take codes themselves: what their person's own scanner reads while nothing is open goes
there.

A look-up, a move that begins with a bin, a list put together for one act: a tablet's keyboard scanner types into the
page, and a scanner of the node must do the same. Nothing is booked by handing a code on; what the page then does is
an act of its own. A read that no page waits for is taken as ever. All of this is in memory: after a start no page
waits.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from devices.reads import Read
from ledger.ids import Actor

PAGES_MAX = 1_000
CODES_MAX = 50


@dataclass(eq=False, slots=True)
class Page:
    """A page that listens to the node; `wants` codes or not. `name` stays the same when its line breaks."""

    actor: Actor
    name: str
    wants: bool
    codes: deque[str] = field(default_factory=lambda: deque(maxlen=CODES_MAX))

    def take(self) -> list[str]:
        """The codes that came since the last time, oldest first."""
        found = []
        while self.codes:
            found.append(self.codes.popleft())
        return found


class Listening:
    """Every page that listens now. The one that a person opened last decides, whether it wants codes or not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: list[Page] = []
        self._opened: OrderedDict[tuple[Actor, str], None] = OrderedDict()

    def open(self, page: Page) -> None:
        """It listens from now on; coming back after a broken line does not make it the newest."""
        with self._lock:
            self._pages.append(page)
            self._opened.setdefault((page.actor, page.name))
            while len(self._opened) > PAGES_MAX:
                self._opened.popitem(last=False)

    def close(self, page: Page) -> None:
        """It listens no more."""
        with self._lock:
            self._pages.remove(page)

    def wanted(self, actor: Actor) -> bool:
        """Whether a code that this person's scanner reads now goes to a page."""
        with self._lock:
            page = self._newest(actor)
        return page is not None and page.wants

    def give(self, actor: Actor, code: str) -> bool:
        """Hand a code to the person's page; False when it has gone by now."""
        with self._lock:
            page = self._newest(actor)
            if page is None or not page.wants:
                return False
            page.codes.append(code)
            return True

    def _newest(self, actor: Actor) -> Page | None:
        here = {page.name: page for page in self._pages if page.actor == actor}
        return next((here[name] for who, name in reversed(self._opened) if who == actor and name in here), None)


def typed(read: Read) -> str:
    """A read as a keyboard scanner would have typed it."""
    try:
        return read.raw.decode("utf-8")
    except UnicodeDecodeError:
        return read.raw.decode("latin-1")
