"""Stock moves: a quantity of one item from one location to another."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.words import Text, Uint

# Statuses of stock at a real location (product.md): free, or held with a reason.
FREE, QUALITY, DAMAGE, EXPIRED = range(4)
STATUSES = ("free", "quality", "damage", "expired")

# The contracts' bounds in base units: of one line, and of what one place holds of a thing (a virtual one also below
# nothing). A million million pieces in one line is a mistake, and a million such lines still fit 64 bits in a table.
QUANTITY_MAX = 10**12
STOCK_MAX = 10**18


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
