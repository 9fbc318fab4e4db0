"""Which of several counts of a bin is decided on: the newest one, unless an approver chooses another.

Each round has its own expected and its own counter, so each can be posted as the difference that it found. Whatever
decides on a bin asks `rounds.speaking`; one more round takes a choice back.
"""

from __future__ import annotations

from ledger.db import Connection
from ledger.documents import reason_code
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import APPROVE
from node import counting_units
from node.desk import Answer, Desk, Person
from node.rounds import Part, counters_of, forget_relocations, latest, parts, people_with, speaking
from node.values import Fields


class Choosing:
    """The approver's choice among rounds."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def choose(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Decide on another round of a bin in review than the newest: `session`, `bin`, `round`, `reason`, which its
        posting keeps. Each round has its own expected, so that what is posted is its own difference. Whoever counted
        the bin leaves that to another approver, if there is one. Choosing the newest takes a choice back."""
        who.need(APPROVE, "choose the count that is decided on")
        fields = Fields(body, "choose")
        session, bin_, number = fields.op_id("session"), fields.text("bin"), fields.quantity("round")
        reason = reason_code(fields.take("reason"))
        fields.done()

        def work(connection: Connection) -> Answer:
            row = latest(connection, session, bin_)
            if row.bin_state != "review":
                raise Rejected(f"{bin_} is not in review: nothing to choose")
            refuse_own(connection, session, bin_, who, self._desk.now_ms())
            rounds = [parts(connection, session, bin_, each) for each in range(row.round + 1)]
            if number > row.round or not rounds[number]:
                raise Rejected(f"{bin_} was not counted in round {number + 1}: choose another one")
            if any(any(part.posted) for found in rounds for part in found):
                raise Rejected(f"a part of {bin_} is posted already: post the rest of it")
            _refuse_counted_twice(connection, session, bin_, rounds[number])
            key = (session.raw, bin_)
            connection.execute("DELETE FROM count_choices WHERE session = ? AND bin = ?", key)
            if number < row.round:
                values = (*key, number, reason, who.actor.raw, self._desk.now_ms())
                connection.execute("INSERT INTO count_choices VALUES (?, ?, ?, ?, ?, ?)", values)
            forget_relocations(connection, session, bin_)
            counting_units.settle(connection, self._desk, session, bin_)
            return {"session": str(session), "bin": bin_, "round": number}

        content = {"session": session.raw, "bin": bin_, "round": number, "reason": reason}
        return self._desk.once(op_id, who.actor, "choose_count", content, work)


def refuse_own(connection: Connection, session: OpId, bin_: str, who: Person, now_ms: int) -> None:
    """Whoever counted a bin says nothing about which count of it is good enough, if another approver can."""
    counters = counters_of(connection, session, bin_)
    if who.actor in counters and people_with(connection, APPROVE, now_ms) - counters:
        raise Rejected(f"you counted {bin_}: somebody else has to say whether that is enough")


def _refuse_counted_twice(connection: Connection, session: OpId, bin_: str, found: list[Part]) -> None:
    """Refuse a round with a piece that stands in another bin of the session: a serial counts once in it."""
    pieces = {line.key[:3] for part in found for line in part.lines if line.serial and line.counted}
    others = connection.execute(
        "SELECT bin FROM count_bins WHERE session = ? AND bin <> ? AND state IN ('review', 'posted')",
        (session.raw, bin_),
    ).fetchall()
    for (other,) in others if pieces else ():
        for part in parts(connection, session, other, speaking(connection, session, other).round):
            for line in part.lines:
                if line.counted and line.key[:3] in pieces:
                    raise Rejected(f"serial {line.serial} of {line.item} was counted in {other} as well: check both")
