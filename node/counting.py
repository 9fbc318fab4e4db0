"""Count sessions: which bins, who counts them in which round, opening a bin, and what a counter may not see.

    session ─┬─ bin  waiting → counting → review → posted          (or uncounted, with a reason)
             │         ↑                    │
             │         └── next round ──────┘    recount: over tolerance, unstable, control, ordered
             └─ bin …

A round has one assignee; a second counter is another person. Counting itself is `counting_close` (the recorded count)
and `counting_review` (variance, recount, approval, posting). Rules: product.md, Counting.
"""

from __future__ import annotations

import json

from ledger import views
from ledger.counts import Rule
from ledger.db import Connection
from ledger.documents import reason_code
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.people import APPROVE, COUNT
from node import catalogue, tasks
from node.counting_close import Closing
from node.counting_lines import Lines
from node.counting_review import Review
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.rounds import blind_bins, latest, need_session, open_round, refuse_counter, set_bin
from node.values import Fields, listed, text_id

BINS_MAX = 500


class Counting(Lines):
    """The verbs of counting. Answers to counters never carry or imply what the books expect of an open bin."""

    def __init__(self, desk: Desk, operators: Operators) -> None:
        super().__init__(desk)
        self.closing = Closing(desk)
        self.review = Review(desk, operators)

    def resume(self) -> None:
        """Finish the counts whose recording a crash interrupted between two parts."""
        self.closing.resume()

    # ------------------------------------------------------------ sessions

    def open_session(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Plan a session: `name`, `bins` [code or {bin, items, assignee, deadline_ms}], `areas` [code], `rule`,
        `draft`. Answers {session, bins}."""
        who.need(APPROVE, "open a count session")
        fields = Fields(body, "count session")
        name, draft = fields.name("name"), fields.flag("draft")
        wishes = fields.take("bins")
        wishes = [] if wishes is None else listed(wishes, "bins", BINS_MAX)
        areas = fields.take("areas")
        areas = [] if areas is None else [text_id(area, "area") for area in listed(areas, "areas", BINS_MAX)]
        rule = Rule.parse(fields.mapping("rule"))
        fields.done()
        plans = [_plan(wish) for wish in wishes]
        content = {
            "name": name,
            "plans": [[bin_, items, str(assignee or ""), deadline] for bin_, items, assignee, deadline in plans],
            "areas": areas,
            "rule": rule.as_json(),
            "draft": draft,
        }

        def work(connection: Connection) -> Answer:
            self._desk.refuse_used(connection, op_id)
            planned, named = list(plans), {plan[0] for plan in plans}
            for area in areas:
                inside = catalogue.bins_under(connection, area)
                if not inside:
                    raise Rejected(f"area {area!r} has no bins: check its code")
                planned.extend((bin_, (), None, None) for bin_ in inside if bin_ not in named)
                named.update(inside)
            if not 0 < len(planned) <= BINS_MAX or len(named) != len(planned):
                raise Rejected(f"a session has 1 to {BINS_MAX} bins, each once; this one has {len(planned)}")
            connection.execute(
                "INSERT INTO count_sessions VALUES (?, ?, ?, ?, ?, ?, '')",
                (
                    op_id.raw,
                    name,
                    json.dumps(rule.as_json()),
                    who.actor.raw,
                    self._desk.now_ms(),
                    "draft" if draft else "active",
                ),
            )
            for bin_, items, assignee, deadline in planned:
                self._add_bin(connection, op_id, bin_, items, assignee, deadline)
            return {"session": str(op_id), "bins": sorted(named)}

        return self._desk.once(op_id, who.actor, "open_session", content, work)

    def _add_bin(
        self,
        connection: Connection,
        session: OpId,
        bin_: str,
        items: tuple[str, ...],
        assignee: Actor | None,
        deadline_ms: int | None,
    ) -> None:
        catalogue.need_bin(connection, bin_)
        for sku in items:
            catalogue.need_item(connection, sku)
        taken = open_round(connection, bin_)
        if taken is not None:
            raise Rejected(f"{bin_} is already in a count that is not finished: post or leave it there first")
        if assignee is not None:
            self._need_counter(connection, assignee)
        connection.execute(
            "INSERT INTO count_bins VALUES (?, ?, ?, 'waiting', '')",
            (session.raw, bin_, json.dumps(list(items)) if items else ""),
        )
        connection.execute(
            "INSERT INTO count_rounds (session, bin, round, why, assignee, deadline_ms)"
            " VALUES (?, ?, 0, 'first', ?, ?)",
            (session.raw, bin_, None if assignee is None else assignee.raw, deadline_ms),
        )

    def start(self, op_id: OpId, who: Person, body: object) -> Answer:
        """A draft becomes active: `session`."""
        who.need(APPROVE, "start a count session")
        fields = Fields(body, "start")
        session = fields.op_id("session")
        fields.done()

        def work(connection: Connection) -> Answer:
            if need_session(connection, session).state != "draft":
                raise Rejected("this session was started already")
            connection.execute("UPDATE count_sessions SET state = 'active' WHERE session = ?", (session.raw,))
            return {"session": str(session)}

        return self._desk.once(op_id, who.actor, "start_session", {"session": session.raw}, work)

    def cancel(self, op_id: OpId, who: Person, body: object) -> Answer:
        """End a session: `session`, `reason`. Bins not posted stay uncounted; what was posted stays posted."""
        who.need(APPROVE, "cancel a count session")
        fields = Fields(body, "cancel")
        session, reason = fields.op_id("session"), reason_code(fields.take("reason"))
        fields.done()

        def work(connection: Connection) -> Answer:
            if need_session(connection, session).state not in ("draft", "active"):
                raise Rejected("this session has ended already")
            bins = connection.execute(
                "SELECT bin, state FROM count_bins WHERE session = ? AND state NOT IN ('posted', 'uncounted')",
                (session.raw,),
            ).fetchall()
            for bin_, state in bins:
                if state == "closing":
                    raise Rejected(f"{bin_} is being recorded at this moment: repeat this")
                self._leave(connection, session, bin_)
                set_bin(connection, session, bin_, "uncounted", reason)
            connection.execute(
                "UPDATE count_sessions SET state = 'cancelled', reason = ? WHERE session = ?", (reason, session.raw)
            )
            return {"session": str(session), "uncounted": [bin_ for bin_, _ in bins]}

        return self._desk.once(op_id, who.actor, "cancel_session", {"session": session.raw, "reason": reason}, work)

    def uncounted(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Leave one bin uncounted: `session`, `bin`, `reason`."""
        who.need(APPROVE, "leave a bin uncounted")
        fields = Fields(body, "uncounted")
        session, bin_ = fields.op_id("session"), fields.text("bin")
        reason = reason_code(fields.take("reason"))
        fields.done()

        def work(connection: Connection) -> Answer:
            need_session(connection, session)
            row = latest(connection, session, bin_)
            if row.bin_state in ("posted", "uncounted", "closing"):
                raise Rejected(f"{bin_} is {row.bin_state}: it can no longer be left uncounted")
            self._leave(connection, session, bin_)
            set_bin(connection, session, bin_, "uncounted", reason)
            self.review.close_if_done(connection, session)
            return {"session": str(session), "bin": bin_}

        content = {"session": session.raw, "bin": bin_, "reason": reason}
        return self._desk.once(op_id, who.actor, "uncounted", content, work)

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
                self._need_counter(connection, assignee)
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
            self._leave(connection, row.session, bin_)
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

    def mine(self, connection: Connection, who: Person) -> list[Answer]:
        """The bins this person may count now. It does not tell a first count from a recount."""
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
        return found

    def blind_bins(self, connection: Connection, who: Person) -> frozenset[str]:
        """The bins whose stock this person must not learn now: all that are in an unfinished count, for counters."""
        return blind_bins(connection) if who.has(COUNT) else frozenset()

    # ------------------------------------------------------------ inside

    @staticmethod
    def _leave(connection: Connection, session: OpId, bin_: str) -> None:
        """Drop what is open of a bin. Its events stay."""
        connection.execute(
            "UPDATE tasks SET state = 'dropped' WHERE state = 'open' AND task IN"
            " (SELECT task FROM count_rounds WHERE session = ? AND bin = ?)",
            (session.raw, bin_),
        )

    @staticmethod
    def _may_count(connection: Connection, session: OpId, bin_: str, actor: Actor) -> bool:
        try:
            refuse_counter(connection, session, bin_, actor)
        except Rejected:
            return False
        return True

    @staticmethod
    def _need_counter(connection: Connection, actor: Actor) -> None:
        row = connection.execute("SELECT roles, revoked FROM people WHERE actor = ?", (actor.raw,)).fetchone()
        if row is None or row[1] or not int(row[0]) & COUNT:
            raise Rejected(f"{str(actor)[:8]}… may not count here: that needs the role COUNT")


def _plan(wish: object) -> tuple[str, tuple[str, ...], Actor | None, int | None]:
    """One bin of a plan: a code, or an object with its task."""
    if isinstance(wish, str):
        return text_id(wish, "bin"), (), None, None
    fields = Fields(wish, "bin of the session")
    bin_ = fields.text("bin")
    items = fields.take("items")
    skus = () if items is None else tuple(text_id(sku, "item") for sku in listed(items, "items", 50))
    assignee, deadline_ms = fields.actor("assignee"), fields.moment("deadline_ms")
    fields.done()
    return bin_, tuple(dict.fromkeys(skus)), assignee, deadline_ms
