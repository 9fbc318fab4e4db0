"""Travelling blocks: what arrives is exactly what was sealed, whatever is in it."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.block import Block
from ledger.codec import cbor_decode, cbor_encode, rlp_decode, rlp_encode
from ledger.errors import Invalid
from sync import frames, lean, packing
from tests.bench.bench_wire import Site, rows

SIXTH = next(iter(Site(6).blocks(1)))
SIXTH_SENT = cbor_encode(lean.encode(*SIXTH))


@pytest.fixture(scope="module")
def made() -> list[tuple[Block, lean.Parent]]:
    return list(Site(3).blocks(4))


def test_a_block_comes_back_to_the_byte(made: list[tuple[Block, lean.Parent]]) -> None:
    for block, parent in made:
        sent = lean.encode(block, parent)
        assert sent[0] == lean.LEAN
        again = lean.decode(cbor_decode(cbor_encode(sent)), parent)
        assert again.encode() == block.encode()


def test_another_parent_gives_another_header(made: list[tuple[Block, lean.Parent]]) -> None:
    block, parent = made[1]
    sent = lean.encode(block, parent)
    for other in (
        dataclasses.replace(parent, hash=bytes(32)),
        dataclasses.replace(parent, height=parent.height + 1),
        dataclasses.replace(parent, timestamp=parent.timestamp - 1),
    ):
        assert lean.decode(sent, other).hash != block.hash


def test_genesis_and_strange_blocks_travel_plain(made: list[tuple[Block, lean.Parent]]) -> None:
    block, parent = made[0]
    assert lean.encode(block, None) == [lean.PLAIN, block.encode()]
    odd = dataclasses.replace(block, header=b"\xc0", meta=b"x")
    assert lean.encode(odd, parent) == [lean.PLAIN, odd.encode()]
    assert lean.decode(lean.encode(odd, parent), parent) == odd


@settings(max_examples=60)
@given(st.data())
def test_any_change_inside_a_block_still_comes_back_exactly(data: st.DataObject) -> None:
    """Whatever a transaction holds, it either has a short form or travels as it is."""
    block, parent = next(iter(Site(5).blocks(1)))
    number = data.draw(st.integers(0, len(block.transactions) - 1))
    parts = rlp_decode(block.transactions[number][1:])
    place = data.draw(st.integers(0, 11).filter(lambda at: at != 8))
    parts[place] = data.draw(st.one_of(st.binary(max_size=80), st.just(parts[place][:-1]), st.just(bytes(64))))
    transactions = list(block.transactions)
    transactions[number] = b"\x02" + rlp_encode(parts)
    documents = list(block.documents)
    if data.draw(st.booleans()):
        documents[number] = data.draw(st.binary(max_size=40))
    if data.draw(st.booleans()):
        documents.pop()
    odd = dataclasses.replace(block, transactions=tuple(transactions), documents=tuple(documents))
    assert lean.decode(cbor_decode(cbor_encode(lean.encode(odd, parent))), parent) == odd


def _values() -> st.SearchStrategy[object]:
    leaf = st.one_of(
        st.none(), st.booleans(), st.integers(-5, 2**64 - 1), st.binary(max_size=40), st.text(max_size=9)
    )
    return st.recursive(leaf, lambda inner: st.lists(inner, max_size=6), max_leaves=20)


@settings(max_examples=300)
@given(st.data())
def test_a_changed_travelling_block_is_refused_or_another_block(data: st.DataObject) -> None:
    """No garbage escapes as anything but `Invalid`, and nothing else passes for the block."""
    block, parent = SIXTH
    sent = cbor_decode(SIXTH_SENT)
    target: list[object] = sent
    for _ in range(data.draw(st.integers(0, 5))):
        lists = [part for part in target if isinstance(part, list) and part]
        if not lists:
            break
        target = data.draw(st.sampled_from(lists))
    place = data.draw(st.integers(0, len(target) - 1))
    target[place] = data.draw(_values())
    try:
        if cbor_encode(sent) == SIXTH_SENT:
            return
        assert lean.decode(sent, parent) != block
    except Invalid:
        return


def test_a_few_bytes_cannot_stand_for_a_huge_block(made: list[tuple[Block, lean.Parent]]) -> None:
    block, parent = made[0]
    sent = lean.encode(block, parent)
    call = sent[8][0][5]
    call[2], call[3] = 2**40, [[0]] * 7
    with pytest.raises(Invalid, match="grows beyond"):
        lean.decode(sent, parent)


def test_blocks_go_into_frames_and_come_out_in_order(made: list[tuple[Block, lean.Parent]]) -> None:
    sent = [lean.encode(block, parent) for block, parent in made]
    packed = [frame for _, frame in packing.pack_blocks(2, sent)]
    assert all(len(frame.payload) <= frames.PACKED_BYTES_MAX for frame in packed)
    found = [run for run in packing.unpack_blocks(packed) if not isinstance(run, Invalid)]
    assert found[0][0] == 2
    assert [value for _, values in found for value in values] == sent


def test_a_block_too_large_for_one_frame_travels_in_parts() -> None:
    noise = random.Random(1)
    large = [lean.PLAIN, noise.randbytes(300_000)]
    small = [lean.PLAIN, b"small"]
    ends = [end for end, _ in packing.pack_blocks(5, [small, large, small])]
    assert ends == [6, 6, 6, 6, 6, 7, 8]
    packed = [frame for _, frame in packing.pack_blocks(5, [small, large, small])]
    assert len(packed) == 7
    found = list(packing.unpack_blocks(packed))
    assert found == [(5, [small]), (6, [large]), (7, [small])]
    # Any part missing: only that block is missing.
    for gone in range(1, 6):
        found = list(packing.unpack_blocks(packed[:gone] + packed[gone + 1 :]))
        good = [run for run in found if not isinstance(run, Invalid)]
        assert good == [(5, [small]), (7, [small])]


def test_wire_bytes_meet_their_bar() -> None:
    (row,) = rows()
    assert row.met and row.ours < 22, "a change that costs a tenth should be a decision"
