"""The pages of floor work. They hold no stock and no names: what is shown comes by the API, which is blind where a
person counts, and what is done goes through the outbox like a count."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, render_template

from devices.output.page import qr_rows
from ledger.ids import OpId
from ledger.people import ADJUST, APPROVE, HOLD, ISSUE, RECEIVE, TRANSFER
from web import kit
from web.node_api_work import transfer_for
from web.node_app import NodeParts
from web.node_pages import page
from web.node_words import CALLS, LADDER

PAPER_BYTES_MAX = 2_300  # what one QR Code of error correction M holds; a longer paper travels as a file
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


def blueprint(parts: NodeParts) -> Blueprint:
    routes = Blueprint("node_floor", __name__)
    shapes = {name: shape for name, shape, _ in LADDER}

    @routes.context_processor
    def shared() -> dict[str, object]:
        return {"floor_words": {"calls": CALLS, "shapes": shapes}}

    def add(path: str, template: str, **values: object) -> None:
        def show() -> str:
            return render_template(f"node/{template}.html", **values)

        routes.add_url_rule(path, path.strip("/").replace("/", "_"), page(parts)(show))

    add("/look", "look")
    add("/receive", "task", kind="receive", title="Receive goods", reasons=DIFFERS)
    add("/move", "task", kind="move", title="Move goods", reasons=())
    add("/pick", "pick", not_promised=NOT_PROMISED)
    add("/bring-in", "arrivals", differs=DIFFERS)
    add("/held", "held")

    @routes.get("/floor/<kind>")
    @page(parts)
    def floor(kind: str) -> str:
        if kind not in WORKS:
            raise kit.NotFound("there is no such work: start again")
        return render_template("node/basket.html", kind=kind, work=WORKS[kind])

    @routes.get("/papers/<transfer>")
    @page(parts)
    def paper(transfer: str) -> str:
        with parts.site.reading() as connection:
            found = transfer_for(parts, connection, parts.person(), OpId.parse(transfer))
        text = found["paper"]
        if text is None:
            raise kit.NotFound(
                "this transfer's paper is not to be had here: it was dispatched elsewhere, or is counted"
            )
        rows = qr_rows(text) if len(text.encode()) <= PAPER_BYTES_MAX else []
        dark = "".join(f"M{x},{y}h1v1h-1z" for y, row in enumerate(rows) for x, module in enumerate(row) if module)
        return render_template("node/paper.html", one=found, side=len(rows), dark=dark)

    return routes
