"""Orders that the hub announced, until somebody picks them. What is done about one is its list (`node/picking`)."""

from __future__ import annotations

from ledger import announced
from ledger.announced import ORDERS, Order
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.people import APPROVE, ISSUE
from node import catalogue, streams
from node.desk import Answer, Person

LISTED_MAX = 200


def waiting(
    connection: Connection, who: Person, after: tuple[str, str] = ("", ""), most: int = LISTED_MAX
) -> list[Answer]:
    """Orders without a pick list, those that are due first: [{order, due, lines [{item, quantity, unit,
    decimals}]}]. One whose list was cancelled waits again. `after`: (`due_key`, number) of the one after which to go
    on."""
    who.need(ISSUE | APPROVE, "see what is ordered")
    taken = {
        str(name) for (name,) in connection.execute("SELECT reference FROM pick_lists WHERE state <> 'cancelled'")
    }
    found = [announced.order(name, said) for name, said in streams.every(connection, ORDERS) if name not in taken]
    keys = {order.number: (announced.due_key(order.due), order.number) for order in found}
    found.sort(key=lambda order: keys[order.number])
    return [
        {
            "order": order.number,
            "due": order.due,
            "lines": [
                {"item": item, "quantity": quantity, **catalogue.measure(connection, item)}
                for item, quantity in sorted(order.wanted.items())
            ],
        }
        for order in [order for order in found if keys[order.number] > after][:most]
    ]


def find(connection: Connection, name: str) -> Order:
    """The order of this number; `Rejected` when the hub announced none."""
    said = streams.get(connection, ORDERS, name)
    if said is None:
        raise Rejected(f"no order {name} was announced here: name its lines, or let the site sync with the hub")
    return announced.order(name, said)


def refuse_taken(connection: Connection, name: str) -> None:
    """Refuse a second list for an order that has one."""
    row = connection.execute(
        "SELECT state FROM pick_lists WHERE reference = ? AND state <> 'cancelled' ORDER BY state", (name,)
    ).fetchone()
    if row is not None:
        raise Rejected(f"order {name} " + ("was picked already" if row[0] == "issued" else "has a pick list already"))
