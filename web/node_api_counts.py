"""`counts/…` and `scans/…`: planning, counting, reviewing; what a tablet scans. The rules are the floor's."""

from __future__ import annotations

from devices.reads import NewRead
from ledger.errors import Rejected
from ledger.ids import TEXT_BYTES_MAX, OpId
from ledger.people import APPROVE, AUDIT, COUNT, MOVE, RECEIVE
from ledger.seams import failpoint
from ledger.wording import shown
from node.counting_shared import CHOICES
from node.desk import Answer
from node.rounds import latest
from web import kit
from web import node_api_count_words as words
from web.node_api_count_words import ACTED, ACTED_ON_BIN, COUNTED, OF_BIN, OF_SESSION
from web.node_api_words import ASKED, EXPIRY, IN_TASK, REASON, SHARED_REASON
from web.node_api_work import hex_of, signed_verb, verb
from web.node_app import store
from web.node_ask import Ask
from web.routes import ANYONE, Route
from web.schema import (
    ACTOR,
    CODE,
    NAME,
    OP_ID,
    QUANTITY,
    ROWS_MAX,
    STATUS,
    WHEN,
    WORDS,
    array,
    either,
    flag,
    one_of,
    or_null,
    record,
    text,
    whole,
)

SCAN_CHARACTERS_MAX = 4_096
BINS_MAX = words.BINS_MAX


# ---------------------------------------------------------------- reading


def _sessions(ask: Ask) -> object:
    at_ms, name = ask.after or (2**62, "")
    after = (int(at_ms), hex_of(name))
    with ask.reading() as connection:
        review = ask.parts.floor.counting.review
        found = review.sessions(connection, ask.who, after, ask.limit + 1, **ask.query)
    return ask.page([((each["opened_at_ms"], each["session"]), each) for each in found])


def _whole_session(ask: Ask) -> Answer:
    """All of the session that the path or the body names; what If-Match compares."""
    name = OpId.parse(ask.path.get("session", ask.body.get("session")))
    with ask.reading() as connection:
        return ask.parts.floor.counting.review.overview(connection, ask.who, name)


def _session(ask: Ask) -> object:
    """A session, its bins a page at a time."""
    (after,) = ask.after or ("",)
    ask.seen = found = ask.named(lambda: _whole_session(ask))
    page = ask.page([((each["bin"],), each) for each in found["bins"] if each["bin"] > after])
    return {**found, "bins": page["rows"], "next": page["next"]}


def _plan(ask: Ask) -> object:
    """How a session's bins were chosen, its bins a page at a time."""
    (after,) = ask.after or ("",)
    session = OpId.parse(ask.path["session"])
    ask.seen = found = ask.named(lambda: ask.parts.floor.counting.plans.show(ask.who, session))
    page = ask.page([((each["bin"],), each) for each in found["bins"] if each["bin"] > after])
    return {**found, "bins": page["rows"], "next": page["next"]}


def _mine(ask: Ask) -> object:
    with ask.reading() as connection:
        counting = ask.parts.floor.counting
        bins = counting.mine(connection, ask.who, ROWS_MAX)
        return {
            "bins": bins,
            "progress": counting.progress(connection, ask.who, bins),
            "screen": counting.screen(connection, ask.who),
        }


def _whole_review(ask: Ask) -> Answer:
    session = OpId.parse(ask.path.get("session", ask.body.get("session")))
    bin_ = ask.path.get("bin", ask.body.get("bin"))
    if not isinstance(bin_, str):
        raise Rejected(f"bin is {shown(bin_)}: expected a text")
    return ask.parts.floor.counting.review.bin_review(ask.who, session, bin_)


def _review(ask: Ask) -> Answer:
    """A bin's rounds; a page has the same line numbers of each of them."""
    (after,) = ask.after or (0,)
    first, end = int(after), int(after) + ask.limit
    ask.seen = found = ask.named(lambda: _whole_review(ask))
    last = max((line["line"] for each in found["rounds"] for line in each["lines"]), default=-1)
    rounds = [
        {**each, "lines": [line for line in each["lines"] if first <= line["line"] < end]} for each in found["rounds"]
    ]
    return {**found, "rounds": rounds, "next": ask.next_after((end,)) if last >= end else None}


