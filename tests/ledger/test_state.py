"""The stored state: what a crash, a rollback, a reopening and damage make of it."""

from __future__ import annotations

import random

import pytest
from trie import HexaryTrie

from ledger import db, state
from ledger.block import EMPTY_TRIE, Header
from ledger.codec import keccak256, rlp_encode, rlp_int
from ledger.db import Connection
from ledger.errors import Corrupt, Invalid, Rejected
from ledger.evm import Account, Executor, genesis
from ledger.state import Held, State, root_of
from ledger.state_journal import Journal
from tests.ledger.evm_kit import CHAIN_ID, SENDER, START, asm, chain, contract, extra, seal, sign, word

# storage[calldata[0]] = calldata[32]
SET = {contract(1): Account(nonce=1, code=asm("32 CALLDATALOAD 0 CALLDATALOAD SSTORE"))}


def put(site: Executor, slot: int, value: int) -> None:
    assert site.execute(sign(site.nonce(SENDER), contract(1), word(slot) + word(value), gas=100_000)).ok


def block(site: Executor, store: Connection, *pairs: tuple[int, int]) -> bytes:
    site.begin(site.head.timestamp + 1)
    for slot, value in pairs:
        put(site, slot, value)
    return seal(site, store)


def reference_root(slots: dict[int, int]) -> bytes:
    tree = HexaryTrie({})
    for slot, value in slots.items():
        if value:
            tree[keccak256(word(slot))] = rlp_encode(rlp_int(value))
    return bytes(tree.root_hash)


def rows(store: Connection, table: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in store.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()]


def nodes(store: Connection) -> dict[object, bytes]:
    """Every stored branch by the account whose storage it is part of, and its path."""
    query = "SELECT address, path, row FROM state_node LEFT JOIN state_account USING (tree)"
    return {(row[0], row[1]): row[2] for row in store.execute(query).fetchall()}


