"""A pack is changed at the hub while scans of it wait: on tablets, beside a count, or for want of an owner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from devices.reads import NewRead
from ledger import control
from ledger.ids import OpId
from node import streams
from tests.node.floor_kit import BOX, GTINS, PIN, Stage
from tests.web import kit
from tests.web.test_outbox import sent

DAY_MS = 86_400_000
CASE = f"]C101{BOX}"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Stage, Flask]]:
    stage, app = kit.node(tmp_path / "node")
    body = {"name": "Week 47", "bins": ["A-01"], "rule": {"control_percent": 0}}
    stage.floor.counting.open_session(stage.op(), stage.as_("sven"), body)
    with kit.closing(stage):
        yield stage, app


def repacked(stage: Stage, *history: tuple[int, int], now: int = 10) -> int:
    """The hub says that the box holds `now` bolts from this moment on, and held twelve before; the moment."""
    stage.world.clock.advance(1_000)
    at_ms = stage.world.clock.now_ms()
    before = [[BOX, quantity, until_ms] for quantity, until_ms in history or ((12, at_ms),)]
    with stage.site.writing() as connection:
        entry = {"name": "Bolt 8", "gtins": [[GTINS["BOLT"], 1], [BOX, now]], "gtins_until": before, "unit": "pc"}
        streams.put(connection, streams.CATALOGUE, "BOLT", entry)
    return at_ms


class Tablet:
    """Cora's tablet: what waits in its outbox is sent in the order of its acts, and says how long it waited."""

    def __init__(self, stage: Stage, app: Flask) -> None:
        self.stage, self.app, self.acts = stage, app, 0

    @property
    def client(self) -> FlaskClient:
        """She logs in again: days went by."""
        return kit.logged_in(self.app, "cora")

    def send(self, path: str, did_at_ms: int, *, again: bool = False, **body: Any) -> Any:
        self.acts += not again
        op_id = f"{self.acts:032x}"
        waited_ms = self.stage.world.clock.now_ms() - did_at_ms
        header = sent(self.acts, op_id, waited_ms=waited_ms)
        answer = self.client.post(f"/api/v1/{path}", json={"op_id": op_id, **body}, headers=header)
        assert answer.status_code == 200, answer.text
        return answer.get_json()


@pytest.fixture
def tablet(made: tuple[Stage, Flask]) -> Tablet:
    return Tablet(*made)


def test_what_a_tablet_scanned_without_contact_means_what_the_pack_held_then(tablet: Tablet) -> None:
    stage = tablet.stage
    began_ms = stage.world.clock.now_ms()
    stage.world.clock.advance(DAY_MS)
    changed_ms = repacked(stage)
    stage.world.clock.advance(2 * DAY_MS)
    tablet.send("counts/open", began_ms, bin="A-01")
    assert tablet.send("scans", changed_ms - 1, text=CASE, bin="A-01")["quantity"] == 12
    # The answer was lost: it is the same scan, however long it has waited by now.
    stage.world.clock.advance(DAY_MS)
    assert tablet.send("scans", changed_ms - 1, again=True, text=CASE, bin="A-01")["counted"] == 12
    assert tablet.send("scans", changed_ms, text=CASE, bin="A-01")["counted"] == 22
    assert tablet.send("scans", stage.world.clock.now_ms(), text=CASE, bin="A-01")["counted"] == 32
    # Typed in packs, it is the same; 10 of them are neither 120 nor 100 if they were counted on both days.
    typed = {"item": "BOLT", "amount": "2", "pack": BOX, "mode": "add", "bin": "A-01"}
    assert tablet.send("counts/enter", changed_ms - 1, **typed)["counted"] == 56
    assert tablet.send("counts/enter", stage.world.clock.now_ms(), **typed)["counted"] == 76


