"""P7: bytes on the wire for one line, against deflate over the raw lines of the same blocks.

The work is a receipt of goods by hand scanner: documents of 20 lines, 5 to a block. Codes, lots, op_ids, keys,
signatures and hashes are as incompressible as in life; each line's SKU and bin is one that a person would meet.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from hashlib import sha256

from ledger import calls, documents, trie
from ledger.block import EMPTY_OMMERS, EMPTY_TRIE, GAS_LIMIT, Block, Header, Meta, signing_bytes
from ledger.codec import keccak256
from ledger.deployment import addresses
from ledger.ids import SUPPLIER, Actor, OpId, Origin
from ledger.keys import SigningKey, TxKey
from ledger.transactions import sign
from sync import lean
from sync.bundle import BUNDLE_BYTES_MAX, make_bundle
from sync.packing import pack_blocks
from tests.bench.row import Row

PROMISES = ("P7",)
ORIGIN = Origin("acme", "oslo", 1)
LINES = 20
DOCUMENTS = 5
BLOCKS = 40


class Site:
    """Seals blocks of made-up receipts: everything as on a real chain except that nothing executes."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._node = TxKey(self._bytes(32))
        self._key = SigningKey(self._bytes(32))
        self._manager = addresses(self._node.address).manager
        self._people = [Actor(self._bytes(32)) for _ in range(6)]
        self._skus = [f"{self._random.choice('ABCKLMT')}{number:05d}" for number in range(2000)]
        self._bins = [f"A-{row:02d}-{bay:02d}-{level}" for row in range(8) for bay in range(20) for level in range(3)]
        self._nonce = 4
        self._read = 1000
        self.lines: list[calls.Line] = []
        self.parent = lean.Parent(1, self._bytes(32), 1_700_000_000)

    def blocks(self, count: int) -> Iterator[tuple[Block, lean.Parent]]:
        for _ in range(count):
            parent = self.parent
            yield self._seal(), parent

    def _seal(self) -> Block:
        made = [self._receipt() for _ in range(DOCUMENTS)]
        meta = Meta(
            str(ORIGIN), self.parent.height + 1, "site-shanghai-1", 0, 0, (900, self._bytes(32)), 0, self._manager
        ).encode()
        transactions = [raw for raw, _ in made]
        header = Header(
            parent=self.parent.hash,
            ommers=EMPTY_OMMERS,
            coinbase=bytes(20),
            state_root=self._bytes(32),
            transactions_root=trie.root(transactions),
            receipts_root=self._bytes(32),
            bloom=self._bloom(),
            difficulty=0,
            height=self.parent.height + 1,
            gas_limit=GAS_LIMIT,
            gas_used=self._random.randrange(5_000_000, 9_000_000),
            timestamp=self.parent.timestamp + self._random.randrange(15, 90),
            extra_data=sha256(meta).digest(),
            mix_hash=bytes(32),
            nonce=bytes(8),
            base_fee=0,
            withdrawals_root=EMPTY_TRIE,
        )
        signature = self._key.sign(signing_bytes(ORIGIN, header.height, header.hash))
        self.parent = lean.Parent(header.height, header.hash, header.timestamp)
        return Block(header.encode(), tuple(transactions), meta, signature, tuple(raw for _, raw in made))

    def _receipt(self) -> tuple[bytes, bytes]:
        lines = tuple(self._line() for _ in range(LINES))
        self.lines += lines
        first, self._read = self._read, self._read + LINES
        document = documents.Document(
            occurred_ms=1_700_000_000_000 + self._nonce * 61_237,
            business_date="2026-11-22",
            scans=self._bytes(32),
            reads=tuple(range(first, self._read)),
            references={"delivery-note": f"LS{self._random.randrange(10**6):06d}"},
        ).encode()
        call = calls.Receive(
            actor=self._random.choice(self._people), document=documents.digest(document), lines=lines
        )
        data = call.encode(OpId(self._bytes(16)))
        raw = sign(self._node, ORIGIN.chain_id, self._nonce, self._manager, data, calls.gas_limit(call))
        self._nonce += 1
        return raw, document

    def _line(self) -> calls.Line:
        item = self._skus[min(int(self._random.paretovariate(0.9)), len(self._skus)) - 1]
        lot = f"L{self._random.randrange(400):04d}" if self._random.random() < 0.3 else ""
        quantity = self._random.choice((1, 2, 6, 12, 24, 48, self._random.randrange(1, 300)))
        return calls.Line(
            item=item, lot=lot, quantity=quantity, source=SUPPLIER, target=self._random.choice(self._bins)
        )

    def _bloom(self) -> bytes:
        """As full as one event a line makes it: three bits for each of its item, op_id and signature."""
        bits = 0
        for line in self.lines[-LINES * DOCUMENTS :]:
            for topic in (line.item.encode(), line.target.encode(), b"Moved"):
                digest = keccak256(topic)
                for at in (0, 2, 4):
                    bits |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 2047)
        return bits.to_bytes(256, "big")

    def _bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


def raw_lines(lines: list[calls.Line]) -> bytes:
    """What a plain export of the same lines would send: text, one line each."""
    return "\n".join(
        f"{line.item};{line.lot};{line.serial};{line.status};{line.quantity};{line.source};{line.target}"
        for line in lines
    ).encode()


def rows() -> list[Row]:
    """The bar is for everything a hub needs to check signatures and to execute again, frames and end included."""
    site = Site(7)
    made = list(site.blocks(BLOCKS))
    count = len(site.lines)
    sent = [frame for _, frame in pack_blocks(2, [lean.encode(block, parent) for block, parent in made])]
    wire = len(make_bundle(sent, BUNDLE_BYTES_MAX))
    plain = len(zlib.compress(raw_lines(site.lines), 9))
    return [
        Row(
            promise="P7",
            what=f"wire bytes a line, {LINES}-line documents, {DOCUMENTS} to a block",
            ours=wire / count,
            theirs=plain / count,
            unit="B",
            peer="zlib of the lines as text, unsigned",
            bar=30,
            absolute=True,
        )
    ]
