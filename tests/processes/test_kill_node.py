"""A few trials of the node's kill harness, which also shows that it sees the fault it is there to see."""

from __future__ import annotations

from tests.processes import kill_node
from tests.processes.trials import run_program


def test_nothing_acknowledged_is_lost_or_doubled_and_the_planted_fault_is_seen() -> None:
    said = run_program("tests.processes.kill_node", "--trials", "20", "--seed", "7")
    assert "seen" in said and said.endswith("20 passed, 0 failed\n")


def test_every_failpoint_of_the_product_has_its_trial() -> None:
    assert kill_node.named_in_product() == set(kill_node.FAILPOINTS)
