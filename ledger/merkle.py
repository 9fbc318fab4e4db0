"""RFC 6962 Merkle trees over SHA-256: the site log (leaf i = hash of block i) and the hub log (leaf = a checkpoint).

A tree grows only at its right edge, so one number and a few hashes (`Frontier`) are enough to append and to know
the root. Proofs also need hashes from the middle: they come from a `Reader`, which answers for one *complete*
subtree. Whoever appends stores what `Frontier.append` reports as new (in all two hashes a leaf); a proof in a
log of a million leaves then reads about forty of them.

All hashes are 32 bytes. A leaf is passed as its leaf hash, so that data never has to be kept for a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import Corrupt, Invalid

HASH_BYTES = 32
SIZE_MAX = 2**63 - 1
# One hash for each level of the largest tree, and in a consistency proof one for where the way begins.
PATH_MAX = 64

EMPTY_ROOT = sha256(b"").digest()

Reader = Callable[[int, int], bytes]
"""(level, index) -> hash of the complete subtree of leaves index·2^level up to (index+1)·2^level."""


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962 2.1: the leading zero byte keeps a leaf from ever being read as an inner node."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 2.1: an inner node."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Node:
    """A complete subtree that an append has just closed: what a log stores to give proofs later."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: `size` leaves, and the hash of each complete subtree along the edge, largest first.

    There is one hash for each one-bit of `size`, so the value is at most 63 hashes however long the log is.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= SIZE_MAX or len(self.hashes) != self.size.bit_count():
            raise Invalid(f"a tree of {self.size} leaves does not have {len(self.hashes)} hashes on its edge")
        if any(len(item) != HASH_BYTES for item in self.hashes):
            raise Invalid("the edge of a tree consists of hashes of 32 bytes")

    def append(self, leaf: bytes) -> tuple[Frontier, tuple[Node, ...]]:
        """The tree with one more leaf (given as its leaf hash), and the subtrees this closes, smallest first."""
        closed = [Node(0, self.size, leaf)]
        edge = list(self.hashes)
        level = 0
        while self.size >> level & 1:
            level += 1
            closed.append(Node(level, self.size >> level, node_hash(edge.pop(), closed[-1].hash)))
        return Frontier(self.size + 1, (*edge, closed[-1].hash)), tuple(closed)

    def root(self) -> bytes:
        """The Merkle tree head, RFC 6962 2.1; the hash of nothing for the empty tree."""
        if not self.hashes:
            return EMPTY_ROOT
        return _fold_right(self.hashes)

    def encode(self) -> bytes:
        """For a database column: 8 bytes of size, then the hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def decode(cls, stored: bytes) -> Frontier:
        """The inverse of `encode`; what we stored ourselves and cannot read is `Corrupt`."""
        if len(stored) < 8 or (len(stored) - 8) % HASH_BYTES:
            raise Corrupt(f"a stored tree edge of {len(stored)} bytes: expected 8 and a multiple of 32")
        hashes = tuple(stored[at : at + HASH_BYTES] for at in range(8, len(stored), HASH_BYTES))
        try:
            return cls(int.from_bytes(stored[:8], "big"), hashes)
        except Invalid as error:
            raise Corrupt(f"a stored tree edge does not fit together: {error}") from error


class MemoryLog:
    """A whole tree in memory, complete subtrees level by level: a `Reader` for short logs, tools and tests."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.frontier = Frontier()
        self._levels: list[list[bytes]] = []
        for leaf in leaves:
            self.append(leaf)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self.frontier, closed = self.frontier.append(leaf)
        for node in closed:
            if node.level == len(self._levels):
                self._levels.append([])
            self._levels[node.level].append(node.hash)

    def read(self, level: int, index: int) -> bytes:
        """The `Reader` of this log."""
        return self._levels[level][index]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes given in order."""
    frontier = Frontier()
    for leaf in leaves:
        frontier, _ = frontier.append(leaf)
    return frontier.root()


# Proofs are made from three facts of RFC 6962: a tree splits at the largest power of two below its size, the left
# part is always complete, and so any part a proof names is a run of complete subtrees of falling size.


def subtree_root(start: int, end: int, read: Reader) -> bytes:
    """The root over leaves start..end-1, where start is a multiple of a power of two not below end - start."""
    return _fold_right([read(level, index) for level, index in _complete_parts(start, end)])


def tree_root(size: int, read: Reader) -> bytes:
    """The root of the tree as it was at `size` leaves."""
    return subtree_root(0, size, read) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, read: Reader) -> tuple[bytes, ...]:
    """The audit path of leaf `index` in the tree of `size` leaves, leaf side first (RFC 6962 2.1.1)."""
    if not 0 <= index < size <= SIZE_MAX:
        raise Invalid(f"leaf {index} is not in a tree of {size} leaves")
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return tuple(subtree_root(first, last, read) for first, last in reversed(path))


def consistency_path(old: int, new: int, read: Reader) -> tuple[bytes, ...]:
    """The proof that the tree of `old` leaves is a prefix of the tree of `new` leaves (RFC 6962 2.1.2).

    Empty for old = 0 and for old = new, where there is nothing to show.
    """
    if not 0 <= old <= new <= SIZE_MAX:
        raise Invalid(f"a tree of {old} leaves cannot have grown into one of {new}")
    if old in (0, new):
        return ()
    path = []
    start, end = 0, new
    # Walk towards the old tree's right edge; what lies beside the way is the proof.
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    # The way ends at a complete subtree of both trees. The verifier knows it only if it is the whole old tree.
    if start:
        path.append((start, end))
    return tuple(subtree_root(first, last, read) for first, last in reversed(path))


def root_by_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that `path` gives for the leaf hash at `index`; Invalid unless its length is exactly right."""
    if not 0 <= index < size <= SIZE_MAX:
        raise Invalid(f"leaf {index} is not in a tree of {size} leaves")
    _check_hashes("an audit path", path)
    current, used = leaf, 0
    position, last = index, size - 1
    while last:
        if position & 1 or position != last:
            if used == len(path):
                raise Invalid(f"the audit path of leaf {index} in {size} ends after {used} hashes: it needs more")
            sibling, used = path[used], used + 1
            current = node_hash(sibling, current) if position & 1 else node_hash(current, sibling)
        # else: the last node of an odd row has no sibling and rises as it is.
        position, last = position >> 1, last >> 1
    if used != len(path):
        raise Invalid(f"the audit path of leaf {index} in {size} has {len(path)} hashes: expected {used}")
    return current


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Raise Invalid unless `path` shows the leaf hash at `index` of the tree of `size` leaves with this root."""
    found = root_by_inclusion(leaf, index, size, path)
    if found != root:
        raise Invalid(f"the audit path of leaf {index} in {size} gives root {found.hex()}: expected {root.hex()}")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raise Invalid unless `path` shows that the new tree only adds to the old one."""
    if not 0 <= old <= new <= SIZE_MAX:
        raise Invalid(f"a tree of {old} leaves cannot have grown into one of {new}")
    _check_hashes("a consistency proof", path)
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if path or old_root != expected:
            raise Invalid(f"trees of {old} and {new} leaves need an empty proof and an old root {expected.hex()}")
        return
    from_old, from_new = _roots_by_consistency(old, new, old_root, path)
    if from_old != old_root:
        raise Invalid(f"the consistency proof from {old} to {new} does not give the old root {old_root.hex()}")
    if from_new != new_root:
        raise Invalid(f"the consistency proof from {old} to {new} does not give the new root {new_root.hex()}")


