"""The executor: one site's chain as a state machine, and the only way to the engine (py-evm).

    begin(timestamp)      a pending block on top of the head
    execute(transaction)  run it; a revert leaves no trace, a success joins the pending block
    seal(extra_data)      the finished header; state is written inside the caller's SQL transaction
    discard()             forget the pending block and believe the database again
    reexecute(...)        run a foreign block and compare its whole header

The caller owns the SQL transaction. After any error or rollback it calls `discard`; `begin` also compares the head
in memory with the stored one, so that no block is ever built on a head which a rollback took back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth.exceptions import VMError
from eth.vm.chain_context import ChainContext
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.shanghai.transactions import ShanghaiTransactionBuilder
from eth.vm.message import Message
from eth_utils import ValidationError

from ledger import trie
from ledger.codec import keccak256, rlp_encode, rlp_int, rlp_list
from ledger.db import Connection
from ledger.errors import Corrupt, Invalid, Rejected
from ledger.evm_rules import GAS_LIMIT, RULE_SET, SiteState
from ledger.state import NodeTable, engine_store

EMPTY_ROOT = keccak256(b"\x80")
EMPTY_OMMERS = keccak256(b"\xc0")
EXTRA_DATA_BYTES = 32
BLOOM_BYTES = 256
VIEW_GAS = 10_000_000
TIMESTAMP_MAX = 2**63 - 1
HEADER_FIELDS = (
    "parent hash", "ommers hash", "coinbase", "state root", "transactions root", "receipts root", "bloom", "difficulty",
    "height", "gas limit", "gas used", "timestamp", "extra data", "mix hash", "nonce", "base fee", "withdrawals root",
)  # fmt: skip

SCHEMA = (
    """CREATE TABLE state_head (
        one INTEGER PRIMARY KEY CHECK (one = 1), chain_id INTEGER NOT NULL, rule_set TEXT NOT NULL, header BLOB NOT NULL
    ) STRICT""",
    "CREATE TABLE state_header (height INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT",
    "CREATE TABLE state_node (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
)


@dataclass(frozen=True, slots=True)
class Account:
    """One account of a genesis: storage maps slot to value, both unsigned 256 bit."""

    nonce: int = 0
    balance: int = 0
    code: bytes = b""
    storage: Mapping[int, int] = field(default_factory=dict)


Alloc = Mapping[bytes, Account]


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
    """The open block: parent hash, time in seconds, how many transactions, their gas."""

    height: int
    parent: bytes
    timestamp: int
    transactions: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class Log:
    """One event: contract address (20 bytes), topics (32 bytes each), data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


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
    height: int
    timestamp: int
    state: Any
    transactions: list[bytes] = field(default_factory=list)
    receipts: list[bytes] = field(default_factory=list)
    gas_used: int = 0
    bloom: int = 0


def genesis(chain_id: int, timestamp: int, extra_data: bytes, alloc: Alloc | None = None) -> bytes:
    """The RLP of the header of block 0: a pure function of its arguments."""
    _check_extra_data(extra_data)
    from ledger.db import memory

    db = memory()
    db.execute(SCHEMA[2])
    state_root = _write_alloc(db, chain_id, alloc or {})
    db.close()
    return encode_header(
        parent=bytes(32), state_root=state_root, transactions_root=EMPTY_ROOT, receipts_root=EMPTY_ROOT,
        bloom=0, height=0, gas_used=0, timestamp=timestamp, extra_data=extra_data,
    )  # fmt: skip


def encode_header(
    *,
    parent: bytes,
    state_root: bytes,
    transactions_root: bytes,
    receipts_root: bytes,
    bloom: int,
    height: int,
    gas_used: int,
    timestamp: int,
    extra_data: bytes,
) -> bytes:
    """The 17 fields of a header as canonical RLP, those that the rule set fixes included."""
    fields = [
        parent, EMPTY_OMMERS, bytes(20), state_root, transactions_root, receipts_root, bloom.to_bytes(BLOOM_BYTES, "big"),
        b"", rlp_int(height), rlp_int(GAS_LIMIT), rlp_int(gas_used), rlp_int(timestamp), extra_data, bytes(32), bytes(8),
        b"", EMPTY_ROOT,
    ]  # fmt: skip
    return rlp_encode(fields)


