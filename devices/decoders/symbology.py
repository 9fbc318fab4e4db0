"""AIM symbology identifiers: the three characters `]C1` that say what kind of code was read.

A scanner should always be set to send them: they alone tell a GS1 code from any other text in the same kind of
symbol. Source: ISO/IEC 15424.
"""

from __future__ import annotations

from ledger.errors import Rejected

NAMES = {
    "A": "Code 39",
    "B": "Telepen",
    "C": "Code 128",
    "D": "Code One",
    "E": "EAN/UPC",
    "F": "Codabar",
    "G": "Code 93",
    "H": "Code 11",
    "I": "Interleaved 2 of 5",
    "J": "DotCode",
    "K": "Code 16K",
    "L": "PDF417",
    "M": "MSI",
    "N": "Anker",
    "O": "Codablock",
    "P": "Plessey",
    "Q": "QR Code",
    "R": "Straight 2 of 5",
    "S": "Industrial 2 of 5",
    "T": "Code 49",
    "U": "MaxiCode",
    "X": "another code",
    "Z": "no bar code",
    "d": "Data Matrix",
    "e": "GS1 DataBar",
    "g": "Grid Matrix",
    "h": "Han Xin",
    "o": "printed text",
    "z": "Aztec",
}
LENGTH = 3
MODIFIERS = "0123456789ABCDEFabcdefmnpqs"
# Where a GS1 code may be meant, a modifier that is not defined is a garbled read and no other kind of text.
_DEFINED = {"C": "0124", "E": "01234", "J": "012345", "Q": "0123456", "d": "0123456", "e": "0123"}

GS1 = frozenset({"]C1", "]e0", "]d2", "]Q3", "]J1", "]z1", "]h2"})
RETAIL = frozenset({"]E0", "]E1", "]E2", "]E3", "]E4"})
ITF = frozenset({"]I0", "]I1", "]I2", "]I3"})
# GS1 Digital Link is plain text in a two-dimensional symbol.
LINKS = frozenset({"]Q0", "]Q1", "]Q2", "]d0", "]d1", "]J0", "]z0", "]h0", "]h1"})


def split(text: str) -> tuple[str, str]:
    """The identifier in front of a read and the rest; an empty identifier when the read has none.

    Raises Rejected when the text begins like an identifier and is none, as line noise does.
    """
    if text[:1] != "]":
        return "", text
    if len(text) < 3 or text[1] not in NAMES or text[2] not in _DEFINED.get(text[1], MODIFIERS):
        raise Rejected(f"{text[:3]!r} is not a symbology identifier: scan the label again")
    return text[:3], text[3:]


def peek(raw: bytes) -> str:
    """The identifier a raw read begins with, or an empty text; never raises."""
    head = raw[:3].decode("latin-1")
    try:
        return split(head)[0]
    except Rejected:
        return ""


def name(identifier: str) -> str:
    """What people call the symbology of an identifier."""
    if identifier in GS1:
        return {"C": "GS1-128", "d": "GS1 DataMatrix", "Q": "GS1 QR Code"}.get(
            identifier[1], "GS1 " + NAMES[identifier[1]]
        )
    return NAMES.get(identifier[1:2], "unknown")
