"""What has not arrived is ended by people: it comes back, it never left, or another site takes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub import discrepancies, settling
from hub.auditing import Auditor
from hub.hub import Hub
from ledger import calls
from ledger.clock import ManualClock
from ledger.documents import TAKES_BACK, reversal_op_id
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.moves import Line
from ledger.transfers import BIN, CANCEL, NEVER_MISSED, TransferName
from tests.hub import sitekit
from tests.hub.sitekit import NOBODY, Site
from web.hub_words import arranged

DAYS = 60 * 86_400_000


class World:
    """Three sites and the hub between them."""

    def __init__(self, hub: Hub, clock: ManualClock) -> None:
        self.hub, self.clock = hub, clock
        self.oslo, self.bergen, self.tromso = (
            Site(hub, name, clock, seed) for name, seed in (("oslo", 7), ("bergen", 8), ("tromso", 9))
        )
        for site in (self.oslo, self.bergen, self.tromso):
            site.furnish()
        self.oslo.receive(100)

    def turn(self) -> None:
        """Everybody syncs until what the hub makes of one's blocks is in the blocks of the others."""
        for _ in range(3):
            for site in (self.oslo, self.bergen, self.tromso):
                if site.chain.executor.pending is not None:
                    site.chain.seal()
                site.sync()
            self.hub.verify()
            self.hub.settle()

    def sent(self) -> OpId:
        transfer = self.oslo.dispatch("bergen", ("BOLT", 40))
        self.turn()
        return transfer

    def stock(self, site: str, location: str) -> int:
        with self.hub.store.read() as session:
            found = session.value(
                "SELECT quantity FROM stock WHERE site = :site AND location = :location", site=site, location=location
            )
        return int(found or 0)

    def state(self) -> tuple[str, str, str]:
        (transfer,) = self.hub.transfers()
        return transfer.state, transfer.ruling, transfer.request

    def told(self, site: Site, transfer: OpId) -> dict[str, Any]:
        return dict(site.node.tables["transfers"][f"oslo/{transfer}"])

    def open(self) -> list[tuple[int, str]]:
        return [(each.id, each.kind) for each in self.hub.discrepancies()]

    def ask(self, transfer: OpId, bin_: str = "A-02") -> None:
        note = calls.Note(actor=NOBODY, kind=CANCEL, subject=transfer.word)
        self.oslo.act(note, references={BIN: bin_})
        self.turn()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    sitekit.found_hub(tmp_path / "hub")
    clock = ManualClock(sitekit.START_MS)
    with sitekit.open_hub(tmp_path / "hub", clock) as hub:
        hub.import_items(sitekit.ITEMS)
        yield World(hub, clock)


def test_what_the_carrier_took_back_is_expected_without_a_ruling(world: World) -> None:
    transfer = world.sent()
    went: dict[str, Any] = {"line_reasons": {0: ("lost-on-the-way", "returned")}, "shares": {0: (4, 3)}}
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 33, 7), **went)
    world.turn()
    [found] = world.hub.discrepancies()
    assert found.summary == "oslo to bergen: 7 base units missing on arrival, 3 of them on the way back"
    with world.hub.store.read() as session:
        [line] = discrepancies.evidence(session, found.id)["lines"]
    assert line == [0, "BOLT", "", "", 40, 33, 7, 3]
    [table] = arranged({"lines": [line, line[:-1]]}).tables
    assert [row[-2:] for row in table.rows] == [[7, 3], [7, "–"]]
    assert world.told(world.oslo, transfer)["lines"] == [[0, "BOLT", "", "", 0, 40, 33, 7, 33, "", 3]]
    assert world.state() == ("short", "", "")
    world.oslo.accept(transfer, "oslo", (0, "BOLT", 1, 0), target="A-02")
    world.turn()
    assert world.told(world.oslo, transfer)["lines"] == [[0, "BOLT", "", "", 0, 40, 33, 6, 34, "", 3]]
    world.hub.decide(found.id, "rita", "lost", "the carrier pays for four")
    world.turn()
    assert world.stock("oslo", "SHRINKAGE") == 4
    assert world.state()[0] == "coming back"
    [left] = world.hub.discrepancies()  # until the rest is there
    assert left.summary.endswith("2 base units missing on arrival, 2 of them on the way back")
    world.oslo.accept(transfer, "oslo", (0, "BOLT", 2, 0), target="A-02")
    world.turn()
    line = world.hub.transfers()[0].lines[0]
    assert (line.accepted, line.missing, line.in_flight, line.settled, line.back) == (33, 0, 0, 40, 3)
    assert (world.state()[0], world.open(), world.stock("oslo", "A-02")) == ("settled", [], 3)
    assert world.stock("oslo", "IN_TRANSIT") == 0


