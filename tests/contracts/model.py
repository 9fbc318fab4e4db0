"""What the contracts promise, in plain Python: dictionaries and the rules of the design, nothing of the contracts.

Each method answers "" and keeps what follows, or says in a word why not and keeps nothing.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from typing import Any

from ledger import calls, control
from ledger.documents import part_op_id
from ledger.moves import QUANTITY_MAX
from tests.contracts.kit import ADJUST, ADMIN, APPROVE, COUNT, HOLD, ISSUE, MOVE, RECEIVE, TRANSFER
from tests.contracts.model_books import ACTS, Books, Count, Hold, Parts, move_of, swapped

STOCK_ROLES = ADMIN - 1
PART_ROLES = {1: RECEIVE, 2: MOVE, 10: ISSUE}


class Model(Books):
    """The whole site."""

    def _receive(self, op_id: Any, call: calls.Receive) -> str:
        if not self.roles(call.actor) & RECEIVE:
            return "role"
        return self._act(op_id, call.actor, "Receive", call.lines)

    def _move(self, op_id: Any, call: calls.Move) -> str:
        if not self.roles(call.actor) & MOVE:
            return "role"
        return self._act(op_id, call.actor, "Move", call.lines)

    def _pick(self, op_id: Any, call: calls.Pick) -> str:
        if not self.roles(call.actor) & ISSUE:
            return "role"
        return self._act(op_id, call.actor, "Pick", call.lines, call.reservation)

    def _issue(self, op_id: Any, call: calls.Issue) -> str:
        if not self.roles(call.actor) & ISSUE:
            return "role"
        return self._act(op_id, call.actor, "Issue", call.lines, call.reservation)

    def _act(self, op_id: Any, actor: Any, act: str, lines: Any, of: Any = None) -> str:
        """What can be booked as it is said, by one call or in parts."""

        def fine(line: calls.Line) -> bool:
            if act == "Receive":
                back = line.source == "CUSTOMER" and line.status > 0
                return (back or line.source == "SUPPLIER") and self._open(line.target)
            if act == "Issue":
                return self._holds(line.source) and line.target == "CUSTOMER" and line.status == 0
            return self._holds(line.source) and self._open(line.target) and (act == "Move" or line.status == 0)

        if act == "Receive" and any(line.status for line in lines):
            self.held[op_id] = Hold(actor, {at: (line, line.quantity) for at, line in enumerate(lines)})
        return self._book_all(lines, fine, of)

    def _adjust(self, op_id: Any, call: calls.Adjust) -> str:
        if not self.roles(call.actor) & ADJUST:
            return "role"

        def fine(line: calls.Line) -> bool:
            gone = self._holds(line.source) and line.target in ("SHRINKAGE", "SUPPLIER")
            return gone or (line.source == "SHRINKAGE" and self._open(line.target))

        return self._no_second_person(call) or self._book_all(call.lines, fine, forced=True)

    def _reverse(self, op_id: Any, call: calls.Reverse) -> str:
        kind, lines = self.done.get(call.of, ("", ()))
        roles = {"Receive": RECEIVE, "Move": MOVE, "Pick": ISSUE, "Issue": ISSUE, "Adjust": ADJUST}
        needed = roles[kind] | ADJUST if kind in roles else 0
        if not self.roles(call.actor) & needed or lines != call.lines or call.of in self.undone:
            return "not to be reversed"
        self.undone.add(call.of)
        back = [swapped(line) for line in call.lines]
        return self._no_second_person(call) or self._book_all(back, lambda line: True)

    # ------------------------------------------------------------ status, lots, reservations, units

    def _restate(self, line: Any, lot: str, status: int, forced: bool = False) -> str:
        """Goods become others where they stand: two moves through CHANGE."""
        there = self._holds(line.location)
        out = move_of(line, line.quantity, line.location, "CHANGE")
        back = replace(move_of(line, line.quantity, "CHANGE", line.location), lot=lot, status=status)
        return self._book_all((out, back), lambda _: there, forced=forced)

    def _hold(self, op_id: Any, call: calls.Hold) -> str:
        if not self.roles(call.actor) & HOLD:
            return "role"
        self.held[op_id] = hold = Hold(call.actor)
        for at, line in enumerate(call.lines):
            why = "held" if line.status == call.held else self._restate(line, line.lot, call.held, forced=True)
            if why:
                return why
            for index, status in ((2 * at, line.status), (2 * at + 1, call.held)):
                known = replace(move_of(line, line.quantity, "", ""), status=status)
                hold.left[index] = (known, line.quantity)
        return "" if call.held and call.lines else "no lines"

    def _release(self, op_id: Any, call: calls.Release) -> str:
        if not self.roles(call.actor) & APPROVE or call.approval.actor != call.actor:
            return "role"
        hold = self.held.get(call.hold)
        if hold is None or hold.holder == call.actor or not call.lines:
            return "hold"
        for line in call.lines:
            known, left = hold.left.get(line.index, (line, -1))
            names = ("item", "lot", "serial", "status")
            if any(getattr(line, name) != getattr(known, name) for name in names) or line.quantity > left:
                return "hold"
            hold.left[line.index] = (known, left - line.quantity)
            why = self._restate(line, line.lot, 0) if line.status else "not held"
            if why:
                return why
        return ""

    def _relabel(self, op_id: Any, call: calls.Relabel) -> str:
        if not self.roles(call.actor) & ADJUST or not call.lines:
            return "role"
        return next(filter(None, (self._restate(line, call.lot, line.status) for line in call.lines)), "")

    def _reserve(self, op_id: Any, call: calls.Reserve) -> str:
        if not self.roles(call.actor) & ISSUE or not call.lines:
            return "role"
        self.promised[op_id] = mine = Counter()
        for line in call.lines:
            key = (line.location, line.item, line.lot, line.status)
            if line.status or not self._real(line.location) or not 1 <= line.quantity <= QUANTITY_MAX:
                return "line"
            if self.stock[key] < self.reserved(key) + line.quantity:
                return "promised"
            mine[key] += line.quantity
        return ""

    def _unreserve(self, op_id: Any, call: calls.Unreserve) -> str:
        if not self.roles(call.actor) & (ISSUE | APPROVE) or not call.lines:
            return "role"
        for line in call.lines:
            key = (line.location, line.item, line.lot, line.status)
            mine = self.promised.get(call.reservation, Counter())
            if not 1 <= line.quantity <= min(mine[key], QUANTITY_MAX):
                return "promised"
            mine[key] -= line.quantity
        return ""

    def _moveunit(self, op_id: Any, call: calls.MoveUnit) -> str:
        if not self.roles(call.actor) & (RECEIVE | MOVE | ISSUE) or not call.lines:
            return "role"
        for line in call.lines:
            known = self.kinds.setdefault(line.unit, control.UNIT) == control.UNIT
            if not known or not line.unit or line.source == line.target:
                return "unit"
            above = line.target
            if above and self.kinds.get(above) not in (control.AREA, control.BIN, control.UNIT):
                return "parent"
            while above:
                if above == line.unit:
                    return "circle"
                above = self.parents.get(above, "")
            if self.parents.get(line.unit, "") != line.source:
                return "not there"
            self.parents[line.unit] = line.target
        return ""

    # ------------------------------------------------------------ parts

    def _recordpart(self, op_id: Any, call: calls.RecordPart) -> str:
        if not self.roles(call.actor) & PART_ROLES.get(call.act, 0) or not call.lines:
            return "role"
        parts = self.parts.setdefault(call.whole, Parts(call.count))
        if not 1 <= call.number <= call.count <= 500 or parts.count != call.count:
            return "part"
        if op_id != part_op_id(call.whole, call.number):
            return "op_id"
        parts.stated[call.number] = (call.act, call.lines)
        return ""

    def _bookpart(self, op_id: Any, call: calls.BookPart) -> str:
        if not self.roles(call.actor) & PART_ROLES.get(call.act, 0):
            return "role"
        parts = self.parts.get(call.whole)
        if parts is None or len(parts.stated) < parts.count or call.number in parts.booked:
            return "part"
        if parts.stated.get(call.number) != (call.act, call.lines):
            return "lines"
        parts.booked.add(call.number)
        return self._act(op_id, call.actor, ACTS[call.act], call.lines)

    # ------------------------------------------------------------ counts

    def _plancount(self, op_id: Any, call: calls.PlanCount) -> str:
        # The kit's chain stands at block 2.
        return "" if self.roles(call.actor) & STOCK_ROLES and call.height < 2 else "plan"

    def expected(self, bin_: str, line: Any) -> int:
        if line.serial:
            return int(self.serials.get((line.item, line.serial)) == (bin_, line.lot, line.status))
        return self.stock[bin_, line.item, line.lot, line.status]

    def _recordcount(self, op_id: Any, call: calls.RecordCount) -> str:
        if not self.roles(call.actor) & COUNT:
            return "role"
        if not self._holds(call.bin):
            return "bin"
        seen = set()
        for line in call.lines:
            name = (line.item, line.serial) if line.serial else (line.item, line.lot, line.status, 0)
            if name in seen or not self._fits(line) or line.counted > (1 if line.serial else QUANTITY_MAX):
                return "line"
            seen.add(name)
        compared = [
            calls.Compared(
                item=line.item,
                lot=line.lot,
                serial=line.serial,
                status=line.status,
                counted=line.counted,
                expected=self.expected(call.bin, line),
            )
            for line in call.lines
        ]
        self.counts[op_id] = Count(call.bin, call.actor, self.opened[call.bin] == call.opened, compared)
        return ""

    def _postcount(self, op_id: Any, call: calls.PostCount) -> str:
        if not self.roles(call.actor) & (COUNT | ADJUST | APPROVE):
            return "role"
        count = self.counts.get(call.count)
        if count is None or (count.bin, count.counter, count.stable) != (call.bin, call.counter, call.stable):
            return "count"
        if count.lines != list(call.lines):
            return "count"
        why = self._no_second_person(call, call.counter)
        if why:
            return why
        chosen = {index for index in range(len(call.lines)) if call.select >> index & 1}
        if call.select >> len(call.lines) or bool(chosen) != bool(call.lines):
            return "selection"
        if chosen & count.posted or count.posted_empty:
            return "already posted"
        count.posted |= chosen
        count.posted_empty = not call.lines
        for index in sorted(chosen):
            self._post(index, call.bin, call.lines[index])
        return ""

    def _post(self, index: int, bin_: str, line: calls.Compared) -> None:
        delta = line.counted - line.expected
        at = self.serials.get((line.item, line.serial))
        if delta > 0 and line.serial and at is not None and self._real(at[0]):
            self.elsewhere.append((index, at[0]))
            return
        booked = delta if delta > 0 else -min(-delta, self.expected(bin_, line))
        if booked:
            source, target = ("SHRINKAGE", bin_) if booked > 0 else (bin_, "SHRINKAGE")
            if line.serial:
                self.serials[line.item, line.serial] = (target, line.lot, line.status)
            self._shift(move_of(line, abs(booked), source, target), abs(booked))
        if booked != delta:
            self.short.append((index, booked - delta))

    # ------------------------------------------------------------ transfers

    def _dispatch(self, op_id: Any, call: calls.Dispatch) -> str:
        if not self.roles(call.actor) & TRANSFER or call.approval.actor != call.actor:
            return "role"
        self.under_way[op_id] = [(line, line.quantity) for line in call.lines]
        return self._book_all(
            call.lines,
            lambda line: self._holds(line.source) and line.target == "IN_TRANSIT" and line.status == 0,
        )

    def _accepttransfer(self, op_id: Any, call: calls.AcceptTransfer) -> str:
        if not self.roles(call.actor) & TRANSFER or call.approval.actor != call.actor:
            return "role"
        if not call.lines or any(not line.quantity and not line.missing for line in call.lines):
            return "line"
        lines = [move_of(line, line.quantity, "IN_TRANSIT", line.target) for line in call.lines if line.quantity]
        return self._book_all(lines, lambda line: self._open(line.target)) if lines else ""

    def settle(self, transfer: Any, lines: tuple[calls.Settled, ...]) -> str:
        """The hub's word on a dispatch: wholly, or refused."""
        draft = deepcopy(self)
        why = draft._settle(transfer, lines)
        if not why:
            self.__dict__.update(draft.__dict__)
        return why

    def _settle(self, transfer: Any, lines: tuple[calls.Settled, ...]) -> str:
        sent = self.under_way.get(transfer)
        if sent is None:
            return "transfer"
        for line in lines:
            if line.index >= len(sent):
                return "transfer"
            original, left = sent[line.index]
            names = ("item", "lot", "serial", "status")
            if any(getattr(line, name) != getattr(original, name) for name in names) or line.quantity > left:
                return "transfer"
            sent[line.index] = (original, left - line.quantity)
        moves = [move_of(line, line.quantity, "IN_TRANSIT", line.target) for line in lines]
        return self._book_all(moves, lambda line: line.target in ("CUSTOMER", "SHRINKAGE") or self._open(line.target))
