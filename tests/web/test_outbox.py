"""Acts out of a tablet's outbox: whose they are, which number was answered, and one effect whatever is sent again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ledger.errors import Unavailable
from tests.node.floor_kit import GTINS, Stage, actor_of
from tests.web import kit
from web.node_app import SENT_HEADER, TABLET_COOKIE

OUTBOX = "0b" * 16
EAN = f"]E0{GTINS['BOLT'][1:]}"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    body = {"name": "Week 47", "bins": ["A-01"], "rule": {"control_percent": 0}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    with kit.closing(stage):
        yield stage, app


def sent(number: int, op_id: str, who: str = "cora", waited_ms: int = 0) -> dict[str, str]:
    return {SENT_HEADER: f"{OUTBOX} {actor_of(who)} {number} {op_id} {waited_ms}"}


def post(client: FlaskClient, path: str, number: int, op_id: str, who: str = "cora", **body: Any) -> Any:
    return client.post(f"/api/v1/{path}", json={"op_id": op_id, **body}, headers=sent(number, op_id, who))


def alerts(stage: Stage) -> list[str]:
    with stage.site.reading() as connection:
        return [each.words for each in stage.floor.tablets.findings(connection)]


def numbers(stage: Stage) -> list[int]:
    with stage.site.reading() as connection:
        return [row[0] for row in connection.execute("SELECT number FROM outbox_numbers ORDER BY number")]


def test_a_yes_and_a_no_are_noted_and_a_retry_is_not_a_second_act(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    client = kit.logged_in(app, "cora")
    assert post(client, "counts/open", 1, "11" * 16, bin="A-01").status_code == 200
    for _ in range(3):
        assert post(client, "scans", 2, "22" * 16, text=EAN, bin="A-01").get_json()["counted"] == 1
    refused = post(client, "counts/enter", 3, "33" * 16, item="NO-SUCH", quantity=1, bin="A-01")
    assert refused.status_code == 422
    assert numbers(stage) == [1, 2, 3] and alerts(stage) == []
    assert post(client, "scans", 5, "55" * 16, text=EAN, bin="A-01").get_json()["counted"] == 2
    assert alerts(stage) == ["T1, Cora: number 4 never came"]
    page = kit.logged_in(app, "sven").get("/node").get_data(as_text=True)
    assert "number 4 never came" in page


def test_the_same_scan_is_the_same_although_the_tablet_lost_its_cookie(made: tuple[Stage, Flask]) -> None:
    _, app = made
    client = kit.logged_in(app, "cora")
    post(client, "counts/open", 1, "11" * 16, bin="A-01")
    assert post(client, "scans", 2, "22" * 16, text=EAN).get_json()["counted"] == 1
    client.delete_cookie(TABLET_COOKIE)
    assert post(client, "scans", 2, "22" * 16, text=EAN).get_json()["counted"] == 1
    assert post(client, "scans", 3, "23" * 16, text=EAN).get_json()["counted"] == 2


def test_what_somebody_else_did_waits_for_them(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    carl = kit.logged_in(app, "carl")
    before = kit.digest(stage.world.folder / "site.db", stage.world.folder / "reads.db")
    answer = post(carl, "counts/open", 1, "11" * 16, bin="A-01")
    assert answer.status_code == 401 and "somebody else" in answer.get_json()["detail"]
    assert post(app.test_client(), "scans", 1, "11" * 16, text=EAN).status_code == 401
    assert kit.digest(stage.world.folder / "site.db", stage.world.folder / "reads.db") == before
    assert post(kit.logged_in(app, "cora"), "counts/open", 1, "11" * 16, bin="A-01").status_code == 200


def test_a_number_that_cannot_be_noted_makes_the_tablet_ask_again(
    made: tuple[Stage, Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, app = made
    client = kit.logged_in(app, "cora")

    def full(*_: object) -> None:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(type(stage.floor.tablets), "came", full)
        assert post(client, "counts/open", 1, "11" * 16, bin="A-01").status_code == 503
    assert numbers(stage) == []
    assert post(client, "counts/open", 1, "11" * 16, bin="A-01").status_code == 200
    assert numbers(stage) == [1]


@pytest.mark.parametrize("value", ["", "x", f"{OUTBOX} {'0' * 64} -1 {'0' * 32} 0"])
def test_a_header_that_is_not_ours_is_refused(made: tuple[Stage, Flask], value: str) -> None:
    client = kit.logged_in(made[1], "cora")
    answer = client.post("/api/v1/counts/open", json={"op_id": "1" * 32, "bin": "A-01"}, headers={SENT_HEADER: value})
    kit.assert_refused(answer, value)
