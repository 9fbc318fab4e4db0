"""Count sessions as a whole: planned, started, ended. Bins and rounds: `counting`; decisions: `counting_review`.

draft → active → closed            shown as counting, recount, review or posted, from how its bins stand
  a sample that the hub is to draw is a draft without bins, shown as drawing, until its secret has come
          │  ╲→ rejected           nothing of it was accepted
          ╰──→ cancelled
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ledger import calls
from ledger.codec import cbor_encode
from ledger.control import VIRTUAL
from ledger.counts import Rule
from ledger.db import Connection
from ledger.documents import part_op_id, reason_code
from ledger.errors import Rejected, Unavailable
from ledger.ids import Actor, OpId
from ledger.people import APPROVE
from ledger.plans import DRAWN, Plan, Planned
from node import catalogue, counting_plans
from node.counting_facts import EVERYTHING, doubts, posted_rounds, unsettled
from node.counting_plans import BINS_MAX, Plans, sent_for
from node.desk import Answer, Desk, Person
from node.policies import counting_policy
from node.rounds import (
    ENDED,
    close_if_done,
    give_up_test,
    latest,
    need_assignee,
    need_session,
    note_baseline,
    open_round,
    reveal,
    set_bin,
    waits_for_draw,
)
from node.values import Fields, listed, text_id

log = logging.getLogger(__name__)

# The part of an act's op_id that names the count which is ordered because that act ended another.
AFTER = 1_005
SECRET_BYTES = 32
ITEMS_MAX = 50  # of one bin


@dataclass(frozen=True, slots=True)
class _Task:
    """One bin of a session as it was ordered."""

    bin: str
    items: tuple[str, ...] = ()
    assignee: Actor | None = None
    deadline_ms: int | None = None


class Sessions:
    """The verbs of whole sessions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._site = desk.site
        self.plans = Plans(desk)

    def open_session(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Plan a session: `name`, what it covers: `bins` [code or {bin, items, assignee, deadline_ms}], a whole one
        with the units in it, and `areas` [code], or `plan` (a rule, `counting_plans.scope_of`); `assignee` and
        `deadline_ms` for bins that name none; `rule` (limits), `draft`, `freeze` (its bins take no other work).
        Answers {session, bins}."""
        who.need(APPROVE, "open a count session")
        fields = Fields(body, "count session")
        name, draft, freeze = fields.name("name"), fields.flag("draft"), fields.flag("freeze")
        assignee, deadline_ms = fields.actor("assignee"), fields.moment("deadline_ms")
        bins, areas, plan = fields.take("bins"), fields.take("areas"), fields.take("plan")
        limits = fields.mapping("rule")
        rule = Rule.parse(limits)
        fields.done()
        wishes = [] if bins is None else [_task(wish) for wish in listed(bins, "bins", BINS_MAX)]
        areas = [] if areas is None else [text_id(area, "area") for area in listed(areas, "areas", BINS_MAX)]
        scope = None if plan is None else counting_plans.scope_of(plan, self._desk.start_of)
        if scope is not None and (wishes or areas):
            raise Rejected("a session has either named bins or a plan")
        content = {
            "name": name,
            "plans": [[each.bin, each.items, str(each.assignee or ""), each.deadline_ms] for each in wishes],
            "areas": areas,
            "rule": rule.as_json(),
            "draft": draft,
            "plan": {} if scope is None else scope.as_json(),
            "freeze": freeze,
            "assignee": str(assignee or ""),
            "deadline_ms": deadline_ms,
        }
        if scope is not None and self._site.find(op_id) is None:
            with self._site.reading() as connection:
                self._ordered(connection, [], [], self.plans.made(connection, op_id, scope, EVERYTHING))
            # A plan looks at a block: what was recorded until now has to be in one, that of the plan follows it.
            while self._site.seal() is not None:
                pass

        def work(connection: Connection) -> Answer:
            self._desk.refuse_used(connection, op_id)
            made = None if scope is None else self.plans.made(connection, op_id, scope, self._site.head.height)
            ordered = self._ordered(connection, wishes, areas, made)
            rule = counting_policy(connection).rule_of(limits)
            asks = made is not None and made.asks
            self._open(connection, op_id, who, name, rule, "draft" if draft or asks else "active", freeze=freeze)
            if asks:
                connection.execute(
                    "INSERT INTO count_draws VALUES (?, ?, ?, ?, '')",
                    (op_id.raw, None if assignee is None else assignee.raw, deadline_ms, draft),
                )
            self._add_bins(connection, op_id, ordered, assignee, deadline_ms, begins=not draft)
            self._plan(connection, who, made or self._named(op_id, ordered), rule, op_id)
            if who.counts and scope is not None and scope.empty:
                reveal(connection, op_id, [each.bin for each in ordered], who.actor, self._desk.now_ms())
            return {"session": str(op_id), "bins": sorted(each.bin for each in ordered), "drawing": asks}

        return self._desk.once(op_id, who.actor, "open_session", content, work)

    def draw(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Draw the sample of a session that waits for the hub's secret without it: `session`. Who chose the secret
        stands in the plan. Answers {session, bins}."""
        who.need(APPROVE, "draw the bins of a count")
        fields = Fields(body, "draw")
        session = fields.op_id("session")
        fields.done()

        def work(connection: Connection) -> Answer:
            need_session(connection, session)
            return {"session": str(session), "bins": self._draw(connection, session, who)}

        return self._desk.once(op_id, who.actor, "draw_session", {"session": session.raw}, work)

    def draw_ready(self) -> int:
        """Draw the samples whose secret the hub has sent, for those who ordered them; answers how many."""
        with self._site.reading() as connection:
            rows = connection.execute(
                "SELECT d.session, s.opened_by FROM count_draws d JOIN count_sessions s ON s.session = d.session"
                " WHERE d.problem = ''"
            ).fetchall()
            ready = [(OpId(bytes(session)), Person(Actor(bytes(by)), 0)) for session, by in rows]
            ready = [each for each in ready if sent_for(connection, each[0]) is not None]
        for session, who in ready:
            try:
                with self._site.writing() as connection:
                    self._draw(connection, session, who)
            except Rejected as error:
                # Such as somebody who may order counts no more: whoever may is shown it, and draws it or cancels.
                log.warning("a sample is not drawn", extra={"session": str(session), "reason": str(error)})
                with self._site.writing() as connection:
                    connection.execute(
                        "UPDATE count_draws SET problem = ? WHERE session = ?", (str(error), session.raw)
                    )
        return len(ready)

    def _draw(self, connection: Connection, session: OpId, who: Person) -> list[str]:
        """The bins of a session that waited for its draw. They follow from the rule that was sealed, and from the
        secret; the second document of the plan says so."""
        row = connection.execute(
            "SELECT d.assignee, d.deadline_ms, d.draft, s.rule FROM count_draws d"
            " JOIN count_sessions s ON s.session = d.session WHERE d.session = ? AND s.state = 'draft'",
            (session.raw,),
        ).fetchone()
        if row is None:
            raise Rejected("the bins of this count do not wait to be drawn")
        assignee = None if row[0] is None else Actor(bytes(row[0]))
        made = self.plans.drawn(connection, session)
        ordered = self._ordered(connection, [], [], made)
        if not row[2]:
            connection.execute("UPDATE count_sessions SET state = 'active' WHERE session = ?", (session.raw,))
        connection.execute("DELETE FROM count_draws WHERE session = ?", (session.raw,))
        self._add_bins(connection, session, ordered, assignee, row[1], begins=not row[2])
        self._plan(connection, who, made, Rule.parse(json.loads(row[3])), part_op_id(session, DRAWN))
        if made.rule.get("empty"):
            reveal(connection, session, [each.bin for each in ordered], who.actor, self._desk.now_ms())
        return sorted(each.bin for each in ordered)

    def order(
        self, connection: Connection, session: OpId, who: Person, name: str, bins: dict[str, tuple[str, ...]]
    ) -> list[str]:
        """Order a count because of what somebody found: bins with the items it is about (none: all of it, with the
        units in it). Bins that are in a count already are left to that one, an auditor's test gives way. Answers the
        others; the caller owns the transaction."""
        for bin_ in bins:
            give_up_test(connection, bin_)
        free = [_Task(bin_, items) for bin_, items in bins.items() if open_round(connection, bin_) is None]
        wanted = [*free, *_units_in(connection, free)]
        if wanted:
            try:
                rule = counting_policy(connection).rule_of({})
            except Unavailable:  # what happened at the shelf is booked, whatever the hub sent
                rule = Rule()
            self._open(connection, session, who, name, rule)
            self._add_bins(connection, session, wanted)
            self._plan(connection, who, self._named(session, wanted), rule, session)
        return [each.bin for each in wanted]

    def order_after(
        self, connection: Connection, op_id: OpId, who: Person, session: OpId, bins: Iterable[str]
    ) -> None:
        """The act `op_id` has ended the count of these bins. What was doubted of them since that was ordered, and is
        not settled by it, is counted now. A doubt that the count was ordered with is not: who ends it so knows. A
        piece that was found while the books have it elsewhere is not settled either: that place and this one are
        counted together, so that it can be said to be relocated."""
        since = {
            str(bin_): (int(height), int(place))
            for bin_, height, place in connection.execute(
                "SELECT bin, height, place FROM count_baselines WHERE session = ?", (session.raw,)
            )
        }
        over = {bin_: since[bin_] for bin_ in bins if bin_ in since}
        fresh = [each for each in doubts(connection) if each.place in over and each.recorded > over[each.place]]
        left: dict[str, list[frozenset[str]]] = {}
        for doubt in unsettled(connection, fresh, posted_rounds(connection) if fresh else []):
            left.setdefault(doubt.place, []).append(doubt.items)
        for found_in, booked_in, item in connection.execute(
            "SELECT c.bin, l.elsewhere, l.item FROM counts c JOIN count_lines l ON l.count = c.op_id"
            " JOIN serials s ON s.item = l.item AND s.serial = l.serial AND s.location = l.elsewhere"
            " JOIN locations p ON p.location = l.elsewhere AND p.kind <> ?"
            " WHERE c.session = ? AND l.posted IS NOT NULL",
            (VIRTUAL, session.raw),
        ):
            if found_in in over:
                left.setdefault(str(booked_in), []).append(frozenset((str(item),)))
                left.setdefault(str(found_in), []).append(frozenset((str(item),)))
        if left:
            wanted = {bin_: _all_of(connection, each) for bin_, each in left.items()}
            self.order(connection, part_op_id(op_id, AFTER), who, check_name(wanted), wanted)

    def test(self, connection: Connection, session: OpId, who: Person, bin_: str) -> None:
        """Open an auditor's test count of a bin, which they count themselves. The caller owns the transaction."""
        if open_round(connection, bin_) is not None:
            raise Rejected(f"{bin_} is being counted: test it when that count is over")
        rule, name = Rule(), f"Test count of {bin_}"
        self._open(connection, session, who, name, rule, test=True)
        wanted = [_Task(bin_)]
        self._add_bins(connection, session, wanted, begins=False)
        self._plan(connection, who, self._named(session, wanted), rule, session)

    @staticmethod
    def _ordered(connection: Connection, wishes: list[_Task], areas: list[str], made: Plan | None) -> list[_Task]:
        """Every bin of the session, each once; none of one that is to be drawn."""
        if made is not None:
            ordered = [_Task(each.bin, each.items) for each in made.bins]
            if made.asks:
                return ordered
        else:
            ordered, named = list(wishes), {wish.bin for wish in wishes}
            for area in areas:
                inside = catalogue.bins_under(connection, area)
                if not inside:
                    raise Rejected(f"area {area!r} has no bins: check its code")
                ordered.extend(_Task(bin_) for bin_ in inside if bin_ not in named)
                named.update(inside)
            ordered.extend(_units_in(connection, ordered))
        if not 0 < len(ordered) <= BINS_MAX or len({each.bin for each in ordered}) != len(ordered):
            raise Rejected(f"a session has 1 to {BINS_MAX} bins, each once; this one has {len(ordered)}")
        return ordered

    def _named(self, session: OpId, ordered: list[_Task]) -> Plan:
        """The plan of a session whose bins somebody named."""
        bins = tuple(Planned(each.bin, each.items) for each in ordered)
        return Plan(session=session, rule={}, height=self._site.head.height, bins=bins)

    def _open(
        self, connection: Connection, session: OpId, who: Person, name: str, rule: Rule, state: str = "active",
        *, freeze: bool = False, test: bool = False,
    ) -> None:  # fmt: skip
        """With a secret: what is drawn by chance within the session is drawn by it, so that neither who chose the ids
        nor who counts can foresee it."""
        secret, said = self._desk.random.bytes(SECRET_BYTES), json.dumps(rule.as_json())
        row = (session.raw, name, said, who.actor.raw, self._desk.now_ms(), state, "", freeze, test, secret)
        connection.execute(f"INSERT INTO count_sessions VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608

    def _plan(self, connection: Connection, who: Person, made: Plan, rule: Rule, op_id: OpId) -> None:
        """Put on the chain what was ordered, before anybody counts."""
        content = made.encode()
        self.plans.keep(connection, made)
        call = calls.PlanCount(
            actor=who.actor,
            scope=counting_plans.digest(content),
            rule=counting_plans.digest(cbor_encode(rule.as_json())),
            # One that was asked for in an earlier incarnation looks at blocks which this one does not number.
            height=min(made.height, self._site.head.height),
        )
        self._site.record(call, op_id=op_id, document=self._desk.document(plan=content))

    def _add_bins(
        self, connection: Connection, session: OpId, ordered: list[_Task], assignee: Actor | None = None,
        deadline_ms: int | None = None, *, begins: bool = True,
    ) -> None:  # fmt: skip
        """`begins`: what the bins hold is noted, as their count begins."""
        for each in ordered:
            self._add_bin(connection, session, each, each.assignee or assignee, each.deadline_ms or deadline_ms)
        if begins:
            note_baseline(connection, session, [each.bin for each in ordered])

    def _add_bin(
        self, connection: Connection, session: OpId, task: _Task, assignee: Actor | None, deadline_ms: int | None
    ) -> None:
        catalogue.need_bin(connection, task.bin)
        for sku in task.items:
            catalogue.need_item(connection, sku)
        if open_round(connection, task.bin) is not None:
            raise Rejected(f"{task.bin} is already in a count that is not finished: post or leave it there first")
        if assignee is not None:
            need_assignee(connection, assignee, deadline_ms, self._desk.now_ms())
        connection.execute(
            "INSERT INTO count_bins VALUES (?, ?, ?, 'waiting', '')",
            (session.raw, task.bin, json.dumps(list(task.items)) if task.items else ""),
        )
        connection.execute(
            "INSERT INTO count_rounds (session, bin, round, why, assignee, deadline_ms)"
            " VALUES (?, ?, 0, 'first', ?, ?)",
            (session.raw, task.bin, None if assignee is None else assignee.raw, deadline_ms),
        )

    def start(self, op_id: OpId, who: Person, body: object) -> Answer:
        """A draft becomes active: `session`."""
        who.need(APPROVE, "start a count session")
        fields = Fields(body, "start")
        session = fields.op_id("session")
        fields.done()

        def work(connection: Connection) -> Answer:
            if need_session(connection, session).state != "draft":
                raise Rejected("this session was started already")
            if waits_for_draw(connection, session) is not None:
                raise Rejected("the bins of this count are not drawn yet: wait for the hub, or draw them without it")
            connection.execute("UPDATE count_sessions SET state = 'active' WHERE session = ?", (session.raw,))
            note_baseline(connection, session, [bin_ for bin_, _ in _bins(connection, session)])
            return {"session": str(session)}

        return self._desk.once(op_id, who.actor, "start_session", {"session": session.raw}, work)

    def cancel(self, op_id: OpId, who: Person, body: object) -> Answer:
        """End a session: `session`, `reason`. Bins not posted stay uncounted; what was posted stays posted."""
        who.need(APPROVE, "cancel a count session")
        fields = Fields(body, "cancel")
        session, reason = fields.op_id("session"), reason_code(fields.take("reason"))
        fields.done()

        def work(connection: Connection) -> Answer:
            if need_session(connection, session).state not in ("draft", "active"):
                raise Rejected("this session has ended already")
            left = []
            for bin_, state in _bins(connection, session):
                if state == "closing":
                    raise Rejected(f"{bin_} is being recorded at this moment: repeat this")
                if state not in ENDED:
                    drop_open(connection, session, bin_)
                    set_bin(connection, session, bin_, "uncounted", reason)
                    left.append(bin_)
            connection.execute(
                "UPDATE count_sheets SET state = 'void', reason = ?, settled_by = ?, settled_at_ms = ?"
                " WHERE session = ? AND state = 'issued'",
                (reason, who.actor.raw, self._desk.now_ms(), session.raw),
            )
            connection.execute(
                "UPDATE count_sessions SET state = 'cancelled', reason = ? WHERE session = ?", (reason, session.raw)
            )
            connection.execute("DELETE FROM count_draws WHERE session = ?", (session.raw,))
            self.order_after(connection, op_id, who, session, left)
            return {"session": str(session), "uncounted": left}

        return self._desk.once(op_id, who.actor, "cancel_session", {"session": session.raw, "reason": reason}, work)

    def uncounted(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Leave one bin uncounted: `session`, `bin`, `reason`."""
        who.need(APPROVE, "leave a bin uncounted")
        fields = Fields(body, "uncounted")
        session, bin_ = fields.op_id("session"), fields.text("bin")
        reason = reason_code(fields.take("reason"))
        fields.done()

        def work(connection: Connection) -> Answer:
            need_session(connection, session)
            row = latest(connection, session, bin_)
            if row.bin_state in (*ENDED, "closing"):
                raise Rejected(f"{bin_} is {row.bin_state}: it can no longer be left uncounted")
            drop_open(connection, session, bin_)
            set_bin(connection, session, bin_, "uncounted", reason)
            close_if_done(connection, session)
            self.order_after(connection, op_id, who, session, (bin_,))
            return {"session": str(session), "bin": bin_}

        content = {"session": session.raw, "bin": bin_, "reason": reason}
        return self._desk.once(op_id, who.actor, "uncounted", content, work)

    def reject(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Accept nothing more of what was counted in bins in review: `session`, `bins` (default: all in review),
        `reason`. The counts stay on the chain, unposted but for lines that were posted before. Rejecting every bin
        rejects the session, where there are no such lines."""
        who.need(APPROVE, "reject a count")
        fields = Fields(body, "reject")
        session, named, reason = fields.op_id("session"), fields.take("bins"), reason_code(fields.take("reason"))
        fields.done()
        bins = None if named is None else [text_id(each, "bin") for each in listed(named, "bins", BINS_MAX)]

        def work(connection: Connection) -> Answer:
            need_session(connection, session)
            chosen = [bin_ for bin_, state in _bins(connection, session) if state == "review"]
            for bin_ in bins if bins is not None else ():
                if latest(connection, session, bin_).bin_state != "review":
                    raise Rejected(f"{bin_} is not in review: nothing to reject")
            rejected = chosen if bins is None else sorted(set(bins))
            if not rejected:
                raise Rejected("no bin of this session is in review")
            for bin_ in rejected:
                set_bin(connection, session, bin_, "rejected", reason)
            close_if_done(connection, session)
            self.order_after(connection, op_id, who, session, rejected)
            return {"session": str(session), "rejected": rejected}

        content = {"session": session.raw, "bins": bins, "reason": reason}
        return self._desk.once(op_id, who.actor, "reject", content, work)


def check_name(bins: Mapping[str, tuple[str, ...]]) -> str:
    """What a count is called that was ordered because of what somebody found: of some items it is a zero-check."""
    first, more = next(iter(bins)), f" and {len(bins) - 1} more" if len(bins) > 1 else ""
    return f"{'Zero-check' if all(bins.values()) else 'Check'} {first}{more}"


def _all_of(connection: Connection, doubted: list[frozenset[str]]) -> tuple[str, ...]:
    """The items to count: all that are doubted; none, which is the whole bin, where one of them has no name here."""
    found = frozenset[str]().union(*doubted)
    named = all(doubted) and len(catalogue.items(connection, found)) == len(found)
    return tuple(sorted(found)) if named and len(found) <= ITEMS_MAX else ()


def drop_open(connection: Connection, session: OpId, bin_: str) -> None:
    """Drop what is open of a bin. Its events stay."""
    connection.execute(
        "UPDATE tasks SET state = 'dropped' WHERE state = 'open' AND task IN"
        " (SELECT task FROM count_tallies WHERE session = ? AND bin = ?)",
        (session.raw, bin_),
    )


def _units_in(connection: Connection, ordered: list[_Task]) -> list[_Task]:
    """The units with goods that stand in bins which are counted whole, as their bin is to be: nothing in it is left
    out. One that is named itself, or is in a count already, is left to that."""
    named, found = {each.bin for each in ordered}, []
    for each in ordered:
        for unit in () if each.items else catalogue.bins_under(connection, each.bin):
            if unit not in named and open_round(connection, unit) is None:
                named.add(unit)
                found.append(replace(each, bin=unit))
    return found


def _bins(connection: Connection, session: OpId) -> list[tuple[str, str]]:
    return [
        (str(bin_), str(state))
        for bin_, state in connection.execute(
            "SELECT bin, state FROM count_bins WHERE session = ? ORDER BY bin", (session.raw,)
        ).fetchall()
    ]


def _task(wish: object) -> _Task:
    """One bin of a plan: a code, or an object with its task."""
    if isinstance(wish, str):
        return _Task(text_id(wish, "bin"))
    fields = Fields(wish, "bin of the session")
    bin_ = fields.text("bin")
    items = fields.take("items")
    skus = () if items is None else tuple(text_id(sku, "item") for sku in listed(items, "items", ITEMS_MAX))
    assignee, deadline_ms = fields.actor("assignee"), fields.moment("deadline_ms")
    fields.done()
    return _Task(bin_, tuple(dict.fromkeys(skus)), assignee, deadline_ms)
