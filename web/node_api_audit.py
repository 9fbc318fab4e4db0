"""`audit/…` and `operations/…`: what was done, by whom, how far its proof has come, and the receipt that shows it."""

from __future__ import annotations

import re
from typing import Any

from flask import Response

from ledger.documents import REFERENCE_CHARS_MAX
from ledger.errors import Invalid, Rejected
from ledger.ids import Actor, OpId
from ledger.people import ADMIN, APPROVE
from ledger.wording import shown
from node import listings, openings, proofs, tasks
from node.desk import Answer
from node.values import reference
from web import kit
from web.node_api_people import USER, need_self_or
from web.node_api_stock import CODE_OF
from web.node_api_words import DONE_BY, MARKS, MEASURE
from web.node_ask import Ask
from web.node_words import CALLS, LADDER, call_words, ladder, state_words
from web.routes import ANYONE, Route
from web.schema import (
    CODE,
    HASH,
    HEIGHT,
    OP_ID,
    QUANTITY,
    STATE,
    STATUS,
    WHEN,
    WORDS,
    Schema,
    array,
    flag,
    one_of,
    or_null,
    record,
    text,
    whole,
)

MS_DIGITS_MAX = 15
_MS = f"^[0-9]{{1,{MS_DIGITS_MAX}}}$"
BEGINNING = re.compile(r"[0-9a-f]{1,32}", re.ASCII)
SOUGHT = {
    "beginning": text("Only those whose id begins so", least=1, most=32, pattern="^[0-9A-Fa-f]{1,32}$"),
    "reference": text(
        "Only those that name a number on a paper that begins so, in small or capital letters: of a delivery note, a "
        "delivery, an order, a return, a transfer, a vehicle, its seal, a count sheet",
        least=1, most=REFERENCE_CHARS_MAX,
    ),
    "kind": one_of(*CALLS, doc="Only what the chain calls so"),
    "from_ms": text("Only what `at_ms` says to be of this moment or later, UTC milliseconds", pattern=_MS),
    "until_ms": text("Only what `at_ms` says to be before this moment", pattern=_MS),
}  # fmt: skip
RECEIPT_MEDIA = "application/vnd.tallyman.receipt+json"
_OPERATION: dict[str, Schema] = {
    "op_id": OP_ID,
    "height": HEIGHT,
    "place": {**HEIGHT, "description": "Of its transaction in the block"},
    "call": text("What the chain calls it"),
    "what": WORDS,
    "state": STATE,
    "at_ms": or_null(WHEN),
    "marks": MARKS,
}
OPERATION = record("OperationRow", _OPERATION)
ENTRY = record(
    "AuditEntry",
    {
        **_OPERATION,
        **DONE_BY,
    },
)


def _operations(ask: Ask) -> object:
    with ask.reading() as connection:
        found = listings.operations(connection, ask.after, ask.limit, _sought(ask))
    return ask.page([(key, _spoken({name: row[name] for name in row if name != "actor"})) for key, row in found])


def _sought(ask: Ask, actor: bytes | None = None) -> listings.Sought:
    """What the query looks for, of everybody or of one person."""
    kinds = (ask.query["kind"],) if "kind" in ask.query else ()
    beginning = ask.query.get("beginning", "").lower()
    if "beginning" in ask.query and not BEGINNING.fullmatch(beginning):
        raise Invalid(f"'beginning' is {shown(ask.query['beginning'])}: expected 1 to 32 hex digits")
    named = _number(ask.query["reference"]) if "reference" in ask.query else ""
    return listings.Sought(actor, kinds, _moment(ask, "from_ms"), _moment(ask, "until_ms"), beginning, named)


def _number(said: str) -> str:
    """By the rule by which such numbers are recorded."""
    try:
        return reference(said.strip())
    except Rejected as error:
        raise Invalid(f"'reference': {error}") from error


def _moment(ask: Ask, name: str) -> int | None:
    said = ask.query.get(name)
    if said is None:
        return None
    if not (said.isascii() and said.isdecimal() and len(said) <= MS_DIGITS_MAX):
        raise Invalid(f"{name!r} is {shown(said)}: expected UTC milliseconds since 1970")
    return int(said)


def _spoken(row: Answer) -> Answer:
    return {**row, "what": call_words(row["call"])}


def _audit(ask: Ask) -> object:
    with ask.reading() as connection:
        return ask.page(_named(ask, connection, listings.operations(connection, ask.after, ask.limit, _sought(ask))))


