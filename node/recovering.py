"""A disk whose site goes on as a later incarnation, or a new one for a site that lost its own, becomes its node.

    1. keys of its own, and the hub's certificate for them          nothing here has changed
    2. the earlier incarnations' blocks are fetched and kept         the next attempt goes on where this one ended
    3. all of it is taken over, and the chain founded                in one transaction: all or nothing
    4. what only this disk acknowledged is recorded again            one by one, by `node/replaying`

The blocks that the hub goes on from take the place of those that are here. Whatever else was acknowledged, here or on
another branch that the hub has seen, was a real act: it waits in `replays`. A site that never stopped recording has
lost nothing by being frozen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger import block_rules, chain, db, trie
from ledger.block import Block, Header, Previous
from ledger.errors import Invalid
from ledger.ids import OpId
from ledger.seams import Storage, failpoint
from node import audit, eras, founding, identity, journal, sealing, store, streams
from node.config import NodeConfig
from node.identity import NodeIdentity, NodeKeys
from node.uplink import FACT_MANIFEST, FACT_STOPPED_BY_HUB
from sync import history
from sync.client import Transport
from sync.enrolment import Certificate

log = logging.getLogger(__name__)

# What was said about the chain that ended.
_FACTS = (
    store.FACT_STOPPED,
    store.FACT_ADOPTED,
    store.FACT_CONTROL_PROBLEM,
    FACT_STOPPED_BY_HUB,
    store.FACT_HUB,
    FACT_MANIFEST,
)


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier incarnation up to the block that the next one continues; its first `own` blocks are here already."""

    certificate: Certificate
    last: Previous
    own: int

    @property
    def size(self) -> int:
        return self.last.height + 1


@dataclass(frozen=True, slots=True)
class Act:
    """An operation that was acknowledged: its transaction as it was, and its document."""

    raw: bytes
    document: bytes
    recorded_at_ms: int


def take_over(
    config: NodeConfig,
    connection: db.Connection,
    certificate: Certificate,
    keys: NodeKeys,
    transport: Transport,
    storage: Storage,
    now_ms: int,
) -> chain.Head:
    """Become the node that `certificate` names, in the folder of any earlier one of its site or in a new one.

    Raises Unavailable when the hub's blocks do not all come, and Invalid when they are not what it certified.
    """
    pasts = _fetch(connection, certificate, keys, transport)
    with db.transaction(connection):
        known = identity.recall(connection)
        acts = list(_acts(connection, known, pasts))
        _put_blocks(connection, pasts, now_ms)
        _forget(connection, pasts)
        store.set_fact(connection, store.FACT_CERTIFICATE, certificate.encode().hex())
        connection.executemany(
            "INSERT OR IGNORE INTO replays (op_id, raw, document, recorded_at_ms) VALUES (?, ?, ?, ?)",
            [(_op_id(act).raw, act.raw, act.document, act.recorded_at_ms) for act in acts],
        )
        executor = audit.rebuild_earlier(connection)
        head = founding.begin(
            config.folder, connection, NodeIdentity.of(certificate), keys, storage, now_ms, executor
        )
        # Everything is as it was: the next attempt asks the hub for the same certificate and makes the same blocks.
        failpoint("recover.before_commit")
    # The node is the new incarnation's. What waits to be recorded again waits in the database.
    failpoint("recover.committed")
    return head


# ---------------------------------------------------------------- fetching


def _fetch(connection: db.Connection, certificate: Certificate, keys: NodeKeys, transport: Transport) -> list[Past]:
    """Get every block that is not here, back to the first incarnation; the oldest comes first in the answer."""
    found: list[Past] = []
    continued = certificate.continued
    while continued is not None:
        last = continued.previous
        own = _own_count(connection, last)
        before = _fetch_chain(connection, certificate, keys, transport, last.origin, own, branch=False)
        _fetch_chain(connection, certificate, keys, transport, last.origin, 0, branch=True)
        if before.hub_key != certificate.hub_key:
            raise Invalid(f"the certificate of {last.origin} is by another hub than this node's")
        found.append(Past(before, last, own))
        continued = before.continued
    return found[::-1]


def _fetch_chain(
    connection: db.Connection,
    certificate: Certificate,
    keys: NodeKeys,
    transport: Transport,
    of: str,
    own: int,
    *,
    branch: bool,
) -> Certificate:
    query = "SELECT count(*) FROM fetched WHERE origin = ? AND branch = ? AND place >= ?"
    place = own + int(connection.execute(query, (of, branch, own)).fetchone()[0])
    before: Certificate | None = None
    for answer in history.fetch(transport, keys.block, certificate.origin, of, place, branch=branch):
        before, _, blocks = answer
        with db.transaction(connection):
            connection.executemany(
                "INSERT OR REPLACE INTO fetched VALUES (?, ?, ?, ?)",
                [(of, branch, at, store.pack(block.encode())) for at, block in enumerate(blocks, place)],
            )
        place += len(blocks)
        # What has come is kept: whoever dies here asks for the rest next time.
        failpoint("recover.fetched")
    if before is None:
        raise Invalid(f"the hub says nothing about {of}")
    return before


