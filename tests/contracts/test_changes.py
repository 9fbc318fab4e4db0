"""Goods that are held, relabelled, promised, picked, issued, moved with their unit, or booked in parts."""

from __future__ import annotations

from dataclasses import replace

from ledger import calls, events
from ledger.calls_goods import RECEIVE_ACT
from ledger.documents import part_op_id
from ledger.ids import OpId, text_to_word
from ledger.moves import DAMAGE, EXPIRED
from tests.contracts.kit import line
from tests.contracts.shop import FAR, Shop

MILK = calls.Goods(item="MILK", lot="L1", quantity=4, location="A")
WANTED = calls.Promised(item="BOLT", quantity=6, location="A")


def kinds(result: object) -> list[str]:
    return [type(event).__name__ for event in result.events]  # type: ignore[attr-defined]


def hold(shop: Shop, *lines: calls.Goods, held: int = DAMAGE) -> OpId:
    op_id = shop.op()
    result = shop.do(calls.Hold(actor=shop.ann.actor, held=held, lines=lines), op_id)
    assert result.ok, result.reason
    return op_id


def reserve(shop: Shop, *lines: calls.Promised) -> OpId:
    op_id = shop.op()
    result = shop.do(calls.Reserve(actor=shop.ann.actor, lines=lines), op_id)
    assert result.ok, result.reason
    return op_id


# ---------------------------------------------------------------- status and lots


def test_a_hold_changes_the_status_where_the_goods_stand(shop: Shop) -> None:
    shop.bring(line("MILK", 10, "SUPPLIER", "A", lot="L1"), line("CHIP", 1, "SUPPLIER", "B", lot="L7", serial="S1"))
    before, op_id = shop.changes("A"), shop.op()
    chip = calls.Goods(item="CHIP", lot="L7", serial="S1", quantity=1, location="B")
    result = shop.do(calls.Hold(actor=shop.ann.actor, held=DAMAGE, lines=(MILK, chip)), op_id)
    assert kinds(result) == ["Recorded", "Held", *["Moved"] * 4]
    assert result.events[1] == events.Held(op_id=op_id, status=DAMAGE)
    moved = [(each.line, each.status, each.source, each.target) for each in result.of(events.Moved)[:2]]
    assert moved == [(0, 0, "A", "CHANGE"), (1, DAMAGE, "CHANGE", "A")]
    assert (shop.stock("A", "MILK", "L1"), shop.stock("A", "MILK", "L1", DAMAGE)) == (6, 4)
    assert shop.stock("CHANGE", "MILK", "L1") + shop.stock("CHANGE", "MILK", "L1", DAMAGE) == 0
    assert shop.place_of("CHIP", "S1") == "B"
    assert shop.changes("A") > before


def test_held_goods_that_have_moved_are_released_by_another_where_they_are(shop: Shop) -> None:
    shop.bring(line("MILK", 10, "SUPPLIER", "A", lot="L1"))
    of = hold(shop, MILK)
    moved = line("MILK", 3, "A", "B", lot="L1", status=DAMAGE)
    assert shop.do(calls.Move(actor=shop.ann.actor, lines=(moved,))).ok
    row = calls.Freed(index=1, item="MILK", lot="L1", status=DAMAGE, quantity=3, location="B")
    op_id = shop.op()
    result = shop.do_approved(calls.Release(actor=shop.bob.actor, hold=of, lines=(row,)), shop.bob, op_id)
    assert kinds(result) == ["Recorded", "Released", "ReleasedLine", "Moved", "Moved"]
    assert result.events[1:3] == [
        events.Released(op_id=op_id, hold=of),
        events.ReleasedLine(op_id=op_id, line=0, index=1),
    ]
    assert (shop.stock("B", "MILK", "L1"), shop.stock("A", "MILK", "L1", DAMAGE)) == (3, 1)
    again = calls.Release(actor=shop.bob.actor, hold=of, lines=(replace(row, quantity=2, location="A"),))
    assert shop.do_approved(again, shop.bob).reason == "more than is left"


