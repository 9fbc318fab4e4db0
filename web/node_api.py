"""REST `/api/v1` of a node: thin over the floor's verbs, which check, act once an op_id and answer.

A verb's route is a row of `VERBS`: the body's `op_id` is taken out, the rest is the verb's own to judge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from devices.reads import NewRead
from ledger import people
from ledger.errors import Rejected
from ledger.ids import TEXT_BYTES_MAX, OpId
from ledger.seams import failpoint
from node import proofs
from node.desk import Answer, Person
from web import kit
from web.node_app import (
    SESSION_COOKIE,
    TABLET_COOKIE,
    TABLET_COOKIE_S,
    NodeParts,
    cookie_name,
    store,
    tablet,
    token_given,
)
from web.node_views import newest_operations
from web.node_words import ladder, state_words

SCAN_CHARACTERS_MAX = 4_096

Verb = Callable[[OpId, Person, object], Answer]
SignedVerb = Callable[[OpId, Person, object, object], Answer]


def verbs(parts: NodeParts) -> dict[str, Verb]:
    """Every act by its path under /api/v1."""
    floor = parts.floor
    counting, stock, picking = floor.counting, floor.stock, floor.picking
    return {
        "counts": counting.open_session,
        "counts/start": counting.start,
        "counts/cancel": counting.cancel,
        "counts/assign": counting.assign,
        "counts/uncounted": counting.uncounted,
        "counts/reject": counting.reject,
        "counts/relocate": counting.relocations.decide,
        "counts/sheets": counting.sheets.issue,
        "counts/sheets/settle": counting.sheets.settle,
        "counts/sheets/return": counting.sheets.take_back,
        "counts/certificate": counting.certificates.issue,
        "counts/open": counting.open_bin,
        "counts/leave": counting.leave,
        "counts/enter": counting.enter,
        "counts/undo": counting.undo,
        "counts/empty": counting.empty,
        "counts/close": counting.close_bin,
        "counts/recount": counting.review.recount,
        "scans/resolve": floor.parking.resolve,
        "scans/dismiss": floor.parking.dismiss,
        "tasks/begin": stock.begin,
        "tasks/finish": stock.finish,
        "tasks/drop": stock.drop,
        "documents/receive": stock.receive,
        "documents/move": stock.move,
        "documents/adjust": stock.adjust,
        "documents/reverse": stock.reverse,
        "documents/exception": stock.except_document,
        "deliveries": floor.deliveries.expect,
        "deliveries/close": floor.deliveries.close,
        "documents/hold": stock.hold,
        "documents/relabel": stock.relabel,
        "documents/issue": stock.issue,
        "documents/scrap": stock.scrap,
        "documents/send-back": stock.send_back,
        "units/move": stock.move_units,
        "picks": picking.open,
        "picks/begin": picking.begin,
        "picks/pick": picking.pick,
        "picks/short": picking.short,
        "picks/issue": picking.issue,
        "picks/cancel": picking.cancel,
        "documents/reject": floor.stock.proposals.reject,
        "tablets/settle": floor.tablets.settle,
    }


def taken(*names: str) -> dict[str, Any]:
    """These members of the request's object as they came, None for an absent one; any other member is refused."""
    wish = kit.body()
    extra = sorted(set(wish) - set(names))
    if extra:
        raise Rejected(f"{kit.shown(extra[0])} is not known here: expected only {', '.join(names) or 'nothing'}")
    return {name: wish.get(name) for name in names}


def blueprint(parts: NodeParts) -> Blueprint:
    routes = Blueprint("node_api", __name__, url_prefix="/api/v1")
    for path, verb in verbs(parts).items():
        _add_verb(routes, parts, path, verb)
    _add_signed(routes, parts)
    _add_log_in(routes, parts)
    _add_scans(routes, parts)
    _add_reads(routes, parts)
    _add_lookups(routes, parts)
    return routes


def _add_signed(routes: Blueprint, parts: NodeParts) -> None:
    """Acts that a person signs: the PIN opens the key for this one act and is no part of what is remembered."""
    signed = {
        "counts/approve": parts.floor.counting.posting.approve,
        "counts/approve-bins": parts.floor.counting.posting.approve_bins,
        "documents/approve": parts.floor.stock.proposals.approve,
        "documents/release": parts.floor.holds.release,
        "transfers/dispatch": parts.floor.transfers.dispatch,
        "transfers/accept": parts.floor.transfers.accept,
    }
    for path, verb in signed.items():

        def act(verb: SignedVerb = verb) -> Response:
            who = parts.person()
            wish = kit.body()
            op_id, pin = OpId.parse(wish.pop("op_id", None)), wish.pop("pin", None)
            return kit.answer(verb(op_id, who, wish, pin))

        routes.add_url_rule(f"/{path}", f"act_{path}", act, methods=["POST"])


