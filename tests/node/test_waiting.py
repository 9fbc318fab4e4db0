"""What waits for a person is counted by role, and is nothing where nothing waits."""

from __future__ import annotations

from node import waiting
from node.throttle import FREE
from tests.node.floor_kit import PIN, Stage, actor_of
from tests.node.test_transfers import tell


def waits(stage: Stage, login: str) -> dict[str, int]:
    with stage.site.reading() as connection:
        return waiting.of(stage.floor, connection, stage.as_(login), stage.world.clock.now_ms())


def test_nothing_waits_at_first(stage: Stage) -> None:
    assert [waits(stage, login) for login in ("cora", "carl", "mona", "sven", "tess", "adam")] == [{}] * 6


def test_each_thing_that_waits_is_counted_for_who_does_it(stage: Stage) -> None:
    floor, sven, mona = stage.floor, stage.as_("sven"), stage.as_("mona")
    stage.receive({"item": "BOLT", "quantity": 30})
    soon = stage.world.clock.now_ms() + 60_000
    wish = {"name": "Week", "bins": ["A-01", "A-02"], "deadline_ms": soon, "rule": {"control_percent": 0}}
    floor.counting.open_session(stage.op(), sven, wish)
    assert waits(stage, "cora") == {"count": 2, "until_ms": soon}
    floor.counting.open_bin(stage.op(), stage.as_("cora"), {"bin": "A-01"})
    stage.floor.counting.enter(stage.op(), stage.as_("cora"), {"mode": "set", "item": "BOLT", "quantity": 30})
    floor.counting.close_bin(stage.op(), stage.as_("cora"), {"bin": "A-01", "confirm": True})
    stage.world.clock.advance(61_000)
    assert waits(stage, "cora") == {"count": 1, "overdue": 1}
    assert waits(stage, "sven") == {"review": 1}
    lines = [{"item": "BOLT", "quantity": 5}]
    floor.deliveries.expect(stage.op(), mona, {"delivery": "PO-1", "supplier": "ACME", "lines": lines})
    floor.picking.open(stage.op(), mona, {"order": "SO-1", "lines": lines})
    assert waits(stage, "mona") == {"deliveries": 1, "lists": 1}
    scrapped = [{"item": "BOLT", "quantity": 1, "source": "A-01"}]
    floor.stock.scrap(stage.op(), mona, {"lines": scrapped, "reasons": ["damaged"]})
    transfer = stage.op()
    tell(stage, transfer, sender="bergen", receiver="oslo")
    tell(stage, stage.op(), sender="bergen", receiver="trondheim")
    with stage.site.writing() as connection:
        connection.execute("INSERT INTO guesses VALUES (?, ?)", (f"person:{actor_of('carl')}", FREE))
        connection.execute("INSERT INTO guesses VALUES ('tablet:x', 20)")
    assert waits(stage, "sven") == {"review": 1, "sign": 1, "arrivals": 1, "locked": 1}
    assert waits(stage, "adam") == {"locked": 1}
    floor.people.unlock(stage.op(), stage.as_("adam"), actor_of("carl"))
    for index, quantity in ((0, 24), (1, 4)):
        line = {"index": index, "quantity": quantity, "target": "DOCK"}
        body = {"transfer": str(transfer), "lines": [line]}
        floor.transfers.accept(stage.op(), sven, body, PIN)
    assert waits(stage, "sven") == {"review": 1, "sign": 1}
