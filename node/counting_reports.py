"""Reports about counts: the variance of a session line by line, and how good counting is over time.

Both look at what the chain holds and at nothing else but costs and classes. Ratios are pairs of whole numbers: how
many of how many. Whoever may count is thereby marked as knowing what a bin in review is expected to hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ledger.counts import Compared
from ledger.db import Connection
from ledger.documents import Document
from ledger.ids import Actor, OpId
from ledger.moves import STATUSES
from ledger.people import APPROVE, COUNT
from ledger.plans import COUNTED_BINS
from ledger.policy import value_of
from node import catalogue, journal
from node.counting_facts import PostedRound, picture_at, posted_rounds
from node.counting_plans import classes, reveal
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.rounds import ENDED, Round, latest, need_session, parts
from node.sealing import read_block

LINE_COLUMNS = (
    "bin", "state", "item", "name", "lot", "serial", "status", "unit", "decimals", "counted", "expected",
    "difference", "value_minor", "reasons", "round", "stable", "blind", "sheet", "counter", "approver", "count",
    "posted",
)  # fmt: skip
MONTH_COLUMNS = (
    "month", "bins_counted", "bins", "rounds", "bins_right", "lines", "lines_right", "expected_value", "gross_value",
    "net_value",
)  # fmt: skip


class Reports:
    """What a supervisor and an auditor want to see of counts."""

    def __init__(self, desk: Desk, operators: Operators) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators

    def variance(self, who: Person, session: OpId) -> Answer:
        """The variance report of a session: {session, name, state, lines, totals}. Bins that are still to be counted
        are named in `open`, without a quantity."""
        who.need(APPROVE, "see the variance of a count")
        with self._site.writing() as connection:
            known = need_session(connection, session)
            rows = [latest(connection, session, bin_) for bin_ in _bins(connection, session)]
            shown = [row for row in rows if row.bin_state in ("review", *ENDED)]
            if who.has(COUNT):
                seen = [row.bin for row in shown if row.bin_state == "review"]
                reveal(connection, session, seen, who, self._desk.now_ms())
            lines = [line for row in shown for line in self._lines(connection, row)]
        return {
            "session": str(session),
            "name": known.name,
            "state": known.state,
            "open": [row.bin for row in rows if row not in shown],
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
        """How far and how well was counted: {months, classes, never}. A month has its posted rounds; `bins` are those
        of the site now, `never` those that no posted whole count ever covered."""
        who.need(APPROVE, "see how counting goes")
        with self._site.reading() as connection:
            rounds = [
                each for each in posted_rounds(connection) if since_ms is None or each.counted_s * 1000 >= since_ms
            ]
            picture = picture_at(connection)
            bins = sum(1 for kind, _ in picture.places.values() if kind in COUNTED_BINS)
            by_round = {(each.session, each.bin, each.round): _compared(connection, each) for each in rounds}
            letters = classes(connection)
            costs = catalogue.costs(connection, (line.item for found in by_round.values() for line in found))
        months: dict[str, list[PostedRound]] = defaultdict(list)
        for each in rounds:
            months[datetime.fromtimestamp(each.counted_s, UTC).strftime("%Y-%m")].append(each)

        def figures(chosen: Iterable[PostedRound]) -> dict[str, int]:
            every = list(chosen)
            found = [by_round[each.session, each.bin, each.round] for each in every]
            lines = [line for one in found for line in one]
            expected = [Compared(item=line.item, counted=line.expected, expected=0) for line in lines]
            plus = value_of((line for line in lines if line.difference > 0), costs)
            minus = value_of((line for line in lines if line.difference < 0), costs)
            return {
                "bins_counted": len({each.bin for each in every if each.whole}),
                "bins": bins,
                "rounds": len(every),
                "bins_right": sum(1 for one in found if not any(line.difference for line in one)),
                "lines": len(lines),
                "lines_right": sum(1 for line in lines if not line.difference),
                "expected_value": value_of(expected, costs),
                "gross_value": plus + minus,
                "net_value": plus - minus,
            }

        by_class: dict[str, list[Compared]] = defaultdict(list)
        for found in by_round.values():
            for line in found:
                by_class[letters.get(line.item, "-")].append(line)
        return {
            "months": [{"month": month, **figures(months[month])} for month in sorted(months)],
            "all": figures(rounds),
            "classes": [
                {"class": letter, "lines": len(lines), "lines_right": sum(1 for line in lines if not line.difference)}
                for letter, lines in sorted(by_class.items())
            ],
            "never": [bin_ for bin_ in picture.bins() if bin_ not in picture.counted_s],
        }


def document_of(connection: Connection, op_id: OpId) -> Document | None:
    """The document of an operation, from its block or, before that is sealed, from the journal."""
    row = connection.execute("SELECT height, place FROM operations WHERE op_id = ?", (op_id.raw,)).fetchone()
    if row is None:
        return None
    block = read_block(connection, int(row[0]))
    if block is not None:
        raw = block.documents[int(row[1])]
    else:
        raw = next((entry.document for entry in journal.entries(connection) if entry.op_id == op_id), b"")
    return Document.decode(raw) if raw else None


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


def _compared(connection: Connection, each: PostedRound) -> list[Compared]:
    rows = connection.execute(
        "SELECT l.item, l.lot, l.serial, l.status, l.counted, l.expected FROM counts c"
        " JOIN count_lines l ON l.count = c.op_id WHERE c.session = ? AND c.bin = ? AND c.round = ?",
        (each.session.raw, each.bin, each.round),
    ).fetchall()
    return [
        Compared(item=row[0], lot=row[1], serial=row[2], status=row[3], counted=row[4], expected=row[5])
        for row in rows
    ]


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
