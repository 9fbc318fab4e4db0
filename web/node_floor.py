"""The pages of floor work. They hold no stock and no names: what is shown comes by the API, which is blind where a
person counts, and what is done goes through the outbox like a count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from flask import Blueprint, Response, render_template

from ledger.ids import OpId
from ledger.moves import HELD_BECAUSE, STATUSES
from ledger.people import ADJUST, APPROVE, HOLD, ISSUE, RECEIVE, STOCK_ROLES, TRANSFER
from node import dispatch_paper, sent
from node.desk import Answer
from web import drawn, kit
from web.excerpts import taken
from web.languages import N_, said
from web.node_api_work import transfer_for
from web.node_app import NodeParts
from web.node_pages import page
from web.node_words import CALLS, HELD, LADDER, MARKS

# Codes of `ledger.documents.reason_code`; a person sees the words.
BROKEN = (("damaged", N_("It is damaged")), ("expired", N_("It has expired")), ("lost", N_("It is not to be found")))
# By the status that goods get: why.
BECAUSE = {STATUSES[status]: code for status, code in HELD_BECAUSE.items()}
DIFFERS = (("over", N_("More came than was expected")), ("short", N_("Less came than was expected")))
ARRIVED = (*DIFFERS, ("lost-on-the-way", N_("It was lost on the way")))
SHORT = (
    ("not-sent", N_("The supplier did not send it")),
    ("lost-on-the-way", N_("It was lost on the way")),
    ("not-wanted", N_("It is not wanted any more")),
)
NOT_PROMISED = (
    ("blocked", N_("Nobody can get to it")),
    ("damaged", N_("What is promised is damaged")),
    ("fresher", N_("A fresher lot is wanted")),
)
LABELS = (
    ("faded", N_("The label cannot be read")),
    ("wrong", N_("The label was wrong")),
    ("tested", N_("It was tested again")),
)
UNORDERED = (
    ("sample", N_("A sample")),
    ("own-use", N_("For our own use")),
    ("urgent", N_("Urgent, the order follows")),
)
CORRECTED = (
    ("found", N_("It was found")),
    ("lost", N_("It is not to be found")),
    ("booked-wrong", N_("It was booked wrongly")),
    ("own-use", N_("For our own use")),
)
EXCEPTED = (
    ("taken", N_("It was taken and not booked")),
    ("broken", N_("It broke or ran out")),
    ("found", N_("It was found")),
    ("label", N_("Its label cannot be read")),
    ("refused", N_("The books refused it")),
)
# What happened at the place of an exception.
HAPPENED = (("gone", N_("Goods are gone from there")), ("came", N_("Goods are there")))
# Whether the quantities of a correction are there beyond the books, or lack.
WAYS = (("more", N_("More than in the books")), ("less", N_("Less than in the books")))
REFUSED = (
    ("refused", N_("The customer did not want it")),
    ("damaged", N_("It is damaged")),
    ("wrong", N_("It was not what was ordered")),
)


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a document needs besides its lines: a text, a date, a site, or one of several codes."""

    name: str
    label: str
    choices: tuple[tuple[str, str], ...] = ()
    kind: str = "text"
    need: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    """A document that is put together line by line on the tablet and sent as one act.

    `place`: the member of a line that names the bin, "" for none; `amount`: the one that says how much. `signed`:
    with the person's PIN. `proposed`: it waits for another person's signature. `fixed`: members that it always has.
    """

    path: str
    title: str
    yes: str
    done: str
    roles: int
    place: str
    said: tuple[Said, ...]
    scan: str = N_("Scan the bin, then what is taken")
    signed: bool = False
    proposed: bool = False
    amount: str = "quantity"
    fixed: tuple[tuple[str, str], ...] = ()


def _why(choices: tuple[tuple[str, str], ...]) -> Said:
    return Said("reasons", N_("Why"), choices)


