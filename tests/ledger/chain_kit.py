"""A real small chain for tests: real contracts, executor, keys and logs, driven as a node drives them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ledger import calls, chain, checkpoint, control, db, deployment, evm, merkle, receipt
from ledger.block import Block, EvmReceipt, Header, Meta, document_hash, signing_bytes
from ledger.calls import Call
from ledger.chain import Draft, Head, Identity, Link, Operation, Sealed
from ledger.codec import keccak256
from ledger.documents import Document
from ledger.ids import Actor, OpId, Origin
from ledger.keys import SigningKey, TxKey
from ledger.merkle import MemoryLog, leaf_hash
from ledger.moves import Line
from ledger.receipt import Anchor, LogProof, Receipt
from ledger.transactions import sign

ORIGIN = Origin("acme", "oslo", 1)
NODE, CONTROL_KEY, STRANGER = TxKey(b"\x11" * 32), TxKey(b"\x12" * 32), TxKey(b"\x13" * 32)
SITE_KEY, HUB_KEY, OTHER_KEY = SigningKey(b"\x21" * 32), SigningKey(b"\x22" * 32), SigningKey(b"\x23" * 32)
KEY = SITE_KEY.verify_key
IDENTITY = Identity.first(ORIGIN, NODE.address, CONTROL_KEY.address)
START_S = 1_700_000_000
ANN, BOB = Actor(b"\xa1" * 32), Actor(b"\xb0" * 32)
EVERYTHING = 1 + 2 + 4 + 8 + 16 + 32 + 128  # all stock roles
APPROVE = 64
DOCUMENT = Document(occurred_ms=START_S * 1000, business_date="2023-11-14").encode()


def op(number: int) -> OpId:
    return OpId(number.to_bytes(16, "big"))


def line(quantity: int = 1, item: str = "BOLT", source: str = "SUPPLIER", target: str = "A-01") -> Line:
    return Line(item=item, quantity=quantity, source=source, target=target)


@dataclass
class Site:
    """One site: its chain, the blocks it made, its log, and what waits in the pending block."""

    connection: db.Connection
    executor: evm.Executor
    head: Head
    blocks: list[Block]
    links: list[Link]
    receipts: list[tuple[bytes, ...]]
    log: MemoryLog
    waiting: list[Operation]
    drafts: list[Draft]
    sequence: int = 0
    key: SigningKey = SITE_KEY
    node: TxKey = NODE

    @classmethod
    def new(cls, identity: Identity = IDENTITY, key: SigningKey = SITE_KEY) -> Site:
        """A chain at its genesis, nothing deployed."""
        genesis = chain.seal_genesis(identity, key, START_S)
        connection = db.memory()
        with db.transaction(connection):
            executor = evm.Executor.create(connection, identity.origin.chain_id, genesis.block.header)
        log = MemoryLog([leaf_hash(genesis.head.hash)])
        return cls(connection, executor, genesis.head, [genesis.block], [genesis], [()], log, [], [])

    def send(self, to: bytes | None, data: bytes, gas: int, document: bytes = b"", key: TxKey | None = None) -> None:
        """Execute a transaction on the pending block; it must succeed."""
        if self.executor.pending is None:
            self.executor.begin(self.head.timestamp + 1)
        key = key or self.node
        raw = sign(key, self.head.origin.chain_id, self.executor.nonce(key.address), to, data, gas)
        outcome = self.executor.execute(raw)
        if not outcome.ok:
            raise AssertionError(f"the transaction reverts: {outcome.reason}")
        self.waiting.append(Operation(raw, document))

    def call(self, op_id: OpId, call: Call, document: bytes = b"") -> None:
        """Execute a call of ours."""
        to = self.head.identity.contracts.of(call.CONTRACT)
        self.send(to, call.encode(op_id), calls.gas_limit(call), document)

    def act(self, number: int, call: Any, document: bytes = DOCUMENT) -> OpId:
        """Execute a person's call with its document; answers its op_id."""
        self.call(op(number), replace(call, document=document_hash(document)), document)
        return op(number)

    def control(self, payload: Any) -> OpId:
        """Execute the hub's next control record."""
        self.sequence += 1
        record = control.ControlRecord.make(str(self.head.origin), self.sequence, payload)
        digest = record.digest(self.head.origin.chain_id, self.head.identity.contracts.registry)
        signature = CONTROL_KEY.sign_digest(digest).raw
        self.call(record.op_id(signature), record.call(signature))
        return record.op_id(signature)

    def deploy(self) -> Sealed:
        """Block 1."""
        identity = self.head.identity
        for code in deployment.init_codes(identity.origin, identity.control_key, identity.node):
            self.send(None, code, calls.GAS_DEPLOY)
        return self.seal()

    def furnish(self) -> Sealed:
        """Block 2: items, locations and a person who may do everything but approve."""
        tracking = {"BOLT": control.TRACK_NONE, "PAINT": control.TRACK_LOT}
        items = tuple(
            control.Item(item=name, tracking=kind, unit="pc", decimals=0) for name, kind in tracking.items()
        )
        self.control(control.ItemsPayload(items=items))
        bins = tuple(control.Location(location=name, kind=control.BIN) for name in ("A-01", "A-02"))
        self.control(control.LocationsPayload(locations=bins))
        person = control.PersonPayload(
            actor=ANN,
            roles=EVERYTHING,
            activation=keccak256(bytes(32)),
            valid_from=0,
            valid_until=2**40,
        )
        self.control(person)
        return self.seal()

    def seal(self, flags: int = 0, quality: int = 1) -> Sealed:
        """The pending block, signed and committed."""
        meta = chain.next_meta(self.head, self.waiting, clock_quality=quality, hub_seen=None, flags=flags)
        with db.transaction(self.connection):
            sealed = chain.seal(self.head, self.executor, self.waiting, meta, self.key, self.drafts.append)
        self.head = sealed.head
        self.blocks.append(sealed.block)
        self.links.append(sealed.link)
        self.receipts.append(sealed.receipts)
        self.log.append(leaf_hash(sealed.head.hash))
        self.waiting = []
        return sealed

    def site_proof(self, height: int, key: SigningKey | None = None) -> LogProof:
        """That block `height` is in the site's log as it is now."""
        key = key or self.key
        size = self.head.log.size
        note = checkpoint.sign(self.head.checkpoint, key)
        path = merkle.inclusion_path(height, size, self.log.read)
        return LogProof(note, key.verify_key.raw, height, size, path)


