"""Held goods until somebody else releases them: what waits, and the signed release."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from ledger import calls
from ledger.db import Connection
from ledger.documents import reference
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.moves import CHANGES_MAX, STATUSES, Freed
from ledger.people import APPROVE, HOLD
from node import catalogue
from node.counting import Counting
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.rounds import refuse_frozen
from node.values import Fields

ROWS_MAX = 200
FIRST = (-(2**62), "", -1)


class Holds:
    """Holds of this site, and receipts that took goods in held."""

    def __init__(self, desk: Desk, operators: Operators, counting: Counting) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators
        self._counting = counting

    def waiting(
        self, connection: Connection, who: Person, after: tuple[int, str, int] = FIRST, most: int = ROWS_MAX
    ) -> list[Answer]:
        """What is held and not released, oldest first: [{height, hold, line, by, own, item, lot, serial, status,
        unit, decimals, left, places [{location, quantity}]}]. Bins that are being counted are left out for those who
        count. `after`: (height, hold, line) of the one after which to go on."""
        who.need(HOLD | APPROVE, "see what is held")
        hidden = self._counting.blind_bins(connection, who)
        rows = connection.execute(
            "SELECT h.hold, h.line, o.actor, h.item, h.lot, h.serial, h.status, h.quantity - h.freed,"
            " h.height FROM holds h JOIN operations o ON o.op_id = h.hold WHERE h.freed < h.quantity"
            " AND (h.height, h.hold, h.line) > (?, ?, ?) AND EXISTS (SELECT 1 FROM stock s"
            " JOIN locations l ON l.location = s.location AND l.kind <> 2 WHERE s.item = h.item AND s.lot = h.lot"
            " AND s.status = h.status AND s.quantity > 0) ORDER BY h.height, h.hold, h.line",
            (after[0], bytes.fromhex(after[1]), after[2]),
        )
        found: list[Answer] = []
        # Row by row: how many of them stand only in hidden places is not known before.
        for hold, line, actor, item, lot, serial, status, left, height in rows:
            if len(found) == most:
                break
            places = [
                each for each in _places(connection, item, lot, serial, status) if each["location"] not in hidden
            ]
            if places:
                holder = Actor(bytes(actor))
                found.append(
                    {
                        "height": int(height),
                        "hold": bytes(hold).hex(),
                        "line": int(line),
                        "by": self._operators.name_of(connection, holder),
                        "own": holder == who.actor,
                        "item": item,
                        "lot": lot,
                        "serial": serial,
                        "status": STATUSES[status],
                        **catalogue.measure(connection, item),
                        "left": int(left),
                        "places": places,
                    }
                )
        return found

    def release(self, op_id: OpId, who: Person, body: object, pin: object = None) -> Answer:
        """Held goods are free again: `hold`, `lines` [{line, quantity, location}] with the numbers that `waiting`
        shows, `order` (whose word it is, such as a test report), `reasons`, `occurred_ms`, `note`. Signed by the
        person, who did not hold them."""
        who.need(APPROVE, "release goods")
        fields = Fields(body, "release")
        hold, entries = fields.op_id("hold"), fields.objects("lines", CHANGES_MAX)
        word, reasons = fields.take("order"), fields.reasons()
        occurred_ms, note = fields.moment("occurred_ms"), fields.note("note")
        fields.done()
        references = {} if word is None else {"order": reference(word)}
        if not entries:
            raise Rejected("the release has no lines")
        with self._site.reading() as connection:
            lines = tuple(_freed(connection, hold, Fields(each, f"line {n}")) for n, each in enumerate(entries))

        def work(connection: Connection) -> Answer:
            places = {line.location for line in lines}
            if self._site.find(op_id) is None:
                refuse_frozen(connection, places)
                hidden = sorted(self._counting.blind_bins(connection, who) & places)
                if hidden:
                    raise Rejected(f"{hidden[0]} is being counted: wait until that count is finished")
            document = self._desk.document(
                occurred_ms, reasons=reasons, references=references, commitments=self._desk.erasable(connection, note)
            )
            call = self._operators.approve(who, calls.Release(actor=who.actor, hold=hold, lines=lines), op_id, pin)
            self._site.record(call, op_id=op_id, document=document)
            return {"state": "recorded"}

        content = {
            "hold": hold.raw,
            "lines": [list(astuple(line)) for line in lines],
            "references": references,
            "reasons": list(reasons),
            "occurred_ms": occurred_ms,
        }
        return self._desk.once(op_id, who.actor, "release", content, work)


def _freed(connection: Connection, hold: OpId, fields: Fields) -> Freed:
    """One line of a release: what the hold has there, so much of it, at this place."""
    index, quantity = fields.quantity("line"), fields.quantity("quantity", least=1)
    location = catalogue.need_bin(connection, fields.text("location"))
    fields.done()
    row = connection.execute(
        "SELECT item, lot, serial, status FROM holds WHERE hold = ? AND line = ?", (hold.raw, index)
    ).fetchone()
    if row is None:
        raise Rejected(f"{hold} holds nothing by its line {index}")
    item, lot, serial, status = row
    return Freed(
        index=index, item=item, lot=lot, serial=serial, status=int(status), quantity=quantity, location=location
    )


def _places(connection: Connection, item: str, lot: str, serial: str, status: int) -> list[dict[str, Any]]:
    """Where such goods stand now."""
    if serial:
        rows = connection.execute(
            "SELECT s.location, 1 FROM serials s JOIN locations l ON l.location = s.location AND l.kind <> 2"
            " WHERE s.item = ? AND s.serial = ? AND s.status = ?",
            (item, serial, status),
        ).fetchall()
    else:
        rows = connection.execute(
            "SELECT s.location, s.quantity FROM stock s JOIN locations l ON l.location = s.location AND l.kind <> 2"
            " WHERE s.item = ? AND s.lot = ? AND s.status = ? AND s.quantity > 0 ORDER BY s.location",
            (item, lot, status),
        ).fetchall()
    return [{"location": str(row[0]), "quantity": int(row[1])} for row in rows]
