"""Members and answers that several routes of the node share."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.documents import MARKS as ALL_MARKS
from node.parts import DOCUMENT_LINES_MAX
from web.schema import (
    ACTOR,
    CODE,
    OP_ID,
    QUANTITY,
    SIGNED,
    STATUS,
    WHEN,
    WORDS,
    Schema,
    array,
    counts,
    either,
    flag,
    one_of,
    or_null,
    record,
    text,
    whole,
)

LINES_MAX = 200
LARGE = "More than 200 lines are recorded in parts, all or none of them"
REASON = text("A reason code: 1 to 31 of a-z 0-9 . -", least=1, most=31)
REASONS = array(REASON, 8, "Reason codes")
_SHARE = {"type": "array", "prefixItems": [REASON, whole(least=1)], "minItems": 2, "maxItems": 2}
SHARED_REASON = either(REASON, _SHARE)
NOTE = text("Free text for people; stays at this node, where it can be erased", most=500)
STANDS_IN = text("The place that it stands in when it is a handling unit; or empty", most=31)
EXPIRY = text("A date, YYYY-MM-DD", most=10)
PIN = text("The person's own PIN: it opens their key for this one signature", most=64)
ASKED = record("Question", {"op_id": OP_ID, "ask": WORDS}, doc="Not done yet: the same wish with `confirm` does it")

MARKS = array(one_of(*ALL_MARKS), 8, "How it came about, where that changes how it may be read")
# What a document says of itself; `happened`: the act is done, so what cannot be booked is sealed as an exception.
MADE: dict[str, Schema] = {"occurred_ms": WHEN, "happened": flag("It has been done already"), "note": NOTE}
# Which receipt or move it was done in, as its tablet had it: what is sent late is added to no other.
IN_TASK: dict[str, Schema] = {"task": whole(least=1)}
THING: dict[str, Schema] = {
    "item": CODE,
    "barcode": text("Instead of `item`: the digits of one of its barcodes", most=14),
    "lot": CODE,
    "serial": CODE,
}
LINE = record(
    "Line",
    {"quantity": QUANTITY},
    {**THING, "status": STATUS, "expiry": EXPIRY, "source": CODE, "target": CODE, "reasons": REASONS},
)
RECEIVED_LINE = record(
    "ReceivedLine",
    {"quantity": QUANTITY},
    {**THING, "status": STATUS, "expiry": EXPIRY, "target": CODE, "reasons": REASONS},
)
CHANGE = record(
    "Change",
    {"location": CODE, "change": SIGNED},
    {**THING, "status": STATUS, "expiry": EXPIRY, "reasons": REASONS},
)
SENT_LINE = record("SentLine", {"quantity": QUANTITY}, {**THING, "source": CODE})
ARRIVED_LINE = record(
    "ArrivedLine",
    {"index": whole("The line of the dispatch"), "quantity": QUANTITY},
    {
        "damaged": {**QUANTITY, "description": "Of `quantity`: taken in held"},
        "held": one_of("quality", "damage", "expired", doc="How; damage where it is not said"),
        "missing": QUANTITY,
        "target": CODE,
        "reasons": array(
            SHARED_REASON,
            8,
            "Codes; of several with how much of `missing` each explains. `returned`: the carrier took it back",
        ),
        "expiry": EXPIRY,
    },
)

# How the base units of quantities are written.
MEASURE: dict[str, Schema] = {
    "unit": text("The base unit"),
    "decimals": whole("Of the base unit, as people write it: a quantity of 1500 with three is 1.500", most=18),
}

DONE_BY: dict[str, Schema] = {
    "actor": {**ACTOR, "pattern": "^([0-9a-f]{64})?$", "description": "Who; empty for nobody's"},
    "by": text("The person's name, or the beginning of the id once the name was erased"),
}
CONFIRM = flag("Although so much is hard to believe, or whatever else was asked")
HELD = one_of("quality", "damage", "expired", doc="Why")
UNHEARD_OF = flag("Although the hub has not told of this receiver")
RECORDED = one_of("recorded")
DONE = record(
    "Recorded",
    {"op_id": OP_ID, "state": RECORDED},
    {
        "exception": flag(
            "It, or a part of it, could not be booked: that is sealed as an exception document, and the bin is to be"
            " counted"
        ),
        "parts": whole("In how many parts it was recorded, where these are more than one"),
        "open": counts("By item: what of the delivery is still to come"),
    },
)
ADJUSTED = record(
    "Proposed", {"op_id": OP_ID, "state": one_of("proposed")}, doc="Waits for another person's signature"
)
DISPATCHED = record(
    "Dispatched",
    {"op_id": OP_ID, "state": RECORDED},
    {
        "transfer": OP_ID,
        "transfers": array(OP_ID, None, "All of them, where a large dispatch is several transfers"),
        "exception": flag("It, or a part of it, could not be booked: that is sealed as an exception document"),
    },
)


def signed(may: Mapping[str, Schema]) -> dict[str, Schema]:
    """Optional members, with the PIN that signing takes when the person's key is not open."""
    return {**may, "pin": or_null(PIN)}


def lines_of(line: Schema) -> Schema:
    return array(line, LINES_MAX)


def many_lines_of(line: Schema) -> Schema:
    return array(line, DOCUMENT_LINES_MAX, LARGE)