class Executor:
    """One chain. Not for use by two threads at once."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._nodes = NodeTable(db)
        self._open: _Open | None = None
        self._load()

    @classmethod
    def create(cls, db: Connection, chain_id: int, header: bytes, alloc: Alloc | None = None) -> Executor:
        """Make the tables and store the genesis block `header`, inside the caller's transaction.

        Raises `Invalid` when `header` is not the genesis that `chain_id` and `alloc` give.
        """
        fields = _header_fields(header)
        expected = genesis(chain_id, _uint(fields[11]), fields[12], alloc)
        _compare(header, expected)
        for statement in SCHEMA:
            db.execute(statement)
        _write_alloc(db, chain_id, alloc or {})
        db.execute("INSERT INTO state_head VALUES (1, ?, ?, ?)", (chain_id, RULE_SET, header))
        db.execute("INSERT INTO state_header VALUES (0, ?)", (keccak256(header),))
        return cls(db)

    @classmethod
    def open(cls, db: Connection) -> Executor:
        """The chain stored in `db`; raises `Corrupt` when there is none."""
        return cls(db)

    @property
    def chain_id(self) -> int:
        return self._chain_id

    @property
    def head(self) -> ExecHead:
        return self._head

    @property
    def pending(self) -> Pending | None:
        block = self._open
        if block is None:
            return None
        return Pending(block.height, self._head.hash, block.timestamp, len(block.transactions), block.gas_used)

    def begin(self, timestamp: int) -> None:
        """Open the next block at `timestamp` (seconds), which every contract then reads as the time."""
        if self._open is not None:
            raise Rejected(f"block {self._open.height} is open already; seal or discard it first")
        if self._stored_header() != self._head.header:
            self._load()
        if not self._head.timestamp < timestamp <= TIMESTAMP_MAX:
            raise Rejected(f"time {timestamp} does not follow the parent's {self._head.timestamp}")
        self._open = _Open(self._head.height + 1, timestamp, self._state_at(timestamp))

    def execute(self, transaction: bytes) -> Outcome:
        """Run one raw transaction on the pending state.

        A reverted one is undone completely and enters nothing. Raises `Rejected` when it cannot run at all: malformed,
        another chain, another nonce, more gas than the block has left.
        """
        block = self._open
        if block is None:
            raise Rejected("no block is open; begin one first")
        try:
            tx = ShanghaiTransactionBuilder().decode(transaction)
            if getattr(tx, "type_id", None) != 2:
                raise ValidationError("not a type 2 transaction")
            if tx.chain_id != self._chain_id:
                raise ValidationError(f"it is for chain {tx.chain_id}, this is {self._chain_id}")
            if tx.max_fee_per_gas or tx.max_priority_fee_per_gas:
                raise ValidationError("it offers a fee, the fee is always 0")
            if block.gas_used + tx.gas > GAS_LIMIT:
                raise ValidationError(f"{tx.gas} gas does not fit after the block's {block.gas_used} of {GAS_LIMIT}")
            if tx.gas < tx.intrinsic_gas:
                raise ValidationError(f"{tx.gas} gas is less than its size costs")
            tx.validate()
            sender = tx.sender
        except Exception as error:
            raise Rejected(f"this transaction cannot run: {error}") from error
        state = block.state
        state.lock_changes()
        snapshot = state.snapshot()
        try:
            computation = state.apply_transaction(tx)
        except ValidationError as error:
            state.revert(snapshot)
            raise Rejected(f"this transaction of 0x{sender.hex()} cannot run: {error}") from error
        gas_left = computation.get_gas_remaining()
        gas_used = tx.gas - gas_left - min(computation.get_gas_refund(), (tx.gas - gas_left) // 5)
        if computation.is_error:
            state.revert(snapshot)
            return Outcome(False, gas_used, (), _reason(computation))
        state.commit(snapshot)
        logs = tuple(
            Log(address, tuple(topic.to_bytes(32, "big") for topic in topics), bytes(data))
            for address, topics, data in computation.get_log_entries()
        )
        block.gas_used += gas_used
        bloom = bloom_of(logs)
        block.bloom |= bloom
        block.transactions.append(transaction)
        block.receipts.append(encode_receipt(block.gas_used, bloom, logs))
        return Outcome(True, gas_used, logs, "")

    def view(self, to: bytes, data: bytes, sender: bytes = bytes(20)) -> bytes:
        """What the contract at `to` answers, on the pending state if a block is open; raises `Rejected` on revert."""
        block = self._open
        state = block.state if block is not None else self._state_at(self._head.timestamp + 1)
        state.lock_changes()
        snapshot = state.snapshot()
        try:
            message = Message(gas=VIEW_GAS, to=to, sender=sender, value=0, data=data, code=state.get_code(to))
            context = state.get_transaction_context_class()(gas_price=0, origin=sender)
            computation = state.computation_class.apply_message(state, message, context)
        finally:
            state.revert(snapshot)
        if computation.is_error:
            raise Rejected(_reason(computation))
        return bytes(computation.output)

    def nonce(self, address: bytes) -> int:
        """The next nonce of `address`, pending transactions counted."""
        state = self._open.state if self._open is not None else self._state_at(self._head.timestamp + 1)
        return int(state.get_nonce(address))

    def code(self, address: bytes) -> bytes:
        """The code at `address`, empty if none."""
        state = self._open.state if self._open is not None else self._state_at(self._head.timestamp + 1)
        return bytes(state.get_code(address))

    def seal(self, extra_data: bytes) -> Sealed:
        """Finish the pending block and write its state inside the caller's transaction; the head moves."""
        _check_extra_data(extra_data)
        block = self._open
        if block is None:
            raise Rejected("no block is open; begin one first")
        if not self._db.in_transaction:
            raise Rejected("sealing writes state; begin a database transaction first")
        block.state.persist()
        header = encode_header(
            parent=self._head.hash, state_root=block.state.state_root,
            transactions_root=trie.root(block.transactions), receipts_root=trie.root(block.receipts),
            bloom=block.bloom, height=block.height, gas_used=block.gas_used, timestamp=block.timestamp,
            extra_data=extra_data,
        )  # fmt: skip
        self._nodes.flush()
        self._db.execute("UPDATE state_head SET header = ?", (header,))
        self._db.execute("INSERT INTO state_header VALUES (?, ?)", (block.height, keccak256(header)))
        self._head = _head_of(header)
        self._open = None
        return Sealed(header, tuple(block.receipts))

    def reexecute(self, header: bytes, transactions: Sequence[bytes], extra_data: bytes) -> Sealed:
        """Run the block `header` with `transactions` on the head, and write its state in the caller's transaction.

        Raises `Invalid` naming what differs: a transaction that cannot run or reverts, or a field of the header.
        The caller then rolls back and discards.
        """
        fields = _header_fields(header)
        try:
            self.begin(_uint(fields[11]))
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
        """Forget the pending block and read the head from the database again."""
        self._open = None
        self._nodes = NodeTable(self._db)
        self._load()

    def _load(self) -> None:
        row = self._db.execute("SELECT chain_id, rule_set, header FROM state_head").fetchone()
        if row is None:
            raise Corrupt("the database holds no chain; it was not created completely")
        if row[1] != RULE_SET:
            raise Corrupt(f"the chain follows the rule set {row[1]!r}, this program knows {RULE_SET!r}")
        self._chain_id = int(row[0])
        self._head = _head_of(bytes(row[2]))

    def _stored_header(self) -> bytes:
        row = self._db.execute("SELECT header FROM state_head").fetchone()
        return bytes(row[0]) if row is not None else b""

    def _state_at(self, timestamp: int) -> Any:
        height = self._head.height + 1
        context = ExecutionContext(
            coinbase=bytes(20), timestamp=timestamp, block_number=height, difficulty=0, mix_hash=bytes(32),
            gas_limit=GAS_LIMIT, prev_hashes=self._ancestors(height), chain_id=ChainContext(self._chain_id).chain_id,
            base_fee_per_gas=0,
        )  # fmt: skip
        return SiteState(engine_store(self._nodes), context, self._head.state_root)

    def _ancestors(self, height: int) -> list[bytes]:
        query = "SELECT hash FROM state_header WHERE height < ? ORDER BY height DESC LIMIT 256"
        return [bytes(row[0]) for row in self._db.execute(query, (height,))]


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
    entries = [[log.address, list(log.topics), log.data] for log in logs]
    return b"\x02" + rlp_encode([b"\x01", rlp_int(gas_used), bloom.to_bytes(BLOOM_BYTES, "big"), entries])


