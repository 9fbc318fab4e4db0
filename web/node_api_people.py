"""`auth/…` and `users/…`: log-in, its renewal and end, first log-in with a code; who is known here, in which roles.

Who may do what is decided at the hub and comes here signed; nothing in this module can change a role.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Response, request

from ledger import people
from ledger.errors import Rejected
from ledger.ids import Actor
from ledger.people import ADMIN, APPROVE, AUDIT
from ledger.wording import shown
from node import stations
from node.desk import Answer, Person
from node.second_factors import MISSING, NEEDED
from node.throttle import TooSoon
from web import drawn, kit, languages
from web.languages import LANGUAGES
from web.node_app import (
    SESSION_COOKIE,
    TABLET_COOKIE,
    TABLET_COOKIE_S,
    asked_from,
    cookie_name,
    tablet,
    token_given,
)
from web.node_ask import Ask, need
from web.routes import ANYONE, OPEN, Route
from web.schema import ACTOR, NAME, OP_ID, WHEN, array, either, flag, one_of, or_null, record, text, whole

ROLE = one_of(*people.ROLES, doc="What somebody may do at this site")
ROLES = array(ROLE, len(people.ROLES))
LOGIN = text("Login or badge", least=1, most=80)
PIN = text("Six to twelve digits", least=1, most=64)
CODE = text("Six digits, as the authenticator shows them", most=20)
PERSON = record(
    "Person",
    {
        "actor": ACTOR,
        "name": text("Empty once it was erased"),
        "login": text(),
        "roles": ROLES,
        "revoked": flag("All rights at this site were withdrawn"),
        "active": flag("Has logged in for the first time: a key of their own is bound on chain"),
        "locked": flag("Too many wrong PINs: they wait, or are locked out until somebody unlocks them"),
    },
)
LOGGED_IN = record(
    "LoggedIn",
    {
        "token": text("Send it as `Authorization: Bearer …`", pattern="^[0-9a-f]{64}$"),
        "actor": ACTOR,
        "name": NAME,
        "roles": ROLES,
        "idle_ms": whole("The token ends when it is not used for so long"),
        "ends_ms": {
            **WHEN,
            "description": "The token and all that replace it end then: badge and PIN are asked for again",
        },
    },
)
ASKED = record(
    "SecondFactorAsked",
    {
        "ask": text(),
        "second": one_of(NEEDED, MISSING, doc="`code` with the same log-in, or auth/second-factor first"),
    },
)
ENROLLED = record(
    "Authenticator",
    {
        "secret": text("Base 32, shown this once", pattern="^[A-Z2-7]{32}$"),
        "address": text("The same as an otpauth address, for an authenticator to scan"),
        "side": whole("Modules on a side of that as a QR Code"),
        "dark": text("The path of its dark modules, in SVG's words"),
    },
)
SPOKEN = record("Spoken", {"language": one_of(*LANGUAGES)})
MORE = ADMIN | APPROVE


def _opened(ask: Ask, answer: Answer, name: str, *, renewed: bool = False) -> Response:
    """The answer to a log-in, for programs in its body and for browsers in its cookies."""
    known = ask.parts.floor.people
    response = kit.answer(answer)
    if "token" not in answer:
        return response  # a second factor is asked for first
    if not renewed:
        _take_station(ask, answer, name)
    known.bind_device(known.session(answer["token"]), f"tablet-{name}")
    options: dict[str, Any] = {"httponly": True, "samesite": "Strict", "secure": request.is_secure, "path": "/"}
    response.set_cookie(cookie_name(SESSION_COOKIE), str(answer["token"]), **options)
    response.set_cookie(cookie_name(TABLET_COOKIE), name, max_age=TABLET_COOKIE_S, **options)
    chosen = known.language_of(Actor.parse(answer["actor"]))
    if chosen in LANGUAGES:
        # The page's own script changes it too, without the node.
        cookie = cookie_name(languages.COOKIE)
        response.set_cookie(cookie, chosen, max_age=languages.COOKIE_S, **{**options, "httponly": False})
    return response


@contextmanager
def _guessing() -> Iterator[None]:
    """A log-in that comes too soon is answered 429. An act that a PIN signs stays refused (422): its tablet would go
    on asking, and everything behind it would wait."""
    try:
        yield
    except TooSoon as error:
        raise kit.Busy(str(error), error.wait_s) from error


def _log_in(ask: Ask) -> Response:
    wish, name = kit.taken(ask.body, "login", "pin", "code"), tablet(ask.parts)
    with _guessing():
        answer = ask.parts.floor.people.log_in(wish["login"], wish["pin"], name, wish["code"], asked_from())
    return _opened(ask, answer, name)


def _register(ask: Ask) -> Response:
    wish, name, known = kit.taken(ask.body, "login", "code", "pin"), tablet(ask.parts), ask.parts.floor.people
    with _guessing():
        answer = known.activate(ask.op_id, wish["login"], wish["code"], wish["pin"], name, asked_from())
    return _opened(ask, answer, name)


def _enrol_second(ask: Ask) -> object:
    wish = kit.taken(ask.body, "login", "pin")
    with _guessing():
        answer = ask.parts.floor.people.enrol_second(wish["login"], wish["pin"], tablet(ask.parts), asked_from())
    side, dark = drawn.qr(answer["address"])
    return {**answer, "side": side, "dark": dark}


def _reset_second(ask: Ask) -> object:
    kit.taken(ask.body)
    actor: Actor = ask.named(lambda: Actor.parse(ask.path["actor"]))
    return ask.parts.floor.people.second.reset(ask.op_id, ask.who, actor)


def _take_station(ask: Ask, answer: Answer, name: str) -> None:
    """What stands at a tablet belongs to whoever logs in there; so does what stays there and is nobody's."""
    known = ask.parts.floor.people
    with ask.parts.site.writing() as connection:
        here = stations.at(stations.of_tablet(connection, name), ask.parts.devices())
        staying = stations.staying_at(connection, name)
        here += [device for device in staying if known.owner_of(connection, device) is None]
    for device in here:
        known.bind_device(known.session(answer["token"]), device)


