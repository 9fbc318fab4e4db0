"""Goods that did not arrive where they were sent: three real nodes, a real hub, from the request to the outcome."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.transfers import TransferName
from node import sent
from node.desk import Person
from node.floor import Floor
from tests.hub import sitekit
from tests.sync.recovery_kit import BINS, Company, Machine

PIN = "482913"
PALLET = "006141411234567890"


class Place:
    """A site, and Lena who does everything there."""

    def __init__(self, company: Company, folder: Path, name: str, seed: int) -> None:
        self.company, self.name = company, name
        code = company.hub.enrol(name, url="http://hub.test")
        self.machine = Machine(company, folder, seed).init(name)
        self.machine.enrol(code)
        company.hub.add_locations(name, BINS)
        lena = company.hub.add_person(name, f"lena-{name}", "Lena", sitekit.ROLES)
        company.settle()
        self.machine.settle()
        self.floor = Floor(self.machine.site, bytes(32), self.machine.chance)
        self.token = self.floor.people.activate(self.op(), f"lena-{name}", lena.code, PIN, "tablet")["token"]

    def op(self) -> OpId:
        return self.machine.op()

    @property
    def lena(self) -> Person:
        return self.floor.people.session(self.token)

    def accept(self, transfer: OpId, quantity: int, **more: Any) -> OpId:
        op = self.op()
        body = {"transfer": str(transfer), "target": "A-02", "lines": [{"index": 0, "quantity": quantity, **more}]}
        self.floor.transfers.accept(op, self.lena, body, PIN)
        return op

    def reverse(self, acceptance: OpId) -> None:
        body = {"of": str(acceptance), "reasons": ["wrong-goods"]}
        self.floor.reversing.reverse(self.op(), self.lena, body, PIN)

    def coming(self) -> list[tuple[str, int]]:
        with self.machine.site.reading() as connection:
            found = self.floor.transfers.coming(connection)
        return [(each["sender"], each["lines"][0]["open"]) for each in found]

    def leaving(self) -> int:
        with self.machine.site.reading() as connection:
            return len(self.floor.transfers.leaving(connection))

    def sent(self) -> tuple[str, str, str]:
        with self.machine.site.reading() as connection:
            [row] = sent.newest(connection, self.name)
        return row["state"], row["request"], row["diverted"]

    def stock(self, location: str) -> int:
        with self.machine.site.reading() as connection:
            row = connection.execute("SELECT SUM(quantity) FROM stock WHERE location = ?", (location,)).fetchone()
        return int(row[0] or 0)


class World:
    def __init__(self, folder: Path) -> None:
        self.company = Company.found(folder / "hub")
        self.hub = self.company.hub
        self.oslo, self.bergen, self.tromso = (
            Place(self.company, folder / name, name, 20 + n) for n, name in enumerate(("oslo", "bergen", "tromso"))
        )
        self.turn()

    def turn(self) -> None:
        for _ in range(2):
            for place in (self.oslo, self.bergen, self.tromso):
                place.machine.settle()
            self.company.settle()
        for place in (self.oslo, self.bergen, self.tromso):
            place.machine.settle()

    def send(self) -> OpId:
        oslo, op = self.oslo, self.oslo.op()
        wish = {"lines": [{"item": "BOLT", "quantity": 40}], "target": "A-01"}
        oslo.floor.stock.receive(oslo.op(), oslo.lena, wish)
        wish = {"receiver": "bergen", "lines": [{"item": "BOLT", "quantity": 24, "source": "A-01"}]}
        oslo.floor.transfers.dispatch(op, oslo.lena, wish, PIN)
        self.turn()
        return op

    def decide(self, kind: str, verdict: str, site: str = "") -> None:
        [found] = [each for each in self.hub.discrepancies() if each.kind == kind]
        self.hub.decide(found.id, "rita", verdict, "as the driver says", site)
        self.turn()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    for place in (made.oslo, made.bergen, made.tromso):
        place.machine.close()
    made.hub.close()


def test_what_was_missing_comes_back_into_a_bin_of_the_sender(world: World) -> None:
    oslo, bergen = world.oslo, world.bergen
    transfer = world.send()
    with pytest.raises(Rejected, match="ask the hub to rule that what comes back is returned"):
        oslo.accept(transfer, 4)
    bergen.accept(transfer, 20, missing=4, reasons=["short"])
    world.turn()
    assert oslo.sent() == ("short", "", "")
    world.decide("transfer short", "returned")
    assert (oslo.sent(), oslo.coming(), bergen.coming()) == (("coming back", "", ""), [("oslo", 4)], [])
    with pytest.raises(Rejected, match="goes back to oslo"):
        bergen.accept(transfer, 4, reasons=["over"])
    with pytest.raises(Rejected, match="more of BOLT than was dispatched"):
        oslo.accept(transfer, 5)
    oslo.accept(transfer, 4)
    assert (oslo.stock("A-02"), oslo.stock("IN_TRANSIT"), oslo.coming(), oslo.leaving()) == (4, 0, [], 0)
    world.turn()
    assert (oslo.sent()[0], oslo.coming(), world.company.kinds()) == ("returned", [], [])
    assert [oslo.stock(each) for each in ("A-01", "A-02", "CUSTOMER")] == [16, 4, 20]
    assert bergen.stock("A-02") == 20


def test_what_the_carrier_took_back_comes_in_without_a_ruling(world: World) -> None:
    oslo, bergen = world.oslo, world.bergen
    transfer = world.send()
    bergen.accept(transfer, 17, missing=7, reasons=[["lost-on-the-way", 4], ["returned", 3]])
    world.turn()
    assert (oslo.sent()[0], oslo.coming(), bergen.coming()) == ("short", [("oslo", 3)], [])
    oslo.accept(transfer, 3)
    world.turn()
    assert (oslo.sent()[0], world.company.kinds()) == ("short", ["transfer short"])
    world.decide("transfer short", "lost")
    assert (oslo.sent()[0], oslo.coming(), world.company.kinds()) == ("settled", [], [])
    assert [oslo.stock(each) for each in ("A-01", "A-02", "CUSTOMER", "SHRINKAGE", "IN_TRANSIT")] == [16, 3, 17, 4, 0]
    assert bergen.stock("A-02") == 17


def test_a_reversed_acceptance_lets_the_transfer_be_accepted_anew(world: World) -> None:
    oslo, bergen = world.oslo, world.bergen
    transfer = world.send()
    acceptance = bergen.accept(transfer, 20, missing=4, reasons=["short"])
    world.turn()
    assert (oslo.sent()[0], world.company.kinds()) == ("short", ["transfer short"])
    bergen.reverse(acceptance)
    assert (bergen.coming(), bergen.stock("A-02"), bergen.stock("IN_TRANSIT")) == ([("oslo", 24)], 0, 0)
    world.turn()
    assert (oslo.sent()[0], bergen.coming(), world.company.kinds()) == ("in transit", [("oslo", 24)], [])
    assert len(world.hub.transfers()) == 1
    bergen.accept(transfer, 24)
    world.turn()
    assert (oslo.sent()[0], bergen.coming(), world.company.kinds()) == ("settled", [], [])
    assert [oslo.stock(each) for each in ("A-01", "CUSTOMER", "IN_TRANSIT")] == [16, 24, 0]
    assert (bergen.stock("A-02"), bergen.stock("IN_TRANSIT")) == (24, -24)


def test_goods_that_came_back_go_on_their_way_again(world: World) -> None:
    oslo, bergen = world.oslo, world.bergen
    transfer = world.send()
    bergen.accept(transfer, 21, missing=3, reasons=["returned"])
    world.turn()
    back = oslo.accept(transfer, 3)
    world.turn()
    assert (oslo.sent()[0], world.company.kinds()) == ("settled", [])
    oslo.reverse(back)
    assert (oslo.coming(), oslo.stock("A-02"), oslo.stock("IN_TRANSIT")) == ([("oslo", 3)], 0, 3)
    world.turn()
    assert (oslo.sent()[0], oslo.coming(), world.company.kinds()) == (
        "coming back",
        [("oslo", 3)],
        ["transfer short"],
    )


def test_what_never_left_is_cancelled(world: World) -> None:
    oslo, bergen = world.oslo, world.bergen
    transfer = world.send()
    ask = {"transfer": str(transfer), "target": "A-03", "note": "the lorry broke down"}
    op = oslo.op()
    for _ in range(2):
        oslo.floor.transfers.cancel(op, oslo.lena, ask)
    assert oslo.sent() == ("in transit", "asked", "")  # at once, whoever is away
    with pytest.raises(Rejected, match="has been asked to cancel this transfer already"):
        oslo.floor.transfers.cancel(oslo.op(), oslo.lena, ask)
    world.turn()
    world.decide("transfer request", "cancelled")
    assert (oslo.stock("A-03"), oslo.stock("IN_TRANSIT"), oslo.leaving()) == (24, 0, 0)
    assert (oslo.sent(), bergen.coming(), world.company.kinds()) == (("cancelled", "", ""), [], [])
    with pytest.raises(Rejected, match="oslo has cancelled it: if the goods are here, tell the hub"):
        bergen.accept(transfer, 24)
    with pytest.raises(Rejected, match="comes back or is cancelled already"):
        oslo.floor.transfers.cancel(oslo.op(), oslo.lena, ask)


def test_what_the_receiver_has_is_not_cancelled(world: World) -> None:
    oslo, bergen = world.oslo, world.bergen
    transfer = world.send()
    bergen.accept(transfer, 20)
    bergen.machine.settle()
    ask = {"transfer": str(transfer), "target": "A-03"}
    oslo.floor.transfers.cancel(oslo.op(), oslo.lena, ask)  # which does not know it yet
    world.turn()
    assert oslo.sent()[1] == "declined"
    with pytest.raises(Rejected, match="the receiver has accepted it already: ask the hub"):
        oslo.floor.transfers.cancel(oslo.op(), oslo.lena, ask)
    with pytest.raises(Rejected, match="was not dispatched here"):
        bergen.floor.transfers.cancel(bergen.op(), bergen.lena, ask)
    assert (oslo.stock("A-03"), oslo.stock("IN_TRANSIT")) == (0, 4)


def test_another_site_takes_what_is_diverted_to_it(world: World) -> None:
    oslo, bergen, tromso = world.oslo, world.bergen, world.tromso
    transfer = world.send()
    with oslo.machine.site.reading() as connection:
        paper = oslo.floor.transfers.paper(connection, transfer)
    body = {"transfer": str(transfer), "target": "A-01", "lines": [{"index": 0, "quantity": 24}], "paper": paper}
    with pytest.raises(Rejected, match="this transfer is for bergen: it can only be diverted by the hub"):
        tromso.floor.transfers.accept(tromso.op(), tromso.lena, body, PIN)
    world.hub.ask_transfer(TransferName("oslo", transfer), "rita", "the lorry is in Tromsø")
    world.decide("transfer request", "diverted", "tromso")
    assert (oslo.sent(), bergen.coming(), tromso.coming()) == (("in transit", "", "tromso"), [], [("oslo", 24)])
    with tromso.machine.site.reading() as connection:
        assert tromso.floor.transfers.read_paper(connection, {"scanned": [paper]})["lines"][0]["open"] == 24
    with pytest.raises(Rejected, match="this transfer is for tromso"):
        bergen.accept(transfer, 24)
    tromso.floor.transfers.accept(tromso.op(), tromso.lena, body, PIN)
    world.turn()
    assert (oslo.sent()[0], oslo.stock("IN_TRANSIT"), tromso.stock("A-01")) == ("settled", 0, 24)
    assert world.company.kinds() == []


def test_another_site_takes_the_rest_of_what_was_accepted_in_part(world: World) -> None:
    oslo, bergen, tromso = world.oslo, world.bergen, world.tromso
    transfer = world.send()
    bergen.accept(transfer, 10)
    world.turn()
    world.hub.ask_transfer(TransferName("oslo", transfer), "rita", "the rest is in Tromsø")
    world.decide("transfer request", "diverted", "tromso")
    assert (oslo.sent(), bergen.coming(), tromso.coming()) == (("in transit", "", "tromso"), [], [("oslo", 14)])
    with pytest.raises(Rejected, match="more of BOLT than was dispatched"):
        tromso.accept(transfer, 15)
    tromso.accept(transfer, 14)
    world.turn()
    assert (oslo.sent()[0], tromso.coming(), world.company.kinds()) == ("settled", [], [])
    assert (oslo.stock("IN_TRANSIT"), bergen.stock("A-02"), tromso.stock("A-02")) == (0, 10, 14)


def test_a_pallet_comes_back_as_it_went(world: World) -> None:
    oslo = world.oslo
    oslo.floor.stock.move_units(oslo.op(), oslo.lena, {"units": [{"unit": PALLET, "target": "A-01"}]})
    oslo.floor.stock.receive(oslo.op(), oslo.lena, {"lines": [{"item": "BOLT", "quantity": 24}], "target": PALLET})
    op = oslo.op()
    wish = {"receiver": "bergen", "lines": [{"item": "BOLT", "quantity": 24, "source": PALLET}]}
    oslo.floor.transfers.dispatch(op, oslo.lena, wish, PIN)
    world.turn()
    world.hub.ask_transfer(TransferName("oslo", op), "rita", "nobody is in Bergen")
    world.decide("transfer request", "returned")
    body = {"transfer": str(op), "target": "A-03", "lines": [{"index": 0, "quantity": 24}], "units": [PALLET]}
    oslo.floor.transfers.accept(oslo.op(), oslo.lena, body, PIN)
    world.turn()
    assert (oslo.stock(PALLET), oslo.stock("IN_TRANSIT"), oslo.sent()[0]) == (24, 0, "returned")
    with oslo.machine.site.reading() as connection:
        [(parent,)] = connection.execute("SELECT parent FROM locations WHERE location = ?", (PALLET,)).fetchall()
    assert parent == "A-03"
