"""One request to the node's API, from its row in the table to its answer: who asks, may they, what do they say.

The order is the same for every route: log-in, permission, query, body, op_id, If-Match, the handler, ETag. Only then
does a handler run, and what it raises becomes a problem document by the one table in `web/kit`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response, request

from ledger import people
from ledger.db import Connection
from ledger.errors import Invalid, Rejected
from ledger.ids import OpId
from ledger.wording import shown
from node import desk
from node.desk import Person
from web import cursors, kit
from web.cursors import Key
from web.node_app import NodeParts
from web.routes import OPEN, Route
from web.schema import ROWS_MAX

KEY_CHARACTERS_MAX = 255
QUERY_CHARACTERS_MAX = 100
_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(slots=True)
class Ask:
    """A request that has passed its route's checks. `who` and `op_id` are there where the route says so.

    `seen`: what the ETag stands for, where a handler found more than it answers (a page of something).
    """

    parts: NodeParts
    route: Route
    path: dict[str, str]
    person: Person | None = None
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    act: OpId | None = None
    limit: int = ROWS_MAX
    after: Key | None = None
    seen: object = None

    @property
    def who(self) -> Person:
        if self.person is None:
            raise kit.LoginNeeded("nobody is logged in here: log in with badge and PIN")
        return self.person

    @property
    def op_id(self) -> OpId:
        return OpId.parse(None) if self.act is None else self.act

    def reading(self) -> AbstractContextManager[Connection]:
        """One moment of the database, on a connection of this request's own: it waits for no writer."""
        return self.parts.site.looking()

    def named(self, find: Callable[[], Any]) -> Any:
        """What a part of the path names; whatever is wrong with the name, such a thing is not here."""
        try:
            return find()
        except (Rejected, Invalid) as error:
            raise kit.NotFound(str(error)) from error

    def page(self, found: Iterable[tuple[Key, Mapping[str, Any]]], **beside: object) -> dict[str, object]:
        """A page of rows with their keys, of which there may be one more than fits."""
        known = list(found)
        rows = known[: self.limit]
        more = len(known) > len(rows)
        return {"rows": [row for _, row in rows], "next": self.next_after(rows[-1][0]) if more else None, **beside}

    def next_after(self, key: Key) -> str:
        """The cursor that goes on after this key."""
        return cursors.encode(self.list_name, key)

    @property
    def list_name(self) -> str:
        """What is listed: the address with what narrows it, without what pages it."""
        narrowed = sorted((name, value) for name, value in self.query.items() if value.strip())
        return " ".join((self.route.path, *self.path.values(), *(f"{name}={value}" for name, value in narrowed)))


def register(blueprint: Blueprint, parts: NodeParts, routes: Iterable[Route]) -> None:
    """Serve these rows, and no other method at their addresses."""
    for route in routes:
        rule = route.rule()
        blueprint.add_url_rule(
            rule, route.name, _view(parts, route), methods=[route.method], provide_automatic_options=False
        )


def _view(parts: NodeParts, route: Route) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        # The server leaves an encoded slash encoded, because it could not tell it from a dividing one.
        ask = Ask(parts, route, {name: re.sub("%2f", "/", value, flags=re.I) for name, value in path.items()})
        if route.allow is not OPEN:
            ask.person = parts.person(at_work=not route.by_itself)
            need(ask.person, route.roles or 0)
        _read_query(ask)
        if route.body is not None:
            ask.body = kit.body()
        if route.act:
            ask.act = _op_id(ask)
        return _if_unchanged(ask) if "If-Match" in request.headers else _answered(ask)

    return view


def need(who: Person, roles: int) -> None:
    """Refuse (403) whoever has none of these roles; 0 asks for none."""
    if roles and not who.has(roles):
        raise kit.Forbidden(f"this needs the role {' / '.join(people.role_names(roles))}")


