"""What the rule says of a recorded round: count again, or on to the approver. The same rows give the same verdict."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.counts import Compared, Cost, Rule, differences
from ledger.db import Connection
from ledger.policy import value_of
from node import catalogue
from node.rounds import (
    DIFFERENT,
    SECOND,
    Round,
    being_counted,
    close_if_done,
    is_drawn,
    latest,
    need_session,
    next_round,
    parts,
    set_bin,
    speaking,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`again`: why the bin is to be counted again, or ''. `reasons`: line number to why that line is over."""

    again: str
    stable: bool
    agreed: bool
    reasons: dict[int, str]
    bin_reason: str


def judge(connection: Connection, row: Round) -> None:
    """Decide on a round whose parts all stand, and move its bin on. While somebody else still counts the bin as a
    whole, the verdict waits for them, and is then on the newest round."""
    if being_counted(connection, row.bin):
        set_bin(connection, row.session, row.bin, "counting")
        return
    row = latest(connection, row.session, row.bin)
    if need_session(connection, row.session).test:
        # It says what it found. Nothing is counted again or booked because of it.
        set_bin(connection, row.session, row.bin, "tested")
        close_if_done(connection, row.session)
        return
    verdict = verdict_of(connection, row)
    if verdict.again:
        next_round(connection, row, verdict.again)
    else:
        set_bin(connection, row.session, row.bin, "review")


def verdict_of(connection: Connection, row: Round) -> Verdict:
    """The verdict without its consequences."""
    rule = need_session(connection, row.session).rule
    found = parts(connection, row.session, row.bin, row.round)
    lines = [line for part in found for line in part.lines]
    costs = catalogue.costs(connection, (line.item for line in lines if line.difference))
    stable = all(part.stable for part in found)
    agreed = _agreed(connection, row, lines)
    reasons = _reasons(rule, lines, costs)
    whole = rule.over_bin(lines, costs)
    if not whole and rule.session_value_max is not None:
        whole = rule.over_session(_value_elsewhere(connection, row), lines, costs)
    # A count within its limits is repeated all the same, now and then.
    drawn = is_drawn(connection, row.session, found[0].op_id.raw, rule.control_percent)
    again = _again(rule, row, stable, agreed, bool(reasons or whole), drawn)
    return Verdict(again, stable, agreed, reasons, whole)


def _again(rule: Rule, row: Round, stable: bool, agreed: bool, over: bool, drawn: bool) -> str:
    if row.round + 1 >= rule.rounds_max:
        return ""
    if row.sheet is not None:
        return ""  # a count on paper is never stable: who approves decides, with the moves in sight
    if not stable:
        return "unstable"
    if row.round + 1 < rule.counters:
        return SECOND
    if rule.counters > 1 or row.why in (SECOND, DIFFERENT):
        return "" if agreed else DIFFERENT
    if over:
        return "" if agreed else "variance"
    return "control" if row.round == 0 and drawn else ""


def _value_elsewhere(connection: Connection, row: Round) -> int:
    """By what value the other bins of the session differ, gross, by the rounds that are decided on."""
    others = connection.execute(
        "SELECT bin FROM count_bins WHERE session = ? AND bin <> ? AND state IN ('review', 'posted')",
        (row.session.raw, row.bin),
    ).fetchall()
    lines = [
        line
        for (bin_,) in others
        for part in parts(connection, row.session, bin_, speaking(connection, row.session, bin_).round)
        for line in part.lines
        if line.difference
    ]
    return value_of(lines, catalogue.costs(connection, (line.item for line in lines)))


def _agreed(connection: Connection, row: Round, lines: list[Compared]) -> bool:
    """Whether this round found the same differences as an earlier stable one."""
    mine = differences(lines)
    earlier = [parts(connection, row.session, row.bin, number) for number in range(row.round)]
    stable = [found for found in earlier if found and all(part.stable for part in found)]
    return any(differences(line for part in found for line in part.lines) == mine for found in stable)


def _reasons(rule: Rule, lines: list[Compared], costs: dict[str, Cost]) -> dict[int, str]:
    said = {number: rule.over(line, costs.get(line.item)) for number, line in enumerate(lines)}
    return {number: text for number, text in said.items() if text}
