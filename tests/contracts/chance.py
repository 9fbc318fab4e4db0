"""What the random site decides by: people's goods and documents, mostly sensible, drawn from one seed."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from ledger import calls, control
from ledger.moves import QUANTITY_MAX
from tests.contracts.model_books import VIRTUAL

ITEMS = {"BOLT": 0, "MILK": 1, "PUMP": 2, "CHIP": 3}
KINDS = {
    "A": control.BIN,
    "B": control.BIN,
    "CRATE": control.UNIT,
    "SHUT": control.CLOSED,
    "YARD": control.AREA,
}
# A handling unit that somebody may make.
BOX = "BOX"
ANYWHERE = [*KINDS, *VIRTUAL, BOX, "NOWHERE"]


class Chance(random.Random):
    """What a rule decides by."""

    def odd(self, part: int = 6) -> bool:
        """True once in `part` times."""
        return self.randrange(part) == 0

    def goods(self, *, odd: bool = False) -> dict[str, Any]:
        """An item with what its tracking asks for, or not quite."""
        item = self.choice(sorted(ITEMS))
        tracking = ITEMS[item]
        status = self.choice([0, 0, 0, 2])
        if odd:
            item, tracking, status = self.choice(
                [("GHOST", 0, 0), (item, tracking ^ self.randint(1, 3), status), (item, tracking, 4)]
            )
        lot = self.choice(["L1", "L2"]) if tracking & 1 else ""
        serial = self.choice(["S1", "S2", "S3"]) if tracking & 2 else ""
        return {"item": item, "lot": lot, "serial": serial, "status": status}

    def line(self, sources: list[str], targets: list[str]) -> calls.Line:
        what = self.goods()
        quantity = 1 if what["serial"] else self.randint(1, 9)
        return calls.Line(**what, quantity=quantity, source=self.choice(sources), target=self.choice(targets))

    def lines(self, sources: list[str], targets: list[str]) -> tuple[calls.Line, ...]:
        return tuple(self.line(sources, targets) for _ in range(self.randint(1, 3)))

    def spoil(self, lines: tuple[Any, ...]) -> tuple[Any, ...]:
        """One line changed in one way that may make it wrong."""
        if not lines:
            return lines
        at = self.randrange(len(lines))
        change = self.choice(
            [
                self.goods(odd=True),
                {"quantity": self.choice([0, 2, QUANTITY_MAX, QUANTITY_MAX + 1])},
                {"source": self.choice(ANYWHERE)},
                {"target": self.choice(ANYWHERE)},
            ]
        )
        return (*lines[:at], replace(lines[at], **change), *lines[at + 1 :])