def test_of_three_packs_each_scan_means_its_own(tablet: Tablet) -> None:
    stage = tablet.stage
    began_ms = stage.world.clock.now_ms()
    stage.world.clock.advance(3 * DAY_MS)
    repacked(stage, (12, began_ms + DAY_MS), (6, began_ms + 2 * DAY_MS), now=12)
    tablet.send("counts/open", began_ms, bin="A-01")
    days = (began_ms, began_ms + DAY_MS, began_ms + 2 * DAY_MS, stage.world.clock.now_ms())
    assert [tablet.send("scans", at_ms, text=CASE)["quantity"] for at_ms in days] == [12, 6, 12, 12]


def test_a_scan_that_is_set_aside_keeps_the_pack_that_it_was(tablet: Tablet) -> None:
    stage = tablet.stage
    began_ms = stage.world.clock.now_ms()
    tablet.send("counts/open", began_ms, bin="A-01")
    tablet.send("counts/empty", began_ms, bin="A-01")
    changed_ms = repacked(stage)
    stage.world.clock.advance(DAY_MS)
    parked = tablet.send("scans", changed_ms - 1, text=CASE, bin="A-01")
    assert (parked["outcome"], parked["hint"]["quantity"]) == ("parked", 12)
    assert tablet.client.get("/api/v1/scans/parked").get_json()["rows"][0]["hint"]["quantity"] == 12
    tablet.send("counts/undo", stage.world.clock.now_ms(), bin="A-01")
    said = {"park": parked["park"], "item": "BOLT", "amount": "1", "pack": BOX, "confirm": True}
    assert tablet.send("scans/resolve", stage.world.clock.now_ms(), **said)["counted"] == 12


def test_a_scan_that_comes_after_its_bin_is_over_keeps_it_too(tablet: Tablet) -> None:
    stage = tablet.stage
    began_ms = stage.world.clock.now_ms()
    tablet.send("counts/open", began_ms, bin="A-01")
    tablet.send("counts/empty", began_ms, bin="A-01")
    tablet.send("counts/close", began_ms, bin="A-01", confirm=True)
    changed_ms = repacked(stage)
    stage.world.clock.advance(DAY_MS)
    late = [tablet.send("scans", at_ms, text=CASE, bin="A-01") for at_ms in (changed_ms - 1, changed_ms)]
    assert [(each["outcome"], each["hint"]["quantity"]) for each in late] == [("late", 12), ("late", 10)]


def test_reads_that_waited_in_the_journal_count_as_they_were_made(tablet: Tablet) -> None:
    stage = tablet.stage
    stage.scan("BIN:A-01")
    stage.journal.record([NewRead("gun", CASE.encode())])  # and the node stops before it is taken
    repacked(stage)
    stage.journal.record([NewRead("gun", CASE.encode())])
    taken = [outcome["quantity"] for _, outcome in stage.floor.scanning.drain(stage.journal)]
    assert taken == [12, 10]
    # Nobody had this scanner: who decides about its read days later decides what it was, not what it held.
    [read] = stage.journal.record([NewRead("other", CASE.encode())])
    assert stage.floor.scanning.drain(stage.journal)[-1][1]["outcome"] == "nobody"
    later_ms = repacked(stage, (12, stage.world.clock.now_ms()), (10, stage.world.clock.now_ms() + 1_000), now=7)
    assert later_ms > read.at_ms
    assert stage.floor.scanning.take_after_all(read, stage.as_("cora"))["quantity"] == 10


def test_what_is_looked_up_means_what_it_means_now(tablet: Tablet) -> None:
    assert tablet.client.get("/api/v1/names").get_json()["names"]["BOLT"] == "Bolt 8"
    repacked(tablet.stage)
    assert tablet.client.post("/api/v1/lookup", json={"text": CASE}).get_json()["quantity"] == 10
    names = tablet.client.get("/api/v1/names").get_json()
    assert names["barcodes"] == {GTINS["BOLT"]: "BOLT", BOX: "BOLT", **{GTINS[k]: k for k in ("PAINT", "DRILL")}}
    with tablet.stage.site.writing() as connection:
        streams.put(connection, "catalogue", "BOLT", {"name": "Screw", "gtins": []})
        streams.remove(connection, "catalogue", "PAINT")
    names = tablet.client.get("/api/v1/names").get_json()
    assert names["names"] == {"BOLT": "Screw", "DRILL": "Drill 8"} and names["barcodes"] == {GTINS["DRILL"]: "DRILL"}


