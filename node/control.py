"""The hub's control records: applied in their sequence, each as an operation of the site's own chain.

Records arrive by the `control` stream in any order and number. A gap waits, a repeat does nothing, and a record whose
content the contracts refuse still takes its place in the sequence: the block that holds the refusal tells the hub.
Roles, items, locations and settlements change on the chain by nothing else.
"""

from __future__ import annotations

import logging
from typing import Any

from ledger.calls import gas_limit
from ledger.control import ControlRecord, ItemsPayload
from ledger.db import Connection
from ledger.errors import Invalid, Rejected, Unavailable
from node import store, streams
from node.site import Recorded, Site

log = logging.getLogger(__name__)

STREAM = "control"
BATCH = 8
SIGNATURE_BYTES = 65


def next_sequence(connection: Connection) -> int:
    """The sequence of the record that the chain expects now, counted from 1."""
    (newest,) = connection.execute("SELECT max(sequence) FROM controls").fetchone()
    return 1 if newest is None else int(newest) + 1


def waiting(connection: Connection, sequence: int) -> tuple[ControlRecord, bytes] | None:
    """The record of that sequence with its signature, if it has arrived; Invalid if it is none of ours."""
    entry: Any = streams.get(connection, STREAM, str(sequence))
    if entry is None:
        return None
    record, signature = (entry.get("record"), entry.get("signature")) if isinstance(entry, dict) else (None, None)
    if not isinstance(record, bytes) or not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
        raise Invalid(f"control record {sequence} is not a record with a signature of {SIGNATURE_BYTES} bytes")
    decoded = ControlRecord.decode(record)
    if decoded.sequence != sequence:
        raise Invalid(f"control record {sequence} says that it is number {decoded.sequence}")
    return decoded, signature


def apply_next(site: Site) -> Recorded | None:
    """Apply the record that is next, if it is here; None when there is nothing to do.

    Raises Invalid for a record that is not one, and Rejected when the chain does not take it (another origin, another
    signature, an op_id that is used up): the sequence then stands still, and the node's findings say so until the hub
    sends a good one. An op_id can be used up only by somebody who had the signed record before this node applied it;
    only a new incarnation, with a sequence of its own, helps then.
    """
    with site.reading() as connection:
        found = waiting(connection, next_sequence(connection))
    if found is None:
        return None
    record, signature = found
    if record.origin != str(site.identity.origin):
        raise Rejected(f"control record {record.sequence} is for {record.origin}, this is {site.identity.origin}")
    # Content that this program cannot read must not enter the chain, where it could not be projected.
    _ = record.content
    call = record.call(signature)
    if not site.has_room(gas_limit(call)):
        # A large catalogue needs several blocks. Sealing here waits outside the lock, so nobody's scan does.
        site.seal()
    try:
        return site.record(call, op_id=record.op_id(signature))
    except Rejected as error:
        raise Rejected(f"control record {record.sequence}: {error}") from error


def apply_ready(site: Site, limit: int = BATCH) -> int:
    """Apply up to `limit` records that are next; answers how many. What is wrong with one is kept as a fact."""
    applied = 0
    problem = ""
    try:
        while applied < limit and apply_next(site) is not None:
            applied += 1
    except (Invalid, Rejected) as error:
        problem = str(error)
    except Unavailable as error:
        log.info("control records wait", extra={"reason": str(error)})
        return applied
    with site.reading() as connection:
        known = store.fact(connection, store.FACT_CONTROL_PROBLEM) or ""
    if problem != known:
        with site.writing() as connection:
            store.set_fact(connection, store.FACT_CONTROL_PROBLEM, problem or None)
    return applied


def apply_until_item(site: Site, item: str) -> bool:
    """Apply records until the chain knows `item`; False when no record that is here makes it known.

    For an item that is used before its record's turn came in idle time.
    """
    with site.reading() as connection:
        if _knows(connection, item):
            return True
        sequence = next_sequence(connection)
        while (found := waiting(connection, sequence)) is not None:
            content = found[0].content
            if isinstance(content, ItemsPayload) and any(row.item == item for row in content.items):
                break
            sequence += 1
        else:
            return False
    while True:
        recorded = apply_next(site)
        with site.reading() as connection:
            if _knows(connection, item):
                return True
            if recorded is None or next_sequence(connection) > sequence:
                return False


def _knows(connection: Connection, item: str) -> bool:
    return connection.execute("SELECT 1 FROM items WHERE item = ?", (item,)).fetchone() is not None
