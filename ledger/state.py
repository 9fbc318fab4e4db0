"""The newest state of one chain in SQLite: accounts, storage, code, and the tries whose root the headers name.

    state_head     chain id, rule set, the newest header, and how far the tries on disk have come
    state_change   what each block after that changed, one row a block; older rows keep only the block's hash
    state_node     the tries by path (`ledger.state_tree`): tree 0 holds the accounts, others one account's storage
    state_account  which tree is whose storage
    state_code     contract code by its hash

Writing the tries with every block would rewrite some pages of a random place for every slot. A block therefore writes
one short row of changes; the tries are brought up to date on disk when `SAVE_CHANGES` of them have come together, in
the transaction of the block that makes it so. Opening applies the rows to the tries and must arrive at the state root
of the newest header. All writing happens inside the caller's transaction: what is in memory is only as true as that
transaction's commit, so after a rollback the object is thrown away and the database opened again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ledger.block import EMPTY_TRIE, RULE_SET, Header
from ledger.codec import keccak256, rlp_decode, rlp_encode, rlp_int
from ledger.db import Connection
from ledger.errors import Corrupt, Invalid, Rejected
from ledger.state_tree import REMEDY, Load, Tree

EMPTY_CODE = keccak256(b"")
SAVE_CHANGES = 4_000
LOADED_MAX = 20_000
CACHED_SLOTS_MAX = 20_000
ANCESTORS = 256
ACCOUNTS = 0

SCHEMA = (
    """CREATE TABLE state_head (
        one INTEGER PRIMARY KEY CHECK (one = 1), chain_id INTEGER NOT NULL, rule_set TEXT NOT NULL,
        header BLOB NOT NULL, saved_height INTEGER NOT NULL, saved_root BLOB NOT NULL) STRICT""",
    "CREATE TABLE state_change (height INTEGER PRIMARY KEY, hash BLOB NOT NULL, changes BLOB) STRICT",
    """CREATE TABLE state_node (
        tree INTEGER NOT NULL, path TEXT NOT NULL, row BLOB NOT NULL, PRIMARY KEY (tree, path)
        ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE state_account (tree INTEGER PRIMARY KEY, address BLOB NOT NULL UNIQUE) STRICT",
    "CREATE TABLE state_code (hash BLOB PRIMARY KEY, code BLOB NOT NULL) STRICT, WITHOUT ROWID",
)


class Held(NamedTuple):
    """What an account holds beside its storage."""

    nonce: int
    balance: int
    code_hash: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """One account of a genesis.

    `storage` maps slot to value, both unsigned 256 bit; `hashed` does the same by the Keccak hash of the slot as 64
    hex digits, which is how a later incarnation takes over what an earlier one left.
    """

    nonce: int = 0
    balance: int = 0
    code: bytes = b""
    storage: Mapping[int, int] = field(default_factory=dict)
    hashed: Mapping[str, int] = field(default_factory=dict)


Alloc = Mapping[bytes, Account]


@dataclass(slots=True)
class Changes:
    """What one block did: accounts (None: gone), storage values by slot (0: gone), new code by its hash."""

    accounts: dict[bytes, Held | None] = field(default_factory=dict)
    storage: dict[bytes, dict[int, int]] = field(default_factory=dict)
    code: dict[bytes, bytes] = field(default_factory=dict)


