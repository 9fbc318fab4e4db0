"""Receipts made at the hub, for whoever has no node at hand: the same bytes a site would hand out."""

from __future__ import annotations

from hub import blocks, logbook, sites, views
from hub.logbook import Logbook
from hub.store import Session, Store
from hub.verifying import Verifier
from ledger import merkle, receipt
from ledger.errors import Rejected, Unavailable
from ledger.ids import OpId, Origin
from ledger.merkle import MemoryLog, leaf_hash
from ledger.receipt_file import Anchor, LogProof


def of_operation(store: Store, verifier: Verifier, book: Logbook, op_id: OpId, origin_name: str = "") -> bytes:
    """The canonical receipt of an operation, as strong as it can be now.

    `origin_name` says on which chain, for an op_id that two sites have used. Raises Rejected for an operation that no
    verified block holds, Unavailable while its block waits for the log.
    """
    with store.read() as session:
        row = views.find_operation(session, str(op_id), origin_name)
        if row is None:
            raise Rejected(f"no verified block holds operation {op_id}: it is unknown, or still on its way")
        origin, height = Origin.parse(row["origin"]), int(row["height"])
        outcome = verifier.outcome(row["origin"], height)
        if outcome is None:
            raise Unavailable(f"the site's replica is being rebuilt; ask for {op_id} again later")
        site, hub, anchor = _proofs(session, book, row["origin"], height)
        return receipt.build(
            origin=origin,
            op_id=op_id,
            block=blocks.block_at(session, row["origin"], height),
            tx_index=int(row["tx_index"]),
            receipts=outcome,
            key=sites.block_key(session, row["origin"], height),
            site=site,
            hub=hub,
            anchor=anchor,
        ).encode()


def _proofs(
    session: Session, book: Logbook, origin: str, height: int
) -> tuple[LogProof, LogProof | None, Anchor | None]:
    """The site's checkpoint with the strongest backing that covers block `height`."""
    row = session.one(
        "SELECT l.position, l.size, c.note FROM log l JOIN checkpoints c ON c.origin = l.origin AND c.size = l.size"
        " WHERE l.origin = :origin AND l.size > :height ORDER BY l.size",
        origin=origin,
        height=height,
    )
    if row is None:
        raise Unavailable(f"block {height} of {origin} is not under a logged checkpoint yet; ask again later")
    log = MemoryLog(leaf_hash(blocks.hash_at(session, origin, place)) for place in range(row["size"]))
    key = sites.block_key(session, origin, row["size"] - 1)
    path = merkle.inclusion_path(height, row["size"], log.read)
    site = LogProof(bytes(row["note"]), key.raw, height, row["size"], path)
    anchored = session.one(
        "SELECT * FROM anchors WHERE state = 'final' AND size > :position ORDER BY size", position=row["position"]
    )
    if anchored is not None:
        head = logbook.head_at(session, anchored["size"])
        if head is not None:
            return site, book.proof(session, row["position"], head), logbook.anchor_of(anchored)
    head = logbook.newest_head(session)
    if head is None or head.size <= row["position"]:
        return site, None, None
    return site, book.proof(session, row["position"], head), None
