"""A bin whose count cannot go on by itself: nobody left who may count it again, or whoever opened it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.people import COUNT
from node.desk import Person
from node.openings import document_of
from node.rounds import latest, open_round, parked_count, people_with, recorded, refuse_counter, reveal
from tests.node import floor_kit
from tests.node.floor_kit import GTINS, PIN, Stage, actor_of, code_of, fresh, introduce
from tests.node.test_counting import NEVER, approve, close, session, state
from tests.node.test_counting_shared import enter, opens, rounds, screen, share


def nobody_agrees(stage: Stage) -> None:
    """What is asked of a whole session at once is what each bin says by itself, of everybody."""
    with stage.site.reading() as connection:
        for (raw,) in connection.execute("SELECT session FROM count_sessions WHERE NOT test").fetchall():
            number = OpId(bytes(raw))
            found = stage.floor.counting.review.overview(connection, stage.as_("sven"), number)
            for each in found["bins"]:
                row = latest(connection, number, each["bin"])
                assert (each["round"], each["parked"]) == (row.round, parked_count(connection, number, row.bin))
                if each["state"] != "waiting":
                    continue
                assert ("counted" in each) == (recorded(connection, number, row.bin) is not None)
                let = set()
                people = people_with(connection, COUNT, stage.world.clock.now_ms())
                for actor in people:
                    with suppress(Rejected):
                        refuse_counter(connection, number, row.bin, actor)
                        let.add(actor)
                assert ("nobody" in each) == (not let), each
                for actor in people if found["state"] == "active" and not row.assignee else ():
                    who = Person(actor, COUNT)
                    told = [one["bin"] for one in stage.floor.counting.mine(connection, who)]
                    assert (row.bin in told) == (actor in let), (actor, row.bin)


@pytest.fixture
def stage(stage: Stage) -> Iterator[Stage]:
    stage.receive({"item": "BOLT", "quantity": 20})
    yield stage
    nobody_agrees(stage)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A site with one counter, and one approver who does not count."""
    monkeypatch.setattr(floor_kit, "PEOPLE", {
        "cora": ("COUNT", "RECEIVE"), "mona": ("RECEIVE",), "sven": ("APPROVE",)})  # fmt: skip
    made = fresh(tmp_path / "node", people=("cora", "mona", "sven"))
    made.receive({"item": "BOLT", "quantity": 20})
    yield made
    nobody_agrees(made)
    made.site.close()
    made.journal.close()


def count(stage: Stage, who: str, quantity: int, bin_: str = "A-01") -> None:
    opens(stage, who, bin_)
    enter(stage, who, quantity)
    close(stage, bin_, who)


def take(stage: Stage, number: OpId, who: str = "sven", reason: str = "nobody-else") -> dict[str, Any]:
    body = {"session": str(number), "bin": "A-01", "reason": reason}
    return stage.floor.counting.review.take(stage.op(), stage.as_(who), body)


def test_a_bin_that_nobody_else_may_count_again_is_decided_as_it_was_counted(alone: Stage) -> None:
    number = session(alone, "A-01")
    count(alone, "cora", 12)
    shown = state(alone, number, "A-01")
    assert (shown["state"], shown["round"], shown["nobody"], shown["counted"]) == ("waiting", 1, True, True)

    take(alone, number)
    shown = state(alone, number, "A-01")
    assert (shown["state"], shown["round"]) == ("review", 0) and "nobody" not in shown
    review = alone.floor.counting.review.bin_review(alone.as_("sven"), number, "A-01")
    assert review["ended"] == "nobody-else" and rounds(alone, number) == [[("BOLT", 12)]]

    done = approve(alone, number, "A-01")
    assert done["state"] == "posted" and alone.stock("A-01", "BOLT") == 12
    with alone.site.reading() as connection:
        document = document_of(connection, OpId.parse(done["op_id"]))
    assert document is not None and document.reasons == ("nobody-else",)
    again = alone.floor.counting.review.bin_review(alone.as_("sven"), number, "A-01")
    assert again["ended"] == "nobody-else"


def test_whose_time_here_is_over_is_not_waited_for(alone: Stage) -> None:
    until_s = alone.world.clock.now_ms() // 1000 + 60
    introduce(alone.world, alone.site, "olga", ("COUNT",), valid_until=until_s)
    alone.floor.people.activate(alone.op(), "olga", code_of("olga"), PIN, "tablet-2")
    number = session(alone, "A-01")
    count(alone, "cora", 12)
    assert "nobody" not in state(alone, number, "A-01")
    alone.world.clock.advance(61_000)
    assert state(alone, number, "A-01")["nobody"]


@pytest.mark.parametrize("rule", [{"control_percent": 100}, {"counters": 2, "control_percent": 0}])
def test_controls_and_second_counters_do_not_hold_a_bin_either(alone: Stage, rule: dict[str, int]) -> None:
    number = session(alone, "A-01", rule=rule)
    count(alone, "cora", 20)
    assert state(alone, number, "A-01")["nobody"]
    take(alone, number)
    assert approve(alone, number, "A-01")["state"] == "posted"


