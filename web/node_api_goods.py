"""Goods where they stand and as they leave: holds and releases, labels, issues, scrap, units, deliveries, picking."""

from __future__ import annotations

from ledger.announced import due_key
from ledger.ids import OpId
from ledger.moves import STATUSES
from ledger.people import ADJUST, APPROVE, HOLD, ISSUE, MOVE, RECEIVE
from node import orders
from node.desk import Answer
from node.holds import FIRST as FIRST_HELD
from node.values import LABEL_CHARS_MAX
from web.node_api_words import (
    ADJUSTED,
    ASKED,
    CONFIRM,
    DONE,
    EXPIRY,
    HELD,
    MADE,
    MEASURE,
    NOTE,
    REASON,
    REASONS,
    STANDS_IN,
    THING,
    lines_of,
    many_lines_of,
)
from web.node_api_work import hex_of, signed_verb, verb
from web.node_ask import Ask
from web.routes import Route
from web.schema import (
    CODE,
    NAME,
    OP_ID,
    QUANTITY,
    STATUS,
    WHEN,
    Schema,
    array,
    by_item,
    counts,
    either,
    flag,
    one_of,
    or_null,
    record,
    text,
    whole,
)

REFERENCE = text("A number of somebody else's: of an order, a delivery, a report", least=1, most=64)
DUE = text("The day, YYYY-MM-DD, or empty", most=10)
STANDING = record(
    "StandingLine",
    {"quantity": QUANTITY},
    {**THING, "status": STATUS, "expiry": EXPIRY, "location": CODE, "reasons": REASONS},
)
LEAVING = record(
    "LeavingLine",
    {"quantity": QUANTITY},
    {**THING, "status": STATUS, "expiry": EXPIRY, "source": CODE, "reasons": REASONS},
)
WANTED = record("WantedLine", {"quantity": QUANTITY}, {"item": CODE, "barcode": text(most=14)})
FREED = record("FreedLine", {"line": whole(), "quantity": QUANTITY, "location": CODE})
HELD_BY = record(
    "HeldBy",
    {
        "op_id": OP_ID,
        "call": text("What it was"),
        "by": NAME,
        "own": flag("The asker did it: somebody else has to release it"),
        "line": or_null(whole("Of the hold, for a release; null: nobody holds it, and it is held anew before that")),
        "quantity": QUANTITY,
    },
)
HELD_ROW = record(
    "HeldRow",
    {
        "location": CODE,
        "item": CODE,
        "lot": CODE,
        "serial": CODE,
        "status": STATUS,
        "quantity": QUANTITY,
        **MEASURE,
        "origins": array(HELD_BY, None, doc="What brought it there, newest first; older ones may be left out"),
    },
)
DELIVERY = record(
    "Delivery",
    {
        "delivery": text(),
        "supplier": CODE,
        "due": DUE,
        "being_counted": flag("Goods of it are in a bin that is being counted, and the asker counts: not told yet"),
        "lines": array(
            record(
                "DeliveryLine",
                {
                    "item": CODE,
                    **MEASURE,
                    "wanted": QUANTITY,
                    "came": or_null(QUANTITY),
                    "lots": array(CODE),
                    "units": array(CODE),
                },
            ),
        ),
    },
)
ORDER = record(
    "Order",
    {
        "order": text(),
        "due": DUE,
        "lines": array(record("OrderLine", {"item": CODE, "quantity": QUANTITY, **MEASURE})),
    },
)
PICK_ROW = record(
    "PickRow",
    {
        "list": OP_ID,
        "order": text(),
        "opened_at_ms": WHEN,
        "tote": CODE,
        "lines": whole("Still to pick"),
        "mine": flag(),
        "picker": text("Or empty"),
    },
)
NOT_TOLD = "Absent where it would tell a counter something of a bin that is being counted"
PICK_LIST = record(
    "PickList",
    {
        "list": OP_ID,
        "order": text(),
        "state": one_of("open", "issued", "cancelled"),
        "tote": CODE,
        "lines": array(
            record(
                "PromisedLine",
                {
                    "location": CODE,
                    "stands_in": STANDS_IN,
                    "item": CODE,
                    "name": NAME,
                    "lot": CODE,
                    "expiry": EXPIRY,
                    "quantity": QUANTITY,
                    **MEASURE,
                    "serials": flag(),
                },
            ),
            None,
        ),
        "being_counted": array(CODE, None),
        "wanted": counts("By item; of none while the asker must not know what some of it is promised from"),
        "measures": by_item(record("Measure", MEASURE)),
        "picked": counts("By item"),
        "missing": counts("By item: neither picked nor promised"),
    },
)
OF_LIST = {"list": OP_ID}
SURE: dict[str, Schema] = {"confirm": CONFIRM}
SCANNED = text("A label as it was read: it is kept as a scan event of the act", most=LABEL_CHARS_MAX)
STATED: dict[str, Schema] = {"reasons": REASONS, "occurred_ms": WHEN, "happened": MADE["happened"], "note": NOTE}


