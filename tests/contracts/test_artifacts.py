"""The committed artifacts: they belong to the sources, load whole, and a difference is told."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from contracts import artifacts, build
from ledger.codec import keccak256


@pytest.mark.parametrize("name", artifacts.NAMES)
def test_an_artifact_belongs_to_its_source(name: str) -> None:
    found = artifacts.load(name)
    source = (build.SOURCES / f"{name}.vy").read_bytes()
    assert found.source_sha256 == hashlib.sha256(source).hexdigest(), "run python -m contracts.build"
    assert (found.name, found.compiler) == (name, "vyper 0.4.3")
    assert found.evm_version == ("paris" if name == "AnchorRegistry" else "shanghai")
    assert 0 < len(found.runtime) <= build.MAX_RUNTIME
    assert found.runtime in found.bytecode
    # PUSH0 is younger than paris: a main chain of that age would not run it.
    assert (b"\x5f\x5f\xfd" in found.runtime) == (name != "AnchorRegistry")


def test_there_is_no_other_contract() -> None:
    with pytest.raises(KeyError, match="no contract 'Escrow'"):
        artifacts.load("Escrow")
    assert {path.stem for path in build.SOURCES.glob("*.vy")} == set(artifacts.NAMES)


def test_the_place_of_everything_stored_is_fixed() -> None:
    """Blocks name states: a variable that changes its slot would make every older one unreadable."""
    names = ("writer", "stock", "reserved", "serials", "traits", "places", "parents", "items", "used", "counts")
    slots = {name: slot for slot, name in enumerate((*names, "posted", "remembered", "promised", "words"), start=1)}
    assert artifacts.load("StockLedger").slots == slots
    assert artifacts.load("InventoryManager").slots == {}


def test_building_twice_gives_the_same_and_a_difference_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the smallest contract; the whole check is `python -m contracts.build --check`."""
    name = "AuditLogger"
    committed = (artifacts.FOLDER / f"{name}.json").read_text()
    assert build.render(name) == committed
    compiled = tmp_path / "compiled"
    compiled.mkdir()
    shutil.copy(artifacts.FOLDER / f"{name}.json", compiled)
    monkeypatch.setattr(build, "FOLDER", compiled)
    monkeypatch.setattr(build, "NAMES", (name,))
    assert build.main(["--check"]) == 0
    (compiled / f"{name}.json").write_text(committed.replace('"bytecode": "', '"bytecode": "00', 1))
    (compiled / "Escrow.json").write_text("{}")
    assert build.main(["--check"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [each.split(" ")[0] for each in told] == [f"compiled/{name}.json", "compiled/Escrow.json"]
    (compiled / f"{name}.json").unlink()
    assert build.main(["--check"]) == 1
    assert build.main([]) == 0
    assert (compiled / f"{name}.json").read_text() == committed


def test_selectors_do_not_collide() -> None:
    for name in artifacts.NAMES:
        methods = [entry for entry in artifacts.load(name).abi if entry["type"] == "function"]
        hashes = {
            keccak256(f"{entry['name']}({','.join(map(_type, entry['inputs']))})".encode())[:4] for entry in methods
        }
        assert len(hashes) == len(methods)


def _type(part: dict[str, object]) -> str:
    kind = str(part["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(_type(each) for each in part["components"])  # type: ignore[attr-defined]
    return f"({inner}){kind[5:]}"
