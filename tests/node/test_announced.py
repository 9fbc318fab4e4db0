"""What the hub announced, on a real site: deliveries until all came, orders until somebody picks them."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import control
from ledger.announced import DELIVERIES, ORDERS
from ledger.errors import Invalid, Rejected
from ledger.ids import OpId
from node import openings, orders, parts, streams
from tests.node.floor_kit import PIN, Stage

PALLET = "106141412345678908"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    tote = control.Location(location="TOTE-1", kind=control.UNIT)
    stage.world.send(stage.site, control.LocationsPayload(locations=(tote,)))
    return stage


def coming(stage: Stage, number: str, *lines: list[Any], **more: Any) -> None:
    with stage.site.writing() as connection:
        entry = {"supplier": "ACME", "lines": list(lines), **more}
        streams.put(connection, DELIVERIES, number, entry)


def going(stage: Stage, number: str, *lines: list[Any], **more: Any) -> None:
    with stage.site.writing() as connection:
        streams.put(connection, ORDERS, number, {"lines": list(lines), **more})


def gone(stage: Stage, stream: str, number: str) -> None:
    with stage.site.writing() as connection:
        streams.remove(connection, stream, number)


def waiting(stage: Stage) -> dict[str, list[tuple[str, int, int]]]:
    with stage.site.reading() as connection:
        rows = stage.floor.deliveries.waiting(connection, stage.as_("mona"))
    return {row["delivery"]: [(line["item"], line["came"], line["wanted"]) for line in row["lines"]] for row in rows}


def ordered(stage: Stage) -> list[str]:
    with stage.site.reading() as connection:
        return [each["order"] for each in orders.waiting(connection, stage.as_("mona"))]


def receive(stage: Stage, delivery: str, quantity: int, **more: Any) -> dict[str, Any]:
    line = {"item": "BOLT", "quantity": quantity, "target": "A-01"}
    return stage.floor.stock.receive(
        stage.op(), stage.as_("mona"), {"delivery": delivery, "lines": [line], **more}
    )  # fmt: skip


# ---------------------------------------------------------------- deliveries


def test_a_delivery_of_the_hub_waits_until_all_of_it_came(stage: Stage) -> None:
    coming(stage, "D-1", ["BOLT", 6, "", PALLET], ["BOLT", 4, "", ""], ["PAINT", 2, "L1", ""], due="2026-12-02")
    coming(stage, "D-2", ["BOLT", 1, "", ""], due="2026-12-01")
    own = {"delivery": "D-3", "supplier": "Own", "lines": [{"item": "BOLT", "quantity": 3}]}
    stage.floor.deliveries.expect(stage.op(), stage.as_("mona"), own)
    assert list(waiting(stage)) == ["D-2", "D-1", "D-3"]
    with stage.site.reading() as connection:
        first = stage.floor.deliveries.waiting(connection, stage.as_("mona"))[1]
    assert (first["supplier"], first["due"]) == ("ACME", "2026-12-02")
    assert [(line["lots"], line["units"]) for line in first["lines"]] == [([], [PALLET]), (["L1"], [])]
    with pytest.raises(Rejected, match="was announced before"):
        wish = {"delivery": "D-1", "supplier": "Own", "lines": [{"item": "BOLT", "quantity": 3}]}
        stage.floor.deliveries.expect(stage.op(), stage.as_("mona"), wish)

    assert receive(stage, "D-1", 7)["open"] == {"BOLT": 3, "PAINT": 2}
    assert waiting(stage)["D-1"] == [("BOLT", 7, 10), ("PAINT", 0, 2)]
    # The supplier corrects the note: the hub's word stands over what is kept here, and what came stays.
    coming(stage, "D-1", ["BOLT", 8, "", ""])
    assert waiting(stage)["D-1"] == [("BOLT", 7, 8)]
    with pytest.raises(Rejected, match="9 of BOLT instead of 8: give a reason"):
        receive(stage, "D-1", 2)
    assert receive(stage, "D-1", 1)["open"] == {}
    assert "D-1" not in waiting(stage)
    with pytest.raises(Rejected, match="was closed already"):
        receive(stage, "D-1", 1)


def test_what_the_hub_takes_back_is_gone_unless_a_part_of_it_came(stage: Stage) -> None:
    for number in ("D-1", "D-2"):
        coming(stage, number, ["BOLT", 10, "", ""], over=20)
    receive(stage, "D-2", 4)
    for number in ("D-1", "D-2"):
        gone(stage, DELIVERIES, number)
    assert waiting(stage) == {"D-2": [("BOLT", 4, 10)]}
    with pytest.raises(Rejected, match="D-1 is not expected here"):
        receive(stage, "D-1", 1)
    # The whole stream starts again, as after the hub was put back: nothing that came is forgotten.
    with stage.site.writing() as connection:
        streams.clear(connection, DELIVERIES)
    coming(stage, "D-2", ["BOLT", 10, "", ""], over=20)
    assert receive(stage, "D-2", 8)["open"] == {}  # 20 per cent more need no reason

    coming(stage, "D-4", ["BOLT", 10, "", ""])
    closing = {"delivery": "D-4"}
    with pytest.raises(Rejected, match="10 are short: give a reason"):
        stage.floor.deliveries.close(stage.op(), stage.as_("mona"), closing)
    stage.floor.deliveries.close(stage.op(), stage.as_("mona"), {**closing, "reason": "short"})
    assert waiting(stage) == {}


def test_goods_that_came_already_are_booked_whatever_their_delivery_says(stage: Stage) -> None:
    """The tablet was out of contact; meanwhile the delivery was closed, taken back, or all of it came."""
    coming(stage, "D-1", ["BOLT", 5, "", ""])
    coming(stage, "D-2", ["BOLT", 5, "", ""])
    receive(stage, "D-1", 5)
    gone(stage, DELIVERIES, "D-2")
    for number in ("D-1", "D-2"):
        with pytest.raises(Rejected):
            receive(stage, number, 3)
        assert receive(stage, number, 3, happened=True)["state"] == "recorded"
    coming(stage, "D-3", ["BOLT", 5, "", ""])
    assert receive(stage, "D-3", 50, happened=True)["open"] == {}
    assert stage.stock("A-01", "BOLT") == 5 + 3 + 3 + 50


def test_an_entry_that_makes_no_sense_is_left_out_and_nothing_else(stage: Stage) -> None:
    with pytest.raises(Invalid):
        coming(stage, "D-1", ["BOLT", 0, "", ""])
    coming(stage, "D-2", ["UNHEARD-OF", 3, "", ""])
    going(stage, "SO-1", ["UNHEARD-OF", 3])
    assert waiting(stage) == {"D-2": [("UNHEARD-OF", 0, 3)]} and ordered(stage) == ["SO-1"]
    with pytest.raises(Rejected, match="nothing of this order is free"):
        stage.floor.picking.open(stage.op(), stage.as_("mona"), {"order": "SO-1"})


def reverse(stage: Stage, of: str) -> OpId:
    proposal = stage.floor.stock.reverse(stage.op(), stage.as_("mona"), {"of": of, "reasons": ["wrong"]})
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": proposal["op_id"]}, PIN)
    return OpId.parse(proposal["op_id"])


def test_a_receipt_is_of_the_delivery_that_it_was_begun_for_on_whatever_tablet_it_ends(stage: Stage) -> None:
    coming(stage, "D-1", ["BOLT", 10, "", ""])
    stock, mona = stage.floor.stock, stage.as_("mona")
    with pytest.raises(Rejected, match="only a receipt"):
        stock.begin(stage.op(), mona, {"kind": "move", "delivery": "D-1"})
    stock.begin(stage.op(), mona, {"kind": "receive", "target": "A-01", "delivery": "D-1"})
    stock.enter(stage.op(), mona, {"item": "BOLT", "quantity": 12})
    with stage.site.reading() as connection:
        screen = stage.floor.counting.screen(connection, mona)
    assert screen is not None and screen["delivery"] == "D-1"
    with pytest.raises(Rejected, match="give a reason"):
        stock.finish(stage.op(), mona, {})
    stock.finish(stage.op(), mona, {"reasons": ["over"]})
    assert waiting(stage) == {}
    stock.begin(stage.op(), mona, {"kind": "receive", "target": "A-01"})
    with stage.site.reading() as connection:
        screen = stage.floor.counting.screen(connection, mona)
    assert screen is not None and "delivery" not in screen


def test_a_receipt_whose_delivery_was_closed_meanwhile_is_asked_about_and_booked_without_it(stage: Stage) -> None:
    coming(stage, "D-1", ["BOLT", 10, "", ""])
    stock, mona = stage.floor.stock, stage.as_("mona")
    with pytest.raises(Rejected, match="is not expected here"):
        stock.begin(stage.op(), mona, {"kind": "receive", "delivery": "D-2"})
    stock.begin(stage.op(), mona, {"kind": "receive", "target": "A-01", "delivery": "D-1"})
    stock.enter(stage.op(), mona, {"item": "BOLT", "quantity": 4})
    stage.floor.deliveries.close(stage.op(), mona, {"delivery": "D-1", "reason": "short"})
    op = stage.op()
    asked = stock.finish(op, mona, {})["ask"]
    assert asked == "delivery D-1 was closed meanwhile: receive these goods without it?"
    before = stage.stock("A-01", "BOLT")
    stock.finish(op, mona, {"confirm": True})
    assert stage.stock("A-01", "BOLT") == before + 4
    with stage.site.reading() as connection:
        document = openings.document_of(connection, op)
    assert document is not None and document.references == {}


def test_what_is_reversed_is_expected_again(stage: Stage) -> None:
    coming(stage, "D-1", ["BOLT", 10, "", ""])
    note = {"supplier": "ACME", "delivery_note": "N-1"}
    first = receive(stage, "D-1", 4, **note)
    rest = receive(stage, "D-1", 6)
    assert waiting(stage) == {}
    backwards = reverse(stage, rest["op_id"])
    assert waiting(stage) == {"D-1": [("BOLT", 4, 10)]}
    # By this the hub takes it off as well.
    with stage.site.reading() as connection:
        document = openings.document_of(connection, backwards)
    assert document is not None and document.references == {"delivery": "D-1"}
    assert "was received before" in receive(stage, "D-1", 6, **note)["ask"]
    reverse(stage, first["op_id"])
    assert waiting(stage) == {"D-1": [("BOLT", 0, 10)]}
    again = receive(stage, "D-1", 10, **note)
    assert again["open"] == {} and waiting(stage) == {}
    # What came beside an announced delivery changes nothing about it.
    beside = receive(stage, "D-1", 3, happened=True)
    reverse(stage, beside["op_id"])
    assert waiting(stage) == {}
    with pytest.raises(Rejected, match="was closed already"):
        receive(stage, "D-1", 1)


def test_a_delivery_that_was_closed_short_is_open_again_when_its_goods_are_reversed(stage: Stage) -> None:
    coming(stage, "D-1", ["BOLT", 10, "", ""])
    some = receive(stage, "D-1", 4)
    stage.floor.deliveries.close(stage.op(), stage.as_("mona"), {"delivery": "D-1", "reason": "short"})
    reverse(stage, some["op_id"])
    assert waiting(stage) == {"D-1": [("BOLT", 0, 10)]}


def test_a_note_of_a_document_in_parts_can_be_received_again_when_all_parts_are_reversed(stage: Stage) -> None:
    lines = [{"item": "BOLT", "quantity": 1, "target": "A-01"}] * 201
    wish = {"supplier": "ACME", "delivery_note": "N-1", "lines": lines}
    name = stage.floor.stock.receive(stage.op(), stage.as_("mona"), wish)["op_id"]
    with stage.site.reading() as connection:
        booked = [str(part.booked) for part in parts.of(connection, OpId.parse(name))]
    for part in booked:
        assert "was received before" in stage.floor.stock.receive(stage.op(), stage.as_("mona"), wish)["ask"]
        reverse(stage, part)
    assert stage.floor.stock.receive(stage.op(), stage.as_("mona"), wish)["state"] == "recorded"


# ---------------------------------------------------------------- orders


def test_an_order_of_the_hub_is_picked_once_and_waits_again_when_its_list_is_cancelled(stage: Stage) -> None:
    mona, picking = stage.as_("mona"), stage.floor.picking
    stage.receive({"item": "BOLT", "quantity": 8})
    going(stage, "SO-1", ["BOLT", 3], ["BOLT", 2], due="2026-12-24")
    going(stage, "SO-2", ["BOLT", 9], due="2026-12-01")
    going(stage, "SO-3", ["BOLT", 1])
    assert ordered(stage) == ["SO-2", "SO-1", "SO-3"]
    op = stage.op()
    assert picking.open(op, mona, {"order": "SO-1"})["missing"] == {}
    going(stage, "SO-1", ["BOLT", 4])  # the hub changes its mind: a retry is answered all the same
    assert picking.open(op, mona, {"order": "SO-1"})["list"] == str(op)
    with stage.site.reading() as connection:
        assert picking.show(connection, mona, op)["wanted"] == {"BOLT": 5}
    with pytest.raises(Rejected, match="has a pick list already"):
        picking.open(stage.op(), mona, {"order": "SO-1"})
    assert ordered(stage) == ["SO-2", "SO-3"]
    picking.cancel(stage.op(), mona, {"list": str(op), "reason": "later"})
    assert ordered(stage) == ["SO-2", "SO-1", "SO-3"]

    name = OpId.parse(picking.open(stage.op(), mona, {"order": "SO-2"})["list"])
    picking.begin(stage.op(), mona, {"list": str(name), "tote": "TOTE-1"})
    picking.pick(stage.op(), mona, {"list": str(name), "item": "BOLT", "quantity": 8, "source": "A-01"})
    picking.issue(stage.op(), mona, {"list": str(name), "confirm": True})
    assert ordered(stage) == ["SO-2", "SO-1", "SO-3"], "one of SO-2 has not left yet"
    going(stage, "SO-2", ["BOLT", 8])  # the hub changes its mind
    assert ordered(stage) == ["SO-1", "SO-3"]
    with pytest.raises(Rejected, match="was picked already"):
        picking.open(stage.op(), mona, {"order": "SO-2"})
    with pytest.raises(Rejected, match="nothing of this order is free"):
        picking.open(stage.op(), mona, {"order": "SO-1"})
    gone(stage, ORDERS, "SO-1")
    with pytest.raises(Rejected, match="no order SO-1 was announced"):
        picking.open(stage.op(), mona, {"order": "SO-1"})
    for lines in ([], "BOLT", [{"item": "BOLT"}]):
        with pytest.raises(Rejected):
            picking.open(stage.op(), mona, {"order": "SO-3", "lines": lines})