def test_who_takes_a_return_in_has_held_it(shop: Shop) -> None:
    returned = line("PUMP", 1, "CUSTOMER", "A", serial="S1", status=1)
    of = shop.bring(line("BOLT", 5, "SUPPLIER", "A"), returned)
    row = calls.Freed(index=1, item="PUMP", serial="S1", status=1, quantity=1, location="A")
    assert shop.do_approved(calls.Release(actor=shop.bob.actor, hold=of, lines=(row,)), shop.bob).ok
    assert (shop.stock("A", "PUMP"), shop.stock("A", "PUMP", status=1)) == (1, 0)


def test_held_goods_can_be_held_otherwise_counted_scrapped_and_sent_back(shop: Shop) -> None:
    shop.bring(line("MILK", 10, "SUPPLIER", "A", lot="L1"))
    hold(shop, MILK)
    hold(shop, replace(MILK, status=DAMAGE), held=EXPIRED)
    post = shop.count("A", calls.Counted(item="MILK", lot="L1", status=EXPIRED, counted=3))
    assert [each.expected for each in post.lines] == [4]
    lines = tuple(line("MILK", 2, "A", target, lot="L1", status=EXPIRED) for target in ("SHRINKAGE", "SUPPLIER"))
    assert shop.do_approved(calls.Adjust(actor=shop.ann.actor, lines=lines), shop.bob).ok
    assert shop.stock("A", "MILK", "L1", EXPIRED) == 0


def test_a_label_is_changed_to_another_lot_or_only_in_its_expiry(shop: Shop) -> None:
    shop.bring(line("CHIP", 1, "SUPPLIER", "A", lot="L1", serial="S1"))
    chip, op_id = calls.Goods(item="CHIP", lot="L1", serial="S1", quantity=1, location="A"), shop.op()
    result = shop.do(calls.Relabel(actor=shop.ann.actor, lot="L2", lines=(chip,)), op_id)
    assert kinds(result) == ["Recorded", "Relabelled", "Moved", "Moved"]
    assert result.events[1] == events.Relabelled(op_id=op_id, lot="L2")
    assert (shop.stock("A", "CHIP", "L1"), shop.stock("A", "CHIP", "L2")) == (0, 1)
    same = calls.Relabel(actor=shop.ann.actor, lot="L2", lines=(replace(chip, lot="L2"),))
    assert shop.do(same).ok
    assert (shop.stock("A", "CHIP", "L2"), shop.place_of("CHIP", "S1")) == (1, "A")


# ---------------------------------------------------------------- reservations


def test_a_pick_uses_up_its_reservation_and_an_issue_empties_the_tote(shop: Shop) -> None:
    shop.bolts(10)
    op_id = shop.op()
    result = shop.do(calls.Reserve(actor=shop.ann.actor, lines=(WANTED,)), op_id)
    assert result.events[1:] == [
        events.Reserved(op_id=op_id, line=0, item="BOLT", lot="", status=0, quantity=6, location="A")
    ]
    assert shop.reserved("A", "BOLT") == 6
    before = shop.changes("A")
    pick, lines = shop.op(), (line("BOLT", 5, "A", "CRATE"),)
    result = shop.do(calls.Pick(actor=shop.ann.actor, reservation=op_id, lines=lines), pick)
    assert kinds(result) == ["Recorded", "Unreserved", "Moved"]
    assert result.events[1] == events.Unreserved(
        op_id=pick, reservation=op_id, line=0, item="BOLT", lot="", status=0, quantity=5, location="A"
    )
    assert (shop.reserved("A", "BOLT"), shop.stock("CRATE", "BOLT")) == (1, 5)
    assert shop.changes("A") > before
    assert shop.do(calls.Issue(actor=shop.ann.actor, lines=(line("BOLT", 5, "CRATE", "CUSTOMER"),))).ok
    rest = calls.Unreserve(actor=shop.ann.actor, reservation=op_id, lines=(replace(WANTED, quantity=1),))
    assert shop.do(rest).ok
    assert shop.reserved("A", "BOLT") == 0
    assert shop.do(calls.Move(actor=shop.ann.actor, lines=(line("BOLT", 5, "A", "B"),))).ok


