"""Reading what a tablet or program sends: strict, bounded, and refused in words that its sender can use.

JSON has been parsed already (`ledger.codec.json_loads`); here its values become the warehouse's. What a person may
have typed is refused by its value, in a sentence; a field is named only where a program alone can be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ledger import documents, spelling
from ledger.documents import OCCURRED_MS_MAX, reason_code
from ledger.errors import Rejected
from ledger.ids import Actor, OpId, quantity, text_to_word
from ledger.moves import FREE, QUANTITY_MAX, STATUSES
from ledger.wording import shown

NAME_CHARS_MAX = 80
NOTE_CHARS_MAX = 500
LABEL_CHARS_MAX = 4_096  # a QR code holds about as many

Said = tuple[tuple[str, int], ...]  # reasons with their shares; a share of 0 is the whole difference


class Fields:
    """The fields of one object, each taken once; `done` refuses what nobody asked for."""

    def __init__(self, body: object, what: str) -> None:
        if not isinstance(body, Mapping) or not all(isinstance(name, str) for name in body):
            raise Rejected(f"{what}: expected an object with named fields")
        self._body: dict[str, Any] = dict(body)
        self._what = what

    def take(self, name: str) -> Any:
        """The raw value, or None when it is absent."""
        return self._body.pop(name, None)

    def text(self, name: str, *, need: bool = True) -> str:
        """A text id (item, lot, location …); with `need=False` an absent one is ''. What is not seen in it would make
        two of what looks like one, and is refused."""
        value = self.take(name)
        if value is None and not need:
            return ""
        return spelling.code(text_id(value, f"{self._what}: {name}", empty=not need))

    def standing(self, name: str) -> str:
        """A text id that goods bear already, or ''. One that older rules took is named as it is."""
        value = self.take(name)
        return "" if value is None else text_id(value, f"{self._what}: {name}", empty=True)

    def quantity(self, name: str, *, least: int = 0, default: int | None = None) -> int:
        value = self.take(name)
        if value is None and default is not None:
            return default
        return amount(value, f"{self._what}: {name}", least=least)

    def number(self, name: str) -> int | None:
        """The number of something, from 1, or None when it is absent."""
        value = self.take(name)
        return None if value is None else amount(value, f"{self._what}: {name}", least=1)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.take(name)
        if value is None:
            return default
        if type(value) is not bool:
            raise Rejected(f"{self._what}: {name} is {shown(value)}: expected true or false")
        return value

    def op_id(self, name: str) -> OpId:
        return OpId.parse(self.take(name))

    def actor(self, name: str) -> Actor | None:
        value = self.take(name)
        return None if value is None else Actor.parse(value)

    def status(self, name: str = "status", *, held: bool = False, absent: int = FREE) -> int:
        """A status as the chain numbers it; `absent` where none is said. `held`: it has to be another than free."""
        value = self.take(name)
        if value is None and (absent != FREE or not held):
            return absent
        known = STATUSES[1:] if held else STATUSES
        if not isinstance(value, str) or value not in known:
            raise Rejected(f"{self._what}: {name} {shown(value)}: expected {', '.join(known)}")
        return STATUSES.index(value)

    def moment(self, name: str) -> int | None:
        """UTC milliseconds, or None when absent."""
        value = self.take(name)
        return None if value is None else quantity(value, most=OCCURRED_MS_MAX)

    def name(self, name: str) -> str:
        return label(self.take(name), f"{self._what}: {name}")

    def note(self, name: str) -> str:
        """Free text of a person, or ''."""
        value = self.take(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise Rejected(f"{self._what}: {name} is {shown(value)}: expected a text")
        if len(value) > NOTE_CHARS_MAX:
            raise Rejected(f"a note of {len(value)} characters is too long: {NOTE_CHARS_MAX} fit")
        return spelling.prose(value)

    def label(self, name: str) -> bytes:
        """What a page read, as bytes; b"" when absent."""
        value = self.take(name)
        if value is None:
            return b""
        if not isinstance(value, str) or len(value) > LABEL_CHARS_MAX:
            raise Rejected(f"{self._what}: {name} is text of at most {LABEL_CHARS_MAX} characters")
        return value.encode("utf-8", "replace")

    def reasons(self, name: str = "reasons") -> tuple[str, ...]:
        value = self.take(name)
        return () if value is None else tuple(reason_code(code) for code in listed(value, f"{self._what}: {name}", 8))

    def objects(self, name: str, most: int) -> list[Any]:
        return listed(self.take(name), f"{self._what}: {name}", most)

    def mapping(self, name: str) -> dict[str, Any]:
        value = self.take(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise Rejected(f"{self._what}: {name}: expected an object")
        return dict(value)

    def done(self) -> None:
        """Every field has been used; a name nobody knows is a mistake of its sender, not something to skip."""
        if self._body:
            raise Rejected(f"{self._what}: unknown field {shown(sorted(self._body)[0])}")


def shared_reasons(codes: object, line: str) -> Said:
    """Reasons of one line: codes, or codes with how much each explains."""
    found = []
    for entry in listed(codes, f"reasons of line {line}", 8):
        if isinstance(entry, str):
            found.append((reason_code(entry), 0))
        else:
            pair = listed(entry, f"reason of line {line}", 2)
            if len(pair) != 2:
                raise Rejected(f"reason of line {line}: expected a code and its share")
            found.append((reason_code(pair[0]), amount(pair[1], f"share of line {line}", least=1)))
    return tuple(found)


def text_id(value: object, what: str, *, empty: bool = False) -> str:
    """A text id of up to 31 bytes; '' only where `empty` allows it. Space around it is a typing slip, and refused."""
    if not isinstance(value, str) or (not value and not empty):
        raise Rejected(f"{what} is {shown(value)}: expected a text")
    if value != value.strip():
        raise Rejected(f"{value[:40]!r} begins or ends with a space: write it without")
    text_to_word(value)
    return value


def reference(value: object) -> str:
    """A foreign document number that comes in today."""
    return spelling.code(documents.reference(value))


def amount(value: object, what: str, *, least: int = 0) -> int:
    """A whole number of base units."""
    if type(value) is int and value > QUANTITY_MAX:
        raise Rejected(f"{shown(value)} is too much to be booked at once: say at most {QUANTITY_MAX}")
    if type(value) is not int or value < least:
        raise Rejected(f"{what} is {shown(value)}: expected a whole number from {least} to {QUANTITY_MAX}")
    return value


def label(value: object, what: str) -> str:
    """A name for people to read: printable, 1 to 80 characters."""
    if not isinstance(value, str):
        raise Rejected(f"{what} is {shown(value)}: expected a text")
    if not 0 < len(value.strip()) <= NAME_CHARS_MAX:
        raise Rejected(f"{value[:40]!r} is no name: write 1 to {NAME_CHARS_MAX} characters")
    return spelling.name(value).strip()


def listed(value: object, what: str, most: int) -> list[Any]:
    """A list of up to `most` values."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise Rejected(f"{what} is {shown(value)}: expected a list")
    if len(value) > most:
        raise Rejected(f"{len(value)} are too many at once: at most {most} fit")
    return list(value)