def _refresh(ask: Ask) -> Response:
    kit.taken(ask.body)
    name = tablet(ask.parts)
    return _opened(ask, ask.parts.floor.people.renew(token_given()), name, renewed=True)


def _log_out(ask: Ask) -> Response:
    kit.taken(ask.body)
    ask.parts.floor.people.log_out(token_given())
    response = kit.answer({"logged_out": True})
    response.delete_cookie(cookie_name(SESSION_COOKIE), path="/", httponly=True, samesite="Strict")
    return response


def _me(ask: Ask) -> object:
    return {"actor": str(ask.who.actor), "name": ask.who.name, "roles": people.role_names(ask.who.roles)}


def _speak(ask: Ask) -> object:
    language = kit.taken(ask.body, "language")["language"]
    if not isinstance(language, str) or language not in LANGUAGES:
        raise Rejected(f"language is {shown(language)}: expected {', '.join(LANGUAGES)}")
    ask.parts.floor.people.speak(ask.who.actor, language)
    return {"language": language}


def _users(ask: Ask) -> object:
    (after,) = ask.after or ("",)
    with ask.reading() as connection:
        found = ask.parts.floor.people.everyone(connection, str(after), ask.limit + 1)
    return ask.page([((each["actor"],), each) for each in found])


def _person(ask: Ask) -> Answer:
    """The person of the path. Everyone may see themselves; others are for those who give out work."""
    actor: Actor = ask.named(lambda: Actor.parse(ask.path["actor"]))
    need_self_or(ask.who, actor, MORE)
    with ask.reading() as connection:
        found: Answer = ask.named(lambda: ask.parts.floor.people.one(connection, actor))
    return found


def need_self_or(who: Person, actor: Actor, roles: int) -> None:
    """Refuse whoever asks about somebody else without one of these roles."""
    need(who, 0 if who.actor == actor else roles | AUDIT)


def _roles(ask: Ask) -> object:
    found = _person(ask)
    return {name: found[name] for name in ("actor", "roles", "revoked")}


def _set_roles(ask: Ask) -> object:
    raise kit.Elsewhere(
        "roles come here signed by the hub and nowhere else: change them there, with"
        " tallyman hub add-person or revoke-person; they hold here after the next sync"
    )


