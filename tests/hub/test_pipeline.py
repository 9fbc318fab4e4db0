"""From a site's blocks to one stock picture, discrepancies, a signed log and anchored receipts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import views
from hub.auditing import Auditor
from hub.hub import Hub
from ledger import calls, receipt
from ledger.calls import Line
from ledger.calls_goods import RECEIVE_ACT
from ledger.clock import ManualClock
from ledger.documents import booking_op_id, part_op_id
from ledger.errors import Rejected
from ledger.ids import OpId
from ledger.moves import QUANTITY_MAX
from tests.hub import chains, sitekit
from tests.hub.sitekit import NOBODY, Site


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(sitekit.START_MS)


@pytest.fixture
def hub(tmp_path: Path, clock: ManualClock) -> Iterator[Hub]:
    sitekit.found_hub(tmp_path / "hub")
    with sitekit.open_hub(tmp_path / "hub", clock) as opened:
        opened.import_items(sitekit.ITEMS)
        yield opened


def _site(hub: Hub, name: str, clock: ManualClock, seed: int = 7) -> Site:
    site = Site(hub, name, clock, seed)
    site.furnish()
    return site


def _digest(hub: Hub) -> None:
    hub.verify()
    hub.settle()


def _stock(hub: Hub, site: str) -> dict[tuple[str, str], int]:
    with hub.store.read() as session:
        return {(row["location"], row["item"]): row["quantity"] for row in views.stock(session, site=site)}


def test_blocks_become_stock_a_signed_log_and_an_anchored_receipt(hub: Hub, clock: ManualClock) -> None:
    oslo = _site(hub, "oslo", clock)
    oslo.receive(100)
    op_id = oslo.move(30, "A-01", "A-02")
    oslo.deliver()
    _digest(hub)
    assert _stock(hub, "oslo") == {("A-01", "BOLT"): 70, ("A-02", "BOLT"): 30}
    assert hub.anchor_now()["size"] > 0
    oslo.sync()
    entry = oslo.node.tables["receipts"][str(oslo.chain.size)]
    assert entry["anchor"]["size"] == entry["hub"]["size"]
    raw = hub.receipt(op_id)
    checked = receipt.verify(raw, [oslo.chain.key.verify_key.raw], [hub.keys.log.verify_key.raw])
    assert checked.strength == receipt.ANCHORED and checked.site_known and checked.hub_known
    view = hub.sites()[0]
    assert view.verified == view.logged == view.anchored == oslo.chain.size and view.state == "well"


def test_held_and_promised_goods_and_units_are_seen_as_the_site_has_them(hub: Hub, clock: ManualClock) -> None:
    oslo = _site(hub, "oslo", clock)
    ann = oslo.people["ann"].actor
    oslo.receive(100)
    bolts = calls.Goods(item="BOLT", quantity=10, location="A-01")
    oslo.act(calls.Hold(actor=ann, held=2, lines=(bolts,)))
    wanted = calls.Promised(item="BOLT", quantity=30, location="A-01")
    order = oslo.act(calls.Reserve(actor=ann, lines=(wanted,)))
    oslo.act(calls.MoveUnit(actor=ann, lines=(calls.UnitMove(unit="TOTE-1", target="A-01"),)))
    oslo.act(calls.MoveUnit(actor=ann, lines=(calls.UnitMove(unit="TOTE-1", source="A-01", target="A-02"),)))
    picked = Line(item="BOLT", quantity=20, source="A-01", target="TOTE-1")
    oslo.act(calls.Pick(actor=ann, reservation=order, lines=(picked,)))
    oslo.deliver()
    _digest(hub)
    with hub.store.read() as session:
        held = session.all("SELECT location, status, quantity FROM stock WHERE item = 'BOLT' ORDER BY 1, 2")
        assert [tuple(row.values()) for row in held if row["location"] in ("A-01", "TOTE-1")] == [
            ("A-01", 0, 70), ("A-01", 2, 10), ("TOTE-1", 0, 20)
        ]  # fmt: skip
        assert session.all("SELECT reservation, quantity, rest FROM reservations") == [
            {"reservation": str(order), "quantity": 30, "rest": 10}
        ]
        assert session.all("SELECT unit, parent FROM units") == [{"unit": "TOTE-1", "parent": "A-02"}]
    # No discrepancy comes of it, and CHANGE is no place on a shelf.
    assert hub.discrepancies() == []
    assert "CHANGE" not in {location for location, _ in _stock(hub, "oslo")}


def test_a_document_in_parts_moves_stock_when_booked_and_is_shown_as_one(hub: Hub, clock: ManualClock) -> None:
    oslo = _site(hub, "oslo", clock)
    whole = oslo.new_op()
    lines = [calls.Line(item="BOLT", quantity=n, source="SUPPLIER", target="A-01") for n in (3, 4, 5)]
    for number, each in enumerate(lines, 1):
        stated = calls.RecordPart(actor=NOBODY, whole=whole, number=number, count=3, act=RECEIVE_ACT, lines=(each,))
        oslo.act(stated, op_id=part_op_id(whole, number))
    oslo.deliver()
    _digest(hub)
    with hub.reading() as session:
        assert views.stock(session) == []
        waiting = views.operation(session, str(whole))
    assert waiting is not None and [part["booked"] for part in waiting["parts"]] == [False] * 3
    for number in (1, 3):
        book = calls.BookPart(actor=NOBODY, whole=whole, number=number, act=RECEIVE_ACT, lines=(lines[number - 1],))
        oslo.act(book, op_id=booking_op_id(whole, number))
    lost = calls.ExceptDocument(actor=NOBODY, location="A-01", reason="not-bookable", lines=(lines[1],))
    oslo.act(lost, op_id=booking_op_id(whole, 2))
    oslo.deliver()
    _digest(hub)
    with hub.reading() as session:
        (row,) = views.stock(session)
        found = views.operation(session, str(whole))
        nothing = views.operation(session, str(oslo.new_op()))
    assert row["quantity"] == 8 and nothing is None and found is not None
    assert [(part["booked"], part["exception"]) for part in found["parts"]] == [
        (True, False), (False, True), (True, False),
    ]  # fmt: skip
    assert [move["quantity"] for move in found["movements"]] == [3, 5] and found["count"] == 3
    assert [each.kind for each in hub.discrepancies()] == ["unbookable act"]


def test_the_same_on_postgresql(tmp_path: Path, clock: ManualClock, postgres_server: str) -> None:
    import psycopg

    with psycopg.connect(postgres_server.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE whole_hub")
    sitekit.found_hub(tmp_path / "hub", database=f"{postgres_server}/whole_hub")
    with sitekit.open_hub(tmp_path / "hub", clock) as hub:
        assert hub.store.dialect == "postgresql"
        hub.import_items(sitekit.ITEMS)
        test_a_short_transfer_and_its_outcome(hub, clock)
        hub.anchor_now()
        folder = tmp_path / "audit"
        folder.mkdir()
        auditor = Auditor(hub.store, hub.config, hub.keys.control.address, hub.keys.log.verify_key, hub.heads.get)
        assert auditor.run(folder, 1).complaints == []


def test_the_same_with_the_main_chain_by_json_rpc(tmp_path: Path, clock: ManualClock) -> None:
    if chains.anvil_binary() is None:
        pytest.skip(chains.MISSING)
    folder = tmp_path / "hub"
    with chains.anvil() as anvil:
        values = {"chain.kind": "rpc", "chain.url": anvil.url, "chain.confirmations": 0}
        with pytest.raises(Rejected, match="--deploy"):
            sitekit.found_hub(tmp_path / "none", **values)
        with pytest.raises(Rejected, match=r"chain\.chain_id = 7"):
            sitekit.found_hub(tmp_path / "other", **values, **{"chain.chain_id": 7})
        with pytest.raises(Rejected, match="not the AnchorRegistry"):
            sitekit.found_hub(tmp_path / "wrong", **values, **{"chain.contract": "0x" + "11" * 20})
        sitekit.found_hub(folder, deploy=True, **values)
        with sitekit.open_hub(folder, clock) as hub:
            hub.import_items(sitekit.ITEMS)
            oslo = _site(hub, "oslo", clock)
            op_id = oslo.receive(100)
            oslo.deliver()
            _digest(hub)
            assert hub.anchor_now()["size"] > 0
            raw = hub.receipt(op_id)
        parsed = receipt.Receipt.parse(raw)
        assert parsed.anchor is not None
        step = receipt.check_on_chain(parsed.anchor, lambda method, parameters: anvil.rpc(method, *parameters))
        assert "anchored this root" in repr(step)
        port = int(anvil.url.rsplit(":", 1)[1])
    # The chain was reset behind our back: same address, same id, another genesis.
    with chains.anvil(port=port), sitekit.open_hub(folder, clock) as hub:
        hub.guarded("anchor", hub.anchor)
        assert "it was reset or is another one" in hub.troubles["anchor"]


def test_a_short_transfer_and_its_outcome(hub: Hub, clock: ManualClock) -> None:
    oslo, bergen = _site(hub, "oslo", clock), _site(hub, "bergen", clock, 8)
    oslo.receive(100)
    transfer = oslo.dispatch("bergen", ("BOLT", 40))
    oslo.deliver()
    _digest(hub)
    assert hub.transfers()[0].state == "in transit" and hub.transfers()[0].lines[0].in_flight == 40
    assert hub.discrepancies() == []
    bergen.sync()
    assert bergen.node.tables["transfers"][f"oslo/{transfer}"]["lines"][0][5] == 40
    bergen.accept(transfer, "oslo", (0, "BOLT", 37, 3))
    bergen.deliver()
    _digest(hub)
    (short,) = hub.discrepancies()
    assert short.kind == "transfer short" and short.subject == f"oslo/{transfer}" and short.site == "oslo"
    line = hub.transfers()[0].lines[0]
    assert (line.accepted, line.missing, line.in_flight, line.settled) == (37, 3, 0, 37)
    oslo.sync()
    assert oslo.node.tables["transfers"][f"oslo/{transfer}"]["state"] == "short"
    oslo.deliver()
    _digest(hub)
    with hub.store.read() as session:
        transit = session.value("SELECT quantity FROM stock WHERE site = 'oslo' AND location = 'IN_TRANSIT'")
        customer = session.value("SELECT quantity FROM stock WHERE site = 'oslo' AND location = 'CUSTOMER'")
    assert (transit, customer) == (3, 37)
    hub.decide(short.id, "rita", "lost", "the carrier confirmed the loss")
    hub.settle()
    oslo.sync()
    oslo.deliver()
    _digest(hub)
    assert hub.discrepancies() == [] and hub.transfers()[0].state == "settled"
    with hub.store.read() as session:
        assert session.value("SELECT quantity FROM stock WHERE site = 'oslo' AND location = 'IN_TRANSIT'") == 0
    assert [entry.kind for entry in hub.discrepancy(short.id).entries] == ["opened", "resolved"]


def test_the_halves_join_whichever_arrives_first(hub: Hub, clock: ManualClock) -> None:
    oslo, bergen = _site(hub, "oslo", clock), _site(hub, "bergen", clock, 8)
    oslo.receive(100)
    transfer = oslo.dispatch("bergen", ("BOLT", 40))
    oslo.chain.seal()
    bergen.accept(transfer, "oslo", (0, "BOLT", 38, 2))
    bergen.deliver()
    _digest(hub)
    assert hub.transfers()[0].state == "unmatched" and hub.discrepancies() == []
    oslo.sync()
    _digest(hub)
    assert [each.kind for each in hub.discrepancies()] == ["transfer short"]
    bergen.accept(transfer, "oslo", (0, "BOLT", 2, 0))
    bergen.deliver()
    _digest(hub)
    assert hub.discrepancies() == [] and hub.transfers()[0].lines[0].missing == 0
    bergen.accept(transfer, "oslo", (0, "BOLT", 5, 0))
    bergen.deliver()
    _digest(hub)
    assert [each.kind for each in hub.discrepancies()] == ["transfer over"]


def test_a_transfer_late_or_without_its_other_half_shows_in_time(hub: Hub, clock: ManualClock) -> None:
    oslo, bergen = _site(hub, "oslo", clock), _site(hub, "bergen", clock, 8)
    oslo.receive(100)
    oslo.dispatch("bergen", ("BOLT", 40))
    oslo.deliver()
    bergen.accept(OpId(b"\x99" * 16), "turku", (0, "BOLT", 5, 0))
    bergen.deliver()
    _digest(hub)
    hub.watch()
    assert hub.discrepancies() == []
    clock.advance(hub.config.rules.transfer_late_ms + 60_000)
    hub.watch()
    kinds = {each.kind for each in hub.discrepancies()}
    assert {"transfer late", "transfer unmatched", "silent site", "unanchored too long"} <= kinds
    hub.anchor_now()
    oslo.sync()
    bergen.sync()
    hub.watch()
    assert {each.kind for each in hub.discrepancies()} == {"transfer late", "transfer unmatched"}


def test_a_count_over_the_limits_shows_until_a_later_round_explains_it(hub: Hub, clock: ManualClock) -> None:
    oslo = _site(hub, "oslo", clock)
    oslo.receive(100)
    session = oslo.new_op()
    first = oslo.count("A-01", ("BOLT", 60), session=session)
    oslo.count("A-02", session=session)
    oslo.deliver()
    _digest(hub)
    (found,) = hub.discrepancies()
    assert found.kind == "count variance over limit" and "A-01" in found.summary
    evidence = hub.discrepancy(found.id).entries[0].evidence
    assert evidence["op_id"] == str(first) and evidence["lines"][0]["expected"] == 100
    count = oslo.count("A-01", ("BOLT", 99), session=session, round_=1)
    oslo.post(count, session, "A-01", ("BOLT", 99, 100), round_=1)
    oslo.deliver()
    _digest(hub)
    assert hub.discrepancies() == []
    assert _stock(hub, "oslo") == {("A-01", "BOLT"): 99}
    with hub.store.read() as read:
        assert read.value("SELECT count(*) FROM count_lines WHERE posted_by <> ''") == 1


def test_what_else_shows_as_a_discrepancy(hub: Hub, clock: ManualClock) -> None:
    oslo, bergen = _site(hub, "oslo", clock), _site(hub, "bergen", clock, 8)
    oslo.receive(1, item="DRILL", serial="S1")
    bergen.receive(1, item="DRILL", serial="S1")
    session = oslo.new_op()
    oslo.receive(10)
    count = oslo.count("A-01", ("BOLT", 5), session=session)
    oslo.move(10, "A-01", "A-02")
    oslo.post(count, session, "A-01", ("BOLT", 5, 10))
    oslo.act(calls.ExceptDocument(actor=sitekit.NOBODY, location="A-01", reason="NO STOCK", lines=()))
    oslo.deliver()
    bergen.deliver()
    _digest(hub)
    kinds = sorted(each.kind for each in hub.discrepancies())
    assert kinds == ["count short", "count variance over limit", "serial at two sites", "unbookable act"]
    bergen.adjust(1, "A-01", item="DRILL", serial="S1")
    bergen.deliver()
    _digest(hub)
    assert "serial at two sites" not in [each.kind for each in hub.discrepancies()]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_count_posted_later_ends_what_was_open_about_its_bin(hub: Hub, clock: ManualClock, at_once: bool) -> None:
    """And an earlier one does not, nor one of another bin, nor one that nobody has posted."""
    oslo = _site(hub, "oslo", clock)

    def told() -> list[str]:
        if not at_once:
            oslo.deliver()
            _digest(hub)
        kinds = sorted(each.kind for each in hub.discrepancies())
        return [kind for kind in kinds if kind in ("count short", "unbookable act")]

    lost = calls.ExceptDocument(actor=sitekit.NOBODY, location="A-01", reason="no-stock", lines=())
    oslo.receive(10)
    early, late, other = oslo.new_op(), oslo.new_op(), oslo.new_op()
    first = oslo.count("A-01", ("BOLT", 10), session=early)
    excepted = oslo.act(lost)
    oslo.post(first, early, "A-01", ("BOLT", 10, 10))
    elsewhere = oslo.count("A-02", session=other)
    oslo.post(elsewhere, other, "A-02")
    second = oslo.count("A-01", ("BOLT", 8), session=late)
    assert told() == ([] if at_once else ["unbookable act"])
    oslo.move(10, "A-01", "A-02")
    oslo.post(second, late, "A-01", ("BOLT", 8, 10))  # takes nothing below zero: two are short
    assert told() == ([] if at_once else ["count short"])
    third = oslo.new_op()
    empty = oslo.count("A-01", session=third)
    oslo.act(lost)
    assert told() == ([] if at_once else ["count short", "unbookable act"])
    oslo.post(empty, third, "A-01")
    if at_once:
        oslo.deliver()
        _digest(hub)
    assert told() == ["unbookable act"]  # the act after that count stays open
    found = {each.subject.rpartition(":")[2]: each for each in hub.discrepancies(everything=True)}
    ended = hub.discrepancy(found[str(excepted)].id)
    assert ended.state == "cleared" and ended.entries[-1].evidence["op_id"] == str(second)
    states = [each.state for each in found.values() if each.kind != "count variance over limit"]
    assert sorted(states) == ["cleared", "cleared", "open"]


def test_a_refused_control_record_shows_and_blocks_nothing(hub: Hub, clock: ManualClock) -> None:
    oslo = _site(hub, "oslo", clock)
    oslo.receive(10)
    oslo.deliver()
    # The first stock has fixed the unit; a record that changes it is refused, alone.
    changed = b"sku,name,gtin,base_unit,tracking,pack_qty\nBOLT,Bolt M8,,kg,none,1\nNUT,Nut,,pc,none,1\n"
    hub.import_items(changed)
    hub.settle()
    oslo.sync()
    oslo.deliver()
    _digest(hub)
    (found,) = hub.discrepancies()
    assert found.kind == "control record refused" and "BOLT" in found.summary
    oslo.receive(3, item="NUT")
    oslo.deliver()
    _digest(hub)
    assert _stock(hub, "oslo")[("A-01", "NUT")] == 3


def test_a_serial_whose_dispatch_is_on_its_way_is_not_at_two_sites(hub: Hub, clock: ManualClock) -> None:
    oslo, bergen = _site(hub, "oslo", clock), _site(hub, "bergen", clock, 8)
    oslo.receive(1, item="DRILL", serial="S1")
    oslo.deliver()
    line = Line(item="DRILL", serial="S1", quantity=1, source="A-01", target="IN_TRANSIT")
    transfer = oslo.act(calls.Dispatch(actor=sitekit.NOBODY, receiver="bergen", lines=(line,)))
    oslo.chain.seal()
    row = calls.Accepted(index=0, item="DRILL", serial="S1", quantity=1, missing=0, target="A-01")
    bergen.act(calls.AcceptTransfer(actor=sitekit.NOBODY, transfer=transfer, sender="oslo", lines=(row,)))
    bergen.deliver()
    _digest(hub)
    assert hub.discrepancies() == []
    oslo.sync()
    _digest(hub)
    assert hub.discrepancies() == [] and hub.transfers()[0].state == "settled"


def test_numbers_that_no_contract_bounds_do_no_harm(hub: Hub, clock: ManualClock) -> None:
    oslo, bergen = _site(hub, "oslo", clock), _site(hub, "bergen", clock, 8)
    oslo.receive(10)
    transfer = oslo.dispatch("bergen", ("BOLT", 10))
    oslo.count("A-02", round_=2**255)
    oslo.deliver()
    for index in (2**256 - 1, 2**63, 7):
        bergen.accept(transfer, "oslo", (index, "BOLT", QUANTITY_MAX if index == 7 else 1, QUANTITY_MAX))
    bergen.deliver()
    _digest(hub)
    assert [each.kind for each in hub.discrepancies()] == ["transfer over"]
    assert [view.state for view in hub.sites()] == ["well", "well"]
    oslo.sync()
    bergen.sync()
    assert oslo.node.tables["transfers"][f"oslo/{transfer}"]["state"] == "over"
