"""Expected deliveries, and what one person may do of an item in a day."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ledger import db
from ledger.announced import DELIVERIES, ORDERS
from ledger.errors import ReasonNeeded, Rejected, Unavailable
from ledger.policy import read as read_policy
from node import floor_store, store, streams
from tests.node.floor_kit import PIN, Stage


def receive(stage: Stage, who: str = "mona", quantity: int = 10, item: str = "BOLT", **more: Any) -> dict[str, Any]:
    line = {"item": item, "quantity": quantity}
    op = stage.op()
    body = {"lines": [line], "target": "DOCK", **more}
    answers = [stage.floor.stock.receive(op, stage.as_(who), body) for _ in range(2)]
    assert answers[0] == answers[1]
    return answers[0]


def policy(stage: Stage, **said: Any) -> None:
    with stage.site.writing() as connection:
        streams.put(connection, "policy", "stock", {name.replace("_", "-"): value for name, value in said.items()})


def announce(stage: Stage, order: str, bolts: int) -> None:
    with stage.site.writing() as connection:
        streams.put(connection, ORDERS, order, {"lines": [["BOLT", bolts]]})


def issue(stage: Stage, quantity: int, order: str) -> None:
    body = {"lines": [{"item": "BOLT", "quantity": quantity}], "source": "DOCK", "order": order}
    stage.floor.stock.issue(stage.op(), stage.as_("mona"), body)


def expect(stage: Stage, who: str = "sven", **more: Any) -> None:
    lines = [{"item": "BOLT", "quantity": 100}, {"item": "PAINT", "quantity": 5}]
    body = {"delivery": "PO-7", "supplier": "ACME", "lines": lines, **more}
    op = stage.op()
    for _ in range(2):
        stage.floor.deliveries.expect(op, stage.as_(who), body)


def waiting(stage: Stage) -> list[dict[str, Any]]:
    with stage.site.reading() as connection:
        return stage.floor.deliveries.waiting(connection, stage.as_("mona"))


def test_a_partial_receipt_keeps_the_delivery_open_until_all_is_there(stage: Stage) -> None:
    expect(stage)
    assert receive(stage, quantity=60, delivery="PO-7")["open"] == {"BOLT": 40, "PAINT": 5}
    assert [(line["wanted"], line["came"]) for line in waiting(stage)[0]["lines"]] == [(100, 60), (5, 0)]
    assert receive(stage, quantity=40, delivery="PO-7")["open"] == {"PAINT": 5}
    line = {"item": "PAINT", "lot": "L1", "quantity": 5}
    assert receive(stage, lines=[line], delivery="PO-7")["open"] == {}
    assert waiting(stage) == []
    with pytest.raises(Rejected, match="closed already"):
        receive(stage, quantity=1, delivery="PO-7")
    assert stage.stock("DOCK", "BOLT") == 100


def test_more_than_the_tolerance_or_something_else_needs_a_reason(stage: Stage) -> None:
    expect(stage, over_percent=10)
    receive(stage, quantity=110, delivery="PO-7")
    with pytest.raises(Rejected, match="111 of BOLT instead of 100: give a reason"):
        receive(stage, quantity=1, delivery="PO-7")
    with pytest.raises(Rejected, match="1 of DRILL instead of 0"):
        receive(stage, lines=[{"item": "DRILL", "serial": "S1", "quantity": 1}], delivery="PO-7")
    receive(stage, quantity=1, delivery="PO-7", reasons=["supplier-error"])
    assert stage.stock("DOCK", "BOLT") == 111
    with pytest.raises(Rejected, match="not expected here"):
        receive(stage, quantity=1, delivery="PO-8")
    assert stage.stock("DOCK", "BOLT") == 111


def test_the_tolerance_is_the_suppliers_where_the_delivery_has_no_larger_one(stage: Stage) -> None:
    def grant(said: object) -> None:
        with stage.site.writing() as connection:
            streams.put(connection, "policy", "receipts", said)

    expect(stage)
    supplier = waiting(stage)[0]["supplier"]
    grant({"over_percent": 3, "suppliers": {supplier: 5}})
    with pytest.raises(Rejected, match="106 of BOLT instead of 100: give a reason"):
        receive(stage, quantity=106, delivery="PO-7")
    receive(stage, quantity=104, delivery="PO-7")
    grant({"over_percent": 3, "suppliers": {"SOMEBODY-ELSE": 50}})
    with pytest.raises(Rejected, match="105 of BOLT instead of 100"):
        receive(stage, quantity=1, delivery="PO-7")
    for unread in ({"over_percent": 101}, {"over_percent": "5"}, {"suppliers": []}, {"surprise": 1}, 7):
        grant(unread)  # nothing is granted, and work goes on
        with pytest.raises(Rejected, match="105 of BOLT instead of 100"):
            receive(stage, quantity=1, delivery="PO-7")
    grant({"suppliers": {supplier: 5}})
    receive(stage, quantity=1, delivery="PO-7")
    assert stage.stock("DOCK", "BOLT") == 105


def test_a_short_delivery_is_closed_with_a_reason(stage: Stage) -> None:
    expect(stage)
    receive(stage, quantity=100, delivery="PO-7")
    op = stage.op()
    with pytest.raises(Rejected, match="5 are short"):
        stage.floor.deliveries.close(op, stage.as_("mona"), {"delivery": "PO-7"})
    for _ in range(2):
        wish = {"delivery": "PO-7", "reason": "out-of-stock"}
        assert stage.floor.deliveries.close(op, stage.as_("mona"), wish)["short"] == {"PAINT": 5}
    with pytest.raises(Rejected, match="announced before"):
        expect(stage)


def test_blind_receipts_are_limited_for_each_person_item_and_day(stage: Stage) -> None:
    policy(stage, blind_receipt={"quantity_max": 15})
    receive(stage, quantity=10)
    with pytest.raises(Rejected, match="20 of BOLT today and you may receive without an expected delivery"):
        receive(stage, quantity=10)
    # Anything can be typed for the number of a note or delivery.
    with pytest.raises(Rejected, match="that would be 20 of BOLT today"):
        receive(stage, quantity=10, supplier="ACME", delivery_note="DN-1")
    with pytest.raises(Rejected, match="that would be 20 of BOLT today"):
        receive(stage, quantity=10, delivery="PO-1")
    back = {"origin": "customer", "return_of": "SO-9"}
    with pytest.raises(Rejected, match="that would be 20 of BOLT today"):
        receive(stage, quantity=10, **back)
    announce(stage, "SO-9", 10)
    with pytest.raises(Rejected, match="that would be 20 of BOLT today"):
        receive(stage, quantity=10, **back)
    issue(stage, 10, "SO-9")
    receive(stage, quantity=10, **back)
    expect(stage)
    with pytest.raises(Rejected, match="that would be 16 of DRILL today"):
        drills = [{"item": "DRILL", "serial": f"D{number}", "quantity": 1} for number in range(16)]
        receive(stage, lines=drills, delivery="PO-7", reasons=["supplier-error"])
    receive(stage, quantity=25, delivery="PO-7")
    receive(stage, quantity=10, who="cora")
    stage.world.clock.advance(86_400_000)
    stage.tokens["mona"] = stage.floor.people.log_in("mona", PIN, "tablet-1")["token"]
    receive(stage, quantity=15)
    assert stage.stock("DOCK", "BOLT") == 60


def test_what_somebody_announced_themselves_is_a_blind_receipt(stage: Stage) -> None:
    policy(stage, blind_receipt={"quantity_max": 15})
    expect(stage, "mona")
    with pytest.raises(Rejected, match="that would be 20 of BOLT today"):
        receive(stage, quantity=20, delivery="PO-7")
    receive(stage, quantity=20, delivery="PO-7", who="cora")
    with stage.site.writing() as connection:  # what the hub announces is nobody's own
        streams.put(connection, DELIVERIES, "PO-7", {"supplier": "ACME", "lines": [["BOLT", 100, "", ""]]})
    receive(stage, quantity=20, delivery="PO-7")


def test_no_more_comes_back_from_an_order_than_has_left_for_it(stage: Stage) -> None:
    receive(stage, quantity=30, who="cora")
    policy(stage, blind_receipt={"quantity_max": 5})
    announce(stage, "SO-9", 30)
    issue(stage, 20, "SO-9")
    back = {"origin": "customer", "return_of": "SO-9"}
    op = stage.op()
    body = {"lines": [{"item": "BOLT", "quantity": 14}], "target": "DOCK", **back}
    stage.floor.stock.receive(op, stage.as_("mona"), body)
    with pytest.raises(Rejected, match="that would be 6 of BOLT today"):
        receive(stage, quantity=12, **back)
    with pytest.raises(Rejected, match="that would be 6 of PAINT today"):
        receive(stage, lines=[{"item": "PAINT", "lot": "L1", "quantity": 6}], **back)
    undo = stage.op()
    stage.floor.stock.reverse(undo, stage.as_("mona"), {"of": str(op), "reasons": ["wrong-order"]})
    stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(undo)}, PIN)
    receive(stage, quantity=20, **back)


def test_who_must_not_know_what_came_is_limited_by_what_was_announced(stage: Stage) -> None:
    policy(stage, blind_receipt={"quantity_max": 5})
    expect(stage)
    receive(stage, quantity=90, delivery="PO-7")
    plan = {"name": "Dock", "bins": ["DOCK"]}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), plan)
    receive(stage, quantity=100, delivery="PO-7", who="cora")
    with pytest.raises(Rejected, match="that would be 6 of BOLT today"):
        receive(stage, quantity=106, delivery="PO-7", who="cora")
    with stage.site.reading() as connection:
        (kept,) = connection.execute("SELECT COALESCE(SUM(quantity), 0) FROM day_sizes").fetchone()
    assert kept == 0
    receive(stage, quantity=105, delivery="PO-7", who="cora")
    with pytest.raises(Rejected, match="that would be 6 of BOLT today"):
        receive(stage, quantity=101, delivery="PO-7", who="cora")


def test_who_announced_what_is_known_after_an_upgrade(tmp_path: Path) -> None:
    older = db.create(tmp_path / store.DATABASE_FILE)
    db.migrate(older, store.STEPS[: store.STEPS.index(floor_store.ANNOUNCER_1)])
    with db.transaction(older):
        act = (b"o" * 16, "expect", b"m" * 32, b"", '{"op_id": "", "delivery": "PO-7"}', 1)
        older.execute("INSERT INTO acts VALUES (?, ?, ?, ?, ?, ?)", act)
        for name in ("PO-7", "PO-8"):
            older.execute("INSERT INTO expected VALUES (?, 'ACME', 0, 'open', '', 1)", (name,))
    older.close()
    with closing(store.open_writer(tmp_path)) as writer:
        found = writer.execute("SELECT delivery, announcer FROM expected ORDER BY delivery").fetchall()
    assert found == [("PO-7", b"m" * 32), ("PO-8", None)]


def test_adjustments_are_limited_gross_and_by_value(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 100})
    policy(stage, adjust={"value_max": 2_500})

    def adjust(change: int) -> None:
        line = {"item": "BOLT", "location": "A-01", "change": change, "reasons": ["lost"]}
        op = stage.op()
        stage.floor.stock.adjust(op, stage.as_("mona"), {"lines": [line]})
        stage.floor.stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(op)}, PIN)

    adjust(-6)
    with pytest.raises(Rejected, match="more value of BOLT in a day"):
        adjust(5)
    adjust(4)
    scrap = {"lines": [{"item": "BOLT", "quantity": 1}], "source": "A-01", "reasons": ["crushed"]}
    with pytest.raises(Rejected, match="more value of BOLT"):
        stage.floor.stock.scrap(stage.op(), stage.as_("mona"), scrap)


def test_an_issue_without_an_order_is_limited_and_one_that_happened_is_kept(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 100})
    policy(stage, issue_without_order={"quantity_max": 5})
    body = {"lines": [{"item": "BOLT", "quantity": 6}], "source": "A-01", "reasons": ["sample"]}
    with pytest.raises(Rejected, match="issue without an order 5"):
        stage.floor.stock.issue(stage.op(), stage.as_("mona"), body)
    with pytest.raises(Rejected, match="issue without an order 5"):
        stage.floor.stock.issue(stage.op(), stage.as_("mona"), {**body, "order": "SO-1"})
    announce(stage, "SO-1", 6)
    stage.floor.stock.issue(stage.op(), stage.as_("mona"), {**body, "order": "SO-1"})
    stage.floor.stock.issue(stage.op(), stage.as_("mona"), {**body, "happened": True})
    assert stage.stock("CUSTOMER", "BOLT") == 12


def test_what_an_order_does_not_want_is_issued_without_one(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 100}, {"item": "DRILL", "serial": "D1", "quantity": 1})
    policy(stage, issue_without_order={"quantity_max": 5})
    announce(stage, "SO-1", 6)
    issue, mona = stage.floor.stock.issue, stage.as_("mona")
    bolts = [{"item": "BOLT", "quantity": 3} for _ in range(4)]
    with pytest.raises(Rejected, match="that would be 6 of BOLT today"):
        issue(stage.op(), mona, {"lines": bolts, "source": "A-01", "order": "SO-1"})
    issue(stage.op(), mona, {"lines": bolts[:3], "source": "A-01", "order": "SO-1"})
    issue(
        stage.op(),
        mona,
        {"lines": [{"item": "DRILL", "serial": "D1", "quantity": 1}], "source": "A-01", "order": "SO-1"},
    )
    with pytest.raises(Rejected, match="that would be 6 of BOLT today"):
        issue(stage.op(), mona, {"lines": bolts[:1], "source": "A-01", "order": "SO-1"})


def test_a_list_of_an_order_that_somebody_typed_is_an_issue_without_one(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 100})
    policy(stage, issue_without_order={"quantity_max": 5})
    picking, mona, name = stage.floor.picking, stage.as_("mona"), stage.op()
    picking.open(name, mona, {"order": "typed", "lines": [{"item": "BOLT", "quantity": 6}]})
    picking.begin(stage.op(), mona, {"list": str(name), "tote": "A-02"})
    picked = {"list": str(name), "item": "BOLT", "quantity": 6, "source": "A-01"}
    picking.pick(stage.op(), mona, picked)
    with pytest.raises(Rejected, match="that would be 6 of BOLT today and you may issue without an order 5"):
        picking.issue(stage.op(), mona, {"list": str(name)})
    announce(stage, "typed", 6)
    assert picking.issue(stage.op(), mona, {"list": str(name)})["state"] == "recorded"


def test_an_order_that_nobody_knows_needs_a_reason_like_none(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 100})
    mona, issue = stage.as_("mona"), stage.floor.stock.issue
    body = {"lines": [{"item": "BOLT", "quantity": 6}], "source": "A-01", "order": "typed"}
    with pytest.raises(ReasonNeeded, match="order typed was not announced here: give a reason"):
        issue(stage.op(), mona, body)
    issue(stage.op(), mona, {**body, "reasons": ["sample"]})
    issue(stage.op(), mona, {**body, "lines": [{**body["lines"][0], "reasons": ["sample"]}]})
    issue(stage.op(), mona, {**body, "happened": True})
    op = stage.op()
    with stage.site.writing() as connection:
        streams.put(connection, ORDERS, "SO-1", {"lines": [["BOLT", 6]]})
    issue(op, mona, {**body, "order": "SO-1"})
    with stage.site.writing() as connection:
        streams.remove(connection, ORDERS, "SO-1")
    assert issue(op, mona, {**body, "order": "SO-1"})["state"] == "recorded", "a retry is answered all the same"
    assert stage.stock("CUSTOMER", "BOLT") == 24


def test_a_proposal_that_is_rejected_uses_nothing_up(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 100})
    policy(stage, adjust={"quantity_max": 6})
    wish = {"lines": [{"item": "BOLT", "location": "A-01", "change": -5, "reasons": ["lost"]}]}
    first = stage.op()
    stage.floor.stock.adjust(first, stage.as_("mona"), wish)
    with pytest.raises(Rejected, match="that would be 10 of BOLT today"):
        stage.floor.stock.adjust(stage.op(), stage.as_("mona"), wish)
    no = {"proposal": str(first), "reason": "wrong"}
    stage.floor.stock.proposals.reject(stage.op(), stage.as_("sven"), no)
    stage.floor.stock.adjust(stage.op(), stage.as_("mona"), wish)


def test_a_policy_that_cannot_be_read_lets_nothing_pass(stage: Stage) -> None:
    for said in ({"adjust": {"quantity_max": -1}}, {"adjust": {"most": 1}}, {"other": {}}):
        policy(stage, **said)
        line = {"item": "BOLT", "location": "A-01", "change": 1, "reasons": ["lost"]}
        with pytest.raises(Unavailable, match="policy stock cannot be read"):
            stage.floor.stock.adjust(stage.op(), stage.as_("mona"), {"lines": [line]})


def test_one_document_has_a_limit_of_its_own_over_all_its_items(stage: Stage) -> None:
    policy(stage, blind_receipt={"document_quantity_max": 15}, issue_without_order={"document_value_max": 1_000})
    drills = [{"item": "DRILL", "serial": f"D{number}", "quantity": 1} for number in range(6)]
    many = [{"item": "BOLT", "quantity": 10}, *drills]
    with pytest.raises(Rejected, match="16 in one document and you may receive without an expected delivery 15"):
        receive(stage, lines=many)
    receive(stage, lines=many[:-1])
    receive(stage, quantity=15)  # another document: what was before does not count
    expect(stage)
    receive(stage, lines=[{"item": "BOLT", "quantity": 100}], delivery="PO-7")
    assert receive(stage, lines=[many[0]] * 2, happened=True)["state"] == "recorded"

    def issue(*lines: dict[str, Any]) -> None:
        body = {"lines": list(lines), "source": "DOCK", "reasons": ["urgent"]}
        stage.floor.stock.issue(stage.op(), stage.as_("mona"), body)

    bolts = {"item": "BOLT", "quantity": 3}  # at 2.50 each
    with pytest.raises(Rejected, match="more value in one document than you may issue without an order"):
        issue(
            bolts, {"item": "DRILL", "serial": "D0", "quantity": 1}, {"item": "DRILL", "serial": "D1", "quantity": 1}
        )
    issue(bolts, {"item": "DRILL", "serial": "D0", "quantity": 1})
    issue(bolts, {"item": "DRILL", "serial": "D1", "quantity": 1})


def test_an_adjustment_has_it_too_without_regard_to_signs_and_both_limits_hold(stage: Stage) -> None:
    receive(stage, quantity=50)
    policy(stage, adjust={"document_quantity_max": 5, "quantity_max": 8})

    def adjust(*changes: int) -> None:
        lines = [{"item": "BOLT", "location": "DOCK", "change": change} for change in changes]
        stage.floor.stock.adjust(stage.op(), stage.as_("mona"), {"lines": lines, "reasons": ["lost"]})

    with pytest.raises(Rejected, match="6 in one document"):
        adjust(3, -3)
    adjust(3, -2)
    with pytest.raises(Rejected, match="9 of BOLT today"):
        adjust(4)
    adjust(3)
    with pytest.raises(Rejected, match="expected quantity_max, value_max, document_quantity_max"):
        read_policy("stock", {"adjust": {"document_max": 5}})
    with pytest.raises(Rejected, match="more than any limit"):
        read_policy("stock", {"adjust": {"document_value_max": 2**63}})
