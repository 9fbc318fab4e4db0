"""What an act that could not be booked leaves in doubt, and what ends that: a count that speaks of it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import control
from ledger.errors import Rejected
from ledger.ids import OpId
from node import streams
from tests.node.floor_kit import Stage
from tests.node.test_contact import HOUR_MS, late
from tests.node.test_counting import approve, session

ONCE = {"control_percent": 0, "rounds_max": 1}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.world.send(
        stage.site, control.LocationsPayload(locations=(control.Location(location="TOTE-1", kind=control.UNIT),))
    )
    with stage.site.writing() as connection:  # no bin is drawn to be counted once more
        streams.put(connection, "policy", "counting", {"rule": ONCE})
    stage.receive({"item": "BOLT", "quantity": 20}, {"item": "PAINT", "lot": "L1", "quantity": 5})
    return stage


def suspects(stage: Stage) -> list[str]:
    with stage.site.reading() as connection:
        return stage.floor.lookups.suspects(connection)


def waiting(stage: Stage) -> dict[str, str]:
    """The bins that wait for a counter, with the items that they are counted for."""
    with stage.site.reading() as connection:
        rows = connection.execute("SELECT bin, items FROM count_bins WHERE state = 'waiting'").fetchall()
    return {str(bin_): str(items) for bin_, items in rows}


def count(stage: Stage, bin_: str, *lines: dict[str, Any]) -> None:
    counting, cora = stage.floor.counting, stage.as_("cora")
    stage.world.clock.advance(5_000)
    counting.open_bin(stage.op(), cora, {"bin": bin_})
    for line in lines:
        counting.enter(stage.op(), cora, line)
    if not lines:
        counting.empty(stage.op(), cora, {})
    counting.close_bin(stage.op(), cora, {"bin": bin_, "confirm": True})
    stage.world.clock.advance(5_000)


def ordered(stage: Stage) -> OpId:
    """The newest count."""
    with stage.site.reading() as connection:
        rows = connection.execute("SELECT b.session FROM count_baselines b ORDER BY b.height, b.place").fetchall()
    return OpId(bytes(rows[-1][0]))


def list_of(stage: Stage) -> OpId:
    """A pick list of ten bolts, promised from A-01, with its tote."""
    name, mona = stage.op(), stage.as_("mona")
    stage.floor.picking.open(name, mona, {"order": "SO-1", "lines": [{"item": "BOLT", "quantity": 10}]})
    stage.floor.picking.begin(stage.op(), mona, {"list": str(name), "tote": "TOTE-1"})
    stage.world.clock.advance(5_000)
    return name


def short(stage: Stage, name: OpId) -> None:
    body = {"list": str(name), "location": "A-01", "item": "BOLT"}
    stage.floor.picking.short(stage.op(), stage.as_("mona"), body)


def test_a_count_of_one_item_ends_no_doubt_about_another_and_the_check_is_ordered_behind_it(stage: Stage) -> None:
    number = session(stage, {"bin": "A-01", "items": ["PAINT"]}, rule=ONCE)
    name = list_of(stage)
    short(stage, name)
    count(stage, "A-01", {"item": "PAINT", "lot": "L1", "quantity": 5})
    approve(stage, number, "A-01")
    assert suspects(stage) == ["A-01"] and waiting(stage) == {"A-01": '["BOLT"]'}
    body = {"list": str(name)}
    assert stage.floor.picking.again(stage.op(), stage.as_("mona"), body)["missing"] == {"BOLT": 10}


def test_a_count_of_the_doubted_item_ends_the_doubt_about_it(stage: Stage) -> None:
    short(stage, list_of(stage))
    assert waiting(stage) == {"A-01": '["BOLT"]'}
    count(stage, "A-01", {"item": "BOLT", "quantity": 20})
    approve(stage, ordered(stage), "A-01")
    assert (suspects(stage), waiting(stage)) == ([], {})


@pytest.mark.parametrize("end", ["uncounted", "cancel", "reject"])
def test_a_count_that_ends_unposted_leaves_the_check_to_be_made(stage: Stage, end: str) -> None:
    number = session(stage, {"bin": "A-01", "items": ["PAINT"]}, rule=ONCE)
    short(stage, list_of(stage))
    if end == "reject":
        count(stage, "A-01", {"item": "PAINT", "lot": "L1", "quantity": 5})
    body = {"session": str(number), "reason": "no-time", **({"bin": "A-01"} if end == "uncounted" else {})}
    getattr(stage.floor.counting, end)(stage.op(), stage.as_("sven"), body)
    assert waiting(stage) == {"A-01": '["BOLT"]'}


def test_a_check_that_an_approver_leaves_undone_is_not_ordered_anew(stage: Stage) -> None:
    short(stage, list_of(stage))
    body = {"session": str(ordered(stage)), "bin": "A-01", "reason": "no-time"}
    stage.floor.counting.uncounted(stage.op(), stage.as_("sven"), body)
    assert (suspects(stage), waiting(stage)) == (["A-01"], {})


MANY = {"lines": [{"item": "BOLT", "quantity": 400}], "source": "A-01", "target": "A-02", "happened": True}


def test_what_happens_while_a_bin_is_in_review_is_counted_when_that_is_posted(stage: Stage) -> None:
    number = session(stage, "A-01", rule=ONCE)
    count(stage, "A-01", {"item": "BOLT", "quantity": 20}, {"item": "PAINT", "lot": "L1", "quantity": 5})
    stage.floor.stock.move(stage.op(), stage.as_("mona"), MANY)
    assert "A-01" not in waiting(stage)
    approve(stage, number, "A-01")
    assert "A-01" in suspects(stage) and waiting(stage)["A-01"] == '["BOLT"]'
    again = ordered(stage)
    count(stage, "A-01", {"item": "BOLT", "quantity": 20})
    approve(stage, again, "A-01")
    assert "A-01" not in suspects(stage) and "A-01" not in waiting(stage)


def test_a_short_pick_while_its_bin_is_in_review_is_counted_when_that_is_posted(stage: Stage) -> None:
    name, number = list_of(stage), session(stage, "A-01", rule=ONCE)
    count(stage, "A-01", {"item": "BOLT", "quantity": 20}, {"item": "PAINT", "lot": "L1", "quantity": 5})
    short(stage, name)
    approve(stage, number, "A-01")
    assert suspects(stage) == ["A-01"] and waiting(stage) == {"A-01": '["BOLT"]'}


def test_a_count_that_falls_short_when_it_is_posted_has_its_bin_counted_again(stage: Stage) -> None:
    number = session(stage, {"bin": "A-01", "items": ["BOLT"]}, rule=ONCE)
    count(stage, "A-01", {"item": "BOLT", "quantity": 2})
    move = {"lines": [{"item": "BOLT", "quantity": 20}], "source": "A-01", "target": "A-02"}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), move)
    approve(stage, number, "A-01")
    assert suspects(stage) == ["A-01"] and waiting(stage) == {"A-01": '["BOLT"]'}


def test_every_place_of_an_act_that_could_not_be_booked_is_doubted(stage: Stage) -> None:
    put = {"lines": [{"item": "BOLT", "quantity": 3}], "source": "A-01", "target": "A-02"}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), put)
    lines = [{"item": "PAINT", "lot": "L1", "quantity": 30, "source": "A-01", "target": "DOCK"},
             {"item": "BOLT", "quantity": 30, "source": "A-02", "target": "DOCK"}]  # fmt: skip
    answer = stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": lines, "happened": True})
    assert answer["exception"] is True
    assert suspects(stage) == sorted(waiting(stage)) == ["A-01", "A-02", "DOCK"]


def test_of_goods_that_left_the_site_only_where_they_were_is_doubted(stage: Stage) -> None:
    gone = {"lines": [{"item": "BOLT", "quantity": 30}], "source": "A-01", "reasons": ["sale"], "happened": True}
    assert stage.floor.stock.issue(stage.op(), stage.as_("mona"), gone)["exception"] is True
    assert suspects(stage) == sorted(waiting(stage)) == ["A-01"]


BOLTS = {"item": "BOLT", "quantity": 1}
PIECE = {"item": "DRILL", "serial": "S1", "quantity": 1}


def test_a_piece_that_came_back_and_that_the_books_have_on_a_shelf_is_looked_for_there_too(stage: Stage) -> None:
    stage.receive(PIECE)
    back = {"lines": [{**PIECE, "target": "DOCK"}], "origin": "customer", "return_of": "SO-9", "happened": True}
    assert stage.floor.stock.receive(stage.op(), stage.as_("mona"), back)["exception"] is True
    assert suspects(stage) == ["DOCK"] and sorted(waiting(stage)) == ["A-01", "DOCK"]


def test_a_counted_piece_that_the_books_have_elsewhere_is_looked_for_there_and_booked_in_the_end(
    stage: Stage,
) -> None:
    stage.receive(PIECE)
    number = session(stage, "A-02", rule=ONCE)
    count(stage, "A-02", PIECE)
    approve(stage, number, "A-02")
    # Counted together the two are offered as one relocation.
    assert waiting(stage) == {"A-01": '["DRILL"]', "A-02": '["DRILL"]'}
    again = ordered(stage)
    count(stage, "A-02", PIECE)
    count(stage, "A-01")
    moved = {"session": str(again), "source": "A-01", "target": "A-02", "item": "DRILL", "serial": "S1"}
    stage.floor.counting.relocations.decide(stage.op(), stage.as_("sven"), moved)
    for bin_ in ("A-01", "A-02"):
        approve(stage, again, bin_)
    assert (stage.stock("A-01", "DRILL"), stage.stock("A-02", "DRILL"), waiting(stage)) == (0, 1, {})


def test_a_mistyped_place_of_an_exception_is_refused_while_the_person_is_there(stage: Stage) -> None:
    lost = {"location": "A-O1", "reason": "lost", "lines": [{**BOLTS, "source": "A-O1", "target": "A-02"}]}
    with pytest.raises(Rejected, match="location 'A-O1' is not known here"):
        stage.floor.stock.except_document(stage.op(), stage.as_("mona"), lost)
    with pytest.raises(Rejected, match="location 'A-O3' is not known here"):
        body = {**lost, "location": "A-01", "lines": [{**BOLTS, "source": "A-01", "target": "A-O3"}]}
        stage.floor.stock.except_document(stage.op(), stage.as_("mona"), body)


def test_an_exception_at_a_place_that_nobody_knows_is_counted_where_its_lines_end(stage: Stage) -> None:
    lost = {"location": "A-O1", "reason": "lost", "lines": [{**BOLTS, "source": "A-O1", "target": "A-02"}]}
    stage.floor.stock.except_document(stage.op(), late(stage, "mona", HOUR_MS), lost)
    assert suspects(stage) == sorted(waiting(stage)) == ["A-02"]
    number = ordered(stage)
    count(stage, "A-02")
    approve(stage, number, "A-02")
    assert (suspects(stage), waiting(stage)) == ([], {})
