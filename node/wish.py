"""A document as it was asked for, before it is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from typing import Any

from ledger.db import Connection
from ledger.documents import OUT_OF_CONTACT
from ledger.errors import Rejected
from node.counting_amounts import dates_doubted

# A line, its expiry, its reasons.
Read = tuple[Any, str, tuple[str, ...]]


class Wish:
    """What was asked for. `content`: what makes it this wish and no other. Lines of any kind. `marks`: what the
    document says of how it came about."""

    def __init__(self, occurred_ms: int | None, happened: bool, note: str, every: tuple[str, ...]) -> None:
        self.occurred_ms, self.happened, self.note, self.every = occurred_ms, happened, note, every
        self.lines: tuple[Any, ...] = ()
        self.line_reasons: dict[int, tuple[str, ...]] = {}
        self.expiries: dict[int, str] = {}
        self.scans: bytes | None = None
        self.task = 0
        self.delivery = ""  # of the units that were scanned: fixed by the task, no part of the wish
        self.marks: tuple[str, ...] = ()
        # Whether nobody is asked whether they mean it, and what else than its amounts is asked. No part of the wish.
        self.sure, self.question = True, ""
        self.content: dict[str, Any] = {
            "occurred_ms": occurred_ms,
            "happened": happened,
            "reasons": list(every),
        }

    def waited(self, did_at_ms: int | None, mark: str) -> None:
        """It waited without contact, so it has happened, then. Not part of `content`: sent again it has waited longer
        and is the same wish."""
        self.occurred_ms = did_at_ms
        if mark:
            self.happened, self.marks = True, (*self.marks, mark)

    @property
    def nobody_there(self) -> bool:
        """Whether whoever did it has gone on: nobody reads a label once more."""
        return bool(self.content["happened"]) or OUT_OF_CONTACT in self.marks

    def ask(self, mark: str, refuse: Callable[[], None]) -> None:
        """A rule that may say no while the person is there. What has happened is marked and goes on."""
        try:
            refuse()
        except Rejected:
            if not self.happened:
                raise
            self.marks = (*self.marks, mark)

    def take(self, read: Iterable[Read]) -> None:
        lines = []
        for number, (line, expiry, reasons) in enumerate(read):
            lines.append(line)
            if expiry:
                self.expiries[number] = expiry
            if reasons:
                self.line_reasons[number] = reasons
        self.lines = tuple(lines)
        self.content["lines"] = [
            [*astuple(line), self.expiries.get(number, ""), list(self.line_reasons.get(number, ()))]
            for number, line in enumerate(lines)
        ]

    def dates_doubted(self, connection: Connection) -> str:
        """What to ask of lots that come in with another expiry than they have here."""
        return dates_doubted(
            connection, ((self.lines[at].item, self.lines[at].lot, day) for at, day in self.expiries.items())
        )

    def at(self, numbers: Sequence[int]) -> Wish:
        """The same document with these lines only, numbered anew. The note stays with the first line."""
        found = Wish(self.occurred_ms, self.happened, self.note if 0 in numbers else "", self.every)
        found.lines = tuple(self.lines[number] for number in numbers)
        found.line_reasons = {at: self.line_reasons[n] for at, n in enumerate(numbers) if n in self.line_reasons}
        found.expiries = {at: self.expiries[n] for at, n in enumerate(numbers) if n in self.expiries}
        found.scans, found.task, found.marks = self.scans, self.task, self.marks
        return found
