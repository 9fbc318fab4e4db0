"""The main job on a real site: counting bins blind, recounts, approval by a second person, posting."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.seams import Killed, arm_failpoint, disarm_failpoints
from tests.node.floor_kit import BOX, GTINS, PIN, Stage, actor_of
from tests.node.world import BINS

NEVER = {"control_percent": 0}


def session(stage: Stage, *bins: Any, rule: dict[str, Any] | None = None, draft: bool = False) -> OpId:
    op = stage.op()
    wish = {"name": "Week 47", "bins": list(bins), "rule": rule or NEVER, "draft": draft}
    stage.floor.counting.open_session(op, stage.as_("sven"), wish)
    return op


def close(stage: Stage, bin_: str, who: str = "cora") -> dict[str, Any]:
    op = stage.op()
    asked = stage.floor.counting.close_bin(op, stage.as_(who), {"bin": bin_})
    assert set(asked) == {"op_id", "ask"}
    return stage.floor.counting.close_bin(op, stage.as_(who), {"bin": bin_, "confirm": True})


def state(stage: Stage, number: OpId, bin_: str) -> dict[str, Any]:
    with stage.site.reading() as connection:
        bins = stage.floor.counting.review.overview(connection, stage.as_("sven"), number)["bins"]
    return next(each for each in bins if each["bin"] == bin_)


def approve(stage: Stage, number: OpId, bin_: str, who: str = "sven", **more: Any) -> dict[str, Any]:
    body = {"session": str(number), "bin": bin_, "reason": "miscounted-before", **more}
    return stage.floor.counting.posting.approve(stage.op(), stage.as_(who), body, PIN)


def test_a_bin_is_counted_recounted_approved_and_posted(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 20}, {"item": "PAINT", "lot": "L1", "quantity": 5})
    number = session(stage, "A-01", "A-02")

    assert stage.scan("BIN:A-01")["outcome"] == "opened"
    assert stage.scan(f"]C101{BOX}") == {
        "outcome": "counted", "item": "BOLT", "counted": 12, "name": "Bolt 8", "quantity": 12,
    }  # fmt: skip
    assert stage.scan(f"]E0{GTINS['BOLT'][1:]}")["counted"] == 13
    entered = stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 18})
    assert entered["counted"] == 18
    assert close(stage, "A-01")["state"] == "counted"

    # The paint was not found and two bolts are missing: somebody else counts again.
    assert state(stage, number, "A-01")["why"] == "variance"
    with pytest.raises(Rejected, match="somebody else"):
        stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("carl"), {"item": "BOLT", "quantity": 18})
    close(stage, "A-01", "carl")
    assert state(stage, number, "A-01")["state"] == "review"

    shown = stage.floor.counting.review.bin_review(stage.as_("sven"), number, "A-01")
    assert [round_["agreed"] for round_ in shown["rounds"]] == [False, True]
    assert [(line["item"], line["counted"], line["expected"]) for line in shown["rounds"][1]["lines"]] == [
        ("BOLT", 18, 20),
        ("PAINT", 0, 5),
    ]
    answer = approve(stage, number, "A-01")
    assert answer["state"] == "posted"
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-01", "PAINT")) == (18, 0)
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM count_lines WHERE posted IS NULL").fetchone() == (2,)


def test_an_empty_bin_is_a_line_of_its_own(stage: Stage) -> None:
    number = session(stage, "A-02")
    stage.scan("BIN:A-02")
    with pytest.raises(Rejected, match="declare it empty"):
        close_sure(stage, "A-02")
    stage.floor.counting.empty(stage.op(), stage.as_("cora"), {})
    close(stage, "A-02")  # asks although the books have nothing here either
    assert approve(stage, number, "A-02")["state"] == "posted"
    with stage.site.reading() as connection:
        assert connection.execute("SELECT state FROM count_sessions").fetchone() == ("closed",)
    assert stage.site.pending_count() == 0  # the end of a session is sealed at once


def close_sure(stage: Stage, bin_: str, who: str = "cora") -> dict[str, Any]:
    return stage.floor.counting.close_bin(stage.op(), stage.as_(who), {"bin": bin_, "confirm": True})


def test_a_move_during_the_count_makes_it_unstable_and_is_never_erased(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 20})
    number = session(stage, "A-01")
    stage.scan("BIN:A-01")
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 20})
    stage.floor.stock.move(
        stage.op(),
        stage.as_("mona"),
        {"lines": [{"item": "BOLT", "quantity": 4}], "source": "A-01", "target": "A-02"},
    )
    close_sure(stage, "A-01")
    assert state(stage, number, "A-01")["why"] == "unstable"
    stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("carl"), {"item": "BOLT", "quantity": 15})
    close_sure(stage, "A-01", "carl")
    state_now = state(stage, number, "A-01")
    assert state_now["state"] == "waiting"  # one bolt short of 16: the third counter decides
    stage.floor.counting.open_bin(stage.op(), stage.as_("tess"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("tess"), {"item": "BOLT", "quantity": 15})
    close_sure(stage, "A-01", "tess")
    # Goods that move between count and posting stay moved.
    stage.floor.stock.move(
        stage.op(),
        stage.as_("mona"),
        {"lines": [{"item": "BOLT", "quantity": 10}], "source": "A-01", "target": "A-02"},
    )
    approve(stage, number, "A-01")
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-02", "BOLT")) == (5, 14)


def test_nothing_a_counter_gets_tells_what_is_expected(stage: Stage) -> None:
    """The same acts on a bin that holds 7,777 and on an empty one: every answer to the counter is the same."""
    stage.receive({"item": "BOLT", "quantity": 7_777})
    session(stage, {"bin": "A-01"}, {"bin": "A-02"})
    cora = stage.as_("cora")
    known = stage.receive({"item": "BOLT", "quantity": 1})
    with stage.site.reading() as connection:
        shown = stage.floor.lookups.operation(connection, cora, known)
        assert shown["being_counted"] is True and "lines" not in shown
        assert not stage.floor.lookups.may_open(connection, cora, known)
        assert stage.floor.lookups.may_open(connection, stage.as_("mona"), known)
    heard: dict[str, list[str]] = {}
    for bin_ in ("A-01", "A-02"):
        said: list[Any] = []
        said.append(stage.scan(f"BIN:{bin_}"))
        said.append(stage.scan(f"]E0{GTINS['BOLT'][1:]}"))
        with stage.site.reading() as connection:
            said.append(stage.floor.counting.screen(connection, cora))
            said.append(stage.floor.counting.mine(connection, cora))
            said.append(stage.floor.lookups.bin(connection, cora, bin_))
            said.append(stage.floor.lookups.item(connection, cora, "BOLT")["stock"])
            with pytest.raises(Rejected) as refusal:
                stage.floor.lookups.serial(connection, cora, "DRILL", "S1")
            said.append(str(refusal.value))
        body = {"lines": [{"item": "BOLT", "quantity": 8_000}], "source": bin_, "target": "DOCK"}
        said.append(stage.floor.stock.move(stage.op(), cora, body))
        op = stage.op()
        said.append(stage.floor.counting.close_bin(op, cora, {"bin": bin_}))
        said.append(stage.floor.counting.close_bin(op, cora, {"bin": bin_, "confirm": True}))
        with stage.site.reading() as connection:
            said.append(stage.floor.lookups.operation(connection, cora, op))
        for call in ("sessions", "overview", "bin_review"):
            with pytest.raises(Rejected, match="APPROVE"):
                if call == "sessions":
                    stage.floor.counting.review.sessions(connection, cora)
                elif call == "overview":
                    stage.floor.counting.review.overview(connection, cora, op)
                else:
                    stage.floor.counting.review.bin_review(cora, op, bin_)
        heard[bin_] = [_plain(answer, bin_) for answer in said]
        assert not any(number in json.dumps(said) for number in ("7777", "7778"))
    assert heard["A-01"] == heard["A-02"]


def _plain(answer: Any, bin_: str) -> str:
    """An answer without what differs for reasons of its own: the bin's name, ids, times and places in the chain."""
    drop = {"op_id", "operations", "session", "task", "at_ms", "height", "deadline_ms", "number", "last"}

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: walk(part) for name, part in value.items() if name not in drop}
        if isinstance(value, list):
            return [walk(part) for part in value if not (isinstance(part, dict) and part.get("bin", bin_) != bin_)]
        return value

    return json.dumps(walk(answer), sort_keys=True).replace(bin_, "BIN")


