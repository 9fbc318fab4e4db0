"""Where requests arrive: a worker thread sees a request only when all of it is here.

Clients may be slow, or mean to be; a thin link is slow and not broken. So bytes are gathered here by one thread for
all connections, and what waits costs memory and no thread. An arrival ends when the request is whole, when the line
ends or is silent for too long, when it comes slower than anything honest, or when there are too many. Then what has
come of its body is answered as it is, because a bundle's frames are good by themselves; without a whole head there is
nothing to answer. After anything but a whole request the connection closes: what follows could be anything.
"""

from __future__ import annotations

import io
import logging
import selectors
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest

from ledger.clock import Clock

log = logging.getLogger(__name__)

HEADER_BYTES_MAX = 64 << 10
BODY_BYTES_MAX = 8 << 20  # a site's largest bundle has half; each address has a limit of its own below it
HEAD_MS = 10_000
SILENCE_MS = 20_000
PATIENCE_MS = 60_000
BYTES_A_SECOND_MIN = 512  # of a body, once it has had our patience
WAITING_MAX = 512
BYTES_MAX = 64 << 20
PIECE_BYTES = 256 << 10
LOOK_S = 0.5
ANSWER_BYTES = 512 << 10  # what the kernel is asked to take; it takes what its own limit allows
_END = b"\r\n\r\n"


class _Once(dict[Any, Any]):
    """A head in which some names stand once."""

    def __setitem__(self, name: Any, value: Any) -> None:
        if name in self and name in (b"Host", b"Content-Length", b"Authorization"):
            raise ValueError(f"{name.decode('latin-1')} is there twice: say it once")
        super().__setitem__(name, value)


