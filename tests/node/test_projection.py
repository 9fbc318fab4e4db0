"""The derived tables: what the chain did and nothing else, so that the blocks always give the same rows."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger import calls, control, db
from ledger.calls import Accepted, Compared, Counted, Settled
from ledger.calls_goods import RECEIVE_ACT
from ledger.documents import FROZEN, SHARED, part_op_id
from ledger.errors import Corrupt, Rejected
from ledger.ids import Actor, OpId
from ledger.keys import TxKey
from node import audit, store
from node.site import Site
from tests.node.world import ANN, BOB, DOCUMENT, STOCK, World, dump, line, move, op, person, receive, stock

KEYS = {ANN: TxKey(b"\x31" * 32), BOB: TxKey(b"\x32" * 32)}


@pytest.fixture
def made(tmp_path: Path) -> World:
    return World(tmp_path / "node")


def signed(site: Site, call: calls.ApprovedCall, number: int, who: Actor) -> calls.Approval:
    """That person's approval of this very call."""
    digest = call.digest(site.identity.origin.chain_id, site.head.manager, op(number), who)
    signature = KEYS[who].sign_digest(digest)
    return calls.Approval(
        actor=who, v=signature.v, r=signature.r.to_bytes(32, "big"), s=signature.s.to_bytes(32, "big")
    )


def act(site: Site, number: int, call: calls.Call, approver: Actor | None = None) -> None:
    approval = None
    if approver is not None:
        assert isinstance(call, calls.ApprovedCall)
        approval = signed(site, call, number, approver)
    site.record(call, op_id=op(number), document=DOCUMENT, approval=approval)


def bind(site: Site) -> None:
    for number, (actor, key) in enumerate(KEYS.items(), 900):
        site.record(calls.Bind(actor=actor, key=key.address, code=actor.raw), op_id=op(number))


def live(made: World) -> Site:
    """A site that has done one of everything, part of it sealed and part of it not."""
    site = made.ready()
    bind(site)
    dated = dataclasses.replace(DOCUMENT, expiries={1: "2026-05-01"}, marks=(FROZEN, SHARED), scans=bytes(32),
                                references={"delivery-note": "DN-1", "order": "dn-1"})  # fmt: skip
    goods = (line(10), line(6, item="PAINT", lot="L1"), line(1, item="DRILL", serial="S1"))
    site.record(calls.Receive(actor=ANN, lines=goods), op_id=op(1), document=dated)
    move(
        site,
        2,
        line(4, target="A-02", source="A-01"),
        line(1, item="DRILL", serial="S1", source="A-01", target="DOCK"),
    )
    act(site, 3, calls.Adjust(actor=ANN, lines=(line(1, source="A-01", target="SHRINKAGE"),)), BOB)
    found = (Counted(item="BOLT", counted=9), Counted(item="DRILL", serial="S1", counted=1))
    count = calls.RecordCount(
        actor=ANN, session=op(70), bin="A-01", round=0, opened=2, whole=True, scans=bytes(32), lines=found
    )
    act(site, 4, count)
    made.clock.advance(2_000)
    site.seal()
    compared = (
        Compared(item="BOLT", counted=9, expected=5),
        Compared(item="DRILL", serial="S1", counted=1, expected=0),
    )
    post = calls.PostCount(
        actor=ANN, count=op(4), session=op(70), bin="A-01", round=0, counter=ANN, stable=stable(site), lines=compared,
        select=3,
    )  # fmt: skip
    act(site, 5, post, BOB)
    out = (line(5, source="A-01", target="IN_TRANSIT"),)
    act(site, 6, calls.Dispatch(actor=ANN, receiver="bergen", lines=out), ANN)
    arrived = (Accepted(index=0, item="BOLT", quantity=7, missing=1, target="DOCK"),)
    act(site, 7, calls.AcceptTransfer(actor=ANN, transfer=op(71), sender="bergen", lines=arrived), ANN)
    act(
        site,
        8,
        calls.ExceptDocument(
            actor=ANN, location="A-02", reason="not-there", lines=(line(99, source="A-02", target="DOCK"),)
        ),
    )
    act(
        site,
        9,
        calls.Reverse(
            actor=ANN,
            of=op(2),
            lines=(
                line(4, source="A-01", target="A-02"),
                line(1, item="DRILL", serial="S1", source="A-01", target="DOCK"),
            ),
        ),
        BOB,
    )
    site.record(calls.Note(actor=ANN, kind="log-in", subject=bytes(32)), op_id=op(10))
    settled = (Settled(index=0, item="BOLT", quantity=2, target="CUSTOMER"),)
    sent = made.send(
        site,
        control.SettlePayload(transfer=op(6), lines=settled),
        control.NotePayload(kind="verdict", subject=bytes(32), document=bytes(32)),
        control.LocationsPayload(locations=(control.Location(location="SUPPLIER", kind=control.BIN),)),
        dataclasses.replace(person(ANN, STOCK), activation=b"\x09" * 32),
    )
    assert sent == 4
    goods_that_change(site)
    return site


