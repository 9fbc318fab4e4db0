"""A few trials of the hub's kill harness, and its negative control."""

from __future__ import annotations

from pathlib import Path

from tests.processes import kill_hub


def test_no_cosignature_is_ever_false_and_a_planted_fault_is_seen(tmp_path: Path) -> None:
    template, expected = kill_hub.prepare(tmp_path)
    assert kill_hub.run(kill_hub.plan(12, 3), template, expected, 2) == []
    assert kill_hub.run([kill_hub.Trial(5, planted=True)], template, expected, 1) != []
