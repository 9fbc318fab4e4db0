"""What a GS1 field may contain beyond its length and alphabet. Each check takes the field's text and raises Rejected.

The names are those used in `table`. Rules: GS1 General Specifications, section 3 (each application identifier) and
7 (check characters).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from devices.decoders import codes, coupons, dates
from devices.decoders.numbers import check_digit, has_check_digit, is_digits
from ledger.errors import Rejected

Check = Callable[[str], None]

ALPHABET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
ALPHABET_39 = "#-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIR_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_VALUE_82 = {character: value for value, character in enumerate(ALPHABET_82)}
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83)
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})", re.ASCII)
_PADDED = re.compile(r"[^=]+={0,2}", re.ASCII)
_PLACE = re.compile(r"([0-9]+)/([0-9]+)", re.ASCII)
PREFIX_DIGITS_MIN = 4
LATITUDE_MAX = 1_800_000_000  # degrees north plus 90, in ten-millionths
LONGITUDE_MAX = 3_600_000_000
UNKNOWN_TIME = "9999"  # (4324) and (4325): the day is known, the hour is not


def _sum(text: str) -> None:
    if not has_check_digit(text):
        raise Rejected(f"{text}: the last digit should be {check_digit(text[:-1])}; scan it again")


def check_pair(body: str) -> str:
    """The two check characters of a model number: prime weights from the right, modulo 1021, in base 32."""
    total = 0
    for weight, character in zip(_PRIMES, reversed(body), strict=False):
        total += weight * _VALUE_82[character]
    total %= 1021
    return _PAIR_ALPHABET[total >> 5] + _PAIR_ALPHABET[total & 31]


def _pair(text: str) -> None:
    if len(text) < 2 or len(text) > len(_PRIMES) + 2:
        size = "short" if len(text) < 2 else "long"
        raise Rejected(f"{text!r} is too {size} for a check pair")
    if check_pair(text[:-2]) != text[-2:]:
        raise Rejected(f"{text}: the last two characters should be {check_pair(text[:-2])}; scan it again")


def _prefix(place: int) -> Check:
    def check(text: str) -> None:
        start = text[place : place + PREFIX_DIGITS_MIN]
        if len(start) < PREFIX_DIGITS_MIN or not is_digits(start):
            raise Rejected(f"{text!r} does not begin with a company prefix of at least {PREFIX_DIGITS_MIN} digits")

    return check


def _one_of(allowed: frozenset[str], what: str) -> Check:
    def check(text: str) -> None:
        if text not in allowed:
            raise Rejected(f"{text!r} is no known code: expected {what}")

    return check


def _below(limit: int, what: str) -> Check:
    def check(text: str) -> None:
        if int(text) > limit:
            raise Rejected(f"{text} is not a {what}: expected at most {limit}")

    return check


def _nonzero(text: str) -> None:
    if not text.strip("0"):
        raise Rejected(f"{text}: expected a number above zero")


def _no_leading_zero(text: str) -> None:
    if text[0] == "0":
        raise Rejected(f"{text}: expected no leading zero")


def _some_letter(text: str) -> None:
    if is_digits(text):
        raise Rejected(f"{text}: expected at least one character that is not a digit")


def _piece(text: str) -> None:
    piece, total = int(text[:2]), int(text[2:])
    if piece == 0 or total == 0 or piece > total:
        raise Rejected(f"piece {text[:2]} of {text[2:]} cannot be: expected 1 to the total")


def _place(text: str) -> None:
    found = _PLACE.fullmatch(text)
    if not found or "0" in (found[1][0], found[2][0]) or int(found[1]) > int(found[2]):
        raise Rejected(f"{text!r} is not a place in a sequence: expected n/m with n up to m")


def _percent(text: str) -> None:
    if _PERCENT.search(text):
        raise Rejected(f"{text!r}: a percent sign must be followed by two hex digits")


def _padding(text: str) -> None:
    """As GS1's own check has it: optional, one or two signs at the end of a text whose length three divides."""
    if not _PADDED.fullmatch(text) or (text[-1] == "=" and len(text) % 3):
        raise Rejected(f"{text[:40]!r}: = may only pad the end")


def _iban(text: str) -> None:
    moved = text[4:] + text[:4]
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[0-9A-Z]{7,30}", text, re.ASCII) or text[:2] not in codes.COUNTRY_LETTERS:
        raise Rejected(f"{text!r} is not an IBAN: expected country, two digits, account")
    if int("".join(str(int(character, 36)) for character in moved)) % 97 != 1:
        raise Rejected(f"{text!r} is not an IBAN: its check digits do not fit")


def _day(text: str) -> None:
    dates.check_day(text, day_zero=False)


def _day_zero(text: str) -> None:
    dates.check_day(text, day_zero=True)


def _long_day(text: str) -> None:
    dates.check_day(text[2:], day_zero=False)
    year = int(text[:4])
    if text[4:] == "0229" and (year % 4 or (year % 100 == 0 and year % 400)):
        raise Rejected(f"date {text} has day 29: that February ended with 28")


def _time(text: str) -> None:
    dates.check_time(text)


def _time_or_unknown(text: str) -> None:
    if text != UNKNOWN_TIME:
        dates.check_time(text)


def _minute(text: str) -> None:
    dates.check_time("00" + text)


CHECKS: dict[str, Check] = {
    "sum": _sum,
    "pair": _pair,
    "prefix": _prefix(0),
    "prefix2": _prefix(1),
    "day": _day,
    "day0": _day_zero,
    "longday": _long_day,
    "time": _time,
    "time?": _time_or_unknown,
    "minute": _minute,
    "country": _one_of(codes.COUNTRY_NUMBERS, "a country number of ISO 3166-1"),
    "country+": _one_of(codes.COUNTRY_NUMBERS | {"999"}, "a country number of ISO 3166-1, or 999 for several"),
    "land": _one_of(codes.COUNTRY_LETTERS, "a country code of ISO 3166-1"),
    "currency": _one_of(codes.CURRENCY_NUMBERS, "a currency number of ISO 4217"),
    "packing": _one_of(codes.PACKAGE_TYPES, "a packaging code of UN Recommendation 21"),
    "yesno": _one_of(frozenset("01"), "0 (no) or 1 (yes)"),
    "sex": _one_of(frozenset("0129"), "a code of ISO 5218"),
    "winding": _one_of(frozenset("019"), "a winding direction: 0, 1 or 9"),
    "zero": _one_of(frozenset("0"), "the zero that belongs there"),
    "hyphen": _one_of(frozenset("-"), "a minus sign"),
    "importer": _one_of(frozenset(ALPHABET_39[1:] + "_abcdefghijklmnopqrstuvwxyz") - {"/"}, "an importer index"),
    "medium": _one_of(
        frozenset(f"{number:02}" for number in (*range(1, 11), *range(80, 100))), "a type of identification medium"
    ),
    "nonzero": _nonzero,
    "nozero": _no_leading_zero,
    "letter": _some_letter,
    "piece": _piece,
    "place": _place,
    "percent": _percent,
    "padding": _padding,
    "iban": _iban,
    "coupon": coupons.check_code,
    "couponfile": coupons.check_file,
    "latitude": _below(LATITUDE_MAX, "latitude"),
    "longitude": _below(LONGITUDE_MAX, "longitude"),
}
