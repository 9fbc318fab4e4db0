"""`notes/…`: what people wrote beside an operation, and erasing it."""

from __future__ import annotations

from ledger.ids import OpId
from ledger.people import ADMIN, APPROVE
from web import kit
from web.node_api_attachments import COMMITMENT
from web.node_api_words import REASONS
from web.node_api_work import verb
from web.node_ask import Ask
from web.routes import ANYONE, Route
from web.schema import OP_ID, flag, record, text

OF_OPERATION = {"op_id": OP_ID}


def _one(ask: Ask) -> object:
    with ask.reading() as connection:
        op_id = ask.named(lambda: OpId.parse(ask.path["op_id"]))
        found = ask.named(lambda: ask.parts.floor.notes.of(connection, ask.who, op_id))
    if found is None:
        raise kit.NotFound(f"operation {op_id} has no note")
    return found


ROUTES = (
    Route(
        method="GET", path="/api/v1/notes/{op_id}", allow=ANYONE, params=OF_OPERATION, handle=_one,
        summary="The note of an operation, with the salt that shows it is the one in the block",
        answer=record(
            "Note",
            {
                "commitment": COMMITMENT,
                "text": text("As it was written; empty once erased"),
                "salt": text("Hex; empty once erased"),
                "erased": flag("Its hash is all that is left"),
            },
        ),
    ),
    verb(
        "notes/erase", ADMIN | APPROVE, "Remove the note of an operation for good; its hash stays in the block",
        lambda floor: floor.notes.erase,
        record("NoteErased", {"op_id": OP_ID, "operation": OP_ID, "erased": flag()}),
        {"operation": OP_ID}, {"reasons": REASONS},
    ),
)  # fmt: skip
