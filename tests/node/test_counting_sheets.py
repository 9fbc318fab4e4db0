"""Counting on paper, on a real site: numbered sheets, files tried first, and nothing of them taken for stable."""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any

import pytest

from ledger.documents import BY_PAPER, NOT_BLIND, Document
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.seams import Killed, arm_failpoint, disarm_failpoints
from node import counting_csv
from node.rounds import open_round
from node.sealing import read_block
from tests.node.floor_kit import PIN, Stage, actor_of

HEADING = ",".join(counting_csv.COLUMNS)


def session(stage: Stage, *bins: Any, **rule: Any) -> OpId:
    op = stage.op()
    body = {"name": "On paper", "bins": list(bins), "rule": {"control_percent": 0, **rule}}
    stage.floor.counting.open_session(op, stage.as_("sven"), body)
    return op


def issue(stage: Stage, number: OpId, *bins: str, **more: Any) -> int:
    body = {"session": str(number), **({"bins": list(bins)} if bins else {}), **more}
    return int(stage.floor.counting.sheets.issue(stage.op(), stage.as_("sven"), body)["sheet"])


def wish(stage: Stage, sheet: int, *rows: str, who: str = "cora", **more: Any) -> dict[str, Any]:
    text = "\r\n".join([more.pop("heading", HEADING), *rows])
    counted_ms = stage.world.clock.now_ms() - 5_000
    return {"sheet": sheet, "csv": text, "counter": str(actor_of(who)), "counted_ms": counted_ms, **more}


def take(stage: Stage, body: dict[str, Any], op: OpId | None = None, by: str = "sven") -> dict[str, Any]:
    return stage.floor.counting.sheets.take_back(op or stage.op(), stage.as_(by), body)


def review(stage: Stage, number: OpId, bin_: str, who: str = "sven") -> dict[str, Any]:
    return stage.floor.counting.review.bin_review(stage.as_(who), number, bin_)


def approve(stage: Stage, number: OpId, bin_: str, who: str = "sven") -> dict[str, Any]:
    body = {"session": str(number), "bin": bin_, "reason": "miscounted-before"}
    return stage.floor.counting.posting.approve(stage.op(), stage.as_(who), body, PIN)


def documents_of(stage: Stage, operations: list[str]) -> list[Document]:
    stage.world.clock.advance(2_000)
    stage.site.seal()
    found = []
    with stage.site.reading() as connection:
        for op_id in operations:
            height, place = connection.execute(
                "SELECT height, place FROM operations WHERE op_id = ?", (bytes.fromhex(op_id),)
            ).fetchone()
            block = read_block(connection, height)
            assert block is not None
            found.append(Document.decode(block.documents[place]))
    return found


def test_a_sheet_goes_out_comes_back_is_approved_and_closes_its_session(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 20}, {"item": "PAINT", "lot": "L1", "quantity": 5})
    number = session(stage, "A-01", "A-02", "DOCK")
    sheet = issue(stage, number, "A-01", "A-02")
    shown = stage.floor.counting.sheets.show(stage.as_("sven"), sheet)
    assert shown["blind"] and shown["bins"][0] == {"bin": "A-01", "items": [], "expected": []}
    blank = counting_csv.blank(shown)
    assert blank.splitlines()[0] == HEADING and blank.count("A-01") == counting_csv.BLANK_ROWS
    body = wish(
        stage, sheet, f"{sheet},A-01,BOLT,,,,,18,", f"{sheet},A-01,PAINT,L1,,,2024-05-01,٥,", f"{sheet},A-02,,,,,,٠,"
    )
    tried = take(stage, {**body, "dry_run": True})
    assert tried["bins"] == [{"bin": "A-01", "lines": 2, "empty": False}, {"bin": "A-02", "lines": 0, "empty": True}]
    assert tried["problems"] == [] and tried["left"] == []
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM scan_events").fetchone() == (0,)
    op = stage.op()
    for _ in range(2):
        assert take(stage, body, op)["state"] == "returned"

    # On paper nothing is stable and so within no limit; it is not counted again by itself, an approver decides.
    found = review(stage, number, "A-01")
    assert [(each["stable"], each["sheet"], each["blind"]) for each in found["rounds"]] == [(False, sheet, True)]
    assert [(line["item"], line["difference"]) for line in found["rounds"][0]["lines"]] == [
        ("BOLT", -2),
        ("PAINT", 0),
    ]
    assert found["rounds"][0]["counter"] == "Cora"
    approve(stage, number, "A-01", "tess")
    approve(stage, number, "A-02", "tess")
    assert stage.stock("A-01", "BOLT") == 18
    [document] = documents_of(stage, found["rounds"][0]["operations"])
    assert BY_PAPER in document.marks and document.references == {"sheet": str(sheet)}
    assert document.commitments["paper"] == hashlib.sha256(body["csv"].encode()).digest()
    assert document.occurred_ms == body["counted_ms"] and document.expiries == {1: "2024-05-01"}
    uncounted = {"session": str(number), "bin": "DOCK", "reason": "closed"}
    stage.floor.counting.uncounted(stage.op(), stage.as_("sven"), uncounted)
    with stage.site.reading() as connection:
        assert connection.execute("SELECT state FROM count_sessions").fetchone() == ("closed",)


