"""What is on its way between sites, item by item: to here and from here, apart from what stands in bins.

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
    """Of an item, or of one lot or piece of it: {to_here, from_here, transfers}; the last are at most 50 rows
    {transfer, site (the other one), comes, lot, serial, quantity, missing}, each line of a transfer one."""
    rows = [
        row
        for row in (*_coming(connection, site, sku), *_leaving(connection, site, sku))
        if lot in ("", row["lot"]) and serial in ("", row["serial"]) and (row["quantity"] or row["missing"])
    ]
    return {
        "to_here": sum(row["quantity"] for row in rows if row["comes"]),
        "from_here": sum(row["quantity"] for row in rows if not row["comes"]),
        "transfers": rows[:ROWS_MAX],
    }


def arrivals(connection: Connection, site: str, most: int) -> int:
    """How many transfers are on their way to here, at most `most`."""
    keys = connection.execute("SELECT DISTINCT transfer FROM under_way ORDER BY transfer").fetchall()
    rows = (_to_here(connection, site, key) for (key,) in keys)
    return len(list(islice((each for each in rows if any(row["quantity"] for _, row in each)), most)))


def _coming(connection: Connection, site: str, sku: str) -> Iterator[Answer]:
    keys = connection.execute("SELECT transfer FROM under_way WHERE item = ? ORDER BY transfer", (sku,)).fetchall()
    for (key,) in keys:
        yield from (row for item, row in _to_here(connection, site, key) if item == sku)


def _to_here(connection: Connection, site: str, key: str) -> list[tuple[str, Answer]]:
    """(item, row) for each line of a transfer to here; none of one to another site, or that nobody can read."""
    try:
        known = incoming.from_stream(key, streams.get(connection, sent.STREAM, key))
    except (Rejected, KeyError, IndexError, TypeError) as error:
        # What one sender made up must not hide what the others sent.
        log.warning("transfer left out", extra={"transfer": key, "reason": str(error)})
        return []
    # What comes back is on its way to its sender.
    if known is None or known.receiver != site or known.ruling == RETURNED:
        return []
    name, told, came = known.name, sent.outcome(connection, known.name).lines, incoming.came(connection, known.name)
    rows = []
    for line in known.lines:
        accepted, missing = told.get(line.index, (0, 0))
        left = line.quantity - max(accepted + missing, came.get(line.index, 0))
        rows.append((line.item, _row(name.transfer, name.sender, True, line.lot, line.serial, left, missing)))
    return rows


def _leaving(connection: Connection, site: str, sku: str) -> Iterator[Answer]:
    rows = connection.execute(
        "SELECT l.transfer, t.receiver, l.line, l.lot, l.serial, l.quantity, l.settled FROM transfer_lines l"
        " JOIN transfers t ON t.transfer = l.transfer WHERE l.item = ? AND l.quantity > l.settled"
        " ORDER BY l.transfer, l.line",
        (sku,),
    ).fetchall()
    told: dict[bytes, sent.Outcome] = {}
    for transfer, receiver, line, lot, serial, quantity, settled in rows:
        name = OpId(bytes(transfer))
        if name.raw not in told:
            told[name.raw] = sent.outcome(connection, TransferName(site, name))
        accepted, missing = told[name.raw].lines.get(line, (0, 0))
        site_now = told[name.raw].receiver or receiver
        yield _row(name, site_now, False, lot, serial, quantity - max(settled, accepted) - missing, missing)


def _row(transfer: OpId, site: str, comes: bool, lot: str, serial: str, quantity: int, missing: int) -> Answer:
    return {
        "transfer": str(transfer),
        "site": site,
        "comes": comes,
        "lot": lot,
        "serial": serial,
        "quantity": max(0, quantity),
        "missing": missing,
    }
