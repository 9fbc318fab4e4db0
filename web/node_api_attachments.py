"""`attachments/…`: photos and files about items, places and operations."""

from __future__ import annotations

from typing import Any

from flask import Response

from ledger.ids import OpId
from ledger.people import ADMIN, APPROVE
from node.attachments import CONTENT_BYTES_MAX
from node.desk import Answer
from node.values import text_id
from web import kit
from web.node_api_words import REASONS
from web.node_api_work import verb
from web.node_ask import Ask
from web.routes import ANYONE, Route
from web.schema import CODE, OP_ID, WHEN, Schema, flag, one_of, or_null, record, text, whole

# With the endings of their names, of which the first is given to a name that has none of them.
MEDIA = {
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "application/pdf": (".pdf",),
    "text/plain": (".txt",),
}
SHOWN = frozenset(media for media in MEDIA if media.startswith("image/"))
ANY_MEDIA = "*/*"
COMMITMENT = text("The salted hash that stands in the block: HMAC-SHA-256 by `salt`", pattern="^[0-9a-f]{64}$")
OF_ATTACHMENT = {"attachment": COMMITMENT}
LINE = whole("The line of `operation`, from 0", most=199)
_ABOUT: dict[str, Schema] = {"item": CODE, "location": CODE, "operation": OP_ID}
_ROW: dict[str, Schema] = {
    "number": whole(),
    "attachment": COMMITMENT,
    "name": text("As it was given; empty once erased"),
    "media": one_of(*MEDIA),
    "size": whole("Bytes; 0 once erased"),
    **{kind: or_null(shape) for kind, shape in _ABOUT.items()},
    "line": or_null(LINE),
    "by": text("Who attached it"),
    "op_id": {**OP_ID, "description": "The operation by which it is in a block"},
    "at_ms": WHEN,
    "erased": flag("Its hash is all that is left"),
}
ROW = record("AttachmentRow", _ROW)
ONE = record("Attachment", {**_ROW, "salt": text("Hex; empty once erased")})


def _list(ask: Ask) -> object:
    """The newest ones about what the query names."""
    about: dict[str, Any] = {
        name: text_id(ask.query[name], name) for name in ("item", "location") if name in ask.query
    }
    if "operation" in ask.query:
        about["operation"] = str(OpId.parse(ask.query["operation"]))
    (after,) = ask.after or (None,)
    with ask.reading() as connection:
        attachments = ask.parts.floor.attachments
        if "operation" in about and not ask.parts.floor.lookups.may_open(
            connection, ask.who, OpId.parse(about["operation"])
        ):
            raise kit.Forbidden("this operation tells what is expected of a bin that is being counted: later")
        found = attachments.of(connection, about, None if after is None else int(after), ask.limit)
    return ask.page([((each["number"],), each) for each in found])


def _one(ask: Ask) -> Answer:
    with ask.reading() as connection:
        commitment = bytes.fromhex(ask.path["attachment"])
        found: Answer = ask.named(lambda: ask.parts.floor.attachments.one(connection, ask.who, commitment))
    return found


def _file(ask: Ask) -> Response:
    """The bytes. Whatever they are, a browser shows them as what they were found to be and runs nothing."""
    with ask.reading() as connection:
        commitment = bytes.fromhex(ask.path["attachment"])
        content, media, name = ask.named(lambda: ask.parts.floor.attachments.content(connection, ask.who, commitment))
    headers = {
        "Content-Disposition": kit.kept_as(name, MEDIA[media], "inline" if media in SHOWN else "attachment"),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return Response(content, mimetype=media, headers=headers)


ROUTES = (
    verb(
        "attachments/", ANYONE, "Attach a photo or file to an item, a place, an operation or its line",
        lambda floor: floor.attachments.attach,
        record("Attached", {"op_id": OP_ID, "attachment": COMMITMENT, "media": one_of(*MEDIA), "size": whole()}),
        {
            "name": text("What people call it", least=1, most=80),
            "content": text(f"The file in base64, at most {CONTENT_BYTES_MAX} bytes of it", least=4),
        },
        {**_ABOUT, "line": LINE},
    ),
    verb(
        "attachments/erase", ADMIN | APPROVE, "Remove an attachment for good; its hash stays in the block",
        lambda floor: floor.attachments.erase,
        record("Erased", {"op_id": OP_ID, "attachment": COMMITMENT, "erased": flag()}),
        {"attachment": COMMITMENT}, {"reasons": REASONS},
    ),
    Route(
        method="GET", path="/api/v1/attachments/", allow=ANYONE, answer=ROW, keys=(int,), handle=_list,
        query=_ABOUT, problems=(403, 422), summary="Attachments, newest first; of one item, place or operation",
    ),
    Route(
        method="GET", path="/api/v1/attachments/{attachment}", allow=ANYONE, params=OF_ATTACHMENT, answer=ONE,
        handle=_one, summary="An attachment, with the salt that shows it is the one in the block",
    ),
    Route(
        method="GET", path="/api/v1/attachments/{attachment}/content", allow=ANYONE, params=OF_ATTACHMENT,
        answer={"type": "string", "description": "As its `media` says"}, media=ANY_MEDIA,
        handle=_file, summary="Its bytes",
    ),
)  # fmt: skip
