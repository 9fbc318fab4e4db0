"""Stock work on goods where they stand or as they leave: hold, relabel, issue, scrap, send back, handling units.

What is wrong with goods is said by their status: held goods are counted like others and stay until somebody else
releases them (`node/holds`). Scrap and returns to a supplier leave as adjustments, with another person's signature.
"""

from __future__ import annotations

from typing import Any

from ledger import calls
from ledger.db import Connection
from ledger.documents import FROZEN
from ledger.errors import ReasonNeeded, Rejected
from ledger.ids import CHANGE, CUSTOMER, SHRINKAGE, SUPPLIER, OpId
from ledger.moves import CHANGES_MAX, Goods, Line, UnitMove
from ledger.people import ADJUST, HOLD, ISSUE, MOVE, RECEIVE
from ledger.words import LINES_MAX
from node import catalogue, control, exceptions, hindsight, orders
from node.counting_lines import iso_date
from node.desk import Answer, Person, is_done
from node.parts import DOCUMENT_LINES_MAX
from node.rounds import refuse_frozen
from node.stock_documents import Documents
from node.values import Fields, reference
from node.wish import Wish


class GoodsDocuments(Documents):
    """The verbs. Each answers {op_id, state}."""

    def hold(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Goods are held where they stand: `held` (quality, damage, expired), `lines` [{item or barcode, lot, serial,
        status, quantity, location, reasons}], `location` for lines that name none, `reasons`, `occurred_ms`,
        `happened`, `note`. The op_id is the hold's name."""
        who.need(HOLD, "hold goods")
        fields = Fields(body, "hold")
        held, location = fields.status("held", held=True), fields.text("location", need=False)
        wish = self.wish(
            who, fields, lambda line, wish: self._standing(line, wish, location), need_reason=True, most=CHANGES_MAX
        )
        wish.content["held"] = held
        return self._change(op_id, who, "hold", wish, calls.Hold(actor=who.actor, held=held, lines=wish.lines))

    def relabel(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Goods get another lot, or the same one with another expiry: `lot`, `expiry`, `lines` as in a hold,
        `location`, `reasons`, `occurred_ms`, `happened`, `note`."""
        who.need(ADJUST, "relabel goods")
        fields = Fields(body, "relabelling")
        lot, location = fields.text("lot", need=False), fields.text("location", need=False)
        expiry = iso_date(fields.take("expiry"))
        wish = self.wish(
            who, fields, lambda line, wish: self._standing(line, wish, location), need_reason=True, most=CHANGES_MAX
        )
        if any(line.lot == lot for line in wish.lines) and not expiry:
            raise Rejected(f"lot {lot} is on the goods already: name another lot, or another expiry")
        if expiry:
            wish.expiries = dict.fromkeys(range(len(wish.lines)), expiry)
        wish.content |= {"lot": lot, "expiry": expiry}
        call = calls.Relabel(actor=who.actor, lot=lot, lines=wish.lines)
        return self._change(op_id, who, "relabel", wish, call)

    def issue(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Goods leave to a customer: `lines` [{item or barcode, lot, serial, quantity, source}], `source` for lines
        that name none, `order` (without one that was announced a reason is needed), `reasons`, `occurred_ms`,
        `happened`, `note`."""
        who.need(ISSUE, "issue goods")
        fields = Fields(body, "issue")
        source, order = fields.text("source", need=False), fields.take("order")
        references = {} if order is None else {"order": reference(order)}
        wish = self.wish(
            who,
            fields,
            lambda line, wish: self._leaving(line, wish, source, CUSTOMER),
            need_reason=not references,
            most=DOCUMENT_LINES_MAX,
        )
        unsaid = not wish.every and len(wish.line_reasons) < len(wish.lines)
        if unsaid and not wish.happened:
            with self._site.reading() as connection:
                if not orders.is_known(connection, references.get("order", "")) and not is_done(connection, op_id):
                    raise ReasonNeeded(f"order {order} was not announced here: give a reason")

        def build(lines: tuple[Line, ...]) -> calls.Call:
            return calls.Issue(actor=who.actor, lines=lines)

        return self._record(op_id, who, "issue", wish, build, references)

    def scrap(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Propose to write goods off: `lines` [{item or barcode, lot, serial, status, quantity, source, reasons}],
        `source`, `reasons`, `note`. Another person's signature books it."""
        who.need(ADJUST, "scrap goods")
        fields = Fields(body, "scrapping")
        source = fields.text("source", need=False)
        wish = self.wish(
            who, fields, lambda line, wish: self._leaving(line, wish, source, SHRINKAGE), need_reason=True
        )
        return self._propose(op_id, who, "scrap", wish, calls.Adjust(actor=who.actor, lines=wish.lines))

    def send_back(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Propose to send goods back to their supplier: as `scrap`, with `supplier` and `origin`, the number of the
        delivery or order they came by. Another person's signature books it."""
        who.need(ADJUST, "send goods back")
        fields = Fields(body, "return")
        source = fields.text("source", need=False)
        references = {"supplier": fields.text("supplier"), "origin": reference(fields.take("origin"))}
        wish = self.wish(
            who, fields, lambda line, wish: self._leaving(line, wish, source, SUPPLIER), need_reason=True
        )
        wish.content["references"] = references
        call = calls.Adjust(actor=who.actor, lines=wish.lines)
        return self._propose(op_id, who, "send_back", wish, call, references)

    def move_units(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Handling units go with their content: `units` [{unit, target}], `target` for those that name none,
        `reasons`, `occurred_ms`, `happened`, `note`. A label that nobody used yet makes a new unit; target "" takes
        an empty one out of use."""
        who.need(RECEIVE | MOVE | ISSUE, "move a handling unit")
        fields = Fields(body, "units")
        target = fields.text("target", need=False)
        wishes = [Fields(each, f"unit {n}") for n, each in enumerate(fields.objects("units", LINES_MAX))]
        named = [(each.text("unit"), each.text("target", need=False) or target) for each in wishes]
        for each in wishes:
            each.done()
        if not named:
            raise Rejected("name at least one unit")
        wish = self.wish(who, fields, None)
        said = {name: wish.content[name] for name in ("happened", "reasons") if wish.content[name]}

        def work(connection: Connection) -> Answer:
            if self._site.find(op_id) is None:
                wish.ask(FROZEN, lambda: refuse_frozen(connection, _ends_of(connection, named)))
            document = self.document(connection, wish)
            # Whether a unit is empty is what its count is to find out.
            hidden = self._counting.blind_bins(connection, who)
            blind = {place or unit for unit, place in named} & hidden
            emptied = {unit for unit, place in named if not place} & hidden
            if emptied and not wish.happened:
                self._refuse_blind(connection, who, emptied)
            try:
                lines = tuple(_unit_move(connection, unit, place) for unit, place in named)
                self._site.record(calls.MoveUnit(actor=who.actor, lines=lines), op_id=op_id, document=document)
            except Rejected as error:
                # Whoever counts the place is not told that the books have the unit there: they have put it there.
                happened = wish.happened or (blind and isinstance(error, _StandsThere))
                if not happened or self._site.find(op_id) is not None:
                    raise
                content, ends = _content_of(connection, named), _ends_of(connection, named)
                self.seal(connection, op_id, who, ends[0], content, document)
                return {"state": "recorded", **({} if blind else {"exception": True})}
            places = (place for line in lines for place in (line.source, line.target))
            hindsight.doubt_counts(connection, self._counting, op_id, who, places, wish.occurred_ms)
            return {"state": "recorded"}

        content = {"units": [list(each) for each in named], "occurred_ms": wish.content["occurred_ms"], **said}
        return self._desk.once(op_id, who.actor, "move_units", content, work)

    # ------------------------------------------------------------ inside

    def _standing(self, fields: Fields, wish: Wish, location: str) -> tuple[Any, str, tuple[str, ...]]:
        """One line of goods where they stand."""
        location = fields.text("location", need=False) or location
        if not location:
            raise Rejected("a line needs its location")
        thing, reasons, pack = self._thing(fields, wish, standing=True)
        quantity, status = fields.quantity("quantity", least=1) * pack, fields.status()
        fields.done()
        self._need_bins(wish, [location])
        goods = Goods(item=thing.item, lot=thing.lot, serial=thing.serial, status=status, quantity=quantity,
                      location=location)  # fmt: skip
        return goods, thing.expiry, reasons

    def _leaving(self, fields: Fields, wish: Wish, source: str, target: str) -> tuple[Any, str, tuple[str, ...]]:
        """One line of goods that leave the site."""
        source = fields.text("source", need=False) or source
        if not source:
            raise Rejected("a line needs its source")
        self._need_bins(wish, [source])
        return self._line(fields, wish, source=source, target=target, outside=True)

    def _change(self, op_id: OpId, who: Person, verb: str, wish: Wish, call: calls.Call) -> Answer:
        """Record what changes goods where they stand; what happened and cannot be booked becomes an exception. Not to
        be said of a bin that the person counts blindly: the answer would tell what is in it."""
        if asked := self._asked(op_id, wish):
            return asked
        for line in wish.lines:
            control.apply_until_item(self._site, line.item)

        def work(connection: Connection) -> Answer:
            places = {line.location for line in wish.lines}
            if self._site.find(op_id) is None:
                wish.ask(FROZEN, lambda: refuse_frozen(connection, places))
                if not wish.happened:
                    self._refuse_blind(connection, who, places)
            document = self.document(connection, wish)
            try:
                self._site.record(call, op_id=op_id, document=document)
            except Rejected:
                if not wish.happened or self._site.find(op_id) is not None:
                    raise
                lines = tuple(_as_moved(line) for line in wish.lines)
                self.seal(connection, op_id, who, exceptions.places_of(lines)[0], lines, document)
                blind = places & self._counting.blind_bins(connection, who)
                return {"state": "recorded", **({} if blind else {"exception": True})}
            hindsight.doubt_counts(connection, self._counting, op_id, who, places, wish.occurred_ms)
            return {"state": "recorded"}

        return self._desk.once(op_id, who.actor, verb, wish.content, work)


class _StandsThere(Rejected):
    """A unit is to be moved to where the books have it."""


def _as_moved(goods: Goods) -> Line:
    """Goods that were to become others, as the first half of that: out of where they stand."""
    return Line(item=goods.item, lot=goods.lot, serial=goods.serial, status=goods.status, quantity=goods.quantity,
                source=goods.location, target=CHANGE)  # fmt: skip


def _stands_in(connection: Connection, unit: str) -> str:
    """Where the books have a unit; "" for nowhere."""
    row = connection.execute("SELECT parent FROM locations WHERE location = ?", (unit,)).fetchone()
    return "" if row is None else str(row[0])


def _ends_of(connection: Connection, named: list[tuple[str, str]]) -> list[str]:
    """The places that units leave or come to."""
    ends = [place for unit, target in named for place in (_stands_in(connection, unit), target) if place]
    return ends or [unit for unit, _ in named]


def _content_of(connection: Connection, named: list[tuple[str, str]]) -> tuple[Line, ...]:
    """What the books have in units, as it went with them."""
    found = [
        Line(item=item, lot=lot, status=int(status), quantity=int(quantity), source=unit, target=target)
        for unit, target in named
        for item, lot, status, quantity in connection.execute(
            "SELECT item, lot, status, quantity FROM stock WHERE location = ? AND quantity > 0"
            " ORDER BY item, lot, status",
            (unit,),
        )
    ]
    return tuple(found[:LINES_MAX])


def _unit_move(connection: Connection, unit: str, target: str) -> UnitMove:
    """Where the unit stands by the books now; `Rejected` for a label that is another place's."""
    row = connection.execute("SELECT kind, parent FROM locations WHERE location = ?", (unit,)).fetchone()
    if row is not None and int(row[0]) != catalogue.UNIT:
        raise Rejected(f"{unit} is no handling unit: it is a place of the site")
    if target and connection.execute("SELECT 1 FROM locations WHERE location = ?", (target,)).fetchone() is None:
        raise Rejected(f"location {target!r} is not known here: check the label, or let the site sync with the hub")
    source = "" if row is None else str(row[1])
    if source == target:
        raise _StandsThere(f"{unit} stands in {target} already" if target else f"{unit} stands nowhere")
    if not target:
        left = connection.execute("SELECT 1 FROM stock WHERE location = ?", (unit,)).fetchone()
        inside = connection.execute("SELECT 1 FROM locations WHERE parent = ?", (unit,)).fetchone()
        if left is not None or inside is not None:
            raise Rejected(f"{unit} is not empty: it stays where it stands until it is")
    return UnitMove(unit=unit, source=source, target=target)
