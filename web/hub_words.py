"""What the hub keeps as evidence, arranged for people: facts, identifiers, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.moves import STATUSES

# What ends a transfer (hub.settling): the button, and what it does.
VERDICTS = {
    "lost": ("It is lost", "ends the goods' transit at the sender as a loss"),
    "returned": ("It comes back", "lets the sender take in what nobody accepted"),
    "cancelled": ("It never left", "puts the goods back into the bin that the sender named"),
    "diverted": ("Divert it", "makes the site chosen here the receiver of what is left"),
}
# How what waits for a decision came about (hub.approving.in_full).
CAME_ABOUT = {
    "unstable": "Stock moved while it was counted",
    "not-blind": "Not counted blind: whoever counted could see what was expected",
    "by-paper": "Counted on paper: nobody knows when each line was",
    "out-of-contact": "Done without contact to the node, and came in later",
    "shared": "Several people counted parts of it",
    "not-opened": "Units in it were confirmed by their label, not opened",
    "beyond-limit": "Done already, beyond the limit of the day",
    "frozen": "Done already, in a bin that was frozen for its count",
    "unexplained": "Codes that were scanned for it were never explained",
}
# How a transfer's evidence lists its lines (hub.settling); the last only where some of what is missing comes back.
TRANSFER_LINE = ("line", "item", "lot", "serial", "sent", "accepted", "missing", "returning")
# Columns that people look for first, in this order; the rest follows as it comes.
FIRST = ("site", "location", "item", "lot", "serial", "status", "expected", "counted", "difference")
LEFT_OUT = ("line",)
NAMES = {"op_id": "operation", "origin": "chain", "height": "block", "heard_ms": "heard", "moment": "at"}
IDENTIFIER_CHARS_MIN = 32
HEX = frozenset("0123456789abcdef")


@dataclass(slots=True)
class Table:
    """`columns` by name; a cell is a text or a number."""

    name: str
    columns: list[str]
    rows: list[list[Any]]


@dataclass(slots=True)
class Arranged:
    """`facts` are read; `identifiers` are looked up, on the chain `origin` if one is named: both (name, value)."""

    origin: str = ""
    facts: list[tuple[str, Any]] = field(default_factory=list)
    identifiers: list[tuple[str, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


def arranged(evidence: Mapping[str, Any]) -> Arranged:
    """Evidence of any kind; what has another shape than expected is shown as text."""
    origin = evidence.get("origin")
    found = Arranged(origin if isinstance(origin, str) else "")
    for name, value in evidence.items():
        words = NAMES.get(name, name.replace("_", " "))
        if isinstance(value, list):
            if value:
                found.tables.append(_table(words, value))
        elif isinstance(value, str) and len(value) >= IDENTIFIER_CHARS_MIN and set(value) <= HEX:
            found.identifiers.append((words, value))
        elif name == "round" and isinstance(value, int):
            found.facts.append((words, value + 1))
        elif name.endswith("_ms") and isinstance(value, int):
            found.facts.append((words.removesuffix(" ms"), value))
        elif value != "":
            found.facts.append((words, _plain(value)))
    return found


def _table(name: str, values: Sequence[Any]) -> Table:
    if all(isinstance(value, dict) for value in values):
        rows = [_with_difference(value) for value in values]
    elif all(isinstance(value, list) and len(TRANSFER_LINE) - len(value) in (0, 1) for value in values):
        rows = [dict(zip(TRANSFER_LINE, value, strict=False)) for value in values]
    else:
        rows = [{name: value} for value in values]
    known = list(dict.fromkeys(key for row in rows for key in row if key not in LEFT_OUT))
    columns = [key for key in FIRST if key in known] + [key for key in known if key not in FIRST]
    return Table(
        name,
        [NAMES.get(key, key) for key in columns],
        [[_cell(key, row.get(key, "")) for key in columns] for row in rows],
    )


def _with_difference(row: Mapping[str, Any]) -> dict[str, Any]:
    counted, expected = row.get("counted"), row.get("expected")
    if isinstance(counted, int) and isinstance(expected, int):
        return {**row, "difference": f"{counted - expected:+d}" if counted != expected else "0"}
    return dict(row)


def _cell(key: str, value: Any) -> Any:
    if key == "status" and isinstance(value, int) and 0 <= value < len(STATUSES):
        return STATUSES[value]
    return _plain(value) if value != "" else "–"


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, int | str) else str(value)
