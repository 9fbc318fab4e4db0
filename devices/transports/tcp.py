"""Scanners, scales and terminal servers on the network: TCP as client or listener, and RFC 2217 ports.

Plain sockets: a layer that empties its input on connecting would lose what the scanner sends first. A peer that
vanished without a word is noticed by keep-alive within half a minute.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from devices.protocols.telnet import PortClient, escaped
from devices.transports.base import CHUNK_BYTES, NETWORK_PATIENCE_MS, Waiting, reason
from ledger.errors import Unavailable

CONNECT_MS = 3_000
WRITE_MS = 1_000
CONFIRM_MS = 3_000
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))


@dataclass(slots=True)
class _Line:
    """One connected socket and the means to wait for it."""

    name: str
    own: socket.socket
    waiting: Waiting = field(default_factory=Waiting)

    def __post_init__(self) -> None:
        self.own.settimeout(WRITE_MS / 1000)
        self.own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in _KEEPALIVE:
            self.own.setsockopt(socket.IPPROTO_TCP, name, value)

    def read(self, timeout_ms: int) -> bytes:
        try:
            if not self.waiting.readable([self.own.fileno()], timeout_ms):
                return b""
            chunk = self.own.recv(CHUNK_BYTES)
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.name} went away: {reason(error)}") from error
        if not chunk:
            raise Unavailable(f"{self.name} closed the connection")
        return chunk

    def write(self, data: bytes) -> None:
        try:
            self.own.sendall(data)
        except OSError as error:
            raise Unavailable(f"{self.name} took no bytes: {reason(error)}") from error

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.own.close()
        self.waiting.close()


class TcpTransport:
    """A device that listens at `host`:`port`; with `port_client` a serial port behind an RFC 2217 server."""

    def __init__(self, host: str, port: int, port_client: Callable[[], PortClient] | None = None) -> None:
        self._host, self._port, self._port_client = host, port, port_client
        self._line: _Line | None = None
        self._telnet: PortClient | None = None
        self._early = b""
        self.patience_ms = NETWORK_PATIENCE_MS

    def present(self) -> bool:
        """Always: only connecting tells."""
        return True

    def open(self) -> None:
        """Connect, and set the far port up; raises Unavailable."""
        self.close()
        name = f"{self._host}:{self._port}"
        try:
            own = socket.create_connection((self._host, self._port), CONNECT_MS / 1000)
        except OSError as error:
            raise Unavailable(f"cannot connect to {name}: {reason(error)}") from error
        self._line = _Line(name, own)
        if self._port_client is not None:
            self._telnet = self._port_client()
            try:
                self._early = self._set_up(self._line, self._telnet)
            except BaseException:
                self.close()
                raise

    def read(self, timeout_ms: int) -> bytes:
        """Bytes at once, or nothing after `timeout_ms`; raises Unavailable when the peer is gone."""
        line = self._opened()
        if self._early:
            early, self._early = self._early, b""
            return early
        chunk = line.read(timeout_ms)
        if self._telnet is None or not chunk:
            return chunk
        data = self._telnet.feed(chunk)
        if owed := self._telnet.owed():
            line.write(owed)
        return data

    def write(self, data: bytes) -> None:
        """Send all of `data`; raises Unavailable."""
        self._opened().write(data if self._telnet is None else escaped(data))

    def wake(self) -> None:
        """End a waiting `read` from another thread."""
        line = self._line
        if line is not None:
            line.waiting.wake()

    def close(self) -> None:
        """Close the connection."""
        line, self._line, self._telnet, self._early = self._line, None, None, b""
        if line is not None:
            line.close()

    def end(self) -> None:
        """Close the connection."""
        self.close()

    def _opened(self) -> _Line:
        if self._line is None:
            raise Unavailable(f"{self._host}:{self._port} is not connected")
        return self._line

    @staticmethod
    def _set_up(line: _Line, telnet: PortClient) -> bytes:
        """Wait until the far port confirms its settings; answers what it sent behind that. What it sent before that
        came at an unknown speed."""
        line.write(telnet.hello())
        for _ in range(CONFIRM_MS // 100):
            early = b""
            if chunk := line.read(100):
                early = b"".join(data for byte in chunk if (data := telnet.feed(bytes((byte,)))) and telnet.ready())
                if owed := telnet.owed():
                    line.write(owed)
            if telnet.refusal:
                raise Unavailable(f"{line.name}: {telnet.refusal}")
            if telnet.ready():
                return early
        raise Unavailable(f"{line.name} does not confirm the port's settings: is it an RFC 2217 server?")


class TcpListener:
    """A port of ours that one scanner connects to. A new connection takes the old one's place: scanners that lost
    power never said good-bye. Only addresses of `allowed` get in, everyone when it is empty."""

    def __init__(self, host: str, port: int, allowed: frozenset[str] = frozenset()) -> None:
        self._host, self._port, self._allowed = host, port, allowed
        self._server: socket.socket | None = None
        self._line: _Line | None = None
        self._lock = threading.Lock()
        self.patience_ms = NETWORK_PATIENCE_MS

    def present(self) -> bool:
        """Whether a scanner has connected and waits. Listens from the first call on."""
        try:
            return self._waits(self._listening())
        except Unavailable:
            return True  # `open` says why

    def open(self) -> None:
        """Take the scanner that waits; raises Unavailable when none does, or the port is not to be had."""
        self.close()
        server = self._listening()
        if not self._waits(server):
            raise Unavailable(f"nothing has connected to {self._host}:{self._port} yet")
        own, address = server.accept()
        caller = str(address[0]).removeprefix("::ffff:")  # IPv4 at a port of both kinds
        if self._allowed and caller not in self._allowed:
            own.close()
            raise Unavailable(f"{caller} connected and is not allowed to; add it to allow=")
        self._line = _Line(caller, own)

    def read(self, timeout_ms: int) -> bytes:
        """Bytes at once, or nothing; raises Unavailable when the peer is gone or another has come in its place."""
        if self._line is None:
            raise Unavailable(f"nothing is connected to {self._host}:{self._port}")
        chunk = self._line.read(timeout_ms)
        if not chunk and self._waits(self._listening()):
            raise Unavailable("a new connection takes the place of this one")
        return chunk

    def write(self, data: bytes) -> None:
        """Send all of `data`; raises Unavailable."""
        if self._line is None:
            raise Unavailable(f"nothing is connected to {self._host}:{self._port}")
        self._line.write(data)

    def wake(self) -> None:
        """End a waiting `read` from another thread."""
        line = self._line
        if line is not None:
            line.waiting.wake()

    def close(self) -> None:
        """Close the connection; the port goes on listening."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def end(self) -> None:
        """Close the connection and the port."""
        self.close()
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.close()

    def _listening(self) -> socket.socket:
        with self._lock:
            if self._server is None:
                family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
                both = self._host == "::" and socket.has_dualstack_ipv6()
                try:
                    self._server = socket.create_server(
                        (self._host, self._port), family=family, backlog=4, dualstack_ipv6=both
                    )
                except OSError as error:
                    raise Unavailable(f"cannot listen on {self._host}:{self._port}: {reason(error)}") from error
            return self._server

    @staticmethod
    def _waits(server: socket.socket) -> bool:
        try:
            poll = select.poll()
            poll.register(server, select.POLLIN)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return False
