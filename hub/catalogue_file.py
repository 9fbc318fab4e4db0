"""The catalogue file: items by CSV, all or nothing, with everything wrong said at once and by line.

Heading `sku,name,gtin,base_unit,tracking,pack_qty[,cost_minor,currency,decimals,abc,by_weight,quantity_asked]`;
tracking is none, lot, serial or lot+serial; abc a class such as A; by_weight yes for what is counted in pieces and by
weight; quantity_asked from how many base units on a quantity is asked back. A line with an sku that stands above adds
a barcode of `pack_qty` base units. It may leave cells empty, and the name and cost of a pack may be its own;
otherwise it says what the first line said, because two articles under one sku are a slip.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hub.csv_file import NUMBER_MAX, Complaints, gtin, number, rows
from ledger import spelling
from ledger.errors import Rejected
from ledger.ids import text_to_word

COLUMNS = ("sku", "name", "gtin", "base_unit", "tracking", "pack_qty")
MORE_COLUMNS = ("cost_minor", "currency", "decimals", "abc", "by_weight", "quantity_asked")
TRACKING = {"none": 0, "lot": 1, "serial": 2, "lot+serial": 3}
NAME_MAX = 200
UNIT_BYTES_MAX = 28
ABC_CHARS_MAX = 4
CODES_PER_ITEM_MAX = 200
EARLIER_TOLD_MAX = 500  # with as many barcodes as an item may have, that fits a value of its stream
_TRACKING_NAMES = {number: name for name, number in TRACKING.items()}


@dataclass(slots=True)
class Item:
    """One item with its barcodes; `gtins` maps 14 digits to base units, `earlier` says what they meant before, as
    (gtin, base units, Unix milliseconds until which it did)."""

    sku: str
    name: str
    unit: str
    tracking: int
    decimals: int = 0
    cost_minor: int | None = None
    currency: str = ""
    abc: str = ""
    by_weight: bool = False
    quantity_asked: int | None = None
    gtins: dict[str, int] = field(default_factory=dict)
    earlier: list[tuple[str, int, int]] = field(default_factory=list)

    def repacked(self, before: Item | None) -> dict[str, tuple[int, int]]:
        """The barcodes that mean another quantity here than `before`: what they meant, and what they mean now."""
        known = {} if before is None else before.gtins
        return {code: (known[code], size) for code, size in self.gtins.items() if known.get(code, size) != size}

    def follow(self, before: Item | None, now_ms: int) -> None:
        """Take over the barcodes that were known `before`. What one of them meant otherwise, it meant until now."""
        if before is None:
            return
        ended = {code: until_ms for code, _, until_ms in sorted(before.earlier, key=_until)}
        # A clock that was set back must not change their order.
        lost = [(code, was, max(now_ms, ended.get(code, 0) + 1)) for code, (was, _) in self.repacked(before).items()]
        self.earlier = sorted([*before.earlier, *lost], key=_until)
        self.gtins = {**before.gtins, **self.gtins}

    def stream_value(self) -> dict[str, object]:
        """What the catalogue stream says of it. An unknown cost is -1, because a stream has no null."""
        return {
            "name": self.name,
            "unit": self.unit,
            "tracking": self.tracking,
            "decimals": self.decimals,
            "cost_minor": -1 if self.cost_minor is None else self.cost_minor,
            "currency": self.currency,
            "gtins": [[code, quantity] for code, quantity in sorted(self.gtins.items())],
            **({"gtins_until": told} if (told := [list(each) for each in self.earlier[-EARLIER_TOLD_MAX:]]) else {}),
            **({"abc": self.abc} if self.abc else {}),
            **({"by_weight": True} if self.by_weight else {}),
            **({"quantity_asked": self.quantity_asked} if self.quantity_asked else {}),
        }


def _until(earlier: tuple[str, int, int]) -> tuple[int, str]:
    return earlier[2], earlier[0]


def read_items(raw: bytes) -> tuple[list[Item], int]:
    """The items of a CSV file and its number of rows; raises Rejected with every fault and its line number."""
    complaints = Complaints()
    found: dict[str, Item] = {}
    folded: dict[str, tuple[str, int]] = {}
    codes: dict[str, tuple[str, int]] = {}
    count = 0
    for line, row in rows(raw, complaints, COLUMNS, MORE_COLUMNS):
        count += 1
        try:
            item, code, quantity = _item(row, found)
        except Rejected as error:
            complaints.add(line, str(error))
            continue
        known = folded.setdefault(item.sku.casefold(), (item.sku, line))
        if known[0] != item.sku:
            complaints.add(line, f"sku {item.sku!r} differs from {known[0]!r} of line {known[1]} only in its case")
            continue
        first = found.setdefault(item.sku, item)
        if first is not item and core(first) != core(_pack_of(first, item) if quantity > 1 else item):
            complaints.add(line, f"sku {item.sku!r} was given before with another name, unit, tracking or cost")
            continue
        if code:
            _add_code(first, code, quantity, line, codes, complaints)
    complaints.raise_any()
    if not found:
        raise Rejected("the file holds no items: expected a line for each below the heading")
    return list(found.values()), count


def _item(row: dict[str, str], known: dict[str, Item]) -> tuple[Item, str, int]:
    """The item of a line, its barcode ("" for none) and what one scan of that means in base units."""
    sku = row["sku"].strip()
    text_to_word(sku)
    if not sku:
        raise Rejected("the sku is empty")
    code = gtin(row["gtin"].strip()) if row["gtin"].strip() else ""
    quantity = number("pack_qty", row["pack_qty"].strip() or "1", 1, NUMBER_MAX)
    if sku in known:
        row = {**_cells(known[sku]), **{name: cell for name, cell in row.items() if cell.strip()}}
    unit = row["base_unit"].strip()
    text_to_word(unit)
    if not 0 < len(unit.encode()) <= UNIT_BYTES_MAX:
        raise Rejected(f"base_unit {unit!r}: expected 1 to {UNIT_BYTES_MAX} bytes, such as pc or kg")
    tracking = row["tracking"].strip().lower() or "none"
    if tracking not in TRACKING:
        raise Rejected(f"tracking {tracking!r}: expected {', '.join(TRACKING)}")
    cost = row.get("cost_minor", "").strip()
    currency, asked = row.get("currency", "").strip(), row.get("quantity_asked", "").strip()
    if (currency or cost) and not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise Rejected(f"currency {currency!r}: expected three letters such as EUR beside a cost")
    item = Item(
        sku=sku,
        name=name_of(row["name"].strip() or sku),
        unit=unit,
        tracking=TRACKING[tracking],
        decimals=number("decimals", row.get("decimals", "").strip() or "0", 0, 18),
        cost_minor=number("cost_minor", cost, 0, NUMBER_MAX) if cost else None,
        currency=currency,
        abc=_abc(row.get("abc", "").strip()),
        by_weight=_yes("by_weight", row.get("by_weight", "").strip()),
        quantity_asked=number("quantity_asked", asked, 1, NUMBER_MAX) if asked else None,
    )
    if item.by_weight and item.tracking & TRACKING["serial"]:
        raise Rejected("by_weight: a piece with a serial is counted by its serial")
    return item, code, quantity


def _cells(item: Item) -> dict[str, str]:
    """What a row says of an item once: a later row of it may leave these cells empty."""
    return {
        "name": item.name,
        "base_unit": item.unit,
        "tracking": _TRACKING_NAMES[item.tracking],
        "cost_minor": "" if item.cost_minor is None else str(item.cost_minor),
        "currency": item.currency,
        "decimals": str(item.decimals),
        "abc": item.abc,
        "by_weight": "yes" if item.by_weight else "",
        "quantity_asked": "" if item.quantity_asked is None else str(item.quantity_asked),
    }


def _pack_of(item: Item, row: Item) -> Item:
    """A row of a pack, without what is the pack's own: its name and cost may differ and are not kept."""
    return replace(row, name=item.name, cost_minor=item.cost_minor, currency=item.currency)


