"""What is announced to a site: deliveries that it may expect and orders that it is to pick, from files.

`delivery,supplier,item,quantity[,lot,sscc,over_percent,due]` and `order,item,quantity[,due]`: a line for each item,
several deliveries or orders in one file. `item` is an sku or a barcode, `quantity` in the item's unit, with its
decimals, or in packs of that barcode. What stands for a whole delivery may be empty in its further lines. A number
that is announced already gets the new content. The site's stream is all that is kept of them
(`ledger/announced`); what came or went of them is read from the blocks of the site, whose documents name them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub import catalogue, streams
from hub.catalogue_file import TRACKING, Item
from hub.csv_file import Complaints, number, rows, sscc
from hub.store import Session
from ledger import announced, spelling
from ledger.announced import OVER_PERCENT_MAX, Delivery, Expected, Order
from ledger.documents import reference
from ledger.errors import Invalid, Rejected
from ledger.ids import CUSTOMER, SUPPLIER, text_to_word
from ledger.moves import QUANTITY_MAX
from ledger.words import LINES_MAX

_AMOUNT = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,18}))?", re.ASCII)
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Announced:
    """What a file does, or would do. `new` and `changed` count deliveries or orders, `rows` their lines."""

    rows: int
    new: int
    changed: int


@dataclass(slots=True)
class _Group:
    """The rows of one number, and what they say of the whole of it, each said once."""

    line: int
    lines: list[Expected] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Kind:
    word: str
    columns: tuple[str, ...]
    more: tuple[str, ...]
    of_all: tuple[str, ...]
    make: Callable[[str, _Group], Delivery | Order]


def _delivery(name: str, group: _Group) -> Delivery:
    supplier, over = group.said.get("supplier", ""), group.said.get("over_percent", "")
    if not supplier:
        raise Rejected("its supplier is missing")
    text_to_word(spelling.code(supplier))
    percent = number("over_percent", over or "0", 0, OVER_PERCENT_MAX)
    return Delivery(name, supplier, tuple(group.lines), percent, _due(group))


def _order(name: str, group: _Group) -> Order:
    return Order(name, tuple((line.item, line.quantity) for line in group.lines), _due(group))


KINDS: Mapping[str, _Kind] = {
    announced.DELIVERIES: _Kind(
        "delivery", ("delivery", "supplier", "item", "quantity"), ("lot", "sscc", "over_percent", "due"),
        ("supplier", "over_percent", "due"), _delivery,
    ),
    announced.ORDERS: _Kind("order", ("order", "item", "quantity"), ("due",), ("due",), _order),
}  # fmt: skip


def announce(session: Session, stream: str, site: str, raw: bytes, *, dry_run: bool = False) -> Announced:
    """Take over a file of deliveries or orders, all or nothing. With `dry_run` only say what it would do."""
    _need_site(session, site)
    found, count = _read(KINDS[stream], raw, catalogue.load_items(session))
    before = {each.number: streams.get(session, stream, site, each.number) for each in found}
    changed = [each for each in found if before[each.number] != each.value()]
    if not dry_run:
        streams.put_many(session, stream, site, [(each.number, each.value()) for each in changed])
    new = sum(before[each.number] is None for each in changed)
    return Announced(count, new, len(changed) - new)


def withdraw(session: Session, stream: str, site: str, name: str) -> None:
    """Take an announcement back. What came or was picked of it already stays."""
    _need_site(session, site)
    if not streams.remove(session, stream, site, name):
        raise Rejected(f"no {KINDS[stream].word} {name!r} is announced to {site}")


def progress(session: Session, *, site: str = "", number: str = "") -> list[dict[str, Any]]:
    """What is announced and how much of it is done by the blocks that are verified, those that are due first:
    [{site, kind, number, due, supplier, state, lines [{item, name, unit, decimals, wanted, done, left}]}], in base
    units. `state`: waits, part, whole, over. What was done beyond the lines stands there with `wanted` 0."""
    found = []
    for stream, kind in KINDS.items():
        for where, key, value in streams.entries(session, stream):
            if site in ("", where) and number in ("", key):
                lines = _lines_done(session, where, kind.word, key, announced.READERS[stream](key, value).wanted)
                found.append(
                    {
                        "site": where, "kind": kind.word, "number": key, "due": value.get("due", ""),
                        "supplier": value.get("supplier", ""), "state": _state(lines), "lines": lines,
                    }
                )  # fmt: skip
    found.sort(key=lambda each: (announced.due_key(each["due"]), each["site"], each["kind"], each["number"]))
    return found


def _lines_done(
    session: Session, site: str, kind: str, number: str, wanted: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Goods of a delivery come from SUPPLIER, those of an order go to CUSTOMER; a reversal moves them back."""
    there, here = ("source", "target") if kind == "delivery" else ("target", "source")
    rows = session.all(
        f"SELECT m.item, sum(CASE WHEN m.{there} = :outside THEN m.quantity ELSE -m.quantity END) AS done"  # noqa: S608
        " FROM announced_acts a JOIN movements m ON m.origin = a.origin AND m.op_id = a.op_id"
        " WHERE a.site = :site AND a.kind = :kind AND a.number = :number"
        f" AND (m.{there} = :outside OR m.{here} = :outside) GROUP BY m.item",
        site=site, kind=kind, number=number, outside=SUPPLIER if kind == "delivery" else CUSTOMER,
    )  # fmt: skip
    done = {str(row["item"]): int(row["done"]) for row in rows}
    lines = []
    for item in sorted({*wanted, *done}):
        measure = session.one("SELECT name, unit, decimals FROM items WHERE sku = :sku", sku=item)
        size, so_far = wanted.get(item, 0), done.get(item, 0)
        lines.append(
            {
                "item": item, **(measure or {"name": "", "unit": "", "decimals": 0}), "wanted": size, "done": so_far,
                "left": max(0, size - so_far),
            }
        )  # fmt: skip
    return lines


