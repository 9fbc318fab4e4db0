"""Handling units in the histories, on their operation's page, and where a pick or an item says that they stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node import audit, store
from tests.node.floor_kit import Stage
from tests.web import kit
from tests.web.test_look_up import Made, look

UNIT, INNER = "340123450000000009", "006141411234567890"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    stage, app = kit.node(tmp_path / "node")
    with kit.closing(stage):
        yield stage, app


def go(stage: Stage, target: str, unit: str = UNIT) -> str:
    op = stage.op()
    stage.floor.stock.move_units(op, stage.as_("mona"), {"units": [{"unit": unit, "target": target}]})
    return str(op)


def filled(stage: Stage) -> str:
    """A pallet in A-01 with goods, and another unit with goods on it; then it goes to A-02."""
    go(stage, "A-01")
    go(stage, UNIT, INNER)
    lines: list[dict[str, Any]] = [
        {"item": "BOLT", "quantity": 9, "target": UNIT},
        {"item": "PAINT", "lot": "L1", "quantity": 4, "target": INNER},
        {"item": "DRILL", "serial": "S1", "quantity": 1, "target": UNIT},
    ]
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), {"lines": lines})
    return go(stage, "A-02")


def test_the_move_of_a_unit_is_in_the_histories_of_unit_and_bins_and_of_what_it_carried(made: Made) -> None:
    stage, app = made
    op = filled(stage)
    for place in (UNIT, "A-01", "A-02"):
        row = look(app, f"locations/{place}/history")["rows"][0]
        told = (row["op_id"], row["call"], row["unit"], row["source"], row["target"], row["moved"], row["by"])
        assert told == (op, "move_unit", UNIT, "A-01", "A-02", True, "Mona")
    for item, about, quantity in (("BOLT", {}, 9), ("PAINT", {"lot": "L1"}, 4), ("DRILL", {"serial": "S1"}, 1)):
        rows = look(app, f"inventory/{item}/history", **about)["rows"]
        assert [(row["call"], row["quantity"], row["unit"], row["source"], row["target"]) for row in rows] == [
            ("move_unit", quantity, UNIT, "A-01", "A-02"),
            ("receive", quantity, "", "SUPPLIER", INNER if item == "PAINT" else UNIT),
        ]
    history = look(app, f"locations/{UNIT}/history")["rows"]
    paged: list[Any] = []
    page: dict[str, Any] = {"next": None}
    while page["next"] or not paged:
        page = look(app, f"locations/{UNIT}/history", limit=1, **({"cursor": page["next"]} if paged else {}))
        paged += page["rows"]
    assert paged == history and len(history) == 5
    # The same from the blocks alone.
    before = stage.site.reader().execute("SELECT * FROM carried").fetchall()
    stage.site.seal()
    audit.rebuild(store.open_writer(stage.world.folder), stage.site.identity)
    reader = stage.site.reader()
    assert reader.execute("SELECT * FROM carried").fetchall() == before
    # And from what a node had before it kept this, but for what was on an inner unit.
    direct = (
        "SELECT height, place, unit, item, serial, quantity, target FROM carried WHERE item <> 'PAINT' ORDER BY item"
    )
    kept = reader.execute(direct).fetchall()
    assert len(kept) == 2
    writer = store.open_writer(stage.world.folder)
    writer.execute("DELETE FROM carried")
    writer.execute(store.DERIVED_6[store.DERIVED_6.index("INSERT INTO carried") :])
    assert writer.execute(direct).fetchall() == kept
    writer.close()


def test_the_operation_says_which_unit_went_and_not_to_who_counts_there(made: Made) -> None:
    stage, app = made
    op = filled(stage)
    assert look(app, f"operations/{op}")["units"] == [{"unit": UNIT, "source": "A-01", "target": "A-02"}]
    page = kit.logged_in(app, "mona").get(f"/operations/{op}").text
    assert UNIT in page and "Nothing moved" not in page
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), {"name": "Blind", "bins": ["A-02"]})
    assert "units" not in look(app, f"operations/{op}", "cora")
    assert op not in [row["op_id"] for row in look(app, "inventory/BOLT/history", "cora")["rows"]]
    assert op not in [row["op_id"] for row in look(app, f"locations/{UNIT}/history", "cora")["rows"]]
    assert look(app, "inventory/BOLT/history", "mona")["rows"][0]["op_id"] == op


def test_goods_on_a_unit_say_where_it_stands(made: Made) -> None:
    stage, app = made
    filled(stage)
    stage.receive({"item": "BOLT", "quantity": 2})
    places = {row["location"]: row["stands_in"] for row in look(app, "inventory/BOLT/locations")["rows"]}
    assert places == {"A-01": "", UNIT: "A-02"}
    assert [row["stands_in"] for row in look(app, "inventory/PAINT")["stock"]] == ["A-02"], "on a unit on a unit"
    wish = {"order": "SO-1", "lines": [{"item": "BOLT", "quantity": 11}]}
    name = stage.floor.picking.open(stage.op(), stage.as_("mona"), wish)["list"]
    shown = look(app, f"picks/{name}", "mona")["lines"]
    assert {(line["location"], line["stands_in"]) for line in shown} == {("A-01", ""), (UNIT, "A-02")}
