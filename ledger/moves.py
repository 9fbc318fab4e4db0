"""Stock moves: a quantity of one item from one location to another; and what else can be said of goods in a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ledger.words import Text, Uint, array

# Statuses of stock at a real location (product.md): free, or held with a reason.
FREE, QUALITY, DAMAGE, EXPIRED = range(4)
STATUSES = ("free", "quality", "damage", "expired")
# The reason code of a line of goods that arrive held.
HELD_BECAUSE = {QUALITY: "quality", DAMAGE: "damaged", EXPIRED: "expired"}

# The contracts' bounds in base units: of one line, and of what one place holds of a thing (a virtual one also below
# nothing). A million million pieces in one line is a mistake, and a million such lines still fit 64 bits in a table.
QUANTITY_MAX = 10**12
STOCK_MAX = 10**18

# A change of status or lot is booked as two moves, so that a document of 100 of them has the 200 lines of any other.
CHANGES_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One stock move: `quantity` base units of one item (lot, serial) in one status from `source` to `target`."""

    item: Text
    lot: Text = ""
    serial: Text = ""
    status: Uint = FREE
    quantity: Uint
    source: Text
    target: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """`quantity` base units of one item (lot, serial) in one status that stand at `location`."""

    item: Text
    lot: Text = ""
    serial: Text = ""
    status: Uint = FREE
    quantity: Uint
    location: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """Goods that a reservation has: serials are not told apart."""

    item: Text
    lot: Text = ""
    status: Uint = FREE
    quantity: Uint
    location: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """Held goods at `location` that become free; `index` is the booked line of the hold that held them."""

    index: Uint
    item: Text
    lot: Text = ""
    serial: Text = ""
    status: Uint
    quantity: Uint
    location: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitMove:
    """A handling unit goes, with its content, from one place to another; "" is nowhere."""

    unit: Text
    source: Text = ""
    target: Text = ""


Lines = Annotated[tuple[Line, ...], array(Line)]
GoodsLines = Annotated[tuple[Goods, ...], array(Goods, CHANGES_MAX)]
FreedLines = Annotated[tuple[Freed, ...], array(Freed, CHANGES_MAX)]
PromisedLines = Annotated[tuple[Promised, ...], array(Promised)]
UnitMoves = Annotated[tuple[UnitMove, ...], array(UnitMove)]
