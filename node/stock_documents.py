"""Stock work outside counts: receive, move, adjust, reverse, and acts that the rules cannot book.

A document comes as a whole from a tablet or program; `node/stock` adds those that are scanned together line by line.
Adjustments and reversals wait as proposals for another person's signature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from ledger import calls, spelling
from ledger.db import Connection
from ledger.documents import (
    BEYOND_LIMIT,
    FROZEN,
    OUT_OF_CONTACT,
    TAKES_BACK,
    UNEXPLAINED,
    Document,
    Part,
    booking_op_id,
    part_op_id,
    units_op_id,
)
from ledger.errors import Rejected
from ledger.ids import CUSTOMER, SHRINKAGE, SUPPLIER, VIRTUAL, OpId
from ledger.moves import FREE, QUALITY, Line
from ledger.people import ADJUST, ISSUE, MOVE, RECEIVE, STOCK_ROLES
from ledger.wording import shown
from ledger.words import LINES_MAX
from node import (
    catalogue,
    control,
    deliveries,
    exceptions,
    hindsight,
    limits,
    orders,
    parts,
    proposals,
    tasks,
    units,
)
from node.counting import Counting
from node.counting_amounts import doubt
from node.counting_lines import iso_date
from node.desk import Answer, Desk, Person, is_done
from node.parts import DOCUMENT_LINES_MAX
from node.proposals import Proposals
from node.rounds import learned, refuse_frozen
from node.tasks import Thing
from node.values import Fields, reference, text_id
from node.wish import Read, Wish

REVERSIBLE = ("receive", "move", "pick", "issue", "adjust", "book_part")
TAKE_BACK_MS_MAX = 60_000
MAY_REVERSE = RECEIVE | MOVE | ISSUE | ADJUST


# Makes the call that carries these lines.
Build: TypeAlias = Callable[[tuple[Line, ...]], calls.Call]


class Documents:
    """The verbs of stock work. Each answers {op_id, state}."""

    def __init__(self, desk: Desk, counting: Counting, proposals: Proposals) -> None:
        self._desk = desk
        self._site = desk.site
        self._counting = counting
        self.proposals = proposals

    # ------------------------------------------------------------ whole documents

    def receive(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Goods come in: `lines` [{item or barcode, quantity, lot, serial, status, expiry, target, reasons}], held
        where their status says so,
        `target` for lines that name none, `origin` (supplier, customer), `supplier`, `delivery_note`, `confirm`,
        `delivery` (an expected one), `occurred_ms`, `happened`, `note`. Goods from a customer name what they come
        back from, `return_of`, and arrive held: for quality, unless a line says otherwise."""
        who.need(RECEIVE, "receive goods")
        fields = Fields(body, "receipt of goods")
        source = _origin(fields.take("origin"))
        target = fields.text("target", need=False)
        references = references_of(fields)
        expected = fields.take("delivery")
        if expected is not None:
            references["delivery"] = reference(expected)
        if source == CUSTOMER:
            references["return-of"] = reference(fields.take("return_of"))
        wish = self.wish(
            who, fields, lambda line, wish: self._arriving(line, wish, source, target), most=DOCUMENT_LINES_MAX
        )
        with self._site.reading() as connection:
            wish.question = wish.dates_doubted(connection)
            if references.get("delivery-note"):
                wish.question = f"{deliveries.received_before(connection, op_id, references)} {wish.question}".strip()

        def build(lines: tuple[Line, ...]) -> calls.Call:
            return calls.Receive(actor=who.actor, lines=lines)

        return self._record(op_id, who, "receive", wish, build, references)

    def move(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Goods change place: `lines` [{item or barcode, quantity, …, source, target}], `source` and `target` for
        lines that name none, `occurred_ms`, `happened`, `note`."""
        who.need(MOVE, "move goods")
        fields = Fields(body, "move")
        source, target = fields.text("source", need=False), fields.text("target", need=False)
        wish = self.wish(
            who,
            fields,
            lambda line, wish: self._line(line, wish, source=source, target=target, both=True),
            most=DOCUMENT_LINES_MAX,
        )

        def build(lines: tuple[Line, ...]) -> calls.Call:
            return calls.Move(actor=who.actor, lines=lines)

        return self._record(op_id, who, "move", wish, build, {})

    def adjust(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Propose to correct stock: `lines` [{item, …, location, change (not 0), reasons}], `reason`, `note`. Another
        person's signature books it (`proposals.approve`)."""
        who.need(ADJUST, "adjust stock")
        fields = Fields(body, "adjustment")
        wish = self.wish(who, fields, self._correction, need_reason=True)
        return self._propose(op_id, who, "adjust", wish, calls.Adjust(actor=who.actor, lines=wish.lines))

    def reverse(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Propose to book an operation backwards: `of`, `reasons`, `note`. Another person's signature books it."""
        who.need(MAY_REVERSE, "reverse an operation")
        fields = Fields(body, "reversal")
        of = fields.op_id("of")
        with self._site.reading() as connection:
            lines, named = _lines_of(connection, of), proposals.done_for(connection, of)
        wish = self.wish(who, fields, None, need_reason=True)
        wish.lines, wish.content = lines, {**wish.content, "of": of.raw}
        call = calls.Reverse(actor=who.actor, of=of, lines=lines)
        refuse = partial(proposals.refuse_undone, of=of)
        return self._propose(op_id, who, "reverse", wish, call, named, refuse=refuse)

    def take_back(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Carry one's own move back, `of`, while it is fresh: another move, that names the one it takes back. Later,
        or by somebody else, it is a reversal and needs another person's signature."""
        who.need(MOVE, "move goods")
        fields = Fields(body, "taking back")
        of = fields.op_id("of")
        wish = self.wish(who, fields, None)
        with self._site.reading() as connection:
            wish.lines = tuple(
                replace(line, source=line.target, target=line.source) for line in _lines_of(connection, of)
            )
        wish.content = {**wish.content, "of": of.raw}

        def build(lines: tuple[Line, ...]) -> calls.Call:
            return calls.Move(actor=who.actor, lines=lines)

        did_at_ms = self._desk.did_at_ms(who, wish.occurred_ms) or self._desk.now_ms()
        refuse = partial(_refuse_to_take_back, of=of, who=who, at_ms=did_at_ms)
        return self._record(op_id, who, "take_back", wish, build, {TAKES_BACK: str(of)}, refuse=refuse)

    def except_document(self, op_id: OpId, who: Person, body: object) -> Answer:
        """State an act that happened and that the rules cannot book: `location`, `reason`, `lines` [{item, …,
        quantity, source, target}], `happened`, `note`. Stock stays as it is; the location is to be counted. A place
        that is not known here is refused while the person is there; else it is counted where the lines end."""
        who.need(STOCK_ROLES, "state an act")
        fields = Fields(body, "exception")
        location, reason = fields.text("location"), fields.text("reason")
        wish = self.wish(
            who, fields, lambda line, wish: self._line(line, wish, source="", target="", both=True), happened=True
        )

        def build(lines: tuple[Line, ...]) -> calls.Call:
            return calls.ExceptDocument(actor=who.actor, location=location, reason=reason, lines=lines)

        def known(connection: Connection) -> None:
            for place in (location, *(end for line in wish.lines for end in (line.source, line.target))):
                if place not in VIRTUAL:
                    catalogue.need_bin(connection, place)

        # Whoever is still there reads the label once more: a place that nobody knows is counted by nobody.
        refuse = (lambda _: None) if wish.nobody_there else known
        wish.content = {**wish.content, "location": location, "reason": reason}
        return self._record(op_id, who, "except", wish, build, {}, refuse=refuse)

    # ------------------------------------------------------------ inside

    def wish(
        self,
        who: Person,
        fields: Fields,
        read: Callable[[Fields, Wish], Read] | None,
        *,
        need_reason: bool = False,
        happened: bool = False,
        most: int = LINES_MAX,
    ) -> Wish:
        """The parts that all documents share; `read` makes a line of one entry of `lines`; it is told by the wish
        when that was done, and whether it has happened, so that no place may be refused. What is hard to believe of
        these is asked back unless they `confirm` it. `happened`: whatever is said, it has."""
        every = fields.reasons()
        wish = Wish(fields.moment("occurred_ms"), fields.flag("happened"), fields.note("note"), every)
        away = OUT_OF_CONTACT if self._desk.was_away(who) else ""
        wish.waited(self._desk.did_at_ms(who, wish.occurred_ms), away)
        wish.happened = wish.happened or happened
        if read is not None:
            wish.sure = fields.flag("confirm")
            entries = fields.objects("lines", most)
            if not entries:
                raise Rejected("the document has no lines")
            wish.take(read(Fields(entry, f"line {number}"), wish) for number, entry in enumerate(entries))
        fields.done()
        if need_reason and not every and (read is None or len(wish.line_reasons) < len(wish.lines)):
            raise Rejected("a reason is needed: for the whole, or for each line")
        return wish

    def _line(
        self, fields: Fields, wish: Wish, *, source: str, target: str, both: bool = False, outside: bool = False
    ) -> Read:
        """One line of a document. `both`: it may name its own source; `outside`: it goes where its document says."""
        if both:
            source = fields.text("source", need=False) or source
        target = target if outside else fields.text("target", need=False) or target
        if not source or not target:
            raise Rejected("a line needs " + ("its target" if source else "its source"))
        thing, reasons, pack = self._thing(fields, wish)
        quantity = fields.quantity("quantity", least=1) * pack
        status = fields.status()
        fields.done()
        self._need_bins(wish, ([] if outside else [target]) + ([source] if both else []))
        line = Line(item=thing.item, lot=thing.lot, serial=thing.serial, status=status, quantity=quantity,
                    source=source, target=target)  # fmt: skip
        return line, thing.expiry, reasons

    def _need_bins(self, wish: Wish, places: Iterable[str]) -> None:
        """Refuse a place that cannot hold stock. A label can be news to a node that has heard nothing for a while:
        what was done there is the chain's to book or not."""
        if wish.happened:
            return
        with self._site.reading() as connection:
            for place in places:
                catalogue.need_bin(connection, place)

    def _arriving(self, fields: Fields, wish: Wish, source: str, target: str) -> Read:
        line, expiry, reasons = self._line(fields, wish, source=source, target=target)
        if source == CUSTOMER and line.status == FREE:
            line = replace(line, status=QUALITY)
        return line, expiry, reasons

    def _correction(self, fields: Fields, wish: Wish) -> Read:
        """One line of an adjustment."""
        thing, reasons, pack = self._thing(fields, wish)
        location, status, change = fields.text("location"), fields.status(), fields.take("change")
        fields.done()
        if type(change) is not int or change == 0 or abs(change) >= 2**53:
            raise Rejected(f"change is {shown(change)}: expected a whole number, not 0")
        self._need_bins(wish, [location])
        source, target = (SHRINKAGE, location) if change > 0 else (location, SHRINKAGE)
        line = Line(item=thing.item, lot=thing.lot, serial=thing.serial, status=status, quantity=abs(change) * pack,
                    source=source, target=target)  # fmt: skip
        return line, thing.expiry, reasons

    def _thing(self, fields: Fields, wish: Wish, *, standing: bool = False) -> tuple[Thing, tuple[str, ...], int]:
        """The item of a line, by code or barcode, with the base units that one of what was named meant when the wish
        was carried out. `standing`: goods that are there, and that are named as they are."""
        read = fields.standing if standing else partial(fields.text, need=False)
        lot, serial = read("lot"), read("serial")
        expiry, reasons = iso_date(fields.take("expiry")), fields.reasons()
        with self._site.reading() as connection:
            sku, pack = catalogue.goods_named(
                connection, fields, wish.occurred_ms, lot, serial, happened=wish.nobody_there
            )
        return Thing(sku, lot, serial, FREE, expiry), reasons, pack

    def _record(
        self, op_id: OpId, who: Person, verb: str, wish: Wish, build: Build,
        references: dict[str, str], *, beside: Callable[[Connection], Answer] = lambda _: {},
        refuse: Callable[[Connection], None] = lambda _: None,
    ) -> Answer:  # fmt: skip
        """Book a document; one that already happened, or would tell a counter too much, is sealed as an exception.
        `beside` seals what happened beside its lines, if anything did; `refuse` raises what forbids it then."""
        if asked := self._asked(op_id, wish):
            return asked
        for line in wish.lines:
            control.apply_until_item(self._site, line.item)
        content = {**wish.content, "references": references} if references else wish.content
        references = {**({"delivery": wish.delivery} if wish.delivery else {}), **references}

        def work(connection: Connection) -> Answer:
            refuse(connection)
            if not wish.lines and UNEXPLAINED not in wish.marks:
                raise Rejected("the document has no lines")
            answer: Answer = {"state": "recorded"}
            if wish.lines:
                answer = self._booked(connection, op_id, who, wish, build, references)
            answer |= beside(connection)
            if wish.task:
                tasks.become(connection, wish.task, tasks.CLOSED)
            return answer

        return self._desk.once(op_id, who.actor, verb, content, work)

    def _asked(self, op_id: OpId, wish: Wish) -> Answer:
        """{op_id, ask} where somebody has to say that they mean it; else nothing."""
        if wish.sure or wish.happened:
            return {}
        with self._site.reading() as connection:
            if is_done(connection, op_id):
                return {}
            amounts = doubt(connection, ((line.item, line.quantity) for line in wish.lines))
        asked = f"{wish.question} {amounts}".strip()
        return {"op_id": str(op_id), "ask": asked} if asked else {}

    def _booked(
        self, connection: Connection, op_id: OpId, who: Person, wish: Wish, build: Build, references: dict[str, str]
    ) -> Answer:
        if not self._desk.is_recorded(op_id):
            ends = {place for line in wish.lines for place in (line.source, line.target)}
            wish.ask(FROZEN, lambda: refuse_frozen(connection, ends))
        self.ask_limit(connection, op_id, who, wish, build(()), references)
        self._make_units(connection, op_id, who, wish)
        answer, booked = self.book(connection, op_id, who, wish, build, references)
        if booked.lines and "delivery" in references:
            name = references["delivery"]
            answer |= deliveries.take_in(
                connection, who, name, booked.lines, booked.line_reasons, booked.every,
                happened=wish.happened, now_ms=self._desk.now_ms(),
            )  # fmt: skip
        if "order" in references:
            orders.issued(connection, references["order"], booked.lines)
        deliveries.keep_note(connection, op_id, references)
        return answer

    def _make_units(self, connection: Connection, op_id: OpId, who: Person, wish: Wish) -> None:
        """The units that a scanned receipt fills stand where it said, before anything is on them."""
        moves = units.to_make(connection, wish.task, wish.lines) if wish.task else ()
        if moves:
            call, document = calls.MoveUnit(actor=who.actor, lines=moves), self._desk.document(wish.occurred_ms)
            self._site.record(call, op_id=units_op_id(op_id), document=document)

    def ask_limit(
        self, connection: Connection, op_id: OpId, who: Person, wish: Wish, call: calls.Call,
        references: Mapping[str, str],
    ) -> None:  # fmt: skip
        """The limit of the day for an act that has one; it stands for what comes later that day."""
        act, lines = limits.of_call(connection, who, call, references, wish.lines)
        if lines:
            today = self._desk.day_of(self._desk.now_ms())
            wish.ask(BEYOND_LIMIT, partial(limits.refuse_beyond, connection, who, act, op_id, lines, today))
            limits.keep(connection, who, act, op_id, lines, today)

    def book(
        self, connection: Connection, op_id: OpId, who: Person, wish: Wish, build: Build, references: dict[str, str]
    ) -> tuple[Answer, Wish]:
        """Record a document, in parts if it is a large one (`node/parts`). What already happened, or would tell a
        counter too much, becomes an exception document. Answers what the person may hear, and what was booked."""
        chunks = self._chunks(connection, op_id, wish, build)
        if len(chunks) == 1:
            document = self.document(connection, wish, references)
            ok = self._book(connection, op_id, who, wish, build(wish.lines), document)
            booked = wish if ok else wish.at(())
        else:
            booked = self._book_parts(connection, op_id, who, wish, build, references, chunks)
        if not isinstance(build(()), calls.ExceptDocument):  # that changes no books
            ends = (place for line in booked.lines for place in (line.source, line.target))
            hindsight.doubt_counts(connection, self._counting, op_id, who, ends, wish.occurred_ms)
        # To a counter a refusal would tell what the books hold of a bin that is being counted, and so would a part
        # that its number of lines does not need.
        blind = self._blind_to(connection, who, wish)
        told = len(parts.chunks(range(len(wish.lines)))) if blind else len(chunks)
        answer: Answer = {"state": "recorded", **({"parts": told} if told > 1 else {})}
        if len(booked.lines) < len(wish.lines) and not blind:
            answer["exception"] = True
        return answer, booked

    def _chunks(self, connection: Connection, op_id: OpId, wish: Wish, build: Build) -> list[Sequence[int]]:
        """The lines of each part of a document. What happened is booked as far as anybody here understands it and as
        the books have room for it: the rest comes apart, so that it alone becomes an exception."""
        every = range(len(wish.lines))
        if not wish.happened or not parts.has_parts(build(())):
            return parts.chunks(every)

        def stands(numbers: Sequence[int]) -> bool:
            return self._site.would_take(build(wish.at(numbers).lines), op_id)

        known = [number for number in every if catalogue.is_understood(connection, wish.lines[number])]
        booked = [number for chunk in parts.chunks(known) for number in parts.standing(chunk, stands)]
        return parts.chunks(booked) + parts.chunks(sorted(set(every) - set(booked)))

    def _book_parts(
        self, connection: Connection, op_id: OpId, who: Person, wish: Wish, build: Build, references: dict[str, str],
        chunks: list[Sequence[int]],
    ) -> Wish:  # fmt: skip
        act = parts.act_of(build(()))
        pieces = [wish.at(chunk) for chunk in chunks]
        said = [
            self.document(connection, piece, references, Part(op_id, number, len(chunks)))
            for number, piece in enumerate(pieces, 1)
        ]
        for number, (piece, document) in enumerate(zip(pieces, said, strict=True), 1):
            stated = calls.RecordPart(
                actor=who.actor, whole=op_id, number=number, count=len(chunks), act=act, lines=piece.lines
            )
            self._site.record(stated, op_id=part_op_id(op_id, number), document=document)
        booked: list[int] = []
        for number, (piece, document) in enumerate(zip(pieces, said, strict=True), 1):
            call = calls.BookPart(actor=who.actor, whole=op_id, number=number, act=act, lines=piece.lines)
            lines = chunks[number - 1]
            try:
                if self._book(connection, booking_op_id(op_id, number), who, piece, call, document):
                    booked += lines
            except Rejected as error:
                raise Rejected(f"lines {lines[0]} to {lines[-1]}: {error}") from error
        return wish.at(booked)

    def _book(
        self, connection: Connection, op_id: OpId, who: Person, wish: Wish, call: calls.Call, document: Document
    ) -> bool:
        stated = call if isinstance(call, calls.ExceptDocument) else None
        try:
            self._site.record(call, op_id=op_id, document=document)
        except Rejected:
            happened = wish.happened or self._blind_to(connection, who, wish)
            if stated is not None or self._site.find(op_id) is not None or not happened:
                raise
            self.seal(connection, op_id, who, exceptions.places_of(wish.lines)[0], wish.lines, document)
            return False
        if stated is not None:
            places = exceptions.stated_places(connection, stated)
            exceptions.order_count(connection, self._counting, op_id, who, places)
        return True

    def seal(
        self,
        connection: Connection,
        op_id: OpId,
        who: Person,
        place: str,
        lines: tuple[Line, ...],
        document: Document,
        *,
        also: Iterable[str] = (),
    ) -> None:
        """Keep what happened and could not be booked, and have its place counted, and those in `also`."""
        also = tuple(also)
        learned(connection, (place, *also), who.actor, self._desk.now_ms())
        exceptions.seal(self._site, connection, self._counting, op_id, who, place, lines, document, also=also)

    def _blind_to(self, connection: Connection, who: Person, wish: Wish) -> bool:
        """Whether the person counts a bin that the document takes from, or where the books have a piece of it: then
        no refusal may tell them so."""
        places = {line.source for line in wish.lines} | set(exceptions.pieces_in(connection, wish.lines))
        return bool(self._counting.blind_bins(connection, who) & places)

    def _propose(
        self, op_id: OpId, who: Person, verb: str, wish: Wish, call: calls.ApprovedCall,
        references: dict[str, str] | None = None, *, refuse: Callable[[Connection], None] = lambda _: None,
    ) -> Answer:  # fmt: skip
        """Keep what waits for another person's signature; `refuse` raises what forbids it then."""
        if asked := self._asked(op_id, wish):
            return asked
        for line in wish.lines:
            control.apply_until_item(self._site, line.item)

        def work(connection: Connection) -> Answer:
            refuse(connection)
            if not wish.happened:
                ends = (end for line in wish.lines for end in (line.source, line.target))
                self._refuse_blind(connection, who, ends)
            self.ask_limit(connection, op_id, who, wish, call, references or {})
            document = self.document(connection, wish, references)
            self.proposals.keep(connection, op_id, who, call, document, happened=wish.happened)
            return {"state": "proposed"}

        return self._desk.once(op_id, who.actor, verb, wish.content, work)

    def document(
        self, connection: Connection, wish: Wish, references: dict[str, str] | None = None, part: Part | None = None
    ) -> Document:
        return self._desk.document(
            wish.occurred_ms,
            reasons=wish.every,
            line_reasons=wish.line_reasons,
            expiries=wish.expiries,
            references=references,
            scans=wish.scans,
            marks=wish.marks,
            part=part,
            commitments=self._desk.erasable(connection, wish.note),
        )

    def _refuse_blind(self, connection: Connection, who: Person, places: Iterable[str]) -> None:
        """Refuse what would tell a counter something of a bin that is being counted."""
        hidden = sorted(self._counting.blind_bins(connection, who) & set(places))
        if hidden:
            raise Rejected(f"{hidden[0]} is being counted: wait until that count is finished")


def _origin(value: object) -> str:
    if value not in (None, "supplier", "customer"):
        raise Rejected(f"origin {shown(value)}: expected supplier or customer")
    return CUSTOMER if value == "customer" else SUPPLIER


def references_of(fields: Fields) -> dict[str, str]:
    found = {"supplier": fields.take("supplier"), "delivery-note": fields.take("delivery_note")}
    return {name: spelling.code(text_id(value, name)) for name, value in found.items() if value is not None}


def _lines_of(connection: Connection, of: OpId) -> tuple[Line, ...]:
    """The booked lines of an operation, as its reversal has to name them."""
    rows = connection.execute(
        "SELECT m.item, m.lot, m.serial, m.status, m.quantity, m.source, m.target, o.call FROM operations o"
        " JOIN movements m ON m.height = o.height AND m.place = o.place WHERE o.op_id = ? ORDER BY m.line",
        (of.raw,),
    ).fetchall()
    if not rows:
        parts.refuse(parts.of(connection, of), "reverse each of them")
        raise Rejected(f"operation {of} booked nothing here: there is nothing to reverse")
    call = rows[0][7]
    if call == calls.AcceptTransfer.METHOD:
        raise Rejected(f"operation {of} is the acceptance of a transfer: transfers/reverse takes it back")
    if call not in REVERSIBLE:
        raise Rejected(f"operation {of} is a {call}: that cannot be reversed")
    return tuple(
        Line(item=row[0], lot=row[1], serial=row[2], status=row[3], quantity=row[4], source=row[5], target=row[6])
        for row in rows
    )


def _refuse_to_take_back(connection: Connection, of: OpId, who: Person, at_ms: int) -> None:
    """Refuse a move that is somebody else's, older than TAKE_BACK_MS_MAX at that moment, or undone already."""
    row = connection.execute(
        "SELECT o.call, a.at_ms FROM operations o JOIN acts a ON a.op_id = o.op_id WHERE o.op_id = ? AND a.actor = ?",
        (of.raw, who.actor.raw),
    ).fetchone()
    if row is None or row[0] != calls.Move.METHOD:
        raise Rejected(f"operation {of} is no move of yours: propose its reversal, which another person signs")
    if abs(at_ms - row[1]) > TAKE_BACK_MS_MAX:
        raise Rejected(f"operation {of} is too long ago to take back: move the goods, or propose its reversal")
    proposals.refuse_undone(connection, of)
