"""Deciding on counts on a real site: limits, reasons and their shares, relocations, several counters, many bins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger import db, policy
from ledger.documents import Document
from ledger.errors import Rejected, Unavailable
from ledger.ids import OpId
from ledger.seams import DiskStorage
from node import policies, store, streams
from node.rounds import is_drawn
from node.sealing import read_block
from tests.node.floor_kit import PIN, Stage, actor_of

ONE_ROUND = {"control_percent": 0, "rounds_max": 1}


def session(stage: Stage, *bins: str | dict[str, Any], **rule: Any) -> OpId:
    op = stage.op()
    body = {"name": "Rules", "bins": list(bins), "rule": {**ONE_ROUND, **rule}}
    stage.floor.counting.open_session(op, stage.as_("sven"), body)
    return op


def put(stage: Stage, bin_: str, item: str, quantity: int, **more: Any) -> None:
    line = {"item": item, "quantity": quantity, "target": bin_, **more}
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), {"lines": [line]})


def count(stage: Stage, bin_: str, *lines: dict[str, Any], who: str = "cora") -> None:
    stage.floor.counting.open_bin(stage.op(), stage.as_(who), {"bin": bin_})
    for line in lines:
        stage.floor.counting.enter(stage.op(), stage.as_(who), line)
    if not lines:
        stage.floor.counting.empty(stage.op(), stage.as_(who), {})
    stage.floor.counting.close_bin(stage.op(), stage.as_(who), {"bin": bin_, "confirm": True})


def approve(stage: Stage, number: OpId, bin_: str, who: str = "sven", **body: Any) -> dict[str, Any]:
    wish = {"session": str(number), "bin": bin_, **body}
    return stage.floor.counting.posting.approve(stage.op(), stage.as_(who), wish, PIN)


def state(stage: Stage, number: OpId, bin_: str) -> tuple[str, str]:
    with stage.site.reading() as connection:
        bins = stage.floor.counting.review.overview(connection, stage.as_("sven"), number)["bins"]
    return next((each["state"], each["why"]) for each in bins if each["bin"] == bin_)


def document_of(stage: Stage, op_id: str) -> Document:
    """The document of an operation, out of its sealed block."""
    stage.world.clock.advance(2_000)
    stage.site.seal()
    with stage.site.reading() as connection:
        height, place = connection.execute(
            "SELECT height, place FROM operations WHERE op_id = ?", (bytes.fromhex(op_id),)
        ).fetchone()
        block = read_block(connection, height)
    assert block is not None
    return Document.decode(block.documents[place])


def decree(stage: Stage, value: Any) -> None:
    """The hub's policy for counts arrives."""
    with stage.site.writing() as connection:
        streams.put(connection, policies.STREAM, policy.COUNTING, value)


# ---------------------------------------------------------------- reasons


def test_several_reasons_explain_a_difference_to_the_last_piece(stage: Stage) -> None:
    put(stage, "A-01", "BOLT", 20)
    number = session(stage, "A-01")
    count(stage, "A-01", {"item": "BOLT", "quantity": 13})
    for reasons, why in (
        (["lost", "damaged"], "give each reason its share"),
        ([["lost", 3], ["damaged", 3]], "by 7 and 6 are explained"),
        ([["lost", 3], ["damaged", 5]], "by 7 and 8 are explained"),
        (["found"], "explains more than expected"),
        (["bad-luck"], "is not a reason here"),
        ([["lost", 0], ["damaged", 7]], "whole number from 1"),
        ([["lost"]], "a code and its share"),
        ([], "give a reason"),
    ):
        with pytest.raises(Rejected, match=why):
            approve(stage, number, "A-01", reasons={"0": reasons})
    answer = approve(stage, number, "A-01", reasons={"0": [["lost", 3], ["damaged", 4]]})
    assert stage.stock("A-01", "BOLT") == 13
    document = document_of(stage, answer["op_id"])
    assert (document.line_reasons, document.shares) == ({0: ("lost", "damaged")}, {0: (3, 4)})


