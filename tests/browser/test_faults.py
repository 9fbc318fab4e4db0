"""A tablet between faults: every kind once, in a process of its own."""

from __future__ import annotations

import pytest

from tests.browser import faults
from tests.browser.conftest import CHROMIUM, MISSING
from tests.processes.trials import run_program


def test_every_scan_is_counted_once_whatever_fails() -> None:
    if not CHROMIUM:
        pytest.skip(MISSING)
    run_program("tests.browser.faults", "--faults", str(len(faults.FIRST)), "--scans", "4")
