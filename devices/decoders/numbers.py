"""The numbers GS1 gives to things, each a value that guarantees its own check digit.

Source of the rules: GS1 General Specifications, section 7.9 (check digit), 2.1 (GTIN), 2.2 (SSCC), 2.4 (GLN) and
the UPC-E compression of section 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import Rejected

GTIN_LENGTHS = (8, 12, 13, 14)


def is_digits(text: str) -> bool:
    """Whether `text` is one or more of 0 to 9. Superscripts and other scripts' digits are not."""
    return text.isascii() and text.isdigit()


def check_digit(digits: str) -> str:
    """The digit that completes `digits`: weights 3, 1, 3, … from the right, up to the next multiple of ten."""
    raw = digits.encode("ascii")
    odd, even = raw[::-2], raw[-2::-2]
    return str(-(3 * (sum(odd) - 48 * len(odd)) + sum(even) - 48 * len(even)) % 10)


def has_check_digit(digits: str) -> bool:
    """Whether the last of `digits` completes the others."""
    return len(digits) > 1 and check_digit(digits[:-1]) == digits[-1]


def _checked(text: str, what: str, lengths: tuple[int, ...]) -> str:
    if not is_digits(text) or len(text) not in lengths:
        wanted = ", ".join(str(length) for length in lengths)
        raise Rejected(f"{text[:40]!r} is not {what}: expected {wanted} digits")
    if not has_check_digit(text):
        raise Rejected(f"{text!r} is not {what}: its last digit should be {check_digit(text[:-1])}; scan it again")
    return text


@dataclass(frozen=True, slots=True, order=True)
class Gtin:
    """A trade item number, kept as 14 digits whatever length was printed."""

    value: str

    def __post_init__(self) -> None:
        _checked(self.value, "a GTIN", (14,))

    @classmethod
    def parse(cls, text: str) -> Gtin:
        """From 8, 12, 13 or 14 digits; raises Rejected."""
        return cls(_checked(text, "a GTIN", GTIN_LENGTHS).zfill(14))

    @property
    def indicator(self) -> int:
        """0 for the base item, 1 to 8 for a packing of it, 9 for an item of variable measure."""
        return int(self.value[0])

    def shortened(self, length: int) -> str:
        """The same number in 8, 12, 13 or 14 digits; raises Rejected where it does not fit."""
        if length not in GTIN_LENGTHS or self.value[: 14 - length].strip("0"):
            raise Rejected(f"GTIN {self.value} does not fit {length} digits")
        return self.value[14 - length :]

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class Sscc:
    """The 18 digits of one logistic unit."""

    value: str

    def __post_init__(self) -> None:
        _checked(self.value, "an SSCC", (18,))

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class Gln:
    """The 13 digits of a place or a party."""

    value: str

    def __post_init__(self) -> None:
        _checked(self.value, "a GLN", (13,))

    def __str__(self) -> str:
        return self.value


def expand_upc_e(text: str) -> str:
    """The 12 digits of UPC-A behind UPC-E: number system, six digits, check digit (made when absent)."""
    if not is_digits(text) or len(text) not in (7, 8) or text[0] not in "01":
        raise Rejected(f"{text[:40]!r} is not UPC-E: expected 7 or 8 digits beginning with 0 or 1")
    system, body, check = text[0], text[1:7], text[7:]
    last = body[5]
    if last in "012":
        middle = body[:2] + last + "0000" + body[2:5]
    elif last == "3":
        middle = body[:3] + "00000" + body[3:5]
    elif last == "4":
        middle = body[:4] + "00000" + body[4]
    else:
        middle = body[:5] + "0000" + last
    return _checked(system + middle + (check or check_digit(system + middle)), "UPC-E", (12,))


def compress_upc_a(text: str) -> str:
    """The 8 digits of UPC-E for the 12 of UPC-A, where the number has one; raises Rejected."""
    _checked(text, "UPC-A", (12,))
    system, maker, product, check = text[0], text[1:6], text[6:11], text[11]
    if system not in "01":
        raise Rejected(f"{text} has no UPC-E form: it begins with {system}, not 0 or 1")
    if maker[2:] in ("000", "100", "200") and product[:2] == "00":
        body = maker[:2] + product[2:] + maker[2]
    elif maker[3:] == "00" and product[:3] == "000":
        body = maker[:3] + product[3:] + "3"
    elif maker[4] == "0" and product[:4] == "0000":
        body = maker[:4] + product[4] + "4"
    elif product[:4] == "0000" and product[4] in "56789":
        body = maker + product[4]
    else:
        raise Rejected(f"{text} has no UPC-E form: too few zeros")
    return system + body + check
