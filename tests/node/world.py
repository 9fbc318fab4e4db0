"""A real node for tests: real keys, contracts, chain and database, with a hub's keys held by the test."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger import control, db
from ledger.calls import Move, Receive
from ledger.clock import ManualClock
from ledger.codec import keccak256
from ledger.control import ControlRecord
from ledger.documents import Document
from ledger.ids import Actor, OpId, Origin
from ledger.keys import SigningKey, TxKey
from ledger.moves import Line
from ledger.seams import DiskStorage
from node import control as controls
from node import founding, identity, store, streams
from node.config import NodeConfig
from node.identity import NodeIdentity
from node.site import Recorded, Site
from sync.enrolment import Certificate

HUB_KEY, CONTROL_KEY = SigningKey(b"\x22" * 32), TxKey(b"\x12" * 32)
START_MS = 1_700_000_000_000
ANN, BOB = Actor(b"\xa1" * 32), Actor(b"\xb0" * 32)
STOCK = 1 + 2 + 4 + 8 + 16 + 32 + 128  # every stock role but APPROVE
APPROVE = 64
ITEMS = {"BOLT": control.TRACK_NONE, "PAINT": control.TRACK_LOT, "DRILL": control.TRACK_SERIAL}
BINS = ("A-01", "A-02", "DOCK")


class CountingRandom:
    """Random bytes that are the same in each run."""

    def __init__(self, seed: int = 1) -> None:
        self._numbers = itertools.count(seed << 32)

    def bytes(self, count: int) -> bytes:
        raw = b"".join(keccak256(next(self._numbers).to_bytes(16, "big")) for _ in range(count // 32 + 1))
        return raw[:count]


@dataclass
class World:
    """One site in `folder`, with what its hub would send."""

    folder: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(START_MS))
    name: str = "oslo"
    random: CountingRandom = field(default_factory=CountingRandom)
    sequence: int = 0

    def init(self) -> NodeConfig:
        return identity.init(self.folder, self.name, self.random, DiskStorage())

    @property
    def config(self) -> NodeConfig:
        from node.config import load

        return load(self.folder)

    def certify(self) -> Certificate:
        """What the hub would certify about the keys in the folder."""
        keys = identity.load_keys(self.config)
        origin = Origin("acme", self.name, 1)
        return Certificate(
            str(origin),
            origin.hub,
            HUB_KEY.verify_key,
            CONTROL_KEY.address,
            keys.block.verify_key,
            keys.transaction.address,
            0,
            START_MS // 1000,
        ).signed(HUB_KEY)

    @property
    def identity(self) -> NodeIdentity:
        return NodeIdentity.of(self.certify())

    def enrol(self) -> None:
        connection = store.open_writer(self.folder)
        try:
            certified = identity.remember(connection, self.certify())
            keys = identity.load_keys(self.config)
            founding.found(self.folder, connection, certified, keys, DiskStorage(), self.clock.now_ms())
        finally:
            connection.close()

    def open(self, config: NodeConfig | None = None) -> Site:
        config = config or self.config
        keys = identity.load_keys(config)
        connection = store.open_reader(self.folder)
        certified = identity.require(connection, config, keys)
        connection.close()
        return Site.open(config, certified, keys, self.clock, DiskStorage())

    def control_entry(self, payload: Any) -> tuple[str, dict[str, bytes]]:
        """The hub's next control record as the stream carries it."""
        self.sequence += 1
        origin = Origin("acme", self.name, 1)
        record = ControlRecord.make(str(origin), self.sequence, payload)
        contracts = self.identity.contracts
        signature = CONTROL_KEY.sign_digest(record.digest(origin.chain_id, contracts.registry)).raw
        return str(self.sequence), {"record": record.record, "signature": signature}

    def send(self, site: Site, *payloads: Any) -> int:
        """Deliver control records and apply them."""
        with site.writing() as connection:
            for payload in payloads:
                streams.put(connection, "control", *self.control_entry(payload))
        return controls.apply_ready(site, 50)

    @staticmethod
    def furniture() -> tuple[Any, ...]:
        """What the hub tells a new site: items, bins, a worker and an approver."""
        items = tuple(control.Item(item=name, tracking=kind, unit="pc", decimals=0) for name, kind in ITEMS.items())
        bins = tuple(control.Location(location=name, kind=control.BIN) for name in BINS)
        return (
            control.ItemsPayload(items=items),
            control.LocationsPayload(locations=bins),
            person(ANN, STOCK),
            person(BOB, APPROVE),
        )

    def furnish(self, site: Site) -> None:
        """Items, bins and people, in a block."""
        assert self.send(site, *self.furniture()) == 4
        self.clock.advance(1_000)
        site.seal()

    def ready(self) -> Site:
        """From nothing to a furnished site."""
        self.init()
        self.enrol()
        site = self.open()
        self.furnish(site)
        return site


def person(actor: Actor, roles: int) -> control.PersonPayload:
    return control.PersonPayload(
        actor=actor, roles=roles, activation=keccak256(actor.raw), valid_from=0, valid_until=2**40
    )


def op(number: int) -> OpId:
    return OpId(number.to_bytes(16, "big"))


def line(quantity: int = 1, item: str = "BOLT", source: str = "SUPPLIER", target: str = "A-01", **more: Any) -> Line:
    return Line(item=item, quantity=quantity, source=source, target=target, **more)


DOCUMENT = Document(occurred_ms=START_MS, business_date="2023-11-14")


def receive(site: Site, number: int, *lines: Line) -> Recorded:
    """Goods come in; by default one bolt to A-01."""
    return site.record(Receive(actor=ANN, lines=lines or (line(),)), op_id=op(number), document=DOCUMENT)


def move(site: Site, number: int, *lines: Line) -> Recorded:
    return site.record(Move(actor=ANN, lines=lines), op_id=op(number), document=DOCUMENT)


def dump(connection: db.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every derived table, in order."""
    return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in store.DERIVED}


def stock(connection: db.Connection) -> dict[tuple[str, str], int]:
    """(location, item) -> quantity."""
    rows = connection.execute("SELECT location, item, sum(quantity) FROM stock GROUP BY location, item")
    return {(location, item): quantity for location, item, quantity in rows}
