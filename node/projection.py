"""The derived tables, written from what the chain did and from nothing else.

`apply` takes one transaction of the chain (the call and the events of its execution) and its place, and writes what
follows from it. It runs once when the operation is recorded, in that same SQL transaction, and again for every
operation when the tables are rebuilt from the blocks. Both must give the same rows, so nothing here may look at a
clock, at kept tables, or at anything else that a block does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ledger import calls, control, events
from ledger.db import Connection
from ledger.documents import Document
from ledger.errors import Invalid
from ledger.ids import VIRTUAL, OpId
from ledger.transfers import acceptance_reversed, is_taken_back
from node import dated, numbers, parts, projection_goods


@dataclass(frozen=True, slots=True)
class Step:
    """One operation as the chain executed it: transaction `place` of block `height`, with its document's bytes."""

    op_id: OpId
    height: int
    place: int
    call: calls.Call
    events: tuple[events.Event, ...]
    document: bytes = b""


def apply(connection: Connection, step: Step) -> None:
    """Write everything that follows from one operation. The caller owns the transaction."""
    actor = getattr(step.call, "actor", None)
    document = _document(step)
    moved = [event for event in step.events if isinstance(event, events.Moved)]
    undone = _acceptance_reversed(connection, step, document, moved)
    method = step.call.METHOD if undone is None else calls.Reverse.METHOD
    connection.execute(
        "INSERT INTO operations VALUES (?, ?, ?, ?, ?)",
        (step.op_id.raw, step.height, step.place, method, None if actor is None else actor.raw),
    )
    if moved:
        _book(connection, step, moved)
        booked = parts.method_of(step.call.act) if isinstance(step.call, calls.BookPart) else method
        dated.keep(connection, step.height, step.place, booked, document, moved)
        projection_goods.arrived(connection, step)
    for event in step.events:
        if undone is not None and isinstance(event, events.Dispatched):
            continue  # nothing has left: what had come in is on its way again
        writer = _WRITERS.get(type(event))
        if writer is not None:
            writer(connection, step, event)
    if document is not None:
        _read_document(connection, step, document)


def _document(step: Step) -> Document | None:
    """The document of an operation; None for one without, and for one that cannot be read: that says nothing."""
    try:
        return Document.decode(step.document) if step.document else None
    except Invalid:
        return None


def _acceptance_reversed(
    connection: Connection, step: Step, document: Document | None, moved: Sequence[events.Moved]
) -> OpId | None:
    """The acceptance that an operation reverses, which is noted; None for any other operation."""
    of = acceptance_reversed(step.op_id, document)
    if of is None:
        return None
    came = connection.execute(
        "SELECT item, lot, serial, target, quantity FROM acceptance_lines WHERE op_id = ?", (of.raw,)
    ).fetchall()
    if not came or not is_taken_back(came, moved):
        return None
    connection.execute("INSERT INTO reversals VALUES (?, ?, ?)", (of.raw, step.op_id.raw, step.height))
    return of


def apply_deployment(connection: Connection) -> None:
    """Block 1: the places that exist from the start."""
    connection.executemany(
        "INSERT INTO locations VALUES (?, ?, '')", [(location, control.VIRTUAL) for location in VIRTUAL]
    )


def _book(connection: Connection, step: Step, moved: Sequence[events.Moved]) -> None:
    """Every booked line: the movement, both sides of the stock, and where a serial is now."""
    connection.executemany(
        "INSERT INTO movements VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                step.height,
                step.place,
                # The contract's line number can repeat within one call (a count posts a line in two parts).
                number,
                line.item,
                line.lot,
                line.serial,
                line.status,
                line.quantity,
                line.source,
                line.target,
            )
            for number, line in enumerate(moved)
        ],
    )
    for line in moved:
        _change(connection, line.source, line, -line.quantity)
        _change(connection, line.target, line, line.quantity)
        if line.serial:
            connection.execute(
                "INSERT OR REPLACE INTO serials VALUES (?, ?, ?, ?, ?)",
                (line.item, line.serial, line.target, line.lot, line.status),
            )


