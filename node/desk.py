"""What every part of floor work stands on: one transaction an act, one answer an op_id, documents, people.

Every verb that changes something takes an `op_id` made where the act happens and runs in one SQL transaction with
what it records on the chain (`Desk.once`). The same wish again gets the same answer; another wish under its op_id is
refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from ledger import people
from ledger.codec import cbor_encode
from ledger.db import Connection
from ledger.documents import AHEAD_MS_MAX, OCCURRED_MS_MAX, Document, commit, part_op_id
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.seams import Random
from node.site import Site
from node.timekeeping import DOUBTFUL

Answer: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """Someone logged in, with the rights of this moment. `token`: hash of the log-in that this comes from;
    `waited_ms`: how long ago they did what they ask for, where their tablet could not send it at once."""

    actor: Actor
    roles: int
    name: str = ""
    token: bytes = b""
    waited_ms: int = 0

    def has(self, role: int) -> bool:
        return bool(self.roles & role)

    @property
    def counts(self) -> bool:
        """Whether they count, as an auditor does too: they are told nothing of what is expected in open counts."""
        return self.has(people.COUNT | people.AUDIT)

    def may_see(self, role: int, act: str) -> None:
        """Refuse to show something unless one of the roles in `role` is held; an auditor sees it too."""
        self.need(role | people.AUDIT, act)

    def need(self, role: int, act: str) -> None:
        """Refuse unless one of the roles in `role` is held."""
        if not self.roles & role:
            names = " / ".join(people.role_names(role))
            raise Rejected(f"you may not {act}: that needs the role {names}")


def start_of(day: date, zone: tzinfo) -> int:
    """The first moment of a day in a time zone: see `Desk.start_of`."""
    began = datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
    return min(max(int(began), 0) * 1000, OCCURRED_MS_MAX)


def op_id_of(whose: str, key: str) -> OpId:
    """The act that a program means by an idempotency key of its own making: one of this person's, always the same."""
    return OpId(hashlib.sha256(cbor_encode(["tallyman/idempotency/v1", whose, key])).digest()[:16])


def is_done(connection: Connection, op_id: OpId) -> bool:
    """Whether an act under this op_id has its answer already."""
    return bool(verb_of(connection, op_id))


def verb_of(connection: Connection, op_id: OpId) -> str:
    """Which verb has answered under this op_id; '' for none."""
    row = connection.execute("SELECT verb FROM acts WHERE op_id = ?", (op_id.raw,)).fetchone()
    return "" if row is None else str(row[0])


