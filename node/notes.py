"""Free text that people add to what they do: a salted hash of it is in the document, the text stays here, erasable.

Erasing removes text and salt and is itself noted on the chain; what the document holds is then a hash that nobody can
guess back, and it still verifies.
"""

from __future__ import annotations

import json

from ledger import calls
from ledger.db import Connection
from ledger.documents import Document
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import ADMIN, APPROVE
from node import openings, parts
from node.desk import Answer, Desk, Person
from node.lookups import Lookups
from node.policies import retention_policy
from node.values import Fields

ERASED = "note-erased"


class Notes:
    """Showing and erasing them. An operation has at most one; of a document in parts the first part has it."""

    def __init__(self, desk: Desk, lookups: Lookups) -> None:
        self._desk = desk
        self._lookups = lookups

    def of(self, connection: Connection, who: Person, op_id: OpId) -> Answer | None:
        """The note of an operation, or of a proposal: {commitment, text, salt, erased}; None when it has none.
        Raises Rejected for an operation of which the person must not know what it says now."""
        if not self._lookups.may_open(connection, who, op_id):
            raise Rejected("this note belongs to a bin that is being counted: later")
        digest = _commitment(connection, op_id)
        if not digest:
            return None
        row = connection.execute("SELECT content, salt FROM erasable WHERE digest = ?", (digest,)).fetchone()
        text, salt = ("", b"") if row is None else row
        return {"commitment": digest.hex(), "text": text, "salt": bytes(salt).hex(), "erased": row is None}

    def erase(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Remove the note of an `operation` for good, with `reasons`; its hash stays in the chain."""
        who.need(ADMIN | APPROVE, "erase a note")
        fields = Fields(body, "erase")
        operation, reasons = fields.op_id("operation"), fields.reasons()
        fields.done()

        def work(connection: Connection) -> Answer:
            self._desk.refuse_used(connection, op_id)
            retention_policy(connection).need_no_hold()
            digest = _commitment(connection, operation)
            if not digest:
                raise Rejected(f"operation {operation} has no note")
            if not connection.execute("DELETE FROM erasable WHERE digest = ?", (digest,)).rowcount:
                raise Rejected("this note was erased before: there is nothing left of it here")
            note = calls.Note(actor=who.actor, kind=ERASED, subject=digest)
            self._desk.site.record(note, op_id=op_id, document=self._desk.document(reasons=reasons))
            return {"operation": str(operation), "erased": True}

        with self._desk.site.erasing():
            content = {"of": operation.raw, "reasons": list(reasons)}
            return self._desk.once(op_id, who.actor, "erase_note", content, work)

    @staticmethod
    def erase_again(connection: Connection) -> int:
        """Remove the notes that the chain says were erased; answers how many."""
        return connection.execute(
            "DELETE FROM erasable WHERE digest IN (SELECT subject FROM notes WHERE kind = ?)", (ERASED,)
        ).rowcount

    @staticmethod
    def erase_before(connection: Connection, moment_ms: int) -> int:
        """Remove the notes that were written before `moment_ms`; answers how many. Those of proposals that wait stay:
        they are in no block, and somebody has yet to decide on them."""
        waiting = [
            Document.decode(bytes(raw)).commitments.get("note", b"").hex()
            for (raw,) in connection.execute("SELECT document FROM proposals WHERE state = 'open'").fetchall()
        ]
        return connection.execute(
            "DELETE FROM erasable WHERE at_ms < ? AND lower(hex(digest)) NOT IN (SELECT value FROM json_each(?))",
            (moment_ms, json.dumps(waiting)),
        ).rowcount


def _commitment(connection: Connection, op_id: OpId) -> bytes:
    """What the document of an operation or proposal has of its note; b"" when it has none."""
    stated = parts.of(connection, op_id)
    document = openings.document_of(connection, stated[0].op_id if stated else op_id)
    if document is None:
        row = connection.execute("SELECT document FROM proposals WHERE op_id = ?", (op_id.raw,)).fetchone()
        document = None if row is None else Document.decode(bytes(row[0]))
    return b"" if document is None else document.commitments.get("note", b"")
