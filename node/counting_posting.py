"""Posting a counted bin with another person's own signature: reasons for what differs, limits of who approves.

Every line is posted, also those without a difference. Reasons say why a line differs; several reasons say how much of
the difference each explains, until all of it is. Accepted relocations are reasons that are known already.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from ledger import calls
from ledger.counts import Compared
from ledger.db import Connection
from ledger.documents import REFERENCES_MAX, part_op_id, reason_code
from ledger.documents import Part as DocumentPart
from ledger.errors import LedgerError, ReasonNeeded, Rejected
from ledger.ids import Actor, OpId
from ledger.people import ADJUST, APPROVE, COUNT
from ledger.policy import RELOCATED, Counting, Limits
from ledger.wording import shown
from ledger.words import LINES_MAX
from node import catalogue
from node.counting_relocations import Key, note_posted, posted_before, refuse_open, relocated
from node.counting_sessions import Sessions
from node.desk import Answer, Desk, Person, is_done
from node.operators import Operators
from node.policies import counting_policy
from node.rounds import (
    Part,
    Round,
    chosen,
    close_if_done,
    counters_of,
    ended,
    movers_of,
    need_session,
    parked_count,
    parts,
    reveal_decided,
    set_bin,
    speaking,
)
from node.values import Fields, Said, amount, listed, shared_reasons, text_id

log = logging.getLogger(__name__)

BULK_MAX = 200
STANDS_IN = COUNT | ADJUST | APPROVE  # one of these the contract asks of whoever a count is posted for
Sign = Callable[[calls.ApprovedCall, OpId], calls.ApprovedCall]


@dataclass(frozen=True, slots=True)
class _Wish:
    """An approval as it was asked for. `lines`: None for all; `reasons` by line number, `every` for all others."""

    op_id: OpId
    who: Person
    session: OpId
    bin: str
    lines: frozenset[int] | None
    reasons: Mapping[int, Said]
    every: Said
    occurred_ms: int | None
    sign: Sign
    limits: Limits
    parts: int
    round: int | None

    def select(self, part: Part) -> int:
        """The lines of this part to post now, as bits: those wanted that are not posted yet."""
        first = (part.part - 1) * LINES_MAX
        return sum(
            1 << at
            for at in range(len(part.lines))
            if not part.posted[at] and (self.lines is None or first + at in self.lines)
        )


class Posting:
    """The approver's signature under a count."""

    def __init__(self, desk: Desk, operators: Operators, sessions: Sessions) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators
        self._sessions = sessions

    def approve(self, op_id: OpId, who: Person, body: object, pin: object = None) -> Answer:
        """Post a bin in review: `session`, `bin`, `round` (which was looked at; default: whatever is decided on),
        `lines` [numbers] (default: all), `reasons` {number: [code or [code, share]]}, `reason` for every other line
        that differs, `occurred_ms`."""
        who.need(APPROVE, "approve a count")
        fields = Fields(body, "approve")
        session, bin_ = fields.op_id("session"), fields.text("bin")
        named, lines = fields.take("round"), fields.take("lines")
        looked_at = None if named is None else amount(named, "round")
        numbers = (
            None if lines is None else frozenset(amount(n, "line") for n in listed(lines, "lines", 50 * LINES_MAX))
        )
        said = {_line(name): shared_reasons(codes, name) for name, codes in fields.mapping("reasons").items()}
        default, occurred_ms = fields.take("reason"), fields.moment("occurred_ms")
        every: Said = () if default is None else ((reason_code(default), 0),)
        fields.done()
        content = {
            "session": session.raw,
            "bin": bin_,
            "lines": sorted(numbers) if numbers is not None else None,
            "reasons": {name: [list(each) for each in codes] for name, codes in said.items()},
            "reason": [code for code, _ in every],
            "occurred_ms": occurred_ms,
            **({} if looked_at is None else {"round": looked_at}),
        }
        sign, limits = self._own(who, pin)
        self._tell(who, session, (bin_,))
        return self._approve(
            content, op_id, who, session, bin_, numbers, said, every, occurred_ms, sign, limits, looked_at
        )

    def approve_bins(self, op_id: OpId, who: Person, body: object, pin: object = None) -> Answer:
        """Post several bins in review with one PIN: `session`, `bins`, `reason` for what differs, `occurred_ms`.
        Each bin is posted on its own, under its own op_id. One whose stock moved while it was counted is not among
        them: whoever decides on it sees the moves. Answers {posted: [bins], refused: {bin: why}}; `Rejected` when
        none could be."""
        who.need(APPROVE, "approve counts")
        fields = Fields(body, "approve bins")
        session = fields.op_id("session")
        bins = [text_id(each, "bin") for each in listed(fields.take("bins"), "bins", BULK_MAX)]
        default, occurred_ms = fields.take("reason"), fields.moment("occurred_ms")
        every: Said = () if default is None else ((reason_code(default), 0),)
        fields.done()
        if not bins:
            raise Rejected("name the bins to approve")
        sign, limits = self._own(who, pin)
        self._tell(who, session, bins)
        posted, refused = [], {}
        for bin_ in sorted(set(bins)):
            content = {"session": session.raw, "bin": bin_, "reason": [code for code, _ in every],
                       "occurred_ms": occurred_ms}  # fmt: skip
            name = bin_op_id(op_id, bin_)
            try:
                self._refuse_unstable(name, session, bin_)
                self._approve(content, name, who, session, bin_, None, {}, every, occurred_ms, sign, limits)
                posted.append(bin_)
            except Rejected as error:
                refused[bin_] = str(error)
        if not posted:
            raise Rejected(f"no bin was posted: {next(iter(refused.values()))}")
        return {"op_id": str(op_id), "session": str(session), "posted": posted, "refused": refused}

    def _refuse_unstable(self, op_id: OpId, session: OpId, bin_: str) -> None:
        with self._site.reading() as connection:
            row = speaking(connection, session, bin_)
            stable = all(part.stable for part in parts(connection, session, bin_, row.round))
            if not stable and row.bin_state == "review" and not is_done(connection, op_id):
                raise Rejected(f"stock of {bin_} moved while it was counted: look at its moves, and approve it alone")

    def _tell(self, who: Person, session: OpId, bins: Iterable[str]) -> None:
        """Posted or refused, an approval says something of what differs: who may count these bins counts them no
        more. Kept on its own, before either."""
        with self._site.writing() as connection:
            if who.counts:
                reveal_decided(connection, session, bins, who.actor, self._desk.now_ms())

    def approve_from_hub(
        self, op_id: OpId, who: Person, session: OpId, bin_: str, reason: str, number: int, sign: Sign
    ) -> Answer:
        """Post a bin with the signatures of somebody at the hub, their decision `number`. What limits the people of
        the site does not bind them; a limit of their own does."""
        content = {"session": session.raw, "bin": bin_, "reason": reason, "decision": number}
        with self._site.writing() as connection:
            limits = counting_policy(connection).approvers.get(str(who.actor), Limits())
        return self._approve(content, op_id, who, session, bin_, None, {}, ((reason, 0),), None, sign, limits)

    @staticmethod
    def _refuse_whole(connection: Connection, wish: _Wish, found: Sequence[Part], known: Mapping[Key, int]) -> None:
        """All that is wanted at once, so that nothing of it stands when it is too much or lacks a reason."""
        _refuse_half(wish, found)
        lines = [line for part in found for line in _selected(part, wish.select(part))]
        _refuse_limits(connection, wish.limits, wish.who.actor, wish.session, wish.bin, lines, known)
        rules = counting_policy(connection)
        for part in found:
            _reasons(rules, wish, part, wish.select(part), known)

    def refused(self, connection: Connection, session: OpId, bin_: str, actor: Actor) -> str:
        """Why this person, if they may approve at all, may not post what is left of this bin; "" when they may."""
        if why := _own_work(connection, session, bin_, actor):
            return why
        rules, known = counting_policy(connection), relocated(connection, session, bin_)
        found = parts(connection, session, bin_, speaking(connection, session, bin_).round)
        left = [line for part in found for line, posted in zip(part.lines, part.posted, strict=True) if not posted]
        try:
            for part in found:
                if not part.done and part.counter is not None:
                    self._in_name_of(connection, session, bin_, part.counter, actor)
            _refuse_limits(connection, rules.limits_of(actor), actor, session, bin_, left, known)
        except Rejected as error:
            return str(error)
        return ""

    def _in_name_of(self, connection: Connection, session: OpId, bin_: str, counter: Actor, approver: Actor) -> Actor:
        """In whose name a count is posted: its counter's while they have rights here. What they counted happened, so
        then whoever opened the session stands in for them, or else of those who have a role and a key here the
        first by id; never who approves. `counter` stays who counted."""
        (opened_by,) = connection.execute(
            "SELECT opened_by FROM count_sessions WHERE session = ?", (session.raw,)
        ).fetchone()
        others = connection.execute(
            "SELECT actor FROM rights WHERE roles & ? AND key IS NOT NULL ORDER BY actor", (STANDS_IN,)
        ).fetchall()
        for raw in chain((counter.raw, opened_by), (row[0] for row in others)):
            person = self._operators.with_rights(connection, Actor(bytes(raw)))
            if person is not None and person.actor != approver and person.has(STANDS_IN):
                return person.actor
        raise Rejected(
            f"whoever counted {bin_} has no rights here any more, and nobody but you is left to stand in for them: "
            "have somebody else given a role, or have it counted again"
        )

    def _own(self, who: Person, pin: object) -> tuple[Sign, Limits]:
        """How somebody of the site signs, and up to what."""
        key = self._operators.signing_key(who, pin)
        with self._site.writing() as connection:
            limits = counting_policy(connection).limits_of(who.actor)
        return lambda call, name: self._operators.sign(who, call, name, key), limits

    def _approve(
        self, content: Mapping[str, object], op_id: OpId, who: Person, session: OpId, bin_: str,
        numbers: frozenset[int] | None, said: Mapping[int, Said], every: Said, occurred_ms: int | None, sign: Sign,
        limits: Limits, looked_at: int | None = None,
    ) -> Answer:  # fmt: skip
        with self._site.writing() as connection:
            row = speaking(connection, session, bin_)
            found = parts(connection, session, bin_, row.round)
        wish = _Wish(
            op_id, who, session, bin_, numbers, said, every, occurred_ms, sign, limits, len(found), looked_at
        )
        steps = [lambda connection, at=at: self._post(connection, wish, at) for at in range(max(1, len(found)))]
        answer = self._desk.steps(op_id, who.actor, "approve", content, steps)
        self._seal_closed(session)
        return answer

    def _post(self, connection: Connection, wish: _Wish, at: int) -> Answer:
        row = speaking(connection, wish.session, wish.bin)
        if row.bin_state != "review":
            raise Rejected(f"{wish.bin} is not in review: nothing to post")
        if wish.round not in (None, row.round):
            raise Rejected(f"another count of {wish.bin} is decided on by now: look at it again")
        if why := _own_work(connection, wish.session, wish.bin, wish.who.actor):
            raise Rejected(why)
        if parked_count(connection, wish.session, wish.bin):
            raise Rejected(f"{wish.bin} has scans that nobody has explained: resolve or dismiss them first")
        refuse_open(connection, wish.session, wish.bin)
        found = parts(connection, wish.session, wish.bin, row.round)
        part = found[at]
        select = wish.select(part)
        name = wish.op_id if wish.parts == 1 else part_op_id(wish.op_id, at + 1)
        # After a crash between two parts the same wish comes again: `select` has no line of a part that stands.
        if select or (not part.lines and part.post is None):
            known = relocated(connection, wish.session, wish.bin)
            self._refuse_whole(connection, wish, found, known)
            self._post_part(connection, wish, row, part, select, name, known)
        done = all(each.done for each in parts(connection, wish.session, wish.bin, row.round))
        if done:
            set_bin(connection, wish.session, wish.bin, "posted", ended(connection, wish.session, wish.bin))
            close_if_done(connection, wish.session)
            self._sessions.order_after(connection, wish.op_id, wish.who, wish.session, (wish.bin,))
        return {"session": str(wish.session), "bin": wish.bin, "state": "posted" if done else "review"}

    def _post_part(
        self, connection: Connection, wish: _Wish, row: Round, part: Part, select: int, name: OpId,
        known: Mapping[Key, int],
    ) -> None:  # fmt: skip
        if part.counter is None:
            raise Rejected(f"{wish.bin} is not recorded completely: close it again")
        rules = counting_policy(connection)
        reasons = _reasons(rules, wish, part, select, known)
        call = calls.PostCount(
            actor=self._in_name_of(connection, wish.session, wish.bin, part.counter, wish.who.actor),
            count=part.op_id,
            session=wish.session,
            bin=wish.bin,
            round=row.round,
            counter=part.counter,
            stable=part.stable,
            lines=part.lines,
            select=select,
        )
        choice = chosen(connection, wish.session, wish.bin)
        moved = [line.key for line in _selected(part, select) if line.key in known]
        before = posted_before(connection, wish.session, wish.bin, moved)
        why = (ended(connection, wish.session, wish.bin), "" if choice is None else choice[1])
        document = self._desk.document(
            wish.occurred_ms,
            reasons=tuple(dict.fromkeys(each for each in why if each)),
            line_reasons={line: tuple(code for code, _ in said) for line, said in reasons.items()},
            shares={line: tuple(share for _, share in said) for line, said in reasons.items() if len(said) > 1},
            references={f"{RELOCATED}-{number}": str(post) for number, post in enumerate(before[:REFERENCES_MAX], 1)},
            part=None if wish.parts == 1 else DocumentPart(wish.op_id, part.part, wish.parts),
        )
        signed = wish.sign(call, name)
        self._site.record(signed, op_id=name, document=document)
        connection.execute("UPDATE count_parts SET post = ? WHERE op_id = ?", (name.raw, part.op_id.raw))
        note_posted(connection, wish.session, wish.bin, moved)

    def _seal_closed(self, session: OpId) -> None:
        """The end of a session is a good moment for a signature; if it cannot be made now it is made later."""
        try:
            with self._site.writing() as connection:
                closed = need_session(connection, session).state == "closed"
            if closed and self._site.pending_count():
                self._site.seal()
        except LedgerError as error:
            log.info("session not sealed at once", extra={"reason": str(error)})


