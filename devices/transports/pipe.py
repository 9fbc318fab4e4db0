"""Pipes, FIFOs and recorded files in the place of a device: for tests, and for replaying what a scanner once sent."""

from __future__ import annotations

import contextlib
import os
import select
import stat
from dataclasses import dataclass

from devices.transports.base import Ended
from ledger.errors import Unavailable

CHUNK_BYTES = 4_096


@dataclass(slots=True)
class PipeTransport:
    """A FIFO or file by its `path`, or an open `descriptor` that a test hands over and this object then owns.

    A FIFO never ends: it waits for its next writer. A file and a closed pipe end.
    """

    path: str = ""
    descriptor: int = -1
    _own: int = -1
    _wake: tuple[int, int] | None = None
    _regular: bool = False

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
        self._regular = stat.S_ISREG(os.fstat(self._own).st_mode)
        os.set_blocking(self._own, False)
        self._wake = os.pipe()

    def read(self, timeout_ms: int) -> bytes:
        """Bytes at once, or nothing after `timeout_ms`; raises Ended at the end of a file or pipe."""
        if self._wake is None:
            raise Unavailable(f"{self.path or 'the pipe'} is not open")
        try:
            ready, _, _ = select.select([self._own, self._wake[0]], [], [], timeout_ms / 1000)
            if self._wake[0] in ready:
                os.read(self._wake[0], CHUNK_BYTES)
            if self._own not in ready:
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
        if self._wake is not None:
            with contextlib.suppress(OSError):
                os.write(self._wake[1], b"\0")

    def close(self) -> None:
        """Close what is open."""
        for descriptor in (self._own, *(self._wake or ())):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._own, self._wake = -1, None
