"""Certificates that a zone was counted completely, made from the blocks and checked against them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ledger import calls, certificates
from ledger.certificates import Confirmed, Covered
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import APPROVE
from node.counting_facts import PostedRound, posted_rounds, zone_at
from node.desk import Answer, Desk, Person
from node.kept import Kept
from node.values import Fields

NOTE_KIND = "zone-certificate"
_kept: Kept[tuple[dict[str, Any], bytes]] = Kept(4)  # of the blocks up to one, with their digests


class Certificates:
    """Issuing them, and looking at them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._site = desk.site

    def issue(self, op_id: OpId, who: Person, body: object) -> Answer:
        """Certify a zone: `zone` (an area or bin), `since` (a height: only later counts cover; default 0). Answers
        {certificate}; its hash is noted on the chain under `op_id`, complete or not."""
        who.need(APPROVE, "certify a zone")
        fields = Fields(body, "certificate")
        zone, since = fields.text("zone"), fields.quantity("since", default=0)
        fields.done()
        if self._site.find(op_id) is None:
            with self._site.reading() as connection:
                derive(connection, "", zone, since, self._site.head.height)
            # A certificate looks at a block: what was posted until now has to be in one.
            self._site.seal()

        def work(connection: Connection) -> Answer:
            head = self._site.head
            made = derive(connection, str(head.origin), zone, since, head.height)
            note = calls.Note(actor=who.actor, kind=NOTE_KIND, subject=certificates.digest(made))
            self._site.record(note, op_id=op_id)
            return {"certificate": made}

        return self._desk.once(op_id, who.actor, "certify", {"zone": zone, "since": since}, work)

    def show(self, connection: Connection, who: Person, zone: str, since: int, height: int | None) -> Answer:
        """The certificate that the blocks give, now or as of `height`, its `digest` in hex, and `noted`, the
        operation by which the site put its name under it, or ''. Nothing is recorded."""
        who.may_see(APPROVE, "see the certificate of a zone")
        if height is None:  # the newest block of this moment of the database: another may be sealed meanwhile
            (height,) = connection.execute("SELECT max(height) FROM blocks").fetchone()
        height = int(height or 0)

        def make() -> tuple[dict[str, Any], bytes]:
            made = derive(connection, str(self._site.head.origin), zone, since, height)
            return made, certificates.digest(made)

        # What the blocks up to one give is the same for ever.
        made, digest = _kept.get(connection, (_block(connection, height), zone, since), make)
        return {"certificate": made, "digest": digest.hex(), "noted": _noted(connection, digest)}

    def check(self, connection: Connection, value: object) -> Answer:
        """Whether the blocks here give this very certificate: {true, complete, faults, not_blind, noted}.
        `not_blind`: bins whose counter was told what the books had; `noted`: the operation by which the site put its
        name under it, or ''."""
        return check(connection, str(self._site.head.origin), value)


def derive(connection: Connection, origin: str, zone: str, since: int, height: int) -> dict[str, Any]:
    """The certificate of a zone as the blocks up to `height` give it."""
    block = _block(connection, height)
    places = zone_at(connection, zone, height)
    if places is None:
        raise Rejected(f"{zone!r} was no area or bin at block {height}: check its code")
    among = set(places)
    newest = {each.bin: each for each in posted_rounds(connection, height) if each.whole and each.bin in among}
    covered, confirmed = _covered(connection, newest, height), _confirmed(connection, places, height)
    return certificates.complete(origin, zone, since, height, block, places, covered, confirmed)


def _block(connection: Connection, height: int) -> str:
    """The hash of a block, in hex."""
    row = connection.execute("SELECT hash FROM blocks WHERE height = ?", (height,)).fetchone()
    if row is None:
        raise Rejected(f"there is no block {height} here yet")
    return bytes(row[0]).hex()


def check(connection: Connection, origin: str, value: object) -> Answer:
    """`Certificates.check` for whoever holds the tables of a chain."""
    given = certificates.parse(value)
    derived = derive(connection, origin, given["zone"], given["since"], given["height"])
    found = certificates.faults(given, derived)
    return {
        "true": not found,
        "complete": not found and derived["complete"],
        "faults": found,
        "not_blind": certificates.not_blind(derived),
        "noted": _noted(connection, certificates.digest(given)),
    }


def _noted(connection: Connection, digest: bytes) -> str:
    row = connection.execute("SELECT op_id FROM notes WHERE kind = ? AND subject = ?", (NOTE_KIND, digest)).fetchone()
    return "" if row is None else bytes(row[0]).hex()


def _confirmed(connection: Connection, places: list[str], height: int) -> dict[str, Confirmed]:
    """The newest note by which each unit that nobody opened was confirmed."""
    rows = connection.execute(
        "SELECT subject, op_id, height FROM notes WHERE kind = ? AND height <= ? ORDER BY height, op_id DESC",
        (certificates.SEALED_KIND, height),
    )
    notes = {bytes(subject): Confirmed(bytes(op_id).hex(), int(noted)) for subject, op_id, noted in rows}
    named = {place: certificates.sealed_subject(place) for place in places} if notes else {}
    return {place: notes[subject] for place, subject in named.items() if subject in notes}


def _covered(connection: Connection, newest: dict[str, PostedRound], height: int) -> dict[str, Covered]:
    """Of each bin's newest posted round: the operations that recorded and posted it."""
    # Both as the tables have them, which is the order of their operations: nothing has to be sorted.
    counts = _operations_of(
        connection, "SELECT session, bin, round, op_id FROM counts WHERE height <= ? ORDER BY op_id", height
    )
    posts = _operations_of(
        connection,
        "SELECT c.session, c.bin, c.round, p.op_id FROM count_posts p CROSS JOIN counts c ON c.op_id = p.count"
        " WHERE p.height <= ? ORDER BY p.op_id",
        height,
    )
    found = {}
    for bin_, each in newest.items():
        key = (each.session.raw, bin_, each.round)
        found[bin_] = Covered(
            bin_,
            tuple(counts.get(key, ())),
            tuple(posts.get(key, ())),
            each.recorded,
            each.posted,
            each.stable,
            each.blind,
            each.round,
        )
    return found


def _operations_of(connection: Connection, sql: str, height: int) -> dict[tuple[bytes, str, int], list[str]]:
    """Operations in their order, by the round that they belong to."""
    found: dict[tuple[bytes, str, int], list[str]] = defaultdict(list)
    for session, bin_, round_, op_id in connection.execute(sql, (height,)):
        found[session, bin_, round_].append(op_id.hex())
    return found
