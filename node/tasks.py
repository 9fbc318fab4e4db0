"""What a person is busy with, and everything that was said in it: an append-only list of scan events.

A task is the count of one bin, or a receipt or a move that is being scanned together. Its tally is the sum of its
events; an undo is an event that takes another one back. The document that a task ends in carries the Merkle root of
its events (`ledger/scans`), so that a receipt can open any one of them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ledger import merkle
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.moves import QUANTITY_MAX
from ledger.scans import Event

COUNT, RECEIVE, MOVE = "count", "receive", "move"
OPEN, CLOSING, CLOSED, DROPPED = "open", "closing", "closed", "dropped"
UNSAID = -1  # nobody said in which status the goods are
EVENTS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Task:
    """`source` and `target` by kind: the bin of a count is its target, a receipt has the bin it fills there."""

    task: int
    kind: str
    actor: Actor
    state: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Thing:
    """What an event is about. `place`: where a received thing goes, '' in a count; `expiry`: ISO date or ''."""

    item: str = ""
    lot: str = ""
    serial: str = ""
    status: int = UNSAID
    expiry: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Where an event comes from: a raw read (its id of 16 bytes and its bytes), or a hand when there is none. Of the
    events that one read makes only the first has its id. `act`: the op_id by which a tablet said it; None for what a
    scanner of this node read."""

    at_ms: int
    read: bytes | None = None
    raw: bytes = b""
    act: OpId | None = None

    @property
    def digest(self) -> bytes | None:
        return None if self.read is None and not self.raw else hashlib.sha256(self.raw).digest()


@dataclass(frozen=True, slots=True)
class TallyLine:
    """The sum of a task's events about one thing. `stated`: someone keyed this very number, zero included."""

    thing: Thing
    quantity: int
    stated: bool
    pieces: int = 0


def begin(connection: Connection, actor: Actor, kind: str, source: str, target: str, at_ms: int) -> Task:
    """Start a task; `Rejected` while the person has another one open."""
    now = current(connection, actor)
    if now is not None:
        where = f" {now.target or now.source}" if now.target or now.source else ""
        raise Rejected(f"you are still busy with a {now.kind}{where}: finish or leave that first")
    return made(connection, actor, kind, OPEN, source, target, at_ms)


def from_paper(connection: Connection, actor: Actor, target: str, at_ms: int) -> Task:
    """The task of a bin that was counted on paper: the person may be busy with another one on a tablet."""
    return made(connection, actor, COUNT, CLOSING, "", target, at_ms)


def at_once(connection: Connection, actor: Actor, kind: str, source: str, target: str, at_ms: int) -> Task:
    """The task of an act that begins and ends in one go: it holds its events, and nobody is busy with it."""
    return made(connection, actor, kind, CLOSED, source, target, at_ms)


def made(connection: Connection, actor: Actor, kind: str, state: str, source: str, target: str, at_ms: int) -> Task:
    """A new task in this state, whatever else the person is busy with."""
    row = connection.execute(
        "INSERT INTO tasks (kind, actor, state, source, target, opened_at_ms) VALUES (?, ?, ?, ?, ?, ?)"
        " RETURNING task",
        (kind, actor.raw, state, source, target, at_ms),
    ).fetchone()
    return Task(int(row[0]), kind, actor, state, source, target)


def current(connection: Connection, actor: Actor) -> Task | None:
    """What this person is busy with."""
    return _task(connection, "WHERE actor = ? AND state = 'open'", actor.raw)


def meant(connection: Connection, actor: Actor, task: int | None, *, late: bool) -> Task | None:
    """What the person was busy with when they did what comes in now: `task`, as their tablet had it, and no other;
    without a number, what they are busy with. A receipt or move that was given up meanwhile is meant all the same
    where the act is `late`: they went on in it, because their tablet had no contact."""
    now = current(connection, actor)
    if task is None or (now is not None and now.task == task):
        return now
    found = get(connection, task) if late else None
    mine = found is not None and found.actor == actor and found.kind != COUNT and found.state == DROPPED
    return found if mine else None


def named(task: int | None) -> dict[str, int]:
    """What a wish says of the task it was done in, as it is remembered of the wish."""
    return {} if task is None else {"task": task}


def get(connection: Connection, task: int) -> Task | None:
    return _task(connection, "WHERE task = ?", task)