def test_what_should_have_come_back_and_never_did_is_lost(world: World) -> None:
    transfer = world.sent()
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 37, 3), line_reasons={0: ("returned",)})
    world.turn()
    assert world.state()[0] == "coming back"
    ((number, _),) = world.open()
    world.hub.decide(number, "rita", "lost", "the carrier has lost them too")
    world.turn()
    assert (world.stock("oslo", "SHRINKAGE"), world.stock("oslo", "IN_TRANSIT")) == (3, 0)
    assert (world.state()[0], world.open()) == ("settled", [])
    assert world.told(world.oslo, transfer)["lines"] == [[0, "BOLT", "", "", 0, 40, 37, 0, 40]]


def reverse(site: Site, acceptance: OpId, *lines: tuple[str, int], place: str = "A-01") -> None:
    """As a node does it: by a dispatch to the site itself, or where nothing came in by a note."""
    call: calls.Call = calls.Note(actor=NOBODY, kind=NEVER_MISSED, subject=acceptance.word)
    if lines:
        rows = tuple(Line(item=item, quantity=many, source=place, target="IN_TRANSIT") for item, many in lines)
        call = calls.Dispatch(actor=NOBODY, receiver=site.name, lines=rows)
    site.act(call, op_id=reversal_op_id(acceptance), references={TAKES_BACK: str(acceptance)})


def test_a_reversed_acceptance_counts_no_more_and_the_transfer_is_open(world: World, tmp_path: Path) -> None:
    transfer = world.sent()
    acceptance = world.bergen.accept(transfer, "oslo", (0, "BOLT", 37, 3))
    world.turn()
    assert (world.state()[0], world.stock("oslo", "IN_TRANSIT"), len(world.open())) == ("short", 3, 1)
    reverse(world.bergen, acceptance, ("BOLT", 37))
    world.turn()
    assert (world.state()[0], world.open()) == ("in transit", [])
    line = world.hub.transfers()[0].lines[0]
    assert (line.accepted, line.missing, line.in_flight) == (0, 0, 40)
    assert (world.stock("bergen", "A-01"), world.stock("bergen", "IN_TRANSIT")) == (0, 0)
    told = world.told(world.oslo, transfer)
    assert told["reversed"] and told["arrived_s"] == 0 and told["lines"] == [[0, "BOLT", "", "", 0, 40, 0, 0, 37]]
    assert world.told(world.bergen, transfer)["state"] == "in transit"
    assert [str(each.name) for each in world.hub.transfers()] == [f"oslo/{transfer}"]  # and no other one
    with world.hub.reading() as session:
        said = session.value("SELECT call FROM operations WHERE op_id = :op", op=str(reversal_op_id(acceptance)))
    assert said == "reverse"
    # Accepted anew, only what the sender's chain was not told of is settled.
    again = world.bergen.accept(transfer, "oslo", (0, "BOLT", 40, 0))
    world.turn()
    assert (world.state()[0], world.stock("oslo", "IN_TRANSIT"), world.stock("oslo", "CUSTOMER")) == (
        "settled",
        0,
        40,
    )
    reverse(world.bergen, again, ("BOLT", 40))
    world.turn()
    number = world.hub.ask_transfer(TransferName("oslo", transfer), "rita", "where is it?")
    for verdict in ("cancelled", "lost"):
        with pytest.raises(Rejected):
            world.hub.decide(number, "rita", verdict, "gone")
    world.hub.decide(number, "rita", "returned", "bergen sends it back")
    world.turn()
    world.oslo.accept(transfer, "oslo", (0, "BOLT", 40, 0), target="A-02")
    world.turn()
    assert (world.state()[0], world.open(), world.stock("oslo", "A-02")) == ("returned", [], 40)
    hub = world.hub
    auditor = Auditor(hub.store, hub.config, hub.keys.control.address, hub.keys.log.verify_key, hub.heads.get)
    (tmp_path / "audit").mkdir()
    assert auditor.run(tmp_path / "audit", 1).complaints == []  # the same tables from the same blocks


