"""What counts, reviews and scans look like in the API."""

from __future__ import annotations

from node.counting import OTHERS_MAX
from web.node_api_words import EXPIRY, MEASURE
from web.schema import (
    ACTOR,
    CODE,
    HASH,
    HEIGHT,
    NAME,
    OP_ID,
    QUANTITY,
    SIGNED,
    STATUS,
    WHEN,
    WORDS,
    Schema,
    array,
    counts,
    flag,
    one_of,
    or_null,
    record,
    text,
    whole,
)

BINS_MAX = 500
BIN_STATE = one_of("waiting", "counting", "closing", "review", "posted", "uncounted", "rejected", "tested")
STAGES = ("drawing", "draft", "counting", "recount", "review", "posted", "closed", "cancelled", "rejected")
SESSION_STATE = one_of("active", *STAGES)
LOOKED_FOR = {
    "search": text("Only those whose name has each of these words", most=80),
    "state": one_of(*STAGES, doc="Only those that stand so"),
}
_LIMIT = or_null(whole("None: no limit", most=2**53 - 1))
RULE = record(
    "Rule",
    {},
    {
        "line_quantity_max": _LIMIT,
        "line_percent_max": _LIMIT,
        "line_value_max": _LIMIT,
        "bin_quantity_max": _LIMIT,
        "bin_value_max": _LIMIT,
        "session_value_max": _LIMIT,
        "counters": whole("How many people count each bin in any case", least=1, most=9),
        "rounds_max": whole(least=1, most=9),
        "open_percent": whole("How many of the unopened handling units are to be opened and counted", most=100),
        "control_percent": whole("How many bins without a difference are counted again all the same", most=100),
    },
    doc="When a bin has to be counted again; an absent limit has its default",
)
PLANNED = record(
    "PlannedBin",
    {"bin": CODE},
    {"items": array(CODE, 50, "Only these; absent: the whole bin"), "assignee": or_null(ACTOR), "deadline_ms": WHEN},
)
_THING: dict[str, Schema] = {"lot": CODE, "serial": CODE, "expiry": EXPIRY, "status": STATUS}
PIECES = whole("Beside a weight: how many")
AMOUNT: dict[str, Schema] = {
    "quantity": QUANTITY,
    "amount": text("Instead of `quantity`: a number such as 12.5, in the item's unit or in packs", most=23),
    "pack": text("What `amount` counts: the barcode of a pack", most=14),
    "pieces": PIECES,
}
COUNTED = record(
    "CountedLine",
    {"op_id": OP_ID, "counted": SIGNED},
    {
        "item": CODE,
        **_THING,
        "pieces": PIECES,
        "repeated": flag("This piece was counted before: nothing changed"),
    },
)
OF_SESSION = {"session": OP_ID}
OF_BIN = {"session": OP_ID, "bin": CODE}
ACTED = record("ActedOnSession", {"op_id": OP_ID, **OF_SESSION})
ACTED_ON_BIN = record("ActedOnBin", {"op_id": OP_ID, **OF_BIN})
PARKED_ROW: dict[str, Schema] = {
    "park": whole(),
    "raw": HASH,
    "symbology": text(),
    "why": WORDS,
}
HINT = record(
    "Hint", {}, {"item": CODE, **_THING, "quantity": QUANTITY, "pieces": PIECES, "amount": text()},
    doc="What is known of it",
)  # fmt: skip
OUTCOME = record(
    "Outcome",
    {
        "op_id": OP_ID,
        "read": text("The raw read's id"),
        "outcome": one_of(
            "counted",
            "opened",
            "steered",
            "parked",
            "late",
            "refused",
            "item",
            "bin",
            "badge",
            "control",
            "ignored",
            "nobody",
            "joined",
            "handed",
            "sealed",
            "taken",
            "dismissed",
        ),
    },
    {
        "why": WORDS,
        "command": text(),
        "item": CODE,
        **_THING,
        "name": NAME,
        "quantity": QUANTITY,
        "counted": SIGNED,
        "pieces": PIECES,
        "repeat": flag("The trigger was perhaps pulled twice"),
        "repeated": flag(),
        "bin": CODE,
        "session": OP_ID,
        "task": whole(),
        "whole": flag(),
        "late": flag("It was not to be counted any more: what is counted there is kept for itself"),
        "source": CODE,
        "target": CODE,
        "unit": text("A handling unit that came in by this scan", most=31),
        "delivery": text("The one that announced it", most=64),
        "open": array(CODE, doc="Items on it whose lots or serials have to be scanned"),
        "choices": array(one_of("second", "share"), doc="What `counts/open` can be told of a bin somebody counts"),
        "park": whole(),
        "hint": HINT,
        "measure": record("AmountWanted", MEASURE, doc="How much there is has to be said, so written; it waits"),
    },
)
SCREEN = record(
    "Screen",
    {
        "task": whole(),
        "kind": one_of("count", "receive", "move"),
        "source": CODE,
        "target": CODE,
        "empty": flag("The bin was declared empty"),
        "parked": whole("Scans that wait for an explanation"),
        "lines": array(
            record(
                "ScreenLine",
                {"item": CODE, "name": NAME, "counted": SIGNED},
                {
                    **_THING,
                    "decimals": whole(),
                    "unit": text(),
                    "pieces": PIECES,
                    "place": text("Where it goes, in a receipt or a move", most=31),
                },
            ),
            None,
        ),
        "last": array(
            record(
                "ScanEvent",
                {
                    "number": whole(),
                    "kind": one_of("scan", "key", "set", "undo", "empty", "resolve", "repeat", "sealed"),
                    "item": CODE,
                    "lot": CODE,
                    "serial": CODE,
                    "quantity": SIGNED,
                    "entered": or_null(QUANTITY),
                    "act": text("By which act a tablet said it, or empty"),
                    "undone": flag(),
                },
            )
        ),
    },
    {
        "parked_last": record(
            "SetAside",
            {"item": text("Empty: its code is unknown", most=31), "why": WORDS},
            doc="The newest scan that waits, while any does",
        ),
        "delivery": text("The one that a receipt is of", most=64),
        "sealed": array(CODE, None, "Units that were confirmed by their label, in a count"),
        "areas": array(
            record(
                "Area",
                {
                    "area": whole("0 is that of the bin's own counter"),
                    "name": NAME,
                    "by": NAME,
                    "state": one_of("asked", "agreed", "counting", "counted", "left"),
                    "mine": flag(),
                },
            ),
            doc="How several people share the bin",
        ),
    },
)
COUNTER = record("BinCounter", {"name": NAME, "since_ms": WHEN}, doc="Whoever else has it open at this moment")
MINE = record(
    "BinToCount",
    {
        **OF_SESSION,
        "name": NAME,
        "bin": CODE,
        "deadline_ms": or_null(WHEN),
        "overdue": flag("Its deadline is over"),
        "open": flag(),
        "whole": flag(),
        "mine": flag(),
    },
    {
        "area": record(
            "OwnArea", {"name": NAME, "state": one_of("asked", "agreed", "counting")}, doc="The asker's part of it"
        )
    },
)
PROGRESS = record(
    "Progress",
    {
        **OF_SESSION,
        "name": NAME,
        "counted": whole("Bins; one that waits for the asker is none"),
        "of": whole("Bins"),
        "others": array(
            record(
                "OtherBin", {"bin": CODE, "state": one_of("counting", "waiting", "counted")}, {"counter": COUNTER}
            ),
            OTHERS_MAX,
            "Bins that do not wait for the asker",
        ),
    },
    doc="How far a count is of which bins wait for the asker",
)
SESSION_BIN = record(
    "SessionBin",
    {
        "bin": CODE,
        "state": BIN_STATE,
        "round": whole(),
        "whole": flag(),
        "assignee": text("A name, or empty"),
        "deadline_ms": or_null(WHEN),
        "overdue": flag("It is not counted and its deadline is over"),
        "parked": whole(),
    },
    {
        "why": text(),  # not told to who may count it themselves, until it is in review
        "counted": flag("It waits to be counted again; what was counted can be taken"),
        "nobody": flag("It waits, and nobody here may count it"),
        "open": array(record("Counter", {"actor": ACTOR, "name": NAME}), doc="Who counts it now, or a part of it"),
        "sealed": flag("A unit that was confirmed by its label, and not counted"),
    },
)
REVIEW_LINE = record(
    "ReviewLine",
    {
        "line": whole(),
        "item": CODE,
        "name": NAME,
        "lot": CODE,
        "serial": CODE,
        "status": STATUS,
        "counted": QUANTITY,
        "expected": SIGNED,
        "difference": SIGNED,
        "value_minor": or_null({**SIGNED, "description": "At standard cost, minor units; null: it has no cost"}),
        "currency": text("Of its cost, three letters, or empty", most=3),
        "unit": text(),
        "decimals": whole(),
        "relocated": whole("How much of the difference an accepted relocation explains"),
        "over": text("Why it has to be counted again, or empty"),
        "posted": flag(),
    },
    {"expiry": EXPIRY, "lot_expiry": {**EXPIRY, "description": "What the lot has, where that is another day"}},
)
ROUND = record(
    "Round",
    {
        "round": whole(),
        "counter": text("A name, or empty"),
        "stable": flag("Nothing moved in the bin while it was counted"),
        "agreed": flag("Two people counted the same"),
        "bin_over": text(),
        "gross_value_minor": whole("What the differences are worth, plus and minus alike"),
        "without_cost": whole("Differences that have no cost and are not in that"),
        "currency": text("Three letters; empty when the costs are not all of one", most=3),
        "blind": flag(),
        "sheet": or_null(whole("The sheet of paper that it was counted on")),
        "operations": array(OP_ID, None),
        "lines": array(REVIEW_LINE),
    },
)
_MOVED: dict[str, Schema] = {"item": CODE, "lot": CODE, "serial": CODE, **MEASURE}
REVIEW = record(
    "BinReview",
    {
        **OF_BIN,
        "state": BIN_STATE,
        "rounds": array(ROUND),
        "moves": array(
            record(
                "MoveMeanwhile",
                {
                    "height": HEIGHT,
                    **_MOVED,
                    "quantity": QUANTITY,
                    "source": CODE,
                    "target": CODE,
                    "op_id": OP_ID,
                    "call": text("What it was, by the chain's name"),
                    "at_ms": {**WHEN, "description": "When it was sealed, or recorded; UTC ms"},
                    "after": flag("It came after the count was recorded"),
                },
            ),
            doc="Of a round that is not stable: what moved since the block in which the bin was opened",
        ),
        "parked": whole(),
        "relocations": array(
            record(
                "Relocation",
                {
                    **_MOVED,
                    "status": STATUS,
                    "source": CODE,
                    "target": CODE,
                    "quantity": QUANTITY,
                    "decided": one_of("accepted", "declined", ""),
                    "posted": text("What posted the other bin, or empty", most=32),
                },
                doc="Missing in source and found in target: perhaps only moved",
            )
        ),
        "uncounted": whole("In how many bins of the count what differs here may still turn up, or be missing"),
        "units": array(
            record("UnitConfirmed", {"unit": CODE, "stood": text("Where the books had it", most=31)}),
            None,
            "Unopened units whose label was read in this bin",
        ),
        "next": or_null(text()),
    },
    {
        "ended": text("Why it was not counted again as its rule has it", most=31),
        "chosen": record(
            "ChosenRound", {"round": whole(), "reason": text(most=31)}, doc="Decided on instead of the newest"
        ),
        "sealed": flag("A unit that was confirmed by its label, and not counted"),
    },
)
SESSION = record(
    "Session",
    {
        **OF_SESSION,
        "name": NAME,
        "state": SESSION_STATE,
        "opened_at_ms": WHEN,
        "bins": counts("How many stand where"),
        "test": flag("An auditor's test count: nothing of it is posted"),
    },
)
SESSION_BINS = record(
    "SessionBins",
    {
        **OF_SESSION,
        "name": NAME,
        "state": SESSION_STATE,
        "frozen": flag("Its bins take no other work meanwhile"),
        "not_drawn": text("Why its sample could not be drawn, empty where nothing stands against it"),
        "rule": RULE,
        "left_out": whole("How many bins its plan chose and did not get: they were in another count"),
        "bins": array(SESSION_BIN),
        "next": or_null(text()),
    },
)
SET_ASIDE = record(
    "LineSetAside", {"op_id": OP_ID, "outcome": one_of("parked"), "park": whole(), "why": WORDS, "hint": HINT},
    doc="A line that came late and is not taken as it is: it waits to be explained",
)  # fmt: skip
PARKED = record("ParkedScan", {**PARKED_ROW, "text": text("Its bytes, readable"), "hint": HINT})
PARKED_OF_BIN = record("ParkedScanOfBin", {**PARKED_ROW, "hint": text("What is known of it, as JSON"), "at_ms": WHEN})
PARKED_LEFT = record(
    "ParkedScanLeft",
    {
        **PARKED_ROW, "text": text("Its bytes, readable"), "hint": HINT, "at_ms": WHEN,
        "task": whole("One receipt, move or count"), "kind": one_of("receive", "move", "count"),
        "place": text("Where it was scanned, empty where nobody said"), "by": NAME,
    },
)  # fmt: skip
CLOSED = record(
    "BinClosed", {"op_id": OP_ID, "bin": CODE, "state": one_of("counted", "kept"), "operations": array(OP_ID)},
    {"exception": flag("It was taken away before this came in: it is kept as an exception, and the bin is counted"),
     "already": flag("It was finished before, on another tablet of the same person"),
     "test": {**OP_ID, "description": "Of an auditor's test count: its session, where the result stands"}},
    doc="The same answer whatever was counted",
)  # fmt: skip
PLAN = record(
    "CountPlan",
    {},
    {
        "areas": array(CODE, BINS_MAX, "The bin lies in one of them"),
        "items": array(CODE, BINS_MAX, "The books have one of these there"),
        "abc": array(CODE, BINS_MAX, "Or one of such a class"),
        "not_counted_since": EXPIRY,
        "expiring_before": EXPIRY,
        "empty": flag("The books have nothing there: a zero-check"),
        "suspect": flag("Something could not be booked there"),
        "most": or_null(whole("So many, the longest uncounted first", least=1, most=BINS_MAX)),
        "sample": or_null(whole("So many of all that fits, drawn by the seed", least=1, most=BINS_MAX)),
        "whole": or_null(flag("Count all of each bin, not only what was looked for")),
    },
    doc="A rule that chooses bins; all that is said has to hold",
)
_CHOSEN = record("ChosenBin", {"bin": CODE, "items": array(CODE, None)})
PLAN_KEPT = record(
    "KeptPlan",
    {
        **OF_SESSION,
        "name": NAME,
        "rule": {"type": "object", "description": "As it was resolved; empty for bins that somebody named"},
        "height": HEIGHT,
        "seed": HASH,
        "seed_from": text(
            "Who chose the seed of a sample: `hub-after:` or `hub-before:` the rule was sealed, with the op_id of the"
            " hub's note, or `site-chosen`. `hub-after` alone while the hub is waited for; empty without a sample"
        ),
        "bins": array(_CHOSEN),
        "content": {**HASH, "description": "What the session's note on the chain is the SHA-256 of"},
        "derived": {"type": ["boolean", "null"], "description": "Whether the rule gives the same bins again"},
        "next": or_null(text()),
    },
)
PREVIEW = record(
    "PlanPreview",
    {
        "bins": array(record("PreviewBin", {"bin": CODE, "items": array(CODE, None), "counted_ms": or_null(WHEN)})),
        "total": whole(),
        "drawn_from": or_null(whole("Of so many a sample will be drawn; then no bin is told")),
        "busy": array(CODE, doc="They fit and are in a count that is not finished"),
        "too_many": flag("More than one session can have"),
    },
)
