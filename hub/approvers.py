"""People of the hub who may approve at a site that is too small for two: registered there like all who approve.

Their key is made and kept here, sealed by their console password; the chain of the site takes it from a `bind` which
the node records by itself, with the key's address and the one-time code in the users stream. So the contract judges
their signature like any other. A site that bound another key in its place is found out by its own block.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub import people, streams
from hub.people import Account
from hub.store import Session
from ledger import keys
from ledger.errors import Rejected
from ledger.ids import Actor
from ledger.keys import TxKey
from ledger.seams import Random

ROLE = "ADMIN"


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody of the hub at one site; `bound`: the address that its chain knows for them, empty before it does;
    `strange`: whether that was never theirs."""

    login: str
    actor: Actor
    address: bytes
    sealed: bytes
    bound: bytes
    strange: bool

    def need_bound(self, site: str) -> None:
        """Refuse what the chain would refuse."""
        if self.strange:
            raise Rejected(
                f"{site} has bound another key in the place of {self.login}'s: it cannot be trusted; look into it, "
                "then make a new one with `tallyman hub add-approver`"
            )
        if self.bound != self.address:
            raise Rejected(f"{site} has not taken {self.login}'s key yet: wait for its next two exchanges")

    def open_key(self, site: str, password: str, pepper: bytes) -> TxKey:
        """Their key; Rejected when this password does not open it."""
        try:
            return TxKey(keys.open_personal_key(self.sealed, password, pepper, _context(site, self.actor)))
        except Rejected as error:
            raise Rejected(
                "your key does not open with this password: if it was changed since, make a new key with "
                "`tallyman hub add-approver`"
            ) from error


def add(
    session: Session, site: str, account: Account, password: str, pepper: bytes, random: Random, now_ms: int
) -> str:
    """Let somebody of the hub approve at a site, with a new key; answers their id there."""
    if ROLE not in account.roles:
        raise Rejected(f"{account.login} may not approve for a site: that needs the role {ROLE}")
    login = account.login + people.HUB_SUFFIX
    # Another id than they may have at a site: roles there exclude each other, and a key belongs to one place.
    added = people.add_person(session, site, login, account.name, ("APPROVE",), random, now_ms=now_ms, new_key=True)
    actor, key = Actor.parse(added.actor), TxKey.generate(random)
    sealed = keys.seal_personal_key(key.secret, password, pepper, _context(site, actor), random)
    told = streams.get(session, streams.USERS, site, added.actor)
    told = {**(told or {}), "key": key.address, "code": added.code}
    streams.put(session, streams.USERS, site, added.actor, told)
    session.run(
        "INSERT INTO approvers VALUES (:site, :login, (SELECT coalesce(max(number), 0) + 1 FROM approvers"
        " WHERE site = :site AND login = :login), :actor, :address, :sealed, :now)",
        site=site, login=account.login, actor=added.actor, address=key.address, sealed=sealed, now=now_ms,
    )  # fmt: skip
    return added.actor


def find(session: Session, site: str, login: str) -> Approver:
    """Raises Rejected for somebody who was not made an approver of that site."""
    row = session.one(
        "SELECT * FROM approvers WHERE site = :site AND login = :login ORDER BY number DESC LIMIT 1",
        site=site, login=login,
    )  # fmt: skip
    if row is None:
        raise Rejected(f"{login} may not approve for {site} yet: `tallyman hub add-approver {site} {login}`")
    bound = _bound(session, site, row["actor"])
    strange = bool(bound) and strange_key(session, site, row["actor"], bound.hex())
    return Approver(
        login, Actor.parse(row["actor"]), bytes(row["address"]), bytes(row["sealed"]), bound, strange
    )  # fmt: skip


def strange_key(session: Session, site: str, actor: str, key: str) -> bool:
    """Whether this binding of a site's chain gives somebody of the hub a key that is not theirs."""
    rows = session.all("SELECT address FROM approvers WHERE site = :site AND actor = :actor", site=site, actor=actor)
    return bool(rows) and key not in [bytes(row["address"]).hex() for row in rows]


def _bound(session: Session, site: str, actor: str) -> bytes:
    key = session.value(
        "SELECT b.key FROM binds b JOIN origins o ON o.origin = b.origin WHERE o.site = :site AND b.actor = :actor"
        " ORDER BY o.incarnation DESC, b.height DESC, b.tx_index DESC LIMIT 1",
        site=site, actor=actor,
    )  # fmt: skip
    return b"" if key is None else bytes.fromhex(key)


def _context(site: str, actor: Actor) -> bytes:
    return b"tallyman/approver/" + site.encode() + b"/" + actor.raw
