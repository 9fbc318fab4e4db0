"""A transfer over the API: a short line with its shares, and the acceptance that is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ledger.documents import reversal_op_id
from ledger.ids import OpId
from tests.node.floor_kit import PIN, Stage
from tests.node.test_contact import document_of
from tests.node.test_transfers import tell
from tests.web import kit


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        yield stage, app


def post(stage: Stage, client: FlaskClient, path: str, **body: Any) -> Any:
    return client.post(f"/api/v1/{path}", json={"op_id": str(stage.op()), "pin": PIN, **body})


def test_a_short_line_is_split_and_its_acceptance_taken_back(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    tess, transfer = kit.logged_in(app, "tess"), stage.op()
    tell(stage, transfer, sender="bergen", receiver="oslo")
    line = {"index": 0, "quantity": 17, "missing": 7, "target": "A-01"}
    wish = {"transfer": str(transfer), "lines": [{**line, "reasons": [["short", 4], ["returned", 4]]}]}
    refused = post(stage, tess, "transfers/accept", **wish)
    assert (refused.status_code, refused.json["detail"]) == (
        422, "line 0: 7 are missing and 8 explained: give each reason its share",
    )  # fmt: skip
    wish["lines"] = [{**line, "reasons": [["short", 4], ["returned", 3]]}]
    acceptance = OpId.parse(post(stage, tess, "transfers/accept", **wish).json["op_id"])
    assert document_of(stage, acceptance).shares == {0: (4, 3)}
    about = tess.get(f"/api/v1/transfers/{transfer}").json
    assert ([line["done"] for line in about["lines"]], about["reversed"]) == ([24, 0], False)
    stage.floor.stock.move(
        stage.op(),
        stage.as_("mona"),
        {"lines": [{"item": "BOLT", "quantity": 2, "source": "A-01", "target": "A-02"}]},
    )
    because = {"of": str(acceptance), "reasons": ["wrong-quantity"]}
    refused = post(stage, tess, "transfers/reverse", **because)
    assert refused.status_code == 422
    assert refused.json["detail"].startswith(
        "15 of BOLT are free in A-01 and 17 came in: bring back what was moved on"
    )
    stage.floor.stock.move(
        stage.op(),
        stage.as_("mona"),
        {"lines": [{"item": "BOLT", "quantity": 2, "source": "A-02", "target": "A-01"}]},
    )
    assert post(stage, kit.logged_in(app, "mona"), "transfers/reverse", **because).status_code == 403
    answer = post(stage, tess, "transfers/reverse", **because)
    assert (answer.status_code, answer.json["reversal"]) == (200, str(reversal_op_id(acceptance)))
    found = tess.get(f"/api/v1/operations/{acceptance}").json
    assert found["reversed_by"] == answer.json["reversal"]
    assert tess.get(f"/api/v1/operations/{answer.json['reversal']}").json["call"] == "reverse"
    [coming] = tess.get("/api/v1/transfers/?direction=coming").json["rows"]
    assert [line["open"] for line in coming["lines"]] == [24, 4]
    page = tess.get(f"/operations/{acceptance}").text
    assert "Reversed by" in page and 'id="reverse"' not in page
