"""The description of an API in OpenAPI 3.1, derived from its table: what is not in it is neither served nor told.

Shapes with a name (JSON Schema's `title`) are told once, under components.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from web.routes import CURSOR, JSON, LIMIT, OPEN, Route
from web.schema import OP_ID, Schema, record, text, whole

Json = dict[str, Any]

PROBLEM_MEDIA = "application/problem+json"
PROBLEM = record(
    "Problem",
    {
        "type": text("Always about:blank: the title is the kind"),
        "status": whole(least=400, most=599),
        "title": text("What kind of refusal; never changes"),
        "detail": text("One sentence: what, the value, what to do; in the language that is asked for, else English"),
    },
    doc="RFC 9457",
)
WORDS = {
    304: "Still as it was (If-None-Match)",
    400: "Not valid: the bytes or parameters cannot be read as what they should be",
    401: "Nobody is logged in, or the log-in has ended",
    403: "Not allowed: a role is missing, or a page of another site asks",
    404: "There is no such thing here",
    409: "Not decided here: the detail says where",
    412: "Not as If-Match says: changed since it was looked at, or without an ETag that could be compared",
    413: "The body is too large",
    415: "The body is not application/json",
    422: "Refused by a rule; nothing changed",
    429: "Too many at once, or too many wrong PINs: repeat after Retry-After",
    503: "Not at the moment: repeat after Retry-After",
}
KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": text(least=1, most=255, pattern="^[!-~]([ -~]*[!-~])?$"),
    "description": "Instead of `op_id`: the same key of the same person is the same act. 32 hex digits are an op_id",
}
MATCH_HEADER = {
    "name": "If-Match",
    "in": "header",
    "schema": text(),
    "description": "The ETag of what the act is about: act only if it is still so",
}
NONE_MATCH_HEADER = {
    "name": "If-None-Match",
    "in": "header",
    "schema": text(),
    "description": "An ETag known already",
}
TAG_HEADER = {"ETag": {"schema": text(), "description": "Changes when the answer does"}}
# What a head announces beyond every limit is refused by the server itself, before any of it is read.
TOO_LARGE: Json = {"text/plain": {"schema": text()}}
RETRY_HEADER = {"Retry-After": {"schema": text(pattern="^[0-9]+$"), "description": "Seconds"}}


@dataclass(frozen=True, slots=True)
class Example:
    """A request as somebody may send it: `path` its parameters by name, `body` None where it has none."""

    path: Mapping[str, str] = field(default_factory=dict)
    body: Json | None = None


def document(
    routes: Iterable[Route],
    title: str,
    role_names: Callable[[int], list[str]],
    example: Callable[[Route], Example] = lambda _: Example(),
) -> Json:
    """The whole description as JSON values. Raises ValueError when two shapes share a name."""
    shapes: dict[str, Schema] = {}
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, role_names, shapes, example(route))
    problem = _named(PROBLEM, shapes)
    refusals = {
        f"Refused{status}": {
            "description": WORDS[status],
            "content": {PROBLEM_MEDIA: {"schema": problem}, **(TOO_LARGE if status == 413 else {})},
            **({"headers": RETRY_HEADER} if status in (429, 503) else {}),
        }
        for status in sorted(WORDS)
        if status >= 400
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(shapes.items())),
            "responses": refusals,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "browser": {"type": "apiKey", "in": "cookie", "name": "tallyman_session"},
            },
        },
    }


def _operation(
    route: Route, role_names: Callable[[int], list[str]], shapes: dict[str, Schema], example: Example
) -> Json:
    roles = role_names(route.roles) if route.roles else []
    found: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.path.removeprefix("/api/v1").strip("/").split("/")[0]],
        "security": [] if route.allow is OPEN else [{"token": []}, {"browser": []}],
        "responses": {
            str(status): {"$ref": f"#/components/responses/Refused{status}"} for status in route.refusals()
        },
    }
    if roles:
        found["description"] = f"Needs {' or '.join(roles)}."
        found["x-roles"] = roles
    parameters = [*_path(route, shapes, example), *_query(route, shapes), *_headers(route)]
    if parameters:
        found["parameters"] = parameters
    if route.body is not None:
        body = _with_op_id(route.body) if route.act else route.body
        media = {"schema": _named(body, shapes), **({} if example.body is None else {"example": example.body})}
        found["requestBody"] = {"required": True, "content": {JSON: media}}
    answer = route.shape()
    if answer is not None:
        found["responses"]["200"] = {
            "description": "Done" if route.unsafe else "Found",
            "content": {route.media: {"schema": _named(answer, shapes)}},
            **({"headers": TAG_HEADER} if route.tagged else {}),
        }
    if route.tagged:
        found["responses"]["304"] = {"description": WORDS[304], "headers": TAG_HEADER}
    return found


def _path(route: Route, shapes: dict[str, Schema], example: Example) -> list[Json]:
    found = []
    for name in route.names:
        shown = {"example": example.path[name]} if name in example.path else {}
        schema = _named(route.params[name], shapes)
        found.append({"name": name, "in": "path", "required": True, "schema": schema, **shown})
    return found


def _query(route: Route, shapes: dict[str, Schema]) -> list[Json]:
    known = {**route.query, **({"cursor": CURSOR, "limit": LIMIT} if route.keys is not None else {})}
    return [{"name": name, "in": "query", "schema": _named(shape, shapes)} for name, shape in known.items()]


def _headers(route: Route) -> list[Json]:
    found: list[Json] = []
    if route.act:
        found.append(KEY_HEADER)
    if route.version is not None:
        found.append(MATCH_HEADER)
    if route.tagged:
        found.append(NONE_MATCH_HEADER)
    return found


def _with_op_id(body: Schema) -> Schema:
    """An act's body: the op_id may stand in it."""
    if "anyOf" in body:
        return {**body, "anyOf": [_with_op_id(each) for each in body["anyOf"]]}
    return {**body, "properties": {"op_id": OP_ID, **body["properties"]}}


def _named(schema: Any, shapes: dict[str, Schema]) -> Any:
    """The shape with every named part of it moved to `shapes` and referred to."""
    if isinstance(schema, list):
        return [_named(each, shapes) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {name: _named(value, shapes) for name, value in schema.items()}
    name = inside.pop("title", None)
    if not isinstance(name, str):
        return {**inside, **({"title": name} if name is not None else {})}
    nullable = inside["type"] == ["object", "null"]
    if nullable:
        inside["type"] = "object"
    if shapes.setdefault(name, inside) != inside:
        raise ValueError(f"two shapes are called {name}: give one of them another name")
    reference = {"$ref": f"#/components/schemas/{name}"}
    return {"anyOf": [reference, {"type": "null"}]} if nullable else reference


def text_of(description: Json) -> str:
    """As it is served."""
    return json.dumps(description, ensure_ascii=False, separators=(",", ":"))
