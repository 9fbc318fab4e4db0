"""What schemathesis loads beside the description: some of the names that it makes up become names of things here."""

from __future__ import annotations

import json
import os
import random
import zlib
from pathlib import Path
from typing import Any

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

from tests.web import walk
from web.node_app import TABLET_COOKIE

# Where everybody has logged in before: a tablet that is known waits for no stranger's wrong PINs (node/throttle.py),
# and log-ins that are made up come from the same address.
TABLET = "f0" * 16
KNOWN = os.environ.get("TALLYMAN_FUZZ_KNOWN")
_KNOWN: dict[str, Any] = json.loads(Path(KNOWN).read_text("utf-8")) if KNOWN else {"names": {}, "ready": {}}
NAMES: dict[str, list[str]] = _KNOWN["names"]
READY: dict[str, list[dict[str, Any]]] = _KNOWN["ready"]
CHARACTERS_MAX = 64
ROUTES = {(route.method, route.path): route for route in walk.ROUTES}
# Who alone can do what stands in a request that is ready; no part of what is sent.
ASKER = "X-Asker"


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


def take_ready(case: Any, ready: dict[str, Any], dice: random.Random, changed: float) -> None:
    """Make the case one that can be done, with so large a part of what was made up for its body inside."""
    kept = case.body if isinstance(case.body, dict) else {}
    case.path_parameters = dict(ready["path"])
    if ready["body"] is not None:
        inside = {name: value for name, value in kept.items() if value != [] and dice.random() < changed}
        case.body = {**ready["body"], **inside}
    if case.headers is not None:
        if ready["asker"]:
            case.headers[ASKER] = ready["asker"]
        case.headers.pop("Idempotency-Key", None)  # another name for the act: the two are refused together


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
    """Names of things here, or a whole request that is ready, in what was made to fit the description: in a part that
    was made not to fit, a name would mend the very text that has to be refused."""
    meta, route = case.meta, ROUTES.get((case.method, case.path))
    ready = READY.get(route.name, []) if route is not None else []
    if meta is None or meta.phase.name not in (TestPhase.FUZZING, TestPhase.STATEFUL):
        return case
    fits = {part: not meta.is_negative_at(part) for part in (ParameterLocation.PATH, ParameterLocation.BODY)}
    dice = dice_of((case.path_parameters, case.headers, case.body))
    taken = bool(ready) and not meta.generation.mode.is_negative and dice.random() < 0.5
    if taken:
        take_ready(case, dice.choice(ready), dice, 0.15)
    elif isinstance(case.path_parameters, dict) and fits[ParameterLocation.PATH]:
        case.path_parameters = real("", case.path_parameters, dice)
    if isinstance(case.body, dict) and fits[ParameterLocation.BODY]:
        if not taken:
            case.body = real("", case.body, dice)
        if route is not None and route.act and dice.random() < 0.8:
            case.body["op_id"] = f"{dice.getrandbits(128):032x}"
        if "op_id" in case.body and dice.random() < 0.9 and case.headers:
            case.headers.pop("Idempotency-Key", None)
    return case


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """An example is asked as it is ready here. What only one person can do is asked by them, and what ends a log-in
    gets one of its own. Who asks is said last of all: the headers of the whole run replace those of a case."""
    route = ROUTES.get((case.method, case.path))
    if route is not None and case.meta is not None and case.meta.phase.name == TestPhase.EXAMPLES:
        for ready in READY.get(route.name, [])[:1]:
            take_ready(case, ready, dice_of(case.body), 0)
    asker = case.headers.pop(ASKER, None) if case.headers else None
    if not case.headers or "Authorization" not in case.headers:
        return
    if case.path.endswith(("/refresh", "/logout")):
        wish = {"login": NAMES["ending"][0], "pin": NAMES["pin"][0]}
        url = f"{case.operation.base_url.rstrip('/')}/api/v1/auth/login"
        asker = requests.post(url, json=wish, cookies={TABLET_COOKIE: TABLET}, timeout=20).json()["token"]
    if asker is not None:
        kwargs["auth"] = By(asker)


class By(requests.auth.AuthBase):
    """A request as the person with this token sends it."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, asked: requests.PreparedRequest) -> requests.PreparedRequest:
        asked.headers["Authorization"] = f"Bearer {self.token}"
        return asked
