"""What a transport is: bytes from and to one device. It knows descriptors and nothing of what the bytes mean."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Sequence
from typing import Protocol

CHUNK_BYTES = 4_096
PATIENCE_MS = 1_500  # a device that is there and will not open is tried this often: it is back within two seconds
NETWORK_PATIENCE_MS = 1_000  # nothing tells when a device on the network is back, and asking costs little


class Ended(Exception):
    """The source is finished and will never give more: the end of a replayed file, a closed pipe."""


class Transport(Protocol):
    """One device's bytes. Used by one thread; only `wake` may be called from another."""

    patience_ms: int

    def present(self) -> bool:
        """Whether opening could work now: the device node exists, a caller waits."""

    def open(self) -> None:
        """Take the device for ourselves alone; raises Unavailable with the reason."""

    def read(self, timeout_ms: int) -> bytes:
        """What has arrived, at once; else wait up to `timeout_ms` and return nothing when it stayed silent.

        Raises Unavailable when the device went away, Ended when it is finished.
        """

    def write(self, data: bytes) -> None:
        """Send `data`; raises Unavailable when the device went away or does not take it."""

    def wake(self) -> None:
        """Make a waiting `read` return early, with nothing."""

    def close(self) -> None:
        """Let go of the device; harmless when it is not open."""

    def end(self) -> None:
        """Let go of everything for good: the thread ends."""


def reason(error: BaseException) -> str:
    """Why the system refused, in its own words and without its number."""
    return getattr(error, "strerror", None) or str(error)


class Waiting:
    """Waits for descriptors and for being woken from another thread."""

    def __init__(self) -> None:
        self._near, self._far = os.pipe()
        os.set_blocking(self._near, False)
        os.set_blocking(self._far, False)

    def readable(self, descriptors: Sequence[int], timeout_ms: int) -> list[int]:
        """Those with something to read, after at most `timeout_ms`; none when woken. Raises OSError, ValueError."""
        poll = select.poll()  # unlike select it does not care how many descriptors the process has open
        for descriptor in (*descriptors, self._near):
            poll.register(descriptor, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(timeout_ms)]
        if self._near in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._near, CHUNK_BYTES)
        return [each for each in ready if each != self._near]

    def wake(self) -> None:
        """End a waiting `readable` from another thread."""
        with contextlib.suppress(OSError):
            os.write(self._far, b"\0")

    def close(self) -> None:
        """Close both ends."""
        for descriptor in (self._near, self._far):
            with contextlib.suppress(OSError):
                os.close(descriptor)
