"""What people look up: an item, a bin, an operation with its history and proof.

Whoever counts must not learn from a look-up what the books expect of a bin in an unfinished count. Such bins are left
out whatever they hold, and named as being counted whether or not they hold the thing: an answer that differed would
be an answer.
"""

from __future__ import annotations

from typing import Any

from ledger.db import Connection
from ledger.documents import part_op_id
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.moves import STATUSES
from ledger.wording import shown
from node import catalogue, counting_facts, listings, openings, parts, proofs, streams, transit
from node.counting import Counting
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.values import text_id

ROWS_MAX = 200
MOVES_MAX = 50
TRACKED_MAX = 20


class Lookups:
    """Read-only answers, each from a connection of the caller's."""

    def __init__(self, desk: Desk, operators: Operators, counting: Counting) -> None:
        self._site = desk.site
        self._operators = operators
        self._counting = counting

    def item(self, connection: Connection, who: Person, code: object, lot: str = "", serial: str = "") -> Answer:
        """An item by code or barcode, or one lot or piece of it: what it is, how much of it is where, its last moves.
        `piece`: where that is, and `in_transit`: what is on its way (see `transit.of_item`), unless a count keeps
        it from the asker: what has left says what can be left."""
        sku = self.sku(connection, code)
        hidden = self._counting.blind_bins(connection, who)
        moves = listings.moves_of(connection, sku, hidden, None, MOVES_MAX, lot, serial)
        piece = self.serial(connection, who, sku, serial) if serial and not hidden else None
        site = self._site.identity.origin.site
        return {
            **listings.facts_of(catalogue.need_item(connection, sku)),
            **listings.total_of(connection, sku, hidden, lot),
            "piece": None if piece is None else {name: piece[name] for name in ("location", "lot", "status")},
            "stock": _rows(listings.stock_of(connection, sku, hidden, None, ROWS_MAX, lot), ROWS_MAX),
            "in_transit": None if hidden else transit.of_item(connection, site, sku, lot, serial),
            "being_counted": sorted(hidden)[:ROWS_MAX],
            "moves": _rows(self.named(connection, moves), MOVES_MAX),
        }

    def named(self, connection: Connection, found: listings.Found) -> listings.Found:
        """Rows of operations with the person's name, `by`, where it may still be shown."""
        actors = {row["actor"] for _, row in found} - {""}
        names = {actor: self._operators.name_of(connection, Actor.parse(actor)) for actor in actors}
        return [(key, {**row, "by": names.get(row["actor"], "")}) for key, row in found]

    def bin(self, connection: Connection, who: Person, code: object) -> Answer:
        """A location: what lies in it, piece by piece for serials, and its last moves."""
        bin_ = catalogue.need_bin(connection, text_id(code, "location"))
        hidden = self._counting.blind_bins(connection, who)
        if bin_ in hidden:
            return {"location": bin_, "being_counted": True}
        return {
            "location": bin_,
            "being_counted": False,
            "stock": _rows(listings.stock_in(connection, bin_, None, ROWS_MAX), ROWS_MAX),
            "serials": _rows(listings.serials_in(connection, bin_, None, ROWS_MAX), ROWS_MAX),
            "moves": _rows(
                self.named(connection, listings.moves_at(connection, bin_, hidden, None, MOVES_MAX)), MOVES_MAX
            ),
        }

    def serial(self, connection: Connection, who: Person, item: object, serial: object) -> Answer:
        """Where one piece is. Counters get no answer while any count is unfinished: 'nowhere else' would be one."""
        sku, number = self.sku(connection, item), text_id(serial, "serial")
        if self._counting.blind_bins(connection, who):
            raise Rejected("a count is under way: pieces can be looked up when it is finished")
        row = connection.execute(
            "SELECT location, lot, status FROM serials WHERE item = ? AND serial = ?", (sku, number)
        ).fetchone()
        if row is None:
            raise Rejected(f"no piece {number} of {sku} was ever here")
        return {"item": sku, "serial": number, "location": row[0], "lot": row[1], "status": STATUSES[row[2]]}

    def plain(self, connection: Connection, who: Person, text: str) -> Answer:
        """What a code without a label of its own names: an operation, a location, a lot or a serial, as
        `Scanning.name` answers it. Raises Rejected for none, and for a lot or serial in several items."""
        if len(text) == 32:
            row = connection.execute("SELECT op_id FROM operations WHERE op_id = ?", (_hex(text),)).fetchone()
            if row is not None:
                return {"kind": "operation", "op_id": bytes(row[0]).hex()}
        if listings.location(connection, text) is not None:
            return {"kind": "location", "location": text, "known": True, "unit": False}
        found = self.tracked(connection, who, text)
        if not found:
            raise Rejected(f"nothing here has the code {shown(text)}")
        if len(found) > 1:
            items = ", ".join(sorted({each["item"] for each in found}))
            raise Rejected(f"{shown(text)} is a lot or serial of several items: {items}. Look one of them up")
        item = catalogue.need_item(connection, found[0]["item"])
        return {"kind": "item", **listings.facts_of(item), **found[0], "quantity": 1}

    def tracked(self, connection: Connection, who: Person, text: str) -> list[Answer]:
        """Items that have a piece or lot of this number: [{item, serial or lot}]. Counters find none while any count
        is unfinished, as with `serial`."""
        if self._counting.blind_bins(connection, who):
            return []
        rows = connection.execute(
            "SELECT item, serial, lot FROM serials WHERE serial = ?1"
            " UNION SELECT item, '', lot FROM stock WHERE lot = ?1 AND lot <> '' ORDER BY item, serial LIMIT ?2",
            (text, TRACKED_MAX),
        ).fetchall()
        named = [dict(zip(("item", "serial", "lot"), row, strict=True)) for row in rows]
        return [{name: value for name, value in each.items() if value} for each in named]

    def operation(self, connection: Connection, who: Person, op_id: OpId) -> Answer:
        """An operation: where it stands, and its lines, as far as the person may see them. Of a count in parts, asked
        for by its act, the first."""
        known = "SELECT height, place, call, actor FROM operations WHERE op_id = ?"
        row = connection.execute(known, (op_id.raw,)).fetchone()
        found = parts.of(connection, op_id) if row is None else []
        if found:
            row = connection.execute(known, (found[0].op_id.raw,)).fetchone()
        act = op_id
        if row is None:
            op_id = part_op_id(act, 1)
            row = connection.execute(known, (op_id.raw,)).fetchone()
        if row is None:
            raise Rejected(f"operation {act} was not recorded here")
        height = max((part.height for part in found), default=int(row[0]))
        answer: Answer = {"op_id": str(act), "height": height, "state": self._site.proof_state(op_id)}
        if not self.may_open(connection, who, op_id):
            return {**answer, "being_counted": True}
        moved = [
            line
            for each in ([part.booked for part in found if part.booked] or [op_id])
            for line in connection.execute(
                "SELECT m.item, m.lot, m.serial, m.status, m.quantity, m.source, m.target FROM operations o"
                " JOIN movements m ON m.height = o.height AND m.place = o.place WHERE o.op_id = ? ORDER BY m.line",
                (each.raw,),
            ).fetchall()
        ]
        reversed_by = connection.execute("SELECT op_id FROM reversals WHERE of = ?", (op_id.raw,)).fetchone()
        root = openings.root_of(connection, found[0].op_id if found else op_id)
        by = "" if row[3] is None else self._operators.name_of(connection, Actor(bytes(row[3])))
        return {
            **answer,
            "call": found[0].call if found else row[2],
            "by": by,
            "lines": [_move(connection, line) for line in moved],
            "units": [
                dict(zip(("unit", "source", "target"), unit, strict=True))
                for unit in connection.execute(
                    "SELECT unit, source, target FROM unit_moves WHERE height = ? AND place = ? ORDER BY line",
                    row[:2],
                )
            ],
            **self._parts(connection, found, op_id),
            "reversed_by": "" if reversed_by is None else bytes(reversed_by[0]).hex(),
            "marks": listings.marks_of(connection, int(row[0]), int(row[1])),
            "scans": None if root is None else root.hex(),
        }

    def _parts(self, connection: Connection, found: list[parts.Stated], op_id: OpId) -> Answer:
        """Of a document in parts how far each is, of one part which document it belongs to."""
        if found:
            return {
                "parts": [
                    {
                        "number": part.number,
                        "op_id": str(part.booked or part.op_id),
                        "booked": part.booked is not None and not part.exception,
                        "exception": part.exception,
                        "state": proofs.state_at(connection, part.height),
                    }
                    for part in found
                ]
            }
        part = parts.one(connection, op_id)
        if part is None:
            return {}
        return {"part_of": {"op_id": str(part.whole), "number": part.number, "count": part.count}}

    def may_open(self, connection: Connection, who: Person, op_id: OpId) -> bool:
        """Whether this person may see what an operation says, its receipt included: not while it would tell a
        counter what is expected of a bin."""
        hidden = self._counting.blind_bins(connection, who)
        if not hidden:
            return True
        pieces = [part.booked for part in parts.of(connection, op_id) if part.booked is not None]
        return not any(hidden & self._touched(connection, each) for each in (op_id, *pieces))

    @staticmethod
    def _touched(connection: Connection, op_id: OpId) -> set[str]:
        """The places of which an operation says what is there."""
        touched = connection.execute(
            "SELECT bin FROM counts WHERE op_id = ?1"
            " UNION SELECT c.bin FROM count_lines l JOIN counts c ON c.op_id = l.count WHERE l.posted = ?1"
            " UNION SELECT m.source FROM operations o JOIN movements m ON m.height = o.height AND m.place = o.place"
            " WHERE o.op_id = ?1 UNION SELECT m.target FROM operations o JOIN movements m ON m.height = o.height"
            " AND m.place = o.place WHERE o.op_id = ?1 UNION SELECT location FROM exceptions WHERE op_id = ?1"
            " UNION SELECT location FROM reservations WHERE reservation = ?1 UNION SELECT e.value FROM operations o"
            " JOIN unit_moves u ON u.height = o.height AND u.place = o.place"
            " JOIN json_each(json_array(u.unit, u.source, u.target)) e WHERE o.op_id = ?1",
            (op_id.raw,),
        ).fetchall()
        return {str(row[0]) for row in touched}

    def suspects(self, connection: Connection) -> list[str]:
        """Bins where something happened that could not be booked, and that nobody has counted since."""
        return counting_facts.suspects(connection, counting_facts.posted_rounds(connection))

    def sku(self, connection: Connection, code: object) -> str:
        """The item that a code or barcode names."""
        if isinstance(code, str) and code.isascii() and code.isdecimal() and len(code) <= 14:
            found = streams.item_of(connection, code.zfill(14), None)
            if found is not None:
                return found[0]
        sku = text_id(code, "item")
        if catalogue.item(connection, sku) is None:
            raise Rejected(f"no item has the code {shown(code)}")
        return sku


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _rows(found: listings.Found, most: int) -> list[Answer]:
    """The first page of a list, without its keys."""
    return [row for _, row in found[:most]]


def _move(connection: Connection, row: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "item": row[0],
        **catalogue.measure(connection, row[0]),
        "lot": row[1],
        "serial": row[2],
        "status": STATUSES[row[3]],
        "quantity": row[4],
        "source": row[5],
        "target": row[6],
    }
