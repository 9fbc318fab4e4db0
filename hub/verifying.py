"""From linked to verified to logged: every block executed again, projected, and its checkpoint put in the hub's log.

Sites are independent: each is taken a little at a time and in turn, and one that fails is quarantined with its
reason while the others go on. The order of commits makes a crash harmless at any point:

    replica file (state, head, outcomes) → hub database (tables, discrepancies, cursor) → log → signed head → receipts

Whatever follows is found again from what stands before it, and each step moves a cursor of its own.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from hub import discrepancies, findings, projection, replica, sites
from hub.config import RulesConfig
from hub.replica import Replica
from hub.store import Session, Store
from ledger.block import Block
from ledger.clock import Clock
from ledger.errors import Corrupt, Invalid, Rejected, Unavailable
from ledger.ids import Origin
from ledger.keys import VerifyKey
from ledger.seams import failpoint

BLOCKS_AT_ONCE = 32
REPLICAS_OPEN_MAX = 16

_log = logging.getLogger(__name__)


class Verifier:
    """Executes and projects. Safe for several threads: a chain is taken by one at a time, the others wait."""

    def __init__(self, store: Store, folder: Path, control_address: bytes, rules: RulesConfig, clock: Clock) -> None:
        self._store = store
        self._folder = folder
        self._control_address = control_address
        self._rules = rules
        self._clock = clock
        self._open: OrderedDict[str, Replica] = OrderedDict()
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}

    def pending(self, shard: int = 0, shards: int = 1) -> list[str]:
        """The chains of a shard that have linked blocks which are not projected yet, and no quarantine."""
        with self._store.read() as session:
            rows = session.all(
                "SELECT origin FROM origins WHERE size > projected_size AND quarantine = '' ORDER BY origin"
            )
        return [row["origin"] for row in rows if crc32(row["origin"].encode()) % shards == shard]

    def run(self, shard: int = 0, shards: int = 1, *, rounds_max: int = 1_000_000) -> int:
        """Verify what is pending, a slice of each chain in turn; answers the number of blocks projected."""
        done = 0
        for _ in range(rounds_max):
            waiting = self.pending(shard, shards)
            if not waiting:
                break
            moved = sum(self.step(origin) for origin in waiting)
            done += moved
            if not moved:
                break
        return done

    def step(self, origin: str) -> int:
        """Bring one chain a slice further; answers how many blocks were projected. Never raises for a bad chain."""
        with self._lock:
            turn = self._turns.setdefault(origin, threading.Lock())
        with turn:
            return self._guarded(origin)

    def _guarded(self, origin: str) -> int:
        try:
            return self._step(Origin.parse(origin))
        except Unavailable:
            raise
        except (Invalid, Rejected, Corrupt) as error:
            self._quarantine(origin, str(error))
        except Exception as error:  # a fault of ours in one site's data must not stop the other sites
            _log.exception("verification failed", extra={"origin": origin})
            self._quarantine(origin, f"the verifier itself failed: {type(error).__name__}: {error}")
        return 0

    def retry(self, origin: str) -> None:
        """Lift the quarantine of a chain, so that its next block is tried again."""
        with self._store.write(origin) as session:
            session.run(
                "UPDATE origins SET quarantine = '', quarantined_height = NULL WHERE origin = :origin", origin=origin
            )

    def outcome(self, origin: str, height: int) -> tuple[bytes, ...] | None:
        """The EVM receipts of a verified block as trie values, or None if it is not verified yet."""
        return replica.outcome(self._path(Origin.parse(origin)), height)

    def forget(self, origin: str) -> None:
        """Drop the replica of a chain; the next step builds it again from the hub's blocks."""
        self._close(origin)
        replica.discard(self._path(Origin.parse(origin)))

    def close(self) -> None:
        for origin in list(self._open):
            self._close(origin)

    def _step(self, origin: Origin) -> int:
        name = str(origin)
        with self._store.read() as session:
            row = session.one("SELECT size, projected_size FROM origins WHERE origin = :origin", origin=name)
        if row is None or row["size"] <= row["projected_size"]:
            return 0
        # Taken out of the shelf while in use: an error leaves it out, and the next step opens the file afresh.
        copy = self._take(origin)
        try:
            done = self._slice(origin, copy, row)
        except BaseException:
            copy.close()
            raise
        self._put_back(name, copy)
        return done

    def _slice(self, origin: Origin, copy: Replica, row: dict[str, Any]) -> int:
        wrong: Invalid | None = None
        if copy.head.height + 1 < row["size"] and copy.head.height < row["projected_size"] + BLOCKS_AT_ONCE:
            try:
                self._execute(origin, copy, copy.head.height + 1)
            except Invalid as error:
                wrong = error
        # What came before a bad block is good and counts.
        done = self._project(origin, copy)
        if wrong is not None:
            raise wrong
        return done

    def _execute(self, origin: Origin, copy: Replica, start: int) -> None:
        with self._store.read() as session:
            blocks = _blocks(session, str(origin), start, BLOCKS_AT_ONCE)
        try:
            copy.advance(blocks)
        except Invalid:
            if len(blocks) == 1:
                raise
            for block in blocks:
                copy.advance([block])

    def _project(self, origin: Origin, copy: Replica) -> int:
        name = str(origin)
        found = projection.Findings()
        now_ms = self._clock.now_ms()
        with self._store.write(name) as session:
            cursor = int(session.value("SELECT projected_size FROM origins WHERE origin = :origin", origin=name))
            start = cursor
            for height, at_s, receipts in copy.outcomes(cursor, BLOCKS_AT_ONCE):
                if height != cursor:
                    raise Corrupt(f"the replica of {name} has outcomes of block {height}: expected {cursor}")
                projection.project(session, origin, height, at_s, receipts, found)
                cursor += 1
            for checkpoint in session.all(
                "SELECT size, root FROM checkpoints WHERE origin = :origin AND size > :start AND size <= :end",
                origin=name,
                start=start,
                end=cursor,
            ):
                # The log takes this note as a leaf: it must speak of the very blocks that were executed.
                if copy.root(checkpoint["size"]) != bytes(checkpoint["root"]):
                    raise Corrupt(f"the checkpoint of {name} at size {checkpoint['size']} is not of these blocks")
            findings.judge(session, origin, found, self._rules, now_ms)
            session.run(
                "UPDATE origins SET projected_size = :size,"
                " verified_size = CASE WHEN verified_size < :size THEN :size ELSE verified_size END"
                " WHERE origin = :origin",
                size=cursor,
                origin=name,
            )
            if cursor > start:
                discrepancies.clear(
                    session,
                    discrepancies.FAILED_REEXECUTION,
                    name,
                    "the blocks execute now",
                    {"size": cursor},
                    now_ms,
                )
        # From here on the tables have these blocks; their checkpoints wait for the log.
        failpoint("hub.projected")
        return cursor - start

    def _take(self, origin: Origin) -> Replica:
        """The replica of a chain, rebuilt if need be."""
        name = str(origin)
        with self._lock:
            shelved = self._open.pop(name, None)
        if shelved is not None:
            return shelved
        path = self._path(origin)
        with self._store.read() as session:
            identity = sites.identity(session, name, self._control_address)
            copy = replica.open_replica(path, identity, session)
            if copy is None:
                replica.discard(path)
                genesis = _blocks(session, name, 0, 1)
                if not genesis:
                    raise Corrupt(f"{name} has no block 0 in the hub's database")
                copy = Replica.create(path, identity, *genesis[0])
        return copy

    def _put_back(self, name: str, copy: Replica) -> None:
        with self._lock:
            self._open[name] = copy
            oldest = self._open.popitem(last=False)[1] if len(self._open) > REPLICAS_OPEN_MAX else None
        if oldest is not None:
            oldest.close()

    def _quarantine(self, origin: str, reason: str) -> None:
        now_ms = self._clock.now_ms()
        with self._store.write(origin) as session:
            height = session.value("SELECT projected_size FROM origins WHERE origin = :origin", origin=origin)
            session.run(
                "UPDATE origins SET quarantine = :reason, quarantined_height = projected_size WHERE origin = :origin",
                reason=reason,
                origin=origin,
            )
            discrepancies.report(
                session,
                discrepancies.FAILED_REEXECUTION,
                origin,
                Origin.parse(origin).site,
                f"block {height} does not do what it says: {reason}",
                {"origin": origin, "height": height, "reason": reason},
                now_ms,
            )

    def _close(self, origin: str) -> None:
        with self._lock:
            copy = self._open.pop(origin, None)
        if copy is not None:
            copy.close()

    def _path(self, origin: Origin) -> Path:
        return self._folder / f"{origin.site}-{origin.incarnation}.db"


def _blocks(session: Session, origin: str, start: int, count: int) -> Sequence[tuple[Block, VerifyKey]]:
    rows: list[dict[str, Any]] = session.all(
        "SELECT height, body FROM blocks WHERE origin = :origin AND height >= :start ORDER BY height LIMIT :count",
        origin=origin,
        start=start,
        count=count,
    )
    return [(Block.decode(bytes(row["body"])), sites.block_key(session, origin, row["height"])) for row in rows]
