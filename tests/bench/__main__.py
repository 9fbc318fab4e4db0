"""`make bench`: every promise with a figure, beside the peer or physical floor measured in the same run.

Exit code 1 when a bar is missed; which ones stands at the end.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import asdict

from tests.bench.row import Row, table, verdict

BENCHES = (
    "bench_devices",
    "bench_node",
    "bench_chain",
    "bench_wire",
    "bench_start",
    "bench_receipt",
    "bench_floor",
    "bench_api",
)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("only", nargs="*", help="names such as P3; all by default")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    wish = parser.parse_args(argv)
    rows: list[Row] = []
    for name in BENCHES:
        module = importlib.import_module(f"tests.bench.{name}")
        if wish.only and not set(wish.only) & set(module.PROMISES):
            continue
        rows += [row for row in module.rows() if not wish.only or row.promise in wish.only]
    rows.sort(key=lambda row: int(row.promise[1:]))
    if wish.json:
        print(json.dumps([{**asdict(row), "ratio": row.ratio, "met": row.met} for row in rows], indent=1))
    else:
        print(table(rows))
        print(f"\n{verdict(rows)}")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
