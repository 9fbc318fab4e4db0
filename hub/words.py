"""What a node says beside its blocks: health and advice. Kept as it is, and believed by nobody's books."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hub.admission import Visit
from hub.store import Session, Store
from ledger.codec import cbor_encode
from ledger.errors import Invalid
from sync import frames, messages
from sync.frames import Frame
from sync.messages import Advice

HEALTH_KEPT_MS = 7 * 24 * 3600 * 1000


def keep(store: Store, visit: Visit, rest: Sequence[Frame], now_ms: int) -> None:
    """Store the words of a bundle that are signed for this very bundle; others are passed over."""
    context, origin = visit.greeting.context, visit.held.origin
    for frame in rest:
        try:
            if frame.type == frames.HEALTH:
                body = cbor_encode(_shown(messages.read_health(frame, context, visit.key)))
                with store.write(origin) as session:
                    _keep_health(session, origin, body, now_ms)
            elif frame.type == frames.ADVICE:
                advice = Advice.read(frame, context, visit.key)
                with store.write(origin) as session:
                    _keep_advice(session, origin, advice, now_ms)
        except Invalid:
            # A hint that cannot be read is a hint less; the blocks that follow it will say what happened.
            continue


def _shown(health: Mapping[str, Any]) -> dict[str, Any]:
    """What is said about health is shown to people and programs as it is; raises Invalid for what JSON cannot say."""
    try:
        json.dumps(dict(health))
    except (TypeError, ValueError) as error:
        raise Invalid(f"the health of a node cannot be shown: {error}") from error
    return dict(health)


def _keep_health(session: Session, origin: str, body: bytes, now_ms: int) -> None:
    session.run(
        "INSERT INTO health VALUES (:origin, :now, :body)"
        " ON CONFLICT(origin, received_ms) DO UPDATE SET body = excluded.body",
        origin=origin,
        now=now_ms,
        body=body,
    )
    session.run(
        "DELETE FROM health WHERE origin = :origin AND received_ms < :old", origin=origin, old=now_ms - HEALTH_KEPT_MS
    )


def _keep_advice(session: Session, origin: str, advice: Advice, now_ms: int) -> None:
    session.run(
        "INSERT INTO advice VALUES (:origin, :op, :kind, :body, :now)"
        " ON CONFLICT(origin, op_id, kind) DO UPDATE SET body = excluded.body",
        origin=origin,
        op=advice.op_id,
        kind=advice.kind,
        body=cbor_encode(dict(advice.body)),
        now=now_ms,
    )
