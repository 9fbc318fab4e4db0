"""Whoever counted really counted: a count that was taken away while its tablet had no contact is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ledger.documents import OUT_OF_CONTACT, UNEXPLAINED
from ledger.ids import OpId
from node import openings
from node.rounds import open_round
from tests.node.floor_kit import GTINS, Stage
from tests.node.test_contact import HOUR_MS, document_of
from tests.web import kit
from tests.web.test_outbox import sent

EAN = f"]E0{GTINS['BOLT'][1:]}"
PAINT = {"item": "PAINT", "lot": "L1", "quantity": 3}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    stage.receive({"item": "BOLT", "quantity": 20})
    with kit.closing(stage):
        yield stage, app


class Tablet:
    """Cora's: what it sends now was done so long ago."""

    def __init__(self, stage: Stage, app: Flask, who: str = "cora") -> None:
        self.stage, self.who, self.number, self.client = stage, who, 0, kit.logged_in(app, who)

    def post(self, path: str, waited_ms: int = 0, op_id: str = "", **body: Any) -> Any:
        self.number += 1
        self.stage.world.clock.advance(1_000)
        op_id = op_id or str(self.stage.op())
        headers = sent(self.number, op_id, self.who, waited_ms)
        return self.client.post(f"/api/v1/{path}", json={"op_id": op_id, **body}, headers=headers)

    def late(self, path: str, **body: Any) -> Any:
        return self.post(path, HOUR_MS, **body)