def test_who_entered_a_sheet_does_not_approve_it(stage: Stage) -> None:
    number = session(stage, "A-01")
    sheet = issue(stage, number)
    take(stage, wish(stage, sheet, f"{sheet},A-01,BOLT,,,,,1,"))
    with pytest.raises(Rejected, match="somebody else has to approve"):
        approve(stage, number, "A-01", "sven")
    assert approve(stage, number, "A-01", "tess")["state"] == "posted"


def test_a_session_stays_open_until_every_sheet_is_accounted_for(stage: Stage) -> None:
    number = session(stage, "A-01")
    first, second = issue(stage, number), issue(stage, number, "A-01")
    assert (first, second) == (1, 2)
    with pytest.raises(Rejected, match="no bin of this count waits for a sheet"):
        issue(stage, number)
    take(stage, wish(stage, second, f"{second},A-01,,,,,,0,"))
    approve(stage, number, "A-01", "tess")

    def state() -> str:
        with stage.site.reading() as connection:
            return str(connection.execute("SELECT state FROM count_sessions").fetchone()[0])

    assert state() == "active"
    with pytest.raises(Rejected, match="expected void or missing"):
        body = {"sheet": first, "state": "lost", "reason": "lost"}
        stage.floor.counting.sheets.settle(stage.op(), stage.as_("sven"), body)
    body = {"sheet": first, "state": "missing", "reason": "lost"}
    stage.floor.counting.sheets.settle(stage.op(), stage.as_("sven"), body)
    assert state() == "closed"
    with pytest.raises(Rejected, match="is missing already"):
        stage.floor.counting.sheets.settle(stage.op(), stage.as_("sven"), body)
    with stage.site.reading() as connection:
        sheets = stage.floor.counting.sheets.of_session(connection, stage.as_("sven"), number)
    assert [(each["sheet"], each["state"]) for each in sheets] == [(1, "missing"), (2, "returned")]


