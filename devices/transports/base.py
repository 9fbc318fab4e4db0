"""What a transport is: bytes from and to one device. It knows descriptors and nothing of what the bytes mean."""

from __future__ import annotations

from typing import Protocol


class Ended(Exception):
    """The source is finished and will never give more: the end of a replayed file, a closed pipe."""


class Transport(Protocol):
    """One device's bytes. Used by one thread; only `wake` may be called from another."""

    def present(self) -> bool:
        """Whether opening could work now: the device node exists."""

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
