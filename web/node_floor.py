"""The pages of floor work. They hold no stock and no names: what is shown comes by the API, which is blind where a
person counts, and what is done goes through the outbox like a count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from flask import Blueprint, Response, render_template

from devices.output.page import qr_rows
from ledger.ids import OpId
from ledger.people import ADJUST, APPROVE, HOLD, ISSUE, RECEIVE, TRANSFER
from node import dispatch_paper
from node.desk import Answer
from web import kit
from web.node_api_work import transfer_for
from web.node_app import NodeParts
from web.node_pages import page
from web.node_words import CALLS, LADDER

# Codes of `ledger.documents.reason_code`; a person sees the words.
HELD = (("damage", "It is damaged"), ("quality", "Its quality is in doubt"), ("expired", "It has expired"))
BROKEN = (("damaged", "It is damaged"), ("expired", "It has expired"), ("lost", "It is not to be found"))
DIFFERS = (
    ("over", "More came than was expected"),
    ("short", "Less came than was expected"),
    ("damaged", "A part is damaged"),
)
NOT_PROMISED = (
    ("blocked", "Nobody can get to it"),
    ("damaged", "What is promised is damaged"),
    ("fresher", "A fresher lot is wanted"),
)
LABELS = (("faded", "The label cannot be read"), ("wrong", "The label was wrong"), ("tested", "It was tested again"))
UNORDERED = (("sample", "A sample"), ("own-use", "For our own use"), ("urgent", "Urgent, the order follows"))
REFUSED = (
    ("refused", "The customer did not want it"),
    ("damaged", "It is damaged"),
    ("wrong", "It was not what was ordered"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a document needs besides its lines: a text, a date, or one of several codes."""

    name: str
    label: str
    choices: tuple[tuple[str, str], ...] = ()
    kind: str = "text"
    need: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    """A document that is put together line by line on the tablet and sent as one act.

    `place`: the member of a line that names the bin, "" for none. `signed`: with the person's PIN. `proposed`: it
    waits for another person's signature. `fixed`: members that it always has.
    """

    path: str
    title: str
    yes: str
    done: str
    roles: int
    place: str
    said: tuple[Said, ...]
    scan: str = "Scan the bin, then what is taken"
    signed: bool = False
    proposed: bool = False
    fixed: tuple[tuple[str, str], ...] = ()


def _why(choices: tuple[tuple[str, str], ...]) -> Said:
    return Said("reasons", "Why", choices)


WORKS = {
    "hold": Work(
        "documents/hold", "Hold goods", "Hold them", "Held", HOLD, "location",
        (Said("held", "What is wrong", HELD), _why(BROKEN)), "Scan the bin, then what is wrong there",
    ),
    "relabel": Work(
        "documents/relabel", "Label anew", "Label them", "Labelled anew", ADJUST, "location",
        (Said("lot", "New lot", need=False), Said("expiry", "New expiry", kind="date", need=False), _why(LABELS)),
        "Scan the bin, then what gets the new label",
    ),
    "scrap": Work(
        "documents/scrap", "Scrap goods", "Propose it", "Proposed: another person signs it", ADJUST, "source",
        (_why(BROKEN),), proposed=True,
    ),
    "send-back": Work(
        "documents/send-back", "Send back to a supplier", "Propose it", "Proposed: another person signs it", ADJUST,
        "source", (Said("supplier", "Supplier"), Said("origin", "Delivery or order it came by"), _why(BROKEN)),
        proposed=True,
    ),
    "return": Work(
        "documents/receive", "Take back from a customer", "Take them in", "Taken back: held for quality", RECEIVE,
        "target", (Said("return_of", "Order it comes back from"), _why(REFUSED)),
        "Scan the bin that takes it, then what came back", fixed=(("origin", "customer"),),
    ),
    "issue": Work(
        "documents/issue", "Issue without a list", "Issue them", "Issued", ISSUE, "source",
        (Said("order", "Order, if there is one", need=False), _why(UNORDERED)),
    ),
    "order": Work(
        "picks/", "New pick list", "Reserve it", "The list is ready to be picked", ISSUE, "",
        (Said("order", "Order"),), "Scan or type what is ordered",
    ),
    "deliver": Work(
        "deliveries/", "Announce a delivery", "Announce it", "Announced", RECEIVE | APPROVE, "",
        (Said("delivery", "Its number"), Said("supplier", "Supplier")), "Scan or type what is expected",
    ),
    "dispatch": Work(
        "transfers/dispatch", "Send to another site", "Sign and send", "Sent", TRANSFER, "source",
        (Said("receiver", "To which site"),), signed=True,
    ),
}  # fmt: skip


# Template and values of each page, which are the same for everybody: a tablet keeps it for when the node is away.
SCREENS: dict[str, tuple[str, dict[str, object]]] = {
    "/look": ("look", {}),
    "/receive": ("task", {"kind": "receive", "title": "Receive goods", "reasons": DIFFERS}),
    "/move": ("task", {"kind": "move", "title": "Move goods", "reasons": ()}),
    "/pick": ("pick", {"not_promised": NOT_PROMISED}),
    "/bring-in": ("arrivals", {"differs": DIFFERS}),
    "/held": ("held", {}),
    **{f"/work/{kind}": ("basket", {"kind": kind, "work": work}) for kind, work in WORKS.items()},
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
        return {"floor_words": {"calls": CALLS, "shapes": shapes}}

    for path in [path for path in SCREENS if not path.startswith("/work/")]:
        routes.add_url_rule(path, path.strip("/"), page(parts)(partial(screen, path)))

    @routes.get("/work/<kind>")
    @page(parts)
    def work(kind: str) -> str:
        return screen(f"/work/{kind}")

    def dispatched(transfer: str) -> Answer:
        with parts.site.reading() as connection:
            found = transfer_for(parts, connection, parts.person(), OpId.parse(transfer))
        if found["paper"] is None:
            raise kit.NotFound(
                "this transfer's paper is not to be had here: it was dispatched elsewhere, or is counted"
            )
        return found

    @routes.get("/papers/<transfer>")
    @page(parts)
    def paper(transfer: str) -> str:
        found = dispatched(transfer)
        codes = [_code(text) for text in dispatch_paper.parts(found["paper"])]
        return render_template("node/paper.html", one=found, codes=codes)

    @routes.get("/papers/<transfer>/file")
    @page(parts)
    def paper_file(transfer: str) -> Response:
        found = dispatched(transfer)
        answer = Response(found["paper"], mimetype="application/json")
        answer.headers.set("Content-Disposition", "attachment", filename=f"dispatch-{found['transfer']}.json")
        return answer

    return routes


def _code(text: str) -> tuple[int, str]:
    """A QR Code as a page draws it: modules on a side, and the path of its dark ones."""
    rows = qr_rows(text)
    dark = (f"M{x},{y}h1v1h-1z" for y, row in enumerate(rows) for x, module in enumerate(row) if module)
    return len(rows), "".join(dark)
