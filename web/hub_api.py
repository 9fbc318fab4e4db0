"""REST `/api/v1` of the hub: the one stock picture, the fleet, discrepancies, anchors, receipts."""

from __future__ import annotations

from flask import Blueprint, Response, request

from hub import announcing, approvers, approving, discrepancies, fleet, settling, transfers, views
from ledger.ids import OpId, quantity
from ledger.transfers import TransferName
from ledger.wording import shown
from web import kit
from web.hub_app import SESSION_COOKIE, HubParts, token_given

LIST_MAX = 200
VERDICTS = (discrepancies.RESOLVED, discrepancies.ACCEPTED, *settling.VERDICTS)


def blueprint(parts: HubParts) -> Blueprint:
    routes = Blueprint("hub_api", __name__, url_prefix="/api/v1")
    _add_log_in(routes, parts)
    _add_reads(routes, parts)
    _add_discrepancies(routes, parts)
    _add_approvals(routes, parts)
    return routes


def _add_log_in(routes: Blueprint, parts: HubParts) -> None:
    @routes.post("/auth/login")
    def login() -> Response:
        wish = kit.fields()
        name, password = wish.text("login", most=100), wish.text("password", most=200)
        wish.done()
        token = parts.log_in(name, password)
        answer = kit.answer({"token": token})
        answer.set_cookie(SESSION_COOKIE, token, httponly=True, samesite="Strict", secure=request.is_secure, path="/")
        return answer

    @routes.post("/auth/logout")
    def logout() -> Response:
        kit.fields().done()
        parts.sessions.close(token_given())
        answer = kit.answer({"logged_out": True})
        answer.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="Strict")
        return answer


def _add_reads(routes: Blueprint, parts: HubParts) -> None:
    hub = parts.hub

    @routes.get("/sites")
    def sites() -> Response:
        parts.account()
        return kit.answer({"sites": [fleet.as_json(view) for view in hub.sites()]})

    @routes.get("/inventory")
    def inventory() -> Response:
        parts.account()
        wish = {name: request.args.get(name, "") for name in ("site", "item", "location")}
        with hub.reading() as session:
            return kit.answer({"stock": views.stock(session, limit=_limit(), skip=0, **wish)})

    @routes.get("/announced")
    def announced() -> Response:
        parts.account()
        wish = {name: request.args.get(name, "") for name in ("site", "number")}
        with hub.reading() as session:
            return kit.answer({"announced": announcing.progress(session, **wish)[: _limit()]})

    @routes.get("/transfers")
    def transfer_list() -> Response:
        parts.account()
        return kit.answer({"transfers": [{"id": each.id, **transfers.as_json(each)} for each in hub.transfers()]})

    @routes.post("/transfers/<sender>/<transfer>/ask")
    def ask_transfer(sender: str, transfer: str) -> Response:
        account = parts.account("RECONCILE")
        wish = kit.fields()
        text = wish.text("text", most=discrepancies.TEXT_MAX)
        wish.done()
        number = hub.ask_transfer(TransferName(sender, OpId.parse(transfer)), account.login, text)
        return kit.answer(discrepancies.as_json(hub.discrepancy(number)))

    @routes.get("/anchors")
    def anchors() -> Response:
        parts.account()
        with hub.reading() as session:
            return kit.answer({"anchors": views.anchors(session, _limit())})

    @routes.post("/anchors")
    def anchor_now() -> Response:
        parts.account("ADMIN")
        kit.fields().done()
        return kit.answer({"anchor": hub.anchor_now()})

    @routes.get("/operations/<op_id>")
    def operation(op_id: str) -> Response:
        parts.account()
        wanted = OpId.parse(op_id)
        with hub.reading() as session:
            found = views.operation(session, str(wanted), request.args.get("origin", ""))
        if found is None:
            raise kit.NotFound(f"no verified block holds operation {wanted}: it is unknown, or still on its way")
        return kit.answer(found)

    @routes.get("/operations/<op_id>/receipt")
    def receipt(op_id: str) -> Response:
        parts.account()
        raw = hub.receipt(OpId.parse(op_id), request.args.get("origin", ""))
        headers = {"Content-Disposition": f'attachment; filename="{op_id}.receipt.json"'}
        return Response(raw, mimetype="application/vnd.tallyman.receipt+json", headers=headers)


def _add_discrepancies(routes: Blueprint, parts: HubParts) -> None:
    hub = parts.hub

    @routes.get("/discrepancies")
    def listed() -> Response:
        parts.account()
        found = hub.discrepancies(everything=request.args.get("all") == "true")[: _limit()]
        return kit.answer({"discrepancies": [discrepancies.as_json(each) for each in found]})

    @routes.get("/discrepancies/<int(max=999999999):number>")
    def one(number: int) -> Response:
        parts.account()
        return kit.answer(discrepancies.as_json(hub.discrepancy(number)))

    @routes.post("/discrepancies/<int(max=999999999):number>/<verb>")
    def act(number: int, verb: str) -> Response:
        account = parts.account("RECONCILE")
        wish = kit.fields()
        text = wish.text("text", most=discrepancies.TEXT_MAX)
        site = wish.text("site", most=31, need=False)
        wish.done()
        if verb == "comment":
            hub.comment(number, account.login, text)
        elif verb == "owner":
            hub.assign(number, account.login, text)
        elif verb in VERDICTS:
            hub.decide(number, account.login, verb, text, site)
        else:
            raise kit.NotFound(f"{shown(verb)} is nothing one can do with a discrepancy")
        return one(number)


def _add_approvals(routes: Blueprint, parts: HubParts) -> None:
    hub = parts.hub

    @routes.get("/approvals")
    def waiting() -> Response:
        parts.account()
        with hub.reading() as session:
            found = approving.waiting(session)[: _limit()]
            return kit.answer({"approvals": [approving.as_json(session, each) for each in found]})

    @routes.get("/approvals/<op_id>")
    def waiting_one(op_id: str) -> Response:
        parts.account()
        with hub.reading() as session:
            one = approving.find(session, str(OpId.parse(op_id)), request.args.get("origin", ""))
            return kit.answer(approving.in_full(session, one))

    @routes.post("/approvals/<op_id>/<verdict>")
    def decide(op_id: str, verdict: str) -> Response:
        account = parts.account(approvers.ROLE)
        if verdict not in approving.VERDICTS:
            raise kit.NotFound(f"{shown(verdict)} is nothing one can do with an approval")
        wish = kit.fields()
        password, reason = wish.text("password", most=200), wish.text("reason", most=64, need=False)
        origin = wish.text("origin", most=128, need=False)
        wish.done()
        parts.confirm(account, password)
        found = hub.decide_approval(str(OpId.parse(op_id)), account.login, password, verdict, reason, origin)
        return kit.answer({**found, "decided": verdict})


def _limit() -> int:
    raw = request.args.get("limit", str(LIST_MAX))
    return quantity(int(raw) if raw.isascii() and raw.isdecimal() and len(raw) < 6 else raw, least=1, most=LIST_MAX)
