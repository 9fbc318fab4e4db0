"""How much one person may do, in a document and of an item in a day: adjustments, blind receipts, issues without an
order.

The limits are the hub's (`ledger/policy`, entry `stock`). An act that it does not name has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from ledger import calls, policy
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.moves import Line
from ledger.policy import ADJUST, BLIND_RECEIPT, LOOSE_ISSUE, DayLimit
from node import catalogue, deliveries, orders
from node.desk import Person
from node.policies import stock_policy

WORDS = {
    ADJUST: "adjust",
    BLIND_RECEIPT: "receive without an expected delivery",
    LOOSE_ISSUE: "issue without an order",
}
FIRST_DAY = date(1970, 1, 1)


def limit_of(connection: Connection, act: str) -> DayLimit:
    """The limit in force; `Unavailable` when the hub sent a policy that this program cannot read."""
    return stock_policy(connection).get(act, DayLimit())


def refuse_beyond(
    connection: Connection, who: Person, act: str, op_id: OpId, lines: Iterable[Any], today: date
) -> None:
    """Refuse a document that by itself, or with what this person did of its items today, is more than they may. All
    of it counts: a plus does not pay for a minus. The caller keeps what it lets pass with `keep`."""
    limit = limit_of(connection, act)
    if limit == DayLimit():
        return
    sizes: Counter[str] = Counter()
    for line in lines:
        sizes[line.item] += line.quantity
    costs = catalogue.costs(connection, sizes)
    whole = sum(sizes.values())
    if limit.document_quantity_max is not None and whole > limit.document_quantity_max:
        most = f"you may {WORDS[act]} {limit.document_quantity_max}"
        raise Rejected(f"that would be {whole} in one document and {most}: ask another person")
    if limit.document_value_max is not None and policy.gross_value(sizes.items(), costs) > limit.document_value_max:
        raise Rejected(f"that is more value in one document than you may {WORDS[act]}: ask another person")
    for item, size in sizes.items():
        (before,) = connection.execute(
            "SELECT COALESCE(SUM(quantity), 0) FROM day_sizes WHERE actor = ? AND act = ? AND item = ? AND day = ?"
            " AND op_id <> ?",
            (who.actor.raw, act, item, _number(today), op_id.raw),
        ).fetchone()
        total = int(before) + size
        if limit.quantity_max is not None and total > limit.quantity_max:
            most = f"you may {WORDS[act]} {limit.quantity_max}"
            raise Rejected(f"that would be {total} of {item} today and {most}: ask another person")
        if limit.value_max is not None and (item not in costs or costs[item].of(total) > limit.value_max):
            raise Rejected(f"that is more value of {item} in a day than you may {WORDS[act]}: ask another person")


def keep(connection: Connection, who: Person, act: str, op_id: OpId, lines: Iterable[Any], today: date) -> None:
    """Remember what somebody did of an item today."""
    connection.executemany(
        "INSERT INTO day_sizes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (op_id, act, item)"
        " DO UPDATE SET quantity = quantity + excluded.quantity",
        [(op_id.raw, act, line.item, who.actor.raw, _number(today), line.quantity) for line in lines],
    )


def _number(day: date) -> int:
    return (day - FIRST_DAY).days


def forget(connection: Connection, op_id: OpId) -> None:
    """What a document was to do is not done."""
    connection.execute("DELETE FROM day_sizes WHERE op_id = ?", (op_id.raw,))


def of_call(
    connection: Connection, who: Person, call: calls.Call, references: Mapping[str, str], lines: Iterable[Line]
) -> tuple[str, Sequence[Line]]:
    """Which limit a document falls under, '' for none, and with what of its lines: those that no delivery or order
    stands for. The number of one that nobody announced is anything that somebody typed."""
    delivery, order = references.get("delivery", ""), references.get("order", "")
    match call:
        case calls.Adjust():
            return ADJUST, tuple(lines)
        case calls.Receive() if "return-of" in references:
            return BLIND_RECEIPT, _beyond(lines, orders.out(connection, references["return-of"]))
        case calls.Receive():
            return BLIND_RECEIPT, _beyond(lines, deliveries.room(connection, who, delivery))
        case calls.Issue():
            return LOOSE_ISSUE, _beyond(lines, orders.left(connection, order))
    return "", ()


def _beyond(lines: Iterable[Line], wanted: Mapping[str, int]) -> list[Line]:
    """What of these lines is more than is wanted, base units by item."""
    left, found = dict(wanted), []
    for line in lines:
        due = min(max(left.get(line.item, 0), 0), line.quantity)
        if due < line.quantity:
            found.append(replace(line, quantity=line.quantity - due))
        left[line.item] = left.get(line.item, 0) - due
    return found
