"""Items and locations: brought in by CSV or one by one, told to every site by stream, and to its chain by record.

Chains learn only what they need of an item or a location, in records of up to 200, new ones together. What a chain
knows already in another form goes alone, because a change after the first stock is refused with its whole record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hub import controls, streams
from hub.catalogue_file import Item, core, name_of, read_items
from hub.csv_file import Complaints
from hub.store import Session, Store
from ledger import control, spelling
from ledger.errors import Rejected
from ledger.ids import VIRTUAL, text_to_word

KINDS = {"bin": control.BIN, "unit": control.UNIT, "closed": control.CLOSED, "area": control.AREA}


@dataclass(frozen=True, slots=True)
class Repacked:
    """A barcode that is to mean `now` base units of its item and meant `before`."""

    gtin: str
    sku: str
    before: int
    now: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file does, or would do."""

    rows: int
    new: int
    changed: int
    barcodes: int
    repacked: tuple[Repacked, ...] = ()


def import_items(store: Store, raw: bytes, now_ms: int, *, dry_run: bool = False) -> Imported:
    """Take over the items of a CSV file, all or nothing. With `dry_run` only say what it would do."""
    items, rows = read_items(raw)
    with store.write() as session:
        changed = _changed(session, items)
        new = sum(1 for _, before in changed if before is None)
        repacked = tuple(
            Repacked(code, item.sku, was, now)
            for item, before in changed
            for code, (was, now) in sorted(item.repacked(before).items())
        )
        result = Imported(rows, new, len(changed) - new, sum(len(item.gtins) for item in items), repacked)
        if not dry_run:
            put_items(session, changed, now_ms)
    return result


def put_items(session: Session, changed: Iterable[tuple[Item, Item | None]], now_ms: int) -> None:
    """Store items; each comes with what was known before (None for a new one)."""
    revision = _next_revision(session, "items")
    rows, codes, earlier, values, gone = [], [], [], [], []
    for item, before in changed:
        on_chain = before is None or _chain_part(before) != _chain_part(item)
        item.follow(before, now_ms)
        gone.append({"sku": item.sku})
        rows.append(
            {
                "sku": item.sku,
                "folded": item.sku.casefold(),
                "name": item.name,
                "unit": item.unit,
                "decimals": item.decimals,
                "tracking": item.tracking,
                "cost": item.cost_minor,
                "currency": item.currency,
                "abc": item.abc,
                "by_weight": int(item.by_weight),
                "asked": item.quantity_asked,
                "revision": revision if on_chain else 0,
                "now": now_ms,
            }
        )
        revision += on_chain
        codes += [{"gtin": code, "sku": item.sku, "pack_qty": quantity} for code, quantity in item.gtins.items()]
        earlier += [
            {"gtin": code, "until_ms": until_ms, "sku": item.sku, "pack_qty": quantity}
            for code, quantity, until_ms in item.earlier
        ]
        values.append((item.sku, item.stream_value()))
    session.many(
        "INSERT INTO items VALUES (:sku, :folded, :name, :unit, :decimals, :tracking, :cost, :currency, :revision,"
        " :revision, :now, :abc, :by_weight, :asked) ON CONFLICT(sku) DO UPDATE SET name = excluded.name,"
        " unit = excluded.unit,"
        " decimals = excluded.decimals, tracking = excluded.tracking, cost_minor = excluded.cost_minor,"
        " currency = excluded.currency, abc = excluded.abc, by_weight = excluded.by_weight,"
        " quantity_asked = excluded.quantity_asked, changed_ms = excluded.changed_ms, chain_revision ="
        " CASE WHEN excluded.chain_revision = 0 THEN items.chain_revision ELSE excluded.chain_revision END",
        rows,
    )
    for table, told in (("item_codes", codes), ("earlier_codes", earlier)):
        session.many(f"DELETE FROM {table} WHERE sku = :sku", gone)  # noqa: S608
        session.insert(table, told)
    streams.put_many(session, streams.CATALOGUE, "", values)