def need(connection: Connection, actor: Actor, kind: str, target: str = "") -> Task:
    """The person's open task of this kind, and of this target if one is named; `Rejected` when there is none."""
    found = current(connection, actor)
    if found is None or found.kind != kind:
        raise Rejected(f"you have no {kind} open: begin one first")
    if target and found.target != target:
        raise Rejected(f"this was done in {target}, and now you are busy with {found.target}")
    return found


def newest(connection: Connection, actor: Actor, kind: str, target: str) -> Task | None:
    """The person's last task of this kind with this target, in whatever state."""
    where = "WHERE actor = ? AND kind = ? AND target = ? ORDER BY task DESC LIMIT 1"
    return _task(connection, where, actor.raw, kind, target)


def dropped(connection: Connection, actor: Actor, target: str) -> Task | None:
    """The person's last count of this bin, if it was taken away from them."""
    found = newest(connection, actor, COUNT, target)
    return found if found is not None and found.state == DROPPED else None


def note_gap(connection: Connection, task: int, waited_ms: int) -> None:
    """Remember that something of this task waited so long on a tablet without contact."""
    connection.execute(
        "INSERT INTO task_gaps VALUES (?1, ?2) ON CONFLICT DO UPDATE SET waited_ms = max(waited_ms, ?2)",
        (task, waited_ms),
    )


def had_gap(connection: Connection, task: int) -> bool:
    return connection.execute("SELECT 1 FROM task_gaps WHERE task = ?", (task,)).fetchone() is not None


def refuse_parked(connection: Connection, task: int) -> None:
    """Refuse while nobody has said what some of its scans are."""
    if parked := unexplained(connection, task):
        raise Rejected(f"{parked} scans are not explained: resolve or dismiss them first")


def unexplained(connection: Connection, task: int) -> int:
    """How many of its scans nobody has explained yet."""
    (parked,) = connection.execute(
        "SELECT COUNT(*) FROM parked WHERE task = ? AND state = 'open'", (task,)
    ).fetchone()
    return int(parked)


def set_aside_last(connection: Connection, task: int) -> dict[str, str]:
    """The newest of these: {item, why}, the item "" where its code is of none; {} without any."""
    row = connection.execute(
        "SELECT why, hint FROM parked WHERE task = ? AND state = 'open' ORDER BY park DESC LIMIT 1", (task,)
    ).fetchone()
    return {} if row is None else {"item": str(json.loads(row[1]).get("item", "")), "why": str(row[0])}


def become(connection: Connection, task: int, state: str) -> None:
    connection.execute("UPDATE tasks SET state = ? WHERE task = ?", (state, task))


def steer(connection: Connection, task: int, source: str, target: str) -> None:
    """Where the things scanned from now on come from and go to."""
    connection.execute("UPDATE tasks SET source = ?, target = ? WHERE task = ?", (source, target, task))


def add(
    connection: Connection,
    task: Task,
    actor: Actor,
    kind: str,
    thing: Thing,
    quantity: int,
    cause: Cause,
    *,
    entered: int | None = None,
    negates: int | None = None,
    pieces: int = 0,
) -> int:
    """Append one event and answer its number within the task. `negates`: number of the event that is undone;
    `pieces`: beside a weight."""
    (last,) = connection.execute(
        "SELECT COALESCE(MAX(number), 0) FROM scan_events WHERE task = ?", (task.task,)
    ).fetchone()
    number = int(last) + 1
    if number > EVENTS_MAX:
        raise Rejected(f"this task has {last} events already: close it and begin another")
    if abs(quantity) > QUANTITY_MAX:
        raise Rejected(f"{quantity} is more than a bin can hold: expected at most {QUANTITY_MAX}")
    negated = None if negates is None else _event(connection, task, negates)
    said = Event(
        number=number, kind=kind, **asdict(thing), quantity=quantity, entered=entered, read=cause.read,
        digest=cause.digest, negates=negates, at_ms=cause.at_ms, pieces=pieces,
    )  # fmt: skip
    connection.execute(
        "INSERT INTO scan_events (task, number, kind, item, lot, serial, status, expiry, place, quantity, entered,"
        " read, digest, negates, actor, at_ms, leaf, pieces, raw, act)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            task.task,
            number,
            kind,
            thing.item,
            thing.lot,
            thing.serial,
            thing.status,
            thing.expiry,
            thing.place,
            quantity,
            entered,
            cause.read,
            cause.digest,
            negated,
            actor.raw,
            cause.at_ms,
            said.leaf,
            pieces,
            cause.raw or None if cause.read is None else None,
            None if cause.act is None else cause.act.raw,
        ),
    )
    return number


