"""What every test shares: repeatable hypothesis runs and failpoints that never leak into the next test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from ledger import seams

settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _no_failpoints_left() -> Iterator[None]:
    yield
    seams.disarm_failpoints()
