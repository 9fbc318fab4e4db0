"""Control records of the hub, people and their keys, notes."""

from __future__ import annotations

import hashlib
from typing import Any

from eth_utils import keccak

from contracts import artifacts
from ledger import calls, control, events
from ledger.codec import abi_encode
from ledger.deployment import create_address
from ledger.ids import Actor, OpId, text_to_word
from ledger.keys import TxKey
from tests.contracts import kit
from tests.contracts.kit import HUB, NODE, Person, Site, line
from tests.contracts.shop import Shop

ZERO = bytes(32)


def item_of(site: Site, name: str) -> tuple[Any, ...]:
    types = "bool,uint256,bytes32,uint256,bool"
    return site.view(site.contracts.ledger, "item_of(bytes32)", types, text_to_word(name))


def roles_of(site: Site, actor: Actor) -> int:
    return int(site.view(site.contracts.registry, "roles_of(bytes32)", "uint256", actor.raw)[0])


def key_of(site: Site, actor: Actor) -> bytes:
    return bytes(site.view(site.contracts.registry, "key_of(bytes32)", "address", actor.raw)[0])


def grant(person: Actor, roles: int, **given: Any) -> control.PersonPayload:
    fields = {"activation": ZERO, "valid_from": 0, "valid_until": 0, **given}
    return control.PersonPayload(actor=person, roles=roles, **fields)


def test_a_new_site_knows_its_contracts_and_nothing_else() -> None:
    site = Site()
    registry, at = site.contracts.registry, site.contracts
    assert site.view(registry, "origin()", "string") == (kit.ORIGIN,)
    for name, value in (
        ("node", NODE.address),
        ("control_key", HUB.address),
        ("ledger", at.ledger),
        ("manager", at.manager),
        ("audit", at.audit),
    ):
        assert site.view(registry, f"{name}()", "address") == (value,), name
    assert site.view(registry, "sequence()", "uint256") == (0,)
    assert site.view(at.ledger, "writer()", "address") == (at.manager,)
    for contract in (at.ledger, at.manager, at.audit):
        assert site.view(contract, "registry()", "address") == (registry,)
    for place in ("SUPPLIER", "CUSTOMER", "IN_TRANSIT", "SHRINKAGE"):
        assert site.view(at.ledger, "kind_of(bytes32)", "uint256", text_to_word(place)) == (control.VIRTUAL,)


def test_a_record_is_carried_out_and_counted(shop: Shop) -> None:
    before = shop.sequence
    record = shop.record(
        control.ItemsPayload(
            items=(
                control.Item(item="OIL", tracking=1, unit="u" * 28, decimals=3),
                control.Item(item="NUT", tracking=0, unit="", decimals=0),
            )
        )
    )
    result = shop.apply(record)
    op_id = record.op_id(shop.sign(record))
    assert result.events == [events.ControlApplied(op_id=op_id, sequence=before + 1, kind=control.ITEMS)]
    assert item_of(shop, "OIL") == (True, 1, text_to_word("u" * 28), 3, False)
    assert item_of(shop, "NUT") == (True, 0, ZERO, 0, False)
    assert item_of(shop, "GHOST") == (False, 0, ZERO, 0, False)
    assert shop.view(shop.contracts.registry, "sequence()", "uint256") == (before + 1,)
    assert shop.effect(op_id)[31] == 11


def test_a_refused_record_takes_its_place_and_leaves_nothing_behind(shop: Shop) -> None:
    """Half a payload must not stay when the other half is refused, and the next record must not wait."""
    good, bad = (
        control.Item(item="NUT", tracking=0, unit="EA", decimals=0),
        control.Item(item="OIL", tracking=9, unit="L", decimals=0),
    )
    record = shop.record(control.ItemsPayload(items=(good, bad)))
    result = shop.apply(record)
    op_id = record.op_id(shop.sign(record))
    assert result.events == [events.ControlRefused(op_id=op_id, sequence=record.sequence, kind=control.ITEMS)]
    assert not item_of(shop, "NUT")[0]
    assert shop.apply(record).reason == "used"
    shop.order(kit.items(("NUT", 0)))


