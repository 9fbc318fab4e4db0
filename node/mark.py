"""The signing mark: outside the database, what this node last decided to sign.

It is written before a block is signed, so the database can be at most one block behind it. A database that is further
behind, or holds another block at that height, was put back from an older copy: signing then would make two different
signed blocks at one height, which nothing can take back. The mark is what notices.

The file is one line of JSON and one line with the SHA-256 of the first, so that a person can read it and a flipped
bit shows.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import Corrupt, Invalid
from ledger.seams import Storage, failpoint

MARK_FILE = "signing.mark"  # of a first incarnation
MARK_BYTES_MAX = 64 * 1024
AGAIN = (
    "go on as the next incarnation, which keeps what is recorded here: at the hub "
    "`tallyman hub reincarnate SITE --replace`, then here `tallyman node enrol CODE`"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A block as it was about to be signed, with what is needed to build the very same block again.

    `time_s` is the header's time, `meta` its encoded meta, `sequence` the journal row of its last operation
    (0 in a block without operations: genesis).
    """

    origin: str
    height: int
    hash: bytes
    time_s: int
    meta: bytes
    sequence: int

    def encode(self) -> bytes:
        line = json.dumps(
            {
                "origin": self.origin,
                "height": self.height,
                "hash": self.hash.hex(),
                "time_s": self.time_s,
                "meta": self.meta.hex(),
                "sequence": self.sequence,
            },
            ensure_ascii=True,
        )
        return f"{line}\n{hashlib.sha256(line.encode()).hexdigest()}\n".encode()

    @classmethod
    def decode(cls, raw: bytes) -> Mark:
        """The inverse of `encode`; Invalid for anything else."""
        line, _, check = raw.partition(b"\n")
        if check != hashlib.sha256(line).hexdigest().encode() + b"\n":
            raise Invalid("its check line does not fit its content")
        try:
            entry = json.loads(line)
            mark = cls(
                origin=entry["origin"],
                height=entry["height"],
                hash=bytes.fromhex(entry["hash"]),
                time_s=entry["time_s"],
                meta=bytes.fromhex(entry["meta"]),
                sequence=entry["sequence"],
            )
            same = mark.encode() == raw
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Invalid(f"it does not hold a mark: {error}") from error
        if not same:
            raise Invalid("it does not hold a mark as this program writes it")
        return mark


def file_of(files: str) -> str:
    """The name of the mark of the incarnation whose own files end in `files` (`NodeIdentity.files`)."""
    return f"signing{files}.mark"


def take(path: Path, mark: Mark, storage: Storage) -> None:
    """Make `mark` the last decision, durable before this returns. Only then may the block be signed."""
    # Dying before the rename leaves the old mark: the block was never signed, and its operations wait in the journal.
    failpoint("mark.before")
    storage.replace_file(path, mark.encode())
    # From here on the next start builds this same block again, signs it and commits it: nothing else can take its
    # height.
    failpoint("mark.taken")


def read(path: Path) -> Mark:
    """The last decision; Corrupt when it is missing or damaged, since nobody then knows what was signed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise Corrupt(
            f"the signing mark {path} cannot be read ({error.strerror}): without it this node may have signed blocks "
            f"that its database does not hold; {AGAIN}"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        raw = file.read(MARK_BYTES_MAX + 1)
    try:
        return Mark.decode(raw)
    except Invalid as error:
        raise Corrupt(f"the signing mark {path} is damaged: {error}; {AGAIN}") from error