def _audit_user(ask: Ask) -> object:
    actor: Actor = ask.named(lambda: Actor.parse(ask.path["actor"]))
    need_self_or(ask.who, actor, ADMIN | APPROVE)
    with ask.reading() as connection:
        ask.named(lambda: ask.parts.floor.people.one(connection, actor))
        found = listings.operations(connection, ask.after, ask.limit, _sought(ask, actor.raw))
        return ask.page(_named(ask, connection, found))


def _audit_item(ask: Ask) -> object:
    with ask.reading() as connection:
        sku = ask.named(lambda: ask.parts.floor.lookups.sku(connection, ask.path["code"]))
        hidden = ask.parts.floor.counting.blind_bins(connection, ask.who)
        found = listings.operations_on(connection, sku, hidden, ask.after, ask.limit)
        return ask.page(_named(ask, connection, found))


def _named(ask: Ask, connection: Any, found: listings.Found) -> listings.Found:
    return [(key, _spoken(row)) for key, row in ask.parts.floor.lookups.named(connection, found)]


def _known(ask: Ask, connection: Any) -> tuple[OpId, str]:
    """The operation of the path, and how far its proof has come."""
    wanted: OpId = OpId.parse(ask.path["op_id"])
    state = proofs.state_of(connection, wanted)
    if state is None:
        raise kit.NotFound(f"operation {wanted} was not recorded at this site")
    return wanted, state


def _operation(ask: Ask) -> object:
    with ask.reading() as connection:
        wanted, state = _known(ask, connection)
        found = ask.parts.floor.lookups.operation(connection, ask.who, wanted)
    return {**found, "state": state, "words": state_words(state), "ladder": ladder(state)}


def _receipt(ask: Ask) -> Response:
    with ask.reading() as connection:
        wanted, state = _known(ask, connection)
        if not ask.parts.floor.lookups.may_open(connection, ask.who, wanted):
            raise kit.Forbidden("this operation tells what is expected of a bin that is being counted: later")
        if state == proofs.RECORDED:
            raise Rejected(f"operation {wanted} is recorded but not sealed yet: its receipt comes with the block")
    raw = ask.parts.site.receipt(wanted)
    headers = {"Content-Disposition": f'attachment; filename="{wanted}.receipt.json"'}
    return Response(raw, mimetype=RECEIPT_MEDIA, headers=headers)


def _opened(ask: Ask, connection: Any) -> tuple[OpId, list[tuple[int, int, bytes]]]:
    """The operation of the path, and the scan events under its document."""
    wanted, _ = _known(ask, connection)
    if not ask.parts.floor.lookups.may_open(connection, ask.who, wanted):
        raise kit.Forbidden("this operation tells what is expected of a bin that is being counted: later")
    return wanted, ask.named(lambda: openings.events_of(connection, wanted))


def _events(ask: Ask) -> object:
    (said,) = ask.after or (0,)
    after = int(said)
    with ask.reading() as connection:
        _, found = _opened(ask, connection)
        rows = [
            ((number,), {"event": number, **tasks.event(connection, task, at)[0].to_json()})
            for number, (task, at, _) in enumerate(found[after : after + ask.limit + 1], after + 1)
        ]
    return ask.page(rows)


def _event(ask: Ask) -> object:
    said = ask.path["number"]
    with ask.reading() as connection:
        wanted, found = _opened(ask, connection)
        if not (said.isascii() and said.isdecimal() and len(said) <= 5 and 1 <= int(said) <= len(found)):
            raise kit.NotFound(f"scan event {shown(said)} of operation {wanted}: expected 1 to {len(found)}")
        opening, raw = openings.opening(connection, wanted, found, int(said) - 1)
    return {
        "op_id": str(wanted),
        "event": opening.event.to_json(),
        "index": opening.index,
        "size": opening.size,
        "path": [node.hex() for node in opening.path],
        "document": opening.document.hex(),
        "raw": None if raw is None else raw.hex(),
    }


