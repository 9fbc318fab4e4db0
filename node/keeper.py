"""What a site holds in memory of its chain: the executor, the head, and the pending block.

Memory is only ever a copy of the database. After any doubt it is not repaired but thrown away (`doubt`), and the next
use loads it again by the same code as a start: the journal is executed again, and a block that was about to be signed
is finished first. A database that contradicts itself or the signing mark is not used to sign anything (`corrupt`).

A `Keeper` belongs to the `Site` that made it; whoever calls it holds the site's lock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from ledger import chain, db, events
from ledger.block import Meta
from ledger.clock import Clock
from ledger.errors import Corrupt, Invalid, Rejected, Unavailable
from ledger.evm import Executor, Outcome
from ledger.seams import Storage, failpoint
from node import journal, mark, sealing, store
from node.config import NodeConfig
from node.identity import NodeIdentity, NodeKeys
from node.sealing import Pending, Waiting
from node.timekeeping import LEAD_MS_MAX, Timekeeper

log = logging.getLogger(__name__)

Happened = tuple[events.Event, ...]


class Keeper:
    """The chain of one site, loaded."""

    def __init__(
        self,
        connection: db.Connection,
        identity: NodeIdentity,
        keys: NodeKeys,
        config: NodeConfig,
        clock: Clock,
        storage: Storage,
    ) -> None:
        self._connection = connection
        self._identity = identity
        self._keys = keys
        self._config = config
        self._clock = clock
        self._storage = storage
        self._executor: Executor | None = None
        self._head: chain.Head | None = None
        self._fresh = False
        self._sealed_ran_ms: int | None = None
        self.corrupt = ""
        self.pending: Pending | None = None
        # Full blocks below `pending` that could not be sealed: a node that is stopped goes on recording.
        self.full: list[Pending] = []
        self.nonce = 0
        self.sequence = 0
        trusted = store.fact(connection, store.FACT_TRUSTED_MS)
        self.time = Timekeeper(
            clock, config.clock, int(trusted) if trusted is not None else identity.not_before_s * 1000
        )

    @property
    def mark_path(self) -> Path:
        return self._config.folder / mark.file_of(self._identity.files)

    def doubt(self) -> None:
        """Memory may differ from the database: load it again before the next use."""
        self._fresh = False

    def engine(self) -> Executor:
        """The loaded executor; Unavailable when nothing could be loaded."""
        if self._executor is None:
            raise Unavailable("the chain is not loaded; see the node's status")
        return self._executor

    def ready(self, *, allow_corrupt: bool = False) -> chain.Head:
        """The head, with memory equal to the database. Raises Unavailable when that cannot be had now."""
        # Twice when a block had to be finished first and others stand on it.
        while not self._fresh and not self.corrupt:
            if self._connection.in_transaction:
                raise Unavailable("the node is finding its feet after an error; repeat this")
            try:
                self._load()
            except Corrupt as error:
                self.corrupt = str(error)
                log.critical("stopped", extra={"reason": self.corrupt})
            except db.OperationalError as error:
                raise plain(error) from error
            except OSError as error:
                raise Unavailable(f"the disk does not answer: {error}; repeat this") from error
        if self._head is None or (self.corrupt and not allow_corrupt):
            raise Unavailable(f"this node only shows what it has: {self.corrupt}")
        return self._head

    # ------------------------------------------------------------ the pending block

    def open_pending(self) -> Pending:
        """The pending block, opened now if there is none."""
        head, pending = self.ready(), self.pending
        if pending is None or not pending.waiting:
            moment = self.time.next(self.full[-1].time_s if self.full else head.timestamp)
            pending = self._begin(head, moment.time_s, moment.quality)
        return pending

    def follow(self) -> None:
        """Let what comes next go into a further pending block, because this one is full and must not be sealed.

        Its height and time are fixed now, as those of the first one were, so that it will be sealed as it stands.
        """
        if self.pending is not None and self.pending.waiting:
            self.full.append(self.pending)
            self.pending = None
        self.open_pending()

    def unsealed(self) -> list[Pending]:
        """Every block that is not sealed yet, the lowest first."""
        return self.full if self.pending is None else [*self.full, self.pending]

    def take_in(self, entry: journal.Entry, outcome: Outcome) -> tuple[int, Happened]:
        """Remember an executed operation as part of the pending block; answers its place there and its events."""
        if self.pending is None:
            raise Corrupt("an operation was executed without a pending block")
        happened = tuple(events.decode_logs(outcome.logs))
        self.nonce += 1
        self.sequence = entry.sequence
        waiting = Waiting(entry.op_id, entry.content, chain.Operation(entry.raw, entry.document), happened)
        return self.pending.add(waiting, entry.sequence, outcome.gas_used), happened

    def agrees(self, since: int) -> bool:
        """Whether the journal has exactly the operations that memory has, in every block that took one in after
        journal row `since`: a change of the database may be larger than a block."""
        blocks = self.unsealed()
        below = max((each.sequence for each in blocks if each.sequence <= since), default=0)
        (count,) = self._connection.execute("SELECT count(*) FROM journal WHERE sequence > ?", (below,)).fetchone()
        return bool(count == sum(len(each.waiting) for each in blocks if each.sequence > below))

    def too_early_ms(self) -> int:
        """How long until the pending block may be sealed.

        Header time counts in whole seconds and must grow, so faster blocks would run ahead of the clock.
        """
        wait_ms = 0
        if self._sealed_ran_ms is not None:
            passed_ms = self._clock.monotonic_ms() - self._sealed_ran_ms
            wait_ms = max(0, self._config.sealing.interval_ms_min - passed_ms)
        if lowest := next(iter(self.unsealed()), None):
            lead_ms = lowest.time_s * 1000 - self._clock.now_ms()
            # A larger lead is no lead but a clock that was set back: it is not waited for.
            if lead_ms <= LEAD_MS_MAX:
                wait_ms = max(wait_ms, lead_ms)
        return wait_ms

    def seal(self) -> chain.Sealed | None:
        """Sign the lowest pending block and commit it; None when nothing is pending."""
        head = self.ready()
        pending = next(iter(self.unsealed()), None)
        if pending is None or not pending.waiting:
            return None
        if self._connection.in_transaction:
            # A rollback of the outer transaction would take operations away that the mark already promises.
            raise Unavailable("the block cannot be sealed in the middle of another change; repeat this")
        meta = chain.next_meta(
            head,
            [each.operation for each in pending.waiting],
            clock_quality=pending.quality,
            hub_seen=store.hub_log(self._connection),
        )
        return self._finish(head, pending, meta, sealing.marker(self.mark_path, pending.sequence, self._storage))

    def _finish(
        self, head: chain.Head, pending: Pending, meta: Meta, mark_it: Callable[[chain.Draft], None]
    ) -> chain.Sealed:
        # Nothing is decided: the operations are in the journal and go into a block after the next start.
        failpoint("seal.before")
        # Whatever happens from here to the commit, memory is loaded again, which finishes a block that is marked.
        self.doubt()
        operations = [each.operation for each in pending.waiting]
        further = bool(self.full)
        if further:
            self._only(pending)
        try:
            with db.transaction(self._connection) as connection:
                sealed = chain.seal(head, self.engine(), operations, meta, self._keys.block, mark_it)
                # A signature exists that no disk holds. The mark makes the next start sign the same bytes again.
                failpoint("seal.signed")
                sealing.store_block(connection, sealed.link, sealed.receipts, pending.sequence, self._clock.now_ms())
                store.set_fact(connection, store.FACT_TRUSTED_MS, str(self.time.trusted_ms))
        except db.OperationalError as error:
            raise plain(error) from error
        except OSError as error:
            raise Unavailable(f"the signing mark cannot be written: {error}; sealing is tried again") from error
        except Corrupt as error:
            self.corrupt = str(error)
            raise
        # The block is sealed. Only memory does not know it yet, and a start reads it from the database.
        failpoint("seal.committed")
        self._head, self.pending = sealed.head, None
        # What the further blocks hold is executed again on this one at the next use.
        self._fresh = not further
        self._sealed_ran_ms = self._clock.monotonic_ms()
        return sealed

    # ------------------------------------------------------------ loading

    def _load(self) -> None:
        """Make memory what the database says, execute the journal again, and finish a block that was being sealed."""
        self.pending, self.full = None, []
        self._head = sealing.read_head(self._connection, self._identity.chain)
        if self._head is None:
            raise Corrupt("the database holds no chain; enrol this node with `tallyman node enrol CODE`")
        if self._executor is None:
            self._executor = Executor.open(self._connection)
        else:
            self._executor.discard()
        if self._executor.head.hash != self._head.hash:
            raise Corrupt("the chain's state is not that of the newest block: run `tallyman node rebuild`")
        last = self._follow_adopted(self._head, mark.read(self.mark_path))
        unfinished = sealing.judge_mark(self._head, last)
        self.nonce = self._executor.nonce(self._identity.chain.node)
        self.sequence = self._newest_row(last)
        for entry in journal.entries(self._connection):
            self._execute_again(self._head, entry)
        self._fresh = True
        if unfinished:
            lowest = next(iter(self.unsealed()), None)
            if lowest is None or lowest.sequence != last.sequence:
                raise Corrupt(
                    f"the signing mark promises block {last.height} up to journal row {last.sequence}, which is not "
                    "where the journal ends: one of them was put back from an older copy"
                )
            self._finish(self._head, lowest, Meta.decode(last.meta), sealing.must_equal(last))

    def _execute_again(self, head: chain.Head, entry: journal.Entry) -> None:
        """One journal row on the pending state. Anything but the first answer means that something is broken."""
        pending = self.pending
        if pending is not None and entry.height == pending.height + 1:
            self.full.append(pending)
            pending = None
        pending = pending or self._begin(head, entry.time_s, entry.quality)
        if entry.height != pending.height:
            raise Corrupt(f"journal row {entry.sequence} is for block {entry.height}: it does not follow the head")
        if (entry.time_s, entry.quality) != (pending.time_s, pending.quality):
            raise Corrupt(f"journal row {entry.sequence} was recorded at another block time than the rows before it")
        try:
            outcome = self.engine().execute(entry.raw)
            if not outcome.ok or journal.outcome_of(outcome.gas_used, outcome.logs) != entry.outcome:
                raise Corrupt(f"journal row {entry.sequence} gives another answer than at first")
            self.take_in(entry, outcome)
        except (Rejected, Invalid) as error:
            raise Corrupt(f"journal row {entry.sequence} cannot be executed again: {error}") from error

    def _begin(self, head: chain.Head, time_s: int, quality: int) -> Pending:
        """An empty pending block. One opened for an operation that was refused is not kept, because its time ages."""
        executor = self.engine()
        if self.full:
            executor.follow(time_s)
        else:
            if executor.pending is not None:
                executor.discard()
            executor.begin(time_s)
        height = head.height + 1 + len(self.full)
        self.pending = Pending(height, time_s, quality, self._clock.monotonic_ms())
        return self.pending

    def _only(self, lowest: Pending) -> None:
        """Have nothing but the lowest block pending in the executor, so that it can be sealed."""
        executor = self.engine()
        executor.discard()
        executor.begin(lowest.time_s)
        for each in lowest.waiting:
            if not executor.execute(each.operation.transaction).ok:
                raise Corrupt(f"operation {each.op_id} of block {lowest.height} gives another answer than at first")

    def _follow_adopted(self, head: chain.Head, last: mark.Mark) -> mark.Mark:
        """Take the mark for a head that came back from the hub: it was signed before and will not be signed again."""
        adopted = store.fact(self._connection, store.FACT_ADOPTED)
        if adopted is None:
            return last
        marked = sealing.read_block(self._connection, last.height)
        if adopted == f"{head.height} {head.hash.hex()}" and marked is not None and marked.hash == last.hash:
            sequence = self._newest_row(last)
            last = mark.Mark(str(head.origin), head.height, head.hash, head.timestamp, b"", sequence)
            mark.take(self.mark_path, last, self._storage)
        with db.transaction(self._connection):
            store.set_fact(self._connection, store.FACT_ADOPTED, None)
        return last

    def _newest_row(self, last: mark.Mark) -> int:
        """The highest journal row ever used, as far as journal and mark know."""
        (newest,) = self._connection.execute("SELECT max(sequence) FROM journal").fetchone()
        return max(last.sequence, newest or 0)


def plain(error: Exception) -> Exception:
    """What an I/O error of SQLite means for the person in front of it; a programming error stays what it is."""
    text = str(error)
    if "full" in text:
        return Unavailable("the disk is full: nothing was recorded; free some room, then repeat")
    if any(word in text for word in ("I/O", "locked", "readonly", "unable to open")):
        return Unavailable(f"the disk does not answer: {text}; repeat this, with the same op_id")
    return error
