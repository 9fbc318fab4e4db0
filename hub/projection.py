"""What the blocks say, as tables: stock, serials, operations, movements, counts, transfers. From events only.

One block is projected inside one transaction of the hub's database, which also moves the origin's cursor, so that a
block acts exactly once whatever crashes. Everything here follows from the blocks and can be rebuilt from them by one
command. What the events make suspicious is left in `Findings`: judging it is the business of `hub.findings`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hub import drawing
from hub.schema import DERIVED
from hub.store import Session
from ledger import calls, control, events
from ledger.block import EvmReceipt
from ledger.claims import CLAIM
from ledger.documents import Document
from ledger.errors import Invalid, Rejected
from ledger.events import Event, decode_logs
from ledger.ids import OpId, Origin
from ledger.transfers import (
    CANCEL,
    NEVER_MISSED,
    RETURNED,
    TransferName,
    acceptance_reversed,
    is_taken_back,
    returned_of,
)

# The contracts bound quantities, but not the numbers of rounds and lines: a database column does.
_NUMBER_MAX = 2**62

_METHODS = {calls.selector(cls): cls.METHOD for cls in calls.CALLS}
_NAMING = ("receive", "issue", "book_part", "dispatch", "accept_transfer")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands."""

    origin: Origin
    height: int
    tx_index: int
    at_s: int


@dataclass(slots=True)
class Findings:
    """What a block touched that somebody should look at afterwards."""

    transfers: set[TransferName] = field(default_factory=set)
    again: list[tuple[TransferName, int]] = field(default_factory=list)
    counts: set[str] = field(default_factory=set)
    posted: list[str] = field(default_factory=list)
    serials: set[tuple[str, str]] = field(default_factory=set)
    shorts: list[tuple[str, int, int]] = field(default_factory=list)
    elsewhere: list[tuple[str, int, str]] = field(default_factory=list)
    excepted: list[tuple[str, events.Excepted, tuple[events.ExceptedLine, ...]]] = field(default_factory=list)
    refused: list[tuple[int, int]] = field(default_factory=list)
    claimed: list[tuple[str, int, int]] = field(default_factory=list)
    asked: list[tuple[TransferName, str, int, int]] = field(default_factory=list)
    bound: list[tuple[str, str]] = field(default_factory=list)
    planned: list[tuple[str, bytes, int, int]] = field(default_factory=list)


def read(receipts: Sequence[bytes]) -> list[list[Event]]:
    """What the transactions of a block say happened, from its EVM receipts as trie values.

    Raises Invalid or Rejected for what this program cannot read: that is the site's affair. Whatever fails after it,
    in `project`, is the hub's own.
    """
    return [decode_logs(EvmReceipt.parse(raw).logs) for raw in receipts]


def project(
    session: Session,
    origin: Origin,
    height: int,
    at_s: int,
    said: Sequence[list[Event]],
    findings: Findings,
    documents: Callable[[], Sequence[bytes]],
) -> None:
    """Add the block at `height` to the tables. `said` is what `read` made of its outcome; `documents` gets what
    travelled beside its transactions, and is asked only where one of them may name what is kept of it (`_names`)."""
    stock: dict[tuple[str, str, str, int], int] = {}
    beside: Sequence[bytes] | None = None
    if drawing.is_planned(said):
        beside = documents()
        drawing.remember(session, origin, height, said, beside)
    for index, logs in enumerate(said):
        place = Place(origin, height, index, at_s)
        document = None
        if any(_names_something(each) for each in logs):
            beside = documents() if beside is None else beside
            document = _document(beside[index])
        undone = acceptance_reversed(logs[0].op_id, document) if logs else None
        reverses = undone is not None and _reopen(session, place, undone, logs, findings)
        if reverses:  # nothing has left: what had come in is on its way again
            logs = [each for each in logs if not isinstance(each, events.Dispatched)]
        _transaction(session, place, logs, stock, findings)
        if reverses:
            session.run(
                "UPDATE operations SET call = :call WHERE origin = :origin AND op_id = :op",
                call=calls.Reverse.METHOD,
                origin=str(origin),
                op=str(logs[0].op_id),
            )
        if document is not None:
            _names(session, place, str(logs[0].op_id), document)
    _book(session, origin.site, stock)


def _names_something(event: Event) -> bool:
    if isinstance(event, events.Noted):
        return event.kind == NEVER_MISSED
    return isinstance(event, events.Recorded) and _METHODS.get(event.call) in _NAMING


