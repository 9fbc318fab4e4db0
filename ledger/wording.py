"""Numbers in sentences that people read."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """`number` and its noun in the right form: "1 block", "0 blocks", "2 log entries"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def in_units(quantity: int, decimals: int = 0) -> str:
    """Base units as people write them, in the item's own unit: 1234 of three decimals is 1.234."""
    if not decimals:
        return str(quantity)
    whole, rest = divmod(abs(quantity), 10**decimals)
    return f"{'-' if quantity < 0 else ''}{whole}.{rest:0{decimals}}"
