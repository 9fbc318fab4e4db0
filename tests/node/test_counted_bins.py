"""A bin that is being counted takes no goods that would tell what is in it; a frozen one takes none at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import Rejected
from tests.node.floor_kit import Stage, furnished
from tests.node.test_counting import session


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = furnished(tmp_path / "node")
    made.receive({"item": "BOLT", "quantity": 20}, {"item": "BOLT", "quantity": 5, "target": "DOCK"})
    yield made
    made.site.close()
    made.journal.close()


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
