"""Unopened handling units in a count: confirmed by their label, never counted; opened ones are counted like a bin."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import control
from ledger.errors import Rejected
from ledger.ids import OpId
from node import counting_certificates
from node.counting_facts import picture_at
from tests.node.floor_kit import PIN, Stage
from tests.node.test_announced import PALLET

LABEL = f"]C100{PALLET}"
BOLT = "04006381333931"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    zone = control.Location(location="ZONE", kind=control.AREA)
    places = tuple(control.Location(location=code, kind=control.BIN, parent="ZONE") for code in ("Z-1", "Z-2"))
    stage.world.send(stage.site, control.LocationsPayload(locations=(zone, *places)))
    stage.floor.stock.move_units(stage.op(), stage.as_("mona"), {"units": [{"unit": PALLET}], "target": "Z-1"})
    body = {"lines": [{"item": "BOLT", "quantity": 50, "target": PALLET}, {"item": "BOLT", "quantity": 3}]}
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), {**body, "target": "Z-1"})
    stage.site.seal()
    return stage


def plan(stage: Stage, **more: Any) -> OpId:
    wish = {"name": "All", "areas": ["ZONE"], "rule": {"control_percent": 0, **more}}
    return OpId(bytes.fromhex(stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)["session"]))


def close(stage: Stage, bin_: str) -> dict[str, Any]:
    return stage.floor.counting.close_bin(stage.op(), stage.as_("cora"), {"bin": bin_, "confirm": True})


def post(stage: Stage, session: OpId, bin_: str) -> None:
    body = {"session": str(session), "bin": bin_}
    stage.floor.counting.posting.approve(stage.op(), stage.as_("sven"), body, PIN)


def states(stage: Stage, session: OpId) -> dict[str, str]:
    with stage.site.reading() as connection:
        found = stage.floor.counting.review.overview(connection, stage.as_("sven"), session)
    return {row["bin"]: "sealed" if row.get("sealed") else row["state"] for row in found["bins"]}


def certificate(stage: Stage) -> dict[str, Any]:
    body = {"zone": "ZONE"}
    return stage.floor.counting.certificates.issue(stage.op(), stage.as_("sven"), body)["certificate"]  # type: ignore[no-any-return]


def count(stage: Stage, bin_: str, *codes: str) -> None:
    stage.scan(f"BIN:{bin_}")
    for code in codes:
        stage.scan(code)
    if not codes:
        stage.floor.counting.empty(stage.op(), stage.as_("cora"), {})
    close(stage, bin_)


def test_an_unopened_unit_is_confirmed_by_its_label_and_not_counted(stage: Stage) -> None:
    session = plan(stage)
    assert states(stage, session) == {PALLET: "waiting", "Z-1": "waiting", "Z-2": "waiting"}
    stage.scan("BIN:Z-1")
    assert stage.scan(LABEL) == {"outcome": "sealed", "unit": PALLET}
    assert stage.scan(LABEL) == {"outcome": "sealed", "unit": PALLET, "repeated": True}
    with stage.site.reading() as connection:
        screen = stage.floor.counting.screen(connection, stage.as_("cora")) or {}
    assert (screen["sealed"], screen["lines"]) == ([PALLET], [])
    for _ in range(3):
        stage.scan(BOLT)
    close(stage, "Z-1")
    count(stage, "Z-2")
    assert states(stage, session) == {PALLET: "sealed", "Z-1": "review", "Z-2": "review"}
    for bin_ in ("Z-1", "Z-2"):
        post(stage, session, bin_)
    assert stage.stock(PALLET, "BOLT") == 50
    made = certificate(stage)
    assert made["complete"] and [row["unit"] for row in made["sealed"]] == [PALLET]
    assert [row["bin"] for row in made["bins"]] == ["Z-1", "Z-2"]
    with stage.site.reading() as connection:
        found = counting_certificates.check(connection, str(stage.site.head.origin), made)
        said = counting_certificates.check(connection, str(stage.site.head.origin), {**made, "sealed": []})
    assert found["true"] and found["complete"] and not said["true"]


def test_a_zone_with_a_unit_that_nobody_saw_is_not_complete(stage: Stage) -> None:
    session = plan(stage)
    count(stage, "Z-1", BOLT, BOLT, BOLT)
    count(stage, "Z-2")
    for bin_ in ("Z-1", "Z-2"):
        post(stage, session, bin_)
    made = certificate(stage)
    assert (made["complete"], made["missing"]) == (False, [PALLET])
    assert states(stage, session)[PALLET] == "waiting"


def test_a_label_taken_back_confirms_nothing(stage: Stage) -> None:
    session = plan(stage)
    stage.scan("BIN:Z-1")
    stage.scan(LABEL)
    stage.floor.counting.undo(stage.op(), stage.as_("cora"), {})
    with pytest.raises(Rejected, match="nothing was counted in Z-1"):
        close(stage, "Z-1")
    stage.scan(LABEL)
    close(stage, "Z-1")  # the loose bolts are not found
    assert states(stage, session) == {PALLET: "sealed", "Z-1": "waiting", "Z-2": "waiting"}


def test_a_unit_that_is_drawn_is_opened_and_counted_line_by_line(stage: Stage) -> None:
    session = plan(stage, open_percent=100)
    stage.scan("BIN:Z-1")
    answer = stage.scan(LABEL)
    assert answer["outcome"] == "refused" and "is to be opened" in answer["why"]
    for _ in range(3):
        stage.scan(BOLT)
    close(stage, "Z-1")
    assert stage.scan(LABEL)["outcome"] == "opened"
    assert stage.scan(LABEL) == {"outcome": "bin", "bin": PALLET}
    stage.scan(BOLT)
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 50})
    close(stage, PALLET)
    count(stage, "Z-2")
    for bin_ in (PALLET, "Z-1", "Z-2"):
        post(stage, session, bin_)
    made = certificate(stage)
    assert made["complete"] and [row["bin"] for row in made["bins"]] == [PALLET, "Z-1", "Z-2"] and not made["sealed"]


def test_a_unit_in_another_bin_than_in_the_books_is_shown_to_the_approver_alone(stage: Stage) -> None:
    session = plan(stage)
    stage.scan("BIN:Z-2")
    assert stage.scan(LABEL) == {"outcome": "sealed", "unit": PALLET}
    close(stage, "Z-2")
    review = stage.floor.counting.review.bin_review(stage.as_("sven"), session, "Z-2")
    assert review["units"] == [{"unit": PALLET, "stood": "Z-1"}]
    with stage.site.reading() as connection:
        ready = stage.floor.counting.review.ready(connection, stage.as_("sven"), session)
    assert [(row["bin"], row["differs"]) for row in ready] == [("Z-2", 1)]


def test_a_label_that_no_unit_in_use_has_is_parked(stage: Stage) -> None:
    plan(stage)
    stage.scan("BIN:Z-1")
    assert stage.scan("]C100006141411234567890")["outcome"] == "parked"


def test_a_bin_with_a_full_unit_is_not_empty(stage: Stage) -> None:
    wish = {"name": "Empty", "plan": {"areas": ["ZONE"], "empty": True}}
    answer = stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)
    assert list(states(stage, OpId(bytes.fromhex(answer["session"])))) == ["Z-2"]
    with stage.site.reading() as connection:
        assert PALLET in list(picture_at(connection).bins(["ZONE"]))


def test_a_crash_after_the_count_was_recorded_still_notes_what_was_confirmed(stage: Stage) -> None:
    session = plan(stage)
    stage.scan("BIN:Z-1")
    stage.scan(LABEL)
    for _ in range(3):
        stage.scan(BOLT)
    close(stage, "Z-1")
    again = stage.restart()
    try:
        assert states(again, session)[PALLET] == "sealed"
        with again.site.reading() as connection:
            (notes,) = connection.execute("SELECT COUNT(*) FROM notes WHERE kind = 'unit-sealed'").fetchone()
        assert notes == 1
    finally:
        again.journal.close()
        again.site.close()