class StrictHeaderReader(HeaderReader):
    """Refuses a head in which two servers could read two requests (RFC 9112, 3.2, 5.1 and 6.3)."""

    def __call__(self, rfile: Any, hdict: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
        found = {} if hdict is None else hdict
        found.update(super().__call__(rfile, _Once()))
        return found

    def _transform_key(self, key_name: bytes) -> Any:
        if key_name != key_name.strip():
            raise ValueError("a space stands beside the name of a header")
        return super()._transform_key(key_name)  # type: ignore[misc]


class Request(HTTPRequest):
    """Refuses what names no host (RFC 9112, 3.2), and what cannot be measured before it has come."""

    header_reader = StrictHeaderReader()

    def read_request_headers(self) -> bool:
        if not super().read_request_headers():  # type: ignore[no-untyped-call]
            return False
        if self.request_protocol == b"HTTP/1.1" and not self.inheaders.get(b"Host"):
            self.simple_response("400 Bad Request", "say the host that is asked")
            return False
        if self.chunked_read:
            self.simple_response("411 Length Required", "send the body with its Content-Length")
            return False
        return True


class Connection(HTTPConnection):
    """`closes`: after the answer, because its request was not whole."""

    RequestHandlerClass = Request
    closes = False

    def communicate(self) -> bool:
        return bool(super().communicate()) and not self.closes  # type: ignore[no-untyped-call]


class Whole(io.BytesIO):
    """What a worker reads a request from. `rest` is what came behind it, the beginning of the next one."""

    bytes_read = 0

    def __init__(self, raw: bytes, rest: bytes) -> None:
        super().__init__(raw)
        self.rest = rest

    def has_data(self) -> bool:
        """Whether the next request has begun to arrive."""
        return bool(self.rest)


class Arrival:
    """One request on its way. `over` when nothing more of it is waited for, `good` when it is whole."""

    def __init__(self, connection: Connection, now_ms: int) -> None:
        before = connection.rfile
        self.connection = connection
        self.began_ms = self.heard_ms = now_ms
        self.good = self.over = False
        self._come = bytearray(before.rest if isinstance(before, Whole) else b"")
        self._head = 0  # its length, once it is whole
        self._length = 0  # of head and body
        self._judge(0)

    @property
    def held(self) -> int:
        """How many bytes it holds."""
        return len(self._come)

    @property
    def usable(self) -> bool:
        """Whether there is anything in it to answer."""
        return self._head > 0

    def read(self, now_ms: int) -> None:
        """Take what the line has, as much as one piece."""
        try:
            piece = self.connection.socket.recv(PIECE_BYTES)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            piece = b""
        if not piece:
            self.over = True
            return
        self.heard_ms = now_ms
        before = len(self._come)
        self._come += piece
        self._judge(before)

    def is_late(self, now_ms: int) -> bool:
        """Whether it has had all the time that an honest one needs."""
        waited_ms = now_ms - self.began_ms
        if not self._head:
            return waited_ms > HEAD_MS
        patience_ms = PATIENCE_MS + 1000 * (self._length - self._head) // BYTES_A_SECOND_MIN
        return now_ms - self.heard_ms > SILENCE_MS or waited_ms > patience_ms

    def reader(self) -> Whole:
        """For the worker: the request, or what has come of it."""
        end = self._length if self.good else len(self._come)
        view = memoryview(self._come)
        return Whole(bytes(view[:end]), bytes(view[end:]) if self.good else b"")

    def _judge(self, seen: int) -> None:
        if not self._head:
            at = self._come.find(_END, max(0, seen - len(_END) + 1))
            if at < 0:
                if len(self._come) > HEADER_BYTES_MAX:
                    self._head, self.over = len(self._come), True  # to be refused by the worker
                return
            self._head = at + len(_END)
            length = _body_length(bytes(self._come[: self._head]), self.connection)
            if length is None:
                self.over = True
                return
            self._length = self._head + length
        if len(self._come) >= self._length:
            self.good = self.over = True


class Arrivals:
    """All requests on their way. `hand_over` takes a connection to a worker, whose answer may wait `timeout_s`."""

    def __init__(self, hand_over: Callable[[Connection], None], clock: Clock, timeout_s: float) -> None:
        self._hand_over = hand_over
        self._clock = clock
        self._timeout_s = timeout_s
        self._selector = selectors.DefaultSelector()
        self._waiting: dict[int, Arrival] = {}
        self._held = 0
        # Held for moments only: nothing in here waits for anybody.
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="arrivals", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End, and close every connection whose request is not whole."""
        self._stopping.set()
        self._thread.join()
        with self._lock:
            for arrival in list(self._waiting.values()):
                self._take_out(arrival)
                arrival.connection.close()
            self._selector.close()

    def add(self, connection: Connection) -> None:
        """A new connection, or one on which the next request begins."""
        now_ms = self._clock.monotonic_ms()
        arrival = Arrival(connection, now_ms)
        connection.socket.setblocking(False)
        # An answer goes out of the worker's hands at once, however slowly it is read.
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ANSWER_BYTES)
        if not arrival.over:
            # Most requests are here already and go straight through.
            arrival.read(now_ms)
        with self._lock:
            if self._stopping.is_set():
                connection.close()
            elif arrival.over:
                self._finish(arrival)
            else:
                self._take_in(arrival)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look(self._selector.select(LOOK_S))
            except Exception:  # a fault of ours with one request must not leave the others waiting for ever
                log.exception("arrivals")

    def _look(self, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        now_ms = self._clock.monotonic_ms()
        with self._lock:
            for key, _ in ready:
                self._read(key.data, now_ms)
            for arrival in [each for each in self._waiting.values() if each.is_late(now_ms)]:
                self._let_go(arrival)

    def _read(self, arrival: Arrival, now_ms: int) -> None:
        number = arrival.connection.socket.fileno()
        if self._waiting.get(number) is not arrival:
            return  # it was given up since
        before = arrival.held
        arrival.read(now_ms)
        self._held += arrival.held - before
        if arrival.over:
            self._let_go(arrival)
        self._bound()

    def _take_in(self, arrival: Arrival) -> None:
        if len(self._waiting) >= WAITING_MAX:
            addresses = Counter(each.connection.remote_addr for each in self._waiting.values())
            busiest = max(addresses, key=addresses.__getitem__)
            # In the order of their coming: the first of an address is the one that has waited longest.
            self._let_go(next(each for each in self._waiting.values() if each.connection.remote_addr == busiest))
        number = arrival.connection.socket.fileno()
        self._waiting[number] = arrival
        self._held += arrival.held
        self._selector.register(number, selectors.EVENT_READ, arrival)
        self._bound()

    def _bound(self) -> None:
        while self._held > BYTES_MAX:
            self._let_go(max(self._waiting.values(), key=lambda each: each.held))

    def _take_out(self, arrival: Arrival) -> None:
        number = arrival.connection.socket.fileno()
        self._selector.unregister(number)
        del self._waiting[number]
        self._held -= arrival.held

    def _let_go(self, arrival: Arrival) -> None:
        self._take_out(arrival)
        self._finish(arrival)

    def _finish(self, arrival: Arrival) -> None:
        connection = arrival.connection
        if not arrival.usable:
            connection.close()
            return
        connection.rfile.close()
        connection.rfile = arrival.reader()
        connection.closes = not arrival.good
        connection.socket.settimeout(self._timeout_s)
        self._hand_over(connection)


def _body_length(head: bytes, connection: Any) -> int | None:
    """How long the body is, read by the very reader that the worker uses; None for what that will refuse."""
    stream = io.BytesIO(head.removeprefix(b"\r\n"))
    stream.readline()
    try:
        headers: dict[bytes, bytes] = {}
        Request.header_reader(stream, headers)
        length = int(headers.get(b"Content-Length", 0))
    except ValueError:
        return None
    if b"Transfer-Encoding" in headers or not 0 <= length <= BODY_BYTES_MAX:
        return None
    if length and headers.get(b"Expect", b"") == b"100-continue":
        with suppress(OSError):
            connection.socket.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    return length