def goods_that_change(site: Site) -> None:
    """Held and partly released, relabelled, promised and picked, in a unit, in parts, planned."""
    paint = calls.Goods(item="PAINT", lot="L1", quantity=4, location="A-01")
    act(site, 20, calls.Hold(actor=ANN, held=2, lines=(paint,)))
    freed = calls.Freed(index=1, item="PAINT", lot="L1", status=2, quantity=3, location="A-01")
    act(site, 21, calls.Release(actor=BOB, hold=op(20), lines=(freed,)), BOB)
    dated = dataclasses.replace(DOCUMENT, expiries={0: "2027-01-31"})
    relabel = calls.Relabel(actor=ANN, lot="L2", lines=(dataclasses.replace(paint, quantity=2),))
    site.record(relabel, op_id=op(22), document=dated)
    returned = line(1, item="PAINT", lot="L9", source="CUSTOMER", target="DOCK", status=1)
    act(site, 23, calls.Receive(actor=ANN, lines=(returned,)))
    wanted = calls.Promised(item="BOLT", quantity=5, location="DOCK")
    act(site, 24, calls.Reserve(actor=ANN, lines=(wanted, dataclasses.replace(wanted, quantity=1))))
    units = (calls.UnitMove(unit="TOTE-1", target="A-02"), calls.UnitMove(unit="BOX-1", target="TOTE-1"))
    act(site, 25, calls.MoveUnit(actor=ANN, lines=units))
    act(site, 26, calls.Pick(actor=ANN, reservation=op(24), lines=(line(3, source="DOCK", target="BOX-1"),)))
    act(site, 27, calls.Unreserve(actor=ANN, reservation=op(24), lines=(dataclasses.replace(wanted, quantity=1),)))
    act(site, 28, calls.MoveUnit(actor=ANN, lines=(calls.UnitMove(unit="TOTE-1", source="A-02", target="DOCK"),)))
    goods = (line(2), line(3, item="PAINT", lot="L3", status=3))
    for number, each in enumerate(goods, 1):
        part = calls.RecordPart(actor=ANN, whole=op(30), number=number, count=2, act=RECEIVE_ACT, lines=(each,))
        site.record(part, op_id=part_op_id(op(30), number), document=DOCUMENT)
    act(site, 31, calls.BookPart(actor=ANN, whole=op(30), number=2, act=RECEIVE_ACT, lines=goods[1:]))
    act(site, 32, calls.PlanCount(actor=ANN, scope=b"s" * 32, rule=b"r" * 32, height=1))


