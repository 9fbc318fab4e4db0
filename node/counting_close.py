"""Closing a bin: the tally becomes explicit lines, and the chain keeps them beside what it expects at that moment.

A whole bin says something about everything: what the books have there and nobody found becomes a line of zero. The
answer to the counter is the same whatever the lines are. What one operation cannot say (`in_parts`) is recorded in
parts; the bin is `closing` until the last one stands, and a crash in between is finished by `resume` or by the same
wish again.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ledger import calls
from ledger.counts import UNSEEN, Counted
from ledger.db import Connection
from ledger.documents import BY_PAPER, NOT_BLIND, SHARED, Document, part_op_id
from ledger.documents import Part as DocumentPart
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.moves import FREE
from ledger.seams import failpoint
from ledger.words import LINES_MAX
from node import catalogue, control, counting_units, tasks
from node.counting_amounts import scanned_dates_asked
from node.counting_judge import judge
from node.counting_shared import decline_asked, is_shared, refuse_open_areas
from node.counting_units import sealed_in
from node.desk import Answer, Desk, Person
from node.rounds import Round, need_session, own_round, parts, round_at, set_bin, tallies
from node.values import Fields

PARTS_MAX = 50
SURE = "Everything of this bin that was not counted will be recorded as not found. Close it?"
SURE_OF_ITEMS = "What was not counted of these items will be recorded as not found. Close it?"


class Closing:
    """Records what was counted."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._site = desk.site

    def close_bin(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Finish the open bin: `bin`, `confirm`, `occurred_ms`. Answers {ask} first, because what was not counted
        becomes a line of zero, and where a label that was scanned has another expiry than its lot; then {bin,
        state}."""
        fields = Fields(body, "close bin")
        bin_, sure, occurred_ms = fields.text("bin"), fields.flag("confirm"), fields.moment("occurred_ms")
        fields.done()
        with self._site.writing() as connection:
            row = own_round(connection, bin_, who.actor)
            if not self._desk.is_recorded(op_id):
                if row is None or row.bin_state != "counting":
                    raise Rejected(f"you have not opened {bin_}")
                refuse_open_areas(connection, row)
                asked = "" if sure else self._asked(connection, op_id, who, row)
                if asked:
                    return {"op_id": str(op_id), "ask": asked}
            of = () if row is None else tallies(connection, row)
            counted = [line for task in of for line in tasks.tally(connection, task)]
            count = 1 if row is None else self._parts_needed(connection, row)
        for sku in sorted({line.thing.item for line in counted}):
            control.apply_until_item(self._site, sku)
        content = {"bin": bin_, "occurred_ms": occurred_ms}
        steps = [
            lambda connection, number=number: self._record(connection, op_id, who, bin_, number, count, occurred_ms)
            for number in range(1, count + 1)
        ]
        return self._desk.steps(op_id, who.actor, "close_bin", content, steps)

    def _asked(self, connection: Connection, op_id: OpId, who: Person, row: Round) -> str:
        may_ask = self._desk.may_ask(connection, op_id, who)
        dates = scanned_dates_asked(connection, tallies(connection, row)) if may_ask else ""
        return " ".join(question for question in (dates, SURE if row.whole else SURE_OF_ITEMS) if question)

    def resume(self) -> None:
        """Record the missing parts of every bin that a crash left closing."""
        with self._site.writing() as connection:
            rows = connection.execute(
                "SELECT DISTINCT session, bin, round FROM count_parts WHERE call IS NOT NULL"
            ).fetchall()
        for session, bin_, number in rows:
            with self._site.writing() as connection:
                row = round_at(connection, OpId(bytes(session)), bin_, int(number))
                missing = connection.execute(
                    "SELECT p.part, p.op_id, p.call, p.document FROM count_parts p LEFT JOIN counts c"
                    " ON c.op_id = p.op_id WHERE p.session = ? AND p.bin = ? AND p.round = ? AND c.op_id IS NULL"
                    " ORDER BY p.part",
                    (session, bin_, row.round),
                ).fetchall()
            for _, op_id, call, document in missing:
                _, again = calls.decode(bytes(call))
                self._site.record(again, op_id=OpId(bytes(op_id)), document=bytes(document))
            with self._site.writing() as connection:
                self._finish(connection, row)

    @staticmethod
    def _parts_needed(connection: Connection, row: Round) -> int:
        (kept,) = connection.execute(
            "SELECT COUNT(*) FROM count_parts WHERE session = ? AND bin = ? AND round = ?",
            (row.session.raw, row.bin, row.round),
        ).fetchone()
        if kept:
            return int(kept)
        lines, _, _ = lines_of(connection, row)
        return len(in_parts(lines))

    def _record(
        self, connection: Connection, op_id: OpId, who: Person, bin_: str, number: int, count: int,
        occurred_ms: int | None,
    ) -> Answer:  # fmt: skip
        row = own_round(connection, bin_, who.actor)
        if row is None:
            raise Rejected(f"you have not opened {bin_}")
        if not parts(connection, row.session, bin_, row.round):
            self._freeze(connection, op_id, who, row, count, occurred_ms)
        stored = connection.execute(
            "SELECT op_id, call, document FROM count_parts WHERE session = ? AND bin = ? AND round = ? AND part = ?",
            (row.session.raw, bin_, row.round, number),
        ).fetchone()
        if stored is None:
            raise Rejected(f"{bin_} was closed with another op_id: repeat that one")
        _, call = calls.decode(bytes(stored[1]))
        self._site.record(call, op_id=OpId(bytes(stored[0])), document=bytes(stored[2]))
        failpoint("count.part_recorded")
        if number == count:
            self._finish(connection, row)
        test = {"test": str(row.session)} if need_session(connection, row.session).test else {}
        # Not its parts: how many they are says how much was not found.
        return {"bin": bin_, "state": "counted", "operations": [str(op_id)], **test}

    def _freeze(
        self, connection: Connection, op_id: OpId, who: Person, row: Round, count: int, occurred_ms: int | None
    ) -> None:
        """Fix the lines of every part. From here on nothing scanned changes this round any more."""
        if row.task is None or row.changes is None:
            raise Rejected(f"you have not opened {row.bin}")
        if self._desk.was_away(who):
            tasks.note_gap(connection, row.task, who.waited_ms)
        occurred_ms = self._desk.did_at_ms(who, occurred_ms)
        lines, expiries, pieces = lines_of(connection, row)
        empty = tasks.said_empty(connection, row.task)
        sealed = sealed_in(connection, tallies(connection, row))
        if not empty and not sealed and not tasks.tally(connection, row.task):
            raise Rejected(f"nothing was counted in {row.bin}: count it, or declare it empty")
        chunks = in_parts(lines)
        if count != len(chunks) or count > PARTS_MAX:
            raise Rejected(f"{row.bin} has {len(lines)} lines: repeat this, or split the bin")
        refuse_open_areas(connection, row)
        decline_asked(connection, row)
        root = tasks.root(connection, *tallies(connection, row))
        for number, chunk in enumerate(chunks, 1):
            document = self._desk.document(
                occurred_ms,
                scans=root,
                expiries={at: expiries[line] for at, line in enumerate(chunk) if line in expiries},
                pieces={at: pieces[line] for at, line in enumerate(chunk) if line in pieces},
                part=None if count == 1 else DocumentPart(op_id, number, count),
                **_provenance(connection, row),
            )
            self._keep(connection, op_id, who, row, number, chunk, document, root)
        tasks.become(connection, row.task, tasks.CLOSING)
        set_bin(connection, row.session, row.bin, "closing")

    def _keep(
        self, connection: Connection, op_id: OpId, who: Person, row: Round, number: int,
        chunk: tuple[Counted, ...], document: Document, root: bytes,
    ) -> None:  # fmt: skip
        # In one part or several, the closing has the name that whoever counted gave it.
        name = op_id if number == 1 else part_op_id(op_id, number)
        call = calls.RecordCount(
            actor=who.actor,
            session=row.session,
            bin=row.bin,
            round=row.round,
            opened=UNSEEN if _unseen(connection, row) else row.changes or 0,
            whole=row.whole,
            scans=root,
            lines=chunk,
        )
        connection.execute(
            "INSERT INTO count_parts VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            (row.session.raw, row.bin, row.round, number, name.raw, call.encode(name), document.encode()),
        )

    def _finish(self, connection: Connection, row: Round) -> None:
        """All parts stand: drop their drafts, and let the rule say what comes next."""
        connection.execute(
            "UPDATE count_parts SET call = NULL, document = NULL WHERE session = ? AND bin = ? AND round = ?",
            (row.session.raw, row.bin, row.round),
        )
        if row.task is not None:
            tasks.become(connection, row.task, tasks.CLOSED)
        judge(connection, row)
        counting_units.settle(connection, self._desk, row.session, row.bin)


def _unseen(connection: Connection, row: Round) -> bool:
    """Whether nobody can tell what moved in between: counted on paper, or by a tablet without contact."""
    gaps = (tasks.had_gap(connection, task) for task in tallies(connection, row))
    return row.task is None or row.sheet is not None or any(gaps)


def _provenance(connection: Connection, row: Round) -> dict[str, Any]:
    """What the document says about how the count came about: on which sheet, and whether it was blind."""
    marks: tuple[str, ...] = () if row.blind else (NOT_BLIND,)
    if is_shared(connection, row):
        marks = (*marks, SHARED)
    if row.sheet is None:
        return {"marks": marks}
    (digest,) = connection.execute("SELECT digest FROM count_sheets WHERE number = ?", (row.sheet,)).fetchone()
    paper = {} if digest is None else {"paper": bytes(digest)}
    said = {"sheet": str(row.sheet)}
    (counter,) = connection.execute("SELECT actor FROM tasks WHERE task = ?", (row.task,)).fetchone()
    if row.assignee is not None and bytes(counter) != row.assignee.raw:
        said["counted-by"] = bytes(counter).hex()  # somebody else answers for it
    return {"marks": (*marks, BY_PAPER), "references": said, "commitments": paper}


Key = tuple[str, str, str]


def in_parts(lines: tuple[Counted, ...]) -> list[tuple[Counted, ...]]:
    """Lines by the operation that records them: 200 at most, and of a piece with a serial one. Where the books have a
    piece otherwise than it was found it has two lines: they let go of it in an earlier part than they take it in."""
    found = {(line.item, line.serial) for line in lines if line.serial and line.counted}
    gone = [line for line in lines if not line.counted and (line.item, line.serial) in found]
    rest = [line for line in lines if line.counted or (line.item, line.serial) not in found]
    cut = [each[at : at + LINES_MAX] for each in (gone, rest) for at in range(0, len(each), LINES_MAX)]
    return [tuple(chunk) for chunk in cut] or [()]


def lines_of(
    connection: Connection, row: Round
) -> tuple[tuple[Counted, ...], dict[Counted, str], dict[Counted, int]]:
    """The count lines of a round in the order of the chain, with the expiry dates and pieces that were said of them.

    Beside what was counted: everything that the books have in the bin (in an item task: of its items), as zero. A
    piece with a serial that is neither there nor in the books has no line.
    """
    counted: dict[tuple[str, str, str, int], int] = defaultdict(int)
    unsaid: dict[Key, int] = defaultdict(int)
    dates: dict[tuple[str, str], str] = {}
    weighed: dict[Key, int] = defaultdict(int)
    for line in (each for task in tallies(connection, row) for each in tasks.tally(connection, task)):
        thing = line.thing
        if line.pieces:
            weighed[thing.item, thing.lot, thing.serial] += line.pieces
        if thing.expiry:
            dates[thing.item, thing.lot] = thing.expiry
        if thing.status == tasks.UNSAID:
            unsaid[thing.item, thing.lot, thing.serial] += line.quantity
        else:
            counted[thing.item, thing.lot, thing.serial, thing.status] += line.quantity
    held = booked(connection, row)
    for key, quantity in unsaid.items():
        # Where somebody said a status, so much less of it is among the rest.
        there = {at[3]: size - counted[at] for at, size in held.items() if at[:3] == key and size > counted[at]}
        for status, share in _shares(quantity, there):
            counted[(*key, status)] += share
    for at in held:
        counted.setdefault(at, 0)
    for sku in row.items:
        item = catalogue.need_item(connection, sku)
        if not item.tracking and not any(at[0] == sku for at in counted):
            counted[sku, "", "", FREE] = 0
    lines = tuple(
        Counted(item=at[0], lot=at[1], serial=at[2], status=at[3], counted=quantity)
        for at, quantity in sorted(counted.items())
        if quantity or not at[2] or at in held
    )
    # Goods of one lot in several statuses share their pieces: they stand with the first line that has any of them.
    pieces = {line: weighed.pop((line.item, line.lot, line.serial), 0) for line in lines if line.counted}
    return (
        lines,
        {line: dates[line.item, line.lot] for line in lines if (line.item, line.lot) in dates},
        {line: count for line, count in pieces.items() if count},
    )


def booked(connection: Connection, row: Round) -> dict[tuple[str, str, str, int], int]:
    """What the books have in the bin: quantities, and for items with serials each piece."""
    found: dict[tuple[str, str, str, int], int] = {}
    serials: set[str] = set()
    for item, serial, lot, status in connection.execute(
        "SELECT item, serial, lot, status FROM serials WHERE location = ?", (row.bin,)
    ):
        serials.add(item)
        found[item, lot, serial, int(status)] = 1
    for item, lot, status, quantity in connection.execute(
        "SELECT item, lot, status, quantity FROM stock WHERE location = ?", (row.bin,)
    ):
        if item not in serials:
            found[item, lot, "", int(status)] = int(quantity)
    return {at: held for at, held in found.items() if row.whole or at[0] in row.items}


def _shares(quantity: int, booked: dict[int, int]) -> list[tuple[int, int]]:
    """Split a quantity whose status nobody said over the statuses in the books.

    Held goods stand apart with a label, so they are taken as found as far as the quantity goes; the rest is free.
    A difference then shows on the free line, or on the one line there is.
    """
    if set(booked) <= {FREE}:
        return [(FREE, quantity)]
    if len(booked) == 1:
        return [(next(iter(booked)), quantity)]
    shares: list[tuple[int, int]] = []
    left = quantity
    for status in sorted(booked, reverse=True):
        if status != FREE:
            share = min(left, booked[status])
            shares.append((status, share))
            left -= share
    return [*shares, (FREE, left)]
