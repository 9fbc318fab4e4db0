"""The text of a count's plan: one writing, and no bytes from elsewhere that break its reader."""

from __future__ import annotations

import random

import pytest

from ledger.codec import cbor_encode
from ledger.errors import Invalid
from ledger.ids import OpId
from ledger.plans import HUB_AFTER, Plan, Planned, Scope, drawn, seed_of

PLAN = Plan(
    session=OpId(bytes(range(16))),
    rule=Scope(areas=("HALL",), sample=2).as_json(),
    height=7,
    seed=bytes(32),
    seed_from="site-chosen",
    bins=(Planned("A-01", ("BOLT",)), Planned("B-01")),
    busy=("C-01",),
)


def test_a_plan_is_read_as_it_was_written() -> None:
    assert Plan.decode(PLAN.encode()) == PLAN
    assert not PLAN.asks
    asked = Plan(session=PLAN.session, rule=PLAN.rule, height=7, seed_from=HUB_AFTER)
    assert Plan.decode(asked.encode()) == asked and asked.asks


def test_hostile_bytes_are_no_plan() -> None:
    good, dice = PLAN.encode(), random.Random(7)
    wrong = [
        b"", b"\xff", cbor_encode([]), cbor_encode({}), cbor_encode([b"", {}, 0, b"", "", [], []]),
        cbor_encode([bytes(16), [], 0, b"", "", [], []]), cbor_encode([bytes(16), {}, 0, b"", 5, [], []]),
        cbor_encode([bytes(16), {}, 0, b"", "", [["B", []], ["A", []]], []]), good + b"\x00",
        cbor_encode([bytes(16), {}, "7", b"", "", [], []]), cbor_encode([bytes(16), {}, 0, "seed", "", [], []]),
        cbor_encode([bytes(16), {}, 0, b"", "", [["A", [5]]], []]), cbor_encode([bytes(16), {}, 0, b"", "", [], [5]]),
        cbor_encode([bytes(16), {}, 0, b"", "", [5], []]), cbor_encode([bytes(16), {}, 0, b"", "", 5, 6]),
    ]  # fmt: skip
    for raw in wrong:
        with pytest.raises(Invalid):
            Plan.decode(raw)
    for _ in range(5_000):
        raw = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            raw[dice.randrange(len(raw))] = dice.randrange(256)
        try:
            found = Plan.decode(bytes(raw[: dice.randint(1, len(raw))] if dice.random() < 0.3 else raw))
        except Invalid:
            continue
        assert found.encode()


@pytest.mark.parametrize(
    "rule",
    [
        {"areas": "HALL"}, {"areas": [5]}, {"items": {"BOLT": 1}}, {"abc": None}, {"sample": "2"}, {"sample": True},
        {"most": 1.5}, {"not_counted_since_s": ""}, {"expiring_before": 20270101}, {"empty": 1}, {"whole": None},
        {"colour": "red"}, {"sample": 2, "most": 3}, {"whole": False},
    ],
    ids=str,
)  # fmt: skip
def test_a_rule_that_nobody_writes_is_none(rule: dict[str, object]) -> None:
    assert Scope.from_json(PLAN.rule) == Scope(areas=("HALL",), sample=2)
    with pytest.raises(Invalid):
        Scope.from_json(rule)


def test_another_secret_or_session_draws_another_sample() -> None:
    codes = [f"A-{number:02}" for number in range(50)]
    sessions = (PLAN.session, OpId(bytes(16)))
    found = {tuple(drawn(codes, seed_of(bytes([n]) * 32, session), 5)) for n in range(20) for session in sessions}
    assert len(found) == 40