def _holds(ask: Ask) -> object:
    location, item, lot, status, serial = ask.after or FIRST_HELD
    after = (str(location), str(item), str(lot), int(status), str(serial))
    only = {name: ask.query.get(name, "") for name in ("item", "location")}
    with ask.reading() as connection:
        found = ask.parts.floor.holds.waiting(connection, ask.who, after, ask.limit + 1, **only)
    names = ("location", "item", "lot", "status", "serial")
    return ask.page(
        [(tuple(STATUSES.index(row[n]) if n == "status" else row[n] for n in names), row) for row in found]
    )


def _deliveries(ask: Ask) -> object:
    due, name = ask.after or ("", "")
    only = ask.query.get("delivery", "")
    with ask.reading() as connection:
        after = (str(due), str(name))
        found = ask.parts.floor.deliveries.waiting(connection, ask.who, after, ask.limit + 1, only=only)
    return ask.page([((due_key(row["due"]), row["delivery"]), row) for row in found])


def _orders(ask: Ask) -> object:
    due, name = ask.after or ("", "")
    with ask.reading() as connection:
        found = orders.waiting(connection, ask.who, (str(due), str(name)), ask.limit + 1)
    return ask.page([((due_key(row["due"]), row["order"]), row) for row in found])


def _picks(ask: Ask) -> object:
    at_ms, name = ask.after or (0, "")
    with ask.reading() as connection:
        found = ask.parts.floor.picking.lists(connection, ask.who, (int(at_ms), hex_of(name)), ask.limit + 1)
    return ask.page([((row["opened_at_ms"], row["list"]), row) for row in found])


def _pick_list(ask: Ask) -> Answer:
    name = OpId.parse(ask.path["list"])
    with ask.reading() as connection:
        found: Answer = ask.named(lambda: ask.parts.floor.picking.show(connection, ask.who, name))
    return found


