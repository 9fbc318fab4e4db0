"""Unopened handling units in a count: the label of one confirms that it stands there, and counts nothing in it.

Such a unit is "sealed, not opened", never counted (product.md, the words). The rule of the session sets how many are
to be opened; those are counted line by line like a bin, beginning with their label. What was confirmed is an event of
the bin's tally. The count of the bin that stands settles it; when that is done the site notes it on its chain.
"""

from __future__ import annotations

from ledger import calls
from ledger.certificates import SEALED_KIND, sealed_subject
from ledger.db import Connection
from ledger.documents import sealed_op_id
from ledger.errors import Rejected
from ledger.ids import OpId
from node import catalogue, tasks
from node.desk import Answer, Desk, Person
from node.rounds import (
    Round,
    chosen,
    close_if_done,
    is_drawn,
    need_session,
    open_round,
    parts,
    recorded,
    round_at,
    round_of,
    set_bin,
    tallies,
)
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
    if tasks.said_empty(connection, task.task):
        raise Rejected("the bin was declared empty: undo that first")
    if row is not None and (other := _elsewhere(connection, row, unit)):
        raise Rejected(f"{unit} was confirmed in {other} already: check both labels")
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


def _elsewhere(connection: Connection, row: Round, unit: str) -> str:
    """The other bin of the session in which a count that goes on, or stands, has confirmed this unit; or ""."""
    rows = connection.execute(
        "SELECT r.bin, r.task FROM count_tallies r JOIN tasks t ON t.task = r.task"
        " JOIN scan_events e ON e.task = r.task"
        " WHERE r.session = ?1 AND r.bin <> ?2 AND t.state = 'open' AND e.kind = ?3 AND e.place = ?4"
        " UNION SELECT bin, NULL FROM count_sealed WHERE session = ?1 AND bin <> ?2 AND unit = ?4",
        (row.session.raw, row.bin, SEALED, unit),
    ).fetchall()
    return next((str(bin_) for bin_, task in rows if task is None or unit in sealed_in(connection, [task])), "")


def settle(connection: Connection, desk: Desk, session: OpId, bin_: str) -> None:
    """The count of this bin that stands says which units are in it: those are not to be counted any more, and what
    only another count of it had confirmed is. Once the bin is counted to its end each is noted, as its counter's."""
    choice = chosen(connection, session, bin_)
    number = recorded(connection, session, bin_) if choice is None else choice[0]
    if number is None:
        return
    row = round_at(connection, session, bin_, number)
    found, before = set(sealed_in(connection, tallies(connection, row))), _units(connection, session, bin_)
    for unit in sorted(before - found):
        key = (session.raw, bin_, unit)
        connection.execute("DELETE FROM count_sealed WHERE session = ? AND bin = ? AND unit = ?", key)
        # Left to the other count where one has taken it up meanwhile.
        if is_sealed(connection, session, unit) and open_round(connection, unit) is None:
            set_bin(connection, session, unit, "waiting")
    for unit in sorted(found):
        connection.execute(
            "INSERT OR REPLACE INTO count_sealed VALUES (?, ?, ?, ?)",
            (session.raw, bin_, unit, _stands(connection, unit, bin_)),
        )
        own = open_round(connection, unit)
        if own is not None and own.session == session and own.bin_state == "waiting":
            set_bin(connection, session, unit, "uncounted", SEALED)
        if row.bin_state == "review":
            _note(connection, desk, row, unit)
    close_if_done(connection, session)


def _note(connection: Connection, desk: Desk, row: Round, unit: str) -> None:
    """Put on the chain, once for each count, that a unit was confirmed."""
    name = sealed_op_id(parts(connection, row.session, row.bin, row.round)[0].op_id, unit)
    if not desk.is_recorded(name):
        note = calls.Note(actor=row.assignee, kind=SEALED_KIND, subject=sealed_subject(unit))
        desk.site.record(note, op_id=name, document=desk.document(references={"bin": row.bin}))


def _units(connection: Connection, session: OpId, bin_: str) -> set[str]:
    rows = connection.execute("SELECT unit FROM count_sealed WHERE session = ? AND bin = ?", (session.raw, bin_))
    return {str(unit) for (unit,) in rows}


def _stands(connection: Connection, unit: str, bin_: str) -> str:
    """Where the books have a unit: this bin also where it stands on another unit in it."""
    above = connection.execute("SELECT parent FROM locations WHERE location = ?", (unit,)).fetchone()
    return bin_ if above[0] == bin_ else catalogue.stands_in(connection, unit)


def found_in(connection: Connection, session: OpId, bin_: str) -> list[Answer]:
    """For the review of a bin: each unit that was confirmed there, and where the books had it: [{unit, stood}]. One
    that was moved in the books since is where it was found."""
    rows = connection.execute(
        "SELECT unit, stood FROM count_sealed WHERE session = ? AND bin = ? ORDER BY unit", (session.raw, bin_)
    ).fetchall()
    return [
        {"unit": str(unit), "stood": str(stood) if _stands(connection, unit, bin_) == stood else bin_}
        for unit, stood in rows
    ]


def refuse_elsewhere(connection: Connection, session: OpId, bin_: str) -> None:
    """Refuse to post a bin while the books have a unit that was found in it in another place."""
    for each in found_in(connection, session, bin_):
        if each["stood"] != bin_:
            raise Rejected(
                f"{each['unit']} was found in {bin_}, where the books do not have it: have it moved there in them,"
                f" or {bin_} counted again"
            )


def is_sealed(connection: Connection, session: OpId, unit: str) -> bool:
    """Whether a place of a session is a unit that was confirmed by its label and not counted."""
    row = connection.execute(
        "SELECT reason FROM count_bins WHERE session = ? AND bin = ?", (session.raw, unit)
    ).fetchone()
    return row is not None and row[0] == SEALED


def _is_drawn(connection: Connection, own: Round) -> bool:
    """Whether this unit is one of those to be opened."""
    percent = need_session(connection, own.session).rule.open_percent
    return is_drawn(connection, own.session, own.bin.encode(), percent)