def _change(connection: Connection, location: str, line: events.Moved, quantity: int) -> None:
    place = (location, line.item, line.lot, line.status)
    (left,) = connection.execute(
        "INSERT INTO stock VALUES (?, ?, ?, ?, ?) ON CONFLICT (location, item, lot, status)"
        " DO UPDATE SET quantity = quantity + excluded.quantity RETURNING quantity",
        (*place, quantity),
    ).fetchone()
    if left == 0:
        connection.execute("DELETE FROM stock WHERE location = ? AND item = ? AND lot = ? AND status = ?", place)


# ---------------------------------------------------------------- one writer an event


def _count_recorded(connection: Connection, step: Step, event: events.CountRecorded) -> None:
    connection.execute(
        "INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            step.op_id.raw,
            step.height,
            event.session.raw,
            event.bin,
            event.round,
            event.counter.raw,
            event.stable,
            event.whole,
            event.scans,
        ),
    )
    _state(connection, step, event.bin)


def _count_line(connection: Connection, step: Step, event: events.CountLine) -> None:
    connection.execute(
        "INSERT INTO count_lines (count, line, item, lot, serial, status, counted, expected)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            step.op_id.raw,
            event.line,
            event.item,
            event.lot,
            event.serial,
            event.status,
            event.counted,
            event.expected,
        ),
    )
    _state(connection, step, _of(step, calls.RecordCount).bin, event, event.counted)


def _read_document(connection: Connection, step: Step, document: Document) -> None:
    """What a document says of its lots' expiry, of when and how it came about, of its scans and papers, and which
    part it is."""
    lines = getattr(step.call, "lines", ())
    if document.part is not None and isinstance(step.call, calls.ExceptDocument):
        projection_goods.part_excepted(connection, step, document.part)
    connection.executemany(
        "INSERT INTO marks VALUES (?, ?, ?, ?)",
        [(step.height, step.place, number, mark) for number, mark in enumerate(document.marks)],
    )
    if isinstance(step.call, (calls.RecordCount, calls.PostCount, calls.ExceptDocument)):
        connection.execute("INSERT INTO happened VALUES (?, ?, ?)", (step.height, step.place, document.occurred_ms))
    numbers.keep(connection, step.height, step.place, numbers.of_document(document))
    if document.scans is not None:
        connection.execute("INSERT INTO scanned VALUES (?, ?, ?)", (step.height, step.place, document.scans))
    if document.units and isinstance(step.call, calls.Dispatch):
        connection.executemany(
            "UPDATE transfer_lines SET unit = source WHERE transfer = ? AND source = ?",
            [(step.op_id.raw, unit) for unit in document.units],
        )
    for number, day in document.expiries.items():
        if number < len(lines):
            _expires(connection, step, number, lines[number], day)


def _expires(connection: Connection, step: Step, number: int, line: Any, day: str) -> None:
    """What a line says of its lot's expiry. The first date that was booked stands until goods are labelled anew,
    which have the new lot from here on. What a count says waits for its posting."""
    if isinstance(step.call, calls.Relabel):
        said = (line.item, step.call.lot or line.lot, step.height, day)
        if said[1]:
            connection.execute("INSERT OR REPLACE INTO lots VALUES (?, ?, ?, ?)", said)
    elif isinstance(step.call, calls.RecordCount):
        connection.execute(
            "UPDATE count_lines SET expiry = ? WHERE count = ? AND line = ?", (day, step.op_id.raw, number)
        )
    elif lot := getattr(line, "lot", ""):
        _first_date(connection, step, line.item, lot, day)


def _first_date(connection: Connection, step: Step, item: str, lot: str, day: str) -> None:
    connection.execute(
        "INSERT INTO lots SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM lots WHERE item = ?1 AND lot = ?2)",
        (item, lot, step.height, day),
    )


def _count_posted(connection: Connection, step: Step, event: events.CountPosted) -> None:
    connection.execute(
        "INSERT INTO count_posts VALUES (?, ?, ?, ?)",
        (step.op_id.raw, event.count.raw, step.height, event.approver.raw),
    )
    connection.executemany(
        "UPDATE count_lines SET posted = ? WHERE count = ? AND line = ?",
        [(step.op_id.raw, event.count.raw, line) for line in _bits(event.select)],
    )
    dated = connection.execute(
        "SELECT item, lot, expiry FROM count_lines WHERE count = ? AND posted = ? AND expiry <> '' AND counted > 0"
        " ORDER BY line",
        (event.count.raw, step.op_id.raw),
    ).fetchall()
    for item, lot, day in dated:
        _first_date(connection, step, item, lot, day)


