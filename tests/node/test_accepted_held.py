"""What arrives by a transfer and is not free says how: damaged, in doubt, expired; and a lot until when it keeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from tests.node.floor_kit import PIN, Stage
from tests.node.test_damaged import document_of, lies
from tests.node.test_transfers import TWO, accept, dispatch, tell


@pytest.fixture
def sites(furnish: Callable[..., Stage]) -> tuple[Stage, Stage]:
    return furnish("oslo", people=TWO), furnish("bergen", people=TWO)


def test_a_part_arrives_in_the_status_that_is_said(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    with pytest.raises(Rejected, match="expected quality, damage, expired"):
        accept(bergen, transfer, {"index": 0, "quantity": 24, "damaged": 5, "held": "free"})
    doubtful = {"index": 0, "quantity": 24, "damaged": 5, "held": "quality"}
    expired = {"index": 1, "quantity": 4, "damaged": 4, "held": "expired", "expiry": "2025-12-31"}
    answer = accept(bergen, transfer, doubtful, expired)
    assert lies(bergen, "DOCK") == {("BOLT", "free"): 19, ("BOLT", "quality"): 5, ("PAINT", "expired"): 4}
    document = document_of(bergen, OpId.parse(answer["op_id"]))
    assert document.line_reasons == {1: ("quality",), 2: ("expired",)}
    assert document.expiries == {2: "2025-12-31"}
    with bergen.site.reading() as connection:
        assert connection.execute("SELECT lot, expiry FROM lots").fetchall() == [("L1", "2025-12-31")]


def test_the_same_act_with_another_status_is_another_act(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    op = bergen.op()

    def again(**more: str) -> dict[str, object]:
        line = {"index": 0, "quantity": 24, "damaged": 5, **more}
        body = {"transfer": str(transfer), "target": "DOCK", "lines": [line]}
        return bergen.floor.transfers.accept(op, bergen.as_("tess"), body, PIN)

    assert again() == again(held="damage")  # what was meant before it could be said
    with pytest.raises(Rejected):
        again(held="quality")
