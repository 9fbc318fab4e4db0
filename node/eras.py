"""The incarnations of a site as its node holds them: one row of blocks, numbered so that the present one begins at 0.

Blocks of earlier incarnations stand below zero in the same table: -1 is the block that the present one continues. So
everything that belongs to a block by its height is in the order in which it happened, and nothing that asks for the
present chain, whose heights are its own, has to know.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger import db
from ledger.errors import Corrupt, LedgerError
from node.identity import NodeIdentity
from sync.enrolment import Certificate


@dataclass(frozen=True, slots=True)
class Era:
    """One incarnation: its blocks are the rows `first` to `end` - 1 of `blocks`."""

    identity: NodeIdentity
    first: int
    end: int


def earlier(connection: db.Connection) -> list[Era]:
    """The incarnations before the present one that it stands on, the first one first."""
    rows = connection.execute("SELECT first, certificate FROM earlier ORDER BY first").fetchall()
    ends = [*(int(first) for first, _ in rows[1:]), 0][: len(rows)]
    try:
        known = [NodeIdentity.of(Certificate.decode(bytes(certificate))) for _, certificate in rows]
    except LedgerError as error:
        raise Corrupt(f"the certificate of an earlier incarnation cannot be read: {error}") from error
    return [Era(identity, int(row[0]), end) for identity, row, end in zip(known, rows, ends, strict=True)]


def every(connection: db.Connection, identity: NodeIdentity) -> list[Era]:
    """All of them; the last is the present one, that of `identity`."""
    (newest,) = connection.execute("SELECT max(height) FROM blocks WHERE height >= 0").fetchone()
    return [*earlier(connection), Era(identity, 0, 0 if newest is None else int(newest) + 1)]
