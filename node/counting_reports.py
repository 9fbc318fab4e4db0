"""Reports about counts: the variance of a session line by line, and how good counting is over time.

Both look at what the chain holds and at nothing else but costs and classes. Ratios are pairs of whole numbers: how
many of how many. Whoever may count is thereby marked as knowing what a bin in review is expected to hold.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

from ledger.counts import Compared
from ledger.db import Connection
from ledger.ids import Actor, OpId
from ledger.moves import STATUSES
from ledger.people import APPROVE
from ledger.plans import COUNTED_BINS, Plan
from node import catalogue
from node.counting_facts import COUNTS, PostedRound, counted_s, posted_rounds
from node.desk import Answer, Desk, Person
from node.kept import Kept, newest
from node.openings import document_of
from node.operators import Operators
from node.rounds import ENDED, Round, need_session, parts, reveal, speaking

LINE_COLUMNS = (
    "bin", "state", "item", "name", "lot", "serial", "status", "unit", "decimals", "counted", "expected",
    "difference", "value_minor", "reasons", "round", "stable", "blind", "sheet", "counter", "approver", "count",
    "posted",
)  # fmt: skip
MONTH_COLUMNS = (
    "month", "bins_counted", "bins", "rounds", "rounds_not_blind", "bins_right", "lines", "lines_right",
    "expected_value", "gross_value", "net_value", "sample_bins", "sample_left_out",
)  # fmt: skip


@dataclass(slots=True)
class _Sum:
    """Lines, those of them that agreed, and values in minor units of currency; by class: lines, and those right."""

    lines: int = 0
    right: int = 0
    expected: int = 0
    gross: int = 0
    net: int = 0
    classes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, other: _Sum) -> None:
        self.lines += other.lines
        self.right += other.right
        self.expected += other.expected
        self.gross += other.gross
        self.net += other.net
        for letter, (lines, right) in other.classes.items():
            self.of_class(letter, lines, right)

    def of_class(self, letter: str, lines: int, right: int) -> None:
        had = self.classes.get(letter, (0, 0))
        self.classes[letter] = (had[0] + lines, had[1] + right)


PLANS_KEPT = 10_000
_Sums: TypeAlias = dict[tuple[bytes, str, int], _Sum]
_NOTHING = _Sum()
_kept: Kept[_Sums] = Kept(2)


class Reports:
    """What a supervisor and an auditor want to see of counts."""

    def __init__(self, desk: Desk, operators: Operators) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators

    def variance(self, who: Person, session: OpId) -> Answer:
        """The variance report of a session: {session, name, state, lines, totals}. Bins that are still to be counted
        are named in `open`, without a quantity; those that its plan chose and did not get, being in another count, in
        `left_out`."""
        who.may_see(APPROVE, "see the variance of a count")
        with self._site.writing() as connection:
            known = need_session(connection, session)
            rows = [speaking(connection, session, bin_) for bin_ in _bins(connection, session)]
            shown = [row for row in rows if row.bin_state in ("review", *ENDED)]
            if who.counts:
                seen = [row.bin for row in shown if row.bin_state == "review"]
                reveal(connection, session, seen, who.actor, self._desk.now_ms())
            lines = [line for row in shown for line in self._lines(connection, row)]
            without = left_out(connection, session)
        return {
            "session": str(session),
            "name": known.name,
            "state": known.state,
            "open": [row.bin for row in rows if row not in shown],
            "left_out": without,
            "lines": lines,
            "totals": _totals(lines, shown),
        }

    def _lines(self, connection: Connection, row: Round) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for part in parts(connection, row.session, row.bin, row.round):
            costs = catalogue.costs(connection, (line.item for line in part.lines))
            posts = _posts(connection, part.op_id)
            for at, line in enumerate(part.lines):
                item = catalogue.item(connection, line.item)
                post = posts.get(at)
                cost = costs.get(line.item)
                found.append(
                    {
                        "bin": row.bin,
                        "state": row.bin_state,
                        **_what(line),
                        "name": "" if item is None else item.name,
                        "unit": "" if item is None else item.unit,
                        "decimals": 0 if item is None else item.decimals,
                        "value_minor": None if cost is None else _signed_value(line, cost.of(abs(line.difference))),
                        "reasons": "" if post is None else _reasons(connection, post[0], at),
                        "round": row.round + 1,
                        "stable": part.stable,
                        "blind": row.blind,
                        "sheet": row.sheet,
                        "counter": "" if part.counter is None else self._operators.name_of(connection, part.counter),
                        "approver": "" if post is None else self._operators.name_of(connection, post[1]),
                        "count": str(part.op_id),
                        "posted": "" if post is None else str(post[0]),
                    }
                )
        return found

    def programme(self, who: Person, since_ms: int | None = None) -> Answer:
        """How far and how well was counted: {months, classes, never, samples}. A month has its posted rounds, and the
        samples that were drawn in it; `bins` are those of the site now, `never` those that no posted whole count ever
        covered. `samples`: how many bins the samples drew, and how many of these were left out because they were in
        another count."""
        who.may_see(APPROVE, "see how counting goes")
        with self._site.reading() as connection:
            posted = posted_rounds(connection)
            rounds = [each for each in posted if since_ms is None or each.counted_s * 1000 >= since_ms]
            bins = _bins_now(connection)
            by_round = _sums(connection)
            drawn = _samples(connection, since_ms or 0)
        counted = counted_s(posted)
        months: dict[str, list[PostedRound]] = defaultdict(list)
        for each in rounds:
            months[self._desk.day_of(each.counted_s * 1000).isoformat()[:7]].append(each)
        samples: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for opened_ms, sample in drawn:
            samples[self._desk.day_of(opened_ms).isoformat()[:7]].append(sample)
        every = _Sum()

        def figures(chosen: list[PostedRound], samples: list[tuple[int, int]], total: _Sum) -> dict[str, int]:
            bins_right = 0
            for each in chosen:
                # A round without lines is nowhere there.
                one = by_round.get((each.session.raw, each.bin, each.round), _NOTHING)
                total.add(one)
                bins_right += one.lines == one.right
            return {
                "bins_counted": len({each.bin for each in chosen if each.whole}),
                "bins": len(bins),
                "rounds": len(chosen),
                "rounds_not_blind": sum(not each.blind for each in chosen),
                "bins_right": bins_right,
                "lines": total.lines,
                "lines_right": total.right,
                "expected_value": total.expected,
                "gross_value": total.gross,
                "net_value": total.net,
                "sample_bins": sum(bins for bins, _ in samples),
                "sample_left_out": sum(without for _, without in samples),
            }

        total = figures(rounds, [sample for _, sample in drawn], every)
        return {
            "months": [
                {"month": month, **figures(months[month], samples[month], _Sum())}
                for month in sorted(months.keys() | samples.keys())
            ],
            "all": total,
            "classes": [
                {"class": letter, "lines": lines, "lines_right": right}
                for letter, (lines, right) in sorted(every.classes.items())
            ],
            "never": [bin_ for bin_ in bins if bin_ not in counted],
            "samples": {"bins": total["sample_bins"], "left_out": total["sample_left_out"]},
        }


def as_rows(variance: Answer) -> list[dict[str, Any]]:
    """A variance report as rows of LINE_COLUMNS: its lines, and the bins that were left out."""
    return [*variance["lines"], *({"bin": bin_, "state": "left_out"} for bin_ in variance["left_out"])]


def left_out(connection: Connection, session: OpId) -> list[str]:
    """The bins that the plan of a session chose and did not get, because they were in another count."""
    row = connection.execute("SELECT content FROM count_plans WHERE session = ?", (session.raw,)).fetchone()
    return [] if row is None else list(_chosen(bytes(row[0]))[1])


def _samples(connection: Connection, since_ms: int) -> list[tuple[int, tuple[int, int]]]:
    """Of each sample since then when its count was opened, how many bins it drew and how many of them it left out."""
    rows = connection.execute(
        "SELECT s.opened_at_ms, p.content FROM count_plans p JOIN count_sessions s ON s.session = p.session"
        " WHERE p.seed_from <> '' AND s.opened_at_ms >= ?",
        (since_ms,),
    ).fetchall()
    found = [(int(opened_ms), _chosen(bytes(content))) for opened_ms, content in rows]
    return [(opened_ms, (got + len(busy), len(busy))) for opened_ms, (got, busy) in found]


@lru_cache(maxsize=PLANS_KEPT)
def _chosen(content: bytes) -> tuple[int, tuple[str, ...]]:
    """Of a plan how many bins it got, and those that it did not. It never changes."""
    plan = Plan.decode(content)
    return len(plan.bins), plan.busy


def _reasons(connection: Connection, post: OpId, line: int) -> str:
    """Why a line differs, as codes with their shares."""
    document = document_of(connection, post)
    if document is None:
        return ""
    codes, shares = document.line_reasons.get(line, ()), document.shares.get(line, ())
    return " ".join(f"{code}:{shares[at]}" if shares else code for at, code in enumerate(codes))


def _posts(connection: Connection, count: OpId) -> dict[int, tuple[OpId, Actor]]:
    """By line: what posted it, and whose signature that was."""
    rows = connection.execute(
        "SELECT l.line, p.op_id, p.approver FROM count_lines l JOIN count_posts p ON p.op_id = l.posted"
        " WHERE l.count = ?",
        (count.raw,),
    ).fetchall()
    return {int(line): (OpId(bytes(op_id)), Actor(bytes(approver))) for line, op_id, approver in rows}


def _sums(connection: Connection) -> _Sums:
    """What the lines of each round come to, posted or not. What has no cost has no value."""
    version = (newest(connection, *COUNTS), catalogue.version(connection))
    return _kept.get(connection, version, lambda: _added(connection))


def _added(connection: Connection) -> _Sums:
    by_round: _Sums = defaultdict(_Sum)
    known = catalogue.valued(connection)
    counts = {
        count: (session, bin_, number)
        for count, session, bin_, number in connection.execute("SELECT op_id, session, bin, round FROM counts")
    }
    # As the table has them: joined and sorted, that alone takes twice the time of everything here.
    for count, item, counted, expected in connection.execute(
        "SELECT count, item, counted, expected FROM count_lines"
    ):
        one = by_round[counts[count]]
        cost, letter = known.get(item, (None, ""))
        difference = counted - expected
        one.of_class(letter or "-", 1, not difference)
        one.lines += 1
        one.right += not difference
        if cost is not None:
            value = cost.of(abs(difference)) if difference else 0
            one.expected += cost.of(expected)
            one.gross += value
            one.net += value if difference > 0 else -value
    return dict(by_round)


def _bins_now(connection: Connection) -> list[str]:
    rows = connection.execute(
        "SELECT location FROM locations WHERE kind IN (SELECT value FROM json_each(?)) ORDER BY location",
        (json.dumps(sorted(COUNTED_BINS)),),
    )
    return [str(code) for (code,) in rows]


def _totals(lines: list[dict[str, Any]], rows: list[Round]) -> dict[str, int]:
    values = [line["value_minor"] for line in lines if line["value_minor"] is not None]
    return {
        "bins": len(rows),
        "lines": len(lines),
        "lines_right": sum(1 for line in lines if not line["difference"]),
        "lines_without_cost": sum(1 for line in lines if line["difference"] and line["value_minor"] is None),
        "plus_value": sum(value for value in values if value > 0),
        "minus_value": -sum(value for value in values if value < 0),
        "net_value": sum(values),
    }


def _what(line: Compared) -> dict[str, Any]:
    return {
        "item": line.item,
        "lot": line.lot,
        "serial": line.serial,
        "status": STATUSES[line.status],
        "counted": line.counted,
        "expected": line.expected,
        "difference": line.difference,
    }


def _signed_value(line: Compared, value: int) -> int:
    return value if line.difference > 0 else -value


def _bins(connection: Connection, session: OpId) -> list[str]:
    rows = connection.execute("SELECT bin FROM count_bins WHERE session = ? ORDER BY bin", (session.raw,)).fetchall()
    return [str(bin_) for (bin_,) in rows]