def test_what_a_reversed_acceptance_had_settled_is_lost_in_the_books_of_who_reversed_it(
    world: World, tmp_path: Path
) -> None:
    transfer = world.sent()
    acceptance = world.bergen.accept(transfer, "oslo", (0, "BOLT", 25, 0))
    world.turn()
    reverse(world.bergen, acceptance, ("BOLT", 25))
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 17, 23))
    world.turn()
    ((number, kind),) = world.open()
    assert kind == "transfer short"
    world.hub.decide(number, "rita", "lost", "they are gone")
    world.turn()
    # Oslo's books have 25 as taken over; what is lost beyond the rest of them is bergen's loss.
    lost = [(world.stock(site, "SHRINKAGE"), world.stock(site, "IN_TRANSIT")) for site in ("oslo", "bergen")]
    assert (lost, world.stock("oslo", "CUSTOMER")) == ([(15, 0), (8, -25)], 25)
    assert (world.state()[0], world.open()) == ("settled", [])
    line = world.hub.transfers()[0].lines[0]
    assert (line.accepted, line.missing, line.in_flight, line.settled) == (17, 0, 0, 40)
    hub = world.hub
    auditor = Auditor(hub.store, hub.config, hub.keys.control.address, hub.keys.log.verify_key, hub.heads.get)
    (tmp_path / "audit").mkdir()
    assert auditor.run(tmp_path / "audit", 1).complaints == []


def test_a_reversal_whose_lines_are_not_those_of_its_acceptance_takes_no_loss(world: World) -> None:
    transfer = world.oslo.dispatch("bergen", ("BOLT", 10), ("BOLT", 30))
    world.turn()
    acceptance = world.bergen.accept(transfer, "oslo", (0, "BOLT", 10, 0), (1, "BOLT", 30, 0))
    world.turn()
    reverse(world.bergen, acceptance, ("BOLT", 40))  # another program sums what it takes back
    world.bergen.accept(transfer, "oslo", (1, "BOLT", 27, 3))
    world.turn()
    [number] = [each for each, kind in world.open() if kind == "transfer short"]
    with pytest.raises(Rejected, match="have it as taken over by bergen, which reversed that since"):
        world.hub.decide(number, "rita", "lost", "they are gone")
    world.hub.decide(number, "rita", "accepted", "the loss is bergen's")


def test_that_all_is_missing_is_reversed_before_anybody_has_heard_of_the_dispatch(world: World) -> None:
    transfer = world.oslo.dispatch("bergen", ("BOLT", 40))
    acceptance = world.bergen.accept(transfer, "oslo", (0, "BOLT", 0, 40))
    world.bergen.deliver()
    world.hub.verify()
    assert world.state()[0] == "unmatched"
    reverse(world.bergen, acceptance)
    world.bergen.deliver()
    world.hub.verify()
    world.clock.advance(DAYS)
    world.hub.settle()
    assert world.open() == []
    world.turn()
    assert [kind for _, kind in world.open() if kind != "transfer late"] == []
    line = world.hub.transfers()[0].lines[0]
    assert (line.missing, line.in_flight) == (0, 40)


def test_a_dispatch_that_only_looks_like_a_reversal_is_a_transfer(world: World) -> None:
    transfer = world.sent()
    acceptance = world.bergen.accept(transfer, "oslo", (0, "BOLT", 40, 0))
    world.turn()
    stolen = calls.Dispatch(
        actor=NOBODY, receiver="bergen", lines=(Line(item="BOLT", quantity=5, source="A-01", target="IN_TRANSIT"),)
    )
    world.oslo.act(stolen, references={TAKES_BACK: str(acceptance)})
    world.oslo.act(stolen, op_id=reversal_op_id(acceptance), references={TAKES_BACK: str(acceptance)})
    other = replace(stolen, lines=(replace(stolen.lines[0], quantity=39),))
    world.bergen.act(other, op_id=reversal_op_id(acceptance), references={TAKES_BACK: str(acceptance)})
    world.turn()
    assert len(world.hub.transfers()) == 4  # of another site, by another name, or not all that came in
    [known] = [each for each in world.hub.transfers() if each.id == str(transfer)]
    assert (known.state, known.reversed) == ("settled", False)


def test_what_is_missing_comes_back_by_a_document_of_the_sender(world: World) -> None:
    transfer = world.sent()
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 37, 3))
    world.turn()
    ((number, kind),) = world.open()
    assert kind == "transfer short"
    world.hub.decide(number, "rita", "returned", "the driver brings three back")
    world.turn()
    assert (world.state()[:2], world.open()) == (("coming back", "returned"), [])
    assert world.told(world.oslo, transfer)["ruling"] == world.told(world.bergen, transfer)["ruling"] == "returned"
    assert world.stock("oslo", "IN_TRANSIT") == 3
    world.oslo.accept(transfer, "oslo", (0, "BOLT", 3, 0), target="A-02")
    world.turn()
    line = world.hub.transfers()[0].lines[0]
    assert (line.accepted, line.missing, line.in_flight, line.settled, line.back) == (37, 0, 0, 40, 3)
    assert (world.state()[0], world.open()) == ("returned", [])
    assert [world.stock("oslo", each) for each in ("IN_TRANSIT", "A-01", "A-02", "CUSTOMER")] == [0, 60, 3, 37]
    with pytest.raises(Rejected, match="resolved already"):
        world.hub.decide(number, "rita", "returned", "once more")