def test_nobody_at_the_site_can_take_the_name_of_a_record_beforehand(shop: Shop) -> None:
    """Goods under an op_id made from what anyone can know of the hub's next record do not keep it out."""
    record = shop.record(kit.items(("NUT", 0)))
    shop.bring(line("BOLT", 1, "SUPPLIER", "A"), op_id=OpId(hashlib.sha256(record.record).digest()[:16]))
    assert shop.apply(record).ok
    assert shop.apply(record).reason == "used"
    assert shop.view(shop.contracts.registry, "sequence()", "uint256") == (record.sequence,)


def test_malformed_and_unknown_payloads_are_refused_and_block_nothing(shop: Shop) -> None:
    for kind, payload in (
        (control.ITEMS, b""),
        (control.ITEMS, b"\xff" * 64),
        (control.LOCATIONS, bytes(31)),
        (control.PERSON, bytes(32)),
        (control.SETTLE, b"\xff" * 96),
        (0, b""),
        (7, b"later"),
        (2**256 - 1, b""),
    ):
        record = control.ControlRecord(origin=kit.ORIGIN, sequence=shop.sequence + 1, kind=kind, payload=payload)
        result = shop.apply(record)
        assert [type(event) for event in result.events] == [events.ControlRefused], (kind, payload)
    shop.order(kit.items(("NUT", 0)))


def test_an_item_can_change_until_it_has_stock(shop: Shop) -> None:
    shop.order(kit.items(("NUT", 0)))
    shop.order(kit.items(("NUT", control.TRACK_LOT)))
    shop.bring(line("NUT", 1, "SUPPLIER", "A", lot="L1"))
    assert item_of(shop, "NUT")[4]
    shop.order(kit.items(("NUT", control.TRACK_LOT)))
    shop.refuse(kit.items(("NUT", control.TRACK_NONE)))


def test_a_handling_unit_stands_where_the_hub_says(shop: Shop) -> None:
    for parent in ("A", "YARD", ""):
        payload = control.LocationsPayload(
            locations=(control.Location(location="CRATE", kind=control.UNIT, parent=parent),)
        )
        shop.order(payload)
        stood = shop.view(shop.contracts.ledger, "parent_of(bytes32)", "bytes32", text_to_word("CRATE"))
        assert stood == (text_to_word(parent),)


def test_a_record_of_two_hundred_rows_fits(shop: Shop) -> None:
    rows = shop.order(kit.items(*((f"SKU-{number}", 0) for number in range(200))))
    places = shop.order(kit.bins(*(f"BIN-{number}" for number in range(200))))
    assert max(rows.gas, places.gas) < 10_000_000


def test_roles_hold_from_to_and_until_revoked(shop: Shop) -> None:
    someone = Actor(b"\x55" * 32)
    assert roles_of(shop, someone) == 0
    shop.order(grant(someone, kit.COUNT | kit.MOVE, valid_from=kit.START + 5, valid_until=kit.START + 9))
    held = dict.fromkeys((4, 5, 8, 9))
    for second in held:
        shop.at(kit.START + second)
        held[second] = roles_of(shop, someone)
    assert held == {4: 0, 5: 5, 8: 5, 9: 0}
    shop.order(grant(someone, kit.COUNT))
    assert roles_of(shop, someone) == kit.COUNT
    shop.order(grant(someone, kit.COUNT, revoked=True))
    assert roles_of(shop, someone) == 0


def test_a_key_is_bound_and_stays_through_other_records(shop: Shop) -> None:
    person = Person(Actor(b"\x55" * 32), TxKey(b"\x56" * 32), b"\x57" * 32)
    shop.order(grant(person.actor, kit.APPROVE, activation=person.activation))
    op_id = shop.op()
    result = shop.do(calls.Bind(actor=person.actor, key=person.key.address, code=person.code), op_id)
    assert result.events == [events.Bound(op_id=op_id, actor=person.actor, key=person.key.address)]
    for activation in (ZERO, person.activation):
        shop.order(grant(person.actor, kit.APPROVE | kit.COUNT, activation=activation))
        assert key_of(shop, person.actor) == person.key.address


