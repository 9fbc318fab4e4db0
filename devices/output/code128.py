"""Code 128 and GS1-128: from text to the widths of bars, and to the invocation codes that ZPL printers want.

Both come from one list of symbol values, so that paper from a printer and from a page cannot differ. Code sets B and
C are enough for printable text. Source: ISO/IEC 15417; GS1 General Specifications, section 5.4.
"""

from __future__ import annotations

import re

from ledger.errors import Rejected

FNC1 = "\x1d"  # stands for FNC1 in a text: in front of GS1 data and behind values of variable length
START_B, START_C, TO_C, TO_B, FNC1_VALUE, STOP = 104, 105, 99, 100, 102, 106
TEXT_LENGTH_MAX = 80
QUIET = 10  # modules that must stay white on both sides

# Widths of bar, space, bar, space, bar, space for each value, and the stop pattern with its seventh element.
_PATTERNS = """
212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222
123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321
232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121
313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224
111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111
111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113
114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112
"""
_WIDTHS = _PATTERNS.split()
_DIGITS = re.compile(r"[0-9]+", re.ASCII)


def values(text: str) -> list[int]:
    """The symbol values of `text` without check and stop; raises Rejected for what code sets B and C cannot hold."""
    if not text or len(text) > TEXT_LENGTH_MAX:
        raise Rejected(f"a Code 128 of {len(text)} characters: expected 1 to {TEXT_LENGTH_MAX}")
    found: list[int] = []
    in_c, place = False, 0
    while place < len(text):
        if text[place] == FNC1 and found:
            found.append(FNC1_VALUE)
            place += 1
            continue
        wish_c = _wants_c(text, place, in_c, start=not found)
        if not found or wish_c != in_c:
            found.append((START_C if wish_c else START_B) if not found else TO_C if wish_c else TO_B)
            in_c = wish_c
        if text[place] == FNC1:
            continue
        if in_c:
            found.append(int(text[place : place + 2]))
            place += 2
        else:
            if not " " <= text[place] <= "~":
                raise Rejected(f"{text[place]!r} cannot be printed as Code 128: expected printable ASCII")
            found.append(ord(text[place]) - 32)
            place += 1
    return found


def _wants_c(text: str, place: int, in_c: bool, *, start: bool) -> bool:
    """Whether the next character is best said in pairs of digits: long runs, and those at either end."""
    ahead = place + (text[place] == FNC1)
    run = _DIGITS.match(text, ahead)
    digits = len(run[0]) if run else 0
    if in_c:
        return digits >= 2
    at_end = ahead + digits == len(text)
    enough = digits >= 4 if start or at_end else digits >= 6
    # An odd digit is said in B first, unless the symbol only begins here and the odd one may come last.
    return enough and (start or digits % 2 == 0)


def widths(text: str) -> list[int]:
    """Widths in modules, bar and space in turns, without quiet zones."""
    found = values(text)
    check = (found[0] + sum(place * value for place, value in enumerate(found))) % 103
    return [int(width) for value in (*found, check, STOP) for width in _WIDTHS[value]]


def modules(text: str) -> int:
    """How wide `text` is, quiet zones included."""
    return sum(widths(text)) + 2 * QUIET


def zpl_data(text: str) -> str:
    """`text` for ZPL's ^BC in normal mode: `>:` and `>;` start in B and C, `>5` and `>6` change, `>8` is FNC1."""
    said: list[str] = []
    in_c = False
    for value in values(text):
        if value in (START_B, START_C):
            in_c = value == START_C
            said.append(">;" if in_c else ">:")
        elif value == FNC1_VALUE:
            said.append(">8")
        elif value == (TO_B if in_c else TO_C):
            in_c = not in_c
            said.append(">5" if in_c else ">6")
        elif in_c:
            said.append(f"{value:02}")
        else:
            said.append(">0" if value == ord(">") - 32 else chr(value + 32))
    return "".join(said)
