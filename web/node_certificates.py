"""The page on which a zone is certified: whether each of its bins was counted as a whole, by which blocks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from ledger import certificates
from ledger.db import Connection
from ledger.errors import Rejected
from node.desk import Person
from web.excerpts import excerpt
from web.languages import said
from web.node_app import NodeParts
from web.node_views import LIST_MAX, areas_of


def shown(parts: NodeParts, who: Person, asked: Mapping[str, str]) -> dict[str, Any]:
    """What the page says of the zone that is asked for, if any: `zone`; `since`, a day of the site, or `from`, a
    block, before which no count covers; `height`: as of this block instead of the newest. `covered`: the counted bins
    and units, `stable` and `blind` None for a unit that nobody opened; `not_blind`: how many bins were not counted
    blind."""
    zone, day = asked.get("zone", "")[:31].strip(), asked.get("since", "")[:10]
    with parts.site.reading() as connection:
        page: dict[str, Any] = {"wanted": zone, "since": day, "areas": areas_of(connection), "one": None, "wrong": ""}
        if not zone:
            return page
        try:
            begin = _number(asked.get("from"))
            if begin is None:
                begin = _last_before(connection, day, parts.floor.desk.start_of)
            found = parts.floor.counting.certificates.show(connection, who, zone, begin, _number(asked.get("height")))
        except Rejected as error:
            return {**page, "since": "", "wrong": said(error)}
        made = found["certificate"]
        rows = [
            (each["bin"], each["recorded"], each["counts"][0], each["stable"], each["blind"]) for each in made["bins"]
        ]
        rows += [(each["unit"], each["recorded"], each["operation"], None, None) for each in made["sealed"]]
        covered = excerpt(rows)
        at_ms = _sealed_at(connection, {row[1] for row in covered.rows} | {made["height"], made["since"]})
        shown = [
            {"place": place, "at_ms": at_ms.get(recorded), "operation": operation, "stable": stable, "blind": blind}
            for place, recorded, operation, stable, blind in covered.rows
        ]
        return {
            **page,
            "one": made,
            "noted": found["noted"],
            "digest": found["digest"],
            "at_ms": at_ms.get(made["height"]),
            "begun_ms": at_ms.get(made["since"]) if made["since"] else None,
            "covered": replace(covered, rows=shown),
            "not_blind": len(certificates.not_blind(made)),
            "places": len(rows) + len(made["missing"]),
            "most": LIST_MAX,
        }


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _last_before(connection: Connection, day: str, start_of: Callable[[date], int]) -> int:
    """The last block before a day of the site began; 0 for no day. Raises Rejected for what is no day."""
    if not day:
        return 0
    try:
        first = date.fromisoformat(day)
    except ValueError:
        raise Rejected(f"{day} is no date: say it as YYYY-MM-DD") from None
    (height,) = connection.execute(
        "SELECT coalesce(max(height), 0) FROM blocks WHERE time_s < ?", (start_of(first) // 1000,)
    ).fetchone()
    return int(height)


def _sealed_at(connection: Connection, heights: set[int]) -> dict[int, int]:
    """When those of these blocks that are here were sealed, in Unix milliseconds."""
    rows = connection.execute(
        "SELECT height, time_s * 1000 FROM blocks WHERE height IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(heights)),),
    )
    return {int(height): int(at_ms) for height, at_ms in rows}
