"""The hub tells the receiver in which handling unit lines of a dispatch travel, as the dispatch's document says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import projection, transfers
from hub.hub import Hub
from ledger import calls
from ledger.clock import ManualClock
from ledger.transfers import TransferName
from tests.hub import sitekit
from tests.hub.sitekit import NOBODY, Site

PALLET = "006141411234567890"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    sitekit.found_hub(tmp_path / "hub")
    with sitekit.open_hub(tmp_path / "hub", ManualClock(sitekit.START_MS)) as opened:
        opened.import_items(sitekit.ITEMS)
        yield opened


def test_lines_out_of_a_unit_that_goes_whole_are_told_with_it(hub: Hub) -> None:
    clock = ManualClock(sitekit.START_MS)
    oslo, bergen = Site(hub, "oslo", clock), Site(hub, "bergen", clock, 8)
    for site in (oslo, bergen):
        site.furnish()
    oslo.act(calls.MoveUnit(actor=NOBODY, lines=(calls.UnitMove(unit=PALLET, target="A-01"),)))
    oslo.receive(30, target=PALLET)
    oslo.receive(30)
    part = oslo.dispatch("bergen", ("BOLT", 6), source=PALLET)
    # A unit that the document names and no line is out of stands for nothing.
    whole = oslo.dispatch("bergen", ("BOLT", 24), source=PALLET, units=(PALLET, "OTHER"))
    oslo.deliver()
    hub.verify()
    hub.settle()
    with hub.reading() as session:
        said = [transfers.load(session, TransferName("oslo", each)).lines[0].unit for each in (part, whole)]
    assert said == ["", PALLET]
    bergen.sync()
    told = bergen.node.tables["transfers"]
    assert [told[f"oslo/{each}"]["lines"][0] for each in (part, whole)] == [
        [0, "BOLT", "", "", 0, 6, 0, 0, 0],
        [0, "BOLT", "", "", 0, 24, 0, 0, 0, PALLET],
    ]
    before = sitekit.tables(hub, "transfer_lines")
    with hub.store.write() as session:
        projection.clear(session)
    hub.verify()
    assert sitekit.tables(hub, "transfer_lines") == before
