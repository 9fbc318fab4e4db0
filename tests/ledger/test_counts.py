"""When a count is to be repeated: each limit on its own, gross over lines, and differences compared, never counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.counts import Compared, Cost, Rule, differences
from ledger.errors import Rejected


def line(counted: int, expected: int, item: str = "BOLT", **more: Any) -> Compared:
    return Compared(item=item, counted=counted, expected=expected, **more)


LOOSE = {"line_quantity_max": None}


@pytest.mark.parametrize(
    ("rule", "counted", "expected", "over"),
    [
        (Rule(), 5, 5, False),
        (Rule(), 4, 5, True),
        (Rule(line_quantity_max=1), 4, 5, False),
        (Rule(line_quantity_max=1), 7, 5, True),
        (Rule(line_quantity_max=9), 1, 0, True),  # nothing expected and anything counted is always over
        (Rule(**LOOSE, line_percent_max=10), 90, 100, False),
        (Rule(**LOOSE, line_percent_max=10), 89, 100, True),
        (Rule(**LOOSE, line_percent_max=10), 1, 0, True),
        (Rule(**LOOSE, line_value_max=500), 98, 100, False),
        (Rule(**LOOSE, line_value_max=499), 98, 100, True),
        (Rule(**LOOSE), 1, 1_000_000, False),
    ],
)
def test_limits_of_a_line(rule: Rule, counted: int, expected: int, over: bool) -> None:
    assert bool(rule.over(line(counted, expected), Cost(250))) is over


def test_an_item_without_cost_is_over_where_value_is_limited() -> None:
    assert Rule(**LOOSE, line_value_max=10**9).over(line(1, 2), None)
    assert not Rule(**LOOSE).over(line(1, 2), None)


def test_a_bin_is_judged_gross() -> None:
    lines = [line(10, 5), line(5, 10, "NUT")]
    rule = Rule(**LOOSE, bin_quantity_max=9)
    assert "more than 9" in rule.over_bin(lines, {})
    assert not Rule(**LOOSE, bin_quantity_max=10).over_bin(lines, {})
    priced = Rule(**LOOSE, bin_value_max=1_000)
    assert "no standard cost" in priced.over_bin(lines, {"BOLT": Cost(1)})
    assert not priced.over_bin(lines, {"BOLT": Cost(100), "NUT": Cost(100)})
    assert priced.over_bin(lines, {"BOLT": Cost(101), "NUT": Cost(100)})
    assert not priced.over_bin([line(3, 3)], {})


def test_cost_is_rounded_up_so_that_no_limit_is_passed_by_rounding() -> None:
    assert Cost(250, decimals=3).of(1) == 1
    assert Cost(250, decimals=3).of(4_000) == 1_000
    assert Cost(0).of(5) == 0


@given(st.integers(0, 2**53), st.integers(0, 2**53), st.integers(0, 2**53))
def test_rounds_are_compared_by_what_they_change(before: int, between: int, found: int) -> None:
    """A move between two counts changes both sides of each and no difference."""
    first, second = line(found, before), line(found + between, before + between)
    assert differences([first]) == differences([second])


def test_lots_serials_and_statuses_are_never_netted() -> None:
    lines = [line(1, 0, lot="L1"), line(0, 1, lot="L2"), line(0, 1, serial="S"), line(0, 1, status=2), line(4, 4)]
    assert len(differences(lines)) == 4


@pytest.mark.parametrize(
    "values",
    [
        {"line_quantity_max": -1},
        {"line_quantity_max": True},
        {"line_quantity_max": 1.5},
        {"line_quantity_max": "1"},
        {"line_percent_max": float("nan")},
        {"bin_value_max": 2**63},
        {"rounds_max": 0},
        {"rounds_max": None},
        {"control_percent": 101},
        {"limit": 1},
        {"x" * 1000: 1},
    ],
)
def test_impossible_rules_are_refused_in_words(values: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as refusal:
        Rule.parse(values)
    assert len(str(refusal.value)) < 300


def test_a_rule_comes_back_from_its_json() -> None:
    rule = Rule(line_percent_max=5, control_percent=0)
    assert Rule.parse(rule.as_json()) == rule
