"""Several carriers on one thing: joined when they belong together, never when they do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from devices.decoders.presentation import presentations, together
from devices.decoders.scan import Scan, decode
from devices.reads import Read

ON = date(2026, 1, 15)
ITEM = "]C10109501101530003"
OTHER = "]E05901234123457"


def scans(*texts: str) -> list[Scan]:
    return [decode(text.encode(), on=ON) for text in texts]


def test_an_item_and_its_lot_in_two_symbols() -> None:
    parts = scans(ITEM, "]C110AB\x1d17261231")
    assert parts[1].warnings, "alone it asks for the item"
    whole = together(parts, ON)
    assert whole is not None and whole.ok and not whole.warnings
    assert (whole.kind, str(whole.gtin), whole.lot, str(whole.expiry)) == (
        "item",
        "09501101530003",
        "AB",
        "2026-12-31",
    )
    again = together(scans("]C110AB\x1d17261231", "]E09501101530003"), ON)
    assert again is not None and (again.kind, again.lot, again.warnings) == ("item", "AB", ())


def test_a_unit_and_what_it_contains() -> None:
    whole = together(scans("]C100123456789012345675", "]C102095011015300033712"), ON)
    assert whole is not None and (whole.kind, whole.count, str(whole.sscc)) == ("unit", 12, "123456789012345675")


def test_what_contradicts_itself_is_a_problem() -> None:
    whole = together(scans(ITEM, "]C110AB", "]C110CD"), ON)
    assert whole is not None and "two values" in whole.problems[0] and whole.kind == "unknown" and whole.gtin is None


@pytest.mark.parametrize(
    "texts",
    [
        (ITEM,),
        (ITEM, OTHER),
        (ITEM, "]C102095011015300033712"),
        ("]C100123456789012345675", "]C100123456789012345682"),
        (ITEM, "BIN:A-01"),
        (ITEM, "]C10109501101530004"),
        (ITEM, "plain"),
    ],
)
def test_what_does_not_belong_together_stays_apart(texts: tuple[str, ...]) -> None:
    assert together(scans(*texts), ON) is None


def test_the_same_item_in_two_carriers_is_one() -> None:
    whole = together(scans(ITEM, "]d2010950110153000310AB"), ON)
    assert whole is not None and whole.lot == "AB" and whole.kind == "item"


def test_reads_that_come_together_are_one_presentation() -> None:
    base = Read("00" * 16, 1, "a", 1, 0, 1_000, 1, "", b"A", "", 1, None, None, {})
    reads = [
        base,
        replace(base, device="b", ran_ms=1_100, raw=b"X"),
        replace(base, ran_ms=1_200, raw=b"B"),
        replace(base, ran_ms=1_300, raw=b"B"),
        replace(base, ran_ms=1_400, raw=b"C"),
        replace(base, ran_ms=1_700, raw=b"D"),
        replace(base, ran_ms=1_800, raw=b"E", fault="truncated"),
        replace(base, ran_ms=5, raw=b"F"),
    ]
    assert [[read.raw for read in group] for group in presentations(reads)] == [
        [b"A", b"B"],
        [b"X"],
        [b"B", b"C"],
        [b"D"],
        [b"E"],
        [b"F"],
    ]
