"""Device nodes that are read with the standard library alone: evdev for scanners that type, hidraw for HID-POS.

A keyboard is grabbed only when the address says so: an ungrabbed scanner also types into whatever has the focus, but
a grabbed keyboard of a person is dead. Both kinds are named by a stable path (`/dev/input/by-id/…`, or the link that
our udev rule makes for hidraw), never by `event7`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
from dataclasses import dataclass
from typing import Literal

from devices.transports.base import CHUNK_BYTES, PATIENCE_MS, Ended, Waiting
from ledger.errors import Unavailable

EVIOCGRAB = 0x40044590
HIDIOCGRDESCSIZE, HIDIOCGRDESC = 0x80044801, 0x90044802
_DESCRIPTOR_BYTES = 4_096
POS_PAGE = 0x8C


@dataclass(slots=True)
class NodeTransport:
    """One node. `kind` says what to check on opening; `grab` takes a keyboard away from everyone else."""

    path: str
    kind: Literal["evdev", "hidraw"]
    grab: bool = False
    patience_ms: int = PATIENCE_MS
    _own: int = -1
    _waiting: Waiting | None = None

    def present(self) -> bool:
        """Whether the node exists; see `base.Transport`."""
        return os.path.exists(self.path)

    def open(self) -> None:
        """Open, check and perhaps grab; raises Unavailable with what to do."""
        self.close()
        try:
            # A FIFO in a node's place (tests, training) must not end whenever its writer does.
            flags = os.O_RDWR if self.kind == "hidraw" or stat.S_ISFIFO(os.stat(self.path).st_mode) else os.O_RDONLY
            self._own = os.open(self.path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError as error:
            group = "input" if self.kind == "evdev" else "plugdev"
            raise Unavailable(f"no permission for {self.path}: install the udev rules, or join {group}") from error
        except OSError as error:
            raise Unavailable(f"cannot open {self.path}: {error.strerror}; is the scanner plugged in?") from error
        self._waiting = Waiting()
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def read(self, timeout_ms: int) -> bytes:
        """Events or one report at once, or nothing after `timeout_ms`; raises Unavailable when it is unplugged."""
        if self._waiting is None:
            raise Unavailable(f"{self.path} is not open")
        try:
            if not self._waiting.readable([self._own], timeout_ms):
                return b""
            chunk = os.read(self._own, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.path} went away: {error}") from error
        if not chunk:
            raise Ended(f"{self.path} has ended")
        return chunk

    def write(self, data: bytes) -> None:
        """Send one report; a keyboard takes none."""
        if self.kind == "evdev":
            return
        try:
            os.write(self._own, data)
        except OSError as error:
            raise Unavailable(f"{self.path} took no report: {error}") from error

    def wake(self) -> None:
        """End a waiting `read` from another thread."""
        if self._waiting is not None:
            self._waiting.wake()

    def close(self) -> None:
        """Close the node, which also ends a grab."""
        if self._own >= 0:
            with contextlib.suppress(OSError):
                os.close(self._own)
        if self._waiting is not None:
            self._waiting.close()
        self._own, self._waiting = -1, None

    def end(self) -> None:
        """Close the node."""
        self.close()

    def _check(self) -> None:
        if self.kind == "evdev" and self.grab:
            try:
                fcntl.ioctl(self._own, EVIOCGRAB, 1)
            except OSError as error:
                raise Unavailable(
                    f"cannot grab {self.path}: {error.strerror}; does another program hold it?"
                ) from error
        if self.kind == "hidraw" and stat.S_ISCHR(os.fstat(self._own).st_mode):
            try:
                descriptor = report_descriptor(self._own)
            except OSError as error:
                raise Unavailable(f"{self.path} is no HID device: {error.strerror}") from error
            if not speaks_pos(descriptor):
                raise Unavailable(f"{self.path} is not in HID-POS mode: scan the mode's code in the scanner's manual")


def report_descriptor(descriptor: int) -> bytes:
    """The HID report descriptor of an open hidraw node; raises OSError."""
    size = struct.unpack("i", fcntl.ioctl(descriptor, HIDIOCGRDESCSIZE, b"\0\0\0\0"))[0]
    buffer = bytearray(struct.pack("I", size) + b"\0" * _DESCRIPTOR_BYTES)
    fcntl.ioctl(descriptor, HIDIOCGRDESC, buffer)
    return bytes(buffer[4 : 4 + size])


def speaks_pos(descriptor: bytes) -> bool:
    """Whether a HID report descriptor names the bar code scanner's usage page. Short items only, as all are."""
    place = 0
    while place < len(descriptor):
        head = descriptor[place]
        size = (0, 1, 2, 4)[head & 3]
        if head & 0xFC == 0x04 and int.from_bytes(descriptor[place + 1 : place + 1 + size], "little") == POS_PAGE:
            return True
        place += 1 + size
    return False
