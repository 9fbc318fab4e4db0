"""R11: anchoring acts exactly once, on a real chain, whatever is lost, repeated, reorganised or restarted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts import artifacts
from hub import logbook
from hub import store as stores
from hub.anchoring import ASIDE, FINAL, INTENDED, MINED, SENT, SIGNED, Anchorer, Pins
from hub.config import AnchorConfig, ChainConfig
from hub.heads import Heads
from hub.logbook import Logbook
from hub.mainchain import RpcChain
from hub.registry import GAS_ANCHOR, GAS_DEPLOY, Anchored, Registry, Signer, anchor_data, deploy_data
from ledger import seams
from ledger.clock import ManualClock
from ledger.codec import keccak256
from ledger.errors import Corrupt, Rejected, Unavailable
from ledger.keys import SigningKey, TxKey
from ledger.seams import SystemRandom
from tests.hub import chains

LOG_KEY = SigningKey(b"\7" * 32)
NAME = "acme/hub"


@pytest.fixture(scope="module")
def shared() -> Iterator[chains.Anvil]:
    if chains.anvil_binary() is None:
        pytest.skip(chains.MISSING)
    with chains.anvil() as running:
        yield running


@pytest.fixture
def own() -> Iterator[chains.Anvil]:
    """A chain that a test may damage."""
    if chains.anvil_binary() is None:
        pytest.skip(chains.MISSING)
    with chains.anvil() as running:
        yield running


class World:
    """A hub's log with an anchorer in front of a chain; `restart` is what a killed process finds."""

    def __init__(self, folder: Path, chain: chains.Anvil, **rules: object) -> None:
        self.anvil = chain
        self.wire = chains.Wire(chain.url)
        self.clock = ManualClock()
        self.key = TxKey.generate(SystemRandom())
        self.rules = ChainConfig(**{"kind": "rpc", "confirmations": 0, **rules})  # type: ignore[arg-type]
        self.store = stores.create(f"sqlite:///{folder}/hub.db", now_ms=1)
        self.book = Logbook(self.store, Heads.create(folder / "heads.db"), LOG_KEY, NAME)
        plain = RpcChain(chain.url, 5_000)
        signer = Signer(self.key, 1337, "dynamic")
        raw = signer.sign(
            0, None, deploy_data(artifacts.load("AnchorRegistry").bytecode, *[self.key.address] * 2), GAS_DEPLOY
        )
        plain.send(raw)
        mined = None
        while mined is None:
            mined = plain.mined(keccak256(raw))
        assert mined.contract is not None
        self.pins = Pins(1337, plain.genesis_hash(), mined.contract, keccak256(plain.code(mined.contract)))
        self.registry = Registry(plain, mined.contract)
        self.restart()

    def restart(self) -> None:
        self.anchorer = Anchorer(
            self.store,
            self.book,
            RpcChain(self.wire.url, 2_000),
            self.pins,
            Signer(self.key, 1337, "dynamic"),
            self.rules,
            AnchorConfig(),
            self.clock,
        )

    def log(self, count: int = 1) -> None:
        """More checkpoints in the hub's log, signed."""
        with self.store.write() as session:
            for _ in range(count):
                place = logbook.log_size(session)
                note = b"note %d" % place
                session.run(
                    "INSERT INTO checkpoints VALUES ('acme/site/oslo/1', :size, :root, :note, :note, 1)",
                    size=place + 1,
                    root=bytes(32),
                    note=note,
                )
                self.book.append(session, "acme/site/oslo/1", place + 1, note, 1)
        self.book.sign(1)

    def tick(self) -> str:
        return self.anchorer.tick(now=True)

    def finish(self, tries: int = 60) -> None:
        """As the job would: again and again, taking failures as they come."""
        for _ in range(tries):
            try:
                if self.tick() in ("", FINAL) and self.newest() == self.size():
                    return
            except Unavailable:
                pass
            self.clock.advance(self.rules.resend_ms)
        raise TimeoutError(f"not final: {self.rows()}")

    def rows(self) -> list[tuple[int, str, str]]:
        with self.store.read() as session:
            found = session.all("SELECT size, state, reason FROM anchors ORDER BY sequence")
        return [(row["size"], row["state"], row["reason"]) for row in found]

    def newest(self) -> int:
        with self.store.read() as session:
            return session.value("SELECT max(size) FROM anchors WHERE state = 'final'") or 0

    def size(self) -> int:
        with self.store.read() as session:
            return logbook.log_size(session)

    def events(self) -> list[int]:
        """Every anchor the contract ever made, in order."""
        topic = keccak256(b"Anchored(uint256,bytes32,uint256,bytes32,bytes32,address)")
        return [Anchored.parse(each).size for each in self.registry.chain.logs(self.registry.address, [topic])]

    def agrees(self) -> None:
        """The contract, the log and our books say the same, and nothing was anchored twice."""
        size, root = self.registry.latest()
        assert size == self.newest() == self.size()
        with self.store.read() as session:
            head = logbook.head_at(session, size)
        assert head is not None and head.root == root
        events = self.events()
        assert events == sorted(set(events))