def _own_count(connection: db.Connection, last: Previous) -> int:
    """How many of the first blocks of a chain are here and are surely those that the hub has."""
    for era in eras.earlier(connection):
        if str(era.identity.origin) == last.origin:
            return min(era.end - era.first, last.height + 1)
    known = identity.recall(connection)
    if known is None or str(known.origin) != last.origin:
        return 0
    # What the hub acknowledged was compared with what is here when the acknowledgement came.
    (acknowledged,) = connection.execute("SELECT coalesce(max(size), 0) FROM cosignatures").fetchone()
    return min(int(acknowledged), last.height + 1)


# ---------------------------------------------------------------- taking over


def _acts(connection: db.Connection, known: NodeIdentity | None, pasts: Sequence[Past]) -> Iterator[Act]:
    """Everything acknowledged that is in none of the blocks which are continued. Its blocks become orphans."""
    kept = {block.hash for past in pasts for block in _fetched(connection, past.certificate.origin, branch=False)}
    rows = _own_rows(connection, known)
    own = {past.certificate.origin: past.own for past in pasts}
    for era, row in rows:
        block = sealing.read_block(connection, row)
        height = row - era.first
        if block is None or height < own.get(str(era.identity.origin), 0) or block.hash in kept:
            continue
        connection.execute(
            "INSERT OR IGNORE INTO orphans VALUES (?, ?, ?, ?)",
            (block.hash, str(era.identity.origin), height, store.pack(block.encode())),
        )
        yield from _of_block(block)
    for entry in journal.entries(connection):
        yield Act(entry.raw, entry.document, entry.recorded_at_ms)
    for past in pasts:
        for block in _fetched(connection, past.certificate.origin, branch=True):
            try:
                _check_branch(past.certificate, block)
            except Invalid as error:
                log.warning("a block of another branch is left out", extra={"reason": str(error)})
                continue
            yield from _of_block(block)


def _own_rows(connection: db.Connection, known: NodeIdentity | None) -> Iterator[tuple[eras.Era, int]]:
    if known is not None:
        for era in eras.every(connection, known):
            for row in range(era.first, era.end):
                yield era, row


def _fetched(connection: db.Connection, origin: str, *, branch: bool) -> Iterator[Block]:
    for (body,) in connection.execute(
        "SELECT body FROM fetched WHERE origin = ? AND branch = ? ORDER BY place", (origin, branch)
    ).fetchall():
        yield Block.decode(store.unpack(body))


def _check_branch(certificate: Certificate, block: Block) -> None:
    """A block that we shall not execute must at least be the old node's own, with exactly these operations."""
    header = Header.parse(block.header)
    block_rules.check_signature(
        certificate.chain.origin, header.height, header.hash, block.signature, certificate.node_key
    )
    block_rules.same("transactions root", header.transactions_root, trie.root(block.transactions))


def _of_block(block: Block) -> Iterator[Act]:
    at_ms = Header.parse(block.header).timestamp * 1000
    for raw, document in zip(block.transactions, block.documents, strict=True):
        if len(block_rules.target(raw)[1]) >= 36 and block_rules.target(raw)[0]:
            yield Act(raw, document, at_ms)


def _op_id(act: Act) -> OpId:
    return OpId(block_rules.target(act.raw)[1][4:20])


def _put_blocks(connection: db.Connection, pasts: Sequence[Past], now_ms: int) -> None:
    """The earlier incarnations' blocks in one row below zero, own ones and fetched ones; nothing else stays."""
    rows: list[tuple[object, ...]] = []
    earlier: list[tuple[object, ...]] = []
    row = -sum(past.size for past in pasts)
    for past in pasts:
        origin = past.certificate.origin
        earlier.append((origin, row, past.certificate.encode()))
        for block in _kept_blocks(connection, past):
            header = Header.parse(block.header)
            rows.append((row, header.hash, header.timestamp, now_ms, store.pack(block.encode())))
            row += 1
    if row:
        raise Invalid(f"{-row} of the site's earlier blocks are missing: repeat the command")
    connection.execute("DELETE FROM blocks")
    connection.execute("DELETE FROM earlier")
    connection.executemany("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", rows)
    connection.executemany("INSERT INTO earlier VALUES (?, ?, ?)", earlier)


def _kept_blocks(connection: db.Connection, past: Past) -> Iterator[Block]:
    origin = past.certificate.origin
    first = next((era.first for era in eras.earlier(connection) if str(era.identity.origin) == origin), 0)
    for height in range(past.own):
        block = sealing.read_block(connection, first + height)
        if block is not None:
            yield block
    for at, block in enumerate(_fetched(connection, origin, branch=False), past.own):
        if at < past.size:
            yield block


def _forget(connection: db.Connection, pasts: Sequence[Past]) -> None:
    """What was about the chain that ended: its journal, what the hub said to it, where counting had stood in it."""
    for table in ("journal", "cosignatures", "proofs", "fetched"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
    for stream in streams.OF_ORIGIN:
        connection.execute("DELETE FROM streams WHERE stream = ?", (stream,))
        connection.execute("DELETE FROM cursors WHERE stream = ?", (stream,))
    for name in _FACTS:
        store.set_fact(connection, name, None)
    ended = pasts[-1].size if pasts else 0
    for table in ("count_rounds", "count_plans", "count_baselines"):
        connection.execute(f"UPDATE {table} SET height = min(height - ?, -1)", (ended,))  # noqa: S608
    audit.clear(connection)
