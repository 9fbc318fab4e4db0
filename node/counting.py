"""Bins and rounds of a count: who counts them, opening a bin, and what a counter may not see.

    session ─┬─ bin  waiting → counting → review → posted          (or uncounted, rejected, with a reason)
             │         ↑                    │
             │         └── next round ──────┘    recount: over tolerance, unstable, control, ordered
             └─ bin …

A round has one assignee; a second counter is another person. Sessions are `counting_sessions`, counting itself is
`counting_close` (the recorded count) and `counting_review` (variance, recount, approval, posting). Rules: product.md,
Counting.
"""

from __future__ import annotations

from ledger import views
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.people import APPROVE, COUNT
from node import tasks
from node.counting_certificates import Certificates
from node.counting_close import Closing
from node.counting_lines import Lines
from node.counting_posting import Posting
from node.counting_relocations import Relocations
from node.counting_reports import Reports
from node.counting_review import Review
from node.counting_sessions import Sessions, drop_open, need_counter
from node.counting_sheets import Sheets
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.rounds import blind_bins, latest, open_round, refuse_counter, set_bin
from node.values import Fields


class Counting(Sessions, Lines):
    """The verbs of counting. Answers to counters never carry or imply what the books expect of an open bin."""

    def __init__(self, desk: Desk, operators: Operators) -> None:
        Sessions.__init__(self, desk)
        Lines.__init__(self, desk)
        self.closing = Closing(desk)
        self.review = Review(desk, operators)
        self.posting = Posting(desk, operators)
        self.relocations = Relocations(desk)
        self.sheets = Sheets(desk, self.closing)
        self.reports = Reports(desk, operators)
        self.certificates = Certificates(desk)

    def resume(self) -> None:
        """Finish the counts whose recording a crash interrupted between two parts."""
        self.closing.resume()

    # ------------------------------------------------------------ rounds

    def assign(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Give a bin's waiting round to a counter: `session`, `bin`, `assignee` (null: anyone), `deadline_ms`."""
        who.need(APPROVE, "assign counts")
        fields = Fields(body, "assign")
        session, bin_, assignee = fields.op_id("session"), fields.text("bin"), fields.actor("assignee")
        deadline_ms = fields.moment("deadline_ms")
        fields.done()

        def work(connection: Connection) -> Answer:
            row = latest(connection, session, bin_)
            if row.bin_state != "waiting":
                raise Rejected(f"{bin_} is not waiting for a counter")
            if assignee is not None:
                need_counter(connection, assignee)
                refuse_counter(connection, session, bin_, assignee)
            connection.execute(
                "UPDATE count_rounds SET assignee = ?, deadline_ms = ? WHERE session = ? AND bin = ? AND round = ?",
                (None if assignee is None else assignee.raw, deadline_ms, session.raw, bin_, row.round),
            )
            return {"session": str(session), "bin": bin_}

        content = {"session": session.raw, "bin": bin_, "assignee": str(assignee or ""), "deadline": deadline_ms}
        return self._desk.once(op_id, who.actor, "assign", content, work)

    def open_bin(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Begin to count a bin: `bin`, as scanned. Notes the bin's change counter, before anything is scanned."""
        who.need(COUNT, "count")
        fields = Fields(body, "open bin")
        bin_ = fields.text("bin")
        fields.done()

        def work(connection: Connection) -> Answer:
            return self.begin(connection, who, bin_)

        return self._desk.once(op_id, who.actor, "open_bin", {"bin": bin_}, work)

    def begin(self, connection: Connection, who: Person, bin_: str) -> Answer:
        """`open_bin` inside a transaction of the caller, for a bin label that was scanned."""
        row = open_round(connection, bin_)
        if row is None or row.session_state != "active":
            raise Rejected(f"{bin_} is not to be counted now")
        if row.bin_state != "waiting" or (row.assignee is not None and row.assignee != who.actor):
            raise Rejected(f"{bin_} is not yours to count now")
        refuse_counter(connection, row.session, bin_, who.actor)
        task = tasks.begin(connection, who.actor, tasks.COUNT, "", bin_, self._desk.now_ms())
        self.contact(connection, task, who.waited_ms)
        changes = views.number(self._site.view(self._site.head.manager, views.changes_of(bin_)))
        connection.execute(
            "UPDATE count_rounds SET assignee = ?, task = ?, changes = ?, height = ?"
            " WHERE session = ? AND bin = ? AND round = ?",
            (who.actor.raw, task.task, changes, self._site.head.height, row.session.raw, bin_, row.round),
        )
        set_bin(connection, row.session, bin_, "counting")
        return {"task": task.task, "session": str(row.session), "bin": bin_, "whole": row.whole}

    def leave(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Give the open bin back uncounted, for another person to begin afresh: `bin`. Its events stay on record."""
        fields = Fields(body, "leave bin")
        bin_ = fields.text("bin")
        fields.done()

        def work(connection: Connection) -> Answer:
            row = open_round(connection, bin_)
            if row is None or row.bin_state != "counting" or row.assignee != who.actor:
                raise Rejected(f"you have not opened {bin_}")
            drop_open(connection, row.session, bin_)
            set_bin(connection, row.session, bin_, "waiting")
            connection.execute(
                "UPDATE count_rounds SET assignee = NULL, task = NULL, changes = NULL, height = NULL"
                " WHERE session = ? AND bin = ? AND round = ?",
                (row.session.raw, bin_, row.round),
            )
            return {"bin": bin_}

        return self._desk.once(op_id, who.actor, "leave_bin", {"bin": bin_}, work)

    def close_bin(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Finish the open bin: `bin`, `confirm`. A whole bin asks once, in the same words whatever it holds."""
        return self.closing.close_bin(op_id, who, body)

    # ------------------------------------------------------------ what a counter sees

    def mine(self, connection: Connection, who: Person, most: int = 200) -> list[Answer]:
        """The first `most` bins this person may count now. It does not tell a first count from a recount."""
        rows = connection.execute(
            "SELECT b.session, b.bin, s.name, r.deadline_ms, r.assignee, b.state, b.items FROM count_bins b"
            " JOIN count_sessions s ON s.session = b.session AND s.state = 'active'"
            " JOIN count_rounds r ON r.session = b.session AND r.bin = b.bin AND r.round = (SELECT MAX(round)"
            " FROM count_rounds x WHERE x.session = b.session AND x.bin = b.bin)"
            " WHERE b.state IN ('waiting', 'counting') AND (r.assignee IS NULL OR r.assignee = ?) ORDER BY b.bin",
            (who.actor.raw,),
        ).fetchall()
        found = []
        for session, bin_, name, deadline_ms, assignee, state, items in rows:
            if assignee is None and not self._may_count(connection, OpId(bytes(session)), bin_, who.actor):
                continue
            found.append(
                {
                    "session": bytes(session).hex(),
                    "name": name,
                    "bin": bin_,
                    "deadline_ms": deadline_ms,
                    "open": state == "counting",
                    "whole": not items,
                    "mine": assignee is not None,
                }
            )
            if len(found) == most:
                break
        return found

    def blind_bins(self, connection: Connection, who: Person) -> frozenset[str]:
        """The bins whose stock this person must not learn now: all that are in an unfinished count, for counters."""
        return blind_bins(connection) if who.has(COUNT) else frozenset()

    # ------------------------------------------------------------ inside

    @staticmethod
    def _may_count(connection: Connection, session: OpId, bin_: str, actor: Actor) -> bool:
        try:
            refuse_counter(connection, session, bin_, actor)
        except Rejected:
            return False
        return True
