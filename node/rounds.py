"""Rows of a count as values, and the rules about them that several parts share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from ledger.counts import Compared, Rule
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.people import COUNT
from node import catalogue

# While a bin is in one of these states, counters must not learn what the books expect of it.
UNFINISHED = ("waiting", "counting", "closing", "review")
ENDED = ("posted", "uncounted", "rejected", "tested")
NOT_DECIDED = ("waiting", "uncounted", "rejected")  # a bin that leaves review so has no line to decide on
# Why a round is counted: by one more person in any case, or because two did not find the same.
SECOND, DIFFERENT = "second", "different"


@dataclass(frozen=True, slots=True)
class Session:
    session: OpId
    name: str
    state: str
    rule: Rule
    frozen: bool
    test: bool


@dataclass(frozen=True, slots=True)
class Round:
    """The newest round of a bin. `items`: empty for a whole bin. `task`, `changes`: None before it is opened."""

    session: OpId
    session_state: str
    bin: str
    bin_state: str
    items: tuple[str, ...]
    round: int
    why: str
    assignee: Actor | None
    task: int | None
    changes: int | None
    height: int | None
    blind: bool
    sheet: int | None
    deadline_ms: int | None

    @property
    def whole(self) -> bool:
        return not self.items


@dataclass(frozen=True, slots=True)
class Part:
    """One recorded operation of a round. `counter` is None until the chain has it; `post`: what posted it last."""

    part: int
    op_id: OpId
    post: OpId | None
    counter: Actor | None
    stable: bool
    lines: tuple[Compared, ...]
    posted: tuple[bool, ...]

    @property
    def done(self) -> bool:
        """Whether everything of it is posted; a count without lines is one thing to post."""
        return all(self.posted) if self.lines else self.post is not None


_ROUND = (
    "SELECT b.session, s.state, b.bin, b.state, b.items, r.round, r.why, r.assignee, r.task, r.changes, r.height,"
    " r.blind, r.sheet, r.deadline_ms"
    " FROM count_bins b JOIN count_sessions s ON s.session = b.session"
    " JOIN count_rounds r ON r.session = b.session AND r.bin = b.bin "
)
_NEWEST = " AND r.round = (SELECT MAX(round) FROM count_rounds x WHERE x.session = b.session AND x.bin = b.bin)"
_UNFINISHED = (
    "WHERE b.bin = ? AND b.state IN ('waiting', 'counting', 'closing', 'review') AND s.state IN ('draft', 'active')"
)


def need_session(connection: Connection, session: OpId) -> Session:
    row = connection.execute(
        "SELECT name, state, rule, frozen, test FROM count_sessions WHERE session = ?", (session.raw,)
    ).fetchone()
    if row is None:
        raise Rejected(f"there is no count session {session} here")
    return Session(session, row[0], row[1], Rule.parse(json.loads(row[2])), bool(row[3]), bool(row[4]))


def waits_for_draw(connection: Connection, session: OpId) -> str | None:
    """Why the sample of a session could not be drawn yet; "" while the hub is waited for, None when nothing waits."""
    row = connection.execute("SELECT problem FROM count_draws WHERE session = ?", (session.raw,)).fetchone()
    return None if row is None else str(row[0])


def waits_for_draws(connection: Connection) -> bool:
    """Whether any sample waits for its secret from the hub."""
    return connection.execute("SELECT 1 FROM count_draws WHERE problem = '' LIMIT 1").fetchone() is not None


def is_drawn(connection: Connection, session: OpId, name: bytes, percent: int) -> bool:
    """Whether `name` is among the so many per cent of a session that are drawn by chance: always the same answer, by
    a secret of the session that leaves the node in no answer."""
    (secret,) = connection.execute("SELECT secret FROM count_sessions WHERE session = ?", (session.raw,)).fetchone()
    drawn = hashlib.sha256(bytes(secret) + session.raw + name).digest()
    return int.from_bytes(drawn[:4], "big") % 100 < percent


def latest(connection: Connection, session: OpId, bin_: str) -> Round:
    """The newest round of a bin of a session."""
    asked = _ROUND + "WHERE b.session = ? AND b.bin = ?" + _NEWEST
    row = connection.execute(asked, (session.raw, bin_)).fetchone()
    if row is None:
        raise Rejected(f"{bin_} is not in the count session {session}")
    return _round(row)


def latest_of(connection: Connection, session: OpId) -> dict[str, Round]:
    """`latest` of every bin of a session at once, by the bin."""
    rows = connection.execute(_ROUND + "WHERE b.session = ?" + _NEWEST, (session.raw,)).fetchall()
    return {row.bin: row for row in map(_round, rows)}


def speaking(connection: Connection, session: OpId, bin_: str) -> Round:
    """The round of a bin that is decided on: the one that an approver has chosen, else the newest."""
    row, found = latest(connection, session, bin_), chosen(connection, session, bin_)
    return row if found is None else round_at(connection, session, bin_, found[0])


def chosen(connection: Connection, session: OpId, bin_: str) -> tuple[int, str] | None:
    """The round that an approver has chosen in place of the newest, and why."""
    row = connection.execute(
        "SELECT round, reason FROM count_choices WHERE session = ? AND bin = ?", (session.raw, bin_)
    ).fetchone()
    return None if row is None else (int(row[0]), str(row[1]))


def round_at(connection: Connection, session: OpId, bin_: str, number: int) -> Round:
    """One round of a bin of a session, which is there."""
    asked = _ROUND + "WHERE b.session = ? AND b.bin = ? AND r.round = ?"
    return _round(connection.execute(asked, (session.raw, bin_, number)).fetchone())


def open_round(connection: Connection, bin_: str) -> Round | None:
    """The newest round of the one unfinished count that this bin is in."""
    row = connection.execute(_ROUND + _UNFINISHED + _NEWEST, (bin_,)).fetchone()
    return None if row is None else _round(row)


def round_of(connection: Connection, task: int) -> Round | None:
    """The round that a tally belongs to; None for one that was given back."""
    row = connection.execute("SELECT session, bin, round FROM count_tallies WHERE task = ?", (task,)).fetchone()
    return None if row is None else round_at(connection, OpId(bytes(row[0])), row[1], int(row[2]))


def being_counted(connection: Connection, bin_: str) -> list[Round]:
    """The rounds of the unfinished count of this bin whose tallies are not closed, in their order: several where more
    than one person counts the whole of it."""
    asked = _ROUND + "JOIN tasks t ON t.task = r.task " + _UNFINISHED + " AND t.state IN ('open', 'closing')"
    rows = connection.execute(asked + " ORDER BY r.round", (bin_,)).fetchall()
    return [_round(row) for row in rows]


def own_round(connection: Connection, bin_: str, actor: Actor) -> Round | None:
    """The round of this bin that the person counts now; None when they have not opened it."""
    return next((row for row in being_counted(connection, bin_) if row.assignee == actor), None)


def set_bin(connection: Connection, session: OpId, bin_: str, state: str, reason: str = "") -> None:
    if state in NOT_DECIDED:
        forget_relocations(connection, session, bin_)
    connection.execute(
        "UPDATE count_bins SET state = ?, reason = ? WHERE session = ? AND bin = ?",
        (state, reason, session.raw, bin_),
    )


def half_posted(connection: Connection, session: OpId, bin_: str) -> str:
    """The bin that was posted as relocated with this one, which was not; "" when there is none."""
    row = connection.execute(
        "SELECT CASE source WHEN ?2 THEN target ELSE source END FROM count_relocations WHERE session = ?1"
        " AND (source = ?2 AND half = 'target' OR target = ?2 AND half = 'source') LIMIT 1",
        (session.raw, bin_),
    ).fetchone()
    return "" if row is None else str(row[0])


def forget_relocations(connection: Connection, session: OpId, bin_: str) -> None:
    """What was said about goods missing in one bin and found in the other was said of lines that are decided on no
    more. `Rejected` once one half is booked: without the other its goods would be lost, or found, for no reason."""
    if other := half_posted(connection, session, bin_):
        raise Rejected(f"{other} is posted as relocated with {bin_}: post that too, then have both counted again")
    connection.execute(
        "DELETE FROM count_relocations WHERE session = ? AND (source = ? OR target = ?) AND half = ''",
        (session.raw, bin_, bin_),
    )


def close_if_done(connection: Connection, session: OpId) -> None:
    """A session ends when each bin is posted, rejected or left uncounted, and each sheet is back or accounted for. It
    is rejected when every bin is, and no line of any was posted before."""
    states = {
        state
        for (state,) in connection.execute(
            "SELECT state FROM count_bins WHERE session = ?", (session.raw,)
        ).fetchall()
    }
    out = connection.execute(
        "SELECT 1 FROM count_sheets WHERE session = ? AND state = 'issued'", (session.raw,)
    ).fetchone()
    if states <= set(ENDED) and out is None:
        posted = connection.execute(
            "SELECT 1 FROM counts c JOIN count_posts p ON p.count = c.op_id WHERE c.session = ?", (session.raw,)
        ).fetchone()
        connection.execute(
            "UPDATE count_sessions SET state = ? WHERE session = ? AND state = 'active'",
            ("rejected" if states == {"rejected"} and posted is None else "closed", session.raw),
        )


def give_up_test(connection: Connection, bin_: str) -> None:
    """Nobody goes on with the test count of this bin, if there is one. What was scanned in it stays on record."""
    row = open_round(connection, bin_)
    if row is None or row.bin_state != "counting" or not need_session(connection, row.session).test:
        return
    for task in tallies(connection, row):
        connection.execute("UPDATE tasks SET state = 'dropped' WHERE task = ?", (task,))
    set_bin(connection, row.session, bin_, "uncounted")
    close_if_done(connection, row.session)


def frozen_bins(connection: Connection) -> frozenset[str]:
    """Bins that take no other work until their count is finished."""
    rows = connection.execute(
        "SELECT b.bin FROM count_bins b JOIN count_sessions s ON s.session = b.session AND s.frozen"
        " WHERE s.state = 'active' AND b.state IN ('waiting', 'counting', 'closing', 'review')"
    ).fetchall()
    return frozenset(str(row[0]) for row in rows)


def counted_now(connection: Connection) -> frozenset[str]:
    """Bins in which somebody stands and counts: what is taken from them meanwhile has them counted again."""
    rows = connection.execute("SELECT bin FROM count_bins WHERE state IN ('counting', 'closing')").fetchall()
    return frozenset(str(row[0]) for row in rows)


def refuse_frozen(connection: Connection, bins: Iterable[str]) -> None:
    """Refuse work in a bin that is frozen for its count, and on a unit that stands in it."""
    frozen = frozen_bins(connection)
    for place in sorted(set(bins)) if frozen else ():
        for bin_ in sorted({place, catalogue.stands_in(connection, place)} & frozen):
            raise Rejected(f"{bin_} is frozen until its count is finished: wait, or say that it has happened already")


def next_round(connection: Connection, row: Round, why: str) -> None:
    """Let the bin be counted once more, by someone else, until when the round before was to be done: without its
    deadline a counter would know it for a recount."""
    connection.execute(
        "INSERT INTO count_rounds (session, bin, round, why, deadline_ms)"
        " SELECT session, bin, ?, ?, deadline_ms FROM count_rounds WHERE session = ? AND bin = ? AND round = ?",
        (row.round + 1, why, row.session.raw, row.bin, row.round),
    )
    connection.execute("DELETE FROM count_choices WHERE session = ? AND bin = ?", (row.session.raw, row.bin))
    set_bin(connection, row.session, row.bin, "waiting")


def give(
    connection: Connection, session: OpId, bin_: str, assignee: Actor | None, deadline_ms: int | None, now_ms: int
) -> None:
    """Let one person (None: anyone) count the waiting round of a bin, until then."""
    row = latest(connection, session, bin_)
    if row.bin_state != "waiting":
        raise Rejected(f"{bin_} is not waiting for a counter")
    if assignee is not None:
        need_assignee(connection, assignee, deadline_ms, now_ms)
        refuse_counter(connection, session, bin_, assignee)
    connection.execute(
        "UPDATE count_rounds SET assignee = ?, deadline_ms = ? WHERE session = ? AND bin = ? AND round = ?",
        (None if assignee is None else assignee.raw, deadline_ms, session.raw, bin_, row.round),
    )


def need_assignee(connection: Connection, actor: Actor, deadline_ms: int | None, now_ms: int) -> None:
    """Refuse an assignee who may not count now, or not until the deadline."""
    need_counter(connection, actor)
    begin_s, end_s = connection.execute(
        "SELECT valid_from, valid_until FROM rights WHERE actor = ?", (actor.raw,)
    ).fetchone()
    name = f"{str(actor)[:8]}…"
    if begin_s * 1000 > now_ms:
        raise Rejected(f"the rights of {name} have not begun yet: give it to somebody else")
    if end_s and end_s * 1000 <= now_ms:
        raise Rejected(f"{name} may not count here any more: their rights have ended")
    if deadline_ms is not None and end_s and end_s * 1000 < deadline_ms:
        raise Rejected(f"the rights of {name} end before this deadline: give it to somebody else, or until earlier")


def need_counter(connection: Connection, actor: Actor) -> None:
    """Refuse a person who may not count."""
    row = connection.execute("SELECT roles, revoked FROM rights WHERE actor = ?", (actor.raw,)).fetchone()
    if row is None or row[1] or not int(row[0]) & COUNT:
        raise Rejected(f"{str(actor)[:8]}… may not count here: that needs the role COUNT")


def people_with(connection: Connection, role: int, now_ms: int) -> set[Actor]:
    """Everyone who has the role now and has a key here: who never logged in cannot be waited for."""
    rows = connection.execute(
        "SELECT actor FROM rights WHERE roles & ?1 AND NOT revoked AND key IS NOT NULL AND valid_from <= ?2"
        " AND (valid_until = 0 OR valid_until > ?2)",
        (role, now_ms // 1000),
    ).fetchall()
    return {Actor(bytes(row[0])) for row in rows}


def countable(connection: Connection, session: OpId, rows: Iterable[Round], now_ms: int) -> set[str]:
    """The bins of these newest rounds that somebody here may count: whom `refuse_counter` would let. Asked of a whole
    session at once."""
    people, barred = people_with(connection, COUNT, now_ms), barred_in(connection, session)
    return {
        row.bin
        for row in rows
        if people - barred.get(row.bin, set()) - (movers_of(connection, session, row.bin) if row.round else set())
    }


def barred_in(connection: Connection, session: OpId) -> dict[str, set[Actor]]:
    """By bin of a session everyone who counted it, or knows too much to count it."""
    barred: dict[str, set[Actor]] = {}
    for sql in (
        "SELECT bin, actor FROM count_reveals WHERE session = ?1",
        "SELECT DISTINCT r.bin, t.actor FROM count_tallies r JOIN tasks t ON t.task = r.task"
        " JOIN scan_events e ON e.task = t.task WHERE r.session = ?1",
        "SELECT DISTINCT r.bin, e.actor FROM count_tallies r JOIN scan_events e ON e.task = r.task"
        " WHERE r.session = ?1",
        "SELECT bin, counter FROM counts WHERE session = ?1",
    ):
        for bin_, actor in connection.execute(sql, (session.raw,)):
            barred.setdefault(str(bin_), set()).add(Actor(bytes(actor)))
    return barred


def counters_of(connection: Connection, session: OpId, bin_: str) -> set[Actor]:
    """Everyone who counted this bin in this session or entered a count of it, in any round, finished or not."""
    rows = connection.execute(
        "SELECT DISTINCT t.actor FROM count_tallies r JOIN tasks t ON t.task = r.task"
        " JOIN scan_events e ON e.task = t.task WHERE r.session = ?1 AND r.bin = ?2"
        " UNION SELECT e.actor FROM count_tallies r JOIN scan_events e ON e.task = r.task"
        " WHERE r.session = ?1 AND r.bin = ?2"
        " UNION SELECT counter FROM counts WHERE session = ?1 AND bin = ?2",
        (session.raw, bin_),
    ).fetchall()
    return {Actor(bytes(row[0])) for row in rows}


def recorded(connection: Connection, session: OpId, bin_: str) -> int | None:
    """The newest round of a bin that was counted to its end; None when there is no such."""
    (number,) = connection.execute(
        "SELECT MAX(round) FROM count_parts WHERE session = ? AND bin = ?", (session.raw, bin_)
    ).fetchone()
    return None if number is None else int(number)


def recorded_in(connection: Connection, session: OpId) -> set[str]:
    """The bins of a session of which `recorded` has a round."""
    rows = connection.execute("SELECT DISTINCT bin FROM count_parts WHERE session = ?", (session.raw,)).fetchall()
    return {str(bin_) for (bin_,) in rows}


def end_rounds(connection: Connection, row: Round, number: int, reason: str) -> None:
    """No round after this one is counted: the bin goes to review as it is, and keeps why."""
    key = (row.session.raw, row.bin, number)
    connection.execute("DELETE FROM count_areas WHERE session = ? AND bin = ? AND round > ?", key)
    connection.execute("DELETE FROM count_rounds WHERE session = ? AND bin = ? AND round > ?", key)
    set_bin(connection, row.session, row.bin, "review", reason)


def ended(connection: Connection, session: OpId, bin_: str) -> str:
    """Why the rounds of a bin were ended before the rule was satisfied; "" when they were not."""
    row = connection.execute(
        "SELECT reason FROM count_bins WHERE session = ? AND bin = ? AND state IN ('review', 'posted')",
        (session.raw, bin_),
    ).fetchone()
    return "" if row is None else str(row[0])


def give_back(connection: Connection, row: Round) -> None:
    """Nobody counts this round now, nor a part of it. A second count of the whole bin is taken out; after a first one
    the second, if there is one, stands in its place."""
    key = (row.session.raw, row.bin, row.round)
    connection.execute("DELETE FROM count_areas WHERE session = ? AND bin = ? AND round = ?", key)
    if row.why == SECOND:
        connection.execute("DELETE FROM count_rounds WHERE session = ? AND bin = ? AND round = ?", key)
        return
    connection.execute(
        "UPDATE count_rounds SET assignee = NULL, task = NULL, changes = NULL, height = NULL"
        " WHERE session = ? AND bin = ? AND round = ?",
        key,
    )
    connection.execute(
        "UPDATE count_rounds SET why = ? WHERE session = ? AND bin = ? AND round = ? + 1", (row.why, *key)
    )


def tallies(connection: Connection, row: Round) -> list[int]:
    """The tasks whose tallies are summed in a round: its own, and those of the areas that others have counted."""
    rows = connection.execute(
        "SELECT task FROM count_tallies WHERE session = ? AND bin = ? AND round = ? ORDER BY area",
        (row.session.raw, row.bin, row.round),
    ).fetchall()
    return [int(task) for (task,) in rows]


def note_baseline(connection: Connection, session: OpId, bins: Iterable[str]) -> None:
    """These bins are in a count from here on: who changes what is in them now does so during it, before the first
    counter has come too. A later round changes nothing about that."""
    connection.executemany(
        "INSERT OR IGNORE INTO count_baselines SELECT ?, ?, height, place FROM operations"
        " ORDER BY height DESC, place DESC LIMIT 1",
        [(session.raw, bin_) for bin_ in bins],
    )


POSTED = ("post_count",)  # books what was counted: in whose name it is done, they have moved nothing by it
SIGNED = ("release", *POSTED)  # acts that sign for goods which others have moved


def movers_of(connection: Connection, session: OpId, bin_: str, but: tuple[str, ...] = POSTED) -> set[Actor]:
    """Everyone who brought goods into this bin, took, held, released or adjusted some since the session took
    it up, piece by piece or with the unit that they are on; also where that could not be booked. `but`: not by these
    calls."""
    rows = connection.execute(
        "WITH base AS (SELECT height, place FROM count_baselines WHERE session = ?1 AND bin = ?2)"
        " SELECT o.actor FROM base b JOIN movements m ON (m.source = ?2 OR m.target = ?2)"
        " AND (m.height, m.place) > (b.height, b.place)"
        " JOIN operations o ON o.height = m.height AND o.place = m.place"
        " AND o.call NOT IN (SELECT value FROM json_each(?3))"
        " UNION SELECT o.actor FROM base b JOIN unit_moves u ON (u.source = ?2 OR u.target = ?2)"
        " AND (u.height, u.place) > (b.height, b.place)"
        " JOIN operations o ON o.height = u.height AND o.place = u.place"
        " UNION SELECT o.actor FROM base b JOIN exception_lines e ON e.source = ?2 OR e.target = ?2"
        " JOIN operations o ON o.op_id = e.op_id AND (o.height, o.place) > (b.height, b.place)",
        (session.raw, bin_, json.dumps(but)),
    ).fetchall()
    return {Actor(bytes(row[0])) for row in rows if row[0] is not None}


def _going_on(connection: Connection, bin_: str) -> list[OpId]:
    """The count sessions with this bin that have not ended, whatever has become of the bin in them."""
    rows = connection.execute(
        "SELECT b.session FROM count_bins b JOIN count_sessions s ON s.session = b.session"
        " WHERE b.bin = ? AND s.state = 'active' AND NOT s.test",
        (bin_,),
    ).fetchall()
    return [OpId(bytes(raw)) for (raw,) in rows]


def counters_now(connection: Connection, bin_: str) -> set[Actor]:
    """Everyone who counted this bin in a session that goes on: they sign for nothing else that changes its books."""
    return {actor for session in _going_on(connection, bin_) for actor in counters_of(connection, session, bin_)}


def refuse_releaser(connection: Connection, bin_: str, actor: Actor) -> None:
    """Refuse a person who in a count session that goes on counted this bin, or moved, held or adjusted its goods. To
    have released some of them before is no hindrance, nor to have posted the count."""
    for session in _going_on(connection, bin_):
        if actor in counters_of(connection, session, bin_) | movers_of(connection, session, bin_, SIGNED):
            raise Rejected(f"who counted or moved goods of {bin_} in a count that goes on releases none of them")


def _not_again(connection: Connection, session: OpId, bin_: str) -> set[Actor]:
    """Who may not recount this bin because they moved its goods: the first count is anybody's."""
    return movers_of(connection, session, bin_) if latest(connection, session, bin_).round else set()


