"""Reads that could not be taken as they were: kept with their bytes until somebody says what they are, or why not."""

from __future__ import annotations

import json
from dataclasses import replace

from devices.reads import readable
from ledger.db import Connection
from ledger.documents import reason_code
from ledger.errors import Rejected
from ledger.ids import VIRTUAL, Actor, OpId
from ledger.people import APPROVE, MOVE, RECEIVE
from node import catalogue, exceptions, hindsight, tasks
from node.counting import Counting
from node.counting_amounts import amount_of
from node.counting_lines import shown, thing_of
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.rounds import ENDED, latest, next_round
from node.stock import Stock
from node.tasks import Cause, Task, Thing
from node.values import Fields


class Parking:
    """Settling parked reads."""

    def __init__(self, desk: Desk, operators: Operators, counting: Counting, stock: Stock) -> None:
        self._desk = desk
        self._operators = operators
        self._counting = counting
        self._stock = stock

    def mine(self, connection: Connection, who: Person, after: int = 0, most: int = 200) -> list[Answer]:
        """What is parked in the person's open task."""
        rows = connection.execute(
            "SELECT p.park, p.raw, p.symbology, p.why, p.hint FROM parked p JOIN tasks t ON t.task = p.task"
            " WHERE t.actor = ? AND t.state = 'open' AND p.state = 'open' AND p.park > ? ORDER BY p.park LIMIT ?",
            (who.actor.raw, after, most),
        ).fetchall()
        return [
            {"park": int(park), "raw": bytes(raw).hex(), "text": readable(bytes(raw)), "symbology": symbology,
             "why": why, "hint": json.loads(hint)}
            for park, raw, symbology, why, hint in rows
        ]  # fmt: skip

    def left(
        self, connection: Connection, who: Person, after: int = 0, most: int = 200, skip: int = 0
    ) -> list[Answer]:
        """What nobody has explained of receipts, moves and counts that are over, oldest first. Codes of a bin that is
        still to be decided on stand there (`Review.parked`), and those of an open task with whoever has it."""
        who.may_see(APPROVE, "see parked scans")
        rows = connection.execute(
            "SELECT p.park, p.raw, p.symbology, p.why, p.hint, p.at_ms, t.task, t.kind, t.source, t.target, t.actor"
            + _LEFT
            + " AND p.park > ? ORDER BY p.park LIMIT ? OFFSET ?",
            (*ENDED, after, most, skip),
        ).fetchall()
        return [
            {"park": int(park), "raw": bytes(raw).hex(), "text": readable(bytes(raw)), "symbology": symbology,
             "why": why, "hint": json.loads(hint), "at_ms": at_ms, "task": int(task), "kind": kind,
             "place": _place(source, target), "by": self._operators.name_of(connection, Actor(bytes(actor)))}
            for park, raw, symbology, why, hint, at_ms, task, kind, source, target, actor in rows
        ]  # fmt: skip

    @staticmethod
    def left_count(connection: Connection) -> int:
        """How many these are."""
        (count,) = connection.execute("SELECT COUNT(*)" + _LEFT, ENDED).fetchone()
        return int(count)

    def keep_unfinished(self) -> None:
        """What people have scanned of a receipt or move and may not book any more, because the hub has revoked them
        or taken the role, is left for a supervisor: it lies where they brought it, or where they found it."""
        with self._desk.site.reading() as connection:
            rows = connection.execute(
                "SELECT t.task FROM tasks t JOIN rights p ON p.actor = t.actor"
                " AND (p.revoked OR NOT p.roles & iif(t.kind = ?1, ?2, ?4))"
                " WHERE t.state = 'open' AND t.kind IN (?1, ?3)",
                (tasks.RECEIVE, RECEIVE, tasks.MOVE, MOVE),
            ).fetchall()
        for (number,) in rows:
            with self._desk.site.writing() as connection:
                task = tasks.get(connection, int(number))
                if task is not None and task.state == tasks.OPEN:
                    self._keep(connection, task)

    def _keep(self, connection: Connection, task: Task) -> None:
        """Set a task's lines aside, each at its own place, and end it; codes that are set aside in it stay so."""
        why = "it was never booked: whoever scanned it is not here any more, or may not do this now"
        beside = {_place(task.source, task.target): task}
        (at_ms,) = connection.execute(
            "SELECT COALESCE(MAX(at_ms), 0) FROM scan_events WHERE task = ?", (task.task,)
        ).fetchone()
        for line in tasks.tally(connection, task.task):
            place = _place(task.source, line.thing.place)
            if place not in beside:
                target = line.thing.place
                beside[place] = tasks.at_once(connection, task.actor, task.kind, task.source, target, at_ms)
            thing = replace(line.thing, place="")
            written = " ".join(filter(None, (thing.item, thing.lot, thing.serial)))
            hint = {**shown(thing), "quantity": line.quantity, **({"pieces": line.pieces} if line.pieces else {})}
            tasks.park(connection, beside[place], Cause(at_ms, raw=written.encode()), "", why, hint)
        tasks.become(connection, task.task, tasks.CLOSED)

    def resolve(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Say what a parked read was: `park`, `item`, `lot`, `serial`, `status`, `expiry`, and
        how much (`counting_amounts.amount_of`), in packs as they were when it was read; `confirm`. Answers {ask}
        where a line that it becomes is hard to believe, unless that was what was asked when the read was parked.

        In the open task it becomes a line. Once that is over it cannot join it any more: a supervisor resolves it and
        the bin is counted once more. Answers {recount} then: false where it has been since, or nobody knows the bin.
        """
        fields = Fields(body, "resolve")
        number, thing = fields.quantity("park", least=1), thing_of(fields)
        said, sure = amount_of(fields), fields.flag("confirm")
        fields.done()
        with self._desk.site.reading() as connection:
            item, scanned_ms = catalogue.need_item(connection, thing.item), _scanned_ms(connection, number)
            quantity = said.base(connection, item, scanned_ms)
            may_ask = not sure and self._desk.may_ask(connection, op_id, who)
            asked = self._asked(connection, who, number, thing, quantity) if may_ask else ""
        if not quantity:
            raise Rejected("quantity: say how much it is, or dismiss the scan")
        if asked:
            return {"op_id": str(op_id), "ask": asked}

        def work(connection: Connection) -> Answer:
            task, cause = self._open(connection, number)
            cause = replace(cause, act=op_id)
            if task.state == tasks.OPEN and task.actor == who.actor:
                if task.kind == tasks.COUNT:
                    answer = self._counting.add(
                        connection, who, task, thing, quantity, cause, kind="resolve", entered=quantity,
                        pieces=said.pieces or 0,
                    )  # fmt: skip
                else:
                    answer = self._stock.add(
                        connection, who, task, thing, quantity, cause, kind="resolve", entered=quantity
                    )
            else:
                answer = {"recount": self._count_again(connection, op_id, who, task, cause.at_ms)}
            self._settle(connection, number, "resolved", "", who)
            return answer

        content = {"park": number, "item": thing.item, "lot": thing.lot, "serial": thing.serial,
                   "status": thing.status, "expiry": thing.expiry, "quantity": quantity,
                   "pieces": said.pieces or 0}  # fmt: skip
        return self._desk.once(op_id, who.actor, "resolve", content, work)

    def dismiss(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Say why a parked read does not count: `park`, `reason`."""
        fields = Fields(body, "dismiss")
        number, reason = fields.quantity("park", least=1), reason_code(fields.take("reason"))
        fields.done()

        def work(connection: Connection) -> Answer:
            task, _ = self._open(connection, number)
            if not (task.state == tasks.OPEN and task.actor == who.actor):
                who.need(APPROVE, "dismiss a scan of another person or of a closed count")
            self._settle(connection, number, "dismissed", reason, who)
            return {"park": number}

        return self._desk.once(op_id, who.actor, "dismiss", {"park": number, "reason": reason}, work)

    def _asked(self, connection: Connection, who: Person, number: int, thing: Thing, quantity: int) -> str:
        """The question to ask before a parked read becomes this line; to the one that it was parked with this is the
        answer. Of what joins no line nothing is asked, nor of dates in a receipt, which asks when it is finished."""
        row = connection.execute("SELECT task, why FROM parked WHERE park = ?", (number,)).fetchone()
        task = None if row is None else tasks.get(connection, int(row[0]))
        if task is None or task.state != tasks.OPEN or task.actor != who.actor:
            return ""
        item = catalogue.need_item(connection, thing.item)
        if task.kind != tasks.COUNT:
            thing = replace(thing, expiry="")
        question = self._counting.asked(connection, task, item, thing, quantity)
        return "" if question == row[1] else question

    @staticmethod
    def _open(connection: Connection, number: int) -> tuple[Task, Cause]:
        row = connection.execute(
            "SELECT task, read, raw, at_ms, state FROM parked WHERE park = ?", (number,)
        ).fetchone()
        task = None if row is None else tasks.get(connection, int(row[0]))
        if row is None or task is None:
            raise Rejected(f"there is no parked scan {number}")
        if row[4] != "open":
            raise Rejected(f"parked scan {number} was {row[4]} already")
        return task, Cause(int(row[3]), None if row[1] is None else bytes(row[1]), bytes(row[2]))

    @staticmethod
    def _settle(connection: Connection, number: int, state: str, reason: str, who: Person) -> None:
        connection.execute(
            "UPDATE parked SET state = ?, reason = ?, settled_by = ? WHERE park = ?",
            (state, reason, who.actor.raw, number),
        )

    def _count_again(self, connection: Connection, op_id: OpId, who: Person, task: Task, scanned_ms: int) -> bool:
        """Nothing is booked beside a count that will find it, or has."""
        who.need(APPROVE, "resolve a scan of another person or of a task that is over")
        row = connection.execute("SELECT session, bin FROM count_tallies WHERE task = ?", (task.task,)).fetchone()
        found = None if row is None else latest(connection, OpId(bytes(row[0])), row[1])
        if found is not None and found.bin_state in ("counting", "closing"):
            raise Rejected("this scan can only be dismissed now: its bin is open elsewhere")
        if found is not None and found.bin_state not in ENDED:
            if found.bin_state == "review":
                next_round(connection, found, "parked")
            return True
        place = _place(task.source, task.target)
        if not place or hindsight.counted_since(connection, place, scanned_ms):
            return False
        exceptions.order_count(connection, self._counting, op_id, who, (place,))
        return True


# Of a tally that was given back nothing is left: its bin is counted afresh.
_LEFT = (
    " FROM parked p INDEXED BY parked_open CROSS JOIN tasks t ON t.task = p.task"
    " LEFT JOIN count_rounds r ON r.task = t.task LEFT JOIN count_areas a ON a.task = t.task"
    " LEFT JOIN count_bins b ON b.session = COALESCE(r.session, a.session) AND b.bin = COALESCE(r.bin, a.bin)"
    " WHERE p.state = 'open' AND (b.state IN (?, ?, ?, ?) OR (b.state IS NULL AND t.state = 'closed'))"
)


def _scanned_ms(connection: Connection, number: int) -> int | None:
    """When a parked read was made; None for a number that there is not."""
    row = connection.execute("SELECT at_ms FROM parked WHERE park = ?", (number,)).fetchone()
    return None if row is None else int(row[0])


def _place(source: str, target: str) -> str:
    """Where the goods of a task lie of which nobody knows more: where it took from, or else brought to."""
    return source if source and source not in VIRTUAL else target
