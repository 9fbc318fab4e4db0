"""What is begun on one tablet and not sent: kept for another one of the same person, and over once it was sent."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from node.drafts import A_PERSON_MAX, WORK_BYTES_MAX, WORKS
from tests.node.floor_kit import Stage
from web import node_floor

LINE = {"item": "BOLT", "quantity": 3}


def keep(
    stage: Stage, op_id: OpId, *lines: Any, on: str = "", who: str = "mona", name: str = "scrap", **more: Any
) -> Any:
    body = {"op_id": str(op_id), "on": on, "work": {"lines": list(lines), **more}}
    return stage.floor.drafts.keep(stage.as_(who), name, body)


def draft(stage: Stage, who: str = "mona", name: str = "scrap") -> Any:
    with stage.site.reading() as connection:
        return stage.floor.drafts.of(connection, stage.as_(who), name)["draft"]


def begun(stage: Stage, who: str = "mona") -> list[Any]:
    with stage.site.reading() as connection:
        return list(stage.floor.drafts.begun(connection, stage.as_(who)))


def test_another_tablet_goes_on_with_what_was_begun_and_nobody_else_sees_it(stage: Stage) -> None:
    op = stage.op()
    first = keep(stage, op, LINE, bin="A-01")
    assert first["kept"] and draft(stage) == first["draft"]
    assert (draft(stage)["work"], draft(stage)["lines"]) == ({"lines": [LINE], "bin": "A-01"}, 1)
    second = keep(stage, op, LINE, LINE, on=first["draft"]["version"])
    assert second["kept"] and draft(stage)["lines"] == 2
    assert draft(stage, "adam") is None and begun(stage, "adam") == []
    assert [(each["name"], each["lines"]) for each in begun(stage)] == [("scrap", 2)]


def test_of_two_tablets_the_second_is_told_what_the_first_left(stage: Stage) -> None:
    op = stage.op()
    known = keep(stage, op, LINE)["draft"]["version"]
    ahead = keep(stage, op, LINE, LINE, on=known)
    late = keep(stage, op, {"item": "NUT", "quantity": 1}, on=known)
    assert (late["kept"], late["sent"], late["draft"]) == (False, False, ahead["draft"])
    assert draft(stage)["lines"] == 2
    assert keep(stage, op, {"item": "NUT", "quantity": 1}, on=late["draft"]["version"])["kept"]  # its owner said so


def test_the_same_again_is_kept_for_its_answer_may_have_been_lost(stage: Stage) -> None:
    op = stage.op()
    first = keep(stage, op, LINE)
    assert keep(stage, op, LINE) == first
    body = {"op_id": str(op), "on": first["draft"]["version"], "work": None}
    for _ in range(2):
        assert stage.floor.drafts.keep(stage.as_("mona"), "scrap", body) == {
            "kept": True,
            "sent": False,
            "draft": None,
            "counted": "",
        }
    assert draft(stage) is None


def test_it_is_over_once_its_act_has_an_answer(stage: Stage) -> None:
    op = stage.op()
    kept = keep(stage, op, LINE, name="return")["draft"]
    stage.floor.stock.receive(op, stage.as_("mona"), {"lines": [LINE], "target": "A-01"})
    assert draft(stage, name="return") is None and begun(stage) == []
    assert keep(stage, op, LINE, LINE, on=kept["version"], name="return") == {
        "kept": False, "sent": True, "draft": None, "counted": "",
    }  # fmt: skip
    # The next one begins with nothing, or follows the one that was sent where its tablet does not know yet.
    assert keep(stage, stage.op(), LINE, name="return")["kept"]
    other = keep(stage, op := stage.op(), LINE, name="scrap")["draft"]
    stage.floor.stock.receive(op, stage.as_("mona"), {"lines": [LINE], "target": "A-01"})
    assert keep(stage, stage.op(), LINE, LINE, on=other["version"])["kept"]


def test_a_person_keeps_so_many_and_the_oldest_go(stage: Stage) -> None:
    for number in range(A_PERSON_MAX + 3):
        stage.world.clock.advance(1_000)
        assert keep(stage, stage.op(), LINE, name=f"arrival-{number:032x}", title="From Oslo")["kept"]
    names = [each["name"] for each in begun(stage)]
    assert names == [f"arrival-{number:032x}" for number in range(3, A_PERSON_MAX + 3)]
    assert {each["title"] for each in begun(stage)} == {"From Oslo"}


def test_what_the_books_hold_of_a_bin_is_not_told_while_it_is_counted(stage: Stage) -> None:
    """A unit that was put into a draft whole stands there with its quantities, and is counted afterwards."""
    op, booked = stage.op(), {**LINE, "bin": "A-01", "booked": True}
    for who in ("carl", "mona"):  # carl counts too
        for name, line in (
            ("scrap", booked),
            ("hold", {**LINE, "bin": "A-01"}),
            ("issue", {**booked, "bin": ["A-01"]}),
        ):
            assert keep(stage, op, line, who=who, name=name)["draft"]["work"]["lines"] == [line]
    count = stage.op()
    stage.floor.counting.open_session(count, stage.as_("sven"), {"name": "Aisle A", "bins": ["A-01"]})
    assert draft(stage, "carl", "hold") and draft(stage, "carl", "issue") and draft(stage, "mona")
    with stage.site.reading() as connection:
        told = stage.floor.drafts.of(connection, stage.as_("carl"), "scrap")
    assert told == {"draft": None, "counted": "A-01"}
    assert [(each["name"], each["lines"]) for each in begun(stage, "carl")][-1] == ("scrap", 1)
    other = keep(stage, stage.op(), LINE, who="carl")  # neither is it told to whom another tablet came first
    assert (other["kept"], other["draft"], other["counted"]) == (False, None, "A-01")
    same = keep(stage, op, booked, who="carl")  # whose answer was lost
    assert (same["kept"], same["draft"]) == (True, None)
    stage.floor.counting.cancel(stage.op(), stage.as_("sven"), {"session": str(count), "reason": "not-needed"})
    assert draft(stage, "carl")["work"]["lines"] == [booked]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"op_id": "00", "on": "", "work": {"lines": []}},
        {"on": "", "work": {"lines": []}},
        {"op_id": "ab" * 16, "work": {"lines": []}},
        {"op_id": "ab" * 16, "on": 3, "work": {"lines": []}},
        {"op_id": "ab" * 16, "on": "0" * 33, "work": {"lines": []}},
        {"op_id": "ab" * 16, "on": "", "work": {"lines": [1]}},
        {"op_id": "ab" * 16, "on": "", "work": []},
        {"op_id": "ab" * 16, "on": "", "work": {}},
        {"op_id": "ab" * 16, "on": "", "work": {"lines": {}}},
        {"op_id": "ab" * 16, "on": "", "work": {"lines": [{}] * 201}},
        {"op_id": "ab" * 16, "on": "", "work": {"lines": [], "title": 3}},
        {"op_id": "ab" * 16, "on": "", "work": {"lines": [{"lot": "x" * WORK_BYTES_MAX}]}},
        {"op_id": "ab" * 16, "on": "", "work": {"lines": []}, "actor": "someone"},
    ],
)  # fmt: skip
def test_what_is_no_draft_is_refused_and_changes_nothing(stage: Stage, body: dict[str, Any]) -> None:
    first = keep(stage, stage.op(), LINE)["draft"]
    with pytest.raises(Rejected):
        stage.floor.drafts.keep(stage.as_("mona"), "scrap", body)
    assert draft(stage) == first


@pytest.mark.parametrize("name", ["", "Scrap", "scrap/", "scrap:1", "arrival-", "scrap\n", "x" * 40])
def test_a_name_nobody_gives_is_refused(stage: Stage, name: str) -> None:
    with pytest.raises(Rejected):
        keep(stage, stage.op(), LINE, name=name)


def test_every_page_that_puts_a_document_together_has_a_name_for_it() -> None:
    assert set(WORKS) == set(node_floor.WORKS)
