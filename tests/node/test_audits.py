"""An auditor's test counts: of any bin that nobody counts, blind, and nothing is booked or counted again by them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.people import COUNT
from node import counting_facts
from node.rounds import people_with
from tests.node.floor_kit import GTINS, PIN, Stage, code_of, furnished, introduce


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = furnished(tmp_path / "node")
    introduce(made.world, made.site, "audrey", ("AUDIT",))
    made.tokens["audrey"] = made.floor.people.activate(made.op(), "audrey", code_of("audrey"), PIN, "t")["token"]
    made.floor.people.bind_device(made.as_("audrey"), "pen")
    yield made
    made.site.close()
    made.journal.close()


def close(stage: Stage, bin_: str) -> dict[str, Any]:
    wish = {"bin": bin_, "confirm": True}
    return stage.floor.counting.close_bin(stage.op(), stage.as_("audrey"), wish)


def order(stage: Stage, bin_: str) -> str:
    wish = {"name": "Week", "bins": [bin_], "rule": {"control_percent": 0}}
    return str(stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)["session"])


@pytest.mark.parametrize("found", [3, 2])
def test_a_test_count_says_what_it_found_and_nothing_follows(stage: Stage, found: int) -> None:
    stage.receive({"item": "BOLT", "quantity": 3})
    opened = stage.scan("BIN:A-01", "pen")
    assert opened["outcome"] == "opened"
    for login in ("audrey", "cora"):  # neither is told what the books expect meanwhile
        with stage.site.reading() as connection:
            assert "A-01" in stage.floor.counting.blind_bins(connection, stage.as_(login))
    for _ in range(found):
        assert stage.scan(GTINS["BOLT"], "pen")["outcome"] == "counted"
    closed = close(stage, "A-01")
    assert closed["test"] == opened["session"]
    with stage.site.reading() as connection:
        assert stage.floor.counting.blind_bins(connection, stage.as_("audrey")) == frozenset()
        assert counting_facts.posted_rounds(connection) == []
    # The auditor is shown it, and so is who approves.
    for login in ("audrey", "sven"):
        shown = stage.floor.counting.review.bin_review(stage.as_(login), stage.op().parse(closed["test"]), "A-01")
        [line] = shown["rounds"][0]["lines"]
        assert shown["state"] == "tested" and len(shown["rounds"]) == 1
        assert (line["expected"], line["counted"], line["difference"]) == (3, found, found - 3)
    with stage.site.reading() as connection:
        [session] = stage.floor.counting.review.sessions(connection, stage.as_("sven"))
    assert session["test"] and session["state"] == "closed"
    for verb, more in (
        (stage.floor.counting.posting.approve, (PIN,)),
        (stage.floor.counting.review.recount, ()),
        (stage.floor.counting.reject, ()),
    ):
        wish: dict[str, Any] = {"session": closed["test"], "reason": "miscounted-before"}
        wish |= {"bins": ["A-01"]} if verb == stage.floor.counting.reject else {"bin": "A-01"}
        with pytest.raises(Rejected, match="not in review"):
            verb(stage.op(), stage.as_("sven"), wish, *more)
    assert stage.stock("A-01", "BOLT") == 3
    # Another count of the bin is ordered and done by others as if there had been none.
    order(stage, "A-01")
    assert stage.scan("BIN:A-01")["outcome"] == "opened"


def test_a_bin_is_counted_or_tested_and_not_both_at_a_time(stage: Stage) -> None:
    order(stage, "A-01")
    with pytest.raises(Rejected, match="is being counted: test it when that count is over"):
        stage.floor.counting.open_bin(stage.op(), stage.as_("audrey"), {"bin": "A-01"})
    stage.scan("BIN:A-01")
    assert "is being counted" in stage.scan("BIN:A-01", "pen")["why"]
    stage.floor.counting.open_bin(stage.op(), stage.as_("audrey"), {"bin": "A-02"})
    with pytest.raises(Rejected, match="already in a count"):
        order(stage, "A-02")
    with pytest.raises(Rejected, match="auditor's test count"):
        stage.floor.counting.open_bin(stage.op(), stage.as_("carl"), {"bin": "A-02"})
    stage.floor.counting.leave(stage.op(), stage.as_("audrey"), {"bin": "A-02"})
    order(stage, "A-02")


def test_an_auditor_is_no_counter_of_anybodys_count(stage: Stage) -> None:
    session, audrey = order(stage, "A-01"), stage.as_("audrey")
    with stage.site.reading() as connection:
        assert audrey.actor not in people_with(connection, COUNT, stage.world.clock.now_ms())
        assert stage.floor.counting.mine(connection, audrey) == []
    with pytest.raises(Rejected, match="may not count here"):
        wish = {"session": session, "bin": "A-01", "assignee": str(audrey.actor)}
        stage.floor.counting.assign(stage.op(), stage.as_("sven"), wish)
    for verb in (stage.floor.stock.move, stage.floor.stock.receive, stage.floor.counting.open_session):
        with pytest.raises(Rejected, match="you may not"):
            verb(stage.op(), audrey, {})


def test_a_test_goes_on_for_an_auditor_and_ends_for_who_is_none_any_more(stage: Stage) -> None:
    stage.floor.counting.open_bin(stage.op(), stage.as_("audrey"), {"bin": "A-02"})
    stage.floor.counting.free_revoked()
    with stage.site.reading() as connection:
        [mine] = stage.floor.counting.mine(connection, stage.as_("audrey"))
        assert mine["bin"] == "A-02" and stage.floor.counting.mine(connection, stage.as_("cora")) == []
    introduce(stage.world, stage.site, "audrey", ("MOVE",))
    stage.floor.counting.free_revoked()
    order(stage, "A-02")