def test_what_is_held_promised_nested_and_stated_is_as_the_chain_has_it(made: World) -> None:
    site = live(made)
    with site.reading() as connection:

        def rows(text: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(text)]

        assert rows("SELECT rest, quantity FROM reservations") == [(2, 6)]
        held = rows("SELECT hold, line, lot, status, quantity, freed FROM holds ORDER BY lot")
        assert held == [
            (op(20).raw, 1, "L1", 2, 4, 3),
            (op(31).raw, 0, "L3", 3, 3, 0),
            (op(23).raw, 0, "L9", 1, 1, 0),
        ]
        units = rows("SELECT location, parent FROM locations WHERE kind = 3 ORDER BY location")
        assert units == [("BOX-1", "TOTE-1"), ("TOTE-1", "DOCK")]
        past = rows("SELECT parent FROM placements WHERE location = 'TOTE-1'")
        assert past == [("DOCK",)]
        assert rows("SELECT number, booked FROM parts") == [(1, None), (2, op(31).raw)]
        assert rows("SELECT expiry FROM lots WHERE lot = 'L2'") == [("2027-01-31",)]
        assert rows("SELECT op_id, seen FROM plans") == [(op(32).raw, 1)]
        assert rows("SELECT lot, status, quantity FROM stock WHERE item = 'PAINT' AND location = 'A-01'") == [
            ("L1", 0, 3), ("L1", 2, 1), ("L2", 0, 2), ("L3", 3, 3)
        ]  # fmt: skip


def stable(site: Site) -> bool:
    with site.reading() as connection:
        return bool(connection.execute("SELECT stable FROM counts").fetchone()[0])


def test_every_table_has_rows_and_comes_back_the_same_from_the_blocks(made: World) -> None:
    site = live(made)
    with site.reading() as connection:
        before = dump(connection)
        kept = {
            name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in ("blocks", "journal", "facts")
        }
        assert [name for name, rows in before.items() if not rows] == []
        audit.rebuild(connection, site.identity)
        assert dump(connection) == before
        assert {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in kept} == kept
    found = audit.verify(made.folder, site.identity)
    assert (found.unsealed, found.tables) == (9 + 14, len(store.DERIVED))
    site.close()
    site = made.open()
    made.clock.advance(2_000)
    site.seal()
    receive(site, 50)
    with site.reading() as connection:
        before = dump(connection)
        audit.rebuild(connection, site.identity)
        assert dump(connection) == before


def test_the_rows_say_what_happened(made: World) -> None:
    site = live(made)
    with site.reading() as connection:

        def rows(query: str) -> list[Any]:
            return db.rows(connection, query)

        levels = stock(connection)
        assert levels["A-01", "BOLT"] == 10 - 4 - 1 + 4 - 5 + 4
        assert ("A-02", "BOLT") not in levels, "a row of nothing is no row"
        assert levels["IN_TRANSIT", "BOLT"] == 5 - 7 - 2
        assert sum(quantity for (_, item), quantity in levels.items() if item == "BOLT") == 0
        assert rows("SELECT location FROM serials") == [{"location": "A-01"}]
        assert [
            (row["item"], row["counted"], row["expected"], row["posted"], row["elsewhere"])
            for row in rows("SELECT * FROM count_lines ORDER BY line")
        ] == [("BOLT", 9, 5, op(5).raw, ""), ("DRILL", 1, 0, op(5).raw, "DOCK")]
        assert rows("SELECT quantity, settled FROM transfer_lines") == [{"quantity": 5, "settled": 2}]
        assert rows("SELECT quantity, missing, position FROM acceptance_lines") == [
            {"quantity": 7, "missing": 1, "position": 0}
        ]
        assert rows("SELECT of, op_id FROM reversals") == [{"of": op(2).raw, "op_id": op(9).raw}]
        assert rows("SELECT reason FROM exceptions") == [{"reason": "not-there"}]
        refused = rows("SELECT kind FROM controls WHERE refused")
        assert refused == [{"kind": control.LOCATIONS}], "a virtual location is not the hub's to redefine"
        keys = {bytes(row["actor"]): row["key"] for row in rows("SELECT actor, key FROM people")}
        assert keys == {ANN.raw: None, BOB.raw: KEYS[BOB].address}, "a new activation ends the old key"
        assert {row["kind"] for row in rows("SELECT kind FROM notes")} == {"log-in", "verdict"}


