"""How much one person may do of an item in a day: adjustments, blind receipts, issues without an order.

Entry `stock` of the policy stream: {act: {"quantity_max": base units, "value_max": minor units of currency}} for the
acts below. An act that is not named has no limit. (product.md, Who may do what)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ledger import calls
from ledger.db import Connection
from ledger.errors import Rejected, Unavailable
from ledger.ids import OpId
from ledger.moves import QUANTITY_MAX
from node import catalogue, streams
from node.desk import Person

STREAM, KEY = "policy", "stock"
ADJUST, BLIND_RECEIPT, LOOSE_ISSUE = "adjust", "blind-receipt", "issue-without-order"
WORDS = {
    ADJUST: "adjust",
    BLIND_RECEIPT: "receive without a delivery note",
    LOOSE_ISSUE: "issue without an order",
}
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Limit:
    quantity_max: int | None = None
    value_max: int | None = None


def limit_of(connection: Connection, act: str) -> Limit:
    """The limit in force; `Unavailable` when the hub sent a policy that this program cannot read."""
    said = streams.get(connection, STREAM, KEY)
    if said is None:
        return Limit()
    try:
        unknown = set(said) - set(WORDS)
        if unknown:
            raise ValueError(f"it says {sorted(unknown)[0]!r}")
        limit = Limit(**said.get(act, {}))
        for value in (limit.quantity_max, limit.value_max):
            if value is not None and (type(value) is not int or not 0 <= value <= QUANTITY_MAX):
                raise ValueError(f"{value!r} is not a whole number from 0")
    except (TypeError, ValueError, AttributeError) as error:
        raise Unavailable(f"the hub's policy for stock cannot be read: {error}") from error
    return limit


def refuse_beyond(
    connection: Connection, who: Person, act: str, op_id: OpId, lines: Iterable[Any], now_ms: int
) -> None:
    """Refuse a document that, with what this person did of its items today, is more than they may. Gross: a plus
    does not pay for a minus. The caller keeps what it lets pass with `keep`."""
    limit = limit_of(connection, act)
    if limit == Limit():
        return
    sizes: Counter[str] = Counter()
    for line in lines:
        sizes[line.item] += line.quantity
    costs = catalogue.costs(connection, sizes)
    for item, size in sizes.items():
        (before,) = connection.execute(
            "SELECT COALESCE(SUM(quantity), 0) FROM day_sizes WHERE actor = ? AND act = ? AND item = ? AND day = ?"
            " AND op_id <> ?",
            (who.actor.raw, act, item, now_ms // DAY_MS, op_id.raw),
        ).fetchone()
        total = int(before) + size
        if limit.quantity_max is not None and total > limit.quantity_max:
            most = f"you may {WORDS[act]} {limit.quantity_max}"
            raise Rejected(f"that would be {total} of {item} today and {most}: ask another person")
        if limit.value_max is not None and (item not in costs or costs[item].of(total) > limit.value_max):
            raise Rejected(f"that is more value of {item} in a day than you may {WORDS[act]}: ask another person")


def keep(connection: Connection, who: Person, act: str, op_id: OpId, lines: Iterable[Any], now_ms: int) -> None:
    """Remember what somebody did of an item today."""
    connection.executemany(
        "INSERT INTO day_sizes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (op_id, act, item)"
        " DO UPDATE SET quantity = quantity + excluded.quantity",
        [(op_id.raw, act, line.item, who.actor.raw, now_ms // DAY_MS, line.quantity) for line in lines],
    )


def of_call(call: calls.Call, references: dict[str, str]) -> str:
    """Which limit a document falls under; '' for none."""
    if isinstance(call, calls.Adjust):
        return ADJUST
    if isinstance(call, calls.Receive) and not {"delivery-note", "delivery", "return-of"} & set(references):
        return BLIND_RECEIPT
    return LOOSE_ISSUE if isinstance(call, calls.Issue) and "order" not in references else ""
