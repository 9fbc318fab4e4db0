"""Hand-made type-2 transactions against eth_account, and every other form refused."""

from __future__ import annotations

import contextlib

import pytest
import rlp
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import transactions
from ledger.errors import Invalid, Rejected
from ledger.keys import SECP256K1_ORDER, TxKey

KEY = TxKey(bytes([9]) * 32)
TARGET = bytes([5]) * 20


@settings(max_examples=40)
@given(
    secret=st.integers(1, SECP256K1_ORDER - 1),
    chain_id=st.integers(1, 2**48 - 1),
    nonce=st.integers(0, 2**32),
    to=st.one_of(st.none(), st.binary(min_size=20, max_size=20)),
    data=st.binary(max_size=100),
    gas=st.integers(21_000, 60_000_000),
)
def test_the_bytes_are_those_of_a_general_library(
    secret: int, chain_id: int, nonce: int, to: bytes | None, data: bytes, gas: int
) -> None:
    key = TxKey(secret.to_bytes(32, "big"))
    raw = transactions.sign(key, chain_id, nonce, to, data, gas)
    wish = {
        "type": 2,
        "chainId": chain_id,
        "nonce": nonce,
        "maxPriorityFeePerGas": 0,
        "maxFeePerGas": 0,
        "gas": gas,
        "value": 0,
        "data": data,
        **({"to": to} if to is not None else {}),
    }
    signed = Account.sign_transaction(wish, key.secret)
    assert raw == bytes(signed.raw_transaction)
    parsed = transactions.parse(raw)
    assert parsed == transactions.Tx(key.address, nonce, to, data, gas, chain_id, bytes(signed.hash))


@settings(max_examples=150)
@given(st.data())
def test_a_changed_bit_is_another_transaction_or_none(data: st.DataObject) -> None:
    raw = bytearray(transactions.sign(KEY, 7, 1, TARGET, b"abc", 50_000))
    original = transactions.parse(bytes(raw))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(Invalid):
        assert transactions.parse(bytes(raw)).sender != original.sender


def changed(position: int, value: object) -> bytes:
    fields = rlp.decode(transactions.sign(KEY, 7, 1, TARGET, b"abc", 50_000)[1:])
    fields[position] = value
    return b"\x02" + bytes(rlp.encode(fields))


def test_other_forms_are_refused() -> None:
    raw = transactions.sign(KEY, 7, 1, TARGET, b"abc", 50_000)
    fields = rlp.decode(raw[1:])
    high = (SECP256K1_ORDER - int.from_bytes(fields[11], "big")).to_bytes(32, "big")
    for wrong in (
        b"",
        raw[1:],
        b"\x01" + raw[1:],
        raw + b"\0",
        raw[:-1],
        changed(1, b"\0\1"),
        changed(2, b"\1"),
        changed(3, b"\1"),
        changed(5, b"\1"),
        changed(6, b"\1"),
        changed(8, [[TARGET, []]]),
        changed(9, b"\2"),
        changed(10, b""),
        changed(11, high),
        changed(7, [b"a"]),
        b"\x02" + rlp.encode([*fields, b""]),
        b"\x02" + bytes(transactions.DATA_BYTES_MAX),
    ):
        with pytest.raises(Invalid):
            transactions.parse(wrong)


def test_a_target_that_is_no_address_is_not_signed() -> None:
    with pytest.raises(Rejected):
        transactions.sign(KEY, 7, 1, bytes(19), b"", 21_000)
