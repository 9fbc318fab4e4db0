"""Serial ports, USB-CDC scanners and pseudo-terminals, through pyserial: this is its only importer.

A port is taken exclusively: a second reader would silently get half of every code. Ports are named by a stable path
(`/dev/serial/by-id/…`), because the kernel numbers `/dev/ttyACM0` by order of appearance. Nothing is ever written to
probe a port: what hangs there may be a scale or a door.
"""

from __future__ import annotations

import contextlib
import os
import termios
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from devices.transports.base import CHUNK_BYTES, PATIENCE_MS, reason
from ledger.errors import Unavailable

WRITE_TIMEOUT_MS = 1_000
BAUD_RATES = (1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600)

# pyserial raises its own errors for some failures and lets the system's through for others: after a hang-up
# `in_waiting` is a bare OSError 5, and a descriptor closed elsewhere shows as TypeError.
_FAILURES = (OSError, termios.error, TypeError, ValueError)


@dataclass(slots=True)
class SerialTransport:
    """One port. `parity` is N, E, O, M or S; `flow` is none, rtscts or xonxoff."""

    path: str
    baud: int = 9_600
    bits: Literal[5, 6, 7, 8] = 8
    parity: Literal["N", "E", "O", "M", "S"] = "N"
    stop: Literal[1, 2] = 1
    flow: Literal["none", "rtscts", "xonxoff"] = "none"
    patience_ms: int = PATIENCE_MS
    _port: Any = None

    def present(self) -> bool:
        """Whether the device node exists; see `base.Transport`."""
        return os.path.exists(self.path)

    def open(self) -> None:
        """Open and lock the port; raises Unavailable when it is missing, forbidden or in use."""
        self.close()
        try:
            self._port = _port_class()(
                port=self.path,
                baudrate=self.baud,
                bytesize=self.bits,
                parity=self.parity,
                stopbits=self.stop,
                rtscts=self.flow == "rtscts",
                xonxoff=self.flow == "xonxoff",
                timeout=0,
                write_timeout=WRITE_TIMEOUT_MS / 1000,
                exclusive=True,
            )
        except _FAILURES as error:
            raise Unavailable(f"cannot open {self.path}: {_reason(error, self.path)}") from error

    def read(self, timeout_ms: int) -> bytes:
        """Bytes at once, or nothing after `timeout_ms` of silence; raises Unavailable when the port is gone."""
        port = self._opened()
        try:
            port.timeout = timeout_ms / 1000
            first: bytes = port.read(1)
            if not first:
                return b""
            port.timeout = 0
            rest: bytes = port.read(min(port.in_waiting, CHUNK_BYTES))
            return first + rest
        except _FAILURES as error:
            raise Unavailable(f"{self.path} went away or another program reads it too: {reason(error)}") from error

    def write(self, data: bytes) -> None:
        """Send all of `data`; raises Unavailable when the port is gone or blocked by flow control."""
        port = self._opened()
        try:
            port.write(data)
        except _FAILURES as error:
            raise Unavailable(f"{self.path} took no bytes: {reason(error)}") from error

    def wake(self) -> None:
        """End a waiting `read` from another thread."""
        port = self._port
        if port is not None:
            with contextlib.suppress(*_FAILURES, AttributeError):
                port.cancel_read()

    def close(self) -> None:
        """Close the port; errors of a device that is already gone do not matter."""
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(*_FAILURES):
                port.close()

    def end(self) -> None:
        """Close the port."""
        self.close()

    def _opened(self) -> Any:
        if self._port is None:
            raise Unavailable(f"{self.path} is not open")
        return self._port


@cache
def _port_class() -> Any:
    """pyserial's port, imported when the first one is opened, with two habits of it undone.

    It empties the input then: a code that is coming in at that moment would lose its beginning, and the rest would
    pass for a whole code. And it has the kernel pass on a byte that arrived with an error of parity or framing: a
    wrong digit would pass for a right one. Such a byte is NUL here, as a break is, and no label holds that.
    """
    import serial

    class Port(serial.Serial):  # type: ignore[misc]  # pyserial has no types
        def _reconfigure_port(self, force_update: bool = False) -> None:
            if not force_update:
                return  # only a timeout was changed, and that is not the port's
            super()._reconfigure_port(force_update=True)
            flags = termios.tcgetattr(self.fd)
            # What another program left here would drop the byte, mark it in two more, or empty the input at a break.
            flags[0] &= ~(termios.IGNPAR | termios.PARMRK | termios.BRKINT)
            flags[0] |= termios.INPCK
            termios.tcsetattr(self.fd, termios.TCSANOW, flags)

        def _reset_input_buffer(self) -> None:
            return None

    return Port


def _reason(error: BaseException, path: str) -> str:
    number = getattr(error, "errno", None)
    text = str(error)
    if not os.path.exists(path):
        return "No such device; is the scanner plugged in?"
    if "exclusively lock" in text or number in (11, 16):
        return "another program has it open; stop that program (ModemManager is a frequent one)"
    if number == 13 or "Permission denied" in text:
        return "no permission; add the user to the group of the port (often dialout)"
    return text
