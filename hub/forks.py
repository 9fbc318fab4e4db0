"""When a chain has two continuations: both are kept, nothing is overwritten, and a person is told.

Both branches are real goods that moved, so neither is thrown away: the branch that arrived first stays the chain, and
the blocks of the other are kept beside it as evidence, byte for byte and linked from the block where they part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from hub import blocks, discrepancies
from hub.blocks import Held
from hub.store import Session
from ledger.chain import Head, Link
from ledger.errors import Corrupt
from sync.messages import Hello

FORK, BRANCH_HEAD, CLONE, CLAIM = "fork", "branch head", "clone", "claim"
BRANCH_MAX = 100_000
BRANCHES_MAX = 4
CLAIMS_MAX = 200


def keep(
    session: Session, origin: str, kind: str, height: int, digest: bytes, body: bytes, reason: str, now_ms: int
) -> None:
    """Store a piece of evidence once. What is signed by the node speaks for itself, so the bytes are kept whole."""
    count = int(
        session.value(
            "SELECT count(*) FROM evidence WHERE origin = :origin AND kind = :kind", origin=origin, kind=kind
        )
    )
    if count >= (BRANCH_MAX if kind in (FORK, BRANCH_HEAD) else CLAIMS_MAX):
        return
    session.run(
        "INSERT INTO evidence(origin, height, hash, kind, body, reason, received_ms)"
        " VALUES (:origin, :height, :hash, :kind, :body, :reason, :now) ON CONFLICT(origin, kind, hash) DO NOTHING",
        origin=origin,
        height=height,
        hash=digest,
        kind=kind,
        body=body,
        reason=reason,
        now=now_ms,
    )


def report_fork(session: Session, held: Held, height: int, summary: str, body: bytes, now_ms: int) -> None:
    """The chain has parted at or before `height`: no more blocks are taken into it until a person decides."""
    blocks.set_state(session, held.origin, blocks.FORKED, summary)
    keep(session, held.origin, CLAIM, height, sha256(body).digest(), body, summary, now_ms)
    _tell(session, discrepancies.SITE_FORK, held, summary, {"origin": held.origin, "height": height}, now_ms)


def report_clone(session: Session, held: Held, shown: bytes, body: bytes, now_ms: int) -> None:
    """Two machines speak with this node's key: both are frozen until a person picks one."""
    summary = (
        f"two machines use the keys of {held.origin}, or one was put back from a backup: "
        "both wait until an administrator decides which one goes on"
    )
    if held.state != blocks.FORKED:
        blocks.set_state(session, held.origin, blocks.CLONE_SUSPECT, summary)
    keep(session, held.origin, CLONE, held.size, sha256(body).digest(), body, f"lease {shown.hex()}", now_ms)
    _tell(session, discrepancies.CLONE, held, summary, {"origin": held.origin}, now_ms)


def candidates(session: Session, held: Held, height: int) -> Iterator[Head | None]:
    """Every head that a block of `height` may stand on: the chain's own, then kept branches', the newest first."""
    if 0 <= height <= held.size:
        yield blocks.head_at(session, held.identity, height - 1)
    rows = session.all(
        "SELECT body FROM evidence WHERE origin = :origin AND kind = :kind AND height = :height ORDER BY id DESC",
        origin=held.origin,
        kind=BRANCH_HEAD,
        height=height - 1,
    )
    for row in rows[:BRANCHES_MAX]:
        yield Head.decode(held.identity, bytes(row["body"]))


def add_orphan(session: Session, held: Held, link: Link, now_ms: int) -> None:
    """Keep a block that was linked to one of `candidates` and differs from the chain's own, or is ahead of it."""
    height, body = link.head.height, link.block.encode()
    if height < held.size:
        own = blocks.hash_at(session, held.origin, height)
        reason = f"two signed blocks at height {height}: {own.hex()} is held, {link.head.hash.hex()} came later"
    else:
        reason = f"block {height} continues the branch that parted earlier"
    keep(session, held.origin, FORK, height, link.head.hash, body, reason, now_ms)
    keep(session, held.origin, BRANCH_HEAD, height, link.head.hash, link.head.encode(), "", now_ms)
    if held.state == blocks.RETIRED:
        # Its discrepancy says already what is missing; `hub.incarnations` keeps that true.
        return
    if held.state != blocks.FORKED:
        blocks.set_state(session, held.origin, blocks.FORKED, reason)
    first = session.one(
        "SELECT height, hash FROM evidence WHERE origin = :origin AND kind = :kind ORDER BY height, id",
        origin=held.origin,
        kind=FORK,
    )
    if first is None:
        raise Corrupt(f"{held.origin} has no second branch")
    evidence = {
        "origin": held.origin,
        "height": int(first["height"]),
        "held": blocks.hash_at(session, held.origin, int(first["height"])).hex(),
        "came": bytes(first["hash"]).hex(),
    }
    summary = f"{held.origin} has two signed blocks at height {first['height']}: both are kept, it stands still"
    _tell(session, discrepancies.SITE_FORK, held, summary, evidence, now_ms)


def branch_end(session: Session, origin: str) -> int | None:
    """The height that the kept branch would go on with; None if there is no branch yet."""
    found = session.value(
        "SELECT max(height) FROM evidence WHERE origin = :origin AND kind = :kind", origin=origin, kind=FORK
    )
    return None if found is None else int(found) + 1


def resume(session: Session, held: Held, hello: Hello, end: int) -> int:
    """From which height a node of an ended chain should go on delivering: `end` is where this request stopped."""
    if end:
        return end
    query = "SELECT count(*) FROM evidence WHERE origin = :origin AND kind = :kind AND hash = :hash"
    if session.value(query, origin=held.origin, kind=FORK, hash=hello.head):
        return hello.size
    if 0 < hello.size <= held.size and blocks.hash_at(session, held.origin, hello.size - 1) == hello.head:
        return hello.size
    return min(hello.cosigned, held.size)


def _tell(session: Session, kind: str, held: Held, summary: str, evidence: Mapping[str, Any], now_ms: int) -> None:
    discrepancies.report(session, kind, held.origin, held.site, summary, evidence, now_ms)
