"""What every test shares: repeatable hypothesis runs and failpoints that never leak into the next test."""

from __future__ import annotations

import os
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In two processes the files are shared out as wholes, and the pages, which share one house, as one of them."""
    for item in items:
        name = str(item.path.relative_to(item.config.rootpath))
        item.add_marker(pytest.mark.xdist_group("browser" if name.startswith("tests/browser/") else name))


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """Where nothing may be skipped (continuous integration), a skip is a failure that shows its reason."""
    report = pytest.TestReport.from_item_and_call(item, call)
    # A stranger has only the clone: the project's own vectors test the same rules there.
    alone = "not beside this checkout" in str(report.longrepr)
    if report.skipped and not alone and os.environ.get("TALLYMAN_NOTHING_SKIPPED") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report
