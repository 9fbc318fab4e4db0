"""The compiled contracts as committed: what a node deploys and a hub compares. Nobody compiles in order to run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "compiled"
NAMES = ("UserRegistry", "StockLedger", "InventoryManager", "AuditLogger", "AnchorRegistry")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract.

    `bytecode` is the creation code to which the ABI-encoded constructor arguments are appended; `runtime` is the
    deployed code without its immutables: a deployed contract ends with one 32-byte word for each of them.
    `slots` maps a stored variable to its first storage slot.
    """

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    runtime: bytes
    source_sha256: str
    compiler: str
    evm_version: str
    slots: dict[str, int]


def load(name: str) -> Artifact:
    """The committed artifact of the contract `name`; KeyError when there is no such contract."""
    if name not in NAMES:
        raise KeyError(f"no contract {name!r}; there are {', '.join(NAMES)}")
    fields = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Artifact(
        name=fields["name"],
        abi=fields["abi"],
        bytecode=bytes.fromhex(fields["bytecode"]),
        runtime=bytes.fromhex(fields["runtime"]),
        source_sha256=fields["source_sha256"],
        compiler=fields["compiler"],
        evm_version=fields["evm_version"],
        slots=fields["slots"],
    )