class State:
    """The state after the newest block of the chain in `db`; raises `Corrupt` when there is no whole chain."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        row = db.execute("SELECT chain_id, rule_set, header, saved_height, saved_root FROM state_head").fetchone()
        if row is None:
            raise Corrupt("the database holds no chain; it was not created completely")
        if row[1] != RULE_SET:
            raise Corrupt(f"the chain follows the rule set {row[1]!r}, this program knows {RULE_SET!r}")
        self.chain_id = int(row[0])
        self.header = bytes(row[2])
        self._accounts_tree = Tree(bytes(row[4]), self._loader(ACCOUNTS))
        self._trees: dict[int, Tree] = {ACCOUNTS: self._accounts_tree}
        numbers = db.execute("SELECT tree, address FROM state_account").fetchall()
        self._numbers = {bytes(address): int(number) for number, address in numbers}
        self._accounts: dict[bytes, tuple[Held | None, bytes]] = {}
        self._slots: dict[bytes, dict[int, int]] = {}
        self._slot_count = 0
        self._code: dict[bytes, bytes] = {EMPTY_CODE: b""}
        self._unsaved: set[str] = set()
        self._changes = b""
        # Between `apply` and the end of `write`: whoever stops there must throw this object away.
        self._applied = False
        self._replay(int(row[3]))

    @classmethod
    def create(cls, db: Connection, chain_id: int, header: bytes, alloc: Alloc) -> State:
        """Make the tables and store genesis, whose state is `alloc`, inside the caller's transaction."""
        for statement in SCHEMA:
            db.execute(statement)
        root, changes = _genesis(alloc)
        expected = Header.parse(header).state_root
        if root != expected:
            raise Invalid(f"the genesis names the state root {expected.hex()}, its accounts have {root.hex()}")
        db.execute("INSERT INTO state_head VALUES (1, ?, ?, ?, -1, ?)", (chain_id, RULE_SET, header, EMPTY_TRIE))
        rows = [(number, address) for number, address in enumerate(sorted(alloc), start=1)]
        db.executemany("INSERT INTO state_account VALUES (?, ?)", rows)
        codes = {keccak256(account.code): account.code for account in alloc.values() if account.code}
        db.executemany("INSERT INTO state_code VALUES (?, ?)", list(codes.items()))
        db.execute("INSERT INTO state_change VALUES (0, ?, ?)", (keccak256(header), changes))
        return cls(db)

    @property
    def is_stored(self) -> bool:
        """Whether the database has exactly what this object has in memory."""
        if self._applied:
            return False
        row = self._db.execute("SELECT header FROM state_head").fetchone()
        return row is not None and bytes(row[0]) == self.header

    def account(self, address: bytes) -> Held | None:
        """The account at `address`, None if there is none."""
        return self._account(address)[0]

    def storage(self, address: bytes, slot: int) -> int:
        """The value in a storage slot, 0 if never set."""
        slots = self._slots.get(address)
        if slots is None:
            slots = self._slots[address] = {}
        value = slots.get(slot)
        if value is None:
            if self._slot_count > CACHED_SLOTS_MAX:
                self._slots.clear()
                self._slot_count = 0
                slots = self._slots[address] = {}
            value = slots[slot] = self._stored_slot(address, slot)
            self._slot_count += 1
        return value

    def code(self, code_hash: bytes) -> bytes:
        """The code with this hash."""
        code = self._code.get(code_hash)
        if code is None:
            row = self._db.execute("SELECT code FROM state_code WHERE hash = ?", (code_hash,)).fetchone()
            if row is None or keccak256(bytes(row[0])) != code_hash:
                raise Corrupt(f"the contract code {code_hash.hex()} is missing or damaged; {REMEDY}")
            code = self._code[code_hash] = bytes(row[0])
        return code

    def ancestor(self, height: int) -> bytes:
        """The hash of an earlier block, no bytes if it is not among the last 256."""
        row = self._db.execute("SELECT hash FROM state_change WHERE height = ?", (height,)).fetchone()
        return bytes(row[0]) if row is not None else b""

    def alloc(self) -> Alloc:
        """Every account as it is now, for the genesis of a later incarnation."""
        taken: dict[bytes, Account] = {}
        for address in sorted(self._numbers):
            held, root = self._account(address)
            if held is not None:
                hashed = {key: _int_of(value) for key, value in self._tree(address, root).items()}
                taken[address] = Account(held.nonce, held.balance, self.code(held.code_hash), hashed=hashed)
        return taken

    def apply(self, changes: Changes) -> bytes:
        """Take the changes of a block into memory and give the new state root."""
        self._applied = True
        sections: list[bytes] = []
        accounts = dict(changes.accounts)
        roots: dict[bytes, bytes] = {}
        for address, slots in changes.storage.items():
            held, old_root = self._account(address)
            self._number(address)
            roots[address] = self._apply_storage(address, old_root, slots, sections)
            accounts.setdefault(address, held)
        entries: list[bytes] = []
        for address, held in accounts.items():
            before = self._account(address)
            root = roots.get(address, before[1])
            if (held, root) == before:
                continue
            if held is None and root != EMPTY_TRIE:
                raise Corrupt(f"the account 0x{address.hex()} vanished but its storage did not")
            if held is not None:
                self._number(address)
            self._accounts[address] = (held, root)
            value = b"" if held is None else _account_value(held, root)
            self._set(self._accounts_tree, keccak256(address).hex(), value, entries)
        sections.append(_section(ACCOUNTS, entries))
        for code_hash, code in changes.code.items():
            self._code[code_hash] = code
            self._db.execute("INSERT OR IGNORE INTO state_code VALUES (?, ?)", (code_hash, code))
        self._changes = b"".join(sections)
        return self._accounts_tree.root

    def write(self, header: bytes, height: int, block_hash: bytes) -> None:
        """Store `header` as the newest, with the changes applied last."""
        self.header = header
        self._db.execute("INSERT INTO state_change VALUES (?, ?, ?)", (height, block_hash, self._changes))
        self._db.execute("UPDATE state_head SET header = ?", (header,))
        if len(self._unsaved) >= SAVE_CHANGES or self._loaded > 2 * LOADED_MAX:
            self.save()
        self._applied = False

    def save(self) -> None:
        """Bring the tries on disk up to the newest block; the rows of changes are then done with."""
        height = Header.parse(self.header).height
        for number, tree in self._trees.items():
            gone, rows = tree.save()
            self._db.executemany(
                "DELETE FROM state_node WHERE tree = ? AND path = ?", [(number, path) for path in gone]
            )
            # In the order of paths, so that a page which several rows share is written once.
            self._db.executemany(
                "INSERT OR REPLACE INTO state_node VALUES (?, ?, ?)", [(number, *row) for row in sorted(rows)]
            )
        self._db.execute("DELETE FROM state_change WHERE height <= ?", (height - ANCESTORS,))
        self._db.execute("UPDATE state_change SET changes = NULL WHERE changes IS NOT NULL")
        root = self._accounts_tree.root
        self._db.execute("UPDATE state_head SET saved_height = ?, saved_root = ?", (height, root))
        self._unsaved.clear()
        if self._loaded > LOADED_MAX:
            for tree in self._trees.values():
                tree.forget()

    def inherit(self, chain_id: int, header: bytes) -> None:
        """Make `header` the genesis of another chain on the same accounts. This object is then to be thrown away."""
        self.save()
        self._db.execute("DELETE FROM state_change")
        self._db.execute("INSERT INTO state_change VALUES (0, ?, NULL)", (keccak256(header),))
        self._db.execute("UPDATE state_head SET chain_id = ?, header = ?, saved_height = 0", (chain_id, header))

    @property
    def _loaded(self) -> int:
        return sum(tree.loaded for tree in self._trees.values())

    def _replay(self, saved_height: int) -> None:
        """Apply the rows of changes that the tries on disk do not have yet."""
        merged: dict[int, dict[str, bytes]] = {}
        query = "SELECT height, changes FROM state_change WHERE height > ? ORDER BY height"
        for height, changes in self._db.execute(query, (saved_height,)):
            try:
                _merge(bytes(changes or b""), merged)
            except ValueError as error:
                raise Corrupt(f"the changes of block {height} are damaged ({error}); {REMEDY}") from error
        addresses = {number: address for address, number in self._numbers.items()}
        accounts = merged.pop(ACCOUNTS, {})
        for number, entries in merged.items():
            if number not in addresses:
                raise Corrupt(f"the changes name storage {number}, which belongs to no account; {REMEDY}")
            tree = self._tree(addresses[number], self._account(addresses[number])[1])
            for key, value in entries.items():
                self._set(tree, key, value, [])
        for key, value in accounts.items():
            self._set(self._accounts_tree, key, value, [])
        self._accounts.clear()
        for number in merged:
            if self._account(addresses[number])[1] != self._trees[number].root:
                raise Corrupt(f"the storage of 0x{addresses[number].hex()} is not what its account says; {REMEDY}")
        expected, root = Header.parse(self.header).state_root, self._accounts_tree.root
        if root != expected:
            raise Corrupt(f"the stored state has the root {root.hex()}, the head {expected.hex()}; {REMEDY}")

    def _account(self, address: bytes) -> tuple[Held | None, bytes]:
        known = self._accounts.get(address)
        if known is None:
            value = self._accounts_tree.get(keccak256(address).hex())
            known = self._accounts[address] = _account_of(value) if value else (None, EMPTY_TRIE)
        return known

    def _stored_slot(self, address: bytes, slot: int) -> int:
        root = self._account(address)[1]
        if root == EMPTY_TRIE:
            return 0
        value = self._tree(address, root).get(_slot_key(slot))
        return _int_of(value) if value else 0

    def _tree(self, address: bytes, root: bytes) -> Tree:
        number = self._numbers.get(address)
        if number is None:
            raise Corrupt(f"the storage of 0x{address.hex()} is nowhere; {REMEDY}")
        tree = self._trees.get(number)
        if tree is None:
            tree = self._trees[number] = Tree(root, self._loader(number))
        return tree

    def _number(self, address: bytes) -> int:
        number = self._numbers.get(address)
        if number is None:
            number = self._numbers[address] = len(self._numbers) + 1
            self._db.execute("INSERT INTO state_account VALUES (?, ?)", (number, address))
        return number

    def _loader(self, number: int) -> Load:
        execute = self._db.execute

        def load(path: str) -> bytes | None:
            found = execute("SELECT row FROM state_node WHERE tree = ? AND path = ?", (number, path)).fetchone()
            return None if found is None else bytes(found[0])

        return load

    def _apply_storage(self, address: bytes, before: bytes, slots: dict[int, int], sections: list[bytes]) -> bytes:
        known = self._slots.setdefault(address, {})
        entries: list[bytes] = []
        tree = self._tree(address, before)
        for slot, value in slots.items():
            if known.get(slot) != value:
                self._set(tree, _slot_key(slot), rlp_encode(rlp_int(value)) if value else b"", entries)
                known[slot] = value
        if not entries:
            return before
        sections.append(_section(self._numbers[address], entries))
        return tree.root

    def _set(self, tree: Tree, key: str, value: bytes, entries: list[bytes]) -> None:
        tree.set(key, value)
        self._unsaved.add(key)
        entries.append(bytes.fromhex(key) + bytes((len(value),)) + value)


