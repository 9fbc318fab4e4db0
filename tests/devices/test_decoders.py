"""What holds for every input: decoders never raise, never guess, and depend on nothing but their arguments."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devices.decoders import associations, elements, link, symbology
from devices.decoders.content import check_pair
from devices.decoders.dates import full_year, resolve
from devices.decoders.identifiers import AIS
from devices.decoders.labels import Labels
from devices.decoders.numbers import Gln, Gtin, Sscc, check_digit, expand_upc_e, has_check_digit
from devices.decoders.scan import TEXT_BYTES_MAX, decode
from ledger.errors import Rejected

ON = date(2026, 1, 15)
DIGITS = st.text("0123456789", min_size=1, max_size=20)
X82 = st.text("ABCabc0189!\"%&'()*+,-./:;<=>?_", min_size=1, max_size=20)
HEADS = st.sampled_from(
    [b"", b"]C1", b"]d2", b"]Q3", b"]e0", b"]E0", b"]E4", b"]Q1https://a/", b"]C0", b"BIN:", b"]"]
)
BYTES = st.one_of(
    st.binary(max_size=80),
    st.lists(
        st.sampled_from([b"01", b"10", b"17", b"3103", b"00", b"\x1d", b"9", b"A", b"%", b"(", b"^"]), max_size=30
    ).map(b"".join),
)


@settings(max_examples=400)
@given(head=HEADS, tail=BYTES)
@example(head=b"]", tail=b"")
@example(head=b"", tail=b"\xff" * 20_000)
@example(head=b"]C1", tail=b"0" * TEXT_BYTES_MAX)
@example(head=b"]Q1https://a/", tail=b"01/" * 2_000)
@example(head=b"]C1", tail=b"9912\x1d" * 1_000)
def test_no_bytes_make_it_raise_or_guess(head: bytes, tail: bytes) -> None:
    scan = decode(head + tail, on=ON)
    assert scan.raw == head + tail
    json.dumps(scan.as_json())
    if scan.problems:
        assert scan.kind == "unknown"
        assert not (scan.gtin or scan.sscc or scan.gln or scan.lot or scan.serial or scan.expiry or scan.count)
    if scan.form == "gs1" and scan.ok and not scan.raw.startswith(b"]Q1"):
        assert scan.elements
    assert decode(head + tail, on=ON) == scan


@settings(max_examples=200)
@given(lot=X82, serial=X82, day=st.dates(date(2000, 1, 1), date(2049, 12, 28)), item=st.integers(0, 10**13 - 1))
def test_what_was_put_in_comes_out(lot: str, serial: str, day: date, item: int) -> None:
    gtin = f"{item:013}" + check_digit(f"{item:013}")
    text = f"]C101{gtin}17{day:%y%m%d}10{lot}\x1d21{serial}"
    scan = decode(text.encode(), on=ON)
    assert scan.ok, scan.problems
    assert (str(scan.gtin), scan.lot, scan.serial, scan.expiry) == (gtin, lot, serial, day)
    assert elements.parse_bracketed(elements.bracketed(scan.elements)) == scan.elements


@settings(max_examples=200)
@given(number=DIGITS, place=st.integers(0, 19), other=st.integers(1, 9))
def test_one_wrong_digit_is_always_found(number: str, place: int, other: int) -> None:
    whole = number + check_digit(number)
    place %= len(whole)
    wrong = whole[:place] + str((int(whole[place]) + other) % 10) + whole[place + 1 :]
    assert has_check_digit(whole) and not has_check_digit(wrong)


@pytest.mark.parametrize("kind", [Gtin, Sscc, Gln])
@pytest.mark.parametrize(
    "text", ["", "1", "1" * 30, "0950110153000x", "²²²²²²²²²²²²²²", "09501101530004", "-9501101530003"]
)
def test_a_number_that_exists_is_right(kind: type[Gtin], text: str) -> None:
    with pytest.raises(Rejected):
        kind(text)


def test_a_gtin_is_kept_as_fourteen_digits() -> None:
    assert Gtin.parse("96385074").value == "00000096385074"
    assert Gtin.parse("96385074").shortened(8) == "96385074"
    assert Gtin.parse("19501101530000").indicator == 1
    with pytest.raises(Rejected, match="does not fit 13"):
        Gtin.parse("19501101530000").shortened(13)


def test_upc_e_expands_by_its_last_digit() -> None:
    assert [expand_upc_e(f"0{body}") for body in ("123450", "123453", "123454", "123459")] == [
        "012000003455",
        "012300000451",
        "012340000053",
        "012345000096",
    ]


@given(yy=st.integers(0, 99), year=st.integers(1951, 2949))
def test_a_two_digit_year_is_within_fifty_of_the_scan(yy: int, year: int) -> None:
    found = full_year(yy, date(year, 6, 1))
    assert found % 100 == yy and -49 <= found - year <= 50


def test_the_same_read_means_the_same_for_ever() -> None:
    raw = b"]C1010950110153000317260228"
    days = [date(2026, 1, 1) + timedelta(days=days) for days in (0, 3_650, 9_000)]
    assert {str(decode(raw, on=day).expiry) for day in days} == {"2026-02-28"}
    with pytest.raises(Rejected, match="day 29"):
        resolve("000229", date(2060, 1, 1))  # 2100 is no leap year


def test_labels_have_unmistakable_prefixes() -> None:
    for wrong in ({"bin_prefix": "B"}, {"bin_prefix": "CTL:"}, {"bin_prefix": "]C1"}, {"bin_prefix": "X" * 17}):
        with pytest.raises(Rejected):
            Labels(**wrong)
    for values in ({"colour": "red"}, {"bin_prefix": 1}, {"untagged_gs1": "no"}, {"bin_pattern": "("}):
        with pytest.raises(Rejected):
            Labels.parse(values)


PATTERNS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors/patterns.json").read_text())


@pytest.mark.parametrize("vector", PATTERNS["read"], ids=lambda vector: vector["pattern"])
def test_a_pattern_that_tablets_read_too_is_taken(vector: dict[str, Any]) -> None:
    labels = Labels.parse({"bin_pattern": vector["pattern"]})
    for text, code in vector["codes"].items():
        assert labels.match(text) == (None if code is None else ("bin", code)), text


@pytest.mark.parametrize("pattern", PATTERNS["refused"], ids=repr)
def test_a_pattern_that_a_tablet_would_read_otherwise_is_refused(pattern: str) -> None:
    with pytest.raises(Rejected, match=r"^labels\.bin_pattern "):
        Labels.parse({"bin_pattern": pattern})


def test_labels_by_pattern() -> None:
    labels = Labels.parse({"bin_prefix": "", "bin_pattern": r"(?P<code>[A-Z]-\d\d-\d\d)[0-9]"})
    assert decode(b"]A0A-01-027", on=ON, labels=labels).text == "A-01-02"
    assert decode(b"]A0BIN:A-01-02", on=ON, labels=labels).kind == "unknown"
    plain = Labels.parse({"untagged_gs1": False})
    assert decode(b"0109501101530003", on=ON, labels=plain).form == "plain"
    assert decode(b"]C10109501101530003", on=ON, labels=plain).form == "gs1"


def test_every_identifier_is_well_formed() -> None:
    assert len(AIS) == 541
    for code, ai in AIS.items():
        assert code.isdigit() and 2 <= len(code) <= 4 and ai.name
        for pattern in (*ai.excludes, *(part for choice in ai.needs for part in choice)):
            stem = pattern.rstrip("n")
            assert any(other.startswith(stem) for other in AIS), (code, pattern)
    # GS1 General Specifications, figure 7.8.5-2: what begins with these two digits needs no separator.
    fixed = {code[:2] for code, ai in AIS.items() if ai.length}
    assert fixed == {
        "00",
        "01",
        "02",
        "03",
        "11",
        "12",
        "13",
        "15",
        "16",
        "17",
        "20",
        "31",
        "32",
        "33",
        "34",
        "35",
        "36",
        "41",
    }


def test_a_check_pair() -> None:
    assert check_pair("1987654Ad4X4bL5ttr2310c") == "2K"  # the example of the General Specifications, section 7.9.5


def test_identifiers_are_named() -> None:
    assert [symbology.name(mark) for mark in ("]C1", "]C0", "]E0", "]d2", "")] == [
        "GS1-128",
        "Code 128",
        "EAN/UPC",
        "GS1 DataMatrix",
        "unknown",
    ]


def test_companions_and_contradictions() -> None:
    lone = elements.parse_bracketed("(21)A")
    assert associations.missing(lone) and not associations.contradictions(lone)
    clash = elements.parse_bracketed("(3102)000125(3103)001250")
    assert associations.contradictions(clash)


def test_a_link_is_never_wider_than_its_rules() -> None:
    with pytest.raises(Rejected, match="14 digits"):
        link.parse("https://a/01/9501101530003")
    assert link.parse("https://a/01/9501101530003", short_gtin=True) == (elements.Element("01", "09501101530003"),)