@pytest.fixture
def small_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tries go to disk every few blocks, and memory is emptied each time."""
    monkeypatch.setattr(state, "SAVE_CHANGES", 12)
    monkeypatch.setattr(state, "LOADED_MAX", 20)


def test_random_blocks_saved_and_reopened_keep_the_reference_root(small_saves: None) -> None:
    dice = random.Random(5)
    store = db.memory()
    site = chain(SET, store)
    model: dict[int, int] = {}
    for height in range(1, 80):
        pairs = [(dice.randrange(60), dice.choice([0, 1, 2**255, height])) for _ in range(dice.randint(0, 6))]
        header = Header.parse(block(site, store, *pairs))
        model.update(pairs)
        account = Held(1, 0, keccak256(SET[contract(1)].code))
        accounts = HexaryTrie({})
        accounts[keccak256(contract(1))] = rlp_encode(
            [rlp_int(account.nonce), b"", reference_root(model), account.code_hash]
        )
        if site.nonce(SENDER):
            accounts[keccak256(SENDER)] = rlp_encode([rlp_int(site.nonce(SENDER)), b"", EMPTY_TRIE, keccak256(b"")])
        assert header.state_root == accounts.root_hash
        if dice.random() < 0.3:
            site = Executor.open(store)
            assert site.head.header == header.encode()
    stored = State(store)
    assert {slot: stored.storage(contract(1), slot) for slot in model} == model


def test_the_disk_holds_the_newest_tries_and_nothing_else(small_saves: None) -> None:
    dice = random.Random(6)
    store, other_store = db.memory(), db.memory()
    site = chain(SET, store)
    model: dict[int, int] = {}
    for _ in range(150):
        pairs = [(dice.randrange(80), dice.choice([0, 0, 7])) for _ in range(3)]
        model.update(pairs)
        block(site, store, *pairs)
    final = State(store)
    final.save()
    # The same state made at once, and saved: the very same rows.
    alloc = final.alloc()
    with db.transaction(other_store):
        State.create(other_store, CHAIN_ID, genesis(CHAIN_ID, START, extra(0), alloc), alloc).save()
    assert nodes(store) == nodes(other_store)
    assert root_of(alloc) == site.head.state_root
    assert alloc[contract(1)].hashed == {keccak256(word(slot)).hex(): value for slot, value in model.items() if value}


def test_a_later_incarnation_takes_the_accounts_over(small_saves: None) -> None:
    store, next_store = db.memory(), db.memory()
    site = chain(SET, store)
    for number in range(10):
        block(site, store, (number, number + 1), (100 + number, 5))
    alloc = site.alloc()
    header = genesis(CHAIN_ID + 1, START, extra(0), alloc)
    assert Header.parse(header).state_root == site.head.state_root
    with db.transaction(next_store):
        heir = Executor.create(next_store, CHAIN_ID + 1, header, alloc)
    assert heir.nonce(SENDER) == site.nonce(SENDER)
    assert heir.code(contract(1)) == site.code(contract(1))
    assert State(next_store).storage(contract(1), 105) == 5
    # In place it comes to the same, and goes on the same way; nothing of the old chain is left in it.
    with pytest.raises(Invalid, match="the accounts that it inherits"), db.transaction(store):
        site.inherit(CHAIN_ID + 1, genesis(CHAIN_ID + 1, START, extra(0)))
    site.begin(site.head.timestamp + 1)
    with db.transaction(store):
        site.inherit(CHAIN_ID + 1, header)
    again = Executor.open(store)
    assert (again.chain_id, again.head) == (CHAIN_ID + 1, heir.head) and again.pending is None
    assert again.alloc() == alloc


def test_a_rollback_at_any_block_is_as_if_it_had_not_been(small_saves: None) -> None:
    dice = random.Random(7)
    store, twin_store = db.memory(), db.memory()
    site, twin = chain(SET, store), chain(SET, twin_store)
    for _ in range(60):
        pairs = [(dice.randrange(40), dice.randrange(3)) for _ in range(4)]
        if dice.random() < 0.4:
            site.begin(site.head.timestamp + 1)
            put(site, 1, dice.randrange(9))
            put(site, 99, 4)
            with pytest.raises(ZeroDivisionError), db.transaction(store):
                site.seal(extra(0))
                raise ZeroDivisionError
            if dice.random() < 0.5:
                site.discard()
        assert block(site, store, *pairs) == block(twin, twin_store, *pairs)
    State(store).save()
    State(twin_store).save()
    assert rows(store, "state_node") == rows(twin_store, "state_node")
    assert rows(store, "state_account") == rows(twin_store, "state_account")


def test_a_seal_that_breaks_in_the_middle_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    store = db.memory()
    site = chain(SET, store)
    block(site, store, (1, 1))
    site.begin(site.head.timestamp + 1)
    put(site, 1, 2)

    def full(*_: object) -> None:
        raise db.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(State, "write", full)
        with pytest.raises(db.OperationalError), db.transaction(store):
            site.seal(extra(2))
    site.discard()
    assert State(store).storage(contract(1), 1) == 1
    assert int.from_bytes(state_slot(site, 1)) == 1
    block(site, store, (1, 3))
    assert Executor.open(store).head == site.head


def state_slot(site: Executor, slot: int) -> bytes:
    return word(Journal(site._state).get_storage(contract(1), slot))


def test_several_blocks_in_one_transaction_stand_or_fall_together(small_saves: None) -> None:
    store = db.memory()
    site = chain(SET, store)
    block(site, store, (5, 5))
    before = site.head
    with pytest.raises(ZeroDivisionError), db.transaction(store):
        for height in range(2, 12):
            site.begin(START + height)
            put(site, height, height)
            put(site, 5, height)
            site.seal(extra(height))
        raise ZeroDivisionError
    site.discard()
    assert site.head == before
    assert (state_slot(site, 5), state_slot(site, 9)) == (word(5), word(0))


def test_damage_is_found_before_it_shows(small_saves: None) -> None:
    store = db.memory()
    site = chain(SET, store)
    for number in range(30):
        block(site, store, (number, number + 1), (number + 50, 1))
    State(store).save()
    block(site, store, (7, 8))
    changes = [
        "UPDATE state_change SET changes = substr(changes, 1, length(changes) - 1) WHERE changes IS NOT NULL",
        "UPDATE state_change SET changes = substr(changes, 2) WHERE changes IS NOT NULL",
        "DELETE FROM state_change WHERE changes IS NOT NULL",
        "UPDATE state_head SET saved_root = zeroblob(32)",
        "UPDATE state_head SET saved_height = saved_height + 5",
        "DELETE FROM state_node WHERE tree = 0",
        "UPDATE state_node SET row = zeroblob(length(row)) WHERE path = ''",
        "DELETE FROM state_account",
        "UPDATE state_code SET code = X'00'",
    ]
    for change in changes:
        store.execute("SAVEPOINT damage")
        assert store.execute(change).rowcount
        with pytest.raises(Corrupt):
            damaged = State(store)
            damaged.account(contract(1))
            for slot in range(90):
                damaged.storage(contract(1), slot)
            damaged.code(keccak256(SET[contract(1)].code))
        store.execute("ROLLBACK TO damage")
        store.execute("RELEASE damage")
    assert State(store).storage(contract(1), 7) == 8


def test_every_byte_of_a_stored_row_counts() -> None:
    store = db.memory()
    site = chain(SET, store)
    for number in range(6):
        block(site, store, (number, number + 1))
    State(store).save()
    [(tree, path, row)] = [found for found in rows(store, "state_node") if found[0] and found[1] == ""]
    assert isinstance(row, bytes)
    for at in range(len(row)):
        changed = row[:at] + bytes([row[at] ^ 1]) + row[at + 1 :]
        store.execute("UPDATE state_node SET row = ? WHERE tree = ? AND path = ?", (changed, tree, path))
        with pytest.raises(Corrupt):
            State(store).storage(contract(1), 3)


def test_only_the_last_256_hashes_are_kept(small_saves: None) -> None:
    store = db.memory()
    site = chain(SET, store)
    hashes = [site.head.hash]
    for height in range(1, 400):
        header = block(site, store, *[(height % 50, height)] * (height % 10 == 0))
        hashes.append(keccak256(header))
    stored = State(store)
    assert all(stored.ancestor(height) == hashes[height] for height in range(399 - 255, 400))
    assert stored.ancestor(400) == b""
    assert store.execute("SELECT count(*) FROM state_change").fetchone()[0] < 600


def test_accounts_of_a_genesis_are_checked() -> None:
    with pytest.raises(Rejected, match="address"):
        root_of({b"short": Account(nonce=1)})
    with pytest.raises(Rejected, match="empty"):
        root_of({contract(1): Account()})
    with pytest.raises(Invalid, match="state root"):
        chain_of_other_accounts()


def chain_of_other_accounts() -> None:
    store = db.memory()
    header = genesis(CHAIN_ID, START, extra(0), SET)
    with db.transaction(store):
        State.create(store, CHAIN_ID, header, {contract(1): Account(nonce=2)})


# ---------------------------------------------------------------- the journal


def test_nested_snapshots_go_back_to_where_they_were_taken() -> None:
    dice = random.Random(8)
    store = db.memory()
    journal = Journal(chain({contract(1): Account(nonce=1, storage={0: 1, 1: 2})}, store)._state)
    addresses = [contract(1), contract(2), SENDER]
    for _ in range(200):
        journal.lock_changes()
        marks: list[tuple[int, object]] = []
        for _ in range(dice.randint(1, 30)):
            kind = dice.randrange(9)
            address, slot = dice.choice(addresses), dice.randrange(3)
            if kind == 0:
                marks.append((journal.record(), picture(journal)))
            elif kind == 1 and marks:
                at, before = marks.pop(dice.randrange(len(marks)))
                marks = [mark for mark in marks if mark[0] <= at]
                journal.discard(at)
                assert picture(journal) == before
            elif kind == 2:
                journal.set_storage(address, slot, dice.randrange(3))
            elif kind == 3:
                journal.increment_nonce(address)
            elif kind == 4:
                journal.set_balance(address, dice.randrange(3))
            elif kind == 5:
                journal.set_code(address, bytes([dice.randrange(3)]) * dice.randrange(2))
            elif kind == 6:
                journal.mark_storage_warm(address, slot)
            elif kind == 7:
                journal.mark_address_warm(address)
            else:
                journal.touch_account(address)


def picture(journal: Journal) -> object:
    """All that the engine can see."""
    addresses = [contract(1), contract(2), SENDER]
    slots = [(address, slot) for address in addresses for slot in range(3)]
    return (
        [journal.held(address) for address in addresses],
        [journal.get_code(address) for address in addresses],
        [journal.is_address_warm(address) for address in addresses],
        [
            (journal.get_storage(*key), journal.get_storage(*key, False), journal.is_storage_warm(*key))
            for key in slots
        ],
    )
