"""Reads about which a person has to decide: kept in the journal, counted nowhere, and shown until somebody has.

Three kinds. A scanner that heard no answer may have sent its read again, and nobody can know whether it means another
piece. A read may have come when its bin was closed with no count left beside which it could wait. And a scanner may
have been nobody's: its reads are shown apart, to everyone, and belong to whoever counts them.
"""

from __future__ import annotations

from typing import Any

from devices.journal import Journal
from devices.reads import Read, readable
from ledger.db import Connection
from ledger.documents import reason_code
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import ADMIN, APPROVE
from node.desk import Answer, Desk, Person
from node.scanning import Scanning
from node.values import Fields

PAGE = 200
SHOWN_MAX = 99


class Undecided:
    """Shows such reads, and counts or dismisses them. The decision is durable before the journal is marked: a crash
    in between leaves a decided read, which is shown to nobody and marked by the next asking."""

    def __init__(self, desk: Desk, scanning: Scanning) -> None:
        self._desk = desk
        self._scanning = scanning

    def rows(
        self, connection: Connection, journal: Journal, who: Person, after: int, most: int, *, owned: bool = True
    ) -> list[Answer]:
        """Those that this person may decide about, oldest first, from behind the position `after`; or nobody's."""
        found: list[Answer] = []
        while len(found) < most and (reads := journal.parked(PAGE, after=after, owned=owned)):
            after = reads[-1].position
            open_ = [read for read in reads if _may(read, who) and not self._scanning.is_settled(connection, read)]
            found += [_shown(read, journal) for read in open_]
        return found[:most]

    def count_of(self, connection: Connection, journal: Journal, who: Person) -> int:
        """How many wait for this person, up to 99; nobody's are not among them."""
        reads = journal.parked(SHOWN_MAX, owned=True)
        return sum(_may(read, who) and not self._scanning.is_settled(connection, read) for read in reads)

    def count(self, journal: Journal, op_id: OpId, who: Person, body: object) -> Answer:
        """It is one more piece: `read` acts now, in the task of whoever scanned it or, where nobody knows, of `who`.

        Rejected, and still to be decided about, when it has no place there.
        """
        fields = Fields(body, "count")
        name = str(fields.take("read"))
        fields.done()

        def work(_: Connection) -> Answer:
            outcome = self._scanning.take_after_all(self._open(journal, name, who), who)
            return {"read": name, "outcome": outcome["outcome"]}

        answer = self._desk.once(op_id, who.actor, "count-read", {"read": name}, work)
        _mark(journal, name, "taken", "counted by a person's decision")
        return answer

    def dismiss(self, journal: Journal, op_id: OpId, who: Person, body: object) -> Answer:
        """It is the read before once more, or does not count for another `reason`."""
        fields = Fields(body, "dismiss")
        name, reason = str(fields.take("read")), reason_code(fields.take("reason"))
        fields.done()

        def work(_: Connection) -> Answer:
            self._scanning.dismiss(self._open(journal, name, who), reason)
            return {"read": name}

        answer = self._desk.once(op_id, who.actor, "dismiss-read", {"read": name, "reason": reason}, work)
        _mark(journal, name, "ignored", f"dismissed by a person: {reason}")
        return answer

    @staticmethod
    def _open(journal: Journal, name: str, who: Person) -> Read:
        read = journal.get(name)
        if read.state != "parked":
            raise Rejected(f"read {name} is {read.state}: there is nothing to decide")
        if not _may(read, who):
            raise Rejected("this scan is another person's: they or a supervisor decide")
        return read


def _may(read: Read, who: Person) -> bool:
    owner = read.context.get("actor", "")
    return not owner or owner == str(who.actor) or who.has(APPROVE | ADMIN)


def _mark(journal: Journal, name: str, state: Any, note: str) -> None:
    if journal.get(name).state == "parked":
        journal.mark(name, state, note=note)


def _shown(read: Read, journal: Journal) -> Answer:
    before = None if read.repeat_of is None else journal.get(read.repeat_of)
    return {
        "read": read.read_id,
        "position": read.position,
        "device": read.device,
        "at_ms": read.at_ms,
        "raw": read.raw.hex(),
        "text": readable(read.raw),
        "symbology": read.symbology,
        "why": read.note,
        "bin": str(read.context.get("bin", "")),
        "before_ms": None if before is None else before.at_ms,
    }