def test_the_counter_cannot_approve_and_who_saw_the_review_cannot_count(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 3})
    number = session(stage, "A-01")
    stage.floor.counting.open_bin(stage.op(), stage.as_("tess"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("tess"), {"item": "BOLT", "quantity": 3})
    close_sure(stage, "A-01", "tess")
    with pytest.raises(Rejected, match="you counted"):
        approve(stage, number, "A-01", "tess")
    with pytest.raises(Rejected, match="APPROVE"):
        approve(stage, number, "A-01", "cora")
    body = {"session": str(number), "bin": "A-01"}
    with pytest.raises(Rejected, match="enter your PIN"):
        stage.floor.counting.posting.approve(stage.op(), stage.as_("sven"), body)
    assert approve(stage, number, "A-01")["state"] == "posted"

    other = session(stage, "A-02")
    stage.scan("BIN:A-02")
    stage.scan(f"]E0{GTINS['BOLT'][1:]}")
    close_sure(stage, "A-02")
    stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-02"})
    stage.floor.counting.enter(stage.op(), stage.as_("carl"), {"item": "BOLT", "quantity": 1})
    close_sure(stage, "A-02", "carl")
    stage.floor.counting.review.bin_review(stage.as_("tess"), other, "A-02")
    body = {"session": str(other), "bin": "A-02", "reason": "sure"}
    stage.floor.counting.review.recount(stage.op(), stage.as_("sven"), body)
    with pytest.raises(Rejected, match="knows nothing of what the books have"):
        stage.floor.counting.open_bin(stage.op(), stage.as_("tess"), {"bin": "A-02"})


def test_parked_scans_stop_posting_until_somebody_explains_them(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 1})
    number = session(stage, "A-01")
    stage.scan("BIN:A-01")
    stage.scan(f"]E0{GTINS['BOLT'][1:]}")
    unknown = stage.scan("]E05012345678900")
    garbled = stage.scan(b"]C1\xff\xfe\x00(((")
    lotless = stage.scan(f"]E0{GTINS['PAINT'][1:]}")
    assert [each["outcome"] for each in (unknown, garbled, lotless)] == ["parked"] * 3
    assert "lot is needed" in lotless["why"] and lotless["hint"] == {"item": "PAINT", "quantity": 1}
    with stage.site.reading() as connection:
        assert [each["raw"] for each in stage.floor.parking.mine(connection, stage.as_("cora"))][
            1
        ] == "5d4331fffe00282828"
    stage.floor.parking.dismiss(stage.op(), stage.as_("cora"), {"park": garbled["park"], "reason": "unreadable"})
    resolve = {"park": lotless["park"], "item": "PAINT", "lot": "L9", "quantity": 1}
    op = stage.op()
    for _ in range(2):
        assert stage.floor.parking.resolve(op, stage.as_("cora"), resolve)["counted"] == 1
    with pytest.raises(Rejected, match="resolved already"):
        stage.floor.parking.resolve(stage.op(), stage.as_("cora"), resolve)
    close_sure(stage, "A-01")
    stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-01"})
    for line in ({"item": "BOLT", "quantity": 1}, {"item": "PAINT", "lot": "L9", "quantity": 1}):
        stage.floor.counting.enter(stage.op(), stage.as_("carl"), line)
    close_sure(stage, "A-01", "carl")
    with pytest.raises(Rejected, match="nobody has explained"):
        approve(stage, number, "A-01")
    with pytest.raises(Rejected, match="another person"):
        stage.floor.parking.dismiss(stage.op(), stage.as_("carl"), {"park": unknown["park"], "reason": "no"})
    stage.floor.parking.dismiss(stage.op(), stage.as_("sven"), {"park": unknown["park"], "reason": "foreign"})
    assert approve(stage, number, "A-01")["state"] == "posted"
    assert stage.stock("A-01", "PAINT") == 1