def _state(lines: list[dict[str, Any]]) -> str:
    if not any(line["done"] for line in lines):
        return "waits"
    if any(line["left"] for line in lines):
        return "part"
    return "over" if any(line["done"] > line["wanted"] for line in lines) else "whole"


def _read(kind: _Kind, raw: bytes, items: Mapping[str, Item]) -> tuple[list[Delivery | Order], int]:
    complaints = Complaints()
    codes = {code: (item.sku, pack) for item in items.values() for code, pack in item.gtins.items()}
    groups: dict[str, _Group] = {}
    count = 0
    for place, row in rows(raw, complaints, kind.columns, kind.more):
        count += 1
        try:
            name = spelling.code(reference(row[kind.word].strip()))
            group = groups.setdefault(name, _Group(place))
            _say(kind, group, row)
            group.lines.append(_line(row, items, codes))
        except Rejected as error:
            complaints.add(place, str(error))
    found = []
    for name, group in groups.items():
        try:
            if len(group.lines) > LINES_MAX:
                raise Rejected(f"it has {len(group.lines)} lines, at most {LINES_MAX} fit: make it several")
            found.append(kind.make(name, group))
        except Rejected as error:
            complaints.add(group.line, f"{kind.word} {name!r}: {error}")
    complaints.raise_any()
    if not found:
        raise Rejected(f"the file announces nothing: expected lines of a {kind.word} below the heading")
    return found, count


def _say(kind: _Kind, group: _Group, row: Row) -> None:
    for column in kind.of_all:
        cell = row.get(column, "").strip()
        if cell and group.said.setdefault(column, cell) != cell:
            raise Rejected(f"{column} {cell[:40]!r}: line {group.line} said {group.said[column][:40]!r}")


def _line(row: Row, items: Mapping[str, Item], codes: Mapping[str, tuple[str, int]]) -> Expected:
    text, lot, unit = row["item"].strip(), row.get("lot", "").strip(), row.get("sscc", "").strip()
    sku, pack = (text, 1) if text in items else codes.get(text.zfill(14), ("", 1))
    if not sku:
        raise Rejected(f"item {text[:40]!r} is neither an sku nor a barcode of the catalogue")
    item = items[sku]
    if lot:
        text_to_word(spelling.code(lot))
        if not item.tracking & TRACKING["lot"]:
            raise Rejected(f"lot {lot!r}: {sku} has no lots")
    return Expected(sku, _quantity(item, row["quantity"].strip(), pack), lot, sscc(unit) if unit else "")


def _quantity(item: Item, text: str, pack: int) -> int:
    """Base units: of a pack's barcode the number of packs, else as people write it in the item's unit."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise Rejected(f"quantity {text[:40]!r}: expected a number such as 12 or 12.5")
    whole, rest = match.group(1), match.group(2) or ""
    places = 0 if pack > 1 else item.decimals
    if len(rest) > places:
        raise Rejected(f"quantity {text}: {item.sku} has {places} decimals here")
    size = int(whole + rest.ljust(places, "0")) * pack
    if not 0 < size <= QUANTITY_MAX:
        raise Rejected(f"quantity {text}: expected more than 0 and at most {QUANTITY_MAX} base units")
    return size


def _due(group: _Group) -> str:
    try:
        return announced.due(group.said.get("due", ""))
    except Invalid as error:
        raise Rejected(f"due {error}") from error


def _need_site(session: Session, site: str) -> None:
    if session.value("SELECT count(*) FROM sites WHERE site = :site", site=site) == 0:
        raise Rejected(f"there is no site {site!r}: enrol it first")
