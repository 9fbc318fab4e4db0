"""Two reports for who closes the books on a day: what lay here at its end, and what was booked around it.

Both as pages and in the API (`audit/stock`, `audit/cut-off`). A day is the site's own; without one said, yesterday.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from ledger.db import Connection
from ledger.errors import Invalid
from ledger.ids import TEXT_BYTES_MAX
from ledger.wording import in_units, shown
from node import counting_csv, days
from node.desk import Person
from node.listings import Found
from web import cursors, kit
from web.node_api_audit import OPERATION
from web.node_api_people import MORE
from web.node_api_words import MEASURE
from web.node_app import NodeParts
from web.node_ask import Ask
from web.node_words import call_words
from web.routes import Route
from web.schema import CODE, NAME, ROWS_MAX, SIGNED, Schema, array, or_null, record, text, whole

STOCK, CUT_OFF = "/operations/stock", "/operations/cut-off"
CSV = "text/csv"
COLUMNS = ("day", "item", "name", "location", "lot", "status", "quantity", "unit")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _yesterday(parts: NodeParts) -> date:
    desk = parts.floor.desk
    return desk.day_of(desk.now_ms()) - timedelta(days=1)


def _read(said: str) -> date:
    """A day as an address names it; raises kit.WrongAddress."""
    try:
        if _DAY.fullmatch(said) and 1970 <= int(said[:4]) < 2200:
            return date.fromisoformat(said)
    except ValueError:
        pass
    raise kit.WrongAddress(f"{shown(said)} is no day: write one from 1970 to 2199, as in 2026-12-31")


def _totals(
    parts: NodeParts, connection: Connection, who: Person, day: date, after: Any, most: int, beginning: str
) -> tuple[Found, int]:
    """What lay here, and how many bins are left out because this person may have to count them."""
    hidden = parts.floor.counting.blind_bins(connection, who)
    return days.totals(connection, day, hidden, after, most, beginning), len(hidden)


def _late(
    parts: NodeParts, connection: Connection, day: date, after: Any, most: int
) -> tuple[list[dict[str, Any]], Found]:
    """What was booked around the end of a day, and what came in later for it."""
    over_ms = parts.floor.desk.start_of(day + timedelta(days=1))
    around = days.around(connection, day)
    late = days.late(connection, day, over_ms, after, most)
    kinds = [
        {
            "call": each["call"], "what": call_words(each["call"]),
            "before": [_spoken(row) for row in each["before"]], "behind": [_spoken(row) for row in each["behind"]],
        }
        for each in around
    ]  # fmt: skip
    return kinds, [(key, _spoken(row)) for key, row in late]


def _spoken(row: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name != "actor"}
    return {**kept, "what": call_words(row["call"])}


# ---------------------------------------------------------------- pages


def _page_day(parts: NodeParts) -> date:
    """The day that a page's address names; yesterday for what is none."""
    try:
        return _read(request.args.get("day", ""))
    except Invalid:
        return _yesterday(parts)


def _after(address: str, kinds: tuple[type, ...]) -> cursors.Key | None:
    try:
        return cursors.decode(request.args["cursor"], address, kinds) if "cursor" in request.args else None
    except Invalid:
        return None


def _address(path: str, **said: str) -> str:
    return f"{path}?{urlencode({name: value for name, value in said.items() if value})}"


def _paged(found: Found, address: str) -> dict[str, Any]:
    more = len(found) > ROWS_MAX
    return {
        "rows": [row for _, row in found[:ROWS_MAX]],
        "begun": address if "cursor" in request.args else "",
        "following": f"{address}&cursor={cursors.encode(address, found[ROWS_MAX - 1][0])}" if more else "",
    }


def stock_shown(parts: NodeParts, who: Person) -> dict[str, Any]:
    """What the page of a day's stock is given. Raises Rejected for who may not see it."""
    who.may_see(MORE, "see the stock of a day")
    day, beginning = _page_day(parts), request.args.get("item", "")[:TEXT_BYTES_MAX].strip()
    address = _address(STOCK, day=day.isoformat(), item=beginning)
    with parts.site.reading() as connection:
        found, left_out = _totals(parts, connection, who, day, _after(address, (str,)), ROWS_MAX, beginning)
    return {**_paged(found, address), "day": day, "beginning": beginning, "left_out": left_out}


