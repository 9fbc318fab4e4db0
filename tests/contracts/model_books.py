"""The books that the model keeps, in plain Python: what is where, promised, held, and who may do what."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from ledger import calls, control
from ledger.moves import QUANTITY_MAX
from tests.contracts.kit import APPROVE

VIRTUAL = ("SUPPLIER", "CUSTOMER", "IN_TRANSIT", "SHRINKAGE", "CHANGE")

# What can come in parts, by the number that a part states.
ACTS = {1: "Receive", 2: "Move", 10: "Issue"}

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
class Hold:
    """Who holds goods, and how much is left of each booked line that held some."""

    holder: Any
    left: dict[int, tuple[calls.Line, int]] = field(default_factory=dict)


@dataclass
class Parts:
    """A document in parts: what each part is for, and whether it is booked."""

    count: int
    stated: dict[int, tuple[int, tuple[calls.Line, ...]]] = field(default_factory=dict)
    booked: set[int] = field(default_factory=set)


@dataclass
class Books:
    """The whole site, and what any booked line does to it."""

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
    promised: dict[Any, Counter[Key]] = field(default_factory=dict)
    held: dict[Any, Hold] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    parts: dict[Any, Parts] = field(default_factory=dict)
    short: list[tuple[int, int]] = field(default_factory=list)
    elsewhere: list[tuple[int, str]] = field(default_factory=list)

    def attempt(self, op_id: Any, call: Any) -> str:
        """Do what `call` asks, wholly or not at all; why not, or ""."""
        draft = deepcopy(self)
        draft.short, draft.elsewhere = [], []
        why = "used" if op_id in self.done else getattr(draft, f"_{type(call).__name__.lower()}")(op_id, call)
        if not why:
            name = ACTS[call.act] if isinstance(call, calls.BookPart) else type(call).__name__
            draft.done[op_id] = (name, tuple(getattr(call, "lines", ())))
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

    def reserved(self, key: Key) -> int:
        """What all reservations together have of a stock."""
        return sum(each[key] for each in self.promised.values())

    def _take_promised(self, key: Key, quantity: int, of: Any, forced: bool) -> str:
        """A line leaves a stock, some of which may be promised: to `of` itself, or to others."""
        own = min(quantity, self.promised[of][key]) if of in self.promised else 0
        others = self.reserved(key) - own
        if own < quantity and not forced and self.stock[key] - quantity < others:
            return "promised"
        if own and not forced:
            self.promised[of][key] -= own
        return ""

    def _book(self, line: calls.Line, of: Any = None, forced: bool = False) -> str:
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
        if self._real(line.source):
            why = self._take_promised(source, line.quantity, of, forced)
            if why:
                return why
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

    def _book_all(self, lines: Any, fine: Any, of: Any = None, forced: bool = False) -> str:
        if not lines:
            return "no lines"
        for line in lines:
            why = self._book(line, of, forced)
            if why or not fine(line):
                return why or "place"
        return ""


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
