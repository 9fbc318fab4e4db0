"""Receiving, moving, adjusting, reversing, and acts that the rules cannot book."""

from __future__ import annotations

from dataclasses import replace

from ledger import calls, control, events
from ledger.codec import abi_encode, keccak256
from ledger.ids import OpId, text_to_word
from ledger.moves import QUANTITY_MAX, STOCK_MAX
from ledger.words import pack_all, struct
from tests.contracts import kit
from tests.contracts.kit import line
from tests.contracts.shop import Shop

DOCUMENT = bytes([9]) * 32


def test_a_receipt_tells_itself_and_each_line(shop: Shop) -> None:
    op_id = shop.op()
    lines = (
        line("MILK", 12, "SUPPLIER", "A", lot="L1"),
        line("CHIP", 1, "CUSTOMER", "B", lot="L7", serial="S1", status=2),
    )
    result = shop.do(calls.Receive(actor=shop.ann.actor, document=DOCUMENT, lines=lines), op_id)
    told = [
        events.Moved(
            op_id=op_id,
            line=index,
            item=each.item,
            lot=each.lot,
            serial=each.serial,
            status=each.status,
            quantity=each.quantity,
            source=each.source,
            target=each.target,
        )
        for index, each in enumerate(lines)
    ]
    recorded = events.Recorded(
        op_id=op_id, call=calls.selector(calls.Receive), actor=shop.ann.actor, document=DOCUMENT
    )
    assert result.events == [recorded, *told]
    assert shop.stock("A", "MILK", "L1") == 12
    assert shop.stock("SUPPLIER", "MILK", "L1") == -12
    assert (shop.stock("B", "CHIP", "L7", 2), shop.stock("B", "CHIP", "L7")) == (1, 0)
    assert shop.place_of("CHIP", "S1") == "B"


def test_the_views_say_what_is_stored(shop: Shop) -> None:
    shop.bring(line("CHIP", 1, "SUPPLIER", "A", lot="L1", serial="S1"))
    words = tuple(text_to_word(text) for text in ("SUPPLIER", "CHIP", "L1"))
    for contract in (shop.contracts.manager, shop.contracts.ledger):
        stock = shop.view(contract, "stock_of(bytes32,bytes32,bytes32,uint256)", "int256", *words, 0)
        assert stock == (shop.stock("SUPPLIER", "CHIP", "L1"),) == (-1,)
        place = shop.view(contract, "serial_at(bytes32,bytes32)", "bytes32", words[1], text_to_word("S1"))
        assert place == (text_to_word(shop.place_of("CHIP", "S1")),) == (text_to_word("A"),)


def test_the_largest_line_and_the_largest_stock_are_taken(shop: Shop) -> None:
    for place, before in (("A", STOCK_MAX - QUANTITY_MAX), ("SUPPLIER", QUANTITY_MAX - STOCK_MAX)):
        shop.store_stock(place, "BOLT", before)
    shop.bolts(QUANTITY_MAX)
    assert (shop.stock("A", "BOLT"), shop.stock("SUPPLIER", "BOLT")) == (STOCK_MAX, -STOCK_MAX)
    post = shop.count("A", calls.Counted(item="BOLT", counted=QUANTITY_MAX))
    assert shop.do_approved(post, shop.bob).ok
    assert (shop.stock("A", "BOLT"), shop.stock("SHRINKAGE", "BOLT")) == (QUANTITY_MAX, STOCK_MAX - QUANTITY_MAX)


def test_an_effect_names_its_call_and_hashes_its_lines(shop: Shop) -> None:
    lines = (line("BOLT", 3, "SUPPLIER", "A"),)
    op_id = shop.bring(*lines)
    hashed = keccak256(pack_all((lines, calls._LINES)))
    assert shop.effect(op_id) == hashed[:31] + b"\1"
    back = calls.Reverse(actor=shop.ann.actor, of=op_id, lines=lines)
    undo = shop.op()
    assert shop.do_approved(back, shop.bob, undo).ok
    assert (shop.effect(op_id)[31], shop.effect(undo)[31]) == (1 | 128, 6)
    assert shop.effect(shop.op()) == bytes(32)


def test_only_real_places_count_their_changes(shop: Shop) -> None:
    before = shop.changes("A")
    shop.bolts()
    assert shop.changes("A") > before
    assert shop.changes("B") == shop.changes("SUPPLIER") == 0
    middle = shop.changes("A")
    assert shop.do(calls.Move(actor=shop.ann.actor, lines=(line("BOLT", 1, "A", "B"),))).ok
    assert shop.changes("A") > middle
    assert shop.changes("B") > 0


def test_a_document_is_booked_line_by_line(shop: Shop) -> None:
    """Goods that arrive by one line can leave by the next."""
    shop.bolts(5)
    lines = (line("BOLT", 5, "A", "B"), line("BOLT", 5, "B", "CRATE"), line("BOLT", 2, "CRATE", "A"))
    assert shop.do(calls.Move(actor=shop.ann.actor, lines=lines)).ok
    assert [shop.stock(place, "BOLT") for place in ("A", "B", "CRATE")] == [2, 0, 3]