def test_what_came_back_before_the_hub_heard_of_what_arrived_settles_no_more_than_was_sent(world: World) -> None:
    transfer = world.sent()
    number = world.hub.ask_transfer(TransferName("oslo", transfer), "rita", "the ferry does not go")
    world.hub.decide(number, "rita", "returned", "it comes back")
    world.turn()
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 30, 0))
    world.oslo.accept(transfer, "oslo", (0, "BOLT", 10, 0))
    world.turn()
    assert (world.state()[0], world.open()) == ("returned", [])
    assert [world.stock("oslo", each) for each in ("IN_TRANSIT", "A-01", "CUSTOMER")] == [0, 70, 30]
    # What both have is one too many, and says so.
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 1, 0))
    world.turn()
    assert [kind for _, kind in world.open()] == ["transfer over"]
    assert world.stock("oslo", "CUSTOMER") == 30


def test_what_never_left_is_cancelled_when_the_sender_asks_and_the_hub_agrees(world: World) -> None:
    transfer = world.sent()
    world.ask(transfer)
    ((number, kind),) = world.open()
    assert (kind, world.state()) == ("transfer request", ("in transit", "", "asked"))
    assert world.told(world.oslo, transfer)["request"] == "asked"
    world.hub.decide(number, "rita", "cancelled", "it stands in Oslo")
    world.turn()
    assert (world.state(), world.open()) == (("cancelled", "cancelled", "declined"), [])
    assert world.told(world.bergen, transfer)["ruling"] == "cancelled"
    assert [world.stock("oslo", each) for each in ("IN_TRANSIT", "A-01", "A-02")] == [0, 60, 40]
    # It was on the lorry after all: what is accepted now is over.
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 40, 0))
    world.turn()
    assert [kind for _, kind in world.open()] == ["transfer over"]


def test_what_was_accepted_is_not_cancelled(world: World) -> None:
    transfer = world.sent()
    world.ask(transfer)
    ((number, _),) = world.open()
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 10, 0))
    world.turn()
    with pytest.raises(Rejected, match="bergen has accepted it already: what is to come back is returned"):
        world.hub.decide(number, "rita", "cancelled", "it stands in Oslo")
    world.hub.decide(number, "rita", "accepted", "it stays as it is")
    world.turn()
    assert world.told(world.oslo, transfer)["request"] == "declined"
    # Asked again it is answered at once.
    world.ask(transfer, "A-01")
    assert (world.open(), world.state()[2]) == ([], "declined")
    assert "bergen has accepted it" in world.hub.discrepancy(number).entries[-1].text
    assert world.stock("oslo", "IN_TRANSIT") == 30


def test_a_bin_that_the_chain_does_not_take_leaves_the_goods_in_transit_and_another_can_be_named(
    world: World,
) -> None:
    transfer = world.sent()
    world.ask(transfer, "NO-SUCH-BIN")
    ((number, _),) = world.open()
    world.hub.decide(number, "rita", "cancelled", "it stands in Oslo")
    world.turn()
    assert [kind for _, kind in world.open()] == ["control record refused"]
    assert (world.state()[0], world.stock("oslo", "IN_TRANSIT")) == ("in transit", 40)
    world.ask(transfer, "A-02")
    world.hub.decide(number, "rita", "cancelled", "in another bin")
    world.turn()
    assert (world.state()[0], world.stock("oslo", "A-02")) == ("cancelled", 40)


def test_another_site_takes_what_is_diverted_to_it(world: World) -> None:
    transfer = world.sent()
    world.clock.advance(DAYS)
    world.hub.watch()
    ((number, _),) = [each for each in world.open() if each[1] == "transfer late"]
    for wrong, why in (
        ("", "diverted to a site"),
        ("hamar", "there is no site 'hamar'"),
        ("oslo", "say that it is returned"),
        ("bergen", "is its receiver already"),
    ):
        with pytest.raises(Rejected, match=why):
            world.hub.decide(number, "rita", "diverted", "the lorry is in Tromsø", wrong)
    with pytest.raises(Rejected, match="no other verdict names one"):
        world.hub.decide(number, "rita", "returned", "the lorry is in Tromsø", "tromso")
    world.hub.decide(number, "rita", "diverted", "the lorry is in Tromsø", "tromso")
    world.turn()
    assert [world.told(site, transfer)["receiver"] for site in (world.oslo, world.bergen, world.tromso)] == [
        "tromso"
    ] * 3
    world.tromso.accept(transfer, "oslo", (0, "BOLT", 40, 0))
    world.turn()
    assert world.state()[:2] == ("settled", "diverted")
    assert not [kind for _, kind in world.open() if kind.startswith("transfer")]
    assert [world.stock("oslo", "CUSTOMER"), world.stock("tromso", "A-01")] == [40, 40]


