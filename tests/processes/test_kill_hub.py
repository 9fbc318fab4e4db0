"""A few trials of the hub's kill harness, which also shows that it sees the fault it is there to see."""

from __future__ import annotations

from tests.processes.trials import run_program


def test_no_cosignature_is_ever_false_and_the_planted_fault_is_seen() -> None:
    said = run_program("tests.processes.kill_hub", "--trials", "12", "--seed", "3")
    assert "the planted fault was seen" in said and said.endswith("12 passed, 0 failed\n")
