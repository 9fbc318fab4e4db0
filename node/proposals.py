"""Adjustments and reversals between the person who wants them and the other one who signs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from itertools import islice
from typing import Any

from ledger import calls
from ledger.db import Connection
from ledger.documents import TAKES_BACK, Document, reason_code
from ledger.errors import NotSigned, Rejected
from ledger.ids import Actor, OpId
from ledger.moves import STATUSES, Line
from ledger.people import APPROVE, STOCK_ROLES
from node import catalogue, deliveries, exceptions, hindsight, limits, openings, orders
from node.counting_sessions import Sessions
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.rounds import counters_now, learned, refuse_frozen
from node.values import Fields

# Acts that carry nothing: they put right what the books say, as a count does.
CORRECTIONS = ("adjust", "reverse")
Sign = Callable[[calls.ApprovedCall, OpId], calls.ApprovedCall]

_ROW = (
    "SELECT p.op_id, p.call, p.document, p.actor, p.at_ms, p.state, p.reason, p.happened, a.verb"
    " FROM proposals p JOIN acts a ON a.op_id = p.op_id "
)


@dataclasses.dataclass(frozen=True, slots=True)
class Proposed:
    """What waits for a signature: its call without one, the bytes of its document, whose it is, when it was proposed,
    whether it had happened by then, and the act that proposed it."""

    call: calls.ApprovedCall
    document: bytes
    actor: Actor
    at_ms: int
    happened: bool
    verb: str


class Proposals:
    """Keeps proposals, and records them with the approver's own signature under the op_id of the proposal."""

    def __init__(self, desk: Desk, operators: Operators, counting: Sessions) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators
        self._counting = counting

    def keep(
        self, connection: Connection, op_id: OpId, who: Person, call: calls.ApprovedCall, document: Document, *,
        happened: bool,
    ) -> None:  # fmt: skip
        """Store an unsigned call until somebody decides. What `happened` is kept, booked or as an exception."""
        # Call data has no place for a missing signature: this one is replaced, and would be refused by the chain.
        blank = calls.Approval(actor=who.actor, v=0, r=bytes(32), s=bytes(32))
        connection.execute(
            "INSERT INTO proposals VALUES (?, ?, ?, ?, ?, 'open', '', NULL, ?)",
            (
                op_id.raw,
                calls.with_approval(call, blank).encode(op_id),
                document.encode(),
                who.actor.raw,
                self._desk.now_ms(),
                happened,
            ),
        )

    def waiting(
        self, connection: Connection, who: Person, hidden: frozenset[str], after: tuple[int, str] = (0, ""),
        most: int = 200, skip: int = 0,
    ) -> list[Answer]:  # fmt: skip
        """What waits for a signature, oldest first. `after`: (at_ms, proposal in hex) of the one before; `skip`: how
        many more to leave out; `hidden`: bins of which the person must learn nothing now."""
        who.may_see(APPROVE, "see what waits for approval")
        rows = connection.execute(
            _ROW
            + "WHERE p.state = 'open' AND (p.at_ms, p.op_id) > (?, ?) ORDER BY p.at_ms, p.op_id LIMIT ? OFFSET ?",
            (after[0], bytes.fromhex(after[1]), most, skip),
        ).fetchall()
        names, measures = (
            cache(partial(self._operators.name_of, connection)),
            cache(partial(catalogue.measure, connection)),
        )
        return [self._shown(connection, row, who, hidden, names, measures) for row in rows]

    def count(self, connection: Connection) -> int:
        """How many wait for a signature, whoever may give it."""
        (count,) = connection.execute("SELECT count(*) FROM proposals WHERE state = 'open'").fetchone()
        return int(count)

    def count_for(self, connection: Connection, who: Person, hidden: frozenset[str], most: int) -> int:
        """How many wait for a signature that this person may give, `most` at most: not those of their own, nor of a
        place that they have counted in a count that goes on, or must learn nothing of (`hidden`)."""
        if not who.has(APPROVE):
            return 0
        barred = cache(lambda place: place in hidden or who.actor in counters_now(connection, place))
        rows = connection.execute(
            _ROW + "WHERE p.state = 'open' AND p.actor <> ? ORDER BY p.at_ms, p.op_id", (who.actor.raw,)
        )
        theirs = (row for row in rows if not any(map(barred, ends_of(_read(bytes(row[1]), bytes(row[2]))[0]))))
        return sum(1 for _ in islice(theirs, most))

    def reverses(self, connection: Connection, of: OpId) -> bool:
        """Whether the reversal of this operation waits for a signature."""
        rows = connection.execute(
            "SELECT p.call FROM proposals p JOIN acts a ON a.op_id = p.op_id WHERE p.state = 'open'"
            " AND a.verb = 'reverse'"
        )
        found = (calls.decode(bytes(data))[1] for (data,) in rows)
        return any(isinstance(call, calls.Reverse) and call.of == of for call in found)

    def open(self, connection: Connection, most: int) -> list[tuple[OpId, str, bytes, bytes, Actor]]:
        """Those that nobody has decided, oldest first: their name, act, call data, document, and whose they are."""
        rows = connection.execute(
            _ROW + "WHERE p.state = 'open' ORDER BY p.at_ms, p.op_id LIMIT ?", (most,)
        ).fetchall()
        return [
            (OpId(bytes(op_id)), str(verb).replace("_", "-"), bytes(call), bytes(document), Actor(bytes(actor)))
            for op_id, call, document, actor, *_, verb in rows
        ]

    def one(self, connection: Connection, who: Person, proposal: OpId, hidden: frozenset[str]) -> Answer:
        """One proposal, decided or not. Raises `Rejected` when there is none."""
        row = connection.execute(_ROW + "WHERE p.op_id = ?", (proposal.raw,)).fetchone()
        if row is None:
            raise Rejected(f"there is no proposal {proposal}")
        names, measures = partial(self._operators.name_of, connection), partial(catalogue.measure, connection)
        return self._shown(connection, row, who, hidden, names, measures)

    @staticmethod
    def _shown(
        connection: Connection, row: tuple[Any, ...], who: Person, hidden: frozenset[str],
        name_of: Callable[[Actor], str], measure: Callable[[str], Answer],
    ) -> Answer:  # fmt: skip
        op_id, data, raw, actor, at_ms, state, reason, happened, verb = row
        call, document = _read(bytes(data), bytes(raw))
        lines = lines_of(call)
        counted = any(line.source in hidden or line.target in hidden for line in lines)
        return {
            "proposal": bytes(op_id).hex(),
            "call": call.METHOD,
            "act": verb.replace("_", "-"),
            "of": str(call.of) if isinstance(call, calls.Reverse) else "",
            "by": name_of(Actor(bytes(actor))),
            "own": bytes(actor) == who.actor.raw,
            "at_ms": at_ms,
            "state": state,
            "reason": reason,
            "happened": bool(happened),
            "being_counted": counted,
            **_told(connection, document, () if counted else lines, measure, counted=counted),
        }

    def approve(self, op_id: OpId, who: Person, body: object, pin: object = None) -> Answer:
        """Sign and book a proposal: `proposal`. What happened and cannot be booked is an exception."""
        who.need(APPROVE, "approve documents")
        fields = Fields(body, "approve")
        proposal = fields.op_id("proposal")
        fields.done()
        self._tell(proposal, who)
        return self.book(op_id, who, proposal, lambda call, name: self._operators.approve(who, call, name, pin))

    def _tell(self, proposal: OpId, who: Person) -> None:
        """Booked or refused, who signs is told something of what the books have: kept on its own, before either."""
        with self._site.writing() as connection:
            row = connection.execute(
                "SELECT call FROM proposals WHERE op_id = ? AND state = 'open' AND actor <> ?",
                (proposal.raw, who.actor.raw),
            ).fetchone()
            if row is not None and who.counts:
                learned(connection, ends_of(calls.decode(bytes(row[0]))[1]), who.actor, self._desk.now_ms())

    def book(self, op_id: OpId, who: Person, proposal: OpId, sign: Sign) -> Answer:
        """Book a proposal with the signature that `sign` puts under it."""

        def work(connection: Connection) -> Answer:
            found = self._open(connection, proposal, who)
            call, ends = found.call, ends_of(found.call)
            refuse_frozen(connection, ends)
            for place in sorted(ends):
                if who.actor in counters_now(connection, place):
                    raise Rejected(f"who counted {place} in a count that goes on signs for nothing else there")
            signed = sign(call, proposal)
            self._decide(connection, proposal, who, "approved", "")
            answer = {"proposal": str(proposal), "state": "recorded"}
            try:
                if isinstance(call, calls.Reverse):
                    refuse_undone(connection, call.of)
                self._site.record(signed, op_id=proposal, document=found.document)
            except NotSigned:
                raise
            except Rejected:
                if not found.happened or self._site.find(proposal) is not None:
                    raise
                self._seal(connection, proposal, who, found)
                return {**answer, "exception": True}
            if found.verb in CORRECTIONS:
                hindsight.doubt_reviews(connection, ends)
            # What was wrong when it was proposed may be put right already by a count that ended after that.
            hindsight.doubt_counts(connection, self._counting, op_id, who, ends, found.at_ms + 1)
            if isinstance(call, calls.Reverse):
                _take_back(connection, call)
            return answer

        return self._desk.once(op_id, who.actor, "approve_proposal", {"proposal": proposal.raw}, work)

    def reject(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Refuse a proposal for good: `proposal`, `reason`. What happened becomes an exception all the same."""
        who.need(APPROVE, "reject documents")
        fields = Fields(body, "reject")
        proposal, reason = fields.op_id("proposal"), reason_code(fields.take("reason"))
        fields.done()

        def work(connection: Connection) -> Answer:
            found = self._open(connection, proposal, None)
            self._decide(connection, proposal, who, "rejected", reason)
            limits.forget(connection, proposal)
            if found.happened:
                self._seal(connection, proposal, who, found)
            told = {"exception": True} if found.happened else {}
            return {"proposal": str(proposal), "state": "rejected", **told}

        content = {"proposal": proposal.raw, "reason": reason}
        return self._desk.once(op_id, who.actor, "reject_proposal", content, work)

    def _seal(self, connection: Connection, proposal: OpId, who: Person, found: Proposed) -> None:
        """Keep what happened and is not booked, and have its places counted: in the name of whoever did it, or of who
        decides where they have no rights here any more."""
        lines = tuple(lines_of(found.call))
        if isinstance(found.call, calls.Reverse):
            lines = tuple(dataclasses.replace(line, source=line.target, target=line.source) for line in lines)
        did = self._operators.with_rights(connection, found.actor)
        by = did if did is not None and did.has(STOCK_ROLES) else who
        place, document = exceptions.places_of(lines)[0], Document.decode(found.document)
        learned(connection, (place,), by.actor, self._desk.now_ms())
        exceptions.seal(self._site, connection, self._counting, proposal, by, place, lines, document)

    @staticmethod
    def _open(connection: Connection, proposal: OpId, who: Person | None) -> Proposed:
        """A proposal that nobody has decided; `who` wants to sign it."""
        row = connection.execute(_ROW + "WHERE p.op_id = ?", (proposal.raw,)).fetchone()
        if row is None:
            raise Rejected(f"there is no proposal {proposal}")
        _, data, document, actor, at_ms, state, _, happened, verb = row
        if state != "open":
            raise Rejected(f"proposal {proposal} was {state} already")
        if who is not None and bytes(actor) == who.actor.raw:
            raise Rejected("nobody approves their own proposal: ask somebody else")
        _, call = calls.decode(bytes(data))
        if not isinstance(call, calls.ApprovedCall):
            raise Rejected(f"proposal {proposal} needs no signature")
        return Proposed(call, bytes(document), Actor(bytes(actor)), int(at_ms), bool(happened), str(verb))

    @staticmethod
    def _decide(connection: Connection, proposal: OpId, who: Person, state: str, reason: str) -> None:
        connection.execute(
            "UPDATE proposals SET state = ?, reason = ?, decided_by = ? WHERE op_id = ?",
            (state, reason, who.actor.raw, proposal.raw),
        )


def done_for(connection: Connection, op_id: OpId) -> dict[str, str]:
    """The delivery or order that an operation was done for, as its document says. A reversal says the same, or
    whoever adds up what was done for them would not take it off."""
    document = openings.document_of(connection, op_id)
    said = {} if document is None else document.references
    return {name: said[name] for name in ("delivery", "order") if name in said}


def refuse_undone(connection: Connection, of: OpId) -> None:
    """Refuse to undo an operation once more: its goods went back already, by its reversal or by another move."""
    if connection.execute("SELECT 1 FROM reversals WHERE of = ?", (of.raw,)).fetchone() is not None:
        raise Rejected(f"operation {of} was reversed already")
    # Of all later moves only those that carry a line of it the other way can be the one that names it.
    back = connection.execute(
        "SELECT DISTINCT b.op_id FROM operations o JOIN movements m ON m.height = o.height AND m.place = o.place"
        " JOIN movements n ON n.source = m.target AND n.target = m.source AND n.item = m.item AND n.lot = m.lot"
        " AND n.serial = m.serial AND n.quantity = m.quantity AND (n.height, n.place) > (m.height, m.place)"
        " JOIN operations b ON b.height = n.height AND b.place = n.place AND b.call = o.call"
        " WHERE o.op_id = ? AND o.call = ?",
        (of.raw, calls.Move.METHOD),
    ).fetchall()
    documents = (openings.document_of(connection, OpId(bytes(op_id))) for (op_id,) in back)
    if any(document is not None and document.references.get(TAKES_BACK) == str(of) for document in documents):
        raise Rejected(f"operation {of} was taken back already")


def _take_back(connection: Connection, call: calls.Reverse) -> None:
    """What was reversed is still to be done for what it was done for."""
    named = done_for(connection, call.of)
    if "order" in named:
        orders.take_back(connection, named["order"], call.lines)
    if "delivery" in named:
        deliveries.take_back(connection, named["delivery"], call.lines)
    deliveries.forget_note(connection, call.of)


def lines_of(call: calls.Call) -> Sequence[Line]:
    """What a proposed call would book."""
    lines: Sequence[Line] = getattr(call, "lines", ())
    return lines


def ends_of(call: calls.Call) -> set[str]:
    """The places of what a proposed call would book."""
    return {place for line in lines_of(call) for place in (line.source, line.target)}


@lru_cache(maxsize=1_000)
def _read(call: bytes, document: bytes) -> tuple[calls.Call, Document]:
    """What a proposal says. It never changes, and a list of those that wait is looked at again and again."""
    return calls.decode(call)[1], Document.decode(document)


_OF_LINES = tuple(each.name for each in dataclasses.fields(Line))


def _told(
    connection: Connection, document: Document, lines: Sequence[Line], measure: Callable[[str], Answer], *,
    counted: bool,
) -> Answer:  # fmt: skip
    """What a proposal says. Of a bin that is being counted nothing, for a word may be a number."""
    note = document.commitments.get("note")
    row = note and connection.execute("SELECT content FROM erasable WHERE digest = ?", (note,)).fetchone()
    return {
        "reasons": [] if counted else list(document.reasons),
        "references": {} if counted else dict(document.references),
        "note": row[0] if row and not counted else "",
        "lines": [
            {
                **{name: getattr(line, name) for name in _OF_LINES},
                **measure(line.item),
                "status": STATUSES[line.status],
                "reasons": list(document.line_reasons.get(number, ())),
            }
            for number, line in enumerate(lines)
        ],
    }
