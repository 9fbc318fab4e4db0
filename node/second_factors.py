"""The second factor of supervisors: after the PIN, the code of an authenticator that only they have (floor.md).

It works without any network: secret and clock are this machine's. The secret is sealed by PIN and pepper like a
personal key, and shown once, when it is made. A code is good once. How far an authenticator's clock is from ours is
remembered, as RFC 6238 (6) has it: a node that was alone for weeks still knows its people.
"""

from __future__ import annotations

import re

from ledger import calls, keys, spelling
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import Actor, OpId
from ledger.people import ADMIN, APPROVE
from node import totp
from node.desk import Answer, Desk, Person

MISSING, NEEDED = "missing", "needed"
# A clock that differs by more than this was not drifting, and would make a window out of any code ever seen.
DRIFT_STEPS_MAX = 20
_CODE = re.compile(r"[0-9]{6}", re.ASCII)


class SecondFactors:
    """Who has one, and whether a code is theirs. `pepper` as of `Operators`."""

    def __init__(self, desk: Desk, pepper: bytes) -> None:
        self._desk = desk
        self._site = desk.site
        self._pepper = pepper

    def wanted(self, who: Person) -> bool:
        """Whether this person gives a code: supervisors and administrators, where the setting is on."""
        return self._site.config.web.second_factor and who.has(APPROVE | ADMIN)

    def judge(self, who: Person, pin: str, code: object) -> str:
        """What is still asked of somebody whose PIN was right: "" nothing, `NEEDED` a code, `MISSING` to enrol.

        The first right code confirms the enrolment. Raises Rejected for a wrong code and for one that was used.
        """
        if not self.wanted(who):
            return ""
        with self._site.writing() as connection:
            row = self._row(connection, who.actor)
        if row is None or (code is None and not row[3]):
            return MISSING
        if code is None:
            return NEEDED
        text = spelling.digits(code).replace(" ", "") if isinstance(code, str) and len(code) <= 20 else ""
        secret = keys.open_personal_key(row[0], pin, self._pepper, _context(who.actor))
        now = totp.step_at(self._desk.now_ms() // 1000)
        with self._site.writing() as connection:
            row = self._row(connection, who.actor) or row
            step = totp.matching(secret, text, now + row[2]) if _CODE.fullmatch(text) else None
            if step is None:
                raise Rejected("the code is wrong: look at your authenticator again")
            if step <= row[1]:
                raise Rejected("this code was used already: wait for the next one")
            # From here on the code is used up. If we die now the person waits half a minute for the next one.
            connection.execute(
                "UPDATE second_factors SET step = ?, drift = ?, confirmed = 1 WHERE actor = ?",
                (step, max(-DRIFT_STEPS_MAX, min(step - now, DRIFT_STEPS_MAX)), who.actor.raw),
            )
        return ""

    def enrol(self, who: Person, pin: str, account: str) -> Answer:
        """A new secret, shown this once: {secret, address}. Raises Rejected for who has one, or needs none."""
        if not self.wanted(who):
            raise Rejected("no second factor is asked of you here")
        secret = self._desk.random.bytes(totp.SECRET_BYTES)
        sealed = keys.seal_personal_key(secret, pin, self._pepper, _context(who.actor), self._desk.random)
        with self._site.writing() as connection:
            row = self._row(connection, who.actor)
            if row is not None and row[3]:
                raise Rejected("you have an authenticator already: an administrator can reset it if it is lost")
            connection.execute(
                "INSERT OR REPLACE INTO second_factors VALUES (?, ?, -1, 0, 0, ?)",
                (who.actor.raw, sealed, self._desk.now_ms()),
            )
        issuer = f"Tallyman {self._site.config.site}"
        return {"secret": totp.base32(secret), "address": totp.address(secret, issuer, account)}

    def reset(self, op_id: OpId, who: Person, actor: Actor) -> Answer:
        """Forget somebody's authenticator, which is lost or new; noted on chain. They enrol at their next log-in."""
        who.need(ADMIN, "reset a second factor")
        if who.actor == actor:
            raise Rejected("nobody resets their own second factor: ask another administrator")

        def work(connection: Connection) -> Answer:
            if self._row(connection, actor) is None:
                raise Rejected("this person has no second factor here")
            self.forget(connection, actor)
            self._site.record(calls.Note(actor=who.actor, kind="second-factor-reset", subject=actor.raw), op_id=op_id)
            return {}

        return self._desk.once(op_id, who.actor, "reset_second_factor", {"actor": actor.raw}, work)

    @staticmethod
    def having(connection: Connection) -> set[str]:
        """The ids, in hex, of those whose authenticator a code has confirmed."""
        rows = connection.execute("SELECT actor FROM second_factors WHERE confirmed").fetchall()
        return {bytes(actor).hex() for (actor,) in rows}

    @staticmethod
    def forget(connection: Connection, actor: Actor) -> None:
        """A new key and PIN end it too: it was sealed by the old PIN."""
        connection.execute("DELETE FROM second_factors WHERE actor = ?", (actor.raw,))

    @staticmethod
    def _row(connection: Connection, actor: Actor) -> tuple[bytes, int, int, bool] | None:
        """Sealed secret, newest step used, drift in steps, whether a code has confirmed it."""
        row = connection.execute(
            "SELECT sealed, step, drift, confirmed FROM second_factors WHERE actor = ?", (actor.raw,)
        ).fetchone()
        return None if row is None else (bytes(row[0]), int(row[1]), int(row[2]), bool(row[3]))


def _context(actor: Actor) -> bytes:
    return b"tallyman/second-factor/v1\n" + actor.raw
