"""How much was counted, on a real site: decimals, packs, weights with pieces, and numbers that nobody believes."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from ledger import control
from ledger.documents import Document
from ledger.errors import Rejected
from ledger.ids import OpId
from node import counting_csv, streams, tasks
from node.sealing import read_block
from tests.node.floor_kit import BOX, GTINS, Stage, actor_of

CHEESE, HALF_CASE = "09506000134369", "19506000134366"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """A bin that is being counted, and beside the usual items cheese: kilograms to the gram, in pieces too."""
    item = control.Item(item="CHEESE", tracking=control.TRACK_NONE, unit="KG", decimals=3)
    assert stage.world.send(stage.site, control.ItemsPayload(items=(item,))) == 1
    with stage.site.writing() as connection:
        entry = {
            "name": "Cheese",
            "gtins": [[CHEESE, 1], [HALF_CASE, 2500]],
            "unit": "KG",
            "decimals": 3,
            "tracking": 0,
        }
        streams.put(connection, "catalogue", "CHEESE", {**entry, "by_weight": True})
        bolt = streams.get(connection, "catalogue", "BOLT")
        streams.put(connection, "catalogue", "BOLT", {**bolt, "quantity_asked": 500})
    body = {"name": "How much", "bins": ["A-01", "A-02"], "rule": {"control_percent": 0, "rounds_max": 1}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    stage.scan("BIN:A-01")
    return stage


def enter(stage: Stage, **line: Any) -> dict[str, Any]:
    return stage.floor.counting.enter(stage.op(), stage.as_("cora"), line)


def test_packs_multiply_and_a_fraction_comes_out_exactly_or_is_refused(stage: Stage) -> None:
    assert enter(stage, item="BOLT", amount="3.5", pack=BOX)["counted"] == 42
    assert enter(stage, item="BOLT", amount="3,25", pack=BOX, mode="add")["counted"] == 81
    assert enter(stage, item="BOLT", amount="٣٫٥", pack=BOX)["counted"] == 42
    for line, why in (
        ({"amount": "3.3", "pack": BOX}, "3.3 packs of 12 of BOLT does not come out"),
        ({"amount": "0.5"}, "0.5 pc of BOLT does not come out"),
        ({"amount": "1", "pack": GTINS["PAINT"]}, "is not a pack of BOLT"),
        ({"amount": "1", "quantity": 1}, "not both"),
        ({"quantity": 1, "pack": BOX}, "by `amount`"),
        ({"amount": "9999999999999", "pack": BOX}, "more than a bin can hold"),
        *(
            ({"amount": text}, "is no number")
            for text in ("", "1e3", "-1", "+1", "1.", ".5", "1 000", "１", 5, "0x1")
        ),
    ):
        with pytest.raises(Rejected, match=why):
            enter(stage, item="BOLT", **line)


def test_decimals_are_the_items_own_and_never_floats(stage: Stage) -> None:
    with stage.site.writing() as connection:
        entry = streams.get(connection, "catalogue", "CHEESE")
        streams.put(connection, "catalogue", "CHEESE", {**entry, "by_weight": False})
    assert enter(stage, item="CHEESE", amount="0.1")["counted"] == 100
    assert enter(stage, item="CHEESE", amount="0.2", mode="add")["counted"] == 300
    assert enter(stage, item="CHEESE", amount="2", pack=HALF_CASE, mode="add")["counted"] == 5300
    with pytest.raises(Rejected, match="does not come out"):
        enter(stage, item="CHEESE", amount="0.0005")
    with stage.site.reading() as connection:
        screen = stage.floor.counting.screen(connection, stage.as_("cora"))
    assert screen is not None and (screen["lines"][0]["decimals"], screen["lines"][0]["unit"]) == (3, "KG")


def test_catch_weight_has_pieces_and_weight_from_the_scan_to_the_block(stage: Stage) -> None:
    label = f"]C101{CHEESE}3103001234"
    first = stage.scan(label)
    assert (first["counted"], first["pieces"]) == (1234, 1)
    second = stage.scan(f"]C101{CHEESE}3103000766")
    assert (second["counted"], second["pieces"]) == (2000, 2)
    unweighed = stage.scan(f"]E0{CHEESE[1:]}")
    assert unweighed["outcome"] == "parked" and "weigh it" in unweighed["why"]
    resolve = {"park": unweighed["park"], "item": "CHEESE", "amount": "0.5", "pieces": 1}
    assert stage.floor.parking.resolve(stage.op(), stage.as_("cora"), resolve)["pieces"] == 3
    undone = stage.floor.counting.undo(stage.op(), stage.as_("cora"), {})
    assert undone["counted"] == 2000
    for line in ({"amount": "1"}, {"amount": "0", "pieces": 3}):
        with pytest.raises(Rejected, match="pieces and by weight"):
            enter(stage, item="CHEESE", **line)
    with pytest.raises(Rejected, match="leave the pieces out"):
        enter(stage, item="BOLT", quantity=1, pieces=1)
    assert enter(stage, item="CHEESE", amount="2", pieces=4)["pieces"] == 4  # the weight was right
    with stage.site.reading() as connection:
        task = tasks.current(connection, stage.as_("cora").actor)
        assert task is not None
        leaves = [bytes(row[0]) for row in connection.execute("SELECT leaf FROM scan_events ORDER BY number")]
        assert len(set(leaves)) == len(leaves)
    body = {"bin": "A-01", "confirm": True}
    answer = stage.floor.counting.close_bin(stage.op(), stage.as_("cora"), body)
    stage.world.clock.advance(2_000)
    stage.site.seal()
    with stage.site.reading() as connection:
        height, place = connection.execute(
            "SELECT height, place FROM operations WHERE op_id = ?", (bytes.fromhex(answer["operations"][0]),)
        ).fetchone()
        block = read_block(connection, height)
        assert block is not None and Document.decode(block.documents[place]).pieces == {0: 4}
        assert connection.execute("SELECT item, counted FROM count_lines").fetchall() == [("CHEESE", 2000)]


def test_a_gross_weight_a_size_and_a_count_of_none_are_no_amount(stage: Stage) -> None:
    """In the unit of the item, and yet not how much of it there is."""
    assert stage.scan(f"]C101{CHEESE}33030099993103001234")["counted"] == 1234
    for label, why in (
        (f"]C101{CHEESE}3303009999", "weigh it"),
        (f"]C101{GTINS['BOLT']}300", "not a whole number"),
    ):
        scan = stage.scan(label)
        assert scan["outcome"] == "parked" and why in scan["why"], scan


def test_what_nobody_believes_is_asked_back_by_the_items_own_bound(stage: Stage) -> None:
    """Not by what the books expect: the same question whether the bin holds nothing or exactly that."""
    stage.receive({"item": "BOLT", "quantity": 501})
    op = stage.op()
    asked = stage.floor.counting.enter(op, stage.as_("cora"), {"item": "BOLT", "quantity": 501})
    assert asked == {"op_id": str(op), "ask": "501 pc of Bolt 8: is that right?"}
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM scan_events").fetchone() == (0,)
    body = {"item": "BOLT", "quantity": 501, "confirm": True}
    for _ in range(2):
        assert stage.floor.counting.enter(op, stage.as_("cora"), body)["counted"] == 501
    assert enter(stage, item="BOLT", quantity=500)["counted"] == 500
    # A label that counts too much waits for somebody to say that it is right.
    parked = stage.scan(f"]C101{BOX}3099")
    assert parked["outcome"] == "parked" and "1188 pc of Bolt 8: is that right?" in parked["why"]
    assert parked["hint"]["quantity"] == 1188
    # Without a bound of its own, an item has the usual one in its own unit.
    assert "ask" in enter(stage, item="CHEESE", amount="10000.001", pieces=1)
    assert "ask" not in enter(stage, item="CHEESE", amount="10000", pieces=1)


def test_new_lots_and_pieces_are_counted_that_the_books_do_not_know(stage: Stage) -> None:
    assert stage.scan(f"]C101{GTINS['PAINT']}17301231" + "10NEW")["outcome"] == "counted"
    assert stage.scan(f"]C101{GTINS['DRILL']}21NEVER-SEEN")["outcome"] == "counted"
    stage.floor.counting.close_bin(stage.op(), stage.as_("cora"), {"bin": "A-01", "confirm": True})
    with stage.site.reading() as connection:
        rows = connection.execute("SELECT item, lot, serial, counted, expected FROM count_lines").fetchall()
        assert rows == [("DRILL", "", "NEVER-SEEN", 1, 0), ("PAINT", "NEW", "", 1, 0)]
        assert connection.execute("SELECT lot, expiry FROM count_lines WHERE lot <> ''").fetchall() == [
            ("NEW", "2030-12-31")
        ]


def test_a_sheet_says_what_is_expected_as_it_is_filled_in(stage: Stage) -> None:
    """In kilograms, and what is held as held: a line of it that is copied over comes out equal."""
    lines = [{"item": "CHEESE", "quantity": 2_500}, {"item": "CHEESE", "quantity": 750, "status": "damage"}]
    stage.floor.stock.receive(
        stage.op(), stage.as_("mona"), {"lines": [{**line, "target": "A-02"} for line in lines], "confirm": True}
    )
    with stage.site.reading() as connection:
        (number,) = connection.execute("SELECT session FROM count_sessions").fetchone()
    body = {"session": str(OpId(bytes(number))), "bins": ["A-02"], "blind": False}
    sheet = stage.floor.counting.sheets.issue(stage.op(), stage.as_("sven"), body)["sheet"]
    shown = stage.floor.counting.sheets.show(stage.as_("sven"), sheet)
    [each] = shown["bins"]
    assert [(line["status"], line["expected"], line["unit"], line["decimals"]) for line in each["expected"]] == [
        ("free", 2_500, "KG", 3), ("damage", 750, "KG", 3),
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(counting_csv.blank(shown))))
    assert [(row["status"], row["expected"]) for row in rows[:2]] == [("free", "2.500"), ("damage", "0.750")]
    filled = [{**row, "quantity": row["expected"], "pieces": "1"} for row in rows[:2]]
    text = counting_csv.write(filled, (*counting_csv.COLUMNS, counting_csv.EXPECTED))
    back = {"sheet": sheet, "csv": text, "counter": str(actor_of("cora")), "counted_ms": stage.world.clock.now_ms()}
    stage.floor.counting.sheets.take_back(stage.op(), stage.as_("sven"), {**back, "confirm": True})
    found = stage.floor.counting.review.bin_review(stage.as_("sven"), OpId(bytes(number)), "A-02")
    assert [(line["counted"], line["difference"]) for line in found["rounds"][-1]["lines"]] == [(2_500, 0), (750, 0)]