def root_of(alloc: Alloc) -> bytes:
    """The state root of these accounts."""
    return _genesis(alloc)[0]


def _genesis(alloc: Alloc) -> tuple[bytes, bytes]:
    """The state root, and the same as a row of changes for accounts numbered from 1 in order of address."""
    accounts = Tree()
    sections: list[bytes] = []
    own: list[bytes] = []
    for number, (address, account) in enumerate(sorted(alloc.items()), start=1):
        if len(address) != 20:
            raise Rejected(f"0x{address.hex()} is not an address: expected 20 bytes")
        if not (account.nonce or account.balance or account.code):
            # The rules remove one as soon as it is touched; without any, touching needs no bookkeeping.
            raise Rejected(f"the account 0x{address.hex()} is empty: a genesis holds none of these")
        tree = Tree()
        entries: list[bytes] = []
        slots = {_slot_key(slot): value for slot, value in account.storage.items()} | dict(account.hashed)
        for key, value in sorted(slots.items()):
            if value:
                _add(tree, key, rlp_encode(rlp_int(value)), entries)
        sections.append(_section(number, entries))
        held = Held(account.nonce, account.balance, keccak256(account.code))
        _add(accounts, keccak256(address).hex(), _account_value(held, tree.root), own)
    return accounts.root, b"".join([*sections, _section(ACCOUNTS, own)])


