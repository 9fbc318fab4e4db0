"""One process writes in a data folder. The lock says so to every other one, and ends with its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import Rejected, Unavailable

LOCK_FILE = "lock"


@contextmanager
def hold(folder: Path, name: str = LOCK_FILE) -> Iterator[None]:
    """Be the one writer in `folder`, or of what `name` stands for there. Raises Unavailable when another process is,
    Rejected when there is no folder."""
    try:
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        writable(folder)
        raise Rejected(
            f"{folder} is not a data folder that can be used: {error.strerror}; name one with --dir"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(f"another process is at work in {folder}: wait for it, or stop it first") from error
        # For people only: the lock itself is the kernel's and goes with the process, however it ends.
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def writable(folder: Path) -> None:
    """Raises Rejected when this process cannot write in `folder`, though it is there."""
    if folder.is_dir() and not os.access(folder, os.W_OK):  # a superuser too, where the disk is mounted read-only
        raise Rejected(
            f"cannot write in {folder}, and its databases need that even to be read: "
            "mount it for writing, or make it this user's own"
        )


def is_held(folder: Path) -> bool:
    """Whether a process is at work in `folder`. Takes nothing and creates nothing."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
