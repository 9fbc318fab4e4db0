"""Blocks, headers and meta as bytes: one accepted writing each, and hostile bytes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.block import (
    EMPTY_OMMERS,
    EMPTY_TRIE,
    Block,
    EvmReceipt,
    Header,
    Meta,
    Previous,
    signing_bytes,
    split_type,
)
from ledger.codec import cbor_encode, keccak256, rlp_encode, rlp_list
from ledger.errors import Invalid
from tests.ledger.chain_kit import ORIGIN, furnished, outcome

META = Meta(
    origin=str(ORIGIN),
    height=7,
    rule_set="site-shanghai-1",
    key_number=0,
    clock_quality=1,
    hub_seen=(40, bytes(32)),
    flags=1,
    manager=b"\x07" * 20,
)


def test_well_known_hashes() -> None:
    assert keccak256(rlp_encode([])) == EMPTY_OMMERS
    assert keccak256(rlp_encode(b"")) == EMPTY_TRIE


def test_blocks_headers_meta_and_receipts_come_back_as_they_were() -> None:
    site = furnished()
    for block, receipts in zip(site.blocks, site.receipts, strict=True):
        assert Block.decode(block.encode()) == block
        assert Header.parse(block.header).encode() == block.header
        assert Header.parse(block.header).hash == keccak256(block.header) == block.hash
        assert Meta.decode(block.meta).encode() == block.meta
        for value in receipts:
            assert EvmReceipt.parse(value).status == 1


def test_a_receipt_shows_the_logs_of_its_operation() -> None:
    found = outcome(furnished(), 3, 0)
    assert found.kind == 2
    assert all(log.topics[1] == (10).to_bytes(16, "big") + bytes(16) for log in found.logs)
    assert len(found.logs) >= 3


def test_signing_bytes_are_those_of_the_page() -> None:
    assert signing_bytes(ORIGIN, 12, b"\xee" * 32) == b"tallyman/block/v1\nacme/site/oslo/1\n12\n" + b"\xee" * 32


def test_meta_of_every_form_comes_back() -> None:
    for meta in (
        META,
        replace(META, hub_seen=None, flags=3, clock_quality=2),
        replace(META, height=0, previous=Previous("acme/site/oslo/1", 99, bytes(32))),
    ):
        assert Meta.decode(meta.encode()) == meta


@pytest.mark.parametrize(
    ("label", "value"),
    [
        (1, "acme/site/oslo"),
        (1, "acme/site/oslo/01"),
        (1, 1),
        (2, -1),
        (2, 2**63),
        (2, True),
        (2, "7"),
        (3, 3),
        (4, None),
        (5, 3),
        (6, [1]),
        (6, [1, bytes(31)]),
        (6, [-1, bytes(32)]),
        (6, b""),
        (7, 4),
        (8, bytes(19)),
        (8, "x" * 20),
        (9, None),
        (9, ["acme/site/oslo/1", 1]),
        (9, ["acme", 1, bytes(32)]),
        (10, 1),
        ("1", 1),
    ],
)
def test_meta_with_a_strange_value_is_refused(label: Any, value: Any) -> None:
    labels = {
        1: META.origin,
        2: 7,
        3: META.rule_set,
        4: 0,
        5: 1,
        6: None,
        7: 0,
        8: META.manager,
    }
    Meta.decode(cbor_encode(labels))
    with pytest.raises(Invalid):
        Meta.decode(cbor_encode({**labels, label: value}))
    if label in labels:
        with pytest.raises(Invalid):
            Meta.decode(cbor_encode({name: item for name, item in labels.items() if name != label}))


@pytest.mark.parametrize("name", [field.name for field in fields(Header)])
def test_a_header_field_of_another_form_is_refused(name: str) -> None:
    raw = furnished().blocks[3].header
    at = [field.name for field in fields(Header)].index(name)
    parts = rlp_list(raw, 17)
    for wrong in (parts[at] + b"\x00" * 40, b"\x00" + parts[at], parts[at] * 9 or b"\x00"):
        with pytest.raises(Invalid):
            Header.parse(rlp_encode([*parts[:at], wrong, *parts[at + 1 :]]))
    with pytest.raises(Invalid):
        Header.parse(rlp_encode([*parts[:at], [parts[at]], *parts[at + 1 :]]))  # type: ignore[list-item]
    with pytest.raises(Invalid):
        Header.parse(rlp_encode(parts[:at] + parts[at + 1 :]))


def test_a_number_beyond_63_bits_is_refused() -> None:
    header = Header.parse(furnished().blocks[3].header)
    for name in ("difficulty", "height", "gas_limit", "gas_used", "timestamp", "base_fee"):
        for number in (2**63, 2**64, 2**256):
            with pytest.raises(Invalid):
                Header.parse(replace(header, **{name: number}).encode())


@pytest.mark.parametrize("value", [b"", b"\x03\xc0", b"\x7f\xc0", b"\xb8"])
def test_a_trie_value_of_another_type_is_refused(value: bytes) -> None:
    with pytest.raises(Invalid):
        split_type(value, "a value")


def test_a_block_is_bounded_before_it_is_read() -> None:
    block = furnished().blocks[3]
    with pytest.raises(Invalid, match="at most"):
        Block.decode(replace(block, documents=(bytes(4 * 1024 * 1024),)).encode())


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 2**20))
def test_hostile_bytes_raise_nothing_but_invalid(raw: bytes, at: int) -> None:
    site = furnished()
    for read, good in (
        (Block.decode, site.blocks[3].encode()),
        (Header.parse, site.blocks[3].header),
        (Meta.decode, site.blocks[3].meta),
        (EvmReceipt.parse, site.receipts[3][0]),
    ):
        at %= len(good)
        for data in (raw, good[:at] + raw + good[at:], good[:at] + raw + good[at + len(raw) :], good[:at]):
            try:
                value = read(data)
            except Invalid:
                continue
            # What is accepted has one writing: an encoder gives the same bytes back.
            if not isinstance(value, EvmReceipt):
                assert value.encode() == data
