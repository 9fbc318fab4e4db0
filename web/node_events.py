"""The event stream to a tablet: its open task and the links, sent when they change, and a heartbeat it can miss.

Server-sent events, one stream a tablet. The state is read from the database, so a scan from any device, a second
tablet or a restart all show alike, and a lost event is healed by the next one.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response

from node.desk import Person
from web import kit
from web.node_app import NodeParts
from web.server import STREAMS_MAX

POLL_MS = 150
HEARTBEAT_MS = 5_000
LIFE_MS = 15 * 60_000  # then the tablet reconnects, which asks for its log-in again


def blueprint(parts: NodeParts) -> Blueprint:
    routes = Blueprint("node_events", __name__)
    seats = threading.BoundedSemaphore(STREAMS_MAX)

    @routes.get("/events")
    def events() -> Response:
        who = parts.person()
        if not seats.acquire(blocking=False):
            raise kit.Busy(f"{STREAMS_MAX} tablets are listening already: close one, or repeat later")
        stream = _Stream(parts, who)

        def body() -> Iterator[bytes]:
            try:
                yield from stream.run()
            finally:
                seats.release()

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Response(body(), mimetype="text/event-stream", headers=headers)

    return routes


def snapshot(parts: NodeParts, who: Person) -> dict[str, Any]:
    """What a tablet shows at this moment: the person's open task, the bins to count, the links."""
    with parts.site.reading() as connection:
        return {
            "screen": parts.floor.counting.screen(connection, who),
            "bins": parts.floor.counting.mine(connection, who),
            "links": dict(parts.links()),
        }


class _Stream:
    def __init__(self, parts: NodeParts, who: Person) -> None:
        self._parts = parts
        self._who = who

    def run(self) -> Iterator[bytes]:
        clock = self._parts.clock
        opened = heard = clock.monotonic_ms()
        seen = b""
        # Headers leave with the first byte only, and a tablet should know at once that it is connected.
        yield b"retry: 1000\n\n"
        while clock.monotonic_ms() - opened < LIFE_MS:
            state = json.dumps(snapshot(self._parts, self._who), ensure_ascii=False, separators=(",", ":")).encode()
            mark = hashlib.sha256(state).digest()
            if mark != seen:
                seen, heard = mark, clock.monotonic_ms()
                yield b"event: state\ndata: " + state + b"\n\n"
            elif clock.monotonic_ms() - heard >= HEARTBEAT_MS:
                heard = clock.monotonic_ms()
                yield b"event: heartbeat\ndata: {}\n\n"
            clock.sleep_ms(POLL_MS)
