"""A whole hub in a folder, and real sites for it: real contracts, executor, keys, bundles and control records."""

from __future__ import annotations

import atexit
import random
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from hub import founding
from hub.hub import Hub
from ledger import calls, chain, checkpoint, control, db, deployment
from ledger.block import Block, document_hash
from ledger.block_rules import Identity
from ledger.calls import Accepted, Adjust, Approval, ApprovedCall, Call, Compared, Counted, Line
from ledger.chain import Link, Operation
from ledger.checkpoint import Checkpoint
from ledger.clock import ManualClock
from ledger.documents import Document
from ledger.evm import Executor
from ledger.ids import CUSTOMER, SHRINKAGE, SUPPLIER, Actor, OpId, Origin
from ledger.keys import SigningKey, TxKey
from ledger.people import activation_code
from ledger.seams import DiskStorage
from sync.enrolment import Certificate, Code, make_request, read_answer
from tests.sync.hub_kit import Direct, Node

START_MS = 1_800_000_000_000
DOCUMENT = Document(occurred_ms=START_MS, business_date="2027-01-15").encode()
ITEMS = (
    b"sku,name,gtin,base_unit,tracking,pack_qty,cost_minor,currency,decimals\n"
    b"BOLT,Bolt M8,4006381333931,pc,none,1,10,EUR,0\n"
    b"BOLT,,5012345678900,,,12,,,\n"
    b"PAINT,White paint,,l,lot,1,500,EUR,0\n"
    b"DRILL,Drill,,pc,serial,1,9900,EUR,0\n"
)
ROLES = ("COUNT", "RECEIVE", "MOVE", "ISSUE", "ADJUST", "HOLD", "TRANSFER")


class Seeded:
    """Repeatable bytes: one seed, one history."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


def found_hub(folder: Path, *, deploy: bool = False, **values: Any) -> None:
    """`tallyman hub init`, with repeatable keys. Those without wishes are alike: copies of the first one's folder."""
    if deploy or values:
        _found(folder, deploy, values)
    else:
        shutil.copytree(_alike(), folder, dirs_exist_ok=True)


