"""Canonical bytes against the general libraries, and every other writing refused."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import cbor2
import pytest
import rfc8785
import rlp
from eth_abi.abi import encode as general_abi_encode
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger import codec
from ledger.errors import Invalid, Rejected

FEW = settings(max_examples=60)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
RLP_VALUES = st.recursive(st.binary(max_size=70), lambda part: st.lists(part, max_size=5), max_leaves=20)
KEYS = st.one_of(st.integers(-(2**64), 2**64 - 1), TEXTS, st.binary(max_size=6))
CBOR_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**64), 2**64 - 1), TEXTS, st.binary(max_size=40)),
    lambda part: st.one_of(st.lists(part, max_size=4), st.dictionaries(KEYS, part, max_size=4)),
    max_leaves=15,
)
JSON_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), TEXTS),
    lambda part: st.one_of(st.lists(part, max_size=4), st.dictionaries(TEXTS, part, max_size=4)),
    max_leaves=15,
)


def test_keccak_of_nothing_is_ethereums() -> None:
    assert codec.keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@FEW
@given(RLP_VALUES)
def test_rlp_agrees_with_the_general_library(value: Any) -> None:
    raw = codec.rlp_encode(value)
    assert raw == rlp.encode(value)
    assert codec.rlp_decode(raw) == value


@settings(max_examples=200)
@given(st.binary(max_size=40))
@example(bytes.fromhex("8100"))
@example(bytes.fromhex("b800"))
@example(bytes.fromhex("f800"))
@example(bytes.fromhex("b90001") + b"a")
@example(bytes.fromhex("c2c1"))
@example(bytes.fromhex("ffffffffffffffffff"))
def test_rlp_is_read_in_one_writing_only(data: bytes) -> None:
    try:
        value = codec.rlp_decode(data)
    except Invalid:
        return
    assert codec.rlp_encode(value) == data


def test_rlp_nesting_is_bounded() -> None:
    nest: list[Any] = []
    for _ in range(codec.DEPTH_MAX):
        nest = [nest]
    with pytest.raises(Invalid, match="nested too deep"):
        codec.rlp_decode(rlp.encode(nest))


def test_rlp_numbers_have_no_leading_zeros() -> None:
    assert codec.rlp_uint(codec.rlp_int(0)) == 0
    assert codec.rlp_uint(codec.rlp_int(70000)) == 70000
    for raw in (b"\0", b"\0\1", [b"\1"], bytes([1] * 33)):
        with pytest.raises(Invalid):
            codec.rlp_uint(raw)


@FEW
@given(CBOR_VALUES)
def test_cbor_round_trips_in_one_writing(value: Any) -> None:
    raw = codec.cbor_encode(value)
    assert codec.cbor_decode(raw) == value
    assert cbor2.loads(raw) == value


def test_cbor_map_keys_sort_by_their_bytes_not_their_length() -> None:
    # RFC 8949 4.2.1 gives this very order as its example: 10, 100, -1, "z", "aa", [100], [-1], false.
    assert list(codec.cbor_decode(codec.cbor_encode({"aa": 0, "z": 0, -1: 0, 100: 0, 10: 0}))) == [
        10,
        100,
        -1,
        "z",
        "aa",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "1800",  # 0 in two bytes
        "190017",
        "f90000",  # float 0.0
        "fb7ff8000000000000",  # NaN
        "c100",  # tag
        "c2420100",  # big number
        "5f4101ff",  # indefinite bytes
        "9fff",  # indefinite list
        "a201000100",  # repeated key
        "a202000100",  # unsorted keys
        "a18000",  # list as key
        "a1f400",  # bool as key
        "f7",  # undefined
        "f820",  # simple value
        "62c328",  # not UTF-8
        "63eda080",  # surrogate
        "5affffffff00",  # four gigabytes announced
        "9b7fffffffffffffff",
        "bbffffffffffffffff",
        "0000",  # bytes after the end
        "",
        "18",
    ],
)
def test_other_cbor_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        codec.cbor_decode(bytes.fromhex(text))


@settings(max_examples=200)
@given(st.binary(max_size=24))
def test_arbitrary_bytes_never_break_the_cbor_reader(data: bytes) -> None:
    try:
        value = codec.cbor_decode(data)
    except Invalid:
        return
    assert codec.cbor_encode(value) == data


def test_a_cbor_nest_of_a_million_is_refused_at_once() -> None:
    with pytest.raises(Invalid, match="nested deeper"):
        codec.cbor_decode(b"\x81" * 1_000_000 + b"\0")
    with pytest.raises(Invalid, match="at most 8"):
        codec.cbor_decode(bytes(9), size_bytes_max=8)


def test_a_cbor_sequence_stops_where_the_first_bad_item_begins() -> None:
    items = codec.cbor_sequence(codec.cbor_encode([1, b"a"]) + codec.cbor_encode("b") + b"\xff")
    assert next(items) == [1, b"a"]
    assert next(items) == "b"
    with pytest.raises(Invalid):
        next(items)


@pytest.mark.parametrize("value", [1.5, math.nan, object(), 2**64, -(2**64) - 1, {1.5: 0}, {True: 0}, "\ud800"])
def test_cbor_has_no_place_for_other_values(value: Any) -> None:
    with pytest.raises(Rejected):
        codec.cbor_encode(value)


@FEW
@given(JSON_VALUES)
def test_canonical_json_agrees_with_a_second_writer(value: Any) -> None:
    raw = codec.json_canonical(value)
    assert raw == rfc8785.dumps(value)
    assert codec.json_loads(raw) == value


@pytest.mark.parametrize("value", [2**53, 1.0, None, {1: 2}, "\udfff", b"raw"])
def test_canonical_json_refuses_what_it_cannot_write_exactly(value: Any) -> None:
    with pytest.raises(Rejected):
        codec.json_canonical(value)


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "[Infinity]",
        "1.5",
        "1e3",
        "1e999",
        '{"a":1,"a":2}',
        '"\\ud800"',
        '{"\\udc00":1}',
        '"a\\u0000b"',
        "\ufeff{}",
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 5_000,
        b"\xff\xfe",
        "",
        "[1,]",
        "{'a':1}",
        " ",
    ],
)
def test_other_json_is_refused_in_words(text: str | bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        codec.json_loads(text)
    assert len(str(refusal.value)) < 200


def test_brackets_inside_strings_are_not_nesting() -> None:
    text = json.dumps(["[" * 100 + '\\"{{' * 30])
    assert codec.json_loads(text) == json.loads(text)


def test_quotes_in_an_unterminated_string_cost_no_quadratic_time() -> None:
    started = time.perf_counter()
    with pytest.raises(Invalid):
        codec.json_loads('"' + '\\"' * 400_000)
    assert time.perf_counter() - started < 2


ABI_CASES: list[tuple[str, st.SearchStrategy[Any]]] = [
    ("bytes32", st.binary(min_size=32, max_size=32)),
    ("uint256", st.integers(0, 2**256 - 1)),
    ("int256", st.integers(-(2**255), 2**255 - 1)),
    ("bool", st.booleans()),
    ("bytes4", st.binary(min_size=4, max_size=4)),
    ("bytes", st.binary(max_size=70)),
    ("string", TEXTS),
    ("uint256[]", st.lists(st.integers(0, 99), max_size=3)),
    ("(bytes32,uint256)[]", st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 9)), max_size=3)),
    ("(uint256,bytes)[]", st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=40)), max_size=3)),
    (
        "(uint256,(bool,bytes4),string)",
        st.tuples(st.integers(0, 9), st.tuples(st.booleans(), st.just(b"abcd")), TEXTS),
    ),
]


@FEW
@given(st.data())
def test_abi_agrees_with_the_general_library(data: st.DataObject) -> None:
    cases = data.draw(st.lists(st.sampled_from(ABI_CASES), max_size=5))
    types = [kind for kind, _ in cases]
    values = [data.draw(strategy) for _, strategy in cases]
    raw = codec.abi_encode(types, values)
    assert raw == general_abi_encode(types, values)
    assert codec.abi_encode(types, codec.abi_decode(types, raw)) == raw


@settings(max_examples=150)
@given(st.data())
def test_a_changed_abi_bit_changes_the_value_or_is_refused(data: st.DataObject) -> None:
    types = ["uint256", "(bytes32,bool)[]", "bytes"]
    raw = bytearray(codec.abi_encode(types, [5, [(bytes(32), True)], b"abc"]))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        values = codec.abi_decode(types, bytes(raw))
    except Invalid:
        return
    assert codec.abi_encode(types, values) == raw
    assert values != (5, ((bytes(32), True),), b"abc")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint256", True),
        ("uint256", -1),
        ("uint256", 2**256),
        ("bytes32", bytes(31)),
        ("address", bytes(32)),
        ("bool", 1),
    ],
)
def test_abi_refuses_values_that_do_not_fit(kind: str, value: Any) -> None:
    with pytest.raises(Rejected):
        codec.abi_encode([kind], [value])


def test_an_abi_list_longer_than_its_data_is_refused_before_it_is_built() -> None:
    raw = (32).to_bytes(32, "big") + (2**60).to_bytes(32, "big")
    with pytest.raises(Invalid):
        codec.abi_decode(["uint256[]"], raw)
    with pytest.raises(Invalid):
        codec.abi_decode(["(uint256,bytes)[]"], raw)
