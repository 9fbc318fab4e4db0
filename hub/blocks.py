"""A site's chain as the hub holds it: the row of its origin, and its blocks.

The row is changed only by compare-and-swap, in the transaction that adds the blocks: whoever lost the race changed
nothing. Blocks are stored as `Block.encode` writes them and are never rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hub import sites, streams
from hub.store import Session
from ledger import merkle
from ledger.block import Block, Header, Meta
from ledger.block_rules import Identity
from ledger.chain import Head, Link
from ledger.errors import Corrupt, Invalid, Unavailable
from sync.lean import Parent

ACTIVE, FORKED, CLONE_SUSPECT, REVOKED = "active", "forked", "clone_suspect", "revoked"
# The site goes on as a later incarnation, from the last block that was verified: nothing is added any more.
RETIRED = "retired"
# How many blocks of a chain are to be executed and shown.
COUNTED = f"CASE WHEN state = '{RETIRED}' THEN verified_size ELSE size END"


@dataclass(frozen=True, slots=True)
class Held:
    """How far the hub has a chain, and what it thinks of it. `head` is None before genesis."""

    identity: Identity
    site: str
    incarnation: int
    state: str
    state_reason: str
    size: int
    verified_size: int
    head: Head | None
    cosigned_size: int
    cosigned_root: bytes
    logged_size: int
    anchored_size: int
    quarantine: str
    lease_prev: bytes

    @property
    def origin(self) -> str:
        return str(self.identity.origin)

    @property
    def head_hash(self) -> bytes:
        return b"" if self.head is None else self.head.hash

    @property
    def parent(self) -> Parent | None:
        """What the next travelling block is rebuilt from."""
        return None if self.head is None else Parent(self.head.height, self.head.hash, self.head.timestamp)


def held(session: Session, origin: str, control_address: bytes) -> Held | None:
    """The chain `origin`, or None if it was never enrolled here."""
    row = session.one("SELECT * FROM origins WHERE origin = :origin", origin=origin)
    if row is None:
        return None
    identity = sites.identity(session, origin, control_address)
    head = None if row["head"] is None else Head.decode(identity, bytes(row["head"]))
    if (0 if head is None else head.log.size) != row["size"] or (head and head.hash) != _optional(row["head_hash"]):
        raise Corrupt(f"the hub's row of {origin} contradicts itself at size {row['size']}: restore a backup")
    return Held(
        identity=identity,
        site=row["site"],
        incarnation=int(row["incarnation"]),
        state=row["state"],
        state_reason=row["state_reason"],
        size=int(row["size"]),
        verified_size=int(row["verified_size"]),
        head=head,
        cosigned_size=int(row["cosigned_size"]),
        cosigned_root=bytes(row["cosigned_root"] or b""),
        logged_size=int(row["logged_size"]),
        anchored_size=int(row["anchored_size"]),
        quarantine=row["quarantine"],
        lease_prev=bytes(row["lease_prev"] or b""),
    )


def append(session: Session, before: Held, links: Sequence[Link], now_ms: int) -> None:
    """Add linked blocks behind `before`. Raises Unavailable, changing nothing, if the chain has moved meanwhile."""
    head = links[-1].head
    # The row first: whoever lost the race must be told so, before a block of the winner's is in the way.
    swapped = session.run(
        "UPDATE origins SET size = :size, head_hash = :hash, head_s = :seconds, head = :head, version = version + 1"
        " WHERE origin = :origin AND size = :old AND coalesce(head_hash, :none) = :old_hash AND state = :state",
        size=head.log.size,
        hash=head.hash,
        seconds=head.timestamp,
        head=head.encode(),
        origin=before.origin,
        old=before.size,
        none=b"",
        old_hash=before.head_hash,
        state=before.state,
    )
    if swapped != 1:
        raise Unavailable(f"another request moved {before.origin} on at the same time; send this one again")
    session.insert(
        "blocks",
        [
            {
                "origin": before.origin,
                "height": link.head.height,
                "hash": link.head.hash,
                "body": link.block.encode(),
                "received_ms": now_ms,
            }
            for link in links
        ],
    )


def set_state(session: Session, origin: str, state: str, reason: str) -> None:
    """Say how the hub regards a chain from now on."""
    session.run(
        "UPDATE origins SET state = :state, state_reason = :reason, version = version + 1 WHERE origin = :origin",
        state=state,
        reason=reason,
        origin=origin,
    )
    tell_keys(session)


def tell_keys(session: Session) -> None:
    """What every site knows of the others: the key of each site's living chain, by which it checks a dispatch paper
    where nobody can be reached. A paper of a chain that has ended counts nowhere: its disk may be in any hands."""
    living = session.all(
        "SELECT o.site, o.origin, n.block_key FROM origins o JOIN nodes n ON n.origin = o.origin"
        " WHERE o.state = :active ORDER BY o.incarnation, n.key_number",
        active=ACTIVE,
    )
    keys = {row["site"]: {"origin": row["origin"], "key": bytes(row["block_key"]).hex()} for row in living}
    for row in session.all("SELECT site FROM sites ORDER BY site"):
        if row["site"] not in keys:
            streams.remove(session, streams.SITES, "", row["site"])
    streams.put_many(session, streams.SITES, "", keys.items())


def documents_at(session: Session, origin: str, height: int) -> Sequence[bytes]:
    """What travelled beside the transactions of a block, in their order."""
    return block_at(session, origin, height).documents


def block_at(session: Session, origin: str, height: int) -> Block:
    """A block that the hub holds; Corrupt if it does not."""
    row = session.one(
        "SELECT hash, body FROM blocks WHERE origin = :origin AND height = :height", origin=origin, height=height
    )
    if row is None:
        raise Corrupt(f"the hub lacks block {height} of {origin}, which it has acknowledged: restore a backup")
    try:
        block = Block.decode(bytes(row["body"]))
    except Invalid as error:
        raise Corrupt(f"block {height} of {origin} as stored cannot be read: {error}") from error
    if block.hash != bytes(row["hash"]):
        raise Corrupt(f"block {height} of {origin} as stored is not {bytes(row['hash']).hex()}")
    return block


def hash_at(session: Session, origin: str, height: int) -> bytes:
    """The hash of a block that the hub holds."""
    found = session.value(
        "SELECT hash FROM blocks WHERE origin = :origin AND height = :height", origin=origin, height=height
    )
    if found is None:
        raise Corrupt(f"the hub lacks block {height} of {origin}, which it has acknowledged: restore a backup")
    return bytes(found)


def parent_at(session: Session, origin: str, height: int) -> Parent | None:
    """What the travelling block of `height` is rebuilt from."""
    return None if height == 0 else Parent.of(block_at(session, origin, height - 1))


def root_at(session: Session, origin: str, size: int) -> bytes:
    """The root of the site log as it was at `size` blocks. Reads every hash: for rare questions."""
    rows = session.all(
        "SELECT hash FROM blocks WHERE origin = :origin AND height < :size ORDER BY height", origin=origin, size=size
    )
    if len(rows) != size:
        raise Corrupt(f"the hub holds {len(rows)} of the first {size} blocks of {origin}: restore a backup")
    return merkle.root_of(merkle.leaf_hash(bytes(row["hash"])) for row in rows)


def head_at(session: Session, identity: Identity, height: int) -> Head | None:
    """The head as it was at `height`; None below genesis. Reads every hash: for rare questions."""
    if height < 0:
        return None
    origin = str(identity.origin)
    rows = session.all(
        "SELECT hash FROM blocks WHERE origin = :origin AND height <= :height ORDER BY height",
        origin=origin,
        height=height,
    )
    log = merkle.Frontier()
    for row in rows:
        log, _ = log.append(merkle.leaf_hash(bytes(row["hash"])))
    block, genesis = block_at(session, origin, height), block_at(session, origin, 0)
    header, meta = Header.parse(block.header), Meta.decode(block.meta)
    return Head(
        identity=identity,
        height=height,
        hash=header.hash,
        timestamp=header.timestamp,
        key_number=meta.key_number,
        manager=meta.manager,
        deployed=height > 0 or Meta.decode(genesis.meta).previous is not None,
        log=log,
    )


def blocks_from(session: Session, origin: str, start: int, end: int) -> Iterator[Block]:
    """The held blocks of heights start to end - 1."""
    for height in range(start, end):
        yield block_at(session, origin, height)


def _optional(value: object) -> bytes | None:
    return None if value is None else bytes(value)  # type: ignore[call-overload]
