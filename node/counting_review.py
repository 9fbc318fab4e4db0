"""After the count: the variance as of the count, recounts, and posting with another person's own signature."""

from __future__ import annotations

import logging

from ledger import calls
from ledger.db import Connection
from ledger.documents import Part as DocumentPart
from ledger.documents import part_op_id, reason_code
from ledger.errors import LedgerError, Rejected
from ledger.ids import OpId
from ledger.moves import STATUSES
from ledger.people import APPROVE, COUNT
from ledger.words import LINES_MAX
from node import catalogue
from node.counting_judge import verdict_of
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.rounds import (
    ENDED,
    Part,
    Round,
    close_if_done,
    counters_of,
    latest,
    need_session,
    next_round,
    parts,
    set_bin,
)
from node.values import Fields, amount, listed

log = logging.getLogger(__name__)


class Review:
    """The approver's verbs and views."""

    def __init__(self, desk: Desk, operators: Operators) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators

    # ------------------------------------------------------------ looking

    def sessions(self, connection: Connection, who: Person) -> list[Answer]:
        """All sessions, newest first, with how many bins stand where. No quantity is in it."""
        who.need(APPROVE, "see how counts stand")
        rows = connection.execute(
            "SELECT session, name, state, opened_at_ms FROM count_sessions ORDER BY opened_at_ms DESC LIMIT 200"
        ).fetchall()
        found = []
        for session, name, state, opened_at_ms in rows:
            bins = dict(
                connection.execute(
                    "SELECT state, COUNT(*) FROM count_bins WHERE session = ? GROUP BY state", (session,)
                ).fetchall()
            )
            recounts = connection.execute(
                "SELECT COUNT(*) FROM count_rounds r JOIN count_bins b ON b.session = r.session AND b.bin = r.bin"
                " WHERE r.session = ? AND r.round > 0 AND r.task IS NULL AND b.state = 'waiting'",
                (session,),
            ).fetchone()[0]
            shown = state if state != "active" else _stage(bins, int(recounts))
            found.append(
                {
                    "session": bytes(session).hex(),
                    "name": name,
                    "state": shown,
                    "opened_at_ms": opened_at_ms,
                    "bins": bins,
                }
            )
        return found

    def overview(self, connection: Connection, who: Person, session: OpId) -> Answer:
        """A session's bins, for the supervisor: state, round, who counts. Quantities are in `bin_review` alone."""
        who.need(APPROVE, "see how a count stands")
        known = need_session(connection, session)
        rows = connection.execute(
            "SELECT bin FROM count_bins WHERE session = ? ORDER BY bin", (session.raw,)
        ).fetchall()
        bins = []
        for (bin_,) in rows:
            row = latest(connection, session, bin_)
            bins.append(
                {
                    "bin": bin_,
                    "state": row.bin_state,
                    "round": row.round,
                    "why": row.why,
                    "whole": row.whole,
                    "assignee": "" if row.assignee is None else self._operators.name_of(connection, row.assignee),
                    "parked": _parked(connection, session, bin_),
                }
            )
        return {"session": str(session), "name": known.name, "state": known.state, "bins": bins}

    def bin_review(self, who: Person, session: OpId, bin_: str) -> Answer:
        """Every finished round of a bin with its variance as of the count. Whoever sees it cannot count the bin."""
        who.need(APPROVE, "see the variance of a count")
        with self._site.writing() as connection:
            row = latest(connection, session, bin_)
            if row.bin_state not in ("review", *ENDED):
                raise Rejected(f"{bin_} is still to be counted: its variance is shown when that is done")
            if who.has(COUNT) and row.bin_state == "review":
                connection.execute(
                    "INSERT OR IGNORE INTO count_reveals VALUES (?, ?, ?, ?)",
                    (session.raw, bin_, who.actor.raw, self._desk.now_ms()),
                )
            rounds = [self._round(connection, row, number) for number in range(row.round + 1)]
            return {
                "session": str(session),
                "bin": bin_,
                "state": row.bin_state,
                "rounds": [found for found in rounds if found["lines"] or found["operations"]],
                "moves": _moves_during(connection, row),
                "parked": _parked(connection, session, bin_),
                "relocations": _relocations(connection, row),
            }

    def _round(self, connection: Connection, row: Round, number: int) -> Answer:
        found = parts(connection, row.session, row.bin, number)
        verdict = verdict_of(connection, row) if number == row.round and found else None
        shown: list[Answer] = []
        for part in found:
            for at, line in enumerate(part.lines):
                index = part.part * LINES_MAX - LINES_MAX + at
                item = catalogue.item(connection, line.item)
                shown.append(
                    {
                        "line": index,
                        "item": line.item,
                        "name": "" if item is None else item.name,
                        "lot": line.lot,
                        "serial": line.serial,
                        "status": STATUSES[line.status],
                        "counted": line.counted,
                        "expected": line.expected,
                        "difference": line.difference,
                        "over": "" if verdict is None else verdict.reasons.get(len(shown), ""),
                        "posted": part.posted[at],
                    }
                )
        counter = next((part.counter for part in found if part.counter is not None), None)
        return {
            "round": number,
            "counter": "" if counter is None else self._operators.name_of(connection, counter),
            "stable": all(part.stable for part in found),
            "agreed": verdict is not None and verdict.agreed,
            "bin_over": "" if verdict is None else verdict.bin_reason,
            "operations": [str(part.op_id) for part in found],
            "lines": shown,
        }

    # ------------------------------------------------------------ deciding

    def recount(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Order another count of a bin in review: `session`, `bin`, `reason`."""
        who.need(APPROVE, "order a recount")
        fields = Fields(body, "recount")
        session, bin_ = fields.op_id("session"), fields.text("bin")
        reason = reason_code(fields.take("reason"))
        fields.done()

        def work(connection: Connection) -> Answer:
            row = latest(connection, session, bin_)
            if row.bin_state != "review":
                raise Rejected(f"{bin_} is not in review: nothing to count again")
            next_round(connection, row, "ordered")
            return {"session": str(session), "bin": bin_}

        content = {"session": session.raw, "bin": bin_, "reason": reason}
        return self._desk.once(op_id, who.actor, "recount", content, work)

    def approve(self, op_id: OpId, who: Person, body: object, pin: object = None) -> Answer:
        """Post a bin in review with the approver's signature: `session`, `bin`, `lines` [numbers] (default: all),
        `reasons` {number: [codes]}, `reason` for every other line that differs, `occurred_ms`."""
        who.need(APPROVE, "approve a count")
        fields = Fields(body, "approve")
        session, bin_ = fields.op_id("session"), fields.text("bin")
        chosen = fields.take("lines")
        numbers = None if chosen is None else {amount(n, "line") for n in listed(chosen, "lines", 50 * LINES_MAX)}
        said = {
            int(name): tuple(reason_code(code) for code in listed(codes, f"reasons of line {name}", 8))
            for name, codes in fields.mapping("reasons").items()
            if _is_number(name)
        }
        default, occurred_ms = fields.take("reason"), fields.moment("occurred_ms")
        every = () if default is None else (reason_code(default),)
        fields.done()
        with self._site.writing() as connection:
            row = latest(connection, session, bin_)
            found = parts(connection, session, bin_, row.round)
        content = {
            "session": session.raw,
            "bin": bin_,
            "lines": sorted(numbers) if numbers is not None else None,
            "reasons": {name: list(codes) for name, codes in said.items()},
            "reason": list(every),
            "occurred_ms": occurred_ms,
        }
        wanted = _Wish(op_id, who, session, bin_, numbers, said, every, occurred_ms, pin, len(found))
        steps = [lambda connection, at=at: self._post(connection, wanted, at) for at in range(max(1, len(found)))]
        answer = self._desk.steps(op_id, who.actor, "approve", content, steps)
        self._seal_closed(session)
        return answer

    def _post(self, connection: Connection, wish: _Wish, at: int) -> Answer:
        row = latest(connection, wish.session, wish.bin)
        if row.bin_state != "review":
            raise Rejected(f"{wish.bin} is not in review: nothing to post")
        if wish.who.actor in counters_of(connection, wish.session, wish.bin):
            raise Rejected(f"you counted {wish.bin}: somebody else has to approve it")
        if _parked(connection, wish.session, wish.bin):
            raise Rejected(f"{wish.bin} has scans that nobody has explained: resolve or dismiss them first")
        found = parts(connection, wish.session, wish.bin, row.round)
        part = found[at]
        select = wish.select(part)
        name = wish.op_id if wish.count == 1 else part_op_id(wish.op_id, at + 1)
        # After a crash between two parts the same wish comes again: `select` has no line of a part that stands.
        if select or (not part.lines and part.post is None):
            self._post_part(connection, wish, row, part, select, name)
        done = all(each.done for each in parts(connection, wish.session, wish.bin, row.round))
        if done:
            set_bin(connection, wish.session, wish.bin, "posted")
            close_if_done(connection, wish.session)
        return {"session": str(wish.session), "bin": wish.bin, "state": "posted" if done else "review"}

    def _post_part(
        self, connection: Connection, wish: _Wish, row: Round, part: Part, select: int, name: OpId
    ) -> None:
        if part.counter is None:
            raise Rejected(f"{wish.bin} is not recorded completely: close it again")
        call = calls.PostCount(
            actor=part.counter,
            count=part.op_id,
            session=wish.session,
            bin=wish.bin,
            round=row.round,
            counter=part.counter,
            stable=part.stable,
            lines=part.lines,
            select=select,
        )
        document = self._desk.document(
            wish.occurred_ms,
            line_reasons=wish.reasons(part, select),
            part=None if wish.count == 1 else DocumentPart(wish.op_id, part.part, wish.count),
        )
        signed = self._operators.approve(wish.who, call, name, wish.pin)
        self._site.record(signed, op_id=name, document=document)
        connection.execute("UPDATE count_parts SET post = ? WHERE op_id = ?", (name.raw, part.op_id.raw))

    # ------------------------------------------------------------ parked reads

    def parked(self, connection: Connection, who: Person, session: OpId, bin_: str) -> list[Answer]:
        """The reads of a bin that wait for an explanation, with their bytes."""
        who.need(APPROVE | COUNT, "see parked scans")
        rows = connection.execute(
            "SELECT p.park, p.raw, p.symbology, p.why, p.hint, p.at_ms FROM parked p"
            " JOIN count_rounds r ON r.task = p.task WHERE r.session = ? AND r.bin = ? AND p.state = 'open'"
            " ORDER BY p.park",
            (session.raw, bin_),
        ).fetchall()
        names = ("park", "raw", "symbology", "why", "hint", "at_ms")
        return [{**dict(zip(names, row, strict=True)), "raw": bytes(row[1]).hex()} for row in rows]

    def _seal_closed(self, session: OpId) -> None:
        """The end of a session is a good moment for a signature; if it cannot be made now it is made later."""
        try:
            with self._site.writing() as connection:
                closed = need_session(connection, session).state == "closed"
            if closed and self._site.pending_count():
                self._site.seal()
        except LedgerError as error:
            log.info("session not sealed at once", extra={"reason": str(error)})


class _Wish:
    """An approval as it was asked for, part by part."""

    __slots__ = ("_every", "_numbers", "_said", "bin", "count", "occurred_ms", "op_id", "pin", "session", "who")

    def __init__(
        self, op_id: OpId, who: Person, session: OpId, bin_: str, numbers: set[int] | None,
        said: dict[int, tuple[str, ...]], every: tuple[str, ...], occurred_ms: int | None, pin: object, count: int,
    ) -> None:  # fmt: skip
        self.op_id, self.who, self.session, self.bin = op_id, who, session, bin_
        self.occurred_ms, self.pin, self.count = occurred_ms, pin, count
        self._numbers, self._said, self._every = numbers, said, every

    def select(self, part: Part) -> int:
        """The lines of this part to post now, as bits: those wanted that are not posted yet."""
        first = (part.part - 1) * LINES_MAX
        return sum(
            1 << at
            for at in range(len(part.lines))
            if not part.posted[at] and (self._numbers is None or first + at in self._numbers)
        )

    def reasons(self, part: Part, select: int) -> dict[int, tuple[str, ...]]:
        """Reason codes by line of the part; `Rejected` when a difference has none."""
        first = (part.part - 1) * LINES_MAX
        found: dict[int, tuple[str, ...]] = {}
        for at, line in enumerate(part.lines):
            if select >> at & 1 and line.difference:
                codes = self._said.get(first + at, self._every)
                if not codes:
                    raise Rejected(f"line {first + at} ({line.item}) differs: give a reason")
                found[at] = codes
        return found


def _stage(bins: dict[str, int], recounts: int) -> str:
    """The session's state in one word, from its bins."""
    if bins.get("waiting", 0) > recounts or bins.get("counting") or bins.get("closing"):
        return "counting"
    if recounts:
        return "recount"
    return "review" if bins.get("review") else "posted"


def _parked(connection: Connection, session: OpId, bin_: str) -> int:
    (count,) = connection.execute(
        "SELECT COUNT(*) FROM parked p JOIN count_rounds r ON r.task = p.task"
        " WHERE r.session = ? AND r.bin = ? AND p.state = 'open'",
        (session.raw, bin_),
    ).fetchone()
    return int(count)


def _moves_during(connection: Connection, row: Round) -> list[Answer]:
    """What the books moved in or out of the bin between its last opening and its record."""
    rows = connection.execute(
        "SELECT m.height, m.item, m.lot, m.serial, m.quantity, m.source, m.target FROM movements m"
        " WHERE (m.source = ? OR m.target = ?) AND m.height > ? AND m.height <="
        " (SELECT MAX(height) FROM counts WHERE session = ? AND bin = ? AND round = ?)"
        " ORDER BY m.height, m.place, m.line LIMIT 200",
        (row.bin, row.bin, row.height or 0, row.session.raw, row.bin, row.round),
    ).fetchall()
    names = ("height", "item", "lot", "serial", "quantity", "source", "target")
    return [dict(zip(names, found, strict=True)) for found in rows]


def _relocations(connection: Connection, row: Round) -> list[Answer]:
    """Items that are over here and short in another bin of the session (or the other way): perhaps only misplaced."""
    rows = connection.execute(
        "SELECT h.item, h.lot, h.serial, h.counted - h.expected, c.bin, l.counted - l.expected"
        " FROM counts mine JOIN count_lines h ON h.count = mine.op_id"
        " JOIN counts c ON c.session = mine.session AND c.bin <> mine.bin"
        " JOIN count_lines l ON l.count = c.op_id AND l.item = h.item AND l.lot = h.lot AND l.serial = h.serial"
        " WHERE mine.session = ? AND mine.bin = ? AND mine.round = ? AND l.posted IS NULL"
        " AND c.round = (SELECT MAX(round) FROM counts x WHERE x.session = c.session AND x.bin = c.bin)"
        " AND (h.counted - h.expected) * (l.counted - l.expected) < 0 LIMIT 50",
        (row.session.raw, row.bin, row.round),
    ).fetchall()
    names = ("item", "lot", "serial", "difference", "other_bin", "other_difference")
    return [dict(zip(names, found, strict=True)) for found in rows]


def _is_number(name: str) -> bool:
    if not (name.isascii() and name.isdecimal() and len(name) <= 5):
        raise Rejected(f"reasons: {name[:40]!r} is not a line number")
    return True
