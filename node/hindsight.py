"""What is booked now and was done before a count that stands already.

A count is compared with the books of the moment when it was recorded. Goods that had gone by then, by a move that the
books hear of only now, are a difference of that count, and the move takes them off once more. Nobody can tell from
here which of the two is right: the place is counted again.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.db import Connection
from ledger.ids import OpId
from node import exceptions, openings
from node.counting import Counting
from node.desk import Person
from node.rounds import next_round, open_round


def doubt_counts(
    connection: Connection, counting: Counting, op_id: OpId, who: Person, places: Iterable[str], done_ms: int | None
) -> None:
    """Have each of these places counted again that was counted after `done_ms` (None: only now), where the act
    `op_id` has changed what the books have. A round that is still to be counted, or is open, is left to itself."""
    if done_ms is None:
        return
    doubted = [place for place in sorted(set(places)) if _counted_since(connection, place, done_ms)]
    for place in doubted:
        row = open_round(connection, place)
        if row is not None and row.bin_state == "review":
            next_round(connection, row, "unstable")
    exceptions.order_count(connection, counting, op_id, who, doubted)


def _counted_since(connection: Connection, place: str, done_ms: int) -> bool:
    """Whether the newest count of a place was finished after that moment. No count is finished after the block that
    holds it was sealed: mostly that is enough to know."""
    row = connection.execute(
        "SELECT c.op_id, b.sealed_at_ms FROM counts c LEFT JOIN blocks b ON b.height = c.height WHERE c.bin = ?"
        " ORDER BY c.height DESC LIMIT 1",
        (place,),
    ).fetchone()
    if row is None or (row[1] is not None and row[1] < done_ms):
        return False
    document = openings.document_of(connection, OpId(bytes(row[0])))
    return document is not None and document.occurred_ms >= done_ms
