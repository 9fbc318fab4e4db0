"""The demonstration, as a customer runs it: every step of the main job on real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import tallyman
import tallyman_demo
import tallyman_stage

ITEMS = """sku,name,gtin,base_unit,tracking,pack_qty,cost_minor,currency,decimals
BOLT,"Bolt, M6, ""long"" one",4000000000013,EA,none,1,,,
BOLT,,4000000000020,,,1000000,,,
WIRE,Wire,4000000000075,m,none,1,50,EUR,3
PHONE,Phone,4000000000051,EA,serial,1,,,
PHONE,,4000000000082,,,10,,,
PUMP,Pump,4000000000068,EA,lot+serial,1,,,
MINE,One of the story's own codes,9521234500018,EA,none,1,,,
"""
SCANS = b"\n".join(
    (
        b"\xef\xbb\xbf]E09521234500032\r",
        b"]C1010952123450004910L7\x1d17270630",
        b"a\xe9b",
        b"BIN:A-01",
        b"]E04000000000020",  # a million at once: the node asks first
        b"BOLT",  # the SKU as plain text
        b"PHONE",
        b"]C101040000000000753103001250",  # a weight, on an item in metres
        b"]C101040000000000753113001250",  # a length of 1.250 m
        b"]E04000000000051",  # without its serial, and the next one in a symbol beside it would be the same thing
        b"]C10104000000000051" + b"21S1",
        b"]C10104000000000051" + b"21S1",
        b"]C110L9",  # a lot of nothing
        b"]C10104000000000082" + b"21S2",  # ten pieces of one serial
        b"]C10104000000000068" + b"21X1{GS}10L1",
        b"]C10104000000000068" + b"21X1{GS}10L2",  # one piece, two lots
        b"]C10109521234500056" + b"21SN-1",  # counted in another bin of the story already
        b"]C100340123450000000017",  # the label of a closed unit
        b"9" * 20_000,
    )
)


def test_the_main_job_from_scan_to_anchored_receipt(tmp_path: Path) -> None:
    items, scans = tmp_path / "items.csv", tmp_path / "scans.txt"
    items.write_bytes(ITEMS.encode("utf-8-sig").replace(b"\n", b"\r\n"))
    scans.write_bytes(SCANS)
    figures = tmp_path / "figures.json"
    words = ["demo", "--headless", "--dir", str(tmp_path / "demo"), "--json", str(figures)]
    words += ["--items", str(items), "--scans", str(scans)]
    assert tallyman.main(words) == 0
    found = json.loads(figures.read_text())
    states = [found[name] for name in ("recorded", "sealed", "delivered", "verified", "anchored")]
    assert states[0] > 20 and set(states) == {states[0]}
    assert {each["kind"] for each in found["discrepancies"]} >= {"transfer short", "count variance over limit"}
    assert found["receipts"] and all((tmp_path / "demo" / path).exists() for path in found["receipts"])
    assert found["seconds"]["total"] < 600


def test_what_is_killed_starts_again_and_says_so(tmp_path: Path) -> None:
    """Somebody tries it with kill -9: the pause doubles while it dies at once, and begins anew after it held."""
    node = tallyman_stage.Process("oslo", ["node", "run", "--dir", str(tmp_path)], tmp_path / "log")
    now_s = 1_000.0
    node.start(now_s)
    assert node.revive(now_s) == ""  # it has just been started
    os.kill(node.pid, signal.SIGKILL)
    for pause in (1, 2, 4):  # there is no node in the folder, so that each further start ends by itself
        said = _said(node, now_s)
        assert f"it starts again in {pause} s" in said and str(tmp_path / "log") in said
        assert ("killed by SIGKILL" if pause == 1 else "ended with code 1") in said
        assert node.revive(now_s + pause - 0.1) == ""
        now_s += pause
        assert node.revive(now_s) == "oslo starts again"
    assert "it starts again in 1 s" in _said(node, now_s + 60)
    node.stop()


def _said(process: tallyman_stage.Process, now_s: float) -> str:
    """What it says once its process has ended."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if said := process.revive(now_s):
            return said
        time.sleep(0.05)
    raise AssertionError("it did not end")


def test_ended_while_it_sets_up_it_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    demo = subprocess.Popen([sys.executable, "-m", "tallyman", "demo", "--headless", "--dir", str(folder)])
    tallyman_stage.wait_for("the first server", lambda: (folder / "hub.log").exists())
    demo.send_signal(signal.SIGTERM)
    assert demo.wait(30) == 128 + signal.SIGTERM
    left = [file.parent.name for file in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in _read(file)]
    assert left == []


def test_ended_while_a_server_is_born_it_knows_that_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Born(subprocess.Popen[bytes]):
        def __init__(self, *words: Any, **how: Any) -> None:
            super().__init__(*words, **how)
            os.kill(os.getpid(), signal.SIGTERM)

    def ends(number: int, _: object) -> None:
        sys.exit(128 + number)

    monkeypatch.setattr(subprocess, "Popen", Born)
    before = signal.signal(signal.SIGTERM, ends)
    node = tallyman_stage.Process("oslo", ["node", "run", "--dir", str(tmp_path)], tmp_path / "log")
    try:
        with pytest.raises(SystemExit) as ended:
            node.start()
        assert ended.value.code == 128 + signal.SIGTERM
        assert node.pid
        assert signal.getsignal(signal.SIGTERM) is ends
    finally:
        signal.signal(signal.SIGTERM, before)
        node.stop()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("do not touch")
    assert tallyman.main(["demo", "--headless", "--dir", str(tmp_path)]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_only_a_line_feed_ends_a_scan() -> None:
    assert tallyman_demo.scan_lines(b"\xef\xbb\xbfA\x1dB\r\nC{GS}D\n\n\xe9") == [b"A\x1dB", b"C\x1dD", b"\xe9"]
