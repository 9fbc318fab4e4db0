"""Tries over indexed lists: roots against the `trie` package, proofs against every change of a byte."""

from __future__ import annotations

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from ledger import trie
from ledger.codec import keccak256
from ledger.errors import Invalid

EMPTY_ROOT = "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"

items_of_any_size = st.lists(st.binary(min_size=1, max_size=80), min_size=0, max_size=150)


def reference(items: list[bytes]) -> HexaryTrie:
    tree = HexaryTrie({})
    for index, item in enumerate(items):
        tree[rlp.encode(index)] = item
    return tree


def test_no_items_have_the_known_empty_root() -> None:
    assert trie.root([]).hex() == EMPTY_ROOT


@given(items_of_any_size)
@settings(max_examples=60)
def test_root_equals_the_reference(items: list[bytes]) -> None:
    assert trie.root(items) == reference(items).root_hash


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 127, 128, 129, 255, 256, 257, 300])
@pytest.mark.parametrize("size", [1, 20, 31, 32, 600])
def test_every_count_around_a_change_of_key_length(count: int, size: int) -> None:
    items = [bytes([index % 251]) * size for index in range(count)]
    assert trie.root(items) == reference(items).root_hash
    for index in {0, 1, count // 2, count - 1} & set(range(count)):
        nodes = trie.prove(items, index)
        assert trie.verify(trie.root(items), index, nodes) == items[index]


@given(items_of_any_size.filter(bool), st.data())
@settings(max_examples=60)
def test_a_proof_holds_exactly_the_nodes_a_reference_trie_walks(items: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(items) - 1))
    tree = reference(items)
    nodes = trie.prove(items, index)
    assert trie.verify(tree.root_hash, index, nodes) == items[index]
    walked = [rlp.encode(node) for node in tree.get_proof(rlp.encode(index))]
    assert nodes == [walked[0]] + [node for node in walked[1:] if len(node) >= 32]
    assert keccak256(nodes[0]) == tree.root_hash


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=2, max_size=40), st.data())
@settings(max_examples=40)
def test_no_other_nodes_are_accepted(items: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(items) - 1))
    root, nodes = trie.root(items), trie.prove(items, index)
    other = data.draw(st.integers(0, len(items) - 1).filter(lambda number: number != index))
    wrong = [
        nodes[:-1],
        nodes[1:],
        [*nodes, nodes[-1]],
        [nodes[0], *nodes],
        [*nodes, trie.prove(items, other)[-1]],
        [],
    ]
    if len(nodes) > 1:
        wrong.append(nodes[::-1])
    for changed in wrong:
        with pytest.raises(Invalid):
            trie.verify(root, index, changed)


def test_every_single_bit_counts() -> None:
    items = [bytes([index]) * 45 for index in range(1, 40)]
    root, nodes = trie.root(items), trie.prove(items, 21)
    for number, node in enumerate(nodes):
        for bit in range(len(node) * 8):
            changed = bytearray(node)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(Invalid):
                trie.verify(root, 21, [*nodes[:number], bytes(changed), *nodes[number + 1 :]])
    for index in range(39):
        if index != 21:
            with pytest.raises(Invalid):
                trie.verify(root, index, nodes)


@pytest.mark.parametrize(
    "item",
    [
        [b"\x20"],
        [b"", b"value"],
        [b"\x40", b"value"],
        [b"\x21\x01", b""],
        [b"\x0f\x01", b"v" * 32],
        [b"\x00", b"v" * 32],
        [b"\x16", b""],
        [b"\x16", b"short"],
        [b""] * 16,
        [[b"\x20", b"v"]] + [b""] * 15 + [[b"x"]],
        b"text",
        [[b"\x20", b"v"], b"v"],
    ],
)
def test_a_node_of_another_shape_is_refused_even_under_its_own_hash(item: object) -> None:
    encoded = rlp.encode(item)
    for index in (0, 1):
        with pytest.raises(Invalid):
            trie.verify(keccak256(encoded), index, [encoded])


def test_an_unusual_writing_of_a_right_node_is_refused() -> None:
    [node] = trie.prove([b"v" * 60], 0)
    assert trie.verify(trie.root([b"v" * 60]), 0, [node]) == b"v" * 60
    assert node[:1] == b"\xf8"
    longer = b"\xf9\x00" + node[1:]
    with pytest.raises(Invalid):
        trie.verify(keccak256(longer), 0, [longer])


def test_absent_items_have_no_proof() -> None:
    items = [b"one" * 20, b"two" * 20]
    with pytest.raises(IndexError):
        trie.prove(items, 2)
    with pytest.raises(IndexError):
        trie.prove(items, -1)
    with pytest.raises(Invalid):
        trie.verify(trie.root(items), -1, trie.prove(items, 0))
