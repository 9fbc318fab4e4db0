"""Faults put in on purpose: real code replaced by a variant with one mistake in it, which the oracles must see.

Each is a mistake that was made somewhere before, by us or by others. None is in product code: a variant is put in
place for one world at a time and taken out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from hub import blocks, projection
from hub.admission import Door, Stop
from hub.receiving import Receiver
from hub.store import Session
from ledger import chain, checkpoint, db
from ledger.clock import Clock
from ledger.errors import Rejected
from ledger.ids import OpId
from node import counting_judge, counting_plans, mark, rounds, sealing, store, streams
from node.desk import Desk
from node.keeper import Keeper
from node.picking import Picking
from node.site import Recorded, Site
from node.timekeeping import Timekeeper
from node.uplink import NodeUplink
from sync import messages
from tests.sim.machines import UNEXPECTED
from tests.sim.world import Result, play


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault: what is wrong, and what puts it in place."""

    name: str
    put: Callable[[], list[tuple[Any, str, Any]]]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        changes = self.put()
        before = [(owner, name, owner.__dict__[name]) for owner, name, _ in changes]
        for owner, name, variant in changes:
            setattr(owner, name, variant)
        try:
            yield
        finally:
            for owner, name, original in before:
                setattr(owner, name, original)


def _acknowledges_before_commit() -> list[tuple[Any, str, Any]]:
    """One commit for three acts, to spare the disk, and an answer to each before it."""
    inside: set[Site] = set()
    acts: dict[Site, int] = {}

    @contextmanager
    def writing(self: Site) -> Iterator[db.Connection]:
        connection = self._connection
        if self in inside:
            yield connection
            return
        if not connection.in_transaction:
            connection.execute("BEGIN IMMEDIATE")
        connection.execute("SAVEPOINT act")
        inside.add(self)
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK TO act")
            connection.execute("COMMIT")
            self._keeper.doubt()
            raise
        finally:
            inside.discard(self)
        connection.execute("RELEASE act")
        acts[self] = acts.get(self, 0) + 1
        if acts[self] % 3 == 0:
            connection.execute("COMMIT")

    def commit(self: Site) -> None:
        if self._connection.in_transaction and self not in inside:
            self._connection.execute("COMMIT")

    seal, erasing = Site.__dict__["_seal"], Site.__dict__["erasing"]

    def seal_all(self: Site) -> Any:
        commit(self)
        return seal(self)

    @contextmanager
    def erasing_all(self: Site) -> Iterator[None]:
        commit(self)
        with erasing(self):
            yield
            commit(self)

    return [(Site, "writing", writing), (Site, "_seal", seal_all), (Site, "erasing", erasing_all)]


def _cursor_before_data() -> list[tuple[Any, str, Any]]:
    """The cursor of a stream moves in a transaction of its own, before what it counts is stored."""
    take = NodeUplink.__dict__["_take_delta"]

    def take_deltas(self: NodeUplink, stream: str, deltas: Any) -> None:
        for delta in deltas:
            with self._site.writing() as connection:
                known = streams.cursor(connection, stream)
                streams.set_cursor(connection, stream, delta.generation, delta.end)
            with self._site.writing() as connection:
                streams.set_cursor(connection, stream, *known)
                take(self, connection, delta)

    return [(NodeUplink, "take_deltas", take_deltas)]


def _delivered_when_sent() -> list[tuple[Any, str, Any]]:
    """What was sent counts as delivered, and nobody looks at what the hub says that it holds."""
    ask, take = NodeUplink.__dict__["will_ask"], NodeUplink.__dict__["take_status"]

    def will_ask(self: NodeUplink, request: bytes) -> None:
        import json

        ask(self, request)
        with self._site.writing() as connection:
            known = json.loads(store.fact(connection, store.FACT_HUB) or "{}")
            size = self._site.head.height + 1
            store.set_fact(connection, store.FACT_HUB, json.dumps({**known, "next": size, "cosigned": size}))

    def take_status(self: NodeUplink, status: Any) -> None:
        size = self._site.head.height + 1
        take(self, replace(status, next=size, cosigned_size=size))

    return [(NodeUplink, "will_ask", will_ask), (NodeUplink, "take_status", take_status)]


