"""When a lot expires: the first date that was booked stands, and only labelling the goods anew changes it."""

from __future__ import annotations

from typing import Any

from ledger.ids import OpId
from node import audit
from node.catalogue import expiry_of
from node.openings import document_of
from tests.node.floor_kit import GTINS, Stage
from tests.node.test_counting import approve, close, session
from tests.node.test_counting_shared import opens


def receive(stage: Stage, expiry: str, lot: str = "L1", **more: Any) -> dict[str, Any]:
    lines = [{"item": "PAINT", "lot": lot, "quantity": 5, "expiry": expiry}]
    return stage.floor.stock.receive(stage.op(), stage.as_("mona"), {"lines": lines, "target": "A-01", **more})


def expires(stage: Stage, lot: str = "L1") -> str:
    with stage.site.reading() as connection:
        return expiry_of(connection, "PAINT", lot)


def counted(stage: Stage, who: str, expiry: str, lot: str = "L1", **more: Any) -> dict[str, Any]:
    body = {"item": "PAINT", "lot": lot, "quantity": 5, "expiry": expiry, **more}
    return stage.floor.counting.enter(stage.op(), stage.as_(who), body)


def line_of(stage: Stage, number: OpId) -> dict[str, Any]:
    review = stage.floor.counting.review.bin_review(stage.as_("sven"), number, "A-01")
    [line] = review["rounds"][-1]["lines"]
    return dict(line)


def test_a_receipt_with_another_date_is_asked_about_and_rewrites_nothing(stage: Stage) -> None:
    receive(stage, "2028-01-01")
    asked = receive(stage, "2024-02-01")
    assert "Lot L1" in asked["ask"] and "2028-01-01" in asked["ask"] and stage.stock("A-01", "PAINT") == 5
    assert "ask" not in receive(stage, "2028-01-01")  # what is known already is no question
    done = receive(stage, "2024-02-01", confirm=True)
    assert stage.stock("A-01", "PAINT") == 15 and expires(stage) == "2028-01-01"
    with stage.site.reading() as connection:
        document = document_of(connection, OpId.parse(done["op_id"]))
    assert document is not None and dict(document.expiries) == {0: "2024-02-01"}  # it was said, and stays said
    receive(stage, "2024-03-01", happened=True)  # what has happened is not asked
    assert expires(stage) == "2028-01-01"


def test_a_scanned_receipt_asks_once_before_it_is_booked(stage: Stage) -> None:
    receive(stage, "2028-01-01")
    stage.floor.stock.begin(stage.op(), stage.as_("cora"), {"kind": "receive", "target": "A-02"})
    for _ in range(2):
        assert stage.scan(f"]C101{GTINS['PAINT']}17300101" + "10L1")["outcome"] == "counted"
    asked = stage.floor.stock.finish(stage.op(), stage.as_("cora"), {})
    assert "2028-01-01" in asked["ask"] and asked["ask"].count("Lot L1") == 1
    stage.floor.stock.finish(stage.op(), stage.as_("cora"), {"confirm": True})
    assert stage.stock("A-02", "PAINT") == 2 and expires(stage) == "2028-01-01"


def test_labelling_anew_changes_the_date_of_a_lot(stage: Stage) -> None:
    receive(stage, "2028-01-01")
    body = {
        "lot": "L1",
        "expiry": "2027-06-01",
        "location": "A-01",
        "lines": [{"item": "PAINT", "lot": "L1", "quantity": 5}],
        "reasons": ["relabelled"],
    }
    stage.floor.stock.relabel(stage.op(), stage.as_("mona"), body)
    assert expires(stage) == "2027-06-01"
    receive(stage, "2028-01-01", confirm=True)
    assert expires(stage) == "2027-06-01"


def test_a_count_asks_without_telling_and_shows_the_approver_and_rewrites_nothing(stage: Stage) -> None:
    receive(stage, "2028-01-01")
    number = session(stage, "A-01")
    opens(stage, "carl")
    asked = counted(stage, "carl", "2023-11-15")
    assert "2023-11-15" in asked["ask"] and "2028" not in asked["ask"]
    assert "counted" in counted(stage, "carl", "2023-11-15", confirm=True)
    close(stage, "A-01", "carl")
    line = line_of(stage, number)
    assert (line["expiry"], line["lot_expiry"]) == ("2023-11-15", "2028-01-01")
    approve(stage, number, "A-01")
    assert expires(stage) == "2028-01-01"


def test_the_date_of_a_lot_without_one_is_taken_with_the_posting_and_not_before(stage: Stage) -> None:
    receive(stage, "")
    for decision in ("reject", "approve"):
        number = session(stage, "A-01")
        opens(stage, "carl")
        assert "counted" in counted(stage, "carl", "2029-01-01")
        close(stage, "A-01", "carl")
        line = line_of(stage, number)
        assert line["expiry"] == "2029-01-01" and "lot_expiry" not in line
        assert expires(stage) == ""
        if decision == "reject":
            body = {"session": str(number), "bins": ["A-01"], "reason": "doubtful"}
            stage.floor.counting.reject(stage.op(), stage.as_("sven"), body)
            assert expires(stage) == ""
        else:
            approve(stage, number, "A-01")
    assert expires(stage) == "2029-01-01"
    receive(stage, "2031-01-01", confirm=True)
    stage.site.seal()
    told = "SELECT item, lot, height, expiry FROM lots", "SELECT count, line, expiry FROM count_lines"
    with stage.site.writing() as connection:
        kept = [connection.execute(each).fetchall() for each in told]
        audit.rebuild(connection, stage.site.identity)
        assert [connection.execute(each).fetchall() for each in told] == kept  # the blocks alone say it
