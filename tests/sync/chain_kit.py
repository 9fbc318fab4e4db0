"""Chains for tests of the exchange: signed and linked like real ones, with roots that nobody executed.

The hub's receiving end judges bytes and never executes; real execution is in the tests of whole cycles.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from hashlib import sha256

from ledger import calls, chain, checkpoint, deployment, documents, trie
from ledger.block import EMPTY_OMMERS, EMPTY_TRIE, GAS_LIMIT, RULE_SET, Block, Header, Meta, signing_bytes
from ledger.block_rules import Identity
from ledger.checkpoint import Checkpoint
from ledger.ids import SUPPLIER, Actor, OpId, Origin
from ledger.keys import SigningKey, TxKey
from ledger.transactions import sign


class Seeded:
    """Repeatable bytes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self.random.randbytes(count)


@dataclass
class Chain:
    """A site's chain with its keys. `fork()` gives a copy that goes on by itself, as a cloned disk would."""

    origin: Origin
    key: SigningKey
    transaction_key: TxKey
    control_address: bytes
    chance: Seeded
    links: list[chain.Link] = field(default_factory=list)

    @classmethod
    def new(cls, site: str, control_address: bytes, seed: int = 1) -> Chain:
        chance = Seeded(seed)
        return cls(
            Origin("acme", site, 1), SigningKey.generate(chance), TxKey.generate(chance), control_address, chance
        )

    @property
    def identity(self) -> Identity:
        return Identity.first(self.origin, self.transaction_key.address, self.control_address)

    @property
    def blocks(self) -> list[Block]:
        return [link.block for link in self.links]

    @property
    def size(self) -> int:
        return len(self.links)

    @property
    def head(self) -> bytes:
        return self.links[-1].head.hash if self.links else b""

    def found(self, not_before_s: int = 1_700_000_000) -> Chain:
        """Genesis and the block that creates the contracts."""
        self.links.append(chain.seal_genesis(self.identity, self.key, not_before_s))
        codes = deployment.init_codes(self.origin, self.control_address, self.transaction_key.address)
        transactions = [
            sign(self.transaction_key, self.origin.chain_id, nonce, None, code, calls.GAS_DEPLOY)
            for nonce, code in enumerate(codes)
        ]
        self._seal(transactions, [b""] * len(transactions))
        return self

    def grow(self, count: int = 1, documents_each: int = 1) -> Chain:
        """So many more blocks of receipts of goods."""
        for _ in range(count):
            made = [self._receive() for _ in range(documents_each)]
            self._seal([raw for raw, _ in made], [document for _, document in made])
        return self

    def fork(self, size: int | None = None, seed: int = 99) -> Chain:
        """The same keys and the first `size` blocks, with another future."""
        other = copy.copy(self)
        other.links = self.links[: self.size if size is None else size]
        other.chance = Seeded(seed)
        return other

    def note(self, size: int | None = None) -> bytes:
        """The signed checkpoint at `size`."""
        link = self.links[(self.size if size is None else size) - 1]
        return checkpoint.sign(link.head.checkpoint, self.key)

    def checkpoint(self, size: int) -> Checkpoint:
        return self.links[size - 1].head.checkpoint

    def _receive(self) -> tuple[bytes, bytes]:
        sent = sum(len(link.block.transactions) for link in self.links) + len(self._waiting)
        document = documents.Document(
            occurred_ms=1_700_000_000_000 + sent, business_date="2026-11-22", scans=self.chance.bytes(32)
        ).encode()
        line = calls.Line(item=f"SKU-{sent % 7}", quantity=sent + 1, source=SUPPLIER, target="A-01-01")
        call = calls.Receive(
            actor=Actor(bytes(31) + b"\x07"), document=documents.digest(document), lines=(line, line)
        )
        data = call.encode(OpId(self.chance.bytes(16)))
        manager = self.links[-1].head.manager
        raw = sign(self.transaction_key, self.origin.chain_id, sent, manager, data, calls.gas_limit(call))
        self._waiting.append(raw)
        return raw, document

    _waiting: list[bytes] = field(default_factory=list)

    def _seal(self, transactions: list[bytes], attached: list[bytes]) -> None:
        before = self.links[-1].head
        meta = Meta(str(self.origin), before.height + 1, RULE_SET, 0, 1, None, 0, before.manager).encode()
        header = Header(
            parent=before.hash,
            ommers=EMPTY_OMMERS,
            coinbase=bytes(20),
            state_root=self.chance.bytes(32),
            transactions_root=trie.root(transactions),
            receipts_root=self.chance.bytes(32),
            bloom=bytes(256),
            difficulty=0,
            height=before.height + 1,
            gas_limit=GAS_LIMIT,
            gas_used=100_000,
            timestamp=before.timestamp + 1 + self.chance.random.randrange(60),
            extra_data=sha256(meta).digest(),
            mix_hash=bytes(32),
            nonce=bytes(8),
            base_fee=0,
            withdrawals_root=EMPTY_TRIE,
        )
        signature = self.key.sign(signing_bytes(self.origin, header.height, header.hash))
        block = Block(header.encode(), tuple(transactions), meta, signature, tuple(attached))
        self.links.append(chain.link(before, block, self.key.verify_key))
        self._waiting = []