def test_reasons_are_the_hubs_and_know_their_direction(stage: Stage) -> None:
    put(stage, "A-01", "BOLT", 2)
    number = session(stage, "A-01", "A-02")
    count(stage, "A-01", {"item": "BOLT", "quantity": 3})
    decree(stage, {"reasons": [["gift", "A gift of the supplier", "plus"], ["mice", "Eaten", "minus"]]})
    with pytest.raises(Rejected, match="lost is not a reason here: expected gift, mice, relocated"):
        approve(stage, number, "A-01", reason="lost")
    with pytest.raises(Rejected, match="mice explains less than expected"):
        approve(stage, number, "A-01", reason="mice")
    decree(stage, {"reasons": [["gift", "A gift", "sideways"]]})
    with pytest.raises(Unavailable, match="policy counting cannot be read"):
        approve(stage, number, "A-01", reason="gift")
    decree(stage, {"reasons": [["gift", "A gift", "plus"]]})
    assert approve(stage, number, "A-01", reason="gift")["state"] == "posted"


# ---------------------------------------------------------------- limits


def test_whoever_approves_has_limits_for_a_bin_and_for_a_count(stage: Stage) -> None:
    for bin_ in ("A-01", "A-02"):
        put(stage, bin_, "BOLT", 50)
    number = session(stage, "A-01", "A-02", "DOCK")
    for bin_ in ("A-01", "A-02"):
        count(stage, bin_, {"item": "BOLT", "quantity": 40})
    sven = str(actor_of("sven"))
    decree(stage, {"approval": {"bin_quantity_max": 9}})
    with pytest.raises(Rejected, match="more than the 9 you may approve"):
        approve(stage, number, "A-01", reason="lost")
    decree(stage, {"approval": {"bin_quantity_max": 9}, "approvers": {sven: {"bin_value_max": 2_499}}})
    with pytest.raises(Rejected, match="more value than you may approve"):
        approve(stage, number, "A-01", reason="lost")
    decree(stage, {"approvers": {sven: {"bin_value_max": 2_500, "session_value_max": 4_999}}})
    assert approve(stage, number, "A-01", reason="lost")["state"] == "posted"
    with pytest.raises(Rejected, match="approve more value in this count"):
        approve(stage, number, "A-02", reason="lost")
    assert approve(stage, number, "A-02", who="tess", reason="lost")["state"] == "posted"  # hers is not limited


def test_a_limit_in_value_takes_what_has_no_cost_for_too_much(stage: Stage) -> None:
    number = session(stage, "A-01")
    count(stage, "A-01", {"item": "BOLT", "quantity": 1})
    with stage.site.writing() as connection:
        entry = {**streams.get(connection, "catalogue", "BOLT")}
        del entry["cost_minor"]
        streams.put(connection, "catalogue", "BOLT", entry)
    decree(stage, {"approval": {"bin_value_max": 10**9}})
    with pytest.raises(Rejected, match="more value"):
        approve(stage, number, "A-01", reason="found")


def test_a_whole_count_that_differs_too_much_is_counted_again_from_there_on(stage: Stage) -> None:
    for bin_ in ("A-01", "A-02", "DOCK"):
        put(stage, bin_, "BOLT", 50)
    loose = {"line_quantity_max": None, "session_value_max": 3_000, "rounds_max": 2}
    number = session(stage, "A-01", "A-02", "DOCK", **loose)
    count(stage, "A-01", {"item": "BOLT", "quantity": 60})  # 2,500 too much
    assert state(stage, number, "A-01")[0] == "review"
    count(stage, "A-02", {"item": "BOLT", "quantity": 40})  # and 2,500 too little: gross, not netted
    assert state(stage, number, "A-02") == ("waiting", "variance")
    count(stage, "DOCK", {"item": "BOLT", "quantity": 50})
    assert state(stage, number, "DOCK")[0] == "review"


# ---------------------------------------------------------------- relocations


