"""Certificates that a zone was counted completely, made from the blocks and checked against them."""

from __future__ import annotations

from typing import Any

from ledger import calls, certificates
from ledger.certificates import Confirmed, Covered
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import APPROVE
from node.counting_facts import PostedRound, picture_at, posted_rounds
from node.desk import Answer, Desk, Person
from node.values import Fields

NOTE_KIND = "zone-certificate"


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
        """The certificate that the blocks give, now or as of `height`, and `noted`, the operation by which the site
        put its name under it, or ''. Nothing is recorded."""
        who.need(APPROVE, "certify a zone")
        head = self._site.head
        made = derive(connection, str(head.origin), zone, since, head.height if height is None else height)
        return {"certificate": made, "noted": _noted(connection, made)}

    def check(self, connection: Connection, value: object) -> Answer:
        """Whether the blocks here give this very certificate: {true, complete, faults, noted}. `noted`: the operation
        by which the site put its name under it, or ''."""
        return check(connection, str(self._site.head.origin), value)


def derive(connection: Connection, origin: str, zone: str, since: int, height: int) -> dict[str, Any]:
    """The certificate of a zone as the blocks up to `height` give it."""
    block = connection.execute("SELECT hash FROM blocks WHERE height = ?", (height,)).fetchone()
    if block is None:
        raise Rejected(f"there is no block {height} here yet")
    picture = picture_at(connection, height)
    if zone not in picture.places:
        raise Rejected(f"{zone!r} was no area or bin at block {height}: check its code")
    newest = {each.bin: each for each in posted_rounds(connection, height) if each.whole}
    covered = {bin_: _covered(connection, each, height) for bin_, each in newest.items()}
    places, name = list(picture.bins([zone])), bytes(block[0]).hex()
    confirmed = {unit: found for unit in places if (found := _confirmed(connection, unit, height)) is not None}
    return certificates.complete(origin, zone, since, height, name, places, covered, confirmed)


def check(connection: Connection, origin: str, value: object) -> Answer:
    """`Certificates.check` for whoever holds the tables of a chain."""
    given = certificates.parse(value)
    derived = derive(connection, origin, given["zone"], given["since"], given["height"])
    found = certificates.faults(given, derived)
    return {
        "true": not found,
        "complete": not found and derived["complete"],
        "faults": found,
        "noted": _noted(connection, given),
    }


def _noted(connection: Connection, certificate: dict[str, Any]) -> str:
    row = connection.execute(
        "SELECT op_id FROM notes WHERE kind = ? AND subject = ?", (NOTE_KIND, certificates.digest(certificate))
    ).fetchone()
    return "" if row is None else bytes(row[0]).hex()


def _confirmed(connection: Connection, unit: str, height: int) -> Confirmed | None:
    row = connection.execute(
        "SELECT op_id, height FROM notes WHERE kind = ? AND subject = ? AND height <= ?"
        " ORDER BY height DESC, op_id LIMIT 1",
        (certificates.SEALED_KIND, certificates.sealed_subject(unit), height),
    ).fetchone()
    return None if row is None else Confirmed(bytes(row[0]).hex(), int(row[1]))


def _covered(connection: Connection, each: PostedRound, height: int) -> Covered:
    counts = connection.execute(
        "SELECT op_id FROM counts WHERE session = ? AND bin = ? AND round = ? AND height <= ? ORDER BY op_id",
        (each.session.raw, each.bin, each.round, height),
    ).fetchall()
    posts = connection.execute(
        "SELECT DISTINCT p.op_id FROM counts c JOIN count_posts p ON p.count = c.op_id"
        " WHERE c.session = ? AND c.bin = ? AND c.round = ? AND p.height <= ? ORDER BY p.op_id",
        (each.session.raw, each.bin, each.round, height),
    ).fetchall()
    return Covered(
        each.bin,
        tuple(bytes(op_id).hex() for (op_id,) in counts),
        tuple(bytes(op_id).hex() for (op_id,) in posts),
        each.recorded,
        each.posted,
        each.stable,
        each.round,
    )
