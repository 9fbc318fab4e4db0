"""Receipts and moves that are scanned together: a task that bin labels steer, until it is finished as a document."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ledger import calls
from ledger.db import Connection
from ledger.documents import UNEXPLAINED, part_op_id, reference
from ledger.errors import Rejected
from ledger.ids import SUPPLIER, VIRTUAL, OpId
from ledger.moves import FREE, Line
from ledger.people import MOVE, RECEIVE
from ledger.wording import shown
from node import catalogue, deliveries, tasks, units
from node.counting_amounts import amount_of
from node.counting_lines import iso_date
from node.desk import Answer, Person
from node.stock_documents import references_of
from node.stock_goods import GoodsDocuments
from node.tasks import Cause, Task, Thing
from node.values import Fields
from node.wish import Wish

ROLE_OF = {tasks.RECEIVE: RECEIVE, tasks.MOVE: MOVE}
# The part of an act's op_id that has what was never explained of it counted; the numbers of others are in `picking`.
DOUBT = 1_004


class Stock(GoodsDocuments):
    """All stock work: whole documents, and those that grow line by line."""

    def begin(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Begin to scan a receipt or move: `kind` (receive, move), `source`, `target`."""
        fields = Fields(body, "begin")
        kind = fields.take("kind")
        if not isinstance(kind, str) or kind not in ROLE_OF:
            raise Rejected(f"kind {shown(kind)}: expected receive or move")
        who.need(ROLE_OF[kind], f"{kind} goods")
        source, target = fields.text("source", need=False), fields.text("target", need=False)
        fields.done()

        def work(connection: Connection) -> Answer:
            for place in (source, target):
                if place:
                    catalogue.need_bin(connection, place)
            start = source or (SUPPLIER if kind == tasks.RECEIVE else "")
            task = tasks.begin(connection, who.actor, kind, start, target, self._desk.now_ms())
            return {"task": task.task, "kind": kind, "source": task.source, "target": target}

        content = {"kind": kind, "source": source, "target": target}
        return self._desk.once(op_id, who.actor, "begin", content, work)

    def steer(self, connection: Connection, task: Task, code: str) -> Answer:
        """A bin label in a receipt or move: where the next things go; in a move the first one is where they are."""
        catalogue.need_bin(connection, code)
        source, target = (task.source or code, code if task.source else "")
        tasks.steer(connection, task.task, source, target)
        return {"source": source, "target": target}

    def unit(self, connection: Connection, who: Person, task: Task, code: str, cause: Cause) -> Answer:
        """The label of a handling unit in a receipt or move (`node/units`): one in use is a place, any other comes in
        by the receipt with what was announced on it. What the receipt has on it already is not put on it again."""
        if units.is_used(connection, code):
            return self.steer(connection, task, code)
        if task.kind != tasks.RECEIVE:
            raise Rejected(f"{code} is not in use: bring it to its place first")
        arrived = units.arrive(connection, task, code)
        if not any(line.thing.place == code for line in tasks.tally(connection, task.task)):
            for thing, quantity in arrived.things.items():
                self.add(connection, who, task, thing, quantity, cause)
                cause = replace(cause, read=None)
        target = arrived.stands if arrived.is_closed else code
        tasks.steer(connection, task.task, task.source, target)
        said = {"delivery": arrived.delivery, "open": list(arrived.open)}
        answer = {"source": task.source, "target": target, "unit": code}
        return {**answer, **{name: value for name, value in said.items() if value}}

    def add(
        self, connection: Connection, who: Person, task: Task, thing: Thing, quantity: int, cause: Cause, *,
        kind: str = "scan", entered: int | None = None,
    ) -> Answer:  # fmt: skip
        """Append one line to an open receipt or move. In a move the target may still be scanned after the things."""
        item = catalogue.need_item(connection, thing.item)
        catalogue.refuse_tracking(item, thing.lot, thing.serial)
        place = thing.place or task.target
        if not task.source or (task.kind == tasks.RECEIVE and not place):
            raise Rejected("scan the bin first")
        put = Thing(thing.item, thing.lot, thing.serial, FREE, thing.expiry, place)
        now = tasks.quantity_of(connection, task.task, put)
        if thing.serial and now + quantity > 1:
            raise Rejected(f"serial {thing.serial} is one piece")
        tasks.add(connection, task, who.actor, kind, put, quantity, cause, entered=entered)
        return {"item": thing.item, "lot": thing.lot, "serial": thing.serial, "counted": now + quantity}

    def enter(self, op_id: OpId, who: Person, body: object) -> Answer:
        """How much of a thing there is, by hand: `item`, `lot`, `serial`, `expiry`, `place` (where it goes; without
        it, where the task is), and `quantity` or `amount`. It replaces what was scanned of it."""
        fields = Fields(body, "line")
        sku, lot, serial = fields.text("item"), fields.text("lot", need=False), fields.text("serial", need=False)
        expiry, place = iso_date(fields.take("expiry")), fields.text("place", need=False)
        said = amount_of(fields)
        fields.done()
        with self._site.reading() as connection:
            quantity = said.base(connection, catalogue.need_item(connection, sku))

        def work(connection: Connection) -> Answer:
            task = tasks.current(connection, who.actor)
            if task is None or task.kind not in ROLE_OF:
                raise Rejected("you have no receipt or move open")
            who.need(ROLE_OF[task.kind], f"{task.kind} goods")
            thing = Thing(sku, lot, serial, FREE, expiry, place or task.target)
            change = quantity - tasks.quantity_of(connection, task.task, thing)
            cause = self._counting.by_hand(who)
            return self.add(connection, who, task, thing, change, cause, kind="set", entered=quantity)

        content = {"line": [sku, lot, serial, expiry, place], "quantity": quantity}
        return self._desk.once(op_id, who.actor, "enter_goods", content, work)

    def finish(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Book the scanned receipt or move: `supplier`, `delivery_note`, `delivery` (an expected one), `confirm`,
        `reasons`, `occurred_ms`, `happened`, `note`."""
        fields = Fields(body, "finish")
        references = references_of(fields)
        expected, sure = fields.take("delivery"), fields.flag("confirm")
        if expected is not None:
            references["delivery"] = reference(expected)
        wish = self.wish(who, fields, None)
        with self._site.writing() as connection:
            asked = "" if sure or wish.happened else deliveries.received_before(connection, op_id, references)
            if asked:
                return {"op_id": str(op_id), "ask": asked}
            task = tasks.current(connection, who.actor)
            if task is not None and task.kind not in ROLE_OF:
                task = None  # what was recorded under this op_id is over, and they count by now
            if task is None and self._site.find(op_id) is None:
                raise Rejected("you have no receipt or move open")
            if task is not None:
                wish.ask(UNEXPLAINED, partial(tasks.refuse_parked, connection, task.task))
                wish.lines, wish.expiries = self._scanned(connection, task, wish.happened)
                wish.scans, wish.task = tasks.root(connection, task.task), task.task
                wish.delivery = units.delivery_of(connection, task.task)
        kind = tasks.MOVE if task is None else task.kind
        if task is not None:
            who.need(ROLE_OF[kind], f"{kind} goods")

        def build(lines: tuple[Line, ...]) -> calls.Call:
            if kind == tasks.RECEIVE:
                return calls.Receive(actor=who.actor, lines=lines)
            return calls.Move(actor=who.actor, lines=lines)

        def doubt(connection: Connection) -> Answer:
            return {} if task is None else self._doubt(connection, op_id, who, wish, task)

        # What was scanned is fixed by the task; only what is said now belongs to the wish.
        return self._record(op_id, who, "finish", wish, build, references, doubt=doubt)

    def drop(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Give up a scanned receipt or move; its events stay on record."""
        Fields(body, "drop").done()

        def work(connection: Connection) -> Answer:
            task = tasks.current(connection, who.actor)
            if task is None or task.kind not in ROLE_OF:
                raise Rejected("you have no receipt or move open")
            tasks.become(connection, task.task, tasks.DROPPED)
            return {"task": task.task}

        return self._desk.once(op_id, who.actor, "drop", {}, work)

    def _doubt(self, connection: Connection, op_id: OpId, who: Person, wish: Wish, task: Task) -> Answer:
        """What was scanned and never explained lies somewhere and is in no line: its place is counted. The scans stay
        parked beside the task, as they were read."""
        if UNEXPLAINED not in wish.marks:
            return {}
        place = task.source if task.source and task.source not in VIRTUAL else task.target
        document = self.document(connection, wish.at(()))
        told = {} if place in self._counting.blind_bins(connection, who) else {"exception": True}
        name = part_op_id(op_id, DOUBT) if wish.lines else op_id
        self.seal(connection, name, who, place, (), document)
        return told

    @staticmethod
    def _scanned(connection: Connection, task: Task, happened: bool) -> tuple[tuple[Line, ...], dict[int, str]]:
        lines: list[Line] = []
        expiries: dict[int, str] = {}
        for line in tasks.tally(connection, task.task):
            if line.quantity:
                target = line.thing.place or task.target
                if not target and not happened:
                    raise Rejected("scan the bin where the goods go")
                if line.thing.expiry:
                    expiries[len(lines)] = line.thing.expiry
                lines.append(
                    Line(item=line.thing.item, lot=line.thing.lot, serial=line.thing.serial, quantity=line.quantity,
                         source=task.source, target=target)
                )  # fmt: skip
        return tuple(lines), expiries
