"""What StockLedger refuses of those who write to it: strangers, wrong counts and transfers, bad items and places."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger import calls, control
from ledger.ids import OpId
from ledger.moves import QUANTITY_MAX
from ledger.words import struct
from tests.contracts import kit
from tests.contracts.kit import NODE, STRANGER, Result, line
from tests.contracts.refusal import (
    BOLT,
    ZERO,
    from_registry,
    from_writer,
    raw,
    refusal,
    tally,
)
from tests.contracts.shop import FAR, Shop

LINE, ROW = struct(calls.Line).abi, struct(calls.Settled).abi
BOOK = ["bytes32", "bytes32", "uint256", "bytes32", f"{LINE}[]"]
CONTROL = 8


# ---------------------------------------------------------------- StockLedger: who may write


@refusal("StockLedger", "only the writer")
def booking_by_the_node_itself(shop: Shop) -> Result:
    return from_writer(shop, "book", BOOK, FAR.word, b"\1" * 32, 0, ZERO, [raw(BOLT)], sender=NODE.address)


@refusal("StockLedger", "only the writer")
def taking_off_by_the_node_itself(shop: Shop) -> Result:
    return from_writer(shop, "take_off", ["bytes32", f"{ROW}[]"], FAR.word, [], sender=NODE.address)


@refusal("StockLedger", "only the writer")
def keeping_a_count_by_the_node_itself(shop: Shop) -> Result:
    return from_writer(shop, "keep_count", ["bytes32"] * 3, FAR.word, ZERO, ZERO, sender=NODE.address)


@refusal("StockLedger", "only the writer")
def posting_by_the_node_itself(shop: Shop) -> Result:
    types = [*["bytes32"] * 4, "uint256", "bytes32", f"{struct(calls.Compared).abi}[]"]
    return from_writer(shop, "post", types, FAR.word, ZERO, ZERO, ZERO, 1, ZERO, [], sender=NODE.address)


@refusal("StockLedger", "only the writer")
def claiming_by_the_node_itself(shop: Shop) -> Result:
    return from_writer(shop, "claim", ["bytes32"] * 2, FAR.word, b"\1" * 32, sender=NODE.address)


@refusal("StockLedger", "only the registry")
def a_writer_named_by_the_writer(shop: Shop) -> Result:
    return from_writer(shop, "set_writer", ["bytes32", "address"], FAR.word, STRANGER)


@refusal("StockLedger", "only the registry")
def items_from_the_writer(shop: Shop) -> Result:
    return from_writer(shop, "put_items", [f"{struct(control.Item).abi}[]"], [])


@refusal("StockLedger", "only the registry")
def locations_from_the_writer(shop: Shop) -> Result:
    return from_writer(shop, "put_locations", [f"{struct(control.Location).abi}[]"], [])


@refusal("StockLedger", "quantity out of range")
def a_settlement_of_one_too_many(shop: Shop) -> Result:
    """The ledger bounds it whatever rules a later writer has; with these, nothing so large can be dispatched."""
    ends = raw(line("BOLT", QUANTITY_MAX + 1, "IN_TRANSIT", "CUSTOMER"))
    record = shop.record(kit.items(("NUT", 0)))
    assert shop.apply(record).ok
    op_id = record.op_id(shop.sign(record))
    return from_writer(shop, "book", BOOK, op_id.word, ZERO, CONTROL, ZERO, [ends])


@refusal("StockLedger", "not a control record")
def a_settlement_under_the_op_id_of_a_document(shop: Shop) -> Result:
    return from_writer(shop, "book", BOOK, shop.bolts().word, ZERO, CONTROL, ZERO, [raw(BOLT)])


# ---------------------------------------------------------------- StockLedger: counts, reversals, transfers


@refusal("StockLedger", "line twice")
def the_same_goods_counted_in_two_lines(shop: Shop) -> Result:
    other = [calls.Counted(item="MILK", lot=f"L{number}", counted=1) for number in range(190)]
    return tally(shop, calls.Counted(item="BOLT", counted=1), *other, calls.Counted(item="BOLT", counted=2))


@refusal("StockLedger", "line twice")
def the_same_serial_counted_under_two_lots(shop: Shop) -> Result:
    return tally(shop, *(calls.Counted(item="CHIP", lot=lot, serial="S1", counted=1) for lot in ("L1", "L2")))


@refusal("StockLedger", "count differs")
def a_posting_with_another_expected(shop: Shop) -> Result:
    shop.bolts()
    call = shop.count("A", calls.Counted(item="BOLT", counted=8))
    return shop.do_approved(replace(call, lines=(replace(call.lines[0], expected=9),)), shop.bob)


@refusal("StockLedger", "count differs")
def a_posting_of_an_unstable_count_as_stable(shop: Shop) -> Result:
    call = shop.count("A", calls.Counted(item="BOLT", counted=8), opened=99)
    return shop.do_approved(replace(call, stable=True), shop.bob)


@refusal("StockLedger", "count differs")
def a_posting_into_another_bin(shop: Shop) -> Result:
    call = shop.count("A", calls.Counted(item="BOLT", counted=8))
    return shop.do_approved(replace(call, bin="B"), shop.bob)


@refusal("StockLedger", "count differs")
def a_posting_of_a_count_that_never_was(shop: Shop) -> Result:
    call = shop.count("A", calls.Counted(item="BOLT", counted=8))
    return shop.do_approved(replace(call, count=FAR), shop.bob)


@refusal("StockLedger", "count differs")
def a_posting_that_hides_who_counted(shop: Shop) -> Result:
    call = shop.count("A", calls.Counted(item="BOLT", counted=8))
    return shop.do_approved(replace(call, counter=shop.boss.actor), shop.bob)


@refusal("StockLedger", "already posted")
def a_line_posted_twice(shop: Shop) -> Result:
    call = shop.count("A", calls.Counted(item="BOLT", counted=8), calls.Counted(item="BOLT", status=2, counted=1))
    assert shop.do_approved(replace(call, select=1), shop.bob).ok
    return shop.do_approved(call, shop.bob)


@refusal("StockLedger", "already posted")
def an_empty_count_posted_twice(shop: Shop) -> Result:
    call = shop.count("A")
    assert shop.do_approved(call, shop.bob).ok
    return shop.do_approved(call, shop.bob)


@refusal("StockLedger", "item changed since")
def an_item_that_got_lots_between_count_and_posting(shop: Shop) -> Result:
    call = shop.count("A", calls.Counted(item="BOLT", counted=8))
    shop.order(kit.items(("BOLT", control.TRACK_LOT)))
    return shop.do_approved(call, shop.bob)


@refusal("StockLedger", "unknown operation")
def a_reversal_of_nothing(shop: Shop) -> Result:
    return shop.do_approved(calls.Reverse(actor=shop.ann.actor, of=FAR, lines=(BOLT,)), shop.bob)


@refusal("StockLedger", "lines differ")
def a_reversal_of_other_lines(shop: Shop) -> Result:
    of = shop.bring(BOLT)
    back = calls.Reverse(actor=shop.ann.actor, of=of, lines=(replace(BOLT, quantity=2),))
    return shop.do_approved(back, shop.bob)


@refusal("StockLedger", "lines differ")
def a_reversal_of_an_exception_document(shop: Shop) -> Result:
    of = shop.op()
    call = calls.ExceptDocument(actor=shop.ann.actor, location="A", reason="late", lines=(BOLT,))
    assert shop.do(call, of).ok
    return shop.do_approved(calls.Reverse(actor=shop.ann.actor, of=of, lines=(BOLT,)), shop.bob)


@refusal("StockLedger", "used up already")
def a_second_reversal(shop: Shop) -> Result:
    back = calls.Reverse(actor=shop.ann.actor, of=shop.bring(BOLT), lines=(BOLT,))
    shop.bring(BOLT)
    assert shop.do_approved(back, shop.bob).ok
    return shop.do_approved(back, shop.bob)


def take_off(shop: Shop, transfer: OpId, row: calls.Settled) -> Result:
    return from_writer(shop, "take_off", ["bytes32", f"{ROW}[]"], transfer.word, [raw(row)])


@refusal("StockLedger", "no such line")
def a_settlement_of_another_item(shop: Shop) -> Result:
    shop.bolts()
    transfer = shop.dispatch(line("BOLT", 4, "A", "IN_TRANSIT"))
    return take_off(shop, transfer, calls.Settled(index=0, item="MILK", quantity=1, target="CUSTOMER"))


@refusal("StockLedger", "no such line")
def a_settlement_of_an_unknown_transfer(shop: Shop) -> Result:
    return take_off(shop, FAR, calls.Settled(index=0, item="BOLT", quantity=1, target="CUSTOMER"))


@refusal("StockLedger", "more than is left")
def a_settlement_of_more_than_left(shop: Shop) -> Result:
    shop.bolts()
    transfer = shop.dispatch(line("BOLT", 4, "A", "IN_TRANSIT"))
    row = calls.Settled(index=0, item="BOLT", quantity=3, target="CUSTOMER")
    shop.order(control.SettlePayload(transfer=transfer, lines=(row,)))
    return take_off(shop, transfer, replace(row, quantity=2))


# ---------------------------------------------------------------- StockLedger: items and locations


def put_item(shop: Shop, **given: Any) -> Result:
    row = control.Item(**{"item": "NUT", "tracking": 0, "unit": "EA", "decimals": 0, **given})
    return from_registry(shop, "put_items", row)


@refusal("StockLedger", "bad item id")
def an_item_without_a_name(shop: Shop) -> Result:
    return put_item(shop, item="")


@refusal("StockLedger", "bad unit")
def a_unit_longer_than_28_bytes(shop: Shop) -> Result:
    return put_item(shop, unit="u" * 29)


@refusal("StockLedger", "bad tracking")
def a_fifth_way_to_track(shop: Shop) -> Result:
    return put_item(shop, tracking=4)


@refusal("StockLedger", "bad decimals")
def nineteen_decimals(shop: Shop) -> Result:
    return put_item(shop, decimals=19)


@refusal("StockLedger", "item has stock")
def another_unit_after_the_first_stock(shop: Shop) -> Result:
    shop.bolts()
    return put_item(shop, item="BOLT", unit="KG")


def put_place(shop: Shop, name: str, kind: int, parent: str = "") -> Result:
    return from_registry(shop, "put_locations", control.Location(location=name, kind=kind, parent=parent))


@refusal("StockLedger", "bad location id")
def a_place_without_a_name(shop: Shop) -> Result:
    return put_place(shop, "", control.BIN)


@refusal("StockLedger", "bad kind")
def a_new_virtual_place(shop: Shop) -> Result:
    return put_place(shop, "LIMBO", control.VIRTUAL)


@refusal("StockLedger", "bad kind")
def a_kind_that_is_a_virtual_code(shop: Shop) -> Result:
    return put_place(shop, "LIMBO", 8)


@refusal("StockLedger", "location had stock")
def a_bin_with_history_becomes_an_area(shop: Shop) -> Result:
    shop.bolts()
    return put_place(shop, "A", control.AREA)


@refusal("StockLedger", "bad parent")
def a_bin_in_a_bin(shop: Shop) -> Result:
    return put_place(shop, "C", control.BIN, "A")


@refusal("StockLedger", "bad parent")
def a_unit_in_a_virtual_place(shop: Shop) -> Result:
    return put_place(shop, "PALLET", control.UNIT, "IN_TRANSIT")


@refusal("StockLedger", "parents in a circle")
def an_area_in_its_own_part(shop: Shop) -> Result:
    assert put_place(shop, "AISLE", control.AREA, "YARD").ok
    return put_place(shop, "YARD", control.AREA, "AISLE")


@refusal("StockLedger", "parents too deep")
def a_ninth_level(shop: Shop) -> Result:
    above = "YARD"
    for level in range(7):
        assert put_place(shop, f"Z{level}", control.AREA, above).ok
        above = f"Z{level}"
    assert put_place(shop, "DEEP", control.BIN, above).ok
    assert put_place(shop, "Z7", control.AREA, above).ok
    return put_place(shop, "DEEPER", control.BIN, "Z7")
