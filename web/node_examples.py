"""For each operation of the API an example of its request, in the description beside its shape.

They tell of one aisle of one site, A, and name each other: what `documents/approve` decides on is a proposal of that
name. The tests let the day come about that they tell of, and play each of them on it (`tests/web/day.py`). What only
the node gives out (numbers, proofs, photos' hashes) and what another site signs are of that site, and of no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from web.openapi import Example, Json
from web.routes import Route


def op_id(word: str) -> str:
    """The operation, session, list, transfer or draft of this name in the story."""
    return hashlib.sha256(f"tallyman/example/{word}".encode()).hexdigest()[:32]


COUNTER = hashlib.sha256(b"tallyman/example/counter").hexdigest()
PHOTO = hashlib.sha256(b"tallyman/example/photo").hexdigest()
PIN = "482913"
BOLT = {"item": "BOLT", "quantity": 1}
CERTIFICATE = {
    "format": "tallyman/zone-certificate/1", "origin": "acme/oslo/1", "zone": "AISLE-A", "since": 0, "height": 1,
    "block": PHOTO, "complete": False, "bins": [], "sealed": [], "missing": ["A-11"],
}  # fmt: skip
SHEET = "sheet,bin,item,lot,serial,status,expiry,quantity,pieces\r\n1,A-35,BOLT,,,,,9,\r\n"


def _counted(name: str, bin_: str) -> Json:
    return {"session": op_id(name), "bin": bin_}


BODIES: Mapping[str, Json] = {
    "auth/login": {"login": "lena", "pin": PIN},
    "auth/second-factor": {"login": "sven", "pin": PIN},
    "auth/register": {"login": "nora", "code": "ABCD-EFGH-JKMN-PQRS", "pin": PIN},
    "users/me/language": {"language": "de"},
    "users/{actor}/roles": {"roles": ["COUNT"]},
    "inventory/{code}/transfer": {"quantity": 1, "source": "A-01", "target": "A-02"},
    "inventory/{code}/update": {"location": "A-01", "change": -1, "reasons": ["lost"]},
    "lookup": {"text": "04006381333931"},
    "counts/": {"name": "Week 47", "bins": ["A-11"], "rule": {"line_quantity_max": 1}},
    "counts/start": {"session": op_id("draft")},
    "counts/draw": {"session": op_id("sample")},
    "counts/cancel": {"session": op_id("not needed"), "reason": "late"},
    "counts/assign": {**_counted("unassigned", "A-15"), "assignee": COUNTER},
    "counts/free": _counted("left open", "A-16"),
    "counts/uncounted": {**_counted("blocked", "A-17"), "reason": "late"},
    "counts/reject": {"session": op_id("doubtful"), "reason": "doubtful"},
    "counts/relocate": {
        "session": op_id("relocated"),
        "item": "BOLT",
        "source": "A-19",
        "target": "A-20",
        "accept": True,
    },
    "counts/preview": {"areas": ["AISLE-A"]},
    "counts/open": {"bin": "A-21"},
    "counts/share": {"bin": "A-22", "area": 1, "agree": True, "own": "lower shelf"},
    "counts/leave": {"bin": "A-23"},
    "counts/enter": {"item": "BOLT", "quantity": 9, "bin": "A-24"},
    "counts/undo": {"bin": "A-25"},
    "counts/empty": {"bin": "A-26"},
    "counts/close": {"bin": "A-27", "confirm": True},
    "counts/recount": {**_counted("once more", "A-28"), "reason": "doubtful"},
    "counts/take": {**_counted("differs", "A-29"), "reason": "nobody-else"},
    "counts/choose": {**_counted("twice", "A-30"), "round": 0, "reason": "doubtful"},
    "counts/approve": {**_counted("review", "A-31"), "reason": "lost", "pin": PIN},
    "counts/approve-bins": {"session": op_id("all well"), "bins": ["A-32"], "pin": PIN},
    "counts/sheets": {"session": op_id("on paper"), "bins": ["A-33"], "blind": True},
    "counts/sheets/settle": {"sheet": 1, "state": "void", "reason": "torn"},
    "counts/sheets/return": {"sheet": 1, "csv": SHEET, "counter": COUNTER, "counted_ms": 1_700_000_000_000},
    "counts/certificate": {"zone": "AISLE-A"},
    "counts/certificate/check": CERTIFICATE,
    "scans/": {"text": "]E04006381333931"},
    "scans/resolve": {"park": 1, "item": "BOLT", "quantity": 1},
    "scans/dismiss": {"park": 1, "reason": "not-stock"},
    "documents/receive": {
        "supplier": "ACME",
        "delivery_note": "DN-A1",
        "target": "A-02",
        "lines": [{"item": "BOLT", "quantity": 12}],
    },
    "documents/move": {"source": "A-01", "target": "A-02", "lines": [BOLT]},
    "documents/take-back": {"of": op_id("moved")},
    "documents/adjust": {"lines": [{"item": "BOLT", "location": "A-01", "change": -1}], "reasons": ["lost"]},
    "documents/reverse": {"of": op_id("received twice"), "reasons": ["wrong"]},
    "documents/exception": {
        "location": "A-02",
        "reason": "unbookable",
        "lines": [{**BOLT, "source": "A-02", "target": "A-01"}],
    },
    "documents/reject": {"proposal": op_id("wrong proposal"), "reason": "wrong"},
    "documents/approve": {"proposal": op_id("right proposal"), "pin": PIN},
    "tasks/begin": {"kind": "receive", "target": "A-02"},
    "tasks/enter": {"item": "BOLT", "quantity": 12, "task": 1},
    "tasks/part": {"item": "BOLT", "quantity": 1, "held": "damage", "task": 1},
    "tasks/finish": {"supplier": "ACME", "delivery_note": "DN-A2", "task": 1},
    "tasks/drop": {"task": 1},
    "transfers/dispatch": {"receiver": "bergen", "source": "A-01", "lines": [BOLT], "pin": PIN},
    "transfers/accept": {
        "transfer": op_id("coming"),
        "target": "DOCK",
        "lines": [{"index": 0, "quantity": 5}],
        "pin": PIN,
    },
    "transfers/reverse": {"of": op_id("accepted wrongly"), "reasons": ["wrong-line"], "pin": PIN},
    "transfers/cancel": {"transfer": op_id("sent wrongly"), "target": "DOCK"},
    "transfers/paper": {"scanned": ["what the codes on the paper say"]},
    "documents/hold": {"held": "damage", "location": "A-01", "lines": [BOLT], "reasons": ["crushed"]},
    "documents/release": {
        "hold": op_id("held"),
        "lines": [{"line": 1, "quantity": 1, "location": "A-01"}],
        "pin": PIN,
    },
    "documents/relabel": {
        "lot": "L2",
        "location": "A-01",
        "lines": [{"item": "PAINT", "lot": "L1", "quantity": 1}],
        "reasons": ["faded"],
    },
    "documents/issue": {"source": "A-01", "order": "SO-A1", "lines": [BOLT]},
    "documents/scrap": {"source": "A-01", "lines": [BOLT], "reasons": ["crushed"]},
    "documents/send-back": {
        "source": "A-01",
        "supplier": "ACME",
        "origin": "DN-A0",
        "lines": [BOLT],
        "reasons": ["crushed"],
    },
    "units/move": {"units": [{"unit": "LPN-A1"}], "target": "A-02"},
    "deliveries/": {"delivery": "PO-A1", "supplier": "ACME", "lines": [{"item": "BOLT", "quantity": 12}]},
    "deliveries/close": {"delivery": "PO-A2", "reason": "late"},
    "picks/": {"order": "SO-A2", "lines": [BOLT]},
    "picks/begin": {"list": op_id("to begin"), "tote": "TOTE-A1"},
    "picks/again": {"list": op_id("in part")},
    "picks/pick": {"list": op_id("begun"), "item": "BOLT", "quantity": 1, "source": "A-01"},
    "picks/short": {"list": op_id("short"), "item": "BOLT", "location": "A-01"},
    "picks/issue": {"list": op_id("picked"), "confirm": True},
    "picks/cancel": {"list": op_id("withdrawn"), "reason": "withdrawn"},
    "attachments/": {"name": "pallet", "content": "aGVsbG8=", "item": "BOLT"},
    "attachments/erase": {"attachment": PHOTO, "reasons": ["faces"]},
    "notes/erase": {"operation": op_id("noted wrongly"), "reasons": ["names"]},
    "drafts/{name}": {"op_id": op_id("scrapping"), "on": "", "work": {"title": "Scrap", "lines": [BOLT]}},
    "reads/count": {"read": op_id("read")},
    "reads/dismiss": {"read": op_id("read"), "reason": "same-piece"},
    "reads/came": {"numbers": [1]},
    "scans/picture": {"width": 2, "height": 2, "points": "AAA="},
    "devices/bind": {"device": "gun"},
    "devices/beep": {"device": "gun"},
    "scales/weigh": {"item": "BOLT", "scale": "scale"},
    "alerts/seen": {"code": "device_away", "subject": "lamp", "severity": "warning"},
    "alerts/unseen": {"code": "device_away", "subject": "lamp"},
    "tablets/this": {"unsent": 0, "kept": True, "battery": {"percent": 80, "charging": False}},
    "tablets/settle": {"tablet": 1},
}
# What stands in an address, where it is no more particular.
_NAMES = {
    "actor": COUNTER, "attachment": PHOTO, "bin": "A-31", "code": "BOLT", "list": op_id("begun"), "name": "scrap",
    "number": "1", "op_id": op_id("counted"), "proposal": op_id("right proposal"), "session": op_id("review"),
    "transfer": op_id("sent wrongly"),
}  # fmt: skip
_PLACE = {"code": "A-01"}
_PATHS: Mapping[str, Mapping[str, str]] = {
    "locations/{code}": _PLACE,
    "locations/{code}/inventory": _PLACE,
    "locations/{code}/serials": _PLACE,
    "locations/{code}/history": _PLACE,
    "notes/{op_id}": {"op_id": op_id("noted")},
}


def example(route: Route) -> Example:
    """The example of a route; where nothing can be said, it says nothing."""
    name = route.path.removeprefix("/api/v1/")
    path = {each: {**_NAMES, **_PATHS.get(name, {})}[each] for each in route.names}
    if route.body is None:
        return Example(path)
    named = {"op_id": op_id(route.name)} if route.act else {}
    return Example(path, {**named, **BODIES.get(name, {})})
