"""The commands: plain words, one JSON object, and the exit codes that scripts rely on."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import tallyman
from ledger import db, lock
from ledger.control_socket import CommandServer
from node import cli, store
from node.mark import MARK_FILE
from tests.node.world import World, op, receive

COMMANDS = ("init", "enrol", "run", "status", "seal", "sync", "verify", "rebuild", "config")


@pytest.fixture
def made(tmp_path: Path) -> World:
    return World(tmp_path / "node")


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(list(words))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def ask(capsys: pytest.CaptureFixture[str], made: World, *words: str) -> dict[str, Any]:
    code, out, _ = call(capsys, *words, "--dir", str(made.folder), "--json")
    assert code == 0
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--help")
    assert code == 0 and all(name in out for name in COMMANDS)
    for name in COMMANDS:
        code, out, _ = call(capsys, name, "--help")
        assert code == 0 and "--dir" in out and "--json" in out


@pytest.mark.parametrize("words", [[], ["fly"], ["init"], ["enrol"], ["status", "--colour"]])
def test_usage_errors_have_code_2(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, out, err = call(capsys, *words)
    assert (code, out) == (2, "") and "usage:" in err


def test_from_init_to_verify(capsys: pytest.CaptureFixture[str], made: World) -> None:
    folder = ["--dir", str(made.folder)]
    code, out, _ = call(capsys, "init", "--site", "oslo", *folder)
    assert code == 0 and "its public key is" in out
    code, out, err = call(capsys, "init", "--site", "oslo", *folder, "--json")
    assert code == 1 and "is not empty" in json.loads(out)["error"] and err.count("\n") == 1
    assert ask(capsys, made, "status") | {"database": ""} == {
        "site": "oslo", "running": False, "enrolled": False, "database": "", "unreachable": "",
    }  # fmt: skip
    for name in ("seal", "sync", "verify", "rebuild", "run"):
        code, _, err = call(capsys, name, *folder)
        assert code == 1 and "not enrolled yet" in err
    made.enrol()
    site = made.open()
    made.furnish(site)
    receive(site, 1)
    site.close()
    assert ask(capsys, made, "status")["unsealed"] == 1
    assert ask(capsys, made, "seal") | {"hash": ""} == {"height": 3, "hash": "", "operations": 1}
    assert ask(capsys, made, "seal")["operations"] == 0
    assert ask(capsys, made, "verify") | {"head": "", "log_root": ""} == {
        "origin": "acme/site/oslo/1", "blocks": 4, "head": "", "log_root": "", "operations": 5, "unsealed": 0,
        "tables": len(store.DERIVED),
    }  # fmt: skip
    assert ask(capsys, made, "rebuild")["blocks"] == 4
    for name in ("status", "seal", "verify", "rebuild", "config"):
        code, out, err = call(capsys, name, *folder)
        assert code == 0 and out and not err


def test_what_is_wrong_has_code_1_and_says_so(capsys: pytest.CaptureFixture[str], made: World) -> None:
    made.ready().close()
    connection = store.open_writer(made.folder)
    connection.execute("UPDATE head SET head = zeroblob(9)")
    connection.close()
    code, _, err = call(capsys, "verify", "--dir", str(made.folder))
    assert code == 1 and "table head" in err
    assert call(capsys, "rebuild", "--dir", str(made.folder))[0] == 0
    assert call(capsys, "verify", "--dir", str(made.folder))[0] == 0
    (made.folder / MARK_FILE).unlink()
    assert "signing mark" in ask(capsys, made, "status")["stopped"]
    code, _, err = call(capsys, "verify", "--dir", str(made.folder))
    assert code == 1 and "signing mark" in err
    (made.folder / "node.toml").write_text('site = "oslo"\ncolour = 3\n')
    code, _, err = call(capsys, "status", "--dir", str(made.folder))
    assert code == 1 and "unknown setting 'colour'" in err and err.count("\n") == 1
    code, _, err = call(capsys, "status", "--dir", str(made.folder / "nowhere"))
    assert code == 1 and "tallyman node init" in err


@pytest.mark.parametrize("pending", [0, 1])
@pytest.mark.parametrize("damage", ["damaged", "cannot be read"])
def test_a_node_that_cannot_sign_says_what_to_do(
    capsys: pytest.CaptureFixture[str], made: World, damage: str, pending: int
) -> None:
    site = made.ready()
    for number in range(pending):
        receive(site, 1 + number)
    site.close()
    mark = made.folder / MARK_FILE
    mark.write_bytes(mark.read_bytes()[:-3]) if damage == "damaged" else mark.unlink()
    code, out, err = call(capsys, "seal", "--dir", str(made.folder))
    assert (code, out) == (1, "") and f"{MARK_FILE}" in err and damage in err
    for said in (err, ask(capsys, made, "status")["stopped"], call(capsys, "verify", "--dir", str(made.folder))[2]):
        assert "`tallyman hub reincarnate SITE --replace`, then here `tallyman node enrol CODE`" in said


def test_a_node_that_the_hub_stopped_does_not_ask_to_try_later(
    capsys: pytest.CaptureFixture[str], made: World
) -> None:
    site = made.ready()
    site.stop_sealing("two histories of this site")
    site.close()
    code, _, err = call(capsys, "seal", "--dir", str(made.folder))
    assert code == 1 and "does not sign: two histories of this site" in err


def test_a_folder_or_database_that_cannot_be_used_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], made: World, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert call(capsys, "init", "--site", "oslo", "--dir", str(tmp_path / "file" / "node"))[0] == 1
    made.ready().close()
    for path in made.folder.glob("site.db*"):
        path.write_text("no database")
    for command in ("run", "status", "seal", "sync", "verify", "rebuild"):
        code, _, said = call(capsys, command, "--dir", str(made.folder))
        assert (code, said.count("\n")) == (1, 1), said
        assert "site.db" in said and "damaged" in said


def test_a_folder_that_is_mounted_read_only_is_said_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], made: World
) -> None:
    """A real mount, in a name space of its own: a superuser may write everywhere else."""
    site = made.ready()
    receive(site, 1)
    site.close()
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 77; shift; exec "$@"'
    inside = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh", str(made.folder)]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mounts in a name space of one's own on this machine; run this test as root")
    before = {each: each.read_bytes() for each in made.folder.rglob("*") if each.is_file()}
    for command in ("run", "status", "seal", "sync", "verify", "rebuild"):
        words = [sys.executable, "-m", "tallyman", "node", command, "--dir", str(made.folder)]
        found = subprocess.run([*inside, *words], capture_output=True, text=True, timeout=60, check=False)
        assert (found.returncode, found.stdout) == (1, ""), found.stderr
        assert found.stderr == (
            f"tallyman node: cannot write in {made.folder}, and its databases need that even to be read: "
            "mount it for writing, or make it this user's own\n"
        )
    assert before == {each: each.read_bytes() for each in made.folder.rglob("*") if each.is_file()}
    assert ask(capsys, made, "verify")["unsealed"] == 1, "it goes on where it can be written again"


def test_a_folder_of_any_name_is_a_nodes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made = World(tmp_path / "a node’s place, ø?#%20")
    receive(made.ready(), 1)
    assert ask(capsys, made, "status")["site"] == "oslo"
    assert call(capsys, "verify", "--dir", str(made.folder))[0] == 0


def test_one_process_writes_and_others_are_told_to_wait(capsys: pytest.CaptureFixture[str], made: World) -> None:
    made.ready().close()
    with lock.hold(made.folder):
        assert ask(capsys, made, "status")["running"] is True
        for name in ("seal", "sync", "rebuild"):
            code, out, err = call(capsys, name, "--dir", str(made.folder), "--json")
            assert code == 3 and json.loads(out)["exit"] == 3 and "another process" in err
        assert ask(capsys, made, "verify")["blocks"] == 3, "looking is always allowed"
    assert ask(capsys, made, "status")["running"] is False


def test_the_running_node_does_what_it_is_asked(capsys: pytest.CaptureFixture[str], made: World) -> None:
    site = made.ready()
    receive(site, 1)
    made.clock.advance(2_000)
    sealed: list[int] = []

    def seal(_: object) -> dict[str, Any]:
        block = site.seal()
        assert block is not None
        sealed.append(threading.get_ident())
        return {"height": block.head.height, "hash": block.head.hash.hex(), "operations": 1}

    with lock.hold(made.folder):
        server = CommandServer(made.folder, {"seal": seal})
        server.start()
        try:
            assert ask(capsys, made, "seal")["height"] == 3
            assert ask(capsys, made, "verify")["blocks"] == 4
            code, _, err = call(capsys, "sync", "--dir", str(made.folder))
            assert code == 1 and "'sync' is not a command" in err
        finally:
            server.stop()
    assert sealed and sealed[0] != threading.get_ident()


def test_sync_without_a_hub_is_tried_later(capsys: pytest.CaptureFixture[str], made: World) -> None:
    site = made.ready()
    receive(site, 1)
    site.close()
    (made.folder / "node.toml").write_text('site = "oslo"\n[hub]\nurl = "http://127.0.0.1:9"\n')
    code, _, err = call(capsys, "sync", "--dir", str(made.folder))
    assert code == 3 and "does not answer" in err
    assert ask(capsys, made, "status")["unsealed"] == 0, "it was sealed all the same"


def test_the_configuration_is_printed_as_it_is_in_force(capsys: pytest.CaptureFixture[str], made: World) -> None:
    made.init()
    (made.folder / "node.toml").write_text('site = "oslo"\n[web]\nport = 1234\n')
    code, out, _ = call(capsys, "config", "--dir", str(made.folder))
    assert code == 0 and "port = 1234" in out and "(default 8470)" in out
    assert ask(capsys, made, "config")["web"]["port"] == 1234
    other = made.folder / "other.toml"
    other.write_text('site = "oslo"\n[web]\nport = 99\n')
    assert ask(capsys, made, "config", "--config", str(other))["web"]["port"] == 99


def test_a_site_that_can_never_sync_is_told_so(capsys: pytest.CaptureFixture[str], made: World) -> None:
    made.init()
    settings, folder = made.folder / "node.toml", ["--dir", str(made.folder)]
    assert call(capsys, "config", *folder)[2] == ""
    settings.write_text('site = "oslo"\n[hub]\ndiscover = false\n')
    code, out, err = call(capsys, "config", *folder)
    assert (code, err.count("\n")) == (0, 1) and "will not sync until the hub's address is known" in err
    assert "hub.url" in err and "will not" not in out
    made.enrol()
    assert "will not sync until" in call(capsys, "status", *folder)[1]
    connection = store.open_writer(made.folder)
    with db.transaction(connection):
        store.set_fact(connection, store.FACT_HUB_URL, "http://127.0.0.1:9")
    connection.close()
    assert call(capsys, "config", *folder)[2] == ""  # it was told at enrolment
    assert "will not sync" not in call(capsys, "status", *folder)[1]


# ---------------------------------------------------------------- the front door


def test_the_front_door_hands_on_and_answers_the_code(capsys: pytest.CaptureFixture[str], made: World) -> None:
    assert tallyman.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in tallyman.COMMANDS)
    assert tallyman.main([]) == 2
    assert tallyman.main(["fly"]) == 2
    assert "'fly' is not a command" in capsys.readouterr().err
    made.init()
    assert tallyman.main(["node", "config", "--dir", str(made.folder)]) == 0


def test_a_receipt_is_verified_through_the_front_door(capsys: pytest.CaptureFixture[str], made: World) -> None:
    site = made.ready()
    receive(site, 1)
    made.clock.advance(2_000)
    site.seal()
    path = made.folder / "receipt.json"
    path.write_bytes(site.receipt(op(1)))
    assert tallyman.main(["verify", str(path), "--site-key", site.identity.block_key.raw.hex()]) == 0
    assert "site-signed" in capsys.readouterr().out
    path.write_bytes(path.read_bytes().replace(b'"tx_index":0', b'"tx_index":1'))
    assert tallyman.main(["verify", str(path)]) == 1


def test_a_command_imports_only_what_it_needs() -> None:
    """The engine and the web server have no business in a status or a help text."""
    import subprocess
    import sys

    script = "import sys, tallyman; tallyman.main(['node', '--help']); print([m for m in sys.modules if m in %r])"
    heavy = ["ledger.evm", "flask", "requests", "zeroconf", "apscheduler", "web3", "sqlalchemy"]
    done = subprocess.run([sys.executable, "-c", script % heavy], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
