"""The program as a process: an output that is full, closed or left, and the one place where exit codes are made."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import tallyman
from ledger import commands
from ledger.errors import Corrupt, Invalid, Rejected, Unavailable

ROOT = Path(__file__).resolve().parents[2]
RECEIPT = str(next((ROOT / "tests" / "vectors" / "receipts").glob("*.json")))
PRINTING = (
    ["--help"],
    ["--version"],
    ["node", "--help"],
    ["hub", "config", "--dir", "hub"],
    ["devices", "decode", "5901234123457"],
    ["devices", "list", "--profiles"],
    ["devices", "doctor", "--rules"],
    ["demo", "--help"],
    ["verify", RECEIPT],
    ["verify", RECEIPT, "--json"],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("commands")
    (made / "hub").mkdir()
    (made / "hub" / "hub.toml").write_text('org = "acme"\n')
    return made


def ran(folder: Path, words: Sequence[str], *, out: int | None, err: int | None = subprocess.PIPE) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tallyman", *words],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=60,
    )  # fmt: skip
    return done.returncode, (done.stderr or b"").decode()


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_full_output_ends_in_one_line(words: list[str], folder: Path) -> None:
    with open("/dev/full", "wb") as full:
        code, said = ran(folder, words, out=full.fileno())
        assert (code, said) == (3, "tallyman: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("words", PRINTING[1::3], ids=" ".join)
def test_an_output_whose_reader_has_gone_ends_without_a_word(words: list[str], folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert ran(folder, words, out=writer) == (141, "")
    finally:
        os.close(writer)


def test_a_complaint_that_nobody_can_read_keeps_its_code(folder: Path) -> None:
    with open("/dev/full", "wb") as full:
        assert ran(folder, ["--version"], out=full.fileno(), err=full.fileno())[0] == 3
        for words, code in ((["fly"], 2), (["node", "fly"], 2), (["node", "status"], 1), (["verify", "no such"], 2)):
            assert ran(folder, words, out=subprocess.DEVNULL, err=full.fileno())[0] == code, words


def test_without_standard_streams_a_file_does_not_become_one(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for receipt, closed, code in ((RECEIPT, "<&- >&- 2>&-", 0), ("-", "<&-", 1)):
        script = f"exec {sys.executable} -m tallyman verify {receipt} {closed}"
        done = subprocess.run(["sh", "-c", script], cwd=folder, env=environment, capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (code, b"")


def test_interrupted_while_it_still_loads_ends_without_a_traceback(folder: Path) -> None:
    script = (
        "import sys, tallyman\n"
        "def interrupted(name): raise KeyboardInterrupt\n"
        "tallyman.importlib.import_module = interrupted\n"
        "sys.argv[1:] = ['node', 'status']\n"
        "sys.exit(tallyman.main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, b"")


def test_what_an_encoding_lacks_is_shown_escaped(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    words = [sys.executable, "-m", "tallyman", "--help"]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "usage: tallyman COMMAND \\u2026" in done.stdout and not done.stderr


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (commands.Usage("not so"), 2, "not so"),
        (Rejected("no"), 1, "no"),
        (Invalid("no"), 1, "no"),
        (Corrupt("no"), 1, "no"),
        (Unavailable("later"), 3, "later"),
        (PermissionError(13, "Permission denied", "keys"), 1, "cannot use keys: Permission denied"),
        (OSError(28, "No space left on device"), 1, "[Errno 28] No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted before it was done"),
    ],
)
def test_who_must_act_decides_the_code(error: BaseException, code: int, said: str) -> None:
    def act() -> int:
        raise error

    heard: list[tuple[str, int]] = []
    assert commands.run(act, lambda words, number: heard.append((words, number))) == code
    assert heard == [(said, code)]


@pytest.mark.parametrize(
    "words",
    [
        ["verify", "/nonexistent"],
        ["hub", "import-items", "/nonexistent"],
        ["hub", "add-order", "oslo", "/nonexistent"],
        ["hub", "set-policy", "stock", "/nonexistent"],
        ["hub", "config", "--config", "/nonexistent"],
        ["node", "config", "--config", "/nonexistent"],
        ["devices", "list", "--config", "/nonexistent"],
        ["devices", "decode", "--config", "/nonexistent", "x"],
        ["devices", "doctor", "--config", "/nonexistent"],
        ["devices", "replay", "/nonexistent"],
        ["devices", "replay", "/"],
        ["devices", "sim", "--script", "/nonexistent"],
        ["devices", "undecided", "--dir", "/nonexistent"],
        ["demo", "--headless", "--items", "/nonexistent"],
        ["demo", "--headless", "--scans", "/"],
    ],
    ids=" ".join,
)
def test_a_named_file_that_is_not_there_is_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert tallyman.main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and ("/nonexistent" in said or "/:" in said)


@pytest.mark.parametrize("number", ["-1", "0", "721", "9" * 30, "1.5", "¹", ""])
@pytest.mark.parametrize("command", ["enrol", "reincarnate"])
def test_hours_that_cannot_be_are_wrong_usage(command: str, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tallyman.main(["hub", command, "oslo", "--hours", number]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.endswith(f"--hours: {number!r}: expected a whole number from 1 to 720")


@pytest.mark.parametrize(
    "words",
    [
        ["hub", "discrepancies"],
        ["hub", "decide"],
        ["hub", "issue-nonces", "oslo"],
        ["hub", "init", "--org", "acme", "--port"],
        ["hub", "init", "--org", "acme", "--chain-id"],
        ["node", "certificate", "Z", "--since"],
        ["node", "certificate", "Z", "--height"],
        ["devices", "replay", "reads.db", "--after"],
        ["devices", "label", "again"],
        ["devices", "label", "item", "--count"],
        ["devices", "label", "item", "--copies"],
        ["devices", "monitor", "pipe:///x", "--count"],
        ["devices", "sim", "--script", "x", "--lose"],
        ["devices", "sim", "--script", "x", "--gap-ms"],
        ["devices", "sim", "printer", "--port"],
        ["devices", "sim", "--script", "x", "--wait"],
    ],
    ids=" ".join,
)
def test_numbers_that_cannot_be_are_wrong_usage(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in ("-1", "9" * 30, "x"):
        assert tallyman.main([*words, number, *(("comment", "why") if "decide" in words else ())]) == 2, number
    assert "expected a whole number" in capsys.readouterr().err


def test_a_folder_without_its_database_is_no_and_says_what_to_do(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "node.toml").write_text('site = "oslo"\n')
    for words in (["node", "status"], ["node", "verify"], ["node", "seal"], ["node", "certificate", "ZONE"]):
        assert tallyman.main([*words, "--dir", str(tmp_path)]) == 1
        assert "site.db is missing: put it back from a backup" in capsys.readouterr().err
    for words in (["hub", "status"], ["hub", "verify"], ["hub", "discrepancies"], ["hub", "policies"]):
        assert tallyman.main([*words, "--dir", str(folder / "hub")]) == 1
        assert "hub.db is missing: put it back from a backup" in capsys.readouterr().err
