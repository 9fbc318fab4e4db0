"""`python -m tests.sim`: many seeds, one seed again, or the planted faults."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

from tests.sim import planted
from tests.sim.founding import company
from tests.sim.planted import PLANTED
from tests.sim.world import STEPS, TAIL, Result, play

DIGEST_EVERY = 10
JOBS = min(2, os.cpu_count() or 1)
SEEDS_FOR_A_FAULT = 24


def main(arguments: list[str] | None = None) -> int:
    """Answers 0 when everything was true, and every planted fault was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="The deterministic simulation.")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds (default 1)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default 0)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"events before healing (default {STEPS})")
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"processes (default {JOBS})")
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    parser.add_argument(
        "--check-digest", action="store_true", help="play every seed again in another process, not only some"
    )
    parser.add_argument("--planted", action="store_true", help="faults put in on purpose: each has to be seen")
    parser.add_argument("--digests", default="", help=argparse.SUPPRESS)
    wish = parser.parse_args(arguments)
    if wish.planted:
        return hunt(wish.jobs)
    seeds = range(wish.first, wish.first + wish.seeds)
    if wish.digests:
        for seed in wish.digests.split(","):
            print(seed, play(int(seed), steps=wish.steps).digest)
        return 0
    return run(seeds, wish.steps, wish.jobs, trace=wish.trace, every=1 if wish.check_digest else DIGEST_EVERY)


def run(seeds: range, steps: int = STEPS, jobs: int = JOBS, *, trace: bool = False, every: int = DIGEST_EVERY) -> int:
    """Play the seeds, print what is wrong and how to see it again; answers the exit code."""
    began = time.monotonic()
    counts: Counter[str] = Counter()
    digests: dict[int, str] = {}
    failed = []
    for result in results(seeds, steps, jobs):
        counts.update(result.counts)
        digests[result.seed] = result.digest
        if trace:
            print("\n".join(result.trace), flush=True)
        if result.oracle:
            failed.append(result.seed)
            _complain(result, steps)
    for seed, found in other_digests([seed for seed in seeds if seed % every == 0 and seed not in failed], steps):
        if found != digests[seed]:
            failed.append(seed)
            print(
                f"failed: seed {seed}: the same seed gave {digests[seed][:16]} and, in another process, {found[:16]}"
            )
    took_s = time.monotonic() - began
    print(
        f"{counts['acts']} acts ({counts['repeated']} repeated, {counts['refused']} refused, {counts['unknown']}"
        f" without an answer), {counts['blocks']} blocks, {counts['deaths']} deaths, {counts['signatures']} signings"
        f"; {took_s:.0f} s, {took_s / max(1, len(seeds)):.2f} s a seed"
    )
    print(f"{len(seeds) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def results(seeds: range, steps: int, jobs: int) -> Iterator[Result]:
    """Every seed's result, in the order of the seeds."""
    if jobs < 2 or len(seeds) < 2:
        for seed in seeds:
            yield play(seed, steps=steps)
        return
    for count in (2, 3):
        company(count)  # founded once, before the processes part
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(_Player(steps), seeds)


class _Player:
    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, seed: int) -> Result:
        return play(seed, steps=self.steps)


def other_digests(seeds: list[int], steps: int) -> Iterator[tuple[int, str]]:
    """The digests of some seeds from a process of its own, where sets and hashes have another order."""
    if not seeds:
        return
    words = ["--digests", ",".join(map(str, seeds)), "--steps", str(steps)]
    said = subprocess.run(
        [sys.executable, "-m", "tests.sim", *words],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        check=True,
        capture_output=True,
        text=True,
    )
    for line in said.stdout.splitlines():
        seed, _, digest = line.partition(" ")
        yield int(seed), digest


def _complain(result: Result, steps: int) -> None:
    print(f"failed: seed {result.seed}: {result.text}")
    print("\n".join(f"    {line}" for line in result.trace[-TAIL:]))
    more = "" if steps == STEPS else f" --steps {steps}"
    print(f"  again: python -m tests.sim --first {result.seed} --trace{more}", flush=True)


def hunt(jobs: int = JOBS, names: tuple[str, ...] = ()) -> int:
    """Put each fault in place and look for the seed that shows it; answers the exit code."""
    wanted = [number for number, each in enumerate(PLANTED) if not names or each.name in names]
    for count in (2, 3):
        company(count)
    missed = 0
    with multiprocessing.get_context("fork").Pool(max(1, jobs)) as pool:
        for number, found in zip(wanted, pool.imap(_hunt_one, wanted), strict=True):
            missed += found is None
            name = PLANTED[number].name
            print(
                f"{name}: " + ("NOT SEEN" if found is None else f"seen at seed {found[0]} by: {found[1]}"), flush=True
            )
    print(f"{len(wanted) - missed} passed, {missed} failed")
    return 1 if missed else 0


def _hunt_one(number: int) -> tuple[int, str] | None:
    found = planted.hunt(PLANTED[number], range(SEEDS_FOR_A_FAULT))
    return None if found is None else (found.seed, found.oracle)
