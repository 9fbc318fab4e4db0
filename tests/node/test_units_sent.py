"""Handling units that travel whole between two real sites: by the hub's stream, and by the dispatch paper alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ledger.codec import cbor_encode
from ledger.documents import Document
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.moves import QUANTITY_MAX
from node import audit, streams
from node.dispatch_paper import Sent
from node.rounds import open_round
from tests.node.floor_kit import PIN, Stage, code_of, introduce
from tests.node.test_contact import document_of
from tests.node.test_transfers import know, paper_of, read

PALLET, CRATE = "006141411234567890", "CRATE-7"
LEADS = ("TRANSFER", "MOVE", "RECEIVE")


@pytest.fixture
def sites(furnish: Callable[..., Stage]) -> tuple[Stage, Stage]:
    oslo, bergen = furnish("oslo"), furnish("bergen")
    for stage in (oslo, bergen):
        introduce(stage.world, stage.site, "lena", LEADS)
        stage.tokens["lena"] = stage.floor.people.activate(stage.op(), "lena", code_of("lena"), PIN, "t")["token"]
    know(bergen, oslo)
    return oslo, bergen


def load(oslo: Stage, unit: str, *lines: dict[str, Any], place: str = "A-01") -> None:
    """A new unit with goods on it."""
    oslo.floor.stock.move_units(oslo.op(), oslo.as_("mona"), {"units": [{"unit": unit, "target": place}]})
    oslo.floor.stock.receive(oslo.op(), oslo.as_("mona"), {"lines": list(lines), "target": unit})


def dispatch(oslo: Stage, *lines: dict[str, Any], who: str = "lena") -> OpId:
    op = oslo.op()
    body = {"receiver": "bergen", "lines": list(lines)}
    for _ in range(2):  # said again, it is the same act
        oslo.floor.transfers.dispatch(op, oslo.as_(who), body, PIN)
    return op


def accept(stage: Stage, transfer: OpId, paper: str, *lines: dict[str, Any], who: str = "lena", **more: Any) -> OpId:
    op = stage.op()
    body = {"transfer": str(transfer), "target": "DOCK", "lines": list(lines), "paper": paper, **more}
    for _ in range(2):
        stage.floor.transfers.accept(op, stage.as_(who), body, PIN)
    return op


def stands(stage: Stage, unit: str) -> str | None:
    with stage.site.reading() as connection:
        row = connection.execute("SELECT parent FROM locations WHERE location = ?", (unit,)).fetchone()
    return None if row is None else str(row[0])


def told(stage: Stage, unit: str) -> list[tuple[str, str, str, int]]:
    """What the look-up says that happened at a unit, oldest first."""
    with stage.site.reading() as connection:
        rows = stage.floor.lookups.bin(connection, stage.as_("mona"), unit)["moves"]
    return [(row["item"], row["source"], row["target"], row["quantity"]) for row in reversed(rows)]


BOLTS = {"item": "BOLT", "quantity": 24}
PAINT = {"item": "PAINT", "lot": "L1", "quantity": 4}


def test_a_pallet_that_goes_whole_stands_at_the_receiver_as_it_was(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    load(oslo, PALLET, BOLTS, PAINT)
    oslo.receive({"item": "BOLT", "quantity": 2})
    loose = {"item": "BOLT", "quantity": 2, "source": "A-01"}
    transfer = dispatch(oslo, {**BOLTS, "source": PALLET}, {**PAINT, "source": PALLET}, loose)
    assert document_of(oslo, transfer).units == (PALLET,)
    assert (stands(oslo, PALLET), oslo.stock(PALLET, "BOLT"), oslo.stock("IN_TRANSIT", "BOLT")) == ("", 0, 26)
    paper = paper_of(oslo, transfer)
    assert [line[6:] for line in json.loads(paper)["lines"]] == [[PALLET], [PALLET], []]
    assert [line["handling_unit"] for line in read(bergen, paper)["lines"]] == [PALLET, PALLET, ""]
    whole = [{"index": 0, "quantity": 24}, {"index": 1, "quantity": 4}, {"index": 2, "quantity": 2}]
    accept(bergen, transfer, paper, *whole, units=[PALLET])
    assert stands(bergen, PALLET) == "DOCK"
    assert (bergen.stock(PALLET, "BOLT"), bergen.stock(PALLET, "PAINT"), bergen.stock("DOCK", "BOLT")) == (24, 4, 2)
    assert ("BOLT", PALLET, "IN_TRANSIT", 24) in told(oslo, PALLET)
    assert ("BOLT", "IN_TRANSIT", PALLET, 24) in told(bergen, PALLET)
    # One scan moves it on, with all that came in it; and it can go back under the same label.
    bergen.floor.stock.move_units(bergen.op(), bergen.as_("mona"), {"units": [{"unit": PALLET, "target": "A-02"}]})
    assert (stands(bergen, PALLET), bergen.stock(PALLET, "BOLT")) == ("A-02", 24)


def test_what_is_not_whole_comes_line_by_line(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    load(oslo, CRATE, BOLTS, PAINT)
    transfer = dispatch(oslo, {**BOLTS, "source": CRATE}, {**PAINT, "source": CRATE})
    paper = paper_of(oslo, transfer)
    short = {"index": 0, "quantity": 20, "missing": 4, "reasons": ["short"]}
    for broken in (
        [short, {"index": 1, "quantity": 4}],
        [{"index": 0, "quantity": 24}],
        [{"index": 0, "quantity": 24}, {"index": 1, "quantity": 4, "damaged": 1}],
        [{"index": 0, "quantity": 24}, {"index": 1, "quantity": 5, "reasons": ["over"]}],
    ):
        with pytest.raises(Rejected, match="CRATE-7 has not arrived whole: accept its lines into a bin"):
            accept(bergen, transfer, paper, *broken, units=[CRATE])
    with pytest.raises(Rejected, match="PALLET-9 is not in this transfer"):
        accept(bergen, transfer, paper, {"index": 0, "quantity": 24}, units=["PALLET-9"])
    assert stands(bergen, CRATE) is None
    accept(bergen, transfer, paper, short, {"index": 1, "quantity": 4})
    assert (bergen.stock("DOCK", "BOLT"), bergen.stock("DOCK", "PAINT"), stands(bergen, CRATE)) == (20, 4, None)


def test_what_is_not_whole_and_has_happened_has_the_place_counted_where_it_was_put(
    sites: tuple[Stage, Stage],
) -> None:
    oslo, bergen = sites
    load(oslo, CRATE, BOLTS)
    transfer = dispatch(oslo, {**BOLTS, "source": CRATE})
    short = {"index": 0, "quantity": 20, "missing": 4}
    op_id = accept(bergen, transfer, paper_of(oslo, transfer), short, units=[CRATE], happened=True)
    with bergen.site.reading() as connection:
        row = connection.execute("SELECT location FROM exceptions WHERE op_id = ?", (op_id.raw,)).fetchone()
        assert row == (CRATE,) and open_round(connection, "DOCK") is not None


def test_a_pallet_that_keeps_something_stays(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    load(oslo, PALLET, BOLTS, PAINT)
    transfer = dispatch(oslo, {**BOLTS, "source": PALLET})
    assert (document_of(oslo, transfer).units, stands(oslo, PALLET), oslo.stock(PALLET, "PAINT")) == ((), "A-01", 4)
    assert [line["handling_unit"] for line in read(bergen, paper_of(oslo, transfer))["lines"]] == [""]


def test_units_on_a_unit_go_and_come_side_by_side(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    load(oslo, PALLET, BOLTS)
    load(oslo, CRATE, PAINT, place=PALLET)
    first = dispatch(oslo, {**BOLTS, "source": PALLET})
    # With a crate on it that stays it is not whole.
    assert (document_of(oslo, first).units, stands(oslo, PALLET)) == ((), "A-01")
    oslo.floor.stock.receive(oslo.op(), oslo.as_("mona"), {"lines": [BOLTS], "target": PALLET})
    second = dispatch(oslo, {**BOLTS, "source": PALLET}, {**PAINT, "source": CRATE})
    assert document_of(oslo, second).units == (PALLET, CRATE)
    assert (stands(oslo, PALLET), stands(oslo, CRATE)) == ("", "")
    lines = [{"index": 0, "quantity": 24}, {"index": 1, "quantity": 4}]
    accept(bergen, second, paper_of(oslo, second), *lines, units=[PALLET, CRATE])
    assert (stands(bergen, PALLET), stands(bergen, CRATE), bergen.stock(CRATE, "PAINT")) == ("DOCK", "DOCK", 4)


def test_a_label_that_is_in_use_at_the_receiver_is_refused_and_one_that_is_empty_is_not(
    sites: tuple[Stage, Stage],
) -> None:
    oslo, bergen = sites
    load(oslo, CRATE, BOLTS)
    transfer = dispatch(oslo, {**BOLTS, "source": CRATE})
    paper, whole = paper_of(oslo, transfer), {"index": 0, "quantity": 24}
    load(bergen, CRATE, PAINT)
    with pytest.raises(Rejected, match="CRATE-7 has goods on it here already: accept these lines into a bin"):
        accept(bergen, transfer, paper, whole, units=[CRATE])
    out = {**PAINT, "source": CRATE, "target": "A-02"}
    bergen.floor.stock.move(bergen.op(), bergen.as_("mona"), {"lines": [out]})
    with pytest.raises(Rejected, match="you may not take in a handling unit"):
        accept(bergen, transfer, paper, whole, units=[CRATE], who="tess")
    accept(bergen, transfer, paper, whole, units=[CRATE])
    assert (stands(bergen, CRATE), bergen.stock(CRATE, "BOLT")) == ("DOCK", 24)


def test_who_may_not_move_units_sends_them_all_the_same(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    load(oslo, CRATE, BOLTS)
    transfer = dispatch(oslo, {**BOLTS, "source": CRATE}, who="sven")
    assert (document_of(oslo, transfer).units, stands(oslo, CRATE)) == ((CRATE,), "A-01")
    accept(bergen, transfer, paper_of(oslo, transfer), {"index": 0, "quantity": 24}, units=[CRATE])
    assert bergen.stock(CRATE, "BOLT") == 24


def test_an_older_paper_and_stream_say_no_units() -> None:
    assert Sent.parse([0, "BOLT", "", "", 0, 24]).unit == ""
    assert Sent.parse([0, "BOLT", "", "", 0, 24, 0, 0, 0], 9).unit == ""
    assert Sent.parse([0, "BOLT", "", "", 0, 24, 24, 0, 0, CRATE], 9).unit == CRATE
    with pytest.raises(Rejected):
        Sent.parse([0, "BOLT", "", "", 0, 24, 5])


def test_two_hundred_of_the_longest_lines_fit_a_stream_value_with_their_units() -> None:
    line = [199, "x" * 31, "y" * 31, "", 0, *[QUANTITY_MAX] * 4, "z" * 31]
    piece = [199, "x" * 31, "y" * 31, "s" * 31, 0, 1, 1, 0, 1, "z" * 31]
    for each in (line, piece):
        assert len(cbor_encode([each] * 200)) < 31 * 1024


def test_a_document_names_each_unit_once() -> None:
    for wrong in (("A", "A"), ("",), ("x" * 32,), (5,)):
        with pytest.raises(Rejected):
            Document(occurred_ms=1, business_date="2026-11-28", units=wrong)  # type: ignore[arg-type]
    raw = Document(occurred_ms=1, business_date="2026-11-28", units=(PALLET,)).encode()
    assert Document.decode(raw).units == (PALLET,)


def test_the_tables_are_made_again_with_the_units(sites: tuple[Stage, Stage]) -> None:
    oslo, _ = sites
    load(oslo, PALLET, BOLTS)
    transfer = dispatch(oslo, {**BOLTS, "source": PALLET})
    before = paper_of(oslo, transfer)
    oslo.site.seal()
    with oslo.site.writing() as connection:
        audit.rebuild(connection, oslo.site.identity)
    assert paper_of(oslo, transfer) == before


def test_what_the_hub_tells_has_the_units_too(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    load(oslo, PALLET, BOLTS)
    transfer = dispatch(oslo, {**BOLTS, "source": PALLET})
    value = {
        "sender": "oslo", "receiver": "bergen", "document": "00" * 32, "state": "in transit", "dispatched_s": 1,
        "arrived_s": 0, "lines": [[0, "BOLT", "", "", 0, 24, 0, 0, 0, PALLET]],
    }  # fmt: skip
    with bergen.site.writing() as connection:
        streams.put(connection, "transfers", f"oslo/{transfer}", value)
        coming = bergen.floor.transfers.coming(connection)
    assert coming[0]["lines"][0]["handling_unit"] == PALLET
