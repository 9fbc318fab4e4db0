"""The hub's side of an exchange: what is signed for is held, nothing is overwritten, garbage does nothing."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import admission, forks, streams
from hub import blocks as hub_blocks
from hub.answering import HTTP_STATUS
from ledger import checkpoint, merkle, seams
from ledger.block import Block
from ledger.errors import Corrupt, Invalid, Unavailable
from sync import frames, lean, messages
from sync.bundle import BUNDLE_BYTES_MAX, make_bundle, read_bundle
from sync.cycle import make_request
from sync.messages import Greeting, Hello, Status
from tests.sync.chain_kit import Chain
from tests.sync.hub_kit import CONTROL, HUB, Direct, Hub, Node

STATE = ("origins", "blocks", "checkpoints", "evidence", "leases")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(tmp_path)
    yield made
    made.close()


@pytest.fixture
def oslo(hub: Hub) -> Node:
    chain = Chain.new("oslo", CONTROL.address).found()
    hub.enrol(chain)
    return Node(chain)


def ask(hub: Hub, node: Node, **changes: object) -> tuple[Status, bytes]:
    """One raw exchange, without the node believing anything of it."""
    body, digest = request(node, **changes)
    reply = hub.receiver.exchange(body)
    assert reply.code in HTTP_STATUS
    return Status.read(read_bundle(reply.body, frames.FROM_HUB).frames[0], digest, HUB.verify_key), body


def request(node: Node, **changes: object) -> tuple[bytes, bytes]:
    standing = node.standing()
    hello = Hello(
        origin=standing.origin,
        nonce=node.chance.bytes(16),
        lease=standing.lease,
        tried=standing.tried,
        size=standing.size,
        head=standing.head,
        cosigned=standing.cosigned,
        down=standing.down,
    )
    hello = dataclasses.replace(hello, **changes)
    # As if nothing had gone unanswered: otherwise a node asks where the hub stands before it sends blocks.
    body, digest = make_request(node, dataclasses.replace(standing, tried=()), hello, BUNDLE_BYTES_MAX)
    node.will_ask(digest[:16])
    return body, digest


def test_a_delivery_is_held_and_acknowledged(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(5)
    report = oslo.sync(Direct(hub))
    assert (report.code, report.held, report.cosigned) == ("OK", 7, 7)
    held = hub.held(oslo.chain)
    assert held.head == oslo.chain.links[-1].head
    with hub.store.read() as session:
        bodies = session.all("SELECT body FROM blocks ORDER BY height")
        note = session.value("SELECT note FROM checkpoints")
    assert [bytes(row["body"]) for row in bodies] == [block.encode() for block in oslo.chain.blocks]
    assert bytes(note) == oslo.chain.note()
    acknowledged = checkpoint.verify_cosigned(
        oslo.acknowledged[7], str(oslo.chain.origin), oslo.key.verify_key, "acme/hub", HUB.verify_key
    )
    assert acknowledged.time_s == hub.clock.now_ms() // 1000
    assert oslo.sync(Direct(hub)).rounds == 1, "nothing more to say"


def test_an_idle_exchange_is_small(hub: Hub, oslo: Node) -> None:
    oslo.sync(Direct(hub))
    report = oslo.sync(Direct(hub))
    assert report.code == "OK"
    assert report.sent_bytes < 700 and report.received_bytes < 700


def test_a_long_backlog_goes_in_steps(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(400)
    report = oslo.sync(Direct(hub), budget_bytes=64 * 1024)
    assert report.rounds > 2
    assert (report.code, report.held, report.cosigned) == ("OK", 402, 402)
    assert len(oslo.acknowledged) == report.rounds, "each step is acknowledged by itself"
    assert report.sent_bytes < 1.2 * 400 * 900


def test_a_bundle_cut_anywhere_leaves_a_good_beginning(hub: Hub, oslo: Node) -> None:
    oslo.sync(Direct(hub))
    oslo.chain.grow(30)
    whole, _ = request(oslo)
    sizes = set()
    for cut in range(0, len(whole), max(1, len(whole) // 60)):
        before = hub.held(oslo.chain).size
        with suppress(Invalid):
            hub.receiver.exchange(whole[:cut])
        held = hub.held(oslo.chain)
        assert held.size >= before
        assert held.head == oslo.chain.links[held.size - 1].head
        sizes.add(held.size)
    assert oslo.sync(Direct(hub)).held == 32


def test_frames_are_committed_one_by_one(hub: Hub, oslo: Node) -> None:
    oslo.sync(Direct(hub))
    oslo.chain.grow(600)
    whole, _ = request(oslo)
    found = read_bundle(whole, frames.UP).frames
    assert len([frame for frame in found if frame.type == frames.BLOCKS]) > 2
    two_thirds = make_bundle(found[: 2 * len(found) // 3], BUNDLE_BYTES_MAX)
    hub.receiver.exchange(two_thirds[:-70])
    size = hub.held(oslo.chain).size
    assert 100 < size < 602
    direct = Direct(hub)
    assert oslo.sync(direct).held == 602


def test_everything_twice_and_in_any_order_is_the_same(hub: Hub, oslo: Node, tmp_path: Path) -> None:
    bodies = []
    for _ in range(4):
        oslo.chain.grow(3)
        direct = Direct(hub)
        oslo.sync(direct)
        bodies += direct.requests
    clean = hub.dump("blocks", "checkpoints", "evidence")
    for body in reversed(bodies):
        hub.receiver.exchange(body)
    assert hub.dump("blocks", "checkpoints", "evidence") == clean
    assert oslo.sync(Direct(hub)).code == "OK"
    assert not hub.discrepancies()


def test_the_same_request_gets_the_same_answer(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(2)
    body, _ = request(oslo)
    first = hub.receiver.exchange(body)
    hub.clock.advance(60_000)
    assert hub.receiver.exchange(body) == first


def test_lost_answers_cost_nothing(hub: Hub, oslo: Node) -> None:
    direct = Direct(hub)
    for _ in range(5):
        oslo.chain.grow(2)
        direct.lose_answers = 1
        with pytest.raises(Unavailable):
            oslo.sync(direct)
    assert oslo.sync(direct).code == "OK"
    assert hub.held(oslo.chain).size == oslo.chain.size
    assert not hub.discrepancies()


def test_a_lost_acknowledgement_is_given_again(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(2)
    oslo.sync(Direct(hub))
    lost = oslo.acknowledged.popitem()
    oslo.sync(Direct(hub))
    assert dict([lost]) == oslo.acknowledged, "byte for byte the one that was given"


def test_whoever_loses_the_race_changes_nothing(hub: Hub, oslo: Node) -> None:
    seen = hub.held(oslo.chain)
    oslo.sync(Direct(hub))
    before = hub.dump("origins", "blocks")
    other = oslo.chain.fork(0).found(1_600_000_000)
    with pytest.raises(Unavailable), hub.store.write() as session:
        hub_blocks.append(session, seen, other.links, 5)
    oslo.chain.grow(1)
    ahead = dataclasses.replace(hub.held(oslo.chain), size=1)
    with pytest.raises(Unavailable, match="at the same time"), hub.store.write() as session:
        hub_blocks.append(session, ahead, oslo.chain.links[2:], 5)
    assert hub.dump("origins", "blocks") == before


# ---------------------------------------------------------------- who may speak


def test_strangers_get_a_plain_no(hub: Hub, oslo: Node) -> None:
    stranger = Node(Chain.new("lima", CONTROL.address, seed=5).found())
    status, _ = ask(hub, stranger)
    assert status.code == messages.UNKNOWN_ORIGIN and "not enrolled" in status.message
    thief = Node(Chain.new("oslo", CONTROL.address, seed=6).found())
    before = hub.dump(*STATE)
    status, _ = ask(hub, thief)
    assert status.code == messages.BAD_SIGNATURE
    assert not status.lease
    assert hub.dump(*STATE) == before


def test_programs_that_do_not_fit_say_so(hub: Hub, oslo: Node) -> None:
    before = hub.dump(*STATE)
    status, _ = ask(hub, oslo, proto=9, min_proto=2)
    assert status.code == messages.UPGRADE_HUB
    status, _ = ask(hub, oslo, proto=0, min_proto=0)
    assert status.code == messages.UPGRADE_NODE
    assert hub.dump(*STATE) == before
    status, _ = ask(hub, oslo, proto=9, min_proto=1)
    assert status.code == messages.OK


def test_a_revoked_and_a_replaced_node_are_refused(hub: Hub, oslo: Node) -> None:
    with hub.store.write() as session:
        session.run("UPDATE origins SET state = 'revoked', state_reason = 'stolen'")
    status, _ = ask(hub, oslo)
    assert status.code == messages.REVOKED and "stolen" in status.message
    with hub.store.write() as session:
        session.run("UPDATE origins SET state = 'active'")
    hub.enrolment.reincarnate("oslo", hub.clock.now_ms(), reason="burnt down", replace=True)
    status, _ = ask(hub, oslo)
    assert status.code == messages.STALE_INCARNATION
    assert "goes on as acme/site/oslo/2: burnt down" in status.message
    assert hub.held(oslo.chain).size == 0


# ---------------------------------------------------------------- bad blocks


def swapped(node: Node, height: int, block: Block) -> Node:
    """The node with another block at one height, whatever that breaks."""
    links = list(node.chain.links)
    links[height] = dataclasses.replace(links[height], block=block)
    return dataclasses.replace(node, chain=dataclasses.replace(node.chain, links=links))


def test_a_bad_block_ends_the_bundle_and_what_was_before_it_stays(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(6)
    good = oslo.chain.blocks[5]
    for bad in (
        dataclasses.replace(good, signature=bytes(64)),
        dataclasses.replace(good, documents=(b"other",)),
        dataclasses.replace(good, meta=oslo.chain.blocks[4].meta),
        dataclasses.replace(good, transactions=()),
    ):
        status, _ = ask(hub, swapped(oslo, 5, bad))
        assert status.code == messages.BAD_BLOCK and status.message.startswith("block 5")
        assert hub.held(oslo.chain).size == 5
    assert oslo.sync(Direct(hub)).code == "OK"
    assert not hub.discrepancies()


def test_blocks_that_do_not_follow_are_asked_for_from_the_right_place(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(6)
    ahead = dataclasses.replace(oslo, next=4)
    status, _ = ask(hub, ahead)
    assert (status.code, status.next) == (messages.NOT_NEXT, 0)
    ahead.next = 4
    assert ahead.sync(Direct(hub)).held == 8


def test_a_checkpoint_that_does_not_fit_its_blocks_is_not_acknowledged(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(2)
    body, _ = request(oslo)
    found = list(read_bundle(body, frames.UP).frames)
    wrong = checkpoint.sign(checkpoint.Checkpoint(str(oslo.chain.origin), 4, bytes(31) + b"\1"), oslo.key)
    foreign = checkpoint.sign(oslo.chain.checkpoint(4), HUB)
    for note in (wrong, foreign, b"nonsense"):
        place = next(at for at, frame in enumerate(found) if frame.type == frames.HEAD)
        found[place] = messages.Head(0, note).frame()
        reply = hub.receiver.exchange(make_bundle(found, BUNDLE_BYTES_MAX))
        assert reply.code == messages.HEAD_MISMATCH
    assert hub.count("checkpoints") == 0
    assert hub.heads.get(str(oslo.chain.origin)) is None


# ---------------------------------------------------------------- two histories


def test_two_signed_blocks_at_one_height_are_both_kept(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(3)
    oslo.sync(Direct(hub))
    # The disk is put back to size 3 and the node works on: its lease lies outside of what was put back.
    other = oslo.chain.fork(3).grow(6)
    restored = dataclasses.replace(oslo, chain=other, next=3, acknowledged={})
    before = hub.dump("blocks", "checkpoints")
    report = restored.sync(Direct(hub))
    assert report.code == messages.FORKED
    assert hub.dump("blocks", "checkpoints") == before, "the first history is not touched"
    assert hub.held(oslo.chain).state == "forked"
    with hub.store.read() as session:
        kept = session.all("SELECT height, body FROM evidence WHERE kind = :kind ORDER BY height", kind=forks.FORK)
    assert [(row["height"], bytes(row["body"])) for row in kept] == [
        (height, other.blocks[height].encode()) for height in range(3, 9)
    ]
    assert hub.discrepancies() == ["site fork"]
    # More of the branch comes later, and again: kept once each. The chain itself stands still for both.
    other.grow(2)
    restored.sync(Direct(hub))
    restored.next = 0
    restored.sync(Direct(hub))
    assert hub.count("evidence") == 2 * 8
    assert hub.dump("blocks", "checkpoints") == before
    assert hub.discrepancies() == ["site fork"]


def test_a_shorter_chain_with_another_head_is_a_fork_too(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(8)
    oslo.sync(Direct(hub))
    other = oslo.chain.fork(4).grow(2)
    restored = dataclasses.replace(oslo, chain=other, next=6, acknowledged={2: oslo.acknowledged[10]})
    report = restored.sync(Direct(hub))
    assert report.code == messages.FORKED
    with hub.store.read() as session:
        heights = [row["height"] for row in session.all("SELECT height FROM evidence WHERE kind = 'fork'")]
    assert heights == [4, 5], "the hub asked for the branch from where both still agreed"


def test_a_node_put_back_from_a_backup_gets_its_own_blocks(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(9)
    oslo.sync(Direct(hub))
    back = dataclasses.replace(oslo, chain=oslo.chain.fork(4), next=4, acknowledged={})
    status, _ = ask(hub, back)
    assert status.code == messages.BEHIND
    report = back.sync(Direct(hub))
    assert report.code == "OK"
    assert back.chain.blocks == oslo.chain.blocks
    assert hub.held(oslo.chain).state == "active" and not hub.discrepancies()
    back.chain.grow(2)
    assert back.sync(Direct(hub)).cosigned == 13


def test_an_empty_node_with_its_keys_gets_everything_back(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(3)
    oslo.sync(Direct(hub))
    empty = dataclasses.replace(oslo, chain=oslo.chain.fork(0), next=0, acknowledged={})
    assert empty.sync(Direct(hub)).code == "OK"
    assert empty.chain.blocks == oslo.chain.blocks


def test_a_cloned_disk_is_found_and_both_are_frozen_until_someone_decides(hub: Hub, oslo: Node) -> None:
    oslo.sync(Direct(hub))
    clone = oslo.copy(oslo.chain.fork())
    oslo.chain.grow(1)
    assert oslo.sync(Direct(hub)).code == "OK"
    before = hub.dump("blocks", "checkpoints")
    assert clone.sync(Direct(hub)).code == messages.CLONE_SUSPECT
    oslo.chain.grow(1)
    assert oslo.sync(Direct(hub)).code == messages.CLONE_SUSPECT
    assert hub.dump("blocks", "checkpoints") == before
    assert hub.discrepancies() == ["clone suspicion"]
    with hub.store.write() as session:
        admission.readmit(session, str(oslo.chain.origin), oslo.lease)
    assert oslo.sync(Direct(hub)).code == "OK"
    assert hub.held(oslo.chain).size == 4
    assert clone.sync(Direct(hub)).code == messages.CLONE_SUSPECT


def test_each_database_gives_the_same_answers(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    hub = Hub(tmp_path / "kit", "" if database_url.startswith("sqlite") else database_url)
    oslo = Node(Chain.new("oslo", CONTROL.address).found().grow(30))
    hub.enrol(oslo.chain)
    oslo.said = {"disk_free_bytes": 1}
    with hub.store.write() as session:
        streams.put_many(session, streams.CATALOGUE, "", [(f"SKU-{number}", {"n": number}) for number in range(700)])
    assert oslo.sync(Direct(hub), budget_bytes=64 * 1024).code == "OK"
    assert len(oslo.tables["catalogue"]) == 700
    hub.restart()
    forked = dataclasses.replace(oslo, chain=oslo.chain.fork(20).grow(15), next=20, acknowledged={})
    assert forked.sync(Direct(hub)).code == messages.FORKED
    assert hub.discrepancies() == ["site fork"]
    rome = Node(Chain.new("rome", CONTROL.address, seed=2).found())
    hub.enrol(rome.chain)
    clone = rome.copy(rome.chain.fork())
    assert rome.sync(Direct(hub)).code == "OK"
    assert clone.sync(Direct(hub)).code == messages.CLONE_SUSPECT
    hub.close()


# ---------------------------------------------------------------- the hub's own crashes


POINTS = (
    "hub.lease_moved",
    "hub.blocks_added",
    "hub.head_promised",
    "hub.cosigned",
    "hub.answered",
    "hub.before_commit",
    "hub.after_commit",
    "db.before_commit",
    "db.after_commit",
)


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_any_point_never_makes_an_acknowledgement_false(hub: Hub, oslo: Node, point: str) -> None:
    for passing in range(1, 6):
        oslo.chain.grow(2)
        left = [passing]

        def die(name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise seams.Killed(name)

        seams.arm_failpoint(point, die)
        with suppress(seams.Killed):
            oslo.sync(Direct(hub))
        seams.disarm_failpoints()
        hub.restart()
        held = hub.held(oslo.chain)
        assert max(oslo.acknowledged, default=0) <= held.size
        assert oslo.sync(Direct(hub)).cosigned == oslo.chain.size
    assert not hub.discrepancies()


def test_a_hub_put_back_from_a_backup_asks_again_and_contradicts_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    folder.mkdir()
    hub = Hub(folder)
    node = Node(Chain.new("oslo", CONTROL.address).found())
    hub.enrol(node.chain)
    with hub.store.write() as session:
        streams.put(session, streams.POLICY, "oslo", "a", 1)
    node.chain.grow(2)
    node.sync(Direct(hub))
    hub.store.close()
    saved = {path.name: path.read_bytes() for path in folder.glob("hub.db*")}
    hub.heads.close()
    hub.restart()
    with hub.store.write() as session:
        streams.put(session, streams.POLICY, "oslo", "b", 2)
    node.chain.grow(5)
    node.sync(Direct(hub))
    acknowledged = dict(node.acknowledged)
    hub.store.close()
    for path in folder.glob("hub.db*"):
        path.unlink()
    for name, content in saved.items():
        (folder / name).write_bytes(content)
    hub.restart()
    assert hub.held(node.chain).size == 4
    status, _ = ask(hub, node)
    assert status.code in (messages.RECOVERING, messages.NOT_NEXT) and status.next == 4
    report = node.sync(Direct(hub))
    assert (report.code, report.cosigned) == ("OK", 9)
    assert node.acknowledged.keys() == acknowledged.keys()
    assert node.tables["policy"] == {"a": 1}, "what the hub has forgotten is forgotten here too"
    assert not hub.discrepancies()
    hub.close()


def test_after_a_restore_another_history_is_never_acknowledged(hub: Hub, oslo: Node) -> None:
    oslo.chain.grow(5)
    oslo.sync(Direct(hub))
    # The same promise file, but a database that has lost everything about this chain.
    with hub.store.write() as session:
        session.run("DELETE FROM blocks")
        session.run("DELETE FROM checkpoints")
        session.run("DELETE FROM leases")
        session.run(
            "UPDATE origins SET size = 0, head = NULL, head_hash = NULL, head_s = 0, cosigned_size = 0,"
            " cosigned_root = NULL, lease_prev = NULL"
        )
    other = dataclasses.replace(oslo, chain=oslo.chain.fork(2).grow(4), next=0, acknowledged={}, lease=b"")
    status, _ = ask(hub, other)
    assert status.code == messages.RECOVERING
    other.chain.grow(3)
    status, _ = ask(hub, other)
    assert status.code == messages.FORKED
    assert hub.count("checkpoints") == 0
    assert hub.discrepancies() == ["site fork"]


def test_a_contradiction_of_the_promise_file_is_never_signed(hub: Hub, oslo: Node) -> None:
    hub.heads.advance(str(oslo.chain.origin), 9, merkle.leaf_hash(b"x"))
    with pytest.raises(Corrupt):
        hub.heads.advance(str(oslo.chain.origin), 9, merkle.leaf_hash(b"y"))
    assert ask(hub, oslo)[0].code == messages.RECOVERING
    assert hub.count("checkpoints") == 0


# ---------------------------------------------------------------- words, quarantine, garbage


def test_health_is_kept_if_it_is_signed_for_this_bundle(hub: Hub, oslo: Node) -> None:
    oslo.said = {"disk_free_bytes": 5}
    body, _ = request(oslo)
    hub.receiver.exchange(body)
    assert hub.count("health") == 1
    (stolen,) = [frame for frame in read_bundle(body, frames.UP).frames if frame.type == frames.HEALTH]
    oslo.said = None
    fresh, _ = request(oslo)
    found = read_bundle(fresh, frames.UP).frames
    hub.clock.advance(1000)
    hub.receiver.exchange(make_bundle([*found, stolen], BUNDLE_BYTES_MAX))
    assert hub.count("health") == 1, "said once, it cannot be said again in another bundle"


def test_a_quarantined_chain_is_kept_but_not_acknowledged(hub: Hub, oslo: Node) -> None:
    oslo.sync(Direct(hub))
    with hub.store.write() as session:
        session.run("UPDATE origins SET quarantine = 'block 1 is not true'")
    oslo.chain.grow(2)
    report = oslo.sync(Direct(hub))
    assert report.code == messages.QUARANTINED
    assert hub.held(oslo.chain).size == 4 and hub.held(oslo.chain).cosigned_size == 2


def test_changed_requests_change_nothing_that_is_signed_for(hub: Hub, oslo: Node) -> None:
    """S8: whatever is flipped, held blocks stay a prefix of the true chain, and nobody is accused."""
    oslo.sync(Direct(hub))
    chance = random.Random(8)
    for number in range(150):
        if number % 10 == 0:
            oslo.sync(Direct(hub))
            oslo.chain.grow(2)
        body, _ = request(oslo)
        place = chance.randrange(len(body))
        changed = body[:place] + bytes([body[place] ^ chance.randrange(1, 256)]) + body[place + 1 :]
        with suppress(Invalid):
            assert hub.receiver.exchange(changed).code in HTTP_STATUS
        held = hub.held(oslo.chain)
        assert held.head == oslo.chain.links[held.size - 1].head
        assert held.state == "active"
    assert oslo.sync(Direct(hub)).code == "OK"
    assert not hub.discrepancies()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=400))
def test_garbage_is_refused_plainly(hub: Hub, junk: bytes) -> None:
    for body in (junk, b"\x83\x01\x00" + junk, make_bundle([frames.pack(frames.HELLO, junk)], BUNDLE_BYTES_MAX)):
        with pytest.raises(Invalid):
            hub.receiver.exchange(body)
    assert hub.count("origins") == 0


def test_frames_of_nonsense_behind_a_good_hello_do_nothing(hub: Hub, oslo: Node) -> None:
    oslo.sync(Direct(hub))
    before = hub.dump("blocks", "checkpoints", "evidence")
    body, _ = request(oslo)
    first = read_bundle(body, frames.UP).frames[0]
    assert Greeting.read(first).hello.size == 2
    nonsense: list[frames.Frame] = [
        frames.make(frames.BLOCKS, {"start": 2**62, "blocks": []}),
        frames.make(frames.BLOCKS, {"start": 0, "blocks": [[0, b"x"]]}),
        frames.make(frames.BLOCKS, {"start": 2, "blocks": [[1] * 10, [lean.PLAIN, b""], "text", None]}),
        frames.make(frames.BLOCKS, {"start": 1, "blocks": [[lean.PLAIN, oslo.chain.blocks[0].encode()]]}),
        frames.make(frames.BLOCKS, "blocks"),
        frames.make(frames.BLOCKS, {"start": 0, "part": [0, 2**40], "raw": b"x"}),
        frames.make(frames.HEAD, {"old_size": -1, "note": b""}),
        frames.make(frames.ADVICE, {"kind": "dispatch"}),
        frames.make(frames.HEALTH, {"sig": bytes(64)}),
        frames.make(frames.HELLO, {}),
    ]
    for frame in nonsense:
        oslo.chance.bytes(1)
        fresh, _ = request(oslo)
        found = read_bundle(fresh, frames.UP).frames
        reply = hub.receiver.exchange(make_bundle([*found, frame], BUNDLE_BYTES_MAX))
        assert reply.code in HTTP_STATUS
    assert hub.dump("blocks", "checkpoints", "evidence") == before
