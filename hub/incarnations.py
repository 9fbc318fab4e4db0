"""A site's next incarnation: the one before ends at a block that everybody can name, and this is what goes over.

An incarnation is retired at the last block that the hub has verified. From then on nothing is added to its chain;
what its disks still bring is kept as evidence. The next one inherits the accounts of that block as they are, so that
used op_ids stay used, and begins with the control records that the block does not have yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hub import blocks, controls, discrepancies, forks
from hub.blocks import Held
from hub.store import Session
from ledger import calls, control
from ledger.block import Block, Header, Meta, Previous
from ledger.block_rules import target
from ledger.codec import cbor_encode
from ledger.control import ControlRecord
from ledger.deployment import Addresses
from ledger.errors import Invalid, Rejected, Unavailable
from ledger.ids import OpId, Origin
from ledger.keys import TxKey
from sync.enrolment import Continued

# A chain of fewer blocks has no contracts yet: there is nothing to take over, and the next one starts from nothing.
INHERITED_MIN = 2
MISSING_SHOWN_MAX = 50
# The hub's own words to a chain go over by themselves (`carry`).
_HUBS = (calls.selector(calls.Apply), calls.selector(calls.Rebase))


def newest(session: Session, site: str) -> str | None:
    """The origin of a site's newest incarnation."""
    found = session.value("SELECT origin FROM origins WHERE site = :site ORDER BY incarnation DESC", site=site)
    return None if found is None else str(found)


def next_origin(session: Session, org: str, site: str) -> Origin:
    """The incarnation that a site's next node will have."""
    last = session.value("SELECT max(incarnation) FROM origins WHERE site = :site", site=site)
    return Origin(org, site, int(last or 0) + 1)


def retire(
    session: Session, site: str, goes_on_as: Origin, control_address: bytes, reason: str, replace: bool, now_ms: int
) -> Held:
    """End the newest incarnation of `site`, for good. The same again changes nothing.

    Raises Rejected for a site that is well, unless it is to be `replace`d, and Unavailable while blocks of it wait to
    be verified.
    """
    origin = newest(session, site)
    held = None if origin is None else blocks.held(session, origin, control_address)
    if held is None:
        raise Rejected(f"there is no site {site!r} with a node yet: `tallyman hub enrol {site}` makes its first code")
    if held.state == blocks.RETIRED:
        return held
    if held.state == blocks.ACTIVE and not held.quarantine and not replace:
        raise Rejected(
            f"{held.origin} is well: nothing has to be granted. Its machine or disk is lost or to be replaced? Say "
            "--replace; what it has recorded and not delivered is then in no book until that disk is enrolled again"
        )
    waiting = session.value("SELECT size - projected_size FROM origins WHERE origin = :origin", origin=held.origin)
    if waiting and not held.quarantine:
        raise Unavailable(f"{waiting} blocks of {held.origin} wait to be verified: try again in a moment")
    kind = {blocks.FORKED: discrepancies.SITE_FORK, blocks.CLONE_SUSPECT: discrepancies.CLONE}.get(
        held.state, discrepancies.SITE_ROLLBACK
    )
    why = f"the site goes on as {goes_on_as}" + (f": {reason}" if reason else "")
    blocks.set_state(session, held.origin, blocks.RETIRED, why)
    discrepancies.clear(session, discrepancies.SILENT_SITE, held.origin, why, {}, now_ms)
    _tell(session, kind, held, str(goes_on_as), [], now_ms)
    return held


def continued(
    session: Session, held: Held, key: TxKey, origin: Origin, node: bytes, carried: int
) -> Continued | None:
    """What `origin` with the `node` of this address goes on from; None where nothing was verified to go on from."""
    if held.verified_size < INHERITED_MIN:
        return None
    block = blocks.block_at(session, held.origin, held.verified_size - 1)
    header, meta = Header.parse(block.header), Meta.decode(block.meta)
    before = held.identity.contracts
    contracts = Addresses(before.registry, before.ledger, meta.manager, before.audit)
    digest = control.rebase_digest(origin.chain_id, contracts.registry, str(origin), node)
    return Continued(
        Previous(held.origin, header.height, header.hash),
        header.state_root,
        contracts,
        carried,
        key.sign_digest(digest).raw,
    )


def earliest_s(session: Session, held: Held) -> int:
    """The first second that is later than the block which is continued."""
    if held.verified_size < INHERITED_MIN:
        return 0
    return Header.parse(blocks.block_at(session, held.origin, held.verified_size - 1).header).timestamp + 1


def keep(session: Session, origin: Origin, given: Continued | None) -> None:
    """Write down what the new `origin` goes on from, and that every earlier incarnation of its site has ended.

    They have, as long as the database remembers it; one that was put back from a backup learns it again here.
    """
    session.run(
        "UPDATE origins SET state = :retired, state_reason = :why, version = version + 1 WHERE site = :site"
        " AND state <> :retired AND incarnation < (SELECT max(incarnation) FROM origins WHERE site = :site)",
        retired=blocks.RETIRED,
        why=f"the site goes on as {origin}",
        site=origin.site,
    )
    if given is None:
        return
    previous = given.previous
    session.run(
        "UPDATE origins SET contracts = :contracts, continued = :continued WHERE origin = :origin",
        contracts=given.contracts.raw,
        continued=cbor_encode([previous.origin, previous.height, previous.hash, given.state_root]),
        origin=str(origin),
    )
    session.run(
        "UPDATE origins SET verified_size = :size WHERE origin = :origin AND verified_size < :size",
        size=previous.height + 1,
        origin=previous.origin,
    )


