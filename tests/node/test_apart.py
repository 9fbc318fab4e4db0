"""Nobody approves or recounts a bin whose goods they moved or adjusted in that session."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from node.counting_csv import COLUMNS
from tests.node.floor_kit import PIN, Stage, actor_of, code_of, introduce
from tests.node.test_counting import approve, close_sure, session, state


@pytest.fixture
def stage(stage: Stage) -> Stage:
    introduce(stage.world, stage.site, "olga", ("APPROVE", "MOVE"))
    answer = stage.floor.people.activate(stage.op(), "olga", code_of("olga"), PIN, "tablet-2")
    stage.tokens["olga"] = answer["token"]
    stage.receive({"item": "BOLT", "quantity": 20})
    stage.receive({"item": "BOLT", "quantity": 3, "target": "DOCK"})
    stage.floor.stock.move_units(stage.op(), stage.as_("mona"), {"units": [{"unit": "PAL-1", "target": "A-01"}]})
    dispatch(stage)  # before any count, though in the same block
    return stage


def dispatch(stage: Stage) -> None:
    line = {"item": "BOLT", "quantity": 1, "source": "A-01"}
    stage.floor.transfers.dispatch(stage.op(), stage.as_("sven"), {"receiver": "bergen", "lines": [line]}, PIN)


def adjust(stage: Stage) -> None:
    op, wish = stage.op(), {"lines": [{"item": "BOLT", "location": "A-01", "change": -1, "reasons": ["broken"]}]}
    stage.floor.stock.adjust(op, stage.as_("sven"), wish)
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("tess"), {"proposal": str(op)}, PIN)


def state_an_act(stage: Stage) -> None:
    lines = [{"item": "BOLT", "quantity": 2, "source": "A-01", "target": "SHRINKAGE"}]
    wish = {"location": "A-01", "reason": "broken", "lines": lines}
    stage.floor.stock.except_document(stage.op(), stage.as_("sven"), wish)


def bring_a_unit(stage: Stage) -> None:
    """With goods on it, which makes no stock move of the bin."""
    move = stage.floor.stock.move_units
    move(stage.op(), stage.as_("olga"), {"units": [{"unit": "PAL-7", "target": "A-02"}]})
    line = {"item": "BOLT", "quantity": 3, "source": "DOCK", "target": "PAL-7"}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [line]})
    move(stage.op(), stage.as_("olga"), {"units": [{"unit": "PAL-7", "target": "A-01"}]})


def take_a_unit(stage: Stage) -> None:
    stage.floor.stock.move_units(stage.op(), stage.as_("olga"), {"units": [{"unit": "PAL-1", "target": "A-02"}]})


def release(stage: Stage) -> None:
    line = {"item": "BOLT", "quantity": 1, "location": "A-01"}
    hold, wish = stage.op(), {"held": "quality", "lines": [line], "reasons": ["lab"]}
    stage.floor.stock.hold(hold, stage.as_("mona"), wish)
    freed = {"hold": str(hold), "lines": [{"line": 1, "quantity": 1, "location": "A-01"}]}
    stage.floor.holds.release(stage.op(), stage.as_("olga"), freed, PIN)


def counted(stage: Stage, meanwhile: Callable[[Stage], None] | None) -> OpId:
    """Cora counts A-01 and something happens before the approval; one person's second count makes it clear."""
    number = session(stage, "A-01", rule={"control_percent": 0, "rounds_max": 1})
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 19})
    close_sure(stage, "A-01")
    if meanwhile is not None:
        meanwhile(stage)
    if state(stage, number, "A-01")["state"] == "waiting":  # its books were corrected: it is counted anew
        stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-01"})
        stage.floor.counting.enter(stage.op(), stage.as_("carl"), {"item": "BOLT", "quantity": 18})
        close_sure(stage, "A-01", who="carl")
    assert state(stage, number, "A-01")["state"] == "review"
    return number


