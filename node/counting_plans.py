"""Choosing the bins of a session by a rule, and keeping the proof that they were chosen so.

What was ordered is on the chain under the session's own op_id (`plan_count`), and in the block beside it as the
document's `plan` (`ledger.plans.Plan`): the rule, the height that it looked at, the seed of a sample and the bins.
Whoever holds the blocks derives the same bins again (`ledger.plans.planned`).

A sample is drawn in two steps while there is a link: the rule is sealed without bins, and the hub, once it has that
block, sends the secret of the draw (`hub.sampling`). So nobody at the site can try rules until a draw pleases.
Without a link it is drawn at once, and the plan says by whose secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import TypeAlias

from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import APPROVE
from ledger.plans import BY_SITE, HUB_AFTER, HUB_BEFORE, NONCE, Plan, Planned, Scope, planned, seed_of
from ledger.wording import shown
from node import catalogue, store
from node.counting_facts import EVERYTHING, picture_at
from node.counting_lines import iso_date
from node.desk import Answer, Desk, Person
from node.rounds import blind_bins, need_session, reveal
from node.values import Fields, amount, listed, text_id

Fitting: TypeAlias = tuple[tuple[Planned, ...], tuple[str, ...]]  # free bins; bins in a count that is not finished

PREVIEW_ROWS_MAX = 200
BINS_MAX = 500
# Who answered within this time is there: the hub is asked for the secret of a draw.
LINK_MS_MAX = 5 * 60_000


def scope_of(body: object, start_of: Callable[[date], int]) -> Scope:
    """A plan's rule as it is wished: the names of `Scope`, `not_counted_since` as a date of the site, which
    `start_of` it began by (`Desk.start_of`)."""
    fields = Fields(body, "plan")
    since = iso_date(fields.take("not_counted_since"))
    whole = fields.take("whole")
    scope = Scope(
        areas=_texts(fields, "areas"),
        items=_texts(fields, "items"),
        abc=_texts(fields, "abc"),
        not_counted_since_s=start_of(date.fromisoformat(since)) // 1000 if since else None,
        expiring_before=iso_date(fields.take("expiring_before")),
        empty=fields.flag("empty"),
        suspect=fields.flag("suspect"),
        most=_count(fields, "most"),
        sample=_count(fields, "sample"),
        whole=True if whole is None else Fields({"whole": whole}, "plan").flag("whole"),
    )
    fields.done()
    return scope


class Plans:
    """Making plans, and showing how one came about."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._site = desk.site

    def preview(self, who: Person, body: object) -> Answer:
        """What a plan would give now: {bins [{bin, items, counted_ms}], total, busy, too_many}; `drawn_from` instead
        of bins for a sample, which is drawn when the count is opened. Changes nothing."""
        who.need(APPROVE, "plan a count")
        scope = scope_of(body, self._desk.start_of)
        with self._site.reading() as connection:
            every = replace(scope, sample=None).resolved(classes(connection))
            bins, busy = self.fitting(connection, every, EVERYTHING)
            counted = picture_at(connection).counted_s
        total = len(bins) if scope.sample is None else min(scope.sample, len(bins))
        shown = bins[:PREVIEW_ROWS_MAX] if scope.sample is None else ()
        return {
            "bins": [
                {"bin": each.bin, "items": list(each.items), "counted_ms": counted.get(each.bin, 0) * 1000 or None}
                for each in shown
            ],
            "total": total,
            "drawn_from": None if scope.sample is None else len(bins),
            "busy": list(busy[:PREVIEW_ROWS_MAX]),
            "too_many": total > BINS_MAX,
        }

    def fitting(self, connection: Connection, scope: Scope, height: int, seed: bytes = b"") -> Fitting:
        """The bins that a rule gives at a height, as the rows of blocks count."""
        found = planned(scope, picture_at(connection, height), seed)
        taken = blind_bins(connection)
        return (
            tuple(each for each in found if each.bin not in taken),
            tuple(each.bin for each in found if each.bin in taken),
        )

    def made(self, connection: Connection, session: OpId, scope: Scope, height: int) -> Plan:
        """The plan of a session by a rule at a height. A sample `asks` where the hub is there to draw it. Raises
        Rejected when no bin fits."""
        scope = scope.resolved(classes(connection))
        plan = Plan(session=session, rule=scope.as_json(), height=height)
        if scope.sample is None:
            return self._with(connection, plan, scope, height)
        if self._is_linked(connection):
            self._with(connection, plan, replace(scope, sample=None), height)  # there has to be something to draw
            return replace(plan, seed_from=HUB_AFTER)
        seed, seed_from = seed_here(connection, session, height)
        return self._with(connection, replace(plan, seed=seed, seed_from=seed_from), scope, height)

    def drawn(self, connection: Connection, session: OpId) -> Plan:
        """The plan of a session that asked, with its bins: by the hub's secret for it, or else by what is here."""
        content, height = self._kept(connection, session)
        asked = Plan.decode(content)
        secret, seed_from = sent_for(connection, session) or seed_here(connection, session, height)
        scope = Scope.from_json(asked.rule)
        return self._with(connection, replace(asked, seed=secret, seed_from=seed_from), scope, height)

    def _with(self, connection: Connection, plan: Plan, scope: Scope, height: int) -> Plan:
        bins, busy = self.fitting(connection, scope, height, plan.seed)
        if not bins:
            also = f"; {len(busy)} that fit are in a count already" if busy else ""
            raise Rejected(f"no bin fits this plan now{also}")
        return replace(plan, bins=bins, busy=busy)

    def _is_linked(self, connection: Connection) -> bool:
        answered_ms = store.hub_status(connection).get("at_ms")
        return answered_ms is not None and self._desk.now_ms() - int(answered_ms) <= LINK_MS_MAX

    def keep(self, connection: Connection, plan: Plan) -> None:
        """Remember how a session's bins were chosen; what it asked before is in the block under its own op_id."""
        connection.execute(
            "INSERT INTO count_plans VALUES (?, ?, ?, ?, ?) ON CONFLICT (session) DO UPDATE SET"
            " content = excluded.content, seed = excluded.seed, seed_from = excluded.seed_from",
            (plan.session.raw, plan.encode(), plan.height, plan.seed, plan.seed_from),
        )

    @staticmethod
    def _kept(connection: Connection, session: OpId) -> tuple[bytes, int]:
        """(content, height) of a session's plan. The content counts the blocks of its own incarnation, the row of
        blocks those of all (`node/eras`)."""
        row = connection.execute(
            "SELECT content, height FROM count_plans WHERE session = ?", (session.raw,)
        ).fetchone()
        if row is None:
            raise Rejected("this count was opened before plans were kept")
        return bytes(row[0]), int(row[1])

    def show(self, who: Person, session: OpId) -> Answer:
        """How a session's bins were chosen: {rule, height, seed, seed_from, bins, content, derived}. `derived` says
        whether the rule gives the same bins again, None for bins that somebody named or that are not drawn yet."""
        who.may_see(APPROVE, "see how a count was planned")
        with self._site.writing() as connection:
            known = need_session(connection, session)
            content, height = self._kept(connection, session)
            plan = Plan.decode(content)
            if who.counts:
                # A rule such as "bins without stock" tells what is expected of them.
                reveal(connection, session, [each.bin for each in plan.bins], who.actor, self._desk.now_ms())
            derived = _again(connection, plan, height) if plan.rule and not plan.asks else None
        return {
            "session": str(session),
            "name": known.name,
            "rule": plan.rule,
            "height": plan.height,
            "seed": plan.seed.hex(),
            "seed_from": plan.seed_from,
            "bins": [{"bin": each.bin, "items": list(each.items)} for each in plan.bins],
            "content": content.hex(),
            "derived": derived,
        }


