"""REST `/api/v1` of a node, as one table. An address that is not in it does not exist, and each row describes itself.

A row (`web/routes`) says method, path, permission, parameters, body, answer and handler; from it follow the rule in
the framework, the permission check (`web/node_ask`), the description under `/api/v1/openapi.json` (`web/openapi`) and
the tests that walk every route.
"""

from __future__ import annotations

from functools import cache

from flask import Blueprint, Response

from ledger import people
from web import (
    node_api_admin,
    node_api_alerts,
    node_api_attachments,
    node_api_audit,
    node_api_counts,
    node_api_devices,
    node_api_drafts,
    node_api_goods,
    node_api_notes,
    node_api_people,
    node_api_sheets,
    node_api_stock,
    node_api_tablets,
    node_api_work,
    node_days,
    node_events,
    node_examples,
    openapi,
)
from web.languages import ENGLISH
from web.node_app import NodeParts
from web.node_ask import Ask, register
from web.routes import JSON, OPEN, Route


def _description(_: Ask) -> Response:
    return Response(described(), mimetype=JSON, headers={"Content-Language": ENGLISH})


ROUTES: tuple[Route, ...] = (
    *node_api_people.ROUTES,
    *node_api_stock.ROUTES,
    *node_api_counts.ROUTES,
    *node_api_sheets.ROUTES,
    *node_api_work.ROUTES,
    *node_api_goods.ROUTES,
    *node_api_attachments.ROUTES,
    *node_api_notes.ROUTES,
    *node_api_drafts.ROUTES,
    *node_api_audit.ROUTES,
    *node_days.ROUTES,
    *node_api_devices.ROUTES,
    *node_api_alerts.ROUTES,
    *node_api_tablets.ROUTES,
    *node_api_admin.ROUTES,
    Route(
        method="GET", path="/api/v1/openapi.json", allow=OPEN, summary="This description", handle=_description,
        answer={"type": "object", "title": "OpenApi"},
    ),
)  # fmt: skip


@cache
def described() -> str:
    """The description of every route, the event stream included, as JSON."""
    every = (*ROUTES, node_events.EVENTS)
    return openapi.text_of(openapi.document(every, "Tallyman node", people.role_names, node_examples.example))


def blueprint(parts: NodeParts) -> Blueprint:
    routes = Blueprint("node_api", __name__)
    register(routes, parts, ROUTES)
    return routes