def _document(raw: bytes) -> Document | None:
    """What travelled beside a transaction; None for what cannot be read: it names nothing."""
    try:
        return Document.decode(raw)
    except (Invalid, Rejected):
        return None


def _reopen(session: Session, place: Place, acceptance: OpId, logs: list[Event], findings: Findings) -> bool:
    """An acceptance of this site is reversed: it counts no more. False where there is none, or where other goods went
    than came in by it."""
    own = {"op": str(acceptance), "site": place.origin.site}
    which = "op_id = :op AND site = :site AND kind = 'accepted'"
    rows = session.all(f"SELECT * FROM transfer_arrivals WHERE {which}", **own)  # noqa: S608
    came = [(row["item"], row["lot"], row["serial"], row["target"], row["quantity"]) for row in rows]
    if not rows or not is_taken_back(came, (each for each in logs if isinstance(each, events.Moved))):
        return False
    session.run(f"UPDATE transfer_arrivals SET kind = 'reversed' WHERE {which}", **own)  # noqa: S608
    findings.transfers.add(TransferName(rows[0]["sender"], OpId.parse(rows[0]["transfer"])))
    return True


def clear(session: Session) -> None:
    """Forget everything derived, before it is projected again from the first block."""
    for table in DERIVED:
        session.run(f"DELETE FROM {table}")  # noqa: S608
    session.run("UPDATE origins SET projected_size = 0")


def _transaction(
    session: Session,
    place: Place,
    logs: list[Event],
    stock: dict[tuple[str, str, str, int], int],
    findings: Findings,
) -> None:
    moves: dict[int, events.Moved] = {}
    movements = []
    for index, event in enumerate(logs):
        if isinstance(event, events.Moved):
            moves[event.line] = event
            movements.append(_movement(place, index, event))
            _add(stock, event)
            if event.serial:
                _serial(session, place, event, findings)
    session.insert("movements", movements)
    if logs:
        _operation(session, place, logs)
    _count(session, place, logs, findings)
    for event in logs:
        _special(session, place, event, moves, logs, findings)


def _aboard(session: Session, place: Place, op_id: str, units: Sequence[str]) -> None:
    """The lines of a dispatch that travel in a handling unit: those out of one that goes whole."""
    mine = session.value(
        "SELECT 1 FROM transfers WHERE transfer = :transfer AND sender = :sender AND dispatch_origin = :origin"
        " AND dispatch_height = :height",
        transfer=op_id,
        sender=place.origin.site,
        origin=str(place.origin),
        height=place.height,
    )
    if mine is not None:
        session.many(
            "UPDATE transfer_lines SET unit = source"
            " WHERE transfer = :transfer AND sender = :sender AND source = :unit",
            [{"transfer": op_id, "sender": place.origin.site, "unit": unit} for unit in units],
        )


def _went_back(session: Session, place: Place, op_id: str, said: Document) -> None:
    """The lines of an acceptance of which the carrier took something back."""
    if not any(RETURNED in codes for codes in said.line_reasons.values()):
        return
    own = {"origin": str(place.origin), "op": op_id}
    which = "origin = :origin AND op_id = :op AND kind = 'accepted'"
    rows = session.all(f"SELECT line, missing FROM transfer_arrivals WHERE {which} AND missing > 0", **own)  # noqa: S608
    session.many(
        f"UPDATE transfer_arrivals SET returned = :returned WHERE {which} AND line = :line",  # noqa: S608
        [{**own, "line": row["line"], "returned": returned_of(said, row["line"], row["missing"])} for row in rows],
    )


def _names(session: Session, place: Place, op_id: str, said: Document) -> None:
    """Remember which delivery or order an operation was done for, in which units goods travel, and what of them went
    back."""
    _aboard(session, place, op_id, said.units)
    _went_back(session, place, op_id, said)
    references = said.references
    rows = [
        {
            "origin": str(place.origin),
            "op_id": op_id,
            "site": place.origin.site,
            "kind": kind,
            "number": references[kind],
        }
        for kind in ("delivery", "order")
        if references.get(kind)
    ]
    session.insert("announced_acts", rows)


def _movement(place: Place, index: int, event: events.Moved) -> dict[str, object]:
    return {
        "origin": str(place.origin),
        "height": place.height,
        "tx_index": place.tx_index,
        "log_index": index,
        "op_id": str(event.op_id),
        "line": event.line,
        "item": event.item,
        "lot": event.lot,
        "serial": event.serial,
        "status": event.status,
        "quantity": event.quantity,
        "source": event.source,
        "target": event.target,
    }


