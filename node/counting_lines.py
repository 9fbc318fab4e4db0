"""Lines of the open count, however they come in: scanned, keyed in, taken back. Nothing here looks at the books."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.moves import FREE, STATUSES
from node import catalogue, tasks, units
from node.counting_amounts import amount_of, asked_back, date_asked
from node.counting_shared import Shared
from node.counting_units import sealed_in
from node.desk import Answer, Desk, Person
from node.rounds import Round, round_of
from node.tasks import Cause, Thing
from node.values import Fields, amount


class Lines:
    """The counter's verbs within an open bin, and the screen that shows it."""

    shared: Shared

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._site = desk.site

    def enter(self, op_id: OpId, who: Person, body: object) -> Answer:
        """A line by hand: `item`, `lot`, `serial`, `status`, `expiry`, how much (`counting_amounts.amount_of`),
        `mode`: set, add, take; `bin`; `confirm`. Answers {ask} when so much has to be confirmed. What is refused
        to somebody who was out of contact is set aside: {park, why, hint}; not what takes off a line."""
        fields = Fields(body, "count line")
        bin_ = fields.text("bin", need=False)
        thing = thing_of(fields)
        said, mode, sure = amount_of(fields), fields.take("mode") or "set", fields.flag("confirm")
        fields.done()
        if mode not in ("set", "add", "take"):
            raise Rejected("mode: expected set, add or take")
        with self._site.reading() as connection:
            item = catalogue.need_item(connection, thing.item)
            quantity = said.base(connection, item, self._desk.did_at_ms(who, None))
            may_ask = not sure and mode != "take" and self._desk.may_ask(connection, op_id, who)
            task = tasks.current(connection, who.actor)
            asked = self.asked(connection, task, item, thing, quantity, adds=mode == "add") if may_ask else ""
        if asked:
            return {"op_id": str(op_id), "ask": asked}
        pieces = said.pieces or 0

        def work(connection: Connection) -> Answer:
            cause = self.by_hand(who, op_id)
            over = self.over(connection, who, bin_)
            if over is not None and mode != "take":
                return aside(connection, over, cause, f"it came after the count of {bin_} was ended")
            task = self.open_task(connection, who, bin_)
            before = tasks.amounts_of(connection, task.task, thing) if mode == "set" else (0, 0)
            kind, sign = "set" if mode == "set" else "key", -1 if mode == "take" else 1
            try:
                return self.add(
                    connection, who, task, thing, sign * quantity - before[0], cause, kind=kind, entered=quantity,
                    pieces=sign * pieces - before[1],
                )  # fmt: skip
            except Rejected as error:
                if mode == "take" or not self._desk.was_away(who):
                    raise
                why = str(error)
            return aside(connection, task, cause, why)

        def aside(connection: Connection, task: tasks.Task, cause: Cause, why: str) -> Answer:
            # Whoever said it held the goods and is gone by now: it waits for an explanation, as a scan would.
            hint = {**shown(thing), "quantity": quantity, **({"pieces": pieces} if pieces else {})}
            written = " ".join(filter(None, (thing.item, thing.lot, thing.serial)))
            number = tasks.park(connection, task, replace(cause, raw=written.encode()), "", why, hint)
            return {"outcome": "parked", "park": number, "why": why, "hint": hint}

        content = {**_content(thing), "quantity": quantity, "mode": mode, "pieces": pieces, **_within(bin_)}
        return self._desk.once(op_id, who.actor, "enter", content, work)

    @staticmethod
    def asked(
        connection: Connection, task: tasks.Task | None, item: catalogue.Item, thing: Thing, quantity: int, *,
        adds: bool = True,
    ) -> str:  # fmt: skip
        """The question to ask before so much of a thing is counted by hand; or empty. Of a date once in a count.
        `adds`: to what was counted of it already."""
        there = tasks.quantity_of(connection, task.task, thing) if task is not None and adds else 0
        if doubtful := asked_back(connection, item, quantity, there):
            return doubtful
        said = (thing.item, thing.lot, thing.expiry)
        known = {} if task is None else tasks.dates_of(connection, task.task)
        return "" if known.get(said) else date_asked(connection, *said)

    def add(
        self,
        connection: Connection,
        who: Person,
        task: tasks.Task,
        thing: Thing,
        quantity: int,
        cause: Cause,
        *,
        kind: str = "scan",
        entered: int | None = None,
        pieces: int = 0,
    ) -> Answer:
        """Append one line to the open bin, after the checks that hold however it came in."""
        item = catalogue.need_item(connection, thing.item)
        catalogue.refuse_tracking(item, thing.lot, thing.serial)
        row = round_of(connection, task.task)
        if row is not None and row.items and thing.item not in row.items:
            raise Rejected(f"{thing.item} is not part of this task: only {', '.join(row.items)}")
        if tasks.said_empty(connection, task.task) and quantity > 0:
            raise Rejected("the bin was declared empty: undo that first")
        now, pieces_now = tasks.amounts_of(connection, task.task, thing)
        if thing.serial and quantity > 0:
            if tasks.has_piece(connection, task.task, thing):
                tasks.add(connection, task, who.actor, "repeat", thing, 0, cause)
                return {**shown(thing), "counted": 1, "repeated": True}
            if now + quantity > 1:
                raise Rejected(f"serial {thing.serial} is one piece")
            if (lot := tasks.lot_of(connection, task.task, thing)) is not None:
                raise Rejected(f"serial {thing.serial} was counted here as lot {lot}: one piece has one lot")
            if row is not None and counted_elsewhere(connection, row, thing, task.task):
                raise Rejected(f"serial {thing.serial} was already counted in this session: check both pieces")
        if now + quantity < 0 or pieces_now + pieces < 0:
            raise Rejected("there is not that much on this line")
        refuse_pieces(item, now + quantity, pieces_now + pieces)
        tasks.add(connection, task, who.actor, kind, thing, quantity, cause, entered=entered, pieces=pieces)
        counted: Answer = {**shown(thing), "counted": now + quantity}
        return {**counted, "pieces": pieces_now + pieces} if item.by_weight else counted

    def undo(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Take back the last line of the open task, or line `number`; the line itself stays on record. `seen`: the
        newest one that the tablet showed, so that what another tablet has added since is not taken for the last;
        `of`: the act of this tablet that said it, where that has not been shown yet. At most one of these three.
        `bin` of a count and `task` of a receipt or move say in which it was done."""
        fields = Fields(body, "undo")
        number, bin_, named = fields.take("number"), fields.text("bin", need=False), fields.number("task")
        seen, of = fields.number("seen"), fields.take("of")
        act = None if of is None else OpId.parse(of)
        fields.done()
        if sum(each is not None for each in (number, seen, act)) > 1:
            raise Rejected("undo: say which one by one of number, seen, of")
        if number is not None:
            amount(number, "number", least=1)

        def work(connection: Connection) -> Answer:
            task = self.busy_with(connection, who, bin_, named)
            thing, repeated = tasks.undo(connection, task, who.actor, number, self.by_hand(who, op_id), seen, act)
            counted = {**shown(thing), "counted": tasks.quantity_of(connection, task.task, thing)}
            return {**counted, "repeated": True} if repeated else counted

        content = {
            "number": number, **_within(bin_), **tasks.named(named), **({} if seen is None else {"seen": seen}),
            **({} if act is None else {"of": act.raw}),
        }  # fmt: skip
        return self._desk.once(op_id, who.actor, "undo", content, work)

    def empty(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Declare the open bin empty: `bin`. Refused while lines stand that say otherwise."""
        fields = Fields(body, "bin empty")
        bin_ = fields.text("bin", need=False)
        fields.done()

        def work(connection: Connection) -> Answer:
            task = self.open_task(connection, who, bin_)
            self.say_empty(connection, task, who, self.by_hand(who, op_id))
            return {"bin": task.target, "empty": True}

        return self._desk.once(op_id, who.actor, "empty", _within(bin_), work)

    @staticmethod
    def say_empty(connection: Connection, task: tasks.Task, who: Person, cause: Cause) -> None:
        """`cause` says that nothing is in the bin; `Rejected` where goods or a whole unit were counted in it."""
        found = any(line.quantity for line in tasks.tally(connection, task.task))
        if found or sealed_in(connection, [task.task]):
            raise Rejected("lines were counted in this bin: undo them before declaring it empty")
        if not tasks.said_empty(connection, task.task):
            tasks.add(connection, task, who.actor, "empty", Thing(), 0, cause)

    def open_task(self, connection: Connection, who: Person, bin_: str = "") -> tasks.Task:
        """The person's open count, of `bin_` if the act names one: what was done in one bin stays out of others, also
        when the count of it was taken away before that came in."""
        task = self.taken(connection, who, bin_) or tasks.need(connection, who.actor, tasks.COUNT, bin_)
        self.contact(connection, task, who)
        return task

    def busy_with(self, connection: Connection, who: Person, bin_: str, number: int | None) -> tasks.Task:
        """What this is done in: the count of `bin_`, otherwise the receipt or move with this `number`; without both,
        whatever the person has open."""
        if bin_:
            return self.open_task(connection, who, bin_)
        task = tasks.meant(connection, who.actor, number, late=self._desk.was_away(who))
        if task is None:
            raise Rejected("you have nothing open that this could belong to")
        return task

    def taken(self, connection: Connection, who: Person, bin_: str) -> tasks.Task | None:
        """The count in which the person did what comes in now, when it was taken away from them meanwhile: their
        tablet had no contact, so they have counted all the same (`counting_late`)."""
        return tasks.dropped(connection, who.actor, bin_) if bin_ and self._desk.was_away(who) else None

    def over(self, connection: Connection, who: Person, bin_: str) -> tasks.Task | None:
        """The person's count of this bin that is finished, when their tablet had no contact and did not know it."""
        newest = tasks.newest(connection, who.actor, tasks.COUNT, bin_) if bin_ and self._desk.was_away(who) else None
        return newest if newest is not None and newest.state == tasks.CLOSED else None

    def contact(self, connection: Connection, task: tasks.Task, who: Person) -> None:
        """A count in which something waited on a tablet for long is unstable (product.md, Counting 5): nobody can say
        what the books had in the bin when it was counted."""
        if task.kind == tasks.COUNT and self._desk.was_away(who):
            tasks.note_gap(connection, task.task, who.waited_ms)

    def by_hand(self, who: Person, act: OpId) -> Cause:
        """No read behind it: the time is when the person did it, by this node's clock."""
        return Cause(max(0, self._desk.now_ms() - who.waited_ms), act=act)

    def screen(self, connection: Connection, who: Person) -> Answer | None:
        """The person's open task as it stands: where to resume after any interruption. None when nothing is open."""
        task = tasks.current(connection, who.actor)
        if task is None:
            return None
        lines = tasks.tally(connection, task.task)
        names = {line.thing.item: catalogue.item(connection, line.thing.item) for line in lines}
        return {
            "task": task.task,
            "kind": task.kind,
            "source": task.source,
            "target": task.target,
            "empty": tasks.said_empty(connection, task.task),
            "parked": tasks.unexplained(connection, task.task),
            "lines": [_line(line, names[line.thing.item]) for line in lines],
            "last": tasks.history(connection, task.task),
            **({"parked_last": last} if (last := tasks.set_aside_last(connection, task.task)) else {}),
            **({"delivery": name} if (name := units.delivery_of(connection, task.task)) else {}),
            **({"sealed": sealed} if (sealed := sealed_in(connection, [task.task])) else {}),
            **({"areas": found} if (found := self.shared.shown(connection, task.task)) else {}),
        }


def counted_elsewhere(connection: Connection, row: Round, thing: Thing, task: int = 0) -> bool:
    """Whether a piece was counted in another bin of the session, or in another area of this bin than that of `task`,
    on any tablet. A serial counts once in a session; another count of the whole bin is not a second time."""
    found = connection.execute(
        "SELECT 1 FROM count_tallies r JOIN tasks t ON t.task = r.task JOIN scan_events e ON e.task = r.task"
        " WHERE r.session = ? AND (r.bin <> ? OR (r.round = ? AND r.task <> ?)) AND e.item = ? AND e.serial = ?"
        " AND (t.state = 'open' OR r.round = COALESCE((SELECT round FROM count_choices c WHERE c.session = r.session"
        " AND c.bin = r.bin), (SELECT MAX(round) FROM count_rounds x WHERE x.session = r.session"
        " AND x.bin = r.bin))) GROUP BY e.task HAVING SUM(e.quantity) > 0",
        (row.session.raw, row.bin, row.round, task, thing.item, thing.serial),
    ).fetchone()
    return found is not None


def thing_of(fields: Fields) -> Thing:
    """Item, lot, serial, status and expiry of a line as it was typed; a status nobody names stays unsaid."""
    item, lot, serial = fields.text("item"), fields.text("lot", need=False), fields.text("serial", need=False)
    status = fields.take("status")
    number = tasks.UNSAID if status is None else Fields({"status": status}, "line").status()
    return Thing(item, lot, serial, number, iso_date(fields.take("expiry")))


def iso_date(value: object) -> str:
    """A date as YYYY-MM-DD, or '' for none."""
    if value in (None, ""):
        return ""
    try:
        if not isinstance(value, str) or date.fromisoformat(value).isoformat() != value:
            raise ValueError
    except ValueError:
        raise Rejected(f"{str(value)[:40]!r} is not a date: write it as YYYY-MM-DD") from None
    return value


def shown(thing: Thing) -> Answer:
    """A thing for a screen; empty parts are left out."""
    status = STATUSES[thing.status] if thing.status > FREE else ""
    parts: dict[str, Any] = {
        "item": thing.item, "lot": thing.lot, "serial": thing.serial, "expiry": thing.expiry, "status": status,
    }  # fmt: skip
    return {name: value for name, value in parts.items() if value}


def _content(thing: Thing) -> dict[str, Any]:
    return {
        "item": thing.item,
        "lot": thing.lot,
        "serial": thing.serial,
        "status": thing.status,
        "expiry": thing.expiry,
    }


def _within(bin_: str) -> dict[str, Any]:
    return {"bin": bin_} if bin_ else {}


def _line(line: tasks.TallyLine, item: catalogue.Item | None) -> Answer:
    """A line of the tally for a screen; what the item's unit adds only where it says more than pieces."""
    said: Answer = {**shown(line.thing), "name": "" if item is None else item.name, "counted": line.quantity}
    if line.thing.place:
        said["place"] = line.thing.place
    if item is not None and item.decimals:
        said |= {"decimals": item.decimals, "unit": item.unit}
    if item is not None and item.by_weight:
        said |= {"pieces": line.pieces, "unit": item.unit}
    return said


def refuse_pieces(item: catalogue.Item, quantity: int, pieces: int) -> None:
    """Refuse a weight without pieces, pieces without a weight, and pieces of what is not weighed."""
    if item.by_weight and bool(quantity) != bool(pieces):
        raise Rejected(f"{item.sku} is counted in pieces and by weight: say both")
    if pieces and not item.by_weight:
        raise Rejected(f"{item.sku} is not counted by weight: leave the pieces out")
