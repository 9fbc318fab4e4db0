"""What StockLedger refuses of a document: unknown names, odd shapes, absent stock, used op_ids."""

from __future__ import annotations

from dataclasses import replace

from ledger import calls, control
from ledger.ids import OpId
from ledger.moves import QUANTITY_MAX, STOCK_MAX
from tests.contracts import kit
from tests.contracts.kit import STRANGER, Result, line
from tests.contracts.refusal import (
    BOLT,
    ZERO,
    from_registry,
    move,
    receive,
    refusal,
    tally,
)
from tests.contracts.shop import FAR, Shop

# ---------------------------------------------------------------- StockLedger: names and shapes


@refusal("StockLedger", "unknown item")
def an_item_that_the_hub_never_named(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, item="GHOST"))


@refusal("StockLedger", "unknown item")
def a_count_of_an_unknown_item(shop: Shop) -> Result:
    return tally(shop, calls.Counted(item="GHOST", counted=1))


@refusal("StockLedger", "unknown item")
def an_empty_item(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, item=""))


@refusal("StockLedger", "unknown location")
def an_unknown_target(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, target="NOWHERE"))


@refusal("StockLedger", "unknown location")
def an_empty_source(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, source=""))


@refusal("StockLedger", "unknown location")
def a_count_of_an_unknown_bin(shop: Shop) -> Result:
    return tally(shop, bin_="NOWHERE")


@refusal("StockLedger", "virtual location")
def a_count_of_a_virtual_place(shop: Shop) -> Result:
    return tally(shop, bin_="CUSTOMER")


@refusal("StockLedger", "virtual location")
def a_virtual_place_is_not_renamed(shop: Shop) -> Result:
    return from_registry(shop, "put_locations", control.Location(location="SHRINKAGE", kind=1))


@refusal("StockLedger", "an area holds no stock")
def goods_into_an_area(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, target="YARD"))


@refusal("StockLedger", "unknown status")
def a_status_beyond_its_bits(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, status=8))


@refusal("StockLedger", "unknown status")
def a_counted_status_beyond_its_bits(shop: Shop) -> Result:
    return tally(shop, calls.Counted(item="BOLT", counted=1, status=2**255))


@refusal("StockLedger", "same place twice")
def from_a_bin_to_itself(shop: Shop) -> Result:
    shop.bolts()
    return move(shop, line("BOLT", 1, "A", "A"))


@refusal("StockLedger", "quantity out of range")
def a_quantity_of_nothing(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, quantity=0))


@refusal("StockLedger", "quantity out of range")
def a_quantity_of_one_too_many(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, quantity=QUANTITY_MAX + 1))


@refusal("StockLedger", "quantity out of range")
def a_quantity_that_would_wrap_around(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, quantity=2**256 - 1))


@refusal("StockLedger", "quantity out of range")
def a_count_of_one_too_many(shop: Shop) -> Result:
    return tally(shop, calls.Counted(item="BOLT", counted=QUANTITY_MAX + 1))


@refusal("StockLedger", "stock out of range")
def more_in_a_bin_than_tables_can_hold(shop: Shop) -> Result:
    shop.store_stock("A", "BOLT", STOCK_MAX)
    return receive(shop, BOLT)


@refusal("StockLedger", "stock out of range")
def more_from_the_suppliers_than_tables_can_hold(shop: Shop) -> Result:
    shop.store_stock("SUPPLIER", "BOLT", -STOCK_MAX)
    return receive(shop, BOLT)


@refusal("StockLedger", "stock out of range")
def a_count_that_finds_more_than_tables_can_hold(shop: Shop) -> Result:
    post = shop.count("A", calls.Counted(item="BOLT", counted=1))
    shop.store_stock("A", "BOLT", STOCK_MAX)
    return shop.do_approved(post, shop.bob)


@refusal("StockLedger", "stock out of range")
def a_count_that_loses_more_than_tables_can_hold(shop: Shop) -> Result:
    shop.bolts(1)
    post = shop.count("A", calls.Counted(item="BOLT", counted=0))
    shop.store_stock("SHRINKAGE", "BOLT", STOCK_MAX)
    return shop.do_approved(post, shop.bob)


@refusal("StockLedger", "bad lot")
def a_lot_that_is_no_text(shop: Shop) -> Result:
    call = calls.Receive(actor=shop.ann.actor, lines=(line("MILK", 1, "SUPPLIER", "A", lot="L1"),))
    return shop.raw(call, {6: b"L1".ljust(31, b"\0") + bytes([1])})


@refusal("StockLedger", "bad lot")
def a_lot_whose_length_reaches_into_the_status(shop: Shop) -> Result:
    call = calls.Receive(actor=shop.ann.actor, lines=(line("MILK", 1, "SUPPLIER", "A", lot="L1"),))
    return shop.raw(call, {6: b"L1".ljust(31, b"\0") + bytes([2 | 1 << 5])})


@refusal("StockLedger", "bad lot")
def a_counted_lot_that_is_no_text(shop: Shop) -> Result:
    call = calls.RecordCount(
        actor=shop.cid.actor,
        session=FAR,
        bin="A",
        round=0,
        opened=0,
        whole=True,
        scans=ZERO,
        lines=(calls.Counted(item="MILK", lot="L1", counted=1),),
    )
    return shop.raw(call, {12: b"\1" * 32})


@refusal("StockLedger", "bad serial")
def a_serial_that_is_no_text(shop: Shop) -> Result:
    call = calls.Receive(actor=shop.ann.actor, lines=(line("PUMP", 1, "SUPPLIER", "A", serial="S1"),))
    return shop.raw(call, {7: b"\1" * 32})


