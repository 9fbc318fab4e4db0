"""What an act at a bin tells of the books, though nobody says a number: who was told so counts the bin no more."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from tests.node.floor_kit import GTINS, PIN, Stage

UNKNOWING = "knows nothing of what the books have"


def order(stage: Stage, *bins: str) -> str:
    wish = {"name": "Week", "bins": list(bins), "rule": {"control_percent": 0, "rounds_max": 1}}
    return str(stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)["session"])


def take(stage: Stage, login: str, quantity: int, source: str = "A-01") -> dict[str, Any]:
    line = {"item": "BOLT", "quantity": quantity, "source": source, "target": "DOCK"}
    return stage.floor.stock.move(stage.op(), stage.as_(login), {"lines": [line], "happened": True})


def begin(stage: Stage, login: str, bin_: str = "A-01") -> dict[str, Any]:
    return stage.floor.counting.open_bin(stage.op(), stage.as_(login), {"bin": bin_})


def test_who_took_more_than_the_books_have_does_not_count_that_bin(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 6})
    order(stage, "A-01")
    assert take(stage, "carl", 2)["state"] == take(stage, "carl", 500)["state"] == "recorded"
    with pytest.raises(Rejected, match=UNKNOWING):
        begin(stage, "carl")
    assert begin(stage, "cora")["bin"] == "A-01"


def test_who_took_what_the_books_have_counts_it_for_the_first_time(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 6})
    order(stage, "A-01")
    take(stage, "carl", 2)
    assert begin(stage, "carl")["bin"] == "A-01"


def test_a_count_under_way_goes_on_and_is_not_blind_any_more(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 6})
    session = order(stage, "A-01")
    stage.scan("BIN:A-01")
    stage.scan(GTINS["BOLT"])
    take(stage, "cora", 500)
    stage.scan(GTINS["BOLT"])
    stage.floor.counting.close_bin(stage.op(), stage.as_("cora"), {"bin": "A-01", "confirm": True})
    found = stage.floor.counting.review.bin_review(stage.as_("sven"), stage.op().parse(session), "A-01")
    assert [(each["blind"], each["lines"][0]["counted"]) for each in found["rounds"]] == [(False, 2)]


@pytest.mark.parametrize("quantity", [2, 500])
def test_who_signs_for_goods_of_a_bin_does_not_count_it(stage: Stage, quantity: int) -> None:
    stage.receive({"item": "BOLT", "quantity": 6})
    order(stage, "A-01")
    line = {"item": "BOLT", "quantity": quantity, "source": "A-01"}
    op = stage.op()
    stage.floor.stock.scrap(op, stage.as_("mona"), {"lines": [line], "reasons": ["damaged"]})
    try:
        stage.floor.stock.proposals.approve(stage.op(), stage.as_("tess"), {"proposal": str(op)}, PIN)
    except Rejected as error:
        assert quantity == 500 and "not enough stock" in str(error)
    else:
        assert quantity == 2
    with pytest.raises(Rejected, match=UNKNOWING):
        begin(stage, "tess")


def test_who_counted_held_goods_does_not_release_them_while_that_count_goes_on(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 6})
    hold = stage.op()
    wish = {"held": "damage", "location": "A-01", "lines": [{"item": "BOLT", "quantity": 6}], "reasons": ["crushed"]}
    stage.floor.stock.hold(hold, stage.as_("mona"), wish)
    with stage.site.reading() as connection:
        [held] = stage.floor.holds.waiting(connection, stage.as_("sven"))
    session = order(stage, "A-01", "A-02")
    begin(stage, "tess")
    stage.floor.counting.enter(
        stage.op(), stage.as_("tess"), {"item": "BOLT", "quantity": 6, "status": "damage", "mode": "set"}
    )
    stage.floor.counting.close_bin(stage.op(), stage.as_("tess"), {"bin": "A-01", "confirm": True})
    wish = {"session": session, "bin": "A-01"}
    stage.floor.counting.posting.approve(stage.op(), stage.as_("sven"), wish, PIN)
    body = {"hold": str(hold), "lines": [{"line": held["origins"][0]["line"], "quantity": 2, "location": "A-01"}]}
    with pytest.raises(Rejected, match="releases none of them"):
        stage.floor.holds.release(stage.op(), stage.as_("tess"), body, PIN)
    for _ in range(2):  # who posted it, and who has released some of them before, may
        stage.floor.holds.release(stage.op(), stage.as_("sven"), body, PIN)
    # Its end frees everybody.
    left = {"session": session, "bin": "A-02", "reason": "no-counter"}
    stage.floor.counting.uncounted(stage.op(), stage.as_("sven"), left)
    stage.floor.holds.release(stage.op(), stage.as_("tess"), body, PIN)