def _parked_of_bin(ask: Ask) -> object:
    (after,) = ask.after or (0,)
    session = OpId.parse(ask.path["session"])
    with ask.reading() as connection:
        ask.named(lambda: latest(connection, session, ask.path["bin"]))
        review = ask.parts.floor.counting.review
        found = review.parked(connection, ask.who, session, ask.path["bin"], int(after), ask.limit + 1)
    return ask.page([((each["park"],), each) for each in found])


def _parked_here(ask: Ask) -> object:
    (after,) = ask.after or (0,)
    with ask.reading() as connection:
        found = ask.parts.floor.parking.mine(connection, ask.who, int(after), ask.limit + 1)
    return ask.page([((each["park"],), each) for each in found])


def _parked_left(ask: Ask) -> object:
    (after,) = ask.after or (0,)
    with ask.reading() as connection:
        found = ask.parts.floor.parking.left(connection, ask.who, int(after), ask.limit + 1)
    return ask.page([((each["park"],), each) for each in found])


# ---------------------------------------------------------------- scanning


def _scan(ask: Ask) -> object:
    """A scan that a tablet caught: journalled like any other, under the tablet's own id, then taken."""
    parts, who, device = ask.parts, ask.who, f"tablet-{store(ask.parts)}"
    wish = kit.Fields(ask.body)
    spoken = wish.text("text", most=SCAN_CHARACTERS_MAX)
    context = {
        "bin": wish.text("bin", most=TEXT_BYTES_MAX, need=False),
        "task": wish.number("task"),
        "typed": wish.flag("typed"),
        "waited_ms": who.waited_ms,
    }
    wish.done()
    raw = spoken.encode("utf-8", "surrogatepass")
    # The node's own drain may be faster: the read acts once, and both get the same answer. It asks whose the device
    # is, so that has to be known before the read is there.
    with parts.site.reading() as connection:
        owner = parts.floor.people.owner_of(connection, device)
    if owner is None or owner.actor != who.actor:
        parts.floor.people.bind_device(who, device)
    said = {name: value for name, value in context.items() if value}
    [read] = parts.journal.record([NewRead(device, raw, context=said, client_id=str(ask.op_id))])
    outcome = parts.floor.scanning.take(read, who)
    # If we die here the tablet sends it again: the same read, the same answer.
    failpoint("scan.taken")
    return {"op_id": str(ask.op_id), "read": read.read_id, **outcome}


# ---------------------------------------------------------------- the table

_THING = {"item": CODE, "lot": CODE, "serial": CODE, "status": STATUS, "expiry": EXPIRY}
_NEED_THING = {"item": CODE}
_MAY_THING = {name: shape for name, shape in _THING.items() if name != "item"}
_AT_WORK = COUNT | RECEIVE | MOVE | AUDIT
BIN = {"bin": CODE}
PARK = {"park": whole(least=1)}
WHY = {"reason": REASON}

