"""A dot-matrix alphabet for labels as pictures: five columns of seven dots a character, lowest bit on top.

Latin letters with accents are put together from letter and accent; a character that is not there is shown as a box,
never left out.
"""

from __future__ import annotations

import unicodedata

ROWS_ABOVE, ROWS, ROWS_BELOW = 3, 7, 2
HEIGHT = ROWS_ABOVE + ROWS + ROWS_BELOW
ADVANCE = 6

_ASCII = bytes.fromhex(
    "0000000000 00005F0000 0007000700 147F147F14 242A7F2A12 2313086462 3649552250 0005030000 001C224100 0041221C00"
    "14083E0814 08083E0808 0050300000 0808080808 0060600000 2010080402 3E5149453E 00427F4000 4261514946 2141454B31"
    "1814127F10 2745454539 3C4A494930 0171090503 3649494936 064949291E 0036360000 0056360000 0814224100 1414141414"
    "0041221408 0201510906 324979413E 7E1111117E 7F49494936 3E41414122 7F4141221C 7F49494941 7F09090901 3E4149497A"
    "7F0808087F 00417F4100 2040413F01 7F08142241 7F40404040 7F020C027F 7F0408107F 3E4141413E 7F09090906 3E4151215E"
    "7F09192946 4649494931 01017F0101 3F4040403F 1F2040201F 3F4038403F 6314081463 0708700807 6151494543 007F414100"
    "0204081020 0041417F00 0402010204 4040404040 0001020400 2054545478 7F48444438 3844444420 384444487F 3854545418"
    "087E090102 0C5252523E 7F08040478 00447D4000 2040443D00 7F10284400 00417F4000 7C04180478 7C08040478 3844444438"
    "7C14141408 081414187C 7C08040408 4854545420 043F444020 3C4040207C 1C2040201C 3C4030403C 4428102844 0C5050503C"
    "4464544C44 0008364100 00007F0000 0041360800 1008081008"
)
_ACCENTS = {
    "\u0300": (0, 1, 2, 0, 0), "\u0301": (0, 0, 2, 1, 0), "\u0302": (0, 2, 1, 2, 0), "\u0303": (2, 1, 2, 1, 0),
    "\u0308": (0, 1, 0, 1, 0), "\u030a": (0, 2, 5, 2, 0), "\u030c": (0, 1, 2, 1, 0),
}  # fmt: skip
_CEDILLA = "\u0327"
_ALIKE = {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o/", "Ø": "O/", "→": "->", "•": "*", "×": "x", "–": "-", "—": "-"}
_OVERLAID = frozenset("øØ")
_BOX = (0x7F, 0x41, 0x41, 0x41, 0x7F)


def columns(text: str) -> list[int]:
    """`text` as columns of `HEIGHT` dots each, lowest bit on top."""
    found: list[int] = []
    for character in unicodedata.normalize("NFC", text):
        if character in _OVERLAID:
            one, two = tuple(_ALIKE[character])
            found += [a | b for a, b in zip(_glyph(one), _glyph(two), strict=True)] + [0]
            continue
        for part in _ALIKE.get(character, character):
            found += [*_glyph(part), 0]
    return found


def _glyph(character: str) -> list[int]:
    letter, *marks = tuple(unicodedata.normalize("NFD", character))
    if not " " <= letter <= "~" or any(mark not in _ACCENTS and mark != _CEDILLA for mark in marks):
        return [column << ROWS_ABOVE for column in _BOX]
    start = 5 * (ord(letter) - 32)
    dots = [column << ROWS_ABOVE for column in _ASCII[start : start + 5]]
    for mark in marks:
        if mark == _CEDILLA:
            dots[2] |= 3 << (ROWS_ABOVE + ROWS)
        else:
            dots = [dot | accent for dot, accent in zip(dots, _ACCENTS[mark], strict=True)]
    return dots
