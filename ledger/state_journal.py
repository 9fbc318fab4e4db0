"""The pending state of one block: what its transactions changed so far, on top of the stored state.

Every change leaves its opposite in an undo list, so a snapshot is a place in that list, free to take and to keep;
going back costs what is undone. Nothing here grows with the number of pending transactions except the changes.
"""

from __future__ import annotations

from typing import Any

from ledger.codec import keccak256
from ledger.state import EMPTY_CODE, Changes, Held, State

ABSENT = object()
_NOBODY = Held(0, 0, EMPTY_CODE)


class Journal:
    """Accounts and storage as the engine sees them. Method names are those of the engine's account database."""

    def __init__(self, state: State) -> None:
        self.base = state
        self.accounts: dict[bytes, Held | None] = {}
        self.slots: dict[bytes, dict[int, int]] = {}
        self.codes: dict[bytes, bytes] = {}
        # What a slot held when the running transaction began, and what it has read: both end with the transaction.
        self.originals: dict[tuple[bytes, int], int] = {}
        self.warm: dict[object, bool] = {}
        self.undo: list[tuple[dict[Any, Any], Any, Any]] = []
        # The engine asks for it with every snapshot; within a block there is none.
        self.state_root = b""

    def changes(self) -> Changes:
        """Everything changed since the block began."""
        return Changes(self.accounts, self.slots, self.codes)

    # ---------------------------------------------------------------- snapshots

    def record(self) -> int:
        return len(self.undo)

    def discard(self, checkpoint: int) -> None:
        undo = self.undo
        while len(undo) > checkpoint:
            table, key, old = undo.pop()
            if old is ABSENT:
                del table[key]
            else:
                table[key] = old

    def commit(self, checkpoint: int) -> None:
        """Nothing to do: the undo list stays until the transaction is over."""

    def lock_changes(self) -> None:
        """A transaction begins: nothing before it can be undone any more."""
        self.undo.clear()
        self.originals.clear()
        self.warm.clear()

    # ---------------------------------------------------------------- storage

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        if not from_journal:
            original = self.originals.get((address, slot))
            if original is not None:
                return original
        slots = self.slots.get(address)
        if slots is not None:
            value = slots.get(slot)
            if value is not None:
                return value
        return self.base.storage(address, slot)

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        slots = self.slots.get(address)
        if slots is None:
            slots = self.slots[address] = {}
        old = slots.get(slot, ABSENT)
        key = (address, slot)
        if key not in self.originals:
            self.originals[key] = self.base.storage(address, slot) if old is ABSENT else old  # type: ignore[assignment]
        self.undo.append((slots, slot, old))
        slots[slot] = value

    # ---------------------------------------------------------------- accounts

    def held(self, address: bytes) -> Held | None:
        """The account, None if there is none."""
        if address in self.accounts:
            return self.accounts[address]
        return self.base.account(address)

    def put(self, address: bytes, held: Held | None) -> None:
        self.undo.append((self.accounts, address, self.accounts.get(address, ABSENT)))
        self.accounts[address] = held

    def get_balance(self, address: bytes) -> int:
        return (self.held(address) or _NOBODY).balance

    def set_balance(self, address: bytes, balance: int) -> None:
        self.put(address, (self.held(address) or _NOBODY)._replace(balance=balance))

    def get_nonce(self, address: bytes) -> int:
        return (self.held(address) or _NOBODY).nonce

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self.put(address, (self.held(address) or _NOBODY)._replace(nonce=nonce))

    def increment_nonce(self, address: bytes) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: bytes) -> bytes:
        code_hash = self.get_code_hash(address)
        code = self.codes.get(code_hash)
        return self.base.code(code_hash) if code is None else code

    def get_code_hash(self, address: bytes) -> bytes:
        return (self.held(address) or _NOBODY).code_hash

    def set_code(self, address: bytes, code: bytes) -> None:
        code_hash = keccak256(code)
        if code and code_hash not in self.codes:
            self.undo.append((self.codes, code_hash, ABSENT))
            self.codes[code_hash] = code
        self.put(address, (self.held(address) or _NOBODY)._replace(code_hash=code_hash))

    def account_exists(self, address: bytes) -> bool:
        return self.held(address) is not None

    def account_has_code_or_nonce(self, address: bytes) -> bool:
        held = self.held(address) or _NOBODY
        return held.nonce != 0 or held.code_hash != EMPTY_CODE

    def account_is_empty(self, address: bytes) -> bool:
        return (self.held(address) or _NOBODY) == _NOBODY

    def touch_account(self, address: bytes) -> None:
        self.put(address, self.held(address) or _NOBODY)

    def clear_empty(self) -> None:
        """At the end of a transaction: remove the accounts that it touched and left empty (EIP-161)."""
        touched = {key for table, key, _ in self.undo if table is self.accounts}
        for address in touched:
            if self.accounts.get(address) == _NOBODY:
                self.put(address, None)

    def delete_storage(self, address: bytes) -> None:
        """Where a contract is created there is no storage to delete: no contract ever ends under our rules."""

    def delete_account(self, address: bytes) -> None:
        """Remove an account without code or storage; contracts never end under our rules."""
        self.put(address, None)

    # ---------------------------------------------------------------- what a transaction has touched (EIP-2929)

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        return (address, slot) in self.warm

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        key = (address, slot)
        if key not in self.warm:
            self.undo.append((self.warm, key, ABSENT))
            self.warm[key] = True

    def is_address_warm(self, address: bytes) -> bool:
        return address in self.warm

    def mark_address_warm(self, address: bytes) -> None:
        if address not in self.warm:
            self.undo.append((self.warm, address, ABSENT))
            self.warm[address] = True
