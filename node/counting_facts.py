"""What the chain says about counts at a height: posted rounds, suspect bins, stock as it was. Derived tables only.

Everything here is a function of the blocks up to that height, so that whoever holds them gets the same.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ledger import calls
from ledger.control import AREA, UNIT, VIRTUAL
from ledger.db import Connection
from ledger.documents import NOT_BLIND, NOT_BOOKABLE, happened_ms
from ledger.ids import OpId
from ledger.plans import Picture
from node.kept import Kept, newest

ROUNDS_KEPT = 10_000
PICTURES_KEPT = 4
COUNTS = (calls.RecordCount.METHOD, calls.PostCount.METHOD)
EVERYTHING = 2**62  # higher than any block: what is recorded and not yet sealed as well


@dataclass(frozen=True, slots=True)
class PostedRound:
    """A round of which every line is posted. `blind`: its counter was told nothing of what the books had, as its
    documents say. `recorded`, `posted`: heights; `counted_s`: its block's time; `done_ms`:
    when its counting was finished, by its document."""

    session: OpId
    bin: str
    round: int
    whole: bool
    stable: bool
    blind: bool
    recorded: int
    posted: int
    counted_s: int
    done_ms: int


_kept: Kept[list[PostedRound]] = Kept(PICTURES_KEPT)


def posted_rounds(connection: Connection, height: int = EVERYTHING) -> list[PostedRound]:
    """Every round that was posted completely by that height, in the order of their recording."""
    version = (*newest(connection, *COUNTS), height)
    return _kept.get(connection, version, lambda: _posted_rounds(connection, height))


def _posted_rounds(connection: Connection, height: int) -> list[PostedRound]:
    rows = connection.execute(
        "WITH posts AS (SELECT count, MAX(height) AS height FROM count_posts WHERE height <= ?1 GROUP BY count),"
        " unposted AS (SELECT count FROM count_lines WHERE posted IS NULL"
        "  UNION ALL SELECT l.count FROM count_posts p CROSS JOIN count_lines l ON l.count = p.count"
        "  AND l.posted = p.op_id WHERE p.height > ?1)"
        " SELECT c.session, c.bin, c.round, MIN(c.whole), MIN(c.stable), MAX(m.mark IS NOT NULL),"
        " MAX(c.height), MAX(p.height), COALESCE(MAX(h.at_ms), 0) FROM counts c"
        " LEFT JOIN posts p ON p.count = c.op_id JOIN operations o ON o.op_id = c.op_id"
        " LEFT JOIN happened h ON h.height = o.height AND h.place = o.place"
        " LEFT JOIN marks m ON m.height = o.height AND m.place = o.place AND m.mark = ?2"
        " WHERE c.height <= ?1 GROUP BY c.session, c.bin,"
        " c.round HAVING MIN(p.count IS NOT NULL AND c.op_id NOT IN unposted) ORDER BY MAX(c.height), c.bin, c.round",
        (height, NOT_BLIND),
    ).fetchall()
    times = _times(connection)
    return [_posted(*row, times.get(row[6], 0)) for row in rows]


# A posted round stays as it is: two thousand made anew for every look at them take longer than to find them.
@lru_cache(maxsize=ROUNDS_KEPT)
def _posted(
    session: bytes,
    bin_: str,
    number: int,
    whole: int,
    stable: int,
    not_blind: int,
    recorded: int,
    posted: int,
    at_ms: int,
    block_s: int,
) -> PostedRound:
    done_ms = happened_ms(at_ms, block_s)
    return PostedRound(
        OpId(session), bin_, number, bool(whole), bool(stable), not not_blind, recorded, posted, block_s, done_ms
    )


def counted_s(rounds: list[PostedRound]) -> dict[str, int]:
    """When each bin was last counted as a whole, in seconds."""
    found: dict[str, int] = {}
    for each in rounds:
        if each.whole:
            found[each.bin] = max(found.get(each.bin, 0), each.counted_s)
    return found


@dataclass(frozen=True, slots=True)
class Doubt:
    """What an act leaves open of a place: of which `items` (none: of all that is there), since when it was done and
    at which operation (height, place) it was recorded."""

    place: str
    items: frozenset[str]
    since: tuple[int, int]
    recorded: tuple[int, int]


def suspects(connection: Connection, rounds: list[PostedRound], height: int = EVERYTHING) -> list[str]:
    """Bins where an act could not be booked, or a count was short, and that nobody has counted since."""
    return sorted({doubt.place for doubt in unsettled(connection, doubts(connection, height), rounds)})


def unsettled(connection: Connection, found: list[Doubt], rounds: list[PostedRound]) -> list[Doubt]:
    """Those of these doubts that no count has ended. A count of the whole place ends what is doubted there, one of
    some items what is doubted of these: by when it happened, for a paper comes in later than it was written. At one
    moment, or where no document says when, the order of recording decides."""
    counted: dict[str, list[PostedRound]] = defaultdict(list)
    for each in rounds:
        counted[each.bin].append(each)
    spoken = _items_of(connection) if any(not each.whole for doubt in found for each in counted[doubt.place]) else {}

    def ends(each: PostedRound, doubt: Doubt) -> bool:
        if not each.whole and not (
            doubt.items and doubt.items <= spoken.get((each.session, each.bin, each.round), set())
        ):
            return False
        return (each.done_ms, each.recorded) >= doubt.since

    return [doubt for doubt in found if not any(ends(each, doubt) for each in counted[doubt.place])]


def doubts(connection: Connection, height: int = EVERYTHING) -> list[Doubt]:
    """Every doubt that there ever was about a place where stock can lie. An exception that names none, as when its
    label was misread, is about where its lines end."""
    rows = connection.execute(
        "WITH places AS (SELECT location FROM locations WHERE kind NOT IN (?3, ?4)),"
        " doubts AS (SELECT e.op_id, e.location, x.item, e.location IN (x.source, x.target) AS here, 0 AS later"
        " FROM exceptions e LEFT JOIN exception_lines x ON x.op_id = e.op_id"
        " UNION ALL SELECT e.op_id, iif(n.value, x.source, x.target), x.item, 1, 0 FROM exceptions e"
        " JOIN exception_lines x ON x.op_id = e.op_id JOIN json_each('[0,1]') n"
        " WHERE e.reason = ?2 OR e.location NOT IN places"
        " UNION ALL SELECT l.posted, c.bin, l.item, 1, 1 FROM count_lines l JOIN counts c ON c.op_id = l.count"
        " WHERE l.missing > 0)"
        " SELECT d.op_id, d.location, d.later, json_group_array(d.item) FILTER (WHERE d.here),"
        " COALESCE(h.at_ms, 0), o.height, o.place FROM doubts d JOIN operations o ON o.op_id = d.op_id"
        " AND o.height <= ?1 LEFT JOIN happened h ON h.height = o.height AND h.place = o.place WHERE d.location IN"
        " places GROUP BY d.op_id, d.location, d.later",
        (height, NOT_BOOKABLE, VIRTUAL, AREA),
    ).fetchall()
    times = _times(connection)
    found = []
    for _, place, later, items, at_ms, recorded, number in rows:
        # A count in the exception's own block may have come after it; a short posting is after its own count.
        since = (happened_ms(int(at_ms), times.get(int(recorded), 0)), int(recorded) + int(later))
        found.append(Doubt(str(place), frozenset(json.loads(items)), since, (int(recorded), int(number))))
    return found


def _items_of(connection: Connection) -> dict[tuple[OpId, str, int], set[str]]:
    """The items that each count of a part of its bin says something of: by session, bin and round."""
    found: dict[tuple[OpId, str, int], set[str]] = defaultdict(set)
    for session, bin_, number, item in connection.execute(
        "SELECT c.session, c.bin, c.round, l.item FROM counts c JOIN count_lines l ON l.count = c.op_id"
        " WHERE NOT c.whole"
    ):
        found[OpId(bytes(session)), str(bin_), int(number)].add(str(item))
    return found


def places_at(connection: Connection, height: int = EVERYTHING) -> dict[str, tuple[int, str]]:
    """Kind and parent of each place as of a height."""
    rows = connection.execute(
        "SELECT location, kind, parent FROM placements WHERE height <= ? ORDER BY location, height", (height,)
    )
    return {str(location): (int(kind), str(parent)) for location, kind, parent in rows}


def picture_at(connection: Connection, height: int = EVERYTHING) -> Picture:
    """The site as it was at a height, as far as plans look at it."""
    expiries = {
        (str(item), str(lot)): str(day)
        for item, lot, day in connection.execute(
            "SELECT item, lot, expiry FROM lots WHERE height <= ? ORDER BY height", (height,)
        )
    }
    rounds = posted_rounds(connection, height)
    return Picture(
        height=height,
        places=places_at(connection, height),
        stock={bin_: frozenset(held) for bin_, held in _stock_at(connection, height).items()},
        counted_s=counted_s(rounds),
        suspects=frozenset(suspects(connection, rounds, height)),
        expiries=expiries,
    )


def zone_at(connection: Connection, zone: str, height: int) -> list[str] | None:
    """The bins and the units with goods of a zone at a height, in order; None where there was no such zone. What
    `picture_at` gives, of nothing else."""
    places = places_at(connection, height)
    if zone not in places:
        return None
    held = _stock_at(connection, height, {place for place, (kind, _) in places.items() if kind == UNIT})
    stock = {unit: frozenset(goods) for unit, goods in held.items()}
    picture = Picture(height=height, places=places, stock=stock, counted_s={}, suspects=frozenset(), expiries={})
    return list(picture.bins([zone]))


def _stock_at(
    connection: Connection, height: int, only: Iterable[str] | None = None
) -> dict[str, set[tuple[str, str]]]:
    """What lay where: what lies there now, with everything since taken back. `only`: of no other places."""
    held: dict[tuple[str, str, str, int], int] = defaultdict(int)
    these = "" if only is None else " WHERE location IN (SELECT value FROM json_each(?1))"
    among = "IN (SELECT value FROM json_each(?2))"
    moved = "" if only is None else f" AND (source {among} OR target {among})"
    places = () if only is None else (json.dumps(sorted(only)),)
    for location, item, lot, status, quantity in connection.execute(f"SELECT * FROM stock{these}", places):  # noqa: S608
        held[location, item, lot, status] = quantity
    for item, lot, status, quantity, source, target in connection.execute(
        f"SELECT item, lot, status, quantity, source, target FROM movements WHERE height > ?1{moved}",  # noqa: S608
        (height, *places),
    ):
        held[source, item, lot, status] += quantity
        held[target, item, lot, status] -= quantity
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for (location, item, lot, _), quantity in held.items():
        if quantity > 0:
            found[location].add((item, lot))
    return found


def _times(connection: Connection) -> dict[int, int]:
    """The time of each block that a count or an exception is in, the pending one included."""
    return {
        int(height): int(time_s)
        for height, time_s in connection.execute(
            "SELECT height, time_s FROM blocks WHERE height IN (SELECT height FROM happened)"
            " UNION SELECT height, time_s FROM journal"
        )
    }
