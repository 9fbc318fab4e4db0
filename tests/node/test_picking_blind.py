"""Who counts learns of a bin in an open count nothing through a list that is promised goods of it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from tests.node.floor_kit import Stage, begun_list

UNKNOWING = "knows nothing of what the books have"


@pytest.fixture
def promised(stage: Stage) -> tuple[Stage, OpId]:
    """A list of 100 is promised the 37 that are in A-01, a count of which is open."""
    stage.receive({"item": "BOLT", "quantity": 37})
    name = begun_list(stage, 100)
    count = {"name": "Week", "bins": ["A-01"], "rule": {"control_percent": 0, "rounds_max": 1}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), count)
    return stage, name


def pick(stage: Stage, name: OpId, login: str = "carl", **more: Any) -> dict[str, Any]:
    wish = {"list": str(name), "item": "BOLT", "quantity": 999, "source": "A-01", **more}
    return stage.floor.picking.pick(stage.op(), stage.as_(login), wish)


def begin_count(stage: Stage, login: str = "carl") -> None:
    stage.floor.counting.open_bin(stage.op(), stage.as_(login), {"bin": "A-01"})


def test_a_refused_pick_tells_a_counter_no_figure_and_they_count_that_bin_no_more(
    promised: tuple[Stage, OpId],
) -> None:
    stage, name = promised
    with pytest.raises(Rejected, match="37 of BOLT"):
        pick(stage, name, "mona")
    with pytest.raises(Rejected, match="more of BOLT than is still to be picked") as refused:
        pick(stage, name)
    assert "37" not in str(refused.value)
    with pytest.raises(Rejected, match=UNKNOWING):  # that so many are not there was told
        begin_count(stage)
    begin_count(stage, "cora")


def test_a_pick_from_elsewhere_that_asks_after_the_bin_is_no_way_round(promised: tuple[Stage, OpId]) -> None:
    stage, name = promised
    line = {"item": "BOLT", "quantity": 500, "target": "DOCK"}
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), {"lines": [line]})
    with pytest.raises(Rejected):
        pick(stage, name, source="DOCK", quantity=38, reasons=["nearer"])
    with pytest.raises(Rejected, match=UNKNOWING):
        begin_count(stage)


def test_what_is_picked_tells_nothing_of_what_is_left_there(promised: tuple[Stage, OpId]) -> None:
    stage, name = promised
    assert "left" not in pick(stage, name, quantity=1)
    with pytest.raises(Rejected, match=UNKNOWING):
        begin_count(stage)
    assert pick(stage, name, "mona", quantity=1)["left"] == 35


def test_who_picks_what_is_promised_elsewhere_still_counts_that_bin(promised: tuple[Stage, OpId]) -> None:
    stage, name = promised
    line = {"item": "BOLT", "quantity": 5, "target": "DOCK"}
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), {"lines": [line]})
    again = stage.floor.picking.again
    with pytest.raises(Rejected, match="A-01 is being counted"):  # what is missing tells what is promised there
        again(stage.op(), stage.as_("carl"), {"list": str(name)})
    again(stage.op(), stage.as_("mona"), {"list": str(name)})
    assert "left" not in pick(stage, name, quantity=5, source="DOCK")
    begin_count(stage)


def test_a_short_pick_has_no_figures_and_who_said_it_counts_that_bin_no_more(promised: tuple[Stage, OpId]) -> None:
    stage, name = promised
    op = stage.op()
    for _ in range(2):
        answer = stage.floor.picking.short(
            op, stage.as_("carl"), {"list": str(name), "location": "A-01", "item": "BOLT"}
        )
        assert answer == {"op_id": str(op), "list": str(name)}
    with pytest.raises(Rejected, match=UNKNOWING):
        begin_count(stage)


def test_the_question_before_an_issue_has_no_figures(promised: tuple[Stage, OpId]) -> None:
    stage, name = promised
    ask = {login: stage.floor.picking.issue(stage.op(), stage.as_(login), {"list": str(name)})["ask"]
           for login in ("carl", "mona")}  # fmt: skip
    assert ask == {
        "carl": "Not everything is picked yet: issue what is in the tote?",
        "mona": "37 are not picked yet: issue what is in the tote?",
    }


def test_a_list_says_nothing_of_how_much_was_wanted_while_some_of_it_is_promised_there(
    promised: tuple[Stage, OpId],
) -> None:
    """With what is on the list and what is picked, the whole would tell what is promised from the bin."""
    stage, name = promised

    def told(login: str) -> tuple[dict[str, int], list[str]]:
        with stage.site.reading() as connection:
            found = stage.floor.picking.show(connection, stage.as_(login), name)
        return found["wanted"], found["being_counted"]

    assert told("mona") == ({"BOLT": 100}, [])
    assert told("carl") == ({}, ["A-01"])
    with stage.site.reading() as connection:
        (session,) = connection.execute("SELECT session FROM count_sessions").fetchone()
    stage.floor.counting.cancel(stage.op(), stage.as_("sven"), {"session": session.hex(), "reason": "late"})
    assert told("carl") == ({"BOLT": 100}, [])
