"""Plain reads that several pages and answers share. Quantities come from the floor's look-ups, which are blind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.control import AREA
from ledger.db import Connection
from ledger.ids import Actor, OpId
from ledger.people import COUNT
from node import parts, proofs
from node.desk import Person
from node.operators import Operators
from web.node_words import call_words

LIST_MAX = 200
# What nobody did with goods: log-ins, keys, the hub's records, and what is only stated. True, proven, of no use on a
# start page.
HOUSEKEEPING = ("record", "bind", "apply", "record_part")


def newest_operations(connection: Connection, most: int, *, goods_only: bool = False) -> list[dict[str, Any]]:
    """The latest operations of the site, newest first, each with its place on the proof ladder; a document that came
    in parts is one of them."""
    left_out = HOUSEKEEPING if goods_only else ()
    rows = connection.execute(
        "SELECT op_id, height, call FROM operations"  # noqa: S608 - our own words
        f" WHERE call NOT IN ({', '.join('?' * len(left_out))}) ORDER BY height DESC, place DESC LIMIT ?",
        (*left_out, min(most, LIST_MAX)),
    ).fetchall()
    progress = proofs.progress(connection)
    found: dict[str, dict[str, Any]] = {}
    for raw, height, call in rows:
        op_id, what = bytes(raw).hex(), call
        part = parts.one(connection, OpId(bytes(raw))) if goods_only and call == "book_part" else None
        if part is not None:
            op_id, what = str(part.whole), part.call
        # The newest part comes first and says how far the whole is.
        found.setdefault(
            op_id, {"op_id": op_id, "height": height, "what": call_words(what), "state": progress.state(height)}
        )
    return list(found.values())


def call_and_time(connection: Connection, op_id: bytes) -> tuple[str, int | None]:
    """What an operation was, and when it was recorded or, later, its block sealed; ("", None) for an unknown one."""
    row = connection.execute(
        "SELECT o.call, coalesce(j.recorded_at_ms, b.sealed_at_ms) FROM operations o"
        " LEFT JOIN journal j ON j.op_id = o.op_id LEFT JOIN blocks b ON b.height = o.height WHERE o.op_id = ?",
        (op_id,),
    ).fetchone()
    return ("", None) if row is None else (str(row[0]), row[1])


def scanners_of(connection: Connection, who: Person) -> list[str]:
    """The names of the scanners whose reads are this person's."""
    rows = connection.execute(
        "SELECT device FROM bound_devices WHERE actor = ? AND device NOT LIKE 'tablet-%' ORDER BY device",
        (who.actor.raw,),
    ).fetchall()
    return [str(row[0]) for row in rows]


def bins_to_count(connection: Connection, beginning: str) -> list[str]:
    """Bins whose code begins so and that are in no unfinished count, in order."""
    rows = connection.execute(
        "SELECT location FROM locations WHERE kind IN (1, 4) AND substr(location, 1, length(?1)) = ?1"
        " AND location NOT IN (SELECT b.bin FROM count_bins b JOIN count_sessions s ON s.session = b.session"
        " WHERE s.state IN ('draft', 'active') AND b.state NOT IN ('posted', 'uncounted'))"
        " ORDER BY location",
        (beginning,),
    ).fetchall()
    return [str(row[0]) for row in rows]


def areas_of(connection: Connection) -> list[str]:
    """The areas of the site, in order."""
    rows = connection.execute("SELECT location FROM locations WHERE kind = ? ORDER BY location", (AREA,)).fetchall()
    return [str(row[0]) for row in rows]


def counters(connection: Connection, people: Operators) -> list[tuple[str, str]]:
    """Whoever may count now: id and name, in the order of their names."""
    rows = connection.execute("SELECT actor FROM rights WHERE roles & ? AND NOT revoked", (COUNT,)).fetchall()
    found = [actor for (raw,) in rows if people.with_rights(connection, actor := Actor(bytes(raw))) is not None]
    return sorted(((str(actor), people.name_of(connection, actor)) for actor in found), key=lambda each: each[1])


def persons(connection: Connection, people: Operators) -> list[tuple[str, str]]:
    """Everyone whom the chain knows here: id and name, in the order of their names."""
    found = [Actor(bytes(actor)) for (actor,) in connection.execute("SELECT actor FROM people").fetchall()]
    return sorted(((str(actor), people.name_of(connection, actor)) for actor in found), key=lambda each: each[1])


def decided_on(review: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The round of a bin's review that is decided on: the chosen one or the newest; None without any."""
    number = review.get("chosen", {}).get("round")
    return next((each for each in reversed(review["rounds"]) if number in (None, each["round"])), None)


def variance(rounds: Sequence[Mapping[str, Any]], speaking: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """A bin's lines with every round's count beside expected and difference of the round that is decided on.

    `counted` holds one entry a round: a number, or None where that round has no such line.
    """
    if speaking is None:
        return []
    keys = ("item", "lot", "serial", "status")
    by_round = [{tuple(line[name] for name in keys): line for line in each["lines"]} for each in rounds]
    said = by_round[rounds.index(speaking)]
    ordered = [*said, *(key for found in by_round for key in found if key not in said)]
    lines = []
    for key in dict.fromkeys(ordered):
        line = said.get(key)
        known = line or next(found[key] for found in by_round if key in found)
        lines.append(
            {
                **{name: known[name] for name in (*keys, "name", "unit", "decimals", "line")},
                "counted": [found[key]["counted"] if key in found else None for found in by_round],
                "expected": None if line is None else line["expected"],
                "difference": None if line is None else line["difference"],
                "value_minor": None if line is None else line["value_minor"],
                "currency": known["currency"],
                "over": "" if line is None else line["over"],
                "posted": line is not None and line["posted"],
                **{name: known[name] for name in ("expiry", "lot_expiry") if name in known},
                **_left(line),
            }
        )
    return lines


def _left(line: Mapping[str, Any] | None) -> dict[str, Any]:
    """What accepted relocations leave of a line's difference; `relocated` when that is nothing."""
    if line is None or not line["difference"]:
        return {"left": 0, "relocated": False}
    size = abs(line["difference"]) - line["relocated"]
    return {"left": size if line["difference"] > 0 else -size, "relocated": size == 0}