def hub_proof(note: bytes, index: int, size: int, key: SigningKey = HUB_KEY) -> LogProof:
    """That a site's note is leaf `index` of a hub log of `size` leaves; the other leaves are invented."""
    log = MemoryLog(leaf_hash(note if at == index else b"other %d" % at) for at in range(size))
    signed = checkpoint.sign(checkpoint.Checkpoint(ORIGIN.hub, size, log.frontier.root()), key)
    return LogProof(signed, key.verify_key.raw, index, size, merkle.inclusion_path(index, size, log.read))


def anchor_of(hub: LogProof) -> Anchor:
    root = checkpoint.Note.parse(hub.checkpoint).checkpoint.root
    return Anchor(1337, b"\xc0" * 20, b"\xdd" * 32, 95, 0, hub.size, root)


def receipt_of(
    site: Site, height: int, index: int, *, hub: LogProof | None = None, anchored: bool = False
) -> Receipt:
    """The receipt of one operation as a site would hand it out now."""
    block = site.blocks[height]
    parsed = site.links[height].transactions[index]
    proof = site.site_proof(height)
    if anchored and hub is None:
        hub = hub_proof(proof.checkpoint, 5, 13)
    return receipt.build(
        origin=site.head.origin,
        op_id=OpId(parsed.data[4:20]),
        block=block,
        tx_index=index,
        receipts=site.receipts[height],
        key=site.key.verify_key,
        site=proof,
        hub=hub,
        anchor=anchor_of(hub) if hub and anchored else None,
    )


def resigned(block: Block, header: Header | None = None, meta: Meta | None = None, **parts: Any) -> Block:
    """A block with changed parts, its hashes put right and signed by the site: only the change itself is wrong."""
    header = header or Header.parse(block.header)
    if meta is not None:
        header = replace(header, extra_data=document_hash(meta.encode()))
        parts["meta"] = meta.encode()
    if "transactions" in parts:
        from ledger import trie

        header = replace(header, transactions_root=trie.root(parts["transactions"]))
    signature = SITE_KEY.sign(signing_bytes(ORIGIN, header.height, header.hash))
    return replace(block, header=header.encode(), signature=signature, **parts)


@cache
def furnished() -> Site:
    """A shared site of seven blocks: genesis, deployment, furniture, goods coming in and moving. Do not change it."""
    site = Site.new()
    site.deploy()
    site.furnish()
    for number in range(1, 5):
        site.act(number * 10, calls.Receive(actor=ANN, lines=(line(50), line(number))))
        for more in range(1, number):
            site.act(number * 10 + more, calls.Move(actor=ANN, lines=(line(1, source="A-01", target="A-02"),)))
        site.seal()
    return site


def outcome(site: Site, height: int, index: int) -> EvmReceipt:
    return EvmReceipt.parse(site.receipts[height][index])
