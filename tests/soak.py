"""Simulation and process trials, over and over with new seeds until the time is up.

    python -m tests.soak --minutes 60

Prints what each kind has done, and for a failure the command that shows it again; the last line is `N passed, M
failed`. Which seeds come depends on `--first` alone.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass

LAST_LINE = re.compile(r"(\d+) passed, (\d+) failed\s*\Z")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of trial: its module, how many a turn, and how it is told where to begin."""

    module: str
    number: str
    count: int
    start: str

    def words(self, turn: int, first: int) -> list[str]:
        """The command of one turn."""
        begin = first + turn * (self.count if self.start == "--first" else 1)
        return [sys.executable, "-m", self.module, self.number, str(self.count), self.start, str(begin)]


KINDS = (
    Kind("tests.sim", "--seeds", 40, "--first"),
    Kind("tests.processes.kill_node", "--trials", 60, "--seed"),
    Kind("tests.processes.kill_hub", "--trials", 30, "--seed"),
)


def main(arguments: list[str] | None = None) -> int:
    """Answers 0 when nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Trials until the time is up.")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--first", type=int, default=1_000_000, help="where the seeds begin (default 1000000)")
    wish = parser.parse_args(arguments)
    until = time.monotonic() + wish.minutes * 60
    passed: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    turn = 0
    while time.monotonic() < until:
        for kind in KINDS:
            good, bad = _turn(kind.words(turn, wish.first))
            passed[kind.module] += good
            failed[kind.module] += bad
            if time.monotonic() >= until:
                break
        turn += 1
    for kind in KINDS:
        print(f"{kind.module}: {passed[kind.module]} passed, {failed[kind.module]} failed")
    print(f"{passed.total()} passed, {failed.total()} failed")
    return 1 if failed.total() else 0


def _turn(words: list[str]) -> tuple[int, int]:
    """One command to its end; what it printed is shown when something failed."""
    done = subprocess.run(words, capture_output=True, text=True)
    found = LAST_LINE.search(done.stdout.strip())
    good, bad = (int(found[1]), int(found[2])) if found else (0, 1)
    if done.returncode or bad:
        print(f"failed: {' '.join(words[1:])}\n{done.stdout}{done.stderr}", flush=True)
        bad = max(bad, 1)
    return good, bad


if __name__ == "__main__":
    raise SystemExit(main())
