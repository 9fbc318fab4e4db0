"""Calls about goods that change status or lot, are promised, picked and issued, or move with their handling unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ledger.call import NO_DOCUMENT, ApprovedCall, Call, Signature
from ledger.ids import OpId
from ledger.moves import CHANGES_MAX, Freed, FreedLines, GoodsLines, Lines, PromisedLines, UnitMoves
from ledger.words import OPERATION, Kind, Operation, Person, Text, Uint, Word, array, pack_all


def _word_or_none(value: OpId | None) -> bytes:
    return value.word if value else bytes(32)


def _op_or_none(value: bytes) -> OpId | None:
    return OpId.from_word(value) if any(value) else None


Reservation = Annotated[OpId | None, Kind("bytes32", _word_or_none, _op_or_none)]

# Numbers of the calls whose lines can come in parts (`RecordPart.act`), as the contract has them.
RECEIVE_ACT, MOVE_ACT, ISSUE_ACT = 1, 2, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick(Call):
    """Reserved free goods go into a tote, or another real location."""

    METHOD: ClassVar[str] = "pick"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    reservation: Operation
    lines: Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue(Call):
    """Free goods leave to CUSTOMER. `reservation`: what they use up, or none."""

    METHOD: ClassVar[str] = "issue"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    reservation: Reservation = None
    lines: Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Call):
    """Goods get the status `held` where they stand. Line i is booked as the moves 2 i and 2 i + 1."""

    METHOD: ClassVar[str] = "hold"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    held: Uint
    lines: GoodsLines


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(ApprovedCall):
    """Goods that the operation `hold` held are free again. Signed by the actor, who is not who held them."""

    METHOD: ClassVar[str] = "release"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    hold: Operation
    lines: FreedLines
    approval: Signature = None

    def subject(self) -> bytes:
        return pack_all((self.hold, OPERATION), (self.lines, array(Freed, CHANGES_MAX)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabel(Call):
    """Goods get the lot `lot` where they stand; the same one when only their expiry changes."""

    METHOD: ClassVar[str] = "relabel"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    lot: Text
    lines: GoodsLines


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve(Call):
    """Free goods are promised; the op_id is the reservation's name."""

    METHOD: ClassVar[str] = "reserve"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    lines: PromisedLines


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreserve(Call):
    """What a reservation still has is free again."""

    METHOD: ClassVar[str] = "unreserve"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    reservation: Operation
    lines: PromisedLines


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveUnit(Call):
    """Handling units move with what stands in them; a unit without a source is made by it."""

    METHOD: ClassVar[str] = "move_unit"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    lines: UnitMoves


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPart(Call):
    """Part `number` of `count` of a larger act is stated; its op_id is `documents.part_op_id(whole, number)`."""

    METHOD: ClassVar[str] = "record_part"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    whole: Operation
    number: Uint
    count: Uint
    act: Uint
    lines: Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPart(Call):
    """The same lines again, after every part has been stated: now they are booked."""

    METHOD: ClassVar[str] = "book_part"
    CONTRACT: ClassVar[str] = "manager"
    actor: Person
    document: Word = NO_DOCUMENT
    whole: Operation
    number: Uint
    act: Uint
    lines: Lines
