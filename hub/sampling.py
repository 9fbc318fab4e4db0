"""The hub's part in a random sample: a secret that nobody knew when the rule of the count was sealed.

A site seals the rule first (`ledger.plans.Plan.asks`). Whoever projects that block gives the session its secret, in
the same transaction; the record goes down with the site's other control records, and the bins follow from rule,
height and secret for anyone to derive again. The hub does (`hub.drawing`).
"""

from __future__ import annotations

import hashlib

from hub import controls
from hub.store import Session
from ledger import control
from ledger.documents import Document
from ledger.errors import Invalid, Rejected
from ledger.ids import OpId, Origin
from ledger.plans import NONCE, Plan
from ledger.seams import Random

SECRET_BYTES = 32


def answer(
    session: Session, origin: Origin, op_id: str, scope: bytes, document: bytes, random: Random, now_ms: int
) -> bool:
    """Send the secret for the plan of this document, if it asks for one and got none; answers whether one was cut.
    `scope`: what the call on the chain names. A document that cannot be read asks for nothing."""
    plan = plan_of(document, scope)
    if plan is None or not plan.asks or str(plan.session) != op_id:
        return False
    about = f"{NONCE} {op_id}"
    # A block that is projected a second time is the same block: its sample stays as it was drawn.
    known = session.value(
        "SELECT count(*) FROM controls WHERE origin = :origin AND subject = :about", origin=str(origin), about=about
    )
    if known:
        return False
    note = control.NotePayload(kind=NONCE, subject=random.bytes(SECRET_BYTES), document=OpId.parse(op_id).word)
    controls.cut(session, str(origin), note, about, now_ms)
    return True


def plan_of(document: bytes, scope: bytes | None = None) -> Plan | None:
    """The plan of a count that travelled beside its call; None for what cannot be read, or is not what the call names
    as its `scope`."""
    try:
        raw = Document.decode(document).plan
        return None if raw is None or scope not in (None, hashlib.sha256(raw).digest()) else Plan.decode(raw)
    except (Invalid, Rejected):
        return None
