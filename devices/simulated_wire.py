"""Joins a simulated device to a real wire, and lets the wire be bad: loss, duplicates, noise, splits.

A wire is anything with `send` and `answers`: the pseudo-terminal of `simulated`, a socket, a pipe. Trouble comes by
dice that are passed in, so that the same seed gives the same trouble.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from devices.simulated_scale import ScaleSide
from devices.simulated_sides import Side
from ledger.clock import Clock
from ledger.errors import Unavailable
from ledger.seams import Random

STEP_MS = 10


class Wire(Protocol):
    """Bytes to and from the program under test."""

    def send(self, data: bytes) -> None:
        """Exactly these; raises Unavailable when nobody is there."""

    def answers(self, timeout_ms: int = 0) -> bytes:
        """What the program said, waiting up to `timeout_ms`."""


@dataclass(slots=True)
class PipeWire:
    """A FIFO or a pipe's end: the program never answers."""

    descriptor: int

    def send(self, data: bytes) -> None:
        """Write all of it; raises Unavailable when the reader is gone."""
        try:
            while data:
                data = data[os.write(self.descriptor, data) :]
        except OSError as error:
            raise Unavailable(f"nobody reads the pipe: {error}") from error

    def answers(self, timeout_ms: int = 0) -> bytes:
        """Nothing; the time passes."""
        select.select([], [], [], timeout_ms / 1000)
        return b""


@dataclass(slots=True)
class SocketWire:
    """A connected socket; `connect` makes the scanner that calls, `wait_for_call` the one that is called."""

    own: socket.socket

    @classmethod
    def connect(cls, host: str, port: int, timeout_ms: int = 5_000) -> SocketWire:
        """Call the program; raises Unavailable."""
        try:
            return cls(socket.create_connection((host, port), timeout_ms / 1000))
        except OSError as error:
            raise Unavailable(f"cannot connect to {host}:{port}: {error}") from error

    @classmethod
    def wait_for_call(cls, server: socket.socket, timeout_ms: int = 5_000) -> SocketWire:
        """Wait for the program's call; raises Unavailable."""
        server.settimeout(timeout_ms / 1000)
        try:
            return cls(server.accept()[0])
        except OSError as error:
            raise Unavailable(f"nobody called within {timeout_ms} ms") from error

    def send(self, data: bytes) -> None:
        """Send all of it; raises Unavailable."""
        try:
            self.own.sendall(data)
        except OSError as error:
            raise Unavailable(f"the program closed the connection: {error}") from error

    def answers(self, timeout_ms: int = 0) -> bytes:
        """What came in; raises Unavailable when the program closed the connection."""
        try:
            if not select.select([self.own], [], [], timeout_ms / 1000)[0]:
                return b""
            chunk = self.own.recv(4_096)
        except (OSError, ValueError) as error:
            raise Unavailable(f"the program closed the connection: {error}") from error
        if not chunk:
            raise Unavailable("the program closed the connection")
        return chunk

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self.own.close()


@dataclass(frozen=True, slots=True)
class Trouble:
    """How bad the wire is, in percent of exchanges: an answer the device never hears, a message said twice, bytes of
    noise before a message; and into pieces of how many bytes a message is cut (0: whole)."""

    lose: int = 0
    double: int = 0
    noise: int = 0
    split: int = 0


def serve(
    side: Side | ScaleSide,
    wire: Wire,
    *,
    clock: Clock,
    random: Random,
    trouble: Trouble | None = None,
    until: Callable[[], bool],
    timeout_ms: int = 30_000,
) -> bool:
    """Let `side` talk over `wire` until `until` holds; False when it did not within `timeout_ms`.

    Raises Unavailable when the wire is gone.
    """
    bad = trouble or Trouble()
    started_ms = last_ms = clock.monotonic_ms()
    while not until():
        now_ms = clock.monotonic_ms()
        side.tick(now_ms - last_ms)
        last_ms = now_ms
        if now_ms - started_ms > timeout_ms:
            return False
        if said := side.say():
            _send(wire, said, bad, random)
        if heard := wire.answers(STEP_MS):
            if _happens(bad.lose, random):
                continue
            side.hear(heard)
    if said := side.say():
        _send(wire, said, bad, random)
    return True


def _send(wire: Wire, said: bytes, bad: Trouble, random: Random) -> None:
    if _happens(bad.noise, random):
        wire.send(bytes(byte | 0x80 for byte in random.bytes(6)))
    for _ in range(1 + _happens(bad.double, random)):
        size = bad.split or len(said)
        for start in range(0, len(said), size):
            wire.send(said[start : start + size])


def _happens(percent: int, random: Random) -> bool:
    return bool(percent) and int.from_bytes(random.bytes(2), "big") % 100 < percent
