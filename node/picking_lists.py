"""Pick lists as rows: what is wanted, what is promised where, and from where the rest could come.

What is promised and not picked yet is the chain's word (`reservations`); what is picked lies in the list's tote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from ledger import control
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.moves import FREE, Promised
from node.rounds import blind_bins, frozen_bins

Key = tuple[str, str, str]  # location, item, lot


@dataclass(frozen=True, slots=True)
class PickList:
    list: OpId
    reference: str
    state: str
    picker: Actor | None
    tote: str


@dataclass(frozen=True, slots=True)
class Share:
    """What one reservation of a list still has somewhere."""

    reservation: OpId
    location: str
    item: str
    lot: str
    expiry: str
    quantity: int

    @property
    def key(self) -> Key:
        return (self.location, self.item, self.lot)

    def part(self, quantity: int) -> Promised:
        return Promised(item=self.item, lot=self.lot, quantity=quantity, location=self.location)


def need_list(connection: Connection, name: OpId, *, open_: bool = True) -> PickList:
    """The list; `Rejected` when there is none, or it has ended."""
    row = connection.execute(
        "SELECT reference, state, picker, tote FROM pick_lists WHERE list = ?", (name.raw,)
    ).fetchone()
    if row is None:
        raise Rejected(f"there is no pick list {name}")
    found = PickList(name, row[0], row[1], None if row[2] is None else Actor(bytes(row[2])), row[3])
    if open_ and found.state != "open":
        raise Rejected(f"this pick list was {found.state} already")
    return found


def shares(connection: Connection, name: OpId) -> list[Share]:
    """What is promised and not picked, in the order of picking: place by place, first expired first."""
    rows = connection.execute(
        "SELECT r.reservation, r.location, r.item, r.lot, r.rest FROM pick_reservations p"
        " JOIN reservations r ON r.reservation = p.reservation WHERE p.list = ? AND r.rest > 0",
        (name.raw,),
    ).fetchall()
    found = [
        Share(OpId(bytes(row[0])), row[1], row[2], row[3], expiry_of(connection, row[2], row[3]), int(row[4]))
        for row in rows
    ]
    return sorted(found, key=lambda each: (each.location, each.item, each.expiry or "9", each.lot, each.quantity))


def wishes(connection: Connection, name: OpId) -> dict[str, int]:
    rows = connection.execute("SELECT item, quantity FROM pick_wishes WHERE list = ? ORDER BY item", (name.raw,))
    return {str(item): int(quantity) for item, quantity in rows}


def picked(connection: Connection, tote: str) -> dict[str, int]:
    """What lies in a tote, by item."""
    rows = connection.execute(
        "SELECT item, SUM(quantity) FROM stock WHERE location = ? AND location <> '' GROUP BY item", (tote,)
    )
    return {str(item): int(quantity) for item, quantity in rows}


def totes(connection: Connection) -> set[str]:
    """What is being picked into now."""
    return {str(row[0]) for row in connection.execute("SELECT tote FROM pick_lists WHERE state = 'open'")}


def expiry_of(connection: Connection, item: str, lot: str) -> str:
    """When a lot expires, as the newest document said it; '' when none did."""
    row = connection.execute(
        "SELECT expiry FROM lots WHERE item = ? AND lot = ? ORDER BY height DESC LIMIT 1", (item, lot)
    ).fetchone()
    return "" if row is None else str(row[0])


def allocate(
    connection: Connection, wanted: dict[str, int], day: date, without: Iterable[str] = ()
) -> tuple[list[Promised], dict[str, int]]:
    """Where so much of each item could be taken: first expired first, then place by place; and what is missing.

    Left out are lots that have expired by the `day`, bins being counted or frozen, closed places, other pickers'
    totes, and `without`.
    """
    taken = blind_bins(connection) | frozen_bins(connection) | set(without)
    taken |= totes(connection)
    today = day.isoformat()
    found: list[Promised] = []
    missing: dict[str, int] = {}
    for item, quantity in wanted.items():
        rows = connection.execute(
            "SELECT s.location, s.lot, s.quantity - COALESCE((SELECT SUM(r.rest) FROM reservations r"
            " WHERE r.location = s.location AND r.item = s.item AND r.lot = s.lot AND r.status = s.status"
            " AND r.rest > 0), 0) FROM stock s JOIN locations l ON l.location = s.location AND l.kind IN (?, ?)"
            " WHERE s.item = ? AND s.status = ?",
            (control.BIN, control.UNIT, item, FREE),
        ).fetchall()
        free = [
            (expiry_of(connection, item, lot) or "9999", str(location), str(lot), int(left))
            for location, lot, left in rows
            if left > 0 and location not in taken
        ]
        for expiry, location, lot, left in sorted(free):
            if quantity and expiry >= today:
                part = min(left, quantity)
                quantity -= part
                found.append(Promised(item=item, lot=lot, quantity=part, location=location))
        if quantity:
            missing[item] = quantity
    return found, missing


def still_wanted(connection: Connection, found: PickList) -> dict[str, int]:
    """What is neither picked nor promised."""
    open_ = Counter(wishes(connection, found.list))
    open_.subtract(picked(connection, found.tote))
    for share in shares(connection, found.list):
        open_[share.item] -= share.quantity
    return {item: quantity for item, quantity in open_.items() if quantity > 0}
