"""What people of the random site do with status, lots, reservations, units, and documents in parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger import calls
from ledger.documents import part_op_id
from ledger.ids import OpId
from tests.contracts.chance import ANYWHERE, BOX, Chance
from tests.contracts.model import Model
from tests.contracts.model_books import ACTS

OPEN = ["A", "B", "CRATE"]
PLACES = ["A", "B", "YARD", "CRATE", BOX]


class GoodsActs:
    """The acts; `machine.SiteMachine` does them and compares."""

    model: Model
    ops: list[tuple[OpId, Any]]
    site: Any
    _do: Any
    _of_stock: Any
    _who: Any

    def _issue(self, chance: Chance) -> None:
        of = chance.choice([None, *list(self.model.promised)[-2:]])
        lines = self._of_stock(chance, ["CUSTOMER"])
        lines = chance.spoil(lines) if chance.odd() else lines
        self._do(calls.Issue(actor=self._who(chance).actor, reservation=of, lines=lines))

    def _goods(self, chance: Chance) -> tuple[calls.Goods, ...]:
        """What stands somewhere, as one says it who changes it there."""
        lines = self._of_stock(chance, ["CHANGE"])
        return tuple(
            calls.Goods(
                item=line.item,
                lot=line.lot,
                serial=line.serial,
                status=line.status,
                quantity=line.quantity,
                location=chance.choice(ANYWHERE) if chance.odd(12) else line.source,
            )
            for line in (chance.spoil(lines) if chance.odd() else lines)
        )

    def _hold(self, chance: Chance) -> None:
        held = chance.choice([0, 4]) if chance.odd(12) else chance.randint(1, 3)
        self._do(calls.Hold(actor=self._who(chance).actor, held=held, lines=self._goods(chance)))

    def _release(self, chance: Chance) -> None:
        of, hold = chance.choice(list(self.model.held.items())[-3:])
        rows = []
        for index, (line, left) in hold.left.items():
            if (line.status and left) or chance.odd(10):
                key = (line.item, line.lot, line.status)
                there = sorted(
                    place for (place, *rest), held in self.model.stock.items() if held > 0 and key == tuple(rest)
                )
                at = self.model.serials.get((line.item, line.serial), ("A",))[0]
                place = at if line.serial else chance.choice(there or OPEN)
                rows.append(
                    calls.Freed(
                        index=index + chance.odd(20),
                        item=line.item,
                        lot=line.lot,
                        serial=line.serial,
                        status=line.status if not chance.odd(20) else 3,
                        quantity=chance.randint(1, left + chance.odd(4)) if left > 1 else 1,
                        location=place,
                    )
                )
        who = self._who(chance, *([] if chance.odd(2) else [hold.holder]))
        self._do(
            calls.Release(actor=who.actor, hold=of, lines=tuple(rows[:2])),
            self._who(chance) if chance.odd(12) else who,
        )

    def _relabel(self, chance: Chance) -> None:
        lines = self._goods(chance)
        if not chance.odd():
            lines = tuple(line for line in lines if line.lot)
        lot = "" if chance.odd(8) else chance.choice(["L1", "L2", "L3"])
        self._do(calls.Relabel(actor=self._who(chance).actor, lot=lot, lines=lines))

    def _promised(self, chance: Chance, there: dict[Any, int]) -> tuple[calls.Promised, ...]:
        keys = sorted(key for key, left in there.items() if left > 0)
        if not keys:
            return ()
        rows = []
        for location, item, lot, status in (chance.choice(keys) for _ in range(chance.randint(1, 2))):
            most = there[location, item, lot, status]
            quantity = chance.randint(0 if chance.odd(10) else 1, most + chance.odd())
            rows.append(calls.Promised(item=item, lot=lot, status=status, quantity=quantity, location=location))
        return tuple(rows)

    def _reserve(self, chance: Chance) -> None:
        free = {
            key: held - self.model.reserved(key)
            for key, held in self.model.stock.items()
            if chance.odd(12) or (key[3] == 0 and key[0] not in ("CUSTOMER", "SHRINKAGE", "IN_TRANSIT", "CHANGE"))
        }
        self._do(calls.Reserve(actor=self._who(chance).actor, lines=self._promised(chance, free)))

    def _unreserve(self, chance: Chance) -> None:
        of, left = chance.choice(list(self.model.promised.items())[-3:])
        lines = self._promised(chance, left)
        self._do(calls.Unreserve(actor=self._who(chance).actor, reservation=of, lines=lines))

    def _pick(self, chance: Chance) -> None:
        of, left = chance.choice(list(self.model.promised.items())[-3:])
        lines = []
        for (location, item, lot, status), quantity in sorted(left.items()):
            wanted = (location, lot, status)
            serials = sorted(name for (of_, name), at in self.model.serials.items() if of_ == item and at == wanted)
            if quantity > 0:
                line = calls.Line(
                    item=item,
                    lot=lot,
                    serial=serials[0] if serials else "",
                    status=status,
                    quantity=1 if serials else chance.randint(1, quantity + chance.odd(3)),
                    source=location,
                    target=chance.choice([place for place in OPEN if place != location]),
                )
                lines.append(line)
        picked = tuple(lines[:2]) if lines and not chance.odd(4) else self._of_stock(chance, OPEN)
        self._do(calls.Pick(actor=self._who(chance).actor, reservation=of, lines=picked))

    def _move_unit(self, chance: Chance) -> None:
        lines = []
        for unit in chance.sample(["CRATE", BOX], chance.randint(1, 2)):
            unit = chance.choice(["A", "SHUT", "CUSTOMER", ""]) if chance.odd(10) else unit
            source = "B" if chance.odd(4) else self.model.parents.get(unit, "")
            target = chance.choice([*ANYWHERE, ""]) if chance.odd(8) else chance.choice(PLACES)
            lines.append(calls.UnitMove(unit=unit, source=source, target=target))
        self._do(calls.MoveUnit(actor=self._who(chance).actor, lines=tuple(lines)))

    # ------------------------------------------------------------ parts

    def _record_part(self, chance: Chance) -> None:
        known = list(self.model.parts.items())[-1:]
        whole, parts = chance.choice(known) if known and not chance.odd(3) else (self.site.op(), None)
        count = parts.count + chance.odd(10) if parts else chance.randint(1, 2)
        open_ = [number for number in range(1, count + 1) if parts is None or number not in parts.stated]
        number = chance.choice([*open_, *([0, count + 1] if chance.odd(6) or not open_ else [])])
        act = chance.choice([*ACTS, 3]) if chance.odd(10) else chance.choice([*ACTS])
        lines = {1: lambda: chance.lines(["SUPPLIER"], OPEN), 2: lambda: self._of_stock(chance, OPEN)}.get(
            act, lambda: self._of_stock(chance, ["CUSTOMER"])
        )()
        call = calls.RecordPart(
            actor=self._who(chance).actor, whole=whole, number=number, count=count, act=act, lines=lines
        )
        op_id = part_op_id(whole, number + chance.odd(20))
        if op_id not in self.model.done:
            self._do(call, op_id=op_id)

    def _book_part(self, chance: Chance) -> None:
        whole, parts = chance.choice(list(self.model.parts.items())[-2:])
        if not parts.stated:
            return
        number, (act, lines) = chance.choice(list(parts.stated.items()))
        if chance.odd(8):
            lines = tuple(replace(line, quantity=line.quantity + 1) for line in lines)
        call = calls.BookPart(actor=self._who(chance).actor, whole=whole, number=number, act=act, lines=lines)
        self._do(call)

    def _plan_count(self, chance: Chance) -> None:
        height = chance.choice([0, 1, 2])
        self._do(calls.PlanCount(actor=self._who(chance).actor, scope=bytes(32), rule=b"r" * 32, height=height))
