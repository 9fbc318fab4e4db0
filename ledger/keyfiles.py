"""Key files: one secret a file, for its owner alone. A file that others could have read is refused, not fixed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ledger.errors import Rejected
from ledger.seams import DiskStorage, Storage

SECRET_BYTES = 32


def write_key_file(path: Path, secret: bytes, storage: Storage | None = None) -> None:
    """A new file, mode 0600, with the secret in hex on one line; durable on return. Never replaces a key."""
    if os.path.lexists(path):
        raise Rejected(f"the key file {path} exists already: a key is never overwritten; move it away first")
    (storage or DiskStorage()).replace_file(path, secret.hex().encode() + b"\n", 0o600)


def read_key_file(path: Path, size_bytes: int = SECRET_BYTES) -> bytes:
    """The secret; raises `Rejected` with one plain line when the file is missing, too open or not a key."""
    # O_NOFOLLOW refuses a link put in place of the key; O_NONBLOCK keeps a FIFO from holding up the start for ever.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Rejected(f"the key file {path} is missing: restore it from the backup, or run `init`") from error
    except OSError as error:
        if os.path.islink(path):
            raise Rejected(f"the key file {path} is a symbolic link: put the file itself there") from error
        raise Rejected(f"the key file {path} cannot be read: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Rejected(f"the key file {path} is not a plain file")
        if status.st_uid not in (os.geteuid(), 0):
            raise Rejected(f"the key file {path} belongs to user {status.st_uid}: expected {os.geteuid()}")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise Rejected(f"the key file {path} can be used by others (mode {mode:04o}): run chmod 600 on it")
        content = os.read(descriptor, 2 * size_bytes + 2)
    finally:
        os.close(descriptor)
    try:
        secret = bytes.fromhex(content.decode("ascii").removesuffix("\n"))
    except ValueError:
        secret = b""
    if len(content) != 2 * size_bytes + 1 or content != secret.hex().encode() + b"\n":
        # The content stays out of the message: half a key is a secret too.
        raise Rejected(f"the key file {path} does not hold a key: expected {2 * size_bytes} hex digits on one line")
    return secret
