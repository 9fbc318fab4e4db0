"""A transfer between two real sites that arrives short, by the hub's stream and by paper alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from node import streams
from tests.node.floor_kit import PIN, Stage, furnished

TWO = ("sven", "mona", "tess")


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[tuple[Stage, Stage]]:
    oslo, bergen = furnished(tmp_path / "oslo", "oslo", TWO), furnished(tmp_path / "bergen", "bergen", TWO)
    yield oslo, bergen
    for stage in (oslo, bergen):
        stage.site.close()
        stage.journal.close()


def dispatch(oslo: Stage) -> OpId:
    oslo.receive({"item": "BOLT", "quantity": 30}, {"item": "PAINT", "lot": "L1", "quantity": 4})
    op = oslo.op()
    body = {
        "receiver": "bergen",
        "source": "A-01",
        "lines": [{"item": "BOLT", "quantity": 24}, {"item": "PAINT", "lot": "L1", "quantity": 4}],
    }
    for _ in range(2):
        assert oslo.floor.transfers.dispatch(op, oslo.as_("sven"), body, PIN)["transfer"] == str(op)
    return op


def tell(bergen: Stage, transfer: OpId, state: str = "in transit", sender: str = "oslo", bolts: int = 24) -> None:
    """What the hub's stream says once it has the dispatch."""
    value = {
        "sender": sender,
        "receiver": "bergen",
        "document": "00" * 32,
        "state": state,
        "dispatched_s": 1_700_000_000,
        "arrived_s": 0,
        "lines": [[0, "BOLT", "", "", 0, bolts, 0, 0, 0], [1, "PAINT", "L1", "", 0, 4, 0, 0, 0]],
    }
    with bergen.site.writing() as connection:
        streams.put(connection, "transfers", f"{sender}/{transfer}", value)


def accept(stage: Stage, transfer: OpId, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"transfer": str(transfer), "target": "DOCK", "lines": list(lines), **more}
    return stage.floor.transfers.accept(stage.op(), stage.as_("tess"), body, PIN)


