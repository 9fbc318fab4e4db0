"""People: at sites by roles on chain, at the console by account. Names stay here and at the site; never on chain.

Adding a person to a site makes a one-time activation code, shown once: the chain's record holds only its hash, the
hub keeps nothing else of it. The person's actor id is random and stays the same at every site.

Whoever has left keeps a name, so that their work can be told from others', until they are erased: by a command, or by
the policy `retention`. Then name and log-in go here, at the sites with their next sync, and again should this
database be put back from a backup. Their ids and signatures stay, and every proof holds.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hub import controls, policies, streams
from hub.store import Row, Session
from ledger import control, keys, policy, spelling
from ledger.errors import Rejected
from ledger.ids import Actor
from ledger.people import AUDIT, activation_hash, held, new_code, on_chain, role_names, roles_of
from ledger.seams import Random

NAME_MAX = 100
CONSOLE_ROLES = ("ADMIN", "RECONCILE", "AUDIT")
PASSWORD_MIN = 12
PASSWORD_MAX = 200
FORMER = "former-"
HUB_SUFFIX = "@hub"  # of the log-in that an approver of the hub has at a site


@dataclass(frozen=True, slots=True)
class Added:
    """A person as just granted rights at a site; `code` is shown this once ("" when the old key stays valid)."""

    actor: str
    login: str
    site: str
    code: str


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may use the hub's console."""

    login: str
    name: str
    roles: tuple[str, ...]


def add_person(
    session: Session,
    site: str,
    login: str,
    name: str,
    roles: Iterable[str],
    random: Random,
    *,
    now_ms: int,
    badge: str = "",
    valid_until_s: int = 0,
    new_key: bool = False,
) -> Added:
    """Give a person roles at a site, or other roles than before.

    A first grant makes an activation code; so does `new_key`, after a loss or a forgotten PIN, which ends the old key
    at once. Rights end at `valid_until_s` (0: never). Raises Rejected for roles that exclude each other.
    """
    bits = roles_of(roles)
    if not bits:
        raise Rejected(f"{login!r} gets no role: name at least one")
    if session.value("SELECT count(*) FROM sites WHERE site = :site", site=site) == 0:
        raise Rejected(f"there is no site {site!r}: enrol it first")
    actor = _actor(session, _login(login), _label("name", name), random, now_ms)
    known = session.one("SELECT * FROM grants WHERE actor = :actor AND site = :site", actor=actor, site=site)
    code, activation = "", b""
    if known is None or new_key or known["revoked"]:
        code = new_code(random.bytes(16))
        activation = activation_hash(code)
    else:
        activation = bytes(known["activation"])
    _grant(session, actor, site, bits, activation, 0,
           valid_until_s, revoked=False, now_ms=now_ms)  # fmt: skip
    _tell(session, actor, site, badge)
    return Added(actor, login, site, code)


def revoke(session: Session, site: str, login: str, now_ms: int) -> None:
    """Take a person's rights at a site: at once here, at the site with its next sync."""
    row = session.one(
        "SELECT g.* FROM grants g JOIN people p ON p.actor = g.actor WHERE g.site = :site AND p.login = :login",
        site=site,
        login=login,
    )
    if row is None:
        raise Rejected(f"{login!r} has no rights at {site!r}")
    _grant(session, row["actor"], site, row["roles"], bytes(row["activation"]), row["valid_from_s"],
           row["valid_until_s"], revoked=True, now_ms=now_ms)  # fmt: skip
    _tell_left(session, row["actor"], site)


def relearn(session: Session, site: str, payload: control.PersonPayload, now_ms: int) -> None:
    """Take over what a chain was told of a person before this database was put back from a backup.

    Whom the hub does not know any more gets no rights back: nobody could say whose they are. An auditor is one of
    whom this database still has it; the chain says COUNT of both.
    """
    actor = str(payload.actor)
    known = session.value("SELECT count(*) FROM people WHERE actor = :actor", actor=actor)
    marked = session.value("SELECT roles FROM grants WHERE actor = :actor AND site = :site", actor=actor, site=site)
    _grant(session, actor, site, held(payload.roles, marked == AUDIT), payload.activation, payload.valid_from,
           payload.valid_until, revoked=payload.revoked or not known, now_ms=now_ms)  # fmt: skip
    if not known:
        streams.remove(session, streams.USERS, site, actor)
    elif payload.revoked:
        _tell_left(session, actor, site)
    else:
        _tell(session, actor, site, "")


