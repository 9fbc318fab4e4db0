"""The console: sites and heads, what cannot be true, what is in transit, anchors."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from hub import announcing, approvers, approving, discrepancies, settling, transfers, views
from hub.store import Session
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.transfers import DIVERTED
from ledger.wording import shown
from web import kit
from web.excerpts import excerpt, taken
from web.hub_app import HubParts
from web.hub_words import CAME_ABOUT, VERDICTS, arranged

LEVELS = {"well": "good", "new": "quiet", "behind": "warn", "silent": "warn", "ill": "warn"}
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
            name = found[0].site
            stock = taken(
                views.stock_rows(session, site=name),
                lambda skip, most: views.stock(session, site=name, limit=most, skip=skip),
            )
        return render_template("hub/site.html", site=found[0], stock=stock)

    @routes.get("/discrepancies")
    @page
    def discrepancy_list() -> str:
        everything = request.args.get("all") == "true"
        with hub.reading() as session:
            found = taken(
                discrepancies.count(session, everything=everything),
                lambda skip, most: discrepancies.listed(
                    session, hub.clock.now_ms(), everything=everything, limit=most, skip=skip
                ),
            )
        return render_template("hub/discrepancies.html", discrepancies=found, everything=everything)

    @routes.get("/discrepancies/<int(max=999999999):number>")
    @page
    def discrepancy(number: int) -> str:
        found = hub.discrepancy(number)
        with hub.reading() as session:
            others = settling.diversions(session, found)
        said = [each for each in settling.verdicts(found.kind) if each != DIVERTED or others]
        return render_template(
            "hub/discrepancy.html",
            one=found,
            entries=excerpt(found.entries[::-1]),
            arranged=arranged,
            verdicts={each: VERDICTS[each] for each in said},
            others=others,
        )

    @routes.get("/approvals")
    @page
    def approval_list() -> str:
        with hub.reading() as session:
            found = excerpt(approving.waiting(session))
            found = replace(found, rows=[approving.as_json(session, each) for each in found.rows])
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
            shown_ = approving.in_full(session, one)
        return render_template(
            "hub/approval.html",
            one=shown_,
            reasons=reasons,
            rejecting=approving.REJECT_REASONS,
            role=approvers.ROLE,
            came_about=CAME_ABOUT,
        )

    @routes.get("/announced")
    @page
    def announced_list() -> str:
        with hub.reading() as session:
            found = excerpt(announcing.progress(session), weigh=lambda each: len(each["lines"]))
        return render_template("hub/announced.html", announced=found)

    @routes.get("/transfers")
    @page
    def transfer_list() -> str:
        with hub.reading() as session:
            found = taken(
                transfers.count(session),
                lambda skip, most: transfers.listed(session, limit=most, skip=skip),
                weigh=lambda each: len(each.lines),
            )
            measures = views.measures(session, {line.item for transfer in found.rows for line in transfer.lines})
        return render_template("hub/transfers.html", transfers=found, measures=measures)

    @routes.get("/anchors")
    @page
    def anchors() -> str:
        with hub.reading() as session:
            total = int(session.value("SELECT count(*) FROM anchors") or 0)
            found = taken(total, lambda skip, most: views.anchors(session, most, skip))
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
