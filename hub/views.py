"""What the hub shows: plain reads over its tables, for the command line, the console and the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub import fleet, logbook
from hub.config import HubConfig
from hub.store import Session
from ledger.documents import booking_op_id
from ledger.ids import VIRTUAL, OpId

ROWS_MAX = 1_000


def stock(
    session: Session, *, site: str = "", item: str = "", location: str = "", limit: int = ROWS_MAX, skip: int = 0
) -> list[dict[str, Any]]:
    """What is where at real locations, over all sites or as asked. Quantities in base units."""
    wanted = {"site": site, "item": item, "location": location}
    conditions = "".join(f" AND s.{name} = :{name}" for name, value in wanted.items() if value)
    virtual = ", ".join(f"'{name}'" for name in VIRTUAL)
    return session.all(
        "SELECT s.site, s.location, s.item, s.lot, s.status, s.quantity, i.name, i.unit, i.decimals FROM stock s"  # noqa: S608
        f" LEFT JOIN items i ON i.sku = s.item WHERE s.quantity <> 0 AND s.location NOT IN ({virtual}){conditions}"
        " ORDER BY s.site, s.location, s.item, s.lot, s.status LIMIT :limit OFFSET :skip",
        limit=limit,
        skip=skip,
        **{name: value for name, value in wanted.items() if value},
    )


def measures(session: Session, items: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Unit and decimals of those items that are in the catalogue: how their base units are written."""
    found: dict[str, tuple[str, int]] = {}
    for sku in sorted(set(items)):
        row = session.one("SELECT unit, decimals FROM items WHERE sku = :sku", sku=sku)
        if row is not None:
            found[sku] = (row["unit"] or "", row["decimals"] or 0)
    return found


def stock_rows(session: Session, *, site: str) -> int:
    """How many rows `stock` has of a site."""
    virtual = ", ".join(f"'{name}'" for name in VIRTUAL)
    found = session.value(
        f"SELECT count(*) FROM stock WHERE quantity <> 0 AND location NOT IN ({virtual}) AND site = :site",  # noqa: S608
        site=site,
    )
    return int(found or 0)


def anchors(session: Session, limit: int = 100, skip: int = 0) -> list[dict[str, Any]]:
    """Anchors, newest first; hashes in hex."""
    rows = session.all(
        "SELECT sequence, size, root, prev_size, manifest, state, reason, tx_hash, chain_id, contract, block_number,"
        " made_ms, final_ms FROM anchors ORDER BY sequence DESC LIMIT :limit OFFSET :skip",
        limit=limit,
        skip=skip,
    )
    return [{name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()} for row in rows]


def operations(session: Session, origin: str, limit: int = 100) -> list[dict[str, Any]]:
    """The newest operations of a chain, newest first."""
    return session.all(
        "SELECT op_id, height, tx_index, call, actor, document, at_s FROM operations WHERE origin = :origin"
        " ORDER BY height DESC, tx_index DESC LIMIT :limit",
        origin=origin,
        limit=limit,
    )


def find_operation(session: Session, op_id: str, origin: str = "") -> dict[str, Any] | None:
    """The row of an operation; None when no verified block holds it.

    Two sites may, by malice, have used one op_id: then `origin` says whose is meant, else it is the one that reached
    the hub first. `origins` are all chains that hold it, in that order.
    """
    rows = session.all(
        "SELECT o.* FROM operations o JOIN blocks b ON b.origin = o.origin AND b.height = o.height"
        " WHERE o.op_id = :op ORDER BY b.received_ms, o.origin",
        op=op_id,
    )
    row = next((row for row in rows if origin in ("", row["origin"])), None)
    return None if row is None else {**row, "origins": [each["origin"] for each in rows]}


def operation(session: Session, op_id: str, origin: str = "") -> dict[str, Any] | None:
    """Where an operation stands, and what it moved; `origin` as in `find_operation`. Of an act in parts: `parts`, and
    where the last of them stands."""
    row = find_operation(session, op_id, origin)
    if row is None:
        return _in_parts(session, op_id, origin)
    sizes = session.one(
        "SELECT verified_size, logged_size, anchored_size FROM origins WHERE origin = :origin", origin=row["origin"]
    )
    moves = session.all(
        "SELECT line, item, lot, serial, status, quantity, source, target FROM movements"
        " WHERE origin = :origin AND op_id = :op ORDER BY log_index",
        origin=row["origin"],
        op=op_id,
    )
    found = {**row, **(sizes or {})}
    state = "anchored" if found["height"] < found["anchored_size"] else "verified"
    return {**found, "state": state, "movements": moves}


def _in_parts(session: Session, whole: str, origin: str) -> dict[str, Any] | None:
    """A document that came in parts, as one; None for an op_id that names none."""
    rows = session.all("SELECT * FROM parts WHERE whole = :whole ORDER BY origin, number", whole=whole)
    rows = [row for row in rows if row["origin"] == (origin or rows[0]["origin"])]
    if not rows:
        return None
    found = []
    for row in rows:
        # What could not be booked any more was sealed under the same op_id.
        name = row["booked"] or str(booking_op_id(OpId.parse(whole), row["number"]))
        booked = operation(session, name, row["origin"]) or operation(session, row["op_id"], row["origin"])
        if booked is not None:
            found.append((row, booked))
    last = max((booked for _, booked in found), key=lambda each: each["height"], default=None)
    if last is None:
        return None
    moves = [move for _, booked in found for move in booked["movements"]]
    shown = [
        {
            "number": row["number"],
            "op_id": booked["op_id"],
            "booked": bool(row["booked"]),
            "exception": booked["call"] == "except_document",
            "state": booked["state"],
        }
        for row, booked in found
    ]
    return {**last, "op_id": whole, "count": rows[0]["count"], "parts": shown, "movements": moves}


def status(session: Session, config: HubConfig, now_ms: int, promised: int = 0) -> dict[str, Any]:
    """The hub at a glance. `promised` is the size of its log that is signed, as the file of signed heads has it.

    `attention` is what is wrong with the hub itself, in sentences that say what to do.
    """
    size = logbook.log_size(session)
    own = session.all(
        "SELECT summary FROM discrepancies WHERE site = '' AND state IN ('open', 'working') ORDER BY opened_ms, id"
    )
    attention = [str(row["summary"]) for row in own]
    if promised > size and not attention:
        attention.append(
            f"the database is older than what this hub has signed (log {size} of {promised}): `tallyman hub run` "
            "makes it whole as far as it can"
        )
    head = logbook.newest_head(session)
    anchored = session.one(
        "SELECT size, block_number, final_ms FROM anchors WHERE state = 'final' ORDER BY size DESC"
    )
    flying = session.one(
        "SELECT size, state, reason FROM anchors WHERE state NOT IN ('final', 'aside') ORDER BY sequence DESC"
    )
    return {
        "name": config.name,
        "attention": attention,
        "log_size": size,
        "signed_size": head.size if head else 0,
        "signed_root": head.root.hex() if head else "",
        "anchored_size": anchored["size"] if anchored else 0,
        "anchor_in_flight": flying or {},
        "discrepancies": int(session.value("SELECT count(*) FROM discrepancies WHERE state IN ('open', 'working')")),
        "items": int(session.value("SELECT count(*) FROM items")),
        "sites": [fleet.as_json(view) for view in fleet.sites(session, config.sync, now_ms)],
    }
