"""kill -9 between journal and answer; the scanner sends until it is answered: nothing lost, repeats marked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devices.journal import Journal
from devices.simulated import SimulatedScanner
from ledger.clock import SystemClock
from ledger.errors import Unavailable
from ledger.seams import SystemRandom

ROOT = Path(__file__).resolve().parents[2]
SCANS = [b"BIN:A-%d" % number for number in range(6)]
ACK = b"\x06"

_NODE = """
import os, sys, threading
from pathlib import Path
from devices.journal import Journal
from devices.registry import Registry
from devices.supervisor import Supervisor
from ledger.clock import SystemClock
from ledger.seams import SystemRandom, arm_from_environment
arm_from_environment(dict(os.environ))
clock, random = SystemClock(), SystemRandom()
journal = Journal(Path(sys.argv[1]), clock=clock, random=random)
Supervisor(Registry.parse([sys.argv[2]]), journal, clock=clock, random=random).start()
threading.Event().wait()
"""


def node(path: Path, url: str, failpoint: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TALLYMAN_TESTING": "1", "TALLYMAN_FAILPOINT": failpoint}
    return subprocess.Popen([sys.executable, "-c", _NODE, str(path), url], env=environment)


def sent_until_answered(scanner: SimulatedScanner, raw: bytes) -> bool:
    """One scan as a handshaking scanner makes it; False when the host died before it answered."""
    try:
        scanner.wait_opened(10_000)
        scanner.scan(raw)
        for _ in range(50):
            if scanner.answers(100) == ACK:
                return True
            if not scanner.opened():
                return False
    except Unavailable:
        return False
    raise AssertionError(f"no answer to {raw!r}")


@pytest.mark.parametrize("failpoint", ["journal.before_commit:3", "journal.committed:3", "device.before_answer:4"])
def test_killed_between_journal_and_answer(tmp_path: Path, failpoint: str) -> None:
    path = tmp_path / "reads.db"
    Journal.create(path)
    clock = SystemClock()
    with SimulatedScanner(tmp_path / "scanner", clock=clock) as scanner:
        host = node(path, scanner.url + "&ack=06", failpoint)
        try:
            for raw in SCANS:
                while not sent_until_answered(scanner, raw):
                    assert host.wait(10) == -signal.SIGKILL
                    scanner.unplug()
                    scanner.plug()
                    host = node(path, scanner.url + "&ack=06")
        finally:
            host.kill()
            host.wait()
    journal = Journal(path, clock=clock, random=SystemRandom())
    assert [read.raw for read in journal.waiting()] == SCANS, "each once, in order"
    reads = journal.latest(100)
    journal.close()
    repeats = [read for read in reads if read.repeat_of is not None]
    durable_before_death = not failpoint.startswith("journal.before")
    assert len(repeats) == durable_before_death
    assert all(read.raw == next(other.raw for other in reads if other.read_id == read.repeat_of) for read in repeats)


@pytest.mark.parametrize("protocol", ["ssi", "honeywell"])
def test_a_few_kills_over_each_protocol_that_waits_for_an_answer(protocol: str, tmp_path: Path) -> None:
    """`make quick` plays 500."""
    from tests.devices import kill_answers

    print(kill_answers.trials(tmp_path, protocol, 2, seed=3))