def test_goods_missing_here_and_found_there_are_offered_as_a_relocation(stage: Stage) -> None:
    put(stage, "A-01", "BOLT", 20)
    number = session(stage, "A-01", "A-02")
    count(stage, "A-01", {"item": "BOLT", "quantity": 13})
    count(stage, "A-02", {"item": "BOLT", "quantity": 5})
    shown = stage.floor.counting.review.bin_review(stage.as_("sven"), number, "A-02")["relocations"]
    offer = {"item": "BOLT", "lot": "", "serial": "", "status": "free", "source": "A-01", "target": "A-02"}
    assert shown == [{**offer, "unit": "pc", "decimals": 0, "quantity": 5, "decided": "", "posted": ""}]
    for bin_ in ("A-01", "A-02"):
        with pytest.raises(Rejected, match="say whether they were relocated"):
            approve(stage, number, bin_, reason="miscounted-before")
    body = {"session": str(number), "item": "BOLT", "source": "A-01", "target": "A-02"}
    with pytest.raises(Rejected, match="nothing to relocate"):
        wrong = {**body, "source": "A-02", "target": "A-01"}
        stage.floor.counting.relocations.decide(stage.op(), stage.as_("sven"), wrong)
    op = stage.op()
    for _ in range(2):
        assert stage.floor.counting.relocations.decide(op, stage.as_("sven"), body)["quantity"] == 5
    # Five are explained; the two that are really gone still need a reason, and only they count for a limit.
    decree(stage, {"approval": {"bin_quantity_max": 2}})
    with pytest.raises(Rejected, match="by 7 and 5 are explained"):
        approve(stage, number, "A-01", reasons={"0": []})
    answer = approve(stage, number, "A-01", reason="lost")
    document = document_of(stage, answer["op_id"])
    assert (document.line_reasons, document.shares) == ({0: ("relocated", "lost")}, {0: (5, 2)})
    assert approve(stage, number, "A-02")["state"] == "posted"
    assert (stage.stock("A-01", "BOLT"), stage.stock("A-02", "BOLT")) == (13, 5)


def test_a_declined_relocation_is_explained_like_anything_else(stage: Stage) -> None:
    put(stage, "A-01", "PAINT", 20, lot="L1")
    number = session(stage, "A-01", "A-02")
    count(stage, "A-01", {"item": "PAINT", "lot": "L1", "quantity": 18})
    count(stage, "A-02", {"item": "PAINT", "lot": "L2", "quantity": 2}, {"item": "PAINT", "lot": "L1", "quantity": 2})
    shown = stage.floor.counting.review.bin_review(stage.as_("sven"), number, "A-01")["relocations"]
    assert [(each["lot"], each["quantity"]) for each in shown] == [("L1", 2)]  # lots are never netted
    body = {"session": str(number), "item": "PAINT", "lot": "L1", "source": "A-01", "target": "A-02", "accept": False}
    stage.floor.counting.relocations.decide(stage.op(), stage.as_("sven"), body)
    with pytest.raises(Rejected, match="give a reason"):
        approve(stage, number, "A-01")
    approve(stage, number, "A-01", reason="lost")


def test_a_piece_found_in_another_bin_is_not_lost_by_posting_in_the_wrong_order(stage: Stage) -> None:
    put(stage, "A-01", "DRILL", 1, serial="S1")
    number = session(stage, "A-01", "A-02")
    count(stage, "A-02", {"item": "DRILL", "serial": "S1", "quantity": 1})
    count(stage, "A-01")
    body = {"session": str(number), "item": "DRILL", "serial": "S1", "source": "A-01", "target": "A-02"}
    stage.floor.counting.relocations.decide(stage.op(), stage.as_("sven"), body)
    with pytest.raises(Rejected, match="post A-01 first"):
        approve(stage, number, "A-02")
    approve(stage, number, "A-01")
    approve(stage, number, "A-02")
    assert (stage.stock("A-01", "DRILL"), stage.stock("A-02", "DRILL")) == (0, 1)
    with stage.site.reading() as connection:
        assert connection.execute("SELECT location FROM serials").fetchall() == [("A-02",)]


# ---------------------------------------------------------------- many bins, several counters


