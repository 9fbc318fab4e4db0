"""What is on its way between sites, item by item: to here, from here and back, apart from what stands in bins.

Goods that left are the sender's until the hub has settled their transfer; what was named missing is not on its way
any more and is told beside it. Of what comes, the newest word of the hub counts, less what was accepted here since.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice

from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.transfers import RETURNED, TransferName
from node import incoming, sent, streams
from node.desk import Answer

log = logging.getLogger(__name__)

ROWS_MAX = 50


def of_item(connection: Connection, site: str, sku: str, lot: str = "", serial: str = "") -> Answer:
    """Of an item, or of one lot or piece of it: {to_here, back_here, from_here, transfers}; the last are at most 50
    rows {transfer, site (the other one), comes, back, lot, serial, quantity, missing}, each line of a transfer one.
    `back`: it left from here, and the hub has ruled that it returns."""
    rows = [
        row
        for row in (*_coming(connection, site, sku), *_leaving(connection, site, sku))
        if lot in ("", row["lot"]) and serial in ("", row["serial"]) and (row["quantity"] or row["missing"])
    ]
    return {
        "to_here": sum(row["quantity"] for row in rows if row["comes"]),
        "back_here": sum(row["quantity"] for row in rows if row["back"]),
        "from_here": sum(row["quantity"] for row in rows if not row["comes"] and not row["back"]),
        "transfers": rows[:ROWS_MAX],
    }


def arrivals(connection: Connection, site: str, most: int) -> int:
    """How many transfers are on their way to here, at most `most`."""
    keys = connection.execute("SELECT DISTINCT transfer FROM under_way ORDER BY transfer").fetchall()
    reopened = incoming.reopened(connection)
    rows = (_to_here(connection, site, key, reopened) for (key,) in keys)
    return len(list(islice((each for each in rows if any(row["quantity"] for _, row in each)), most)))


def _coming(connection: Connection, site: str, sku: str) -> Iterator[Answer]:
    keys = connection.execute("SELECT transfer FROM under_way WHERE item = ? ORDER BY transfer", (sku,)).fetchall()
    reopened = incoming.reopened(connection)
    for (key,) in keys:
        yield from (row for item, row in _to_here(connection, site, key, reopened) if item == sku)


def _to_here(connection: Connection, site: str, key: str, reopened: set[TransferName]) -> list[tuple[str, Answer]]:
    """(item, row) for each line of a transfer to here; none of one to another site, or that nobody can read."""
    try:
        known = incoming.from_stream(key, streams.get(connection, sent.STREAM, key), site)
    except (Rejected, KeyError, IndexError, TypeError) as error:
        # What one sender made up must not hide what the others sent.
        log.warning("transfer left out", extra={"transfer": key, "reason": str(error)})
        return []
    # What comes back is on its way to its sender.
    if known is None or known.receiver != site or known.ruling == RETURNED:
        return []
    name, told, came = known.name, sent.outcome(connection, known.name).lines, incoming.came(connection, known.name)
    told = {} if name in reopened else told
    rows = []
    for line in known.lines:
        accepted, missing, _ = told.get(line.index, (0, 0, 0))
        left = line.quantity - max(accepted + missing, came.get(line.index, 0))
        row = _row(name.transfer, name.sender, line.lot, line.serial, left, missing, comes=True)
        rows.append((line.item, row))
    return rows


def _leaving(connection: Connection, site: str, sku: str) -> Iterator[Answer]:
    lines = (
        "SELECT l.transfer, t.receiver, l.line, l.lot, l.serial, l.quantity, l.settled FROM transfer_lines l"
        " JOIN transfers t ON t.transfer = l.transfer WHERE l.item = ? AND l.quantity "
    )
    rows = connection.execute(f"{lines} > l.settled ORDER BY l.transfer, l.line", (sku,)).fetchall()
    told: dict[bytes, tuple[sent.Outcome, dict[int, int]]] = {}
    # What the books have as taken over is on its way again where that was reversed.
    for (key,) in connection.execute("SELECT transfer FROM under_way WHERE item = ? ORDER BY transfer", (sku,)):
        if not key.startswith(f"{site}/"):
            continue
        meant = TransferName.parse(key)
        if sent.outcome(connection, meant).reversed:
            own = f"{lines} <= l.settled AND l.transfer = ? ORDER BY l.line"
            rows += connection.execute(own, (sku, meant.transfer.raw)).fetchall()
    for transfer, receiver, line, lot, serial, quantity, settled in rows:
        name = OpId(bytes(transfer))
        if name.raw not in told:
            meant = TransferName(site, name)
            told[name.raw] = sent.outcome(connection, meant), incoming.came(connection, meant)
        outcome, came = told[name.raw]
        accepted, missing, returned = outcome.lines.get(line, (0, 0, 0))
        here = came.get(line, 0)
        taken = accepted if outcome.reversed else max(settled, accepted)
        rest = max(0, quantity - taken - here)
        missing = min(missing, rest)
        back = min(missing, max(0, returned - here))
        place = outcome.receiver or receiver
        all_back = outcome.state == sent.COMING_BACK
        yield _row(name, place, lot, serial, rest - missing, missing - back, back=all_back)
        if back:
            yield _row(name, place, lot, serial, back, 0, back=True)


def _row(
    transfer: OpId, site: str, lot: str, serial: str, quantity: int, missing: int, *, comes: bool = False,
    back: bool = False,
) -> Answer:  # fmt: skip
    return {
        "transfer": str(transfer),
        "site": site,
        "comes": comes,
        "back": back,
        "lot": lot,
        "serial": serial,
        "quantity": max(0, quantity),
        "missing": missing,
    }
