"""One warehouse site: everything that changes goes through here, in one place, in order.

    record(call, …)   execute on the pending state, commit journal and projections, then answer     *recorded*
    seal()            sign what is pending as a block, commit it                                    *sealed*

A `Site` owns the one writing connection and the executor. Everything whose name begins with `_` belongs to whoever
holds `_lock`; reading pages use connections of their own (`reader`).

When anything goes wrong half-way, memory is not repaired but thrown away: the next call loads it again from the
database, by the same code as a start (`_load`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger import calls, chain, db, documents, events
from ledger.block import Meta
from ledger.checkpoint import sign as sign_checkpoint
from ledger.clock import Clock
from ledger.errors import Corrupt, Invalid, Rejected, Unavailable
from ledger.evm import Executor, Outcome
from ledger.ids import OpId
from ledger.seams import Storage, failpoint
from ledger.transactions import sign as sign_transaction
from node import journal, mark, projection, proofs, sealing, store
from node.config import NodeConfig
from node.identity import NodeIdentity, NodeKeys
from node.sealing import Pending, Waiting
from node.timekeeping import Timekeeper

log = logging.getLogger(__name__)

MARK_FILE = "signing.mark"

# How the rules' refusals begin, so that the person at the scanner knows what was refused.
ACTS = {
    "receive": "This receipt of goods",
    "move": "This move",
    "adjust": "This adjustment",
    "record_count": "This count",
    "post_count": "Posting this count",
    "reverse": "This reversal",
    "except_document": "This exception document",
    "dispatch": "This dispatch",
    "accept_transfer": "This acceptance",
    "bind": "This log-in key",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer to one operation: where it stands in the chain, and what the contracts said happened."""

    op_id: OpId
    height: int
    place: int
    events: tuple[events.Event, ...]
    repeated: bool = False


