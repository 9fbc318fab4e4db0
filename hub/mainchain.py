"""The main chain that anchors go to: the only door to web3 and eth-tester. Both are imported when first needed.

`MainChain` is what anchoring asks for. Two real implementations: `RpcChain` speaks JSON-RPC to the company's
permissioned chain; `EmbeddedChain` is a whole development chain inside the hub. The engine of the latter lives in
memory, so its file keeps the genesis parameters and, for each block, the raw transactions, time and mix hash, and a
start replays them to the same hashes. One process owns that file (the hub's folder lock).

No call here retries. Whether a lost answer meant "done" is for the caller to find out by asking again.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ledger import db
from ledger.clock import Clock
from ledger.codec import cbor_decode, cbor_encode, keccak256, rlp_decode, rlp_uint
from ledger.errors import Corrupt, Rejected, Unavailable
from ledger.seams import Random, failpoint
from ledger.wording import shown

GAS_LIMIT = 30_000_000
FUNDS_WEI = 10**27
# What nodes say when the very same transaction is known already; for us that is success.
_KNOWN = ("already known", "already imported", "known transaction", "alreadyknown")
_NONCES = re.compile(r"nonce: Expected (\d+), but got (\d+)")
_NONCE_LOW = ("nonce too low", "nonce_too_low", "invalid nonce", "oldnonce")


class NonceUsed(Rejected):
    """The transaction's nonce belongs to the past: it, or another with the same nonce, is in a block."""


@dataclass(frozen=True, slots=True)
class Log:
    """One event of a mined transaction."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    index: int
    tx_hash: bytes
    block_number: int
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block; `ok` is False when it was reverted. `contract` is what it created, if anything."""

    ok: bool
    block_number: int
    block_hash: bytes
    contract: bytes | None
    logs: tuple[Log, ...]


class MainChain(Protocol):
    """What anchoring needs of a chain. Raises Unavailable when there is no answer, Rejected when it says no."""

    def chain_id(self) -> int: ...

    def genesis_hash(self) -> bytes: ...

    def height(self) -> int:
        """The number of the newest block."""

    def block_hash(self, number: int) -> bytes | None:
        """The hash of the block at that height now, or None when there is none."""

    def code(self, address: bytes) -> bytes: ...

    def nonce(self, address: bytes) -> int:
        """How many transactions of `address` are in blocks; what waits in a pool does not count."""

    def call(self, to: bytes, data: bytes) -> bytes:
        """A view call on the newest block."""

    def send(self, raw: bytes) -> None:
        """Hand over a signed transaction; the very same one again is fine. NonceUsed when its nonce is past."""

    def mined(self, tx_hash: bytes) -> Mined | None:
        """What became of a transaction, or None while it is in no block."""

    def logs(self, address: bytes, topics: list[bytes]) -> list[Log]:
        """Every event of `address` whose first topics are these."""

    def close(self) -> None: ...


class Web3Chain:
    """The questions, by web3, to whatever provider there is."""

    def __init__(self, web3: Any, caller: bytes | None = None) -> None:
        self._web3 = web3
        # The embedded engine charges even a view call to somebody.
        self._caller = {} if caller is None else {"from": self._text(caller)}

    def chain_id(self) -> int:
        with _translated():
            return _number(self._web3.eth.chain_id)

    def genesis_hash(self) -> bytes:
        found = self.block_hash(0)
        if found is None:
            raise Unavailable("the main chain has no block 0: it is still starting")
        return found

    def height(self) -> int:
        with _translated():
            return _number(self._web3.eth.block_number)

    def block_hash(self, number: int) -> bytes | None:
        from web3.exceptions import BlockNotFound

        with _translated():
            try:
                return bytes(self._web3.eth.get_block(number)["hash"])
            except BlockNotFound:
                return None

    def code(self, address: bytes) -> bytes:
        with _translated():
            return bytes(self._web3.eth.get_code(self._text(address)))

    def nonce(self, address: bytes) -> int:
        with _translated():
            return _number(self._web3.eth.get_transaction_count(self._text(address), "latest"))

    def call(self, to: bytes, data: bytes) -> bytes:
        with _translated():
            asked = {"to": self._text(to), "data": "0x" + data.hex(), **self._caller}
            return bytes(self._web3.eth.call(asked, "latest"))

    def mined(self, tx_hash: bytes) -> Mined | None:
        from web3.exceptions import TransactionNotFound

        with _translated():
            try:
                receipt = self._web3.eth.get_transaction_receipt("0x" + tx_hash.hex())
            except TransactionNotFound:
                return None
            if receipt is None or receipt["blockNumber"] is None:
                return None
            created = receipt.get("contractAddress")
            return Mined(
                ok=_number(receipt["status"]) == 1,
                block_number=_number(receipt["blockNumber"]),
                block_hash=bytes(receipt["blockHash"]),
                contract=_address(created) if created else None,
                logs=tuple(_log(entry) for entry in receipt["logs"]),
            )

    def logs(self, address: bytes, topics: list[bytes]) -> list[Log]:
        wanted = {
            "address": self._text(address),
            "topics": ["0x" + topic.hex() for topic in topics],
            "fromBlock": 0,
            "toBlock": "latest",
        }
        with _translated():
            return [_log(entry) for entry in self._web3.eth.get_logs(wanted)]

    def _text(self, address: bytes) -> str:
        return str(self._web3.to_checksum_address("0x" + address.hex()))