def test_a_transfer_arrives_short(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    assert (oslo.stock("A-01", "BOLT"), oslo.stock("IN_TRANSIT", "BOLT")) == (6, 24)
    with oslo.site.reading() as connection:
        assert oslo.floor.transfers.leaving(connection)[0]["quantity"] == 28
    with pytest.raises(Rejected, match="not known here yet"):
        accept(bergen, transfer, {"index": 0, "quantity": 20})
    tell(bergen, transfer)
    with bergen.site.reading() as connection:
        coming = bergen.floor.transfers.coming(connection)
    assert [(line["item"], line["open"]) for line in coming[0]["lines"]] == [("BOLT", 24), ("PAINT", 4)]
    with pytest.raises(Rejected, match="missing: give a reason"):
        accept(bergen, transfer, {"index": 0, "quantity": 20, "missing": 4})
    accept(bergen, transfer, {"index": 0, "quantity": 20, "missing": 4, "reasons": ["short"]})
    accept(bergen, transfer, {"index": 1, "quantity": 3})
    with pytest.raises(Rejected, match="more of PAINT than was dispatched"):
        accept(bergen, transfer, {"index": 1, "quantity": 2})
    accept(bergen, transfer, {"index": 1, "quantity": 2, "reasons": ["over"]})
    assert (bergen.stock("DOCK", "BOLT"), bergen.stock("DOCK", "PAINT")) == (20, 5)
    with bergen.site.reading() as connection:
        assert bergen.floor.transfers.coming(connection) == []
        missing = connection.execute("SELECT SUM(missing) FROM acceptance_lines").fetchone()
    assert missing == (4,)


def test_the_paper_is_enough_when_nobody_can_be_reached(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    with oslo.site.reading() as connection:
        paper = oslo.floor.transfers.paper(connection, transfer)
    for wrong in (
        paper.replace("24", "25"),
        paper[:-2],
        paper + " ",
        paper.replace("oslo", "rome"),
        json.dumps(json.loads(paper)),
        "",
        5,
        "[" * 1000,
        paper.replace(str(transfer), str(OpId(bytes(16)))),
    ):
        with pytest.raises(Rejected, match="paper"):
            accept(bergen, transfer, {"index": 0, "quantity": 24}, paper=wrong)
    accept(bergen, transfer, {"index": 0, "quantity": 24}, paper=paper)
    assert bergen.stock("DOCK", "BOLT") == 24
    # When the hub tells of it later, only the rest is still open.
    tell(bergen, transfer)
    with bergen.site.reading() as connection:
        coming = bergen.floor.transfers.coming(connection)
    assert [(line["item"], line["open"]) for line in coming[0]["lines"]] == [("PAINT", 4)]


def test_what_cannot_be_is_refused_in_words(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    sven, good = oslo.as_("sven"), [{"item": "BOLT", "quantity": 1}]
    for body, why in (
        ({"receiver": "oslo", "source": "A-01", "lines": good}, "another site"),
        ({"receiver": "bergen", "lines": good}, "source"),
        ({"receiver": "bergen", "source": "A-01", "lines": []}, "no lines"),
        ({"receiver": "bergen", "source": "A-01", "lines": [{"item": "BOLT", "quantity": 99}]}, "not enough stock"),
        ({"source": "A-01", "lines": good}, "receiver"),
        ({"receiver": "x" * 32, "source": "A-01", "lines": good}, "at most 31"),
    ):
        with pytest.raises(Rejected, match=why):
            oslo.floor.transfers.dispatch(oslo.op(), sven, body, PIN)
    with pytest.raises(Rejected, match="TRANSFER"):
        oslo.floor.transfers.dispatch(oslo.op(), oslo.as_("mona"), {}, PIN)
    with pytest.raises(Rejected, match="PIN is wrong"):
        oslo.floor.transfers.dispatch(
            oslo.op(), sven, {"receiver": "bergen", "source": "A-01", "lines": good}, "000001"
        )
    for lines in (
        [],
        [{"index": 7, "quantity": 1}],
        [{"index": 0}],
        [{"index": 0, "quantity": 0}],
        [{"index": 0, "quantity": -1}],
        [{"index": True, "quantity": 1}],
        [{"index": 0, "quantity": 1, "target": "NOWHERE"}],
        [{"index": 0, "quantity": 1}, {"index": 0, "quantity": 1}],
        [{"index": 0, "quantity": 2**63}],
    ):
        with pytest.raises(Rejected):
            accept(bergen, transfer, *lines)
    with oslo.site.writing() as connection:
        value = streams.get(connection, "transfers", f"oslo/{transfer}")
    assert value is None
    tell(oslo, transfer)
    with pytest.raises(Rejected, match="is for bergen"):
        accept(oslo, transfer, {"index": 0, "quantity": 1})
    assert bergen.stock("DOCK", "BOLT") == 0


def test_two_senders_of_one_id_have_a_transfer_each(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer, sender="turku", bolts=3)
    tell(bergen, transfer)
    with bergen.site.reading() as connection:
        coming = bergen.floor.transfers.coming(connection)
    assert [(each["sender"], each["lines"][0]["open"]) for each in coming] == [("oslo", 24), ("turku", 3)]
    with pytest.raises(Rejected, match=r"two sites.*oslo, turku.*name the sender"):
        accept(bergen, transfer, {"index": 0, "quantity": 1})
    with pytest.raises(Rejected, match="not known here yet"):
        accept(bergen, transfer, {"index": 0, "quantity": 1}, sender="rome")
    accept(bergen, transfer, {"index": 0, "quantity": 3}, sender="turku")
    # The paper says whose it is, and what was taken over from the other one is nothing of this.
    with oslo.site.reading() as connection:
        paper = oslo.floor.transfers.paper(connection, transfer)
    with pytest.raises(Rejected, match="another transfer"):
        accept(bergen, transfer, {"index": 0, "quantity": 1}, sender="rome", paper=paper)
    accept(bergen, transfer, {"index": 0, "quantity": 20}, paper=paper)
    with bergen.site.reading() as connection:
        coming = bergen.floor.transfers.coming(connection)
        senders = connection.execute("SELECT sender FROM acceptances ORDER BY height").fetchall()
    assert [(each["sender"], [line["open"] for line in each["lines"]]) for each in coming] == [
        ("oslo", [4, 4]),
        ("turku", [4]),
    ]
    assert senders == [("turku",), ("oslo",)]


def test_a_transfer_that_makes_no_sense_hides_no_other(sites: tuple[Stage, Stage]) -> None:
    oslo, bergen = sites
    transfer = dispatch(oslo)
    tell(bergen, transfer)
    tell(bergen, transfer, sender="turku", bolts=2**62)
    with bergen.site.reading() as connection:
        assert [each["sender"] for each in bergen.floor.transfers.coming(connection)] == ["oslo"]
    accept(bergen, transfer, {"index": 0, "quantity": 24}, sender="oslo")
