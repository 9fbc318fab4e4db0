"""Pick lists as rows: what is wanted, what is promised where, and from where the rest could come.

What is promised and not picked yet is the chain's word (`reservations`); what is picked lies in the list's tote.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import date

from ledger import control
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import CUSTOMER, Actor, OpId
from ledger.moves import FREE, Line, Promised
from node import catalogue, counting_facts
from node.desk import Answer
from node.rounds import blind_bins, counted_now, frozen_bins

Key = tuple[str, str, str]  # location, item, lot


@dataclass(frozen=True, slots=True)
class PickList:
    """`tote`: where its goods are collected, '' before a picker begins; `own`: other totes by person, newest last, of
    those who began without contact what another had begun, or what had ended."""

    list: OpId
    reference: str
    state: str
    picker: Actor | None
    tote: str
    own: tuple[tuple[Actor, str], ...] = ()

    @property
    def totes(self) -> tuple[str, ...]:
        """Everything that is picked into for this list."""
        return tuple(dict.fromkeys(tote for tote in (self.tote, *(tote for _, tote in self.own)) if tote))

    def tote_of(self, actor: Actor) -> str:
        """What this person picks into; '' before anybody has begun."""
        return next((tote for by, tote in reversed(self.own) if by == actor), self.tote)


@dataclass(frozen=True, slots=True)
class Share:
    """What one reservation of a list still has somewhere. `there`: how much of it the free goods there can still be,
    after what was promised of them before: some may be held by now, or were not found by a count."""

    reservation: OpId
    location: str
    item: str
    lot: str
    expiry: str
    quantity: int
    there: int

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
    own = connection.execute("SELECT actor, tote FROM pick_totes WHERE list = ? ORDER BY number", (name.raw,))
    late = tuple((Actor(bytes(actor)), str(tote)) for actor, tote in own)
    found = PickList(name, row[0], row[1], None if row[2] is None else Actor(bytes(row[2])), row[3], late)
    if open_:
        refuse_ended(found)
    return found


def refuse_ended(found: PickList) -> None:
    if found.state != "open":
        raise Rejected(f"this pick list was {found.state} already")


def shares(connection: Connection, name: OpId) -> list[Share]:
    """What is promised and not picked, in the order of picking: place by place, first expired first."""
    rows = connection.execute(
        "SELECT r.reservation, r.location, r.item, r.lot, r.rest, COALESCE((SELECT s.quantity FROM stock s"
        " WHERE s.location = r.location AND s.item = r.item AND s.lot = r.lot AND s.status = r.status), 0)"
        " - COALESCE((SELECT SUM(e.rest) FROM reservations e JOIN operations q ON q.op_id = e.reservation"
        " WHERE e.location = r.location AND e.item = r.item AND e.lot = r.lot AND e.status = r.status"
        " AND e.rest > 0 AND (q.height, q.place) < (o.height, o.place)), 0) FROM pick_reservations p"
        " JOIN reservations r ON r.reservation = p.reservation JOIN operations o ON o.op_id = r.reservation"
        " WHERE p.list = ? AND r.rest > 0",
        (name.raw,),
    ).fetchall()
    found = [
        Share(
            OpId(bytes(row[0])),
            row[1],
            row[2],
            row[3],
            catalogue.expiry_of(connection, row[2], row[3]),
            int(row[4]),
            min(int(row[4]), max(0, int(row[5]))),
        )
        for row in rows
    ]
    return sorted(found, key=lambda each: (each.location, each.item, each.expiry or "9", each.lot, each.quantity))


def wishes(connection: Connection, name: OpId) -> dict[str, int]:
    rows = connection.execute("SELECT item, quantity FROM pick_wishes WHERE list = ? ORDER BY item", (name.raw,))
    return {str(item): int(quantity) for item, quantity in rows}


def picked(connection: Connection, totes_: Iterable[str]) -> dict[str, int]:
    """What lies in some totes and can be issued, by item."""
    rows = connection.execute(
        "SELECT item, SUM(quantity) FROM stock WHERE location IN (SELECT value FROM json_each(?)) AND status = ?"
        " AND quantity > 0 GROUP BY item",
        (json.dumps(list(totes_)), FREE),
    )
    return {str(item): int(quantity) for item, quantity in rows}


def held_in(connection: Connection, tote: str) -> bool:
    """Whether goods lie in a tote that cannot be issued."""
    row = connection.execute(
        "SELECT 1 FROM stock WHERE location = ? AND status <> ? AND quantity > 0", (tote, FREE)
    ).fetchone()
    return row is not None


def totes(connection: Connection) -> set[str]:
    """What is being picked into now."""
    rows = connection.execute(
        "SELECT tote FROM pick_lists WHERE state = 'open'"
        " UNION SELECT t.tote FROM pick_totes t JOIN pick_lists l ON l.list = t.list WHERE l.state = 'open'"
    )
    return {str(tote) for (tote,) in rows}


def refuse_tote(connection: Connection, found: PickList, tote: str) -> None:
    """Refuse to begin a list with this tote: it is another's, or not empty, or nobody may know whether it is."""
    refuse_ended(found)
    if found.totes:
        raise Rejected(f"this list is being picked into {found.totes[0]} already")
    catalogue.need_bin(connection, tote)
    # Whether it is empty is what its count is to find out. A frozen bin is among these.
    if tote in blind_bins(connection):
        raise Rejected(f"{tote} is being counted: take another tote")
    if tote in totes(connection) or picked(connection, (tote,)) or held_in(connection, tote):
        raise Rejected(f"{tote} is not empty: take another tote")