def test_a_pick_beyond_its_reservation_takes_only_what_is_free(shop: Shop) -> None:
    shop.bolts(10)
    mine, other = reserve(shop, replace(WANTED, quantity=2)), reserve(shop, replace(WANTED, quantity=5))
    lines = (line("BOLT", 5, "A", "B"),)
    result = shop.do(calls.Pick(actor=shop.ann.actor, reservation=mine, lines=lines))
    assert [each.quantity for each in result.of(events.Unreserved)] == [2]
    assert (shop.stock("A", "BOLT"), shop.reserved("A", "BOLT")) == (5, 5)
    assert shop.do(calls.Issue(actor=shop.ann.actor, reservation=other, lines=(line("BOLT", 5, "A", "CUSTOMER"),))).ok


def test_what_a_count_takes_from_under_a_reservation_can_still_be_picked_as_far_as_it_reaches(shop: Shop) -> None:
    shop.bolts(10)
    mine, other = reserve(shop, replace(WANTED, quantity=4)), reserve(shop, replace(WANTED, quantity=6))
    assert shop.do_approved(shop.count("A", calls.Counted(item="BOLT", counted=5)), shop.bob).ok
    assert (shop.stock("A", "BOLT"), shop.reserved("A", "BOLT")) == (5, 10)
    lines = (line("BOLT", 4, "A", "B"),)
    assert shop.do(calls.Move(actor=shop.ann.actor, lines=lines)).reason == "stock is reserved"
    assert shop.do(calls.Pick(actor=shop.ann.actor, reservation=mine, lines=lines)).ok
    assert shop.do(calls.Pick(actor=shop.ann.actor, reservation=other, lines=lines)).reason == "not enough stock"


def test_promised_goods_can_be_held_and_written_off(shop: Shop) -> None:
    """They are damaged or gone, whatever was promised."""
    shop.bolts(10)
    reserve(shop, replace(WANTED, quantity=10))
    hold(shop, calls.Goods(item="BOLT", quantity=3, location="A"))
    assert shop.do_approved(
        calls.Adjust(actor=shop.ann.actor, lines=(line("BOLT", 2, "A", "SHRINKAGE"),)), shop.bob
    ).ok
    assert (shop.stock("A", "BOLT"), shop.reserved("A", "BOLT")) == (5, 10)


def test_a_pick_and_an_issue_are_reversed(shop: Shop) -> None:
    shop.bolts(10)
    acts = (
        calls.Pick(actor=shop.ann.actor, reservation=reserve(shop, WANTED), lines=(line("BOLT", 6, "A", "B"),)),
        calls.Issue(actor=shop.ann.actor, lines=(line("BOLT", 6, "B", "CUSTOMER"),)),
    )
    ops = [shop.op() for _ in acts]
    assert all(shop.do(act, op_id).ok for act, op_id in zip(acts, ops, strict=True))
    for act, of in reversed(list(zip(acts, ops, strict=True))):
        assert shop.do_approved(calls.Reverse(actor=shop.ann.actor, of=of, lines=act.lines), shop.bob).ok
    assert (shop.stock("A", "BOLT"), shop.stock("CUSTOMER", "BOLT"), shop.reserved("A", "BOLT")) == (10, 0, 0)


def test_the_ledger_says_what_is_promised(shop: Shop) -> None:
    shop.bolts(10)
    mine = reserve(shop, replace(WANTED, quantity=2))
    reserve(shop, replace(WANTED, quantity=5))
    types = "reserved_of(bytes32,bytes32,bytes32,bytes32,uint256)"
    asked = (mine.word, text_to_word("A"), text_to_word("BOLT"), text_to_word(""), 0)
    assert shop.view(shop.contracts.ledger, types, "uint256,uint256", *asked) == (7, 2)


# ---------------------------------------------------------------- handling units


