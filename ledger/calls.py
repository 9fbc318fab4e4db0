"""Every call of the site's contracts as a value: what an operator finishes, and the bytes that go on chain.

`call.encode(op_id)` gives call data, `decode(data)` the way back. Field order is the contracts' argument order after
`op_id`; amounts are whole numbers of the item's base unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ledger.call import (
    NO_DOCUMENT,
    Approval,
    ApprovedCall,
    Call,
    Signature,
    approval_digest,
    selector,
    typed_digest,
    with_approval,
)
from ledger.calls_goods import (
    BookPart,
    Hold,
    Issue,
    MoveUnit,
    Pick,
    RecordPart,
    Relabel,
    Release,
    Reserve,
    Unreserve,
)
from ledger.codec import abi_decode, keccak256
from ledger.counts import Compared, Counted
from ledger.errors import Invalid, Rejected
from ledger.ids import OpId
from ledger.moves import DAMAGE, EXPIRED, FREE, QUALITY, STATUSES, Freed, Goods, Line, Lines, Promised, UnitMove
from ledger.transfers import Accepted, Settled
from ledger.words import (
    FLAG,
    LINES_MAX,
    OPERATION,
    PERSON,
    TEXT,
    UINT,
    Address,
    Anyone,
    Bytes,
    Flag,
    Operation,
    Person,
    String,
    Text,
    Uint,
    Word,
    array,
    from_values,
    kinds,
    pack_all,
)

__all__ = [
    "CALLS",
    "DAMAGE",
    "EXPIRED",
    "FREE",
    "LINES_MAX",
    "NO_DOCUMENT",
    "QUALITY",
    "STATUSES",
    "AcceptTransfer",
    "Accepted",
    "Adjust",
    "Apply",
    "Approval",
    "ApprovedCall",
    "Bind",
    "BookPart",
    "Call",
    "Compared",
    "Counted",
    "Dispatch",
    "ExceptDocument",
    "Freed",
    "Goods",
    "Hold",
    "Issue",
    "Line",
    "Move",
    "MoveUnit",
    "Note",
    "Pick",
    "PlanCount",
    "PostCount",
    "Promised",
    "Rebase",
    "Receive",
    "RecordCount",
    "RecordPart",
    "Relabel",
    "Release",
    "Reserve",
    "Reverse",
    "SettleTransfer",
    "Settled",
    "UnitMove",
    "Unreserve",
    "approval_digest",
    "decode",
    "gas_limit",
    "selector",
    "typed_digest",
    "with_approval",
]


# Measured for 200 lines that all touch new storage, with a third to spare (tests/node/test_limits.py): a document
# refused for gas would be a physical act that cannot be recorded, and an idle margin keeps others out of the block.
GAS_BASE = 500_000
GAS_LINE = 150_000
GAS_PAYLOAD_WORD = 40_000
GAS_DEPLOY = 14_000_000

CountedLines = Annotated[tuple[Counted, ...], array(Counted)]
ComparedLines = Annotated[tuple[Compared, ...], array(Compared)]
AcceptedLines = Annotated[tuple[Accepted, ...], array(Accepted)]
SettledLines = Annotated[tuple[Settled, ...], array(Settled)]
_LINES, _COMPARED, _ACCEPTED = array(Line), array(Compared), array(Accepted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive(Call):
    """Goods come in: from SUPPLIER (or CUSTOMER for returns) to real locations."""

    METHOD: ClassVar[str] = "receive"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    lines: Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(Call):
    """Goods change place inside the site."""

    METHOD: ClassVar[str] = "move"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    lines: Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjust(ApprovedCall):
    """Stock is corrected against SHRINKAGE; another person approves."""

    METHOD: ClassVar[str] = "adjust"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    lines: Lines
    approval: Signature = None

    def subject(self) -> bytes:
        return pack_all((self.lines, _LINES))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCount(Call):
    """What is to be counted: it follows from `scope`, `rule` (hashes of what they say) and the state at `height`."""

    METHOD: ClassVar[str] = "plan_count"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    scope: Word
    rule: Word
    height: Uint


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCount(Call):
    """A bin was counted. `opened` is the bin's change counter at its opening, or `counts.UNSEEN`; `scans` the root of
    the scan events."""

    METHOD: ClassVar[str] = "record_count"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    session: Operation
    bin: Text
    round: Uint
    opened: Uint
    whole: Flag
    scans: Word
    lines: CountedLines


@dataclass(frozen=True, slots=True, kw_only=True)
class PostCount(ApprovedCall):
    """Book counted - expected of the selected lines of a recorded count. Bit i of `select` stands for line i."""

    METHOD: ClassVar[str] = "post_count"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    count: Operation
    session: Operation
    bin: Text
    round: Uint
    counter: Person
    stable: Flag
    lines: ComparedLines
    select: Uint
    approval: Signature = None

    def subject(self) -> bytes:
        return pack_all((self.count, OPERATION), (self.select, UINT), (self.lines, _COMPARED))

    @property
    def commitment(self) -> bytes:
        """What StockLedger stored when the count was recorded."""
        return keccak256(
            pack_all(
                (self.session, OPERATION),
                (self.bin, TEXT),
                (self.round, UINT),
                (self.counter, PERSON),
                (self.stable, FLAG),
                (self.lines, _COMPARED),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse(ApprovedCall):
    """Book the exact lines of operation `of` backwards, once; another person approves."""

    METHOD: ClassVar[str] = "reverse"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    of: Operation
    lines: Lines
    approval: Signature = None

    def subject(self) -> bytes:
        return pack_all((self.of, OPERATION), (self.lines, _LINES))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptDocument(Call):
    """A physical act that the rules cannot book: sealed with its reason, without effect on stock."""

    METHOD: ClassVar[str] = "except_document"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    location: Text
    reason: Text
    lines: Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch(ApprovedCall):
    """Goods leave for another site: from real locations to IN_TRANSIT. `receiver` is the other site's name."""

    METHOD: ClassVar[str] = "dispatch"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    receiver: Text
    lines: Lines
    approval: Signature = None

    def subject(self) -> bytes:
        return pack_all((self.receiver, TEXT), (self.lines, _LINES))


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptTransfer(ApprovedCall):
    """Goods of a dispatch arrive: from IN_TRANSIT to their targets, what is missing named beside it."""

    METHOD: ClassVar[str] = "accept_transfer"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    transfer: Operation
    sender: Text
    lines: AcceptedLines
    approval: Signature = None

    def subject(self) -> bytes:
        return pack_all(
            (self.transfer, OPERATION),
            (self.sender, TEXT),
            (self.lines, _ACCEPTED),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleTransfer(Call):
    """Clear the sender's IN_TRANSIT. Only the registry calls it, for a control record of kind SETTLE."""

    METHOD: ClassVar[str] = "settle_transfer"
    CONTRACT: ClassVar[str] = "manager"
    transfer: Operation
    lines: SettledLines


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply(Call):
    """Hand a control record of the hub to the registry, which checks its signature and sequence."""

    METHOD: ClassVar[str] = "apply"
    CONTRACT: ClassVar[str] = "registry"
    sequence: Uint
    kind: Uint
    payload: Bytes
    signature: Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebase(Call):
    """A later incarnation begins: its name and its node's address, by the hub's word (`control.rebase_digest`)."""

    METHOD: ClassVar[str] = "rebase"
    CONTRACT: ClassVar[str] = "registry"
    origin: String
    node: Address
    signature: Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind(Call):
    """Tie a person's new key to their id, by the one-time activation code (bytes32) whose hash the hub recorded."""

    METHOD: ClassVar[str] = "bind"
    CONTRACT: ClassVar[str] = "registry"
    actor: Person
    key: Address
    code: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Call):
    """A fact without stock: log-in, override, configuration, verdict. No actor: the node itself noted it."""

    METHOD: ClassVar[str] = "record"
    CONTRACT: ClassVar[str] = "audit"
    actor: Anyone
    document: Word = NO_DOCUMENT
    kind: Text
    subject: Word