def test_many_bins_are_approved_with_one_pin_and_each_on_its_own(stage: Stage) -> None:
    put(stage, "A-01", "BOLT", 5)
    put(stage, "A-02", "BOLT", 5)
    number = session(stage, "A-01", "A-02", "DOCK")
    count(stage, "A-01", {"item": "BOLT", "quantity": 5})
    count(stage, "A-02", {"item": "BOLT", "quantity": 4})
    op, body = stage.op(), {"session": str(number), "bins": ["A-02", "A-01", "DOCK"]}
    with pytest.raises(Rejected, match="PIN"):
        stage.floor.counting.posting.approve_bins(op, stage.as_("sven"), body, "000000")
    for _ in range(2):
        answer = stage.floor.counting.posting.approve_bins(op, stage.as_("sven"), body, PIN)
        assert answer["posted"] == ["A-01"]
        assert set(answer["refused"]) == {"A-02", "DOCK"} and "give a reason" in answer["refused"]["A-02"]
    again = {**body, "bins": ["A-02"], "reason": "lost"}
    answer = stage.floor.counting.posting.approve_bins(stage.op(), stage.as_("sven"), again, PIN)
    assert answer["posted"] == ["A-02"]
    with stage.site.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM count_posts").fetchone() == (2,)


def test_a_bin_whose_stock_moved_is_not_approved_among_others(stage: Stage) -> None:
    put(stage, "A-01", "BOLT", 5)
    put(stage, "A-02", "BOLT", 5)
    number = session(stage, "A-01", "A-02")
    count(stage, "A-01", {"item": "BOLT", "quantity": 5})
    stage.floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-02"})
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"item": "BOLT", "quantity": 6})
    put(stage, "A-02", "BOLT", 1)
    stage.floor.counting.close_bin(stage.op(), stage.as_("cora"), {"bin": "A-02", "confirm": True})
    with stage.site.reading() as connection:
        ready = stage.floor.counting.review.ready(connection, stage.as_("sven"), number)
    assert [(each["bin"], each["stable"]) for each in ready] == [("A-01", True), ("A-02", False)]
    op, body = stage.op(), {"session": str(number), "bins": ["A-01", "A-02"], "reason": "found"}
    for _ in range(2):
        answer = stage.floor.counting.posting.approve_bins(op, stage.as_("sven"), body, PIN)
        assert answer["posted"] == ["A-01"] and "look at its moves" in answer["refused"]["A-02"]
    assert state(stage, number, "A-02")[0] == "review"
    approve(stage, number, "A-02", reason="found")


@pytest.mark.parametrize("many", [False, True])
def test_who_asks_for_an_approval_hears_what_differs_and_counts_that_bin_no_more(stage: Stage, *, many: bool) -> None:
    put(stage, "A-01", "BOLT", 5)
    number = session(stage, "A-01", "A-02", rounds_max=3, line_quantity_max=None)
    count(stage, "A-01", {"item": "BOLT", "quantity": 3})
    tess, posting = stage.as_("tess"), stage.floor.counting.posting
    wish = {"session": str(number), "reason": "found"}
    with pytest.raises(Rejected, match="found explains more than expected"):
        if many:
            posting.approve_bins(stage.op(), tess, {**wish, "bins": ["A-01", "A-02", "NOWHERE"]}, PIN)
        else:
            posting.approve(stage.op(), tess, {**wish, "bin": "A-01"}, PIN)
    again = {"session": str(number), "bin": "A-01", "reason": "look-again"}
    stage.floor.counting.review.recount(stage.op(), stage.as_("sven"), again)
    with pytest.raises(Rejected, match="knows nothing of what the books have"):
        stage.floor.counting.open_bin(stage.op(), tess, {"bin": "A-01"})
    stage.floor.counting.open_bin(stage.op(), tess, {"bin": "A-02"})  # of that one nothing was said


def test_a_receipt_does_not_tell_a_counter_where_the_books_have_a_piece(stage: Stage) -> None:
    put(stage, "A-01", "DRILL", 1, serial="S1")
    put(stage, "A-02", "DRILL", 1, serial="S2")
    session(stage, "A-01")
    cora, receive = stage.as_("cora"), stage.floor.stock.receive

    def line(serial: str) -> dict[str, Any]:
        return {"lines": [{"item": "DRILL", "serial": serial, "quantity": 1, "target": "DOCK"}]}

    with pytest.raises(Rejected, match="elsewhere"):  # nothing that she counts
        receive(stage.op(), cora, line("S2"))
    op = stage.op()
    new = receive(stage.op(), cora, line("S3"))
    for _ in range(2):
        known = receive(op, cora, line("S1"))
        assert {**known, "op_id": ""} == {**new, "op_id": ""}
    with stage.site.reading() as connection:
        assert connection.execute("SELECT op_id FROM exceptions").fetchall() == [(op.raw,)]
        assert "DOCK" in stage.floor.lookups.suspects(connection)


