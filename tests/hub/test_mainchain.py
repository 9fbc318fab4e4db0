"""Both main chains answer the same questions the same way; the embedded one is the same chain after every start."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from contracts import artifacts
from hub.mainchain import EmbeddedChain, MainChain, NonceUsed, RpcChain
from hub.registry import (
    GAS_ANCHOR,
    GAS_DEPLOY,
    NO_ROOT,
    Anchored,
    Registry,
    Signer,
    anchor_data,
    deploy_data,
)
from ledger import db, seams
from ledger.clock import ManualClock
from ledger.codec import keccak256
from ledger.errors import Corrupt, Rejected, Unavailable
from ledger.keys import TxKey
from ledger.seams import SystemRandom
from tests.hub import chains

KEY = TxKey(b"\1" * 32)
ROOT, MANIFEST = b"\5" * 32, b"\6" * 32


@pytest.fixture(scope="module")
def anvil() -> Iterator[chains.Anvil]:
    if chains.anvil_binary() is None:
        pytest.skip(chains.MISSING)
    with chains.anvil() as running:
        yield running


@pytest.fixture
def embedded(tmp_path: Path) -> EmbeddedChain:
    return EmbeddedChain.create(
        tmp_path / "mainchain.db", chain_id=1337, funded=KEY.address, clock=ManualClock(), random=SystemRandom()
    )


@pytest.fixture(params=["embedded", "dynamic", "legacy"])
def chain_and_signer(request: pytest.FixtureRequest) -> tuple[MainChain, Signer]:
    if request.param == "embedded":
        return request.getfixturevalue("embedded"), Signer(KEY, 1337, "dynamic", 10**12)
    key = TxKey.generate(SystemRandom())
    return RpcChain(request.getfixturevalue("anvil").url, 5_000), Signer(key, 1337, request.param)


def _deploy(chain: MainChain, signer: Signer) -> Registry:
    data = deploy_data(artifacts.load("AnchorRegistry").bytecode, signer.key.address, signer.key.address)
    raw = signer.sign(0, None, data, GAS_DEPLOY)
    chain.send(raw)
    contract = _wait(chain, raw).contract
    assert contract is not None
    return Registry(chain, contract)


def _wait(chain: MainChain, raw: bytes):  # type: ignore[no-untyped-def]
    for _ in range(100):
        mined = chain.mined(keccak256(raw))
        if mined is not None:
            return mined
        time.sleep(0.02)
    raise TimeoutError("not mined")


def test_an_anchor_is_sent_found_and_read_back(chain_and_signer: tuple[MainChain, Signer]) -> None:
    chain, signer = chain_and_signer
    assert chain.chain_id() == 1337
    assert chain.block_hash(0) == chain.genesis_hash()
    assert chain.block_hash(10_000) is None and chain.mined(b"\0" * 32) is None
    registry = _deploy(chain, signer)
    assert chain.code(registry.address) and not chain.code(b"\1" * 20)
    assert registry.latest() == (0, NO_ROOT) and registry.find(5) is None
    assert registry.is_submitter(signer.key.address) and not registry.is_submitter(b"\1" * 20)
    raw = signer.sign(1, registry.address, anchor_data(5, ROOT, 0, NO_ROOT, MANIFEST), GAS_ANCHOR)
    chain.send(raw)
    mined = _wait(chain, raw)
    event = Anchored.parse(mined.logs[0])
    assert mined.ok and (event.size, event.root, event.manifest) == (5, ROOT, MANIFEST)
    assert event.submitter == signer.key.address and event.log.tx_hash == keccak256(raw)
    assert chain.block_hash(mined.block_number) == mined.block_hash and chain.height() >= mined.block_number
    assert registry.latest() == (5, ROOT) and registry.root_at(5) == ROOT and registry.find(5) == event
    assert chain.nonce(signer.key.address) == 2


def test_what_a_chain_refuses(chain_and_signer: tuple[MainChain, Signer]) -> None:
    chain, signer = chain_and_signer
    registry = _deploy(chain, signer)
    data = anchor_data(5, ROOT, 4, NO_ROOT, MANIFEST)
    raw = signer.sign(1, registry.address, data, GAS_ANCHOR)
    chain.send(raw)
    assert not _wait(chain, raw).ok
    with pytest.raises(NonceUsed):
        chain.send(signer.sign(1, registry.address, data, GAS_ANCHOR + 1))
    if signer.kind == "legacy":
        return  # anvil takes a legacy transaction of any chain: our own check of the chain id is what counts
    with pytest.raises(Rejected):
        chain.send(Signer(signer.key, 7, signer.kind, signer.fee_wei).sign(2, registry.address, data, GAS_ANCHOR))
    assert registry.latest() == (0, NO_ROOT)


def test_no_answer_is_unavailable_and_says_nothing_about_the_outcome(anvil: chains.Anvil) -> None:
    wire = chains.Wire(anvil.url)
    chain, signer = RpcChain(wire.url, 2_000), Signer(TxKey.generate(SystemRandom()), 1337, "dynamic")
    registry = _deploy(chain, signer)
    raw = signer.sign(1, registry.address, anchor_data(5, ROOT, 0, NO_ROOT, MANIFEST), GAS_ANCHOR)
    wire.rule = lambda method: "lose" if method == "eth_sendRawTransaction" else "pass"
    with pytest.raises(Unavailable):
        chain.send(raw)
    assert _wait(chain, raw).ok
    wire.close()
    with pytest.raises(Unavailable):
        chain.height()


@pytest.mark.parametrize("result", [None, "0x" + "f" * 100_000, "0xzz", "", [], {}, [None], {"hash": 1}, 1.5, "0x"])
def test_an_answer_that_cannot_be_is_no_answer(result: Any) -> None:
    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        chain = RpcChain(f"http://127.0.0.1:{server.server_port}", 5_000)
        for ask in (
            chain.chain_id,
            chain.genesis_hash,
            chain.height,
            lambda: chain.nonce(bytes(20)),
            lambda: chain.mined(bytes(32)),
            lambda: chain.code(bytes(20)),
            lambda: chain.call(bytes(20), b""),
            lambda: chain.logs(bytes(20), [bytes(32)]),
        ):
            try:
                found = ask()
            except Unavailable as error:
                assert len(str(error)) < 500
            else:
                assert found is None or isinstance(found, bytes | list), (ask, "is a number")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_very_same_waiting_transaction_again_is_fine() -> None:
    if chains.anvil_binary() is None:
        pytest.skip(chains.MISSING)
    with chains.anvil() as own:
        own.rpc("evm_setAutomine", False)
        chain, signer = RpcChain(own.url, 5_000), Signer(KEY, 1337, "dynamic")
        raw = signer.sign(0, b"\7" * 20, b"", GAS_ANCHOR)
        chain.send(raw)
        chain.send(raw)
        assert chain.mined(keccak256(raw)) is None and chain.nonce(KEY.address) == 0
        own.rpc("evm_mine")
        assert _wait(chain, raw).ok


def test_the_embedded_chain_is_the_same_after_every_start(tmp_path: Path, embedded: EmbeddedChain) -> None:
    clock, signer = ManualClock(), Signer(KEY, 1337, "dynamic", 10**12)
    registry = _deploy(embedded, signer)
    for number, size in enumerate((3, 9), start=1):
        previous = registry.latest()
        raw = signer.sign(number, registry.address, anchor_data(size, ROOT, *previous, MANIFEST), GAS_ANCHOR)
        embedded.send(raw)
        embedded.send(raw)
    hashes = [embedded.block_hash(number) for number in range(4)]
    events = [registry.find(size) for size in (3, 9)]
    embedded.close()
    again = EmbeddedChain.open(tmp_path / "mainchain.db", clock=clock, random=SystemRandom())
    assert [again.block_hash(number) for number in range(4)] == hashes and again.height() == 3
    assert [Registry(again, registry.address).find(size) for size in (3, 9)] == events
    with pytest.raises(Rejected):
        EmbeddedChain.create(
            tmp_path / "mainchain.db", chain_id=1337, funded=KEY.address, clock=clock, random=SystemRandom()
        )


def test_a_block_that_did_not_reach_the_file_never_was(tmp_path: Path, embedded: EmbeddedChain) -> None:
    signer = Signer(KEY, 1337, "dynamic", 10**12)
    registry = _deploy(embedded, signer)
    raw = signer.sign(1, registry.address, anchor_data(3, ROOT, 0, NO_ROOT, MANIFEST), GAS_ANCHOR)

    def fail(_: str) -> None:
        raise OSError("disk")

    seams.arm_failpoint("db.before_commit", fail)
    with pytest.raises(OSError, match="disk"):
        embedded.send(raw)
    seams.disarm_failpoints()
    assert embedded.mined(keccak256(raw)) is None and registry.latest() == (0, NO_ROOT)
    embedded.send(raw)
    assert registry.latest() == (3, ROOT)


def test_a_changed_history_is_noticed(tmp_path: Path, embedded: EmbeddedChain) -> None:
    _deploy(embedded, Signer(KEY, 1337, "dynamic", 10**12))
    embedded.close()
    connection = db.open_writer(tmp_path / "mainchain.db")
    connection.execute("UPDATE blocks SET time_s = time_s + 1")
    connection.close()
    with pytest.raises(Corrupt, match="was noted"):
        EmbeddedChain.open(tmp_path / "mainchain.db", clock=ManualClock(), random=SystemRandom())
