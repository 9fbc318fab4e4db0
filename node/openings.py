"""The document of an operation, and single scan events of it with their way to the root that stands there."""

from __future__ import annotations

from collections.abc import Sequence

from ledger import merkle
from ledger.db import Connection
from ledger.documents import Document
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.scans import Opening
from node import journal, tasks
from node.sealing import read_block


def raw_document(connection: Connection, op_id: OpId) -> bytes:
    """The bytes of an operation's document, from its block or, before that is sealed, from the journal; b"" for an
    unknown operation and one without."""
    row = connection.execute("SELECT height, place FROM operations WHERE op_id = ?", (op_id.raw,)).fetchone()
    if row is None:
        return b""
    block = read_block(connection, int(row[0]))
    if block is not None:
        return block.documents[int(row[1])]
    return next((entry.document for entry in journal.entries(connection) if entry.op_id == op_id), b"")


def document_of(connection: Connection, op_id: OpId) -> Document | None:
    raw = raw_document(connection, op_id)
    return Document.decode(raw) if raw else None


def root_of(connection: Connection, op_id: OpId) -> bytes | None:
    """The root of the scan events in an operation's document; None without one."""
    row = connection.execute(
        "SELECT s.root FROM operations o JOIN scanned s ON s.height = o.height AND s.place = o.place"
        " WHERE o.op_id = ?",
        (op_id.raw,),
    ).fetchone()
    return None if row is None else bytes(row[0])


def events_of(connection: Connection, op_id: OpId) -> list[tuple[int, int, bytes]]:
    """(task, number, leaf) of every scan event under an operation's document, in the order of its tree. Rejected for
    an operation that has none, or whose events this node does not have: they stay where they were scanned."""
    root = root_of(connection, op_id)
    if root is None:
        raise Rejected(f"operation {op_id} has no scan events: expected a count, receipt, move or pick")
    found = tasks.under(connection, root)
    if not found and root != merkle.root_of(()):
        raise Rejected(f"the scan events of operation {op_id} are not here: expected at the node that scanned them")
    return found


def opening(
    connection: Connection, op_id: OpId, found: Sequence[tuple[int, int, bytes]], index: int
) -> tuple[Opening, bytes | None]:
    """Event `index` of those that `events_of` answers, with its audit path, and the bytes that a page read for it."""
    task, number, _ = found[index]
    said, raw = tasks.event(connection, task, number)
    path = merkle.inclusion_path(index, len(found), merkle.MemoryLog(leaf for _, _, leaf in found).read)
    return Opening(said, index, len(found), path, raw_document(connection, op_id)), raw
