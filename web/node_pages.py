"""The tablet's pages: log in, start, count a bin, an operation's proof, the node itself, the people of the site."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from devices import pictures
from devices.decoders.scan import rules
from ledger import calls, people
from ledger.ids import VIRTUAL, OpId
from ledger.people import ADMIN, APPROVE, TRANSFER
from node import proofs, stations, waiting
from node.alerts import MAY_SEE
from node.counting_close import SURE
from node.desk import Answer, Person
from node.stock_documents import MAY_REVERSE, REVERSIBLE
from web import drawn, kit, languages, node_days, node_operations
from web.excerpts import excerpt, taken
from web.node_api_sheets import sheet_number
from web.node_app import NodeParts, cookie_name, tablet
from web.node_tiles import floor_tiles
from web.node_views import call_and_time, counters, newest_operations
from web.node_words import (
    HELD,
    LOST,
    MARKS,
    SHEET_STATES,
    WRONG,
    call_words,
    grouped,
    ladder,
    rung,
    severity_level,
    state_words,
)
from web.schema import ROWS_MAX

Page = Callable[..., Response | str]
PEOPLE_MAX = 10_000


def blueprint(parts: NodeParts) -> Blueprint:
    routes = Blueprint("node_pages", __name__)

    @routes.app_context_processor
    def shared() -> dict[str, object]:
        return {
            "site": parts.site.config.site,
            "has_camera": pictures.is_there(),
            "ladder_of": ladder,
            "rung_of": rung,
            "level_of": severity_level,
            "language_cookie": cookie_name(languages.COOKIE),
            **_visitor(parts),
        }

    @routes.get("/login")
    def login() -> str:
        labels = parts.site.config.labels
        return render_template("node/login.html", badge_prefix=labels.badge_prefix, bin_prefix=labels.bin_prefix)

    _add_work(routes, parts)
    _add_people(routes, parts)

    @routes.get("/node")
    @page(parts)
    def node() -> str:
        who = parts.person()
        with parts.site.reading() as connection:
            holders = parts.floor.people.holders(connection)
            names = {actor: parts.floor.people.name_of(connection, actor) for actor in set(holders.values())}
            taken_at = stations.tablets_of(connection)
            tablets = parts.floor.tablets.overview(connection)
            alerts = parts.floor.alerts.standing(connection)
        return render_template(
            "node/node.html",
            status=parts.status(),
            devices=parts.devices(),
            mine={device for device, actor in holders.items() if actor == who.actor},
            holders={device: names[actor] for device, actor in holders.items()},
            taken_at=taken_at,
            tablets=tablets,
            alerts=alerts,
            may_see=who.has(MAY_SEE),
            now_ms=parts.clock.now_ms(),
            pairing=drawn.qr(parts.floor.pairing.code_for(who.actor, tablet(parts))),
            fingerprint="" if parts.certificates is None else grouped(parts.certificates.authority().fingerprint),
        )

    return routes


def count_page(parts: NodeParts, **empty: object) -> str:
    """The counting page; what is counted comes by the stream."""
    labels = rules(parts.site.config.own_labels())
    return render_template("node/count.html", labels=labels, sure=SURE, held=HELD, **empty)


def page(parts: NodeParts) -> Callable[[Page], Page]:
    """A page for people who are logged in; others are sent to log in."""

    def guard(view: Page) -> Page:
        @wraps(view)
        def guarded(*values: Any, **named: Any) -> Response | str:
            try:
                parts.person()
            except kit.LoginNeeded:
                asked = request.full_path.removesuffix("?")
                return redirect(url_for("node_pages.login", next=None if asked == "/" else asked))
            return view(*values, **named)

        return guarded

    return guard


def _visitor(parts: NodeParts) -> dict[str, object]:
    try:
        who = parts.person()
    except kit.LoginNeeded:
        return {"who": None, "roles": []}
    return {"who": who, "roles": people.role_names(who.roles)}


def _add_work(routes: Blueprint, parts: NodeParts) -> None:
    @routes.get("/")
    @page(parts)
    def home() -> str:
        who = parts.person()
        with parts.site.reading() as connection:
            waits = waiting.of(parts.floor, connection, who, parts.clock.now_ms())
            operations = newest_operations(connection, 8, goods_only=True)
        findings = parts.links()["findings"]
        return render_template(
            "node/home.html", waits=waits, operations=operations, findings=findings, tiles=floor_tiles(who.roles)
        )

    @routes.get("/count")
    @page(parts)
    def count() -> str:
        with parts.site.reading() as connection:
            out = parts.floor.counting.sheets.out_count(connection)
        return count_page(parts, sheets_out=out)

    @routes.get("/count/sheets")
    @page(parts)
    def sheets() -> str:
        who, kept = parts.person(), parts.floor.counting.sheets
        with parts.site.reading() as connection:
            out = kept.out_count(connection)
            found = taken(out, lambda skip, most: kept.out(connection, who, most=most, skip=skip))
            people = counters(connection, parts.floor.people)
        return render_template("node/sheets_out.html", sheets=found, counters=people, lost=LOST, me=str(who.actor))

    @routes.get(node_operations.PATH)
    @page(parts)
    def operations() -> str:
        with parts.site.reading() as connection:
            found = node_operations.shown(parts, connection, parts.person())
        return render_template("node/operations.html", **found)

    @routes.get(node_days.STOCK)
    @page(parts)
    def stock_of_a_day() -> str:
        return render_template("node/day_stock.html", **node_days.stock_shown(parts, parts.person()))

    @routes.get(node_days.CUT_OFF)
    @page(parts)
    def cut_off() -> str:
        return render_template("node/day_cut_off.html", **node_days.cut_off_shown(parts, parts.person()))

    @routes.get("/count/sheets/<number>")
    @page(parts)
    def sheet_typed(number: str) -> str:
        who, kept = parts.person(), parts.floor.counting.sheets
        with parts.site.reading() as connection:
            found = kept.to_type(connection, who, sheet_number(number))
            people = counters(connection, parts.floor.people)
        return render_template(
            "node/sheet_typed.html", one=found, counters=people, me=str(who.actor), sheet_states=SHEET_STATES,
            lines=ROWS_MAX, held=HELD,
        )  # fmt: skip

    @routes.get("/operations/<op_id>")
    @page(parts)
    def operation(op_id: str) -> str:
        who, wanted = parts.person(), OpId.parse(op_id)
        with parts.site.reading() as connection:
            if proofs.state_of(connection, wanted) is None:
                raise kit.NotFound(f"operation {op_id} was not recorded at this site")
            # The floor's own look-up, because a counter must not read here what is expected of a bin.
            found = parts.floor.lookups.operation(connection, who, wanted)
            pieces = found.get("parts", [])
            call, at_ms = call_and_time(connection, OpId.parse(pieces[-1]["op_id"] if pieces else op_id).raw)
            waits = parts.floor.stock.proposals.reverses(connection, wanted)
            note = None if found.get("being_counted") else parts.floor.notes.of(connection, who, wanted)
        return render_template(
            "node/operation.html",
            one=found,
            what=call_words(found["call"] if pieces else call),
            lines=excerpt(found.get("lines") or ()),
            words=state_words(found["state"]),
            at_ms=at_ms,
            reversal="waits" if waits else _reversal(who, found),
            wrong=WRONG,
            marks=MARKS,
            note=note,
            virtual=VIRTUAL,
        )


def _add_people(routes: Blueprint, parts: NodeParts) -> None:
    @routes.get("/people")
    @page(parts)
    def people() -> str:
        who = parts.person()
        who.may_see(ADMIN | APPROVE, "see the people of this site")
        search = request.args.get("search", "")[:80]
        with parts.site.reading() as connection:
            known = parts.floor.people.everyone(connection, "", PEOPLE_MAX)
            having = parts.floor.people.second.having(connection)
        words = search.casefold().split()
        found = [
            each for each in known if all(word in f"{each['name']} {each['login']}".casefold() for word in words)
        ]
        # Who waits to be let in comes first, who has left last.
        found.sort(key=lambda each: (each["revoked"], not each["locked"], each["name"].casefold(), each["actor"]))
        return render_template("node/people.html", known=excerpt(found), having=having, search=search)


def _reversal(who: Person, found: Answer) -> str:
    """How this person may have this operation booked backwards, as far as is known before it is signed: "propose",
    "sign" or ""."""
    if found.get("parts") or found.get("being_counted") or found["reversed_by"]:
        return ""
    if found["call"] == calls.AcceptTransfer.METHOD:
        return "sign" if who.has(TRANSFER) else ""
    return "propose" if found["lines"] and found["call"] in REVERSIBLE and who.has(MAY_REVERSE) else ""
