"""A dozen histories, the same history twice, and that the oracles see what is wrong on purpose."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from hub import logbook
from ledger.clock import ManualClock
from tests.hub import sitekit
from tests.sim import checkers, command
from tests.sim.planted import PLANTED, hunt
from tests.sim.watching import ONE_BLOCK, ONE_ROOT, TRUE_COSIGNATURES
from tests.sim.world import HUB_DEATHS, NODE_DEATHS, play

SEEDS = range(12)
QUICK = (
    "the node acknowledges before the commit",
    "the hub cosigns before it stores",
    "a late bundle overwrites the hub's blocks",
    "a repeated act acts again",
    "the hub applies a block twice",
    "a refusal is taken for done",
    "a sample is drawn by another seed",
)


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_stays_true_whatever_goes_wrong(seed: int) -> None:
    result = play(seed)
    assert not result.oracle, "\n".join([*result.trace[-40:], result.text])
    assert result.counts["acts"] > 40 and result.counts["blocks"] > 4


def test_the_same_seed_is_the_same_history() -> None:
    first, second = play(5, steps=60), play(5, steps=60)
    assert first.digest and (first.digest, first.trace) == (second.digest, second.trace)
    assert dict(command.other_digests([5], 60)) == {5: first.digest}
    assert play(6, steps=60).digest != first.digest


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_put_in_on_purpose_is_seen(name: str) -> None:
    (fault,) = [each for each in PLANTED if each.name == name]
    found = hunt(fault, range(4))
    assert found is not None and found.oracle in {*checkers.ALL, ONE_BLOCK, ONE_ROOT, TRUE_COSIGNATURES}
    assert play(0, steps=30).oracle == "", "the fault is taken out again"


def test_every_death_is_at_a_failpoint_of_the_product() -> None:
    product = [
        file.read_text(encoding="utf-8")
        for package in ("ledger", "node", "hub", "sync", "devices")
        for file in Path(__file__).parents[2].joinpath(package).rglob("*.py")
    ]
    for name in {*NODE_DEATHS, *HUB_DEATHS}:
        assert any(f'failpoint("{name}")' in text for text in product), name


def test_logging_is_as_before_after_a_world() -> None:
    play(3, steps=5)
    assert logging.root.manager.disable == logging.NOTSET


# ---------------------------------------------------------------- found by a seed, kept as a plain test


def test_a_hub_clock_set_back_between_two_checkpoints_holds_up_nothing(tmp_path: Path) -> None:
    """The larger checkpoint was logged first, then the smaller one moved the cursor back, then never anything."""
    clock = ManualClock(sitekit.START_MS)
    sitekit.found_hub(tmp_path / "hub")
    with sitekit.open_hub(tmp_path / "hub", clock) as hub:
        hub.import_items(sitekit.ITEMS)
        site = sitekit.Site(hub, "oslo", clock)
        site.furnish()
        hub.verify()
        hub.settle()
        site.receive(3)
        site.deliver()
        clock.jump(-3_600_000)
        site.receive(4)
        site.deliver()
        hub.verify()
        hub.settle()
        hub.settle()
        with hub.store.read() as session:
            sizes = [row["size"] for row in session.all("SELECT size FROM log ORDER BY position")]
            logged = session.value("SELECT logged_size FROM origins")
            assert logbook.log_size(session) == len(sizes)
    assert sizes == sorted(set(sizes)) and sizes[-1] == logged == site.chain.size
