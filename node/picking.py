"""Picking: a list reserves by bin and lot, each pick moves stock at once into the picker's tote, issue empties it.

open → begun with a tote → picks, shorts → issued          or cancelled, once its tote is empty

An act of several operations uses its own op_id for the first of them and `part_op_id` of it for the others, all in
one transaction.
"""

from __future__ import annotations

from collections import Counter

from ledger import calls
from ledger.db import Connection
from ledger.documents import FROZEN, part_op_id, reason_code
from ledger.errors import ReasonNeeded, Rejected
from ledger.ids import Actor, OpId
from ledger.moves import FREE, Line
from ledger.people import APPROVE, ISSUE
from ledger.words import LINES_MAX
from node import catalogue, control, exceptions, orders, tasks
from node.counting import Counting
from node.counting_amounts import asked_back
from node.desk import Answer, Desk, Person, is_done
from node.operators import Operators
from node.picking_lists import (
    PickList,
    Share,
    allocate,
    held_in,
    in_totes,
    instead,
    need_list,
    picked,
    refuse_tote,
    scanned_for,
    shares,
    short_places,
    shown,
    still_wanted,
    take_tote,
    wishes,
)
from node.rounds import learned, refuse_frozen
from node.stock_goods import GoodsDocuments
from node.tasks import Cause, Thing
from node.values import Fields, listed, reference
from node.wish import Wish

SHORT = "short-pick"
# Parts of an act's op_id beyond those of its document, whose numbers are lower, beside `exceptions.CHECK`: a short
# pick reserves again, every act may give back.
AGAIN, BACK = 1_001, 1_003
LISTS_MAX = 200


