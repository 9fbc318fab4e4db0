"""What the hub tells a site to expect and to pick: entries of the streams `deliveries` and `orders`, by their number.

A delivery: {"supplier", "lines" [[item, quantity, lot, unit]], "over" (per cent of a line that may come beyond it
without a reason), "due"}. An order: {"lines" [[item, quantity]], "due"}. Quantities in base units; `lot`, `unit` (the
SSCC of the pallet it comes on), `over` and `due` (YYYY-MM-DD) are left out or "" when nobody said them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ledger.documents import reference
from ledger.errors import Invalid, Rejected
from ledger.ids import text_to_word
from ledger.moves import QUANTITY_MAX
from ledger.wording import shown
from ledger.words import LINES_MAX

DELIVERIES, ORDERS = "deliveries", "orders"
OVER_PERCENT_MAX = 100


@dataclass(frozen=True, slots=True)
class Expected:
    """One line of a delivery."""

    item: str
    quantity: int
    lot: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    number: str
    supplier: str
    lines: tuple[Expected, ...]
    over_percent: int = 0
    due: str = ""

    def value(self) -> dict[str, Any]:
        lines = [[each.item, each.quantity, each.lot, each.unit] for each in self.lines]
        return {
            "supplier": self.supplier,
            "lines": lines,
            **({"over": self.over_percent} if self.over_percent else {}),
            **({"due": self.due} if self.due else {}),
        }

    @property
    def wanted(self) -> dict[str, int]:
        """Base units by item."""
        return _summed((line.item, line.quantity) for line in self.lines)


@dataclass(frozen=True, slots=True)
class Order:
    number: str
    lines: tuple[tuple[str, int], ...]
    due: str = ""

    def value(self) -> dict[str, Any]:
        return {"lines": [list(each) for each in self.lines], **({"due": self.due} if self.due else {})}

    @property
    def wanted(self) -> dict[str, int]:
        """Base units by item."""
        return _summed(self.lines)


def delivery(number: str, value: Any) -> Delivery:
    """The entry of the stream `deliveries`; raises Invalid for what it cannot be."""
    said = _entry(DELIVERIES, number, value, {"supplier", "lines", "over", "due"})
    lines = tuple(Expected(_id(item), _quantity(size), _id(lot, True), _id(unit, True))
                  for item, size, lot, unit in _lines(said, 4))  # fmt: skip
    over = said.get("over", 0)
    if type(over) is not int or not 0 <= over <= OVER_PERCENT_MAX:
        raise Invalid(f"delivery {number!r}: {shown(over)} is not a tolerance of 0 to {OVER_PERCENT_MAX} per cent")
    return Delivery(number, _id(said.get("supplier")), lines, over, due(said.get("due", "")))


def order(number: str, value: Any) -> Order:
    """The entry of the stream `orders`; raises Invalid for what it cannot be."""
    said = _entry(ORDERS, number, value, {"lines", "due"})
    lines = tuple((_id(item), _quantity(size)) for item, size in _lines(said, 2))
    return Order(number, lines, due(said.get("due", "")))


READERS: Mapping[str, Callable[[str, Any], Delivery | Order]] = {DELIVERIES: delivery, ORDERS: order}


def due(text: Any) -> str:
    """A day as YYYY-MM-DD, or ""; raises Invalid."""
    try:
        if text != "" and date.fromisoformat(text).isoformat() != text:
            raise ValueError
    except (TypeError, ValueError) as error:
        raise Invalid(f"{shown(text)} is not a day: expected YYYY-MM-DD") from error
    return str(text)


def due_key(day: str) -> str:
    """By which what is due is put in order: what has no day comes last."""
    return day or "9999"


def _entry(stream: str, number: str, value: Any, known: set[str]) -> dict[str, Any]:
    try:
        reference(number)
    except Rejected as error:
        raise Invalid(f"{stream}: {error}") from error
    if not isinstance(value, dict) or not set(value) <= known:
        raise Invalid(f"{stream} {number!r}: expected {', '.join(sorted(known))}")
    return value


def _lines(said: dict[str, Any], width: int) -> list[list[Any]]:
    rows = said.get("lines")
    if not isinstance(rows, list) or not 0 < len(rows) <= LINES_MAX:
        raise Invalid(f"expected 1 to {LINES_MAX} lines")
    if not all(isinstance(row, list) and len(row) == width for row in rows):
        raise Invalid(f"a line has {width} parts")
    return rows


def _id(text: Any, empty: bool = False) -> str:
    if not isinstance(text, str) or not (text or empty):
        raise Invalid(f"{shown(text)} is not a code")
    try:
        text_to_word(text)
    except Rejected as error:
        raise Invalid(str(error)) from error
    return text


def _quantity(size: Any) -> int:
    if type(size) is not int or not 0 < size <= QUANTITY_MAX:
        raise Invalid(f"{shown(size)} is not a number of base units")
    return size


def _summed(pairs: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for item, quantity in pairs:
        found[item] = found.get(item, 0) + quantity
    return found
