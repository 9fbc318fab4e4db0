"""`python -m tests.sim`: many seeds, one seed again, or the planted faults."""

from __future__ import annotations

import argparse
import time

from tests.sim.world import play


def main() -> int:
    p = argparse.ArgumentParser()
    p.add_argument("--seeds", type=int, default=1)
    p.add_argument("--first", type=int, default=0)
    p.add_argument("--trace", action="store_true")
    a = p.parse_args()
    bad = 0
    for seed in range(a.first, a.first + a.seeds):
        t = time.process_time()
        r = play(seed)
        if a.trace or r.oracle:
            print("\n".join(r.trace if a.trace else r.trace[-25:]))
        print(seed, f"{time.process_time()-t:.2f}", r.digest[:16], r.oracle, r.text[:3000], r.counts)
        bad += bool(r.oracle)
    print(f"{a.seeds-bad} passed, {bad} failed")
    return bool(bad)
