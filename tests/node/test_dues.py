"""Lists of what waits are cut from an index: they are what going through all that was announced gives."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from ledger import announced, db
from ledger.announced import DELIVERIES, ORDERS
from ledger.errors import Rejected
from ledger.ids import CUSTOMER, SUPPLIER
from ledger.moves import Line
from node import deliveries, dues, orders, store, streams
from tests.node.floor_kit import Stage

NUMBERS = [f"N-{number}" for number in range(12)]
ITEMS = ("BOLT", "PAINT")
DAYS = ("", "2026-12-01", "2026-12-02", "2026-12-03")
ACTS = 600
SEEDS = 3


def plain_deliveries(connection: db.Connection) -> list[tuple[str, str]]:
    """(day, number) of those that are open and short, each looked at."""
    names = {str(name) for (name,) in connection.execute("SELECT delivery FROM expected WHERE state = 'open'")}
    known = {str(name) for (name,) in connection.execute("SELECT delivery FROM expected")}
    names |= {name for name, _ in streams.every_stored(connection, DELIVERIES)} - known
    found = [each for name in names if (each := deliveries.find(connection, name)) is not None and each.short]
    return sorted((announced.due_key(each.due), each.name) for each in found)


def plain_orders(connection: db.Connection) -> list[tuple[str, str]]:
    """Those of which something has not left and that no open list has, each looked at."""
    taken = {str(name) for (name,) in connection.execute("SELECT reference FROM pick_lists WHERE state = 'open'")}
    told = [announced.order(name, said) for name, said in streams.every(connection, ORDERS) if name not in taken]
    return sorted((announced.due_key(each.due), each.number) for each in told if orders.left(connection, each.number))


class Acts:
    """Whatever changes what waits, one at a time."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.chance = stage, random.Random(seed)

    def act(self) -> None:
        acts = (self.told, self.told, self.taken_in, self.taken_in, self.left_, self.left_, self.came_back, self.back,
                self.closed, self.expected, self.untold, self.begun_again, self.picked)  # fmt: skip
        with contextlib.suppress(Rejected):
            self.chance.choice(acts)()

    def lines(self) -> list[tuple[str, int]]:
        return [(item, self.chance.randint(1, 4)) for item in self.chance.sample(ITEMS, self.chance.randint(1, 2))]

    def told(self) -> None:
        number, day, pairs = self.chance.choice(NUMBERS), self.chance.choice(DAYS), self.lines()
        with self.stage.site.writing() as connection:
            if self.chance.random() < 0.5:
                streams.put(connection, ORDERS, number, {"lines": [list(each) for each in pairs], "due": day})
            else:
                entry = {"supplier": "ACME", "lines": [[*each, "", ""] for each in pairs], "due": day}
                streams.put(connection, DELIVERIES, number, entry)

    def untold(self) -> None:
        with self.stage.site.writing() as connection:
            streams.remove(connection, self.chance.choice((DELIVERIES, ORDERS)), self.chance.choice(NUMBERS))

    def begun_again(self) -> None:
        if self.chance.random() < 0.1:
            with self.stage.site.writing() as connection:
                streams.clear(connection, self.chance.choice((DELIVERIES, ORDERS)))

    def taken_in(self) -> None:
        lines = [Line(item=item, quantity=size, source=SUPPLIER, target="A-01") for item, size in self.lines()]
        number, happened = self.chance.choice(NUMBERS), self.chance.random() < 0.5
        with self.stage.site.writing() as connection:
            deliveries.take_in(
                connection, self.stage.as_("mona"), number, lines, {}, "late", happened=happened, now_ms=1
            )

    def came_back(self) -> None:
        lines = [Line(item=item, quantity=size, source=SUPPLIER, target="A-01") for item, size in self.lines()]
        with self.stage.site.writing() as connection:
            deliveries.take_back(connection, self.chance.choice(NUMBERS), lines)

    def left_(self) -> None:
        with self.stage.site.writing() as connection:
            orders.issued(connection, self.chance.choice(NUMBERS), self.out())

    def back(self) -> None:
        with self.stage.site.writing() as connection:
            orders.take_back(connection, self.chance.choice(NUMBERS), self.out())

    def out(self) -> list[Line]:
        return [Line(item=item, quantity=size, source="A-01", target=CUSTOMER) for item, size in self.lines()]

    def closed(self) -> None:
        wish = {"delivery": self.chance.choice(NUMBERS), "reason": "lost"}
        self.stage.floor.deliveries.close(self.stage.op(), self.stage.as_("mona"), wish)

    def expected(self) -> None:
        pairs = [{"item": item, "quantity": size} for item, size in self.lines()]
        wish = {"delivery": self.chance.choice(NUMBERS), "supplier": "Own", "lines": pairs}
        self.stage.floor.deliveries.expect(self.stage.op(), self.stage.as_("mona"), wish)

    def picked(self) -> None:
        """A list is opened for an order, or is done with."""
        number = self.chance.choice(NUMBERS)
        with self.stage.site.writing() as connection:
            state = self.chance.choice(("issued", "cancelled"))
            done = connection.execute(
                "UPDATE pick_lists SET state = ? WHERE reference = ? AND state = 'open'", (state, number)
            )
            if not done.rowcount:
                values = (self.chance.randbytes(16), number, bytes(16), 1)
                connection.execute("INSERT INTO pick_lists VALUES (?, ?, ?, ?, 'open', NULL, '')", values)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_waits_is_what_going_through_all_that_was_announced_gives(stage: Stage, seed: int) -> None:
    acts, mona, seen = Acts(stage, seed), stage.as_("mona"), 0
    for _ in range(ACTS):
        acts.act()
        with stage.site.reading() as connection:
            came, went = plain_deliveries(connection), plain_orders(connection)
            after, most = acts.chance.choice([("", ""), *came, *went]), acts.chance.randint(1, 5)
            only, whole = acts.chance.choice(NUMBERS), len(NUMBERS)

            def listed(rows: list[Any], name: str) -> list[tuple[str, str]]:
                return [(announced.due_key(row["due"]), row[name]) for row in rows]

            coming = stage.floor.deliveries.waiting
            assert listed(coming(connection, mona, most=whole), "delivery") == came
            assert listed(orders.waiting(connection, mona, most=whole), "order") == went
            rest = [each for each in came if each > after][:most]
            assert listed(coming(connection, mona, after, most), "delivery") == rest
            assert (
                listed(orders.waiting(connection, mona, after, most), "order")
                == [each for each in went if each > after][:most]
            )
            one = listed(coming(connection, mona, only=only), "delivery")
            assert one == [each for each in came if each[1] == only]
            seen += len(came) + len(went)
    assert seen > ACTS
    with stage.site.writing() as connection:
        before = connection.execute("SELECT * FROM dues ORDER BY stream, number").fetchall()
        connection.execute("DELETE FROM dues")
        dues.read(connection)
        assert connection.execute("SELECT * FROM dues ORDER BY stream, number").fetchall() == before


def test_an_index_leads_to_each_page(stage: Stage) -> None:
    with stage.site.reading() as connection:
        asked: list[str] = []

        class Asked:
            def execute(self, sql: str, values: tuple[object, ...]) -> Any:
                asked.extend(str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))
                return connection.execute(sql, values)

        assert list(dues.waiting(Asked(), ORDERS, ("2026-12-01", "N-1"))) == []  # type: ignore[arg-type]
    assert len(asked) == 1 and "USING COVERING INDEX dues_waiting (stream=? AND (day,number)>(?,?))" in asked[0]


def test_an_entry_that_cannot_be_read_does_not_keep_an_older_database_from_its_step(stage: Stage) -> None:
    with stage.site.writing() as connection:
        connection.execute("INSERT INTO streams VALUES (?, 'BAD', x'00')", (ORDERS,))
        dues.read(connection)
    assert store.STEPS[-1] is dues.read
