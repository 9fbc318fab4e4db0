"""The page of the site's operations, and how it is searched: by kind, by person, by day, by id, by a paper.

It goes on by the API's cursors: a hundred thousand rows are neither counted nor skipped to show two hundred.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import request

from ledger import people
from ledger.db import Connection
from ledger.errors import Invalid, Rejected
from ledger.ids import Actor
from node import desk, listings
from node.desk import Person
from node.values import reference
from web import cursors
from web.node_api_audit import BEGINNING
from web.node_api_people import MORE, need_self_or
from web.node_app import NodeParts
from web.node_views import HOUSEKEEPING, persons
from web.node_words import CALLS, call_words
from web.schema import ROWS_MAX

GOODS = tuple(call for call in CALLS if call not in HOUSEKEEPING)
FIELDS = ("kind", "who", "from", "to", "beginning", "reference")
PATH = "/operations/"
_KEYS = (int, int)


@dataclass(frozen=True, slots=True)
class Query:
    """What the page's address asks for, each "" for all; `zone`: the tablet's time zone, if the site has none."""

    kind: str
    who: str
    since: str
    to: str
    zone: str
    beginning: str
    reference: str

    @staticmethod
    def asked() -> Query:
        """What makes no sense is not asked for."""
        said = {name: request.args.get(name, "") for name in (*FIELDS, "zone")}
        begin = said["beginning"].strip().lower()
        return Query(
            said["kind"] if said["kind"] in CALLS else "", said["who"], _day(said["from"]), _day(said["to"]),
            said["zone"] if _zone(said["zone"]) else "", begin if BEGINNING.fullmatch(begin) else "",
            _number(said["reference"].strip()),
        )  # fmt: skip

    @property
    def narrows(self) -> bool:
        return any((self.kind, self.who, self.since, self.to, self.beginning, self.reference))

    def sought(self, site_zone: str) -> listings.Sought:
        zone = _zone(site_zone or self.zone) or UTC
        since, to = (date.fromisoformat(day) if day else None for day in (self.since, self.to))
        return listings.Sought(
            Actor.parse(self.who).raw if self.who else None,
            # Who has an id or a paper means what that leads to, whatever it is.
            (self.kind,) if self.kind else () if self.beginning or self.reference else GOODS,
            None if since is None else desk.start_of(since, zone),
            None if to is None else desk.start_of(to + timedelta(days=1), zone),
            self.beginning,
            self.reference,
        )

    def address(self, **more: str) -> str:
        """This page with what it looks for."""
        said = {"kind": self.kind, "who": self.who, "from": self.since, "to": self.to, "zone": self.zone,
                "beginning": self.beginning, "reference": self.reference, **more}  # fmt: skip
        asked = urlencode({name: value for name, value in said.items() if value})
        return f"{PATH}?{asked}" if asked else PATH


def shown(parts: NodeParts, connection: Connection, who: Person) -> dict[str, Any]:
    """What the page's template is given. Who did what is shown to those who may see the people of the site; others
    may look for what they did themselves. Raises `Forbidden`."""
    query, sees_people = Query.asked(), who.has(MORE | people.AUDIT)
    if query.who:
        need_self_or(who, Actor.parse(query.who), MORE)
    found = listings.operations(connection, _after(query), ROWS_MAX, query.sought(parts.site.config.web.time_zone))
    if sees_people:
        found = parts.floor.lookups.named(connection, found)
    rows = [{**row, "what": call_words(row["call"])} for _, row in found[:ROWS_MAX]]
    more = len(found) > ROWS_MAX
    known = persons(connection, parts.floor.people) if sees_people else [(str(who.actor), who.name)]
    return {
        "rows": rows,
        "query": query,
        "kinds": CALLS,
        "persons": known,
        "person": dict(known).get(query.who, query.who[:8]),
        "sees_people": sees_people,
        "begun": "cursor" in request.args,
        "following": query.address(cursor=cursors.encode(query.address(), found[ROWS_MAX - 1][0])) if more else "",
    }


def _after(query: Query) -> cursors.Key | None:
    """Where to go on; from the beginning with a cursor of another search."""
    try:
        return cursors.decode(request.args["cursor"], query.address(), _KEYS) if "cursor" in request.args else None
    except Invalid:
        return None


def _number(text: str) -> str:
    """A number as it can stand on a paper, or ""."""
    try:
        return reference(text)
    except Rejected:
        return ""


def _day(text: str) -> str:
    """An ISO date as a field for dates gives it, or ""."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return ""
    return day.isoformat() if 1970 <= day.year < 2200 else ""


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None
