"""What time a block says: it grows, a jump never pins it in the future, its quality says how far to believe it."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clock import ManualClock
from node.config import ClockConfig
from node.timekeeping import CONFIRMED, DOUBTFUL, LEAD_MS_MAX, OWN, Timekeeper

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000
CONFIG = ClockConfig()


def keeper(clock: ManualClock, trusted_ms: int = START_MS) -> Timekeeper:
    return Timekeeper(clock, CONFIG, trusted_ms)


def test_an_ordinary_clock_is_followed() -> None:
    clock = ManualClock(START_MS + 5_700)
    moment = keeper(clock).next(START_MS // 1000)
    assert (moment.time_s, moment.quality) == (START_MS // 1000 + 5, OWN)


def test_a_parent_in_the_same_second_is_no_error_of_the_clock() -> None:
    clock = ManualClock(START_MS + 300)
    parent = START_MS // 1000
    assert keeper(clock).next(parent).quality == OWN
    assert keeper(clock).next(parent).time_s == parent + 1
    assert keeper(clock).next(parent + LEAD_MS_MAX // 1000).quality == OWN
    assert keeper(clock).next(parent + LEAD_MS_MAX // 1000 + 1).quality == DOUBTFUL


def test_before_the_parent_or_a_week_ahead_is_not_followed() -> None:
    for at_ms in (0, START_MS - 3_600_000, START_MS + 7 * DAY_MS + 1, START_MS + 3650 * DAY_MS):
        moment = keeper(ManualClock(at_ms)).next(START_MS // 1000)
        assert (moment.time_s, moment.quality) == (START_MS // 1000 + 1, DOUBTFUL)
    assert keeper(ManualClock(START_MS + 7 * DAY_MS)).next(START_MS // 1000).quality == OWN


def test_a_long_quiet_time_with_a_good_clock_is_not_a_jump() -> None:
    clock = ManualClock(START_MS)
    time = keeper(clock)
    clock.advance(30 * DAY_MS)
    assert time.next(START_MS // 1000).quality == OWN, "the steady clock saw the month go by"
    for _ in range(60):
        clock.advance(DAY_MS)
        time.tick()
    later = Timekeeper(clock, CONFIG, time.trusted_ms)
    assert later.next(START_MS // 1000).quality == OWN, "a restart knows of it too"


def test_a_week_switched_off_needs_the_hub() -> None:
    clock = ManualClock(START_MS + 8 * DAY_MS)
    time = keeper(clock)
    assert time.next(START_MS // 1000).quality == DOUBTFUL
    time.tick()
    assert time.quality(START_MS // 1000) == DOUBTFUL
    time.confirm(START_MS + 8 * DAY_MS + 400)
    moment = time.next(START_MS // 1000)
    assert (moment.time_s, moment.quality) == ((START_MS + 8 * DAY_MS) // 1000, CONFIRMED)


def test_the_hubs_word_wears_off_and_a_step_ends_it() -> None:
    clock = ManualClock(START_MS)
    time = keeper(clock)
    time.confirm(START_MS)
    clock.advance(CONFIG.confirmed_ms_max)
    assert time.quality(0) == CONFIRMED and time.hub_age_ms() == CONFIG.confirmed_ms_max
    clock.advance(1)
    assert time.quality(0) == OWN
    time.confirm(clock.now_ms())
    clock.jump(CONFIG.differs_ms_max + 1)
    assert time.quality(0) == OWN
    time.confirm(clock.now_ms() - CONFIG.differs_ms_max - 1)
    assert time.quality(0) == DOUBTFUL and time.hub_age_ms() is None


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_thousands_of_blocks_of_any_clock(seed: int) -> None:
    """Three hundred blocks a seed: any mixture of pauses, jumps, restarts and the hub's word."""
    dice = random.Random(seed)
    clock = ManualClock(START_MS)
    time, parent, latest_s = keeper(clock), START_MS // 1000, START_MS // 1000
    true_ms = START_MS
    for _ in range(300):
        step = dice.choice([1_000, 1_500, 15_000, 600_000])
        true_ms += step
        clock.advance(step)
        event = dice.random()
        if event < 0.1:
            clock.at_ms = dice.choice([0, true_ms - DAY_MS, true_ms + 8 * DAY_MS, true_ms + 3650 * DAY_MS])
        elif event < 0.4:
            clock.at_ms = true_ms
        elif event < 0.5:
            time = Timekeeper(clock, CONFIG, time.trusted_ms)
        elif event < 0.6:
            time.confirm(true_ms)
        moment = time.next(parent)
        assert moment.time_s > parent
        latest_s = max(latest_s + 1, true_ms // 1000 + 7 * 86_400 + 600)
        assert moment.time_s <= latest_s, "a jump never pins the chain in the future"
        if abs(clock.at_ms - true_ms) == 0 and parent <= true_ms // 1000:
            assert moment.quality != DOUBTFUL or time.trusted_ms + 7 * DAY_MS < true_ms or time._contradicted
        parent = moment.time_s
