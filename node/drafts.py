"""What a person has put together and not sent yet: kept here as they go, so that another tablet goes on with it.

A draft books nothing and promises nothing. The tablet of its owner has it first; what is here is a copy that outlives
the tablet. Once the act that it was for has its answer, the draft is over, whoever sent it.

A line that was taken over from the books, `booked`, says what they hold of its `bin`. While that one is being counted
nobody who counts is told such a draft (product.md, Counting 3); it is kept, and told again afterwards.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.wording import shown
from node.counting import Counting
from node.desk import Answer, Desk, Person, is_done
from node.values import Fields

# Documents that are put together line by line, and the arrival of a transfer.
WORKS = (
    "adjust", "deliver", "dispatch", "except", "hold", "issue", "order", "relabel", "return", "scrap", "send-back",
)  # fmt: skip
NAME_PATTERN = f"^({'|'.join(WORKS)}|arrival-[0-9a-f]{{32}})$"
WORK_BYTES_MAX = 256 << 10  # 200 lines with long names, and the paper that they came by
LINES_MAX = 200
A_PERSON_MAX = 32
VERSION_CHARACTERS = 32

_NAME = re.compile(NAME_PATTERN, re.ASCII)


@dataclass(frozen=True, slots=True)
class _Kept:
    op_id: OpId
    lines: int
    work: str
    at_ms: int

    @property
    def version(self) -> str:
        return hashlib.sha256(self.op_id.raw + self.work.encode()).hexdigest()[:VERSION_CHARACTERS]

    def told(self) -> Answer:
        return {
            "version": self.version, "op_id": str(self.op_id), "lines": self.lines, "work": json.loads(self.work),
            "at_ms": self.at_ms,
        }  # fmt: skip


def work_of(name: str) -> str:
    """What somebody is at: one of WORKS, or arrival."""
    return "arrival" if name.startswith("arrival-") else name


class Drafts:
    """A person's own drafts, each under the name of its work. Nobody is shown another one's."""

    def __init__(self, desk: Desk, counting: Counting) -> None:
        self._desk = desk
        self._counting = counting

    def of(self, connection: Connection, who: Person, name: str) -> Answer:
        """{draft, counted}: {version, op_id, lines, work, at_ms} of one's draft, or None where none is open or where
        it tells of the bin `counted`."""
        return self._told(connection, who, _open(connection, who, _named(name)))

    def begun(
        self, connection: Connection, who: Person, after: str = "", most: int = A_PERSON_MAX
    ) -> Iterator[Answer]:
        """{name, lines, at_ms, title} of one's open drafts by name; `title` as its page called it, or ''."""
        names = connection.execute("SELECT name FROM drafts WHERE actor = ? AND name > ?", (who.actor.raw, after))
        found = ((name, _open(connection, who, name)) for (name,) in sorted(names.fetchall()))
        for name, kept in [(name, kept) for name, kept in found if kept is not None][:most]:
            title = json.loads(kept.work).get("title", "")
            yield {"name": name, "lines": kept.lines, "at_ms": kept.at_ms, "title": title}

    def keep(self, who: Person, name: str, body: object) -> Answer:
        """Keep `work` of an `op_id` in place of the version `on`, '' for none; without `work` it is given up.

        Answers {kept, sent, draft, counted}: what is there now, as `of` tells it. Not `kept`: another tablet came
        first, and its owner says which of the two it shall be; `sent`: the act has its answer, there is nothing left
        to put together. The same again is kept again: an answer may have been lost.
        """
        name = _named(name)
        fields = Fields(body, "draft")
        op_id, on, work = fields.op_id("op_id"), fields.take("on"), fields.take("work")
        fields.done()
        if not isinstance(on, str) or len(on) > VERSION_CHARACTERS:
            raise Rejected(f"draft: on is {shown(on)}: expected the version that it follows, or an empty text")
        new = None if work is None else _Kept(op_id, _lines_of(work), _written(work), self._desk.now_ms())
        with self._desk.site.writing() as connection:
            last, now = _last(connection, who, name), _open(connection, who, name)
            if is_done(connection, op_id):
                return {"kept": False, "sent": True, **self._told(connection, who, now)}
            # Its tablet may not know yet that the last one was sent: what follows that one is no other tablet's.
            if on not in (_version(last), _version(now)) and _version(new) != _version(now):
                return {"kept": False, "sent": False, **self._told(connection, who, now)}
            connection.execute("DELETE FROM drafts WHERE actor = ? AND name = ?", (who.actor.raw, name))
            if new is not None:
                _make_room(connection, who)
                connection.execute(
                    "INSERT INTO drafts VALUES (?, ?, ?, ?, ?, ?)",
                    (who.actor.raw, name, op_id.raw, new.lines, new.work, new.at_ms),
                )
            return {"kept": True, "sent": False, **self._told(connection, who, new)}

    def _told(self, connection: Connection, who: Person, kept: _Kept | None) -> Answer:
        if kept is None:
            return {"draft": None, "counted": ""}
        told = kept.told()
        booked = [line.get("bin") for line in told["work"]["lines"] if line.get("booked")]
        counted = min((bin_ for bin_ in self._counting.blind_bins(connection, who) if bin_ in booked), default="")
        return {"draft": None if counted else told, "counted": counted}


def _version(kept: _Kept | None) -> str:
    return "" if kept is None else kept.version


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Rejected(f"a draft is called {shown(name)}: expected the name of its work")
    return name


def _last(connection: Connection, who: Person, name: str) -> _Kept | None:
    """What was kept last under a name, sent or not."""
    row = connection.execute(
        "SELECT op_id, lines, work, at_ms FROM drafts WHERE actor = ? AND name = ?", (who.actor.raw, name)
    ).fetchone()
    return None if row is None else _Kept(OpId(bytes(row[0])), row[1], row[2], row[3])


def _open(connection: Connection, who: Person, name: str) -> _Kept | None:
    last = _last(connection, who, name)
    return None if last is None or is_done(connection, last.op_id) else last


def _lines_of(work: object) -> int:
    lines = work.get("lines") if isinstance(work, Mapping) else None
    if not isinstance(lines, list) or len(lines) > LINES_MAX or not all(isinstance(line, Mapping) for line in lines):
        raise Rejected(f"draft: work is an object with at most {LINES_MAX} lines")
    title = work.get("title", "") if isinstance(work, Mapping) else ""
    if not isinstance(title, str) or len(title) > 80:
        raise Rejected("draft: the title of its work is a text of at most 80 characters")
    return len(lines)


def _written(work: object) -> str:
    text = json.dumps(work, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode("utf-8", "surrogatepass")) > WORK_BYTES_MAX:
        raise Rejected(f"draft: work has more than {WORK_BYTES_MAX} bytes: send what is there first")
    return text


def _make_room(connection: Connection, who: Person) -> None:
    """Of more than a person can mean to go on with, the oldest go."""
    connection.execute(
        "DELETE FROM drafts WHERE actor = ? AND name NOT IN"
        " (SELECT name FROM drafts WHERE actor = ? ORDER BY at_ms DESC, name LIMIT ?)",
        (who.actor.raw, who.actor.raw, A_PERSON_MAX - 1),
    )