def put_location(
    session: Session, site: str, code: str, kind: str, parent: str = "", name: str = "", *, now_ms: int
) -> None:
    """Add or change a location of a site; raises Rejected for what its chain would refuse."""
    if kind not in KINDS:
        raise Rejected(f"{kind!r} is not a kind of location: expected {', '.join(KINDS)}")
    for text in (code, parent):
        text_to_word(text)
    if not code or code in VIRTUAL:
        raise Rejected(f"{code!r} cannot be a location: it is empty, or one of {', '.join(VIRTUAL)}")
    if session.value("SELECT count(*) FROM sites WHERE site = :site", site=site) == 0:
        raise Rejected(f"there is no site {site!r}: enrol it first")
    _check_parent(session, site, code, kind, parent)
    values = {"kind": KINDS[kind], "parent": parent, "name": name_of(name or code)}
    row = session.one(
        "SELECT kind, parent, name FROM locations WHERE site = :site AND code = :code", site=site, code=code
    )
    if row == values:
        return
    if row is None:
        spelling.code(code)
    session.run(
        "INSERT INTO locations VALUES (:site, :code, :name, :kind, :parent, :revision, :revision, :now)"
        " ON CONFLICT(site, code) DO UPDATE SET name = excluded.name, kind = excluded.kind,"
        " parent = excluded.parent, chain_revision = excluded.chain_revision, changed_ms = excluded.changed_ms",
        site=site,
        code=code,
        revision=_next_revision(session, "locations"),
        now=now_ms,
        **values,
    )
    streams.put(session, streams.LOCATIONS, site, code, values)


def cut_records(session: Session, origin: str, site: str, now_ms: int) -> int:
    """Cut control records for items and locations that the chain `origin` has not been told; answers how many."""
    seen = _seen(session, origin, "items")
    items = session.all(
        "SELECT sku, tracking, unit, decimals, first_revision, chain_revision FROM items WHERE chain_revision > :seen"
        " ORDER BY chain_revision",
        seen=seen,
    )
    made = 0
    for part in _parts(items, seen):
        rows = tuple(
            control.Item(item=row["sku"], tracking=row["tracking"], unit=row["unit"], decimals=row["decimals"])
            for row in part
        )
        controls.cut(session, origin, control.ItemsPayload(items=rows), _about(rows[0].item, rows[-1].item), now_ms)
        made += 1
    _see(session, origin, "items", items)
    seen = _seen(session, origin, "locations")
    places = session.all(
        "SELECT code, kind, parent, first_revision, chain_revision FROM locations WHERE site = :site"
        " AND chain_revision > :seen ORDER BY chain_revision",
        site=site,
        seen=seen,
    )
    for part in _parts(_parents_first(places), seen):
        spots = tuple(control.Location(location=row["code"], kind=row["kind"], parent=row["parent"]) for row in part)
        about = _about(spots[0].location, spots[-1].location)
        controls.cut(session, origin, control.LocationsPayload(locations=spots), about, now_ms)
        made += 1
    _see(session, origin, "locations", places)
    return made


def _parts(rows: list[dict[str, Any]], seen: int) -> Iterator[list[dict[str, Any]]]:
    """New rows up to 200 together; a row that the chain was told before in another form alone, behind them."""
    new = [row for row in rows if row["first_revision"] > seen]
    for start in range(0, len(new), controls.ITEMS_MAX):
        yield new[start : start + controls.ITEMS_MAX]
    yield from ([row] for row in rows if row["first_revision"] <= seen)