def test_a_transfer_is_offered_to_the_sites_that_it_can_be_diverted_to(world: World) -> None:
    transfer = world.sent()
    number = world.hub.ask_transfer(TransferName("oslo", transfer), "rita", "where is it?")

    def offered() -> list[str]:
        with world.hub.reading() as session:
            return settling.diversions(session, world.hub.discrepancy(number))

    assert offered() == ["tromso"]
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 10, 30))
    world.turn()
    assert offered() == ["tromso"]
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 30, 0))
    world.turn()
    assert offered() == []


def test_the_rest_of_what_was_accepted_in_part_is_diverted(world: World) -> None:
    transfer = world.sent()
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 10, 30))
    world.turn()
    ((number, kind),) = world.open()
    assert kind == "transfer short"
    world.hub.decide(number, "rita", "diverted", "the rest came to Tromsø", "tromso")
    world.turn()
    assert (world.state()[:2], world.open()) == (("in transit", "diverted"), [])
    line = world.hub.transfers()[0].lines[0]
    assert (line.accepted, line.missing, line.in_flight) == (10, 0, 30)
    assert world.told(world.oslo, transfer)["lines"] == [[0, "BOLT", "", "", 0, 40, 10, 0, 10]]
    # To who takes the rest it is all there is.
    assert world.told(world.tromso, transfer)["lines"] == [[0, "BOLT", "", "", 0, 30, 0, 0, 0]]
    world.tromso.accept(transfer, "oslo", (0, "BOLT", 28, 2))
    world.turn()
    assert [kind for _, kind in world.open()] == ["transfer short"]
    assert world.told(world.tromso, transfer)["lines"] == [[0, "BOLT", "", "", 0, 30, 28, 2, 28]]
    # Who has taken some of it by a ruling keeps that only as long as no other site is the receiver.
    with world.hub.reading() as session:
        assert settling.diversions(session, world.hub.discrepancy(number)) == []
    world.tromso.accept(transfer, "oslo", (0, "BOLT", 3, 0))
    world.turn()
    assert [kind for _, kind in world.open()] == ["transfer over"]
    assert (world.stock("oslo", "CUSTOMER"), world.stock("oslo", "IN_TRANSIT")) == (40, 0)


def test_what_another_site_took_already_is_its_own_once_that_is_ruled(world: World) -> None:
    transfer = world.sent()
    world.tromso.accept(transfer, "oslo", (0, "BOLT", 40, 0))
    world.turn()
    ((number, kind),) = world.open()
    assert (kind, world.state()[0]) == ("transfer unmatched", "in transit")
    world.hub.decide(number, "rita", "diverted", "Tromsø has it", "tromso")
    world.turn()
    assert (world.state()[0], world.open(), world.stock("oslo", "IN_TRANSIT")) == ("settled", [], 0)


def test_a_verdict_says_of_what_it_can_be_said(world: World) -> None:
    transfer = world.sent()
    name = TransferName("oslo", transfer)
    number = world.hub.ask_transfer(name, "rita", "where is it?")
    with pytest.raises(Rejected, match="one can say lost only of: transfer short; this is: transfer request"):
        world.hub.decide(number, "rita", "lost", "gone")
    with pytest.raises(Rejected, match="oslo has not asked for it: it names the bin"):
        world.hub.decide(number, "rita", "cancelled", "it never left")
    world.bergen.accept(transfer, "oslo", (0, "BOLT", 40, 0))
    world.turn()
    with pytest.raises(Rejected, match="nothing can come back"):
        world.hub.decide(number, "rita", "returned", "it comes back")
    with pytest.raises(Rejected, match="is on its way any more"):
        world.hub.decide(number, "rita", "diverted", "elsewhere", "tromso")
    assert [entry.kind for entry in world.hub.discrepancy(number).entries] == ["opened"]
    with pytest.raises(Rejected, match="there is no transfer"):
        world.hub.ask_transfer(TransferName("rome", transfer), "rita", "where is it?")