def _count_short(connection: Connection, step: Step, event: events.CountShort) -> None:
    connection.execute(
        "UPDATE count_lines SET missing = ? WHERE count = ? AND line = ?",
        (event.missing, _count_of(step).raw, event.line),
    )


def _serial_elsewhere(connection: Connection, step: Step, event: events.SerialElsewhere) -> None:
    connection.execute(
        "UPDATE count_lines SET elsewhere = ? WHERE count = ? AND line = ?",
        (event.location, _count_of(step).raw, event.line),
    )
    for line in step.events:
        # Only a settlement books the line as well: its piece came back earlier, by another transfer, and stays there.
        if isinstance(line, events.Moved) and line.line == event.line and line.serial:
            connection.execute(
                "UPDATE serials SET location = ? WHERE item = ? AND serial = ?",
                (event.location, line.item, line.serial),
            )


def _count_of(step: Step) -> OpId:
    """The count that an event is about: posting names it, recording is it."""
    return step.call.count if isinstance(step.call, calls.PostCount) else step.op_id


def _dispatched(connection: Connection, step: Step, event: events.Dispatched) -> None:
    connection.execute("INSERT INTO transfers VALUES (?, ?, ?)", (step.op_id.raw, step.height, event.receiver))
    numbers.keep(connection, step.height, step.place, [str(step.op_id)])
    connection.executemany(
        "INSERT INTO transfer_lines (transfer, line, item, lot, serial, status, quantity, source)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (step.op_id.raw, number, line.item, line.lot, line.serial, line.status, line.quantity, line.source)
            for number, line in enumerate(_of(step, calls.Dispatch).lines)
        ],
    )


def _accepted(connection: Connection, step: Step, event: events.Accepted) -> None:
    connection.execute(
        "INSERT INTO acceptances VALUES (?, ?, ?, ?)", (step.op_id.raw, step.height, event.transfer.raw, event.sender)
    )
    numbers.keep(connection, step.height, step.place, [str(event.transfer)])
    connection.executemany(
        "INSERT INTO acceptance_lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                step.op_id.raw,
                number,
                line.index,
                line.item,
                line.lot,
                line.serial,
                line.status,
                line.quantity,
                line.missing,
                line.target,
            )
            for number, line in enumerate(_of(step, calls.AcceptTransfer).lines)
        ],
    )


def _excepted(connection: Connection, step: Step, event: events.Excepted) -> None:
    connection.execute(
        "INSERT INTO exceptions VALUES (?, ?, ?, ?)", (step.op_id.raw, step.height, event.location, event.reason)
    )
    _state(connection, step, event.location)


def _excepted_line(connection: Connection, step: Step, event: events.ExceptedLine) -> None:
    connection.execute(
        "INSERT INTO exception_lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            step.op_id.raw,
            event.line,
            event.item,
            event.lot,
            event.serial,
            event.status,
            event.quantity,
            event.source,
            event.target,
        ),
    )
    place = next(each.location for each in step.events if isinstance(each, events.Excepted))
    _state(connection, step, place, event, event.quantity)


def _state(
    connection: Connection, step: Step, location: str, line: events.CountLine | events.ExceptedLine | None = None,
    quantity: int = 0,
) -> None:  # fmt: skip
    """What a count or an exception says of a place, line by line; without a line, that there is one."""
    said = (0, location, "", "", "", 0) if line is None else (
        line.line + 1, location, line.item, line.lot, line.serial, line.status)  # fmt: skip
    connection.execute(
        "INSERT INTO stated VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (step.height, step.place, *said, quantity)
    )


def _reversed(connection: Connection, step: Step, event: events.Reversed) -> None:
    connection.execute("INSERT INTO reversals VALUES (?, ?, ?)", (event.of.raw, step.op_id.raw, step.height))


def _bound(connection: Connection, _: Step, event: events.Bound) -> None:
    connection.execute("UPDATE people SET key = ? WHERE actor = ?", (event.key, event.actor.raw))


def _noted(connection: Connection, step: Step, event: events.Noted) -> None:
    connection.execute(
        "INSERT INTO notes VALUES (?, ?, ?, ?, ?, ?)",
        (
            step.op_id.raw,
            step.height,
            None if event.actor is None else event.actor.raw,
            event.kind,
            event.subject,
            event.document,
        ),
    )


