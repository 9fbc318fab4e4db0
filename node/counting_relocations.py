"""Goods that are too many in one bin and too few in another: perhaps only moved without being booked.

An offer is a pair of lines about one item (lot, serial, status) in two bins of a session, one of them in review. It
is accepted or declined before that one is posted. What is accepted is explained as relocated in both bins; one that
was posted before the other was counted keeps its own reasons, and the posting of the other names it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import APPROVE
from node.counting_choosing import refuse_own
from node.counting_units import refuse_elsewhere
from node.desk import Answer, Desk, Person
from node.rounds import reveal_decided
from node.values import Fields

Key = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class Offer:
    """`quantity` of one thing is missing in `source` and too much in `target`. `decided`: accepted, declined, ''.
    `posted`: what posted the other bin than the one that is looked at, if it is."""

    key: Key
    source: str
    target: str
    quantity: int
    decided: str
    posted: OpId | None


class Relocations:
    """Offers and what was decided about them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def decide(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Accept or decline an offer: `session`, `item`, `lot`, `serial`, `status`, `source`, `target`, `accept`. Who
        counted one of the two bins does not, if another approver can: it is an explanation of what they counted."""
        who.need(APPROVE, "decide on a relocation")
        fields = Fields(body, "relocation")
        session, source, target = fields.op_id("session"), fields.text("source"), fields.text("target")
        item, lot, serial = fields.text("item"), fields.text("lot", need=False), fields.text("serial", need=False)
        key: Key = (item, lot, serial, fields.status())
        accept = fields.flag("accept", default=True)
        fields.done()

        # Refused or not, it says how the two differ: kept on its own, before either.
        with self._desk.site.writing() as connection:
            if who.counts:
                reveal_decided(connection, session, (source, target), who.actor, self._desk.now_ms())

        def work(connection: Connection) -> Answer:
            for bin_ in (source, target):
                refuse_own(connection, session, bin_, who, self._desk.now_ms())
            found = (each for bin_ in (source, target) for each in offers(connection, session, bin_))
            offer = next(
                (each for each in found if (each.key, each.source, each.target) == (key, source, target)), None
            )
            if offer is None:
                raise Rejected(f"{item} is not missing in {source} and found in {target}: nothing to relocate")
            connection.execute(
                "INSERT OR REPLACE INTO count_relocations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?)",
                (session.raw, *key, source, target, offer.quantity, "accepted" if accept else "declined",
                 who.actor.raw, self._desk.now_ms(), None if offer.posted is None else offer.posted.raw),
            )  # fmt: skip
            return {"session": str(session), "quantity": offer.quantity, "accepted": accept}

        content = {"session": session.raw, "key": list(key), "source": source, "target": target, "accept": accept}
        return self._desk.once(op_id, who.actor, "relocate", content, work)


def offers(connection: Connection, session: OpId, bin_: str) -> list[Offer]:
    """The offers that this bin is part of, with what other relocations leave of them: the other bin is in review as
    well, or posted."""
    mine = {key: size for _, key, size, post in _lines(connection, session, "b.bin = ?", bin_) if post is None}
    if not mine:
        return []
    decided = {}
    spoken_for: Counter[tuple[Key, str]] = Counter()  # what accepted relocations leave nothing of
    for *key_, source, target, quantity, state, half in connection.execute(
        "SELECT item, lot, serial, status, source, target, quantity, state, half FROM count_relocations"
        " WHERE session = ?",
        (session.raw,),
    ):
        key: Key = (str(key_[0]), str(key_[1]), str(key_[2]), int(key_[3]))
        decided[key, str(source), str(target)] = (str(state), int(quantity), bool(half))
        if state == "accepted":
            spoken_for.update({(key, str(source)): int(quantity), (key, str(target)): int(quantity)})
    found = []
    items = json.dumps(sorted({key[0] for key in mine}))
    for other, key, there, post in _lines(
        connection, session, "b.bin <> ? AND l.item IN (SELECT value FROM json_each(?))", bin_, items
    ):
        here = mine.get(key, 0)
        if here * there < 0:
            source, target = (bin_, other) if here < 0 else (other, bin_)
            state, quantity, half = decided.get((key, source, target), ("", 0, False))
            if state != "accepted":
                quantity = min(abs(here) - spoken_for[key, bin_], abs(there) - spoken_for[key, other])
            # Once one half is booked as relocated the other is not decided again.
            if quantity > 0 and not half:
                found.append(Offer(key, source, target, quantity, state, post))
    return found


def settled(connection: Connection, session: OpId, bin_: str) -> list[Offer]:
    """What was accepted of a bin that is posted."""
    found = []
    for item, lot, serial, status, source, target, quantity in connection.execute(
        "SELECT item, lot, serial, status, source, target, quantity FROM count_relocations"
        " WHERE session = ? AND (source = ? OR target = ?) AND state = 'accepted'",
        (session.raw, bin_, bin_),
    ).fetchall():
        key, other = (str(item), str(lot), str(serial), int(status)), target if source == bin_ else source
        posts = (post for _, each, _, post in _lines(connection, session, "b.bin = ?", other) if each == key)
        found.append(Offer(key, str(source), str(target), int(quantity), "accepted", next(posts, None)))
    return found


def still_counted(connection: Connection, session: OpId, bin_: str) -> int:
    """In how many bins of the session what differs in this one may still turn up, or be missing: those in which these
    items are not counted to the end yet."""
    items = {key[0] for _, key, _, post in _lines(connection, session, "b.bin = ?", bin_) if post is None}
    rows = connection.execute(
        "SELECT items FROM count_bins WHERE session = ? AND bin <> ? AND state IN ('waiting', 'counting', 'closing')",
        (session.raw, bin_),
    ).fetchall()
    return sum(1 for (asked,) in rows if items and (not asked or items & set(json.loads(asked))))


def relocated(connection: Connection, session: OpId, bin_: str) -> dict[Key, int]:
    """How much of each line's difference in this bin is explained by accepted relocations."""
    found: dict[Key, int] = {}
    for item, lot, serial, status, quantity in connection.execute(
        "SELECT item, lot, serial, status, quantity FROM count_relocations"
        " WHERE session = ? AND (source = ? OR target = ?) AND state = 'accepted'",
        (session.raw, bin_, bin_),
    ):
        key = (str(item), str(lot), str(serial), int(status))
        found[key] = found.get(key, 0) + int(quantity)
    return found


def note_posted(connection: Connection, session: OpId, bin_: str, keys: Iterable[Key]) -> None:
    """One half of the accepted relocations of these things is booked: the other must follow."""
    connection.executemany(
        "UPDATE count_relocations SET half ="
        " iif(half = '' AND posted IS NULL, iif(source = ?2, 'source', 'target'), 'both')"
        " WHERE session = ?1 AND state = 'accepted' AND (source = ?2 OR target = ?2)"
        " AND item = ?3 AND lot = ?4 AND serial = ?5 AND status = ?6",
        [(session.raw, bin_, *key) for key in keys],
    )


def posted_before(connection: Connection, session: OpId, bin_: str, keys: Iterable[Key]) -> list[OpId]:
    """What had posted the other halves of the accepted relocations of these things before those were found."""
    wanted = set(keys)
    rows = connection.execute(
        "SELECT item, lot, serial, status, posted FROM count_relocations"
        " WHERE session = ? AND (source = ? OR target = ?) AND state = 'accepted' AND posted IS NOT NULL",
        (session.raw, bin_, bin_),
    ).fetchall()
    return sorted({OpId(bytes(posted)) for *key, posted in rows if tuple(key) in wanted}, key=lambda each: each.raw)


def refuse_open(connection: Connection, session: OpId, bin_: str) -> None:
    """Refuse to post a bin while an offer is not decided, or while a piece or unit it found is in another bin's
    books."""
    refuse_elsewhere(connection, session, bin_)
    for offer in offers(connection, session, bin_):
        item = offer.key[0]
        if not offer.decided:
            raise Rejected(
                f"{offer.quantity} of {item} missing in {offer.source} may be those found in {offer.target}: "
                "say whether they were relocated"
            )
        if offer.key[2] and offer.target == bin_ and offer.posted is None:
            # Taking it in while the books have it elsewhere does nothing, and then it would be lost over there.
            raise Rejected(f"post {offer.source} first: the books have piece {offer.key[2]} of {item} there")


def _lines(
    connection: Connection, session: OpId, where: str, *values: object
) -> list[tuple[str, Key, int, OpId | None]]:
    """The differences of the rounds that are decided on, of bins in review or posted: bin, thing, by how much, and
    what posted it. A piece that was posted as found while the books had it elsewhere is not among them: nothing was
    booked, and both places are counted again (`Sessions.order_after`)."""
    rows = connection.execute(
        "SELECT b.bin, l.item, l.lot, l.serial, l.status, l.counted - l.expected, l.posted FROM count_bins b"  # noqa: S608
        " JOIN count_parts p ON p.session = b.session AND p.bin = b.bin AND p.round = COALESCE("
        "(SELECT c.round FROM count_choices c WHERE c.session = b.session AND c.bin = b.bin),"
        " (SELECT MAX(r.round) FROM count_rounds r WHERE r.session = b.session AND r.bin = b.bin))"
        " JOIN count_lines l ON l.count = p.op_id"
        " WHERE b.session = ? AND b.state IN ('review', 'posted') AND l.counted <> l.expected"
        f" AND (l.posted IS NULL OR l.elsewhere = '') AND {where} ORDER BY b.bin, p.part, l.line",
        (session.raw, *values),
    ).fetchall()
    return [
        (str(bin_), (str(item), str(lot), str(serial), int(status)), int(size), post and OpId(bytes(post)))
        for bin_, item, lot, serial, status, size, post in rows
    ]