def test_a_serial_counts_once_in_a_session(stage: Stage) -> None:
    stage.receive({"item": "DRILL", "serial": "S1", "quantity": 1}, {"item": "DRILL", "serial": "S2", "quantity": 1})
    session(stage, "A-01", "A-02")
    stage.scan("BIN:A-01")
    label = f"]C101{GTINS['DRILL']}21S1"
    assert stage.scan(label)["counted"] == 1
    assert stage.scan(label)["repeated"] is True
    stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-02"})
    stage.floor.people.bind_device(stage.as_("carl"), "other")
    again = stage.scan(label, "other")
    assert again["outcome"] == "parked" and "already counted in this session" in again["why"]
    close_sure(stage, "A-01")
    with stage.site.reading() as connection:
        lines = connection.execute("SELECT serial, counted, expected FROM count_lines ORDER BY serial").fetchall()
    assert lines == [("S1", 1, 1), ("S2", 0, 1)]


def test_undo_is_an_event_and_events_stay(stage: Stage) -> None:
    session(stage, "A-01")
    stage.scan("BIN:A-01")
    for _ in range(3):
        stage.scan(f"]E0{GTINS['BOLT'][1:]}")
    undone = stage.floor.counting.undo(stage.op(), stage.as_("cora"), {})
    assert undone["counted"] == 2
    assert stage.scan("CTL:UNDO")["outcome"] == "counted"
    with stage.site.reading() as connection:
        screen = stage.floor.counting.screen(connection, stage.as_("cora"))
        assert screen is not None and screen["lines"][0]["counted"] == 1
        assert connection.execute("SELECT COUNT(*) FROM scan_events").fetchone() == (5,)
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 0})
    with pytest.raises(Rejected, match="later entry builds on this one"):
        stage.floor.counting.undo(stage.op(), stage.as_("cora"), {"number": 1})
    for change in ("UPDATE scan_events SET quantity = 9", "DELETE FROM scan_events"):
        with pytest.raises(Exception, match="scan events stay"), stage.site.writing() as connection:
            connection.execute(change)


