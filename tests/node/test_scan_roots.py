"""What was scanned stands under a root in the document of the act, and one event of it can be opened to anybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger import control, merkle
from ledger.documents import digest
from ledger.errors import Invalid, Rejected
from ledger.ids import OpId
from ledger.scans import Event, Opening
from node import openings
from tests.node.floor_kit import GTINS, Stage
from tests.node.test_contact import document_of
from tests.node.test_counting import session

BOLT = GTINS["BOLT"]


@pytest.fixture
def stage(stage: Stage) -> Stage:
    tote = control.Location(location="T-1", kind=control.BIN)
    stage.world.send(stage.site, control.LocationsPayload(locations=(tote,)))
    stage.receive({"item": "BOLT", "quantity": 20})
    return stage


def opened(stage: Stage, op_id: OpId) -> list[tuple[Opening, bytes | None]]:
    with stage.site.reading() as connection:
        found = openings.events_of(connection, op_id)
        return [openings.opening(connection, op_id, found, index) for index in range(len(found))]


def picked_list(stage: Stage) -> tuple[str, OpId, OpId]:
    """A list, a pick by labels and one without."""
    mona, name, labelled, keyed = stage.as_("mona"), stage.op(), stage.op(), stage.op()
    stage.floor.picking.open(name, mona, {"order": "SO-1", "lines": [{"item": "BOLT", "quantity": 6}]})
    stage.floor.picking.begin(stage.op(), mona, {"list": str(name), "tote": "T-1", "scanned": "BIN:T-1"})
    line = {"list": str(name), "item": "BOLT", "source": "A-01"}
    labels = {"scanned": BOLT, "scanned_source": "BIN:A-01"}
    for _ in range(2):
        stage.floor.picking.pick(labelled, mona, {**line, "quantity": 4, **labels})
    stage.floor.picking.pick(keyed, mona, {**line, "quantity": 1})
    return str(name), labelled, keyed


def test_a_picks_document_stands_on_the_labels_that_were_read(stage: Stage) -> None:
    _, labelled, keyed = picked_list(stage)
    (bin_, raw_bin), (goods, raw_goods) = opened(stage, labelled)
    assert (raw_bin, raw_goods) == (b"BIN:A-01", BOLT.encode())
    assert (bin_.event.kind, bin_.event.place, bin_.event.item, bin_.event.quantity) == ("scan", "A-01", "", 0)
    assert (goods.event.kind, goods.event.item, goods.event.quantity, goods.event.place) == ("scan", "BOLT", 4, "T-1")
    ((hand, raw),) = opened(stage, keyed)
    assert (hand.event.kind, hand.event.entered, hand.event.digest, raw) == ("set", 1, None, None)


def test_the_issue_stands_on_everything_that_was_scanned_for_its_list(stage: Stage) -> None:
    name, _, _ = picked_list(stage)
    short, issue = stage.op(), stage.op()
    stage.floor.picking.short(short, stage.as_("mona"), {"list": name, "location": "A-01", "item": "BOLT"})
    assert [each.event.entered for each, _ in opened(stage, short)] == [0]
    stage.floor.picking.issue(issue, stage.as_("mona"), {"list": name})
    said = [(each.event.item, each.event.place, each.event.quantity) for each, _ in opened(stage, issue)]
    assert said == [("", "T-1", 0), ("", "A-01", 0), ("BOLT", "T-1", 4), ("BOLT", "T-1", 1), ("BOLT", "", 0)]
    for each, _ in opened(stage, issue):
        assert each.verify(digest(each.document)) == document_of(stage, issue)


def counted(stage: Stage) -> OpId:
    session(stage, "A-01")
    stage.scan("BIN:A-01")
    for _ in range(5):
        stage.scan(BOLT)
    op = stage.op()
    stage.floor.counting.close_bin(op, stage.as_("cora"), {"bin": "A-01", "confirm": True})
    return op


def received(stage: Stage) -> OpId:
    stage.floor.people.bind_device(stage.as_("mona"), "gun")
    stage.floor.stock.begin(stage.op(), stage.as_("mona"), {"kind": "receive", "target": "A-02"})
    for _ in range(3):
        stage.scan(BOLT)
    op = stage.op()
    stage.floor.stock.finish(op, stage.as_("mona"), {})
    return op


@pytest.mark.parametrize("act", [counted, received])
def test_counts_and_receipts_are_opened_the_same_way_after_they_are_sealed(stage: Stage, act: Any) -> None:
    op = act(stage)
    before = opened(stage, op)
    stage.site.seal()
    assert opened(stage, op) == before and len(before) >= 3
    for each, _ in before:
        assert each.event.read is not None and each.event.item == "BOLT"
        again = Opening.from_json(
            {"event": each.event.to_json(), "index": each.index, "size": each.size, "document": each.document.hex(),
             "path": [node.hex() for node in each.path]}
        )  # fmt: skip
        assert again == each and again.verify(digest(each.document)).scans is not None


def changed(one: Opening) -> dict[str, Opening]:
    event = one.event
    return {
        "quantity": replace(one, event=replace(event, quantity=event.quantity + 1)),
        "item": replace(one, event=replace(event, item="NUT")),
        "place": replace(one, event=replace(event, place="A-09")),
        "bytes": replace(one, event=replace(event, digest=bytes(32))),
        "time": replace(one, event=replace(event, at_ms=event.at_ms + 1)),
        "pieces": replace(one, event=replace(event, pieces=1)),
        "another place in the tree": replace(one, index=one.index + 1),
        "a shorter tree": replace(one, size=one.size - 1),
        "a path without its end": replace(one, path=one.path[:-1]),
        "a path of another": replace(one, path=(merkle.leaf_hash(b"x"), *one.path[1:])),
        "another document": replace(one, document=one.document[:-1] + b"\x00"),
    }


def test_a_changed_event_does_not_verify(stage: Stage) -> None:
    one, _ = opened(stage, received(stage))[0]
    sealed = digest(one.document)
    assert one.verify(sealed)
    for what, wrong in changed(one).items():
        with pytest.raises(Invalid):
            pytest.fail(f"{what} was taken: {wrong.verify(sealed)}")
    with pytest.raises(Invalid, match="sealed call"):
        one.verify(digest(b"another"))


def test_an_operation_without_scans_has_nothing_to_open(stage: Stage) -> None:
    with pytest.raises(Rejected, match="no scan events"):
        opened(stage, stage.receive({"item": "BOLT", "quantity": 1}))


@pytest.mark.parametrize(
    "wrong",
    [{"index": "0"}, {"path": ["AB"]}, {"path": "ab"}, {"document": 5}, {"event": {}}, {"size": None}],
    ids=lambda each: str(each),
)
def test_an_opening_that_cannot_be_read_is_refused(stage: Stage, wrong: dict[str, Any]) -> None:
    one, _ = opened(stage, received(stage))[0]
    said = {"event": one.event.to_json(), "index": 0, "size": one.size, "path": [], "document": ""}
    with pytest.raises(Invalid):
        Opening.from_json({**said, **wrong})
    with pytest.raises(Invalid):
        Event.from_json({**one.event.to_json(), "quantity": "1"})
