"""Lists that can be long, a page at a time, each from a read-only connection of the caller's.

Every function takes the key after which to go on (None: from the beginning) and how many rows are wanted, and answers
that many and one more if there is one, each with its key: rows that come or go meanwhile neither repeat nor hide
another one. Lists of things go by their code, lists of events from the newest back. An index leads to each page.

`hidden` are the bins whose stock the asker must not learn (`Counting.blind_bins`). They are left out in the query and
not afterwards: a page that is a row short would tell of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ledger import control
from ledger.db import Connection
from ledger.ids import VIRTUAL
from ledger.moves import STATUSES
from node import catalogue, numbers, proofs, streams
from node.desk import Answer

Key: TypeAlias = tuple[Any, ...]
Found: TypeAlias = list[tuple[Key, Answer]]

KINDS = {control.BIN: "bin", control.VIRTUAL: "virtual", control.UNIT: "unit", control.CLOSED: "closed",
         control.AREA: "area"}  # fmt: skip
LOCATIONS = "locations"
# Where a place lies, but for a unit in one of those that are hidden.
_STANDS = f"iif(kind = {catalogue.UNIT} AND parent IN (SELECT value FROM json_each(?1)), '', parent)"  # noqa: S608
_WORDS_OF = "coalesce((SELECT words FROM named WHERE stream = 'locations' AND key = location), lower(location))"
_LAST = "\U0010ffff"
_NEWEST = 2**62
# As many operations with a number are sorted; of more than that the newest are picked out of all.
FEW = 1_000
_NAMED = "referred r {} CROSS JOIN operations ON operations.height = r.height AND operations.place = r.place"
_NAMES = ("EXISTS (SELECT 1 FROM referred r WHERE r.height = operations.height AND r.place = operations.place"
          " AND r.number >= ? AND r.number < ?)")  # fmt: skip
_HIDDEN = "(SELECT value FROM json_each(?))"
_VISIBLE = "source NOT IN (SELECT value FROM json_each(?)) AND target NOT IN (SELECT value FROM json_each(?))"
# Of the tables in which something happens: the columns of a row, and which rows may be seen.
_COLUMNS = {
    "movements": ("item, lot, serial, status, quantity, source, target, height, place, line, 1, ''", _VISIBLE),
    "stated": ("item, lot, serial, status, quantity, location, location, height, place, line, 0, ''",
               f"location NOT IN {_HIDDEN}"),
    "unit_moves": ("'', '', '', 0, 0, source, target, height, place, line, 1, unit",
                   f"{_VISIBLE} AND unit NOT IN {_HIDDEN}"),
    "carried": ("item, lot, serial, status, quantity, source, target, height, place, line, 1, unit",
                f"{_VISIBLE} AND unit NOT IN {_HIDDEN}"),
}  # fmt: skip
# When: a block's sealing, and of what is in none yet when it was recorded.
_HEIGHTS = (
    "SELECT MIN(height), MAX(height) FROM (SELECT height FROM blocks WHERE sealed_at_ms >= ? AND sealed_at_ms < ?"
    " UNION ALL SELECT height FROM journal WHERE recorded_at_ms >= ? AND recorded_at_ms < ?)"
)
_AT = (
    "coalesce((SELECT sealed_at_ms >= ? AND sealed_at_ms < ? FROM blocks b WHERE b.height = operations.height),"
    " op_id IN (SELECT op_id FROM journal WHERE recorded_at_ms >= ? AND recorded_at_ms < ?))"
)
_OF_OPERATION = ("op_id", "call", "actor", "state", "at_ms", "marks")
_MOVE_NAMES = ("item", "lot", "serial", "status", "quantity", "source", "target", "height")


def items(
    connection: Connection, hidden: Iterable[str], after: Key | None, most: int, beginning: str = "", search: str = ""
) -> Found:
    """Items whose code begins so, or whose code or name has each word of `search`, with what lies here of each, held
    stock included: key (item)."""
    (last,) = after or ("",)
    bounds = (last, beginning, beginning + _LAST)
    sides = ["SELECT key FROM streams WHERE stream = 'catalogue' AND key > ? AND key >= ? AND key < ?",
             "SELECT item FROM items WHERE item > ? AND item >= ? AND item < ?"]  # fmt: skip
    words = search.casefold().split()
    if words:
        sides[0] = sides[0].replace("streams", "named") + " AND instr(words, ?)" * len(words)
        sides[1] += " AND instr(lower(item), ?)" * len(words)
    codes = connection.execute(
        f"{' UNION '.join(sides)} ORDER BY 1 LIMIT ?", (*bounds, *words, *bounds, *words, most + 1)
    ).fetchall()
    skus = [str(code) for (code,) in codes]
    held = _totals(connection, skus, hidden)
    found: Found = []
    for sku in skus:
        total, free = held.get(sku, (0, 0))
        found.append(((sku,), {**facts_of(catalogue.need_item(connection, sku)), "quantity": total, "free": free}))
    return found


def facts_of(item: catalogue.Item) -> Answer:
    """What an item is, without how much of it there is."""
    return {
        "item": item.sku,
        "name": item.name,
        "unit": item.unit,
        "decimals": item.decimals,
        "lots": item.has_lots,
        "serials": item.has_serials,
        "by_weight": item.by_weight,
    }


def _totals(connection: Connection, skus: Sequence[str], hidden: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Item -> (all, free) at the places of the floor that may be told of."""
    rows = connection.execute(
        "SELECT item, SUM(quantity), SUM(CASE status WHEN 0 THEN quantity ELSE 0 END) FROM stock"
        " WHERE item IN (SELECT value FROM json_each(?)) AND location NOT IN (SELECT value FROM json_each(?))"
        " GROUP BY item",
        (json.dumps(skus), json.dumps([*hidden, *VIRTUAL])),
    ).fetchall()
    return {str(item): (int(total), int(free)) for item, total, free in rows}


