"""How new words are spelled: what a person reads is all that there is in them, and there is one way to write it.

The chain takes any text without control characters, and what it has stays as it is. These rules are for what comes in
today: two lots that look alike must be one, and a line must not read backwards.
"""

from __future__ import annotations

import unicodedata
from itertools import zip_longest

from ledger.errors import Rejected

# Letters, signs and marks by their category that show nothing at all.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_JOINERS = frozenset("\u200c\u200d")  # Persian, Hindi and others are not written without them
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LINES = frozenset("\t\n\r")
# Of Arabic and of Persian keyboards, with their decimal mark.
_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹٫", "01234567890123456789.")


def digits(text: str) -> str:
    """A number, PIN or code that somebody typed, with the digits that stand on keys and labels everywhere, the rest
    as it is. What a scanner read is never changed."""
    return text.translate(_DIGITS)


def code(text: str) -> str:
    """The identifier `text`, unchanged: lot, serial, place, item, supplier, reference. Raises Rejected for one that
    looks like another: with characters that are not seen, or letters in parts."""
    for at, each in enumerate(text):
        if each in _BLANK or _is_selector(each) or not each.isprintable():
            raise Rejected(f"{text[:40]!r} contains {_named(each)}, which nobody sees: write it without")
        if _is_mark(each) and (at == 0 or text[at - 1] == " "):
            raise Rejected(f"in {text[:40]!r} {_named(each)} stands without a letter: write it without")
    whole = unicodedata.normalize("NFC", text)
    if whole != text:
        at = next(at for at, (each, usual) in enumerate(zip_longest(text, whole)) if each != usual)
        odd = next((each for each in text[at:] if _is_mark(each)), text[at])
        raise Rejected(f"{text[:40]!r} writes {_named(odd)} in another way than is usual: type it again")
    return text


def name(text: str) -> str:
    """A name that people read, in one line, in its usual form. Raises Rejected for what is not seen in it."""
    whole = prose(text)
    seen = "".join(each for each in whole if each not in _JOINERS and not _is_selector(each))
    if not code(seen).strip():
        raise Rejected("there is nothing in it that is seen: write a name")
    return whole


def prose(text: str) -> str:
    """What a person wrote to others, of any number of lines, in its usual form (NFC). Raises Rejected for control
    characters, and for those that turn the order of what stands beside them."""
    for each in text:
        if each in _TURNING or (unicodedata.category(each) in ("Cc", "Cs") and each not in _LINES):
            raise Rejected(f"{text[:40]!r} contains {_named(each)}, which nobody sees: write it without")
    return unicodedata.normalize("NFC", text)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _is_selector(character: str) -> bool:
    """Whether it only chooses among looks of the character before it."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _named(character: str) -> str:
    told = unicodedata.name(character, "")
    return f"U+{ord(character):04X}" + (f" ({told})" if told else "")
