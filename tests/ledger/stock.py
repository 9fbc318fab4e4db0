"""Stock py-evm as a judge: its own chain classes over plain nodes keyed by hash, with our rule set in its terms.

Nothing of ours runs below this line except the two rules that the engine cannot be told by parameters: gas limit and
base fee are constant, in the making of a header and in its validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import rlp
from eth.chains.base import MiningChain
from eth.consensus.noproof import NoProofConsensus
from eth.db.atomic import AtomicDB
from eth.db.backends.base import BaseDB
from eth.vm.forks.shanghai import ShanghaiVM
from eth.vm.forks.shanghai.blocks import ShanghaiBlock, ShanghaiBlockHeader
from eth.vm.forks.shanghai.transactions import ShanghaiTransactionBuilder
from eth_utils import ValidationError

import ledger.evm_engine  # noqa: F401  (defers an expensive import of the engine; must come before it)
from ledger.block import GAS_LIMIT
from ledger.db import Connection
from ledger.state import Alloc


class StockVM(ShanghaiVM):
    """Shanghai with a constant gas limit and base fee."""

    consensus_class = NoProofConsensus

    @staticmethod
    def create_header_from_parent(parent: Any, **given: Any) -> Any:
        if parent is None:
            return ShanghaiBlockHeader(**given)
        fields = {
            "parent_hash": parent.hash,
            "block_number": parent.block_number + 1,
            "timestamp": parent.timestamp + 1,
            "state_root": parent.state_root,
            "difficulty": 0,
            "gas_limit": GAS_LIMIT,
            "base_fee_per_gas": 0,
            "nonce": bytes(8),
        }
        return ShanghaiBlockHeader(**{**fields, **given})

    @classmethod
    def validate_gas(cls, header: Any, parent_header: Any) -> None:
        if (header.gas_limit, header.base_fee_per_gas) != (GAS_LIMIT, 0):
            raise ValidationError(f"gas limit {header.gas_limit}, base fee {header.base_fee_per_gas}")


class NodeTable(BaseDB):
    """The engine's nodes in one SQLite table, written when `flush` is called: as one would use py-evm on its own."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.unwritten: dict[bytes, bytes] = {}
        connection.execute(
            "CREATE TABLE IF NOT EXISTS node (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
        )

    def __getitem__(self, key: bytes) -> bytes:
        if key in self.unwritten:
            return self.unwritten[key]
        row = self.connection.execute("SELECT value FROM node WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return bytes(row[0])

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.unwritten[key] = value

    def __delitem__(self, key: bytes) -> None:
        self.unwritten.pop(key, None)

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[bytes]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def flush(self) -> None:
        self.connection.executemany("INSERT OR REPLACE INTO node VALUES (?, ?)", list(self.unwritten.items()))
        self.unwritten.clear()


def chain(chain_id: int, genesis: bytes, alloc: Alloc, nodes: Any = None) -> Any:
    """A fresh stock chain at the genesis whose header is `genesis`."""
    kind = MiningChain.configure(__name__="StockChain", vm_configuration=((0, StockVM),), chain_id=chain_id)
    header = rlp.decode(genesis, sedes=ShanghaiBlockHeader)
    state = {
        address: {
            "balance": account.balance,
            "nonce": account.nonce,
            "code": account.code,
            "storage": dict(account.storage),
        }
        for address, account in alloc.items()
    }
    params = {name: value for name, value in header.as_dict().items() if name != "hash"}
    return kind.from_genesis(AtomicDB(nodes) if nodes is not None else AtomicDB(), params, state)


def transactions(raws: Sequence[bytes]) -> list[Any]:
    return [ShanghaiTransactionBuilder().decode(raw) for raw in raws]


def import_block(stock: Any, header: bytes, raws: Sequence[bytes]) -> Any:
    """Let the stock chain execute and validate a block; it raises `ValidationError` unless every field is right."""
    block = ShanghaiBlock(rlp.decode(header, sedes=ShanghaiBlockHeader), transactions(raws), [], [])
    return stock.import_block(block)


def mine(stock: Any, raws: Sequence[bytes], timestamp: int, extra_data: bytes) -> bytes:
    """Let the stock chain make a block; the RLP of its header."""
    result, _, _ = stock.mine_all(transactions(raws), timestamp=timestamp, extra_data=extra_data)
    return rlp.encode(result.imported_block.header)