@pytest.mark.parametrize("how", ["missing", "void", "cancelled", "counted otherwise"])
def test_what_a_sheet_says_that_comes_after_all_is_kept_and_its_bin_counted(stage: Stage, how: str) -> None:
    stage.receive({"item": "BOLT", "quantity": 20})
    number = session(stage, "A-01", "A-02")
    sheet = issue(stage, number, "A-01", "A-02")
    if how in ("missing", "void"):
        body = {"sheet": sheet, "state": how, "reason": "lost"}
        stage.floor.counting.sheets.settle(stage.op(), stage.as_("sven"), body)
    elif how == "cancelled":
        stage.floor.counting.cancel(stage.op(), stage.as_("sven"), {"session": str(number), "reason": "late"})
    else:
        stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-01"})
        stage.floor.counting.enter(stage.op(), stage.as_("carl"), {"item": "BOLT", "quantity": 20})
        stage.floor.counting.close_bin(stage.op(), stage.as_("carl"), {"bin": "A-01", "confirm": True})
        approve(stage, number, "A-01")
    paper = hashlib.sha256(b"photo").hexdigest()
    body = wish(stage, sheet, f"{sheet},A-01,BOLT,,,,,18,", paper=paper)
    tried = take(stage, {**body, "dry_run": True})
    question = f"A-01 does not wait for sheet {sheet} any more: keep what is on it, and have the bin counted?"
    assert (tried["problems"], tried["asked"], tried["late"]) == ([], [question], ["A-01"])
    op = stage.op()
    assert take(stage, body, op)["ask"] == question
    for _ in range(2):
        answer = take(stage, {**body, "confirm": True}, op)
        assert (answer["state"], answer["late"]) == ("returned", ["A-01"])
    with stage.site.reading() as connection:
        [(kept, place)] = connection.execute("SELECT op_id, location FROM exceptions").fetchall()
        lines = connection.execute("SELECT item, quantity, source, target FROM exception_lines").fetchall()
        assert (place, lines) == ("A-01", [("BOLT", 18, "A-01", "A-01")])
        doubted = "A-01" in stage.floor.lookups.suspects(connection), open_round(connection, "A-01") is not None
        assert doubted == ((False, False) if how == "counted otherwise" else (True, True))  # counted since
    [document] = documents_of(stage, [bytes(kept).hex()])
    assert document.marks == (BY_PAPER,) and document.references == {"sheet": str(sheet)}
    assert document.commitments == {"paper": bytes.fromhex(paper)}
    assert stage.stock("A-01", "BOLT") == 20, "nothing is posted by it"
    with pytest.raises(Rejected, match="is returned already"):
        take(stage, {**body, "confirm": True})


def test_of_a_sheet_that_comes_late_the_bins_that_still_wait_are_counted_by_it(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 20})
    number = session(stage, "A-01", "A-02")
    sheet = issue(stage, number, "A-01", "A-02")
    body = {"session": str(number), "bin": "A-01", "reason": "blocked"}
    stage.floor.counting.uncounted(stage.op(), stage.as_("sven"), body)
    rows = (f"{sheet},A-01,,,,,,0,", f"{sheet},A-02,BOLT,,,,,3,")
    answer = take(stage, wish(stage, sheet, *rows, confirm=True))
    assert (answer["late"], answer["left"]) == (["A-01"], [])
    assert review(stage, number, "A-02")["rounds"][0]["lines"][0]["counted"] == 3
    with stage.site.reading() as connection:
        assert connection.execute("SELECT location FROM exceptions").fetchall() == [("A-01",)]


def test_a_sheet_with_quantities_makes_the_round_not_blind_wherever_it_is_counted(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 4_321})
    number = session(stage, "A-01", rounds_max=2)
    sheet = issue(stage, number, "A-01", blind=False)
    text = counting_csv.blank(stage.floor.counting.sheets.show(stage.as_("sven"), sheet))
    assert f"{sheet},A-01,BOLT,,,free,,,,4321" in text
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 4_320})
    stage.floor.counting.close_bin(stage.op(), stage.as_("cora"), {"bin": "A-01", "confirm": True})
    # The recount by another person is blind again.
    stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("carl"), {"item": "BOLT", "quantity": 4_320})
    stage.floor.counting.close_bin(stage.op(), stage.as_("carl"), {"bin": "A-01", "confirm": True})
    rounds = review(stage, number, "A-01")["rounds"]
    assert [each["blind"] for each in rounds] == [False, True]
    documents = documents_of(stage, [*rounds[0]["operations"], *rounds[1]["operations"]])
    assert [document.marks for document in documents] == [(NOT_BLIND,), ()]
    assert "does not wait for sheet" in take(stage, wish(stage, sheet, f"{sheet},A-01,BOLT,,,,,1,"))["ask"]