def free(stage: Stage, number: OpId, assignee: str | None = None, who: str = "sven") -> dict[str, Any]:
    body = {"session": str(number), "bin": "A-01", "assignee": assignee and str(actor_of(assignee))}
    return stage.floor.counting.free(stage.op(), stage.as_(who), body)


def test_a_bin_is_taken_from_who_went_home_and_counted_by_somebody_else(stage: Stage) -> None:
    number = session(stage, "A-01")
    opens(stage, "carl")
    enter(stage, "carl", 3)
    assert state(stage, number, "A-01")["open"] == [{"actor": str(actor_of("carl")), "name": "Carl"}]
    with pytest.raises(Rejected, match="APPROVE"):
        free(stage, number, who="cora")
    free(stage, number)
    shown = state(stage, number, "A-01")
    assert (shown["state"], shown["assignee"]) == ("waiting", "") and "open" not in shown
    with pytest.raises(Rejected, match="nobody counts A-01"):
        free(stage, number)
    with pytest.raises(Rejected, match="open"):
        enter(stage, "carl", 4)
    with stage.site.reading() as connection:
        kept = connection.execute("SELECT quantity FROM scan_events").fetchall()
    assert kept == [(3,)]  # what he scanned stays on record, and counts for nothing
    count(stage, "cora", 20)
    assert rounds(stage, number) == [[("BOLT", 20)]]


def test_a_finished_second_count_stands_when_the_first_is_taken_from_who_left(stage: Stage) -> None:
    number = session(stage, "A-01")
    opens(stage, "carl")
    opens(stage, "cora", how="second")
    enter(stage, "cora", 20)
    close(stage, "A-01", "cora")
    assert state(stage, number, "A-01")["state"] == "counting"
    free(stage, number, "carl")
    assert state(stage, number, "A-01")["state"] == "review"
    assert rounds(stage, number) == [[("BOLT", 20)]]
    assert approve(stage, number, "A-01")["state"] == "posted"


def test_of_two_who_count_only_the_one_who_is_named_is_freed(stage: Stage) -> None:
    number = session(stage, "A-01")
    opens(stage, "carl")
    opens(stage, "cora", how="second")
    assert [each["name"] for each in state(stage, number, "A-01")["open"]] == ["Carl", "Cora"]
    with pytest.raises(Rejected, match="does not count A-01"):
        free(stage, number, "mona")
    free(stage, number, "carl")
    enter(stage, "cora", 20)
    close(stage, "A-01", "cora")
    assert rounds(stage, number) == [[("BOLT", 20)]]


def test_parts_of_a_shared_bin_are_freed_with_it_or_alone(stage: Stage) -> None:
    number = session(stage, "A-01")
    opens(stage, "cora")
    opens(stage, "carl", how="share", area="the right half")
    share(stage, "cora")
    opens(stage, "carl")
    enter(stage, "carl", 5)
    assert [each["name"] for each in state(stage, number, "A-01")["open"]] == ["Cora", "Carl"]
    free(stage, number, "carl")  # he left: Cora counts his part too
    enter(stage, "cora", 20)
    assert [each["state"] for each in screen(stage, "cora")["areas"]] == ["counting", "left"]
    with pytest.raises(Rejected, match="the right half of A-01 was given back"):
        close(stage, "A-01")
    share(stage, "cora", agree=False)
    assert [each["state"] for each in screen(stage, "cora")["areas"]] == ["counting"]
    opens(stage, "tess", how="share", area="the right half")
    share(stage, "cora", area=2)
    opens(stage, "tess")
    free(stage, number, "cora")
    shown = state(stage, number, "A-01")
    assert shown["state"] == "waiting" and "open" not in shown
    count(stage, "carl", 20)
    assert rounds(stage, number) == [[("BOLT", 20)]]


def test_what_somebody_revoked_had_open_is_free_by_itself(stage: Stage) -> None:
    number = session(stage, "A-01", "A-02")
    opens(stage, "carl")
    opens(stage, "cora", "A-02")
    introduce(stage.world, stage.site, "carl", ("COUNT", "MOVE"), revoked=True)
    stage.floor.free_revoked()
    assert [state(stage, number, bin_)["state"] for bin_ in ("A-01", "A-02")] == ["waiting", "counting"]
    count(stage, "tess", 20)
    assert state(stage, number, "A-01")["state"] == "review"


def test_two_who_disagree_are_decided_between_and_may_still_be_counted_by_a_third(stage: Stage) -> None:
    number = session(stage, "A-01")
    count(stage, "cora", 12)
    count(stage, "carl", 13)
    shown = state(stage, number, "A-01")
    assert shown["counted"] and "nobody" not in shown  # Tess may count it
    take(stage, number, reason="no-time")
    assert rounds(stage, number) == [[("BOLT", 12)], [("BOLT", 13)]]
    # It is a decision like any other: a recount can be ordered, and ends what was said.
    body = {"session": str(number), "bin": "A-01", "reason": "doubtful"}
    stage.floor.counting.review.recount(stage.op(), stage.as_("sven"), body)
    count(stage, "tess", 12)
    review = stage.floor.counting.review.bin_review(stage.as_("sven"), number, "A-01")
    assert "ended" not in review and len(review["rounds"]) == 3


