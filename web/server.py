"""The process's own web server: cheroot threads, so that nothing else need be installed on the node.

Its threads answer requests that are whole; `web.arrivals` waits for the others, and does the handshakes of TLS on the
way: one that stops half-way holds nobody up.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Any

from cheroot import wsgi
from cheroot.makefile import MakeFile
from cheroot.ssl import Adapter

from ledger.clock import Clock, SystemClock
from ledger.errors import Unavailable
from web.arrivals import BODY_BYTES_MAX, HEADER_BYTES_MAX, Arrivals, Connection

log = logging.getLogger(__name__)

THREADS = 64
STREAMS_MAX = 40  # an open event stream holds a thread; the rest must stay free for scans
QUEUE = 128
TIMEOUT_S = 10
SHUTDOWN_S = 3
STOPPING = "tallyman.stopping"


class Server:
    """Serves one WSGI application on one address until `stop`, with `tls` over HTTPS only.

    Answers that go on for long find in their request's environment (STOPPING) an event that is set at the end.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        host: str,
        port: int,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._stopping = threading.Event()

        def served(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            return app({**environ, STOPPING: self._stopping}, start)

        self._server = _Server(
            clock or SystemClock(),
            (host, port),
            served,
            numthreads=THREADS,
            max=THREADS,
            request_queue_size=QUEUE,
            timeout=TIMEOUT_S,
            shutdown_timeout=SHUTDOWN_S,
            server_name="tallyman",
        )
        if tls is not None:
            self._server.ssl_adapter = _Tls(tls)
        # Not limited by default.
        self._server.max_request_header_size = HEADER_BYTES_MAX
        self._server.max_request_body_size = BODY_BYTES_MAX
        self._thread: threading.Thread | None = None

    def start(self) -> tuple[str, int]:
        """Listen; answers the bound address (port 0 picks a free one). Raises Unavailable if it is taken."""
        try:
            self._server.prepare()
        except OSError as error:
            host, port = self._server.bind_addr[:2]
            raise Unavailable(f"cannot listen on {host} port {port}, which may be taken: choose another") from error
        self._server.arrivals.start()
        self._thread = threading.Thread(target=self._server.serve, name="web", daemon=True)
        self._thread.start()
        host, port = self._server.bind_addr[:2]
        return str(host), int(port)

    def stop(self) -> None:
        """Finish what is being answered, then close."""
        self._stopping.set()
        if self._thread is not None:
            self._server.arrivals.stop()
        self._server.stop()
        if self._thread is not None:
            self._thread.join(SHUTDOWN_S * 2)


class _Tls(Adapter):
    """Wraps a new line without a word: the handshake is done by the first read, which waits for nobody."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def bind(self, sock: Any) -> Any:
        return sock

    def wrap(self, sock: Any) -> tuple[ssl.SSLSocket, dict[str, Any]]:
        return self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), {}

    def get_environ(self) -> dict[str, Any]:
        return {}

    def makefile(self, sock: Any, mode: str = "r", bufsize: int = -1) -> Any:
        return MakeFile(sock, mode, bufsize)


class _Server(wsgi.Server):
    ConnectionClass = Connection

    def __init__(self, clock: Clock, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.arrivals = Arrivals(super().process_conn, clock, self.timeout)

    def process_conn(self, conn: Any) -> None:
        """Called by cheroot with every connection that has something to say, or is new."""
        self.arrivals.add(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        log.log(level, msg or "web server", exc_info=traceback)
