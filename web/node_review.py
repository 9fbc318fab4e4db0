"""The supervisor's pages: open a count, see how it stands, decide on a bin's variance as of its count."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from flask import Blueprint, render_template, request

from devices.reads import readable
from ledger.ids import OpId
from ledger.people import APPROVE
from ledger.policy import BOTH, RELOCATED, Counting
from ledger.wording import shown
from node.policies import counting_policy
from web import kit, node_certificates, node_proposals
from web.excerpts import excerpt, taken
from web.languages import N_, said
from web.node_api_count_words import STAGES
from web.node_api_sheets import sheet_number
from web.node_app import NodeParts
from web.node_pages import page
from web.node_views import areas_of, bins_to_count, counters, decided_on, variance
from web.node_words import AGAIN as AGAIN_WORDS
from web.node_words import BIN_STATES, HELD, LIMITS, LOST, SESSION_STATES, SHEET_STATES, call_words
from web.schema import ROWS_MAX

# Codes of `ledger.documents.reason_code`; a person sees the words.
PARKED_MAX = 10_000
SHEET_ROWS = 12  # blank lines for each bin of a printed sheet
AGAIN = (
    ("doubtful", N_("The count looks doubtful")),
    ("moved-meanwhile", N_("Stock moved during the count")),
    ("parked-scans", N_("Scans nobody has explained")),
)
LEFT = (
    ("no-time", N_("No time for it now")),
    ("out-of-reach", N_("Nobody can get to it")),
    ("not-needed", N_("It need not be counted")),
)
# What codes were scanned in that nobody explained before it was over.
SCANNED_IN = {"receive": N_("Goods received"), "move": N_("Goods moved"), "count": N_("Count")}
ENOUGH = (
    ("nobody-else", N_("Nobody else may count it")),
    ("no-time", N_("No time for it now")),
    ("beyond-doubt", N_("It is beyond doubt")),
)
BETTER = (
    ("doubtful", N_("The other count looks doubtful")),
    ("moved-meanwhile", N_("Stock moved during the other count")),
    ("looked-myself", N_("Somebody has looked at the shelf")),
)


def _unknown(reads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the cards of `unknown.js` are made from."""
    return [
        {
            "park": each["park"], "text": readable(bytes.fromhex(each["raw"])), "why": said(each["why"]),
            "hint": json.loads(each["hint"]),
        }
        for each in reads
    ]  # fmt: skip


