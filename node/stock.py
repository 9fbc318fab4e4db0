"""Receipts and moves that are scanned together: a task that bin labels steer, until it is finished as a document."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ledger import calls
from ledger.db import Connection
from ledger.documents import UNEXPLAINED, part_op_id
from ledger.errors import Rejected
from ledger.ids import SUPPLIER, VIRTUAL, OpId
from ledger.moves import FREE, HELD_BECAUSE, Line
from ledger.people import MOVE, RECEIVE
from ledger.wording import shown
from node import catalogue, deliveries, tasks, units
from node.counting_amounts import amount_of, asked_back
from node.counting_lines import iso_date, thing_of
from node.counting_lines import shown as shown_thing
from node.desk import Answer, Person, is_done
from node.exceptions import REST
from node.stock_documents import references_of
from node.stock_goods import GoodsDocuments
from node.tasks import Cause, Task, Thing
from node.values import Fields, reference
from node.wish import Wish

ROLE_OF = {tasks.RECEIVE: RECEIVE, tasks.MOVE: MOVE}


class Stock(GoodsDocuments):
    """All stock work: whole documents, and those that grow line by line."""

    def begin(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Begin to scan a receipt or move: `kind` (receive, move), `source`, `target`, and of a receipt the expected
        `delivery` that it is of."""
        fields = Fields(body, "begin")
        kind = fields.take("kind")
        if not isinstance(kind, str) or kind not in ROLE_OF:
            raise Rejected(f"kind {shown(kind)}: expected receive or move")
        who.need(ROLE_OF[kind], f"{kind} goods")
        source, target = fields.text("source", need=False), fields.text("target", need=False)
        expected = fields.take("delivery")
        delivery = "" if expected is None else reference(expected)
        fields.done()
        if delivery and kind != tasks.RECEIVE:
            raise Rejected("only a receipt is of a delivery")

        def work(connection: Connection) -> Answer:
            for place in (source, target):
                if place:
                    catalogue.need_bin(connection, place)
            start = source or (SUPPLIER if kind == tasks.RECEIVE else "")
            if delivery:
                deliveries.need_open(connection, delivery)
            task = tasks.begin(connection, who.actor, kind, start, target, self._desk.now_ms())
            connection.execute("UPDATE tasks SET delivery = ? WHERE task = ?", (delivery, task.task))
            return {"task": task.task, "kind": kind, "source": task.source, "target": target}

        content = {"kind": kind, "source": source, "target": target, **({"delivery": delivery} if delivery else {})}
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
        put = replace(thing, status=max(thing.status, FREE), place=place)
        now = tasks.quantity_of(connection, task.task, put)
        twice = thing.serial and quantity > 0 and tasks.has_piece(connection, task.task, thing)
        if twice or (thing.serial and now + quantity > 1):
            raise Rejected(f"serial {thing.serial} is one piece")
        if now + quantity < 0:
            raise Rejected("there is not that much on this line")
        tasks.add(connection, task, who.actor, kind, put, quantity, cause, entered=entered)
        return {**shown_thing(put), "counted": now + quantity}

    def enter(self, op_id: OpId, who: Person, body: object) -> Answer:
        """How much of a thing there is, by hand: `item`, `lot`, `serial`, `status`, `expiry`, `place` (where it goes;
        without it, where the task is), `quantity` or `amount`, `confirm`, `task` (which one it was done in). It
        replaces what was scanned of it. Answers {ask} when so much has to be confirmed."""
        fields = Fields(body, "line")
        sku, lot, serial = fields.text("item"), fields.text("lot", need=False), fields.text("serial", need=False)
        expiry, place, status = iso_date(fields.take("expiry")), fields.text("place", need=False), fields.status()
        said, sure, number = amount_of(fields), fields.flag("confirm"), fields.number("task")
        fields.done()
        with self._site.reading() as connection:
            item = catalogue.need_item(connection, sku)
            quantity = said.base(connection, item, self._desk.did_at_ms(who, None))
            may_ask = not sure and self._desk.may_ask(connection, op_id, who)
            asked = asked_back(connection, item, quantity) if may_ask else ""
        if asked:
            return {"op_id": str(op_id), "ask": asked}

        def work(connection: Connection) -> Answer:
            task = self._needed(connection, who, number)
            thing = Thing(sku, lot, serial, status, expiry, place or task.target)
            change = quantity - tasks.quantity_of(connection, task.task, thing)
            cause = self._counting.by_hand(who, op_id)
            return self.add(connection, who, task, thing, change, cause, kind="set", entered=quantity)

        held = {"status": status} if status else {}
        content = {"line": [sku, lot, serial, expiry, place], "quantity": quantity, **held, **tasks.named(number)}
        return self._desk.once(op_id, who.actor, "enter_goods", content, work)

    def part(self, op_id: OpId, who: Person, body: object) -> Answer:
        """A part of a line is `held` (quality, damage, expired), in a receipt, a move or a count: `item`, `lot`,
        `serial`, `expiry`, `place` as the line has them, `quantity` or `amount`, `pieces`, `bin` (of a count), `task`
        (which receipt or move it was done in)."""
        fields = Fields(body, "part of a line")
        bin_, place = fields.text("bin", need=False), fields.text("place", need=False)
        held, thing, said = fields.status("held", held=True), thing_of(fields), amount_of(fields)
        number = fields.number("task")
        fields.done()
        with self._site.reading() as connection:
            item = catalogue.need_item(connection, thing.item)
            quantity = said.base(connection, item, self._desk.did_at_ms(who, None))

        def work(connection: Connection) -> Answer:
            task = self._counting.busy_with(connection, who, bin_, number)
            if task.kind != tasks.COUNT:
                who.need(ROLE_OF[task.kind], f"{task.kind} goods")
            line = thing if task.kind == tasks.COUNT else replace(thing, status=FREE, place=place or task.target)
            cause = self._counting.by_hand(who, op_id)
            now = tasks.part(connection, task, who.actor, line, held, quantity, cause, pieces=said.pieces or 0)
            return {**shown_thing(now), "counted": tasks.quantity_of(connection, task.task, now)}

        said_of = [thing.item, thing.lot, thing.serial, thing.status, thing.expiry, place]
        content = {"line": said_of, "held": held, "quantity": quantity, "pieces": said.pieces, "bin": bin_}
        return self._desk.once(op_id, who.actor, "part", {**content, **tasks.named(number)}, work)

    def finish(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Book the scanned receipt or move: `supplier`, `delivery_note`, `delivery` (an expected one), `confirm`,
        `reasons`, `occurred_ms`, `happened`, `note`, `task` (which one is meant)."""
        fields = Fields(body, "finish")
        references, number = references_of(fields), fields.number("task")
        expected, sure = fields.take("delivery"), fields.flag("confirm")
        if expected is not None:
            references["delivery"] = reference(expected)
        wish = self.wish(who, fields, None)
        with self._site.writing() as connection:
            asked = "" if sure or wish.happened else deliveries.received_before(connection, op_id, references)
            if asked:
                return {"op_id": str(op_id), "ask": asked}
            task = None if is_done(connection, op_id) else self._needed(connection, who, number)
            if task is not None:
                wish.ask(UNEXPLAINED, partial(tasks.refuse_parked, connection, task.task))
                wish.lines, wish.expiries, wish.line_reasons = self._scanned(connection, task, wish.happened)
                wish.scans, wish.task = tasks.root(connection, task.task), task.task
                wish.delivery = units.delivery_of(connection, task.task)
                closed = "" if wish.happened else deliveries.closed_meanwhile(connection, wish.delivery)
                if closed:
                    wish.delivery = ""  # the goods are here, whatever was said of it
                if task.kind == tasks.RECEIVE and not sure and not wish.happened:
                    asked = f"{closed} {wish.dates_doubted(connection)}".strip()
        if asked:
            return {"op_id": str(op_id), "ask": asked}
        kind = tasks.MOVE if task is None else task.kind

        def build(lines: tuple[Line, ...]) -> calls.Call:
            if kind == tasks.RECEIVE:
                return calls.Receive(actor=who.actor, lines=lines)
            return calls.Move(actor=who.actor, lines=lines)

        def beside(connection: Connection) -> Answer:
            return {} if task is None else self._doubt(connection, op_id, who, wish, task)

        # What was scanned is fixed by the task; only what is said now belongs to the wish.
        return self._record(op_id, who, "finish", wish, build, references, beside=beside)

    def drop(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Give up a scanned receipt or move, `task` where it says which; its events stay on record."""
        fields = Fields(body, "drop")
        number = fields.number("task")
        fields.done()

        def work(connection: Connection) -> Answer:
            task = self._needed(connection, who, number)
            tasks.become(connection, task.task, tasks.DROPPED)
            return {"task": task.task}

        return self._desk.once(op_id, who.actor, "drop", tasks.named(number), work)

    def _needed(self, connection: Connection, who: Person, number: int | None) -> Task:
        """The receipt or move that this is done in (`tasks.meant`)."""
        task = tasks.meant(connection, who.actor, number, late=self._desk.was_away(who))
        if task is None or task.kind not in ROLE_OF:
            raise Rejected("you have no receipt or move open")
        who.need(ROLE_OF[task.kind], f"{task.kind} goods")
        return task

    def _doubt(self, connection: Connection, op_id: OpId, who: Person, wish: Wish, task: Task) -> Answer:
        """What was scanned and never explained lies somewhere and is in no line: its place is counted. The scans stay
        parked beside the task, as they were read."""
        if UNEXPLAINED not in wish.marks:
            return {}
        place = task.source if task.source and task.source not in VIRTUAL else task.target
        document = self.document(connection, wish.at(()))
        told = {} if place in self._counting.blind_bins(connection, who) else {"exception": True}
        name = part_op_id(op_id, REST) if wish.lines else op_id
        self.seal(connection, name, who, place, (), document)
        return told

    @staticmethod
    def _scanned(
        connection: Connection, task: Task, happened: bool
    ) -> tuple[tuple[Line, ...], dict[int, str], dict[int, tuple[str, ...]]]:
        """The lines of the document with what is said of them: goods that arrive held say why."""
        lines: list[Line] = []
        expiries: dict[int, str] = {}
        reasons: dict[int, tuple[str, ...]] = {}
        for line in tasks.tally(connection, task.task):
            if line.quantity:
                target = line.thing.place or task.target
                if not target and not happened:
                    raise Rejected("scan the bin where the goods go")
                if line.thing.expiry:
                    expiries[len(lines)] = line.thing.expiry
                if line.thing.status and task.kind == tasks.RECEIVE:
                    reasons[len(lines)] = (HELD_BECAUSE[line.thing.status],)
                lines.append(
                    Line(item=line.thing.item, lot=line.thing.lot, serial=line.thing.serial, status=line.thing.status,
                         quantity=line.quantity, source=task.source, target=target)
                )  # fmt: skip
        return tuple(lines), expiries, reasons
