"""Where a device made of software stands: a terminal, a FIFO in the place of a device node, or the network.

Each place can be unplugged and plugged in again under the same address, as the real one would be.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from devices.simulated import SEND_MS_MAX, SimulatedScanner
from devices.simulated_port import PortServer
from devices.simulated_wire import PipeWire, SocketWire, Wire
from ledger.clock import Clock
from ledger.errors import Unavailable

_STEP_MS = 20


class Place(ABC):
    """One place; also a context manager, which leaves nothing behind."""

    url: str
    path: str
    _clock: Clock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def opened(self, wait_ms: int) -> Wire:
        """The wire, once a program has the device open; raises Unavailable when none does in time."""

    @abstractmethod
    def drain(self) -> None:
        """Return once everything sent has been read."""

    @abstractmethod
    def close(self) -> None:
        """Unplug it for good."""

    def unplug(self, away_ms: int) -> None:
        """Away for so long, then back."""
        self.drain()
        self._leave()
        self._clock.sleep_ms(away_ms)
        self._return()

    @abstractmethod
    def _leave(self) -> None:
        """As a cable that is pulled."""

    @abstractmethod
    def _return(self) -> None:
        """There again."""


class TerminalPlace(Place):
    """A pseudo-terminal, as serial ports and USB-CDC have."""

    def __init__(self, link: Path | None, clock: Clock) -> None:
        self._clock = clock
        self._wire = SimulatedScanner(link, clock=clock, suffix=b"")
        self.url, self.path = self._wire.url, self._wire.path

    @property
    def wire(self) -> Wire:
        """The wire, whether or not anybody has the far end open."""
        return self._wire

    def opened(self, wait_ms: int) -> Wire:
        """See `Place`."""
        self._wire.wait_opened(wait_ms)
        return self._wire

    def drain(self) -> None:
        """See `Place`."""
        self._wire.drain()

    def close(self) -> None:
        """See `Place`."""
        self._wire.unplug()

    def _leave(self) -> None:
        self._wire.unplug()

    def _return(self) -> None:
        self._wire.plug()


class NodePlace(Place):
    """A FIFO at `link` in the place of a device node of `scheme`."""

    def __init__(self, scheme: str, link: Path, clock: Clock) -> None:
        self._clock, self._link, self._far = clock, link, -1
        self.url, self.path = f"{scheme}://{link.absolute()}", str(link)
        if not link.exists():
            os.mkfifo(link)

    def opened(self, wait_ms: int) -> Wire:
        """See `Place`."""
        deadline_ms = self._clock.monotonic_ms() + wait_ms
        while self._far < 0:
            try:
                self._far = os.open(self._link, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if self._clock.monotonic_ms() > deadline_ms:
                    raise Unavailable(f"nobody opened {self._link} within {wait_ms // 1000} s") from error
                self._clock.sleep_ms(_STEP_MS)
        os.set_blocking(self._far, True)
        return PipeWire(self._far)

    def drain(self) -> None:
        """See `Place`."""
        deadline_ms = self._clock.monotonic_ms() + SEND_MS_MAX
        while self._far >= 0 and self._unread() and self._clock.monotonic_ms() < deadline_ms:
            self._clock.sleep_ms(_STEP_MS)

    def close(self) -> None:
        """See `Place`."""
        self._leave()

    def _unread(self) -> int:
        return int(struct.unpack("i", fcntl.ioctl(self._far, termios.FIONREAD, b"\0\0\0\0"))[0])

    def _leave(self) -> None:
        if self._far >= 0:
            os.close(self._far)
            self._far = -1
        self._link.unlink(missing_ok=True)

    def _return(self) -> None:
        os.mkfifo(self._link)


class CalledPlace(Place):
    """A port of this machine that the program calls; with `as_server` a serial port behind an RFC 2217 server."""

    def __init__(self, port: int, clock: Clock, *, as_server: bool = False) -> None:
        self._clock, self._as_server = clock, as_server
        try:
            self._server = socket.create_server(("127.0.0.1", port))
        except OSError as error:
            raise Unavailable(f"cannot listen on port {port}: {error.strerror}") from error
        self.path = f"127.0.0.1:{self._server.getsockname()[1]}"
        self.url = f"{'rfc2217' if as_server else 'tcp'}://{self.path}"
        self._line: SocketWire | None = None
        self._wire: Wire | None = None

    def opened(self, wait_ms: int) -> Wire:
        """See `Place`."""
        if self._wire is None:
            self._line = SocketWire.wait_for_call(self._server, wait_ms)
            self._wire = PortWire(self._line, PortServer()) if self._as_server else self._line
            if isinstance(self._wire, PortWire):
                self._wire.set_up(wait_ms, self._clock)
        return self._wire

    def drain(self) -> None:
        """What was sent waits at the program's side: nobody can see whether it was read."""

    def close(self) -> None:
        """See `Place`."""
        self._leave()
        self._server.close()

    def _leave(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = self._wire = None

    def _return(self) -> None:
        """It still listens."""


class CallingPlace(Place):
    """A scanner that calls the program at `host`:`port`."""

    def __init__(self, host: str, port: int, clock: Clock) -> None:
        self._clock, self._host, self._port = clock, host, port
        self.path = f"{host}:{port}"
        self.url = f"tcp-listen://{self.path}"
        self._wire: SocketWire | None = None

    def opened(self, wait_ms: int) -> Wire:
        """See `Place`."""
        deadline_ms = self._clock.monotonic_ms() + wait_ms
        while self._wire is None:
            try:
                self._wire = SocketWire.connect(self._host, self._port)
            except Unavailable:
                if self._clock.monotonic_ms() > deadline_ms:
                    raise
                self._clock.sleep_ms(_STEP_MS)
        return self._wire

    def drain(self) -> None:
        """What was sent waits at the program's side: nobody can see whether it was read."""

    def close(self) -> None:
        """See `Place`."""
        self._leave()

    def _leave(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None

    def _return(self) -> None:
        """It calls when it has something to say."""


@dataclass(slots=True)
class PortWire:
    """What goes over a terminal server: data with its commands taken out and put in."""

    line: SocketWire
    server: PortServer

    def set_up(self, wait_ms: int, clock: Clock) -> None:
        """Return once the program has set the port up; what is sent before that is not read."""
        deadline_ms = clock.monotonic_ms() + wait_ms
        while not self.server.is_set_up() and clock.monotonic_ms() < deadline_ms:
            self.answers(_STEP_MS)

    def send(self, data: bytes) -> None:
        """See `Wire`."""
        self.line.send(self.server.escaped(data))

    def answers(self, timeout_ms: int = 0) -> bytes:
        """See `Wire`."""
        data = self.server.feed(self.line.answers(timeout_ms))
        if owed := self.server.owed():
            self.line.send(owed)
        return data


@dataclass(slots=True)
class InPieces:
    """A wire on which everything goes in pieces, with pauses between them."""

    wire: Wire
    clock: Clock
    piece: int
    gap_ms: int

    def send(self, data: bytes) -> None:
        """See `Wire`."""
        for start in range(0, len(data), self.piece):
            if start and self.gap_ms:
                self.clock.sleep_ms(self.gap_ms)
            self.wire.send(data[start : start + self.piece])

    def answers(self, timeout_ms: int = 0) -> bytes:
        """See `Wire`."""
        return self.wire.answers(timeout_ms)
