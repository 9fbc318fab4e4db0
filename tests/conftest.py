"""What every test shares: where its folders are, repeatable hypothesis runs, no failpoints left from another test.

Folders are in memory where there is room: otherwise every commit of every database waits for a disk, and no test
pulls the plug of one (the benchmarks do measure on the disk). A TMPDIR that is set is respected.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import HealthCheck, settings

from ledger import keys, seams
from tests import MEMORY
from tests.tiers import is_long

if MEMORY is not None and "TMPDIR" not in os.environ:
    os.environ["TMPDIR"] = tempfile.tempdir = MEMORY

settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def _known_pins() -> Iterator[None]:
    """What a PIN and a salt were stretched to once is not worked out again: people log in in every other test, and
    their PINs take a fifth of all time. The result is Argon2id's own."""
    slow = keys.sodium.crypto_pwhash_alg
    keys.sodium.crypto_pwhash_alg = cache(slow)
    yield
    keys.sodium.crypto_pwhash_alg = slow


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_long(item.nodeid):
            item.add_marker(pytest.mark.long)


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