def _parents_first(places: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_code = {row["code"]: row for row in places}

    def depth(row: dict[str, Any]) -> int:
        steps = 0
        while row["parent"] in by_code and steps <= len(by_code):
            row, steps = by_code[row["parent"]], steps + 1
        return steps

    return sorted(places, key=depth)


def _about(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def _seen(session: Session, origin: str, subject: str) -> int:
    return int(
        session.value(
            "SELECT revision FROM control_cursors WHERE origin = :origin AND subject = :subject",
            origin=origin,
            subject=subject,
        )
        or 0
    )


def _see(session: Session, origin: str, subject: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.run(
            "INSERT INTO control_cursors VALUES (:origin, :subject, :revision) ON CONFLICT(origin, subject)"
            " DO UPDATE SET revision = excluded.revision",
            origin=origin,
            subject=subject,
            revision=max(row["chain_revision"] for row in rows),
        )


def _next_revision(session: Session, table: str) -> int:
    return int(session.value(f"SELECT coalesce(max(chain_revision), 0) + 1 FROM {table}"))  # noqa: S608


def _changed(session: Session, items: list[Item]) -> list[tuple[Item, Item | None]]:
    """Those of `items` that say something new, each with what is known; raises Rejected where the two contradict."""
    complaints = Complaints()
    known = load_items(session)
    folded = {sku.casefold(): sku for sku in known}
    owners = {code: item.sku for item in known.values() for code in item.gtins}
    changed: list[tuple[Item, Item | None]] = []
    for place, item in enumerate(items, 2):
        other = folded.get(item.sku.casefold(), item.sku)
        if other != item.sku:
            complaints.add(place, f"sku {item.sku!r} differs from {other!r} of the catalogue only in its case")
        for code in item.gtins:
            if owners.get(code, item.sku) != item.sku:
                complaints.add(place, f"gtin {code} belongs to {owners[code]!r} already")
        before = known.get(item.sku)
        if before is None:
            try:
                spelling.code(item.sku)
            except Rejected as error:
                complaints.add(place, f"sku {item.sku!a}: {error}")
        if before is None or core(before) != core(item) or not item.gtins.items() <= before.gtins.items():
            changed.append((item, before))
    complaints.raise_any()
    return changed


def load_items(session: Session) -> dict[str, Item]:
    """The whole catalogue by sku."""
    items = {
        row["sku"]: Item(
            sku=row["sku"],
            name=row["name"],
            unit=row["unit"],
            tracking=row["tracking"],
            decimals=row["decimals"],
            cost_minor=row["cost_minor"],
            currency=row["currency"],
            abc=row["abc"],
            by_weight=bool(row["by_weight"]),
            quantity_asked=row["quantity_asked"],
        )
        for row in session.all("SELECT * FROM items")
    }
    for row in session.all("SELECT gtin, sku, pack_qty FROM item_codes"):
        items[row["sku"]].gtins[row["gtin"]] = row["pack_qty"]
    for row in session.all("SELECT gtin, sku, pack_qty, until_ms FROM earlier_codes ORDER BY until_ms, gtin"):
        items[row["sku"]].earlier.append((row["gtin"], row["pack_qty"], row["until_ms"]))
    return items


def _chain_part(item: Item) -> tuple[object, ...]:
    return item.unit, item.tracking, item.decimals


def _check_parent(session: Session, site: str, code: str, kind: str, parent: str) -> None:
    if not parent:
        return
    above = parent
    for depth in range(9):
        row = session.one(
            "SELECT kind, parent FROM locations WHERE site = :site AND code = :code", site=site, code=above
        )
        if row is None:
            raise Rejected(f"{above!r} is not a location of {site}: add it first")
        if depth == 0:
            _check_kinds(kind, parent, row["kind"])
        if above == code or row["parent"] == code:
            raise Rejected(f"{code!r} would lie in itself")
        above = row["parent"]
        if not above:
            return
    raise Rejected(f"{code!r} would lie deeper than 8 levels")


def _check_kinds(kind: str, parent: str, parent_kind: int) -> None:
    allowed = (control.AREA, control.BIN, control.UNIT) if kind == "unit" else (control.AREA,)
    if parent_kind not in allowed:
        raise Rejected(f"{parent!r} cannot hold a location of kind {kind!r}: bins and areas lie in areas")
