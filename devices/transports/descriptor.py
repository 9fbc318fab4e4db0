"""One descriptor of this machine as a transport: what pipes, files and device nodes have in common."""

from __future__ import annotations

import contextlib
import os
import stat
from abc import ABC, abstractmethod

from devices.transports.base import CHUNK_BYTES, PATIENCE_MS, Ended, Waiting, reason
from ledger.errors import Unavailable


class DescriptorTransport(ABC):
    """A path that is opened, read as it comes, and opened again; see `base.Transport`."""

    patience_ms = PATIENCE_MS

    def __init__(self, path: str) -> None:
        self.path = path
        self._own = -1
        self._waiting: Waiting | None = None

    @abstractmethod
    def _opened(self) -> int:
        """A descriptor that is this object's from now on; raises Unavailable with what to do."""

    def present(self) -> bool:
        """Whether there is something to open; see `base.Transport`."""
        return os.path.exists(self.path)

    def open(self) -> None:
        """Open it; raises Unavailable with what to do."""
        self.close()
        self._own = self._opened()
        os.set_blocking(self._own, False)
        self._waiting = Waiting()

    def read(self, timeout_ms: int) -> bytes:
        """What has come, or nothing after `timeout_ms`; raises Ended at its end, Unavailable when it went away."""
        if self._waiting is None:
            raise Unavailable(f"{self.path} is not open")
        try:
            if not self._waiting.readable([self._own], timeout_ms):
                return b""
            chunk = os.read(self._own, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.path} went away: {reason(error)}") from error
        if not chunk:
            raise Ended(f"{self.path} has ended")
        return chunk

    def wake(self) -> None:
        """End a waiting `read` from another thread."""
        if self._waiting is not None:
            self._waiting.wake()

    def close(self) -> None:
        """Close what is open, which also ends a grab."""
        if self._own >= 0:
            with contextlib.suppress(OSError):
                os.close(self._own)
        if self._waiting is not None:
            self._waiting.close()
        self._own, self._waiting = -1, None

    def end(self) -> None:
        """Close what is open."""
        self.close()


def opened(path: str, *, both_ways: bool = False) -> int:
    """A descriptor for `path`; raises OSError. A FIFO must not end whenever its writer does, so it is kept open."""
    flags = os.O_RDWR if both_ways or stat.S_ISFIFO(os.stat(path).st_mode) else os.O_RDONLY
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
