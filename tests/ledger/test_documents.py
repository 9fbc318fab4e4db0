"""The document beside a call: one writing, bounded, strict."""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import documents
from ledger.codec import cbor_encode
from ledger.documents import Document, Part
from ledger.errors import Invalid, Rejected
from ledger.ids import OpId

OP = OpId(bytes(range(16)))
PLAIN = Document(occurred_ms=1_700_000_000_000, business_date="2023-11-14")
FULL = Document(
    occurred_ms=1_700_000_000_000,
    business_date="2023-11-14",
    quality=2,
    reasons=("delivery-short",),
    line_reasons={0: ("damaged", "wet"), 7: ("lost",)},
    shares={0: (3, 4)},
    pieces={2: 5, 3: 0},
    expiries={3: "2024-02-29"},
    scans=bytes([1]) * 32,
    reads=(5, 6, 900),
    references={"delivery-note": "DN 4711/ä"},
    commitments={"note": documents.commit(bytes(16), b"called the driver")},
    marks=(documents.BY_PAPER,),
    part=Part(OP, 1, 3),
    plan=b"areas",
)


@pytest.mark.parametrize("document", [PLAIN, FULL])
def test_a_document_comes_back_as_it_was(document: Document) -> None:
    raw = document.encode()
    assert Document.decode(raw) == document
    assert documents.digest(raw) == hashlib.sha256(raw).digest()


def test_a_plain_document_is_small() -> None:
    assert len(PLAIN.encode()) < 32


@pytest.mark.parametrize(
    "change",
    [
        {"occurred_ms": -1},
        {"occurred_ms": True},
        {"occurred_ms": 1.5},
        {"occurred_ms": 2**63},
        {"business_date": "2023-02-30"},
        {"business_date": "20231114"},
        {"business_date": 5},
        {"quality": 3},
        {"quality": True},
        {"reasons": ("Lost <b>",)},
        {"reasons": ("a",) * 9},
        {"line_reasons": {200: ("a",)}},
        {"line_reasons": {True: ("a",)}},
        {"shares": {0: (1,)}},
        {"pieces": {0: -1}},
        {"pieces": {200: 1}},
        {"line_reasons": {0: ("a", "b")}, "shares": {0: (1,)}},
        {"line_reasons": {0: ("a",)}, "shares": {0: (0,)}},
        {"line_reasons": {0: ("a",)}, "shares": {0: (True,)}},
        {"expiries": {0: "29.02.2024"}},
        {"scans": bytes(31)},
        {"reads": (-1,)},
        {"reads": tuple(range(2001))},
        {"references": {"note": "a\nb"}},
        {"references": {"note": "x" * 65}},
        {"references": {"note": ""}},
        {"commitments": {"note": b"short"}},
        {"marks": ("By paper",)},
        {"part": Part(OP, 4, 3)},
        {"plan": b""},
        {"plan": "text"},
        {"part": Part(OP, 0, 3)},
    ],
)
def test_values_that_have_no_place_are_refused_in_words(change: dict[str, Any]) -> None:
    values: dict[str, Any] = {"occurred_ms": 1, "business_date": "2023-11-14", **change}
    with pytest.raises(Rejected):
        Document(**values)


@pytest.mark.parametrize(
    "fields",
    [
        {1: 1, 2: "2023-11-14"},
        {1: 1, 2: "2023-11-14", 3: 1, 13: 0},
        {1: 1, 2: "2023-11-14", 3: 1, 4: []},
        {1: 1, 2: "2023-11-14", 3: 1, 4: "lost"},
        {1: 1, 2: "2023-11-14", 3: 1, 5: [1]},
        {1: 1, 2: "2023-11-14", 3: 1, 7: "x"},
        {1: 1, 2: "2023-11-14", 3: 1, 12: [b"x", 1]},
        {1: 1, 2: "2023-11-14", 3: 1, 12: [bytes(16), True, 1]},
        {1: "1", 2: "2023-11-14", 3: 1},
        {"1": 1},
        [1],
    ],
)
def test_foreign_bytes_are_refused(fields: Any) -> None:
    with pytest.raises(Invalid):
        Document.decode(cbor_encode(fields))


@settings(max_examples=150)
@given(st.data())
def test_a_changed_bit_is_another_document_or_none(data: st.DataObject) -> None:
    raw = bytearray(FULL.encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(Invalid):
        assert Document.decode(bytes(raw)) != FULL


def test_a_document_beyond_its_size_is_refused() -> None:
    reasons = {line: tuple(f"{'r' * 29}{number}" for number in range(8)) for line in range(200)}
    with pytest.raises(Rejected, match="in parts"):
        for _ in range(3):
            Document(
                occurred_ms=1,
                business_date="2023-11-14",
                line_reasons=reasons,
                reads=tuple(range(2**62, 2**62 + 2000)),
            ).encode()


def test_commitments_need_their_salt() -> None:
    assert documents.commit(bytes(16), b"a") != documents.commit(bytes([1]) * 16, b"a")
    with pytest.raises(Rejected):
        documents.commit(b"short", b"a")


def test_part_ids_follow_from_the_whole() -> None:
    assert documents.part_op_id(OP, 1) != documents.part_op_id(OP, 2)
    assert documents.part_op_id(OP, 1).raw == hashlib.sha256(OP.raw + b"\0\0\0\1").digest()[:16]
