"""A piece that stands where the books have it, but otherwise: damaged, released, or under another lot."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import control
from ledger.errors import ReasonNeeded, Rejected
from ledger.ids import OpId
from ledger.moves import DAMAGE, FREE
from node import streams
from node.counting_csv import COLUMNS
from tests.node.floor_kit import GTINS, PIN, Stage, actor_of

ONCE = {"control_percent": 0, "rounds_max": 1}


def session(stage: Stage, *bins: str, rule: dict[str, int] | None = None) -> OpId:
    number = stage.op()
    wish = {"name": "W", "bins": list(bins), "rule": rule or ONCE}
    stage.floor.counting.open_session(number, stage.as_("sven"), wish)
    return number


def enter(stage: Stage, who: str = "cora", **line: Any) -> None:
    stage.floor.counting.enter(stage.op(), stage.as_(who), line)


def close(stage: Stage, bin_: str = "A-01", who: str = "cora") -> dict[str, Any]:
    return stage.floor.counting.close_bin(stage.op(), stage.as_(who), {"bin": bin_, "confirm": True})


def count(stage: Stage, *lines: dict[str, Any], bin_: str = "A-01", who: str = "cora") -> dict[str, Any]:
    stage.floor.counting.open_bin(stage.op(), stage.as_(who), {"bin": bin_})
    for line in lines:
        enter(stage, who, **line)
    return close(stage, bin_, who)


def approve(stage: Stage, number: OpId, bin_: str = "A-01", **more: Any) -> dict[str, Any]:
    body = {"session": str(number), "bin": bin_, "reason": "miscounted-before", **more}
    return stage.floor.counting.posting.approve(stage.op(), stage.as_("sven"), body, PIN)


def pieces(stage: Stage) -> list[tuple[Any, ...]]:
    """Each piece in a bin by the books: serial, lot, place, status; and the quantities agree with that."""
    with stage.site.reading() as connection:
        rows = connection.execute(
            "SELECT serial, lot, location, status FROM serials WHERE location LIKE 'A-%' ORDER BY serial"
        ).fetchall()
        held = connection.execute(
            "SELECT location, lot, status, SUM(quantity) FROM stock WHERE item IN ('DRILL', 'TOOL') AND quantity > 0"
            " AND location LIKE 'A-%' GROUP BY 1, 2, 3"
        ).fetchall()
    by: dict[tuple[Any, ...], int] = {}
    for _, lot, place, status in rows:
        by[place, lot, status] = by.get((place, lot, status), 0) + 1
    assert sorted(held) == sorted((*key, number) for key, number in by.items())
    return [tuple(row) for row in rows]


def drill(serial: str = "S1", **more: Any) -> dict[str, Any]:
    return {"item": "DRILL", "serial": serial, "quantity": 1, **more}


@pytest.fixture
def tool(stage: Stage) -> Stage:
    """Also a thing with lots and serials."""
    with stage.site.writing() as connection:
        entry = {"name": "Tool", "gtins": [], "unit": "pc", "decimals": 0, "tracking": 3}
        streams.put(connection, "catalogue", "TOOL", entry)
    items = (control.Item(item="TOOL", tracking=3, unit="pc", decimals=0),)
    stage.world.send(stage.site, control.ItemsPayload(items=items))
    return stage


def test_a_scanned_piece_is_damaged_and_nobody_learns_whether_the_books_have_it(stage: Stage) -> None:
    stage.receive(drill(), {"item": "BOLT", "quantity": 5})
    number = session(stage, "A-01", "A-02")
    said = []
    for bin_, serial in (("A-01", "S1"), ("A-02", "S2")):
        stage.scan(f"BIN:{bin_}")
        stage.scan(f"]C101{GTINS['DRILL'].zfill(14)}21{serial}")
        part = {**drill(serial), "held": "damage", "bin": bin_}
        stage.floor.stock.part(stage.op(), stage.as_("cora"), part)
        enter(stage, item="BOLT", quantity=5)
        op = stage.op()
        answer = stage.floor.counting.close_bin(op, stage.as_("cora"), {"bin": bin_, "confirm": True})
        assert answer.pop("op_id") == str(op) and answer.pop("operations") == [str(op)]
        assert answer.pop("bin") == bin_
        said.append(answer)
    assert said[0] == said[1] == {"state": "counted"}
    assert approve(stage, number)["state"] == approve(stage, number, "A-02")["state"] == "posted"
    assert pieces(stage) == [("S1", "", "A-01", DAMAGE), ("S2", "", "A-02", DAMAGE)]
    with stage.site.reading() as connection:
        assert stage.floor.lookups.suspects(connection) == []


def test_a_piece_that_was_set_and_then_said_to_be_damaged_is_one_line(stage: Stage) -> None:
    number = session(stage, "A-01")
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    enter(stage, **drill())
    stage.floor.stock.part(stage.op(), stage.as_("cora"), {**drill(), "held": "damage", "bin": "A-01"})
    close(stage)
    approve(stage, number)
    assert pieces(stage) == [("S1", "", "A-01", DAMAGE)]


def test_a_held_piece_is_found_free(stage: Stage) -> None:
    stage.receive(drill())
    wish = {"held": "quality", "lines": [{**drill(), "location": "A-01"}], "reasons": ["t"]}
    stage.floor.stock.hold(stage.op(), stage.as_("mona"), wish)
    number = session(stage, "A-01")
    count(stage, drill(status="free"))
    approve(stage, number)
    assert pieces(stage) == [("S1", "", "A-01", FREE)]


def test_pieces_are_found_under_other_lots(tool: Stage) -> None:
    old = [{"item": "TOOL", "lot": "B", "serial": serial, "quantity": 1} for serial in ("S1", "S2", "S3")]
    tool.receive(*old)
    number = session(tool, "A-01")
    # One label says a lot that is before that of the books, one a lot behind it.
    count(tool, {**old[0], "lot": "A"}, {**old[1], "lot": "C"}, old[2])
    with tool.site.reading() as connection:
        lines = connection.execute("SELECT lot, serial, counted, expected FROM count_lines ORDER BY count, line")
        assert sorted(lines) == [
            ("A", "S1", 1, 0), ("B", "S1", 0, 1), ("B", "S2", 0, 1), ("B", "S3", 1, 1), ("C", "S2", 1, 0),
        ]  # fmt: skip
    approve(tool, number)
    assert [row[:3] for row in pieces(tool)] == [("S1", "A", "A-01"), ("S2", "C", "A-01"), ("S3", "B", "A-01")]


def test_it_is_counted_again_and_the_second_count_is_posted(stage: Stage) -> None:
    stage.receive(drill(), drill("S2"))
    number = session(stage, "A-01", rule={"control_percent": 0, "rounds_max": 3, "line_quantity_max": 0})
    count(stage, drill(status="damage"), drill("S2"))
    count(stage, drill(status="damage"), drill("S2"), who="carl")
    found = stage.floor.counting.review.bin_review(stage.as_("sven"), number, "A-01")
    assert found["state"] == "review" and [each["agreed"] for each in found["rounds"]] == [False, True]
    numbers = [line["line"] for line in found["rounds"][1]["lines"]]
    assert len(set(numbers)) == len(numbers) == 3
    approve(stage, number)
    assert pieces(stage) == [("S1", "", "A-01", DAMAGE), ("S2", "", "A-01", FREE)]


def test_both_lines_of_a_piece_are_posted_at_once_with_their_reasons(stage: Stage) -> None:
    stage.receive(drill(), drill("S2"))
    number = session(stage, "A-01")
    count(stage, drill(status="damage"), drill("S2"))
    found = stage.floor.counting.review.bin_review(stage.as_("sven"), number, "A-01")["rounds"][0]["lines"]
    gone, taken, same = sorted(found, key=lambda line: (line["serial"], line["counted"]))
    for alone in (gone, taken):
        with pytest.raises(Rejected, match="S1 of DRILL is in two lines: post both at once"):
            approve(stage, number, lines=[alone["line"], same["line"]])
    with pytest.raises(ReasonNeeded, match="differs"):
        approve(stage, number, reason=None, reasons={str(gone["line"]): ["miscounted-before"]})
    assert pieces(stage) == [("S1", "", "A-01", FREE), ("S2", "", "A-01", FREE)]
    assert approve(stage, number, lines=[same["line"]])["state"] == "review"
    assert approve(stage, number, lines=[gone["line"], taken["line"]])["state"] == "posted"
    assert pieces(stage) == [("S1", "", "A-01", DAMAGE), ("S2", "", "A-01", FREE)]


def test_a_full_part_beside_it(stage: Stage) -> None:
    """Two hundred lines and one that is taken out before them."""
    for first in (0, 100):
        stage.receive(*(drill(f"S{n}") for n in range(first, first + 100)))
    number = session(stage, "A-01")
    count(stage, drill("S7", status="damage"))
    approve(stage, number)
    left = [row for row in pieces(stage) if row[2] == "A-01"]
    assert left == [("S7", "", "A-01", DAMAGE)]


def paper(stage: Stage, *rows: str) -> tuple[dict[str, Any], dict[str, Any] | str]:
    """What the dry run and the run say of a sheet with these rows."""
    number = session(stage, "A-01", "A-02")
    sheets = stage.floor.counting.sheets
    sheet = sheets.issue(stage.op(), stage.as_("tess"), {"session": str(number)})["sheet"]
    text = "\r\n".join([",".join(COLUMNS), *(f"{sheet},{row}" for row in rows)])
    wish = {"sheet": sheet, "csv": text, "counter": str(actor_of("carl")), "counted_ms": stage.world.clock.now_ms()}
    dry = sheets.take_back(stage.op(), stage.as_("carl"), {**wish, "dry_run": True})
    try:
        answer: dict[str, Any] | str = sheets.take_back(stage.op(), stage.as_("carl"), wish)
        approve(stage, number)
    except Rejected as error:
        answer = str(error)
    return dry, answer


def test_a_sheet_says_it_as_well(stage: Stage) -> None:
    stage.receive(drill())
    dry, answer = paper(stage, "A-01,DRILL,,S1,damage,,1,")
    assert dry["problems"] == [] and isinstance(answer, dict) and answer["state"] == "returned"
    assert pieces(stage) == [("S1", "", "A-01", DAMAGE)]


def test_one_piece_on_two_rows_is_told_before(tool: Stage) -> None:
    dry, answer = paper(tool, "A-01,TOOL,A,S1,,,1,", "A-01,TOOL,B,S1,,,1,")
    assert dry["problems"] == ["serial S1 of TOOL stands twice in A-01: one piece has one lot and one status"]
    assert answer == f"sheet 1 is not taken: {dry['problems'][0]}"
