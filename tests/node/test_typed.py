"""Codes that are typed by hand, or bare on a label: a person writes what is printed, not what stands before it."""

from __future__ import annotations

from typing import Any

import pytest

from devices.reads import NewRead, day_of
from ledger.errors import Rejected
from node import streams
from tests.node.floor_kit import Stage


@pytest.fixture
def stage(stage: Stage) -> Stage:
    wish = {"name": "Week 47", "bins": ["A-01", "A-02"]}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)
    return stage


def typed(stage: Stage, text: str, login: str = "cora") -> dict[str, Any]:
    """What becomes of a code that somebody types on a tablet."""
    stage.world.clock.advance(1_000)
    new = NewRead("tablet", text.encode(), context={"typed": True}, client_id=str(stage.op()))
    [read] = stage.journal.record([new])
    return stage.floor.scanning.take(read, stage.as_(login))


def test_a_typed_bin_steers_whatever_its_case(stage: Stage) -> None:
    mona = stage.as_("mona")
    stage.receive({"item": "BOLT", "quantity": 5, "target": "DOCK"})
    stage.floor.stock.begin(stage.op(), mona, {"kind": "move", "source": "DOCK"})
    assert typed(stage, "bolt", "mona")["outcome"] == "counted"
    assert typed(stage, "a-02 ", "mona") | {"outcome": "steered", "target": "A-02"} == typed(stage, "A-02", "mona")
    assert typed(stage, "BIN:A-02", "mona")["outcome"] == "steered"
    assert typed(stage, "A-99", "mona")["outcome"] == "parked"


def test_a_typed_bin_is_opened_and_a_typed_item_is_counted(stage: Stage) -> None:
    assert typed(stage, "a-01")["outcome"] == "opened"
    assert typed(stage, "Bolt")["counted"] == 1
    assert "close it first" in typed(stage, "A-02")["why"]
    assert typed(stage, "x" * 400)["outcome"] == typed(stage, "A-0\x00")["outcome"] == "parked"


def test_an_item_comes_before_a_bin_and_of_two_none_is_meant(stage: Stage) -> None:
    with stage.site.writing() as connection:
        for sku in ("A-02", "Nut", "nut"):
            streams.put(connection, "catalogue", sku, {"name": sku})
    assert stage.scan("A-02")["outcome"] == typed(stage, "a-02")["outcome"] == "item"
    assert typed(stage, "A-01")["outcome"] == "opened"
    assert typed(stage, "Nut")["outcome"] == "counted"
    assert typed(stage, "NUT")["outcome"] == "parked"


def test_a_typed_code_is_one_whatever_its_letters_and_no_other_begins_so(stage: Stage) -> None:
    with stage.site.writing() as connection:
        for sku, name in (("ÄPFEL", "Rot"), ("STRASSE", "a-01"), ("M8", "Bolt"), ("M8 LONG", ""), ("M8!", "")):
            streams.put(connection, "catalogue", sku, {"name": name})
    found = {text: typed(stage, text).get("item") for text in ("äpfel", "straße", "m8", "m8 long", "M8!", "m", "rot")}
    assert found == {
        "äpfel": "ÄPFEL", "straße": "STRASSE", "m8": "M8", "m8 long": "M8 LONG", "M8!": "M8!", "m": None, "rot": None,
    }  # fmt: skip


def test_a_bare_label_opens_a_bin_only_where_one_is_waited_for(stage: Stage) -> None:
    assert stage.scan("a-01")["outcome"] == "ignored"
    assert stage.scan("A-01")["outcome"] == "opened"
    assert stage.scan("A-02")["outcome"] == "parked"
    assert stage.scan("bolt")["outcome"] == "parked"


def test_the_number_of_a_lot_or_piece_opens_no_bin(stage: Stage) -> None:
    stage.receive(
        {"item": "PAINT", "lot": "A-01", "quantity": 5, "target": "DOCK"},
        {"item": "DRILL", "serial": "A-02", "quantity": 1, "target": "DOCK"},
    )
    assert [stage.scan(each)["outcome"] for each in ("A-01", "A-02")] == ["ignored", "ignored"]


def test_what_is_typed_is_looked_up_so_too(stage: Stage) -> None:
    today = day_of(stage.world.clock.now_ms())
    with stage.site.reading() as connection:
        for text, typed_ in (("bolt", True), ("a-01", True), ("A-01", False), ("BOLT", False)):
            found = stage.floor.scanning.name(connection, stage.as_("mona"), text.encode(), today, typed=typed_)
            assert found.get("item", found.get("location")) == text.upper()
        with pytest.raises(Rejected):
            stage.floor.scanning.name(connection, stage.as_("mona"), b"bolt", today)