ROUTES = (
    verb(
        "counts/", APPROVE, "Plan a count session", lambda floor: floor.counting.open_session,
        record(
            "SessionOpened",
            {
                "op_id": OP_ID, **OF_SESSION, "bins": array(CODE, BINS_MAX),
                "drawing": flag("The hub draws the sample: there are no bins yet"),
            },
        ), {"name": NAME},
        {
            "bins": array(either(CODE, words.PLANNED), BINS_MAX), "areas": array(CODE, BINS_MAX),
            "plan": words.PLAN, "rule": words.RULE, "draft": flag("Not to be counted yet"),
            "freeze": flag("Its bins take no other work meanwhile"), "assignee": or_null(ACTOR),
            "deadline_ms": or_null(WHEN),
        },
    ),
    verb(
        "counts/start", APPROVE, "A draft becomes active", lambda floor: floor.counting.start, ACTED, OF_SESSION,
        version=_whole_session,
    ),
    verb(
        "counts/draw", APPROVE, "Draw a sample that waits for the hub's secret without it",
        lambda floor: floor.counting.draw,
        record("SampleDrawn", {"op_id": OP_ID, **OF_SESSION, "bins": array(CODE, BINS_MAX)}), OF_SESSION,
        version=_whole_session,
    ),
    verb(
        "counts/cancel", APPROVE, "End a session; what was posted stays posted", lambda floor: floor.counting.cancel,
        record("SessionCancelled", {"op_id": OP_ID, **OF_SESSION, "uncounted": array(CODE, BINS_MAX)}),
        {**OF_SESSION, **WHY}, version=_whole_session,
    ),
    verb(
        "counts/assign", APPROVE, "Give a bin's waiting round to a counter", lambda floor: floor.counting.assign,
        ACTED_ON_BIN, OF_BIN, {"assignee": or_null(ACTOR), "deadline_ms": or_null(WHEN)},
        version=_whole_session,
    ),
    verb(
        "counts/free", APPROVE, "Take an open bin from who will not finish it, for another person to begin afresh",
        lambda floor: floor.counting.free, ACTED_ON_BIN, OF_BIN,
        {"assignee": {**or_null(ACTOR), "description": "Who of those that count it; absent: all"}},
        version=_whole_session,
    ),
    verb(
        "counts/uncounted", APPROVE, "Leave a bin uncounted", lambda floor: floor.counting.uncounted, ACTED_ON_BIN,
        {**OF_BIN, **WHY}, version=_whole_session,
    ),
    verb(
        "counts/reject", APPROVE, "Accept nothing of what was counted in bins in review",
        lambda floor: floor.counting.reject,
        record("SessionRejected", {"op_id": OP_ID, **OF_SESSION, "rejected": array(CODE, BINS_MAX)}),
        {**OF_SESSION, **WHY}, {"bins": or_null(array(CODE, BINS_MAX, "Absent: all in review"))},
        version=_whole_session,
    ),
    verb(
        "counts/relocate", APPROVE, "Say whether goods missing in one bin are those found in another",
        lambda floor: floor.counting.relocations.decide,
        record("RelocationDecided", {"op_id": OP_ID, **OF_SESSION, "quantity": QUANTITY, "accepted": flag()}),
        {**OF_SESSION, "item": CODE, "source": CODE, "target": CODE},
        {"lot": CODE, "serial": CODE, "status": STATUS, "accept": flag()}, version=_whole_session,
    ),
    Route(
        method="POST", path="/api/v1/counts/preview", allow=APPROVE, body=words.PLAN, answer=words.PREVIEW,
        summary="What a plan would cover now; nothing is changed",
        handle=lambda ask: ask.parts.floor.counting.plans.preview(ask.who, ask.body),
    ),
    verb(
        "counts/open", COUNT | AUDIT, "Begin to count a bin", lambda floor: floor.counting.open_bin,
        either(
            record("BinOpened", {"op_id": OP_ID, "task": whole(), **OF_BIN, "whole": flag()}),
            record("BinTaken", {"op_id": OP_ID, "ask": WORDS, "choices": array(one_of(*CHOICES))},
                   doc="Somebody else counts it: not opened until `how` says what is meant"),
            record(
                "BinLate", {"op_id": OP_ID, "task": whole(), **BIN, "whole": flag(), "late": flag()},
                doc="Opened without contact, and not to be counted by then: what is counted there is kept for itself",
            ),
            record("AreaAsked", {"op_id": OP_ID, **OF_BIN, "area": whole(least=1), "state": one_of("asked")}),
        ),
        BIN,
        {
            "how": one_of(*CHOICES, doc="Of a bin that somebody else counts: count all of it too, or a part of it"),
            "area": {**NAME, "description": "The part that one wants to count, such as the upper shelf"},
        },
    ),
    verb(
        "counts/share", COUNT, "Answer somebody who wants to count a part of one's open bin, or take a part back",
        lambda floor: floor.counting.shared.decide,
        record("AreaDecided", {"op_id": OP_ID, **BIN, "area": whole(), "state": one_of("agreed", "declined")}),
        {**BIN, "area": whole(least=1), "agree": flag()},
        {"own": {**NAME, "description": "The part that stays one's own; needed to agree"}},
    ),
    verb(
        "counts/leave", COUNT | AUDIT, "Give the open bin back uncounted", lambda floor: floor.counting.leave,
        record("BinLeft", {"op_id": OP_ID, **BIN}), BIN,
    ),
    verb(
        "counts/enter", COUNT | AUDIT, "A line by hand", lambda floor: floor.counting.enter,
        either(COUNTED, ASKED, words.SET_ASIDE),
        _NEED_THING,
        {**_MAY_THING, **words.AMOUNT, "mode": one_of("set", "add", "take"), "confirm": flag(), "bin": CODE},
    ),
    verb(
        "counts/undo", _AT_WORK, "Take back the last line of the open task, or line `number`; it stays on record",
        lambda floor: floor.counting.undo, COUNTED,
        may={
            "number": or_null(whole(least=1)), "bin": CODE, **IN_TASK,
            "seen": whole("The newest line that the tablet showed: none after it is taken back", least=1),
            "of": {**OP_ID, "description": "The act of this tablet that said it, in place of a number"},
        },
    ),
    verb(
        "counts/empty", COUNT | AUDIT, "Declare the open bin empty", lambda floor: floor.counting.empty,
        record("BinEmpty", {"op_id": OP_ID, **BIN, "empty": flag()}), may=BIN,
    ),
    verb(
        "counts/close", COUNT | AUDIT, "Finish the open bin; a whole bin asks once",
        lambda floor: floor.counting.close_bin,
        either(words.CLOSED, ASKED), BIN, {"confirm": flag(), "occurred_ms": WHEN},
    ),
    verb(
        "counts/recount", APPROVE, "Order another count of a bin in review",
        lambda floor: floor.counting.review.recount, ACTED_ON_BIN, {**OF_BIN, **WHY},
        {"assignee": or_null(ACTOR), "deadline_ms": or_null(WHEN)},
        version=_whole_review,
    ),
    verb(
        "counts/take", APPROVE, "Take what was counted: a bin that waits to be counted again goes to review",
        lambda floor: floor.counting.review.take, ACTED_ON_BIN, {**OF_BIN, **WHY}, version=_whole_session,
    ),
    verb(
        "counts/choose", APPROVE, "Decide on another round of a bin in review than the newest",
        lambda floor: floor.counting.choosing.choose,
        record("RoundChosen", {"op_id": OP_ID, **OF_BIN, "round": whole()}),
        {**OF_BIN, "round": whole("0 is the first; the newest takes a choice back"), **WHY}, version=_whole_review,
    ),
    signed_verb(
        "counts/approve", APPROVE, "Post a bin in review", lambda floor: floor.counting.posting.approve,
        record("BinApproved", {"op_id": OP_ID, **OF_BIN, "state": one_of("posted", "review")}), OF_BIN,
        {
            "lines": or_null(array(whole(), 10_000, "Line numbers; absent: all")),
            "round": or_null(whole("Which was looked at: refused if another one is decided on by now")),
            "reasons": {
                "type": "object", "description": "Reasons by line number; several with their shares",
                "additionalProperties": array(SHARED_REASON, 8),
                "propertyNames": {"pattern": "^[0-9]{1,5}$"},
            },
            "reason": {**REASON, "description": "For every other line that differs"}, "occurred_ms": WHEN,
        },
        version=_whole_review,
    ),
    signed_verb(
        "counts/approve-bins", APPROVE, "Post several bins in review with one PIN",
        lambda floor: floor.counting.posting.approve_bins,
        record(
            "BinsApproved",
            {
                "op_id": OP_ID, **OF_SESSION, "posted": array(CODE),
                "refused": {"type": "object", "description": "Why, by bin", "additionalProperties": WORDS},
            },
        ),
        {**OF_SESSION, "bins": array(CODE)},
        {"reason": {**REASON, "description": "For every line that differs"}, "occurred_ms": WHEN},
        version=_whole_session,
    ),
    Route(
        method="GET", path="/api/v1/counts/", allow=APPROVE, summary="Count sessions, newest first",
        answer=words.SESSION, keys=(int, str), handle=_sessions, query=words.LOOKED_FOR,
    ),
    Route(
        method="GET", path="/api/v1/counts/mine", allow=ANYONE, handle=_mine,
        summary="The bins that the asker may count now (the first 200), and the open task",
        answer=record(
            "Mine",
            {"bins": array(words.MINE), "progress": array(words.PROGRESS), "screen": or_null(words.SCREEN)},
        ),
    ),
    Route(
        method="GET", path="/api/v1/counts/{session}", allow=APPROVE, params=OF_SESSION, answer=words.SESSION_BINS,
        keys=(str,), shaped=True, summary="A session, bin by bin", handle=_session,
    ),
    Route(
        method="GET", path="/api/v1/counts/{session}/plan", allow=APPROVE, params=OF_SESSION, answer=words.PLAN_KEPT,
        keys=(str,), shaped=True, summary="How a session's bins were chosen, and whether the rule gives them again",
        handle=_plan,
    ),
    Route(
        method="GET", path="/api/v1/counts/{session}/bins/{bin}", allow=APPROVE, params=OF_BIN, answer=words.REVIEW,
        keys=(int,), shaped=True, handle=_review,
        summary="A bin's finished rounds with the variance as of each. Whoever has seen it cannot count the bin",
    ),
    Route(
        method="GET", path="/api/v1/counts/{session}/bins/{bin}/parked", allow=APPROVE | COUNT, params=OF_BIN,
        answer=words.PARKED_OF_BIN, keys=(int,), handle=_parked_of_bin,
        summary="Scans of a bin that wait for an explanation",
    ),
    Route(
        method="POST", path="/api/v1/scans/", allow=ANYONE, act=True, handle=_scan, answer=words.OUTCOME,
        summary="A scan that a tablet caught: kept like any other, then taken",
        body=record(
            "Scan", {"text": text("As the scanner typed it", most=SCAN_CHARACTERS_MAX)},
            {"bin": text("Where the counter was, or empty for wherever the node has them", most=TEXT_BYTES_MAX),
             **IN_TASK,
             "typed": flag("By hand: a bin or an item, in any case, needs nothing before its code")},
        ),
    ),
    Route(
        method="GET", path="/api/v1/scans/parked", allow=ANYONE, answer=words.PARKED, keys=(int,),
        summary="Scans of the open task that wait for an explanation", handle=_parked_here,
    ),
    Route(
        method="GET", path="/api/v1/scans/left", allow=APPROVE, answer=words.PARKED_LEFT, keys=(int,),
        summary="Scans of receipts, moves and counts that are over, which wait for an explanation",
        handle=_parked_left,
    ),
    verb(
        "scans/resolve", _AT_WORK | APPROVE, "Say what a parked scan was", lambda floor: floor.parking.resolve,
        either(COUNTED, record("CountedAgain", {"op_id": OP_ID, "recount": flag()}), ASKED),
        {**PARK, **_NEED_THING}, {**_MAY_THING, **words.AMOUNT, "confirm": flag()},
    ),
    verb(
        "scans/dismiss", _AT_WORK | APPROVE, "Say why a parked scan does not count",
        lambda floor: floor.parking.dismiss, record("Dismissed", {"op_id": OP_ID, "park": whole()}),
        {**PARK, **WHY},
    ),
)  # fmt: skip
