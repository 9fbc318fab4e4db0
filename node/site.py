"""One warehouse site: everything that changes goes through here, in one place, in order.

    record(call, …)   execute on the pending state, commit journal and projections, then answer     *recorded*
    seal()            sign what is pending as a block, commit it                                    *sealed*

A `Site` owns the one writing connection. Everything whose name begins with `_` belongs to whoever holds `_lock`;
reading pages use connections of their own (`reader`). What the chain is at this moment is kept by `node/keeper`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from ledger import calls, chain, db, documents, events
from ledger.block import Block
from ledger.checkpoint import sign as sign_checkpoint
from ledger.clock import Clock
from ledger.errors import Corrupt, NotSigned, Rejected, Unavailable
from ledger.evm import Outcome
from ledger.ids import OpId
from ledger.seams import Storage, failpoint
from ledger.transactions import sign as sign_transaction
from node import adopting, journal, projection, proofs, sealing, store
from node.config import NodeConfig
from node.identity import NodeIdentity, NodeKeys
from node.keeper import Keeper, plain
from node.shadow import Shadow
from node.timekeeping import Timekeeper

# How the rules' refusals begin, so that the person at the scanner knows what was refused.
ACTS = {
    "receive": "This receipt of goods",
    "move": "This move",
    "adjust": "This adjustment",
    "plan_count": "This count plan",
    "hold": "This hold",
    "release": "This release",
    "relabel": "This relabelling",
    "issue": "This issue",
    "pick": "This pick",
    "reserve": "This reservation",
    "unreserve": "Giving this back",
    "move_unit": "This move of a unit",
    "record_count": "This count",
    "post_count": "Posting this count",
    "reverse": "This reversal",
    "except_document": "This exception document",
    "dispatch": "This dispatch",
    "accept_transfer": "This acceptance",
    "bind": "This log-in key",
    "record_part": "This document",
    "book_part": "A part of this document",
}
# What the contracts say of a signature, not of the act under it.
UNSIGNED = (
    "approver is the actor", "approver lacks role", "not the actor's own approval", "bad signature",
    "not signed by the approver",
)  # fmt: skip

READERS_KEPT = 4


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
        self,
        connection: db.Connection,
        identity: NodeIdentity,
        keys: NodeKeys,
        config: NodeConfig,
        clock: Clock,
        storage: Storage,
    ) -> None:
        self.identity = identity
        self.config = config
        self.clock = clock
        self._keys = keys
        self._connection = connection
        self._lock = threading.RLock()
        self.storage = storage
        self._readers: list[db.Connection] = []  # that nobody uses now
        self._keeper = Keeper(connection, identity, keys, config, clock, storage)
        # Of the SQL transaction that is open now: something was executed in it, so a rollback makes memory wrong; and
        # a part of it failed after execution, so it must not commit, even if its caller would let it.
        self._touched = False
        self._doomed = False

    @classmethod
    def open(cls, config: NodeConfig, identity: NodeIdentity, keys: NodeKeys, clock: Clock, storage: Storage) -> Site:
        """The enrolled node in `config.folder`, whatever a crash left half-done finished first.

        A node whose data contradicts itself opens too: it serves what it has, records and signs nothing, and says why
        in `stopped`.
        """
        site = cls(store.open_writer(config.folder), identity, keys, config, clock, storage)
        with site._lock, suppress(Unavailable):
            site._keeper.ready()
        return site

    def close(self) -> None:
        """Give the database back. What is pending is in the journal and stays there."""
        with self._lock:
            self._keeper.doubt()
            self._keeper.corrupt = self._keeper.corrupt or "this node is shutting down"
            self._connection.close()
        while self._readers:
            self._readers.pop().close()

    @property
    def time(self) -> Timekeeper:
        """What time it is, and how far that is believed."""
        return self._keeper.time

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
            head = self._keeper.ready()
            to = head.manager if call.CONTRACT == "manager" else self.identity.contracts.of(call.CONTRACT)
            content = journal.content_of(to, data)
            known = self._known(op_id, content)
            if known is not None:
                return known
            self._make_room(gas, len(data) + len(encoded))
            with self.writing() as connection:
                pending, executor = self._keeper.open_pending(), self._keeper.engine()
                raw = sign_transaction(
                    self._keys.transaction, head.origin.chain_id, self._keeper.nonce, to, data, gas
                )
                outcome = executor.execute(raw)
                if not outcome.ok:
                    act = ACTS.get(call.METHOD, "This operation")
                    if outcome.reason == "role missing":
                        raise Rejected(f"{act} is refused: whoever did it has no role for it here any more")
                    why = f"{act} is refused: {outcome.reason}"
                    raise NotSigned(why) if outcome.reason in UNSIGNED else Rejected(why)
                # The executor now holds what the database does not: every way out but the commit must reload.
                self._touched = self._doomed = True
                entry = journal.Entry(
                    sequence=self._keeper.sequence + 1,
                    op_id=op_id,
                    content=content,
                    raw=raw,
                    document=encoded,
                    height=pending.height,
                    time_s=pending.time_s,
                    quality=pending.quality,
                    recorded_at_ms=self.clock.now_ms() if now is None else now,
                    outcome=journal.outcome_of(outcome.gas_used, outcome.logs),
                )
                recorded = self._enter(connection, entry, call, outcome)
                self._doomed = False
                # Nobody was told and nothing is durable: the operation never happened.
                failpoint("record.before_commit")
            # From here on the operation is durable but nobody has been told. If we die now it will be asked again
            # with the same op_id, and `_known` finds it.
            failpoint("record.after_commit")
            return recorded

    def _enter(self, connection: db.Connection, entry: journal.Entry, call: calls.Call, outcome: Outcome) -> Recorded:
        """Journal and project an operation that was just executed."""
        place, happened = self._keeper.take_in(entry, outcome)
        journal.append(connection, entry)
        projection.apply(
            connection, projection.Step(entry.op_id, entry.height, place, call, happened, entry.document)
        )
        return Recorded(entry.op_id, entry.height, place, happened)

    def find(self, op_id: OpId) -> Recorded | None:
        """The answer that this operation got, or None if it was never recorded here."""
        with self._lock:
            self._keeper.ready()
            return self._answer(op_id)

    def view(self, to: bytes, data: bytes) -> bytes:
        """What a contract says now, pending operations included. Raises Rejected on a revert."""
        with self._lock:
            self._keeper.ready()
            return self._keeper.engine().view(to, data)

    def would_take(self, call: calls.Call, op_id: OpId) -> bool:
        """Whether the manager would do this operation as things stand now; nothing is done."""
        with self._lock:
            head = self._keeper.ready()
            try:
                sender = self._keys.transaction.address
                self._keeper.engine().view(head.manager, call.encode(op_id), sender, calls.gas_limit(call))
            except Rejected:
                return False
            return True

    @contextmanager
    def writing(self) -> Iterator[db.Connection]:
        """The writing connection inside one SQL transaction; nested use joins it.

        `record` inside joins too, so that kept rows and an operation become durable together.
        """
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            with suppress(Unavailable):
                # Memory in doubt is loaded now: inside the transaction it cannot be. A node that only shows what it
                # has, or whose disk does not answer, is told so by whatever of this change needs the chain.
                self._keeper.ready(allow_corrupt=True)
            self._touched = self._doomed = False
            before = self._keeper.sequence
            try:
                with db.transaction(self._connection) as connection:
                    yield connection
                    # A caller may have rolled a savepoint back, or swallowed an error, after something was executed.
                    if self._doomed or (self._touched and not self._keeper.agrees(before)):
                        raise Unavailable("a part of this change failed, so all of it was taken back; repeat it")
            except BaseException as error:
                # Rolled back, or, if the commit itself raised, perhaps durable: only the database knows.
                if self._touched:
                    self._keeper.doubt()
                if isinstance(error, db.OperationalError):
                    raise plain(error) from error
                raise

    def _make_room(self, gas_limit: int, size_bytes: int) -> None:
        """Seal first if the operation does not fit the pending block any more; it then waits up to a second.

        Where nothing can be sealed, on a node that must not sign or inside a larger change, it goes on in a further
        block, and so it does while such blocks wait.
        """
        if self.has_room(gas_limit, size_bytes):
            return
        if self.stopped or self._keeper.full or self._connection.in_transaction:
            self._keeper.follow()
        else:
            self.clock.sleep_ms(self._keeper.too_early_ms())
            self._seal()

    def _known(self, op_id: OpId, content: bytes) -> Recorded | None:
        """The first answer to this very request; Rejected if `op_id` was used for something else."""
        answer = self._answer(op_id)
        if answer is None:
            return None
        if self._content(answer) != content:
            raise Rejected(f"operation {op_id} was already recorded with other content: a new act needs a new op_id")
        return replace(answer, repeated=True)

    def _answer(self, op_id: OpId) -> Recorded | None:
        for pending in self._keeper.unsealed():
            if op_id in pending.by_op_id:
                place = pending.by_op_id[op_id]
                return Recorded(op_id, pending.height, place, pending.waiting[place].events)
        found = proofs.place_of(self._connection, op_id)
        if found is None:
            return None
        return Recorded(op_id, *found, proofs.events_of(self._connection, *found))

    def _content(self, answer: Recorded) -> bytes:
        for pending in self._keeper.unsealed():
            if answer.height == pending.height:
                return pending.waiting[answer.place].content
        return proofs.content_of(self._connection, answer.height, answer.place)

    # ------------------------------------------------------------ sealing

    @property
    def head(self) -> chain.Head:
        """The newest sealed block. Raises Unavailable when there is none."""
        with self._lock:
            return self._keeper.ready(allow_corrupt=True)

    @property
    def stopped(self) -> str:
        """Why this node does not sign, or empty."""
        with self._lock:
            return self._keeper.corrupt or store.fact(self._connection, store.FACT_STOPPED) or ""

    def seal(self) -> chain.Sealed | None:
        """Sign what is pending as a block, now; None when there is nothing. Waits until a second after the last.

        After a stop there may be several blocks to sign: each call takes the lowest.
        """
        while True:
            with self._lock:
                wait_ms = self._keeper.too_early_ms()
                if not wait_ms or self._connection.in_transaction:
                    return self._seal()
            self.clock.sleep_ms(wait_ms)

    def seal_if_due(self) -> chain.Sealed | None:
        """Seal if there are enough operations, or the oldest has waited long enough. Called often; never waits."""
        with self._lock:
            self._keeper.ready()
            # A block with a further one on it takes nothing more, so it waits for nothing.
            due = bool(self._keeper.full) or sealing.due(
                self._keeper.pending, self.clock.monotonic_ms(), self.config.sealing
            )
            return None if not due or self._keeper.too_early_ms() or self.stopped else self._seal()

    @contextmanager
    def erasing(self) -> Iterator[None]:
        """For an act that removes what may not stay readable anywhere on the disk."""
        with self._lock, db.erasing(self._connection):
            yield

    def stop_sealing(self, reason: str | None) -> None:
        """Sign nothing more until the hub decides; operations are still recorded. None: go on."""
        with self.writing() as connection:
            store.set_fact(connection, store.FACT_STOPPED, reason)

    def audit(self, shadow: Shadow) -> int:
        """Let `shadow` judge some blocks again, without holding up anybody. What is not true stops the signing."""
        reader = self.reader()
        try:
            return shadow.step(reader)
        except Corrupt as error:
            with self._lock:
                self._keeper.corrupt = self._keeper.corrupt or str(error)
            raise
        finally:
            reader.close()

    def _seal(self) -> chain.Sealed | None:
        if self.pending_count() and self.stopped:
            raise Unavailable(f"this node does not sign: {self.stopped}")
        return self._keeper.seal()

    def adopt(self, blocks: Sequence[Block]) -> chain.Head:
        """Blocks that this node signed, lost and gets back from the hub. Invalid unless they follow the head.

        What the journal had beside them is to be recorded again (`node/replaying`).
        """
        with self._lock:
            # A database put back from an older copy than the mark is exactly what this heals: no obstacle here.
            self._keeper.ready(allow_corrupt=True)
            if self._connection.in_transaction:
                raise Unavailable("blocks cannot be taken back in the middle of another change; repeat this")
            # Memory follows the database again at the next use, which also takes the signing mark for the new head.
            self._keeper.doubt()
            adopting.adopt(self._connection, self.identity, blocks, self.clock.now_ms())
            # The database is ahead of the signing mark, and the fact `adopted` in it says why.
            failpoint("adopt.committed")
            self._keeper.corrupt = ""
            return self._keeper.ready()

    # ------------------------------------------------------------ time

    def tick(self) -> None:
        """Now and then: keep the trusted time moving while nothing happens."""
        with self.writing() as connection:
            self.time.tick()
            store.set_fact(connection, store.FACT_TRUSTED_MS, str(self.time.trusted_ms))

    def confirm_time(self, hub_ms: int) -> None:
        """The hub, in an answer whose signature was checked, says what time it is (Unix milliseconds)."""
        with self.writing() as connection:
            self.time.confirm(hub_ms)
            store.set_fact(connection, store.FACT_TRUSTED_MS, str(self.time.trusted_ms))

    # ------------------------------------------------------------ looking

    def reader(self) -> db.Connection:
        """A read-only connection of the caller's own, to be closed by it."""
        return store.open_reader(self.config.folder)

    @contextmanager
    def looking(self) -> Iterator[db.Connection]:
        """One moment of the database, on a read-only connection that nobody else uses meanwhile: it waits for no
        writer. A few of them are kept open, because to read the schema and to plan a query anew take longer than most
        answers."""
        try:
            reader = self._readers.pop()
        except IndexError:
            reader = self.reader()
        try:
            reader.execute("BEGIN")
            yield reader
            reader.execute("ROLLBACK")
        except BaseException:
            reader.close()
            raise
        if len(self._readers) < READERS_KEPT:
            self._readers.append(reader)
        else:
            reader.close()

    @contextmanager
    def reading(self) -> Iterator[db.Connection]:
        """The site's own connection for a few reads between writes, under the lock: sees what is recorded."""
        with self._lock:
            yield self._connection

    @property
    def changes(self) -> int:
        """How many rows this process has changed so far: the same number again means that `reading` shows the same,
        apart from what hangs on the clock."""
        return self._connection.total_changes

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
        return sign_checkpoint(self.head.checkpoint, self._keys.block)

    def sign_paper(self, statement: bytes) -> bytes:
        """The node's Ed25519 signature over a paper; its tag keeps it apart from blocks, notes and messages."""
        return self._keys.block.sign(statement)

    def has_room(self, gas_limit: int, size_bytes: int = 0) -> bool:
        """Whether such an operation fits the pending block, so that recording it will not wait for a seal."""
        with self._lock:
            pending = self._keeper.pending
            return pending is None or pending.fits(gas_limit, size_bytes)

    def pending_count(self) -> int:
        """How many operations wait for their block."""
        with self._lock:
            return sum(len(pending.waiting) for pending in self._keeper.unsealed())


def _document_bytes(call: calls.Call, document: documents.Document | bytes | None) -> bytes:
    """The document that travels beside the call; every call of a person to the stock contracts needs one."""
    encoded = document.encode() if isinstance(document, documents.Document) else document or b""
    if call.CONTRACT == "manager" and not encoded:
        raise Rejected(f"{call.METHOD} needs a document that says when and why it happened")
    if call.CONTRACT == "registry" and encoded:
        raise Rejected(f"{call.METHOD} names no document")
    return encoded