def _add(stock: dict[tuple[str, str, str, int], int], event: events.Moved) -> None:
    for location, sign in ((event.source, -1), (event.target, 1)):
        key = (location, event.item, event.lot, event.status)
        stock[key] = stock.get(key, 0) + sign * event.quantity


def _book(session: Session, site: str, stock: dict[tuple[str, str, str, int], int]) -> None:
    rows = [
        {"site": site, "location": key[0], "item": key[1], "lot": key[2], "status": key[3], "quantity": change}
        for key, change in stock.items()
        if change
    ]
    session.many(
        "INSERT INTO stock VALUES (:site, :location, :item, :lot, :status, :quantity)"
        " ON CONFLICT(site, location, item, lot, status) DO UPDATE SET quantity = stock.quantity + excluded.quantity",
        rows,
    )


def _serial(session: Session, place: Place, event: events.Moved, findings: Findings) -> None:
    session.run(
        "INSERT INTO serials VALUES (:site, :item, :serial, :location, :origin, :height, :op)"
        " ON CONFLICT(item, serial, site) DO UPDATE SET location = excluded.location, origin = excluded.origin,"
        " height = excluded.height, op_id = excluded.op_id",
        site=place.origin.site,
        item=event.item,
        serial=event.serial,
        location=event.target,
        origin=str(place.origin),
        height=place.height,
        op=str(event.op_id),
    )
    findings.serials.add((event.item, event.serial))


def _operation(session: Session, place: Place, logs: list[Event]) -> None:
    call, actor, document = "", "", ""
    for event in logs:
        if isinstance(event, events.Recorded):
            call = _METHODS.get(event.call, event.call.hex())
            actor, document = str(event.actor), event.document.hex()
            break
        if isinstance(event, events.Noted):
            call, actor, document = "record", str(event.actor or ""), event.document.hex()
        elif isinstance(event, events.Bound):
            call, actor = "bind", str(event.actor)
        elif isinstance(event, events.Rebased):
            call = "rebase"
    if any(isinstance(event, events.ControlApplied | events.ControlRefused) for event in logs):
        # A settlement is the manager's own call inside a control record; the operation is the record.
        call = "apply"
    session.run(
        "INSERT INTO operations VALUES (:origin, :op, :site, :height, :tx, :call, :actor, :document, :at)",
        origin=str(place.origin),
        op=str(logs[0].op_id),
        site=place.origin.site,
        height=place.height,
        tx=place.tx_index,
        call=call,
        actor=actor,
        document=document,
        at=place.at_s,
    )


def _count(session: Session, place: Place, logs: list[Event], findings: Findings) -> None:
    lines = []
    for event in logs:
        if isinstance(event, events.CountRecorded):
            session.run(
                "INSERT INTO counts VALUES (:origin, :op, :site, :session, :bin, :round, :counter, :stable, :whole,"
                " :height, :at)",
                origin=str(place.origin),
                op=str(event.op_id),
                site=place.origin.site,
                session=str(event.session),
                bin=event.bin,
                round=min(event.round, _NUMBER_MAX),
                counter=str(event.counter),
                stable=int(event.stable),
                whole=int(event.whole),
                height=place.height,
                at=place.at_s,
            )
            findings.counts.add(str(event.op_id))
        elif isinstance(event, events.CountLine):
            lines.append(
                {
                    "origin": str(place.origin),
                    "op_id": str(event.op_id),
                    "line": event.line,
                    "item": event.item,
                    "lot": event.lot,
                    "serial": event.serial,
                    "status": event.status,
                    "counted": event.counted,
                    "expected": event.expected,
                    "posted_by": "",
                }
            )
    session.insert("count_lines", lines)


