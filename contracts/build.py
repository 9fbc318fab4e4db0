"""Compile the contracts into contracts/compiled, or check that what is committed there is what the sources give.

    python -m contracts.build           write compiled/*.json
    python -m contracts.build --check   recompile and compare; exit 1 with one line for each difference

The only module that needs the compiler. Its output depends on the sources and the compiler version alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import vyper
from vyper.compiler import compile_code

from contracts.artifacts import FOLDER, NAMES

COMPILER = "0.4.3"
SOURCES = Path(__file__).parent
# The largest code a chain accepts (EIP-170).
MAX_RUNTIME = 24_576


def compile_source(name: str, source: str) -> dict[str, Any]:
    """The artifact of `source` as a JSON object; raises what the compiler raises."""
    if vyper.__version__.split("+")[0] != COMPILER:
        raise RuntimeError(f"vyper is {vyper.__version__}, expected {COMPILER}: install the pinned version")
    # Without metadata the creation code holds nothing but code.
    output = compile_code(
        source,
        contract_path=f"{name}.vy",
        output_formats=("abi", "bytecode", "bytecode_runtime", "layout", "settings_dict"),
        no_bytecode_metadata=True,
    )
    runtime = output["bytecode_runtime"][2:]
    if len(runtime) // 2 > MAX_RUNTIME:
        raise RuntimeError(f"{name}: {len(runtime) // 2} bytes of code, at most {MAX_RUNTIME} can be deployed")
    layout = output["layout"].get("storage_layout", {})
    return {
        "name": name,
        "compiler": f"vyper {COMPILER}",
        "evm_version": output["settings_dict"]["evm_version"],
        "source_sha256": hashlib.sha256(source.encode()).hexdigest(),
        "abi": output["abi"],
        "bytecode": output["bytecode"][2:],
        "runtime": runtime,
        # First slot of each stored variable: part of the format, because blocks name states that hold them there.
        "slots": {variable: place["slot"] for variable, place in layout.items()},
    }


def render(name: str) -> str:
    """The text of compiled/<name>.json as the present source gives it."""
    source = (SOURCES / f"{name}.vy").read_text(encoding="utf-8")
    return json.dumps(compile_source(name, source), indent=1, sort_keys=True) + "\n"


def build() -> None:
    """Write every artifact."""
    FOLDER.mkdir(exist_ok=True)
    for name in NAMES:
        (FOLDER / f"{name}.json").write_text(render(name), encoding="utf-8")


def differences() -> list[str]:
    """One line for each artifact that is missing, differs, or belongs to no source."""
    lines = []
    for name in NAMES:
        path = FOLDER / f"{name}.json"
        if not path.exists():
            lines.append(f"compiled/{name}.json is missing: run python -m contracts.build")
        elif path.read_text(encoding="utf-8") != render(name):
            lines.append(f"compiled/{name}.json is not what {name}.vy gives: run python -m contracts.build")
    known = {f"{name}.json" for name in NAMES}
    lines += [
        f"compiled/{path.name} belongs to no contract: delete it"
        for path in sorted(FOLDER.iterdir())
        if path.name not in known
    ]
    return lines


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m contracts.build", description="compile the contracts")
    parser.add_argument("--check", action="store_true", help="compare with what is committed, write nothing")
    if not parser.parse_args(arguments).check:
        build()
        return 0
    found = differences()
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
