"""Every route of the node's table, with an address that leads there and a body.

The body is well formed and refused all the same, because what it names does not exist or is not there: so whatever is
made of it must be refused too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.node.floor_kit import PIN
from web import node_api, node_events
from web.routes import Route

NOBODY = "0" * 32
ROUTES: tuple[Route, ...] = (*node_api.ROUTES, node_events.EVENTS)
ASKS = tuple(route for route in node_api.ROUTES if not route.unsafe)
CHANGES = tuple(route for route in node_api.ROUTES if route.unsafe)

SESSION = {"session": NOBODY}
LINE = {"item": "BOLT", "quantity": 1, "source": "A-02", "target": "A-01"}
STANDING = {"item": "NO-SUCH", "quantity": 1, "location": "A-01"}
GOING = {"item": "BOLT", "quantity": 1, "source": "NO-SUCH"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "counts/": {"name": "Week", "bins": ["NO-SUCH"], "rule": {"line_quantity_max": 1}},
    "counts/start": SESSION,
    "counts/draw": SESSION,
    "counts/cancel": {**SESSION, "reason": "late"},
    "counts/assign": {**SESSION, "bin": "A-01", "assignee": None},
    "counts/free": {**SESSION, "bin": "A-01", "assignee": None},
    "counts/uncounted": {**SESSION, "bin": "A-01", "reason": "late"},
    "counts/open": {"bin": "A-01"},
    "counts/leave": {"bin": "A-01"},
    "counts/share": {"bin": "A-01", "area": 1, "agree": True, "own": "left"},
    "counts/enter": {"item": "BOLT", "quantity": 1, "mode": "set"},
    "counts/undo": {"number": 1},
    "counts/empty": {},
    "counts/close": {"bin": "A-01", "confirm": True},
    "counts/reject": {**SESSION, "reason": "doubtful"},
    "counts/take": {**SESSION, "bin": "A-01", "reason": "nobody-else"},
    "counts/choose": {**SESSION, "bin": "A-01", "round": 0, "reason": "doubtful"},
    "counts/recount": {**SESSION, "bin": "A-01", "reason": "doubtful"},
    "counts/approve": {**SESSION, "bin": "A-01", "lines": [0], "reason": "lost", "pin": PIN},
    "counts/approve-bins": {**SESSION, "bins": ["A-01"], "pin": PIN},
    "counts/sheets": {**SESSION, "bins": ["A-01"], "blind": True},
    "counts/sheets/settle": {"sheet": 999, "state": "void", "reason": "torn"},
    "counts/sheets/return": {"sheet": 999, "csv": "x", "counter": NOBODY * 2, "counted_ms": 1},
    "counts/certificate": {"zone": "NO-SUCH", "since": 1},
    "documents/hold": {"held": "damage", "lines": [STANDING], "reasons": ["crushed"]},
    "documents/relabel": {"lot": "L2", "lines": [STANDING], "reasons": ["faded"]},
    "documents/issue": {"lines": [GOING], "order": "SO-1"},
    "documents/scrap": {"lines": [GOING], "reasons": ["crushed"]},
    "documents/send-back": {"lines": [GOING], "supplier": "ACME", "origin": "DN-1", "reasons": ["crushed"]},
    "documents/release": {"hold": NOBODY, "lines": [{"line": 1, "quantity": 1, "location": "A-01"}], "pin": PIN},
    "units/move": {"units": [{"unit": "PAL-7", "target": "NO-SUCH"}]},
    "deliveries/": {"delivery": "D-1", "supplier": "ACME", "lines": [{"item": "NO-SUCH", "quantity": 1}]},
    "deliveries/close": {"delivery": "NO-SUCH"},
    "picks/": {"order": "SO-1", "lines": [{"item": "NO-SUCH", "quantity": 1}]},
    "picks/again": {"list": NOBODY},
    "picks/begin": {"list": NOBODY, "tote": "A-01"},
    "picks/pick": {"list": NOBODY, "item": "BOLT", "quantity": 1, "source": "A-01"},
    "picks/short": {"list": NOBODY, "location": "A-01", "item": "BOLT"},
    "picks/issue": {"list": NOBODY, "confirm": True},
    "picks/cancel": {"list": NOBODY, "reason": "withdrawn"},
    "tablets/settle": {"tablet": 1},
    "alerts/seen": {"code": "none", "subject": "", "severity": "info"},
    "alerts/unseen": {"code": "none", "subject": ""},
    "reads/count": {"read": NOBODY},
    "reads/dismiss": {"read": NOBODY, "reason": "same-piece"},
    "counts/relocate": {**SESSION, "item": "BOLT", "source": "A-01", "target": "A-02", "accept": True},
    "scans/resolve": {"park": 999, "item": "BOLT", "quantity": 1},
    "scans/dismiss": {"park": 999, "reason": "not-stock"},
    "tasks/begin": {"kind": "count"},
    "tasks/enter": {"item": "BOLT", "quantity": 1},
    "tasks/part": {"item": "BOLT", "quantity": 1, "held": "damage"},
    "tasks/finish": {"happened": True},
    "tasks/drop": {},
    "documents/receive": {"lines": [{"item": "NO-SUCH", "quantity": 1, "target": "A-01"}]},
    "documents/move": {"lines": [LINE]},
    "documents/take-back": {"of": NOBODY},
    "documents/adjust": {"lines": [{"item": "NO-SUCH", "change": 1, "location": "A-01"}], "reasons": ["lost"]},
    "documents/reverse": {"of": NOBODY, "reasons": ["wrong"]},
    "documents/exception": {"location": "NO-SUCH", "reason": "unbookable", "lines": []},
    "documents/reject": {"proposal": NOBODY, "reason": "wrong"},
    "documents/approve": {"proposal": NOBODY, "pin": PIN},
    "transfers/dispatch": {
        "receiver": "bergen", "lines": [{"item": "NO-SUCH", "quantity": 1, "source": "A-02"}], "pin": PIN,
    },
    "transfers/paper": {"scanned": ["NO-PAPER"]},
    "transfers/cancel": {"transfer": NOBODY, "target": "A-01"},
    "transfers/accept": {"transfer": NOBODY, "lines": [], "pin": PIN},
    "transfers/reverse": {"of": NOBODY, "reasons": ["wrong-goods"], "pin": PIN},
    "inventory/{code}/transfer": {"quantity": 1, "source": "A-02", "target": "NO-SUCH"},
    "inventory/{code}/update": {"location": "NO-SUCH", "change": 1, "reasons": ["lost"]},
    "users/{actor}/unlock": {},
    "users/{actor}/reset-second-factor": {},
    "attachments/": {"name": "photo", "content": "aGVsbG8=", "item": "NO-SUCH"},
    "attachments/erase": {"attachment": NOBODY * 2},
    "notes/erase": {"operation": NOBODY},
}  # fmt: skip
# Without an op_id, or open: log-in and what is the same however often it is done.
OTHERS: dict[str, dict[str, Any]] = {
    "users/me/language": {"language": "de"},
    "counts/preview": {"areas": ["NO-SUCH"]},
    "counts/certificate/check": {"format": "x"},
    "auth/login": {"login": "nobody", "pin": PIN, "code": "000000"},
    "auth/second-factor": {"login": "nobody", "pin": PIN},
    "auth/register": {"op_id": NOBODY, "login": "nobody", "code": "0" * 20, "pin": PIN},
    "users/{actor}/roles": {"roles": ["COUNT"]},
    "scans/": {"op_id": NOBODY, "text": "x" * 5_000},
    "devices/bind": {"device": "\n"},
    "devices/beep": {"device": "no-such"},
    "scales/weigh": {"item": "NO-SUCH"},
    "reads/came": {"numbers": [999]},
    "scans/picture": {"width": 1, "height": 2, "points": "AA=="},
    "lookup": {"text": "NO-SUCH"},
    "tablets/this": {"unsent": 0, "kept": True, "battery": {"percent": 101, "charging": False}},
    "drafts/{name}": {"op_id": NOBODY, "on": "0" * 32, "work": None},
}
BARE = ("auth/logout", "auth/refresh", "sync/now", "seal")
# What a parameter may be where nothing particular is meant.
NAMES: Mapping[str, Sequence[str]] = {
    "op_id": (NOBODY,),
    "session": (NOBODY,),
    "proposal": (NOBODY,),
    "transfer": (NOBODY,),
    "actor": ("0" * 63 + "1",),
    "bin": ("A-01",),
    "number": ("1",),
    "list": (NOBODY,),
    "code": ("BOLT",),
    "attachment": (NOBODY * 2,),
    "name": ("scrap",),
}


def short(route: Route) -> str:
    """How the tests call a route."""
    return route.path.removeprefix("/api/v1/")


def body_of(route: Route, op_id: str = NOBODY) -> dict[str, Any]:
    name = short(route)
    return {"op_id": op_id, **EXAMPLES[name]} if name in EXAMPLES else OTHERS.get(name, {})


def addresses(route: Route, names: Mapping[str, Sequence[str]] = NAMES) -> Iterator[str]:
    """The route's address with every combination of names."""
    known = {**NAMES, **names}
    for values in itertools.product(*(known[name] for name in route.names)):
        path = route.path
        for name, value in zip(route.names, values, strict=True):
            path = path.replace(f"{{{name}}}", quote(value, safe="%"))
        yield path


def address(route: Route, **names: str) -> str:
    return next(addresses(route, {name: (value,) for name, value in names.items()}))


def ask(client: FlaskClient, route: Route, **more: Any) -> TestResponse:
    """One request of the route, with its example body."""
    body = body_of(route) if route.unsafe else None
    return client.open(address(route), method=route.method, json=body, **more)
