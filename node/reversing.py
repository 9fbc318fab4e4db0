"""An acceptance of a transfer is reversed: what it brought in is on its way again, and the transfer is open.

The contract's own reversal undoes what it has kept the bare lines of, and of an acceptance it keeps more. So goods go
back into transit by a dispatch of the same lines to this very site, which is no transfer: its document names the
acceptance, and its op_id follows from that (`ledger.documents.reversal_op_id`). It is signed by one person, like the
acceptance: nobody gains by it what a dispatch would not give them. An acceptance of which nothing came in is reversed
by a note under the same op_id.
"""

from __future__ import annotations

from collections import Counter

from ledger import calls
from ledger.db import Connection
from ledger.documents import TAKES_BACK, reversal_op_id, units_op_id
from ledger.errors import Rejected
from ledger.ids import IN_TRANSIT, OpId
from ledger.moves import FREE, Line
from ledger.people import ISSUE, MOVE, RECEIVE, TRANSFER
from ledger.transfers import NEVER_MISSED
from node import catalogue, hindsight, proposals, units
from node.counting import Counting
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.rounds import refuse_frozen
from node.values import Fields


class Reversing:
    """The verb that takes an acceptance back. It carries the person's own signature."""

    def __init__(self, desk: Desk, operators: Operators, counting: Counting) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators
        self._counting = counting

    def reverse(self, op_id: OpId, who: Person, body: object, pin: object = None) -> Answer:
        """Reverse an acceptance of this site, `of`, because of `reasons`; `note`. What it brought in has to be where
        it was put, free: else it is refused, and says what to do first. Answers {op_id, state, transfer, reversal}:
        the last is the operation on the chain."""
        who.need(TRANSFER, "reverse an acceptance")
        fields = Fields(body, "reversal")
        of, reasons, note = fields.op_id("of"), fields.reasons(), fields.note("note")
        fields.done()
        if not reasons:
            raise Rejected("a reason is needed: for the whole, or for each line")

        def work(connection: Connection) -> Answer:
            transfer, lines = _accepted(connection, of)
            proposals.refuse_undone(connection, of)
            places = {line.source for line in lines}
            refuse_frozen(connection, places)
            hidden = sorted(self._counting.blind_bins(connection, who) & places)
            if hidden:
                raise Rejected(f"{hidden[0]} is being counted: wait until that count is finished")
            _refuse_gone(connection, lines)
            key, whole = self._operators.signing_key(who, pin), units.taken_whole(connection, [lines])
            document = self._desk.document(
                reasons=reasons,
                references={TAKES_BACK: str(of)},
                commitments=self._desk.erasable(connection, note),
            )
            call: calls.Call = calls.Note(actor=who.actor, kind=NEVER_MISSED, subject=of.word)
            if lines:
                back = calls.Dispatch(actor=who.actor, receiver=self._site.identity.origin.site, lines=lines)
                call = self._operators.sign(who, back, reversal_op_id(of), key)
            self._site.record(call, op_id=reversal_op_id(of), document=document)
            left = units.leaving(connection, whole) if who.has(RECEIVE | MOVE | ISSUE) else ()
            if left:  # for others they stay in use, empty
                moved = calls.MoveUnit(actor=who.actor, lines=left)
                self._site.record(moved, op_id=units_op_id(op_id), document=self._desk.document())
            hindsight.doubt_reviews(connection, places)
            return {"state": "recorded", "transfer": str(transfer), "reversal": str(reversal_op_id(of))}

        return self._desk.once(op_id, who.actor, "reverse_acceptance", {"of": of.raw, "reasons": list(reasons)}, work)


def _accepted(connection: Connection, of: OpId) -> tuple[OpId, tuple[Line, ...]]:
    """The transfer that was accepted, and what came in by it, backwards: goods leave free or not at all."""
    row = connection.execute("SELECT transfer FROM acceptances WHERE op_id = ?", (of.raw,)).fetchone()
    if row is None:
        raise Rejected(f"operation {of} is no acceptance of this site")
    rows = connection.execute(
        "SELECT item, lot, serial, quantity, target FROM acceptance_lines WHERE op_id = ? AND quantity > 0"
        " ORDER BY line",
        (of.raw,),
    ).fetchall()
    return OpId(bytes(row[0])), tuple(
        Line(item=item, lot=lot, serial=serial, status=FREE, quantity=quantity, source=target, target=IN_TRANSIT)
        for item, lot, serial, quantity, target in rows
    )


def _refuse_gone(connection: Connection, lines: tuple[Line, ...]) -> None:
    """Refuse to take back what is not where it was put any more, or is not free, and say what to do first."""
    wanted: Counter[tuple[str, str, str]] = Counter()
    for line in lines:
        wanted[line.source, line.item, line.lot] += line.quantity
        row = (
            line.serial
            and connection.execute(
                "SELECT location, status FROM serials WHERE item = ? AND serial = ?", (line.item, line.serial)
            ).fetchone()
        )
        if line.serial and row != (line.source, FREE):
            raise Rejected(
                f"{line.item} {line.serial} is not free in {line.source} any more: bring it back there, or release it"
            )
    for (place, item, lot), quantity in wanted.items():
        (free,) = connection.execute(
            "SELECT COALESCE((SELECT quantity FROM stock WHERE location = ?1 AND item = ?2 AND lot = ?3"
            " AND status = ?4), 0) - COALESCE((SELECT SUM(rest) FROM reservations WHERE location = ?1 AND item = ?2"
            " AND lot = ?3 AND status = ?4 AND rest > 0), 0)",
            (place, item, lot, FREE),
        ).fetchone()
        if free < quantity:
            there, came = (catalogue.written(connection, {item: many}) for many in (max(0, free), quantity))
            raise Rejected(
                f"{there} of {item} are free in {place} and {came} came in: bring back what was moved on, and release"
                " what is held or promised"
            )
