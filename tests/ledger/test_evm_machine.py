"""Our machine against py-evm: random contracts that call each other, transaction after transaction."""

from __future__ import annotations

import random

import pytest

from ledger import db, evm_engine, evm_machine
from ledger.codec import keccak256
from ledger.errors import Rejected
from ledger.evm_transition import BlockContext, Machine, Ran, run_transaction
from ledger.state import Account, State
from ledger.state_journal import Journal
from ledger.transactions import Tx
from tests.ledger.evm_fuzz import CONTRACTS, garbage, program
from tests.ledger.evm_kit import SENDER, START, chain, contract

SEEDS = 200


class Never:
    """A machine that must not be needed."""

    def __call__(self, *_: object) -> None:
        raise AssertionError("the fallback was used")


def context(state: State) -> BlockContext:
    return BlockContext(state.chain_id, 1, START + 1, state.ancestor)


def outcome(machine: Machine, journal: Journal, state: State, tx: Tx) -> tuple[object, ...]:
    try:
        ran: Ran = run_transaction(machine, journal, context(state), tx)
    except Rejected as error:
        return ("", False, str(error))
    result = ran.result
    changes = journal.changes()
    return (
        ran.gas_used,
        result.ok,
        result.gas_left,
        result.refund if result.ok else 0,
        result.output,
        result.logs,
        bool(result.error),
        {
            (address, slot): value
            for address, slots in changes.storage.items()
            for slot, value in slots.items()
            if value != state.storage(address, slot)
        },
        {address: held for address, held in changes.accounts.items() if held != state.account(address)},
        dict(changes.code),
    )


def transaction(nonce: int, to: bytes | None, data: bytes, gas: int) -> Tx:
    return Tx(SENDER, nonce, to, data, gas, 1, keccak256(data))


def compare(alloc: dict[bytes, Account], dice: random.Random, count: int) -> int:
    """Run `count` transactions on both machines; how many succeeded."""
    connection = db.memory()
    state = chain(alloc, connection)._state
    ours, theirs = Journal(state), Journal(state)
    succeeded = 0
    for _ in range(count):
        data = dice.randbytes(dice.choice([0, 4, 32, 68, 100]))
        gas = dice.choice([21_000 + 16 * 100 + 32_000, 60_000, 90_000, 200_000])
        nonce = ours.get_nonce(SENDER)
        to: bytes | None = contract(dice.randint(1, CONTRACTS))
        if dice.random() < 0.05:
            to, data, gas = None, program(dice), gas + 60_000
        tx = transaction(nonce, to, data, gas)
        mine = outcome(evm_machine.run, ours, state, tx)
        judge = outcome(evm_engine.run, theirs, state, tx)
        assert mine == judge
        succeeded += bool(mine[1])
    return succeeded


def alloc_of(dice: random.Random) -> dict[bytes, Account]:
    def code() -> bytes:
        return garbage(dice) if dice.random() < 0.15 else program(dice)

    return {
        contract(number): Account(
            nonce=1, balance=dice.choice([0, 5]), code=code(), storage={0: 5, 1: dice.randint(0, 2)}
        )
        for number in range(1, CONTRACTS + 1)
    }


@pytest.mark.parametrize("part", range(5))
def test_random_contracts_do_the_same_on_both(part: int) -> None:
    succeeded = 0
    for seed in range(part * SEEDS // 5, (part + 1) * SEEDS // 5):
        dice = random.Random(seed)
        succeeded += compare(alloc_of(dice), dice, 4)
    # Programs that nearly all fail would compare nothing but failures.
    assert succeeded > SEEDS // 8
