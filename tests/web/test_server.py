"""The real server under clients that stop half-way, headers on every answer, and event streams that end in time."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from devices.reads import NewRead
from ledger.clock import SystemClock
from ledger.errors import Unavailable
from tallyman_stage import wait_for
from tests.node.floor_kit import GTINS, PIN, Stage
from tests.web import kit
from web import node_events
from web.kit import HEADERS, create_app
from web.node_app import FOLDER, NodeParts
from web.server import STOPPING, Server

HALVES = (
    b"",
    b"GET",
    b"GET / HTTP/1.1\r\nHost: x",
    b"POST /api/v1/scans HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    b"POST /api/v1/scans HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,  # a TLS greeting at a plain port
)
LIES = (
    (b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", b"400"),
    (b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", b"400"),
    (b"POST /api/v1/seal HTTP/1.1\r\nHost: x\r\nContent-Length: 209715200\r\n\r\n", b"4"),
    (b"GARBAGE\r\n\r\n", b"400"),
    (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"4"),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n", b"4"),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Flask, int]]:
    stage, app = kit.node(tmp_path_factory.mktemp("served") / "node")
    server = Server(app, "127.0.0.1", 0)
    _, port = server.start()
    with kit.closing(stage):
        yield stage, app, port
        server.stop()


def ask(port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[Any, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_half_requests_hold_nobody_up(served: tuple[Stage, Flask, int]) -> None:
    stage, _, port = served
    before = kit.digest(stage.world.folder / "site.db", stage.world.folder / "reads.db")
    with contextlib.ExitStack() as stack:
        for half in HALVES * 8:
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            line.sendall(half)
        began = time.monotonic()
        for _ in range(5):
            answer, content = ask(port, "/api/v1/status")
            assert answer.status == 200 and json.loads(content)
        assert time.monotonic() - began < 5
    for lie, expected in LIES:
        with socket.create_connection(("127.0.0.1", port), timeout=15) as line:
            with contextlib.suppress(OSError):
                line.sendall(lie)
            said = b""
            with contextlib.suppress(OSError):
                said = line.recv(100)
            assert not said or said.startswith(b"HTTP/1.1 " + expected), (lie[:60], said)
    assert ask(port, "/api/v1/status")[0].status == 200
    assert kit.digest(stage.world.folder / "site.db", stage.world.folder / "reads.db") == before


def test_headers_stand_on_every_kind_of_answer(served: tuple[Stage, Flask, int]) -> None:
    _, _, port = served
    for path in ("/login", "/", "/api/v1/status", "/api/v1/counts", "/nowhere", "/static/tallyman.css", "/events"):
        answer, _ = ask(port, path, Accept="text/html")
        for name, value in HEADERS.items():
            assert answer.getheader(name) == value, (path, name)
        policy = answer.getheader("Content-Security-Policy")
        assert "unsafe" not in policy and "'none'" in policy and "http" not in policy
        assert answer.getheader("X-Request-ID"), path
        assert answer.getheader("Cache-Control"), path
        assert "Werkzeug" not in (answer.getheader("Server") or ""), path
    given, _ = ask(port, "/api/v1/status", **{"X-Request-ID": "tablet-7"})
    assert given.getheader("X-Request-ID") == "tablet-7"
    smuggled, _ = ask(port, "/api/v1/status", **{"X-Request-ID": "a b<script>"})
    assert "<" not in smuggled.getheader("X-Request-ID")


def test_a_taken_port_is_said_plainly(served: tuple[Stage, Flask, int]) -> None:
    with pytest.raises(Unavailable, match="which may be taken: choose another"):
        Server(served[1], "127.0.0.1", served[2]).start()


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[Stage, Flask, NodeParts]]:
    """A node on the real clock, whose streams are few and whose heart beats fast."""
    stage, _ = kit.node(tmp_path / "node")
    links: dict[str, Any] = {"hub_ms": 1, "findings": [], "scanners": []}
    clock = SystemClock()
    parts = NodeParts(
        stage.site, stage.floor, stage.journal, clock, stage.world.random, dict, list, lambda: dict(links), dict
    )
    app = create_app("events", FOLDER, random=parts.random)
    app.register_blueprint(node_events.blueprint(parts, streams_max=3))
    with kit.closing(stage):
        yield stage, app, parts


def events_of(answer: Any, count: int) -> list[bytes]:
    found: list[bytes] = []
    for piece in answer.response:
        found.append(piece if isinstance(piece, bytes) else piece.encode())
        if len(found) >= count:
            break
    return found


def test_streams_are_few_and_seats_come_back(listening: tuple[Stage, Flask, NodeParts]) -> None:
    stage, app, _ = listening
    headers = {name: {"Authorization": f"Bearer {stage.tokens[name]}"} for name in ("cora", "carl", "mona", "sven")}
    client = app.test_client()
    opened = [client.get("/events", headers=headers[name], buffered=False) for name in ("cora", "carl", "mona")]
    assert [each.status_code for each in opened] == [200, 200, 200]
    assert "3 tablets are listening" in client.get("/events", headers=headers["sven"]).text
    opened[0].close()  # nobody ever read from this one
    again = client.get("/events", headers=headers["sven"], buffered=False)
    assert again.status_code == 200
    assert events_of(again, 2)[0].startswith(b"retry:")
    for each in (*opened[1:], again):
        each.close()


def test_one_log_in_does_not_take_every_seat(
    listening: tuple[Stage, Flask, NodeParts], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, app, _ = listening
    monkeypatch.setattr(node_events, "STREAMS_PER_LOGIN", 2)
    headers = {"Authorization": f"Bearer {stage.tokens['cora']}"}
    client = app.test_client()
    first = client.get("/events", headers=headers, buffered=False)
    ends = threading.Event()

    def listen() -> None:
        for _ in first.response:
            pass
        first.close()
        ends.set()

    threading.Thread(target=listen, daemon=True).start()
    others = [client.get("/events", headers=headers, buffered=False) for _ in range(2)]
    assert ends.wait(10), "the oldest stream of the log-in goes on"
    for each in others:
        each.close()


def test_the_heart_beats_and_a_log_in_that_ends_ends_the_stream(
    listening: tuple[Stage, Flask, NodeParts], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, app, parts = listening
    monkeypatch.setattr(node_events, "HEARTBEAT_MS", 200)
    monkeypatch.setattr(node_events, "POLL_MS", 20)
    # The site's clock stands still, so only the stream's own idea of idleness could end it early.
    monkeypatch.setattr(type(parts.clock), "now_ms", lambda _: stage.world.clock.now_ms())
    answer = app.test_client().get(
        "/events", headers={"Authorization": f"Bearer {stage.tokens['cora']}"}, buffered=False
    )
    pieces = events_of(answer, 4)
    assert pieces[0] == b"retry: 1000\nid: 0\n\n", "a page can ask for what comes from its first moment on"
    assert pieces[1].startswith(b"event: state") and b"now_ms" in pieces[1]
    assert pieces[2].startswith(b"event: heartbeat") and pieces[3].startswith(b"event: heartbeat")
    stage.floor.people.log_out(stage.tokens["cora"])
    rest = events_of(answer, 20)
    assert rest[-1] == b"event: ended\ndata: {}\n\n" and len(rest) < 5, rest[-3:]
    answer.close()


def test_a_stream_reads_what_it_shows_when_something_happened(
    listening: tuple[Stage, Flask, NodeParts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens it says at once what reading everything each time would say; at rest it reads nothing."""
    stage, app, parts = listening
    monkeypatch.setattr(node_events, "ANEW_MS", 10**9)
    monkeypatch.setattr(node_events, "POLL_MS", 20)
    plain, looked = node_events.snapshot, []

    def counted(*arguments: Any) -> dict[str, Any]:
        looked.append(1)
        return plain(*arguments)

    monkeypatch.setattr(node_events, "snapshot", counted)
    cora = stage.as_("cora")
    stage.floor.counting.open_session(
        stage.op(), stage.as_("sven"), {"name": "Rest", "bins": ["A-01"], "rule": {"control_percent": 0}}
    )
    stage.floor.people.bind_device(cora, "gun")
    headers = {"Authorization": f"Bearer {stage.tokens['cora']}"}
    stop = threading.Event()
    answer = app.test_client().get("/events", headers=headers, buffered=False, environ_overrides={STOPPING: stop})
    told: list[dict[str, Any]] = []

    def listen() -> None:
        for piece in answer.response:
            if piece.startswith(b"event: state"):
                told.append(json.loads(piece.split(b"data: ", 1)[1]))

    listener = threading.Thread(target=listen)
    listener.start()

    def shows() -> bool:
        want = plain(parts, cora, "")
        return bool(told) and {name: told[-1].get(name) for name in want} == json.loads(json.dumps(want))

    def scans_of_nobody_sure() -> None:
        (read,) = stage.journal.record([NewRead("gun", b"?", context={"actor": str(cora.actor)})])
        stage.journal.mark(read.read_id, "parked", note="perhaps")

    for act in (
        lambda: stage.scan("BIN:A-01"),
        lambda: stage.scan(f"01{GTINS['BOLT']}"),
        scans_of_nobody_sure,
        lambda: stage.floor.counting.leave(stage.op(), cora, {"bin": "A-01"}),
    ):
        before = len(told)
        act()
        wait_for("what happened", lambda before=before: len(told) > before and shows())  # type: ignore[misc]
    before = len(looked)
    time.sleep(0.3)
    assert len(looked) == before, "it reads although nothing happened"
    stop.set()
    listener.join()
    answer.close()


def test_stopping_the_server_ends_its_streams(tmp_path: Path) -> None:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        server = Server(app, "127.0.0.1", 0)
        _, port = server.start()
        wish = json.dumps({"login": "cora", "pin": PIN}).encode()
        _, content = ask(port, "/api/v1/auth/login", "POST", wish, **{"Content-Type": "application/json"})
        token = json.loads(content)["token"]
        lines = []
        for _ in range(3):
            line = socket.create_connection(("127.0.0.1", port), timeout=10)
            line.sendall(f"GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            assert line.recv(200).startswith(b"HTTP/1.1 200")
            lines.append(line)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 8
        for line in lines:
            line.close()
