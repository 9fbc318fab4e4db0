"""What every test shares: where its folders are, repeatable hypothesis runs, no failpoints left from another test.

Folders are in memory where there is room: otherwise every commit of every database waits for a disk, and no test
pulls the plug of one (the benchmarks do measure on the disk). A TMPDIR that is set is respected.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from ledger import seams
from tests import MEMORY

if MEMORY is not None and "TMPDIR" not in os.environ:
    os.environ["TMPDIR"] = tempfile.tempdir = MEMORY

settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _no_failpoints_left() -> Iterator[None]:
    yield
    seams.disarm_failpoints()


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """Where nothing may be skipped (continuous integration), a skip is a failure that shows its reason."""
    report = pytest.TestReport.from_item_and_call(item, call)
    # A stranger has only the clone: the project's own vectors test the same rules there.
    alone = "not beside this checkout" in str(report.longrepr)
    if report.skipped and not alone and os.environ.get("TALLYMAN_NOTHING_SKIPPED") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report
