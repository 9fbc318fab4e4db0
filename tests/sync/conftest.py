"""The furnished site that several of these tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.recovery_kit import Company
from tests.sync.site_kit import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    company = Company.found(tmp_path / "hub")
    made = Site(company, tmp_path / "oslo")
    yield made
    made.machine.close()
    company.hub.close()
