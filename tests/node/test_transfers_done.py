"""Transfers that have happened already: what the rules cannot book of them is sealed, and never refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.errors import Rejected
from node import streams
from tests.node.floor_kit import PIN, Stage
from tests.node.test_contact import HOUR_MS, late
from tests.node.test_doubts import suspects, waiting
from tests.node.test_transfers import TWO, accept, dispatch, tell


@pytest.fixture
def sites(furnish: Callable[..., Stage]) -> tuple[Stage, Stage]:
    return furnish("oslo", people=TWO), furnish("bergen", people=TWO)


def freeze(stage: Stage, bin_: str) -> None:
    body = {"name": "Week 47", "bins": [bin_], "freeze": True}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)


def test_goods_that_came_into_a_frozen_bin_are_accepted_when_that_has_happened(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    freeze(bergen, "DOCK")
    with pytest.raises(Rejected, match="frozen until its count is finished"):
        accept(bergen, transfer, {"index": 0, "quantity": 24})
    answer = accept(bergen, transfer, {"index": 0, "quantity": 20}, happened=True)
    assert "exception" not in answer and bergen.stock("DOCK", "BOLT") == 20


def test_goods_that_left_are_sealed_when_the_books_do_not_have_them(sites: tuple[Stage, Stage]) -> None:
    oslo, _ = sites
    oslo.receive({"item": "BOLT", "quantity": 30})
    body = {"receiver": "bergen", "source": "A-01", "lines": [{"item": "BOLT", "quantity": 99}], "confirm": True}
    with pytest.raises(Rejected, match="not enough stock"):
        oslo.floor.transfers.dispatch(oslo.op(), oslo.as_("sven"), body, PIN)
    op = oslo.op()
    for _ in range(2):
        answer = oslo.floor.transfers.dispatch(op, late(oslo, "sven", HOUR_MS), body, PIN)
    assert answer["exception"] is True and "transfer" not in answer
    assert oslo.stock("A-01", "BOLT") == 30
    assert suspects(oslo) == sorted(waiting(oslo)) == ["A-01"]
    with pytest.raises(Rejected, match="PIN is wrong"):  # nothing is sealed in another's name
        oslo.floor.transfers.dispatch(oslo.op(), oslo.as_("sven"), {**body, "happened": True}, "000000")


def test_a_piece_that_came_although_the_books_have_it_here_is_sealed(sites: tuple[Stage, Stage]) -> None:
    _, bergen = sites
    bergen.receive({"item": "DRILL", "serial": "S1", "quantity": 1})
    transfer = bergen.op()
    lines = [[0, "DRILL", "", "S1", 0, 1, 0, 0, 0], [1, "BOLT", "", "", 0, 5, 0, 0, 0]]
    value = {"sender": "oslo", "receiver": "bergen", "document": "00" * 32, "state": "in transit",
             "dispatched_s": 1_700_000_000, "arrived_s": 0, "lines": lines}  # fmt: skip
    with bergen.site.writing() as connection:
        streams.put(connection, "transfers", f"oslo/{transfer}", value)
    came = ({"index": 0, "quantity": 1}, {"index": 1, "quantity": 5})
    with pytest.raises(Rejected, match="serial is elsewhere"):
        accept(bergen, transfer, *came)
    assert accept(bergen, transfer, *came, happened=True)["exception"] is True
    assert suspects(bergen) == ["DOCK"] and sorted(waiting(bergen)) == ["A-01", "DOCK"]
