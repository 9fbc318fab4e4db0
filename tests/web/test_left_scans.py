"""Codes of receipts, moves and counts that are over: a supervisor sees them in one list and says what they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from node.rounds import open_round
from tests.node.floor_kit import GTINS, Stage
from tests.node.test_counting import approve
from tests.web import kit
from tests.web.test_late_counts import HOUR_MS, Tablet, act, begun
from tests.web.test_paging import rows_of

EAN = f"]E0{GTINS['BOLT'][1:]}"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    stage.receive({"item": "BOLT", "quantity": 20})
    with kit.closing(stage):
        yield stage, app


def received(stage: Stage, app: Flask, *codes: str, target: str = "A-02") -> Tablet:
    """Mona's tablet had no contact: her receipt of an hour ago had these codes among its scans."""
    tablet = Tablet(stage, app, "mona")
    assert tablet.post("tasks/begin", kind="receive", target=target).status_code == 200
    for code in (EAN, *codes):
        assert tablet.post("scans", text=code).status_code == 200
    answer = tablet.post("tasks/finish", HOUR_MS)
    assert answer.status_code == 200 and answer.json["exception"] is True, answer.text
    return tablet


def left(client: FlaskClient) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/scans/left")
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json["rows"]
    return rows


def is_counted(stage: Stage, bin_: str) -> bool:
    with stage.site.reading() as connection:
        return open_round(connection, bin_) is not None


def drop_counts(stage: Stage, sven: FlaskClient) -> None:
    with stage.site.reading() as connection:
        rows = connection.execute("SELECT session FROM count_sessions WHERE state = 'active'").fetchall()
    for (session,) in rows:
        act(stage, sven, "counts/cancel", session=bytes(session).hex(), reason="no-time")


def test_codes_of_a_receipt_that_was_finished_late_wait_for_a_supervisor(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    mona, sven = received(stage, app, "ODD-ONE", "ODD-TWO"), kit.logged_in(app, "sven")
    assert mona.client.get("/api/v1/scans/left").status_code == 403
    rows = left(sven)
    assert [(row["text"], row["kind"], row["place"], row["by"]) for row in rows] == [
        ("ODD-ONE", "receive", "A-02", "Mona"), ("ODD-TWO", "receive", "A-02", "Mona"),
    ]  # fmt: skip
    page = sven.get("/review/scans").get_data(as_text=True)
    assert "ODD-ONE" in page and "A-02" in page and "/review/scans" in sven.get("/review/").get_data(as_text=True)
    act(stage, sven, "scans/dismiss", park=rows[0]["park"], reason="not-stock")
    assert [row["text"] for row in left(sven)] == ["ODD-TWO"]
    # What it was is counted, and not booked beside a count that will find it.
    drop_counts(stage, sven)
    answer = act(stage, sven, "scans/resolve", park=rows[1]["park"], item="BOLT", quantity=2)
    assert answer["recount"] is True and is_counted(stage, "A-02") and left(sven) == []
    assert stage.stock("A-02", "BOLT") == 1
    assert "/review/scans" not in sven.get("/review/").get_data(as_text=True)


def test_a_bin_that_was_counted_since_is_not_counted_again_for_a_code(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    received(stage, app, "ODD-ONE")
    sven, cora = kit.logged_in(app, "sven"), Tablet(stage, app)
    with stage.site.reading() as connection:
        row = open_round(connection, "A-02")
    assert row is not None
    assert cora.post("counts/open", bin="A-02").status_code == 200
    assert cora.post("counts/enter", item="BOLT", quantity=1, bin="A-02").status_code == 200
    assert cora.post("counts/close", bin="A-02", confirm=True).status_code == 200
    approve(stage, row.session, "A-02")
    answer = act(stage, sven, "scans/resolve", park=left(sven)[0]["park"], item="BOLT", quantity=2)
    assert answer["recount"] is False and not is_counted(stage, "A-02") and left(sven) == []


def test_codes_of_a_count_that_was_taken_away_are_there_and_those_of_a_review_are_not(
    made: tuple[Stage, Flask],
) -> None:
    stage, app = made
    tablet, sven, number = begun(stage, app, "A-01", "A-02")
    assert tablet.post("scans", text="ODD-ONE", bin="A-01").json["outcome"] == "parked"
    assert left(sven) == []  # whoever scanned it is asked first
    act(stage, sven, "counts/uncounted", session=number, bin="A-01", reason="no-time")
    assert [(row["text"], row["kind"], row["place"]) for row in left(sven)] == [("ODD-ONE", "count", "A-01")]
    assert tablet.post("counts/open", bin="A-02").status_code == 200
    assert tablet.post("scans", text="ODD-TWO", bin="A-02").json["outcome"] == "parked"
    tablet.post("counts/empty", bin="A-02")
    assert tablet.post("counts/close", bin="A-02", confirm=True).status_code == 200
    assert [row["text"] for row in left(sven)] == ["ODD-ONE"]  # the other is explained where the bin is decided on
    answer = act(stage, sven, "scans/resolve", park=left(sven)[0]["park"], item="BOLT", quantity=1)
    assert answer["recount"] is True and is_counted(stage, "A-01")


def test_what_was_scanned_without_a_place_is_explained_without_a_count(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    received(stage, app, "ODD-ONE", target="")
    sven = kit.logged_in(app, "sven")
    label, row = left(sven)  # without a bin the label of the bolts said too little as well
    assert (label["hint"]["item"], label["place"], row["place"]) == ("BOLT", "", "")
    assert sven.get("/review/scans").status_code == 200
    assert act(stage, sven, "scans/resolve", park=row["park"], item="BOLT", quantity=1)["recount"] is False


def test_the_list_goes_on_where_a_page_of_it_ends(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    received(stage, app, *(f"ODD-{number:03}" for number in range(5)))
    found = [row["text"] for row in rows_of(kit.logged_in(app, "sven"), "scans/left", 2)]
    assert found == [f"ODD-{number:03}" for number in range(5)]