def root(connection: Connection, *of: int) -> bytes:
    """The Merkle root over the events of these tasks, one task after the other, each in order; the root of the empty
    tree when there are none. For a document: what stands under it is kept, so that an event can be opened, whatever
    is said in these tasks afterwards."""
    leaves = [_leaves(connection, task, EVENTS_MAX) for task in of]
    found = merkle.root_of(leaf for each in leaves for leaf in each)
    connection.executemany(
        "INSERT OR IGNORE INTO scan_roots VALUES (?, ?, ?, ?)",
        [(found, place, task, len(each)) for place, (task, each) in enumerate(zip(of, leaves, strict=True))],
    )
    return found


def under(connection: Connection, found: bytes) -> list[tuple[int, int, bytes]]:
    """(task, number, leaf) of every event under the root of a document, in order."""
    rows = connection.execute(
        "SELECT task, events FROM scan_roots WHERE root = ? ORDER BY place", (found,)
    ).fetchall()
    return [
        (int(task), number, leaf)
        for task, events in rows
        for number, leaf in enumerate(_leaves(connection, int(task), int(events)), 1)
    ]


def event(connection: Connection, task: int, number: int) -> tuple[Event, bytes | None]:
    """One event, and the bytes that a page read for it, if any."""
    row = connection.execute(
        "SELECT e.number, e.kind, e.item, e.lot, e.serial, e.status, e.expiry, e.place, e.quantity, e.entered,"
        " e.read, e.digest, n.number, e.at_ms, e.pieces, e.raw FROM scan_events e LEFT JOIN scan_events n"
        " ON n.event = e.negates WHERE e.task = ? AND e.number = ?",
        (task, number),
    ).fetchone()
    names = [each.name for each in fields(Event)]
    return Event(**dict(zip(names, row[:-1], strict=True))), row[-1]


def _leaves(connection: Connection, task: int, most: int) -> list[bytes]:
    rows = connection.execute("SELECT leaf FROM scan_events WHERE task = ? ORDER BY number LIMIT ?", (task, most))
    return [bytes(leaf) for (leaf,) in rows]


def tally(connection: Connection, task: int) -> list[TallyLine]:
    """What the task's events add up to, in the order of first events; what was undone to nothing is left out. Of
    several dates that were said of a thing the last one stands."""
    rows = connection.execute(
        "SELECT item, lot, serial, status,"
        " MAX(CASE WHEN expiry <> '' AND stands THEN printf('%05d', number) || expiry END),"
        " place, SUM(quantity), MAX(kind = 'set' AND stands), SUM(pieces) FROM (SELECT *, kind <> 'undo' AND"
        " NOT EXISTS (SELECT 1 FROM scan_events u WHERE u.negates = e.event) AS stands FROM scan_events e"
        " WHERE task = ? AND item <> '') GROUP BY item, lot, serial, status, place ORDER BY MIN(number)",
        (task,),
    ).fetchall()
    lines = [
        TallyLine(
            Thing(row[0], row[1], row[2], int(row[3]), (row[4] or "")[5:], row[5]),
            int(row[6]),
            bool(row[7]),
            int(row[8]),
        )
        for row in rows
    ]
    return [line for line in lines if line.quantity or line.stated or line.pieces]


def park(connection: Connection, task: Task, cause: Cause, symbology: str, why: str, hint: dict[str, Any]) -> int:
    """Set aside what could not be taken as it was. `hint` is what is known of it, to fill in the question on the
    tablet."""
    row = connection.execute(
        "INSERT INTO parked (task, read, raw, symbology, why, hint, at_ms, state, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 'open', '') RETURNING park",
        (task.task, cause.read, cause.raw, symbology, why[:500], json.dumps(hint), cause.at_ms),
    ).fetchone()
    return int(row[0])


def dates_of(connection: Connection, task: int) -> dict[tuple[str, str, str], bool]:
    """(item, lot, expiry) of every date that was said in the task and stands, in order: whether it was also said by
    hand, so that somebody was asked about it."""
    rows = connection.execute(
        "SELECT item, lot, expiry, MAX(kind <> 'scan') FROM scan_events e WHERE task = ? AND expiry <> ''"
        " AND kind NOT IN ('undo', 'repeat')"
        " AND NOT EXISTS (SELECT 1 FROM scan_events u WHERE u.negates = e.event)"
        " GROUP BY item, lot, expiry ORDER BY MIN(number)",
        (task,),
    ).fetchall()
    return {(str(item), str(lot), str(day)): bool(by_hand) for item, lot, day, by_hand in rows}


