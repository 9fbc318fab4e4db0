"""Ids that two sites use alike, by malice: who came late has a discrepancy at most, and no other site anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.auditing import Auditor
from hub.hub import Hub
from ledger import calls, receipt
from ledger.clock import ManualClock
from ledger.errors import Corrupt
from ledger.keys import TxKey
from ledger.people import activation_code
from tests.hub import sitekit
from tests.hub.sitekit import Site


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(sitekit.START_MS)


@pytest.fixture
def hub(tmp_path: Path, clock: ManualClock, database_url: str) -> Iterator[Hub]:
    sitekit.found_hub(tmp_path / "hub", database=database_url)
    with sitekit.open_hub(tmp_path / "hub", clock) as opened:
        opened.import_items(sitekit.ITEMS)
        yield opened


def _sites(hub: Hub, clock: ManualClock, *names: str) -> list[Site]:
    made = [Site(hub, name, clock, seed) for seed, name in enumerate(names, 7)]
    for site in made:
        site.furnish()
        site.receive(100)
        site.deliver()
    return made


def _digest(hub: Hub) -> None:
    hub.verify()
    hub.settle()


def _states(hub: Hub) -> dict[str, str]:
    return {view.site: view.state for view in hub.sites()}


def _audit(hub: Hub, folder: Path) -> list[str]:
    folder.mkdir()
    auditor = Auditor(hub.store, hub.config, hub.keys.control.address, hub.keys.log.verify_key, hub.heads.get)
    return auditor.run(folder, 1).complaints


@pytest.mark.parametrize("thief_first", [True, False])
def test_a_transfer_id_of_two_senders(hub: Hub, clock: ManualClock, tmp_path: Path, thief_first: bool) -> None:
    oslo, turku, bergen = _sites(hub, clock, "oslo", "turku", "bergen")
    transfer = oslo.dispatch("bergen", ("BOLT", 40))
    turku.dispatch("bergen", ("BOLT", 7), ("BOLT", 1), op_id=transfer)
    first, late = (turku, oslo) if thief_first else (oslo, turku)
    for site in (first, late):
        site.deliver()
        _digest(hub)
    assert _states(hub) == {"oslo": "well", "turku": "well", "bergen": "well"}
    (found,) = hub.discrepancies()
    assert (found.kind, found.subject, found.site) == ("transfer id twice", str(transfer), late.name)
    said = hub.discrepancy(found.id).entries[0].evidence["dispatches"]
    assert [(each["site"], each["block"]) for each in said] == [
        ("oslo", oslo.chain.size - 1),
        ("turku", turku.chain.size - 1),
    ]
    # The receiver is told of both, and what it takes over from one is nothing of the other.
    bergen.sync()
    coming = bergen.node.tables["transfers"]
    assert {name: value["lines"][0][5] for name, value in coming.items()} == {
        f"oslo/{transfer}": 40,
        f"turku/{transfer}": 7,
    }
    bergen.accept(transfer, "oslo", (0, "BOLT", 37, 3))
    bergen.deliver()
    _digest(hub)
    states = {each.name.sender: each.state for each in hub.transfers()}
    assert states == {"oslo": "short", "turku": "in transit"}
    oslo.sync()
    oslo.deliver()
    turku.sync()
    assert turku.chain.waiting == [], "nothing of it is settled"
    _digest(hub)
    with hub.store.read() as session:
        rows = session.all("SELECT site, quantity FROM stock WHERE location = 'IN_TRANSIT' ORDER BY site")
    assert {row["site"]: row["quantity"] for row in rows} == {"bergen": -37, "oslo": 3, "turku": 8}
    short = next(each for each in hub.discrepancies() if each.kind == "transfer short")
    assert short.subject == f"oslo/{transfer}" and short.site == "oslo"
    hub.decide(short.id, "rita", "lost", "the carrier confirmed the loss")
    assert {each.name.sender: each.state for each in hub.transfers()} == {"oslo": "settled", "turku": "in transit"}
    assert _audit(hub, tmp_path / "audit") == []


def test_an_acceptance_by_a_site_that_the_dispatch_does_not_name(
    hub: Hub, clock: ManualClock, tmp_path: Path
) -> None:
    oslo, turku, bergen = _sites(hub, clock, "oslo", "turku", "bergen")
    transfer = oslo.dispatch("bergen", ("BOLT", 40))
    oslo.chain.seal()
    turku.accept(transfer, "oslo", (0, "BOLT", 30, 10))
    turku.deliver()
    _digest(hub)
    oslo.sync()
    _digest(hub)
    # Neither taken over nor missing: a stranger's word settles nothing at the sender.
    (found,) = hub.discrepancies()
    assert found.kind == "transfer unmatched" and "accepted by turku" in found.summary
    (known,) = hub.transfers()
    assert known.receiver == "bergen" and known.state == "in transit" and known.arrived_s is None
    assert hub.discrepancy(found.id).entries[0].evidence["elsewhere"] == [
        {"site": "turku", "line": 0, "item": "BOLT", "lot": "", "serial": "", "accepted": 30, "missing": 10}
    ]
    oslo.sync()
    assert oslo.chain.waiting == []
    clock.advance(hub.config.rules.transfer_late_ms + 60_000)
    hub.watch()
    assert "transfer late" in {each.kind for each in hub.discrepancies()}
    bergen.accept(transfer, "oslo", (0, "BOLT", 40, 0))
    bergen.deliver()
    oslo.sync()
    _digest(hub)
    kinds = {each.kind for each in hub.discrepancies()}
    assert "transfer unmatched" in kinds and not kinds & {"transfer over", "transfer short", "transfer late"}
    assert hub.transfers()[0].state == "settled"
    assert _audit(hub, tmp_path / "audit") == []


def test_an_op_id_of_two_sites_names_the_operation_that_came_first(hub: Hub, clock: ManualClock) -> None:
    bergen, oslo = _sites(hub, clock, "bergen", "oslo")
    op_id = bergen.receive(5)
    bergen.deliver()
    clock.advance(1_000)
    oslo.receive(900, op_id=op_id)
    oslo.deliver()
    _digest(hub)
    hub.anchor_now()
    assert _states(hub) == {"bergen": "well", "oslo": "well"}
    for asked, expected in (("", bergen), (bergen.origin, bergen), (oslo.origin, oslo)):
        assert receipt.Receipt.parse(hub.receipt(op_id, asked)).origin == expected.origin
        with hub.reading() as session:
            from hub import views

            found = views.operation(session, str(op_id), asked)
        assert found is not None and found["origin"] == expected.origin
        assert found["origins"] == [bergen.origin, oslo.origin]


def test_a_person_bound_twice_in_one_block(hub: Hub, clock: ManualClock) -> None:
    (oslo,) = _sites(hub, clock, "oslo")
    added = hub.add_person("oslo", "eva", "Eva", ["COUNT"])
    hub.settle()
    oslo.sync()
    again = hub.add_person("oslo", "eva", "Eva", ["COUNT"], new_key=True)
    hub.settle()
    for person in (added, again):
        actor = sitekit.Actor.parse(person.actor)
        key = TxKey.generate(oslo.chance)
        bind = calls.Bind(actor=actor, key=key.address, code=activation_code(person.code))
        oslo.chain.call(oslo.new_op(), bind)
        oslo.node.sync(sitekit.Direct(hub))  # type: ignore[arg-type]
        oslo.apply_controls()
    oslo.deliver()
    _digest(hub)
    assert _states(hub) == {"oslo": "well"}
    with hub.store.read() as session:
        assert session.value("SELECT count(DISTINCT key) FROM binds WHERE actor = :actor", actor=added.actor) == 2


def test_what_the_hubs_own_tables_refuse_is_the_hubs_trouble(hub: Hub, clock: ManualClock) -> None:
    bergen, oslo, turku = _sites(hub, clock, "bergen", "oslo", "turku")
    _digest(hub)
    for site in (bergen, oslo, turku):
        site.receive(5)
        site.deliver()
    with hub.store.write() as session:
        session.run(
            "INSERT INTO operations VALUES (:origin, :op, 'oslo', 9, 9, '', '', '', 0)",
            origin=oslo.origin,
            op=str(_newest_op(oslo)),
        )
    with pytest.raises(Corrupt, match=f"{oslo.origin}: "):
        hub.verify()
    hub.guarded("verify-0", hub.verify)
    assert oslo.origin in hub.troubles["verify-0"]
    views = {view.site: view for view in hub.sites()}
    assert {name: view.verified == view.size for name, view in views.items()} == {
        "bergen": True,
        "oslo": False,
        "turku": True,
    }
    assert views["oslo"].state == "well" and hub.discrepancies() == []
    with hub.store.write() as session:
        session.run("DELETE FROM operations WHERE origin = :origin AND height = 9", origin=oslo.origin)
    hub.guarded("verify-0", hub.verify)
    assert hub.troubles == {} and hub.sites()[1].verified == oslo.chain.size


def _newest_op(site: Site) -> sitekit.OpId:
    """The op_id of the last call that was sealed: the first argument of its call data."""
    from ledger.block_rules import target

    _, data = target(site.chain.blocks[-1].transactions[-1])
    return sitekit.OpId(data[4:20])