PROPOSED = N_("Proposed: another person signs it")
WORKS = {
    "hold": Work(
        "documents/hold", N_("Hold goods"), N_("Hold them"), N_("Held"), HOLD, "location",
        (Said("held", N_("What is wrong"), HELD), _why(BROKEN)), N_("Scan the bin, then what is wrong there"),
    ),
    "relabel": Work(
        "documents/relabel", N_("Label anew"), N_("Label them"), N_("Labelled anew"), ADJUST, "location",
        (Said("lot", N_("New lot"), need=False), Said("expiry", N_("New expiry"), kind="date", need=False),
         _why(LABELS)), N_("Scan the bin, then what gets the new label"),
    ),
    "scrap": Work(
        "documents/scrap", N_("Scrap goods"), N_("Propose it"), PROPOSED, ADJUST, "source",
        (_why(BROKEN),), proposed=True,
    ),
    "adjust": Work(
        "documents/adjust", N_("Correct stock"), N_("Propose it"), PROPOSED, ADJUST, "location",
        (Said("way", N_("What is there"), WAYS), _why(CORRECTED)), N_("Scan the bin, then what the books have wrong"),
        proposed=True, amount="change",
    ),
    "except": Work(
        "documents/exception", N_("Note an exception"), N_("Note it"), N_("Noted: the bin is to be counted"),
        STOCK_ROLES, "source",
        (Said("way", N_("What happened"), HAPPENED), Said("reason", N_("Why"), EXCEPTED),
         Said("note", N_("In your words"), need=False)),
        N_("Scan the bin, then what the books cannot say of it"),
    ),
    "send-back": Work(
        "documents/send-back", N_("Send back to a supplier"), N_("Propose it"), PROPOSED, ADJUST, "source",
        (Said("supplier", N_("Supplier")), Said("origin", N_("Delivery or order it came by")), _why(BROKEN)),
        proposed=True,
    ),
    "return": Work(
        "documents/receive", N_("Take back from a customer"), N_("Take them in"), N_("Taken back: held for quality"),
        RECEIVE, "target", (Said("return_of", N_("Order it comes back from")), _why(REFUSED)),
        N_("Scan the bin that takes it, then what came back"), fixed=(("origin", "customer"),),
    ),
    "issue": Work(
        "documents/issue", N_("Issue without a list"), N_("Issue them"), N_("Issued"), ISSUE, "source",
        (Said("order", N_("Order, if there is one"), need=False), _why(UNORDERED)),
    ),
    "order": Work(
        "picks/", N_("New pick list"), N_("Reserve it"), N_("The list is ready to be picked"), ISSUE, "",
        (Said("order", N_("Order")),), N_("Scan or type what is ordered"),
    ),
    "deliver": Work(
        "deliveries/", N_("Announce a delivery"), N_("Announce it"), N_("Announced"), RECEIVE | APPROVE, "",
        (Said("delivery", N_("Its number")), Said("supplier", N_("Supplier"))), N_("Scan or type what is expected"),
    ),
    "dispatch": Work(
        "transfers/dispatch", N_("Send to another site"), N_("Sign and send"), N_("Sent"), TRANSFER, "source",
        (Said("receiver", N_("To which site"), kind="site"), Said("vehicle", N_("Truck or trailer"), need=False),
         Said("seal", N_("Seal number"), need=False)), signed=True,
    ),
}  # fmt: skip


# Of the request to cancel one.
REQUESTS = {
    "asked": ("quiet", "◐", N_("the hub was asked to cancel it")),
    "declined": ("warn", "▲", N_("the hub did not cancel it")),
}


# What became of a transfer, by the hub's word for it: level, shape, words.
SENT = {
    "": ("quiet", "○", N_("the hub has not told of it")),
    "in transit": ("quiet", "◐", N_("on its way")),
    "arrived": ("good", "✓", N_("has arrived")),
    "settled": ("good", "✓", N_("is settled")),
    "short": ("bad", "■", N_("something is missing")),
    "over": ("warn", "▲", N_("more came than was sent")),
    "unmatched": ("bad", "■", N_("the hub does not know it")),
    "coming back": ("warn", "▲", N_("on its way back: bring it in when it is here")),
    "returned": ("good", "✓", N_("the rest has come back")),
    "cancelled": ("quiet", "✓", N_("was cancelled")),
}


