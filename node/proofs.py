"""Where an operation's proof stands, and the receipt that shows it.

Everything is read from a connection that the caller chooses: a page its own read-only one, the site its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger import events
from ledger.block import EvmReceipt
from ledger.checkpoint import Checkpoint
from ledger.checkpoint import sign as sign_checkpoint
from ledger.db import Connection
from ledger.errors import Corrupt, Invalid, Rejected
from ledger.ids import OpId
from ledger.keys import SigningKey
from ledger.merkle import inclusion_path, tree_root
from ledger.receipt import build
from ledger.receipt_file import Anchor, LogProof
from ledger.transactions import parse as parse_transaction
from node import journal, parts, sealing, streams
from node.identity import NodeIdentity

RECORDED, SEALED, DELIVERED, VERIFIED, ANCHORED = "recorded", "sealed", "delivered", "verified", "anchored"
LADDER = (RECORDED, SEALED, DELIVERED, VERIFIED, ANCHORED)


def place_of(connection: Connection, op_id: OpId) -> tuple[int, int] | None:
    """(height, place in the block) of an operation that was recorded here, sealed or not; None for any other."""
    row = connection.execute("SELECT height, place FROM operations WHERE op_id = ?", (op_id.raw,)).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def state_of(connection: Connection, op_id: OpId) -> str | None:
    """How far the proof of an operation has come, in the words of the ladder; None if nobody recorded it here.

    An act in parts has come as far as the last of them.
    """
    found = place_of(connection, op_id)
    height = max((part.height for part in parts.of(connection, op_id)), default=None) if found is None else found[0]
    return None if height is None else state_at(connection, height)


def state_at(connection: Connection, height: int) -> str:
    """How far block `height` has come, and with it every operation in it."""
    return progress(connection).state(height)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the site's log has come: sizes, each covering the blocks below it."""

    sealed: int
    delivered: int
    verified: int
    anchored: int

    def state(self, height: int) -> str:
        """The highest rung that covers block `height`."""
        if height < 0:
            # What an earlier incarnation left had been verified before the hub let the present one go on from it.
            return ANCHORED if self.anchored else VERIFIED
        sizes = (
            (ANCHORED, self.anchored),
            (VERIFIED, self.verified),
            (DELIVERED, self.delivered),
            (SEALED, self.sealed),
        )
        return next((name for name, size in sizes if size > height), RECORDED)


def progress(connection: Connection) -> Progress:
    """The sizes as this connection sees them. A rung that the hub tells of covers all that came before."""
    (delivered,) = connection.execute("SELECT max(size) FROM cosignatures").fetchone()
    (verified,) = connection.execute("SELECT max(size) FROM proofs").fetchone()
    (anchored,) = connection.execute("SELECT max(size) FROM proofs WHERE anchored").fetchone()
    return Progress(block_count(connection), delivered or 0, verified or 0, anchored or 0)


def content_of(connection: Connection, height: int, place: int) -> bytes:
    """What was asked in a sealed operation, as the journal identifies it."""
    block = sealing.read_block(connection, height)
    if block is None or place >= len(block.transactions):
        raise Corrupt(f"operation {place} of block {height} is missing: run `tallyman node rebuild`")
    tx = parse_transaction(block.transactions[place])
    return journal.content_of(tx.to or b"", tx.data)


def events_of(connection: Connection, height: int, place: int) -> tuple[events.Event, ...]:
    """What the contracts said in a sealed operation."""
    receipts = sealing.read_receipts(connection, height)
    try:
        return tuple(events.decode_logs(EvmReceipt.parse(receipts[place]).logs))
    except (Invalid, IndexError) as error:
        raise Corrupt(f"the receipt of operation {place} of block {height} cannot be read: {error}") from error


def receipt(connection: Connection, identity: NodeIdentity, key: SigningKey, op_id: OpId) -> bytes:
    """The receipt file of a sealed operation: anchored if it can be, else held by the hub, else signed by the site.

    Raises Rejected for an unknown operation and for one that is not sealed yet.
    """
    found = place_of(connection, op_id)
    if found is None:
        parts.refuse(parts.of(connection, op_id), "each has a receipt of its own")
        raise Rejected(f"operation {op_id} was not recorded here")
    height, place = found
    if height < 0:
        raise Rejected(f"operation {op_id} is of an earlier incarnation of this site: its receipt is at the hub")
    block = sealing.read_block(connection, height)
    if block is None:
        raise Rejected(f"operation {op_id} is recorded but not sealed yet: its receipt comes with the block")
    size = streams.proof_for(connection, height, anchored=True) or streams.proof_for(
        connection, height, anchored=False
    )
    hub, anchor, note = None, None, None
    if size is not None:
        entry: Any = streams.get(connection, streams.RECEIPTS, str(size))
        try:
            hub = LogProof.from_json(entry["hub"])
            anchor = Anchor.from_json(entry["anchor"]) if "anchor" in entry else None
        except (Invalid, TypeError, KeyError) as error:
            raise Corrupt(f"the hub's receipt for size {size} as stored cannot be read: {error}") from error
        note = _own_note(connection, identity, key, size)
    else:
        size = block_count(connection)
        note = _own_note(connection, identity, key, size)
    path = inclusion_path(height, size, sealing.log_reader(connection))
    return build(
        origin=identity.chain.origin,
        op_id=op_id,
        block=block,
        tx_index=place,
        receipts=sealing.read_receipts(connection, height),
        key=key.verify_key,
        site=LogProof(note, key.verify_key.raw, height, size, path),
        hub=hub,
        anchor=anchor,
    ).encode()


def block_count(connection: Connection) -> int:
    """How many blocks are sealed: the size of the site log."""
    (height,) = connection.execute("SELECT max(height) FROM blocks").fetchone()
    return 0 if height is None else int(height) + 1


def _own_note(connection: Connection, identity: NodeIdentity, key: SigningKey, size: int) -> bytes:
    """The site's note at `size`. Ed25519 is deterministic, so it is byte for byte the one that the hub has logged."""
    return sign_checkpoint(checkpoint_at(connection, identity, size), key)


def checkpoint_at(connection: Connection, identity: NodeIdentity, size: int) -> Checkpoint:
    """What the site log was at `size` blocks."""
    return Checkpoint(str(identity.chain.origin), size, tree_root(size, sealing.log_reader(connection)))