def _read_query(ask: Ask) -> None:
    """The query's parameters, each known and said once."""
    known = {*ask.route.query, *(("cursor", "limit") if ask.route.keys is not None else ())}
    for name, values in request.args.lists():
        if name not in known:
            expected = ", ".join(sorted(known)) or "none"
            raise Invalid(f"{shown(name)} is not a parameter of this address: expected {expected}")
        if len(values) != 1:
            raise Invalid(f"{name!r} is there {len(values)} times: say it once")
    ask.query = {name: request.args[name] for name in ask.route.query if name in request.args}
    for name, value in ask.query.items():
        shape = ask.route.query[name]
        if value not in shape.get("enum", [value]):
            raise Invalid(f"{name!r} is {shown(value)}: expected {', '.join(shape['enum'])}")
        most = shape.get("maxLength", QUERY_CHARACTERS_MAX)
        if len(value) > most or not value.isprintable():
            raise Invalid(f"{name!r} is {shown(value)}: expected {most} printable characters at most")
    if ask.route.keys is None:
        return
    if "limit" in request.args:
        limit = request.args["limit"]
        if not (limit.isascii() and limit.isdecimal() and len(limit) < 5 and 0 < int(limit) <= ROWS_MAX):
            raise Invalid(f"'limit' is {shown(limit)}: expected 1 to {ROWS_MAX}")
        ask.limit = int(limit)
    if "cursor" in request.args:
        ask.after = cursors.decode(request.args["cursor"], ask.list_name, ask.route.keys)


def _op_id(ask: Ask) -> OpId:
    """The act's identity: `op_id` of the body, or Idempotency-Key, which in any other form stands for one."""
    named, said, key = "op_id" in ask.body, ask.body.pop("op_id", None), request.headers.get("Idempotency-Key")
    if key is None:
        return OpId.parse(said)
    if not _KEY.fullmatch(key):
        raise Invalid(f"Idempotency-Key is {shown(key)}: expected 1 to {KEY_CHARACTERS_MAX} printable characters")
    whose = str(ask.person.actor) if ask.person is not None else str(ask.body.get("login", ""))
    name = key if _HEX.fullmatch(key) else str(desk.op_id_of(whose, key))
    if named and said != name:
        raise Invalid("Idempotency-Key and op_id name two different acts: send one of them")
    return OpId.parse(name)


def _if_unchanged(ask: Ask) -> Response:
    """Answer only if what is asked about is still as the asker has seen it (RFC 9110, 13.1.1); nothing comes between
    look and act. `*` asks only that it is there, and is all that holds for what has no ETag.

    An act that was done already gets its answer: its own doing is not a change to stumble over.
    """
    route, version = ask.route, ask.route.version
    if version is not None:
        with ask.parts.site.reading() as connection:
            if ask.act is None or not desk.is_done(connection, ask.act):
                _need_match(_digest(version(ask)))
            return _answered(ask)
    if route.tagged:
        answer = _answered(ask)
        _need_match(answer.get_etag()[0])
        return answer
    _need_match(None)
    return _answered(ask)


def _need_match(tag: str | None) -> None:
    """Refuse (412) unless If-Match names this tag, and as a strong one; None is of what has none."""
    if request.if_match.star_tag or (tag is not None and request.if_match.is_strong(tag)):
        return
    if tag is None:
        raise kit.Changed("If-Match names what has no ETag here: expected * or no If-Match")
    raise kit.Changed("it has changed since you looked: get it again and decide anew")


def _answered(ask: Ask) -> Response:
    content = ask.route.handle(ask)
    if isinstance(content, Response):
        return content
    answer = kit.answer(content)
    if ask.route.tagged:
        answer.set_etag(_digest(content if ask.seen is None else ask.seen))
        # Whose answer this is depends on who asks.
        answer.headers["Vary"] = "Authorization, Cookie"
        if request.if_none_match.contains_weak(answer.get_etag()[0] or ""):
            answer.status_code = 304
            answer.set_data(b"")
    return answer


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