def test_a_piece_is_taken_off_a_line_by_one_more_event(stage: Stage) -> None:
    session(stage, "A-01")
    stage.scan("BIN:A-01")
    one, cora, counting = {"item": "BOLT", "quantity": 1}, stage.as_("cora"), stage.floor.counting
    with pytest.raises(Rejected, match="not that much"):
        counting.enter(stage.op(), cora, {**one, "mode": "take"})
    assert counting.enter(stage.op(), cora, {**one, "mode": "add"})["counted"] == 1
    assert counting.enter(stage.op(), cora, {**one, "mode": "add"})["counted"] == 2
    op = stage.op()
    for _ in range(2):
        assert counting.enter(op, cora, {**one, "mode": "take"})["counted"] == 1
    assert counting.enter(stage.op(), cora, {**one, "mode": "add"})["counted"] == 2
    # One less and one more are two things that were said: neither takes the other along.
    assert counting.undo(stage.op(), cora, {})["counted"] == 1
    assert counting.undo(stage.op(), cora, {"number": 3})["counted"] == 2
    with stage.site.reading() as connection:
        said = connection.execute("SELECT kind, quantity, entered FROM scan_events ORDER BY number").fetchall()
    assert said == [
        ("key", 1, 1),
        ("key", 1, 1),
        ("key", -1, 1),
        ("key", 1, 1),
        ("undo", -1, None),
        ("undo", 1, None),
    ]
    with pytest.raises(Rejected, match="mode: expected set, add or take"):
        counting.enter(stage.op(), cora, {**one, "mode": "drop"})


def test_what_cannot_be_taken_off_waits_for_nobody(stage: Stage) -> None:
    """A tablet without contact said one less of a line that has none by now: refused, and no code to explain."""
    session(stage, "A-01")
    stage.scan("BIN:A-01")
    late = replace(stage.as_("cora"), waited_ms=3_600_000)
    with pytest.raises(Rejected, match="not that much"):
        stage.floor.counting.enter(stage.op(), late, {"item": "BOLT", "quantity": 1, "mode": "take", "bin": "A-01"})
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM parked").fetchone() == (0,)


def test_every_wish_acts_once_and_other_content_is_refused(stage: Stage) -> None:
    number = session(stage, "A-01")
    sven = stage.as_("sven")
    body = {"name": "Week 47", "bins": ["A-01"], "rule": NEVER}
    assert stage.floor.counting.open_session(number, sven, body)["session"] == str(number)
    with pytest.raises(Rejected, match="something else"):
        stage.floor.counting.open_session(number, sven, {**body, "name": "Week 48"})
    stage.scan("BIN:A-01")
    op = stage.op()
    for _ in range(3):
        stage.floor.counting.enter(op, stage.as_("cora"), {"item": "BOLT", "quantity": 2, "mode": "add"})
    with pytest.raises(Rejected, match="something else"):
        stage.floor.counting.enter(op, stage.as_("cora"), {"item": "BOLT", "quantity": 3, "mode": "add"})
    with stage.site.reading() as connection:
        assert connection.execute("SELECT SUM(quantity) FROM scan_events").fetchone() == (2,)
    done = stage.op()
    first = stage.floor.counting.close_bin(done, stage.as_("cora"), {"bin": "A-01", "confirm": True})
    assert stage.floor.counting.close_bin(done, stage.as_("cora"), {"bin": "A-01", "confirm": True}) == first
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM counts").fetchone() == (1,)


