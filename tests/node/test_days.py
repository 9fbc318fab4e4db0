"""What lay here at the end of a day, as the documents say the days and not as they were recorded."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger import calls, db
from ledger.documents import Document
from ledger.ids import IN_TRANSIT, SUPPLIER, VIRTUAL, OpId
from ledger.moves import Line
from ledger.seams import DiskStorage
from ledger.words import LINES_MAX
from node import audit, days, store
from node.openings import document_of
from node.timekeeping import DOUBTFUL
from tests.node.floor_kit import PIN, Stage, actor_of
from tests.node.test_transfers import TWO, accept, dispatch, tell

DAY_MS = 86_400_000


def today(stage: Stage) -> date:
    return datetime.fromtimestamp(stage.world.clock.now_ms() / 1000, UTC).date()


def receive(
    stage: Stage, quantity: int, target: str = "A-01", *, ago: int = 0, item: str = "BOLT", **more: Any
) -> str:
    """Recorded now, done as many days `ago`."""
    op = stage.op()
    line = {"item": item, "quantity": quantity, "target": target, **more}
    at_ms = stage.world.clock.now_ms() - ago * DAY_MS
    stage.floor.stock.receive(op, stage.as_("mona"), {"lines": [line], "occurred_ms": at_ms, "confirm": True})
    return str(op)


def next_day(stage: Stage, count: int = 1) -> None:
    stage.site.seal()
    stage.world.clock.advance(count * DAY_MS)
    for login in stage.tokens:
        stage.tokens[login] = stage.floor.people.log_in(login, PIN, "tablet-1")["token"]


def ended_with(stage: Stage, day: date, hidden: tuple[str, ...] = (), **more: Any) -> dict[str, tuple[Any, ...]]:
    with stage.site.reading() as connection:
        found = days.totals(connection, day, hidden, None, 200, **more)
    return {row["item"]: (row["quantity"], row["held"], row["in_transit"]) for _, row in found}


def late(stage: Stage, day: date, after: Any = None, most: int = 200) -> list[str]:
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
    with stage.site.reading() as connection:
        return [row["op_id"] for _, row in days.late(connection, day, int(end.timestamp() * 1000), after, most)]


def around(stage: Stage, day: date) -> dict[str, tuple[list[str], list[str]]]:
    with stage.site.reading() as connection:
        found = days.around(connection, day)
    return {
        each["call"]: ([row["op_id"] for row in each["before"]], [row["op_id"] for row in each["behind"]])
        for each in found
    }


def test_a_day_ends_with_what_its_documents_say(stage: Stage) -> None:
    first = today(stage)
    receive(stage, 10)
    next_day(stage)
    stage.floor.stock.move(stage.op(), stage.as_("mona"), {
        "lines": [{"item": "BOLT", "quantity": 4, "source": "A-01", "target": "A-02"}],
    })  # fmt: skip
    stage.floor.stock.hold(stage.op(), stage.as_("mona"), {
        "lines": [{"item": "BOLT", "quantity": 3, "location": "A-02"}], "held": "damage", "reasons": ["damaged"],
    })  # fmt: skip
    next_day(stage)
    line = {"item": "BOLT", "quantity": 6, "source": "A-01", "reasons": ["sample"]}
    stage.floor.stock.issue(stage.op(), stage.as_("mona"), {"lines": [line], "order": "SO-5", "confirm": True})
    before = first - timedelta(days=1)
    assert [ended_with(stage, first + timedelta(days=n)).get("BOLT") for n in range(4)] == [
        (10, 0, 0), (10, 3, 0), (4, 3, 0), (4, 3, 0),
    ]  # fmt: skip
    assert ended_with(stage, before) == {}
    with stage.site.reading() as connection:
        found = [
            (each["location"], each["status"], each["quantity"])
            for each in days.lines(connection, first + timedelta(days=1), ())
        ]
    assert found == [("A-01", "free", 6), ("A-02", "free", 1), ("A-02", "damage", 3)]
    assert ended_with(stage, first, ("A-01",)) == {}
    assert ended_with(stage, first, ("A-02",)) == {"BOLT": (10, 0, None)}
    assert ended_with(stage, first, beginning="BO").keys() == {"BOLT"} and not ended_with(stage, first, beginning="C")


def test_what_a_tablet_says_of_a_day_to_come_is_of_today(stage: Stage) -> None:
    op = receive(stage, 7, ago=-70 * 365)
    assert ended_with(stage, today(stage))["BOLT"][0] == 7
    with stage.site.reading() as connection:
        document = document_of(connection, OpId.parse(op))
    assert document is not None and document.quality == DOUBTFUL
    said = datetime.fromtimestamp(document.occurred_ms / 1000, UTC).date()
    assert said == today(stage) + timedelta(days=70 * 365)  # what was said stays on record


def test_what_came_in_later_belongs_to_its_day_and_is_listed(stage: Stage) -> None:
    first = today(stage)
    early = receive(stage, 10)
    next_day(stage)
    assert late(stage, first) == []
    at_midnight = receive(stage, 1, ago=1)  # nothing of a later day was booked yet
    receive(stage, 2)
    paper = receive(stage, 5, "A-02", ago=1)
    older = receive(stage, 3, "A-02", ago=7)
    stage.site.seal()
    assert ended_with(stage, first)["BOLT"][0] == 19 and ended_with(stage, first + timedelta(days=1))["BOLT"][0] == 21
    assert late(stage, first) == [paper, older] and late(stage, first - timedelta(days=6)) == [older]
    assert late(stage, first, most=1) == [paper, older]  # a page and one more
    assert late(stage, first + timedelta(days=1)) == []
    before, behind = around(stage, first)["receive"]
    assert before == [older, early, at_midnight, paper] and len(behind) == 1


def test_a_date_of_a_mad_clock_makes_nothing_else_late(stage: Stage) -> None:
    """As a node of before took it from a tablet, or the node's own clock said it."""
    first = today(stage)
    mad = Document(occurred_ms=stage.world.clock.now_ms(), business_date=str(first + timedelta(days=400)))
    bolt = Line(item="BOLT", quantity=1, source=SUPPLIER, target="A-01")
    stage.site.record(calls.Receive(actor=actor_of("mona"), lines=(bolt,)), op_id=stage.op(), document=mad)
    same_day = receive(stage, 2)
    stage.site.seal()
    assert late(stage, first) == [] and around(stage, first)["receive"][0] == [same_day]
    assert ended_with(stage, first)["BOLT"][0] == 2