def _add_verb(routes: Blueprint, parts: NodeParts, path: str, verb: Verb) -> None:
    def act() -> Response:
        who = parts.person()
        wish = kit.body()
        op_id = OpId.parse(wish.pop("op_id", None))
        return kit.answer(verb(op_id, who, wish))

    routes.add_url_rule(f"/{path}", f"act_{path}", act, methods=["POST"])


def _add_log_in(routes: Blueprint, parts: NodeParts) -> None:
    def opened(answer: Answer, name: str) -> Response:
        people_here = parts.floor.people
        people_here.bind_device(people_here.session(answer["token"]), f"tablet-{name}")
        response = kit.answer(answer)
        options: dict[str, Any] = {"httponly": True, "samesite": "Strict", "secure": request.is_secure, "path": "/"}
        response.set_cookie(cookie_name(SESSION_COOKIE), str(answer["token"]), **options)
        response.set_cookie(cookie_name(TABLET_COOKIE), name, max_age=TABLET_COOKIE_S, **options)
        return response

    @routes.post("/auth/login")
    def login() -> Response:
        wish, name = taken("login", "pin"), tablet(parts)
        return opened(parts.floor.people.log_in(wish["login"], wish["pin"], name), name)

    @routes.post("/auth/activate")
    def activate() -> Response:
        wish, name = taken("op_id", "login", "code", "pin"), tablet(parts)
        op_id = OpId.parse(wish["op_id"])
        return opened(parts.floor.people.activate(op_id, wish["login"], wish["code"], wish["pin"], name), name)

    @routes.post("/auth/logout")
    def logout() -> Response:
        taken()
        parts.floor.people.log_out(token_given())
        response = kit.answer({"logged_out": True})
        response.delete_cookie(cookie_name(SESSION_COOKIE), path="/", httponly=True, samesite="Strict")
        return response

    @routes.get("/users/me")
    def me() -> Response:
        who = parts.person()
        roles = people.role_names(who.roles)
        return kit.answer({"actor": str(who.actor), "name": who.name, "roles": roles})


def _add_reads(routes: Blueprint, parts: NodeParts) -> None:
    @routes.get("/status")
    def status() -> Response:
        return kit.answer(dict(parts.status()))

    @routes.post("/sync/now")
    def sync_now() -> Response:
        parts.person()
        taken()
        return kit.answer(dict(parts.sync()))

    @routes.post("/seal")
    def seal() -> Response:
        parts.person()
        taken()
        sealed = parts.site.seal()
        return kit.answer({"sealed": sealed is not None, "height": parts.site.head.height})

    @routes.get("/devices")
    def devices() -> Response:
        parts.person()
        return kit.answer({"devices": [dict(device) for device in parts.devices()]})

    @routes.get("/counts/mine")
    def mine() -> Response:
        who = parts.person()
        with parts.site.reading() as connection:
            counting = parts.floor.counting
            return kit.answer({"bins": counting.mine(connection, who), "screen": counting.screen(connection, who)})

    @routes.get("/counts/<session>")
    def session(session: str) -> Response:
        who, op_id = parts.person(), OpId.parse(session)
        with parts.site.reading() as connection:
            return kit.answer(parts.floor.counting.review.overview(connection, who, op_id))

    @routes.get("/counts")
    def sessions() -> Response:
        who = parts.person()
        with parts.site.reading() as connection:
            return kit.answer({"sessions": parts.floor.counting.review.sessions(connection, who)})

    @routes.get("/counts/<session>/bins/<bin_>")
    def bin_review(session: str, bin_: str) -> Response:
        return kit.answer(parts.floor.counting.review.bin_review(parts.person(), OpId.parse(session), bin_))

    @routes.get("/counts/<session>/bins/<bin_>/parked")
    def parked(session: str, bin_: str) -> Response:
        who, op_id = parts.person(), OpId.parse(session)
        with parts.site.reading() as connection:
            return kit.answer({"parked": parts.floor.counting.review.parked(connection, who, op_id, bin_)})


