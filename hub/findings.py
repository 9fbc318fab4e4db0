"""Judging what a block touched: which of it cannot be true or needs a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub import approvers, blocks, discrepancies, drawing, sampling, settling
from hub.config import RulesConfig
from hub.projection import Findings
from hub.store import Session
from ledger import calls
from ledger.claims import Claim
from ledger.control import ITEMS, LOCATIONS, NOTE, PERSON, RELEASE, SETTLE
from ledger.counts import Compared, Cost, Rule
from ledger.documents import AHEAD_MS_MAX, NOT_BOOKABLE, Document, happened_ms
from ledger.errors import Invalid
from ledger.events import Excepted, ExceptedLine
from ledger.ids import VIRTUAL, Origin
from ledger.seams import Random

RECORDS = {
    ITEMS: "items",
    LOCATIONS: "locations",
    PERSON: "a person",
    SETTLE: "a transfer's outcome",
    RELEASE: "a release",
    NOTE: "a note",
}

NAMED_MAX = 5
ENDED_BY_COUNT = (discrepancies.UNBOOKABLE, discrepancies.COUNT_SHORT)


def judge(session: Session, origin: Origin, found: Findings, rules: RulesConfig, random: Random, now_ms: int) -> None:
    """Turn the findings of some blocks of `origin` into discrepancies, and answer what they ask for, in the
    transaction that projected them."""
    site = origin.site
    for sequence, kind in found.refused:
        _refused(session, origin, sequence, kind, now_ms)
    for name in sorted(found.transfers):
        settling.judge(session, name, rules, now_ms)
    for name, height in found.again:
        summary = f"{site} dispatches again under an id that it has used in an earlier incarnation"
        settling.report_twice(
            session, name, summary, [{"site": site, "origin": str(origin), "block": height}], now_ms
        )
    for op_id in sorted(found.counts):
        _count(session, origin, op_id, rules, now_ms)
    for op_id, line, missing in found.shorts:
        location, item = _short_of(session, site, op_id, line)
        discrepancies.report(
            session,
            discrepancies.COUNT_SHORT,
            f"{origin}:{op_id}:{line}",
            site,
            f"a posted count would have taken line {line} below zero by {missing}: recount",
            {
                "origin": str(origin),
                "op_id": op_id,
                "location": location,
                "line": line,
                "missing": missing,
                "items": [item],
            },
            now_ms,
        )
    for op_id, line, location in found.elsewhere:
        discrepancies.report(
            session,
            discrepancies.SERIAL_ELSEWHERE,
            f"{origin}:{op_id}:{line}",
            site,
            f"a counted serial stands in the books at {location}",
            {"origin": str(origin), "op_id": op_id, "line": line, "location": location},
            now_ms,
        )
    for op_id, stated, lines in found.excepted:
        _excepted(session, origin, op_id, stated, lines, now_ms)
    for op_id, height, place in found.claimed:
        _claimed(session, origin, op_id, blocks.block_at(session, str(origin), height).documents[place], now_ms)
    for name, op_id, height, place in found.asked:
        document = blocks.block_at(session, str(origin), height).documents[place]
        settling.asked(session, name, op_id, document, rules, now_ms)
    for op_id, scope, height, place in found.planned:
        document = blocks.block_at(session, str(origin), height).documents[place]
        sampling.answer(session, origin, op_id, scope, document, random, now_ms)
        drawing.judge(session, origin, op_id, scope, height, document, now_ms)
    for op_id in sorted(found.counts):
        drawing.judge_count(session, origin, op_id, now_ms)
    for op_id in found.posted:
        _explain(session, site, op_id, now_ms)
    for actor, key in found.bound:
        _bound(session, origin, actor, key, now_ms)
    for item, serial in sorted(found.serials):
        _serial(session, item, serial, now_ms)


def count_rule(rules: RulesConfig) -> Rule:
    """The hub's own limits, judged by the same rule as a node's."""
    return Rule(
        line_quantity_max=rules.variance_quantity_max,
        line_percent_max=rules.variance_percent_max,
        line_value_max=rules.variance_value_minor_max,
    )


def _refused(session: Session, origin: Origin, sequence: int, kind: int, now_ms: int) -> None:
    subject = session.value(
        "SELECT subject FROM controls WHERE origin = :origin AND sequence = :sequence",
        origin=str(origin),
        sequence=sequence,
    )
    discrepancies.report(
        session,
        discrepancies.CONTROL_REFUSED,
        f"{origin}:{sequence}",
        origin.site,
        f"the chain refused control record {sequence} ({RECORDS.get(kind, 'unknown')}: {subject or 'unknown'})",
        {"origin": str(origin), "sequence": sequence, "kind": kind, "subject": subject or ""},
        now_ms,
    )


def _bound(session: Session, origin: Origin, actor: str, key: str, now_ms: int) -> None:
    if not approvers.strange_key(session, origin.site, actor, key):
        return
    discrepancies.report(
        session,
        discrepancies.STRANGE_KEY,
        f"{origin}:{actor}:{key}",
        origin.site,
        f"{origin.site} has bound a key of its own for somebody of the hub who approves there",
        {"origin": str(origin), "actor": actor, "key": key},
        now_ms,
    )


def _excepted(
    session: Session, origin: Origin, op_id: str, stated: Excepted, lines: tuple[ExceptedLine, ...], now_ms: int
) -> None:
    location, doubted = stated.location, _places_of(session, origin.site, stated, lines)
    evidence: dict[str, Any] = {
        "origin": str(origin),
        "op_id": op_id,
        "location": location,
        "reason": stated.reason,
        "items": sorted(doubted[location]),
    }
    if len(doubted) > 1:
        evidence["places"] = [
            {"location": place, "item": item} for place, items in doubted.items() for item in sorted(items) or [""]
        ]
    named = ", ".join([*doubted][:NAMED_MAX]) + (" …" if len(doubted) > NAMED_MAX else "")
    summary = f"an act at {named} could not be booked: {stated.reason}"
    discrepancies.report(
        session, discrepancies.UNBOOKABLE, f"{origin}:{op_id}", origin.site, summary, evidence, now_ms
    )


def _places_of(session: Session, site: str, stated: Excepted, lines: tuple[ExceptedLine, ...]) -> dict[str, set[str]]:
    """The places that an act leaves in doubt, with the items that this is about (none: everything there): the one it
    names, and both ends of its lines where the books did not take it, or where nobody knows the place it names."""
    doubted: dict[str, set[str]] = {stated.location: set()}
    everywhere = stated.reason == NOT_BOOKABLE or not _is_place(session, site, stated.location)
    for line in lines:
        for place in (line.source, line.target):
            if place in doubted or (everywhere and place not in VIRTUAL):
                doubted.setdefault(place, set()).add(line.item)
    return doubted


def _is_place(session: Session, site: str, place: str) -> bool:
    """Whether a place is one of the site, so that somebody can count it."""
    found = session.value(
        "SELECT 1 FROM locations WHERE site = :site AND code = :place"
        " UNION SELECT 1 FROM units WHERE site = :site AND unit = :place",
        site=site,
        place=place,
    )
    return found is not None


def _claimed(session: Session, origin: Origin, op_id: str, document: bytes, now_ms: int) -> None:
    try:
        claim = Claim.decode(document)
        reason, call = claim.reason, calls.decode(claim.data)[1].METHOD
    except Invalid as error:
        reason, call = str(error), "operation"
    discrepancies.report(
        session,
        discrepancies.UNBOOKABLE,
        f"{origin}:{op_id}",
        origin.site,
        f"a {call} that {origin.site} had acknowledged cannot be booked any more: {reason}",
        {"origin": str(origin), "op_id": op_id, "call": call, "reason": reason},
        now_ms,
    )


def _count(session: Session, origin: Origin, op_id: str, rules: RulesConfig, now_ms: int) -> None:
    count = session.one("SELECT * FROM counts WHERE origin = :origin AND op_id = :op", origin=str(origin), op=op_id)
    if count is None:
        return
    newest = session.value(
        "SELECT op_id FROM counts WHERE origin = :origin AND session = :session AND bin = :bin"
        " ORDER BY round DESC, height DESC, op_id DESC",
        origin=str(origin),
        session=count["session"],
        bin=count["bin"],
    )
    # A bin's later rounds speak for it; an earlier count that arrives or is posted afterwards changes nothing.
    if newest != op_id:
        return
    lines = session.all(
        "SELECT l.*, i.cost_minor, i.decimals FROM count_lines l LEFT JOIN items i ON i.sku = l.item"
        " WHERE l.origin = :origin AND l.op_id = :op ORDER BY l.line",
        origin=str(origin),
        op=op_id,
    )
    over = [row for row in lines if count_rule(rules).over(_compared(row), _cost(row))]
    subject = f"{origin}:{count['session']}:{count['bin']}"
    evidence = _evidence(origin, count, over)
    if not over:
        discrepancies.clear(
            session, discrepancies.COUNT_VARIANCE, subject, "a later round is within the limits", evidence, now_ms
        )
        return
    differ = "differs" if len(over) == 1 else "differ"
    discrepancies.report(
        session,
        discrepancies.COUNT_VARIANCE,
        subject,
        origin.site,
        f"bin {count['bin']}: {len(over)} of {len(lines)} counted lines {differ} by more than the limits",
        evidence,
        now_ms,
    )


def _short_of(session: Session, site: str, posting: str, line: int) -> tuple[str, str]:
    """The bin whose count had this line posted by that operation, and its item."""
    row = session.one(
        "SELECT c.bin, l.item FROM count_lines l JOIN counts c ON c.origin = l.origin AND c.op_id = l.op_id"
        " WHERE c.site = :site AND l.posted_by = :op AND l.line = :line",
        site=site,
        op=posting,
        line=line,
    )
    return ("", "") if row is None else (str(row["bin"]), str(row["item"]))


def _explain(session: Session, site: str, op_id: str, now_ms: int) -> None:
    """A count that is wholly posted ends what was open about its bin: acts that could not be booked there, once all
    their places are counted, and counts that fell short. An approver has signed it."""
    count = session.one("SELECT * FROM counts WHERE site = :site AND op_id = :op", site=site, op=op_id)
    if count is None or not _is_posted(session, site, count):
        return
    for number, kind, subject in discrepancies.alive(session, site, ENDED_BY_COUNT):
        said = discrepancies.evidence(session, number)
        doubted = _doubted(session, site, said)
        here = doubted.pop(count["bin"], None)
        if here is None:
            continue
        since = _done(session, said["origin"], said["op_id"])
        if not _ends(session, site, count, here, since):
            continue
        if not all(_is_counted(session, site, place, items, since) for place, items in doubted.items()):
            continue
        text = f"bin {count['bin']} was counted and the count posted after it"
        proof = {"origin": count["origin"], "op_id": op_id, "session": count["session"], "bin": count["bin"]}
        discrepancies.clear(session, kind, subject, text, proof, now_ms)


def _doubted(session: Session, site: str, said: Mapping[str, Any]) -> dict[str, set[str]]:
    """The places that somebody has to count before what was found is explained, with the items that it is about
    (none: everything there). Of several places those that nobody knows are not waited for."""
    doubted: dict[str, set[str]] = {}
    for row in said.get("places", ()):
        if _is_place(session, site, row["location"]):
            doubted.setdefault(row["location"], set()).update({row["item"]} - {""})
    if not doubted and "location" in said:
        doubted[said["location"]] = set(said.get("items", ()))
    return doubted


def _is_counted(session: Session, site: str, place: str, doubted: set[str], since: tuple[int, int, int, int]) -> bool:
    """Whether a count of a place that was done since then is wholly posted, and is about what was doubted."""
    counts = session.all(
        "SELECT * FROM counts WHERE site = :site AND bin = :place AND at_s >= :least ORDER BY at_s DESC, height DESC",
        site=site,
        place=place,
        least=(since[0] - AHEAD_MS_MAX) // 1000,  # a document is believed so far beyond its block, see `happened_ms`
    )
    return any(_ends(session, site, count, doubted, since) and _is_posted(session, site, count) for count in counts)


def _ends(
    session: Session, site: str, count: dict[str, Any], doubted: set[str], since: tuple[int, int, int, int]
) -> bool:
    """Whether a count was done after that, and is about all that was doubted: one of some items ends no doubt about
    others. At one moment the order of recording decides."""
    if _done(session, count["origin"], count["op_id"]) <= since:
        return False
    return bool(count["whole"] or (doubted and doubted <= _items_of(session, site, count)))


def _is_posted(session: Session, site: str, count: dict[str, Any]) -> bool:
    """Whether every line of a round is posted, in all its parts."""
    left = session.value(
        "SELECT count(*) FROM count_lines l JOIN counts c ON c.origin = l.origin AND c.op_id = l.op_id"
        " WHERE c.site = :site AND c.session = :session AND c.bin = :bin AND c.round = :round AND l.posted_by = ''",
        site=site,
        session=count["session"],
        bin=count["bin"],
        round=count["round"],
    )
    return not left


def _items_of(session: Session, site: str, count: dict[str, Any]) -> set[str]:
    """The items that a round says something of, in all its parts."""
    rows = session.all(
        "SELECT DISTINCT l.item FROM count_lines l JOIN counts c ON c.origin = l.origin AND c.op_id = l.op_id"
        " WHERE c.site = :site AND c.session = :session AND c.bin = :bin AND c.round = :round",
        site=site,
        session=count["session"],
        bin=count["bin"],
        round=count["round"],
    )
    return {str(row["item"]) for row in rows}


def _done(session: Session, origin: str, op_id: str) -> tuple[int, int, int, int]:
    """When an operation was done, by its document, and where it stands in the history of its site."""
    row = session.one(
        "SELECT i.incarnation, o.height, o.tx_index, o.at_s FROM operations o JOIN origins i ON i.origin = o.origin"
        " WHERE o.origin = :origin AND o.op_id = :op",
        origin=origin,
        op=op_id,
    )
    if row is None:
        return (0, 0, 0, 0)
    height, place = int(row["height"]), int(row["tx_index"])
    try:
        said = Document.decode(blocks.block_at(session, origin, height).documents[place])
        at_ms = happened_ms(said.occurred_ms, int(row["at_s"]))
    except Invalid:
        at_ms = 0
    return (at_ms, int(row["incarnation"]), height, place)


def _compared(row: dict[str, Any]) -> Compared:
    names = ("item", "lot", "serial", "status", "counted", "expected")
    return Compared(**{name: row[name] for name in names})


def _cost(row: dict[str, Any]) -> Cost | None:
    return None if row["cost_minor"] is None else Cost(row["cost_minor"], row["decimals"])


def _evidence(origin: Origin, count: dict[str, Any], over: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("line", "item", "lot", "serial", "status", "counted", "expected")
    return {
        "origin": str(origin),
        "op_id": count["op_id"],
        "height": count["height"],
        "session": count["session"],
        "bin": count["bin"],
        "round": count["round"],
        "counter": count["counter"],
        "stable": bool(count["stable"]),
        "lines": [{name: row[name] for name in names} for row in over],
    }


def _serial(session: Session, item: str, serial: str, now_ms: int) -> None:
    places = session.all(
        "SELECT site, location, origin, height, op_id FROM serials WHERE item = :item AND serial = :serial"
        " ORDER BY site",
        item=item,
        serial=serial,
    )
    real = [row for row in places if row["location"] not in VIRTUAL]
    if len(real) == 2 and _under_way(session, real):
        return
    subject = f"{item}:{serial}"
    if len(real) > 1:
        where = " and ".join(f"{row['site']} {row['location']}" for row in real)
        discrepancies.report(
            session,
            discrepancies.SERIAL_TWICE,
            subject,
            real[-1]["site"],
            f"serial {serial} of {item} is in the books at {where}",
            {"item": item, "serial": serial, "places": places},
            now_ms,
        )
    else:
        discrepancies.clear(
            session, discrepancies.SERIAL_TWICE, subject, "it is at one site again", {"places": places}, now_ms
        )


def _under_way(session: Session, places: list[dict[str, Any]]) -> bool:
    """Whether one of two sites accepted the serial from the other, whose dispatch is still on its way to us."""
    return any(
        session.value(
            "SELECT count(*) FROM transfer_arrivals a"
            " JOIN transfers t ON t.transfer = a.transfer AND t.sender = a.sender"
            " WHERE a.origin = :origin AND a.op_id = :op AND a.kind = 'accepted' AND t.dispatched_s IS NULL"
            " AND t.sender = :sender",
            origin=here["origin"],
            op=here["op_id"],
            sender=there["site"],
        )
        for here, there in (places, places[::-1])
    )
