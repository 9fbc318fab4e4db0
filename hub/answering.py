"""What an exchange answers with besides the STATUS: acknowledgement, own blocks, manifest, streams; and answers kept.

The most urgent comes first, and an answer ends where it is full: the rest follows in the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hub import blocks, streams
from hub.blocks import Held
from hub.store import Session
from ledger.ids import Origin
from ledger.keys import SigningKey
from sync import frames, lean, messages, packing
from sync.frames import Frame
from sync.lean import Parent
from sync.messages import Cosignature, Greeting, Hello

REPLY_BYTES_MAX = 512 * 1024
REPLY_KEPT_BYTES_MAX = 64 * 1024
FRAME_OVERHEAD_BYTES = 16

HTTP_STATUS = {
    messages.OK: 200,
    messages.PARTIAL: 202,
    messages.QUARANTINED: 202,
    messages.RECOVERING: 202,
    messages.NOT_NEXT: 409,
    messages.BEHIND: 409,
    messages.FORKED: 409,
    messages.CHECK_LEASE: 409,
    messages.CLONE_SUSPECT: 423,
    messages.STALE_INCARNATION: 410,
    messages.HEAD_MISMATCH: 422,
    messages.BAD_BLOCK: 422,
    messages.BAD_SIGNATURE: 403,
    messages.REVOKED: 403,
    messages.UNKNOWN_ORIGIN: 404,
    messages.UPGRADE_HUB: 426,
    messages.UPGRADE_NODE: 426,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: the code in its STATUS, and the whole bundle."""

    code: str
    body: bytes

    @property
    def http_status(self) -> int:
        return HTTP_STATUS[self.code]


def gather(
    session: Session,
    key: SigningKey,
    held: Held,
    greeting: Greeting,
    cosignature: Cosignature | None,
    code: str,
    restored: bool,
    now_ms: int,
) -> Iterator[Frame]:
    """What the node lacks, the most urgent first. Made only as far as it is taken, but the manifest always.

    `restored`: the node has been served by a newer database than this one.
    """
    hello, digest, origin = greeting.hello, greeting.digest, Origin.parse(held.origin)
    afresh = restored or hello.manifest > streams.known_manifest(session, origin)
    manifest = streams.manifest(session, origin, hello.manifest, now_ms)
    acknowledged = cosignature or _missed(session, held, hello)
    if acknowledged is not None:
        yield acknowledged.frame()
    if manifest.version != hello.manifest:
        yield manifest.frame(digest, key)
    if code == messages.BEHIND:
        own = packing.pack_blocks(hello.size, _own_blocks(session, held, hello.size), frames.OWN_BLOCKS)
        yield from (frame for _, frame in own)
    for delta in streams.deltas(session, origin, hello.down, afresh=afresh):
        yield delta.frame(digest, key)


def fit(wanted: Iterable[Frame], budget_bytes: int = REPLY_BYTES_MAX) -> tuple[list[Frame], bool]:
    """As many frames as fit, in order, and whether others had to wait."""
    size = 0
    taken: list[Frame] = []
    for frame in wanted:
        size += len(frame.payload) + FRAME_OVERHEAD_BYTES
        if taken and size > budget_bytes:
            return taken, True
        taken.append(frame)
    return taken, False


def kept(session: Session, origin: str, request: bytes) -> Reply | None:
    """The answer that this very request (by its SHA-256) got before, if it is still here."""
    raw = session.value(
        "SELECT reply FROM replies WHERE origin = :origin AND request = :request", origin=origin, request=request
    )
    if raw is None:
        return None
    code, _, body = bytes(raw).partition(b"\n")
    return Reply(code.decode("ascii"), body)


def keep(session: Session, origin: str, request: bytes, reply: Reply, now_ms: int) -> None:
    """Keep the newest answer of a chain, unless it is so large that making it again is the cheaper way."""
    session.run("DELETE FROM replies WHERE origin = :origin", origin=origin)
    if len(reply.body) <= REPLY_KEPT_BYTES_MAX:
        session.run(
            "INSERT INTO replies VALUES (:origin, :request, :reply, :now)",
            origin=origin,
            request=request,
            reply=reply.code.encode("ascii") + b"\n" + reply.body,
            now=now_ms,
        )


def _missed(session: Session, held: Held, hello: Hello) -> Cosignature | None:
    """The newest acknowledgement, if the node seems to have lost the answer that carried it."""
    # A node whose chain has parted from ours could not use it: it is about the other branch.
    if held.state != blocks.ACTIVE or not hello.cosigned < held.cosigned_size <= hello.size:
        return None
    row = session.one(
        "SELECT cosignature FROM checkpoints WHERE origin = :origin AND size = :size",
        origin=held.origin,
        size=held.cosigned_size,
    )
    return None if row is None else Cosignature(held.cosigned_size, bytes(row["cosignature"]))


def _own_blocks(session: Session, held: Held, start: int) -> Iterator[list[Any]]:
    """The node's own blocks back, one by one."""
    parent = blocks.parent_at(session, held.origin, start)
    for block in blocks.blocks_from(session, held.origin, start, held.size):
        yield lean.encode(block, parent)
        parent = Parent.of(block)
