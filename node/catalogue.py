"""Items and places as floor work needs them: what the hub's catalogue says, on top of what the chain knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ledger import calls, control
from ledger.counts import Cost
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import VIRTUAL
from ledger.moves import Line
from ledger.wording import in_units, shown
from node import streams
from node.kept import newest
from node.values import Fields, text_id

LOT, SERIAL = control.TRACK_LOT, control.TRACK_SERIAL
UNIT = control.UNIT
HOLDS_STOCK = (control.BIN, control.UNIT, control.CLOSED)
ENTRIES_KEPT = 20_000  # some 600 bytes each
_VALUED = "SELECT s.key, s.value, i.decimals FROM streams s LEFT JOIN items i ON i.item = s.key WHERE s.stream = ?"
_VALUED_OF = f"{_VALUED} AND s.key IN (SELECT value FROM json_each(?))"  # noqa: S608 - our own words
_OF_BOTH = (
    "SELECT k.value, s.value, i.tracking, i.unit, i.decimals FROM json_each(?2) k LEFT JOIN streams s"
    " ON s.stream = ?1 AND s.key = k.value LEFT JOIN items i ON i.item = k.value"
    " WHERE s.key IS NOT NULL OR i.item IS NOT NULL"
)
_TRACKINGS = {"none": 0, "lot": LOT, "serial": SERIAL, "lot+serial": LOT | SERIAL, "both": LOT | SERIAL}


@dataclass(frozen=True, slots=True)
class Item:
    """One item. `tracking`: LOT and SERIAL bits; `cost`: None when the hub named none; `by_weight`: its unit is a
    weight and it is counted in pieces as well; `asked`: from how many base units on a quantity is asked back;
    `currency`: of its cost, three letters or ''."""

    sku: str
    name: str
    unit: str
    decimals: int
    tracking: int
    cost: Cost | None
    by_weight: bool = False
    asked: int | None = None
    currency: str = ""

    @property
    def has_lots(self) -> bool:
        return bool(self.tracking & LOT)

    @property
    def has_serials(self) -> bool:
        return bool(self.tracking & SERIAL)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the hub's catalogue says of one item; None or empty where it says nothing of use."""

    name: str
    unit: str
    decimals: int
    tracking: int
    cost_minor: int | None
    by_weight: bool
    asked: int | None
    abc: str
    currency: str


NOTHING_SAID = Entry("", "pcs", 0, 0, None, False, None, "", "")


@lru_cache(maxsize=ENTRIES_KEPT)
def _entry(sku: str, stored: bytes) -> Entry:
    """An entry by its bytes: reading a catalogue of 10,000 takes 0.2 s, and it hardly ever changes."""
    value = streams.decoded(streams.CATALOGUE, sku, stored)
    said: dict[str, Any] = value if isinstance(value, dict) else {}
    minor, asked, abc = said.get("cost_minor"), said.get("quantity_asked"), said.get("abc")
    currency = said.get("currency")
    return Entry(
        name=str(said.get("name") or ""),
        unit=str(said.get("unit", "pcs")),
        decimals=_whole(said.get("decimals")),
        tracking=_tracking(said.get("tracking")),
        cost_minor=minor if type(minor) is int and minor >= 0 else None,
        by_weight=said.get("by_weight") is True,
        asked=asked if type(asked) is int and asked > 0 else None,
        abc=abc if isinstance(abc, str) else "",
        currency=currency if isinstance(currency, str) else "",
    )


def entries(connection: Connection) -> Iterator[tuple[str, Entry]]:
    """The whole catalogue by SKU."""
    for sku, stored in streams.every_stored(connection, streams.CATALOGUE):
        yield sku, _entry(sku, stored)


def item(connection: Connection, sku: str) -> Item | None:
    """The item with this code, or None when neither catalogue nor chain knows it. The chain decides on tracking."""
    stored = streams.stored_value(connection, streams.CATALOGUE, sku)
    row = connection.execute("SELECT tracking, unit, decimals FROM items WHERE item = ?", (sku,)).fetchone()
    return None if stored is None and row is None else _made(sku, stored, row)


