"""Kill -9 of a working hub: no cosignature it ever gave is false, and whatever it was doing ends the same.

    python -m tests.processes.kill_hub --trials 100

One trial: a process opens a real hub in its own folder and answers two real sites, executes their blocks, signs its
log and anchors it. It is killed at a random moment or at a named failpoint, once or twice, and started again. After
each death another process opens what is left and checks every acknowledgement the sites hold; at the end everything
must be as if nothing had happened, and a full audit must have no complaint.

The sites live in the tester, outside the process that dies. Databases are opened in children only.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger import seams
from ledger.clock import ManualClock
from ledger.errors import Unavailable
from sync.client import Answer
from sync.frames import MEDIA_TYPE
from tests.hub import sitekit, test_crashes
from tests.hub.test_crashes import Template
from tests.processes.kill_node import in_child
from tests.sync.hub_kit import Direct

FAILPOINTS = (
    "hub.before_commit",
    "hub.after_commit",
    "hub.blocks_added",
    "hub.head_promised",
    "hub.cosigned",
    "hub.answered",
    "hub.replica_committed",
    "hub.projected",
    "hub.logged",
    "hub.log_signed",
    "hub.control_signed",
    "hub.receipts_sent",
    "hub.anchor_intended",
    "hub.anchor_signed",
    "hub.anchor_sent",
    "hub.anchor_mined",
    "hub.anchor_final",
    "mainchain.mined",
)
BUNDLE_BYTES = 8_192  # small, so that a delivery takes many exchanges
EXCHANGE, WORK = b"X", b"W"
ATTEMPTS_MAX = 6
SIZE = struct.Struct(">Q")


@dataclass(frozen=True)
class Trial:
    """What one trial does; everything but the moment of a kill from outside follows from the seed."""

    seed: int
    failpoint: str = ""
    planted: bool = False


# ---------------------------------------------------------------- the process that is killed


def serve(folder: Path, line: socket.socket, trial: Trial | None, seed: int) -> None:
    """Be a hub: answer bundles and do the day's work when told to."""
    if trial is not None and trial.planted:
        # The fault that the harness must see: what the hub acknowledges is not where it looks after a restart.
        folder = Path(shutil.copytree(folder, folder.with_name("elsewhere")))
    hub = sitekit.open_hub(folder, ManualClock(sitekit.START_MS + 60_000), seed=seed)
    if trial is not None and trial.failpoint:
        _arm(trial.failpoint, random.Random(trial.seed).randint(1, 6))
    while True:
        kind = _take(line, 1)
        body = _take(line, SIZE.unpack(_take(line, SIZE.size))[0])
        if not kind:
            return
        if kind == WORK:
            hub.verify()
            hub.settle()
            hub.settle()
            hub.anchor_now()
            hub.watch()
            _give(line, b"")
            continue
        _give(line, Direct(hub).post("", body, MEDIA_TYPE).body)  # type: ignore[arg-type]