def test_the_cut_off_list_has_the_nearest_of_each_kind(stage: Stage) -> None:
    first = today(stage)
    before = [receive(stage, 1) for _ in range(days.AROUND + 2)]
    large = stage.op()
    lines = [{"item": "BOLT", "quantity": 1, "target": "A-01"}] * (LINES_MAX + 1)
    stage.floor.stock.receive(large, stage.as_("mona"), {"lines": lines, "confirm": True})
    next_day(stage)
    behind = [receive(stage, 1) for _ in range(days.AROUND + 2)]
    sent, line = stage.op(), {"item": "BOLT", "quantity": 2, "source": "A-01"}
    stage.floor.transfers.dispatch(sent, stage.as_("sven"), {"receiver": "bergen", "lines": [line]}, PIN)
    found = around(stage, first)
    assert found.keys() == set(days.CROSSING)
    assert found["receive"][1] == behind[: days.AROUND]
    # The two parts of the large one are receipts as well.
    assert len(found["receive"][0]) == days.AROUND and found["receive"][0][:-2] == before[-days.AROUND + 2 :]
    assert found["dispatch"] == ([], [str(sent)]) and found["issue"] == ([], [])


def test_what_is_on_its_way_is_the_senders_until_it_arrived(furnish: Callable[..., Stage]) -> None:
    oslo, bergen = (furnish(name, people=TWO) for name in ("oslo", "bergen"))
    first = today(oslo)
    transfer = dispatch(oslo)
    assert ended_with(oslo, first)["BOLT"][2] == 24
    assert ended_with(oslo, first, ("A-09",))["BOLT"][2] is None
    next_day(oslo)
    tell(bergen, transfer)
    accept(bergen, transfer, {"index": 0, "quantity": 24})
    assert ended_with(bergen, today(bergen))["BOLT"][0] == 24


