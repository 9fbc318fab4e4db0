"""One Merkle-Patricia trie of the state, kept by path: the disk holds the newest form of it and nothing else.

Keys are Keccak hashes (32 bytes) written as 64 hex digits; values are the trie values (already RLP). A branch is
stored as one row under the path from the root to it, together with the leaves that hang on it and the hashes of the
branches below; an extension is the `skip` of the branch it leads to. A row is overwritten when its branch changes.

Changes stay in memory until `save`. A branch read from disk is hashed and compared with what its parent says, so that
damaged bytes are found when they are read, not when they have been counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from ledger.codec import keccak256, rlp_encode
from ledger.errors import Corrupt
from ledger.trie import HEX_DIGITS, list_of, packed

EMPTY_ROOT = keccak256(b"\x80")
KEY_DIGITS = 64
REMEDY = "restore a backup, or rebuild the state from the blocks"

_AT = {digit: number for number, digit in enumerate(HEX_DIGITS)}
_HASH = b"\xa0"


class Leaf:
    """A value and the digits of its key below its parent; `ref` caches how a parent refers to it."""

    __slots__ = ("ref", "rest", "value")

    def __init__(self, rest: str, value: bytes) -> None:
        self.rest = rest
        self.value = value
        self.ref: bytes | None = None


class Branch:
    """Sixteen ways on, after the digits `skip` which all keys below share.

    A child is a node, None, or the reference of a branch still on disk. `saved`: the row on disk is this very branch.
    """

    __slots__ = ("children", "ref", "saved", "skip")

    def __init__(self, skip: str, children: list[Child]) -> None:
        self.skip = skip
        self.children = children
        self.ref: bytes | None = None
        self.saved = False


Child: TypeAlias = "Branch | Leaf | bytes | None"
Load: TypeAlias = Callable[[str], bytes | None]


def _nothing_stored(path: str) -> bytes | None:
    return None


class Tree:
    """A trie whose root hash is `root`; `load` gives the stored row at a path."""

    def __init__(self, root: bytes = EMPTY_ROOT, load: Load = _nothing_stored) -> None:
        self._load = load
        self._top: Child = None if root == EMPTY_ROOT else _HASH + root
        self._gone: set[str] = set()
        self.loaded = 0  # nodes in memory, roughly

    @property
    def root(self) -> bytes:
        """The root hash, with every change so far."""
        if self._top is None:
            return EMPTY_ROOT
        ref = self._top if isinstance(self._top, bytes) else _ref(self._top)
        return ref[1:] if len(ref) > 32 else keccak256(ref)

    def get(self, key: str) -> bytes | None:
        """The value under `key`, None if there is none."""
        node = self._top
        at = 0
        parent: Branch | None = None
        while True:
            if isinstance(node, Branch):
                skip = node.skip
                if skip:
                    end = at + len(skip)
                    if key[at:end] != skip:
                        return None
                    at = end
                parent = node
                node = parent.children[_AT[key[at]]]
                at += 1
            elif isinstance(node, Leaf):
                return node.value if key[at:] == node.rest else None
            elif node is None:
                return None
            else:
                node = self._read(key[:at], node)
                if parent is None:
                    self._top = node
                else:
                    parent.children[_AT[key[at - 1]]] = node

    def set(self, key: str, value: bytes) -> None:
        """Put `value` under `key`; no bytes means that the key is absent."""
        if value:
            self._top = self._put(self._top, key, 0, value)
        elif self.get(key) is not None:
            self._top = self._cut(self._top, key, 0)

    def save(self) -> tuple[list[str], list[tuple[str, bytes]]]:
        """Paths to delete, then rows to write, that make the disk hold this trie; they count as written."""
        rows: list[tuple[str, bytes]] = []
        if isinstance(self._top, Leaf):
            # A single leaf has no branch to be stored with: it gets one of its own that is never hashed.
            rows.append(("", _row(_sole(self._top))))
        elif isinstance(self._top, Branch):
            _unsaved(self._top, "", rows)
        gone = sorted(self._gone | ({""} if self._top is None else set()))
        self._gone.clear()
        return gone, rows

    def forget(self) -> None:
        """Drop what memory holds; only right after `save`, when the disk holds it all."""
        self._top = None if self._top is None else _HASH + self.root
        self.loaded = 0

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Every key and value in order of keys; reads the whole trie."""
        yield from self._below(self._top, "")

    def _below(self, node: Child, path: str) -> Iterator[tuple[str, bytes]]:
        if isinstance(node, bytes):
            node = self._read(path, node)
        if isinstance(node, Leaf):
            yield path + node.rest, node.value
        elif isinstance(node, Branch):
            for digit, child in zip(HEX_DIGITS, node.children, strict=True):
                yield from self._below(child, path + node.skip + digit)

    def _read(self, path: str, reference: bytes) -> Branch | Leaf:
        row = self._load(path)
        if row is None:
            raise Corrupt(f"the state lacks its node at {path!r}; {REMEDY}")
        try:
            node = _of_row(row, len(path))
        except (IndexError, ValueError) as error:
            raise Corrupt(f"the state's node at {path!r} is damaged ({error}); {REMEDY}") from error
        encoded = _encoded(node)
        node.ref = encoded if len(encoded) < 32 else _HASH + keccak256(encoded)
        # The root is named by its hash even when it is short.
        if node.ref != reference and (path or _HASH + keccak256(encoded) != reference):
            raise Corrupt(f"the state's node at {path!r} is not the one its parent names; {REMEDY}")
        self.loaded += 1 if isinstance(node, Leaf) else 16 - node.children.count(None)
        return node

    def _put(self, node: Child, key: str, at: int, value: bytes) -> Branch | Leaf:
        if node is None:
            self.loaded += 1
            return Leaf(key[at:], value)
        if isinstance(node, bytes):
            node = self._read(key[:at], node)
        if isinstance(node, Leaf):
            rest = key[at:]
            if node.rest == rest:
                node.value = value
                node.ref = None
                return node
            same = _shared(node.rest, rest)
            fork = _fork(rest[:same])
            fork.children[_AT[node.rest[same]]] = node
            fork.children[_AT[rest[same]]] = Leaf(rest[same + 1 :], value)
            node.rest = node.rest[same + 1 :]
            node.ref = None
            self.loaded += 2
            return fork
        skip = node.skip
        end = at + len(skip)
        node.ref = None
        node.saved = False
        if not skip or key[at:end] == skip:
            digit = _AT[key[end]]
            node.children[digit] = self._put(node.children[digit], key, end + 1, value)
            return node
        same = _shared(skip, key[at:])
        fork = _fork(skip[:same])
        fork.children[_AT[skip[same]]] = node
        fork.children[_AT[key[at + same]]] = Leaf(key[at + same + 1 :], value)
        node.skip = skip[same + 1 :]
        self.loaded += 2
        return fork

    def _cut(self, node: Child, key: str, at: int) -> Child:
        """What is left of `node` without `key`, which is there and was read on the way to it."""
        if not isinstance(node, Branch):
            return None
        end = at + len(node.skip)
        digit = _AT[key[end]]
        node.children[digit] = self._cut(node.children[digit], key, end + 1)
        node.ref = None
        node.saved = False
        left = [number for number, child in enumerate(node.children) if child is not None]
        return node if len(left) > 1 else self._joined(node, left[0], key[:at])

    def _joined(self, node: Branch, number: int, path: str) -> Child:
        """What replaces the branch `node` at `path` when only its child `number` is left."""
        child = node.children[number]
        way = node.skip + HEX_DIGITS[number]
        if isinstance(child, bytes):
            child = self._read(path + way, child)
        if isinstance(child, Leaf):
            self._gone.add(path)
            child.rest = way + child.rest
        elif isinstance(child, Branch):
            self._gone.add(path + way)
            child.skip = way + child.skip
            child.saved = False
        if child is not None:
            child.ref = None
        return child


