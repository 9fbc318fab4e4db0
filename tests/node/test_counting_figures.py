"""The figures about counts come from whole tables at once. Here they are worked out again one round at a time."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

import pytest

from ledger import calls, control, events
from ledger.db import Connection
from ledger.ids import OpId
from node import catalogue, projection, streams
from node.counting_facts import EVERYTHING, _posted_rounds, posted_rounds
from node.desk import Answer
from tests.node.floor_kit import Stage, actor_of, furnished

FIRST = 100  # the stage's own operations stay below
ROUNDS = 300
ITEMS = ("BOLT", "PAINT", "DRILL", "UNHEARD", "BY-GRAM", "NO-COST")


@pytest.fixture
def stage(stage: Stage) -> Stage:
    with stage.site.writing() as connection:
        streams.put(connection, "catalogue", "BY-GRAM", {"name": "Salt", "decimals": 3, "cost_minor": 7, "abc": "A"})
        streams.put(connection, "catalogue", "NO-COST", {"name": "Gift", "abc": "B"})
        fill(connection, random.Random(7))
    return stage


def fill(connection: Connection, dice: random.Random, first: int = FIRST) -> None:
    """Rounds of one to three counts; of each none, some or all lines are posted, at once or later."""
    place = 0

    def apply(height: int, call: calls.Call, *happened: events.Event) -> None:
        nonlocal place
        place += 1
        projection.apply(connection, projection.Step(happened[0].op_id, height, place, call, happened))

    for number in range(ROUNDS):
        session, bin_, round_ = OpId(bytes([number % 5] * 16)), f"B-{number % 40}", first + number // 200
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            height, count = first + dice.randrange(ROUNDS), OpId(dice.randbytes(16))
            whole, stable, lines = dice.random() < 0.8, dice.random() < 0.8, dice.randrange(5)
            apply(
                height,
                calls.RecordCount(
                    actor=actor_of("cora"), session=session, bin=bin_, round=round_, opened=0, whole=whole,
                    scans=b"", lines=(),
                ),
                events.CountRecorded(
                    op_id=count, session=session, bin=bin_, round=round_, counter=actor_of("cora"), stable=stable,
                    whole=whole, scans=b"",
                ),
                *(
                    events.CountLine(
                        op_id=count, line=line, item=dice.choice(ITEMS), lot="", serial="", status=0,
                        counted=dice.choice((0, 3, 3, 3, 3, 7, 1999)), expected=3,
                    )
                    for line in range(lines)
                ),
            )  # fmt: skip
            left = [line for line in range(max(lines, 1)) if dice.random() < 0.97]
            while left:
                some = dice.randrange(1, 5)
                now, left = left[:some], left[some:]
                select = sum(1 << line for line in now if line < lines)
                height += dice.randrange(20)
                apply(
                    height,
                    calls.PostCount(
                        actor=actor_of("sven"), count=count, session=session, bin=bin_, round=round_,
                        counter=actor_of("cora"), stable=stable, lines=(), select=select,
                    ),
                    events.CountPosted(
                        op_id=OpId(dice.randbytes(16)), count=count, approver=actor_of("sven"), select=select
                    ),
                )  # fmt: skip
    for height in range(first, first + ROUNDS):
        row = (height, height.to_bytes(32, "big"), height * 100_000, 0, b"")
        connection.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", row)


Key = tuple[bytes, str, int]


def plain(connection: Connection, height: int) -> dict[Key, tuple[bool, bool, int, int, list[tuple[str, int, int]]]]:
    """By round: whole, stable, when recorded and when posted, its lines. Only of what is posted altogether."""
    by_round: dict[Key, list[tuple[bytes, bool, bool, int]]] = defaultdict(list)
    rows = connection.execute("SELECT session, bin, round, op_id, whole, stable, height FROM counts").fetchall()
    for session, bin_, number, op_id, whole, stable, recorded in rows:
        if recorded <= height:
            by_round[session, bin_, number].append((op_id, bool(whole), bool(stable), recorded))
    found = {}
    for key, counts in by_round.items():
        lines, posted_at, complete = [], [], True
        for op_id, *_ in counts:
            posts = dict(connection.execute("SELECT op_id, height FROM count_posts WHERE count = ?", (op_id,)))
            posts = {post: at for post, at in posts.items() if at <= height}
            posted_at += posts.values()
            complete = complete and bool(posts)
            for item, counted, expected, posted in connection.execute(
                "SELECT item, counted, expected, posted FROM count_lines WHERE count = ?", (op_id,)
            ).fetchall():
                complete = complete and posted in posts
                lines.append((item, counted, expected))
        if complete:
            whole, stable = all(each[1] for each in counts), all(each[2] for each in counts)
            found[key] = (whole, stable, max(each[3] for each in counts), max(posted_at), lines)
    return found


@pytest.mark.parametrize("height", [FIRST - 1, FIRST + 40, FIRST + 150, FIRST + ROUNDS // 2, EVERYTHING])
def test_the_rounds_posted_by_a_height_are_those_that_each_count_tells_of(stage: Stage, height: int) -> None:
    with stage.site.reading() as connection:
        told = plain(connection, height)
        found = {
            (each.session.raw, each.bin, each.round): (each.whole, each.stable, each.recorded, each.posted)
            for each in posted_rounds(connection, height)
        }
    assert found == {key: facts[:4] for key, facts in told.items()}
    assert bool(found) == (height >= FIRST)


def test_the_programme_sums_up_what_each_posted_round_says_of_itself(stage: Stage) -> None:
    assert_summed_up(stage)


def test_figures_that_were_looked_at_are_right_after_every_change(stage: Stage) -> None:
    class TakenBack(Exception):
        pass

    def costs(connection: Connection, minor: int) -> None:
        streams.put(connection, "catalogue", "BOLT", {"name": "Bolt", "cost_minor": minor, "abc": "A"})

    def decimals(connection: Connection, digits: int) -> None:
        payload = control.ItemsPayload(items=(control.Item(item="BY-GRAM", tracking=0, unit="kg", decimals=digits),))
        record = control.ControlRecord.make("", 900 + digits, payload)
        call = calls.Apply(sequence=record.sequence, kind=record.kind, payload=record.payload, signature=b"")
        op_id = OpId(bytes([digits] * 16))
        happened = events.ControlApplied(op_id=op_id, sequence=record.sequence, kind=record.kind)
        projection.apply(connection, projection.Step(op_id, 50 + digits, 900, call, (happened,)))

    changes = (
        lambda connection: costs(connection, 3),
        lambda connection: decimals(connection, 2),
        lambda connection: fill(connection, random.Random(8), FIRST + ROUNDS),
        lambda connection: streams.remove(connection, "catalogue", "PAINT"),
        lambda connection: fill(connection, random.Random(9), FIRST + 2 * ROUNDS),
        lambda connection: streams.clear(connection, "catalogue"),
    )
    said = [assert_summed_up(stage)]
    for change in changes:
        with pytest.raises(TakenBack), stage.site.writing() as connection:
            costs(connection, 99)  # as many changes of the catalogue as the next one, which stays, will have made
            assert assert_summed_up(stage) not in said
            raise TakenBack
        assert assert_summed_up(stage) == said[-1]
        with stage.site.writing() as connection:
            change(connection)
        said.append(assert_summed_up(stage))
        reader = stage.site.reader()
        assert posted_rounds(reader) == _posted_rounds(reader, EVERYTHING)
        reader.close()
    assert len({repr(each) for each in said}) == len(said)


def test_two_nodes_in_one_process_have_each_its_own_figures(stage: Stage, tmp_path: Path) -> None:
    assert_summed_up(stage)
    other = furnished(tmp_path / "other")
    try:
        assert other.floor.counting.reports.programme(other.as_("sven"))["all"]["rounds"] == 0
        with other.site.writing() as connection:
            fill(connection, random.Random(9))
        assert_summed_up(other)
    finally:
        other.close()


def assert_summed_up(stage: Stage) -> Answer:
    report = stage.floor.counting.reports.programme(stage.as_("sven"))
    sums, classes = defaultdict(int), defaultdict(lambda: [0, 0])
    with stage.site.reading() as connection:
        told = plain(connection, EVERYTHING)
        for *_, lines in told.values():
            sums["rounds"] += 1
            sums["bins_right"] += all(counted == expected for _, counted, expected in lines)
            for item, counted, expected in lines:
                known = catalogue.item(connection, item)
                said = streams.get(connection, "catalogue", item) or {}
                right, letter = counted == expected, said.get("abc") or "-"
                sums["lines"] += 1
                sums["lines_right"] += right
                classes[letter][0] += 1
                classes[letter][1] += right
                if known is not None and known.cost is not None:
                    value = known.cost.of(abs(counted - expected))
                    sums["expected_value"] += known.cost.of(expected)
                    sums["gross_value"] += value
                    sums["net_value"] += value if counted > expected else -value
    assert 0 < sums["bins_right"] < sums["rounds"]
    assert {name: report["all"][name] for name in sums} == sums
    assert set(classes) <= {"-", "A", "B"}
    assert report["classes"] == [
        {"class": letter, "lines": lines, "lines_right": right} for letter, (lines, right) in sorted(classes.items())
    ]
    assert {name: sum(each[name] for each in report["months"]) for name in sums} == sums
    return report