@refusal("StockLedger", "bad serial")
def a_counted_serial_that_is_no_text(shop: Shop) -> Result:
    call = calls.RecordCount(
        actor=shop.cid.actor,
        session=FAR,
        bin="A",
        round=0,
        opened=0,
        whole=True,
        scans=ZERO,
        lines=(calls.Counted(item="PUMP", serial="S1", counted=1),),
    )
    return shop.raw(call, {13: b"S1".ljust(32, b"\0")})


# ---------------------------------------------------------------- StockLedger: stock and serials


@refusal("StockLedger", "not enough stock")
def more_than_a_bin_holds(shop: Shop) -> Result:
    shop.bolts(5)
    return move(shop, line("BOLT", 6, "A", "B"))


@refusal("StockLedger", "not enough stock")
def a_second_line_takes_what_the_first_took(shop: Shop) -> Result:
    shop.bolts(5)
    return move(shop, line("BOLT", 4, "A", "B"), line("BOLT", 2, "A", "B"))


@refusal("StockLedger", "not enough stock")
def stock_of_another_status(shop: Shop) -> Result:
    shop.bring(line("BOLT", 5, "SUPPLIER", "A", status=2))
    return move(shop, line("BOLT", 1, "A", "B"))


@refusal("StockLedger", "not enough stock")
def a_reversal_of_goods_that_have_gone(shop: Shop) -> Result:
    of = shop.bolts(5)
    assert move(shop, line("BOLT", 5, "A", "B")).ok
    back = calls.Reverse(actor=shop.ann.actor, of=of, lines=(line("BOLT", 5, "SUPPLIER", "A"),))
    return shop.do_approved(back, shop.bob)


@refusal("StockLedger", "a serial is one piece")
def two_of_one_serial(shop: Shop) -> Result:
    return receive(shop, line("PUMP", 2, "SUPPLIER", "A", serial="S1"))


@refusal("StockLedger", "a serial is one piece")
def two_counted_of_one_serial(shop: Shop) -> Result:
    return tally(shop, calls.Counted(item="PUMP", serial="S1", counted=2))


@refusal("StockLedger", "serial is not there")
def a_serial_from_a_bin_where_it_is_not(shop: Shop) -> Result:
    shop.bring(line("PUMP", 1, "SUPPLIER", "A", serial="S1"), line("PUMP", 1, "SUPPLIER", "B", serial="S2"))
    return move(shop, line("PUMP", 1, "A", "B", serial="S2"))


@refusal("StockLedger", "serial has another lot or status")
def a_serial_under_another_lot(shop: Shop) -> Result:
    first, second = (line("CHIP", 1, "SUPPLIER", "A", lot=f"L{number}", serial=f"S{number}") for number in (1, 2))
    shop.bring(first, second)
    return move(shop, line("CHIP", 1, "A", "B", lot="L2", serial="S1"))


@refusal("StockLedger", "serial has another lot or status")
def a_serial_under_another_status(shop: Shop) -> Result:
    shop.bring(line("PUMP", 1, "SUPPLIER", "A", serial="S1", status=2))
    return move(shop, line("PUMP", 1, "A", "B", serial="S1"))


@refusal("StockLedger", "serial is elsewhere")
def a_serial_received_twice(shop: Shop) -> Result:
    shop.bring(line("PUMP", 1, "SUPPLIER", "A", serial="S1"))
    return receive(shop, line("PUMP", 1, "SUPPLIER", "B", serial="S1"))


@refusal("StockLedger", "serial is elsewhere")
def a_serial_twice_in_one_document(shop: Shop) -> Result:
    return receive(shop, *(line("PUMP", 1, "SUPPLIER", to, serial="S1") for to in ("A", "B")))


# ---------------------------------------------------------------- StockLedger: one effect per op_id


@refusal("StockLedger", "used")
def the_same_document_again(shop: Shop) -> Result:
    return receive(shop, BOLT, op_id=shop.bring(BOLT))


@refusal("StockLedger", "used")
def another_call_under_a_used_op_id(shop: Shop) -> Result:
    op_id = shop.bolts()
    return shop.do(calls.Bind(actor=shop.cid.actor, key=STRANGER, code=ZERO), op_id)


@refusal("StockLedger", "used")
def a_note_under_a_used_op_id(shop: Shop) -> Result:
    return shop.do(calls.Note(actor=None, kind="start", subject=ZERO), shop.bolts())


@refusal("StockLedger", "used")
def goods_under_the_op_id_of_a_control_record(shop: Shop) -> Result:
    record = shop.record(kit.items(("NUT", 0)))
    assert shop.apply(record).ok
    return receive(shop, BOLT, op_id=record.op_id(shop.sign(record)))


@refusal("StockLedger", "used")
def the_same_control_record_again(shop: Shop) -> Result:
    record = shop.record(kit.items(("NUT", 0)))
    assert shop.apply(record).ok
    return shop.apply(record)


@refusal("StockLedger", "used up already")
def the_same_reversal_again(shop: Shop) -> Result:
    back = calls.Reverse(actor=shop.ann.actor, of=shop.bring(BOLT), lines=(BOLT,))
    op_id = shop.op()
    assert shop.do_approved(back, shop.bob, op_id).ok
    return shop.do_approved(back, shop.bob, op_id)


@refusal("StockLedger", "bad op_id")
def an_op_id_of_seventeen_bytes(shop: Shop) -> Result:
    call = calls.Receive(actor=shop.ann.actor, lines=(BOLT,))
    return shop.raw(call, {0: b"\1" * 17 + bytes(15)})


@refusal("StockLedger", "bad op_id")
def an_empty_op_id(shop: Shop) -> Result:
    return receive(shop, BOLT, op_id=OpId(bytes(16)))