def test_two_counters_agree_or_a_third_decides(stage: Stage) -> None:
    put(stage, "A-01", "BOLT", 5)
    put(stage, "A-02", "BOLT", 5)
    number = session(stage, "A-01", "A-02", counters=2, rounds_max=3, line_quantity_max=None)
    count(stage, "A-01", {"item": "BOLT", "quantity": 5})
    assert state(stage, number, "A-01") == ("waiting", "second")
    count(stage, "A-01", {"item": "BOLT", "quantity": 5}, who="carl")
    shown = stage.floor.counting.review.bin_review(stage.as_("sven"), number, "A-01")
    assert shown["rounds"][1]["agreed"] is True
    count(stage, "A-02", {"item": "BOLT", "quantity": 5})
    count(stage, "A-02", {"item": "BOLT", "quantity": 4}, who="carl")
    assert state(stage, number, "A-02") == ("waiting", "different")
    count(stage, "A-02", {"item": "BOLT", "quantity": 4}, who="tess")
    assert state(stage, number, "A-02")[0] == "review"
    with pytest.raises(Rejected, match="not by 3"):
        session(stage, "DOCK", counters=3, rounds_max=2)


def test_the_kept_tables_of_an_older_node_are_brought_up_to_date(tmp_path: Path) -> None:
    """A node that was counting when the program was replaced goes on counting."""

    folder = tmp_path / "old"
    folder.mkdir()
    old = db.create(folder / store.DATABASE_FILE, DiskStorage(), page_bytes=store.PAGE_BYTES)
    db.migrate(old, store.STEPS[:3])
    old.execute("INSERT INTO count_sessions VALUES (x'01', 'Old', '{}', x'02', 5, 'active', '')")
    old.execute("INSERT INTO count_bins VALUES (x'01', 'A-01', '', 'counting', '')")
    old.execute("INSERT INTO count_rounds (session, bin, round, why) VALUES (x'01', 'A-01', 0, 'first')")
    old.close()
    new = store.open_writer(folder)
    assert new.execute("SELECT name, state, frozen FROM count_sessions").fetchall() == [("Old", "active", 0)]
    assert new.execute("SELECT bin, state FROM count_bins").fetchall() == [("A-01", "counting")]
    assert new.execute("SELECT why FROM count_rounds").fetchall() == [("first",)]
    assert new.execute("PRAGMA foreign_key_check").fetchall() == []
    with pytest.raises(db.IntegrityError), db.transaction(new):
        new.execute("INSERT INTO count_bins VALUES (x'99', 'A-02', '', 'waiting', '')")
    new.close()


def test_what_is_drawn_within_a_session_is_not_chosen_by_who_chooses_the_ids(stage: Stage) -> None:
    """The same session and the same count, in two nodes: one is repeated as a control, the other is not."""
    session, count = OpId(bytes(15) + b"\x07"), bytes(15) + b"\x08"
    wish = {"name": "Week", "bins": ["A-01"], "rule": {"control_percent": 50}}
    stage.floor.counting.open_session(session, stage.as_("sven"), wish)
    with stage.site.writing() as connection:
        (secret,) = connection.execute("SELECT secret FROM count_sessions").fetchone()
        assert len(secret) == 32 and any(secret)
        drawn = []
        for number in range(64):
            connection.execute("UPDATE count_sessions SET secret = ?", (bytes(31) + bytes([number]),))
            drawn.append(is_drawn(connection, session, count, 50))
            assert drawn[-1] is is_drawn(connection, session, count, 50)
        assert 16 < sum(drawn) < 48
        assert not is_drawn(connection, session, count, 0) and is_drawn(connection, session, count, 100)
