"""Device nodes that are read with the standard library alone: evdev for scanners that type, hidraw for HID-POS.

A keyboard is grabbed only when the address says so: an ungrabbed scanner also types into whatever has the focus, but
a grabbed keyboard of a person is dead. Both kinds are named by a stable path (`/dev/input/by-id/…`, or the link that
our udev rule makes for hidraw), never by `event7`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from typing import Literal

from devices.transports.base import reason
from devices.transports.descriptor import DescriptorTransport, opened
from ledger.errors import Unavailable

EVIOCGRAB = 0x40044590
HIDIOCGRDESCSIZE, HIDIOCGRDESC = 0x80044801, 0x90044802
_DESCRIPTOR_BYTES = 4_096
POS_PAGE = 0x8C


class NodeTransport(DescriptorTransport):
    """One node. `kind` says what to check on opening; `grab` takes a keyboard away from everyone else."""

    def __init__(self, path: str, kind: Literal["evdev", "hidraw"], grab: bool = False) -> None:
        super().__init__(path)
        self.kind, self.grab = kind, grab

    def write(self, data: bytes) -> None:
        """Send one report; a keyboard takes none."""
        if self.kind == "evdev":
            return
        try:
            os.write(self._own, data)
        except OSError as error:
            raise Unavailable(f"{self.path} took no report: {reason(error)}") from error

    def read(self, timeout_ms: int) -> bytes:
        """As every descriptor; silence under a name that leads elsewhere by now is the end of this device too."""
        chunk = super().read(timeout_ms)
        if not chunk and self._renamed():
            raise Unavailable(f"{self.path} went away: {os.strerror(errno.ENODEV)}")
        return chunk

    def _renamed(self) -> bool:
        try:
            return not os.path.samestat(os.stat(self.path), os.fstat(self._own))
        except OSError:
            return True

    def _opened(self) -> int:
        try:
            own = opened(self.path, both_ways=self.kind == "hidraw")
        except PermissionError as error:
            group = "input" if self.kind == "evdev" else "plugdev"
            raise Unavailable(f"no permission for {self.path}: install the udev rules, or join {group}") from error
        except OSError as error:
            raise Unavailable(f"cannot open {self.path}: {error.strerror}; is the scanner plugged in?") from error
        try:
            self._check(own)
        except BaseException:
            os.close(own)
            raise
        return own

    def _check(self, own: int) -> None:
        if self.kind == "evdev" and self.grab:
            try:
                fcntl.ioctl(own, EVIOCGRAB, 1)
            except OSError as error:
                raise Unavailable(
                    f"cannot grab {self.path}: {error.strerror}; does another program hold it?"
                ) from error
        if self.kind == "hidraw" and stat.S_ISCHR(os.fstat(own).st_mode):
            try:
                descriptor = report_descriptor(own)
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
