"""The stored trie against the `trie` package: random writes and deletes, saved, forgotten and read again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from ledger.codec import keccak256
from ledger.errors import Corrupt
from ledger.state_tree import EMPTY_ROOT, Tree

# Keys that share long beginnings are what makes extensions, splits and joins; hashes alone would give hardly any.
near_keys = st.builds(
    lambda head, middle, tail: (head * 32)[:15] + bytes([middle]) + (tail * 32)[:16],
    st.sampled_from([b"\x00", b"\x10", b"\xab\xcd"]),
    st.sampled_from([0x00, 0x01, 0x10, 0xFF]),
    st.sampled_from([b"\x00", b"\x01", b"\xff", b"\x00\x0f"]),
)
keys = st.one_of(near_keys, st.integers(0, 40).map(lambda number: keccak256(bytes([number]))))
values = st.one_of(st.just(b""), st.binary(min_size=1, max_size=3), st.binary(min_size=30, max_size=40))
steps = st.lists(st.one_of(st.tuples(keys, values), st.sampled_from(["save", "forget"])), max_size=60)


class Disk:
    """The rows of one trie."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}

    def take(self, tree: Tree) -> None:
        gone, rows = tree.save()
        for path in gone:
            self.rows.pop(path, None)
        self.rows.update(rows)


@given(steps)
@settings(max_examples=300)
def test_any_history_gives_the_reference_root(history: list[object]) -> None:
    disk, reference = Disk(), HexaryTrie({}, prune=True)
    tree = Tree(EMPTY_ROOT, lambda path: disk.rows.get(path))
    model: dict[bytes, bytes] = {}
    for step in history:
        if isinstance(step, tuple):
            key, value = step
            tree.set(key.hex(), value)
            if value:
                reference[key] = model[key] = value
            elif key in model:
                del reference[key], model[key]
        else:
            disk.take(tree)
            if step == "forget":
                tree.forget()
        assert tree.root == reference.root_hash
    assert {key: tree.get(key.hex()) for key in model} == model
    disk.take(tree)
    again = Tree(tree.root, lambda path: disk.rows.get(path))
    assert dict(again.items()) == {key.hex(): value for key, value in model.items()}
    assert list(again.items()) == sorted(again.items())
    stranger = keccak256(b"nobody").hex()
    assert again.get(stranger) is None
    again.set(stranger, b"")
    assert again.root == reference.root_hash


@given(steps)
@settings(max_examples=100)
def test_the_disk_holds_nothing_but_the_newest_trie(history: list[object]) -> None:
    disk = Disk()
    tree = Tree(EMPTY_ROOT, lambda path: disk.rows.get(path))
    for step in history:
        if isinstance(step, tuple):
            tree.set(step[0].hex(), step[1])
        else:
            disk.take(tree)
    disk.take(tree)
    fresh, only = Disk(), Tree()
    for key, value in tree.items():
        only.set(key, value)
    fresh.take(only)
    assert disk.rows == fresh.rows


def filled(count: int) -> tuple[Disk, Tree]:
    disk = Disk()
    tree = Tree(EMPTY_ROOT, lambda path: disk.rows.get(path))
    for number in range(count):
        tree.set(keccak256(b"%d" % number).hex(), b"value %d" % number)
    disk.take(tree)
    return disk, tree


def test_a_damaged_row_is_found_when_it_is_read() -> None:
    disk, tree = filled(60)
    root = tree.root
    for path, row in list(disk.rows.items()):
        for at in range(0, len(row), 7):
            disk.rows[path] = row[:at] + bytes([row[at] ^ 0x10]) + row[at + 1 :]
            with pytest.raises(Corrupt):
                list(Tree(root, disk.rows.get).items())
        for other in (row[:-1], row + b"\x00", b""):
            disk.rows[path] = other
            with pytest.raises(Corrupt):
                list(Tree(root, disk.rows.get).items())
        del disk.rows[path]
        with pytest.raises(Corrupt):
            list(Tree(root, disk.rows.get).items())
        disk.rows[path] = row


def test_only_what_changed_is_written_again() -> None:
    _, tree = filled(2_000)
    assert tree.save() == ([], [])
    tree.set(keccak256(b"7").hex(), b"other")
    gone, rows = tree.save()
    assert gone == []
    assert 2 <= len(rows) <= 5


def test_a_trie_of_one_leaf_and_of_none() -> None:
    disk = Disk()
    tree = Tree(EMPTY_ROOT, lambda path: disk.rows.get(path))
    assert tree.root == EMPTY_ROOT
    key = keccak256(b"one").hex()
    tree.set(key, b"first")
    disk.take(tree)
    again = Tree(tree.root, disk.rows.get)
    assert again.get(key) == b"first"
    again.set(key, b"")
    disk.take(again)
    assert (again.root, disk.rows) == (EMPTY_ROOT, {})
