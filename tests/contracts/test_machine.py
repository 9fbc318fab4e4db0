"""The contracts against the model, and planted faults which that comparison must find."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from contracts.build import SOURCES, compile_source
from tests.contracts.machine import SEED_MAX, SiteMachine

QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def test_the_site_does_what_the_model_does() -> None:
    run_state_machine_as_test(
        SiteMachine, settings=settings(max_examples=20, stateful_step_count=30, suppress_health_check=QUIET)
    )


# Each fault: the contract, what its source says, and what it says instead.
FAULTS = {
    "a real place goes below zero": ("StockLedger", 'assert rest >= 0, "not enough stock"', "pass"),
    "an op_id acts twice": ("StockLedger", 'assert self.used[op_id] == empty(bytes32), "used"', "pass"),
    "a line is posted twice": ("StockLedger", 'assert before & select == 0, "already posted"', "pass"),
    "a serial is in two places": (
        "StockLedger",
        'assert not self._is_real(target), "serial is elsewhere"',
        "pass",
    ),
    "a count posts what was counted": (
        "StockLedger",
        "booked = min(quantity, convert(self.stock[key], uint256))",
        "booked = min(line.counted, convert(self.stock[key], uint256))",
    ),
    "a promise counts twice": (
        "StockLedger",
        "self.promised[of][key] = unsafe_sub(self.promised[of][key], row.quantity)",
        "pass",
    ),
    "promised goods go to anyone": (
        "StockLedger",
        'assert rest >= convert(unsafe_sub(promised, own), int256), "stock is reserved"',
        "pass",
    ),
    "more is freed than was held": (
        "StockLedger",
        "self.remembered[of][line.index] = unsafe_sub(left, line.quantity)",
        "pass",
    ),
    "a unit is in two places": (
        "StockLedger",
        'assert self.parents[row.unit] == row.source, "unit is not there"',
        "pass",
    ),
    "a part is booked before the last": (
        "InventoryManager",
        "stated != 0 and stated >> 16 == stated & 65535",
        "stated != 0",
    ),
    "who held it releases it": ("InventoryManager", "holder != actor", "holder != empty(bytes32)"),
    "a role never ends": ("UserRegistry", "until != 0 and block.timestamp >= until", "until != until"),
}


GAMES, ACTS = 150, 30
# The game that finds each, found once: any run of so many games finds most of them.
SOON = {
    "a real place goes below zero": 0,
    "an op_id acts twice": 2,
    "a line is posted twice": 5,
    "a serial is in two places": 0,
    "a count posts what was counted": 26,
    "a promise counts twice": 35,
    "promised goods go to anyone": 2,
    "more is freed than was held": 4,
    "a unit is in two places": 3,
    "a part is booked before the last": 6,
    "who held it releases it": 15,
    "a role never ends": 20,
}


@cache
def faulty(name: str) -> tuple[str, bytes]:
    contract, text, instead = FAULTS[name]
    source = (SOURCES / f"{contract}.vy").read_text(encoding="utf-8")
    assert source.count(text) == 1, f"the source no longer says {text!r} once"
    return contract, bytes.fromhex(compile_source(contract, source.replace(text, instead))["bytecode"])


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    contract, code = faulty(name)

    class Faulty(SiteMachine):
        CREATION = {contract: code}  # noqa: RUF012

    with pytest.raises(AssertionError):
        for game in range(SOON[name], SOON[name] + GAMES):
            play(Faulty, game)
    play(SiteMachine, SOON[name])  # the same game, and nothing is wrong with the contracts as they are


def play(machine: type[SiteMachine], game: int) -> None:
    """One game, the same one for its number. Hypothesis draws from the constants of whatever is imported as well: by
    that the games would change with every module that says another number."""
    dice, site = random.Random(game), machine()
    try:
        for _ in range(ACTS):
            site.act(seed=dice.randrange(SEED_MAX))
    finally:
        site.teardown()