def _add(tree: Tree, key: str, value: bytes, entries: list[bytes]) -> None:
    tree.set(key, value)
    entries.append(bytes.fromhex(key) + bytes((len(value),)) + value)


# A row of changes: for each trie its number and how many entries (four bytes each), then for each entry the hashed
# key (32 bytes), the length of the value (one byte, 0 when the key is gone) and the value.


def _section(number: int, entries: list[bytes]) -> bytes:
    if not entries:
        return b""
    return number.to_bytes(4, "big") + len(entries).to_bytes(4, "big") + b"".join(entries)


def _merge(changes: bytes, merged: dict[int, dict[str, bytes]]) -> None:
    at = 0
    while at < len(changes):
        number, count = int.from_bytes(changes[at : at + 4], "big"), int.from_bytes(changes[at + 4 : at + 8], "big")
        at += 8
        entries = merged.setdefault(number, {})
        for _ in range(count):
            if at + 33 > len(changes):
                raise ValueError("they end too early")
            end = at + 33 + changes[at + 32]
            entries[changes[at : at + 32].hex()] = changes[at + 33 : end]
            at = end
    if at != len(changes):
        raise ValueError("they end too early")


def _slot_key(slot: int) -> str:
    return keccak256(slot.to_bytes(32, "big")).hex()


def _account_value(held: Held, root: bytes) -> bytes:
    return rlp_encode([rlp_int(held.nonce), rlp_int(held.balance), root, held.code_hash])


def _account_of(value: bytes) -> tuple[Held, bytes]:
    nonce, balance, root, code_hash = rlp_decode(value)
    return Held(int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), code_hash), root


def _int_of(value: bytes) -> int:
    return value[0] if len(value) == 1 else int.from_bytes(value[1:], "big")
