"""Transfers that have happened already: what the rules cannot book of them is sealed, and never refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.documents import part_op_id
from ledger.errors import Rejected
from node import exceptions, streams
from tests.node.floor_kit import PIN, Stage
from tests.node.test_contact import HOUR_MS, document_of, excepted, late
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
    op = bergen.op()
    for _ in range(2):
        assert accept(bergen, transfer, *came, op=op, happened=True)["exception"] is True
    assert suspects(bergen) == ["DOCK"] and sorted(waiting(bergen)) == ["A-01", "DOCK"]
    # What nothing speaks against is accepted.
    assert bergen.stock("DOCK", "BOLT") == 5
    rest = part_op_id(op, exceptions.REST)
    assert excepted(bergen, rest) == [("DOCK", "DRILL", 1, "IN_TRANSIT", "DOCK")]
    assert document_of(bergen, rest).references == {"transfer": str(transfer)}
    with bergen.site.reading() as connection:
        [left] = bergen.floor.transfers.coming(connection)
    assert [line["item"] for line in left["lines"]] == ["DRILL"]


def test_goods_that_were_put_where_nobody_knows_are_sealed_apart(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    came = ({"index": 0, "quantity": 24, "target": "A-33"}, {"index": 1, "quantity": 4})
    with pytest.raises(Rejected, match="not known here"):
        accept(bergen, transfer, *came)
    assert accept(bergen, transfer, *came, happened=True)["exception"] is True
    assert (bergen.stock("A-33", "BOLT"), bergen.stock("DOCK", "PAINT")) == (0, 4)
    only = accept(bergen, transfer, came[0], happened=True)
    assert excepted_at(bergen, only) == [("A-33", "BOLT", 24, "IN_TRANSIT", "A-33")]


RULED: dict[str, dict[str, Any]] = {
    "cancelled": {"ruling": "cancelled", "state": "settled"}, "returned": {"ruling": "returned"},
    "diverted": {"ruling": "diverted", "receiver": "rome"},
}  # fmt: skip


@pytest.mark.parametrize("ruled", RULED)
def test_goods_that_came_although_the_hub_had_ruled_otherwise_are_sealed(
    sites: tuple[Stage, Stage], ruled: str
) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer, **RULED[ruled])
    with pytest.raises(Rejected):
        accept(bergen, transfer, {"index": 0, "quantity": 24})
    answer = accept(bergen, transfer, {"index": 0, "quantity": 24}, happened=True)
    assert answer["exception"] is True and bergen.stock("DOCK", "BOLT") == 0
    assert excepted_at(bergen, answer) == [("DOCK", "BOLT", 24, "IN_TRANSIT", "DOCK")]


def test_goods_that_came_back_before_anybody_had_said_so_are_sealed(sites: tuple[Stage, Stage]) -> None:
    oslo, _ = sites
    transfer = dispatch(oslo)
    tell(oslo, transfer)
    answer = accept(oslo, transfer, {"index": 0, "quantity": 5}, happened=True)
    assert answer["exception"] is True
    assert excepted_at(oslo, answer) == [("DOCK", "BOLT", 5, "IN_TRANSIT", "DOCK")]
    # Of what the receiver says went back more has come than that: it is here.
    line = [0, "BOLT", "", "", 0, 24, 20, 4, 20, "", 3]
    tell(oslo, transfer, "short", lines=[line, [1, "PAINT", "L1", "", 0, 4, 4, 0, 4]])
    came = ({"index": 0, "quantity": 4}, {"index": 1, "quantity": 1})
    assert "exception" not in accept(oslo, transfer, *came, happened=True)
    assert (oslo.stock("DOCK", "BOLT"), oslo.stock("DOCK", "PAINT")) == (4, 1)


def test_goods_of_a_transfer_that_nobody_here_has_heard_of_are_sealed(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer, op = dispatch(oslo), bergen.op()
    came = ({"index": 0, "quantity": 20, "missing": 4}, {"index": 1, "quantity": 4, "target": "A-01"})
    with pytest.raises(Rejected, match="is not known here yet"):
        accept(bergen, transfer, *came)
    with pytest.raises(Rejected, match="PIN is wrong"):
        accept(bergen, transfer, *came, happened=True, pin="000000")
    answer = accept(bergen, transfer, *came, op=op, happened=True)
    assert answer["exception"] is True and answer["transfer"] == str(transfer)
    assert suspects(bergen) == sorted(waiting(bergen)) == ["A-01", "DOCK"]
    assert document_of(bergen, op).references == {"transfer": str(transfer)}
    assert excepted(bergen, op) == [
        ("DOCK", "", 20, "IN_TRANSIT", "DOCK"), ("DOCK", "", 4, "IN_TRANSIT", "A-01"),
    ]  # fmt: skip
    # Sent again it is the same, although the hub has told of it by then.
    tell(bergen, transfer)
    assert accept(bergen, transfer, *came, op=op, happened=True) == answer
    assert (bergen.stock("DOCK", "BOLT"), bergen.stock("A-01", "PAINT")) == (0, 0)


def excepted_at(stage: Stage, answer: dict[str, Any]) -> list[tuple[str, str, int, str, str]]:
    with stage.site.reading() as connection:
        rows = connection.execute(
            "SELECT e.location, l.item, l.quantity, l.source, l.target FROM exceptions e JOIN exception_lines l"
            " ON l.op_id = e.op_id WHERE e.op_id = ? ORDER BY l.line",
            (bytes.fromhex(answer["op_id"]),),
        ).fetchall()
    return [tuple(row) for row in rows]
