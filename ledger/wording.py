"""Numbers in sentences that people read."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """`number` and its noun in the right form: "1 block", "0 blocks", "2 log entries"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
