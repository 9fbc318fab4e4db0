"""How much waits for a person, by the work that it is: numbers alone, for the start page.

What a role may not see is not counted for it. A number beyond COUNTED_MAX says no more than that there are many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.db import Connection
from ledger.people import ADMIN, APPROVE, COUNT, ISSUE, RECEIVE, TRANSFER
from node import drafts, orders, throttle, transit
from node.desk import Person

if TYPE_CHECKING:
    from node.floor import Floor

COUNTED_MAX = 100


def of(floor: Floor, connection: Connection, who: Person, now_ms: int) -> dict[str, int]:
    """{what waits: how many}, without those that are none. `until_ms` is no number: when the first of one's bins is
    due, if one is."""
    found: dict[str, int] = {}
    if who.has(COUNT):
        bins = floor.counting.mine(connection, who, COUNTED_MAX)
        due = [each["deadline_ms"] for each in bins if each["deadline_ms"]]
        found |= {"count": len(bins), "overdue": sum(bool(each["overdue"]) for each in bins)}
        found["until_ms"] = min((each for each in due if each > now_ms), default=0)
    if who.has(APPROVE):
        (in_review,) = connection.execute(
            "SELECT COUNT(*) FROM count_bins b JOIN count_sessions s ON s.session = b.session"
            " WHERE b.state = 'review' AND s.state = 'active'"
        ).fetchone()
        found["review"] = int(in_review)
        found["codes"] = floor.parking.left_count(connection)
        found["sign"] = floor.stock.proposals.count_for(
            connection, who, floor.counting.blind_bins(connection, who), COUNTED_MAX
        )
    if who.has(RECEIVE):
        found["deliveries"] = len(floor.deliveries.waiting(connection, who, most=COUNTED_MAX))
    if who.has(TRANSFER):
        found["arrivals"] = transit.arrivals(connection, floor.site.identity.origin.site, COUNTED_MAX)
    if who.has(ISSUE):
        (lists,) = connection.execute("SELECT COUNT(*) FROM pick_lists WHERE state = 'open'").fetchone()
        found["lists"], found["orders"] = int(lists), len(orders.waiting(connection, who, most=COUNTED_MAX))
    if who.has(ADMIN | APPROVE):
        found["locked"] = throttle.waiting(connection)
    for draft in floor.drafts.begun(connection, who):
        name = f"begun:{drafts.work_of(draft['name'])}"
        found[name] = found.get(name, 0) + draft["lines"]
    return {name: number for name, number in found.items() if number}
