"""Runs a trial program as a process of its own: they fork, and a test process full of threads must not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIME_S_MAX = 280


def run_program(module: str, *words: str) -> str:
    """What `python -m MODULE WORDS` prints; raises AssertionError with it unless it ends with 0."""
    done = subprocess.run(
        [sys.executable, "-m", module, *words], cwd=ROOT, capture_output=True, text=True, timeout=TIME_S_MAX
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