def test_who_printed_the_quantities_does_not_count(stage: Stage) -> None:
    number = session(stage, "A-01")
    body = {"session": str(number), "blind": False}
    sheet = stage.floor.counting.sheets.issue(stage.op(), stage.as_("tess"), body)["sheet"]
    with pytest.raises(Rejected, match="knows nothing of what the books have"):
        stage.floor.counting.open_bin(stage.op(), stage.as_("tess"), {"bin": "A-01"})
    for verb in (stage.floor.counting.sheets.show,):
        with pytest.raises(Rejected, match="APPROVE"):
            verb(stage.as_("cora"), sheet)
    with pytest.raises(Rejected, match="somebody who knows nothing"):
        take(stage, wish(stage, sheet, f"{sheet},A-01,,,,,,0,", who="tess"))


BAD_ROWS = (
    ("{n},A-01,BOLT,,,,,,", "quantity is blank: write 0"),
    ("{n},A-01,NO-SUCH,,,,,1,", "is not known here"),
    ("{n},A-01,,,,,,4,", "say which item it is"),
    ("{n},A-01,PAINT,,,,,1,", "its lot is needed"),
    ("{n},A-01,BOLT,L1,,,,1,", "it has no lots"),
    ("{n},A-01,DRILL,,S1,,,2,", "is one piece"),
    ("{n},A-01,BOLT,,,,,1.5,", "does not come out"),
    ("{n},A-01,BOLT,,,,,-1,", "is no number: write one"),
    ("{n},A-01,BOLT,,,,,1e3,", "is no number: write one"),
    ("{n},A-01,BOLT,,,stolen,,1,", "is no status: write free, quality"),
    ("{n},A-01,PAINT,L1,,,31.12.2026,1,", "not a date"),
    ("{n},A-01,BOLT,,,,,1,1", "leave the pieces out"),
    ("{n},A-01,BOLT,,,,,1,x", "write a whole number"),
    ("{n},A-02,BOLT,,,,,1,", "not on this sheet"),
    ("99,A-01,BOLT,,,,,1,", "this is sheet"),
    ("{n},A-01,BOLT,,,,,1", "it has 8 cells"),
    ("{n},A-01,BOLT,,,,,1,\r\n{n},A-01,BOLT,,,,,2,", "stands twice"),
    ("{n},A-01,BOLT,,,,,1,\r\n{n},A-01,,,,,,0,", "empty and to hold something"),
    ('{n},A-01,"BOLT,,,,,1,', "cannot be read as CSV"),
    ("{n},A-01,=cmd|' /C calc'!A0,,,,,1,", "is not known here"),
)


@pytest.mark.parametrize(("row", "why"), BAD_ROWS)
def test_a_bad_row_is_named_and_refuses_the_whole_sheet(stage: Stage, row: str, why: str) -> None:
    number = session(stage, "A-01", "DOCK")
    sheet = issue(stage, number, "A-01", "DOCK")
    body = wish(stage, sheet, f"{sheet},DOCK,BOLT,,,,,7,", row.format(n=sheet))
    problems = take(stage, {**body, "dry_run": True})["problems"]
    assert any(why in problem for problem in problems), problems
    with pytest.raises(Rejected, match="is not taken"):
        take(stage, body)
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM scan_events").fetchone() == (0,)
        assert connection.execute("SELECT COUNT(*) FROM counts").fetchone() == (0,)


def test_files_that_are_no_sheet_are_refused_in_words(stage: Stage) -> None:
    number = session(stage, "A-01")
    sheet = issue(stage, number)
    for text in ("", "bin,item\nA-01,BOLT", "\x00\x01", "x" * 600_000, None, 5, ["a"]):
        with pytest.raises(Rejected):
            take(stage, {**wish(stage, sheet), "csv": text})
    with pytest.raises(Rejected, match="counts nothing"):
        take(stage, wish(stage, sheet))
    with pytest.raises(Rejected, match="who counted"):
        take(stage, {**wish(stage, sheet), "counter": None})
    with pytest.raises(Rejected, match="role COUNT"):
        take(stage, wish(stage, sheet, f"{sheet},A-01,,,,,,0,", who="mona"))
    with pytest.raises(Rejected, match="never issued"):
        take(stage, wish(stage, 77, "77,A-01,,,,,,0,"))
    with pytest.raises(Rejected, match="SHA-256"):
        take(stage, {**wish(stage, sheet), "paper": "12"})
    # A byte order mark, a heading in capitals and the file's own blank rows are no problem.
    blank = counting_csv.blank(stage.floor.counting.sheets.show(stage.as_("sven"), sheet)).splitlines()[1:]
    body = wish(stage, sheet, *blank, f"{sheet},A-01,BOLT,,,,,3,", heading="\ufeff" + HEADING.upper())
    assert take(stage, body)["bins"] == [{"bin": "A-01", "lines": 1, "empty": False}]


