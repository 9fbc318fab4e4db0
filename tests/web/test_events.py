"""Scan events by the API: which there are, and one of them with everything that shows it to a stranger."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from ledger import calls, verify_cli
from ledger.errors import Invalid
from ledger.ids import OpId
from ledger.receipt import call_data, verify
from ledger.receipt_file import Receipt
from ledger.scans import Opening
from tests.node.floor_kit import GTINS, Stage
from tests.node.test_contact import HOUR_MS, late
from tests.web import kit

BOLT = GTINS["BOLT"]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        stage.receive({"item": "BOLT", "quantity": 20})
        yield stage, app


def picked(stage: Stage, app: Flask) -> str:
    client, name, op = kit.logged_in(app, "mona"), stage.op(), stage.op()

    def act(path: str, op_id: OpId, **body: Any) -> None:
        answer = client.post(f"/api/v1/picks/{path}", json={"op_id": str(op_id), **body})
        assert answer.status_code == 200, answer.text

    act("", name, order="SO-1", lines=[{"item": "BOLT", "quantity": 6}])
    act("begin", stage.op(), list=str(name), tote="A-02", scanned="BIN:A-02")
    line = {"item": "BOLT", "quantity": 6, "source": "A-01"}
    act("pick", op, list=str(name), **line, scanned=f"01{BOLT}", scanned_source="BIN:A-01")
    return str(op)


def test_one_event_is_opened_against_the_receipt(made: tuple[Stage, Flask], tmp_path: Path) -> None:
    stage, app = made
    op, client = picked(stage, app), kit.logged_in(app, "sven")
    stage.site.seal()
    path = f"/api/v1/operations/{op}"
    rows = client.get(f"{path}/events/?limit=1").json
    assert [row["event"] for row in rows["rows"]] == [1] and rows["next"]
    assert [row["item"] for row in client.get(f"{path}/events/").json["rows"]] == ["", "BOLT"]
    said = client.get(f"{path}/events/2").json
    assert bytes.fromhex(said["raw"]) == f"01{BOLT}".encode() and said["event"]["quantity"] == 6
    raw = client.get(f"{path}/receipt").data
    assert verify(raw)
    _, call = calls.decode(call_data(Receipt.parse(raw)))
    document = Opening.from_json(said).verify(call.document)
    assert client.get(path).json["scans"] == document.scans.hex()
    with pytest.raises(Invalid):
        Opening.from_json({**said, "event": {**said["event"], "quantity": 5}}).verify(call.document)
    files = {
        "receipt": raw,
        "event": client.get(f"{path}/events/2").data,
        "other": client.get(f"{path}/events/1").data,
    }
    files["changed"] = json.dumps({**said, "event": {**said["event"], "quantity": 5}}).encode()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for name, code in (("event", 0), ("other", 0), ("changed", 1), ("receipt", 1)):
        told = io.StringIO()
        arguments = [str(tmp_path / "receipt"), "--event", str(tmp_path / name)]
        assert verify_cli.main(arguments, out=told) == code, told.getvalue()
        assert ("scan event" in told.getvalue()) == (code == 0)
    for number in ("0", "3", "x", "99999"):
        assert client.get(f"{path}/events/{number}").status_code == 404
    other = stage.receive({"item": "BOLT", "quantity": 1})
    for more in ("", "1"):
        assert client.get(f"/api/v1/operations/{other}/events/{more}").status_code == 404


def test_who_counts_a_bin_does_not_read_what_was_scanned_there(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    op = picked(stage, app)
    wish = {"name": "C", "bins": ["A-01"], "rule": {"control_percent": 0}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)
    for login, status in (("cora", 403), ("sven", 200)):
        for more in ("", "2"):
            client = kit.logged_in(app, login)
            assert client.get(f"/api/v1/operations/{op}/events/{more}").status_code == status


def test_an_operation_says_how_it_came_about(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    op = stage.op()
    line = {"item": "BOLT", "quantity": 1, "source": "A-01", "target": "DOCK"}
    stage.floor.stock.move(op, late(stage, "mona", HOUR_MS), {"lines": [line]})
    client = kit.logged_in(app, "sven")
    said = client.get(f"/api/v1/operations/{op}").json
    assert (said["marks"], said["scans"]) == (["out-of-contact"], None)
    for path in ("inventory/BOLT/history", "locations/DOCK/history", "operations/", "audit/"):
        (marks,) = [row["marks"] for row in client.get(f"/api/v1/{path}").json["rows"] if row["op_id"] == str(op)]
        assert marks == ["out-of-contact"], path
    page = client.get(f"/operations/{op}").get_data(as_text=True)
    assert "without contact to the node" in page and "stands under the root" not in page
    plain = stage.receive({"item": "BOLT", "quantity": 1})
    assert client.get(f"/api/v1/operations/{plain}").json["marks"] == []
    assert "stands under the root" in client.get(f"/operations/{picked(stage, app)}").get_data(as_text=True)
