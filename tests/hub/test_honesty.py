"""A hub that is attacked or damaged says so. (Put back from a backup: test_restored.)"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.auditing import Auditor
from hub.hub import Hub
from ledger.block import Block, Header, signing_bytes
from ledger.clock import ManualClock
from ledger.codec import keccak256
from tests.hub import sitekit
from tests.hub.sitekit import Site


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(sitekit.START_MS)


@pytest.fixture
def hub(tmp_path: Path, clock: ManualClock) -> Iterator[Hub]:
    sitekit.found_hub(tmp_path / "hub")
    with sitekit.open_hub(tmp_path / "hub", clock) as opened:
        opened.import_items(sitekit.ITEMS)
        yield opened


def _digest(hub: Hub) -> None:
    hub.verify()
    hub.settle()


def _audit(hub: Hub, folder: Path) -> list[str]:
    folder.mkdir()
    auditor = Auditor(hub.store, hub.config, hub.keys.control.address, hub.keys.log.verify_key, hub.heads.get)
    found = auditor.run(folder, 1)
    shutil.rmtree(folder)
    return found.complaints


def _lie(site: Site) -> None:
    """Replace the newest block by one that links and is signed, but whose state root is invented."""
    link = site.chain.links[-1]
    header = dataclasses.replace(Header.parse(link.block.header), state_root=b"\x66" * 32).encode()
    height = link.head.height
    signature = site.chain.key.sign(signing_bytes(site.chain.origin, height, keccak256(header)))
    from ledger import chain

    block = dataclasses.replace(link.block, header=header, signature=signature)
    assert link.before is not None
    site.chain.links[-1] = chain.link(link.before, block, site.chain.key.verify_key)


def test_a_sum_that_no_table_holds_is_the_hubs_trouble_and_stops_no_other_site(hub: Hub, clock: ManualClock) -> None:
    """The contracts bound every sum; should one pass all the same, it costs this site its picture and no other."""
    oslo, bergen = Site(hub, "oslo", clock), Site(hub, "bergen", clock, 8)
    oslo.furnish()
    bergen.furnish()
    oslo.receive(10)
    oslo.deliver()
    hub.verify()
    good = oslo.chain.size
    with hub.store.write() as session:
        session.run("UPDATE stock SET quantity = :most WHERE site = 'oslo' AND location = 'A-01'", most=2**63 - 1)
    oslo.receive(1)
    oslo.deliver()
    bergen.receive(7)
    bergen.deliver()
    hub.guarded("verify-0", hub.verify)
    hub.settle()
    views = {view.site: view for view in hub.sites()}
    assert (views["oslo"].state, views["oslo"].verified) == ("well", good)
    assert hub.troubles["verify-0"].startswith("acme/site/oslo/1: ") and "refused a row" in hub.troubles["verify-0"]
    assert views["bergen"].state == "well" and views["bergen"].verified == bergen.chain.size
    assert hub.discrepancies() == []


def test_a_block_that_does_not_do_what_it_says_is_quarantined_alone(hub: Hub, clock: ManualClock) -> None:
    oslo, bergen = Site(hub, "oslo", clock), Site(hub, "bergen", clock, 8)
    oslo.furnish()
    bergen.furnish()
    oslo.receive(10)
    oslo.deliver()
    good = oslo.chain.size
    oslo.receive(1_000_000)
    oslo.chain.seal()
    _lie(oslo)
    oslo.node.sync(sitekit.Direct(hub))  # type: ignore[arg-type]
    bergen.receive(7)
    bergen.deliver()
    _digest(hub)
    views = {view.site: view for view in hub.sites()}
    assert views["oslo"].state == "quarantined" and "state root" in views["oslo"].reason
    assert views["oslo"].verified == good and views["oslo"].logged <= good
    assert views["bergen"].verified == bergen.chain.size == views["bergen"].logged
    assert [each.kind for each in hub.discrepancies()] == ["failed re-execution"]
    with hub.store.read() as session:
        assert session.value("SELECT quantity FROM stock WHERE site = 'oslo' AND location = 'A-01'") == 10
    # Trying again finds the same, once.
    hub.verifier.retry(oslo.origin)
    _digest(hub)
    assert [each.kind for each in hub.discrepancies()] == ["failed re-execution"]
    hub.anchor_now()


def test_a_lost_or_damaged_replica_is_built_again(hub: Hub, clock: ManualClock, tmp_path: Path) -> None:
    oslo = Site(hub, "oslo", clock)
    oslo.furnish()
    oslo.receive(10)
    oslo.deliver()
    _digest(hub)
    before = sitekit.tables(hub, "stock", "operations", "movements")
    hub.verifier.forget(oslo.origin)
    oslo.receive(5)
    oslo.deliver()
    _digest(hub)
    hub.verifier.close()
    path = tmp_path / "hub" / "sites" / "oslo-1.db"
    path.write_bytes(b"not a database" * 1000)
    oslo.receive(5)
    oslo.deliver()
    _digest(hub)
    assert hub.sites()[0].verified == oslo.chain.size and hub.discrepancies() == []
    after = sitekit.tables(hub, "stock", "operations", "movements")
    assert len(after["operations"]) == len(before["operations"]) + 2
    with hub.store.read() as session:
        assert session.value("SELECT quantity FROM stock WHERE site = 'oslo' AND location = 'A-01'") == 20


def test_projections_can_be_made_again_from_the_blocks(hub: Hub, clock: ManualClock) -> None:
    from hub import projection
    from hub.schema import DERIVED

    oslo = Site(hub, "oslo", clock)
    oslo.furnish()
    oslo.receive(10)
    oslo.count("A-01", ("BOLT", 2))
    oslo.dispatch("bergen", ("BOLT", 4))
    oslo.deliver()
    _digest(hub)
    before = sitekit.tables(hub, *DERIVED)
    with hub.store.write() as session:
        projection.clear(session)
    assert sitekit.tables(hub, "stock") == {"stock": []}
    _digest(hub)
    assert sitekit.tables(hub, *DERIVED) == before and len(hub.discrepancies()) == 1


def test_the_audit_finds_what_was_changed_behind_the_hubs_back(hub: Hub, clock: ManualClock, tmp_path: Path) -> None:
    oslo = Site(hub, "oslo", clock)
    oslo.furnish()
    oslo.receive(10)
    oslo.deliver()
    _digest(hub)
    hub.anchor_now()
    assert _audit(hub, tmp_path / "audit") == []
    spoil = (
        ("UPDATE stock SET quantity = quantity + 1 WHERE location = 'A-01'", "table stock"),
        ("UPDATE movements SET quantity = 11", "table movements"),
        ("DELETE FROM operations WHERE call = 'receive'", "table operations"),
        ("UPDATE log SET leaf_hash = :zero WHERE position = 0", "log entry 0"),
        ("UPDATE log_nodes SET hash = :zero WHERE level = 0 AND place = 1", "stored tree"),
        ("UPDATE log_heads SET root = :zero", "signed head"),
        ("UPDATE checkpoints SET root = :zero, cosignature = note", "checkpoint"),
        ("UPDATE controls SET signature = :bad WHERE sequence = 1", "control record 1"),
        ("UPDATE anchors SET root = :zero", "anchor of"),
    )
    with hub.store.read() as session:
        kept = {
            table: session.all(f"SELECT * FROM {table}")
            for table in ("stock", "movements", "operations", "log", "log_nodes", "log_heads", "checkpoints",
                          "controls", "anchors", "blocks")
        }  # fmt: skip
    for statement, says in spoil:
        with hub.store.write() as session:
            session.run(statement, zero=bytes(32), bad=bytes(65)) if ":" in statement else session.run(statement)
        found = _audit(hub, tmp_path / "audit")
        if says == "signed head":
            assert found == [] or any(says in each for each in found)
        else:
            assert any(says in each for each in found), (statement, found)
        with hub.store.write() as session:
            for table, rows in kept.items():
                session.run(f"DELETE FROM {table}")
                session.insert(table, rows)
    assert _audit(hub, tmp_path / "audit") == []


def test_a_block_changed_on_the_hubs_disk_is_found(hub: Hub, clock: ManualClock, tmp_path: Path) -> None:
    oslo = Site(hub, "oslo", clock)
    oslo.furnish()
    oslo.receive(10)
    oslo.deliver()
    _digest(hub)
    height = oslo.chain.size - 1
    changed = dataclasses.replace(oslo.chain.blocks[height], documents=(b"\xa0",))
    with hub.store.write() as session:
        session.run("UPDATE blocks SET body = :body WHERE height = :height", body=changed.encode(), height=height)
    assert any("document" in each for each in _audit(hub, tmp_path / "audit"))
    assert Block.decode(changed.encode()).hash == oslo.chain.blocks[height].hash
