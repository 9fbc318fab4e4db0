"""Control records: what the hub tells a chain, in one signed sequence an incarnation.

Cutting and signing are two steps. First the record takes its place in the sequence and is committed, without a
signature. Then its digest passes through `hub.heads`, is signed, and the record goes down the control stream. A crash
between the two leaves a record that will be signed as it stands; a database restored from an old backup cannot make
the hub sign another record for a place that it has used, and gets back those that it had signed.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub import sites, streams
from hub.heads import Heads
from hub.store import Session, Store
from ledger import control
from ledger.codec import cbor_decode, cbor_encode
from ledger.control import ControlRecord
from ledger.errors import Corrupt
from ledger.ids import Origin
from ledger.keys import TxKey
from ledger.seams import failpoint

CUT, SIGNED, APPLIED, REFUSED = "cut", "signed", "applied", "refused"
# Its chain ended before it came to this record: the same content has a place in the next incarnation's sequence.
MOVED = "moved"
ITEMS_MAX = 200
SETTLED_MAX = 120  # a stream value has at most 32 KiB; a settled line has 7 words
_UNSIGNED = b""


def cut(session: Session, origin: str, payload: control.Payload, subject: str, now_ms: int) -> int:
    """Give `payload`, which is about `subject`, the next place in the sequence of `origin`; answers that place."""
    sequence = int(
        session.value("SELECT coalesce(max(sequence), 0) + 1 FROM controls WHERE origin = :origin", origin=origin)
    )
    _put(session, ControlRecord.make(origin, sequence, payload), subject, CUT, _UNSIGNED, now_ms)
    return sequence


def sign_all(store: Store, heads: Heads, key: TxKey) -> int:
    """Sign every record that is cut, and send it down; answers how many.

    Raises Corrupt for a place that was used before, after the other chains have got theirs.
    """
    with store.read() as session:
        rows = session.all(
            "SELECT origin, sequence, subject, record FROM controls WHERE state = :cut ORDER BY origin, sequence",
            cut=CUT,
        )
    contradictions: dict[str, Corrupt] = {}
    for row in rows:
        if row["origin"] in contradictions:
            continue
        try:
            _sign(store, heads, key, row["subject"], ControlRecord.decode(bytes(row["record"])))
        except Corrupt as error:
            contradictions[row["origin"]] = error
    if contradictions:
        raise next(iter(contradictions.values()))
    return len(rows)


def promised(origin: str) -> str:
    """The name under which the sequence of `origin` stands in `hub.heads`; a place keeps CBOR [subject, record]."""
    return f"{origin}#control"


def signed_size(session: Session, origin: str) -> int:
    """Up to which place the sequence of `origin` is signed."""
    return int(
        session.value(
            "SELECT coalesce(max(sequence), 0) FROM controls WHERE origin = :origin AND state <> :cut",
            origin=origin,
            cut=CUT,
        )
    )


def waiting(session: Session, origin: str, after: int) -> list[bytes]:
    """The records behind the place `after`, as `hub.heads` would keep them."""
    rows = session.all(
        "SELECT subject, record FROM controls WHERE origin = :origin AND sequence > :after ORDER BY sequence",
        origin=origin,
        after=after,
    )
    return [cbor_encode([row["subject"], bytes(row["record"])]) for row in rows]


def put_back(session: Session, origin: str, kept: Sequence[bytes], after: int, key: TxKey, now_ms: int) -> None:
    """Put records that were signed, as `hub.heads` keeps them, back into the places behind `after`.

    What stands there was never signed; it takes a later place, unless it is what was signed in the end.
    """
    displaced = waiting(session, origin, after)
    session.run("DELETE FROM controls WHERE origin = :origin AND sequence > :after", origin=origin, after=after)
    for body in kept:
        subject, raw = cbor_decode(body)
        record = ControlRecord.decode(raw)
        _, signature = _signature(session, key, record)
        _put(session, record, subject, SIGNED, signature, now_ms)
        _send(session, record, signature)
    for body in displaced:
        if body not in kept:
            subject, raw = cbor_decode(body)
            cut(session, origin, ControlRecord.decode(raw).content, subject, now_ms)


def _sign(store: Store, heads: Heads, key: TxKey, subject: str, record: ControlRecord) -> None:
    with store.read() as session:
        digest, signature = _signature(session, key, record)
    heads.advance(promised(record.origin), record.sequence, digest, [cbor_encode([subject, record.record])])
    failpoint("hub.control_signed")
    with store.write(record.origin) as session:
        session.run(
            "UPDATE controls SET signature = :signature, state = :signed"
            " WHERE origin = :origin AND sequence = :sequence AND state = :cut",
            signature=signature,
            signed=SIGNED,
            origin=record.origin,
            sequence=record.sequence,
            cut=CUT,
        )
        _send(session, record, signature)


def _signature(session: Session, key: TxKey, record: ControlRecord) -> tuple[bytes, bytes]:
    """The record's digest, and the signature of it: always the same one."""
    registry = sites.identity(session, record.origin, key.address).contracts.registry
    digest = record.digest(Origin.parse(record.origin).chain_id, registry)
    return digest, key.sign_digest(digest).raw


def _send(session: Session, record: ControlRecord, signature: bytes) -> None:
    value = {"record": record.record, "signature": signature}
    streams.put(session, streams.CONTROL, record.origin, str(record.sequence), value)


def _put(session: Session, record: ControlRecord, subject: str, state: str, signature: bytes, now_ms: int) -> None:
    session.run(
        "INSERT INTO controls VALUES (:origin, :sequence, :kind, :subject, :record, :signature, :state, :now, NULL)",
        origin=record.origin,
        sequence=record.sequence,
        kind=record.kind,
        subject=subject,
        record=record.record,
        signature=signature,
        state=state,
        now=now_ms,
    )
