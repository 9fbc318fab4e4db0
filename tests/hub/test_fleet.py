"""Which sites are silent, behind or ill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import views
from hub.hub import Hub
from ledger.clock import ManualClock
from node.agents import monitor
from node.agents.vitals import LedgerVitals, MachineVitals, Vitals
from node.config import HealthConfig
from node.health import Report
from tests.hub import sitekit
from tests.hub.sitekit import Site

SICK = {"findings": [{"code": "clock", "severity": "info", "words": "fine", "action": ""}]}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(sitekit.START_MS)


@pytest.fixture
def hub(tmp_path: Path, clock: ManualClock) -> Iterator[Hub]:
    sitekit.found_hub(tmp_path / "hub", **{"sync.behind_blocks_max": 3})
    with sitekit.open_hub(tmp_path / "hub", clock) as opened:
        opened.import_items(sitekit.ITEMS)
        yield opened


def _state(hub: Hub) -> str:
    return hub.sites()[0].state


def test_a_site_is_new_well_ill_behind_and_silent(hub: Hub, clock: ManualClock) -> None:
    oslo = Site(hub, "oslo", clock)
    assert _state(hub) == "new"
    oslo.furnish()
    hub.verify()
    assert _state(hub) == "well"
    oslo.node.said = SICK
    oslo.sync()
    assert _state(hub) == "well"
    oslo.node.said = {
        "findings": [{"code": "disk", "severity": "urgent", "words": "the disk is full", "action": "x"}]
    }
    clock.advance(1)
    oslo.sync()
    view = hub.sites()[0]
    assert (view.state, view.reason) == ("ill", "the disk is full") and view.health_age_ms == 0
    oslo.node.said = SICK
    clock.advance(1)
    for _ in range(4):
        oslo.receive(1)
        oslo.chain.seal()
    oslo.sync()
    assert _state(hub) == "behind" and hub.sites()[0].backlog == 4
    hub.verify()
    assert _state(hub) == "well"
    clock.advance(hub.config.sync.silent_after_ms + 1)
    hub.watch()
    assert _state(hub) == "silent" and "silent site" in [each.kind for each in hub.discrepancies()]
    oslo.sync()
    hub.watch()
    assert _state(hub) == "well" and "silent site" not in [each.kind for each in hub.discrepancies()]


def test_a_node_that_cannot_follow_the_hub_is_ill_in_its_own_words(hub: Hub, clock: ManualClock) -> None:
    oslo = Site(hub, "oslo", clock)
    ledger = LedgerVitals(8, 4_000, 0, None, 0, None, 1, 60_000, "control record 7: used", "", "", 10 << 20, 1 << 20)
    sample = Vitals(sitekit.START_MS, ledger, MachineVitals(50 << 30, 100 << 30, 90 << 20, 0), ())
    oslo.node.said = Report(sample, monitor.examine(sample, HealthConfig())).frame()
    oslo.sync()
    view = hub.sites()[0]
    assert view.state == "ill" and "control record 7: used" in view.reason


def test_a_job_that_fails_says_so_and_works_again(hub: Hub) -> None:
    def fail() -> None:
        raise ValueError("a slip")

    hub.guarded("settle", fail)
    assert hub.troubles == {"settle": "ValueError: a slip"}
    hub.guarded("settle", hub.settle)
    assert hub.troubles == {}


@pytest.mark.parametrize("said", [{"temperature": b"\xff"}, {"findings": [{b"code": 1}]}])
def test_health_that_cannot_be_shown_is_not_kept(hub: Hub, clock: ManualClock, said: dict[str, object]) -> None:
    oslo = Site(hub, "oslo", clock)
    oslo.node.said = SICK
    oslo.sync()
    clock.advance(1)
    oslo.node.said = said
    oslo.sync()
    with hub.reading() as session:
        shown = json.dumps(views.status(session, hub.config, clock.now_ms()), allow_nan=False)
    assert json.loads(shown)["sites"][0]["health"] == SICK