def _special(
    session: Session,
    place: Place,
    event: Event,
    moves: dict[int, events.Moved],
    logs: list[Event],
    findings: Findings,
) -> None:
    op_id = str(event.op_id)
    match event:
        case events.CountPlanned():
            findings.planned.append((op_id, event.scope, place.height, place.tx_index))
        case events.CountPosted():
            _posted(session, place, event)
            findings.counts.add(str(event.count))
            findings.posted.append(str(event.count))
        case events.CountShort():
            findings.shorts.append((op_id, event.line, event.missing))
        case events.SerialElsewhere():
            moved = moves.get(event.line)
            # Only a settlement books the line as well: its piece came back earlier, by another transfer, and stays.
            # Nothing in that contradicts anything; a count that found a piece which is elsewhere does.
            if moved is None:
                findings.elsewhere.append((op_id, event.line, event.location))
            elif moved.serial:
                session.run(
                    "UPDATE serials SET location = :location"
                    " WHERE site = :site AND item = :item AND serial = :serial",
                    location=event.location,
                    site=place.origin.site,
                    item=moved.item,
                    serial=moved.serial,
                )
        case events.Excepted():
            said = tuple(each for each in logs if isinstance(each, events.ExceptedLine))
            findings.excepted.append((op_id, event, said))
        case events.Dispatched():
            name = TransferName(place.origin.site, event.op_id)
            if _dispatched(session, place, name, event.receiver, moves, logs):
                findings.transfers.add(name)
            else:
                findings.again.append((name, place.height))
        case events.Accepted():
            name = TransferName(event.sender, event.transfer)
            _accepted(session, place, name, moves, logs)
            findings.transfers.add(name)
        case events.Settled():
            findings.transfers.add(_settled(session, place, event, moves, logs))
        case events.Reserved():
            _promise(session, place, event, op_id, event.quantity)
        case events.Unreserved():
            _promise(session, place, event, str(event.reservation), -event.quantity)
        case events.PartRecorded():
            session.run(
                "INSERT INTO parts VALUES (:origin, :site, :whole, :number, :count, :op, '')",
                origin=str(place.origin),
                site=place.origin.site,
                whole=str(event.whole),
                number=event.number,
                count=event.count,
                op=op_id,
            )
        case events.PartBooked():
            # It may have been stated in an earlier incarnation.
            session.run(
                "UPDATE parts SET booked = :op WHERE site = :site AND whole = :whole AND number = :number",
                op=op_id,
                site=place.origin.site,
                whole=str(event.whole),
                number=event.number,
            )
        case events.UnitMoved():
            session.run(
                "INSERT INTO units VALUES (:site, :unit, :parent, :origin, :height) ON CONFLICT(site, unit)"
                " DO UPDATE SET parent = excluded.parent, origin = excluded.origin, height = excluded.height",
                site=place.origin.site,
                unit=event.unit,
                parent=event.target,
                origin=str(place.origin),
                height=place.height,
            )
        case events.ControlApplied():
            _answered(session, place, event.sequence, "applied")
        case events.ControlRefused():
            _answered(session, place, event.sequence, "refused")
            findings.refused.append((event.sequence, event.kind))
        case events.Reversed():
            # It books the same lines backwards, so it was done for what they were done for.
            session.run(
                "INSERT INTO announced_acts SELECT DISTINCT :origin, :op, site, kind, number FROM announced_acts"
                " WHERE site = :site AND op_id = :of",
                origin=str(place.origin),
                op=op_id,
                site=place.origin.site,
                of=str(event.of),
            )
        case events.Noted() if event.kind == CLAIM:
            findings.claimed.append((event.subject[:16].hex(), place.height, place.tx_index))
        case events.Noted() if event.kind == CANCEL:
            name = TransferName(place.origin.site, OpId(event.subject[:16]))
            findings.asked.append((name, op_id, place.height, place.tx_index))
        case events.Bound():
            findings.bound.append((str(event.actor), event.key.hex()))
            session.run(
                "INSERT INTO binds VALUES (:origin, :height, :tx, :actor, :key)",
                origin=str(place.origin),
                height=place.height,
                tx=place.tx_index,
                actor=str(event.actor),
                key=event.key.hex(),
            )
        case _:
            pass


def _promise(
    session: Session, place: Place, event: events.Reserved | events.Unreserved, reservation: str, change: int
) -> None:
    session.run(
        "INSERT INTO reservations VALUES (:site, :reservation, :location, :item, :lot, :status, :more, :change)"
        " ON CONFLICT(site, reservation, location, item, lot, status) DO UPDATE SET"
        " quantity = reservations.quantity + excluded.quantity, rest = reservations.rest + excluded.rest",
        site=place.origin.site,
        reservation=reservation,
        location=event.location,
        item=event.item,
        lot=event.lot,
        status=event.status,
        more=max(change, 0),
        change=change,
    )


def _posted(session: Session, place: Place, event: events.CountPosted) -> None:
    count = str(event.count)
    # The count may have been recorded by an earlier incarnation.
    lines = session.all(
        "SELECT origin, line FROM count_lines WHERE op_id = :op"
        " AND origin IN (SELECT origin FROM origins WHERE site = :site)",
        site=place.origin.site,
        op=count,
    )
    session.many(
        "UPDATE count_lines SET posted_by = :by WHERE origin = :origin AND op_id = :op AND line = :line",
        [
            {"by": str(event.op_id), "origin": row["origin"], "op": count, "line": row["line"]}
            for row in lines
            if event.select >> row["line"] & 1
        ],
    )


