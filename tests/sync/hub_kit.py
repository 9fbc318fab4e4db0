"""A real hub's receiving end on a real database, and a node that keeps its state in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hub import blocks as hub_blocks
from hub import history
from hub import store as hub_store
from hub.answering import Reply
from hub.enrolment import Enrolment
from hub.heads import Heads
from hub.receiving import Receiver
from ledger import chain as ledger_chain
from ledger import checkpoint
from ledger.block import Block
from ledger.clock import ManualClock
from ledger.errors import Invalid, Unavailable
from ledger.keys import SigningKey, TxKey, VerifyKey
from sync import lean, messages
from sync.client import PROBLEM_MEDIA_TYPE, Answer
from sync.cycle import CycleReport, Standing, run_cycle
from sync.enrolment import make_request, read_answer
from sync.frames import MEDIA_TYPE
from sync.lean import Parent
from sync.messages import Advice, Cosignature, Delta, Manifest, Status
from tests.sync.chain_kit import Chain, Seeded

HUB = SigningKey(bytes([7]) * 32)
CONTROL = TxKey(bytes([8]) * 32)


@cache
def empty_files() -> dict[str, bytes]:
    """The files of a new hub, made once: their durable creation takes longer than most tests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hub_store.create(f"sqlite:///{folder / 'hub.db'}", now_ms=1).close()
        Heads.create(folder / "heads.db").close()
        return {path.name: path.read_bytes() for path in folder.iterdir()}


