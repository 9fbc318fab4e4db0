"""Exception documents: what the rules cannot book is sealed all the same, its place is suspect, and a count of it is
ordered in the same transaction. A count that is recorded later, and posted by an approver's signature, ends that.
(product.md, A physical act is never refused after the fact)"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ledger import calls
from ledger.db import Connection
from ledger.documents import NOT_BOOKABLE, Document, part_op_id
from ledger.errors import Rejected
from ledger.ids import VIRTUAL, OpId
from ledger.moves import Line
from node import catalogue
from node.counting_sessions import Sessions, check_name
from node.desk import Person
from node.rounds import give_up_test, open_round
from node.site import Site

# Parts of an act's op_id, beside those in `picking`; parts of its document have lower numbers: the count it orders,
# and the exception of what could not be booked of it while the rest was.
CHECK, REST = 1_002, 1_004


def places_of(lines: Sequence[Line]) -> list[str]:
    """The places that an act in these lines makes suspect: every one that it takes from or brings to, in their order.
    First the one that the exception names, which stands alone where nothing of it was on the site."""
    ends = [end for line in lines for end in (line.source, line.target)]
    return list(dict.fromkeys(end for end in ends if end not in VIRTUAL)) or ends[-1:]


def seal(
    site: Site, connection: Connection, counting: Sessions, op_id: OpId, who: Person, place: str,
    lines: tuple[Line, ...], document: Document, *, also: Iterable[str] = (),
) -> None:  # fmt: skip
    """Keep what happened and could not be booked, and have `place` counted, and where its lines end. `also`: other
    places that are to be counted because of it."""
    stated = calls.ExceptDocument(actor=who.actor, location=place, reason=NOT_BOOKABLE, lines=lines)
    site.record(stated, op_id=op_id, document=document)
    places = (place, *also, *places_of(lines), *pieces_in(connection, lines))
    order_count(connection, counting, op_id, who, places)


def pieces_in(connection: Connection, lines: Sequence[Line]) -> list[str]:
    """Where the books have the pieces of these lines. One that was elsewhere all the same is missing there."""
    pieces = json.dumps([[line.item, line.serial] for line in lines if line.serial])
    rows = connection.execute(
        "SELECT DISTINCT s.location FROM json_each(?) p JOIN serials s ON s.item = p.value ->> 0"
        " AND s.serial = p.value ->> 1 ORDER BY s.location",
        (pieces,),
    )
    return [str(place) for (place,) in rows]


def stated_places(connection: Connection, stated: calls.ExceptDocument) -> list[str]:
    """The places that a stated exception makes suspect: the one it names, or if that is none where its lines end."""
    return [stated.location] if _holds_stock(connection, stated.location) else places_of(stated.lines)


def order_count(
    connection: Connection, counting: Sessions, op_id: OpId, who: Person, places: Iterable[str],
    items: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Have places counted because of the act `op_id`, in one count, with `items` only for these. Nothing where stock
    cannot lie; a place that is in a count already is left to that one: what it does not settle is ordered at its end
    (`Sessions.order_after`)."""
    for place in places:
        give_up_test(connection, place)
    free = [place for place in dict.fromkeys(places) if open_round(connection, place) is None]
    found = [place for place in free if _holds_stock(connection, place)]
    if found:
        wanted = dict.fromkeys(found, items)
        counting.order(connection, part_op_id(op_id, CHECK), who, check_name(wanted), wanted)


def _holds_stock(connection: Connection, place: str) -> bool:
    try:
        catalogue.need_bin(connection, place)
    except Rejected:
        return False
    return True
