"""Whether a sample was drawn as its plan says: derived again from the rule, the hub's own secret and its picture.

What a rule gives is found when the block with the rule is projected, of the site as it was before that block, and
kept until the bins are drawn: by then the picture has gone on. A sample that does not fit is a discrepancy and no
more than that, for what is sealed stays as it is.

Three things that a rule may ask for are in no table here: when a bin was last counted, which lots expire, and what is
suspect. A draw by such a rule is only checked to be of bins that fit the rest of it. Nor does the hub know which bins
are in another count: a bin that the plan calls busy is believed to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from hub import blocks, controls, discrepancies
from hub.sampling import plan_of
from hub.store import Session
from ledger import calls, control
from ledger.codec import cbor_decode, cbor_encode
from ledger.control import ControlRecord
from ledger.documents import part_op_id
from ledger.errors import Invalid, Rejected
from ledger.events import CountPlanned, Event
from ledger.ids import OpId, Origin
from ledger.plans import (
    BY_SITE,
    DRAWN,
    HUB_AFTER,
    HUB_BEFORE,
    NONCE,
    Picture,
    Plan,
    Scope,
    drawn,
    planned,
    seed_of,
)

Population: TypeAlias = dict[str, tuple[str, ...]]  # bin to the items that are counted there; none: all of it


@dataclass(frozen=True, slots=True)
class Sealed:
    """A plan on a chain, in a block of this height."""

    origin: str
    height: int
    plan: Plan


def is_planned(said: Sequence[Sequence[Event]]) -> bool:
    """Whether a block has the plan of a count."""
    return any(isinstance(each, CountPlanned) for logs in said for each in logs)


def remember(
    session: Session, origin: Origin, height: int, said: Sequence[Sequence[Event]], documents: Sequence[bytes]
) -> None:
    """Keep what the samples that this block plans are drawn from. To be called before anything of it is projected."""
    for logs, document in zip(said, documents, strict=True):
        for event in logs:
            plan = plan_of(document, event.scope) if isinstance(event, CountPlanned) else None
            if plan is None or plan.session != event.op_id or plan.height != height - 1:
                continue
            try:
                scope = Scope.from_json(plan.rule)
            except Invalid:
                continue  # `judge` says so
            if scope.sample is not None and _is_whole(session, origin):
                _keep(session, origin, height, plan.session, scope)


def judge(
    session: Session, origin: Origin, op_id: str, scope: bytes, height: int, document: bytes, now_ms: int
) -> None:
    """Say so if the sample that this operation draws cannot be what its rule and its secret give. `scope`: what the
    call on the chain names."""
    if not _is_whole(session, origin):
        return
    plan = plan_of(document, scope)
    drawn_as = op_id if plan is None else str(part_op_id(plan.session, DRAWN))
    kept = session.one(
        "SELECT bins FROM populations WHERE site = :site AND drawn = :drawn", site=origin.site, drawn=drawn_as
    )
    population = None if kept is None else {bin_: tuple(items) for bin_, items in cbor_decode(bytes(kept["bins"]))}
    evidence: dict[str, Any] = {"op_id": op_id, "block": height}
    if plan is None:
        # Not all that is on a chain has its text beside it; the draw of a sample that the hub waits for has.
        fault = "its plan cannot be read" if kept is not None else ""
    else:
        fault = _fault(session, origin, op_id, plan, height, population, evidence)
    if fault:
        _report(session, origin, op_id, fault, evidence, now_ms)
    if op_id == drawn_as or (plan is not None and op_id == str(plan.session) and not plan.asks):
        session.run("DELETE FROM populations WHERE site = :site AND drawn = :drawn", site=origin.site, drawn=drawn_as)


def judge_count(session: Session, origin: Origin, op_id: str, now_ms: int) -> None:
    """Say so if this count is of a sample whose bins nobody has said yet. To be called when the plans are judged."""
    counted = session.value(
        "SELECT session FROM counts WHERE origin = :origin AND op_id = :op", origin=str(origin), op=op_id
    )
    if counted is None or not _is_whole(session, origin):
        return
    drawn_as = str(part_op_id(OpId.parse(counted), DRAWN))
    waits = session.value(
        "SELECT count(*) FROM populations WHERE site = :site AND drawn = :drawn AND NOT EXISTS"
        " (SELECT 1 FROM operations o WHERE o.site = :site AND o.op_id = :drawn)",
        site=origin.site,
        drawn=drawn_as,
    )
    if not waits:
        return
    _report(session, origin, counted, "it is counted before it is drawn", {"session": counted}, now_ms)


def _report(
    session: Session, origin: Origin, op_id: str, fault: str, evidence: Mapping[str, Any], now_ms: int
) -> None:
    discrepancies.report(
        session,
        discrepancies.DOUBTFUL_SAMPLE,
        f"{origin}:{op_id}",
        origin.site,
        f"the sample of a count is not as it should be: {fault}",
        {"origin": str(origin), **evidence},
        now_ms,
    )


def _fault(
    session: Session,
    origin: Origin,
    op_id: str,
    plan: Plan,
    height: int,
    population: Population | None,
    evidence: dict[str, Any],
) -> str:
    second = op_id == str(part_op_id(plan.session, DRAWN))
    if not second and "sample" not in plan.rule:
        return ""
    bins, busy = [each.bin for each in plan.bins], list(plan.busy)
    evidence.update(
        session=str(plan.session),
        seed_from=plan.seed_from,
        seed=plan.seed.hex(),
        rule=str(dict(plan.rule)),
        bins=bins,
    )
    if busy:
        evidence["busy"] = busy
    try:
        scope = Scope.from_json(plan.rule)
    except Invalid:
        return "its rule cannot be read"
    rule: Sealed | None = Sealed(str(origin), height, plan)
    if second:
        rule = _asked(session, origin, plan.session)
    elif op_id != str(plan.session):
        return "it stands under another operation than its session's"
    if rule is None:
        return "no rule was sealed for it before"
    if (rule.plan.rule, rule.plan.height) != (plan.rule, plan.height):
        return "it is not by the rule that was sealed before"
    # One that is recorded again after a restore stands later than it did.
    if plan.height != rule.height - 1:
        return "its rule looks at another block than the one before it"
    if plan.asks and not second:
        return "it names bins before they are drawn" if bins or busy else ""
    fault = _seed_fault(session, origin.site, op_id, plan, rule)
    if fault:
        return fault
    if scope.sample is None:
        return "its rule is of no sample"
    wrong = "its bins are not those that its rule gives by its seed"
    if len(bins) + len(busy) > scope.sample:
        return wrong
    if population is None:
        return ""
    if _known(scope) != replace(scope, sample=None):
        return "" if population.keys() >= {*bins, *busy} else "it has bins that do not fit its rule"
    evidence["by_the_rule"] = sorted(drawn(population, plan.seed, scope.sample))
    fits = sorted([*bins, *busy]) == evidence["by_the_rule"]
    return "" if fits and all(population[each.bin] == each.items for each in plan.bins) else wrong


def _seed_fault(session: Session, site: str, op_id: str, plan: Plan, rule: Sealed) -> str:
    here = _place(session, site, op_id)
    own = _secrets(session, site, f"{NONCE} {plan.session}", here)
    who, _, note = plan.seed_from.partition(":")
    if who != HUB_AFTER and any(told for _, told in own.values()):
        return "it is drawn by another secret, and the hub's was there"
    if plan.seed_from == BY_SITE:
        secret = blocks.hash_at(session, rule.origin, rule.height - 1)
    elif who in (HUB_AFTER, HUB_BEFORE):
        secret, told = (own if who == HUB_AFTER else _secrets(session, site, NONCE, here)).get(note, (b"", False))
        if not told:
            return "it names a secret that the hub had not sent"
    else:
        return "it does not say whose secret it is drawn by"
    if plan.seed != seed_of(secret, plan.session):
        return "its seed does not follow from the secret that it names"
    return ""


def _asked(session: Session, origin: Origin, op_id: OpId) -> Sealed | None:
    """The sealed rule of a session that waits for its draw."""
    row = session.one(
        "SELECT o.origin, o.height, o.tx_index FROM operations o JOIN origins i ON i.origin = o.origin"
        " WHERE o.site = :site AND o.op_id = :op AND o.call = :call ORDER BY i.incarnation DESC",
        site=origin.site,
        op=str(op_id),
        call=calls.PlanCount.METHOD,
    )
    if row is None:
        return None
    document = blocks.block_at(session, row["origin"], row["height"]).documents[row["tx_index"]]
    plan = plan_of(document)
    if plan is None or not plan.asks or plan.session != op_id:
        return None
    return Sealed(row["origin"], int(row["height"]), plan)


def _secrets(session: Session, site: str, about: str, before: tuple[int, int, int]) -> dict[str, tuple[bytes, bool]]:
    """The secrets that the hub sent under this subject, by the op_id of the note, and whether the site had each by
    then. One that its chain did not come to goes over to the next incarnation, in a note of another op_id."""
    found: dict[str, bytes] = {}
    told: set[bytes] = set()
    for row in session.all(
        "SELECT record, signature FROM controls WHERE kind = :kind AND subject = :about AND state <> :cut"
        " AND origin IN (SELECT origin FROM origins WHERE site = :site)",
        kind=control.NOTE,
        about=about,
        site=site,
        cut=controls.CUT,
    ):
        record = ControlRecord.decode(bytes(row["record"]))
        op_id, content = str(record.op_id(bytes(row["signature"]))), record.content
        if isinstance(content, control.NotePayload):
            found[op_id] = content.subject
            if (0, 0, 0) < _place(session, site, op_id) < before:
                told.add(content.subject)
    return {op_id: (secret, secret in told) for op_id, secret in found.items()}


def _place(session: Session, site: str, op_id: str) -> tuple[int, int, int]:
    """Where an operation stands in the history of its site; zeros where it is in no block."""
    row = session.one(
        "SELECT i.incarnation, o.height, o.tx_index FROM operations o JOIN origins i ON i.origin = o.origin"
        " WHERE o.site = :site AND o.op_id = :op ORDER BY i.incarnation",
        site=site,
        op=op_id,
    )
    return (0, 0, 0) if row is None else (int(row["incarnation"]), int(row["height"]), int(row["tx_index"]))


# ---------------------------------------------------------------- what is drawn from


def _known(scope: Scope) -> Scope:
    """The rule without its number, and without what is in no table of the hub."""
    known = replace(scope, sample=None, not_counted_since_s=None, suspect=False)
    return replace(known, expiring_before="", whole=True) if scope.expiring_before else known


def _is_whole(session: Session, origin: Origin) -> bool:
    """Whether the earlier incarnations of the site are in the picture: where all is projected again, they may follow
    later."""
    behind = session.value(
        "SELECT count(*) FROM origins WHERE site = :site AND incarnation < :incarnation"  # noqa: S608
        f" AND projected_size < {blocks.COUNTED}",
        site=origin.site,
        incarnation=origin.incarnation,
    )
    return not behind


def _keep(session: Session, origin: Origin, height: int, planned_as: OpId, scope: Scope) -> None:
    try:
        found = planned(_known(scope), _picture(session, origin, height))
    except Rejected:
        found = ()  # it names an area that the site does not have: nothing fits
    session.run(
        "INSERT INTO populations VALUES (:site, :drawn, :bins) ON CONFLICT(site, drawn) DO NOTHING",
        site=origin.site,
        drawn=str(part_op_id(planned_as, DRAWN)),
        bins=cbor_encode([[each.bin, list(each.items)] for each in found]),
    )


def _picture(session: Session, origin: Origin, height: int) -> Picture:
    """The site before the block of this height, as far as the hub's tables tell: see `_known`."""
    places: dict[str, tuple[int, str]] = {}
    placed: dict[str, tuple[int, int]] = {}
    for row in session.all(
        "SELECT c.record, c.answered_height, i.incarnation FROM controls c JOIN origins i ON i.origin = c.origin"
        " WHERE i.site = :site AND c.kind = :kind AND c.state = :applied AND (i.incarnation < :incarnation"
        " OR (i.incarnation = :incarnation AND c.answered_height < :height)) ORDER BY i.incarnation, c.sequence",
        site=origin.site,
        kind=control.LOCATIONS,
        applied=controls.APPLIED,
        incarnation=origin.incarnation,
        height=height,
    ):
        content = ControlRecord.decode(bytes(row["record"])).content
        for each in content.locations if isinstance(content, control.LocationsPayload) else ():
            places[each.location] = (each.kind, each.parent)
            placed[each.location] = (int(row["incarnation"]), int(row["answered_height"]))
    for row in session.all(
        "SELECT u.unit, u.parent, u.height, i.incarnation FROM units u JOIN origins i ON i.origin = u.origin"
        " WHERE u.site = :site",
        site=origin.site,
    ):
        if (int(row["incarnation"]), int(row["height"])) >= placed.get(row["unit"], (0, 0)):
            places[row["unit"]] = (control.UNIT, row["parent"])
    stock: dict[str, set[tuple[str, str]]] = {}
    for row in session.all(
        "SELECT location, item, lot FROM stock WHERE site = :site AND quantity > 0", site=origin.site
    ):
        stock.setdefault(row["location"], set()).add((row["item"], row["lot"]))
    held = {place: frozenset(goods) for place, goods in stock.items()}
    return Picture(height=height - 1, places=places, stock=held, counted_s={}, suspects=frozenset(), expiries={})