def items(connection: Connection, skus: Iterable[str]) -> dict[str, Item]:
    """Those of these items that catalogue or chain knows, asked for at once."""
    rows = connection.execute(_OF_BOTH, (streams.CATALOGUE, json.dumps(sorted(set(skus))))).fetchall()
    return {sku: _made(sku, stored, None if known[0] is None else known) for sku, stored, *known in rows}


def _made(sku: str, stored: bytes | None, row: Sequence[Any] | None) -> Item:
    said = NOTHING_SAID if stored is None else _entry(sku, stored)
    tracking, unit, decimals = row or (said.tracking, said.unit, said.decimals)
    cost = None if said.cost_minor is None else Cost(said.cost_minor, int(decimals))
    return Item(sku, said.name or sku, str(unit), int(decimals), int(tracking), cost, said.by_weight, said.asked,
                said.currency)  # fmt: skip


def need_item(connection: Connection, sku: str) -> Item:
    """The item, or `Rejected` in words."""
    found = item(connection, sku)
    if found is None:
        raise Rejected(f"item {sku!r} is not known here: check the code, or let the site sync with the hub")
    return found


def measure(connection: Connection, sku: str) -> dict[str, Any]:
    """How base units of an item are written: {unit, decimals}."""
    found = item(connection, sku)
    return {"unit": "" if found is None else found.unit, "decimals": 0 if found is None else found.decimals}


def written(connection: Connection, quantities: Mapping[str, int]) -> str:
    """Base units by item as people write their sum: what has decimals is summed apart, by its unit."""
    sums: dict[tuple[int, str], int] = {}
    for sku, quantity in quantities.items():
        known = measure(connection, sku)
        key = (known["decimals"], known["unit"] if known["decimals"] else "")
        sums[key] = sums.get(key, 0) + quantity
    return " + ".join(
        f"{in_units(total, decimals)} {unit}".rstrip() for (decimals, unit), total in sorted(sums.items())
    )


def refuse_tracking(item: Item, lot: str, serial: str) -> None:
    """Refuse a line that lacks its lot or serial, or has one that its item has not."""
    if bool(lot) != item.has_lots:
        raise Rejected(f"{item.sku}: its lot is needed" if item.has_lots else f"{item.sku}: it has no lots")
    if bool(serial) != item.has_serials:
        raise Rejected(f"{item.sku}: its serial is needed" if item.has_serials else f"{item.sku}: it has no serials")


def item_named(connection: Connection, fields: Fields, at_ms: int | None) -> tuple[Item, int]:
    """The item of a line, by `item` or `barcode`, with the base units that one of what was named meant at `at_ms`, or
    means now (None)."""
    barcode = fields.take("barcode")
    sku, pack = (fields.text("item"), 1) if barcode is None else _by_barcode(connection, barcode, at_ms)
    return need_item(connection, sku), pack


def goods_named(
    connection: Connection, fields: Fields, at_ms: int | None, lot: str, serial: str, *, happened: bool
) -> tuple[str, int]:
    """The code of the item of a line of goods, and base units as in `item_named`. Refuses what is not known here and
    a lot or serial that the item needs or has not; where it has `happened` the goods are named as they were said."""
    barcode = fields.take("barcode")
    sku, pack = (fields.text("item") if barcode is None else "", 1)
    try:
        if barcode is not None:
            sku, pack = _by_barcode(connection, barcode, at_ms)
        refuse_tracking(need_item(connection, sku), lot, serial)
    except Rejected:
        if not happened:
            raise
        sku = sku or text_id(barcode, "barcode")
    return sku, pack


def is_understood(connection: Connection, line: Line) -> bool:
    """Whether the item and the places of a line are known here, and it says of its item what has to be said."""
    try:
        refuse_tracking(need_item(connection, line.item), line.lot, line.serial)
        for place in {line.source, line.target} - set(VIRTUAL):
            need_bin(connection, place)
    except Rejected:
        return False
    return True


def _by_barcode(connection: Connection, barcode: object, at_ms: int | None) -> tuple[str, int]:
    code = barcode if isinstance(barcode, str) and barcode.isascii() and barcode.isdecimal() else ""
    found = streams.item_of(connection, code.zfill(14), at_ms) if 0 < len(code) <= 14 else None
    if found is None:
        raise Rejected(f"no item has the barcode {shown(barcode)}: expected its digits")
    return found


