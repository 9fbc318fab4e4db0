"""The derived tables of reservations, holds, handling units and documents in parts: part of `node/projection`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import calls, control, events
from ledger.calls_goods import RECEIVE_ACT
from ledger.db import Connection
from ledger.documents import Part
from ledger.ids import CHANGE
from ledger.moves import FREE

if TYPE_CHECKING:
    from node.projection import Step


def reserved(connection: Connection, step: Step, event: events.Reserved) -> None:
    connection.execute(
        "INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (reservation, location, item, lot, status)"
        " DO UPDATE SET quantity = quantity + excluded.quantity, rest = rest + excluded.rest",
        (step.op_id.raw, event.location, event.item, event.lot, event.status, event.quantity, event.quantity),
    )


def unreserved(connection: Connection, _: Step, event: events.Unreserved) -> None:
    connection.execute(
        "UPDATE reservations SET rest = rest - ? WHERE reservation = ? AND location = ? AND item = ? AND lot = ?"
        " AND status = ?",
        (event.quantity, event.reservation.raw, event.location, event.item, event.lot, event.status),
    )


def held(connection: Connection, step: Step, event: events.Held) -> None:
    """Of each pair of moves the second one, which comes out of CHANGE, is what the hold has."""
    for move in step.events:
        if isinstance(move, events.Moved) and move.source == CHANGE and move.status == event.status:
            _hold(connection, step, move)


def arrived(connection: Connection, step: Step) -> None:
    """Who takes goods in held has held them."""
    call = step.call
    if isinstance(call, calls.Receive) or (isinstance(call, calls.BookPart) and call.act == RECEIVE_ACT):
        for move in step.events:
            if isinstance(move, events.Moved) and move.status != FREE:
                _hold(connection, step, move)


def _hold(connection: Connection, step: Step, move: events.Moved) -> None:
    connection.execute(
        "INSERT INTO holds (hold, line, height, item, lot, serial, status, quantity) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (step.op_id.raw, move.line, step.height, move.item, move.lot, move.serial, move.status, move.quantity),
    )


def released(connection: Connection, step: Step, event: events.Released) -> None:
    freed = {each.line: each.index for each in step.events if isinstance(each, events.ReleasedLine)}
    for move in step.events:
        if isinstance(move, events.Moved) and move.target == CHANGE:
            connection.execute(
                "UPDATE holds SET freed = freed + ? WHERE hold = ? AND line = ?",
                (move.quantity, event.hold.raw, freed[move.line // 2]),
            )


def unit_moved(connection: Connection, step: Step, event: events.UnitMoved) -> None:
    connection.execute("INSERT OR REPLACE INTO locations VALUES (?, ?, ?)", (event.unit, control.UNIT, event.target))
    connection.execute(
        "INSERT OR REPLACE INTO placements VALUES (?, ?, ?, ?)",
        (event.unit, step.height, control.UNIT, event.target),
    )
    connection.execute(
        "INSERT INTO unit_moves VALUES (?, ?, ?, ?, ?, ?)",
        (step.height, step.place, event.line, event.unit, event.source, event.target),
    )
    connection.execute(
        "WITH RECURSIVE inside (location) AS (SELECT ?3 UNION SELECT l.location FROM locations l"
        " JOIN inside i ON l.parent = i.location)"
        " INSERT INTO carried SELECT ?1, ?2, ROW_NUMBER() OVER () - 1"
        " + (SELECT COUNT(*) FROM carried WHERE height = ?1 AND place = ?2),"
        " ?3, item, lot, serial, status, quantity, ?4, ?5 FROM ("
        "SELECT s.item, s.lot, '' AS serial, s.status, SUM(s.quantity) AS quantity FROM stock s"
        " JOIN inside i ON s.location = i.location JOIN items t ON t.item = s.item"
        " WHERE s.quantity > 0 AND NOT t.tracking & 2 GROUP BY s.item, s.lot, s.status"
        " UNION ALL SELECT p.item, p.lot, p.serial, p.status, 1 FROM serials p"
        " JOIN inside i ON p.location = i.location ORDER BY 1, 2, 3, 4)",
        (step.height, step.place, event.unit, event.source, event.target),
    )


def part_recorded(connection: Connection, step: Step, event: events.PartRecorded) -> None:
    connection.execute(
        "INSERT INTO parts VALUES (?, ?, ?, ?, ?, NULL)",
        (event.whole.raw, event.number, event.count, event.act, step.op_id.raw),
    )


def part_booked(connection: Connection, step: Step, event: events.PartBooked) -> None:
    connection.execute(
        "UPDATE parts SET booked = ? WHERE whole = ? AND number = ?", (step.op_id.raw, event.whole.raw, event.number)
    )


def part_excepted(connection: Connection, step: Step, part: Part) -> None:
    """A part that could not be booked any more took effect all the same: as an exception."""
    connection.execute(
        "UPDATE parts SET booked = ? WHERE whole = ? AND number = ? AND booked IS NULL",
        (step.op_id.raw, part.whole.raw, part.number),
    )


def planned(connection: Connection, step: Step, event: events.CountPlanned) -> None:
    connection.execute(
        "INSERT INTO plans VALUES (?, ?, ?, ?, ?)",
        (step.op_id.raw, step.height, event.scope, event.rule, event.height),
    )
