"""Numbers and foreign values in sentences that people read."""

from __future__ import annotations

import json
from datetime import date, time

SHOWN_CHARS_MAX = 60

# What is expected in a place, in the words of a settings file and not of a programming language.
KINDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def counted(number: int, one: str, many: str = "") -> str:
    """`number` and its noun in the right form: "1 block", "0 blocks", "2 log entries"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def in_units(quantity: int, decimals: int = 0) -> str:
    """Base units as people write them, in the item's own unit: 1234 of three decimals is 1.234."""
    if not decimals:
        return str(quantity)
    whole, rest = divmod(abs(quantity), 10**decimals)
    return f"{'-' if quantity < 0 else ''}{whole}.{rest:0{decimals}}"


def shown(value: object) -> str:
    """A foreign value for a message, as a settings file says it: short, on one line, nothing invisible in it."""
    try:
        text = _plain(value)
    except (TypeError, ValueError, RecursionError):  # keys that are no text, thousands of digits
        text = "more than can be shown"
    return text if len(text) <= SHOWN_CHARS_MAX else text[: SHOWN_CHARS_MAX - 3] + "..."


def _plain(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bytes):
        return counted(len(value), "byte")
    if isinstance(value, list | tuple | dict | bool):
        return json.dumps(value, default=_plain)
    return value.isoformat() if isinstance(value, date | time) else ascii(value)
