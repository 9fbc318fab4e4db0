"""One address of an API as data. Rule, permission check, description and tests follow from the row."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ledger.people import AUDIT
from web.schema import ROWS_MAX, Schema, array, or_null, record, text, whole

# Who may ask: everybody; whoever is logged in; or the chain's role bits, one of which is needed.
OPEN, ANYONE = None, 0
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
JSON = "application/json"
NEXT = or_null(text("Give this as `cursor` to get the next page; null on the last one"))
CURSOR = text("Where to go on: the `next` of the page before", most=400, pattern="^[A-Za-z0-9_-]+$")
LIMIT = whole("How many rows at most", least=1, most=ROWS_MAX)

_DRAWN = re.compile(r"\^\[([0-9a-f-]+)\]\{(\d+)(?:,(\d+))?\}\$")
_PARAMETER = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`path`: from the root, with {parameters} that `params` describes; a list's ends in a slash.

    `allow`: OPEN, ANYONE or role bits. `query`: optional text parameters by name. `keys`: the types of a list's key;
    the answer is then a page {rows, next} of `answer` with the members of `beside`, or `shaped` as `answer` says.
    `by_itself`: tablets ask it without anybody's doing, so that it keeps nobody logged in.
    `act`: carries an op_id, in the body or as Idempotency-Key. `version`: what the If-Match of a change is compared
    with; where there is none, none but `*` holds.
    `problems`: statuses beside those that follow from the rest.
    """

    method: Literal["GET", "POST", "PUT"]
    path: str
    allow: int | None
    summary: str
    answer: Schema | None
    handle: Callable[[Any], object]
    body: Schema | None = None
    params: Mapping[str, Schema] = field(default_factory=dict)
    query: Mapping[str, Schema] = field(default_factory=dict)
    keys: tuple[type, ...] | None = None
    beside: Mapping[str, Schema] = field(default_factory=dict)
    shaped: bool = False
    by_itself: bool = False
    act: bool = False
    version: Callable[[Any], object] | None = None
    media: str = JSON
    problems: tuple[int, ...] = ()
    tag: str = ""

    @property
    def roles(self) -> int | None:
        """`allow`, with the auditor, who may ask whatever any role may ask; an act that names them is theirs too."""
        return self.allow | AUDIT if self.allow and not self.unsafe else self.allow

    @property
    def names(self) -> list[str]:
        """The path's parameters in order."""
        return _PARAMETER.findall(self.path)

    @property
    def name(self) -> str:
        """A name for machines: get_users_id_roles."""
        words = self.path.removeprefix("/api/v1").replace("{", "").replace("}", "")
        return re.sub(r"[^a-z0-9]+", "_", f"{self.method}{words}".lower()).strip("_")

    @property
    def unsafe(self) -> bool:
        return self.method in UNSAFE

    @property
    def tagged(self) -> bool:
        """Whether its answers carry an ETag."""
        return self.method == "GET" and self.media == JSON

    def rule(self) -> str:
        """The same path for the framework. What is an id or a number there leads nowhere unless it is one."""
        rule = self.path
        for name in self.names:
            drawn = _DRAWN.fullmatch(self.params[name].get("pattern", ""))
            kind = f'of("{drawn[1]}", {drawn[2]}, {drawn[3] or drawn[2]}):' if drawn else ""
            rule = rule.replace(f"{{{name}}}", f"<{kind}{name}>")
        return rule

    def shape(self) -> Schema | None:
        """What a good answer looks like; None where there is none."""
        if self.answer is None or self.keys is None or self.shaped:
            return self.answer
        title = "".join(word.title() for word in self.name.split("_")[1:])
        page = {"rows": array(self.answer), "next": NEXT, **self.beside}
        return record(f"{title}Page", page)

    def refusals(self) -> list[int]:
        """Every other status it may answer with."""
        found = {400, 412, 503, *self.problems}
        if self.allow is not OPEN:
            found.add(401)
        if self.allow or self.unsafe:  # a role is needed, or another site's page may not ask
            found.add(403)
        if self.names:
            found.add(404)
        if self.unsafe:
            found |= {413, 415, 422}
        return sorted(found)
