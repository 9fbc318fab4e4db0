"""What people wrote, took and are called is kept for as long as the hub's policy says, and then erased for good.

Nothing goes by age that is not in an anchored block yet, and nothing at all under a legal hold. What a document has
of it is a salted hash that nobody can guess back by then; it still verifies. (product.md, People's data)

What was erased by hand is a note on the chain. A backup that was put back has the texts of its day again, and gets
the blocks of today: what they say was erased is erased again.
"""

from __future__ import annotations

import logging

from ledger.db import Connection
from ledger.ids import Actor
from ledger.seams import failpoint
from ledger.settings import DAY_MS
from node import throttle
from node.attachments import Attachments, sweep
from node.notes import Notes
from node.policies import retention_policy
from node.site import Site
from node.timekeeping import CONFIRMED

log = logging.getLogger(__name__)

# What this node holds of a person beside the name: keys, log-ins, what they began.
PERSONAL = ("personal_keys", "second_factors", "log_ins", "bound_devices", "languages", "drafts")


def erase_again(site: Site) -> None:
    """Erase what the chain says was erased: at each start, when blocks came back from the hub, and when acts were
    recorded again. Where nothing is left of it, this does nothing."""
    with site.erasing():
        with site.writing() as connection:
            erased = {"notes": Notes.erase_again(connection), "attachments": Attachments.erase_again(connection)}
        # The rows are empty already. Should we die now, the next start removes the files; should we have died before,
        # it finds the same notes on the chain.
        failpoint("erased_again.committed")
        sweep(site)
    if any(erased.values()):
        log.warning("what was erased had come back: erased again", extra=erased)


def erase_old(site: Site) -> dict[str, int]:
    """Erase what has been kept long enough: how many {notes, attachments} that were. None while nobody but this
    machine's own clock says how late it is. `Unavailable` while the hub's policy cannot be read."""
    if site.time.quality(site.head.timestamp) != CONFIRMED:
        return {}
    with site.erasing():
        with site.writing() as connection:
            policy, now_ms, anchored_ms = retention_policy(connection), site.clock.now_ms(), _anchored_ms(connection)
            erased = {
                name: part.erase_before(connection, min(policy.before_ms(days, now_ms), anchored_ms))
                for name, part, days in (
                    ("notes", Notes, policy.notes_days),
                    ("attachments", Attachments, policy.attachments_days),
                )
            }
        # The rows are empty already. Should we die now, the next start removes the files.
        if erased["attachments"]:
            sweep(site)
    if any(erased.values()):
        log.info("erased what was kept long enough", extra=erased)
    return erased


def forget(connection: Connection, actor: Actor) -> None:
    """The hub has erased this person: what they had here goes too. Call it within `Site.erasing`."""
    for table in PERSONAL:
        connection.execute(f"DELETE FROM {table} WHERE actor = ?", (actor.raw,))  # noqa: S608
    connection.execute("DELETE FROM guesses WHERE subject = ?", (throttle.person(str(actor)).name,))


def _anchored_ms(connection: Connection) -> int:
    """Everything of before this moment is in an anchored block. An act can wait for the next block when one is full,
    and never for a day."""
    (sealed_ms,) = connection.execute(
        "SELECT max(sealed_at_ms) FROM blocks WHERE height < (SELECT max(size) FROM proofs WHERE anchored)"
    ).fetchone()
    return max(0, int(sealed_ms or 0) - DAY_MS)
