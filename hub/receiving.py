"""The hub's side of an exchange: a bundle in, a bundle out.

What happens to a bundle, and what it means to die after each step:

    1. its HELLO is judged: who, which lease, which place in the chain          nothing has changed
    2. the lease moves on and the time of the call is noted                     the node asks again with the old lease
    3. each run of blocks is linked and added, one transaction a run            they are kept; the next answer says so
    4. the head is promised in the file of signed heads, then cosigned          the same head may be cosigned again
    5. the answer is stored and sent                                            the same request gets it again

Nothing here executes a block: that is verification, later and elsewhere. The cosignature says "I hold all of this".
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from hashlib import sha256

from hub import answering, blocks, forks, orphans, sites, words
from hub.admission import Door, Stop, Visit
from hub.answering import Reply
from hub.blocks import Held
from hub.heads import Heads
from hub.store import Session, Store
from ledger import chain, checkpoint
from ledger.chain import Link
from ledger.checkpoint import Checkpoint
from ledger.clock import Clock
from ledger.codec import cbor_encode
from ledger.errors import Invalid, Unavailable
from ledger.keys import SigningKey
from ledger.seams import failpoint
from sync import frames, lean, messages, packing
from sync.bundle import BUNDLE_BYTES_MAX, make_bundle, read_bundle
from sync.frames import Frame
from sync.lean import Parent
from sync.messages import Cosignature, Greeting, Head, Status

WAIT_FOR_TURN_S = 30
GIVEN_AGAIN_S = 1
LATER_S = 60


class Receiver:
    """Answers bundles. Safe for several threads; one chain's exchanges are handled one after the other."""

    def __init__(
        self,
        store: Store,
        heads: Heads,
        key: SigningKey,
        control_address: bytes,
        clock: Clock,
        *,
        interval_s: int = LATER_S,
        bundle_bytes_max: int = BUNDLE_BYTES_MAX,
    ) -> None:
        self._store = store
        self._heads = heads
        self._key = key
        self._control_address = control_address
        self._clock = clock
        self._interval_s = interval_s
        self._bundle_bytes_max = min(bundle_bytes_max, BUNDLE_BYTES_MAX)
        self._door = Door(store, key, control_address, clock)
        self._turns: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def exchange(self, body: bytes) -> Reply:
        """Handle one bundle. Raises `Invalid` for bytes without a readable HELLO: nobody could be answered then."""
        bundle = read_bundle(body, frames.UP)
        if not bundle.frames or bundle.frames[0].type != frames.HELLO:
            raise Invalid(f"this is not a bundle that begins with a HELLO; {bundle.dropped_because or 'it has none'}")
        greeting = Greeting.read(bundle.frames[0])
        try:
            visit = self._door.admit(greeting)
        except Stop as stop:
            return self._refuse(greeting, None, stop)
        # Only who is known gets a turn, so that strangers cannot fill the table of turns.
        turn = self._turn(visit.held.origin)
        if not turn.acquire(timeout=WAIT_FOR_TURN_S):
            raise Unavailable(f"another exchange with {visit.held.origin} takes long; try again later")
        try:
            self._reload(visit)
            if visit.ended:
                return self._witness(visit, bundle.frames[1:])
            return self._exchange(visit, bundle.frames[1:], sha256(body).digest())
        finally:
            turn.release()

    # ------------------------------------------------------------ one exchange

    def _exchange(self, visit: Visit, rest: Sequence[Frame], request: bytes) -> Reply:
        with self._store.read() as session:
            kept = answering.kept(session, visit.held.origin, request)
        if kept is not None:
            return kept
        try:
            self._door.check_lease(visit)
            self._check_state(visit)
            code, message = self._take(visit, rest)
        except Stop as stop:
            code, message = stop.code, stop.message
            if stop.code in (messages.CHECK_LEASE, messages.CLONE_SUSPECT):
                return self._refuse(visit.greeting, visit, stop)
        return self._answer(visit, rest, code, message, request)

    def _check_state(self, visit: Visit) -> None:
        """Is its chain ours, as far as its HELLO says? A signed HELLO that contradicts what we hold is evidence."""
        held, hello = visit.held, visit.hello
        if held.state == blocks.FORKED or not 0 < hello.size <= held.size:
            return
        with self._store.read() as session:
            own = blocks.hash_at(session, held.origin, hello.size - 1)
        if own == hello.head:
            return
        summary = (
            f"{held.origin} says that block {hello.size - 1} is {hello.head.hex()}, and has delivered "
            f"{own.hex()} before: its chain has parted"
        )
        body = cbor_encode(dict(visit.greeting.body))
        with self._store.write(held.origin) as session:
            forks.report_fork(session, held, hello.size - 1, summary, body, self._clock.now_ms())
        self._reload(visit)

    def _take(self, visit: Visit, rest: Sequence[Frame]) -> tuple[str, str]:
        """Everything the node brought. Answers the code for it."""
        words.keep(self._store, visit, rest, self._clock.now_ms())
        note = self._read_head(visit, rest)
        stopped: Stop | None = None
        try:
            for run in packing.unpack_blocks([frame for frame in rest if frame.type == frames.BLOCKS]):
                if isinstance(run, Invalid):
                    raise Stop(messages.BAD_BLOCK, str(run))
                self._take_run(visit, *run)
        except Stop as stop:
            stopped = stop
        # What came before a bad block is held all the same, and a note over exactly that is acknowledged.
        if note is not None and visit.held.state == blocks.ACTIVE:
            self._cosign(visit, *note)
        held, hello = visit.held, visit.hello
        if held.state == blocks.FORKED:
            return messages.FORKED, held.state_reason
        if stopped is not None:
            raise stopped
        if held.size > hello.size:
            return messages.BEHIND, f"the hub holds {held.size} blocks of {held.origin}, this node {hello.size}"
        if self._forgotten(held):
            return messages.RECOVERING, "the hub was put back from a backup and asks for what it held before"
        if held.quarantine:
            return messages.QUARANTINED, f"kept, but not shown as stock: {held.quarantine}"
        if held.size < hello.size or held.cosigned_size < held.size:
            return messages.PARTIAL, ""
        return messages.OK, ""

    def _read_head(self, visit: Visit, rest: Sequence[Frame]) -> tuple[Checkpoint, bytes] | None:
        """The node's signed checkpoint, if it sent a good one. The last one counts."""
        found = None
        for frame in rest:
            if frame.type == frames.HEAD:
                try:
                    note = Head.read(frame).note
                    found = (checkpoint.verify(note, visit.held.origin, visit.key), note)
                except Invalid as error:
                    raise Stop(messages.HEAD_MISMATCH, f"the checkpoint cannot be used: {error}") from error
        return found

    # ------------------------------------------------------------ blocks

    def _take_run(self, visit: Visit, start: int, values: Sequence[list[object]]) -> None:
        """One frame's blocks. What we hold is passed over, what is next is added, what differs is evidence."""
        held = visit.held
        if held.state == blocks.FORKED:
            self._take_orphans(visit, start, values)
            return
        if start > held.size:
            raise Stop(messages.NOT_NEXT, f"block {start} does not follow: the hub holds {held.size} blocks")
        known = min(held.size - start, len(values))
        with self._store.read() as session:
            for place in range(known):
                if not orphans.same(session, held.origin, start + place, values[place]):
                    break
            else:
                place = known
        if place < known:
            self._take_orphans(visit, start + place, values[place:])
            return
        links, bad = self._link_all(held, values[known:])
        if links:
            with self._store.write(held.origin) as session:
                blocks.append(session, held, links, self._clock.now_ms())
            # From here on these blocks are held. If we die now, the node learns it from the next answer.
            failpoint("hub.blocks_added")
            self._reload(visit)
        if bad is not None:
            raise Stop(messages.BAD_BLOCK, f"block {visit.held.size}: {bad}")

    def _link_all(self, held: Held, values: Sequence[object]) -> tuple[list[Link], Invalid | None]:
        """Link as many as are good, and say why the next is not. In no write transaction: signatures take time."""
        links: list[Link] = []
        head, parent = held.head, held.parent
        with self._store.read() as session:
            for value in values:
                try:
                    block = lean.decode(value, parent)
                    key = sites.block_key(session, held.origin, 0 if head is None else head.height + 1)
                    if head is None:
                        link = chain.link_genesis(held.identity, block, key)
                    else:
                        link = chain.link(head, block, key)
                except Invalid as error:
                    return links, error
                links.append(link)
                head = link.head
                parent = Parent(head.height, head.hash, head.timestamp)
        return links, None

    def _take_orphans(self, visit: Visit, start: int, values: Sequence[object]) -> None:
        now_ms = self._clock.now_ms()
        with self._store.write(visit.held.origin) as session:
            try:
                orphans.take(session, visit.held, start, values, now_ms)
            except Invalid as error:
                raise Stop(messages.BAD_BLOCK, str(error)) from error
        self._reload(visit)

    def _witness(self, visit: Visit, rest: Sequence[Frame]) -> Reply:
        """The chain has ended, but its disk may hold acts that nobody else knows of: its blocks are kept as evidence.

        It gets nothing for them, no lease and no streams; the lease that it showed back, so that it goes on sending.
        """
        message, end = visit.ended, 0
        try:
            for run in packing.unpack_blocks([frame for frame in rest if frame.type == frames.BLOCKS]):
                if isinstance(run, Invalid):
                    raise Stop(messages.BAD_BLOCK, str(run))
                self._take_orphans(visit, *run)
                end = run[0] + len(run[1])
        except Stop as stop:
            message = f"{message}; {stop.message}"
        held = visit.held
        with self._store.read() as session:
            begin = forks.resume(session, held, visit.hello, end)
        status = Status(
            code=messages.STALE_INCARNATION,
            origin=held.origin,
            next=begin,
            lease=visit.hello.lease,
            budget=self._bundle_bytes_max,
            next_sync_after_s=GIVEN_AGAIN_S if begin < visit.hello.size else self._interval_s,
            hub_time_ms=self._clock.now_ms(),
            message=message[: messages.TEXT_MAX],
        )
        frame = status.frame(visit.greeting.digest, self._key)
        return Reply(status.code, make_bundle([frame], BUNDLE_BYTES_MAX, end=frames.DOWN_END))

    # ------------------------------------------------------------ acknowledging

    def _cosign(self, visit: Visit, wanted: Checkpoint, note: bytes) -> None:
        """Acknowledge the checkpoint if it is exactly what we hold, and contradicts nothing we ever signed."""
        held = visit.held
        if wanted.size != held.size or held.head is None or held.quarantine:
            return
        root = held.head.log.root()
        if wanted.root != root:
            raise Stop(
                messages.HEAD_MISMATCH,
                f"the checkpoint at {wanted.size} has root {wanted.root.hex()}, the blocks give {root.hex()}",
            )
        now_ms = self._clock.now_ms()
        with self._store.write(held.origin) as session:
            known = session.value(
                "SELECT cosignature FROM checkpoints WHERE origin = :origin AND size = :size AND root = :root",
                origin=held.origin,
                size=wanted.size,
                root=root,
            )
            if known is None and self._may_sign(session, visit, wanted):
                self._heads.advance(held.origin, wanted.size, root)
                known = checkpoint.cosign(note, held.identity.origin.hub, self._key, now_ms // 1000)
                session.run(
                    "INSERT INTO checkpoints VALUES (:origin, :size, :root, :note, :cosignature, :now)",
                    origin=held.origin,
                    size=wanted.size,
                    root=root,
                    note=note,
                    cosignature=known,
                    now=now_ms,
                )
            # A restored database may know the checkpoint before it has the blocks again.
            if known is not None and held.cosigned_size < wanted.size:
                session.run(
                    "UPDATE origins SET cosigned_size = :size, cosigned_root = :root, version = version + 1"
                    " WHERE origin = :origin",
                    size=wanted.size,
                    root=root,
                    origin=held.origin,
                )
        failpoint("hub.cosigned")
        if known is not None:
            visit.cosignature = Cosignature(wanted.size, bytes(known))
        self._reload(visit)

    def _may_sign(self, session: Session, visit: Visit, wanted: Checkpoint) -> bool:
        """Compare with the last head signed for this chain, which a restored database may have forgotten."""
        held = visit.held
        last = self._heads.get(held.origin)
        if last is None or (last.size, last.root) == (held.cosigned_size, held.cosigned_root):
            return True
        if wanted.size < last.size:
            return False
        if blocks.root_at(session, held.origin, last.size) == last.root:
            return True
        summary = (
            f"{held.origin} now brings another history than the one whose {last.size} blocks this hub acknowledged "
            "before its database was put back"
        )
        body = cbor_encode(dict(visit.greeting.body))
        forks.report_fork(session, held, last.size - 1, summary, body, self._clock.now_ms())
        return False

    def _forgotten(self, held: Held) -> bool:
        last = self._heads.get(held.origin)
        return last is not None and last.size > held.size

    # ------------------------------------------------------------ answering

    def _answer(self, visit: Visit, rest: Sequence[Frame], code: str, message: str, request: bytes) -> Reply:
        held, hello, now_ms = visit.held, visit.hello, self._clock.now_ms()
        digest = visit.greeting.digest
        with self._store.write(held.origin) as session:
            down = answering.gather(
                session, self._key, held, visit.greeting, visit.cosignature, code, visit.restored, now_ms
            )
            body, more = answering.fit(down)
            again = more or code in (messages.PARTIAL, messages.BEHIND, messages.RECOVERING, messages.NOT_NEXT)
            if code == messages.FORKED:
                # Ask for the rest of the branch from where our copy of it ends, or from what was common for sure.
                end = forks.branch_end(session, held.origin)
                begin = min(hello.cosigned, held.size) if end is None else end
            else:
                begin = held.size
            status = Status(
                code=code,
                origin=held.origin,
                next=begin,
                head_hash=held.head_hash,
                cosigned_size=held.cosigned_size,
                logged_size=held.logged_size,
                anchored_size=held.anchored_size,
                lease=visit.lease,
                budget=self._bundle_bytes_max,
                next_sync_after_s=GIVEN_AGAIN_S if again else self._interval_s,
                hub_time_ms=now_ms,
                more=more,
                message=message[: messages.TEXT_MAX],
            )
            made = make_bundle([status.frame(digest, self._key), *body], BUNDLE_BYTES_MAX, end=frames.DOWN_END)
            session.run("UPDATE origins SET heard_ms = :now WHERE origin = :origin", now=now_ms, origin=held.origin)
            reply = Reply(code, made)
            answering.keep(session, held.origin, request, reply, now_ms)
        failpoint("hub.answered")
        return reply

    def _refuse(self, greeting: Greeting, visit: Visit | None, stop: Stop) -> Reply:
        """A STATUS alone, without a lease: nothing was taken and nothing is given."""
        checking = stop.code == messages.CHECK_LEASE
        status = Status(
            code=stop.code,
            origin=greeting.hello.origin,
            next=0 if visit is None else visit.held.size,
            challenge=bytes.fromhex(stop.message) if checking else b"",
            next_sync_after_s=GIVEN_AGAIN_S if checking else self._interval_s,
            hub_time_ms=self._clock.now_ms(),
            message="" if checking else stop.message[: messages.TEXT_MAX],
        )
        frame = status.frame(greeting.digest, self._key)
        return Reply(stop.code, make_bundle([frame], BUNDLE_BYTES_MAX, end=frames.DOWN_END))

    def _reload(self, visit: Visit) -> None:
        with self._store.read() as session:
            held = blocks.held(session, visit.held.origin, self._control_address)
        if held is None:
            raise Unavailable(f"{visit.held.origin} was removed meanwhile")
        visit.held = held

    def _turn(self, origin: str) -> threading.Lock:
        with self._guard:
            return self._turns.setdefault(origin, threading.Lock())
