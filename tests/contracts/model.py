"""What the contracts promise, in plain Python: dictionaries and the rules of the design, nothing of the contracts.

Each method answers "" and keeps what follows, or says in a word why not and keeps nothing.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from ledger import calls, control
from ledger.moves import QUANTITY_MAX
from tests.contracts.kit import ADJUST, APPROVE, COUNT, MOVE, RECEIVE, TRANSFER

VIRTUAL = ("SUPPLIER", "CUSTOMER", "IN_TRANSIT", "SHRINKAGE")

Key = tuple[str, str, str, int]


@dataclass
class Rights:
    """One person: what the hub granted, and whose key signs for them."""

    roles: int
    valid_from: int = 0
    valid_until: int = 0
    revoked: bool = False


@dataclass
class Count:
    """A recorded count: its lines with the stock of that moment, and which of them are posted."""

    bin: str
    counter: Any
    stable: bool
    lines: list[calls.Compared]
    posted: set[int] = field(default_factory=set)
    posted_empty: bool = False


@dataclass
class Model:
    """The whole site."""

    now: int = 0
    items: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VIRTUAL, control.VIRTUAL))
    people: dict[Any, Rights] = field(default_factory=dict)
    stock: Counter[Key] = field(default_factory=Counter)
    serials: dict[tuple[str, str], tuple[str, str, int]] = field(default_factory=dict)
    opened: Counter[str] = field(default_factory=Counter)
    done: dict[Any, tuple[str, tuple[calls.Line, ...]]] = field(default_factory=dict)
    undone: set[Any] = field(default_factory=set)
    counts: dict[Any, Count] = field(default_factory=dict)
    under_way: dict[Any, list[tuple[calls.Line, int]]] = field(default_factory=dict)
    short: list[tuple[int, int]] = field(default_factory=list)
    elsewhere: list[tuple[int, str]] = field(default_factory=list)

    def attempt(self, op_id: Any, call: Any) -> str:
        """Do what `call` asks, wholly or not at all; why not, or ""."""
        draft = deepcopy(self)
        draft.short, draft.elsewhere = [], []
        why = "used" if op_id in self.done else getattr(draft, f"_{type(call).__name__.lower()}")(op_id, call)
        if not why:
            draft.done[op_id] = (type(call).__name__, tuple(getattr(call, "lines", ())))
            self.__dict__.update(draft.__dict__)
        return why

    # ------------------------------------------------------------ people

    def roles(self, actor: Any) -> int:
        rights = self.people.get(actor)
        if rights is None or rights.revoked or self.now < rights.valid_from:
            return 0
        return 0 if rights.valid_until and self.now >= rights.valid_until else rights.roles

    def _no_second_person(self, call: Any, *others: Any) -> str:
        approver = call.approval.actor
        if approver == call.actor or approver in others:
            return "same person"
        return "" if self.roles(approver) & APPROVE else "approver"

    # ------------------------------------------------------------ goods

    def _real(self, location: str) -> bool:
        return self.kinds.get(location, control.VIRTUAL) != control.VIRTUAL

    def _open(self, location: str) -> bool:
        return self.kinds.get(location) in (control.BIN, control.UNIT)

    def _holds(self, location: str) -> bool:
        return self.kinds.get(location) in (control.BIN, control.UNIT, control.CLOSED)

    def _fits(self, line: Any) -> bool:
        """Item known, and lot and serial just as its tracking wants them."""
        wanted = self.items.get(line.item)
        return wanted == bool(line.lot) + 2 * bool(line.serial) and 0 <= line.status <= 3

    def _book(self, line: calls.Line) -> str:
        if not 1 <= line.quantity <= QUANTITY_MAX or line.source == line.target or not self._fits(line):
            return "line"
        if line.source not in self.kinds or line.target not in self.kinds:
            return "location"
        if line.serial:
            why = self._book_serial(line)
            if why:
                return why
        source = (line.source, line.item, line.lot, line.status)
        if self._real(line.source) and self.stock[source] < line.quantity:
            return "stock"
        self._shift(line, line.quantity)
        return ""

    def _book_serial(self, line: calls.Line) -> str:
        if line.quantity != 1:
            return "serial"
        at = self.serials.get((line.item, line.serial))
        if self._real(line.source):
            if at != (line.source, line.lot, line.status):
                return "serial"
        elif at is not None and self._real(at[0]):
            if self._real(line.target):
                return "serial"
            return ""
        self.serials[line.item, line.serial] = (line.target, line.lot, line.status)
        return ""

    def _shift(self, line: Any, quantity: int) -> None:
        self.stock[line.source, line.item, line.lot, line.status] -= quantity
        self.stock[line.target, line.item, line.lot, line.status] += quantity
        for location in (line.source, line.target):
            if self._real(location):
                self.opened[location] += 1

    def _book_all(self, lines: Any, fine: Any) -> str:
        if not lines:
            return "no lines"
        for line in lines:
            why = self._book(line)
            if why or not fine(line):
                return why or "place"
        return ""

    def _receive(self, op_id: Any, call: calls.Receive) -> str:
        if not self.roles(call.actor) & RECEIVE:
            return "role"
        return self._book_all(
            call.lines, lambda line: line.source in ("SUPPLIER", "CUSTOMER") and self._open(line.target)
        )

    def _move(self, op_id: Any, call: calls.Move) -> str:
        if not self.roles(call.actor) & MOVE:
            return "role"
        return self._book_all(call.lines, lambda line: self._holds(line.source) and self._open(line.target))

    def _adjust(self, op_id: Any, call: calls.Adjust) -> str:
        if not self.roles(call.actor) & ADJUST:
            return "role"

        def fine(line: calls.Line) -> bool:
            lost = self._holds(line.source) and line.target == "SHRINKAGE"
            return lost or (line.source == "SHRINKAGE" and self._open(line.target))

        return self._no_second_person(call) or self._book_all(call.lines, fine)

    def _reverse(self, op_id: Any, call: calls.Reverse) -> str:
        kind, lines = self.done.get(call.of, ("", ()))
        needed = {"Receive": RECEIVE | ADJUST, "Move": MOVE | ADJUST, "Adjust": ADJUST}.get(kind, 0)
        if not self.roles(call.actor) & needed or lines != call.lines or call.of in self.undone:
            return "not to be reversed"
        self.undone.add(call.of)
        back = [swapped(line) for line in call.lines]
        return self._no_second_person(call) or self._book_all(back, lambda line: True)

    # ------------------------------------------------------------ counts

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
        sent = self.under_way.get(transfer, [])
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


def swapped(line: calls.Line) -> calls.Line:
    """The same line backwards."""
    return move_of(line, line.quantity, line.target, line.source)


def move_of(line: Any, quantity: int, source: str, target: str) -> calls.Line:
    """A move of what `line` names."""
    return calls.Line(
        item=line.item,
        lot=line.lot,
        serial=line.serial,
        status=line.status,
        quantity=quantity,
        source=source,
        target=target,
    )
