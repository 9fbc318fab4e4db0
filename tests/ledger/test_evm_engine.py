"""How little of py-evm is loaded, and that what is put off still works when it is wanted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PAIRING = """
import sys
import ledger.evm_engine
print('py_ecc.optimized_bls12_381' in sys.modules)
from eth import precompiles
class Computation:
    class msg:
        data = data_as_bytes = bytes(256)
    def consume_gas(self, *_, **__): pass
computation = Computation()
precompiles.bls12_g1_add(computation)
print(computation.output == bytes(128), 'py_ecc.optimized_bls12_381' in sys.modules)
"""


def in_a_fresh_process(code: str) -> list[str]:
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.split()


def test_the_executor_loads_nothing_of_py_evm() -> None:
    assert in_a_fresh_process("import sys, ledger.evm; print({'eth', 'py_ecc'} & set(sys.modules))") == ["set()"]


def test_a_whole_site_runs_without_py_evm() -> None:
    code = "import sys\nfrom tests.ledger import chain_kit\nchain_kit.furnished()\nprint('eth' in sys.modules)"
    assert in_a_fresh_process(code) == ["False"]


def test_the_pairing_library_is_put_off_and_still_works() -> None:
    assert in_a_fresh_process(PAIRING) == ["False", "True", "True"]
