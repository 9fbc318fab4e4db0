"""What is booked now and was done before a count that stands already.

A count is compared with the books of the moment when it was recorded. Goods that had gone by then, by a move that the
books hear of only now, are a difference of that count, and the move takes them off once more. Nobody can tell from
here which of the two is right: the place is counted again.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.db import Connection
from ledger.ids import OpId
from node import exceptions
from node.counting_sessions import Sessions
from node.desk import Person
from node.rounds import half_posted, next_round, open_round


def doubt_counts(
    connection: Connection, counting: Sessions, op_id: OpId, who: Person, places: Iterable[str], done_ms: int | None
) -> None:
    """Have each of these places counted again that was counted after `done_ms` (None: only now), where the act
    `op_id` has changed what the books have. A round that is still to be counted, or is open, is left to itself."""
    if done_ms is None:
        return
    doubted = [place for place in sorted(set(places)) if counted_since(connection, place, done_ms)]
    doubt_reviews(connection, doubted)
    exceptions.order_count(connection, counting, op_id, who, doubted)


def doubt_reviews(connection: Connection, places: Iterable[str]) -> None:
    """Have those of these places counted again whose count is to be decided on: what changed in their books may be
    what it found. One whose goods are half posted as relocated stays: who decides sees what moved."""
    for place in sorted(set(places)):
        row = open_round(connection, place)
        if row is not None and row.bin_state == "review" and not half_posted(connection, row.session, place):
            next_round(connection, row, "unstable")


def counted_since(connection: Connection, place: str, done_ms: int) -> bool:
    """Whether a count of a place was finished at that moment or later."""
    row = connection.execute(
        "SELECT 1 FROM counts c JOIN operations o ON o.op_id = c.op_id JOIN happened h ON h.height = o.height"
        " AND h.place = o.place WHERE c.session NOT IN"
        " (SELECT session FROM count_sessions WHERE test) AND c.bin = ? AND h.at_ms >= ? LIMIT 1",
        (place, done_ms),
    ).fetchone()
    return row is not None