class Hub:
    """The parts of a hub that an exchange needs. `restart` opens the same files again, as after a crash."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.folder = folder
        self.url = url or f"sqlite:///{folder / 'hub.db'}"
        self.clock = ManualClock(1_800_000_000_000)
        self.chance = Seeded(3)
        for name, content in empty_files().items():
            (folder / name).write_bytes(content)
        self.store = (hub_store.create if url else hub_store.open_store)(self.url, now_ms=1)
        self.heads = Heads.open(folder / "heads.db")
        self._open()

    def _open(self) -> None:
        self.enrolment = Enrolment(self.store, self.heads, HUB, CONTROL, "acme", self.chance)
        self.receiver = Receiver(self.store, self.heads, HUB, CONTROL.address, self.clock)

    def restart(self) -> None:
        self.close()
        self.store = hub_store.open_store(self.url, now_ms=1)
        self.heads = Heads.open(self.folder / "heads.db")
        self._open()

    def close(self) -> None:
        self.store.close()
        self.heads.close()

    def enrol(self, chain: Chain) -> None:
        code = self.enrolment.make_code(chain.origin.site, self.clock.now_ms())
        request = make_request(code, chain.key, chain.transaction_key)
        read_answer(self.enrolment.redeem(request, self.clock.now_ms()), code, request)

    def held(self, chain: Chain) -> hub_blocks.Held:
        with self.store.read() as session:
            found = hub_blocks.held(session, str(chain.origin), CONTROL.address)
        assert found is not None
        return found

    def dump(self, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
        """The content of tables, without what only says when or by which row number."""
        found = {}
        with self.store.read() as session:
            for table in tables:
                rows = session.all(f"SELECT * FROM {table}")
                found[table] = sorted(
                    tuple(
                        value
                        for name, value in row.items()
                        if not name.endswith("_ms") and name not in ("id", "version", "cosignature", "lease_prev")
                    )
                    for row in rows
                )
        return found

    def count(self, table: str) -> int:
        with self.store.read() as session:
            return int(session.value(f"SELECT count(*) FROM {table}"))

    def discrepancies(self) -> list[str]:
        with self.store.read() as session:
            return [row["kind"] for row in session.all("SELECT kind FROM discrepancies ORDER BY id")]


@dataclass
class SyncApi:
    """What the web application asks of a hub."""

    hub: Hub

    def exchange(self, body: bytes) -> Reply:
        return self.hub.receiver.exchange(body)

    def history(self, request: bytes) -> bytes:
        return history.answer(self.hub.store, CONTROL.address, request)

    def redeem(self, request: bytes) -> bytes:
        return self.hub.enrolment.redeem(request, self.hub.clock.now_ms())


class Direct:
    """Bundles straight into the receiver; `through` may change or lose what passes."""

    def __init__(self, hub: Hub, through: Callable[[bytes], bytes] = lambda body: body) -> None:
        self.hub = hub
        self.through = through
        self.requests: list[bytes] = []
        self.lose_answers = 0

    def post(self, path: str, body: bytes, media_type: str) -> Answer:
        body = self.through(body)
        self.requests.append(body)
        try:
            reply = self.hub.receiver.exchange(body)
        except Invalid as error:
            detail = str(error).replace('"', "'")
            return Answer(400, PROBLEM_MEDIA_TYPE, f'{{"detail": "{detail}"}}'.encode())
        if self.lose_answers:
            self.lose_answers -= 1
            raise Unavailable("the answer was lost")
        return Answer(reply.http_status, MEDIA_TYPE, reply.body)


@dataclass
class Node:
    """A node's state in memory, over a chain. `copy` is a cloned disk."""

    chain: Chain
    lease: bytes = b""
    tried: list[bytes] = field(default_factory=list)
    next: int = 0
    hub_cosigned: int = 0
    acknowledged: dict[int, bytes] = field(default_factory=dict)
    down: dict[str, tuple[int, int]] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    manifest: int = 0
    codes: list[str] = field(default_factory=list)
    said: Mapping[str, Any] | None = None
    chance: Seeded = field(default_factory=lambda: Seeded(11))

    def copy(self, chain: Chain, seed: int = 12) -> Node:
        return Node(
            chain, self.lease, list(self.tried), self.next, self.hub_cosigned, dict(self.acknowledged),
            dict(self.down), {name: dict(table) for name, table in self.tables.items()}, self.manifest,
            chance=Seeded(seed),
        )  # fmt: skip

    def sync(self, transport: Any, **options: Any) -> CycleReport:
        return run_cycle(self, transport, self.chance, **options)

    @property
    def key(self) -> SigningKey:
        return self.chain.key

    @property
    def hub_key(self) -> VerifyKey:
        return HUB.verify_key

    def standing(self) -> Standing:
        return Standing(
            origin=str(self.chain.origin),
            size=self.chain.size,
            head=self.chain.head,
            cosigned=max(self.acknowledged, default=0),
            next=self.next,
            hub_cosigned=self.hub_cosigned,
            lease=self.lease,
            tried=tuple(self.tried[-messages.TRIED_MAX :]),
            down=self.down,
            manifest=self.manifest,
        )

    def will_ask(self, request: bytes) -> None:
        self.tried.append(request)

    def blocks(self, start: int) -> Iterator[tuple[Block, Parent | None]]:
        for height in range(start, self.chain.size):
            yield self.chain.blocks[height], lean.Parent.of(self.chain.blocks[height - 1]) if height else None

    def head_note(self, size: int) -> bytes:
        return self.chain.note(size)

    def advice(self) -> Sequence[Advice]:
        return ()

    def health(self) -> Mapping[str, Any] | None:
        return self.said

    def take_cosignature(self, acknowledgement: Cosignature) -> None:
        found = checkpoint.verify_cosigned(
            acknowledgement.note, str(self.chain.origin), self.key.verify_key, self.chain.origin.hub, self.hub_key
        )
        assert found.checkpoint == self.chain.checkpoint(acknowledgement.size), "an acknowledgement of another chain"
        self.acknowledged[acknowledgement.size] = acknowledgement.note

    def take_manifest(self, manifest: Manifest) -> None:
        if manifest.version < self.manifest:
            raise Invalid("an older manifest")
        self.manifest = manifest.version

    def take_deltas(self, stream: str, deltas: Sequence[Delta]) -> None:
        table = self.tables.setdefault(stream, {})
        for delta in deltas:
            if delta.reset:
                table.clear()
            elif self.down.get(stream, (0, 0)) not in ((delta.generation, delta.start), (0, 0)):
                raise Invalid("not the next step")
            for key, value in delta.operations:
                if value is None:
                    table.pop(key, None)
                else:
                    table[key] = value
            self.down[stream] = (delta.generation, delta.end)

    def take_own_blocks(self, start: int, travelling: Sequence[list[Any]]) -> None:
        for height, value in enumerate(travelling, start):
            if height < self.chain.size:
                continue
            before = self.chain.links[-1].head if self.chain.links else None
            parent = None if before is None else Parent(before.height, before.hash, before.timestamp)
            block = lean.decode(value, parent)
            key = self.key.verify_key
            if before is None:
                self.chain.links.append(ledger_chain.link_genesis(self.chain.identity, block, key))
            else:
                self.chain.links.append(ledger_chain.link(before, block, key))

    def take_status(self, status: Status) -> None:
        self.codes.append(status.code)
        if status.lease:
            self.lease, self.tried = status.lease, []
        self.next, self.hub_cosigned = status.next, status.cosigned_size