@cache
def _alike() -> Path:
    place = Path(tempfile.mkdtemp(prefix="tallyman-hub-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    _found(place / "hub", False, {})
    return place / "hub"


def _found(folder: Path, deploy: bool, values: Mapping[str, Any]) -> None:
    clock, storage = ManualClock(START_MS), DiskStorage()
    wanted = {"web.announce": False, **values}
    founding.found(folder, "acme", clock, Seeded(1), storage, values=wanted, deploy=deploy)


def open_hub(folder: Path, clock: ManualClock | None = None, seed: int = 2) -> Hub:
    return Hub.open(folder, clock or ManualClock(START_MS), Seeded(seed))


@dataclass
class SiteChain:
    """A site's chain as its node would make it."""

    origin: Origin
    key: SigningKey
    transaction_key: TxKey
    control_address: bytes
    clock: ManualClock
    links: list[Link] = field(default_factory=list)
    waiting: list[Operation] = field(default_factory=list)
    certificate: Certificate | None = None

    @property
    def identity(self) -> Identity:
        if self.certificate is not None:
            return self.certificate.chain
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

    def note(self, size: int | None = None) -> bytes:
        return checkpoint.sign(self.checkpoint(self.size if size is None else size), self.key)

    def checkpoint(self, size: int) -> Checkpoint:
        return self.links[size - 1].head.checkpoint

    def found(self) -> None:
        """Genesis and the contracts."""
        genesis = chain.seal_genesis(self.identity, self.key, self.clock.now_ms() // 1000)
        self.connection = db.memory()
        with db.transaction(self.connection):
            self.executor = Executor.create(self.connection, self.origin.chain_id, genesis.block.header)
        self.links.append(genesis)
        for code in deployment.init_codes(self.origin, self.control_address, self.transaction_key.address):
            self.send(None, code, calls.GAS_DEPLOY)
        self.seal()

    def go_on(self, old: SiteChain, size: int) -> None:
        """Genesis of a later incarnation on the first `size` blocks of another chain, and the rebase in block 1."""
        assert self.certificate is not None and self.certificate.continued is not None
        state = db.memory()
        with db.transaction(state):
            executor = Executor.create(state, old.origin.chain_id, old.blocks[0].header)
            for accepted in chain.replay(old.links[0].head, old.blocks[1:size], executor, old.key.verify_key):
                assert accepted.head.height < size
        genesis = chain.seal_genesis(self.identity, self.key, self.certificate.not_before_s)
        with db.transaction(state):
            executor.inherit(self.origin.chain_id, genesis.block.header)
        self.connection, self.executor = state, executor
        self.links.append(genesis)
        node = self.transaction_key.address
        rebase = calls.Rebase(origin=str(self.origin), node=node, signature=self.certificate.continued.rebase)
        self.call(control.rebase_op_id(str(self.origin), node), rebase)
        self.seal()

    def send(self, to: bytes | None, data: bytes, gas: int, document: bytes = b"") -> None:
        if self.executor.pending is None:
            self.executor.begin(max(self.clock.now_ms() // 1000, self.links[-1].head.timestamp + 1))
        key = self.transaction_key
        raw = chain_sign(key, self.origin.chain_id, self.executor.nonce(key.address), to, data, gas)
        outcome = self.executor.execute(raw)
        if not outcome.ok:
            raise AssertionError(f"the transaction reverts: {outcome.reason}")
        self.waiting.append(Operation(raw, document))

    def call(self, op_id: OpId, call: Call, document: bytes = b"") -> None:
        self.send(self.identity.contracts.of(call.CONTRACT), call.encode(op_id), calls.gas_limit(call), document)

    def seal(self) -> Block:
        with db.transaction(self.connection):
            meta = chain.next_meta(self.links[-1].head, self.waiting, clock_quality=1, hub_seen=None)
            sealed = chain.seal(self.links[-1].head, self.executor, self.waiting, meta, self.key, lambda _: None)
        self.links.append(sealed.link)
        self.waiting = []
        return sealed.block


def chain_sign(key: TxKey, chain_id: int, nonce: int, to: bytes | None, data: bytes, gas: int) -> bytes:
    from ledger.transactions import sign

    return sign(key, chain_id, nonce, to, data, gas)


@dataclass
class Person:
    actor: Actor
    key: TxKey


class Site:
    """A site with people, delivering to a hub by real exchanges."""

    def __init__(self, hub: Hub, name: str, clock: ManualClock, seed: int = 7) -> None:
        self.hub = hub
        self.name = name
        self.chance = Seeded(seed)
        self.people: dict[str, Person] = {}
        self.applied = 0
        self.ops = 0
        code = hub.enrol(name)
        self.chain = SiteChain(
            Origin.parse(code.origin),
            SigningKey.generate(self.chance),
            TxKey.generate(self.chance),
            hub.keys.control.address,
            clock,
        )
        request = make_request(code, self.chain.key, self.chain.transaction_key)
        read_answer(hub.redeem(request), code, request)
        self.chain.found()
        self.node = Node(self.chain)  # type: ignore[arg-type]
        self.node.__class__ = type("KeyedNode", (Node,), {"hub_key": hub.keys.log.verify_key})

    @classmethod
    def of(cls, hub: Hub, code: Code, old: Site, clock: ManualClock, seed: int = 8) -> Site:
        """The site's next incarnation, enrolled with `code` and founded on what the hub has of `old`."""
        site = cls.__new__(cls)
        site.hub, site.name, site.chance = hub, old.name, Seeded(seed)
        site.people, site.applied, site.ops = dict(old.people), 0, 0
        key, transaction_key = SigningKey.generate(site.chance), TxKey.generate(site.chance)
        site.chain = SiteChain(Origin.parse(code.origin), key, transaction_key, old.chain.control_address, clock)
        request = make_request(code, key, transaction_key)
        site.chain.certificate = read_answer(hub.redeem(request), code, request)
        if site.chain.certificate.continued is None:
            site.chain.found()
        else:
            site.chain.go_on(old.chain, site.chain.certificate.continued.previous.height + 1)
        site.node = Node(site.chain)  # type: ignore[arg-type]
        site.node.__class__ = type("KeyedNode", (Node,), {"hub_key": hub.keys.log.verify_key})
        return site

    @property
    def origin(self) -> str:
        return str(self.chain.origin)

    def sync(self, transport: Any | None = None) -> None:
        """Exchange until nothing more moves up, then put new control records on chain (unsealed)."""
        self.node.sync(transport or Direct(self.hub))  # type: ignore[arg-type]
        self.apply_controls()

    def apply_controls(self) -> int:
        table: Mapping[str, Any] = self.node.tables.get("control", {})
        before = self.applied
        while str(self.applied + 1) in table:
            entry = table[str(self.applied + 1)]
            record = control.ControlRecord.decode(entry["record"])
            self.chain.call(record.op_id(entry["signature"]), record.call(entry["signature"]))
            self.applied += 1
        return self.applied - before

    def furnish(self, bins: tuple[str, ...] = ("A-01", "A-02"), person: str = "ann", approver: str = "bob") -> None:
        """Locations and two people, by the hub's own records, sealed and delivered."""
        self.hub.add_locations(self.name, bins)
        codes = {
            login: self.hub.add_person(self.name, f"{login}.{self.name}", login.title(), roles)
            for login, roles in ((person, ROLES), (approver, ("APPROVE",)))
        }
        self.hub.settle()
        self.sync()
        for login, added in codes.items():
            self.people[login] = Person(Actor.parse(added.actor), TxKey.generate(self.chance))
            bind = calls.Bind(
                actor=self.people[login].actor, key=self.people[login].key.address, code=activation_code(added.code)
            )
            self.chain.call(self.new_op(), bind)
        self.chain.seal()
        self.sync()

    def new_op(self) -> OpId:
        return OpId(self.chance.bytes(16))

    def act(
        self, call: Any, by: str = "ann", signer: str = "", op_id: OpId | None = None, at_ms: int = START_MS,
        **said: Any,
    ) -> OpId:  # fmt: skip
        """Execute a person's call, done at `at_ms`; an approved one is signed by `signer`; `said`: more of its
        document. Answers its op_id."""
        op_id = op_id or self.new_op()
        document = Document(occurred_ms=at_ms, business_date="2027-01-15", **said).encode()
        call = replace(call, actor=self.people[by].actor, document=document_hash(document))
        if isinstance(call, ApprovedCall):
            person = self.people[signer or by]
            digest = call.digest(
                self.chain.origin.chain_id, self.chain.identity.contracts.manager, op_id, person.actor
            )
            made = person.key.sign_digest(digest)
            approval = Approval(actor=person.actor, v=made.v, r=made.raw[:32], s=made.raw[32:64])
            call = calls.with_approval(call, approval)
        self.chain.call(op_id, call, document)
        return op_id

    def deliver(self) -> None:
        self.chain.seal()
        self.sync()

    # ------------------------------------------------------------ the warehouse's words

    def receive(
        self,
        quantity: int,
        item: str = "BOLT",
        target: str = "A-01",
        lot: str = "",
        serial: str = "",
        op_id: OpId | None = None,
    ) -> OpId:
        line = _line(quantity, item, SUPPLIER, target, lot, serial)
        return self.act(calls.Receive(actor=NOBODY, lines=(line,)), op_id=op_id)

    def move(self, quantity: int, source: str, target: str, item: str = "BOLT", serial: str = "") -> OpId:
        return self.act(calls.Move(actor=NOBODY, lines=(_line(quantity, item, source, target, serial=serial),)))

    def adjust(self, quantity: int, source: str, item: str = "BOLT", serial: str = "") -> OpId:
        return self.act(
            Adjust(actor=NOBODY, lines=(_line(quantity, item, source, SHRINKAGE, serial=serial),)), signer="bob"
        )

    def count(
        self, bin_: str, *lines: tuple[str, int], session: OpId | None = None, round_: int = 0, at_ms: int = START_MS,
        whole: bool = True,
    ) -> OpId:  # fmt: skip
        opened = int.from_bytes(self._view("changes_of", bin_), "big")
        return self.act(
            calls.RecordCount(
                actor=NOBODY,
                session=session or self.new_op(),
                bin=bin_,
                round=round_,
                opened=opened,
                whole=whole,
                scans=bytes(32),
                lines=tuple(Counted(item=item, counted=counted) for item, counted in lines),
            ),
            at_ms=at_ms,
        )

    def post(self, count: OpId, session: OpId, bin_: str, *lines: tuple[str, int, int], round_: int = 0) -> OpId:
        compared = tuple(Compared(item=item, counted=counted, expected=expected) for item, counted, expected in lines)
        return self.act(
            calls.PostCount(
                actor=NOBODY,
                count=count,
                session=session,
                bin=bin_,
                round=round_,
                counter=self.people["ann"].actor,
                stable=True,
                lines=compared,
                select=(1 << len(lines)) - 1,
            ),
            signer="bob",
        )

    def dispatch(
        self, receiver: str, *lines: tuple[str, int], source: str = "A-01", op_id: OpId | None = None,
        units: tuple[str, ...] = (),
    ) -> OpId:  # fmt: skip
        moved = tuple(_line(quantity, item, source, "IN_TRANSIT") for item, quantity in lines)
        return self.act(calls.Dispatch(actor=NOBODY, receiver=receiver, lines=moved), op_id=op_id, units=units)

    def accept(
        self, transfer: OpId, sender: str, *lines: tuple[int, str, int, int], target: str = "A-01", **said: Any
    ) -> OpId:
        rows = tuple(
            Accepted(index=index, item=item, quantity=quantity, missing=missing, target=target)
            for index, item, quantity, missing in lines
        )
        return self.act(calls.AcceptTransfer(actor=NOBODY, transfer=transfer, sender=sender, lines=rows), **said)

    def _view(self, name: str, text: str) -> bytes:
        from ledger.codec import keccak256
        from ledger.ids import text_to_word

        if self.chain.executor.pending is None:
            self.chain.executor.begin(max(self.chain.clock.now_ms() // 1000, self.chain.links[-1].head.timestamp + 1))
        data = keccak256(f"{name}(bytes32)".encode())[:4] + text_to_word(text)
        return self.chain.executor.view(self.chain.identity.contracts.manager, data)


NOBODY = Actor(b"\xff" * 32)
assert CUSTOMER  # re-exported for tests


def _line(quantity: int, item: str, source: str, target: str, lot: str = "", serial: str = "") -> Line:
    return Line(item=item, lot=lot, serial=serial, quantity=quantity, source=source, target=target)


def tables(hub: Hub, *names: str) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of tables without what depends on when something ran."""
    found = {}
    with hub.store.read() as session:
        for name in names:
            rows = session.all(f"SELECT * FROM {name}")
            found[name] = sorted(
                (tuple(value for key, value in row.items() if not key.endswith("_ms")) for row in rows), key=repr
            )
    return found