def test_a_clock_that_lost_its_time_brings_no_old_pack_back(tablet: Tablet) -> None:
    stage = tablet.stage
    tablet.send("counts/open", stage.world.clock.now_ms(), bin="A-01")
    repacked(stage)
    stage.world.clock.at_ms = 1_000_000
    assert tablet.send("scans", 1_000_000, text=CASE)["quantity"] == 10


def test_a_document_means_the_packs_of_when_it_was_done(made: tuple[Stage, Flask]) -> None:
    """Goods that come in, leave to another site and are held, by a program that says the barcode and the time."""
    stage, _ = made
    stage.floor.stock.receive(
        stage.op(), stage.as_("mona"), {"lines": [{"item": "BOLT", "quantity": 200}], "target": "A-02"}
    )
    changed_ms = repacked(stage)
    stage.world.clock.advance(60_000)
    line = {"barcode": BOX, "quantity": 2}

    def booked(op: OpId) -> int:
        with stage.site.reading() as connection:
            (total,) = connection.execute(
                "SELECT SUM(abs(m.quantity)) FROM operations o JOIN movements m ON m.height = o.height"
                " AND m.place = o.place WHERE o.op_id = ? AND m.target <> 'CHANGE'",
                (op.raw,),
            ).fetchone()
        return int(total)

    for occurred_ms, pieces in ((changed_ms - 1, 24), (changed_ms, 20), (None, 20)):
        when = {} if occurred_ms is None else {"occurred_ms": occurred_ms}
        receipt, dispatch, hold = stage.op(), stage.op(), stage.op()
        stage.floor.stock.receive(receipt, stage.as_("mona"), {"lines": [line], "target": "A-02", **when})
        leaving = {"receiver": "bergen", "source": "A-02", "lines": [line], **when}
        stage.floor.transfers.dispatch(dispatch, stage.as_("sven"), leaving, PIN)
        held = {"held": "quality", "location": "A-02", "reasons": ["checked"], "lines": [line], **when}
        stage.floor.stock.hold(hold, stage.as_("mona"), held)
        assert [booked(op) for op in (receipt, dispatch, hold)] == [pieces] * 3


def test_a_pick_means_the_packs_of_when_it_was_done(made: tuple[Stage, Flask]) -> None:
    stage, _ = made
    tote = (control.Location(location="T-1", kind=control.BIN),)
    stage.world.send(stage.site, control.LocationsPayload(locations=tote))
    goods = {"lines": [{"item": "BOLT", "quantity": 100}], "target": "A-02"}
    stage.floor.stock.receive(stage.op(), stage.as_("mona"), goods)
    changed_ms = repacked(stage)
    stage.world.clock.advance(60_000)
    picks, name = stage.floor.picking, stage.op()
    picks.open(name, stage.as_("mona"), {"order": "SO-1", "lines": [{"barcode": BOX, "quantity": 5}]})
    picks.begin(stage.op(), stage.as_("mona"), {"list": str(name), "tote": "T-1"})
    pick = {"list": str(name), "barcode": BOX, "quantity": 1, "source": "A-02"}
    # What is wanted is wanted now: fifty, of which the first pack that was picked held twelve.
    assert picks.pick(stage.op(), stage.as_("mona"), {**pick, "occurred_ms": changed_ms - 1})["left"] == 38
    assert picks.pick(stage.op(), stage.as_("mona"), {**pick, "occurred_ms": changed_ms})["left"] == 28
    assert picks.pick(stage.op(), stage.as_("mona"), pick)["left"] == 18
