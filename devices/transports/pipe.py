"""Pipes, FIFOs and recorded files in the place of a device: for tests, and for replaying what a scanner once sent."""

from __future__ import annotations

from devices.transports.descriptor import DescriptorTransport, opened
from ledger.errors import Unavailable


class PipeTransport(DescriptorTransport):
    """A FIFO or file by its `path`, or an open `descriptor` that a test hands over and this object then owns.

    A FIFO never ends: it waits for its next writer. A file and a closed pipe end.
    """

    def __init__(self, path: str = "", descriptor: int = -1) -> None:
        super().__init__(path or "the pipe")
        self.descriptor = descriptor

    def present(self) -> bool:
        """Whether there is something to open; see `base.Transport`."""
        return self.descriptor >= 0 or super().present()

    def write(self, data: bytes) -> None:
        """Acknowledgements to a pipe go nowhere: whoever wrote it does not listen."""

    def _opened(self) -> int:
        if self.descriptor >= 0:  # it is used once
            own, self.descriptor = self.descriptor, -1
            return own
        try:
            return opened(self.path)
        except OSError as error:
            raise Unavailable(f"cannot open {self.path}: {error.strerror}") from error
