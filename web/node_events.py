"""The event stream to a tablet: its open task and the links, sent when they change, and a heartbeat it can miss.

Server-sent events, one stream a tablet. The state is read from the database, so a scan from any device, a second
tablet or a restart all show alike, and a lost event is healed by the next one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, request

from ledger.errors import Rejected
from node import waiting
from node.desk import Person
from node.listening import ALWAYS, IDLE, NEVER, Page, handed, newest
from node.weighing import scale_of
from web import kit, languages
from web.node_app import NodeParts, tablet, token_given
from web.node_ask import Ask, register
from web.node_views import scanners_of
from web.routes import ANYONE, Route
from web.schema import one_of, text
from web.server import STOPPING, STREAMS_MAX

POLL_MS = 150
ANEW_MS = 1_000  # how soon it shows what no row says: a deadline that passed, what another process wrote
HEARTBEAT_MS = 5_000
COUNTED_EVERY_MS = 5_000
STREAMS_PER_LOGIN = 4
LIFE_MS = 15 * 60_000  # then the tablet reconnects, which asks for its log-in again


class Seats:
    """Who is listening. A stream holds a thread of the server, so there are only so many; a log-in has few of them,
    because a tablet behind bad Wi-Fi comes back again and again before its old streams are known to be dead."""

    def __init__(self, streams_max: int) -> None:
        self._max = streams_max
        self._lock = threading.Lock()
        self._taken: list[_Stream] = []

    def take(self, stream: _Stream) -> None:
        """Let it listen. The oldest of the same log-in ends when it has too many; raises Busy when all are taken."""
        with self._lock:
            mine = [each for each in self._taken if each.token == stream.token and not each.replaced]
            if len(self._taken) >= self._max:
                raise kit.Busy(f"{self._max} tablets are listening already: close one, or repeat later")
            for old in mine[: max(0, len(mine) + 1 - STREAMS_PER_LOGIN)]:
                old.replaced = True
            self._taken.append(stream)

    def give_back(self, stream: _Stream) -> None:
        with self._lock:
            self._taken.remove(stream)


def _unserved(_: Ask) -> object:
    raise kit.NotFound("no stream is served here")


EVENTS = Route(
    method="GET", path="/events", allow=ANYONE, media="text/event-stream", handle=_unserved, problems=(429,),
    summary="What a tablet shows, when it changes: events `state`, `code`, `heartbeat`, `ended` (server-sent events)",
    answer={"type": "string"},
    query={
        "codes": one_of(IDLE, ALWAYS),
        "tiles": one_of("yes"),
        "after": text("The id of the last event that came, as Last-Event-ID", pattern="^[0-9]{1,18}$"),
        "page": text("What kind of page it is: another kind never gets its codes", most=100),
    },
)  # fmt: skip


def blueprint(parts: NodeParts, streams_max: int = STREAMS_MAX) -> Blueprint:
    """The stream of this application, with its own seats."""
    routes, seats = Blueprint("node_events", __name__), Seats(streams_max)

    def events(ask: Ask) -> Response:
        stopping = request.environ.get(STOPPING) or threading.Event()
        last = request.headers.get("Last-Event-ID", ask.query.get("after"))
        page = Page(ask.who.actor, ask.query.get("codes", NEVER), ask.query.get("page", ""))
        stream = _Stream(parts, ask.who, token_given(), tablet(parts), stopping, page, _number(last))
        stream.tiles = "tiles" in ask.query
        stream.language = languages.spoken()
        seats.take(stream)
        parts.floor.listening.open(page)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        answer = Response(stream.run(), mimetype="text/event-stream", headers=headers)
        # Not at the end of the generator: one that nobody began to read never ends.
        answer.call_on_close(lambda: seats.give_back(stream))
        answer.call_on_close(lambda: parts.floor.listening.close(page))
        return answer

    register(routes, parts, (replace(EVENTS, handle=events),))
    return routes


def snapshot(parts: NodeParts, who: Person, at: str) -> dict[str, Any]:
    """What the tablet `at` shows at this moment: the person's open task, the bins to count and how far their counts
    are, the links, whose scanners and scale, and how many reads wait for a decision."""
    with parts.site.reading() as connection:
        bins = parts.floor.counting.mine(connection, who)
        return {
            "screen": parts.floor.counting.screen(connection, who),
            "bins": bins,
            "progress": parts.floor.counting.progress(connection, who, bins),
            "links": dict(parts.links()),
            "scanners_mine": scanners_of(connection, who),
            "scale": scale_of(connection, who, at, parts.links()["scanners"]),
            "undecided": parts.floor.undecided.count_of(connection, parts.journal, who),
        }


class _Stream:
    def __init__(
        self,
        parts: NodeParts,
        who: Person,
        token: str,
        at: str,
        stopping: threading.Event,
        page: Page,
        after: int | None,
    ) -> None:
        self._at = at
        self._code = after
        self._page = page
        self._stopping = stopping
        self._parts = parts
        self._who = who
        self.token = token
        self.tiles = False
        self.language = languages.ENGLISH
        self.replaced = False
        self._counted_ms: int | None = None
        self._counted: dict[str, int] = {}

    def run(self) -> Iterator[bytes]:
        clock = self._parts.clock
        opened = heard = looked = clock.monotonic_ms()
        now: dict[str, Any] = {}
        seen: dict[str, Any] = {}
        known, known_ms, acted = None, opened, False
        with self._parts.site.reading() as connection:
            code = newest(connection) if self._code is None else self._code
        # Headers leave with the first byte only, and a tablet should know at once that it is connected, and by what
        # number to ask for the codes that are read while its line is broken.
        yield f"retry: 1000\nid: {code}\n\n".encode()
        while clock.monotonic_ms() - opened < LIFE_MS and not (self.replaced or self._stopping.is_set()):
            ran_ms = clock.monotonic_ms()
            # Asked before what it stands for is read: what changes in between is read once more.
            changes = self._changes()
            if changes != known or ran_ms - known_ms >= ANEW_MS:
                known, known_ms = changes, ran_ms
                now = snapshot(self._parts, self._who, self._at)
                if self.tiles:
                    now["waiting"] = self._waiting(ran_ms)
                code, texts = self._codes_after(code)
                for number, read in texts:
                    yield f"id: {number}\nevent: code\ndata: ".encode() + _json({"text": read}) + b"\n\n"
            acted |= bool(seen) and now["screen"] != seen["screen"]
            if ran_ms - looked >= HEARTBEAT_MS:
                if not self._still_here(acted=acted):
                    yield b"event: ended\ndata: {}\n\n"
                    return
                looked, acted = ran_ms, False
            if now != seen:
                seen, heard = now, ran_ms
                # The tablet's own clock may be wrong: it measures ages by the node's.
                told = {**now, "now_ms": clock.now_ms()}
                yield b"event: state\ndata: " + _json(languages.in_words(told, self.language)) + b"\n\n"
            elif ran_ms - heard >= HEARTBEAT_MS:
                heard = ran_ms
                yield b"event: heartbeat\ndata: {}\n\n"
            clock.sleep_ms(POLL_MS)

    def _changes(self) -> tuple[object, ...]:
        """The same again as long as nothing happened that `snapshot` shows, or that brings this page a code: with
        thirty tablets asking several times a second, reading it all each time is most of what a node would do."""
        parts = self._parts
        return (parts.site.changes, parts.journal.changes, parts.links(), parts.floor.listening.is_last(self._page))

    def _waiting(self, ran_ms: int) -> dict[str, int]:
        """What waits for this person: counted now and then, because it takes longer than all the rest."""
        if self._counted_ms is None or ran_ms - self._counted_ms >= COUNTED_EVERY_MS:
            with self._parts.site.reading() as connection:
                self._counted = waiting.of(self._parts.floor, connection, self._who, self._parts.clock.now_ms())
            self._counted_ms = ran_ms
        return self._counted

    def _codes_after(self, number: int) -> tuple[int, list[tuple[int, str]]]:
        """(the number of the last one, the codes for this page after `number`), while it is the one in front."""
        if not (self._page.codes and self._parts.floor.listening.is_last(self._page)):
            return number, []
        with self._parts.site.reading() as connection:
            found = handed(connection, self._page, number)
        return (found[-1][0] if found else number), found

    def _still_here(self, *, acted: bool) -> bool:
        """Whether the log-in still stands. Whoever scans with the node's own scanner is at work although the tablet
        sends nothing; only listening keeps nobody logged in."""
        if acted:
            try:
                self._parts.floor.people.session(self.token)
            except Rejected:
                return False
            return True
        idle_ms_max = self._parts.site.config.web.session_idle_ms_max
        with self._parts.site.reading() as connection:
            row = connection.execute("SELECT seen_at_ms FROM log_ins WHERE token = ?", (self._who.token,)).fetchone()
        return row is not None and abs(self._parts.clock.now_ms() - int(row[0])) <= idle_ms_max


def _number(text: str | None) -> int | None:
    """Of the last code that a page had; None for a new page, and for what another server may have numbered."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
