"""Requests that come slowly, in pieces or never: they hold no thread, and what is whole is answered at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from flask import Flask, Response, request

from ledger.clock import ManualClock
from sync.client import EXCHANGE_PATH, HttpTransport
from sync.frames import MEDIA_TYPE
from tests.sync.chain_kit import Chain
from tests.sync.hub_kit import CONTROL, Hub, Node, SyncApi
from web import arrivals, kit
from web.hub_sync import blueprint
from web.server import Server

HEAD = f"POST {EXCHANGE_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {MEDIA_TYPE}\r\n"
HALVES = (
    b"",
    b"POST",
    HEAD.encode(),
    HEAD.encode() + b"Content-Length: 100000\r\n\r\n",
    HEAD.encode() + b"Content-Length: 100000\r\n\r\nhalf",
)
ECHO = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"


class Line:
    """A client's connection."""

    def __init__(self, server: tuple[str, int], own: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(server, timeout=5, source_address=(own, 0))
        self._reader = self.socket.makefile("rb")

    def say(self, said: bytes) -> None:
        self.socket.sendall(said)

    def answer(self) -> bytes:
        """The first line of an answer and its body."""
        first, length = self._reader.readline().strip(), 0
        while (header := self._reader.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return first + b"\n" + self._reader.read(length)

    def ended(self) -> bool:
        """Whether the server closes it without another word."""
        try:
            return self._reader.read(1) == b""
        except ConnectionError:
            return True

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self.socket.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def server(clock: ManualClock) -> Iterator[tuple[str, int]]:
    """Answers with the length and the first bytes of each body, and how much of it is missing."""
    app = Flask("echo")

    @app.post("/echo")
    def echo() -> Response:
        body = request.environ["wsgi.input"].read(request.content_length or 0)
        return Response(b"%d of %d: %s" % (len(body), request.content_length or 0, body[:20]))

    @app.get("/long")
    def long() -> Response:
        return Response(bytes(200_000))

    running = Server(app, "127.0.0.1", 0, clock)
    yield running.start()
    running.stop()


def connect(stack: ExitStack, server: tuple[str, int], said: bytes = b"", own: str = "127.0.0.1") -> Line:
    line = stack.enter_context(Line(server, own))
    line.say(said)
    return line


def test_two_hundred_slow_requests_do_not_hold_up_an_exchange(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    app = kit.create_app("hub", tmp_path, random=hub.chance)
    app.register_blueprint(blueprint(SyncApi(hub)))
    running = Server(app, "127.0.0.1", 0)
    address = running.start()
    chain = Chain.new("oslo", CONTROL.address).found()
    hub.enrol(chain)
    node = Node(chain)
    stop = threading.Event()
    with ExitStack() as stack:
        stack.callback(hub.close)
        stack.callback(running.stop)
        lines = [connect(stack, address, HALVES[number % len(HALVES)]) for number in range(200)]

        def trickle() -> None:
            while not stop.wait(0.2):
                for line in lines:
                    with suppress(OSError):
                        line.socket.send(b"x")

        dripping = threading.Thread(target=trickle, daemon=True)
        dripping.start()
        stack.callback(stop.set)
        for _ in range(3):
            chain.grow(1)
            began = time.monotonic()
            transport = HttpTransport("http://{}:{}".format(*address))
            report = node.sync(transport)
            took = time.monotonic() - began
            transport.close()
            assert report.code == "OK" and report.cosigned == chain.size
            assert took < 1, f"the exchange took {took:.2f} s"


def test_requests_in_pieces_and_one_behind_the_other(server: tuple[str, int]) -> None:
    with ExitStack() as stack:
        line = connect(stack, server)
        for piece in (b"\r\nPO", ECHO[2:30], (ECHO[30:] % (5, b"he")), b"llo" + ECHO % (3, b"yes") + b"POST /ec"):
            line.say(piece)
            time.sleep(0.05)
        assert line.answer() == b"HTTP/1.1 200 OK\n5 of 5: hello"
        assert line.answer() == b"HTTP/1.1 200 OK\n3 of 3: yes"
        line.say(b"ho HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert line.answer() == b"HTTP/1.1 200 OK\n0 of 0: "
        large = bytes(3 << 20)
        line.say(ECHO % (len(large), large))
        assert line.answer().startswith(b"HTTP/1.1 200 OK\n3145728 of 3145728: ")


def test_a_client_that_waits_to_be_asked_is_asked(server: tuple[str, int]) -> None:
    with ExitStack() as stack:
        line = connect(stack, server, ECHO.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue") % (5, b""))
        assert line.answer() == b"HTTP/1.1 100 Continue\n"
        line.say(b"hello")
        assert line.answer() == b"HTTP/1.1 100 Continue\n", "said again, which does no harm"
        assert line.answer() == b"HTTP/1.1 200 OK\n5 of 5: hello"


def test_what_cannot_be_measured_is_refused(server: tuple[str, int]) -> None:
    chunked = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    too_long = ECHO % (arrivals.BODY_BYTES_MAX + 1, b"")
    for said, status in (
        (chunked, b"411"),
        (too_long, b"413"),
        (ECHO.replace(b"%d", b"five") % b"hello", b"400"),
        (b"POST /echo HTTP/1.1\r\nHost x\r\n\r\n", b"400"),
        (b"GET /long HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /long HTTP/1.1\r\nHost:\r\n\r\n", b"400"),
        (b"GET /long HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", b"400"),
    ):
        with ExitStack() as stack:
            line = connect(stack, server, said)
            assert line.answer().startswith(b"HTTP/1.1 " + status), said[:80]
            assert line.ended(), "what follows it could be anything"


def test_silence_ends_a_request_with_what_has_come(server: tuple[str, int], clock: ManualClock) -> None:
    with ExitStack() as stack:
        nothing, head, body = connect(stack, server), connect(stack, server, b"GET /"), connect(stack, server)
        body.say(ECHO % (100, b"half of it"))
        time.sleep(0.2)
        clock.advance(arrivals.HEAD_MS + 1)
        assert nothing.ended() and head.ended()
        body.say(b" and more")
        time.sleep(0.2)
        clock.advance(arrivals.SILENCE_MS - 1)
        time.sleep(0.7)
        clock.advance(2)
        assert body.answer() == b"HTTP/1.1 200 OK\n19 of 100: half of it and more"
        assert body.ended(), "the rest of the body could come, and is no request"


def test_a_trickle_has_an_end(server: tuple[str, int], clock: ManualClock) -> None:
    with ExitStack() as stack:
        head = connect(stack, server, b"GET / HTTP/1.1\r\n")
        body = connect(stack, server, ECHO % (2 * arrivals.BYTES_A_SECOND_MIN, b""))
        time.sleep(0.2)
        steps = (arrivals.PATIENCE_MS + 2_000) // 5_000 + 1
        for _ in range(steps):
            clock.advance(5_000)
            for line in (head, body):
                with suppress(OSError):
                    line.socket.send(b"x")
            time.sleep(0.05)
        assert b"of 1024: xxx" in body.answer()
        assert head.ended()


def test_a_line_that_breaks_gives_what_has_come(server: tuple[str, int]) -> None:
    with ExitStack() as stack:
        line = connect(stack, server, ECHO % (100, b"half of it"))
        line.socket.shutdown(socket.SHUT_WR)
        assert line.answer() == b"HTTP/1.1 200 OK\n10 of 100: half of it"


def test_too_many_at_once_cost_the_one_that_has_most(
    server: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "WAITING_MAX", 5)
    with ExitStack() as stack:
        other = connect(stack, server, ECHO % (10, b"slow"), own="127.0.0.2")
        time.sleep(0.1)
        lines = [connect(stack, server, b"GET /") for _ in range(12)]
        gone = sum(1 for line in lines[:8] if line.ended())
        assert gone == 8, "the oldest of the busiest address"
        other.say(b"honest")
        assert other.answer() == b"HTTP/1.1 200 OK\n10 of 10: slowhonest"
        assert connect(stack, server, ECHO % (2, b"ok")).answer() == b"HTTP/1.1 200 OK\n2 of 2: ok"


def test_too_many_bytes_at_once_cost_the_one_that_holds_most(
    server: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "BYTES_MAX", 300_000)
    with ExitStack() as stack:
        small = connect(stack, server, ECHO % (10, b"small"))
        large = connect(stack, server, ECHO % (1_000_000, bytes(250_000)))
        time.sleep(0.2)
        connect(stack, server, ECHO % (100_000, bytes(80_000)))
        assert large.answer().startswith(b"HTTP/1.1 200 OK\n250000 of 1000000: ")
        small.say(b" ones")
        assert small.answer() == b"HTTP/1.1 200 OK\n10 of 10: small ones"


def test_an_answer_that_nobody_reads_holds_no_thread(server: tuple[str, int]) -> None:
    with ExitStack() as stack:
        for _ in range(100):
            line = stack.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # as over a real network, not loopback
            line.connect(server)
            line.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        began = time.monotonic()
        assert connect(stack, server, ECHO % (2, b"ok")).answer() == b"HTTP/1.1 200 OK\n2 of 2: ok"
        assert time.monotonic() - began < 1