def act(stage: Stage, client: FlaskClient, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/api/v1/{path}", json={"op_id": str(stage.op()), **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def begun(stage: Stage, app: Flask, *bins: str) -> tuple[Tablet, FlaskClient, str]:
    """Cora counts A-01 and has scanned two bolts: her tablet, Sven, and the count."""
    sven, tablet = kit.logged_in(app, "sven"), Tablet(stage, app)
    wish = {"name": "Week 47", "bins": list(bins or ("A-01",)), "rule": {"control_percent": 0}}
    number = act(stage, sven, "counts", **wish)["session"]
    assert tablet.post("counts/open", bin="A-01").status_code == 200
    for _ in range(2):
        assert tablet.post("scans", text=EAN, bin="A-01").json["outcome"] == "counted"
    return tablet, sven, number


def lines(stage: Stage, op_id: str) -> list[tuple[Any, ...]]:
    with stage.site.reading() as connection:
        rows = connection.execute(
            "SELECT location, item, lot, quantity, source, target FROM exceptions e JOIN exception_lines l"
            " ON l.op_id = e.op_id WHERE e.op_id = ? ORDER BY line",
            (OpId.parse(op_id).raw,),
        ).fetchall()
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("how", ["cancel", "uncounted"])
def test_a_count_that_was_taken_away_meanwhile_is_kept_with_its_scans(made: tuple[Stage, Flask], how: str) -> None:
    stage, app = made
    tablet, sven, number = begun(stage, app)
    began_ms = stage.world.clock.now_ms()
    wish = {"session": number, "reason": "no-time"}
    act(stage, sven, f"counts/{how}", **wish if how == "cancel" else {**wish, "bin": "A-01"})
    # While the person is there it is refused, and what came a moment late waits beside the count.
    assert tablet.post("counts/enter", **PAINT, bin="A-01").status_code == 422
    assert tablet.post("counts/close", bin="A-01", confirm=True).status_code == 422
    assert tablet.late("scans", text=EAN, bin="A-01").json["counted"] == 3
    assert tablet.late("counts/enter", **PAINT, bin="A-01").status_code == 200
    assert tablet.late("counts/enter", **{**PAINT, "lot": "L2"}, bin="A-01").status_code == 200
    assert tablet.late("counts/undo", bin="A-01").status_code == 200
    first = tablet.late("counts/close", bin="A-01", confirm=True, op_id="c1" * 16)
    assert first.status_code == 200 and first.json["exception"] is True, first.text
    assert tablet.late("counts/close", bin="A-01", confirm=True, op_id="c1" * 16).json == first.json
    assert tablet.late("counts/close", bin="A-01", confirm=True).status_code == 422
    op_id = OpId.parse(first.json["operations"][0])
    kept = [("A-01", "BOLT", "", 3, "A-01", "A-01"), ("A-01", "PAINT", "L1", 3, "A-01", "A-01")]
    assert lines(stage, str(op_id)) == kept
    document = document_of(stage, op_id)
    assert document.marks == (OUT_OF_CONTACT,) and document.occurred_ms < began_ms
    with stage.site.reading() as connection:
        assert len(openings.events_of(connection, op_id)) == 6
        assert stage.floor.lookups.suspects(connection) == ["A-01"] and open_round(connection, "A-01")
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-01", "PAINT")) == (20, 0)


def test_a_bin_found_empty_is_kept_and_nothing_is_no_count(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    tablet, sven, number = begun(stage, app)
    for _ in range(2):
        assert tablet.post("counts/undo", bin="A-01").status_code == 200
    act(stage, sven, "counts/cancel", session=number, reason="no-time")
    refused = tablet.late("counts/close", bin="A-01", confirm=True)
    assert refused.status_code == 422 and "nothing was counted" in refused.json["detail"]
    assert tablet.late("counts/empty", bin="A-01").status_code == 200
    answer = tablet.late("counts/close", bin="A-01", confirm=True)
    assert answer.json["exception"] is True and lines(stage, answer.json["operations"][0]) == []


def test_codes_that_nobody_explained_are_kept_beside_it(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    tablet, sven, number = begun(stage, app)
    act(stage, sven, "counts/cancel", session=number, reason="no-time")
    assert tablet.late("scans", text="ODD-ONE", bin="A-01").json["outcome"] == "parked"
    answer = tablet.late("counts/close", bin="A-01", confirm=True).json
    assert document_of(stage, OpId.parse(answer["operations"][0])).marks == (OUT_OF_CONTACT, UNEXPLAINED)
    with stage.site.reading() as connection:
        assert connection.execute("SELECT state FROM parked").fetchall() == [("open",)]


def test_it_is_kept_although_the_person_counts_another_bin_by_now(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    tablet, sven, number = begun(stage, app, "A-01", "A-02")
    act(stage, sven, "counts/uncounted", session=number, bin="A-01", reason="no-time")
    other = Tablet(stage, app)
    other.client = tablet.client
    other.number = tablet.number
    assert other.post("counts/open", bin="A-02").status_code == 200
    tablet.number = other.number
    assert tablet.late("scans", text=EAN, bin="A-01").json["counted"] == 3
    answer = tablet.late("counts/close", bin="A-01", confirm=True)
    assert answer.json["exception"] is True, answer.text
    assert lines(stage, answer.json["operations"][0])[0][1:4] == ("BOLT", "", 3)
    with stage.site.reading() as connection:
        assert stage.floor.counting.screen(connection, stage.as_("cora"))["target"] == "A-02"  # type: ignore[index]


def test_a_bin_that_somebody_else_counts_by_now_is_left_to_them(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    tablet, sven, number = begun(stage, app)
    act(stage, sven, "counts/cancel", session=number, reason="no-time")
    again = act(stage, sven, "counts", name="Again", bins=["A-01"], rule={"control_percent": 0})["session"]
    answer = tablet.late("counts/close", bin="A-01", confirm=True).json
    assert lines(stage, answer["operations"][0])[0][3] == 2
    with stage.site.reading() as connection:
        row = open_round(connection, "A-01")
    assert row is not None and str(row.session) == again


def test_a_count_of_more_lines_than_one_document_holds_is_kept_whole(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    tablet, sven, number = begun(stage, app)
    act(stage, sven, "counts/cancel", session=number, reason="no-time")
    for piece in range(205):
        line = {"item": "DRILL", "serial": f"S{piece:03}", "quantity": 1}
        assert tablet.late("counts/enter", **line, bin="A-01").status_code == 200
    answer = tablet.late("counts/close", bin="A-01", confirm=True).json
    assert [len(lines(stage, op_id)) for op_id in answer["operations"]] == [200, 6]
    with stage.site.reading() as connection:
        assert len(openings.events_of(connection, OpId.parse(answer["operations"][1]))) == 207