def refuse_counter(connection: Connection, session: OpId, bin_: str, actor: Actor) -> None:
    """Refuse a person who has counted this bin before, seen what the books expect or, for a recount, changed what is
    in it meanwhile; anybody while an auditor counts it."""
    if need_session(connection, session).test:
        raise Rejected(f"{bin_} is in an auditor's test count: count it when that is over")
    if actor in counters_of(connection, session, bin_):
        raise Rejected(f"{bin_} has to be counted by somebody else this time")
    row = connection.execute(
        "SELECT 1 FROM count_reveals WHERE session = ? AND bin = ? AND actor = ?", (session.raw, bin_, actor.raw)
    ).fetchone()
    if row is not None:
        raise Rejected(f"{bin_} has to be counted by somebody who knows nothing of what the books have there")
    if actor in _not_again(connection, session, bin_):
        raise Rejected(f"{bin_} has to be counted by somebody who has not moved or adjusted its goods meanwhile")


def reveal(connection: Connection, session: OpId, bins: Iterable[str], actor: Actor, now_ms: int) -> None:
    """From now on this person knows too much to count these bins in this session."""
    connection.executemany(
        "INSERT OR IGNORE INTO count_reveals VALUES (?, ?, ?, ?)",
        [(session.raw, bin_, actor.raw, now_ms) for bin_ in bins],
    )


