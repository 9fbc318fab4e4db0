"""Pick lists: reserved first expired first, picked into a tote, short here and there, issued or cancelled."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import control
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.seams import Killed, arm_failpoint, disarm_failpoints
from node import streams
from tests.node.floor_kit import BOX, Stage


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.world.send(
        stage.site,
        control.LocationsPayload(
            locations=(
                control.Location(location="TOTE-1", kind=control.UNIT),
                control.Location(location="TOTE-2", kind=control.UNIT),
                control.Location(location="A-03", kind=control.BIN),
            )
        ),
    )
    return stage


def paint(stage: Stage, lot: str, expiry: str, quantity: int, target: str = "A-01") -> None:
    line = {"item": "PAINT", "lot": lot, "expiry": expiry, "quantity": quantity, "target": target}
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), {"lines": [line]})


def opened(stage: Stage, *lines: dict[str, Any], order: str = "SO-1") -> OpId:
    op = stage.op()
    for _ in range(2):
        answer = stage.floor.picking.open(op, stage.as_("mona"), {"order": order, "lines": list(lines)})
        assert answer["list"] == str(op)
    return op


def shown(stage: Stage, name: OpId, who: str = "mona") -> dict[str, Any]:
    with stage.site.reading() as connection:
        return stage.floor.picking.show(connection, stage.as_(who), name)


def places(stage: Stage, name: OpId) -> list[tuple[str, str, int]]:
    return [(each["location"], each["lot"], each["quantity"]) for each in shown(stage, name)["lines"]]


def begin(stage: Stage, name: OpId, tote: str = "TOTE-1") -> None:
    stage.floor.picking.begin(stage.op(), stage.as_("mona"), {"list": str(name), "tote": tote})


def pick(stage: Stage, name: OpId, **line: Any) -> dict[str, Any]:
    op = stage.op()
    answers = [stage.floor.picking.pick(op, stage.as_("mona"), {"list": str(name), **line}) for _ in range(2)]
    assert answers[0] == answers[1]
    return answers[0]


def reserved(stage: Stage) -> int:
    with stage.site.reading() as connection:
        (total,) = connection.execute("SELECT COALESCE(SUM(rest), 0) FROM reservations").fetchone()
    return int(total)


def test_a_list_reserves_first_expired_first_and_never_twice_the_same(stage: Stage) -> None:
    paint(stage, "LATE", "2028-01-31", 10)
    paint(stage, "SOON", "2026-06-30", 4, "A-02")
    paint(stage, "GONE", "2020-01-01", 9)
    paint(stage, "UNSAID", "", 5)
    first = opened(stage, {"item": "PAINT", "quantity": 6})
    assert places(stage, first) == [("A-01", "LATE", 2), ("A-02", "SOON", 4)]
    second = stage.op()
    wish = {"order": "SO-2", "lines": [{"item": "PAINT", "quantity": 20}]}
    answer = stage.floor.picking.open(second, stage.as_("mona"), wish)
    assert answer["missing"] == {"PAINT": 20 - 8 - 5}
    assert places(stage, second) == [("A-01", "LATE", 8), ("A-01", "UNSAID", 5)]
    with pytest.raises(Rejected, match="nothing of this order is free"):
        stage.floor.picking.open(stage.op(), stage.as_("mona"), wish)
    with pytest.raises(Rejected, match="stock is reserved"):
        line = {"item": "PAINT", "lot": "SOON", "quantity": 1}
        stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [line], "source": "A-02", "target": "DOCK"})


def test_each_pick_moves_at_once_and_the_issue_empties_the_tote(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 40}, {"item": "DRILL", "serial": "S1", "quantity": 1})
    name = opened(stage, {"barcode": BOX, "quantity": 2}, {"item": "DRILL", "quantity": 1})
    with pytest.raises(Rejected, match="scan the tote first"):
        pick(stage, name, item="BOLT", quantity=1, source="A-01")
    begin(stage, name)
    assert pick(stage, name, item="BOLT", quantity=10, source="A-01")["left"] == 14
    assert (stage.stock("A-01", "BOLT"), stage.stock("TOTE-1", "BOLT"), reserved(stage)) == (30, 10, 15)
    with pytest.raises(Rejected, match="14 of BOLT are still to be picked"):
        pick(stage, name, item="BOLT", quantity=15, source="A-01")
    pick(stage, name, item="BOLT", quantity=14, source="A-01")
    op = stage.op()
    asked = stage.floor.picking.issue(op, stage.as_("mona"), {"list": str(name)})
    assert asked["ask"] == "1 are not picked yet: issue what is in the tote?"
    pick(stage, name, item="DRILL", serial="S1", quantity=1, source="A-01")
    assert shown(stage, name)["picked"] == {"BOLT": 24, "DRILL": 1}
    for _ in range(2):
        done = stage.floor.picking.issue(op, stage.as_("mona"), {"list": str(name)})
    assert (done["lines"], reserved(stage)) == (2, 0)
    assert (stage.stock("TOTE-1", "BOLT"), stage.stock("CUSTOMER", "BOLT")) == (0, 24)
    with pytest.raises(Rejected, match="issued already"):
        pick(stage, name, item="BOLT", quantity=1, source="A-01")
    again = opened(stage, {"item": "BOLT", "quantity": 1})
    begin(stage, again)


def test_another_lot_than_the_promised_one_needs_a_reason(stage: Stage) -> None:
    paint(stage, "SOON", "2026-06-30", 4)
    paint(stage, "LATE", "2028-01-31", 10)
    name = opened(stage, {"item": "PAINT", "quantity": 4})
    begin(stage, name)
    other = {"item": "PAINT", "lot": "LATE", "quantity": 3, "source": "A-01"}
    with pytest.raises(Rejected, match="give a reason"):
        pick(stage, name, **other)
    assert pick(stage, name, **other, reasons=["crushed"])["left"] == 1
    assert (places(stage, name), reserved(stage)) == ([("A-01", "SOON", 1)], 1)


def test_a_short_pick_marks_the_bin_and_orders_a_check_and_looks_elsewhere(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 6})
    stage.floor.stock.receive(
        stage.op(), stage.as_("mona"), {"lines": [{"item": "BOLT", "quantity": 3, "target": "A-03"}]}
    )
    name = opened(stage, {"item": "BOLT", "quantity": 6})
    assert places(stage, name) == [("A-01", "", 6)]
    begin(stage, name)
    pick(stage, name, item="BOLT", quantity=1, source="A-01")
    op = stage.op()
    for _ in range(2):
        answer = stage.floor.picking.short(
            op, stage.as_("mona"), {"list": str(name), "location": "A-01", "item": "BOLT"}
        )
    assert (answer["short"], answer["missing"]) == (5, 2)
    assert places(stage, name) == [("A-03", "", 3)]
    with stage.site.reading() as connection:
        assert stage.floor.lookups.suspects(connection) == ["A-01"]
        ordered = connection.execute("SELECT bin, items FROM count_bins").fetchall()
        assert [tuple(row) for row in ordered] == [("A-01", '["BOLT"]')]
        assert connection.execute("SELECT reason FROM exceptions").fetchall() == [("short-pick",)]
    assert stage.stock("A-01", "BOLT") == 5
    pick(stage, name, item="BOLT", quantity=3, source="A-03")
    with pytest.raises(Rejected, match="nothing of BOLT is promised from A-01"):
        stage.floor.picking.short(
            stage.op(), stage.as_("mona"), {"list": str(name), "location": "A-01", "item": "BOLT"}
        )
    assert stage.floor.picking.issue(stage.op(), stage.as_("mona"), {"list": str(name)})["lines"] == 1
    assert (stage.stock("CUSTOMER", "BOLT"), reserved(stage)) == (4, 0)


def test_a_pick_that_happened_is_sealed_although_the_books_cannot_follow(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 6})
    name = opened(stage, {"item": "BOLT", "quantity": 6})
    begin(stage, name)
    taken = {"lines": [{"item": "BOLT", "location": "A-01", "change": -5, "reasons": ["lost"]}]}
    proposal = stage.op()
    stage.floor.stock.adjust(proposal, stage.as_("sven"), taken)
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("tess"), {"proposal": str(proposal)}, "482913")
    with pytest.raises(Rejected, match="not enough stock"):
        pick(stage, name, item="BOLT", quantity=4, source="A-01")
    answer = pick(stage, name, item="BOLT", quantity=4, source="A-01", happened=True)
    assert (answer["exception"], answer["left"]) == (True, 2)
    assert (stage.stock("A-01", "BOLT"), reserved(stage)) == (1, 2)


def test_a_list_is_cancelled_when_its_tote_is_empty(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 6})
    name = opened(stage, {"item": "BOLT", "quantity": 6})
    begin(stage, name)
    pick(stage, name, item="BOLT", quantity=2, source="A-01")
    with pytest.raises(Rejected, match="TOTE-1 is not empty"):
        stage.floor.picking.cancel(stage.op(), stage.as_("mona"), {"list": str(name), "reason": "order-withdrawn"})
    back = {"lines": [{"item": "BOLT", "quantity": 2}], "source": "TOTE-1", "target": "A-01"}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), back)
    op = stage.op()
    for _ in range(2):
        stage.floor.picking.cancel(op, stage.as_("mona"), {"list": str(name), "reason": "order-withdrawn"})
    assert (reserved(stage), shown(stage, name)["state"]) == (0, "cancelled")
    with stage.site.reading() as connection:
        assert stage.floor.picking.lists(connection, stage.as_("mona")) == []


def test_a_tote_belongs_to_one_list(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 6})
    first, second = (opened(stage, {"item": "BOLT", "quantity": 2}, order=f"SO-{n}") for n in (1, 2))
    begin(stage, first)
    with pytest.raises(Rejected, match="TOTE-1 is not empty"):
        begin(stage, second)
    with pytest.raises(Rejected, match="into TOTE-1 already"):
        begin(stage, first, "TOTE-2")
    begin(stage, second, "TOTE-2")
    with stage.site.reading() as connection:
        known = stage.floor.picking.lists(connection, stage.as_("mona"))
    assert [(each["order"], each["tote"], each["mine"], each["lines"]) for each in known] == [
        ("SO-1", "TOTE-1", True, 1), ("SO-2", "TOTE-2", True, 1)
    ]  # fmt: skip


def test_bins_in_a_count_are_not_told_to_who_counts_and_not_promised_while_somebody_does(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 6})
    name = opened(stage, {"item": "BOLT", "quantity": 2})
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), {"name": "now", "bins": ["A-01"]})
    seen = shown(stage, name, "tess")
    assert (seen["lines"], seen["being_counted"], seen["missing"]) == ([], ["A-01"], {})
    assert places(stage, name) == [("A-01", "", 2)]
    wish = {"order": "SO-2", "lines": [{"item": "BOLT", "quantity": 1}]}
    with pytest.raises(Rejected, match="nothing of this order is free"):
        stage.floor.picking.open(stage.op(), stage.as_("carl"), wish)
    # A count of every bin that waits to be done stops nobody else's work.
    assert places(stage, opened(stage, {"item": "BOLT", "quantity": 1})) == [("A-01", "", 1)]
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    with pytest.raises(Rejected, match="nothing of this order is free"):
        stage.floor.picking.open(stage.op(), stage.as_("mona"), wish)
    with pytest.raises(Rejected, match="ISSUE"):
        shown(stage, name, "cora")


def test_a_short_pick_is_not_refused_for_a_policy_that_nobody_can_read(stage: Stage) -> None:
    paint(stage, "P1", "2027-01-31", 4)
    name = opened(stage, {"item": "PAINT", "quantity": 4})
    begin(stage, name)
    with stage.site.writing() as connection:
        streams.put(connection, "policy", "counting", {"from a newer program": 1})
    wish = {"list": str(name), "location": "A-01", "item": "PAINT", "lot": "P1"}
    assert stage.floor.picking.short(stage.op(), stage.as_("mona"), wish)["missing"] == 4
    with stage.site.reading() as connection:
        assert connection.execute("SELECT name FROM count_sessions").fetchall() == [("Zero-check A-01",)]


@pytest.mark.parametrize("deaths", range(1, 6))
def test_a_short_pick_is_one_act_whatever_dies(stage: Stage, deaths: int) -> None:
    """Its four operations come together or not at all."""
    stage.receive({"item": "BOLT", "quantity": 6})
    stage.floor.stock.receive(
        stage.op(), stage.as_("mona"), {"lines": [{"item": "BOLT", "quantity": 3, "target": "A-03"}]}
    )
    name = opened(stage, {"item": "BOLT", "quantity": 6})
    begin(stage, name)
    op, wish = stage.op(), {"list": str(name), "location": "A-01", "item": "BOLT"}
    passed = iter(range(1, 99))

    def die(_: str) -> None:
        if next(passed) == deaths:
            raise Killed("record.before_commit")

    arm_failpoint("record.before_commit", die)
    try:
        stage.floor.picking.short(op, stage.as_("mona"), wish)
    except Killed:
        disarm_failpoints()
        stage = stage.restart()
        assert (reserved(stage), places(stage, name)) == (6, [("A-01", "", 6)])
        assert stage.site.find(op) is None
    else:
        assert deaths == 5, "the short pick has four operations"
    disarm_failpoints()
    assert stage.floor.picking.short(op, stage.as_("mona"), wish)["short"] == 6
    assert places(stage, name) == [("A-03", "", 3)]
    stage.site.close()
    stage.journal.close()
