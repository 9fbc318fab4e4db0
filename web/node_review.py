"""The supervisor's pages: open a count, see how it stands, decide on a bin's variance as of its count."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request

from ledger.ids import OpId
from ledger.people import APPROVE
from node.counting_policy import RELOCATED, Policy, policy
from node.parking import readable
from web import kit
from web.node_app import NodeParts
from web.node_pages import page
from web.node_views import bins_to_count, variance
from web.node_words import BIN_STATES, SESSION_STATES

# Codes of `ledger.documents.reason_code`; a person sees the words.
AGAIN = (
    ("doubtful", "The count looks doubtful"),
    ("moved-meanwhile", "Stock moved during the count"),
    ("parked-scans", "Scans nobody has explained"),
)


def _reasons(rules: Policy, found: dict[str, Any]) -> list[tuple[str, str]]:
    """The reasons that explain every difference of the newest round, as codes and words."""
    signs = [line["difference"] for line in (found["rounds"][-1]["lines"] if found["rounds"] else ())]
    fits = [each for each in rules.reasons if all(each.explains(sign) for sign in signs if sign)]
    return [(each.code, each.words) for each in fits if each.code != RELOCATED]


def blueprint(parts: NodeParts) -> Blueprint:
    routes = Blueprint("node_review", __name__, url_prefix="/review")
    review = parts.floor.counting.review

    @routes.context_processor
    def shared() -> dict[str, object]:
        return {"bin_states": BIN_STATES, "session_states": SESSION_STATES}

    @routes.get("/")
    @page(parts)
    def sessions() -> str:
        who = parts.person()
        with parts.site.reading() as connection:
            return render_template("node/review.html", sessions=review.sessions(connection, who))

    @routes.get("/new")
    @page(parts)
    def plan() -> str:
        parts.person().need(APPROVE, "open a count session")
        beginning = request.args.get("from", "")[:31]
        with parts.site.reading() as connection:
            bins = bins_to_count(connection, beginning)
        return render_template("node/review_new.html", bins=bins, beginning=beginning)

    @routes.get("/<session>")
    @page(parts)
    def session(session: str) -> str:
        who = parts.person()
        with parts.site.reading() as connection:
            found = review.overview(connection, who, OpId.parse(session))
        return render_template("node/review_session.html", one=found)

    @routes.get("/<session>/<path:bin_>")
    @page(parts)
    def bin_page(session: str, bin_: str) -> str:
        who, op_id = parts.person(), OpId.parse(session)
        with parts.site.reading() as connection:
            known = review.overview(connection, who, op_id)
            if bin_ not in [each["bin"] for each in known["bins"]]:
                raise kit.NotFound(f"{kit.shown(bin_)} is not in this count")
            parked = review.parked(connection, who, op_id, bin_)
            rules = policy(connection)
        found = review.bin_review(who, op_id, bin_)
        return render_template(
            "node/review_bin.html",
            one=found,
            name=known["name"],
            lines=variance(found["rounds"]),
            scans=[{**each, "text": readable(bytes.fromhex(each["raw"]))} for each in parked],
            reasons=_reasons(rules, found),
            again=AGAIN,
        )

    return routes
