"""CSV files that people give a hub: all or nothing, with everything wrong said at once and by line.

UTF-8 with a heading. Cells that a spreadsheet would run as a formula are refused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from ledger.errors import Rejected

FILE_BYTES_MAX = 64 << 20
ROWS_MAX = 100_000
ERRORS_MAX = 50
NUMBER_MAX = 2**63 - 1
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Complaints:
    """What is wrong with a file, by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0

    def add(self, line: int, text: str) -> None:
        self.count += 1
        if len(self.lines) < ERRORS_MAX:
            self.lines.append(f"line {line}: {text}")

    def raise_any(self) -> None:
        if self.count:
            more = f"\n… and {self.count - len(self.lines)} more" if self.count > len(self.lines) else ""
            raise Rejected("nothing was imported:\n" + "\n".join(self.lines) + more)


def rows(
    raw: bytes, complaints: Complaints, columns: tuple[str, ...], more: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a file with these columns, `more` of them optional, each with its line number. A row that is wrong
    in itself is left out and complained of; raises Rejected for a file that cannot be read at all."""
    if len(raw) > FILE_BYTES_MAX:
        raise Rejected(f"the file has {len(raw)} bytes: at most {FILE_BYTES_MAX} are read")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Rejected(f"line {line} is not UTF-8 text: save the file as CSV in UTF-8") from error
    if "\0" in text:
        raise Rejected("the file contains NUL bytes: that is not CSV")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    count = 0
    try:
        heading = [cell.strip() for cell in next(reader, [])]
        _check_heading(heading, columns, more)
        for cells in reader:
            count += bool(cells)
            if count > ROWS_MAX:
                complaints.add(reader.line_num, f"the file has more than {ROWS_MAX} rows: cut it")
                return
            wrong = _wrong(heading, cells)
            if wrong:
                complaints.add(reader.line_num, wrong)
            elif cells:
                yield reader.line_num, dict(zip(heading, cells, strict=True))
    except csv.Error as error:
        complaints.add(reader.line_num, f"is not CSV: {error}")


def number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and least <= int(text) <= most):
        raise Rejected(f"{name} {text[:40]!r}: expected a whole number from {least} to {most}")
    return int(text)


def gtin(text: str) -> str:
    """A barcode number as 14 digits; raises Rejected for a wrong length or check digit (GS1)."""
    if not (text.isascii() and text.isdecimal() and len(text) in (8, 12, 13, 14)):
        raise Rejected(f"gtin {text[:40]!r}: expected 8, 12, 13 or 14 digits")
    _refuse_check_digit("gtin", text)
    return text.zfill(14)


def sscc(text: str) -> str:
    """The number of a handling unit; raises Rejected for a wrong length or check digit (GS1)."""
    if not (text.isascii() and text.isdecimal() and len(text) == 18):
        raise Rejected(f"sscc {text[:40]!r}: expected 18 digits")
    _refuse_check_digit("sscc", text)
    return text


def _refuse_check_digit(name: str, text: str) -> None:
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(text[:-1])))
    if (10 - total % 10) % 10 != int(text[-1]):
        raise Rejected(f"{name} {text}: its last digit should be {(10 - total % 10) % 10}")


def _wrong(heading: list[str], cells: list[str]) -> str:
    if cells and len(cells) != len(heading):
        return f"{len(cells)} cells: expected {len(heading)}, as in the heading"
    for name, cell in zip(heading, cells, strict=False):
        if cell.startswith(_FORMULA):
            return f"{name} {cell[:40]!r} begins like a formula: a spreadsheet would run it"
    return ""


def _check_heading(heading: list[str], columns: tuple[str, ...], more: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in heading]
    unknown = [name for name in heading if name not in columns + more]
    if missing or unknown or len(set(heading)) != len(heading):
        raise Rejected(
            f"line 1: the heading is {','.join(heading)[:200]!r}: expected {','.join(columns)}[,{','.join(more)}]"
        )