ACTS = {dispatch: "sven", adjust: "sven", state_an_act: "sven", bring_a_unit: "olga", take_a_unit: "olga",
        release: "olga"}  # fmt: skip


@pytest.mark.parametrize(("meanwhile", "who"), ACTS.items(), ids=lambda each: getattr(each, "__name__", each))
def test_who_moved_or_adjusted_goods_of_the_bin_does_not_approve_it(
    stage: Stage, meanwhile: Callable[[Stage], None], who: str
) -> None:
    number = counted(stage, meanwhile)
    with pytest.raises(Rejected, match="you moved or adjusted goods of A-01 after its count was ordered"):
        approve(stage, number, "A-01", who)
    assert approve(stage, number, "A-01", "tess")["state"] == "posted"


def test_what_was_moved_before_the_count_was_ordered_bars_nobody(stage: Stage) -> None:
    assert approve(stage, counted(stage, None), "A-01", "sven")["state"] == "posted"


@pytest.mark.parametrize("draft", [False, True])
def test_who_moves_goods_before_the_first_counter_comes_does_not_approve_but_may_be_that_counter(
    stage: Stage, draft: bool
) -> None:
    number = session(stage, "A-01", rule={"control_percent": 0, "rounds_max": 1}, draft=draft)
    if draft:
        adjust(stage)  # nobody counts yet: tess signed it, and approves in the end
        stage.floor.counting.start(stage.op(), stage.as_("tess"), {"session": str(number)})
    dispatch(stage)
    out = {"lines": [{"item": "BOLT", "quantity": 1}], "source": "A-01", "target": "A-02"}
    stage.floor.stock.move(stage.op(), stage.as_("cora"), out)
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 18})
    close_sure(stage, "A-01")
    with pytest.raises(Rejected, match="after its count was ordered"):
        approve(stage, number, "A-01", "sven")
    assert approve(stage, number, "A-01", "tess")["state"] == "posted"


def test_who_moved_goods_of_the_bin_does_not_recount_it(stage: Stage) -> None:
    number = session(stage, "A-01")
    out = {"lines": [{"item": "BOLT", "quantity": 1}], "source": "A-01", "target": "A-02"}
    stage.floor.stock.move(stage.op(), stage.as_("carl"), out)
    with stage.site.reading() as connection:  # the first count is anybody's
        assert [each["bin"] for each in stage.floor.counting.mine(connection, stage.as_("carl"))] == ["A-01"]
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 18})
    stage.floor.stock.move(stage.op(), stage.as_("carl"), out)
    with pytest.raises(Rejected, match="has not moved or adjusted"):
        stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-01", "how": "second"})
    close_sure(stage, "A-01")
    assert state(stage, number, "A-01")["state"] == "waiting"
    with stage.site.reading() as connection:
        assert stage.floor.counting.mine(connection, stage.as_("carl")) == []
    with pytest.raises(Rejected, match="A-01 has to be counted by somebody who has not moved or adjusted its goods"):
        stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-01"})
    assert "task" in stage.floor.counting.open_bin(stage.op(), stage.as_("tess"), {"bin": "A-01"})


def test_who_moves_goods_while_a_sheet_is_out_does_not_approve(stage: Stage) -> None:
    number = session(stage, "A-01", rule={"control_percent": 0, "rounds_max": 1})
    sheets, tess = stage.floor.counting.sheets, stage.as_("tess")
    sheet = sheets.issue(stage.op(), tess, {"session": str(number)})["sheet"]
    dispatch(stage)
    text = f"{','.join(COLUMNS)}\r\n{sheet},A-01,BOLT,,,,,18,"
    counted_ms = stage.world.clock.now_ms() - 5_000
    wish = {"sheet": sheet, "csv": text, "counter": str(actor_of("cora")), "counted_ms": counted_ms}
    sheets.take_back(stage.op(), stage.as_("cora"), wish)
    with pytest.raises(Rejected, match="after its count was ordered"):
        approve(stage, number, "A-01", "sven")
    assert approve(stage, number, "A-01", "tess")["state"] == "posted"
