"""What is refused of holds and reservations."""

from __future__ import annotations

from dataclasses import replace

from ledger import calls
from ledger.ids import OpId
from ledger.moves import DAMAGE, EXPIRED
from ledger.words import struct
from tests.contracts import kit
from tests.contracts.kit import Result, line
from tests.contracts.refusal import BOLT, move, raw, receive, refusal
from tests.contracts.shop import FAR, Shop

BOLTS = calls.Goods(item="BOLT", quantity=4, location="A")
WANTED = calls.Promised(item="BOLT", quantity=4, location="A")
ALL = calls.Freed(index=1, item="BOLT", status=DAMAGE, quantity=4, location="A")


def hold(shop: Shop, *lines: calls.Goods, held: int = DAMAGE, op_id: OpId | None = None) -> Result:
    return shop.do(calls.Hold(actor=shop.ann.actor, held=held, lines=lines), op_id)


def held_bolts(shop: Shop) -> OpId:
    """Ten bolts, four of them held by Ann."""
    shop.bolts(10)
    op_id = shop.op()
    result = hold(shop, BOLTS, op_id=op_id)
    assert result.ok, result.reason
    return op_id


def release(shop: Shop, of: OpId, *lines: calls.Freed, who: kit.Person | None = None) -> Result:
    who = who or shop.bob
    return shop.do_approved(calls.Release(actor=who.actor, hold=of, lines=lines), who)


def reserve(shop: Shop, *lines: calls.Promised, op_id: OpId | None = None) -> Result:
    return shop.do(calls.Reserve(actor=shop.ann.actor, lines=lines), op_id)


def reserved_bolts(shop: Shop) -> OpId:
    """Ten bolts, four of them promised."""
    shop.bolts(10)
    op_id = shop.op()
    assert reserve(shop, WANTED, op_id=op_id).ok
    return op_id


# ---------------------------------------------------------------- status


@refusal("InventoryManager", "not a held status")
def a_hold_that_frees(shop: Shop) -> Result:
    shop.bring(line("BOLT", 4, "SUPPLIER", "A", status=DAMAGE))
    return hold(shop, replace(BOLTS, status=DAMAGE), held=0)


@refusal("InventoryManager", "unknown status")
def a_hold_of_a_status_that_is_none(shop: Shop) -> Result:
    shop.bolts()
    return hold(shop, BOLTS, held=4)


@refusal("InventoryManager", "held already")
def the_same_hold_of_what_it_holds(shop: Shop) -> Result:
    held_bolts(shop)
    return hold(shop, replace(BOLTS, status=DAMAGE))


@refusal("InventoryManager", "no lines")
def a_hold_of_nothing(shop: Shop) -> Result:
    return hold(shop)


@refusal("InventoryManager", "wrong source")
def a_hold_of_what_a_customer_has(shop: Shop) -> Result:
    return hold(shop, replace(BOLTS, location="CUSTOMER"))


@refusal("InventoryManager", "role missing")
def a_hold_by_a_counter(shop: Shop) -> Result:
    shop.bolts()
    return shop.do(calls.Hold(actor=shop.cid.actor, held=DAMAGE, lines=(BOLTS,)))


@refusal("InventoryManager", "releaser held this")
def a_release_by_who_held(shop: Shop) -> Result:
    return release(shop, held_bolts(shop), ALL, who=shop.ann)


@refusal("InventoryManager", "releaser held this")
def a_release_by_who_took_the_goods_in_held(shop: Shop) -> Result:
    of = shop.bring(line("BOLT", 4, "CUSTOMER", "A", status=DAMAGE))
    return release(shop, of, replace(ALL, index=0), who=shop.ann)


@refusal("InventoryManager", "not a hold")
def a_release_that_names_a_receipt(shop: Shop) -> Result:
    held_bolts(shop)
    return release(shop, shop.bolts(), ALL)


@refusal("InventoryManager", "not held")
def a_release_of_free_goods(shop: Shop) -> Result:
    return release(shop, held_bolts(shop), replace(ALL, index=0, status=0))


@refusal("InventoryManager", "role missing")
def a_release_by_who_may_only_hold(shop: Shop) -> Result:
    return release(shop, held_bolts(shop), ALL, who=shop.person(5, kit.HOLD))


@refusal("InventoryManager", "not signed by the approver")
def a_release_of_more_than_was_signed(shop: Shop) -> Result:
    of, op_id = held_bolts(shop), shop.op()
    signed = shop.approve(
        calls.Release(actor=shop.bob.actor, hold=of, lines=(replace(ALL, quantity=1),)), op_id, shop.bob
    )
    return shop.do(replace(signed, lines=(ALL,)), op_id)


@refusal("StockLedger", "more than is left")
def a_release_of_more_than_the_hold_had(shop: Shop) -> Result:
    of = held_bolts(shop)
    assert hold(shop, BOLTS).ok
    return release(shop, of, replace(ALL, quantity=5))


@refusal("StockLedger", "more than is left")
def the_same_release_again(shop: Shop) -> Result:
    of = held_bolts(shop)
    assert hold(shop, BOLTS).ok
    assert release(shop, of, ALL).ok
    return release(shop, of, ALL)


@refusal("StockLedger", "no such line")
def a_release_of_another_status_than_the_hold_gave(shop: Shop) -> Result:
    of = held_bolts(shop)
    assert hold(shop, BOLTS, held=EXPIRED).ok
    return release(shop, of, replace(ALL, status=EXPIRED))


@refusal("StockLedger", "not enough stock")
def a_release_where_the_goods_are_not(shop: Shop) -> Result:
    return release(shop, held_bolts(shop), replace(ALL, location="B"))


@refusal("InventoryManager", "returned goods arrive held")
def a_return_that_arrives_free(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, source="CUSTOMER"))


