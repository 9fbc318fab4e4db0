"""The demonstration, as a customer runs it: every step of the main job on real processes."""

from __future__ import annotations

import json
from pathlib import Path

import tallyman
import tallyman_demo


def test_the_main_job_from_scan_to_anchored_receipt(tmp_path: Path) -> None:
    scans = tmp_path / "scans.txt"
    scans.write_bytes(
        b"\xef\xbb\xbf]E09521234500032\r\n]C10109521234500049" + b"10L7\x1d17270630\n" + b"a\xe9b\nBIN:A-01"
    )
    figures = tmp_path / "figures.json"
    words = ["demo", "--headless", "--dir", str(tmp_path / "demo"), "--json", str(figures), "--scans", str(scans)]
    assert tallyman.main(words) == 0
    found = json.loads(figures.read_text())
    states = [found[name] for name in ("recorded", "sealed", "delivered", "verified", "anchored")]
    assert states[0] > 20 and set(states) == {states[0]}
    assert {each["kind"] for each in found["discrepancies"]} >= {"transfer short", "count variance over limit"}
    assert found["receipts"] and all((tmp_path / "demo" / path).exists() for path in found["receipts"])
    assert found["seconds"]["total"] < 600


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("do not touch")
    assert tallyman.main(["demo", "--headless", "--dir", str(tmp_path)]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_only_a_line_feed_ends_a_scan() -> None:
    assert tallyman_demo.scan_lines(b"\xef\xbb\xbfA\x1dB\r\nC{GS}D\n\n\xe9") == [b"A\x1dB", b"C\x1dD", b"\xe9"]
