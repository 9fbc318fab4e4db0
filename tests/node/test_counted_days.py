"""A plan's "not counted since" is a day of the site: it begins at its own midnight, in every zone and season."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.node.floor_kit import PIN, Stage, furnished

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One whose clock nobody asks."""
    with closing(furnished(tmp_path_factory.mktemp("days") / "node")) as made:
        yield made


def in_zone(stage: Stage, zone: str) -> None:
    config = stage.site.config
    stage.site.config = replace(config, web=replace(config.web, time_zone=zone))


def later(stage: Stage, hours: int) -> None:
    """Hours pass; everybody logs in again."""
    stage.world.clock.advance(hours * HOUR_MS)
    for login in ("cora", "sven"):
        stage.tokens[login] = stage.floor.people.log_in(login, PIN, "tablet-1")["token"]


def counted_now(stage: Stage) -> None:
    """A-01 is counted and found empty, and the block that has it is sealed."""
    counting = stage.floor.counting
    session = counting.open_session(
        stage.op(), stage.as_("sven"), {"name": "Day", "bins": ["A-01"], "rule": {"control_percent": 0}}
    )["session"]
    counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    counting.empty(stage.op(), stage.as_("cora"), {})
    counting.close_bin(stage.op(), stage.as_("cora"), {"bin": "A-01", "confirm": True})
    counting.posting.approve(stage.op(), stage.as_("sven"), {"session": session, "bin": "A-01"}, PIN)
    stage.world.clock.advance(2_000)
    stage.site.seal()


def is_due(stage: Stage, day: str) -> bool:
    found = stage.floor.counting.plans.preview(stage.as_("sven"), {"not_counted_since": day})
    return "A-01" in [each["bin"] for each in found["bins"]]


@pytest.mark.parametrize(
    ("zone", "day", "next_day"),
    [
        ("", "2023-11-14", "2023-11-15"),
        ("Asia/Tokyo", "2023-11-15", "2023-11-16"),  # 07:13 of the next day there
        ("Pacific/Kiritimati", "2023-11-15", "2023-11-16"),
        ("America/Los_Angeles", "2023-11-14", "2023-11-15"),
    ],
)
def test_what_was_counted_on_a_day_was_counted_since_it_began(
    stage: Stage, zone: str, day: str, next_day: str
) -> None:
    in_zone(stage, zone)
    counted_now(stage)
    assert not is_due(stage, day)
    assert is_due(stage, next_day)


def test_the_evening_of_a_site_in_the_west_is_still_its_own_day(stage: Stage) -> None:
    """03:13 of the 15th by UTC, 19:13 of the 14th there."""
    in_zone(stage, "America/Los_Angeles")
    later(stage, hours=5)
    counted_now(stage)
    assert not is_due(stage, "2023-11-14") and is_due(stage, "2023-11-15")


def test_the_early_morning_of_a_site_in_the_east_is_its_own_day_already(stage: Stage) -> None:
    """01:13 of the 15th in Kyiv and 23:13 of the 14th by UTC."""
    in_zone(stage, "Europe/Kyiv")
    later(stage, hours=1)
    counted_now(stage)
    assert not is_due(stage, "2023-11-15") and is_due(stage, "2023-11-16")


def test_the_rule_on_the_chain_has_the_moment_and_gives_the_same_bins_again(stage: Stage) -> None:
    in_zone(stage, "Asia/Tokyo")
    wish = {"name": "Due", "plan": {"not_counted_since": "2023-11-15"}}
    stage.world.clock.advance(2_000)
    session = stage.op()
    stage.floor.counting.open_session(session, stage.as_("sven"), wish)
    shown = stage.floor.counting.plans.show(stage.as_("sven"), session)
    midnight = int(datetime(2023, 11, 14, 15, tzinfo=UTC).timestamp())
    assert shown["rule"]["not_counted_since_s"] == midnight and shown["derived"] is True


@pytest.mark.parametrize(
    ("zone", "day", "began"),
    [
        ("Europe/Oslo", "2024-03-31", "2024-03-30T23:00:00+00:00"),  # the clock goes forward at 2
        ("Europe/Oslo", "2024-04-01", "2024-03-31T22:00:00+00:00"),
        ("Europe/Oslo", "2024-10-27", "2024-10-26T22:00:00+00:00"),
        ("Europe/Oslo", "2024-10-28", "2024-10-27T23:00:00+00:00"),
        ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00:00+00:00"),  # forward at midnight: the day begins at 1
        ("America/Havana", "2024-11-03", "2024-11-03T04:00:00+00:00"),  # back at 1: midnight comes twice
    ],
)
def test_a_day_on_which_the_clock_is_changed_begins_when_it_begins(
    still: Stage, zone: str, day: str, began: str
) -> None:
    in_zone(still, zone)
    said = still.floor.desk.start_of(date.fromisoformat(day))
    assert datetime.fromtimestamp(said / 1000, UTC).isoformat() == began


@given(
    st.dates(date(1975, 1, 1), date(2120, 12, 31)),
    st.sampled_from(["", "Asia/Beirut", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo"]),
)
def test_a_day_holds_its_first_moment_and_not_the_one_before(still: Stage, day: date, zone: str) -> None:
    in_zone(still, zone)
    desk = still.floor.desk
    began = desk.start_of(day)
    assert (desk.day_of(began), desk.day_of(began - 1)) == (day, day - timedelta(days=1))