def test_a_closed_place_can_be_emptied(shop: Shop) -> None:
    shop.bolts(5)
    shop.order(kit.bins("A", kind=control.CLOSED))
    assert shop.do(calls.Move(actor=shop.ann.actor, lines=(line("BOLT", 5, "A", "B"),))).ok
    back = shop.do(calls.Move(actor=shop.ann.actor, lines=(line("BOLT", 5, "B", "A"),)))
    assert back.reason == "wrong target"


def test_a_lost_serial_can_be_found_and_a_sold_one_come_back(shop: Shop) -> None:
    shop.bring(line("PUMP", 1, "SUPPLIER", "A", serial="S1"))
    for source, target in (("A", "SHRINKAGE"), ("SHRINKAGE", "B")):
        moved = calls.Adjust(actor=shop.ann.actor, lines=(line("PUMP", 1, source, target, serial="S1"),))
        assert shop.do_approved(moved, shop.bob).ok
        assert shop.place_of("PUMP", "S1") == target
    transfer = shop.dispatch(line("PUMP", 1, "B", "IN_TRANSIT", serial="S1"))
    row = calls.Settled(index=0, item="PUMP", serial="S1", quantity=1, target="CUSTOMER")
    shop.order(control.SettlePayload(transfer=transfer, lines=(row,)))
    assert shop.place_of("PUMP", "S1") == "CUSTOMER"
    shop.bring(line("PUMP", 1, "CUSTOMER", "A", serial="S1", status=1))
    assert shop.place_of("PUMP", "S1") == "A"


def test_a_reversal_brings_everything_back(shop: Shop) -> None:
    lines = (line("BOLT", 7, "SUPPLIER", "A"), line("CHIP", 1, "SUPPLIER", "A", lot="L1", serial="S1"))
    of, op_id = shop.bring(*lines), shop.op()
    result = shop.do_approved(calls.Reverse(actor=shop.ann.actor, of=of, lines=lines), shop.bob, op_id)
    assert [type(event) for event in result.events[:2]] == [events.Recorded, events.Reversed]
    assert result.of(events.Reversed) == [events.Reversed(op_id=op_id, of=of)]
    assert [(each.source, each.target) for each in result.of(events.Moved)] == [("A", "SUPPLIER")] * 2
    assert shop.stock("A", "BOLT") == shop.stock("SUPPLIER", "BOLT") == 0
    assert shop.place_of("CHIP", "S1") == "SUPPLIER"


def test_who_adjusts_may_reverse_what_others_received(shop: Shop) -> None:
    clerk = shop.person(5, kit.ADJUST)
    of = shop.bolts(4)
    back = calls.Reverse(actor=clerk.actor, of=of, lines=(line("BOLT", 4, "SUPPLIER", "A"),))
    assert shop.do_approved(back, shop.ann).ok


def test_a_reversal_into_a_place_closed_since_is_booked(shop: Shop) -> None:
    shop.bolts(4)
    of, there = shop.op(), line("BOLT", 4, "A", "B")
    assert shop.do(calls.Move(actor=shop.ann.actor, lines=(there,)), of).ok
    shop.order(kit.bins("A", kind=control.CLOSED))
    assert shop.do_approved(calls.Reverse(actor=shop.ann.actor, of=of, lines=(there,)), shop.bob).ok
    assert shop.stock("A", "BOLT") == 4


def test_what_cannot_be_booked_is_stated_without_effect(shop: Shop) -> None:
    """Also with names that the site does not know: the act has happened."""
    op_id = shop.op()
    lines = (line("GHOST", 3, "A", "ELSEWHERE", serial="S1"), line("BOLT", 0, "A", "A"))
    call = calls.ExceptDocument(
        actor=shop.cid.actor, document=DOCUMENT, location="A", reason="over-issued", lines=lines
    )
    result = shop.do(call, op_id)
    assert [type(event).__name__ for event in result.events] == ["Recorded", "Excepted", *["ExceptedLine"] * 2]
    assert result.of(events.Excepted) == [events.Excepted(op_id=op_id, location="A", reason="over-issued")]
    first = result.of(events.ExceptedLine)[0]
    assert (first.line, first.item, first.serial, first.quantity) == (0, "GHOST", "S1", 3)
    assert shop.stock("A", "GHOST") == shop.changes("A") == 0
    assert shop.effect(op_id)[31] == 7


def test_two_hundred_lines_fit_well_and_one_more_does_not(shop: Shop) -> None:
    names = [f"SKU-{number}" for number in range(200)]
    shop.order(kit.items(*((name, control.TRACK_BOTH) for name in names)))
    lines = tuple(line(name, 1, "SUPPLIER", "A", lot="L1", serial="S1") for name in names)
    call = calls.Receive(actor=shop.ann.actor, lines=lines)
    result = shop.do(call)
    assert result.ok
    assert result.gas < 25_000_000 < calls.gas_limit(call)
    types = [*["bytes32"] * 3, f"{struct(calls.Line).abi}[]"]
    rows = [struct(calls.Line).to_abi(replace(each, serial="S2")) for each in (*lines, lines[0])]
    data = calls.selector(calls.Receive) + abi_encode(
        types, (OpId(bytes([6]) * 16).word, shop.ann.actor.raw, DOCUMENT, rows)
    )
    assert not shop.send(kit.NODE.address, shop.contracts.manager, data).ok
