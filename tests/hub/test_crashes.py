"""R10 inside one process: the hub dies at each named point in turn, starts again, and ends the same.

No cosignature it ever gave may be false: each is of blocks that the restarted hub holds and that execute.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.auditing import Auditor
from hub.hub import Hub
from ledger import checkpoint, seams
from ledger.clock import ManualClock
from tests.hub import sitekit
from tests.hub.sitekit import Site
from tests.sync.hub_kit import Direct, Node

STRIDE = int(os.environ.get("TALLYMAN_CRASH_STRIDE", "9"))  # 1 dies at every point a run passes
TABLES = (
    "blocks", "checkpoints", "log", "log_nodes", "log_heads", "receipts", "controls", "stock", "serials",
    "operations", "movements", "counts", "count_lines", "transfers", "transfer_lines", "transfer_arrivals",
    "discrepancies", "discrepancy_entries",
)  # fmt: skip


@dataclass
class Template:
    """A hub in a folder with two enrolled sites, which have sealed much that it has not seen."""

    folder: Path
    nodes: tuple[Node, Node]
    hub_key: object

    def start(self, folder: Path) -> tuple[Node, Node]:
        shutil.copytree(self.folder, folder)
        copies = tuple(copy.copy(node) for node in self.nodes)
        for node, original in zip(copies, self.nodes, strict=True):
            node.acknowledged = dict(original.acknowledged)
            node.tried = list(original.tried)
            node.down = dict(original.down)
            node.tables = {name: dict(table) for name, table in original.tables.items()}
            node.codes = []
            node.chance = sitekit.Seeded(5)  # type: ignore[assignment]
        return copies  # type: ignore[return-value]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template") / "hub")


def make_template(folder: Path) -> Template:
    sitekit.found_hub(folder)
    clock = ManualClock(sitekit.START_MS)
    with sitekit.open_hub(folder, clock) as hub:
        hub.import_items(sitekit.ITEMS)
        oslo, bergen = Site(hub, "oslo", clock), Site(hub, "bergen", clock, 8)
        oslo.furnish()
        bergen.furnish()
        hub.verify()
        hub.settle()
        oslo.receive(100)
        oslo.receive(1, item="DRILL", serial="S1")
        oslo.chain.seal()
        transfer = oslo.dispatch("bergen", ("BOLT", 40))
        oslo.chain.seal()
        oslo.count("A-01", ("BOLT", 10))
        oslo.chain.seal()
        bergen.accept(transfer, "oslo", (0, "BOLT", 37, 3))
        bergen.chain.seal()
        key = hub.keys.log.verify_key
    return Template(folder, (oslo.node, bergen.node), key)


def _work(hub: Hub, nodes: tuple[Node, Node]) -> None:
    """What a hub does in its day, once; doing it again changes nothing."""
    for node in nodes:
        node.sync(Direct(hub))  # type: ignore[arg-type]
    hub.verify()
    hub.settle()
    hub.settle()
    hub.anchor_now()
    for node in nodes:
        node.sync(Direct(hub))  # type: ignore[arg-type]
    hub.watch()


def _final(hub: Hub, nodes: tuple[Node, Node]) -> dict[str, object]:
    found: dict[str, object] = dict(sitekit.tables(hub, *TABLES))
    with hub.store.read() as session:
        found["anchors"] = session.all("SELECT size, state FROM anchors ORDER BY size")
        found["origins"] = session.all(
            "SELECT origin, size, head_hash, cosigned_size, verified_size, logged_size, anchored_size FROM origins"
        )
        found["streams"] = session.all(
            "SELECT stream, site, key, value FROM stream_entries WHERE stream <> 'manifest'"
            " ORDER BY stream, site, key"
        )
    found["receipts"] = [{size: sorted(entry) for size, entry in node.tables["receipts"].items()} for node in nodes]
    return found


def _check_acknowledgements(hub: Hub, nodes: tuple[Node, Node]) -> None:
    for node in nodes:
        with hub.store.read() as session:
            held = [
                row["hash"]
                for row in session.all(
                    "SELECT hash FROM blocks WHERE origin = :origin ORDER BY height", origin=str(node.chain.origin)
                )
            ]
        for size, note in node.acknowledged.items():
            found = checkpoint.Note.parse(note).checkpoint
            assert len(held) >= size and found == node.chain.checkpoint(size)
            assert bytes(held[size - 1]) == node.chain.links[size - 1].head.hash


def _audit(hub: Hub, folder: Path) -> list[str]:
    folder.mkdir()
    auditor = Auditor(hub.store, hub.config, hub.keys.control.address, hub.keys.log.verify_key, hub.heads.get)
    return auditor.run(folder, 1).complaints


def _run(template: Template, folder: Path, kill: Callable[[str], None] | None = None) -> dict[str, object]:
    """The day's work, dying as `kill` says and starting again until it is done."""
    nodes = template.start(folder)
    clock = ManualClock(sitekit.START_MS + 60_000)
    for attempt in range(4):
        if kill is not None and attempt == 0:
            seams.arm_failpoint("*", kill)
        try:
            with sitekit.open_hub(folder, clock, seed=20 + attempt) as hub:
                _work(hub, nodes)
                seams.disarm_failpoints()
                _check_acknowledgements(hub, nodes)
                result = _final(hub, nodes)
                if kill is None:
                    assert _audit(hub, folder / "audit") == []
                return result
        except seams.Killed:
            seams.disarm_failpoints()
    raise TimeoutError("it never ends")


def test_it_ends_the_same_wherever_it_dies(template: Template, tmp_path: Path) -> None:
    passed: list[str] = []
    seams.arm_failpoint("*", passed.append)
    expected = _run(template, tmp_path / "calm")
    names = set(passed)
    assert {"hub.replica_committed", "hub.projected", "hub.logged", "hub.log_signed", "hub.head_promised"} <= names
    assert {"hub.control_signed", "hub.receipts_sent", "hub.anchor_signed", "mainchain.mined"} <= names
    first = {name: passed.index(name) + 1 for name in names}
    for at in sorted({*range(1, len(passed) + 1, STRIDE), *first.values()}):
        left = [at]

        def die(name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise seams.Killed(name)

        found = _run(template, tmp_path / f"at-{at}", die)
        for table, rows in expected.items():
            assert found[table] == rows, f"{table} differs after dying at {passed[at - 1]} (point {at})"
        shutil.rmtree(tmp_path / f"at-{at}")
