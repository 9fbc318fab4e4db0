"""The hub's own log: an RFC 6962 tree whose leaves are the checkpoints that the hub has verified.

A leaf is a site's note byte for byte as the site sent it, logged once for each (origin, size) and only after every
block below that size was executed again. The hub signs a checkpoint of its log after each batch of leaves; what it
signs goes through `hub.heads` first, so that it can never sign two histories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from hub import discrepancies
from hub.heads import Heads, SignedHead
from hub.store import Session, Store
from ledger import checkpoint, merkle
from ledger.checkpoint import Checkpoint
from ledger.codec import cbor_encode
from ledger.errors import Corrupt
from ledger.keys import SigningKey
from ledger.receipt_file import Anchor, LogProof
from ledger.seams import failpoint

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class LogHead:
    """A signed checkpoint of the hub's log."""

    size: int
    root: bytes
    note: bytes
    signed_ms: int


class Logbook:
    """Appends, signs and proves. `name` is the log's name, `<org>/hub`."""

    def __init__(self, store: Store, heads: Heads, key: SigningKey, name: str) -> None:
        self._store = store
        self._heads = heads
        self._key = key
        self.name = name

    def append(self, session: Session, origin: str, size: int, note: bytes, now_ms: int) -> int:
        """Make `note` the next leaf, inside the caller's transaction; answers its position."""
        position = log_size(session)
        _, closed = frontier(session, position).append(merkle.leaf_hash(note))
        session.run(
            "INSERT INTO log VALUES (:position, :origin, :size, :hash, :now)",
            position=position,
            origin=origin,
            size=size,
            hash=closed[0].hash,
            now=now_ms,
        )
        session.insert(
            "log_nodes", [{"level": node.level, "place": node.index, "hash": node.hash} for node in closed]
        )
        return position

    def sign(self, now_ms: int) -> LogHead | None:
        """Sign the log as it is now; answers the newest signed head (None while the log is empty).

        Raises Corrupt when the log is shorter than what was signed already: the database is an old one.
        """
        self.check()
        with self._store.read() as session:
            size = log_size(session)
            newest = newest_head(session)
            root = frontier(session, size).root()
            entries = self._since_promised(session, size)
        if (newest is not None and newest.size == size) or size == 0:
            return newest
        self._heads.advance(self.name, size, root, entries)
        failpoint("hub.log_signed")
        # If we die here nothing has left the house; the next start signs the same head, byte for byte.
        with self._store.write() as session:
            return self.sign_again(session, size, root, now_ms)

    def sign_again(self, session: Session, size: int, root: bytes, now_ms: int) -> LogHead:
        """The signed head of a size up to the one that is promised; `root` is the log's at that size."""
        note = checkpoint.sign(Checkpoint(self.name, size, root), self._key)
        session.run(
            "INSERT INTO log_heads VALUES (:size, :root, :note, :now) ON CONFLICT(size) DO NOTHING",
            size=size,
            root=root,
            note=note,
            now=now_ms,
        )
        return LogHead(size, root, note, now_ms)

    def check(self) -> None:
        """Compare the log with the last head signed for it; raises Corrupt when they contradict each other."""
        last = self._heads.get(self.name)
        if last is None:
            return
        with self._store.read() as session:
            size = log_size(session)
            if size < last.size:
                raise Corrupt(
                    f"the hub's log has {size} entries, but {last.size} are signed: this database is older than its "
                    "signatures; restore a newer one"
                )
            if merkle.tree_root(last.size, reader(session)) != last.root:
                raise Corrupt(f"the hub's log differs from what was signed at size {last.size}: restore the true one")

    def promised_elsewhere(self, size: int, root: bytes) -> SignedHead:
        """Take it as signed that the log had `root` at `size`, which it has not: from here on it stands still.

        Answers the newest head that is known to be signed.
        """
        last = self._heads.get(self.name)
        if last is None or last.size < size:
            self._heads.advance(self.name, size, root)
            last = SignedHead(size, root)
        return last

    def _since_promised(self, session: Session, size: int) -> list[bytes]:
        """The entries from the last promised head on, as `hub.heads` keeps them: CBOR [origin, size, note]."""
        last = self._heads.get(self.name)
        start = 0 if last is None else last.size
        rows = session.all(
            "SELECT l.origin, l.size, c.note FROM log l JOIN checkpoints c ON c.origin = l.origin AND c.size = l.size"
            " WHERE l.position >= :start AND l.position < :end ORDER BY l.position",
            start=start,
            end=size,
        )
        if len(rows) != size - start:
            raise Corrupt(f"the hub's log has {size - start} entries behind {start}, {len(rows)} with their notes")
        return [cbor_encode([row["origin"], row["size"], bytes(row["note"])]) for row in rows]

    def proof(self, session: Session, position: int, head: LogHead) -> LogProof:
        """The receipt's `hub` object for the leaf at `position`, under `head`."""
        return LogProof(
            checkpoint=head.note,
            key=self._key.verify_key.raw,
            index=position,
            size=head.size,
            path=merkle.inclusion_path(position, head.size, reader(session)),
        )