def total_of(connection: Connection, sku: str, hidden: Iterable[str], lot: str = "") -> Answer:
    """How much of an item or of one lot of it lies on the floor, held stock included: {quantity, free}."""
    total, free = connection.execute(
        "SELECT coalesce(SUM(quantity), 0), coalesce(SUM(CASE status WHEN 0 THEN quantity ELSE 0 END), 0) FROM stock"
        " WHERE item = ?1 AND (?2 = '' OR lot = ?2) AND location NOT IN (SELECT value FROM json_each(?3))",
        (sku, lot, json.dumps([*hidden, *VIRTUAL])),
    ).fetchone()
    return {"quantity": int(total), "free": int(free)}


def stock_of(
    connection: Connection, sku: str, hidden: frozenset[str], after: Key | None, most: int, lot: str = ""
) -> Found:
    """Where how much of an item, or of one lot of it, lies on the floor: key (location, lot, status)."""
    rows = connection.execute(
        "SELECT location, lot, status, quantity FROM stock WHERE item = ? AND (location, lot, status) > (?, ?, ?)"
        " AND ? IN ('', lot) AND location NOT IN (SELECT value FROM json_each(?))"
        " ORDER BY location, lot, status LIMIT ?",
        (sku, *(after or ("", "", -1)), lot, json.dumps([*hidden, *VIRTUAL]), most + 1),
    ).fetchall()
    stands = {row[0]: catalogue.stands_in(connection, row[0]) for row in rows}
    return [
        (
            row[:3],
            {"location": row[0], "stands_in": "" if stands[row[0]] in hidden else stands[row[0]], "lot": row[1],
             "status": STATUSES[row[2]], "quantity": row[3]},
        )
        for row in rows
    ]  # fmt: skip


def stock_in(connection: Connection, bin_: str, after: Key | None, most: int) -> Found:
    """What lies in a location: key (item, lot, status)."""
    rows = connection.execute(
        "SELECT item, lot, status, quantity FROM stock WHERE location = ? AND (item, lot, status) > (?, ?, ?)"
        " ORDER BY item, lot, status LIMIT ?",
        (bin_, *(after or ("", "", -1)), most + 1),
    ).fetchall()
    names = {sku: catalogue.item(connection, sku) for sku in {row[0] for row in rows}}
    return [
        (
            row[:3],
            {"item": row[0], "name": _name(names[row[0]]), "lot": row[1], "status": STATUSES[row[2]],
             "quantity": row[3], "decimals": _decimals(names[row[0]])},
        )
        for row in rows
    ]  # fmt: skip


def serials_in(connection: Connection, bin_: str, after: Key | None, most: int) -> Found:
    """The pieces in a location: key (item, serial)."""
    rows = connection.execute(
        "SELECT item, serial, lot, status FROM serials WHERE location = ? AND (item, serial) > (?, ?)"
        " ORDER BY item, serial LIMIT ?",
        (bin_, *(after or ("", "")), most + 1),
    ).fetchall()
    return [(row[:2], {"item": row[0], "serial": row[1], "lot": row[2], "status": STATUSES[row[3]]}) for row in rows]