def _fitting(rules: Counting, speaking: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The reasons that explain every difference of a round, as codes and words."""
    signs = [line["difference"] for line in (speaking["lines"] if speaking else ())]
    fits = [each for each in rules.reasons if all(each.explains(sign) for sign in signs if sign)]
    return [(each.code, each.words) for each in fits if each.code != RELOCATED]


def _known(rules: Counting) -> list[dict[str, str]]:
    return [
        {"code": each.code, "words": each.words, "direction": each.direction}
        for each in rules.reasons
        if each.code != RELOCATED
    ]


def blueprint(parts: NodeParts) -> Blueprint:
    routes = Blueprint("node_review", __name__, url_prefix="/review")
    counting = parts.floor.counting
    review = counting.review

    @routes.context_processor
    def shared() -> dict[str, object]:
        return {"bin_states": BIN_STATES, "session_states": SESSION_STATES, "sheet_states": SHEET_STATES,
                "again_words": AGAIN_WORDS, "limits": LIMITS}  # fmt: skip

    @routes.get("/")
    @page(parts)
    def sessions() -> str:
        who, search = parts.person(), request.args.get("search", "")[:80].strip()
        state = asked if (asked := request.args.get("state", "")) in STAGES else ""
        with parts.site.reading() as connection:
            found = excerpt(list(review.found(connection, who, search=search, state=state)))
            rows = [review.standing(connection, each) for each in found.rows]
            left = parts.floor.parking.left_count(connection)
        return render_template(
            "node/review.html", sessions=replace(found, rows=rows), left=left, search=search, state=state,
            stages=STAGES,
        )  # fmt: skip

    @routes.get("/scans")
    @page(parts)
    def scans() -> str:
        who, parking = parts.person(), parts.floor.parking
        with parts.site.reading() as connection:
            total = parking.left_count(connection)
            found = taken(total, lambda skip, most: parking.left(connection, who, most=most, skip=skip))
        rows = [{**each, "why": said(each["why"])} for each in found.rows]
        tasks = [list(each) for _, each in groupby(rows, lambda row: row["task"])]
        return render_template("node/scans.html", scans=found, tasks=tasks, kinds=SCANNED_IN)

    @routes.get("/new")
    @page(parts)
    def plan() -> str:
        parts.person().need(APPROVE, "open a count session")
        beginning = request.args.get("from", "")[:31]
        with parts.site.reading() as connection:
            bins, areas = bins_to_count(connection, beginning), areas_of(connection)
            people, rule = counters(connection, parts.floor.people), counting_policy(connection).rule_of({})
        return render_template(
            "node/review_new.html", bins=excerpt(bins, "bins"), areas=areas, beginning=beginning,
            by_hand="from" in request.args, counters=people, rule=rule.as_json(),
        )  # fmt: skip

    @routes.get("/proposals")
    @page(parts)
    def proposals() -> str:
        who, kept = parts.person(), parts.floor.stock.proposals
        with parts.site.reading() as connection:
            found = node_proposals.shown(connection, kept, who, counting.blind_bins(connection, who))
            for_hub = parts.floor.hub.proposal_waits(connection, who.actor)
        return render_template(
            "node/proposals.html", proposals=found, refused=node_proposals.REFUSED, for_hub=for_hub
        )

    @routes.get("/programme")
    @page(parts)
    def programme() -> str:
        return render_template("node/programme.html", one=counting.reports.programme(parts.person()))

    @routes.get("/certificate")
    @page(parts)
    def certificate() -> str:
        who = parts.person()
        who.may_see(APPROVE, "see the certificate of a zone")
        return render_template("node/certificate.html", **node_certificates.shown(parts, who, request.args))

    @routes.get("/sheets/<number>")
    @page(parts)
    def sheet(number: str) -> str:
        found = counting.sheets.show(parts.person(), sheet_number(number))
        return render_template("node/sheet.html", one=found, rows=SHEET_ROWS, held=dict(HELD))

    @routes.get("/<session>")
    @page(parts)
    def session(session: str) -> str:
        who, op_id, begin = parts.person(), OpId.parse(session), request.args.get("begin", "")[:31].strip()
        with parts.site.reading() as connection:
            codes = [each["bin"] for each in review.overview(connection, who, op_id, ())["bins"]]
            shown = excerpt([code for code in codes if code.startswith(begin)])
            of_page = frozenset(shown.rows)
            found = review.overview(connection, who, op_id, of_page)
            ready = {each["bin"]: each for each in review.ready(connection, who, op_id)}
            sheets = counting.sheets.of_session(connection, who, op_id)
            rules, people = counting_policy(connection), counters(connection, parts.floor.people)
        either = [
            (each.code, each.words) for each in rules.reasons if each.direction == BOTH and each.code != RELOCATED
        ]
        found["not_drawn"] = said(found["not_drawn"])
        return render_template(
            "node/review_session.html", one=found, ready=ready, sheets=sheets, reasons=either, again=LEFT,
            refuse=AGAIN, enough=ENOUGH, counters=people, begin=begin, most=ROWS_MAX,
            bins=replace(shown, rows=[each for each in found["bins"] if each["bin"] in of_page]),
        )  # fmt: skip

    @routes.get("/<session>/sheets")
    @page(parts)
    def sheets(session: str) -> str:
        who, op_id = parts.person(), OpId.parse(session)
        with parts.site.reading() as connection:
            found = review.overview(connection, who, op_id, ())
            known = counting.sheets.of_session(connection, who, op_id)
            people = counters(connection, parts.floor.people)
        return render_template("node/sheets.html", one=found, sheets=excerpt(known), counters=people, lost=LOST)

    @routes.get("/<session>/plan")
    @page(parts)
    def chosen(session: str) -> str:
        found = counting.plans.show(parts.person(), OpId.parse(session))
        return render_template("node/review_plan.html", one=found, bins=excerpt(found["bins"], "bins"))

    @routes.get("/<session>/<path:bin_>")
    @page(parts)
    def bin_page(session: str, bin_: str) -> str:
        who, op_id = parts.person(), OpId.parse(session)
        with parts.site.reading() as connection:
            known = review.overview(connection, who, op_id, ())
            if bin_ not in [each["bin"] for each in known["bins"]]:
                raise kit.NotFound(f"{shown(bin_)} is not in this count")
            parked = review.parked(connection, who, op_id, bin_, most=PARKED_MAX)
            rules, people = counting_policy(connection), counters(connection, parts.floor.people)
            for_hub = parts.floor.hub.waits(connection, op_id, bin_)
        found = review.bin_review(who, op_id, bin_)
        speaking = decided_on(found)
        lines = variance(found["rounds"], speaking)
        differing = [line for line in lines if line["difference"]]
        if len(lines) > ROWS_MAX:
            lines.sort(key=lambda line: not line["difference"])  # what there is to decide on comes first
        return render_template(
            "node/review_bin.html",
            one=found,
            last=speaking,
            name=known["name"],
            lines=excerpt(lines, "lines"),
            differing=len(differing),
            to_explain={
                line["line"]: line["left"] for line in differing if not (line["posted"] or line["relocated"])
            },
            relocated=sum(1 for line in differing if line["relocated"]),
            offers=excerpt(found["relocations"], "offers"),
            units=excerpt(found["units"], "units"),
            moves=excerpt([{**each, "what": call_words(each["call"])} for each in found["moves"]], "moves"),
            scans=excerpt(parked, "scans"),
            unknown=_unknown,
            reasons=_fitting(rules, speaking),
            every_reason=_known(rules),
            again=AGAIN,
            better=BETTER,
            chosen=dict(BETTER).get(reason, reason) if (reason := found.get("chosen", {}).get("reason")) else "",
            ended=dict(ENOUGH).get(found.get("ended", ""), found.get("ended", "")),
            most=ROWS_MAX,
            counters=people,
            for_hub=for_hub,
        )

    return routes
