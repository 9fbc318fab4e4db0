"""The commands as people and programs use them: output, exit codes, and what they cost to start."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from devices.cli import main
from devices.journal import Journal
from devices.simulated import SimulatedScanner
from ledger.clock import SystemClock
from ledger.seams import SystemRandom

ROOT = Path(__file__).resolve().parents[2]
ITEM = "]C1010950110153000310AB-1{GS}17261231"


def ran(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "tallyman", "devices", *arguments],
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        timeout=60,
    )


def test_decode_prints_one_object_a_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--json", "--on", "2026-01-15", ITEM]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {name: shown[name] for name in ("ok", "kind", "symbology", "ais", "errors")} == {
        "ok": True,
        "kind": "gs1",
        "symbology": "]C1",
        "ais": {"01": "09501101530003", "10": "AB-1", "17": "261231"},
        "errors": [],
    }
    assert (shown["means"], shown["expiry"], shown["lot"]) == ("item", "2026-12-31", "AB-1")


def test_decode_reads_standard_input_line_by_line() -> None:
    lines = [ITEM, "5901234123457", "BIN:A-01", "]", "", "x" * 20_000, "\x1b[2J"]
    done = ran("decode", "--json", stdin="\n".join(lines).encode() + b"\n\xff\xfe\n")
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and done.stderr == b"" and len(shown) == len(lines) + 1
    assert [row["kind"] for row in shown[:3]] == ["gs1", "gtin", "internal"]
    assert [row["ok"] for row in shown] == [True, True, True, False, False, False, False, True]
    assert b"\x1b" not in done.stdout and b"\xff" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (["--format", "bracketed", "(01)09501101530003(10)AB"], 0, "gs1"),
        (["--format", "element", "010950110153000310AB"], 0, "gs1"),
        (["--format", "scan", "]C1010950110153000310AB"], 0, "gs1"),
        (["--format", "scan", "ABC"], 1, "plain"),
        (["ABC"], 0, "plain"),
        (["--format", "dl", "https://a/01/09501101530003"], 0, "gs1"),
        (["--format", "dl", "https://a/01/9501101530003"], 1, "gs1"),
        (["--format", "dl", "--short-gtin", "https://a/01/9501101530003"], 0, "gs1"),
        (["--format", "bracketed", "(01)1"], 1, "gs1"),
        (["--hex", "42494e3a41"], 0, "internal"),
        (["]C110AB"], 0, "gs1"),
        (["--strict", "]C110AB"], 1, "gs1"),
    ],
)
def test_decode_options(arguments: list[str], code: int, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--json", *arguments]) == code
    assert json.loads(capsys.readouterr().out)["kind"] == kind


@pytest.mark.parametrize(
    ("code", "arguments", "word"),
    [
        (2, ["decode", "--hex", "xyz"], "not hex"),
        (2, ["decode", "--on", "31.12.2026", "x"], "expected a day"),
        (2, ["calibrate"], "expected a device address"),
        (1, ["calibrate", "--sheet", "/nonexistent/sheet.pdf"], "cannot write"),
        (2, ["list", "--config", "/nonexistent/node.toml"], "cannot read"),
        (2, ["sim", "--script", "/nonexistent"], "cannot read"),
        (1, ["monitor", "nobody"], "no device is called"),
        (1, ["monitor", "pipe:///x", "--journal", "/nonexistent/reads.db"], "no folder"),
        (1, ["monitor", "pipe:///x", "--journal", "/tmp/" + "x" * 300], "too long"),
        (1, ["undecided", "--dir", "/tmp/" + "x" * 300], "too long"),
    ],
)
def test_mistakes_get_one_line_and_their_code(
    code: int, arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1


def test_usage_is_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        [],
        ["fly"],
        ["decode", "--format", "x"],
        ["sim", "lorry"],
        ["monitor", "x", "--count", "0"],
        ["sim", "--port", "99999"],
    ):
        assert main(arguments) == 2, arguments
    capsys.readouterr()
    for arguments in (
        ["--help"],
        ["list", "--help"],
        ["decode", "--help"],
        ["monitor", "--help"],
        ["sim", "-h"],
    ):
        assert main(arguments) == 0 and "usage:" in capsys.readouterr().out


def test_list_shows_configured_devices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f'devices = ["pipe://{config}?name=replay", "serial:///dev/none?name=dock-1"]\n')
    assert main(["list", "--config", str(config), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["devices"]
    assert [(row["name"], row["present"]) for row in shown] == [("replay", True), ("dock-1", False)]
    assert main(["list", "--config", str(config)]) == 0
    assert "absent" in capsys.readouterr().out
    config.write_text('devices = ["serial:///dev/x?speed=1"]\n')
    assert main(["list", "--config", str(config)]) == 1


def test_sim_and_monitor_meet(tmp_path: Path) -> None:
    script, link = tmp_path / "script", tmp_path / "scanner"
    script.write_text(f"BIN:A-01\n@unplug 200\n{ITEM}\n")
    with subprocess.Popen(
        [sys.executable, "-m", "tallyman", "devices", "sim", "--script", str(script), "--link", str(link), "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    ) as scanner:
        assert scanner.stdout is not None
        url = json.loads(scanner.stdout.readline())["url"]
        journal = tmp_path / "reads.db"
        done = ran("monitor", url, "--count", "2", "--timeout", "20", "--json", "--journal", str(journal))
        assert done.returncode == 0, done.stderr
        shown = [json.loads(line) for line in done.stdout.splitlines()]
        assert [row["means"] for row in shown] == ["bin", "item"]
        assert json.loads(scanner.stdout.readline()) == {"scans": 2}
    assert not link.is_symlink(), "the link goes with the scanner"
    opened = Journal(journal, clock=SystemClock(), random=SystemRandom())
    assert [read.read_id for read in opened.waiting()] == [row["read_id"] for row in shown]
    opened.close()


def test_monitor_gives_up_with_code_3_and_says_why(tmp_path: Path) -> None:
    done = ran("monitor", f"serial://{tmp_path}/none", "--timeout", "1")
    assert done.returncode == 3
    assert [b"is the scanner plugged in" in line for line in done.stderr.splitlines()] == [True, True], done.stderr


@pytest.mark.parametrize("length", [9_000, 64_000, 64_001, 200_000])
def test_a_line_longer_than_any_code_is_one_refused_read(length: int) -> None:
    done = ran("decode", "--json", stdin=b"9" * length + b"\nBIN:A\n" + b"9" * length)
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["ok"] for each in shown] == [False, True, False] and done.returncode == 1
    assert "longer than" in shown[0]["errors"][0]


def test_monitor_of_one_read(capsys: pytest.CaptureFixture[str]) -> None:
    with SimulatedScanner(clock=SystemClock()) as scanner:

        def act() -> None:
            scanner.wait_opened(5_000)
            scanner.scan("BIN:A-01")

        thread = threading.Thread(target=act)
        thread.start()
        assert main(["monitor", scanner.url, "--count", "1"]) == 0
        thread.join()
    assert "A-01" in capsys.readouterr().out


def test_the_devices_start_without_the_engine() -> None:
    """A node journals its first read before it has imported the chain's engine."""
    code = (
        "import sys, devices.supervisor, devices.journal, devices.registry, devices.decoders.scan\n"
        "devices.registry.Device.parse('serial:///dev/x').transport()\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"eth", "rlp", "web3", "flask", "requests", "nacl", "coincurve", "biip", "serial", "cbor2"}
