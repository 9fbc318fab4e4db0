"""Count sheets as CSV: one line a thing found, amounts in the item's own unit.

    sheet,bin,item,lot,serial,status,expiry,quantity,pieces

A line with a bin alone and the quantity 0 says that the bin is empty. A quantity left blank is a mistake wherever an
item stands beside it: zero is not blank. A bin that no line names was not counted. People open these files in a
spreadsheet: a leading apostrophe keeps a cell from being taken for a formula, and is taken off again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ledger import spelling
from ledger.db import Connection
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.moves import STATUSES
from ledger.wording import in_units, shown
from node import catalogue
from node.counting_amounts import amount_of, asked_back, date_asked
from node.counting_lines import refuse_pieces, thing_of
from node.rounds import latest
from node.tasks import Thing
from node.values import Fields

COLUMNS = ("sheet", "bin", "item", "lot", "serial", "status", "expiry", "quantity", "pieces")
EXPECTED = "expected"
ROWS_MAX = 5_000
BLANK_ROWS = 10
PROBLEMS_MAX = 100
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet as it was issued; `height`: the block at that moment; `rounds`: bin to the round that it is for."""

    number: int
    session: OpId
    blind: bool
    state: str
    reason: str
    height: int
    rounds: Mapping[str, int]

    @property
    def bins(self) -> tuple[str, ...]:
        return tuple(sorted(self.rounds))


@dataclass(frozen=True, slots=True)
class Bin:
    """What a file says about one bin: (thing, base units, pieces) each."""

    bin: str
    lines: tuple[tuple[Thing, int, int], ...]
    empty: bool


@dataclass(frozen=True, slots=True)
class Read:
    """What a file says. `problems`: sentences that name their row, at most 100; `asked`: what may be right."""

    bins: tuple[Bin, ...]
    problems: tuple[str, ...]
    asked: tuple[str, ...] = ()


def write(rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> str:
    """Rows as CSV with a heading, safe to open in a spreadsheet."""
    names = list(columns)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row.get(name, "")) for name in names])
    return out.getvalue()


def blank(sheet: Mapping[str, Any]) -> str:
    """A sheet (`Sheets.show`) as a file to be filled in."""
    return write(_blank_rows(sheet), COLUMNS if sheet["blind"] else (*COLUMNS, EXPECTED))


def _blank_rows(sheet: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for each in sheet["bins"]:
        start = {"sheet": sheet["sheet"], "bin": each["bin"]}
        for line in each["expected"]:
            yield {**start, **line, EXPECTED: in_units(line["expected"], line["decimals"])}
        if sheet["blind"]:
            yield from ({**start, "item": item} for item in each["items"] or [""] * BLANK_ROWS)


def read(connection: Connection, sheet: Sheet, text: str, counted_ms: int) -> Read:
    """What a file of a count at `counted_ms` says about the bins of a sheet. Blank rows are skipped, everything else
    has to be right."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    problems: list[str] = []
    found: dict[str, dict[Thing, tuple[Thing, int, int]]] = {}
    dates: dict[tuple[str, str], str] = {}
    empty: set[str] = set()
    asked: list[str] = []
    try:
        heading = [name.strip().lower() for name in next(reader, [])]
        if [name for name in heading if name != EXPECTED] != list(COLUMNS):
            problem = f"the first row has to be {','.join(COLUMNS)}"
            return Read((), (problem,))
        for number, cells in enumerate(reader, 2):
            if number > ROWS_MAX:
                problem = f"the file has more than {ROWS_MAX} rows"
                return Read((), (problem,))
            row = {name: _plain(cell) for name, cell in zip(heading, cells, strict=False)}
            if not any(value for name, value in row.items() if name not in ("sheet", "bin", EXPECTED)):
                continue
            try:
                if len(cells) != len(heading):
                    raise Rejected(f"it has {len(cells)} cells, the heading {len(heading)}")
                row |= {name: spelling.digits(row[name]) for name in ("sheet", "quantity", "pieces")}
                asked += _take(connection, sheet, row, counted_ms, found, empty, dates)
            except Rejected as error:
                problems.append(f"in row {number}: {error}")
                if len(problems) == PROBLEMS_MAX:
                    break
    except csv.Error:
        problems.append(f"the file cannot be read as CSV at row {reader.line_num}: look for a lone quotation mark")
    problems += [f"{bin_} is said to be empty and to hold something" for bin_ in sorted(empty & found.keys())]
    return Read(
        tuple(Bin(bin_, tuple(found.get(bin_, {}).values()), bin_ in empty) for bin_ in sorted(found.keys() | empty)),
        tuple(problems[:PROBLEMS_MAX]),
        tuple(asked[:PROBLEMS_MAX]),
    )


def _take(
    connection: Connection, sheet: Sheet, row: dict[str, str], counted_ms: int,
    found: dict[str, dict[Thing, tuple[Thing, int, int]]], empty: set[str], dates: dict[tuple[str, str], str],
) -> list[str]:  # fmt: skip
    """One row; `Rejected` says what is wrong with it. Answers what is to be asked back. `found`: what each bin has,
    by the thing without its date; `dates`: what the rows before said of lots."""
    if row["sheet"] != str(sheet.number):
        raise Rejected(f"sheet {shown(row['sheet'])}: this is sheet {sheet.number}")
    bin_ = row["bin"]
    if bin_ not in sheet.bins:
        raise Rejected(f"bin {shown(bin_)} is not on this sheet")
    if not row["quantity"]:
        raise Rejected("the quantity is blank: write 0 when there is none")
    if (
        not any(row[name] for name in ("item", "lot", "serial", "status", "expiry", "pieces"))
        and row["quantity"] == "0"
    ):
        empty.add(bin_)
        return []
    if not row["item"]:
        raise Rejected("say which item it is; a bin alone with the quantity 0 is empty")
    if row["status"] and row["status"] not in STATUSES:
        raise Rejected(f"{shown(row['status'])} is no status: write {', '.join(STATUSES[:-1])} or {STATUSES[-1]}")
    said = {"item": row["item"], "amount": row["quantity"]}
    said |= {name: row[name] for name in ("lot", "serial", "status", "expiry") if row[name]}
    fields = Fields({**said, **({"pieces": _whole(row["pieces"])} if row["pieces"] else {})}, "row")
    thing, how_much = thing_of(fields), amount_of(fields)
    fields.done()
    item = catalogue.need_item(connection, thing.item)
    catalogue.refuse_tracking(item, thing.lot, thing.serial)
    quantity, pieces = how_much.base(connection, item, counted_ms), how_much.pieces or 0
    refuse_pieces(item, quantity, pieces)
    if thing.serial and quantity > 1:
        raise Rejected(f"serial {thing.serial} is one piece")
    items = latest(connection, sheet.session, bin_).items
    if items and thing.item not in items:
        raise Rejected(f"{thing.item} is not part of this task: only {', '.join(items)}")
    lines, undated = found.setdefault(bin_, {}), replace(thing, expiry="")
    if undated in lines:
        raise Rejected(f"{thing.item} stands twice in {bin_}: add the two up")
    lines[undated] = (thing, quantity, pieces)
    before = dates.setdefault((thing.item, thing.lot), thing.expiry) if thing.expiry else ""
    questions = (
        asked_back(connection, item, quantity),
        date_asked(connection, thing.item, thing.lot, thing.expiry, before),
    )
    return [f"{bin_}: {question}" for question in questions if question]


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 13):
        raise Rejected(f"{shown(text)} pieces: write a whole number")
    return int(text)


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, int) else text


def _plain(cell: str) -> str:
    text = cell.strip()
    return text[1:] if text.startswith("'") else text