def lot_of(connection: Connection, task: int, thing: Thing) -> str | None:
    """The other lot under which a piece stands in the task already; None where it does not."""
    row = connection.execute(
        "SELECT lot FROM scan_events WHERE task = ? AND item = ? AND serial = ? AND lot <> ?"
        " GROUP BY lot HAVING SUM(quantity) > 0",
        (task, thing.item, thing.serial, thing.lot),
    ).fetchone()
    return None if row is None else str(row[0])


def has_piece(connection: Connection, task: int, thing: Thing) -> bool:
    """Whether a piece stands in the task under this lot, in whatever status and place."""
    (total,) = connection.execute(
        "SELECT COALESCE(SUM(quantity), 0) FROM scan_events WHERE task = ? AND item = ? AND lot = ? AND serial = ?",
        (task, thing.item, thing.lot, thing.serial),
    ).fetchone()
    return int(total) > 0


def part(
    connection: Connection, task: Task, actor: Actor, thing: Thing, status: int, quantity: int, cause: Cause, *,
    pieces: int = 0,
) -> Thing:  # fmt: skip
    """So much of a line is in another status: out of the one, by an event below zero, and in by the next. Answers the
    thing that it is then."""
    there, pieces_there = amounts_of(connection, task.task, thing)
    if not 0 < quantity <= there or not 0 <= pieces <= pieces_there:
        raise Rejected("there is not that much on this line")
    if pieces_there and (not pieces or (quantity < there) != (pieces < pieces_there)):
        raise Rejected(f"{thing.item} is counted in pieces and by weight: say both")
    held = replace(thing, status=status)
    add(connection, task, actor, "key", replace(thing, expiry=""), -quantity, cause, pieces=-pieces)
    add(connection, task, actor, "key", held, quantity, cause, pieces=pieces)
    return held


def quantity_of(connection: Connection, task: int, thing: Thing) -> int:
    """The tally of one thing."""
    return amounts_of(connection, task, thing)[0]


def amounts_of(connection: Connection, task: int, thing: Thing) -> tuple[int, int]:
    """The tally of one thing, and its pieces."""
    total, pieces = connection.execute(
        "SELECT COALESCE(SUM(quantity), 0), COALESCE(SUM(pieces), 0) FROM scan_events"
        " WHERE task = ? AND item = ? AND lot = ? AND serial = ?"
        " AND status = ? AND place = ?",
        (task, thing.item, thing.lot, thing.serial, thing.status, thing.place),
    ).fetchone()
    return int(total), int(pieces)


def said_empty(connection: Connection, task: int) -> bool:
    """Whether somebody declared the bin empty and has not taken that back."""
    row = connection.execute(
        "SELECT 1 FROM scan_events e WHERE task = ? AND kind = 'empty'"
        " AND NOT EXISTS (SELECT 1 FROM scan_events u WHERE u.negates = e.event)",
        (task,),
    ).fetchone()
    return row is not None


def undo(
    connection: Connection, task: Task, actor: Actor, number: int | None, cause: Cause, seen: int | None = None,
    of: OpId | None = None,
) -> tuple[Thing, bool]:  # fmt: skip
    """Take back one event of the task, by default the last that still stands, of those up to `seen` or of the act
    `of`: what it was about, and whether it had only said again what stood already, so that nothing changes."""
    row = connection.execute(
        "SELECT number, kind, at_ms, item, lot, serial, status, expiry, place, quantity, pieces FROM scan_events e"
        " WHERE task = ?1 AND kind <> 'undo' AND (number = ?2 OR ?2 IS NULL) AND (kind <> 'repeat' OR ?2 IS NULL)"
        " AND (number <= ?3 OR ?3 IS NULL) AND (act = ?4 OR ?4 IS NULL)"
        " AND NOT EXISTS (SELECT 1 FROM scan_events u WHERE u.negates = e.event) ORDER BY number DESC LIMIT 1",
        (task.task, number, seen, None if of is None else of.raw),
    ).fetchone()
    if of is not None and row is None:
        _refuse_undone(connection, task, of)
    if (
        number is None and of is None and (row is None or row[1] != "empty")
    ):  # a scan set aside because of that asks to undo it
        _refuse_set_aside(connection, task, -1 if row is None else int(row[2]))
    if row is None:
        raise Rejected("there is nothing to undo here" if number is None else f"line {number} cannot be undone")
    at, kind, _, *said, quantity, pieces = row
    thing = Thing(*said)
    there, pieces_there = amounts_of(connection, task.task, thing)
    left, pieces_left = there - quantity, pieces_there - pieces
    # Of catch weight neither is left without the other; and a total that was keyed in has in it what came before.
    alone = (pieces or pieces_there) and bool(left) != bool(pieces_left)
    if left < 0 or pieces_left < 0 or alone or _in_total(connection, task, at, thing):
        raise Rejected("a later entry builds on this one: undo that first")
    add(connection, task, actor, "undo", thing, -quantity, cause, negates=at, pieces=-pieces)
    other = _other_half(connection, task, at, quantity)
    return (thing, kind == "repeat") if other is None else undo(connection, task, actor, other, cause)


