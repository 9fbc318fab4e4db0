"""Counting: what was found stands beside what was expected, and posting applies the difference, once."""

from __future__ import annotations

from dataclasses import replace

from ledger import calls, control, events
from tests.contracts import kit
from tests.contracts.kit import line
from tests.contracts.shop import SESSION, Shop


def bolts(counted: int) -> calls.Counted:
    return calls.Counted(item="BOLT", counted=counted)


def move(shop: Shop, quantity: int, source: str, target: str) -> None:
    assert shop.do(calls.Move(actor=shop.ann.actor, lines=(line("BOLT", quantity, source, target),))).ok


def test_a_count_moves_nothing_and_tells_what_was_expected(shop: Shop) -> None:
    shop.bolts(10)
    shop.bring(line("MILK", 4, "SUPPLIER", "A", lot="L1", status=1))
    changes = shop.changes("A")
    op_id = shop.op()
    tally = (
        bolts(8),
        calls.Counted(item="MILK", lot="L1", status=1, counted=4),
        calls.Counted(item="MILK", lot="L2", counted=3),
    )
    call = calls.RecordCount(
        actor=shop.cid.actor,
        session=SESSION,
        bin="A",
        round=2,
        opened=changes,
        whole=True,
        scans=bytes([5]) * 32,
        lines=tally,
    )
    result = shop.do(call, op_id)
    assert [type(event).__name__ for event in result.events] == ["Recorded", "CountRecorded", *["CountLine"] * 3]
    assert result.events[1] == events.CountRecorded(
        op_id=op_id,
        session=SESSION,
        bin="A",
        round=2,
        counter=shop.cid.actor,
        stable=True,
        whole=True,
        scans=bytes([5]) * 32,
    )
    assert [(each.line, each.counted, each.expected) for each in result.of(events.CountLine)] == [
        (0, 8, 10),
        (1, 4, 4),
        (2, 3, 0),
    ]
    assert shop.stock("A", "BOLT") == 10
    assert shop.changes("A") == changes


def test_the_ledger_keeps_a_commitment_that_anyone_can_recompute(shop: Shop) -> None:
    shop.bolts()
    call = shop.count("A", bolts(8), calls.Counted(item="PUMP", serial="S1", counted=1))
    kept = shop.view(shop.contracts.ledger, "count_of(bytes32)", "bytes32,uint256", call.count.word)
    assert kept == (call.commitment, 0)
    assert shop.do_approved(replace(call, select=2), shop.bob).ok
    kept = shop.view(shop.contracts.ledger, "count_of(bytes32)", "bytes32,uint256", call.count.word)
    assert kept == (call.commitment, 2)


def test_a_bin_is_stable_when_nothing_moved_since_it_was_opened(shop: Shop) -> None:
    shop.bolts()
    opened = shop.changes("A")
    assert shop.count("A", bolts(10), opened=opened).stable
    move(shop, 1, "A", "B")
    assert not shop.count("A", bolts(9), opened=opened).stable
    move(shop, 1, "B", "A")
    assert not shop.count("A", bolts(10), opened=opened).stable


def test_posting_applies_the_difference_and_not_the_count(shop: Shop) -> None:
    shop.bolts(10)
    call = shop.count("A", bolts(8))
    move(shop, 3, "A", "B")
    shop.bolts(20)
    op_id = shop.op()
    result = shop.do_approved(call, shop.bob, op_id)
    assert [type(event).__name__ for event in result.events] == ["Recorded", "CountPosted", "Moved"]
    assert result.events[1] == events.CountPosted(op_id=op_id, count=call.count, approver=shop.bob.actor, select=1)
    moved = result.events[2]
    assert (moved.quantity, moved.source, moved.target) == (2, "A", "SHRINKAGE")
    assert shop.stock("A", "BOLT") == 10 - 3 + 20 - 2
    assert shop.stock("SHRINKAGE", "BOLT") == 2


def test_goods_found_come_from_shrinkage(shop: Shop) -> None:
    assert shop.do_approved(shop.count("A", bolts(5)), shop.bob).ok
    assert (shop.stock("A", "BOLT"), shop.stock("SHRINKAGE", "BOLT")) == (5, -5)


def test_a_count_takes_a_place_to_zero_at_most_and_states_the_rest(shop: Shop) -> None:
    shop.bolts(10)
    call = shop.count("A", bolts(1), calls.Counted(item="MILK", lot="L1", counted=2))
    move(shop, 6, "A", "B")
    op_id = shop.op()
    result = shop.do_approved(call, shop.bob, op_id)
    assert [(each.line, each.quantity) for each in result.of(events.Moved)] == [(0, 4), (1, 2)]
    assert result.of(events.CountShort) == [events.CountShort(op_id=op_id, line=0, missing=5)]
    assert shop.stock("A", "BOLT") == 0


def test_a_line_that_finds_nothing_left_only_states_it(shop: Shop) -> None:
    shop.bolts(10)
    call = shop.count("A", bolts(1))
    move(shop, 10, "A", "B")
    before = shop.changes("A")
    result = shop.do_approved(call, shop.bob)
    assert [type(event).__name__ for event in result.events] == ["Recorded", "CountPosted", "CountShort"]
    assert result.events[2].missing == 9
    assert shop.changes("A") == before


