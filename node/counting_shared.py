"""Several people at one bin: each counts the whole of it on their own, or they share it out between them.

Two tallies of a whole bin are rounds of their own, kept apart and compared. A bin is shared only when its counter
agrees to what the other asks for: then each area has a tally, and the areas are summed when that counter closes the
bin. Nothing is ever added to another person's tally, or put in its place, without their word.

    asked → agreed → counting → counted          or declined; or left, until the bin's counter has counted it too
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.people import COUNT
from node import tasks
from node.counting_units import sealed_in
from node.desk import Answer, Desk, Person, verb_of
from node.operators import Operators
from node.rounds import Round, being_counted, own_round, round_of, tallies
from node.values import Fields

SECOND, SHARE = "second", "share"
CHOICES = (SECOND, SHARE)
CLOSE_AREA = "close_area"
ASKED, AGREED, DECLINED, COUNTING, COUNTED, LEFT = "asked", "agreed", "declined", "counting", "counted", "left"


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a shared bin, and who counts it."""

    session: OpId
    bin: str
    round: int
    area: int
    name: str
    actor: Actor
    state: str
    task: int | None


_AREA = (
    "SELECT a.session, a.bin, a.round, a.area, a.name, a.actor, a.state, a.task FROM count_areas a"
    " JOIN count_bins b ON b.session = a.session AND b.bin = a.bin AND b.state IN ('counting', 'closing') "
)


