"""A few trials of the kill harness, and that it sees the fault it is there to see."""

from __future__ import annotations

from tests.processes import kill_node


def test_nothing_acknowledged_is_lost_or_doubled() -> None:
    assert kill_node.run(kill_node.plan(20, seed=7)) == []


def test_the_planted_fault_is_seen() -> None:
    assert kill_node.negative_control()


def test_every_failpoint_of_the_product_has_its_trial() -> None:
    assert kill_node.named_in_product() == set(kill_node.FAILPOINTS)
