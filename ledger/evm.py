"""The executor: one site's chain as a state machine, and the only way to the machines that run contracts.

    begin(timestamp)      a pending block on top of the head
    execute(transaction)  run it; a revert leaves no trace, a success joins the pending block
    follow(timestamp)     a further pending block on top of the pending one, which stays unsealed below
    seal(extra_data)      the finished header; state is written inside the caller's SQL transaction
    discard()             forget the pending block and believe the database again
    reexecute(...)        run a foreign block and compare its whole header

Contracts run on our own machine (`ledger.evm_machine`), which hands over to py-evm (`ledger.evm_engine`) what it does
not know; `py_evm` gives an executor that runs everything there, as an auditor may want. Both come to the same header.

The caller owns the SQL transaction. After any error or rollback it calls `discard`; `begin` also compares the head
in memory with the stored one, so that no block is ever built on a head which a rollback took back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from ledger import evm_machine, trie
from ledger.block import EMPTY_OMMERS, EMPTY_TRIE, GAS_LIMIT, Header, Log
from ledger.codec import Rlp, keccak256, rlp_encode, rlp_int
from ledger.db import Connection
from ledger.errors import Invalid, Rejected
from ledger.evm_transition import BlockContext, Machine, Message, run_transaction, run_view, words_of
from ledger.state import Account, Alloc, State, root_of
from ledger.state_journal import Journal
from ledger.transactions import parse

__all__ = ["Account", "Alloc", "ExecHead", "Executor", "Log", "Outcome", "Pending", "Sealed", "genesis", "py_evm"]

EXTRA_DATA_BYTES = 32
BLOOM_BYTES = 256
VIEW_GAS = 10_000_000
TIMESTAMP_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ExecHead:
    """The newest sealed block: hashes of 32 bytes, timestamp in seconds, header as RLP."""

    height: int
    hash: bytes
    state_root: bytes
    timestamp: int
    header: bytes


@dataclass(frozen=True, slots=True)
class Pending:
    """The open block: parent hash (none if that is unsealed), time in seconds, how many transactions, their gas."""

    height: int
    parent: bytes
    timestamp: int
    transactions: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did. `reason` is empty unless it was undone."""

    ok: bool
    gas_used: int
    logs: tuple[Log, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A finished block: header RLP, and the trie value of each receipt."""

    header: bytes
    receipts: tuple[bytes, ...]


@dataclass(slots=True)
class _Open:
    context: BlockContext
    journal: Journal
    transactions: list[bytes] = field(default_factory=list)
    receipts: list[bytes] = field(default_factory=list)
    gas_used: int = 0
    bloom: int = 0


def genesis(chain_id: int, timestamp: int, extra_data: bytes, alloc: Alloc | None = None) -> bytes:
    """The RLP of the header of block 0: a pure function of its arguments.

    The chain id is not in it; it is taken so that nobody makes a genesis without having settled it.
    """
    if chain_id <= 0:
        raise Rejected(f"chain id {chain_id}: expected a positive number")
    _check_extra_data(extra_data)
    return _header(bytes(32), root_of(alloc or {}), [], [], 0, 0, 0, timestamp, extra_data).encode()


class Executor:
    """One chain. Not for use by two threads at once."""

    def __init__(self, db: Connection, machine: Machine = evm_machine.run) -> None:
        self._db = db
        self._machine = machine
        self._state: State
        self._head: ExecHead
        self._open: _Open | None = None
        # Set while what was sealed may still be rolled back by the caller.
        self._unconfirmed = False
        self._load()

    @classmethod
    def create(
        cls,
        db: Connection,
        chain_id: int,
        header: bytes,
        alloc: Alloc | None = None,
        machine: Machine = evm_machine.run,
    ) -> Executor:
        """Make the tables and store the genesis block `header`, inside the caller's transaction.

        Raises `Invalid` when `header` is not the genesis that `chain_id` and `alloc` give.
        """
        given = Header.parse(header)
        _compare(header, genesis(chain_id, given.timestamp, given.extra_data, alloc))
        State.create(db, chain_id, header, alloc or {})
        return cls(db, machine)

    @classmethod
    def open(cls, db: Connection, machine: Machine = evm_machine.run) -> Executor:
        """The chain stored in `db`; raises `Corrupt` when there is none."""
        return cls(db, machine)

    def inherit(self, chain_id: int, header: bytes) -> None:
        """Become a later incarnation: `header` is its genesis, and every account stays as it is at the head.

        Raises `Invalid` unless the genesis has the head's state root. Writes in the caller's transaction.
        """
        given = Header.parse(header)
        if given.state_root != self.head.state_root:
            raise Invalid(
                f"the genesis names the state root {given.state_root.hex()}, the accounts that it inherits have "
                f"{self._head.state_root.hex()}"
            )
        self.discard()
        self._state.inherit(chain_id, header)
        self._load()

    @property
    def chain_id(self) -> int:
        return self._state.chain_id

    @property
    def head(self) -> ExecHead:
        self._confirm()
        return self._head

    @property
    def pending(self) -> Pending | None:
        block = self._open
        if block is None:
            return None
        context = block.context
        parent = self._head.hash if context.height == self._head.height + 1 else b""
        return Pending(context.height, parent, context.timestamp, len(block.transactions), block.gas_used)

    def begin(self, timestamp: int) -> None:
        """Open the next block at `timestamp` (seconds), which every contract then reads as the time."""
        if self._open is not None:
            raise Rejected(f"block {self._open.context.height} is open already; seal or discard it first")
        self._unconfirmed = True
        self._confirm()
        if not self._head.timestamp < timestamp <= TIMESTAMP_MAX:
            raise Rejected(f"time {timestamp} does not follow the parent's {self._head.timestamp}")
        self._open = _Open(self._context(timestamp), Journal(self._state))

    def follow(self, timestamp: int) -> None:
        """Open the block after the pending one, on what that has done, although it is not sealed.

        Such a block can be executed and viewed, not sealed: seal the one below first, from its own transactions. What
        they do is the same then, because nothing that a contract of a site reads depends on the hash of a parent. An
        empty pending block is replaced.
        """
        below = self._opened()
        if not below.context.timestamp < timestamp <= TIMESTAMP_MAX and below.transactions:
            raise Rejected(f"time {timestamp} does not follow the parent's {below.context.timestamp}")
        height = below.context.height + (1 if below.transactions else 0)
        context = BlockContext(self._state.chain_id, height, timestamp, self._state.ancestor)
        self._open = _Open(context, below.journal)

    def execute(self, transaction: bytes) -> Outcome:
        """Run one raw transaction on the pending state.

        A reverted one is undone completely and enters nothing. Raises `Rejected` when it cannot run at all:
        malformed, another chain, another nonce, more gas than the block has left.
        """
        block = self._opened()
        try:
            tx = parse(transaction)
        except Invalid as error:
            raise Rejected(f"this transaction cannot run: {error}") from error
        if tx.chain_id != self._state.chain_id:
            raise Rejected(f"this transaction is for chain {tx.chain_id}, this is chain {self._state.chain_id}")
        if block.gas_used + tx.gas > GAS_LIMIT:
            raise Rejected(
                f"this transaction's {tx.gas} gas does not fit after the block's {block.gas_used} of {GAS_LIMIT}"
            )
        try:
            ran = run_transaction(self._machine, block.journal, block.context, tx)
        except Rejected as error:
            raise Rejected(f"this transaction cannot run: {error}") from error
        if not ran.result.ok:
            return Outcome(False, ran.gas_used, (), words_of(ran.result))
        block.gas_used += ran.gas_used
        logs = tuple(Log(*log) for log in ran.result.logs)
        bloom = bloom_of(logs)
        block.bloom |= bloom
        block.transactions.append(transaction)
        block.receipts.append(encode_receipt(block.gas_used, bloom, logs))
        return Outcome(True, ran.gas_used, logs, "")

    def view(self, to: bytes, data: bytes, sender: bytes = bytes(20), gas: int = VIEW_GAS) -> bytes:
        """What the contract at `to` answers, on the pending state if a block is open; raises `Rejected` on revert.
        What it changes is undone."""
        self._confirm()
        block = self._open or _Open(self._context(self._head.timestamp + 1), Journal(self._state))
        message = Message(sender, to, data, block.journal.get_code(to), gas)
        result = run_view(self._machine, block.journal, block.context, message)
        if not result.ok:
            raise Rejected(words_of(result))
        return result.output

    def nonce(self, address: bytes) -> int:
        """The next nonce of `address`, pending transactions counted."""
        return self._journal().get_nonce(address)

    def code(self, address: bytes) -> bytes:
        """The code at `address`, no bytes if none."""
        return self._journal().get_code(address)

    def alloc(self) -> Alloc:
        """Every account at the head, from which a later incarnation's genesis is made."""
        self._confirm()
        return self._state.alloc()

    def seal(self, extra_data: bytes) -> Sealed:
        """Finish the pending block and write its state inside the caller's transaction; the head moves."""
        _check_extra_data(extra_data)
        block = self._opened()
        if block.context.height != self._head.height + 1:
            raise Rejected(f"block {block.context.height} stands on one that is not sealed yet")
        if not self._db.in_transaction:
            raise Rejected("sealing writes the state; begin a database transaction first")
        context = block.context
        # Until the caller commits, the database may still forget what memory knows from here on.
        self._unconfirmed = True
        root = self._state.apply(block.journal.changes())
        header = _header(
            self._head.hash, root, block.transactions, block.receipts, block.bloom, context.height, block.gas_used,
            context.timestamp, extra_data,
        )  # fmt: skip
        raw = header.encode()
        self._head = ExecHead(context.height, keccak256(raw), root, context.timestamp, raw)
        self._state.write(raw, context.height, self._head.hash)
        self._open = None
        return Sealed(raw, tuple(block.receipts))

    def reexecute(self, header: bytes, transactions: Sequence[bytes], extra_data: bytes) -> Sealed:
        """Run the block `header` with `transactions` on the head, and write its state in the caller's transaction.

        Raises `Invalid` naming what differs: a transaction that cannot run or reverts, or a field of the header.
        The caller then rolls back and discards.
        """
        given = Header.parse(header)
        try:
            self.begin(given.timestamp)
            for index, transaction in enumerate(transactions):
                outcome = self.execute(transaction)
                if not outcome.ok:
                    raise Invalid(f"transaction {index} of the block reverts: {outcome.reason}")
            sealed = self.seal(extra_data)
        except Rejected as error:
            raise Invalid(f"the block does not follow from its parent: {error}") from error
        _compare(header, sealed.header)
        return sealed

    def discard(self) -> None:
        """Forget the pending block and believe the database again."""
        self._open = None
        self._unconfirmed = True
        self._confirm()

    def _confirm(self) -> None:
        """Make sure that memory is what the database says, wherever a rollback could have come between them."""
        if self._unconfirmed and self._open is None:
            if not self._state.is_stored:
                self._load()
            self._unconfirmed = self._db.in_transaction

    def _load(self) -> None:
        self._state = State(self._db)
        raw = self._state.header
        head = Header.parse(raw)
        self._head = ExecHead(head.height, keccak256(raw), head.state_root, head.timestamp, raw)

    def _opened(self) -> _Open:
        if self._open is None:
            raise Rejected("no block is open; begin one first")
        return self._open

    def _journal(self) -> Journal:
        self._confirm()
        return self._open.journal if self._open is not None else Journal(self._state)

    def _context(self, timestamp: int) -> BlockContext:
        return BlockContext(self._state.chain_id, self._head.height + 1, timestamp, self._state.ancestor)


def py_evm() -> Machine:
    """The other machine, for who wants a second opinion: some ten times slower, half a second to load."""
    from ledger import evm_engine

    return evm_engine.run


def bloom_of(logs: Sequence[Log]) -> int:
    """The 2,048 bit filter over addresses and topics (yellow paper, 4.3.1)."""
    bloom = 0
    for value in {part for log in logs for part in (log.address, *log.topics)}:
        digest = keccak256(value)
        for at in (0, 2, 4):
            bloom |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 2047)
    return bloom


