"""A bin that a tablet opened without contact, and that is not to be counted by then: what was counted is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from ledger.documents import OUT_OF_CONTACT
from ledger.ids import OpId
from node import openings, tasks
from node.rounds import open_round
from tests.node.floor_kit import Stage, actor_of
from tests.node.test_contact import HOUR_MS, document_of
from tests.web import kit
from tests.web.test_late_counts import EAN, Tablet, act, lines

LINE = {"item": "BOLT", "quantity": 5}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    """A-01 was ordered to be counted; twenty bolts lie there."""
    stage, app = kit.node(tmp_path / "node")
    stage.receive({"item": "BOLT", "quantity": 20})
    with kit.closing(stage):
        yield stage, app


def ordered(stage: Stage, app: Flask, bin_: str = "A-01", **more: object) -> str:
    wish = {"name": "Week 47", "bins": [bin_], "rule": {"control_percent": 0, "rounds_max": 1}, **more}
    return str(act(stage, kit.logged_in(app, "sven"), "counts", **wish)["session"])


def ended(stage: Stage, app: Flask, how: str, session: str) -> None:
    """The bin is not to be counted any more, in one of several ways."""
    sven = kit.logged_in(app, "sven")
    if how == "cancelled":
        act(stage, sven, "counts/cancel", session=session, reason="no-time")
    elif how == "uncounted":
        act(stage, sven, "counts/uncounted", session=session, bin="A-01", reason="no-time")
    elif how == "given to carl":
        act(stage, sven, "counts/assign", session=session, bin="A-01", assignee=str(actor_of("carl")))
    else:
        carl = Tablet(stage, app, "carl")
        assert carl.post("counts/open", bin="A-01").status_code == 200
        assert carl.post("counts/enter", item="BOLT", quantity=20, bin="A-01").status_code == 200
        assert carl.post("counts/close", bin="A-01", confirm=True).status_code == 200
        if how == "posted":
            act(stage, sven, "counts/approve", session=session, bin="A-01", pin=kit.PIN)


@pytest.mark.parametrize("how", ["cancelled", "uncounted", "in review", "posted", "given to carl"])
def test_what_was_counted_there_is_kept_with_its_scans(made: tuple[Stage, Flask], how: str) -> None:
    stage, app = made
    session = ordered(stage, app)
    tablet = Tablet(stage, app)
    ended(stage, app, how, session)
    began_ms = stage.world.clock.now_ms()
    # While the person is there they are told no.
    assert tablet.post("counts/open", bin="A-01").status_code == 422
    opened = tablet.late("counts/open", bin="A-01", op_id="0a" * 16)
    assert opened.status_code == 200 and opened.json["late"] is True, opened.text
    assert set(opened.json) == {"op_id", "task", "bin", "whole", "late"}
    assert tablet.late("counts/open", bin="A-01", op_id="0a" * 16).json == opened.json
    assert tablet.late("scans", text=EAN, bin="A-01").json["outcome"] == "counted"
    assert tablet.late("counts/enter", **LINE, bin="A-01").json["counted"] == 5
    assert tablet.late("scans", text=EAN, bin="A-01").json["counted"] == 6
    assert tablet.late("counts/undo", bin="A-01").status_code == 200
    closed = tablet.late("counts/close", bin="A-01", confirm=True, op_id="0c" * 16)
    assert closed.json["exception"] is True and closed.json["state"] == "kept", closed.text
    assert tablet.late("counts/close", bin="A-01", confirm=True, op_id="0c" * 16).json == closed.json
    [op_id] = closed.json["operations"]
    assert lines(stage, op_id) == [("A-01", "BOLT", "", 5, "A-01", "A-01")]
    document = document_of(stage, OpId.parse(op_id))
    assert document.marks == (OUT_OF_CONTACT,) and document.occurred_ms < began_ms
    with stage.site.reading() as connection:
        assert len(openings.events_of(connection, OpId.parse(op_id))) == 4
        # Carl's count was done after it, and is posted: there is no doubt left.
        assert stage.floor.lookups.suspects(connection) == ([] if how == "posted" else ["A-01"])
        assert open_round(connection, "A-01") is not None
    assert stage.stock("A-01", "BOLT") == 20  # nothing is booked by it


def test_a_bin_of_no_count_at_all_is_kept_too_by_its_label(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    tablet = Tablet(stage, app)
    assert tablet.post("scans", text="BIN:A-02").json["outcome"] == "refused"
    opened = tablet.late("scans", text="BIN:A-02").json
    assert (opened["outcome"], opened["bin"], opened["late"]) == ("opened", "A-02", True)
    assert tablet.late("counts/empty", bin="A-02").status_code == 200
    closed = tablet.late("counts/close", bin="A-02", confirm=True).json
    assert closed["exception"] is True and lines(stage, closed["operations"][0]) == []
    with stage.site.reading() as connection:
        assert open_round(connection, "A-02") is not None


def test_a_bin_that_nobody_knows_is_refused(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    tablet = Tablet(stage, app)
    refused = tablet.late("counts/open", bin="NO-SUCH")
    assert refused.status_code == 422 and "not known here" in refused.json["detail"]
    assert tablet.late("scans", text="BIN:NO-SUCH").json["outcome"] == "refused"


def test_it_keeps_nobody_from_work_and_leaves_others_alone(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    session = ordered(stage, app)
    tablet = Tablet(stage, app)
    ended(stage, app, "cancelled", session)
    ordered(stage, app, "A-02")
    assert tablet.late("counts/open", bin="A-01").json["late"] is True
    with stage.site.reading() as connection:
        assert tasks.current(connection, actor_of("cora")) is None
    assert tablet.post("counts/open", bin="A-02").json["bin"] == "A-02"
    assert tablet.late("counts/enter", **LINE, bin="A-01").status_code == 200
    with stage.site.reading() as connection:
        screen = stage.floor.counting.screen(connection, stage.as_("cora"))
    assert screen is not None and (screen["target"], screen["lines"]) == ("A-02", [])


def test_one_that_was_left_again_is_no_count_and_no_refusal(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    tablet = Tablet(stage, app)
    tablet.late("counts/open", bin="A-01")
    tablet.late("counts/enter", **LINE, bin="A-01")
    assert tablet.late("counts/leave", bin="A-01").status_code == 200
    with stage.site.reading() as connection:
        assert stage.floor.lookups.suspects(connection) == []


def test_one_that_can_still_be_counted_is_a_count(made: tuple[Stage, Flask]) -> None:
    stage, app = made
    ordered(stage, app)
    tablet = Tablet(stage, app)
    opened = tablet.late("counts/open", bin="A-01").json
    assert "late" not in opened and opened["session"]
    tablet.late("counts/enter", item="BOLT", quantity=20, bin="A-01")
    assert tablet.post("counts/close", HOUR_MS, bin="A-01", confirm=True).json["state"] == "counted"