def reveal_decided(connection: Connection, session: OpId, bins: Iterable[str], actor: Actor, now_ms: int) -> None:
    """The same of those bins that wait for a decision: who is asked for one, or refused it, hears how they differ."""
    rows = connection.execute("SELECT bin FROM count_bins WHERE session = ? AND state = 'review'", (session.raw,))
    reveal(connection, session, sorted({str(bin_) for (bin_,) in rows} & set(bins)), actor, now_ms)


def learned(connection: Connection, places: Iterable[str], actor: Actor, now_ms: int) -> None:
    """An act at these places told this person something of what the books have there, were it only that it could be
    booked or could not: they begin no count of them now, and one that they are at is not blind any more."""
    for place in places:
        row = open_round(connection, place)
        if row is None:
            continue
        reveal(connection, row.session, (place,), actor, now_ms)
        if own_round(connection, place, actor) is not None:
            connection.execute(
                "UPDATE count_rounds SET blind = 0 WHERE session = ? AND bin = ? AND round = ?",
                (row.session.raw, place, row.round),
            )


def blind_bins(connection: Connection) -> frozenset[str]:
    """All bins that are in an unfinished count."""
    rows = connection.execute(
        "SELECT b.bin FROM count_bins b JOIN count_sessions s ON s.session = b.session"
        " WHERE s.state IN ('draft', 'active') AND b.state IN ('waiting', 'counting', 'closing', 'review')"
    ).fetchall()
    return frozenset(str(row[0]) for row in rows)


