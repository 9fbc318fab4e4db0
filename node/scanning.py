"""From a raw read to a line of the open task, exactly once.

The device journal holds every read durably before anything hears of it. `take` stores what became of a read under the
read's own id, in the transaction that acts on it; `drain` then marks it in the journal. A crash between the two is
harmless: the read comes again, meets its own id, and gets the answer it had.

A read is never dropped: what cannot be counted is parked with its bytes, what belongs to no task is kept as ignored.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

from devices.decoders.labels import Labels
from devices.decoders.scan import OUR_LABELS, Scan, decode
from devices.journal import Journal
from devices.reads import Read, State
from ledger.db import Connection, DatabaseError
from ledger.errors import Corrupt, LedgerError, Rejected
from ledger.ids import TEXT_BYTES_MAX
from ledger.moves import QUANTITY_MAX
from ledger.people import COUNT
from ledger.wording import in_units
from node import catalogue, streams, tasks
from node.counting import Counting
from node.counting_amounts import asked_back
from node.desk import Answer, Desk, Person
from node.operators import Operators
from node.parking import park
from node.stock import Stock
from node.tasks import Cause, Task, Thing
from node.values import NOTE_CHARS_MAX

log = logging.getLogger(__name__)

BATCH = 50
# What the journal is told: counted and question-free reads are taken, parked ones wait there as well.
_STATES: dict[str, State] = {"parked": "parked", "late": "parked", "nobody": "ignored", "ignored": "ignored"}


class Scanning:
    """Takes reads for whoever holds the scanner."""

    def __init__(
        self, desk: Desk, operators: Operators, counting: Counting, stock: Stock, labels: Labels = OUR_LABELS
    ) -> None:
        self._desk = desk
        self._site = desk.site
        self._operators = operators
        self._counting = counting
        self._stock = stock
        self._labels = labels

    def drain(self, journal: Journal) -> list[tuple[Read, Answer]]:
        """Take the oldest waiting reads in order, in one transaction; answers what became of each."""
        reads = journal.waiting(BATCH)
        with self._site.writing():
            found = [(read, self._taken(read)) for read in reads]
        # If we die here the reads are still waiting at the next start; each meets its own id and is only marked.
        marks: dict[tuple[State, str], list[str]] = {}
        for read, outcome in found:
            state, note = _STATES.get(outcome["outcome"], "taken"), str(outcome.get("why", ""))
            marks.setdefault((state, note[:NOTE_CHARS_MAX]), []).append(read.read_id)
        for (state, note), names in marks.items():
            journal.mark_all([(name, state) for name in names], note=note)
        return found

    def _taken(self, read: Read) -> Answer:
        """`take` for a queue: one read that this program fails at must not hold up all that come after it."""
        try:
            return self.take(read)
        except (LedgerError, Corrupt, DatabaseError):
            raise
        except Exception:
            log.exception("read not understood", extra={"read": read.read_id})
            outcome = {"outcome": "ignored", "why": "the node failed at this read; see its log"}
            self._keep(read, outcome)
            return outcome

    def take(self, read: Read, who: Person | None = None) -> Answer:
        """Apply one read to the open task of whoever holds the scanner, or of `who`. The same read acts once.

        Answers {outcome: counted | opened | steered | parked | late | refused | item | bin | badge | control |
        ignored | nobody, …}; nothing in it depends on what the books expect.
        """
        name = bytes.fromhex(read.read_id)
        with self._site.writing() as connection:
            row = connection.execute("SELECT outcome FROM taken_reads WHERE read = ?", (name,)).fetchone()
            if row is not None:
                known: Answer = json.loads(row[0])
                return known
            outcome = self._apply(connection, read, name, who or self._operators.owner_of(connection, read.device))
            if read.repeat_of is not None:
                outcome["repeat"] = True
            self._keep(read, outcome)
            return outcome

    def _keep(self, read: Read, outcome: Answer) -> None:
        with self._site.writing() as connection:
            connection.execute(
                "INSERT INTO taken_reads VALUES (?, ?, ?)",
                (bytes.fromhex(read.read_id), json.dumps(outcome), self._desk.now_ms()),
            )

    def _apply(self, connection: Connection, read: Read, name: bytes, who: Person | None) -> Answer:
        scan = decode(read.raw, on=read.day, labels=self._labels, fault=read.fault)
        if who is None:
            return {"outcome": "nobody", "why": "nobody is using this scanner: log in and bind it first"}
        task = tasks.current(connection, who.actor)
        waited_ms = int(read.context.get("waited_ms", 0))
        cause = Cause(max(0, read.at_ms - waited_ms), name, read.raw)
        if scan.kind == "badge":
            return {"outcome": "badge", "why": "a badge was scanned: enter the PIN on the tablet"}
        if scan.kind == "bin":
            return self._bin(connection, replace(who, waited_ms=waited_ms), task, scan)
        place = str(read.context.get("bin", ""))
        if place and (task is None or task.kind != tasks.COUNT or task.target != place):
            return self._late(connection, who, place, scan, cause)
        if task is not None:
            self._counting.contact(connection, task, waited_ms)
        if scan.kind == "control":
            return self._control(connection, who, task, scan, cause)
        if task is None:
            return self._look(connection, scan)
        return self._thing(connection, who, task, scan, cause)

    # ------------------------------------------------------------ by kind

    def _control(self, connection: Connection, who: Person, task: Task | None, scan: Scan, cause: Cause) -> Answer:
        """A label that stands for a key of the tablet. Closing a bin asks first, so it is not among them."""
        if scan.text not in ("UNDO", "EMPTY") or task is None:
            return {"outcome": "control", "command": scan.text}
        with _savepoint(connection) as kept:
            if scan.text == "UNDO":
                tasks.undo(connection, task, who.actor, None, cause)
            elif task.kind != tasks.COUNT or any(line.quantity for line in tasks.tally(connection, task.task)):
                raise Rejected("lines were counted here: undo them before declaring the bin empty")
            elif not tasks.said_empty(connection, task.task):
                tasks.add(connection, task, who.actor, "empty", Thing(), 0, cause)
        return kept.refusal or {"outcome": "counted", "command": scan.text}

    def _bin(self, connection: Connection, who: Person, task: Task | None, scan: Scan) -> Answer:
        code = scan.text
        if task is None:
            if not who.has(COUNT):
                return {"outcome": "bin", "bin": code}
            with _savepoint(connection) as kept:
                opened = self._counting.begin(connection, who, code, second=bool(who.waited_ms))
                return {"outcome": "opened", **opened}
            return kept.refusal or {}
        if task.kind == tasks.COUNT:
            if code == task.target:
                return {"outcome": "bin", "bin": code}
            return {"outcome": "refused", "bin": code, "why": f"you are counting {task.target}: close it first"}
        with _savepoint(connection) as kept:
            return {"outcome": "steered", **self._stock.steer(connection, task, code)}
        return kept.refusal or {}

    def _late(self, connection: Connection, who: Person, bin_: str, scan: Scan, cause: Cause) -> Answer:
        """Scanned in a bin that its counter has left by now. It never counts elsewhere: it waits beside that bin's
        count for somebody to explain it, and without such a count it stays in the journal and on the tablet."""
        task = tasks.newest(connection, who.actor, tasks.COUNT, bin_)
        if task is None or scan.kind == "control":
            return {"outcome": "late", "why": f"it was scanned in {bin_}, which is not open any more"}
        hint, _, _ = self._hint(connection, scan)
        why = f"it came after the count of {bin_} was ended"
        number = park(connection, task, cause, scan.symbology, why, hint)
        return {"outcome": "late", "park": number, "why": why, "hint": hint}

    def _look(self, connection: Connection, scan: Scan) -> Answer:
        """A code scanned with nothing open: what it is, and nothing about how much of it there is."""
        sku, quantity = self._item_of(connection, scan)
        if not sku:
            return {"outcome": "ignored", "why": _trouble(scan) or "nothing is open that this could belong to"}
        return {"outcome": "item", "item": sku, "quantity": quantity}

    def _thing(self, connection: Connection, who: Person, task: Task, scan: Scan, cause: Cause) -> Answer:
        trouble = _trouble(scan)
        hint, quantity, pieces = self._hint(connection, scan)
        sku = str(hint.get("item", ""))
        if not sku:
            trouble = trouble or f"no item has the code {_code(scan)}"
        elif scan.warnings:
            trouble = scan.warnings[0]
        elif not 0 < quantity <= QUANTITY_MAX:
            trouble = "its quantity is not a whole number of base units"
        elif pieces and not scan.measures:
            trouble = f"{sku} is counted by weight, and its label says none: weigh it"
        elif task.kind == tasks.COUNT:
            trouble = asked_back(connection, catalogue.need_item(connection, sku), quantity)
        if not trouble:
            thing = Thing(sku, scan.lot, scan.serial, tasks.UNSAID, hint.get("expiry", ""))
            with _savepoint(connection) as kept:
                return {"outcome": "counted", **self._add(connection, who, task, thing, quantity, cause, pieces)}
            trouble = kept.why
        number = park(connection, task, cause, scan.symbology, trouble, hint)
        return {"outcome": "parked", "park": number, "why": trouble, "hint": hint}

    def _hint(self, connection: Connection, scan: Scan) -> tuple[dict[str, Any], int, int]:
        """What is known of a scan, to fill in the question on the tablet; its base units, and pieces by weight."""
        sku, quantity = ("", 0) if _trouble(scan) else self._item_of(connection, scan)
        item = catalogue.item(connection, sku) if sku else None
        pieces = scan.count or 1 if item is not None and item.by_weight else 0
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

    def _item_of(self, connection: Connection, scan: Scan) -> tuple[str, int]:
        """The item and the base units that one read means; ('', 0) when no item has this code."""
        if scan.kind == "item" and scan.gtin is not None:
            found = streams.item_of(connection, scan.gtin.value)
            if found is None:
                return "", 0
            sku, pack = found
            measured = self._measured(connection, sku, scan)
            return sku, pack * (scan.count or 1) if measured is None else measured
        plain = scan.text if scan.ok and scan.form == "plain" and len(scan.text.encode()) <= TEXT_BYTES_MAX else ""
        return (plain, 1) if plain and catalogue.item(connection, plain) is not None else ("", 0)

    @staticmethod
    def _measured(connection: Connection, sku: str, scan: Scan) -> int | None:
        """A printed measure in the item's own unit, exactly; 0 when it does not come out whole, None without one."""
        item = catalogue.item(connection, sku)
        for measure in scan.measures:
            if item is not None and measure.unit.lower() == item.unit.lower():
                shift = item.decimals - measure.decimals
                if shift >= 0:
                    return int(measure.digits * 10**shift)
                whole, rest = divmod(measure.digits, 10**-shift)
                return 0 if rest else int(whole)
        return None


class _Kept:
    """How the part of a transaction under a savepoint ended."""

    def __init__(self) -> None:
        self.why = ""

    @property
    def refusal(self) -> Answer | None:
        return {"outcome": "refused", "why": self.why} if self.why else None


class _savepoint:
    """A part of a transaction that a rule may refuse: its writes go, its reason stays, and the read is kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._kept = _Kept()

    def __enter__(self) -> _Kept:
        self._connection.execute("SAVEPOINT part")
        return self._kept

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if kind is None:
            self._connection.execute("RELEASE part")
            return False
        self._connection.execute("ROLLBACK TO part")
        self._connection.execute("RELEASE part")
        if isinstance(error, Rejected):
            self._kept.why = str(error)
            return True
        return False


def _trouble(scan: Scan) -> str:
    """Why this read cannot be an item, or empty."""
    if scan.problems:
        return scan.problems[0]
    if scan.kind == "unit":
        return "the label of a closed unit: open it and count what is in it, or dismiss it with a reason"
    return ""


def _code(scan: Scan) -> str:
    return scan.gtin.value if scan.gtin is not None else ascii(scan.text[:40])