def test_a_unit_is_made_and_moves_with_what_stands_in_it(shop: Shop) -> None:
    shop.bolts(5, "CRATE")
    op_id = shop.op()
    rows = (calls.UnitMove(unit="PALLET", target="A"), calls.UnitMove(unit="CRATE", target="PALLET"))
    before = shop.changes("A")
    result = shop.do(calls.MoveUnit(actor=shop.ann.actor, lines=rows), op_id)
    assert result.events[1:] == [
        events.UnitMoved(op_id=op_id, line=number, unit=row.unit, source="", target=row.target)
        for number, row in enumerate(rows)
    ]
    assert shop.changes("A") > before
    before = {place: shop.changes(place) for place in ("A", "B", "CRATE")}
    row = calls.UnitMove(unit="PALLET", source="A", target="B")
    assert shop.do(calls.MoveUnit(actor=shop.ann.actor, lines=(row,))).ok
    assert (shop.parent_of("PALLET"), shop.parent_of("CRATE"), shop.stock("CRATE", "BOLT")) == ("B", "PALLET", 5)
    assert [shop.changes(place) > seen for place, seen in before.items()] == [True, True, False]
    assert shop.changes("YARD") == 0


def test_a_count_of_a_bin_sees_that_a_unit_left_it(shop: Shop) -> None:
    move = calls.UnitMove(unit="CRATE", target="A")
    assert shop.do(calls.MoveUnit(actor=shop.ann.actor, lines=(move,))).ok
    opened = shop.changes("A")
    gone = calls.UnitMove(unit="CRATE", source="A", target="YARD")
    assert shop.do(calls.MoveUnit(actor=shop.ann.actor, lines=(gone,))).ok
    assert not shop.count("A", opened=opened).stable


# ---------------------------------------------------------------- parts, plans, words


def test_parts_take_effect_with_the_last_and_can_be_reversed(shop: Shop) -> None:
    parts = [(line("BOLT", number, "SUPPLIER", "A"),) for number in (1, 2, 3)]
    for number, lines in ((3, parts[2]), (1, parts[0]), (2, parts[1])):
        assert shop.stock("A", "BOLT") == 0
        assert (
            shop.do(calls.BookPart(actor=shop.ann.actor, whole=FAR, number=3, act=RECEIVE_ACT, lines=parts[2])).reason
            == "parts are missing"
        )
        part = calls.RecordPart(actor=shop.ann.actor, whole=FAR, number=number, count=3, act=RECEIVE_ACT, lines=lines)
        result = shop.do(part, part_op_id(FAR, number))
        assert kinds(result) == ["Recorded", "PartRecorded"]
    ops = {}
    for number in (2, 3, 1):
        ops[number] = shop.op()
        book = calls.BookPart(
            actor=shop.ann.actor, whole=FAR, number=number, act=RECEIVE_ACT, lines=parts[number - 1]
        )
        result = shop.do(book, ops[number])
        assert kinds(result) == ["Recorded", "PartBooked", "Moved"]
    assert shop.stock("A", "BOLT") == 6
    back = calls.Reverse(actor=shop.ann.actor, of=ops[2], lines=parts[1])
    assert shop.do_approved(back, shop.bob).ok
    assert shop.stock("A", "BOLT") == 4


def test_a_plan_is_kept_before_anyone_counts(shop: Shop) -> None:
    op_id = shop.op()
    call = calls.PlanCount(actor=shop.cid.actor, scope=b"s" * 32, rule=b"r" * 32, height=1)
    result = shop.do(call, op_id)
    assert result.events[1:] == [events.CountPlanned(op_id=op_id, scope=b"s" * 32, rule=b"r" * 32, height=1)]
    assert shop.effect(op_id)[31] == 39


def test_the_ledger_keeps_any_word_for_its_writer(shop: Shop) -> None:
    at = shop.contracts
    for word in (b"1" * 32, b"2" * 32):
        assert shop.direct(at.manager, at.ledger, "keep_word", ["bytes32"] * 2, b"k" * 32, word).ok
        assert shop.view(at.ledger, "word_of(bytes32)", "bytes32", b"k" * 32) == (word,)