# Template and values of each page, which are the same for everybody: a tablet keeps it for when the node is away.
SCREENS: dict[str, tuple[str, dict[str, object]]] = {
    "/look": ("look", {}),
    "/receive": (
        "task",
        {"kind": "receive", "title": N_("Receive goods"), "reasons": DIFFERS, "short": SHORT, "held": HELD},
    ),
    "/move": ("task", {"kind": "move", "title": N_("Move goods"), "reasons": (), "held": HELD}),
    "/pick": ("pick", {"not_promised": NOT_PROMISED}),
    "/bring-in": ("arrivals", {"differs": ARRIVED, "held": HELD}),
    "/held": ("held", {"held": HELD, "because": BECAUSE, "broken": BROKEN}),
    **{f"/floor/{kind}": ("basket", {"kind": kind, "work": work}) for kind, work in WORKS.items()},
}


def screen(path: str, **empty: object) -> str:
    """One of SCREENS. Raises NotFound for another path."""
    if path not in SCREENS:
        raise kit.NotFound("there is no such work: start again")
    template, values = SCREENS[path]
    return render_template(f"node/{template}.html", **values, **empty)


def blueprint(parts: NodeParts) -> Blueprint:
    routes = Blueprint("node_floor", __name__)
    shapes = {name: shape for name, shape, _ in LADDER}

    @routes.app_context_processor
    def shared() -> dict[str, object]:
        spoken = {
            "calls": {name: said(words) for name, words in CALLS.items()},
            "states": {name: said(name) for name in shapes},
            "marks": {name: said(short) for name, (short, _) in MARKS.items()},
        }
        return {"floor_words": {**spoken, "shapes": shapes}}

    for path in [path for path in SCREENS if not path.startswith("/floor/")]:
        routes.add_url_rule(path, path.strip("/"), page(parts)(partial(screen, path)))

    @routes.get("/floor/<kind>")
    @page(parts)
    def work(kind: str) -> str:
        return screen(f"/floor/{kind}")

    def dispatched(transfer: str) -> Answer:
        with parts.site.reading() as connection:
            found = transfer_for(parts, connection, parts.person(), OpId.parse(transfer))
        if found["paper"] is None:
            raise kit.NotFound(
                "this transfer's paper is not to be had here: it was dispatched elsewhere, or is counted"
            )
        return found

    @routes.get("/sent")
    @page(parts)
    def left() -> str:
        parts.person().may_see(TRANSFER | APPROVE, "see what was sent")
        with parts.site.reading() as connection:
            site = parts.floor.transfers.site_name
            found = taken(sent.count(connection), lambda skip, most: sent.newest(connection, site, skip, most))
        return render_template("node/sent.html", sent=found, states=SENT, requests=REQUESTS)

    @routes.get("/papers/<transfer>")
    @page(parts)
    def paper(transfer: str) -> str:
        found = dispatched(transfer)
        codes = [drawn.qr(text) for text in dispatch_paper.parts(found["paper"])]
        asks = parts.person().has(TRANSFER) and found["state"] in ("", "in transit") and found["request"] != "asked"
        return render_template("node/paper.html", one=found, codes=codes, states=SENT, requests=REQUESTS, asks=asks)

    @routes.get("/papers/<transfer>/file")
    @page(parts)
    def paper_file(transfer: str) -> Response:
        found = dispatched(transfer)
        answer = Response(found["paper"], mimetype="application/json")
        answer.headers.set("Content-Disposition", "attachment", filename=f"dispatch-{found['transfer']}.json")
        return answer

    return routes