class Site:
    """The application object of a node. Made by `open`; one in a process, one process in a data folder."""

    def __init__(
        self, connection: db.Connection, identity: NodeIdentity, keys: NodeKeys, config: NodeConfig, clock: Clock,
        storage: Storage,
    ) -> None:  # fmt: skip
        self.identity = identity
        self.config = config
        self.clock = clock
        self._keys = keys
        self._storage = storage
        self._connection = connection
        self._lock = threading.RLock()
        self._executor: Executor | None = None
        self._head: chain.Head | None = None
        self._pending: Pending | None = None
        self._sequence = 0
        self._nonce = 0
        self._sealed_ran_ms: int | None = None
        # Of the SQL transaction that is open now: something was executed in it, so a rollback makes memory wrong; and
        # a part of it failed after execution, so it must not commit, even if its caller would let it.
        self._touched = False
        self._doomed = False
        self._fresh = False
        self._corrupt = ""
        trusted = store.fact(connection, store.FACT_TRUSTED_MS)
        self.time = Timekeeper(
            clock, config.clock, int(trusted) if trusted is not None else identity.not_before_s * 1000
        )

    @classmethod
    def open(cls, config: NodeConfig, identity: NodeIdentity, keys: NodeKeys, clock: Clock, storage: Storage) -> Site:
        """The enrolled node in `config.folder`, whatever a crash left half-done finished first.

        A node whose data contradicts itself opens too: it serves what it has, records and signs nothing, and says why
        in `stopped`.
        """
        site = cls(store.open_writer(config.folder), identity, keys, config, clock, storage)
        with site._lock:
            try:
                site._ready()
            except Unavailable as error:
                log.error("not ready", extra={"reason": str(error)})
        return site

    def close(self) -> None:
        """Give the database back. What is pending is in the journal and stays there."""
        with self._lock:
            self._fresh = False
            self._corrupt = self._corrupt or "this node is shutting down"
            self._connection.close()

    # ------------------------------------------------------------ recording

    def record(
        self,
        call: calls.Call,
        *,
        op_id: OpId,
        document: documents.Document | bytes | None = None,
        approval: calls.Approval | None = None,
        now: int | None = None,
    ) -> Recorded:
        """Do one operation, durably, exactly once.

        The call's `document` becomes the hash of `document`. The same `op_id` with the same content gives the first
        answer again; with other content it is Rejected. Rejected also when the contract refuses: then nothing
        changed. `now` is when it was recorded (Unix milliseconds), by default the clock's time.
        """
        encoded = _document_bytes(call, document)
        if encoded:
            call = replace(call, document=documents.digest(encoded))  # type: ignore[type-var]
        if approval is not None and isinstance(call, calls.ApprovedCall):
            call = calls.with_approval(call, approval)
        data, gas = call.encode(op_id), calls.gas_limit(call)
        with self._lock:
            head = self._ready()
            to = head.manager if call.CONTRACT == "manager" else self.identity.contracts.of(call.CONTRACT)
            content = journal.content_of(to, data)
            known = self._known(op_id, content)
            if known is not None:
                return known
            self._make_room(gas, len(data) + len(encoded))
            with self.writing() as connection:
                pending, executor = self._open_pending()
                raw = sign_transaction(self._keys.transaction, head.origin.chain_id, self._nonce, to, data, gas)
                outcome = executor.execute(raw)
                if not outcome.ok:
                    act = ACTS.get(call.METHOD, "This operation")
                    raise Rejected(f"{act} is refused: {outcome.reason}")
                # The executor now holds what the database does not: every way out but the commit must reload.
                self._touched = self._doomed = True
                entry = journal.Entry(
                    self._sequence + 1, op_id, content, raw, encoded, pending.height, pending.time_s, pending.quality,
                    self.clock.now_ms() if now is None else now, journal.outcome_of(outcome.gas_used, outcome.logs),
                )  # fmt: skip
                recorded = self._enter(connection, entry, call, outcome)
                self._doomed = False
                failpoint("record.before_commit")
            # From here on the operation is durable but nobody has been told. If we die now it will be asked again
            # with the same op_id, and `_known` finds it.
            failpoint("record.after_commit")
            return recorded

    def _enter(self, connection: db.Connection, entry: journal.Entry, call: calls.Call, outcome: Outcome) -> Recorded:
        """Journal and project an operation that was just executed."""
        happened = tuple(events.decode_logs(outcome.logs))
        place = self._take_in(entry, happened, outcome.gas_used)
        journal.append(connection, entry)
        projection.apply(connection, projection.Step(entry.op_id, entry.height, place, call, happened))
        return Recorded(entry.op_id, entry.height, place, happened)

    def _take_in(self, entry: journal.Entry, happened: tuple[events.Event, ...], gas_used: int) -> int:
        """Remember an executed operation as part of the pending block; answers its place there."""
        if self._pending is None:
            raise Corrupt("an operation was executed without a pending block")
        self._nonce += 1
        self._sequence = entry.sequence
        waiting = Waiting(entry.op_id, entry.content, chain.Operation(entry.raw, entry.document), happened)
        return self._pending.add(waiting, entry.sequence, gas_used)

    def find(self, op_id: OpId) -> Recorded | None:
        """The answer that this operation got, or None if it was never recorded here."""
        with self._lock:
            self._ready()
            return self._answer(op_id)

    def view(self, to: bytes, data: bytes) -> bytes:
        """What a contract says now, pending operations included. Raises Rejected on a revert."""
        with self._lock:
            self._ready()
            return self._engine().view(to, data)

    @contextmanager
    def writing(self) -> Iterator[db.Connection]:
        """The writing connection inside one SQL transaction; nested use joins it.

        `record` inside joins too, so that kept rows and an operation become durable together.
        """
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._touched = self._doomed = False
            try:
                with db.transaction(self._connection) as connection:
                    yield connection
                    if self._doomed:
                        raise Unavailable("a part of this change failed, so all of it was taken back; repeat it")
            except BaseException as error:
                # Rolled back, or, if the commit itself raised, perhaps durable: only the database knows.
                self._fresh = self._fresh and not self._touched
                if isinstance(error, db.OperationalError):
                    raise _plain(error) from error
                raise

    # ------------------------------------------------------------ sealing

    @property
    def head(self) -> chain.Head:
        """The newest sealed block. Raises Unavailable when there is none that can be trusted."""
        with self._lock:
            return self._ready(allow_stopped=True)

    @property
    def stopped(self) -> str:
        """Why this node does not sign, or empty."""
        with self._lock:
            return self._corrupt or store.fact(self._connection, store.FACT_STOPPED) or ""

    def seal(self) -> chain.Sealed | None:
        """Sign what is pending as a block, now; None when there is nothing. Waits until a second after the last."""
        while True:
            with self._lock:
                wait_ms = self._too_early_ms()
                if not wait_ms or self._connection.in_transaction:
                    return self._seal()
            self.clock.sleep_ms(wait_ms)

    def seal_if_due(self) -> chain.Sealed | None:
        """Seal if there are enough operations, or the oldest has waited long enough. Called often; never waits."""
        with self._lock:
            head = self._ready()
            due = sealing.due(self._pending, self.clock.monotonic_ms(), self.config.sealing)
            if head is None or not due or self._too_early_ms() or self.stopped:
                return None
            return self._seal()

    def stop_sealing(self, reason: str | None) -> None:
        """Sign nothing more until the hub decides; operations are still recorded. None: go on."""
        with self.writing() as connection:
            store.set_fact(connection, store.FACT_STOPPED, reason)

    def tick(self) -> None:
        """Now and then: keep the trusted time moving while nothing happens."""
        self.time.tick()
        with self.writing() as connection:
            store.set_fact(connection, store.FACT_TRUSTED_MS, str(self.time.trusted_ms))

    def confirm_time(self, hub_ms: int) -> None:
        """The hub, in an answer whose signature was checked, says what time it is (Unix milliseconds)."""
        with self.writing() as connection:
            self.time.confirm(hub_ms)
            store.set_fact(connection, store.FACT_TRUSTED_MS, str(self.time.trusted_ms))

    def _seal(self) -> chain.Sealed | None:
        head = self._ready()
        pending = self._pending
        if pending is None or not pending.waiting:
            return None
        if self.stopped:
            raise Unavailable(f"this node does not sign: {self.stopped}")
        if self._connection.in_transaction:
            # A rollback of the outer transaction would take operations away that the mark already promises.
            raise Unavailable("the block cannot be sealed in the middle of another change; repeat this")
        meta = chain.next_meta(
            head, [each.operation for each in pending.waiting], clock_quality=pending.quality,
            hub_seen=store.hub_log(self._connection),
        )  # fmt: skip
        return self._finish(head, pending, meta, sealing.marker(self._mark_path, pending.sequence, self._storage))

    def _finish(self, head: chain.Head, pending: Pending, meta: Meta, mark_it: Any) -> chain.Sealed:
        failpoint("seal.before")
        # Whatever happens from here to the commit, memory is to be loaded again: `_load` finishes a marked block.
        self._fresh = False
        try:
            with db.transaction(self._connection) as connection:
                sealed = chain.seal(
                    head,
                    self._engine(),
                    [each.operation for each in pending.waiting],
                    meta,
                    self._keys.block,
                    mark_it,
                )
                failpoint("seal.signed")
                sealing.store_block(connection, sealed.link, sealed.receipts, pending.sequence, self.clock.now_ms())
                store.set_fact(connection, store.FACT_TRUSTED_MS, str(self.time.trusted_ms))
        except db.OperationalError as error:
            raise _plain(error) from error
        except OSError as error:
            raise Unavailable(f"the signing mark cannot be written: {error}; sealing is tried again") from error
        except Corrupt as error:
            self._corrupt = str(error)
            raise
        failpoint("seal.committed")
        self._head, self._pending, self._fresh = sealed.head, None, True
        self._sealed_ran_ms = self.clock.monotonic_ms()
        return sealed

    # ------------------------------------------------------------ looking

    def reader(self) -> db.Connection:
        """A read-only connection of the caller's own, to be closed by it."""
        return store.open_reader(self.config.folder)

    @contextmanager
    def reading(self) -> Iterator[db.Connection]:
        """The site's own connection for a few reads between writes, under the lock: sees what is recorded."""
        with self._lock:
            yield self._connection

    def proof_state(self, op_id: OpId) -> str | None:
        """recorded, sealed, delivered, verified or anchored; None for an operation nobody recorded here."""
        with self._lock:
            return proofs.state_of(self._connection, op_id)

    def receipt(self, op_id: OpId) -> bytes:
        """The receipt file of a sealed operation, as strong as it is by now. Rejected before it is sealed."""
        with self._lock:
            return proofs.receipt(self._connection, self.identity, self._keys.block, op_id)

    def checkpoint(self) -> bytes:
        """The signed note over the site log at the head."""
        with self._lock:
            return sign_checkpoint(self._ready(allow_stopped=True).checkpoint, self._keys.block)

    def has_room(self, gas_limit: int, size_bytes: int = 0) -> bool:
        """Whether such an operation fits the pending block, so that recording it will not wait for a seal."""
        with self._lock:
            return self._pending is None or self._pending.fits(gas_limit, size_bytes)

    def pending_count(self) -> int:
        """How many operations wait for their block."""
        with self._lock:
            return 0 if self._pending is None else len(self._pending.waiting)

    # ------------------------------------------------------------ inside, under the lock

    @property
    def _mark_path(self) -> Path:
        return self.config.folder / MARK_FILE

    def _engine(self) -> Executor:
        if self._executor is None:
            raise Unavailable("the chain is not loaded; see the node's status")
        return self._executor

    def _ready(self, *, allow_stopped: bool = False) -> chain.Head:
        """The head, with memory equal to the database; loads it if it is not known to be."""
        if not self._fresh and not self._corrupt:
            if self._connection.in_transaction:
                raise Unavailable("the node is finding its feet after an error; repeat this")
            try:
                self._load()
            except Corrupt as error:
                self._corrupt = str(error)
                log.critical("stopped", extra={"reason": self._corrupt})
            except db.OperationalError as error:
                raise _plain(error) from error
            except OSError as error:
                raise Unavailable(f"the disk does not answer: {error}; repeat this") from error
        if self._head is None or (self._corrupt and not allow_stopped):
            raise Unavailable(f"this node only shows what it has: {self._corrupt}")
        return self._head

    def _load(self) -> None:
        """Make memory what the database says, execute the journal again, and finish a block that was being sealed."""
        self._pending = None
        self._head = sealing.read_head(self._connection, self.identity.chain)
        if self._head is None:
            raise Corrupt("the database holds no chain; enrol this node with `tallyman node enrol CODE`")
        if self._executor is None:
            self._executor = Executor.open(self._connection)
        else:
            self._executor.discard()
        if self._executor.head.hash != self._head.hash:
            raise Corrupt("the chain's state is not that of the newest block: run `tallyman node rebuild`")
        last = mark.read(self._mark_path)
        unfinished = sealing.judge_mark(self._head, last)
        entries = journal.entries(self._connection)
        self._nonce = self._executor.nonce(self.identity.chain.node)
        self._sequence = max(last.sequence, entries[-1].sequence if entries else 0)
        for entry in entries:
            self._execute_again(entry)
        self._fresh = True
        if unfinished:
            if self._pending is None or self._pending.sequence != last.sequence:
                raise Corrupt(
                    f"the signing mark promises block {last.height} up to journal row {last.sequence}, which is not "
                    "where the journal ends: one of them was put back from an older copy"
                )
            self._finish(self._head, self._pending, Meta.decode(last.meta), sealing.must_equal(last))

    def _execute_again(self, entry: journal.Entry) -> None:
        """One journal row on the pending state. Anything but the first answer means that something is broken."""
        head = self._head
        pending = self._pending
        if head is None or entry.height != head.height + 1:
            raise Corrupt(f"journal row {entry.sequence} is for block {entry.height}: it does not follow the head")
        if pending is None:
            pending = self._begin(head, entry.time_s, entry.quality)
        if (entry.time_s, entry.quality) != (pending.time_s, pending.quality):
            raise Corrupt(f"journal row {entry.sequence} was recorded at another block time than the rows before it")
        try:
            outcome = self._engine().execute(entry.raw)
            happened = tuple(events.decode_logs(outcome.logs))
        except (Rejected, Invalid) as error:
            raise Corrupt(f"journal row {entry.sequence} cannot be executed again: {error}") from error
        if not outcome.ok or journal.outcome_of(outcome.gas_used, outcome.logs) != entry.outcome:
            raise Corrupt(
                f"journal row {entry.sequence} gives another answer than before: {outcome.reason or 'events'}"
            )
        self._take_in(entry, happened, outcome.gas_used)

    def _open_pending(self) -> tuple[Pending, Executor]:
        head, pending = self._ready(), self._pending
        if pending is None or not pending.waiting:
            moment = self.time.next(head.timestamp)
            pending = self._begin(head, moment.time_s, moment.quality)
        return pending, self._engine()

    def _begin(self, head: chain.Head, time_s: int, quality: int) -> Pending:
        """An empty pending block. One opened for an operation that was refused is not kept, because its time ages."""
        executor = self._engine()
        if executor.pending is not None:
            executor.discard()
        executor.begin(time_s)
        self._pending = Pending(head.height + 1, time_s, quality, self.clock.monotonic_ms())
        return self._pending

    def _make_room(self, gas_limit: int, size_bytes: int) -> None:
        """Seal first if the operation does not fit the pending block any more; it then waits up to a second."""
        if self._pending is not None and not self._pending.fits(gas_limit, size_bytes):
            self.clock.sleep_ms(self._too_early_ms())
            self._seal()

    def _too_early_ms(self) -> int:
        """How long until another block may be sealed: header time counts in seconds and must grow."""
        if self._sealed_ran_ms is None:
            return 0
        passed_ms = self.clock.monotonic_ms() - self._sealed_ran_ms
        return max(0, self.config.sealing.interval_ms_min - passed_ms)

    def _known(self, op_id: OpId, content: bytes) -> Recorded | None:
        """The first answer to this very request; Rejected if `op_id` was used for something else."""
        answer = self._answer(op_id)
        if answer is None:
            return None
        first = self._content(answer)
        if first != content:
            raise Rejected(f"operation {op_id} was already recorded with other content: a new act needs a new op_id")
        return replace(answer, repeated=True)

    def _answer(self, op_id: OpId) -> Recorded | None:
        pending = self._pending
        if pending is not None and op_id in pending.by_op_id:
            place = pending.by_op_id[op_id]
            return Recorded(op_id, pending.height, place, pending.waiting[place].events)
        found = proofs.place_of(self._connection, op_id)
        if found is None:
            return None
        return Recorded(op_id, *found, proofs.events_of(self._connection, *found))

    def _content(self, answer: Recorded) -> bytes:
        pending = self._pending
        if pending is not None and answer.height == pending.height:
            return pending.waiting[answer.place].content
        return proofs.content_of(self._connection, answer.height, answer.place)


def _document_bytes(call: calls.Call, document: documents.Document | bytes | None) -> bytes:
    """The document that travels beside the call; every call of a person to the stock contracts needs one."""
    encoded = document.encode() if isinstance(document, documents.Document) else document or b""
    if call.CONTRACT == "manager" and not encoded:
        raise Rejected(f"{call.METHOD} needs a document that says when and why it happened")
    if call.CONTRACT == "registry" and encoded:
        raise Rejected(f"{call.METHOD} names no document")
    return encoded


def _plain(error: Exception) -> Exception:
    """What an I/O error of SQLite means for the person in front of it; a programming error stays what it is."""
    text = str(error)
    if "full" in text:
        return Unavailable("the disk is full: nothing was recorded; free some room, then repeat")
    if any(word in text for word in ("I/O", "locked", "readonly", "unable to open")):
        return Unavailable(f"the disk does not answer: {text}; repeat this, with the same op_id")
    return error
