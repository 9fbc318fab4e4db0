"""The executor: pending block, undone reverts, sealing, re-execution, rollback."""

from __future__ import annotations

import sys

import pytest

from ledger import db, trie
from ledger.block import GAS_LIMIT, Header
from ledger.codec import keccak256, rlp_decode, rlp_encode, rlp_int
from ledger.db import Connection
from ledger.errors import Corrupt, Invalid, Rejected
from ledger.evm import Account, Executor, genesis
from tests.ledger.evm_kit import (
    CHAIN_ID,
    SENDER,
    START,
    asm,
    chain,
    code_at,
    contract,
    deployment,
    extra,
    seal,
    sign,
    word,
)

# storage[calldata[0]] += calldata[32], an event with the new value; reverts with a text when calldata[32] is 99
COUNTER = """
    32 CALLDATALOAD 99 EQ @no JUMPI
    32 CALLDATALOAD 0 CALLDATALOAD SLOAD ADD DUP1 0 CALLDATALOAD SSTORE
    0 MSTORE 0 CALLDATALOAD 32 0 LOG1 32 0 RETURN
    :no 0x08c379a0 224 SHL 0 MSTORE 32 4 MSTORE 9 36 MSTORE 0x6e696e65747920392e 184 SHL 68 MSTORE 100 0 REVERT
"""
BIN = contract(1)


@pytest.fixture
def store() -> Connection:
    return db.memory()


@pytest.fixture
def site(store: Connection) -> Executor:
    return chain(code_at(c1=COUNTER), store)


def add(nonce: int, slot: int, amount: int, **options: int) -> bytes:
    return sign(nonce, BIN, word(slot) + word(amount), **options)


def read(site: Executor, slot: int) -> int:
    return int.from_bytes(site.view(BIN, word(slot) + word(0)), "big")


def test_genesis_is_a_pure_function_of_its_arguments() -> None:
    alloc = code_at(c1=COUNTER)
    first = genesis(CHAIN_ID, START, extra(0), alloc)
    assert first == genesis(CHAIN_ID, START, extra(0), dict(reversed(alloc.items())))
    assert first != genesis(CHAIN_ID, START, extra(0))
    assert first != genesis(CHAIN_ID, START + 1, extra(0), alloc)
    assert Header.parse(first).extra_data == extra(0)
    assert Header.parse(genesis(CHAIN_ID, START, extra(0))).state_root == trie.root([])


def test_a_block_of_two(site: Executor, store: Connection) -> None:
    site.begin(START + 5)
    first, second = site.execute(add(0, 7, 40)), site.execute(add(1, 7, 2))
    assert (first.ok, second.ok, first.reason) == (True, True, "")
    assert [(log.address, log.topics, log.data) for log in second.logs] == [(BIN, (word(7),), word(42))]
    assert site.pending is not None
    assert (site.pending.height, site.pending.transactions) == (1, 2)
    assert site.pending.gas_used == first.gas_used + second.gas_used
    assert (read(site, 7), site.nonce(SENDER)) == (42, 2)
    header = seal(site, store)
    assert site.pending is None
    assert site.head.header == header
    assert (site.head.height, site.head.timestamp, site.head.hash) == (1, START + 5, keccak256(header))
    assert Header.parse(header).transactions_root == trie.root([add(0, 7, 40), add(1, 7, 2)])
    assert read(site, 7) == 42


def test_the_next_block_and_a_reopened_chain_go_on(site: Executor, store: Connection) -> None:
    for height in range(1, 4):
        site.begin(START + height)
        assert site.execute(add(height - 1, height, height)).ok
        seal(site, store)
    again = Executor.open(store)
    assert (again.head, again.chain_id) == (site.head, CHAIN_ID)
    again.begin(START + 9)
    assert again.execute(add(3, 1, 10)).ok
    assert [read(again, slot) for slot in range(5)] == [0, 11, 2, 3, 0]