def cut_off_shown(parts: NodeParts, who: Person) -> dict[str, Any]:
    """What the page of a day's cut-off is given. Raises Rejected for who may not see it."""
    who.may_see(MORE, "see the cut-off of a day")
    day = _page_day(parts)
    address = _address(CUT_OFF, day=day.isoformat())
    with parts.site.reading() as connection:
        kinds, late = _late(parts, connection, day, _after(address, (int, int)), ROWS_MAX)
    return {**_paged(late, address), "day": day, "kinds": kinds}


# ---------------------------------------------------------------- API


def _asked(ask: Ask) -> date:
    return _read(ask.query["day"]) if "day" in ask.query else _yesterday(ask.parts)


def _stock(ask: Ask) -> object:
    day = _asked(ask)
    beginning = ask.query.get("beginning", "")
    with ask.reading() as connection:
        found, left_out = _totals(ask.parts, connection, ask.who, day, ask.after, ask.limit, beginning)
    return ask.page(found, day=day.isoformat(), left_out=left_out)


def _stock_csv(ask: Ask) -> Response:
    day = _asked(ask)
    with ask.reading() as connection:
        hidden = ask.parts.floor.counting.blind_bins(connection, ask.who)
        rows = [
            {**row, "day": day.isoformat(), "quantity": in_units(row["quantity"], row["decimals"])}
            for row in days.lines(connection, day, hidden)
        ]
    headers = {"Content-Disposition": f'attachment; filename="stock-{day}.csv"', "Cache-Control": "no-store"}
    return Response(counting_csv.write(rows, COLUMNS), mimetype=CSV, headers=headers)


def _cut_off(ask: Ask) -> object:
    day = _asked(ask)
    with ask.reading() as connection:
        kinds, late = _late(ask.parts, connection, day, ask.after, ask.limit)
    return ask.page(late, day=day.isoformat(), kinds=kinds)


_DATE = text("YYYY-MM-DD, the site's own day", least=10, most=10, pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
_OF_DAY: dict[str, Schema] = {"day": {**_DATE, "description": "YYYY-MM-DD, the site's own day; absent: yesterday"}}
_ROW = record(
    "StockOfADay",
    {
        "item": CODE, "name": NAME, **MEASURE, "quantity": {**SIGNED, "description": "On the floor, in base units"},
        "held": {**SIGNED, "description": "Of that"},
        "in_transit": or_null({**SIGNED, "description": "Sent, and not yet accepted; null while a count keeps it"}),
    },
)  # fmt: skip
_DATED = record(
    "OperationOfADay",
    {
        **OPERATION["properties"],
        "day": {**_DATE, "description": "That its document names"},
        "papers": array(text("A number on a paper that it names, in small letters"), days.PAPERS_MAX),
    },
)
_KIND = record(
    "CutOff", {"call": text(), "what": text(), "before": array(_DATED, days.AROUND),
               "behind": array(_DATED, days.AROUND)},
)  # fmt: skip

ROUTES = (
    Route(
        method="GET", path="/api/v1/audit/stock", allow=MORE, answer=_ROW, keys=(str,), handle=_stock,
        query={**_OF_DAY, "beginning": text("Only items whose code begins so", most=TEXT_BYTES_MAX)},
        beside={"day": _DATE, "left_out": whole("Bins that are being counted, for whoever counts")},
        summary="What lay here at the end of a day, by the days that documents name",
    ),
    Route(
        method="GET", path="/api/v1/audit/stock.csv", allow=MORE, answer={"type": "string"}, media=CSV, query=_OF_DAY,
        handle=_stock_csv, summary="The same place by place and lot by lot, as CSV",
    ),
    Route(
        method="GET", path="/api/v1/audit/cut-off", allow=MORE, answer=_DATED, keys=(int, int), handle=_cut_off,
        query=_OF_DAY, beside={"day": _DATE, "kinds": array(_KIND, len(days.CROSSING))},
        summary="What was booked around the end of a day, and, as rows, what came in later for it",
    ),
)  # fmt: skip