def moves_of(
    connection: Connection, sku: str, hidden: Iterable[str], after: Key | None, most: int, lot: str = "",
    serial: str = "",
) -> Found:  # fmt: skip
    """What happened to an item, or to one lot or piece of it, also on a unit that went, newest first: key (height,
    place, line)."""
    # That it is not empty has to be said, or the index of those that are not is not used.
    about = {"item": sku, **{name: value for name, value in (("lot", lot), ("serial", serial)) if value}}
    clauses = " AND ".join(f"{name} = ? AND {name} <> ''" for name in about)
    sides = [(table, clauses, tuple(about.values())) for table in ("movements", "stated", "carried")]
    return _moves(connection, _newest(connection, sides, hidden, after, most))


def moves_at(connection: Connection, bin_: str, hidden: Iterable[str], after: Key | None, most: int) -> Found:
    """Booked lines from or to a location, the units that came or went, and the counts and exceptions of it, newest
    first: key (height, place, line). Of a unit also where it went itself."""
    sides = [
        ("movements", "source = ?", (bin_,)),
        ("movements", "target = ?", (bin_,)),
        ("stated", "location = ? AND item = ''", (bin_,)),
        *(("unit_moves", f"{end} = ?", (bin_,)) for end in ("source", "target", "unit")),
    ]
    return _moves(connection, _newest(connection, sides, hidden, after, most))


Side: TypeAlias = tuple[str, str, tuple[str, ...]]


def _newest(
    connection: Connection, sides: Iterable[Side], hidden: Iterable[str], after: Key | None, most: int
) -> list[Any]:
    """Lists that an index has in order, merged, each (table, condition, its values): with OR the whole life of a dock
    would have to be sorted."""
    bins, found = json.dumps(list(hidden)), set()
    for table, condition, values in sides:
        columns, visible = _COLUMNS[table]
        found |= set(
            connection.execute(
                f"SELECT {columns} FROM {table} WHERE {condition} AND (height, place, line) < (?, ?, ?)"  # noqa: S608
                f" AND {visible} ORDER BY height DESC, place DESC, line DESC LIMIT ?",
                (*values, *(after or (_NEWEST, 0, 0)), *[bins] * visible.count("?"), most + 1),
            ).fetchall()
        )
    return sorted(found, key=lambda row: row[7:10], reverse=True)[: most + 1]


def _moves(connection: Connection, rows: Sequence[Sequence[Any]]) -> Found:
    """Lines with the operation that each belongs to: what it was, when, and how far its proof is."""
    booked = [
        connection.execute(
            "SELECT op_id, height, place, call, actor FROM operations WHERE height = ? AND place = ?", key
        ).fetchone()
        for key in {(row[7], row[8]) for row in rows}
    ]
    items = {sku: catalogue.item(connection, sku) for sku in {row[0] for row in rows}}
    operations = dict(operation_rows(connection, [row for row in booked if row is not None]))
    return [
        (
            (row[7], row[8], row[9]),
            {
                **dict(zip(_MOVE_NAMES, row, strict=False)),
                "moved": bool(row[10]),
                "unit": row[11],
                "status": STATUSES[row[3]],
                "decimals": _decimals(items[row[0]]),
                **{name: operations[row[7], row[8]][name] for name in _OF_OPERATION},
            },
        )
        for row in rows
    ]


def locations(
    connection: Connection, after: Key | None, most: int, beginning: str = "", parent: str | None = None,
    search: str = "", hidden: frozenset[str] = frozenset(),
) -> Found:  # fmt: skip
    """Places whose code begins so, or that lie in `parent`, or whose code or name has each word of `search`: key
    (location). `hidden`: of a unit in one of these nobody is told where it stands."""
    (last,) = after or ("",)
    words = search.casefold().split()
    rows = connection.execute(
        f"SELECT location, kind, {_STANDS} FROM locations WHERE location > ? AND location >= ? AND location < ?"  # noqa: S608
        f" AND (? IS NULL OR {_STANDS} = ?){f' AND instr({_WORDS_OF}, ?)' * len(words)} ORDER BY location LIMIT ?",
        (json.dumps(sorted(hidden)), last, beginning, beginning + _LAST, parent, parent, *words, most + 1),
    ).fetchall()
    return [((row[0],), _place(connection, row)) for row in rows]


