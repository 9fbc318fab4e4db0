"""Whoever counts learns nothing of what the books expect while a count is open: from no page, answer or event."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.node.floor_kit import GTINS, Stage
from tests.web import kit
from web import node_events
from web.node_app import NodeParts

# Numbers that stand nowhere else: not in an id, a time or a style.
EXPECTED, LOT_EXPECTED = 77_345_671, 66_123_457
SEEN = re.compile(f"{EXPECTED}|{LOT_EXPECTED}|NUMBER-OF-A-DRILL|LOT-OF-THE-PAINT")


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[tuple[Stage, Flask, str, str]]:
    """Goods are in A-01, a count of it is open, and a receipt of the goods is among the latest operations."""
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        received = stage.receive(
            {"item": "BOLT", "quantity": EXPECTED},
            {"item": "PAINT", "lot": "LOT-OF-THE-PAINT", "quantity": LOT_EXPECTED},
            {"item": "DRILL", "serial": "NUMBER-OF-A-DRILL", "quantity": 1},
        )
        sven = stage.as_("sven")
        wish = {"name": "Blind", "bins": ["A-01"], "rule": {"line_quantity_max": 0, "control_percent": 0}}
        session = stage.floor.counting.open_session(stage.op(), sven, wish)["session"]
        # A sheet with the quantities is out; who counts cannot get at it.
        stage.floor.counting.sheets.issue(stage.op(), sven, {"session": session, "blind": False})
        yield stage, app, session, str(received)


def addresses(app: Flask, session: str, *operations: str) -> Iterator[str]:
    """Every address that can be asked, with every name that leads somewhere."""
    names = {
        "op_id": operations,
        "session": (session,),
        "bin_": ("A-01",),
        "number": ("1",),
        "list_": operations,
        "code": ("A-01", "BOLT", "PAINT", "DRILL"),
    }
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.endpoint in ("static", "versioned") or rule.rule == "/events":
            continue
        paths = [rule.rule]
        for name in rule.arguments:
            paths = [
                path.replace(f"<{name}>", value).replace(f"<path:{name}>", value)
                for path in paths
                for value in names[name]
            ]
        yield from paths
    yield f"/api/v1/inventory/{GTINS['BOLT']}"


def assert_blind(app: Flask, client: FlaskClient, session: str, *operations: str) -> int:
    asked = 0
    for path in addresses(app, session, *operations):
        answer = client.get(path)
        assert answer.status_code < 500, path
        assert not SEEN.search(answer.get_data(as_text=True)), f"{path} tells what is expected"
        asked += answer.status_code == 200
    return asked


def test_every_address_is_blind_until_the_bin_is_posted(counting: tuple[Stage, Flask, str, str]) -> None:
    stage, app, session, received = counting
    stage.site.seal()
    cora, tess = kit.logged_in(app, "cora"), kit.logged_in(app, "sven")
    assert assert_blind(app, cora, session, received) > 10
    assert any(SEEN.search(tess.get(path).text) for path in addresses(app, session, received)), "nothing to be seen"

    def act(client: FlaskClient, path: str, **wish: Any) -> dict[str, Any]:
        answer = client.post(f"/api/v1/{path}", json={"op_id": str(stage.op()), **wish})
        assert not SEEN.search(answer.text), f"{path} tells what is expected"
        return {"status": answer.status_code, **answer.json}

    assert act(cora, "counts/open", bin="A-01")["status"] == 200
    assert act(cora, "scans", text=GTINS["BOLT"])["outcome"] == "counted"
    assert act(cora, "counts/enter", item="BOLT", quantity=EXPECTED + 1)["status"] == 200
    refused = act(cora, "documents/move", lines=[{"item": "BOLT", "quantity": 1, "source": "A-01", "target": "DOCK"}])
    assert refused["status"] in (200, 422)
    act(cora, "counts/enter", item="BOLT", quantity=3)
    asked = act(cora, "counts/close", bin="A-01")
    assert asked["ask"]
    closed = act(cora, "counts/close", bin="A-01", confirm=True)
    assert closed["status"] == 200
    assert_blind(app, cora, session, received, *closed["operations"])
    carl = kit.logged_in(app, "carl")
    assert act(carl, "counts/open", bin="A-01")["status"] == 200
    assert_blind(app, cora, session, received, *closed["operations"])
    assert_blind(app, carl, session, received, *closed["operations"])


def test_the_event_stream_is_blind(counting: tuple[Stage, Flask, str, str]) -> None:
    stage, _, _, _ = counting
    cora = stage.as_("cora")
    stage.floor.counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    stage.scan("]E0" + GTINS["BOLT"].lstrip("0"))
    parts = NodeParts(
        stage.site, stage.floor, stage.journal, stage.world.clock, stage.world.random, dict, list, dict, dict
    )
    shown = json.dumps(node_events.snapshot(parts, cora))
    assert '"counted": 1' in shown
    assert not SEEN.search(shown)


def test_a_recount_looks_like_a_first_count(counting: tuple[Stage, Flask, str, str]) -> None:
    stage, app, _, _ = counting
    cora = stage.as_("cora")
    first = kit.logged_in(app, "carl").get("/api/v1/counts/mine").json["bins"]
    stage.floor.counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    stage.floor.counting.empty(stage.op(), cora, {})
    stage.floor.counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})
    assert kit.logged_in(app, "carl").get("/api/v1/counts/mine").json["bins"] == first