@refusal("InventoryManager", "held stock stays")
def an_issue_of_damaged_goods(shop: Shop) -> Result:
    held_bolts(shop)
    lines = (line("BOLT", 1, "A", "CUSTOMER", status=DAMAGE),)
    return shop.do(calls.Issue(actor=shop.ann.actor, lines=lines))


@refusal("InventoryManager", "held stock stays")
def a_pick_of_damaged_goods(shop: Shop) -> Result:
    held_bolts(shop)
    lines = (line("BOLT", 1, "A", "B", status=DAMAGE),)
    return shop.do(calls.Pick(actor=shop.ann.actor, reservation=FAR, lines=lines))


@refusal("InventoryManager", "held stock stays")
def a_reservation_of_damaged_goods(shop: Shop) -> Result:
    held_bolts(shop)
    return reserve(shop, replace(WANTED, status=DAMAGE))


@refusal("InventoryManager", "not a dispatch")
def a_settlement_of_held_goods(shop: Shop) -> Result:
    """Held goods are remembered as those under way are; the hub's word on a transfer must not reach them."""
    row = calls.Settled(index=1, item="BOLT", status=DAMAGE, quantity=4, target="CUSTOMER")
    types = ["bytes32", "bytes32", f"{struct(calls.Settled).abi}[]"]
    contracts = shop.contracts
    of = held_bolts(shop)
    return shop.direct(
        contracts.registry, contracts.manager, "settle_transfer", types, shop.op().word, of.word, [raw(row)]
    )


@refusal("InventoryManager", "item has no lots")
def bolts_relabelled_with_a_lot(shop: Shop) -> Result:
    shop.bolts()
    return shop.do(calls.Relabel(actor=shop.ann.actor, lot="L1", lines=(BOLTS,)))


@refusal("InventoryManager", "role missing")
def a_relabelling_by_a_counter(shop: Shop) -> Result:
    shop.bolts()
    return shop.do(calls.Relabel(actor=shop.cid.actor, lot="", lines=(BOLTS,)))


# ---------------------------------------------------------------- reservations


@refusal("StockLedger", "stock is reserved")
def a_move_of_promised_goods(shop: Shop) -> Result:
    reserved_bolts(shop)
    return move(shop, line("BOLT", 7, "A", "B"))


@refusal("StockLedger", "stock is reserved")
def a_pick_for_one_order_of_what_another_has(shop: Shop) -> Result:
    reserved_bolts(shop)
    of = shop.op()
    assert reserve(shop, replace(WANTED, quantity=6), op_id=of).ok
    lines = (line("BOLT", 7, "A", "B"),)
    return shop.do(calls.Pick(actor=shop.ann.actor, reservation=of, lines=lines))


@refusal("StockLedger", "stock is reserved")
def a_dispatch_of_promised_goods(shop: Shop) -> Result:
    reserved_bolts(shop)
    lines = (line("BOLT", 7, "A", "IN_TRANSIT"),)
    return shop.do_approved(calls.Dispatch(actor=shop.ann.actor, receiver="bergen", lines=lines), shop.ann)


@refusal("StockLedger", "stock is reserved")
def a_reservation_of_what_is_promised_already(shop: Shop) -> Result:
    reserved_bolts(shop)
    return reserve(shop, replace(WANTED, quantity=7))


@refusal("StockLedger", "stock is reserved")
def a_reversal_of_a_receipt_that_is_promised(shop: Shop) -> Result:
    of = shop.bolts(4)
    assert reserve(shop, WANTED).ok
    back = calls.Reverse(actor=shop.ann.actor, of=of, lines=(line("BOLT", 4, "SUPPLIER", "A"),))
    return shop.do_approved(back, shop.bob)


@refusal("StockLedger", "not a real location")
def a_reservation_of_what_a_customer_has(shop: Shop) -> Result:
    shop.bolts()
    assert shop.do(calls.Issue(actor=shop.ann.actor, lines=(line("BOLT", 4, "A", "CUSTOMER"),))).ok
    return reserve(shop, replace(WANTED, location="CUSTOMER"))


@refusal("StockLedger", "quantity out of range")
def a_reservation_of_nothing_of_a_thing(shop: Shop) -> Result:
    shop.bolts()
    return reserve(shop, replace(WANTED, quantity=0))


@refusal("StockLedger", "quantity out of range")
def a_reservation_that_would_wrap_around(shop: Shop) -> Result:
    reserved_bolts(shop)
    return reserve(shop, replace(WANTED, quantity=2**256 - 1))


@refusal("InventoryManager", "no lines")
def a_reservation_of_no_line(shop: Shop) -> Result:
    return reserve(shop)


@refusal("InventoryManager", "role missing")
def a_reservation_by_a_counter(shop: Shop) -> Result:
    shop.bolts()
    return shop.do(calls.Reserve(actor=shop.cid.actor, lines=(WANTED,)))


def unreserve(shop: Shop, of: OpId, *lines: calls.Promised) -> Result:
    return shop.do(calls.Unreserve(actor=shop.ann.actor, reservation=of, lines=lines))


@refusal("StockLedger", "more than is reserved")
def more_given_back_than_the_reservation_has(shop: Shop) -> Result:
    of = reserved_bolts(shop)
    assert reserve(shop, WANTED).ok
    return unreserve(shop, of, replace(WANTED, quantity=5))


@refusal("StockLedger", "quantity out of range")
def nothing_given_back(shop: Shop) -> Result:
    return unreserve(shop, reserved_bolts(shop), replace(WANTED, quantity=0))


@refusal("InventoryManager", "no lines")
def no_line_given_back(shop: Shop) -> Result:
    return unreserve(shop, reserved_bolts(shop))
