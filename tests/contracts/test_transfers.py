"""Goods between two sites: sent here, accepted there, settled by the hub."""

from __future__ import annotations

from ledger import calls, control, events
from tests.contracts.kit import line
from tests.contracts.shop import FAR, Shop


def settled(index: int, quantity: int, target: str, item: str = "BOLT", serial: str = "") -> calls.Settled:
    return calls.Settled(index=index, item=item, serial=serial, quantity=quantity, target=target)


def under_way(shop: Shop, transfer: object, index: int) -> int:
    words = (transfer.word, index)  # type: ignore[attr-defined]
    return int(shop.view(shop.contracts.ledger, "left_of(bytes32,uint256)", "uint256", *words)[0])


def test_a_dispatch_is_signed_by_who_sends_it(shop: Shop) -> None:
    shop.bolts(10)
    op_id = shop.op()
    lines = (line("BOLT", 6, "A", "IN_TRANSIT"),)
    call = calls.Dispatch(actor=shop.ann.actor, receiver="bergen", lines=lines)
    result = shop.do_approved(call, shop.ann, op_id)
    assert [type(event).__name__ for event in result.events] == ["Recorded", "Dispatched", "Moved"]
    assert result.events[1] == events.Dispatched(op_id=op_id, receiver="bergen")
    assert (shop.stock("A", "BOLT"), shop.stock("IN_TRANSIT", "BOLT")) == (4, 6)
    assert under_way(shop, op_id, 0) == 6


def test_a_transfer_arrives_short(shop: Shop) -> None:
    op_id = shop.op()
    rows = (
        calls.Accepted(index=0, item="BOLT", quantity=4, missing=2, target="A"),
        calls.Accepted(index=3, item="MILK", lot="L1", quantity=0, missing=5, target="A"),
        calls.Accepted(index=1, item="PUMP", serial="S1", quantity=1, target="B"),
    )
    call = calls.AcceptTransfer(actor=shop.ann.actor, transfer=FAR, sender="bergen", lines=rows)
    result = shop.do_approved(call, shop.ann, op_id)
    assert result.events[1] == events.Accepted(op_id=op_id, transfer=FAR, sender="bergen")
    told = [(each.line, each.index, each.missing) for each in result.of(events.AcceptedLine)]
    assert told == [(0, 0, 2), (1, 3, 5), (2, 1, 0)]
    assert [(each.line, each.item) for each in result.of(events.Moved)] == [(0, "BOLT"), (2, "PUMP")]
    assert (shop.stock("A", "BOLT"), shop.stock("IN_TRANSIT", "BOLT")) == (4, -4)
    assert shop.place_of("PUMP", "S1") == "B"


def test_nothing_of_a_transfer_arrives(shop: Shop) -> None:
    rows = (calls.Accepted(index=0, item="BOLT", quantity=0, missing=6, target="A"),)
    call = calls.AcceptTransfer(actor=shop.ann.actor, transfer=FAR, sender="bergen", lines=rows)
    result = shop.do_approved(call, shop.ann)
    assert [type(event).__name__ for event in result.events] == ["Recorded", "Accepted", "AcceptedLine"]


def test_the_hub_settles_in_parts_what_was_taken_lost_and_returned(shop: Shop) -> None:
    shop.bolts(10)
    transfer = shop.dispatch(line("BOLT", 6, "A", "IN_TRANSIT"), line("BOLT", 4, "A", "IN_TRANSIT"))
    first = shop.order(control.SettlePayload(transfer=transfer, lines=(settled(0, 4, "CUSTOMER"),)))
    assert [type(event).__name__ for event in first.events] == ["Settled", "Moved", "ControlApplied"]
    assert first.events[0].transfer == transfer
    rows = (settled(0, 1, "SHRINKAGE"), settled(0, 1, "A"), settled(1, 4, "B"))
    shop.order(control.SettlePayload(transfer=transfer, lines=rows))
    places = ("A", "B", "IN_TRANSIT", "CUSTOMER", "SHRINKAGE")
    assert [shop.stock(place, "BOLT") for place in places] == [1, 4, 0, 4, 1]
    assert under_way(shop, transfer, 0) == under_way(shop, transfer, 1) == 0


def test_never_more_than_was_dispatched_is_settled(shop: Shop) -> None:
    shop.bolts(10)
    transfer = shop.dispatch(line("BOLT", 6, "A", "IN_TRANSIT"))
    shop.dispatch(line("BOLT", 4, "A", "IN_TRANSIT"))
    for rows in (
        (settled(0, 7, "CUSTOMER"),),
        (settled(0, 4, "CUSTOMER"), settled(0, 3, "A")),
        (settled(1, 1, "CUSTOMER"),),
        (settled(0, 1, "CUSTOMER", item="MILK"),),
        (settled(0, 1, "SUPPLIER"),),
        (settled(0, 1, "SHUT"),),
        (settled(0, 0, "CUSTOMER"),),
        (),
    ):
        shop.refuse(control.SettlePayload(transfer=transfer, lines=rows))
    assert (shop.stock("IN_TRANSIT", "BOLT"), shop.stock("CUSTOMER", "BOLT")) == (10, 0)
    assert under_way(shop, transfer, 0) == 6


def test_a_serial_that_came_back_before_the_settlement_stays_where_it_is(shop: Shop) -> None:
    shop.bring(line("PUMP", 1, "SUPPLIER", "A", serial="S1"))
    transfer = shop.dispatch(line("PUMP", 1, "A", "IN_TRANSIT", serial="S1"))
    rows = (calls.Accepted(index=0, item="PUMP", serial="S1", quantity=1, target="B"),)
    back = calls.AcceptTransfer(actor=shop.ann.actor, transfer=FAR, sender="bergen", lines=rows)
    assert shop.do_approved(back, shop.ann).ok
    shop.refuse(control.SettlePayload(transfer=transfer, lines=(settled(0, 1, "A", "PUMP", "S1"),)))
    result = shop.order(control.SettlePayload(transfer=transfer, lines=(settled(0, 1, "CUSTOMER", "PUMP", "S1"),)))
    assert [each.location for each in result.of(events.SerialElsewhere)] == ["B"]
    assert shop.place_of("PUMP", "S1") == "B"
    assert [shop.stock(place, "PUMP") for place in ("B", "CUSTOMER", "IN_TRANSIT")] == [1, 1, -1]
