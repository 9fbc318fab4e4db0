"""The seams where a test may put something other than the real thing: randomness, storage, failpoints.

With `ledger.clock` (time) and the transport of `sync.client` (network) these are all there are. Everything
else in a test is the product itself.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class Random(Protocol):
    """Where random bytes come from. `random.Random` does not fit by accident: seeds are for tests."""

    def bytes(self, count: int) -> bytes:
        """`count` unpredictable bytes."""


class SystemRandom:
    """The operating system's generator, fit for keys."""

    def bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)


class Storage(Protocol):
    """What we ask of a disk outside a database."""

    def replace_file(self, path: Path, content: bytes, mode: int = 0o600) -> None:
        """Make `path` hold `content`, entirely or not at all, also across power loss."""

    def sync_directory(self, path: Path) -> None:
        """Make creations and renames inside the folder `path` durable."""


class DiskStorage:
    """A POSIX file system that honours fsync."""

    def replace_file(self, path: Path, content: bytes, mode: int = 0o600) -> None:
        draft = path.with_name(path.name + ".draft")
        # A draft left by a crash is ours and worthless: the rename that would have made it real never happened.
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(draft, path)
        # Without this the old content can come back after a power cut, although never a torn one.
        self.sync_directory(path.parent)

    def sync_directory(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Killed(BaseException):
    """A simulated process death at a failpoint. Not an `Exception`: no handler may survive it."""


_armed: dict[str, Callable[[str], None]] = {}
_seen: set[str] = set()


def failpoint(name: str) -> None:
    """A named place where a test may let the process die. Does nothing unless armed."""
    if _armed:
        _seen.add(name)
        action = _armed.get(name) or _armed.get("*")
        if action is not None:
            action(name)


def arm_failpoint(name: str, action: Callable[[str], None]) -> None:
    """Run `action(name)` whenever `failpoint(name)` is passed; the name `*` means every one."""
    _armed[name] = action


def disarm_failpoints() -> set[str]:
    """Back to doing nothing; answers the names passed since the first arming."""
    seen = set(_seen)
    _armed.clear()
    _seen.clear()
    return seen


def arm_from_environment(environment: dict[str, str]) -> None:
    """Arm `TALLYMAN_FAILPOINT=name[:count]` as a kill -9 of this process at the count-th passing.

    Refused unless `TALLYMAN_TESTING=1` stands beside it, so that no stray variable can stop a warehouse.
    """
    wish = environment.get("TALLYMAN_FAILPOINT", "")
    if not wish or environment.get("TALLYMAN_TESTING") != "1":
        return
    name, _, count = wish.partition(":")
    left = [int(count or "1")]

    def die(_: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    arm_failpoint(name, die)
