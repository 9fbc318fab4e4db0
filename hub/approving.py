"""What waits at the sites for the hub's signature, and deciding it.

A wish is a node's own word; what is signed is checked against it here: a count's lines come from blocks that the hub
has executed, a proposal's from the call data that it is itself. The decision goes down in the site's stream; the
contract judges the signature, and what the site could not book is asked again with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hub import approvers, blocks, people, policies, streams
from hub.store import Session
from ledger import approvals, calls, policy
from ledger.approvals import APPROVED, REJECTED, CountWish, Decision, ProposalWish, Wish
from ledger.codec import cbor_decode
from ledger.counts import Compared
from ledger.documents import Document, reason_code
from ledger.errors import Invalid, Rejected
from ledger.ids import Actor
from ledger.moves import STATUSES, Line

VERDICTS = (APPROVED, REJECTED)
# Why something is not accepted, where a site's own list of reasons has no place for it.
REJECT_REASONS = (
    ("count-again", "It should be counted again"),
    ("not-plausible", "It is not plausible"),
    ("not-allowed", "It may not be done"),
)
LINES_SHOWN_MAX = 200
UNSTABLE = "unstable"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A wish as it can be judged. `calls`: what is signed, one for each part; `by`: who counted or proposed."""

    origin: str
    site: str
    wish: Wish
    calls: tuple[calls.ApprovedCall, ...]
    by: frozenset[Actor]
    number: int
    decided: str

    @property
    def lines(self) -> list[Compared | Line]:
        """What is decided about: of a count the lines to post, of a proposal those to book."""
        found: list[Compared | Line] = []
        for call in self.calls:
            wanted = getattr(call, "select", -1)
            found += [line for at, line in enumerate(getattr(call, "lines", ())) if wanted >> at & 1]
        return found


def waiting(session: Session) -> list[Waiting]:
    """Everything that waits, by site, in the order in which the sites tell it; what is decided and not booked yet
    stands among it."""
    rows = session.all(
        "SELECT a.origin, o.site, a.body FROM advice a JOIN origins o ON o.origin = a.origin"
        " WHERE a.kind = :kind AND o.state = :active AND EXISTS (SELECT 1 FROM approvers p JOIN grants g"
        " ON g.actor = p.actor AND g.site = p.site WHERE p.site = o.site AND g.revoked = 0)"
        " ORDER BY o.site, a.origin",
        kind=approvals.ADVICE,
        active=blocks.ACTIVE,
    )
    found = []
    for row in rows:
        for wish in approvals.wishes(cbor_decode(bytes(row["body"]))):
            one = _judged(session, row["origin"], row["site"], wish)
            if one is not None:
                found.append(one)
    return found


def find(session: Session, op_id: str, origin: str = "") -> Waiting:
    """One that waits; raises Rejected when none does under that name."""
    for one in waiting(session):
        if str(one.wish.name) == op_id and origin in ("", one.origin):
            return one
    raise Rejected(f"nothing waits for a decision under {op_id}: it was decided at its site, or is unknown")


def decide(
    session: Session,
    op_id: str,
    login: str,
    password: str,
    verdict: str,
    reason: str,
    control_address: bytes,
    pepper: bytes,
    now_ms: int,
    origin: str = "",
) -> Waiting:
    """Approve or reject, as somebody of the hub with their own key, which their password opens.

    `reason`: why the lines differ, or why it is rejected; a proposal has its own reasons and needs none to be
    approved. Raises Rejected for who may not, and for what the site could not book.
    """
    if verdict not in VERDICTS:
        raise Rejected(f"{verdict!r} is no decision: expected {' or '.join(VERDICTS)}")
    account = people.log_in(session, login, password, pepper)
    one = find(session, op_id, origin)
    if approvers.ROLE not in account.roles:
        raise Rejected(f"your account may not decide this: that needs the role {approvers.ROLE}")
    if one.decided:
        raise Rejected(f"{login} has {one.decided} this already: it waits for {one.site} to fetch it")
    approver = approvers.find(session, one.site, login)
    _refuse_own(session, one, login)
    code = _reason(session, one, verdict, reason)
    signatures: tuple[bytes, ...] = ()
    if verdict == APPROVED:
        approver.need_bound(one.site)
        key = approver.open_key(one.site, password, pepper)
        held = blocks.held(session, one.origin, control_address)
        if held is None or held.head is None:
            raise Rejected(f"the chain {one.origin} has no block yet")
        chain_id, manager = held.head.origin.chain_id, held.head.manager
        signatures = tuple(
            key.sign_digest(call.digest(chain_id, manager, name, approver.actor)).raw
            for name, call in zip(one.wish.names(), one.calls, strict=True)
        )
    decision = Decision(one.number + 1, verdict, approver.actor, signatures, code, account.name)
    session.run(
        "INSERT INTO decisions VALUES (:origin, :op, :number, :verdict, :reason, :author, :now)",
        origin=one.origin, op=op_id, number=decision.number, verdict=verdict, reason=code, author=login, now=now_ms,
    )  # fmt: skip
    streams.put(session, approvals.STREAM, one.origin, op_id, decision.value())
    return one


