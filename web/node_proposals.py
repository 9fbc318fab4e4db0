"""What waits for another person's signature, as the supervisor's page shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

from ledger.db import Connection
from ledger.ids import VIRTUAL
from node import catalogue
from node.desk import Person
from node.proposals import Proposals
from web.excerpts import Excerpt, taken
from web.languages import N_, said
from web.node_floor import BROKEN, CORRECTED, LABELS, UNORDERED
from web.node_words import WRONG

ACTS = {
    "adjust": N_("Correct stock"),
    "scrap": N_("Scrap goods"),
    "send-back": N_("Send back to a supplier"),
    "reverse": N_("Reverse an operation"),
}
REFERENCES = {"supplier": N_("Supplier"), "origin": N_("Delivery or order it came by")}
# Codes of `ledger.documents.reason_code`; a person sees the words.
REFUSED = (
    ("not-so", N_("It is not so")),
    ("count-first", N_("The bin is to be counted first")),
    ("not-needed", N_("It is not needed any more")),
)
REASONS = dict((*BROKEN, *LABELS, *UNORDERED, *CORRECTED, *WRONG))


def shown(connection: Connection, kept: Proposals, who: Person, hidden: frozenset[str]) -> Excerpt:
    """As many of those that wait as have 200 lines together, in an operator's words."""
    found = taken(
        kept.count(connection),
        lambda skip, most: kept.waiting(connection, who, hidden, most=most, skip=skip),
        weigh=lambda each: len(each["lines"]),
    )
    item = cache(partial(catalogue.item, connection))
    rows = [
        {
            **each,
            "title": ACTS[each["act"]],
            "why": [_why(code) for code in each["reasons"]],
            "said": [(REFERENCES.get(kind, kind), text) for kind, text in each["references"].items()],
            "lines": [_line(item, line, back=each["act"] == "reverse") for line in each["lines"]],
        }
        for each in found.rows
    ]
    return replace(found, rows=rows)


def _line(item_of: Callable[[str], catalogue.Item | None], line: dict[str, Any], *, back: bool) -> dict[str, Any]:
    """`change`: what the books will say more or less of at `place`; of a move between two places 0."""
    item = item_of(line["item"])
    source, target = (line["target"], line["source"]) if back else (line["source"], line["target"])
    change = line["quantity"] if source in VIRTUAL else -line["quantity"] if target in VIRTUAL else 0
    return {
        **line,
        "name": line["item"] if item is None else item.name,
        "places": [each for each in (source, target) if each not in VIRTUAL],
        "change": change,
        "why": [_why(code) for code in line["reasons"]],
    }


def _why(code: str) -> str:
    return said(REASONS.get(code, code))
