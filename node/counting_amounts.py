"""How much somebody says: base units, decimals of the item's unit, packs, pieces beside a weight. Never a float.

A number that no sensible bin holds is asked back. The bound comes from the item or from the hub's policy and never
from what the books expect: a question that depended on that would answer it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from ledger import spelling
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.moves import QUANTITY_MAX
from ledger.wording import in_units, shown
from node import catalogue, streams, tasks
from node.policies import counting_policy
from node.values import Fields, amount

DOUBTS_MAX = 3
_AMOUNT = re.compile(r"([0-9]{1,13})(?:[.,]([0-9]{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Said:
    """An amount as somebody said it: `quantity` in base units, or `text` in the item's unit or in packs."""

    quantity: int | None
    text: str
    pack: str
    pieces: int | None

    def base(self, connection: Connection, item: catalogue.Item, at_ms: int | None) -> int:
        """In base units, exactly; `Rejected` when it does not come out whole. A pack is what it was at `at_ms`, or is
        now (None)."""
        if self.quantity is not None:
            return self.quantity
        per_unit = int(10**item.decimals)
        unit = item.unit
        if self.pack:
            found = streams.item_of(connection, self.pack.zfill(14), at_ms)
            if found is None or found[0] != item.sku:
                raise Rejected(f"{shown(self.pack)} is not a pack of {item.sku}")
            per_unit, unit = found[1], f"packs of {found[1]}"
        whole, _, rest = self.text.partition(".")
        value = int(whole + rest) * per_unit
        scale: int = 10 ** len(rest)
        quantity, left = divmod(value, scale)
        if left:
            raise Rejected(f"{self.text} {unit} of {item.sku} does not come out in its smallest unit: say it exactly")
        if quantity > QUANTITY_MAX:
            raise Rejected(f"{self.text} {unit} is more than a bin can hold")
        return quantity


def amount_of(fields: Fields) -> Said:
    """`quantity` (base units) or `amount` (text such as 12.5, in the item's unit, or in packs with `pack`, a pack's
    barcode), and `pieces` beside a weight."""
    text, pack, pieces = fields.take("amount"), fields.take("pack"), fields.take("pieces")
    pieces = None if pieces is None else amount(pieces, "pieces")
    if text is None:
        if pack is not None:
            raise Rejected("packs are counted by `amount`: say how many there are")
        return Said(fields.quantity("quantity"), "", "", pieces)
    if fields.take("quantity") is not None:
        raise Rejected("say the quantity or the amount, not both")
    if pack is not None and not (isinstance(pack, str) and pack.isascii() and pack.isdecimal() and len(pack) <= 14):
        raise Rejected(f"pack is {shown(pack)}: expected the digits of its barcode")
    match = _AMOUNT.fullmatch(spelling.digits(text)) if isinstance(text, str) else None
    if match is None:
        raise Rejected(f"{shown(text)} is no number: write one such as 12.5")
    return Said(None, ".".join(part for part in match.groups() if part), pack or "", pieces)


def doubt(connection: Connection, said: Iterable[tuple[str, int]]) -> str:
    """What to ask before an act says so much of these items, [(item, base units)]; empty when nothing is doubtful."""
    found = (asked_back(connection, catalogue.need_item(connection, sku), quantity) for sku, quantity in said)
    return " ".join(islice((question for question in found if question), DOUBTS_MAX))


def asked_back(connection: Connection, item: catalogue.Item, quantity: int, there: int = 0) -> str:
    """The question to ask before so much is counted, received, moved or picked; or empty. `there`: what it is added
    to, so that it is asked as well when all of it comes to so much, and each time to as much again."""
    most = item.asked if item.asked is not None else counting_policy(connection).quantity_asked * 10**item.decimals
    if quantity <= most:
        if not quantity or -(-(there + quantity) // most) <= max(1, -(-there // most)):
            return ""
        quantity += there
    return f"{in_units(quantity, item.decimals)} {item.unit} of {item.name}: is that right?"


def dates_doubted(connection: Connection, said: Iterable[tuple[str, str, str]]) -> str:
    """What to ask before lots come in, [(item, lot, expiry or '')], that have another expiry here; or empty."""
    found = (_date_doubted(connection, sku, lot, day) for sku, lot, day in dict.fromkeys(said))
    return " ".join(islice((question for question in found if question), DOUBTS_MAX))


def _date_doubted(connection: Connection, sku: str, lot: str, day: str) -> str:
    known = catalogue.expiry_of(connection, sku, lot)
    if not day or known in ("", day):
        return ""
    return f"Lot {lot} of {sku} expires on {known}, not on {day}: is that right? Relabel changes it, this does not."


def date_asked(connection: Connection, sku: str, lot: str, day: str, before: str = "") -> str:
    """The same for somebody who counts: they are to look again, and are not told what is known. `before`: what was
    said of a lot of which nothing else is known."""
    known = catalogue.expiry_of(connection, sku, lot) or before
    if not day or known in ("", day):
        return ""
    return f"Lot {lot} of {sku} is known with another expiry than {day}: is it on the label?"


def scanned_dates_asked(connection: Connection, of: Iterable[int]) -> str:
    """The same before what these tasks counted is recorded, of labels that were only scanned; or empty."""
    said = (key for task in of for key, by_hand in tasks.dates_of(connection, task).items() if not by_hand)
    found = (date_asked(connection, *key) for key in dict.fromkeys(said))
    return " ".join(islice((question for question in found if question), DOUBTS_MAX))
