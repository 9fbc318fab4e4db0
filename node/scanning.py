"""From a raw read to a line of the open task, exactly once.

The device journal holds every read durably before anything hears of it. `take` stores what became of a read under the
read's own id, in the transaction that acts on it; `drain` then marks it in the journal. A crash between the two is
harmless: the read comes again, meets its own id, and gets the answer it had.

A read is never dropped: what cannot be counted is parked with its bytes, what belongs to no task is kept as ignored.
Several codes of one thing that were presented together act as one (`node/presenting`), under the id of the first.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any

from devices.decoders.labels import Labels
from devices.decoders.scan import OUR_LABELS, Scan, decode
from devices.journal import Journal
from devices.protocols.base import Signal
from devices.reads import Read, State
from ledger.db import Connection, DatabaseError
from ledger.errors import Corrupt, LedgerError, Rejected
from ledger.ids import TEXT_BYTES_MAX, Actor, OpId
from ledger.moves import QUANTITY_MAX
from ledger.wording import in_units, shown
from node import catalogue, listening, listings, stations, streams, tasks
from node.counting import TAKEN, Counting
from node.counting_amounts import asked_back
from node.counting_lines import shown as shown_thing
from node.counting_shared import CHOICES
from node.counting_units import confirm, is_unit
from node.desk import Answer, Desk, Person
from node.listening import Listening
from node.lookups import Lookups
from node.operators import Operators
from node.pairing import Pairing, Shown
from node.presenting import Presented, alone, is_companion, presented, says_too_little
from node.refusable import Kept, refusable
from node.rounds import open_round
from node.stock import Stock
from node.tasks import Cause, Task, Thing
from node.values import NOTE_CHARS_MAX

log = logging.getLogger(__name__)

BATCH = 50
# What the journal is told. A read with a place beside a task (`park`) waits there, any other late one in the journal.
# So does one that was handed to a page, which may not be there any more, until that has said that it came.
_STATES: dict[str, State] = {"late": "parked", "nobody": "parked", "handed": "parked", "ignored": "ignored"}
_NOT_CAME = {
    "outcome": "nobody", "why": "it was read for a page of the tablet, which was out of reach and did not get it",
}  # fmt: skip
# What a person decides about later.
_OPEN = ("late", "nobody")
# What the scanner is told beside its good tone, which says that the read is durable: a question, or no.
_SIGNALS: dict[str, Signal] = {
    "parked": "unknown", "late": "unknown", "taken": "unknown", "refused": "error", "nobody": "error",
    "ignored": "error",
}  # fmt: skip


class Scanning:
    """Takes reads for whoever holds the scanner."""

    def __init__(
        self, desk: Desk, operators: Operators, counting: Counting, stock: Stock, lookups: Lookups,
        listening: Listening, pairing: Pairing, labels: Labels = OUR_LABELS,
    ) -> None:  # fmt: skip
        self._desk = desk
        self._lookups = lookups
        self._listening = listening
        self._pairing = pairing
        self._site = desk.site
        self._operators = operators
        self._counting = counting
        self._stock = stock
        self._labels = labels
        self._unheard: frozenset[bytes] = frozenset()
        self._counted: dict[str, Presented] = {}  # the last of each scanner, for what else is said about it

    def drain(self, journal: Journal, patience_ms: int = 0) -> list[tuple[Read, Answer]]:
        """Take the oldest waiting reads in order, in one transaction; answers what became of each. One that says too
        little alone may wait for its other half, until it is `patience_ms` old."""
        reads = journal.waiting(BATCH)
        if not reads:
            return []
        found: list[tuple[Read, Answer]] = []
        with self._site.writing() as connection:
            known = {read.read_id: _outcome(connection, read) for read in reads}
            found += [(read, answer) for read in reads if (answer := known[read.read_id]) is not None]
            newest = {read.device: read.read_id for read in reads}
            fresh = [read for read in reads if known[read.read_id] is None]
            for each in presented(fresh, self._labels, lambda scan: says_too_little(connection, scan)):
                last = each.reads[-1].read_id == newest[each.first.device]
                if not (last and self._may_grow(connection, each, patience_ms)):
                    outcome = self._taken(each)
                    found.append((each.first, outcome))
                    found += [(read, _with(each.first)) for read in each.reads[1:]]
        # If we die here the reads are still waiting at the next start; each meets its own id and is only marked.
        marks: dict[tuple[State, str], list[str]] = {}
        for read, outcome in found:
            state: State = "taken" if "park" in outcome else _STATES.get(outcome["outcome"], "taken")
            note = str(outcome.get("why", ""))
            marks.setdefault((state, note[:NOTE_CHARS_MAX]), []).append(read.read_id)
        for (state, note), names in marks.items():
            journal.mark_all([(name, state) for name in names], note=note)
        return found

    def came(self, who: Person, numbers: Iterable[int]) -> None:
        """A page of this person has the codes with these numbers."""
        with self._site.writing() as connection:
            listening.came(connection, who.actor, numbers)

    def settle_handed(self, journal: Journal) -> None:
        """What was handed to a page is taken when that has said so. What it did not get in time is its person's to
        decide about. To be called by whoever drains: the two mark the same reads."""
        with self._site.reading() as connection:
            has, lost = listening.over(connection, self._desk.now_ms())
        if not has and not lost:
            return
        # If we die here they are found again, and marked the same.
        for read in has:
            with suppress(Rejected):  # of a journal that was begun anew since
                journal.mark(read.hex(), "taken", note="its page has it")
        outcome = json.dumps(_NOT_CAME)
        with self._site.writing() as connection:
            just_came, _ = listening.over(connection, self._desk.now_ms())
            lost = [read for read in lost if read not in just_came]
            connection.executemany(
                "UPDATE taken_reads SET outcome = ? WHERE read = ?", [(outcome, read) for read in lost]
            )
            listening.forget(connection, [*has, *lost])

    def unheard(self, journal: Journal) -> list[Read]:
        """Reads whose page has not said soon that it took them, each once: it may be gone. After a restart they may
        be answered once more."""
        with self._site.reading() as connection:
            waits = listening.unheard(connection, self._desk.now_ms())
        before, self._unheard = self._unheard, frozenset(waits)
        found = []
        for read in waits:
            if read not in before:
                with suppress(Rejected):  # of a journal that was begun anew since
                    found.append(journal.get(read.hex()))
        return found

    def _may_grow(self, connection: Connection, one: Presented, patience_ms: int) -> bool:
        age_ms = self._site.clock.monotonic_ms() - one.reads[-1].ran_ms
        return 0 <= age_ms < patience_ms and not one.first.client_id and says_too_little(connection, one.scan)

    def _taken(self, one: Presented) -> Answer:
        """`take` for a queue: one read that this program fails at must not hold up all that come after it."""
        try:
            return self._take(one, None)
        except (LedgerError, Corrupt, DatabaseError):
            raise
        except Exception:
            log.exception("read not understood", extra={"read": one.first.read_id})
            outcome = {"outcome": "ignored", "why": "the node failed at this read; see its log"}
            self._keep(one, outcome)
            return outcome

    def take(self, read: Read, who: Person | None = None) -> Answer:
        """Apply one read to the open task of whoever holds the scanner, or of `who`. The same read acts once.

        Answers {outcome: counted | opened | steered | parked | late | refused | item | bin | badge | control |
        joined | handed | paired | ignored | nobody, …}; nothing in it depends on what the books expect.
        """
        return self._take(alone(read, self._labels), who)

    def _take(self, one: Presented, who: Person | None) -> Answer:
        read = one.first
        with self._site.writing() as connection:
            known = _outcome(connection, read)
            if known is not None:
                return known
            before = self._counted.get(read.device)
            if before is not None and _belongs(one, before):
                outcome = _with(before.first)
            else:
                outcome = self._apply(connection, one, who or self._whose(connection, read))
                self._counted.pop(read.device, None)
                if outcome["outcome"] == "counted":
                    self._counted[read.device] = one
            if read.repeat_of is not None:
                outcome["repeat"] = True
            self._keep(one, outcome)
            return outcome

    @staticmethod
    def is_settled(connection: Connection, read: Read) -> bool:
        """Whether something became of it already that is not only told in the journal."""
        outcome = _outcome(connection, read)
        return outcome is not None and (outcome["outcome"] not in _OPEN or "park" in outcome)

    def take_after_all(self, read: Read, who: Person) -> Answer:
        """Apply a read that waited for a person's decision. Rejected when nothing comes of it now either."""
        with self._site.writing() as connection:
            if self.is_settled(connection, read):
                return self.take(read)
            connection.execute("DELETE FROM taken_reads WHERE read = ?", (bytes.fromhex(read.read_id),))
            # The doubt is decided: the mark of a repeat does not count any more.
            outcome = self.take(replace(read, repeat_of=None), self._said_owner(connection, read) or who)
            if outcome["outcome"] in ("refused", "ignored", "item", "bin") or not self.is_settled(connection, read):
                raise Rejected(str(outcome.get("why") or "nothing is open that it could belong to"))
            return outcome

    def dismiss(self, read: Read, reason: str) -> None:
        """A read that waited for a person's decision counts nowhere."""
        with self._site.writing() as connection:
            if self.is_settled(connection, read):
                raise Rejected("this scan was decided about already")
            connection.execute("DELETE FROM taken_reads WHERE read = ?", (bytes.fromhex(read.read_id),))
            self._keep(alone(read, self._labels), {"outcome": "dismissed", "why": reason})

    def _whose(self, connection: Connection, read: Read) -> Person | None:
        """Whose scanner it was when it read, with their rights now."""
        owner, said = self._operators.owner_of(connection, read.device), read.context.get("actor")
        if said is None or (owner is not None and str(owner.actor) == said):
            return owner
        return self._said_owner(connection, read)

    def _said_owner(self, connection: Connection, read: Read) -> Person | None:
        said = read.context.get("actor")
        return self._operators.with_rights(connection, Actor.parse(said)) if said else None

    def _pair(self, connection: Connection, device: str, shown: Shown) -> Answer:
        """The scanner has read the code on somebody's screen: from now on its reads are theirs, and so is what stands
        beside it."""
        who = self._operators.with_rights(connection, shown.actor)
        if who is None:
            return {"outcome": "nobody", "why": "whoever showed this code has no rights here any more"}
        for name in stations.with_neighbours(device, self._pairing.devices()):
            self._operators.bind_device(who, name)
            stations.stays_at(connection, name, shown.tablet)
        return {"outcome": "paired", "actor": str(shown.actor)}

    def _keep(self, one: Presented, outcome: Answer) -> None:
        with self._site.writing() as connection:
            for read in one.reads:
                said = outcome if read is one.first else _with(one.first)
                connection.execute(
                    "INSERT INTO taken_reads VALUES (?, ?, ?)",
                    (bytes.fromhex(read.read_id), json.dumps(said), self._desk.now_ms()),
                )

    def _apply(self, connection: Connection, one: Presented, who: Person | None) -> Answer:
        read, scan = one.first, one.scan
        if not read.client_id and (paired := self._pairing.whose(scan.text)) is not None:
            return self._pair(connection, read.device, paired)
        if who is None:
            return {"outcome": "nobody", "why": "nobody is using this scanner: log in and bind it first"}
        who = replace(who, waited_ms=int(read.context.get("waited_ms", 0)))
        named = read.context.get("task")
        task = tasks.meant(connection, who.actor, named, late=self._desk.was_away(who))
        scan = _meant(connection, scan, typed=bool(read.context.get("typed")), waits=task is None)
        ours = bool(read.client_id or read.fault) or scan.kind in ("badge", "control")
        page = None if ours else self._listening.taker(who.actor, busy=task is not None)
        if page is not None:
            for each in one.reads:
                text = each.raw.decode("utf-8", "replace")
                listening.hand(connection, page, bytes.fromhex(each.read_id), text, self._desk.now_ms())
            return {**_NOT_CAME, "outcome": "handed"}
        cause = Cause(max(0, read.at_ms - who.waited_ms), bytes.fromhex(read.read_id), scan.raw, _act_of(read))
        if scan.kind == "badge":
            return {"outcome": "badge", "why": "a badge was scanned: enter the PIN on the tablet"}
        if named is not None and task is None:
            over = tasks.get(connection, named)
            mine = over is not None and over.actor == who.actor and over.state == tasks.CLOSED
            lost = {"outcome": "late", "why": "it was scanned in a receipt or move that is not open any more"}
            why = "it came after that receipt or move was ended: it is not in it, and waits to be explained"
            return self._late(connection, over if mine else None, lost, why, scan, cause)
        if scan.kind == "bin" or (scan.kind == "unit" and _is_counted_bin(connection, task, unit_of(scan))):
            return self._bin(connection, who, task, scan)
        place = str(read.context.get("bin", ""))
        if place and (task is None or task.kind != tasks.COUNT or task.target != place):
            task = self._counting.taken(connection, who, place)
            if task is None:
                over = tasks.newest(connection, who.actor, tasks.COUNT, place)
                lost = {"outcome": "late", "why": f"it was scanned in {place}, which is not open any more"}
                why = f"it came after the count of {place} was ended"
                return self._late(connection, over, lost, why, scan, cause)
        if task is not None:
            self._counting.contact(connection, task, who)
        if scan.kind == "control":
            return self._control(connection, who, task, scan, cause)
        if task is None:
            return self._look(connection, scan, cause)
        if scan.kind == "unit" and scan.ok and (task.kind != tasks.COUNT or is_unit(connection, unit_of(scan))):
            return self._unit(connection, who, task, unit_of(scan), cause)
        return self._thing(connection, who, task, scan, cause)

    def name(self, connection: Connection, who: Person, raw: bytes, on: date, *, typed: bool = False) -> Answer:
        """What a code stands for: nothing is kept, nothing begins, and how much there is of it is not told.
        `typed`: by hand, so that its case does not matter.

        {kind: location | item | operation, …}. A location has `location` and `known` (a unit's label may be new); an
        item `item, name, unit, decimals, lots, serials`, what its label says besides, and `quantity`, base units of
        one scan. A lot or serial alone is an item by `Lookups.tracked`. Raises Rejected for anything else."""
        scan = _meant(connection, decode(raw, on=on, labels=self._labels), typed=typed)
        if scan.kind in ("bin", "unit"):
            code = unit_of(scan)
            known = listings.location(connection, code) is not None
            if code and (known or scan.kind == "unit"):
                return {"kind": "location", "location": code, "known": known, "unit": scan.kind == "unit"}
            raise Rejected(f"location {shown(code)} is not known here: check the label")
        hint, quantity, _ = self._hint(connection, scan, None)
        if "item" in hint:
            item = catalogue.need_item(connection, hint["item"])
            return {"kind": "item", **listings.facts_of(item), **hint, "quantity": quantity}
        if scan.kind != "unknown" or scan.problems or not scan.text:
            raise Rejected(_trouble(scan) or f"nothing here has the code {shown(_code(scan))}")
        return self._lookups.plain(connection, who, scan.text.strip())

    # ------------------------------------------------------------ by kind

    def _control(self, connection: Connection, who: Person, task: Task | None, scan: Scan, cause: Cause) -> Answer:
        """A label that stands for a key of the tablet. Closing a bin asks first, so it is not among them."""
        if scan.text not in ("UNDO", "EMPTY") or task is None:
            return {"outcome": "control", "command": scan.text}
        said: Answer = {}
        with refusable(connection) as kept:
            if scan.text == "UNDO":
                thing, repeated = tasks.undo(connection, task, who.actor, None, cause)
                said = {**shown_thing(thing), "repeated": True} if repeated else {}
            elif task.kind != tasks.COUNT:
                raise Rejected("no bin is being counted: only that of a count is declared empty")
            else:
                self._counting.say_empty(connection, task, who, cause)
        return _refused(kept) or {"outcome": "counted", "command": scan.text, **said}

    def _bin(self, connection: Connection, who: Person, task: Task | None, scan: Scan) -> Answer:
        code = unit_of(scan)
        away = self._desk.was_away(who)
        # Without contact nobody was told that they had left another bin open, on a tablet that died perhaps.
        if task is None or (away and task.kind == tasks.COUNT and code != task.target):
            if not who.counts:
                return {"outcome": "bin", "bin": code}
            with refusable(connection) as kept:
                if not away and self._counting.is_taken(connection, who, code):
                    return {"outcome": "taken", "bin": code, "why": TAKEN.format(code), "choices": list(CHOICES)}
                return {"outcome": "opened", **self._counting.begin_or_keep(connection, who, code, second=away)}
            return _refused(kept)
        if task.kind == tasks.COUNT:
            if code == task.target:
                return {"outcome": "bin", "bin": code}
            return {"outcome": "refused", "bin": code, "why": f"you are counting {task.target}: close it first"}
        with refusable(connection) as kept:
            return {"outcome": "steered", **self._stock.steer(connection, task, code)}
        return _refused(kept)

    def _unit(self, connection: Connection, who: Person, task: Task, unit: str, cause: Cause) -> Answer:
        with refusable(connection) as kept:
            if task.kind == tasks.COUNT:
                return {"outcome": "sealed", **confirm(connection, who, task, unit, cause)}
            return {"outcome": "steered", **self._stock.unit(connection, who, task, unit, cause)}
        return _refused(kept)

    def _late(
        self, connection: Connection, over: Task | None, lost: Answer, why: str, scan: Scan, cause: Cause
    ) -> Answer:  # fmt: skip
        """Scanned in what is `over` by now. It never counts elsewhere: it waits beside that for somebody to explain
        it (`why`); without that, and with nothing to explain, it is `lost`: in the journal and on the tablet."""
        if over is None or scan.kind in ("control", "bin"):
            return lost
        hint, _, _ = self._hint(connection, scan, cause)
        number = tasks.park(connection, over, cause, scan.symbology, why, hint)
        return {"outcome": "late", "park": number, "why": why, "hint": hint}

    def _look(self, connection: Connection, scan: Scan, cause: Cause) -> Answer:
        """A code scanned with nothing open: what it is, and nothing about how much of it there is."""
        sku, quantity = self._item_of(connection, scan, cause)
        if not sku:
            return {"outcome": "ignored", "why": _trouble(scan) or "nothing is open that this could belong to"}
        return {"outcome": "item", "item": sku, "quantity": quantity, "why": "nothing is open: it was not counted"}

    def _thing(self, connection: Connection, who: Person, task: Task, scan: Scan, cause: Cause) -> Answer:
        trouble = _trouble(scan)
        hint, quantity, pieces = self._hint(connection, scan, cause)
        sku, more = str(hint.get("item", "")), {}
        if not sku:
            trouble = trouble or f"no item has the code {_code(scan)}"
        elif scan.warnings:
            trouble = scan.warnings[0]
        elif not 0 < quantity <= QUANTITY_MAX:
            trouble = "its quantity is not a whole number of base units"
        elif pieces and not scan.amounts:
            trouble = f"{sku} is counted by weight, and its label says none: weigh it"
            more = {"measure": catalogue.measure(connection, sku)}
        else:
            item = catalogue.need_item(connection, sku)
            trouble = asked_back(connection, item, quantity)
            # One of a label without an amount would be a gram of what is sold by the kilogram.
            if item.decimals and quantity == 1 and not scan.amounts:
                trouble = f"the label of {sku} does not say how much there is: say it, or weigh it"
                more = {"measure": catalogue.measure(connection, sku)}
        if not trouble:
            thing = Thing(sku, scan.lot, scan.serial, tasks.UNSAID, hint.get("expiry", ""))
            with refusable(connection) as kept:
                return {"outcome": "counted", **self._add(connection, who, task, thing, quantity, cause, pieces)}
            trouble = kept.why
        number = tasks.park(connection, task, cause, scan.symbology, trouble, hint)
        return {"outcome": "parked", "park": number, "why": trouble, "hint": hint, **more}

    def _hint(self, connection: Connection, scan: Scan, cause: Cause | None) -> tuple[dict[str, Any], int, int]:
        """What is known of a scan, to fill in the question on the tablet; its base units, and pieces by weight."""
        sku, quantity = ("", 0) if _trouble(scan) else self._item_of(connection, scan, cause)
        item = catalogue.item(connection, sku) if sku else None
        pieces = _pieces(scan) if item is not None and item.by_weight else 0
        hint: dict[str, Any] = {"item": sku, "lot": scan.lot, "serial": scan.serial}
        if scan.expiry is not None:
            hint["expiry"] = scan.expiry.isoformat()
        if quantity:
            hint |= {"quantity": quantity, "pieces": pieces} if pieces else {"quantity": quantity}
            if item is not None and item.decimals:
                hint["amount"] = in_units(quantity, item.decimals)
        return {name: value for name, value in hint.items() if value}, quantity, pieces

    def _add(
        self, connection: Connection, who: Person, task: Task, thing: Thing, quantity: int, cause: Cause, pieces: int
    ) -> Answer:
        if task.kind == tasks.COUNT:
            answer = self._counting.add(connection, who, task, thing, quantity, cause, pieces=pieces)
        else:
            answer = self._stock.add(connection, who, task, thing, quantity, cause)
        item = catalogue.item(connection, thing.item)
        return {**answer, "name": "" if item is None else item.name, "quantity": quantity}

    # ------------------------------------------------------------ which item, how much

    def _item_of(self, connection: Connection, scan: Scan, cause: Cause | None) -> tuple[str, int]:
        """The item and the base units that a read meant when it was made, or that a code means now, without a cause;
        ('', 0) when no item has this code."""
        if scan.kind == "item" and scan.gtin is not None:
            # While the clock is behind the chain, its times are none: a flat battery must not bring old packs back.
            behind = self._site.time.is_behind(self._site.head.timestamp)
            found = streams.item_of(connection, scan.gtin.value, None if cause is None or behind else cause.at_ms)
            if found is None:
                return "", 0
            sku, pack = found
            measured = self._measured(connection, sku, scan)
            return sku, pack * _pieces(scan) if measured is None else measured
        plain = scan.text if scan.ok and scan.form == "plain" and len(scan.text.encode()) <= TEXT_BYTES_MAX else ""
        return (plain, 1) if plain and catalogue.item(connection, plain) is not None else ("", 0)

    @staticmethod
    def _measured(connection: Connection, sku: str, scan: Scan) -> int | None:
        """A printed measure in the item's own unit, exactly; 0 when it does not come out whole, None without one."""
        item = catalogue.item(connection, sku)
        for measure in scan.amounts:
            if item is not None and measure.unit.lower() == item.unit.lower():
                shift = item.decimals - measure.decimals
                if shift >= 0:
                    return int(measure.digits * 10**shift)
                whole, rest = divmod(measure.digits, 10**-shift)
                return 0 if rest else int(whole)
        return None


