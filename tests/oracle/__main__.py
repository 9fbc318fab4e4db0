"""A long sample of warehouse work before every judge there is.

    python -m tests.oracle --blocks 2000 [--seed N]

Makes a chain under the real contracts, then lets three others execute it: py-evm as our second machine, py-evm's own
chain classes, and the executable specification in its environment (`make tools`). Ends with 0 when all of them come
to every header, 1 when one does not, 3 when the environment of the specification is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from ledger import db
from ledger.block import Header
from ledger.codec import keccak256
from ledger.evm import Executor, py_evm
from tests.bench.bench_chain import Ours, Theirs, Warehouse
from tests.oracle.test_oracle import interpreter, replay


def sample(folder: Path, blocks: int, seed: int) -> dict[str, Any]:
    """A chain of `blocks` blocks as a file of golden blocks, made by ours, accepted by py-evm both ways."""
    warehouse = Warehouse(seed)
    genesis, *furniture = warehouse.site.blocks
    ours = Ours(folder / "ours.db", warehouse)
    stock = Theirs(folder / "stock.db", warehouse)
    other_store = db.memory()
    with db.transaction(other_store):
        other = Executor.create(other_store, warehouse.site.head.origin.chain_id, genesis.header, machine=py_evm())
    made = [(block.header, list(block.transactions)) for block in furniture]
    for _ in range(blocks - len(furniture)):
        count = warehouse.dice.randint(1, 3)
        raws = warehouse.count() if warehouse.dice.random() < 0.005 else [warehouse.operation() for _ in range(count)]
        header = ours.make(raws)
        stock.replay(header, raws)
        made.append((header, raws))
    with db.transaction(other_store):
        for header, raws in made:
            other.reexecute(header, raws, Header.parse(header).extra_data)
    whole = [(genesis.header, []), *made]
    return {
        "chain_id": warehouse.site.head.origin.chain_id,
        "alloc": {},
        "blocks": [
            {"header": header.hex(), "hash": keccak256(header).hex(), "transactions": [raw.hex() for raw in raws]}
            for header, raws in whole
        ],
    }


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    wish = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sample.json"
        path.write_text(json.dumps(sample(Path(name), wish.blocks, wish.seed)), encoding="utf-8")
        print(f"{wish.blocks} blocks made, and accepted by py-evm both ways", flush=True)
        python = interpreter()
        if not Path(python).exists():
            print(f"{python} is missing: `make tools` makes the environment of the independent engine")
            return 3
        answer = replay(python, "--every", "50", path, timeout_s=3_600)
    print((answer.stdout.splitlines() or [""])[-1] if answer.returncode == 0 else answer.stderr)
    return 1 if answer.returncode else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
