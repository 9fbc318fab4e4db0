"""The furnished site that most of these tests begin with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.node.floor_kit import Stage, furnished


@pytest.fixture
def furnish(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Makes a site by its name and people, as `furnished` does; they all end with the test."""
    with ExitStack() as ends:
        yield lambda name="oslo", **who: ends.enter_context(closing(furnished(tmp_path / name, name, **who)))


@pytest.fixture
def stage(furnish: Callable[..., Stage]) -> Stage:
    """One site with everybody. A file where more stands on it adds that in a `stage` of its own."""
    return furnish()
