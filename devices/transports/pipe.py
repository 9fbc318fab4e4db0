"""Pipes, FIFOs and recorded files in the place of a device: for tests, and for replaying what a scanner once sent."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass

from devices.transports.base import CHUNK_BYTES, PATIENCE_MS, Ended, Waiting
from ledger.errors import Unavailable


@dataclass(slots=True)
class PipeTransport:
    """A FIFO or file by its `path`, or an open `descriptor` that a test hands over and this object then owns.

    A FIFO never ends: it waits for its next writer. A file and a closed pipe end.
    """

    path: str = ""
    descriptor: int = -1
    patience_ms: int = PATIENCE_MS
    _own: int = -1
    _waiting: Waiting | None = None

    def present(self) -> bool:
        """Whether there is something to open; see `base.Transport`."""
        return self.descriptor >= 0 or os.path.exists(self.path)

    def open(self) -> None:
        """Open the path; raises Unavailable. A descriptor is used once."""
        self.close()
        if self.descriptor >= 0:
            self._own, self.descriptor = self.descriptor, -1
        else:
            try:
                kind = os.stat(self.path).st_mode
                # Reading and writing keeps a FIFO from ending whenever its writer does.
                flags = os.O_RDWR if stat.S_ISFIFO(kind) else os.O_RDONLY
                self._own = os.open(self.path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                raise Unavailable(f"cannot open {self.path or 'the pipe'}: {error.strerror}") from error
        os.set_blocking(self._own, False)
        self._waiting = Waiting()

    def read(self, timeout_ms: int) -> bytes:
        """Bytes at once, or nothing after `timeout_ms`; raises Ended at the end of a file or pipe."""
        if self._waiting is None:
            raise Unavailable(f"{self.path or 'the pipe'} is not open")
        try:
            if not self._waiting.readable([self._own], timeout_ms):
                return b""
            chunk = os.read(self._own, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.path or 'the pipe'} went away: {error}") from error
        if not chunk:
            raise Ended(f"{self.path or 'the pipe'} has ended")
        return chunk

    def write(self, data: bytes) -> None:
        """Acknowledgements to a pipe go nowhere: whoever wrote it does not listen."""

    def wake(self) -> None:
        """End a waiting `read` from another thread."""
        if self._waiting is not None:
            self._waiting.wake()

    def close(self) -> None:
        """Close what is open."""
        if self._own >= 0:
            with contextlib.suppress(OSError):
                os.close(self._own)
        if self._waiting is not None:
            self._waiting.close()
        self._own, self._waiting = -1, None

    def end(self) -> None:
        """Close what is open."""
        self.close()
