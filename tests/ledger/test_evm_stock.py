"""Our blocks before stock py-evm: its own chain, state and tries must come to the same header, byte for byte."""

from __future__ import annotations

import random

import pytest
from eth_utils import ValidationError

from ledger import db
from ledger.block import GAS_LIMIT, Header
from ledger.codec import rlp_decode, rlp_encode, rlp_int
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.evm import Account, Executor
from tests.ledger import chain_kit, stock
from tests.ledger.evm_fuzz import CONTRACTS, program
from tests.ledger.evm_kit import CHAIN_ID, SENDER, START, asm, chain, code_at, contract, extra, seal, sign, word


def test_the_real_contracts_make_the_same_blocks() -> None:
    site = chain_kit.furnished()
    genesis, *blocks = site.blocks
    importing = stock.chain(site.head.origin.chain_id, genesis.header, {})
    mining = stock.chain(site.head.origin.chain_id, genesis.header, {})
    for block in blocks:
        assert stock.import_block(importing, block.header, block.transactions).imported_block.hash == block.hash
        header = Header.parse(block.header)
        assert stock.mine(mining, block.transactions, header.timestamp, header.extra_data) == block.header


def build(site: Executor, store: Connection, dice: random.Random, blocks: int) -> list[tuple[bytes, list[bytes]]]:
    """A chain of random calls between random contracts; what fails stays out, as it does in a node."""
    made = []
    for height in range(1, blocks + 1):
        site.begin(site.head.timestamp + dice.choice([1, 1, 1, 60, 86_400]))
        taken = []
        for _ in range(dice.randint(0, 4)):
            to, data = contract(dice.randint(1, CONTRACTS)), dice.randbytes(dice.choice([0, 32, 68]))
            if dice.random() < 0.1:
                to, data = b"", program(dice)
            raw = sign(site.nonce(SENDER), to, data, gas=dice.choice([120_000, 400_000]))
            try:
                if site.execute(raw).ok:
                    taken.append(raw)
            except Rejected:
                continue
        with db.transaction(store):
            made.append((site.seal(extra(height)).header, taken))
    return made


@pytest.mark.parametrize("seed", range(25))
def test_random_chains_are_what_stock_makes_of_them(seed: int) -> None:
    dice = random.Random(seed)
    alloc = {
        contract(number): Account(nonce=1, balance=dice.choice([0, 7]), code=program(dice), storage={0: 9, 1: seed})
        for number in range(1, CONTRACTS + 1)
    }
    store = db.memory()
    site = chain(alloc, store)
    judge = stock.chain(CHAIN_ID, site.head.header, alloc)
    for header, taken in build(site, store, dice, 6):
        assert stock.import_block(judge, header, taken).imported_block.header.hash == Header.parse(header).hash


@pytest.mark.parametrize(
    "name", ["state_root", "transactions_root", "receipts_root", "bloom", "gas_used", "gas_limit", "base_fee"]
)
def test_the_judge_is_not_blind(name: str) -> None:
    store = db.memory()
    site = chain(code_at(c1="1 0 SSTORE 0 0 LOG0"), store)
    judge = stock.chain(CHAIN_ID, site.head.header, code_at(c1="1 0 SSTORE 0 0 LOG0"))
    site.begin(START + 1)
    assert site.execute(sign(0, contract(1))).ok
    header = seal(site, store)
    fields, number = rlp_decode(header), Header.__slots__.index(name)
    old = fields[number]
    fields[number] = bytes([old[0] ^ 1]) + old[1:] if len(old) > 8 else rlp_int(int.from_bytes(old) + 1)
    with pytest.raises(ValidationError):
        stock.import_block(judge, rlp_encode(fields), [sign(0, contract(1))])
    stock.import_block(judge, header, [sign(0, contract(1))])


# ---------------------------------------------------------------- the traps, over thousands of blocks

# storage[number] = timestamp: a tiny transaction that shows both.
CLOCK = "TIMESTAMP NUMBER SSTORE"


def test_thousands_of_fast_blocks_keep_limit_fee_and_time() -> None:
    store = db.memory()
    site = chain({contract(1): Account(code=asm(CLOCK))}, store)
    judge = stock.chain(CHAIN_ID, site.head.header, {contract(1): Account(code=asm(CLOCK))})
    count = 3_000
    for height in range(1, count + 1):
        site.begin(START + height)
        raws = [sign(site.nonce(SENDER), contract(1))] if height % 100 == 0 or height < 4 else []
        for raw in raws:
            assert site.execute(raw).ok
        with db.transaction(store):
            raw_header = site.seal(extra(height)).header
        if height <= 150 or height > count - 2:
            header = Header.parse(raw_header)
            assert (header.gas_limit, header.base_fee, header.timestamp) == (GAS_LIMIT, 0, START + height)
        if height <= 150:
            stock.import_block(judge, raw_header, raws)
    site = Executor.open(store)
    assert site.head.height == count
    site.begin(START + count + 1)
    # Still 60 million gas, still free, for a sender that owns nothing.
    assert site.execute(sign(site.nonce(SENDER), contract(1), gas=GAS_LIMIT)).ok


def test_a_block_over_half_full_does_not_lift_the_base_fee() -> None:
    greedy = code_at(c1="1 4000000 MSTORE")
    store = db.memory()
    site = chain(greedy, store)
    judge = stock.chain(CHAIN_ID, site.head.header, greedy)
    for height in range(1, 4):
        site.begin(START + height)
        raw = sign(height - 1, contract(1), gas=32_000_000)
        assert site.execute(raw).ok
        with pytest.raises(Rejected, match="does not fit"):
            site.execute(sign(height, contract(1), gas=32_000_000))
        header = Header.parse(seal(site, store))
        assert header.gas_used > GAS_LIMIT // 2
        assert (header.base_fee, header.gas_limit) == (0, GAS_LIMIT)
        stock.import_block(judge, header.encode(), [raw])


def test_time_stands_where_it_was_put() -> None:
    store = db.memory()
    site = chain({contract(1): Account(code=asm(CLOCK + " 0 CALLDATALOAD SLOAD 0 MSTORE 32 0 RETURN"))}, store)
    for height, time in enumerate((START + 1, START + 2, START + 10_000_000, START + 10_000_001), start=1):
        site.begin(time)
        assert site.execute(sign(height - 1, contract(1))).ok
        seal(site, store)
        assert site.head.timestamp == time
        assert site.view(contract(1), word(height)) == word(time)