def carry(session: Session, held: Held, origin: Origin, now_ms: int) -> int:
    """Open the sequence of `origin` with the records that the block it continues does not have; answers how many.

    A chain that starts from nothing is told everything again by whoever cuts records.
    """
    rows = session.all(
        "SELECT sequence, subject, record FROM controls WHERE origin = :origin AND answered_height IS NULL"
        " ORDER BY sequence",
        origin=held.origin,
    )
    session.run(
        "UPDATE controls SET state = :moved WHERE origin = :origin AND answered_height IS NULL",
        moved=controls.MOVED,
        origin=held.origin,
    )
    if held.verified_size < INHERITED_MIN:
        return 0
    for row in rows:
        payload = ControlRecord.decode(bytes(row["record"])).content
        controls.cut(session, str(origin), payload, row["subject"], now_ms)
    session.run(
        "INSERT INTO control_cursors SELECT :origin, subject, revision FROM control_cursors WHERE origin = :before",
        origin=str(origin),
        before=held.origin,
    )
    return len(rows)


# ---------------------------------------------------------------- what is missing


def branch(session: Session, held: Held) -> Iterator[bytes]:
    """The encoded blocks of a retired chain that its successor does not continue, the oldest evidence first."""
    query = "SELECT body FROM blocks WHERE origin = :origin AND height >= :size ORDER BY height"
    for row in session.all(query, origin=held.origin, size=held.verified_size):
        yield bytes(row["body"])
    query = "SELECT body FROM evidence WHERE origin = :origin AND kind = :kind ORDER BY id"
    for row in session.all(query, origin=held.origin, kind=forks.FORK):
        yield bytes(row["body"])


def branch_size(session: Session, held: Held) -> int:
    """How many blocks `branch` gives."""
    beside = session.value(
        "SELECT count(*) FROM evidence WHERE origin = :origin AND kind = :kind", origin=held.origin, kind=forks.FORK
    )
    return held.size - held.verified_size + int(beside)


def judge_missing(session: Session, control_address: bytes, now_ms: int) -> None:
    """For every retired chain whose discrepancy is open: say which operations of its other branch are in no book."""
    for row in session.all(
        "SELECT o.origin, d.kind FROM origins o JOIN discrepancies d ON d.subject = o.origin"
        " WHERE o.state = :retired AND d.state IN ('open', 'working') AND d.kind IN (:fork, :clone, :rollback)",
        retired=blocks.RETIRED,
        fork=discrepancies.SITE_FORK,
        clone=discrepancies.CLONE,
        rollback=discrepancies.SITE_ROLLBACK,
    ):
        held = blocks.held(session, row["origin"], control_address)
        if held is not None:
            successor = newest(session, held.site) or ""
            _tell(session, row["kind"], held, successor, _missing(session, held), now_ms)


def _missing(session: Session, held: Held) -> list[str]:
    found: dict[str, None] = {}
    for body in branch(session, held):
        for transaction in Block.decode(body).transactions:
            try:
                _, data = target(transaction)
                op_id = str(OpId(data[4:20]))
            except (Invalid, Rejected, IndexError):
                continue
            if data[:4] not in _HUBS:
                found[op_id] = None
    return [op_id for op_id in found if not _is_known(session, held, op_id)]


def _is_known(session: Session, held: Held, op_id: str) -> bool:
    """Whether an operation is in the books of the site, or stands as a discrepancy of its own."""
    for row in session.all("SELECT origin FROM origins WHERE site = :site", site=held.site):
        origin = row["origin"]
        if session.value(
            "SELECT count(*) FROM operations WHERE origin = :origin AND op_id = :op", origin=origin, op=op_id
        ) or session.value(
            "SELECT count(*) FROM discrepancies WHERE kind = :kind AND subject = :subject",
            kind=discrepancies.UNBOOKABLE,
            subject=f"{origin}:{op_id}",
        ):
            return True
    return False


def _tell(session: Session, kind: str, held: Held, successor: str, missing: list[str], now_ms: int) -> None:
    if held.verified_size < INHERITED_MIN:
        begin = "from nothing, because nothing was verified"
    else:
        begin = f"from block {held.verified_size - 1}"
    lacking = f"{len(missing)} operations of another branch are in no book yet" if missing else (
        "no operation that the hub has seen is missing"
    )  # fmt: skip
    summary = (
        f"{held.origin} ended and the site goes on as {successor} {begin}; {lacking}. What a disk of it recorded and "
        "did not deliver comes in when that disk is enrolled again; a lost one's must be counted"
    )
    evidence: dict[str, Any] = {
        "origin": held.origin,
        "blocks": held.verified_size,
        "hash": blocks.hash_at(session, held.origin, held.verified_size - 1).hex() if held.verified_size else "",
        "goes_on_as": successor,
        "missing": missing[:MISSING_SHOWN_MAX],
        "missing_count": len(missing),
    }
    discrepancies.report(session, kind, held.origin, held.site, summary, evidence, now_ms)