def fitting(session: Session, one: Waiting) -> list[tuple[str, str]]:
    """Codes and words of the reasons that explain every difference in it."""
    signs = [line.difference for line in one.lines if isinstance(line, Compared) and line.difference]
    known = [each for each in _policy(session, one.site).reasons if each.code != policy.RELOCATED]
    return [(each.code, each.words) for each in known if all(each.explains(sign) for sign in signs)]


def as_json(session: Session, one: Waiting) -> dict[str, Any]:
    """For screens and programs. Quantities in base units, `decimals` says how an item's are read."""
    wish, lines = one.wish, one.lines
    items = _items(session, lines)
    return {
        "op_id": str(wish.name),
        "origin": one.origin,
        "site": one.site,
        "act": "count" if isinstance(wish, CountWish) else wish.act,
        "bin": wish.bin if isinstance(wish, CountWish) else "",
        "by": sorted(_name(session, actor) for actor in one.by),
        "reasons": [] if isinstance(wish, CountWish) else list(_document(wish).reasons),
        "decided": one.decided,
        "why": wish.why if wish.tried == one.number else "",
        "count": len(lines),
        "differs": sum(1 for line in lines if isinstance(line, Line) or line.difference),
        "lines": [_line(line, items) for line in lines[:LINES_SHOWN_MAX]],
    }


def _judged(session: Session, origin: str, site: str, wish: Wish) -> Waiting | None:
    """None for a wish whose blocks are not verified yet, or that is none."""
    newest = session.one(
        "SELECT number, verdict FROM decisions WHERE origin = :origin AND op_id = :op ORDER BY number DESC LIMIT 1",
        origin=origin,
        op=str(wish.name),
    )
    # A hub put back from a backup may know less of it than the site has tried.
    number = max(0 if newest is None else int(newest["number"]), wish.tried)
    # What the site says it tried is decided anew; until then the decision is on its way.
    decided = "" if newest is None or wish.tried >= number else str(newest["verdict"])
    try:
        made = _of_count(session, site, wish) if isinstance(wish, CountWish) else _of_proposal(wish)
    except (Invalid, Rejected):
        return None
    if made is None:
        return None
    found, by = made
    return Waiting(origin, site, wish, found, by, number, decided)


def in_full(session: Session, one: Waiting) -> dict[str, Any]:
    """`as_json` with `marks`: how it came about, as the documents in the blocks say (`ledger.documents.MARKS`), and
    "unstable" where stock of the bin moved while it was counted."""
    return {**as_json(session, one), "marks": _marks(session, one)}


def _marks(session: Session, one: Waiting) -> list[str]:
    if isinstance(one.wish, ProposalWish):
        return list(_document(one.wish).marks)
    found: dict[str, None] = {}
    for call in one.calls:
        if isinstance(call, calls.PostCount):
            found |= {} if call.stable else {UNSTABLE: None}
            row = session.one(
                "SELECT o.origin, o.height, o.tx_index FROM counts c JOIN operations o ON o.origin = c.origin"
                " AND o.op_id = c.op_id JOIN origins i ON i.origin = c.origin WHERE c.op_id = :op AND c.site = :site"
                " ORDER BY i.incarnation DESC LIMIT 1",
                op=str(call.count),
                site=one.site,
            )
            if row is not None:
                documents = blocks.documents_at(session, str(row["origin"]), int(row["height"]))
                with suppress(Invalid):  # no chain says that what travels beside a call can be read
                    found |= dict.fromkeys(Document.decode(documents[int(row["tx_index"])]).marks)
    return list(found)