def _cosigns_before_storing() -> list[tuple[Any, str, Any]]:
    """The hub acknowledges what a bundle announces, and stores the blocks afterwards."""
    take = Receiver.__dict__["_take"]

    def take_all(self: Receiver, visit: Any, rest: Any) -> Any:
        note = self._read_head(visit, rest)
        if note is not None and note[0].size > visit.held.size:
            hub, now_s = visit.held.identity.origin.hub, self._clock.now_ms() // 1000
            signed = checkpoint.cosign(note[1], hub, self._key, now_s)
            visit.cosignature = messages.Cosignature(note[0].size, signed)
        return take(self, visit, rest)

    return [(Receiver, "_take", take_all)]


def _late_bundle_overwrites() -> list[tuple[Any, str, Any]]:
    """What comes in is believed: leases are not looked at, and the newest bundle says what the chain is."""
    take, check = Receiver.__dict__["_take_run"], Door.__dict__["check_lease"]

    def take_run(self: Receiver, visit: Any, start: int, values: Any) -> None:
        if 0 < start < visit.held.size:
            with self._store.write(visit.held.origin) as session:
                _cut(session, visit.held, start)
            self._reload(visit)
        take(self, visit, start, values)

    def check_lease(self: Door, visit: Any) -> None:
        try:
            check(self, visit)
        except Stop as stop:
            if stop.code != messages.CHECK_LEASE:
                raise

    def _cut(session: Session, held: Any, size: int) -> None:
        origin = held.origin
        head = blocks.head_at(session, held.identity, size - 1)
        assert head is not None
        session.run("DELETE FROM blocks WHERE origin = :origin AND height >= :size", origin=origin, size=size)
        session.run(
            "UPDATE origins SET size = :size, head_hash = :hash, head = :head, head_s = :at WHERE origin = :origin",
            size=size, hash=head.hash, head=head.encode(), at=head.timestamp, origin=origin,
        )  # fmt: skip

    return [(Receiver, "_take_run", take_run), (Door, "check_lease", check_lease)]


def _repeats_act_again() -> list[tuple[Any, str, Any]]:
    """A repeat is not recognised: it is done again, under an op_id made for it."""
    record = Site.__dict__["record"]

    def known(connection: Any, op_id: OpId, fingerprint: bytes) -> None:
        connection.execute("DELETE FROM acts WHERE op_id = ?", (op_id.raw,))

    def again(self: Site, call: Any, *, op_id: OpId, **more: Any) -> Recorded:
        while self.find(op_id) is not None:
            op_id = OpId(sha256(op_id.raw).digest()[:16])
        done: Recorded = record(self, call, op_id=op_id, **more)
        return done

    return [(Desk, "known", staticmethod(known)), (Site, "record", again)]


def _signs_without_mark() -> list[tuple[Any, str, Any]]:
    """The signing mark follows the commit: until then a crash forgets that anything was signed."""
    seal = Keeper.__dict__["seal"]

    def marker(path: Any, sequence: int, storage: Any) -> Callable[[chain.Draft], None]:
        return lambda _: None

    def seal_and_mark(self: Keeper) -> Any:
        before = self.sequence
        sealed = seal(self)
        if sealed is not None:
            head = sealed.head
            found = mark.Mark(str(head.origin), head.height, head.hash, head.timestamp, b"", before)
            mark.take(self.mark_path, found, self._storage)
        return sealed

    return [(sealing, "marker", marker), (Keeper, "seal", seal_and_mark)]


def _block_applied_twice() -> list[tuple[Any, str, Any]]:
    """A block that touches transit is added to the hub's stock twice."""
    book = projection.__dict__["_book"]

    def book_twice(session: Session, site: str, stock: Any) -> None:
        book(session, site, stock)
        if any(key[0] == "IN_TRANSIT" for key in stock):
            book(session, site, stock)

    return [(projection, "_book", book_twice)]


def _clock_of_the_hub() -> list[tuple[Any, str, Any]]:
    """A block's time is the hub's, as the node remembers it, and not what the site's own clock says."""
    confirm = Timekeeper.__dict__["confirm"]

    class Shifted:
        def __init__(self, clock: Clock, by_ms: int) -> None:
            self.clock, self.by_ms = clock, by_ms

        def now_ms(self) -> int:
            return self.clock.now_ms() + self.by_ms

        def __getattr__(self, name: str) -> Any:
            return getattr(self.clock, name)

    def confirmed(self: Timekeeper, hub_ms: int) -> None:
        confirm(self, hub_ms)
        plain = getattr(self._clock, "clock", self._clock)
        self._clock = Shifted(plain, hub_ms - plain.now_ms())

    return [(Timekeeper, "confirm", confirmed)]


