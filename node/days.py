"""What lay here at the end of a day, and what was booked around it: for who closes the books on that day.

An operation belongs to the business date that its document names, whenever it was recorded (`node/dated` keeps it).
What is recorded later for an earlier day therefore changes what that day ended with, and `late` lists it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Any

from ledger import calls
from ledger.db import Connection
from ledger.ids import IN_TRANSIT
from ledger.moves import STATUSES
from node import catalogue, listings
from node.desk import Answer
from node.listings import Found, Key

# What brings goods into the site or takes them out of it: of these an auditor wants to see each in its own year.
CROSSING = (
    calls.Receive.METHOD,
    calls.Issue.METHOD,
    calls.Dispatch.METHOD,
    calls.AcceptTransfer.METHOD,
    calls.Reverse.METHOD,
)
_LAST = "\U0010ffff"
AROUND = 10  # operations of a kind to either side of the end of a day
PAPERS_MAX = 3
_VISIBLE = "day <= ?2 AND location NOT IN (SELECT value FROM json_each(?3))"
# Of those that are found first, what else a list says of each.
_OPERATIONS = (
    "SELECT o.op_id, d.height, d.place, d.call, o.actor, d.day FROM ({}) d"
    " CROSS JOIN operations o ON o.height = d.height AND o.place = d.place"
)


def totals(
    connection: Connection, day: date, hidden: Iterable[str], after: Key | None, most: int, beginning: str = ""
) -> Found:
    """Items of which something was here at the end of a day, by key (item): {item, name, unit, decimals, quantity (on
    the floor), held (of that), in_transit}. `hidden`: the bins whose stock the asker must not learn. What is on its
    way is None then: it says what can have been left."""
    (last,) = after or ("",)
    bins = list(hidden)
    rows = connection.execute(
        "SELECT item, SUM(CASE WHEN location <> ?1 THEN quantity ELSE 0 END) AS here,"  # noqa: S608 - our own words
        " SUM(CASE WHEN location <> ?1 AND status > 0 THEN quantity ELSE 0 END) AS held,"
        f" SUM(CASE WHEN location = ?1 THEN quantity ELSE 0 END) AS sent FROM day_changes WHERE {_VISIBLE}"
        # Not by both bounds: the search would begin at the lower one.
        " AND item >= ?4 AND +item > ?5 AND item < ?6 GROUP BY item HAVING here OR held OR sent LIMIT ?7",
        (
            IN_TRANSIT, day.isoformat(), json.dumps([*bins, *([IN_TRANSIT] if bins else [])]),
            max(last, beginning), last, beginning + _LAST, most + 1,
        ),
    ).fetchall()  # fmt: skip
    names = catalogue.items(connection, [str(row[0]) for row in rows])
    return [
        ((sku,), {**_named(names, sku), "quantity": here, "held": held, "in_transit": None if bins else sent})
        for sku, here, held, sent in rows
    ]


def lines(connection: Connection, day: date, hidden: Iterable[str]) -> Iterator[Answer]:
    """The same in full, place by place and lot by lot, what is on its way at the place IN_TRANSIT: {item, name,
    location, lot, status, quantity, unit, decimals}."""
    bins = list(hidden)
    rows = connection.execute(
        f"SELECT item, location, lot, status, SUM(quantity) AS here FROM day_changes WHERE ?1 AND {_VISIBLE}"  # noqa: S608
        " GROUP BY item, location, lot, status HAVING here",
        (1, day.isoformat(), json.dumps([*bins, *([IN_TRANSIT] if bins else [])])),
    ).fetchall()
    names = catalogue.items(connection, {str(row[0]) for row in rows})
    for sku, location, lot, status, here in rows:
        known = _named(names, sku)
        yield {**known, "location": location, "lot": lot, "status": STATUSES[status], "quantity": here}


def _named(names: dict[str, catalogue.Item], sku: str) -> Answer:
    item = names[sku]  # what was ever booked, the chain knows
    return {"item": sku, "name": item.name, "unit": item.unit, "decimals": item.decimals}


def around(connection: Connection, day: date) -> list[Answer]:
    """Of each kind that crosses the edge of the site the last ten operations up to the end of a day and the first ten
    behind it, in their order: [{call, before, behind}], each operation as `listings.operations` has it, with its
    `day` and `papers`, the numbers that it names."""
    sides = [_side(connection, call, day, *side) for call in CROSSING for side in (("<=", "DESC"), (">", "ASC"))]
    shown = iter(_shown(connection, [row for side in sides for row in side]))
    parted = [list(islice(shown, len(side))) for side in sides]
    return [
        {"call": call, "before": before[::-1], "behind": behind}
        for call, before, behind in zip(CROSSING, parted[::2], parted[1::2], strict=True)
    ]


def _side(connection: Connection, call: str, day: date, than: str, order: str) -> Sequence[Any]:
    nearest = (
        f"SELECT * FROM dated WHERE call = ? AND day {than} ?"  # noqa: S608 - our own words
        f" ORDER BY day {order}, height {order}, place {order} LIMIT ?"
    )
    in_order = f" ORDER BY d.day {order}, d.height {order}, d.place {order}"
    return connection.execute(_OPERATIONS.format(nearest) + in_order, (call, day.isoformat(), AROUND)).fetchall()


def late(connection: Connection, day: date, end_ms: int, after: Key | None, most: int) -> Found:
    """What belongs to a day or to an earlier one and was booked when that day was over, in the order of the chain, by
    key (height, place). Over: its last moment `end_ms` (UTC milliseconds) had passed when the block was sealed, and
    something of a later day was booked before. So neither a block that was open at midnight nor one document with a
    mad date makes everything late."""
    beyond = connection.execute(
        "SELECT height, place FROM dated NOT INDEXED WHERE day > ? ORDER BY height, place LIMIT 1", (day.isoformat(),)
    ).fetchone()
    if beyond is None:
        return []
    (sealed,) = connection.execute(
        "SELECT coalesce((SELECT MIN(height) FROM blocks WHERE sealed_at_ms >= ?1),"
        " (SELECT MAX(height) + 1 FROM blocks))",
        (end_ms,),
    ).fetchone()
    first = max(tuple(after or beyond), (sealed, -1))
    # In the order of the table: few are late, and an index on days would have them all sorted.
    found = (
        "SELECT * FROM dated NOT INDEXED WHERE (height, place) > (?, ?) AND day <= ? ORDER BY height, place LIMIT ?"
    )
    in_order = " ORDER BY d.height, d.place"
    rows = connection.execute(_OPERATIONS.format(found) + in_order, (*first, day.isoformat(), most + 1)).fetchall()
    return [((row["height"], row["place"]), row) for row in _shown(connection, rows)]


def _shown(connection: Connection, rows: Sequence[Any]) -> list[Answer]:
    found = listings.operation_rows(connection, [row[:5] for row in rows])
    # Numbers on papers that they name (`node/numbers`).
    named = "SELECT height, place, number, number FROM referred"
    papers = listings.of_documents(connection, named, [key for key, _ in found])
    return [
        {**each, "day": row[5], "papers": papers.get(key, [])[:PAPERS_MAX]}
        for (key, each), row in zip(found, rows, strict=True)
    ]
