"""A node's and a hub's web application over real sites, with a digest of every byte that a request could change."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from devices.supervisor import Health
from ledger.seams import DiskStorage
from node import health as node_health
from node import identity
from node.agents.vitals import DeviceVitals
from node.shadow import Shadow
from node.syncing import Syncer
from node.uplink import NodeUplink
from node.wiring import Parts
from tests.node.floor_kit import PIN, Stage, code_of, furnished, introduce
from tests.node.world import START_MS
from tests.web import described
from web import node_app

NOBODY = "0" * 32
JSON = "application/json"
PROBLEM = "application/problem+json"


SCANNERS = [
    asdict(Health("gun", "serial:///dev/gun", "ready", "", START_MS, START_MS, None, counters={"recorded": 3})),
    asdict(Health("lamp", "serial:///dev/lamp", "absent", "no such device", START_MS, None, None)),
]


def parts_of(stage: Stage) -> Parts:
    """The parts of a node as its process puts them together; no hub is to be found."""
    world, site = stage.world, stage.site
    health = node_health.Health(site, lambda: [DeviceVitals("gun", "ready", None, 3, 0)], stage.floor.alerts.notice)
    uplink = NodeUplink(
        site, identity.load_keys(world.config).block, DiskStorage(), version="test", device="", health=lambda: None
    )
    syncer = Syncer(site, uplink, world.clock, world.random, find=lambda _: [])
    shadow = Shadow(world.folder, site.identity, DiskStorage())
    return Parts(site, stage.floor, health, shadow, syncer, world.clock, world.random, lambda: SCANNERS)


def parts(stage: Stage) -> node_app.NodeParts:
    """What the pages of this site act on."""
    made = parts_of(stage)
    made.health.sample()
    return node_app.NodeParts(
        site=stage.site,
        floor=stage.floor,
        journal=stage.journal,
        clock=stage.world.clock,
        random=stage.world.random,
        sync=made.sync,
        devices=made.devices,
        links=made.links,
        status=made.status,
    )


def node(folder: Path, *, watched: bool = True) -> tuple[Stage, Flask]:
    """A furnished site and its application; every answer of it is held against the API's description."""
    stage = furnished(folder)
    app = node_app.create(parts(stage))
    if watched:
        described.watch(app)
    return stage, app


@contextmanager
def closing(stage: Stage) -> Iterator[None]:
    try:
        yield
    finally:
        stage.journal.close()
        stage.site.close()


def logged_in(app: Flask, login: str, pin: str = PIN) -> FlaskClient:
    """A tablet on which this person is logged in."""
    client = app.test_client()
    answer = client.post("/api/v1/auth/login", json={"login": login, "pin": pin})
    assert answer.status_code == 200, answer.text
    return client


def auditor(stage: Stage, app: Flask, login: str = "audrey") -> FlaskClient:
    """A tablet on which somebody is logged in who audits this site."""
    introduce(stage.world, stage.site, login, ("AUDIT",))
    answer = stage.floor.people.activate(stage.op(), login, code_of(login), PIN, "tablet-9")
    stage.tokens[login] = answer["token"]
    return logged_in(app, login)


def digest(*files: Path, but: frozenset[str] = frozenset()) -> str:
    """Every row of every table but those in `but`."""
    seen = hashlib.sha256()
    for file in files:
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
            for (name,) in names:
                if name not in but:
                    rows = sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"')))
                    seen.update(repr((name, rows)).encode())
        finally:
            connection.close()
    return seen.hexdigest()


def assert_refused(answer: TestResponse, what: object) -> None:
    """A plain 4xx problem document (RFC 9457) that a person can read."""
    assert 400 <= answer.status_code < 500, f"{what}: {answer.status_code} {answer.text[:300]}"
    assert answer.mimetype == PROBLEM, f"{what}: {answer.mimetype}"
    problem = json.loads(answer.text)
    assert set(problem) == {"type", "status", "title", "detail"}, f"{what}: {problem}"[:600]
    assert problem["status"] == answer.status_code
    assert problem["detail"] and problem["detail"].isprintable(), f"{what}: {problem}"[:600]
    assert "Traceback" not in problem["detail"] and len(problem["detail"]) < 600, f"{what}: {problem}"[:600]


def raw(client: FlaskClient, path: str, body: bytes, content_type: str | None = JSON, **more: Any) -> TestResponse:
    return client.post(path, data=body, content_type=content_type, **more)


# Bodies that are wrong whatever the route: (name, bytes, content type).
def broken_bodies(example: Mapping[str, Any]) -> Iterator[tuple[str, bytes, str | None]]:
    good = json.dumps(example).encode()
    yield "empty", b"", JSON
    yield "not JSON", b"{", JSON
    yield "a list", b"[]", JSON
    yield "a text", b'"x"', JSON
    yield "null", b"null", JSON
    yield "NaN", b'{"op_id": NaN}', JSON
    yield "infinity", b'{"op_id": 1e999}', JSON
    yield "a fraction", b'{"op_id": 1.5}', JSON
    yield "5,000 digits", b'{"op_id": ' + b"9" * 5_000 + b"}", JSON
    yield "nested", b'{"op_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", JSON
    yield "named twice", b'{"op_id": "a", "op_id": "b"}', JSON
    yield "half a character", b'{"op_id": "\\ud800"}', JSON
    yield "NUL", b'{"op_id": "\\u0000"}', JSON
    yield "not UTF-8", b'{"op_id": "\xff"}', JSON
    yield "UTF-16", '{"op_id": "a"}'.encode("utf-16"), JSON
    yield "a byte order mark", b"\xef\xbb\xbf" + good, JSON
    yield "over 1 MiB", b'{"op_id": "' + b"a" * (1 << 20) + b'"}', JSON
    yield "as plain text", good, "text/plain"
    yield "as a form", good, "application/x-www-form-urlencoded"
    yield "untyped", good, None
    yield "an unknown member", json.dumps({**example, "role": "admin"}).encode(), JSON
    yield "a prototype", json.dumps({**example, "__proto__": {"admin": True}}).encode(), JSON


WRONG_VALUES: tuple[Any, ...] = (
    True, -1, 2**63, 10**19, "12", "", " ", "12\n", "１２", "'; DROP TABLE items--", "{{7*7}}", "\u202e", "x" * 5_000,
    [], [[]], [None], {}, {"a": {"b": []}},
)  # fmt: skip
