"""Coupon codes of North America: (8110) in databars, (8112) from coupon files: digits that say how many follow.

Source: GS1 US, North American Coupon Application Guideline Using GS1 DataBar; the format of
positive offer files.
"""

from __future__ import annotations

import re

from devices.decoders.dates import check_day
from ledger.errors import Rejected


def _counted(counts: range, more: int = 0) -> str:
    """A digit out of `counts` and as many digits as it says, and `more`."""
    return "|".join(f"{count}[0-9]{{{count + more}}}" for count in counts)


_PREFIX = _counted(range(7), 6)
_VALUE = f"(?:{_counted(range(1, 6))})"
_SERIAL = f"(?:{_counted(range(10), 6)})"
_PURCHASE = f"{_VALUE}[0-49][0-9]{{3}}"  # how much, of what kind, of which family
_OTHER = f"{_PURCHASE}(?:{_PREFIX}|9)"  # 9: of the same company
_CODE = re.compile(
    f"(?:{_PREFIX})[0-9]{{6}}{_VALUE}{_PURCHASE}"
    f"(?:1[0-3]{_OTHER})?(?:2{_OTHER})?"
    "(?:3(?P<end>[0-9]{6}))?(?:4(?P<start>[0-9]{6}))?"
    f"(?:5{_SERIAL})?(?:6(?:{_counted(range(1, 8), 6)}))?"
    "(?:9[01256][0-2][0-9][01])?",
    re.ASCII,
)
_FILE = re.compile(f"[01](?:{_PREFIX})[0-9]{{6}}{_SERIAL}", re.ASCII)


def check_code(text: str) -> None:
    """Raise Rejected unless `text` is the content of (8110)."""
    found = _CODE.fullmatch(text)
    if found is None:
        raise Rejected(f"{text!r} is not a coupon: a part of it is missing, too long or means nothing")
    for name in ("end", "start"):
        if found[name]:
            check_day(found[name], day_zero=False)
    if found["end"] and found["start"] and found["start"] > found["end"]:
        raise Rejected(f"the coupon begins on {found['start']}, after its end on {found['end']}")


def check_file(text: str) -> None:
    """Raise Rejected unless `text` is the content of (8112)."""
    if not _FILE.fullmatch(text):
        raise Rejected(f"{text!r} is not a coupon of a file: expected format, funder, offer and serial number")
