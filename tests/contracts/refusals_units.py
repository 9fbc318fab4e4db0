"""What is refused of handling units, documents in parts, plans, and of strangers who write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger import calls, control
from ledger.calls_goods import ISSUE_ACT, MOVE_ACT, RECEIVE_ACT
from ledger.documents import part_op_id
from ledger.words import struct
from tests.contracts.kit import NODE, Result
from tests.contracts.refusal import BOLT, ZERO, from_writer, refusal
from tests.contracts.shop import FAR, Shop

# ---------------------------------------------------------------- handling units


def units(shop: Shop, *rows: tuple[str, str, str]) -> Result:
    lines = tuple(calls.UnitMove(unit=unit, source=source, target=target) for unit, source, target in rows)
    return shop.do(calls.MoveUnit(actor=shop.ann.actor, lines=lines))


@refusal("StockLedger", "bad unit id")
def a_unit_without_a_name(shop: Shop) -> Result:
    return units(shop, ("", "", "A"))


@refusal("StockLedger", "not a unit")
def a_bin_that_moves(shop: Shop) -> Result:
    return units(shop, ("A", "", "YARD"))


@refusal("StockLedger", "unit is not there")
def a_unit_from_where_it_does_not_stand(shop: Shop) -> Result:
    return units(shop, ("CRATE", "B", "A"))


@refusal("StockLedger", "unit is not there")
def a_unit_that_is_made_twice(shop: Shop) -> Result:
    return units(shop, ("BOX", "", "A"), ("BOX", "", "B"))


@refusal("StockLedger", "same place twice")
def a_unit_that_stays(shop: Shop) -> Result:
    assert units(shop, ("CRATE", "", "A")).ok
    return units(shop, ("CRATE", "A", "A"))


@refusal("StockLedger", "bad parent")
def a_unit_into_a_closed_bin(shop: Shop) -> Result:
    return units(shop, ("CRATE", "", "SHUT"))


@refusal("StockLedger", "bad parent")
def a_unit_to_the_customer(shop: Shop) -> Result:
    return units(shop, ("CRATE", "", "CUSTOMER"))


@refusal("StockLedger", "bad parent")
def a_unit_to_nowhere_known(shop: Shop) -> Result:
    return units(shop, ("CRATE", "", "NOWHERE"))


@refusal("StockLedger", "parents in a circle")
def a_unit_in_itself(shop: Shop) -> Result:
    return units(shop, ("CRATE", "", "CRATE"))


@refusal("StockLedger", "parents in a circle")
def a_unit_in_what_stands_in_it(shop: Shop) -> Result:
    assert units(shop, ("BOX", "", "CRATE"), ("BAG", "", "BOX")).ok
    return units(shop, ("CRATE", "", "BAG"))


@refusal("StockLedger", "parents too deep")
def a_ninth_unit_in_units(shop: Shop) -> Result:
    rows = [(f"U{number}", "", f"U{number - 1}" if number else "A") for number in range(8)]
    assert units(shop, *rows).ok
    return units(shop, ("U8", "", "U7"))


@refusal("InventoryManager", "no lines")
def no_unit_that_moves(shop: Shop) -> Result:
    return units(shop)


@refusal("InventoryManager", "role missing")
def a_unit_moved_by_a_counter(shop: Shop) -> Result:
    lines = (calls.UnitMove(unit="CRATE", target="A"),)
    return shop.do(calls.MoveUnit(actor=shop.cid.actor, lines=lines))


# ---------------------------------------------------------------- parts and plans


def state_part(shop: Shop, number: int, count: int = 2, act: int = RECEIVE_ACT, **given: Any) -> Result:
    op_id = given.pop("op_id", part_op_id(FAR, number))
    fields = {"actor": shop.ann.actor, "whole": FAR, "number": number, "count": count, "act": act, "lines": (BOLT,)}
    return shop.do(calls.RecordPart(**{**fields, **given}), op_id)


def book_part(shop: Shop, number: int, act: int = RECEIVE_ACT, lines: tuple[calls.Line, ...] = (BOLT,)) -> Result:
    return shop.do(calls.BookPart(actor=shop.ann.actor, whole=FAR, number=number, act=act, lines=lines))


@refusal("InventoryManager", "op_id is not the part's")
def a_part_under_another_name(shop: Shop) -> Result:
    return state_part(shop, 1, op_id=part_op_id(FAR, 2))


@refusal("InventoryManager", "bad part")
def part_zero(shop: Shop) -> Result:
    return state_part(shop, 0)


@refusal("InventoryManager", "bad part")
def a_part_after_the_last(shop: Shop) -> Result:
    return state_part(shop, 3)


@refusal("InventoryManager", "bad part")
def more_parts_than_a_document_may_have(shop: Shop) -> Result:
    return state_part(shop, 1, count=501)


@refusal("InventoryManager", "another number of parts")
def a_part_of_three_after_one_of_two(shop: Shop) -> Result:
    assert state_part(shop, 1).ok
    return state_part(shop, 2, count=3)


@refusal("StockLedger", "used")
def the_same_part_with_other_lines(shop: Shop) -> Result:
    assert state_part(shop, 1).ok
    return state_part(shop, 1, lines=(BOLT, BOLT))


@refusal("InventoryManager", "not in parts")
def a_hold_in_parts(shop: Shop) -> Result:
    return state_part(shop, 1, act=33)


@refusal("InventoryManager", "no lines")
def a_part_without_lines(shop: Shop) -> Result:
    return state_part(shop, 1, lines=())


@refusal("InventoryManager", "role missing")
def an_issue_in_parts_by_a_counter(shop: Shop) -> Result:
    return state_part(shop, 1, act=ISSUE_ACT, actor=shop.cid.actor)


@refusal("InventoryManager", "parts are missing")
def a_part_booked_before_the_last_is_stated(shop: Shop) -> Result:
    assert state_part(shop, 1).ok
    return book_part(shop, 1)


@refusal("InventoryManager", "parts are missing")
def a_part_of_nothing_booked(shop: Shop) -> Result:
    return book_part(shop, 1)


def both_parts(shop: Shop) -> None:
    assert state_part(shop, 1).ok
    assert state_part(shop, 2).ok


@refusal("StockLedger", "lines differ")
def a_part_booked_with_other_lines(shop: Shop) -> Result:
    both_parts(shop)
    return book_part(shop, 1, lines=(replace(BOLT, quantity=2),))


@refusal("StockLedger", "lines differ")
def a_part_booked_as_another_act(shop: Shop) -> Result:
    both_parts(shop)
    return book_part(shop, 1, act=MOVE_ACT)


@refusal("StockLedger", "used up already")
def a_part_booked_twice(shop: Shop) -> Result:
    both_parts(shop)
    assert book_part(shop, 1).ok
    return book_part(shop, 1)


@refusal("StockLedger", "unknown operation")
def a_part_that_is_none_booked(shop: Shop) -> Result:
    both_parts(shop)
    return book_part(shop, 3)


@refusal("InventoryManager", "cannot be reversed")
def a_reversal_of_something_else_with_the_same_hash(shop: Shop) -> Result:
    """No call of ours has it, but what a later manager claims may: the number of the call tells it apart."""
    of, lines = shop.op(), (BOLT,)
    content = calls.Adjust(actor=shop.ann.actor, lines=lines).payload
    assert from_writer(shop, "claim", ["bytes32"] * 2, of.word, content[:31] + bytes([36])).ok
    return shop.do_approved(calls.Reverse(actor=shop.ann.actor, of=of, lines=lines), shop.bob)


@refusal("InventoryManager", "role missing")
def a_plan_by_an_administrator(shop: Shop) -> Result:
    return shop.do(calls.PlanCount(actor=shop.boss.actor, scope=ZERO, rule=ZERO, height=1))


@refusal("InventoryManager", "height to come")
def a_plan_of_what_has_not_happened(shop: Shop) -> Result:
    return shop.do(calls.PlanCount(actor=shop.cid.actor, scope=ZERO, rule=ZERO, height=2))


# ---------------------------------------------------------------- who may write


ROW, PROMISED, UNIT = struct(calls.Settled).abi, struct(calls.Promised).abi, struct(calls.UnitMove).abi


@refusal("StockLedger", "only the writer")
def reserving_by_the_node_itself(shop: Shop) -> Result:
    types = ["bytes32", "bytes32", f"{PROMISED}[]"]
    return from_writer(shop, "reserve", types, FAR.word, ZERO, [], sender=NODE.address)


@refusal("StockLedger", "only the writer")
def giving_back_by_the_node_itself(shop: Shop) -> Result:
    types = [*["bytes32"] * 3, f"{PROMISED}[]"]
    return from_writer(shop, "unreserve", types, FAR.word, ZERO, ZERO, [], sender=NODE.address)


@refusal("StockLedger", "only the writer")
def moving_units_by_the_node_itself(shop: Shop) -> Result:
    types = ["bytes32", "bytes32", f"{UNIT}[]"]
    return from_writer(shop, "put_units", types, FAR.word, ZERO, [], sender=NODE.address)


@refusal("StockLedger", "only the writer")
def using_up_by_the_node_itself(shop: Shop) -> Result:
    return from_writer(shop, "use_up", ["bytes32"] * 2, FAR.word, ZERO, sender=NODE.address)


@refusal("StockLedger", "only the writer")
def keeping_a_word_by_the_node_itself(shop: Shop) -> Result:
    return from_writer(shop, "keep_word", ["bytes32"] * 2, FAR.word, ZERO, sender=NODE.address)


@refusal("StockLedger", "only the writer")
def reserving_by_the_registry(shop: Shop) -> Result:
    types = ["bytes32", "bytes32", f"{PROMISED}[]"]
    return from_writer(shop, "reserve", types, FAR.word, ZERO, [], sender=shop.contracts.registry)


def put_place(shop: Shop, row: control.Location) -> Result:
    kind = struct(control.Location)
    contracts = shop.contracts
    return shop.direct(contracts.registry, contracts.ledger, "put_locations", [f"{kind.abi}[]"], [kind.to_abi(row)])


@refusal("StockLedger", "parents in a circle")
def a_unit_put_by_the_hub_into_what_stands_in_it(shop: Shop) -> Result:
    assert units(shop, ("BOX", "", "CRATE")).ok
    return put_place(shop, control.Location(location="CRATE", kind=control.UNIT, parent="BOX"))
