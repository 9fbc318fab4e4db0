"""What the contracts say happened: one dataclass an event, decoded from the logs of a transaction.

Topic 0 is the event's signature and topic 1 always the operation. A log of our own contracts that this program does
not know is refused, because projections and the hub's books would silently miss a fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from ledger.codec import abi_decode, keccak256
from ledger.errors import Invalid
from ledger.words import (
    INDEXED,
    Address,
    Anyone,
    Flag,
    Operation,
    Person,
    Selector,
    String,
    Text,
    Uint,
    Word,
    from_values,
    kinds,
)

IndexedOperation = Annotated[Operation, INDEXED]
IndexedPerson = Annotated[Person, INDEXED]
IndexedAnyone = Annotated[Anyone, INDEXED]
IndexedAddress = Annotated[Address, INDEXED]
IndexedWord = Annotated[Word, INDEXED]
IndexedText = Annotated[Text, INDEXED]
IndexedSelector = Annotated[Selector, INDEXED]


class Log(Protocol):
    """A log as the executor gives it: address (20 bytes), topics (32 bytes each), data."""

    @property
    def address(self) -> bytes: ...

    @property
    def topics(self) -> Sequence[bytes]: ...

    @property
    def data(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events have: the operation they belong to."""

    op_id: IndexedOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Event):
    """Always the first log of a call of InventoryManager. `call` is the method's selector."""

    call: IndexedSelector
    actor: IndexedPerson
    document: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved(Event):
    """One booked line."""

    line: Uint
    item: IndexedText
    lot: Text
    serial: Text
    status: Uint
    quantity: Uint
    source: Text
    target: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved(Event):
    """The operation is a reservation, and this is what it has."""

    line: Uint
    item: IndexedText
    lot: Text
    status: Uint
    quantity: Uint
    location: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreserved(Event):
    """`reservation` has so much less: given back, or used up by line `line` of this operation."""

    reservation: IndexedOperation
    line: Uint
    item: IndexedText
    lot: Text
    status: Uint
    quantity: Uint
    location: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitMoved(Event):
    """A handling unit stands in `target` now; "" is nowhere, before it was made or after its use."""

    line: Uint
    unit: IndexedText
    source: Text
    target: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Event):
    """What the operation moves out of CHANGE has the status `status` from here on."""

    status: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class Released(Event):
    hold: IndexedOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedLine(Event):
    """Line `line` freed goods that the move `index` of the hold had brought."""

    line: Uint
    index: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelled(Event):
    lot: IndexedText


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecorded(Event):
    """Part `number` of `count` of `whole` is stated, without effect; `act` is the number of the call it is for."""

    whole: IndexedOperation
    number: Uint
    count: Uint
    act: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class PartBooked(Event):
    whole: IndexedOperation
    number: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class CountPlanned(Event):
    scope: IndexedWord
    rule: Word
    height: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRecorded(Event):
    session: IndexedOperation
    bin: IndexedText
    round: Uint
    counter: Person
    stable: Flag
    whole: Flag
    scans: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class CountLine(Event):
    """`expected` is the stock of the moment in which the count was recorded."""

    line: Uint
    item: IndexedText
    lot: Text
    serial: Text
    status: Uint
    counted: Uint
    expected: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class CountPosted(Event):
    """Bit i of `select`: line i was posted by this operation."""

    count: IndexedOperation
    approver: Person
    select: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class CountShort(Event):
    """A posted line would have gone below zero; `missing` base units could not be taken."""

    line: Uint
    missing: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialElsewhere(Event):
    """A counted serial stands in the books at another location."""

    line: Uint
    location: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Excepted(Event):
    location: IndexedText
    reason: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptedLine(Event):
    line: Uint
    item: IndexedText
    lot: Text
    serial: Text
    status: Uint
    quantity: Uint
    source: Text
    target: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched(Event):
    receiver: IndexedText


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(Event):
    transfer: IndexedOperation
    sender: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedLine(Event):
    line: Uint
    index: Uint
    missing: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Event):
    transfer: IndexedOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversed(Event):
    of: IndexedOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlApplied(Event):
    sequence: Uint
    kind: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRefused(Event):
    """The record's place in the sequence is used; its content could not be applied."""

    sequence: Uint
    kind: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebased(Event):
    """A later incarnation has begun: control records count from one again."""

    origin: String
    node: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound(Event):
    actor: IndexedPerson
    key: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event):
    """`running` is AuditLogger's hash over everything noted so far."""

    actor: IndexedAnyone
    kind: IndexedText
    subject: Word
    document: Word
    running: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterChanged(Event):
    """StockLedger obeys a new InventoryManager from here on."""

    writer: IndexedAddress


EVENTS: tuple[type[Event], ...] = (
    Recorded,
    Moved,
    Reserved,
    Unreserved,
    UnitMoved,
    Held,
    Released,
    ReleasedLine,
    Relabelled,
    PartRecorded,
    PartBooked,
    CountPlanned,
    CountRecorded,
    CountLine,
    CountPosted,
    CountShort,
    SerialElsewhere,
    Excepted,
    ExceptedLine,
    Dispatched,
    Accepted,
    AcceptedLine,
    Settled,
    Reversed,
    ControlApplied,
    ControlRefused,
    Rebased,
    Bound,
    Noted,
    WriterChanged,
)


def topic(cls: type[Event]) -> bytes:
    """Topic 0: Keccak-256 of the event's signature."""
    return _TOPICS[cls]


def decode_logs(logs: Iterable[Log]) -> list[Event]:
    """The events of a transaction in order; raises `Invalid` for a log that no contract of ours writes."""
    return [decode_log(log) for log in logs]


def decode_log(log: Log) -> Event:
    """One log as an event; raises `Invalid`."""
    cls = _BY_TOPIC.get(log.topics[0] if log.topics else b"")
    if cls is None:
        raise Invalid(f"a log of {log.address.hex()} is of no event that this program knows: install the newer one")
    known = kinds(cls)
    topics = sum(known.indexed)
    if len(log.topics) != topics + 1:
        raise Invalid(f"{cls.__name__} has {topics + 1} topics, not {len(log.topics)}")
    indexed = [kind.abi for kind, mark in zip(known.fields, known.indexed, strict=True) if mark]
    plain = [kind.abi for kind, mark in zip(known.fields, known.indexed, strict=True) if not mark]
    first = iter(abi_decode(indexed, b"".join(log.topics[1:])))
    second = iter(abi_decode(plain, log.data))
    values: tuple[Any, ...] = tuple(next(first) if mark else next(second) for mark in known.indexed)
    return from_values(cls, values)


def _signature(cls: type[Event]) -> str:
    return f"{cls.__name__}({','.join(kinds(cls).types)})"


_TOPICS = {cls: keccak256(_signature(cls).encode()) for cls in EVENTS}
_BY_TOPIC = {raw: cls for cls, raw in _TOPICS.items()}