def test_a_revert_leaves_no_trace_and_gives_its_reason(site: Executor, store: Connection) -> None:
    site.begin(START + 1)
    assert site.execute(add(0, 1, 5)).ok
    before = site.pending
    refused = site.execute(add(1, 1, 99))
    assert (refused.ok, refused.logs, refused.reason) == (False, (), "ninety 9.")
    assert refused.gas_used > 21_000
    assert site.pending == before
    assert site.nonce(SENDER) == 1
    assert site.execute(add(1, 1, 6)).ok
    header = seal(site, store)

    twin_store = db.memory()
    twin = chain(code_at(c1=COUNTER), twin_store)
    twin.begin(START + 1)
    assert twin.execute(add(0, 1, 5)).ok
    assert twin.execute(add(1, 1, 6)).ok
    assert seal(twin, twin_store) == header


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("0 0 REVERT", "reverted without a reason"),
        ("INVALID", "InvalidInstruction"),
        (":loop @loop JUMP", "OutOfGas"),
        ("ADD", "StackUnderflow"),
        ("0x4e487b71 224 SHL 0 MSTORE 0x11 4 MSTORE 36 0 REVERT", "panic 0x11"),
        ("1 0 MSTORE 32 0 REVERT", "reverted with 0x" + word(1).hex()),
        ("0x08c379a0 224 SHL 0 MSTORE 32 4 MSTORE 1000 36 MSTORE 0x6162 240 SHL 68 MSTORE 100 0 REVERT", "ab"),
    ],
)
def test_every_kind_of_failure_has_words(store: Connection, code: str, reason: str) -> None:
    site = chain(code_at(c1=code), store)
    site.begin(START + 1)
    outcome = site.execute(sign(0, BIN, gas=100_000))
    assert not outcome.ok
    assert outcome.reason.startswith(reason)
    with pytest.raises(Rejected, match=reason.split()[0]):
        site.view(BIN, b"")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (add(1, 1, 1), "nonce"),
        (add(0, 1, 1, chain_id=CHAIN_ID + 1), "chain"),
        (add(0, 1, 1, gas=GAS_LIMIT + 1), "does not fit"),
        (add(0, 1, 1, gas=21_000), "gas"),
        (add(0, 1, 1, fee=1), "fee"),
        (add(0, 1, 1, value=1), "no value"),
        (b"", "cannot run"),
        (b"\x02", "cannot run"),
        (b"\x02\xc0", "cannot run"),
        (b"\x01" + add(0, 1, 1)[1:], "cannot run"),
        (rlp_encode([b""] * 9), "expected 02"),
        (add(0, 1, 1) + b"\x00", "cannot run"),
    ],
)
def test_what_cannot_run_is_rejected_and_changes_nothing(site: Executor, raw: bytes, words: str) -> None:
    site.begin(START + 1)
    with pytest.raises(Rejected, match=words):
        site.execute(raw)
    assert site.pending is not None
    assert (site.pending.transactions, site.pending.gas_used, site.nonce(SENDER)) == (0, 0, 0)
    assert site.execute(add(0, 1, 1)).ok


def test_the_order_of_calls_is_checked(site: Executor, store: Connection) -> None:
    for call in (lambda: site.execute(add(0, 1, 1)), lambda: site.seal(extra(1))):
        with pytest.raises(Rejected, match="begin"):
            call()
    for time in (START, START - 1, 0, 2**63):
        with pytest.raises(Rejected, match="time"):
            site.begin(time)
    site.begin(START + 1)
    with pytest.raises(Rejected, match="open already"):
        site.begin(START + 2)
    with pytest.raises(Rejected, match="transaction"):
        site.seal(extra(1))
    with db.transaction(store), pytest.raises(Rejected, match="extra data"):
        site.seal(b"short")


def test_a_contract_reads_the_time_that_was_set(store: Connection) -> None:
    site = chain(code_at(c1="TIMESTAMP 0 SSTORE NUMBER 1 SSTORE"), store)
    site.begin(START + 77)
    assert site.execute(sign(0, BIN)).ok
    header = seal(site, store)
    twin_store = db.memory()
    twin = chain(code_at(c1="TIMESTAMP 0 SSTORE NUMBER 1 SSTORE"), twin_store)
    with db.transaction(twin_store):
        assert twin.reexecute(header, [sign(0, BIN)], extra(1)).header == header


def test_creating_and_calling_a_contract(site: Executor, store: Connection) -> None:
    site.begin(START + 1)
    runtime = asm("CALLER 0 MSTORE 32 0 RETURN")
    assert site.execute(sign(0, b"", deployment(runtime))).ok
    address = keccak256(rlp_encode([SENDER, b""]))[12:]
    assert site.code(address) == runtime
    seal(site, store)
    assert site.view(address, b"", SENDER)[12:] == SENDER


def test_block_hashes_of_ancestors(store: Connection) -> None:
    site = chain(code_at(c1="0 CALLDATALOAD BLOCKHASH 0 MSTORE 32 0 RETURN"), store)
    hashes = [site.head.hash]
    for height in range(1, 5):
        site.begin(START + height)
        hashes.append(keccak256(seal(site, store)))
    site = Executor.open(store)
    assert [site.view(BIN, word(height)) for height in range(5)] == hashes
    assert site.view(BIN, word(5)) == bytes(32)


def block_of_two(store: Connection) -> tuple[bytes, list[bytes]]:
    site = chain(code_at(c1=COUNTER), store)
    site.begin(START + 1)
    transactions = [add(0, 1, 5), add(1, 2, 6)]
    for transaction in transactions:
        assert site.execute(transaction).ok
    return seal(site, store), transactions