def _fork(skip: str) -> Branch:
    return Branch(skip, [None] * 16)


def _sole(leaf: Leaf) -> Branch:
    branch = _fork("")
    branch.children[_AT[leaf.rest[0]]] = Leaf(leaf.rest[1:], leaf.value)
    return branch


def _shared(one: str, other: str) -> int:
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _ref(node: Branch | Leaf) -> bytes:
    ref = node.ref
    if ref is None:
        encoded = _encoded(node)
        ref = node.ref = encoded if len(encoded) < 32 else _HASH + keccak256(encoded)
    return ref


def _encoded(node: Branch | Leaf) -> bytes:
    """The node as RLP; a branch behind a skip as the extension that leads to it."""
    if isinstance(node, Leaf):
        value = node.value
        return list_of(rlp_encode(packed(node.rest, leaf=True)) + rlp_encode(value))
    parts = [
        b"\x80" if child is None else child if isinstance(child, bytes) else _ref(child) for child in node.children
    ]
    parts.append(b"\x80")
    encoded = list_of(b"".join(parts))
    skip = node.skip
    if not skip:
        return encoded
    below = encoded if len(encoded) < 32 else _HASH + keccak256(encoded)
    return list_of(rlp_encode(packed(skip, leaf=False)) + below)


def _unsaved(branch: Branch, path: str, rows: list[tuple[str, bytes]]) -> None:
    if branch.saved:
        return
    rows.append((path, _row(branch)))
    branch.saved = True
    path += branch.skip
    for digit, child in zip(HEX_DIGITS, branch.children, strict=True):
        if isinstance(child, Branch):
            _unsaved(child, path + digit, rows)


