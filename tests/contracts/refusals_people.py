"""What UserRegistry and AuditLogger refuse: control records, people, keys and notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import coincurve
from eth_utils import keccak

from ledger import calls, control
from ledger.ids import Actor, OpId, text_to_word
from ledger.keys import TxKey
from ledger.words import pack
from tests.contracts import kit
from tests.contracts.kit import HUB, NODE, STRANGER, Result
from tests.contracts.refusal import (
    BOLT,
    ZERO,
    receive,
    refusal,
)
from tests.contracts.shop import FAR, Shop

NEW = Actor(b"\x55" * 32)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


# ---------------------------------------------------------------- UserRegistry


@refusal("UserRegistry", "only the node")
def a_receipt_sent_by_a_stranger(shop: Shop) -> Result:
    return receive(shop, BOLT, sender=STRANGER)


@refusal("UserRegistry", "only the node")
def a_control_record_sent_by_a_stranger(shop: Shop) -> Result:
    return shop.do(shop.record(kit.items(("NUT", 0))).call(bytes(65)), sender=STRANGER)


@refusal("UserRegistry", "only the node")
def a_key_bound_by_a_stranger(shop: Shop) -> Result:
    return shop.do(calls.Bind(actor=shop.cid.actor, key=STRANGER, code=ZERO), sender=STRANGER)


@refusal("UserRegistry", "only the node")
def a_note_by_a_stranger(shop: Shop) -> Result:
    return shop.do(calls.Note(actor=None, kind="start", subject=ZERO), sender=STRANGER)


@refusal("UserRegistry", "op_id is not the record's")
def a_control_record_under_another_op_id(shop: Shop) -> Result:
    return shop.do(shop.record(kit.items(("NUT", 0))).call(bytes(65)))


@refusal("UserRegistry", "op_id is not the record's")
def a_control_record_for_another_site(shop: Shop) -> Result:
    record = control.ControlRecord.make("acme/site/bergen/1", shop.sequence + 1, kit.items(("NUT", 0)))
    return shop.apply(record)


@refusal("UserRegistry", "not the next in sequence")
def a_gap_in_the_control_records(shop: Shop) -> Result:
    record = control.ControlRecord.make(kit.ORIGIN, shop.sequence + 2, kit.items(("NUT", 0)))
    return shop.apply(record)


@refusal("UserRegistry", "not the next in sequence")
def another_record_in_a_place_that_is_taken(shop: Shop) -> Result:
    record = control.ControlRecord.make(kit.ORIGIN, shop.sequence, kit.items(("NUT", 0)))
    return shop.apply(record)


@refusal("UserRegistry", "not signed by the hub")
def a_control_record_signed_by_the_node(shop: Shop) -> Result:
    return shop.apply(shop.record(kit.items(("NUT", 0))), key=NODE)


@refusal("UserRegistry", "not signed by the hub")
def a_control_record_with_the_signature_of_another(shop: Shop) -> Result:
    other = control.ControlRecord.make("acme/site/bergen/1", shop.sequence + 1, kit.items(("NUT", 0)))
    return shop.apply_signed(shop.record(kit.items(("NUT", 0))), shop.sign(other))


def with_signature(shop: Shop, change: Callable[[bytes], bytes]) -> Result:
    record = shop.record(kit.items(("NUT", 0)))
    return shop.apply_signed(record, change(shop.sign(record)))


@refusal("UserRegistry", "bad signature")
def a_control_record_with_a_short_signature(shop: Shop) -> Result:
    return with_signature(shop, lambda raw: raw[:64])


@refusal("UserRegistry", "bad signature")
def a_control_record_with_a_high_s(shop: Shop) -> Result:
    def high(raw: bytes) -> bytes:
        s = ORDER - int.from_bytes(raw[32:64], "big")
        return raw[:32] + s.to_bytes(32, "big") + bytes([55 - raw[64]])

    return with_signature(shop, high)


@refusal("UserRegistry", "bad signature")
def a_control_record_with_the_parity_alone(shop: Shop) -> Result:
    return with_signature(shop, lambda raw: raw[:64] + bytes([raw[64] - 27]))


@refusal("UserRegistry", "not the next in sequence")
def a_control_record_that_the_hub_signed_twice(shop: Shop) -> Result:
    """Any other nonce gives another good signature, and so another op_id: the sequence alone keeps it out."""
    record = shop.record(kit.items(("NUT", 0)))
    assert shop.apply(record).ok
    digest = int.from_bytes(record.digest(kit.CHAIN_ID, shop.contracts.registry), "big")
    x, y = coincurve.PublicKey.from_secret((7).to_bytes(32, "big")).point()
    s = pow(7, -1, ORDER) * (digest + x * int.from_bytes(HUB.secret, "big")) % ORDER
    parity = y % 2 if s <= ORDER // 2 else 1 - y % 2
    signature = x.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big") + bytes([27 + parity])
    assert Shop.open().apply_signed(record, signature).ok, "alone it would do"
    return shop.apply_signed(record, signature)


def rebase(shop: Shop, node: bytes, key: TxKey = HUB, chain_id: int = kit.CHAIN_ID) -> tuple[calls.Rebase, OpId]:
    """That the site goes on under its next name and another node."""
    origin = "acme/site/oslo/2"
    digest = control.rebase_digest(chain_id, shop.contracts.registry, origin, node)
    call = calls.Rebase(origin=origin, node=node, signature=key.sign_digest(digest).raw)
    return call, control.rebase_op_id(origin, node)


@refusal("UserRegistry", "only the new node")
def a_rebase_sent_by_another_than_the_node_that_it_names(shop: Shop) -> Result:
    return shop.do(*rebase(shop, STRANGER))


@refusal("UserRegistry", "op_id is not the record's")
def a_rebase_under_another_op_id(shop: Shop) -> Result:
    return shop.do(rebase(shop, STRANGER)[0], sender=STRANGER)


@refusal("UserRegistry", "not signed by the hub")
def a_rebase_signed_by_the_node(shop: Shop) -> Result:
    return shop.do(*rebase(shop, STRANGER, NODE), sender=STRANGER)


@refusal("UserRegistry", "not signed by the hub")
def a_rebase_signed_for_another_chain(shop: Shop) -> Result:
    return shop.do(*rebase(shop, STRANGER, chain_id=kit.CHAIN_ID + 1), sender=STRANGER)


@refusal("UserRegistry", "too little gas")
def a_control_record_starved_of_gas(shop: Shop) -> Result:
    payload = kit.items(*((f"NUT-{number}", 0) for number in range(100)))
    record = shop.record(payload)
    signature = shop.sign(record)
    data = record.call(signature).encode(record.op_id(signature))
    return shop.send(NODE.address, shop.contracts.registry, data, gas=1_500_000)


@refusal("UserRegistry", "only by a control record")
def a_payload_performed_by_the_node(shop: Shop) -> Result:
    types = ["bytes32", "uint256", "bytes"]
    return shop.direct(NODE.address, shop.contracts.registry, "perform", types, FAR.word, 1, b"")


def perform(shop: Shop, payload: Any, kind: int | None = None) -> Result:
    """A payload as the registry performs it, with the reason that a control record only records as refused."""
    shop.refuse(payload)
    types = ["bytes32", "uint256", "bytes"]
    at = shop.contracts.registry
    return shop.direct(at, at, "perform", types, FAR.word, payload.KIND if kind is None else kind, pack(payload))


def person_of(**given: Any) -> control.PersonPayload:
    fields = {"actor": NEW, "roles": 1, "activation": ZERO, "valid_from": 0, "valid_until": 0}
    return control.PersonPayload(**{**fields, **given})


@refusal("UserRegistry", "unknown kind")
def a_kind_of_record_that_is_not_known(shop: Shop) -> Result:
    at = shop.contracts.registry
    return shop.direct(at, at, "perform", ["bytes32", "uint256", "bytes"], FAR.word, 7, b"")


@refusal("UserRegistry", "unknown role")
def a_tenth_role(shop: Shop) -> Result:
    return perform(shop, person_of(roles=512))


@refusal("UserRegistry", "ADMIN excludes other roles")
def an_administrator_who_counts(shop: Shop) -> Result:
    return perform(shop, person_of(roles=kit.ADMIN | kit.COUNT))


@refusal("UserRegistry", "bad time")
def a_person_who_ends_before_beginning(shop: Shop) -> Result:
    return perform(shop, person_of(valid_from=10, valid_until=10))


@refusal("UserRegistry", "bad time")
def a_person_beyond_all_time(shop: Shop) -> Result:
    return perform(shop, person_of(valid_from=2**64))


@refusal("UserRegistry", "not the released code")
def a_release_of_other_code(shop: Shop) -> Result:
    return perform(shop, control.ReleasePayload(manager=shop.contracts.audit, code_hash=keccak(b"other")))


@refusal("UserRegistry", "not the released code")
def a_release_of_no_code(shop: Shop) -> Result:
    return perform(shop, control.ReleasePayload(manager=STRANGER, code_hash=keccak(b"")))


@refusal("UserRegistry", "empty actor")
def a_person_without_an_id(shop: Shop) -> Result:
    at = shop.contracts.registry
    payload = bytes(32) + pack(person_of())[32:]
    return shop.direct(at, at, "perform", ["bytes32", "uint256", "bytes"], FAR.word, control.PERSON, payload)


def activate(shop: Shop, **given: Any) -> None:
    shop.order(person_of(activation=keccak(b"\1" * 32), **given))


def bind(shop: Shop, actor: Actor = NEW, key: bytes = STRANGER, code: bytes = b"\1" * 32) -> Result:
    return shop.do(calls.Bind(actor=actor, key=key, code=code))


@refusal("UserRegistry", "unknown person")
def a_key_for_nobody(shop: Shop) -> Result:
    return bind(shop, actor=Actor(b"\x77" * 32))


@refusal("UserRegistry", "person is revoked")
def a_key_for_someone_revoked(shop: Shop) -> Result:
    activate(shop, revoked=True)
    return bind(shop)


@refusal("UserRegistry", "wrong activation code")
def a_key_with_a_guessed_code(shop: Shop) -> Result:
    activate(shop)
    return bind(shop, code=b"\2" * 32)


@refusal("UserRegistry", "wrong activation code")
def a_key_for_someone_without_an_activation(shop: Shop) -> Result:
    shop.order(person_of())
    return bind(shop, code=ZERO)


@refusal("UserRegistry", "activation is used")
def a_second_key_by_one_activation(shop: Shop) -> Result:
    activate(shop)
    assert bind(shop).ok
    return bind(shop, key=b"\x0a" * 20)


@refusal("UserRegistry", "activation is used")
def a_used_activation_sent_again(shop: Shop) -> Result:
    activate(shop)
    assert bind(shop).ok
    activate(shop, roles=3)
    return bind(shop, key=b"\x0a" * 20)


@refusal("UserRegistry", "key is taken")
def one_key_for_two_people(shop: Shop) -> Result:
    activate(shop)
    return bind(shop, key=shop.bob.key.address)


@refusal("UserRegistry", "empty key")
def the_zero_address_as_a_key(shop: Shop) -> Result:
    activate(shop)
    return bind(shop, key=bytes(20))


@refusal("UserRegistry", "only the audit log")
def a_note_claimed_by_the_node(shop: Shop) -> Result:
    types = ["address", "bytes32", "bytes32", "bytes32"]
    return shop.direct(NODE.address, shop.contracts.registry, "claim_note", types, NODE.address, FAR.word, ZERO, ZERO)


@refusal("UserRegistry", "no valid role")
def a_note_by_someone_unknown(shop: Shop) -> Result:
    return shop.do(calls.Note(actor=Actor(b"\x77" * 32), kind="log-in", subject=ZERO))


@refusal("AuditLogger", "only the registry")
def a_control_note_by_the_node(shop: Shop) -> Result:
    types = ["bytes32"] * 4
    return shop.direct(
        NODE.address, shop.contracts.audit, "note", types, FAR.word, ZERO, text_to_word("verdict"), ZERO
    )
