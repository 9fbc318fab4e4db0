"""`alerts/…`: what is wrong at this node and what to do about it, and who has seen it."""

from __future__ import annotations

from ledger.people import ADMIN, APPROVE
from node.agents import monitor
from node.alerts import KEY_CHARS_MAX
from node.values import NOTE_CHARS_MAX
from web.node_ask import Ask
from web.routes import Route
from web.schema import ACTOR, NAME, OP_ID, WHEN, WORDS, one_of, or_null, record, text

_MAY = ADMIN | APPROVE
CODE = text("What is wrong", most=KEY_CHARS_MAX)
SUBJECT = text("What it is about: a device, a tablet, the disk …", most=KEY_CHARS_MAX)
SEVERITY = one_of("ok", *monitor.SEVERITIES)
FINDING = record(
    "Finding",
    {
        "code": CODE,
        "subject": SUBJECT,
        "severity": SEVERITY,
        "words": WORDS,
        "action": WORDS,
        "seen": or_null(
            record(
                "SeenBy",
                {"actor": ACTOR, "name": NAME, "at_ms": WHEN, "note": text("What they had to say, or empty")},
            )
        ),
    },
)
_KEY = {"code": CODE, "subject": SUBJECT}
_ANSWER = {"op_id": OP_ID, **_KEY}


def _alerts(ask: Ask) -> object:
    after = ask.after or ("", "")
    with ask.reading() as connection:
        found = ask.parts.floor.alerts.standing(connection)
    keyed = sorted((((each["code"], each["subject"]), each) for each in found), key=lambda row: row[0])
    return ask.page([row for row in keyed if row[0] > tuple(after)])


def _see(ask: Ask) -> object:
    return ask.parts.floor.alerts.see(ask.op_id, ask.who, ask.body)


def _unsee(ask: Ask) -> object:
    return ask.parts.floor.alerts.unsee(ask.op_id, ask.who, ask.body)


ROUTES = (
    Route(
        method="GET", path="/api/v1/alerts/", allow=_MAY, answer=FINDING, keys=(str, str), handle=_alerts,
        summary="What is wrong now, what to do about it, and who has seen it",
    ),
    Route(
        method="POST", path="/api/v1/alerts/seen", allow=_MAY, act=True, handle=_see,
        answer=record("AlertSeen", _ANSWER),
        summary="Say that one has seen an alert; it is new again when it gets worse, or comes back",
        body=record(
            "SeeAlert", {**_KEY, "severity": one_of(*monitor.SEVERITIES, doc="As the asker saw it")},
            {"note": text(most=NOTE_CHARS_MAX)},
        ),
    ),
    Route(
        method="POST", path="/api/v1/alerts/unseen", allow=_MAY, act=True, handle=_unsee,
        body=record("UnseeAlert", _KEY), answer=record("AlertUnseen", _ANSWER),
        summary="Take back that an alert was seen, whoever said so",
    ),
)  # fmt: skip
