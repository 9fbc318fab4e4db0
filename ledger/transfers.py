"""Transfers between sites: what arrived, and how the hub settled the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ledger.documents import TAKES_BACK, Document, reversal_op_id
from ledger.errors import Rejected
from ledger.events import Moved
from ledger.ids import IN_TRANSIT, TEXT_BYTES_MAX, OpId
from ledger.moves import FREE
from ledger.words import Text, Uint

# The kind of note by which a sender asks the hub to cancel a transfer, which is its subject. Its document's reference
# BIN names the bin in which the goods stand.
CANCEL = "cancel-transfer"
BIN = "bin"
# The kind of note by which an acceptance is reversed of which nothing came in; its subject is that.
NEVER_MISSED = "acceptance-reversed"
# What a person at the hub ruled of a transfer (`hub/settling`). The first is a reason in an acceptance too: so much
# of what is missing the carrier took back.
RETURNED, CANCELLED, DIVERTED = "returned", "cancelled", "diverted"
# What became of the sender's request.
ASKED, DECLINED = "asked", "declined"

Goods = tuple[str, str, str, str, int]  # item, lot, serial, the place where they were put, quantity


@dataclass(frozen=True, slots=True, order=True)
class TransferName:
    """Which transfer is meant: the op_id of its dispatch, at the site that dispatched it.

    The op_id alone names nothing: a sender chooses its own, and may by malice choose one that another site has used.
    """

    sender: str
    transfer: OpId

    @classmethod
    def parse(cls, text: str) -> TransferName:
        """The inverse of `str`; raises Rejected."""
        sender, slash, transfer = text.rpartition("/")
        if not slash or not 0 < len(sender.encode()) <= TEXT_BYTES_MAX:
            raise Rejected(f"{text[:80]!r} is not a transfer: expected its sender, a slash and its op_id")
        return cls(sender, OpId.parse(transfer))

    def __str__(self) -> str:
        return f"{self.sender}/{self.transfer}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One line of a transfer at its receiver: `quantity` came in, `missing` did not; `index` in the dispatch."""

    index: Uint
    item: Text
    lot: Text = ""
    serial: Text = ""
    status: Uint = FREE
    quantity: Uint
    missing: Uint = 0
    target: Text


def acceptance_reversed(op_id: OpId, document: Document | None) -> OpId | None:
    """The acceptance that an operation reverses: its document says so, and its own name follows from it. What came in
    goes back into transit by a dispatch that is no transfer: the contract moves goods there by nothing else."""
    try:
        of = OpId.parse("" if document is None else document.references.get(TAKES_BACK, ""))
    except Rejected:
        return None
    return of if op_id == reversal_op_id(of) else None


def is_taken_back(came: Iterable[Goods], moved: Iterable[Moved]) -> bool:
    """Whether these moves carry into transit all that came in by an acceptance, and nothing else. Whatever its status
    was: what came in held goes back free."""
    left: Counter[tuple[str, str, str, str]] = Counter()
    for item, lot, serial, place, quantity in came:
        left[item, lot, serial, place] += quantity
    for move in moved:
        if move.target != IN_TRANSIT:
            return False
        left[move.item, move.lot, move.serial, move.source] -= move.quantity
    return not any(left.values())


def returned_of(document: Document, line: int, missing: int) -> int:
    """How much of what is `missing` of a line of an acceptance the carrier took back, as its document says."""
    codes, shares = document.line_reasons.get(line, ()), document.shares.get(line, ())
    if shares and RETURNED in codes:
        return min(missing, shares[codes.index(RETURNED)])
    return missing if codes == (RETURNED,) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One line that the hub's outcome clears from the sender's IN_TRANSIT."""

    index: Uint
    item: Text
    lot: Text = ""
    serial: Text = ""
    status: Uint = FREE
    quantity: Uint
    target: Text