class Picking:
    """The verbs. Each answers {op_id, …}."""

    def __init__(self, desk: Desk, operators: Operators, counting: Counting, stock: GoodsDocuments) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators
        self._counting = counting
        self._stock = stock

    def open(self, op_id: OpId, who: Person, body: object) -> Answer:
        """A new list: `order` (its number), `lines` [{item or barcode, quantity}], without which it is an order that
        the hub announced. Reserves what is free, first expired first; answers {list, missing {item: quantity}}. The
        op_id is the list's name."""
        who.need(ISSUE, "open a pick list")
        fields = Fields(body, "pick list")
        order, lines = reference(fields.take("order")), fields.take("lines")
        fields.done()
        with self._site.reading() as connection:
            named = orders.find(connection, order).wanted if lines is None else _wanted(connection, lines)
        for sku in named:
            control.apply_until_item(self._site, sku)

        def work(connection: Connection) -> Answer:
            self._desk.refuse_used(connection, op_id)
            wanted = orders.to_pick(connection, order) if lines is None else named
            connection.execute(
                "INSERT INTO pick_lists VALUES (?, ?, ?, ?, 'open', NULL, '')",
                (op_id.raw, order, who.actor.raw, self._desk.now_ms()),
            )
            connection.executemany(
                "INSERT INTO pick_wishes VALUES (?, ?, ?)",
                [(op_id.raw, item, quantity) for item, quantity in wanted.items()],
            )
            missing = self._reserve(connection, op_id, op_id, who, wanted, order)
            if sum(missing.values()) == sum(wanted.values()):
                raise Rejected("nothing of this order is free here now")
            return {"list": str(op_id), "missing": missing}

        # A retry says the same although the hub has changed its order in between.
        said = "announced" if lines is None else sorted([item, quantity] for item, quantity in named.items())
        content = {"order": order, "lines": said}
        return self._desk.once(op_id, who.actor, "open_picks", content, work)

    def again(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Look again for what is missing of an open list: `list`. What is free now is promised to it, but not from
        where it was missing before, until that bin is counted. Answers {list, missing}."""
        who.need(ISSUE, "pick goods")
        fields = Fields(body, "look again")
        name = fields.op_id("list")
        fields.done()

        def work(connection: Connection) -> Answer:
            self._desk.refuse_used(connection, op_id)
            found, hidden = need_list(connection, name), self._counting.blind_bins(connection, who)
            # What is missing would tell what the books have in the tote, and what is promised from a bin.
            for place in sorted(hidden & {*found.totes, *(share.location for share in shares(connection, name))}):
                raise Rejected(f"{place} is being counted: wait until that count is finished")
            # Where it is not any more, it is promised no more.
            gone = [(each, lost) for each in shares(connection, name) if (lost := each.quantity - each.there)]
            self._give_back(connection, op_id, who, gone, found)
            missing = self._reserve(connection, name, op_id, who, still_wanted(connection, found), found.reference)
            return {"list": str(name), "missing": {} if hidden else missing}

        return self._desk.once(op_id, who.actor, "pick_again", {"list": name.raw}, work)

    def begin(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Take a list: `list`, `tote`, an empty bin or handling unit that nobody else picks into, `occurred_ms`,
        `happened`, `note`. It is a claim and moves nothing, so it may be refused while the person is there. Once they
        have gone on it says where their picks lie: the tote is theirs for this list, and one that the rules would not
        have given them is counted."""
        who.need(ISSUE, "pick goods")
        fields = Fields(body, "begin picking")
        name, tote, label = fields.op_id("list"), fields.text("tote"), fields.label("scanned")
        wish = self._stock.wish(who, fields, None)

        def work(connection: Connection) -> Answer:
            found = need_list(connection, name, open_=False)
            told: Answer = {}
            self._note(connection, who, wish, name, ("", tote), [(Thing(place=tote), 0, label)])
            try:
                refuse_tote(connection, found, tote)
            except Rejected:
                if not wish.happened:
                    raise
                if tote not in found.totes:
                    told = self._keep(connection, op_id, who, wish, found, tote)
            take_tote(connection, found, who.actor, tote)
            return {"list": str(name), "tote": tote, **told}

        # As it was before one could begin without contact: what is asked again after an update is the same wish.
        said = {**({"happened": True} if wish.content["happened"] else {}), **({"scanned": label} if label else {})}
        return self._desk.once(op_id, who.actor, "begin_picks", {"list": name.raw, "tote": tote, **said}, work)

    def pick(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Goods go into the tote now: `list`, `item` or `barcode`, `quantity`, `source`, `lot`, `serial`, `reasons`
        (needed for another lot or bin than the promised one), `scanned` and `scanned_source` (the labels of goods and
        bin as they were read), `occurred_ms`, `happened`, `note`. Answers {left}, what of the item is still to be
        picked, unless some is promised from a bin that the person must not know about. What happened and nothing
        promises any more becomes an exception."""
        who.need(ISSUE, "pick goods")
        fields = Fields(body, "pick")
        name, source = fields.op_id("list"), fields.text("source")
        lot, serial = fields.text("lot", need=False), fields.text("serial", need=False)
        did_at_ms = self._desk.did_at_ms(who, Fields(body, "pick").moment("occurred_ms"))
        happened = Fields(body, "pick").flag("happened") or self._desk.was_away(who)
        with self._site.reading() as connection:
            sku, pack = catalogue.goods_named(connection, fields, did_at_ms, lot, serial, happened=happened)
        quantity, sure = fields.quantity("quantity", least=1) * pack, fields.flag("confirm")
        label, bin_label = fields.label("scanned"), fields.label("scanned_source")
        with self._site.reading() as connection:
            may_ask = not sure and not happened and self._desk.may_ask(connection, op_id, who)
            asked = asked_back(connection, catalogue.need_item(connection, sku), quantity) if may_ask else ""
        wish = self._stock.wish(who, fields, None)
        if asked:
            return {"op_id": str(op_id), "ask": asked}
        wish.content |= {"list": name.raw, "line": [sku, lot, serial, quantity, source]}
        if label or bin_label:
            wish.content["scanned"] = [label, bin_label]

        def work(connection: Connection) -> Answer:
            found, tote = _begun(connection, name, who, wish)
            if not wish.happened:
                catalogue.need_bin(connection, source)
            if self._site.find(op_id) is None:
                wish.ask(FROZEN, lambda: refuse_frozen(connection, (source, tote)))
            said = [(Thing(place=source), 0, bin_label)] if bin_label else []
            said.append((Thing(sku, lot, serial, FREE, "", tote), quantity, label))
            wish.scans = tasks.root(connection, self._note(connection, who, wish, name, (source, tote), said))
            promised = [share for share in shares(connection, name) if share.item == sku]
            total, hidden = sum(share.quantity for share in promised), self._hidden(connection, who, promised)
            moved = Line(item=sku, lot=lot, serial=serial, quantity=quantity, source=source, target=tote)
            wish.lines = (moved,)
            if quantity > total or not tote:
                if not wish.happened:
                    if hidden:
                        raise Rejected(f"this is more of {sku} than is still to be picked")
                    still = catalogue.written(connection, {sku: total})
                    raise Rejected(f"{still} of {sku} are still to be picked")
                # Nothing of the list stands for it any more: it was picked, cancelled or issued meanwhile. Or nobody
                # has said into which tote.
                told = self._keep(connection, op_id, who, wish, found, source)
                return {"state": "recorded", **told, "list": str(name), **({} if hidden else {"left": total})}
            here = [share for share in promised if (share.location, share.lot) == (source, lot)]
            if quantity > sum(share.quantity for share in here) and not wish.every and not wish.happened:
                raise ReasonNeeded(f"{sku} is promised from another bin or lot: give a reason to take this one")
            own = max(here, key=lambda share: share.quantity, default=promised[0]).reservation

            def picks(lines: tuple[Line, ...]) -> calls.Call:
                return calls.Pick(actor=who.actor, reservation=own, lines=lines)

            answer, booked = self._stock.book(connection, op_id, who, wish, picks, {"order": found.reference})
            # The goods are in the tote whether or not the books can say so.
            rest = instead(promised, here, own if booked.lines else None, quantity)
            self._give_back(connection, op_id, who, rest, found)
            left = sum(share.quantity for share in shares(connection, name) if share.item == sku)
            return {**answer, "list": str(name), **({} if hidden else {"left": left})}

        self._tell(op_id, who, name, sku, source, quantity)
        return self._desk.once(op_id, who.actor, "pick", wish.content, work)

    def short(self, op_id: OpId, who: Person, body: object) -> Answer:
        """What is promised there is not there: `list`, `location`, `item`, `lot`, `reasons`, `note`. The bin becomes
        suspect, a count of that item in it is ordered, and the rest is looked for elsewhere. Answers {short,
        missing}: what was not there, and what of that is nowhere; without these of a bin that the person must not
        know about, which they count no more now that they see what is promised in its place."""
        who.need(ISSUE, "pick goods")
        fields = Fields(body, "short pick")
        name, location, sku = fields.op_id("list"), fields.text("location"), fields.text("item")
        lot = fields.text("lot", need=False)
        wish = self._stock.wish(who, fields, None)
        wish.content |= {"list": name.raw, "short": [location, sku, lot]}

        def work(connection: Connection) -> Answer:
            found, tote = _begun(connection, name, who, wish)
            catalogue.need_item(connection, sku)
            gone = [each for each in shares(connection, name) if each.key == (location, sku, lot)]
            if not gone and not wish.happened:
                raise Rejected(f"nothing of {sku} is promised from {location} in this list")
            quantity, hidden = sum(share.quantity for share in gone), self._hidden(connection, who, gone)
            learned(connection, hidden, who.actor, self._desk.now_ms())
            looked = self._note(connection, who, wish, name, (location, tote), [(Thing(sku, lot), 0, b"")])
            wish.scans = tasks.root(connection, looked)
            # That it is not there was seen, whether or not anything promises it still: the bin is checked.
            line = Line(item=sku, lot=lot, quantity=quantity, source=location, target=tote)
            document = self._stock.document(connection, wish, {"order": found.reference})
            stated = calls.ExceptDocument(
                actor=who.actor, location=location, reason=SHORT, lines=(line,) if gone else ()
            )
            self._site.record(stated, op_id=op_id, document=document)
            missing = self._elsewhere(connection, op_id, who, found, gone) if gone else 0
            exceptions.order_count(connection, self._counting, op_id, who, (location,), (sku,) if gone else ())
            return {"list": str(name), **({} if hidden else {"short": quantity, "missing": missing})}

        return self._desk.once(op_id, who.actor, "short_pick", wish.content, work)

    def issue(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Everything in the tote leaves to the customer and the list ends: `list`, `confirm` (although something is
        still to be picked), `occurred_ms`, `happened`, `note`."""
        who.need(ISSUE, "issue goods")
        fields = Fields(body, "issue of a list")
        name, sure = fields.op_id("list"), fields.flag("confirm")
        wish = self._stock.wish(who, fields, None)
        wish.content |= {"list": name.raw, "confirm": sure}
        with self._site.reading() as connection:
            found = need_list(connection, name, open_=False)
            if found.state == "open" and not sure and not wish.happened:
                asked = [self._not_picked(connection, who, shares(connection, name))]
                asked.append(self._too_much(connection, who, found))
                asked += [_stays(tote) for tote in found.totes if held_in(connection, tote)]
                if any(asked):
                    return {"op_id": str(op_id), "ask": " ".join(asked).strip()}

        def work(connection: Connection) -> Answer:
            found, tote = _begun(connection, name, who, wish)
            # After the list has ended, what lies in its tote is another's.
            wish.lines = in_totes(connection, found.totes) if found.state == "open" else ()
            if not wish.lines and not wish.happened:
                raise Rejected(f"{tote} is empty: pick something, or cancel the list")
            wish.ask(FROZEN, lambda: refuse_frozen(connection, found.totes))
            wish.scans = tasks.root(connection, *scanned_for(connection, name))

            def leave(lines: tuple[Line, ...]) -> calls.Call:
                return calls.Issue(actor=who.actor, lines=lines)

            rest = [(share, share.quantity) for share in shares(connection, name)]
            if wish.lines:
                named = {"order": found.reference}
                self._stock.ask_limit(connection, op_id, who, wish, leave(()), named)
                answer, _ = self._stock.book(connection, op_id, who, wish, leave, named)
            else:
                # By the books nothing was in a tote. Where there was none, it came from where it was promised.
                places = [tote] if tote else [share.location for share, _ in rest] or [""]
                answer = {"state": "recorded", **self._keep(connection, op_id, who, wish, found, *places)}
            if found.state == "open":
                # What left is gone, whether or not the books can say so.
                orders.issued(connection, found.reference, wish.lines)
                self._give_back(connection, op_id, who, rest, found)
                connection.execute("UPDATE pick_lists SET state = 'issued' WHERE list = ?", (name.raw,))
            return {**answer, "list": str(name), "lines": len(wish.lines)}

        return self._desk.once(op_id, who.actor, "issue_picks", wish.content, work)

    def cancel(self, op_id: OpId, who: Person, body: object) -> Answer:
        """End a list without its goods: `list`, `reason`. What lies in its tote is put away first."""
        who.need(ISSUE | APPROVE, "cancel a pick list")
        fields = Fields(body, "cancel a list")
        name, reason = fields.op_id("list"), reason_code(fields.take("reason"))
        fields.done()

        def work(connection: Connection) -> Answer:
            found = need_list(connection, name)
            full = [tote for tote in found.totes if picked(connection, (tote,)) or held_in(connection, tote)]
            if full:
                raise Rejected(f"{full[0]} is not empty: put its goods away first")
            rest = [(share, share.quantity) for share in shares(connection, name)]
            self._give_back(connection, op_id, who, rest, found, reason)
            connection.execute("UPDATE pick_lists SET state = 'cancelled' WHERE list = ?", (name.raw,))
            return {"list": str(name)}

        return self._desk.once(op_id, who.actor, "cancel_picks", {"list": name.raw, "reason": reason}, work)

    # ------------------------------------------------------------ reading

    def lists(
        self, connection: Connection, who: Person, after: tuple[int, str] = (0, ""), most: int = LISTS_MAX
    ) -> list[Answer]:
        """Open lists, oldest first: [{list, order, opened_at_ms, tote, picker, mine, lines}], `lines` being how many
        are left. `after`: (opened_at_ms, list) of the one after which to go on."""
        who.may_see(ISSUE | APPROVE, "see pick lists")
        rows = connection.execute(
            "SELECT list, reference, tote, picker, opened_at_ms FROM pick_lists WHERE state = 'open'"
            " AND (opened_at_ms, list) > (?, ?) ORDER BY opened_at_ms, list LIMIT ?",
            (after[0], bytes.fromhex(after[1]), most),
        ).fetchall()
        found = []
        for name, order, tote, picker, opened_at_ms in rows:
            by = None if picker is None else Actor(bytes(picker))
            lines = len(shares(connection, OpId(bytes(name))))
            found.append(
                {
                    "list": bytes(name).hex(),
                    "order": order,
                    "opened_at_ms": opened_at_ms,
                    "tote": tote,
                    "lines": lines,
                    "mine": by == who.actor,
                    "picker": "" if by is None else self._operators.name_of(connection, by),
                }
            )
        return found

    def show(self, connection: Connection, who: Person, name: OpId) -> Answer:
        """One list: {list, order, state, tote, lines [{location, item, name, lot, expiry, quantity, unit, decimals}],
        wanted, picked, missing, measures}. Bins that this person must not know about are named without what is to be
        taken, and then without what is wanted: the rest of it would tell that."""
        who.may_see(ISSUE | APPROVE, "see pick lists")
        found = need_list(connection, name, open_=False)
        hidden = self._counting.blind_bins(connection, who)
        rest, wanted = shares(connection, name), wishes(connection, name)
        counted = sorted({share.location for share in rest} & hidden)
        return {
            "list": str(name),
            "order": found.reference,
            "state": found.state,
            "tote": found.tote_of(who.actor),
            "lines": [shown(connection, share) for share in rest if share.there and share.location not in hidden],
            "being_counted": counted,
            "wanted": {} if counted else wanted,
            "measures": {item: catalogue.measure(connection, item) for item in wanted},
            "picked": picked(connection, found.totes)
            if found.state == "open" and not hidden & {*found.totes}
            else {},
            "missing": still_wanted(connection, found) if found.state == "open" and not hidden else {},
        }

    # ------------------------------------------------------------ inside

    def _hidden(self, connection: Connection, who: Person, promised: list[Share]) -> frozenset[str]:
        """The places of these shares that this person must learn nothing of now, what is promised there included."""
        return self._counting.blind_bins(connection, who) & {share.location for share in promised}

    def _not_picked(self, connection: Connection, who: Person, promised: list[Share]) -> str:
        """What to ask before a list is issued with this still promised to it; or empty."""
        if self._hidden(connection, who, promised):
            return "Not everything is picked yet: issue what is in the tote?"
        rest = Counter[str]()
        for share in promised:
            rest[share.item] += share.quantity
        return f"{catalogue.written(connection, rest)} are not picked yet: issue what is in the tote?" if rest else ""

    def _too_much(self, connection: Connection, who: Person, found: PickList) -> str:
        """What to ask before more leaves than was ordered, because somebody has put other goods into the tote; or
        empty, also where the person must not know what the books have in it."""
        if self._counting.blind_bins(connection, who) & set(found.totes):
            return ""
        over = Counter(picked(connection, found.totes))
        over.subtract(wishes(connection, found.list))
        over = +over
        if not over:
            return ""
        what, items = catalogue.written(connection, over), ", ".join(sorted(over))
        return f"{what} of {items} in the tote are more than was ordered: issue all that is in it?"

    def _tell(self, op_id: OpId, who: Person, name: OpId, sku: str, source: str, quantity: int) -> None:
        """Booked or refused, a pick of more than its picker may see promised tells something of the rest:
        kept on its own, before either."""
        with self._site.writing() as connection:
            promised = [share for share in shares(connection, name) if share.item == sku]
            hidden = self._hidden(connection, who, promised)
            seen = sum(share.quantity for share in promised if share.location not in hidden)
            if (source in hidden or quantity > seen) and not is_done(connection, op_id):
                learned(connection, hidden, who.actor, self._desk.now_ms())

    def _note(
        self, connection: Connection, who: Person, wish: Wish, name: OpId, way: tuple[str, str],
        said: list[tuple[Thing, int, bytes]],
    ) -> int:  # fmt: skip
        """Keep what was scanned, or keyed in without a label, for an act of a list; answers the task that has it."""
        at_ms = self._desk.now_ms() if wish.occurred_ms is None else wish.occurred_ms
        task = tasks.at_once(connection, who.actor, tasks.MOVE, *way, at_ms)
        for thing, quantity, label in said:
            kind, entered = ("scan", None) if label else ("set", quantity)
            tasks.add(connection, task, who.actor, kind, thing, quantity, Cause(at_ms, None, label), entered=entered)
        connection.execute("INSERT INTO pick_tasks VALUES (?, ?)", (task.task, name.raw))
        return task.task

    def _keep(
        self, connection: Connection, op_id: OpId, who: Person, wish: Wish, found: PickList, place: str, *also: str
    ) -> Answer:
        """Seal what happened and cannot be booked, and have its place counted, and those in `also`; answers what the
        person may hear."""
        told = {} if self._counting.blind_bins(connection, who) & {place, *also} else {"exception": True}
        document = self._stock.document(connection, wish, {"order": found.reference})
        self._stock.seal(connection, op_id, who, place, wish.lines, document, also=also)
        return told

    def _elsewhere(self, connection: Connection, op_id: OpId, who: Person, found: PickList, gone: list[Share]) -> int:
        """Promise from elsewhere what was not where these shares have it; answers what is nowhere."""
        location, sku, lot = gone[0].key
        quantity = sum(share.quantity for share in gone)
        connection.execute(
            "INSERT INTO pick_shorts VALUES (?, ?, ?, ?, ?, ?)",
            (op_id.raw, found.list.raw, location, sku, lot, quantity),
        )
        self._give_back(connection, op_id, who, [(share, share.quantity) for share in gone], found)
        again = part_op_id(op_id, AGAIN)
        missing = self._reserve(connection, found.list, again, who, {sku: quantity}, found.reference)
        return missing.get(sku, 0)

    def _reserve(
        self, connection: Connection, name: OpId, op_id: OpId, who: Person, wanted: dict[str, int], order: str
    ) -> dict[str, int]:
        """Reserve for a list under `op_id` what is free of this, and answer what is not."""
        today, hidden = self._desk.day_of(self._desk.now_ms()), self._counting.blind_bins(connection, who)
        rows, missing = allocate(connection, wanted, today, hidden, short_places(connection, name))
        if len(rows) > LINES_MAX:
            raise Rejected(f"this would be taken from {len(rows)} places: at most {LINES_MAX}; make it several lists")
        if rows:
            document = self._desk.document(None, references={"order": order})
            self._site.record(calls.Reserve(actor=who.actor, lines=tuple(rows)), op_id=op_id, document=document)
            connection.execute("INSERT INTO pick_reservations VALUES (?, ?)", (op_id.raw, name.raw))
        return missing

    def _give_back(
        self, connection: Connection, op_id: OpId, who: Person, rest: list[tuple[Share, int]], found: PickList,
        reason: str = "",
    ) -> None:  # fmt: skip
        """Give back parts of reservations, one operation for each of them."""
        by: dict[OpId, list[calls.Promised]] = {}
        for share, quantity in rest:
            by.setdefault(share.reservation, []).append(share.part(quantity))
        document = self._desk.document(
            None, references={"order": found.reference}, reasons=(reason,) if reason else ()
        )
        for number, (reservation, rows) in enumerate(sorted(by.items()), BACK):
            call = calls.Unreserve(actor=who.actor, reservation=reservation, lines=tuple(rows))
            self._site.record(call, op_id=part_op_id(op_id, number), document=document)


def _wanted(connection: Connection, lines: object) -> dict[str, int]:
    """Base units by item of the lines that somebody sent."""
    wanted: dict[str, int] = {}
    for number, entry in enumerate(listed(lines, "pick list: lines", LINES_MAX)):
        line = Fields(entry, f"line {number}")
        item, pack = catalogue.item_named(connection, line, None)
        wanted[item.sku] = wanted.get(item.sku, 0) + line.quantity("quantity", least=1) * pack
        line.done()
    if not wanted:
        raise Rejected("the pick list has no lines")
    return wanted


def _begun(connection: Connection, name: OpId, who: Person, wish: Wish) -> tuple[PickList, str]:
    """The list and the tote that this person picks into, '' for what was done although nobody is known to have begun.
    Rejected for a list that is not begun or has ended, while the person is there."""
    found = need_list(connection, name, open_=not wish.happened)
    tote = found.tote_of(who.actor)
    if not tote and not wish.happened:
        raise Rejected("scan the tote first: this list is not begun")
    return found, tote


def _stays(tote: str) -> str:
    """What to ask before a tote with held goods is issued."""
    return f"What is held in {tote} stays there: issue the rest?"
