"""`tallyman verify` as a person and as a program see it."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tallyman
from contracts import artifacts
from hub.mainchain import Mined, RpcChain
from hub.registry import GAS_ANCHOR, GAS_DEPLOY, Signer, anchor_data, deploy_data
from ledger import checkpoint, verify_cli
from ledger.codec import keccak256
from ledger.errors import Unavailable
from ledger.receipt import Receipt
from sync.client import HttpTransport
from tests.hub import chains
from tests.ledger.chain_kit import HUB_KEY, OTHER_KEY, SITE_KEY, STRANGER
from tests.ledger.test_receipt import Server

VECTORS = Path(__file__).parent.parent / "vectors" / "receipts"
ANCHORED = VECTORS / "third-of-four--anchored.json"
SIGNED = VECTORS / "first-operation--site-signed.json"
SITE, HUB, OTHER = (str(key.verify_key) for key in (SITE_KEY, HUB_KEY, OTHER_KEY))


def run(*argv: object, server: Any = None) -> tuple[int, str]:
    """Exit code and what was printed; `server` answers JSON-RPC questions by method and parameters."""

    def post(url: str, body: bytes) -> bytes:
        asked = json.loads(body)
        assert (url, asked["jsonrpc"]) == ("http://127.0.0.1:8545", "2.0")
        return json.dumps({"jsonrpc": "2.0", "id": 1, "result": server(asked["method"], asked["params"])}).encode()

    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    code = verify_cli.main([str(item) for item in argv], post=post if server else None, out=out)
    out.seek(0)
    return code, out.read()


def _server(**changes: Any) -> Server:
    return Server(ANCHORED.read_bytes(), **changes)


def test_each_step_is_ticked_and_the_limits_are_named() -> None:
    code, text = run(ANCHORED)
    assert code == 0
    assert text.count("✓") == 8 and "✗" not in text
    assert "strength: anchored" in text
    assert "the site's own clock" in text
    for missing in ("--site-key", "--hub-key", "--rpc"):
        assert missing in text.split("it does not prove:")[1]


def test_known_keys_say_who() -> None:
    code, text = run(ANCHORED, "--site-key", SITE, "--site-key", OTHER, "--hub-key", HUB)
    assert code == 0
    assert "the site whose key you gave signed" in text
    assert "--site-key" not in text and "--hub-key" not in text
    written = checkpoint.format_key("acme/site/oslo/1", SITE_KEY.verify_key)
    assert run(ANCHORED, "--site-key", written)[0] == 0


@pytest.mark.parametrize("keys", [("--site-key", OTHER), ("--hub-key", OTHER), ("--site-key", HUB)])
def test_other_keys_are_refused(keys: tuple[str, str]) -> None:
    code, text = run(ANCHORED, *keys)
    assert code == 1
    assert "not among the 1 keys you gave" in text
    assert "proves nothing" in text and "it proves" not in text


def test_a_receipt_that_no_hub_holds_says_so() -> None:
    code, text = run(SIGNED, "--site-key", SITE)
    assert code == 0
    assert "strength: site-signed" in text
    assert "that anyone but the site holds it" in text


def test_a_damaged_file_shows_the_steps_before_the_damage(tmp_path: Path) -> None:
    good = Receipt.parse(ANCHORED.read_bytes())
    path = tmp_path / "bent.json"
    path.write_bytes(replace(good, op_id=bytes(16)).encode())
    code, text = run(path)
    assert code == 1
    assert text.count("✓") == 3
    assert "✗ the transaction carries operation" in text
    path.write_bytes(ANCHORED.read_bytes() + b"\n")
    code, text = run(path)
    assert (code, text.count("✓")) == (1, 0)
    assert "RFC 8785" in text


def test_json_for_programs(tmp_path: Path) -> None:
    code, text = run(ANCHORED, "--json", "--site-key", SITE, "--hub-key", HUB)
    answer = json.loads(text)
    assert code == 0
    assert (answer["verified"], answer["strength"], answer["height"]) == (True, "anchored", 6)
    assert answer["site_keys"] == [SITE] and answer["hub_key"] == HUB
    assert [step["name"] for step in answer["steps"]][-1] == "anchor"
    assert answer["refused"] is None
    path = tmp_path / "bent.json"
    path.write_bytes(b"{}")
    code, text = run(path, "--json")
    answer = json.loads(text)
    assert (code, answer["verified"], answer["strength"], answer["proves"]) == (1, False, None, [])
    assert answer["refused"]


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("--nothing",),
        ("/does/not/exist.json",),
        (ANCHORED.parent,),
        (ANCHORED, "--site-key", "zz"),
        (ANCHORED, "--hub-key", "00" * 32),
        (ANCHORED, "--rpc", "http://127.0.0.1:8545"),
        (ANCHORED, "--contract", "0x12"),
        (ANCHORED, "--contract", "no hex at all"),
        (ANCHORED, "--contract", "0x" + "c0" * 20),  # says what to look for with --rpc, and nobody is to be asked
    ],
)
def test_wrong_usage_is_exit_code_2(argv: tuple[object, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*argv)[0] == 2
    shown = capsys.readouterr().err
    assert shown and "Traceback" not in shown


NO_POINT = "02" + "00" * 31


def test_a_key_that_is_no_point_is_wrong_usage_where_it_was_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--site-key", "--hub-key"):
        assert run(ANCHORED, option, NO_POINT) == (2, "")
        assert f"{option}: the Ed25519 public key {NO_POINT} is not a point" in capsys.readouterr().err
    good, path = Receipt.parse(ANCHORED.read_bytes()), tmp_path / "bent.json"
    path.write_bytes(replace(good, key=bytes.fromhex(NO_POINT)).encode())
    code, text = run(path)
    assert code == 1 and f"✗ the Ed25519 public key {NO_POINT} is not a point" in text


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{}", b"", b"HTTP/1.1 x\r\n"]
)
def test_what_is_no_web_server_is_exit_code_3(answer: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.recv(65_536)
                caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert tallyman.main(["verify", str(ANCHORED), "--rpc", url]) == 3
        thread.join()
    assert "does not answer" in capsys.readouterr().out


def test_help_is_exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help")[0] == 0
    shown = capsys.readouterr().out
    for option in ("RECEIPT", "--site-key", "--hub-key", "--rpc", "--json", "Exit code"):
        assert option in shown


@pytest.mark.parametrize(
    "url",
    ["foo", "ftp://127.0.0.1", "http://", "http://[", "http://127.0.0.1:x", "127.0.0.1:8545", "http://no such", ""],
)
def test_what_is_no_address_is_wrong_usage_and_not_try_later(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(ANCHORED, "--rpc", url, server=lambda method, params: None)[0] == 2
    assert "expected one such as" in capsys.readouterr().err


def test_rpc_looks_the_anchor_up() -> None:
    where = ("--rpc", "http://127.0.0.1:8545")
    code, text = run(ANCHORED, *where, server=_server())
    assert code == 0
    assert "anchored this root in block 95" in text
    assert "existed, in this order" in text
    assert "--contract" in text and "--rpc" not in text
    code, text = run(ANCHORED, *where, "--contract", "0x" + "C0" * 20, server=_server())
    assert code == 0 and "--contract" not in text
    code, text = run(ANCHORED, *where, "--contract", "0x" + "c1" * 20, server=_server())
    assert code == 1 and "expected " + "c1" * 20 in text
    code, text = run(ANCHORED, *where, server=_server(eth_getLogs=[]))
    assert code == 1 and "holds no Anchored event" in text
    code, text = run(SIGNED, *where, server=_server())
    assert code == 1 and "no anchor" in text


def test_a_server_out_of_reach_is_exit_code_3_and_the_rest_stands() -> None:
    def away(method: str, params: list[Any]) -> Any:
        raise Unavailable("the main chain does not answer")

    code, text = run(ANCHORED, "--rpc", "http://127.0.0.1:8545", server=away)
    assert code == 3
    assert text.count("✓") == 8
    assert "? main chain" in text and "--rpc URL looks it up" in text


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"error":{"code":-32601}}', b'{"result":1.5}'])
def test_a_server_that_talks_something_else_is_exit_code_3(answer: bytes) -> None:
    out = io.StringIO()
    argv = [str(ANCHORED), "--rpc", "http://127.0.0.1:1"]
    assert verify_cli.main(argv, post=lambda url, body: answer, out=out) == 3
    assert "does not answer" in out.getvalue()


@pytest.mark.parametrize(
    "number", ["null", '"0x"', '"0xzz"', '"0x1_0"', '"' + "0x" + "f" * 1_000_000 + '"', '"0x-1"']
)
def test_a_number_of_the_main_chain_that_is_none_is_said_in_one_line(number: str) -> None:
    out = io.StringIO()
    argv = [str(ANCHORED), "--rpc", "http://127.0.0.1:1"]
    assert verify_cli.main(argv, post=lambda url, body: f'{{"result":{number}}}'.encode(), out=out) == 1
    assert "expected a JSON-RPC quantity" in out.getvalue() and len(out.getvalue()) < 5_000


def test_rpc_against_a_real_main_chain() -> None:
    """The anchor really made, looked up over HTTP; then the same receipt after the chain was reorganised away."""
    if chains.anvil_binary() is None:
        pytest.skip(chains.MISSING)
    good = Receipt.parse(ANCHORED.read_bytes())
    assert good.anchor is not None
    with chains.anvil() as main_chain:
        signer = Signer(STRANGER, 1337, "dynamic")
        rpc = RpcChain(main_chain.url, 5_000)
        code = deploy_data(artifacts.load("AnchorRegistry").bytecode, STRANGER.address, STRANGER.address)
        contract = _mined(rpc, signer.sign(0, None, code, GAS_DEPLOY)).contract
        assert contract is not None
        before = main_chain.rpc("evm_snapshot")
        data = anchor_data(good.anchor.size, good.anchor.root, 0, bytes(32), bytes(32))
        raw = signer.sign(1, contract, data, GAS_ANCHOR)
        mined = _mined(rpc, raw)
        anchor = replace(
            good.anchor, contract=contract, tx_hash=keccak256(raw), block_number=mined.block_number, log_index=0
        )
        assert _verify_at(main_chain.url, replace(good, anchor=anchor), contract) == 0
        for wrong in (
            replace(anchor, tx_hash=bytes(32)),
            replace(anchor, log_index=1),
            replace(anchor, block_number=mined.block_number - 1),
            replace(anchor, block_number=999),
            replace(anchor, chain_id=1),
            replace(anchor, contract=bytes(20)),
        ):
            assert _verify_at(main_chain.url, replace(good, anchor=wrong)) == 1
        main_chain.rpc("evm_revert", before)
        main_chain.rpc("evm_mine")
        assert _verify_at(main_chain.url, replace(good, anchor=anchor)) == 1
    assert _verify_at(main_chain.url, replace(good, anchor=anchor)) == 3


def _mined(rpc: RpcChain, raw: bytes) -> Mined:
    rpc.send(raw)
    for _ in range(200):
        found = rpc.mined(keccak256(raw))
        if found is not None:
            assert found.ok
            return found
        time.sleep(0.02)
    raise TimeoutError("not mined")


def _verify_at(url: str, item: Receipt, contract: bytes | None = None) -> int:
    def post(where: str, body: bytes) -> bytes:
        return HttpTransport(where).post("", body, "application/json").body

    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(item.encode())
        file.flush()
        known = ["--contract", contract.hex()] if contract else []
        return verify_cli.main([file.name, "--rpc", url, *known], post=post, out=io.StringIO())


def test_a_screen_without_ticks_gets_words() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert verify_cli.main([str(ANCHORED)], out=out) == 0
    out.seek(0)
    assert out.read().count("  ok ") == 8


def test_standard_input_and_few_imports() -> None:
    """The verifier starts without the chain's engine and without anything that could open a network."""
    program = (
        "import sys; from ledger.verify_cli import main; code = main(['-']); "
        "print(sorted({'eth', 'requests', 'flask', 'web3', 'sqlcipher3'} & set(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=SIGNED.read_bytes(),
        capture_output=True,
        cwd=Path(__file__).parent.parent.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines()[-1] == "[]"


def test_the_independent_verifier_runs_alone() -> None:
    """Started by its path in an empty environment of ours: it needs nothing of the product."""
    program = Path(__file__).parent / "independent_verifier.py"
    for path, expected in ((SIGNED, "site-signed"), (ANCHORED, "anchored")):
        done = subprocess.run(
            [sys.executable, str(program), str(path), SITE],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
        assert (done.returncode, done.stdout.strip()) == (0, expected), done.stderr
    assert "from ledger" not in program.read_text(encoding="utf-8")
