"""What InventoryManager refuses: against the rules of goods, without the role, without a good approval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger import calls, control
from ledger.ids import Actor, OpId
from ledger.moves import QUANTITY_MAX
from tests.contracts import kit
from tests.contracts.kit import Result, line
from tests.contracts.refusal import (
    BOLT,
    ZERO,
    adjust,
    move,
    receive,
    refusal,
    tally,
)
from tests.contracts.shop import FAR, Shop

# ---------------------------------------------------------------- InventoryManager: rules of goods


@refusal("InventoryManager", "no lines")
def a_receipt_of_nothing(shop: Shop) -> Result:
    return receive(shop)


@refusal("InventoryManager", "no lines")
def a_dispatch_of_nothing(shop: Shop) -> Result:
    return shop.do_approved(calls.Dispatch(actor=shop.ann.actor, receiver="bergen", lines=()), shop.ann)


@refusal("InventoryManager", "no lines")
def an_acceptance_of_nothing(shop: Shop) -> Result:
    call = calls.AcceptTransfer(actor=shop.ann.actor, transfer=FAR, sender="bergen", lines=())
    return shop.do_approved(call, shop.ann)


@refusal("InventoryManager", "wrong source")
def a_receipt_from_a_bin(shop: Shop) -> Result:
    shop.bolts()
    return receive(shop, line("BOLT", 1, "A", "B"))


@refusal("InventoryManager", "wrong source")
def a_move_from_the_supplier(shop: Shop) -> Result:
    return move(shop, BOLT)


@refusal("InventoryManager", "wrong source")
def a_count_of_an_area(shop: Shop) -> Result:
    return tally(shop, bin_="YARD")


@refusal("InventoryManager", "wrong target")
def a_receipt_into_a_closed_place(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, target="SHUT"))


@refusal("InventoryManager", "wrong target")
def a_move_to_the_customer(shop: Shop) -> Result:
    shop.bolts()
    return move(shop, line("BOLT", 1, "A", "CUSTOMER"))


@refusal("InventoryManager", "wrong target")
def a_dispatch_to_a_bin(shop: Shop) -> Result:
    shop.bolts()
    call = calls.Dispatch(actor=shop.ann.actor, receiver="bergen", lines=(line("BOLT", 1, "A", "B"),))
    return shop.do_approved(call, shop.ann)


@refusal("InventoryManager", "lot missing")
def milk_without_a_lot(shop: Shop) -> Result:
    return receive(shop, line("MILK", 1, "SUPPLIER", "A"))


@refusal("InventoryManager", "lot missing")
def milk_counted_without_a_lot(shop: Shop) -> Result:
    return tally(shop, calls.Counted(item="MILK", counted=1))


@refusal("InventoryManager", "serial missing")
def a_pump_without_a_serial(shop: Shop) -> Result:
    return receive(shop, line("PUMP", 1, "SUPPLIER", "A"))


@refusal("InventoryManager", "item has no lots")
def bolts_with_a_lot(shop: Shop) -> Result:
    return receive(shop, line("BOLT", 1, "SUPPLIER", "A", lot="L1"))


@refusal("InventoryManager", "item has no serials")
def a_bolt_with_a_serial(shop: Shop) -> Result:
    return receive(shop, line("BOLT", 1, "SUPPLIER", "A", serial="S1"))


@refusal("InventoryManager", "unknown status")
def a_fifth_status(shop: Shop) -> Result:
    return receive(shop, replace(BOLT, status=4))


@refusal("InventoryManager", "not an adjustment")
def an_adjustment_from_bin_to_bin(shop: Shop) -> Result:
    shop.bolts()
    return adjust(shop, line("BOLT", 1, "A", "B"))


@refusal("InventoryManager", "cannot be reversed")
def a_reversal_of_a_reversal(shop: Shop) -> Result:
    op_id = shop.op()
    of = shop.bring(BOLT)
    shop.bolts()
    assert shop.do_approved(calls.Reverse(actor=shop.ann.actor, of=of, lines=(BOLT,)), shop.bob, op_id).ok
    return shop.do_approved(calls.Reverse(actor=shop.ann.actor, of=op_id, lines=(BOLT,)), shop.bob)


@refusal("InventoryManager", "held stock stays")
def a_dispatch_of_damaged_goods(shop: Shop) -> Result:
    shop.bring(line("BOLT", 5, "SUPPLIER", "A", status=2))
    lines = (line("BOLT", 1, "A", "IN_TRANSIT", status=2),)
    return shop.do_approved(calls.Dispatch(actor=shop.ann.actor, receiver="bergen", lines=lines), shop.ann)


@refusal("InventoryManager", "no receiver")
def a_dispatch_to_nobody(shop: Shop) -> Result:
    shop.bolts()
    lines = (line("BOLT", 1, "A", "IN_TRANSIT"),)
    return shop.do_approved(calls.Dispatch(actor=shop.ann.actor, receiver="", lines=lines), shop.ann)


def accept(shop: Shop, **given: Any) -> Result:
    row = calls.Accepted(**{"index": 0, "item": "BOLT", "quantity": 1, "target": "A", **given})
    call = calls.AcceptTransfer(actor=shop.ann.actor, transfer=FAR, sender="bergen", lines=(row,))
    return shop.do_approved(call, shop.ann)


@refusal("InventoryManager", "neither arrived nor missing")
def an_acceptance_line_that_says_nothing(shop: Shop) -> Result:
    return accept(shop, quantity=0)


@refusal("InventoryManager", "quantity out of range")
def more_missing_than_there_can_be(shop: Shop) -> Result:
    return accept(shop, missing=QUANTITY_MAX + 1)


def except_for(shop: Shop, **given: Any) -> Result:
    lines = (replace(line("BOLT", 1, "A", "B"), **given),)
    return shop.do(calls.ExceptDocument(actor=shop.ann.actor, location="A", reason="late", lines=lines))


@refusal("InventoryManager", "quantity out of range")
def an_exception_of_one_too_many(shop: Shop) -> Result:
    return except_for(shop, quantity=QUANTITY_MAX + 1)


@refusal("InventoryManager", "unknown status")
def an_exception_with_a_status_that_is_none(shop: Shop) -> Result:
    return except_for(shop, status=4)


@refusal("InventoryManager", "no transfer")
def an_acceptance_from_nobody(shop: Shop) -> Result:
    row = calls.Accepted(index=0, item="BOLT", quantity=1, target="A")
    call = calls.AcceptTransfer(actor=shop.ann.actor, transfer=FAR, sender="", lines=(row,))
    return shop.do_approved(call, shop.ann)


@refusal("InventoryManager", "only the registry")
def a_settlement_by_the_node_itself(shop: Shop) -> Result:
    row = calls.Settled(index=0, item="BOLT", quantity=1, target="CUSTOMER")
    return shop.do(calls.SettleTransfer(transfer=FAR, lines=(row,)))


# ---------------------------------------------------------------- InventoryManager: roles and approvals


@refusal("InventoryManager", "role missing")
def a_receipt_by_a_counter(shop: Shop) -> Result:
    return shop.do(calls.Receive(actor=shop.cid.actor, lines=(BOLT,)))


@refusal("InventoryManager", "role missing")
def a_count_by_an_administrator(shop: Shop) -> Result:
    return shop.do(
        calls.RecordCount(
            actor=shop.boss.actor, session=FAR, bin="A", round=0, opened=0, whole=True, scans=ZERO, lines=()
        )
    )


@refusal("InventoryManager", "role missing")
def an_exception_document_by_an_administrator(shop: Shop) -> Result:
    call = calls.ExceptDocument(actor=shop.boss.actor, location="A", reason="late", lines=(BOLT,))
    return shop.do(call)


@refusal("InventoryManager", "role missing")
def a_receipt_by_someone_unknown(shop: Shop) -> Result:
    return shop.do(calls.Receive(actor=Actor(b"\x77" * 32), lines=(BOLT,)))


@refusal("InventoryManager", "role missing")
def a_reversed_receipt_by_someone_who_only_moves(shop: Shop) -> Result:
    mover = shop.person(5, kit.MOVE)
    return shop.do_approved(calls.Reverse(actor=mover.actor, of=shop.bring(BOLT), lines=(BOLT,)), shop.bob)


@refusal("InventoryManager", "role missing")
def a_reversed_move_by_someone_who_only_receives(shop: Shop) -> Result:
    receiver, there = shop.person(5, kit.RECEIVE), line("BOLT", 1, "A", "B")
    shop.bolts()
    of = shop.op()
    assert shop.do(calls.Move(actor=shop.ann.actor, lines=(there,)), of).ok
    return shop.do_approved(calls.Reverse(actor=receiver.actor, of=of, lines=(there,)), shop.bob)


@refusal("InventoryManager", "role missing")
def a_reversed_adjustment_by_someone_who_only_moves(shop: Shop) -> Result:
    mover, found = shop.person(5, kit.MOVE), line("BOLT", 1, "SHRINKAGE", "A")
    of = shop.op()
    assert shop.do_approved(calls.Adjust(actor=shop.ann.actor, lines=(found,)), shop.bob, of).ok
    return shop.do_approved(calls.Reverse(actor=mover.actor, of=of, lines=(found,)), shop.bob)


@refusal("InventoryManager", "role missing")
def a_dispatch_by_a_counter(shop: Shop) -> Result:
    shop.bolts()
    lines = (line("BOLT", 1, "A", "IN_TRANSIT"),)
    return shop.do_approved(calls.Dispatch(actor=shop.cid.actor, receiver="bergen", lines=lines), shop.cid)


@refusal("InventoryManager", "role missing")
def a_person_before_their_first_day(shop: Shop) -> Result:
    late = shop.person(5, kit.RECEIVE, valid_from=kit.START + 1)
    return shop.do(calls.Receive(actor=late.actor, lines=(BOLT,)))


@refusal("InventoryManager", "role missing")
def a_person_at_the_end_of_their_time(shop: Shop) -> Result:
    gone = shop.person(5, kit.RECEIVE, valid_until=kit.START + 10)
    shop.at(kit.START + 9)
    assert shop.do(calls.Receive(actor=gone.actor, lines=(BOLT,))).ok
    shop.at(kit.START + 10)
    return shop.do(calls.Receive(actor=gone.actor, lines=(BOLT,)))


@refusal("InventoryManager", "approver is the actor")
def an_adjustment_approved_by_oneself(shop: Shop) -> Result:
    found = line("BOLT", 1, "SHRINKAGE", "A")
    return shop.do_approved(calls.Adjust(actor=shop.ann.actor, lines=(found,)), shop.ann)


@refusal("InventoryManager", "approver is the actor")
def a_count_posted_and_approved_by_one(shop: Shop) -> Result:
    return shop.do_approved(shop.count("A", calls.Counted(item="BOLT", counted=1)), shop.ann)


@refusal("InventoryManager", "approver is the actor")
def a_reversal_approved_by_oneself(shop: Shop) -> Result:
    return shop.do_approved(calls.Reverse(actor=shop.ann.actor, of=shop.bring(BOLT), lines=(BOLT,)), shop.ann)


@refusal("InventoryManager", "approver counted this")
def a_count_approved_by_its_counter(shop: Shop) -> Result:
    call = shop.count("A", calls.Counted(item="BOLT", counted=1), who=shop.ann)
    return shop.do_approved(replace(call, actor=shop.cid.actor), shop.ann)


@refusal("InventoryManager", "approver lacks role")
def an_approval_by_a_counter(shop: Shop) -> Result:
    found = line("BOLT", 1, "SHRINKAGE", "A")
    return shop.do_approved(calls.Adjust(actor=shop.ann.actor, lines=(found,)), shop.cid)


@refusal("InventoryManager", "approver lacks role")
def an_approval_by_someone_revoked(shop: Shop) -> Result:
    shop.order(
        control.PersonPayload(
            actor=shop.bob.actor, roles=kit.APPROVE, activation=ZERO, valid_from=0, valid_until=0, revoked=True
        )
    )
    return adjust(shop, line("BOLT", 1, "SHRINKAGE", "A"))


@refusal("InventoryManager", "not the actor's own approval")
def a_dispatch_signed_by_another(shop: Shop) -> Result:
    shop.bolts()
    lines = (line("BOLT", 1, "A", "IN_TRANSIT"),)
    return shop.do_approved(calls.Dispatch(actor=shop.ann.actor, receiver="bergen", lines=lines), shop.bob)


@refusal("InventoryManager", "bad selection")
def a_selected_line_beyond_the_count(shop: Shop) -> Result:
    call = shop.count("A", calls.Counted(item="BOLT", counted=1))
    return shop.do_approved(replace(call, select=3), shop.bob)


@refusal("InventoryManager", "bad selection")
def a_posting_of_no_line(shop: Shop) -> Result:
    call = shop.count("A", calls.Counted(item="BOLT", counted=1))
    return shop.do_approved(replace(call, select=0), shop.bob)


FOUND = line("BOLT", 1, "SHRINKAGE", "A")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def signed(shop: Shop, op_id: OpId, **wrong: Any) -> calls.Approval:
    call = shop.approve(calls.Adjust(actor=shop.ann.actor, lines=(FOUND,)), op_id, shop.bob)
    return replace(call.approval, **wrong)


def with_this(shop: Shop, op_id: OpId, approval: calls.Approval) -> Result:
    return shop.do(calls.Adjust(actor=shop.ann.actor, lines=(FOUND,), approval=approval), op_id)


@refusal("InventoryManager", "not signed by the approver")
def an_approval_with_another_key(shop: Shop) -> Result:
    op_id = shop.op()
    call = calls.Adjust(actor=shop.ann.actor, lines=(FOUND,))
    return shop.do(shop.approve(call, op_id, shop.bob, key=shop.ann.key), op_id)


@refusal("InventoryManager", "not signed by the approver")
def an_approval_for_another_op_id(shop: Shop) -> Result:
    return with_this(shop, shop.op(), signed(shop, shop.op()))


@refusal("InventoryManager", "not signed by the approver")
def an_approval_for_other_lines(shop: Shop) -> Result:
    op_id = shop.op()
    more = calls.Adjust(actor=shop.ann.actor, lines=(replace(FOUND, quantity=2),), approval=signed(shop, op_id))
    return shop.do(more, op_id)


@refusal("InventoryManager", "not signed by the approver")
def an_approval_for_another_call(shop: Shop) -> Result:
    op_id, of = shop.op(), shop.bring(BOLT)
    digest = calls.approval_digest(
        kit.CHAIN_ID,
        shop.contracts.manager,
        op_id,
        shop.bob.actor,
        calls.selector(calls.Adjust),
        calls.Reverse(actor=shop.ann.actor, of=of, lines=(BOLT,)).payload,
    )
    signature = shop.bob.key.sign_digest(digest)
    approval = calls.Approval(actor=shop.bob.actor, v=signature.v, r=signature.raw[:32], s=signature.raw[32:64])
    return shop.do(calls.Reverse(actor=shop.ann.actor, of=of, lines=(BOLT,), approval=approval), op_id)


@refusal("InventoryManager", "not signed by the approver")
def an_approval_from_another_chain(shop: Shop) -> Result:
    op_id = shop.op()
    call = calls.Adjust(actor=shop.ann.actor, lines=(FOUND,))
    digest = call.digest(kit.CHAIN_ID + 1, shop.contracts.manager, op_id, shop.bob.actor)
    signature = shop.bob.key.sign_digest(digest)
    approval = calls.Approval(actor=shop.bob.actor, v=signature.v, r=signature.raw[:32], s=signature.raw[32:64])
    return with_this(shop, op_id, approval)


@refusal("InventoryManager", "not signed by the approver")
def an_approval_of_zeros_by_someone_without_a_key(shop: Shop) -> Result:
    unbound = Actor(b"\x66" * 32)
    shop.order(
        control.PersonPayload(actor=unbound, roles=kit.APPROVE, activation=b"\1" * 32, valid_from=0, valid_until=0)
    )
    return with_this(shop, shop.op(), calls.Approval(actor=unbound, v=27, r=ZERO, s=ZERO))


@refusal("InventoryManager", "not signed by the approver")
def an_approval_with_a_key_that_a_new_activation_ended(shop: Shop) -> Result:
    shop.order(
        control.PersonPayload(
            actor=shop.bob.actor, roles=kit.APPROVE, activation=b"\1" * 32, valid_from=0, valid_until=0
        )
    )
    return adjust(shop, FOUND)


@refusal("InventoryManager", "bad signature")
def an_approval_with_a_high_s(shop: Shop) -> Result:
    op_id = shop.op()
    good = signed(shop, op_id)
    high = (ORDER - int.from_bytes(good.s, "big")).to_bytes(32, "big")
    return with_this(shop, op_id, replace(good, s=high, v=55 - good.v))


@refusal("InventoryManager", "bad signature")
def an_approval_with_an_odd_v(shop: Shop) -> Result:
    op_id = shop.op()
    return with_this(shop, op_id, signed(shop, op_id, v=29))