# A row: length and digits of the skip, one bit a child (two bytes), one bit a leaf among them (two bytes), then for
# each child its length and content: a leaf's value after the rest of its key, a branch's reference.


def _row(branch: Branch) -> bytes:
    present = leaves = 0
    parts: list[bytes] = []
    for number, child in enumerate(branch.children):
        if child is None:
            continue
        present |= 1 << number
        if isinstance(child, Leaf):
            leaves |= 1 << number
            parts.append(bytes((len(child.value),)) + _squeezed(child.rest) + child.value)
        else:
            ref = child if isinstance(child, bytes) else _ref(child)
            parts.append(bytes((len(ref),)) + ref)
    head = bytes((len(branch.skip),)) + _squeezed(branch.skip)
    return head + present.to_bytes(2, "big") + leaves.to_bytes(2, "big") + b"".join(parts)


def _of_row(row: bytes, depth: int) -> Branch | Leaf:
    digits = row[0]
    at = 1 + (digits + 1) // 2
    skip = _spread(row[1:at], digits)
    present, leaves = int.from_bytes(row[at : at + 2], "big"), int.from_bytes(row[at + 2 : at + 4], "big")
    at += 4
    rest_digits = KEY_DIGITS - depth - digits - 1
    rest_bytes = (rest_digits + 1) // 2
    children: list[Child] = [None] * 16
    for number in range(16):
        if not present >> number & 1:
            continue
        length = row[at]
        at += 1
        if leaves >> number & 1:
            middle = at + rest_bytes
            children[number] = Leaf(_spread(row[at:middle], rest_digits), row[middle : middle + length])
            at = middle + length
        else:
            children[number] = row[at : at + length]
            at += length
    if at != len(row):
        raise ValueError(f"{len(row)} bytes, expected {at}")
    branch = Branch(skip, children)
    branch.saved = True
    if present.bit_count() == 1:
        only = children[present.bit_length() - 1]
        if not isinstance(only, Leaf):
            raise ValueError("a branch with one way on")
        return Leaf(HEX_DIGITS[present.bit_length() - 1] + only.rest, only.value)
    return branch


def _squeezed(digits: str) -> bytes:
    return bytes.fromhex(digits + "0" if len(digits) % 2 else digits)


def _spread(raw: bytes, digits: int) -> str:
    text = raw.hex()
    if len(text) != digits + digits % 2 or text[digits:] not in ("", "0"):
        raise ValueError("it ends too early or with something to spare")
    return text[:digits]
