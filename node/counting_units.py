"""Unopened handling units in a count: the label of one confirms that it stands there, and counts nothing in it.

Such a unit is "sealed, not opened", never counted (product.md, the words). The rule of the session sets how many are
to be opened; those are counted line by line like a bin, beginning with their label. What was confirmed is an event of
the bin's tally until that is closed; then the site notes it on its chain.
"""

from __future__ import annotations

import hashlib

from ledger import calls
from ledger.certificates import SEALED_KIND, sealed_subject
from ledger.db import Connection
from ledger.documents import sealed_op_id
from ledger.errors import Rejected
from ledger.ids import OpId
from node import catalogue, tasks
from node.desk import Answer, Desk, Person
from node.rounds import Round, close_if_done, need_session, open_round, round_of, set_bin, tallies
from node.tasks import Cause, Task, Thing

SEALED = "sealed"  # the kind of event, and why a unit of a session is left uncounted


def is_unit(connection: Connection, code: str) -> bool:
    """Whether a handling unit in use has this label."""
    row = connection.execute("SELECT kind, parent FROM locations WHERE location = ?", (code,)).fetchone()
    return row is not None and int(row[0]) == catalogue.UNIT and bool(row[1])


def confirm(connection: Connection, who: Person, task: Task, unit: str, cause: Cause) -> Answer:
    """The label of a unit in use was scanned in a bin that is being counted. What is answered does not depend on
    where the books have the unit. `Rejected` when it is to be opened, or was."""
    own = open_round(connection, unit)
    if own is not None and own.bin_state != "waiting":
        raise Rejected(f"{unit} was opened: what is in it is counted line by line")
    row = round_of(connection, task.task)
    if row is not None and own is not None and own.session == row.session and _is_drawn(connection, own):
        raise Rejected(f"{unit} is to be opened: when this bin is done, scan its label again and count what is in it")
    if unit in sealed_in(connection, [task.task]):
        return {"unit": unit, "repeated": True}
    tasks.add(connection, task, who.actor, SEALED, Thing(place=unit), 0, cause)
    return {"unit": unit}


def sealed_in(connection: Connection, of: list[int]) -> list[str]:
    """The units that were confirmed in these tallies, in the order of their labels."""
    marks = ", ".join("?" * len(of))
    rows = connection.execute(
        f"SELECT DISTINCT place FROM scan_events e WHERE task IN ({marks}) AND kind = '{SEALED}'"  # noqa: S608
        " AND NOT EXISTS (SELECT 1 FROM scan_events u WHERE u.negates = e.event) ORDER BY place",
        of,
    ).fetchall()
    return [str(place) for (place,) in rows]


def finish(connection: Connection, desk: Desk, row: Round, close: OpId) -> None:
    """The bin is closed under `close`: what was confirmed in it is noted, and is not to be counted any more."""
    for unit in sealed_in(connection, tallies(connection, row)):
        if not need_session(connection, row.session).test:  # nothing is complete by a test count
            note = calls.Note(actor=row.assignee, kind=SEALED_KIND, subject=sealed_subject(unit))
            document = desk.document(references={"bin": row.bin})
            desk.site.record(note, op_id=sealed_op_id(close, unit), document=document)
        stood = connection.execute("SELECT parent FROM locations WHERE location = ?", (unit,)).fetchone()
        connection.execute(
            "INSERT OR REPLACE INTO count_sealed VALUES (?, ?, ?, ?)",
            (row.session.raw, row.bin, unit, str(stood[0])),
        )
        own = open_round(connection, unit)
        if own is not None and own.session == row.session and own.bin_state == "waiting":
            set_bin(connection, row.session, unit, "uncounted", SEALED)
            close_if_done(connection, row.session)


def found_in(connection: Connection, session: OpId, bin_: str) -> list[Answer]:
    """For the review of a bin: each unit that was confirmed there, and where the books had it: [{unit, stood}]."""
    rows = connection.execute(
        "SELECT unit, stood FROM count_sealed WHERE session = ? AND bin = ? ORDER BY unit", (session.raw, bin_)
    ).fetchall()
    return [{"unit": str(unit), "stood": str(stood)} for unit, stood in rows]


def is_sealed(connection: Connection, session: OpId, unit: str) -> bool:
    """Whether a place of a session is a unit that was confirmed by its label and not counted."""
    row = connection.execute(
        "SELECT reason FROM count_bins WHERE session = ? AND bin = ?", (session.raw, unit)
    ).fetchone()
    return row is not None and row[0] == SEALED


def _is_drawn(connection: Connection, own: Round) -> bool:
    """Whether this unit is one of those to be opened: by the session's id, which nobody chooses."""
    drawn = hashlib.sha256(own.session.raw + own.bin.encode()).digest()
    return int.from_bytes(drawn[:4], "big") % 100 < need_session(connection, own.session).rule.open_percent