def _refused(kept: Kept) -> Answer:
    return {"outcome": "refused", "why": kept.why} if kept.why else {}


def signal_for(outcome: Answer) -> Signal | None:
    """What its scanner should sound or shine when this became of a read; None when its good tone says it all."""
    return "repeat" if outcome.get("repeated") else _SIGNALS.get(outcome["outcome"])


def _outcome(connection: Connection, read: Read) -> Answer | None:
    """What became of a read that was taken before."""
    row = connection.execute(
        "SELECT outcome FROM taken_reads WHERE read = ?", (bytes.fromhex(read.read_id),)
    ).fetchone()
    return None if row is None else json.loads(row[0])


def _act_of(read: Read) -> OpId | None:
    """The act by which a tablet sent a read; another program may name its reads as it likes."""
    with suppress(Rejected):
        return OpId.parse(read.client_id)
    return None


def _with(first: Read) -> Answer:
    return {"outcome": "joined", "with": first.read_id}


def _belongs(one: Presented, before: Presented) -> bool:
    """Whether it only says more about the thing that was counted a moment ago."""
    whole = before.with_more(one) if before.is_followed_by(one) and is_companion(one.scan) else None
    return whole is not None and whole.scan.ok


def _meant(connection: Connection, scan: Scan, *, typed: bool, waits: bool = False) -> Scan:
    """A bare code as what it stands for. Typed by hand it may be an item or a bin in any case; scanned it is a bin
    only where one `waits` to be named, and as `listings.is_bare_bin` says: no goods open a bin."""
    if scan.kind != "unknown":
        return scan
    if typed:
        kind, code = listings.typed(connection, scan.raw.decode("utf-8", "replace").strip())
        return replace(scan, kind="bin" if kind == "bin" else scan.kind, text=code, problems=()) if code else scan
    bare = waits and scan.ok and scan.form == "plain" and listings.is_bare_bin(connection, scan.text)
    return replace(scan, kind="bin") if bare else scan


def _trouble(scan: Scan) -> str:
    """Why this read cannot be an item, or empty."""
    if scan.problems:
        return scan.problems[0]
    if scan.kind == "unit":
        return "the label of a closed unit: open it and count what is in it, or dismiss it with a reason"
    return ""


def unit_of(scan: Scan) -> str:
    """The location that the label of a place or unit names: an SSCC, or an own code."""
    return scan.text or str(scan.sscc or "")


def _is_counted_bin(connection: Connection, task: Task | None, unit: str) -> bool:
    """Whether a unit is counted as a bin is: it is open now, or its count can begin."""
    if task is None:
        return open_round(connection, unit) is not None
    return task.kind == tasks.COUNT and task.target == unit


def _pieces(scan: Scan) -> int:
    """How many the label says, none included; one when it says nothing."""
    return 1 if scan.count is None else scan.count


def _code(scan: Scan) -> str:
    return scan.gtin.value if scan.gtin is not None else ascii(scan.text[:40])