def _write_alloc(db: Connection, chain_id: int, alloc: Alloc) -> bytes:
    nodes = NodeTable(db)
    context = ExecutionContext(bytes(20), 0, 0, 0, bytes(32), GAS_LIMIT, [], chain_id, 0)
    state: Any = SiteState(engine_store(nodes), context, EMPTY_ROOT)
    for address, account in sorted(alloc.items()):
        if len(address) != 20:
            raise Rejected(f"the genesis account 0x{address.hex()} has no address of 20 bytes")
        state.set_nonce(address, account.nonce)
        state.set_balance(address, account.balance)
        if account.code:
            state.set_code(address, account.code)
        for slot, value in account.storage.items():
            state.set_storage(address, slot, value)
    state.persist()
    nodes.flush()
    return bytes(state.state_root)


def _reason(computation: Any) -> str:
    error, output = computation.error, bytes(computation.output)
    if output[:4] == bytes.fromhex("08c379a0") and len(output) >= 68:
        size = int.from_bytes(output[36:68], "big")
        return output[68 : 68 + min(size, 1024)].decode("utf-8", "replace")
    if output[:4] == bytes.fromhex("4e487b71") and len(output) == 36:
        return f"panic {int.from_bytes(output[4:], 'big'):#x}"
    if output:
        return f"reverted with 0x{output[:64].hex()}"
    name = type(error).__name__
    return (
        "reverted without a reason"
        if name == "Revert"
        else f"{name}: {error}"
        if isinstance(error, VMError)
        else name
    )


def _head_of(header: bytes) -> ExecHead:
    fields = _header_fields(header)
    return ExecHead(_uint(fields[8]), keccak256(header), fields[3], _uint(fields[11]), header)


def _header_fields(header: bytes) -> list[bytes]:
    return rlp_list(header, len(HEADER_FIELDS))


def _compare(given: bytes, ours: bytes) -> None:
    if given == ours:
        return
    for name, theirs, mine in zip(HEADER_FIELDS, _header_fields(given), _header_fields(ours), strict=True):
        if theirs != mine:
            raise Invalid(f"the header's {name} is 0x{theirs.hex()}, execution gives 0x{mine.hex()}")
    raise Invalid("the header is not written canonically")


def _uint(raw: bytes) -> int:
    if raw[:1] == b"\0" or len(raw) > 8:
        raise Invalid(f"0x{raw.hex()} is not a header number")
    return int.from_bytes(raw, "big")


def _check_extra_data(extra_data: bytes) -> None:
    if len(extra_data) != EXTRA_DATA_BYTES:
        raise Rejected(f"extra data has {len(extra_data)} bytes, expected {EXTRA_DATA_BYTES}")
