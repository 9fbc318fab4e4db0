"""`tallyman hub` as a person uses it: real processes for `run`, exit codes 0, 1, 2, 3, and one writer a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hub.cli import main
from hub.heads import Heads
from ledger import lock
from ledger.keys import SigningKey, TxKey
from sync.client import ENROL_MEDIA_TYPE, ENROL_PATH, HttpTransport
from sync.enrolment import Code, make_request
from tests.hub import sitekit

PROGRAM = [sys.executable, "-c", "import sys; from hub.cli import main; sys.exit(main(sys.argv[1:]))"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub of its own for the whole module."""
    made = tmp_path_factory.mktemp("cli") / "hub"
    assert main(["init", "--dir", str(made), "--org", "acme", "--port", "0", "--json"]) == 0
    return made


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[dict[str, Any]]:
    """The hub's process, and what it said when it was ready."""
    process = subprocess.Popen(
        [*PROGRAM, "run", "--dir", str(folder), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the hub did not start"
    yield json.loads(line)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def _ask(capsys: pytest.CaptureFixture[str], folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*words, "--dir", str(folder), "--json"]) == code
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_an_init_that_failed_can_be_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "hub"
    wish = ["init", "--dir", str(folder), "--org", "acme", "--json"]
    for more in (["--rpc", "http://127.0.0.1:1", "--deploy"], ["--database", "postgresql://nobody@127.0.0.1:1/x"]):
        for _ in range(2):
            assert main([*wish, *more]) == 3 and list(folder.iterdir()) == []
    capsys.readouterr()
    assert main(wish) == 0 and json.loads(capsys.readouterr().out)["password"]


def test_a_hub_that_has_signed_keeps_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "hub"
    assert main(["init", "--dir", str(folder), "--org", "acme"]) == 0
    with closing(Heads.open(folder / "heads.db")) as heads:
        heads.advance("acme/hub", 1, bytes(32))
    settings = folder / "hub.toml"
    settings.write_text(settings.read_text().replace('"acme"', '"acmee"'))
    assert main(["enrol", "oslo", "--dir", str(folder)]) == 1
    assert "has signed as acme/hub" in capsys.readouterr().err


def test_init_prints_the_password_once_and_never_overwrites(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = _ask(capsys, tmp_path / "hub", "init", "--org", "acme")
    assert made["name"] == "acme/hub" and made["contract"].startswith("0x") and len(made["password"]) == 23
    for path in (tmp_path / "hub" / "keys").iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert made["password"] not in path.read_text()
    assert "not empty" in _ask(capsys, tmp_path / "hub", "init", "--org", "acme", code=1)["error"]
    assert "ACME" in _ask(capsys, tmp_path / "other", "init", "--org", "ACME", code=1)["error"]
    assert not (tmp_path / "other").exists()


def test_a_missing_or_too_open_key_stops_the_start_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "hub"
    assert main(["init", "--dir", str(folder), "--org", "acme"]) == 0
    key = folder / "keys" / "control.key"
    key.chmod(0o640)
    assert "chmod 600" in _ask(capsys, folder, "enrol", "oslo", code=1)["error"]
    key.unlink()
    said = _ask(capsys, folder, "enrol", "oslo", code=1)["error"]
    assert "control.key is missing" in said and "\n" not in said
    (folder / "hub.toml").write_text('org = "acme"\ncolour = "red"\n')
    assert "unknown setting 'colour'" in _ask(capsys, folder, "status", code=1)["error"]


@pytest.mark.parametrize(
    "words",
    [[], ["nonsense"], ["enrol"], ["discrepancies", "x"], ["add-person", "oslo"], ["decide", "1", "maybe", "x"]],
)
def test_wrong_usage_is_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2


def test_policies_are_set_from_a_file_listed_and_cleared(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = tmp_path / "counting.json"
    entry.write_text('\ufeff{"rule": {"line_quantity_max": 2}, "blind": true}', "utf-8")
    said = _ask(capsys, folder, "set-policy", "counting", str(entry))
    assert said == {"policy": "counting", "site": "all", "state": "set"}
    (found,) = _ask(capsys, folder, "policies")["policies"]
    assert (found["name"], found["site"], found["value"]["blind"]) == ("counting", "", True)
    assert main(["policies", "--dir", str(folder)]) == 0
    assert "all sites" in capsys.readouterr().out
    for text, why in (
        ("{", "not JSON"), ('{"blind": 1}', "true or false"), ("null", "says nothing"), ("", "is empty"),
    ):  # fmt: skip
        entry.write_text(text)
        assert why in _ask(capsys, folder, "set-policy", "counting", str(entry), code=1)["error"]
    assert "--clear" in _ask(capsys, folder, "set-policy", "counting", code=2)["error"]
    assert "cannot read" in _ask(capsys, folder, "set-policy", "stock", str(tmp_path / "none"), code=2)["error"]
    entry.write_text("{}")
    assert "rome" in _ask(capsys, folder, "set-policy", "stock", str(entry), "--site", "rome", code=1)["error"]
    assert "rome" in _ask(capsys, folder, "issue-nonces", "rome", "3", code=1)["error"]
    assert _ask(capsys, folder, "set-policy", "counting", "--clear")["state"] == "cleared"
    entry.write_text('{"over_percent": 2, "suppliers": {"ACME": 101}}')
    assert "101 percent" in _ask(capsys, folder, "set-policy", "receipts", str(entry), code=1)["error"]
    entry.write_text('{"over_percent": 2, "suppliers": {"ACME": 5}}')
    assert _ask(capsys, folder, "set-policy", "receipts", str(entry))["state"] == said["state"]
    assert _ask(capsys, folder, "set-policy", "receipts", "--clear")["state"] == "cleared"
    assert _ask(capsys, folder, "policies") == {"policies": []}


def test_deliveries_and_orders_are_announced_from_files_listed_and_withdrawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "hub"
    sitekit.found_hub(folder)
    catalogue, coming = tmp_path / "items.csv", tmp_path / "coming.csv"
    catalogue.write_bytes(sitekit.ITEMS)
    _ask(capsys, folder, "import-items", str(catalogue))
    _ask(capsys, folder, "enrol", "oslo")
    coming.write_text("delivery,supplier,item,quantity\nD-1,ACME,BOLT,5\nD-1,,DRILL,2\n")
    for dry_run in (["--dry-run"], [], []):
        done = _ask(capsys, folder, "add-delivery", "oslo", str(coming), *dry_run)
        assert (done["rows"], done["changed"], done["dry_run"]) == (2, 0, bool(dry_run))
    assert done["new"] == 0
    (found,) = _ask(capsys, folder, "announced")["announced"]
    assert (found["number"], found["supplier"], len(found["lines"])) == ("D-1", "ACME", 2)
    assert main(["announced", "--dir", str(folder)]) == 0 and "D-1" in capsys.readouterr().out
    coming.write_text("order,item,quantity\nSO-1,NUT,5\nSO-1,BOLT,0\n")
    error = _ask(capsys, folder, "add-order", "oslo", str(coming), code=1)["error"]
    assert "line 2: item 'NUT'" in error and "line 3: quantity 0" in error
    assert "no order" in _ask(capsys, folder, "withdraw", "oslo", "order", "SO-1", code=1)["error"]
    assert _ask(capsys, folder, "withdraw", "oslo", "delivery", "D-1")["state"] == "withdrawn"
    assert _ask(capsys, folder, "announced") == {"announced": []}
    assert main(["withdraw", "oslo", "hat", "SO-1", "--dir", str(folder)]) == 2


@pytest.mark.parametrize(
    "command",
    [
        "add-delivery",
        "add-order",
        "announced",
        "withdraw",
        "init",
        "run",
        "enrol",
        "status",
        "discrepancies",
        "anchor",
        "verify",
        "import-items",
        "set-policy",
        "erase-person",
        "close-account",
        "policies",
        "issue-nonces",
    ],
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_what_cannot_be_is_refused_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "hub").mkdir()
    for name in ("hub.toml", "hub.db"):
        (tmp_path / "hub" / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "hub" / "heads.db").write_text("no database")
    for words in (
        ["init", "--org", "acme", "--dir", str(tmp_path / "file")],
        ["init", "--org", "acme", "--dir", str(tmp_path / "file" / "hub")],
        ["status", "--dir", str(tmp_path / "hub")],
        ["enrol", "bergen", "--url", "ftp://hub", "--dir", str(folder)],
        ["retry", "nobody", "--dir", str(folder)],
    ):
        capsys.readouterr()
        assert main(words) == 1, words
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and said.startswith("tallyman hub: "), said


def test_reading_commands_need_no_running_hub(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = _ask(capsys, folder, "status")
    assert status["name"] == "acme/hub" and status["sites"] == []
    assert _ask(capsys, folder, "discrepancies") == {"discrepancies": []}
    assert _ask(capsys, folder, "discrepancies", "7", code=1)["error"] == "there is no discrepancy 7"
    assert _ask(capsys, folder, "verify")["ok"] is True
    assert _ask(capsys, folder, "config")["org"] == "acme"
    assert "create a hub" in _ask(capsys, folder / "nowhere", "status", code=1)["error"]


def test_a_writing_command_waits_for_no_one_who_holds_the_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock.hold(folder):
        assert "another process" in _ask(capsys, folder, "enrol", "oslo", code=3)["error"]


def test_a_running_hub_does_what_it_is_told(
    folder: Path, running: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert running["name"] == "acme/hub" and running["url"].startswith("http://127.0.0.1:")
    assert _ask(capsys, folder, "status")["running"] is True
    code = _ask(capsys, folder, "enrol", "oslo")
    assert code["origin"] == "acme/site/oslo/1" and code["url"] == running["url"]
    assert "no site 'oslo' with a node yet" in _ask(capsys, folder, "reincarnate", "oslo", code=1)["error"]
    _redeem(running["url"], code["code"])
    assert "--replace" in _ask(capsys, folder, "reincarnate", "oslo", code=1)["error"]
    again = _ask(capsys, folder, "reincarnate", "oslo", "--replace", "--reason", "burnt")
    assert again["origin"] == "acme/site/oslo/2" and again["url"] == running["url"]
    [found] = _ask(capsys, folder, "discrepancies")["discrepancies"]
    assert found["kind"] == "site rollback" and "goes on as acme/site/oslo/2 from nothing" in found["summary"]
    catalogue = tmp_path / "items.csv"
    catalogue.write_bytes(sitekit.ITEMS)
    assert _ask(capsys, folder, "import-items", str(catalogue), "--dry-run")["new"] == 3
    assert _ask(capsys, folder, "import-items", str(catalogue))["new"] == 3
    catalogue.write_bytes(sitekit.ITEMS.replace(b",12,", b",10,"))
    changed = [{"gtin": "05012345678900", "sku": "BOLT", "before": 12, "now": 10}]
    for dry_run in (["--dry-run"], []):
        assert _ask(capsys, folder, "import-items", str(catalogue), *dry_run)["repacked"] == changed
    assert _ask(capsys, folder, "import-items", str(catalogue))["repacked"] == []
    catalogue.write_bytes(b"sku\n1\n")
    assert "line 1" in _ask(capsys, folder, "import-items", str(catalogue), code=1)["error"]
    assert "No such file" in _ask(capsys, folder, "import-items", str(tmp_path / "none"), code=2)["error"]
    assert _ask(capsys, folder, "add-location", "oslo", "A-01", "A-02")["locations"] == ["A-01", "A-02"]
    person = _ask(capsys, folder, "add-person", "oslo", "eva", "Eva", "COUNT,MOVE", "--badge", "B1")
    assert len(person["actor"]) == 64 and len(person["code"]) == 23
    assert "ADMIN excludes" in _ask(capsys, folder, "add-person", "oslo", "x", "X", "ADMIN,COUNT", code=1)["error"]
    assert "revoke-person" in _ask(capsys, folder, "erase-person", "eva", code=1)["error"]
    _ask(capsys, folder, "revoke-person", "oslo", "eva")
    erased = _ask(capsys, folder, "erase-person", "eva")
    assert erased["erased"] is True and erased["sites"] == ["oslo"] and erased["known_as"].startswith("former-")
    assert "no open account" in _ask(capsys, folder, "close-account", "nobody", code=1)["error"]
    assert _ask(capsys, folder, "anchor") == {"size": 0, "block_number": 0}
    assert _ask(capsys, folder, "verify")["ok"] is True
    assert "there is no discrepancy" in _ask(capsys, folder, "decide", "9", "resolved", "why", code=1)["error"]
    capsys.readouterr()
    assert main(["status", "--dir", str(folder)]) == 0
    assert "3 items" in capsys.readouterr().out


def _redeem(url: str, text: str) -> None:
    """What a node does with its code."""
    chance = sitekit.Seeded(6)
    request = make_request(Code.parse(text), SigningKey.generate(chance), TxKey.generate(chance))
    assert HttpTransport(url).post(ENROL_PATH, request, ENROL_MEDIA_TYPE).status == 200


def test_a_running_hub_is_found_on_the_network(running: dict[str, Any]) -> None:
    from sync import discovery

    found = [each.url for each in discovery.find(3_000, org="acme", loopback=True)]
    assert running["url"] in found


def test_a_second_hub_in_the_same_folder_is_refused(folder: Path, running: dict[str, Any]) -> None:
    assert running
    second = subprocess.run(
        [*PROGRAM, "run", "--dir", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert second.returncode == 3 and "another process is at work" in second.stderr


def test_the_engine_is_loaded_only_by_who_verifies() -> None:
    script = (
        "import sys, hub.hub, hub.cli, hub.jobs, hub.commands\n"
        "print(sorted({'eth', 'web3', 'eth_tester'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert loaded.stdout.strip() == "[]"