def _own_work(connection: Connection, session: OpId, bin_: str, actor: Actor) -> str:
    """Why this person may not approve this bin whatever their rights: it is their own work; "" when it is not."""
    if actor in counters_of(connection, session, bin_):
        return f"you counted {bin_}: somebody else has to approve it"
    if actor in movers_of(connection, session, bin_):
        return f"you moved or adjusted goods of {bin_} after its count was ordered: somebody else has to approve it"
    return ""


def _selected(part: Part, select: int) -> list[Compared]:
    return [line for at, line in enumerate(part.lines) if select >> at & 1]


def _refuse_half(wish: _Wish, found: Sequence[Part]) -> None:
    """Refuse one line of a piece that was found otherwise than the books had it, without the other: they would let go
    of it and not take it in, or not take in what they still have."""
    stand: dict[tuple[str, str], set[bool]] = {}
    for part in found:
        select = wish.select(part)
        for at, line in enumerate(part.lines):
            if line.serial:
                posted = part.posted[at] or bool(select >> at & 1)
                stand.setdefault((line.item, line.serial), set()).add(posted)
    for (item, serial), each in stand.items():
        if len(each) > 1:
            raise Rejected(f"piece {serial} of {item} is in two lines: post both at once")


def _refuse_limits(
    connection: Connection, limits: Limits, actor: Actor, session: OpId, bin_: str, lines: Iterable[Compared],
    known: Mapping[Key, int],
) -> None:  # fmt: skip
    """Refuse more than this person may approve, with what they approved before of this bin and of the session. What
    was relocated is neither lost nor found."""
    sizes = [(line.item, abs(line.difference) - known.get(line.key, 0)) for line in lines]
    if not any(size for _, size in sizes):
        return
    before = _approved(connection, session, actor)
    costs = catalogue.costs(connection, {item for item, _ in sizes} | {item for _, item, _ in before})
    limits.refuse_bin([*((item, size) for at, item, size in before if at == bin_), *sizes], costs)
    value = sum(costs[item].of(size) for _, item, size in before if item in costs)
    limits.refuse_session(value, sizes, costs)


