"""Documents of more lines than one transaction carries: every part is stated, then every part is booked.

All of it is recorded in the caller's SQL transaction, so the journal has the whole act or nothing of it. A block may
end between any two parts; the chain books none before each has been stated. Part n is stated under
`documents.part_op_id(whole, n)` and booked, or sealed as an exception, under `documents.booking_op_id(whole, n)`; the
op_id of the act itself names the whole and is no operation of the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ledger import calls
from ledger.calls_goods import ISSUE_ACT, MOVE_ACT, RECEIVE_ACT
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.words import LINES_MAX

# Five parts fit three blocks, so that header time does not run ahead of the clock.
DOCUMENT_LINES_MAX = 1_000

ACTS: dict[type[calls.Call], int] = {calls.Receive: RECEIVE_ACT, calls.Move: MOVE_ACT, calls.Issue: ISSUE_ACT}
_METHODS = {number: cls.METHOD for cls, number in ACTS.items()}


@dataclass(frozen=True, slots=True)
class Stated:
    """One part as the chain has it. `booked`: the operation that booked it, or sealed it as an exception; None while
    it waits. `height`: of the newest of its operations."""

    whole: OpId
    number: int
    count: int
    call: str
    op_id: OpId
    booked: OpId | None
    exception: bool
    height: int


def chunks(lines: Sequence[int]) -> list[Sequence[int]]:
    """The lines of each part of a document with these lines."""
    return [lines[start : start + LINES_MAX] for start in range(0, len(lines), LINES_MAX)]


def standing(lines: Sequence[int], stands: Callable[[Sequence[int]], bool]) -> list[int]:
    """The lines that can be booked together, in their order: each that `stands` behind the ones kept before it. None
    when nothing stands. A line that does not costs a few questions more, not one for every line of the part."""
    kept: list[int] = []

    def keep(some: Sequence[int]) -> None:
        if stands([*kept, *some]):
            kept.extend(some)
        elif len(some) > 1:
            half = len(some) // 2
            keep(some[:half])
            keep(some[half:])

    if lines:
        keep(lines)
    return kept


def has_parts(call: calls.Call) -> bool:
    """Whether such a document may come in parts."""
    return type(call) in ACTS


def act_of(call: calls.Call) -> int:
    """The number by which parts name what they are for; `Rejected` for what comes in one piece only."""
    act = ACTS.get(type(call))
    if act is None:
        raise Rejected(f"this has more than {LINES_MAX} lines: make it several documents")
    return act


def method_of(act: int) -> str:
    """What the chain would call the document in one piece."""
    return _METHODS[act]


_PARTS = (
    "SELECT p.whole, p.number, p.count, p.act, p.op_id, p.booked, s.height, b.height FROM parts p"
    " JOIN operations s ON s.op_id = p.op_id LEFT JOIN operations b ON b.op_id = p.booked "
)


def of(connection: Connection, whole: OpId) -> list[Stated]:
    """The parts of the act `whole`, in order; none for any other operation."""
    rows = connection.execute(_PARTS + "WHERE p.whole = ? ORDER BY p.number", (whole.raw,)).fetchall()
    return [_stated(connection, row) for row in rows]


def one(connection: Connection, op_id: OpId) -> Stated | None:
    """The part that an operation states, books or seals as an exception; None when it is no part."""
    row = connection.execute(_PARTS + "WHERE p.op_id = ?1 OR p.booked = ?1", (op_id.raw,)).fetchone()
    return None if row is None else _stated(connection, row)


def refuse(found: Sequence[Stated], what: str) -> None:
    """Say that `what` belongs to the parts of a document, if it has any."""
    if found:
        names = ", ".join(str(part.booked or part.op_id) for part in found)
        raise Rejected(f"this document came in {len(found)} parts: {what} ({names})")


def _stated(connection: Connection, row: Sequence[Any]) -> Stated:
    whole, number, count, act, op_id, booked, stated_at, booked_at = row
    excepted = (
        None
        if booked is None
        else connection.execute("SELECT 1 FROM exceptions WHERE op_id = ?", (booked,)).fetchone()
    )
    return Stated(
        OpId(bytes(whole)),
        int(number),
        int(count),
        method_of(int(act)),
        OpId(bytes(op_id)),
        None if booked is None else OpId(bytes(booked)),
        excepted is not None,
        int(stated_at if booked_at is None else booked_at),
    )
