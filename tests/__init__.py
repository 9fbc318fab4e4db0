"""Tests of everything. Those of one part stand in a folder of its name."""

from __future__ import annotations

import shutil
from pathlib import Path


def _memory(place: str = "/dev/shm", bytes_min: int = 2 << 30) -> str | None:
    return place if Path(place).is_dir() and shutil.disk_usage(place).free >= bytes_min else None


MEMORY = _memory()  # a folder in memory, or None for the usual one: there a commit does not wait for a disk