def _arm(name: str, count: int) -> None:
    left = [count]

    def die(_: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    seams.arm_failpoint(name, die)


def _give(line: socket.socket, body: bytes) -> None:
    line.sendall(SIZE.pack(len(body)) + body)


def _take(line: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = line.recv(count - len(found))
        if not piece:
            raise Unavailable("the other end is gone")
        found += piece
    return found


# ---------------------------------------------------------------- the tester


class Hub:
    """The hub process as the tester sees it. `post` is a transport for the sites."""

    def __init__(self, folder: Path, trial: Trial | None, seed: int, life_s: float | None) -> None:
        self._line, far = socket.socketpair()
        self._process = os.fork()
        if self._process == 0:
            self._line.close()
            code = 1
            try:
                serve(folder, far, trial, seed)
                code = 0
            except Unavailable:
                code = 0
            finally:
                os._exit(code)
        far.close()
        self._killer = 0
        if life_s is not None:
            self._killer = os.fork()
            if self._killer == 0:
                time.sleep(life_s)
                os.kill(self._process, signal.SIGKILL)
                os._exit(0)

    def post(self, path: str, body: bytes, media_type: str) -> Answer:
        return Answer(200, MEDIA_TYPE, self._ask(EXCHANGE, body))

    def work(self) -> None:
        self._ask(WORK, b"")

    def _ask(self, kind: bytes, body: bytes) -> bytes:
        try:
            self._line.sendall(kind + SIZE.pack(len(body)) + body)
            return _take(self._line, SIZE.unpack(_take(self._line, SIZE.size))[0])
        except OSError as error:
            raise Unavailable("the hub died") from error

    def end(self) -> None:
        self._line.close()
        if self._killer:
            os.kill(self._killer, signal.SIGKILL)
            os.waitpid(self._killer, 0)
        os.waitpid(self._process, 0)


def run_trial(template: Template, expected: dict[str, object], trial: Trial) -> str:
    """One trial; what is wrong, or ""."""
    dice = random.Random(trial.seed)
    with tempfile.TemporaryDirectory(prefix="tallyman-kill-") as place:
        folder = Path(place) / "hub"
        nodes = template.start(folder)
        deaths = 1 if trial.failpoint or trial.planted else dice.choice((1, 2))
        for attempt in range(ATTEMPTS_MAX):
            deadly = attempt < deaths
            by_hand = deadly and not trial.failpoint and not trial.planted
            life_s = dice.uniform(0.02, 1.5) if by_hand else 1.0 if trial.planted and deadly else None
            hub = Hub(folder, trial if deadly else None, 50 + attempt, life_s)
            try:
                for _ in range(2):
                    for node in nodes:
                        node.sync(hub, budget_bytes=BUNDLE_BYTES)
                    hub.work()
                for node in nodes:
                    node.sync(hub, budget_bytes=BUNDLE_BYTES)
                done = True
            except Unavailable:
                done = False
            finally:
                hub.end()
            words = _in_checker(lambda: _check_held(folder, nodes))
            if words:
                return words
            if done and not deadly:
                return _in_checker(lambda: _check_end(folder, nodes, expected))
        return "the hub never came to an end"


def _check_held(folder: Path, nodes: Any) -> str:
    with sitekit.open_hub(folder) as hub:
        try:
            test_crashes._check_acknowledgements(hub, nodes)
        except AssertionError:
            return "the hub acknowledged blocks that it does not hold"
    return ""


def _check_end(folder: Path, nodes: Any, expected: dict[str, object]) -> str:
    with sitekit.open_hub(folder) as hub:
        found = test_crashes._final(hub, nodes)
        for table, rows in expected.items():
            if table not in ("anchors",) and found[table] != rows:
                return f"{table} ended otherwise than without a death"
        complaints = test_crashes._audit(hub, folder / "audit")
    return "; ".join(complaints)


def _in_checker(check: Callable[[], str]) -> str:
    process, pipe = in_child(lambda _: check())
    with os.fdopen(pipe, "rb") as file:
        words = file.read().decode()
    _, status = os.waitpid(process, 0)
    return words or ("" if status == 0 else f"the checker ended with status {status}")


def plan(trials: int, seed: int) -> list[Trial]:
    """Each named failpoint as often as fits into half of the trials; the rest at random moments."""
    named = [name for _ in range(max(1, trials // 36)) for name in FAILPOINTS][:trials]
    names = named + [""] * (trials - len(named))
    return [Trial(seed * 1_000_003 + number, name) for number, name in enumerate(names)]


def run(trials: list[Trial], template: Template, expected: dict[str, object], jobs: int) -> list[tuple[Trial, str]]:
    """All trials on `jobs` processes; the failures."""
    children = []
    for share in range(jobs):

        def loop(pipe: int, share: int = share) -> str:
            for number in range(share, len(trials), jobs):
                words = run_trial(template, expected, trials[number])
                if words:
                    os.write(pipe, f"{number} {' '.join(words.split())[:500]}\n".encode())
            return ""

        children.append(in_child(loop))
    failures = []
    for process, pipe in children:
        with os.fdopen(pipe, "r") as file:
            for entry in file:
                number, _, words = entry.rstrip("\n").partition(" ")
                failures.append((trials[int(number)], words))
                print(f"failed: {trials[int(number)]}: {words}", flush=True)
        _, status = os.waitpid(process, 0)
        if status:
            raise SystemExit(f"a runner ended with status {status}")
    return failures


def prepare(folder: Path) -> tuple[Template, dict[str, object]]:
    """The hub and sites to copy from, and how a day without any death ends."""
    template = test_crashes.make_template(folder / "template")
    expected = test_crashes._run(template, folder / "calm")
    shutil.rmtree(folder / "calm")
    return template, expected


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.processes.kill_hub", description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    wish = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="tallyman-kill-") as place:
        template, expected = prepare(Path(place))
        planted = run([Trial(seed, planted=True) for seed in range(2)], template, expected, 1)
        if len(planted) != 2:
            print("the planted fault was not seen: this harness proves nothing")
            return 1
        print("the planted fault was seen (those failures are wanted)", flush=True)
        failures = run(plan(wish.trials, wish.seed), template, expected, wish.jobs)
    print(f"{wish.trials - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