def log_size(session: Session) -> int:
    """How many leaves the log has."""
    return int(session.value("SELECT coalesce(max(position) + 1, 0) FROM log"))


def reader(session: Session) -> merkle.Reader:
    """The stored complete subtrees of the log."""

    def read(level: int, index: int) -> bytes:
        found = session.value(
            "SELECT hash FROM log_nodes WHERE level = :level AND place = :place", level=level, place=index
        )
        if found is None:
            raise Corrupt(f"the hub's log lacks its subtree {index} of level {level}: run `tallyman hub verify`")
        return bytes(found)

    return read


def frontier(session: Session, size: int) -> merkle.Frontier:
    """The right edge of the log as it was at `size` leaves."""
    read = reader(session)
    levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
    return merkle.Frontier(size, tuple(read(level, (size >> level) - 1) for level in levels))


def newest_head(session: Session, size_max: int | None = None) -> LogHead | None:
    """The largest signed head, or the largest up to `size_max` leaves."""
    limit = "" if size_max is None else " WHERE size <= :most"
    values = {} if size_max is None else {"most": size_max}
    row = session.one(f"SELECT size, root, note, signed_ms FROM log_heads{limit} ORDER BY size DESC", **values)  # noqa: S608
    return None if row is None else LogHead(**row)


def head_at(session: Session, size: int) -> LogHead | None:
    """The signed head of exactly this size."""
    row = session.one("SELECT size, root, note, signed_ms FROM log_heads WHERE size = :size", size=size)
    return None if row is None else LogHead(**row)


def manifest(session: Session, size: int) -> bytes:
    """What an anchor of the log at `size` covers: SHA-256 of the deterministic CBOR list of [origin, size] of each
    site's newest logged checkpoint, ordered by origin. It pins every site's length beside the root."""
    rows = session.all(
        "SELECT origin, max(size) AS size FROM log WHERE position < :size GROUP BY origin ORDER BY origin", size=size
    )
    # Databases order text by their own rules; the list has one order everywhere.
    return sha256(cbor_encode(sorted([row["origin"], row["size"]] for row in rows))).digest()


def anchor_of(row: Mapping[str, Any]) -> Anchor:
    """The receipt's `anchor` object of a mined row."""
    if row["block_number"] is None:
        raise Corrupt(f"anchor {row['sequence']} is not in a block")
    return Anchor(
        chain_id=row["chain_id"],
        contract=bytes(row["contract"]),
        tx_hash=bytes(row["tx_hash"]),
        block_number=row["block_number"],
        log_index=row["log_index"],
        size=row["size"],
        root=bytes(row["root"]),
    )


def append_verified(store: Store, book: Logbook, now_ms: int) -> int:
    """Log every checkpoint whose blocks are all verified, in the order of arrival; answers how many."""
    done = 0
    while True:
        with store.write("log") as session:
            rows = session.all(
                # A clock that was set back must not bring a site's checkpoints out of their order.
                "SELECT c.origin, c.size, c.note,"
                " max(c.received_ms) OVER (PARTITION BY c.origin ORDER BY c.size) AS arrived_ms"
                " FROM checkpoints c JOIN origins o ON o.origin = c.origin"
                " WHERE c.size > o.logged_size AND c.size <= o.verified_size"
                " ORDER BY arrived_ms, c.origin, c.size LIMIT :limit",
                limit=AT_ONCE,
            )
            for row in rows:
                book.append(session, row["origin"], row["size"], bytes(row["note"]), now_ms)
                session.run(
                    "UPDATE origins SET logged_size = :size WHERE origin = :origin",
                    size=row["size"],
                    origin=row["origin"],
                )
        failpoint("hub.logged")
        done += len(rows)
        if len(rows) < AT_ONCE:
            return done


def judge_overdue(session: Session, name: str, overdue_ms: int, now_ms: int) -> None:
    """Report that something logged has waited too long for its anchor, and take it back once it is anchored."""
    covered = int(session.value("SELECT coalesce(max(size), 0) FROM anchors WHERE state = 'final'"))
    since = session.value("SELECT min(logged_ms) FROM log WHERE position >= :size", size=covered)
    if since is not None and now_ms - int(since) > overdue_ms:
        discrepancies.report(
            session,
            discrepancies.UNANCHORED,
            name,
            "",
            "verified checkpoints wait for their anchor longer than agreed: is the main chain reachable?",
            {"since_ms": int(since), "anchored_size": covered},
            now_ms,
        )
    else:
        discrepancies.clear(session, discrepancies.UNANCHORED, name, "anchored since", {}, now_ms)
