"""Choosing the bins of a session by a rule, and keeping the proof that they were chosen so.

What was ordered is on the chain under the session's own op_id (`plan_count`), and in the block beside it as the
document's `plan` (`content_of`): the rule, the height that it looked at, the seed of a sample and the bins. Whoever
holds the blocks derives the same bins again (`ledger.plans.planned`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date

from ledger.codec import cbor_decode, cbor_encode
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import APPROVE
from ledger.plans import NONCE, Planned, Scope, planned
from ledger.wording import shown
from node import catalogue
from node.counting_facts import EVERYTHING, picture_at
from node.counting_lines import iso_date
from node.desk import Answer, Desk, Person
from node.rounds import blind_bins, need_session, reveal
from node.values import Fields, amount, listed, text_id

PREVIEW_ROWS_MAX = 200
BINS_MAX = 500
_NOBODY = OpId(bytes(15) + b"\x01")  # nothing is drawn for it
# Who chose the seed of a sample: the hub, before the rule was known, or the site itself.
BY_HUB, BY_SITE = "hub-before", "site-chosen"


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan that was made and not kept yet. `busy`: bins that fit and are in a count that is not finished."""

    scope: Scope
    height: int
    seed: bytes
    seed_from: str
    bins: tuple[Planned, ...]
    busy: tuple[str, ...]


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
            draft = self.draft(connection, replace(scope, sample=None), _NOBODY, EVERYTHING)
            counted = picture_at(connection).counted_s
        total = len(draft.bins) if scope.sample is None else min(scope.sample, len(draft.bins))
        shown = draft.bins[:PREVIEW_ROWS_MAX] if scope.sample is None else ()
        return {
            "bins": [
                {"bin": each.bin, "items": list(each.items), "counted_ms": counted.get(each.bin, 0) * 1000 or None}
                for each in shown
            ],
            "total": total,
            "drawn_from": None if scope.sample is None else len(draft.bins),
            "busy": list(draft.busy[:PREVIEW_ROWS_MAX]),
            "too_many": total > BINS_MAX,
        }

    def draft(self, connection: Connection, scope: Scope, session: OpId, height: int) -> Draft:
        """The bins that a rule gives at a height, for this session."""
        seed, seed_from = _seed(connection, session, height) if scope.sample is not None else (b"", "")
        resolved = scope.resolved(classes(connection))
        found = planned(resolved, picture_at(connection, height), seed)
        taken = blind_bins(connection)
        return Draft(
            resolved,
            height,
            seed,
            seed_from,
            tuple(each for each in found if each.bin not in taken),
            tuple(each.bin for each in found if each.bin in taken),
        )

    def keep(self, connection: Connection, session: OpId, content: bytes, draft: Draft | None) -> None:
        """Remember how a session's bins were chosen. `draft`: None when somebody named them."""
        connection.execute(
            "INSERT INTO count_plans VALUES (?, ?, ?, ?, ?)",
            (
                session.raw,
                content,
                self._site.head.height if draft is None else draft.height,
                b"" if draft is None else draft.seed,
                "" if draft is None else draft.seed_from,
            ),
        )

    def show(self, who: Person, session: OpId) -> Answer:
        """How a session's bins were chosen: {rule, height, seed, seed_from, bins, content, derived}. `derived` says
        whether the rule gives the same bins again, None for bins that somebody named."""
        who.may_see(APPROVE, "see how a count was planned")
        with self._site.writing() as connection:
            known = need_session(connection, session)
            row = connection.execute(
                "SELECT content, height FROM count_plans WHERE session = ?", (session.raw,)
            ).fetchone()
            if row is None:
                raise Rejected("this count was opened before plans were kept")
            _, scope, height, seed, seed_from, chosen, busy = cbor_decode(bytes(row[0]), depth_max=6)
            if who.counts:
                # A rule such as "bins without stock" tells what is expected of them.
                reveal(connection, session, [bin_ for bin_, _ in chosen], who.actor, self._desk.now_ms())
            # The content counts the blocks of its own incarnation, the row of blocks those of all (`node/eras`).
            derived = _again(connection, scope, int(row[1]), seed, chosen, busy) if scope else None
        return {
            "session": str(session),
            "name": known.name,
            "rule": scope,
            "height": height,
            "seed": seed.hex(),
            "seed_from": seed_from,
            "bins": [{"bin": bin_, "items": items} for bin_, items in chosen],
            "content": bytes(row[0]).hex(),
            "derived": derived,
        }


def content_of(session: OpId, draft: Draft | None, bins: Iterable[Planned], height: int) -> bytes:
    """What the call on the chain has the hash of: deterministic CBOR [session, rule, height, seed, whose, [[bin,
    items]], bins in other counts]."""
    chosen = [[each.bin, list(each.items)] for each in sorted(bins, key=lambda each: each.bin)]
    if draft is None:
        return cbor_encode([session.raw, {}, height, b"", "", chosen, []])
    said = [draft.scope.as_json(), draft.height, draft.seed, draft.seed_from]
    return cbor_encode([session.raw, *said, chosen, list(draft.busy)])


def digest(content: bytes) -> bytes:
    """How the call names what is said beside it."""
    return hashlib.sha256(content).digest()


def _again(
    connection: Connection, scope: dict[str, object], height: int, seed: bytes, chosen: list[list[object]],
    busy: list[str],
) -> bool:  # fmt: skip
    """Whether the rule gives these bins again."""
    found = planned(Scope.from_json(scope), picture_at(connection, height), seed)
    return [[each.bin, list(each.items)] for each in found if each.bin not in busy] == chosen


def _seed(connection: Connection, session: OpId, height: int) -> tuple[bytes, str]:
    """The seed of a sample: from a nonce that the hub sent before, each used once, else from the site's own block."""
    row = connection.execute(
        "SELECT n.op_id, n.subject FROM notes n JOIN controls c ON c.op_id = n.op_id"
        " WHERE n.kind = ? AND n.height <= ? AND NOT EXISTS"
        " (SELECT 1 FROM count_plans p WHERE p.seed_from = ? || lower(hex(n.op_id)))"
        " ORDER BY c.sequence LIMIT 1",
        (NONCE, height, f"{BY_HUB}:"),
    ).fetchone()
    if row is not None:
        return hashlib.sha256(bytes(row[1]) + session.raw).digest(), f"{BY_HUB}:{bytes(row[0]).hex()}"
    block = connection.execute(
        "SELECT hash FROM blocks WHERE height <= ? ORDER BY height DESC LIMIT 1", (height,)
    ).fetchone()
    return hashlib.sha256(bytes(block[0]) + session.raw).digest(), BY_SITE


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
