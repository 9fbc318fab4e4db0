"""Real machines of one site and a real hub: disks that are copied, put back, lost and enrolled again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub import blocks, views
from hub.auditing import Auditor
from hub.hub import Hub
from ledger import calls
from ledger.calls import Approval
from ledger.clock import ManualClock
from ledger.documents import Document
from ledger.ids import SHRINKAGE, SUPPLIER, Actor, OpId
from ledger.keys import TxKey
from ledger.moves import Line
from ledger.people import activation_code
from ledger.seams import DiskStorage
from node import audit, enrolling, identity, jobs, store
from node.config import load
from node.replaying import waiting
from node.shadow import Shadow
from node.site import Recorded, Site
from node.syncing import Syncer
from node.uplink import NodeUplink
from sync.client import WsgiTransport
from sync.enrolment import Code
from sync.messages import Advice
from tests.hub import sitekit
from tests.hub.sitekit import Seeded
from web import kit
from web.hub_sync import blueprint

DOCUMENT = Document(occurred_ms=sitekit.START_MS, business_date="2027-01-15")
BINS = ("A-01", "A-02", "A-03")


@dataclass
class Company:
    """The hub, its web application, and the people of the site."""

    hub: Hub
    clock: ManualClock
    transport: WsgiTransport
    ann: Actor
    codes: dict[str, str]
    key: TxKey = field(default_factory=lambda: TxKey(b"\x41" * 32))

    @classmethod
    def found(cls, folder: Path) -> Company:
        clock = ManualClock(sitekit.START_MS)
        sitekit.found_hub(folder)
        hub = sitekit.open_hub(folder, clock)
        hub.import_items(sitekit.ITEMS)
        app = kit.create_app("hub", folder, random=Seeded(9))
        app.register_blueprint(blueprint(hub))
        return cls(hub, clock, WsgiTransport(app), sitekit.NOBODY, {})

    def furnish(self) -> None:
        """Places, a worker, and somebody who approves."""
        self.hub.add_locations("oslo", BINS)
        ann = self.hub.add_person("oslo", "ann", "Ann", sitekit.ROLES)
        bob = self.hub.add_person("oslo", "bob", "Bob", ("APPROVE",))
        self.ann, self.codes = Actor.parse(ann.actor), {"bob": bob.code, "bob id": bob.actor}
        self.settle()

    def settle(self) -> None:
        """What the hub's jobs do."""
        self.hub.verify()
        self.hub.settle()
        self.hub.watch()

    def stock(self) -> dict[str, int]:
        """Bolts by place."""
        with self.hub.store.read() as session:
            return {row["location"]: row["quantity"] for row in views.stock(session, site="oslo")}

    def state(self, origin: str) -> str:
        with self.hub.store.read() as session:
            held = blocks.held(session, origin, self.hub.keys.control.address)
        assert held is not None
        return held.state

    def kinds(self) -> list[str]:
        """Of the open discrepancies."""
        return sorted(each.kind for each in self.hub.discrepancies())

    def missing(self, kind: str) -> list[str]:
        """What the open discrepancy of this kind says to be in no book."""
        [found] = [each for each in self.hub.discrepancies() if each.kind == kind]
        return list(self.hub.discrepancy(found.id).entries[-1].evidence["missing"])

    def audit(self, folder: Path) -> list[str]:
        """What an audit of the hub complains about."""
        folder.mkdir()
        keys = self.hub.keys
        auditor = Auditor(
            self.hub.store, self.hub.config, keys.control.address, keys.log.verify_key, self.hub.heads.get
        )
        found = auditor.run(folder, 1)
        shutil.rmtree(folder)
        return found.complaints


