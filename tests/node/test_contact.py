"""What waited on a tablet longer than ordinary Wi-Fi is silent has happened; a few milliseconds are no wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from devices.reads import NewRead
from ledger.documents import BEYOND_LIMIT, FROZEN, OUT_OF_CONTACT, Document
from ledger.errors import Rejected
from ledger.ids import OpId
from node import streams
from node.desk import Person
from node.rounds import open_round
from tests.node.floor_kit import PIN, Stage
from tests.node.test_counting import session

AT_ONCE_MS, LONG_MS = 6, 31_000
Verb = Callable[[OpId, Person, object], dict[str, Any]]


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.receive({"item": "BOLT", "quantity": 20})
    return stage


def late(stage: Stage, login: str, waited_ms: int = LONG_MS) -> Person:
    return replace(stage.as_(login), waited_ms=waited_ms)


def label(stage: Stage, code: str, login: str, waited_ms: int) -> dict[str, Any]:
    """A bin label that somebody scanned on a tablet, sent so much later."""
    stage.floor.people.bind_device(stage.as_(login), "tablet-x")
    stage.world.clock.advance(1_000)
    stage.journal.record([NewRead("tablet-x", f"BIN:{code}".encode(), context={"waited_ms": waited_ms})])
    return stage.floor.scanning.drain(stage.journal)[-1][1]


# ------------------------------------------------------------ a bin that somebody else counts


def test_a_bin_that_somebody_counts_is_asked_about_although_its_scan_took_a_moment_to_come(stage: Stage) -> None:
    session(stage, "A-01")
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    told = label(stage, "A-01", "carl", AT_ONCE_MS)
    assert told["outcome"] == "taken" and "somebody else" in told["why"]
    op = stage.op()
    asked = stage.floor.counting.open_bin(op, late(stage, "carl", AT_ONCE_MS), {"bin": "A-01"})
    assert asked["choices"] == ["second", "share"] and "task" not in asked


def test_a_bin_opened_without_contact_is_a_second_count_and_stays_it_when_it_is_sent_again(stage: Stage) -> None:
    session(stage, "A-01", "A-02")
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    assert label(stage, "A-01", "carl", LONG_MS)["outcome"] == "opened"
    # The first answer was lost: the tablet asks again, and has waited longer by then.
    op = stage.op()
    first = stage.floor.counting.open_bin(op, late(stage, "tess", AT_ONCE_MS), {"bin": "A-02"})
    assert stage.floor.counting.open_bin(op, late(stage, "tess"), {"bin": "A-02"}) == first


# ------------------------------------------------------------ stock work


HOUR_MS = 3_600_000
BOLTS = {"item": "BOLT", "quantity": 4}


def document_of(stage: Stage, op_id: OpId) -> Document:
    with stage.site.reading() as connection:
        row = connection.execute("SELECT document FROM journal WHERE op_id = ?", (op_id.raw,)).fetchone()
    return Document.decode(bytes(row[0]))


def sent_twice(stage: Stage, verb: Verb, body: dict[str, Any], login: str = "mona") -> tuple[OpId, dict[str, Any]]:
    """An act of an hour ago, and once more when the first answer was lost: it has waited longer by then."""
    op_id = stage.op()
    first = verb(op_id, late(stage, login, HOUR_MS), body)
    stage.world.clock.advance(60_000)
    assert verb(op_id, late(stage, login, HOUR_MS + 60_000), body) == first
    return op_id, first


def excepted(stage: Stage, op_id: OpId) -> list[tuple[str, str, int, str, str]]:
    """What an exception document says, with the place that is to be counted first."""
    with stage.site.reading() as connection:
        rows = connection.execute(
            "SELECT e.location, l.item, l.quantity, l.source, l.target FROM exceptions e"
            " JOIN exception_lines l ON l.op_id = e.op_id WHERE e.op_id = ? ORDER BY l.line",
            (op_id.raw,),
        ).fetchall()
        for location, *_ in rows:
            assert location in stage.floor.lookups.suspects(connection) and open_round(connection, location)
    return [tuple(row) for row in rows]


def acts(stage: Stage) -> dict[str, tuple[Verb, dict[str, Any]]]:
    """Acts that the books have no room for: more than there is, or a piece that is somewhere else."""
    stock = stage.floor.stock
    many, why = {"item": "BOLT", "quantity": 4_000}, {"reasons": ["crushed"]}
    there, piece = {**many, "location": "A-01"}, {"item": "DRILL", "serial": "S1", "quantity": 1}
    return {
        "receive": (stock.receive, {"lines": [piece], "target": "A-02"}),
        "return": (stock.receive, {"lines": [piece], "target": "A-02", "origin": "customer", "return_of": "SO-1"}),
        "move": (stock.move, {"lines": [many], "source": "A-01", "target": "A-02"}),
        "issue": (stock.issue, {"lines": [many], "source": "A-01", "order": "SO-1"}),
        "hold": (stock.hold, {"held": "damage", "lines": [there], **why}),
        "relabel": (stock.relabel, {"lot": "L2", "lines": [{**there, "item": "PAINT", "lot": "L1"}], **why}),
    }


PLACES = {
    "receive": ("A-02", "SUPPLIER", "A-02"), "return": ("A-02", "CUSTOMER", "A-02"), "move": ("A-01", "A-01", "A-02"),
    "issue": ("A-01", "A-01", "CUSTOMER"), "hold": ("A-01", "A-01", "CHANGE"), "relabel": ("A-01", "A-01", "CHANGE"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_an_act_of_an_hour_ago_that_cannot_be_booked_is_sealed_with_its_time(stage: Stage, name: str) -> None:
    stage.receive({"item": "DRILL", "serial": "S1", "quantity": 1})
    verb, body = acts(stage)[name]
    with pytest.raises(Rejected):
        verb(stage.op(), late(stage, "mona", AT_ONCE_MS), body)
    began_ms = stage.world.clock.now_ms()
    op_id, answer = sent_twice(stage, verb, body)
    assert answer["exception"] is True
    line, (place, source, target) = body["lines"][0], PLACES[name]
    assert excepted(stage, op_id) == [(place, line["item"], line["quantity"], source, target)]
    said = document_of(stage, op_id)
    assert said.occurred_ms == began_ms - HOUR_MS and said.marks == (OUT_OF_CONTACT,)
    assert stage.stock("A-01", "BOLT") == 20


def test_an_act_of_an_hour_ago_that_can_be_booked_has_its_own_time_or_the_one_that_was_said(stage: Stage) -> None:
    body = {"lines": [BOLTS], "source": "A-01", "target": "A-02"}
    began_ms = stage.world.clock.now_ms()
    op_id, answer = sent_twice(stage, stage.floor.stock.move, body)
    assert "exception" not in answer and document_of(stage, op_id).occurred_ms == began_ms - HOUR_MS
    op_id, _ = sent_twice(stage, stage.floor.stock.move, {**body, "occurred_ms": 1_700_000_000_000})
    assert document_of(stage, op_id).occurred_ms == 1_700_000_000_000
    assert stage.stock("A-02", "BOLT") == 8


def test_goods_that_were_sent_back_an_hour_ago_wait_for_their_signature_all_the_same(stage: Stage) -> None:
    with stage.site.writing() as connection:
        streams.put(connection, "policy", "stock", {"adjust": {"quantity_max": 1}})
    back = {"lines": [BOLTS], "source": "A-01", "supplier": "ACME", "origin": "DN-1", "reasons": ["crushed"]}
    with pytest.raises(Rejected, match="ask another person"):
        stage.floor.stock.send_back(stage.op(), stage.as_("mona"), back)
    began_ms = stage.world.clock.now_ms()
    op_id, answer = sent_twice(stage, stage.floor.stock.send_back, back)
    assert answer["state"] == "proposed"
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(op_id)}, PIN)
    said = document_of(stage, op_id)
    assert said.occurred_ms == began_ms - HOUR_MS and BEYOND_LIMIT in said.marks


def test_limits_and_a_freeze_leave_a_mark_on_what_has_happened(stage: Stage) -> None:
    with stage.site.writing() as connection:
        streams.put(connection, "policy", "stock", {"issue-without-order": {"quantity_max": 1}})
    wish = {"name": "F", "bins": ["A-01"], "rule": {"control_percent": 0}, "freeze": True}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)
    loose = {"lines": [BOLTS], "source": "A-01", "reasons": ["lost"]}
    with pytest.raises(Rejected):
        stage.floor.stock.issue(stage.op(), stage.as_("mona"), loose)
    op_id, answer = sent_twice(stage, stage.floor.stock.issue, loose)
    assert "exception" not in answer and stage.stock("A-01", "BOLT") == 16
    assert document_of(stage, op_id).marks == (OUT_OF_CONTACT, FROZEN, BEYOND_LIMIT)
    held = {"held": "damage", "lines": [{**BOLTS, "location": "A-01"}], "reasons": ["crushed"]}
    op_id, _ = sent_twice(stage, stage.floor.stock.hold, held)
    assert document_of(stage, op_id).marks == (OUT_OF_CONTACT, FROZEN)


def test_a_unit_that_went_an_hour_ago_is_kept_with_its_content(stage: Stage) -> None:
    units, mona = stage.floor.stock.move_units, stage.as_("mona")
    made = {"units": [{"unit": "PAL-7", "target": "A-01"}]}
    units(stage.op(), mona, made)
    stage.floor.stock.move(stage.op(), mona, {"lines": [BOLTS], "source": "A-01", "target": "PAL-7"})
    gone = {"units": [{"unit": "PAL-7", "target": ""}]}
    with pytest.raises(Rejected, match="not empty"):
        units(stage.op(), mona, gone)
    began_ms = stage.world.clock.now_ms()
    op_id, answer = sent_twice(stage, units, gone)
    assert answer["exception"] is True and excepted(stage, op_id) == [("A-01", "BOLT", 4, "PAL-7", "")]
    op_id, answer = sent_twice(stage, units, {"units": [{"unit": "PAL-7", "target": "A-02"}]})
    assert "exception" not in answer and document_of(stage, op_id).occurred_ms < began_ms
    # An empty one that stands there already has no lines, and its place is looked at all the same.
    units(stage.op(), mona, {"units": [{"unit": "PAL-8", "target": "DOCK"}]})
    op_id, answer = sent_twice(stage, units, {"units": [{"unit": "PAL-8", "target": "DOCK"}]})
    with stage.site.reading() as connection:
        assert answer["exception"] is True and "DOCK" in stage.floor.lookups.suspects(connection)


def test_a_pick_of_an_hour_ago_is_kept_although_nothing_promises_it_any_more(stage: Stage) -> None:
    picking, mona, op = stage.floor.picking, stage.as_("mona"), stage.op()
    picking.open(op, mona, {"order": "SO-1", "lines": [{"item": "BOLT", "quantity": 6}]})
    picking.begin(stage.op(), mona, {"list": str(op), "tote": "A-02"})
    pick = {"list": str(op), "item": "BOLT", "quantity": 2, "source": "A-01"}
    began_ms = stage.world.clock.now_ms()
    op_id, answer = sent_twice(stage, picking.pick, pick)
    assert answer["left"] == 4 and document_of(stage, op_id).occurred_ms == began_ms - HOUR_MS
    with pytest.raises(Rejected, match="still to be picked"):
        picking.pick(stage.op(), mona, {**pick, "quantity": 5})
    op_id, answer = sent_twice(stage, picking.pick, {**pick, "quantity": 5})
    assert answer["exception"] is True and answer["left"] == 4
    assert excepted(stage, op_id) == [("A-01", "BOLT", 5, "A-01", "A-02")]
    # What is not picked yet is no question any more, and the list has ended when another pick of it comes.
    _, answer = sent_twice(stage, picking.issue, {"list": str(op)})
    assert answer["lines"] == 1 and stage.stock("A-02", "BOLT") == 0
    with pytest.raises(Rejected, match="issued already"):
        picking.pick(stage.op(), mona, pick)
    _, answer = sent_twice(stage, picking.pick, pick)
    assert answer["exception"] is True and stage.stock("A-01", "BOLT") == 18


def test_a_delivery_note_that_came_twice_is_no_question_an_hour_later(stage: Stage) -> None:
    body = {"lines": [BOLTS], "target": "A-02", "supplier": "ACME", "delivery_note": "DN-1"}
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), body)
    assert "ask" in stage.floor.stock.receive(stage.op(), stage.as_("mona"), body)
    _, answer = sent_twice(stage, stage.floor.stock.receive, body)
    assert answer["state"] == "recorded" and stage.stock("A-02", "BOLT") == 8


def test_what_a_counter_did_an_hour_ago_in_a_bin_they_count_is_kept_without_a_word(stage: Stage) -> None:
    session(stage, "A-01")
    body = {"lines": [{"item": "BOLT", "quantity": 4_000}], "source": "A-01", "target": "A-02"}
    op_id, answer = sent_twice(stage, stage.floor.stock.move, body, "cora")
    assert "exception" not in answer and excepted(stage, op_id)[0][0] == "A-01"


def test_an_act_stated_in_a_frozen_bin_is_taken(stage: Stage) -> None:
    wish = {"name": "F", "bins": ["A-01"], "rule": {"control_percent": 0}, "freeze": True}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)
    lines = [{"item": "BOLT", "quantity": 2, "source": "A-01", "target": "SHRINKAGE"}]
    stated = {"location": "A-01", "reason": "broken", "lines": lines}
    assert stage.floor.stock.except_document(stage.op(), stage.as_("mona"), stated)["state"] == "recorded"