def _add_scans(routes: Blueprint, parts: NodeParts) -> None:
    @routes.post("/scans")
    def scan() -> Response:
        """A scan that a tablet caught: journalled like any other, under the tablet's own id, then taken. `bin`: where
        the counter was, "" or absent for wherever the node has them."""
        who, wish, device = parts.person(), kit.fields(), f"tablet-{store(parts)}"
        op_id, text = OpId.parse(wish.text("op_id", most=32)), wish.text("text", most=SCAN_CHARACTERS_MAX)
        context = {"bin": wish.text("bin", most=TEXT_BYTES_MAX, need=False), "waited_ms": who.waited_ms}
        wish.done()
        raw = text.encode("utf-8", "surrogatepass")
        # The node's own drain may be faster: the read acts once, and both get the same answer. It asks whose the
        # device is, so that has to be known before the read is there.
        with parts.site.reading() as connection:
            owner = parts.floor.people.owner_of(connection, device)
        if owner is None or owner.actor != who.actor:
            parts.floor.people.bind_device(who, device)
        said = {name: value for name, value in context.items() if value}
        [read] = parts.journal.record([NewRead(device, raw, context=said, client_id=str(op_id))])
        outcome = parts.floor.scanning.take(read, who)
        # If we die here the tablet sends it again: the same read, the same answer.
        failpoint("scan.taken")
        return kit.answer({"op_id": str(op_id), "read": read.read_id, **outcome})

    @routes.post("/devices/bind")
    def bind() -> Response:
        """From now on the reads of `device` are those of whoever asks."""
        who, wish = parts.person(), kit.fields()
        device = wish.text("device", most=100)
        wish.done()
        parts.floor.people.bind_device(who, device)
        return kit.answer({"device": device, "actor": str(who.actor)})

    @routes.get("/scans/parked")
    def parked_here() -> Response:
        who = parts.person()
        with parts.site.reading() as connection:
            return kit.answer({"parked": parts.floor.parking.mine(connection, who)})


def _add_lookups(routes: Blueprint, parts: NodeParts) -> None:
    look = parts.floor.lookups

    @routes.get("/inventory/<path:code>")
    def item(code: str) -> Response:
        who = parts.person()
        with parts.site.reading() as connection:
            return kit.answer(look.item(connection, who, code))

    @routes.get("/locations/<path:code>/inventory")
    def location(code: str) -> Response:
        who = parts.person()
        with parts.site.reading() as connection:
            return kit.answer(look.bin(connection, who, code))

    @routes.get("/deliveries")
    def deliveries() -> Response:
        who = parts.person()
        with parts.site.reading() as connection:
            return kit.answer({"deliveries": parts.floor.deliveries.waiting(connection, who)})

    @routes.get("/picks")
    def picks() -> Response:
        who = parts.person()
        with parts.site.reading() as connection:
            return kit.answer({"picks": parts.floor.picking.lists(connection, who)})

    @routes.get("/picks/<list_>")
    def pick_list(list_: str) -> Response:
        who, name = parts.person(), OpId.parse(list_)
        with parts.site.reading() as connection:
            return kit.answer(parts.floor.picking.show(connection, who, name))

    @routes.get("/holds")
    def holds() -> Response:
        who = parts.person()
        with parts.site.reading() as connection:
            return kit.answer({"holds": parts.floor.holds.waiting(connection, who)})

    @routes.get("/transfers")
    def transfers() -> Response:
        parts.person()
        with parts.site.reading() as connection:
            known = parts.floor.transfers
            return kit.answer({"leaving": known.leaving(connection), "coming": known.coming(connection)})

    @routes.get("/operations")
    def operations() -> Response:
        parts.person()
        with parts.site.reading() as connection:
            return kit.answer({"operations": newest_operations(connection, 20)})

    @routes.get("/operations/<op_id>")
    def operation(op_id: str) -> Response:
        who, wanted = parts.person(), OpId.parse(op_id)
        with parts.site.reading() as connection:
            state = proofs.state_of(connection, wanted)
            if state is None:
                raise kit.NotFound(f"operation {op_id} was not recorded at this site")
            found = look.operation(connection, who, wanted)
        return kit.answer({**found, "state": state, "words": state_words(state), "ladder": ladder(state)})

    @routes.get("/operations/<op_id>/receipt")
    def receipt(op_id: str) -> Response:
        who, wanted = parts.person(), OpId.parse(op_id)
        with parts.site.reading() as connection:
            if proofs.state_of(connection, wanted) is None:
                raise kit.NotFound(f"operation {op_id} was not recorded at this site")
            if not look.may_open(connection, who, wanted):
                raise kit.Forbidden("this operation tells what is expected of a bin that is being counted: later")
        headers = {"Content-Disposition": f'attachment; filename="{op_id}.receipt.json"'}
        raw = parts.site.receipt(wanted)
        return Response(raw, mimetype="application/vnd.tallyman.receipt+json", headers=headers)