def location(connection: Connection, code: str, hidden: frozenset[str] = frozenset()) -> Answer | None:
    """One place, or None when the site has no such; see `locations`."""
    row = connection.execute(
        f"SELECT location, kind, {_STANDS} FROM locations WHERE location = ?2",  # noqa: S608
        (json.dumps(sorted(hidden)), code),
    ).fetchone()
    return None if row is None else _place(connection, row)


def _place(connection: Connection, row: Sequence[Any]) -> Answer:
    said = streams.get(connection, LOCATIONS, row[0])
    name = said.get("name", "") if isinstance(said, dict) else ""
    return {
        "location": row[0],
        "kind": KINDS[row[1]],
        "parent": row[2],
        "name": name if isinstance(name, str) else "",
    }


def typed(connection: Connection, text: str) -> tuple[str, str]:
    """What is meant by a whole code that a person typed, in whatever case: ("item", code), ("bin", code), or two
    empty texts for nothing, and for several that differ by their case alone. An item comes before a bin."""
    small = text.casefold()
    # Words begin with the code and a space (`streams.put`); "!" comes after that. What has no name is not among them.
    asked = (f"{small} ", f"{small}!", text)
    items = connection.execute(
        "SELECT key FROM named WHERE stream = 'catalogue' AND words >= ? AND words < ?"
        " UNION SELECT item FROM items WHERE lower(item) = lower(?)", asked
    )  # fmt: skip
    bins = connection.execute(
        f"SELECT location FROM locations WHERE kind IN ({control.BIN}, {control.CLOSED})"  # noqa: S608 - our own words
        " AND location IN (SELECT key FROM named WHERE stream = 'locations' AND words >= ? AND words < ?"
        " UNION SELECT location FROM locations WHERE lower(location) = lower(?))", asked
    )  # fmt: skip
    for kind, rows in (("item", items), ("bin", bins)):
        alike = [code for (code,) in rows if code.casefold() == small]
        if alike:
            return (kind, text) if text in alike else (kind, alike[0]) if len(alike) == 1 else ("", "")
    return "", ""


def is_bare_bin(connection: Connection, text: str) -> bool:
    """Whether a label with nothing before its code can only be that of a bin: goods have numbers of every kind, and
    that of an item, a lot or a piece is none."""
    row = connection.execute("SELECT kind FROM locations WHERE location = ?", (text,)).fetchone()
    if row is None or row[0] not in (control.BIN, control.CLOSED) or catalogue.item(connection, text) is not None:
        return False
    goods = "SELECT 1 FROM serials WHERE serial = ?1 UNION SELECT 1 FROM stock WHERE lot = ?1 AND lot <> ''"
    return connection.execute(goods, (text,)).fetchone() is None


# ---------------------------------------------------------------- operations


@dataclass(frozen=True, slots=True)
class Sought:
    """Which operations are looked for. `kinds`: any of these calls, () for all; from `from_ms` on, and before
    `until_ms`, of the time that a row says; `beginning`: of their ids, in hex; `reference`: of a number on a
    paper that they name (`node/numbers`)."""

    actor: bytes | None = None
    kinds: tuple[str, ...] = ()
    from_ms: int | None = None
    until_ms: int | None = None
    beginning: str = ""
    reference: str = ""


ALL = Sought()


def operations(connection: Connection, after: Key | None, most: int, sought: Sought = ALL) -> Found:
    """The site's operations, or those that are looked for, newest first: key (height, place).

    {op_id, height, place, call, actor (hex, "" for nobody), state, at_ms: recorded, later sealed, marks}
    """
    first = after or (_NEWEST, 0)
    number = numbers.folded(sought.reference)
    bounds = (number, number + _LAST)
    where, of = "operations", "operations"
    clauses: list[str] = []
    values: list[Any] = []
    if sought.beginning:
        # Few have it: they are found by their ids, and none of the other indexes is to be walked for them.
        clauses.append("op_id >= ? AND op_id <= ?")
        values += [bytes.fromhex(sought.beginning.ljust(32, filling)) for filling in "0f"]
        of = "+operations"
        if number:
            clauses.append(_NAMES)
            values += bounds
    elif number:
        where, of = (
            _NAMED.format("INDEXED BY referred_number" if _are_few(connection, bounds) else "NOT INDEXED"),
            "r",
        )
        clauses.append("number >= ? AND number < ?")
        values += bounds
    if sought.actor is not None:
        clauses.append(f"{of}.actor = ?")
        values.append(sought.actor)
    if sought.kinds:
        # Several are picked out of what comes newest first: their index would have all of them sorted.
        one = len(sought.kinds) == 1
        clauses.append(f"{of}.call = ?" if one else f"+{of}.call IN ({', '.join('?' * len(sought.kinds))})")
        values += sought.kinds
    if (sought.from_ms, sought.until_ms) != (None, None):
        span = (sought.from_ms or 0, _NEWEST if sought.until_ms is None else sought.until_ms)
        least, last = connection.execute(_HEIGHTS, (*span, *span)).fetchone()
        if least is None:
            return []
        # A clock may have gone back: within these blocks each is asked.
        clauses += [f"{of}.height >= ?", _AT]
        values += [least, *span, *span]
        first = min(first, (last + 1, 0))
    rows = connection.execute(
        # An operation can have several numbers that begin so.
        f"SELECT {'DISTINCT ' if of == 'r' else ''}op_id, {of}.height, {of}.place, {of}.call, {of}.actor FROM {where}"  # noqa: S608
        f" WHERE {''.join(f'{each} AND ' for each in clauses)}({of}.height, {of}.place) < (?, ?)"
        f" ORDER BY {of}.height DESC, {of}.place DESC LIMIT ?",
        (*values, *first, most + 1),
    ).fetchall()
    return operation_rows(connection, rows)