def parked_count(connection: Connection, session: OpId, bin_: str) -> int:
    """How many reads of a bin nobody has explained yet."""
    (count,) = connection.execute(
        "SELECT COUNT(*) FROM parked p JOIN count_tallies r ON r.task = p.task"
        " WHERE r.session = ? AND r.bin = ? AND p.state = 'open'",
        (session.raw, bin_),
    ).fetchone()
    return int(count)


def parked_in(connection: Connection, session: OpId) -> dict[str, int]:
    """`parked_count` of every bin of a session at once; one without any is not in it."""
    rows = connection.execute(
        "SELECT r.bin, COUNT(*) FROM parked p JOIN count_tallies r ON r.task = p.task"
        " WHERE r.session = ? AND p.state = 'open' GROUP BY r.bin",
        (session.raw,),
    ).fetchall()
    return {str(bin_): int(count) for bin_, count in rows}


def parts(connection: Connection, session: OpId, bin_: str, round_: int) -> list[Part]:
    """What the chain holds of a round, part by part."""
    rows = connection.execute(
        "SELECT p.part, p.op_id, p.post, c.counter, c.stable FROM count_parts p"
        " LEFT JOIN counts c ON c.op_id = p.op_id WHERE p.session = ? AND p.bin = ? AND p.round = ? ORDER BY p.part",
        (session.raw, bin_, round_),
    ).fetchall()
    found = []
    for part, op_id, post, counter, stable in rows:
        lines = connection.execute(
            "SELECT item, lot, serial, status, counted, expected, posted FROM count_lines WHERE count = ?"
            " ORDER BY line",
            (op_id,),
        ).fetchall()
        found.append(
            Part(
                part=int(part),
                op_id=OpId(bytes(op_id)),
                post=None if post is None else OpId(bytes(post)),
                counter=None if counter is None else Actor(bytes(counter)),
                stable=bool(stable),
                lines=tuple(
                    Compared(item=line[0], lot=line[1], serial=line[2], status=line[3], counted=line[4],
                             expected=line[5])
                    for line in lines
                ),
                posted=tuple(line[6] is not None for line in lines),
            )
        )  # fmt: skip
    return found


def _round(row: tuple[object, ...]) -> Round:
    session, session_state, bin_, state, items, number, why, assignee, task, changes, height, blind, *rest = row
    sheet, deadline_ms = rest
    return Round(
        OpId(bytes(session)),  # type: ignore[call-overload]
        str(session_state),
        str(bin_),
        str(state),
        tuple(json.loads(str(items))) if items else (),
        int(str(number)),
        str(why),
        None if assignee is None else Actor(bytes(assignee)),  # type: ignore[call-overload]
        None if task is None else int(str(task)),
        None if changes is None else int(str(changes)),
        None if height is None else int(str(height)),
        bool(blind),
        None if sheet is None else int(str(sheet)),
        None if deadline_ms is None else int(str(deadline_ms)),
    )
