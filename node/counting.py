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

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cache, partial
from itertools import islice

from ledger import views
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.people import APPROVE, AUDIT, COUNT
from ledger.wording import shown
from node import counting_late, counting_shared, counting_units, tasks
from node.counting_certificates import Certificates
from node.counting_choosing import Choosing
from node.counting_close import Closing
from node.counting_judge import judge
from node.counting_lines import Lines
from node.counting_posting import Posting
from node.counting_relocations import Relocations
from node.counting_reports import Reports
from node.counting_review import Review
from node.counting_sessions import Sessions
from node.counting_shared import Shared
from node.counting_sheets import Sheets
from node.desk import Answer, Desk, Person, is_done
from node.operators import Operators
from node.refusable import refusable
from node.rounds import (
    SECOND,
    Round,
    barred_in,
    being_counted,
    blind_bins,
    give,
    give_back,
    give_up_test,
    latest,
    movers_of,
    need_session,
    next_round,
    open_round,
    own_round,
    parts,
    refuse_counter,
    set_bin,
    tallies,
)
from node.values import Fields

TAKEN = "{} is being counted by somebody else: do you count all of it once more, or share it with them?"
OTHERS_MAX = 100
_OTHERS = ("counting", "waiting", "counted")


class Counting(Sessions, Lines):
    """The verbs of counting. Answers to counters never carry or imply what the books expect of an open bin."""

    def __init__(self, desk: Desk, operators: Operators) -> None:
        Sessions.__init__(self, desk)
        Lines.__init__(self, desk)
        self._operators = operators
        self.closing = Closing(desk)
        self.shared = Shared(desk, operators)
        self.review = Review(desk, operators)
        self.choosing = Choosing(desk)
        self.posting = Posting(desk, operators, self)
        self.relocations = Relocations(desk)
        self.sheets = Sheets(desk, operators, self, self.closing)
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
            give(connection, session, bin_, assignee, deadline_ms, self._desk.now_ms())
            return {"session": str(session), "bin": bin_}

        content = {"session": session.raw, "bin": bin_, "assignee": str(assignee or ""), "deadline": deadline_ms}
        return self._desk.once(op_id, who.actor, "assign", content, work)

    def open_bin(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Begin to count a bin: `bin`, as scanned; for an auditor, a test count of it. Notes the bin's change
        counter, before anything is scanned.

        Of a bin that somebody counts already it answers {ask, choices} until `how` says what is meant: `second`, to
        count all of it on one's own, or `share`, to count the part named by `area` if that counter agrees. What
        waited on a tablet without contact has happened, so it is taken as a second count; what could not be opened
        any more is kept for itself (`counting_late`).
        """
        who.need(COUNT | AUDIT, "count bins")
        fields = Fields(body, "open bin")
        bin_, how = fields.text("bin"), fields.take("how")
        area = fields.name("area") if how == counting_shared.SHARE else ""
        fields.done()
        if how is not None and how not in counting_shared.CHOICES:
            raise Rejected(f"how is {shown(how)}: expected {' or '.join(counting_shared.CHOICES)}")
        decided = how is not None or self._desk.was_away(who)
        with self._site.reading() as connection:
            if not decided and not is_done(connection, op_id) and self.is_taken(connection, who, bin_):
                return {"op_id": str(op_id), "ask": TAKEN.format(bin_), "choices": list(counting_shared.CHOICES)}

        def work(connection: Connection) -> Answer:
            return self.begin_or_keep(
                connection, who, bin_, second=decided, area=area if how == counting_shared.SHARE else None
            )

        # Whatever was said and not how long it waited: sent again it has waited longer, and is the same act.
        content = {"bin": bin_, **({"how": how, "area": area} if how else {})}
        return self._desk.once(op_id, who.actor, "open_bin", content, work)

    def is_taken(self, connection: Connection, who: Person, bin_: str) -> bool:
        """Whether somebody else counts this bin, and has not agreed to share it with this person; `Rejected` for who
        may not count it at all."""
        row = open_round(connection, bin_)
        if who.has(AUDIT):
            return False
        if row is None or row.bin_state != "counting" or own_round(connection, bin_, who.actor) is not None:
            return False
        area = counting_shared.own_area(connection, bin_, who.actor)
        if area is not None:
            if area.state == counting_shared.ASKED:
                raise Rejected(f"whoever counts {bin_} has not answered you yet")
            return False
        refuse_counter(connection, row.session, bin_, who.actor)
        return True

    def begin_or_keep(
        self, connection: Connection, who: Person, bin_: str, second: bool, area: str | None = None
    ) -> Answer:
        """`begin`, or ask for an area of the bin; what somebody did without contact and is not to be counted by them
        any more is kept for itself (`counting_late`)."""
        with refusable(connection) as kept:
            if area is not None and self.is_taken(connection, who, bin_):
                return counting_shared.ask_for(connection, bin_, who, area)
            return self.begin(connection, who, bin_, second)
        if not self._desk.was_away(who) or who.has(AUDIT):
            raise Rejected(kept.why)
        return counting_late.begin(connection, self._desk, who, bin_)

    def begin(self, connection: Connection, who: Person, bin_: str, second: bool = False) -> Answer:
        """`open_bin` inside a transaction of the caller, for a bin label that was scanned. `second`: also a bin that
        somebody counts already, on one's own. What the person has open is the same count on any other tablet."""
        mine, row = tasks.current(connection, who.actor), open_round(connection, bin_)
        if mine is not None and row is not None and (mine.kind, mine.target) == (tasks.COUNT, bin_):
            self.contact(connection, mine, who)
            return _opened(mine, row)
        if who.has(AUDIT):
            self.test(connection, OpId.new(self._desk.random), who, bin_)
            row = open_round(connection, bin_)
        if row is None or row.session_state != "active":
            raise Rejected(f"{bin_} is not to be counted now")
        area = counting_shared.own_area(connection, bin_, who.actor)
        if area is not None and area.state == counting_shared.AGREED:
            task = tasks.begin(connection, who.actor, tasks.COUNT, "", bin_, self._desk.now_ms())
            self.contact(connection, task, who)
            counting_shared.begin(connection, area, task.task)
            return _opened(task, row)
        if self.is_taken(connection, who, bin_):
            if not second:
                raise Rejected(TAKEN.format(bin_))
            next_round(connection, row, SECOND)
            row = latest(connection, row.session, bin_)
        if row.bin_state != "waiting" or (row.assignee is not None and row.assignee != who.actor):
            raise Rejected(f"{bin_} is not yours to count now")
        if not who.has(AUDIT):
            refuse_counter(connection, row.session, bin_, who.actor)
        task = tasks.begin(connection, who.actor, tasks.COUNT, "", bin_, self._desk.now_ms())
        self.contact(connection, task, who)
        changes = views.number(self._site.view(self._site.head.manager, views.changes_of(bin_)))
        connection.execute(
            "UPDATE count_rounds SET assignee = ?, task = ?, changes = ?, height = ?"
            " WHERE session = ? AND bin = ? AND round = ?",
            (who.actor.raw, task.task, changes, self._site.head.height, row.session.raw, bin_, row.round),
        )
        set_bin(connection, row.session, bin_, "counting")
        return _opened(task, row)

    def leave(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Give the open bin back uncounted, for another person to begin afresh: `bin`. Its events stay on record."""
        fields = Fields(body, "leave bin")
        bin_ = fields.text("bin")
        fields.done()

        def work(connection: Connection) -> Answer:
            area = counting_shared.own_area(connection, bin_, who.actor)
            row = own_round(connection, bin_, who.actor)
            if area is not None:
                counting_shared.leave(connection, area)
            elif self.taken(connection, who, bin_) is not None:
                pass  # it is nobody's count already: its events stay on record
            elif row is not None and row.bin_state == "counting":
                if counting_shared.is_shared(connection, row):
                    raise Rejected(f"others counted parts of {bin_} for you: finish it, or have it left uncounted")
                self._leave(connection, row)
            else:
                raise Rejected(f"you have not opened {bin_}")
            return {"bin": bin_}

        return self._desk.once(op_id, who.actor, "leave_bin", {"bin": bin_}, work)

    def free(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Take an open bin from who will not finish it, for another person to begin afresh: `session`, `bin`,
        `assignee` (who of those that count it; absent: all). Their events stay on record; what somebody else has
        counted stands."""
        who.need(APPROVE, "take an open bin from its counter")
        fields = Fields(body, "free")
        session, bin_, assignee = fields.op_id("session"), fields.text("bin"), fields.actor("assignee")
        fields.done()

        def work(connection: Connection) -> Answer:
            if latest(connection, session, bin_).bin_state == "closing":
                raise Rejected(f"{bin_} is being recorded at this moment: repeat this")
            found = counting_shared.counting(connection, session, bin_)
            if not found:
                raise Rejected(f"nobody counts {bin_} now")
            if assignee is not None and assignee not in found:
                raise Rejected(f"{str(assignee)[:8]}… does not count {bin_}")
            # The newest first: a second count that is taken out leaves the first where it was.
            for actor in reversed(found) if assignee is None else (assignee,):
                self._free(connection, bin_, actor)
            return {"session": str(session), "bin": bin_}

        content = {"session": session.raw, "bin": bin_, "assignee": str(assignee or "")}
        return self._desk.once(op_id, who.actor, "free_bin", content, work)

    def free_revoked(self) -> None:
        """Free what people have open or are to count who may count no more: the hub revoked them or took the role, or
        their time here is over."""
        with self._site.reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT b.bin, t.actor, iif(s.test, ?, ?) FROM count_bins b"
                " JOIN count_tallies r ON r.session = b.session AND r.bin = b.bin"
                " JOIN tasks t ON t.task = r.task AND t.state = 'open'"
                " JOIN count_sessions s ON s.session = b.session WHERE b.state = 'counting'",
                (AUDIT, COUNT),
            ).fetchall()
            given = connection.execute(
                "SELECT r.session, r.bin, r.round, r.assignee FROM count_bins b"
                " JOIN count_rounds r ON r.session = b.session AND r.bin = b.bin AND r.task IS NULL"
                " AND r.assignee IS NOT NULL WHERE b.state = 'waiting'"
            ).fetchall()
            opened = [(str(bin_), Actor(bytes(actor)), int(role)) for bin_, actor, role in rows]
            assigned = [(key, Actor(bytes(actor))) for *key, actor in given]
            named = {actor for _, actor, _ in opened} | {actor for _, actor in assigned}
            people = {actor: self._operators.with_rights(connection, actor) for actor in named}

        def may(actor: Actor, role: int) -> bool:
            person = people[actor]
            return person is not None and person.has(role)

        for bin_, actor, role in opened:
            if not may(actor, role):
                with self._site.writing() as connection:
                    self._free(connection, bin_, actor)
        for key, actor in assigned:
            if may(actor, COUNT):
                continue
            with self._site.writing() as connection:
                connection.execute(
                    "UPDATE count_rounds SET assignee = NULL"
                    " WHERE session = ? AND bin = ? AND round = ? AND task IS NULL",
                    key,
                )

    def _free(self, connection: Connection, bin_: str, actor: Actor) -> None:
        """Give back what this person counts of a bin, if they still do: their part of it, or all with its parts."""
        area, row = counting_shared.own_area(connection, bin_, actor), own_round(connection, bin_, actor)
        if area is not None:
            counting_shared.leave(connection, area)
        elif row is not None and row.bin_state == "counting":
            self._leave(connection, row)

    def _leave(self, connection: Connection, row: Round) -> None:
        if need_session(connection, row.session).test:
            give_up_test(connection, row.bin)
            return
        for task in tallies(connection, row):
            tasks.become(connection, task, tasks.DROPPED)
        give_back(connection, row)
        newest = latest(connection, row.session, row.bin)
        if parts(connection, row.session, row.bin, newest.round):
            judge(connection, newest)  # somebody else has counted all of it: theirs stands for itself
            counting_units.settle(connection, self._desk, row.session, row.bin)
        elif not being_counted(connection, row.bin):
            set_bin(connection, row.session, row.bin, "waiting")

    def close_bin(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Finish the open bin: `bin`, `confirm`. A whole bin asks once, in the same words whatever it holds. What was
        finished without contact and had been taken away by then is kept; what they have finished on another tablet by
        then is finished."""
        named = body.get("bin") if isinstance(body, Mapping) else None
        bin_ = named if isinstance(named, str) else ""
        with self._site.reading() as connection:
            part = self.shared.closes(connection, op_id, who, bin_)
            done = is_done(connection, op_id)
            taken = not done and not who.has(AUDIT) and self.taken(connection, who, bin_) is not None
            over = None if self._desk.is_recorded(op_id) else self.over(connection, who, bin_)
            finished = None if over is None else counting_late.finished(connection, over)
        if part and bin_:
            return self.shared.close(op_id, who, bin_)
        if taken:
            return counting_late.keep(self._desk, self, op_id, who, body)
        if finished is not None:
            return counting_late.again(self._desk, op_id, who, body, finished)
        return self.closing.close_bin(op_id, who, body)

    # ------------------------------------------------------------ what a counter sees

    def mine(self, connection: Connection, who: Person, most: int = 200) -> list[Answer]:
        """The first `most` bins this person may count now, by their codes. It does not tell a first count from a
        recount."""
        return list(islice(self._countable(connection, who), most))

    def progress(self, connection: Connection, who: Person, bins: list[Answer]) -> list[Answer]:
        """How far the counts are to which these bins of the person's list belong, in bins. A bin counts as counted
        when it was and does not wait for this person: what they are told follows from their own list, so that nobody
        learns here that a bin is counted again. `others`: the first bins that are not in their list, those that
        are being counted before those that wait for somebody else, and those before the counted ones."""
        found = []
        counters, listed = self._counters(connection, who), {(each["session"], each["bin"]) for each in bins}
        for session, name in dict.fromkeys((each["session"], each["name"]) for each in bins):
            rows = connection.execute(
                "SELECT b.bin, b.state IN ('waiting', 'counting'), EXISTS (SELECT 1 FROM count_rounds r JOIN tasks t"
                " ON t.task = r.task AND t.state = 'closed' WHERE r.session = b.session AND r.bin = b.bin)"
                " FROM count_bins b WHERE b.session = ? AND b.state <> 'uncounted'",
                (bytes.fromhex(session),),
            ).fetchall()
            again = {(session, str(bin_)) for bin_, waits, was in rows if waits and was}
            theirs = {each["bin"] for each in self._countable(connection, who, again)} if again else set()
            counted = sum(1 for _, waits, was in rows if was or not waits) - len(theirs)
            others = []
            for bin_, waits, was in rows:
                if bin_ not in theirs and (session, bin_) not in listed:
                    counter = None if was else counters.get((session, bin_))
                    state = "counted" if was or not waits else "counting" if counter else "waiting"
                    others.append({"bin": bin_, "state": state, **({"counter": counter} if counter else {})})
            others.sort(key=lambda each: (_OTHERS.index(each["state"]), each["bin"]))
            found.append({"session": session, "name": name, "counted": counted, "of": len(rows),
                          "others": others[:OTHERS_MAX]})  # fmt: skip
        return found

    def _counters(self, connection: Connection, who: Person) -> dict[tuple[str, str], Answer]:
        """Who else counts each (session, bin) at this moment, {name, since_ms}; of several whoever began first."""
        rows = connection.execute(
            "SELECT r.session, r.bin, t.actor, t.opened_at_ms FROM tasks t JOIN count_rounds r ON r.task = t.task"
            " WHERE t.state = 'open' AND t.actor <> ? ORDER BY t.opened_at_ms DESC",
            (who.actor.raw,),
        ).fetchall()
        return {
            (bytes(session).hex(), str(bin_)): {
                "name": self._operators.name_of(connection, Actor(bytes(actor))), "since_ms": since_ms,
            }
            for session, bin_, actor, since_ms in rows
        }  # fmt: skip

    def _countable(
        self, connection: Connection, who: Person, only: AbstractSet[tuple[str, str]] | None = None
    ) -> Iterator[Answer]:
        """What `mine` shows: what they are given, and where `refuse_counter` would let them. `only`: of these bins,
        each with its session."""
        rows = connection.execute(
            "SELECT b.session, b.bin, s.name, r.deadline_ms, r.assignee, b.state, b.items, a.name,"
            " a.state, (SELECT MAX(round) FROM count_rounds x WHERE x.session = b.session AND x.bin = b.bin)"
            " FROM count_bins b"
            " JOIN count_sessions s ON s.session = b.session AND s.state = 'active'"
            " JOIN count_rounds r ON r.session = b.session AND r.bin = b.bin AND r.round = (SELECT round"
            " FROM count_rounds x LEFT JOIN tasks t ON t.task = x.task WHERE x.session = b.session AND x.bin = b.bin"
            " ORDER BY t.state IS 'open' AND t.actor IS ?1 DESC, round DESC LIMIT 1)"
            " LEFT JOIN count_areas a ON a.session = b.session AND a.bin = b.bin AND a.actor = ?1 AND a.area > 0"
            " AND a.state IN ('asked', 'agreed', 'counting')"
            " WHERE b.state IN ('waiting', 'counting') AND s.test = ?2 AND (r.assignee IS NULL OR r.assignee = ?1"
            " OR a.area IS NOT NULL) ORDER BY b.bin",
            (who.actor.raw, who.has(AUDIT)),
        ).fetchall()
        now_ms, barred = self._desk.now_ms(), cache(partial(barred_in, connection))
        for raw, bin_, name, deadline_ms, assignee, state, items, area, area_state, newest in rows:
            session = OpId(bytes(raw))
            if only is not None and (str(session), bin_) not in only:
                continue
            # Nobody chooses to count in a test count: each bin of it is given.
            if assignee is None and (
                who.has(AUDIT)
                or who.actor in barred(session).get(bin_, ())
                or (newest and who.actor in movers_of(connection, session, bin_))
            ):
                continue
            yield {
                "session": str(session),
                "name": name,
                "bin": bin_,
                "deadline_ms": deadline_ms,
                "overdue": deadline_ms is not None and deadline_ms < now_ms,
                "open": state == "counting",
                "whole": not items,
                "mine": assignee is not None,
                **({"area": {"name": area, "state": area_state}} if area is not None else {}),
            }

    def blind_bins(self, connection: Connection, who: Person) -> frozenset[str]:
        """The bins whose stock this person must not learn now: all that are in an unfinished count, for counters."""
        return blind_bins(connection) if who.counts else frozenset()


def _opened(task: tasks.Task, row: Round) -> Answer:
    """What is open, for the tablet of its counter."""
    return {"task": task.task, "session": str(row.session), "bin": row.bin, "whole": row.whole}