def _of_count(
    session: Session, site: str, wish: CountWish
) -> tuple[tuple[calls.ApprovedCall, ...], frozenset[Actor]] | None:
    """The postings of a bin, from what verified blocks say was counted there."""
    made, by = [], set()
    for count, select in wish.parts:
        row = session.one(
            "SELECT c.* FROM counts c JOIN origins o ON o.origin = c.origin WHERE c.op_id = :op AND c.site = :site"
            " ORDER BY o.incarnation DESC LIMIT 1",
            op=str(count),
            site=site,
        )
        if row is None:
            return None
        if (row["session"], row["bin"]) != (str(wish.session), wish.bin):
            raise Invalid(f"{count} counted {row['bin']} and not {wish.bin}")
        lines = session.all(
            "SELECT * FROM count_lines WHERE origin = :origin AND op_id = :op ORDER BY line",
            origin=row["origin"],
            op=str(count),
        )
        if select >> len(lines) or (lines and not select):
            raise Invalid(f"{count} has {len(lines)} lines")
        counter = Actor.parse(row["counter"])
        by.add(counter)
        made.append(
            calls.PostCount(
                actor=counter,
                count=count,
                session=wish.session,
                bin=wish.bin,
                round=int(row["round"]),
                counter=counter,
                stable=bool(row["stable"]),
                lines=tuple(
                    Compared(**{name: line[name] for name in Compared.__dataclass_fields__}) for line in lines
                ),
                select=select,
            )
        )
    return tuple(made), frozenset(by)


def _of_proposal(wish: ProposalWish) -> tuple[tuple[calls.ApprovedCall, ...], frozenset[Actor]]:
    name, call = calls.decode(wish.call)
    if name != wish.name or not isinstance(call, calls.Adjust | calls.Reverse):
        raise Invalid(f"{wish.name} is no adjustment and no reversal")
    _document(wish)
    return (call,), frozenset({call.actor})


def _document(wish: ProposalWish) -> Document:
    return Document.decode(wish.document)


def _refuse_own(session: Session, one: Waiting, login: str) -> None:
    """Nobody approves what they did themselves, under whatever id they did it."""
    for actor in one.by:
        if session.value("SELECT login FROM people WHERE actor = :actor", actor=str(actor)) == login:
            raise Rejected(f"{login} has done this at {one.site}: somebody else has to decide it")


def _reason(session: Session, one: Waiting, verdict: str, reason: str) -> str:
    if verdict == REJECTED or isinstance(one.wish, ProposalWish):
        return reason_code(reason or "approved") if verdict == APPROVED else reason_code(reason)
    rules = _policy(session, one.site)
    differing = [line for line in one.lines if isinstance(line, Compared) and line.difference]
    if not differing:
        return reason_code(reason or "no-difference")
    for line in differing:
        rules.reason(reason, line.difference)
    return reason_code(reason)


def _policy(session: Session, site: str) -> policy.Counting:
    return policy.counting(policies.in_force(session, policy.COUNTING, site) or {})


def _items(session: Session, lines: Sequence[Compared | Line]) -> dict[str, dict[str, Any]]:
    found = {}
    for sku in {line.item for line in lines}:
        row = session.one("SELECT name, unit, decimals FROM items WHERE sku = :sku", sku=sku)
        found[sku] = dict(row) if row is not None else {"name": "", "unit": "", "decimals": 0}
    return found


def _line(line: Compared | Line, items: dict[str, dict[str, Any]]) -> dict[str, Any]:
    said = {"item": line.item, **items[line.item], "lot": line.lot, "serial": line.serial}
    said["status"] = STATUSES[line.status] if line.status < len(STATUSES) else str(line.status)
    if isinstance(line, Compared):
        return {**said, "counted": line.counted, "expected": line.expected, "difference": line.difference}
    return {**said, "quantity": line.quantity, "source": line.source, "target": line.target}


def _name(session: Session, actor: Actor) -> str:
    name = session.value("SELECT name FROM people WHERE actor = :actor", actor=str(actor))
    return str(name) if name else str(actor)[:8]
