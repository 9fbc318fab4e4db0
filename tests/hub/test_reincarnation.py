"""A site's next incarnation at the hub: what ends, what goes over, and that nothing counts twice or is lost."""

from __future__ import annotations

import copy
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import blocks, views
from hub.auditing import Auditor
from hub.hub import Hub
from ledger import calls, chain, db, receipt, seams
from ledger.claims import CLAIM, Claim, note_op_id
from ledger.clock import ManualClock
from ledger.errors import Invalid, Rejected
from ledger.evm import Executor
from ledger.ids import OpId
from sync import history, messages
from sync.enrolment import Code
from tests.hub import sitekit
from tests.hub.sitekit import DOCUMENT, Site
from tests.sync.hub_kit import Direct


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(sitekit.START_MS)


@pytest.fixture
def hub(tmp_path: Path, clock: ManualClock) -> Iterator[Hub]:
    sitekit.found_hub(tmp_path / "hub")
    with sitekit.open_hub(tmp_path / "hub", clock) as opened:
        opened.import_items(sitekit.ITEMS)
        yield opened


@pytest.fixture
def oslo(hub: Hub, clock: ManualClock) -> Site:
    site = Site(hub, "oslo", clock)
    site.furnish()
    site.receive(100)
    site.deliver()
    digest(hub)
    return site


def digest(hub: Hub) -> None:
    hub.verify()
    hub.settle()
    hub.watch()


def stock(hub: Hub) -> dict[tuple[str, str], int]:
    with hub.store.read() as session:
        return {(row["location"], row["item"]): row["quantity"] for row in views.stock(session, site="oslo")}


def audit(hub: Hub, folder: Path) -> list[str]:
    folder.mkdir()
    auditor = Auditor(hub.store, hub.config, hub.keys.control.address, hub.keys.log.verify_key, hub.heads.get)
    found = auditor.run(folder, 1)
    shutil.rmtree(folder)
    return found.complaints


def part(hub: Hub, oslo: Site) -> tuple[Site, OpId, OpId]:
    """Two histories: the database of this moment is put back later, under the lease of then, and worked with.

    The hub keeps one move, and gets another as evidence. Answers the second history and the two operations.
    """
    twin = copy.copy(oslo)
    twin.chain = dataclasses.replace(oslo.chain, links=list(oslo.chain.links), waiting=[])
    twin.chain.connection = db.memory()
    oslo.chain.connection.backup(twin.chain.connection)
    twin.chain.executor = Executor.open(twin.chain.connection)
    twin.chance = sitekit.Seeded(99)
    twin.node = oslo.node.copy(twin.chain, seed=13)  # type: ignore[arg-type]
    twin.node.__class__ = type(oslo.node)
    kept = oslo.move(30, "A-01", "A-02")
    oslo.deliver()
    digest(hub)
    twin.node.lease, twin.node.tried = oslo.node.lease, []
    other = twin.move(7, "A-01", "A-02")
    twin.chain.seal()
    twin.node.sync(Direct(hub))  # type: ignore[arg-type]
    return twin, kept, other


def state(hub: Hub, origin: str) -> str:
    with hub.store.read() as session:
        held = blocks.held(session, origin, hub.keys.control.address)
    assert held is not None
    return held.state


def test_a_site_that_is_well_is_not_ended_by_mistake(hub: Hub, oslo: Site) -> None:
    with pytest.raises(Rejected, match=r"acme/site/oslo/1 is well.*--replace"):
        hub.reincarnate("oslo")
    with pytest.raises(Rejected, match="no site 'bergen'"):
        hub.reincarnate("bergen", replace=True)
    assert state(hub, oslo.origin) == blocks.ACTIVE
    with pytest.raises(Rejected, match="reincarnate oslo"):
        hub.enrol("oslo")


def test_a_lost_disk_goes_on_as_the_next_incarnation(
    hub: Hub, oslo: Site, clock: ManualClock, tmp_path: Path
) -> None:
    old = oslo.move(10, "A-01", "A-02")
    oslo.deliver()
    digest(hub)
    hub.add_locations("oslo", ["A-03"])  # cut and signed for the old chain, which never applies it
    hub.settle()
    code = hub.reincarnate("oslo", "the machine was stolen", replace=True)
    assert code.origin == "acme/site/oslo/2"
    [found] = [each for each in hub.discrepancies() if each.kind == "site rollback"]
    assert "goes on as acme/site/oslo/2 from block" in found.summary
    again = hub.reincarnate("oslo")
    assert again.origin == code.origin and again.secret != code.secret, "before it is used a code can be made anew"
    heir = Site.of(hub, again, oslo, clock)
    heir.sync()
    digest(hub)
    assert stock(hub) == {("A-01", "BOLT"): 90, ("A-02", "BOLT"): 10}
    heir.sync()
    assert heir.applied == 1, "what the old chain had not applied opens the new sequence"
    new = heir.move(5, "A-02", "A-03")
    heir.deliver()
    digest(hub)
    assert stock(hub) == {("A-01", "BOLT"): 90, ("A-02", "BOLT"): 5, ("A-03", "BOLT"): 5}
    with pytest.raises(AssertionError, match="used"):
        heir.chain.call(old, calls.Move(actor=heir.people["ann"].actor, lines=()), DOCUMENT)
    hub.anchor_now()
    for op_id, site in ((old, oslo), (new, heir)):
        checked = receipt.verify(hub.receipt(op_id), [site.chain.key.verify_key.raw], [hub.keys.log.verify_key.raw])
        assert (checked.strength, checked.receipt.origin) == (receipt.ANCHORED, site.origin)
    assert audit(hub, tmp_path / "audit") == []
    views_ = {view.origin: view.state for view in hub.sites()}
    assert views_ == {"acme/site/oslo/1": "stopped", "acme/site/oslo/2": "well"}