def test_reexecution_gives_the_same_header(site: Executor, store: Connection) -> None:
    header, transactions = block_of_two(db.memory())
    with db.transaction(store):
        sealed = site.reexecute(header, transactions, extra(1))
    assert sealed.header == header
    assert site.head.header == header
    assert len(sealed.receipts) == 2
    assert Header.parse(header).receipts_root == trie.root(list(sealed.receipts))


@pytest.mark.parametrize("number", range(17))
def test_reexecution_names_the_field_that_differs(site: Executor, store: Connection, number: int) -> None:
    header, transactions = block_of_two(db.memory())
    fields = rlp_decode(header)
    assert isinstance(fields, list)
    name = Header.__slots__[number].replace("_", " ")
    old = fields[number]
    assert isinstance(old, bytes)
    if name == "timestamp":
        fields[number] = rlp_int(START)
        name = "time"
    elif len(old) >= 20:
        fields[number] = bytes([old[0] ^ 1]) + old[1:]
    else:
        fields[number] = rlp_int(int.from_bytes(old, "big") + 1)
    head = site.head
    with pytest.raises(Invalid, match=name), db.transaction(store):
        site.reexecute(rlp_encode(fields), transactions, extra(1))
    site.discard()
    assert site.head == head
    with db.transaction(store):
        assert site.reexecute(header, transactions, extra(1)).header == header


def test_reexecution_refuses_a_transaction_that_reverts(site: Executor, store: Connection) -> None:
    header, _ = block_of_two(db.memory())
    with pytest.raises(Invalid, match=r"transaction 1 .*ninety"), db.transaction(store):
        site.reexecute(header, [add(0, 1, 5), add(1, 2, 99)], extra(1))
    site.discard()
    with pytest.raises(Invalid, match="nonce"), db.transaction(store):
        site.reexecute(header, [add(1, 1, 5)], extra(1))


def test_a_rolled_back_seal_does_not_survive_in_memory(site: Executor, store: Connection) -> None:
    head = site.head
    site.begin(START + 1)
    assert site.execute(add(0, 1, 5)).ok
    with pytest.raises(ZeroDivisionError), db.transaction(store):
        site.seal(extra(1))
        raise ZeroDivisionError
    site.discard()
    assert (site.head, site.nonce(SENDER), read(site, 1)) == (head, 0, 0)
    site.begin(START + 1)
    assert site.execute(add(0, 1, 5)).ok
    seal(site, store)
    assert (site.head.height, read(site, 1)) == (1, 5)


def test_even_a_forgotten_discard_is_noticed(site: Executor, store: Connection) -> None:
    site.begin(START + 1)
    assert site.execute(add(0, 1, 5)).ok
    with pytest.raises(ZeroDivisionError), db.transaction(store):
        site.seal(extra(1))
        raise ZeroDivisionError
    site.begin(START + 1)
    assert (site.head.height, site.nonce(SENDER), read(site, 1)) == (0, 0, 0)


def test_discard_forgets_the_pending_block(site: Executor, store: Connection) -> None:
    site.begin(START + 1)
    assert site.execute(add(0, 1, 5)).ok
    site.discard()
    assert site.pending is None
    assert (site.nonce(SENDER), read(site, 1)) == (0, 0)


def test_two_chains_in_one_process_do_not_touch(site: Executor, store: Connection) -> None:
    other_store = db.memory()
    other = chain(code_at(c1=COUNTER), other_store)
    site.begin(START + 1)
    other.begin(START + 1)
    assert site.execute(add(0, 1, 5)).ok
    assert other.execute(add(0, 1, 7)).ok
    seal(site, store)
    seal(other, other_store)
    assert (read(site, 1), read(other, 1)) == (5, 7)


def test_create_refuses_another_genesis(store: Connection) -> None:
    header = genesis(CHAIN_ID, START, extra(0), {BIN: Account(balance=1)})
    with pytest.raises(Invalid, match="state root"), db.transaction(store):
        Executor.create(store, CHAIN_ID, header)


def test_a_database_without_a_chain_or_of_other_rules_is_corrupt(site: Executor, store: Connection) -> None:
    store.execute("UPDATE state_head SET rule_set = 'site-osaka-9'")
    with pytest.raises(Corrupt, match="site-osaka-9"):
        Executor.open(store)
    store.execute("DELETE FROM state_head")
    with pytest.raises(Corrupt, match="no chain"):
        Executor.open(store)


def test_a_transaction_costs_the_same_however_many_are_pending(site: Executor) -> None:
    def calls_of(nonce: int) -> int:
        raw, count = add(nonce, 3, 1), 0

        def count_one(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(count_one)
        try:
            assert site.execute(raw).ok
        finally:
            sys.setprofile(None)
        return count

    site.begin(START + 1)
    for nonce in range(10):
        assert site.execute(add(nonce, 3, 1)).ok
    few = calls_of(10)
    for nonce in range(11, 300):
        assert site.execute(add(nonce, nonce, 1)).ok
    assert calls_of(300) <= few + 5
