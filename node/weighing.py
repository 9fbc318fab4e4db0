"""A weight from the scale of whoever asks, exactly in an item's unit: what a person then counts with.

A scale belongs to the tablet where it stands, or to whoever has taken it or its station like a scanner.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from devices.weights import GRAMS, Weight
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.moves import QUANTITY_MAX
from node import stations
from node.catalogue import Item
from node.desk import Person

Weigh = Callable[[str], Weight]  # by a scale's name; Unavailable says why it gives none


def no_scale(where: str) -> Weight:
    """The scales of a node that has none."""
    raise Rejected(f"no scale is called {where!r}")


def scale_of(connection: Connection, who: Person, tablet: str, devices: stations.Devices) -> str:
    """The scale of this person at this tablet, empty for none: one they took, before the one that stands there."""
    scales = {str(each["name"]) for each in devices if each["kind"] == "scale"}
    if not scales:
        return ""
    taken = connection.execute(
        "SELECT device FROM bound_devices WHERE actor = ? ORDER BY bound_at_ms DESC", (who.actor.raw,)
    ).fetchall()
    here = stations.at(stations.of_tablet(connection, tablet), devices)
    return next((name for name in (*(str(each) for (each,) in taken), *here) if name in scales), "")


def in_unit(weight: Weight, item: Item) -> str:
    """The weight as an amount of the item's unit; Rejected when it is no weight of that item, exactly."""
    unit = item.unit.lower()
    if unit not in GRAMS:
        raise Rejected(f"{item.sku} is counted in {item.unit}: it is not weighed")
    if weight.value <= 0:
        raise Rejected(f"the scale shows {weight}: put the goods on it, or set it to zero")
    value = weight.value if weight.unit == unit else _divided(weight.in_grams(), GRAMS[unit])
    quantity = None if value is None else value.scaleb(item.decimals)
    if value is None or quantity is None or quantity != quantity.to_integral_value():
        raise Rejected(f"{weight} does not come out in {item.unit} with {item.decimals} decimals: set the scale so")
    if quantity > QUANTITY_MAX:
        raise Rejected(f"{weight} is more than a bin can hold")
    return f"{value:.{item.decimals}f}"


def _divided(grams: Decimal, unit: Decimal) -> Decimal | None:
    found = grams / unit
    return found if found * unit == grams else None
