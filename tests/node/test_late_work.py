"""Work that was done while a tablet had no contact is kept, whatever became of its list or receipt meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from devices.reads import NewRead
from ledger import control
from ledger.documents import OUT_OF_CONTACT, UNEXPLAINED, booking_op_id
from ledger.errors import Rejected
from ledger.ids import OpId
from node import tasks
from node.rounds import open_round
from tests.node.floor_kit import GTINS, PIN, Stage, code_of, introduce
from tests.node.test_contact import HOUR_MS, document_of, excepted, late, sent_twice

BOLTS = {"item": "BOLT", "quantity": 4}


@pytest.fixture
def stage(stage: Stage) -> Stage:
    bins = (control.Location(location="A-03", kind=control.BIN), control.Location(location="T-1", kind=control.BIN),
            control.Location(location="T-2", kind=control.BIN))  # fmt: skip
    stage.world.send(stage.site, control.LocationsPayload(locations=bins))
    stage.receive({"item": "BOLT", "quantity": 20})
    return stage


def opened(stage: Stage, quantity: int = 6, order: str = "SO-1") -> str:
    op = stage.op()
    wish = {"order": order, "lines": [{"item": "BOLT", "quantity": quantity}]}
    stage.floor.picking.open(op, stage.as_("mona"), wish)
    return str(op)


def begun(stage: Stage, name: str, tote: str = "T-1", who: str = "mona") -> None:
    stage.floor.picking.begin(stage.op(), stage.as_(who), {"list": name, "tote": tote})


def pick_of(name: str, quantity: int = 2) -> dict[str, Any]:
    return {"list": name, "item": "BOLT", "quantity": quantity, "source": "A-01"}


def suspected(stage: Stage, op_id: OpId, place: str) -> None:
    """The act is kept as an exception at this place, which is to be counted."""
    with stage.site.reading() as connection:
        rows = connection.execute("SELECT location FROM exceptions WHERE op_id = ?", (op_id.raw,)).fetchall()
        assert rows == [(place,)]
        assert place in stage.floor.lookups.suspects(connection) and open_round(connection, place)
    assert document_of(stage, op_id).marks[0] == OUT_OF_CONTACT


def shown(stage: Stage, name: str, who: str = "mona") -> dict[str, Any]:
    with stage.site.reading() as connection:
        return stage.floor.picking.show(connection, stage.as_(who), OpId.parse(name))


# ------------------------------------------------------------ a list begun without contact


def second_picker(stage: Stage) -> None:
    introduce(stage.world, stage.site, "olga", ("ISSUE", "MOVE"))
    answer = stage.floor.people.activate(stage.op(), "olga", code_of("olga"), PIN, "tablet-2")
    stage.tokens["olga"] = answer["token"]


def test_a_tote_that_was_not_empty_is_the_lists_tote_when_the_picker_has_gone_on(stage: Stage) -> None:
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [BOLTS], "source": "A-01", "target": "T-1"})
    name = opened(stage)
    body = {"list": name, "tote": "T-1"}
    with pytest.raises(Rejected, match="not empty"):
        stage.floor.picking.begin(stage.op(), stage.as_("mona"), body)
    op_id, answer = sent_twice(stage, stage.floor.picking.begin, body)
    assert answer["exception"] is True and shown(stage, name)["tote"] == "T-1"
    suspected(stage, op_id, "T-1")
    _, answer = sent_twice(stage, stage.floor.picking.pick, pick_of(name))
    assert "exception" not in answer and stage.stock("T-1", "BOLT") == 6


def test_who_began_a_list_that_another_had_begun_picks_into_the_tote_they_have(stage: Stage) -> None:
    second_picker(stage)
    name = opened(stage)
    begun(stage, name, "T-1")
    body = {"list": name, "tote": "T-2"}
    with pytest.raises(Rejected, match="picked into T-1 already"):
        stage.floor.picking.begin(stage.op(), stage.as_("olga"), body)
    op_id, answer = sent_twice(stage, stage.floor.picking.begin, body, "olga")
    assert answer["exception"] is True and answer["tote"] == "T-2"
    suspected(stage, op_id, "T-2")
    sent_twice(stage, stage.floor.picking.pick, pick_of(name), "olga")
    stage.floor.picking.pick(stage.op(), stage.as_("mona"), pick_of(name))
    assert (stage.stock("T-1", "BOLT"), stage.stock("T-2", "BOLT")) == (2, 2)
    assert shown(stage, name)["picked"] == {"BOLT": 4} and shown(stage, name)["missing"] == {}
    assert (shown(stage, name)["tote"], shown(stage, name, "olga")["tote"]) == ("T-1", "T-2")
    with pytest.raises(Rejected, match="T-1 is not empty"):
        stage.floor.picking.cancel(stage.op(), stage.as_("mona"), {"list": name, "reason": "later"})
    stage.floor.picking.issue(stage.op(), stage.as_("mona"), {"list": name, "confirm": True})
    assert (stage.stock("T-1", "BOLT"), stage.stock("T-2", "BOLT"), stage.stock("CUSTOMER", "BOLT")) == (0, 0, 4)


def test_what_was_picked_for_a_list_that_had_ended_is_kept_with_the_tote_it_went_into(stage: Stage) -> None:
    name = opened(stage)
    stage.floor.picking.cancel(stage.op(), stage.as_("mona"), {"list": name, "reason": "later"})
    op_id, answer = sent_twice(stage, stage.floor.picking.begin, {"list": name, "tote": "T-2"})
    assert answer["exception"] is True
    suspected(stage, op_id, "T-2")
    op_id, answer = sent_twice(stage, stage.floor.picking.pick, pick_of(name))
    assert answer["exception"] is True
    assert excepted(stage, op_id) == [("A-01", "BOLT", 2, "A-01", "T-2")]
    assert shown(stage, name)["state"] == "cancelled"


def test_a_pick_for_a_list_that_nobody_began_is_kept_without_its_tote(stage: Stage) -> None:
    name = opened(stage)
    with pytest.raises(Rejected, match="scan the tote first"):
        stage.floor.picking.pick(stage.op(), stage.as_("mona"), pick_of(name))
    op_id, answer = sent_twice(stage, stage.floor.picking.pick, pick_of(name))
    assert answer["exception"] is True and answer["left"] == 6
    assert excepted(stage, op_id) == [("A-01", "BOLT", 2, "A-01", "")]


def test_the_same_tote_said_again_is_no_doubt(stage: Stage) -> None:
    name = opened(stage)
    begun(stage, name)
    _, answer = sent_twice(stage, stage.floor.picking.begin, {"list": name, "tote": "T-1"})
    assert "exception" not in answer


# ------------------------------------------------------------ short, and issued


def test_a_short_pick_of_a_list_that_has_ended_has_its_bin_checked(stage: Stage) -> None:
    name = opened(stage)
    begun(stage, name)
    stage.floor.picking.cancel(stage.op(), stage.as_("mona"), {"list": name, "reason": "later"})
    body = {"list": name, "location": "A-01", "item": "BOLT", "reasons": ["not-there"]}
    with pytest.raises(Rejected, match="cancelled already"):
        stage.floor.picking.short(stage.op(), stage.as_("mona"), body)
    op_id, answer = sent_twice(stage, stage.floor.picking.short, body)
    assert (answer["short"], answer["missing"]) == (0, 0)
    suspected(stage, op_id, "A-01")
    with pytest.raises(Rejected, match="item"):
        stage.floor.picking.short(stage.op(), late(stage, "mona", HOUR_MS), {**body, "item": "NONE"})


def test_a_short_pick_that_nothing_promises_any_more_is_kept(stage: Stage) -> None:
    name = opened(stage)
    begun(stage, name)
    body = {"list": name, "location": "A-01", "item": "BOLT"}
    stage.floor.picking.pick(stage.op(), stage.as_("mona"), pick_of(name, 6))
    with pytest.raises(Rejected, match="nothing of BOLT is promised"):
        stage.floor.picking.short(stage.op(), stage.as_("mona"), body)
    op_id, answer = sent_twice(stage, stage.floor.picking.short, body)
    assert answer["short"] == 0
    suspected(stage, op_id, "A-01")


def test_an_issue_of_a_list_that_has_ended_has_its_tote_counted_and_touches_nobody_elses_goods(stage: Stage) -> None:
    name = opened(stage)
    begun(stage, name)
    stage.floor.picking.pick(stage.op(), stage.as_("mona"), pick_of(name, 6))
    stage.floor.picking.issue(stage.op(), stage.as_("mona"), {"list": name})
    again = opened(stage, 3, "SO-2")
    begun(stage, again)
    stage.floor.picking.pick(stage.op(), stage.as_("mona"), pick_of(again, 3))
    with pytest.raises(Rejected, match="issued already"):
        stage.floor.picking.issue(stage.op(), stage.as_("mona"), {"list": name})
    op_id, answer = sent_twice(stage, stage.floor.picking.issue, {"list": name})
    assert answer["exception"] is True and answer["lines"] == 0
    suspected(stage, op_id, "T-1")
    assert stage.stock("T-1", "BOLT") == 3 and shown(stage, again)["state"] == "open"


def test_an_issue_from_a_tote_that_the_books_have_empty_ends_the_list(stage: Stage) -> None:
    name = opened(stage)
    begun(stage, name)
    with pytest.raises(Rejected, match="T-1 is empty"):
        stage.floor.picking.issue(stage.op(), stage.as_("mona"), {"list": name, "confirm": True})
    op_id, answer = sent_twice(stage, stage.floor.picking.issue, {"list": name})
    assert answer["exception"] is True
    suspected(stage, op_id, "T-1")
    assert shown(stage, name)["state"] == "issued"
    opened(stage, 20, "SO-2")  # everything is free again


def test_an_issue_of_a_list_that_nobody_began_ends_it_and_has_the_promised_bins_counted(stage: Stage) -> None:
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [BOLTS], "source": "A-01", "target": "A-03"})
    name = opened(stage, 20)
    with pytest.raises(Rejected, match="scan the tote first"):
        stage.floor.picking.issue(stage.op(), stage.as_("mona"), {"list": name, "confirm": True})
    op_id, answer = sent_twice(stage, stage.floor.picking.issue, {"list": name})
    assert (answer["exception"], answer["lines"]) == (True, 0)
    suspected(stage, op_id, "A-01")
    with stage.site.reading() as connection:
        assert open_round(connection, "A-03")
    assert shown(stage, name)["state"] == "issued"
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-03", "BOLT")) == (16, 4)
    with stage.site.reading() as connection:
        assert connection.execute("SELECT SUM(rest) FROM reservations").fetchone() == (0,)


def test_an_issue_of_a_list_that_was_cancelled_before_anybody_began_is_kept_without_a_place(stage: Stage) -> None:
    name = opened(stage)
    stage.floor.picking.cancel(stage.op(), stage.as_("mona"), {"list": name, "reason": "later"})
    op_id, answer = sent_twice(stage, stage.floor.picking.issue, {"list": name})
    assert answer["exception"] is True and document_of(stage, op_id).references == {"order": "SO-1"}
    assert shown(stage, name)["state"] == "cancelled"


# ------------------------------------------------------------ scanned together


def scanned(stage: Stage, *codes: str) -> None:
    stage.floor.people.bind_device(stage.as_("mona"), "gun")
    for code in codes:
        stage.world.clock.advance(1_000)
        stage.journal.record([NewRead("gun", code.encode())])
        stage.floor.scanning.drain(stage.journal)


def began(stage: Stage, kind: str, **where: str) -> None:
    stage.floor.stock.begin(stage.op(), stage.as_("mona"), {"kind": kind, **where})


def test_a_receipt_with_codes_that_nobody_explained_is_booked_and_its_bin_counted(stage: Stage) -> None:
    began(stage, "receive", target="A-02")
    scanned(stage, GTINS["BOLT"], GTINS["BOLT"], "4012345678901")
    with pytest.raises(Rejected, match="1 scans are not explained"):
        stage.floor.stock.finish(stage.op(), stage.as_("mona"), {})
    op_id, answer = sent_twice(stage, stage.floor.stock.finish, {})
    assert answer["exception"] is True and stage.stock("A-02", "BOLT") == 2
    assert document_of(stage, op_id).marks == (OUT_OF_CONTACT, UNEXPLAINED)
    with stage.site.reading() as connection:
        assert "A-02" in stage.floor.lookups.suspects(connection) and open_round(connection, "A-02")
        assert connection.execute("SELECT state FROM parked").fetchall() == [("open",)]
        assert connection.execute("SELECT state FROM tasks WHERE kind = 'receive'").fetchall() == [("closed",)]


def test_a_receipt_of_nothing_but_unknown_codes_is_kept(stage: Stage) -> None:
    began(stage, "receive", target="A-02")
    scanned(stage, "4012345678901")
    op_id, answer = sent_twice(stage, stage.floor.stock.finish, {})
    assert answer["exception"] is True
    suspected(stage, op_id, "A-02")
    began(stage, "move")  # the other one is over


def test_a_receipt_for_which_no_bin_was_scanned_is_kept_without_a_place(stage: Stage) -> None:
    began(stage, "receive")
    scanned(stage, GTINS["BOLT"])
    op_id, answer = sent_twice(stage, stage.floor.stock.finish, {})
    assert answer["exception"] is True and document_of(stage, op_id).marks == (OUT_OF_CONTACT, UNEXPLAINED)
    with stage.site.reading() as connection:
        rows = connection.execute("SELECT location FROM exceptions WHERE op_id = ?", (op_id.raw,)).fetchall()
        assert rows == [("",)] and "" not in stage.floor.lookups.suspects(connection)


def test_a_move_whose_target_nobody_scanned_is_kept(stage: Stage) -> None:
    began(stage, "move", source="A-01")
    scanned(stage, GTINS["BOLT"])
    with pytest.raises(Rejected, match="scan the bin where the goods go"):
        stage.floor.stock.finish(stage.op(), stage.as_("mona"), {})
    op_id, answer = sent_twice(stage, stage.floor.stock.finish, {})
    assert answer["exception"] is True and excepted(stage, op_id) == [("A-01", "BOLT", 1, "A-01", "")]


# ------------------------------------------------------------ given up, or done with, on another tablet meanwhile


def beginning(stage: Stage, kind: str, **where: str) -> int:
    answer = stage.floor.stock.begin(stage.op(), stage.as_("mona"), {"kind": kind, **where})
    return int(answer["task"])


def sent(stage: Stage, task: int, code: str, waited_ms: int = HOUR_MS) -> dict[str, Any]:
    """What becomes of a code that a tablet scanned in this task and sends so much later."""
    stage.world.clock.advance(1_000)
    context = {"task": task, "waited_ms": waited_ms}
    [read] = stage.journal.record([NewRead("tablet-x", code.encode(), context=context, client_id=str(stage.op()))])
    return stage.floor.scanning.take(read, stage.as_("mona"))


def tally_of(stage: Stage, task: int) -> list[tuple[str, int]]:
    with stage.site.reading() as connection:
        return [(line.thing.item, line.quantity) for line in tasks.tally(connection, task)]


@pytest.mark.parametrize("end", ["finish", "drop"])
def test_a_late_scan_of_one_receipt_is_added_to_no_other(stage: Stage, end: str) -> None:
    first = beginning(stage, "receive", target="A-01")
    assert sent(stage, first, GTINS["BOLT"], 0)["outcome"] == "counted"
    getattr(stage.floor.stock, end)(stage.op(), stage.as_("mona"), {})
    second = beginning(stage, "receive", target="A-02")
    late_ms = HOUR_MS if end == "finish" else 0  # one that was given up takes what was done there without contact
    for code in (GTINS["BOLT"], "BIN:A-03"):
        assert sent(stage, first, code, late_ms)["outcome"] == "late"
    assert tally_of(stage, second) == []
    with stage.site.reading() as connection:
        left = stage.floor.parking.left(connection, stage.as_("sven"))
        # Of what was booked somebody has to say what this is; what was given up is given up.
        found = [(each["hint"]["item"], each["place"]) for each in left]
        assert found == ([("BOLT", "A-01")] if end == "finish" else [])
        task = tasks.current(connection, stage.as_("mona").actor)
    assert task is not None and (task.task, task.target) == (second, "A-02")


def test_a_receipt_that_was_given_up_is_finished_by_the_tablet_that_went_on_in_it(stage: Stage) -> None:
    first = beginning(stage, "receive", target="A-01")
    sent(stage, first, GTINS["BOLT"], 0)
    stage.floor.stock.drop(stage.op(), stage.as_("mona"), {"task": first})
    second = beginning(stage, "receive", target="A-02")
    before = stage.stock("A-01", "BOLT")
    assert sent(stage, first, GTINS["BOLT"])["outcome"] == "counted"
    stage.floor.counting.undo(stage.op(), late(stage, "mona", HOUR_MS), {"task": first})
    line = {"item": "BOLT", "quantity": 5, "place": "A-01", "task": first}
    stage.floor.stock.enter(stage.op(), late(stage, "mona", HOUR_MS), line)
    part = {"item": "BOLT", "quantity": 1, "held": "damage", "place": "A-01", "task": first}
    stage.floor.stock.part(stage.op(), late(stage, "mona", HOUR_MS), part)
    assert tally_of(stage, second) == []
    op_id, answer = sent_twice(stage, stage.floor.stock.finish, {"task": first})
    assert "exception" not in answer and stage.stock("A-01", "BOLT") == before + 5
    assert document_of(stage, op_id).marks == (OUT_OF_CONTACT,)
    with stage.site.reading() as connection:
        held = connection.execute("SELECT quantity FROM stock WHERE location = 'A-01' AND status != 0").fetchall()
        assert held == [(1,)]
        task = tasks.current(connection, stage.as_("mona").actor)
    assert task is not None and task.task == second, "the receipt of the other tablet goes on"


@pytest.mark.parametrize("waited_ms", [0, HOUR_MS])
def test_what_was_meant_for_a_receipt_that_is_over_ends_no_other(stage: Stage, waited_ms: int) -> None:
    first = beginning(stage, "receive", target="A-01")
    sent(stage, first, GTINS["BOLT"], 0)
    stage.floor.stock.finish(stage.op(), stage.as_("mona"), {"task": first})
    second = beginning(stage, "receive", target="A-02")
    sent(stage, second, GTINS["BOLT"], 0)
    who = late(stage, "mona", waited_ms)
    line = {"item": "BOLT", "quantity": 9}
    for act, wish in (
        (stage.floor.stock.finish, {}), (stage.floor.stock.drop, {}), (stage.floor.stock.enter, line),
        (stage.floor.stock.part, {**line, "held": "damage"}), (stage.floor.counting.undo, {}),
    ):  # fmt: skip
        with pytest.raises(Rejected, match="open"):
            act(stage.op(), who, {**wish, "task": first})
    assert tally_of(stage, second) == [("BOLT", 1)]


# ------------------------------------------------------------ a place that the node does not know yet


def test_goods_brought_to_a_bin_whose_label_is_news_to_the_node_are_kept(stage: Stage) -> None:
    name = opened(stage)
    begun(stage, name)
    body = {"lines": [BOLTS], "source": "A-01", "target": "A-33"}
    with pytest.raises(Rejected, match="not known here"):
        stage.floor.stock.move(stage.op(), stage.as_("mona"), body)
    op_id, answer = sent_twice(stage, stage.floor.stock.move, body)
    assert answer["exception"] is True and excepted(stage, op_id) == [("A-01", "BOLT", 4, "A-01", "A-33")]
    op_id, answer = sent_twice(stage, stage.floor.picking.pick, {**pick_of(name), "source": "A-34"})
    assert answer["exception"] is True
    with stage.site.reading() as connection:
        rows = connection.execute("SELECT location FROM exceptions WHERE op_id = ?", (op_id.raw,)).fetchall()
    assert rows == [("A-34",)]


# ------------------------------------------------------------ lines that nobody here understands

STRANGE = {
    "an item": ({"item": "NEW", "quantity": 3}, "NEW", "item 'NEW' is not known here"),
    "a barcode": ({"barcode": "4012345678901", "quantity": 3}, "4012345678901", "no item has the barcode"),
    "no lot": ({"item": "PAINT", "quantity": 3}, "PAINT", "its lot is needed"),
    "a lot too many": ({"item": "BOLT", "lot": "L1", "quantity": 3}, "BOLT", "it has no lots"),
    "a place": ({"item": "BOLT", "quantity": 3, "target": "A-33"}, "BOLT", "not known here"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_move_with_a_line_that_nobody_understands_is_booked_without_it(stage: Stage, name: str) -> None:
    line, item, why = STRANGE[name]
    body = {"lines": [BOLTS, line, {**BOLTS, "target": "A-03"}], "source": "A-01", "target": "A-02"}
    with pytest.raises(Rejected, match=why):
        stage.floor.stock.move(stage.op(), stage.as_("mona"), body)
    op_id, answer = sent_twice(stage, stage.floor.stock.move, body)
    assert answer["exception"] is True and answer["parts"] == 2
    assert (stage.stock("A-02", "BOLT"), stage.stock("A-03", "BOLT"), stage.stock("A-01", "BOLT")) == (4, 4, 12)
    assert excepted(stage, booking_op_id(op_id, 1)) == []
    target = line.get("target", "A-02")
    assert excepted(stage, booking_op_id(op_id, 2)) == [("A-01", item, 3, "A-01", target)]
    with stage.site.reading() as connection:
        found = stage.floor.lookups.operation(connection, stage.as_("mona"), op_id)
    assert [each["exception"] for each in found["parts"]] == [False, True]


def test_nothing_but_what_nobody_understands_is_kept_in_one_piece(stage: Stage) -> None:
    lines = [{"item": "NEW", "quantity": 3}, {"barcode": "4012345678901", "quantity": 1}]
    op_id, answer = sent_twice(stage, stage.floor.stock.move, {"lines": lines, "source": "A-01", "target": "A-02"})
    assert answer["exception"] is True and [line[1] for line in excepted(stage, op_id)] == ["NEW", "4012345678901"]


def test_other_acts_keep_what_nobody_understands_as_well(stage: Stage) -> None:
    stock, strange = stage.floor.stock, {"item": "NEW", "quantity": 3}
    lines = {"lines": [strange, BOLTS]}
    for verb, body, ends in (
        (stock.receive, {"target": "A-02"}, ("A-02", "SUPPLIER", "A-02")),
        (stock.receive, {"target": "A-02", "origin": "customer", "return_of": "SO-1"}, ("A-02", "CUSTOMER", "A-02")),
        (stock.issue, {"source": "A-01", "order": "SO-1"}, ("A-01", "A-01", "CUSTOMER")),
    ):
        op_id, answer = sent_twice(stage, verb, {**lines, **body})
        place, *way = ends
        assert answer["exception"] is True
        assert excepted(stage, booking_op_id(op_id, 2)) == [(place, "NEW", 3, *way)]
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-02", "BOLT")) == (16, 8)
    why = {"reasons": ["crushed"]}
    held = {"held": "damage", "lines": [{**strange, "location": "A-01"}], **why}
    op_id, answer = sent_twice(stage, stock.hold, held)
    assert answer["exception"] is True and excepted(stage, op_id) == [("A-01", "NEW", 3, "A-01", "CHANGE")]
    op_id, answer = sent_twice(stage, stock.scrap, {"lines": [strange], "source": "A-01", **why})
    assert answer["state"] == "proposed"
    stock.proposals.approve(stage.op(), stage.as_("sven"), {"proposal": str(op_id)}, PIN)
    assert excepted(stage, op_id) == [("A-01", "NEW", 3, "A-01", "SHRINKAGE")]


@pytest.mark.parametrize("goods", [{"item": "NEW"}, {"item": "BOLT", "lot": "L1"}])
def test_a_pick_of_what_nobody_understands_is_kept(stage: Stage, goods: dict[str, str]) -> None:
    name = opened(stage)
    begun(stage, name)
    body = {**pick_of(name), **goods}
    with pytest.raises(Rejected, match=r"is not known here|it has no lots"):
        stage.floor.picking.pick(stage.op(), stage.as_("mona"), body)
    op_id, answer = sent_twice(stage, stage.floor.picking.pick, body)
    assert answer["exception"] is True and excepted(stage, op_id) == [("A-01", goods["item"], 2, "A-01", "T-1")]
    assert stage.stock("A-01", "BOLT") == 20


def test_a_dispatch_of_what_nobody_understands_is_kept(stage: Stage) -> None:
    body = {
        "receiver": "bergen",
        "lines": [BOLTS, {"item": "NEW", "quantity": 3}],
        "source": "A-01",
        "happened": True,
    }
    op_id = stage.op()
    answer = stage.floor.transfers.dispatch(op_id, stage.as_("sven"), body, PIN)
    assert answer["exception"] is True and [line[1] for line in excepted(stage, op_id)] == ["BOLT", "NEW"]


def test_who_states_an_act_reads_the_label_again_while_they_are_there(stage: Stage) -> None:
    lines = [{"item": "NEW", "quantity": 2, "source": "A-01", "target": "SHRINKAGE"}]
    stated = {"location": "A-01", "reason": "broken", "lines": lines}
    with pytest.raises(Rejected, match="item 'NEW' is not known here"):
        stage.floor.stock.except_document(stage.op(), stage.as_("mona"), stated)
    op_id, _ = sent_twice(stage, stage.floor.stock.except_document, stated)
    assert excepted(stage, op_id) == [("A-01", "NEW", 2, "A-01", "SHRINKAGE")]


# ------------------------------------------------------------ lines that the books have no room for


def short(stage: Stage) -> dict[str, Any]:
    """A move of an hour ago of three lines; of the second somebody has used the goods since."""
    stage.receive({"item": "PAINT", "lot": "L1", "quantity": 5})
    gone = {"item": "PAINT", "lot": "L1", "quantity": 3}
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {"lines": [gone], "source": "A-01", "target": "T-1"})
    return {"lines": [BOLTS, gone, {**BOLTS, "target": "A-03"}], "source": "A-01", "target": "A-02"}


def test_a_move_of_which_one_line_lacks_stock_is_booked_without_it(stage: Stage) -> None:
    body = short(stage)
    with pytest.raises(Rejected, match="not enough stock"):
        stage.floor.stock.move(stage.op(), stage.as_("mona"), body)
    op_id, answer = sent_twice(stage, stage.floor.stock.move, body)
    assert answer["exception"] is True and answer["parts"] == 2
    assert (stage.stock("A-02", "BOLT"), stage.stock("A-03", "BOLT"), stage.stock("A-01", "BOLT")) == (4, 4, 12)
    assert (stage.stock("A-01", "PAINT"), stage.stock("A-02", "PAINT")) == (2, 0)
    assert excepted(stage, booking_op_id(op_id, 1)) == []
    assert excepted(stage, booking_op_id(op_id, 2)) == [("A-01", "PAINT", 3, "A-01", "A-02")]


def test_lines_stand_in_their_order_and_together(stage: Stage) -> None:
    """20 are there: 12 and 8 stand, 9 between them do not; what a line brings a later one may take on."""
    on = {"item": "BOLT", "quantity": 12, "source": "A-02", "target": "A-03"}
    amounts = [{"item": "BOLT", "quantity": each} for each in (12, 9, 8)]
    body = {"lines": [*amounts, on], "source": "A-01", "target": "A-02"}
    op_id, answer = sent_twice(stage, stage.floor.stock.move, body)
    assert answer["exception"] is True
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-02", "BOLT"), stage.stock("A-03", "BOLT")) == (0, 8, 12)
    assert excepted(stage, booking_op_id(op_id, 2)) == [("A-01", "BOLT", 9, "A-01", "A-02")]


def test_what_lacks_stock_and_what_nobody_understands_are_kept_together(stage: Stage) -> None:
    body = short(stage)
    body["lines"].append({"item": "NEW", "quantity": 1})
    op_id, answer = sent_twice(stage, stage.floor.stock.move, body)
    assert answer["exception"] is True and answer["parts"] == 2
    assert [line[1] for line in excepted(stage, booking_op_id(op_id, 2))] == ["PAINT", "NEW"]


def test_a_counter_is_not_told_by_the_parts_that_a_line_lacked_stock(stage: Stage) -> None:
    body = short(stage)
    stage.floor.counting.open_session(
        stage.op(), stage.as_("sven"), {"name": "W", "bins": ["A-01"], "rule": {"control_percent": 0}}
    )
    op_id, answer = sent_twice(stage, stage.floor.stock.move, body, "cora")
    assert {name: answer[name] for name in answer if name != "op_id"} == {"state": "recorded"}, answer
    assert stage.stock("A-02", "BOLT") == 4 and excepted(stage, booking_op_id(op_id, 2))


@pytest.mark.parametrize("verb", ["receive", "issue"])
def test_a_receipt_and_an_issue_are_booked_as_far_as_they_stand_too(stage: Stage, verb: str) -> None:
    stock = stage.floor.stock
    stage.receive({"item": "DRILL", "serial": "S1", "quantity": 1})
    act, line, body = {
        "receive": (stock.receive, {"item": "DRILL", "serial": "S1", "quantity": 1}, {"target": "A-02"}),
        "issue": (stock.issue, {"item": "BOLT", "quantity": 4_000}, {"source": "A-01", "order": "SO-1"}),
    }[verb]
    op_id, answer = sent_twice(stage, act, {"lines": [line, BOLTS], **body})
    assert answer["exception"] is True and excepted(stage, booking_op_id(op_id, 2))[0][1] == line["item"]
    assert stage.stock("A-01", "BOLT") == (16 if verb == "issue" else 20)
