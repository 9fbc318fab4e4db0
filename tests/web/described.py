"""Holds every answer of an application against what its description says: status, media type, and each member."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema_rs
from flask import Flask, Response, request

from web import node_api, node_events
from web.routes import Route
from web.schema import Schema


class Undescribed(BaseException):
    """Not an Exception: no error handler of the application may make an answer of it."""


ROUTES = {(route.method, route.rule()): route for route in (*node_api.ROUTES, node_events.EVENTS)}


@cache
def description() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node_api.described())
    return found


def operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = description()["paths"][route.path][route.method.lower()]
    return found


@cache
def _validator(method: str, path: str, status: str, media: str) -> Any:
    answer = description()["paths"][path][method.lower()]["responses"][status]
    if "$ref" in answer:
        answer = description()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    content = answer["content"]
    schema = content["*/*" if "*/*" in content else media]["schema"]
    return jsonschema_rs.Draft202012Validator({**schema, "components": description()["components"]})


def faults(route: Route, status: int, media: str, content: bytes) -> list[str]:
    """What is not as described in one answer."""
    told = operation(route)["responses"]
    where = f"{route.method} {route.path}"
    if str(status) not in told:
        return [f"{where} answered {status}, which is not described"]
    if status == 304:
        return []
    try:
        validator = _validator(route.method, route.path, str(status), media)
    except KeyError:
        return [f"{where} answered {status} as {media}, which is not described"]
    if "json" not in media:
        return []
    return [
        f"{where} {status} at {list(error.instance_path)}: {error.message}"[:600]
        for error in validator.iter_errors(json.loads(content))
    ]


def _members(schema: Schema | None) -> set[str]:
    return {name for each in (schema or {}).get("anyOf", [schema or {}]) for name in each.get("properties", {})}


def members(route: Route) -> set[str]:
    """What the body of a route may name."""
    return _members(route.body)


def members_of_lines(route: Route) -> set[str]:
    """What one of its lines may name."""
    lines = (route.body or {}).get("properties", {}).get("lines", {})
    return _members(lines.get("items"))


def watch(app: Flask) -> None:
    """Let the application check itself from now on: an answer that is not as described is an error of ours."""

    def check(response: Response) -> Response:
        rule = request.url_rule
        method = "GET" if request.method == "HEAD" else request.method
        route = None if rule is None else ROUTES.get((method, rule.rule))
        if route is None or response.is_streamed:
            return response
        found = faults(route, response.status_code, response.mimetype, response.get_data())
        if found:
            raise Undescribed("\n".join(found))
        return response

    app.after_request(check)
