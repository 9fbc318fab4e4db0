"""Every rule of the decoders on vectors: our own, and those beside the checkout when they are there."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from devices.decoders import associations, dates, elements, link
from devices.decoders.numbers import Gtin, compress_upc_a, expand_upc_e, has_check_digit
from devices.decoders.scan import Scan, decode
from devices.simulated import scan_bytes
from ledger.errors import Rejected

OWN = json.loads((Path(__file__).parents[1] / "vectors" / "scans.json").read_text(encoding="utf-8"))["scans"]
SHARED = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "gs1.tsv"
ON = date(2026, 1, 15)
# Rows this decoder refuses on purpose, as GS1's own engine does when asked for the whole: V116 has an identifier
# that GS1 has not assigned, V509 a company prefix of less than four digits.
KNOWN = {"V116", "V509"}


@pytest.mark.parametrize("case", OWN, ids=lambda case: case["id"])
def test_own_vector(case: dict[str, Any]) -> None:
    on = date.fromisoformat(case["on"]) if "on" in case else ON
    scan = decode(scan_bytes(case["input"]), on=on)
    expect = dict(case["expect"])
    if expect.pop("problem", False):
        assert scan.problems and scan.kind == "unknown", scan
        assert (scan.gtin, scan.sscc, scan.gln, scan.lot, scan.serial, scan.count) == (None, None, None, "", "", None)
    else:
        assert scan.ok, scan.problems
    if "warning" in expect:
        assert bool(scan.warnings) == expect.pop("warning"), scan.warnings
    assert {name: _shown(scan, name) for name in expect} == expect


def _shown(scan: Scan, name: str) -> object:
    if name == "ais":
        return dict(scan.elements)
    value = getattr(scan, name)
    if name == "measures":
        return {measure.ai: str(measure) for measure in value}
    return value if isinstance(value, int | str | None) else str(value)


def _accepts(row: dict[str, str]) -> bool:
    kind, text = row["kind"], row["input"].replace("{GS}", "\x1d")
    try:
        if kind == "scan":
            return _same(row, decode(text.encode(), on=ON))
        if kind == "element":
            return _same(row, elements.parse(text))
        if kind == "bracketed":
            return _same(row, elements.parse_bracketed(text))
        if kind == "dl-uri":
            return _same(row, link.parse(text, short_gtin="permit_zero_suppressed" in row["note"]))
        if kind.startswith("assoc"):
            found = elements.parse_bracketed(text)
            faults = associations.contradictions(found)
            return not (faults if kind == "assoc-repeat" else faults + associations.missing(found))
        return _number(kind, text, row)
    except Rejected:
        return False


def _same(row: dict[str, str], found: Scan | tuple[elements.Element, ...]) -> bool:
    if isinstance(found, Scan):
        if not found.ok:
            return False
        found = found.elements
    if row["ais"]:
        assert "|".join(f"{ai}={value}" for ai, value in found) == row["ais"]
    return True


def _number(kind: str, text: str, row: dict[str, str]) -> bool:
    if kind == "check-digit":
        return has_check_digit(text)
    if kind.startswith("date"):
        dates.check_day(text, day_zero=kind.endswith("0"))
    elif kind == "upc-expand":
        assert (text if len(text) == 12 else expand_upc_e(text)) == row["ais"]
    elif kind == "upc-to-e":
        assert compress_upc_a(text if len(text) == 12 else expand_upc_e(text)) == row["ais"]
    elif kind == "gtin":
        assert str(Gtin.parse(text)) == row["ais"]
    else:
        assert Gtin.parse(text).shortened(int(kind.removeprefix("gtin-to-"))) == row["ais"]
    return True


@pytest.mark.skipif(not SHARED.exists(), reason="the shared vectors are not beside this checkout")
def test_shared_vectors() -> None:
    with SHARED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    wrong = [(row["id"], row["kind"], row["expect"]) for row in rows if _accepts(row) != (row["expect"] == "ok")]
    by_kind = Counter(row["kind"] for row in rows)
    print(f"{len(rows) - len(wrong)} of {len(rows)} shared vectors as expected", dict(by_kind))
    assert len(rows) > 300
    assert {row[0] for row in wrong} <= KNOWN, wrong