class Shared:
    """The verbs of those who share a bin."""

    def __init__(self, desk: Desk, operators: Operators) -> None:
        self._desk = desk
        self._operators = operators

    def decide(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Answer somebody who asks for a part of the bin that one counts, or take a part back that is not begun, or
        that its counter gave back: `bin`, `area` (its number), `agree`, `own` (what stays one's own part, when one
        agrees)."""
        who.need(COUNT, "share a count")
        fields = Fields(body, "share")
        bin_, number, agree = fields.text("bin"), fields.quantity("area", least=1), fields.flag("agree")
        own = fields.name("own") if agree else ""
        fields.done()

        def work(connection: Connection) -> Answer:
            row = own_round(connection, bin_, who.actor)
            if row is None:
                raise Rejected(f"you have not opened {bin_}")
            area = next((each for each in areas(connection, row) if each.area == number), None)
            if area is None or area.state not in ((ASKED,) if agree else (ASKED, AGREED, LEFT)):
                raise Rejected(f"nobody waits for an answer about part {number} of {bin_}")
            _become(connection, area, AGREED if agree else DECLINED)
            if agree:
                _name_own(connection, row, who.actor, own)
            return {"bin": bin_, "area": number, "state": AGREED if agree else DECLINED}

        content = {"bin": bin_, "area": number, "agree": agree, "own": own}
        return self._desk.once(op_id, who.actor, "share_bin", content, work)

    def close(self, op_id: OpId, who: Person, bin_: str) -> Answer:
        """The person's own part is counted. It is recorded when the bin's counter closes the bin."""

        def work(connection: Connection) -> Answer:
            now = own_area(connection, bin_, who.actor)
            if now is None or now.task is None or now.state != COUNTING:
                raise Rejected(f"you have not opened {bin_}")
            found = tasks.tally(connection, now.task) or sealed_in(connection, [now.task])
            if not tasks.said_empty(connection, now.task) and not found:
                raise Rejected(f"nothing was counted in your part of {bin_}: count it, or declare it empty")
            tasks.become(connection, now.task, tasks.CLOSED)
            _become(connection, now, COUNTED)
            return {"bin": bin_, "state": "counted", "operations": []}

        return self._desk.once(op_id, who.actor, CLOSE_AREA, {"bin": bin_}, work)

    @staticmethod
    def closes(connection: Connection, op_id: OpId, who: Person, bin_: object) -> bool:
        """Whether it is a part of the bin that this person closes, or has closed under this op_id."""
        if verb := verb_of(connection, op_id):
            return verb == CLOSE_AREA
        return isinstance(bin_, str) and own_area(connection, bin_, who.actor) is not None

    def shown(self, connection: Connection, task: int) -> list[Answer]:
        """How the parts of a bin stand, for those who count it. No quantity is in it."""
        row = round_of(connection, task)
        return [
            {
                "area": each.area,
                "name": each.name,
                "by": self._operators.name_of(connection, each.actor),
                "state": each.state,
                "mine": each.task == task or (each.area == 0 and row is not None and row.task == task),
            }
            for each in (() if row is None else areas(connection, row))
            if each.state != DECLINED
        ]


def ask_for(connection: Connection, bin_: str, who: Person, name: str) -> Answer:
    """Ask the counter of a bin for a part of it, named by what people see there."""
    row = being_counted(connection, bin_)[0]
    (number,) = connection.execute(
        "SELECT COALESCE(MAX(area), 0) + 1 FROM count_areas WHERE session = ? AND bin = ? AND round = ?",
        (row.session.raw, bin_, row.round),
    ).fetchone()
    connection.execute(
        "INSERT INTO count_areas VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",
        (row.session.raw, bin_, row.round, number, name, who.actor.raw, ASKED),
    )
    return {"session": str(row.session), "bin": bin_, "area": int(number), "state": ASKED}


def areas(connection: Connection, row: Round) -> list[Area]:
    """The parts of a round, its counter's own first."""
    found = connection.execute(
        _AREA + "WHERE a.session = ? AND a.bin = ? AND a.round = ? ORDER BY a.area",
        (row.session.raw, row.bin, row.round),
    ).fetchall()
    return [_area(each) for each in found]


def own_area(connection: Connection, bin_: str, actor: Actor) -> Area | None:
    """The part of a bin that this person asked for or counts; None when there is no such, or its count is over."""
    found = connection.execute(
        _AREA + "WHERE a.bin = ? AND a.actor = ? AND a.area > 0 AND a.state IN ('asked', 'agreed', 'counting')"
        " ORDER BY a.round DESC, a.area DESC LIMIT 1",
        (bin_, actor.raw),
    ).fetchone()
    return None if found is None else _area(found)


def counting(connection: Connection, session: OpId, bin_: str) -> list[Actor]:
    """Who counts a bin now, all of it or a part: each once, those of all of it first."""
    rows = [row for row in being_counted(connection, bin_) if row.session == session]
    shares = [each for row in rows for each in areas(connection, row) if each.area]
    found = [row.assignee for row in rows if row.assignee is not None]
    return list(dict.fromkeys([*found, *(each.actor for each in shares if each.state in (AGREED, COUNTING))]))


def begin(connection: Connection, area: Area, task: int) -> None:
    """The person begins to count their part."""
    connection.execute(
        "UPDATE count_areas SET state = ?, task = ? WHERE session = ? AND bin = ? AND round = ? AND area = ?",
        (COUNTING, task, area.session.raw, area.bin, area.round, area.area),
    )


def leave(connection: Connection, area: Area) -> None:
    """The person gives their part back: the bin's counter has to count it, and say so. What they only asked for is
    nobody's work."""
    if area.task is not None:
        tasks.become(connection, area.task, tasks.DROPPED)
    connection.execute(
        "UPDATE count_areas SET state = ?, task = NULL WHERE session = ? AND bin = ? AND round = ? AND area = ?",
        (DECLINED if area.state == ASKED else LEFT, area.session.raw, area.bin, area.round, area.area),
    )


def refuse_open_areas(connection: Connection, row: Round) -> None:
    """Refuse to close a bin while somebody counts a part of it, or has left one that nobody took back."""
    for each in areas(connection, row):
        if each.state == LEFT:
            raise Rejected(f"{each.name} of {row.bin} was given back: count it too, and say that you have")
        if each.area and each.state in (AGREED, COUNTING):
            raise Rejected(f"{each.name} of {row.bin} is still being counted: wait for it, or take it back")


def decline_asked(connection: Connection, row: Round) -> None:
    """The bin is closed: whoever only asked for a part of it counts none."""
    for each in areas(connection, row):
        if each.state == ASKED:
            _become(connection, each, DECLINED)


def is_shared(connection: Connection, row: Round) -> bool:
    """Whether a round is the sum of several people's tallies."""
    return len(tallies(connection, row)) > 1


def _become(connection: Connection, area: Area, state: str) -> None:
    connection.execute(
        "UPDATE count_areas SET state = ? WHERE session = ? AND bin = ? AND round = ? AND area = ?",
        (state, area.session.raw, area.bin, area.round, area.area),
    )


def _name_own(connection: Connection, row: Round, actor: Actor, name: str) -> None:
    """What stays the part of the bin's own counter, whose tally is the round's."""
    connection.execute(
        "INSERT INTO count_areas VALUES (?1, ?2, ?3, 0, ?4, ?5, NULL, ?6) ON CONFLICT DO UPDATE SET name = ?4",
        (row.session.raw, row.bin, row.round, name, actor.raw, COUNTING),
    )


def _area(row: tuple[object, ...]) -> Area:
    session, bin_, number, area, name, actor, state, task = row
    return Area(
        OpId(bytes(session)),  # type: ignore[call-overload]
        str(bin_),
        int(str(number)),
        int(str(area)),
        str(name),
        Actor(bytes(actor)),  # type: ignore[call-overload]
        str(state),
        None if task is None else int(str(task)),
    )
