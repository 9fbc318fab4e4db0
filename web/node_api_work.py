"""Documents, tasks, proposals and transfers: thin over the floor's verbs, which judge, act once and answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ledger.db import Connection
from ledger.errors import Invalid, Rejected
from ledger.ids import OpId
from ledger.people import ADJUST, APPROVE, AUDIT, COUNT, ISSUE, MOVE, RECEIVE, STOCK_ROLES, TRANSFER
from node.desk import Answer, Person
from node.dispatch_paper import SCANNED_MAX, TEXT_BYTES_MAX
from node.floor import Floor
from web.node_api_count_words import AMOUNT, COUNTED
from web.node_api_words import (
    ADJUSTED,
    ARRIVED_LINE,
    ASKED,
    CHANGE,
    CONFIRM,
    DISPATCHED,
    DONE,
    EXPIRY,
    HELD,
    IN_TASK,
    LINE,
    MADE,
    MEASURE,
    NOTE,
    REASON,
    REASONS,
    RECEIVED_LINE,
    RECORDED,
    SENT_LINE,
    UNHEARD_OF,
    lines_of,
    many_lines_of,
    signed,
)
from web.node_app import NodeParts
from web.node_ask import Ask
from web.routes import ANYONE, Route
from web.schema import (
    CODE,
    NAME,
    OP_ID,
    QUANTITY,
    STATUS,
    WHEN,
    Schema,
    array,
    either,
    flag,
    one_of,
    or_null,
    record,
    text,
    whole,
)

Verb = Callable[[OpId, Person, object], Answer]
SignedVerb = Callable[[OpId, Person, object, object], Answer]
NO_MEMBER: dict[str, Schema] = {}


def verb(
    path: str, allow: int, summary: str, find: Callable[[Floor], Verb], answer: Schema,
    need: Mapping[str, Schema] = NO_MEMBER, may: Mapping[str, Schema] = NO_MEMBER,
    version: Callable[[Ask], object] | None = None,
) -> Route:  # fmt: skip
    """An act of the floor as a route: the body is the wish."""
    body = record(_title(path), need, may)
    return Route(
        method="POST", path=f"/api/v1/{path}", allow=allow, summary=summary, act=True, body=body, answer=answer,
        version=version, handle=lambda ask: find(ask.parts.floor)(ask.op_id, ask.who, ask.body),
    )  # fmt: skip


def signed_verb(
    path: str, allow: int, summary: str, find: Callable[[Floor], SignedVerb], answer: Schema,
    need: Mapping[str, Schema], may: Mapping[str, Schema] = NO_MEMBER,
    version: Callable[[Ask], object] | None = None,
) -> Route:  # fmt: skip
    """An act that a person signs: the PIN opens the key for this one act and is no part of what is remembered."""

    def handle(ask: Ask) -> Answer:
        pin = ask.body.pop("pin", None)
        return find(ask.parts.floor)(ask.op_id, ask.who, ask.body, pin)

    return Route(
        method="POST", path=f"/api/v1/{path}", allow=allow, summary=summary, act=True, answer=answer,
        body=record(_title(path), need, signed(may)), version=version, handle=handle,
    )  # fmt: skip


def _title(path: str) -> str:
    return "".join(word.title() for word in path.split("/"))


# ---------------------------------------------------------------- proposals

PROPOSAL = record(
    "Proposal",
    {
        "proposal": OP_ID,
        "call": one_of("adjust", "reverse"),
        "act": one_of("adjust", "scrap", "send-back", "reverse"),
        "of": text("The operation that it books backwards, or empty"),
        "by": NAME,
        "own": flag("The asker proposed it: somebody else signs"),
        "at_ms": WHEN,
        "state": one_of("open", "approved", "rejected"),
        "reason": text("Why it was rejected, or empty"),
        "happened": flag("It has been done already: what is not booked of it is sealed as an exception"),
        "being_counted": flag("It touches a bin that is being counted, and the asker counts: its lines are not told"),
        "reasons": REASONS,
        "references": {"type": "object", "additionalProperties": text(), "description": "Foreign numbers by kind"},
        "note": text("Free text, or empty"),
        "lines": lines_of(
            record(
                "ProposedLine",
                {
                    "reasons": REASONS,
                    "item": CODE,
                    "lot": CODE,
                    "serial": CODE,
                    "status": STATUS,
                    "quantity": QUANTITY,
                    **MEASURE,
                    "source": CODE,
                    "target": CODE,
                },
            )
        ),
    },
)

KEPT = {"exception": flag("It had happened and is not booked: that is sealed, and its bins are to be counted")}


def _proposals(ask: Ask) -> object:
    at_ms, name = ask.after or (0, "")
    with ask.reading() as connection:
        hidden = ask.parts.floor.counting.blind_bins(connection, ask.who)
        waiting = ask.parts.floor.stock.proposals.waiting
        after = (int(at_ms), hex_of(name))
        found = waiting(connection, ask.who, hidden, after, ask.limit + 1)
    return ask.page([((each["at_ms"], each["proposal"]), each) for each in found])


def hex_of(name: object) -> str:
    """The part of a cursor that is an op_id; "" begins before all of them. Raises Invalid for anything else."""
    try:
        return "" if name == "" else str(OpId.parse(name))
    except Rejected as error:
        raise Invalid("the cursor belongs to another list: take it from the `next` of the page before") from error


def _proposal(ask: Ask) -> Answer:
    """The proposal that the path or, for a decision, the body names."""
    name = OpId.parse(ask.path.get("proposal", ask.body.get("proposal")))
    with ask.reading() as connection:
        hidden = ask.parts.floor.counting.blind_bins(connection, ask.who)
        return ask.parts.floor.stock.proposals.one(connection, ask.who, name, hidden)


# ---------------------------------------------------------------- transfers

TRANSFER_LINE = {
    "index": whole(), "item": CODE, "lot": CODE, "serial": CODE, "quantity": QUANTITY, **MEASURE,
    "handling_unit": {**CODE, "description": "The unit that it travels in whole; empty for what is loose"},
}  # fmt: skip
OPEN_LINE = record("OpenLine", {**TRANSFER_LINE, "open": QUANTITY})
TRANSFER_ROW = record(
    "TransferRow",
    {"transfer": OP_ID},
    {
        "receiver": NAME,
        "sender": NAME,
        "state": text("What the hub says of it"),
        "quantity": QUANTITY,
        "settled": QUANTITY,
        "lines": lines_of(OPEN_LINE),
    },
    doc="One leaving has receiver, quantity and settled; one coming has its sender and open lines, and its"
    " receiver if it comes back",
)


def _transfers(ask: Ask) -> object:
    """Those that leave by id, those that come by sender and id."""
    (after,) = ask.after or ("",)
    known, key = ask.parts.floor.transfers, str(after)
    with ask.reading() as connection:
        if ask.query.get("direction") == "coming":
            coming = known.coming(connection, key, ask.limit + 1)
            return ask.page([((f"{each['sender']}/{each['transfer']}",), each) for each in coming])
        leaving = known.leaving(connection, hex_of(key), ask.limit + 1)
    return ask.page([((each["transfer"],), each) for each in leaving])


def _transfer(ask: Ask) -> Answer:
    with ask.reading() as connection:
        transfer: OpId = OpId.parse(ask.path["transfer"])
        found: Answer = ask.named(lambda: transfer_for(ask.parts, connection, ask.who, transfer))
    return found


def transfer_for(parts: NodeParts, connection: Connection, who: Person, transfer: OpId) -> Answer:
    """A transfer as far as this person may see it; with its paper where it was dispatched here."""
    found: Answer = parts.floor.transfers.one(connection, transfer)
    told = parts.floor.lookups.may_open(connection, who, transfer)
    here = found["sender"] == parts.floor.transfers.site_name
    paper = parts.floor.transfers.paper(connection, transfer) if told and here else None
    return {**found, "being_counted": not told, "paper": paper, **({} if told else {"lines": []})}


def _sites(ask: Ask) -> object:
    (after,) = ask.after or ("",)
    with ask.reading() as connection:
        found = ask.parts.floor.transfers.sites(connection, str(after), ask.limit + 1)
    return ask.page([((site,), {"site": site}) for site in found])


def _paper(ask: Ask) -> Answer:
    with ask.reading() as connection:
        found: Answer = ask.parts.floor.transfers.read_paper(connection, ask.body)
    return found


PROPOSED = {"proposal": OP_ID}
THING: dict[str, Schema] = {"kind": one_of("receive", "move")}
_REFERENCES: dict[str, Schema] = {"supplier": CODE, "delivery_note": CODE}

ROUTES = (
    verb(
        "documents/receive", RECEIVE, "Goods come in", lambda floor: floor.stock.receive, either(DONE, ASKED),
        {"lines": many_lines_of(RECEIVED_LINE)},
        {
            "target": CODE, "origin": one_of("supplier", "customer"), **_REFERENCES,
            "delivery": text("An expected one", most=64),
            "return_of": text("What a customer's goods come back from", most=64),
            "confirm": flag("Receive this delivery note once more, and so much"), "reasons": REASONS, **MADE,
        },
    ),
    verb(
        "documents/move", MOVE, "Goods change place", lambda floor: floor.stock.move, either(DONE, ASKED),
        {"lines": many_lines_of(LINE)},
        {"source": CODE, "target": CODE, "reasons": REASONS, "confirm": CONFIRM, **MADE},
    ),
    verb(
        "documents/take-back", MOVE, "Carry one's own move of the last minute back, by another one that names it",
        lambda floor: floor.stock.take_back,
        DONE, {"of": OP_ID}, {"reasons": REASONS, **MADE},
    ),
    verb(
        "documents/adjust", ADJUST, "Propose to correct stock", lambda floor: floor.stock.adjust,
        either(ADJUSTED, ASKED), {"lines": lines_of(CHANGE)}, {"reasons": REASONS, "confirm": CONFIRM, **MADE},
    ),
    verb(
        "documents/reverse", RECEIVE | MOVE | ISSUE | ADJUST, "Propose to book an operation backwards",
        lambda floor: floor.stock.reverse, ADJUSTED, {"of": OP_ID, "reasons": REASONS}, MADE,
    ),
    verb(
        "documents/exception", STOCK_ROLES, "State an act that happened and cannot be booked",
        lambda floor: floor.stock.except_document, DONE,
        {"location": CODE, "reason": REASON, "lines": lines_of(LINE)},
        {"reasons": REASONS, "confirm": CONFIRM, **MADE},
    ),
    verb(
        "documents/reject", APPROVE, "Refuse a proposal for good", lambda floor: floor.stock.proposals.reject,
        record("Rejected", {"op_id": OP_ID, "proposal": OP_ID, "state": one_of("rejected")}, KEPT),
        {**PROPOSED, "reason": REASON}, version=_proposal,
    ),
    signed_verb(
        "documents/approve", APPROVE, "Sign and book a proposal of somebody else",
        lambda floor: floor.stock.proposals.approve,
        record("Approved", {"op_id": OP_ID, "proposal": OP_ID, "state": RECORDED}, KEPT), PROPOSED,
        version=_proposal,
    ),
    Route(
        method="GET", path="/api/v1/proposals/", allow=APPROVE, summary="What waits for a signature, oldest first",
        answer=PROPOSAL, keys=(int, str), handle=_proposals,
    ),
    Route(
        method="GET", path="/api/v1/proposals/{proposal}", allow=APPROVE, params=PROPOSED, answer=PROPOSAL,
        summary="One proposal, decided or not", handle=lambda ask: ask.named(lambda: _proposal(ask)),
    ),
    verb(
        "tasks/begin", RECEIVE | MOVE, "Begin to scan a receipt or a move", lambda floor: floor.stock.begin,
        record("Begun", {"op_id": OP_ID, "task": whole(), **THING, "source": CODE, "target": CODE}),
        THING, {"source": CODE, "target": CODE, "delivery": text("An expected one, of a receipt", most=64)},
    ),
    verb(
        "tasks/enter", RECEIVE | MOVE, "How much of a thing there is, by hand; it replaces what was scanned of it",
        lambda floor: floor.stock.enter, either(COUNTED, ASKED), {"item": CODE},
        {
            "lot": CODE, "serial": CODE, "status": STATUS, "expiry": EXPIRY,
            "place": text("Where it goes", most=31), "confirm": CONFIRM, **AMOUNT, **IN_TASK,
        },
    ),
    verb(
        "tasks/part", COUNT | RECEIVE | MOVE | AUDIT, "A part of a line is held, in a receipt, a move or a count",
        lambda floor: floor.stock.part, COUNTED, {"item": CODE, "held": HELD},
        {
            "lot": CODE, "serial": CODE, "status": STATUS, "expiry": EXPIRY,
            "place": text("Where the line goes", most=31), "bin": CODE, **AMOUNT, **IN_TASK,
        },
    ),
    verb(
        "tasks/finish", RECEIVE | MOVE, "Book what was scanned", lambda floor: floor.stock.finish,
        either(DONE, ASKED),
        may={
            **_REFERENCES, "delivery": text("An expected one", most=64), "reasons": REASONS, **MADE,
            "confirm": flag("Receive this delivery note once more"), **IN_TASK,
        },
    ),
    verb(
        "tasks/drop", RECEIVE | MOVE, "Give up what was scanned; its events stay on record",
        lambda floor: floor.stock.drop, record("Dropped", {"op_id": OP_ID, "task": whole()}), may=IN_TASK,
    ),
    signed_verb(
        "transfers/dispatch", TRANSFER, "Goods leave for another site", lambda floor: floor.transfers.dispatch,
        either(DISPATCHED, ASKED), {"receiver": text("A site", most=31), "lines": many_lines_of(SENT_LINE)},
        {"source": CODE, "vehicle": CODE, "seal": CODE, "confirm": UNHEARD_OF, **MADE},
    ),
    signed_verb(
        "transfers/accept", TRANSFER, "Goods of a transfer arrive", lambda floor: floor.transfers.accept,
        either(DISPATCHED, ASKED),
        {"transfer": OP_ID, "lines": lines_of(ARRIVED_LINE)},
        {
            "sender": text("A site; needed where two of them use one id", most=31), "target": CODE,
            "units": array(CODE, 200, "Handling units that arrived whole: they stand in `target`"),
            "paper": or_null(text("The dispatch paper's text")), "confirm": CONFIRM, **MADE,
        },
    ),
    signed_verb(
        "transfers/reverse", TRANSFER, "Take an acceptance back: the transfer is open again",
        lambda floor: floor.reversing.reverse,
        record("Reversed", {"op_id": OP_ID, "state": RECORDED, "transfer": OP_ID, "reversal": OP_ID}),
        {"of": OP_ID, "reasons": REASONS}, {"note": NOTE},
    ),
    verb(
        "transfers/cancel", TRANSFER, "Ask the hub to cancel a transfer of this site, whose goods stand in `target`",
        lambda floor: floor.transfers.cancel, DISPATCHED, {"transfer": OP_ID, "target": CODE}, {"note": NOTE},
    ),
    Route(
        method="GET", path="/api/v1/sites/", allow=ANYONE, summary="The other sites, as far as the hub told of them",
        answer=record("Site", {"site": NAME}), keys=(str,), handle=_sites,
    ),
    Route(
        method="POST", path="/api/v1/transfers/paper", allow=TRANSFER, handle=_paper,
        summary="What may be accepted by a dispatch paper, which is checked; nothing is kept and nothing begins",
        body=record("ScannedPaper", {"scanned": array(text("A code of it", most=TEXT_BYTES_MAX), SCANNED_MAX)}),
        answer=record(
            "PaperTransfer",
            {
                "transfer": OP_ID, "sender": NAME, "lines": lines_of(OPEN_LINE),
                "paper": text("What `transfers/accept` wants"),
            },
            {"receiver": NAME},
        ),
    ),
    Route(
        method="GET", path="/api/v1/transfers/", allow=ANYONE, answer=TRANSFER_ROW, keys=(str,), handle=_transfers,
        summary="Dispatches of this site that are not settled, or with direction=coming those to accept here",
        query={"direction": one_of("leaving", "coming")},
    ),
    Route(
        method="GET", path="/api/v1/transfers/{transfer}", allow=ANYONE, params={"transfer": OP_ID},
        summary="A transfer from or to this site", handle=_transfer,
        answer=record(
            "Transfer",
            {
                "transfer": OP_ID, "sender": NAME, "receiver": NAME, "state": text(),
                "diverted": text("To which site the hub has diverted it"),
                "request": text("Of its cancelling: asked, declined, or empty"),
                "reversed": flag("An acceptance of it was reversed, as the hub told or as is known here"),
                "lines": array(
                    record(
                        "TransferLine", {**TRANSFER_LINE, "done": QUANTITY},
                        may={"accepted": QUANTITY, "missing": QUANTITY, "returned": QUANTITY},
                        doc="`accepted`, `missing` and `returned` (it comes back, or has: until then it is missing"
                        " too) of what left here, as soon as the hub has told",
                    )
                ),
                "being_counted": flag("It touches a bin that is being counted, and the asker counts"),
                "paper": or_null(text("What travels with the goods and is accepted there without a network")),
            },
        ),
    ),
)  # fmt: skip
