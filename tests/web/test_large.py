"""10,000 items, 5,000 bins, 100,000 operations: every list and look-up stays fast, because an index leads to each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date

import pytest

from ledger import db
from ledger.errors import Rejected
from node import listings
from tests.node.floor_kit import Stage, actor_of
from tests.web import large, walk

FLOORS_MAX = 12  # the slowest takes 6
ROUNDS = 5
# Routes that answer nobody here: a session without a finished round, no proposal, transfer, scan, sheet, list, photo.
WITHOUT = {"/api/v1/counts/{session}/bins/{bin}", "/api/v1/proposals/{proposal}", "/api/v1/transfers/{transfer}",
           "/api/v1/operations/{op_id}/receipt", "/api/v1/operations/{op_id}/events/",
           "/api/v1/operations/{op_id}/events/{number}", "/api/v1/counts/sheets/{number}",
           "/api/v1/counts/sheets/{number}.csv", "/api/v1/picks/{list}",
           "/api/v1/notes/{op_id}", "/api/v1/attachments/{attachment}",
           "/api/v1/attachments/{attachment}/content"}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, large.Get]]:
    with large.served(tmp_path_factory.mktemp("large") / "node") as (stage, _, get):
        yield stage, get


def test_every_list_and_look_up_takes_little_time(made: tuple[Stage, large.Get]) -> None:
    """`make bench` has the wait itself."""
    stage, get = made
    took = large.in_floors(lambda clock: large.times(stage, get, ROUNDS, clock))
    assert {route.path for route in walk.ASKS} - set(took) == WITHOUT | large.WHOLE
    assert {path: floors for path, floors in took.items() if floors > FLOORS_MAX} == {}


def test_lists_hold_200_rows_at_most(made: tuple[Stage, large.Get]) -> None:
    _, get = made
    for path in ("inventory/", "locations/", "audit/", "locations/DOCK/history", "locations/A-02/serials"):
        status, content = get(f"/api/v1/{path}")
        assert status == 200 and content.count(b'"status"') + content.count(b'"kind"') <= 2 * 200 + 2, path
        assert get(f"/api/v1/{path}?limit=201")[0] == 400


class Asked:
    """A connection that remembers how each query would be run."""

    def __init__(self, connection: db.Connection) -> None:
        self._connection = connection
        self.plans: list[str] = []

    def execute(self, sql: str, values: tuple[object, ...] = ()) -> object:
        plan = self._connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        self.plans += [str(row[3]) for row in plan]
        return self._connection.execute(sql, values)


def test_no_list_reads_a_whole_table(made: tuple[Stage, large.Get]) -> None:
    stage, _ = made
    hidden = frozenset({large.bin_code(1)})
    reader, mona = stage.site.reader(), actor_of("mona").raw
    for after in (False, True):
        asked = Asked(reader)
        listings.items(asked, hidden, (large.item_code(5),) if after else None, 200)  # type: ignore[arg-type]
        listings.stock_of(asked, large.item_code(0), hidden, ("B", "", 0) if after else None, 200)  # type: ignore[arg-type]
        listings.stock_in(asked, "DOCK", ("A", "", 0) if after else None, 200)  # type: ignore[arg-type]
        listings.serials_in(asked, "A-02", ("A", "") if after else None, 200)  # type: ignore[arg-type]
        listings.moves_of(asked, large.item_code(0), hidden, (2_000, 1, 0) if after else None, 200)  # type: ignore[arg-type]
        listings.moves_of(asked, "DRILL", hidden, (6_000, 1, 0) if after else None, 200, serial="P7")  # type: ignore[arg-type]
        listings.moves_at(asked, "DOCK", hidden, (2_000, 1, 0) if after else None, 200)  # type: ignore[arg-type]
        listings.locations(asked, ("B",) if after else None, 200, "B")  # type: ignore[arg-type]
        listings.operations(asked, (2_000, 1) if after else None, 200)  # type: ignore[arg-type]
        listings.operations(asked, (2_000, 1) if after else None, 200, listings.Sought(mona))  # type: ignore[arg-type]
        for sought in (
            listings.Sought(kinds=("move",)),
            listings.Sought(kinds=("move", "hold")),
            listings.Sought(mona, ("receive",)),
            listings.Sought(mona, (), 50_000, 900_000),
            listings.Sought(None, ("hold",), 50_000, 9_000_000),
        ):
            listings.operations(asked, (2_000, 1) if after else None, 200, sought)  # type: ignore[arg-type]
        listings.operations_on(asked, large.item_code(0), hidden, (2_000, 1) if after else None, 200)  # type: ignore[arg-type]
        tables = ("items", "stock", "serials", "movements", "stated", "locations", "operations", "blocks", "streams")
        scans = [plan for plan in asked.plans for table in tables if plan.startswith(f"SCAN {table}")]
        assert not scans, scans
        sorted_ = [plan for plan in asked.plans if "USE TEMP B-TREE" in plan]
        assert len(sorted_) <= 6, sorted_
    # What a hand typed in any case is found by an index as well: the key of names alone leads to all of a stream.
    mine, on = stage.as_("mona"), date(2026, 1, 1)
    whole = (*(f"SCAN {table}" for table in (*tables, "lots", "named")), "SEARCH named USING PRIMARY KEY (stream=?)")
    for what, wish in large.LOOK_UPS.items():
        asked = Asked(reader)
        with contextlib.suppress(Rejected):  # of what nobody knows
            stage.floor.scanning.name(asked, mine, str(wish["text"]).encode(), on, typed="typed" in wish)  # type: ignore[arg-type]
        scans = [plan for plan in asked.plans if plan.startswith(whole) and "stream=? AND" not in plan]
        assert asked.plans and not scans, (what, scans)
    for number, how in (("dn-4711", "SEARCH r USING INDEX referred_number (number>?"),
                        ("old", "SEARCH r USING PRIMARY KEY ((height,place)<")):  # fmt: skip
        asked = Asked(reader)
        listings.operations(asked, None, 200, listings.Sought(mona, ("receive", "move"), reference=number))  # type: ignore[arg-type]
        assert any(plan.startswith(how) for plan in asked.plans), asked.plans
        assert not [plan for plan in asked.plans if plan.startswith("SCAN operations")], asked.plans
    asked = Asked(reader)
    listings.operations(asked, None, 200, listings.Sought(mona, ("move",), beginning="4a"))  # type: ignore[arg-type]
    assert any(plan.startswith("SEARCH operations USING PRIMARY KEY (op_id>?") for plan in asked.plans), asked.plans
    reader.close()
