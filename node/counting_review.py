"""After the count: how sessions and bins stand, the variance as of the count, and recounts."""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import islice
from typing import TypeAlias

from ledger.db import Connection
from ledger.documents import reason_code
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.moves import STATUSES
from ledger.people import APPROVE, COUNT
from ledger.words import LINES_MAX
from node import catalogue, counting_shared, counting_units
from node.counting_choosing import refuse_own
from node.counting_judge import verdict_of
from node.counting_relocations import Offer, offers, relocated, settled, still_counted
from node.counting_reports import left_out
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.rounds import (
    ENDED,
    Part,
    Round,
    chosen,
    countable,
    end_rounds,
    ended,
    give,
    latest,
    latest_of,
    need_session,
    next_round,
    parked_count,
    parked_in,
    parts,
    recorded,
    recorded_in,
    reveal,
    speaking,
    waits_for_draw,
)
from node.values import Fields

_GOING = ("draft", "active")
Listed: TypeAlias = tuple[bytes, str, str, int, int]  # session, name, state as kept, opened_at_ms, test


class Review:
    """The approver's verbs and views."""

    def __init__(self, desk: Desk, operators: Operators) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators

    # ------------------------------------------------------------ looking

    # One index has all of it, newest first: ten thousand counts are looked through without their rows.
    LISTED = (
        "SELECT session, name, state, opened_at_ms, test FROM count_sessions WHERE (opened_at_ms, session) < (?, ?)"
        " ORDER BY opened_at_ms DESC, session DESC"
    )

    def sessions(
        self,
        connection: Connection,
        who: Person,
        after: tuple[int, str] = (2**62, ""),
        most: int = 200,
        search: str = "",
        state: str = "",
    ) -> list[Answer]:
        """Sessions that `found` finds behind `after`, (opened_at_ms, session in hex), as they stand."""
        found = self.found(connection, who, after, search, state)
        return [self.standing(connection, each) for each in islice(found, most)]

    def found(
        self,
        connection: Connection,
        who: Person,
        after: tuple[int, str] = (2**62, ""),
        search: str = "",
        state: str = "",
    ) -> Iterator[Listed]:
        """Sessions whose name has each word of `search` and that stand as `state` says ("": any), newest first."""
        who.may_see(APPROVE, "see how counts stand")
        rows = connection.execute(self.LISTED, (after[0], bytes.fromhex(after[1])))
        words = search.casefold().split()
        return (
            row
            for row in rows
            if all(word in row[1].casefold() for word in words)
            # How one that goes on stands is asked of its bins, and only where it matters.
            and (state == "" or state == (self.standing(connection, row)["state"] if row[2] in _GOING else row[2]))
        )

    @staticmethod
    def standing(connection: Connection, listed: Listed) -> Answer:
        """A session with how many bins stand where. No quantity is in it."""
        session, name, state, opened_at_ms, test = listed
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
        return {
            "session": bytes(session).hex(),
            "name": name,
            "state": (
                "drawing"
                if state == "draft" and waits_for_draw(connection, OpId(bytes(session))) is not None
                else state
                if state != "active"
                else _stage(bins, int(recounts))
            ),
            "opened_at_ms": opened_at_ms,
            "bins": bins,
            "test": bool(test),
        }

    def overview(
        self, connection: Connection, who: Person, session: OpId, shown: Container[str] | None = None
    ) -> Answer:
        """A session's bins, for the supervisor: state, round, who counts. Quantities are in `bin_review` alone. Of
        bins that are not `shown` there is the state alone. `left_out`: how many its plan chose and did not get."""
        who.may_see(APPROVE, "see how a count stands")
        known = need_session(connection, session)
        rows = connection.execute(
            "SELECT bin, state, reason FROM count_bins WHERE session = ? ORDER BY bin", (session.raw,)
        ).fetchall()
        bins: list[Answer] = []
        newest: dict[str, Round] = {}
        if shown is None or any(bin_ in shown for bin_, _, _ in rows):
            newest = latest_of(connection, session)
            waiting = [row for row in newest.values() if row.bin_state == "waiting"]
            parked, counted = parked_in(connection, session), recorded_in(connection, session)
            anybody = countable(connection, session, waiting, self._desk.now_ms())
        for bin_, state, reason in rows:
            if shown is not None and bin_ not in shown:
                bins.append({"bin": bin_, "state": state})
                continue
            row = newest[bin_]
            # Of a bin that waits: whether a count of it stands that could be taken, and whether nobody may count it.
            stuck = {"counted": bin_ in counted, "nobody": bin_ not in anybody} if state == "waiting" else {}
            bins.append(
                {
                    "bin": bin_,
                    "state": state,
                    "round": row.round,
                    # A control looks like any other recount to whoever may count it.
                    **({} if who.counts and state not in ("review", *ENDED) else {"why": row.why}),
                    "whole": row.whole,
                    "assignee": "" if row.assignee is None else self._operators.name_of(connection, row.assignee),
                    "deadline_ms": row.deadline_ms,
                    "overdue": _is_overdue(row, self._desk.now_ms()),
                    "parked": parked.get(bin_, 0),
                    **{name: True for name, is_so in stuck.items() if is_so},
                    **self._open(connection, row),
                    **({"sealed": True} if reason == counting_units.SEALED else {}),
                }
            )
        problem = waits_for_draw(connection, session)
        return {
            "session": str(session), "name": known.name, "frozen": known.frozen,
            "state": known.state if problem is None else "drawing", "not_drawn": problem or "",
            "rule": known.rule.as_json(), "left_out": len(left_out(connection, session)), "bins": bins,
        }  # fmt: skip

    def _open(self, connection: Connection, row: Round) -> Answer:
        """Who counts a bin now, all of it or a part."""
        found = counting_shared.counting(connection, row.session, row.bin) if row.bin_state == "counting" else ()
        people = [{"actor": str(actor), "name": self._operators.name_of(connection, actor)} for actor in found]
        return {"open": people} if people else {}

    def bin_review(self, who: Person, session: OpId, bin_: str) -> Answer:
        """Every finished round of a bin with its variance as of the count. Whoever sees it cannot count the bin."""
        who.may_see(APPROVE, "see the variance of a count")
        with self._site.writing() as connection:
            row = latest(connection, session, bin_)
            if row.bin_state not in ("review", *ENDED):
                raise Rejected(f"{bin_} is still to be counted: its variance is shown when that is done")
            if who.counts and row.bin_state == "review":
                reveal(connection, session, (bin_,), who.actor, self._desk.now_ms())
            newest, row = row, speaking(connection, session, bin_)
            rounds = [self._round(connection, row, number) for number in range(newest.round + 1)]
            choice = chosen(connection, session, bin_)
            relocations = settled if row.bin_state == "posted" else offers
            return {
                "session": str(session),
                "bin": bin_,
                "state": row.bin_state,
                "rounds": [found for found in rounds if found["lines"] or found["operations"]],
                # None were during a stable one.
                "moves": [
                    move
                    for move in _moves_during(connection, row)
                    if move["after"] or not rounds[row.round]["stable"]
                ],
                "parked": parked_count(connection, session, bin_),
                "relocations": [_offer(connection, each) for each in relocations(connection, session, bin_)],
                "uncounted": still_counted(connection, session, bin_),
                "units": counting_units.found_in(connection, session, bin_),
                **({"ended": why} if (why := ended(connection, session, bin_)) else {}),
                **({} if choice is None else {"chosen": {"round": choice[0], "reason": choice[1]}}),
                **({"sealed": True} if counting_units.is_sealed(connection, session, bin_) else {}),
            }

    def ready(self, connection: Connection, who: Person, session: OpId) -> list[Answer]:
        """The bins in review with how many of their lines differ and whether they are stable, to approve several at
        once. Nothing for somebody who may count: they look at one bin at a time, and count it no more."""
        who.may_see(APPROVE, "see the variance of a count")
        if who.counts:
            return []
        rows = connection.execute(
            "SELECT bin FROM count_bins WHERE session = ? AND state = 'review' ORDER BY bin", (session.raw,)
        ).fetchall()
        found = []
        for (bin_,) in rows:
            row = speaking(connection, session, bin_)
            counted = parts(connection, session, bin_, row.round)
            lines = [line for part in counted for line in part.lines]
            found.append(
                {
                    "bin": bin_,
                    "stable": all(part.stable for part in counted),
                    "differs": sum(1 for line in lines if line.difference)
                    + sum(1 for each in counting_units.found_in(connection, session, bin_) if each["stood"] != bin_),
                    "parked": parked_count(connection, session, bin_),
                    "offers": sum(1 for each in offers(connection, session, bin_) if not each.decided),
                }
            )
        return found

    def _round(self, connection: Connection, row: Round, number: int) -> Answer:
        found = parts(connection, row.session, row.bin, number)
        verdict = verdict_of(connection, row) if number == row.round and found else None
        moved = relocated(connection, row.session, row.bin) if number == row.round else {}
        shown: list[Answer] = []
        known = catalogue.items(connection, (line.item for part in found for line in part.lines))
        for part in found:
            dates = self._dates(connection, part)
            for at, line in enumerate(part.lines):
                index = part.part * LINES_MAX - LINES_MAX + at
                item = known.get(line.item)
                shown.append(
                    {
                        "line": index,
                        "item": line.item,
                        "name": "" if item is None else item.name,
                        "unit": "" if item is None else item.unit,
                        "decimals": 0 if item is None else item.decimals,
                        "lot": line.lot,
                        "serial": line.serial,
                        "status": STATUSES[line.status],
                        "counted": line.counted,
                        "expected": line.expected,
                        "difference": line.difference,
                        "value_minor": _value(item, line.difference),
                        "currency": "" if item is None else item.currency,
                        "over": "" if verdict is None else verdict.reasons.get(len(shown), ""),
                        "posted": part.posted[at],
                        "relocated": moved.get(line.key, 0),
                        **dates.get(at, {}),
                    }
                )
        counter = next((part.counter for part in found if part.counter is not None), None)
        return {
            "round": number,
            "counter": "" if counter is None else self._operators.name_of(connection, counter),
            "stable": all(part.stable for part in found),
            **self._how(connection, row, number),
            "agreed": verdict is not None and verdict.agreed,
            "bin_over": "" if verdict is None else verdict.bin_reason,
            **_worth(shown),
            "operations": [str(part.op_id) for part in found],
            "lines": shown,
        }

    def _how(self, connection: Connection, row: Round, number: int) -> Answer:
        """How a round was counted: blind or not, and on which sheet of paper. Who counted that is another than who
        answers for it where they have left."""
        blind, sheet, counter = connection.execute(
            "SELECT r.blind, r.sheet, t.actor FROM count_rounds r LEFT JOIN tasks t ON t.task = r.task"
            " WHERE r.session = ? AND r.bin = ? AND r.round = ?",
            (row.session.raw, row.bin, number),
        ).fetchone()
        named = {} if sheet is None else {"counter": self._operators.name_of(connection, Actor(bytes(counter)))}
        return {"blind": bool(blind), "sheet": sheet, **named}

    @staticmethod
    def _dates(connection: Connection, part: Part) -> dict[int, Answer]:
        """By line what was said of its lot's expiry, and what the lot has where that is another day."""
        said = {}
        for at, item, lot, day in connection.execute(
            "SELECT line, item, lot, expiry FROM count_lines WHERE count = ? AND expiry <> ''", (part.op_id.raw,)
        ).fetchall():
            known = catalogue.expiry_of(connection, item, lot)
            said[int(at)] = {"expiry": day, **({"lot_expiry": known} if known not in ("", day) else {})}
        return said

    # ------------------------------------------------------------ deciding

    def recount(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Order another count of a bin in review: `session`, `bin`, `reason`; `assignee` (absent: anyone) and
        `deadline_ms` (absent: that of the count before)."""
        who.need(APPROVE, "order a recount")
        fields = Fields(body, "recount")
        session, bin_ = fields.op_id("session"), fields.text("bin")
        reason = reason_code(fields.take("reason"))
        assignee, deadline_ms = fields.actor("assignee"), fields.moment("deadline_ms")
        fields.done()

        def work(connection: Connection) -> Answer:
            row = latest(connection, session, bin_)
            if row.bin_state != "review":
                raise Rejected(f"{bin_} is not in review: nothing to count again")
            next_round(connection, row, "ordered")
            until_ms = row.deadline_ms if deadline_ms is None else deadline_ms
            give(connection, session, bin_, assignee, until_ms, self._desk.now_ms())
            return {"session": str(session), "bin": bin_}

        content = {
            "session": session.raw, "bin": bin_, "reason": reason, "assignee": str(assignee or ""),
            "deadline": deadline_ms,
        }  # fmt: skip
        return self._desk.once(op_id, who.actor, "recount", content, work)

    def take(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Take what was counted: a bin that waits to be counted again goes to review as it is. `session`, `bin`,
        `reason`, which its posting keeps. Whoever counted it leaves that to another approver, if there is one."""
        who.need(APPROVE, "take what was counted")
        fields = Fields(body, "take")
        session, bin_ = fields.op_id("session"), fields.text("bin")
        reason = reason_code(fields.take("reason"))
        fields.done()

        def work(connection: Connection) -> Answer:
            row = latest(connection, session, bin_)
            if row.bin_state != "waiting":
                raise Rejected(f"{bin_} does not wait to be counted: nothing to take")
            number = recorded(connection, session, bin_)
            if number is None:
                raise Rejected(f"{bin_} was not counted yet: nothing to take")
            refuse_own(connection, session, bin_, who, self._desk.now_ms())
            end_rounds(connection, row, number, reason)
            counting_units.settle(connection, self._desk, session, bin_)
            return {"session": str(session), "bin": bin_}

        content = {"session": session.raw, "bin": bin_, "reason": reason}
        return self._desk.once(op_id, who.actor, "take_count", content, work)

    # ------------------------------------------------------------ parked reads

    def parked(
        self, connection: Connection, who: Person, session: OpId, bin_: str, after: int = 0, most: int = 200
    ) -> list[Answer]:
        """The reads of a bin that wait for an explanation, with their bytes."""
        who.may_see(APPROVE | COUNT, "see parked scans")
        rows = connection.execute(
            "SELECT p.park, p.raw, p.symbology, p.why, p.hint, p.at_ms FROM parked p"
            " JOIN count_tallies r ON r.task = p.task WHERE r.session = ? AND r.bin = ? AND p.state = 'open'"
            " AND p.park > ? ORDER BY p.park LIMIT ?",
            (session.raw, bin_, after, most),
        ).fetchall()
        names = ("park", "raw", "symbology", "why", "hint", "at_ms")
        return [{**dict(zip(names, row, strict=True)), "raw": bytes(row[1]).hex()} for row in rows]


def _is_overdue(row: Round, now_ms: int) -> bool:
    return row.deadline_ms is not None and row.deadline_ms < now_ms and row.bin_state in ("waiting", "counting")


def _stage(bins: dict[str, int], recounts: int) -> str:
    """The session's state in one word, from its bins."""
    if bins.get("waiting", 0) > recounts or bins.get("counting") or bins.get("closing"):
        return "counting"
    if recounts:
        return "recount"
    return "review" if bins.get("review") else "posted"


def _value(item: catalogue.Item | None, difference: int) -> int | None:
    """What a difference is worth at standard cost, less than nothing for what is missing; None without a cost."""
    if item is None or item.cost is None:
        return None
    return item.cost.of(abs(difference)) * (-1 if difference < 0 else 1)


def _worth(lines: list[Answer]) -> Answer:
    """What the differences come to, plus and minus alike, and how many have no cost and are not in it. `currency`: ""
    where the costs are not all of one."""
    values = [(line["value_minor"], line["currency"]) for line in lines if line["difference"]]
    currencies = {currency for value, currency in values if value is not None}
    return {
        "gross_value_minor": sum(abs(value) for value, _ in values if value is not None),
        "without_cost": sum(1 for value, _ in values if value is None),
        "currency": currencies.pop() if len(currencies) == 1 else "",
    }


def _moves_during(connection: Connection, row: Round) -> list[Answer]:
    """What the books moved in or out of the bin since the block of its last opening, oldest first and by which
    operation: until its record, and while it is in review also `after` it."""
    rows = connection.execute(
        "WITH record AS (SELECT MAX(o.height * 1000000 + o.place) AS at FROM counts c JOIN operations o"
        " ON o.op_id = c.op_id WHERE c.session = ?3 AND c.bin = ?1 AND c.round = ?4)"
        " SELECT m.height, m.item, m.lot, m.serial, m.quantity, m.source, m.target, o.op_id, o.call,"
        " COALESCE((SELECT sealed_at_ms FROM blocks b WHERE b.height = m.height),"
        " (SELECT recorded_at_ms FROM journal j WHERE j.op_id = o.op_id), 0),"
        " m.height * 1000000 + m.place > record.at FROM record"
        " JOIN (SELECT * FROM movements WHERE source = ?1 UNION SELECT * FROM movements WHERE target = ?1) m"
        " JOIN operations o ON o.height = m.height AND o.place = m.place"
        " WHERE m.height > ?2 AND (?5 OR m.height * 1000000 + m.place <= record.at)"
        " ORDER BY m.height, m.place, m.line LIMIT 200",
        (row.bin, row.height or 0, row.session.raw, row.round, row.bin_state == "review"),
    ).fetchall()
    names = ("height", "item", "lot", "serial", "quantity", "source", "target", "op_id", "call", "at_ms", "after")
    moves: list[Answer] = [dict(zip(names, found, strict=True)) for found in rows]
    known = catalogue.items(connection, (move["item"] for move in moves))
    return [
        {
            **move,
            "op_id": bytes(move["op_id"]).hex(),
            "after": bool(move["after"]),
            "unit": known[move["item"]].unit if move["item"] in known else "",
            "decimals": known[move["item"]].decimals if move["item"] in known else 0,
        }
        for move in moves
    ]


def _offer(connection: Connection, offer: Offer) -> Answer:
    """A possible relocation, for a screen."""
    item, lot, serial, status = offer.key
    said = {"item": item, "lot": lot, "serial": serial, "status": STATUSES[status]}
    return {
        **said,
        **catalogue.measure(connection, item),
        "source": offer.source,
        "target": offer.target,
        "quantity": offer.quantity,
        "decided": offer.decided,
        "posted": "" if offer.posted is None else str(offer.posted),
    }