def everything(stage: Stage, seed: int) -> None:
    """A week of receipts, moves, holds and issues, some of them recorded days later."""
    dice = random.Random(seed)
    people, stock = stage.as_("mona"), stage.floor.stock
    for _ in range(40):
        quantity, ago = dice.randrange(1, 9), dice.choice([0, 0, 0, 1, 3])
        at_ms = stage.world.clock.now_ms() - ago * DAY_MS
        said: dict[str, Any] = {"occurred_ms": at_ms, "confirm": True, "happened": True, "reasons": ["damaged"]}
        source, target = dice.sample(["A-01", "A-02", "DOCK"], 2)
        line = {"item": "BOLT", "quantity": quantity}
        match dice.randrange(4):
            case 0:
                receive(stage, quantity * 4, target, ago=ago)
            case 1:
                stock.move(stage.op(), people, {"lines": [{**line, "source": source, "target": target}], **said})
            case 2:
                issued = {**line, "source": source, "reasons": ["sample"]}
                stock.issue(stage.op(), people, {"lines": [issued], "order": "SO-1", **said})
            case 3:
                held = {"lines": [{**line, "location": source}], "held": "damage", **said}
                stock.hold(stage.op(), people, held)
        if dice.random() < 0.2:
            next_day(stage)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_last_day_ends_with_the_stock_and_each_day_with_its_movements(stage: Stage, seed: int) -> None:
    everything(stage, seed)
    nowhere = set(VIRTUAL) - {IN_TRANSIT}
    with stage.site.reading() as connection:
        book = connection.execute("SELECT item, location, lot, status, quantity FROM stock").fetchall()
        moved = connection.execute(
            "SELECT d.day, m.item, m.source, m.target, m.lot, m.status, m.quantity FROM movements m"
            " JOIN dated d USING (height, place)"
        ).fetchall()
        assert len({row[0] for row in moved}) > 3

        def shown(day: date) -> Counter[tuple[Any, ...]]:
            rows = connection.execute(
                "SELECT item, location, lot, status, quantity FROM day_changes WHERE day <= ?", (day.isoformat(),)
            )
            found: Counter[tuple[Any, ...]] = Counter()
            for *key, quantity in rows:
                found[tuple(key)] += quantity
            told = {
                (each["item"], each["location"], each["lot"], each["status"]): each["quantity"]
                for each in days.lines(connection, day, ())
            }
            assert sum(told.values()) == sum(found.values()) and len(told) == sum(
                1 for each in found.values() if each
            )
            return Counter({key: quantity for key, quantity in found.items() if quantity})

        assert shown(date.max) == {tuple(row[:4]): row[4] for row in book if row[1] not in nowhere}
        for day in sorted({row[0] for row in moved}):
            walked: Counter[tuple[Any, ...]] = Counter()
            for of, item, source, target, lot, status, quantity in moved:
                if of <= day:
                    walked[item, source, lot, status] -= quantity
                    walked[item, target, lot, status] += quantity
            expected = {key: quantity for key, quantity in walked.items() if quantity and key[1] not in nowhere}
            assert shown(date.fromisoformat(day)) == expected


def rows_of(connection: db.Connection) -> list[Any]:
    return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("dated", "day_changes")]


def busy(stage: Stage) -> None:
    everything(stage, 4)
    lines = [{"item": "BOLT", "quantity": 1, "target": "A-01"}] * (LINES_MAX + 1)
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), {"lines": lines, "confirm": True})
    next_day(stage)
    receive(stage, 5, "A-02", ago=1)


def test_a_rebuild_gives_the_same(stage: Stage) -> None:
    busy(stage)
    with stage.site.writing() as connection:
        before = rows_of(connection)
        audit.rebuild(connection, stage.site.identity)
        assert rows_of(connection) == before and all(before)


def test_a_database_of_before_is_read_once(stage: Stage, tmp_path: Path) -> None:
    busy(stage)
    old = db.create(tmp_path / "old.db", DiskStorage(), page_bytes=store.PAGE_BYTES)
    db.migrate(old, store.STEPS[: store.STEPS.index(store.DERIVED_11)])
    with stage.site.reading() as reader:
        for table in ("operations", "blocks", "journal", "movements", "parts"):
            found = reader.execute(f"SELECT * FROM {table}").fetchall()
            old.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(found[0]))})", found)
        db.migrate(old, store.STEPS)
        assert rows_of(old) == rows_of(reader) and all(rows_of(old))
    old.close()
