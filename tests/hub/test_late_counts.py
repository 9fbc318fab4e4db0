"""A count ends what was open about its bin when it was done after that, whenever the two were recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.hub import Hub
from ledger import calls
from ledger.clock import ManualClock
from tests.hub import sitekit
from tests.hub.sitekit import START_MS
from tests.hub.test_pipeline import _digest, _site

HOUR_MS = 3_600_000
LOST = calls.ExceptDocument(actor=sitekit.NOBODY, location="A-01", reason="no-stock", lines=())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(sitekit.START_MS)


@pytest.fixture
def hub(tmp_path: Path, clock: ManualClock) -> Iterator[Hub]:
    sitekit.found_hub(tmp_path / "hub")
    with sitekit.open_hub(tmp_path / "hub", clock) as opened:
        opened.import_items(sitekit.ITEMS)
        yield opened


def open_kinds(hub: Hub) -> list[str]:
    return [each.kind for each in hub.discrepancies()]


@pytest.mark.parametrize(
    ("lost_ms", "counted_ms", "left"),
    [
        (START_MS, START_MS - HOUR_MS, ["unbookable act"]),  # a paper of before it came in after it
        (START_MS - HOUR_MS, START_MS, []),
        (START_MS, START_MS, []),  # at one moment the order of recording decides
        (START_MS + 1_000 * HOUR_MS, START_MS + 2 * HOUR_MS, []),  # nothing happens in times to come
    ],
)
def test_a_count_recorded_after_an_act_ends_it_when_it_was_done_after_it(
    hub: Hub, clock: ManualClock, lost_ms: int, counted_ms: int, left: list[str]
) -> None:
    oslo = _site(hub, "oslo", clock)
    oslo.act(LOST, at_ms=lost_ms)
    oslo.deliver()
    clock.advance(2 * HOUR_MS)
    session = oslo.new_op()
    oslo.post(oslo.count("A-01", session=session, at_ms=counted_ms), session, "A-01")
    oslo.deliver()
    _digest(hub)
    assert open_kinds(hub) == left


@pytest.mark.parametrize(
    ("lost", "left"), [((("BOLT", ""),), []), ((("PAINT", "L1"),), ["unbookable act"]), ((), ["unbookable act"])]
)
def test_a_count_of_some_items_ends_only_what_is_about_them(
    hub: Hub, clock: ManualClock, lost: tuple[tuple[str, str], ...], left: list[str]
) -> None:
    oslo = _site(hub, "oslo", clock)
    lines = tuple(calls.Line(item=item, lot=lot, quantity=4, source="A-01", target="A-02") for item, lot in lost)
    oslo.act(calls.ExceptDocument(actor=sitekit.NOBODY, location="A-01", reason="not-bookable", lines=lines))
    oslo.deliver()
    session = oslo.new_op()
    counted = oslo.count("A-01", ("BOLT", 0), session=session, whole=False)
    oslo.post(counted, session, "A-01", ("BOLT", 0, 0))
    oslo.deliver()
    _digest(hub)
    assert open_kinds(hub) == left
