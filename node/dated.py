"""What changed on which day: each booked operation with the business date that its document names.

Two of the derived tables, `dated` and `day_changes`. A light module: a database of before is read through it as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.db import Connection
from ledger.documents import Document
from ledger.errors import Invalid
from ledger.events import Moved
from ledger.ids import IN_TRANSIT, VIRTUAL
from node import parts

# Of what is nowhere, only what is on its way still belongs to the site.
_NOWHERE = tuple(place for place in VIRTUAL if place != IN_TRANSIT)


def keep(
    connection: Connection,
    height: int,
    place: int,
    method: str,
    document: Document | None,
    moved: Iterable[Moved],
) -> None:
    """Write what an operation (a `method`) changed, on the day that its document names. One without a document (the
    node carries out what the hub says of a transfer) belongs to the day of what was booked before. The caller owns
    the transaction."""
    day = _newest(connection) if document is None else document.business_date
    connection.execute("INSERT INTO dated VALUES (?, ?, ?, ?)", (height, place, day, method))
    for line in moved:
        for location, quantity in ((line.source, -line.quantity), (line.target, line.quantity)):
            if location not in _NOWHERE:
                _change(connection, (line.item, location, line.lot, line.status, day), quantity)


def _change(connection: Connection, key: tuple[str, str, str, int, str], quantity: int) -> None:
    (left,) = connection.execute(
        "INSERT INTO day_changes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (item, location, lot, status, day)"
        " DO UPDATE SET quantity = quantity + excluded.quantity RETURNING quantity",
        (*key, quantity),
    ).fetchone()
    if left == 0:
        connection.execute(
            "DELETE FROM day_changes WHERE item = ? AND location = ? AND lot = ? AND status = ? AND day = ?", key
        )


def _newest(connection: Connection) -> str:
    row = connection.execute("SELECT day FROM dated ORDER BY height DESC, place DESC LIMIT 1").fetchone()
    return "" if row is None else str(row[0])


def read(connection: Connection, documents: Iterable[tuple[int, int, bytes]]) -> None:
    """Fill both tables from what was booked before they were there: `documents` as (height, place, bytes)."""
    days = {}
    for height, place, raw in documents:
        try:
            days[height, place] = Document.decode(raw).business_date
        except Invalid:  # it names no day then, as in `keep`
            continue
    day, rows = "", []
    for height, place, call, act in connection.execute(
        "SELECT o.height, o.place, o.call, p.act FROM operations o LEFT JOIN parts p ON p.booked = o.op_id"
        " WHERE EXISTS (SELECT 1 FROM movements m WHERE m.height = o.height AND m.place = o.place)"
        " ORDER BY o.height, o.place"
    ):
        day = days.get((height, place), day)
        rows.append((height, place, day, call if act is None else parts.method_of(act)))
    connection.executemany("INSERT INTO dated VALUES (?, ?, ?, ?)", rows)
    connection.execute(
        "INSERT INTO day_changes SELECT item, location, lot, status, day, SUM(quantity) FROM ("  # noqa: S608
        " SELECT height, place, item, source AS location, lot, status, -quantity AS quantity FROM movements"
        " UNION ALL SELECT height, place, item, target, lot, status, quantity FROM movements"
        f" ) JOIN dated USING (height, place) WHERE location NOT IN ({', '.join('?' * len(_NOWHERE))})"
        " GROUP BY item, location, lot, status, day HAVING SUM(quantity)",
        _NOWHERE,
    )
