"""What was acknowledged and is not in the chain as it came back from the hub is recorded again, by its op_id.

That is so after a restored backup has caught up, and where a later incarnation goes on from what the hub has. An
operation that a kept block holds already does nothing more. One that the contracts refuse now, because another
branch came first or because a person's approval was given for the chain that ended, is a claim: it is kept here, and
noted on the chain with all it said, so that the hub opens a discrepancy. No act is lost, and none counts twice.

Each operation leaves `replays` in the transaction that records it or its claim.
"""

from __future__ import annotations

import logging

from ledger import calls
from ledger.claims import CLAIM, Claim, note_op_id
from ledger.db import Connection
from ledger.documents import SIZE_BYTES_MAX
from ledger.errors import Invalid, Rejected
from ledger.ids import OpId
from ledger.transactions import parse
from node import control, journal, retention
from node.site import Site

log = logging.getLogger(__name__)

BATCH = 50
# The hub carries its own words over itself; a claim about them would tell it nothing.
_HUBS = (calls.Apply, calls.Rebase)


def waiting(connection: Connection) -> int:
    """How many operations are still to be recorded again."""
    return int(connection.execute("SELECT count(*) FROM replays").fetchone()[0])


def record_missing(site: Site, limit: int = BATCH) -> int:
    """Record up to `limit` of them again, in their order; answers how many are done with.

    Not before the hub's records that were carried over are applied: what the acts stand on may be among them.
    """
    continued = site.identity.certificate.continued
    with site.reading() as connection:
        if not waiting(connection):
            return 0
        if continued is not None and control.next_sequence(connection) <= continued.carried:
            return 0
        rows = connection.execute("SELECT * FROM replays ORDER BY sequence LIMIT ?", (limit,)).fetchall()
    for sequence, op_id, raw, document, recorded_at_ms in rows:
        _again(site, int(sequence), OpId(bytes(op_id)), bytes(raw), bytes(document), int(recorded_at_ms))
    # An erasure of another branch may be among them, of what is still here.
    retention.erase_again(site)
    return len(rows)


def _is_claimed(connection: Connection, op_id: OpId) -> bool:
    """Whether an earlier incarnation noted a claim about it: that is for people to settle now."""
    found = connection.execute("SELECT 1 FROM notes WHERE kind = ? AND subject = ?", (CLAIM, op_id.word)).fetchone()
    return found is not None


def _again(site: Site, sequence: int, op_id: OpId, raw: bytes, document: bytes, recorded_at_ms: int) -> None:
    tx = parse(raw)
    try:
        _, call = calls.decode(tx.data)
        gas = calls.gas_limit(call)
    except Invalid as error:
        call, gas, reason = None, calls.GAS_BASE, str(error)
    if not site.has_room(gas, len(tx.data) + SIZE_BYTES_MAX) and not site.stopped:
        site.seal()
    with site.writing() as connection:
        connection.execute("DELETE FROM replays WHERE sequence = ?", (sequence,))
        if isinstance(call, _HUBS) or _is_claimed(connection, op_id):
            return
        try:
            if call is None:
                raise Rejected(reason)
            site.record(call, op_id=op_id, document=document or None, now=recorded_at_ms)
        except Rejected as error:
            reason = str(error)
            content = journal.content_of(tx.to or b"", tx.data)
            connection.execute(
                "INSERT OR IGNORE INTO claims VALUES (?, ?, ?, ?, ?, ?)",
                (op_id.raw, content, raw, document, reason, recorded_at_ms),
            )
            site.record(
                calls.Note(actor=None, kind=CLAIM, subject=op_id.word),
                op_id=note_op_id(str(site.identity.origin), op_id),
                document=Claim(tx.data, document, reason, recorded_at_ms).encode(),
            )
            log.warning("an acknowledged operation is refused now", extra={"op_id": str(op_id), "reason": reason})