def test_anchors_grow_one_on_the_other(tmp_path: Path, shared: chains.Anvil) -> None:
    world = World(tmp_path, shared)
    assert world.tick() == ""
    world.log(3)
    world.finish()
    world.log(2)
    world.finish()
    assert world.events() == [3, 5] and world.tick() == ""
    world.agrees()
    event = world.registry.find(5)
    with world.store.read() as session:
        assert event is not None and event.manifest == logbook.manifest(session, 5) and event.prev_size == 3


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "eth_call", "eth_getTransactionReceipt", "eth_getLogs"])
@pytest.mark.parametrize("how", ["lose", "cut"])
def test_a_lost_answer_never_anchors_twice(tmp_path: Path, shared: chains.Anvil, method: str, how: str) -> None:
    world = World(tmp_path, shared)
    world.log()
    world.finish()
    left = [2]

    def rule(asked: str) -> str:
        if asked == method and left[0]:
            left[0] -= 1
            return how
        return "pass"

    world.wire.rule = rule
    world.log()
    world.finish()
    assert world.events() == [1, 2] and all(state == FINAL for _, state, _ in world.rows())
    assert len(set(world.wire.sent())) == 2, "a retry sent other bytes"
    world.agrees()


@pytest.mark.parametrize(
    "point",
    [
        "hub.anchor_intended",
        "hub.anchor_signed",
        "hub.anchor_sent",
        "hub.anchor_mined",
        "hub.anchor_final",
        "hub.before_commit",
        "hub.after_commit",
    ],
)
@pytest.mark.parametrize("passing", [1, 2])
def test_a_restart_in_the_middle_goes_on(tmp_path: Path, shared: chains.Anvil, point: str, passing: int) -> None:
    world = World(tmp_path, shared)
    world.log()
    left = [passing]

    def die(name: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise seams.Killed(name)

    seams.arm_failpoint(point, die)
    for _ in range(20):
        try:
            world.tick()
        except seams.Killed:
            break
        world.clock.advance(world.rules.resend_ms)
    seams.disarm_failpoints()
    world.restart()
    world.log()
    world.finish()
    assert len(set(world.wire.sent())) <= 2
    world.agrees()


def test_a_reorganisation_takes_an_anchor_back_and_it_is_anchored_again(tmp_path: Path, own: chains.Anvil) -> None:
    world = World(tmp_path, own, confirmations=2)
    own.rpc("anvil_mine", "0x3")
    world.log()
    while world.tick() != MINED:
        pass
    assert world.events() == [1]
    own.rpc("anvil_reorg", 1, [])
    assert world.events() == [] and world.tick() == SENT
    for _ in range(50):
        if world.tick() == MINED:
            break
    assert world.events() == [1]
    own.rpc("anvil_mine", "0x2")
    world.finish()
    assert len(set(world.wire.sent())) == 1, "other bytes were sent"
    world.agrees()


def test_an_anchor_lost_after_it_was_final_is_told_and_made_again(tmp_path: Path, own: chains.Anvil) -> None:
    world = World(tmp_path, own)
    own.rpc("anvil_mine", "0x3")
    world.log()
    world.finish()
    own.rpc("anvil_reorg", 1, [])
    assert world.events() == []
    world.log()
    world.finish()
    assert [(size, state) for size, state, _ in world.rows()] == [(1, ASIDE), (2, FINAL)]
    with world.store.read() as session:
        assert session.value("SELECT kind FROM discrepancies") == "anchor lost"
    world.agrees()


def test_the_wrong_chain_gets_nothing(tmp_path: Path, own: chains.Anvil) -> None:
    world = World(tmp_path, own)
    world.log()
    wrong = (
        Pins(7, world.pins.genesis_hash, world.pins.contract, world.pins.code_hash),
        Pins(1337, b"\1" * 32, world.pins.contract, world.pins.code_hash),
        Pins(1337, world.pins.genesis_hash, world.pins.contract, b"\1" * 32),
        Pins(1337, world.pins.genesis_hash, b"\1" * 20, world.pins.code_hash),
    )
    right = world.pins
    for pins in wrong:
        world.pins = pins
        world.restart()
        with pytest.raises(Rejected, match="expected"):
            world.tick()
    assert world.wire.sent() == [] and world.rows() == []
    world.pins = right
    world.restart()
    world.finish()
    world.agrees()


def test_a_chain_swapped_while_we_run_gets_nothing(tmp_path: Path, own: chains.Anvil) -> None:
    world = World(tmp_path, own)
    world.log()
    seams.arm_failpoint("hub.anchor_signed", lambda _: own.rpc("anvil_setChainId", 99))
    with pytest.raises(Rejected, match="id 99"):
        world.tick()
    seams.disarm_failpoints()
    assert world.wire.sent() == []
    own.rpc("anvil_setChainId", 1337)
    world.finish()
    world.agrees()


def test_a_nonce_that_somebody_used_sets_the_batch_aside(tmp_path: Path, shared: chains.Anvil) -> None:
    world = World(tmp_path, shared)
    world.log()

    def use_nonce(_: str) -> None:
        chain = world.registry.chain
        other = Signer(world.key, 1337, "dynamic")
        nonce = chain.nonce(world.key.address)
        chain.send(other.sign(nonce, b"\1" * 20, b"", GAS_ANCHOR))
        while chain.nonce(world.key.address) == nonce:
            pass

    seams.arm_failpoint("hub.anchor_signed", use_nonce)
    assert world.tick() == ASIDE
    seams.disarm_failpoints()
    world.finish()
    assert [state for _, state, _ in world.rows()] == [ASIDE, FINAL] and "nonce" in world.rows()[0][2]
    world.agrees()


def test_an_anchor_that_is_there_already_is_adopted(tmp_path: Path, shared: chains.Anvil) -> None:
    """Another instance, or this one before its database was put back, has anchored the same state."""
    world = World(tmp_path, shared)
    world.log(2)
    with world.store.read() as session:
        head = logbook.newest_head(session)
        assert head is not None
        data = anchor_data(2, head.root, 0, bytes(32), logbook.manifest(session, 2))
    chain = world.registry.chain
    raw = Signer(world.key, 1337, "dynamic").sign(1, world.registry.address, data, GAS_ANCHOR)
    chain.send(raw)
    while world.registry.latest()[0] != 2:
        pass
    world.finish()
    assert world.wire.sent() == [] and world.events() == [2]
    world.log()
    world.finish()
    world.agrees()


def test_an_anchor_of_another_history_stops_everything(tmp_path: Path, shared: chains.Anvil) -> None:
    world = World(tmp_path, shared)
    world.log(3)
    chain = world.registry.chain
    data = anchor_data(2, b"\1" * 32, 0, bytes(32), bytes(32))
    chain.send(Signer(world.key, 1337, "dynamic").sign(1, world.registry.address, data, GAS_ANCHOR))
    while world.registry.latest()[0] != 2:
        pass
    with pytest.raises(Corrupt, match="another root"):
        world.tick()
    assert world.wire.sent() == []


def test_bytes_that_are_refused_again_and_again_are_signed_anew(tmp_path: Path, own: chains.Anvil) -> None:
    world = World(tmp_path, own)
    world.log()
    world.rules = ChainConfig(kind="rpc", confirmations=0)
    world.restart()
    world.anchorer._signer = Signer(world.key, 1337, "dynamic", 10**30)  # nobody can pay that
    states = [world.tick() for _ in range(3)]
    assert states == [SIGNED, SIGNED, ASIDE], world.rows()
    world.restart()
    world.finish()
    world.agrees()


def test_a_transaction_that_waits_is_sent_again_unchanged(tmp_path: Path, own: chains.Anvil) -> None:
    world = World(tmp_path, own)
    own.rpc("evm_setAutomine", False)
    world.log()
    assert world.tick() == SENT
    own.rpc("anvil_dropAllTransactions")
    assert world.tick() == SENT and len(world.wire.sent()) == 1
    world.clock.advance(world.rules.resend_ms)
    assert world.tick() == SENT and len(set(world.wire.sent())) == 1 and len(world.wire.sent()) == 2
    own.rpc("evm_setAutomine", True)
    own.rpc("evm_mine")
    world.finish()
    world.agrees()


def test_without_answer_nothing_is_claimed(tmp_path: Path, shared: chains.Anvil) -> None:
    world = World(tmp_path, shared)
    world.log()
    world.wire.rule = lambda _: "cut"
    for _ in range(3):
        with pytest.raises(Unavailable):
            world.tick()
    assert [state for _, state, _ in world.rows()] in ([], [INTENDED])
    world.wire.rule = lambda _: "pass"
    world.finish()
    world.agrees()