def _dispatched(
    session: Session,
    place: Place,
    name: TransferName,
    receiver: str,
    moves: dict[int, events.Moved],
    logs: list[Event],
) -> bool:
    """False when the sender has dispatched under this id before, in an earlier incarnation: the first one stays."""
    document = next((each.document.hex() for each in logs if isinstance(each, events.Recorded)), "")
    new = session.run(
        "INSERT INTO transfers VALUES (:transfer, :sender, :receiver, :document, :at, :origin, :height)"
        " ON CONFLICT(transfer, sender) DO UPDATE SET receiver = excluded.receiver, document = excluded.document,"
        " dispatched_s = excluded.dispatched_s, dispatch_origin = excluded.dispatch_origin,"
        " dispatch_height = excluded.dispatch_height WHERE transfers.dispatched_s IS NULL",
        **_key(name),
        receiver=receiver,
        document=document,
        at=place.at_s,
        origin=str(place.origin),
        height=place.height,
    )
    if not new:
        return False
    session.insert(
        "transfer_lines",
        [
            {
                **_key(name),
                "line": line,
                "item": move.item,
                "lot": move.lot,
                "serial": move.serial,
                "status": move.status,
                "quantity": move.quantity,
                "source": move.source,
                "unit": "",
            }
            for line, move in sorted(moves.items())
        ],
    )
    return True


def _accepted(
    session: Session, place: Place, name: TransferName, moves: dict[int, events.Moved], logs: list[Event]
) -> None:
    # Whichever half arrives first makes the row; what it says is the dispatch's business alone.
    session.run(
        "INSERT INTO transfers VALUES (:transfer, :sender, '', '', NULL, '', NULL)"
        " ON CONFLICT(transfer, sender) DO NOTHING",
        **_key(name),
    )
    rows = []
    for line in logs:
        if isinstance(line, events.AcceptedLine):
            rows.append(_arrival(place, name, line, line.line, line.index, moves.get(line.line)))
            rows[-1]["missing"] = line.missing
    session.insert("transfer_arrivals", rows)


def _settled(
    session: Session, place: Place, event: events.Settled, moves: dict[int, events.Moved], logs: list[Event]
) -> TransferName:
    """A settlement's lines are those of our own control record, which says what each of them stands for, and of which
    transfer it is: the operation that it settles may be the reversal of an acceptance."""
    cut = session.one(
        "SELECT subject, record FROM controls WHERE origin = :origin AND sequence = :sequence",
        origin=str(place.origin),
        sequence=next((each.sequence for each in logs if isinstance(each, events.ControlApplied)), 0),
    )
    content = control.ControlRecord.decode(bytes(cut["record"])).content if cut is not None else None
    name, entries = TransferName(place.origin.site, event.transfer), {}
    if cut is not None and isinstance(content, control.SettlePayload):
        name = TransferName.parse(cut["subject"])
        entries = {line: row.index for line, row in enumerate(content.lines)}
    rows = [_arrival(place, name, move, line, entries.get(line, line), move) for line, move in sorted(moves.items())]
    session.insert("transfer_arrivals", [{**row, "kind": "settled"} for row in rows])
    return name


def _arrival(
    place: Place, name: TransferName, event: Event, line: int, entry: int, move: events.Moved | None
) -> dict[str, object]:
    return {
        **_key(name),
        "origin": str(place.origin),
        "op_id": str(event.op_id),
        "line": line,
        "entry": min(entry, _NUMBER_MAX),
        "site": place.origin.site,
        "at_s": place.at_s,
        "item": move.item if move else "",
        "lot": move.lot if move else "",
        "serial": move.serial if move else "",
        "status": move.status if move else 0,
        "quantity": move.quantity if move else 0,
        "missing": 0,
        "target": move.target if move else "",
        "kind": "accepted",
        "returned": 0,
    }


def _key(name: TransferName) -> dict[str, str]:
    return {"transfer": str(name.transfer), "sender": name.sender}


def _answered(session: Session, place: Place, sequence: int, state: str) -> None:
    # A record that was never signed was never told: the chain answers another one, which this database has forgotten.
    session.run(
        "UPDATE controls SET state = :state, answered_height = :height"
        " WHERE origin = :origin AND sequence = :sequence AND state <> 'cut'",
        state=state,
        height=place.height,
        origin=str(place.origin),
        sequence=sequence,
    )
