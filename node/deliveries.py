"""Expected deliveries: what a supplier announced, and what of it came. A partial receipt keeps the delivery open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ledger.db import Connection
from ledger.documents import reason_code, reference
from ledger.errors import ReasonNeeded, Rejected
from ledger.ids import OpId
from ledger.people import APPROVE, RECEIVE
from ledger.words import LINES_MAX
from node import catalogue
from node.desk import Answer, Desk, Person
from node.values import Fields, amount

LISTED_MAX = 200


class Deliveries:
    """The verbs. Each answers {op_id, delivery}."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._site = desk.site

    def expect(self, op_id: OpId, who: Person, body: object) -> Answer:
        """A delivery is announced: `delivery` (its number), `supplier`, `lines` [{item or barcode, quantity}],
        `over_percent` (how much more of a line is taken without a reason, 0 to 100)."""
        who.need(RECEIVE | APPROVE, "announce a delivery")
        fields = Fields(body, "delivery")
        name, supplier = reference(fields.take("delivery")), fields.text("supplier")
        entries, percent = fields.objects("lines", LINES_MAX), fields.take("over_percent")
        percent = 0 if percent is None else amount(percent, "over_percent")
        fields.done()
        if percent > 100:
            raise Rejected(f"over_percent is {percent}: expected 0 to 100")
        wanted: dict[str, int] = {}
        with self._site.reading() as connection:
            for number, entry in enumerate(entries):
                line = Fields(entry, f"line {number}")
                item, pack = catalogue.item_named(connection, line)
                wanted[item.sku] = wanted.get(item.sku, 0) + line.quantity("quantity", least=1) * pack
                line.done()
        if not wanted:
            raise Rejected("the delivery has no lines")

        def work(connection: Connection) -> Answer:
            if connection.execute("SELECT 1 FROM expected WHERE delivery = ?", (name,)).fetchone() is not None:
                raise Rejected(f"delivery {name} was announced before")
            connection.execute(
                "INSERT INTO expected VALUES (?, ?, ?, 'open', '', ?)", (name, supplier, percent, self._desk.now_ms())
            )
            connection.executemany(
                "INSERT INTO expected_lines VALUES (?, ?, ?, 0)", [(name, sku, size) for sku, size in wanted.items()]
            )
            return {"delivery": name}

        lines = sorted(map(list, wanted.items()))
        content = {"delivery": name, "supplier": supplier, "lines": lines, "over": percent}
        return self._desk.once(op_id, who.actor, "expect", content, work)

    def close(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Nothing more comes of a delivery: `delivery`, `reason` when something is short."""
        who.need(RECEIVE | APPROVE, "close a delivery")
        fields = Fields(body, "close a delivery")
        name, reason = reference(fields.take("delivery")), fields.take("reason")
        reason = "" if reason is None else reason_code(reason)
        fields.done()

        def work(connection: Connection) -> Answer:
            need_open(connection, name)
            short = _short(_lines(connection, name))
            if short and not reason:
                raise ReasonNeeded(f"{sum(short.values())} are short: give a reason")
            connection.execute("UPDATE expected SET state = 'closed', reason = ? WHERE delivery = ?", (reason, name))
            return {"delivery": name, "short": short}

        return self._desk.once(op_id, who.actor, "close_delivery", {"delivery": name, "reason": reason}, work)

    def waiting(self, connection: Connection, who: Person) -> list[Answer]:
        """Open deliveries, oldest first: [{delivery, supplier, lines [{item, wanted, came}]}]."""
        who.need(RECEIVE | APPROVE, "see what is expected")
        rows = connection.execute(
            "SELECT delivery, supplier FROM expected WHERE state = 'open' ORDER BY at_ms, delivery LIMIT ?",
            (LISTED_MAX,),
        ).fetchall()
        return [
            {
                "delivery": name,
                "supplier": supplier,
                "lines": [
                    {"item": item, "wanted": wanted, "came": came}
                    for item, (wanted, came) in _lines(connection, name).items()
                ],
            }
            for name, supplier in rows
        ]


def need_open(connection: Connection, name: str) -> tuple[str, int]:
    """Supplier and tolerance of an open delivery; `Rejected` for any other."""
    row = connection.execute(
        "SELECT supplier, over_percent, state FROM expected WHERE delivery = ?", (name,)
    ).fetchone()
    if row is None:
        raise Rejected(f"delivery {name} is not expected here: receive it without, or announce it")
    if row[2] != "open":
        raise Rejected(f"delivery {name} was closed already")
    return str(row[0]), int(row[1])


def take_in(connection: Connection, name: str, lines: Iterable[Any], reasons: dict[int, Any], every: Any) -> Answer:
    """Goods of a delivery arrive: what is beyond the tolerance, or was never announced, needs a reason; when all is
    there the delivery closes. Answers {open}, what is still to come."""
    _, percent = need_open(connection, name)
    known = _lines(connection, name)
    for number, line in enumerate(lines):
        wanted, came = known.get(line.item, (0, 0))
        if came + line.quantity > wanted + wanted * percent // 100 and not (every or number in reasons):
            raise ReasonNeeded(
                f"line {number}: {came + line.quantity} of {line.item} instead of {wanted}: give a reason"
            )
        known[line.item] = (wanted, came + line.quantity)
        connection.execute(
            "INSERT INTO expected_lines VALUES (?, ?, 0, ?) ON CONFLICT (delivery, item)"
            " DO UPDATE SET came = came + excluded.came",
            (name, line.item, line.quantity),
        )
    left = _short(known)
    if not left:
        connection.execute("UPDATE expected SET state = 'closed' WHERE delivery = ?", (name,))
    return {"open": left}


def _short(lines: dict[str, tuple[int, int]]) -> dict[str, int]:
    return {item: wanted - came for item, (wanted, came) in lines.items() if came < wanted}


def _lines(connection: Connection, name: str) -> dict[str, tuple[int, int]]:
    rows = connection.execute(
        "SELECT item, quantity, came FROM expected_lines WHERE delivery = ? ORDER BY item", (name,)
    )
    return {str(item): (int(wanted), int(came)) for item, wanted, came in rows}
