"""Handling units in a receipt or move that is scanned together.

The label of a unit in use is a place like that of a bin. One that is not in use comes in by the receipt: what was
announced on it is filled in by that one scan, and it stands where the receipt was until then. Booking the receipt
makes the unit first, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.db import Connection
from ledger.errors import Rejected
from ledger.moves import Line, UnitMove
from node import catalogue, deliveries
from node.tasks import Task, Thing


@dataclass(frozen=True, slots=True)
class Arrived:
    """A unit in a receipt. `stands`: its place; `delivery`: the one that announced it, or ""; `things`: base units of
    what that says of it in full; `open`: the items whose lots or serials have to be scanned; `is_closed`: nothing
    has."""

    stands: str
    delivery: str
    things: dict[Thing, int]
    open: tuple[str, ...]

    @property
    def is_closed(self) -> bool:
        return bool(self.things) and not self.open


def is_used(connection: Connection, unit: str) -> bool:
    """Whether the unit stands somewhere by the books."""
    row = connection.execute("SELECT parent FROM locations WHERE location = ?", (unit,)).fetchone()
    return row is not None and bool(row[0])


def arrive(connection: Connection, task: Task, unit: str) -> Arrived:
    """A unit that is not in use is part of a receipt from now on. `Rejected` when nobody said where it stands, and
    when it is of another delivery than those before it."""
    # After the label of another unit both stand in the same place.
    beside = connection.execute(
        "SELECT stands FROM task_units WHERE task = ?1 AND unit = ?2"
        " UNION ALL SELECT parent FROM locations WHERE location = ?2 AND kind = ?3",
        (task.task, task.target, catalogue.UNIT),
    ).fetchone()
    stands = str(beside[0]) if beside else task.target
    if not stands:
        raise Rejected("scan the bin first")
    name, announced = deliveries.on_unit(connection, unit)
    before = delivery_of(connection, task.task)
    if before and name and name != before:
        raise Rejected(f"{unit} is of delivery {name}, and this receipt is of {before}: finish it first")
    connection.execute("INSERT OR IGNORE INTO task_units VALUES (?, ?, ?, ?)", (task.task, unit, stands, name))
    things: dict[Thing, int] = {}
    left: set[str] = set()
    for line in announced:
        item = catalogue.item(connection, line.item)
        if item is None or item.has_serials or item.has_lots != bool(line.lot):
            left.add(line.item)
        else:
            thing = Thing(line.item, line.lot, place=unit)
            things[thing] = things.get(thing, 0) + line.quantity
    return Arrived(stands, name, things, tuple(sorted(left)))


def delivery_of(connection: Connection, task: int) -> str:
    """The delivery that announced the units in a receipt, or ""."""
    row = connection.execute("SELECT delivery FROM task_units WHERE task = ? AND delivery <> ''", (task,)).fetchone()
    return "" if row is None else str(row[0])


def to_make(connection: Connection, task: int, lines: Iterable[Line]) -> tuple[UnitMove, ...]:
    """The units that lines of a receipt stand on and that are not in use yet."""
    filled = {line.target for line in lines}
    rows = connection.execute("SELECT unit, stands FROM task_units WHERE task = ? ORDER BY unit", (task,)).fetchall()
    return tuple(
        UnitMove(unit=str(unit), target=str(stands))
        for unit, stands in rows
        if unit in filled and not is_used(connection, str(unit))
    )
