"""A label printer on the network (port 9100), a serial port, or a file or device node that takes ZPL."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from devices.transports.base import Transport
from ledger.errors import Rejected, Unavailable

STATUS = b"~HS"
STATUS_MS = 1_500
CONNECT_MS = 3_000
SEND_MS = 10_000
CLOSE_MS = 10_000
PORT = 9100
_LINES = re.compile(rb"\x02([^\x02\x03]{1,200})\x03")


@dataclass(frozen=True, slots=True)
class Status:
    """What a printer says of itself: `problem` for a person, empty when it can print; labels `left` of its batch."""

    problem: str = ""
    left: int = 0

    @classmethod
    def parse(cls, reply: bytes) -> Status | None:
        """From the three framed lines of ~HS, which have no length: None until all three are there."""
        lines = [line.decode("ascii", "replace").strip().split(",") for line in _LINES.findall(reply)]
        if len(lines) < 3 or len(lines[0]) < 12 or len(lines[1]) < 9:
            return None
        one, two = lines[0], lines[1]
        faults = (
            (one[1], "no paper: put a roll in"),
            (two[2], "the head is open: close it"),
            (two[3], "no ribbon: put one in"),
            (one[2], "paused: press its pause key"),
            (one[5], "its buffer is full: wait"),
            (one[9], "its memory is damaged: switch it off and on"),
            (one[10], "too cold"),
            (one[11], "too hot: let it rest"),
        )
        left = re.sub(r"\D", "", two[8])
        waiting = re.sub(r"\D", "", one[4])
        problem = next((text for flag, text in faults if flag == "1"), "")
        return cls(problem, int(left or 0) + int(waiting or 0))


class Line(Protocol):
    """One connection to a printer, for one job."""

    def status(self) -> Status | None:
        """What it says of itself; None when it does not answer."""

    def send(self, data: bytes) -> None:
        """All of `data`; raises Unavailable when it breaks off."""

    def finish(self) -> None:
        """Wait until the printer is done with this connection; raises Unavailable when it does not end."""


class Printer(Protocol):
    """Where jobs go."""

    def connected(self) -> contextlib.AbstractContextManager[Line]:
        """A connection for one job; raises Unavailable when the printer is not there."""


@dataclass(slots=True)
class SocketPrinter:
    """A printer that listens on the network."""

    host: str
    port: int = PORT

    @contextmanager
    def connected(self) -> Iterator[Line]:
        """See `Printer`."""
        try:
            own = socket.create_connection((self.host, self.port), CONNECT_MS / 1000)
        except OSError as error:
            raise Unavailable(f"the printer {self.host}:{self.port} does not answer: {error}") from error
        with own:
            yield _SocketLine(own)


@dataclass(slots=True)
class _SocketLine:
    own: socket.socket

    def status(self) -> Status | None:
        """Ask ~HS and wait for its three lines."""
        self.send(STATUS)
        reply = b""
        self.own.settimeout(STATUS_MS / 1000)
        while (found := Status.parse(reply)) is None:
            try:
                chunk = self.own.recv(1_024)
            except TimeoutError:
                return None
            except OSError as error:
                raise Unavailable(f"the printer hung up: {error}") from error
            if not chunk:
                raise Unavailable("the printer hung up")
            reply = (reply + chunk)[-2_000:]
        return found

    def send(self, data: bytes) -> None:
        """See `Line`."""
        self.own.settimeout(SEND_MS / 1000)
        try:
            self.own.sendall(data)
        except OSError as error:
            raise Unavailable(f"the printer took only a part: {error}") from error

    def finish(self) -> None:
        """Say that this was all, and wait for the printer's own good-bye: the next job must not overlap."""
        self.own.settimeout(CLOSE_MS / 1000)
        try:
            self.own.shutdown(socket.SHUT_WR)
            while self.own.recv(1_024):
                continue
        except OSError as error:
            raise Unavailable(f"the printer did not end the connection: {error}") from error


@dataclass(slots=True)
class TransportPrinter:
    """A printer on a serial port, by the same transport as scanners."""

    transport: Transport

    @contextmanager
    def connected(self) -> Iterator[Line]:
        """See `Printer`."""
        self.transport.open()
        try:
            yield _TransportLine(self.transport)
        finally:
            self.transport.close()


@dataclass(slots=True)
class _TransportLine:
    transport: Transport

    def status(self) -> Status | None:
        """Ask ~HS and wait for its three lines."""
        self.transport.write(STATUS)
        reply = b""
        for _ in range(STATUS_MS // 100):
            reply = (reply + self.transport.read(100))[-2_000:]
            if found := Status.parse(reply):
                return found
        return None

    def send(self, data: bytes) -> None:
        """See `Line`."""
        self.transport.write(data)

    def finish(self) -> None:
        """A serial port has no end of a connection."""


@dataclass(slots=True)
class FilePrinter:
    """A file, or a device node such as /dev/usb/lp0: what it makes of a job it does not tell."""

    path: str

    @contextmanager
    def connected(self) -> Iterator[Line]:
        """See `Printer`."""
        try:
            own = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Unavailable(f"cannot open {self.path}: {error.strerror}") from error
        try:
            yield _FileLine(own, self.path)
        finally:
            os.close(own)


@dataclass(slots=True)
class _FileLine:
    own: int
    path: str

    def status(self) -> Status | None:
        """It does not tell."""
        return None

    def send(self, data: bytes) -> None:
        """See `Line`."""
        try:
            while data:
                data = data[os.write(self.own, data) :]
        except OSError as error:
            raise Unavailable(f"{self.path} took only a part: {error.strerror}") from error

    def finish(self) -> None:
        """Make it durable, where that means anything."""
        with contextlib.suppress(OSError):
            os.fsync(self.own)


def printer_at(address: str) -> Printer:
    """`tcp://host[:9100]`, `serial:///dev/…?baud=9600` or `file:///…`; raises Rejected for anything else."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Rejected(f"{address} is not a printer's address: {error}") from error
    if parts.scheme == "tcp" and host and parts.path in ("", "/") and not parts.query:
        return SocketPrinter(host, port or PORT)
    if parts.scheme == "file" and not host and parts.path.startswith("/") and not parts.query:
        return FilePrinter(parts.path)
    if parts.scheme == "serial":
        from devices.registry import Device

        return TransportPrinter(Device.parse(address).transport())
    raise Rejected(f"{address} is not a printer's address: expected tcp://host:9100, serial:///dev/… or file:///…")