def _refuse_undone(connection: Connection, task: Task, of: OpId) -> None:
    """Refuse to take back an act of which nothing stands in the task."""
    said = connection.execute("SELECT 1 FROM scan_events WHERE task = ? AND act = ?", (task.task, of.raw)).fetchone()
    if said is not None:
        raise Rejected("that was taken back already")
    raise Rejected("nothing was counted by what you take back: it was refused or set aside")


def _refuse_set_aside(connection: Connection, task: Task, last_ms: int) -> None:
    """Refuse to take back what was said last where that counts nothing: a scan set aside after the last event."""
    row = connection.execute(
        "SELECT 1 FROM parked WHERE task = ? AND state = 'open' AND at_ms > ?", (task.task, last_ms)
    ).fetchone()
    if row is not None:
        raise Rejected("the last scan was set aside and counts nothing: explain or dismiss it")


def _in_total(connection: Connection, task: Task, number: int, thing: Thing) -> bool:
    """Whether a total of this thing that stands was keyed in after an event."""
    row = connection.execute(
        "SELECT 1 FROM scan_events e WHERE task = ? AND number > ? AND kind = 'set' AND item = ? AND lot = ?"
        " AND serial = ? AND status = ? AND place = ?"
        " AND NOT EXISTS (SELECT 1 FROM scan_events u WHERE u.negates = e.event)",
        (task.task, number, thing.item, thing.lot, thing.serial, thing.status, thing.place),
    ).fetchone()
    return row is not None


def _other_half(connection: Connection, task: Task, number: int, quantity: int) -> int | None:
    """Of the two events by which a part of a line got another status the one beside this, while it stands. What was
    keyed in as so much more or less says how much."""
    out, into = (number, number + 1) if quantity < 0 else (number - 1, number)
    rows = connection.execute(
        "SELECT number, quantity, EXISTS (SELECT 1 FROM scan_events u WHERE u.negates = e.event) FROM scan_events e"
        " WHERE task = ? AND number IN (?, ?) AND kind = 'key' AND entered IS NULL ORDER BY number",
        (task.task, out, into),
    ).fetchall()
    if len(rows) < 2 or not rows[0][1] < 0 < rows[1][1]:
        return None
    return next((int(row[0]) for row in rows if row[0] != number and not row[2]), None)


def history(connection: Connection, task: int, limit: int = 20) -> list[dict[str, Any]]:
    """The task's newest events, newest first, for its own screen; `act` by which a tablet said it."""
    rows = connection.execute(
        "SELECT number, kind, item, lot, serial, quantity, entered, lower(hex(act)),"
        " EXISTS (SELECT 1 FROM scan_events u WHERE u.negates = e.event)"
        " FROM scan_events e WHERE task = ? ORDER BY number DESC LIMIT ?",
        (task, limit),
    ).fetchall()
    names = ("number", "kind", "item", "lot", "serial", "quantity", "entered", "act", "undone")
    return [{**dict(zip(names, row, strict=True)), "undone": bool(row[8])} for row in rows]


def _event(connection: Connection, task: Task, number: int) -> int:
    row = connection.execute(
        "SELECT event FROM scan_events WHERE task = ? AND number = ?", (task.task, number)
    ).fetchone()
    return int(row[0])


def _task(connection: Connection, where: str, *values: object) -> Task | None:
    row = connection.execute(
        f"SELECT task, kind, actor, state, source, target FROM tasks {where}",  # noqa: S608 - our own words
        values,
    ).fetchone()
    return None if row is None else Task(int(row[0]), row[1], Actor(bytes(row[2])), row[3], row[4], row[5])
