"""Words that are not what they look like: refused where they come in, and no trouble where they are already."""

from __future__ import annotations

import pytest

from ledger.calls import Receive
from ledger.errors import Rejected
from tests.node import world
from tests.node.floor_kit import Stage, actor_of
from tests.node.test_counting_sheets import issue, session, take, wish

ODD = "L\u200b1"


def lots(stage: Stage, item: str = "PAINT") -> dict[str, int]:
    with stage.site.reading() as connection:
        rows = connection.execute(
            "SELECT lot, SUM(quantity) FROM stock WHERE item = ? AND location = 'A-01' GROUP BY lot", (item,)
        ).fetchall()
    return {lot: int(quantity) for lot, quantity in rows if quantity}


def test_a_sheet_that_comes_back_is_read_by_the_same_rule(stage: Stage) -> None:
    stage.receive({"item": "PAINT", "lot": "L1", "quantity": 5})
    sheet = issue(stage, session(stage, "A-01"), "A-01")
    for lot, named in ((ODD, "U+200B"), ("Cafe\u0301", "U+0301"), ("L1\u202e", "U+202E")):
        tried = take(stage, {**wish(stage, sheet, f"{sheet},A-01,PAINT,{lot},,,,5,"), "dry_run": True})
        [problem] = tried["problems"]
        assert repr(lot) in problem and named in problem and problem.isprintable()
    assert take(stage, {**wish(stage, sheet, f"{sheet},A-01,PAINT,L1,,,,5,"), "dry_run": True})["problems"] == []


def test_a_units_label_cannot_name_what_is_not_seen(stage: Stage) -> None:
    stage.receive({"item": "BOLT", "quantity": 5})
    stage.floor.stock.begin(stage.op(), stage.as_("cora"), {"kind": "move", "source": "A-01", "target": "A-02"})
    told = stage.scan("LPN:U\u200b1")
    assert told["outcome"] == "parked" and "U+200B" in told["why"], told


def test_notes_are_kept_in_their_usual_form(stage: Stage) -> None:
    line = {"item": "BOLT", "quantity": 1}
    body = {"lines": [line], "target": "A-01", "note": "Rene\u0301 said:\nمی\u200cخواهم"}
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), body)
    with stage.site.reading() as connection:
        kept = [str(row[0]) for row in connection.execute("SELECT content FROM erasable").fetchall()]
    assert kept == ["René said:\nمی\u200cخواهم"]


def test_goods_that_bear_such_a_lot_already_stay_and_get_a_better_one(stage: Stage) -> None:
    come = Receive(actor=actor_of("mona"), lines=(world.line(5, "PAINT", lot=ODD),))
    stage.site.record(come, op_id=stage.op(), document=world.DOCUMENT)
    stage.world.clock.advance(2_000)
    stage.site.seal()
    stage = stage.restart()
    assert lots(stage) == {ODD: 5}
    line = {"item": "PAINT", "lot": ODD, "quantity": 5}
    for lot in ("L\u200b2", ODD):
        with pytest.raises(Rejected, match="200B"):
            body = {"lot": lot, "lines": [line], "location": "A-01", "reasons": ["faded"]}
            stage.floor.stock.relabel(stage.op(), stage.as_("mona"), body)
    body = {"lot": "L1", "lines": [line], "location": "A-01", "reasons": ["faded"]}
    stage.floor.stock.relabel(stage.op(), stage.as_("mona"), body)
    assert lots(stage) == {"L1": 5}
    stage.close()