def test_lines_are_posted_one_by_one_and_without_variance_too(shop: Shop) -> None:
    shop.bolts(10)
    call = shop.count(
        "A",
        bolts(10),
        calls.Counted(item="MILK", lot="L1", counted=2),
        calls.Counted(item="MILK", lot="L2", counted=3),
    )
    first = shop.do_approved(replace(call, select=0b101), shop.bob)
    assert [(each.line, each.item) for each in first.of(events.Moved)] == [(2, "MILK")]
    assert first.of(events.CountPosted)[0].select == 0b101
    assert (shop.stock("A", "MILK", "L1"), shop.stock("A", "MILK", "L2")) == (0, 3)
    assert shop.do_approved(replace(call, select=0b001), shop.bob).reason == "already posted"
    assert shop.do_approved(replace(call, select=0b010), shop.bob).ok
    assert shop.stock("A", "MILK", "L1") == 2


def test_an_empty_bin_is_counted_and_posted(shop: Shop) -> None:
    call = shop.count("A")
    result = shop.do_approved(call, shop.bob)
    assert [type(event).__name__ for event in result.events] == ["Recorded", "CountPosted"]


def test_a_closed_bin_is_counted_and_posted(shop: Shop) -> None:
    assert shop.do_approved(shop.count("SHUT", bolts(2)), shop.bob).ok
    assert shop.stock("SHUT", "BOLT") == 2


def test_serials_are_counted_one_by_one(shop: Shop) -> None:
    shop.bring(*(line("CHIP", 1, "SUPPLIER", "A", lot="L1", serial=f"S{number}") for number in (1, 2)))
    there, gone, found = (
        calls.Counted(item="CHIP", lot="L1", serial=serial, counted=counted)
        for serial, counted in (("S1", 1), ("S2", 0), ("S3", 1))
    )
    call = shop.count("A", there, gone, found)
    assert [each.expected for each in call.lines] == [1, 1, 0]
    assert shop.do_approved(call, shop.bob).ok
    assert [shop.place_of("CHIP", f"S{number}") for number in (1, 2, 3)] == ["A", "SHRINKAGE", "A"]
    assert shop.stock("A", "CHIP", "L1") == 2


def test_a_serial_under_another_lot_is_not_expected(shop: Shop) -> None:
    shop.bring(line("CHIP", 1, "SUPPLIER", "A", lot="L1", serial="S1"))
    call = shop.count("A", calls.Counted(item="CHIP", lot="L2", serial="S1", counted=1))
    assert call.lines[0].expected == 0
    result = shop.do_approved(call, shop.bob)
    assert [each.location for each in result.of(events.SerialElsewhere)] == ["A"]
    assert (shop.stock("A", "CHIP", "L1"), shop.stock("A", "CHIP", "L2")) == (1, 0)


def test_a_serial_counted_here_that_is_in_another_place_by_now_stays_there(shop: Shop) -> None:
    call = shop.count("A", calls.Counted(item="PUMP", serial="S1", counted=1), bolts(1))
    shop.bring(line("PUMP", 1, "SUPPLIER", "B", serial="S1"))
    op_id = shop.op()
    result = shop.do_approved(call, shop.bob, op_id)
    assert result.of(events.SerialElsewhere) == [events.SerialElsewhere(op_id=op_id, line=0, location="B")]
    assert [each.line for each in result.of(events.Moved)] == [1]
    assert shop.place_of("PUMP", "S1") == "B"
    assert (shop.stock("A", "PUMP"), shop.stock("B", "PUMP")) == (0, 1)


def test_a_serial_missed_here_that_has_left_by_now_is_stated_as_short(shop: Shop) -> None:
    shop.bring(*(line("PUMP", 1, "SUPPLIER", "A", serial=f"S{number}") for number in (1, 2)))
    call = shop.count("A", calls.Counted(item="PUMP", serial="S1", counted=0))
    gone = calls.Move(actor=shop.ann.actor, lines=(line("PUMP", 1, "A", "B", serial="S1"),))
    assert shop.do(gone).ok
    result = shop.do_approved(call, shop.bob)
    assert [(each.line, each.missing) for each in result.of(events.CountShort)] == [(0, 1)]
    assert (shop.place_of("PUMP", "S1"), shop.stock("A", "PUMP")) == ("B", 1)


def test_two_hundred_counted_lines(shop: Shop) -> None:
    names = [f"SKU-{number}" for number in range(200)]
    shop.order(kit.items(*((name, control.TRACK_NONE) for name in names)))
    call = shop.count("A", *(calls.Counted(item=name, counted=number % 3) for number, name in enumerate(names)))
    result = shop.do_approved(call, shop.bob)
    assert result.ok
    assert result.gas < 15_000_000
    assert len(result.of(events.Moved)) == sum(number % 3 > 0 for number in range(200))
    assert shop.stock("A", "SKU-199") == 199 % 3
