"""What a site's receipts need from the hub: for each logged checkpoint the path in the hub's log, and the anchor.

The receipts stream of a chain holds, by the size of its checkpoint, `{"hub": …}` from the moment the checkpoint is
logged, and `{"hub": …, "anchor": …}` once it is anchored; then the hub's path is the one for the ANCHORED size of the
hub's log (ledger.md, "The receipt"). The table `receipts` says what has been sent, so a crash resumes where it was.
"""

from __future__ import annotations

from hub import logbook, streams
from hub.logbook import Logbook, LogHead
from hub.store import Session, Store
from ledger.receipt_file import Anchor
from ledger.seams import failpoint

AT_ONCE = 100


def publish(store: Store, book: Logbook) -> int:
    """Send down what is logged and signed but not sent yet; answers how many receipts."""
    done = 0
    while True:
        with store.write() as session:
            head = logbook.newest_head(session)
            if head is None:
                return done
            rows = session.all(
                "SELECT l.position, l.origin, l.size FROM log l LEFT JOIN receipts r"
                " ON r.origin = l.origin AND r.size = l.size WHERE r.size IS NULL AND l.position < :size"
                " ORDER BY l.position LIMIT :limit",
                size=head.size,
                limit=AT_ONCE,
            )
            for row in rows:
                _put(session, book, row["origin"], row["size"], row["position"], head, None)
        done += len(rows)
        if len(rows) < AT_ONCE:
            return done


def publish_anchor(store: Store, book: Logbook, head: LogHead, anchor: Anchor) -> int:
    """Send down the receipts that `anchor`, which is final, covers and no earlier anchor did; answers how many."""
    done = 0
    while True:
        with store.write() as session:
            rows = session.all(
                "SELECT l.position, l.origin, l.size FROM log l JOIN receipts r"
                " ON r.origin = l.origin AND r.size = l.size WHERE r.anchored = 0 AND l.position < :size"
                " ORDER BY l.position LIMIT :limit",
                size=head.size,
                limit=AT_ONCE,
            )
            for row in rows:
                _put(session, book, row["origin"], row["size"], row["position"], head, anchor)
                session.run(
                    "UPDATE origins SET anchored_size = :size WHERE origin = :origin AND anchored_size < :size",
                    size=row["size"],
                    origin=row["origin"],
                )
        failpoint("hub.receipts_sent")
        done += len(rows)
        if len(rows) < AT_ONCE:
            return done


def withdraw(session: Session, beyond: int) -> None:
    """The main chain has lost every anchor above size `beyond`: what only they covered waits for the next one."""
    session.run("UPDATE receipts SET anchored = 0 WHERE anchored = 1 AND hub_size > :size", size=beyond)
    session.run(
        "UPDATE origins SET anchored_size = coalesce((SELECT max(r.size) FROM receipts r"
        " WHERE r.origin = origins.origin AND r.anchored = 1), 0)"
    )


def _put(
    session: Session, book: Logbook, origin: str, size: int, position: int, head: LogHead, anchor: Anchor | None
) -> None:
    value = {"hub": book.proof(session, position, head).to_json()}
    if anchor is not None:
        value["anchor"] = anchor.to_json()
    streams.put(session, streams.RECEIPTS, origin, str(size), value)
    session.run(
        "INSERT INTO receipts VALUES (:origin, :size, :hub, :anchored) ON CONFLICT(origin, size) DO UPDATE"
        " SET hub_size = excluded.hub_size, anchored = excluded.anchored",
        origin=origin,
        size=size,
        hub=head.size,
        anchored=int(anchor is not None),
    )
