"""Counting on paper: numbered sheets go out, and each is accounted for before its session closes.

A sheet names bins of a session and has room for what is found; it comes back as a file (or typed in) that names who
counted and when. It can be tried first (`dry_run`). A count on paper is never stable: nobody knows when each line
was counted, so an approver decides with the moves in sight. A sheet that tells what is expected makes its round not
blind.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping

from ledger.db import Connection
from ledger.documents import BY_PAPER, NOT_BLIND, reason_code
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.moves import STATUSES
from ledger.people import APPROVE, COUNT
from ledger.wording import shown
from node import catalogue, counting_csv, counting_late, exceptions, hindsight, tasks
from node.counting_close import Closing, booked
from node.counting_csv import Sheet
from node.counting_lines import counted_elsewhere
from node.counting_posting import bin_op_id
from node.counting_sessions import Sessions
from node.desk import Answer, Desk, Person, verb_of
from node.operators import Operators
from node.policies import counting_policy
from node.rounds import (
    close_if_done,
    counters_of,
    latest,
    need_counter,
    need_session,
    refuse_counter,
    reveal,
    set_bin,
)
from node.tasks import Cause
from node.values import Fields, listed, text_id

BINS_MAX = 50
OPENED = "opened"
KEPT = "keep_sheet"  # the verb of what is kept for itself
CSV_CHARACTERS_MAX = 500_000


class Sheets:
    """Issuing sheets, taking them back, and what is still out."""

    def __init__(self, desk: Desk, operators: Operators, sessions: Sessions, closing: Closing) -> None:
        self._desk = desk
        self._operators = operators
        self._site = desk.site
        self._sessions = sessions
        self._closing = closing

    def issue(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Issue a sheet: `session`, `bins` (at most 50; default: all that wait and are on no sheet), `blind` (default
        true). Answers {sheet, bins}."""
        who.need(APPROVE, "issue count sheets")
        fields = Fields(body, "count sheet")
        session, named, blind = fields.op_id("session"), fields.take("bins"), fields.flag("blind", default=True)
        fields.done()
        bins = None if named is None else sorted({text_id(each, "bin") for each in listed(named, "bins", BINS_MAX)})

        def work(connection: Connection) -> Answer:
            if need_session(connection, session).state != "active":
                raise Rejected("this count is not under way: start it first")
            if not blind and counting_policy(connection).blind:
                raise Rejected("counts are blind here: a sheet shows no quantities")
            chosen = bins if bins is not None else _without_sheet(connection, session)[:BINS_MAX]
            if not chosen:
                raise Rejected("no bin of this count waits for a sheet")
            (number,) = connection.execute(
                "INSERT INTO count_sheets (session, blind, state, reason, height, issued_by, issued_at_ms)"
                " VALUES (?, ?, 'issued', '', ?, ?, ?) RETURNING number",
                (session.raw, blind, self._site.head.height, who.actor.raw, self._desk.now_ms()),
            ).fetchone()
            for bin_ in chosen:
                row = latest(connection, session, bin_)
                if row.bin_state != "waiting":
                    raise Rejected(f"{bin_} does not wait to be counted: leave it off the sheet")
                connection.execute("INSERT INTO count_sheet_bins VALUES (?, ?, ?)", (number, bin_, row.round))
                if not blind:
                    connection.execute(
                        "UPDATE count_rounds SET blind = 0 WHERE session = ? AND bin = ? AND round = ?",
                        (session.raw, bin_, row.round),
                    )
            if not blind and who.counts:
                reveal(connection, session, chosen, who.actor, self._desk.now_ms())
            return {"session": str(session), "sheet": int(number), "bins": chosen}

        return self._desk.once(
            op_id, who.actor, "issue_sheet", {"session": session.raw, "bins": bins, "blind": blind}, work
        )

    def settle(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Account for a sheet that brought no count: `sheet`, `state` (void, missing), `reason`."""
        who.need(APPROVE | COUNT, "account for count sheets")
        fields = Fields(body, "sheet")
        number, state = fields.quantity("sheet", least=1), fields.take("state")
        reason = reason_code(fields.take("reason"))
        fields.done()
        if state not in ("void", "missing"):
            raise Rejected(f"state {shown(state)}: expected void or missing")

        def work(connection: Connection) -> Answer:
            sheet = self._out(connection, number)
            self._become(connection, number, str(state), reason, who)
            close_if_done(connection, sheet.session)
            return {"sheet": number, "state": state}

        return self._desk.once(
            op_id, who.actor, "settle_sheet", {"sheet": number, "state": state, "reason": reason}, work
        )

    def take_back(self, op_id: OpId, who: Person, body: object) -> Answer:
        """What a sheet says: `sheet`, `csv` (`counting_csv`), `counter` (who counted), `counted_ms` (when), `paper`
        (SHA-256 of its scan or photo, in hex; default: of the file), `dry_run`, `confirm`. For somebody who has left
        whoever brings it back answers, and its documents name who counted.

        A dry run answers {bins, left, problems, asked} and changes nothing. Otherwise every problem refuses the whole
        sheet, what is hard to believe is asked back ({ask}), and each bin it counted is recorded. Bins of the sheet
        that it says nothing about still wait. A sheet that turns up after all, and a bin that does not wait for it
        any more, is asked about too: whoever counted really counted, so what it says of such a bin is kept as an
        exception (`counting_late`), and the bin is counted.
        """
        who.need(APPROVE | COUNT, "enter a count sheet")
        fields = Fields(body, "sheet")
        number, text, dry = fields.quantity("sheet", least=1), fields.take("csv"), fields.flag("dry_run")
        sure = fields.flag("confirm")
        counter, counted_ms = fields.actor("counter"), fields.moment("counted_ms")
        paper = _digest(fields.take("paper"))
        fields.done()
        if not isinstance(text, str) or len(text) > CSV_CHARACTERS_MAX:
            raise Rejected(f"csv: expected a text of at most {CSV_CHARACTERS_MAX} characters")
        if counter is None or counted_ms is None:
            raise Rejected("a sheet names its `counter` and `counted_ms`: who counted, and when")
        digest = paper or hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        with self._site.reading() as connection:
            sheet = self.known(connection, number)
            read = counting_csv.read(connection, sheet, text, counted_ms)
            late = self._late(connection, op_id, sheet, read)
            problems = list(read.problems)
            problems += self._problems(connection, op_id, sheet, read, late, counter, who)
        asked = [*read.asked, *filter(None, late.values())]
        found = {"bins": [{"bin": each.bin, "lines": len(each.lines), "empty": each.empty} for each in read.bins],
                 "late": sorted(late),
                 "left": [bin_ for bin_ in sheet.bins if bin_ not in {each.bin for each in read.bins}]}  # fmt: skip
        if dry:
            return {
                "op_id": str(op_id),
                "sheet": number,
                "dry_run": True,
                **found,
                "problems": problems,
                "asked": asked,
            }
        if problems:
            more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
            raise Rejected(f"sheet {number} is not taken: {problems[0]}{more}")
        if not read.bins:
            raise Rejected(f"sheet {number} counts nothing: settle it as void or missing")
        if asked and not sure:
            return {"op_id": str(op_id), "sheet": number, "ask": " ".join(asked[:5])}
        for each in read.bins:
            take = self._keep if each.bin in late else self._count
            take(op_id, who, sheet, each, counter, counted_ms, digest)

        def work(connection: Connection) -> Answer:
            if self.known(connection, number).state != "returned":
                self._become(connection, number, "returned", "", who)
            close_if_done(connection, sheet.session)
            return {"sheet": number, "state": "returned", **found}

        content = {"sheet": number, "csv": digest, "counter": counter.raw, "counted_ms": counted_ms}
        return self._desk.once(op_id, who.actor, "return_sheet", content, work)

    def _count(
        self, op_id: OpId, who: Person, sheet: Sheet, read: counting_csv.Bin, counter: Actor, counted_ms: int,
        digest: bytes,
    ) -> None:  # fmt: skip
        """Record one bin as the sheet has it. Dying in between, the same wish finds each step done."""
        name = bin_op_id(op_id, read.bin)

        def opened(connection: Connection) -> Answer:
            row = latest(connection, sheet.session, read.bin)
            if row.bin_state != "waiting" or row.round != sheet.rounds[read.bin]:
                raise Rejected(f"{read.bin} does not wait for this sheet any more: leave it out")
            answers = self._answers_for(connection, counter, who)
            task = tasks.from_paper(connection, counter, read.bin, counted_ms)
            _enter(connection, task, who, read, counted_ms)
            connection.execute("UPDATE count_sheets SET digest = ? WHERE number = ?", (digest, sheet.number))
            connection.execute(
                "UPDATE count_rounds SET assignee = ?, task = ?, changes = ?, height = ?, sheet = ?"
                " WHERE session = ? AND bin = ? AND round = ?",
                (
                    answers.raw,
                    task.task,
                    0,
                    sheet.height,
                    sheet.number,
                    sheet.session.raw,
                    read.bin,
                    row.round,
                ),
            )
            set_bin(connection, sheet.session, read.bin, "counting")
            return {"task": task.task, "answers": str(answers)}

        content = {"sheet": sheet.number, "bin": read.bin, "csv": digest}
        done = self._desk.once(bin_op_id(name, OPENED), who.actor, "open_paper", content, opened)
        body = {"bin": read.bin, "confirm": True, "occurred_ms": counted_ms}
        # One of an older node says nothing of it: then it was the counter.
        answers = Actor.parse(done.get("answers", str(counter)))
        self._closing.close_bin(name, Person(answers, COUNT), body)

    def _keep(
        self, op_id: OpId, who: Person, sheet: Sheet, read: counting_csv.Bin, counter: Actor, counted_ms: int,
        digest: bytes,
    ) -> None:  # fmt: skip
        """Seal what the sheet says of a bin that does not wait for it any more, and have that counted."""
        name = bin_op_id(op_id, read.bin)

        def kept(connection: Connection) -> Answer:
            answers = self._answers_for(connection, counter, who)
            task = tasks.made(connection, counter, tasks.COUNT, tasks.CLOSED, "", read.bin, counted_ms)
            _enter(connection, task, who, read, counted_ms)
            by = Person(answers, COUNT)
            said = {"sheet": str(sheet.number), **({} if answers == counter else {"counted-by": str(counter)})}
            names = counting_late.seal(
                connection, self._desk, name, by, task, counted_ms,
                marks=(BY_PAPER,) if sheet.blind else (NOT_BLIND, BY_PAPER),
                references=said,
                commitments={"paper": digest},
            )  # fmt: skip
            if not hindsight.counted_since(connection, read.bin, counted_ms):
                exceptions.order_count(connection, self._sessions, name, by, (read.bin,))
            connection.execute("UPDATE count_sheets SET digest = ? WHERE number = ?", (digest, sheet.number))
            return {"bin": read.bin, "operations": [str(each) for each in names]}

        content = {"sheet": sheet.number, "bin": read.bin, "csv": digest}
        self._desk.once(name, who.actor, KEPT, content, kept)

    def _answers_for(self, connection: Connection, counter: Actor, who: Person) -> Actor:
        """Whose count a sheet is on the chain: its counter's. What somebody counted who has left or may not count
        any more happened all the same: whoever brings it back, `who`, answers for it."""
        known = connection.execute("SELECT 1 FROM rights WHERE actor = ?", (counter.raw,)).fetchone()
        here = self._operators.with_rights(connection, counter)
        if known is None or (here is not None and here.has(COUNT)):
            need_counter(connection, counter)
            return counter
        if not who.has(COUNT):
            name = self._operators.name_of(connection, counter)
            raise Rejected(f"{name} may not count here now: somebody with the role COUNT brings this sheet back")
        return who.actor

    # ------------------------------------------------------------ looking

    def known(self, connection: Connection, number: int) -> Sheet:
        """A sheet with its bins; `Rejected` for a number that was never issued."""
        row = connection.execute(
            "SELECT session, blind, state, reason, height FROM count_sheets WHERE number = ?",
            (number,),
        ).fetchone()
        if row is None:
            raise Rejected(f"sheet {number} was never issued here")
        rounds = dict(
            connection.execute("SELECT bin, round FROM count_sheet_bins WHERE number = ?", (number,)).fetchall()
        )
        return Sheet(number, OpId(bytes(row[0])), bool(row[1]), row[2], row[3], int(row[4]), rounds)

    def of_session(self, connection: Connection, who: Person, session: OpId) -> list[Answer]:
        """The sheets of a session, each with its bins and state."""
        who.may_see(APPROVE, "see count sheets")
        numbers = connection.execute(
            "SELECT number FROM count_sheets WHERE session = ? ORDER BY number", (session.raw,)
        ).fetchall()
        sheets = [self.known(connection, int(number)) for (number,) in numbers]
        return [
            {"sheet": each.number, "state": each.state, "reason": each.reason, "blind": each.blind,
             "bins": list(each.bins)}
            for each in sheets
        ]  # fmt: skip

    def out(
        self, connection: Connection, who: Person, after: int = 0, most: int = 200, skip: int = 0
    ) -> list[Answer]:
        """The sheets of all counts that are to come back, each with its count and its bins. No quantity is in it."""
        who.may_see(APPROVE | COUNT, "see which count sheets are out")
        rows = connection.execute(
            "SELECT x.number, s.name FROM count_sheets x JOIN count_sessions s ON s.session = x.session"
            " WHERE x.state = 'issued' AND x.number > ? ORDER BY x.number LIMIT ? OFFSET ?",
            (after, most, skip),
        ).fetchall()
        sheets = [(self.known(connection, int(number)), name) for number, name in rows]
        return [
            {"sheet": each.number, "session": str(each.session), "name": name, "blind": each.blind,
             "bins": list(each.bins)}
            for each, name in sheets
        ]  # fmt: skip

    @staticmethod
    def out_count(connection: Connection) -> int:
        """How many these are."""
        (count,) = connection.execute("SELECT COUNT(*) FROM count_sheets WHERE state = 'issued'").fetchone()
        return int(count)

    def show(self, who: Person, number: int) -> Answer:
        """A sheet as it is printed: {sheet, name, blind, bins [{bin, items, expected [{item, lot, serial, status,
        expected, unit, decimals}]}]}. Only a sheet that is not blind has expected quantities, as they were in the
        books when it is shown; a counter may see any other."""
        who.may_see(APPROVE | COUNT, "print count sheets")
        with self._site.writing() as connection:
            sheet = self.known(connection, number)
            if not sheet.blind:
                who.need(APPROVE, "print a count sheet with quantities")
            if not sheet.blind and who.counts:
                reveal(connection, sheet.session, sheet.bins, who.actor, self._desk.now_ms())
            name = need_session(connection, sheet.session).name
            bins = []
            for bin_ in sheet.bins:
                row = latest(connection, sheet.session, bin_)
                expected = [] if sheet.blind else [
                    {"item": at[0], "lot": at[1], "serial": at[2], "status": STATUSES[at[3]], "expected": quantity,
                     **catalogue.measure(connection, at[0])}
                    for at, quantity in sorted(booked(connection, row).items())
                ]  # fmt: skip
                bins.append({"bin": bin_, "items": list(row.items), "expected": expected})
        return {"sheet": number, "session": str(sheet.session), "name": name, "state": sheet.state,
                "blind": sheet.blind, "bins": bins}  # fmt: skip

    def to_type(self, connection: Connection, who: Person, number: int) -> Answer:
        """A sheet for whoever types in what was written on it: {sheet, session, name, state, bins [{bin, items}]}.
        Nothing in it is expected, whatever is printed on the paper."""
        who.may_see(APPROVE | COUNT, "enter a count sheet")
        sheet = self.known(connection, number)
        items = {bin_: latest(connection, sheet.session, bin_).items for bin_ in sheet.bins}
        return {"sheet": number, "session": str(sheet.session),
                "name": need_session(connection, sheet.session).name, "state": sheet.state,
                "bins": [{"bin": bin_, "items": list(items[bin_])} for bin_ in sheet.bins]}  # fmt: skip

    # ------------------------------------------------------------ inside

    def _out(self, connection: Connection, number: int) -> Sheet:
        sheet = self.known(connection, number)
        if sheet.state != "issued":
            raise Rejected(f"sheet {number} is {sheet.state} already")
        return sheet

    def _late(self, connection: Connection, op_id: OpId, sheet: Sheet, read: counting_csv.Read) -> dict[str, str]:
        """The bins that do not wait for this sheet any more, each with what to ask of it; '' where this very wish has
        kept what it says."""
        found: dict[str, str] = {}
        for each in read.bins:
            row = latest(connection, sheet.session, each.bin)
            if verb_of(connection, bin_op_id(op_id, each.bin)) == KEPT:
                found[each.bin] = ""
            elif self._taken(connection, op_id, each.bin) or sheet.state == "returned":
                continue
            elif sheet.state != "issued" or row.bin_state != "waiting" or row.round != sheet.rounds[each.bin]:
                found[each.bin] = _too_late(each.bin, sheet.number)
        return found

    def _problems(
        self, connection: Connection, op_id: OpId, sheet: Sheet, read: counting_csv.Read, late: Mapping[str, str],
        counter: Actor, who: Person,
    ) -> list[str]:  # fmt: skip
        """Why the sheet cannot be taken as this person's count, brought back by another or not. Bins that this very
        wish took are right already."""
        mine = [
            each for each in read.bins if not self._taken(connection, op_id, each.bin) and late.get(each.bin, " ")
        ]
        if read.bins and not mine:
            return []
        problems = [f"sheet {sheet.number} is returned already"] if sheet.state == "returned" else []
        try:
            self._answers_for(connection, counter, who)
        except Rejected as error:
            problems.append(str(error))
        seen: set[tuple[str, str]] = set()
        for each in mine:
            if each.bin not in late:
                problems += _bin_problems(connection, sheet, each, counter, who.actor)
            pieces = [(thing.item, thing.serial) for thing, quantity, _ in each.lines if thing.serial and quantity]
            problems += [
                f"serial {serial} of {item} stands in two bins" for item, serial in pieces if (item, serial) in seen
            ]
            problems += [
                f"serial {serial} of {item} stands twice in {each.bin}: one piece has one lot and one status"
                for (item, serial), rows in Counter(pieces).items()
                if rows > 1
            ]
            seen.update(pieces)
        return problems

    @staticmethod
    def _taken(connection: Connection, op_id: OpId, bin_: str) -> bool:
        name = bin_op_id(bin_op_id(op_id, bin_), OPENED)
        return connection.execute("SELECT 1 FROM acts WHERE op_id = ?", (name.raw,)).fetchone() is not None

    def _become(self, connection: Connection, number: int, state: str, reason: str, who: Person) -> None:
        connection.execute(
            "UPDATE count_sheets SET state = ?, reason = ?, settled_by = ?, settled_at_ms = ? WHERE number = ?",
            (state, reason, who.actor.raw, self._desk.now_ms(), number),
        )


def _enter(connection: Connection, task: tasks.Task, who: Person, read: counting_csv.Bin, counted_ms: int) -> None:
    """What the sheet says of a bin, as events of its task."""
    for thing, quantity, pieces in read.lines:
        cause = Cause(counted_ms)
        tasks.add(connection, task, who.actor, "set", thing, quantity, cause, entered=quantity, pieces=pieces)
    if read.empty:
        tasks.add(connection, task, who.actor, "empty", tasks.Thing(), 0, Cause(counted_ms))


def _bin_problems(
    connection: Connection, sheet: Sheet, read: counting_csv.Bin, counter: Actor, by: Actor
) -> list[str]:
    row = latest(connection, sheet.session, read.bin)
    problems = [
        f"serial {thing.serial} was already counted in this session: check both pieces"
        for thing, quantity, _ in read.lines
        if thing.serial and quantity and counted_elsewhere(connection, row, thing)
    ]
    try:
        refuse_counter(connection, sheet.session, read.bin, counter)
        _refuse_in_another_name(connection, sheet.session, read.bin, counter, by)
    except Rejected as error:
        problems.append(str(error))
    return problems


def _refuse_in_another_name(connection: Connection, session: OpId, bin_: str, counter: Actor, by: Actor) -> None:
    """Whoever counted a bin could say in somebody else's name what they said in their own."""
    if by != counter and by in counters_of(connection, session, bin_):
        raise Rejected(f"you counted {bin_} before: somebody else brings this sheet back")


def _too_late(bin_: str, number: int) -> str:
    return f"{bin_} does not wait for sheet {number} any more: keep what is on it, and have the bin counted?"


def _without_sheet(connection: Connection, session: OpId) -> list[str]:
    return [
        str(bin_)
        for (bin_,) in connection.execute(
            "SELECT bin FROM count_bins b WHERE session = ? AND state = 'waiting' AND NOT EXISTS"
            " (SELECT 1 FROM count_sheet_bins x JOIN count_sheets s ON s.number = x.number AND s.state = 'issued'"
            " WHERE s.session = b.session AND x.bin = b.bin) ORDER BY bin",
            (session.raw,),
        ).fetchall()
    ]


def _digest(value: object) -> bytes | None:
    if value is None:
        return None
    try:
        raw = bytes.fromhex(value) if isinstance(value, str) and len(value) == 64 else b""
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise Rejected(f"paper is {shown(value)}: expected a SHA-256 in hex")
    return raw
