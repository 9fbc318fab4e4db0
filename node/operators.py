"""People at this site: first log-in, log-in, and signing with a person's own key.

The hub's users stream says who there is (name, login, badge), the chain who may do what (table `people`). At first
log-in the one-time activation code ties a key that is made and sealed here to the person, on chain. A log-in shows
badge and PIN at this machine, not more; the key is in memory only while its owner is logged in.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from typing import Any

from ledger import calls, keys, spelling
from ledger.codec import keccak256
from ledger.db import Connection
from ledger.errors import Rejected, Unavailable
from ledger.ids import Actor, OpId
from ledger.keys import TxKey
from ledger.people import ADMIN, APPROVE, activation_code, role_names
from node import streams, throttle
from node.desk import Answer, Desk, Person
from node.second_factors import MISSING, NEEDED, SecondFactors
from node.throttle import Subject, Throttle
from node.values import label
from node.whereabouts import LASTS_MS_MAX, is_held

log = logging.getLogger(__name__)

TOKEN_BYTES = 32
SEEN_STEP_MS = 60_000
# Said to everybody alike, or it would tell who is known here.
WRONG = "badge, login or PIN is wrong; if you have a new activation code, log in with it first"
ASKED = {
    NEEDED: "type the code that your authenticator shows",
    MISSING: "supervisors need an authenticator here: set yours up",
}
_PIN = re.compile(r"[0-9]{6,12}", re.ASCII)
_TOKEN = re.compile(r"[0-9a-f]{64}", re.ASCII)
_STAIRS = "01234567890123456789"


class Operators:
    """Log-in and personal keys. `pepper`: 32 bytes from a key file beside the database, never inside it."""

    def __init__(self, desk: Desk, pepper: bytes) -> None:
        self._desk = desk
        self._site = desk.site
        self._pepper = pepper
        self._throttle = Throttle(desk.site.clock)
        self.second = SecondFactors(desk, pepper)
        # Keys of people who are logged in now, by the hash of their token. Nowhere else outside a sealed box.
        self._open: dict[bytes, TxKey] = {}

    # ------------------------------------------------------------ log-in

    def activate(
        self, op_id: OpId, login: object, code: object, pin: object, tablet: str, address: str = ""
    ) -> Answer:
        """First log-in: make and seal the person's key, bind it on chain with the activation code, log in.

        The same wish again, its answer lost, logs in with the key that was bound.
        """
        word, chosen = activation_code(code), checked_pin(pin)
        with self._site.writing() as connection:
            actor, _ = self._person(connection, login)
            self._throttle.guess(connection, throttle.caller(connection, tablet, address))
        if self._site.find(op_id) is None:
            self._bind(op_id, actor, word, chosen)
        return self.log_in(login, pin, tablet, address=address)

    def _bind(self, op_id: OpId, actor: Actor | None, word: bytes, pin: str) -> None:
        key = TxKey.generate(self._desk.random)
        # Nobody's key is sealed too: it takes as long.
        context = b"nobody" if actor is None else actor.raw
        sealed = keys.seal_personal_key(key.secret, pin, self._pepper, context, self._desk.random)
        with self._site.writing() as connection:
            if actor is None or not self._is_code_of(connection, actor, word):
                raise Rejected(
                    "login or activation code is wrong; if both are right, let the site sync with the hub first"
                )
            self._rights(connection, actor)
            try:
                self._site.record(calls.Bind(actor=actor, key=key.address, code=word), op_id=op_id)
            except Rejected as error:
                raise Rejected(f"{error}; ask for a new activation code if this one was used") from error
            connection.execute(
                "INSERT OR REPLACE INTO personal_keys VALUES (?, ?, ?, ?)",
                (actor.raw, key.address, sealed, self._desk.now_ms()),
            )
            self.second.forget(connection, actor)
            self._throttle.forget(connection, throttle.person(str(actor)))

    def log_in(self, login: object, pin: object, tablet: str, code: object = None, address: str = "") -> Answer:
        """Badge or login, PIN, and of supervisors the code of their authenticator: a new log-in with its token, which
        is stored only as its hash. Answers {ask, second} while a code is needed, or an authenticator is missing."""
        typed = _typed(pin)
        person, key, guessed = self._prove(login, typed, tablet, address)
        asked = self.second.judge(person, typed, code)
        if asked:
            # The guess stays: who knows only the PIN must not open the way to more guesses at the code.
            return {"ask": ASKED[asked], "second": asked}
        self._right(guessed)
        self._note(person.actor, "log-in")
        with self._site.writing() as connection:
            answer = self._give_token(connection, person, tablet[:64], self._desk.now_ms())
        self._open[_hashed(answer["token"])] = key
        return answer

    def enrol_second(self, login: object, pin: object, tablet: str, address: str = "") -> Answer:
        """A secret for a person's authenticator, shown once; their next log-in with its code confirms it."""
        typed = _typed(pin)
        person, _, _ = self._prove(login, typed, tablet, address)
        return self.second.enrol(person, typed, str(login))

    def renew(self, token: object) -> Answer:
        """A new token for the old one, which ends. Badge and PIN are asked for again when they would have been.

        If the answer is lost the person logs in again: nobody can tell a lost token from a stolen one.
        """
        person, old = self.session(token), _hashed(token)
        with self._site.writing() as connection:
            row = connection.execute("SELECT tablet, opened_at_ms FROM log_ins WHERE token = ?", (old,)).fetchone()
            if row is None:
                raise Rejected("you are not logged in: log in again")
            connection.execute("DELETE FROM log_ins WHERE token = ?", (old,))
            answer = self._give_token(connection, person, row[0], int(row[1]))
        key = self._open.pop(old, None)
        if key is not None:
            self._open[_hashed(answer["token"])] = key
        return answer

    def _give_token(self, connection: Connection, person: Person, tablet: str, opened_ms: int) -> Answer:
        token = self._desk.random.bytes(TOKEN_BYTES).hex()
        connection.execute(
            "INSERT INTO log_ins VALUES (?, ?, ?, ?, ?)",
            (_hashed(token), person.actor.raw, tablet, opened_ms, self._desk.now_ms()),
        )
        return {
            "token": token,
            "actor": str(person.actor),
            "name": person.name,
            "roles": role_names(person.roles),
            "idle_ms": self._site.config.web.session_idle_ms_max,
            "ends_ms": opened_ms + LASTS_MS_MAX,
        }

    def log_out(self, token: object) -> None:
        """End a log-in, forget its key and free the person's scanners; unknown tokens are no error."""
        name = _hashed(token)
        self._open.pop(name, None)
        with self._site.writing() as connection:
            connection.execute(
                "DELETE FROM bound_devices WHERE actor = (SELECT actor FROM log_ins WHERE token = ?)", (name,)
            )
            connection.execute("DELETE FROM log_ins WHERE token = ?", (name,))

    def session(self, token: object, *, at_work: bool = True) -> Person:
        """Who holds this token, with the rights of this moment. Raises `Rejected` when it is over. Whoever is not
        `at_work`, because their tablet asks by itself, does not stay logged in for it."""
        name = _hashed(token)
        with self._site.writing() as connection:
            row = connection.execute(
                "SELECT actor, opened_at_ms, seen_at_ms FROM log_ins WHERE token = ?", (name,)
            ).fetchone()
            if row is None:
                raise Rejected("you are not logged in: log in again")
            actor, now_ms = Actor(bytes(row[0])), self._desk.now_ms()
            idle_ms_max = self._site.config.web.session_idle_ms_max
            # A clock set back must not lengthen a log-in, nor one set forward keep a stolen token alive later.
            idle_ms, age_ms = abs(now_ms - int(row[2])), now_ms - int(row[1])
            over = idle_ms > idle_ms_max or not -idle_ms_max <= age_ms <= LASTS_MS_MAX
            if over:
                connection.execute("DELETE FROM log_ins WHERE token = ?", (name,))
                self._open.pop(name, None)
            elif at_work and idle_ms > SEEN_STEP_MS:
                connection.execute("UPDATE log_ins SET seen_at_ms = ? WHERE token = ?", (now_ms, name))
        if over:
            raise Rejected("your log-in has ended: log in again")
        with self._site.writing() as connection:
            return Person(actor, self._rights(connection, actor), self._name(connection, actor), name)

    def prove(self, login: object, pin: object, tablet: str) -> Person:
        """Badge and PIN of a second person at someone else's tablet: their key is open until `release`."""
        person, key, guessed = self._prove(login, _typed(pin), tablet)
        self._right(guessed)
        once = self._desk.random.bytes(TOKEN_BYTES)
        self._open[once] = key
        return Person(person.actor, person.roles, person.name, once)

    def release(self, who: Person) -> None:
        """Forget the key that `prove` opened."""
        self._open.pop(who.token, None)

    def _right(self, guessed: tuple[Subject, ...]) -> None:
        with self._site.writing() as connection:
            self._throttle.forget(connection, *guessed)

    def _prove(
        self, login: object, pin: str, tablet: str, address: str = ""
    ) -> tuple[Person, TxKey, tuple[Subject, ...]]:
        """Who has this PIN, with their key; the guess counts until the caller calls it right."""
        if not pin:
            raise Rejected(WRONG)
        with self._site.writing() as connection:
            actor, name = self._person(connection, login)
            guessed = throttle.nobody(login) if actor is None else throttle.person(str(actor))
            subjects = (guessed, throttle.caller(connection, tablet, address))
            self._throttle.guess(connection, *subjects)
            sealed = None if actor is None else self._sealed(connection, actor)
        # The guess is on disk. If we die now it counts as wrong, which costs the person nothing but one of five.
        if actor is None or sealed is None:
            keys.hash_pin(pin, self._pepper, b"nobody", self._desk.random)  # as slow as a real PIN
            raise Rejected(WRONG)
        try:
            key = TxKey(keys.open_personal_key(sealed, pin, self._pepper, actor.raw))
        except Rejected as error:
            raise Rejected(WRONG) from error
        with self._site.writing() as connection:
            return Person(actor, self._rights(connection, actor), name), key, subjects

    def unlock(self, op_id: OpId, who: Person, actor: Actor) -> Answer:
        """Open the lock of someone who guessed too often; noted on chain."""
        who.need(ADMIN | APPROVE, "open a locked log-in")
        if who.actor == actor:
            raise Rejected("nobody opens their own lock: ask another supervisor")

        def work(connection: Connection) -> Answer:
            self._throttle.forget(connection, throttle.person(str(actor)))
            self._site.record(calls.Note(actor=who.actor, kind="unlock", subject=actor.raw), op_id=op_id)
            return {}

        return self._desk.once(op_id, who.actor, "unlock", {"actor": actor.raw}, work)

    # ------------------------------------------------------------ signing

    def approve(self, who: Person, call: calls.ApprovedCall, op_id: OpId, pin: object = None) -> calls.ApprovedCall:
        """`call` with the person's own signature; asks for the PIN (`Rejected`) when the key is not open."""
        return self.sign(who, call, op_id, self.signing_key(who, pin))

    def signing_key(self, who: Person, pin: object = None) -> TxKey:
        """The person's own key for one act, which may have several signatures; `Rejected` asks for the PIN."""
        key = self._open.get(who.token)
        if pin is not None:
            key = self._key_by_pin(who, pin)
        if key is None:
            raise Rejected("your signature is needed: enter your PIN")
        return key

    def sign(self, who: Person, call: calls.ApprovedCall, op_id: OpId, key: TxKey) -> calls.ApprovedCall:
        """`call` signed with a key from `signing_key`; `Rejected` when the chain no longer takes that key."""
        with self._site.writing() as connection:
            (bound,) = connection.execute("SELECT key FROM people WHERE actor = ?", (who.actor.raw,)).fetchone()
        if bound is None or bytes(bound) != key.address:
            raise Rejected("your key is no longer valid here: log in for the first time again, with a new code")
        head = self._site.head
        signature = key.sign_digest(call.digest(head.origin.chain_id, head.manager, op_id, who.actor))
        approval = calls.Approval(actor=who.actor, v=signature.v, r=signature.raw[:32], s=signature.raw[32:64])
        return calls.with_approval(call, approval)

    def _key_by_pin(self, who: Person, pin: object) -> TxKey:
        typed = _typed(pin)
        if not typed:
            raise Rejected("the PIN is wrong")
        with self._site.writing() as connection:
            subject = throttle.person(str(who.actor))
            self._throttle.guess(connection, subject)
            sealed = self._sealed(connection, who.actor)
        if sealed is None:
            raise Rejected("log in for the first time: an activation code is needed")
        key = TxKey(keys.open_personal_key(sealed, typed, self._pepper, who.actor.raw))
        with self._site.writing() as connection:
            self._throttle.forget(connection, subject)
        return key

    # ------------------------------------------------------------ scanners

    def bind_device(self, who: Person, device: object) -> None:
        """From now on the reads of this scanner are this person's."""
        name, now_ms = label(device, "device"), self._desk.now_ms()
        with self._site.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO bound_devices VALUES (?, ?, ?, ?)", (name, who.actor.raw, now_ms, now_ms)
            )

    def owner_of(self, connection: Connection, device: str) -> Person | None:
        """Whose the reads of this scanner are, with their rights now; None when nobody's or no longer anybody's.

        A tablet may lock while its owner goes on scanning; a scanner that lay idle belongs to whoever binds it next.
        """
        row = connection.execute(
            "SELECT actor, bound_at_ms, seen_at_ms FROM bound_devices WHERE device = ?", (device,)
        ).fetchone()
        if row is None:
            return None
        actor, now_ms = Actor(bytes(row[0])), self._desk.now_ms()
        if not is_held(int(row[1]), int(row[2]), now_ms):
            connection.execute("DELETE FROM bound_devices WHERE device = ?", (device,))
            return None
        if abs(now_ms - int(row[2])) > SEEN_STEP_MS:
            connection.execute("UPDATE bound_devices SET seen_at_ms = ? WHERE device = ?", (now_ms, device))
        return self.with_rights(connection, actor)

    def holders(self, connection: Connection) -> dict[str, Actor]:
        """Whose each of the node's own scanners and scales is now, by its name."""
        now_ms = self._desk.now_ms()
        rows = connection.execute(
            "SELECT device, actor, bound_at_ms, seen_at_ms FROM bound_devices WHERE device NOT LIKE 'tablet-%'"
        ).fetchall()
        return {str(name): Actor(bytes(actor)) for name, actor, bound_ms, seen_ms in rows
                if is_held(int(bound_ms), int(seen_ms), now_ms)}  # fmt: skip

    def with_rights(self, connection: Connection, actor: Actor) -> Person | None:
        """This person with their rights of now; None when they have none here any more."""
        try:
            return Person(actor, self._rights(connection, actor), self._name(connection, actor))
        except Rejected:
            return None

    def by_badge(self, connection: Connection, badge: str) -> Actor | None:
        """Whose badge this is."""
        return self._person(connection, badge)[0]

    # ------------------------------------------------------------ who is who

    def everyone(self, connection: Connection, after: str, most: int) -> list[Answer]:
        """Up to `most` people that the hub sent here, by id, after the one with the id `after`."""
        rows = connection.execute(
            "SELECT key FROM streams WHERE stream = ? AND key > ? ORDER BY key LIMIT ?", (streams.USERS, after, most)
        ).fetchall()
        return [self.one(connection, Actor.parse(actor)) for (actor,) in rows]

    def one(self, connection: Connection, actor: Actor) -> Answer:
        """One person as hub and chain know them. Raises `Rejected` for one that neither does."""
        value = streams.get(connection, streams.USERS, str(actor))
        row = connection.execute("SELECT roles, revoked, key FROM rights WHERE actor = ?", (actor.raw,)).fetchone()
        if value is None and row is None:
            raise Rejected(f"nobody with the id {str(actor)[:8]}… is known here")
        roles, revoked, key = row or (0, 0, None)
        return {
            "actor": str(actor),
            "name": _text(value, "name"),
            "login": _text(value, "login"),
            "roles": role_names(int(roles)),
            "revoked": bool(revoked),
            "active": key is not None,
            "locked": self._throttle.waits(connection, throttle.person(str(actor))),
        }

    def name_of(self, connection: Connection, actor: Actor) -> str:
        """The person's name, or the beginning of their id once the name was erased."""
        return self._name(connection, actor) or str(actor)[:8]

    def language_of(self, actor: Actor) -> str:
        """The language in which this person reads, by its code; "" when they never chose one."""
        with self._site.reading() as connection:
            row = connection.execute("SELECT language FROM languages WHERE actor = ?", (actor.raw,)).fetchone()
        return "" if row is None else str(row[0])

    def speak(self, actor: Actor, language: str) -> None:
        """From now on this person reads in that language, on every tablet of the site."""
        with self._site.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO languages VALUES (?, ?)", (actor.raw, language))

    def _person(self, connection: Connection, login: object) -> tuple[Actor | None, str]:
        if not isinstance(login, str) or not 0 < len(login) <= 80:
            return None, ""
        people = [(actor, value, _text(value, "login"), _text(value, "badge"))
                  for actor, value in streams.every(connection, streams.USERS)]  # fmt: skip
        exact = [each for each in people if login in each[2:]]
        # A keyboard writes the first letter large; of two that differ in nothing else, neither is guessed.
        alike = exact or [each for each in people if login.casefold() == each[2].casefold()]
        return (Actor.parse(alike[0][0]), _text(alike[0][1], "name")) if len(alike) == 1 or exact else (None, "")

    @staticmethod
    def _name(connection: Connection, actor: Actor) -> str:
        return streams.person_name(connection, str(actor))

    def _rights(self, connection: Connection, actor: Actor) -> int:
        """The roles that the chain would grant now, AUDIT among them; `Rejected` in words when there are none."""
        row = connection.execute(
            "SELECT roles, valid_from, valid_until, revoked FROM rights WHERE actor = ?", (actor.raw,)
        ).fetchone()
        if row is None:
            raise Rejected("you have no rights at this site yet: let it sync with the hub first")
        roles, valid_from, valid_until, revoked = (int(value) for value in row)
        now_s = max(self._desk.now_ms() // 1000, self._site.head.timestamp)
        if revoked:
            raise Rejected("your rights at this site were withdrawn: ask your supervisor")
        if now_s < valid_from or (valid_until and now_s >= valid_until):
            raise Rejected("your rights at this site are not valid today: ask your supervisor")
        return roles

    @staticmethod
    def _sealed(connection: Connection, actor: Actor) -> bytes | None:
        """The sealed key, if it is the one that the chain knows."""
        row = connection.execute(
            "SELECT k.sealed FROM personal_keys k JOIN people p ON p.actor = k.actor AND p.key = k.address"
            " WHERE k.actor = ?",
            (actor.raw,),
        ).fetchone()
        return None if row is None else bytes(row[0])

    @staticmethod
    def _is_code_of(connection: Connection, actor: Actor, word: bytes) -> bool:
        """Whether this is the activation code that the chain has for this person, used or not."""
        row = connection.execute("SELECT activation FROM people WHERE actor = ?", (actor.raw,)).fetchone()
        return row is not None and hmac.compare_digest(bytes(row[0]), keccak256(word))

    def _note(self, actor: Actor, kind: str) -> None:
        """Note a fact on chain. A node that cannot record any more still lets people in to see why."""
        try:
            self._site.record(
                calls.Note(actor=actor, kind=kind, subject=bytes(32)), op_id=OpId.new(self._desk.random)
            )
        except Unavailable as error:
            log.warning("log-in not noted on chain", extra={"reason": str(error)})


def checked_pin(pin: object) -> str:
    """A PIN fit to be chosen: 6 to 12 digits, not all alike and not a staircase."""
    typed = spelling.digits(pin) if isinstance(pin, str) else ""
    if not _PIN.fullmatch(typed):
        raise Rejected("choose a PIN of 6 to 12 digits")
    if len(set(typed)) == 1 or typed in _STAIRS or typed in _STAIRS[::-1]:
        raise Rejected("this PIN is among the first that anyone would guess: choose another")
    return typed


def _typed(pin: object) -> str:
    """A PIN as it is tried, "" for what can be none."""
    return spelling.digits(pin) if isinstance(pin, str) and len(pin) <= 64 else ""


def _hashed(token: object) -> bytes:
    text = token if isinstance(token, str) and _TOKEN.fullmatch(token) else ""
    return hashlib.sha256(text.encode()).digest()


def _text(value: Any, name: str) -> str:
    found = value.get(name, "") if isinstance(value, dict) else ""
    return found if isinstance(found, str) else ""
