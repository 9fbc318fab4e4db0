"""Goods that are too many in one bin and too few in another: perhaps only moved without being booked.

An offer is a pair of lines about one item (lot, serial, status) in two bins of a session that are both in review. It
is accepted or declined before either bin is posted. What is accepted is explained as relocated in both bins.
"""

from __future__ import annotations

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
from node.rounds import parts, reveal_decided, speaking
from node.values import Fields

Key = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class Offer:
    """`quantity` of one thing is missing in `source` and too much in `target`. `decided`: accepted, declined, ''."""

    key: Key
    source: str
    target: str
    quantity: int
    decided: str


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
                refuse_own(connection, session, bin_, who)
            offer = next(
                (each for each in offers(connection, session, source) if each.key == key and each.target == target),
                None,
            )
            if offer is None:
                raise Rejected(f"{item} is not missing in {source} and found in {target}: nothing to relocate")
            connection.execute(
                "INSERT OR REPLACE INTO count_relocations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
                (session.raw, *key, source, target, offer.quantity, "accepted" if accept else "declined",
                 who.actor.raw, self._desk.now_ms()),
            )  # fmt: skip
            return {"session": str(session), "quantity": offer.quantity, "accepted": accept}

        content = {"session": session.raw, "key": list(key), "source": source, "target": target, "accept": accept}
        return self._desk.once(op_id, who.actor, "relocate", content, work)


def offers(connection: Connection, session: OpId, bin_: str) -> list[Offer]:
    """The offers that this bin is part of, the other bin being in review as well: of what other relocations leave."""
    mine = _open_lines(connection, session, bin_)
    decided = {}
    spoken_for: Counter[tuple[Key, str]] = Counter()  # what accepted relocations leave nothing of
    for *key_, source, target, quantity, state in connection.execute(
        "SELECT item, lot, serial, status, source, target, quantity, state FROM count_relocations WHERE session = ?",
        (session.raw,),
    ):
        key: Key = (str(key_[0]), str(key_[1]), str(key_[2]), int(key_[3]))
        decided[key, str(source), str(target)] = (str(state), int(quantity))
        if state == "accepted":
            spoken_for.update({(key, str(source)): int(quantity), (key, str(target)): int(quantity)})
    found = []
    others = connection.execute(
        "SELECT bin FROM count_bins WHERE session = ? AND bin <> ? AND state = 'review' ORDER BY bin",
        (session.raw, bin_),
    ).fetchall()
    for (other,) in others if mine else ():
        theirs = _open_lines(connection, session, other)
        for key in sorted(mine.keys() & theirs.keys()):
            here, there = mine[key], theirs[key]
            if here * there < 0:
                source, target = (bin_, other) if here < 0 else (other, bin_)
                state, quantity = decided.get((key, source, target), ("", 0))
                if state != "accepted":
                    quantity = min(abs(here) - spoken_for[key, bin_], abs(there) - spoken_for[key, other])
                if quantity > 0:
                    found.append(Offer(key, source, target, quantity, state))
    return found


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
        " CASE half WHEN '' THEN iif(source = ?2, 'source', 'target') ELSE 'both' END"
        " WHERE session = ?1 AND state = 'accepted' AND (source = ?2 OR target = ?2)"
        " AND item = ?3 AND lot = ?4 AND serial = ?5 AND status = ?6",
        [(session.raw, bin_, *key) for key in keys],
    )


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
        if offer.key[2] and offer.target == bin_:
            # Taking it in while the books have it elsewhere does nothing, and then it would be lost over there.
            raise Rejected(f"post {offer.source} first: the books have piece {offer.key[2]} of {item} there")


def _open_lines(connection: Connection, session: OpId, bin_: str) -> dict[Key, int]:
    """The differences of the bin's round that is decided on that are not posted, if it is in review."""
    row = speaking(connection, session, bin_)
    if row.bin_state != "review":
        return {}
    found: dict[Key, int] = {}
    for part in parts(connection, session, bin_, row.round):
        for line, done in zip(part.lines, part.posted, strict=True):
            if line.difference and not done:
                found[line.key] = line.difference
    return found