OF_OPERATION = {"op_id": OP_ID}
OF_EVENT = {**OF_OPERATION, "number": text("From 1, in the order in which they stand under the root", most=5)}
_EVENT: dict[str, Schema] = {
    "number": whole("From 1 within what was counted, received, moved or picked together"),
    "kind": one_of("scan", "key", "set", "undo", "empty", "resolve", "repeat", "sealed"),
    "item": CODE,
    "lot": CODE,
    "serial": CODE,
    "status": {"type": "integer", "description": "As the chain numbers it; -1 where nobody said it"},
    "expiry": text("ISO date, or empty"),
    "place": text("Where the thing goes; without an item, the place whose label this is"),
    "quantity": {"type": "integer", "description": "The change in base units"},
    "entered": or_null(whole("What was keyed in, in base units")),
    "read": or_null({**HASH, "description": "The raw read"}),
    "digest": or_null({**HASH, "description": "SHA-256 of the bytes that were read"}),
    "negates": or_null(whole("The number of the event that it takes back")),
    "at_ms": WHEN,
    "pieces": {"type": "integer", "description": "Beside a weight"},
}
EVENT_ROW = record("EventUnderRootRow", {"event": whole("Its number in the address"), **_EVENT})
OPENED = record(
    "OpenedEvent",
    {
        "op_id": OP_ID,
        "event": record("EventUnderRoot", _EVENT),
        "index": whole("Its leaf, from 0"),
        "size": whole("Leaves under the root"),
        "path": array({**HASH, "description": "RFC 6962 audit path, leaf side first"}, 64),
        "document": {**HASH, "description": "The bytes whose SHA-256 the sealed call names; `scans` is the root"},
        "raw": or_null({**HASH, "description": "The bytes that a page read, where this node has them"}),
    },
)
RUNG = record("Rung", {"name": STATE, "shape": text(), "words": WORDS, "reached": flag()})
PART = record(
    "DocumentPart",
    {
        "number": whole("From 1"),
        "op_id": {**OP_ID, "description": "What booked it, or states it until then"},
        "booked": flag(),
        "exception": flag("It could not be booked and is sealed as an exception document"),
        "state": STATE,
    },
)
DETAIL = record(
    "Operation",
    {"op_id": OP_ID, "height": HEIGHT, "state": STATE, "words": WORDS, "ladder": array(RUNG, len(LADDER))},
    {
        "being_counted": flag("It tells what is expected of a bin that is being counted, and the asker counts"),
        "call": text(),
        "by": text("A name, or empty"),
        "lines": array(
            record(
                "BookedLine",
                {
                    "item": CODE,
                    **MEASURE,
                    "lot": CODE,
                    "serial": CODE,
                    "status": STATUS,
                    "quantity": QUANTITY,
                    "source": CODE,
                    "target": CODE,
                },
            ),
            None,
        ),
        "parts": array(PART, None, "Of a large document: how far each of its parts is"),
        "part_of": record(
            "PartOf", {"op_id": OP_ID, "number": whole(), "count": whole()}, doc="The document that this is a part of"
        ),
        "units": array(record("UnitMoves", {"unit": CODE, "source": CODE, "target": CODE})),
        "reversed_by": text("The operation that booked it backwards, or empty"),
        "marks": MARKS,
        "scans": or_null({**HASH, "description": "The root of the scan events that its document stands on"}),
    },
)

ROUTES = (
    Route(
        method="GET", path="/api/v1/audit/", allow=ADMIN | APPROVE, answer=ENTRY, keys=(int, int), handle=_audit,
        query=SOUGHT,
        summary="Every operation of the site with who did it, newest first",
    ),
    Route(
        method="GET", path="/api/v1/audit/users/{actor}", allow=ANYONE, params=USER, answer=ENTRY, keys=(int, int),
        summary="What one person did; of others than oneself with ADMIN or APPROVE", handle=_audit_user,
        problems=(403,), query=SOUGHT,
    ),
    Route(
        method="GET", path="/api/v1/audit/items/{code}", allow=ADMIN | APPROVE, params=CODE_OF, answer=ENTRY,
        keys=(int, int), handle=_audit_item, summary="Operations that booked an item, with who did them",
    ),
    Route(
        method="GET", path="/api/v1/operations/", allow=ANYONE, answer=OPERATION, keys=(int, int),
        handle=_operations, query=SOUGHT, summary="Every operation of the site without who did it, newest first",
    ),
    Route(
        method="GET", path="/api/v1/operations/{op_id}", allow=ANYONE, params=OF_OPERATION, answer=DETAIL,
        handle=_operation, summary="An operation: what it booked, and how far its proof has come",
    ),
    Route(
        method="GET", path="/api/v1/operations/{op_id}/receipt", allow=ANYONE, params=OF_OPERATION,
        answer={"type": "object", "title": "Receipt", "description": "What `tallyman verify` checks with no network"},
        media=RECEIPT_MEDIA, handle=_receipt, problems=(403, 422),
        summary="The proof of a sealed operation, as strong as it is by now",
    ),
    Route(
        method="GET", path="/api/v1/operations/{op_id}/events/", allow=ANYONE, params=OF_OPERATION, answer=EVENT_ROW,
        keys=(int,), handle=_events, problems=(403,), summary="What was scanned or keyed in for an operation",
    ),
    Route(
        method="GET", path="/api/v1/operations/{op_id}/events/{number}", allow=ANYONE, params=OF_EVENT, answer=OPENED,
        handle=_event, problems=(403,), summary="One scan event with its path to the root in the sealed document",
    ),
)  # fmt: skip
