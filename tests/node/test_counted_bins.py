"""A bin that is being counted takes no goods that would tell what is in it; a frozen one takes none at all."""

from __future__ import annotations

import pytest

from ledger.errors import Rejected
from tests.node.floor_kit import PIN, Stage
from tests.node.test_counting import session
from tests.node.test_transfers import accept, tell


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.receive({"item": "BOLT", "quantity": 20}, {"item": "BOLT", "quantity": 5, "target": "DOCK"})
    return stage


def test_a_bin_that_is_being_counted_is_no_tote_whatever_is_in_it(stage: Stage) -> None:
    mona, op = stage.as_("mona"), stage.op()
    stage.floor.picking.open(op, mona, {"order": "SO-1", "lines": [{"item": "BOLT", "quantity": 2}]})
    session(stage, "A-01", "A-02")  # one holds goods, the other none
    said = set()
    for tote in ("A-01", "A-02"):
        with pytest.raises(Rejected) as refusal:
            stage.floor.picking.begin(stage.op(), mona, {"list": str(op), "tote": tote})
        said.add(str(refusal.value).replace(tote, "…"))
    assert said == {"… is being counted: take another tote"}


FREEZES = {"rule": {"control_percent": 0}, "freeze": True}


def freeze(stage: Stage, *bins: str) -> None:
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), {"name": "F", "bins": list(bins), **FREEZES})


def test_a_signature_books_nothing_in_a_frozen_bin(stage: Stage) -> None:
    op, wish = stage.op(), {"lines": [{"item": "BOLT", "location": "A-01", "change": -3, "reasons": ["broken"]}]}
    stage.floor.stock.adjust(op, stage.as_("mona"), wish)
    freeze(stage, "A-01")
    approve = stage.floor.stock.proposals.approve
    with pytest.raises(Rejected, match="A-01 is frozen"):
        approve(stage.op(), stage.as_("sven"), {"proposal": str(op)}, PIN)
    assert stage.stock("A-01", "BOLT") == 20
    with stage.site.reading() as connection:
        [waiting] = stage.floor.stock.proposals.waiting(connection, stage.as_("sven"), frozenset())
    assert waiting["proposal"] == str(op)  # it waits on


def test_a_transfer_is_not_taken_into_a_frozen_bin(stage: Stage) -> None:
    transfer = stage.op()
    tell(stage, transfer, sender="bergen", receiver="oslo")
    freeze(stage, "A-02")
    line = {"index": 0, "quantity": 24}
    with pytest.raises(Rejected, match="A-02 is frozen"):
        accept(stage, transfer, line, target="A-02")
    accept(stage, transfer, line)
    assert (stage.stock("A-02", "BOLT"), stage.stock("DOCK", "BOLT")) == (0, 29)


def test_a_tote_that_is_frozen_is_not_issued(stage: Stage) -> None:
    mona, op = stage.as_("mona"), stage.op()
    stage.floor.picking.open(op, mona, {"order": "SO-1", "lines": [{"item": "BOLT", "quantity": 2}]})
    stage.floor.picking.begin(stage.op(), mona, {"list": str(op), "tote": "A-02"})
    with stage.site.reading() as connection:
        [share] = stage.floor.picking.show(connection, mona, op)["lines"]
    pick = {"list": str(op), "item": "BOLT", "quantity": 2, "source": share["location"]}
    stage.floor.picking.pick(stage.op(), mona, pick)
    freeze(stage, "A-02")
    with pytest.raises(Rejected, match="A-02 is frozen"):
        stage.floor.picking.issue(stage.op(), mona, {"list": str(op)})
    assert stage.stock("A-02", "BOLT") == 2
    stage.floor.picking.issue(stage.op(), mona, {"list": str(op), "happened": True})
    assert stage.stock("A-02", "BOLT") == 0