class Machine:
    """One disk of the site in `folder`. Everything on it is real."""

    def __init__(self, company: Company, folder: Path, seed: int) -> None:
        self.company, self.folder, self.chance = company, folder, Seeded(seed)
        self._site: Site | None = None
        self.advice: Callable[[], Sequence[Advice]] = tuple

    def init(self, name: str = "oslo") -> Machine:
        identity.init(self.folder, name, self.chance, DiskStorage())
        text = f'site = "{name}"\n[hub]\nurl = "http://hub.test"\n'
        (self.folder / "node.toml").write_text(text)
        return self

    def enrol(self, code: Code) -> None:
        self.close()
        enrolling.enrol(
            load(self.folder),
            code.encode(),
            self.company.clock,
            DiskStorage(),
            url="http://hub.test",
            random=self.chance,
            connect=lambda _: self.company.transport,
        )

    @property
    def site(self) -> Site:
        if self._site is None:
            config = load(self.folder)
            reader = store.open_reader(self.folder)
            certified = identity.require(reader, config)
            reader.close()
            keys = identity.load_keys(config, certified.files)
            self._site = Site.open(config, certified, keys, self.company.clock, DiskStorage())
        return self._site

    def close(self) -> None:
        if self._site is not None:
            self._site.close()
        self._site = None

    def copied(self, name: str, seed: int) -> Machine:
        """The whole disk once more, as it is now."""
        self.close()
        folder = self.folder.with_name(name)
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
        return Machine(self.company, folder, seed)

    def put_back(self, backup: Machine) -> None:
        """The database of an old backup, under the lease of today; the mark is from the backup too, or was lost."""
        self.close()
        for path in self.folder.glob("site.db*"):
            path.unlink()
        for path in backup.folder.glob("site.db*"):
            shutil.copy(path, self.folder / path.name)
        shutil.copy(backup.folder / "signing.mark", self.folder / "signing.mark")

    # ------------------------------------------------------------ work

    def op(self) -> OpId:
        return OpId(self.chance.bytes(16))

    def receive(self, quantity: int, op_id: OpId | None = None) -> OpId:
        line = Line(item="BOLT", quantity=quantity, source=SUPPLIER, target="A-01")
        return self.record(calls.Receive(actor=self.company.ann, lines=(line,)), op_id)

    def move(self, quantity: int, target: str = "A-02", op_id: OpId | None = None) -> OpId:
        line = Line(item="BOLT", quantity=quantity, source="A-01", target=target)
        return self.record(calls.Move(actor=self.company.ann, lines=(line,)), op_id)

    def bind_bob(self) -> OpId:
        """The approver's first log-in."""
        codes, key = self.company.codes, self.company.key
        bob, code = Actor.parse(codes["bob id"]), activation_code(codes["bob"])
        op_id = self.op()
        self.site.record(calls.Bind(actor=bob, key=key.address, code=code), op_id=op_id)
        return op_id

    def adjust(self, quantity: int) -> OpId:
        """A loss, approved by Bob's own signature."""
        bob, op_id = Actor.parse(self.company.codes["bob id"]), self.op()
        line = Line(item="BOLT", quantity=quantity, source="A-01", target=SHRINKAGE)
        call: Any = calls.Adjust(actor=self.company.ann, document=DOCUMENT_HASH, lines=(line,))
        origin, manager = self.site.identity.origin, self.site.identity.contracts.manager
        made = self.company.key.sign_digest(call.digest(origin.chain_id, manager, op_id, bob))
        approval = Approval(actor=bob, v=made.v, r=made.raw[:32], s=made.raw[32:64])
        self.site.record(call, op_id=op_id, document=DOCUMENT, approval=approval)
        return op_id

    def record(self, call: Any, op_id: OpId | None = None) -> OpId:
        op_id = op_id or self.op()
        self.site.record(call, op_id=op_id, document=DOCUMENT)
        return op_id

    def found(self, op_id: OpId) -> Recorded | None:
        return self.site.find(op_id)

    def seal(self) -> None:
        self.company.clock.advance(2_000)
        self.site.seal()

    def sync(self) -> str:
        """Seal, exchange, and let the hub work; answers the hub's code."""
        keys = identity.load_keys(self.site.config, self.site.identity.files)
        uplink = NodeUplink(self.site, keys.block, DiskStorage(), advice=lambda: self.advice())
        transport = self.company.transport
        syncer = Syncer(self.site, uplink, self.company.clock, self.chance, connect=lambda _: transport)
        self.company.clock.advance(2_000)
        report = syncer.now()
        self.company.settle()
        return report.code

    def settle(self) -> None:
        """Exchange until nothing moves any more: what a running node comes to by itself in a while."""
        for _ in range(8):
            self.sync()
            with self.site.reading() as connection:
                left = waiting(connection)
            if not left and not self.site.pending_count():
                return
        raise AssertionError(f"{left} operations still wait, {self.site.pending_count()} are not sealed")

    def run_jobs(self) -> None:
        """Every job of a running node but the exchange, once."""
        shadow = Shadow(self.folder, self.site.identity, DiskStorage())
        from node.health import Health

        for job in jobs.of_node(self.site, Health(self.site), shadow):
            job.run()
        shadow.close()

    def verify(self) -> None:
        """The node's own audit of everything it has, and the one that runs beside its work."""
        audit.verify(self.folder, self.site.identity)
        shadow = Shadow(self.folder, self.site.identity, DiskStorage())
        while self.site.audit(shadow):
            pass
        assert shadow.head is not None and shadow.head.hash == self.site.head.hash
        shadow.close()

    def claims(self) -> dict[str, str]:
        """Refused since, by operation: why."""
        with self.site.reading() as connection:
            found = connection.execute("SELECT op_id, reason FROM claims").fetchall()
        return {bytes(op_id).hex(): reason for op_id, reason in found}

    def stock(self) -> dict[str, int]:
        """Bolts by place, real ones only."""
        with self.site.reading() as connection:
            rows = connection.execute("SELECT location, sum(quantity) FROM stock GROUP BY location").fetchall()
        return {place: quantity for place, quantity in rows if place in BINS}


DOCUMENT_HASH = sitekit.document_hash(DOCUMENT.encode())
