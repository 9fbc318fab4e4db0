"""Dates as GS1 prints them, six digits YYMMDD, resolved against the day of the scan and never against today.

The same read decoded in another year, on the node or anywhere else, must give the same date.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date

from ledger.errors import Rejected


def full_year(two_digits: int, on: date) -> int:
    """The year meant by two digits read on the day `on` (GS1 General Specifications 7.12).

    51 to 99 ahead of the current year means the century before, 50 to 99 behind it the century after.
    """
    century, now = divmod(on.year, 100)
    ahead = two_digits - now
    if ahead > 50:
        century -= 1
    elif ahead < -49:
        century += 1
    return century * 100 + two_digits


def resolve(digits: str, on: date) -> date:
    """YYMMDD as a date; day 00 means the last day of the month. Raises Rejected if there is no such day."""
    year, month, day = full_year(int(digits[:2]), on), int(digits[2:4]), int(digits[4:6])
    if not 1 <= month <= 12:
        raise Rejected(f"date {digits} has month {month:02}: expected 01 to 12")
    if not 1 <= year <= 9999:
        raise Rejected(f"date {digits} falls outside the calendar")
    last = monthrange(year, month)[1]
    if day > last:
        raise Rejected(f"date {digits} has day {day:02}: that month ends with {last}")
    return date(year, month, day or last)


def check_day(digits: str, *, day_zero: bool) -> None:
    """Whether YYMMDD can be a day in some century; `day_zero` permits 00 for the end of the month."""
    year, month, day = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    if not 1 <= month <= 12:
        raise Rejected(f"date {digits} has month {month:02}: expected 01 to 12")
    # A year 00 is taken as a leap year here, as 2000 was; `resolve` knows the century and judges again.
    last = monthrange(2000 + year, month)[1]
    if day > last or (day == 0 and not day_zero):
        raise Rejected(f"date {digits} has day {day:02}: expected {0 if day_zero else 1:02} to {last}")


def check_time(digits: str) -> None:
    """HH, HHMM or HHMMSS within a day."""
    for place, (name, limit) in enumerate((("hour", 23), ("minute", 59), ("second", 59))):
        part = digits[2 * place : 2 * place + 2]
        if part and int(part) > limit:
            raise Rejected(f"time {digits} has {name} {part}: expected 00 to {limit}")
