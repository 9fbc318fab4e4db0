"""Transfers between sites: goods leave under a signed dispatch, and arrive with what is short named beside them.

The id of a transfer is the op_id of its dispatch; with the sender's name it is that transfer and no other. What is
coming is known from the hub's transfers stream, or from the dispatch paper that travels with the goods when neither
site can be reached. Acceptances of one line add up; what comes beyond the dispatched quantity needs a reason.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeAlias

from ledger import calls
from ledger.db import Connection
from ledger.documents import BY_PAPER, FROZEN, OUT_OF_CONTACT, Document, Part, part_op_id, units_op_id
from ledger.errors import ReasonNeeded, Rejected
from ledger.ids import IN_TRANSIT, VIRTUAL, OpId, Origin
from ledger.moves import DAMAGE, FREE, HELD_BECAUSE, Line, UnitMove
from ledger.people import ISSUE, MOVE, RECEIVE, TRANSFER
from ledger.transfers import BIN, CANCEL, CANCELLED, RETURNED, Accepted, TransferName
from ledger.words import LINES_MAX
from node import catalogue, control, exceptions, hindsight, incoming, parts, sent, streams, units
from node.counting import Counting
from node.counting_amounts import dates_doubted, doubt
from node.counting_lines import iso_date
from node.desk import Answer, Desk, Person, is_done, verb_of
from node.dispatch_paper import SCANNED_MAX, DispatchPaper, Sent, joined
from node.incoming import Coming
from node.operators import Operators
from node.parts import DOCUMENT_LINES_MAX
from node.rounds import learned, refuse_frozen
from node.sent import STREAM
from node.values import Fields, Said, listed, reference, shared_reasons, text_id
from node.wish import Wish

log = logging.getLogger(__name__)

NAMED_MAX = 5
UNHEARD_OF = "accept_unheard_of"  # the verb of an acceptance of a transfer that nobody here has heard of
CARRIED = ("vehicle", "seal")  # what a dispatch goes by, and what closes it

# A line of an acceptance, its reasons with how much of what is missing each explains, its expiry.
Arrived: TypeAlias = tuple[Accepted, Said, str]
# How much of a line is not free, and which status it has.
Damaged: TypeAlias = tuple[int, int]


class Transfers:
    """The verbs of transfers. Dispatch and acceptance carry the person's own signature."""

    def __init__(self, desk: Desk, operators: Operators, counting: Counting) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators
        self._counting = counting

    # ------------------------------------------------------------ leaving

    def dispatch(self, op_id: OpId, who: Person, body: object, pin: object = None) -> Answer:
        """Goods leave: `receiver` (a site), `lines` [{item or barcode, quantity, lot, serial, source, reasons}],
        `source` for lines that name none, `vehicle` and `seal` (numbers, as they stand on it), `confirm` (although
        nobody here has heard of the receiver), `occurred_ms`, `happened`, `note`. A large dispatch is several
        transfers, all of them or none. A handling unit of which all goes travels whole: the document names it, and it
        is out of use here. Answers {op_id, state, transfer, transfers}; what happened and cannot be booked is an
        exception and no transfer."""
        who.need(TRANSFER, "dispatch goods")
        fields = Fields(body, "dispatch")
        receiver, source = fields.text("receiver"), fields.text("source", need=False)
        entries, sure = fields.objects("lines", DOCUMENT_LINES_MAX), fields.flag("confirm")
        wish = self._wish(who, fields)
        carried = {kind: reference(said) for kind in CARRIED if (said := fields.take(kind)) is not None}
        fields.done()
        if receiver == self.site_name:
            raise Rejected("a dispatch goes to another site: book a move instead")
        lines = tuple(self._leaving(Fields(entry, f"line {n}"), source, wish) for n, entry in enumerate(entries))
        if not lines:
            raise Rejected("the dispatch has no lines")
        with self._site.reading() as connection:
            asked = self._doubt(connection, receiver)
            if not sure and not wish.happened and not is_done(connection, op_id):
                amounts = doubt(connection, ((line.item, line.quantity) for line in lines))
                if asked := f"{asked} {amounts}".strip():
                    return {"op_id": str(op_id), "ask": asked}
        for line in lines:
            control.apply_until_item(self._site, line.item)

        def work(connection: Connection) -> Answer:
            wish.ask(FROZEN, lambda: refuse_frozen(connection, {line.source for line in lines}))
            hidden = sorted(self._counting.blind_bins(connection, who) & {line.source for line in lines})
            if hidden and not wish.happened:
                raise Rejected(f"{hidden[0]} is being counted: dispatch from it when that count is finished")
            chunks, key = parts.chunks(range(len(lines))), self._operators.signing_key(who, pin)
            whole = units.taken_whole(connection, [[lines[n] for n in chunk] for chunk in chunks])
            names = [op_id] if len(chunks) == 1 else [part_op_id(op_id, n) for n in range(1, len(chunks) + 1)]
            left: list[OpId] = []
            for number, (name, chunk) in enumerate(zip(names, chunks, strict=True), 1):
                call = calls.Dispatch(actor=who.actor, receiver=receiver, lines=tuple(lines[n] for n in chunk))
                inside = {line.source for line in call.lines}
                document = self._desk.document(
                    wish.occurred_ms,
                    part=None if len(names) == 1 else Part(op_id, number, len(names)),
                    references=carried,
                    units=tuple(sorted(inside & set(whole))),
                    marks=wish.marks,
                    commitments=self._desk.erasable(connection, wish.note if number == 1 else ""),
                )
                signed = self._operators.sign(who, call, name, key)
                try:
                    self._site.record(signed, op_id=name, document=document)
                    left.append(name)
                except Rejected:
                    if self._stands(name, wish):
                        raise
                    self._seal(connection, name, who, call.lines[0].source, call.lines, replace(document, units=()))
                    whole = [unit for unit in whole if unit not in inside]
            if who.has(RECEIVE | MOVE | ISSUE):  # for others it stays in use, empty
                self._move_units(op_id, who, units.leaving(connection, whole), wish.occurred_ms)
            sources = {line.source for line in lines}
            hindsight.doubt_counts(connection, self._counting, op_id, who, sources, wish.occurred_ms)
            answer: Answer = {"state": "recorded", **({"transfer": str(left[0])} if left else {})}
            if len(left) > 1:
                answer["transfers"] = [str(name) for name in left]
            return answer if len(left) == len(names) or hidden else {**answer, "exception": True}

        content = {
            "receiver": receiver,
            "lines": [[line.item, line.lot, line.serial, line.quantity, line.source] for line in lines],
            **wish.content,
            **carried,
        }
        return self._desk.once(op_id, who.actor, "dispatch", content, work)

    def sites(self, connection: Connection, after: str = "", most: int = 200) -> list[str]:
        """The other sites that the hub has told of, by name."""
        told = (name for name, _ in streams.every_stored(connection, incoming.SITES, after) if name != self.site_name)
        return list(islice(told, most))

    def _doubt(self, connection: Connection, receiver: str) -> str:
        """What to ask before goods leave for a site of which nobody here has heard; '' for a known one. It may be a
        new one that the hub tells of by the next sync, so it is not refused."""
        Origin(self._site.identity.origin.org, receiver, 1)
        known = self.sites(connection)
        if receiver in known:
            return ""
        if not known:
            return f"no other site is known here yet: is {receiver} its name?"
        names = ", ".join(known[:NAMED_MAX]) + (" …" if len(known) > NAMED_MAX else "")
        return f"the hub has told of no site {receiver}, only of {names}: send it all the same?"

    def _wish(self, who: Person, fields: Fields) -> Wish:
        """When it was done, whether it has been already, and what is said of it. Of what makes it this wish only what
        was asked: an older one is the same without `happened`."""
        wish = Wish(fields.moment("occurred_ms"), fields.flag("happened"), fields.note("note"), ())
        wish.content = {"occurred_ms": wish.occurred_ms, **({"happened": True} if wish.happened else {})}
        away = OUT_OF_CONTACT if self._desk.was_away(who) else ""
        wish.waited(self._desk.did_at_ms(who, wish.occurred_ms), away)
        return wish

    def _seal(
        self, connection: Connection, op_id: OpId, who: Person, place: str, lines: tuple[Line, ...],
        document: Document, *, also: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Keep what happened and could not be booked, and have its places counted, and those in `also`."""
        learned(connection, (place, *also), who.actor, self._desk.now_ms())
        exceptions.seal(self._site, connection, self._counting, op_id, who, place, lines, document, also=also)

    def _stands(self, op_id: OpId, wish: Wish) -> bool:
        """Whether a refusal stands: of what has not happened yet, and of another wish under this op_id."""
        return not wish.happened or self._site.find(op_id) is not None

    def _leaving(self, fields: Fields, source: str, wish: Wish) -> Line:
        source = fields.text("source", need=False) or source
        if not source:
            raise Rejected("a line needs its source")
        with self._site.reading() as connection:
            lot, serial = fields.text("lot", need=False), fields.text("serial", need=False)
            sku, pack = catalogue.goods_named(
                connection, fields, wish.occurred_ms, lot, serial, happened=wish.happened
            )
            if not wish.happened:
                catalogue.need_bin(connection, source)
        quantity = fields.quantity("quantity", least=1) * pack
        fields.done()
        return Line(item=sku, lot=lot, serial=serial, status=FREE, quantity=quantity, source=source,
                    target=IN_TRANSIT)  # fmt: skip

    def paper(self, connection: Connection, transfer: OpId) -> str:
        """The dispatch paper, signed by this node."""
        row = connection.execute("SELECT receiver FROM transfers WHERE transfer = ?", (transfer.raw,)).fetchone()
        if row is None:
            raise Rejected(f"transfer {transfer} was not dispatched here")
        lines = connection.execute(
            "SELECT line, item, lot, serial, status, quantity, unit FROM transfer_lines WHERE transfer = ?"
            " ORDER BY line",
            (transfer.raw,),
        ).fetchall()
        sent = tuple(Sent(*line) for line in lines)
        paper = DispatchPaper(transfer, self._site.identity.origin, str(row[0]), sent)
        return paper.signed(self._site.sign_paper)

    def cancel(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Ask the hub to cancel a `transfer` of this site. Its goods stand in the bin `target` and are put back there
        when the hub agrees; `note`. Answers {op_id, state, transfer}."""
        who.need(TRANSFER, "ask to cancel a transfer")
        fields = Fields(body, "request")
        transfer, target, note = fields.op_id("transfer"), fields.text("target"), fields.note("note")
        fields.done()

        def work(connection: Connection) -> Answer:
            known = connection.execute("SELECT 1 FROM transfers WHERE transfer = ?", (transfer.raw,)).fetchone()
            if known is None:
                raise Rejected(f"transfer {transfer} was not dispatched here")
            catalogue.need_bin(connection, target)
            sent.refuse_ended(sent.outcome(connection, TransferName(self.site_name, transfer)))
            call = calls.Note(actor=who.actor, kind=CANCEL, subject=transfer.word)
            commitments = self._desk.erasable(connection, note)
            document = self._desk.document(references={BIN: target}, commitments=commitments)
            self._site.record(call, op_id=op_id, document=document)
            return {"state": "recorded", "transfer": str(transfer)}

        return self._desk.once(op_id, who.actor, "cancel", {"transfer": transfer.raw, "target": target}, work)

    def read_paper(self, connection: Connection, body: object) -> Answer:
        """What may be accepted by a paper of which `scanned` [text] was read: {transfer, sender, lines (with `open`),
        paper}. Raises Rejected while parts are missing and for a paper that cannot be relied on."""
        fields = Fields(body, "dispatch paper")
        text = joined(fields.objects("scanned", SCANNED_MAX))
        fields.done()
        printed = incoming.from_paper(connection, text)
        known = incoming.known(connection, self.site_name, printed.name.transfer, printed.name.sender, text)
        self._refuse_undue(known)
        return {**self._open(connection, known), "paper": text}

    def leaving(self, connection: Connection, after: str = "", most: int = 200) -> list[Answer]:
        """Dispatches of this site that are not wholly settled, or were and are open again, by id, with what the hub
        says of them."""
        rows = connection.execute(
            "SELECT t.transfer, t.receiver, SUM(l.quantity) AS sent, SUM(l.settled) AS ended,"
            " COALESCE((SELECT SUM(b.quantity) FROM acceptances a"
            " JOIN acceptance_lines b ON b.op_id = a.op_id WHERE a.transfer = t.transfer"
            " AND a.sender = ?1 AND a.op_id NOT IN (SELECT of FROM reversals)), 0) AS back FROM transfers t"
            " JOIN transfer_lines l ON l.transfer = t.transfer WHERE t.transfer > ?2 GROUP BY t.transfer"
            " HAVING sent > ended + back"
            " OR EXISTS (SELECT 1 FROM under_way u WHERE u.transfer = ?1 || '/' || lower(hex(t.transfer)))"
            " ORDER BY t.transfer",
            (self.site_name, bytes.fromhex(after)),
        )
        found: list[Answer] = []
        for transfer, receiver, quantity, settled, back in rows:
            told = sent.outcome(connection, TransferName(self.site_name, OpId(bytes(transfer))))
            # What the books have as taken over is on its way again where that was reversed.
            taken = sum(accepted for accepted, *_ in told.lines.values()) if told.reversed else settled
            if quantity <= taken + back:
                continue
            found.append(
                {
                    "transfer": bytes(transfer).hex(),
                    "receiver": receiver,
                    "quantity": quantity,
                    "settled": taken + back,
                    "state": told.state,
                }
            )
            if len(found) == most:
                break
        return found

    # ------------------------------------------------------------ arriving

    def coming(self, connection: Connection, after: str = "", most: int = 200) -> list[Answer]:
        """What other sites have dispatched to this one and nobody has accepted yet, by sender and id."""
        found: list[Answer] = []
        reopened = incoming.reopened(connection)
        for key, value in streams.every(connection, STREAM, after):
            try:
                known = incoming.from_stream(key, value, self.site_name)
            except Rejected as error:
                # What one sender made up must not hide what the others sent.
                log.warning("transfer left out", extra={"transfer": key, "reason": str(error)})
                continue
            if known is None or not self._is_due(known) or (known.settled and known.name not in reopened):
                continue
            shown = self._open(connection, known)
            if shown["lines"]:
                found.append(shown)
                if len(found) == most:
                    break
        return found

    def _open(self, connection: Connection, known: Coming) -> Answer:
        """What of a dispatch is still to be accepted here."""
        came = incoming.came(connection, known.name)
        lines = [
            {**_shown(connection, line), "open": line.quantity - came.get(line.index, 0)}
            for line in known.lines
            if line.quantity > came.get(line.index, 0)
        ]
        back = {"receiver": known.receiver} if known.name.sender == self.site_name else {}
        return {"transfer": str(known.name.transfer), "sender": known.name.sender, "lines": lines, **back}

    def _is_due(self, known: Coming) -> bool:
        """Whether this site accepts of it: what comes back is its sender's again, anything else its receiver's."""
        if known.name.sender == self.site_name:
            return known.back
        return known.receiver == self.site_name and known.ruling not in (RETURNED, CANCELLED)

    def _refuse_undue(self, known: Coming) -> None:
        sender = known.name.sender
        if self._is_due(known):
            return
        if sender == self.site_name:
            raise Rejected("this transfer was dispatched here: ask the hub to rule that what comes back is returned")
        if known.ruling == RETURNED:
            raise Rejected(f"what was not accepted goes back to {sender}: the hub has ruled it returned")
        if known.ruling == CANCELLED:
            raise Rejected(f"{sender} has cancelled it: if the goods are here, tell the hub and note an exception")
        raise Rejected(f"this transfer is for {known.receiver}: it can only be diverted by the hub")

    def one(self, connection: Connection, transfer: OpId) -> Answer:
        """One transfer from or to this site, whatever became of it. Raises `Rejected` when none is known here."""
        row = connection.execute("SELECT receiver FROM transfers WHERE transfer = ?", (transfer.raw,)).fetchone()
        if row is not None:
            name, receiver = TransferName(self.site_name, transfer), str(row[0])
            rows = connection.execute(
                "SELECT line, item, lot, serial, status, quantity, unit, settled FROM transfer_lines"
                " WHERE transfer = ? ORDER BY line",
                (transfer.raw,),
            ).fetchall()
            told = sent.outcome(connection, name)
            lines = [
                {**_shown(connection, Sent(*line[:7])), "done": line[7]}
                | dict(zip(("accepted", "missing", "returned"), told.lines.get(line[0], ()), strict=False))
                for line in rows
            ]
        else:
            known = incoming.known(connection, self.site_name, transfer, "", None)
            if known.receiver != self.site_name:
                raise Rejected(f"transfer {transfer} is between other sites")
            name, receiver, came = known.name, known.receiver, incoming.came(connection, known.name)
            lines = [{**_shown(connection, line), "done": came.get(line.index, 0)} for line in known.lines]
            told = self._outcome_here(connection, known)
        return {
            "transfer": str(transfer),
            "sender": name.sender,
            "receiver": receiver,
            "state": told.state,
            "diverted": told.receiver,
            "request": told.request,
            "reversed": told.reversed,
            "lines": lines,
        }

    def _outcome_here(self, connection: Connection, known: Coming) -> sent.Outcome:
        """What the hub says of a transfer to here. It may not have heard yet that an acceptance was reversed here."""
        told = sent.outcome(connection, known.name)
        if known.name not in incoming.reopened(connection):
            return told
        older = not told.reversed or told.state in streams.ENDED
        is_open = older and self._is_due(known) and self._open(connection, known)["lines"]
        return replace(told, reversed=True, state=sent.IN_TRANSIT if is_open else told.state)

    def accept(self, op_id: OpId, who: Person, body: object, pin: object = None) -> Answer:
        """Goods arrive: `transfer`, `sender` (needed only where two sites use one id), `lines` [{index, quantity,
        damaged (of these, taken in held), held (how: quality, expired, else damage), missing, target, reasons (codes,
        or [code, how much of what is missing]; "returned": the carrier took it back), expiry}], `target` for lines
        that name none, `units` (those that arrived whole: they stand in `target` with their lines in them), `paper`
        (its text, when the hub has not told of the transfer), `occurred_ms`, `happened`, `note`, `confirm`. Answers
        {ask} before so much comes in that somebody has to confirm it. What happened and cannot be booked is an
        exception."""
        who.need(TRANSFER, "accept a transfer")
        fields = Fields(body, "acceptance")
        transfer, sender = fields.op_id("transfer"), fields.text("sender", need=False)
        target = fields.text("target", need=False)
        whole = _named(fields.take("units"))
        entries, paper = fields.objects("lines", LINES_MAX), fields.take("paper")
        wish, sure = self._wish(who, fields), fields.flag("confirm")
        fields.done()
        with self._site.reading() as connection:
            verb, known = verb_of(connection, op_id), None
            done = bool(verb)
            try:
                if verb != UNHEARD_OF:
                    known = incoming.known(connection, self.site_name, transfer, sender, paper)
            except Rejected:
                if done or not wish.happened:
                    raise
        if known is None:
            meant, also = TransferName(sender, transfer), target if whole else ""
            return self._keep_unheard_of(op_id, who, meant, entries, target, also, wish, pin)
        # What is recorded has its answer, whatever the hub has ruled since, and is read as it was then.
        if not done and not wish.happened:
            self._refuse_undue(known)
        sent = {line.index: line for line in (known.dispatched if done or wish.happened else known.lines)}
        told = [self._arriving(Fields(entry, f"line {n}"), sent, target, wish) for n, entry in enumerate(entries)]
        if not told or len({line.index for (line, _, _), _ in told}) != len(told):
            raise Rejected("an acceptance names each line of the transfer at most once, and at least one")
        with self._site.reading() as connection:
            may_ask = not sure and not wish.happened and not done
            asked = doubt(connection, ((line.item, line.quantity) for (line, _, _), _ in told)) if may_ask else ""
            if may_ask:
                dated = ((line.item, line.lot, expiry) for (line, _, expiry), _ in told)
                asked = f"{asked} {dates_doubted(connection, dated)}".strip()
        if asked:
            return {"op_id": str(op_id), "ask": asked}
        if whole:
            who.need(RECEIVE | MOVE | ISSUE, "take in a handling unit")
            with self._site.reading() as connection:
                catalogue.need_bin(connection, target)
            told = [_aboard(each, sent[each[0][0].index].unit, whole) for each in told]
        read = [part for arrived, damaged in told for part in _apart(arrived, damaged)]
        if len(read) > LINES_MAX:
            raise Rejected(f"with what is damaged these are more than {LINES_MAX} lines: accept some of them apart")
        for line, _, _ in read:
            control.apply_until_item(self._site, line.item)

        def work(connection: Connection) -> Answer:
            targets = {line.target for line, _, _ in read} | ({target} if whole else set())
            wish.ask(FROZEN, lambda: refuse_frozen(connection, targets))
            came = incoming.came(connection, known.name)
            for number, ((line, reasons, _), _) in enumerate(told if not wish.happened else ()):
                over = came.get(line.index, 0) + line.quantity + line.missing - sent[line.index].quantity
                if over > 0 and not reasons:
                    more = catalogue.written(connection, {line.item: over})
                    raise ReasonNeeded(
                        f"line {number}: {more} more of {line.item} than was dispatched: check, or give a reason"
                    )
                if line.missing and not reasons:
                    missing = catalogue.written(connection, {line.item: line.missing})
                    raise ReasonNeeded(f"line {number}: {missing} of {line.item} are missing: give a reason")
            good = [each for each in read if not wish.happened or _is_bookable(connection, each[0], whole)]
            rest = [each for each in read if each not in good]
            call = calls.AcceptTransfer(
                actor=who.actor,
                transfer=transfer,
                sender=known.name.sender,
                lines=tuple(line for line, _, _ in good),
            )

            def document(arrived: list[Arrived], **more: str) -> Document:
                return self._desk.document(
                    wish.occurred_ms,
                    line_reasons={at: _codes(said) for at, (_, said, _) in enumerate(arrived) if said},
                    shares={at: shares for at, (_, said, _) in enumerate(arrived) if (shares := _shares(said))},
                    expiries={at: expiry for at, (_, _, expiry) in enumerate(arrived) if expiry},
                    references=more,
                    marks=(BY_PAPER, *wish.marks) if known.by_paper else wish.marks,
                    commitments=self._desk.erasable(connection, wish.note),
                )

            signed = self._operators.approve(who, call, op_id, pin)
            answer: Answer = {"state": "recorded", "transfer": str(transfer)}
            pieces = set(exceptions.pieces_in(connection, [_as_moved(line) for line, _, _ in read]))
            secret = self._counting.blind_bins(connection, who) & (targets | pieces)
            try:
                self._refuse_undue(known)
                _refuse_broken(known, whole, told, came)
                self._move_units(op_id, who, units.arriving(connection, whole, target), wish.occurred_ms)
                if good:
                    self._site.record(signed, op_id=op_id, document=document(good))
            except Rejected:
                # To a counter it would tell what the books have where they count: a piece that is here already.
                if self._stands(op_id, wish) and not secret & pieces:
                    raise
                good, rest = [], read
            if rest:
                moved = [each for each in rest if each[0].quantity]
                lines = tuple(_as_moved(line) for line, _, _ in moved)
                name = part_op_id(op_id, exceptions.REST) if good else op_id
                stated, also = document(moved, transfer=str(transfer)), [target] if whole else []
                self._seal(connection, name, who, rest[0][0].target, lines, stated, also=also)
                answer |= {} if secret else {"exception": True}
            came_to = {line.target for line, _, _ in good if line.quantity}
            hindsight.doubt_counts(connection, self._counting, op_id, who, came_to, wish.occurred_ms)
            return answer

        content = {
            "transfer": transfer.raw,
            "sender": known.name.sender,
            "lines": [
                [line.index, line.quantity, line.missing, line.target, _as_said(reasons), expiry, damaged]
                + ([held] if held != DAMAGE else [])
                for (line, reasons, expiry), (damaged, held) in told
            ],
            **wish.content,
            **({"units": whole} if whole else {}),
        }
        return self._desk.once(op_id, who.actor, "accept", content, work)

    def _keep_unheard_of(
        self, op_id: OpId, who: Person, meant: TransferName, entries: list[object], target: str, also: str,
        wish: Wish, pin: object,
    ) -> Answer:  # fmt: skip
        """Goods are here of a transfer that nobody here has heard of, so that nobody can say what they are: the
        exception names it and how much was put where, and these places are counted. `also`: one more of them."""
        told = [self._arriving(Fields(entry, f"line {n}"), None, target, wish) for n, entry in enumerate(entries)]
        if not told:
            raise Rejected("an acceptance names each line of the transfer at most once, and at least one")
        places = list(dict.fromkeys(place for place in (*(line.target for (line, _, _), _ in told), also) if place))
        named = {"transfer": str(meant.transfer), **({"sender": meant.sender} if meant.sender else {})}

        def work(connection: Connection) -> Answer:
            self._operators.signing_key(who, pin)
            document = self._desk.document(
                wish.occurred_ms,
                references=named,
                marks=wish.marks,
                commitments=self._desk.erasable(connection, wish.note),
            )
            lines = tuple(_as_moved(line) for (line, _, _), _ in told if line.quantity)
            blind = self._counting.blind_bins(connection, who) & set(places)
            self._seal(connection, op_id, who, places[0], lines, document, also=places[1:])
            told_so = {} if blind else {"exception": True}
            return {"state": "recorded", "transfer": str(meant.transfer), **told_so}

        said = [
            [line.index, line.quantity, line.missing, line.target, _as_said(reasons), expiry, damaged, held]
            for (line, reasons, expiry), (damaged, held) in told
        ]
        content = {**named, "lines": said, "also": also, **wish.content}
        return self._desk.once(op_id, who.actor, UNHEARD_OF, content, work)

    def _move_units(self, op_id: OpId, who: Person, moves: tuple[UnitMove, ...], at_ms: int | None) -> None:
        """Units that come into use, or go out of it, with the act `op_id`."""
        if moves:
            call = calls.MoveUnit(actor=who.actor, lines=moves)
            self._site.record(call, op_id=units_op_id(op_id), document=self._desk.document(at_ms))

    def _arriving(
        self, fields: Fields, sent: dict[int, Sent] | None, target: str, wish: Wish
    ) -> tuple[Arrived, Damaged]:
        """One line as it was said, and what of it is not free. `sent`: None where nobody knows what was sent."""
        index = fields.quantity("index")
        line = Sent(index, "", "", "", FREE, 0) if sent is None else sent.get(index)
        if line is None:
            raise Rejected(f"the transfer has no line {index}")
        quantity, missing = fields.quantity("quantity"), fields.quantity("missing", default=0)
        damaged, held = fields.quantity("damaged", default=0), fields.status("held", held=True, absent=DAMAGE)
        target = fields.text("target", need=False) or target
        said, expiry = fields.take("reasons"), iso_date(fields.take("expiry"))
        fields.done()
        reasons = () if said is None else shared_reasons(said, str(index))
        if not quantity and not missing:
            raise Rejected(f"line {index}: say how much arrived, or how much is missing")
        if damaged > quantity:
            raise Rejected(f"line {index}: more is damaged than came")
        _refuse_unexplained(index, missing, reasons)
        if not target:
            raise Rejected(f"line {index}: name the bin that takes it")
        if not wish.happened:
            with self._site.reading() as connection:
                catalogue.need_bin(connection, target)
        accepted = Accepted(index=index, item=line.item, lot=line.lot, serial=line.serial, status=line.status,
                            quantity=quantity, missing=missing, target=target)  # fmt: skip
        return (accepted, reasons, expiry), (damaged, held)

    @property
    def site_name(self) -> str:
        return self._site.identity.origin.site


def _named(said: object) -> list[str]:
    return [] if said is None else [text_id(unit, "unit") for unit in listed(said, "acceptance: units", LINES_MAX)]


def _aboard(told: tuple[Arrived, Damaged], unit: str, whole: list[str]) -> tuple[Arrived, Damaged]:
    """The line in its handling unit where that arrived whole."""
    (line, reasons, expiry), damaged = told
    return (replace(line, target=unit) if unit in whole else line, reasons, expiry), damaged


def _refuse_broken(
    known: Coming, whole: list[str], told: list[tuple[Arrived, Damaged]], came: dict[int, int]
) -> None:
    """A unit has arrived whole when every line in it has, at once and undamaged; what has not comes line by
    line."""
    right = {line.index: line.quantity for (line, reasons, _), (bad, _) in told if not (reasons or bad)}
    for unit in whole:
        inside = [line for line in known.lines if line.unit == unit]
        if not inside:
            raise Rejected(f"handling unit {unit} is not in this transfer")
        if any(came.get(line.index) or right.get(line.index) != line.quantity for line in inside):
            raise Rejected(f"handling unit {unit} has not arrived whole: accept its lines into a bin")


def _refuse_unexplained(index: int, missing: int, reasons: Said) -> None:
    """Refuse reasons that do not say what became of all that is missing of a line: of several one of which is that it
    went back, or has a share, each has its own."""
    codes, shares = _codes(reasons), _shares(reasons)
    if RETURNED not in codes and not any(share for _, share in reasons):
        return
    if not missing:
        raise Rejected(f"line {index}: nothing is missing of it, so nothing was lost or returned")
    if len(reasons) > 1 and not shares:
        raise Rejected(f"line {index}: say how much of it each reason explains")
    if len(set(codes)) < len(codes):
        raise Rejected(f"line {index}: give each reason once")
    all_of_it = sum(shares) or missing
    if all_of_it != missing:
        raise Rejected(f"line {index}: {missing} are missing and {all_of_it} explained: give each reason its share")


def _codes(reasons: Said) -> tuple[str, ...]:
    return tuple(code for code, _ in reasons)


def _shares(reasons: Said) -> tuple[int, ...]:
    """What each explains, where that was said of all."""
    shares = tuple(share for _, share in reasons)
    return shares if all(shares) else ()


def _as_said(reasons: Said) -> list[object]:
    return [[code, share] if share else code for code, share in reasons]


def _apart(arrived: Arrived, part: Damaged) -> Iterator[Arrived]:
    """The line in the statuses in which it arrives: a dispatch has none but free goods, so the chain takes what the
    receiver says. The damaged part says so itself; reasons are for what came, or did not."""
    (line, reasons, expiry), (damaged, held) = arrived, part
    if damaged < line.quantity or line.missing or not damaged:
        yield replace(line, quantity=line.quantity - damaged), reasons, expiry
        reasons = ()
    if damaged:
        yield replace(line, status=held, quantity=damaged, missing=0), (*reasons, (HELD_BECAUSE[held], 0)), expiry


def _as_moved(line: Accepted) -> Line:
    """What was accepted as goods that change place; what is missing of it is none of them."""
    return Line(item=line.item, lot=line.lot, serial=line.serial, status=line.status, quantity=line.quantity,
                source=IN_TRANSIT, target=line.target)  # fmt: skip


def _is_bookable(connection: Connection, line: Accepted, whole: list[str]) -> bool:
    """Whether the node sees nothing that the chain would refuse in a line; units arrive with their lines in them."""
    moved = _as_moved(line)
    ends = moved if line.target not in whole else replace(moved, target=IN_TRANSIT)
    here = set(exceptions.pieces_in(connection, [moved])) - set(VIRTUAL)
    return catalogue.is_understood(connection, ends) and not here


def _shown(connection: Connection, line: Sent) -> Answer:
    said = {"index": line.index, "item": line.item, "lot": line.lot, "serial": line.serial, "quantity": line.quantity}
    return {**said, "handling_unit": line.unit, **catalogue.measure(connection, line.item)}
