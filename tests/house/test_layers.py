"""Who may import whom, one door for each library, and no clock or dice outside their seams."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from tests.house.source import PACKAGES, ROOT, Module, modules, parse

BELOW = {
    "contracts": set[str](),
    "ledger": {"contracts"},
    "devices": {"ledger"},
    "sync": {"ledger"},
    "node": {"devices", "sync", "ledger", "contracts"},
    "hub": {"sync", "ledger", "contracts"},
}
# All that devices may use of the ledger.
GROUND = {"ids", "errors", "clock", "commands", "db", "lock", "logs", "seams", "spelling", "wording"}

DOORS = {
    "eth": {"ledger.evm", "ledger.state"},
    "nacl": {"ledger.keys"},
    "coincurve": {"ledger.keys"},
    "eth_hash": {"ledger.codec"},
    "rlp": {"ledger.codec"},
    "eth_abi": {"ledger.codec"},
    "cbor2": {"ledger.codec"},
    "sqlite3": {"ledger.db"},
    "sqlcipher3": {"ledger.db"},
    "sqlite_utils": {"ledger.db"},
    "requests": {"sync.client"},
    "zeroconf": {"sync.discovery"},
    "serial": {"devices.transports.serial"},
    "cryptography": {"node.certificates"},
    "segno": {"devices.output.page"},
    "zxingcpp": {"devices.pictures"},
    "web3": {"hub.mainchain"},
    "eth_tester": {"hub.mainchain"},
    "eth_account": {"hub.mainchain"},
    "sqlalchemy": {"hub.store"},
    "vyper": {"contracts.build"},
    "flask_babel": {"web.languages"},
    "babel": {"web.languages"},
}
DOOR_PACKAGES = {"flask": "web", "cheroot": "web", "werkzeug": "web", "jinja2": "web"}
FAMILIES = {"ledger.evm": "ledger.evm_", "ledger.state": "ledger.state_", "hub.mainchain": "hub.mainchain_",
            "hub.store": "hub.store_", "ledger.codec": "ledger.codec_"}  # fmt: skip

CLOCKS = {
    ("time", name)
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "sleep", "perf_counter", "perf_counter_ns")
}
DICE = {"random", "uuid", "secrets"}
CLOCK_ROOMS = {"ledger.clock", "ledger.seams"}


def layer_faults(module: Module) -> list[str]:
    """Imports of `module` that point up or sideways, each as `file:line: sentence`."""
    if module.is_entry and module.package != "devices":
        return []
    faults = []
    for line, target in module.imports:
        if target.startswith("."):
            faults.append(f"{module.where(line)}: relative import; write it in full")
            continue
        parts = target.split(".")
        if parts[0] not in PACKAGES or (parts[0] == module.package and module.package != "web"):
            continue
        if module.package == "web":
            side = module.name.split(".")[-1].split("_")[0]
            if {"node": "hub", "hub": "node"}.get(side) == parts[0] or (
                parts[0] == "web" and len(parts) > 1 and {"node": "hub_", "hub": "node_"}.get(side, "-") in parts[1]
            ):
                faults.append(f"{module.where(line)}: the {side} side of web may not import {target}")
        elif parts[0] not in BELOW[module.package]:
            faults.append(f"{module.where(line)}: {module.package} may not import {parts[0]}")
        elif module.package == "devices" and parts[0] == "ledger" and parts[1] not in GROUND:
            faults.append(f"{module.where(line)}: devices may use only the ledger's ground modules, not {target}")
    return faults


def door_faults(module: Module) -> list[str]:
    """Libraries that `module` imports although another module is their door."""
    faults = []
    for line, target in module.imports:
        library = target.split(".")[0]
        if library == "apscheduler" and module.name.split(".")[-1] != "run":
            faults.append(f"{module.where(line)}: only */run may import apscheduler")
        if library in DOOR_PACKAGES and module.package != DOOR_PACKAGES[library]:
            faults.append(f"{module.where(line)}: only {DOOR_PACKAGES[library]} may import {library}")
        if library in DOORS and module.name not in DOORS[library]:
            if any(module.name.startswith(FAMILIES.get(door, "-")) for door in DOORS[library]):
                continue
            faults.append(f"{module.where(line)}: only {', '.join(sorted(DOORS[library]))} may import {library}")
    return faults


def clock_faults(module: Module) -> list[str]:
    """Places where `module` reads a clock, sleeps or rolls dice by itself."""
    if module.is_entry or module.name in CLOCK_ROOMS:
        return []
    faults = []
    for line, target in module.imports:
        parts = tuple(target.split("."))
        if parts[0] in DICE or parts[:2] in CLOCKS:
            faults.append(f"{module.where(line)}: {target} is passed in, through ledger.clock or ledger.seams")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if (owner, node.attr) in CLOCKS or (
                owner in ("datetime", "date") and node.attr in ("now", "utcnow", "today")
            ):
                faults.append(f"{module.where(node.lineno)}: {owner}.{node.attr} is passed in, through ledger.clock")
    return faults


@pytest.mark.parametrize("faults", [layer_faults, door_faults, clock_faults])
def test_the_house_rules_hold(faults: object) -> None:
    assert callable(faults)
    found = [fault for module in modules() for fault in faults(module)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("place", "text", "faults"),
    [
        ("ledger/planted.py", "import hub.store\n", layer_faults),
        ("node/planted.py", "from hub import store\n", layer_faults),
        ("web/node_planted.py", "from hub.store import Store\n", layer_faults),
        ("devices/planted.py", "from ledger.chain import link\n", layer_faults),
        ("sync/planted.py", "from . import frames\n", layer_faults),
        ("node/planted.py", "import nacl.signing\n", door_faults),
        ("hub/planted.py", "def late():\n    import flask\n", door_faults),
        ("node/planted.py", "import time\n\nAT = time.time()\n", clock_faults),
        ("node/planted.py", "from datetime import datetime\n\nAT = datetime.now()\n", clock_faults),
        ("sync/planted.py", "import random\n", clock_faults),
    ],
)
def test_each_rule_sees_a_planted_fault(place: str, text: str, faults: object, tmp_path: Path) -> None:
    path = tmp_path / "planted.py"
    path.write_text(text)
    assert callable(faults)
    tree = ast.parse(text)
    from tests.house.source import _imports

    module = Module(place.removesuffix(".py").replace("/", "."), ROOT / place, tree, tuple(_imports(tree)))
    assert len(faults(module)) == 1


def test_package_inits_are_empty() -> None:
    full = [str(path) for package in PACKAGES for path in (ROOT / package).rglob("__init__.py") if path.read_text()]
    assert not full


def test_our_names_resolve_to_us() -> None:
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None and spec.origin is not None
        assert Path(spec.origin).resolve().is_relative_to(ROOT), f"{package} is shadowed by {spec.origin}"


def test_setup_names_every_package() -> None:
    text = (ROOT / "setup.py").read_text()
    folders = {
        str(path.parent.relative_to(ROOT)).replace("/", ".")
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
    }
    missing = sorted(name for name in folders if f'"{name}"' not in text)
    assert not missing, f"setup.py does not list {missing}"


def test_every_source_file_parses_and_has_a_docstring() -> None:
    bare = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py" and not ast.get_docstring(parse(path).tree)
    ]
    assert not bare, f"no module docstring: {bare}"
