"""A weight as a scale says it: exact, with its unit, and with every reason not to book it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

GRAMS = {"g": Decimal(1), "kg": Decimal(1_000), "t": Decimal(1_000_000), "mg": Decimal("0.001"),
         "lb": Decimal("453.59237"), "oz": Decimal("28.349523125")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Weight:
    """One weighing. `problem` is empty for a weight that may be booked: standing still, in range, in a known unit;
    `value` is then as exact as the scale's display. `net`: a tare was taken off. `raw` is what the scale sent."""

    value: Decimal
    unit: str
    raw: bytes
    net: bool = False
    problem: str = ""
    tare: Decimal | None = None

    @property
    def stable(self) -> bool:
        """Whether it may be booked."""
        return not self.problem

    def in_grams(self) -> Decimal:
        """The exact value in grams; KeyError for a unit that is no weight of `GRAMS`."""
        return self.value * GRAMS[self.unit]

    def __str__(self) -> str:
        return f"{self.value} {self.unit}{' net' if self.net else ''}"


def decimal_of(digits: int, places: int) -> Decimal:
    """`digits` with `places` of them behind the point; a negative number of places means zeros that are not sent."""
    return Decimal(digits) * 10**-places if places < 0 else Decimal(digits).scaleb(-places)
