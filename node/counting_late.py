"""A count that was finished without contact after it had been taken away: cancelled, left uncounted, or dropped; or
begun without contact where nothing was to be counted any more, or not by this person.

Whoever counted really counted (product.md, A physical act is never refused after the fact). What the tablet still
sends goes on in the dropped tally; when that is finished it is sealed as an exception with its lines and its scans.
It is the count of no session and nothing is posted by it: the bin is suspect, and is counted.
"""

from __future__ import annotations

from typing import Any

from ledger import calls
from ledger.db import Connection
from ledger.documents import OUT_OF_CONTACT, UNEXPLAINED, part_op_id
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.moves import FREE, Line
from ledger.words import LINES_MAX
from node import catalogue, counting_shared, exceptions, tasks
from node.counting_sessions import Sessions
from node.counting_units import sealed_in
from node.desk import Answer, Desk, Person
from node.tasks import Task
from node.values import Fields

LATE_COUNT = "late-count"


def begin(connection: Connection, desk: Desk, who: Person, bin_: str) -> Answer:
    """Begin a count in which what comes in now was done already. It is of no session from the beginning."""
    catalogue.need_bin(connection, bin_)
    at_ms = max(0, desk.now_ms() - who.waited_ms)
    task = tasks.made(connection, who.actor, tasks.COUNT, tasks.DROPPED, "", bin_, at_ms)
    tasks.note_gap(connection, task.task, who.waited_ms)
    return {"task": task.task, "bin": bin_, "whole": True, "late": True}


def keep(desk: Desk, sessions: Sessions, op_id: OpId, who: Person, body: object) -> Answer:
    """Finish a dropped count, asked for as `Closing.close_bin` is. Answers {bin, state, exception, operations}."""
    fields = Fields(body, "close bin")
    bin_, _, occurred_ms = fields.text("bin"), fields.flag("confirm"), fields.moment("occurred_ms")
    fields.done()

    def work(connection: Connection) -> Answer:
        task = tasks.dropped(connection, who.actor, bin_)
        if task is None:
            raise Rejected(f"you have not opened {bin_}")
        mark = (OUT_OF_CONTACT, UNEXPLAINED) if tasks.unexplained(connection, task.task) else (OUT_OF_CONTACT,)
        names = seal(connection, desk, op_id, who, task, desk.did_at_ms(who, occurred_ms), marks=mark)
        exceptions.order_count(connection, sessions, op_id, who, (bin_,))
        tasks.become(connection, task.task, tasks.CLOSED)
        return {"bin": bin_, "state": "kept", "exception": True, "operations": [str(name) for name in names]}

    # As of a count that is still open: the tablet sends the same wish again and knows of no difference.
    return desk.once(op_id, who.actor, "close_bin", {"bin": bin_, "occurred_ms": occurred_ms}, work)


def finished(connection: Connection, over: Task) -> list[str] | None:
    """The operation with which a count that is over was recorded, none yet of a part of a bin; None where it is no
    count of a session, or was not finished by its counter."""
    row = connection.execute(
        "SELECT p.op_id FROM count_tallies t LEFT JOIN count_parts p ON p.session = t.session AND p.bin = t.bin"
        " AND p.round = t.round AND p.part = 1 LEFT JOIN count_areas a ON a.task = t.task"
        " WHERE t.task = ? AND (p.op_id IS NOT NULL OR a.state = ?)",
        (over.task, counting_shared.COUNTED),
    ).fetchone()
    return None if row is None else [] if row[0] is None else [bytes(row[0]).hex()]


def again(desk: Desk, op_id: OpId, who: Person, body: object, operations: list[str]) -> Answer:
    """Finish what this person's other tablet has `finished`: its answer, with `already`."""
    fields = Fields(body, "close bin")
    bin_, _, occurred_ms = fields.text("bin"), fields.flag("confirm"), fields.moment("occurred_ms")
    fields.done()
    answer = {"bin": bin_, "state": "counted", "operations": operations, "already": True}
    return desk.once(op_id, who.actor, "close_bin", {"bin": bin_, "occurred_ms": occurred_ms}, lambda _: answer)


def seal(
    connection: Connection, desk: Desk, op_id: OpId, who: Person, task: Task, done_ms: int | None, **said_of: Any
) -> list[OpId]:
    """One exception, or as many as its lines need; each of them has the root of all scans, and what is `said_of` the
    document. A line says of the goods that they lie where they were counted: they leave that bin for itself."""
    counted, parked = tasks.tally(connection, task.task), tasks.unexplained(connection, task.task)
    said = tasks.said_empty(connection, task.task) or sealed_in(connection, [task.task])
    if not counted and not said and not parked:
        raise Rejected(f"nothing was counted in {task.target}: count it, or declare it empty")
    root, names = tasks.root(connection, task.task), []
    for number, start in enumerate(range(0, max(1, len(counted)), LINES_MAX), 1):
        chunk = counted[start : start + LINES_MAX]
        lines = tuple(
            Line(item=each.thing.item, lot=each.thing.lot, serial=each.thing.serial, quantity=each.quantity,
                 status=max(each.thing.status, FREE), source=task.target, target=task.target)
            for each in chunk
        )  # fmt: skip
        document = desk.document(
            done_ms,
            scans=root,
            expiries={at: each.thing.expiry for at, each in enumerate(chunk) if each.thing.expiry},
            pieces={at: each.pieces for at, each in enumerate(chunk) if each.pieces},
            **said_of,
        )
        stated = calls.ExceptDocument(actor=who.actor, location=task.target, reason=LATE_COUNT, lines=lines)
        names.append(op_id if number == 1 else part_op_id(op_id, number))
        desk.site.record(stated, op_id=names[-1], document=document)
    return names