def _add_code(
    item: Item,
    code: str,
    quantity: int,
    line: int,
    codes: dict[str, tuple[str, int]],
    complaints: Complaints,
) -> None:
    owner = codes.setdefault(code, (item.sku, line))
    if owner != (item.sku, line):
        complaints.add(line, f"gtin {code} stands on line {owner[1]} already, for {owner[0]!r}")
    elif len(item.gtins) >= CODES_PER_ITEM_MAX:
        complaints.add(line, f"sku {item.sku!r} has more than {CODES_PER_ITEM_MAX} barcodes")
    else:
        item.gtins[code] = quantity


def _abc(text: str) -> str:
    if text and not (len(text) <= ABC_CHARS_MAX and text.isascii() and text.isalnum()):
        raise Rejected(f"abc {text[:40]!r}: expected a class such as A, at most {ABC_CHARS_MAX} letters or digits")
    return text.upper()


def _yes(name: str, text: str) -> bool:
    if text.lower() not in ("", "no", "yes"):
        raise Rejected(f"{name} {text[:40]!r}: expected yes or no")
    return text.lower() == "yes"


def name_of(text: str) -> str:
    if not 0 < len(text) <= NAME_MAX:
        raise Rejected(f"the name {text[:40]!r} is not 1 to {NAME_MAX} printable characters")
    try:
        return spelling.name(text)
    except Rejected as error:
        raise Rejected(f"the name: {error}") from error


def core(item: Item) -> tuple[object, ...]:
    return (
        item.name,
        item.unit,
        item.tracking,
        item.decimals,
        item.cost_minor,
        item.currency,
        item.abc,
        item.by_weight,
        item.quantity_asked,
    )