class RpcChain(Web3Chain):
    """A chain reached by JSON-RPC over HTTP."""

    def __init__(self, url: str, timeout_ms: int) -> None:
        from web3 import HTTPProvider, Web3
        from web3.middleware import ExtraDataToPOAMiddleware

        provider = HTTPProvider(
            url, request_kwargs={"timeout": timeout_ms / 1000}, exception_retry_configuration=None
        )
        web3 = Web3(provider)
        # Permissioned chains keep their validators' seals in extra_data, beyond the 32 bytes of the public rules.
        web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        super().__init__(web3)

    def send(self, raw: bytes) -> None:
        from web3.exceptions import Web3RPCError

        with _translated():
            try:
                self._web3.eth.send_raw_transaction("0x" + raw.hex())
            except Web3RPCError as error:
                words = error.message.lower()
                if any(known in words for known in _KNOWN):
                    return
                if any(low in words for low in _NONCE_LOW):
                    raise NonceUsed(f"the main chain says: {error.message}") from error
                raise Rejected(f"the main chain refuses the transaction: {error.message}") from error

    def close(self) -> None:
        """Connections are closed with their pool."""


class EmbeddedChain(Web3Chain):
    """A development chain in a file of its own: final at once, without fees that matter, and with a fixed history."""

    STEPS = (
        """CREATE TABLE genesis(parameters BLOB NOT NULL) STRICT;
        CREATE TABLE blocks(
            number INTEGER PRIMARY KEY, hash BLOB NOT NULL, time_s INTEGER NOT NULL, mix BLOB NOT NULL,
            transactions BLOB NOT NULL
        ) STRICT;""",
    )

    def __init__(self, connection: db.Connection, clock: Clock, random: Random) -> None:
        db.migrate(connection, self.STEPS)
        self._connection = connection
        self._clock = clock
        self._random = random
        self._lock = threading.RLock()
        self._replay()

    @classmethod
    def create(cls, path: Path, *, chain_id: int, funded: bytes, clock: Clock, random: Random) -> EmbeddedChain:
        """A new chain whose genesis gives the address `funded` more than enough; refuses an existing file."""
        connection = db.create(path)
        db.migrate(connection, cls.STEPS)
        parameters = {"chain_id": chain_id, "time_s": clock.now_ms() // 1000, "funded": funded}
        with db.transaction(connection):
            connection.execute("INSERT INTO genesis VALUES (?)", (cbor_encode(parameters),))
        return cls(connection, clock, random)

    @classmethod
    def open(cls, path: Path, *, clock: Clock, random: Random) -> EmbeddedChain:
        """The chain in `path`, replayed; Corrupt when it does not give the hashes that were noted."""
        return cls(db.open_writer(path), clock, random)

    def chain_id(self) -> int:
        # The provider answers with eth-tester's own constant whatever the chain's id is.
        with self._lock:
            return int(self._engine.chain.chain_id)

    def send(self, raw: bytes) -> None:
        with self._lock:
            if self.mined(keccak256(raw)) is not None:
                return
            # The engine does not look at the chain id of a typed transaction; every real chain does.
            if raw[:1] == b"\x02" and rlp_uint(rlp_decode(raw[1:])[0]) != self.chain_id():
                raise Rejected(f"the transaction is for another chain: this one is {self.chain_id()}")
            newest = self._engine.chain.get_canonical_head()
            time_s = max(self._clock.now_ms() // 1000, newest.timestamp + 1)
            mix = self._random.bytes(32)
            try:
                number, block_hash = self._mine([raw], time_s, mix)
                with db.transaction(self._connection):
                    self._connection.execute(
                        "INSERT INTO blocks VALUES (?, ?, ?, ?, ?)",
                        (number, block_hash, time_s, mix, cbor_encode([raw])),
                    )
            except BaseException:
                # The engine in memory may hold a block that the file does not: only the file counts.
                self._replay()
                raise
        failpoint("mainchain.mined")

    def close(self) -> None:
        self._connection.close()

    def _replay(self) -> None:
        from eth_tester import EthereumTester, PyEVMBackend
        from eth_tester.backends.pyevm.main import ParisVM, get_default_genesis_params
        from web3 import Web3
        from web3.providers.eth_tester import EthereumTesterProvider

        row = self._connection.execute("SELECT parameters FROM genesis").fetchone()
        if row is None:
            raise Rejected("the embedded main chain was never created: `tallyman hub init` makes it")
        parameters = cbor_decode(row[0])
        account = {"balance": FUNDS_WEI, "storage": {}, "code": b"", "nonce": 0}
        self._engine = PyEVMBackend(
            genesis_parameters=get_default_genesis_params(
                {"timestamp": parameters["time_s"], "gas_limit": GAS_LIMIT}
            ),
            genesis_state={parameters["funded"]: account},
            vm_configuration=((0, ParisVM),),
        )
        type(self._engine.chain).chain_id = parameters["chain_id"]
        history = db.rows(self._connection, "SELECT * FROM blocks ORDER BY number")
        for block in history:
            found = self._mine(cbor_decode(block["transactions"]), block["time_s"], block["mix"])
            if found != (block["number"], block["hash"]):
                raise Corrupt(
                    f"the embedded main chain gives block {found[0]} as {found[1].hex()}: "
                    f"{block['number']} {block['hash'].hex()} was noted"
                )
        tester = EthereumTester(backend=self._engine, auto_mine_transactions=False)
        super().__init__(Web3(EthereumTesterProvider(tester)), parameters["funded"])

    def _mine(self, transactions: list[bytes], time_s: int, mix: bytes) -> tuple[int, bytes]:
        chain = self._engine.chain
        # The time is part of what a contract may read, so it is set before anything is executed.
        chain.header = chain.header.copy(timestamp=time_s)
        for raw in transactions:
            try:
                self._engine.send_raw_transaction(raw)
            except Exception as error:  # the engine has no one class for a transaction it does not take
                nonces = _NONCES.search(str(error))
                if nonces and int(nonces[1]) > int(nonces[2]):
                    raise NonceUsed(f"the embedded main chain says: {error}") from error
                raise Rejected(f"the embedded main chain refuses the transaction: {error}") from error
        block = chain.mine_block(coinbase=bytes(20), mix_hash=mix)
        return int(block.number), bytes(block.hash)


def _log(entry: Any) -> Log:
    return Log(
        address=_address(entry["address"]),
        topics=tuple(bytes(topic) for topic in entry["topics"]),
        data=_bytes(entry["data"]),
        index=_number(entry["logIndex"]),
        tx_hash=bytes(entry["transactionHash"]),
        block_number=_number(entry["blockNumber"]),
        block_hash=bytes(entry["blockHash"]),
    )


def _bytes(value: Any) -> bytes:
    return bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else bytes(value)


def _address(value: Any) -> bytes:
    return _bytes(value)


def _number(value: Any) -> int:
    """A number of the main chain, 256 bits at most. Raises ValueError for anything else."""
    if type(value) is not int or not 0 <= value < 1 << 256:
        raise ValueError("a number that cannot be")
    return value


@contextmanager
def _translated() -> Iterator[None]:
    from web3.exceptions import ContractLogicError, Web3Exception

    try:
        yield
    except ContractLogicError as error:
        raise Rejected(f"the main chain's contract says no: {error}") from error
    except (Web3Exception, OSError) as error:
        # `requests` raises OSError for everything between us and the node: no answer says nothing about the outcome.
        raise Unavailable(f"the main chain does not answer: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        # web3 takes every answer apart as a main chain's: what it cannot take apart came from something else.
        raise Unavailable(f"what answers is no main chain: {shown(str(error))}") from error
