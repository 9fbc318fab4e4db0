"""What schemathesis loads beside the description: some of the names that it makes up become names of things here."""

from __future__ import annotations

import json
import os
import zlib
from typing import Any

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

from web.node_app import TABLET_COOKIE

# Where everybody has logged in before: a tablet that is known waits for no stranger's wrong PINs (node/throttle.py),
# and log-ins that are made up come from the same address.
TABLET = "f0" * 16
NAMES: dict[str, list[str]] = json.loads(os.environ.get("TALLYMAN_FUZZ_NAMES", "{}"))
CHARACTERS_MAX = 64


def real(name: str, value: Any) -> Any:
    """The value, or for half of the texts that could be a name the name of something that exists."""
    if isinstance(value, list):
        return [real(name, each) for each in value]
    if isinstance(value, dict):
        return {inside: real(inside, each) for inside, each in value.items()}
    known = NAMES.get({"bins": "bin", "lines": ""}.get(name, name))
    if not known or not isinstance(value, str) or len(value) > CHARACTERS_MAX:
        return value
    number = zlib.crc32(value.encode("utf-8", "replace"))
    return known[number // 2 % len(known)] if number % 2 else value


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """Nobody can make up a cursor: half of the time there is none."""
    if isinstance(query, dict) and isinstance(query.get("cursor"), str) and len(query["cursor"]) % 2:
        return {name: value for name, value in query.items() if name != "cursor"}
    return query


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    """Names of things here, in what was made to fit the description: in a part that was made not to fit, a name
    would mend the very text that has to be refused."""
    meta = case.meta
    if meta is None or meta.phase.name not in (TestPhase.FUZZING, TestPhase.STATEFUL):
        return case
    if isinstance(case.path_parameters, dict) and not meta.is_negative_at(ParameterLocation.PATH):
        case.path_parameters = real("", case.path_parameters)
    if not meta.is_negative_at(ParameterLocation.BODY):
        case.body = real("", case.body)
    return case


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """What ends a log-in gets one of its own."""
    if case.path.endswith(("/refresh", "/logout")) and "Authorization" in case.headers:
        wish = {"login": "every", "pin": NAMES["pin"][0]}
        url = f"{case.operation.base_url.rstrip('/')}/api/v1/auth/login"
        answer = requests.post(url, json=wish, cookies={TABLET_COOKIE: TABLET}, timeout=20)
        case.headers["Authorization"] = f"Bearer {answer.json()['token']}"
