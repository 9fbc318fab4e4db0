"""GS1 element strings, as carriers hold them and as people write them with brackets.

A carrier begins with FNC1, which scanners report in the symbology identifier and sometimes as a leading GS. Values
of predefined length need no separator; every other value ends at GS or at the end. GS after a value of predefined
length and at the very end is tolerated, as GS1's own engine does. Source: GS1 General Specifications 7.8.
"""

from __future__ import annotations

from typing import NamedTuple

from devices.decoders.dates import check_day
from devices.decoders.identifiers import AIS, identifier_at
from ledger.errors import Rejected

GS = "\x1d"
# What scanners and keyboard layouts make of GS: the symbol for it, and a private-use code point.
SEPARATORS = str.maketrans({"\u241d": GS, "\uf70b": GS})
ELEMENTS_MAX = 100


class Element(NamedTuple):
    """One value with its application identifier, both as printed."""

    ai: str
    value: str


def parse(data: str) -> tuple[Element, ...]:
    """The elements of a carrier's data; raises Rejected at the first thing that is not GS1."""
    elements: list[Element] = []
    position, end = 1 if data[:1] == GS else 0, len(data)
    while position < end:
        ai = identifier_at(data, position)
        start = position + len(ai.code)
        if ai.length:
            stop = start + ai.length
        else:
            stop = data.find(GS, start)
            if stop < 0:
                stop = end
        value = data[start:stop]
        ai.check(value)
        elements.append(Element(ai.code, value))
        position = stop + 1 if data[stop : stop + 1] == GS else stop
        if len(elements) > ELEMENTS_MAX:
            raise Rejected(f"more than {ELEMENTS_MAX} elements in one code")
    if not elements:
        raise Rejected("a GS1 code without content")
    return tuple(elements)


def parse_bracketed(text: str) -> tuple[Element, ...]:
    r"""The elements of `(01)09501101530003(10)AB-1`; a bracket inside a value is written `\(`. Raises Rejected."""
    elements: list[Element] = []
    position = 0
    while position < len(text):
        close = text.find(")", position)
        if text[position] != "(" or close < 0:
            raise Rejected(f"{text[position : position + 20]!r}: expected an identifier in brackets, such as (01)")
        code = text[position + 1 : close]
        ai = AIS.get(code)
        if ai is None:
            raise Rejected(f"({code[:20]}) is not a GS1 application identifier")
        value, position = _bracketed_value(text, close + 1)
        ai.check(value)
        elements.append(Element(code, value))
        if len(elements) > ELEMENTS_MAX:
            raise Rejected(f"more than {ELEMENTS_MAX} elements in one code")
    if not elements:
        raise Rejected("nothing to read: expected an identifier in brackets, such as (01)")
    return tuple(elements)


def _bracketed_value(text: str, start: int) -> tuple[str, int]:
    position = start
    while position < len(text) and text[position] != "(":
        position += 2 if text.startswith("\\(", position) else 1
    return text[start:position].replace("\\(", "("), position


def bracketed(elements: tuple[Element, ...]) -> str:
    """The inverse of `parse_bracketed`, for people to read."""
    return "".join(f"({ai})" + value.replace("(", "\\(") for ai, value in elements)


def lost_separator(data: str, elements: tuple[Element, ...]) -> str:
    """A sentence when the last value looks as if a separator before its end was lost, else an empty text.

    `10ABC17261231` is a legal lot `ABC17261231` and far more often lot ABC with an expiry whose GS the scanner or
    the keyboard dropped. It is never split silently: a person decides.
    """
    ai, value = elements[-1]
    if GS in data.strip(GS) or AIS[ai].length or "X" not in AIS[ai].fields:
        return ""
    place = len(value) - 8
    if place < 1 or value[place : place + 2] not in ("11", "13", "15", "17"):
        return ""
    digits = value[place + 2 :]
    if not (digits.isascii() and digits.isdigit()):
        return ""
    try:
        check_day(digits, day_zero=True)
    except Rejected:
        return ""
    code = value[place : place + 2]
    return f"({ai}) {value} may be ({ai}) {value[:place]} with ({code}) {digits}: a separator seems lost; ask"
