"""Whoever counted on paper brings the sheet back themselves, or says that it will not come."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Rejected
from node.counting_csv import blank
from tests.node.floor_kit import Stage, actor_of
from tests.node.test_counting import session

ROWS = "sheet,bin,item,lot,serial,status,expiry,quantity,pieces\r\n"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.receive({"item": "BOLT", "quantity": 4_321})
    return stage


def issued(stage: Stage, number: Any, *bins: str, blind: bool = True) -> int:
    body = {"session": str(number), "bins": list(bins), "blind": blind}
    return int(stage.floor.counting.sheets.issue(stage.op(), stage.as_("sven"), body)["sheet"])


def out(stage: Stage, who: str, **more: Any) -> list[dict[str, Any]]:
    with stage.site.reading() as connection:
        return stage.floor.counting.sheets.out(connection, stage.as_(who), **more)


def test_a_counter_sees_what_is_out_and_brings_it_back(stage: Stage) -> None:
    number = session(stage, "A-01", "A-02")
    first, second = issued(stage, number, "A-01"), issued(stage, number, "A-02")
    assert [(each["sheet"], each["bins"], each["name"]) for each in out(stage, "carl")] == [
        (first, ["A-01"], "Week 47"),
        (second, ["A-02"], "Week 47"),
    ]
    assert [each["sheet"] for each in out(stage, "carl", after=first)] == [second]
    assert [each["sheet"] for each in out(stage, "carl", most=1, skip=1)] == [second]
    sheets, carl = stage.floor.counting.sheets, stage.as_("carl")
    assert blank(sheets.show(carl, first)).startswith("sheet,bin,item")
    csv = ROWS + f"{first},A-01,BOLT,,,,,4300,\r\n"
    wish = {"sheet": first, "csv": csv, "counter": str(carl.actor), "counted_ms": stage.world.clock.now_ms()}
    tried = sheets.take_back(stage.op(), carl, {**wish, "dry_run": True})
    assert tried["problems"] == [] and "4321" not in str(tried)
    assert sheets.take_back(stage.op(), carl, wish)["state"] == "returned"
    lost = {"sheet": second, "state": "missing", "reason": "lost"}
    assert sheets.settle(stage.op(), carl, lost)["state"] == "missing"
    assert out(stage, "carl") == []
    with stage.site.reading() as connection:
        by = connection.execute("SELECT settled_by FROM count_sheets ORDER BY number").fetchall()
    assert [bytes(each[0]) for each in by] == [actor_of("carl").raw] * 2


def test_quantities_stay_with_the_approvers(stage: Stage) -> None:
    number = session(stage, "A-01")
    told = issued(stage, number, "A-01", blind=False)
    [shown] = out(stage, "carl")
    assert shown == {
        "sheet": told, "session": str(number), "name": "Week 47", "blind": False, "bins": ["A-01"]
    }  # fmt: skip
    with pytest.raises(Rejected, match="APPROVE"):
        stage.floor.counting.sheets.show(stage.as_("carl"), told)
    assert stage.floor.counting.sheets.show(stage.as_("sven"), told)["bins"][0]["expected"]


def test_whoever_neither_counts_nor_approves_does_none_of_it(stage: Stage) -> None:
    number = session(stage, "A-01")
    sheet = issued(stage, number, "A-01")
    sheets, mona = stage.floor.counting.sheets, stage.as_("mona")
    for act in (
        lambda: out(stage, "mona"),
        lambda: sheets.show(mona, sheet),
        lambda: sheets.settle(stage.op(), mona, {"sheet": sheet, "state": "void", "reason": "torn"}),
    ):
        with pytest.raises(Rejected, match="COUNT"):
            act()