def test_a_restart_resumes_at_the_same_line(stage: Stage) -> None:
    session(stage, "A-01")
    stage.scan("BIN:A-01")
    stage.scan(f"]E0{GTINS['BOLT'][1:]}")
    with stage.site.reading() as connection:
        before = stage.floor.counting.screen(connection, stage.as_("cora"))
    again = stage.restart()
    stage.site, stage.floor, stage.journal = again.site, again.floor, again.journal
    with stage.site.reading() as connection:
        assert stage.floor.counting.screen(connection, stage.as_("cora")) == before
    assert stage.scan(f"]E0{GTINS['BOLT'][1:]}")["counted"] == 2


@pytest.mark.parametrize(
    "name", ["record.before_commit", "record.after_commit", "count.part_recorded", "db.before_commit"]
)
def test_death_while_closing_a_bin_of_many_lines_loses_and_doubles_nothing(stage: Stage, name: str) -> None:
    """250 pieces are recorded in two parts; the process dies in the first, then everything is asked again."""
    for first in range(0, 250, 125):
        stage.receive(*({"item": "DRILL", "serial": f"S{n}", "quantity": 1} for n in range(first, first + 125)))
    number = session(stage, "A-01", rule={**NEVER, "line_quantity_max": 1, "rounds_max": 1})
    stage.scan("BIN:A-01")
    stage.scan(f"]C101{GTINS['DRILL']}21S7")
    op = stage.op()
    body = {"bin": "A-01", "confirm": True}

    def die(_: str) -> None:
        raise Killed(name)

    arm_failpoint(name, die)
    with pytest.raises(Killed):
        stage.floor.counting.close_bin(op, stage.as_("cora"), body)
    disarm_failpoints()
    again = stage.restart()
    stage.site, stage.floor, stage.journal = again.site, again.floor, again.journal
    answer = stage.floor.counting.close_bin(op, stage.as_("cora"), body)
    assert answer["state"] == "counted" and answer["operations"] == [str(op)]
    with stage.site.reading() as connection:
        assert connection.execute("SELECT SUM(counted), SUM(expected), COUNT(*) FROM count_lines").fetchone() == (
            1,
            250,
            250,
        )
    assert approve(stage, number, "A-01")["state"] == "posted"
    assert stage.stock("A-01", "DRILL") == 1


def test_death_between_two_parts_of_a_posting_posts_each_line_once(stage: Stage) -> None:
    for first in range(0, 250, 125):
        stage.receive(*({"item": "DRILL", "serial": f"S{n}", "quantity": 1} for n in range(first, first + 125)))
    number = session(stage, "A-01", rule={**NEVER, "line_quantity_max": 1, "rounds_max": 1})
    stage.scan("BIN:A-01")
    stage.scan(f"]C101{GTINS['DRILL']}21S7")
    close_sure(stage, "A-01")
    op, body = stage.op(), {"session": str(number), "bin": "A-01", "reason": "lost"}
    seen = [0]

    def die(_: str) -> None:
        seen[0] += 1
        if seen[0] == 2:
            raise Killed

    arm_failpoint("record.before_commit", die)
    with pytest.raises(Killed):
        stage.floor.counting.posting.approve(op, stage.as_("sven"), body, PIN)
    disarm_failpoints()
    again = stage.restart()
    stage.site, stage.floor, stage.journal = again.site, again.floor, again.journal
    assert 0 < stage.stock("A-01", "DRILL") < 250
    for _ in range(2):
        assert stage.floor.counting.posting.approve(op, stage.as_("sven"), body, PIN)["state"] == "posted"
    assert stage.stock("A-01", "DRILL") == 1
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM operations WHERE call = 'post_count'").fetchone() == (2,)


def test_lines_can_be_posted_one_by_one(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 5}, {"item": "PAINT", "lot": "L1", "quantity": 5})
    number = session(stage, "A-01", rule={**NEVER, "rounds_max": 1})
    stage.scan("BIN:A-01")
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 4})
    close_sure(stage, "A-01")
    with pytest.raises(Rejected, match="give a reason"):
        approve(stage, number, "A-01", lines=[0], reason=None)
    assert approve(stage, number, "A-01", lines=[0], reason=None, reasons={"0": ["lost"]})["state"] == "review"
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-01", "PAINT")) == (4, 5)
    assert approve(stage, number, "A-01", lines=[0, 1])["state"] == "posted"
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-01", "PAINT")) == (4, 0)