def _are_few(connection: Connection, bounds: Sequence[str]) -> bool:
    (count,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM referred WHERE number >= ? AND number < ? LIMIT ?)", (*bounds, FEW + 1)
    ).fetchone()
    return int(count) <= FEW


def operations_on(connection: Connection, sku: str, hidden: Iterable[str], after: Key | None, most: int) -> Found:
    """Operations that booked lines of an item, newest first: key (height, place)."""
    bins = json.dumps(list(hidden))
    rows = connection.execute(
        "SELECT o.op_id, o.height, o.place, o.call, o.actor FROM (SELECT DISTINCT height, place FROM movements"  # noqa: S608
        f" WHERE item = ? AND (height, place) < (?, ?) AND {_VISIBLE} ORDER BY height DESC, place DESC LIMIT ?) m"
        " JOIN operations o ON o.height = m.height AND o.place = m.place ORDER BY m.height DESC, m.place DESC",
        (sku, *(after or (_NEWEST, 0)), bins, bins, most + 1),
    ).fetchall()
    return operation_rows(connection, rows)


def operation_rows(connection: Connection, rows: Sequence[Sequence[Any]]) -> Found:
    """Operations of (op_id, height, place, call, actor), in that order: key (height, place)."""
    progress = proofs.progress(connection)
    heights = {row[1] for row in rows if row[1] < progress.sealed}
    sealed_ms: dict[int, int] = dict(
        connection.execute(
            "SELECT height, sealed_at_ms FROM blocks WHERE height IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(heights)),),
        ).fetchall()
    )
    recorded_ms: dict[bytes, int] = {}
    if any(row[1] >= progress.sealed for row in rows):
        recorded_ms = dict(connection.execute("SELECT op_id, recorded_at_ms FROM journal").fetchall())
    keys = [(row[1], row[2]) for row in rows]
    marks = of_documents(connection, "SELECT height, place, number, mark FROM marks", keys)
    return [
        (
            (height, place),
            {
                "op_id": bytes(op_id).hex(),
                "height": height,
                "place": place,
                "call": call,
                "actor": "" if actor is None else bytes(actor).hex(),
                "state": progress.state(height),
                "at_ms": sealed_ms.get(height, recorded_ms.get(op_id)),
                "marks": marks.get((height, place), []),
            },
        )
        for op_id, height, place, call, actor in rows
    ]


def of_documents(connection: Connection, select: str, keys: Iterable[Key]) -> dict[Key, list[str]]:
    """By the (height, place) of these operations what a table has of their documents. `select`: height, place, order,
    text from it."""
    rows = connection.execute(
        f"{select} WHERE (height, place) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",  # noqa: S608 - our own words
        (json.dumps([list(key) for key in keys]),),
    )
    found: dict[Key, list[str]] = {}
    for height, place, _, said in sorted(rows):
        found.setdefault((height, place), []).append(str(said))
    return found


def marks_of(connection: Connection, height: int, place: int) -> list[str]:
    """How an operation came about, as its document says."""
    found = connection.execute(
        "SELECT mark FROM marks WHERE height = ? AND place = ? ORDER BY number", (height, place)
    ).fetchall()
    return [str(mark) for (mark,) in found]


def _name(item: catalogue.Item | None) -> str:
    return "" if item is None else item.name


def _decimals(item: catalogue.Item | None) -> int:
    return 0 if item is None else item.decimals
