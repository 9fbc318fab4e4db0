"""Rigs that are closed after each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.devices.rig import Rig


@pytest.fixture
def rigs(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(*urls: str, **more: Any) -> Rig:
        made.append(Rig(tmp_path, *urls, **more))
        return made[-1]

    yield make
    for rig in made:
        rig.close()
