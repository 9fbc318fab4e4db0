"""What a page shows of a list that may be longer than a screen: two hundred rows, and a way to those after them.

Where a list begins stands in the page's address by the list's name, so that back, reload and a sent link lead to the
same rows. The macro `rest` of `words.html` says what is left out, and leads on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlencode

from flask import request

from web.schema import ROWS_MAX

Weigh: TypeAlias = Callable[[Any], int]
Take: TypeAlias = Callable[[int, int], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Rows from the one of number `first` (0 is the list's first) on, of `total`. `name`: of the list, in the page's
    address."""

    rows: list[Any]
    first: int
    total: int
    name: str

    @property
    def following(self) -> int:
        return self.first + len(self.rows)

    @property
    def whole(self) -> bool:
        return len(self.rows) == self.total

    def address(self, first: int) -> str:
        """This page with the list beginning elsewhere."""
        asked = {**request.args.to_dict(), self.name: str(first)}
        return f"{request.path}?{urlencode({name: value for name, value in asked.items() if value != '0'})}"


def asked(name: str, total: int) -> int:
    """The row at which the page's address lets the list begin; 0 for one that is not there."""
    text = request.args.get(name, "")
    first = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    return first if first < total else 0


def excerpt(rows: Sequence[Any], name: str = "from", weigh: Weigh = lambda _: 1) -> Excerpt:
    """As many rows as weigh 200 together, and at least one."""
    return taken(len(rows), lambda first, most: rows[first : first + most], name, weigh)


def taken(total: int, take: Take, name: str = "from", weigh: Weigh = lambda _: 1) -> Excerpt:
    """The same of a list that is not read as a whole: `take` gets where to begin and how many rows to bring."""
    first, weight = asked(name, total), 0
    shown: list[Any] = []
    for row in take(first, ROWS_MAX):
        weight += weigh(row)
        if shown and weight > ROWS_MAX:
            break
        shown.append(row)
    return Excerpt(shown, first, total, name)
