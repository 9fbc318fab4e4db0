"""From linked to verified to logged: every block executed again, projected, and its checkpoint put in the hub's log.

Sites are independent: each is taken a little at a time and in turn. One whose blocks are not true, or cannot be read,
is quarantined with its reason while the others go on. What fails in the hub's own tables is the hub's trouble: it is
said and tried again, and no site is blamed for it. The order of commits makes a crash harmless at any point:

    replica file (state, head, outcomes) → hub database (tables, discrepancies, cursor) → log → signed head → receipts

Whatever follows is found again from what stands before it, and each step moves a cursor of its own.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from hub import blocks, discrepancies, findings, projection, replica, sites
from hub.blocks import COUNTED
from hub.config import RulesConfig
from hub.replica import Replica
from hub.store import Session, Store
from ledger.block import Block, Previous
from ledger.clock import Clock
from ledger.errors import Corrupt, Invalid, LedgerError, Rejected, Unavailable
from ledger.events import Event
from ledger.ids import Origin
from ledger.keys import VerifyKey
from ledger.seams import Random, failpoint

BLOCKS_AT_ONCE = 32
REPLICAS_OPEN_MAX = 16

_log = logging.getLogger(__name__)


class Verifier:
    """Executes and projects. Safe for several threads: a chain is taken by one at a time, the others wait."""

    def __init__(
        self, store: Store, folder: Path, control_address: bytes, rules: RulesConfig, clock: Clock, random: Random
    ) -> None:
        self._store = store
        self._folder = folder
        self._control_address = control_address
        self._rules = rules
        self._clock = clock
        self._random = random
        self._open: OrderedDict[str, Replica] = OrderedDict()
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}

    def pending(self, shard: int = 0, shards: int = 1) -> list[str]:
        """The chains of a shard that have linked blocks which are not projected yet, and no quarantine."""
        with self._store.read() as session:
            rows = session.all(
                f"SELECT origin FROM origins WHERE {COUNTED} > projected_size AND quarantine = ''"  # noqa: S608
                " ORDER BY site, incarnation"
            )
        return [row["origin"] for row in rows if crc32(row["origin"].encode()) % shards == shard]

    def run(self, shard: int = 0, shards: int = 1, *, rounds_max: int = 1_000_000) -> int:
        """Verify what is pending, a slice of each chain in turn; answers the number of blocks projected.

        Raises Corrupt, after the other chains have gone as far as they can, for one that the hub itself holds up.
        """
        done = 0
        ours: dict[str, Corrupt] = {}
        for _ in range(rounds_max):
            moved = 0
            for origin in self.pending(shard, shards):
                try:
                    moved += self.step(origin)
                except Corrupt as error:
                    ours[origin] = error
            done += moved
            if not moved:
                break
        if ours:
            raise Corrupt("; ".join(f"{origin}: {error}" for origin, error in ours.items()))
        return done

    def step(self, origin: str) -> int:
        """Bring one chain a slice further; answers how many blocks were projected.

        Never raises for a bad chain; raises Corrupt for a fault of the hub's own tables, which no chain can help.
        """
        with self._lock:
            turn = self._turns.setdefault(origin, threading.Lock())
        with turn:
            return self._guarded(origin)

    def _guarded(self, origin: str) -> int:
        try:
            return self._step(Origin.parse(origin))
        except (Unavailable, Corrupt):
            raise
        except (Invalid, Rejected) as error:
            self._quarantine(origin, str(error))
        except Exception as error:  # a fault of ours in one site's data must not stop the other sites
            _log.exception("verification failed", extra={"origin": origin})
            self._quarantine(origin, f"the verifier itself failed: {type(error).__name__}: {error}")
        return 0

    def retry(self, origin: str) -> bool:
        """Lift the quarantine of a chain, so that its next block is tried again. False: there is no such chain."""
        with self._store.write(origin) as session:
            known = session.value("SELECT count(*) FROM origins WHERE origin = :origin", origin=origin)
            session.run(
                "UPDATE origins SET quarantine = '', quarantined_height = NULL WHERE origin = :origin", origin=origin
            )
            return bool(known)

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
            row = session.one(
                f"SELECT {COUNTED} AS size, projected_size FROM origins WHERE origin = :origin",  # noqa: S608
                origin=name,
            )
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
                self._execute(origin, copy, row["size"])
            except Invalid as error:
                wrong = error
        # What came before a bad block is good and counts.
        done = self._project(origin, copy)
        if wrong is not None:
            raise wrong
        return done

    def _execute(self, origin: Origin, copy: Replica, end: int) -> None:
        start = copy.head.height + 1
        with self._store.read() as session:
            blocks = _blocks(session, str(origin), start, min(end - start, BLOCKS_AT_ONCE))
        try:
            copy.advance(blocks)
        except Invalid:
            if len(blocks) == 1:
                raise
            for block in blocks:
                copy.advance([block])

    def _project(self, origin: Origin, copy: Replica) -> int:
        name = str(origin)
        with self._store.read() as session:
            start, end = _span(session, name)
        outcomes = copy.outcomes(start, max(0, min(BLOCKS_AT_ONCE, end - start)))
        if [height for height, _, _ in outcomes] != list(range(start, start + len(outcomes))):
            raise Corrupt(f"the replica has outcomes of other blocks than {start} and on")
        read: list[tuple[int, int, list[list[Event]]]] = []
        wrong: LedgerError | None = None
        for height, at_s, receipts in outcomes:
            try:
                # The last thing that a site can be blamed for.
                read.append((height, at_s, projection.read(receipts)))
            except LedgerError as error:
                wrong = error
                break
        with _ours(), self._store.write(name) as session:
            now_at, now_to = _span(session, name)
            if now_at != start or now_to < start + len(read):
                return 0  # another process of this hub was faster, or the chain has ended meanwhile
            self._write(session, origin, copy, start, read)
        # From here on the tables have these blocks; their checkpoints wait for the log.
        failpoint("hub.projected")
        if wrong is not None:
            raise wrong
        return len(read)

    def _write(
        self,
        session: Session,
        origin: Origin,
        copy: Replica,
        start: int,
        read: Sequence[tuple[int, int, list[list[Event]]]],
    ) -> None:
        name, end, now_ms = str(origin), start + len(read), self._clock.now_ms()
        found = projection.Findings()
        for height, at_s, said in read:
            documents = partial(blocks.documents_at, session, name, height)
            projection.project(session, origin, height, at_s, said, found, documents)
        for checkpoint in session.all(
            "SELECT size, root FROM checkpoints WHERE origin = :origin AND size > :start AND size <= :end",
            origin=name,
            start=start,
            end=end,
        ):
            # The log takes this note as a leaf: it must speak of the very blocks that were executed.
            if copy.root(checkpoint["size"]) != bytes(checkpoint["root"]):
                raise Corrupt(f"the checkpoint at size {checkpoint['size']} is not of these blocks")
        findings.judge(session, origin, found, self._rules, self._random, now_ms)
        session.run(
            "UPDATE origins SET projected_size = :size,"
            " verified_size = CASE WHEN verified_size < :size THEN :size ELSE verified_size END"
            " WHERE origin = :origin",
            size=end,
            origin=name,
        )
        if read:
            evidence = {"size": end}
            discrepancies.clear(
                session, discrepancies.FAILED_REEXECUTION, name, "the blocks execute now", evidence, now_ms
            )

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
        if copy is None:
            copy = Replica.create(path, identity, *genesis[0], before=self._before(identity.previous))
        return copy

    def _before(self, previous: Previous | None) -> Path | None:
        """The replica that a later incarnation goes on from, brought to exactly the block that it names."""
        if previous is None:
            return None
        origin = Origin.parse(previous.origin)
        copy = self._take(origin)
        if copy.head.height > previous.height:
            # It had gone on with blocks that count no more.
            copy.close()
            self.forget(previous.origin)
            copy = self._take(origin)
        try:
            while copy.head.height < previous.height:
                self._execute(origin, copy, previous.height + 1)
        finally:
            copy.close()
        return self._path(origin)

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


def _span(session: Session, origin: str) -> tuple[int, int]:
    """How many blocks of a chain are projected, and how many are to be."""
    row = session.one(
        f"SELECT projected_size, {COUNTED} AS size FROM origins WHERE origin = :origin",  # noqa: S608
        origin=origin,
    )
    return (0, 0) if row is None else (int(row["projected_size"]), int(row["size"]))


@contextmanager
def _ours() -> Iterator[None]:
    """Whatever fails in here fails in the hub's own tables or rules."""
    try:
        yield
    except (Unavailable, Corrupt):
        raise
    except Exception as error:
        raise Corrupt(f"its blocks cannot be put into the tables: {type(error).__name__}: {error}") from error


def _blocks(session: Session, origin: str, start: int, count: int) -> Sequence[tuple[Block, VerifyKey]]:
    rows: list[dict[str, Any]] = session.all(
        "SELECT height, hash, body FROM blocks WHERE origin = :origin AND height >= :start"
        " ORDER BY height LIMIT :count",
        origin=origin,
        start=start,
        count=count,
    )
    return [(_stored(row), sites.block_key(session, origin, row["height"])) for row in rows]


def _stored(row: dict[str, Any]) -> Block:
    """A block as it was linked. The site is not asked to answer for what happened to it on the hub's disk."""
    try:
        block = Block.decode(bytes(row["body"]))
    except Invalid as error:
        raise Corrupt(f"block {row['height']} as stored cannot be read: {error}") from error
    if block.hash != bytes(row["hash"]):
        raise Corrupt(f"block {row['height']} as stored is not {bytes(row['hash']).hex()}")
    return block
