"""The three addresses at which a site's node calls the hub. Thin: bytes in, bytes out; everything else is the hub's.

What speaks here is the node's signature inside the bundle, so there is no session, no cookie and no password.
"""

from __future__ import annotations

from typing import Any, Protocol

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from hub.answering import Reply
from ledger.errors import Invalid
from sync.bundle import BUNDLE_BYTES_MAX
from sync.client import ENROL_MEDIA_TYPE, ENROL_PATH, EXCHANGE_PATH, HISTORY_MEDIA_TYPE, HISTORY_PATH
from sync.enrolment import MESSAGE_BYTES_MAX
from sync.frames import MEDIA_TYPE

PIECE_BYTES = 8 * 1024


class SyncHub(Protocol):
    """What is needed of `hub.hub.Hub`."""

    def exchange(self, body: bytes) -> Reply:
        """Answer a bundle; raises Invalid for bytes that nobody can be answered for."""

    def redeem(self, request: bytes) -> bytes:
        """Answer a request for enrolment; raises Rejected or Invalid."""

    def history(self, request: bytes) -> bytes:
        """Answer a question for earlier incarnations' blocks; raises Rejected or Invalid."""


def blueprint(hub: SyncHub) -> Blueprint:
    """The routes, for the hub's application."""
    routes = Blueprint("hub_sync", __name__)

    @routes.post(EXCHANGE_PATH)
    def exchange() -> Response:
        reply = hub.exchange(_body(MEDIA_TYPE, BUNDLE_BYTES_MAX, whole=False))
        return _answer(reply.body, MEDIA_TYPE, reply.http_status)

    @routes.post(ENROL_PATH)
    def enrol() -> Response:
        return _answer(hub.redeem(_body(ENROL_MEDIA_TYPE, MESSAGE_BYTES_MAX, whole=True)), ENROL_MEDIA_TYPE, 200)

    @routes.post(HISTORY_PATH)
    def history() -> Response:
        found = hub.history(_body(HISTORY_MEDIA_TYPE, MESSAGE_BYTES_MAX, whole=True))
        return _answer(found, HISTORY_MEDIA_TYPE, 200)

    return routes


def _body(media_type: str, size_bytes_max: int, *, whole: bool) -> bytes:
    """The request's body, never longer than the limit.

    Without `whole` a body that the network cut short is taken as far as it came: its frames are good, and a site
    behind a bad link gets on with each attempt.
    """
    if request.mimetype != media_type:
        raise Invalid(f"the body is {request.mimetype[:80] or 'untyped'}: expected {media_type}")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Invalid("the body is packed as a whole: a bundle packs its frames itself")
    length = request.content_length
    if length is None:
        raise Invalid("the body has no Content-Length: send one")
    if length > size_bytes_max:
        raise RequestEntityTooLarge(f"a body of {length} bytes: at most {size_bytes_max} are taken here")
    stream: Any = request.environ["wsgi.input"]
    parts: list[bytes] = []
    left = length
    try:
        while left and (piece := stream.read(min(left, PIECE_BYTES))):
            parts.append(piece)
            left -= len(piece)
    except OSError:
        # The line went silent. What has arrived is in `parts`, except for the piece that was under way.
        pass
    if left and whole:
        raise Invalid(f"the body ends {left} bytes too early; send it again")
    return b"".join(parts)


def _answer(body: bytes, media_type: str, status: int) -> Response:
    return Response(body, status, mimetype=media_type, headers={"Cache-Control": "no-store"})
