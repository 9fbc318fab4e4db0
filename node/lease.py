"""The lease of the last answer, in a file of its own beside the signing mark.

It shows the hub that this machine is the one that got that answer. It must not come back with a database that is put
back from a backup, because such a node is still the same machine; and a disk that is copied takes it along, which is
how the copy is found out. So it lies outside of the database, and nothing restores it.

One line of JSON and one line with the SHA-256 of the first. A file that is missing or damaged is no lease: the hub
then asks an administrator, which is right, because nobody else can know what happened to this disk.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from ledger.seams import Storage, failpoint
from sync.messages import LEASE_BYTES_MAX, TRIED_MAX

FILE_BYTES_MAX = 16 * 1024


@dataclass(frozen=True, slots=True)
class Lease:
    """`value` is what the hub gave; `tried` the requests made with it (16 bytes each), whether or not they came."""

    value: bytes = b""
    tried: tuple[bytes, ...] = ()

    def asking(self, request: bytes) -> Lease:
        """One more request is about to be sent with this lease."""
        return Lease(self.value, (*self.tried, request)[-TRIED_MAX:])

    def encode(self) -> bytes:
        line = json.dumps({"lease": self.value.hex(), "tried": [each.hex() for each in self.tried]})
        return f"{line}\n{hashlib.sha256(line.encode()).hexdigest()}\n".encode()

    @classmethod
    def decode(cls, raw: bytes) -> Lease:
        """The inverse of `encode`; no lease for anything else."""
        line, _, check = raw.partition(b"\n")
        if check != hashlib.sha256(line).hexdigest().encode() + b"\n":
            return cls()
        try:
            entry = json.loads(line)
            lease = cls(bytes.fromhex(entry["lease"]), tuple(bytes.fromhex(each) for each in entry["tried"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return cls()
        fits = len(lease.value) <= LEASE_BYTES_MAX and len(lease.tried) <= TRIED_MAX
        return lease if fits and all(len(each) == 16 for each in lease.tried) else cls()


def file_of(files: str) -> str:
    """The name of the lease of the incarnation whose own files end in `files` (`NodeIdentity.files`)."""
    return f"hub{files}.lease"


def read(folder: Path, files: str = "") -> Lease:
    """What the hub gave last; no lease before the first exchange."""
    try:
        with (folder / file_of(files)).open("rb") as file:
            return Lease.decode(file.read(FILE_BYTES_MAX))
    except OSError:
        return Lease()


def write(folder: Path, lease: Lease, storage: Storage, files: str = "") -> None:
    """Keep `lease`, durable before this returns."""
    storage.replace_file(folder / file_of(files), lease.encode())
    # If we die before the request leaves, it counts as tried all the same: the hub does not mind.
    failpoint("lease.written")
