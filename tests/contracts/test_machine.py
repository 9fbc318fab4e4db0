"""The contracts against the model, and planted faults which that comparison must find."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import get_state_machine_test, run_state_machine_as_test

from contracts.build import SOURCES, compile_source
from tests.contracts.machine import SiteMachine

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


# The same games begin elsewhere for each: any seed finds most of them within 150 games, these do within a few.
SOON = {
    "a real place goes below zero": 0,
    "an op_id acts twice": 0,
    "a line is posted twice": 0,
    "a serial is in two places": 2,
    "a count posts what was counted": 4,
    "a promise counts twice": 4,
    "promised goods go to anyone": 2,
    "more is freed than was held": 1,
    "a unit is in two places": 1,
    "a part is booked before the last": 4,
    "who held it releases it": 3,
    "a role never ends": 2,
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

    games = settings(
        max_examples=150,
        stateful_step_count=30,
        phases=(Phase.generate,),
        derandomize=False,
        database=None,
        suppress_health_check=QUIET,
    )
    with pytest.raises(AssertionError):
        seed(SOON[name])(get_state_machine_test(Faulty, settings=games))()