CALLS: tuple[type[Call], ...] = (
    Receive,
    Move,
    Pick,
    Issue,
    Adjust,
    Hold,
    Release,
    Relabel,
    Reserve,
    Unreserve,
    MoveUnit,
    RecordPart,
    BookPart,
    PlanCount,
    RecordCount,
    PostCount,
    Reverse,
    ExceptDocument,
    Dispatch,
    AcceptTransfer,
    SettleTransfer,
    Apply,
    Rebase,
    Bind,
    Note,
)


_BY_SELECTOR = {selector(cls): cls for cls in CALLS}


def decode(data: bytes) -> tuple[OpId, Call]:
    """Which operation this call data is and what it asks; raises `Invalid` for anything we would not have written."""
    cls = _BY_SELECTOR.get(data[:4])
    if cls is None:
        raise Invalid(f"call data begins with {data[:4].hex()}: no method of the site's contracts")
    word, *values = abi_decode(("bytes32", *kinds(cls).types), data[4:])
    try:
        op_id = OpId.from_word(word)
    except Rejected as error:
        raise Invalid(str(error)) from error
    return op_id, from_values(cls, tuple(values))


# Some move nothing; a change of status or lot is two moves; what arrives held is remembered besides.
_GAS_LINES: dict[type[Call], int] = {
    Receive: 170_000,
    BookPart: 170_000,
    RecordCount: 30_000,
    ExceptDocument: 15_000,
    RecordPart: 15_000,
    Hold: 2 * GAS_LINE,
    Release: 2 * GAS_LINE,
    Relabel: 2 * GAS_LINE,
}


def gas_limit(call: Call) -> int:
    """What a transaction of this call may use at most: a function of the call alone, for anyone to recompute."""
    if isinstance(call, Apply):
        return GAS_BASE + GAS_PAYLOAD_WORD * (len(call.payload) // 32)
    return GAS_BASE + _GAS_LINES.get(type(call), GAS_LINE) * call.lines_count
