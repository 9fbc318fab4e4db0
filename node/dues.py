"""Which deliveries and orders are not done yet, in the order of their days: a list is cut from an index.

The table `dues` has a row for each that the hub announced, and for each delivery that something was done about here:
the day that it is due, and whether it is done. It follows from `streams`, `expected` and `order_issues`, and whoever
changes one of these says so here, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from ledger import announced
from ledger.announced import DELIVERIES, ORDERS, Delivery, Order
from ledger.codec import cbor_decode
from ledger.db import Connection
from ledger.errors import Invalid

_NO_DAY = announced.due_key("")
_OWN = f"INSERT OR REPLACE INTO dues SELECT '{DELIVERIES}', delivery, '{_NO_DAY}', state = 'closed' FROM expected"  # noqa: S608


def keep(connection: Connection, stream: str, number: str, due: str, *, done: bool) -> None:
    """Where one stands now; `due`: its day, or ""."""
    connection.execute(
        "INSERT OR REPLACE INTO dues VALUES (?, ?, ?, ?)", (stream, number, announced.due_key(due), done)
    )


def told(connection: Connection, said: Delivery | Order) -> None:
    """The hub announces one, or says something else about it. A delivery that was closed stays so."""
    if isinstance(said, Order):
        keep(connection, ORDERS, said.number, said.due, done=not left(connection, said))
        return
    row = connection.execute("SELECT state FROM expected WHERE delivery = ?", (said.number,)).fetchone()
    keep(connection, DELIVERIES, said.number, said.due, done=row == ("closed",))


def untold(connection: Connection, stream: str, number: str) -> None:
    """The hub announces one no more. A delivery that something was done about stays, without a day."""
    connection.execute("DELETE FROM dues WHERE stream = ? AND number = ?", (stream, number))
    if stream == DELIVERIES:
        connection.execute(f"{_OWN} WHERE delivery = ?", (number,))


def all_untold(connection: Connection, stream: str) -> None:
    """The hub begins the stream again."""
    connection.execute("DELETE FROM dues WHERE stream = ?", (stream,))
    if stream == DELIVERIES:
        connection.execute(_OWN)


def waiting(connection: Connection, stream: str, after: tuple[str, str] = ("", ""), only: str = "") -> Iterator[str]:
    """The numbers of those that are not done, those that are due first. `after`: (`due_key`, number) of the one after
    which to go on. `only`: the one of this number. Write nothing meanwhile."""
    for (number,) in connection.execute(
        "SELECT number FROM dues WHERE stream = ? AND done = 0 AND (day, number) > (?, ?) AND ? IN ('', number)"
        " ORDER BY day, number",
        (stream, *after, only),
    ):
        yield str(number)


def left(connection: Connection, order: Order) -> dict[str, int]:
    """What of an order has not left, base units by item."""
    rows = connection.execute("SELECT item, quantity FROM order_issues WHERE reference = ?", (order.number,))
    gone = {str(item): int(quantity) for item, quantity in rows}
    found = {item: quantity - gone.get(item, 0) for item, quantity in order.wanted.items()}
    return {item: quantity for item, quantity in found.items() if quantity > 0}


def read(connection: Connection) -> None:
    """What was announced before there was this table."""
    connection.execute(_OWN)
    for stream, number, value in connection.execute(
        "SELECT stream, key, value FROM streams WHERE stream IN (?, ?)", (DELIVERIES, ORDERS)
    ).fetchall():
        with suppress(Invalid):  # an older program took it, and the hub will say it as it is now
            told(connection, announced.READERS[stream](str(number), cbor_decode(bytes(value))))