def cut_records(session: Session, origin: str, site: str, now_ms: int) -> int:
    """Cut control records for people whose rights the chain `origin` has not been told; answers how many."""
    seen = int(
        session.value(
            "SELECT revision FROM control_cursors WHERE origin = :origin AND subject = 'people'", origin=origin
        )
        or 0
    )
    rows = session.all(
        "SELECT * FROM grants WHERE site = :site AND chain_revision > :seen ORDER BY chain_revision",
        site=site,
        seen=seen,
    )
    for row in rows:
        payload = control.PersonPayload(
            actor=Actor.parse(row["actor"]),
            roles=on_chain(row["roles"]),
            activation=bytes(row["activation"]),
            valid_from=row["valid_from_s"],
            valid_until=row["valid_until_s"],
            revoked=bool(row["revoked"]),
        )
        controls.cut(session, origin, payload, row["actor"], now_ms)
    if rows:
        session.run(
            "INSERT INTO control_cursors VALUES (:origin, 'people', :revision) ON CONFLICT(origin, subject)"
            " DO UPDATE SET revision = excluded.revision",
            origin=origin,
            revision=rows[-1]["chain_revision"],
        )
    return len(rows)


# ---------------------------------------------------------------- erasing


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erased person is called from here on, and the sites that forget them with their next sync."""

    known_as: str
    sites: tuple[str, ...]


def unnamed(login: str, pepper: bytes) -> bytes:
    """What `hub.heads` remembers an erased log-in by: nobody without the pepper can tell whose it was."""
    return hmac.digest(pepper, b"tallyman/erased/v1\n" + login.encode(), "sha256")


def need_erasable(session: Session, login: str, now_ms: int) -> None:
    """Refuse to erase somebody who may still act, whom nobody knows, or whom a legal hold keeps."""
    people, account = _those_of(session, login), session.one("SELECT * FROM accounts WHERE login = :l", l=login)
    if not people and account is None:
        raise Rejected(f"nobody has the log-in {login!r} here")
    if account is not None and account["closed_ms"] is None:
        raise Rejected(f"{login!r} may still use the console: `tallyman hub close-account {login}` first")
    for grant in _grants_of(session, people):
        if not _has_ended(grant, now_ms):
            raise Rejected(f"{login!r} still has rights at {grant['site']}: `tallyman hub revoke-person` first")
        retention(session, grant["site"]).need_no_hold()
    retention(session, policies.ALL_SITES).need_no_hold()


def erase(session: Session, login: str, random: Random) -> Erased:
    """Take name and log-in of a person away, here and in what the sites are told; the caller has asked whether that
    may be, and promised it. What they did as an account of the console is by "former-…" afterwards."""
    people = _those_of(session, login)
    known_as = f"{FORMER}{(people[0]['actor'] if people else random.bytes(32).hex())[:12]}"
    sites = tuple(sorted({grant["site"] for grant in _grants_of(session, people)}))
    for person in people:
        at = HUB_SUFFIX if person["login"] != login else ""
        session.run("UPDATE people SET login = :new, name = '' WHERE actor = :actor", new=known_as + at,
                    actor=person["actor"])  # fmt: skip
        for site in sites:
            streams.remove(session, streams.USERS, site, person["actor"])
    session.run("UPDATE accounts SET name = '', password = '' WHERE login = :old", old=login)
    for table, column in _BY_LOGIN:
        session.run(f"UPDATE {table} SET {column} = :new WHERE {column} = :old", new=known_as, old=login)  # noqa: S608
    session.run(
        "UPDATE discrepancy_entries SET text = :new WHERE kind = 'owner' AND text = :old", new=known_as, old=login
    )
    return Erased(known_as, sites)


def erase_again(session: Session, erased: Mapping[bytes, int], pepper: bytes, random: Random) -> int:
    """Erase whom a database from a backup knows by name again; answers how many. Somebody else may have the log-in
    by now: whoever was added after the erasure stays."""
    if not erased:
        return 0
    rows = session.all("SELECT login, added_ms FROM people UNION ALL SELECT login, added_ms FROM accounts")
    found = {
        login
        for login, added_ms in ((row["login"].removesuffix(HUB_SUFFIX), row["added_ms"]) for row in rows)
        if added_ms <= erased.get(unnamed(login, pepper), -1)
    }
    for login in sorted(found):
        erase(session, login, random)
    return len(found)


def kept_long_enough(session: Session, now_ms: int) -> list[str]:
    """Log-ins of people whose rights, or whose account here, ended so long ago that the policy `retention` has them
    erased."""
    kept = retention(session, policies.ALL_SITES)
    rows = session.all(
        "SELECT p.login FROM people p JOIN grants g ON g.actor = p.actor WHERE p.name <> '' GROUP BY p.login HAVING"
        " max(CASE WHEN g.revoked = 1 THEN g.changed_ms WHEN g.valid_until_s > 0 THEN g.valid_until_s * 1000"
        " ELSE :now END) < :before UNION SELECT login FROM accounts WHERE name <> '' AND closed_ms < :before",
        now=now_ms,
        before=kept.before_ms(kept.names_days, now_ms),
    )
    return sorted({row["login"].removesuffix(HUB_SUFFIX) for row in rows})


def retention(session: Session, site: str) -> policy.Retention:
    """How long what is kept at a site, or of all."""
    said = policies.in_force(session, policy.RETENTION, site)
    return policy.Retention() if said is None else policy.retention(said)


_BY_LOGIN = (
    ("accounts", "login"), ("approvers", "login"), ("decisions", "author"), ("discrepancies", "owner"),
    ("discrepancy_entries", "author"),
)  # fmt: skip


def _those_of(session: Session, login: str) -> list[Row]:
    """Whom this log-in belongs to: at most the person at the sites and the approver of the hub."""
    return session.all(
        "SELECT * FROM people WHERE login IN (:login, :approver) ORDER BY login", login=login,
        approver=login + HUB_SUFFIX,
    )  # fmt: skip


def _grants_of(session: Session, people: Iterable[Row]) -> list[Row]:
    return [row for each in people for row in session.all("SELECT * FROM grants WHERE actor = :a", a=each["actor"])]


def _has_ended(grant: Row, now_ms: int) -> bool:
    return bool(grant["revoked"]) or 0 < grant["valid_until_s"] * 1000 <= now_ms


# ---------------------------------------------------------------- console


def add_account(
    session: Session,
    login: str,
    name: str,
    password: str,
    roles: Iterable[str],
    pepper: bytes,
    random: Random,
    now_ms: int,
) -> Account:
    """Somebody who may log in to the console; replaces the password and roles of an account that exists."""
    wanted = tuple(sorted(set(roles)))
    unknown = [role for role in wanted if role not in CONSOLE_ROLES]
    if unknown or not wanted:
        raise Rejected(f"console roles {', '.join(unknown) or 'none'}: expected some of {', '.join(CONSOLE_ROLES)}")
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        raise Rejected(f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters")
    stored = keys.hash_pin(password, pepper, _context(login), random)
    session.run(
        "INSERT INTO accounts VALUES (:login, :name, :password, :roles, :now, NULL) ON CONFLICT(login) DO UPDATE"
        " SET name = excluded.name, password = excluded.password, roles = excluded.roles, closed_ms = NULL",
        login=_login(login),
        name=_label("name", name),
        password=stored.hex(),
        roles=" ".join(wanted),
        now=now_ms,
    )
    return Account(login, name, wanted)


def log_in(session: Session, login: str, password: str, pepper: bytes) -> Account:
    """The account, if the password is its; raises Rejected in words that tell a stranger nothing."""
    row = _open_account(session, login)
    # An unknown login costs the same time as a wrong password.
    stored = bytes.fromhex(row["password"]) if row else _NOBODY
    good = keys.verify_pin(stored, password[:PASSWORD_MAX], pepper, _context(login))
    if row is None or not good:
        raise Rejected("login or password is wrong")
    return _account(row)


def open_account(session: Session, login: str) -> Account | None:
    """The console account of this log-in; None where there is none that is open."""
    row = _open_account(session, login)
    return None if row is None else _account(row)


def close_account(session: Session, login: str, now_ms: int) -> None:
    """Nobody can log in with it any more."""
    if not session.run(
        "UPDATE accounts SET closed_ms = :now WHERE login = :login AND closed_ms IS NULL", now=now_ms, login=login
    ):
        raise Rejected(f"there is no open account {login!r}")


def _open_account(session: Session, login: str) -> Row | None:
    return session.one("SELECT * FROM accounts WHERE login = :login AND closed_ms IS NULL", login=login)


def _account(row: Row) -> Account:
    return Account(row["login"], row["name"], tuple(row["roles"].split()))


_NOBODY = b"\x01" + bytes(16) + bytes(32)


def _context(login: str) -> bytes:
    return b"tallyman/console/" + login.encode()


def _actor(session: Session, login: str, name: str, random: Random, now_ms: int) -> str:
    row = session.one("SELECT actor, name FROM people WHERE login = :login", login=login)
    if row is not None:
        if row["name"] != name:
            session.run("UPDATE people SET name = :name WHERE login = :login", name=name, login=login)
        return str(row["actor"])
    actor = random.bytes(32).hex()
    session.run(
        "INSERT INTO people VALUES (:actor, :login, :name, :now)", actor=actor, login=login, name=name, now=now_ms
    )
    return actor


def _grant(
    session: Session,
    actor: str,
    site: str,
    roles: int,
    activation: bytes,
    valid_from_s: int,
    valid_until_s: int,
    *,
    revoked: bool,
    now_ms: int,
) -> None:
    session.run(
        "INSERT INTO grants VALUES (:actor, :site, :roles, :activation, :valid_from, :valid_until, :revoked,"
        " (SELECT coalesce(max(chain_revision), 0) + 1 FROM grants), :now) ON CONFLICT(actor, site) DO UPDATE"
        " SET roles = excluded.roles, activation = excluded.activation, valid_from_s = excluded.valid_from_s,"
        " valid_until_s = excluded.valid_until_s, revoked = excluded.revoked,"
        " chain_revision = excluded.chain_revision, changed_ms = excluded.changed_ms",
        actor=actor,
        site=site,
        roles=roles,
        activation=activation,
        valid_from=valid_from_s,
        valid_until=valid_until_s,
        revoked=int(revoked),
        now=now_ms,
    )


def _tell(session: Session, actor: str, site: str, badge: str) -> None:
    row = session.one("SELECT login, name FROM people WHERE actor = :actor", actor=actor) or {}
    roles = int(
        session.value("SELECT roles FROM grants WHERE actor = :actor AND site = :site", actor=actor, site=site)
    )
    before = streams.get(session, streams.USERS, site, actor) or {}
    value = {
        "login": row["login"],
        "name": row["name"],
        "badge": badge or before.get("badge", ""),
        "roles": role_names(roles),
        **{name: before[name] for name in ("key", "code") if name in before},
    }
    streams.put(session, streams.USERS, site, actor, value)


def _tell_left(session: Session, actor: str, site: str) -> None:
    """Who it was stays known at a site that they have left; how they were let in does not."""
    row = session.one("SELECT login, name FROM people WHERE actor = :actor", actor=actor) or {}
    streams.put(
        session, streams.USERS, site, actor, {"login": row["login"], "name": row["name"], "badge": "", "roles": []}
    )


def _login(text: str) -> str:
    if text.startswith(FORMER):
        raise Rejected(f"{text!r} is what an erased person is called: choose another log-in")
    return _label("login", text)


def _label(what: str, text: str) -> str:
    if not 0 < len(text) <= NAME_MAX or text != text.strip():
        raise Rejected(f"the {what} {text[:40]!r} is not 1 to {NAME_MAX} printable characters without blanks around")
    try:
        return spelling.name(text)
    except Rejected as error:
        raise Rejected(f"the {what}: {error}") from error
