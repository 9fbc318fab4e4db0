"""What schemathesis loads beside the description: some of the names that it makes up become names of things here."""

from __future__ import annotations

import json
import os
import random
import zlib
from typing import Any

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

from tests.web import walk
from web.node_app import TABLET_COOKIE
from web.routes import Route

# Where everybody has logged in before: a tablet that is known waits for no stranger's wrong PINs (node/throttle.py),
# and log-ins that are made up come from the same address.
TABLET = "f0" * 16
NAMES: dict[str, list[str]] = json.loads(os.environ.get("TALLYMAN_FUZZ_NAMES", "{}"))
CHARACTERS_MAX = 64
ROUTES = {(route.method, route.path): route for route in walk.CHANGES}


def dice_of(value: Any) -> random.Random:
    """The same for the same value: what was found once is found again."""
    return random.Random(zlib.crc32(repr(value).encode("utf-8", "replace")))


def real(name: str, value: Any, dice: random.Random) -> Any:
    """The value, or for half of the texts that could be a name the name of something that exists. A whole number is
    seldom written as 1.0, which is refused before anything else."""
    if isinstance(value, float) and value.is_integer() and dice.random() < 0.9:
        return int(value)
    if isinstance(value, list):
        return [real(name, each, dice) for each in value]
    if isinstance(value, dict):
        return {inside: real(inside, each, dice) for inside, each in value.items()}
    known = NAMES.get({"bins": "bin", "lines": ""}.get(name, name))
    if not known or not isinstance(value, str) or len(value) > CHARACTERS_MAX:
        return value
    return dice.choice(known) if dice.random() < 0.5 else value


def likely(route: Route, body: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """No rule takes what is made up from nothing: for half of the acts the walk's example, with some of it inside."""
    if [] in body.values() or dice.random() < 0.5:
        kept = {name: value for name, value in body.items() if value != [] and dice.random() < 0.15}
        body = {**walk.body_of(route), **kept}
    if route.act and dice.random() < 0.8:
        body["op_id"] = f"{dice.getrandbits(128):032x}"
    return body


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """Nobody can make up a cursor: half of the time there is none."""
    if isinstance(query, dict) and isinstance(query.get("cursor"), str) and len(query["cursor"]) % 2:
        return {name: value for name, value in query.items() if name != "cursor"}
    return query


@schemathesis.hook
def map_headers(context: Any, headers: Any) -> Any:
    """Nobody can make up a tag either."""
    if headers is None or "If-Match" not in headers or dice_of(headers["If-Match"]).random() < 0.2:
        return headers
    return {name: value for name, value in headers.items() if name != "If-Match"}


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    """Names of things here, in what was made to fit the description: in a part that was made not to fit, a name
    would mend the very text that has to be refused."""
    meta = case.meta
    if meta is None or meta.phase.name not in (TestPhase.FUZZING, TestPhase.STATEFUL):
        return case
    if isinstance(case.path_parameters, dict) and not meta.is_negative_at(ParameterLocation.PATH):
        case.path_parameters = real("", case.path_parameters, dice_of(case.path_parameters))
    if isinstance(case.body, dict) and not meta.is_negative_at(ParameterLocation.BODY):
        dice, route = dice_of((case.headers, case.body)), ROUTES.get((case.method, case.path))
        case.body = real("", likely(route, case.body, dice) if route else case.body, dice)
        if "op_id" in case.body and dice.random() < 0.9 and case.headers:
            case.headers.pop("Idempotency-Key", None)  # another name for the act: the two are refused together
    return case


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """What ends a log-in gets one of its own."""
    if case.path.endswith(("/refresh", "/logout")) and "Authorization" in case.headers:
        wish = {"login": "every", "pin": NAMES["pin"][0]}
        url = f"{case.operation.base_url.rstrip('/')}/api/v1/auth/login"
        answer = requests.post(url, json=wish, cookies={TABLET_COOKIE: TABLET}, timeout=20)
        case.headers["Authorization"] = f"Bearer {answer.json()['token']}"
