"""Whole cycles between a real node and the hub's real receiving end, over the real web application."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub import admission, controls, discrepancies, streams
from ledger import checkpoint, control, merkle, seams
from ledger.checkpoint import Checkpoint
from ledger.errors import Invalid, Rejected, Unavailable
from ledger.receipt_file import LogProof
from ledger.seams import DiskStorage
from node import founding, identity, lease, store
from node import streams as node_streams
from node.site import Site
from node.syncing import Syncer
from node.uplink import NodeUplink, hub_addresses, manifest_expiry_ms
from sync import messages
from sync.client import Answer, WsgiTransport
from sync.discovery import Found
from sync.enrolment import key_hash
from sync.messages import Cosignature, Delta, Manifest
from tests.node.world import ANN, BINS, ITEMS, STOCK, World, op, person, receive
from tests.sync.hub_kit import CONTROL, HUB, Hub, SyncApi
from web import kit
from web.hub_sync import blueprint

ORIGIN = "acme/site/oslo/1"


@dataclass
class Node:
    """A real site and its uplink. `copy` is a copy of the disk."""

    world: World
    site: Site
    transport: WsgiTransport

    @classmethod
    def open(cls, world: World, transport: WsgiTransport) -> Node:
        return cls(world, world_open(world), transport)

    @property
    def uplink(self) -> NodeUplink:
        return NodeUplink(self.site, identity.load_keys(self.world.config).block, DiskStorage())

    def sync(self) -> Any:
        syncer = Syncer(self.site, self.uplink, self.world.clock, self.world.random, connect=lambda _: self.transport)
        self.world.clock.advance(2_000)
        return syncer.now()

    def reopen(self) -> None:
        self.site.close()
        self.site = world_open(self.world)

    def copy(self, folder: Path) -> Node:
        shutil.copytree(self.world.folder, folder, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
        return Node.open(World(folder, clock=self.world.clock), self.transport)

    def fact(self, name: str) -> str | None:
        with self.site.reading() as connection:
            return store.fact(connection, name)


def world_open(world: World) -> Site:
    config = world.config
    keys = identity.load_keys(config)
    connection = store.open_reader(world.folder)
    certified = identity.require(connection, config, keys)
    connection.close()
    return Site.open(config, certified, keys, world.clock, DiskStorage())


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "hub").mkdir()
    made = Hub(tmp_path / "hub")
    yield made
    made.close()


@pytest.fixture
def transport(hub: Hub, tmp_path: Path) -> WsgiTransport:
    app = kit.create_app("hub", tmp_path, random=hub.chance)
    app.register_blueprint(blueprint(SyncApi(hub)))
    return WsgiTransport(app)


@pytest.fixture
def node(hub: Hub, transport: WsgiTransport, tmp_path: Path) -> Iterator[Node]:
    world = World(tmp_path / "oslo")
    config = world.init()
    (world.folder / "node.toml").write_text('site = "oslo"\n[hub]\nurl = "http://hub.test"\n')
    keys = identity.load_keys(config)
    hub.clock.at_ms = world.clock.at_ms
    code = hub.enrolment.make_code("oslo", hub.clock.now_ms())
    connection = store.open_writer(world.folder)
    certified = identity.remember(connection, identity.ask(config, keys, code, transport))
    founding.found(world.folder, connection, certified, keys, DiskStorage(), world.clock.now_ms())
    connection.close()
    made = Node.open(world, transport)
    furnish(hub)
    made.sync()
    yield made
    made.site.close()


def furnish(hub: Hub) -> None:
    """What the hub tells a new site: items, bins, a person."""
    items = tuple(control.Item(item=name, tracking=kind, unit="pc", decimals=0) for name, kind in ITEMS.items())
    bins = tuple(control.Location(location=name, kind=control.BIN) for name in BINS)
    with hub.store.write() as session:
        for number, payload in enumerate(
            (control.ItemsPayload(items=items), control.LocationsPayload(locations=bins), person(ANN, STOCK))
        ):
            controls.cut(session, ORIGIN, payload, f"first {number}", 1)
        for name in ITEMS:
            streams.put(session, streams.CATALOGUE, "", name, {"name": name, "gtins": [["4006381333931", 1]]})
    assert controls.sign_all(hub.store, hub.heads, CONTROL) == 3


def test_from_a_code_to_a_delivered_operation(hub: Hub, node: Node) -> None:
    # The first exchange brought control records, which went on chain; the second delivers them.
    report = node.sync()
    assert report.code == "OK" and not report.problems
    receive(node.site, 1)
    assert node.site.proof_state(op(1)) == "recorded"
    report = node.sync()
    assert node.site.proof_state(op(1)) == "delivered"
    assert report.held == report.cosigned == node.site.head.height + 1
    with node.site.reading() as connection:
        assert node_streams.item_of(connection, "04006381333931", None) is not None
        assert store.hub_status(connection)["code"] == "OK"
        assert (manifest_expiry_ms(connection) or 0) > node.world.clock.now_ms()
    with hub.store.read() as session:
        assert session.value("SELECT size FROM origins") == report.held


def test_a_code_is_refused_in_words_that_reach_the_node(
    hub: Hub, node: Node, transport: WsgiTransport, tmp_path: Path
) -> None:
    other = World(tmp_path / "other", name="rome")
    config = other.init()
    keys = identity.load_keys(config)
    code = hub.enrolment.make_code("rome", hub.clock.now_ms(), lasts_ms=1000)
    hub.clock.advance(2000)
    with pytest.raises(Rejected, match="run out"):
        identity.ask(config, keys, code, transport)
    assert hub.count("origins") == 1


def test_a_database_put_back_from_a_backup_gets_its_blocks_again(hub: Hub, node: Node, tmp_path: Path) -> None:
    node.sync()
    node.site.close()
    shutil.copy(node.world.folder / "site.db", tmp_path / "backup.db")
    node.site = world_open(node.world)
    for number in range(1, 4):
        receive(node.site, number)
        node.sync()
    size = node.site.head.height + 1
    node.site.close()
    for path in node.world.folder.glob("site.db*"):
        path.unlink()
    shutil.copy(tmp_path / "backup.db", node.world.folder / "site.db")
    node.site = world_open(node.world)
    assert "older copy" in node.site.stopped
    report = node.sync()
    assert report.code == "OK" and not report.problems, report.problems
    assert node.site.head.height + 1 == size
    assert not node.site.stopped
    assert node.site.proof_state(op(3)) == "delivered"
    receive(node.site, 9)
    assert node.sync().cosigned == size + 1
    assert not hub.discrepancies()


def test_two_copies_of_a_disk_both_stop_signing_and_lose_nothing(hub: Hub, node: Node, tmp_path: Path) -> None:
    node.sync()
    node.site.close()
    clone = node.copy(tmp_path / "clone")
    node.site = world_open(node.world)
    receive(node.site, 1)
    receive(clone.site, 2)
    assert node.sync().code == "OK"
    assert clone.sync().code == messages.CLONE_SUSPECT
    assert "CLONE_SUSPECT" in clone.site.stopped
    assert node.sync().code == messages.CLONE_SUSPECT
    assert "two machines" in node.site.stopped
    assert hub.discrepancies() == [discrepancies.CLONE]
    # The floor goes on: operations are recorded, only nothing is signed.
    receive(clone.site, 3)
    clone.world.clock.advance(5_000)
    with pytest.raises(Unavailable, match="does not sign"):
        clone.site.seal()
    with hub.store.write() as session:
        admission.readmit(session, ORIGIN, lease.read(node.world.folder).value)
    assert node.sync().code == "OK"
    assert not node.site.stopped
    assert clone.sync().code == messages.CLONE_SUSPECT
    clone.site.close()


def test_a_node_that_went_back_and_signed_on_is_a_fork_with_both_branches_kept(
    hub: Hub, node: Node, tmp_path: Path
) -> None:
    node.sync()
    node.site.close()
    # Database and mark are put back, the lease is not: nothing on this machine can tell.
    saved = {name: (node.world.folder / name).read_bytes() for name in ("site.db", "signing.mark")}
    node.site = world_open(node.world)
    receive(node.site, 1)
    node.sync()
    node.site.close()
    for path in node.world.folder.glob("site.db*"):
        path.unlink()
    for name, content in saved.items():
        (node.world.folder / name).write_bytes(content)
    node.site = world_open(node.world)
    receive(node.site, 2)
    node.world.clock.advance(1_000)
    node.site.seal()
    receive(node.site, 3)
    report = node.sync()
    assert report.code == messages.FORKED and not report.problems
    assert "FORKED" in node.site.stopped
    assert hub.discrepancies() == [discrepancies.SITE_FORK]
    with hub.store.read() as session:
        rows = session.all("SELECT height, hash FROM evidence WHERE kind = 'fork' ORDER BY height")
    branch = [node.site.head.height - 1, node.site.head.height]
    assert [row["height"] for row in rows] == branch
    assert bytes(rows[-1]["hash"]) == node.site.head.hash


@pytest.mark.parametrize("point", ["lease.written", "sync.before_send", "sync.answered", "sync.applied"])
def test_a_node_that_dies_in_a_cycle_is_never_taken_for_two(hub: Hub, node: Node, point: str) -> None:
    for number in range(1, 6):
        left = [number]

        def die(name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise seams.Killed(name)

        receive(node.site, number)
        seams.arm_failpoint(point, die)
        with suppress(seams.Killed):
            node.sync()
        seams.disarm_failpoints()
        node.reopen()
    assert node.sync().code == "OK"
    assert node.site.proof_state(op(5)) == "delivered"
    assert not hub.discrepancies()


def test_a_receipt_is_believed_only_if_it_is_about_our_own_checkpoint(hub: Hub, node: Node) -> None:
    node.sync()
    size = node.site.head.height + 1
    uplink = node.uplink
    note = uplink.head_note(size)
    log = merkle.MemoryLog([merkle.leaf_hash(b"another site"), merkle.leaf_hash(note)])
    head = checkpoint.sign(Checkpoint("acme/hub", 2, log.frontier.root()), HUB)
    good = LogProof(head, HUB.verify_key.raw, 1, 2, merkle.inclusion_path(1, 2, log.read)).to_json()
    foreign = {**good, "index": 0}
    forged = {
        **good,
        "checkpoint": checkpoint.sign(Checkpoint("acme/hub", 2, log.frontier.root()), uplink.key).decode(),
    }
    generation = 1
    for at, value in enumerate((foreign, forged, "nonsense", {}, good)):
        entry = {"hub": value}
        uplink.take_deltas("receipts", [Delta("receipts", generation, at, at + 1, False, ((str(size), entry),))])
        with node.site.reading() as connection:
            known = node_streams.proof_for(connection, size - 1, anchored=False)
            assert (known == size) == (value is good)
            assert node_streams.cursor(connection, "receipts") == (1, at + 1)
    assert node.fact(store.FACT_HUB_LOG) == f"2 {log.frontier.root().hex()}"
    # A hub that has forgotten it, because it was put back from a backup, takes no proof away.
    uplink.take_deltas("receipts", [Delta("receipts", 2, 0, 0, True, ())])
    with node.site.reading() as connection:
        assert node_streams.proof_for(connection, size - 1, anchored=False) == size
        assert node_streams.get(connection, "receipts", str(size)) == {"hub": good}


def test_steps_of_a_stream_are_taken_once_in_order_and_a_reset_starts_again(node: Node) -> None:
    uplink = node.uplink

    def table() -> dict[str, Any]:
        with node.site.reading() as connection:
            return dict(node_streams.every(connection, "policy"))

    uplink.take_deltas("policy", [Delta("policy", 7, 0, 2, False, (("a", 1), ("b", 2)))])
    uplink.take_deltas("policy", [Delta("policy", 7, 0, 2, False, (("a", 9),))])
    assert table() == {"a": 1, "b": 2}, "a step that is known already does nothing"
    with pytest.raises(Invalid, match="does not follow"):
        uplink.take_deltas("policy", [Delta("policy", 7, 3, 4, False, (("c", 3),))])
    with pytest.raises(Invalid, match="does not follow"):
        uplink.take_deltas(
            "policy", [Delta("policy", 7, 2, 3, False, (("c", 3),)), Delta("policy", 7, 9, 9, False, ())]
        )
    assert table() == {"a": 1, "b": 2}, "all of an answer's steps of a stream or none"
    uplink.take_deltas(
        "policy", [Delta("policy", 8, 0, 1, True, (("z", 1),)), Delta("policy", 8, 1, 2, False, (("z", None),))]
    )
    assert table() == {}
    uplink.take_deltas("gossip", [Delta("gossip", 1, 0, 1, False, (("a", 1),))])


def test_an_acknowledgement_of_another_history_is_not_ours(node: Node) -> None:
    node.sync()
    uplink, size = node.uplink, node.site.head.height + 1
    before = node.uplink.standing().cosigned
    for wrong in (Checkpoint(ORIGIN, size - 1, bytes(31) + b"\1"), Checkpoint(ORIGIN, size + 1, bytes(31) + b"\1")):
        note = checkpoint.cosign(checkpoint.sign(wrong, uplink.key), "acme/hub", HUB, 1)
        with pytest.raises(Invalid, match=r"another history|more than this node"):
            uplink.take_cosignature(Cosignature(wrong.size, note))
    forged = checkpoint.cosign(uplink.head_note(size), "acme/hub", uplink.key, 1)
    with pytest.raises(Invalid):
        uplink.take_cosignature(Cosignature(size, forged))
    assert node.uplink.standing().cosigned == before


def test_a_manifest_never_goes_back(node: Node) -> None:
    uplink = node.uplink
    uplink.take_manifest(Manifest(90, 5, {}))
    uplink.take_manifest(Manifest(90, 6, {}))
    with pytest.raises(Invalid, match="older than 90"):
        uplink.take_manifest(Manifest(89, 9, {}))
    assert node.fact("hub_manifest") == "90 6"


def test_an_answer_of_anyone_else_changes_nothing(hub: Hub, node: Node) -> None:
    class Impostor:
        """Speaks the protocol well, with a key of its own, or with what the real hub said before."""

        def __init__(self, answer: Any) -> None:
            self.answer = answer

        def post(self, path: str, body: bytes, media_type: str) -> Any:
            return self.answer

    recorded = []

    class Recorder:
        def post(self, path: str, body: bytes, media_type: str) -> Any:
            recorded.append(node_transport.post(path, body, media_type))
            return recorded[-1]

    node_transport = node.transport
    node.transport = Recorder()  # type: ignore[assignment]
    node.sync()
    before = lease.read(node.world.folder).value
    for answer in recorded:
        node.transport = Impostor(answer)  # type: ignore[assignment]
        with pytest.raises(Unavailable, match="not from the hub"):
            node.sync()
    assert lease.read(node.world.folder).value == before
    node.transport = node_transport
    assert node.sync().code == "OK"


def test_the_syncer_keeps_its_pace_and_backs_off(hub: Hub, node: Node) -> None:
    class Down:
        calls = 0

        def post(self, path: str, body: bytes, media_type: str) -> Any:
            Down.calls += 1
            raise Unavailable("no route")

    clock = node.world.clock
    syncer = Syncer(node.site, node.uplink, clock, node.world.random, connect=lambda _: node.transport)
    assert syncer.turn() is not None, "the first turn calls"
    assert syncer.turn() is None
    clock.advance(61_000)
    assert syncer.turn() is not None, "the pace the hub asked for"
    receive(node.site, 1)
    clock.advance(16_000)
    node.site.seal_if_due()
    assert syncer.turn() is not None, "a new block goes at once"
    syncer = Syncer(node.site, node.uplink, clock, node.world.random, connect=lambda _: Down())
    for _ in range(3600):
        clock.advance(1_000)
        with suppress(Unavailable):
            syncer.turn()
    assert 3 < Down.calls < 40
    assert "no route" in syncer.problem


def test_a_lease_file_that_is_damaged_is_no_lease(tmp_path: Path) -> None:
    full = lease.Lease(b"\x01" * 26, tuple(bytes([number]) * 16 for number in range(32)))
    lease.write(tmp_path, full, DiskStorage())
    assert lease.read(tmp_path) == full
    assert len(full.asking(bytes(16)).tried) == 32
    good = (tmp_path / lease.file_of("")).read_bytes()
    for bad in (b"", b"{}", good[:-2], good.replace(b"01", b"02", 1), json.dumps({"lease": 5}).encode()):
        (tmp_path / lease.file_of("")).write_bytes(bad)
        assert lease.read(tmp_path) == lease.Lease()


class Stranger:
    """Answers like a web server that is not our hub."""

    def __init__(self) -> None:
        self.asked = 0

    def post(self, path: str, body: bytes, media_type: str) -> Answer:
        self.asked += 1
        return Answer(200, media_type, body)


def test_each_address_that_is_found_is_tried_until_our_hub_answers(node: Node) -> None:
    (node.world.folder / "node.toml").write_text('site = "oslo"\n')
    node.reopen()
    ours = key_hash(node.site.identity.hub_key).hex()
    near, liar = Stranger(), Stranger()
    network = {"http://10.0.0.1:1": near, "http://10.0.0.2:1": liar, "http://10.0.0.3:1": node.transport}
    found = [
        Found("http://10.0.0.1:1", "acme", "00" * 16),
        *(Found(f"http://10.0.0.{n}:1", "acme", ours) for n in (2, 3)),
    ]
    tried: list[str] = []

    def connect(address: str) -> Any:
        tried.append(address)
        return network[address]

    syncer = Syncer(
        node.site, node.uplink, node.world.clock, node.world.random, connect=connect, find=lambda org: found
    )
    assert syncer.now().code == messages.OK
    # Whoever claims our hub's key is asked before the others; a claim alone convinces nobody.
    assert tried == ["http://10.0.0.2:1", "http://10.0.0.3:1"] and (near.asked, liar.asked) == (0, 1)
    assert syncer.problem == ""
    node.world.clock.advance(2_000)
    assert syncer.now().code == messages.OK and len(tried) == 2
    lonely = Syncer(
        node.site,
        node.uplink,
        node.world.clock,
        node.world.random,
        connect=lambda _: near,
        find=lambda org: found[:1],
    )
    with pytest.raises(Unavailable, match="not from the hub this node is enrolled at"):
        lonely.now()


def test_the_address_of_the_enrolment_comes_before_looking_on_the_network(node: Node) -> None:
    (node.world.folder / "node.toml").write_text('site = "oslo"\n')
    node.reopen()
    with node.site.writing() as connection:
        store.set_fact(connection, store.FACT_HUB_URL, "http://kept:1")
    looked: list[str] = []
    network: dict[str, Any] = {"http://kept:1": node.transport, "http://found:1": node.transport}

    def find(org: str) -> list[Found]:
        looked.append(org)
        return [Found("http://found:1", "acme", "00" * 16)]

    def syncer() -> Syncer:
        return Syncer(
            node.site, node.uplink, node.world.clock, node.world.random, connect=network.__getitem__, find=find
        )

    assert syncer().now().code == messages.OK and looked == []
    network["http://kept:1"] = Stranger()
    node.world.clock.advance(2_000)
    assert syncer().now().code == messages.OK and looked == ["acme"]
    assert list(hub_addresses(node.world.config, kept="http://kept:1", find=lambda org: [])) == ["http://kept:1"]
    with pytest.raises(Unavailable, match="no hub answers"):
        list(hub_addresses(node.world.config, find=lambda org: []))
    (node.world.folder / "node.toml").write_text('site = "oslo"\n[hub]\ndiscover = false\n')
    assert list(hub_addresses(node.world.config, kept="http://kept:1")) == ["http://kept:1"]
    with pytest.raises(Rejected, match="until the hub's address is known"):
        list(hub_addresses(node.world.config))