def version(connection: Connection) -> tuple[object, ...]:
    """What differs once the catalogue is another, or what the chain knows of its items."""
    return (streams.changes(connection), *newest(connection, calls.Apply.METHOD))


def costs(connection: Connection, skus: Iterable[str]) -> dict[str, Cost]:
    """Standard costs of those items that have one."""
    return {sku: cost for sku, (cost, _) in valued(connection, skus).items() if cost is not None}


def valued(connection: Connection, skus: Iterable[str] | None = None) -> dict[str, tuple[Cost | None, str]]:
    """Standard cost and ABC class ("" for none) of those items that the catalogue has; without `skus` of all."""
    if skus is None:
        rows = connection.execute(_VALUED, (streams.CATALOGUE,))
    else:
        rows = connection.execute(_VALUED_OF, (streams.CATALOGUE, json.dumps(sorted(set(skus)))))
    return {sku: _valued(sku, stored, decimals) for sku, stored, decimals in rows}


@lru_cache(maxsize=ENTRIES_KEPT)
def _valued(sku: str, stored: bytes, decimals: int | None) -> tuple[Cost | None, str]:
    """`decimals` as the chain has them, None where it does not know the item. Kept, because ten thousand new things
    at once make the garbage collector walk over everything that lives."""
    said = _entry(sku, stored)
    whole = said.decimals if decimals is None else decimals
    return (None if said.cost_minor is None else Cost(said.cost_minor, whole), said.abc)


def need_bin(connection: Connection, code: str) -> str:
    """A real location that can hold stock, or `Rejected` in words."""
    row = connection.execute("SELECT kind FROM locations WHERE location = ?", (code,)).fetchone()
    if row is None:
        raise Rejected(f"location {code!r} is not known here: check the label, or let the site sync with the hub")
    if int(row[0]) == control.AREA:
        raise Rejected(f"{code} is an area: name one of its bins")
    if int(row[0]) not in HOLDS_STOCK:
        raise Rejected(f"{code} is no place on the floor: name a bin")
    return code


def stands_in(connection: Connection, code: str) -> str:
    """The bin that a handling unit stands in, on another unit or not; "" for one that stands nowhere, and for any
    other place."""
    row = connection.execute(
        "WITH RECURSIVE above (location) AS (SELECT parent FROM locations WHERE location = ?1 AND kind = ?2"
        " UNION SELECT l.parent FROM locations l JOIN above a ON a.location = l.location WHERE l.kind = ?2)"
        " SELECT l.location FROM locations l JOIN above a ON a.location = l.location WHERE l.kind <> ?2",
        (code, UNIT),
    ).fetchone()
    return "" if row is None else str(row[0])


def bins_under(connection: Connection, area: str) -> list[str]:
    """Every bin, and every unit with goods, in an area and the areas within it, in the order of their codes."""
    rows = connection.execute(
        "WITH RECURSIVE inside (location) AS (SELECT location FROM locations WHERE location = ?"
        " UNION SELECT l.location FROM locations l JOIN inside i ON l.parent = i.location)"
        " SELECT l.location FROM locations l JOIN inside i ON l.location = i.location WHERE l.kind IN (?, ?)"
        " OR (l.kind = ? AND EXISTS (SELECT 1 FROM stock s WHERE s.location = l.location)) ORDER BY l.location",
        (area, control.BIN, control.CLOSED, control.UNIT),
    ).fetchall()
    return [str(row[0]) for row in rows]


def _tracking(value: object) -> int:
    if type(value) is int and 0 <= value <= (LOT | SERIAL):
        return value
    return _TRACKINGS.get(value, 0) if isinstance(value, str) else 0


def _whole(value: object) -> int:
    return value if type(value) is int and 0 <= value <= 18 else 0


def expiry_of(connection: Connection, item: str, lot: str) -> str:
    """When a lot expires: as it was first booked, or labelled anew since; '' when nobody said."""
    row = connection.execute(
        "SELECT expiry FROM lots WHERE item = ? AND lot = ? ORDER BY height DESC LIMIT 1", (item, lot)
    ).fetchone()
    return "" if row is None else str(row[0])
