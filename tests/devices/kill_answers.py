"""kill -9 between journal and answer, over and over: `python -m tests.devices.kill_answers --trials 500`.

A process journals what a simulated scanner sends and is killed before the commit, right after it, or before the
answer. The scanner sends again or gives up, the operator scans again whatever gave no good tone. In the end every
scan must wait in the journal exactly once and in order, and nothing that was acknowledged may be missing.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from devices.journal import Journal
from devices.simulated import SimulatedScanner
from devices.simulated_sides import Side, side_for
from devices.simulated_wire import serve
from ledger.clock import SystemClock
from ledger.seams import SystemRandom
from tests.devices.test_kills import node

CLOCK = SystemClock()
POINTS = ("journal.before_commit", "journal.committed", "device.before_answer")
PROTOCOLS = ("ssi", "honeywell")
LATE_MS = 500
GOOD_S = 240  # on a busy machine a host takes seconds to start, only to be killed


@dataclass
class Trials:
    """One protocol's run: the host that is killed and started again, and the operator's work."""

    folder: Path
    protocol: str
    wanted: int
    dice: random.Random
    scanner: SimulatedScanner
    kills: int = 0
    scanned: list[bytes] = field(default_factory=list)
    host: subprocess.Popen[bytes] | None = None
    back_at: float = 0

    def run(self) -> None:
        """Until `wanted` hosts were killed."""
        try:
            while self.kills < self.wanted:
                self._scan_until_good(b"BIN:%06d" % len(self.scanned))
        finally:
            self._stop()

    def _scan_until_good(self, data: bytes) -> None:
        # Shorter than real ones, so that a scanner gives up while the host is away; longer than any commit.
        side = side_for(self.protocol, patience_ms=self.dice.choice((700, 1_200)))
        deadline = time.monotonic() + GOOD_S
        while time.monotonic() < deadline:
            side.scan(data)
            self._alive()
            assert serve(
                side, self.scanner, clock=CLOCK, random=SystemRandom(), until=self._through(side), timeout_ms=20_000
            )
            if side.known:
                if side.given_up:
                    # A host that was only slow answers both attempts, and the answer has no number in it: whoever
                    # scans on at once would take it for the next code's. Real scanners wait for ten seconds.
                    while self.scanner.answers(LATE_MS):
                        pass
                self.scanned.append(data)
                return
        raise AssertionError(f"{data!r} was not acknowledged in {GOOD_S} s")

    def _through(self, side: Side) -> Callable[[], bool]:
        def through() -> bool:
            self._alive()
            return not side.busy()

        return through

    def _alive(self) -> None:
        """A host that died is counted and replaced; the next one dies too, soon."""
        if self.host is not None and self.host.poll() is not None:
            assert self.host.returncode == -signal.SIGKILL
            self.kills += 1
            self.host, self.back_at = None, time.monotonic() + self.dice.choice((0, 0, 0, 1.2))
        if self.host is None and time.monotonic() >= self.back_at:
            armed = f"{self.dice.choice(POINTS)}:{self.dice.randrange(1, 4)}" if self.kills < self.wanted else ""
            self.host = node(self.folder / "reads.db", f"{self.scanner.url}&protocol={self.protocol}", armed)

    def _stop(self) -> None:
        if self.host is not None:
            self.host.kill()
            self.host.wait()


def trials(folder: Path, protocol: str, wanted: int, seed: int) -> str:
    """`wanted` kills over one protocol; answers a line for people."""
    Journal.create(folder / "reads.db")
    started = time.monotonic()
    with SimulatedScanner(folder / "scanner", clock=CLOCK) as scanner:
        run = Trials(folder, protocol, wanted, random.Random(seed), scanner)
        run.run()
    journal = Journal(folder / "reads.db", clock=CLOCK, random=SystemRandom())
    counted = [read.raw.removeprefix(b"]C0") for read in journal.waiting(100_000)]
    everything = journal.latest(100_000)
    journal.close()
    acknowledged = [raw for raw in counted if raw in set(run.scanned)]
    lost = [raw for raw in run.scanned if raw not in counted]
    doubled = [raw for raw in set(counted) if counted.count(raw) > 1]
    story = [
        (read.position, read.raw, read.state, read.fault, read.ran_ms, read.read_id[:4])
        for read in reversed(everything)
        if any(raw in read.raw for raw in (*lost, *doubled))
    ]
    assert acknowledged == run.scanned, (protocol, seed, lost, doubled, story)
    kept = {state: sum(read.state == state for read in everything) for state in ("ignored", "parked")}
    return (
        f"{protocol}: {run.kills} kills, {len(run.scanned)} scans acknowledged, none lost, none doubled; "
        f"sent again: {kept['ignored']} ignored, {kept['parked']} parked ({time.monotonic() - started:.0f} s)"
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.devices.kill_answers", description=__doc__)
    parser.add_argument("--trials", type=int, default=500, help="kills in all, half over each protocol")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    wish = parser.parse_args(argv)
    print(f"seed {wish.seed}", flush=True)
    each = -(-wish.trials // len(PROTOCOLS))

    def run(protocol: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            return trials(Path(folder), protocol, each, wish.seed)

    # Both at once: a trial mostly waits for a process to start and a scanner to lose patience.
    with ThreadPoolExecutor(len(PROTOCOLS)) as pool:
        for line in pool.map(run, PROTOCOLS):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
