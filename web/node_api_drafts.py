"""`drafts/…`: what a person has put together on a tablet and not sent, for their other tablets."""

from __future__ import annotations

from node.drafts import LINES_MAX, NAME_PATTERN
from web.node_ask import Ask
from web.routes import ANYONE, Route
from web.schema import OP_ID, WHEN, array, flag, or_null, record, text, whole

NAMED = {"name": text("The work, and what it is about where that has an id", pattern=NAME_PATTERN)}
WORK = {
    "type": "object",
    "title": "Work",
    "properties": {"lines": array({"type": "object"}, LINES_MAX), "title": text("What it is, for a list", most=80)},
    "required": ["lines"],
    "description": "What the page that it belongs to makes of it",
}
COUNT = whole("Lines in it", most=LINES_MAX)
VERSION = text("Of what is kept, 32 hex digits")
COUNTED = text("A bin that is being counted and of which the draft tells what the books hold: not now; else empty")
DRAFT = record("Draft", {"version": VERSION, "op_id": OP_ID, "lines": COUNT, "work": WORK, "at_ms": WHEN})


def _begun(ask: Ask) -> object:
    (after,) = ask.after or ("",)
    with ask.reading() as connection:
        found = list(ask.parts.floor.drafts.begun(connection, ask.who, str(after), ask.limit + 1))
    return ask.page([((each["name"],), each) for each in found])


def _one(ask: Ask) -> object:
    with ask.reading() as connection:
        return ask.named(lambda: ask.parts.floor.drafts.of(connection, ask.who, ask.path["name"]))


def _keep(ask: Ask) -> object:
    return ask.parts.floor.drafts.keep(ask.who, ask.path["name"], ask.body)


ROUTES = (
    Route(
        method="GET", path="/api/v1/drafts/", allow=ANYONE, keys=(str,), handle=_begun,
        summary="What the asker has begun on a tablet and not sent",
        answer=record("BegunDraft", {"name": NAMED["name"], "lines": COUNT, "at_ms": WHEN, "title": text()}),
    ),
    Route(
        method="GET", path="/api/v1/drafts/{name}", allow=ANYONE, params=NAMED, handle=_one,
        answer=record("OneDraft", {"draft": or_null(DRAFT), "counted": COUNTED}),
        summary="One of the asker's drafts; null where nothing is begun under this name, or it was sent",
    ),
    Route(
        method="PUT", path="/api/v1/drafts/{name}", allow=ANYONE, params=NAMED, handle=_keep, version=_one,
        summary="Keep a draft in place of the version that was seen last; nothing is booked by it",
        body=record(
            "KeepDraft",
            {"op_id": OP_ID, "on": text("The version it follows, or empty", most=32)},
            {"work": or_null(WORK)},
        ),
        answer=record(
            "KeptDraft",
            {
                "kept": flag("Not so: another tablet came first, and `draft` is what it left"),
                "sent": flag("The act under this op_id has its answer: the draft is over"),
                "draft": or_null(DRAFT),
                "counted": COUNTED,
            },
        ),
    ),
)  # fmt: skip