def bin_op_id(whole: OpId, bin_: str) -> OpId:
    """The op_id of one bin of an approval of several: SHA-256(op_id ‖ bin)[:16]."""
    return OpId(hashlib.sha256(whole.raw + bin_.encode()).digest()[:16])


def _approved(connection: Connection, session: OpId, actor: Actor) -> list[tuple[str, str, int]]:
    """What this person approved in the session until now: bins, items and how much differed, gross."""
    rows = connection.execute(
        "SELECT c.bin, l.item, l.lot, l.serial, l.status, l.counted - l.expected FROM counts c"
        " JOIN count_lines l ON l.count = c.op_id JOIN count_posts p ON p.op_id = l.posted"
        " WHERE c.session = ? AND p.approver = ? AND l.counted <> l.expected",
        (session.raw, actor.raw),
    ).fetchall()
    moved = {bin_: relocated(connection, session, bin_) for bin_ in {str(row[0]) for row in rows}}
    return [
        (str(bin_), str(item), abs(int(size)) - moved[bin_].get((item, lot, serial, status), 0))
        for bin_, item, lot, serial, status, size in rows
    ]


def _reasons(
    rules: Counting, wish: _Wish, part: Part, select: int, known: Mapping[Key, int]
) -> dict[int, tuple[tuple[str, int], ...]]:
    """Reasons with their shares by line of the part, all of each difference explained; `Rejected` otherwise."""
    first = (part.part - 1) * LINES_MAX
    return {
        at: _explained(rules, line, first + at, known.get(line.key, 0), wish.reasons.get(first + at, wish.every))
        for at, line in enumerate(part.lines)
        if select >> at & 1 and line.difference
    }


def _explained(rules: Counting, line: Compared, number: int, moved: int, said: Said) -> tuple[tuple[str, int], ...]:
    found = [(RELOCATED, moved)] if moved else []
    left = abs(line.difference) - moved
    for code, share in said if left else ():
        rules.reason(code, line.difference)
        found.append((code, share or left))
    what = f"line {number} ({line.item}) differs"
    if not found:
        raise ReasonNeeded(f"{what}: give a reason")
    explained = sum(share for _, share in found)
    if explained != abs(line.difference):
        raise Rejected(f"{what} by {abs(line.difference)} and {explained} are explained: give each reason its share")
    return tuple(found)


def _line(name: str) -> int:
    if not (name.isascii() and name.isdecimal() and len(name) <= 5):
        raise Rejected(f"reasons: {shown(name)} is not a line number")
    return int(name)