DAMAGE: dict[str, str] = {
    "stock": "UPDATE stock SET quantity = quantity + 1 WHERE location = 'A-01' AND item = 'BOLT'",
    "movement": "DELETE FROM movements WHERE quantity = 4",
    "person": "UPDATE people SET roles = 255",
    "log": "UPDATE log_nodes SET hash = zeroblob(32)",
    "head": "UPDATE head SET head = zeroblob(80)",
    "block": "UPDATE blocks SET body = zeroblob(80) WHERE height = 2",
    "receipts": "DELETE FROM evm_receipts WHERE height = 2",
    "journal": "UPDATE journal SET raw = zeroblob(80)",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_verify_sees_any_damage_and_rebuild_mends_what_is_derived(made: World, what: str) -> None:
    site = live(made)
    with site.writing() as connection:
        before = dump(connection)
        connection.execute(DAMAGE[what])
    with pytest.raises(Corrupt):
        audit.verify(made.folder, site.identity)
    with site.reading() as connection:
        if what in ("block", "journal"):
            with pytest.raises(Corrupt):
                audit.rebuild(connection, site.identity)
        else:
            audit.rebuild(connection, site.identity)
            assert dump(connection) == before
            audit.verify(made.folder, site.identity)


@pytest.mark.parametrize("table", ["state_head", "state_change", "state_node"])
def test_a_damaged_state_is_noticed_at_the_start_and_made_again(made: World, table: str) -> None:
    site = live(made)
    with site.writing() as connection:
        connection.execute(f"DELETE FROM {table}")
    site.close()
    site = made.open()
    if table != "state_node":
        assert site.stopped
    with site.reading() as connection:
        audit.rebuild(connection, site.identity)
    site.close()
    site = made.open()
    assert site.stopped == ""
    receive(site, 60)


def test_dying_in_a_rebuild_changes_nothing(made: World) -> None:
    from ledger import seams

    site = live(made)

    def die(name: str) -> None:
        raise seams.Killed(name)

    with site.reading() as connection:
        before = dump(connection)
        seams.arm_failpoint("db.before_commit", die)
        with pytest.raises(seams.Killed):
            audit.rebuild(connection, site.identity)
        seams.disarm_failpoints()
        assert dump(connection) == before
    audit.verify(made.folder, site.identity)


def test_a_refused_control_record_blocks_nothing_and_a_gap_waits(made: World) -> None:
    from node import control as controls
    from node import streams

    site = made.ready()
    first = made.control_entry(person(Actor(b"\x01" * 32), 1))
    second = made.control_entry(person(Actor(b"\x02" * 32), 1))
    with site.writing() as connection:
        streams.put(connection, "control", *second)
    assert controls.apply_ready(site) == 0
    with site.writing() as connection:
        streams.put(connection, "control", *first)
    assert controls.apply_ready(site) == 2
    assert controls.apply_ready(site) == 0


def test_a_control_record_that_is_not_the_hubs_stands_still_and_says_so(made: World) -> None:
    from node import control as controls
    from node import health, streams

    site = made.ready()
    key, entry = made.control_entry(person(Actor(b"\x01" * 32), 1))
    wrongs: list[Callable[[], dict[str, Any]]] = [
        lambda: {**entry, "signature": bytes(64) + b"\x1b"},
        lambda: {**entry, "signature": b""},
        lambda: {**entry, "record": b"nonsense"},
        lambda: {
            **entry,
            "record": World(made.folder, name="oslo", sequence=7).control_entry(person(ANN, 1))[1]["record"],
        },
    ]
    for wrong in wrongs:
        with site.writing() as connection:
            streams.put(connection, "control", key, wrong())
        assert controls.apply_ready(site) == 0
        assert health.Health(site).sample().sample.ledger.control_problem
    with site.writing() as connection:
        streams.put(connection, "control", key, entry)
    assert controls.apply_ready(site) == 1
    assert not health.Health(site).sample().sample.ledger.control_problem


def test_a_document_under_a_guessed_op_id_keeps_no_control_record_out(made: World) -> None:
    from node import control as controls

    site = made.ready()
    nobody = person(Actor(b"\x01" * 32), 1)
    record = control.ControlRecord.make(str(site.identity.origin), made.sequence + 1, nobody)
    guessed = OpId(hashlib.sha256(record.record).digest()[:16])
    site.record(calls.Receive(actor=ANN, lines=(line(),)), op_id=guessed, document=DOCUMENT)
    assert made.send(site, nobody) == 1
    assert controls.apply_ready(site) == 0


def test_a_control_record_whose_op_id_is_used_up_stands_still_and_says_so_everywhere(made: World) -> None:
    """Somebody who had the signed record before this node did recorded goods under its op_id."""
    from node import control as controls
    from node import health, status, streams

    site = made.ready()
    key, entry = made.control_entry(person(Actor(b"\x01" * 32), 1))
    op_id = control.ControlRecord.decode(entry["record"]).op_id(entry["signature"])
    site.record(calls.Receive(actor=ANN, lines=(line(),)), op_id=op_id, document=DOCUMENT)
    with site.writing() as connection:
        streams.put(connection, "control", key, entry)
        streams.put(connection, "control", *made.control_entry(person(Actor(b"\x02" * 32), 1)))
    assert controls.apply_ready(site) == 0
    report = health.Health(site).sample()
    says = f"the hub's next instruction cannot be followed: control record {key}: operation {op_id} was already"
    assert says in status.show(status.read(made.config, made.clock.now_ms()))
    (told,) = [each for each in report.frame()["findings"] if each["code"] == "control_stuck"]
    assert told["words"].startswith(says) and told["severity"] == "warning"
    receive(site, 1)


def test_records_are_applied_until_an_item_is_known(made: World) -> None:
    from node import control as controls
    from node import streams

    site = made.ready()
    names = [f"ITEM-{number}" for number in range(6)]
    with site.writing() as connection:
        for name in names:
            items = control.ItemsPayload(items=(control.Item(item=name, tracking=0, unit="pc", decimals=0),))
            streams.put(connection, "control", *made.control_entry(items))
    assert not controls.apply_until_item(site, "NAIL")
    with pytest.raises(Rejected, match="unknown item"):
        receive(site, 1, line(1, item="ITEM-3"))
    assert controls.apply_until_item(site, "ITEM-3")
    receive(site, 1, line(1, item="ITEM-3"))
    assert controls.apply_until_item(site, "BOLT")
    with site.reading() as connection:
        known = {row[0] for row in connection.execute("SELECT item FROM items")}
    assert {"ITEM-3"} <= known and "ITEM-4" not in known


def test_a_piece_that_came_back_before_its_transfer_was_settled_stays_where_it_is(made: World) -> None:
    site = made.ready()
    bind(site)
    receive(site, 1, line(1, item="DRILL", serial="S1", target="DOCK"))
    out = (line(1, item="DRILL", serial="S1", source="DOCK", target="IN_TRANSIT"),)
    act(site, 2, calls.Dispatch(actor=ANN, receiver="bergen", lines=out), ANN)
    back = (Accepted(index=0, item="DRILL", serial="S1", quantity=1, missing=0, target="A-01"),)
    act(site, 3, calls.AcceptTransfer(actor=ANN, transfer=op(72), sender="bergen", lines=back), ANN)
    settled = (Settled(index=0, item="DRILL", serial="S1", quantity=1, target="CUSTOMER"),)
    assert made.send(site, control.SettlePayload(transfer=op(2), lines=settled)) == 1
    with site.reading() as connection:
        assert connection.execute("SELECT location FROM serials WHERE serial = 'S1'").fetchall() == [("A-01",)]
