"""RFC 6962 trees: published vectors, every small size against the definition, and proofs that do not fit."""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import merkle
from ledger.errors import Corrupt, Invalid
from ledger.merkle import Frontier, MemoryLog, Node, leaf_hash

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "merkle.json").read_text())
SIZES = 130
LEAVES = [leaf_hash(b"leaf %d" % number) for number in range(SIZES)]


# --- the definition of RFC 6962 2.1, word by word and as slow as it is ---


@cache
def mth(start: int, end: int) -> bytes:
    if end == start:
        return sha256(b"").digest()
    if end - start == 1:
        return LEAVES[start]
    middle = start + split(end - start)
    return sha256(b"\x01" + mth(start, middle) + mth(middle, end)).digest()


def split(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def path(index: int, start: int, end: int) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + split(end - start)
    if index < middle:
        return [*path(index, start, middle), mth(middle, end)]
    return [*path(index, middle, end), mth(start, middle)]


def subproof(old: int, start: int, end: int, known: bool) -> list[bytes]:
    if old == end:
        return [] if known else [mth(start, end)]
    middle = start + split(end - start)
    if old <= middle:
        return [*subproof(old, start, middle, known), mth(middle, end)]
    return [*subproof(old, middle, end, False), mth(start, middle)]


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    return MemoryLog(LEAVES)


def test_published_roots_and_proofs() -> None:
    leaves = [leaf_hash(bytes.fromhex(item)) for item in VECTORS["leaves"]]
    log = MemoryLog(leaves)
    assert merkle.EMPTY_ROOT.hex() == VECTORS["empty_root"]
    assert [merkle.root_of(leaves[:size]).hex() for size in range(1, 9)] == VECTORS["roots"]
    for index, size, expected in VECTORS["inclusion"]:
        assert [item.hex() for item in merkle.inclusion_path(index, size, log.read)] == expected
    for old, new, expected in VECTORS["consistency"]:
        assert [item.hex() for item in merkle.consistency_path(old, new, log.read)] == expected


def test_every_root_to_130_is_that_of_the_definition(log: MemoryLog) -> None:
    frontier = Frontier()
    for size in range(SIZES + 1):
        assert frontier.root() == mth(0, size) == merkle.tree_root(size, log.read) == merkle.root_of(LEAVES[:size])
        assert Frontier.decode(frontier.encode()) == frontier
        if size < SIZES:
            frontier, _ = frontier.append(LEAVES[size])


def test_every_audit_path_to_130_is_that_of_the_definition_and_verifies(log: MemoryLog) -> None:
    for size in range(1, SIZES + 1):
        for index in range(size):
            proof = merkle.inclusion_path(index, size, log.read)
            assert list(proof) == path(index, 0, size)
            merkle.verify_inclusion(LEAVES[index], index, size, proof, mth(0, size))


def test_every_consistency_proof_to_130_is_that_of_the_definition_and_verifies(log: MemoryLog) -> None:
    for new in range(SIZES + 1):
        for old in range(new + 1):
            proof = merkle.consistency_path(old, new, log.read)
            assert list(proof) == ([] if old == 0 else subproof(old, 0, new, True))
            merkle.verify_consistency(old, new, mth(0, old), mth(0, new), proof)


def test_a_path_holds_for_one_position_only(log: MemoryLog) -> None:
    """A receipt cannot be moved to another place of the same log. (The size is bound by the signed note.)"""
    for size in range(2, 40):
        for index in range(size):
            proof = merkle.inclusion_path(index, size, log.read)
            for other in range(size):
                if other != index:
                    with pytest.raises(Invalid):
                        merkle.verify_inclusion(LEAVES[index], other, size, proof, mth(0, size))


def test_a_consistency_proof_holds_for_its_two_roots_only(log: MemoryLog) -> None:
    for new in range(1, 33):
        for old in range(1, new):
            proof = merkle.consistency_path(old, new, log.read)
            for old_root, new_root in ((mth(0, old - 1), mth(0, new)), (mth(0, old), mth(0, new - 1))):
                if (old_root, new_root) != (mth(0, old), mth(0, new)):
                    with pytest.raises(Invalid):
                        merkle.verify_consistency(old, new, old_root, new_root, proof)


def test_a_proof_needs_exactly_its_length(log: MemoryLog) -> None:
    for size in range(1, 40):
        for index in range(size):
            proof = merkle.inclusion_path(index, size, log.read)
            for wrong in (proof[:-1], (*proof, LEAVES[0]), proof[1:]):
                if wrong != proof:
                    with pytest.raises(Invalid):
                        merkle.verify_inclusion(LEAVES[index], index, size, wrong, mth(0, size))
        for old in range(size + 1):
            proof = merkle.consistency_path(old, size, log.read)
            for wrong in (proof[:-1], (*proof, LEAVES[0]), proof[1:]):
                if wrong != proof:
                    with pytest.raises(Invalid):
                        merkle.verify_consistency(old, size, mth(0, old), mth(0, size), wrong)


def test_hashes_of_another_length_and_impossible_places_are_refused() -> None:
    leaf = LEAVES[0]
    for index, size, proof in ((1, 1, ()), (-1, 1, ()), (0, 0, ()), (0, 2, (b"short",)), (0, 2**63, ())):
        with pytest.raises(Invalid):
            merkle.verify_inclusion(leaf, index, size, proof, leaf)
    for old, new in ((2, 1), (-1, 0), (1, 2**63)):
        with pytest.raises(Invalid):
            merkle.verify_consistency(old, new, leaf, leaf, ())
        with pytest.raises(Invalid):
            merkle.consistency_path(old, new, MemoryLog().read)
    with pytest.raises(Invalid):
        merkle.verify_consistency(0, 3, leaf, leaf, ())
    with pytest.raises(Invalid):
        merkle.verify_inclusion(leaf, 0, 2, [leaf] * 65, leaf)
    with pytest.raises(Invalid):
        Frontier(3, (leaf,))
    for stored in (b"", bytes(8) + leaf, (3).to_bytes(8, "big") + leaf, (1).to_bytes(8, "big") + leaf[:31]):
        with pytest.raises(Corrupt):
            Frontier.decode(stored)


def test_a_long_log_gives_proofs_from_few_reads() -> None:
    """A log of 300,000 leaves: a proof reads no more hashes than two for each level."""
    store: dict[tuple[int, int], bytes] = {}
    frontier = Frontier()
    for number in range(300_000):
        frontier, closed = frontier.append(sha256(number.to_bytes(4, "big")).digest())
        for node in closed:
            store[node.level, node.index] = node.hash
    reads: list[tuple[int, int]] = []

    def read(level: int, index: int) -> bytes:
        reads.append((level, index))
        return store[level, index]

    for index in (0, 1, 131_071, 262_144, 299_999):
        proof = merkle.inclusion_path(index, 300_000, read)
        leaf = sha256(index.to_bytes(4, "big")).digest()
        merkle.verify_inclusion(leaf, index, 300_000, proof, frontier.root())
    old_root = merkle.tree_root(123_457, read)
    proof = merkle.consistency_path(123_457, 300_000, read)
    merkle.verify_consistency(123_457, 300_000, old_root, frontier.root(), proof)
    assert len(reads) < 7 * 2 * 19
    assert len(store) < 2 * 300_000


def test_append_reports_each_complete_subtree_once() -> None:
    frontier = Frontier()
    seen: set[tuple[int, int]] = set()
    for leaf in LEAVES:
        frontier, closed = frontier.append(leaf)
        for node in closed:
            assert isinstance(node, Node)
            assert (node.level, node.index) not in seen
            seen.add((node.level, node.index))
            assert node.hash == mth(node.index << node.level, node.index + 1 << node.level)
    assert len(seen) == sum(SIZES >> level for level in range(8))


@settings(max_examples=200)
@given(st.data())
def test_one_changed_bit_in_a_proof_is_noticed(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, SIZES))
    index = data.draw(st.integers(0, size - 1))
    log = MemoryLog(LEAVES[:size])
    proof = [bytearray(item) for item in merkle.inclusion_path(index, size, log.read)]
    at = data.draw(st.integers(0, len(proof) * 256 - 1))
    proof[at // 256][at % 256 // 8] ^= 1 << at % 8
    with pytest.raises(Invalid):
        merkle.verify_inclusion(LEAVES[index], index, size, [bytes(item) for item in proof], mth(0, size))


@settings(max_examples=200)
@given(st.integers(1, SIZES), st.integers(1, SIZES), st.integers(0, 2**16))
def test_one_changed_bit_in_a_consistency_proof_is_noticed(old: int, new: int, bit: int) -> None:
    old, new = min(old, new), max(old, new)
    log = MemoryLog(LEAVES[:new])
    proof = [bytearray(item) for item in merkle.consistency_path(old, new, log.read)]
    if not proof:
        return
    at = bit % (len(proof) * 256)
    proof[at // 256][at % 256 // 8] ^= 1 << at % 8
    with pytest.raises(Invalid):
        merkle.verify_consistency(old, new, mth(0, old), mth(0, new), [bytes(item) for item in proof])


@settings(max_examples=100)
@given(
    st.integers(-1, 70), st.integers(-1, 70), st.lists(st.binary(min_size=30, max_size=32), max_size=8), st.booleans()
)
def test_hostile_proofs_raise_nothing_but_invalid(index: int, size: int, proof: list[bytes], grown: bool) -> None:
    with pytest.raises(Invalid):
        if grown:
            merkle.verify_consistency(index, size, LEAVES[0], LEAVES[1], proof)
        else:
            merkle.verify_inclusion(LEAVES[0], index, size, proof, LEAVES[1])
