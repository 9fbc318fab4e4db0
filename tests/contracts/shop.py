"""A small site for direct tests: four items, five places, four people, and a few words for what they do."""

from __future__ import annotations

from functools import cache
from typing import Any

from ledger import calls, control, events
from ledger.abi import encode as abi_encode
from ledger.ids import OpId
from tests.contracts.kit import (
    ADMIN,
    APPROVE,
    COUNT,
    NODE,
    Frozen,
    Person,
    Result,
    Site,
    bins,
    items,
    keccak,
    line,
)

SESSION = OpId(bytes([7]) * 16)
FAR = OpId(bytes([8]) * 16)


class Shop(Site):
    """BOLT has no tracking, MILK lots, PUMP serials, CHIP both. Ann does everything, Bob approves, Cid counts."""

    ann: Person
    bob: Person
    cid: Person
    boss: Person

    @classmethod
    def open(cls) -> Shop:
        frozen, people = _opened()
        shop = cls.thawed(frozen)
        assert isinstance(shop, Shop)
        shop.ann, shop.bob, shop.cid, shop.boss = people
        return shop

    def bring(self, *lines: calls.Line, op_id: OpId | None = None) -> OpId:
        """Receive goods, which must be accepted."""
        op_id = op_id or self.op()
        result = self.do(calls.Receive(actor=self.ann.actor, lines=lines), op_id)
        assert result.ok, result.reason
        return op_id

    def bolts(self, quantity: int = 10, location: str = "A") -> OpId:
        return self.bring(line("BOLT", quantity, "SUPPLIER", location))

    def count(self, bin_: str, *tally: calls.Counted, who: Person | None = None, opened: int | None = None) -> Any:
        """Record a count, and the posting of all of it that follows, still without its approval."""
        op_id = self.op()
        who = who or self.cid
        call = calls.RecordCount(
            actor=who.actor,
            session=SESSION,
            bin=bin_,
            round=2,
            opened=self.changes(bin_) if opened is None else opened,
            whole=True,
            scans=bytes([5]) * 32,
            lines=tally,
        )
        result = self.do(call, op_id)
        assert result.ok, result.reason
        told = result.of(events.CountLine)
        return calls.PostCount(
            actor=self.ann.actor,
            count=op_id,
            session=SESSION,
            bin=bin_,
            round=2,
            counter=who.actor,
            stable=result.of(events.CountRecorded)[0].stable,
            lines=tuple(
                calls.Compared(
                    item=each.item,
                    lot=each.lot,
                    serial=each.serial,
                    status=each.status,
                    counted=each.counted,
                    expected=each.expected,
                )
                for each in told
            ),
            select=(1 << len(told)) - 1,
        )

    def dispatch(self, *lines: calls.Line) -> OpId:
        """Send goods to another site, which must be accepted."""
        op_id = self.op()
        result = self.do_approved(
            calls.Dispatch(actor=self.ann.actor, receiver="bergen", lines=lines), self.ann, op_id
        )
        assert result.ok, result.reason
        return op_id

    def raw(self, call: Any, change: dict[int, bytes], sender: bytes = NODE.address) -> Result:
        """`call` with some of its words exchanged, counted from the first argument."""
        data = bytearray(call.encode(self.op()))
        for index, word in change.items():
            data[4 + 32 * index : 36 + 32 * index] = word
        return self.send(sender, self.contracts.of(call.CONTRACT), bytes(data))

    def direct(self, sender: bytes, to: bytes, method: str, types: list[str], *values: Any) -> Result:
        """A call that no product call stands for, such as one contract makes of another."""
        data = keccak(text=f"{method}({','.join(types)})")[:4] + abi_encode(types, values)
        return self.send(sender, to, data)


@cache
def _opened() -> tuple[Frozen, tuple[Person, ...]]:
    site = Site()
    site.order(items(("BOLT", 0), ("MILK", 1), ("PUMP", 2), ("CHIP", 3)))
    site.order(bins("A", "B"))
    site.order(bins("CRATE", kind=control.UNIT))
    site.order(bins("SHUT", kind=control.CLOSED))
    site.order(bins("YARD", kind=control.AREA))
    people = (
        site.person(1, ADMIN - 1),
        site.person(2, APPROVE),
        site.person(3, COUNT),
        site.person(4, ADMIN),
    )
    return site.frozen(), people
