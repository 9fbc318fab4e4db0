"""The journal: operations that were acknowledged and wait for their block.

An operation enters in the SQL transaction that also writes its projections, and leaves in the one that stores its
block. Between the two the journal is what the pending block is made of: after any crash it is executed again, in
sequence, at the time at which the pending block was opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.codec import cbor_encode
from ledger.db import Connection
from ledger.ids import OpId


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. `content` identifies what was asked (see `content_of`), `outcome` what the chain answered."""

    sequence: int
    op_id: OpId
    content: bytes
    raw: bytes
    document: bytes
    height: int
    time_s: int
    quality: int
    recorded_at_ms: int
    outcome: bytes


class _Log(Protocol):
    @property
    def address(self) -> bytes: ...

    @property
    def topics(self) -> Sequence[bytes]: ...

    @property
    def data(self) -> bytes: ...


def content_of(to: bytes, data: bytes) -> bytes:
    """What makes two requests the same: where the call goes and its call data, which names the document by hash.

    It can be computed from a sealed transaction too, so a repeat is recognised however long ago the first one was.
    """
    return hashlib.sha256(to + data).digest()


def outcome_of(gas_used: int, logs: Sequence[_Log]) -> bytes:
    """What execution answered, hashed; any difference after a restart means that something is broken."""
    return hashlib.sha256(
        cbor_encode([gas_used, [[log.address, list(log.topics), log.data] for log in logs]])
    ).digest()


def append(connection: Connection, entry: Entry) -> None:
    """Add one operation. The caller owns the transaction and gives the next sequence number."""
    connection.execute(
        "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            entry.sequence,
            entry.op_id.raw,
            entry.content,
            entry.raw,
            entry.document,
            entry.height,
            entry.time_s,
            entry.quality,
            entry.recorded_at_ms,
            entry.outcome,
        ),
    )


def entries(connection: Connection) -> list[Entry]:
    """Everything that waits, in sequence."""
    found = connection.execute(
        "SELECT sequence, op_id, content, raw, document, height, time_s, quality, recorded_at_ms, outcome"
        " FROM journal ORDER BY sequence"
    ).fetchall()
    return [Entry(row[0], OpId(bytes(row[1])), *row[2:]) for row in found]


def drop_sealed(connection: Connection, through: int) -> None:
    """Forget what a block now holds, in the transaction that stores the block."""
    connection.execute("DELETE FROM journal WHERE sequence <= ?", (through,))


def backlog(connection: Connection) -> tuple[int, int | None]:
    """How many operations wait, and when the oldest was recorded (Unix milliseconds by the node's clock)."""
    count, oldest = connection.execute("SELECT count(*), min(recorded_at_ms) FROM journal").fetchone()
    return int(count), None if oldest is None else int(oldest)
