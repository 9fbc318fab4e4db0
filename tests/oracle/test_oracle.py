"""An engine that is not ours judges our blocks: Ethereum's executable specification, in its own environment."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.vectors import make_blocks

ROOT = Path(__file__).resolve().parents[2]
REPLAY = Path(__file__).with_name("replay.py")
VECTORS = [make_blocks.FOLDER / f"blocks_{name}.json" for name in ("engine", "site")]


def interpreter() -> str:
    """The one that has `ethereum-execution`; its libraries are other versions than ours."""
    return os.environ.get("TALLYMAN_ORACLE_PYTHON") or str(ROOT / ".venv-oracle" / "bin" / "python")


@pytest.fixture(scope="module")
def oracle() -> str:
    found = interpreter()
    if not Path(found).exists():
        pytest.skip(f"{found} is missing: `make tools` makes the environment of the independent engine")
    return found


def replay(oracle: str, *paths: Path | str, timeout_s: int = 240) -> subprocess.CompletedProcess[str]:
    """Let the specification execute the blocks of these files."""
    command = [oracle, str(REPLAY), *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, cwd=ROOT)


def test_the_independent_engine_accepts_the_golden_blocks(oracle: str) -> None:
    answer = replay(oracle, *VECTORS)
    assert answer.returncode == 0, answer.stderr
    blocks = sum(len(make_blocks.read(name)["blocks"]) - 1 for name in ("engine", "site"))
    assert answer.stdout.splitlines()[-1] == f"accepted {blocks} blocks"


@pytest.mark.parametrize("part", ["state_root", "gas_used", "bloom", "receipts", "transaction", "genesis"])
def test_and_refuses_changed_ones(oracle: str, part: str, tmp_path: Path) -> None:
    vector = make_blocks.read("engine")
    vector["blocks"] = vector["blocks"][:8]
    if part == "genesis":
        next(iter(vector["alloc"].values()))["nonce"] += 1
    else:
        block = next(entry for entry in vector["blocks"] if len(entry["transactions"]) > 1)
        if part == "transaction":
            block["transactions"] = block["transactions"][:-1]
        else:
            header = bytearray.fromhex(block["header"])
            # Where these fields lie in the list of a header: after its head of 3 bytes, roots of 33 and an address.
            at = {"state_root": 91, "receipts": 157, "bloom": 200}.get(
                part, header.index(b"\x84\x03\x93\x87\x00") + 6
            )
            header[at] ^= 1
            block["header"] = header.hex()
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(vector), encoding="utf-8")
    answer = replay(oracle, changed)
    assert answer.returncode != 0
    assert "accepted" not in answer.stdout