def encode_receipt(gas_used: int, bloom: int, logs: Sequence[Log]) -> bytes:
    """The trie value of the receipt of a successful type 2 transaction; `gas_used` counts from the block's start."""
    entries: list[Rlp] = [[log.address, log.topics, log.data] for log in logs]
    return b"\x02" + rlp_encode([b"\x01", rlp_int(gas_used), bloom.to_bytes(BLOOM_BYTES, "big"), entries])


def _header(
    parent: bytes,
    state_root: bytes,
    transactions: Sequence[bytes],
    receipts: Sequence[bytes],
    bloom: int,
    height: int,
    gas_used: int,
    timestamp: int,
    extra_data: bytes,
) -> Header:
    """The 17 fields; the rule set fixes those that are not arguments."""
    return Header(
        parent=parent,
        ommers=EMPTY_OMMERS,
        coinbase=bytes(20),
        state_root=state_root,
        transactions_root=trie.root(transactions),
        receipts_root=trie.root(receipts),
        bloom=bloom.to_bytes(BLOOM_BYTES, "big"),
        difficulty=0,
        height=height,
        gas_limit=GAS_LIMIT,
        gas_used=gas_used,
        timestamp=timestamp,
        extra_data=extra_data,
        mix_hash=bytes(32),
        nonce=bytes(8),
        base_fee=0,
        withdrawals_root=EMPTY_TRIE,
    )


def _compare(given: bytes, ours: bytes) -> None:
    if given == ours:
        return
    theirs, mine = Header.parse(given), Header.parse(ours)
    for part in fields(Header):
        one, other = getattr(theirs, part.name), getattr(mine, part.name)
        if one != other:
            shown = [value.hex() if isinstance(value, bytes) else value for value in (one, other)]
            raise Invalid(f"the header's {part.name.replace('_', ' ')} is {shown[0]}, execution gives {shown[1]}")
    raise Invalid("the header is not written in its one canonical form")


def _check_extra_data(extra_data: bytes) -> None:
    if len(extra_data) != EXTRA_DATA_BYTES:
        raise Rejected(f"extra data has {len(extra_data)} bytes, expected {EXTRA_DATA_BYTES}")