def digest(content: bytes) -> bytes:
    """How the call names what is said beside it."""
    return hashlib.sha256(content).digest()


def _again(connection: Connection, plan: Plan, height: int) -> bool:
    """Whether the rule gives these bins again; `height` as the rows of blocks count."""
    found = planned(Scope.from_json(plan.rule), picture_at(connection, height), plan.seed)
    return tuple(each for each in found if each.bin not in plan.busy) == plan.bins


def sent_for(connection: Connection, session: OpId) -> tuple[bytes, str] | None:
    """The seed of a session's sample from the secret that the hub sent once it held the sealed rule; None before."""
    row = connection.execute(
        "SELECT n.subject, n.op_id FROM notes n JOIN controls c ON c.op_id = n.op_id"
        " WHERE n.kind = ? AND n.document = ? ORDER BY c.sequence LIMIT 1",
        (NONCE, session.word),
    ).fetchone()
    return None if row is None else (seed_of(bytes(row[0]), session), f"{HUB_AFTER}:{bytes(row[1]).hex()}")


def seed_here(connection: Connection, session: OpId, height: int) -> tuple[bytes, str]:
    """The seed of a sample without the hub: from a secret that it sent ahead, each used once, else from the site's
    own block."""
    row = connection.execute(
        "SELECT n.op_id, n.subject FROM notes n JOIN controls c ON c.op_id = n.op_id"
        " WHERE n.kind = ? AND n.document = zeroblob(32) AND n.height <= ? AND NOT EXISTS"
        " (SELECT 1 FROM count_plans p WHERE p.seed_from = ? || lower(hex(n.op_id)))"
        " ORDER BY c.sequence LIMIT 1",
        (NONCE, height, f"{HUB_BEFORE}:"),
    ).fetchone()
    if row is not None:
        return seed_of(bytes(row[1]), session), f"{HUB_BEFORE}:{bytes(row[0]).hex()}"
    block = connection.execute(
        "SELECT hash FROM blocks WHERE height <= ? ORDER BY height DESC LIMIT 1", (height,)
    ).fetchone()
    return seed_of(bytes(block[0]), session), BY_SITE


def classes(connection: Connection) -> dict[str, str]:
    """The ABC class of each item that has one."""
    return {sku: entry.abc for sku, entry in catalogue.entries(connection) if entry.abc}


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    value = fields.take(name)
    return () if value is None else tuple(sorted({text_id(each, name) for each in listed(value, name, BINS_MAX)}))


def _count(fields: Fields, name: str) -> int | None:
    value = fields.take(name)
    if value is None:
        return None
    if type(value) is int and value > BINS_MAX:
        raise Rejected(f"{shown(value)} bins are too many for one count: say at most {BINS_MAX}")
    return amount(value, f"plan: {name}", least=1)
