"""The golden blocks: each machine, and stock py-evm, must come to every one of their headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import db, evm_machine
from ledger.block import Header
from ledger.chain import RULE_SET
from ledger.codec import keccak256
from ledger.evm import Executor, py_evm
from tests.ledger import stock
from tests.vectors import make_blocks

FILES = ("engine", "site")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("machine", [evm_machine.run, py_evm()], ids=["ours", "py-evm"])
def test_each_machine_makes_them(name: str, machine: evm_machine.Machine) -> None:
    vector = make_blocks.read(name)
    assert vector["rule_set"] == RULE_SET
    store = db.memory()
    make_blocks.fresh(vector, store)
    site = Executor(store, machine)
    for block in vector["blocks"][1:]:
        header = bytes.fromhex(block["header"])
        with db.transaction(store):
            sealed = site.reexecute(
                header, [bytes.fromhex(raw) for raw in block["transactions"]], bytes.fromhex(block["extra_data"])
            )
        parsed = Header.parse(sealed.header)
        assert keccak256(sealed.header).hex() == block["hash"]
        assert (parsed.state_root.hex(), parsed.gas_used) == (block["state_root"], block["gas_used"])


@pytest.mark.parametrize("name", FILES)
def test_stock_py_evm_accepts_them(name: str) -> None:
    vector = make_blocks.read(name)
    genesis, *blocks = vector["blocks"]
    judge = stock.chain(vector["chain_id"], bytes.fromhex(genesis["header"]), make_blocks.alloc_of(vector))
    for block in blocks:
        raws = [bytes.fromhex(raw) for raw in block["transactions"]]
        imported = stock.import_block(judge, bytes.fromhex(block["header"]), raws).imported_block
        assert imported.hash.hex() == block["hash"]


def test_they_are_what_the_program_makes_today(capsys: pytest.CaptureFixture[str]) -> None:
    status = make_blocks.main(["--check"])
    assert (status, capsys.readouterr().out) == (0, "")


@pytest.mark.parametrize("asked", ["--help", "--chekc"])
def test_only_a_plain_call_writes_them(asked: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(make_blocks, "FOLDER", tmp_path)
    with pytest.raises(SystemExit):
        make_blocks.main([asked])
    assert list(tmp_path.iterdir()) == []