# ---------------------------------------------------------------- control records


def _control_applied(connection: Connection, step: Step, event: events.ControlApplied) -> None:
    _control_decided(connection, step, event.sequence, event.kind, refused=False)
    applied = _of(step, calls.Apply)
    record = control.ControlRecord(origin="", sequence=event.sequence, kind=event.kind, payload=applied.payload)
    content = record.content
    writer = _CONTROLS.get(type(content))
    if writer is not None:
        writer(connection, step, content)


def _control_refused(connection: Connection, step: Step, event: events.ControlRefused) -> None:
    _control_decided(connection, step, event.sequence, event.kind, refused=True)


def _control_decided(connection: Connection, step: Step, sequence: int, kind: int, *, refused: bool) -> None:
    connection.execute(
        "INSERT INTO controls VALUES (?, ?, ?, ?, ?)", (sequence, step.op_id.raw, kind, refused, step.height)
    )


def _put_items(connection: Connection, _: Step, content: control.ItemsPayload) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)",
        [(row.item, row.tracking, row.unit, row.decimals) for row in content.items],
    )


def _put_locations(connection: Connection, step: Step, content: control.LocationsPayload) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO locations VALUES (?, ?, ?)",
        [(row.location, row.kind, row.parent) for row in content.locations],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO placements VALUES (?, ?, ?, ?)",
        [(row.location, step.height, row.kind, row.parent) for row in content.locations],
    )


def _put_person(connection: Connection, _: Step, content: control.PersonPayload) -> None:
    """A new activation ends the old key at once, as the registry does it; an empty one leaves both as they are."""
    before = connection.execute(
        "SELECT activation, key FROM people WHERE actor = ?", (content.actor.raw,)
    ).fetchone() or (bytes(32), None)
    activation, key = before
    if any(content.activation) and content.activation != activation:
        activation, key = content.activation, None
    connection.execute(
        "INSERT OR REPLACE INTO people VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            content.actor.raw,
            content.roles,
            activation,
            content.valid_from,
            content.valid_until,
            content.revoked,
            key,
        ),
    )


def _settle(connection: Connection, _: Step, content: control.SettlePayload) -> None:
    connection.executemany(
        "UPDATE transfer_lines SET settled = settled + ? WHERE transfer = ? AND line = ?",
        [(line.quantity, content.transfer.raw, line.index) for line in content.lines],
    )


def _rebased(connection: Connection, step: Step, event: events.Rebased) -> None:
    """A later incarnation begins: the hub's records count from one again."""
    connection.execute("DELETE FROM controls")


Writer: TypeAlias = Callable[[Connection, Step, Any], None]

_WRITERS: dict[type[events.Event], Writer] = {
    events.Reserved: projection_goods.reserved,
    events.Unreserved: projection_goods.unreserved,
    events.Held: projection_goods.held,
    events.Released: projection_goods.released,
    events.UnitMoved: projection_goods.unit_moved,
    events.PartRecorded: projection_goods.part_recorded,
    events.PartBooked: projection_goods.part_booked,
    events.CountPlanned: projection_goods.planned,
    events.CountRecorded: _count_recorded,
    events.CountLine: _count_line,
    events.CountPosted: _count_posted,
    events.CountShort: _count_short,
    events.SerialElsewhere: _serial_elsewhere,
    events.Dispatched: _dispatched,
    events.Accepted: _accepted,
    events.Excepted: _excepted,
    events.ExceptedLine: _excepted_line,
    events.Reversed: _reversed,
    events.Rebased: _rebased,
    events.Bound: _bound,
    events.Noted: _noted,
    events.ControlApplied: _control_applied,
    events.ControlRefused: _control_refused,
}

_CONTROLS: dict[type[Any], Writer] = {
    control.ItemsPayload: _put_items,
    control.LocationsPayload: _put_locations,
    control.PersonPayload: _put_person,
    control.SettlePayload: _settle,
}


def _of(step: Step, kind: type[Any]) -> Any:
    if not isinstance(step.call, kind):
        raise Invalid(f"operation {step.op_id} is a {step.call.METHOD}: its events belong to {kind.__name__}")
    return step.call


def _bits(number: int) -> Iterable[int]:
    return (place for place in range(number.bit_length()) if number >> place & 1)
