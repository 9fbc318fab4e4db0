"""Receipts, moves, adjustments, reversals, exceptions and look-ups on a real site."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from ledger.documents import Document
from ledger.errors import Rejected
from ledger.ids import OpId
from node import streams
from node.rounds import open_round
from tests.node.floor_kit import BOX, GTINS, PIN, Stage, furnished


def document_of(stage: Stage, op: Any) -> Document:
    with stage.site.reading() as connection:
        row = connection.execute("SELECT document FROM journal WHERE op_id = ?", (op.raw,)).fetchone()
    return Document.decode(bytes(row[0]))


def test_a_receipt_takes_packs_lots_and_serials_and_says_when_and_why(stage: Stage) -> None:
    op = stage.op()
    body = {
        "target": "DOCK",
        "supplier": "ACME",
        "delivery_note": "DN-4711",
        "note": "box was wet, driver Smith told",
        "lines": [
            {"barcode": BOX, "quantity": 3},
            {"item": "PAINT", "lot": "L1", "quantity": 5, "expiry": "2027-03-31", "status": "quality"},
            {"item": "DRILL", "serial": "S1", "quantity": 1, "target": "A-01", "reasons": ["unannounced"]},
        ],
    }
    for _ in range(2):
        assert stage.floor.stock.receive(op, stage.as_("mona"), body)["state"] == "recorded"
    assert (stage.stock("DOCK", "BOLT"), stage.stock("DOCK", "PAINT"), stage.stock("A-01", "DRILL")) == (36, 5, 1)
    said = document_of(stage, op)
    assert said.references == {"supplier": "ACME", "delivery-note": "DN-4711"}
    assert said.expiries == {1: "2027-03-31"} and said.line_reasons == {2: ("unannounced",)}
    assert b"Smith" not in said.encode() and set(said.commitments) == {"note"}
    again = stage.floor.stock.receive(stage.op(), stage.as_("mona"), body)
    assert "received before" in again["ask"]
    assert stage.stock("DOCK", "BOLT") == 36


def test_moves_and_what_the_rules_say_no_to(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 10})
    mona = stage.as_("mona")
    body = {"lines": [{"item": "BOLT", "quantity": 4}], "source": "A-01", "target": "A-02"}
    stage.floor.stock.move(stage.op(), mona, body)
    with pytest.raises(Rejected, match="not enough stock"):
        stage.floor.stock.move(stage.op(), mona, {**body, "lines": [{"item": "BOLT", "quantity": 40}]})
    with pytest.raises(Rejected, match="MOVE"):
        stage.floor.stock.move(stage.op(), stage.as_("sven"), body)
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-02", "BOLT")) == (6, 4)


def test_an_act_that_happened_is_sealed_although_it_cannot_be_booked(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 1})
    op = stage.op()
    body = {"lines": [{"item": "BOLT", "quantity": 40}], "source": "A-01", "target": "A-02", "happened": True}
    answer = stage.floor.stock.move(op, stage.as_("mona"), body)
    assert answer["exception"] is True and stage.floor.stock.move(op, stage.as_("mona"), body) == answer
    own = {
        "location": "A-02",
        "reason": "found-broken",
        "lines": [{"item": "BOLT", "quantity": 2, "source": "A-02", "target": "SHRINKAGE"}],
    }
    stage.floor.stock.except_document(stage.op(), stage.as_("mona"), own)
    with stage.site.reading() as connection:
        assert stage.floor.lookups.suspects(connection) == ["A-01", "A-02"]
        assert connection.execute("SELECT COUNT(*) FROM exceptions").fetchone() == (2,)
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-02", "BOLT")) == (1, 0)


def test_an_exception_has_its_place_counted_and_a_posted_count_ends_it(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 1})
    with stage.site.writing() as connection:  # no bin is drawn to be counted once more
        streams.put(connection, "policy", "counting", {"rule": {"control_percent": 0}})
    body = {"lines": [{"item": "BOLT", "quantity": 40}], "source": "A-01", "target": "A-02", "happened": True}
    op = stage.op()
    for _ in range(2):
        stage.floor.stock.move(op, stage.as_("mona"), body)
    stage.floor.stock.move(stage.op(), stage.as_("mona"), body)  # the bin is to be counted already
    with stage.site.reading() as connection:
        [(number, name)] = connection.execute("SELECT session, name FROM count_sessions").fetchall()
        assert name == "Check A-01 and 1 more" and open_round(connection, "A-01") is not None
    cora, counting = stage.as_("cora"), stage.floor.counting
    counting.open_bin(stage.op(), cora, {"bin": "A-01"})
    counting.enter(stage.op(), cora, {"item": "BOLT", "quantity": 1})
    counting.close_bin(stage.op(), cora, {"bin": "A-01", "confirm": True})
    session = OpId(bytes(number))
    with stage.site.reading() as connection:
        assert stage.floor.lookups.suspects(connection) == ["A-01", "A-02"]
    counting.posting.approve(stage.op(), stage.as_("sven"), {"session": str(session), "bin": "A-01"}, PIN)
    with stage.site.reading() as connection:
        assert stage.floor.lookups.suspects(connection) == ["A-02"]


def test_goods_that_came_and_cannot_be_booked_make_the_place_that_took_them_suspect(stage: Stage) -> None:
    piece = {"item": "DRILL", "serial": "SN-1", "quantity": 1}
    stage.receive(piece)
    again = {"lines": [{**piece, "target": "A-02"}], "happened": True}
    assert stage.floor.stock.receive(stage.op(), stage.as_("mona"), again)["exception"] is True
    nowhere = {"location": "CUSTOMER", "reason": "gone", "lines": []}
    line = {"item": "BOLT", "quantity": 1, "source": "CUSTOMER", "target": "SHRINKAGE"}
    stage.floor.stock.except_document(stage.op(), stage.as_("mona"), {**nowhere, "lines": [line]})
    with stage.site.reading() as connection:
        assert stage.floor.lookups.suspects(connection) == ["A-02"]
        assert connection.execute("SELECT name FROM count_sessions").fetchall() == [("Check A-02 and 1 more",)]


def test_an_adjustment_needs_another_persons_signature(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 10})
    op = stage.op()
    body = {"lines": [{"item": "BOLT", "location": "A-01", "change": -3, "reasons": ["broken"]}]}
    assert stage.floor.stock.adjust(op, stage.as_("sven"), body)["state"] == "proposed"
    assert stage.stock("A-01", "BOLT") == 10
    wish = {"proposal": str(op)}
    with pytest.raises(Rejected, match="own proposal"):
        stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), wish, PIN)
    with pytest.raises(Rejected, match="PIN is wrong"):
        stage.floor.stock.proposals.approve(stage.op(), stage.as_("tess"), wish, "111222")
    done = stage.op()
    for _ in range(2):
        stage.floor.stock.proposals.approve(done, stage.as_("tess"), wish, PIN)
    assert stage.stock("A-01", "BOLT") == 7
    with pytest.raises(Rejected, match="approved already"):
        stage.floor.stock.proposals.approve(stage.op(), stage.as_("tess"), wish, PIN)

    undo = stage.op()
    stage.floor.stock.reverse(undo, stage.as_("mona"), {"of": str(op), "reasons": ["mistake"]})
    with stage.site.reading() as connection:
        waiting = stage.floor.stock.proposals.waiting(connection, stage.as_("sven"), frozenset())
    assert [(each["call"], each["by"]) for each in waiting] == [("reverse", "Mona")]
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(undo)}, PIN)
    assert stage.stock("A-01", "BOLT") == 10
    with stage.site.reading() as connection:
        shown = stage.floor.lookups.operation(connection, stage.as_("mona"), op)
    assert shown["reversed_by"] == str(undo) and shown["state"] == "recorded"

    other = stage.op()
    stage.floor.stock.adjust(other, stage.as_("mona"), body)
    stage.floor.stock.proposals.reject(stage.op(), stage.as_("sven"), {"proposal": str(other), "reason": "no"})
    with pytest.raises(Rejected, match="rejected already"):
        stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(other)}, PIN)
    assert stage.stock("A-01", "BOLT") == 10


def test_a_receipt_and_a_move_are_scanned_together(stage: Stage) -> None:
    cora = stage.as_("cora")
    stage.floor.stock.begin(stage.op(), cora, {"kind": "receive"})
    assert "scan the bin first" in stage.scan(f"]E0{GTINS['BOLT'][1:]}")["why"]
    stage.floor.parking.dismiss(stage.op(), cora, {"park": 1, "reason": "again"})
    assert stage.scan("BIN:DOCK") == {"outcome": "steered", "source": "SUPPLIER", "target": "DOCK"}
    stage.scan(f"]C101{BOX}")
    stage.scan(f"]C101{GTINS['PAINT']}17270331" + "10L7")
    stage.scan(f"]E0{GTINS['BOLT'][1:]}")
    op = stage.op()
    for _ in range(2):
        assert stage.floor.stock.finish(op, cora, {"delivery_note": "DN-1"})["state"] == "recorded"
    assert (stage.stock("DOCK", "BOLT"), stage.stock("DOCK", "PAINT")) == (13, 7 - 6)
    said = document_of(stage, op)
    assert said.scans is not None and list(said.expiries.values()) == ["2027-03-31"]

    stage.floor.stock.begin(stage.op(), cora, {"kind": "move"})
    assert stage.scan("BIN:DOCK") == {"outcome": "steered", "source": "DOCK", "target": ""}
    stage.scan(f"]C101{BOX}")
    with pytest.raises(Rejected, match="where the goods go"):
        stage.floor.stock.finish(stage.op(), cora, {})
    stage.scan("BIN:A-02")
    stage.floor.stock.finish(stage.op(), cora, {})
    assert (stage.stock("DOCK", "BOLT"), stage.stock("A-02", "BOLT")) == (1, 12)
    stage.floor.stock.begin(stage.op(), cora, {"kind": "move"})
    stage.floor.stock.drop(stage.op(), cora, {})
    assert stage.scan(f"]E0{GTINS['BOLT'][1:]}")["outcome"] == "item"


BAD: list[Any] = [
    None,
    [],
    {},
    {"lines": []},
    {"lines": {}},
    {"lines": "BOLT"},
    {"lines": [{"item": "BOLT", "quantity": 1}] * 1_001},
    {"lines": [{"item": "BOLT", "quantity": 0}]},
    {"lines": [{"item": "BOLT", "quantity": True}]},
    {"lines": [{"item": "BOLT", "quantity": 1.5}]},
    {"lines": [{"item": "BOLT", "quantity": float("inf")}]},
    {"lines": [{"item": "BOLT", "quantity": 2**63}]},
    {"lines": [{"item": "BOLT", "quantity": "1"}]},
    {"lines": [{"item": "NUT", "quantity": 1}]},
    {"lines": [{"item": "BOLT", "quantity": 1, "target": "NOWHERE"}]},
    {"lines": [{"item": "BOLT", "quantity": 1, "target": "SHRINKAGE"}]},
    {"lines": [{"item": "BOLT", "quantity": 1, "lot": "L"}]},
    {"lines": [{"item": "PAINT", "quantity": 1}]},
    {"lines": [{"barcode": "123", "quantity": 1}]},
    {"lines": [{"barcode": 4006381333931, "quantity": 1}]},
    {"lines": [{"item": "BOLT", "quantity": 1, "reasons": ["<script>"]}]},
    {"lines": [{"item": "BOLT", "quantity": 1, "expiry": "2027-02-30"}]},
    {"lines": [{"item": "BOLT", "quantity": 1, "prize": 1}]},
    {"lines": [{"item": "BOLT", "quantity": 1}], "occurred_ms": -1},
    {"lines": [{"item": "BOLT", "quantity": 1}], "occurred_ms": 1e9},
    {"lines": [{"item": "BOLT", "quantity": 1}], "origin": "moon"},
    {"lines": [{"item": "BOLT", "quantity": 1}], "note": "x" * 501},
    {"lines": [{"item": "BOLT", "quantity": 1}], "delivery_note": "a\nb"},
]


@pytest.mark.parametrize("body", BAD, ids=[str(number) for number in range(len(BAD))])
def test_bad_documents_are_refused_in_words_and_change_nothing(shared: Stage, body: Any) -> None:
    wish = {"target": "A-01", **body} if isinstance(body, dict) and body else body
    with shared.site.reading() as connection:
        before = connection.execute("SELECT COUNT(*) FROM operations").fetchone()
    with pytest.raises(Rejected) as refusal:
        shared.floor.stock.receive(shared.op(), shared.as_("mona"), wish)
    assert 5 < len(str(refusal.value)) < 300 and "\n" not in str(refusal.value)
    with shared.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM operations").fetchone() == before


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with closing(furnished(tmp_path_factory.mktemp("shared") / "node", people=("mona",))) as made:
        yield made


def test_look_ups(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 10}, {"item": "DRILL", "serial": "S1", "quantity": 1})
    mona = stage.as_("mona")
    with stage.site.reading() as connection:
        item = stage.floor.lookups.item(connection, mona, GTINS["BOLT"])
        assert item["stock"] == [{"location": "A-01", "stands_in": "", "lot": "", "status": "free", "quantity": 10}]
        assert item["name"] == "Bolt 8" and item["moves"][0]["target"] == "A-01"
        assert stage.floor.lookups.bin(connection, mona, "A-01")["serials"][0]["serial"] == "S1"
        assert stage.floor.lookups.serial(connection, mona, "DRILL", "S1")["location"] == "A-01"
        for wrong in ("NUT", "", None, 5, "0" * 14, "x" * 40):
            with pytest.raises(Rejected):
                stage.floor.lookups.item(connection, mona, wrong)
        with pytest.raises(Rejected):
            stage.floor.lookups.bin(connection, mona, "SUPPLIER")
        with pytest.raises(Rejected):
            stage.floor.lookups.operation(connection, mona, stage.op())