def test_what_is_hard_to_believe_is_asked_back_and_pieces_count_once(stage: Stage) -> None:
    number = session(stage, "A-01", "A-02")
    sheet = issue(stage, number)
    body = wish(stage, sheet, f"{sheet},A-01,BOLT,,,,,123456,")
    assert "123456 pc of Bolt 8" in take(stage, body)["ask"]
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM counts").fetchone() == (0,)
    twice = wish(stage, sheet, f"{sheet},A-01,DRILL,,S1,,,1,", f"{sheet},A-02,DRILL,,S1,,,1,")
    assert "stands in two bins" in take(stage, {**twice, "dry_run": True})["problems"][0]
    assert take(stage, {**body, "confirm": True})["left"] == ["A-02"]
    with stage.site.reading() as connection:
        assert connection.execute("SELECT bin, state FROM count_bins ORDER BY bin").fetchall() == [
            ("A-01", "review"),
            ("A-02", "waiting"),
        ]


@pytest.mark.parametrize(
    "name", ["record.before_commit", "record.after_commit", "db.before_commit", "db.after_commit"]
)
@pytest.mark.parametrize("turn", [1, 2, 4])
def test_death_while_a_sheet_is_taken_loses_and_doubles_nothing(stage: Stage, name: str, turn: int) -> None:
    number = session(stage, "A-01", "A-02")
    sheet = issue(stage, number)
    body = wish(stage, sheet, f"{sheet},A-01,BOLT,,,,,3,", f"{sheet},A-02,BOLT,,,,,4,")
    op, seen = stage.op(), [0]

    def die(_: str) -> None:
        seen[0] += 1
        if seen[0] == turn:
            raise Killed(name)

    sven = stage.as_("sven")
    arm_failpoint(name, die)
    with contextlib.suppress(Killed):
        stage.floor.counting.sheets.take_back(op, sven, body)
    disarm_failpoints()
    again = stage.restart()
    stage.site, stage.floor, stage.journal = again.site, again.floor, again.journal
    for _ in range(2):
        assert take(stage, body, op)["state"] == "returned"
    with stage.site.reading() as connection:
        assert connection.execute(
            "SELECT bin, counted FROM counts JOIN count_lines ON count = op_id ORDER BY bin"
        ).fetchall() == [
            ("A-01", 3),
            ("A-02", 4),
        ]
        assert connection.execute("SELECT COUNT(*) FROM scan_events").fetchone() == (2,)


def test_the_first_counter_brings_no_recount_back_in_another_name(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 20})
    number = session(stage, "A-01", rounds_max=3)
    counting, cora = stage.floor.counting, stage.as_("cora")
    counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    counting.enter(stage.op(), cora, {"item": "BOLT", "quantity": 10})
    counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})
    sheet = issue(stage, number)
    again = wish(stage, sheet, f"{sheet},A-01,BOLT,,,,,10,", who="carl")
    assert take(stage, {**again, "dry_run": True}, by="cora")["problems"] == [
        "you counted A-01 before: somebody else brings this sheet back"
    ]
    with pytest.raises(Rejected, match="somebody else brings this sheet back"):
        take(stage, again, by="cora")
    take(stage, again)
    assert [each["counter"] for each in review(stage, number, "A-01")["rounds"]] == ["Cora", "Carl"]