ROUTES = (
    verb(
        "documents/hold", HOLD, "Goods are held where they stand", lambda floor: floor.stock.hold,
        either(DONE, ASKED), {"held": HELD, "lines": lines_of(STANDING)}, {"location": CODE, **SURE, **STATED},
    ),
    signed_verb(
        "documents/release", APPROVE, "Held goods are free again; whoever held them cannot",
        lambda floor: floor.holds.release, DONE, {"hold": OP_ID, "lines": lines_of(FREED)},
        {"order": REFERENCE, "reasons": REASONS, "occurred_ms": WHEN, "note": NOTE},
    ),
    verb(
        "documents/relabel", ADJUST, "Goods get another lot, or another expiry", lambda floor: floor.stock.relabel,
        either(DONE, ASKED), {"lines": lines_of(STANDING)},
        {"lot": CODE, "expiry": EXPIRY, "location": CODE, **SURE, **STATED},
    ),
    verb(
        "documents/issue", ISSUE, "Goods leave to a customer", lambda floor: floor.stock.issue,
        either(DONE, ASKED), {"lines": many_lines_of(LEAVING)},
        {"source": CODE, "order": REFERENCE, **SURE, **STATED},
    ),
    verb(
        "documents/scrap", ADJUST, "Propose to write goods off", lambda floor: floor.stock.scrap,
        either(ADJUSTED, ASKED), {"lines": lines_of(LEAVING)}, {"source": CODE, **SURE, **STATED},
    ),
    verb(
        "documents/send-back", ADJUST, "Propose to send goods back to their supplier",
        lambda floor: floor.stock.send_back, either(ADJUSTED, ASKED),
        {"lines": lines_of(LEAVING), "supplier": CODE, "origin": REFERENCE}, {"source": CODE, **SURE, **STATED},
    ),
    verb(
        "units/move", RECEIVE | MOVE | ISSUE, "Handling units go with their content",
        lambda floor: floor.stock.move_units, DONE,
        {"units": lines_of(record("UnitMoved", {"unit": CODE}, {"target": CODE}))},
        {"target": CODE, **STATED},
    ),
    Route(
        method="GET", path="/api/v1/holds/", allow=ADJUST | HOLD | APPROVE,
        summary="What is not free, bin by bin, and what brought it there",
        query={"item": text("Only this item", most=31), "location": text("Only this bin", most=31)},
        answer=HELD_ROW, keys=(str, str, str, int, str), handle=_holds,
    ),
    verb(
        "deliveries/", RECEIVE | APPROVE, "A delivery is announced", lambda floor: floor.deliveries.expect,
        record("DeliveryExpected", {"op_id": OP_ID, "delivery": text()}),
        {"delivery": REFERENCE, "supplier": CODE, "lines": lines_of(WANTED)},
        {"over_percent": whole("How much more of a line is taken without a reason", most=100)},
    ),
    verb(
        "deliveries/close", RECEIVE | APPROVE, "Nothing more comes of a delivery",
        lambda floor: floor.deliveries.close,
        record("DeliveryClosed", {"op_id": OP_ID, "delivery": text(), "short": counts("By item")}),
        {"delivery": REFERENCE}, {"reason": REASON},
    ),
    Route(
        method="GET", path="/api/v1/deliveries/", allow=RECEIVE | APPROVE, summary="What is expected and what came",
        query={"delivery": text("Only this one", most=64)},
        answer=DELIVERY, keys=(str, str), handle=_deliveries,
    ),
    Route(
        method="GET", path="/api/v1/orders/", allow=ISSUE | APPROVE, answer=ORDER, keys=(str, str), handle=_orders,
        summary="Announced orders without an open pick list, as far as they have not left",
    ),
    verb(
        "picks/", ISSUE, "A new pick list, without lines for an announced order: what is free is promised to it",
        lambda floor: floor.picking.open,
        record("PickListOpened", {"op_id": OP_ID, **OF_LIST, "missing": counts("By item")}),
        {"order": REFERENCE}, {"lines": lines_of(WANTED)},
    ),
    verb(
        "picks/begin", ISSUE, "Take a list, with a tote", lambda floor: floor.picking.begin,
        record(
            "PickListBegun", {"op_id": OP_ID, **OF_LIST, "tote": CODE},
            {"exception": flag("The rules would have refused this tote: it is kept, and is to be counted")},
        ),
        {**OF_LIST, "tote": CODE}, {"scanned": SCANNED, **STATED},
    ),
    verb(
        "picks/again", ISSUE, "What is free now of what is missing is promised to the list",
        lambda floor: floor.picking.again,
        record("PickListAgain", {"op_id": OP_ID, **OF_LIST, "missing": counts("By item")}), OF_LIST,
    ),
    verb(
        "picks/pick", ISSUE, "Goods go into the tote now", lambda floor: floor.picking.pick,
        either(
            record(
                "Picked", {"op_id": OP_ID, "state": one_of("recorded"), **OF_LIST},
                {
                    "left": {**QUANTITY, "description": NOT_TOLD},
                    "exception": flag("It could not be booked: it is sealed as an exception document"),
                },
            ),
            ASKED,
        ),
        {**OF_LIST, "quantity": QUANTITY, "source": CODE},
        {**THING, "scanned": SCANNED, "scanned_source": SCANNED, **SURE, **STATED},
    ),
    verb(
        "picks/short", ISSUE, "What is promised there is not there; the bin is to be counted",
        lambda floor: floor.picking.short,
        record(
            "PickedShort", {"op_id": OP_ID, **OF_LIST},
            {name: {**QUANTITY, "description": NOT_TOLD} for name in ("short", "missing")},
        ),
        {**OF_LIST, "location": CODE, "item": CODE}, {"lot": CODE, **STATED},
    ),
    verb(
        "picks/issue", ISSUE, "Everything in the tote leaves and the list ends", lambda floor: floor.picking.issue,
        either(
            record(
                "PickListIssued", {"op_id": OP_ID, "state": one_of("recorded"), **OF_LIST, "lines": whole()},
                {
                    "exception": flag("It could not be booked: it is sealed as an exception document"),
                    "parts": whole("In how many parts it was recorded, where these are more than one"),
                },
            ),
            ASKED,
        ),
        OF_LIST, {"confirm": flag(), **STATED},
    ),
    verb(
        "picks/cancel", ISSUE | APPROVE, "End a list without its goods", lambda floor: floor.picking.cancel,
        record("PickListCancelled", {"op_id": OP_ID, **OF_LIST}), {**OF_LIST, "reason": REASON},
    ),
    Route(
        method="GET", path="/api/v1/picks/", allow=ISSUE | APPROVE, summary="Open pick lists, oldest first",
        answer=PICK_ROW, keys=(int, str), handle=_picks,
    ),
    Route(
        method="GET", path="/api/v1/picks/{list}", allow=ISSUE | APPROVE, params=OF_LIST, answer=PICK_LIST,
        summary="A pick list: what to take from where", handle=_pick_list,
    ),
)  # fmt: skip
