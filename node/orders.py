"""Orders that the hub announced, until all of each has left. What is done about one is its lists (`node/picking`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from ledger import announced
from ledger.announced import ORDERS, Order
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import CUSTOMER
from ledger.moves import Line
from ledger.people import APPROVE, ISSUE
from node import catalogue, dues, streams
from node.desk import Answer, Person
from node.numbers import folded

LISTED_MAX = 200


def waiting(
    connection: Connection, who: Person, after: tuple[str, str] = ("", ""), most: int = LISTED_MAX
) -> list[Answer]:
    """Orders without an open pick list, as far as they have not left, those that are due first: [{order, due, lines
    [{item, quantity, unit, decimals}]}]. One whose list was cancelled waits again. `after`: (`due_key`, number) of
    the one after which to go on."""
    who.may_see(ISSUE | APPROVE, "see what is ordered")
    taken = {str(name) for (name,) in connection.execute("SELECT reference FROM pick_lists WHERE state = 'open'")}
    names = islice((name for name in dues.waiting(connection, ORDERS, after) if name not in taken), most)
    return [
        {
            "order": order.number,
            "due": order.due,
            "lines": [
                {"item": item, "quantity": quantity, **catalogue.measure(connection, item)}
                for item, quantity in sorted(dues.left(connection, order).items())
            ],
        }
        for order in (find(connection, name) for name in names)
    ]


def find(connection: Connection, name: str) -> Order:
    """The order of this number; `Rejected` when the hub announced none."""
    said = streams.get(connection, ORDERS, name)
    if said is None:
        raise Rejected(f"no order {name} was announced here: name its lines, or let the site sync with the hub")
    return announced.order(name, said)


def is_known(connection: Connection, name: str) -> bool:
    """Whether the hub announced an order of this number."""
    return streams.get(connection, ORDERS, name) is not None


def left(connection: Connection, name: str) -> dict[str, int]:
    """What of an order has not left, base units by item; nothing of one that nobody announced."""
    return dues.left(connection, find(connection, name)) if is_known(connection, name) else {}


def out(connection: Connection, name: str) -> dict[str, int]:
    """What has left for an order and not come back, base units by item."""
    rows = connection.execute(
        "SELECT item, quantity FROM order_issues WHERE reference = ?1 UNION ALL SELECT m.item, -m.quantity"
        " FROM referred r JOIN movements m ON m.height = r.height AND m.place = r.place AND m.source = ?3"
        " JOIN operations o ON o.height = r.height AND o.place = r.place"
        " WHERE r.number = ?2 AND o.op_id NOT IN (SELECT of FROM reversals)",
        (name, folded(name), CUSTOMER),
    ).fetchall()
    found: Counter[str] = Counter()
    for item, quantity in rows:
        found[str(item)] += int(quantity)
    return found


def to_pick(connection: Connection, name: str) -> dict[str, int]:
    """What of an announced order a new list is to pick, base units by item; `Rejected` while it has an open one, and
    when all of it has left."""
    left = dues.left(connection, find(connection, name))
    row = connection.execute("SELECT 1 FROM pick_lists WHERE reference = ? AND state = 'open'", (name,)).fetchone()
    if row is not None:
        raise Rejected(f"order {name} has a pick list already")
    if not left:
        raise Rejected(f"order {name} was picked already")
    return left


def issued(connection: Connection, name: str, lines: Iterable[Line]) -> None:
    """What of these lines leaves for a customer has left for this order."""
    _add(connection, name, 1, lines)


def take_back(connection: Connection, name: str, lines: Iterable[Line]) -> None:
    """What had left by these lines came back: it is still to be delivered."""
    _add(connection, name, -1, lines)


def _add(connection: Connection, name: str, sign: int, lines: Iterable[Line]) -> None:
    connection.executemany(
        "INSERT INTO order_issues VALUES (?, ?, ?) ON CONFLICT (reference, item)"
        " DO UPDATE SET quantity = quantity + excluded.quantity",
        [(name, line.item, sign * line.quantity) for line in lines if line.target == CUSTOMER],
    )
    if is_known(connection, name):
        dues.told(connection, find(connection, name))
