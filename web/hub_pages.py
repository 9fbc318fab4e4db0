"""The console: sites and heads, what cannot be true, what is in transit, anchors."""

from __future__ import annotations

from functools import wraps
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from hub import announcing, approvers, approving, transfers, views
from hub.store import Session
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.wording import shown
from web import kit
from web.hub_app import HubParts
from web.hub_words import arranged

LEVELS = {"well": "good", "new": "quiet", "behind": "warn", "silent": "warn", "ill": "warn"}
ROWS_MAX = 200
SHAPES = {"good": "●", "quiet": "○", "warn": "▲", "bad": "■"}


def blueprint(parts: HubParts) -> Blueprint:
    routes, hub = Blueprint("hub_pages", __name__), parts.hub

    @routes.context_processor
    def shared() -> dict[str, Any]:
        try:
            account: Any = parts.account()
        except kit.LoginNeeded:
            account = None
        return {"org": hub.config.org, "account": account, "level": level, "shape": SHAPES.get}

    def page(view: Any) -> Any:
        @wraps(view)
        def guarded(*values: Any, **named: Any) -> Response | Redirect | str:
            try:
                parts.account()
            except kit.LoginNeeded:
                return redirect(url_for("hub_pages.login"))
            result: Response | str = view(*values, **named)
            return result

        return guarded

    @routes.get("/login")
    def login() -> str:
        return render_template("hub/login.html")

    @routes.get("/")
    @page
    def sites() -> str:
        with hub.reading() as session:
            anchors = views.anchors(session, 5)
            figures = _figures(session)
        return render_template(
            "hub/sites.html",
            sites=hub.sites(),
            discrepancies=hub.discrepancies()[-8:][::-1],
            anchors=anchors,
            figures=figures,
            now_ms=hub.clock.now_ms(),
        )

    @routes.get("/sites/<path:origin>")
    @page
    def site(origin: str) -> str:
        found = [view for view in hub.sites() if view.origin == origin]
        if not found:
            raise kit.NotFound(f"no chain {shown(origin)} was enrolled here")
        with hub.reading() as session:
            stock = views.stock(session, site=found[0].site, limit=ROWS_MAX)
        return render_template("hub/site.html", site=found[0], stock=stock, limit=ROWS_MAX)

    @routes.get("/discrepancies")
    @page
    def discrepancy_list() -> str:
        everything = request.args.get("all") == "true"
        found = hub.discrepancies(everything=everything)[:ROWS_MAX]
        return render_template("hub/discrepancies.html", discrepancies=found, everything=everything)

    @routes.get("/discrepancies/<int(max=999999999):number>")
    @page
    def discrepancy(number: int) -> str:
        return render_template("hub/discrepancy.html", one=hub.discrepancy(number), arranged=arranged)

    @routes.get("/approvals")
    @page
    def approval_list() -> str:
        with hub.reading() as session:
            found = [approving.as_json(session, each) for each in approving.waiting(session)[:ROWS_MAX]]
        return render_template("hub/approvals.html", approvals=found)

    @routes.get("/approvals/<op_id>")
    @page
    def approval(op_id: str) -> str:
        with hub.reading() as session:
            try:
                one = approving.find(session, str(OpId.parse(op_id)), request.args.get("origin", ""))
            except Rejected as error:
                raise kit.NotFound(str(error)) from error
            reasons = approving.fitting(session, one)
            shown_ = approving.as_json(session, one)
        return render_template(
            "hub/approval.html", one=shown_, reasons=reasons, rejecting=approving.REJECT_REASONS, role=approvers.ROLE
        )

    @routes.get("/announced")
    @page
    def announced_list() -> str:
        with hub.reading() as session:
            found = announcing.progress(session)
        return render_template("hub/announced.html", announced=found[:ROWS_MAX], more=len(found) > ROWS_MAX)

    @routes.get("/transfers")
    @page
    def transfer_list() -> str:
        found = hub.transfers()[:ROWS_MAX]
        with hub.reading() as session:
            measures = views.measures(session, {line.item for transfer in found for line in transfer.lines})
        return render_template("hub/transfers.html", transfers=found, measures=measures)

    @routes.get("/anchors")
    @page
    def anchors() -> str:
        with hub.reading() as session:
            found = views.anchors(session, ROWS_MAX)
        return render_template("hub/anchors.html", anchors=found, now_ms=hub.clock.now_ms())

    return routes


def level(state: str) -> str:
    """How loud a site's state is shown."""
    return LEVELS.get(state, "bad")


def _figures(session: Session) -> dict[str, int]:
    return {
        "log": int(session.value("SELECT count(*) FROM log") or 0),
        "anchored": int(session.value("SELECT max(size) FROM anchors WHERE state = 'final'") or 0),
        "open": int(session.value("SELECT count(*) FROM discrepancies WHERE state IN ('open', 'working')") or 0),
        "transit": transfers.count_not_arrived(session),
    }
