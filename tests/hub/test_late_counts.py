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
    lines = tuple(calls.Line(item=item, lot=lot, quantity=4, source="A-01", target="SHRINKAGE") for item, lot in lost)
    oslo.act(calls.ExceptDocument(actor=sitekit.NOBODY, location="A-01", reason="not-bookable", lines=lines))
    oslo.deliver()
    session = oslo.new_op()
    counted = oslo.count("A-01", ("BOLT", 0), session=session, whole=False)
    oslo.post(counted, session, "A-01", ("BOLT", 0, 0))
    oslo.deliver()
    _digest(hub)
    assert open_kinds(hub) == left


def excepted(target: str, reason: str = "not-bookable") -> calls.ExceptDocument:
    moved = calls.Line(item="BOLT", quantity=4, source="A-01", target=target)
    dust = calls.Line(item="PAINT", lot="L1", quantity=1, source="A-01", target="SHRINKAGE")
    return calls.ExceptDocument(actor=sitekit.NOBODY, location="A-01", reason=reason, lines=(moved, dust))


def posted(oslo: sitekit.Site, bin_: str, *items: str) -> None:
    session = oslo.new_op()
    counted = oslo.count(bin_, *((item, 0) for item in items), session=session, whole=not items)
    oslo.post(counted, session, bin_, *((item, 0, 0) for item in items))


def test_every_place_of_an_act_is_named_and_counts_of_all_of_them_end_it(hub: Hub, clock: ManualClock) -> None:
    oslo = _site(hub, "oslo", clock)
    posted(oslo, "A-02")  # before it: ends nothing
    oslo.act(excepted("A-02"))
    oslo.deliver()
    _digest(hub)
    [found] = hub.discrepancies()
    assert found.summary == "an act at A-01, A-02 could not be booked: not-bookable"
    evidence = hub.discrepancy(found.id).entries[0].evidence
    assert evidence["location"] == "A-01" and evidence["places"] == [
        {"location": "A-01", "item": "BOLT"}, {"location": "A-01", "item": "PAINT"},
        {"location": "A-02", "item": "BOLT"},
    ]  # fmt: skip
    for place, *items in (("A-01", "BOLT"), ("A-01",), ("A-02", "BOLT")):
        assert open_kinds(hub) == ["unbookable act"]
        posted(oslo, place, *items)
        oslo.deliver()
        _digest(hub)
    assert open_kinds(hub) == []


@pytest.mark.parametrize(("target", "reason"), [("NOWHERE", "not-bookable"), ("A-02", "broken")])
def test_a_place_that_nobody_can_count_or_doubts_is_not_waited_for(
    hub: Hub, clock: ManualClock, target: str, reason: str
) -> None:
    oslo = _site(hub, "oslo", clock)
    oslo.act(excepted(target, reason))
    posted(oslo, "A-01")
    oslo.deliver()
    _digest(hub)
    assert open_kinds(hub) == []


def test_an_act_that_names_no_place_is_about_where_its_lines_end(hub: Hub, clock: ManualClock) -> None:
    oslo = _site(hub, "oslo", clock)
    line = calls.Line(item="BOLT", quantity=4, source="A-01", target="CUSTOMER")
    oslo.act(calls.ExceptDocument(actor=sitekit.NOBODY, location="A-0I", reason="broken", lines=(line,)))
    oslo.deliver()
    _digest(hub)
    assert [each.summary for each in hub.discrepancies()] == ["an act at A-0I, A-01 could not be booked: broken"]
    posted(oslo, "A-01")
    oslo.deliver()
    _digest(hub)
    assert open_kinds(hub) == []