def test_a_new_activation_ends_the_old_key_and_allows_one_more(shop: Shop) -> None:
    code = b"\x58" * 32
    shop.order(grant(shop.bob.actor, kit.APPROVE, activation=keccak(code)))
    assert key_of(shop, shop.bob.actor) == bytes(20)
    old = calls.Bind(actor=shop.bob.actor, key=shop.bob.key.address, code=code)
    assert shop.do(old).reason == "key is taken"
    new = TxKey(b"\x59" * 32)
    assert shop.do(calls.Bind(actor=shop.bob.actor, key=new.address, code=code)).ok
    found = calls.Adjust(actor=shop.ann.actor, lines=(line("BOLT", 1, "SHRINKAGE", "A"),))
    assert not shop.do_approved(found, shop.bob).ok
    assert shop.do_approved(found, Person(shop.bob.actor, new, code)).ok


def test_notes_are_chained_by_a_running_hash(shop: Shop) -> None:
    running, subject = ZERO, b"\x44" * 32
    for actor, by_hub in ((shop.cid.actor, False), (None, False), (None, True)):
        if by_hub:
            payload = control.NotePayload(kind="log-in", subject=subject, document=b"\x45" * 32)
            record = shop.record(payload)
            op_id = record.op_id(shop.sign(record))
            result = shop.order(payload)
        else:
            op_id = shop.op()
            call = calls.Note(actor=actor, document=b"\x45" * 32, kind="log-in", subject=subject)
            result = shop.do(call, op_id)
        who = actor.raw if actor else ZERO
        words = (running, op_id.word, who, b"\x45" * 32, text_to_word("log-in"), subject)
        running = keccak(abi_encode(["bytes32"] * 6, words))
        noted = events.Noted(
            op_id=op_id, actor=actor, kind="log-in", subject=subject, document=b"\x45" * 32, running=running
        )
        assert result.of(events.Noted) == [noted]
    assert shop.view(shop.contracts.audit, "running()", "bytes32") == (running,)


def test_a_release_changes_the_writer_and_the_stock_stays(shop: Shop) -> None:
    shop.bolts(10)
    count = shop.count("A", calls.Counted(item="BOLT", counted=7))
    transfer = shop.dispatch(line("BOLT", 2, "A", "IN_TRANSIT"))
    before = shop.contracts
    address = create_address(NODE.address, 9)
    code = artifacts.load("InventoryManager").bytecode
    given = abi_encode(("address", "address"), (before.registry, before.ledger))
    assert shop.create(NODE.address, address, code + given).ok
    deployed = shop.state.get_code(address)
    assert (
        deployed
        == artifacts.load("InventoryManager").runtime + bytes(12) + before.registry + bytes(12) + before.ledger
    )
    result = shop.order(control.ReleasePayload(manager=address, code_hash=keccak(deployed)))
    assert [type(event).__name__ for event in result.events] == ["WriterChanged", "ControlApplied"]
    assert result.events[0].writer == address
    receipt = calls.Receive(actor=shop.ann.actor, lines=(line("BOLT", 1, "SUPPLIER", "A"),))
    assert shop.do(receipt).reason == "only the writer"
    shop.contracts = type(before)(before.registry, before.ledger, address, before.audit)
    assert shop.stock("A", "BOLT") == 8
    assert shop.do(receipt).ok
    assert shop.do_approved(count, shop.bob).ok
    row = calls.Settled(index=0, item="BOLT", quantity=2, target="CUSTOMER")
    shop.order(control.SettlePayload(transfer=transfer, lines=(row,)))
    assert [shop.stock(place, "BOLT") for place in ("A", "SHRINKAGE", "CUSTOMER")] == [6, 3, 2]
