"""What schemathesis loads beside the description: some of the names that it makes up become names of things here."""

from __future__ import annotations

import json
import os
import zlib
from typing import Any

import requests
import schemathesis

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
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    return real("", path_parameters) if isinstance(path_parameters, dict) else path_parameters


@schemathesis.hook
def map_query(context: Any, query: Any) -> Any:
    """Nobody can make up a cursor: half of the time there is none."""
    if isinstance(query, dict) and isinstance(query.get("cursor"), str) and len(query["cursor"]) % 2:
        return {name: value for name, value in query.items() if name != "cursor"}
    return query


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    return real("", body)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """What ends a log-in gets one of its own."""
    if case.path.endswith(("/refresh", "/logout")) and "Authorization" in case.headers:
        wish = {"login": "every", "pin": NAMES["pin"][0]}
        answer = requests.post(f"{case.operation.base_url.rstrip('/')}/api/v1/auth/login", json=wish, timeout=20)
        case.headers["Authorization"] = f"Bearer {answer.json()['token']}"