def take_tote(connection: Connection, found: PickList, actor: Actor, tote: str) -> None:
    """Somebody picks into a tote for a list: the list's own, where it has none and no other list has this one."""
    if found.state == "open" and not found.tote and tote not in totes(connection):
        connection.execute(
            "UPDATE pick_lists SET picker = ?, tote = ? WHERE list = ?", (actor.raw, tote, found.list.raw)
        )
    else:
        connection.execute(
            "INSERT OR IGNORE INTO pick_totes (list, actor, tote) VALUES (?, ?, ?)", (found.list.raw, actor.raw, tote)
        )


def in_totes(connection: Connection, totes_: Iterable[str]) -> tuple[Line, ...]:
    """Everything that can be issued from some totes, piece by piece for serials."""
    found: list[Line] = []
    for tote in totes_:
        pieces = connection.execute(
            "SELECT item, lot, serial, 1 FROM serials WHERE location = ? AND status = ? ORDER BY item, serial",
            (tote, FREE),
        ).fetchall()
        tracked = {row[0] for row in pieces}
        loose = connection.execute(
            "SELECT item, lot, '', quantity FROM stock WHERE location = ? AND status = ? ORDER BY item, lot",
            (tote, FREE),
        ).fetchall()
        found += [
            Line(item=item, lot=lot, serial=serial, quantity=int(quantity), source=tote, target=CUSTOMER)
            for item, lot, serial, quantity in [*pieces, *(row for row in loose if row[0] not in tracked)]
        ]
    return tuple(found)


def scanned_for(connection: Connection, name: OpId) -> list[int]:
    """The tasks that hold what was scanned for a list, in order."""
    rows = connection.execute("SELECT task FROM pick_tasks WHERE list = ? ORDER BY task", (name.raw,))
    return [int(task) for (task,) in rows]


def allocate(
    connection: Connection, wanted: dict[str, int], day: date, hidden: Set[str], without: Set[tuple[str, str]]
) -> tuple[list[Promised], dict[str, int]]:
    """Where so much of each item could be taken: first expired first, then place by place; and what is missing.

    Left out are lots that have expired by the `day`, bins that somebody counts just now or that are frozen or
    `hidden` from whoever asks, closed places, other pickers' totes, and `without`: pairs of a location and an item.
    """
    taken = counted_now(connection) | frozen_bins(connection) | totes(connection) | set(hidden)
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
            (catalogue.expiry_of(connection, item, lot) or "9999", str(location), str(lot), int(left))
            for location, lot, left in rows
            if left > 0 and location not in taken and (location, item) not in without
        ]
        for expiry, location, lot, left in sorted(free):
            if quantity and expiry >= today:
                part = min(left, quantity)
                quantity -= part
                found.append(Promised(item=item, lot=lot, quantity=part, location=location))
        if quantity:
            missing[item] = quantity
    return found, missing


def short_places(connection: Connection, name: OpId) -> set[tuple[str, str]]:
    """Where which item was not when a list came for it, unless that place was counted since."""
    rows = connection.execute(
        "SELECT DISTINCT location, item FROM pick_shorts WHERE list = ?", (name.raw,)
    ).fetchall()
    if not rows:
        return set()
    suspect = counting_facts.suspects(connection, counting_facts.posted_rounds(connection))
    return {(str(location), str(item)) for location, item in rows if location in suspect}


def still_wanted(connection: Connection, found: PickList) -> dict[str, int]:
    """What is neither picked nor promised."""
    open_ = Counter(wishes(connection, found.list))
    open_.subtract(picked(connection, found.totes))
    for share in shares(connection, found.list):
        open_[share.item] -= share.there
    return {item: quantity for item, quantity in open_.items() if quantity > 0}


def instead(promised: list[Share], here: list[Share], own: OpId | None, quantity: int) -> list[tuple[Share, int]]:
    """What a pick of `quantity` leaves promised although it is picked now: what came from another bin or lot, or what
    another reservation of the list has of this one. `own`: the reservation that it used up itself."""
    covered = sum(share.quantity for share in here if share.reservation == own)
    over = max(0, quantity - covered)
    found = []
    others = [share for share in here if share.reservation != own] + [each for each in promised if each not in here]
    for share in others:
        part = min(over, share.quantity)
        if part:
            found.append((share, part))
            over -= part
    return found


def shown(connection: Connection, share: Share) -> Answer:
    """A share as its picker reads it."""
    item = catalogue.need_item(connection, share.item)
    return {
        "location": share.location,
        "stands_in": catalogue.stands_in(connection, share.location),
        "item": share.item,
        "name": item.name,
        "lot": share.lot,
        "expiry": share.expiry,
        "quantity": share.there,
        "unit": item.unit,
        "decimals": item.decimals,
        "serials": item.has_serials,
    }