def test_control_recounts_look_like_any_other(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 1})
    number = session(stage, "A-01", rule={"control_percent": 100})
    stage.scan("BIN:A-01")
    stage.scan(f"]E0{GTINS['BOLT'][1:]}")
    close_sure(stage, "A-01")
    assert state(stage, number, "A-01")["why"] == "control"
    with stage.site.reading() as connection:
        mine = stage.floor.counting.mine(connection, stage.as_("carl"))
        assert stage.floor.counting.mine(connection, stage.as_("cora")) == []
    told = {"session", "name", "bin", "deadline_ms", "overdue", "open", "whole", "mine"}
    assert [set(each) for each in mine] == [told]


def test_an_item_task_says_nothing_about_other_items(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 2}, {"item": "PAINT", "lot": "L1", "quantity": 5})
    session(stage, {"bin": "A-01", "items": ["BOLT"], "assignee": str(actor_of("cora"))})
    with pytest.raises(Rejected, match="not yours"):
        stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-01"})
    stage.scan("BIN:A-01")
    assert "not part of this task" in stage.scan(f"]C101{GTINS['PAINT']}10L1")["why"]
    stage.scan(f"]E0{GTINS['BOLT'][1:]}")
    close_sure(stage, "A-01")
    with stage.site.reading() as connection:
        assert connection.execute("SELECT item, counted, expected FROM count_lines").fetchall() == [("BOLT", 1, 2)]
        assert connection.execute("SELECT whole FROM counts").fetchone() == (0,)


BAD_LINES: list[dict[str, Any]] = [
    {"item": "BOLT", "quantity": value}
    for value in (True, 1.0, float("nan"), -1, 2**63, 10**400, "3", None, [], {}, "１２", "3\n")
] + [
    {"item": "BOLT"},
    {"quantity": 1},
    {"item": "x" * 32, "quantity": 1},
    {"item": "BOLT\u0000", "quantity": 1},
    {"item": " BOLT", "quantity": 1},
    {"item": "\ud800", "quantity": 1},
    {"item": "'; DROP TABLE stock--", "quantity": 1},
    {"item": "BOLT", "quantity": 1, "lot": "L1"},
    {"item": "PAINT", "quantity": 1},
    {"item": "DRILL", "serial": "S", "quantity": 2},
    {"item": "BOLT", "quantity": 1, "status": "stolen"},
    {"item": "BOLT", "quantity": 1, "expiry": "31.12.2026"},
    {"item": "BOLT", "quantity": 1, "mode": "times"},
    {"item": "BOLT", "quantity": 1, "role": "admin"},
]


def test_bad_lines_are_refused_in_words_and_change_nothing(stage: Stage) -> None:
    session(stage, "A-01")
    stage.scan("BIN:A-01")
    for body in [*BAD_LINES, [], "BOLT", None, 5]:
        with pytest.raises(Rejected) as refusal:
            stage.floor.counting.enter(stage.op(), stage.as_("cora"), body)
        assert 5 < len(str(refusal.value)) < 300 and "\n" not in str(refusal.value)
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM scan_events").fetchone() == (0,)


def test_sessions_are_planned_by_area_and_a_bin_is_in_one_count_only(stage: Stage) -> None:
    sven = stage.as_("sven")
    for body in (
        {"name": "", "bins": ["A-01"]},
        {"name": "x", "bins": []},
        {"name": "x", "bins": ["A-01", "A-01"]},
        {"name": "x", "bins": ["NOWHERE"]},
        {"name": "x", "bins": ["SUPPLIER"]},
        {"name": "x", "areas": ["A-01x"]},
        {"name": "x", "bins": ["A-01"], "rule": {"line_quantity_max": 1.5}},
        {"name": "x", "bins": ["A-01"], "rule": {"limit": 1}},
        {"name": "x", "bins": [{"bin": "A-01", "assignee": str(actor_of("mona"))}]},
    ):
        with pytest.raises(Rejected):
            stage.floor.counting.open_session(stage.op(), sven, body)
    with pytest.raises(Rejected, match="APPROVE"):
        stage.floor.counting.open_session(stage.op(), stage.as_("cora"), {"name": "x", "bins": ["A-01"]})
    number = session(stage, *BINS)
    with pytest.raises(Rejected, match="already in a count"):
        session(stage, "A-02")
    body = {"session": str(number), "reason": "stopped"}
    assert stage.floor.counting.cancel(stage.op(), sven, body)["uncounted"] == sorted(BINS)
    session(stage, "A-02")
