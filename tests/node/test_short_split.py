"""A short line says what became of what is missing: lost for good, or taken back by the carrier and expected."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.documents import Document
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.transfers import returned_of
from node import sent
from tests.node.floor_kit import Stage
from tests.node.test_contact import document_of
from tests.node.test_transfers import accept, dispatch, know, paper_of, read, sites, tell  # noqa: F401 - a fixture
from tests.node.test_transit import in_transit, row

BACK = {"index": 0, "quantity": 17, "missing": 7, "reasons": [["lost-on-the-way", 4], ["returned", 3]]}


def told(oslo: Stage, transfer: OpId, returned: int, missing: int = 7, state: str = "short") -> None:
    """What the hub says at the sender: of what is missing so much comes back, or has come."""
    lines = [[0, "BOLT", "", "", 0, 24, 17, missing, 17, "", returned], [1, "PAINT", "L1", "", 0, 4, 4, 0, 4]]
    tell(oslo, transfer, state, lines=lines)


def coming(stage: Stage) -> list[tuple[int, int]]:
    with stage.site.reading() as connection:
        found = stage.floor.transfers.coming(connection)
    return [(line["index"], line["open"]) for each in found for line in each["lines"]]


def one(stage: Stage, transfer: OpId) -> dict[str, Any]:
    with stage.site.reading() as connection:
        found: dict[str, Any] = stage.floor.transfers.one(connection, transfer)
    return found


def test_the_signed_document_says_how_much_was_lost_and_how_much_went_back(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo, bergen = sites
    transfer, op = dispatch(oslo), bergen.op()
    tell(bergen, transfer)
    for _ in range(2):
        accept(bergen, transfer, BACK, op=op)
    document = document_of(bergen, op)
    assert document.line_reasons == {0: ("lost-on-the-way", "returned")} and document.shares == {0: (4, 3)}
    assert returned_of(document, 0, 7) == 3
    assert coming(bergen) == [(1, 4)]
    op = bergen.op()
    accept(bergen, transfer, {"index": 1, "quantity": 0, "missing": 4, "reasons": ["returned"]}, op=op)
    document = document_of(bergen, op)
    assert (document.shares, returned_of(document, 0, 4)) == ({}, 4)


def test_a_damaged_part_beside_it_leaves_the_shares_where_they_belong(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo, bergen = sites
    transfer, op = dispatch(oslo), bergen.op()
    tell(bergen, transfer)
    accept(bergen, transfer, {**BACK, "damaged": 17}, op=op)
    document = document_of(bergen, op)
    assert document.line_reasons == {0: ("lost-on-the-way", "returned"), 1: ("damaged",)}
    assert document.shares == {0: (4, 3)}


@pytest.mark.parametrize(
    ("reasons", "why"),
    [
        ([["lost-on-the-way", 4], ["returned", 2]], "7 are missing and 6 explained"),
        ([["lost-on-the-way", 4], ["returned", 4]], "7 are missing and 8 explained"),
        (["lost-on-the-way", "returned"], "say how much of it each reason explains"),
        ([["returned", 3], "short"], "say how much of it each reason explains"),
        ([["returned", 3], ["returned", 4]], "each reason once"),
        ([["returned", 0], ["short", 7]], "from 1"),
        ([["returned"]], "a code and its share"),
    ],
)
def test_the_parts_add_up_to_what_is_missing(
    sites: tuple[Stage, Stage],  # noqa: F811
    reasons: list[Any],
    why: str,
) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    with pytest.raises(Rejected, match=why):
        accept(bergen, transfer, {**BACK, "reasons": reasons})
    with pytest.raises(Rejected, match="nothing is missing"):
        accept(bergen, transfer, {"index": 0, "quantity": 25, "reasons": [["over", 1], ["returned", 2]]})
    with pytest.raises(Rejected, match="nothing is missing"):
        accept(bergen, transfer, {"index": 0, "quantity": 25, "reasons": ["returned"]})


def test_a_document_of_before_has_nothing_returned() -> None:
    old = Document(occurred_ms=1, business_date="2026-11-29", line_reasons={0: ("short",), 1: ("lost", "short")})
    assert [returned_of(Document.decode(old.encode()), line, 5) for line in range(3)] == [0, 0, 0]


def test_the_sender_expects_what_went_back_and_not_what_was_lost(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo, _ = sites
    transfer = dispatch(oslo)
    tell(oslo, transfer)
    with pytest.raises(Rejected, match="ask the hub to rule"):
        accept(oslo, transfer, {"index": 0, "quantity": 3})
    told(oslo, transfer, 3)
    assert coming(oslo) == [(0, 3)]
    found = one(oslo, transfer)["lines"][0]
    assert (found["accepted"], found["missing"], found["returned"]) == (17, 7, 3)
    way = in_transit(oslo)
    assert (way["from_here"], way["back_here"]) == (0, 3)
    assert way["transfers"] == [row(transfer, "bergen", False, 0, 4), row(transfer, "bergen", False, 3, back=True)]
    with pytest.raises(Rejected, match="more of BOLT than was dispatched"):
        accept(oslo, transfer, {"index": 0, "quantity": 4})
    accept(oslo, transfer, {"index": 0, "quantity": 1})
    assert (coming(oslo), in_transit(oslo)["back_here"]) == ([(0, 2)], 2)
    told(oslo, transfer, 3, missing=6)  # the hub has heard of the one that is here
    assert (coming(oslo), in_transit(oslo)["back_here"]) == ([(0, 2)], 2)
    accept(oslo, transfer, {"index": 0, "quantity": 2})
    told(oslo, transfer, 3, missing=4)
    assert (coming(oslo), in_transit(oslo)["back_here"]) == ([], 0)
    assert in_transit(oslo)["transfers"] == [row(transfer, "bergen", False, 0, 4)]
    with oslo.site.reading() as connection:
        assert (sent.newest(connection, "oslo")[0]["missing"], oslo.stock("DOCK", "BOLT")) == (1, 3)


def test_what_was_ruled_returned_is_not_on_its_way_once_it_is_here(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo, _ = sites
    transfer = dispatch(oslo)
    tell(oslo, transfer, "coming back", accepted=20, ruling="returned")
    accept(oslo, transfer, {"index": 0, "quantity": 4})
    tell(oslo, transfer, "returned", accepted=20, ruling="returned")
    assert (in_transit(oslo)["back_here"], in_transit(oslo)["from_here"]) == (0, 0)


def test_its_paper_alone_lets_nobody_take_it_back(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo, _ = sites
    transfer = dispatch(oslo)
    know(oslo, oslo)
    with pytest.raises(Rejected, match="ask the hub to rule"):
        read(oslo, paper_of(oslo, transfer))
    told(oslo, transfer, 3)
    assert [line["open"] for line in read(oslo, paper_of(oslo, transfer))["lines"]] == [3]
