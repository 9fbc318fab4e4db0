"""What is on its way to and from a site, as the look-up of an item tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger import db
from ledger.ids import OpId
from ledger.seams import DiskStorage
from node import store, streams
from tests.node.floor_kit import Stage
from tests.node.test_transfers import accept, dispatch, sites, tell  # noqa: F401 - a fixture


def in_transit(stage: Stage, item: str = "BOLT", who: str = "sven", **part: str) -> Any:
    with stage.site.reading() as connection:
        return stage.floor.lookups.item(connection, stage.as_(who), item, **part)["in_transit"]


def row(
    transfer: OpId, site: str, comes: bool, quantity: int, missing: int = 0, lot: str = "", back: bool = False
) -> dict[str, Any]:
    said = {"transfer": str(transfer), "site": site, "comes": comes, "back": back, "lot": lot, "serial": ""}
    return {**said, "quantity": quantity, "missing": missing}


def test_what_left_is_apart_from_what_is_here_until_it_has_arrived(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo, bergen = sites
    nothing = {"to_here": 0, "back_here": 0, "from_here": 0, "transfers": []}
    assert in_transit(oslo) == in_transit(bergen) == nothing
    transfer = dispatch(oslo)
    assert in_transit(oslo) == {
        "to_here": 0,
        "back_here": 0,
        "from_here": 24,
        "transfers": [row(transfer, "bergen", False, 24)],
    }
    assert in_transit(oslo, "PAINT", lot="L1")["from_here"] == 4
    assert in_transit(oslo, "PAINT", lot="L2") == nothing
    tell(bergen, transfer)
    assert in_transit(bergen) == {
        "to_here": 24,
        "back_here": 0,
        "from_here": 0,
        "transfers": [row(transfer, "oslo", True, 24)],
    }
    accept(bergen, transfer, {"index": 0, "quantity": 20})
    assert in_transit(bergen)["to_here"] == 4
    tell(oslo, transfer, "in transit", accepted=20)
    assert in_transit(oslo)["from_here"] == 4
    accept(bergen, transfer, {"index": 0, "quantity": 0, "missing": 4, "reasons": ["short"]})
    tell(oslo, transfer, "short", accepted=20, missing=4)
    assert in_transit(oslo) == {
        "to_here": 0,
        "back_here": 0,
        "from_here": 0,
        "transfers": [row(transfer, "bergen", False, 0, 4)],
    }
    assert in_transit(bergen)["to_here"] == 0
    tell(bergen, transfer, "settled", accepted=24)
    assert in_transit(bergen) == nothing


def test_what_comes_back_is_on_its_way_back_and_not_out(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo, _ = sites
    transfer = dispatch(oslo)
    tell(oslo, transfer, "coming back", accepted=20)
    found = in_transit(oslo)
    assert (found["to_here"], found["back_here"], found["from_here"]) == (0, 4, 0)
    assert found["transfers"] == [row(transfer, "bergen", False, 4, back=True)]
    tell(oslo, transfer, "returned", accepted=24)
    assert in_transit(oslo)["back_here"] == 0


def test_between_others_or_unreadable_nothing_is_told(sites: tuple[Stage, Stage]) -> None:  # noqa: F811
    oslo, bergen = sites
    tell(bergen, oslo.op(), receiver="trondheim")
    with bergen.site.writing() as connection:
        for number, value in enumerate(({"receiver": "bergen", "lines": [[0, "BOLT"]]}, {"lines": 7}, 7)):
            streams.put(connection, "transfers", f"oslo/{number:032x}", value)
    assert in_transit(bergen)["transfers"] == []
    with bergen.site.writing() as connection:
        assert connection.execute("SELECT COUNT(*) FROM under_way").fetchone() == (3,)
        streams.clear(connection, "transfers")
        assert connection.execute("SELECT COUNT(*) FROM under_way").fetchone() == (0,)


def test_a_database_of_before_hears_of_all_that_is_looked_for_again(tmp_path: Path) -> None:
    old = db.create(tmp_path / "old.db", DiskStorage(), page_bytes=store.PAGE_BYTES)
    db.migrate(old, store.STEPS[: store.STEPS.index(store.TRANSIT_1)])
    for stream in streams.STREAMS:
        streams.set_cursor(old, stream, 3, 17)
    db.migrate(old, store.STEPS)
    again = {stream for stream in streams.STREAMS if streams.cursor(old, stream) == (0, 0)}
    assert again == {"transfers", "catalogue", "locations"}
    old.close()


def test_who_counts_is_not_told_what_left(stage: Stage) -> None:
    transfer = dispatch(stage)
    assert in_transit(stage, who="cora")["from_here"] == 24
    wish = {"name": "Week", "bins": ["A-01"]}
    session = stage.floor.counting.open_session(stage.op(), stage.as_("sven"), wish)["session"]
    assert in_transit(stage, who="cora") is None
    assert in_transit(stage)["transfers"] == [row(transfer, "bergen", False, 24)]
    stage.floor.counting.cancel(stage.op(), stage.as_("sven"), {"session": session, "reason": "mistake"})
    assert in_transit(stage, who="cora")["from_here"] == 24
    stage.journal.close()
    stage.site.close()