class Desk:
    """A site with the means to act on it. `random` makes salts, tokens and keys."""

    def __init__(self, site: Site, random: Random) -> None:
        self.site = site
        self.random = random

    def once(
        self,
        op_id: OpId,
        actor: Actor,
        verb: str,
        content: Mapping[str, Any],
        work: Callable[[Connection], Answer],
    ) -> Answer:
        """Run `work` in one transaction under `op_id` and keep its answer, or give the one it got the first time.

        `content` is what was wished, in CBOR's types and without secrets: a PIN's hash would be a PIN.
        """
        return self.steps(op_id, actor, verb, content, [work])

    def steps(
        self,
        op_id: OpId,
        actor: Actor,
        verb: str,
        content: Mapping[str, Any],
        works: Sequence[Callable[[Connection], Answer]],
    ) -> Answer:
        """An act of several operations, a transaction each; the last one gives and keeps the answer.

        After a crash in between, the same wish runs all of them again: each step must find out that it was done.
        """
        fingerprint = hashlib.sha256(cbor_encode([verb, actor.raw, dict(content)])).digest()
        for number, work in enumerate(works, 1):
            kept = (verb, actor) if number == len(works) else None
            answer, known = self._step(op_id, fingerprint, work, kept)
            if known:
                break
        return answer

    def _step(
        self,
        op_id: OpId,
        fingerprint: bytes,
        work: Callable[[Connection], Answer],
        kept: tuple[str, Actor] | None,
    ) -> tuple[Answer, bool]:
        with self.site.writing() as connection:
            known = self.known(connection, op_id, fingerprint)
            if known is not None:
                return known, True
            answer = {"op_id": str(op_id), **work(connection)}
            if kept is not None:
                connection.execute(
                    "INSERT INTO acts VALUES (?, ?, ?, ?, ?, ?)",
                    (op_id.raw, kept[0], kept[1].raw, fingerprint, json.dumps(answer), self.now_ms()),
                )
            return answer, False

    @staticmethod
    def known(connection: Connection, op_id: OpId, fingerprint: bytes) -> Answer | None:
        """The answer already given under `op_id`; `Rejected` when that was for another wish."""
        row = connection.execute("SELECT content, answer FROM acts WHERE op_id = ?", (op_id.raw,)).fetchone()
        if row is None:
            return None
        if bytes(row[0]) != fingerprint:
            raise Rejected(f"operation {op_id} was already used for something else: a new act needs a new op_id")
        answer: Answer = json.loads(row[1])
        return answer

    def is_recorded(self, op_id: OpId) -> bool:
        """Whether the chain has this act, as one operation or in parts."""
        return self.site.find(op_id) is not None or self.site.find(part_op_id(op_id, 1)) is not None

    def refuse_used(self, connection: Connection, op_id: OpId) -> None:
        """Refuse an op_id that a device or another act has used on the chain."""
        if self.is_recorded(op_id):
            raise Rejected(f"operation {op_id} was already used for something else: a new act needs a new op_id")

    def now_ms(self) -> int:
        return self.site.clock.now_ms()

    def day_of(self, at_ms: int) -> date:
        """The site's own calendar day of a moment: by `web.time_zone`, without one by UTC. A clock gone mad stays
        within the calendar."""
        at_ms = min(max(at_ms, 0), OCCURRED_MS_MAX)
        return datetime.fromtimestamp(at_ms / 1000, self._zone()).date()

    def start_of(self, day: date) -> int:
        """The first moment of a day of the site, UTC milliseconds. Where clocks go forward at midnight that is the
        moment they do; where midnight comes twice, the first one."""
        return start_of(day, self._zone())

    def _zone(self) -> tzinfo:
        name = self.site.config.web.time_zone
        return ZoneInfo(name) if name else UTC

    def was_away(self, who: Person) -> bool:
        """Whether what they ask for waited on their tablet for longer than ordinary Wi-Fi is silent: it has happened,
        and nobody was told yes or no."""
        return who.waited_ms > self.site.config.web.contact_gap_ms_max

    def may_ask(self, connection: Connection, op_id: OpId, who: Person) -> bool:
        """Whether somebody is there to be asked whether they mean it: not about what has happened, nor about what has
        its answer."""
        return not self.was_away(who) and not is_done(connection, op_id)

    def did_at_ms(self, who: Person, said_ms: int | None) -> int | None:
        """When they did it: as they say, or else as long ago as it waited on their tablet; None for now."""
        if said_ms is not None or not who.waited_ms:
            return said_ms
        return max(0, self.now_ms() - who.waited_ms)

    def document(self, occurred_ms: int | None = None, **said: Any) -> Document:
        """A document of now, or of the time that a tablet says. A clock that runs ahead makes the time doubtful, and
        what it says is of the day of now: of a day to come the books of today would lack it."""
        now_ms = min(max(self.now_ms(), 0), OCCURRED_MS_MAX)
        at_ms = now_ms if occurred_ms is None else occurred_ms
        ahead = at_ms > now_ms + AHEAD_MS_MAX
        quality = self.site.time.quality(self.site.head.timestamp)
        return Document(
            occurred_ms=at_ms,
            business_date=self.day_of(now_ms if ahead else at_ms).isoformat(),
            quality=DOUBTFUL if ahead else quality,
            **{name: value for name, value in said.items() if value},
        )

    def erasable(self, connection: Connection, text: str) -> dict[str, bytes]:
        """A commitment to free text for a document, its text and salt kept here where they can be erased."""
        if not text:
            return {}
        salt = self.random.bytes(16)
        digest = commit(salt, text.encode())
        connection.execute("INSERT INTO erasable VALUES (?, ?, ?, ?)", (digest, salt, text, self.now_ms()))
        return {"note": digest}
