"""`tallyman hub verify`: everything the hub claims, worked out again from the stored blocks and compared.

Executes every verified block of every chain into fresh files, projects it into a fresh database, and compares: the
heads, each derived table, the checkpoints and cosignatures, the log with its signed heads, the control records, the
anchors. Changes nothing, and may run beside a working hub: all it compares with is read in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hub import blocks as stored_blocks
from hub import logbook, projection, replica, sites, store
from hub.config import HubConfig
from hub.heads import SignedHead
from hub.replica import Replica
from hub.schema import DERIVED
from hub.store import Session, Store
from ledger import checkpoint, merkle
from ledger.block import Block, Previous
from ledger.control import ControlRecord
from ledger.errors import Corrupt, Invalid, LedgerError
from ledger.ids import Origin
from ledger.keys import Signature, VerifyKey, recover

BLOCKS_AT_ONCE = 32
COMPLAINTS_MAX = 100


@dataclass(slots=True)
class Audit:
    """What was looked at and what is wrong with it."""

    chains: int = 0
    blocks: int = 0
    checkpoints: int = 0
    log_entries: int = 0
    anchors: int = 0
    complaints: list[str] = field(default_factory=list)

    def complain(self, text: str) -> None:
        if len(self.complaints) < COMPLAINTS_MAX:
            self.complaints.append(text)

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": not self.complaints,
            "chains": self.chains,
            "blocks": self.blocks,
            "checkpoints": self.checkpoints,
            "log_entries": self.log_entries,
            "anchors": self.anchors,
            "complaints": self.complaints,
        }


@dataclass(frozen=True, slots=True)
class Auditor:
    """`control_address` and `log_key` are the hub's own, `heads` its file of signed heads as `get`."""

    store: Store
    config: HubConfig
    control_address: bytes
    log_key: VerifyKey
    heads: Callable[[str], SignedHead | None]

    def run(self, folder: Path, now_ms: int) -> Audit:
        """Check everything, with room for fresh files in `folder`, which is empty."""
        audit = Audit()
        fresh = store.create(f"sqlite:///{folder / 'fresh.db'}", now_ms=now_ms)
        try:
            with self.store.read() as session:
                self._copy_origins(session, fresh)
                done = ""
                for row in session.all("SELECT * FROM origins ORDER BY site, incarnation"):
                    if row["site"] != done:
                        _empty(folder)
                    audit.chains += 1
                    self._chain(session, fresh, row, folder, audit)
                    done = row["site"]
                self._tables(session, fresh, audit)
                self._log(session, audit)
                self._controls(session, audit)
                self._anchors(session, audit)
        finally:
            fresh.close()
        return audit

    def _copy_origins(self, session: Session, fresh: Store) -> None:
        """What the projection reads beside the blocks: our own control records."""
        with fresh.write() as target:
            for table in ("controls", "origins"):
                target.insert(table, session.all(f"SELECT * FROM {table}"))  # noqa: S608

    def _chain(self, session: Session, fresh: Store, row: dict[str, Any], folder: Path, audit: Audit) -> None:
        origin, size = row["origin"], row["projected_size"]
        path = _path(folder, Origin.parse(origin))
        copy: Replica | None = None
        try:
            for start, blocks in self._slices(session, origin, size):
                if copy is None:
                    identity = sites.identity(session, origin, self.control_address)
                    copy = Replica.create(path, identity, *blocks[0], before=_replica_of(folder, identity.previous))
                    blocks = blocks[1:]
                copy.advance(blocks)
                self._project(session, fresh, Origin.parse(origin), copy, start)
            if copy is not None:
                audit.blocks += size
                self._compare_head(session, row, copy, audit)
                self._checkpoints(session, origin, copy, size, audit)
        except (LedgerError, Corrupt) as error:
            audit.complain(f"{origin}: {error}")
        finally:
            if copy is not None:
                # The next incarnation of the site goes on from this file.
                copy.close()

    def _slices(
        self, session: Session, origin: str, size: int
    ) -> Iterator[tuple[int, list[tuple[Block, VerifyKey]]]]:
        for start in range(0, size, BLOCKS_AT_ONCE):
            rows = session.all(
                "SELECT height, hash, body FROM blocks WHERE origin = :origin AND height >= :start AND height < :end"
                " ORDER BY height",
                origin=origin,
                start=start,
                end=min(size, start + BLOCKS_AT_ONCE),
            )
            found = [Block.decode(bytes(row["body"])) for row in rows]
            if len(found) != min(size, start + BLOCKS_AT_ONCE) - start:
                raise Corrupt(f"blocks are missing between {start} and {start + BLOCKS_AT_ONCE}")
            for row, block in zip(rows, found, strict=True):
                if block.hash != bytes(row["hash"]):
                    raise Corrupt(f"block {row['height']} as stored is not {bytes(row['hash']).hex()}")
            yield (
                start,
                [(block, sites.block_key(session, origin, start + place)) for place, block in enumerate(found)],
            )

    def _project(self, session: Session, fresh: Store, origin: Origin, copy: Replica, start: int) -> None:
        with fresh.write() as target:
            for height, at_s, receipts in copy.outcomes(start, BLOCKS_AT_ONCE):
                said, found = projection.read(receipts), projection.Findings()
                documents = partial(stored_blocks.documents_at, session, str(origin), height)
                projection.project(target, origin, height, at_s, said, found, documents)

    def _compare_head(self, session: Session, row: dict[str, Any], copy: Replica, audit: Audit) -> None:
        held = session.value(
            "SELECT hash FROM blocks WHERE origin = :origin AND height = :height",
            origin=row["origin"],
            height=row["projected_size"] - 1,
        )
        if bytes(held) != copy.head.hash:
            audit.complain(f"{row['origin']}: the blocks lead to another head than the hub holds")

    def _checkpoints(self, session: Session, origin: str, copy: Replica, size: int, audit: Audit) -> None:
        for row in session.all(
            "SELECT * FROM checkpoints WHERE origin = :origin AND size <= :size ORDER BY size",
            origin=origin,
            size=size,
        ):
            audit.checkpoints += 1
            try:
                key = sites.block_key(session, origin, row["size"] - 1)
                found = checkpoint.verify(bytes(row["note"]), origin, key)
                if (found.size, found.root) != (row["size"], copy.root(row["size"])):
                    raise Invalid("it is not of these blocks")
                acknowledged = checkpoint.verify_cosigned(
                    bytes(row["cosignature"]), origin, key, self.config.name, self.log_key
                )
                if acknowledged.note != bytes(row["note"]):
                    raise Invalid("its cosignature is on another note")
            except LedgerError as error:
                audit.complain(f"{origin}: the checkpoint at size {row['size']}: {error}")

    def _tables(self, session: Session, fresh: Store, audit: Audit) -> None:
        with fresh.read() as ours:
            for table in DERIVED:
                have, should = _rows(session, table), _rows(ours, table)
                if have != should:
                    wrong = sorted(set(have) ^ set(should))[:3]
                    audit.complain(f"table {table}: {len(have)} rows, the blocks give {len(should)}; such as {wrong}")

    def _log(self, session: Session, audit: Audit) -> None:
        edge = merkle.Frontier()
        roots = {}
        rows = session.all(
            "SELECT l.position, l.origin, l.size, l.leaf_hash, c.note FROM log l LEFT JOIN checkpoints c"
            " ON c.origin = l.origin AND c.size = l.size ORDER BY l.position"
        )
        read = logbook.reader(session)
        for place, row in enumerate(rows):
            audit.log_entries += 1
            if row["note"] is None or merkle.leaf_hash(bytes(row["note"])) != bytes(row["leaf_hash"]):
                audit.complain(
                    f"log entry {row['position']} is not the checkpoint of {row['origin']} at {row['size']}"
                )
            edge, closed = edge.append(bytes(row["leaf_hash"]))
            roots[edge.size] = edge.root()
            if row["position"] != place or any(read(node.level, node.index) != node.hash for node in closed):
                audit.complain(f"the log's stored tree is wrong at entry {place}")
        for row in session.all("SELECT size, root, note FROM log_heads ORDER BY size"):
            try:
                found = checkpoint.verify(bytes(row["note"]), self.config.name, self.log_key)
            except Invalid as error:
                audit.complain(f"the signed head at size {row['size']}: {error}")
                continue
            if found.size != row["size"] or found.root != roots.get(row["size"]):
                audit.complain(f"the signed head at size {row['size']} is not of this log")
        last = self.heads(self.config.name)
        if last is not None and roots.get(last.size) != last.root:
            audit.complain(f"the log is not the one that was signed at size {last.size}: an old backup?")

    def _controls(self, session: Session, audit: Audit) -> None:
        for row in session.all("SELECT origin, sequence, record, signature FROM controls WHERE state <> 'cut'"):
            try:
                record = ControlRecord.decode(bytes(row["record"]))
                registry = sites.identity(session, row["origin"], self.control_address).contracts.registry
                digest = record.digest(Origin.parse(row["origin"]).chain_id, registry)
                signer = recover(digest, Signature.parse(bytes(row["signature"])))
                if signer != self.control_address or record.sequence != row["sequence"]:
                    raise Invalid("it is not signed by this hub for this place")
            except LedgerError as error:
                audit.complain(f"{row['origin']}: control record {row['sequence']}: {error}")

    def _anchors(self, session: Session, audit: Audit) -> None:
        for row in session.all("SELECT size, root FROM anchors WHERE state = 'final'"):
            audit.anchors += 1
            if merkle.tree_root(row["size"], logbook.reader(session)) != bytes(row["root"]):
                audit.complain(f"the anchor of {row['size']} entries is not of this log")


def _path(folder: Path, origin: Origin) -> Path:
    return folder / f"{origin.site}-{origin.incarnation}.db"


def _replica_of(folder: Path, previous: Previous | None) -> Path | None:
    return None if previous is None else _path(folder, Origin.parse(previous.origin))


def _empty(folder: Path) -> None:
    """Remove the replicas of the site before."""
    for path in folder.glob("*-*.db"):
        replica.discard(path)


def _rows(session: Session, table: str) -> list[str]:
    return sorted(
        repr([bytes(value) if isinstance(value, memoryview) else value for value in row.values()])
        for row in session.all(f"SELECT * FROM {table}")  # noqa: S608
        # A sum that has come back to nothing may or may not have left a row.
        if table != "stock" or row["quantity"]
    )
