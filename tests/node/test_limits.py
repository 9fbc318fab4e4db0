"""The largest documents there can be: 200 lines that all touch new storage, recorded within their gas and time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing

import pytest

from ledger import calls, control
from ledger.block import Header
from ledger.calls_goods import RECEIVE_ACT
from ledger.counts import Counted
from ledger.documents import part_op_id
from ledger.ids import OpId
from ledger.moves import CHANGES_MAX, DAMAGE, Freed, Goods, Line, Promised, UnitMove
from ledger.transfers import Accepted, Settled
from ledger.words import LINES_MAX, pack
from tests.node.floor_kit import PIN, Stage, actor_of, furnished
from tests.node.world import DOCUMENT

LOT = "L" * 31
ITEMS = [f"ITEM-{number:026d}" for number in range(LINES_MAX)]
BINS = [f"BIN-{number:027d}" for number in range(LINES_MAX)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with closing(
        furnished(tmp_path_factory.mktemp("limits") / "node", people=("cora", "mona", "sven", "tess"))
    ) as made:
        items = tuple(control.Item(item=sku, tracking=3, unit="u" * 28, decimals=18) for sku in ITEMS)
        bins = tuple(control.Location(location=bin_, kind=control.BIN, parent="") for bin_ in BINS)
        made.world.send(made.site, control.ItemsPayload(items=items), control.LocationsPayload(locations=bins))
        yield made


def gas_of(stage: Stage) -> int:
    """What the one pending operation uses, by the header of the block that is sealed with it."""
    stage.world.clock.advance(2_000)
    sealed = stage.site.seal()
    assert sealed is not None
    return Header.parse(sealed.block.header).gas_used


def record(stage: Stage, call: calls.Call, *, by: str = "", op: OpId | None = None) -> OpId:
    op = op or stage.op()
    stage.world.clock.advance(2_000)
    stage.site.seal()
    if by:
        assert isinstance(call, calls.ApprovedCall)
        call = stage.floor.people.approve(stage.as_(by), call, op, PIN)
    stage.site.record(call, op_id=op, document=DOCUMENT)
    used = gas_of(stage)
    print(call.METHOD, used, calls.gas_limit(call), round(used / calls.gas_limit(call), 2))
    assert used * 5 < calls.gas_limit(call) * 4, f"{call.METHOD} used {used} of {calls.gas_limit(call)}"
    return op


def lines(source: str = "", target: str = "", serial: str = "S") -> tuple[Line, ...]:
    return tuple(
        Line(item=sku, lot=LOT, serial=f"{serial}{n:030d}", quantity=1, source=source or bin_, target=target or bin_)
        for n, (sku, bin_) in enumerate(zip(ITEMS, BINS, strict=True))
    )


def test_the_largest_documents_fit_their_gas_with_a_fifth_to_spare(stage: Stage) -> None:
    record(stage, calls.Receive(actor=actor_of("mona"), lines=lines(source="SUPPLIER")))
    transfer = stage.op()
    leave = calls.Dispatch(actor=actor_of("sven"), receiver="bergen", lines=lines(target="IN_TRANSIT"))
    record(stage, leave, by="sven", op=transfer)
    settled = tuple(
        Settled(index=n, item=line.item, lot=LOT, serial=line.serial, quantity=1, target=line.source)
        for n, line in enumerate(leave.lines)
    )
    payload = control.SettlePayload(transfer=transfer, lines=settled)
    assert stage.world.send(stage.site, payload) == 1
    applied = calls.Apply(sequence=1, kind=control.SETTLE, payload=pack(payload), signature=bytes(65))
    assert gas_of(stage) * 5 < calls.gas_limit(applied) * 4
    arrived = tuple(
        Accepted(index=n, item=sku, lot=LOT, serial=f"T{n:030d}", quantity=1, missing=3, target=bin_)
        for n, (sku, bin_) in enumerate(zip(ITEMS, BINS, strict=True))
    )
    accept = calls.AcceptTransfer(actor=actor_of("sven"), transfer=OpId(b"x" * 16), sender="bergen", lines=arrived)
    record(stage, accept, by="sven")
    record(
        stage, calls.ExceptDocument(actor=actor_of("mona"), location=BINS[0], reason="x" * 31, lines=lines("A-01"))
    )


def test_the_largest_count_is_recorded_and_posted(stage: Stage) -> None:
    session = stage.op()
    counted = tuple(Counted(item=sku, lot=LOT, serial=f"U{n:030d}", counted=1) for n, sku in enumerate(ITEMS))
    count = record(
        stage,
        calls.RecordCount(
            actor=actor_of("cora"), session=session, bin="A-02", round=0, opened=0, whole=True, scans=bytes(32),
            lines=counted,
        ),
    )  # fmt: skip
    compared = tuple(
        calls.Compared(item=line.item, lot=LOT, serial=line.serial, counted=1, expected=0) for line in counted
    )
    post = calls.PostCount(
        actor=actor_of("cora"), count=count, session=session, bin="A-02", round=0, counter=actor_of("cora"),
        stable=True, lines=compared, select=2**LINES_MAX - 1,
    )  # fmt: skip
    record(stage, post, by="sven")
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM serials WHERE location = 'A-02'").fetchone() == (LINES_MAX,)


def test_the_largest_changes_and_promises_fit_theirs(stage: Stage) -> None:
    """A hold and a release move twice as much as they have lines; goods that arrive held are remembered as well."""
    received = lines(source="CUSTOMER", serial="H")
    held = tuple(dataclasses.replace(line, status=DAMAGE) for line in received)
    of = record(stage, calls.Receive(actor=actor_of("mona"), lines=held))
    freed = tuple(
        Freed(index=n, item=line.item, lot=LOT, serial=line.serial, status=DAMAGE, quantity=1, location=line.target)
        for n, line in enumerate(held)
    )
    for part in (freed[:CHANGES_MAX], freed[CHANGES_MAX:]):
        record(stage, calls.Release(actor=actor_of("sven"), hold=of, lines=part), by="sven")
    goods = tuple(
        Goods(item=line.item, lot=LOT, serial=line.serial, quantity=1, location=line.target)
        for line in received[:CHANGES_MAX]
    )
    record(stage, calls.Hold(actor=actor_of("mona"), held=1, lines=goods))
    marked = tuple(dataclasses.replace(each, status=1) for each in goods)
    record(stage, calls.Relabel(actor=actor_of("mona"), lot="M" * 31, lines=marked))
    promised = tuple(
        Promised(item=line.item, lot=LOT, quantity=1, location=line.target) for line in received[CHANGES_MAX:]
    )
    reservation = record(stage, calls.Reserve(actor=actor_of("mona"), lines=promised))
    picked = tuple(dataclasses.replace(line, source=line.target, target="A-02") for line in received[CHANGES_MAX:])
    record(stage, calls.Pick(actor=actor_of("mona"), reservation=reservation, lines=picked))
    units = tuple(UnitMove(unit=f"U{n:030d}", target=bin_) for n, bin_ in enumerate(BINS))
    record(stage, calls.MoveUnit(actor=actor_of("mona"), lines=units))


def test_the_largest_part_is_stated_and_booked(stage: Stage) -> None:
    whole, goods = stage.op(), lines(source="SUPPLIER", serial="P")
    part = calls.RecordPart(actor=actor_of("mona"), whole=whole, number=1, count=1, act=RECEIVE_ACT, lines=goods)
    record(stage, part, op=part_op_id(whole, 1))
    record(stage, calls.BookPart(actor=actor_of("mona"), whole=whole, number=1, act=RECEIVE_ACT, lines=goods))
