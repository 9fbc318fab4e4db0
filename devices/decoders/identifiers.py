"""Application identifiers ready for use: `table` compiled once, at import, into one value an identifier."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, reduce

from devices.decoders.content import CHECKS, Check
from devices.decoders.table import LINK_KEYS, MEASURES, ROWS
from ledger.errors import Rejected

_FIELD = re.compile(r"(\[?)([NXYZ])(\.\.)?([0-9]+)((?:/[a-z0-9?+]+)*)\]?", re.ASCII)
_CLASSES = {"N": "[0-9]", "X": '[!-"%-?A-Z_a-z]', "Y": "[#\\-/0-9A-Z]", "Z": "[0-9A-Za-z_\\-=]"}

Alternatives = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Ai:
    """One application identifier. `length` is that of a value needing no separator after it, else 0."""

    code: str
    name: str
    fields: str
    length: int
    attribute: bool
    needs: Alternatives
    excludes: tuple[str, ...]

    def check(self, value: str) -> None:
        """Raise Rejected unless `value` has the right length, alphabet and content."""
        pattern, checks = _compiled(self.fields)
        found = pattern.fullmatch(value)
        if found is None:
            raise Rejected(
                f"({self.code}) {self.name}: {value[:100]!r} does not fit, expected {_described(self.fields)}"
            )
        for group, check in checks:
            part = found[group]
            if part is not None:
                try:
                    check(part)
                except Rejected as error:
                    raise Rejected(f"in element ({self.code}) {self.name}: {error}") from None

    @property
    def decimals(self) -> int:
        """Implied decimals of a measure or amount: the identifier's last digit."""
        return int(self.code[3])


@cache
def _compiled(fields: str) -> tuple[re.Pattern[str], tuple[tuple[int, Check], ...]]:
    pattern = ""
    checks: list[tuple[int, Check]] = []
    for group, (bracket, kind, span, count, names) in enumerate(_FIELD.findall(fields), start=1):
        pattern += f"({_CLASSES[kind]}{{{'1,' if span else ''}{count}}}){'?' if bracket else ''}"
        checks += [(group, CHECKS[name]) for name in names.split("/")[1:]]
    return re.compile(pattern, re.ASCII), tuple(checks)


def _described(fields: str) -> str:
    first, *more = (_one(*field[:4]) for field in _FIELD.findall(fields))
    return reduce(_followed, more, first)


def _followed(first: str, second: str) -> str:
    return f"{first}, followed by {second}"


def _one(bracket: str, kind: str, span: str, count: str) -> str:
    text = {"N": _digits, "X": _characters, "Y": _capitals, "Z": _base64}[kind](f"1-{count}" if span else count)
    return f"and possibly {text}" if bracket else text


def _digits(count: str) -> str:
    return f"{count} digits and nothing else"


def _characters(count: str) -> str:
    return f"{count} letters, digits or signs"


def _capitals(count: str) -> str:
    return f"{count} capital letters, digits, # - or /"


def _base64(count: str) -> str:
    return f"{count} letters, digits, - or _"


def _rows() -> dict[str, Ai]:
    found: dict[str, Ai] = {}
    for row in ROWS.strip().splitlines():
        codes, fields, needs, excludes, flags, name = (column.strip() for column in row.split(";"))
        first, _, last = codes.partition("-")
        alternatives = tuple(tuple(choice.split("+")) for choice in needs.split())
        length = sum(int(size) for size in re.findall(r"[NX]([0-9]+)", fields)) if "*" in flags else 0
        for number in range(int(first), int(last or first) + 1):
            code = str(number).zfill(len(first))
            found[code] = Ai(code, name, fields, length, "-" not in flags, alternatives, tuple(excludes.split()))
    for stem, (unit, name) in MEASURES.items():
        needs = "01" if stem == "337" else "00 01" if name.startswith("gross") else "01 02"
        alternatives = tuple((choice,) for choice in needs.split())
        for decimals in range(6):
            code = f"{stem}{decimals}"
            found[code] = Ai(code, f"{name} in {unit}", "N6", 6, True, alternatives, (f"{stem}n",))
    return found


AIS = _rows()
# The first two digits tell how many digits an identifier has.
LENGTHS = {code[:2]: len(code) for code in AIS}
KEYS = LINK_KEYS


def identifier_at(data: str, position: int) -> Ai:
    """The application identifier that begins at `position`; raises Rejected where none does."""
    start = data[position : position + 2]
    found = AIS.get(data[position : position + LENGTHS.get(start, 2)])
    if found is None:
        seen = data[position : position + 4]
        raise Rejected(f"no GS1 application identifier begins with {seen!r} (character {position + 1})")
    return found
