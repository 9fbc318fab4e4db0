"""A date that contradicts its lot is asked back however a count came in: scanned, on paper, explained after all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.ids import OpId
from node.counting_close import SURE, SURE_OF_ITEMS
from tests.node.floor_kit import GTINS, Stage, actor_of
from tests.node.test_counting import session

KNOWN, OTHER = "2028-01-01", "2030-01-01"
QUESTION = f"Lot L1 of PAINT is known with another expiry than {OTHER}: is it on the label?"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """Five of a lot lie in A-01; the books know its date."""
    lines = [{"item": "PAINT", "lot": "L1", "quantity": 5, "expiry": KNOWN}]
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), {"lines": lines, "target": "A-01"})
    return stage


def label(day: str = OTHER, lot: str = "L1", gtin: str = GTINS["PAINT"]) -> str:
    return f"]C101{gtin}17{day[2:].replace('-', '')}10{lot}"


def opened(stage: Stage, bin_: str = "A-01", **more: Any) -> OpId:
    number = session(stage, bin_, **more)
    stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": bin_})
    return number


def closed(stage: Stage, op: OpId | None = None, waited_ms: int = 0, **more: Any) -> dict[str, Any]:
    who = replace(stage.as_("carl"), waited_ms=waited_ms)
    return stage.floor.counting.close_bin(op or stage.op(), who, {"bin": "A-01", **more})


def carls(stage: Stage) -> None:
    stage.floor.people.bind_device(stage.as_("carl"), "gun")


def test_what_was_scanned_is_asked_about_when_the_bin_is_done(stage: Stage) -> None:
    opened(stage)
    carls(stage)
    for _ in range(3):
        assert stage.scan(label())["outcome"] == "counted"
    assert stage.scan(label(KNOWN))["outcome"] == "counted"
    op = stage.op()
    assert closed(stage, op)["ask"] == f"{QUESTION} {SURE}" and KNOWN not in closed(stage, op)["ask"]
    done = closed(stage, op, confirm=True)
    assert done["state"] == "counted" and closed(stage, op) == done


def test_a_label_with_the_known_date_is_no_question_nor_one_that_was_taken_back(stage: Stage) -> None:
    opened(stage)
    carls(stage)
    stage.scan(label(KNOWN))
    stage.scan(label())
    stage.floor.counting.undo(stage.op(), stage.as_("carl"), {})
    assert closed(stage)["ask"] == SURE


def test_a_date_that_was_confirmed_by_hand_is_not_asked_again(stage: Stage) -> None:
    opened(stage)
    carls(stage)
    stage.scan(label())
    line = {"item": "PAINT", "lot": "L1", "quantity": 4, "expiry": OTHER}
    counting = stage.floor.counting
    assert counting.enter(stage.op(), stage.as_("carl"), line)["ask"] == QUESTION
    assert counting.enter(stage.op(), stage.as_("carl"), {**line, "confirm": True})["counted"] == 4
    assert counting.enter(stage.op(), stage.as_("carl"), {**line, "quantity": 5})["counted"] == 5
    assert closed(stage)["ask"] == SURE


def test_a_task_of_some_items_asks_for_that_too(stage: Stage) -> None:
    body = {"name": "Paint", "bins": [{"bin": "A-01", "items": ["PAINT"]}]}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-01"})
    carls(stage)
    stage.scan(label())
    assert closed(stage)["ask"].startswith(QUESTION)
    assert closed(stage, confirm=True)["state"] == "counted"


def test_of_what_happened_without_contact_no_date_is_asked(stage: Stage) -> None:
    body = {"name": "Paint", "bins": [{"bin": "A-01", "items": ["PAINT"]}]}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-01"})
    carls(stage)
    stage.scan(label())
    gap_ms = stage.site.config.web.contact_gap_ms_max
    assert closed(stage, waited_ms=gap_ms + 1)["ask"] == SURE_OF_ITEMS  # which its tablet asks by itself
    assert closed(stage, waited_ms=gap_ms + 1, confirm=True)["state"] == "counted"


def parked(stage: Stage) -> int:
    """A code of no item, scanned by carl in his open bin."""
    carls(stage)
    outcome = stage.scan(label(gtin="09501101530003"))
    assert outcome["outcome"] == "parked"
    return int(outcome["park"])


def test_a_parked_scan_that_is_explained_with_another_date_is_asked_back_and_stays(stage: Stage) -> None:
    opened(stage)
    park = parked(stage)
    wish = {"park": park, "item": "PAINT", "lot": "L1", "expiry": OTHER, "quantity": 1}
    op = stage.op()
    resolve = stage.floor.parking.resolve
    assert resolve(op, stage.as_("carl"), wish) == {"op_id": str(op), "ask": QUESTION}
    with stage.site.reading() as connection:
        assert [each["park"] for each in stage.floor.parking.mine(connection, stage.as_("carl"))] == [park]
    assert resolve(op, stage.as_("carl"), {**wish, "confirm": True})["counted"] == 1
    assert resolve(op, stage.as_("carl"), wish)["counted"] == 1, "asked again about what is done"
    assert closed(stage)["ask"] == SURE  # it was asked already


def test_a_parked_scan_is_asked_about_its_amount_unless_that_was_the_question(stage: Stage) -> None:
    opened(stage)
    park = parked(stage)
    wish = {"park": park, "item": "BOLT", "quantity": 20_000}
    asked = stage.floor.parking.resolve(stage.op(), stage.as_("carl"), wish)["ask"]
    with stage.site.writing() as connection:
        connection.execute("UPDATE parked SET why = ? WHERE park = ?", (asked, park))
    assert stage.floor.parking.resolve(stage.op(), stage.as_("carl"), wish)["counted"] == 20_000


def test_whoever_explains_a_scan_of_a_count_that_is_over_is_asked_nothing(stage: Stage) -> None:
    opened(stage)
    park = parked(stage)
    stage.scan(label(KNOWN))
    closed(stage, confirm=True)
    wish = {"park": park, "item": "PAINT", "lot": "L1", "expiry": OTHER, "quantity": 1}
    assert stage.floor.parking.resolve(stage.op(), stage.as_("sven"), wish)["recount"] is True


ROWS = "sheet,bin,item,lot,serial,status,expiry,quantity,pieces\r\n"


def sheet(stage: Stage, *rows: str, bins: tuple[str, ...] = ("A-01", "A-02"), **more: Any) -> dict[str, Any]:
    """A sheet with these rows comes back."""
    counting = stage.floor.counting
    body = {"name": "Paper", "bins": list(bins), "rule": {"control_percent": 0}}
    number = counting.open_session(stage.op(), stage.as_("sven"), body)["session"]
    issued = counting.sheets.issue(stage.op(), stage.as_("sven"), {"session": number})["sheet"]
    csv = ROWS + "".join(f"{issued},{row}\r\n" for row in rows)
    wish = {"sheet": issued, "csv": csv, "counter": str(actor_of("carl")), "counted_ms": stage.world.clock.now_ms()}
    return counting.sheets.take_back(stage.op(), stage.as_("sven"), {**wish, **more})


def test_a_sheet_with_another_date_is_asked_back_and_a_dry_run_shows_it(stage: Stage) -> None:
    row = f"A-01,PAINT,L1,,,{OTHER},5,"
    tried = sheet(stage, row, dry_run=True)
    assert (tried["asked"], tried["problems"]) == ([f"A-01: {QUESTION}"], [])


def test_a_confirmed_sheet_is_taken_and_the_approver_sees_both_dates(stage: Stage) -> None:
    row = f"A-01,PAINT,L1,,,{OTHER},5,"
    assert sheet(stage, row, bins=("A-01",))["ask"] == f"A-01: {QUESTION}"
    with stage.site.reading() as connection:
        [(number,)] = connection.execute("SELECT session FROM count_sessions").fetchall()
    stage.floor.counting.cancel(stage.op(), stage.as_("sven"), {"session": bytes(number).hex(), "reason": "again"})
    assert sheet(stage, row, bins=("A-01",), confirm=True)["state"] == "returned"
    with stage.site.reading() as connection:
        [number] = connection.execute("SELECT session FROM count_sessions WHERE state = 'active'").fetchone()
    found = stage.floor.counting.review.bin_review(stage.as_("sven"), OpId(bytes(number)), "A-01")
    [line] = found["rounds"][-1]["lines"]
    assert (line["expiry"], line["lot_expiry"]) == (OTHER, KNOWN)


def test_a_sheet_that_contradicts_itself_is_asked_back_too(stage: Stage) -> None:
    rows = (f"A-01,PAINT,L9,,,{KNOWN},5,", f"A-02,PAINT,L9,,,{OTHER},5,")
    assert sheet(stage, *rows, dry_run=True)["asked"] == [f"A-02: {QUESTION.replace('L1', 'L9')}"]


def test_a_thing_stands_twice_also_with_another_date(stage: Stage) -> None:
    rows = (f"A-01,PAINT,L9,,,{KNOWN},5,", f"A-01,PAINT,L9,,,{OTHER},5,")
    [problem] = sheet(stage, *rows, dry_run=True)["problems"]
    assert "stands twice" in problem