def test_the_same_on_postgresql(tmp_path: Path, clock: ManualClock, postgres_server: str) -> None:
    import psycopg

    with psycopg.connect(postgres_server.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE next_incarnation")
    sitekit.found_hub(tmp_path / "hub", database=f"{postgres_server}/next_incarnation")
    with sitekit.open_hub(tmp_path / "hub", clock) as hub:
        assert hub.store.dialect == "postgresql"
        hub.import_items(sitekit.ITEMS)
        oslo = Site(hub, "oslo", clock)
        oslo.furnish()
        oslo.receive(100)
        oslo.deliver()
        digest(hub)
        test_a_lost_disk_goes_on_as_the_next_incarnation(hub, oslo, clock, tmp_path)


def test_both_branches_of_a_fork_are_in_the_books_or_are_asked_for(
    hub: Hub, oslo: Site, clock: ManualClock, tmp_path: Path
) -> None:
    twin, kept, other = part(hub, oslo)
    assert state(hub, oslo.origin) == blocks.FORKED and twin.node.codes[-1] == messages.FORKED
    code = hub.reincarnate("oslo", "an old backup was put back")
    assert oslo.node.sync(Direct(hub)).code == messages.STALE_INCARNATION  # type: ignore[arg-type]
    digest(hub)
    [fork] = [each for each in hub.discrepancies() if each.kind == "site fork"]
    assert hub.discrepancy(fork.id).entries[-1].evidence["missing"] == [str(other)]
    heir = Site.of(hub, code, oslo, clock)
    heir.sync()
    digest(hub)
    assert stock(hub) == {("A-01", "BOLT"): 70, ("A-02", "BOLT"): 30}
    move = calls.Move(
        actor=heir.people["ann"].actor, lines=(calls.Line(item="BOLT", quantity=7, source="A-01", target="A-02"),)
    )
    move = dataclasses.replace(move, document=calls.decode(twin.chain.links[-1].transactions[0].data)[1].document)  # type: ignore[union-attr]
    heir.chain.call(other, move, DOCUMENT)
    heir.deliver()
    digest(hub)
    assert stock(hub) == {("A-01", "BOLT"): 63, ("A-02", "BOLT"): 37}
    assert hub.discrepancy(fork.id).entries[-1].evidence["missing"] == []
    assert hub.discrepancy(fork.id).state == "open", "a person decides"
    assert kept != other and audit(hub, tmp_path / "audit") == []


def test_an_ended_chain_delivers_what_only_its_disk_has_as_evidence(hub: Hub, oslo: Site) -> None:
    hub.reincarnate("oslo", replace=True)
    before = oslo.chain.size
    missing = []
    for _ in range(3):
        missing.append(oslo.receive(1))
        oslo.chain.seal()
    report = oslo.node.sync(Direct(hub))  # type: ignore[arg-type]
    assert report.code == messages.STALE_INCARNATION and report.held == oslo.chain.size
    with hub.store.read() as session:
        heights = [row["height"] for row in session.all("SELECT height FROM evidence WHERE kind = 'fork'")]
    assert heights == list(range(before, oslo.chain.size))
    assert oslo.node.sync(Direct(hub)).rounds == 1, "it says it once"  # type: ignore[arg-type]
    hub.watch()
    [found] = [each for each in hub.discrepancies() if each.kind == "site rollback"]
    assert set(hub.discrepancy(found.id).entries[-1].evidence["missing"]) == {str(each) for each in missing}
    assert stock(hub) == {("A-01", "BOLT"): 100} and state(hub, oslo.origin) == blocks.RETIRED


def test_an_act_that_is_refused_since_becomes_a_discrepancy(hub: Hub, oslo: Site, clock: ManualClock) -> None:
    heir = Site.of(hub, hub.reincarnate("oslo", replace=True), oslo, clock)
    lost = heir.new_op()
    call = calls.Move(actor=heir.people["ann"].actor, lines=())
    claim = Claim(call.encode(lost), b"", "not enough stock", 5).encode()
    assert Claim.decode(claim).reason == "not enough stock"
    note = calls.Note(actor=None, kind=CLAIM, subject=lost.word, document=sitekit.document_hash(claim))
    heir.chain.call(note_op_id(heir.origin, lost), note, claim)
    heir.deliver()
    digest(hub)
    [found] = [each for each in hub.discrepancies() if each.kind == "unbookable act"]
    assert found.subject == f"acme/site/oslo/2:{lost}"
    assert "a move that oslo had acknowledged cannot be booked any more: not enough stock" in found.summary


def test_a_lying_genesis_is_not_held(hub: Hub, oslo: Site, clock: ManualClock) -> None:
    heir = Site.of(hub, hub.reincarnate("oslo", replace=True), oslo, clock)
    certificate = heir.chain.certificate
    assert certificate is not None and certificate.continued is not None
    liar = dataclasses.replace(certificate.continued, state_root=b"\x05" * 32)
    identity = dataclasses.replace(certificate, continued=liar).chain
    heir.chain.links[:] = [chain.seal_genesis(identity, heir.chain.key, certificate.not_before_s)]
    report = heir.node.sync(Direct(hub))  # type: ignore[arg-type]
    assert report.code == messages.BAD_BLOCK and "state root of genesis" in report.message


def test_a_site_of_which_nothing_was_verified_starts_from_nothing(hub: Hub, clock: ManualClock) -> None:
    bergen = Site(hub, "bergen", clock)
    code = hub.reincarnate("bergen", replace=True)
    heir = Site.of(hub, code, bergen, clock)
    assert heir.chain.certificate is not None and heir.chain.certificate.continued is None
    heir.furnish()
    heir.receive(5)
    heir.deliver()
    digest(hub)
    assert {view.origin: view.verified for view in hub.sites()}[heir.origin] == heir.chain.size


def test_history_is_for_the_node_that_goes_on(hub: Hub, oslo: Site, clock: ManualClock) -> None:
    heir = Site.of(hub, hub.reincarnate("oslo", replace=True), oslo, clock)
    key, names = heir.chain.key, (heir.origin, oslo.origin)
    certificate, size, found = history.read_answer(hub.history(history.ask(key, *names, 0, branch=False)))
    assert certificate.origin == oslo.origin and size == oslo.chain.size and found == oslo.chain.blocks
    rest = history.read_answer(hub.history(history.ask(key, *names, size - 1, branch=False)))[2]
    assert rest == oslo.chain.blocks[-1:]
    assert history.read_answer(hub.history(history.ask(key, *names, 0, branch=True)))[1:] == (0, [])
    with pytest.raises(Invalid):
        hub.history(history.ask(oslo.chain.key, *names, 0, branch=False))
    with pytest.raises(Rejected, match="not an earlier incarnation"):
        hub.history(history.ask(oslo.chain.key, oslo.origin, heir.origin, 0, branch=False))


def test_a_goods_settlement_that_the_old_chain_missed_reaches_the_next(
    hub: Hub, oslo: Site, clock: ManualClock
) -> None:
    bergen = Site(hub, "bergen", clock, seed=20)
    bergen.furnish(person="ann", approver="bob")
    sent = oslo.dispatch("bergen", ("BOLT", 20))
    oslo.deliver()
    bergen.accept(sent, "oslo", (0, "BOLT", 20, 0))
    bergen.deliver()
    digest(hub)  # the settlement is cut for oslo/1, whose disk is lost now
    heir = Site.of(hub, hub.reincarnate("oslo", replace=True), oslo, clock)
    heir.sync()
    digest(hub)
    heir.sync()
    heir.deliver()
    digest(hub)
    [transfer] = hub.transfers()
    assert transfer.state == "settled"
    assert "IN_TRANSIT" not in {location for location, _ in stock(hub)}


def test_what_one_incarnation_promised_the_next_can_pick(hub: Hub, oslo: Site, clock: ManualClock) -> None:
    ann = oslo.people["ann"].actor
    wanted = calls.Promised(item="BOLT", quantity=30, location="A-01")
    order = oslo.act(calls.Reserve(actor=ann, lines=(wanted,)))
    oslo.deliver()
    digest(hub)
    heir = Site.of(hub, hub.reincarnate("oslo", replace=True), oslo, clock)
    picked = calls.Line(item="BOLT", quantity=20, source="A-01", target="A-02")
    heir.act(calls.Pick(actor=ann, reservation=order, lines=(picked,)))
    heir.deliver()
    digest(hub)
    with hub.store.read() as session:
        assert session.all("SELECT site, quantity, rest FROM reservations") == [
            {"site": "oslo", "quantity": 30, "rest": 10}
        ]


def test_a_code_survives_typing(hub: Hub, oslo: Site) -> None:
    code = hub.reincarnate("oslo", replace=True)
    assert Code.parse(code.encode()) == code


def die(name: str) -> None:
    raise seams.Killed(name)
