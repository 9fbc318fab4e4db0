"""Control records: what the hub tells a chain, in one signed sequence an incarnation.

Cutting and signing are two steps. First the record takes its place in the sequence and is committed, without a
signature. Then its digest passes through `hub.heads`, is signed, and the record goes down the control stream. A crash
between the two leaves a record that will be signed as it stands; a database restored from an old backup cannot make
the hub sign another record for a place that it has used.
"""

from __future__ import annotations

from hub import sites, streams
from hub.heads import Heads
from hub.store import Session, Store
from ledger import control
from ledger.control import ControlRecord
from ledger.errors import Corrupt
from ledger.ids import Origin
from ledger.keys import TxKey
from ledger.seams import failpoint

CUT, SIGNED, APPLIED, REFUSED = "cut", "signed", "applied", "refused"
ITEMS_MAX = 200
SETTLED_MAX = 120  # a stream value has at most 32 KiB; a settled line has 7 words
_UNSIGNED = b""


def cut(session: Session, origin: str, payload: control.Payload, subject: str, now_ms: int) -> int:
    """Give `payload`, which is about `subject`, the next place in the sequence of `origin`; answers that place."""
    sequence = int(
        session.value("SELECT coalesce(max(sequence), 0) + 1 FROM controls WHERE origin = :origin", origin=origin)
    )
    record = ControlRecord.make(origin, sequence, payload)
    session.run(
        "INSERT INTO controls VALUES (:origin, :sequence, :kind, :subject, :record, :signature, :state, :now, NULL)",
        origin=origin,
        sequence=sequence,
        kind=record.kind,
        subject=subject,
        record=record.record,
        signature=_UNSIGNED,
        state=CUT,
        now=now_ms,
    )
    return sequence


def sign_all(store: Store, heads: Heads, key: TxKey) -> int:
    """Sign every record that is cut, and send it down; answers how many.

    Raises Corrupt for a place that was used before, after the other chains have got theirs.
    """
    with store.read() as session:
        waiting = session.all(
            "SELECT origin, sequence, record FROM controls WHERE state = :cut ORDER BY origin, sequence", cut=CUT
        )
    contradictions: dict[str, Corrupt] = {}
    for row in waiting:
        if row["origin"] in contradictions:
            continue
        try:
            _sign(store, heads, key, row["origin"], row["sequence"], bytes(row["record"]))
        except Corrupt as error:
            contradictions[row["origin"]] = error
    if contradictions:
        raise next(iter(contradictions.values()))
    return len(waiting)


def _sign(store: Store, heads: Heads, key: TxKey, origin: str, sequence: int, raw: bytes) -> None:
    with store.read() as session:
        registry = sites.identity(session, origin, key.address).contracts.registry
    digest = ControlRecord.decode(raw).digest(Origin.parse(origin).chain_id, registry)
    heads.advance(f"{origin}#control", sequence, digest)
    signature = key.sign_digest(digest).raw
    failpoint("hub.control_signed")
    with store.write(origin) as session:
        session.run(
            "UPDATE controls SET signature = :signature, state = :signed"
            " WHERE origin = :origin AND sequence = :sequence AND state = :cut",
            signature=signature,
            signed=SIGNED,
            origin=origin,
            sequence=sequence,
            cut=CUT,
        )
        streams.put(session, streams.CONTROL, origin, str(sequence), {"record": raw, "signature": signature})