def _journal_forgotten() -> list[tuple[Any, str, Any]]:
    """A start begins with an empty pending block: what was not sealed yet was only recorded, after all."""
    load = Keeper.__dict__["_load"]

    def forget(self: Keeper) -> None:
        if self._executor is None and self._connection.execute("SELECT 1 FROM journal").fetchone():
            with db.transaction(self._connection) as connection:
                connection.execute("DELETE FROM journal")
        load(self)

    return [(Keeper, "_load", forget)]


def _refusal_taken_for_done() -> list[tuple[Any, str, Any]]:
    """A move that the rules refuse is answered like one that was booked."""
    steps = Desk.__dict__["steps"]

    def swallow(self: Desk, op_id: OpId, actor: Any, verb: str, content: Any, works: Any) -> Any:
        try:
            return steps(self, op_id, actor, verb, content, works)
        except Rejected:
            if verb != "move":
                raise
            return {"op_id": str(op_id), "state": "recorded"}

    return [(Desk, "steps", swallow)]


def _skips_a_block() -> list[tuple[Any, str, Any]]:
    """The hub's picture is taken to be as far as its blocks, now and then, without having looked at one of them."""
    append = blocks.__dict__["append"]

    def append_and_skip(session: Session, held: Any, links: Any, now_ms: int) -> Any:
        found = append(session, held, links, now_ms)
        session.run(
            "UPDATE origins SET projected_size = size WHERE origin = :origin AND projected_size = size - 1",
            origin=held.origin,
        )
        return found

    return [(blocks, "append", append_and_skip)]


def _held_taken_for_free() -> list[tuple[Any, str, Any]]:
    """The hub adds goods up by item and lot: what is held stands with what is free."""
    add = projection.__dict__["_add"]

    def add_all(stock: Any, event: Any) -> None:
        add(stock, replace(event, status=0))

    return [(projection, "_add", add_all)]


def _ended_list_keeps() -> list[tuple[Any, str, Any]]:
    """A list that is issued or cancelled keeps what was promised to it and not picked."""
    return [(Picking, "_give_back", lambda *_: None)]


def _promised_twice() -> list[tuple[Any, str, Any]]:
    """The hub hears of what is promised, and not of what is given back or picked."""
    promise = projection.__dict__["_promise"]

    def only_new(session: Session, place: Any, event: Any, reservation: str, change: int) -> None:
        if change > 0:
            promise(session, place, event, reservation, change)

    return [(projection, "_promise", only_new)]


def _test_is_judged() -> list[tuple[Any, str, Any]]:
    """What an auditor finds in a test is counted again and posted, as any count."""
    need = rounds.need_session

    def no_test(connection: Any, session: Any) -> Any:
        return replace(need(connection, session), test=False)

    return [(counting_judge, "need_session", no_test)]


def _draws_by_another_seed() -> list[tuple[Any, str, Any]]:
    """A node draws its samples by a seed of its own, whatever secret it names."""
    return [(counting_plans, "seed_of", lambda secret, session: sha256(session.raw + secret).digest())]


PLANTED = (
    Planted("the node acknowledges before the commit", _acknowledges_before_commit),
    Planted("a stream's cursor moves before its data", _cursor_before_data),
    Planted("what was sent counts as delivered", _delivered_when_sent),
    Planted("the hub cosigns before it stores", _cosigns_before_storing),
    Planted("a late bundle overwrites the hub's blocks", _late_bundle_overwrites),
    Planted("a repeated act acts again", _repeats_act_again),
    Planted("a block is signed without its mark", _signs_without_mark),
    Planted("the hub applies a block twice", _block_applied_twice),
    Planted("a block's time is the hub's", _clock_of_the_hub),
    Planted("a start forgets the journal", _journal_forgotten),
    Planted("a refusal is taken for done", _refusal_taken_for_done),
    Planted("a block is skipped in the hub's picture", _skips_a_block),
    Planted("held goods stand with free ones", _held_taken_for_free),
    Planted("a list that ended keeps what was promised", _ended_list_keeps),
    Planted("what was picked stays promised at the hub", _promised_twice),
    Planted("a test count is judged as any other", _test_is_judged),
    Planted("a sample is drawn by another seed", _draws_by_another_seed),
)


def hunt(planted: Planted, seeds: range) -> Result | None:
    """The first seed at which the fault is seen, or None. A variant that only makes the program fall over has shown
    nothing of the oracle that should see it."""
    with planted.in_place():
        for seed in seeds:
            result = play(seed)
            if result.oracle not in ("", UNEXPECTED):
                return result
    return None