def _roots_by_consistency(old: int, new: int, old_root: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots as the proof gives them, for 0 < old < new (the verification of RFC 9162 2.1.4.2)."""
    rest = list(reversed(path))

    def take() -> bytes:
        if not rest:
            raise Invalid(f"the consistency proof from {old} to {new} ends after {len(path)} hashes: it needs more")
        return rest.pop()

    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    # An old size that is a power of two is itself the first subtree, so the proof leaves it out.
    from_old = from_new = take() if position else old_root
    while last:
        if position & 1:
            sibling = take()
            from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
        elif position != last:
            from_new = node_hash(from_new, take())
        position, last = position >> 1, last >> 1
    if rest:
        raise Invalid(f"the consistency proof from {old} to {new} has {len(rest)} hashes too many")
    return from_old, from_new


def _split(size: int) -> int:
    """The largest power of two below `size` (size > 1): where RFC 6962 divides a tree."""
    return 1 << (size - 1).bit_length() - 1


def _complete_parts(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The run of complete subtrees (level, index) that leaves start..end-1 consist of, largest first."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _fold_right(hashes: Sequence[bytes]) -> bytes:
    """Join a run of subtrees of falling size: the smaller ones on the right are joined first."""
    joined = hashes[-1]
    for left in reversed(hashes[:-1]):
        joined = node_hash(left, joined)
    return joined


def _check_hashes(what: str, path: Sequence[bytes]) -> None:
    if len(path) > PATH_MAX or any(len(item) != HASH_BYTES for item in path):
        raise Invalid(f"{what}: expected at most {PATH_MAX} hashes of 32 bytes")
