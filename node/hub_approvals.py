"""A site too small for two people: what nobody here may approve waits for somebody at the hub (`ledger/approvals`).

What waits is worked out from how things stand: no state says so, and it ends when somebody here may approve after
all. People of the hub are known by their key in the users stream; the node binds it on the chain by itself. A
decision is booked like an approval given here, with the signature that came with it; the hub is told what stands
against it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from ledger import approvals, calls
from ledger.approvals import APPROVED, CountWish, Decision, ProposalWish, Wish
from ledger.codec import cbor_encode
from ledger.db import Connection
from ledger.errors import Invalid, Rejected, Unavailable
from ledger.ids import Actor, OpId
from ledger.people import APPROVE, activation_code
from node import control, streams
from node.counting import Counting
from node.counting_relocations import refuse_open
from node.desk import Desk, Person, is_done
from node.operators import Operators
from node.proposals import Proposals, ends_of
from node.rounds import counters_now, parked_count, parts, speaking
from sync.messages import Advice

log = logging.getLogger(__name__)

# All that waits travels in one advice, as a frame of its own; what does not fit waits for its turn.
WISHES_BYTES_MAX = 48 * 1024
BINS_MAX = 100
PROPOSALS_MAX = 100


class HubApprovals:
    """What waits for the hub, and its decisions, booked."""

    def __init__(self, desk: Desk, operators: Operators, counting: Counting, proposals: Proposals) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators
        self._counting = counting
        self._proposals = proposals
        self._bindings_tried: dict[Actor, tuple[bytes, int]] = {}
        self._applied: tuple[int, int] = (0, 0)

    # ------------------------------------------------------------ asking

    def advice(self) -> list[Advice]:
        """All that waits now, for the next exchange; nothing where nobody at the hub may approve."""
        with self._site.reading() as connection:
            if not self._able_at_hub(connection):
                return []
            said: list[Any] = []
            room = WISHES_BYTES_MAX
            for wish in self.wishes(connection):
                value = wish.value()
                room -= len(cbor_encode(value))
                if said and room < 0:
                    break
                said.append(value)
        return [Advice(approvals.ADVICE, "", {"wishes": said})]

    def wishes(self, connection: Connection) -> list[Wish]:
        """What nobody here may approve and somebody at the hub may; of counts only what is ready to be posted."""
        if not self._able_at_hub(connection):
            return []
        here = self._able_here(connection)
        rows = connection.execute(
            "SELECT b.session, b.bin FROM count_bins b JOIN count_sessions s ON s.session = b.session"
            " WHERE b.state = 'review' AND s.state = 'active' ORDER BY s.opened_at_ms, b.bin LIMIT ?",
            (BINS_MAX,),
        ).fetchall()
        found: list[Wish | None] = [self._count(connection, OpId(bytes(row[0])), str(row[1]), here) for row in rows]
        for name, act, data, document, actor in self._proposals.open(connection, PROPOSALS_MAX):
            counted = (counters_now(connection, place) for place in ends_of(calls.decode(data)[1]))
            if not here.difference({actor}, *counted):
                tried, why = self._tried(connection, name)
                found.append(ProposalWish(name, act, data, document, tried, why))
        return [wish for wish in found if wish is not None]

    def waits(self, connection: Connection, session: OpId, bin_: str) -> bool:
        """Whether a bin in review waits for the hub."""
        return self._able_at_hub(connection) and bool(
            self._count(connection, session, bin_, self._able_here(connection))
        )

    def proposal_waits(self, connection: Connection, by: Actor) -> bool:
        """Whether what this person proposed waits for the hub."""
        return self._able_at_hub(connection) and not self._able_here(connection) - {by}

    def _count(self, connection: Connection, session: OpId, bin_: str, here: set[Actor]) -> CountWish | None:
        """The wish for a bin in review; None while somebody here may post it, or has something to clear up first."""
        wish = self._count_as_it_is(connection, session, bin_)
        if wish is None or parked_count(connection, session, bin_):
            return None
        try:
            refuse_open(connection, session, bin_)
        except Rejected:
            return None
        if not all(self._counting.posting.refused(connection, session, bin_, actor) for actor in here):
            return None
        return wish

    def _count_as_it_is(self, connection: Connection, session: OpId, bin_: str) -> CountWish | None:
        row = speaking(connection, session, bin_)
        found = parts(connection, session, bin_, row.round)
        if row.bin_state != "review" or not found or any(part.counter is None for part in found):
            return None
        open_ = [(part.op_id, sum(1 << at for at, posted in enumerate(part.posted) if not posted)) for part in found]
        wish = approvals.count_wish(str(self._site.identity.origin), session, bin_, open_)
        tried, why = self._tried(connection, wish.name)
        return CountWish(wish.name, session, bin_, wish.parts, tried, why)

    # ------------------------------------------------------------ who may

    def _able_here(self, connection: Connection) -> set[Actor]:
        """Everybody of the site who may approve and has a key here to do it with."""
        rows = connection.execute(
            "SELECT p.actor FROM people p JOIN personal_keys k ON k.actor = p.actor AND k.address = p.key"
        ).fetchall()
        people = [self._operators.with_rights(connection, Actor(bytes(actor))) for (actor,) in rows]
        return {person.actor for person in people if person is not None and person.has(APPROVE)}

    def _able_at_hub(self, connection: Connection) -> bool:
        return any(self._of_hub(connection, actor) is not None for actor in _hub_people(connection))

    def _of_hub(self, connection: Connection, actor: Actor) -> Person | None:
        """Somebody of the hub with their rights of now; None when the chain does not know their key for theirs."""
        told = _hub_people(connection).get(actor)
        row = connection.execute("SELECT key FROM people WHERE actor = ?", (actor.raw,)).fetchone()
        if told is None or row is None or row[0] is None or bytes(row[0]) != told[0]:
            return None
        person = self._operators.with_rights(connection, actor)
        return person if person is not None and person.has(APPROVE) else None

    # ------------------------------------------------------------ taking

    def apply_ready(self) -> int:
        """Bind the keys of people of the hub, and book what they decided; answers how many decisions were new."""
        self._bind()
        with self._site.reading() as connection:
            cursor = streams.cursor(connection, approvals.STREAM)
            if cursor == self._applied:
                return 0
            known = list(streams.every(connection, approvals.STREAM))
        count = 0
        for key, value in known:
            name, decision = OpId.parse(key), approvals.decision(value)
            with self._site.reading() as connection:
                row = connection.execute("SELECT number FROM hub_answers WHERE op_id = ?", (name.raw,)).fetchone()
            if row is not None and int(row[0]) >= decision.number:
                continue
            try:
                self._apply(name, decision)
                why = ""
            except (Rejected, Invalid) as error:
                why = str(error)
                log.warning("a decision of the hub is not booked", extra={"op": key, "reason": why})
            # If we die before this is kept, the decision is tried once more: an act that stands has its answer.
            with self._site.writing() as connection:
                connection.execute(
                    "INSERT OR REPLACE INTO hub_answers VALUES (?, ?, ?, ?, ?)",
                    (name.raw, decision.number, "refused" if why else "done", why, self._desk.now_ms()),
                )
            count += 1
        self._applied = cursor
        return count

    def _apply(self, name: OpId, decision: Decision) -> None:
        act = _act_op_id(name, decision.number)
        with self._site.reading() as connection:
            proposed = connection.execute("SELECT 1 FROM proposals WHERE op_id = ?", (name.raw,)).fetchone()
            if is_done(connection, act) or (proposed is None and is_done(connection, name)):
                return
            who = self._of_hub(connection, decision.actor)
            bin_ = None if proposed else self._bin_of(connection, name)
        if who is None:
            raise Rejected(f"{decision.by} has no key on this chain with which to approve")
        if proposed:
            if decision.verdict == APPROVED:
                self._proposals.book(act, who, name, _signed((name,), decision))
            else:
                self._proposals.reject(act, who, {"proposal": str(name), "reason": decision.reason})
        elif bin_ is None:
            raise Rejected("what was decided about has changed since, or does not wait any more")
        elif decision.verdict == APPROVED:
            self._counting.posting.approve_from_hub(
                name, who, bin_.session, bin_.bin, decision.reason, decision.number, _signed(bin_.names(), decision)
            )
        else:
            wish = {"session": str(bin_.session), "bins": [bin_.bin], "reason": decision.reason}
            self._counting.reject(act, who, wish)

    def _bin_of(self, connection: Connection, name: OpId) -> CountWish | None:
        """The bin in review that this name stands for, as it is now."""
        rows = connection.execute(
            "SELECT b.session, b.bin FROM count_bins b JOIN count_sessions s ON s.session = b.session"
            " WHERE b.state = 'review' AND s.state = 'active'"
        ).fetchall()
        found = (self._count_as_it_is(connection, OpId(bytes(session)), str(bin_)) for session, bin_ in rows)
        return next((wish for wish in found if wish is not None and wish.name == name), None)

    @staticmethod
    def _tried(connection: Connection, name: OpId) -> tuple[int, str]:
        """The newest decision that could not be booked, and why."""
        row = connection.execute(
            "SELECT number, why FROM hub_answers WHERE op_id = ? AND state = 'refused'", (name.raw,)
        ).fetchone()
        return (0, "") if row is None else (int(row[0]), str(row[1]))

    def _bind(self) -> None:
        """Tell the chain the keys of people of the hub; what it does not take is tried after its next record."""
        with self._site.reading() as connection:
            told = _hub_people(connection)
            bound = dict(connection.execute("SELECT actor, key FROM people").fetchall()) if told else {}
            at = control.next_sequence(connection) if told else 0
        for actor, (address, code) in told.items():
            known = bound.get(actor.raw)
            if actor.raw not in bound or (known is not None and bytes(known) == address):
                continue
            if self._bindings_tried.get(actor) == (address, at):
                continue
            self._bindings_tried[actor] = (address, at)
            op_id = OpId(hashlib.sha256(b"tallyman/hub-bind/v1\n" + actor.raw + address).digest()[:16])
            try:
                self._site.record(calls.Bind(actor=actor, key=address, code=activation_code(code)), op_id=op_id)
            except (Rejected, Unavailable) as error:
                log.info("the key of somebody at the hub is not bound", extra={"reason": str(error)})


def _signed(names: tuple[OpId, ...], decision: Decision) -> Callable[[calls.ApprovedCall, OpId], calls.ApprovedCall]:
    """Puts the decision's signatures under the operations of these names; the contract judges them."""
    if len(names) != len(decision.signatures):
        raise Rejected(f"the decision has {len(decision.signatures)} signatures for {len(names)} operations")
    made = dict(zip(names, decision.signatures, strict=True))

    def sign(call: calls.ApprovedCall, name: OpId) -> calls.ApprovedCall:
        raw = made[name]
        return calls.with_approval(call, calls.Approval(actor=decision.actor, v=raw[64], r=raw[:32], s=raw[32:64]))

    return sign


def _act_op_id(name: OpId, number: int) -> OpId:
    """The act of one decision; a later one about the same thing is another."""
    return OpId(hashlib.sha256(b"tallyman/decision/v1\n" + name.raw + str(number).encode()).digest()[:16])


def _hub_people(connection: Connection) -> Mapping[Actor, tuple[bytes, str]]:
    """People of the hub by id: the address of their key and the one-time code that binds it."""
    found = {}
    for actor, value in streams.every(connection, streams.USERS):
        key, code = (value.get("key"), value.get("code")) if isinstance(value, dict) else (None, None)
        if isinstance(key, bytes) and len(key) == 20 and isinstance(code, str):
            found[Actor.parse(actor)] = (key, code)
    return found