def test_only_a_waiting_bin_that_was_counted_is_taken_and_not_by_its_counter(stage: Stage) -> None:
    number = session(stage, "A-01")
    with pytest.raises(Rejected, match="was not counted yet"):
        take(stage, number)
    opens(stage, "tess")
    with pytest.raises(Rejected, match="does not wait"):
        take(stage, number)
    enter(stage, "tess", 12)
    close(stage, "A-01", "tess")
    with pytest.raises(Rejected, match="you counted A-01"):
        take(stage, number, "tess")
    with pytest.raises(Rejected, match="APPROVE"):
        take(stage, number, "cora")
    take(stage, number)
    with pytest.raises(Rejected, match="you counted A-01"):
        approve(stage, number, "A-01", "tess")


def test_the_only_approver_of_a_site_may_pass_on_a_count_of_hers_and_not_post_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor_kit, "PEOPLE", {"tess": ("APPROVE", "COUNT", "RECEIVE")})
    made = fresh(tmp_path / "node", people=("tess",))
    body = {"name": "Week", "bins": ["A-02"], "rule": {**NEVER, "counters": 2}}
    number = made.op()
    made.floor.counting.open_session(number, made.as_("tess"), body)
    count(made, "tess", 3, "A-02")
    said = {"session": str(number), "bin": "A-02", "reason": "nobody-else"}
    made.floor.counting.review.take(made.op(), made.as_("tess"), said)
    with pytest.raises(Rejected, match="you counted A-02"):
        made.floor.counting.posting.approve(made.op(), made.as_("tess"), {**said, "reason": "found"}, PIN)
    made.site.close()
    made.journal.close()


def test_a_bin_whose_only_counter_knows_the_books_waits_for_somebody_else(alone: Stage) -> None:
    number = session(alone, "A-01", "A-02")
    with alone.site.writing() as connection:
        reveal(connection, number, ["A-01"], actor_of("cora"), alone.site.clock.now_ms())
    assert "nobody" in state(alone, number, "A-01") and "nobody" not in state(alone, number, "A-02")


def test_a_bin_whose_other_counters_moved_its_goods_waits_for_somebody_else(stage: Stage) -> None:
    number = session(stage, "A-01")
    count(stage, "cora", 12)
    assert "nobody" not in state(stage, number, "A-01")
    line = {"item": "BOLT", "quantity": 1, "source": "A-01", "target": "A-02"}
    stage.floor.stock.move(stage.op(), stage.as_("carl"), {"lines": [line]})
    with stage.site.writing() as connection:
        reveal(connection, number, ["A-01"], actor_of("tess"), stage.site.clock.now_ms())
    assert "nobody" in state(stage, number, "A-01")


def test_a_bin_that_waits_for_somebody_revoked_waits_for_anyone(stage: Stage) -> None:
    number = session(stage, {"bin": "A-01", "assignee": str(actor_of("carl"))})
    with stage.site.reading() as connection:
        assert stage.floor.counting.mine(connection, stage.as_("cora")) == []
    introduce(stage.world, stage.site, "carl", ("MOVE",))  # who only lost the role is as far from it
    stage.floor.free_revoked()
    assert state(stage, number, "A-01")["assignee"] == ""
    with stage.site.reading() as connection:
        (waiting,) = stage.floor.counting.mine(connection, stage.as_("cora"))
    assert waiting["bin"] == "A-01"


def test_what_somebody_revoked_had_scanned_and_not_booked_is_a_supervisors(stage: Stage) -> None:
    mona = stage.as_("mona")
    stage.floor.stock.begin(stage.op(), mona, {"kind": "receive", "target": "DOCK"})
    stage.floor.people.bind_device(mona, "gun")
    ean = f"]E0{GTINS['BOLT'][1:]}"
    for code in (ean, ean, ean, "?!unknown", "BIN:A-02", ean):
        stage.scan(code)
    stage.floor.free_revoked()
    assert left(stage) == []
    introduce(stage.world, stage.site, "mona", ("MOVE",))
    for _ in range(2):
        stage.floor.free_revoked()
    found = {(row["place"], row["hint"].get("item"), row["hint"].get("quantity")): row for row in left(stage)}
    assert set(found) == {("DOCK", "BOLT", 3), ("A-02", "BOLT", 1), ("A-02", None, None)}
    row = found["DOCK", "BOLT", 3]
    assert (row["by"], row["kind"], row["text"]) == ("Mona", "receive", "BOLT")
    stage.world.clock.advance(60_000)
    body = {"park": row["park"], "item": "BOLT", "quantity": 3}
    assert stage.floor.parking.resolve(stage.op(), stage.as_("sven"), body)["recount"]
    with stage.site.reading() as connection:
        assert open_round(connection, "DOCK") is not None


def left(stage: Stage) -> list[dict[str, Any]]:
    with stage.site.reading() as connection:
        return stage.floor.parking.left(connection, stage.as_("sven"))
