"""Handling units in a receipt or move that is scanned together, and in a transfer.

The label of a unit in use is a place like that of a bin. One that is not in use comes in by the receipt: what was
announced on it is filled in by that one scan, and it stands where the receipt was until then. Booking the receipt
makes the unit first, in the same transaction.

A unit of which a dispatch takes all travels whole: it goes out of use at the sender, and comes into use again where
it arrives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
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
    return bool(_parent(connection, unit))


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
    """The delivery that a receipt was begun for, or that announced a unit in it; or ""."""
    row = connection.execute(
        "SELECT delivery FROM tasks WHERE task = ?1 AND delivery <> ''"
        " UNION ALL SELECT delivery FROM task_units WHERE task = ?1 AND delivery <> '' LIMIT 1",
        (task,),
    ).fetchone()
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


def taken_whole(connection: Connection, pieces: Sequence[Sequence[Line]]) -> list[str]:
    """The units that lines empty, inner ones first. Of an act of several `pieces` none whose goods are in two of
    them: no piece can say that it came whole."""
    taken: dict[str, Counter[tuple[str, str, int]]] = {}
    where: dict[str, set[int]] = {}
    for number, lines in enumerate(pieces):
        for line in lines:
            taken.setdefault(line.source, Counter())[line.item, line.lot, line.status] += line.quantity
            where.setdefault(line.source, set()).add(number)
    left = sorted(unit for unit in taken if len(where[unit]) == 1 and _is_unit(connection, unit))
    whole: list[str] = []
    while emptied := [
        unit
        for unit in left
        if _inside(connection, unit) <= set(whole) and _stock_of(connection, unit) == taken[unit]
    ]:
        whole += emptied
        left = [unit for unit in left if unit not in emptied]
    return whole


def leaving(connection: Connection, whole: Iterable[str]) -> tuple[UnitMove, ...]:
    """The moves that take units out of use."""
    return tuple(UnitMove(unit=unit, source=_parent(connection, unit), target="") for unit in whole)


def arriving(connection: Connection, whole: Iterable[str], target: str) -> tuple[UnitMove, ...]:
    """The moves that bring units into a bin. `Rejected` for a label that is in use here: one that is empty comes from
    where it was last."""
    moves = []
    for unit in whole:
        row = connection.execute("SELECT kind, parent FROM locations WHERE location = ?", (unit,)).fetchone()
        kind, parent = (catalogue.UNIT, "") if row is None else (int(row[0]), str(row[1]))
        if kind != catalogue.UNIT:
            raise Rejected(f"{unit} is a place of this site: accept the lines of that unit into a bin")
        if _inside(connection, unit) or _stock_of(connection, unit):
            raise Rejected(f"handling unit {unit} has goods on it here already: accept these lines into a bin")
        if parent != target:
            moves.append(UnitMove(unit=unit, source=parent, target=target))
    return tuple(moves)


def _is_unit(connection: Connection, place: str) -> bool:
    row = connection.execute("SELECT kind FROM locations WHERE location = ?", (place,)).fetchone()
    return row is not None and int(row[0]) == catalogue.UNIT


def _parent(connection: Connection, unit: str) -> str:
    row = connection.execute("SELECT parent FROM locations WHERE location = ?", (unit,)).fetchone()
    return "" if row is None else str(row[0])


def _inside(connection: Connection, unit: str) -> set[str]:
    rows = connection.execute("SELECT location FROM locations WHERE parent = ?", (unit,)).fetchall()
    return {str(row[0]) for row in rows}


def _stock_of(connection: Connection, unit: str) -> Counter[tuple[str, str, int]]:
    rows = connection.execute(
        "SELECT item, lot, status, quantity FROM stock WHERE location = ? AND quantity > 0", (unit,)
    ).fetchall()
    return Counter({(str(item), str(lot), int(status)): int(quantity) for item, lot, status, quantity in rows})
