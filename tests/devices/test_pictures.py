"""Codes in photos: drawn here, blurred and turned, and bytes that are no picture of anything."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import pictures
from devices.output.code128 import widths
from devices.output.page import qr_rows
from ledger.errors import Rejected

Rows = list[list[bool]]


def bars(text: str, height: int = 40) -> Rows:
    row = [False] * 10
    for place, width in enumerate(widths(text)):
        row += [place % 2 == 0] * width
    return [[*row, *[False] * 10]] * height


def photo(*drawings: Rows, scale: int = 3, noise: int = 0) -> tuple[bytes, int, int]:
    """Drawings one below the other on grey paper, (grey, width, height); `noise` in sixteenths of black to white."""
    dice = random.Random(7)
    wide = max(len(rows[0]) for rows in drawings) * scale + 8 * scale
    points: list[list[int]] = []
    for rows in drawings:
        points += [[13] * wide for _ in range(8 * scale)]
        for row in rows:
            line = [13] * (4 * scale) + [value for module in row for value in [2 if module else 13] * scale]
            points += [line + [13] * (wide - len(line)) for _ in range(scale)]
    points += [[13] * wide for _ in range(8 * scale)]
    flat = [min(15, max(0, value + dice.randint(-noise, noise))) for line in points for value in line]
    flat += [0] * (len(flat) % 2)
    grey = bytes(left << 4 | right for left, right in zip(flat[::2], flat[1::2], strict=True))
    return grey, wide, len(points)


def test_what_a_scanner_would_say_is_read_from_a_photo() -> None:
    element = "\x1d" + "0109521234500049" + "10L2611" + "\x1d" + "17270630"
    found = pictures.codes_in(*photo(bars(element), qr_rows("BIN:A-01"), noise=2))
    assert [code.text for code in found] == ["]C1010952123450004910L2611\x1d17270630", "]Q1BIN:A-01"]
    assert [code.symbology for code in found] == ["Code128", "QRCode"]


def test_a_photo_of_nothing_has_no_code() -> None:
    assert pictures.codes_in(bytes(50_000), 400, 250) == []
    assert pictures.codes_in(random.Random(1).randbytes(50_000), 400, 250) == []


@pytest.mark.parametrize(
    ("grey", "width", "height"),
    [(b"", 1, 1), (b"", 0, 0), (bytes(3), 2, 2), (bytes(2), -2, -2), (bytes(801), 1602, 1), (bytes(8), 10**9, 10**9)],
)
def test_another_size_than_it_says_is_refused(grey: bytes, width: int, height: int) -> None:
    with pytest.raises(Rejected, match="points on a side"):
        pictures.codes_in(grey, width, height)


def test_a_reader_that_dies_or_hangs_is_one_photo_without_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "READS_S_MAX", 0.001)
    with pytest.raises(Rejected, match="could not be read"):
        pictures.codes_in(bytes(8), 4, 4)
    monkeypatch.setattr(pictures, "READS_S_MAX", 10)
    monkeypatch.setattr(pictures.sys, "executable", "/bin/false")
    with pytest.raises(Rejected, match="could not be read"):
        pictures.codes_in(bytes(8), 4, 4)


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=4000), st.integers(1, 120))
def test_no_bytes_break_the_reader(grey: bytes, width: int) -> None:
    height = max(1, len(grey) * 2 // width)
    picture = grey[: (width * height + 1) // 2].ljust((width * height + 1) // 2, b"\0")
    for text, name in pictures.read(pictures.points(picture, width, height)):
        assert text and name