def _unlock(ask: Ask) -> object:
    kit.taken(ask.body)
    actor: Actor = ask.named(lambda: Actor.parse(ask.path["actor"]))
    return ask.parts.floor.people.unlock(ask.op_id, ask.who, actor)


EMPTY = record("", {})
USER = {"actor": ACTOR}

ROUTES = (
    Route(
        method="POST", path="/api/v1/auth/login", allow=OPEN, problems=(429,),
        summary="Log in with badge or login, and PIN",
        body=record("LogIn", {"login": LOGIN, "pin": PIN}, {"code": or_null(CODE)}), handle=_log_in,
        answer=either(LOGGED_IN, ASKED),
    ),
    Route(
        method="POST", path="/api/v1/auth/second-factor", allow=OPEN, problems=(429,),
        handle=_enrol_second, answer=ENROLLED,
        summary="A new authenticator for who has none yet; the first log-in with its code confirms it",
        body=record("Enrol", {"login": LOGIN, "pin": PIN}),
    ),
    Route(
        method="POST", path="/api/v1/auth/register", allow=OPEN, problems=(429,), act=True,
        summary="First log-in: a key of the person's own is made here and bound on chain by the one-time code",
        body=record("Register", {"login": LOGIN, "code": text("As the hub gave it", least=1, most=100), "pin": PIN}),
        answer=either(LOGGED_IN, ASKED), handle=_register,
    ),
    Route(
        method="POST", path="/api/v1/auth/refresh", allow=ANYONE, body=EMPTY, answer=LOGGED_IN, handle=_refresh,
        summary="A new token for this one, which ends at once",
    ),
    Route(
        method="POST", path="/api/v1/auth/logout", allow=OPEN, body=EMPTY, handle=_log_out,
        summary="End this log-in; without one nothing happens", answer=record("LoggedOut", {"logged_out": flag()}),
    ),
    Route(
        method="GET", path="/api/v1/users/", allow=MORE, summary="Everyone known at this site, by id",
        answer=PERSON, keys=(str,), handle=_users,
    ),
    Route(
        method="GET", path="/api/v1/users/me", allow=ANYONE, summary="Who is asking", handle=_me,
        answer=record("Me", {"actor": ACTOR, "name": NAME, "roles": ROLES}),
    ),
    Route(
        method="POST", path="/api/v1/users/me/language", allow=ANYONE, handle=_speak, answer=SPOKEN, body=SPOKEN,
        summary="The language in which the asker reads, on every tablet from their next log-in",
    ),
    Route(
        method="GET", path="/api/v1/users/{actor}", allow=ANYONE, params=USER, answer=PERSON, handle=_person,
        summary="A person; others than oneself with ADMIN or APPROVE", problems=(403,),
    ),
    Route(
        method="GET", path="/api/v1/users/{actor}/roles", allow=ANYONE, params=USER, handle=_roles, problems=(403,),
        summary="A person's roles as the chain has them; of others than oneself with ADMIN or APPROVE",
        answer=record("Roles", {"actor": ACTOR, "roles": ROLES, "revoked": flag()}),
    ),
    Route(
        method="PUT", path="/api/v1/users/{actor}/roles", allow=ADMIN, params=USER, problems=(409,),
        summary="Always refused, with where it can be done: roles are the hub's",
        body=record("SetRoles", {"roles": ROLES}), answer=None, handle=_set_roles, version=_roles,
    ),
    Route(
        method="POST", path="/api/v1/users/{actor}/unlock", allow=MORE, params=USER, act=True, body=EMPTY,
        summary="Open the lock of somebody who guessed a PIN too often", handle=_unlock,
        answer=record("Unlocked", {"op_id": OP_ID}),
    ),
    Route(
        method="POST", path="/api/v1/users/{actor}/reset-second-factor", allow=ADMIN, params=USER, act=True,
        body=EMPTY, summary="Forget a lost authenticator; its owner sets up another at their next log-in",
        handle=_reset_second, answer=record("SecondFactorReset", {"op_id": OP_ID}),
    ),
)  # fmt: skip
