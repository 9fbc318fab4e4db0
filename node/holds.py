"""Goods that are not free: what stands held and who or what found it so, and the signed release by somebody else.

What is held is what the stock says, and nothing else: a hold, a receipt, an acceptance, a count and a correction all
book it there. The chain knows a holder only of holds and receipts, and releases only what somebody holds.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from typing import TypeAlias

from ledger import calls
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import VIRTUAL, Actor, OpId
from ledger.moves import CHANGES_MAX, STATUSES, Freed
from ledger.people import ADJUST, APPROVE, HOLD
from node import catalogue
from node.counting import Counting
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.rounds import refuse_frozen, refuse_releaser
from node.values import Fields, reference

ROWS_MAX = 200
ORIGINS_MAX = 50
FIRST = ("", "", "", -1, "")
_VIRTUAL = ", ".join(f"'{place}'" for place in VIRTUAL)

# Item, lot, serial, status.
Thing: TypeAlias = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class Origin:
    """A booked line that made goods not free. `line`: of its hold, None where nobody holds them by it."""

    op_id: bytes
    call: str
    actor: bytes | None
    target: str
    line: int | None
    quantity: int


# By place: the lines that brought in what stands there, and how much of it.
Shares: TypeAlias = dict[str, list[tuple[Origin, int]]]


class Holds:
    """What is not free at this site, and the release of what somebody holds."""

    def __init__(self, desk: Desk, operators: Operators, counting: Counting) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators
        self._counting = counting

    def waiting(
        self,
        connection: Connection,
        who: Person,
        after: tuple[str, str, str, int, str] = FIRST,
        most: int = ROWS_MAX,
        *,
        item: str = "",
        location: str = "",
    ) -> list[Answer]:
        """What is not free, place by place, whoever found it so: [{location, item, lot, serial, status, quantity,
        unit, decimals, origins [{op_id, call, by, own, line, quantity}]}], by these names in this order. `origins`:
        the operations that brought it in, newest first, each with how much of this may be its own; `line` is what a
        release names, and None where an operation has no holder: such goods are held anew, then released. Bins that
        are being counted are left out for those who count. `after`: (location, item, lot, status, serial) of the row
        after which to go on. `item`, `location`: only that."""
        who.may_see(ADJUST | HOLD | APPROVE, "see what is held")
        hidden = self._counting.blind_bins(connection, who)
        rows = connection.execute(
            "SELECT s.location, s.item, s.lot, s.status, COALESCE(p.serial, ''),"
            " CASE WHEN p.serial IS NULL THEN s.quantity ELSE 1 END FROM stock s INDEXED BY stock_held"
            " LEFT JOIN serials p ON p.location = s.location AND p.item = s.item AND p.lot = s.lot"
            " AND p.status = s.status WHERE s.status > 0 AND s.quantity > 0 AND s.location >= ?"
            " AND (s.location, s.item, s.lot, s.status,"
            " COALESCE(p.serial, '')) > (?, ?, ?, ?, ?) AND s.location NOT IN (SELECT value FROM json_each(?))"
            " AND ? IN ('', s.item) AND ? IN ('', s.location)"
            " ORDER BY s.location, s.item, s.lot, s.status, p.serial LIMIT ?",
            (after[0], *after, json.dumps([*VIRTUAL, *hidden]), item, location, most),
        ).fetchall()
        items = catalogue.items(connection, {row[1] for row in rows})
        shares: dict[Thing, Shares] = {}
        names: dict[bytes | None, str] = {None: ""}
        found: list[Answer] = []
        for place, sku, lot, status, serial, quantity in rows:
            thing = (sku, lot, serial, status)
            origins = _own(connection, thing, place, quantity)
            if origins is None:
                if thing not in shares:
                    shares[thing] = _shares(connection, thing, hidden)
                origins = shares[thing].get(place, [])
            for origin, _ in origins:
                if origin.actor is not None and origin.actor not in names:
                    names[origin.actor] = self._operators.name_of(connection, Actor(origin.actor))
            found.append(
                {
                    "location": place,
                    "item": sku,
                    "lot": lot,
                    "serial": serial,
                    "status": STATUSES[status],
                    "quantity": quantity,
                    "unit": items[sku].unit,
                    "decimals": items[sku].decimals,
                    "origins": [
                        {
                            "op_id": origin.op_id.hex(),
                            "call": origin.call,
                            "by": names[origin.actor],
                            "own": origin.actor == who.actor.raw,
                            "line": origin.line,
                            "quantity": share,
                        }
                        for origin, share in origins
                    ],
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
                for place in sorted(places):
                    refuse_releaser(connection, place, who.actor)
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


def _own(connection: Connection, thing: Thing, place: str, quantity: int) -> list[tuple[Origin, int]] | None:
    """What `_shares` gives for a place of which all came in right there, as nearly always: then nothing has to be
    known of other places. None where some came from elsewhere."""
    found = []
    for origin in _origins(connection, thing, place):
        found.append((origin, min(quantity, origin.quantity)))
        quantity -= found[-1][1]
        if not quantity:
            return found
    return None


def _shares(connection: Connection, thing: Thing, hidden: frozenset[str]) -> Shares:
    """By place, which lines brought in what stands there. The books do not follow single pieces from bin to bin, so
    the newest ones have what stands where they put it, and then of what stands elsewhere."""
    left = {place: quantity for place, quantity in _places(connection, thing) if place not in hidden}
    origins = [origin for origin in _origins(connection, thing) if origin.target not in hidden]
    rest = [origin.quantity for origin in origins]
    found: Shares = {}
    for elsewhere in (False, True):
        for at, origin in enumerate(origins):
            for place in left if elsewhere else {origin.target} & left.keys():
                if share := min(rest[at], left[place]):
                    rest[at] -= share
                    left[place] -= share
                    found.setdefault(place, []).append((origin, share))
    return found


def _places(connection: Connection, thing: Thing) -> list[tuple[str, int]]:
    """Where such goods stand now, and how many."""
    item, lot, serial, status = thing
    if serial:
        rows = connection.execute("SELECT location, 1 FROM serials WHERE item = ? AND serial = ?", (item, serial))
    else:
        rows = connection.execute(
            "SELECT location, quantity FROM stock WHERE item = ? AND lot = ? AND status = ? AND quantity > 0"
            " ORDER BY location",
            (item, lot, status),
        )
    return [(str(place), int(quantity)) for place, quantity in rows if place not in VIRTUAL]


def _origins(connection: Connection, thing: Thing, target: str = "") -> list[Origin]:
    """The lines that made goods such, at `target` or anywhere, newest first: they came from no place of the site.
    What was released of a hold is not its own any more."""
    rows = connection.execute(
        "SELECT o.op_id, o.call, o.actor, m.target, h.line, m.quantity - COALESCE(h.freed, 0) AS rest"  # noqa: S608 - our own names
        " FROM movements m JOIN operations o ON o.height = m.height AND o.place = m.place"
        " LEFT JOIN holds h ON h.hold = o.op_id AND h.line = m.line"
        " WHERE m.item = ? AND m.lot = ? AND m.serial = ? AND m.status = ? AND m.status > 0 AND rest > 0"
        f" AND m.source IN ({_VIRTUAL}) AND m.target NOT IN ({_VIRTUAL}) AND ? IN ('', m.target)"
        # A limit that is bound has the query planned anew at each execution.
        f" ORDER BY m.height DESC, m.place DESC, m.line DESC LIMIT {ORIGINS_MAX}",
        (*thing, target),
    )
    return [Origin(bytes(row[0]), row[1], None if row[2] is None else bytes(row[2]), *row[3:]) for row in rows]
